import LinuxSockets
import PacketFormats
import TestSupport
import Testing

private let loopback = IPAddress.v4(.loopback)

/// A socket of the test that plays an echo server, or somebody else.
private struct Peer: ~Copyable {
    let socket: Socket

    init(_ address: IPAddress = loopback) throws {
        let socket = try Socket(family: address.version == .v4 ? .inet : .inet6, type: .datagram)
        try socket.bind(to: SocketAddress(address))
        self.socket = socket
    }

    func port() throws -> String { "\(try #require(try socket.localAddress().port))" }

    /// Waits for the next datagram.
    func next() throws -> (bytes: [UInt8], source: SocketAddress) {
        try socket.wait(for: .readable)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let result = try #require(try socket.receive(into: &buffer))
        return (Array(buffer.prefix(result.count)), result.source)
    }

    func send(_ text: String, to address: SocketAddress) throws {
        try socket.send(Array(text.utf8).bytes, to: address)
    }
}

/// A server on a free port of an address of this machine.
private struct Server: ~Copyable {
    var process: ChildProcess
    let port: String

    init(_ arguments: String..., address: String = "127.0.0.1") throws {
        var command = ToolCommand("swecho", "serve", "--bind", address, "--port", "0")
        command.arguments += arguments
        var process = try command.start()
        try process.wait { $0.contains("\n") }
        // The port is the last thing in the line, but for what ends a JSON object.
        let line = String(decoding: process.output, as: UTF8.self).prefix { $0 != "\n" }
        port = String(try #require(line.split(separator: ":").last).prefix { $0.isNumber })
        self.process = process
    }

    mutating func stop(_ signal: Signal = .terminate) throws -> CommandResult {
        process.signal(signal)
        return try process.finish()
    }
}

@Suite(.waiting) struct SwechoTests {
    @Test(arguments: ["127.0.0.1", "::1"])
    func sendsAndReceives(address: String) throws {
        var server = try Server(address: address)
        let port = server.port
        let result = try ToolCommand("swecho", "send", "-p", port, address, "hello there").run()
        #expect(result == CommandResult(status: 0, output: "Received: hello there\n", errors: ""))
        let end = try server.stop(.interrupt)
        #expect(end.status == 0 && end.errors.isEmpty)
        let name = address.contains(":") ? "[\(address)]" : address
        let lines = end.output.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[0] == "Listening on \(name):\(port)")
        #expect(lines[1].hasPrefix("Handling client \(name):"))
        #expect(lines[2...] == ["--- swecho statistics ---", "1 datagrams received, 1 echoed"])
    }

    @Test(arguments: [Signal.interrupt, .terminate])
    func endsWithASummary(signal: Signal) throws {
        var server = try Server()
        server.process.signal(.quit)
        try server.process.wait { $0.contains("0 datagrams received, 0 echoed\n") }
        let end = try server.stop(signal)
        #expect(end.status == 0)
        #expect(end.output.split(separator: "\n").count == 5)
    }

    @Test func aQuietServerPrintsItsSummaryOnly() throws {
        let probe = try Peer()
        // The port is free again before the server takes it.
        let port = try probe.port()
        _ = consume probe
        var server = try ToolCommand("swecho", "serve", "-q", "--bind", "127.0.0.1", "-p", port).start()
        // It does not say when it is ready, so the port is closed at first.
        let deadline = SystemClock.monotonic.now + 20_000_000_000
        while try ToolCommand("swecho", "send", "-W", "20", "-p", port, "127.0.0.1").run().status != 0 {
            try #require(SystemClock.monotonic.now < deadline)
        }
        server.signal(.terminate)
        let end = try server.finish()
        #expect(end.status == 0)
        #expect(end.output == "--- swecho statistics ---\n1 datagrams received, 1 echoed\n")
    }

    @Test func jsonOfTheServer() throws {
        var server = try Server("--json")
        let port = server.port
        #expect(try ToolCommand("swecho", "send", "-p", port, "127.0.0.1").run().status == 0)
        let end = try server.stop()
        let lines = end.output.split(separator: "\n")
        #expect(lines.count == 3)
        for (line, type) in zip(lines, ["listening", "client", "summary"]) {
            #expect(line.hasPrefix("{\"v\":1,\"type\":\"\(type)\",\"time\":\"2"))
            #expect(line.contains("\"transport\":\"udp\"") && line.hasSuffix("}"))
        }
        #expect(lines.last?.contains("\"received\":1,\"echoed\":1,\"refused_loop\":0,") == true)
    }

