import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct MultipathTextReportTests {
    private func text(
        _ run: MultipathRun, _ facts: PathFacts = PathFacts(), _ change: (inout MultipathTextReport) -> Void = { _ in }
    ) -> String {
        var report = MultipathTextReport(target: target("10.77.99.9", "10.77.99.9"))
        report.showsNames = false
        change(&report)
        return written { report.appendSummary(run, facts, to: &$0) }
    }

    @Test func pictures() {
        for sample in [
            MultipathSample.chain, .diamond, .shortDiamond, .nested, .wide, .wideAndLong, .packets, .silentBranch,
            .longerBranch, .mesh, .refused,
        ] {
            print(text(sample.run()))
        }
    }
}
