import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// One run of `PathTraceGroup` with its reports.
final class TraceSession {
    private let options: Options
    private let rung: Rung
    /// Probes that the transport can have under way for all hosts together; nil for any number.
    private let inFlight: Int?
    /// Octets of a probe behind its IP header where the kernel decides about them.
    private let transportLength: Int?
    private let note: String?
    private var traces: [HostTrace]
    /// How many have had their start told.
    private var started = 0
    /// Text is printed of one trace at a time: of this one.
    private var turn = 0
    private let desk: ReportDesk
    private let baseline: PathBaseline?
    private var toldMTUFailures: [Int: SendFailure] = [:]

    init(
        targets: [(name: String, address: IPAddress)], size: Int?, _ options: Options, _ files: FindingFiles,
        _ desk: ReportDesk, over transport: borrowing ProbeTransport, note: String?
    ) {
        self.desk = desk
        self.options = options
        rung = transport.rung
        let limits = transport.limits
        // Over IPv6 answers tell no more numbers apart than there are lengths, and may be late.
        let isNumberedByLength = options.flow == .dublin && targets.contains { $0.address.version == .v6 }
        inFlight = isNumberedByLength ? min(limits.inFlight ?? .max, ProbeCodec.dublinLengths / 4) : limits.inFlight
        transportLength = transport.transportLength
        self.note = note
        baseline = files.baseline
        traces = targets.enumerated().map { index, target in
            let configuration = options.configuration(for: target.address, size: size, limits)
            let named = ReportTarget(name: SafeText(target.name), address: target.address)
            let report = options.report(for: named, configuration.method, desk.zones, isFirst: index == 0)
            return HostTrace(configuration, named, report, holdsRows: options.findsMTU)
        }
    }

    /// Runs to the end and returns the exit status. Throws what the kernel refuses.
    func run(
        over transport: consuming ProbeTransport, _ output: inout OutputWriter
    ) throws(Errno) -> Int32 {
        let signals = try SignalDescriptor([.interrupt, .terminate])
        for index in traces.indices {
            let destination = traces[index].target.address
            traces[index].source = try? transport.source(to: destination)
            traces[index].codec = transport.codec(destination.version)
        }
        let optionsLength = options.optionsLength
        let group = PathTraceGroup(
            traces.map { trace in
                PathTraceGroup.Configuration(
                    trace.configuration,
                    firstSize: options.findsMTU
                        ? options.firstSize(linkMTU: try? transport.interfaceMTU(to: trace.target.address)) : nil,
                    optionsLength: optionsLength)
            }, maximumInFlight: inFlight)
        start(group.begun)
        var loop = try ProbeLoop(group, over: transport)
        try loop.run(
            signals: signals, other: desk.facts,
            onEvent: { event, group in
                take(event, group)
                start(group.begun)
            },
            onSignal: { _, group in group.stop(at: Self.now) },
            onOther: { _ in desk.facts.take() },
            afterBatch: {
                let now = Self.now
                tellWaiting(since: now + TimeSpan(nanoseconds: -ReportDesk.patience))
                for index in traces.indices { traces[index].tellFailures(as: options.persona, to: &desk.errors) }
                desk.facts.wake(
                    at: traces.compactMap(\.waitingSince).map { $0.nanoseconds + ReportDesk.patience }, after: now)
                hand(&output)
                return desk.flush(&output)
            })
        try desk.waitForFacts()
        noteCounters(loop.transport.counters)
        tellWaiting(since: Timestamp(nanoseconds: .max))
        hand(&output)
        desk.finish(&output)
        if options.style != .json {
            for line in traces.flatMap(\.failureLines) { reportLine(line, from: Tool.name) }
        }
        let hasFailed = traces.contains { !$0.failureLines.isEmpty }
        return max(hasFailed ? 1 : 0, loop.measurement.members.map { options.persona.status(of: $0.trace) }.max() ?? 0)
    }

    private static var now: Timestamp { ProbeLoop<PathTraceGroup>.now }

    // MARK: Events

    /// Tells of the traces that have begun.
    private func start(_ begun: Int) {
        while started < begun {
            let configuration = traces[started].configuration
            let length = options.packetLength(
                to: configuration.destination, payloadLength: configuration.payloadLength, transportLength)
            let start = PathStart(
                configuration, packetLength: options.persona.shownLength(length, options),
                rung: rung.rawValue, note: note, source: traces[started].source,
                time: SystemClock.realtime.now)
            traces[started].start(start, at: Self.now)
            started += 1
        }
    }

