import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// Runs of `MultipathTrace` with their reports, one host after the other.
final class MultipathSession {
    private let targets: [(name: String, address: IPAddress)]
    /// Octets of a probe with its headers, nil for the usual ones.
    private let size: Int?
    private let options: Options
    private let rule: StoppingRule
    private let desk: ReportDesk
    private let rung: Rung
    private let transportLength: Int?
    private let note: String?
    private var buffer = ReportBuffer()
    private var isInterrupted = false
    /// Of the host that is traced.
    private var slowedHops: [Int] = []
    private var unsent = UnsentProbes()

    init(
        targets: [(name: String, address: IPAddress)], size: Int?, _ options: Options, _ rule: StoppingRule,
        _ desk: ReportDesk, over transport: borrowing ProbeTransport, note: String?
    ) {
        self.targets = targets
        self.size = size
        self.options = options
        self.rule = rule
        self.desk = desk
        rung = transport.rung
        transportLength = transport.transportLength
        self.note = note
    }

    /// Runs to the end and returns the exit status. Throws what the kernel refuses.
    func run(over transport: consuming ProbeTransport, _ output: inout OutputWriter) throws(Errno) -> Int32 {
        let signals = try SignalDescriptor([.interrupt, .terminate])
        var loop = try ProbeLoop(MultipathSuccession(), over: transport)
        var status: Int32 = 0
        for index in targets.indices where !isInterrupted {
            if index > 0, options.style == .text { buffer.append("\n") }
            status = max(status, try trace(index, over: &loop, signals, &output))
        }
        desk.finish(&output)
        return status
    }

    /// Traces one host and returns its exit status.
    private func trace(
        _ index: Int, over loop: inout ProbeLoop<MultipathSuccession>, _ signals: borrowing SignalDescriptor,
        _ output: inout OutputWriter
    ) throws(Errno) -> Int32 {
        let target = ReportTarget(name: SafeText(targets[index].name), address: targets[index].address)
        let configuration = options.multipathConfiguration(for: target.address, size: size, rule)
        var report = options.multipathReport(for: target, desk.zones)
        let begun = Self.now
        let start = MultipathStart(
            configuration,
            packetLength: options.packetLength(
                to: target.address, payloadLength: configuration.payloadLength, transportLength),
            rung: rung.rawValue, note: note, source: try? loop.transport.source(to: target.address),
            time: SystemClock.realtime.now)
        report.appendStart(start, to: &buffer)
        slowedHops = []
        let before = loop.transport.counters
        loop.measurement.begin(configuration)
        try loop.run(
            signals: signals, other: desk.facts,
            onEvent: { event, _ in if case .trace(let event) = event { take(event, &report) } },
            onSignal: { _, traces in
                isInterrupted = true
                traces.stop(at: Self.now)
            },
            onOther: { _ in desk.facts.take() },
            afterBatch: {
                tellUnsent()
                return hand(&output)
            })
        let elapsed = Self.now - begun
        try desk.waitForFacts()
        guard let trace = loop.measurement.trace else { return 2 }
        var run = MultipathRun(trace, slowedHops: slowedHops, elapsed: elapsed, time: SystemClock.realtime.now)
        run.foreign = loop.transport.counters.foreign - before.foreign
        run.droppedHere = loop.transport.counters.droppedHere - before.droppedHere
        if !options.findings.assertions.isEmpty {
            let evidence = PathEvidence(of: run.graph, zones: desk.zones, origins: desk.facts.origins)
            run.judgement = PathJudgement(
                target: target, evidence, assertions: options.findings.assertions, zones: desk.zones)
        }
        report.appendSummary(run, desk.known, to: &buffer)
        let failures = run.judgement?.failureLines ?? []
        if options.style != .json { for line in failures { desk.errors.append("\(Tool.name): \(line)\n") } }
        if !hand(&output) { isInterrupted = true }
        if let rounds = options.multipathDetail.rounds, !isInterrupted {
            try follow(run, configuration, target, rounds: rounds, over: &loop, signals, &output)
        }
        let isUnsent = trace.statistics.transmitted == 0 && trace.statistics.unsent > 0
        return isUnsent ? 2 : trace.isReached && failures.isEmpty ? 0 : 1
    }

    /// Asks the paths that were found again and again.
    private func follow(
        _ run: MultipathRun, _ former: MultipathTrace.Configuration, _ target: ReportTarget, rounds: UInt64,
        over loop: inout ProbeLoop<MultipathSuccession>, _ signals: borrowing SignalDescriptor,
        _ output: inout OutputWriter
    ) throws(Errno) {
        let configuration = options.watchConfiguration(after: former, run, rounds: rounds)
        // Where nothing answered there is nothing to follow.
        guard !configuration.flows.isEmpty else { return }
        var report = options.watchReport(for: target, desk.zones)
        loop.measurement.follow(configuration)
        try loop.run(
            signals: signals, other: desk.facts,
            onEvent: { event, traces in
                guard case .watch(let event) = event, let watch = traces.watch else { return }
                if case .unsent(_, let hop, let failure) = event, options.style != .json {
                    unsent.note(failure, hop: hop)
                } else {
                    report.append(event, of: watch, time: SystemClock.realtime.now, to: &buffer)
                }
            },
            onSignal: { _, traces in
                isInterrupted = true
                traces.stop(at: Self.now)
            },
            onOther: { _ in desk.facts.take() },
            afterBatch: {
                tellUnsent()
                return hand(&output)
            })
        guard let watch = loop.measurement.watch else { return }
        report.appendSummary(watch, time: SystemClock.realtime.now, to: &buffer)
        if !hand(&output) { isInterrupted = true }
    }

    private static var now: Timestamp { ProbeLoop<MultipathSuccession>.now }

    private func take(_ event: MultipathEvent, _ report: inout any MultipathReport) {
        switch event {
        case .answered(_, let answer): desk.facts.ask(answer.responder)
        case .slowed(let hop): slowedHops.append(hop)
        case .unsent(let hop, let failure) where options.style != .json: return unsent.note(failure, hop: hop)
        case .unsent, .silent: break
        }
        report.append(event, desk.known, time: SystemClock.realtime.now, to: &buffer)
    }

    private func tellUnsent() {
        unsent.tell { failure, hop in
            desk.errors.append("\(Tool.name): not sent: hop \(hop) (\(failure.text))\n")
        }
    }

    /// Hands over what is to be printed now. Returns whether the reader is there.
    private func hand(_ output: inout OutputWriter) -> Bool {
        output.write(buffer.bytes)
        buffer.removeAll()
        return desk.flush(&output)
    }
}
