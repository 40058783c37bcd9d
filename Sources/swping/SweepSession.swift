import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// One run of `HostSweep`, by one loop or shared by several, with its report.
final class SweepSession {
    let options: Options
    let feed: TargetFeed
    let output = SweepOutput()
    /// Wakes the loop of the feed, for what is due by the clock.
    let timer: Timer
    private let signals: SignalDescriptor
    private let files: SweepFiles
    private let rung: Rung
    private let note: String?
    private let method: ProbeMethod
    private let report: any SweepReport
    /// What earlier runs did.
    private var history = SweepHistory()
    /// The targets that are known before the first probe.
    private var space = TargetSpace()
    private var order: TargetPermutation?
    /// Whether signals ended the run before it began.
    private var isInterrupted = false
    private var gauge = SweepGauge(start: Timestamp(nanoseconds: 0))
    private var nextStatus = Timestamp(nanoseconds: .max)
    private var end: Timestamp?
    private var isFeedFull = false
    private var toldOfRate = false

    /// Throws when the kernel refuses a descriptor, and when the targets can't be those of the file of `--resume-file`.
    init(
        _ options: Options, _ expressions: [TargetExpression], _ files: SweepFiles, zone: UInt32, rung: Rung,
        note: String?, method: ProbeMethod, versions: [IPVersion]
    ) throws(ToolFailure) {
        self.options = options
        self.files = files
        self.rung = rung
        self.note = note
        self.method = method
        let sweep = options.sweep
        let keepsOrder = sweep.orderSeed != nil || sweep.resumeFile != nil
        do throws(Errno) {
            // Before there are threads: each would get the signals else.
            signals = try SignalDescriptor([.interrupt, .terminate, .quit])
            timer = try Timer()
            feed = try TargetFeed(
                expressions, from: files.targets, family: options.version, usable: versions, zone: zone,
                allAddresses: sweep.wantsAllAddresses, keepsOrder: keepsOrder, beside: timer)
        } catch {
            throw Self.failure(error)
        }
        report = Self.report(options, method)
    }

    private static func failure(_ error: Errno) -> ToolFailure {
        ToolFailure("the system refuses to go on: \(error) (\(error.name))")
    }

    private static func report(_ options: Options, _ method: ProbeMethod) -> any SweepReport {
        preconditionFailure()
    }

    /// Runs to the end and returns the exit status.
    func run(over transports: [TransportShare], _ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        self.output.exchange(&output)
        defer { self.output.exchange(&output) }
        do throws(Errno) {
            try readTargets()
            guard !isInterrupted else { return 1 }
            try prepare()
            var start = ReportBuffer()
            var reporter = report
            reporter.appendStart(
                SweepStart(
                    configuration, rung: rung.rawValue, note: note, workers: transports.count,
                    seed: options.sweep.orderSeed, time: SystemClock.realtime.now), to: &start)
            guard self.output.write(start, errors: ReportBuffer()) else { return 2 }
            return try conclude(measure(over: transports))
        } catch {
            throw Self.failure(error)
        }
    }

    // MARK: Targets

    /// Takes the targets that are there at once, or all where their number has to be known before the first is asked.
    private func readTargets() throws(Errno) {
        let isWhole = options.sweep.orderSeed != nil || options.sweep.workers > 1 || files.resume?.found?.isClosed == true
        let needed = isWhole ? UInt64.max : files.resume?.found?.targets ?? 0
        var poller = try Poller()
        try poller.add(signals, token: 0)
        try poller.add(feed, token: 1)
        repeat {
            try take(feed.nextBatch(atMost: needed > space.count ? Int(clamping: needed - space.count) : Self.mostBacklog))
            guard !feed.isFinished, space.count < needed else { return }
            try poller.wait()
            while let signal = try signals.next() {
                if signal == .quit {
                    output.tell("\(space.count) targets read")
                } else {
                    isInterrupted = true
                }
            }
        } while !isInterrupted
    }

    private func take(_ batch: TargetFeed.Batch) {
        // The feed hands out no more than a space holds.
        for entry in batch.entries { try? space.append(entry.addresses) }
        tell(batch.failures)
    }

