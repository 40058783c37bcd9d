import TestSupport
import Testing

/// swtrace beside traceroute (2.1.2) in one network: the same lines, but for times.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && hasProgram("traceroute") && hasProgram("nft"),
        "needs root, ip(8), traceroute(8) and nft(8)"))
struct TracerouteComparisonTests {
    /// Command lines that both understand, with -n.
    ///
    /// 10.0.9.6 is behind a router that does not answer about it, 10.0.9.7 is prohibited, 10.0.9.8 silent, 10.0.9.9
    /// unreachable, all at the third router; the way to 10.0.9.5 is narrow. What traceroute has and swtrace will have is one more line here.
    static let commands = [
        "10.0.4.2", "fd00:4::2", "10.0.1.2", "10.0.1.1", "-4 10.0.4.2", "-6 fd00:4::2", "-q 1 10.0.4.2",
        "-q 10 fd00:4::2", "-q2 -N 1 10.0.4.2", "-f 3 10.0.4.2", "-f 9 10.0.4.2", "-m 2 10.0.4.2", "-m 4 fd00:4::2",
        "-f 2 -m 3 10.0.4.2", "-I 10.0.4.2", "-I fd00:4::2", "-I -q 1 10.0.4.2 1000", "-U 10.0.4.2", "-U fd00:4::2",
        "-U -p 5000 10.0.4.2", "-p 40000 10.0.4.2", "-F 10.0.4.2", "-F 10.0.4.2 1500", "10.0.4.2 1400",
        "fd00:4::2 1400", "-s 10.0.1.1 10.0.4.2", "-s fd00:1::1 fd00:4::2", "-t 16 10.0.4.2", "-t 0xb8 fd00:4::2",
        "-z 0.001 10.0.4.2", "-z 20 -q 1 10.0.4.2", "-w 1 10.0.4.2", "-w 5,3,10 10.0.4.2", "-N 1 10.0.4.2",
        "-e 10.0.4.2",
        // Silence, refusals, a narrow link.
        "-w 0.1 -m 5 10.0.9.8", "-w 0.1 -m 5 -q 1 fd00:9::8", "fd00:9::7", "fd00:9::9",
        "-w 0.3 10.0.9.6", "-w 0.3 -I fd00:9::6", "-F -q 1 10.0.9.5 1450",
    ]

    /// All in one network: making one takes longer than any of these.
    @Test("The lines are traceroute's") func lines() throws {
        let lab = try Self.lab()
        for command in Self.commands {
            let (ours, theirs) = try outputs(lab, command)
            #expect(theirs.status == 0, "\(command): \(theirs)")
            #expect(Self.normalised(ours.output) == Self.normalised(theirs.output), "\(command): \(ours)\(theirs)")
        }
    }

    /// The kernel gives one such error a second, from a credit that each other error takes away; all of a router's in a
    /// new network is there.
    @Test(arguments: ["-q 1 10.0.9.7", "-q 1 10.0.9.9"])
    func refusalsOfIPv4(_ command: String) throws {
        let arguments = ["-n"] + command.split(separator: " ").map(String.init)
        let texts = try ["traceroute", ToolCommand("swtrace").path].map { program in
            Self.normalised(try Self.lab()["a"].run { try run([program] + arguments) }.output)
        }
        #expect(texts[0] == texts[1])
        #expect(texts[1].last?.hasSuffix(command.hasSuffix("7") ? " ms !X" : " ms !H") == true)
    }

    /// A TCP probe has other options, and so another length, which the first line tells.
    @Test func rowsOfTCP() throws {
        let lab = try Self.lab()
        for command in ["-T 10.0.4.2", "-T fd00:4::2", "-T -p 443 10.0.4.2", "-T -q 1 -m 2 fd00:4::2"] {
            let (ours, theirs) = try outputs(lab, command)
            #expect(!TraceRow.rows(of: ours.output).isEmpty)
            #expect(TraceRow.rows(of: ours.output) == TraceRow.rows(of: theirs.output), "\(ours)\(theirs)")
        }
    }

