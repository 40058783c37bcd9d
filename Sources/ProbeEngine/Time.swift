/// A length of time in nanoseconds, negative too; about 292 years at most.
public struct TimeSpan: Hashable, Comparable, Sendable, BitwiseCopyable {
    public var nanoseconds: Int64

    @inlinable
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable
    public static func microseconds(_ count: Int64) -> TimeSpan { TimeSpan(nanoseconds: count &* 1_000) }

    @inlinable
    public static func milliseconds(_ count: Int64) -> TimeSpan { TimeSpan(nanoseconds: count &* 1_000_000) }

    @inlinable
    public static func seconds(_ count: Int64) -> TimeSpan { TimeSpan(nanoseconds: count &* 1_000_000_000) }

    public static let zero = TimeSpan(nanoseconds: 0)

    /// In milliseconds, as every report shows a round-trip time.
    @inlinable public var milliseconds: Double { Double(nanoseconds) / 1e6 }

    @inlinable
    public static func < (left: TimeSpan, right: TimeSpan) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The product, saturated where it does not fit.
    @inlinable
    public static func * (span: TimeSpan, factor: Int64) -> TimeSpan {
        let (product, overflow) = span.nanoseconds.multipliedReportingOverflow(by: factor)
        guard overflow else { return TimeSpan(nanoseconds: product) }
        return TimeSpan(nanoseconds: (span.nanoseconds < 0) == (factor < 0) ? .max : .min)
    }

    @inlinable
    public static func + (left: TimeSpan, right: TimeSpan) -> TimeSpan {
        TimeSpan(nanoseconds: saturatingSum(left.nanoseconds, right.nanoseconds))
    }
}

/// An instant of the monotonic clock that schedules and timeouts run on: nanoseconds since an arbitrary origin.
public struct Timestamp: Hashable, Comparable, Sendable, BitwiseCopyable {
    public var nanoseconds: Int64

    @inlinable
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The instant `span` later, saturated at the ends of time.
    @inlinable
    public static func + (instant: Timestamp, span: TimeSpan) -> Timestamp {
        Timestamp(nanoseconds: saturatingSum(instant.nanoseconds, span.nanoseconds))
    }

    @inlinable
    public static func - (left: Timestamp, right: Timestamp) -> TimeSpan {
        TimeSpan(nanoseconds: left.nanoseconds &- right.nanoseconds)
    }
}

/// An instant of the real-time clock as the kernel or this process read it.
///
/// The kernel stamps packets with its real-time clock, which can be set. Every time it is seen to have been set a new
/// epoch begins, and stamps of two epochs are never subtracted.
public struct Stamp: Hashable, Sendable, BitwiseCopyable {
    public enum Clock: UInt8, Hashable, Sendable, BitwiseCopyable {
        /// The kernel, as the packet passed the driver.
        case kernel
        /// This process, around the system call.
        case user
        /// Of a round trip: this process before the system call that sent, the kernel at the arrival.
        case mixed
    }

    /// Nanoseconds since 1970 in UTC.
    public var nanoseconds: Int64
    public var clock: Clock
    public var epoch: UInt32

    @inlinable
    public init(nanoseconds: Int64, clock: Clock, epoch: UInt32 = 0) {
        self.nanoseconds = nanoseconds
        self.clock = clock
        self.epoch = epoch
    }
}

@inlinable
func saturatingSum(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? (left < 0 ? .min : .max) : sum
}
