import PacketFormats
import ProbeEngine

/// The lines of traceroute about the events of a `PathTrace`.
///
/// Bytes go to a buffer, nothing is printed. Every line ends with a line feed and is printable text otherwise.
public struct PathTextReport: PathReport {
    public var target: ReportTarget
    /// Whether `name (address)` stands for an address; without a name the address stands in its place too.
    public var showsNames = true
    /// Whether what routers add to their errors is shown: `<MPLS:L=16004,E=0,S=1,T=1>`.
    public var showsExtensions = false
    /// Whether the length of the way back is shown where it is not that of the way there: `'-10'`.
    public var showsWayBack = false
    /// Whether what was found beside the rows is told behind them.
    public var tellsFindings = true
    /// Whether "protocol unreachable" of the destination has its mark too: it is how a path of another protocol ends.
    public var marksProtocolUnreachable = false
    /// Whether the flags of TCP answers are shown: `<syn,ack>`.
    public var showsFlags = false
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget) { self.target = target }

    /// The first line: `traceroute to example.net (192.0.2.1), 30 hops max, 60 byte packets`.
    public func appendStart(_ start: PathStart, to buffer: inout ReportBuffer) {
        appendHead(start.configuration.maximumHop, start.packetLength, to: &buffer)
        buffer.append("\n")
    }

    /// Without the line feed.
    func appendHead(_ maximumHop: Int, _ packetLength: Int, to buffer: inout ReportBuffer) {
        buffer.append("traceroute to ")
        buffer.append(target.name)
        buffer.append(" (")
        buffer.append(target.address, zones: zones)
        buffer.append("), ")
        buffer.append(decimal: maximumHop)
        buffer.append(" hops max, ")
        buffer.append(decimal: packetLength)
        buffer.append(" byte packets")
    }

    /// The line of an event.
    public func append(_ event: PathEvent, _ facts: PathFacts, time: Int64 = 0, to buffer: inout ReportBuffer) {
        switch event {
        case .hop(let hop): append(hop, facts, to: &buffer)
        case .unsent(let hop, let failure): append(unsent: failure, hop: hop, to: &buffer)
        }
    }

    /// `not sent: hop 3 (ENETUNREACH: Network is unreachable)`.
    func append(unsent failure: SendFailure, hop: Int, to buffer: inout ReportBuffer) {
        buffer.append("not sent: hop ")
        buffer.append(decimal: hop)
        buffer.append(" (")
        buffer.append(failure.text)
        buffer.append(")\n")
    }

    /// What was found beside the rows, a line for each.
    public func appendSummary(_ run: PathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        if let judgement = run.judgement { append(judgement, to: &buffer) }
        guard tellsFindings else { return }
        if let mtu = run.mtu { append(mtu.result, name: facts.name, to: &buffer) }
        for finding in run.findings { append(finding, to: &buffer) }
    }

    private func append(_ hop: PathHop, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        if hop.number < 10 { buffer.append(" ") }
        buffer.append(decimal: hop.number)
        buffer.append(" ")
        var previous: (responder: IPAddress, annex: String)?
        var forcedSize = facts.forcedSize(hop.number)
        for answer in hop.answers {
            guard let answer else {
                buffer.append(" *")
                continue
            }
            let annex = annex(of: answer, hop: hop.number)
            if previous?.responder != answer.responder || previous?.annex != annex {
                buffer.append(" ")
                append(answer.responder, facts, to: &buffer)
                buffer.append(annex)
                previous = (answer.responder, annex)
            }
            buffer.append("  ")
            buffer.append(milliseconds: answer.roundTrip)
            buffer.append(" ms")
            if let size = forcedSize.take() { buffer.append(" F=\(size)") }
            if let annotation = answer.annotation ?? endMark(of: answer) {
                buffer.append(" ")
                buffer.append(annotation)
            }
        }
        buffer.append("\n")
    }

    /// The address with what is known of it: `r1.example (192.0.2.1) [AS64500]`.
    func append(_ address: IPAddress, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        append(address, name: facts.name, to: &buffer)
        if let origins = facts.origins { buffer.append(" [\(origins(address) ?? .none)]") }
    }

    func append(_ address: IPAddress, name: (IPAddress) -> SafeText?, to buffer: inout ReportBuffer) {
        guard showsNames else { return buffer.append(address, zones: zones) }
        if let name = name(address) {
            buffer.append(name)
        } else {
            buffer.append(address, zones: zones)
        }
        buffer.append(" (")
        buffer.append(address, zones: zones)
        buffer.append(")")
    }

    private func endMark(of answer: PathAnswer) -> String? {
        guard marksProtocolUnreachable, answer.kind == .reached, case .ip = answer.probe.method else { return nil }
        // ICMPv6 parameter problem, unrecognised next header (RFC 4443 section 3.4).
        return answer.responder.version == .v4 ? "!P" : "!<4-1>"
    }

    /// What stands in angle brackets behind the address, with a space in front; empty where nothing is to be shown.
    private func annex(of answer: PathAnswer, hop: Int) -> String {
        var annex = ""
        if showsWayBack, let back = answer.back(at: hop) { annex += " \(back)" }
        if showsFlags, let flags = answer.flags { annex += " <\(flags.names.joined(separator: ","))>" }
        return annex + extensions(of: answer)
    }

    /// In angle brackets with a space in front; empty where there are none, or none are to be shown.
    func extensions(of answer: PathAnswer) -> String {
        guard showsExtensions, let objects = answer.detail?.extensions?.objects, !objects.isEmpty else { return "" }
        return " <\(objects.map { $0.text(zones) }.joined(separator: "/"))>"
    }
}