    @Test func jsonOfTheClient() throws {
        var server = try Server()
        let port = server.port
        let result = try ToolCommand("swecho", "send", "-j", "-p", port, "127.1", "a\"b\u{1b}\\").run()
        #expect(result.status == 0 && result.errors.isEmpty)
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(
            lines[0].contains(
                "\"target\":\"127.1\",\"address\":\"127.0.0.1\",\"family\":\"ipv4\",\"transport\":\"udp\",\"port\":\(port),"
                    + "\"bytes\":5,\"rtt_ns\":"))
        #expect(lines[0].hasSuffix(#""clock":"user","sends":1,"text":"a\"b\\x1b\\\\"}"#))
        #expect(
            lines[1].hasSuffix("\"transmitted\":1,\"received\":1,\"corrupted\":0,\"unknown_source\":0,\"errors\":0}"))
        #expect(try server.stop().status == 0)
    }

    @Test func textFromTheNetworkIsHarmless() throws {
        var server = try Server()
        let port = server.port
        var command = ToolCommand("swecho", "send", "-p", port, "127.0.0.1", "-")
        command.input = [0x1b, 0x5b, 0x32, 0x4a, 0x0a, 0xff, 0x00, 0xe2, 0x80, 0xae]
        #expect(try command.run().output == "Received: \\x1b[2J\\n\\xff\\x00\\u{202e}\n")
        command.input = []
        #expect(try command.run().output == "Received: \n")
        command.input = [UInt8](repeating: 0x61, count: 65_507)
        #expect(try command.run().output == "Received: " + String(repeating: "a", count: 65_507) + "\n")
        command.input.append(0x61)
        let tooLong = try command.run()
        #expect(tooLong.status == 2)
        #expect(
            tooLong.errors == "swecho: the message has 65508 bytes, a datagram to 127.0.0.1 holds 65507\n")
        command.input = [UInt8](repeating: 0x61, count: 200_000)
        let endless = try command.run()
        #expect(endless.status == 2)
        #expect(endless.errors == "swecho: standard input has more than 65527 bytes, which no datagram holds\n")
        #expect(try server.stop().status == 0)
    }

    @Test func aClosedPortSaysWho() throws {
        let closed = try Peer()
        let port = try closed.port()
        _ = consume closed
        let result = try ToolCommand("swecho", "send", "-p", port, "127.0.0.1").run()
        #expect(
            result
                == CommandResult(
                    status: 1, output: "",
                    errors: "swecho: 127.0.0.1:\(port): port unreachable, says 127.0.0.1\n"))
        let v6 = try ToolCommand("swecho", "send", "-6", "-p", port, "::1").run()
        #expect(v6.status == 1)
        #expect(v6.errors == "swecho: [::1]:\(port): port unreachable, says ::1\n")
    }

    @Test func anUnknownSourceIsNamedAndWaitedPast() throws {
        let server = try Peer()
        let stranger = try Peer()
        var client = try ToolCommand("swecho", "send", "-W", "20", "-p", server.port(), "127.0.0.1", "hi").start()
        let (bytes, source) = try server.next()
        #expect(bytes == Array("hi".utf8))
        try stranger.send("hi", to: source)
        let line = "swecho: received a packet from unknown source 127.0.0.1:\(try stranger.port())\n"
        try client.waitForErrors { $0 == line }
        try server.send("hi", to: source)
        let result = try client.finish()
        #expect(result == CommandResult(status: 0, output: "Received: hi\n", errors: line))
    }

    @Test func manyUnknownSourcesAreCutShort() throws {
        let server = try Peer()
        let stranger = try Peer()
        var client = try ToolCommand("swecho", "send", "-W", "20", "-p", server.port(), "127.0.0.1", "hi").start()
        let (_, source) = try server.next()
        for _ in 0..<50 { try stranger.send("x", to: source) }
        try client.waitForErrors { $0.hasSuffix("are not listed\n") }
        try server.send("hi", to: source)
        let result = try client.finish()
        #expect(result.status == 0)
        #expect(result.errors.split(separator: "\n").count == 11)
    }

    @Test(arguments: [
        ("hI", "2 bytes, different from byte 1 on: hI"), ("", "0 bytes instead of 2: "),
        ("hi\u{1b}c", "4 bytes instead of 2: hi\\x1bc"),
    ])
    func aChangedMessageIsAFailure(answer: String, words: String) throws {
        let server = try Peer()
        let port = try server.port()
        var client = try ToolCommand("swecho", "send", "-W", "20", "-p", port, "127.0.0.1", "hi").start()
        try server.send(answer, to: try server.next().source)
        let result = try client.finish()
        #expect(
            result
                == CommandResult(
                    status: 1, output: "", errors: "swecho: 127.0.0.1:\(port) answered something else: \(words)\n"))
    }

    @Test func aSilentServerIsAskedAgainAndGivenUp() throws {
        let server = try Peer()
        let port = try server.port()
        let result = try ToolCommand("swecho", "send", "-W", "0.02", "-r", "3", "-p", port, "127.0.0.1", "hi").run()
        #expect(
            result
                == CommandResult(
                    status: 1, output: "", errors: "swecho: 127.0.0.1:\(port): no answer to 4 messages\n"))
        for _ in 0..<4 { #expect(try server.next().bytes == Array("hi".utf8)) }
        #expect(throws: Errno.timedOut) { try server.socket.wait(for: .readable, seconds: 0) }
    }

    @Test func anAnswerAfterAResendHasNoExactTime() throws {
        let server = try Peer()
        var client = try ToolCommand(
            "swecho", "send", "-v", "-W", "0.02", "-r", "1000", "-p", server.port(), "127.0.0.1", "hi"
        ).start()
        _ = try server.next()
        try server.send("hi", to: try server.next().source)
        let result = try client.finish()
        #expect(result.status == 0)
        #expect(result.output.contains("Received: hi\n2 bytes from 127.0.0.1:"))
        #expect(result.output.contains(": time between ") && result.output.hasSuffix(" sends was answered\n"))
    }

    @Test(arguments: [
        (["send", "no-such-host.invalid"], "swecho: unknown host 'no-such-host.invalid': "),
        (["send", "https://example.net/x"], "swecho: 'https://example.net/x' is a URL, not a host: try 'example.net'"),
        (["send", "-4", "::1"], "swecho: '::1' is not an IPv4 address"),
        (["send", "fe80::1%nope"], "swecho: 'fe80::1%nope': there is no interface 'nope'"),
        (["send", "bad\u{1b}[31m"], "swecho: unknown host 'bad\\x1b[31m': "),
        (["send", "-W", "nan", "::1"], "swecho send: option "),
        (["send", "-W", "0", "::1"], "swecho send: option "),
        (["send", "-r", "99999999999999999999", "::1"], "swecho send: option "),
        (["send", "-p", "65536", "::1"], "swecho send: option "),
        (["send", "-Z"], "swecho send: "),
        (["send"], "swecho send: "),
        (["send", "a", "b", "c"], "swecho send: "),
        (["serve", "--bind", "nobody"], "swecho serve: option "),
        (["serve", "--bind", "224.0.0.1"], "swecho serve: option "),
        (["serve", "--rate", "-1"], "swecho serve: option "),
        (["serve", "--bind", "192.0.2.77", "-p", "7007"], "swecho: cannot bind 192.0.2.77:7007: "),
        (["serve", "extra"], "swecho serve: "),
        (["dance"], "swecho: "),
        ([], "swecho: "),
    ])
    func badInputIsOneLine(arguments: [String], start: String) throws {
        var command = ToolCommand("swecho")
        command.arguments = arguments
        let result = try command.run()
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix(start), "\(result.errors)")
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test func outputThatGoesNowhere() throws {
        var server = try Server()
        let port = server.port
        var command = ToolCommand("swecho", "send", "-p", port, "127.0.0.1")
        command.output = .closed
        #expect(
            try command.run()
                == CommandResult(status: 2, output: "", errors: "swecho: standard output: Bad file descriptor\n"))
        command.output = .file("/dev/full")
        #expect(
            try command.run()
                == CommandResult(status: 2, output: "", errors: "swecho: standard output: No space left on device\n"))
        command.output = .brokenPipe
        #expect(try command.run() == CommandResult(status: 141, output: "", errors: ""))
        #expect(try server.stop().status == 0)
        var quiet = ToolCommand("swecho", "serve", "--bind", "127.0.0.1", "-p", "0")
        quiet.output = .brokenPipe
        #expect(try quiet.run() == CommandResult(status: 141, output: "", errors: ""))
    }

    @Test(arguments: [["--help"], ["--man"], ["--completions", "bash"], ["serve", "--help"], ["send", "-h"], ["-V"]])
    func documentation(arguments: [String]) throws {
        var command = ToolCommand("swecho")
        command.arguments = arguments
        let result = try command.run()
        #expect(result.status == 0 && result.errors.isEmpty)
        #expect(result.output.contains("swecho"))
    }
}

