import TestSupport
import Testing

/// What middle boxes of the real kernel do to a trace: nftables, routes and several next hops.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && ToolCommand.canChangeUser && hasProgram("nft"),
        "needs root, ip(8), setpriv(1) and nft(8)"))
struct TraceKernelLabTests {
    /// A target of the chain, what r2 does to its packets, and the rows that a trace must show.
    struct Case: Sendable, CustomStringConvertible {
        var name: String
        /// The target is 10.0.9.HOST and fd00:9::HOST.
        var host: Int
        var arguments: [String] = []
        /// Of whole probes, where they are not TCP's.
        var size: Int?
        /// The routers by number; 4 is the target, 0 silence.
        var rows: [Int] = [1, 2, 3, 4]
        /// Over IPv6, where an error comes from the interface over which the packet came: -3 is r2's on link 3.
        var rowsOfIPv6: [Int]?
        /// How many rows are enough, if not all.
        var enough: Int?
        var mark: String?
        var status: Int32 = 0
        /// Methods that see nothing of it.
        var spared: [String] = []
        /// What stands behind the rows, as `TraceLabScenario.Findings` has it, by target. Only raw sockets show quotes.
        var findings: @Sendable (_ method: String, _ isRoot: Bool, _ isV6: Bool) -> TraceLabScenario.Findings = {
            _, _, _ in TraceLabScenario.Findings()
        }

        var description: String { name }
    }

    static let cases = [
        Case(name: "masquerade", host: 1),
        Case(
            name: "DSCP cleared", host: 2, arguments: ["-t", "0xb8"],
            findings: { _, isRoot, _ in
                .init(certain: isRoot ? ["DSCP cleared between hop 2 and 3: 0x2e -> 0x00"] : [])
            }),
        Case(
            name: "MSS clamped", host: 3,
            findings: { method, _, _ in
                .init(certain: method == "-T" ? ["TCP MSS changed between hop 2 and 3: 1460 -> 1300"] : [])
            }),
        Case(
            name: "every fifth packet lost", host: 4, arguments: ["-q", "8"],
            findings: { _, _, _ in
                .init(possible: ["loss from hop [2-4] on: .*", "loss on the way to hop 4: .*"])
            }),
        Case(
            name: "loop", host: 5, arguments: ["-m", "8"], rows: [1, 2, 3, 2, 3, 2, 3, 2],
            rowsOfIPv6: [1, 2, 3, -3, 3, -3, 3, -3], enough: 4, status: 1,
            findings: { _, _, isV6 in
                let line =
                    isV6 ? "3-6 repeat fd00:3::2, fd00:3::1" : "2-5 repeat 10.0.2.2, 10.0.3.2"
                return .init(certain: ["loop: hops " + line])
            }),
        Case(
            name: "UDP filtered", host: 6, arguments: ["-m", "4", "-w", "0.05"], rows: [1, 2, 0, 0], status: 1,
            spared: ["-I", "-T"], findings: { _, _, _ in .init(certain: ["nothing answered behind hop 2"]) }),
        Case(
            name: "narrow link", host: 7, arguments: ["-F", "-q", "1"], size: 1_400, rows: [1, 2, 2], mark: "!F-1300",
            status: 1, spared: ["-T"],
            findings: { _, _, isV6 in
                let words =
                    isV6
                    ? "fd00:2::2 says: Packet too big: mtu=1300"
                    : #"10.0.2.2 says: Frag needed and DF set \(mtu = 1300\)"#
                return .init(certain: ["hop 3: " + words])
            }),
        Case(
            name: "black hole", host: 8, arguments: ["-F", "-m", "4", "-w", "0.05"], size: 1_400, rows: [1, 2, 3, 0],
            status: 1, spared: ["-T"], findings: { _, _, _ in .init(certain: ["nothing answered behind hop 3"]) }),
    ]

