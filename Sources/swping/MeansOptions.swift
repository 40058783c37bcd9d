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
            Option(
                nil, "icmp-timestamp", "ask for the time of day: tells the way there from the way back",
                detail: "ICMP timestamp requests, over IPv4 and raw sockets only. The offset and skew of the remote "
                    + "clock are fitted, which it shows in whole milliseconds; one-way delays are as uncertain as is "
                    + "said beside them, their variation is not. Intervals of whole milliseconds, of ten at least, are "
                    + "made 0.618 ms longer, so that probes meet all parts of a remote millisecond. Many hosts and "
                    + "firewalls ignore them."
            ) { options, _ in options.wantsTimestamps = true },
            Option(nil, "port", .required("PORT"), "destination port of UDP probes (7; 33434 as a fallback)") {
                $0.port = try $1.port()
            },
            Option(
                nil, "rung", .required("RUNG"), "use nothing better than raw, ping or udp",
                detail: "For trying what users with fewer rights see.",
                completion: .words(Rung.echoing.map(\.rawValue))
            ) { $0.highestRung = try $1.choice(Rung.echoing.map { ($0.rawValue, $0) }) },
            Option(
                nil, "dual", "ask each name over IPv4 and over IPv6, side by side",
                detail: "The summary compares the two. A name with addresses of one version is asked over that."
            ) { options, _ in options.isDual = true },
            Option(
                nil, "resolve-every", .required("SECONDS"), "look the names up again so often while the run goes on",
                detail: "When the address is no longer the name's, probes go to the new one from then on."
            ) { $0.resolveInterval = try $1.duration(in: 1_000_000_000...86_400_000_000_000) },
            Option(
                nil, "diagnose", "tell which sockets work here, why not, and what would help; sends to loopback only",
                detail: "Takes no HOST. The exit status is 0 if any rung is allowed."
            ) { options, _ in options.isDiagnosing = true },
        ])
}
