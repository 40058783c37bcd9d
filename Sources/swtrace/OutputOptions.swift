import CommandLineOptions

extension Options {
    static let outputSection = OptionSection<Options>(
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
            ) { options, _ in options.styles.append(.json) },
            Option(nil, "csv", "print a table: a row for each probe") { options, _ in options.styles.append(.csv) },
            Option(
                nil, "atlas", "print an object for each host, of the shape of RIPE Atlas' traceroute results",
                detail: "The numbers of a measurement and of a probe, which Atlas gives, are 0."
            ) { options, _ in options.styles.append(.atlas) },
            Option(
                nil, "pcap", .required("FILE"), "write what was sent and received to FILE, for tcpdump or Wireshark",
                detail: "As swping(8) does.", completion: .file
            ) { $0.captureFile = try $1.text(maximumLength: 4_096) },
        ])
}
