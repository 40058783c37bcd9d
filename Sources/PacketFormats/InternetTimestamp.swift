/// A time of day in a packet: milliseconds since midnight UT, or something else with the high bit set (RFC 791, RFC 792).
public struct InternetTimestamp: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The time of day, modulo one day, so that it is always a standard value.
    @inlinable
    public init(milliseconds: UInt32) { rawValue = milliseconds % Self.millisecondsPerDay }

    /// The time of day of an instant in nanoseconds since 1970.
    @inlinable
    public init(nanoseconds: Int64) {
        let day: Int64 = 86_400_000_000_000
        let remainder = nanoseconds % day
        rawValue = UInt32((remainder < 0 ? remainder + day : remainder) / 1_000_000)
    }

    /// Milliseconds since midnight UT, nil where the sender says that it counts otherwise.
    @inlinable public var milliseconds: UInt32? { rawValue >> 31 == 0 ? rawValue : nil }

    public static let millisecondsPerDay: UInt32 = 86_400_000
}
