import CommandLineOptions
import PacketFormats
import ProbeEngine
import ProbeIO

/// What the command line asks for.
struct Options: Sendable {
    enum Transport: Sendable {
        case udp
        case icmp
        case tcp
    }

    var version: IPVersion?
    var proto = Transport.udp
    /// `-U`: UDP to a port that firewalls let pass.
    var isDNSPort = false
    var port: UInt16?
    var firstHop = 1
    var maximumHop = 30
    var queries = 3
    /// Nanoseconds, as all times here.
    var maximumWait: Int64 = 5_000_000_000
    var hereFactor = 3.0
    var nearFactor = 10.0
    var maximumInFlight = 255
    var pause: Int64 = 0
    var source: String?
    var dontFragment = false
    var trafficClass: UInt8 = 0
    var changesPort = false
    var highestRung = Rung.raw
    var isNumeric = false
    var showsExtensions = false
    var isVerbose = false
    var isJSON = false

    /// What the probes ask with.
    var method: ProbeMethod {
        switch proto {
        case .udp: .udp(destinationPort: port ?? (isDNSPort ? 53 : 33_434))
        case .icmp: .icmpEcho
        case .tcp: .tcpSYN(destinationPort: port ?? 80)
        }
    }

    static let table = OptionTable<Options>(
        Page(
            name: "swtrace", summary: "show the way that packets take to a host",
            operands: Operands("HOST [SIZE]", minimum: 1, maximum: 2, completion: .host),
            description: [
                "Sends probes whose hop limits run out on the way to HOST, all of them at once, and prints the routers "
                    + "that say so. SIZE is the length of a probe with its headers (60; 80 over IPv6).",
                "All probes are of one flow, so that routers which balance load show one path and not a mixture. "
                    + "A silent router is waited for only as long as the answers of others make sensible.",
                "Without root's rights or CAP_NET_RAW it sends from UDP sockets and reads their error queues, or with "
                    + "-I from ICMP datagram sockets, and finds the same.",
            ],
            exitStatuses: [
                Meaning("0", "The host answered."),
                Meaning("1", "It did not, or a router said that it can't be reached."),
                Meaning("2", "The command line, the name or the system was at fault."),
                Meaning("141", "The reader of standard output has gone."),
            ],
            examples: [
                Example("swtrace 192.0.2.1", "Trace with UDP."),
                Example("swtrace -n -T -p 443 www.example", "Trace with TCP, as a browser would connect."),
            ],
            seeAlso: ["swping(8)", "traceroute(8)", "ip(7)"]),
        [
            OptionSection(
                "Probes",
                [
                    Option("I", "icmp", "send ICMP echo requests") { options, _ in options.proto = .icmp },
                    Option("T", "tcp", "send TCP SYN segments; needs raw sockets") { options, _ in
                        options.proto = .tcp
                    },
                    Option("U", "udp", "send UDP datagrams to port 53 instead of 33434") { options, _ in
                        options.proto = .udp
                        options.isDNSPort = true
                    },
                    Option("p", "port", .required("PORT"), "destination port (UDP 33434, TCP 80)") {
                        $0.port = try $1.port()
                    },
                    Option(
                        nil, "flow", .required("KIND"), "paris: one flow; classic: the port counts up with each probe",
                        completion: .words(["paris", "classic"])
                    ) { $0.changesPort = try $1.word(["paris", "classic"]) == "classic" },
                    Option("F", "dont-fragment", "forbid fragmentation") { options, _ in options.dontFragment = true },
                    Option("t", "tos", .required("TOS"), "type of service or traffic class (0)") {
                        $0.trafficClass = try $1.wholeNumber(in: 0...255, hexadecimal: true)
                    },
                    Option("s", "source", .required("ADDRESS"), "send from this address of this host") {
                        $0.source = try $1.text(maximumLength: 128)
                    },
                ]),
            OptionSection(
                "Schedule",
                [
                    Option("f", "first", .required("HOP"), "start with this hop limit (1)", aliases: ["first-hop"]) {
                        $0.firstHop = try $1.wholeNumber(in: 1...255)
                    },
                    Option("m", "max-hops", .required("HOPS"), "go no further than this hop limit (30)") {
                        $0.maximumHop = try $1.wholeNumber(in: 1...255)
                    },
                    Option("q", "queries", .required("COUNT"), "probes to each hop (3)") {
                        $0.queries = try $1.wholeNumber(in: 1...10)
                    },
                    Option(
                        "w", "wait", .required("MAX[,HERE,NEAR]"), "longest waits for an answer (5,3,10)",
                        detail: "At most MAX seconds, HERE round trips where the same hop has answered, NEAR round "
                            + "trips of the next hop that has. MAX alone, or 0 in place of a factor, waits that long "
                            + "whatever has answered."
                    ) {
                        let waits = try $1.waits(maximum: 1_000_000...3_600_000_000_000)
                        $0.maximumWait = waits.maximum
                        $0.hereFactor = factor(waits.factors?.here)
                        $0.nearFactor = factor(waits.factors?.near)
                    },
                    Option("N", "sim-queries", .required("COUNT"), "probes under way at once (all)") {
                        $0.maximumInFlight = try $1.wholeNumber(in: 1...2_550)
                    },
                    Option(
                        "z", "sendwait", .required("SECONDS"), "time between two probes (0)",
                        detail: "A number above 10 is milliseconds, as in traceroute."
                    ) {
                        let pause = try $1.duration(in: 0...60_000_000_000_000)
                        $0.pause = pause > 10_000_000_000 ? pause / 1_000 : pause
                    },
                ]),
            OptionSection(
                "Means",
                [
                    Option("4", "ipv4", "IPv4 only") { options, _ in options.version = .v4 },
                    Option("6", "ipv6", "IPv6 only") { options, _ in options.version = .v6 },
                    Option(
                        nil, "rung", .required("RUNG"), "use nothing better than raw, ping or udp",
                        detail: "For trying what users with fewer rights see.",
                        completion: .words(Rung.allCases.map(\.rawValue))
                    ) { $0.highestRung = try $1.choice(Rung.allCases.map { ($0.rawValue, $0) }) },
                ]),
            OptionSection(
                "Output",
                [
                    Option("n", "numeric", "print addresses, ask for no names") { options, _ in
                        options.isNumeric = true
                    },
                    Option("e", "extensions", "print MPLS labels and other ICMP extensions") { options, _ in
                        options.showsExtensions = true
                    },
                    Option("v", "verbose", "say which sockets are used") { options, _ in options.isVerbose = true },
                    Option(
                        "j", "json", "print one JSON object a line",
                        detail: "Its schema is Sources/ProbeReports/Schemas/swtrace.schema.json."
                    ) { options, _ in options.isJSON = true },
                ]),
        ])
}

/// How many round trips an answer is waited for; none or 0 of them set no limit, as in traceroute.
private func factor(_ billionths: Int64?) -> Double {
    guard let billionths, billionths > 0 else { return .infinity }
    return Double(billionths) / 1e9
}