@Suite(
    .waiting, .enabled(if: NamespaceLab.isAvailable && ToolCommand.canChangeUser, "needs root, ip(8) and setpriv(1)"))
struct SwechoPrivilegeTests {
    @Test func withoutTheRightOneLineSaysWhatHelps() throws {
        let lab = try NamespaceLab("host")
        var command = ToolCommand("swecho", "serve")
        command.userID = 65534
        let result = try lab["host"].run { try command.run() }
        #expect(result.status == 2 && result.output.isEmpty)
        #expect(result.errors.hasPrefix("swecho: cannot bind 0.0.0.0:7: Permission denied; "))
        for help in ["setcap cap_net_bind_service+p", "--port above 1023", "net.ipv4.ip_unprivileged_port_start"] {
            #expect(result.errors.contains(help))
        }
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test(arguments: ["root", "user with the capability", "user where the port needs none"])
    func servesPortSevenAndKeepsNoRight(case name: String) throws {
        let lab = try NamespaceLab("server", "client")
        try lab.link("server", "client", "10.0.1", "fd00:1")
        var command = ToolCommand("swecho", "serve")
        switch name {
        case "root": break
        case "user with the capability":
            command.userID = 65534
            command.ambientCapabilities = ["net_bind_service"]
        default:
            command.userID = 65534
            try lab["server"].set("net.ipv4.ip_unprivileged_port_start", "7")
        }
        var server = try lab["server"].run { try command.start() }
        try server.wait { $0 == "Listening on 0.0.0.0:7 and [::]:7\n" }
        for target in ["10.0.1.1", "fd00:1::1"] {
            let result = try lab["client"].run { try ToolCommand("swecho", "send", target, "ho").run() }
            #expect(result == CommandResult(status: 0, output: "Received: ho\n", errors: ""))
        }
        let status = try runSuccessfully(["cat", "/proc/\(server.processID)/status"])
        for line in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            #expect(status.contains("\(line):\t0000000000000000\n"))
        }
        #expect(status.contains("NoNewPrivs:\t1\n"))
        #expect(status.contains("Threads:\t1\n"))
        server.signal(.terminate)
        let end = try server.finish()
        #expect(
            end.output.contains("\nHandling client 10.0.1.2:") && end.output.contains("\nHandling client [fd00:1::2]:"))
        #expect(end.output.hasSuffix("--- swecho statistics ---\n2 datagrams received, 2 echoed\n"))
    }

    @Test func aRouterSaysThatThereIsNoWay() throws {
        let lab = try NamespaceLab("client", "router", "server")
        try lab.link("client", "router", "10.0.1", "fd00:1")
        try lab["client"].addDefaultRoute(via: "router")
        try lab["router"].exec("ip", "route", "add", "prohibit", "10.0.9.0/24")
        try lab["router"].exec("ip", "route", "add", "unreachable", "10.0.8.0/24")
        try lab["router"].exec("ip", "-6", "route", "add", "prohibit", "fd00:9::/64")
        func send(_ arguments: String...) throws -> CommandResult {
            var command = ToolCommand("swecho", "send", "-W", "0.2", "-r", "0")
            command.arguments += arguments
            return try lab["client"].run { try command.run() }
        }
        let forbidden = "administratively prohibited, says"
        #expect(
            try send("10.0.9.9")
                == CommandResult(status: 1, output: "", errors: "swecho: 10.0.9.9:7: \(forbidden) 10.0.1.2\n"))
        #expect(
            try send("fd00:9::9")
                == CommandResult(status: 1, output: "", errors: "swecho: [fd00:9::9]:7: \(forbidden) fd00:1::2\n"))
        #expect(
            try send("10.0.8.8")
                == CommandResult(
                    status: 1, output: "",
                    errors: "swecho: 10.0.8.8:7: host unreachable, says 10.0.1.2\n"
                        + "swecho: 10.0.8.8:7: no answer to one message\n"))
        try lab["client"].exec("ip", "route", "del", "default")
        #expect(
            try send("10.0.8.8")
                == CommandResult(
                    status: 2, output: "", errors: "swecho: 10.0.8.8:7: not sent: Network is unreachable\n"))
    }
}
