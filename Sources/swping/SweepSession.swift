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
    let signals: SignalDescriptor
    let files: SweepFiles
    private let rung: Rung
    private let note: String?
    private let method: ProbeMethod
    /// Operands that stand for nothing.
    private let missedOperands: UInt64
    let report: any SweepReport
    /// What earlier runs did.
    private(set) var history = SweepHistory()
    /// The targets that are known before the first probe.
    private var space = TargetSpace()
    private var order: TargetPermutation?
    /// Whether signals ended the run before it began.
    private var isInterrupted = false
    private(set) var start = Timestamp(nanoseconds: 0)
    private var nextProgress = Timestamp(nanoseconds: .max)
    private var nextLook = Timestamp(nanoseconds: .max)
    private var nextKeeping = Timestamp(nanoseconds: .max)
    private var isKeepingDue = false
    private let keepingFailed = EndFlag()
    private var end: Timestamp?
    /// Whether the feed may have more and does not say so: as after the first targets.
    private var isFeedFull = true
    private var toldOfRate = false

    /// Throws when the kernel refuses a descriptor, and when the targets can't be those of the file of `--resume-file`.
    init(
        _ options: Options, _ expressions: [TargetExpression], _ files: SweepFiles, zone: UInt32, rung: Rung,
        note: String?, method: ProbeMethod, versions: [IPVersion], missedOperands: UInt64
    ) throws(ToolFailure) {
        self.missedOperands = missedOperands
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
        let sweep = options.sweep
        var zones: [UInt32: SafeText] = [:]
        for interface in options.version == .v4 ? [] : (try? Interface.all()) ?? [] {
            zones[interface.index] = SafeText(name: interface.name)
        }
        let clock = WallClock(SystemClock.realtime.now, at: ProbeLoop<HostSweep>.now)
        if options.isJSON {
            var json = SweepJSONReport(method: method)
            (json.zones, json.clock) = (zones, clock)
            return json
        }
        if options.isCSV {
            var table = SweepCSVReport(method: method)
            (table.zones, table.clock) = (zones, clock)
            return table
        }
        var text = SweepTextReport(method: method)
        text.listing =
            switch (sweep.showsAlive, sweep.showsUnreachable) {
            case _ where options.isQuiet: .none
            case (false, false): .alive
            case (true, false): .aliveNames
            case (false, true): .unreachable
            case (true, true): .all
            }
        text.isVerbose = options.isVerbose
        text.zones = zones
        if options.showsTimes { text.time = options.lineTime ?? LineTime(.unix(decimals: 6), clock: clock) }
        return text
    }

    /// Runs to the end and returns the exit status.
    func run(over transports: [TransportShare], _ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        self.output.exchange(&output)
        defer { self.output.exchange(&output) }
        do throws(Errno) {
            try readTargets()
        } catch {
            throw Self.failure(error)
        }
        guard !isInterrupted else { return concludeUnbegun() }
        try prepare()
        let outcome: SweepOutcome
        do throws(Errno) {
            outcome = try measure(transports)
        } catch {
            throw Self.failure(error)
        }
        return try conclude(outcome)
    }

    private func measure(_ transports: [TransportShare]) throws(Errno) -> SweepOutcome {
        var lines = ReportBuffer()
        var reporter = report
        reporter.appendStart(
            SweepStart(
                configuration, rung: rung.rawValue, note: note, workers: transports.count,
                seed: options.sweep.orderSeed, time: SystemClock.realtime.now), to: &lines)
        _ = output.write(lines, errors: ReportBuffer())
        start = ProbeLoop<HostSweep>.now
        try startClock()
        defer { output.endProgress() }
        return try transports.count > 1 ? measureTogether(transports) : measureAlone(transports)
    }

    // MARK: Targets

    /// Takes the targets that are there at once, or all where their number has to be known before the first is asked.
    private func readTargets() throws(Errno) {
        let isWhole =
            options.sweep.orderSeed != nil || options.sweep.workers > 1 || files.resume?.found?.isClosed == true
        let needed = isWhole ? UInt64.max : files.resume?.found?.targets ?? 0
        var poller = try Poller()
        try poller.add(signals, token: 0)
        try poller.add(feed, token: 1)
        repeat {
            try take(
                feed.nextBatch(atMost: needed > space.count ? Int(clamping: needed - space.count) : Self.mostBacklog))
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
    func configuration(of worker: Int, among workers: Int) -> HostSweep.Configuration {
        var configuration = configuration
        let whole = configuration.shard
        let count = UInt32(workers)
        configuration.shard =
            Shard(whole.index + UInt32(worker) * whole.total, of: whole.total * count) ?? whole
        configuration.rate = configuration.rate.map { $0 / Double(workers) }
        configuration.resume = history.resume(configuration.shard) { target(at: $0) }
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

    // MARK: Supply

    /// Gives the sweep more targets when it has room for them. Throws what the kernel refuses.
    ///
    /// - Parameter isCalled: whether the feed asks for it, so that there may be something.
    func supply(_ sweep: inout HostSweep, isCalled: Bool) throws(Errno) {
        guard sweep.isOpen, isCalled || isFeedFull else { return }
        let backlog = sweep.backlog
        guard backlog < UInt64(Self.mostBacklog) / 2 else {
            // The feed shall not wake the loop again before there is room.
            if isCalled, !isFeedFull { isFeedFull = try feed.nextBatch(atMost: 0).entries.isEmpty }
            return
        }
        let room = Self.mostBacklog - Int(backlog)
        let batch = try feed.nextBatch(atMost: room)
        isFeedFull = batch.count &+ UInt64(batch.failures.count) >= UInt64(room)
        let now = ProbeLoop<HostSweep>.now
        for entry in batch.entries { sweep.apply(.appendRange(entry.addresses), at: now) }
        tell(batch.failures)
        if feed.isFinished { sweep.apply(.close, at: now) }
        guard sweep.space.count > Options.mostUnpaced, options.sweep.rate == nil, !toldOfRate else { return }
        toldOfRate = true
        output.tell("so many targets take long at \(Int(SweepOptions.defaultRate)) probes a second: see --rate")
    }

    /// Targets that are read ahead of the probes.
    private static let mostBacklog = 8_192

    // MARK: Clock

    /// Whether so much is known as was asked for, in this run and those before it.
    func isEnough(alive: UInt64) -> Bool {
        guard options.sweep.exitsFast, let needed = options.sweep.minimumReachable else { return false }
        return alive + history.counters.alive >= needed
    }

    /// Whether the deadline has passed.
    var isOver: Bool { end.map { $0 <= ProbeLoop<HostSweep>.now } ?? false }

    /// What was counted in this run and those before it.
    func sum(_ counters: HostSweep.Counters) -> HostSweep.Counters {
        var sum = history.counters
        sum += counters
        return sum
    }

    /// Does what is due by the clock; call it whenever the timer may have expired. Throws what the kernel refuses.
    func tick(_ counters: () -> (HostSweep.Counters, isOpen: Bool)) throws(Errno) {
        guard try timer.acknowledge() else { return }
        let now = ProbeLoop<HostSweep>.now
        if now >= nextProgress {
            let (counters, isOpen) = counters()
            output.show(sum(counters), isOpen: isOpen)
            nextProgress = now + progressInterval
        }
        if now >= nextLook { nextLook = now + Self.lookInterval }
        if now >= nextKeeping {
            nextKeeping = now + Self.keepingInterval
            isKeepingDue = !keepingFailed.isSet
        }
        try setTimer()
    }

    /// Whether it is to be taken down now how far the sweep is, once.
    func takeKeeping() -> Bool {
        defer { isKeepingDue = false }
        return isKeepingDue
    }

    /// Puts into the file of `--resume-file` how far the sweep was, so that little is lost should the process be killed. Of
    /// what was decided since, the next run asks again.
    func keep(_ outcome: SweepOutcome) {
        guard let file = files.resume else { return }
        let run = run(of: outcome, until: ProbeLoop<HostSweep>.now)
        let (history, sweep, order, output, failed) = (history, options.sweep, order, output, keepingFailed)
        _ = file.keep {
            history.progress(
                of: outcome.space, isClosed: !outcome.isOpen, seed: sweep.orderSeed, shard: sweep.shard, outcome.parts,
                run
            ) { target in
                guard let order, UInt64(target) < order.count else { return target }
                return order.position(of: target)
            }
        } onFailure: { failure in
            if !failed.isSet { output.tell(failure.line) }
            failed.set()
        }
    }

    /// What this run and those before it have come to.
    private func run(of outcome: SweepOutcome, until end: Timestamp) -> SweepRun {
        SweepRun(
            sum(outcome.counters), roundTrips: outcome.roundTrips, elapsed: end - start + history.elapsed,
            sending: (outcome.lastTransmit ?? start) - start + history.sending, time: SystemClock.realtime.now,
            inFlight: outcome.inFlight + history.inFlight, missedNames: feed.failureCount + missedOperands,
            lastSendFailure: outcome.lastSendFailure)
    }

    private func startClock() throws(Errno) {
        end = options.deadline.map { start + TimeSpan(nanoseconds: $0) }
        if showsProgress { nextProgress = start + progressInterval }
        // Lines that wait for names are told in time while nothing else happens.
        if options.forcesNames { nextLook = start + Self.lookInterval }
        if files.resume != nil { nextKeeping = start + Self.keepingInterval }
        try setTimer()
    }

    private func setTimer() throws(Errno) {
        var next = min(nextProgress, nextLook, nextKeeping)
        if let end, end > ProbeLoop<HostSweep>.now { next = min(next, end) }
        if next.nanoseconds < .max { try timer.set(to: next.nanoseconds) }
    }

    private var showsProgress: Bool {
        switch options.sweep.progress {
        case .auto: output.isTerminal && !options.isQuiet
        case .always: true
        case .never: false
        }
    }

    private var progressInterval: TimeSpan { output.isTerminal ? .milliseconds(250) : .seconds(10) }
    private static let lookInterval = TimeSpan.milliseconds(250)
    private static let keepingInterval = TimeSpan.seconds(2)

    // MARK: End

    /// Tells the total, keeps what is left for the next run, and returns the exit status.
    private func conclude(_ outcome: SweepOutcome) throws(ToolFailure) -> Int32 {
        let end = ProbeLoop<HostSweep>.now
        output.endProgress()
        var run = run(of: outcome, until: end)
        let counters = run.counters
        let isComplete = !outcome.isOpen && counters.remaining == 0
        if !options.sweep.assertions.isEmpty {
            run.failures = SweepAssertion.failures(of: run, by: options.sweep.assertions)
        }
        var lines = ReportBuffer()
        var reporter = report
        reporter.appendSummary(run, to: &lines)
        // Where nobody got the lines, nothing is known, and the next run does it again.
        guard output.write(lines, errors: ReportBuffer()) else {
            if output.isStuck { reportErrors(report.totalLines(run)) }
            return 1
        }
        if counters.targets == 0, run.missedNames == 0 {
            output.tell("there are no targets")
            return 2
        }
        reportErrors(report.totalLines(run))
        if let file = files.resume {
            if isComplete {
                file.remove()
            } else {
                try file.write(
                    history.progress(
                        of: outcome.space, isClosed: !outcome.isOpen, seed: options.sweep.orderSeed,
                        shard: options.sweep.shard, outcome.parts, run
                    ) { position(of: $0) })
            }
        }
        let failures = run.failures ?? []
        if !options.isJSON { for failure in failures { output.tell("failed: \(failure)") } }
        let status = exitStatus(counters, isComplete: isComplete, missed: run.missedNames > 0)
        return max(status, failures.isEmpty ? 0 : 1)
    }

    /// The end of a sweep that was interrupted before the first probe, when not all of its targets were known.
    private func concludeUnbegun() -> Int32 {
        var counters = HostSweep.Counters()
        counters.targets = options.sweep.shard.count(of: space.count)
        let none = TimeSpan(nanoseconds: 0)
        let run = SweepRun(
            counters, roundTrips: RoundTripStatistics(withPercentiles: false), elapsed: none,
            time: SystemClock.realtime.now, missedNames: feed.failureCount + missedOperands)
        var lines = ReportBuffer()
        var reporter = report
        reporter.appendSummary(run, to: &lines)
        if output.write(lines, errors: ReportBuffer()) { reportErrors(report.totalLines(run)) }
        return 1
    }

    /// 2 where something could not be asked for reasons of this host or the command line, else whether enough is alive.
    private func exitStatus(_ counters: HostSweep.Counters, isComplete: Bool, missed: Bool) -> Int32 {
        if missed || counters.transmitted == 0 && counters.unasked > 0 { return 2 }
        if let needed = options.sweep.minimumReachable { return counters.alive >= needed ? 0 : 1 }
        return isComplete && counters.alive == counters.targets ? 0 : 1
    }
}
