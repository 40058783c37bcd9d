import CommandLineOptions

extension Options {
    static let probeSection = OptionSection<Options>(
        "Probes",
        [
            Option(
                "s", "size", .required("BYTES"), "bytes behind the ICMP or UDP header (56)",
                detail: "At most 65507 over IPv4 and 65527 over IPv6."
            ) { $0.payloadLength = try $1.wholeNumber(in: 0...65_527) },
            Option("t", "ttl", .required("HOPS"), "hop limit of the probes (64)") {
                $0.hopLimit = try $1.wholeNumber(in: 1...255)
            },
        ])
}
