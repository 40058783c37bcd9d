import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// swtrace on routers of the real kernel.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct SwtraceTests {
    static let targets = ["10.0.4.2", "fd00:4::2"]

    static func path(to address: String) -> [String] {
        let v4 = ["10.0.1.2", "10.0.2.2", "10.0.3.2", "10.0.4.2"]
        return address.contains(":") ? ["fd00:1::2", "fd00:2::2", "fd00:3::2", "fd00:4::2"] : v4
    }

    static func chain(mtu: Int = 1500) throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b", mtu: mtu)
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        return lab
    }

    /// Whatever the probes are and however they are paced, the path is the same.
    @Test(arguments: targets)
    func everyKindOfProbeFindsThePath(address: String) throws {
        let lab = try Self.chain()
        let hops = Self.path(to: address)
        for (options, queries) in [
            ([], 3), (["-I"], 3), (["-U"], 3), (["-T"], 3), (["-T", "-p", "443"], 3), (["-q", "1"], 1),
            (["-q", "10", "-N", "1"], 10), (["-z", "0.001"], 3), (["-N", "4"], 3),
            (["--flow", "classic"], 3), (["--rung", "udp"], 3), (["-I", "--rung", "ping"], 3), (["-w", "1"], 3),
            (["-p", "7"], 3), (["-t", "0x10", "-F"], 3),
        ] {
            var command = ToolCommand("swtrace", "-n")
            command.arguments += options + [address]
            let command0 = command
            let result = try lab["a"].run { try command0.run() }
            let rows = TraceRow.rows(of: result.output)
            #expect(rows.map(\.responders) == hops.map { [$0] }, "\(options): \(result)")
            #expect(rows.map(\.number) == [1, 2, 3, 4])
            #expect(rows.allSatisfy { $0.times == queries && $0.annotations.isEmpty }, "\(options): \(result.output)")
            #expect(result.status == 0)
            #expect(result.errors.isEmpty)
        }
    }

    /// traceroute's lines, to the letter where scripts look.
    @Test func printsTheLinesOfTraceroute() throws {
        let lab = try Self.chain()
        var command = ToolCommand("swtrace", "-q", "2", "target.test")
        command.files = [
            "/etc/hosts": "10.0.4.2 target.test\n10.0.1.2 first.test\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n",
        ]
        let result = try lab["a"].run { try command.run() }
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        try #require(lines.count == 6, "\(result.output)")
        #expect(lines[0] == "traceroute to target.test (10.0.4.2), 30 hops max, 60 byte packets")
        let times = #"  [0-9]+\.[0-9]{3} ms  [0-9]+\.[0-9]{3} ms"#
        #expect(try lines[1].wholeMatch(of: Regex(#" 1  first\.test \(10\.0\.1\.2\)"# + times)) != nil, "\(lines[1])")
        #expect(try lines[2].wholeMatch(of: Regex(#" 2  10\.0\.2\.2 \(10\.0\.2\.2\)"# + times)) != nil, "\(lines[2])")
        #expect(
            try lines[4].wholeMatch(of: Regex(#" 4  target\.test \(10\.0\.4\.2\)"# + times)) != nil, "\(lines[4])")
    }

    @Test(arguments: ["raw", "udp"])
    func firstAndLastHopAreWhatWasAskedFor(rung: String) throws {
        let lab = try Self.chain()
        let result = try lab["a"].run {
            try ToolCommand("swtrace", "--rung", rung, "-n", "-f", "2", "-m", "3", "10.0.4.2").run()
        }
        #expect(TraceRow.rows(of: result.output).map(\.number) == [2, 3])
        #expect(TraceRow.rows(of: result.output).map(\.responders) == [["10.0.2.2"], ["10.0.3.2"]])
        #expect(result.output.contains("), 3 hops max, "))
        #expect(result.status == 1, "the target was not reached")
        let beyond = try lab["a"].run { try ToolCommand("swtrace", "--rung", rung, "-n", "-f", "7", "10.0.4.2").run() }
        #expect(TraceRow.rows(of: beyond.output).map(\.responders) == [["10.0.4.2"]], "\(beyond.output)")
        #expect(beyond.status == 0)
    }

    @Test(arguments: [
        ("prohibit", "10.0.9.9", "!X"), ("unreachable", "10.0.9.9", "!H"), ("prohibit", "fd00:9::9", "!X"),
        ("unreachable", "fd00:9::9", "!N"),
    ])
    func refusalsAreMarkedAndEndThePath(route: String, address: String, mark: String) throws {
        let lab = try Self.chain()
        let (version, length) = address.contains(":") ? ("-6", 128) : ("-4", 32)
        try lab["r3"].exec("ip", version, "route", "add", route, "\(address)/\(length)")
        for rung in ["raw", "udp"] {
            let result = try lab["a"].run { try ToolCommand("swtrace", "--rung", rung, "-n", address).run() }
            let rows = TraceRow.rows(of: result.output)
            // The kernel looks for a route before it looks at the hop limit.
            #expect(rows.map(\.number) == [1, 2, 3], "\(result.output)")
            let last = try #require(rows.last)
            #expect(last.responders == [Self.path(to: address)[2]], "\(result.output)")
            // Linux limits these errors to about one a second.
            #expect(last.annotations.first == mark, "\(rung): \(result.output)")
            #expect(result.status == 1)
        }
    }

    @Test func aDeadTargetLeavesStars() throws {
        let lab = try Self.chain()
        try lab["r3"].exec("ip", "route", "add", "blackhole", "10.0.9.9/32")
        for rung in ["raw", "udp"] {
            let result = try lab["a"].run {
                try ToolCommand("swtrace", "--rung", rung, "-n", "-m", "6", "-w", "0.1", "10.0.9.9").run()
            }
            #expect(
                result.output.hasSuffix(
                    "\n 3  * * *\n 4  * * *\n 5  * * *\n 6  * * *\nnothing answered behind hop 2\n"),
                "\(result.output)")
            #expect(result.status == 1)
        }
    }

    /// The kernel remembers an MTU that it learnt; a second trace must not believe it.
    @Test func aNarrowLinkIsNamed() throws {
        let lab = try Self.chain()
        try lab["r2"].exec("ip", "link", "set", "dev", "r3", "mtu", "1400")
        for rung in ["raw", "udp", "raw", "udp"] {
            let result = try lab["a"].run {
                try ToolCommand("swtrace", "--rung", rung, "-n", "-F", "10.0.4.2", "1450").run()
            }
            let rows = TraceRow.rows(of: result.output)
            #expect(rows.map(\.responders) == [["10.0.1.2"], ["10.0.2.2"], ["10.0.2.2"]], "\(rung): \(result.output)")
            #expect(rows.last?.annotations.first == "!F-1400", "\(rung): \(result.output)")
            #expect(result.status == 1)
        }
    }

    @Test(arguments: ["raw", "udp"], targets)
    func longProbesAreFragmented(rung: String, address: String) throws {
        let lab = try Self.chain()
        let result = try lab["a"].run { try ToolCommand("swtrace", "--rung", rung, "-n", address, "3000").run() }
        #expect(result.output.contains(" 30 hops max, 3000 byte packets\n"))
        #expect(TraceRow.rows(of: result.output).map(\.responders) == Self.path(to: address).map { [$0] }, "\(result)")
        #expect(result.status == 0)
    }

    /// Link-local addresses are of an interface, which has a name.
    @Test func zonesAreNamed() throws {
        let lab = try Self.chain()
        let addresses = try lab["r1"].run { try Interface.all() }.first { $0.name == "a" }?.addresses ?? []
        let address = try #require(addresses.map(\.address).first { "\($0)".hasPrefix("fe80:") }).withoutZone
        try lab["a"].run {
            for tool in [["swtrace", "-n"], ["swping", "-c", "1"]] {
                for rung in ["raw", "udp"] {
                    var command = ToolCommand(tool[0])
                    command.arguments = tool.dropFirst() + ["--rung", rung, "\(address)%r1"]
                    let result = try command.run()
                    #expect(result.output.contains("to \(address)%r1 (\(address)%r1)") || tool[0] == "swping")
                    #expect(result.output.contains("\n 1  \(address)%r1  ") || tool[0] == "swping")
                    #expect(result.output.contains("from \(address)%r1: ") || tool[0] == "swtrace", "\(result.output)")
                    #expect(result.status == 0)
                }
            }
        }
    }

    @Test(arguments: ["raw", "udp"])
    func whatIsTooLongForTheFirstLinkIsNotSent(rung: String) throws {
        let lab = try Self.chain()
        let result = try lab["a"].run {
            try ToolCommand("swtrace", "--rung", rung, "-n", "-F", "10.0.4.2", "3000").run()
        }
        // Which of the first hops is asked first is left to chance, which is named is not.
        #expect(result.errors == "swtrace: not sent: hop 1 (EMSGSIZE: Message too long)\n", "\(rung): \(result)")
        #expect(result.output == "traceroute to 10.0.4.2 (10.0.4.2), 30 hops max, 3000 byte packets\n")
        #expect(result.status == 2)
    }

    @Test(arguments: ["raw", "udp"], targets)
    func everyLineOfJSONIsAnObject(rung: String, address: String) throws {
        let lab = try Self.chain()
        let result = try lab["a"].run { try ToolCommand("swtrace", "--rung", rung, "--json", "-n", address).run() }
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        let lines = try jsonLines(result.output, schema: "swtrace")
        #expect(lines.first?["type"].text == "start")
        #expect(lines.first?["rung"].text == rung)
        #expect(lines.last?["type"].text == "summary")
        #expect(lines.last?["reached"] == .boolean(true))
        let hops = lines.filter { $0["type"].text == "hop" }
        #expect(
            hops.map { $0["responders"].elements.map { $0["responder"].text } } == Self.path(to: address).map { [$0] })
    }

    /// No answer may be lost to chance: one pending error that ate a send would show here.
    @Test(arguments: targets)
    func twentyTracesWithoutRightsAreTheSame(address: String) throws {
        let lab = try Self.chain()
        let hops = Self.path(to: address).map { [$0] }
        for options in [["--rung", "udp"], ["--rung", "ping", "-I"]] {
            for _ in 0..<20 {
                var command = ToolCommand("swtrace", "-n", address)
                command.arguments += options
                let command0 = command
                let result = try lab["a"].run { try command0.run() }
                let rows = TraceRow.rows(of: result.output)
                #expect(rows.map(\.responders) == hops, "\(result)")
                #expect(rows.allSatisfy { $0.silences == 0 }, "\(result.output)")
                #expect(result.status == 0)
            }
        }
    }

    /// Linux answers about once a second per asker, after a burst: enough for a trace, if nothing is wasted.
    @Test(arguments: ["raw", "udp"], targets)
    func routersThatLimitTheirErrorsAreFound(rung: String, address: String) throws {
        let lab = try Self.chain()
        for node in ["r1", "r2", "r3", "b"] {
            try lab[node].set("net.ipv4.icmp_ratelimit", "1000")
            try lab[node].set("net.ipv6.icmp.ratelimit", "1000")
        }
        let result = try lab["a"].run { try ToolCommand("swtrace", "--rung", rung, "-n", address).run() }
        #expect(TraceRow.rows(of: result.output).map(\.responders) == Self.path(to: address).map { [$0] }, "\(result)")
        #expect(result.status == 0)
    }

    /// The first router's credit is used up by others, and an echo reply needs none.
    @Test func silentHopsAreAskedAgainWhereThatIsWanted() throws {
        let lab = try Self.chain()
        try lab["r1"].nft(
            """
            table ip filter {
                chain output {
                    type filter hook output priority 0
                    icmp type time-exceeded limit rate 1/second burst 1 packets accept
                    icmp type time-exceeded drop
                }
            }
            """)
        try lab["a"].run {
            #expect(try ToolCommand("swtrace", "-n", "-q", "1", "-m", "1", "10.0.4.2").run().status == 1)
            let plain = try ToolCommand("swtrace", "-n", "-q", "1", "-I", "10.0.4.2").run()
            #expect(TraceRow.rows(of: plain.output).first?.responders == [], "\(plain)")
            let again = try ToolCommand("swtrace", "-n", "-q", "1", "-I", "--ask-again", "10.0.4.2").run()
            #expect(
                TraceRow.rows(of: again.output).map(\.responders) == Self.path(to: "10.0.4.2").map { [$0] }, "\(again)")
        }
    }

    @Test(arguments: [Signal.interrupt, .terminate])
    func asSoonAsItIsToldToEndItPrintsWhatItKnows(signal: Signal) throws {
        let lab = try Self.chain()
        try lab["r3"].exec("ip", "route", "add", "blackhole", "10.0.9.9/32")
        try lab["a"].run {
            var child = try ToolCommand("swtrace", "-n", "-w", "60", "10.0.9.9").start()
            try child.wait(forOutput: { $0.contains("\n 2 ") })
            child.signal(signal)
            let result = try child.finish()
            #expect(result.output.contains("\n 1  10.0.1.2  "))
            #expect(result.errors.isEmpty)
            #expect(result.status == 1)
        }
    }

    @Test(arguments: ["raw", "udp"])
    func theSourceIsWhatWasAskedFor(rung: String) throws {
        let lab = try Self.chain()
        try lab["a"].addAddress("10.0.1.77/24", to: "r1")
        let result = try lab["a"].run {
            try ToolCommand("swtrace", "--rung", rung, "-n", "-s", "10.0.1.77", "10.0.4.2").run()
        }
        #expect(TraceRow.rows(of: result.output).map(\.responders) == Self.path(to: "10.0.4.2").map { [$0] })
        let wrong = try lab["a"].run { try ToolCommand("swtrace", "--rung", rung, "-s", "10.0.1.78", "10.0.4.2").run() }
        #expect(wrong.errors == "swtrace: 10.0.1.78 is no address of this host\n")
        #expect(wrong.status == 2)
    }
}

