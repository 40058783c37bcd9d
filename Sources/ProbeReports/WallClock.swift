import ProbeEngine

/// The wall clock at instants of the monotonic clock, by how far the two were apart when somebody looked.
public struct WallClock: Hashable, Sendable, BitwiseCopyable {
    /// Nanoseconds since 1970 in UTC less the monotonic clock's.
    public var offset: Int64

    public init(offset: Int64) { self.offset = offset }

    /// The clock that showed these nanoseconds since 1970 at an instant.
    public init(_ nanoseconds: Int64, at instant: Timestamp) {
        offset = nanoseconds &- instant.nanoseconds
    }

    /// Nanoseconds since 1970 in UTC.
    public func nanoseconds(at instant: Timestamp) -> Int64 {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(offset)
        return overflow ? (offset < 0 ? .min : .max) : sum
    }
}
