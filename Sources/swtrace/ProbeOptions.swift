import CommandLineOptions
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO

extension Options {
    static let probeSection = OptionSection<Options>(
        "Probes",
        [
            Option("I", "icmp", "send ICMP echo requests") { options, _ in options.proto = .icmp },
            Option("T", "tcp", "send TCP segments, SYN unless -O says otherwise") { options, _ in
                options.proto = .tcp
            },
            Option("U", "udp", "send UDP datagrams to port 53 instead of 33434") { options, _ in
                options.proto = .udp
                options.isDNSPort = true
            },
            Option(
                "P", "protocol", .required("PROTOCOL"), "send packets of this IP protocol, a number or a name (253)",
                detail:
                    "They have a payload and no header of their own, and need raw sockets. The numbers of ICMP, TCP "
                    + "and UDP mean -I, -T and UDP. \(IPProtocol.knownNames.joined(separator: ", ")) are known by name.",
                completion: .words(IPProtocol.knownNames)
            ) { $0.choose(try $1.ipProtocol()) },
            Option(
                "M", "module", .required("METHOD"),
                "send by default, icmp, tcp, tcpconn, udp or raw, as with -I, -T, -U and -P",
                completion: .words(methods)
            ) { try $0.choose(method: $1.word(methods + refusedMethods)) },
            Option(
                "O", "options", .required("OPTION,..."), "what the probes of a method have; help lists it",
                detail: "May be given several times."
            ) { try $0.addMethodOptions($1.text(maximumLength: 512)) },
            Option(
                "p", "port", .required("PORT"), "destination port (UDP 33434, TCP 80)"
            ) { $0.port = try $1.port() },
            Option(
                nil, "sport", .required("PORT"), "send from this port",
                detail:
                    "Probes go all at once with it too: they are told apart by other fields. Only TCP connections, which "
                    + "-T makes where raw sockets are refused, go one after the other."
            ) { $0.sourcePort = try $1.port() },
            Option(
                nil, "flow", .required("KIND"),
                "one flow (paris), ports or checksum that differ (classic), or what shows careless NAT (dublin)",
                detail: "paris keeps addresses, ports and the first octets of all probes the same. classic counts the "
                    + "port up with each UDP probe, sends each TCP probe from another of 64 ports and lets the "
                    + "checksum of ICMP differ. dublin sends UDP datagrams that are alike to their checksum, and needs "
                    + "raw sockets.",
                completion: .words(FlowIdentity.allCases.map(\.rawValue))
            ) { $0.flow = try $1.choice(FlowIdentity.allCases.map { ($0.rawValue, $0) }) },
            Option("F", "dont-fragment", "forbid fragmentation") { options, _ in options.dontFragment = true },
            Option("t", "tos", .required("TOS"), "type of service or traffic class (0)") {
                $0.trafficClass = try $1.wholeNumber(in: 0...255, hexadecimal: true)
            },
            Option("l", "flowlabel", .required("LABEL"), "flow label of IPv6 (0)", aliases: ["flow-label"]) {
                $0.flowLabel = try $1.wholeNumber(in: 0...0xf_ffff, hexadecimal: true)
            },
            Option(
                "g", "gateway", .required("ROUTER,..."), "go by these routers, up to 8, and then to HOST; IPv4 only",
                detail:
                    "A loose source route (RFC 791), which most routers refuse. Needs raw sockets. Answers take the route "
                    + "back, so that net.ipv4.conf.*.accept_source_route has to be set on this host too. The routing "
                    + "headers of IPv6 that would do this are given up (RFC 5095)."
            ) { try $0.addGateways($1.text(maximumLength: 256)) },
            Option(
                "i", "interface", .required("INTERFACE"), "send through this interface or VRF", completion: .interface
            ) { $0.device = try $1.interfaceName() },
            Option("s", "source", .required("ADDRESS"), "send from this address of this host") {
                $0.source = try $1.text(maximumLength: 128)
            },
            Option("r", "dont-route", "only to hosts on the link, past the routing table") { options, _ in
                options.bypassesRouting = true
            },
            Option(
                nil, "fwmark", .required("MARK"), "mark of the packets for routing rules and firewalls; needs privilege"
            ) {
                $0.mark = try $1.wholeNumber(in: 0...UInt32.max, hexadecimal: true)
            },
            Option("d", "debug", "set SO_DEBUG on the sockets; needs privilege") { options, _ in
                options.isDebugging = true
            },
            Option("D", "dccp", "refused: DCCP requests", isHidden: true) { _, _ in
                throw OptionError.refused(Self.reason("dccp"))
            },
            Option("L", "udplite", "refused: UDP-Lite, -UL of traceroute", isHidden: true) { _, _ in
                throw OptionError.refused(Self.reason("udplite"))
            },
        ])

