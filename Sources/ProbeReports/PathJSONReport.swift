import PacketFormats
import ProbeEngine

/// The events of a `PathTrace` as NDJSON, one object per line; `Schemas/swtrace.schema.json` describes it.
public struct PathJSONReport: PathReport {
    public var target: ReportTarget
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget, method: ProbeMethod) {
        self.target = target
        self.method = method
    }

    /// The `start` line: what is going to be asked and by which means.
    public func appendStart(_ start: PathStart, to buffer: inout ReportBuffer) {
        let configuration = start.configuration
        var line = line("start", start.time)
        line.add("first_hop", configuration.firstHop)
        line.add("maximum_hop", configuration.maximumHop)
        line.add("queries", configuration.queries)
        line.add("maximum_wait_ns", configuration.maximumWait.nanoseconds)
        line.add("packet_length", start.packetLength)
        line.add("traffic_class", configuration.trafficClass)
        if let port = method.port { line.add("port", port) }
        line.add("constant_flow", configuration.hasConstantFlow)
        line.add("rung", start.rung)
        if let source = start.source { line.add("source", source.text(zones)) }
        if let note = start.note { line.add("note", note) }
        line.finish()
        buffer.append(line)
    }

    /// The lines of an event: of a hop one `probe` for each query, then the `hop`.
    public func append(_ event: PathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer) {
        switch event {
        case .hop(let hop):
            for (index, answer) in hop.answers.enumerated() {
                appendProbe(answer, hop: hop.number, query: index + 1, facts, time: time, to: &buffer)
            }
            append(hop, facts, time: time, to: &buffer)
        case .unsent(let hop, let failure):
            var line = line("unsent", time)
            line.add("hop", hop)
            line.add(failure)
            line.finish()
            buffer.append(line)
        }
    }

    private func appendProbe(
        _ answer: PathAnswer?, hop: Int, query: Int, _ facts: PathFacts, time: Int64,
        to buffer: inout ReportBuffer
    ) {
        var line = line("probe", time)
        line.add("hop", hop)
        line.add("query", query)
        if let answer {
            line.add(answer, facts, zones)
        } else {
            line.add("kind", "silence")
        }
        line.finish()
        buffer.append(line)
    }

    private func append(
        _ hop: PathHop, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer
    ) {
        let answers = hop.answers.compactMap(\.self)
        var line = line("hop", time)
        line.add("hop", hop.number)
        line.add("queries", hop.answers.count)
        line.add("answers", answers.count)
        line.add("responders", objects: hop.responders) { line, responder in
            let own = answers.filter { $0.responder == responder }
            line.add(responder: responder, name: facts.name(responder), zones: zones)
            line.add(facts.origins?(responder))
            line.add("answers", own.count)
            if let shortest = own.map(\.roundTrip).min() { line.add("min_rtt_ns", shortest.nanoseconds) }
        }
        line.finish()
        buffer.append(line)
    }

    /// The `summary` line.
    public func appendSummary(_ run: PathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        if let mtu = run.mtu { append(mtu.result, mtu.statistics, name: facts.name, time: run.time, to: &buffer) }
        for finding in run.findings { append(finding, time: run.time, to: &buffer) }
        let statistics = run.statistics
        var line = line("summary", run.time)
        line.add("reached", run.isReached)
        line.add("hops", optional: run.lastHop)
        line.add("ending", word: run.ending?.word)
        line.add("transmitted", statistics.transmitted)
        line.add("received", statistics.received)
        line.add("late", statistics.late)
        line.add("duplicates", statistics.duplicates)
        line.add("unidentified", statistics.unidentified)
        line.add("asked_alone", statistics.askedAlone)
        line.add("asked_again", statistics.askedAgain)
        line.add("unsent", statistics.unsent)
        line.add("unsolicited", statistics.unsolicited + run.foreign)
        line.add("dropped_here", run.droppedHere)
        if run.resent > 0 { line.add("resent", run.resent) }
        line.add("elapsed_ns", run.elapsed.nanoseconds)
        if let judgement = run.judgement { line.add(judgement) }
        line.finish()
        buffer.append(line)
    }

    private func line(_ type: String, _ time: Int64) -> JSONLine {
        JSONLine(type, time: time, target: target, method: method, zones: zones)
    }
}

extension PathEnding {
    /// As it stands in a summary.
    var word: String {
        switch self {
        case .reached: "reached"
        case .unreachable: "unreachable"
        case .loop: "loop"
        case .gap: "gap"
        case .maximumHop: "maximum_hop"
        case .interrupted: "interrupted"
        }
    }
}
