import CommandLineOptions

extension Options {
    static let outputSection = OptionSection<Options>(
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
        ])
}
