import PacketFormats
import TestSupport
import Testing

@testable import ProbeEngine
@testable import ProbeReports

@Suite struct MultipathJSONReportTests {
    private func report(_ method: ProbeMethod = .udp(destinationPort: 33_434), _ destination: String = "10.77.99.9")
        -> MultipathJSONReport
    {
        MultipathJSONReport(target: target("h", destination), method: method)
    }

    private func values(_ run: MultipathRun, _ facts: PathFacts = PathFacts()) throws -> [JSONValue] {
        try lines(written { report().appendSummary(run, facts, to: &$0) }).map { try JSONValue(parsing: $0) }
    }

    private func values(_ type: String, _ run: MultipathRun) throws -> [JSONValue] {
        try values(run).filter { $0["type"].text == type }
    }

    @Test func writesProbes() {
        var report = report()
        let text = written {
            report.append(
                .answered(flow: 5, answer("10.77.1.2", 68_000)), PathFacts(name: { _ in SafeText("r1") }), time: 7,
                to: &$0)
            report.append(.silent(flow: 6, hop: 4), PathFacts(), time: 7, to: &$0)
            report.append(.slowed(hop: 4), PathFacts(), time: 7, to: &$0)
        }
        func head(_ type: String) -> String {
            "{\"v\":1,\"type\":\"\(type)\",\"time\":\"1970-01-01T00:00:00.000000007Z\",\"target\":\"h\","
                + "\"address\":\"10.77.99.9\",\"family\":\"ipv4\",\"transport\":\"udp\","
        }
        #expect(
            lines(text) == [
                head("multipath_probe") + "\"hop\":3,\"flow\":5,\"kind\":\"time_exceeded\",\"responder\":\"10.77.1.2\","
                    + "\"name\":\"r1\",\"sent_hop_limit\":3,\"hop_limit\":62,\"rtt_ns\":68000,\"clock\":\"kernel\"}",
                head("multipath_probe") + "\"hop\":4,\"flow\":6,\"kind\":\"silence\"}",
                head("multipath_slowed") + "\"hop\":4}",
            ])
    }

    @Test func writesTheGraph() throws {
        let nodes = try values("multipath_node", MultipathSample.diamond.run())
        #expect(nodes.map { $0["node"].integer } == (0..<14).map { Int64($0) })
        #expect(nodes.map { $0["hop"].integer } == [1, 2, 3, 4, 5, 5, 5, 6, 6, 6, 7, 8, 9, 10])
        #expect(nodes[2]["kind"].text == "silence")
        #expect(nodes[3]["responder"].text == "10.77.4.2")
        #expect(nodes[3]["balancing"].text == "flows")
        #expect(nodes[3]["next_hops"].integer == 3)
        #expect(nodes[3]["transmitted"].integer == 19)
        #expect(nodes[3]["rtt"]["min_ns"].integer == 60_000)
        #expect(nodes[4]["flows"].elements.map(\.integer) == [0, 1, 2, 3, 4, 5, 6])
        #expect(nodes[13]["kind"].text == "reached")
        #expect(nodes[13]["end"] == .boolean(true))
        let edges = try values("multipath_edge", MultipathSample.diamond.run())
        #expect(edges.count == 15)
        #expect(edges[3]["from"].integer == 3)
        #expect(edges[3]["to"].integer == 4)
        #expect(edges[3]["certain"] == .boolean(true))
        #expect(edges.filter { $0["from"].integer == 3 }.map { $0["flows"].elements.count } == [7, 6, 6])
    }

    @Test func coversTheEdgesWithPaths() throws {
        let paths = try values("multipath_path", MultipathSample.diamond.run())
        #expect(
            paths.map { $0["nodes"].elements.map(\.integer) } == [
                [0, 1, 2, 3, 4, 7, 10, 11, 12, 13], [0, 1, 2, 3, 5, 8, 10, 11, 12, 13],
                [0, 1, 2, 3, 6, 9, 10, 11, 12, 13],
            ])
        #expect(paths.map { $0["flow"].integer } == [0, 7, 13])
        #expect(paths.allSatisfy { $0["reached"] == .boolean(true) })
        // Nobody knows which of two comes behind a router that chooses for each packet.
        let scattered = try values("multipath_path", MultipathSample.packets.run())
        #expect(scattered.allSatisfy { $0["nodes"].elements[2...3] == [.null, .null] })
        #expect(!scattered.isEmpty)
    }

    @Test func countsThePathsEnd() throws {
        var report = report()
        var end = answer("10.77.99.9", 5_000, .reached)
        end.probe.hopLimit = 5
        let text = written {
            report.append(.answered(flow: 0, end), PathFacts(), time: 0, to: &$0)
            report.append(.silent(flow: 0, hop: 5), PathFacts(), time: 0, to: &$0)
            report.appendSummary(MultipathSample.chain.run(), PathFacts(), to: &$0)
        }
        let path = try #require(
            try lines(text).map { try JSONValue(parsing: $0) }.first { $0["type"].text == "multipath_path" })
        #expect(path["transmitted"].integer == 2)
        #expect(path["received"].integer == 1)
        #expect(path["rtt"]["avg_ns"].integer == 5_000)
    }

    @Test func sumsUp() throws {
        let whole = try #require(
            try values("multipath_summary", MultipathSample.diamond.run(slowedHops: [5, 4])).first)
        #expect(whole["paths"].integer == 3)
        #expect(whole["ending"].text == "complete")
        #expect(whole["path_ending"].text == "reached")
        #expect(whole["slowed_hops"].elements.map(\.integer) == [4, 5])
        #expect(whole["unfinished_nodes"].integer == 0)
        #expect(whole["ports_balanced"] == .boolean(true))
        let asked = try #require(whole["asked_miss_probability"].double)
        let node = try #require(whole["miss_probability_per_node"].double)
        let trace = try #require(whole["miss_probability"].double)
        #expect(node <= asked && node > 0)
        #expect(trace > node && trace < 1)
        let half = try #require(try values("multipath_summary", MultipathSample.unfinished.run()).first)
        #expect(half["ending"].text == "probe_limit")
        #expect(half["path_ending"] == .null)
        #expect(half["unfinished_nodes"].integer == 4)
    }

    /// There may be more ways through a graph than any number holds.
    @Test func countsNoFurtherThanItCan() throws {
        var graph = MultipathGraph(FlowSpace(.udp(destinationPort: 1), sourcePorts: 1))
        for hop in 1...128 {
            for last in 1...2 {
                graph.nodes.append(MultipathGraph.Node(hop: hop, responder: address("10.0.\(hop).\(last)")))
            }
            guard hop > 1 else { continue }
            let (near, far) = (graph.nodes(at: hop - 1), graph.nodes(at: hop))
            for from in near { for to in far { graph.edges.append(MultipathGraph.Edge(from: from, to: to)) } }
        }
        var sample = MultipathSample.chain
        sample.graph = graph
        #expect(try values("multipath_summary", sample.run()).first?["paths"] == .null)
    }

    @Test func keepsToItsSchema() throws {
        let schema = try JSONSchema("swtrace-multipath")
        var text = ""
        for method in [
            ProbeMethod.icmpEcho, .icmpTimestamp, .udp(destinationPort: 53), .tcpSYN(destinationPort: 80), .ip(.udp),
        ] {
            var report = report(method)
            var configuration = MultipathTrace.Configuration(
                destination: address("10.77.99.9"), space: FlowSpace(method, sourcePorts: 64))
            configuration.isLite = true
            text += written {
                report.appendStart(
                    MultipathStart(configuration, packetLength: 60, rung: "raw", time: 0), to: &$0)
                report.appendStart(
                    MultipathStart(
                        configuration, packetLength: 60, rung: "udp", note: "n", source: address("10.77.1.1"), time: 0),
                    to: &$0)
                let facts = PathFacts(name: { _ in SafeText(name: "\"") }, origins: { _ in nil })
                let kinds =
                    [PathAnswer.Kind.timeExceeded, .reached]
                    + [1, 4, 16].flatMap { code in
                        [3, 5, 11, 12, 99].map { .error(type: ICMPType(rawValue: $0), code: code, info: .max) }
                    }
                for kind in kinds {
                    let answer = answer("10.77.1.2", 0, kind, flags: [.syn, .ack], objects: everyObject)
                    report.append(.answered(flow: 1, answer), facts, time: 0, to: &$0)
                }
                report.append(.silent(flow: 1, hop: 2), facts, time: 0, to: &$0)
                report.append(.unsent(hop: 2, failure: .retryLater), facts, time: 0, to: &$0)
                report.append(.slowed(hop: 2), facts, time: 0, to: &$0)
                let samples = method.port == 53 ? MultipathSample.all : [.diamond]
                for sample in samples { report.appendSummary(sample.run(), facts, to: &$0) }
                for ending in [nil, .complete, .probeLimit, .flowLimit, .refused, .interrupted] as [MultipathEnding?] {
                    var run = MultipathSample.chain.run(slowedHops: [3], isLite: ending == nil)
                    run.ending = ending
                    if ending == .refused { run.unsentFailure = .failed(code: 101, name: "ENETUNREACH") }
                    report.appendSummary(run, facts, to: &$0)
                }
            }
        }
        let found = try problems(text, by: schema)
        #expect(found.prefix(3) == [])
        let types = try lines(text).compactMap { try JSONValue(parsing: $0)["type"].text }
        // The others are of a watch.
        #expect(Set(types) == schema.types.filter { $0.hasPrefix("multipath_") })
    }

    @Test func writesWhatARealTraceTells() throws {
        var configuration = MultipathTrace.Configuration(
            destination: address("10.77.99.9"), space: FlowSpace(.udp(destinationPort: 33_434), sourcePorts: 64))
        configuration.wantsKernelStamps = false
        var trace = MultipathTrace(configuration)
        var report = report()
        var buffer = ReportBuffer()
        var now = Timestamp(nanoseconds: 1_000)
        // A router, two others between which flows are shared, and the destination behind them.
        while trace.schedule != .finished {
            while let transmit = trace.nextTransmit(at: now) {
                trace.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
                let hop = transmit.probe.hopLimit
                let responder =
                    hop == 1 ? "10.77.1.2" : hop == 2 ? "10.77.2.\(transmit.probe.flow % 2 + 1)" : "10.77.99.9"
                now = now + .microseconds(100)
                trace.receive(
                    Response(
                        probe: transmit.id,
                        kind: .icmpError(
                            type: hop > 2 ? .destinationUnreachable(.v4) : .timeExceeded(.v4), code: hop > 2 ? 3 : 0,
                            info: 0),
                        responder: address(responder), quotedDestination: configuration.destination, hopLimit: 63,
                        byteCount: 68, stamp: Stamp(nanoseconds: now.nanoseconds, clock: .user), arrival: now))
            }
            now = now + .milliseconds(1)
            trace.advance(to: now)
            while let event = trace.nextEvent() { report.append(event, PathFacts(), time: 0, to: &buffer) }
        }
        let run = MultipathRun(trace, elapsed: .milliseconds(5), time: 0)
        report.appendSummary(run, PathFacts(), to: &buffer)
        let text = String(decoding: buffer.bytes, as: UTF8.self)
        #expect(try problems(text, by: JSONSchema("swtrace-multipath")) == [])
        let values = try lines(text).map { try JSONValue(parsing: $0) }
        let probes = values.filter { $0["type"].text == "multipath_probe" }
        #expect(probes.count == Int(trace.statistics.transmitted))
        #expect(
            values.filter { $0["type"].text == "multipath_node" }.map { $0["responder"].text }
                == ["10.77.1.2", "10.77.2.1", "10.77.2.2", "10.77.99.9"])
        let paths = values.filter { $0["type"].text == "multipath_path" }
        #expect(paths.count == 2)
        #expect(paths.allSatisfy { $0["transmitted"].integer ?? 0 > 0 && $0["reached"] == .boolean(true) })
        var picture = MultipathTextReport(target: target("h", "10.77.99.9"))
        picture.showsNames = false
        let rows = written { picture.appendSummary(run, PathFacts(), to: &$0) }
        #expect(rows.contains("2 next hops by flow, "))
        #expect(rows.contains("\n  2 ├─●  10.77.2.1 "))
    }
}
