import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

@Suite struct PathJSONReportTests {
    private let report = PathJSONReport(
        target: target("example.net", "10.77.99.9"), method: .udp(destinationPort: 33_434))
    private let hop = PathHop(
        number: 3,
        answers: [
            answer("10.77.1.2", 68_000), nil, answer("10.77.1.3", 9_000, objects: everyObject),
            answer("10.77.1.2", 8_000),
        ])

    private func values(_ event: PathEvent, name: @escaping (IPAddress) -> SafeText? = { _ in nil }) throws
        -> [JSONValue]
    {
        try lines(written { report.append(event, PathFacts(name: name), time: 7, to: &$0) })
            .map { try JSONValue(parsing: $0) }
    }

    @Test func writesAnAnswer() {
        let text = written { report.append(.hop(hop), PathFacts(name: { _ in SafeText("r1") }), time: 7, to: &$0) }
        let head =
            "{\"v\":1,\"type\":\"probe\",\"time\":\"1970-01-01T00:00:00.000000007Z\",\"target\":\"example.net\","
            + "\"address\":\"10.77.99.9\",\"family\":\"ipv4\",\"transport\":\"udp\",\"hop\":3,"
        #expect(
            lines(text).first == "\(head)\"query\":1,\"kind\":\"time_exceeded\",\"responder\":\"10.77.1.2\","
                + "\"name\":\"r1\",\"sent_hop_limit\":3,\"hop_limit\":62,\"rtt_ns\":68000,\"clock\":\"kernel\"}")
        #expect(lines(text)[1] == "\(head)\"query\":2,\"kind\":\"silence\"}")
    }

    @Test func sumsUpAHop() throws {
        let values = try values(.hop(hop))
        #expect(values.map { $0["type"].text } == ["probe", "probe", "probe", "probe", "hop"])
        #expect(values[2]["extensions"].elements.count == 3)
        let row = values[4]
        #expect(row["queries"].integer == 4)
        #expect(row["answers"].integer == 3)
        #expect(row["responders"].elements.map { $0["responder"].text } == ["10.77.1.2", "10.77.1.3"])
        #expect(row["responders"].elements.map { $0["answers"].integer } == [2, 1])
        #expect(row["responders"].elements.map { $0["min_rtt_ns"].integer } == [8_000, 9_000])
    }

    @Test func writesErrorsAndFlags() throws {
        let kind = PathAnswer.Kind.error(type: ICMPType.V4.destinationUnreachable, code: 4, info: 1400)
        let error = try values(.hop(PathHop(number: 9, answers: [answer("10.77.8.2", 1, kind)])))[0]
        #expect(error["kind"] == .string("error"))
        #expect(error["icmp_type"].integer == 3)
        #expect(error["icmp_code"].integer == 4)
        #expect(error["mtu"].integer == 1400)
        #expect(error["annotation"] == .string("!F-1400"))
        let open = try values(
            .hop(PathHop(number: 9, answers: [answer("10.77.99.9", 1, .reached, flags: [.syn, .ack, .cwr])])))[0]
        #expect(open["kind"] == .string("reached"))
        #expect(open["tcp_flags"].elements.map(\.text) == ["syn", "ack", "cwr"])
    }

    @Test func keepsToItsSchema() throws {
        let schema = try JSONSchema("swtrace")
        var text = ""
        for method in [ProbeMethod.icmpEcho, .udp(destinationPort: 53), .tcpSYN(destinationPort: 80)] {
            for destination in ["10.77.99.9", "fd77::9"] {
                let report = PathJSONReport(target: target("h", destination), method: method)
                let configuration = PathTrace.Configuration(destination: address(destination))
                text += written {
                    report.appendStart(PathStart(configuration, packetLength: 60, rung: "raw", time: 0), to: &$0)
                    report.appendStart(
                        PathStart(
                            configuration, packetLength: 60, rung: "udp", note: "n", source: address(destination),
                            time: 0), to: &$0)
                    report.append(.hop(hop), PathFacts(), time: 0, to: &$0)
                    report.append(.hop(hop), PathFacts(name: { _ in SafeText(name: "\"") }), time: 0, to: &$0)
                    report.append(.hop(PathHop(number: 1, answers: [])), PathFacts(), time: 0, to: &$0)
                    report.append(.unsent(hop: 1, failure: .retryLater), PathFacts(), time: 0, to: &$0)
                    report.appendSummary(
                        run(of: configuration, findings: [PathFinding(hops: 3...9, kind: .silentEnd)]), PathFacts(),
                        to: &$0)
                    for result in mtuResults {
                        report.append(
                            result, PathMTUStatistics(), name: { _ in SafeText("r") }, time: 0, to: &$0)
                    }
                }
                for responder in ["10.77.8.2", "fd77::8"] {
                    let kinds =
                        [PathAnswer.Kind.reached]
                        + [0, 4, 16].flatMap { code in
                            [1, 2, 3, 4, 5, 11, 12, 99].map {
                                .error(type: ICMPType(rawValue: $0), code: code, info: .max)
                            }
                        }
                    let answers = kinds.map { answer(responder, 0, $0, flags: TCPHeader.Flags(rawValue: 0xff)) }
                    text += written {
                        report.append(.hop(PathHop(number: 9, answers: answers)), PathFacts(), time: 0, to: &$0)
                    }
                }
            }
        }
        let found = try problems(text, by: schema)
        #expect(found.prefix(3) == [])
        let types = try lines(text).compactMap { try JSONValue(parsing: $0)["type"].text }
        #expect(Set(types) == schema.types)
    }

    @Test func writesWhatARealTraceTells() throws {
        var configuration = PathTrace.Configuration(destination: address("10.77.99.9"))
        configuration.maximumHop = 2
        configuration.queries = 2
        configuration.wantsKernelStamps = false
        let run = run(of: configuration)
        var buffer = ReportBuffer()
        var rows = ReportBuffer()
        var text = PathTextReport(target: report.target)
        text.showsNames = false
        report.appendStart(PathStart(configuration, packetLength: 60, rung: "raw", time: 0), to: &buffer)
        for hop in run.hops {
            report.append(.hop(hop), PathFacts(), time: 0, to: &buffer)
            text.append(.hop(hop), PathFacts(), to: &rows)
        }
        report.appendSummary(run, PathFacts(), to: &buffer)
        let json = String(decoding: buffer.bytes, as: UTF8.self)
        #expect(try problems(json, by: JSONSchema("swtrace")) == [])
        let last = try JSONValue(parsing: try #require(lines(json).last))
        #expect(last["reached"] == .boolean(true))
        #expect(last["hops"].integer == 2)
        #expect(
            String(decoding: rows.bytes, as: UTF8.self) == """
                 1  10.77.1.2  1.000 ms  1.000 ms
                 2  10.77.99.9  1.000 ms  1.000 ms

                """)
    }
}
