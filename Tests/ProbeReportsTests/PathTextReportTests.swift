import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct PathTextReportTests {
    private func report(_ change: (inout PathTextReport) -> Void = { _ in }) -> PathTextReport {
        var report = PathTextReport(target: target("10.77.99.9", "10.77.99.9"))
        report.showsNames = false
        change(&report)
        return report
    }

    private func row(
        _ number: Int, _ answers: [PathAnswer?], _ report: PathTextReport? = nil,
        name: @escaping (IPAddress) -> SafeText? = { _ in nil }, forcedSize: Int? = nil
    ) -> String {
        let facts = PathFacts(name: name, forcedSize: { $0 == number ? forcedSize : nil })
        return written {
            (report ?? self.report()).append(.hop(PathHop(number: number, answers: answers)), facts, to: &$0)
        }
    }

    @Test(arguments: [
        ("10.77.99.9", "10.77.99.9", 60, "traceroute to 10.77.99.9 (10.77.99.9), 30 hops max, 60 byte packets\n"),
        ("e.example", "2001:db8::1", 80, "traceroute to e.example (2001:db8::1), 30 hops max, 80 byte packets\n"),
        ("a b\r", "192.0.2.1", 28, "traceroute to a\\x20b\\r (192.0.2.1), 30 hops max, 28 byte packets\n"),
    ])
    func saysWhatIsAsked(name: String, address: String, length: Int, expected: String) {
        let report = PathTextReport(target: target(name, address))
        let start = PathStart(
            PathTrace.Configuration(destination: report.target.address), packetLength: length, rung: "raw", time: 0)
        #expect(written { report.appendStart(start, to: &$0) } == expected)
    }

    @Test func writesRows() {
        let near = [68_000, 8_000, 8_000].map { answer("10.77.1.2", $0) }
        #expect(row(1, near) == " 1  10.77.1.2  0.068 ms  0.008 ms  0.008 ms\n")
        #expect(row(3, [nil, nil, nil]) == " 3  * * *\n")
        #expect(
            row(6, [answer("10.77.62.2", 65_000), answer("10.77.62.2", 33_000), answer("10.77.63.2", 55_000)])
                == " 6  10.77.62.2  0.065 ms  0.033 ms 10.77.63.2  0.055 ms\n")
        #expect(
            row(10, [nil, answer("10.77.99.9", 123_456_789, .reached), nil]) == "10  * 10.77.99.9  123.457 ms *\n")
        #expect(row(255, [answer("fd77::1", 999_500)]) == "255  fd77::1  1.000 ms\n")
        #expect(row(4, []) == " 4 \n")
    }

    @Test func repeatsNoAddressBehindSilence() {
        #expect(
            row(2, [answer("10.77.2.2", 1_000_000), nil, answer("10.77.2.2", 2_000_000)])
                == " 2  10.77.2.2  1.000 ms *  2.000 ms\n")
    }

    @Test func namesHops() {
        let named = report { $0.showsNames = true }
        let name: (IPAddress) -> SafeText? = {
            $0 == address("10.77.1.2") ? SafeText(name: "r1.example\u{1b}]0;x\u{7}") : nil
        }
        #expect(
            row(1, [answer("10.77.1.2", 1_000_000), answer("10.77.1.3", 2_000_000)], named, name: name)
                == " 1  r1.example\\x1b]0;x\\x07 (10.77.1.2)  1.000 ms 10.77.1.3 (10.77.1.3)  2.000 ms\n")
        #expect(row(1, [answer("10.77.1.2", 1_000_000)], name: name) == " 1  10.77.1.2  1.000 ms\n")
    }

    @Test func namesZones() {
        let zoned = report { $0.zones = [2: SafeText("eth0")] }
        #expect(row(1, [answer("fe80::1%2", 1_000_000)], zoned) == " 1  fe80::1%eth0  1.000 ms\n")
    }

    @Test(
        arguments: [
            (3, 0, 0, " !N"), (3, 1, 0, " !H"), (3, 2, 0, " !P"), (3, 3, 0, ""), (3, 4, 1400, " !F-1400"),
            (3, 5, 0, " !S"),
            (3, 6, 0, " !N"), (3, 7, 0, " !H"), (3, 8, 0, " !N"), (3, 9, 0, " !X"), (3, 10, 0, " !X"),
            (3, 11, 0, " !N"),
            (3, 12, 0, " !H"), (3, 13, 0, " !X"), (3, 14, 0, " !V"), (3, 15, 0, " !C"), (3, 16, 0, " !<16>"),
            (12, 1, 0, " !<12-1>"),
        ] as [(UInt8, UInt8, UInt32, String)])
    func annotatesErrorsOfIPv4(type: UInt8, code: UInt8, info: UInt32, expected: String) {
        let kind = PathAnswer.Kind.error(type: ICMPType(rawValue: type), code: code, info: info)
        #expect(
            row(9, [answer("10.77.8.2", 26_000, kind), answer("10.77.8.2", 22_000, kind)])
                == " 9  10.77.8.2  0.026 ms\(expected)  0.022 ms\(expected)\n")
    }

    @Test(
        arguments: [
            (1, 0, 0, " !N"), (1, 1, 0, " !X"), (1, 2, 0, " !H"), (1, 3, 0, " !H"), (1, 4, 0, ""), (1, 5, 0, " !<5>"),
            (1, 255, 0, " !<255>"), (2, 0, 1280, " !F-1280"), (4, 1, 0, " !<4-1>"), (100, 2, 0, " !<100-2>"),
        ] as [(UInt8, UInt8, UInt32, String)])
    func annotatesErrorsOfIPv6(type: UInt8, code: UInt8, info: UInt32, expected: String) {
        let kind = PathAnswer.Kind.error(type: ICMPType(rawValue: type), code: code, info: info)
        #expect(row(9, [answer("fd77::8", 26_000, kind)]) == " 9  fd77::8  0.026 ms\(expected)\n")
    }

    @Test func showsExtensionsWhereAsked() {
        let label = ICMPExtensionObject.mpls([MPLSLabel(label: 16_004, isBottomOfStack: true, timeToLive: 1)])
        let labelled = answer("10.77.4.2", 30_000, objects: [label])
        let extended = report { $0.showsExtensions = true }
        #expect(row(4, [labelled]) == " 4  10.77.4.2  0.030 ms\n")
        #expect(
            row(4, [labelled, labelled, answer("10.77.4.2", 9_000)], extended)
                == " 4  10.77.4.2 <MPLS:L=16004,E=0,S=1,T=1>  0.030 ms  0.030 ms 10.77.4.2  0.009 ms\n")
        #expect(
            row(4, [answer("10.77.4.2", 30_000, objects: everyObject)], extended)
                == " 4  10.77.4.2 <MPLS:L=16004,E=0,S=0,T=1/L=3,E=5,S=1,T=255/"
                + "INTERFACE:R=incoming,I=7,A=192.0.2.9,N=ge\\x1b0\\xff,M=1500/9/2:00ab10>  0.030 ms\n")
    }

    @Test func showsFlagsWhereAsked() {
        let open = answer("10.77.99.9", 30_000, .reached, flags: [.syn, .ack])
        #expect(row(4, [open]) == " 4  10.77.99.9  0.030 ms\n")
        #expect(row(4, [open], report { $0.showsFlags = true }) == " 4  10.77.99.9 <syn,ack>  0.030 ms\n")
    }

    /// Of 62 hops left two were used up on the way back, and one more is the answer's own.
    @Test func showsTheWayBackWhereItDiffers() {
        let back = report { $0.showsWayBack = true }
        let near = answer("10.77.3.2", 30_000)
        #expect(row(3, [near], back) == " 3  10.77.3.2  0.030 ms\n")
        var far = near
        far.hopLimit = 55
        #expect(row(3, [near, far], back) == " 3  10.77.3.2  0.030 ms 10.77.3.2 '-10'  0.030 ms\n")
        #expect(row(3, [far]) == " 3  10.77.3.2  0.030 ms\n")
        far.hopLimit = nil
        #expect(row(3, [far], back) == " 3  10.77.3.2  0.030 ms\n")
    }

    @Test func marksTheHopWherePacketsHadToShrinkOnce() {
        let answers = [30_000, 18_000, 17_000].map { answer("10.77.9.2", $0) }
        #expect(row(9, answers, forcedSize: 1400) == " 9  10.77.9.2  0.030 ms F=1400  0.018 ms  0.017 ms\n")
        #expect(row(9, [nil, answers[0]], forcedSize: 1400) == " 9  * 10.77.9.2  0.030 ms F=1400\n")
    }

    @Test func tellsWhatWasNotSent() {
        #expect(
            written {
                report().append(
                    .unsent(hop: 3, failure: .failed(code: 1, name: "EPERM")), PathFacts(), to: &$0)
            } == "not sent: hop 3 (EPERM: Operation not permitted)\n")
    }
}
