import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// One run of `PathTrace` with its report: text or JSON.
final class TraceSession {
    /// Octets behind the transport header where no SIZE is given: packets of 60 octets over IPv4, 80 over IPv6.
    static let payloadLength = 32

    private let options: Options
    private let configuration: PathTrace.Configuration
    private let rung: Rung
    private let hasConstantFlow: Bool
    /// Octets of a probe behind its IP header where the kernel decides about them.
    private let transportLength: Int?
    private let note: String?
    private let text: PathTextReport
    private let json: PathJSONReport
    private let resolver: ReverseResolver
    private var buffer = ReportBuffer()
    /// Names of responders; nil where there is none.
    private var names: [IPAddress: SafeText?] = [:]
    private var asked: Set<IPAddress> = []
    /// Hops that wait for names, and since when.
    private var waiting: [(event: PathEvent, since: Timestamp)] = []
    private var toldFailure: SendFailure?

    /// Throws when the kernel refuses a descriptor.
    init(
        host: String, _ address: IPAddress, size: Int?, _ options: Options,
        over transport: borrowing ProbeTransport, note: String?
    ) throws(ToolFailure) {
        self.options = options
        rung = transport.rung
        let limits = transport.limits
        hasConstantFlow = limits.hasConstantFlow
        transportLength = transport.transportLength
        self.note = note
        var configuration = PathTrace.Configuration(destination: address)
        configuration.method = options.method
        configuration.firstHop = options.firstHop
        configuration.maximumHop = options.maximumHop
        configuration.queries = options.queries
        configuration.maximumWait = min(TimeSpan(nanoseconds: options.maximumWait), limits.wait ?? .seconds(3_600))
        configuration.hereFactor = options.hereFactor
        configuration.nearFactor = options.nearFactor
        configuration.tailWait = options.tailWait
        configuration.maximumDelay = options.maximumDelay
        configuration.gapLimit = options.gapLimit
        configuration.maximumInFlight = min(options.maximumInFlight, limits.inFlight ?? .max)
        configuration.pause = TimeSpan(nanoseconds: options.pause)
        configuration.trafficClass = options.trafficClass
        configuration.dontFragment = options.dontFragment
        configuration.changesPort = options.changesPort
        // Of ICMP as of UDP; a packet of another protocol has none.
        let header = if case .ip = configuration.method { 0 } else { UDPHeader.length }
        configuration.payloadLength = Self.payloadLength + UDPHeader.length - header
        if let size { configuration.payloadLength = max(0, size - Self.headerLength(address.version) - header) }
        if let bytes = try? randomBytes(8) { configuration.seed = bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        self.configuration = configuration
        let target = ReportTarget(name: SafeText(host), address: address)
        var text = PathTextReport(target: target)
        text.showsNames = !options.isNumeric
        text.showsExtensions = options.showsExtensions
        text.showsFlags = options.methodOptions.showsFlags
        var json = PathJSONReport(target: target, method: configuration.method)
        let zones = Resolver.zoneNames(of: [address]).mapValues { SafeText(name: $0) }
        text.zones = zones
        json.zones = zones
        self.text = text
        self.json = json
        do throws(Errno) {
            resolver = try ReverseResolver()
        } catch {
            throw ToolFailure("cannot ask for names: \(error)")
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

    private func measure(
        over transport: consuming ProbeTransport, _ output: inout OutputWriter
    ) throws(Errno) -> Int32 {
        let signals = try SignalDescriptor([.interrupt, .terminate])
        if options.isJSON {
            json.appendStart(
                configuration, packetLength: packetLength, rung: rung.rawValue,
                hasConstantFlow: hasConstantFlow, note: note, time: SystemClock.realtime.now, to: &buffer)
        } else {
            text.appendHeader(maximumHop: configuration.maximumHop, packetLength: packetLength, to: &buffer)
        }
        let start = ProbeLoop<PathTrace>.now
        var loop = try ProbeLoop(PathTrace(configuration), over: transport)
        try loop.run(
            signals: signals, other: resolver,
            onEvent: { event, trace in take(event, hasSent: trace.statistics.transmitted > 0) },
            onSignal: { _, trace in trace.stop(at: ProbeLoop<PathTrace>.now) },
            onOther: { _ in takeNames() },
            afterBatch: {
                reportWaiting(until: ProbeLoop<PathTrace>.now + TimeSpan(nanoseconds: -Self.patience))
                return write(&output)
            })
        let end = ProbeLoop<PathTrace>.now
        try waitForNames(until: end.nanoseconds + Self.patience)
        reportWaiting(until: Timestamp(nanoseconds: .max))
        let trace = loop.measurement
        if options.isJSON {
            json.appendSummary(
                trace.statistics, lastHop: trace.lastHop, isReached: trace.isReached, elapsed: end - start,
                foreign: loop.transport.counters.foreign, droppedHere: loop.transport.counters.droppedHere,
                resent: loop.transport.counters.resent,
                time: SystemClock.realtime.now, to: &buffer)
        }
        _ = write(&output)
        if trace.statistics.transmitted == 0, trace.statistics.unsent > 0 { return 2 }
        return trace.isReached ? 0 : 1
    }

    private func write(_ output: inout OutputWriter) -> Bool {
        output.write(buffer.bytes)
        buffer.removeAll()
        return output.flush()
    }

    private func take(_ event: PathEvent, hasSent: Bool) {
        switch event {
        case .hop(let hop):
            // Rows of stars would say that somebody was silent; the line about what was not sent says it all.
            guard hasSent || options.isJSON else { return }
            if !options.isNumeric {
                for case .some(let answer) in hop.answers where asked.insert(answer.responder).inserted {
                    resolver.lookUp(answer.responder)
                }
            }
            waiting.append((event, ProbeLoop<PathTrace>.now))
        case .unsent(_, let failure):
            if options.isJSON {
                waiting.append((event, ProbeLoop<PathTrace>.now))
            } else if toldFailure != failure {
                toldFailure = failure
                var line = ReportBuffer()
                text.append(event, name: { _ in nil }, to: &line)
                reportLine(line.bytes, from: Tool.name)
            }
        }
    }

    private func takeNames() {
        while let (address, name) = resolver.nextAnswer() { names[address] = name.map { SafeText(name: $0) } }
    }

    /// Prints hops in order, as long as their names are known or they have waited since `instant` or longer.
    private func reportWaiting(until instant: Timestamp) {
        var count = 0
        while count < waiting.count, hasNames(waiting[count].event) || waiting[count].since <= instant { count += 1 }
        for (event, _) in waiting.prefix(count) {
            let name: (IPAddress) -> SafeText? = { address in self.names[address] ?? nil }
            if options.isJSON {
                json.append(event, name: name, time: SystemClock.realtime.now, to: &buffer)
            } else {
                text.append(event, name: name, to: &buffer)
            }
        }
        waiting.removeFirst(count)
    }

    private func hasNames(_ event: PathEvent) -> Bool {
        guard case .hop(let hop) = event, !options.isNumeric else { return true }
        return hop.answers.allSatisfy { answer in answer.map { names[$0.responder] != nil } ?? true }
    }

    /// Waits for the names that are missing, but not past `instant`.
    private func waitForNames(until instant: Int64) throws(Errno) {
        guard !waiting.isEmpty else { return }
        // The last answer may be there though no question is open any more.
        defer { takeNames() }
        var poller = try Poller()
        try poller.add(resolver, token: 0)
        while resolver.pendingCount > 0 {
            let left = (instant - ProbeLoop<PathTrace>.now.nanoseconds) / 1_000_000
            guard left > 0 else { return }
            try poller.wait(timeoutMilliseconds: Int32(left))
            takeNames()
        }
    }

    /// Octets of a probe with its IP header.
    private var packetLength: Int {
        let probe = Probe(
            destination: configuration.destination, method: configuration.method,
            payloadLength: configuration.payloadLength)
        let content = options.socketSettings.content
        return Self.headerLength(configuration.destination.version)
            + ((try? content.ipv4Options.encoded())?.count ?? 0)
            + (transportLength ?? ProbeCodec.transportLength(of: probe, content))
    }

    private static func headerLength(_ version: IPVersion) -> Int {
        version == .v4 ? IPv4Header.minimumLength : IPv6Header.length
    }

    /// How long printed names may keep anything waiting, in nanoseconds.
    private static let patience: Int64 = 250_000_000
}
