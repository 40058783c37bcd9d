import LinuxSockets
import TestSupport
import Testing

/// swtrace -T of a user who may do nothing, on routers of the real kernel.
@Suite(
    .waiting,
    .enabled(if: NamespaceLab.isAvailable && ToolCommand.canChangeUser, "needs root, ip(8) and setpriv(1)"))
struct SwtraceConnectTests {
    static let notice =
        "swtrace: using TCP connections, each a flow of its own, so that balanced paths may mix (raw: EPERM); "
        + "for raw sockets run it as root, or once: sudo setcap cap_net_raw+p $(command -v swtrace)\n"

    static func user(_ tool: InstalledTool, _ arguments: [String]) -> ToolCommand {
        var command = ToolCommand(tool)
        command.arguments = ["-T", "-n"] + arguments
        command.userID = 65_534
        return command
    }

    @Test(arguments: SwtraceTests.targets)
    func theSameHopsAsOverRawSockets(address: String) throws {
        let lab = try SwtraceTests.chain()
        let tool = try InstalledTool("swtrace")
        let hops = SwtraceTests.path(to: address).map { [$0] }
        try lab["a"].run {
            let raw = try ToolCommand("swtrace", "-T", "-n", address).run()
            #expect(TraceRow.rows(of: raw.output).map(\.responders) == hops)
            for _ in 0..<50 {
                let result = try Self.user(tool, [address]).run()
                let rows = TraceRow.rows(of: result.output)
                #expect(rows.map(\.responders) == hops, "\(result)")
                #expect(rows.allSatisfy { $0.silences == 0 && $0.annotations.isEmpty }, "\(result.output)")
                #expect(result.errors == Self.notice)
                #expect(result.status == 0)
            }
        }
    }

    /// A listener accepts nothing, and nothing is left in TIME_WAIT.
    @Test(arguments: SwtraceTests.targets)
    func anOpenPortSeesNoConnection(address: String) throws {
        let lab = try SwtraceTests.chain()
        let tool = try InstalledTool("swtrace")
        let isV6 = address.contains(":")
        let listener = try lab["b"].run {
            let socket = try Socket(family: isV6 ? .inet6 : .inet, type: .stream)
            try socket.bind(to: SocketAddress(isV6 ? .v6(.any) : .v4(.any), port: 443))
            try socket.listen()
            return socket
        }
        let result = try lab["a"].run { try Self.user(tool, ["-p", "443", "-q", "10", "--json", address]).run() }
        let lines = try jsonLines(result.output, schema: "swtrace")
        #expect(lines.first?["rung"].text == "tcp")
        #expect(lines.first?["constant_flow"] == .boolean(false))
        let reached = lines.filter { $0["kind"].text == "reached" }
        #expect(reached.count == 10)
        #expect(reached.allSatisfy { $0["tcp_flags"].elements.compactMap(\.text) == ["syn", "ack"] })
        #expect(reached.allSatisfy { $0["clock"].text == "user" })
        #expect(try listener.accept() == nil)
        for node in ["a", "b"] { #expect(try lab[node].exec("ss", "-Htan", "state", "connected") == "") }
    }

    @Test(.enabled(if: hasProgram("nft"), "needs nft(8)"), arguments: SwtraceTests.targets)
    func filteredPortsAreSilentAndRefusalsMarked(address: String) throws {
        let lab = try SwtraceTests.chain()
        let tool = try InstalledTool("swtrace")
        try lab["b"].exec("nft", "add table inet t; add chain inet t i { type filter hook input priority 0; }")
        try lab["b"].exec("nft", "add rule inet t i tcp dport 85 drop")
        try lab["b"].exec("nft", "add rule inet t i tcp dport 86 reject with icmpx type admin-prohibited")
        try lab["a"].run {
            let silent = try Self.user(tool, ["-p", "85", "-m", "6", "-w", "0.1", address]).run()
            let rows = TraceRow.rows(of: silent.output)
            #expect(rows.prefix(3).map(\.responders) == SwtraceTests.path(to: address).prefix(3).map { [$0] })
            #expect(rows.dropFirst(3).allSatisfy { $0.silences == 3 })
            #expect(silent.status == 1)
            let refused = try Self.user(tool, ["-p", "86", address]).run()
            let last = try #require(TraceRow.rows(of: refused.output).last)
            #expect(last.responders == [address] && last.annotations.allSatisfy { $0 == "!X" }, "\(refused)")
            #expect(refused.status == 1)
        }
    }

    @Test(arguments: [
        ("prohibit", "10.0.9.9", "!X"), ("unreachable", "10.0.9.9", "!H"), ("prohibit", "fd00:9::9", "!X"),
        ("unreachable", "fd00:9::9", "!N"),
    ])
    func refusalsOfRoutersEndThePath(route: String, address: String, mark: String) throws {
        let lab = try SwtraceTests.chain()
        let tool = try InstalledTool("swtrace")
        let (version, length) = address.contains(":") ? ("-6", 128) : ("-4", 32)
        try lab["r3"].exec("ip", version, "route", "add", route, "\(address)/\(length)")
        let result = try lab["a"].run { try Self.user(tool, [address]).run() }
        let rows = TraceRow.rows(of: result.output)
        #expect(rows.map(\.number) == [1, 2, 3], "\(result.output)")
        #expect(rows.last?.annotations.first == mark, "\(result.output)")
        #expect(result.status == 1)
    }

    @Test func whatCannotLeaveIsNotSilence() throws {
        let lab = try SwtraceTests.chain()
        let tool = try InstalledTool("swtrace")
        try lab["a"].exec("ip", "route", "add", "prohibit", "10.0.9.9/32")
        let result = try lab["a"].run { try Self.user(tool, ["10.0.9.9"]).run() }
        #expect(result.errors.hasPrefix(Self.notice + "swtrace: not sent: hop "), "\(result)")
        #expect(result.errors.hasSuffix(" (EACCES: Permission denied)\n"), "\(result)")
        #expect(result.status == 2)
        let marked = try lab["a"].run { try Self.user(tool, ["-t", "1", "10.0.4.2"]).run() }
        #expect(
            marked.errors.contains("option -t with ECN bits, the last two: needs raw sockets (here: TCP sockets; run "))
        #expect(marked.status == 2)
    }

