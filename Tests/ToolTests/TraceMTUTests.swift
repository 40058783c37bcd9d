import LinuxSockets
import ProbeReports
import TestSupport
import Testing

/// `swtrace --mtu` on the real kernel, from the option to the lines and the exit status.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && ToolCommand.canChangeUser && hasProgram("nft"),
        "needs root, ip(8), setpriv(1) and nft(8)"))
struct TraceMTUTests {
    /// a - r1 - r2 - r3 - b with 1,400 octets between r2 and r3.
    private static func makeChain() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        try setMTU(1_400, between: "r2", "r3", in: lab)
        return lab
    }

    private static func setMTU(_ size: Int, between one: String, _ other: String, in lab: NamespaceLab) throws {
        try lab[one].exec("ip", "link", "set", "dev", other, "mtu", "\(size)")
        try lab[other].exec("ip", "link", "set", "dev", one, "mtu", "\(size)")
    }

    private struct Means {
        var arguments: [String]
        var userID: UInt32?
    }

    private static let means = [
        Means(arguments: [], userID: nil), Means(arguments: ["-I"], userID: nil),
        Means(arguments: [], userID: 65_534), Means(arguments: ["-I"], userID: 65_534),
    ]

    /// On each means and over both versions: sizes behind the first round trip of a row, as `F=` has them, and the lines
    /// behind the rows. `{2}` is the address of router 2.
    private static func check(_ lab: NamespaceLab, sizes: [String?], _ lines: [String]) throws {
        let tool = try InstalledTool("swtrace")
        for means in means {
            for isV6 in [false, true] {
                var command = ToolCommand(tool, "-n", "--mtu", isV6 ? "fd00:4::2" : "10.0.4.2")
                command.arguments += means.arguments
                command.userID = means.userID
                let ready = command
                let result = try lab["a"].run { try ready.run() }
                let output = result.output.split(separator: "\n").dropFirst()
                let found = output.filter { $0.hasPrefix(" ") }.map { row in
                    row.split(separator: " ").first { $0.hasPrefix("F=") }.map(String.init)
                }
                #expect(found == sizes, "\(ready) \(result)")
                let expected = lines.map { line in
                    (1...3).reduce(line) { line, number in
                        line.replacing("{\(number)}", with: isV6 ? "fd00:\(number)::2" : "10.0.\(number).2")
                    }
                }
                #expect(output.filter { !$0.hasPrefix(" ") }.map(String.init) == expected, "\(ready) \(result)")
                #expect(result.status == 0, "\(ready) \(result)")
            }
        }
    }

    /// In one network: making one takes longer than any of these.
    @Test func linksAreFoundWhereverTheyAre() throws {
        let lab = try Self.makeChain()
        try Self.check(lab, sizes: ["F=1500", nil, "F=1400", nil], ["path MTU 1400: hop 2 ({2}) says so"])

        try Self.setMTU(9_000, between: "a", "r1", in: lab)
        let jumbo = "MTU 1500 behind hop 1: hop 1 ({1}) says so"
        try Self.check(
            lab, sizes: ["F=9000", "F=1500", "F=1400", nil], [jumbo, "path MTU 1400: hop 2 ({2}) says so"])
        try Self.setMTU(1_500, between: "a", "r1", in: lab)

        try lab["r2"].nft(
            """
            table inet lab {
                chain output {
                    type filter hook output priority 0;
                    icmp type destination-unreachable icmp code frag-needed drop
                    icmpv6 type packet-too-big drop
                }
            }
            """)
        let hole = "black hole behind hop 2: packets over 1400 vanish without a word (found by search)"
        try Self.check(lab, sizes: ["F=1500", nil, "F=1400", nil], [hole, "path MTU 1400"])

        try Self.setMTU(1_300, between: "r3", "b", in: lab)
        try Self.check(
            lab, sizes: ["F=1500", nil, "F=1400", "F=1300"], [hole, "path MTU 1300: hop 3 ({3}) says so"])
    }

    @Test func severalHostsAreJudged() throws {
        let lab = try Self.makeChain()
        let arguments = [
            "--mtu", "--fail-if", "mtu<1400", "--fail-if", "mtu<1500", "10.0.4.2", "fd00:4::2", "10.0.1.2",
        ]
        var command = ToolCommand("swtrace")
        command.arguments = arguments
        command.files = ["/etc/hosts": "10.0.2.2 r2.example\n"]
        let text = try lab["a"].run { [command] in try command.run() }
        #expect(text.output.contains("\npath MTU 1400: hop 2 (r2.example, 10.0.2.2) says so\n"), "\(text)")
        #expect(text.output.contains("\npath MTU 1400: hop 2 (fd00:2::2) says so\n"), "\(text)")
        #expect(text.output.hasSuffix("\npath MTU 1500: this host's link takes no more\n"), "\(text)")
        #expect(
            text.errors == """
                swtrace: failed: mtu 1400 < 1500 (10.0.4.2)
                swtrace: failed: mtu 1400 < 1500 (fd00:4::2)

                """)
        #expect(text.status == 1)

        let json = try lab["a"].run {
            var command = ToolCommand("swtrace", "--json", "-n")
            command.arguments += arguments
            return try command.run()
        }
        let lines = try jsonLines(json.output, schema: "swtrace")
        let results = lines.filter { $0["type"].text == "mtu" }
        #expect(
            Set(results.map { "\($0["target"].text ?? "") \($0["size"].integer ?? 0)" })
                == ["10.0.4.2 1400", "fd00:4::2 1400", "10.0.1.2 1500"])
        #expect(results.allSatisfy { $0["complete"] == .boolean(true) && $0["whole_path"] == .boolean(true) })
        #expect(json.status == 1)
    }

    /// What is known so far is told, and not as if the search had been finished.
    @Test func theSearchCanBeStopped() throws {
        let lab = try Self.makeChain()
        // Nothing but small packets passes, and the search waits for each of the others.
        try lab["r1"].nft(
            "table inet lab { chain forward { type filter hook forward priority 0; meta length > 100 drop; }; }")
        try lab["a"].run {
            var child = try ToolCommand("swtrace", "-n", "--mtu", "--json", "-w", "60,0,0", "10.0.4.2").start()
            try child.wait(forOutput: { $0.contains("\"start\"") })
            child.signal(.interrupt)
            let result = try child.finish()
            let lines = try jsonLines(result.output, schema: "swtrace")
            #expect(lines.last?["type"].text == "summary", "\(result)")
            #expect(lines.allSatisfy { $0["type"].text != "mtu" || $0["complete"] == .boolean(false) }, "\(result)")
        }
    }
}
