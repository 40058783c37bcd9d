import ProbeReports
import Testing

@testable import ProbeEngine

/// Reports about many targets are handed over in pieces.
@Suite struct ManyTargetsReportTests {
    private static let targets = (0..<2_000).map {
        target("10.0.\($0 / 256).\($0 % 256)", "10.0.\($0 / 256).\($0 % 256)")
    }
    private static let counts = [EchoStatistics](
        repeating: statistics([1_000_000, 2_000_000], withPercentiles: false), count: targets.count)

    /// All of a report at once, and what it was in pieces, with the size of the largest.
    private func told<Report: EchoReport>(_ report: Report) -> (whole: [UInt8], pieces: [UInt8], largest: Int) {
        var report = report
        let start = EchoStart(
            EchoSweep.Configuration(targets: Self.targets.map(\.address)), rung: "raw", time: 1_000_000_000)
        let run = EchoRun(elapsed: .seconds(2), sending: .seconds(1), time: 5_000_000_000)
        var whole = ReportBuffer()
        report.appendStart(start, to: &whole) { _ in }
        report.appendSummary(Self.counts, run: run, to: &whole) { _ in }
        var pieces: [UInt8] = []
        var largest = 0
        func take(_ buffer: inout ReportBuffer) {
            pieces += buffer.bytes
            largest = max(largest, buffer.bytes.count)
            buffer.removeAll()
        }
        var buffer = ReportBuffer()
        report.appendStart(start, to: &buffer, drain: take)
        report.appendSummary(Self.counts, run: run, to: &buffer, drain: take)
        take(&buffer)
        return (whole.bytes, pieces, largest)
    }

    @Test func piecesOfNDJSONMakeTheWhole() {
        let report = told(EchoJSONReport(targets: Self.targets, method: .icmpEcho))
        #expect(report.pieces == report.whole && report.whole.count > 1 << 20)
        #expect(report.largest < 1 << 17)
    }

    @Test func piecesOfTextMakeTheWhole() {
        let report = told(EchoTextReport(targets: Self.targets, method: .icmpEcho, payloadLength: 56))
        #expect(report.pieces == report.whole && report.whole.count > 1 << 18)
        #expect(report.largest < 1 << 17)
    }
}