    private static let methods = ["default", "icmp", "tcp", "tcpconn", "udp", "raw"]
    private static let refusedMethods = ["udplite", "dccp"]

    /// Why a method of traceroute's is none of this tool's.
    private static func reason(_ method: String) -> String {
        let (type, number): (SocketType, Int32) = method == "dccp" ? (SocketType(rawValue: 6), 33) : (.datagram, 136)
        let name = method == "dccp" ? "DCCP (RFC 4340)" : "UDP-Lite (RFC 3828)"
        let kernel: String
        do throws(Errno) {
            _ = try Socket(family: .inet, type: type, protocol: SocketProtocol(rawValue: number))
            kernel = "though this kernel does"
        } catch {
            kernel = "nor does this kernel (\(error.name))"
        }
        return "probes of \(name) are not spoken here, \(kernel); -P \(number) sends packets of that protocol"
    }

    private mutating func choose(method: String) throws(OptionError) {
        switch method {
        case "icmp": proto = .icmp
        case "tcp": proto = .tcp
        case "tcpconn":
            proto = .tcp
            highestRung = .tcp
        case "udp":
            proto = .udp
            isDNSPort = true
        case "raw": choose(IPProtocol(rawValue: 253))
        case "default": proto = .udp
        default: throw .refused(Self.reason(method))
        }
    }

    mutating func choose(_ number: IPProtocol) {
        switch number {
        case .icmp, .icmpv6: proto = .icmp
        case .tcp: proto = .tcp
        case .udp: proto = .udp
        default: proto = .ip(number)
        }
    }

    private mutating func addGateways(_ list: String) throws(OptionError) {
        for text in list.split(separator: ",", omittingEmptySubsequences: false) {
            switch IPAddress(String(text)) {
            case .v4(let address): gateways.append(address)
            case .v6:
                throw .refused(
                    "the routing headers of IPv6 that lead a packet by other routers are given up (RFC 5095)")
            case nil: throw .invalid(value: list, expected: "IPv4 addresses with commas between them")
            }
        }
        guard gateways.count <= Self.maximumGateways else {
            throw .refused("takes at most \(Self.maximumGateways) routers: no more fit in a header")
        }
    }

    /// One slot of nine is the destination's.
    private static let maximumGateways = IPv4Route.maximumSlots - 1
}

extension OptionValue {
    /// A number from 1 to 255, or a name.
    fileprivate func ipProtocol() throws(OptionError) -> IPProtocol {
        if let known = IPProtocol(name: string.lowercased()) { return known }
        do throws(OptionError) {
            return IPProtocol(rawValue: try wholeNumber(in: 1...UInt8.max))
        } catch {
            throw .invalid(value: string, expected: "a protocol from 1 to 255, or the name of one")
        }
    }

    /// Of this host.
    fileprivate func interfaceName() throws(OptionError) -> String {
        let name = try text(maximumLength: 15)
        guard (try? Interface.index(named: name)) != nil else {
            throw .invalid(value: name, expected: "an interface of this host")
        }
        return name
    }
}

extension IPProtocol {
    /// The protocols that `-P` knows by name, those of /etc/protocols that somebody might trace with.
    private static let table: [(name: String, number: UInt8)] = [
        ("icmp", 1), ("igmp", 2), ("ipip", 4), ("tcp", 6), ("egp", 8), ("udp", 17), ("dccp", 33), ("ipv6", 41),
        ("rsvp", 46), ("gre", 47), ("esp", 50), ("ah", 51), ("icmpv6", 58), ("eigrp", 88), ("ospf", 89), ("pim", 103),
        ("vrrp", 112), ("l2tp", 115), ("sctp", 132), ("udplite", 136), ("mpls", 137),
    ]

    static var knownNames: [String] { table.map(\.name) }

    init?(name: String) {
        guard let entry = Self.table.first(where: { $0.name == name }) else { return nil }
        self.init(rawValue: entry.number)
    }
}
