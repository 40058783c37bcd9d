/// Consecutive addresses of one version and zone, both ends among them; none of them is stored.
public struct IPAddressRange: Hashable, Sendable, BitwiseCopyable {
    public let first: IPAddress
    public let last: IPAddress

    /// Nil when the versions or zones differ or the last address comes before the first.
    public init?(first: IPAddress, last: IPAddress) {
        guard first.version == last.version, first.zone == last.zone, first <= last else { return nil }
        self.init(first: first, last: last, checked: ())
    }

    /// One address.
    public init(_ address: IPAddress) { self.init(first: address, last: address, checked: ()) }

    init(first: IPAddress, last: IPAddress, checked: ()) {
        self.first = first
        self.last = last
    }

    /// How many addresses there are; 2^64 and more count as `UInt64.max`.
    @inlinable public var count: UInt64 {
        switch (first, last) {
        case (.v4(let first), .v4(let last)): return UInt64(last.rawValue - first.rawValue) + 1
        case (.v6(let first), .v6(let last)):
            let distance = UInt64(clamping: last.bits - first.bits)
            return distance == .max ? .max : distance + 1
        case (.v4, .v6), (.v6, .v4): return 0
        }
    }

    /// The address at `index`, counted from 0. Traps outside of the range. O(1).
    @inlinable
    public subscript(index: UInt64) -> IPAddress {
        precondition(index < count)
        switch first {
        case .v4(let first): return .v4(IPv4Address(rawValue: first.rawValue + UInt32(truncatingIfNeeded: index)))
        case .v6(let first): return .v6(IPv6Address(bits: first.bits + UInt128(index), zone: first.zone))
        }
    }

    /// Whether the address is one of the range. O(1).
    public func contains(_ address: IPAddress) -> Bool {
        address.zone == first.zone && first <= address && address <= last
    }
}

extension IPAddressRange: Sequence {
    public struct Iterator: IteratorProtocol, Sendable {
        var upcoming: IPAddress?
        let last: IPAddress

        public mutating func next() -> IPAddress? {
            guard let address = upcoming else { return nil }
            upcoming = address == last ? nil : address.successor
            return address
        }
    }

    /// Goes from first to last without storing them.
    public func makeIterator() -> Iterator { Iterator(upcoming: first, last: last) }

    /// 0: an honest number may not fit in memory.
    public var underestimatedCount: Int { 0 }
}

extension IPAddressRange: CustomStringConvertible, LosslessStringConvertible {
    /// Parses `A-B` where both ends are addresses of one version, in full; a zone of A alone is meant for both.
    public init?(_ text: String) {
        self.init(text) { name in UInt32(decimal: name.utf8) }
    }

    /// Parses a range whose zones may be names; `zoneIndex` turns a name into an interface index, nil refuses it.
    public init?(_ text: String, zoneIndex: (String) -> UInt32?) {
        guard text.utf8.count <= Self.maximumText else { return nil }
        // A zone's name may hold a hyphen too, so that the first is not always the one between the ends.
        for hyphen in text.utf8.indices where text.utf8[hyphen] == UInt8(ascii: "-") {
            guard let first = IPAddress(String(text[..<hyphen]), zoneIndex: zoneIndex),
                let last = IPAddress(String(text[text.utf8.index(after: hyphen)...]), zoneIndex: zoneIndex)
            else { continue }
            self.init(first: first, last: last.zone == 0 ? last.inZone(first.zone) : last)
            return
        }
        return nil
    }

    /// Both ends in their canonical forms with a hyphen between them.
    public var description: String { "\(first)-\(last)" }

    private static let maximumText = 256
}

extension IPAddress {
    /// The next address, wrapping around at the end.
    var successor: IPAddress {
        switch self {
        case .v4(let address): .v4(IPv4Address(rawValue: address.rawValue &+ 1))
        case .v6(let address): .v6(IPv6Address(bits: address.bits &+ 1, zone: address.zone))
        }
    }
}
