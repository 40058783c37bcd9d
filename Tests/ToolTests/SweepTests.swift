import Glibc
import LinuxSockets
import PacketFormats
import ProbeReports
import SimulatedNetwork
import TestSupport
import Testing

/// swping's sweeps as a process: targets, lines, statuses, signals.
@Suite(.waiting) struct SweepTests {
    /// The first words of the lines.
    private static func addresses(_ output: String) -> [String] {
        output.split(separator: "\n").map { String($0.prefix { $0 != " " }) }
    }

    /// Addresses `127.3.0.first` to `last`.
    private static func hosts(_ range: ClosedRange<Int>) -> [String] { range.map { "127.3.0.\($0)" } }

    private static func command(_ arguments: String...) -> ToolCommand {
        var command = ToolCommand("swping")
        command.arguments = arguments
        return command
    }

    // MARK: Targets

    @Test(
        "Prefixes and ranges, in their order; a prefix is without its network and its broadcast address",
        arguments: [
            (["127.3.0.0/24"], hosts(1...254)), (["127.3.0.5-127.3.0.9"], hosts(5...9)),
            (["127.3.0.4/31"], hosts(4...5)),
            (["127.3.0.9", "127.3.0.0/30", "--alive"], hosts(9...9) + hosts(1...2)), (["127.3.0.7/32"], hosts(7...7)),
            (["127.3.1", "--rate", "max"], ["127.3.0.1"]), (["::1/128", "127.3.0.1"], ["::1", "127.3.0.1"]),
        ] as [([String], [String])])
    func spaces(arguments: [String], expected: [String]) throws {
        var command = ToolCommand("swping")
        command.arguments = arguments + (arguments.contains("--rate") ? [] : ["--rate", "5000"])
        let result = try command.run()
        #expect(result.status == 0, "\(result)")
        // One probe may be answered before the one that left before it.
        #expect(Self.addresses(result.output).sorted() == expected.sorted())
        #expect(Self.addresses(result.output).first == expected.first)
        #expect(
            result.errors.hasPrefix("--- sweep of \(expected.count) target\(expected.count == 1 ? "" : "s") ---\n"),
            "\(result.errors)")
        #expect(result.errors.contains("\n\(expected.count) alive, 0 unreachable\n"))
        for line in result.output.split(separator: "\n") where !arguments.contains("--alive") {
            #expect(line.wholeMatch(of: /[0-9a-f.:]+  [0-9]+\.[0-9]{3} ms/) != nil, "\(line)")
        }
    }

    @Test(
        "What is no target is said, and the others are asked",
        arguments: [
            ("127.3.0.9-127.3.0.1", "'127.3.0.9-127.3.0.1' ends before it begins: try '127.3.0.1-127.3.0.9'"),
            ("127.3.0.1-9", "'127.3.0.1-9' is not written in full: try '127.3.0.1-127.3.0.9'"),
            ("127.3.0.0/33", "'127.3.0.0/33': the length of such a prefix is 0 to 32"),
        ])
    func wrongOperands(operand: String, line: String) throws {
        let alone = try Self.command(operand).run()
        #expect(alone.status == 2 && alone.output.isEmpty && alone.errors == "swping: \(line)\n", "\(alone)")
        let beside = try Self.command(operand, "127.3.0.1/32").run()
        #expect(beside.status == 2 && Self.addresses(beside.output) == ["127.3.0.1"])
        #expect(beside.errors.hasPrefix("swping: \(line)\n--- sweep of 1 target ---\n"), "\(beside.errors)")
        #expect(beside.errors.contains("1 alive, 0 unreachable, 1 without an address\n"))
    }

    @Test("Lines of a file as they come: names, comments, and what is no target with its number")
    func targetsFromStandardInput() throws {
        var command = Self.command("--targets-from", "-", "--alive")
        command.input = Array(
            """
            # comment
            127.3.0.1   the first

            127.3.0.2-127.3.0.4 # behind
            127.3.0.9-1
            localhost
            nobody.invalid
            ::1
            127.3.0.8/30
            """.utf8)
        let result = try command.run()
        #expect(result.status == 2)
        let expected =
            Self.hosts(1...4) + ["localhost", "::1"] + Self.hosts(9...10)
        #expect(Set(result.output.split(separator: "\n").map(String.init)) == Set(expected), "\(result.output)")
        #expect(result.output.split(separator: "\n").count == expected.count)
        #expect(result.errors.contains("swping: standard input, line 5: '127.3.0.9-1' looks like a range and is none"))
        #expect(result.errors.contains("swping: standard input, line 7: unknown host 'nobody.invalid'"))
        #expect(result.errors.contains("8 alive, 0 unreachable, 2 without an address\n"), "\(result.errors)")
    }

    @Test("Probes go while more targets are to come")
    func targetsAreAskedAsTheyCome() throws {
        // The second target is written when the first has answered.
        let script = """
            directory=$(mktemp -d) && mkfifo "$directory/in" "$directory/out" || exit 125
            "$0" --targets-from - --alive <"$directory/in" >"$directory/out" 2>&1 &
            exec 3>"$directory/in" 4<"$directory/out"
            rm -r "$directory"
            echo 127.3.0.1 >&3
            read -r first <&4
            echo 127.3.0.2 >&3
            read -r second <&4
            exec 3>&-
            wait $!
            echo "$first $second $?"
            """
        let result = try run(["sh", "-c", script, ToolCommand.path(of: "swping")])
        #expect(result.output == "127.3.0.1 127.3.0.2 0\n", "\(result)")
    }

    // MARK: Shards

    @Test("The union of the shards is the space, in a mixed order", arguments: [[String](), ["--seed", "0x5eed"]])
    func shards(seed: [String]) throws {
        var union: [String] = []
        for number in 1...3 {
            var command = Self.command("127.3.0.0/24", "--alive", "--rate", "5000", "--shard", "\(number)/3")
            command.arguments += seed
            let result = try command.run()
            #expect(result.status == 0)
            let part = Self.addresses(result.output)
            #expect((84...85).contains(part.count))
            #expect(part != part.sorted())
            union += part
        }
        #expect(union.sorted() == Self.hosts(1...254).sorted())
    }

    // MARK: Interruption

    @Test(
        "Interrupted and resumed is the whole, each once",
        arguments: [
            ["127.3.0.0/24"], ["127.3.0.0/24", "--seed", "7", "--shard", "1/1"], ["127.3.0.0/24", "--workers", "2"],
        ])
    func resume(arguments: [String]) throws {
        let file = "/tmp/netprobe-resume-\(getpid())-\(arguments.count)-\(arguments.last?.count ?? 0)"
        defer { unsafe unlink(file) }
        var command = ToolCommand("swping")
        command.arguments = arguments + ["--alive", "--rate", "200", "--resume-file", file]
        var child = try command.start()
        try child.wait { $0.split(separator: "\n").count >= 40 }
        child.signal(.interrupt)
        let first = try child.finish()
        #expect(first.status == 1)
        #expect(first.errors.contains(" undecided"), "\(first.errors)")
        #expect(unsafe access(file, R_OK) == 0)
        command.arguments[command.arguments.firstIndex(of: "200") ?? 0] = "5000"
        let second = try command.run()
        #expect(second.status == 0, "\(second)")
        #expect(second.errors.hasPrefix("--- sweep of 254 targets ---\n254 alive, 0 unreachable\n"), "\(second.errors)")
        #expect(unsafe access(file, R_OK) != 0, "a finished sweep has nothing to go on with")
        #expect((Self.addresses(first.output) + Self.addresses(second.output)).sorted() == Self.hosts(1...254).sorted())
    }

    @Test(
        "Killed and resumed is the whole; what was told in the last seconds is told again, and counted once",
        arguments: [
            ["127.3.0.0/24"], ["127.3.0.0/24", "--seed", "7", "--json"], ["127.3.0.0/24", "--workers", "2", "-H"],
        ])
    func killed(arguments: [String]) throws {
        let file = "/tmp/netprobe-killed-\(getpid())-\(arguments.count)-\(arguments.last?.count ?? 0)"
        defer { unsafe unlink(file) }
        var command = ToolCommand("swping")
        command.arguments = arguments + ["--alive", "--rate", "40", "--resume-file", file]
        command.files = ["/etc/nsswitch.conf": "hosts: files\n"]
        var child = try command.start()
        // It is taken down after two seconds how far it is, and is in the file when the disk has it.
        try child.wait { $0.split(separator: "\n").count >= 85 }
        let deadline = SystemClock.monotonic.now + 3_000_000_000
        while try Self.kept(in: file) == nil, SystemClock.monotonic.now < deadline { sched_yield() }
        kill(child.processID, SIGKILL)
        let first = try child.finish()
        #expect(first.status == 128 + SIGKILL, "\(first)")
        let kept = try #require(try Self.kept(in: file))
        #expect((40...200).contains(kept))
        command.arguments[command.arguments.firstIndex(of: "40") ?? 0] = "5000"
        let second = try command.run()
        #expect(second.status == 0, "\(second)")
        #expect(unsafe access(file, R_OK) != 0, "a finished sweep has nothing to go on with")
        func addresses(_ output: String) throws -> [String] {
            guard arguments.contains("--json") else { return Self.addresses(output) }
            return try jsonLines(output, schema: "swping-sweep").filter { $0["type"].text == "alive" }
                .compactMap { $0["address"].text }
        }
        let (before, after) = (try addresses(first.output), try addresses(second.output))
        #expect(Set(before + after) == Set(Self.hosts(1...254)))
        #expect(Set(before).count == before.count && Set(after).count == after.count)
        // What the file counts was told before, and is not told again.
        #expect(after.count == 254 - kept)
        if arguments.contains("--json") {
            let total = try jsonLines(second.output, schema: "swping-sweep").last
            // A probe may have been on its way when it was taken down how far it is.
            #expect(total?["alive"].integer == 254 && (254...260).contains(total?["transmitted"].integer ?? 0))
        } else {
            #expect(
                second.errors.hasPrefix("--- sweep of 254 targets ---\n254 alive, 0 unreachable\n"), "\(second.errors)")
        }
    }

    /// How many targets are alive by a file of `--resume-file`; nil where it holds nothing yet.
    private static func kept(in file: String) throws -> Int? {
        let text = try run(["cat", file]).output
        guard text.hasSuffix("end\n") else { return nil }
        return text.firstMatch(of: #/count alive ([0-9]+)\n/#).flatMap { Int($0.1) }
    }

    @Test(
        "A reader that takes nothing keeps nobody from ending it",
        arguments: [[String](), ["--workers", "2"], ["-c", "9999"]])
    func stuckReader(arguments: [String]) throws {
        let fifo = "/tmp/netprobe-stuck-\(getpid())-\(arguments.count)-\(arguments.last?.count ?? 0)"
        defer { unsafe unlink(fifo) }
        try #require(unsafe mkfifo(fifo, 0o600) == 0)
        let reading = FileDescriptor(owning: unsafe open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC))
        let writing = FileDescriptor(owning: unsafe open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC))
        var command = ToolCommand("swping", "127.3.0.0/18", "--rate", "max")
        command.arguments += arguments
        command.output = .file(fifo)
        let started = command
        var child = try started.start()
        // Full: as many lines as fit are there, and nobody takes them.
        let deadline = SystemClock.monotonic.now + 20_000_000_000
        var room = pollfd(fd: writing.rawDescriptor, events: Int16(POLLOUT), revents: 0)
        while unsafe poll(&room, 1, 0) != 0, SystemClock.monotonic.now < deadline { sched_yield() }
        child.signal(.interrupt)
        let result = try child.finish()
        #expect(result.status == 2, "\(result)")
        #expect(result.errors.hasSuffix("swping: standard output: its reader took nothing for a second\n"), "\(result)")
        #expect(arguments.first == "-c" || result.errors.hasPrefix("--- sweep of 16382 targets ---\n"), "\(result)")
        #expect(reading.rawDescriptor >= 0)
    }

    @Test func resumingWithOtherTargetsIsRefused() throws {
        let file = "/tmp/netprobe-resume-other-\(getpid())"
        defer { unsafe unlink(file) }
        let first = try Self.command(
            "127.3.0.0/24", "--resume-file", file, "--min-reachable", "3", "--fast-exit"
        ).run()
        #expect(first.status == 0)
        let second = try Self.command("127.4.0.0/24", "--resume-file", file).run()
        #expect(second.status == 2 && second.output.isEmpty)
        #expect(second.errors.hasPrefix("swping: option --resume-file: the file is about other targets"))
    }

    @Test func signalsTellAndEnd() throws {
        var child = try Self.command("127.3.0.0/24", "--rate", "50").start()
        try child.wait { $0.contains("127.3.0.3 ") }
        child.signal(.quit)
        try child.waitForErrors { $0.contains("alive") }
        child.signal(.terminate)
        let result = try child.finish()
        #expect(result.status == 1)
        let lines = result.errors.split(separator: "\n")
        #expect(lines[0].hasPrefix("swping: ") && lines[0].contains("% of 254: "), "\(lines)")
        #expect(lines[1] == "--- sweep of 254 targets ---")
        let alive = Self.addresses(result.output).count
        #expect(lines[2] == "\(alive) alive, 0 unreachable, \(254 - alive) undecided")
    }

    @Test func theDeadlineEndsIt() throws {
        let result = try Self.command("127.3.0.0/24", "--rate", "10", "-w", "0.25").run()
        #expect(result.status == 1)
        #expect((1...4).contains(Self.addresses(result.output).count))
        #expect(result.errors.contains(" undecided"))
    }

    // MARK: Exit status and streams

    @Test(
        arguments: [
            (["127.3.0.1/32"], 0), (["127.3.0.0/29", "--min-reachable", "6"], 0),
            (["127.3.0.0/29", "--min-reachable", "7"], 1), (["127.3.0.0/29", "--fail-if", "alive>5"], 1),
            (["127.3.0.0/29", "--fail-if", "alive<100%"], 0), (["127.3.0.0/29", "--fail-if", "outage>1s"], 2),
            (["127.0.0.1", "--fail-if", "alive<1"], 2), (["127.3.0.0/29", "-A"], 2),
            (["127.3.0.0/29", "--fast-exit"], 2), (["127.3.0.0/15"], 2), (["--rate", "100"], 2),
            (["127.3.0.1", "--shard", "0/3"], 2), (["127.3.0.1", "--shard", "4/3"], 2),
            (["127.3.0.1", "--rate", "0"], 2),
            (["127.3.0.1", "--backoff", "0.5"], 2), (["127.3.0.1", "--workers", "0"], 2),
            (["127.3.0.1", "--targets-from", "/no/such/file"], 2), (["127.3.0.1", "--targets-from", "/tmp"], 2),
            (["--targets-from", "/dev/null"], 2), (["127.3.0.1/32", "--workers", "2", "--pcap", "/dev/null"], 2),
        ] as [([String], Int32)])
    func statuses(arguments: [String], status: Int32) throws {
        var command = ToolCommand("swping")
        command.arguments = arguments
        let result = try command.run()
        #expect(result.status == status, "\(arguments): \(result)")
        #expect(status != 2 || result.errors.hasPrefix("swping: "))
    }

    @Test(
        arguments: [
            ["-A"], ["-f"], ["-l", "2"], ["-O"], ["-a"], ["-R"], ["-C"], ["-B"], ["-b"],
            ["-3"],
            ["--poisson"], ["--dual"], ["--resolve-every", "2"], ["--style", "heat"],
            ["--icmp-timestamp"],
        ])
    func whatIsForPingsIsRefusedByName(option: [String]) throws {
        var command = ToolCommand("swping", "127.3.0.0/30")
        command.arguments += option
        let result = try command.run()
        #expect(result.status == 2 && result.output.isEmpty)
        let name = option[0] == "--style" ? "--style heat" : option[0]
        #expect(
            result.errors.hasPrefix("swping: option \(name): a prefix or a range makes this a sweep, which "),
            "\(result.errors)")
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test(
        "Options of the packet and of the output work",
        arguments: [
            ["-s", "0"], ["-s", "1000", "-p", "ff00"], ["-t", "3"], ["-Q", "ef"], ["-4"], ["-n"], ["-H"], ["-D"],
            ["-U"],
            ["-v"], ["-I", "127.0.0.1"], ["-I", "lo"], ["-W", "0.5"], ["-e", "77"], ["--retries", "0"],
            ["--backoff", "1.5"], ["--udp", "--port", "9"], ["--workers", "3"], ["--progress", "always"],
        ])
    func otherOptions(option: [String]) throws {
        var command = ToolCommand("swping", "127.3.0.0/28")
        command.arguments += option
        let result = try command.run()
        #expect(result.status == 0, "\(option): \(result)")
        #expect(result.output.split(separator: "\n").count == 14)
        #expect(result.errors.contains("14 alive, 0 unreachable\n"))
    }

    @Test func quietHasTheTotalOnly() throws {
        let result = try Self.command("-q", "127.3.0.0/28").run()
        #expect(result.status == 0 && result.output.isEmpty)
        #expect(result.errors.contains("14 alive, 0 unreachable\n"))
    }

    @Test(
        arguments: [
            (ChildProcess.OutputTarget.brokenPipe, 141, 0), (.closed, 2, 1), (.file("/dev/full"), 2, 1),
        ] as [(ChildProcess.OutputTarget, Int32, Int)], [[String](), ["--workers", "2"]])
    func outputThatCannotBeWritten(_ target: (ChildProcess.OutputTarget, Int32, Int), workers: [String]) throws {
        var command = ToolCommand("swping", "127.3.0.0/24", "--rate", "100")
        command.arguments += workers
        command.output = target.0
        let result = try command.run()
        #expect(result.status == target.1, "\(result)")
        let said = result.errors.split(separator: "\n").filter { $0.hasPrefix("swping: ") }
        #expect(said.count == target.2, "\(result.errors)")
    }

    @Test("Enough is enough", arguments: [[String](), ["--workers", "2"]])
    func fastExit(workers: [String]) throws {
        var command = ToolCommand("swping", "127.3.0.0/24", "--rate", "200", "--min-reachable", "10", "--fast-exit")
        command.arguments += workers
        let result = try command.run()
        #expect(result.status == 0)
        #expect((10...100).contains(Self.addresses(result.output).count))
        #expect(result.errors.contains(" undecided"))
    }

    @Test(
        "Several workers find what one finds, on each rung",
        arguments: [["--rate", "5000"], ["--rate", "max"], ["--rung", "udp", "--rate", "300", "-W", "0.3"]])
    func workers(arguments: [String]) throws {
        for workers in ["1", "2", "5"] {
            var command = ToolCommand("swping", "127.3.0.0/25", "--alive", "--workers", workers)
            command.arguments += arguments
            let result = try command.run()
            #expect(Set(Self.addresses(result.output)).count == Self.addresses(result.output).count)
            // Linux sends few ICMP errors a second, so that UDP may find fewer.
            guard !arguments.contains("udp") else { continue }
            #expect(result.status == 0, "\(result)")
            #expect(Self.addresses(result.output).sorted() == Self.hosts(1...126).sorted())
        }
    }

    // MARK: Size

    @Test(
        "A million targets from a pipe, in little memory",
        .enabled(if: geteuid() == 0 && hasProgram("awk") && hasProgram("sh"), "needs root, sh and awk"))
    func aMillionFromAPipe() throws {
        // The shell tells the peak, because that of a child begins with the size of this process.
        let script = """
            awk 'BEGIN { for (i = 0; i < 1000000; i++)
                printf "127.%d.%d.%d\\n", 16 + i / 65536, i / 256 % 256, i % 256 }' | {
                exec 3<&0; "$0" -q --targets-from - --rate max --retries 0 <&3 &
                while grep VmHWM "/proc/$!/status"; do sleep 0.1; done 2>/dev/null
            }
            """
        let result = try run(["sh", "-c", script, ToolCommand.path(of: "swping")], seconds: 300)
        #expect(result.errors.contains("--- sweep of 1000000 targets ---\n"), "\(result)")
        #expect(result.errors.contains(" packets transmitted, "))
        let peaks = result.output.matches(of: #/VmHWM:\s*([0-9]+) kB/#).compactMap { Int($0.1) }
        // 4 octets for each address, 32 for each of the probes of the last seconds.
        #expect(try #require(peaks.max()) < 80_000)
    }
}

