import Glibc
import TestSupport
import Testing

/// swping as ping beside ping (iputils 20221126) in one network: the same output, errors and status, but for times.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && hasProgram("ping") && hasProgram("nft"), "needs root, ip(8), ping(8) and nft(8)"
    ))
struct PingPersonaTests {
    /// 10.0.2.8 is silent, of 10.0.2.9 and 10.0.2.7 a router says that they can't be reached, to 10.0.8.1 there is no way.
    static let commands = [
        "-c 2 -i 0.2 10.0.2.2", "-nc2 -i.2 fd00:2::2", "-c2 -i0.2 -D 10.0.2.2", "-q -c 2 -i 0.2 10.0.2.2",
        "-c 1 10.0.2.9", "-c 1 fd00:2::9", "-c 3 -i 0.2 10.0.2.9", "-q -c 2 -i 0.2 10.0.2.9", "-c 1 10.0.2.7",
        "-O -c 3 -i 0.2 -W 0.3 10.0.2.8", "-O -D -q -c 2 -i 0.2 -W 0.2 10.0.2.8", "-c 1 -W 0.2 10.0.2.8",
        "-c 2 -i 0.2 -t 1 10.0.2.2", "-t1 -c1 fd00:2::2", "-t 0 -c1 10.0.2.2", "-U -c 2 -i 0.2 10.0.2.2",
        "-a -c 2 -i 0.2 10.0.2.2", "-a -q -c1 10.0.2.2",
        "-c 2 -i 0.2 -R 10.0.2.2", "-c 2 -i 0.2 -T tsonly 10.0.2.2", "-c1 -T tsandaddr 10.0.2.2",
        "-c 1 -R -D -a 10.0.2.2",
        "-c 1 -p deadbeef 10.0.2.2", "-c 1 -p f fd00:2::2", "-q -c 1 -p ff 10.0.2.2",
        "-c1 -p 0123456789012345678901234567890123456789 10.0.2.2",
        "-A -c 5 10.0.2.2", "-l 3 -c 4 -i 0.2 10.0.2.2", "-f -q -c 5 10.0.2.2", "-i 0 -c 3 10.0.2.2",
        "-c 1 -I r 10.0.2.2", "-c 1 -I fd00:1::1 fd00:2::2", "-c 1 -I 10.0.1.1 10.0.2.2", "-c1 -I fd00:1::1 10.0.2.2",
        "-c1 -B fd00:2::2", "-c1 -C 10.0.2.2", "-c1 -d 10.0.2.2", "-c1 -m 7 10.0.2.2", "-c1 -e 77 10.0.2.2",
        "-c1 -S 100000 10.0.2.2", "-c1 -Q 0x20 10.0.2.2",
        "-c1 -F 1 10.0.2.2", "-c1 -r 10.0.1.2", "-c1 -r fd00:1::2", "-c1 -R fd00:2::2", "-c1 -L 10.0.2.2",
        "-c 1 -s 2000 10.0.2.2", "-c 1 -s 2000 fd00:2::2", "-c1 -s 0 10.0.2.2", "-c2 -i.2 -s 15 fd00:2::2",
        "-c1 -s 16 10.0.2.2", "-M do -c 1 -s 3000 10.0.2.2", "-M do -c 1 -s 3000 fd00:2::2",
        "-q -M do -c 1 -s 3000 10.0.2.2", "-M want -c1 10.0.2.2", "-qUnDOc2 -i.2 10.0.2.2",
        // Deadlines: an error ends the run, and a count has to be answered.
        "-w 1 -i 0.4 10.0.2.2", "-w 1 -c 2 -i 0.2 10.0.2.2", "-w 2 -i 0.2 10.0.2.9", "-w 1 -c 9 -i 0.3 10.0.2.2",
        "-w 1 -i 0.3 10.0.2.8", "-w 0 -c1 10.0.2.2",
        // As telegraf, check_ping and others call it.
        "-c 1 -n -s 16 -i 1 -W 1 -w 3 10.0.2.2", "-4 -n -U -w 2 -c 2 10.0.2.2", "-6 -n -U -w 10 -c 1 fd00:2::2",
        "-- 10.0.2.2 -c1", "10.0.2.2 -c1", "-c1 127.1", "-c1 0", "-c +1 127.0.0.1", "-i 1,5 -c1 127.0.0.1",
        "-i 1e-1 -c2 127.0.0.1", "-W 0 -c1 127.0.0.1", "-c1 10.0.8.1", "-c1 fd00:8::1", "-c1 224.0.0.9 -W.1",
        "-b -c1 -W 0.2 10.0.1.255", "-c1 10.0.1.255", "-c1 -4 -4 127.0.0.1", "-c1 -R -R 127.0.0.1",
    ]

