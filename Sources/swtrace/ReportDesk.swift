import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// What every kind of run has to do with the world beside its probes: what is known of responders, the lines on standard
/// error, and the capture.
final class ReportDesk {
    let facts: ResponderFacts
    /// The names of interfaces by index, for link-local addresses.
    let zones: [UInt32: SafeText]
    /// Lines for standard error, behind what standard output gets.
    var errors = ReportBuffer()
    private let capture: CaptureFile?

    /// Throws when the kernel refuses a descriptor.
    init(
        _ targets: [(name: String, address: IPAddress)], _ options: Options, _ files: FindingFiles,
        capturing capture: CaptureFile?
    ) throws(ToolFailure) {
        self.capture = capture
        zones = Resolver.zoneNames(of: targets.map(\.address)).mapValues { SafeText(name: $0) }
        do throws(Errno) {
            facts = try ResponderFacts(asksNames: !options.isNumeric, options.findings, files)
        } catch {
            throw ToolFailure("cannot ask for names: \(error)")
        }
    }

    /// Runs a measurement over the transport, every packet of which the capture gets.
    func run(
        over transport: consuming ProbeTransport, _ measure: (consuming ProbeTransport) throws(Errno) -> Int32
    ) throws(ToolFailure) -> Int32 {
        do throws(Errno) {
            if let capture { try transport.attach(capture) }
            return try measure(transport)
        } catch {
            throw ToolFailure("the system refuses to go on: \(error) (\(error.name))")
        }
    }

    /// What is known of responders by now.
    var known: PathFacts { PathFacts(name: facts.name, origins: facts.reportedOrigins) }

    /// Hands everything over that is to be printed now. Returns whether the reader of standard output is there.
    func flush(_ output: inout OutputWriter) -> Bool {
        if let failure = capture?.flush() { errors.append("\(Tool.name): \(failure)\n") }
        return flushText(&output)
    }

    /// The same at the end.
    func finish(_ output: inout OutputWriter) {
        if let failure = capture?.finish() { errors.append("\(Tool.name): \(failure)\n") }
        _ = flushText(&output)
    }

    private func flushText(_ output: inout OutputWriter) -> Bool {
        let isOpen = output.flush()
        if !errors.isEmpty {
            reportErrors(errors.bytes)
            errors.removeAll()
        }
        return isOpen
    }

    /// Waits for what is not known yet of responders, for as long as printed names may keep anything waiting.
    func waitForFacts() throws(Errno) {
        guard facts.pendingCount > 0 else { return facts.take() }
        // The last answer may be there though no question is open any more.
        defer { facts.take() }
        let end = SystemClock.monotonic.now + Self.patience
        var poller = try Poller()
        try poller.add(facts, token: 0)
        while facts.pendingCount > 0 {
            let left = (end - SystemClock.monotonic.now) / 1_000_000
            guard left > 0 else { return }
            try poller.wait(timeoutMilliseconds: Int32(left))
            facts.take()
        }
    }

    /// How long printed names may keep anything waiting, in nanoseconds.
    static let patience: Int64 = 250_000_000
}

/// Probes that did not leave this host and are still to be told of.
struct UnsentProbes {
    /// The last failure that was told.
    private var told: SendFailure?
    /// Each with the lowest of its hops: hops are asked in a mixed order.
    private var failures: [(failure: SendFailure, hop: Int)] = []

    mutating func note(_ failure: SendFailure, hop: Int) {
        if let index = failures.firstIndex(where: { $0.failure == failure }) {
            failures[index].hop = min(failures[index].hop, hop)
        } else {
            failures.append((failure, hop))
        }
    }

    /// Tells of those since the last call, once for each kind of failure in a row.
    mutating func tell(_ body: (SendFailure, _ hop: Int) -> Void) {
        guard !failures.isEmpty else { return }
        for (failure, hop) in failures where told != failure {
            told = failure
            body(failure, hop)
        }
        failures.removeAll(keepingCapacity: true)
    }
}
