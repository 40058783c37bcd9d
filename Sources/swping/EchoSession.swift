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
    private var text: EchoTextReport
    /// Takes the place of both where the run speaks as ping.
    private var ping: PingReport?
    /// Whether the report is a picture that wants to know how large the terminal is.
    private var isPicture = false
    private var buffer = ReportBuffer()
    /// Lines for standard error, which go behind what standard output gets, so that a terminal shows them in order.
    private var errors = ReportBuffer()
    /// Names of responders, as far as they are known.
    private var names: [IPAddress: SafeText] = [:]
    /// Responders whose name was asked for.
    private var asked: Set<IPAddress> = []
    /// Those of them whose name lines wait for.
    private var awaited: Set<IPAddress> = []
    /// Events whose lines wait for a name, and all behind them, since when.
    private var waiting: [(event: EchoEvent, since: Timestamp)] = []
    private let targets: EchoTargets
    /// What became of each probe, where that is to be listed.
    private var slots: EchoSlots?
    /// Which targets have answered, where the run ends when enough of them have, and how many.
    private var hasAnswered: [Bool] = []
    private var answering: UInt64 = 0
    /// The last failure that was told for each target: told again only when it changes.
    private var toldFailures: [Int: SendFailure] = [:]
    private let resolver: ReverseResolver
    private var watch: AddressWatch?
    private var capture: CaptureFile?
    private let ending = EndFlag()

    /// Throws when the kernel refuses a descriptor.
    init(
        targets: EchoTargets, options: Options, rung: Rung, note: String?, method: ProbeMethod,
        broadcasts: [IPAddress]
    ) throws(ToolFailure) {
        self.options = options
        self.rung = rung
        self.note = note
        self.targets = targets
        let (addresses, reported) = (targets.addresses, targets.reported)
        var configuration = EchoSweep.Configuration(targets: addresses)
        configuration.count = options.count
        configuration.timeout = TimeSpan(nanoseconds: options.timeout)
        configuration.deadline = options.deadline.map(TimeSpan.init(nanoseconds:))
        configuration.method = method
        configuration.payloadLength = options.payloadLength
        configuration.hopLimit = options.hopLimit
        configuration.reportsOutstanding = options.reportsOutstanding
        configuration.timesInProcess = options.isUserToUser
        configuration.reportsUnsolicited = options.isVerbose || options.hasRows
        configuration.multicastHopLimit = options.multicastHopLimit
        configuration.trafficClass = options.trafficClass
        configuration.broadcasts = broadcasts
        try options.schedule(&configuration)
        // Marks of floods are text, and a picture shows what it waits for; in other reports every event has a line.
        let showsSends = options.isFlood || options.pictureWindow != nil
        configuration.reportsSends = showsSends && !options.hasRows && !options.isQuiet
        if let persona = options.ping { Self.waitAsPing(persona, &configuration) }
        configuration.summaryInterval = options.summaryInterval.map(TimeSpan.init(nanoseconds:))
        if method == .icmpTimestamp {
            configuration.payloadLength = ICMPTimestampMessage.length - ICMPHeader.length
            if options.interval >= 10_000_000, options.interval % 1_000_000 == 0 {
                configuration.interval = configuration.interval + Self.goldenMillisecond
            }
            configuration.wallClockOffset = SystemClock.realtime.now - ProbeLoop<EchoSweep>.now.nanoseconds
        }
        self.configuration = configuration
        let zones = Self.zoneNames(of: addresses)
        var text = EchoTextReport(targets: reported, method: method, payloadLength: configuration.payloadLength)
        text.reportsTimeouts = options.isVerbose
        text.style = Self.style(options)
        text.hasKernelSendTimes = configuration.wantsKernelStamps
        text.pairs = targets.pairs
        text.isBrief = targets.isMany
        text.zones = zones
        self.text = text
        if let persona = options.ping { ping = PingReport(text, program: persona.program) }
        if options.isJSON {
            var json = EchoJSONReport(targets: reported, method: method)
            json.zones = zones
            json.clock = WallClock(SystemClock.realtime.now, at: ProbeLoop<EchoSweep>.now)
            report = json
        } else if options.isCSV {
            var table = EchoCSVReport(targets: reported, method: method)
            table.zones = zones
            table.clock = WallClock(SystemClock.realtime.now, at: ProbeLoop<EchoSweep>.now)
            report = table
        } else if let window = options.pictureWindow {
            report = EchoHeatReport(
                text, in: window, hasColor: options.wantsColor, hasBlocks: Terminal.isUnicode)
            isPicture = true
        } else {
            report = text
        }
        do throws(Errno) {
            resolver = try ReverseResolver()
        } catch {
            throw ToolFailure("cannot ask for names: \(error)")
        }
        if options.listsSlots { slots = options.count.flatMap { EchoSlots($0, targets: addresses.count) } }
        if options.sweep.exitsFast { hasAnswered = Array(repeating: false, count: addresses.count) }
        guard !options.isNumeric else { return }
        for target in addresses.indices where wantsName(of: target) {
            guard asked.count < Self.maximumNames else { break }
            askForName(of: addresses[target])
        }
    }

    /// Whether names are wanted for what comes from a target, or for the errors of routers on the way there.
    private func wantsName(of target: Int) -> Bool {
        !options.isNumeric && (options.forcesNames || targets.isNamed(target))
    }

    /// Nothing is late for ping.
    private static func waitAsPing(_ persona: PingPersona, _ configuration: inout EchoSweep.Configuration) {
        configuration.lastWait = TimeSpan(nanoseconds: persona.lastWait)
        configuration.timeout = TimeSpan(
            nanoseconds: max(60_000_000_000, persona.lastWait, configuration.interval.nanoseconds))
        configuration.reportsSends = true
        configuration.reportsUnsolicited = false
    }

    /// The zones that answers may come from: those of the targets, and for a group without one all.
    private static func zoneNames(of addresses: TargetList) -> [UInt32: SafeText] {
        guard addresses.contains(where: { $0.version == .v6 }) else { return [:] }
        var names = Resolver.zoneNames(of: addresses)
        if addresses.contains(where: { $0.version == .v6 && $0.isMulticast && $0.zone == 0 }) {
            for interface in (try? Interface.all()) ?? [] { names[interface.index] = interface.name }
        }
        return names.mapValues { SafeText(name: $0) }
    }

    private static func style(_ options: Options) -> PingStyle {
        var style = PingStyle()
        style.time = options.lineTime
        if options.showsTimes { style.clock = WallClock(SystemClock.realtime.now, at: ProbeLoop<EchoSweep>.now) }
        style.isFlood = options.isFlood
        style.showsGap = options.isFlood || options.isAdaptive || options.interval == 0
        style.isAudible = options.isAudible
        style.alwaysHasDecimals = options.alwaysHasDecimals
        style.isUserToUser = options.isUserToUser
        style.isQuiet = options.isQuiet
        return style
    }

    /// Runs to the end and returns the exit status.
    ///
    /// - Parameter capture: gets every packet.
    func run(
        over transport: consuming ProbeTransport, capturing capture: CaptureFile?, _ output: inout OutputWriter
    ) throws(ToolFailure) -> Int32 {
        self.capture = capture
        output.isEnding = { [ending] in ending.isSet }
        do throws(Errno) {
            if let capture { try transport.attach(capture) }
            return try measure(over: transport, &output)
        } catch {
            throw ToolFailure("the system refuses to go on: \(error) (\(error.name))")
        }
    }

    private func measure(over transport: consuming ProbeTransport, _ output: inout OutputWriter) throws(Errno) -> Int32
    {
        // SIGTERM ends ping without a word.
        let signals = try SignalDescriptor(ping == nil ? [.interrupt, .terminate, .quit] : [.interrupt, .quit])
        if var text = report as? EchoTextReport {
            describe(&transport, in: &text.style)
            report = text
        }
        let description = EchoStart(
            configuration, rung: rung.rawValue, note: note, time: SystemClock.realtime.now)
        if ping != nil {
            try startPing(description, &transport)
            _ = write(&output)
            if isTooFastForPing { return 2 }
        } else {
            report.appendStart(description, to: &buffer) { buffer in
                output.write(buffer.bytes)
                buffer.removeAll()
            }
        }
        if let interval = options.resolveInterval, !targets.watched.isEmpty {
            watch = try AddressWatch(targets.watched, every: interval, usable: transport.versions, beside: resolver)
        }
        let input: any DescriptorOwner = watch ?? resolver
        let start = ProbeLoop<EchoSweep>.now
        var loop = try ProbeLoop(EchoSweep(configuration, start: start), over: transport)
        try loop.run(
            signals: signals, other: input,
            onEvent: { event, _ in take(event) },
            onSignal: { signal, sweep in
                if signal == .quit {
                    if let ping {
                        ping.appendInterim(to: &errors)
                    } else {
                        text.appendInterim(sweep.statistics, to: &errors)
                    }
                } else {
                    ending.set()
                    sweep.stop(at: ProbeLoop<EchoSweep>.now)
                }
            },
            onOther: {
                takeNames()
                takeAddresses(&$0)
            },
            afterBatch: {
                if !waiting.isEmpty {
                    tellWaiting(since: ProbeLoop<EchoSweep>.now + TimeSpan(nanoseconds: -Self.patience))
                }
                return write(&output) && !isOverForPing && !isEnough
            })
        let end = ProbeLoop<EchoSweep>.now
        try waitForNames(until: end.nanoseconds + Self.patience)
        tellWaiting(since: Timestamp(nanoseconds: .max))
        let sweep = loop.measurement
        if let ping {
            ping.appendSummary(
                sending: sweep.lastTransmit - (sweep.firstTransmit ?? start), pipe: sweep.statistics.first?.pipe ?? 0,
                to: &buffer)
            _ = write(&output)
            return ping.exitStatus(count: options.count, hasDeadline: options.deadline != nil)
        }
        var run = EchoRun(
            elapsed: end - start, sending: sweep.lastTransmit - start, time: SystemClock.realtime.now,
            unsolicited: sweep.unsolicited + loop.transport.counters.foreign, missed: sweep.missed,
            droppedHere: loop.transport.counters.droppedHere)
        run.clock = WallClock(run.time, at: end)
        run.clocks = sweep.clocks.map(\.estimate)
        run.slots = slots
        run.period = configuration.round
        let failures = EchoFailure.all(of: sweep.statistics, by: options.assertions)
        if !options.assertions.isEmpty { run.failures = failures }
        report.appendSummary(sweep.statistics, run: run, to: &buffer) { buffer in
            output.write(buffer.bytes)
            buffer.removeAll()
        }
        if options.isCSV {
            text.appendSummary(sweep.statistics, run: run, to: &errors) { errors in
                reportErrors(errors.bytes)
                errors.removeAll()
            }
        }
        if let failure = capture?.finish() { errors.append("\(Tool.name): \(failure)\n") }
        _ = write(&output)
        if !options.isJSON { tell(failures) }
        return max(exitStatus(of: sweep.statistics), failures.isEmpty ? 0 : 1)
    }

    /// Says on standard error what the run failed by, behind the summary.
    private func tell(_ failures: [EchoFailure]) {
        for failure in failures {
            reportLine("failed: \(failure.reason) (\(text.targets[failure.target].name))", from: Tool.name)
        }
    }

    private func take(_ event: EchoEvent) {
        slots?.take(event)
        if !hasAnswered.isEmpty { countAnswering(event) }
        // By far the most frequent event, which floods copy for nothing.
        if case .reply = event, options.isQuiet, !options.isAudible, ping == nil { return }
        if case .error(let error) = event, wantsName(of: error.target), asked.count < Self.maximumNames {
            askForName(of: error.responder)
        }
        let now = ProbeLoop<EchoSweep>.now
        guard !awaited.isEmpty || !waiting.isEmpty else { return tell(event, at: now) }
        waiting.append((event, now))
        tellWaiting(since: now + TimeSpan(nanoseconds: -Self.patience))
    }

    private func countAnswering(_ event: EchoEvent) {
        guard case .reply(let reply) = event, reply.disposition == .inTime, !hasAnswered[reply.target] else { return }
        hasAnswered[reply.target] = true
        answering += 1
    }

    /// Whether so much is known as was asked for.
    private var isEnough: Bool {
        guard let needed = options.sweep.minimumReachable, options.sweep.exitsFast else { return false }
        return answering >= needed
    }

    private func tell(_ event: EchoEvent, at now: Timestamp) {
        if ping != nil {
            // What comes behind the last answer ping does not see.
            guard !isOverForPing else { return }
            ping?.append(event, name: name(of: event), at: now, to: &buffer, errors: &errors)
            return
        }
        if case .address(let target, _, let address, _) = event {
            report.targets[target].address = address
            text.targets[target].address = address
        }
        // A local failure is told apart from what the network did.
        if case .unsent(let target, _, let failure) = event, !options.hasRows, !isPicture {
            guard toldFailures.updateValue(failure, forKey: target) != failure else { return }
            errors.append("\(Tool.name): ")
            if case .failed(_, _, let mtu?) = failure {
                text.appendTooLong(target, mtu: mtu, to: &errors)
            } else {
                text.append(event, at: now, to: &errors)
            }
            return
        }
        if options.isQuiet {
            // What was asked for by a letter of its own is told nevertheless, as ping does.
            switch event {
            case .outstanding, .interval: break
            default: return ring(event)
            }
        } else if !(report is EchoTextReport) {
            ring(event)
        }
        if options.isCSV, case .interval = event { text.append(event, at: now, to: &errors) }
        report.append(event, name: name(of: event), at: now, to: &buffer)
    }

    /// Rings where no line of text has the bell in it.
    private func ring(_ event: EchoEvent) {
        guard options.isAudible, case .reply(let reply) = event, reply.disposition == .inTime else { return }
        errors.append("\u{7}")
    }

    // MARK: Names

    private func name(of event: EchoEvent) -> SafeText? { responder(of: event).flatMap { names[$0] } }

    private func responder(of event: EchoEvent) -> IPAddress? {
        switch event {
        case .reply(let reply): reply.responder
        case .error(let error): error.responder
        default: nil
        }
    }

    private func askForName(of address: IPAddress) {
        guard asked.insert(address).inserted, resolver.lookUp(address) else { return }
        awaited.insert(address)
    }

    private func takeNames() {
        while let (address, name) = resolver.nextAnswer() {
            awaited.remove(address)
            if let name { names[address] = SafeText(name: name) }
        }
    }

    private func takeAddresses(_ sweep: inout EchoSweep) {
        while let finding = watch?.nextFinding() {
            switch finding {
            case .moved(let target, let address):
                sweep.apply(.setAddress(target: target, address), at: ProbeLoop<EchoSweep>.now)
                if wantsName(of: target), asked.count < Self.maximumNames { askForName(of: address) }
            case .failed(let target, let error):
                errors.append("\(Tool.name): \(SafeText("\(error)")); still asking \(sweep.addresses[target])\n")
            }
        }
    }

    /// Tells of events in their order, as long as their names are known or they have waited since `instant` or longer.
    private func tellWaiting(since instant: Timestamp) {
        var count = 0
        while count < waiting.count {
            let (event, since) = waiting[count]
            if let responder = responder(of: event), awaited.contains(responder) {
                guard since <= instant else { break }
                // A name service that does not answer keeps one line waiting, not each.
                awaited.remove(responder)
            }
            tell(event, at: since)
            count += 1
        }
        waiting.removeFirst(count)
    }

    /// Waits for the names that lines wait for, but not past `instant`.
    private func waitForNames(until instant: Int64) throws(Errno) {
        try waitForNames(of: waiting.compactMap { responder(of: $0.event) }, until: instant)
    }

    private func waitForNames(of addresses: [IPAddress], until instant: Int64) throws(Errno) {
        guard addresses.contains(where: awaited.contains) else { return }
        var poller = try Poller()
        try poller.add(resolver, token: 0)
        while addresses.contains(where: awaited.contains) {
            let left = (instant - ProbeLoop<EchoSweep>.now.nanoseconds) / 1_000_000
            guard left > 0 else { return }
            try poller.wait(timeoutMilliseconds: Int32(left))
            takeNames()
        }
    }

    // MARK: As ping

    /// Over IPv6 the first line has the name of the address in it.
    private func startPing(_ start: EchoStart, _ transport: inout ProbeTransport) throws(Errno) {
        let address = configuration.targets[0]
        if address.version == .v6, awaited.contains(address) {
            try waitForNames(of: [address], until: ProbeLoop<EchoSweep>.now.nanoseconds + Self.patience)
        }
        ping?.describe {
            describe(&transport, in: &$0)
            // ping takes room for as many as there may be.
            if $0.optionsLength > 0 { $0.optionsLength = Self.longestOptions }
        }
        ping?.appendStart(start, name: names[address], to: &buffer)
    }

    /// Octets of options that an IPv4 header has room for.
    private static let longestOptions = 40

    /// ping tells a user so behind its first line.
    private var isTooFastForPing: Bool {
        guard let persona = options.ping, options.isTooFastForUsers else { return false }
        reportLine("cannot flood; minimal interval allowed for user is 2ms", from: persona.program)
        return true
    }

    private var isOverForPing: Bool {
        ping?.isOver(count: options.count, hasDeadline: options.deadline != nil) ?? false
    }

    // MARK: Means

    /// What lines tell of the sockets that probes go by.
    private func describe(_ transport: inout ProbeTransport, in style: inout PingStyle) {
        style.pattern = options.pattern
        style.flowLabel = options.flowLabel
        style.optionsLength = (try? options.ipv4Options.encoded())?.count ?? 0
        style.device = options.device.map { SafeText(name: $0) }
        if options.source != nil || options.device != nil || options.keepsSource {
            style.sources = configuration.targets.map { try? transport.source(to: $0) }
        }
        guard options.isVerbose else { return }
        for version in transport.versions { style.identifiers[version] = transport.identity(version) }
    }

    private func write(_ output: inout OutputWriter) -> Bool {
        if let failure = capture?.flush() { errors.append("\(Tool.name): \(failure)\n") }
        if isPicture { report.finishBatch(in: Options.window, to: &buffer) }
        if errors.bytes.contains(UInt8(ascii: "\n")) { report.leaveLine(to: &buffer) }
        output.write(buffer.bytes)
        buffer.removeAll()
        let isOpen = output.flush()
        if !errors.isEmpty {
            reportErrors(errors.bytes)
            errors.removeAll()
        }
        return isOpen
    }

    /// 0 when every target answered (with a count and a deadline: that often), 2 when one could not be sent to at all.
    private func exitStatus(of statistics: [EchoStatistics]) -> Int32 {
        if let needed = options.sweep.minimumReachable {
            if statistics.allSatisfy({ $0.transmitted == 0 }) { return 2 }
            return statistics.lazy.filter { $0.received > 0 }.count >= needed ? 0 : 1
        }
        if statistics.contains(where: { $0.transmitted == 0 && $0.unsent > 0 }) { return 2 }
        let needed = options.deadline == nil ? 1 : options.count ?? 1
        return statistics.allSatisfy { $0.received >= needed } ? 0 : 1
    }

    /// How long printed names may keep lines waiting, in nanoseconds.
    private static let patience: Int64 = 250_000_000
    /// Errors may come from any number of forged addresses, and a name may have another address each time.
    private static let maximumNames = 1_024
    /// The golden section of a millisecond: probes that far out of step fill the gaps in it evenly.
    private static let goldenMillisecond = TimeSpan(nanoseconds: 618_034)
}
