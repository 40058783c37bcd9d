import Testing

@testable import ProbeEngine

/// What several workers of a sweep counted, added up.
@Suite struct SweepSumTests {
    private func statistics(_ values: some Sequence<Int64>, withPercentiles: Bool = true) -> RoundTripStatistics {
        var statistics = RoundTripStatistics(withPercentiles: withPercentiles)
        for value in values { statistics.record(TimeSpan(nanoseconds: value)) }
        return statistics
    }

    @Test(
        "Merged round trips are those of one series",
        arguments: [(0, 10), (10, 0), (3, 4), (900, 50), (900, 900), (1_200, 300), (300, 1_200), (2_000, 3_000)])
    func merges(first: Int, second: Int) {
        let values = (0..<first + second).map { Int64($0 * 7_919 % 10_007 + 1) * 1_000 }
        let whole = statistics(values)
        var merged = statistics(values[..<first])
        merged.merge(statistics(values[first...]))
        #expect(merged.count == whole.count)
        #expect(merged.minimum == whole.minimum && merged.maximum == whole.maximum)
        #expect(abs(merged.mean - whole.mean) < 1e-3 && abs(merged.deviation - whole.deviation) < 1e-3)
        for percent in [50, 90, 95, 99, 99.9] { #expect(merged.percentile(percent) == whole.percentile(percent)) }
    }

    @Test func nothingDependsOnAnOrderThatIsNotThere() {
        var merged = statistics([1, 2])
        #expect(merged.jitter != nil && merged.smoothed != nil && merged.last != nil)
        merged.merge(statistics([]))
        #expect(merged.jitter != nil)
        merged.merge(statistics([3, 4]))
        #expect(merged.jitter == nil && merged.smoothed == nil && merged.last == nil)
    }

    @Test func percentilesNeedBoth() {
        var merged = statistics(1...100)
        merged.merge(statistics(1...100, withPercentiles: false))
        #expect(merged.count == 200 && merged.percentile(50) == nil)
        var other = statistics(1...100, withPercentiles: false)
        other.merge(statistics(1...100))
        #expect(other.count == 200 && other.percentile(50) == nil && other.maximum == TimeSpan(nanoseconds: 100))
    }

    @Test("Every counter is added")
    func addsCounters() {
        let keys: [WritableKeyPath<HostSweep.Counters, UInt64>] = [
            \.targets, \.alive, \.unreachable, \.unasked, \.transmitted, \.received, \.late, \.errors, \.repeatedErrors,
            \.duplicates, \.corrupted, \.wrongSource, \.unsent, \.retried, \.repeated, \.droppedHere, \.unsolicited,
            \.overflow,
        ]
        // A counter that is added to the structure has to be added to the sum, and here.
        #expect(MemoryLayout<HostSweep.Counters>.size == keys.count * 8)
        var (sum, other) = (HostSweep.Counters(), HostSweep.Counters())
        for (key, value) in zip(keys, UInt64(1)...) {
            sum[keyPath: key] = 1_000
            other[keyPath: key] = value
        }
        sum += other
        for (key, value) in zip(keys, UInt64(1)...) { #expect(sum[keyPath: key] == 1_000 + value) }
    }

    @Test func aSweepKeepsOneHistogram() {
        var configuration = HostSweep.Configuration(TargetSpace())
        #expect(HostSweep(configuration, start: Timestamp(nanoseconds: 0)).roundTrips.jitter != nil)
        configuration.wantsPercentiles = false
        #expect(HostSweep(configuration, start: Timestamp(nanoseconds: 0)).roundTrips.jitter == nil)
    }
}
