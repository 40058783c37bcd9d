import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

/// The lines of tracepath and what only traceroute has, octet for octet.
@Suite struct TracepathReportTests {
    private func lines(
        _ hops: [PathHop], lastHop: Int? = nil, _ found: PathMTUResult? = PathMTUResult(firstSize: 1_500),
        _ facts: PathFacts = PathFacts(), address: String = "10.9.9.9",
        change: (inout TracepathReport) -> Void = { _ in }
    ) -> String {
        var report = TracepathReport(target: target("x.example", address))
        report.style = .addresses
        change(&report)
        let whole = run(hops, lastHop: lastHop)
        return written {
            report.append(whole, found, refusalTimes: [1_400: TimeSpan(nanoseconds: 13_999)], facts, to: &$0)
        }
    }

    private func hop(_ number: Int, _ answer: PathAnswer?) -> PathHop { PathHop(number: number, answers: [answer]) }

    private func found(_ drops: PathMTUDrop...) -> PathMTUResult {
        var result = PathMTUResult(firstSize: 1_500)
        result.drops = drops
        return result
    }

    @Test func aPathThatNarrows() {
        let drop = PathMTUDrop(size: 1_400, after: 2, before: 3, evidence: .announced(by: address("10.0.2.2")))
        #expect(
            lines(
                [
                    hop(1, answer("10.0.1.2", 60_999, hopLimit: 64)),
                    hop(2, answer("10.0.2.2", 123_456_789, hopLimit: 246)),
                    hop(3, answer("10.9.9.9", 1_000_000, .reached, hopLimit: 61)),
                ], lastHop: 3, found(drop))
                    == """
                     1?: [LOCALHOST]                      pmtu 1500
                     1:  10.0.1.2                                              0.060ms \n\
                     1:  10.0.1.2                                              0.060ms \n\
                     2:  10.0.2.2                                            123.456ms asymm 10 \n\
                     3:  10.0.2.2                                              0.013ms pmtu 1400
                     3:  10.9.9.9                                              1.000ms reached
                         Resume: pmtu 1400 hops 3 back 4 \n
                    """)
    }

    @Test func silence() {
        let drop = PathMTUDrop(size: 1_280, after: 1, before: 3, evidence: .silence)
        #expect(
            lines(
                [
                    hop(1, answer("10.0.1.2", 60_000, hopLimit: 64)), hop(2, nil),
                    hop(3, answer("10.0.3.2", 60_000, hopLimit: 63)),
                ], found(drop))
                    == """
                     1?: [LOCALHOST]                      pmtu 1500
                     1:  10.0.1.2                                              0.060ms \n\
                     1:  10.0.1.2                                              0.060ms \n\
                     2:  no reply
                     3:  no reply
                     3:  10.0.3.2                                              0.060ms asymm  2 \n\
                         Too many hops: pmtu 1280
                         Resume: pmtu 1280 \n
                    """)
    }

    @Test func nothingIsCut() {
        let rows = [hop(1, answer("10.9.9.9", 50_000, .reached, hopLimit: 64))]
        #expect(
            lines(rows, lastHop: 1, PathMTUResult(firstSize: 65_535))
                == """
                 1:  10.9.9.9                                              0.050ms reached
                     Resume: pmtu 65535 hops 1 back 1 \n
                """)
        #expect(lines(rows, lastHop: 1, nil) { $0.firstLength = 40 }.hasSuffix(" pmtu 40 hops 1 back 1 \n"))
        #expect(lines([]) == "     Too many hops: pmtu 65535\n     Resume: pmtu 65535 \n")
    }

    @Test(arguments: [
        (3, 0, "!N"), (3, 1, "!H"), (3, 9, "!N"), (3, 13, "!H"), (3, 2, ""), (12, 0, "!P"),
    ])
    func marks(type: Int, code: Int, mark: String) {
        let kind = PathAnswer.Kind.error(
            type: ICMPType(rawValue: UInt8(type)), code: UInt8(code), info: 0)
        let text = lines([hop(1, answer("10.0.1.2", 60_000, kind))], nil) { $0.firstLength = 60 }
        #expect(
            text
                == " 1:  10.0.1.2                                              0.060ms \(mark)\n     Resume: pmtu 60 \n"
        )
        #expect(
            (TracepathReport.failure(of: run([hop(1, answer("10.0.1.2", 1, kind))], lastHop: nil)) != nil)
                == mark.isEmpty)
    }

    @Test(arguments: [(1, 0, "!N"), (1, 1, "!A"), (1, 3, "!H"), (1, 6, "!A"), (4, 1, "!P")])
    func marksOfIPv6(type: Int, code: Int, mark: String) {
        let kind = PathAnswer.Kind.error(
            type: ICMPType(rawValue: UInt8(type)), code: UInt8(code), info: 0)
        let text = lines([hop(1, answer("fd00::1", 60_000, kind))], nil) { $0.firstLength = 60 }
        #expect(text.hasPrefix(" 1:  fd00::1                                               0.060ms \(mark)\n"))
    }

    @Test func names() {
        let facts = PathFacts(name: { $0 == address("10.0.1.2") ? SafeText(name: "r\u{1b}1") : nil })
        let rows = [hop(1, answer("10.0.1.2", 60_000, hopLimit: 64))]
        for (style, name) in [
            (TracepathReport.Style.both, "r\\x1b1 (10.0.1.2)"), (.names, "r\\x1b1"), (.addresses, "10.0.1.2"),
        ] {
            let text = lines(rows, nil, facts) {
                $0.style = style
                $0.firstLength = 60
            }
            let padding = String(repeating: " ", count: 52 - name.count)
            #expect(text.hasPrefix(" 1:  \(name)\(padding)  0.060ms \n"))
        }
        let long = PathFacts(name: { _ in SafeText(name: String(repeating: "n", count: 80)) })
        let text = lines(rows, nil, long) {
            $0.style = .names
            $0.firstLength = 60
        }
        #expect(text.contains("nnn   0.060ms \n"))
    }

    @Test func tracerouteMarksWhatIsTooLong() {
        var report = TracerouteReport(PathTextReport(target: target("10.9.9.9", "10.9.9.9")))
        var configuration = PathTrace.Configuration(destination: address("10.9.9.9"))
        configuration.queries = 2
        let failure = SendFailure.failed(code: 90, name: "EMSGSIZE", mtu: 1_500)
        let text = written { buffer in
            report.appendStart(PathStart(configuration, packetLength: 2_000, rung: "raw", time: 1_000), to: &buffer)
            for hop in 1...3 {
                report.append(.unsent(hop: hop, failure: failure), PathFacts(), time: 120_400, to: &buffer)
                report.append(
                    .hop(PathHop(number: hop, answers: [nil, nil])), PathFacts(), time: 120_400, to: &buffer)
            }
        }
        #expect(text.hasSuffix(" byte packets\n 1  *  0.119 ms !F-1500 *  0.119 ms !F-1500\n"))
    }

    @Test func tracerouteMarksAnotherProtocolsEnd() {
        var ours = answer("10.9.9.9", 1_000_000, .reached)
        ours.probe.method = .ip(IPProtocol(rawValue: 253))
        var report = TracerouteReport(PathTextReport(target: target("10.9.9.9", "10.9.9.9")))
        report.text.showsNames = false
        #expect(
            written { report.append(.hop(PathHop(number: 4, answers: [ours])), PathFacts(), time: 0, to: &$0) }
                == " 4  10.9.9.9  1.000 ms !P\n")
    }
}
