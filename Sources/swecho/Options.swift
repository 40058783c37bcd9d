import CommandLineOptions
import PacketFormats
import ProbeIO

/// What the command line asks for.
enum Invocation: Sendable {
    case serve(ServeConfiguration)
    case send(SendConfiguration)
}

struct ServeConfiguration: Sendable {
    var addresses: [IPAddress] = []
    var port: UInt16 = 7
    var server = EchoServer.Configuration()
    var isQuiet = false
    var isJSON = false
}

struct SendConfiguration: Sendable {
    var host = ""
    /// Nil for what standard input holds.
    var message: String? = defaultMessage
    var port: UInt16 = 7
    var family: IPVersion?
    var exchange = EchoExchange.Configuration()
    var isVerbose = false
    var isJSON = false

    static let defaultMessage = "swecho"
}

let commandTable = CommandTable<Invocation>(
    Page(
        name: "swecho", summary: "UDP echo server and client",
        description: [
            "Sends back what it is sent (RFC 862), or sends a message to such a server and waits for its return.",
            "The server answers no datagram whose source port is that of another server that answers anything, such as "
                + "echo, chargen, daytime or DNS, or its own port, and none that was sent to a broadcast or multicast "
                + "address: with a forged source two servers would answer each other for ever. Each client, an IPv4 "
                + "address or an IPv6 /64, is answered at a limited rate.",
            "After its sockets are open it gives up all rights for ever.",
        ],
        exitStatuses: [
            Meaning("0", "The message came back, or the server was ended by SIGINT or SIGTERM."),
            Meaning("1", "The message did not come back, or came back changed."),
            Meaning("2", "Usage, name or system error; also when standard output takes no more."),
            Meaning("141", "The reader of standard output has gone."),
        ],
        examples: [
            Example("swecho serve --port 7007", "Serves on a port that needs no privilege."),
            Example("swecho send --port 7007 localhost hello", "Prints: Received: hello."),
        ],
        seeAlso: ["capabilities(7)", "setcap(8)", "udp(7)"]),
    [
        CommandTable.Command(serveTable, ServeConfiguration()) { configuration, _ in .serve(configuration) },
        CommandTable.Command(sendTable, SendConfiguration()) { configuration, operands in
            var configuration = configuration
            configuration.host = operands[0]
            if operands.count > 1 { configuration.message = operands[1] == "-" ? nil : operands[1] }
            return .send(configuration)
        },
    ])

private let serveTable = OptionTable<ServeConfiguration>(
    Page(
        name: "swecho serve", summary: "echo UDP datagrams until interrupted",
        description: [
            "Prints 'Handling client ADDRESS' for each new client, up to 1000 of them, and what it did at its end; "
                + "SIGQUIT prints that in between."
        ],
        examples: [
            Example("swecho serve", "Serves port 7 of every address, which needs CAP_NET_BIND_SERVICE."),
            Example("swecho serve --bind 127.0.0.1 --bind ::1 --port 7007", "Serves this machine only."),
        ]),
    [
        OptionSection(
            "Server",
            [
                Option(
                    "b", "bind", .required("ADDRESS"), "serve this address only; may be given again",
                    detail: "Without it every IPv4 and IPv6 address is served."
                ) { configuration, value in configuration.addresses.append(try localAddress(value)) },
                Option("p", "port", .required("PORT"), "serve this UDP port, 0 for any that is free [7]") {
                    $0.port = try $1.wholeNumber(in: 0...UInt16.max)
                },
                Option(
                    nil, "rate", .required("COUNT"), "echoes per second for one client, 0 for no limit [1000]",
                    detail: "As many may come at once."
                ) { $0.server.rate = try $1.wholeNumber(in: 0...1_000_000) },
            ]),
        OptionSection(
            "Output",
            [
                Option("q", "quiet", "print nothing but the summary") { configuration, _ in
                    configuration.isQuiet = true
                },
                Option("j", "json", "print one JSON object per line") { configuration, _ in
                    configuration.isJSON = true
                },
            ]),
    ])

private let sendTable = OptionTable<SendConfiguration>(
    Page(
        name: "swecho send", summary: "send a message to an echo server and print what comes back",
        operands: Operands("HOST [MESSAGE]", minimum: 1, maximum: 2, completion: .host),
        description: [
            "Prints 'Received: MESSAGE' when the message came back as it went. The message - is what standard input "
                + "holds, to the byte; without one it is '\(SendConfiguration.defaultMessage)'. What is not printable in "
                + "it is escaped, and a backslash is printed as two.",
            "An answer from anybody but HOST is named on standard error and changes nothing.",
        ],
        examples: [Example("swecho send -v -W 0.5 192.0.2.7 hello", "Waits half a second for each of three sends.")]),
    [
        OptionSection(
            "Exchange",
            [
                Option("p", "port", .required("PORT"), "the server's UDP port [7]") { $0.port = try $1.port() },
                Option("W", "timeout", .required("TIME"), "wait TIME for the answer to each send [2]") {
                    $0.exchange.timeout = try $1.duration(in: 1_000_000...3_600_000_000_000)
                },
                Option("r", "retries", .required("COUNT"), "send COUNT times more when no answer comes [2]") {
                    $0.exchange.retries = try $1.wholeNumber(in: 0...1000)
                },
                Option("4", "ipv4", "use IPv4 only") { configuration, _ in configuration.family = .v4 },
                Option("6", "ipv6", "use IPv6 only") { configuration, _ in configuration.family = .v6 },
            ]),
        OptionSection(
            "Output",
            [
                Option("v", "verbose", "say where it goes and how long it took") { configuration, _ in
                    configuration.isVerbose = true
                },
                Option("j", "json", "print one JSON object per line") { configuration, _ in
                    configuration.isJSON = true
                },
            ]),
    ])

private func localAddress(_ value: OptionValue) throws -> IPAddress {
    guard let address = try Resolver.numericAddress(value.string), !address.isMulticast, !address.isBroadcast else {
        throw value.invalid("a numeric address of a host")
    }
    return address
}
