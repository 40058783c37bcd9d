import CommandLineOptions

/// The configuration that the tests' table writes to.
struct Settings: Equatable, Sendable {
    var count: Int64 = 0
    var interval: Int64 = 0
    var isQuiet = false
    var isNumeric = false
    var colour = "auto"
    var file = ""
    var hops: [String] = []
    var mark = UInt32(0)
    var level = -1
    var interface = ""
}

/// A table with every kind of option.
let sample = OptionTable<Settings>(
    Page(
        name: "swsample", summary: "tries every kind of option",
        operands: Operands("HOST...", minimum: 1, completion: .host),
        description: [
            "Sends nothing and waits for nothing. A second sentence begins a line, and -c is an option.",
            ".A paragraph may begin with a dot, hold 'quotes', \"double ones\", back\\slashes and µ.",
        ],
        output: [Meaning("!H 'quoted'", "Host unreachable."), Meaning(".hidden", "Begins with a dot.")],
        exitStatuses: [Meaning("0", "Every host answered."), Meaning("2", "Usage or system error.")],
        environment: [Meaning("NO_COLOR", "Turns colours off.")],
        examples: [Example("swsample -c3 example.net", "Asks three times.")],
        seeAlso: ["traceroute(1)", "ping(8)", "getopt(1)"]),
    [
        OptionSection(
            "Schedule",
            [
                Option("c", "count", .required("COUNT"), "stop after COUNT probes") { settings, value in
                    settings.count = try value.wholeNumber(in: 1...Int64.max)
                },
                Option(
                    "i", "interval", .required("TIME"), "wait TIME between probes", detail: "Units are us, ms, s and m."
                ) {
                    $0.interval = try $1.duration(in: 2_000_000...3_600_000_000_000)
                },
                Option(nil, "continue", "go on after an error, however often it comes and whoever reports it to us") {
                    _, _ in
                },
                Option("l", "level", .optional("N"), "say more") { settings, value in
                    settings.level = value.text == nil ? 1 : try value.wholeNumber(in: 0...9)
                },
            ]),
        OptionSection(
            "Output",
            [
                Option("q", "quiet", "print the summary only", aliases: ["silent", "Q"]) { settings, _ in
                    settings.isQuiet = true
                },
                Option("n", nil, "print numbers only") { settings, _ in settings.isNumeric = true },
                Option(
                    nil, "color", .required("WHEN"), "colour auto, always or never",
                    completion: .words(["auto", "always", "never"])
                ) { $0.colour = try $1.word(["auto", "always", "never"]) },
                Option("o", "output-file-with-a-long-name", .required("FILE"), "write to FILE", completion: .file) {
                    $0.file = try $1.text(maximumLength: 8)
                },
                Option("g", nil, .required("HOP"), "go through HOP: may be given again") { settings, value in
                    settings.hops.append(value.string)
                },
                Option("m", "mark", .required("MARK"), "set the firewall's mark [0x1:0xff]") { settings, value in
                    settings.mark = try value.wholeNumber(in: 0...0xff, hexadecimal: true)
                },
                Option("I", "interface", .required("NAME"), "send by this interface", completion: .interface) {
                    settings, value in
                    settings.interface = value.string
                },
                Option("f", "flood", "refused") { _, _ in
                    throw OptionError.refused("floods are not for tests")
                },
                Option("X", "secret", "not shown", isHidden: true) { _, _ in },
            ]),
    ])

enum SampleInvocation: Equatable, Sendable {
    case serve(port: UInt16)
    case run(scenario: String, command: [String])
}

/// A tool with commands, one of which takes a command line of another program.
let commands = CommandTable<SampleInvocation>(
    Page(
        name: "swsub", summary: "has commands", description: ["Serves or runs."],
        exitStatuses: [Meaning("0", "Done.")], seeAlso: ["ip-netns(8)"]),
    [
        CommandTable.Command(
            OptionTable<UInt16>(
                Page(
                    name: "swsub serve", summary: "serve until interrupted",
                    examples: [Example("swsub serve -p7", "Serves on port 7.")]),
                [
                    OptionSection(
                        "Sockets",
                        [Option("p", "port", .required("PORT"), "listen on PORT") { $0 = try $1.port() }])
                ]), 7
        ) { port, _ in .serve(port: port) },
        CommandTable.Command(
            OptionTable<Bool>(
                Page(
                    name: "swsub run", summary: "run a command in a scenario",
                    operands: Operands("SCENARIO [--] COMMAND [ARGUMENT]...", minimum: 2, completion: .file),
                    order: .commandAfter(operands: 1)),
                [OptionSection("Scenario", [Option("k", "keep", "keep it") { keep, _ in keep = true }])]), false
        ) { _, operands in
            guard operands[0] != "nowhere" else { throw OptionError.refused("no scenario 'nowhere'") }
            return .run(scenario: operands[0], command: Array(operands.dropFirst()))
        },
    ])
