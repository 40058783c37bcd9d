import PacketFormats
import ProbeEngine

/// The events of an `EchoSweep` as NDJSON, one object per line; `Schemas/swping.schema.json` describes it.
public struct EchoJSONReport: EchoReport {
    public var targets: ReportTargets
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    /// Makes instants of the events' times.
    public var clock = WallClock(offset: 0)

    public init(targets: ReportTargets, method: ProbeMethod = .icmpEcho) {
        self.targets = targets
        self.method = method
    }

    public init(targets: [ReportTarget], method: ProbeMethod = .icmpEcho) {
        self.init(targets: ReportTargets(targets), method: method)
    }

    /// A `start` line for each target: what is going to be asked and by which means.
    public func appendStart(
        _ start: EchoStart, to buffer: inout ReportBuffer, drain: (inout ReportBuffer) -> Void = { _ in }
    ) {
        let configuration = start.configuration
        for target in targets {
            if buffer.isLarge { drain(&buffer) }
            var line = line("start", target, start.time)
            line.add("count", optional: configuration.count)
            line.add("interval_ns", configuration.interval.nanoseconds)
            line.add("timeout_ns", configuration.timeout.nanoseconds)
            line.add("deadline_ns", optional: configuration.deadline?.nanoseconds)
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
    }

    /// The line of an event.
    public func append(
        _ event: EchoEvent, name: SafeText? = nil, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        var line: JSONLine
        switch event {
        case .reply(let reply):
            line = self.line(
                Self.type(of: reply.disposition), targets[reply.target], clock.nanoseconds(at: reply.arrival))
            add(reply, name, to: &line)
        case .timeout(let target, let sequence):
            line = self.line("timeout", targets[target], clock.nanoseconds(at: now))
            line.add("seq", sequence)
        case .outstanding(let target, let sequence):
            line = self.line("outstanding", targets[target], clock.nanoseconds(at: now))
            line.add("seq", sequence)
        case .error(let error):
            line = self.line("error", targets[error.target], clock.nanoseconds(at: error.arrival))
            add(error, name, to: &line)
        case .unsolicited(let stray):
            line = JSONLine(
                typeWithoutTarget: "unsolicited", time: clock.nanoseconds(at: stray.arrival), method: method)
            line.add(responder: stray.responder, name: name, zones: zones)
            line.add("bytes", stray.byteCount)
            if case .icmpError(let type, let code, let info) = stray.kind {
                line.add(icmpError: type, code: code, info: info, version: stray.responder.version)
            }
            line.add("count", stray.count)
        case .unsent(let target, let sequence, let failure):
            line = self.line("unsent", targets[target], clock.nanoseconds(at: now))
            line.add("seq", sequence)
            line.add(failure)
        case .changed(let change):
            line = self.line("change", targets[change.target], clock.nanoseconds(at: change.arrival))
            line.add("seq", change.sequence)
            line.add("field", change.field.word)
            line.add("from", change.from)
            line.add("to", change.to)
        case .outage(let outage):
            line = self.line("outage", targets[outage.target], clock.nanoseconds(at: now))
            add(outage, to: &line)
        case .interval(let interval):
            line = self.line("interval", targets[interval.target], clock.nanoseconds(at: interval.end))
            add(interval, to: &line)
        case .sent(let target, let sequence):
            line = self.line("sent", targets[target], clock.nanoseconds(at: now))
            line.add("seq", sequence)
        case .address(let target, let old, let new, let instant):
            line = self.line("address", targets[target], clock.nanoseconds(at: instant))
            line.add("from", old.text(zones))
            line.add("to", new.text(zones))
        }
        line.finish()
        buffer.append(line)
    }

    /// The type of a reply's line.
    static func type(of disposition: EchoReply.Disposition) -> String {
        switch disposition {
        case .inTime: "reply"
        case .late: "late"
        case .duplicate: "duplicate"
        case .corrupted: "corrupted"
        case .wrongSource: "wrong_source"
        }
    }

    private func add(_ reply: EchoReply, _ name: SafeText?, to line: inout JSONLine) {
        line.add("seq", reply.sequence)
        line.add("kind", reply.kind.word)
        line.add(responder: reply.responder, name: name, zones: zones)
        line.add("bytes", reply.byteCount)
        line.add("hop_limit", optional: reply.hopLimit)
        line.add("traffic_class", optional: reply.trafficClass)
        line.add("rtt_ns", reply.roundTrip.nanoseconds)
        line.add("clock", reply.clock.word)
        line.add("user_rtt_ns", reply.userRoundTrip.nanoseconds)
        line.add(ipv4OptionsOf: reply.detail)
        if let timestamps = reply.timestamps { line.add(timestamps) }
        if case .corrupted(let integrity) = reply.disposition { line.add(integrity) }
    }

    private func add(_ error: EchoError, _ name: SafeText?, to line: inout JSONLine) {
        line.add("seq", error.sequence)
        line.add(responder: error.responder, name: name, zones: zones)
        line.add(icmpError: error.type, code: error.code, info: error.info, version: error.responder.version)
        line.add("text", error.text)
        line.add("conclusive", error.isConclusive)
        line.add("hop_limit", optional: error.hopLimit)
        line.add("rtt_ns", error.roundTrip.nanoseconds)
        line.add("clock", error.clock.word)
        line.add(extensionsOf: error.detail, zones: zones)
    }

    func add(_ outage: EchoOutage, to line: inout JSONLine) {
        line.add("first_seq", outage.firstSequence)
        line.add("last_seq", outage.lastSequence)
        line.add("lost", outage.lost)
        line.add("start", instant: clock.nanoseconds(at: outage.start))
        line.add("end", instant: clock.nanoseconds(at: outage.end))
        line.add("duration_ns", outage.duration.nanoseconds)
        line.add("open", outage.isOpen)
    }

    private func add(_ interval: EchoInterval, to line: inout JSONLine) {
        line.add("index", interval.index)
        line.add("start", instant: clock.nanoseconds(at: interval.start))
        line.add("duration_ns", (interval.end - interval.start).nanoseconds)
        line.add("transmitted", interval.transmitted)
        line.add("received", interval.received)
        line.add("late", interval.late)
        line.add("lost", interval.lost)
        line.add("loss_percent", percent: UInt64(max(0, interval.lost)), of: interval.concluded)
        line.add("in_flight", interval.inFlight)
        line.add("errors", interval.errors)
        line.add("duplicates", interval.duplicates)
        line.add("corrupted", interval.corrupted)
        line.add("wrong_source", interval.wrongSource)
        line.add("reordered", interval.reordered)
        line.add("unsent", interval.unsent)
        line.add(interval.roundTrips, jitter: interval.roundTrips.count > 1 ? interval.roundTrips.jitter : nil)
    }

    /// A `summary` line for each target, then one `total` line.
    public func appendSummary(
        _ statistics: [EchoStatistics], run: EchoRun, to buffer: inout ReportBuffer,
        drain: (inout ReportBuffer) -> Void = { _ in }
    ) {
        var total = EchoCounts()
        for (index, (target, counts)) in zip(targets, statistics).enumerated() {
            if buffer.isLarge { drain(&buffer) }
            var sum = EchoCounts()
            sum.add(counts)
            total.add(counts)
            var line = line("summary", target, run.time)
            add(sum, to: &line)
            line.add("user_timed", sum.userTimed)
            line.add(counts.roundTrips, jitter: counts.roundTrips.count > 1 ? counts.roundTrips.jitter : nil)
            add(detailOf: counts, to: &line)
            line.add("lost_time_ns", optional: sum.lostTime(run)?.nanoseconds)
            run.slots?.add(index, counts, to: &line)
            if index < run.clocks.count { line.add(run.clocks[index]) }
            if let failures = run.failures {
                line.add("failed", texts: failures.filter { $0.target == index }.map(\.reason))
            }
            line.add("elapsed_ns", run.elapsed.nanoseconds)
            line.finish()
            buffer.append(line)
        }
        appendTotal(total, run, to: &buffer)
    }

    /// What holds for the run as a whole; it has a target only where there is just one.
    private func appendTotal(_ total: EchoCounts, _ run: EchoRun, to buffer: inout ReportBuffer) {
        var line: JSONLine
        if targets.count == 1 {
            line = self.line("total", targets[0], run.time)
        } else {
            line = JSONLine(typeWithoutTarget: "total", time: run.time, method: method)
        }
        line.add("targets", targets.count)
        line.add("answering", total.answering)
        add(total, to: &line)
        line.add("unsolicited", run.unsolicited)
        line.add("missed", run.missed)
        line.add("dropped_here", run.droppedHere)
        line.add("elapsed_ns", run.elapsed.nanoseconds)
        line.finish()
        buffer.append(line)
    }

    private func add(_ counts: EchoCounts, to line: inout JSONLine) {
        line.add("transmitted", counts.transmitted)
        line.add("received", counts.received)
        line.add("late", counts.late)
        line.add("lost", counts.lost)
        line.add("loss_percent", percent: counts.lost, of: counts.concluded)
        line.add("in_flight", counts.inFlight)
        line.add("errors", counts.errors)
        line.add("repeated_errors", counts.repeatedErrors)
        line.add("duplicates", counts.duplicates)
        line.add("corrupted", counts.corrupted)
        line.add("wrong_source", counts.wrongSource)
        line.add("reordered", counts.reordered)
        line.add("unsent", counts.unsent)
        if let failure = counts.lastSendFailure { line.add("last_errno", failure.errorNumber.name) }
    }

    private func line(_ type: String, _ target: ReportTarget, _ time: Int64) -> JSONLine {
        JSONLine(type, time: time, target: target, method: method, zones: zones)
    }
}

extension EchoReply.Kind {
    /// As it stands in a reply's line.
    var word: String {
        switch self {
        case .echo: "echo"
        case .portUnreachable: "port_unreachable"
        case .datagram: "datagram"
        case .timestamp: "timestamp"
        }
    }
}

extension EchoChange.Field {
    /// The member of a reply's line that changed.
    var word: String {
        switch self {
        case .hopLimit: "hop_limit"
        case .trafficClass: "traffic_class"
        }
    }
}
