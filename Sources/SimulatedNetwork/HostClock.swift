import PacketFormats

/// The clock of a simulated host, which ICMP timestamp requests ask for (RFC 792).
public struct HostClock: Hashable, Sendable {
    /// How the time of day is written down.
    public enum Form: String, Hashable, Sendable, CaseIterable {
        /// Milliseconds since midnight UT in network order.
        case standard
        /// The same with its octets in the opposite order.
        case littleEndian = "little-endian"
        /// Milliseconds since some other moment, with the high bit set.
        case nonStandard = "non-standard"
    }

    /// How far it was ahead of UTC when the first packet was sent, in nanoseconds.
    public var offset: Int64
    /// By how much it runs faster, in parts in 10^9.
    public var skew: Int64
    /// How long it stands still between two ticks, in nanoseconds.
    public var tick: Int64
    /// How it writes the time down.
    public var form: Form

    public init(offset: Int64 = 0, skew: Int64 = 0, tick: Int64 = 1_000_000, form: Form = .standard) {
        self.offset = offset
        self.skew = skew
        self.tick = max(1, tick)
        self.form = form
    }

    /// How far the clock is ahead of UTC, so long after the first packet was sent.
    public func offset(after elapsed: Int64) -> Int64 {
        offset &+ Int64(truncatingIfNeeded: Int128(elapsed) * Int128(skew) / 1_000_000_000)
    }

    /// What it writes into a reply.
    ///
    /// - Parameters:
    ///   - utc: nanoseconds since 1970.
    ///   - elapsed: since the first packet was sent.
    func reading(at utc: Int64, after elapsed: Int64) -> UInt32 {
        let time = utc &+ offset(after: elapsed)
        let ticks = time - Self.remainder(time, tick)
        switch form {
        case .standard: return InternetTimestamp(nanoseconds: ticks).rawValue
        case .littleEndian: return InternetTimestamp(nanoseconds: ticks).rawValue.byteSwapped
        case .nonStandard: return 1 << 31 | UInt32(truncatingIfNeeded: ticks / 1_000_000)
        }
    }

    private static func remainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let remainder = value % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }
}
