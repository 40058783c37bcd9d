import PacketFormats
import ProbeEngine

/// What a `MultipathTrace` tells and finds as NDJSON, one object per line; `Schemas/swtrace-multipath.schema.json` describes
/// it.
public struct MultipathJSONReport: MultipathReport {
    public var target: ReportTarget
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    /// What became of the probes of a flow at one hop.
    private struct Asked: Sendable {
        var transmitted = 0
        var received = 0
        var roundTrips = RoundTripStatistics(withPercentiles: false)
    }
    private struct Question: Hashable, Sendable {
        var flow: Int
        var hop: Int
    }
    private var asked: [Question: Asked] = [:]

    public init(target: ReportTarget, method: ProbeMethod) {
        self.target = target
        self.method = method
    }

    /// The `multipath_start` line: what is going to be asked, by which means, and until when.
    public func appendStart(_ start: MultipathStart, to buffer: inout ReportBuffer) {
        let configuration = start.configuration
        var line = line("multipath_start", start.time)
        line.add("first_hop", configuration.firstHop)
        line.add("maximum_hop", configuration.maximumHop)
        line.add("maximum_probes", configuration.maximumProbes)
        line.add("maximum_wait_ns", configuration.maximumWait.nanoseconds)
        line.add("packet_length", start.packetLength)
        line.add("traffic_class", configuration.trafficClass)
        if let port = method.port { line.add("port", port) }
        line.add("flows", configuration.space.count)
        line.add("asked_miss_probability", number: configuration.rule.failure)
        line.add("lite", configuration.isLite)
        line.add("rung", start.rung)
        if let source = start.source { line.add("source", source.text(zones)) }
        if let note = start.note { line.add("note", note) }
        if let caution = method.multipathCaution { line.add("caution", caution) }
        line.finish()
        buffer.append(line)
    }

    /// The line of an event.
    public mutating func append(
        _ event: MultipathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer
    ) {
        switch event {
        case .answered(let flow, let answer):
            let hop = Int(answer.probe.hopLimit)
            asked[Question(flow: flow, hop: hop), default: Asked()].transmitted += 1
            asked[Question(flow: flow, hop: hop), default: Asked()].received += 1
            asked[Question(flow: flow, hop: hop), default: Asked()].roundTrips.record(answer.roundTrip)
            appendProbe(flow, hop, time, to: &buffer) { $0.add(answer, facts, zones) }
        case .silent(let flow, let hop):
            asked[Question(flow: flow, hop: hop), default: Asked()].transmitted += 1
            appendProbe(flow, hop, time, to: &buffer) { $0.add("kind", "silence") }
        case .unsent(let hop, let failure):
            var line = line("multipath_unsent", time)
            line.add("hop", hop)
            line.add(failure)
            line.finish()
            buffer.append(line)
        case .slowed(let hop):
            var line = line("multipath_slowed", time)
            line.add("hop", hop)
            line.finish()
            buffer.append(line)
        }
    }

    private func appendProbe(
        _ flow: Int, _ hop: Int, _ time: Int64, to buffer: inout ReportBuffer, _ write: (inout JSONLine) -> Void
    ) {
        var line = line("multipath_probe", time)
        line.add("hop", hop)
        line.add("flow", flow)
        write(&line)
        line.finish()
        buffer.append(line)
    }

    /// A line for each node, edge and path, then the `multipath_summary`.
    public func appendSummary(_ run: MultipathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        let shape = MultipathShape(run.graph)
        let shares = shape.shares
        for node in shape.nodes.indices { append(node, shape, shares[node], facts, run.time, to: &buffer) }
        for edge in shape.edges.indices { append(edge: edge, shape, run.time, to: &buffer) }
        for (index, flow) in run.graph.cover.enumerated() {
            appendPath(index, flow, shape, run, to: &buffer)
        }
        appendSums(shape, run, to: &buffer)
    }

    private func append(
        _ index: Int, _ shape: MultipathShape, _ share: Double?, _ facts: PathFacts, _ time: Int64,
        to buffer: inout ReportBuffer
    ) {
        let node = shape.nodes[index]
        var line = line("multipath_node", time)
        line.add("node", index)
        line.add("hop", node.hop)
        if let responder = node.responder {
            line.add("kind", node.answer?.kind.word ?? "time_exceeded")
            line.add(responder: responder, name: facts.name(responder), zones: zones)
            line.add(facts.origins?(responder))
        } else {
            line.add("kind", "silence")
        }
        if let answer = node.answer {
            line.add("hop_limit", optional: answer.hopLimit)
            line.add(errorOf: answer)
            if let flags = answer.flags { line.add("tcp_flags", texts: flags.names) }
            line.add(extensionsOf: answer.detail, zones: zones)
        }
        line.add("end", node.isEnd)
        line.add("next_hops", shape.outgoing[index].count)
        line.add("balancing", word: shape.balancing(at: index)?.rawValue)
        line.add("tested", node.tested)
        line.add("miss_probability", number: node.missProbability)
        line.add("share", number: share)
        line.add("transmitted", node.transmitted)
        line.add("received", node.received)
        line.add(node.roundTrips)
        line.add("flows", integers: node.flows)
        line.finish()
        buffer.append(line)
    }

