import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

/// The lines of a text, each without its line feed; the last must have one.
func lines(_ text: String) -> [String] {
    #expect(text.last == "\n")
    return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
}

/// What is wrong with any line of a text by a schema.
func problems(_ text: String, by schema: JSONSchema) throws -> [String] {
    try lines(text).flatMap { line in
        schema.problems(of: try JSONValue(parsing: line)).map { "\($0) in \(line)" }
    }
}

/// Whatever an `EchoSweep` can tell.
let everyEchoEvent: [EchoEvent] =
    [
        .inTime, .late, .duplicate, .wrongSource, .corrupted(.wrongChecksum), .corrupted(.intact),
        .corrupted(.wrongOctet(offset: 30, expected: 0x1e, found: 0xe1)),
        .corrupted(.wrongLength(sent: 56, received: 48)), .corrupted(.wrongLength(sent: 4, received: -8)),
    ].map { reply($0) } + [
        reply(kind: .portUnreachable), reply(kind: .datagram, hopLimit: nil, clock: .user),
        timestampReply(.standard, delays: true), timestampReply(.littleEndian, delays: false),
        timestampReply(.nonStandard, delays: false),
        .timeout(target: 0, sequence: 2),
        .sent(target: 0, sequence: 2),
        .outstanding(target: 0, sequence: 2), stray(.echoReply),
        stray(.icmpError(type: ICMPType.V4.destinationUnreachable, code: 4, info: 1400)),
        .unsent(target: 0, sequence: .max, failure: .failed(code: 101, name: "ENETUNREACH")),
        .unsent(target: 0, sequence: 1, failure: .retryLater),
        .address(target: 0, from: address("10.91.2.2"), to: address("fd91::2"), at: Timestamp(nanoseconds: 9)),
        echoError(from: "10.91.1.1", ICMPType.V4.destinationUnreachable, 4, info: 1400),
        echoError(from: "10.91.1.1", ICMPType.V4.parameterProblem, 0, info: 20 << 24),
        echoError(from: "10.91.1.1", ICMPType.V4.redirect, 1, info: 0x0a5b_0109, isConclusive: false),
        echoError(from: "fd91::1", ICMPType.V6.packetTooBig, 0, info: 1280),
        echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0, objects: everyObject),
        change(.hopLimit, from: 63, to: 61), change(.trafficClass, from: 0, to: 184), .outage(outage()),
        interval([40_000, 65_000], lost: 8), interval([], transmitted: 0, lost: -1),
        reply(detail: ResponseDetail(ipv4Options: everyIPv4Option)),
    ]

/// As routers fill them in, and as nobody should.
let everyIPv4Option: IPv4Options = [
    .noOperation, .recordRoute(recorded), .looseSourceRoute(recorded), .strictSourceRoute(recorded),
    .timestamp(timed), .routerAlert(0), .unknown(type: 130, data: [1, 2]),
]

/// Two of three slots are filled in.
private let recorded: IPv4Route = {
    var route = IPv4Route(slots: [IPv4Address(10, 0, 0, 1), IPv4Address(10, 0, 0, 2), .any])
    route.pointer = 12
    return route
}()

private let timed: IPv4TimestampOption = {
    var option = IPv4TimestampOption(
        .addresses,
        entries: [.init(address: IPv4Address(10, 0, 0, 1), timestamp: InternetTimestamp(rawValue: 86_399_999))])
    option.pointer = 13
    option.overflow = 15
    return option
}()

@Suite struct EchoJSONReportTests {
    private let report: EchoJSONReport = {
        var report = EchoJSONReport(targets: [target("example.net", "10.91.2.2")])
        report.clock = clock
        return report
    }()
    private let pair: EchoJSONReport = {
        var report = EchoJSONReport(
            targets: [target("a.example", "10.91.2.2"), target("b.example", "fd91:2::2")],
            method: .udp(destinationPort: 33_434))
        report.clock = clock
        return report
    }()
    private let start = "\"v\":1,\"type\":\"TYPE\",\"time\":\"1970-01-01T00:00:01.000000007Z\","
    private static let clock = WallClock(offset: 1_000_000_000)
    private let now = Timestamp(nanoseconds: 7)

    private func line(_ event: EchoEvent, name: SafeText? = nil) -> String {
        written { report.append(event, name: name, at: now, to: &$0) }
    }