    /// Many silent paths side by side want more sockets than there are: each gets its share, and nothing counts as refused.
    @Test func silentPathsShareTheSockets() throws {
        let lab = try SwtraceTests.chain()
        let tool = try InstalledTool("swtrace")
        try lab["r1"].exec("ip", "route", "add", "blackhole", "198.51.100.0/24")
        let hosts = (1...16).map { "198.51.100.\($0)" }
        let result = try lab["a"].run { try Self.user(tool, ["--json", "-q", "2"] + hosts).run() }
        let lines = try jsonLines(result.output, schema: "swtrace")
        let summaries = lines.filter { $0["type"].text == "summary" }
        #expect(summaries.count == 16)
        #expect(summaries.allSatisfy { $0["unsent"].integer == 0 }, "\(summaries.map { $0["unsent"] })")
        #expect(result.status == 1)
    }

    /// Options that the kernel's own SYN can't have are refused by name, and the others do what they say.
    @Test func optionsWorkOrAreRefused() throws {
        let lab = try SwtraceTests.chain()
        let tool = try InstalledTool("swtrace")
        let hops = SwtraceTests.path(to: "10.0.4.2").map { [$0] }
        for options in [
            ["--sport", "40001"], ["-O", "mss=536"], ["-i", "r1"], ["-s", "10.0.1.1"], ["-t", "0xb8", "-F"],
            ["-N", "1"], ["-M", "tcpconn"], ["--flow", "classic"], ["-z", "0.001"],
        ] {
            let result = try lab["a"].run { try Self.user(tool, options + ["10.0.4.2"]).run() }
            #expect(TraceRow.rows(of: result.output).map(\.responders) == hops, "\(options): \(result)")
            #expect(result.status == 0)
            #expect(result.errors.contains("one after the other") == (options[0] == "--sport"), "\(result.errors)")
        }
        for (options, name) in [
            (["-O", "ack"], "-O"), (["-O", "sack"], "-O"), (["-O", "mss=50"], "-O mss below 88 or above 32767"),
            (["-O", "sysctl"], "-O sysctl"), (["-g", "10.0.1.2"], "-g"), (["--pcap", "/dev/null"], "--pcap"),
        ] {
            let result = try lab["a"].run { try Self.user(tool, options + ["10.0.4.2"]).run() }
            let line = result.errors.split(separator: "\n").last ?? ""
            #expect(line.hasPrefix("swtrace: option \(name): needs raw sockets"), "\(options): \(result.errors)")
            #expect(result.status == 2 && result.output.isEmpty)
        }
    }

    /// Few descriptors make a trace slower, and nothing else.
    @Test(.enabled(if: hasProgram("prlimit"), "needs prlimit(1)"))
    func fewDescriptorsAreEnough() throws {
        let lab = try SwtraceTests.chain()
        let result = try lab["a"].run {
            var command = ToolCommand("swtrace")
            command.arguments = [
                "--nofile=32", command.path, "-T", "--rung", "tcp", "-n", "-q", "10", "-m", "60", "10.0.4.2",
            ]
            command.path = "/usr/bin/prlimit"
            return try command.run()
        }
        let rows = TraceRow.rows(of: result.output)
        #expect(rows.map(\.responders) == SwtraceTests.path(to: "10.0.4.2").map { [$0] }, "\(result)")
        #expect(rows.allSatisfy { $0.times == 10 })
        #expect(result.errors.isEmpty)
    }