/// swtrace on routers that no kernel of today is.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && NamespaceLab.hasTun && ToolCommand.canChangeUser,
        "needs root, ip(8), setpriv(1) and TUN devices"))
struct SwtraceSimulationTests {
    static let targets = ["10.9.9.9", "fd00:9::9"]

    /// Runs swtrace in a scenario, as root or as a user who may do nothing.
    static func trace(_ scenario: String, isRoot: Bool, _ arguments: String...) throws -> CommandResult {
        try trace(scenario, isRoot: isRoot, arguments)
    }

    static func trace(_ scenario: String, isRoot: Bool, _ arguments: [String]) throws -> CommandResult {
        let tool = try InstalledTool("swtrace")
        var command = ToolCommand("swlab", "run", "--ping-sockets", "shut")
        if !isRoot { command.arguments += ["--user", "65534"] }
        command.arguments += ["/dev/stdin", "--", tool.path] + arguments
        command.input = Array(scenario.utf8)
        return try command.run()
    }

    static let old = """
        source 10.0.0.1 fd00::1
        router r1 10.1.0.1 fd01::1 delay 200us
        router r2 10.2.0.1 fd02::1 delay 200us quote 28
        router r3 10.3.0.1 fd03::1 delay 200us quote 28
        router r4 10.4.0.1 fd04::1 delay 200us
        router r5 10.5.0.1 fd05::1 delay 200us quote 28
        path source r1 r2 r3 r4 r5
        target 10.9.9.9 fd00:9::9 via r5
        """

