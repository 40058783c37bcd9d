import PacketFormats
import TestSupport
import Testing

@testable import ProbeEngine
@testable import ProbeReports

/// The reports of a watch, of which nothing but the graph is known yet, and of its events.
struct PathWatchReportTests {
    private static let target = ReportTarget(name: SafeText("h.example"), address: address("10.77.99.9"))
    private static var watch: PathWatch {
        PathWatch(
            PathWatch.Configuration(destination: address("10.77.99.9"), graph: MultipathSample.shortDiamond.graph))
    }
    private static let events: [PathWatchEvent] = [
        .changed(
            PathWatchChange(
                flow: 3, hop: 2, from: address("10.77.21.2"), to: address("10.77.24.2"), kind: .timeExceeded,
                at: Timestamp(nanoseconds: 5))),
        .changed(
            PathWatchChange(
                flow: 4, hop: 3, from: nil, to: address("10.77.3.9"),
                kind: .error(type: ICMPType.V4.destinationUnreachable, code: 1, info: 0), at: Timestamp(nanoseconds: 5))
        ),
        .unsteady(flow: 4, hop: 3), .unsent(flow: 0, hop: 1, failure: .failed(code: 1, name: "EPERM")),
        .slowed(hop: 2, responder: address("10.77.21.2")), .slowed(hop: 3, responder: nil),
    ]

    @Test("Every line is as the schema says")
    func json() throws {
        let schema = try JSONSchema("swtrace-multipath")
        var report = PathWatchJSONReport(target: Self.target, method: .udp(destinationPort: 33_434))
        var buffer = ReportBuffer()
        for event in Self.events { report.append(event, of: Self.watch, time: 1_000, to: &buffer) }
        report.appendSummary(Self.watch, time: 1_000, to: &buffer)
        let lines = String(decoding: buffer.bytes, as: UTF8.self).split(separator: "\n")
        for line in lines { #expect(schema.problems(of: try JSONValue(parsing: String(line))) == [], "\(line)") }
        let types = try lines.map { try JSONValue(parsing: String($0))["type"].text ?? "" }
        let graph = Self.watch.graph
        let sums =
            Array(repeating: "watch_node", count: graph.nodes.count)
            + Array(repeating: "watch_edge", count: graph.edges.count)
            + Array(repeating: "watch_path", count: Self.watch.paths.count)
        #expect(
            types == [
                "watch_change", "watch_change", "watch_unsteady", "watch_unsent", "watch_slowed", "watch_slowed",
            ] + sums + ["watch_summary"])
    }

    @Test("Changes are lines, sums are tables")
    func text() {
        var report = PathWatchTextReport(target: Self.target)
        var buffer = ReportBuffer()
        for event in Self.events { report.append(event, of: Self.watch, time: 0, to: &buffer) }
        report.appendSummary(Self.watch, time: 0, to: &buffer)
        #expect(
            String(decoding: buffer.bytes, as: UTF8.self) == """
                1970-01-01T00:00:00.000000000Z flow 3, hop 2: 10.77.24.2, was 10.77.21.2
                1970-01-01T00:00:00.000000000Z flow 4, hop 3: 10.77.3.9, was nobody
                flow 4, hop 3: ever others, not told any more
                hop 2 (10.77.21.2) leaves out answers: asked less often
                hop 3 leaves out answers: asked less often

                followed 3 paths for 0 rounds; 0 probes, 0 answers

                hop  link                     sent  loss  min ms  avg ms  max ms
                  2  10.77.1.2 -> 10.77.21.2     0     -       -       -       -
                  2  10.77.1.2 -> 10.77.22.2     0     -       -       -       -
                  2  10.77.1.2 -> 10.77.23.2     0     -       -       -       -
                  3  10.77.21.2 -> 10.77.3.2     0     -       -       -       -
                  3  10.77.22.2 -> 10.77.3.2     0     -       -       -       -
                  3  10.77.23.2 -> 10.77.3.2     0     -       -       -       -
                  4  10.77.3.2 -> 10.77.99.9     0     -       -       -       -

                hops  path     sent  loss  min ms  avg ms  max ms
                   4  flow 0      0     -       -       -       -
                   4  flow 6      0     -       -       -       -
                   4  flow 12     0     -       -       -       -

                """)
    }
}
