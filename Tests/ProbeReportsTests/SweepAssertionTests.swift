import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct SweepAssertionTests {
    /// 200 targets: 120 alive after 1 to 120 ms, 78 unreachable, one not asked and one undecided.
    private static let usual = sweepRun((1...120).map { $0 * 1_000_000 }) {
        $0.counters.targets = 200
        $0.counters.unreachable = 78
        $0.counters.unasked = 1
        $0.counters.transmitted = 280
        $0.counters.late = 2
        $0.counters.errors = 3
        $0.counters.duplicates = 4
        $0.counters.corrupted = 5
        $0.counters.wrongSource = 6
        $0.counters.unsent = 7
        $0.counters.droppedHere = 8
        $0.counters.repeated = 1
        $0.inFlight = 39
    }

    @Test(
        "What holds is told with what was measured",
        arguments: [
            ("alive<121", "alive 120 < 121"), ("alive<120", nil), ("alive < 60.1%", "alive 60% < 60.1%"),
            ("alive<60%", nil), ("unreachable>0", "unreachable 78 > 0"), ("unreachable>78", nil),
            ("unreachable>39.3%", "unreachable 39.3939% > 39.3%"), ("unreachable>39.4%", nil),
            ("unasked>0", "unasked 1 > 0"), ("undecided>=1", "undecided 1 >= 1"),
            ("targets<1000", "targets 200 < 1000"),
            ("loss>49%", "loss 49.1667% > 49%"), ("loss>49.2%", nil), ("lost>100", "lost 118 > 100"),
            ("min<2ms", "min 1ms < 2ms"), ("avg>60ms", "avg 60.5ms > 60ms"), ("max>=0.12s", "max 120ms >= 0.12s"),
            ("mdev>34ms", "mdev 34.639813ms > 34ms"), ("p50>59ms", "p50 60ms > 59ms"), ("p50>60ms", nil),
            ("p90>1ms", "p90 108ms > 1ms"), ("p95>1ms", "p95 114ms > 1ms"), ("p99>20ms", "p99 119ms > 20ms"),
            ("p99.9>1s", "p99.9 unknown: 120 replies in time, 1000 needed"),
            ("transmitted>279", "transmitted 280 > 279"), ("received<=120", "received 120 <= 120"),
            ("late>1", "late 2 > 1"), ("errors>2", "errors 3 > 2"), ("duplicates>3", "duplicates 4 > 3"),
            ("corrupted>4", "corrupted 5 > 4"), ("wrong-source>5", "wrong-source 6 > 5"), ("unsent>6", "unsent 7 > 6"),
            ("dropped-here>7", "dropped-here 8 > 7"),
        ] as [(String, String?)])
    func holds(text: String, expected: String?) throws {
        #expect(try SweepAssertion(parsing: text).failure(of: Self.usual) == expected)
    }

    @Test(
        "What was not seen can't be vouched for",
        arguments: [
            ("alive<50%", "alive unknown: there was no target"),
            ("unreachable>50%", "unreachable unknown: no target was asked"),
            ("loss>50%", "loss unknown: nothing was sent"), ("min>1s", "min unknown: no reply in time"),
            ("p50>1s", "p50 unknown: 0 replies in time, 2 needed"), ("alive<1", "alive 0 < 1"), ("unreachable>0", nil),
        ] as [(String, String?)])
    func unknown(text: String, expected: String?) throws {
        let nothing = SweepRun(
            HostSweep.Counters(), roundTrips: RoundTripStatistics(withPercentiles: true), elapsed: .zero, time: 0)
        #expect(try SweepAssertion(parsing: text).failure(of: nothing) == expected)
    }

    @Test func nothingConcludedIsNoLoss() throws {
        let run = sweepRun([]) { $0.inFlight = 20 }
        #expect(
            try SweepAssertion(parsing: "loss>1%").failure(of: run)
                == "loss unknown: no probe was answered or given up")
        let many = sweepRun([1, 2, 3], withPercentiles: false)
        #expect(try SweepAssertion(parsing: "p50>1s").failure(of: many) == "p50 unknown: not kept")
    }

    @Test func failuresKeepTheirOrder() throws {
        let assertions = try ["unreachable>0", "alive<1", "loss>1%"].map { try SweepAssertion(parsing: $0) }
        #expect(
            SweepAssertion.failures(of: Self.usual, by: assertions) == ["unreachable 78 > 0", "loss 49.1667% > 1%"])
        #expect(assertions.map(\.text) == ["unreachable>0", "alive<1", "loss>1%"])
    }

    @Test(
        arguments: [
            ("", "a condition: a quantity, one of > >= < <=, and a value, such as 'alive<10'"),
            ("alive=5", "a condition: a quantity, one of > >= < <=, and a value, such as 'alive<10'"),
            ("jitter>1ms", "a condition on one of: " + SweepAssertion.quantities.joined(separator: ", ")),
            ("Alive<1", "a condition on one of: " + SweepAssertion.quantities.joined(separator: ", ")),
            (
                "alive<1.5",
                "a condition: alive wants a whole number, such as 0 or 10, or a percentage from 0% to 100%, such as 0.5%"
            ),
            ("alive<101%", nil), ("alive<-1", nil), ("alive<1ms", nil), ("loss>1", nil), ("p99>20", nil),
            ("late>1%", "a condition: late wants a whole number, such as 0 or 10"),
        ] as [(String, String?)])
    func refuses(text: String, expected: String?) {
        let error = #expect(throws: AssertionError.self) { try SweepAssertion(parsing: text) }
        if let expected { #expect(error?.expected == expected) }
    }
}
