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
            ) { options, _ in options.isJSON = true },
        ])
}
