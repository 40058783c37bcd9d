/// An IPv4 address: 32 bits, most significant octet first in `rawValue`'s high byte (RFC 791).
public struct IPv4Address: RawRepresentable, Hashable, Sendable, BitwiseCopyable, Comparable {
    public var rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The address `a.b.c.d`.
    @inlinable
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        rawValue = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    public static let any = IPv4Address(rawValue: 0)
    public static let loopback = IPv4Address(127, 0, 0, 1)
    public static let broadcast = IPv4Address(rawValue: .max)

    @inlinable public var isUnspecified: Bool { rawValue == 0 }
    /// 127.0.0.0/8 (RFC 1122 section 3.2.1.3).
    @inlinable public var isLoopback: Bool { rawValue >> 24 == 127 }
    /// 224.0.0.0/4 (RFC 5771).
    @inlinable public var isMulticast: Bool { rawValue >> 28 == 0xe }
    /// 169.254.0.0/16 (RFC 3927).
    @inlinable public var isLinkLocal: Bool { rawValue >> 16 == 0xa9fe }
    /// 255.255.255.255, the broadcast address that needs no prefix to be known as one.
    @inlinable public var isBroadcast: Bool { rawValue == .max }

    @inlinable
    public static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.rawValue < right.rawValue }
}

/// An IPv6 address: 128 bits and the index of the interface that scopes it, 0 for none (RFC 4291, RFC 4007).
public struct IPv6Address: Hashable, Sendable, BitwiseCopyable, Comparable {
    /// The first eight octets, most significant first.
    public var high: UInt64
    /// The last eight octets.
    public var low: UInt64
    /// The index of the zone's interface, 0 when the address names none.
    public var zone: UInt32

    @inlinable
    public init(high: UInt64, low: UInt64, zone: UInt32 = 0) {
        self.high = high
        self.low = low
        self.zone = zone
    }

    public static let any = IPv6Address(high: 0, low: 0)
    public static let loopback = IPv6Address(high: 0, low: 1)

    @inlinable public var isUnspecified: Bool { high == 0 && low == 0 }
    @inlinable public var isLoopback: Bool { high == 0 && low == 1 }
    /// ff00::/8.
    @inlinable public var isMulticast: Bool { high >> 56 == 0xff }
    /// fe80::/10, the addresses that mean nothing without a zone.
    @inlinable public var isLinkLocal: Bool { high >> 54 == 0x3fa }
    /// The IPv4 address inside `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2), nil for every other address.
    @inlinable public var mappedIPv4: IPv4Address? {
        high == 0 && low >> 32 == 0xffff ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)) : nil
    }

    @inlinable
    public static func < (left: IPv6Address, right: IPv6Address) -> Bool {
        (left.high, left.low, left.zone) < (right.high, right.low, right.zone)
    }
}

/// The version of the Internet Protocol that a packet or an address belongs to.
public enum IPVersion: UInt8, Hashable, Sendable, BitwiseCopyable {
    case v4 = 4
    case v6 = 6
}

/// An address of either version.
public enum IPAddress: Hashable, Sendable, BitwiseCopyable, Comparable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    @inlinable public var version: IPVersion {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// 32 or 128.
    @inlinable public var bitWidth: Int { version == .v4 ? 32 : 128 }

    @inlinable public var isUnspecified: Bool {
        switch self {
        case .v4(let address): address.isUnspecified
        case .v6(let address): address.isUnspecified
        }
    }

    @inlinable public var isLoopback: Bool {
        switch self {
        case .v4(let address): address.isLoopback
        case .v6(let address): address.isLoopback
        }
    }

    @inlinable public var isMulticast: Bool {
        switch self {
        case .v4(let address): address.isMulticast
        case .v6(let address): address.isMulticast
        }
    }

    @inlinable public var isLinkLocal: Bool {
        switch self {
        case .v4(let address): address.isLinkLocal
        case .v6(let address): address.isLinkLocal
        }
    }

    /// The limited broadcast address of IPv4; IPv6 has none.
    @inlinable public var isBroadcast: Bool {
        switch self {
        case .v4(let address): address.isBroadcast
        case .v6: false
        }
    }

    /// The zone's interface index, 0 for none and for IPv4.
    @inlinable public var zone: UInt32 {
        switch self {
        case .v4: 0
        case .v6(let address): address.zone
        }
    }

    /// The same address in another zone; IPv4 has no zones and stays as it is.
    @inlinable
    public func inZone(_ zone: UInt32) -> IPAddress {
        switch self {
        case .v4: self
        case .v6(let address): .v6(IPv6Address(high: address.high, low: address.low, zone: zone))
        }
    }

    /// The address of 4 or 16 octets in network order, nil for every other number.
    @inlinable
    public init?(octets: RawSpan) {
        switch octets.byteCount {
        case 4: self = .v4(IPv4Address(rawValue: octets.uint32(at: 0)))
        case 16: self = .v6(IPv6Address(high: octets.uint64(at: 0), low: octets.uint64(at: 8)))
        default: return nil
        }
    }

    /// The 4 or 16 octets in network order.
    public var octets: [UInt8] {
        switch self {
        case .v4(let address): (0..<4).map { UInt8(truncatingIfNeeded: address.rawValue >> (24 - 8 * UInt32($0))) }
        case .v6(let address): (0..<16).map { UInt8(truncatingIfNeeded: address.bits >> (120 - 8 * $0)) }
        }
    }

    /// The same address without its zone, as it stands in a packet.
    @inlinable public var withoutZone: IPAddress {
        switch self {
        case .v4: self
        case .v6(let address): .v6(IPv6Address(high: address.high, low: address.low))
        }
    }

    /// Every IPv4 address orders before every IPv6 address.
    @inlinable
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        switch (left, right) {
        case (.v4(let left), .v4(let right)): left < right
        case (.v6(let left), .v6(let right)): left < right
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}
