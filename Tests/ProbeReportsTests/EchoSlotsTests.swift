import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

/// What became of each probe, and the summaries of many targets.
@Suite struct EchoSlotsTests {
    /// Six probes to the second of two targets: one of each fate, and the last on its way.
    private static func slots() throws -> EchoSlots {
        var slots = try #require(EchoSlots(8, targets: 2))
        slots.take(reply(target: 1, sequence: 1, roundTrip: 127_000))
        slots.take(.timeout(target: 1, sequence: 2))
        slots.take(.timeout(target: 1, sequence: 3))
        slots.take(reply(target: 1, sequence: 3, .late, roundTrip: 2_013_127_000))
        slots.take(reply(target: 1, sequence: 3, .duplicate, roundTrip: 1))
        slots.take(.unsent(target: 1, sequence: 5, failure: .retryLater))
        for sequence in [0, 9, .max] as [UInt32] { slots.take(.timeout(target: 1, sequence: sequence)) }
        guard case .error(var error) = echoError(from: "10.91.1.1", .destinationUnreachable(.v4), 1, sequence: 4) else {
            return slots
        }
        error.target = 1
        slots.take(.error(error))
        error.sequence = 6
        error.isConclusive = false
        slots.take(.error(error))
        return slots
    }

    private static let counts = statistics([127_000], transmitted: 5, withPercentiles: false) {
        $0.late = 1
        $0.errors = 1
        $0.unsent = 1
        $0.inFlight = 1
        $0.lastSendFailure = .failed(code: 101, name: "ENETUNREACH")
    }

    @Test func tellsWhatBecameOfEach() throws {
        let slots = try Self.slots()
        let outcomes = (0..<8).map { slots[1, $0] }
        #expect(
            outcomes == [
                .answered(.microseconds(127)), .lost, .late(.microseconds(2_013_127)), .error, .unsent, .inFlight,
                .inFlight, .inFlight,
            ])
        #expect((0..<8).allSatisfy { slots[0, $0] == .inFlight })
    }

    @Test(
        arguments: [
            (1, 1, true), (1 << 24, 1, true), (1 << 24, 2, false), (.max, 2, false), (0, 7, true), (256, 1 << 16, true),
        ] as [(UInt64, Int, Bool)])
    func memoryIsBounded(count: UInt64, targets: Int, fits: Bool) {
        #expect((EchoSlots(count, targets: targets) != nil) == fits)
    }

    private static let start = EchoStart(
        EchoSweep.Configuration(targets: [address("192.0.2.1"), address("fd91:2::2")]), rung: "raw", time: 0)

    private static func brief(_ targets: [ReportTarget]) -> EchoTextReport {
        var report = EchoTextReport(targets: targets)
        report.isBrief = true
        return report
    }

    @Test("One line for all at the start, one for each at the end")
    func brief() throws {
        let report = Self.brief([target("192.0.2.1", "192.0.2.1"), target("h.example", "fd91:2::2")])
        #expect(written { report.appendStart(Self.start, to: &$0) } == "PING 2 hosts every 1.000 s: 56 data bytes\n")
        let run = EchoRun(elapsed: .seconds(5), sending: .seconds(4), time: 0)
        var timed = run
        timed.period = .seconds(1)
        let counts = [statistics([40_000, 60_000], withPercentiles: false), Self.counts]
        let total = """

            --- total of 2 hosts ---
            7 packets transmitted, 3 received, +1 errors, 33.3333% packet loss, time 4000ms
            rtt min/avg/max/mdev = 0.040/0.076/0.127/0.037 ms
            2 of 2 hosts answered
            1 late, 1 not sent (ENETUNREACH), 1 still in flight

            """
        let rest = ", 1 late, 1 errors, 1 not sent (ENETUNREACH), 1 still in flight\n"
        let first = "192.0.2.1: 2/2 packets, 0% loss, min/avg/max = 0.040/0.050/0.060 ms\n"
        #expect(
            written { report.appendSummary(counts, run: run, to: &$0) }
                == first + "h.example (fd91:2::2): 1/5 packets, 50% loss, min/avg/max = 0.127/0.127/0.127 ms" + rest
                + total)
        #expect(
            written { report.appendSummary(counts, run: timed, to: &$0) }
                == first + "h.example (fd91:2::2): 1/5 packets, 50% loss (2.000 s), min/avg/max = 0.127/0.127/0.127 ms"
                + rest + total)
        timed.slots = try Self.slots()
        #expect(
            written { report.appendSummary(counts, run: timed, to: &$0) }
                == "192.0.2.1: ? ?\nh.example (fd91:2::2): 0.127 - 2013.127! error unsent ?" + rest + total)
    }

    @Test("A summary of several lines has one more for them")
    func slotsOfFew() throws {
        let report = EchoTextReport(targets: [target("a", "192.0.2.1"), target("b", "192.0.2.2")])
        var run = EchoRun(elapsed: .seconds(5), time: 0)
        run.slots = try Self.slots()
        let text = written { report.appendSummary([statistics([], transmitted: 1), Self.counts], run: run, to: &$0) }
        #expect(
            text.contains("\nslots: ?\n") && text.contains("\nslots: 0.127 - 2013.127! error unsent ?\n"), "\(text)")
    }

    @Test func slotsInJSON() throws {
        let report = EchoJSONReport(targets: [target("a", "192.0.2.1"), target("b", "192.0.2.2")])
        var run = EchoRun(elapsed: .seconds(5), time: 0)
        func summary() throws -> JSONValue {
            let text = written { report.appendSummary([statistics([]), Self.counts], run: run, to: &$0) }
            return try JSONValue(parsing: String(text.split(separator: "\n")[1]))
        }
        #expect(try summary()["slots"] == .null && summary()["lost_time_ns"] == .null)
        run.slots = try Self.slots()
        run.period = .milliseconds(200)
        let words = ["lost", "late", "error", "unsent", "in_flight"].map(JSONValue.string)
        #expect(try Array(summary()["slots"].elements.dropFirst()) == words)
        #expect(try summary()["slots"].elements.first?.integer == 127_000)
        #expect(try summary()["lost_time_ns"].integer == 400_000_000)
    }

    @Test("Names of many take memory only where they are no addresses, and are as safe")
    func manyTargets() throws {
        var space = TargetSpace()
        try space.append(#require(IPPrefix("198.51.100.0/22")))
        try space.append(address("fd91:2::2"))
        var names = TargetNames()
        names.append("evil\u{1b}[2J", for: 2..<3)
        names.append("h.example", for: 1_022..<1_023)
        var targets = ReportTargets(TargetList(space), names: names, otherNames: [3: SafeText("other")])
        #expect(targets.count == 1_023)
        #expect(targets[0] == target("198.51.100.1", "198.51.100.1"))
        #expect(targets[2].name.description == "evil\\x1b[2J" && targets[3].name.description == "other")
        #expect(targets[1_022] == target("h.example", "fd91:2::2"))
        targets[1_022].address = address("fd91:2::3")
        #expect(
            targets[1_022] == target("h.example", "fd91:2::3") && targets[1_021].name.description == "198.51.103.254")
        var few: ReportTargets = [target("a", "192.0.2.1"), target("b", "192.0.2.2")]
        few[1].name = SafeText("c")
        #expect(few.map(\.name.description) == ["a", "c"])
    }
}
