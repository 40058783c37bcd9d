import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

extension Options {
    /// What the parser can't see of the options about probes: those that exclude each other.
    func checkProbes() throws(ToolFailure) {
        switch proto {
        case .icmp:
            if port != nil {
                throw ToolFailure("option -p: ICMP has no ports, and a probe's sequence number is its own number")
            }
            if sourcePort != nil { throw ToolFailure("option --sport: ICMP has no ports") }
        case .ip(let number):
            let name = "IP protocol \(number.rawValue)"
            if port != nil { throw ToolFailure("option -p: probes of \(name) have no ports") }
            if sourcePort != nil { throw ToolFailure("option --sport: probes of \(name) have no ports") }
            if flow == .classic {
                throw ToolFailure("option --flow: probes of \(name) have nothing that could differ, as classic has it")
            }
        case .udp, .tcp: break
        }
        if flow == .dublin, proto != .udp { throw ToolFailure("option --flow: only UDP probes can be dublin") }
        if flow == .classic, proto == .tcp, sourcePort != nil {
            throw ToolFailure("option --sport: --flow classic sends each TCP probe from another port")
        }
        try checkMethodOptions()
    }

    private func checkMethodOptions() throws(ToolFailure) {
        if let option = methodOptions.ofTCP, proto != .tcp {
            throw ToolFailure("option -O: '\(option)' is for TCP probes (-T)")
        }
        if let sockets = methodOptions.icmpSockets, proto != .icmp {
            throw ToolFailure("option -O: '\(sockets.rawValue)' is for ICMP probes (-I)")
        }
        if methodOptions.followsKernel, methodOptions.flags != nil || methodOptions.hasOwnOptions {
            throw ToolFailure("option -O: 'sysctl' stands for all flags and header options, and goes with none of them")
        }
        if let flags = methodOptions.flags, !flags.contains(.syn), let option = methodOptions.needsSYN {
            throw ToolFailure("option -O: '\(option)' stands in a SYN only, and these flags have none")
        }
    }

    /// Options that are of one IP version choose it.
    mutating func settleVersion(_ hosts: [String]) throws(ToolFailure) {
        if flowLabel != nil { try settle(.v6, "-l", hosts) }
        if !gateways.isEmpty { try settle(.v4, "-g", hosts) }
        if bypassesRouting { try settle(.v4, "-r", hosts) }
        if case .ip(let number) = proto, number.isIPv6ExtensionHeader {
            try settle(.v4, "-P \(number.rawValue)", hosts)
        }
    }

    private mutating func settle(_ needed: IPVersion, _ option: String, _ hosts: [String]) throws(ToolFailure) {
        guard version == nil || version == needed else {
            throw ToolFailure("option \(option): is for IPv\(needed.rawValue) only")
        }
        version = needed
        for host in hosts where IPAddress(host).map({ $0.version != needed }) ?? false {
            throw ToolFailure("option \(option): is for IPv\(needed.rawValue) only, which \(SafeText(host)) is not")
        }
    }

    /// Throws where probes that count by their length would pass what every link takes.
    func checkSize(_ size: Int?, to address: IPAddress) throws(ToolFailure) {
        try checkMultipathSize(size, to: address)
        guard flow == .dublin, address.version == .v6 else { return }
        if findsMTU {
            throw ToolFailure("option --mtu: --flow dublin gives probes over IPv6 lengths of its own")
        }
        guard let size else { return }
        let most = 1_280 - ProbeCodec.dublinLengths + 1
        guard size > most else { return }
        throw ToolFailure(
            "SIZE: at most \(most) with --flow dublin over IPv6, whose probes are up to "
                + "\(ProbeCodec.dublinLengths - 1) bytes longer")
    }

    /// The best rung that may be taken.
    var leastRung: Rung { methodOptions.icmpSockets == .dgram ? max(highestRung, .ping) : highestRung }

    /// Ports that are held at once. All paths over TCP need more: its flows differ in nothing else.
    var flows: Int {
        if multipath != nil, proto == .tcp { return TransportRequest.maximumFlows }
        return multipath != nil || flow == .classic && proto == .tcp ? Self.sourcePorts : 1
    }

