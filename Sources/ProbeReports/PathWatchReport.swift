import PacketFormats
import ProbeEngine

/// Makes the output of one `PathWatch`, which follows the paths of a graph that was told before. Bytes go to a buffer,
/// nothing is printed.
public protocol PathWatchReport: Sendable {
    /// What an event is worth telling; may be nothing.
    ///
    /// - Parameter time: nanoseconds since 1970.
    mutating func append(_ event: PathWatchEvent, of watch: PathWatch, time: Int64, to buffer: inout ReportBuffer)
    /// What is told at the end.
    mutating func appendSummary(_ watch: PathWatch, time: Int64, to buffer: inout ReportBuffer)
}

/// A watch as NDJSON: a line for each round with what became of its probes, one for each change, and the sums as lines of
/// nodes, edges and paths; `Schemas/swtrace-multipath.schema.json` describes them. Numbers of nodes are those of the graph's
/// lines.
public struct PathWatchJSONReport: PathWatchReport {
    public var target: ReportTarget
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget, method: ProbeMethod) {
        self.target = target
        self.method = method
    }

    public mutating func append(
        _ event: PathWatchEvent, of watch: PathWatch, time: Int64, to buffer: inout ReportBuffer
    ) {
        switch event {
        case .round(let round): append(round, watch, time, to: &buffer)
        case .changed(let change):
            append("watch_change", time, to: &buffer) { line in
                line.add("flow", change.flow)
                line.add("hop", change.hop)
                line.add("was", word: change.from?.text(zones))
                line.add("now", change.to.text(zones))
                line.add("kind", change.kind.word)
            }
        case .unsteady(let flow, let hop):
            append("watch_unsteady", time, to: &buffer) { line in
                line.add("flow", flow)
                line.add("hop", hop)
            }
        case .unsent(let flow, let hop, let failure):
            append("watch_unsent", time, to: &buffer) { line in
                line.add("flow", flow)
                line.add("hop", hop)
                line.add(failure)
            }
        case .slowed(let hop, let responder):
            append("watch_slowed", time, to: &buffer) { line in
                line.add("hop", hop)
                line.add("responder", word: responder?.text(zones))
            }
        }
    }

    private func append(_ round: PathRound, _ watch: PathWatch, _ time: Int64, to buffer: inout ReportBuffer) {
        append("watch_round", time, to: &buffer) { line in
            line.add("round", round.number)
            line.add("transmitted", round.transmitted)
            line.add("received", round.received)
            line.add("unsent", round.unsent)
            line.add("missed", round.missed)
            line.add("late_before", round.lateBefore)
            // Indices of a former graph mean nothing now.
            guard round.generation == watch.generation else { return }
            line.add("edges", objects: zip(watch.graph.edges, round.edges)) { line, edge in
                line.add("from", edge.0.from)
                line.add("to", edge.0.to)
                line.add(edge.1)
            }
            line.add("paths", objects: zip(watch.paths, round.paths)) { line, path in
                line.add("flow", path.0.flow)
                line.add(path.1)
            }
        }
    }

    public mutating func appendSummary(_ watch: PathWatch, time: Int64, to buffer: inout ReportBuffer) {
        for (index, counts) in watch.nodes.enumerated() {
            append("watch_node", time, to: &buffer) { line in
                line.add("node", index)
                line.add(counts)
            }
        }
        let losses = watch.edgeLosses
        for (index, counts) in watch.edges.enumerated() {
            append("watch_edge", time, to: &buffer) { line in
                line.add("from", watch.graph.edges[index].from)
                line.add("to", watch.graph.edges[index].to)
                line.add(counts)
                line.add("own_loss", number: losses[index])
            }
        }
        for (path, counts) in zip(watch.paths, watch.ends) {
            append("watch_path", time, to: &buffer) { line in
                line.add("flow", path.flow)
                line.add("nodes", optionalIntegers: path.nodes)
                line.add("last_hop", path.lastHop)
                line.add(counts)
            }
        }
        let statistics = watch.statistics
        append("watch_summary", time, to: &buffer) { line in
            line.add("rounds", statistics.rounds)
            line.add("paths", watch.paths.count)
            line.add("transmitted", statistics.transmitted)
            line.add("received", statistics.received)
            line.add("late", statistics.late)
            line.add("duplicates", statistics.duplicates)
            line.add("unheard", statistics.unheard)
            line.add("unidentified", statistics.unidentified)
            line.add("unsolicited", statistics.unsolicited)
            line.add("unsent", statistics.unsent)
            line.add("missed", statistics.missed)
            line.add("dropped_here", statistics.droppedHere)
            line.add("changes", statistics.changes)
            line.add("user_timed", statistics.userTimed)
        }
    }

    private func append(
        _ type: String, _ time: Int64, to buffer: inout ReportBuffer, _ write: (inout JSONLine) -> Void
    ) {
        var line = JSONLine(type, time: time, target: target, method: method, zones: zones)
        write(&line)
        line.finish()
        buffer.append(line)
    }
}

