import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// One run of fping: a measurement with its report, and what comes behind it.
final class FpingSession {
    private let options: FpingOptions
    private let targets: FpingTargets
    private let style: FpingStyle
    private var made = FpingOutput()
    /// What is to be written, in its order.
    private var pieces: [(isError: Bool, bytes: [UInt8])] = []
    private var isEnough = false

    init(_ options: FpingOptions, _ targets: FpingTargets) {
        self.options = options
        self.targets = targets
        var style = FpingStyle()
        style.isQuiet = options.isQuiet
        style.isVerbose = options.isVerbose && !options.isCounting
        style.showsAlive = options.showsAlive
        style.showsUnreachable = options.showsUnreachable
        style.showsElapsed = options.showsElapsed
        style.showsProbes = options.loops ? options.reportInterval == 0 : options.isCounting && options.isVerbose
        style.listsRoundTrips = options.listsRoundTrips
        style.showsOutage = options.showsOutage
        style.period = TimeSpan(nanoseconds: options.period)
        style.reportInterval = TimeSpan(nanoseconds: options.reportInterval)
        style.isCumulative = options.isCumulative
        style.isNetdata = options.isNetdata
        style.showsHopLimit = options.showsHopLimit
        style.showsTrafficClass = options.showsTrafficClass
        style.isJSON = options.isJSON
        style.clock = WallClock(SystemClock.realtime.now, at: ProbeLoop<EchoSweep>.now)
        style.localOffset = Options.utcOffset
        if options.showsTimes {
            style.time = LineTime(
                options.timeFormat, clock: style.clock, utcOffset: Int32(truncatingIfNeeded: style.localOffset))
        }
        style.zones = targets.zones
        self.style = style
    }

    // MARK: Counting

    /// `-c`, `-C` and `-l`. Returns the exit status.
    func count(over transport: consuming ProbeTransport, _ output: inout OutputWriter) throws(Errno) -> Int32 {
        let signals = try SignalDescriptor([.interrupt, .terminate, .quit])
        let idle = try WakeDescriptor()
        var report = FpingReport(targets: targets.reported, style: style)
        let start = ProbeLoop<EchoSweep>.now
        let interval = TimeSpan(nanoseconds: options.reportInterval)
        var loop = try ProbeLoop(EchoSweep(configuration, start: start), over: transport)
        try loop.run(
            signals: signals, other: idle,
            onEvent: { event, _ in
                let now = ProbeLoop<EchoSweep>.now
                if case .interval(let sums) = event {
                    // The end of the run cuts the last one short, and fping leaves that out.
                    guard sums.target == 0, (sums.end - start).nanoseconds % interval.nanoseconds == 0 else { return }
                    report.appendInterval(at: now, to: &made)
                } else {
                    report.append(event, at: now, to: &made)
                }
                file()
                if options.endsWhenEnough, let needed = options.needed, report.totals.alive >= needed {
                    isEnough = true
                }
            },
            onSignal: { signal, sweep in
                let now = ProbeLoop<EchoSweep>.now
                guard signal == .quit else { return sweep.stop(at: now) }
                report.appendInterval(at: now, isAsked: true, to: &made)
                file()
            },
            onOther: { _ in },
            afterBatch: { write(&output) && !isEnough })
        report.appendSummary(to: &made)
        var totals = report.totals
        totals.sent = loop.measurement.statistics.reduce(0) { $0 + $1.transmitted }
        totals.elapsed = ProbeLoop<EchoSweep>.now - start
        return finish(totals, &output)
    }

    /// That of the probes, nil where nobody said.
    private var hopLimit: UInt8? { options.hopLimit.map { UInt8(truncatingIfNeeded: $0) } }

    private var configuration: EchoSweep.Configuration {
        var configuration = EchoSweep.Configuration(targets: TargetList(targets.space))
        configuration.count = options.loops ? nil : options.count
        configuration.interval = style.period
        configuration.targetGap = TimeSpan(nanoseconds: options.gap)
        configuration.timeout = options.patience
        configuration.method = options.wantsTimestamps ? .icmpTimestamp : .icmpEcho
        configuration.payloadLength = Int(options.payloadLength)
        configuration.hopLimit = hopLimit ?? configuration.hopLimit
        configuration.multicastHopLimit = hopLimit ?? configuration.multicastHopLimit
        configuration.trafficClass = options.trafficClass
        configuration.dontFragment = options.dontFragment
        configuration.wantsKernelStamps = options.wantsKernelStamps
        configuration.errorsConclude = false
        configuration.takesAnswersFromAnyone = !options.checksSource
        configuration.waitsForLateAnswers = false
        if options.reportInterval > 0 { configuration.summaryInterval = style.reportInterval }
        configuration.wallClockOffset = style.clock.offset
        return configuration
    }