    /// An error without identity is counted, and that hop asked again with one probe under way.
    @Test func routersThatQuoteOnly28OctetsAreNotMissed() throws {
        let hops = ["10.1.0.1", "10.2.0.1", "10.3.0.1", "10.4.0.1", "10.5.0.1", "10.9.9.9"].map { [$0] }
        for isRoot in [true, false] {
            let result = try Self.trace(Self.old, isRoot: isRoot, "-n", "10.9.9.9")
            let rows = TraceRow.rows(of: result.output)
            #expect(zip(rows, hops).allSatisfy { $0.responders.contains($1[0]) }, "\(result)")
            #expect(rows.count == hops.count)
            #expect(result.status == 0)

            // With time enough on a busy machine no answer is missing, and none stands at another's hop.
            let patient = try Self.trace(Self.old, isRoot: isRoot, "-n", "-w", "1", "10.9.9.9")
            let patientRows = TraceRow.rows(of: patient.output)
            #expect(patientRows.map(\.responders) == hops, "\(patient)")
            #expect(patientRows.allSatisfy { $0.times == 3 }, "\(patient.output)")
        }
    }

    /// The factors of `-w` end the wait for a router that answers late; MAX alone has none, as in traceroute.
    @Test(arguments: ["2", "2,0,0"])
    func withoutFactorsALateAnswerIsWaitedFor(wait: String) throws {
        let scenario = """
            source 10.0.0.1 fd00::1
            router r1 10.1.0.1 fd01::1 delay 200us
            router r2 10.2.0.1 fd02::1 delay 200us slow 100ms
            router r3 10.3.0.1 fd03::1 delay 200us
            path source r1 r2 r3
            target 10.9.9.9 fd00:9::9 via r3
            """
        let result = try Self.trace(scenario, isRoot: true, "-n", "-w", wait, "10.9.9.9")
        let rows = TraceRow.rows(of: result.output)
        #expect(rows.map(\.responders) == [["10.1.0.1"], ["10.2.0.1"], ["10.3.0.1"], ["10.9.9.9"]], "\(result)")
        #expect(rows.allSatisfy { $0.times == 3 }, "\(result.output)")
    }

