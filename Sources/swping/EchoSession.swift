import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// One run of `EchoSweep` with its report.
final class EchoSession {
    private let options: Options
    private let configuration: EchoSweep.Configuration
    private let rung: Rung
    private let note: String?
    /// What standard output gets.
    private var report: any EchoReport
    /// What standard error gets: ping's lines, whatever the report.
    private let text: EchoTextReport
    private var buffer = ReportBuffer()
    /// Names of responders, as far as they are known.
    private var names: [IPAddress: SafeText] = [:]
    /// The last failure that was told for each target: told again only when it changes.
    private var toldFailures: [Int: SendFailure] = [:]
    private let resolver: ReverseResolver

    /// Throws when the kernel refuses a descriptor.
    init(
        targets: [ResolvedHost], options: Options, rung: Rung, note: String?, method: ProbeMethod
    ) throws(ToolFailure) {
        self.options = options
        self.rung = rung
        self.note = note
        var addresses: [IPAddress] = []
        var reported: [ReportTarget] = []
        for target in targets {
            guard case .success(let address) = target.address else { continue }
            addresses.append(address)
            reported.append(ReportTarget(name: SafeText(target.name), address: address))
        }
        var configuration = EchoSweep.Configuration(targets: addresses)
        configuration.count = options.count
        configuration.interval = TimeSpan(nanoseconds: options.interval)
        configuration.timeout = TimeSpan(nanoseconds: options.timeout)
        configuration.deadline = options.deadline.map(TimeSpan.init(nanoseconds:))
        configuration.method = method
        configuration.payloadLength = options.payloadLength
        configuration.hopLimit = options.hopLimit
        if method == .icmpTimestamp {
            configuration.payloadLength = ICMPTimestampMessage.length - ICMPHeader.length
            if options.interval >= 10_000_000, options.interval % 1_000_000 == 0 {
                configuration.interval = configuration.interval + Self.goldenMillisecond
            }
            configuration.wallClockOffset = SystemClock.realtime.now - ProbeLoop<EchoSweep>.now.nanoseconds
        }
        self.configuration = configuration
        let zones = Resolver.zoneNames(of: addresses).mapValues { SafeText(name: $0) }
        var text = EchoTextReport(targets: reported, method: method, payloadLength: configuration.payloadLength)
        text.reportsTimeouts = options.isVerbose
        text.zones = zones
        self.text = text
        if options.isJSON {
            var json = EchoJSONReport(targets: reported, method: method)
            json.zones = zones
            json.clock = WallClock(SystemClock.realtime.now, at: ProbeLoop<EchoSweep>.now)
            report = json
        } else {
            report = text
        }
        do throws(Errno) {
            resolver = try ReverseResolver()
        } catch {
            throw ToolFailure("cannot ask for names: \(error)")
        }
        guard !options.isNumeric else { return }
        for target in targets where !target.isNumeric {
            if case .success(let address) = target.address { resolver.lookUp(address) }
        }
    }

    /// Runs to the end and returns the exit status.
    func run(over transport: consuming ProbeTransport, _ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        do throws(Errno) {
            return try measure(over: transport, &output)
        } catch {
            throw ToolFailure("the system refuses to go on: \(error) (\(error.name))")
        }
    }

    private func measure(over transport: consuming ProbeTransport, _ output: inout OutputWriter) throws(Errno) -> Int32
    {
        let signals = try SignalDescriptor([.interrupt, .terminate, .quit])
        report.appendStart(
            EchoStart(configuration, rung: rung.rawValue, note: note, time: SystemClock.realtime.now), to: &buffer)
        let start = ProbeLoop<EchoSweep>.now
        var loop = try ProbeLoop(EchoSweep(configuration, start: start), over: transport)
        try loop.run(
            signals: signals, other: resolver,
            onEvent: { event, _ in take(event) },
            onSignal: { signal, sweep in
                if signal == .quit {
                    tellInterim(sweep)
                } else {
                    sweep.stop(at: ProbeLoop<EchoSweep>.now)
                }
            },
            onOther: { takeNames() },
            afterBatch: {
                output.write(buffer.bytes)
                buffer.removeAll()
                return output.flush()
            })
        let sweep = loop.measurement
        var run = EchoRun(
            elapsed: ProbeLoop<EchoSweep>.now - start, time: SystemClock.realtime.now,
            unsolicited: sweep.unsolicited + loop.transport.counters.foreign, missed: sweep.missed,
            droppedHere: loop.transport.counters.droppedHere)
        run.clocks = sweep.clocks.map(\.estimate)
        report.appendSummary(sweep.statistics, run: run, to: &buffer)
        output.write(buffer.bytes)
        return exitStatus(of: sweep.statistics)
    }

    private func take(_ event: EchoEvent) {
        let now = ProbeLoop<EchoSweep>.now
        // A local failure is told apart from what the network did.
        if case .unsent(let target, _, let failure) = event, !options.isJSON {
            guard toldFailures.updateValue(failure, forKey: target) != failure else { return }
            var line = ReportBuffer()
            text.append(event, at: now, to: &line)
            var errors = OutputWriter(descriptor: 2)
            errors.write("\(Tool.name): ")
            errors.write(line.bytes)
            errors.flush()
        } else if !options.isQuiet {
            report.append(event, name: name(of: event), at: now, to: &buffer)
        }
    }

    private func name(of event: EchoEvent) -> SafeText? {
        switch event {
        case .reply(let reply): names[reply.responder]
        case .error(let error): names[error.responder]
        case .timeout, .unsent: nil
        }
    }

    private func takeNames() {
        while let (address, name) = resolver.nextAnswer() {
            if let name { names[address] = SafeText(name: name) }
        }
    }

    private func tellInterim(_ sweep: EchoSweep) {
        var interim = ReportBuffer()
        text.appendInterim(sweep.statistics, to: &interim)
        var errors = OutputWriter(descriptor: 2)
        errors.write(interim.bytes)
        errors.flush()
    }

    /// 0 when every target answered (with a count and a deadline: that often), 2 when one could not be sent to at all.
    private func exitStatus(of statistics: [EchoStatistics]) -> Int32 {
        if statistics.contains(where: { $0.transmitted == 0 && $0.unsent > 0 }) { return 2 }
        let needed = options.deadline == nil ? 1 : options.count ?? 1
        return statistics.allSatisfy { $0.received >= needed } ? 0 : 1
    }

    /// The golden section of a millisecond: probes that far out of step fill the gaps in it evenly.
    private static let goldenMillisecond = TimeSpan(nanoseconds: 618_034)
}
