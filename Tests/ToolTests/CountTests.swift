import Glibc
import LinuxSockets
import PacketFormats
import ProbeReports
import SimulatedNetwork
import TestSupport
import Testing

/// swping that asks many targets again and again: prefixes, ranges and the lines of a file.
@Suite(.waiting) struct CountTests {
    private static func command(_ arguments: String...) -> ToolCommand {
        var command = ToolCommand("swping", "-n")
        command.arguments += arguments
        return command
    }

    /// The first words of lines such as `127.3.0.1: 2/2 packets...`.
    private static func summaries(_ output: String) -> [String] {
        output.split(separator: "\n").filter { $0.contains(": ") && $0.contains(" packets") }
            .map { String($0.prefix { $0 != ":" }) }
    }

    @Test(
        "A prefix, a range and a file are asked as often as -c says, in their order",
        arguments: [
            (["127.3.0.0/29"], 1...6), (["127.3.0.2-127.3.0.4"], 2...4), (["--targets-from", "-"], 7...9),
            (["127.3.0.1/32", "127.3.0.2-127.3.0.6", "--targets-from", "-"], 1...9),
        ] as [([String], ClosedRange<Int>)])
    func spaces(targets: [String], hosts: ClosedRange<Int>) throws {
        var command = Self.command("-c", "2", "-i", "0.05")
        command.arguments += targets
        command.input = Array("# nothing\n127.3.0.7 the first\n\n127.3.0.8-127.3.0.9".utf8)
        let expected = hosts.map { "127.3.0.\($0)" }
        let result = try command.run()
        #expect(result.status == 0 && result.errors.isEmpty, "\(result)")
        #expect(
            result.output.hasPrefix("PING \(expected.count) hosts every 0.050 s: 56 data bytes\n64 bytes from "),
            "\(result.output)")
        #expect(Self.summaries(result.output) == expected)
        for host in expected {
            #expect(result.output.contains("\n64 bytes from \(host): icmp_seq=2 ttl="))
            #expect(result.output.contains("\n\(host): 2/2 packets, 0% loss, min/avg/max = "))
        }
        #expect(result.output.contains("\n--- total of \(expected.count) hosts ---\n\(expected.count * 2) packets "))
        #expect(result.output.contains("\nrtt min/avg/max/mdev = "))
        #expect(result.output.hasSuffix("\n\(expected.count) of \(expected.count) hosts answered\n"))
    }

    @Test("Names, lines that are no target, and all addresses of a name")
    func names() throws {
        var command = Self.command("-q", "-c", "1", "--slots", "--all-addresses", "--targets-from", "-")
        command.input = Array("h.example\n127.3.0.9-1\nnobody.invalid\n127.3.0.1".utf8)
        command.files = [
            "/etc/hosts": "127.3.0.2 h.example\n127.3.0.3 h.example\n", "/etc/nsswitch.conf": "hosts: files\n",
        ]
        let result = try command.run()
        #expect(result.status == 2)
        let lines = result.output.split(separator: "\n").dropFirst().prefix(3)
        let heads = ["h.example (127.3.0.2): 0.", "h.example (127.3.0.3): 0.", "127.3.0.1: 0."]
        #expect(lines.count == 3 && zip(lines, heads).allSatisfy { $0.hasPrefix($1) }, "\(result.output)")
        #expect(result.errors.contains("swping: standard input, line 2: '127.3.0.9-1' looks like a range and is none"))
        #expect(result.errors.contains("swping: standard input, line 3: unknown host 'nobody.invalid'"))
    }

    @Test(
        "Many more than have a history each, as text and as NDJSON",
        arguments: [[], ["--json", "--slots"]] as [[String]])
    func many(arguments: [String]) throws {
        var command = Self.command("-q", "-c", "2", "-i", "0.1", "127.3.0.0/21")
        command.arguments += arguments
        let result = try command.run()
        #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
        guard !arguments.isEmpty else {
            #expect(result.output.hasPrefix("PING 2046 hosts every 0.100 s: 56 data bytes\n127.3.0.1: 2/2 packets, "))
            #expect(Self.summaries(result.output).count == 2_046)
            return #expect(result.output.contains("\n4092 packets transmitted, 4092 received, 0% packet loss, time "))
        }
        let lines = try jsonLines(result.output, schema: "swping")
        let summaries = lines.filter { $0["type"].text == "summary" }
        #expect(Set(summaries.compactMap { $0["address"].text }).count == 2_046)
        #expect(summaries.allSatisfy { $0["slots"].elements.count == 2 && $0["lost_time_ns"].integer == 0 })
        #expect(lines.last?["type"].text == "total" && lines.last?["received"].integer == 4_092)
    }

    @Test("The table has the probes, and the lines of the summary are on standard error")
    func csv() throws {
        let result = try Self.command("--csv", "-c", "2", "-i", "0.05", "127.3.0.0/30").run()
        #expect(result.status == 0)
        let rows = result.output.split(separator: "\r\n")
        #expect(rows.count == 5 && rows.dropFirst().allSatisfy { $0.contains(",reply,127.3.0.") })
        #expect(
            result.errors.hasPrefix("127.3.0.1: 2/2 packets, 0% loss, ") && result.errors.contains("\n127.3.0.2: 2/2"))
    }

    @Test("Without -i and --rate the pace is a sweep's, and --rate is that from target to target")
    func paces() throws {
        func interval(_ arguments: String...) throws -> Int64? {
            var command = Self.command("-q", "--json", "-c", "1", "--min-reachable", "1", "--fast-exit")
            command.arguments += arguments
            let result = try command.run()
            #expect(result.status == 0, "\(result)")
            return try jsonLines(result.output, schema: "swping").first?["interval_ns"].integer
        }
        #expect(try interval("127.3.0.0/21") == 2_046_000_000)
        #expect(try interval("127.3.0.0/24") == 1_000_000_000)
        #expect(try interval("127.3.0.0/21", "-i", "1") == 1_000_000_000)
        // Who writes them all down knows how many they are.
        let named = (1...2_046).map { "127.3.\($0 / 256).\($0 % 256)" }
        var command = Self.command("-q", "-c", "1")
        command.arguments += named
        #expect(try command.run().output.hasPrefix("PING 2046 hosts every 1.000 s: "))
        #expect(try interval("127.3.0.0/21", "--rate", "500") == 4_092_000_000)
        #expect(try interval("127.3.0.0/21", "--rate", "max") == 1_000_000_000)
        #expect(try interval("127.3.0.1", "127.3.0.2", "--rate", "0.5") == 4_000_000_000)
    }

    @Test(
        "Round trips are the kernel's as long as the targets of a file are few",
        arguments: [(10, "kernel"), (300, "user_kernel")])
    func clocks(count: Int, clock: String) throws {
        var command = Self.command("--json", "-c", "1", "-i", "0.1", "--targets-from", "-")
        command.input = Array((1...count).map { "127.3.\($0 / 200).\($0 % 200 + 1)\n" }.joined().utf8)
        let result = try command.run()
        #expect(result.status == 0)
        let replies = try jsonLines(result.output, schema: "swping").filter { $0["type"].text == "reply" }
        #expect(replies.count == count && replies.filter { $0["clock"].text == clock }.count > count / 2)
    }

    @Test(
        arguments: [
            (["-c", "1", "127.3.0.0/29", "--min-reachable", "6"], 0),
            (["-c", "1", "127.3.0.0/29", "--min-reachable", "7"], 1),
            (["-c", "1", "127.3.0.1", "--min-reachable", "1"], 0),
            (["-c", "1", "127.3.0.0/29", "--fail-if", "loss>0%"], 0),
            (["-c", "1", "127.3.0.0/29", "--fail-if", "received<2"], 1),
            (["-c", "1", "127.3.0.0/21", "--rate", "max", "--fail-if", "outage>1s"], 1),
            (["-c", "1", "127.3.0.0/29", "--fail-if", "alive<1"], 2),
            (["-c", "1", "127.3.0.0/29", "--fast-exit"], 2), (["-c", "1", "127.3.0.0/29", "--retries", "2"], 2),
            (["-c", "1", "127.3.0.1", "--workers", "2"], 2),
            (["-i", "1", "127.3.0.0/29", "--resume-file", "/tmp/x"], 2),
            (["-c", "1", "127.3.0.0/29", "--dual"], 2), (["-c", "1", "127.3.0.0/32", "-C"], 2),
            (["-c", "1", "--targets-from", "-", "--resolve-every", "2"], 2), (["-c", "1", "127.0.0.0/15"], 2),
            (["-c", "1", "-i", "1", "127.0.0.0/8"], 2), (["-c", "1", "-A", "127.3.0.0/23"], 2),
            (["-c", "1", "-A", "127.3.0.0/29", "--rate", "5"], 2), (["--slots", "127.3.0.0/29"], 2),
            (["-c", "1", "-w", "2", "--slots", "127.3.0.0/29"], 2), (["-c", "99999", "--slots", "127.3.0.0/24"], 2),
            (["-c", "1", "-j", "--timestamp-format", "iso", "127.3.0.1"], 2), (["-c", "1"], 2),
            (["-c", "1", "--targets-from", "/dev/null"], 2), (["-c", "1", "--targets-from", "/no/such/file"], 2),
            (["-c", "1", "127.3.0.0/33"], 2), (["-c", "1", "-s", "65508", "127.3.0.0/29"], 2),
        ] as [([String], Int32)])
    func statuses(arguments: [String], status: Int32) throws {
        var command = Self.command("-q")
        command.arguments += arguments
        let result = try command.run()
        #expect(result.status == status, "\(arguments): \(result)")
        #expect(status != 2 || result.output.isEmpty && result.errors.hasPrefix("swping: "), "\(arguments): \(result)")
        #expect(status != 2 || result.errors.split(separator: "\n").count == 1, "\(arguments): \(result)")
    }

    @Test(
        "Times in front of lines, of pings and of sweeps",
        arguments: [
            ("unix", #"\[[0-9]{10}\.[0-9]{6}\] "#), ("ctime", #"\[\w{3} \w{3} [ 0-9]{2} [0-9:]{8} [0-9]{4}\] "#),
            ("iso", #"\[[0-9-]{10}T[0-9:]{8}[+-][0-9]{4}\] "#), ("rfc3339", #"\[[0-9-]{10} [0-9:]{8}\] "#),
        ], [["-c", "1", "127.3.0.1"], ["-c", "1", "127.3.0.1/32"], ["127.3.0.1/32"]])
    func times(format: (word: String, pattern: String), arguments: [String]) throws {
        var command = Self.command("--timestamp-format", format.word)
        command.arguments += arguments
        let result = try command.run()
        #expect(result.status == 0)
        let pattern = try Regex(format.pattern)
        #expect(
            result.output.split(separator: "\n").contains { $0.prefixMatch(of: pattern) != nil }, "\(result.output)")
    }
}