    @Test func anIPv6QuoteWithoutAPayloadNamesItsProbe() throws {
        let scenario = Self.old.replacing("quote 28", with: "quote 48")
        let hops = ["fd01::1", "fd02::1", "fd03::1", "fd04::1", "fd05::1", "fd00:9::9"].map { [$0] }
        for isRoot in [true, false] {
            let result = try Self.trace(scenario, isRoot: isRoot, "-n", "fd00:9::9")
            let rows = TraceRow.rows(of: result.output)
            #expect(rows.map(\.responders) == hops, "\(result)")
            #expect(result.status == 0)
        }
    }

    @Test(arguments: targets)
    func labelsAreSeenWithoutRights(address: String) throws {
        let scenario = """
            source 10.0.0.1 fd00::1
            router r1 10.1.0.1 fd01::1 delay 200us
            router r2 10.2.0.1 fd02::1 delay 200us mpls 16004/24001
            router r3 10.3.0.1 fd03::1 delay 200us interface-info
            router r4 10.4.0.1 fd04::1 delay 200us mpls 17 legacy-extensions
            path source r1 r2 r3 r4
            target 10.9.9.9 fd00:9::9 via r4
            """
        let root = try Self.trace(scenario, isRoot: true, "-n", "-e", address)
        let user = try Self.trace(scenario, isRoot: false, "-n", "-e", address)
        for result in [root, user] {
            let rows = TraceRow.rows(of: result.output)
            try #require(rows.count == 5, "\(result)")
            #expect(rows[1].annotations == ["<MPLS:L=16004,E=0,S=0,T=1/L=24001,E=0,S=1,T=1>"], "\(result.output)")
            #expect(rows[2].annotations.first?.hasPrefix("<INTERFACE:R=incoming,") == true, "\(result.output)")
            #expect(result.status == 0)
        }
        let plain = try Self.trace(scenario, isRoot: false, "-n", address)
        #expect(!plain.output.contains("<"))
    }

