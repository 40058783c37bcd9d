/// Round-trip times summed up in constant memory.
public struct RoundTripStatistics: Sendable {
    public private(set) var count: UInt64 = 0
    public private(set) var minimum = TimeSpan.zero
    public private(set) var maximum = TimeSpan.zero
    public private(set) var last = TimeSpan.zero
    /// In nanoseconds.
    public private(set) var mean = 0.0
    /// The interarrival jitter of RFC 3550 section 6.4.1 over round-trip times, in nanoseconds.
    public private(set) var jitter = 0.0
    /// The moving average with weights of 1/8 that ping calls ewma, in nanoseconds (RFC 6298 section 2: SRTT).
    public private(set) var smoothed = 0.0
    /// The sum of squared distances from the mean (Welford's method).
    private var squares = 0.0
    /// One where percentiles are kept, none elsewhere: an array, so that the others pay for a word only.
    private var distribution: [Distribution]

    /// - Parameter withPercentiles: keep up to 1,000 values, and a histogram of 110 KB when there are more.
    public init(withPercentiles: Bool) { distribution = withPercentiles ? [Distribution(digits: .three)] : [] }

    /// O(1).
    public mutating func record(_ roundTrip: TimeSpan) {
        let value = Double(roundTrip.nanoseconds)
        if count == 0 {
            minimum = roundTrip
            maximum = roundTrip
            smoothed = value
        } else {
            minimum = min(minimum, roundTrip)
            maximum = max(maximum, roundTrip)
            jitter += (Double((roundTrip.nanoseconds - last.nanoseconds).magnitude) - jitter) / 16
            smoothed += (value - smoothed) / 8
        }
        last = roundTrip
        count += 1
        let distance = value - mean
        mean += distance / Double(count)
        squares += distance * (value - mean)
        if !distribution.isEmpty { distribution[0].record(roundTrip.nanoseconds) }
    }

    /// The mean deviation that ping prints: the standard deviation of the population, in nanoseconds.
    public var deviation: Double { count == 0 ? 0 : (squares / Double(count)).squareRoot() }

    /// The value that `percent` per cent of the round trips stay within: exact up to 1,000 of them (nearest rank), to
    /// three digits above. O(n log n) or O(histogram).
    ///
    /// Nil where the sample can't carry it: below 1 / (1 - p) values, or when percentiles are not kept.
    public func percentile(_ percent: Double) -> TimeSpan? {
        guard let value = distribution.first?.percentile(percent) else { return nil }
        // The bucket's upper end may lie above every value that it holds.
        return min(max(TimeSpan(nanoseconds: value), minimum), maximum)
    }

    /// The packet delay variation that `percent` per cent stay within: the delay above the smallest (RFC 5481 section
    /// 4.2). As `percentile` otherwise.
    public func delayVariation(_ percent: Double) -> TimeSpan? {
        percentile(percent).map { $0 - minimum }
    }
}

extension TimeSpan {
    @inlinable
    static func - (left: TimeSpan, right: TimeSpan) -> TimeSpan {
        TimeSpan(nanoseconds: left.nanoseconds &- right.nanoseconds)
    }
}