/// The same where some answer and some don't.
@Suite(.waiting, .enabled(if: NamespaceLab.hasTun, "needs /dev/net/tun")) struct CountLabTests {
    @Test("Who is silent has a loss, an error is one, and intervals add up to the summary")
    func silence() throws {
        let network = try HostileNetwork(
            Liar([.honest], seed: 5),
            """
            source 10.0.0.1 fd00::1
            router r1 10.0.1.1 fd00:1::1 limit 1000/s burst 100
            link source r1 delay 1ms
            target 10.0.8.0/28 via r1
            target 10.0.9.0/28 via r1 live 0%
            target 10.0.10.0/30 via r1 live 0% dead host
            """)
        var command = ToolCommand("swping", "-n", "-q", "-c", "4", "-i", "0.1", "-W", "0.3", "--slots", "--json")
        command.arguments += ["--interval-summary", "0.2", "10.0.8.0/28", "10.0.9.0/28", "10.0.10.0/30"]
        let (result, _) = try network.run(command)
        #expect(result.status == 1)
        let lines = try jsonLines(result.output, schema: "swping")
        let intervals = lines.filter { $0["type"].text == "interval" }
        for summary in lines where summary["type"].text == "summary" {
            let address = try #require(summary["address"].text)
            let slots = summary["slots"].elements
            #expect(slots.count == 4 && summary["transmitted"].integer == 4)
            if address.hasPrefix("10.0.8.") {
                #expect(slots.allSatisfy { $0.integer != nil } && summary["lost_time_ns"].integer == 0, "\(summary)")
            } else {
                let word = address.hasPrefix("10.0.9.") ? "lost" : "error"
                #expect(slots == Array(repeating: .string(word), count: 4), "\(summary)")
                #expect(summary["lost_time_ns"].integer == 400_000_000)
            }
            for counter in ["transmitted", "received", "lost", "errors"] {
                let sum = intervals.filter { $0["address"].text == address }
                    .reduce(0) { $0 + ($1[counter].integer ?? 0) }
                #expect(sum == summary[counter].integer, "\(counter) of \(address)")
            }
        }
        #expect(lines.last?["answering"].integer == 14 && lines.last?["targets"].integer == 30)
    }
}