    private static let sourcePorts = 64

    /// The option that leaves no rung but the first.
    var needsRaw: String? {
        // The kernel asks the same right for a source route on any socket.
        if !gateways.isEmpty { return "-g" }
        if case .ip = proto { return "-P" }
        return nil
    }

    /// What the sockets have to be.
    var socketSettings: SocketSettings {
        var settings = SocketSettings()
        settings.sourcePort = sourcePort
        settings.device = device
        settings.mark = mark
        settings.bypassesRouting = bypassesRouting
        settings.isDebugging = isDebugging
        settings.content.flowIdentity = flow
        settings.content.flowLabel = flowLabel
        if !gateways.isEmpty {
            // The option starts at the fourth octet of a word, so that its addresses start words.
            settings.content.ipv4Options = [.noOperation, .looseSourceRoute(IPv4Route(slots: gateways))]
        }
        if proto == .tcp {
            (settings.content.tcpFlags, settings.content.tcpOptions) = methodOptions.segment
            settings.maximumSegmentSize = methodOptions.maximumSegmentSize
        }
        return settings
    }

    /// Throws what the sockets at hand can't do, before anything is sent.
    func checkRung(_ rung: Rung, _ refused: [SocketSettings.Refusal]) throws(ToolFailure) {
        try RungNeed.check(RungNeed.all, self, on: rung) { rungs in
            if highestRung != .raw { return "leave out --rung" }
            return Rung.remedy(for: rungs, program: Tool.name)
        }
        guard let first = refused.first else { return }
        throw ToolFailure("option \(Self.line(first))")
    }

    private static func line(_ refusal: SocketSettings.Refusal) -> String {
        switch refusal.name {
        case .device: "-i: \(refusal.failure) (\(refusal.failure.name))"
        case .mark:
            "--fwmark: needs CAP_NET_RAW or CAP_NET_ADMIN (\(Rung.remedy(for: [.raw], program: Tool.name)))"
        case .flowLabel: "-l: another socket holds this flow label for itself alone (\(refusal.failure.name))"
        case .debugging: "-d: needs CAP_NET_ADMIN (run it as root)"
        case .sendBufferSize: "\(refusal.failure) (\(refusal.failure.name))"
        }
    }
}

extension RungNeed<Options> {
    /// All of them; what stands in no row works on every rung.
    static let all = [
        // A UDP socket sees neither the header that a router quotes nor how long the quoted datagram was.
        RungNeed("--flow dublin", .raw) { $0.flow == .dublin },
        RungNeed("-O raw", .raw) { $0.methodOptions.icmpSockets == .raw },
        // What connects is the kernel's SYN.
        RungNeed("-O", .raw) {
            $0.proto == .tcp && ($0.methodOptions.flags != nil || $0.methodOptions.needsOwnSegment)
        },
        // TCP_MAXSEG takes no others (`tcp_sock_set_maxseg`).
        RungNeed("-O mss below 88 or above 32767", .raw) {
            !(88...32_767).contains($0.methodOptions.maximumSegmentSize ?? 1_460)
        },
        RungNeed("-t with ECN bits, the last two", .raw) { $0.proto == .tcp && $0.trafficClass & 3 != 0 },
        // Each connection has a port of its own.
        RungNeed("--multipath with -T", .raw) { $0.multipath != nil && $0.proto == .tcp },
        // The kernel makes, sends and reads the packets of connections: nobody else sees them.
        RungNeed("--pcap", .raw) { $0.proto == .tcp && $0.captureFile != nil },
        RungNeed("-O sysctl", .raw) { $0.methodOptions.followsKernel },
    ]
}

extension IPProtocol {
    /// Whether receivers of IPv6 look for a header of their own there and not for an upper layer.
    fileprivate var isIPv6ExtensionHeader: Bool {
        IPv6ExtensionHeaders.isExtension(self) || self == .noNextHeader || rawValue == 135 || rawValue == 139
            || rawValue == 140
    }
}
