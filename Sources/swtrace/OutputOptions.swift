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
            Option(
                nil, "back", "print the length of the way back where it differs: '-10'",
                detail: "It is guessed: answers are taken to start with a hop limit of 64, 128 or 255."
            ) { options, _ in options.showsWayBack = true },
            Option(
                nil, "mtu", "find the largest packet that the path takes, and where larger ones end",
                detail:
                    "Asks the path and not the kernel's memory of it, and finds black holes too: links that drop what "
                    + "is too long without a word. Rows come when all is known; F=1400 stands where packets had to "
                    + "shrink."
            ) { options, _ in options.findsMTU = true },
            Option(
                nil, "as", .required("PROGRAM"), "be traceroute or tracepath: their options, output and exit status",
                detail:
                    "Stands in front of all other options. A link to swtrace by the name of traceroute, traceroute4, "
                    + "traceroute6, tcptraceroute, tracepath, tracepath4 or tracepath6 does the same. Routers are found as "
                    + "fast as ever, and what swtrace alone finds out is not told.",
                completion: .words(Persona.names)
            ) { _, _ in throw OptionError.refused("has to be the first option") },
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
