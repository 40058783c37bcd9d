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
    /// The sum of squared distances from the mean (Welford's method).
    private var squares = 0.0
    private var histogram: Histogram<UInt32>?

    /// - Parameter withPercentiles: keep a histogram of 110 KB, made with the second value: one alone has no
    ///   percentile, and runs of one probe are many.
    public init(withPercentiles: Bool) { keepsHistogram = withPercentiles }
    private let keepsHistogram: Bool

    /// O(1).
    public mutating func record(_ roundTrip: TimeSpan) {
        let value = Double(roundTrip.nanoseconds)
        if count == 0 {
            minimum = roundTrip
            maximum = roundTrip
        } else {
            minimum = min(minimum, roundTrip)
            maximum = max(maximum, roundTrip)
            jitter += (Double((roundTrip.nanoseconds - last.nanoseconds).magnitude) - jitter) / 16
        }
        let previous = last
        last = roundTrip
        count += 1
        let distance = value - mean
        mean += distance / Double(count)
        squares += distance * (value - mean)
        guard keepsHistogram, count > 1 else { return }
        if histogram == nil {
            histogram = Histogram(
                highestTrackableValue: Self.highestInHistogram, numberOfSignificantValueDigits: .three)
            histogram?.record(Self.histogramValue(previous))
        }
        histogram?.record(Self.histogramValue(roundTrip))
    }

    /// The mean deviation that ping prints: the standard deviation of the population, in nanoseconds.
    public var deviation: Double { count == 0 ? 0 : (squares / Double(count)).squareRoot() }

    /// The value that `percent` per cent of the round trips stay within, to three digits. O(histogram).
    ///
    /// Nil where the sample can't carry it: below 1 / (1 - p) values, or without a histogram.
    public func percentile(_ percent: Double) -> TimeSpan? {
        guard let histogram, Double(count) * (100 - percent) >= 100 else { return nil }
        let value = Int64(clamping: histogram.valueAtPercentile(percent))
        // The bucket's upper end may lie above every value that it holds.
        return min(max(TimeSpan(nanoseconds: value), minimum), maximum)
    }

    private static func histogramValue(_ roundTrip: TimeSpan) -> UInt64 {
        min(UInt64(max(1, roundTrip.nanoseconds)), highestInHistogram)
    }

    /// One minute: a longer round trip counts as this one in percentiles.
    private static let highestInHistogram: UInt64 = 60_000_000_000
}
