import PacketFormats
import ProbeEngine

extension PathJSONReport {
    /// The `finding` line, which stands before the summary.
    ///
    /// - Parameter time: nanoseconds since 1970.
    public func append(_ finding: PathFinding, time: Int64, to buffer: inout ReportBuffer) {
        var line = JSONLine("finding", time: time, target: target, method: method, zones: zones)
        line.add("finding", finding.word)
        line.add("first_hop", finding.hops.lowerBound)
        line.add("last_hop", finding.hops.upperBound)
        line.add(evidenceOf: finding, zones)
        line.add("text", finding.text(zones))
        line.finish()
        buffer.append(line)
    }
}

extension PathFinding {
    /// The kind in a word of the schema.
    fileprivate var word: String {
        switch kind {
        case .returnPath: "return_path"
        case .hiddenHops: "hidden_hops"
        case .hiddenReturnHops: "hidden_return_hops"
        case .changed: "changed"
        case .quotedAlone: "quoted_alone"
        case .quotedBySome: "quoted_by_some"
        case .hopLimits(.zeroForwarded): "zero_forwarded"
        case .hopLimits(.sameResponder): "same_responder"
        case .hopLimits(.implicitTunnel): "implicit_tunnel"
        case .hopLimits(.unexpected), .hopLimits(.destination): "quoted_hop_limit"
        case .interfaces: "interfaces"
        case .limited: "limited"
        case .loss: "loss"
        case .loop: "loop"
        case .severalResponders: "several_responders"
        case .refused: "refused"
        case .silentEnd: "silent_end"
        }
    }
}

extension JSONLine {
    fileprivate mutating func add(evidenceOf finding: PathFinding, _ zones: [UInt32: SafeText]) {
        switch finding.kind {
        case .returnPath(let lengths): add(lengths)
        case .hiddenHops(let count, let lengths):
            add("count", count)
            add(lengths)
        case .hiddenReturnHops(let count, let responder):
            add("count", count)
            add("responder", responder.text(zones))
        case .changed(let field, let from, let to):
            add("field", field.word)
            add("from", from, zones)
            add("to", to, zones)
        case .quotedAlone(let field, let usual, let quoted):
            add("field", field.word)
            add("usual", usual, zones)
            add("quoted", quoted, zones)
        case .quotedBySome(let field, let usual, let quoted, let count, let total):
            add("field", field.word)
            add("usual", usual, zones)
            add("quoted", quoted, zones)
            add("count", count)
            add("answers", total)
        case .hopLimits(let anomaly): add(anomaly, from: finding.hops.lowerBound, zones)
        case .interfaces(let interfaces, let responder):
            add("responder", responder.text(zones))
            add("interfaces", objects: interfaces) { line, interface in line.add(interface, zones) }
        case .limited(let losses):
            add(losses)
            add("later_hops", losses.laterHops)
            add("later_answered", losses.later.answered)
            add("later_asked", losses.later.asked)
        case .loss(let losses, let isLocated):
            add("located", isLocated)
            add(losses)
        case .loop(let responders), .severalResponders(let responders):
            add("responders", texts: responders.map { $0.text(zones) })
        case .refused(let type, let code, let info, let responder):
            add("responder", responder.text(zones))
            add(icmpError: type, code: code, info: info, version: responder.version)
        case .silentEnd: break
        }
    }

    private mutating func add(_ lengths: [PathFinding.ReturnLength]) {
        add("lengths", objects: lengths) { line, length in
            line.add("hop", length.hop)
            line.add("length", length.length)
            line.add("hop_limit", length.hopLimit)
            line.add("initial_hop_limit", length.initialHopLimit)
        }
    }

    private mutating func add(
        _ anomaly: PathFinding.HopLimitAnomaly, from hop: Int, _ zones: [UInt32: SafeText]
    ) {
        switch anomaly {
        case .zeroForwarded(let responder), .sameResponder(let responder):
            add("responder", responder.text(zones))
        case .implicitTunnel(let quoted):
            add("quotes", objects: quoted.enumerated()) { line, quote in
                line.add("hop", hop + quote.offset)
                line.add("hop_limit", quote.element)
            }
        case .unexpected(let quoted, let responder):
            add("responder", responder.text(zones))
            add("expected", 1)
            add("quoted", quoted)
        case .destination(let expected, let quoted, let responder):
            add("responder", responder.text(zones))
            add("expected", expected)
            add("quoted", quoted)
        }
    }

    private mutating func add(_ losses: PathFinding.Losses) {
        add("hops", objects: losses.hops) { line, count in
            line.add("hop", count.hop)
            line.add("answered", count.answered)
            line.add("asked", count.asked)
        }
    }

    private mutating func add(_ name: String, _ value: QuotedValue, _ zones: [UInt32: SafeText]) {
        switch value {
        case .number(let number): add(name, number)
        case .address(let address): add(name, address.text(zones))
        case .flag(let flag): add(name, flag)
        case .tcpFlags(let flags): add(name, texts: flags.names)
        case .tcpOptions(let kinds): add(name, texts: QuotedField.names(ofOptions: kinds))
        case .missing: addNull(name)
        }
    }
}

extension QuotedField {
    /// As it stands in the schema.
    fileprivate var word: String {
        switch self {
        case .source: "source"
        case .destination: "destination"
        case .dscp: "dscp"
        case .ecn: "ecn"
        case .flowLabel: "flow_label"
        case .totalLength: "total_length"
        case .identification: "identification"
        case .dontFragment: "dont_fragment"
        case .sourcePort: "source_port"
        case .destinationPort: "destination_port"
        case .udpChecksum: "udp_checksum"
        case .tcpSequenceNumber: "tcp_sequence_number"
        case .tcpFlags: "tcp_flags"
        case .maximumSegmentSize: "maximum_segment_size"
        case .tcpOptions: "tcp_options"
        }
    }
}