    private func append(edge index: Int, _ shape: MultipathShape, _ time: Int64, to buffer: inout ReportBuffer) {
        let edge = shape.edges[index]
        var line = line("multipath_edge", time)
        line.add("from", edge.from)
        line.add("to", edge.to)
        line.add("certain", edge.isCertain)
        line.add("share", number: shape.share(ofEdge: index))
        line.add("transmitted", edge.transmitted)
        line.add("received", edge.received)
        line.add(edge.roundTrips)
        line.add("flows", integers: edge.flows)
        line.finish()
        buffer.append(line)
    }

    /// A flow that shows what others do not: so many that all edges are shown that flows are known to take.
    private func appendPath(
        _ index: Int, _ flow: Int, _ shape: MultipathShape, _ run: MultipathRun, to buffer: inout ReportBuffer
    ) {
        let (first, nodes) = shape.path(ofFlow: flow)
        guard let last = nodes.last, let last else { return }
        let space = run.graph.space
        let method = space.fields(of: flow).method
        let end = first + nodes.count - 1
        let asked = asked[Question(flow: flow, hop: end)] ?? Asked()
        var line = line("multipath_path", run.time)
        line.add("path", index)
        line.add("flow", flow)
        if method.port != nil { line.add("source_port_index", flow % space.sourcePorts) }
        if let port = method.port { line.add("port", port) }
        line.add("first_hop", first)
        line.add("last_hop", end)
        line.add("nodes", optionalIntegers: nodes)
        line.add("reached", shape.nodes[last].answer?.kind == .reached)
        line.add("transmitted", asked.transmitted)
        line.add("received", asked.received)
        line.add(asked.roundTrips)
        line.finish()
        buffer.append(line)
    }

    private func appendSums(_ shape: MultipathShape, _ run: MultipathRun, to buffer: inout ReportBuffer) {
        let statistics = run.statistics
        let confidence = run.confidence(shape)
        let paths = shape.pathCount
        var line = line("multipath_summary", run.time)
        line.add("reached", run.isReached)
        line.add("ending", word: run.ending?.word)
        line.add("path_ending", word: run.pathEnding?.word)
        if let failure = run.unsentFailure { line.add(failure) }
        // What a double does not hold is of no use to anybody.
        line.add("paths", optional: paths < 1 << 53 ? paths : nil)
        line.add("nodes", shape.nodes.count)
        line.add("edges", shape.edges.count)
        line.add("uncertain_edges", shape.edges.count { !$0.isCertain })
        line.add("lite", run.isLite)
        line.add("asked_miss_probability", number: run.rule.failure)
        line.add("miss_probability_per_node", number: confidence.miss)
        line.add("miss_probability", number: confidence.missInTrace)
        line.add("source_miss_probability", number: run.graph.sourceMissProbability)
        line.add("unfinished_nodes", confidence.unfinished)
        line.add("slowed_hops", integers: run.slowedHops)
        line.add("ports_balanced", method.multipathCaution == nil)
        line.add("transmitted", statistics.transmitted)
        line.add("received", statistics.received)
        line.add("late", statistics.late)
        line.add("duplicates", statistics.duplicates)
        line.add("unidentified", statistics.unidentified)
        line.add("asked_again", statistics.askedAgain)
        line.add("unsent", statistics.unsent)
        line.add("unsolicited", statistics.unsolicited + run.foreign)
        line.add("dropped_here", run.droppedHere)
        line.add("elapsed_ns", run.elapsed.nanoseconds)
        if let judgement = run.judgement { line.add(judgement) }
        line.finish()
        buffer.append(line)
    }

    private func line(_ type: String, _ time: Int64) -> JSONLine {
        JSONLine(type, time: time, target: target, method: method, zones: zones)
    }
}

extension MultipathEnding {
    /// As it stands in a summary.
    fileprivate var word: String {
        switch self {
        case .complete: "complete"
        case .probeLimit: "probe_limit"
        case .flowLimit: "flow_limit"
        case .refused: "refused"
        case .interrupted: "interrupted"
        }
    }
}