    private func tell(_ failures: [TargetFeed.Failure]) {
        for failure in failures { output.tell(SafeText("\(failure)").description) }
    }

    /// Decides on the order, and goes on where the last run ended.
    private func prepare() throws(ToolFailure) {
        let sweep = options.sweep
        try options.checkRate(for: sweep.shard.count(of: space.count))
        if let seed = sweep.orderSeed { order = TargetPermutation(count: space.count, seed: seed) }
        guard let found = files.resume?.found else { return }
        let isSame =
            found.targets == space.count && found.digest == space.digest && found.seed == sweep.orderSeed
            && found.shard == sweep.shard
        guard isSame else {
            throw ToolFailure(
                "option --resume-file: the file is about other targets, or another --seed or --shard: "
                    + "name another, or remove it to begin anew")
        }
        history = SweepHistory(found)
    }

    // MARK: Configuration

    /// That of the whole run.
    private var configuration: HostSweep.Configuration {
        let sweep = options.sweep
        var configuration = HostSweep.Configuration(space)
        configuration.isOpen = !feed.isFinished
        configuration.order = order
        configuration.shard = sweep.shard
        configuration.retries = sweep.retries
        configuration.timeout = TimeSpan(nanoseconds: options.timeout)
        configuration.backoff = sweep.backoff
        configuration.rate = sweep.probesPerSecond
        configuration.method = method
        configuration.payloadLength = options.payloadLength
        configuration.hopLimit = options.hopLimit
        configuration.multicastHopLimit = options.multicastHopLimit
        configuration.trafficClass = options.trafficClass
        configuration.wantsKernelStamps = options.sweepWantsKernelStamps
        configuration.timesInProcess = options.isUserToUser
        configuration.reports = reports
        return configuration
    }

    /// That of one of so many workers.
    private func configuration(of worker: Int, among workers: Int) -> HostSweep.Configuration {
        var configuration = configuration
        let whole = configuration.shard
        let count = UInt32(workers)
        configuration.shard =
            Shard(whole.index + UInt32(worker) * whole.total, of: whole.total * count) ?? whole
        configuration.rate = configuration.rate.map { $0 / Double(workers) }
        configuration.resume = history.resume(configuration.shard, target)
        return configuration
    }

    private var reports: HostSweep.Reports {
        guard !options.isQuiet else { return [] }
        let sweep = options.sweep
        let isUnsaid = !sweep.showsAlive && !sweep.showsUnreachable
        var reports: HostSweep.Reports = []
        if sweep.showsAlive || isUnsaid { reports.insert(.alive) }
        if sweep.showsUnreachable || isUnsaid && options.hasRows { reports.insert(.unreachable) }
        if options.isVerbose { reports.formUnion([.errors, .strays]) }
        return reports
    }

    /// The target at a position of the order.
    private func target(at position: UInt32) -> UInt32 {
        guard let order, UInt64(position) < order.count else { return position }
        return order[position]
    }

    private func position(of target: UInt32) -> UInt32 {
        guard let order, UInt64(target) < order.count else { return target }
        return order.position(of: target)
    }

    // MARK: Running

    private func measure(over transports: [TransportShare]) throws(Errno) -> SweepOutcome {
        let start = ProbeLoop<HostSweep>.now
        gauge = SweepGauge(start: start)
        end = options.deadline.map { start + TimeSpan(nanoseconds: $0) }
        if showsStatus { nextStatus = start + statusInterval }
        try setTimer()
        defer { output.endStatus() }
        guard transports.count > 1 else {
            guard let transport = transports.first?.take() else { return SweepOutcome() }
            return try measureAlone(over: transport, start)
        }
        return try measureTogether(over: transports, start)
    }

