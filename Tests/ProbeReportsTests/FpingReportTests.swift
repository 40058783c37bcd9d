import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct FpingReportTests {
    private static func report(_ names: [String] = ["10.91.2.2"], _ change: (inout FpingStyle) -> Void = { _ in })
        -> FpingReport
    {
        var style = FpingStyle()
        style.showsProbes = true
        change(&style)
        let targets = names.map { ReportTarget(name: SafeText($0), address: IPAddress($0) ?? address("10.91.2.2")) }
        return FpingReport(targets: ReportTargets(targets), style: style)
    }

    /// What goes to standard output, and to standard error.
    private static func told(_ report: inout FpingReport, _ events: [EchoEvent]) -> (lines: String, errors: String) {
        var output = FpingOutput()
        for event in events { report.append(event, at: Timestamp(nanoseconds: 0), to: &output) }
        return (
            String(decoding: output.lines.bytes, as: UTF8.self), String(decoding: output.errors.bytes, as: UTF8.self)
        )
    }

    private static func summary(_ report: FpingReport) -> String {
        var output = FpingOutput()
        report.appendSummary(to: &output)
        return String(decoding: output.errors.bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (0, "0.000"), (499, "0.000"), (500, "0.001"), (127_000, "0.127"), (999_499, "0.999"), (1_000_000, "1.00"),
        (5_555_000, "5.56"), (10_000_000, "10.0"), (91_749_999, "91.7"), (100_000_000, "100"), (1_234_567_890, "1235"),
    ])
    func digitsOfRoundTrips(_ nanoseconds: Int64, _ text: String) {
        var report = Self.report()
        let told = Self.told(&report, [reply(roundTrip: nanoseconds)])
        #expect(told.lines == "10.91.2.2 : [0], 64 bytes, \(text) ms (\(text) avg, 0% loss)\n")
    }

    @Test func lossesAndMeansAreThoseSoFar() {
        var report = Self.report(["10.91.2.2", "a-longer-name"])
        let told = Self.told(
            &report,
            [
                .timeout(target: 0, sequence: 1), reply(sequence: 2, roundTrip: 300_000),
                reply(sequence: 3, roundTrip: 100_000), .timeout(target: 0, sequence: 4),
            ])
        #expect(
            told.lines == """
                10.91.2.2     : [0], timed out (NaN avg, 100% loss)
                10.91.2.2     : [1], 64 bytes, 0.300 ms (0.300 avg, 50% loss)
                10.91.2.2     : [2], 64 bytes, 0.100 ms (0.200 avg, 33% loss)
                10.91.2.2     : [3], timed out (0.200 avg, 50% loss)

                """)
        #expect(told.errors == "")
        #expect(
            Self.summary(report) == """

                10.91.2.2     : xmt/rcv/%loss = 4/2/50%, min/avg/max = 0.100/0.200/0.300
                a-longer-name : xmt/rcv/%loss = 0/0/0%

                """)
        #expect(report.totals.timeouts == 2)
        #expect(report.totals.alive == 1)
    }

    /// A late answer is a silence, told of once whichever comes first.
    @Test func lateAnswersAreNone() {
        var report = Self.report { $0.listsRoundTrips = true }
        let told = Self.told(
            &report,
            [
                reply(sequence: 1, .late, roundTrip: 900_000_000), .timeout(target: 0, sequence: 2),
                reply(sequence: 2, .late, roundTrip: 900_000_000), reply(sequence: 3),
            ])
        #expect(
            told.lines == """
                10.91.2.2 : [0], timed out (NaN avg, 100% loss)
                10.91.2.2 : [1], timed out (NaN avg, 100% loss)
                10.91.2.2 : [2], 64 bytes, 0.127 ms (0.127 avg, 66% loss)

                """)
        #expect(Self.summary(report) == "\n10.91.2.2 : - - 0.127\n")
        #expect(report.totals.replies == 3)
    }

    /// An answer in time by the kernel's clock, behind the end of the waiting, takes the loss back.
    @Test func answersTakeLossesBack() {
        var report = Self.report()
        _ = Self.told(&report, [.timeout(target: 0, sequence: 1), reply(sequence: 1)])
        #expect(Self.summary(report) == "\n10.91.2.2 : xmt/rcv/%loss = 1/1/0%, min/avg/max = 0.127/0.127/0.127\n")
    }

    @Test func whatIsNotSentIsLostAndSaysWhy() {
        var report = Self.report { $0.listsRoundTrips = true }
        let failure = SendFailure.failed(code: 101, name: "ENETUNREACH", mtu: nil)
        let told = Self.told(
            &report,
            [.unsent(target: 0, sequence: 1, failure: failure), .unsent(target: 0, sequence: 2, failure: failure)])
        #expect(told.errors == "10.91.2.2: error while sending ping: Network is unreachable\n")
        #expect(Self.summary(report) == "\n10.91.2.2 : - -\n")
    }

    @Test func duplicatesHaveALineWhereAnswersHaveNone() {
        var (loud, quiet) = (Self.report(), Self.report { $0.showsProbes = false })
        let events = [reply(), reply(.duplicate, roundTrip: 10_400_000)]
        #expect(Self.told(&loud, events).errors == "")
        #expect(Self.told(&quiet, events).errors == "10.91.2.2 : duplicate for [0], 64 bytes, 10.4 ms\n")
    }

    @Test func answersFromOthersSayWho() {
        var report = Self.report()
        #expect(Self.told(&report, [reply(from: "10.91.2.9")]).errors == " [<- 10.91.2.9]\n")
    }

    /// Text of foreign origin stays one JSON string.
    @Test func namesInJSON() {
        var report = Self.report(["a\"b\\\n"]) { $0.isJSON = true }
        let lines = Self.told(&report, [.timeout(target: 0, sequence: 1)]).lines
        #expect(lines.split(separator: "\n").count == 1)
        #expect(lines.hasPrefix(#"{"timeout": {"host": "a\"b"#))
    }
}
