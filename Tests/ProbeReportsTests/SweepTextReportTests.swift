import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct SweepTextReportTests {
    private let now = Timestamp(nanoseconds: 9)

    private func line(
        _ event: HostSweepEvent, _ listing: SweepTextReport.Listing, target: SafeText? = nil, name: SafeText? = nil,
        _ change: (inout SweepTextReport) -> Void = { _ in }
    ) -> String {
        var report = SweepTextReport(listing)
        change(&report)
        return written { report.append(event, target: target, name: name, at: now, to: &$0) }
    }

    private func verbose(_ event: HostSweepEvent) -> String { line(event, .alive) { $0.isVerbose = true } }

    @Test(
        "Each listing has its lines",
        arguments: [
            (.alive(hostAnswer()), "192.0.2.1  0.312 ms", "192.0.2.1", "", "192.0.2.1  0.312 ms"),
            (
                .alive(hostAnswer("2001:db8::1", roundTrip: 1_234_567_890)), "2001:db8::1  1234.568 ms", "2001:db8::1",
                "", "2001:db8::1  1234.568 ms"
            ),
            (
                .alive(hostAnswer(as: .late, attempt: 1)), "192.0.2.1  0.312 ms (late)", "192.0.2.1", "",
                "192.0.2.1  0.312 ms (late)"
            ),
            (
                .alive(hostAnswer("ff02::1%3", from: "fe80::1%3")), "ff02::1%3  0.312 ms  from fe80::1%3", "ff02::1%3",
                "", "ff02::1%3  0.312 ms  from fe80::1%3"
            ),
            (.unreachable(hostSilence()), "", "", "192.0.2.7", "192.0.2.7  no answer"),
            (
                .unreachable(hostSilence(error: hostError())), "", "",
                "192.0.2.7  Destination Host Unreachable from 192.0.2.254",
                "192.0.2.7  Destination Host Unreachable from 192.0.2.254"
            ),
            (
                .unreachable(hostSilence(failure: networkUnreachable)), "", "",
                "192.0.2.7  not sent (ENETUNREACH: Network is unreachable)",
                "192.0.2.7  not sent (ENETUNREACH: Network is unreachable)"
            ),
            (
                .unasked(hostRefusal()), "", "", "192.0.2.7  not sent (ENETUNREACH: Network is unreachable)",
                "192.0.2.7  not sent (ENETUNREACH: Network is unreachable)"
            ),
            (.late(hostAnswer(as: .late)), "", "", "", ""), (.duplicate(hostAnswer(as: .duplicate)), "", "", "", ""),
            (.corrupted(hostAnswer(as: .corrupted(.wrongChecksum))), "", "", "", ""),
            (.wrongSource(hostAnswer(from: "192.0.2.2", as: .wrongSource)), "", "", "", ""),
            (.error(hostError()), "", "", "", ""),
        ] as [(HostSweepEvent, String, String, String, String)])
    func listings(event: HostSweepEvent, alive: String, names: String, unreachable: String, all: String) {
        let listings: [(SweepTextReport.Listing, String)] = [
            (.alive, alive), (.aliveNames, names), (.unreachable, unreachable), (.all, all), (.none, ""),
        ]
        for (listing, expected) in listings {
            #expect(line(event, listing) == (expected.isEmpty ? "" : expected + "\n"))
        }
    }

    @Test(
        "Verbose lines tell of the rest",
        arguments: [
            (.alive(hostAnswer()), "192.0.2.1  0.312 ms  ttl=63"),
            (
                .alive(hostAnswer(kind: .portUnreachable, attempt: 2, hopLimit: nil)),
                "192.0.2.1  0.312 ms  port unreachable  retry 2"
            ),
            (.alive(hostAnswer(kind: .datagram)), "192.0.2.1  0.312 ms  other data  ttl=63"),
            (.late(hostAnswer(as: .late, roundTrip: 1_312_000_000)), "192.0.2.1  1312.000 ms (late)  ttl=63"),
            (.duplicate(hostAnswer(as: .duplicate)), "192.0.2.1  0.312 ms (duplicate)  ttl=63"),
            (
                .wrongSource(hostAnswer(from: "192.0.2.2", as: .wrongSource)),
                "192.0.2.1  0.312 ms (different address)  from 192.0.2.2  ttl=63"
            ),
            (.corrupted(hostAnswer(as: .corrupted(.wrongChecksum))), "192.0.2.1  0.312 ms (wrong checksum)  ttl=63"),
            (
                .corrupted(hostAnswer(as: .corrupted(.wrongOctet(offset: 30, expected: 30, found: 225)))),
                "192.0.2.1  0.312 ms (octet 30 is 225 instead of 30)  ttl=63"
            ),
            (
                .corrupted(hostAnswer(as: .corrupted(.wrongLength(sent: 56, received: -8)))),
                "192.0.2.1  0.312 ms (-8 octets of payload instead of 56)  ttl=63"
            ),
            (.error(hostError(attempt: 1)), "192.0.2.7  Destination Host Unreachable from 192.0.2.254  retry 1"),
            (
                .error(hostError(ICMPType.V6.destinationUnreachable, 3, about: "2001:db8::7", from: "2001:db8::fe")),
                "2001:db8::7  Destination unreachable: Address unreachable from 2001:db8::fe"
            ),
        ] as [(HostSweepEvent, String)])
    func verboseLines(event: HostSweepEvent, expected: String) { #expect(verbose(event) == expected + "\n") }

    @Test func verboseLinesCanGoElsewhere() {
        var report = SweepTextReport(.aliveNames)
        for event in everyHostEvent {
            let isAside =
                switch event {
                case .alive, .unreachable, .unasked: false
                case .late, .duplicate, .corrupted, .wrongSource, .error: true
                }
            #expect(written { report.appendAside(event, at: now, to: &$0) }.isEmpty == !isAside)
            #expect(!isAside || line(event, .aliveNames).isEmpty)
        }
    }

    @Test func namesStandWhereTheyMoveNothing() {
        let (target, name) = (SafeText(name: "example.net"), SafeText(name: "r.example"))
        #expect(
            line(.alive(hostAnswer()), .alive, target: target, name: name)
                == "example.net (192.0.2.1)  0.312 ms  r.example\n")
        #expect(line(.alive(hostAnswer()), .alive, name: name) == "192.0.2.1  0.312 ms  r.example\n")
        #expect(line(.alive(hostAnswer()), .aliveNames, target: target) == "example.net\n")
        #expect(line(.alive(hostAnswer()), .aliveNames, name: name) == "192.0.2.1  r.example\n")
        #expect(
            line(.unreachable(hostSilence()), .unreachable, target: target, name: name)
                == "example.net (192.0.2.7)  r.example\n")
        #expect(
            line(.alive(hostAnswer("fe80::1%3")), .alive) { $0.zones = [3: SafeText(name: "eth0")] }
                == "fe80::1%eth0  0.312 ms\n")
    }

    @Test func addressesHaveTheirCanonicalText() {
        // Each pattern of zero groups, with groups of one to four digits between them.
        let digits: [UInt64] = [0xf, 0x70, 0x300, 0x1000]
        var patterns: [IPv6Address] = []
        for pattern in 0..<256 {
            var halves: [UInt64] = [0, 0]
            for group in 0..<8 {
                let value = pattern & (1 << group) == 0 ? 0 : digits[group % 4]
                halves[group / 4] = halves[group / 4] << 16 | value
            }
            patterns.append(IPv6Address(high: halves[0], low: halves[1]))
        }
        let others: [IPAddress] = [
            "0.0.0.0", "255.255.255.255", "10.9.100.99", "::ffff:192.0.2.1", "fe80::a%4294967295",
        ]
        .map { address($0) }
        for address in patterns.map({ IPAddress.v6($0) }) + others {
            let text = line(.alive(hostAnswer(address.description)), .aliveNames)
            #expect(text == "\(address)\n")
        }
    }

    @Test func everyLineIsOneLineWhateverTheNames() {
        for event in everyHostEvent {
            let text = line(event, .all, target: hostileName, name: hostileName) {
                $0.isVerbose = true
                $0.zones = [3: hostileName]
            }
            #expect(lines(text).count == 1)
            #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || (" "..."~").contains($0) })
        }
    }

    @Test(
        arguments: [
            (.unix(decimals: 6), 0, "[1795446802.714371] "), (.unix(decimals: 5), 0, "[1795446802.71437] "),
            (.unix(decimals: 0), 0, "[1795446803] "), (.ctime, 0, "[Mon Nov 23 15:13:22 2026] "),
            (.iso, 0, "[2026-11-23T15:13:22+0000] "), (.iso, 19_800, "[2026-11-23T20:43:22+0530] "),
            (.iso, -12_600, "[2026-11-23T11:43:22-0330] "), (.rfc3339, 3_600, "[2026-11-23 16:13:22] "),
        ] as [(LineTime.Format, Int32, String)])
    func timesStandInFront(format: LineTime.Format, offset: Int32, expected: String) {
        let clock = WallClock(offset: 1_795_446_802_714_371_000)
        for _ in 0..<2 {
            let text = line(.alive(hostAnswer(arrival: 0)), .aliveNames) {
                $0.time = LineTime(format, clock: clock, utcOffset: offset)
            }
            #expect(text == expected + "192.0.2.1\n")
        }
    }

    @Test func theTimeGoesOn() {
        var time = LineTime(.ctime, clock: WallClock(offset: 0))
        let seconds: [Int64] = [0, 0, 1, 86_400 * 9, 951_782_399, 951_868_800, -1]
        let text = seconds.map { second in
            written { time.append(Timestamp(nanoseconds: second * 1_000_000_000), to: &$0) }
        }
        #expect(
            text == [
                "[Thu Jan  1 00:00:00 1970] ", "[Thu Jan  1 00:00:00 1970] ", "[Thu Jan  1 00:00:01 1970] ",
                "[Sat Jan 10 00:00:00 1970] ", "[Mon Feb 28 23:59:59 2000] ", "[Wed Mar  1 00:00:00 2000] ",
                "[Wed Dec 31 23:59:59 1969] ",
            ])
    }

    @Test func fractionsCarryIntoTheSecond() {
        var time = LineTime(.unix(decimals: 3), clock: WallClock(offset: 0))
        #expect(written { time.append(Timestamp(nanoseconds: 9_999_500_000), to: &$0) } == "[10.000] ")
        #expect(written { time.append(Timestamp(nanoseconds: 9_999_499_999), to: &$0) } == "[9.999] ")
    }

    // MARK: The total

    private func total(_ run: SweepRun, method: ProbeMethod = .icmpEcho) -> String {
        String(decoding: SweepTextReport(method: method).totalLines(run), as: UTF8.self)
    }

    @Test func theTotalHasTargetsProbesAndRoundTrips() {
        #expect(
            total(sweepRun()) == """
                --- sweep of 10 targets ---
                6 alive, 4 unreachable
                14 packets transmitted, 6 received, 57.1429% packet loss, time 14ms, 1000 packets/s
                rtt min/avg/max/mdev = 0.100/0.350/0.600/0.171 ms
                p50 = 0.300 ms
                4 retries

                """)
    }

    @Test func theTotalTellsWhatShouldNotHaveHappened() {
        let run = sweepRun(Array(repeating: 5_000_000, count: 6), withPercentiles: false) {
            $0.counters.unreachable = 1
            $0.counters.unasked = 1
            $0.counters.transmitted = 20
            $0.counters.late = 2
            $0.counters.errors = 3
            $0.counters.repeatedErrors = 4
            $0.counters.duplicates = 5
            $0.counters.corrupted = 6
            $0.counters.wrongSource = 7
            $0.counters.unsent = 8
            $0.counters.repeated = 1
            $0.counters.droppedHere = 9
            $0.counters.unsolicited = 10
            $0.counters.overflow = 11
            $0.inFlight = 3
            $0.missedNames = 12
            $0.lastSendFailure = networkUnreachable
        }
        #expect(
            total(run) == """
                --- sweep of 10 targets ---
                6 alive, 1 unreachable, 1 not asked (ENETUNREACH), 2 undecided, 12 without an address, 11 without room
                20 packets transmitted, 6 received, +5 duplicates, +6 corrupted, +3 errors, 50% packet loss, time 14ms, \
                1428 packets/s
                rtt min/avg/max/mdev = 5.000/5.000/5.000/0.000 ms
                4 retries, 2 late, 7 from a wrong source, 8 not sent, 3 still in flight, 4 repeated errors, \
                10 unsolicited, 9 dropped here, 1 asked again for that

                """)
    }

    @Test func theTotalOfNothingIsShort() {
        let nothing = SweepRun(
            HostSweep.Counters(), roundTrips: RoundTripStatistics(withPercentiles: true), elapsed: .zero, time: 0)
        #expect(
            total(nothing) == """
                --- sweep of 0 targets ---
                0 alive, 0 unreachable
                0 packets transmitted, 0 received

                """)
    }

    @Test func silenceHasAHint() {
        #expect(
            total(sweepRun([]), method: .udp(destinationPort: 7)).hasSuffix("\nno answer; a firewall may drop UDP\n"))
        #expect(total(sweepRun([]), method: .icmpTimestamp).contains("ignore ICMP timestamp requests"))
        #expect(!total(sweepRun([]), method: .icmpEcho).contains("no answer"))
        #expect(!total(sweepRun(), method: .udp(destinationPort: 7)).contains("firewall"))
    }

    @Test("A local failure is not loss")
    func localFailuresAreNoLoss() {
        let run = sweepRun(Array(repeating: 1, count: 10)) {
            $0.counters.transmitted = 15
            $0.counters.repeated = 3
            $0.counters.unsent = 100
            $0.inFlight = 2
        }
        #expect(run.concluded == 10 && run.lost == 0)
        // The answer to a probe that was repeated came after all.
        var late = run
        late.counters.late = 1
        #expect(late.lost == 0)
        late.counters.repeated = .max
        #expect(late.concluded == 0 && late.lost == 0)
    }

    @Test func startsAndEndsWithNothing() {
        let report = SweepTextReport()
        let start = SweepStart(HostSweep.Configuration(TargetSpace()), rung: "raw", time: 0)
        #expect(
            written {
                report.appendStart(start, to: &$0)
                report.appendSummary(sweepRun(), to: &$0)
            }.isEmpty)
    }
}
