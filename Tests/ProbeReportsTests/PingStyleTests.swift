import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

/// What options of ping change about the lines.
@Suite struct PingStyleTests {
    private let v4 = [target("example.net", "10.91.2.2")]
    private let v6 = [target("example.net", "fd91:2::2")]
    private let start = EchoStart(EchoSweep.Configuration(targets: []), rung: "raw", time: 0)

    private func report(
        _ targets: [ReportTarget]? = nil, method: ProbeMethod = .icmpEcho, change: (inout PingStyle) -> Void
    ) -> EchoTextReport {
        var report = EchoTextReport(targets: targets ?? v4, method: method)
        change(&report.style)
        return report
    }

    private func lines(_ report: EchoTextReport, _ events: EchoEvent..., at now: Int64 = 0) -> String {
        var report = report
        return written { buffer in
            for event in events { report.append(event, name: nil, at: Timestamp(nanoseconds: now), to: &buffer) }
        }
    }

    private func header(_ report: EchoTextReport) -> String { written { report.appendStart(start, to: &$0) } }

    // MARK: Header

    @Test func saysWhereProbesLeaveFrom() {
        #expect(
            header(report { $0.sources = [address("10.91.1.1")] })
                == "PING example.net (10.91.2.2) from 10.91.1.1 : 56(84) bytes of data.\n")
        #expect(
            header(
                report {
                    $0.sources = [address("10.91.1.1")]
                    $0.device = SafeText("eth0\u{1b}")
                }) == "PING example.net (10.91.2.2) from 10.91.1.1 eth0\\x1b: 56(84) bytes of data.\n")
        #expect(
            header(
                report(v6) {
                    $0.sources = [address("fe80::1%3")]
                    $0.device = SafeText("eth0")
                    $0.flowLabel = 0x3039
                }) == "PING example.net (fd91:2::2) , flow 0x03039, from fe80::1 eth0: 56 data bytes\n")
        #expect(
            header(report { $0.flowLabel = 1 }) == "PING example.net (10.91.2.2) 56(84) bytes of data.\n")
        #expect(
            header(report(v6) { $0.flowLabel = .max }) == "PING example.net (fd91:2::2) , flow 0xfffff, 56 data bytes\n"
        )
    }

    @Test func saysWhatFillsThePayload() {
        #expect(
            header(report { $0.pattern = [0xde, 0xad, 0x00, 0x0f] })
                == "PATTERN: 0xdead000f\nPING example.net (10.91.2.2) 56(84) bytes of data.\n")
        #expect(
            header(
                report {
                    $0.pattern = [0xff]
                    $0.isQuiet = true
                }) == "PING example.net (10.91.2.2) 56(84) bytes of data.\n")
    }

    @Test func countsOptionsOfTheHeader() {
        #expect(
            header(report { $0.optionsLength = 40 }) == "PING example.net (10.91.2.2) 56(124) bytes of data.\n")
    }

    // MARK: Lines

    @Test func stampsEachLine() {
        let stamped = report {
            $0.clock = WallClock(1_795_446_802_714_371_999, at: Timestamp(nanoseconds: 1_000))
        }
        #expect(
            lines(stamped, reply(arrival: 1_000))
                == "[1795446802.714371] 64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=0.127 ms\n")
        #expect(
            lines(stamped, .outstanding(target: 0, sequence: 7), at: 286_001_000)
                == "[1795446803.000371] no answer yet for icmp_seq=7\n")
        #expect(
            lines(stamped, echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0))
                == "[1795446802.714370] From 10.91.1.1 icmp_seq=1 Time to live exceeded\n")
    }

    @Test func tellsOfOutstandingProbes() {
        let event = EchoEvent.outstanding(target: 0, sequence: 3)
        #expect(lines(report { _ in }, event) == "no answer yet for icmp_seq=3\n")
        #expect(lines(report(method: .udp(destinationPort: 7)) { _ in }, event) == "no answer yet for udp_seq=3\n")
        #expect(lines(report(v4 + v6) { _ in }, event) == "no answer yet from 10.91.2.2 for icmp_seq=3\n")
    }

    @Test(
        arguments: [
            (.inTime, true), (.late, false), (.duplicate, false), (.wrongSource, false),
            (.corrupted(.wrongChecksum), false),
        ] as [(EchoReply.Disposition, Bool)])
    func ringsForAnswersInTime(disposition: EchoReply.Disposition, rings: Bool) {
        let line = lines(report { $0.isAudible = true }, reply(disposition))
        #expect(line.hasSuffix("\u{7}\n") == rings)
        #expect(line.contains("\u{7}") == rings)
    }

    @Test(
        arguments: [(99_999_499, "99.999"), (100_000_000, "100.000"), (1_501_234_500, "1501.235")] as [(Int64, String)])
    func keepsItsDecimals(nanoseconds: Int64, expected: String) {
        #expect(
            lines(report { $0.alwaysHasDecimals = true }, reply(roundTrip: nanoseconds))
                == "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=\(expected) ms\n")
    }

    @Test func showsIdentifiers() {
        let identity = ProbeIdentity(identifier: 0x40, identifierCount: 16, cookies: SipHash(k0: 0, k1: 0))
        let style: (inout PingStyle) -> Void = { $0.identifiers = [.v4: identity] }
        #expect(
            lines(report(change: style), reply(probe: 65_535), reply(probe: 65_536 * 13))
                == """
                64 bytes from 10.91.2.2: icmp_seq=1 ident=64 ttl=63 time=0.127 ms
                64 bytes from 10.91.2.2: icmp_seq=1 ident=77 ttl=63 time=0.127 ms

                """)
        #expect(!lines(report(v6, change: style), reply(from: "fd91:2::2")).contains("ident"))
        #expect(!lines(report(method: .udp(destinationPort: 7), change: style), reply()).contains("ident"))
    }

    @Test func tellsOfWhatIsNobodys() {
        #expect(
            lines(report { _ in }, stray(.echoReply)) == "From 10.91.1.9: 64 bytes, for no probe of ours (3 so far)\n")
        #expect(
            lines(report { _ in }, stray(.icmpError(type: ICMPType.V4.timeExceeded, code: 0, info: 0)))
                == "From 10.91.1.9: Time to live exceeded, for no probe of ours (3 so far)\n")
    }

    @Test func membersOfAGroupAreNoDuplicates() {
        var group = report([target("all.example", "ff02::1%2")]) { _ in }
        let line = "64 bytes from fe80::1%2: icmp_seq=1 ttl=63 time=0.127 ms"
        #expect(lines(group, reply(from: "fe80::1%2", .duplicate)) == line + "\n")
        group.reportsTimeouts = true
        #expect(lines(group, reply(from: "fe80::1%2", .duplicate)) == line + " (DUP!)\n")
    }

    @Test func saysWhatWasTooLong() {
        #expect(
            written { report { _ in }.appendTooLong(0, mtu: 1500, to: &$0) }
                == "local error: message too long, mtu=1500\n")
        #expect(
            written { report(v6) { _ in }.appendTooLong(0, mtu: 1280, to: &$0) }
                == "local error: message too long, mtu: 1280\n")
    }

    // MARK: Damage

    @Test func dumpsADamagedPayload() {
        var payload = (0..<56).map { UInt8($0) }
        payload[30] = 0xe1
        let event = reply(
            .corrupted(.wrongOctet(offset: 30, expected: 0x1e, found: 0xe1)), detail: ResponseDetail(payload: payload))
        #expect(
            lines(report { _ in }, event)
                == "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=0.127 ms\n"
                + "wrong data byte #30 should be 0x1e but was 0xe1\n"
                + "#16\t10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d e1 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f "
                + "\n#48\t30 31 32 33 34 35 36 37 \n")
    }

    @Test func dumpsOncePerProbe() {
        func event(_ sequence: UInt32) -> EchoEvent {
            reply(
                sequence: sequence, .corrupted(.wrongOctet(offset: 16, expected: 0x10, found: 0)),
                detail: ResponseDetail(payload: Array(repeating: 0, count: 20)))
        }
        let text = lines(report { _ in }, event(1), event(1), event(2), event(1), event(2), event(3))
        #expect(text.ranges(of: "wrong data byte").count == 6)
        #expect(text.ranges(of: "#16\t").count == 3)
    }

    @Test(arguments: [([], "should be 0x1e"), ([0xde, 0xad], "should be 0xde")] as [([UInt8], String)])
    func looksForTheOctetBehindAWrongChecksum(pattern: [UInt8], expected: String) {
        var payload = (0..<32).map { pattern.isEmpty ? UInt8($0) : pattern[$0 % 2] }
        func line() -> String {
            lines(
                report { $0.pattern = pattern },
                reply(.corrupted(.wrongChecksum), detail: ResponseDetail(payload: payload)))
        }
        let head = "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=0.127 ms (BAD CHECKSUM!)\n"
        // Ours is what stands before the pattern.
        payload[13] = 0xff
        #expect(line() == head)
        payload[30] = 0xe1
        #expect(line().hasPrefix(head + "wrong data byte #30 \(expected) but was 0xe1\n#16\t"))
    }

    @Test(arguments: [(16, 0), (17, 1), (48, 1), (49, 2)])
    func dumpsRowsOf32(length: Int, rows: Int) {
        let event = reply(
            .corrupted(.wrongOctet(offset: 12, expected: 1, found: 0)),
            detail: ResponseDetail(payload: Array(repeating: 0, count: length)))
        #expect(lines(report { _ in }, event).split(separator: "\n").filter { $0.hasPrefix("#") }.count == rows)
    }

    // MARK: IPv4 options

    private func route(_ addresses: String..., slots: Int = 9) -> IPv4Route {
        var route = IPv4Route(recording: slots)
        for (index, text) in addresses.enumerated() {
            if case .v4(let address) = address(text) { route.slots[index] = address }
        }
        route.pointer = UInt8(4 + addresses.count * 4)
        return route
    }

    @Test func showsTheRouteOnceUntilItChanges() {
        func event(_ route: IPv4Route) -> EchoEvent {
            reply(detail: ResponseDetail(ipv4Options: [.recordRoute(route)]))
        }
        let (one, other) = (route("10.91.1.1", "10.91.2.2", "0.0.0.0"), route("10.91.1.1"))
        let line = "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=0.127 ms"
        #expect(
            lines(report { _ in }, event(one), event(one), event(other), event(one), event(route()))
                == "\(line)\nRR: \t10.91.1.1\n\t10.91.2.2\n\t0.0.0.0\n\n\(line)\t(same route)\n"
                + "\(line)\nRR: \t10.91.1.1\n\n"
                + "\(line)\nRR: \t10.91.1.1\n\t10.91.2.2\n\t0.0.0.0\n\n\(line)\n")
    }

    @Test func showsTimesAndWhatTheyAreApart() {
        func entry(_ value: UInt32, _ text: String? = nil) -> IPv4TimestampOption.Entry {
            var address: IPv4Address?
            if let text, case .v4(let v4) = ProbeReportsTests.address(text) { address = v4 }
            return IPv4TimestampOption.Entry(address: address, timestamp: InternetTimestamp(rawValue: value))
        }
        func shown(_ form: IPv4TimestampOption.Form, _ entries: [IPv4TimestampOption.Entry], _ recorded: Int) -> String
        {
            var option = IPv4TimestampOption(form, entries: entries)
            option.overflow = recorded == entries.count ? 2 : 0
            option.pointer = UInt8(5 + recorded * (form == .timestamps ? 4 : 8))
            let text = lines(report { _ in }, reply(detail: ResponseDetail(ipv4Options: [.timestamp(option)])))
            return String(text.dropFirst("64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=0.127 ms".count))
        }
        #expect(
            shown(.timestamps, [entry(54_807_051), entry(54_807_052), entry(54_807_050), entry(0)], 3)
                == "\nTS: \t54807051 absolute\n\t1\n\t-2\n\n")
        #expect(
            shown(.addresses, [entry(7, "10.91.1.1"), entry(9, "10.91.1.2")], 2)
                == "\nTS: \t10.91.1.1\t7 absolute\n\t10.91.1.2\t2\nUnrecorded hops: 2\n\n")
        #expect(
            shown(.timestamps, [entry(0x8000_0005), entry(100), entry(0x8000_0007), entry(0)], 3)
                == "\nTS: \t5 absolute not-standard\n\t100 absolute\n\t2 not-standard\n\n")
        #expect(shown(.timestamps, [entry(0)], 0) == "\n")
    }

    @Test func showsOtherOptions() {
        let options: IPv4Options = [
            .noOperation, .looseSourceRoute(route("10.91.1.1", slots: 1)),
            .strictSourceRoute(route("10.91.1.2", slots: 1)),
            .routerAlert(0), .unknown(type: 0x9e, data: [1]),
        ]
        #expect(
            lines(report { _ in }, reply(detail: ResponseDetail(ipv4Options: options)))
                == "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=0.127 ms\nNOP\nLSRR: \t10.91.1.1\n\nSSRR: \t10.91.1.2\n"
                + "\nunknown option 94\nunknown option 9e\n")
    }

    // MARK: Floods

    @Test func aFloodIsMarks() {
        let flood = report {
            $0.isFlood = true
            $0.isAudible = true
        }
        #expect(
            lines(
                flood, .sent(target: 0, sequence: 1), .sent(target: 0, sequence: 2), reply(), reply(.duplicate),
                reply(.corrupted(.wrongChecksum)), echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0),
                echoError(from: "10.91.1.1", ICMPType.V4.redirect, 0, isConclusive: false),
                .timeout(target: 0, sequence: 2), .outage(outage()))
                == "..\u{8} \u{8}\u{7}\u{8} \u{8}\u{8}C\u{8}E")
        #expect(lines(report { _ in }, .sent(target: 0, sequence: 1)).isEmpty)
        #expect(lines(flood, .outstanding(target: 0, sequence: 1)) == "no answer yet for icmp_seq=1\n")
    }

    // MARK: Summary

    private func summary(_ statistics: EchoStatistics, _ change: (inout PingStyle) -> Void = { _ in }) -> String {
        let run = EchoRun(elapsed: .seconds(9), sending: TimeSpan(nanoseconds: 186_400), time: 0)
        return written { report(change: change).appendSummary([statistics], run: run, to: &$0) }
    }

    @Test func sumsUpGapsAndDepth() {
        let counts = statistics([40_000, 80_000, 40_000]) { $0.pipe = 2 }
        let text = summary(counts) { $0.showsGap = true }
        #expect(
            text.contains(
                "0% packet loss, time 0ms\nrtt min/avg/max/mdev = 0.040/0.053/0.080/0.019 ms, pipe 2, "
                    + "ipg/ewma 0.093/0.044 ms\n"), "\(text)")
        #expect(!summary(counts).contains("ipg"))
        #expect(!summary(statistics([1]) { $0.pipe = 1 }) { $0.showsGap = true }.contains("pipe"))
        #expect(
            summary(statistics([], transmitted: 4) { $0.pipe = 4 }).hasSuffix("100% packet loss, time 0ms\npipe 4\n"))
    }

    @Test func namesTheClockThatWasAskedFor() {
        let counts = statistics([40_000]) { $0.userTimed = 1 }
        #expect(summary(counts) { $0.isUserToUser = true }.contains("clock user (user-to-user latency)"))
    }

    @Test func countsWhatItDidNotTell() {
        #expect(summary(statistics([], transmitted: 1) { $0.repeatedErrors = 9 }).hasSuffix("\n9 repeated errors\n"))
    }
}
