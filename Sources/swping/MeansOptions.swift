import CommandLineOptions
import ProbeIO

extension Options {
    static let meansSection = OptionSection<Options>(
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
        ])
}
