import PacketFormats
import ProbeEngine

extension PathTextReport {
    /// The line of a finding, which stands behind the rows: `DSCP cleared between hop 2 and 4: 0x2e -> 0x00`.
    public func append(_ finding: PathFinding, to buffer: inout ReportBuffer) {
        buffer.append(finding.text(zones))
        buffer.append("\n")
    }
}

extension PathAnswer {
    /// What traceroute's `--back` sets behind the address of a row, `'-10'`; nil where the way back is as long as the way
    /// there, or not known.
    ///
    /// - Parameter hop: the number of the row.
    public func back(at hop: Int) -> String? {
        guard let hopsBack, hopsBack != hop else { return nil }
        return "'-\(hopsBack)'"
    }
}

extension PathFinding {
    /// One line of plain words, printable, without line feed.
    ///
    /// - Parameter zones: the names of interfaces by index, for link-local addresses.
    public func text(_ zones: [UInt32: SafeText] = [:]) -> String {
        switch kind {
        case .returnPath(let lengths): "\(place): way back of \(Self.text(lengths))"
        case .hiddenHops(let count, let lengths):
            "perhaps an invisible MPLS tunnel of \(Self.hops(count)) before hop \(hops.upperBound): way back of "
                + Self.listing(lengths.map { "\(Self.hops($0.length)) from hop \($0.hop)" })
        case .hiddenReturnHops(let count, let responder):
            "\(place): time exceeded of \(responder.text(zones)) came back over \(Self.hops(count)) more than its echo"
                + " reply: perhaps an invisible MPLS tunnel on the way back"
        case .changed(let field, let from, let to):
            field.change(from, to, between: hops, zones)
        case .quotedAlone(let field, let usual, let quoted):
            "\(place) alone quotes \(field.name) \(field.text(quoted, zones)), others \(field.text(usual, zones))"
        case .quotedBySome(let field, let usual, let quoted, let count, let total):
            "\(place): \(count) of \(total) answers quote \(field.name) \(field.text(quoted, zones)), the others"
                + " \(field.text(usual, zones))"
        case .hopLimits(let anomaly): "\(place): \(text(of: anomaly, zones))"
        case .interfaces(let interfaces, _):
            "\(place): \(Self.listing(interfaces.map { $0.sentence(zones) }, separator: "; "))"
        case .limited(let losses): "\(place): limited: \(Self.text(ofLimit: losses))"
        case .loss(let losses, let isLocated):
            (isLocated ? "loss from hop \(hops.lowerBound) on: " : "loss on the way to hop \(hops.upperBound): ")
                + Self.listing(losses.hops.map { "hop \($0.hop) answered \($0.answered) of \($0.asked)" })
        case .loop(let responders):
            "loop: \(place) repeat \(Self.listing(responders.map { $0.text(zones) }))"
        case .severalResponders(let responders):
            "\(place): \(responders.count) routers for one flow: \(Self.listing(responders.map { $0.text(zones) }))"
        case .refused(let type, let code, let info, let responder):
            "\(place): \(responder.text(zones)) says: "
                + EchoError.text(type, code: code, info: info, responder.version)
        case .silentEnd:
            hops.lowerBound == 1 ? "nothing answered" : "nothing answered behind hop \(hops.lowerBound - 1)"
        }
    }

    private var place: String {
        hops.count == 1 ? "hop \(hops.lowerBound)" : "hops \(hops.lowerBound)-\(hops.upperBound)"
    }

    private func text(of anomaly: HopLimitAnomaly, _ zones: [UInt32: SafeText]) -> String {
        switch anomaly {
        case .zeroForwarded(let responder):
            "both are \(responder.text(zones)): hop \(hops.lowerBound) passes on packets whose hop limit has run out"
        case .sameResponder(let responder): "both are \(responder.text(zones))"
        case .implicitTunnel(let quoted):
            "quoted hop limits rise, \(Self.listing(quoted.map { String($0) })): perhaps an MPLS tunnel"
        case .unexpected(let quoted, let responder):
            "\(responder.text(zones)) quotes hop limit \(quoted) where 1 was due"
        case .destination(let expected, let quoted, let responder):
            "\(responder.text(zones)) got a probe with hop limit \(quoted) where \(expected) was due"
        }
    }

    private static func text(_ lengths: [ReturnLength]) -> String {
        guard let last = lengths.last else { return "no hops" }
        guard lengths.count > 1 else { return hops(last.length) }
        let all = lengths.map(\.length)
        // In step with the way there, the ends say all.
        if Set(lengths.map(\.excess)).count == 1, let first = all.first { return "\(first) to \(last.length) hops" }
        return "\(listing(all.map { String($0) })) hops"
    }