    /// Silence costs round trips of others, not seconds: there is no time to be measured here, but 20 traces would
    /// run into the limit of the test's patience.
    @Test(arguments: targets)
    func everyTraceOfAHardPathIsTheSame(address: String) throws {
        let scenario = """
            source 10.0.0.1 fd00::1
            router r1 10.1.0.1 fd01::1 delay 200us
            router r2 10.2.0.1 fd02::1 delay 300us silent
            router r3 10.3.0.1 fd03::1 delay 200us limit 1/s burst 6
            router r4 10.4.0.1 fd04::1 delay 1ms slow 1ms
            router r5 10.5.0.1 fd05::1 delay 200us silent
            router r6 10.6.0.1 fd06::1 delay 200us
            path source r1 r2 r3 r4 r5 r6
            target 10.9.9.9 fd00:9::9 via r6 limit 1/s burst 6
            """
        let number = address.contains(":") ? "fd0%::1" : "10.%.0.1"
        var hops = (1...6).map { [number.replacing("%", with: "\($0)")] } + [[address]]
        hops[1] = []
        hops[4] = []
        for isRoot in [true, false] {
            for _ in 0..<3 {
                let result = try Self.trace(scenario, isRoot: isRoot, "-n", address)
                let rows = TraceRow.rows(of: result.output)
                // A busy machine may answer later than silence is waited for, but a hop is asked three times.
                #expect(rows.map(\.responders) == hops, "\(result)")
                #expect(result.status == 0)
            }
        }
    }

    @Test(arguments: [("admin", "!X"), ("host", "!H"), ("net", "!N")])
    func refusalsAreMarked(reason: String, mark: String) throws {
        let scenario = """
            source 10.0.0.1 fd00::1
            router r1 10.1.0.1 fd01::1 delay 200us
            router wall 10.2.0.1 fd02::1 delay 200us unreachable \(reason)
            path source r1 wall
            target 10.9.9.9 fd00:9::9 via wall
            """
        for isRoot in [true, false] {
            let result = try Self.trace(scenario, isRoot: isRoot, "-n", "10.9.9.9")
            #expect(TraceRow.rows(of: result.output).last?.annotations == [mark, mark, mark], "\(result)")
            #expect(result.status == 1)
        }
    }

    /// One flow sees one branch, also where it is not allowed to choose its packets.
    @Test func aTraceOfABalancedPathIsOnePath() throws {
        let scenario = """
            source 10.0.0.1 fd00::1
            router r1 10.1.0.1 fd01::1 delay 200us
            router left 10.2.0.1 fd02::1 delay 200us
            router right 10.2.0.2 fd02::2 delay 200us
            router r3 10.3.0.1 fd03::1 delay 200us
            path source r1
            balance r1 left right by ports
            path left r3
            path right r3
            target 10.9.9.9 fd00:9::9 via r3
            """
        for isRoot in [true, false] {
            let result = try Self.trace(scenario, isRoot: isRoot, "-n", "-q", "10", "10.9.9.9")
            let rows = TraceRow.rows(of: result.output)
            #expect(rows.count == 4)
            #expect(rows.allSatisfy { $0.responders.count == 1 }, "\(result.output)")
        }
    }
}