    // MARK: Who is up

    /// Without these. Returns the exit status.
    func ask(over transport: consuming ProbeTransport, _ output: inout OutputWriter) throws(Errno) -> Int32 {
        let signals = try SignalDescriptor([.interrupt, .terminate, .quit])
        let idle = try WakeDescriptor()
        var report = FpingHostReport(names: targets.names, style: style)
        let start = ProbeLoop<HostSweep>.now
        var loop = try ProbeLoop(HostSweep(hostConfiguration, start: start), over: transport)
        try loop.run(
            signals: signals, other: idle,
            onEvent: { event, _ in
                report.append(event, to: &made)
                file()
                if options.endsWhenEnough, let needed = options.needed, report.alive >= needed { isEnough = true }
            },
            onSignal: { signal, sweep in
                let now = ProbeLoop<HostSweep>.now
                guard signal == .quit else { return sweep.stop(at: now) }
                totals(sweep, report, since: start).append(to: &made.errors)
                file()
            },
            onOther: { _ in },
            afterBatch: { _ in write(&output) && !isEnough })
        report.appendUnreachable(of: targets.space, to: &made.lines) { lines in
            output.write(lines.bytes)
            lines.removeAll()
        }
        return finish(totals(loop.measurement, report, since: start), &output)
    }

    private var hostConfiguration: HostSweep.Configuration {
        var configuration = HostSweep.Configuration(targets.space)
        configuration.retries = Int(options.retries)
        configuration.timeout = options.patience
        configuration.backoff = options.backoff
        configuration.rate = options.gap == 0 ? nil : 1e9 / Double(options.gap)
        configuration.method = options.wantsTimestamps ? .icmpTimestamp : .icmpEcho
        configuration.payloadLength = Int(options.payloadLength)
        configuration.hopLimit = hopLimit ?? configuration.hopLimit
        configuration.multicastHopLimit = hopLimit ?? configuration.multicastHopLimit
        configuration.trafficClass = options.trafficClass
        configuration.dontFragment = options.dontFragment
        configuration.wantsKernelStamps = options.wantsKernelStamps
        configuration.wantsPercentiles = false
        configuration.takesAnswersFromAnyone = !options.checksSource
        configuration.keepsAskingAfterErrors = true
        configuration.wallClockOffset = style.clock.offset
        return configuration
    }

    private func totals(_ sweep: borrowing HostSweep, _ report: FpingHostReport, since start: Timestamp) -> FpingTotals
    {
        let counters = sweep.counters
        var totals = FpingTotals()
        totals.targets = targets.space.count
        totals.alive = counters.alive
        totals.timeouts = counters.transmitted - min(counters.transmitted, counters.alive + sweep.inFlight)
        totals.sent = counters.transmitted
        totals.replies = counters.received + counters.late + counters.duplicates
        totals.others = report.others
        totals.minimum = sweep.roundTrips.minimum
        totals.mean = TimeSpan(nanoseconds: Int64(sweep.roundTrips.mean))
        totals.maximum = sweep.roundTrips.maximum
        totals.elapsed = ProbeLoop<HostSweep>.now - start
        return totals
    }

    // MARK: The end

    private func finish(_ counted: FpingTotals, _ output: inout OutputWriter) -> Int32 {
        var totals = counted
        totals.unknown = targets.unknown
        if let needed = options.needed {
            let words = totals.alive >= needed ? "Enough" : "Not enough"
            file()
            made.lines.append("\(words) hosts reachable (required: \(needed), reachable: \(totals.alive))\n")
            file()
        }
        if options.showsStatistics {
            file()
            if style.isJSON { totals.appendJSON(to: &made.lines) } else { totals.append(to: &made.errors) }
        }
        file()
        _ = write(&output)
        if let needed = options.needed { return totals.alive >= needed ? 0 : 1 }
        return totals.unknown > 0 ? 2 : totals.unreachable > 0 ? 1 : 0
    }

    /// Puts what was made behind what waits to be written.
    private func file() {
        file(&made.lines, isError: false)
        file(&made.errors, isError: true)
    }

    private func file(_ buffer: inout ReportBuffer, isError: Bool) {
        guard !buffer.isEmpty else { return }
        if pieces.last?.isError == isError {
            pieces[pieces.count - 1].bytes += buffer.bytes
        } else {
            pieces.append((isError, buffer.bytes))
        }
        buffer.removeAll()
    }

    /// Hands everything to the system, in the order in which it was made. Returns whether output is still possible.
    private func write(_ output: inout OutputWriter) -> Bool {
        for piece in pieces {
            if piece.isError {
                output.flush()
                reportErrors(piece.bytes)
            } else {
                output.write(piece.bytes)
            }
        }
        pieces.removeAll()
        return output.flush()
    }
}
