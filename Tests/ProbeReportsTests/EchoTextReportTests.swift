import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct EchoTextReportTests {
    private let report = EchoTextReport(targets: [target("example.net", "10.91.2.2")])
    private let udp = EchoTextReport(
        targets: [target("h", "10.91.2.2")], method: .udp(destinationPort: 33_434))
    private let start = EchoStart(EchoSweep.Configuration(targets: []), rung: "raw", time: 0)
    private let pair = EchoTextReport(targets: [target("a.example", "10.91.2.2"), target("b.example", "fd91:2::2")])

    @Test(
        arguments: [
            ("example.net", "192.0.2.1", .icmpEcho, 56, "PING example.net (192.0.2.1) 56(84) bytes of data.\n"),
            ("192.0.2.1", "192.0.2.1", .icmpEcho, 0, "PING 192.0.2.1 (192.0.2.1) 0(28) bytes of data.\n"),
            ("example.net", "2001:db8::1", .icmpEcho, 56, "PING example.net (2001:db8::1) 56 data bytes\n"),
            (
                "h", "192.0.2.1", .udp(destinationPort: 33_434), 56,
                "PING h (192.0.2.1) UDP port 33434, 56(84) bytes of data.\n"
            ),
            ("h", "2001:db8::1", .udp(destinationPort: 7), 9, "PING h (2001:db8::1) UDP port 7, 9 data bytes\n"),
            (
                "h", "192.0.2.1", .tcpSYN(destinationPort: 80), 0,
                "PING h (192.0.2.1) TCP port 80, 0(44) bytes of data.\n"
            ),
            (
                "e\u{1b}[2J vil", "192.0.2.1", .icmpEcho, 56,
                "PING e\\x1b[2J\\x20vil (192.0.2.1) 56(84) bytes of data.\n"
            ),
        ] as [(String, String, ProbeMethod, Int, String)])
    func saysWhatIsSent(name: String, address: String, method: ProbeMethod, length: Int, expected: String) {
        let report = EchoTextReport(targets: [target(name, address)], method: method, payloadLength: length)
        #expect(written { report.appendStart(start, to: &$0) } == expected)
    }

    @Test func saysWhatIsSentToEach() {
        #expect(
            written { pair.appendStart(start, to: &$0) } == """
                PING a.example (10.91.2.2) 56(84) bytes of data.
                PING b.example (fd91:2::2) 56 data bytes

                """)
    }

    @Test func namesZones() {
        var report = EchoTextReport(targets: [target("fe80::1%3", "fe80::1%3")])
        report.zones = [3: SafeText("veth\u{7}0")]
        #expect(written { report.appendStart(start, to: &$0) } == "PING fe80::1%3 (fe80::1%veth\\x070) 56 data bytes\n")
        #expect(
            written { report.append(reply(from: "fe80::1%4"), to: &$0) }
                == "64 bytes from fe80::1%4: icmp_seq=1 ttl=63 time=0.127 ms\n")
    }

    @Test(
        arguments: [
            (127_000, "0.127"), (999_500, "1.000"), (99_999_000, "99.999"), (99_999_499, "99.999"), (99_999_500, "100"),
            (100_499_999, "100"), (100_500_000, "101"), (1_501_000_000, "1501"),
        ] as [(Int64, String)])
    func showsThreeDecimalsBelow100Milliseconds(nanoseconds: Int64, expected: String) {
        #expect(
            written { report.append(reply(roundTrip: nanoseconds), to: &$0) }
                == "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=\(expected) ms\n")
    }

    @Test(
        arguments: [
            (.inTime, ""), (.late, " (late)"), (.duplicate, " (DUP!)"), (.wrongSource, " (DIFFERENT ADDRESS!)"),
            (.corrupted(.wrongChecksum), " (BAD CHECKSUM!)"),
            (.corrupted(.wrongLength(sent: 56, received: 48)), " (truncated)"),
            (.corrupted(.wrongLength(sent: 56, received: 60)), " (longer than sent)"),
            (
                .corrupted(.wrongOctet(offset: 30, expected: 0x1e, found: 0xe1)),
                "\nwrong data byte #30 should be 0x1e but was 0xe1"
            ),
            (
                .corrupted(.wrongOctet(offset: 0, expected: 0x0, found: 0xf)),
                "\nwrong data byte #0 should be 0x0 but was 0xf"
            ),
        ] as [(EchoReply.Disposition, String)])
    func saysWhatIsOddAboutAReply(disposition: EchoReply.Disposition, expected: String) {
        #expect(
            written { report.append(reply(disposition), to: &$0) }
                == "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=0.127 ms\(expected)\n")
    }

    @Test func namesTheResponder() {
        #expect(
            written { report.append(reply(), name: SafeText(name: "a\nb"), to: &$0) }
                == "64 bytes from a\\nb (10.91.2.2): icmp_seq=1 ttl=63 time=0.127 ms\n")
        #expect(
            written {
                report.append(
                    echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0), name: SafeText(name: "gw"), to: &$0)
            } == "From gw (10.91.1.1) icmp_seq=1 Time to live exceeded\n")
    }

    @Test func leavesOutAnUnknownHopLimit() {
        #expect(
            written { report.append(reply(hopLimit: nil), to: &$0) }
                == "64 bytes from 10.91.2.2: icmp_seq=1 time=0.127 ms\n")
    }

    @Test func countsSequencesOn() {
        #expect(
            written { report.append(reply(sequence: .max), to: &$0) }
                == "64 bytes from 10.91.2.2: icmp_seq=4294967295 ttl=63 time=0.127 ms\n")
    }

    @Test func saysWhatAnswersUDP() {
        #expect(
            written { udp.append(reply(kind: .portUnreachable), to: &$0) }
                == "port unreachable from 10.91.2.2: udp_seq=1 ttl=63 time=0.127 ms\n")
        #expect(
            written { udp.append(reply(), to: &$0) } == "64 bytes from 10.91.2.2: udp_seq=1 ttl=63 time=0.127 ms\n")
        #expect(
            written { udp.append(reply(kind: .datagram, bytes: 20), to: &$0) }
                == "20 bytes of other data from 10.91.2.2: udp_seq=1 ttl=63 time=0.127 ms\n")
    }

    @Test(
        arguments: [
            (3, 0, 0, "Destination Net Unreachable"), (3, 1, 0, "Destination Host Unreachable"),
            (3, 2, 0, "Destination Protocol Unreachable"), (3, 3, 0, "Destination Port Unreachable"),
            (3, 4, 0xdead_0578, "Frag needed and DF set (mtu = 1400)"), (3, 5, 0, "Source Route Failed"),
            (3, 6, 0, "Destination Net Unknown"), (3, 7, 0, "Destination Host Unknown"),
            (3, 8, 0, "Source Host Isolated"),
            (3, 9, 0, "Destination Net Prohibited"), (3, 10, 0, "Destination Host Prohibited"),
            (3, 11, 0, "Destination Net Unreachable for Type of Service"),
            (3, 12, 0, "Destination Host Unreachable for Type of Service"), (3, 13, 0, "Packet filtered"),
            (3, 14, 0, "Precedence Violation"), (3, 15, 0, "Precedence Cutoff"),
            (3, 16, 0, "Dest Unreachable, Bad Code: 16"), (3, 255, 0, "Dest Unreachable, Bad Code: 255"),
            (11, 0, 0, "Time to live exceeded"), (11, 1, 0, "Frag reassembly time exceeded"),
            (11, 2, 0, "Time exceeded, Bad Code: 2"), (12, 0, 0x1400_0000, "Parameter problem: pointer = 20"),
            (99, 7, 0, "Bad ICMP type: 99"),
        ] as [(UInt8, UInt8, UInt32, String)])
    func hasPingsWordsForErrorsOfIPv4(type: UInt8, code: UInt8, info: UInt32, expected: String) {
        let event = echoError(from: "10.91.1.1", ICMPType(rawValue: type), code, info: info, sequence: 3)
        #expect(written { report.append(event, to: &$0) } == "From 10.91.1.1 icmp_seq=3 \(expected)\n")
    }

    @Test(
        arguments: [
            (4, 0, "Source Quench"), (5, 0, "Redirect Network(New nexthop: 10.91.1.9)"),
            (5, 1, "Redirect Host(New nexthop: 10.91.1.9)"),
            (5, 2, "Redirect Type of Service and Network(New nexthop: 10.91.1.9)"),
            (5, 3, "Redirect Type of Service and Host(New nexthop: 10.91.1.9)"),
            (5, 4, "Redirect, Bad Code: 4(New nexthop: 10.91.1.9)"),
        ] as [(UInt8, UInt8, String)])
    func setsHintsOffByAColon(type: UInt8, code: UInt8, expected: String) {
        let event = echoError(
            from: "10.91.1.1", ICMPType(rawValue: type), code, info: 0x0a5b_0109, isConclusive: false)
        #expect(written { report.append(event, to: &$0) } == "From 10.91.1.1: icmp_seq=1 \(expected)\n")
    }

    @Test(
        arguments: [
            (1, 0, 0, "Destination unreachable: No route"),
            (1, 1, 0, "Destination unreachable: Administratively prohibited"),
            (1, 2, 0, "Destination unreachable: Beyond scope of source address"),
            (1, 3, 0, "Destination unreachable: Address unreachable"),
            (1, 4, 0, "Destination unreachable: Port unreachable"),
            (1, 5, 0, "Destination unreachable: Source address failed ingress/egress policy"),
            (1, 6, 0, "Destination unreachable: Reject route to destination"),
            (1, 7, 0, "Destination unreachable: Unknown code 7"), (2, 0, 1280, "Packet too big: mtu=1280"),
            (2, 1, .max, "Packet too big: mtu=4294967295, code=1"), (3, 0, 0, "Time exceeded: Hop limit"),
            (3, 1, 0, "Time exceeded: Defragmentation failure"), (3, 9, 0, "Time exceeded: code 9"),
            (4, 0, 40, "Parameter problem: Wrong header field at 40"),
            (4, 1, 6, "Parameter problem: Unknown header at 6"),
            (4, 2, 42, "Parameter problem: Unknown option at 42"), (4, 3, 1, "Parameter problem: code 3 at 1"),
            (100, 0, 0, "unknown icmp type: 100"),
        ] as [(UInt8, UInt8, UInt32, String)])
    func hasPingsWordsForErrorsOfIPv6(type: UInt8, code: UInt8, info: UInt32, expected: String) {
        let event = echoError(from: "fd91::1", ICMPType(rawValue: type), code, info: info)
        #expect(written { report.append(event, to: &$0) } == "From fd91::1 icmp_seq=1 \(expected)\n")
    }

    @Test(
        arguments: [
            (.failed(code: 101, name: "ENETUNREACH"), "ENETUNREACH: Network is unreachable"),
            (.failed(code: 1, name: "EPERM"), "EPERM: Operation not permitted"),
            (.failed(code: 9, name: "EBADF"), "EBADF"),
            (.retryLater, "ENOBUFS: No buffer space available"),
        ] as [(SendFailure, String)])
    func saysWhyAProbeWasNotSent(failure: SendFailure, expected: String) {
        let event = EchoEvent.unsent(target: 0, sequence: 4, failure: failure)
        #expect(written { report.append(event, to: &$0) } == "not sent: icmp_seq=4 (\(expected))\n")
        #expect(
            written { pair.append(event, to: &$0) } == "not sent: icmp_seq=4 to 10.91.2.2 (\(expected))\n")
    }

    @Test func tellsOfTimeoutsWhereAsked() {
        let event = EchoEvent.timeout(target: 0, sequence: 3)
        #expect(written { report.append(event, to: &$0) }.isEmpty)
        var talkative = report
        talkative.reportsTimeouts = true
        #expect(written { talkative.append(event, to: &$0) } == "no answer in time for icmp_seq=3\n")
        talkative.targets = pair.targets
        #expect(
            written { talkative.append(.timeout(target: 1, sequence: 3), to: &$0) }
                == "no answer in time from fd91:2::2 for icmp_seq=3\n")
    }

    // MARK: Summaries

    private func summary(_ statistics: EchoStatistics, run: EchoRun = EchoRun(elapsed: .milliseconds(2003), time: 0))
        -> String
    {
        written { report.appendSummary([statistics], run: run, to: &$0) }
    }

    @Test func sumsUpAGoodRun() {
        #expect(
            summary(statistics([74_000, 99_000, 127_000])) == """

                --- example.net ping statistics ---
                3 packets transmitted, 3 received, 0% packet loss, time 2003ms
                rtt min/avg/max/mdev = 0.074/0.100/0.127/0.022 ms
                p50 = 0.099 ms, jitter 0.003 ms, clock kernel
                ipdv mean/max = 0.027/0.028 ms, pdv p50 = 0.025 ms

                """)
    }

    @Test func sumsUpAnythingThatCanHappen() {
        let counts = statistics([74_000, 127_000], transmitted: 6) {
            $0.late = 1
            $0.inFlight = 1
            $0.errors = 2
            $0.duplicates = 1
            $0.corrupted = 4
            $0.wrongSource = 5
            $0.reordered = 1
            $0.unsent = 3
            $0.lastSendFailure = .failed(code: 101, name: "ENETUNREACH")
            $0.userTimed = 1
        }
        let run = EchoRun(elapsed: .milliseconds(5004), time: 0, unsolicited: 6, missed: 7, droppedHere: 8)
        #expect(
            summary(counts, run: run) == """

                --- example.net ping statistics ---
                6 packets transmitted, 2 received, +1 duplicates, +4 corrupted, +2 errors, 40% packet loss, \
                time 5004ms
                rtt min/avg/max/mdev = 0.074/0.101/0.127/0.027 ms
                p50 = 0.074 ms, jitter 0.003 ms, clock kernel (1 of 2 by user clock)
                ipdv mean/max = 0.053/0.053 ms
                1 late, 5 from a wrong source, 1 reordered, 3 not sent (ENETUNREACH), 1 still in flight, \
                7 missed slots, 6 unsolicited, 8 dropped here

                """)
    }

    /// A run that was interrupted: of the last probes nobody knows yet.
    @Test(
        arguments: [
            (
                5, 2, "5 packets transmitted, 0 received, 100% packet loss, time 2003ms\n2 still in flight\n",
                ", 100% loss"
            ),
            (1, 1, "1 packets transmitted, 0 received, time 2003ms\n1 still in flight\n", ""),
        ] as [(UInt64, UInt64, String, String)])
    func takesLossOfWhatIsDecided(transmitted: UInt64, inFlight: UInt64, lines: String, loss: String) {
        let counts = statistics([], transmitted: transmitted) { $0.inFlight = inFlight }
        #expect(summary(counts) == "\n--- example.net ping statistics ---\n" + lines)
        #expect(written { report.appendInterim([counts], to: &$0) } == "\r0/\(transmitted) packets\(loss)\n")
    }

    @Test func sumsUpOneReply() {
        let counts = statistics([127_000]) { $0.userTimed = 1 }
        #expect(
            summary(counts) == """

                --- example.net ping statistics ---
                1 packets transmitted, 1 received, 0% packet loss, time 2003ms
                rtt min/avg/max/mdev = 0.127/0.127/0.127/0.000 ms
                clock user

                """)
    }

    @Test func sumsUpSilence() {
        let counts = statistics([], transmitted: 3)
        #expect(
            summary(counts) == """

                --- example.net ping statistics ---
                3 packets transmitted, 0 received, 100% packet loss, time 2003ms

                """)
        #expect(
            written { udp.appendSummary([counts], run: EchoRun(elapsed: .zero, time: 0), to: &$0) } == """

                --- h ping statistics ---
                3 packets transmitted, 0 received, 100% packet loss, time 0ms
                no answer; a firewall may drop UDP

                """)
    }

    @Test(
        arguments: [
            { $0.late = 1 }, { $0.errors = 1 }, { $0.corrupted = 1 }, { $0.wrongSource = 1 }, { $0.received = 1 },
            { $0.transmitted = 0 },
        ] as [@Sendable (inout EchoStatistics) -> Void])
    func blamesNoFirewallWhereSomethingCameBack(change: @Sendable (inout EchoStatistics) -> Void) {
        let counts = statistics([], transmitted: 3, change)
        #expect(
            !written { udp.appendSummary([counts], run: EchoRun(elapsed: .zero, time: 0), to: &$0) }.contains(
                "firewall"))
    }

    @Test func sumsUpNothing() {
        let counts = statistics([]) {
            $0.unsent = 2
            $0.lastSendFailure = .retryLater
        }
        #expect(
            summary(counts) == """

                --- example.net ping statistics ---
                0 packets transmitted, 0 received
                2 not sent (ENOBUFS)

                """)
    }

    @Test(arguments: [
        (1, ""), (2, "p50 = "), (9, "p50 = "), (10, "p50/p90 = "), (20, "p50/p90/p95 = "),
        (99, "p50/p90/p95 = "), (100, "p50/p90/p95/p99 = "), (1_000, "p50/p90/p95/p99/p99.9 = "),
    ])
    func showsOnlyPercentilesThatTheSampleCarries(count: Int, expected: String) {
        let lines = summary(statistics(Array(repeating: 1_000_000, count: count))).split(separator: "\n")
        #expect(lines.count == (count == 1 ? 4 : 5))
        let values = Array(repeating: "1.000", count: expected.split(separator: "/").count).joined(separator: "/")
        #expect(
            lines[3]
                == (expected.isEmpty ? "clock kernel" : "\(expected)\(values) ms, jitter 0.000 ms, clock kernel"))
    }

    private let clock = WallClock(offset: 1_769_850_487_123_000_000)

    @Test func tellsHowLossesLie() {
        let run = EchoRun(elapsed: .seconds(9), time: 0, clock: clock)
        #expect(
            summary(statistics(fates: "..xxx.lx.."), run: run) == """

                --- example.net ping statistics ---
                10 packets transmitted, 5 received, 40% packet loss, time 9000ms
                rtt min/avg/max/mdev = 1.000/1.000/1.000/0.000 ms
                p50 = 1.000 ms, jitter 0.000 ms, clock kernel
                ipdv mean/max = 0.000/0.000 ms, pdv p50 = 0.000 ms, host delay mean/max = 0.056/0.100 ms
                loss in 2 runs, longest 3, 1 outage of 3.000 s, availability 70%
                outage 2026-01-31T09:08:10.123Z for 3.000 s, icmp_seq=3 to 5
                1 late (3000.000 ms)

                """)
        let open = summary(statistics(fates: ".xx"), run: run)
        #expect(open.contains("outage 2026-01-31T09:08:09.123Z, not over after 2.000 s, icmp_seq=2 to 3\n"))
        let single = summary(statistics(fates: ".x."), run: run)
        #expect(single.contains("loss in 1 run, longest 1, availability 100%\n") && !single.contains("outage"))
        #expect(!summary(statistics(fates: "xxx"), run: run).contains("run"))
        let many = summary(statistics(fates: String(repeating: "xx.", count: 9)), run: run)
        #expect(many.split(separator: "\n").count { $0.hasPrefix("outage ") } == 5)
        #expect(many.contains("9 outages, 18.000 s in all") && many.contains("icmp_seq=25 to 26\nand 4 before\n"))
        #expect(!summary(statistics(fates: "xx.")).contains("icmp_seq"))
    }

    @Test func tellsOfChangesOutagesAndIntervals() {
        let table: [(EchoEvent, String, String)] = [
            (
                change(.hopLimit, from: 63, to: 61), "hop limit of replies changed from 63 to 61 at icmp_seq=12\n",
                "hop limit of replies from 10.91.2.2 changed from 63 to 61 at icmp_seq=12\n"
            ),
            (
                change(.trafficClass, from: 0, to: 184),
                "traffic class of replies changed from 0 to 184 at icmp_seq=12\n",
                "traffic class of replies from 10.91.2.2 changed from 0 to 184 at icmp_seq=12\n"
            ),
            (
                .outage(outage()), "outage over: 5 probes lost in 5.002 s, icmp_seq=10 to 14\n",
                "outage of 10.91.2.2 over: 5 probes lost in 5.002 s, icmp_seq=10 to 14\n"
            ),
            (
                interval([40_000, 65_000], lost: 8),
                "interval 3 (10.000 s): 2/10 packets, 80% loss, min/avg/max = 0.040/0.053/0.065 ms\n",
                "a.example: interval 3 (10.000 s): 2/10 packets, 80% loss, min/avg/max = 0.040/0.053/0.065 ms\n"
            ),
            (
                interval([], transmitted: 0, lost: -1), "interval 3 (10.000 s): 0/0 packets, 0% loss\n",
                "a.example: interval 3 (10.000 s): 0/0 packets, 0% loss\n"
            ),
        ]
        for (event, alone, ofTwo) in table {
            #expect(written { report.append(event, to: &$0) } == alone)
            #expect(written { pair.append(event, to: &$0) } == ofTwo)
        }
    }

    @Test func showsNoPercentilesWithoutHistogram() {
        let lines = summary(statistics([1_000_000, 2_000_000], withPercentiles: false)).split(separator: "\n")
        #expect(lines.last == "clock kernel")
    }

    @Test func sumsUpSeveralTargetsInTheirOrder() {
        let counts = [
            statistics([1_000_000, 1_000_000]) { $0.lastSendFailure = .failed(code: 1, name: "EPERM") },
            statistics([], transmitted: 2) {
                $0.errors = 1
                $0.unsent = 1
                $0.lastSendFailure = .failed(code: 101, name: "ENETUNREACH")
            },
        ]
        let run = EchoRun(elapsed: .milliseconds(1001), time: 0, droppedHere: 1)
        #expect(
            written { pair.appendSummary(counts, run: run, to: &$0) } == """

                --- a.example ping statistics ---
                2 packets transmitted, 2 received, 0% packet loss, time 1001ms
                rtt min/avg/max/mdev = 1.000/1.000/1.000/0.000 ms
                p50 = 1.000 ms, jitter 0.000 ms, clock kernel
                ipdv mean/max = 0.000/0.000 ms

                --- b.example ping statistics ---
                2 packets transmitted, 0 received, +1 errors, 100% packet loss, time 1001ms
                1 not sent (ENETUNREACH)

                --- total of 2 hosts ---
                4 packets transmitted, 2 received, +1 errors, 50% packet loss, time 1001ms
                1 of 2 hosts answered
                1 not sent (ENETUNREACH), 1 dropped here or of a wrong checksum

                """)
    }

    @Test func givesAnInterimLine() {
        #expect(
            written { report.appendInterim([statistics([40_000, 65_000])], to: &$0) }
                == "\r2/2 packets, 0% loss, min/avg/ewma/max = 0.040/0.053/0.043/0.065 ms\n")
        #expect(
            written { report.appendInterim([statistics([], transmitted: 2)], to: &$0) } == "\r0/2 packets, 100% loss\n")
        #expect(
            written { pair.appendInterim([statistics([40_000]), statistics([])], to: &$0) } == """
                \ra.example: 1/1 packets, 0% loss, min/avg/ewma/max = 0.040/0.040/0.040/0.040 ms
                \rb.example: 0/0 packets

                """)
    }
}

extension EchoTextReport {
    fileprivate func append(_ event: EchoEvent, name: SafeText? = nil, to buffer: inout ReportBuffer) {
        var report = self
        report.append(event, name: name, at: Timestamp(nanoseconds: 0), to: &buffer)
    }
}
