import PacketFormats
import ProbeEngine

/// The events of a `PathTrace` as NDJSON, one object per line; `Schemas/swtrace.schema.json` describes it.
public struct PathJSONReport: Sendable {
    public var target: ReportTarget
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget, method: ProbeMethod) {
        self.target = target
        self.method = method
    }

    /// The `start` line: what is going to be asked and by which means.
    ///
    /// - Parameters:
    ///   - packetLength: octets of a whole probe with its IP header.
    ///   - rung: the means, `raw`, `ping`, `udp` or `tcp`.
    ///   - hasConstantFlow: false where the means makes each probe a flow of its own.
    ///   - note: how to get a better one, in words of our own.
    ///   - time: nanoseconds since 1970.
    public func appendStart(
        _ configuration: PathTrace.Configuration, packetLength: Int, rung: String, hasConstantFlow: Bool = true,
        note: String? = nil, time: Int64, to buffer: inout ReportBuffer
    ) {
        var line = line("start", time)
        line.add("first_hop", configuration.firstHop)
        line.add("maximum_hop", configuration.maximumHop)
        line.add("queries", configuration.queries)
        line.add("maximum_wait_ns", configuration.maximumWait.nanoseconds)
        line.add("packet_length", packetLength)
        line.add("traffic_class", configuration.trafficClass)
        if let port = method.port { line.add("port", port) }
        line.add("constant_flow", hasConstantFlow && !configuration.changesPort)
        line.add("rung", rung)
        if let note { line.add("note", note) }
        line.finish()
        buffer.append(line)
    }

    /// The lines of an event: of a hop one `probe` for each query, then the `hop`.
    ///
    /// - Parameters:
    ///   - name: gives the names that are known.
    ///   - time: nanoseconds since 1970.
    public func append(
        _ event: PathEvent, name: (IPAddress) -> SafeText?, time: Int64, to buffer: inout ReportBuffer
    ) {
        switch event {
        case .hop(let hop):
            for (index, answer) in hop.answers.enumerated() {
                appendProbe(answer, hop: hop.number, query: index + 1, name: name, time: time, to: &buffer)
            }
            append(hop, name: name, time: time, to: &buffer)
        case .unsent(let hop, let failure):
            var line = line("unsent", time)
            line.add("hop", hop)
            line.add(failure)
            line.finish()
            buffer.append(line)
        }
    }

    private func appendProbe(
        _ answer: PathAnswer?, hop: Int, query: Int, name: (IPAddress) -> SafeText?, time: Int64,
        to buffer: inout ReportBuffer
    ) {
        var line = line("probe", time)
        line.add("hop", hop)
        line.add("query", query)
        if let answer {
            add(answer, name: name(answer.responder), to: &line)
        } else {
            line.add("kind", "silence")
        }
        line.finish()
        buffer.append(line)
    }

    private func add(_ answer: PathAnswer, name: SafeText?, to line: inout JSONLine) {
        switch answer.kind {
        case .timeExceeded: line.add("kind", "time_exceeded")
        case .reached: line.add("kind", "reached")
        case .error: line.add("kind", "error")
        }
        line.add(responder: answer.responder, name: name, zones: zones)
        line.add("sent_hop_limit", Int(answer.probe.hopLimit))
        line.add("hop_limit", optional: answer.hopLimit)
        line.add("rtt_ns", answer.roundTrip.nanoseconds)
        line.add("clock", answer.clock.word)
        if case .error(let type, let code, let info) = answer.kind {
            line.add(icmpError: type, code: code, info: info, version: answer.responder.version)
            if let annotation = answer.annotation { line.add("annotation", annotation) }
        }
        if let flags = answer.flags { line.add("tcp_flags", texts: flags.names) }
        line.add(extensionsOf: answer.detail, zones: zones)
    }

    private func append(
        _ hop: PathHop, name: (IPAddress) -> SafeText?, time: Int64, to buffer: inout ReportBuffer
    ) {
        let answers = hop.answers.compactMap(\.self)
        var responders: [IPAddress] = []
        for answer in answers where !responders.contains(answer.responder) { responders.append(answer.responder) }
        var line = line("hop", time)
        line.add("hop", hop.number)
        line.add("queries", hop.answers.count)
        line.add("answers", answers.count)
        line.add("responders", objects: responders) { line, responder in
            let own = answers.filter { $0.responder == responder }
            line.add(responder: responder, name: name(responder), zones: zones)
            line.add("answers", own.count)
            if let shortest = own.map(\.roundTrip).min() { line.add("min_rtt_ns", shortest.nanoseconds) }
        }
        line.finish()
        buffer.append(line)
    }

    /// The `summary` line.
    ///
    /// - Parameters:
    ///   - lastHop: where the path ended, nil where it did not.
    ///   - isReached: whether the destination itself answered.
    ///   - elapsed: from the first probe to the end.
    ///   - foreign: packets that reached the sockets and answer no probe, beside those that `statistics` counts.
    ///   - droppedHere: packets that this host received and dropped, because a socket's queue was full.
    ///   - resent: probes that the kernel sent a second time on its own; no answer to such a one counts.
    ///   - time: nanoseconds since 1970.
    public func appendSummary(
        _ statistics: PathStatistics, lastHop: Int?, isReached: Bool, elapsed: TimeSpan, foreign: UInt64 = 0,
        droppedHere: UInt64 = 0, resent: UInt64 = 0, time: Int64, to buffer: inout ReportBuffer
    ) {
        var line = line("summary", time)
        line.add("reached", isReached)
        line.add("hops", optional: lastHop)
        line.add("transmitted", statistics.transmitted)
        line.add("received", statistics.received)
        line.add("late", statistics.late)
        line.add("duplicates", statistics.duplicates)
        line.add("unidentified", statistics.unidentified)
        line.add("asked_alone", statistics.askedAlone)
        line.add("unsent", statistics.unsent)
        line.add("unsolicited", statistics.unsolicited + foreign)
        line.add("dropped_here", droppedHere)
        if resent > 0 { line.add("resent", resent) }
        line.add("elapsed_ns", elapsed.nanoseconds)
        line.finish()
        buffer.append(line)
    }

    private func line(_ type: String, _ time: Int64) -> JSONLine {
        JSONLine(type, time: time, target: target, method: method, zones: zones)
    }
}
