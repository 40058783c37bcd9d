import LinuxSockets
import TestSupport
import Testing

/// swtrace as tracepath beside tracepath (iputils 20221126) in one network: the same output and status, but for times.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && hasProgram("tracepath") && hasProgram("nft"),
        "needs root, ip(8), tracepath(8) and nft(8)"))
struct TracepathComparisonTests {
    /// Hosts 4 and 5 are behind a narrow link, 7 is prohibited, 8 silent, 9 unreachable, all at the third router; the
    /// second rejects what goes to 1, 2 and 3. Linux says only once a second that a route of IPv4 is prohibited.
    static let commands = [
        "-n 10.0.4.2", "-n fd00:4::2", "-n 10.0.1.2", "-n fd00:1::2", "-n 10.0.1.1", "-n 127.0.0.1", "-n ::1",
        "-n 10.0.9.5", "-n fd00:9::4", "-n fd00:9::7", "-n fd00:9::9",
        "-n 10.0.9.1", "-n 10.0.9.2", "-n 10.0.9.3", "-n -m 2 10.0.4.2", "-n -m 2 fd00:4::2", "-m 0 10.0.4.2",
        "-n -l 1000 10.0.4.2", "-n -l 1000 fd00:4::2", "-n -l 50 10.0.4.2", "-n -l 1450 fd00:9::4",
        "-n -l 2000 10.0.4.2", "-n -p 5000 10.0.4.2", "-n 10.0.4.2/5000", "-4 -n 10.0.4.2", "-6 -n fd00:4::2",
        "-b target.test", "target.test", "-b -m 2 10.0.4.2", "-n target.test",
        // One hop is silent, for three seconds of tracepath's.
        "-n -l 1000 -m 3 10.0.9.8",
        // The command line at fault.
        "nosuch.invalid", "-n -4 fd00:4::2", "-6 10.0.4.2", "-m 256 10.0.4.2", "-m x 10.0.4.2", "-l 20 10.0.4.2",
        "-p x 10.0.4.2", "-p 70000 10.0.4.2", "10.0.4.2/70000", "10.0.4.2/x",
    ]

    @Test func lines() throws {
        let lab = try Self.lab()
        for command in Self.commands {
            let (ours, theirs) = try outputs(lab, command)
            #expect(ours.status == theirs.status, "\(command): \(ours)\(theirs)")
            #expect(ours.errors == theirs.errors, "\(command)")
            #expect(Self.normalised(ours.output) == Self.normalised(theirs.output), "\(command): \(ours)\(theirs)")
        }
        for command in ["-x 10.0.4.2", "-m", "10.0.4.2 5", ""] {
            let (ours, theirs) = try outputs(lab, command)
            #expect(ours.status == 255, "\(ours)")
            #expect(theirs.status == 255)
            // What stands in front of the help, whose words are other ones.
            let lines = [ours, theirs].map { $0.errors.prefix { $0 != "U" } }
            #expect(lines[0] == lines[1])
        }
        // The way back from the third router on is a shorter one.
        try lab.link("a", "r3", "10.0.50", nil)
        try lab["r3"].addRoute(to: "10.0.1.1/32", via: "a")
        for command in ["-n 10.0.4.2", "-n 10.0.9.5"] {
            let (ours, theirs) = try outputs(lab, command)
            #expect(Self.normalised(ours.output) == Self.normalised(theirs.output), "\(ours)\(theirs)")
        }
        // Where tracepath hears nothing any more.
        try lab["r3"].nft("add rule inet lab output icmpv6 type packet-too-big drop")
        let (ours, _) = try outputs(lab, "-n fd00:9::4", isBoth: false)
        #expect(
            ours.output.split(separator: "\n").suffix(3).map { $0.prefix { $0 != "." } } == [
                " 4:  no reply", " 4:  fd00:9::4                                             0",
                "     Resume: pmtu 1400 hops 4 back 4 ",
            ], "\(ours)")
    }

    @Test func nobodyToSendTo() throws {
        let lab = try NamespaceLab()
        try lab.addNode("a")
        for command in ["-n 10.9.9.9", "-n fd00::9"] {
            let (ours, theirs) = try outputs(lab, command)
            #expect(ours.output == theirs.output)
            #expect(ours.errors == theirs.errors)
            #expect(ours.status == theirs.status)
        }
    }

    // MARK: Helpers

    private static func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        for (route, host) in [("prohibit", 7), ("blackhole", 8), ("unreachable", 9)] {
            try lab["r3"].exec("ip", "route", "add", route, "10.0.9.\(host)/32")
            try lab["r3"].exec("ip", "-6", "route", "add", route, "fd00:9::\(host)/128")
        }
        try lab["b"].exec("ip", "address", "add", "10.0.9.5/32", "dev", "lo")
        try lab["b"].exec("ip", "address", "add", "fd00:9::4/128", "dev", "lo", "nodad")
        try lab["r3"].exec("ip", "route", "add", "10.0.9.5/32", "via", "10.0.4.2", "mtu", "lock", "1400")
        try lab["r3"].exec("ip", "-6", "route", "add", "fd00:9::4/128", "via", "fd00:4::2", "mtu", "lock", "1400")
        try lab["r2"].nft(
            """
            add table inet lab
            add chain inet lab forward { type filter hook forward priority 0; }
            add rule inet lab forward ip daddr 10.0.9.1 reject with icmp type prot-unreachable
            add rule inet lab forward ip daddr 10.0.9.2 reject with icmp type host-prohibited
            add rule inet lab forward ip daddr 10.0.9.3 reject with icmp type net-unreachable
            """)
        try lab["r3"].nft(
            """
            add table inet lab
            add chain inet lab output { type filter hook output priority 0; }
            """)
        return lab
    }

    /// Errors teach the kernel about the path, and tracepath asks the kernel: it is first, with a kernel that knows nothing.
    private func outputs(
        _ lab: NamespaceLab, _ command: String, isBoth: Bool = true
    ) throws -> (ours: CommandResult, theirs: CommandResult) {
        for version in ["-4", "-6"] where command.contains("9::") || command.contains("10.0.9.") {
            try lab["a"].exec("ip", version, "route", "flush", "cache")
        }
        let programs = [["tracepath"], [ToolCommand("swtrace").path, "--as", "tracepath"]]
        let results = try programs.suffix(isBoth ? 2 : 1).map { program in
            var tool = ToolCommand("swtrace")
            tool.path = program[0]
            tool.arguments = program.dropFirst() + command.split(separator: " ").map(String.init)
            tool.files = [
                "/etc/hosts":
                    "10.0.4.2 target.test\n10.0.1.2 first.test\n10.0.2.2 second.test\n10.0.3.2 third.test\n",
                "/etc/resolv.conf": "nameserver 127.0.0.1\n",
            ]
            let ready = tool
            return try lab["a"].run { try ready.run() }
        }
        return (results[results.count - 1], results[0])
    }

    /// The lines without times: over IPv6 only tracepath has one behind `[LOCALHOST]`.
    private static func normalised(_ text: String) -> [String] {
        text.split(separator: "\n").map { line in
            line.contains("[LOCALHOST]")
                ? String(line.replacing(#/  [0-9]+\.[0-9]{3}ms /#, with: ""))
                : String(
                    line.replacing(#/ +[0-9]+\.[0-9]{3}ms/#) { match in
                        // Wide enough for any time of this network.
                        String(repeating: " ", count: match.output.count - 7) + "T.TTTms"
                    })
        }
    }
}