    private func measureAlone(
        over transport: consuming ProbeTransport, _ start: Timestamp
    ) throws(Errno) -> SweepOutcome {
        if let capture = files.capture { try transport.attach(capture) }
        let configuration = configuration(of: 0, among: 1)
        let teller = try SweepTeller(report, to: output, feed: feed, givenNames: TargetNames(), options)
        let companion = try Companion(feed, teller.resolver)
        let goal = options.sweep.exitsFast ? options.sweep.minimumReachable : nil
        var failure: Errno?
        var loop = try ProbeLoop(HostSweep(configuration, start: start), over: transport)
        try loop.run(
            signals: signals, other: companion,
            onEvent: { event, _ in teller.take(event) },
            onSignal: { signal, sweep in
                if signal == .quit {
                    output.tell(status(sweep.counters, isOpen: sweep.isOpen))
                } else {
                    sweep.stop(at: ProbeLoop<HostSweep>.now)
                }
            },
            onOther: { sweep in
                teller.takeNames()
                failure = failure ?? tick { (sweep.counters, sweep.isOpen) }
                if isOver { sweep.stop(at: ProbeLoop<HostSweep>.now) }
                failure = failure ?? supply(&sweep)
            },
            afterBatch: { sweep in
                if isFeedFull { failure = failure ?? supply(&sweep) }
                if let goal, sweep.counters.alive + history.counters.alive >= goal { return teller.finishBatch() && false }
                if let capture = files.capture, let failure = capture.flush() { teller.tellError(failure) }
                return teller.finishBatch() && failure == nil
            })
        if let failure { throw failure }
        _ = try teller.finish()
        if let failure = files.capture?.finish() { output.tell(failure) }
        return SweepOutcome(loop.measurement, transport: loop.transport.counters)
    }

    /// Gives the sweep more targets when it has room for them.
    private func supply(_ sweep: inout HostSweep) -> Errno? {
        guard sweep.isOpen else { return nil }
        let backlog = sweep.backlog
        guard backlog < Self.mostBacklog / 2 || !isFeedFull else { return nil }
        let room = Int(clamping: Self.mostBacklog - min(backlog, Self.mostBacklog))
        do throws(Errno) {
            let batch = try feed.nextBatch(atMost: room)
            isFeedFull = batch.count + UInt64(batch.failures.count) >= room
            let now = ProbeLoop<HostSweep>.now
            for entry in batch.entries { sweep.apply(.appendRange(entry.addresses), at: now) }
            tell(batch.failures)
            if feed.isFinished {
                sweep.apply(.close, at: now)
                isFeedFull = false
            }
        } catch {
            return error
        }
        if sweep.space.count > Options.mostUnpaced, options.sweep.rate == nil, !toldOfRate {
            toldOfRate = true
            output.tell(
                "more than \(Options.mostUnpaced) targets at \(Int(SweepOptions.defaultRate)) a second take "
                    + "long: see --rate")
        }
        return nil
    }

    // MARK: Status

    private var showsStatus: Bool {
        switch options.sweep.progress {
        case .auto: output.isTerminal && !options.isQuiet
        case .always: true
        case .never: false
        }
    }

    private var statusInterval: TimeSpan { .seconds(output.isTerminal ? 1 : 10) }

    private func status(_ counters: HostSweep.Counters, isOpen: Bool) -> String {
        var sum = history.counters
        sum += counters
        return gauge.line(sum, before: history.counters.targets, isOpen: isOpen, at: ProbeLoop<HostSweep>.now)
    }

    /// Does what is due by the clock.
    private func tick(_ counters: () -> (HostSweep.Counters, isOpen: Bool)) -> Errno? {
        let now = ProbeLoop<HostSweep>.now
        guard (try? timer.acknowledge()) == true else { return nil }
        if now >= nextStatus {
            let (counters, isOpen) = counters()
            output.show(status(counters, isOpen: isOpen))
            nextStatus = max(nextStatus + statusInterval, now)
        }
        do throws(Errno) {
            try setTimer()
        } catch {
            return error
        }
        return nil
    }

    private var isOver: Bool { end.map { $0 <= ProbeLoop<HostSweep>.now } ?? false }

    private func setTimer() throws(Errno) {
        let next = min(nextStatus, end ?? nextStatus)
        if next.nanoseconds < .max { try timer.set(to: next.nanoseconds) }
    }
}
