import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

@Suite struct RoundTripStatisticsTests {
    private func statistics(_ milliseconds: [Int64], percentiles: Bool = true) -> RoundTripStatistics {
        var statistics = RoundTripStatistics(withPercentiles: percentiles)
        for value in milliseconds { statistics.record(.ms(value)) }
        return statistics
    }

    @Test func nothing() {
        let none = statistics([])
        #expect(none.count == 0 && none.mean == 0 && none.deviation == 0 && none.jitter == 0)
        #expect(none.percentile(50) == nil && none.minimum == .zero && none.maximum == .zero)
    }

    @Test("Sums against values worked out by hand")
    func sums() {
        let some = statistics([2, 4, 4, 4, 5, 5, 7, 9])
        #expect(some.count == 8 && some.minimum == .ms(2) && some.maximum == .ms(9) && some.last == .ms(9))
        #expect(abs(some.mean - 5e6) < 1e-3)
        #expect(abs(some.deviation - 2e6) < 1e-3)
    }

    @Test("Jitter goes a sixteenth of the way at each step (RFC 3550)")
    func jitter() throws {
        #expect(statistics([10]).jitter == 0)
        #expect(try abs(#require(statistics([10, 26]).jitter) - 1e6) < 1e-3)
        #expect(try abs(#require(statistics([26, 10, 10]).jitter) - 0.9375e6) < 1e-3)
        #expect(statistics([10, 26], percentiles: false).jitter == nil)
    }

    @Test(
        "A percentile is given where the sample can carry it",
        arguments: [
            (1, 50.0, false), (2, 50, true), (19, 95, false), (20, 95, true), (99, 99, false), (100, 99, true),
            (9, 90, false), (10, 90, true), (999, 99.9, false), (1_000, 99.9, true), (1_001, 99.9, true),
            (1_000_000, 100, false),
        ])
    func carriesPercentile(count: Int, percent: Double, isGiven: Bool) {
        let some = statistics((0..<min(count, 2_000)).map { Int64($0 + 1) })
        if count > 2_000 {
            #expect(some.percentile(percent) == nil)
        } else {
            #expect((some.percentile(percent) != nil) == isGiven)
        }
    }

    @Test("Up to a thousand values, a percentile is one of them", arguments: [(50.0, 500), (95, 950), (99, 990)])
    func exactPercentiles(percent: Double, rank: Int64) {
        #expect(statistics((1...1_000).reversed()).percentile(percent) == .ms(rank))
        var few = RoundTripStatistics(withPercentiles: true)
        for value in [36_500_123, 35_280_456, 36_084_789] { few.record(TimeSpan(nanoseconds: Int64(value))) }
        #expect(few.percentile(50) == TimeSpan(nanoseconds: 36_084_789))
    }

