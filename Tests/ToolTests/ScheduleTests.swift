import Glibc
import LinuxSockets
import TestSupport
import Testing

/// When swping sends, as a process over the real kernel.
@Suite(.waiting) struct ScheduleTests {
    // MARK: Standing still

    /// Answers come 200 ms after their probes, most of them while the process stands still for a second: longer than
    /// the timeout. The kernel's stamps say that they came in time.
    @Test(
        "SIGSTOP makes neither loss nor late answers nor a burst",
        .enabled(if: NamespaceLab.isAvailable && NamespaceLab.hasTun, "needs root, ip(8) and /dev/net/tun"),
        arguments: [
            (["-i", "0.0005"], 1_900), (["--udp", "-i", "0.05"], 18),
            (["--poisson", "-i", "0.05", "--rung", "ping"], 4),
            (["-A"], 0), (["-f", "-l", "8"], 0),
        ] as [([String], Int64)])
    func standingStill(arguments: [String], missed: Int64) throws {
        let network = try HostileNetwork(
            Liar([.honest], seed: 1),
            """
            source 10.0.0.1 fd00::1
            target 10.0.9.9 fd00:9::9 via source delay 100ms udp 7 echo
            """)
        var command = ToolCommand("swping", "--json", "-n", "-W", "0.6", "10.0.9.9")
        command.arguments += arguments
        let started = command
        var child = try network.host.run { try started.start() }
        try child.wait(forOutput: { $0.contains("\"seq\":5,") })
        child.signal(Signal(rawValue: SIGSTOP))
        // Another one measures the time.
        #expect(try ToolCommand("swping", "-c", "11", "-i", "0.1", "-q", "127.0.0.1").run().status == 0)
        child.signal(.continue)
        let seen = child.output.split(separator: UInt8(ascii: "\n")).count
        try child.wait(forOutput: { $0.split(separator: "\n").count >= seen + 12 })
        child.signal(.interrupt)
        let lines = try jsonLines(try child.finish().output, schema: "swping")
        let total = try #require(lines.last)
        #expect(total["lost"].integer == 0 && total["late"].integer == 0, "\(total)")
        #expect(lines.allSatisfy { !["timeout", "late"].contains($0["type"].text) })
        // What was due in that second was left out, instead of sent in a burst. Floods have no schedule to miss.
        #expect(total["missed"].integer ?? -1 >= missed && (missed > 0 || total["missed"].integer == 0), "\(total)")
    }

    // MARK: Floods

