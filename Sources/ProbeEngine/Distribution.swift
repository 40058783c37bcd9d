import Histogram

/// Which values there were and how often, in constant memory: up to 1,000 as they are, in a histogram behind that.
struct Distribution: Sendable {
    private var samples: [Int64] = []
    /// None or one: looking at an optional struct of another module copies it.
    private var histogram: [Histogram<UInt32>] = []
    private var recorded: UInt64 = 0
    private let digits: SignificantDigits

    /// - Parameter digits: what the histogram keeps of a value: 110 KB for three digits, 16 KB for two.
    init(digits: SignificantDigits) { self.digits = digits }

    /// Files nanoseconds. O(1).
    mutating func record(_ nanoseconds: Int64) {
        // A counter of the histogram must not overflow: from there on it stands for the first four thousand million.
        guard recorded < UInt64(UInt32.max) else { return }
        recorded += 1
        if recorded <= Self.maximumSamples {
            samples.append(nanoseconds)
            return
        }
        makeHistogram()
        histogram[0].record(Self.histogramValue(nanoseconds))
    }

    /// Files what another has, of the same digits; nothing of it where that would be too many. O(1,000) or O(histogram).
    mutating func merge(_ other: Distribution) {
        let (sum, overflow) = recorded.addingReportingOverflow(other.recorded)
        guard !overflow, sum <= UInt64(UInt32.max), other.digits == digits else { return }
        guard let others = other.histogram.first else {
            for sample in other.samples { record(sample) }
            return
        }
        makeHistogram()
        histogram[0].add(others)
        recorded = sum
    }

    private mutating func makeHistogram() {
        guard histogram.isEmpty else { return }
        histogram.append(
            Histogram(highestTrackableValue: Self.highestInHistogram, numberOfSignificantValueDigits: digits))
        for sample in samples { histogram[0].record(Self.histogramValue(sample)) }
        samples = []
    }

    /// The value that `percent` per cent of the values stay within, taken to a ten-thousandth of a per cent: exact up to
    /// 1,000 of them (nearest rank). O(n log n) or O(histogram).
    ///
    /// Nil where the sample can't carry it: below 1 / (1 - p) values.
    func percentile(_ percent: Double) -> Int64? {
        let parts = Int64((percent * 10_000).rounded())
        let count = Int64(clamping: recorded)
        guard count > 0, (0..<Self.whole).contains(parts) else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: Self.whole - parts)
        guard overflow || product >= Self.whole else { return nil }
        if let histogram = histogram.first { return Int64(clamping: histogram.valueAtPercentile(percent)) }
        let rank = (count * parts + Self.whole - 1) / Self.whole
        return samples.sorted()[Int(max(1, rank)) - 1]
    }

    private static func histogramValue(_ nanoseconds: Int64) -> UInt64 {
        min(UInt64(max(1, nanoseconds)), highestInHistogram)
    }

    /// A hundred per cent in ten-thousandths.
    private static let whole: Int64 = 1_000_000
    private static let maximumSamples: UInt64 = 1_000
    /// One minute: what is longer counts as this in percentiles.
    private static let highestInHistogram: UInt64 = 60_000_000_000
}

/// Lengths of time that are not negative, summed up in constant memory.
public struct DelayStatistics: Sendable {
    /// Lengths that were recorded.
    public private(set) var count: UInt64 = 0
    /// The longest of them, zero before the first.
    public private(set) var maximum = TimeSpan.zero
    /// In nanoseconds.
    public private(set) var mean = 0.0
    private var distribution = Distribution(digits: .two)

    /// Keeps up to 1,000 values, and a histogram of 16 KB when there are more.
    public init() {}

    /// A negative length counts as none. O(1).
    public mutating func record(_ span: TimeSpan) {
        let span = max(.zero, span)
        count += 1
        maximum = max(maximum, span)
        mean += (Double(span.nanoseconds) - mean) / Double(count)
        distribution.record(span.nanoseconds)
    }

    /// As `RoundTripStatistics.percentile`, above 1,000 values to two digits.
    public func percentile(_ percent: Double) -> TimeSpan? {
        distribution.percentile(percent).map { min(TimeSpan(nanoseconds: $0), maximum) }
    }
}