    @Test("Percentiles are within a thousandth of the sorted sample", arguments: [50.0, 90, 95, 99])
    func percentiles(percent: Double) throws {
        var generator = SeededGenerator(seed: 3)
        let values = (0..<5_000).map { _ in Int64(100_000 + generator.number(below: 50_000_000)) }
        var statistics = RoundTripStatistics(withPercentiles: true)
        for value in values { statistics.record(TimeSpan(nanoseconds: value)) }
        let exact = Double(values.sorted()[Int((percent / 100 * 5_000).rounded(.up)) - 1])
        let found = Double(try #require(statistics.percentile(percent)).nanoseconds)
        #expect(abs(found - exact) <= exact / 1_000)
    }

    @Test("Delay variation is what lies above the smallest delay (RFC 5481)")
    func delayVariation() {
        let some = statistics((1...100).map { $0 + 20 })
        #expect(some.delayVariation(50) == .ms(49) && some.delayVariation(99) == .ms(98))
        #expect(some.delayVariation(99.9) == nil && statistics([5]).delayVariation(50) == nil)
    }

    @Test func delaysAreSummedUp() throws {
        var delays = DelayStatistics()
        #expect(delays.count == 0 && delays.percentile(50) == nil)
        for value in [3, 1, 2, -7] as [Int64] { delays.record(.ms(value)) }
        #expect(delays.count == 4 && delays.maximum == .ms(3) && delays.mean == 1.5e6)
        #expect(delays.percentile(50) == .ms(1))
        for value in 1...5_000 as ClosedRange<Int64> { delays.record(.microseconds(value)) }
        let found = Double(try #require(delays.percentile(95)).nanoseconds)
        #expect(abs(found - 4_750_000) < 4_750_000 / 100)
        delays.record(TimeSpan(nanoseconds: .max))
        #expect(delays.maximum == TimeSpan(nanoseconds: .max))
    }

    @Test func extremesStayInside() throws {
        let some = statistics([0, 0, 3_600_000, 3_600_000])
        #expect(some.maximum == .seconds(3_600) && some.minimum == .zero)
        let median = try #require(some.percentile(50))
        #expect(median >= .zero && median <= .seconds(3_600))
        #expect(statistics([1, 2, 3, 4], percentiles: false).percentile(50) == nil)
    }
}

@Suite struct RoundTripTests {
    private static let wall = Ours.wallOffset

    /// A probe of the monotonic time 100 ms whose answer was read at 150 ms, stamped so many milliseconds after the wall
    /// clock's zero.
    private func roundTrip(
        sent: (Int64, Stamp.Clock, UInt32), received: (Int64, Stamp.Clock, UInt32)
    ) -> (TimeSpan, Stamp.Clock) {
        RoundTrip.of(
            sentAt: .ms(100),
            Stamp(nanoseconds: Self.wall + sent.0 * 1_000_000, clock: sent.1, epoch: sent.2),
            Response(
                probe: ProbeID(rawValue: 1), kind: .echoReply, responder: .v4(.broadcast),
                stamp: Stamp(nanoseconds: Self.wall + received.0 * 1_000_000, clock: received.1, epoch: received.2),
                arrival: .ms(150)))
    }

    @Test("Two stamps of the kernel give the round trip, if this process could have seen it")
    func kernel() {
        #expect(roundTrip(sent: (0, .kernel, 0), received: (40, .kernel, 0)) == (.ms(40), .kernel))
        #expect(roundTrip(sent: (0, .kernel, 0), received: (50, .kernel, 0)) == (.ms(50), .kernel))
        #expect(roundTrip(sent: (0, .kernel, 0), received: (51, .kernel, 0)) == (.ms(50), .user))
        #expect(roundTrip(sent: (0, .kernel, 0), received: (-1, .kernel, 0)) == (.ms(50), .user))
    }

    @Test("Stamps of two clocks, or of one that was set in between, are never subtracted")
    func mixed() {
        #expect(roundTrip(sent: (0, .user, 0), received: (40, .kernel, 0)) == (.ms(50), .user))
        #expect(roundTrip(sent: (0, .kernel, 0), received: (40, .user, 0)) == (.ms(50), .user))
        #expect(roundTrip(sent: (0, .kernel, 0), received: (40, .kernel, 1)) == (.ms(50), .user))
        #expect(roundTrip(sent: (0, .user, 0), received: (40, .user, 1)) == (.ms(50), .user))
    }

    /// A probe that left later in the turn that it was taken in is not timed from the turn's start.
    @Test("Two stamps of this process are its round trip, if they lie within the turns of its loop")
    func process() {
        #expect(roundTrip(sent: (0, .user, 0), received: (40, .user, 0)) == (.ms(40), .user))
        #expect(roundTrip(sent: (0, .user, 0), received: (51, .user, 0)) == (.ms(50), .user))
        #expect(roundTrip(sent: (0, .user, 0), received: (-1, .user, 0)) == (.ms(50), .user))
    }

    @Test("Whatever the stamps say, nothing traps")
    func extremes() {
        for sent in [Int64.min, 0, .max] {
            for received in [Int64.min, 0, .max] {
                for (sentAt, arrival) in [(Int64.min, Int64.max), (.max, .min), (0, .max), (.max, .max)] {
                    let (span, _) = RoundTrip.of(
                        sentAt: Timestamp(nanoseconds: sentAt), Stamp(nanoseconds: sent, clock: .kernel),
                        Response(
                            probe: nil, kind: .echoReply, responder: .v4(.broadcast),
                            stamp: Stamp(nanoseconds: received, clock: .kernel),
                            arrival: Timestamp(nanoseconds: arrival)))
                    #expect(span >= .zero)
                }
            }
        }
    }
}

@Suite struct TimeTests {
    @Test func spansAndInstantsSaturate() {
        let last = Timestamp(nanoseconds: .max)
        #expect(last + .ms(1) == last)
        #expect(Timestamp(nanoseconds: .min) + TimeSpan(nanoseconds: -1) == Timestamp(nanoseconds: .min))
        #expect(TimeSpan(nanoseconds: .max) * 2 == TimeSpan(nanoseconds: .max))
        #expect(TimeSpan(nanoseconds: .max) * -2 == TimeSpan(nanoseconds: .min))
        #expect(TimeSpan(nanoseconds: .min) * -1 == TimeSpan(nanoseconds: .max))
        #expect(TimeSpan(nanoseconds: .min) + TimeSpan(nanoseconds: .min) == TimeSpan(nanoseconds: .min))
        #expect(Timestamp.ms(5) - .ms(7) == .ms(-2))
        #expect(TimeSpan.microseconds(1_500).milliseconds == 1.5)
    }
}