extension JSONLine {
    /// Adds what became of probes, a member for each count.
    fileprivate mutating func add(_ counts: PathCounts) {
        add("transmitted", counts.transmitted)
        add("received", counts.received)
        add("late", counts.late)
        add("diverted", counts.diverted)
        add("refused", counts.refused)
        add("withheld", counts.withheld)
        add("lost", counts.lost)
        add("unheard", counts.unheard)
        add("uncertain", counts.uncertain)
        add("loss", number: counts.loss)
        add(counts.roundTrips)
    }
}

/// A watch for people: a line for each change as it comes, and at the end a table of the links and one of the paths.
public struct PathWatchTextReport: PathWatchReport {
    public var target: ReportTarget
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget) { self.target = target }

    public mutating func append(
        _ event: PathWatchEvent, of watch: PathWatch, time: Int64, to buffer: inout ReportBuffer
    ) {
        switch event {
        case .round, .unsent: break
        case .changed(let change):
            let former = change.from.map { $0.text(zones) } ?? "nobody"
            buffer.append(
                "\(rfc3339(time)) flow \(change.flow), hop \(change.hop): \(change.to.text(zones)), was \(former)\n")
        case .unsteady(let flow, let hop): buffer.append("flow \(flow), hop \(hop): ever others, not told any more\n")
        case .slowed(let hop, let responder):
            let name = responder.map { " (\($0.text(zones)))" } ?? ""
            buffer.append("hop \(hop)\(name) leaves out answers: asked less often\n")
        }
    }

    public mutating func appendSummary(_ watch: PathWatch, time: Int64, to buffer: inout ReportBuffer) {
        let statistics = watch.statistics
        buffer.append(
            "\nfollowed \(Self.count(watch.paths.count, "path")) for \(Self.count(statistics.rounds, "round")); ")
        buffer.append("\(Self.count(statistics.transmitted, "probe")), \(Self.count(statistics.received, "answer"))")
        if statistics.changes > 0 { buffer.append(", \(Self.count(statistics.changes, "change"))") }
        if statistics.missed > 0 { buffer.append(", \(statistics.missed) missed here") }
        if statistics.unsent > 0 { buffer.append(", \(statistics.unsent) not sent") }
        buffer.append("\n")
        let nodes = watch.graph.nodes
        let losses = watch.edgeLosses
        var links: [[String]] = [["hop", "link", "sent", "loss", "min ms", "avg ms", "max ms"]]
        for (index, edge) in watch.graph.edges.enumerated() {
            let ends = [edge.from, edge.to].map { nodes[$0].responder?.text(zones) ?? "*" }.joined(separator: " -> ")
            links.append(
                ["\(nodes[edge.to].hop)", ends] + Self.cells(of: watch.edges[index], loss: losses[index]))
        }
        append(table: links, to: &buffer)
        var paths: [[String]] = [["hops", "path", "sent", "loss", "min ms", "avg ms", "max ms"]]
        for (path, counts) in zip(watch.paths, watch.ends) {
            paths.append(["\(path.lastHop)", "flow \(path.flow)"] + Self.cells(of: counts, loss: counts.loss))
        }
        append(table: paths, to: &buffer)
    }

    private static func cells(of counts: PathCounts, loss: Double?) -> [String] {
        let trips = counts.roundTrips
        var cells = ["\(counts.transmitted)", loss.map { percent($0) } ?? "-"]
        guard trips.count > 0 else { return cells + ["-", "-", "-"] }
        for span in [trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum] {
            var text = ReportBuffer()
            text.append(milliseconds: span)
            cells.append(String(decoding: text.bytes, as: UTF8.self))
        }
        return cells
    }

    /// With a decimal: `0.5%`.
    private static func percent(_ share: Double) -> String {
        let tenths = UInt64((min(max(share, 0), 1) * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10)%"
    }

    /// Numbers to the right, what the row is about to the left.
    private func append(table rows: [[String]], to buffer: inout ReportBuffer) {
        guard rows.count > 1 else { return }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        buffer.append("\n")
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column > 0 { buffer.append("  ") }
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                buffer.append(column == 1 ? cell + padding : padding + cell)
            }
            buffer.append("\n")
        }
    }

    private static func count(_ number: some BinaryInteger, _ what: String) -> String {
        number == 1 ? "1 \(what)" : "\(number) \(what)s"
    }
}
