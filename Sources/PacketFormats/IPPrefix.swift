/// All addresses that share their first `length` bits (RFC 4632, RFC 4291 section 2.3).
public struct IPPrefix: Hashable, Sendable, BitwiseCopyable {
    /// The lowest address, whose bits behind the prefix are zero; it keeps its zone.
    public let first: IPAddress
    /// 0...32 or 0...128.
    public let length: Int

    /// The prefix of that length that holds `address`, nil when the address has no such number of bits.
    public init?(_ address: IPAddress, length: Int) {
        guard (0...address.bitWidth).contains(length) else { return nil }
        self.length = length
        first = address.masked(toLength: length)
    }

    /// The highest address.
    public var last: IPAddress { first.filled(behindLength: length) }

    /// Whether the address lies inside; a prefix without zone holds the addresses of every zone.
    public func contains(_ address: IPAddress) -> Bool {
        guard address.version == first.version else { return false }
        if case .v6(let mine) = first, case .v6(let other) = address, mine.zone != 0, mine.zone != other.zone {
            return false
        }
        return address.withoutZone.masked(toLength: length) == first.withoutZone
    }

    /// Every address, from first to last.
    public var addresses: IPAddressRange { IPAddressRange(first: first, last: last, checked: ()) }

    /// The addresses that hosts may have: without the network's own and its broadcast address, which IPv4 prefixes of up
    /// to 30 bits have (RFC 3021: /31 has neither).
    public var hosts: IPAddressRange {
        guard case .v4(let first) = first, case .v4(let last) = last, length < 31 else { return addresses }
        return IPAddressRange(
            first: .v4(IPv4Address(rawValue: first.rawValue + 1)), last: .v4(IPv4Address(rawValue: last.rawValue - 1)),
            checked: ())
    }
}

extension IPPrefix: CustomStringConvertible, LosslessStringConvertible {
    /// Parses `10.0.0.0/8`, `2001:db8::/32` or `fe80::%2/64`; bits behind the prefix are cleared.
    public init?(_ text: String) {
        self.init(text) { name in UInt32(decimal: name.utf8) }
    }

    /// Parses a prefix whose zone may be a name; `zoneIndex` turns the name into an interface index, nil refuses it.
    public init?(_ text: String, zoneIndex: (String) -> UInt32?) {
        guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")),
            let length = UInt32(decimal: text.utf8[text.utf8.index(after: slash)...]),
            let address = IPAddress(String(text[..<slash]), zoneIndex: zoneIndex)
        else { return nil }
        self.init(address, length: Int(length))
    }

    /// The first address in the form of RFC 5952, a slash and the length.
    public var description: String { "\(first)/\(length)" }
}

extension IPAddress {
    /// The address with every bit behind the first `length` cleared.
    func masked(toLength length: Int) -> IPAddress { replacingBits { $0 & ~(UInt128.max >> length) } }

    /// The address with every bit behind the first `length` set.
    func filled(behindLength length: Int) -> IPAddress { replacingBits { $0 | UInt128.max >> length } }

    /// The address changed as 128 bits, of which IPv4 uses the first 32.
    private func replacingBits(_ change: (UInt128) -> UInt128) -> IPAddress {
        switch self {
        case .v4(let address):
            .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: change(UInt128(address.rawValue) << 96) >> 96)))
        case .v6(let address): .v6(IPv6Address(bits: change(address.bits), zone: address.zone))
        }
    }
}

extension IPv6Address {
    /// The address as one number.
    @inlinable var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }

    @inlinable
    init(bits: UInt128, zone: UInt32) {
        self.init(high: UInt64(truncatingIfNeeded: bits >> 64), low: UInt64(truncatingIfNeeded: bits), zone: zone)
    }
}