    private func head(_ type: String) -> String {
        start.replacing("TYPE", with: type)
            + "\"target\":\"example.net\",\"address\":\"10.91.2.2\",\"family\":\"ipv4\",\"transport\":\"icmp\","
    }

    @Test func writesWhatRoutersWroteIntoAReply() {
        let options: IPv4Options = [.recordRoute(recorded), .timestamp(timed), .unknown(type: 130, data: [1, 2])]
        #expect(
            line(reply(detail: ResponseDetail(ipv4Options: options))).hasSuffix(
                ",\"ip_options\":[{\"option\":\"record_route\",\"addresses\":[\"10.0.0.1\",\"10.0.0.2\"]},"
                    + "{\"option\":\"timestamp\",\"entries\":[{\"address\":\"10.0.0.1\",\"time\":86399999}],"
                    + "\"overflow\":15},{\"option\":\"unknown\",\"number\":130}]}\n"))
        #expect(!line(reply(detail: ResponseDetail(payload: [1]))).contains("ip_options"))
    }

    @Test func writesAReply() {
        #expect(
            line(reply(arrival: 7), name: SafeText(name: "r.example")) == "{" + head("reply")
                + "\"seq\":1,\"kind\":\"echo\",\"responder\":\"10.91.2.2\",\"name\":\"r.example\",\"bytes\":64,"
                + "\"hop_limit\":63,\"traffic_class\":0,\"rtt_ns\":127000,\"clock\":\"kernel\",\"user_rtt_ns\":200000}\n"
        )
    }

    @Test(
        arguments: [
            (.inTime, "reply"), (.late, "late"), (.duplicate, "duplicate"), (.wrongSource, "wrong_source"),
            (.corrupted(.wrongChecksum), "corrupted"),
        ] as [(EchoReply.Disposition, String)])
    func namesTheDisposition(disposition: EchoReply.Disposition, type: String) throws {
        #expect(try JSONValue(parsing: line(reply(disposition)))["type"] == .string(type))
    }

    @Test func writesWhatIsWrongWithAReply() throws {
        let octet = try JSONValue(
            parsing: line(reply(.corrupted(.wrongOctet(offset: 30, expected: 0x1e, found: 0xe1)))))
        #expect(octet["fault"] == .string("octet"))
        #expect(octet["offset"].integer == 30)
        #expect(octet["expected"].integer == 30)
        #expect(octet["found"].integer == 225)
        let length = try JSONValue(parsing: line(reply(.corrupted(.wrongLength(sent: 56, received: 48)))))
        #expect(length["fault"] == .string("length"))
        #expect(length["sent"].integer == 56)
        #expect(length["received"].integer == 48)
    }

    @Test func writesTimeoutsAndFailures() {
        #expect(line(.timeout(target: 0, sequence: 3)) == "{" + head("timeout") + "\"seq\":3}\n")
        #expect(
            line(.unsent(target: 0, sequence: 4, failure: .failed(code: 101, name: "ENETUNREACH")))
                == "{" + head("unsent") + "\"seq\":4,\"errno\":\"ENETUNREACH\",\"code\":101}\n")
    }

    @Test func writesErrorsWithTheirExtensions() throws {
        let error = try JSONValue(
            parsing: line(echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0, objects: everyObject)))
        #expect(error["icmp_type"].integer == 11)
        #expect(error["icmp_code"].integer == 0)
        #expect(error["text"] == .string("Time to live exceeded"))
        #expect(error["conclusive"] == .boolean(true))
        let objects = error["extensions"].elements
        #expect(objects.map { $0["class"].text } == ["mpls", "interface", "unknown"])
        #expect(objects[0]["labels"].elements.map { $0["label"].integer } == [16_004, 3])
        #expect(objects[0]["labels"].elements.map { $0["bottom_of_stack"] } == [.boolean(false), .boolean(true)])
        #expect(objects[1]["name"] == .string("ge\\x1b0\\xff"))
        #expect(objects[2]["payload"] == .string("00ab10"))
    }

    @Test(
        arguments: [
            ("10.91.1.1", ICMPType.V4.destinationUnreachable, 4, 1400, "mtu", .number("1400")),
            ("10.91.1.1", ICMPType.V4.parameterProblem, 0, 20 << 24, "pointer", .number("20")),
            ("10.91.1.1", ICMPType.V4.redirect, 1, 0x0a5b_0109, "gateway", .string("10.91.1.9")),
            ("fd91::1", ICMPType.V6.packetTooBig, 0, 1280, "mtu", .number("1280")),
            ("fd91::1", ICMPType.V6.parameterProblem, 0, 40, "pointer", .number("40")),
            ("10.91.1.1", ICMPType.V4.destinationUnreachable, 1, 1400, "mtu", .null),
        ] as [(String, ICMPType, UInt8, UInt32, String, JSONValue)])
    func explainsTheOctetsBehindTheChecksum(
        responder: String, type: ICMPType, code: UInt8, info: UInt32, member: String, expected: JSONValue
    ) throws {
        let error = try JSONValue(parsing: line(echoError(from: responder, type, code, info: info)))
        #expect(error[member] == expected)
    }

    @Test func escapesWhatComesFromOutside() throws {
        let hostile = "\"},{\u{1b}[2J\u{7f}\n\\ \u{202e}"
        let named = EchoJSONReport(targets: [target(hostile, "10.91.2.2")])
        let text = written {
            named.append(reply(), name: SafeText(name: hostile), at: now, to: &$0)
        }
        #expect(lines(text).count == 1)
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || (" "..."~").contains($0) })
        let value = try JSONValue(parsing: text)
        let expected = JSONValue.string("\"},{\\x1b[2J\\x7f\\n\\\\\\x20\\u{202e}")
        #expect(value["target"] == expected)
        #expect(value["name"] == expected)
    }

    @Test func startsWithWhatIsAsked() throws {
        var configuration = EchoSweep.Configuration(targets: pair.targets.map(\.address))
        configuration.count = 3
        let text = written {
            pair.appendStart(
                EchoStart(configuration, rung: "udp", note: "setcap would help", time: 5), to: &$0)
        }
        let values = try lines(text).map { try JSONValue(parsing: $0) }
        #expect(values.map { $0["target"].text } == ["a.example", "b.example"])
        #expect(values.map { $0["family"].text } == ["ipv4", "ipv6"])
        for value in values {
            #expect(value["transport"] == .string("udp"))
            #expect(value["port"].integer == 33_434)
            #expect(value["count"].integer == 3)
            #expect(value["interval_ns"].integer == 1_000_000_000)
            #expect(value["deadline_ns"] == .null)
            #expect(value["note"] == .string("setcap would help"))
        }
        configuration.count = nil
        let endless = written { pair.appendStart(EchoStart(configuration, rung: "raw", time: 5), to: &$0) }
        #expect(try JSONValue(parsing: lines(endless)[0])["count"] == .null)
    }

    @Test func sumsUp() throws {
        let counts = statistics([74_000, 127_000], transmitted: 6) {
            $0.late = 1
            $0.unsent = 3
            $0.lastSendFailure = .failed(code: 101, name: "ENETUNREACH")
            $0.userTimed = 1
        }
        let text = written {
            report.appendSummary(
                [counts], run: EchoRun(elapsed: .milliseconds(5), time: 0, unsolicited: 6, missed: 7, droppedHere: 8),
                to: &$0)
        }
        let values = try lines(text).map { try JSONValue(parsing: $0) }
        #expect(values.map { $0["type"].text } == ["summary", "total"])
        for value in values {
            #expect(value["transmitted"].integer == 6)
            #expect(value["received"].integer == 2)
            #expect(value["late"].integer == 1)
            #expect(value["lost"].integer == 3)
            #expect(value["loss_percent"].double == 50)
            #expect(value["last_errno"] == .string("ENETUNREACH"))
            #expect(value["elapsed_ns"].integer == 5_000_000)
            #expect(value["target"] == .string("example.net"))
        }
        let trips = values[0]["rtt"]
        #expect(trips["min_ns"].integer == 74_000)
        #expect(trips["avg_ns"].integer == 100_500)
        #expect(trips["max_ns"].integer == 127_000)
        #expect(trips["mdev_ns"].integer == 26_500)
        #expect(trips["jitter_ns"].integer == 3_313)
        #expect(trips["p50_ns"].integer != nil)
        #expect(trips["p95_ns"] == .null)
        #expect(values[1]["unsolicited"].integer == 6)
        #expect(values[1]["missed"].integer == 7)
        #expect(values[1]["dropped_here"].integer == 8)
        #expect(values[1]["answering"].integer == 1)
    }

    @Test func sumsUpHowLossesLieAndDelaysVary() throws {
        let run = EchoRun(
            elapsed: .seconds(9), time: 0,
            failures: [EchoFailure(target: 1, reason: "loss 100% > 1%"), EchoFailure(target: 0, reason: "a")])
        let text = written {
            pair.appendSummary(
                [statistics(fates: "..xxx.lx.."), statistics([], transmitted: 1, withPercentiles: false)], run: run,
                to: &$0)
        }
        let values = try lines(text).map { try JSONValue(parsing: $0) }
        let one = values[0]
        #expect(one["loss_runs"]["count"].integer == 2)
        #expect(one["loss_runs"]["longest"].integer == 3)
        #expect(one["loss_runs"]["mean"].double == 2)
        #expect(one["loss_runs"]["lengths"].elements.map { $0["at_most"].integer } == [1, 4])
        #expect(one["loss_runs"]["lengths"].elements.map { $0["count"].integer } == [1, 1])
        #expect(one["outages"]["count"].integer == 1)
        #expect(one["outages"]["lost"].integer == 3)
        #expect(one["outages"]["duration_ns"].integer == 3_000_000_000)
        #expect(one["outages"]["longest_ns"].integer == 3_000_000_000)
        let outage = one["outages"]["last"].elements
        #expect(outage.map { $0["first_seq"].integer } == [3] && outage.map { $0["last_seq"].integer } == [5])
        #expect(outage[0]["start"] == .string("1970-01-01T00:00:04.000000000Z"))
        #expect(outage[0]["end"] == .string("1970-01-01T00:00:07.000000000Z"))
        #expect(outage[0]["open"] == .boolean(false))
        #expect(one["availability_percent"].double == 70)
        #expect(one["late_rtt"]["max_ns"].integer == 3_000_000_000)
        #expect(one["host_delay"]["mean_ns"].integer == 56_000)
        #expect(one["ipdv"]["count"].integer == 2 && one["ipdv"]["max_ns"].integer == 0)
        #expect(one["pdv"]["p50_ns"].integer == 0)
        #expect(one["failed"].elements.map(\.text) == ["a"])
        for name in ["loss_runs", "outages", "availability_percent", "late_rtt", "host_delay", "ipdv", "pdv"] {
            #expect(values[1][name] == .null)
        }
        #expect(values[1]["failed"].elements.map(\.text) == ["loss 100% > 1%"])
    }

    @Test func sumsUpSilence() throws {
        let counts = [statistics([], transmitted: 3), statistics([])]
        let text = written { pair.appendSummary(counts, run: EchoRun(elapsed: .zero, time: 0), to: &$0) }
        let values = try lines(text).map { try JSONValue(parsing: $0) }
        #expect(values.map { $0["type"].text } == ["summary", "summary", "total"])
        #expect(values.map { $0["loss_percent"].double } == [100, 0, 100])
        #expect(values[0]["rtt"] == .null)
        #expect(values[2]["target"] == .null)
        #expect(values[2]["targets"].integer == 2)
    }

    @Test func keepsToItsSchema() throws {
        let schema = try JSONSchema("swping")
        var text = ""
        for report in [report, pair] {
            for count in [nil, 0, UInt64.max] {
                var configuration = EchoSweep.Configuration(targets: report.targets.map(\.address))
                configuration.count = count
                configuration.deadline = count.map { _ in .seconds(5) }
                for rung in ["raw", "ping", "udp"] {
                    text += written {
                        report.appendStart(
                            EchoStart(configuration, rung: rung, note: count.map { _ in "a note" }, time: .min), to: &$0
                        )
                    }
                }
            }
            for event in everyEchoEvent {
                text += written {
                    report.append(event, at: now, to: &$0)
                    var report = report
                    report.clock = WallClock(offset: .max)
                    report.append(event, name: SafeText("n"), at: now, to: &$0)
                }
            }
            let runs = [
                statistics([]), statistics([1]), statistics(Array(0..<100)), statistics([5], transmitted: .max / 2),
                statistics([], transmitted: 3) { $0.lastSendFailure = .retryLater },
                statistics(fates: "..xxx.lx.."), statistics(fates: "xx"), statistics([1, 2], withPercentiles: false),
                statistics(Array(0..<1_000)),
            ]
            for counts in runs {
                text += written {
                    report.appendSummary(
                        report.targets.map { _ in counts },
                        run: EchoRun(
                            elapsed: .seconds(1), time: .max,
                            failures: counts.late == 0 ? nil : [EchoFailure(target: 0, reason: "loss 40% > 1%")]),
                        to: &$0)
                }
            }
            for clock in [
                nil, clockEstimate(samples: 1), clockEstimate(samples: 60), clockEstimate(form: .nonStandard),
            ] {
                var run = EchoRun(elapsed: .seconds(1), time: .max)
                run.clocks = report.targets.map { _ in clock }
                text += written {
                    report.appendSummary(report.targets.map { _ in statistics([1]) }, run: run, to: &$0)
                }
            }
        }
        text += written { DiagnosisReport.appendJSON(everyDiagnosisRow, time: 0, to: &$0) }
        let found = try problems(text, by: schema)
        #expect(found.prefix(3) == [])
        let types = try lines(text).compactMap { try JSONValue(parsing: $0)["type"].text }
        #expect(Set(types) == schema.types)
    }

    @Test(arguments: [
        "{}", "[]", "{\"v\":1}",
        "{\"v\":1,\"type\":\"timeout\",\"time\":\"1970-01-01T00:00:00.000000000Z\",\"target\":\"x\","
            + "\"address\":\"::1\",\"family\":\"ipv6\",\"transport\":\"icmp\",\"seq\":\"1\"}",
        "{\"v\":1,\"type\":\"timeout\",\"time\":\"1970-01-01T00:00:00Z\",\"target\":\"x\","
            + "\"address\":\"::1\",\"family\":\"ipv6\",\"transport\":\"icmp\",\"seq\":1}",
        "{\"v\":1,\"type\":\"timeout\",\"time\":\"1970-01-01T00:00:00.000000000Z\",\"target\":\"x\","
            + "\"address\":\"::1\",\"family\":\"ipv6\",\"transport\":\"icmp\",\"seq\":1,\"more\":1}",
    ])
    func wouldSeeAWrongLine(text: String) throws {
        #expect(try !JSONSchema("swping").problems(of: JSONValue(parsing: text)).isEmpty)
    }

    @Test func writesWhatARealSweepTells() throws {
        var configuration = EchoSweep.Configuration(targets: [address("10.91.2.2")])
        configuration.count = 3
        configuration.interval = .milliseconds(10)
        configuration.wantsKernelStamps = false
        var sweep = EchoSweep(configuration, start: Timestamp(nanoseconds: 0))
        var buffer = ReportBuffer()
        report.appendStart(EchoStart(configuration, rung: "raw", time: 0), to: &buffer)
        for round in 0..<3 {
            let sent = Timestamp(nanoseconds: Int64(round) * 10_000_000)
            let due = sweep.nextTransmit(at: sent)
            let transmit = try #require(due)
            sweep.didSend(transmit.id, at: Stamp(nanoseconds: sent.nanoseconds, clock: .user))
            guard round != 1 else { continue }
            let arrival = sent + .milliseconds(1)
            sweep.receive(
                Response(
                    probe: transmit.id, kind: .echoReply, responder: address("10.91.2.2"), hopLimit: 63, byteCount: 64,
                    integrity: .intact, stamp: Stamp(nanoseconds: arrival.nanoseconds, clock: .user), arrival: arrival))
        }
        let end = Timestamp(nanoseconds: 10_000_000_000)
        sweep.advance(to: end)
        while let event = sweep.nextEvent() { report.append(event, at: end, to: &buffer) }
        report.appendSummary(
            sweep.statistics, run: EchoRun(elapsed: end - sweep.start, time: report.clock.nanoseconds(at: end)),
            to: &buffer)

        let text = String(decoding: buffer.bytes, as: UTF8.self)
        #expect(try problems(text, by: JSONSchema("swping")) == [])
        let values = try lines(text).map { try JSONValue(parsing: $0) }
        #expect(
            values.map { $0["type"].text } == ["start", "reply", "reply", "timeout", "summary", "total"])
        #expect(values.map { $0["seq"].integer } == [nil, 1, 3, 2, nil, nil])
        #expect(values[1]["time"] == .string("1970-01-01T00:00:01.001000000Z"))
        #expect(values[4]["lost"].integer == 1)
    }
}
