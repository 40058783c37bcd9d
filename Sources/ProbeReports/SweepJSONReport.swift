import PacketFormats
import ProbeEngine

/// The events of a `HostSweep` as NDJSON, one object per line; `Schemas/swping-sweep.schema.json` describes it.
///
/// The lines of several shards of a sweep can be put one behind the other.
public struct SweepJSONReport: SweepReport {
    /// What is sent, for the member `transport`.
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    /// Makes instants of the events' times.
    public var clock = WallClock(offset: 0)
    private var instants = InstantText()
    /// The address of the target whose line is written, as it stands in it: most answers have it three times.
    private var words = ReportBuffer()

    public init(method: ProbeMethod = .icmpEcho) { self.method = method }

    /// The `start` line: what is going to be asked and by which means.
    public mutating func appendStart(_ start: SweepStart, to buffer: inout ReportBuffer) {
        let configuration = start.configuration
        var line = JSONLine(typeWithoutTarget: "start", time: start.time, method: method)
        line.add("targets", configuration.shard.count(of: configuration.space.count))
        line.add("complete", !configuration.isOpen)
        if let seed = start.seed { line.add("seed", "\(seed)") } else { line.addNull("seed") }
        line.add("shard", configuration.shard.index)
        line.add("shards", configuration.shard.total)
        line.add("workers", start.workers)
        line.add("retries", configuration.retries)
        line.add("timeout_ns", configuration.timeout.nanoseconds)
        line.add("backoff", number: configuration.backoff >= 1 ? min(configuration.backoff, 1e9) : 1)
        line.add("rate", number: configuration.rate)
        line.add("size", configuration.payloadLength)
        line.add("hop_limit", configuration.hopLimit)
        line.add("traffic_class", configuration.trafficClass)
        if let port = method.port { line.add("port", port) }
        line.add("rung", start.rung)
        line.add("clock", (configuration.wantsKernelStamps ? Stamp.Clock.kernel : .mixed).word)
        if let note = start.note { line.add("note", note) }
        line.finish()
        buffer.append(line)
    }

    /// The line of an event.
    public mutating func append(
        _ event: HostSweepEvent, target: SafeText? = nil, name: SafeText? = nil, at now: Timestamp,
        to buffer: inout ReportBuffer
    ) {
        switch event {
        case .alive(let answer):
            begin("alive", answer.arrival, answer.address, target, to: &buffer)
            append(answer, name, to: &buffer)
            buffer.append(answer.disposition == .late ? ",\"late\":true" : ",\"late\":false")
            end(answer, to: &buffer)
        case .unreachable(let silence):
            begin("unreachable", silence.time, silence.address, target, to: &buffer)
            buffer.append(",\"attempt\":")
            buffer.append(decimal: silence.attempt + 1)
            append(silence, name, to: &buffer)
        case .unasked(let refusal):
            begin("unasked", refusal.time, refusal.address, target, to: &buffer)
            append(name, to: &buffer)
            finish(&buffer) { $0.add(refusal.failure) }
        case .late(let answer): append("late", answer, target, name, to: &buffer)
        case .duplicate(let answer): append("duplicate", answer, target, name, to: &buffer)
        case .corrupted(let answer): append("corrupted", answer, target, name, to: &buffer)
        case .wrongSource(let answer): append("wrong_source", answer, target, name, to: &buffer)
        case .error(let error):
            begin("error", error.arrival, error.address, target, to: &buffer)
            buffer.append(",\"attempt\":")
            buffer.append(decimal: error.attempt + 1)
            append(name, to: &buffer)
            finish(&buffer) { line in
                add(error, to: &line)
                line.add("conclusive", error.isConclusive)
            }
        }
    }

    // MARK: Parts of lines

    /// The members that every line has; the line stays open.
    private mutating func begin(
        _ type: String, _ instant: Timestamp, _ address: IPAddress, _ target: SafeText?, to buffer: inout ReportBuffer
    ) {
        buffer.append("{\"v\":1,\"type\":\"")
        buffer.append(type)
        buffer.append("\",\"time\":\"")
        instants.append(clock.nanoseconds(at: instant), to: &buffer)
        buffer.append("\",\"target\":")
        words.removeAll()
        append(address, to: &words)
        if let target { buffer.append(quoted: target.description) } else { buffer.append(words) }
        buffer.append(",\"address\":")
        buffer.append(words)
        switch address.version {
        case .v4: buffer.append(",\"family\":\"ipv4\",\"transport\":\"")
        case .v6: buffer.append(",\"family\":\"ipv6\",\"transport\":\"")
        }
        buffer.append(method.word)
        buffer.append("\"")
    }

    private func append(_ address: IPAddress, to buffer: inout ReportBuffer) {
        // The name of an interface may hold what JSON escapes.
        guard address.zone == 0 else { return buffer.append(quoted: address.text(zones)) }
        buffer.append("\"")
        buffer.append(address, zones: [:])
        buffer.append("\"")
    }

    private func append(_ name: SafeText?, to buffer: inout ReportBuffer) {
        guard let name else { return }
        buffer.append(",\"name\":")
        buffer.append(quoted: name.description)
    }

