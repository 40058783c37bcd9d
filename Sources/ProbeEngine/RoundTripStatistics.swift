/// Round-trip times summed up in constant memory.
public struct RoundTripStatistics: Sendable {
    public private(set) var count: UInt64 = 0
    private var moments = RoundTripMoments()
    /// One where percentiles are kept, none elsewhere: an array, so that the others pay for a word only.
    private var detail: [RoundTripDetail]

    /// - Parameter withPercentiles: keep up to 1,000 values, and a histogram of 110 KB when there are more; also what
    ///   depends on their order.
    public init(withPercentiles: Bool) { detail = withPercentiles ? [RoundTripDetail()] : [] }

    init(count: UInt64, _ moments: RoundTripMoments, _ detail: [RoundTripDetail]) {
        self.count = count
        self.moments = moments
        self.detail = detail
    }

    /// O(1).
    public mutating func record(_ roundTrip: TimeSpan) {
        count += 1
        moments.record(roundTrip, number: count)
        if !detail.isEmpty { detail[0].record(roundTrip) }
    }

    /// Adds the round trips of others, in whatever order they were: what depends on the order is not known from then on.
    /// Percentiles stay where both keep them. O(1,000) or O(histogram).
    public mutating func merge(_ other: RoundTripStatistics) {
        guard other.count > 0 else { return }
        moments.merge(other.moments, count, other.count)
        count += other.count
        if other.detail.isEmpty {
            detail = []
        } else if !detail.isEmpty {
            detail[0].merge(other.detail[0])
        }
    }

    public var minimum: TimeSpan { moments.minimum }
    public var maximum: TimeSpan { moments.maximum }
    /// In nanoseconds.
    public var mean: Double { moments.mean }

    /// The last one; nil where percentiles are not kept, before the first, and where several series were merged.
    public var last: TimeSpan? { detail.isEmpty ? nil : detail[0].last }

    /// The interarrival jitter of RFC 3550 section 6.4.1 over round-trip times, in nanoseconds; nil where percentiles are
    /// not kept, and where several series were merged.
    public var jitter: Double? { detail.isEmpty || detail[0].isMerged ? nil : detail[0].jitter }

    /// The moving average with weights of 1/8 that ping calls ewma, in nanoseconds (RFC 6298 section 2: SRTT); nil where
    /// percentiles are not kept, and where several series were merged.
    public var smoothed: Double? { detail.isEmpty || detail[0].isMerged ? nil : detail[0].smoothed }

    /// The mean deviation that ping prints: the standard deviation of the population, in nanoseconds.
    public var deviation: Double { count == 0 ? 0 : (moments.squares / Double(count)).squareRoot() }

    /// The value that `percent` per cent of the round trips stay within: exact up to 1,000 of them (nearest rank), to
    /// three digits above. O(n log n) or O(histogram).
    ///
    /// Nil where the sample can't carry it: below 1 / (1 - p) values, or when percentiles are not kept.
    public func percentile(_ percent: Double) -> TimeSpan? {
        guard !detail.isEmpty, let value = detail[0].distribution.percentile(percent) else { return nil }
        // The bucket's upper end may lie above every value that it holds.
        return min(max(TimeSpan(nanoseconds: value), minimum), maximum)
    }

    /// The packet delay variation that `percent` per cent stay within: the delay above the smallest (RFC 5481 section
    /// 4.2). As `percentile` otherwise.
    public func delayVariation(_ percent: Double) -> TimeSpan? {
        percentile(percent).map { $0 - minimum }
    }
}

/// Extremes, mean and variance in 32 octets; how many there were is counted elsewhere.
struct RoundTripMoments: Sendable, BitwiseCopyable {
    private(set) var minimum = TimeSpan.zero
    private(set) var maximum = TimeSpan.zero
    /// In nanoseconds.
    private(set) var mean = 0.0
    /// The sum of squared distances from the mean (Welford's method).
    private(set) var squares = 0.0

    /// - Parameter number: how many there are with this one.
    mutating func record(_ roundTrip: TimeSpan, number: UInt64) {
        minimum = number == 1 ? roundTrip : min(minimum, roundTrip)
        maximum = number == 1 ? roundTrip : max(maximum, roundTrip)
        let value = Double(roundTrip.nanoseconds)
        let distance = value - mean
        mean += distance / Double(number)
        squares += distance * (value - mean)
    }

    /// Adds those of `otherCount` values, at least one, to those of `count` (Chan, Golub and LeVeque 1979).
    mutating func merge(_ other: RoundTripMoments, _ count: UInt64, _ otherCount: UInt64) {
        guard count > 0 else {
            self = other
            return
        }
        minimum = min(minimum, other.minimum)
        maximum = max(maximum, other.maximum)
        let (own, others) = (Double(count), Double(otherCount))
        let distance = other.mean - mean
        mean += distance * others / (own + others)
        squares += other.squares + distance * distance * own * others / (own + others)
    }
}

/// What is kept of round trips where there are few targets.
struct RoundTripDetail: Sendable {
    private(set) var last: TimeSpan?
    private(set) var jitter = 0.0
    private(set) var smoothed = 0.0
    private(set) var distribution = Distribution(digits: .three)
    /// There is no order among the values of several series.
    private(set) var isMerged = false

    mutating func record(_ roundTrip: TimeSpan) {
        let value = Double(roundTrip.nanoseconds)
        if let last {
            jitter += (Double((roundTrip.nanoseconds - last.nanoseconds).magnitude) - jitter) / 16
            smoothed += (value - smoothed) / 8
        } else {
            smoothed = value
        }
        last = roundTrip
        distribution.record(roundTrip.nanoseconds)
    }

    mutating func merge(_ other: RoundTripDetail) {
        distribution.merge(other.distribution)
        isMerged = true
        last = nil
    }
}

extension TimeSpan {
    @inlinable
    static func - (left: TimeSpan, right: TimeSpan) -> TimeSpan {
        TimeSpan(nanoseconds: left.nanoseconds &- right.nanoseconds)
    }
}
