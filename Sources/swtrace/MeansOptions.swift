import CommandLineOptions
import ProbeIO

extension Options {
    static let meansSection = OptionSection<Options>(
        "Means",
        [
            Option("4", "ipv4", "IPv4 only") { options, _ in options.version = .v4 },
            Option("6", "ipv6", "IPv6 only") { options, _ in options.version = .v6 },
            Option(
                nil, "rung", .required("RUNG"), "use nothing better than raw, ping, udp or tcp",
                detail: "For trying what users with fewer rights see.",
                completion: .words(Rung.allCases.map(\.rawValue))
            ) { $0.highestRung = try $1.choice(Rung.allCases.map { ($0.rawValue, $0) }) },
        ])
}
