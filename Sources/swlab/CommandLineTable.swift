import CommandLineOptions

/// The options of every command, and what the help and the man page say.
enum CommandLineTable {
    static let table = CommandTable<Invocation>(
        Page(
            name: "swlab", summary: "a simulated internet behind a TUN device",
            description: [
                """
                Puts a simulated internet behind the network device of a new network namespace, so that real tools on \
                the real kernel can be pointed at routers, delays, losses, load balancers and limits whose truth is \
                known. Needs root.
                """,
                """
                A scenario is a text file with a thing per line, or the word demo for the built-in one, which \
                'swlab show demo' prints:
                """,
                "source [ADDRESS...]: the addresses of the host.",
                """
                router NAME [ADDRESS...] [PROPERTY...]: a router. Its delay, loss and so on are those of the link by \
                which the host reaches it, in each direction.
                """,
                "path NAME NAME...: links each to the next; source is the host.",
                "link NAME NAME [mtu OCTETS] [blackhole] [PROPERTY...]: a link that has something to say.",
                "balance NAME NAME NAME... by ports | transport | flow-label | destination | packet: equal next hops.",
                "flip NAME NAME NAME at 2s | every 5s: a next hop that changes, counted from the first packet.",
                """
                tunnel NAME NAME NAME... explicit | implicit | invisible | opaque [label NUMBER]: an MPLS tunnel from the \
                first router to the last.
                """,
                "return NAME hops COUNT [PROPERTY...]: answers that are at this router come back by another way.",
                "target ADDRESS-OR-PREFIX... via NAME [PROPERTY...]: hosts behind a router.",
                """
                Properties of everything that packets pass are delay 5ms | 5ms..8ms | 5ms~1ms | 5ms+1ms, loss 1%, \
                duplicate 1%, reorder 1% by 10ms, corrupt 1%; of links also blackhole, no-mtu, claim-mtu 1400, near and \
                far with the addresses of the interfaces.
                """,
                """
                Routers and targets have silent, limit 1/s burst 6, slow 2ms, quote 28, mpls 16004/24001, \
                interface-info, legacy-extensions, ttl 64, copy-ttl, no-echo, clock -5ms skew 35ppm tick 10ms, udp 7 \
                echo, tcp 80 open, unreachable admin, and hostile with one of wrong-source, wrong-checksum, truncated, \
                overlong, unknown-sequence, wrong-identifier, other-code, empty, forged-time, foreign-quote, zero-quote, long-header, cut-header, duplicate 3, late 2s. \
                Targets have live 40%, dead host.
                """,
                """
                Routers have loop, zero-ttl, from outgoing | own | ADDRESS, drop udp 33434-33534, reject tcp as admin; \
                and they change packets: bleach tos, nat ADDRESS shift-ports 100, dnat ADDRESS (both also careless or \
                forgetful about quotes), clamp-mss 1400, strip-options sack/timestamps, shift-sequence 1000, clear-df, \
                set-id 0, set-flow-label 7.
                """,
            ],
            exitStatuses: [
                Meaning("0", "The lab did what was asked for."),
                Meaning("2", "A usage error, or something that the system refused."),
                Meaning("126, 127", "The command could not be run, or was not found."),
                Meaning("N", "Of run and exec: the status of the command, or 128 and the signal that ended it."),
            ],
            examples: [
                Example("swlab run demo -- swtrace 10.0.9.9", "Trace a path through the built-in scenario."),
                Example(
                    "swlab up my.scenario; swlab exec -- bash; swlab down", "Look around in a scenario of your own."),
            ],
            seeAlso: ["swping(8)", "swtrace(8)", "ip-netns(8)"]),
        [up, down, run, exec, show, list])

    private static let up = CommandTable<Invocation>.Command(
        OptionTable(
            Page(
                name: "swlab up", summary: "bring a lab up that stays until swlab down",
                operands: Operands("[SCENARIO]", minimum: 0, maximum: 1, completion: .file),
                description: ["Brings the scenario in a file, or demo, up in the background."]),
            [OptionSection("Lab", [name(\.name), seed, pingSockets])]),
        LabSettings()
    ) { settings, operands in
        var settings = settings
        settings.scenario = operands.first ?? "demo"
        return .up(settings, name: settings.name)
    }

