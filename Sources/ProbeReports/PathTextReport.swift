import PacketFormats
import ProbeEngine

/// The lines of traceroute about the events of a `PathTrace`.
///
/// Bytes go to a buffer, nothing is printed. Every line ends with a line feed and is printable text otherwise.
public struct PathTextReport: Sendable {
    public var target: ReportTarget
    /// Whether `name (address)` stands for an address; without a name the address stands in its place too.
    public var showsNames = true
    /// Whether what routers add to their errors is shown: `<MPLS:L=16004,E=0,S=1,T=1>`.
    public var showsExtensions = false
    /// Whether the flags of TCP answers are shown: `<syn,ack>`.
    public var showsFlags = false
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget) { self.target = target }

    /// The first line: `traceroute to example.net (192.0.2.1), 30 hops max, 60 byte packets`.
    ///
    /// - Parameter packetLength: octets of a whole probe with its IP header.
    public func appendHeader(maximumHop: Int, packetLength: Int, to buffer: inout ReportBuffer) {
        buffer.append("traceroute to ")
        buffer.append(target.name)
        buffer.append(" (")
        buffer.append(target.address, zones: zones)
        buffer.append("), ")
        buffer.append(decimal: maximumHop)
        buffer.append(" hops max, ")
        buffer.append(decimal: packetLength)
        buffer.append(" byte packets\n")
    }

    /// The line of an event.
    ///
    /// - Parameters:
    ///   - name: gives the names that are known.
    ///   - origins: gives who announces an address, nil where that is not known; nil itself where nobody asked.
    public func append(
        _ event: PathEvent, name: (IPAddress) -> SafeText?, origins: ((IPAddress) -> ASOrigins?)? = nil,
        to buffer: inout ReportBuffer
    ) {
        switch event {
        case .hop(let hop): append(hop, name: name, origins: origins, to: &buffer)
        case .unsent(let hop, let failure):
            buffer.append("not sent: hop ")
            buffer.append(decimal: hop)
            buffer.append(" (")
            buffer.append(failure.text)
            buffer.append(")\n")
        }
    }

    private func append(
        _ hop: PathHop, name: (IPAddress) -> SafeText?, origins: ((IPAddress) -> ASOrigins?)?,
        to buffer: inout ReportBuffer
    ) {
        if hop.number < 10 { buffer.append(" ") }
        buffer.append(decimal: hop.number)
        buffer.append(" ")
        var previous: (responder: IPAddress, annex: String)?
        for answer in hop.answers {
            guard let answer else {
                buffer.append(" *")
                continue
            }
            let annex = annex(of: answer)
            if previous?.responder != answer.responder || previous?.annex != annex {
                buffer.append(" ")
                append(answer.responder, name: name, to: &buffer)
                if let origins { buffer.append(" [\(origins(answer.responder) ?? .none)]") }
                buffer.append(annex)
                previous = (answer.responder, annex)
            }
            buffer.append("  ")
            buffer.append(milliseconds: answer.roundTrip)
            buffer.append(" ms")
            if let annotation = answer.annotation {
                buffer.append(" ")
                buffer.append(annotation)
            }
        }
        buffer.append("\n")
    }

    private func append(_ address: IPAddress, name: (IPAddress) -> SafeText?, to buffer: inout ReportBuffer) {
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

    /// What stands in angle brackets behind the address, with a space in front; empty where nothing is to be shown.
    private func annex(of answer: PathAnswer) -> String {
        var annex = ""
        if showsFlags, let flags = answer.flags { annex += " <\(flags.names.joined(separator: ","))>" }
        if showsExtensions, let objects = answer.detail?.extensions?.objects, !objects.isEmpty {
            annex += " <\(objects.map { $0.text(zones) }.joined(separator: "/"))>"
        }
        return annex
    }
}
