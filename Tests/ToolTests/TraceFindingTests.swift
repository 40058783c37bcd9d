import LinuxSockets
import PacketFormats
import ProbeReports
import TestSupport
import Testing

/// swtrace's ASNs, conditions and baselines on the real kernel.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct TraceFindingTests {
    /// A host, a router and a host with addresses that the whole Internet might know.
    private static func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab("a", "r", "b")
        try lab.link("a", "r", "11.0.1", "2a11:1")
        try lab.link("r", "b", "11.0.2", "2a11:2")
        try lab["a"].addDefaultRoute(via: "r")
        try lab["b"].addDefaultRoute(via: "r")
        return lab
    }

    private static let table = """
        11.0.1.0\t11.0.1.255\t64500\tZZ\tFIRST
        11.0.2.0\t11.0.2.255\t0\tNone\tNot routed
        2a11:1::\t2a11:1::ffff\t64501\tZZ\tSECOND
        2a11:2::\t2a11:2::ffff\t64502\tZZ\tTHIRD

        """

    /// In the place of a file that is always there and that swtrace does not read.
    private static let file = "/etc/hosts"

    private static func command(_ contents: String, _ arguments: String...) -> ToolCommand {
        var command = ToolCommand("swtrace", "-n", "-q1")
        command.arguments += arguments
        command.files = [file: contents]
        return command
    }

    @Test(arguments: [
        ("11.0.2.2", ["11.0.1.2 [AS64500]", "11.0.2.2 [*]"]),
        ("2a11:2::2", ["2a11:1::2 [AS64501]", "2a11:2::2 [AS64502]"]),
    ])
    func aTableTellsWhoAnnouncesAnAddress(address: String, expected: [String]) throws {
        let lab = try Self.lab()
        let result = try lab["a"].run { try Self.command(Self.table, "-A", "--asn-db", Self.file, address).run() }
        let rows = result.output.split(separator: "\n").dropFirst().map { $0.dropFirst(4) }
        #expect(zip(rows, expected).allSatisfy { $0.hasPrefix($1 + "  ") } && rows.count == 2, "\(result)")
        #expect(result.errors.isEmpty)
        let json = try lab["a"].run { try Self.command(Self.table, "--json", "--asn-db", Self.file, address).run() }
        let hops = try jsonLines(json.output, schema: "swtrace").filter { $0["type"].text == "hop" }
        let numbers = hops.map { $0["responders"].elements.map { $0["asn"].elements.map { $0.integer } } }
        #expect(numbers == (address == "11.0.2.2" ? [[[64_500]], [[]]] : [[[64_501]], [[64_502]]]))
    }

    @Test func aFaultOfTheTableIsToldOnceAndTheTraceGoesOn() throws {
        let lab = try Self.lab()
        let unordered = "1.0.0.0\t1.0.0.255\t1\tX\tX\n1.9.0.0\t1.9.0.255\t9\tX\tX\n1.5.0.0\t1.5.0.255\t1\tX\tX\n"
        let result = try lab["a"].run { try Self.command(unordered, "--asn-db", Self.file, "11.0.2.2").run() }
        #expect(
            result.errors
                == "swtrace: option --asn-db: /etc/hosts, at byte 49: the ranges are not in the order of their addresses\n"
        )
        #expect(result.output.contains("\n 1  11.0.1.2 [*]  "))
        #expect(result.status == 0)
    }

    // MARK: The DNS

    /// Answers the first questions that come with these texts, each a record; one text may stand for all of them.
    private static func trace(
        _ arguments: [String], answering texts: [String: [String]], resolv: String = "nameserver 127.0.0.1\n"
    ) throws -> (result: CommandResult, names: Set<String>) {
        let lab = try Self.lab()
        return try lab["a"].run {
            let server = try Socket(family: .inet, type: .datagram)
            try server.bind(to: SocketAddress(.v4(.loopback), port: 53))
            var command = ToolCommand("swtrace", "-n", "-q1")
            command.arguments += arguments
            command.files = ["/etc/resolv.conf": resolv]
            var child = try command.start()
            var names: Set<String> = []
            var buffer = [UInt8](repeating: 0, count: 2_048)
            while names.count < 2 {
                try server.wait(for: .readable)
                guard let received = try server.receive(into: &buffer) else { continue }
                let name = Self.name(in: Array(buffer.prefix(received.count)))
                names.insert(name)
                guard let texts = texts[name] else { continue }
                try server.send(Self.answer(to: Array(buffer.prefix(received.count)), texts), to: received.source)
            }
            return (try child.finish(), names)
        }
    }

    private static func name(in query: [UInt8]) -> String {
        var labels: [String] = []
        var rest = query.dropFirst(12)
        while let length = rest.popFirst(), length > 0 {
            labels.append(String(decoding: rest.prefix(Int(length)), as: UTF8.self))
            rest = rest.dropFirst(Int(length))
        }
        return labels.joined(separator: ".")
    }

    /// The question and the texts, or that there is no such name.
    private static func answer(to query: [UInt8], _ texts: [String]) -> [UInt8] {
        guard query.count > 12, let end = query[12...].firstIndex(of: 0), end + 5 <= query.count else { return [] }
        var answer = Array(query[..<(end + 5)])
        answer[2] = 0x81
        answer[3] = texts.isEmpty ? 0x83 : 0x80
        answer.replaceSubrange(6..<12, with: [0, UInt8(texts.count), 0, 0, 0, 0])
        for text in texts {
            let bytes = Array(text.utf8.prefix(255))
            answer += [0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1, 0, UInt8(bytes.count + 1), UInt8(bytes.count)] + bytes
        }
        return answer
    }

    @Test func theDNSTellsWhoAnnouncesAnAddress() throws {
        let (result, names) = try Self.trace(
            ["-A", "--asn-dns", "11.0.2.2"],
            answering: [
                "2.1.0.11.origin.asn.cymru.com": [
                    "64501 64500 | 11.0.1.0/24 | US | arin | 2001-02-03", "7 | 11.0.0.0/8 |",
                ],
                "2.2.0.11.origin.asn.cymru.com": [],
            ])
        #expect(names == ["2.1.0.11.origin.asn.cymru.com", "2.2.0.11.origin.asn.cymru.com"])
        #expect(result.output.contains("\n 1  11.0.1.2 [AS64500/AS64501]  "), "\(result)")
        #expect(result.output.contains("\n 2  11.0.2.2 [*]  "), "\(result)")
        #expect(result.status == 0)
    }

    @Test func theDNSOfIPv6IsAskedForHalfAnAddress() throws {
        let zeros = String(repeating: "0.", count: 8)
        let (first, second) = (
            "\(zeros)1.0.0.0.1.1.a.2.origin6.asn.cymru.com", "\(zeros)2.0.0.0.1.1.a.2.origin6.asn.cymru.com"
        )
        let (result, names) = try Self.trace(
            ["--asn-dns", "2a11:2::2"],
            answering: [first: ["64500 | 2a11:1::/32 | US"], second: ["\u{1b}[2J | 2a11:2::/32 | \u{1b}]0;x\u{7}"]])
        #expect(names == [first, second])
        #expect(result.output.contains("\n 1  2a11:1::2 [AS64500]  "), "\(result)")
        #expect(result.output.contains("\n 2  2a11:2::2 [*]  "), "\(result)")
        #expect(!result.output.contains("\u{1b}"))
    }

    /// Thirty seconds for an answer would be more than the test has.
    @Test func aSilentNameServerDelaysNothing() throws {
        let (result, _) = try Self.trace(
            ["--asn-dns", "--fail-if", "via!=AS64500", "11.0.2.2"], answering: [:],
            resolv: "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
        #expect(result.output.contains("\n 1  11.0.1.2 [*]  ") && result.output.contains("\n 2  11.0.2.2 [*]  "))
        #expect(
            result.errors
                == "swtrace: failed: via!=AS64500 unknown: no hop that answered is, but the AS of 11.0.1.2 and 1 "
                + "more is not known (11.0.2.2)\n")
        #expect(result.status == 1)
    }

    /// The next probe would leave ten seconds later, and nothing else happens until then.
    @Test func aRowWaitsForASilentNameServerNoLongerThanThat() throws {
        let lab = try Self.lab()
        try lab["a"].run {
            let server = try Socket(family: .inet, type: .datagram)
            try server.bind(to: SocketAddress(.v4(.loopback), port: 53))
            var command = ToolCommand("swtrace", "--json", "-q1", "-N1", "-z10", "11.0.2.2")
            command.files = [
                "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n", "/etc/hosts": "",
            ]
            var child = try command.start()
            try child.wait(forOutput: { $0.contains("\"type\":\"hop\"") })
            child.signal(.interrupt)
            let result = try child.finish()
            let summary = try #require(try jsonLines(result.output, schema: "swtrace").last)
            #expect(summary["transmitted"].integer == 1, "\(result)")
        }
    }

    // MARK: Conditions and baselines

    @Test(
        arguments: [
            (["--fail-if", "hops>2"], nil), (["--fail-if", "hops>1"], "hops 2 > 1"), (["--fail-if", "loss>0%"], nil),
            (["--fail-if", "rtt>1m"], nil), (["--fail-if", "back>2"], nil), (["--fail-if", "back>1"], "back 2 > 1"),
            (["--fail-if", "via!=11.0.1.2", "--fail-if", "path-changed"], nil),
            (["--fail-if", "via=11.0.1.0/24"], "via=11.0.1.0/24: hop 1 is 11.0.1.2"),
            (["--asn-db", file, "--fail-if", "via!=AS64500"], nil),
            (["--asn-db", file, "--fail-if", "via!=AS64502"], "via!=AS64502: no hop is"),
            (["--asn-db", file, "--fail-if", "via=AS64500"], "via=AS64500: hop 1 is 11.0.1.2"),
        ] as [([String], String?)])
    func conditionsAreJudged(arguments: [String], failure: String?) throws {
        let lab = try Self.lab()
        var command = Self.command(Self.table)
        command.arguments += arguments.map { $0.replacing("1m", with: "60s") } + ["11.0.2.2"]
        let result = try lab["a"].run { [command] in try command.run() }
        #expect(result.errors == (failure.map { "swtrace: failed: \($0) (11.0.2.2)\n" } ?? ""))
        #expect(result.status == (failure == nil ? 0 : 1))
        let json = try lab["a"].run { [command] in
            var command = command
            command.arguments.append("--json")
            return try command.run()
        }
        let summary = try #require(try jsonLines(json.output, schema: "swtrace").last)
        #expect(summary["failed"].elements.compactMap(\.text) == (failure.map { [$0] } ?? []))
        #expect(json.errors.isEmpty)
        #expect(json.status == result.status)
    }

    @Test func aFormerRunIsTheBaseline() throws {
        let lab = try Self.lab()
        let former = try lab["a"].run { try ToolCommand("swtrace", "--json", "11.0.2.2").run().output }
        func run(_ baseline: String, _ more: String...) throws -> CommandResult {
            var command = Self.command(baseline, "--baseline", Self.file, "--fail-if", "path-changed", "11.0.2.2")
            command.arguments += more
            return try lab["a"].run { [command] in try command.run() }
        }
        let same = try run(former)
        #expect(same.errors.isEmpty && same.status == 0 && !same.output.contains("changed"), "\(same)")

        let other = former.replacing("\"11.0.1.2\"", with: "\"11.0.1.9\"")
        let changed = try run(other)
        #expect(changed.output.hasSuffix("\npath changed: hop 1 was 11.0.1.9, is 11.0.1.2\n"), "\(changed)")
        #expect(
            changed.errors == "swtrace: failed: path-changed: hop 1 was 11.0.1.9, is 11.0.1.2 (11.0.2.2)\n")
        #expect(changed.status == 1)

        let summary = try #require(try jsonLines(run(other, "--json").output, schema: "swtrace").last)
        #expect(summary["path_changes"].elements.first?["hop"].integer == 1)

        let unknown = try run(former.replacing("11.0.2.2", with: "11.0.2.9"))
        #expect(unknown.output.hasSuffix("\npath unknown to the baseline\n"), "\(unknown)")
        #expect(unknown.errors.contains("path-changed unknown: the baseline has no path to this host"))
        #expect(unknown.status == 1)
    }

    // MARK: Mistakes

    @Test(arguments: [
        (["-A"], "option -A: needs --asn-db FILE, or --asn-dns, which asks origin.asn.cymru.com"),
        (
            ["--fail-if", "via!=AS1"],
            "option --fail-if: 'via!=AS1' needs --asn-db FILE, or --asn-dns, which asks origin.asn.cymru.com"
        ),
        (["--fail-if", "mtu<1500"], "option --fail-if: 'mtu<1500' needs --mtu"),
        (
            ["--asn-db", "/no/such/file"],
            "option --asn-db: cannot read /no/such/file: No such file or directory (ENOENT)"
        ),
        (["--asn-db", "/tmp"], "option --asn-db: /tmp is a directory"),
        (["--asn-db", "/dev/zero"], "option --asn-db: /dev/zero is no regular file, in which alone can be searched"),
        (
            ["--baseline", "/no/such/file"],
            "option --baseline: cannot read /no/such/file: No such file or directory (ENOENT)"
        ),
        (["--baseline", "/tmp"], "option --baseline: /tmp is a directory"),
        (["--baseline", "/dev/zero"], "option --baseline: /dev/zero has more than 16 MiB"),
        (["--baseline", "/dev/null"], "option --baseline: /dev/null has no hops of swtrace --json"),
        (
            ["--baseline", "/etc/passwd"],
            "option --baseline: /etc/passwd, line 1: no line of swtrace --json: no value"
        ),
    ])
    func mistakesAreNamedBeforeAnythingIsSent(arguments: [String], line: String) throws {
        var command = ToolCommand("swtrace")
        command.arguments = arguments + ["127.0.0.1"]
        let result = try command.run()
        #expect(result.errors == "swtrace: \(line)\n")
        #expect(result.output.isEmpty)
        #expect(result.status == 2)
    }

    /// A file is opened with the rights of the caller, also by a program that has more.
    @Test(.enabled(if: ToolCommand.canChangeUser, "needs setpriv(1)"))
    func filesOfOthersStayClosed() throws {
        let tool = try InstalledTool("swtrace")
        for option in ["--asn-db", "--baseline"] {
            var command = ToolCommand(tool, option, "/etc/shadow", "127.0.0.1")
            command.userID = 65_534
            command.ambientCapabilities = ["net_raw", "dac_override"]
            let result = try command.run()
            #expect(result.errors == "swtrace: option \(option): cannot read /etc/shadow: Permission denied (EACCES)\n")
            #expect(result.status == 2)
        }
    }
}
