import Histogram

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
    /// The values themselves, as long as they are few.
    private var samples: [Int64] = []
    /// What becomes of them when they are many.
    private var histogram: Histogram<UInt32>?

    /// - Parameter withPercentiles: keep up to 1,000 values, and a histogram of 110 KB when there are more.
    public init(withPercentiles: Bool) { keepsPercentiles = withPercentiles }
    private let keepsPercentiles: Bool

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
        if keepsPercentiles { keep(roundTrip.nanoseconds) }
    }

    private mutating func keep(_ nanoseconds: Int64) {
        if histogram == nil, samples.count < Self.maximumSamples {
            samples.append(nanoseconds)
            return
        }
        if histogram == nil {
            histogram = Histogram(
                highestTrackableValue: Self.highestInHistogram, numberOfSignificantValueDigits: .three)
            for sample in samples { histogram?.record(Self.histogramValue(sample)) }
            samples = []
        }
        histogram?.record(Self.histogramValue(nanoseconds))
    }

    /// The mean deviation that ping prints: the standard deviation of the population, in nanoseconds.
    public var deviation: Double { count == 0 ? 0 : (squares / Double(count)).squareRoot() }

    /// The value that `percent` per cent of the round trips stay within: exact up to 1,000 of them (nearest rank), to
    /// three digits above. O(n log n) or O(histogram).
    ///
    /// Nil where the sample can't carry it: below 1 / (1 - p) values, or when percentiles are not kept.
    public func percentile(_ percent: Double) -> TimeSpan? {
        guard keepsPercentiles, count > 0, Double(count) * (100 - percent) >= 100 else { return nil }
        guard let histogram else {
            let rank = (percent / 100 * Double(samples.count)).rounded(.up)
            let index = min(max(0, Int(rank) - 1), samples.count - 1)
            return TimeSpan(nanoseconds: samples.sorted()[index])
        }
        let value = Int64(clamping: histogram.valueAtPercentile(percent))
        // The bucket's upper end may lie above every value that it holds.
        return min(max(TimeSpan(nanoseconds: value), minimum), maximum)
    }

    private static func histogramValue(_ nanoseconds: Int64) -> UInt64 {
        min(UInt64(max(1, nanoseconds)), highestInHistogram)
    }

    private static let maximumSamples = 1_000
    /// One minute: a longer round trip counts as this one in percentiles.
    private static let highestInHistogram: UInt64 = 60_000_000_000
}