    private func take(_ event: PathTraceGroup.Event, _ group: borrowing PathTraceGroup) {
        switch event {
        case .path(let index, .hop(let hop)):
            // Rows of stars would say that somebody was silent; the line about what was not sent says it all.
            guard group.members[index].trace.statistics.transmitted > 0 || options.style != .text else { return }
            for case .some(let answer) in hop.answers { desk.facts.ask(answer.responder) }
            traces[index].await(.event(.hop(hop)), since: Self.now)
        case .path(let index, .unsent(let hop, let failure)):
            if options.style == .text, !options.persona.reports(failure) {
                traces[index].unsent.note(failure, hop: hop)
            } else {
                traces[index].await(.event(.unsent(hop: hop, failure: failure)), since: Self.now)
            }
        case .mtu(let index, .unsent(let size, let failure)): tell(failure, size, at: index)
        // The result has them.
        case .mtu(_, .drop), .mtu(_, .falseClaim): break
        case .finished(let index): finish(index, group.members[index])
        }
    }

    /// What is known of a host when all is over there.
    private func finish(_ index: Int, _ member: PathTraceGroup.Member) {
        let run = PathRun(
            member, findings: findings(of: member, traces[index]), elapsed: Self.now - traces[index].startedAt,
            time: SystemClock.realtime.now)
        if let line = options.persona.lineBehind(run) { desk.errors.append(line) }
        traces[index].await(.end(run), since: Self.now)
    }

    /// Compares what routers quote with what was sent, where these sockets show both.
    private func findings(of member: PathTraceGroup.Member, _ trace: HostTrace) -> [PathFinding] {
        // What nobody asked nobody answered.
        guard member.trace.statistics.transmitted > 0 else { return [] }
        let codec = rung == .raw ? trace.codec : nil
        return PathFindings(
            of: member.hops,
            sent: { answer in
                guard let codec, let source = trace.source else { return nil }
                return codec.expected(Transmit(id: answer.id, probe: answer.probe), source: source)
            }
        ).all
    }

    /// A line about a probe of path MTU discovery that the kernel refused.
    private func tell(_ failure: SendFailure, _ size: Int, at index: Int) {
        guard toldMTUFailures.updateValue(failure, forKey: index) != failure else { return }
        desk.errors.append("\(Tool.name): option --mtu: \(size) octets to \(traces[index].target.name) not sent ")
        desk.errors.append("(\(failure.text))\n")
    }

    /// Ends that are still to be told know what the sockets saw beside the answers.
    private func noteCounters(_ counters: ProbeTransport.Counters) {
        for index in traces.indices {
            traces[index].changeEnd {
                $0.foreign = counters.foreign
                $0.droppedHere = counters.droppedHere
                $0.resent = counters.resent
            }
        }
    }

    /// Tells what is to be told in order, as long as the names in it are known or it has waited since `instant` or
    /// longer.
    private func tellWaiting(since instant: Timestamp) {
        let known = desk.known
        for index in traces.indices {
            let target = traces[index].target
            traces[index].tell(known, time: SystemClock.realtime.now, judge: { judgement(of: $0, target) }) {
                canTell($0, since: $1, instant)
            }
        }
    }

    /// What conditions and a baseline say of a path, nil where there is neither.
    private func judgement(of run: PathRun, _ target: ReportTarget) -> PathJudgement? {
        guard baseline != nil || !options.findings.assertions.isEmpty else { return nil }
        let mtu = run.mtu?.result
        return PathJudgement(
            target: target, hops: run.hops, lastHop: run.isReached ? run.lastHop : nil,
            mtu: mtu?.isWholePath == true && mtu?.isComplete == true ? mtu?.size : nil, baseline: baseline,
            assertions: options.findings.assertions, zones: desk.zones, origins: desk.facts.origins)
    }

    private func canTell(_ news: HostTrace.News, since: Timestamp, _ instant: Timestamp) -> Bool {
        switch news {
        case .event(let event): isKnown(event) || since <= instant
        // What the sockets saw beside the answers is known when all is over.
        case .end: options.style == .text || instant.nanoseconds == .max
        }
    }

    /// Hands over what is to be printed now.
    private func hand(_ output: inout OutputWriter) {
        if options.style == .text {
            while turn < started {
                hand(turn, to: &output)
                guard traces[turn].isTold else { break }
                turn += 1
                // A blank line between traces.
                if turn < started { output.write("\n") }
            }
        } else {
            for index in 0..<started { hand(index, to: &output) }
        }
    }

    private func hand(_ index: Int, to output: inout OutputWriter) {
        output.write(traces[index].buffer.bytes)
        traces[index].buffer.removeAll()
    }

    private func isKnown(_ event: PathEvent) -> Bool {
        guard case .hop(let hop) = event else { return true }
        return hop.answers.allSatisfy { answer in answer.map { desk.facts.isKnown($0.responder) } ?? true }
    }
}