    private mutating func append(
        _ type: String, _ answer: HostAnswer, _ target: SafeText?, _ name: SafeText?, to buffer: inout ReportBuffer
    ) {
        begin(type, answer.arrival, answer.address, target, to: &buffer)
        append(answer, name, to: &buffer)
        end(answer, to: &buffer)
    }

    private func append(_ answer: HostAnswer, _ name: SafeText?, to buffer: inout ReportBuffer) {
        buffer.append(",\"attempt\":")
        buffer.append(decimal: answer.attempt + 1)
        buffer.append(",\"kind\":\"")
        buffer.append(answer.kind.word)
        buffer.append("\",\"responder\":")
        if answer.responder == answer.address {
            buffer.append(words)
        } else {
            append(answer.responder, to: &buffer)
        }
        append(name, to: &buffer)
        buffer.append(",\"bytes\":")
        buffer.append(decimal: answer.byteCount)
        buffer.append(",\"hop_limit\":")
        append(answer.hopLimit, to: &buffer)
        buffer.append(",\"traffic_class\":")
        append(answer.trafficClass, to: &buffer)
        buffer.append(",\"rtt_ns\":")
        buffer.append(decimal: answer.roundTrip.nanoseconds)
        buffer.append(",\"clock\":\"")
        buffer.append(answer.clock.word)
        buffer.append("\"")
    }

    private func append(_ octet: UInt8?, to buffer: inout ReportBuffer) {
        if let octet { buffer.append(decimal: octet) } else { buffer.append("null") }
    }

    /// What few answers have, and the end of the line.
    private func end(_ answer: HostAnswer, to buffer: inout ReportBuffer) {
        guard answer.detail != nil || answer.disposition.isCorrupted else { return buffer.append("}\n") }
        finish(&buffer) { line in
            line.add(ipv4OptionsOf: answer.detail)
            if case .corrupted(let integrity) = answer.disposition { line.add(integrity) }
        }
    }

    private func append(_ silence: HostSilence, _ name: SafeText?, to buffer: inout ReportBuffer) {
        append(name, to: &buffer)
        if let error = silence.error {
            buffer.append(",\"reason\":\"error\"")
            finish(&buffer) { add(error, to: &$0) }
        } else if let failure = silence.failure {
            buffer.append(",\"reason\":\"unsent\"")
            finish(&buffer) { $0.add(failure) }
        } else {
            buffer.append(",\"reason\":\"no_answer\"}\n")
        }
    }

    private func add(_ error: HostError, to line: inout JSONLine) {
        line.add("responder", error.responder.text(zones))
        line.add(icmpError: error.type, code: error.code, info: error.info, version: error.responder.version)
        line.add("text", error.text)
        line.add("hop_limit", optional: error.hopLimit)
        line.add("rtt_ns", error.roundTrip.nanoseconds)
        line.add("clock", error.clock.word)
        line.add(extensionsOf: error.detail, zones: zones)
    }

    /// Ends the line with members that `write` adds.
    private func finish(_ buffer: inout ReportBuffer, _ write: (inout JSONLine) -> Void) {
        var line = JSONLine(continuingLine: ())
        write(&line)
        line.finish()
        buffer.append(line)
    }

    // MARK: The total

    /// The `total` line.
    public mutating func appendSummary(_ run: SweepRun, to buffer: inout ReportBuffer) {
        let counters = run.counters
        var line = JSONLine(typeWithoutTarget: "total", time: run.time, method: method)
        for (name, count) in [
            ("targets", counters.targets), ("alive", counters.alive), ("unreachable", counters.unreachable),
            ("unasked", counters.unasked), ("undecided", counters.remaining), ("missed_names", run.missedNames),
            ("overflow", counters.overflow), ("transmitted", counters.transmitted), ("received", counters.received),
            ("late", counters.late), ("lost", run.lost),
        ] {
            line.add(name, count)
        }
        line.add("loss_percent", percent: run.lost, of: run.concluded)
        for (name, count) in [
            ("in_flight", run.inFlight), ("errors", counters.errors), ("repeated_errors", counters.repeatedErrors),
            ("duplicates", counters.duplicates), ("corrupted", counters.corrupted),
            ("wrong_source", counters.wrongSource), ("unsent", counters.unsent), ("retried", counters.retried),
            ("repeated", counters.repeated), ("dropped_here", counters.droppedHere),
            ("unsolicited", counters.unsolicited),
        ] {
            line.add(name, count)
        }
        if let failure = run.lastSendFailure { line.add("last_errno", failure.errorNumber.name) }
        line.add(run.roundTrips)
        if let failures = run.failures { line.add("failed", texts: failures) }
        line.add("sending_ns", run.sending.nanoseconds)
        line.add("elapsed_ns", run.elapsed.nanoseconds)
        line.finish()
        buffer.append(line)
    }

    /// Nothing: `appendSummary` tells it.
    public func totalLines(_ run: SweepRun) -> [UInt8] { [] }
}

extension EchoReply.Disposition {
    fileprivate var isCorrupted: Bool {
        if case .corrupted = self { true } else { false }
    }
}