/// Sweeps of networks whose truth is known, and with few rights.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct SweepLabTests {
    @Test("An IPv6 prefix, all of which is local")
    func ipv6Prefix() throws {
        let lab = try NamespaceLab("a")
        try lab["a"].exec("ip", "-6", "route", "add", "local", "fd00:9::/112", "dev", "lo")
        let command = ToolCommand("swping", "fd00:9::100/120", "--alive", "--rate", "5000", "--workers", "2")
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 0, "\(result)")
        let expected = (0..<256).map { "fd00:9::1" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        #expect(result.output.split(separator: "\n").map(String.init).sorted() == expected.sorted())
    }

    @Test(
        "The same hosts are alive with every right and with none",
        .enabled(if: InstalledTool.canHaveCapabilities, "needs setpriv(1), setcap(8) and file capabilities that work"),
        arguments: [Rights.root, .fileCapability, .pingSockets, .nothing], ["1", "2"])
    func rights(rights: Rights, workers: String) throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let tool = try rights.install("swping")
        var command = try rights.command(tool, in: lab["a"])
        // The host behind the router, and neighbours that it does not have.
        command.arguments = [
            "10.0.2.1-10.0.2.4", "fd00:2::2", "--alive", "--retries", "0", "-W", "0.5", "--workers", workers,
        ]
        let started = command
        let result = try lab["a"].run { try started.run() }
        #expect(result.status == 1, "\(rights): \(result)")
        #expect(
            Set(result.output.split(separator: "\n")) == ["10.0.2.1", "10.0.2.2", "fd00:2::2"], "\(rights): \(result)")
        #expect(result.errors.contains("--- sweep of 5 targets ---\n3 alive, 2 unreachable\n"), "\(result.errors)")
        let notice = ["raw": "--- sweep", "ping": "swping: using ICMP datagram", "udp": "swping: using UDP probes"]
        #expect(result.errors.hasPrefix(notice[rights.rung] ?? "?"), "\(rights): \(result.errors)")
    }

    @Test(
        "Half of the network is silent, errors are limited, and some probes are lost: the result is the truth",
        .enabled(if: NamespaceLab.hasTun, "needs /dev/net/tun"),
        arguments: [[String](), ["--workers", "2", "--seed", "1"]])
    func halfSilentNetwork(arguments: [String]) throws {
        let network = try HostileNetwork(
            Liar([.honest], seed: 5),
            """
            source 10.0.0.1 fd00::1
            router r1 10.0.1.1 fd00:1::1 limit 10/s burst 6
            router r2 10.0.2.1 fd00:2::1 limit 10/s burst 6
            link source r1 delay 1ms
            link r1 r2 delay 2ms loss 5%
            target 10.0.8.0/24 via r2 live 50%
            target 10.0.9.0/24 via r2 live 50% dead host
            target fd00:9::/120 via r2 live 30% dead admin
            """)
        var command = ToolCommand("swping", "10.0.8.0/23", "fd00:9::/120", "--rate", "2000", "-W", "0.3", "--json")
        command.arguments += ["--retries", "8"] + arguments
        let started = command
        let result = try network.host.run { try started.run(seconds: 60) }
        #expect(result.status == 1)
        var alive: [String] = []
        var unreachable: [String] = []
        for line in try jsonLines(result.output, schema: "swping-sweep") {
            guard let address = line["address"].text else { continue }
            if line["type"].text == "alive" { alive.append(address) }
            if line["type"].text == "unreachable" { unreachable.append(address) }
        }
        let prefixes: [(String, Share)] = [
            ("10.0.8.0/24", .percent(50)), ("10.0.9.0/24", .percent(50)), ("fd00:9::/120", .percent(30)),
        ]
        var truth: [String] = []
        for (text, share) in prefixes {
            let prefix = try #require(IPPrefix(text))
            truth += prefix.addresses.filter { Scenario.lives($0, share) }.map(\.description)
        }
        // The sweep leaves out what is the network's and the broadcast address of the /23; the rest of it is whole.
        let left: Set = ["10.0.8.0", "10.0.9.255"]
        #expect(alive.sorted() == truth.filter { !left.contains($0) }.sorted())
        #expect(Set(alive).isDisjoint(with: unreachable) && alive.count + unreachable.count == 510 + 256)
    }

    /// Each of them keeps its probe in the socket's buffer for three seconds.
    @Test("Neighbours that are not there keep nobody from being asked")
    func silentNeighbours() throws {
        let lab = try NamespaceLab.chain("a", "b")
        let command = ToolCommand("swping", "10.0.1.0/24", "--alive")
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 1)
        #expect(Set(result.output.split(separator: "\n")) == ["10.0.1.1", "10.0.1.2"])
        #expect(
            result.errors.contains("2 alive, 252 unreachable\n506 packets transmitted, 2 received"), "\(result.errors)")
        #expect(!result.errors.contains("not sent"))
    }

    @Test("Names of addresses stand behind the lines, whoever knows them in time")
    func names() throws {
        var command = ToolCommand("swping", "-H", "127.3.0.1-127.3.0.3", "h.example", "--rate", "max")
        command.files = [
            "/etc/hosts": "127.3.0.2 two.example\n127.3.0.9 h.example\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n",
        ]
        let result = try command.run()
        #expect(result.status == 0, "\(result)")
        let lines = result.output.split(separator: "\n").map { $0.replacing(/[0-9.]+ ms/, with: "T") }
        #expect(
            lines.sorted() == [
                "127.3.0.1  T", "127.3.0.2  T  two.example", "127.3.0.3  T", "h.example (127.3.0.9)  T  h.example",
            ])
    }
}
