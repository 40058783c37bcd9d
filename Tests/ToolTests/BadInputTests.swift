import TestSupport
import Testing

/// What a user or a script can get wrong: one line that names the thing, and the exit status that says so.
@Suite(.waiting) struct BadInputTests {
    struct Mistake: CustomTestStringConvertible, Sendable {
        var arguments: [String]
        /// The line on standard error, behind the name of the tool.
        var line: String

        init(_ arguments: String..., line: String) {
            self.arguments = arguments
            self.line = line
        }

        var testDescription: String { arguments.joined(separator: " ").debugDescription }
    }

    static let countRange = "is not a whole number from 1 to 9223372036854775807"

    static let swping = [
        Mistake(line: "too few operands: needs HOST... (see swping --help)"),
        Mistake("--bogus", "h", line: "unknown option '--bogus' (see swping --help)"),
        Mistake("-Z", "h", line: "unknown option '-Z' (see swping --help)"),
        Mistake("-c", line: "option '-c' needs a value: COUNT"),
        Mistake("-c", "0", "h", line: "option -c: '0' \(countRange)"),
        Mistake("-c", "-1", "h", line: "option -c: '-1' \(countRange)"),
        Mistake("-c", "1x", "h", line: "option -c: '1x' \(countRange)"),
        Mistake("-c", "", "h", line: "option -c: '' \(countRange)"),
        Mistake("-c", "99999999999999999999", "h", line: "option -c: '99999999999999999999' \(countRange)"),
        Mistake("-i", "nan", "h", line: "option -i: 'nan' is not a time from 0 to 86400 seconds"),
        Mistake("-i", "inf", "h", line: "option -i: 'inf' is not a time from 0 to 86400 seconds"),
        Mistake("-i", "86401", "h", line: "option -i: '86401' is not a time from 0 to 86400 seconds"),
        Mistake("-s", "70000", "h", line: "option -s: '70000' is not a whole number from 0 to 65527"),
        Mistake(
            "-s", "65508", "127.0.0.1",
            line: "option -s: 65508 is too much for 127.0.0.1: IPv4 takes at most 65507"),
        Mistake("-W", "-1", "h", line: "option -W: '-1' is not a time from 0.001 to 3600 seconds"),
        Mistake("-w", "0", "h", line: "option -w: '0' is not a time from 0.001 to 31536000 seconds"),
        Mistake("-t", "256", "h", line: "option -t: '256' is not a whole number from 1 to 255"),
        Mistake("--port", "0", "h", line: "option --port: '0' is not a port from 1 to 65535"),
        Mistake("--port", "65536", "h", line: "option --port: '65536' is not a port from 1 to 65535"),
        Mistake("--udp", "--icmp", "h", line: "options --udp and --icmp exclude each other (see swping --help)"),
        Mistake("-4", "::1", line: "'::1' is not an IPv4 address"),
        Mistake("-6", "127.0.0.1", line: "'127.0.0.1' is not an IPv6 address"),
        Mistake(
            "https://example.net/x",
            line: "'https://example.net/x' is a URL, not a host: try 'example.net'"),
        Mistake("example.net:443", line: "'example.net:443' is a host with a port: try 'example.net'"),
        Mistake("[::1]:443", line: "'[::1]:443' is a host with a port: try '::1'"),
        Mistake("root@example.net", line: "'root@example.net' is a user at a host: try 'example.net'"),
        Mistake(" example.net", line: "' example.net' has white space around it: try 'example.net'"),
        Mistake("192.0.2.256", line: "'192.0.2.256' looks like an IPv4 address and is none"),
        Mistake("192.0.2.1.", line: "'192.0.2.1.' is an address with a dot behind it: try '192.0.2.1'"),
        Mistake(
            "ff02::1", line: "'ff02::1' is a link-local address: it needs its interface, as in ff02::1%eth0"),
        Mistake("--dual", "-4", "h", line: "options --dual and -4 exclude each other (see swping --help)"),
        Mistake("--dual", "-6", "h", line: "options --dual and -6 exclude each other (see swping --help)"),
        Mistake(
            "--resolve-every", "0", "h", line: "option --resolve-every: '0' is not a time from 1 to 86400 seconds"),
        Mistake(
            "--icmp", "--port", "80", "h", line: "options --icmp and --port exclude each other (see swping --help)"),
        Mistake("--dual", "-C", "h", line: "options --dual and -C exclude each other (see swping --help)"),
        Mistake(
            "--resolve-every", "1", "-C", "h",
            line: "options --resolve-every and -C exclude each other (see swping --help)"),
        Mistake(
            "--resolve-every", "1", "-b", "h",
            line: "options --resolve-every and -b exclude each other (see swping --help)"),
        Mistake(
            "--icmp-timestamp", "-U", "h",
            line: "options --icmp-timestamp and -U exclude each other (see swping --help)"),
        Mistake(
            "--resolve-every", "1", "127.0.0.1",
            line: "option --resolve-every: is for names, and each HOST is an address"),
        Mistake("--dual", "127.0.0.1", "::1", line: "option --dual: is for names, and each HOST is an address"),
        Mistake("--diagnose", "h", line: "option --diagnose takes no HOST, such as 'h'"),
        Mistake("--diagnose", "-c", "3", line: "option --diagnose goes with --json only, not with '-c'"),
        Mistake("fe80::1%nope", line: "'fe80::1%nope': there is no interface 'nope'"),
        Mistake(
            "fe80::1", line: "'fe80::1' is a link-local address: it needs its interface, as in fe80::1%eth0"),
        Mistake("10.0.0.0/33", line: "'10.0.0.0/33': the length of such a prefix is 0 to 32"),
        Mistake("", line: "'' is empty, not a host"),
        Mistake("-c", "\u{1b}[2J", "h", line: #"option -c: '\x1b[2J' \#(countRange)"#),
        Mistake("--\u{1b}[2J", "h", line: #"unknown option '--\x1b[2J' (see swping --help)"#),
        Mistake(
            "http://\u{1b}]0;x\u{7}/",
            line: #"'http://\x1b]0;x\x07/' is a URL, not a host: try '\x1b]0;x\x07'"#),
    ]

    static let swtrace = [
        Mistake(line: "too few operands: needs HOST... [SIZE] (see swtrace --help)"),
        Mistake("--bogus", "h", line: "unknown option '--bogus' (see swtrace --help)"),
        Mistake("-f", "0", "h", line: "option -f: '0' is not a whole number from 1 to 255"),
        Mistake("-f", "5", "-m", "3", "h", line: "option -f: 5 is more than the last hop, 3 (-m)"),
        Mistake("-m", "256", "h", line: "option -m: '256' is not a whole number from 1 to 255"),
        Mistake("-q", "11", "h", line: "option -q: '11' is not a whole number from 1 to 10"),
        Mistake("-N", "0", "h", line: "option -N: '0' is not a whole number from 1 to 2550"),
        Mistake("-z", "nan", "h", line: "option -z: 'nan' is not a time from 0 to 60000 seconds"),
        Mistake(
            "-w", "1,2", "h",
            line: "option -w: '1,2' is not MAX or MAX,HERE,NEAR "
                + "(MAX 0.001 to 3600 seconds, HERE and NEAR 0 to 1000)"),
        Mistake("-p", "0", "h", line: "option -p: '0' is not a port from 1 to 65535"),
        Mistake(
            "-I", "-p", "3", "h",
            line: "option -p: ICMP has no ports, and a probe's sequence number is its own number"),
        Mistake("-s", "x", "::1", line: "option -s: 'x' is not an IP address"),
        Mistake("-s", "::1", "127.0.0.1", line: "option -s: ::1 is of another IP version than the host"),
        Mistake("-s", "192.0.2.77", "127.0.0.1", line: "192.0.2.77 is no address of this host"),
        Mistake("--json", "--csv", "h", line: "options --json and --csv exclude each other (see swtrace --help)"),
        Mistake("--mtu", "-T", "h", line: "option --mtu: only UDP and ICMP probes can have any length"),
        Mistake("--pcap", "-", "h", line: "option --pcap: standard output has the report; name a file or a pipe"),
        Mistake("::1", "65001", line: "SIZE: '65001' is not a whole number from 28 to 65000"),
        Mistake("-4", "::1", line: "'::1' is not an IPv4 address"),
        Mistake("-6", "127.0.0.1", line: "'127.0.0.1' is not an IPv6 address"),
        Mistake("fe80::1%nope", line: "'fe80::1%nope': there is no interface 'nope'"),
        Mistake(
            "user@host:80/x", line: "'user@host:80/x' is a host with a path: try 'host'"),
        Mistake("https://h/", line: "'https://h/' is a URL, not a host: try 'h'"),
    ]

    @Test(arguments: swping.map { ("swping", $0) } + swtrace.map { ("swtrace", $0) })
    func oneLineNamesIt(tool: String, mistake: Mistake) throws {
        var command = ToolCommand(tool)
        command.arguments = mistake.arguments
        let result = try command.run()
        #expect(result.errors == "\(tool): \(mistake.line)\n")
        #expect(result.output.isEmpty)
        #expect(result.status == 2)
    }

    @Test(
        .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"), arguments: ["swping", "swtrace"])
    func unknownHostsAreNamed(tool: String) throws {
        // No name server can be reached from here, and none of the machine's is asked.
        let lab = try NamespaceLab("a")
        var command = ToolCommand(tool, "no-such-host\u{1b}.test")
        command.files = ["/etc/hosts": "127.0.0.1 localhost\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n"]
        let result = try lab["a"].run { try command.run() }
        #expect(result.errors.hasPrefix(#"\#(tool): unknown host 'no-such-host\x1b.test': "#), "\(result.errors)")
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
        #expect(result.output.isEmpty)
        #expect(result.status == 2)
    }

    static let measurements = [("swping", ["-c", "2", "-i", "0.01", "127.0.0.1"]), ("swtrace", ["-n", "127.0.0.1"])]
    static let everyOutput =
        measurements + [
            ("swping", ["--json", "-c", "2", "-i", "0.01", "127.0.0.1"]), ("swtrace", ["--json", "127.0.0.1"]),
            ("swping", ["--help"]), ("swtrace", ["--man"]),
        ]

    @Test(arguments: everyOutput)
    func aFullDiskIsNamed(tool: String, arguments: [String]) throws {
        var command = ToolCommand(tool)
        command.arguments = arguments
        command.output = .file("/dev/full")
        let result = try command.run()
        #expect(result.errors == "\(tool): standard output: No space left on device\n")
        #expect(result.status == 2)
    }

    @Test(arguments: everyOutput)
    func aClosedOutputIsNamed(tool: String, arguments: [String]) throws {
        var command = ToolCommand(tool)
        command.arguments = arguments
        command.output = .closed
        let result = try command.run()
        #expect(result.errors == "\(tool): standard output: Bad file descriptor\n")
        #expect(result.status == 2)
    }

    @Test(arguments: everyOutput)
    func aReaderThatHasGoneIsNoReasonToTalk(tool: String, arguments: [String]) throws {
        var command = ToolCommand(tool)
        command.arguments = arguments
        command.output = .brokenPipe
        let result = try command.run()
        #expect(result.errors.isEmpty)
        #expect(result.status == 141)
    }

    /// The run ends with the write that fails, not with the count.
    @Test func anEndlessRunEndsWithItsReader() throws {
        let result = try run([
            "bash", "-c", #""$1" -i 0.01 127.0.0.1 | head -n 1; exit "${PIPESTATUS[0]}""#, "bash",
            ToolCommand("swping").path,
        ])
        #expect(result.output == "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n")
        #expect(result.errors.isEmpty)
        #expect(result.status == 141)
    }

    @Test(arguments: measurements)
    func closedInputAndErrorsDoNoHarm(tool: String, arguments: [String]) throws {
        var command = ToolCommand(tool)
        command.arguments = arguments
        command.closedDescriptors = [0, 2]
        let result = try command.run()
        #expect(result.output.contains(tool == "swping" ? "2 received" : "\n 1  127.0.0.1  "))
        #expect(result.status == 0)
    }

    /// The first socket must not become descriptor 0, 1 or 2, and so take what is printed.
    @Test(arguments: measurements)
    func withoutAnyDescriptorTheStatusSaysIt(tool: String, arguments: [String]) throws {
        var command = ToolCommand(tool)
        command.arguments = arguments
        command.closedDescriptors = [0, 1, 2]
        #expect(try command.run().status == 2)
    }
}