    @Test func namesStandBesideAddresses() throws {
        let lab = try Self.lab()
        let files = [
            "/etc/hosts": "10.0.4.2 target.test\n10.0.1.2 first.test\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n",
        ]
        for arguments in [["target.test"], ["-n", "target.test"], ["10.0.4.2"]] {
            let results = try ["traceroute", ToolCommand("swtrace").path].map { path in
                var command = ToolCommand("swtrace")
                command.path = path
                command.arguments = arguments
                command.files = files
                let ready = command
                return try lab["a"].run { try ready.run() }
            }
            #expect(Self.normalised(results[0].output) == Self.normalised(results[1].output), "\(results)")
        }
    }

    /// Labels of MPLS as traceroute prints them.
    @Test(.enabled(if: NamespaceLab.hasTun, "needs TUN devices"), arguments: ["10.9.9.9", "fd00:9::9"])
    func extensionsAreWrittenAsTraceroutesAre(target: String) throws {
        let scenario = """
            source 10.0.0.1 fd00::1
            router r1 10.1.0.1 fd01::1 delay 200us
            router r2 10.2.0.1 fd02::1 delay 200us mpls 16004/24001
            router r3 10.3.0.1 fd03::1 delay 200us
            router r4 10.4.0.1 fd04::1 delay 200us
            path source r1 r2
            tunnel r2 r3 r4 explicit
            target 10.9.9.9 fd00:9::9 via r4
            """
        let texts = try ["traceroute", ToolCommand("swtrace").path].map { program in
            var command = ToolCommand("swlab", "run", "/dev/stdin", "--", program, "-n", "-e", "-w", "5", target)
            command.input = Array(scenario.utf8)
            return Self.normalised(try command.run().output)
        }
        #expect(texts[0].contains { $0.contains("<MPLS:L=16004,E=0,S=0,T=1/L=24001,E=0,S=1,T=1>") })
        #expect(texts[0] == texts[1])
    }

    // MARK: Helpers

    private static func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        for (route, host) in [("prohibit", 7), ("blackhole", 8), ("unreachable", 9)] {
            try lab["r3"].exec("ip", "route", "add", route, "10.0.9.\(host)/32")
            try lab["r3"].exec("ip", "-6", "route", "add", route, "fd00:9::\(host)/128")
        }
        for host in [5, 6] {
            try lab["b"].addAddress("10.0.9.\(host)/32", to: "lo")
            try lab["b"].addAddress("fd00:9::\(host)/128", to: "lo")
            try lab["r3"].addRoute(to: "fd00:9::\(host)/128", via: "b")
        }
        try lab["r3"].addRoute(to: "10.0.9.6/32", via: "b")
        try lab["r3"].exec("ip", "route", "add", "10.0.9.5/32", "via", "10.0.4.2", "mtu", "lock", "1400")
        // The destination of the quoted packet stands 16 octets into its header, 24 over IPv6.
        try lab["r2"].nft(
            """
            add table inet lab
            add chain inet lab output { type filter hook output priority 0; }
            add rule inet lab output icmp type time-exceeded @th,192,32 0x0a000906 drop
            add rule inet lab output icmpv6 type time-exceeded @th,256,128 0xfd000009000000000000000000000006 drop
            """)
        return lab
    }

    /// Both on one command line, with a wait that a busy machine does not break unless it says which.
    private func outputs(_ lab: NamespaceLab, _ command: String) throws -> (ours: CommandResult, theirs: CommandResult)
    {
        let wait = command.contains("-w ") ? [] : ["-w", "5"]
        let arguments = ["-n"] + wait + command.split(separator: " ").map(String.init)
        var tool = ToolCommand("swtrace")
        tool.arguments = arguments
        let ready = tool
        return try lab["a"].run {
            let ours = try ready.run()
            return (ours, try run(["traceroute"] + arguments))
        }
    }

    /// The first line and the rows: what swtrace tells behind them traceroute has no lines for.
    private static func normalised(_ text: String) -> [String] {
        text.split(separator: "\n").map { String($0.replacing(#/[0-9]+\.[0-9]{3} ms/#, with: "T ms")) }
            .filter { $0.starts(with: #/traceroute to |[ 0-9][0-9] /#) }
    }
}