    private static func makeChain() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        for host in 1...8 {
            try lab["b"].addAddress("10.0.9.\(host)/32", to: "lo")
            try lab["b"].addAddress("fd00:9::\(host)/128", to: "lo")
        }
        try lab["r3"].addRoute(to: "10.0.9.0/24", via: "b")
        try lab["r3"].addRoute(to: "fd00:9::/64", via: "b")
        try lab["r3"].addRoute(to: "10.0.9.5/32", via: "r2")
        try lab["r3"].addRoute(to: "fd00:9::5/128", via: "r2")
        for (node, link, host) in [("r2", 3, 7), ("r3", 4, 8)] {
            try lab[node].exec(
                "ip", "route", "add", "10.0.9.\(host)/32", "via", "10.0.\(link).2", "mtu", "lock", "1300")
            try lab[node].exec(
                "ip", "-6", "route", "add", "fd00:9::\(host)/128", "via", "fd00:\(link)::2", "mtu", "lock", "1300")
        }
        try lab["r2"].nft(
            """
            table inet lab {
                chain forward {
                    type filter hook forward priority 0;
                    ip daddr 10.0.9.2 ip dscp set cs0
                    ip6 daddr fd00:9::2 ip6 dscp set cs0
                    ip daddr 10.0.9.3 tcp flags syn tcp option maxseg size set 1300
                    ip6 daddr fd00:9::3 tcp flags syn tcp option maxseg size set 1300
                    ip daddr 10.0.9.4 numgen inc mod 5 0 drop
                    ip6 daddr fd00:9::4 numgen inc mod 5 0 drop
                    ip daddr 10.0.9.6 meta l4proto udp drop
                    ip6 daddr fd00:9::6 meta l4proto udp drop
                }
                chain postrouting {
                    type nat hook postrouting priority 100;
                    ip daddr 10.0.9.1 masquerade
                    ip6 daddr fd00:9::1 masquerade
                }
            }
            """)
        // The errors that a black hole swallows.
        try lab["r3"].nft(
            """
            table inet lab {
                chain output {
                    type filter hook output priority 0;
                    icmp type destination-unreachable icmp code frag-needed drop
                    icmpv6 type packet-too-big drop
                }
            }
            """)
        return lab
    }

    /// In one network: making one takes longer than any of these.
    @Test func theRowsAreTheTruth() throws {
        let lab = try Self.makeChain()
        let tool = try InstalledTool("swtrace")
        for truth in Self.cases {
            for (method, isRoot) in [("", true), ("-I", true), ("-T", true), ("-I", false), ("", false)] {
                for target in ["10.0.9.\(truth.host)", "fd00:9::\(truth.host)"] {
                    var command = ToolCommand(tool, "-n")
                    command.userID = isRoot ? nil : 65_534
                    command.arguments += truth.arguments + (method.isEmpty ? [] : [method]) + [target]
                    if method != "-T", let size = truth.size { command.arguments.append("\(size)") }
                    let ready = command
                    let result = try lab["a"].run { try ready.run() }
                    let isSpared = truth.spared.contains(method)
                    check(result, truth, target, isSpared: isSpared, "\(truth) \(ready) \(result)")
                    let isV6 = target.contains(":")
                    let findings = isSpared ? .init() : truth.findings(method, isRoot, isV6)
                    #expect(try findings.problems(Self.lines(result), isV6: isV6) == [], "\(truth) \(ready) \(result)")
                }
            }
        }
    }

    /// What stands behind the rows.
    private static func lines(_ result: CommandResult) -> [String] {
        result.output.split(separator: "\n").dropFirst().filter { !$0.hasPrefix(" ") }.map(String.init)
    }

    private func check(_ result: CommandResult, _ truth: Case, _ target: String, isSpared: Bool, _ comment: Comment) {
        let rows = TraceRow.rows(of: result.output)
        let isV6 = target.contains(":")
        let numbers = isV6 ? truth.rowsOfIPv6 ?? truth.rows : truth.rows
        let expected = (isSpared ? [1, 2, 3, 4] : numbers).map { (number: Int) -> [String] in
            switch number {
            case 0: []
            case 4: [target]
            default:
                [isV6 ? "fd00:\(abs(number))::\(number < 0 ? 1 : 2)" : "10.0.\(abs(number)).\(number < 0 ? 1 : 2)"]
            }
        }
        let enough = isSpared ? 4 : truth.enough ?? expected.count
        #expect((enough...expected.count).contains(rows.count), comment)
        #expect(zip(rows, expected).allSatisfy { Set($0.responders) == Set($1) }, comment)
        if !isSpared, let mark = truth.mark { #expect(rows.last?.annotations == [mark], comment) }
        #expect(result.status == (isSpared ? 0 : truth.status), comment)
    }

    /// A host that traces again and again gets one error a second from each: every hop is named all the same, and what is
    /// missing is not called loss.
    @Test(arguments: ["10.0.9.4", "fd00:9::4"])
    func routersThatAreAskedTooOftenAreSaidToLimit(target: String) throws {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        for node in ["r1", "r2", "r3", "b"] {
            try lab[node].set("net.ipv4.icmp_ratelimit", "1000")
            try lab[node].set("net.ipv6.icmp.ratelimit", "1000")
        }
        let target = target.contains(":") ? "fd00:4::2" : "10.0.4.2"
        var limited: [String] = []
        for _ in 0..<3 {
            let result = try lab["a"].run { try ToolCommand("swtrace", "-n", "-q", "4", target).run() }
            let rows = TraceRow.rows(of: result.output)
            #expect(rows.map(\.responders.count) == [1, 1, 1, 1], "\(result)")
            let lines = Self.lines(result)
            #expect(lines.allSatisfy { $0.contains(": limited: ") }, "\(result)")
            limited += lines
        }
        #expect(limited.count >= 2 && limited.contains { $0.hasPrefix("hops ") }, "neighbours share a line: \(limited)")
    }

    /// Three ways from r1 to r2; answers from there on come back by two more routers.
    private static func makeDiamond() throws -> NamespaceLab {
        let lab = try NamespaceLab("a", "r1", "x1", "x2", "x3", "y1", "y2", "r2", "b")
        try lab.link("a", "r1", "10.0.1", "fd00:1")
        for number in 1...3 {
            try lab.link("r1", "x\(number)", "10.0.2\(number)", "fd00:2\(number)")
            try lab.link("x\(number)", "r2", "10.0.3\(number)", "fd00:3\(number)")
        }
        try lab.link("r1", "y1", "10.0.41", "fd00:41")
        try lab.link("y1", "y2", "10.0.42", "fd00:42")
        try lab.link("y2", "r2", "10.0.43", "fd00:43")
        try lab.link("r2", "b", "10.0.5", "fd00:5")
        try lab["a"].addDefaultRoute(via: "r1")
        try lab["b"].addDefaultRoute(via: "r2")
        try lab["r2"].addDefaultRoute(via: "y2")
        try lab["y2"].addDefaultRoute(via: "y1")
        try lab["y1"].addDefaultRoute(via: "r1")
        for number in 1...3 {
            try lab["x\(number)"].addDefaultRoute(via: "r1")
            try lab["x\(number)"].addRoute(to: "10.0.5.0/24", via: "r2")
            try lab["x\(number)"].addRoute(to: "fd00:5::/64", via: "r2")
        }
        let hops = (1...3).flatMap { ["nexthop", "via", "10.0.2\($0).2"] }
        let hops6 = (1...3).flatMap { ["nexthop", "via", "fd00:2\($0)::2"] }
        try lab["r1"].run {
            try runSuccessfully(["ip", "route", "add", "10.0.5.0/24"] + hops)
            try runSuccessfully(["ip", "-6", "route", "add", "fd00:5::/64"] + hops6)
        }
        try lab["r1"].set("net.ipv4.fib_multipath_hash_policy", "1")
        try lab["r1"].set("net.ipv6.fib_multipath_hash_policy", "1")
        return lab
    }

    @Test(arguments: ["10.0.5.2", "fd00:5::2"])
    func aBalancedPathIsOneOfItsBranches(target: String) throws {
        let lab = try Self.makeDiamond()
        let branches = Set((1...3).map { target.contains(":") ? "fd00:2\($0)::2" : "10.0.2\($0).2" })
        for method in ["-U", "-I", "-T"] {
            for _ in 0..<3 {
                let result = try lab["a"].run { try ToolCommand("swtrace", "-n", "-q", "10", method, target).run() }
                let rows = TraceRow.rows(of: result.output)
                try #require(rows.count == 4, "\(result)")
                #expect(rows.allSatisfy { $0.responders.count == 1 }, "\(result)")
                #expect(branches.isSuperset(of: rows[1].responders), "\(result)")
                #expect(Self.lines(result) == ["hops 3-4: way back of 4 to 5 hops"], "\(result)")
            }
        }
        // Whoever sends each probe to another port sees several branches as if they were one path.
        let classic = try lab["a"].run {
            try ToolCommand("swtrace", "-n", "-q", "10", "--flow", "classic", target).run()
        }
        #expect(Set(TraceRow.rows(of: classic.output)[1].responders).count > 1, "\(classic)")
        #expect(Self.lines(classic) == ["hops 3-4: way back of 4 to 5 hops"], "\(classic)")
    }

    /// Four hops there, and five routers on the way back.
    @Test(arguments: ["10.0.5.2", "fd00:5::2"])
    func theWayBackIsLonger(target: String) throws {
        let lab = try Self.makeDiamond()
        let result = try lab["a"].run { try ToolCommand("swtrace", "-n", "-I", "--json", target).run() }
        let probes = try jsonLines(result.output, schema: "swtrace").filter { $0["type"].text == "probe" }
        func hopLimits(_ hop: Int64) -> Set<Int64?> {
            Set(probes.filter { $0["hop"].integer == hop }.map { $0["hop_limit"].integer })
        }
        #expect(hopLimits(1) == [64] && hopLimits(2) == [63] && hopLimits(3) == [64 - 3] && hopLimits(4) == [64 - 4])
    }
}
