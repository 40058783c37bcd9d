import CommandLineOptions
import PacketFormats
import ProbeIO

/// What the command line asks for.
struct Options: Sendable {
    var count: UInt64?
    /// Nanoseconds, as all times here.
    var interval: Int64 = 1_000_000_000
    var deadline: Int64?
    var timeout: Int64 = 2_000_000_000
    var payloadLength = 56
    var hopLimit: UInt8 = 64
    var isNumeric = false
    var isQuiet = false
    var isVerbose = false
    var version: IPVersion?
    var isJSON = false
    var wantsUDP = false
    var wantsICMP = false
    var port: UInt16?
    var highestRung = Rung.raw

    static let maximumIPv4Payload = 65_507
    static let echoPort: UInt16 = 7
    /// The first port of traceroute, where hardly anybody listens.
    static let fallbackPort: UInt16 = 33_434

    static let table = OptionTable<Options>(
        Page(
            name: "swping", summary: "tell whether hosts answer, how fast and how reliably",
            operands: Operands("HOST...", minimum: 1, completion: .host),
            description: [
                "Sends each HOST an ICMP echo request a second and tells of every answer, until it is interrupted or "
                    + "the count is reached, then sums up. A HOST is a name or an address, IPv4 or IPv6.",
                "With root's rights or CAP_NET_RAW it uses raw sockets, without them ICMP datagram sockets where the "
                    + "group is in net.ipv4.ping_group_range, and else UDP datagrams to a high port: the host's own "
                    + "\"port unreachable\" proves it alive then. Standard error says which, if it is not raw.",
                "Round trips are taken from the kernel's own time stamps of sending and receiving. An answer later "
                    + "than its timeout counts as late, not as lost, and what did not leave this host counts as "
                    + "not sent.",
            ],
            exitStatuses: [
                Meaning("0", "Every host answered."),
                Meaning("1", "Some host did not, or with -c and -w not often enough."),
                Meaning("2", "The command line, a name or the system was at fault."),
                Meaning("141", "The reader of standard output has gone."),
            ],
            examples: [
                Example("swping -c 3 192.0.2.1", "Ask three times."),
                Example("swping -i 0.2 -w 10 router.example 2001:db8::1", "Two hosts for ten seconds."),
                Example("swping --udp --port 7 192.0.2.1", "Ask a UDP echo service."),
            ],
            seeAlso: ["swtrace(8)", "swecho(8)", "ping(8)", "icmp(7)"]),
        [
            OptionSection(
                "Probes",
                [
                    Option("c", "count", .required("COUNT"), "stop after COUNT probes to each host") {
                        $0.count = try $1.wholeNumber(in: 1...UInt64(Int64.max))
                    },
                    Option("i", "interval", .required("SECONDS"), "time between two probes to a host (1)") {
                        $0.interval = try $1.duration(in: 1_000_000...86_400_000_000_000)
                    },
                    Option(
                        "w", "deadline", .required("SECONDS"),
                        "stop after so long; with -c wait for that many answers until then"
                    ) { $0.deadline = try $1.duration(in: 1_000_000...31_536_000_000_000_000) },
                    Option("W", "timeout", .required("SECONDS"), "an answer after so long is late (2)") {
                        $0.timeout = try $1.duration(in: 1_000_000...3_600_000_000_000)
                    },
                    Option(
                        "s", "size", .required("BYTES"), "bytes behind the ICMP or UDP header (56)",
                        detail: "At most 65507 over IPv4 and 65527 over IPv6."
                    ) { $0.payloadLength = try $1.wholeNumber(in: 0...65_527) },
                    Option("t", "ttl", .required("HOPS"), "hop limit of the probes (64)") {
                        $0.hopLimit = try $1.wholeNumber(in: 1...255)
                    },
                ]),
            OptionSection(
                "Means",
                [
                    Option("4", "ipv4", "IPv4 only") { options, _ in options.version = .v4 },
                    Option("6", "ipv6", "IPv6 only") { options, _ in options.version = .v6 },
                    Option(
                        nil, "udp", "send UDP datagrams, to the echo port 7 unless --port says otherwise",
                        detail: "A returned payload and the host's own \"port unreachable\" both count as an answer."
                    ) { options, _ in options.wantsUDP = true },
                    Option(nil, "icmp", "send ICMP or fail: never go over to UDP") { options, _ in
                        options.wantsICMP = true
                    },
                    Option(nil, "port", .required("PORT"), "destination port of UDP probes (7; 33434 as a fallback)") {
                        $0.port = try $1.port()
                    },
                    Option(
                        nil, "rung", .required("RUNG"), "use nothing better than raw, ping or udp",
                        detail: "For trying what users with fewer rights see.",
                        completion: .words(Rung.allCases.map(\.rawValue))
                    ) { $0.highestRung = try $1.choice(Rung.allCases.map { ($0.rawValue, $0) }) },
                ]),
            OptionSection(
                "Output",
                [
                    Option("n", "numeric", "print addresses, ask for no names") { options, _ in options.isNumeric = true
                    },
                    Option("q", "quiet", "print the summary only") { options, _ in options.isQuiet = true },
                    Option("v", "verbose", "print timeouts too, and which sockets are used") { options, _ in
                        options.isVerbose = true
                    },
                    Option(
                        "j", "json", "print one JSON object a line",
                        detail: "Its schema is Sources/ProbeReports/Schemas/swping.schema.json."
                    ) { options, _ in options.isJSON = true },
                ]),
        ])
}
