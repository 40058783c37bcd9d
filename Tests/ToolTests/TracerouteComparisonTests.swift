import LinuxSockets
import TestSupport
import Testing

/// swtrace as traceroute beside traceroute (2.1.2) in one network: the same output and status, but for times.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && hasProgram("traceroute") && hasProgram("nft"),
        "needs root, ip(8), traceroute(8) and nft(8)"))
struct TracerouteComparisonTests {
    /// Command lines that both understand, with -n.
    ///
    /// 10.0.9.6 is behind a router that does not answer about it, 10.0.9.7 is prohibited, 10.0.9.8 silent, 10.0.9.9
    /// unreachable, all at the third router; the way to 10.0.9.5 is narrow.
    static let commands = [
        "10.0.4.2", "fd00:4::2", "10.0.1.2", "10.0.1.1", "-4 10.0.4.2", "-6 fd00:4::2", "-q 1 10.0.4.2",
        "-q 10 fd00:4::2", "-q2 -N 1 10.0.4.2", "-f 3 10.0.4.2", "-f 9 10.0.4.2", "-m 2 10.0.4.2", "-m 4 fd00:4::2",
        "-f 2 -m 3 10.0.4.2", "-I 10.0.4.2", "-I fd00:4::2", "-I -q 1 10.0.4.2 1000", "-U 10.0.4.2", "-U fd00:4::2",
        "-U -p 5000 10.0.4.2", "-p 40000 10.0.4.2", "-F 10.0.4.2", "-F 10.0.4.2 1500", "10.0.4.2 1400",
        "fd00:4::2 1400", "-s 10.0.1.1 10.0.4.2", "-s fd00:1::1 fd00:4::2", "-t 16 10.0.4.2", "-t 0xb8 fd00:4::2",
        "-z 0.001 10.0.4.2", "-z 20 -q 1 10.0.4.2", "-w 1 10.0.4.2", "-w 5,3,10 10.0.4.2", "-N 1 10.0.4.2",
        "-e 10.0.4.2", "--back 10.0.4.2", "--back -q 1 fd00:4::2", "-i r1 10.0.4.2", "--sport=4000 10.0.4.2",
        "-r 10.0.1.2", "-d -q 1 10.0.4.2", "-4 -q 1 -I 10.0.4.2 20", "-I -q 1 fd00:4::2 20", "-N 16 -q 1 10.0.4.2",
        "--mtu 10.0.9.5", "--mtu fd00:4::2", "-F 10.0.4.2 2000", "-F fd00:4::2 2000", "-F -f 2 -q 1 10.0.4.2 2000",
        "-P 253 10.0.4.2", "-P 253 -q 1 fd00:4::2",
        "-T 10.0.4.2", "-T fd00:4::2", "-T -p 443 10.0.4.2", "-T -q 1 -m 2 fd00:4::2", "-T -O info -q 1 10.0.4.2",
        "-T -O sack -q 1 10.0.4.2 1000",
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
            #expect(ours.status == 0, "\(command): \(ours)")
            #expect(ours.errors == theirs.errors, "\(command)")
            #expect(Self.normalised(ours.output) == Self.normalised(theirs.output), "\(command): \(ours)\(theirs)")
        }
        // Routers on the way quote the next router of the route as destination, which traceroute takes for somebody else's.
        let (ours, theirs) = try outputs(lab, "-q 1 -w 0.1 -g 10.0.2.2 10.0.4.2")
        let lines = [ours, theirs].map { Self.normalised($0.output) }
        #expect(lines[0].first == lines[1].first)
        #expect(lines[0].suffix(2) == lines[1].suffix(2))
        #expect(lines[0].count == 5)
    }

    /// Command lines at fault, and hosts that can't be reached: the words and the status.
    @Test func errors() throws {
        let lab = try NamespaceLab()
        let node = try lab.addNode("a")
        let commands = [
            "nosuch.invalid", "-n -4 fd00::1", "-6 10.0.0.1", "-x 127.0.0.1", "--nosuch 127.0.0.1", "-q x 127.0.0.1",
            "-q 11 127.0.0.1", "-m 300 127.0.0.1", "-m x 127.0.0.1", "-f 0 127.0.0.1", "-f 31 127.0.0.1",
            "-t x 127.0.0.1", "-w x 127.0.0.1", "-z x 127.0.0.1", "-N x 127.0.0.1", "-p x 127.0.0.1", "-n",
            "127.0.0.1 70000", "127.0.0.1 x", "127.0.0.1 60 70", "-n 127.0.0.1", "-n ::1", "-n -q 1 127.0.0.1 3000",
        ]
        for command in commands {
            let results = try Self.programs.map { program in
                var tool = ToolCommand("swtrace")
                tool.path = program[0]
                tool.arguments = Array(program.dropFirst()) + command.split(separator: " ").map(String.init)
                tool.files = ["/etc/resolv.conf": "nameserver 127.0.0.1\n"]
                let ready = tool
                return try node.run { try ready.run() }
            }
            #expect(results[0].status == results[1].status, "\(command)")
            #expect(results[0].errors == results[1].errors, "\(command)")
            #expect(Self.normalised(results[0].output) == Self.normalised(results[1].output), "\(command)")
        }
        // traceroute leaves its first line without an end there.
        let (ours, theirs) = try outputs(lab, "10.9.9.9")
        #expect(ours.status == theirs.status)
        #expect("\n" + ours.errors == theirs.errors)
        #expect(ours.output == theirs.output + "\n")
    }

    /// Of its own it says nothing else, under the name of a link too.
    @Test(.enabled(if: hasProgram("bash"), "needs bash(1)"), arguments: ["traceroute6", "tcptraceroute"])
    func byName(_ name: String) throws {
        let lab = try NamespaceLab()
        let node = try lab.addNode("a")
        let call = ["bash", "-c", "exec -a /usr/bin/\(name) \"$0\" -n -q 1 \"$@\"", ToolCommand("swtrace").path]
        let isV6 = name.hasSuffix("6")
        let result = try node.run { try run(call + (isV6 ? ["::1"] : ["127.0.0.1", "443"])) }
        #expect(
            Self.normalised(result.output) == [
                isV6
                    ? "traceroute to ::1 (::1), 30 hops max, 80 byte packets"
                    : "traceroute to 127.0.0.1 (127.0.0.1), 30 hops max, 60 byte packets",
                isV6 ? " 1  ::1  T ms" : " 1  127.0.0.1 <rst,ack>  T ms",
            ])
        #expect(result.errors == "")
        #expect(result.status == 0)
        let refusal = try node.run { try run(call + (isV6 ? ["127.0.0.1"] : ["-x", "127.0.0.1"])) }
        #expect(refusal.status == 2)
        let version = try node.run { try run(call + ["-V"]) }
        #expect(version.errors.hasPrefix("Modern traceroute for Linux, version 2.1.2"))
    }

    /// The kernel gives one such error a second, from a credit that each other error takes away; all of a router's in a
    /// new network is there.
    @Test(arguments: ["-q 1 10.0.9.7", "-q 1 10.0.9.9"])
    func refusalsOfIPv4(_ command: String) throws {
        let arguments = ["-n"] + command.split(separator: " ").map(String.init)
        let texts = try Self.programs.map { program in
            Self.normalised(try Self.lab()["a"].run { try run(program + arguments) }.output)
        }
        #expect(texts[0] == texts[1])
        #expect(texts[1].last?.hasSuffix(command.hasSuffix("7") ? " ms !X" : " ms !H") == true)
    }

    @Test func namesStandBesideAddresses() throws {
        let lab = try Self.lab()
        let files = [
            "/etc/hosts": "10.0.4.2 target.test\n10.0.1.2 first.test\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n",
        ]
        for arguments in [["target.test"], ["-n", "target.test"], ["10.0.4.2"]] {
            let results = try Self.programs.map { program in
                var command = ToolCommand("swtrace")
                command.path = program[0]
                command.arguments = program.dropFirst() + arguments
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
        let texts = try Self.programs.map { program in
            var command = ToolCommand("swlab", "run", "/dev/stdin", "--")
            command.arguments += program + ["-n", "-e", "-w", "5", target]
            command.input = Array(scenario.utf8)
            return Self.normalised(try command.run().output)
        }
        #expect(texts[0].contains { $0.contains("<MPLS:L=16004,E=0,S=0,T=1/L=24001,E=0,S=1,T=1>") })
        #expect(texts[0] == texts[1])
    }

    // MARK: Helpers

    private static let programs = [["traceroute"], [ToolCommand("swtrace").path, "--as", "traceroute"]]

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
        for node in ["a", "r1", "r2", "r3", "b"] {
            for interface in try lab[node].run({ try Interface.all() }).map(\.name) + ["all"] {
                try lab[node].set("net.ipv4.conf.\(interface).accept_source_route", "1")
            }
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
        tool.arguments = ["--as", "traceroute"] + arguments
        let ready = tool
        return try lab["a"].run {
            let ours = try ready.run()
            return (ours, try run(["traceroute"] + arguments))
        }
    }

    /// The lines without times.
    private static func normalised(_ text: String) -> [String] {
        text.split(separator: "\n").map { String($0.replacing(#/[0-9]+\.[0-9]{3} ms/#, with: "T ms")) }
    }
}
