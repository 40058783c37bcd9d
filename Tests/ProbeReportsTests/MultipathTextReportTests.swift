import PacketFormats
import Testing

@testable import ProbeEngine
@testable import ProbeReports

@Suite struct MultipathTextReportTests {
    private func text(
        _ run: MultipathRun, _ facts: PathFacts = PathFacts(), name: String = "10.77.99.9",
        _ change: (inout MultipathTextReport) -> Void = { _ in }
    ) -> String {
        var report = MultipathTextReport(target: target(name, "10.77.99.9"))
        report.showsNames = false
        change(&report)
        return written { report.appendSummary(run, facts, to: &$0) }
    }

    private func rows(_ sample: MultipathSample) -> [String] {
        lines(text(sample.run())).prefix { !$0.isEmpty }.map { String($0) }
    }

    @Test func saysWhatIsAsked() {
        let report = MultipathTextReport(target: target("e.example", "192.0.2.1"))
        let start = MultipathStart(
            MultipathTrace.Configuration(
                destination: address("192.0.2.1"), space: FlowSpace(.udp(destinationPort: 33_434), sourcePorts: 64)),
            packetLength: 60, rung: "raw", time: 0)
        #expect(
            written { report.appendStart(start, to: &$0) }
                == "traceroute to e.example (192.0.2.1), 30 hops max, 60 byte packets, all paths\n")
    }

    @Test func tellsWhatWasNotSent() {
        let report = MultipathTextReport(target: target("h", "192.0.2.1"))
        let text = written {
            report.append(
                .unsent(hop: 3, failure: .failed(code: 101, name: "ENETUNREACH")), PathFacts(), to: &$0)
            report.append(.silent(flow: 1, hop: 2), PathFacts(), to: &$0)
            report.append(.slowed(hop: 2), PathFacts(), to: &$0)
        }
        #expect(text == "not sent: hop 3 (ENETUNREACH: Network is unreachable)\n")
    }

    @Test(arguments: [
        (
            MultipathSample.chain,
            """
            hop    responder   min ms  avg ms
              1 ●  10.77.1.2    0.030   0.032
              2 ●  10.77.2.2    0.041   0.043
              3 ○  *
              4 ●  10.77.4.2    0.060   0.062
              5 ◎  10.77.99.9   0.071   0.073  destination

            1 path, 5 nodes, 4 edges; 30 probes, 24 answers, 0.412 s
            sure of all next hops: at least 96.8% per node (asked: 95%), 88% in the trace
            destination reached at hop 5

            """
        ),
        (
            MultipathSample.diamond,
            """
            hop        responder   min ms  avg ms  share
              1 ●      10.77.1.2    0.030   0.032
              2 ●      10.77.2.2    0.041   0.043
              3 ○      *
              4 ●      10.77.4.2    0.060   0.062         3 next hops by flow, 98.3% sure
                ├─┬─┐
              5 ● │ │  10.77.51.2   0.071   0.073    37%
                │ ● │  10.77.52.2   0.072   0.074    32%
                │ │ ●  10.77.53.2   0.070   0.072    32%
              6 ● │ │  10.77.61.2   0.081   0.083    37%
                │ ● │  10.77.62.2   0.082   0.084    32%
                │ │ ●  10.77.63.2   0.080   0.082    32%
                ├─┴─┘
              7 ●      10.77.7.2    0.091   0.093
              8 ●      10.77.8.2    0.102   0.104
              9 ●      10.77.9.2    0.110   0.112
             10 ◎      10.77.99.9   0.121   0.123         destination

            3 paths, 14 nodes, 15 edges; 190 probes, 171 answers, 0.412 s
            sure of all next hops: at least 96.8% per node (asked: 95%), 83% in the trace
            destination reached at hop 10

            """
        ),
        (
            MultipathSample.shortDiamond,
            """
            hop      responder   min ms  avg ms  share
              1 ●    10.77.1.2    0.030   0.032         3 next hops by flow, 98.3% sure
              2 ├─●  10.77.21.2   0.041   0.043    32%
                ├─●  10.77.22.2   0.042   0.044    32%
                ├─●  10.77.23.2   0.040   0.042    37%
              3 ●    10.77.3.2    0.051   0.053
              4 ◎    10.77.99.9   0.062   0.064         destination

            3 paths, 6 nodes, 7 edges; 76 probes, 76 answers, 0.412 s
            sure of all next hops: at least 96.8% per node (asked: 95%), 90.8% in the trace
            destination reached at hop 4

            """
        ),
        (
            MultipathSample.nested,
            """
            hop        responder   min ms  avg ms  share
              1 ●      10.77.1.2    0.030   0.032         2 next hops by flow, 99.99% sure
                ├───┐
              2 ●   │  10.77.21.2   0.041   0.043    52%  2 next hops by flow, 99.31% sure
                │   ●  10.77.22.2   0.042   0.044    48%
              3 ├─● │  10.77.31.2   0.050   0.052    28%
                ├─● │  10.77.32.2   0.051   0.053    24%
                │   ●  10.77.33.2   0.052   0.054    48%
              4 ●   │  10.77.41.2   0.060   0.062    52%
                │   ●  10.77.42.2   0.061   0.063    48%
                ├───┘
              5 ●      10.77.5.2    0.072   0.074
              6 ◎      10.77.99.9   0.080   0.082         destination

            3 paths, 10 nodes, 11 edges; 174 probes, 174 answers, 0.412 s
            sure of all next hops: at least 98.4% per node (asked: 95%), 96.9% in the trace
            destination reached at hop 6

            """
        ),
        (
            MultipathSample.packets,
            """
            hop      responder   min ms  avg ms  share
              1 ●    10.77.1.2    0.030   0.032
              2 ●    10.77.2.2    0.041   0.043         2 next hops by packet, 98.4% sure
              3 ├─●  10.77.31.2   0.052   0.054    50%
                ├─●  10.77.32.2   0.050   0.052    50%
              4 ├┄●  10.77.41.2   0.061   0.063    46%
                ├┄●  10.77.42.2   0.062   0.064    54%
              5 ●    10.77.5.2    0.070   0.072
              6 ◎    10.77.99.9   0.081   0.083         destination

            up to 4 paths, 8 nodes, 10 edges; 78 probes, 78 answers, 0.412 s
            sure of all next hops: at least 96.8% per node (asked: 95%), 92.4% in the trace
            destination reached at hop 6
            ┄: who comes behind whom is not known, because each packet takes its own way

            """
        ),
        (
            MultipathSample.silentBranch,
            """
            hop        responder   min ms  avg ms  share
              1 ●      10.77.1.2    0.030   0.032         3 next hops by flow, 99% sure
                ├─┬─┐
              2 ● │ │  10.77.21.2   0.041   0.043    38%
                │ ● │  10.77.23.2   0.042   0.044    29%
                │ │ ○  *                             33%
              3 ● │ │  10.77.31.2   0.051   0.053    38%
                │ ● │  10.77.33.2   0.052   0.054    29%
                │ │ ○  *                             33%
                ├─┴─┘
              4 ●      10.77.4.2    0.061   0.063
              5 ◎      10.77.99.9   0.072   0.074         destination

            3 paths, 9 nodes, 10 edges; 105 probes, 91 answers, 0.412 s
            sure of all next hops: at least 96.8% per node (asked: 95%), 88% in the trace
            destination reached at hop 5

            """
        ),
        (
            MultipathSample.longerBranch,
            """
            hop      responder   min ms  avg ms  share
              1 ●    10.77.1.2    0.030   0.032         2 next hops by flow, 99.69% sure
                ├─┐
              2 ● │  10.77.21.2   0.041   0.043    53%
                │ ●  10.77.22.2   0.042   0.044    47%
              3 ● │  10.77.4.2    0.050   0.052    53%  also hop 4
                │ ●  10.77.32.2   0.051   0.053    47%
              4 ● │  10.77.5.2    0.060   0.062    53%  also hop 5
                │ ●  10.77.4.2    0.062   0.064    47%  also hop 3
              5 ◎ │  10.77.99.9   0.072   0.074    53%  destination; also hop 6
                  ●  10.77.5.2    0.071   0.073    47%  also hop 4
              6   ◎  10.77.99.9   0.080   0.082    47%  destination; also hop 5

            2 paths, 10 nodes, 9 edges; 93 probes, 93 answers, 0.412 s
            sure of all next hops: at least 99.21% per node (asked: 95%), 95.4% in the trace
            destination reached at hops 5-6

            """
        ),
        (
            MultipathSample.mesh,
            """
            hop          responder   min ms  avg ms  share
              1 ●        10.77.1.2    0.030   0.032         3 next hops by flow, 99.98% sure
                ├───┬─┐
              2 ●   │ │  10.77.21.2   0.041   0.043    33%  2 next hops by flow, 97.6% sure
                │   ● │  10.77.22.2   0.042   0.044    33%  2 next hops by flow, 97.6% sure
                │   │ ●  10.77.23.2   0.040   0.042    33%  2 next hops by flow, 97.6% sure
                ├─┐ │ │
                │ │◂┤ │
                │◂│─│◂┘
              3 ● │ │    10.77.31.2   0.051   0.053    33%
                │ ● │    10.77.32.2   0.052   0.054    33%
                │ │ ●    10.77.33.2   0.050   0.052    33%
                ├─┴─┘
              4 ●        10.77.4.2    0.061   0.063
              5 ◎        10.77.99.9   0.072   0.074         destination

            6 paths, 9 nodes, 13 edges; 180 probes, 180 answers, 0.412 s
            sure of all next hops: at least 97.6% per node (asked: 95%), 93% in the trace
            destination reached at hop 5

            """
        ),
        (
            MultipathSample.refused,
            """
            hop        responder   min ms  avg ms  share
              1 ●      10.77.1.2    0.030   0.032         2 next hops by flow, 99.86% sure
                ├─┐
              2 ● │    10.77.21.2   0.041   0.043    37%
                │ ●    10.77.22.2   0.042   0.044    63%  2 next hops by flow, 97.6% sure
              3 ● │    10.77.31.2   0.050   0.052    37%  !H Destination Host Unreachable
                  ├─●  10.77.32.2   0.051   0.053    32%  !H Destination Host Unreachable
                  └─●  10.77.33.2   0.052   0.054    32%  !H Destination Host Unreachable

            3 paths, 6 nodes, 5 edges; 57 probes, 57 answers, 0.412 s
            sure of all next hops: at least 97.6% per node (asked: 95%), 96% in the trace
            destination not reached: hop 3 says that it goes no further

            """
        ),
        (
            MultipathSample.gap,
            """
            hop      responder   min ms  avg ms  share
              1 ┌─●  10.77.11.2   0.030   0.032    50%
                ├─●  10.77.12.2   0.031   0.033    50%
              2 ●    10.77.2.2    0.042   0.044
              3 ○    *

            2 paths, 4 nodes, 3 edges; 36 probes, 24 answers, 0.412 s
            before hop 1: 2 ways, 97.6% sure
            sure of all next hops: at least 96.8% per node (asked: 95%), 91.6% in the trace
            destination not reached: nothing answered behind hop 2

            """
        ),
        (
            MultipathSample.unfinished,
            """
            hop      responder   min ms  avg ms  share
              1 ●    10.77.1.2    0.030   0.032         2 next hops by flow, 61% sure
                ├─┐
              2 ● │  10.77.21.2   0.041   0.042    60%  1 next hop, 75% sure
                │ ●  10.77.22.2   0.042   0.043    40%  next hop unknown
              3 ●    10.77.3.2    0.050   0.051    60%  next hop unknown

            2 paths, 4 nodes, 3 edges; 13 probes, 13 answers, 0.412 s
            sure of all next hops: at least 0% per node (asked: 95%), 0% in the trace
            destination not reached
            stopped at the limit of probes: 4 nodes would need more

            """
        ),
        (
            MultipathSample.overIPv6,
            """
            hop      responder          min ms  avg ms  share
              1 ●    2001:db8:77:1::2    0.030   0.032  2 next hops by flow, 98.4% sure
              2 ├─●  2001:db8:77:21::2   0.041   0.043    46%
                ├─●  2001:db8:77:22::2   0.042   0.044    54%
              3 ●    2001:db8:77:3::2    0.050   0.052
              4 ◎    2001:db8:77:99::9   0.061   0.063         destination

            2 paths, 5 nodes, 5 edges; 52 probes, 52 answers, 0.412 s
            sure of all next hops: at least 96.8% per node (asked: 95%), 93.8% in the trace
            destination reached at hop 4

            """
        ),
    ])
    func draws(sample: MultipathSample, expected: String) {
        #expect(text(sample.run()) == expected)
    }

    @Test func drawsInASCII() {
        let expected =
            """
            hop      responder   min ms  avg ms  share
              1 o    10.77.1.2    0.030   0.032
              2 o    10.77.2.2    0.041   0.043         2 next hops by packet, 98.4% sure
              3 +-o  10.77.31.2   0.052   0.054    50%
                +-o  10.77.32.2   0.050   0.052    50%
              4 +.o  10.77.41.2   0.061   0.063    46%
                +.o  10.77.42.2   0.062   0.064    54%
              5 o    10.77.5.2    0.070   0.072
              6 @    10.77.99.9   0.081   0.083         destination

            up to 4 paths, 8 nodes, 10 edges; 78 probes, 78 answers, 0.412 s
            sure of all next hops: at least 96.8% per node (asked: 95%), 92.4% in the trace
            destination reached at hop 6
            .: who comes behind whom is not known, because each packet takes its own way

            """
        #expect(text(MultipathSample.packets.run()) { $0.hasBoxes = false } == expected)
    }

    /// Sixteen alternatives take a row each, and no room beside.
    @Test func keepsWideHopsNarrow() {
        let rows = rows(.wide)
        #expect(rows.count == 20)
        #expect(rows[1] == "  1 ●    10.77.1.2    0.030   0.032         16 next hops by flow, 97.9% sure")
        #expect(rows[2] == "  2 ├─●  10.77.2.1    0.041   0.043     5%")
        #expect(rows[17] == "    ├─●  10.77.2.16   0.041   0.043     5%")
        #expect(rows[18] == "  3 ●    10.77.3.2    0.052   0.054")
    }

    @Test func drawsSixteenLanes() {
        let rows = rows(.wideAndLong)
        #expect(rows.count == 39)
        #expect(rows[1] == "  1 ●                                10.77.1.2    0.030   0.032")
        #expect(rows[2] == "    │                                  16 next hops by flow, 97.9% sure")
        #expect(rows[3] == "    ├─┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┬─┐")
        #expect(rows[5] == "    │ ● │ │ │ │ │ │ │ │ │ │ │ │ │ │  10.77.2.2    0.042   0.044     6%")
        #expect(rows[36] == "    ├─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┴─┘")
    }

    @Test(arguments: MultipathSample.all.filter { $0.graph.nodes[0].responder?.version == .v4 })
    func staysWithinEightyColumns(sample: MultipathSample) {
        for line in lines(text(sample.run())) { #expect(line.count <= 80, "\(line)") }
    }

    /// Where lines would take all the room, rows say who is behind whom.
    @Test func saysWhatItCannotDraw() {
        let rows = rows(.tooWide)
        #expect(rows[27] == "    ●  10.77.2.25   0.042   0.044     4%")
        #expect(rows[28] == "  3 ●  10.77.3.0    0.050   0.052     4%  behind 10.77.2.0")
        #expect(rows[55] == "         behind 10.77.3.0, 10.77.3.1, 10.77.3.2, 10.77.3.3 and 22 more")
        #expect(rows[56] == "  5 ◎  10.77.99.9   0.070   0.072         destination")
    }

    @Test func showsLoss() {
        let rows = rows(.lossy)
        #expect(rows[0] == "hop        responder   min ms  avg ms  loss  share")
        #expect(rows[3] == "  3 ○      *")
        #expect(rows[7] == "    │ ● │  10.77.52.2   0.072   0.074   33%    32%")
        #expect(rows[16] == " 10 ◎      10.77.99.9   0.121   0.123    5%         destination")
    }

    @Test func namesResponders() {
        let facts = PathFacts(
            name: { $0 == address("10.77.1.2") ? SafeText(name: "r1.example\u{1b}]0;x") : nil },
            origins: { _ in ASOrigins([ASNumber(rawValue: 64_500)]) })
        let text = text(MultipathSample.chain.run(), facts) { $0.showsNames = true }
        let rows = lines(text)
        #expect(rows[1] == "  1 ●  r1.example\\x1b]0;x (10.77.1.2) [AS64500]   0.030   0.032")
        #expect(rows[2] == "  2 ●  10.77.2.2 (10.77.2.2) [AS64500]            0.041   0.043")
        #expect(rows[3] == "  3 ○  *")
    }

    @Test func staysInLineWithAnyName() {
        let names = ["\n\r\t\u{1b}[2J", String(repeating: "x", count: 300), "\u{202e}", "a b", "\u{85}\u{2028}"]
        for name in names {
            let text = text(
                MultipathSample.diamond.run(), PathFacts(name: { _ in SafeText(name: name) }), name: name
            ) { $0.showsNames = true }
            #expect(lines(text).count { $0.contains("●") } == 12)
            #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
        }
    }

    @Test func showsWhatRoutersAdd() {
        var sample = MultipathSample.chain
        sample.graph.nodes[0].answer = answer(
            "10.77.1.2", 1, objects: [.mpls([MPLSLabel(label: 3, isBottomOfStack: true, timeToLive: 1)])])
        #expect(text(sample.run()) { $0.showsExtensions = true }.contains("10.77.1.2 <MPLS:L=3,E=0,S=1,T=1> "))
        #expect(!text(sample.run()).contains("MPLS"))
    }

    @Test func namesZones() {
        var sample = MultipathSample.chain
        sample.graph.nodes[0].responder = address("fe80::1%2")
        #expect(text(sample.run()) { $0.zones = [2: SafeText("eth0")] }.contains(" fe80::1%eth0 "))
    }

    /// Answers that are missing because their router limits them are no loss.
    @Test func callsLimitedWhatIsLimited() {
        var sample = MultipathSample.chain
        let node = sample.graph.nodes[3]
        sample.lose(2, at: node.hop, node.responder?.description ?? "")
        let plain = text(sample.run()), slow = text(sample.run(slowedHops: [node.hop]))
        let line = { (text: String) in
            text.split(separator: "\n").first { $0.hasPrefix("  \(node.hop) ") }.map(String.init) ?? ""
        }
        #expect(line(plain).contains("%") && !line(plain).contains("limited"))
        #expect(line(slow).contains("limited") && !line(slow).contains("%"))
    }

    @Test(arguments: [
        ([4], "hop 4 answers only so many probes a second, and had to be asked slowly\n"),
        ([9, 4, 5, 6], "hops 4-6, 9 answer only so many probes a second, and had to be asked slowly\n"),
    ])
    func tellsOfLimits(hops: [Int], expected: String) {
        #expect(text(MultipathSample.diamond.run(slowedHops: hops)).hasSuffix(expected))
    }

    @Test func saysThatICMPShowsOneBranch() {
        let sample = MultipathSample([(6, "1.2 99.9")], method: .icmpEcho)
        #expect(
            text(sample.run()).hasSuffix(
                "ICMP echo has no ports: of a balancer that goes by ports it shows one branch only\n"))
        #expect(ProbeMethod.tcpSYN(destinationPort: 80).multipathCaution == nil)
        #expect(ProbeMethod.icmpTimestamp.multipathCaution != nil)
        #expect(ProbeMethod.ip(.udp).multipathCaution != nil)
    }

    @Test(
        arguments: [
            (.probeLimit, nil, "stopped at the limit of probes\n"),
            (.flowLimit, nil, "stopped because there are only 8192 flows\n"),
            (.refused, nil, "stopped because probes can't be sent\n"),
            (
                .refused, .failed(code: 1, name: "EPERM"),
                "stopped because probes can't be sent: EPERM: Operation not permitted\n"
            ),
            (.interrupted, nil, "interrupted before all was asked\n"),
            (nil, nil, "interrupted before all was asked\n"),
            (.complete, nil, "destination reached at hop 5\n"),
        ] as [(MultipathEnding?, SendFailure?, String)])
    func saysWhyItStopped(ending: MultipathEnding?, failure: SendFailure?, expected: String) {
        var run = MultipathSample.chain.run()
        run.ending = ending
        run.unsentFailure = failure
        #expect(text(run).hasSuffix(expected))
    }

    @Test(
        arguments: [
            (.unreachable, "destination not reached: hop 3 says that it goes no further\n"),
            (.loop, "destination not reached: the path is a loop\n"),
            (.gap, "destination not reached: nothing answered behind hop 3\n"),
            (.maximumHop, "destination not reached within 3 hops\n"), (nil, "destination not reached\n"),
        ] as [(PathEnding?, String)])
    func saysWhereItEnds(ending: PathEnding?, expected: String) {
        var sample = MultipathSample([(6, "1.2 2.2 3.2")])
        sample.pathEnding = ending
        #expect(text(sample.run()).hasSuffix(expected))
    }

    @Test func tellsOfNothing() {
        var sample = MultipathSample.chain
        sample.graph = MultipathGraph(sample.graph.space)
        sample.pathEnding = .gap
        #expect(
            text(sample.run())
                == "0 paths, 0 nodes, 0 edges; 0 probes, 0 answers, 0.412 s\ndestination not reached: nothing answered\n"
        )
    }

    @Test(
        arguments: [
            (0.044, "95.6%"), (0.05, "95%"), (1 - 0.95, "95%"), (0.00171, "99.82%"), (0, "100%"), (1, "0%"), (2, "0%"),
            (0.27, "73%"), (0.271, "72%"), (0.095, "90%"), (0.0949, "90.5%"), (1e-12, "99.9999999%"), (-1, "100%"),
        ] as [(Double, String)])
    func writesConfidence(missing: Double, expected: String) {
        #expect(confidenceText(missing: missing) == expected)
        #expect(confidenceText(missing: 0.00001, decimals: 2) == "99.99%")
    }

    @Test(
        arguments: [
            (0, "0%"), (0.001, "<1%"), (0.005, "1%"), (0.334, "33%"), (0.994, "99%"), (0.999, ">99%"), (1, "100%"),
        ] as [(Double, String)])
    func writesParts(part: Double, expected: String) {
        #expect(percentage(part) == expected)
    }
}