    private static func text(ofLimit losses: Losses) -> String {
        let counts = Set(losses.hops.map { [$0.answered, $0.asked] })
        let (answered, asked) = losses.hops.reduce((0, 0)) { ($0.0 + $1.answered, $0.1 + $1.asked) }
        let own =
            if let first = losses.hops.first, losses.hops.count > 1, counts.count == 1 {
                "\(first.answered) of \(first.asked) answered each"
            } else {
                "\(answered) of \(asked) answered"
            }
        switch losses.laterHops {
        case 0: return "\(own), no more without a pause"
        case 1: return "\(own), the later hop \(losses.later.answered) of \(losses.later.asked)"
        default:
            return "\(own), the \(losses.laterHops) later hops \(losses.later.answered) of \(losses.later.asked)"
        }
    }

    private static func hops(_ count: Int) -> String { count == 1 ? "1 hop" : "\(count) hops" }

    private static func listing(_ texts: [String], separator: String = ", ") -> String {
        texts.prefix(maximumListed).joined(separator: separator) + (texts.count > maximumListed ? ", ..." : "")
    }

    private static let maximumListed = 16
}

extension QuotedField {
    /// As it is called in lines of text.
    var name: String {
        switch self {
        case .source: "source address"
        case .destination: "destination address"
        case .dscp: "DSCP"
        case .ecn: "ECN"
        case .flowLabel: "flow label"
        case .totalLength: "total length"
        case .identification: "IP ID"
        case .dontFragment: "DF"
        case .sourcePort: "source port"
        case .destinationPort: "destination port"
        case .udpChecksum: "UDP checksum"
        case .tcpSequenceNumber: "TCP sequence number"
        case .tcpFlags: "TCP flags"
        case .maximumSegmentSize: "TCP MSS"
        case .tcpOptions: "TCP options"
        }
    }

    func change(
        _ from: QuotedValue, _ to: QuotedValue, between hops: ClosedRange<Int>, _ zones: [UInt32: SafeText]
    ) -> String {
        let place =
            hops.lowerBound == 0
            ? "before hop \(hops.upperBound)" : "between hop \(hops.lowerBound) and \(hops.upperBound)"
        let guess = self == .udpChecksum ? ", perhaps by a NAT" : ""
        return "\(name) \(verb(from, to)) \(place)\(guess): \(text(from, zones)) -> \(text(to, zones))"
    }

    private func verb(_ from: QuotedValue, _ to: QuotedValue) -> String {
        switch (self, from, to) {
        case (_, _, .missing): return "taken out"
        case (_, .missing, _): return "added"
        case (.dscp, _, .number(0)), (.ecn, _, .number(0)), (.dontFragment, _, .flag(false)): return "cleared"
        case (.tcpOptions, .tcpOptions(let old), .tcpOptions(let new)) where new.count < old.count: return "taken out"
        case (.source, _, _), (.destination, _, _), (.sourcePort, _, _), (.destinationPort, _, _),
            (.udpChecksum, _, _), (.identification, _, _), (.tcpSequenceNumber, _, _):
            return "rewritten"
        default: return "changed"
        }
    }

    func text(_ value: QuotedValue, _ zones: [UInt32: SafeText]) -> String {
        switch value {
        case .number(let number):
            switch self {
            case .dscp: "0x" + hexadecimal([UInt8(truncatingIfNeeded: number)])
            case .ecn: Self.codepoints[Int(number & 3)]
            case .identification, .udpChecksum:
                "0x" + hexadecimal([UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)])
            case .flowLabel, .tcpSequenceNumber: "0x" + String(number, radix: 16)
            default: String(number)
            }
        case .address(let address): address.text(zones)
        case .flag(let flag): flag ? "1" : "0"
        case .tcpFlags(let flags): flags.isEmpty ? "none" : flags.names.joined(separator: ",")
        case .tcpOptions(let kinds): kinds.isEmpty ? "none" : Self.names(ofOptions: kinds).joined(separator: ",")
        case .missing: "none"
        }
    }

    /// By kind (RFC 9293, RFC 7323, RFC 2018), the number where no name is known.
    static func names(ofOptions kinds: [UInt8]) -> [String] {
        kinds.map { kind in
            switch kind {
            case 2: "mss"
            case 3: "window_scale"
            case 4: "sack"
            case 8: "timestamps"
            default: String(kind)
            }
        }
    }

    /// RFC 3168 section 5.
    private static let codepoints = ["Not-ECT", "ECT(1)", "ECT(0)", "CE"]
}

extension InterfaceInformation {
    /// `came in by ge-0/0/1 (10.0.0.1), mtu 1500`.
    fileprivate func sentence(_ zones: [UInt32: SafeText]) -> String {
        let verb =
            switch role {
            case .incoming: "came in by"
            case .incomingComponent: "came in by the member"
            case .outgoing: "goes out by"
            case .nextHop: "goes on to"
            }
        let known = name.flatMap { $0.isEmpty ? nil : SafeText($0).description } ?? index.map { "interface \($0)" }
        let which =
            switch (known, address) {
            case (let known?, let address?): "\(known) (\(address.text(zones)))"
            case (let known?, nil): known
            case (nil, let address?): address.text(zones)
            case (nil, nil): "an interface"
            }
        return "\(verb) \(which)" + (mtu.map { ", mtu \($0)" } ?? "")
    }
}