    @Test(
        "A flood sends its count, loses nothing on loopback and says whose clocks it used",
        .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"),
        arguments: [
            ["-f"], ["-f", "-l", "64"], ["-i", "0"], ["-A"], ["-A", "-l", "5"], ["-f", "--rung", "ping"],
            ["-f", "--udp", "--port", "9"], ["-i", "0.0001"],
        ], ["127.0.0.1", "::1"])
    func flood(arguments: [String], target: String) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        var command = ToolCommand("swping", "--json", "-n", "-c", "300")
        command.arguments += arguments + [target]
        let started = command
        let lines = try jsonLines(try lab["a"].run { try started.run() }.output, schema: "swping")
        let total = try #require(lines.last)
        #expect(total["transmitted"].integer == 300 && total["received"].integer == 300, "\(total)")
        #expect(total["unsolicited"].integer == 0)
        let clock = arguments.contains("-A") ? "kernel" : "user_kernel"
        #expect(lines.first?["clock"].text == clock)
        // The kernel may switch its stamps on behind the first answers.
        #expect(Set(lines.compactMap { $0["clock"].text }).isSubset(of: [clock, "user"]))
    }

    @Test(
        "A flood ends with its count when nothing answers, and goes on when packets are refused",
        .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
    func floodWithoutAnswers() throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.0.1", "fd00:1")
        try lab["b"].set("net.ipv4.icmp_echo_ignore_all", "1")
        try lab["a"].exec("ip", "route", "add", "unreachable", "10.0.9.0/24")
        for (target, transmitted, unsent) in [("10.0.1.2", 20, 0), ("10.0.9.9", 0, 20)] as [(String, Int64, Int64)] {
            let command = ToolCommand("swping", "--json", "-f", "-c", "20", "-s", "0", "-W", "0.1", target)
            let result = try lab["a"].run { try command.run() }
            let total = try #require(try jsonLines(result.output, schema: "swping").last)
            #expect(total["transmitted"].integer == transmitted && total["unsent"].integer == unsent, "\(total)")
            // A hundred a second, and not faster because the kernel refuses at once.
            #expect(total["elapsed_ns"].integer ?? 0 >= 190_000_000)
            #expect(result.status == (unsent == 0 ? 1 : 2))
        }
    }

    // MARK: Limits

    static let refused: [(arguments: [String], error: String)] = [
        (["-i", "0.0019", "127.0.0.1"], "option -i: less than 0.002 seconds is only for root"),
        (["-i", "0", "127.0.0.1"], "option -i: less than 0.002 seconds is only for root"),
        (["-f", "-i", "0.001", "127.0.0.1"], "option -i: less than 0.002 seconds is only for root"),
        (["-l", "4", "127.0.0.1"], "option -l: more than 3 is only for root"),
        (
            ["-f", "10.0.1.2"],
            "option -f: flooding other hosts than this one is only for root (at least with -i 0.002)"
        ),
        (
            ["-f", "127.0.0.1", "10.0.1.2"],
            "option -f: flooding other hosts than this one is only for root (at least with -i 0.002)"
        ),
        // Whoever answers for the name could turn the flood away from this host.
        (
            ["-f", "--resolve-every", "1", "localhost"],
            "option -f: together with --resolve-every it is only for root (at least with -i 0.002)"
        ),
    ]

    @Test(
        "Who is not root is refused what ping refuses, in one line and before anything is sent",
        .enabled(if: NamespaceLab.isAvailable && ToolCommand.canChangeUser, "needs root, ip(8) and setpriv(1)"))
    func limits() throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.0.1", "fd00:1")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let tool = try InstalledTool("swping")
        func run(_ arguments: [String]) throws -> CommandResult {
            var command = ToolCommand(tool)
            command.userID = 65_534
            command.arguments = arguments
            let started = command
            return try lab["a"].run { try started.run() }
        }
        for (arguments, error) in Self.refused {
            let result = try run(arguments)
            #expect(result.status == 2 && result.output.isEmpty, "\(arguments): \(result)")
            #expect(result.errors.split(separator: "\n").last.map(String.init) == "swping: " + error)
        }
        for arguments in [
            ["-f", "-c", "50", "127.0.0.1"], ["-f", "-c", "50", "::1"], ["-f", "-i", "0.002", "-c", "5", "10.0.1.2"],
            ["-l", "3", "-c", "3", "10.0.1.2"], ["-i", "0.002", "-c", "3", "10.0.1.2"],
        ] {
            #expect(try run(["-q"] + arguments).status == 0, "\(arguments)")
        }
        let adaptive = try run(["--json", "-A", "-c", "31", "10.0.1.2"])
        let total = try #require(try jsonLines(adaptive.output, schema: "swping").last)
        #expect(total["received"].integer == 31 && total["elapsed_ns"].integer ?? 0 >= 60_000_000)
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            (["-i", "0.000009"], "option -i: '0.000009' is not 0 or a time from 0.00001 to 86400 seconds"),
            (["-l", "0"], "option -l: '0' is not a whole number from 1 to 65536"),
            (["--poisson", "-A"], "options --poisson and -A exclude each other"),
            (["--poisson", "-f"], "options --poisson and -f exclude each other"),
            (["--poisson", "-i", "0"], "options --poisson and -i 0 exclude each other"),
        ])
    func usage(arguments: [String], error: String) throws {
        var command = ToolCommand("swping")
        command.arguments = arguments + ["127.0.0.1"]
        let result = try command.run()
        #expect(result.status == 2 && result.output.isEmpty)
        #expect(result.errors.hasPrefix("swping: " + error), "\(result.errors)")
    }
}