    /// All in one network: making one takes longer than any of these.
    @Test("The lines are ping's") func lines() throws {
        let lab = try Self.lab()
        for command in Self.commands { try Self.compare(lab, command) }
    }

    /// The kernel lets ping hold no label when others hold many.
    @Test func flowLabels() throws {
        let lab = try Self.lab()
        for (value, label) in [("12345", "03039"), ("0x12345", "12345")] {
            let tool = ToolCommand("swping", "--as=ping", "-c1", "-F", value, "fd00:2::2")
            let result = try lab["a"].run { try tool.run() }
            #expect(
                result.output.hasPrefix("PING fd00:2::2(fd00:2::2) , flow 0x\(label), 56 data bytes\n64 bytes from "))
        }
    }

    /// At fault, in the words and with the status of ping. What it calls its usage is our own.
    @Test func errors() throws {
        let lab = try Self.lab()
        let commands = [
            "", "-Z", "-c", "-c1 -Z ::1", "-h", "-? ::1", "-H -c1 ::1", "-3 ::1", "-j ::1", "-Zh", "-c 0 ::1",
            "-c x ::1",
            "-c 1x ::1", "-c -1 ::1", "-c 0x1 ::1", "-c 99999999999999999999 ::1", "-i 86400000000 ::1", "-i inf ::1",
            "-i nan ::1", "-W -1 ::1", "-W 99999999 ::1", "-W 1e10 ::1", "-w x ::1", "-w 99999999999 ::1", "-w 1.5 ::1",
            "-w -1 ::1", "-s x ::1", "-s -1 ::1", "-s 99999999999 ::1", "-t 256 ::1", "-t x ::1", "-l 0 ::1",
            "-l 65537 ::1", "-l x ::1", "-p xyz ::1", "-Q 256 ::1", "-Q x ::1", "-e x ::1", "-e 65536 ::1",
            "-e 0x10 ::1", "-F x ::1", "-F fffff ::1", "-F 99999999 ::1", "-M x ::1", "-M probe ::1", "-m x ::1",
            "-m 0x1 ::1", "-S x ::1", "-S 0 ::1", "-T x 127.0.0.1", "-T tsprespec=x 127.0.0.1",
            "-I nosuch 127.0.0.1", "-I nosuch ::1", "-I 192.0.2.77 127.0.0.1", "-I 2001:db8::7 ::1", "-4 -6 ::1",
            "-6 -4 ::1", "-4 ::1", "-6 127.0.0.1", "-R -T tsonly", "-R -T tsonly 127.0.0.1", "127.0.0.1 127.0.0.1",
            "-c1 ::1 ::1", "-c1 ::1 127.0.0.1", "127.0.0.1 nosuch.test", "nosuch.test 127.0.0.1", "nosuch.test",
            "fe80::1%nosuch", "10.0.0.0/8", "http://target.test/", "-4 six.test", "-6 target.test",
            "-c1 target.test 127.0.0.1",
        ]
        for command in commands { try Self.compare(lab, command, files: Self.names) }
        for (name, arguments) in [("ping6", "-4 ::1"), ("ping4", "::1"), ("ping6", "127.0.0.1"), ("ping4", "-c0 x")] {
            try Self.compare(lab, arguments, as: name)
        }
    }

    @Test func names() throws {
        let lab = try Self.lab()
        for command in [
            "-c1 target.test", "-c1 six.test", "-n -c1 six.test", "-n -c1 target.test", "-c1 alias6.test",
            "-c 2 -i 0.2 -t 1 target.test", "-c1 10.0.2.2", "-c1 fd00:2::2", "-6 -c1 both.test",
            "-q -c1 six.test", "-c1 -D target.test",
        ] { try Self.compare(lab, command, files: Self.names) }
        try Self.compare(lab, "-c1 both.test", files: Self.names, as: "ping6")
        try Self.compare(lab, "-c1 target.test", files: Self.names, as: "ping4")
    }

    /// What users may not: as ping with its ping sockets. Where those are forbidden ping fails and this does not.
    @Test(.enabled(if: ToolCommand.canChangeUser, "needs setpriv(1)")) func users() throws {
        let lab = try Self.lab()
        let tool = try InstalledTool("swping")
        func results(_ command: String) throws -> (ours: CommandResult, theirs: CommandResult) {
            var ours = ToolCommand(tool)
            ours.userID = 65_534
            ours.removedCapabilities = ["net_raw"]
            var theirs = ours
            theirs.path = "ping"
            // It has capabilities of its own, and does not start without them.
            theirs.removedCapabilities = []
            theirs.arguments = command.split(separator: " ").map(String.init)
            ours.arguments = ["--as", "ping"] + theirs.arguments
            let (one, other) = (ours, theirs)
            return try lab["a"].run { (try one.run(), try other.run()) }
        }
        for command in ["-c 2 -i 0.2 10.0.2.2", "-c1 fd00:2::2", "-q -c1 10.0.2.9"] {
            try lab["a"].exec("sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
            let ours = try results(command).ours
            #expect(ours.errors.isEmpty)
            #expect(ours.output.contains(" UDP port 33434, ") && ours.output.contains(" packets transmitted, "))
            #expect(ours.status == (command.hasSuffix("9") ? 1 : 0))
        }
        try lab["a"].exec("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        for command in [
            "-c 2 -i 0.2 10.0.2.2", "-c1 fd00:2::2", "-c1 -t1 10.0.2.2", "-i 0.001 -c1 10.0.2.2", "-f 10.0.2.2",
            "-i 0 127.0.0.1", "-l 4 10.0.2.2", "-b -i 0.5 10.0.1.255", "-M want -b 10.0.1.255", "-c1 -d 10.0.2.2",
            "-c1 -S 100000000 10.0.2.2", "-A -c3 127.0.0.1",
        ] {
            let (ours, theirs) = try results(command)
            Self.expectSame(ours, theirs, command)
        }
    }

    /// A dot for a probe, a mark in its place for what came back; how they mix depends on the scheduler.
    @Test(arguments: ["-f -c 20 10.0.2.2", "-f -c 5 -t 1 10.0.2.2", "-f -c 5 fd00:2::2"])
    func floods(_ command: String) throws {
        let lab = try Self.lab()
        for program in Self.programs {
            let result = try lab["a"].run { try run(program + command.split(separator: " ").map(String.init)) }
            let marks = result.output.split(separator: "\n").dropFirst().first ?? ""
            let counts = try #require(
                result.output.firstMatch(
                    of: #/([0-9]+) packets transmitted, ([0-9]+) received(?:, \+([0-9]+) errors)?/#))
            #expect(marks.count { $0 == "." } == Int(counts.1))
            #expect(marks.ranges(of: "\u{8} \u{8}").count == Int(counts.2))
            #expect(marks.ranges(of: "\u{8}E").count == counts.3.flatMap { Int($0) } ?? 0)
            #expect(counts.2 != "0" || counts.3 != nil)
        }
    }

    /// SIGQUIT has a line, SIGINT the summary, SIGTERM nothing.
    @Test(arguments: ["10.0.2.2", "10.0.2.8"], [["QUIT", "INT"], ["TERM"], ["INT"]])
    func signals(host: String, names: [String]) throws {
        let script = """
            "$@" & child=$!
            for name in \(names.joined(separator: " ")); do sleep 0.3; kill -$name $child; done
            wait $child
            """
        let lab = try Self.lab()
        let results = try Self.programs.map { program in
            try lab["a"].run { try run(["bash", "-c", script, "bash"] + program + ["-i", "0.5", host]) }
        }
        if names == ["TERM"], host == "10.0.2.8" {
            // ping dies with its first line in a buffer.
            #expect(results.map(\.output) == ["PING 10.0.2.8 (10.0.2.8) 56(84) bytes of data.\n", ""])
        } else {
            Self.expectSame(results[0], results[1], "\(names) \(host)")
        }
        #expect(results[0].status == (names == ["TERM"] ? 143 : host == "10.0.2.2" ? 0 : 1))
    }

    // MARK: Odd replies

    /// What is late for swping is not for ping, and what comes twice counts in its statistics.
    @Test(
        .enabled(if: NamespaceLab.hasTun, "needs /dev/net/tun"),
        arguments: [
            "-c 3 -i 0.2 10.0.9.1", "-c 3 -i 0.2 fd00:9::1", "-q -c 3 -i 0.2 10.0.9.1", "-c 2 -i 0.3 -W 0.05 10.0.9.2",
            "-c 2 -i 0.7 -W 0.05 10.0.9.2", "-c 1 -W 0.2 10.0.9.2", "-c 1 10.0.9.2", "-c 2 -w 5 -i 0.3 10.0.9.2",
            "-c 2 -i 0.2 10.0.9.3", "-c 2 -i 0.2 fd00:9::3", "-c 2 -i 0.2 10.0.9.4", "-c 2 -i 0.2 10.0.9.5",
            "-O -c 3 -i 0.3 10.0.9.2",
        ])
    func oddReplies(_ command: String) throws {
        let network = try HostileNetwork(Liar([.honest], seed: 1), Self.scenario)
        let results = try Self.programs.map { program in
            var tool = ToolCommand("swping")
            tool.path = program[0]
            tool.arguments = program.dropFirst() + command.split(separator: " ").map(String.init)
            return try network.run(tool).0
        }
        Self.expectSame(results[0], results[1], command)
    }

    /// ping of that release takes an answer with a wrong checksum for a good one. Later ones do as this does.
    @Test(.enabled(if: NamespaceLab.hasTun, "needs /dev/net/tun")) func wrongChecksumsAreNoAnswers() throws {
        let network = try HostileNetwork(Liar([.honest], seed: 1), Self.scenario)
        let (result, _) = try network.run(ToolCommand("swping", "--as", "ping", "-c2", "-i.2", "-W.2", "10.0.9.6"))
        #expect(result.output.contains(" (BAD CHECKSUM!)"))
        #expect(result.output.contains("\n2 packets transmitted, 0 received, +2 corrupted, 100% packet loss, time "))
        #expect(result.status == 1)
    }

    /// The octet that differs and all of the payload, where the responder changes one: an answer for ping.
    @Test func damagedAnswers() throws {
        let lab = try Self.lab()
        try lab["b"].exec("nft", "add table ip damage; add chain ip damage out { type filter hook output priority 0; }")
        try lab["b"].exec(
            "nft", "add rule ip damage out icmp type echo-reply @th,304,16 set 0x2021 @th,320,16 set 0x1e1f")
        for command in ["-c 2 -i 0.2 10.0.2.2", "-q -c 1 -s 100 10.0.2.2"] { try Self.compare(lab, command) }
    }

    // MARK: The programs that call it

    /// check_ping of Debian's monitoring-plugins, which calls /bin/ping: both there.
    @Test(.enabled(if: isThere(checkPingPath), "needs check_ping of monitoring-plugins-basic"))
    func checkPing() throws {
        let lab = try Self.lab()
        for command in [
            "-H 10.0.2.2 -w 100,20% -c 500,60% -p 1", "-H 10.0.2.2 -w 100,20% -c 500,60% -p 2 -4",
            "-H fd00:2::2 -w 100,20% -c 500,60% -p 1 -6", "-H 10.0.2.8 -w 100,20% -c 500,60% -p 1 -t 3",
            "-H 10.0.2.9 -w 100,20% -c 500,60% -p 1", "-H 10.0.2.7 -w 100,20% -c 500,60% -p 1",
            "-H 10.0.2.2 -w 0.000001,20% -c 500,60% -p 1", "-H 10.0.2.2 -w 0.000001,20% -c 0.000001,60% -p 1",
            "-H 10.0.8.1 -w 100,20% -c 500,60% -p 1", "-H nosuch.test -w 100,20% -c 500,60% -p 1",
        ] {
            let arguments = [Self.checkPingPath] + command.split(separator: " ").map(String.init)
            let theirs = try lab["a"].run { try run(arguments) }
            let ours = try lab["a"].run { try run(Self.inPlace + arguments) }
            Self.expectSame(ours, theirs, command)
        }
    }

    /// prettyping reads every line of ping's.
    @Test(.enabled(if: hasProgram("prettyping"), "needs prettyping(1)"))
    func prettyping() throws {
        let lab = try Self.lab()
        let tool = try InstalledTool("swping")
        let name = String(tool.path.dropLast("swping".count)) + "ping"
        #expect(unsafe symlink(tool.path, name) == 0)
        defer { unsafe unlink(name) }
        for command in [
            "-c 3 -i 0.2 10.0.2.2", "-c 2 -i 0.2 fd00:2::2", "-c 2 -i 0.2 -W 1 10.0.2.8", "-c 2 -i 0.2 10.0.2.9",
            "-c 1 10.0.8.1", "-c 0 10.0.2.2",
        ] {
            func result(_ program: String) throws -> CommandResult {
                let looks = ["--nocolor", "--nounicode", "--nolegend", "--columns", "80", "--lines", "24"]
                let arguments = command.split(separator: " ").map(String.init)
                return try lab["a"].run { try run(["prettyping"] + looks + ["--pingbin", program] + arguments) }
            }
            let (ours, theirs) = (try result(name), try result("ping"))
            #expect(ours.status == theirs.status, "\(command)")
            #expect(
                Self.withoutNumbers(ours.output.replacing(name, with: "ping"))
                    == Self.withoutNumbers(theirs.output), "\(command)")
            #expect(Self.ofPrettyping(ours.errors) == Self.ofPrettyping(theirs.errors), "\(command)")
        }
    }

    /// Without the complaint of prettyping's shell about its own awk, which may end before the shell has passed on all lines.
    private static func ofPrettyping(_ errors: String) -> [Substring] {
        withoutNumbers(errors).filter { !$0.hasSuffix("echo: write error: Broken pipe") }
    }

    /// What telegraf's ping plugin reads out of the output, by a parser after its manner.
    @Test func telegraf() throws {
        let lab = try Self.lab()
        for host in ["10.0.2.2", "10.0.2.8", "fd00:2::2", "10.0.2.9"] {
            let readings = try Self.programs.map { program in
                let arguments = "-c 2 -n -s 16 -i 0.2 -W 0.3 -w 3 \(host)".split(separator: " ").map(String.init)
                let result = try lab["a"].run { try run(program + arguments) }
                return (result.status, try #require(Self.reading(result.output)))
            }
            #expect(readings[0].0 == readings[1].0)
            #expect(readings[0].1.received == readings[1].1.received)
            #expect(readings[0].1.hopLimit == readings[1].1.hopLimit)
            #expect(readings[0].1.roundTrips.count == readings[1].1.roundTrips.count)
            #expect(readings[0].1.received == (["10.0.2.2", "fd00:2::2"].contains(host) ? 2 : 0))
        }
    }

    private struct Reading {
        var transmitted: Int
        var received: Int
        var hopLimit: Int?
        var roundTrips: [Double]
    }

    private static func reading(_ output: String) -> Reading? {
        guard let counts = output.firstMatch(of: #/(\d+) packets transmitted, (\d+) received/#) else { return nil }
        let trips = output.split(separator: "\n").last { $0.contains("min/avg/max/") }
        return Reading(
            transmitted: Int(counts.1) ?? -1, received: Int(counts.2) ?? -1,
            hopLimit: output.firstMatch(of: #/icmp_seq=\d+ ttl=(\d+) time=[\d.]+ ms/#).flatMap { Int($0.1) },
            roundTrips: trips?.split(separator: " ").dropFirst(3).first?.split(separator: "/").compactMap { Double($0) }
                ?? [])
    }

    // MARK: Helpers

    /// Runs a program that sees swping where ping was.
    private static let inPlace = [
        "unshare", "--mount", "sh", "-c", "mount --bind \"$0\" \"$(readlink -f /bin/ping)\" && exec \"$@\"",
        ToolCommand.path(of: "swping"),
    ]

    private static func isThere(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

    private static let checkPingPath = "/usr/lib/nagios/plugins/check_ping"
    private static let programs = [[ToolCommand.path(of: "swping"), "--as", "ping"], ["/bin/ping"]]

    private static let names = [
        "/etc/hosts": """
        10.0.2.2 target.test
        10.0.1.2 router.test
        fd00:2::2 six.test alias6.test
        10.0.2.2 both.test
        fd00:2::2 both.test

        """, "/etc/nsswitch.conf": "hosts: files\n",
    ]

    private static let scenario =
        "source 10.0.0.1 fd00::1\n"
        + ["duplicate 1", "late 450ms", "truncated", "wrong-source", "overlong", "wrong-checksum"].enumerated()
        .map { "target 10.0.9.\($0 + 1) fd00:9::\($0 + 1) via source hostile \($1)" }.joined(separator: "\n")

    private static func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r", "b")
        // Both ask for more errors than a router gives in a second, and those of routes have a limit that stays.
        try lab["r"].exec("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        try lab["a"].exec("ip", "route", "add", "unreachable", "10.0.8.0/24")
        try lab["a"].exec("ip", "-6", "route", "add", "unreachable", "fd00:8::/64")
        try lab["r"].exec("ip", "route", "add", "blackhole", "10.0.2.8/32")
        try lab["r"].nft(
            """
            add table inet lab
            add chain inet lab forward { type filter hook forward priority 0; }
            add rule inet lab forward ip daddr 10.0.2.9 reject with icmp host-unreachable
            add rule inet lab forward ip daddr 10.0.2.7 reject with icmp admin-prohibited
            """)
        try lab["r"].exec("ip", "-6", "route", "add", "unreachable", "fd00:2::9/128")
        return lab
    }

    private static func compare(
        _ lab: NamespaceLab, _ command: String, files: [String: String] = [:], as name: String = "ping"
    ) throws {
        let arguments = command.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        var ours = ToolCommand("swping")
        ours.arguments = ["--as", name] + (command.isEmpty ? [] : arguments)
        ours.files = files
        var theirs = ours
        // What ping is called is all that makes it ping4 or ping6.
        theirs.path = "bash"
        theirs.arguments = ["-c", "exec -a \(name) /bin/ping \"$@\"", "bash"] + (command.isEmpty ? [] : arguments)
        let (one, other) = (ours, theirs)
        let results = try lab["a"].run { (try one.run(), try other.run()) }
        expectSame(results.0, results.1, command)
    }

    private static func expectSame(_ ours: CommandResult, _ theirs: CommandResult, _ command: String) {
        #expect(ours.status == theirs.status, "\(command): \(ours)\(theirs)")
        #expect(normalised(ours.output) == normalised(theirs.output), "\(command)")
        #expect(normalised(ours.errors) == normalised(theirs.errors), "\(command)")
    }

    /// Without times, and without the usage, which is our own.
    private static func normalised(_ text: String) -> [String] {
        let text = text.replacing(#/\n\n?Usage(.|\n)*/#, with: "\nUSAGE")
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var line = String(line)
            line.replace(#/^\[[0-9]+\.[0-9]{6}\] /#, with: "[NOW] ")
            line.replace(#/time=[0-9.]+ ms/#, with: "time=T ms")
            line.replace(#/, time [0-9]+ms$/#, with: ", time T")
            line.replace(#/RTA = [0-9.]+ ms/#, with: "RTA")
            line.replace(#/rta=[0-9.]+ms/#, with: "rta=T")
            line.replace(#/[0-9]+\.[0-9]{3}(?=/| ms)/#, with: "T")
            // How deep an adaptive run gets is the scheduler's business.
            line.replace(#/, pipe [0-9]+/#, with: "")
            line.replace(#/\t[0-9]+ absolute/#, with: "\tN absolute")
            line.replace(#/\t-?[0-9]+$/#, with: "\tN")
            return line
        }
    }

    private static func withoutNumbers(_ text: String) -> [Substring] {
        text.replacing(#/[0-9]+/#, with: "#").split(separator: "\n").map { $0[...] }
    }
}