    @Test(arguments: [Signal.interrupt, .terminate])
    func asSoonAsItIsToldToEndItPrintsWhatItKnows(signal: Signal) throws {
        let lab = try SwtraceTests.chain()
        try lab["r3"].exec("ip", "route", "add", "blackhole", "10.0.9.9/32")
        try lab["a"].run {
            var child = try ToolCommand("swtrace", "-T", "--rung", "tcp", "-n", "-w", "60", "10.0.9.9").start()
            try child.wait(forOutput: { $0.contains("\n 2 ") })
            child.signal(signal)
            let result = try child.finish()
            #expect(result.output.contains("\n 1  10.0.1.2  "))
            #expect(result.errors.isEmpty)
            #expect(result.status == 1)
        }
        #expect(try lab["a"].exec("ss", "-Htan") == "")
    }
}

/// swtrace -T without rights, on routers that no kernel of today is.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && NamespaceLab.hasTun && ToolCommand.canChangeUser,
        "needs root, ip(8), setpriv(1) and TUN devices"))
struct SwtraceConnectSimulationTests {
    /// A socket for each probe knows whose an error is, however little of the probe it quotes.
    @Test func shortQuotesAreToldApart() throws {
        let hops = ["10.1.0.1", "10.2.0.1", "10.3.0.1", "10.4.0.1", "10.5.0.1", "10.9.9.9"].map { [$0] }
        let result = try SwtraceSimulationTests.trace(
            SwtraceSimulationTests.old, isRoot: false, "-n", "-T", "-w", "1", "10.9.9.9")
        let rows = TraceRow.rows(of: result.output)
        #expect(rows.map(\.responders) == hops, "\(result)")
        #expect(rows.allSatisfy { $0.times == 3 }, "\(result.output)")
    }

    @Test(arguments: SwtraceSimulationTests.targets)
    func labelsAreSeen(address: String) throws {
        let scenario = """
            source 10.0.0.1 fd00::1
            router r1 10.1.0.1 fd01::1 delay 200us
            router r2 10.2.0.1 fd02::1 delay 200us mpls 16004/24001
            router r3 10.3.0.1 fd03::1 delay 200us interface-info
            path source r1 r2 r3
            target 10.9.9.9 fd00:9::9 via r3 tcp 443 open
            """
        for port in ["80", "443"] {
            let result = try SwtraceSimulationTests.trace(
                scenario, isRoot: false, "-n", "-e", "-T", "-p", port, "-w", "1", address)
            let rows = TraceRow.rows(of: result.output)
            try #require(rows.count == 4, "\(result)")
            #expect(rows[1].annotations == ["<MPLS:L=16004,E=0,S=0,T=1/L=24001,E=0,S=1,T=1>"], "\(result.output)")
            #expect(rows[2].annotations.first?.hasPrefix("<INTERFACE:R=incoming,") == true, "\(result.output)")
            #expect(rows[3].responders == [address])
            #expect(result.status == 0)
        }
    }

    /// Probes that are flows of their own may take several ways: nobody may call that one flow by two routers.
    @Test func waysOfSeveralFlowsAreNoContradiction() throws {
        let scenario = """
            source 10.0.0.1
            router r1 10.1.0.1 delay 200us
            router a 10.2.0.1 delay 200us
            router b 10.2.0.2 delay 200us
            router r3 10.3.0.1 delay 200us
            path source r1 a r3
            path r1 b r3
            balance r1 a b by ports
            target 10.9.9.9 via r3 tcp 80 open
            """
        for (isRoot, options) in [(false, ["-T"]), (true, ["-T", "--flow", "classic"])] {
            let arguments = ["-n", "-q", "10", "-w", "1"] + options
            let text = try SwtraceSimulationTests.trace(scenario, isRoot: isRoot, arguments + ["10.9.9.9"]).output
            #expect(Set(TraceRow.rows(of: text)[1].responders) == ["10.2.0.1", "10.2.0.2"], "\(text)")
            #expect(!text.contains("for one flow"), "\(text)")
            let json = try SwtraceSimulationTests.trace(
                scenario, isRoot: isRoot, arguments + ["--json", "--fail-if", "path-changed", "10.9.9.9"])
            #expect(json.output.contains("\"constant_flow\":false"))
            #expect(json.output.contains("\"failed\":[]"), "\(json)")
            #expect(json.status == 0)
        }
    }
}