    private static let down = CommandTable<Invocation>.Command(
        OptionTable(
            Page(name: "swlab down", summary: "take a lab down"), [OptionSection("Lab", [name(\.name)])]),
        LabSettings()
    ) { settings, _ in .down(name: settings.name) }

    private static let run = CommandTable<Invocation>.Command(
        OptionTable(
            Page(
                name: "swlab run", summary: "run one command in a lab of its own",
                operands: Operands("SCENARIO [--] COMMAND [ARGUMENT]...", minimum: 2, completion: .command),
                order: .commandAfter(operands: 1),
                description: [
                    "Runs the command in a lab that nobody else sees and that ends with it; exits with its status."
                ]),
            [
                OptionSection(
                    "Lab",
                    [
                        seed, pingSockets,
                        Option(
                            "l", "log", .required("FILE"), "write down when each packet was read and written",
                            detail: """
                                A line per packet: in or out, the time of day in nanoseconds, by how many nanoseconds it \
                                is late, its octets, and the first eight octets behind the IP header in hexadecimal.
                                """, completion: .file
                        ) { settings, value in settings.journal = try value.text(maximumLength: 4_095) },
                    ]),
                OptionSection(
                    "Command",
                    [
                        user,
                        Option("c", "counters", "print what happened to all packets on standard error at the end") {
                            settings, _ in settings.printsCounters = true
                        },
                    ]),
            ]),
        LabSettings()
    ) { settings, operands in
        var settings = settings
        settings.scenario = operands[0]
        return .run(settings, LabCommand(words: Array(operands.dropFirst()), user: settings.user))
    }

    private static let exec = CommandTable<Invocation>.Command(
        OptionTable(
            Page(
                name: "swlab exec", summary: "run a command in a lab that is up",
                operands: Operands("[--] COMMAND [ARGUMENT]...", minimum: 1, completion: .command),
                order: .commandAfter(operands: 0)),
            [OptionSection("Lab", [name(\.name)]), OptionSection("Command", [user])]),
        LabSettings()
    ) { settings, operands in
        .exec(name: settings.name, LabCommand(words: operands, user: settings.user))
    }

    private static let show = CommandTable<Invocation>.Command(
        OptionTable(
            Page(
                name: "swlab show", summary: "print a scenario as it is understood",
                operands: Operands("[SCENARIO]", minimum: 0, maximum: 1, completion: .file)), []),
        LabSettings()
    ) { _, operands in .show(operands.first ?? "demo") }

    private static let list = CommandTable<Invocation>.Command(
        OptionTable(Page(name: "swlab list", summary: "list the labs that are up"), []), LabSettings()
    ) { _, _ in .list }

    private static func name(_ path: WritableKeyPath<LabSettings, String> & Sendable) -> Option<LabSettings> {
        Option("n", "name", .required("NAME"), "the name of the lab and its namespace, swlab by default") {
            settings, value in
            guard Registry.isName(value.string) else {
                throw value.invalid("a name of up to 32 letters, digits, -, _ and .")
            }
            settings[keyPath: path] = value.string
        }
    }

    private static let seed = Option<LabSettings>(
        "s", "seed", .required("NUMBER"), "the source of all chance, 1 by default: the same seed, the same fate"
    ) { settings, value in settings.seed = try value.wholeNumber(in: 0...UInt64.max) }

    private static let pingSockets = Option<LabSettings>(
        "p", "ping-sockets", .required("STATE"),
        "let every group or none open ping sockets: open or shut; as the kernel has it by default",
        completion: .words(Lab.PingSockets.allCases.map(\.rawValue))
    ) { settings, value in
        settings.pingSockets = try value.choice(Lab.PingSockets.allCases.map { ($0.rawValue, $0) })
    }

    private static let user = Option<LabSettings>(
        "u", "user", .required("UID[:GID]"), "run the command as this user, without any capability"
    ) { settings, value in
        guard let user = User(value.string) else { throw value.invalid("the number of a user other than root") }
        settings.user = user
    }
}
