import CommandLineOptions
import LinuxSockets
import PacketFormats

extension Options {
    static let probeSection = OptionSection<Options>(
        "Probes",
        [
            Option(
                "s", "size", .required("BYTES"), "bytes behind the ICMP or UDP header (56)",
                detail: "At most 65507 over IPv4, less what IP options take, and 65527 over IPv6."
            ) { $0.payloadLength = try $1.wholeNumber(in: 0...65_527) },
            Option("t", "ttl", .required("HOPS"), "hop limit of the probes (64, to multicast addresses 1)") {
                $0.hopLimit = try $1.wholeNumber(in: 1...255)
                $0.multicastHopLimit = $0.hopLimit
            },
            Option(
                "p", "pattern", .required("HEX"), "fill the payload with these 1 to 16 bytes over and over",
                detail:
                    "The first 12 bytes stay the probe's mark and number, and two more keep the checksum of all probes "
                    + "the same or number them in it. Answers are compared with it."
            ) { $0.pattern = try $1.pattern() },
            Option(
                nil, "random-data", "fill the payload with random bytes, the same in all probes",
                detail: "Nothing on the way can compress them. The mark and number of the probe stand in front of them."
            ) { options, _ in options.hasRandomData = true },
            Option(
                "e", "identifier", .required("NUMBER"), "identifier of ICMP echo requests (random)",
                detail: "0 needs raw sockets."
            ) { $0.identifier = try $1.wholeNumber(in: 0...UInt16.max, hexadecimal: true) },
            Option(
                "Q", "tos", .required("TOS"), "type of service or traffic class, 0 to 255 or a DSCP name (0)",
                detail: "Decimal, 0x and hexadecimal digits, or one of cs0 to cs7, af11 to af43, ef, va and le."
            ) { $0.trafficClass = try $1.trafficClass() },
            Option(
                "F", "flow-label", .required("HEX"), "flow label of IPv6, up to fffff; 0 for a random one",
                detail: "In hexadecimal, with or without 0x. IPv6 only."
            ) { $0.flowLabel = try $1.flowLabel() },
            Option(
                "M", "pmtudisc", .required("STRATEGY"), "path MTU discovery: do, want, dont or probe (dont)",
                detail: "do forbids fragments and refuses what passes the path MTU that is known; want forbids them as "
                    + "long as a probe fits, and else makes them here; dont leaves them to anybody; probe forbids them "
                    + "and ignores what is known of the path.",
                completion: .words(["do", "want", "dont", "probe"])
            ) {
                $0.pathMTUDiscovery = try $1.choice([
                    ("do", .always), ("want", .wanted), ("dont", .never), ("probe", .probe),
                ])
            },
            Option(
                "I", "interface", .required("INTERFACE"), "send from this address, or through this interface or VRF",
                detail: "May be given twice, for both.", completion: .interface
            ) { try $0.addInterface($1) },
            Option(
                "m", "mark", .required("MARK"), "mark of the packets for routing rules and firewalls; needs privilege"
            ) { $0.mark = try $1.wholeNumber(in: 0...UInt32.max, hexadecimal: true) },
            Option("R", "record-route", "have the first nine routers write their addresses down; IPv4 only") {
                options, _ in
                try options.add(.recordRoute(IPv4Route(recording: IPv4Route.maximumSlots)), letter: "R")
            },
            Option(
                "T", "ip-timestamp", .required("FORM"),
                "have routers write down the time: tsonly, tsandaddr or tsprespec=A,B,...; IPv4 only",
                detail:
                    "tsonly takes nine times, tsandaddr four with addresses, tsprespec those of up to four addresses."
            ) { try $0.add(.timestamp($1.timestampOption()), letter: "T") },
            Option("b", "broadcast", "allow broadcast addresses") { options, _ in options.allowsBroadcast = true },
            Option("L", "no-loop", "keep multicast probes from coming back to this host") { options, _ in
                options.loopsMulticast = false
            },
            Option("B", "sticky", "keep the source address that the first probe to a host has") { options, _ in
                options.keepsSource = true
            },
            Option(
                "C", "connect", "connect the socket: of answers only those of the host itself are heard",
                detail: "Takes one HOST."
            ) { options, _ in options.isConnected = true },
            Option("r", "dont-route", "only to hosts on the link, past the routing table; IPv4 only") { options, _ in
                options.bypassesRouting = true
            },
            Option("S", "sndbuf", .required("BYTES"), "size of the send buffer") {
                $0.sendBufferSize = try $1.wholeNumber(in: 1...1_073_741_823)
            },
            Option("d", "debug", "set SO_DEBUG on the sockets; needs privilege") { options, _ in
                options.isDebugging = true
            },
            Option("N", "nodeinfo", .required("QUERY"), "refused: node information queries", isHidden: true) { _, _ in
                throw OptionError.refused("node information queries (RFC 4620) are not made: hosts answer them no more")
            },
        ])

    /// An address of this host, or an interface.
    private mutating func addInterface(_ value: OptionValue) throws(OptionError) {
        let text = try value.text(maximumLength: 64)
        if let address = Self.sourceAddress(text) {
            if let other = source, other != address { throw .refused("takes one address") }
            source = address
        } else {
            guard (try? Interface.index(named: text)) != nil else {
                throw .invalid(value: text, expected: "an address or an interface of this host")
            }
            if let other = device, other != text { throw .refused("takes one interface") }
            device = text
        }
    }

    private static func sourceAddress(_ text: String) -> IPAddress? {
        guard let percent = text.firstIndex(of: "%") else { return IPAddress(text) }
        guard let address = IPAddress(String(text[..<percent])), address.version == .v6 else { return nil }
        let zone = String(text[text.index(after: percent)...])
        return ((try? Interface.index(named: zone)) ?? UInt32(zone)).map(address.inZone)
    }

    private mutating func add(_ option: IPv4Option, letter: String) throws(OptionError) {
        guard ipv4Options.isEmpty else { throw .refused("only one of -R and -T fits in a header") }
        ipv4Options = [option]
    }
}
