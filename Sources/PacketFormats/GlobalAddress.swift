extension IPAddress {
    /// Whether the whole Internet may know this address: it is of no private, shared, local, documentation, test or
    /// group range (the special-purpose registries of RFC 6890, RFC 5771). Of IPv6 only 2000::/3 is given to anybody.
    public var isGlobal: Bool {
        switch self {
        case .v4: !Self.specialV4.contains { $0.contains(self) }
        case .v6(let address): address.high >> 61 == 1 && !Self.specialV6.contains { $0.contains(self) }
        }
    }

    private static let specialV4: [IPPrefix] = [
        prefix(0, 0, 0, 0, 8), prefix(10, 0, 0, 0, 8), prefix(100, 64, 0, 0, 10), prefix(127, 0, 0, 0, 8),
        prefix(169, 254, 0, 0, 16), prefix(172, 16, 0, 0, 12), prefix(192, 0, 0, 0, 24), prefix(192, 0, 2, 0, 24),
        prefix(192, 168, 0, 0, 16), prefix(198, 18, 0, 0, 15), prefix(198, 51, 100, 0, 24), prefix(203, 0, 113, 0, 24),
        prefix(224, 0, 0, 0, 3),
    ].compactMap(\.self)

    private static let specialV6: [IPPrefix] = [
        // Benchmarks (RFC 5180), documentation (RFC 3849, RFC 9637).
        IPPrefix(.v6(IPv6Address(high: 0x2001_0002 << 32, low: 0)), length: 48),
        IPPrefix(.v6(IPv6Address(high: 0x2001_0db8 << 32, low: 0)), length: 32),
        IPPrefix(.v6(IPv6Address(high: 0x3fff << 48, low: 0)), length: 20),
    ].compactMap(\.self)

    private static func prefix(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ length: Int) -> IPPrefix? {
        IPPrefix(.v4(IPv4Address(a, b, c, d)), length: length)
    }
}
