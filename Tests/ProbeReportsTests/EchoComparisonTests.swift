import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

/// One name over IPv4 and IPv6 side by side.
@Suite struct EchoComparisonTests {
    private let report: EchoTextReport = {
        var report = EchoTextReport(
            targets: [
                target("h.example", "192.0.2.1"), target("h.example", "2001:db8::1"),
                target("only.example", "192.0.2.3"),
            ])
        report.pairs = [0]
        return report
    }()

    /// The last line of a summary in which the two versions had these round trips in nanoseconds.
    private func comparison(_ v4: EchoStatistics, _ v6: EchoStatistics) -> String {
        let text = written {
            report.appendSummary(
                [v4, v6, statistics([1_000_000])], run: EchoRun(elapsed: .seconds(1), time: 0), to: &$0)
        }
        #expect(text.contains("\n\nh.example: "))
        return lines(text).last ?? ""
    }

    @Test(
        arguments: [
            ([1_300_000, 1_300_000, 1_300_000], [1_100_000, 1_100_000, 9_000_000], "IPv6 is 0.200 ms faster (p50)"),
            ([1_000_000, 1_000_000], [1_500_000, 1_500_000], "IPv4 is 0.500 ms faster (p50)"),
            ([1_000_000, 1_000_000], [1_000_000, 1_000_000], "both are equally fast (p50)"),
            ([2_000_000], [1_000_000], "IPv6 is 1.000 ms faster (avg)"),
            ([1_000_000], [4_000_000, 2_000_000], "IPv4 is 2.000 ms faster (avg)"),
            ([1_000_000], [], "only IPv4 answered"),
            ([], [1_000_000], "only IPv6 answered"),
            ([], [], "neither answered"),
        ] as [([Int64], [Int64], String)])
    func tellsWhichIsFaster(v4: [Int64], v6: [Int64], expected: String) {
        #expect(
            comparison(statistics(v4), statistics(v6))
                == "h.example: \(expected), loss 0% / 0% (IPv4 / IPv6)")
    }

    @Test func tellsTheLossOfBoth() {
        #expect(
            comparison(statistics([1_000], transmitted: 4), statistics([1_000], transmitted: 2))
                == "h.example: both are equally fast (avg), loss 75% / 50% (IPv4 / IPv6)")
    }

    @Test func saysWhichVersionIsMeant() {
        let start = EchoStart(EchoSweep.Configuration(targets: []), rung: "raw", time: 0)
        #expect(
            written { report.appendStart(start, to: &$0) } == """
                PING h.example (IPv4) (192.0.2.1) 56(84) bytes of data.
                PING h.example (IPv6) (2001:db8::1) 56 data bytes
                PING only.example (192.0.2.3) 56(84) bytes of data.

                """)
        let text = written {
            report.appendSummary(
                [statistics([]), statistics([]), statistics([])], run: EchoRun(elapsed: .seconds(1), time: 0), to: &$0)
        }
        #expect(
            lines(text).filter { $0.hasPrefix("---") }.prefix(3) == [
                "--- h.example (IPv4) ping statistics ---", "--- h.example (IPv6) ping statistics ---",
                "--- only.example ping statistics ---",
            ])
    }

    /// Numbers that are no targets are passed over.
    @Test(arguments: [[-1], [1, 2], [2], [Int.max - 1]])
    func wrongPairsAreNoTrap(pairs: [Int]) {
        var report = report
        report.pairs = pairs
        #expect(
            !written {
                report.appendSummary([], run: EchoRun(elapsed: .seconds(1), time: 0), to: &$0)
                report.appendSummary(
                    [statistics([]), statistics([]), statistics([])], run: EchoRun(elapsed: .seconds(1), time: 0),
                    to: &$0)
            }.isEmpty)
    }

    @Test func tellsOfANewAddress() {
        let event = EchoEvent.address(
            target: 2, from: address("192.0.2.3"), to: address("192.0.2.7"), at: Timestamp(nanoseconds: 5))
        var report = report
        #expect(
            written { report.append(event, at: Timestamp(nanoseconds: 9), to: &$0) }
                == "only.example is now 192.0.2.7 (was 192.0.2.3)\n")
    }
}
