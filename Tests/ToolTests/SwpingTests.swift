import Glibc
import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// swping as a process: lines, statuses, signals.
@Suite(.waiting) struct SwpingTests {
    /// ping's lines, to the letter where scripts look.
    @Test(arguments: [
        ("127.0.0.1", "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data."), ("::1", "PING ::1 (::1) 56 data bytes"),
    ])
    func printsTheLinesOfPing(address: String, header: String) throws {
        let result = try ToolCommand("swping", "-c", "2", "-i", "0.01", address).run()
        #expect(result.status == 0)
        // On a busy machine the second probe may come a slot too late, which is told behind the other lines.
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.hasSuffix(" missed slots") }
        try #require(lines.count == 10, "\(result.output)")
        #expect(lines[0] == header)
        for (line, number) in zip(lines[1...2], 1...) {
            #expect(
                try line.wholeMatch(
                    of: Regex(
                        "64 bytes from \(address.replacing(".", with: #"\."#)): icmp_seq=\(number) ttl=64 time=[0-9]+\\.[0-9]{3} ms"
                    ))
                    != nil, "\(line)")
        }
        #expect(lines[3].isEmpty)
        #expect(lines[4] == "--- \(address) ping statistics ---")
        #expect(lines[5].hasPrefix("2 packets transmitted, 2 received, 0% packet loss, time "))
        #expect(lines[5].hasSuffix("ms"))
        #expect(
            lines[6].wholeMatch(of: /rtt min\/avg\/max\/mdev = [0-9.]+\/[0-9.]+\/[0-9.]+\/[0-9.]+ ms/) != nil,
            "\(lines[6])")
        #expect(lines[7].wholeMatch(of: /p50 = [0-9.]+ ms, jitter [0-9.]+ ms, clock (kernel|user)( .*)?/) != nil)
        #expect(
            lines[8].wholeMatch(
                of: /ipdv mean\/max = [0-9.]+\/[0-9.]+ ms(, host delay mean\/max = [0-9.\/]+ ms)?/
            )
                != nil, "\(lines[8])")
        #expect(lines[9].isEmpty)
    }

    @Test("Thousands of hosts share one schedule, and each has its summary", arguments: [false, true])
    func manyHosts(isJSON: Bool) throws {
        let hosts = (0..<3_000).map { "127.2.\($0 / 250).\($0 % 250 + 1)" }
        var command = ToolCommand("swping", "-q", "-n", "-c1")
        command.arguments += (isJSON ? ["--json"] : []) + hosts
        let result = try command.run()
        #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
        if isJSON {
            let lines = result.output.split(separator: "\n")
            let summaries = lines.filter { $0.contains(#""type":"summary""#) }
            #expect(summaries.count == 3_000)
            #expect(summaries.allSatisfy { $0.contains(#""transmitted":1,"received":1,"#) })
            #expect(lines.last?.contains(#""targets":3000,"answering":3000,"transmitted":3000,"#) == true)
        } else {
            #expect(result.output.contains("3000 packets transmitted, 3000 received, 0% packet loss"))
            #expect(result.output.contains("3000 of 3000 hosts answered"))
        }
    }

    @Test(
        "What costs more with each host is for 256 of them", arguments: ["-A", "-f", "--poisson", "--icmp-timestamp"])
    func tooManyHosts(option: String) throws {
        var command = ToolCommand("swping", option)
        command.arguments += Array(repeating: "127.0.0.1", count: 257)
        let result = try command.run()
        #expect(result.status == 2 && result.output.isEmpty)
        #expect(result.errors == "swping: 257 hosts are too many: at most 256 at once with these options\n")
    }

    @Test func conditionsThatHoldFailARun() throws {
        var command = ToolCommand("swping", "-q", "-c", "3", "-i", "0.01", "127.0.0.1", "--fail-if", "avg>1s")
        let good = try command.run()
        #expect(good.status == 0 && good.errors.isEmpty, "\(good)")
        command.arguments += ["--fail-if", "received<=3", "--fail-if", "p99 > 1s"]
        let bad = try command.run()
        #expect(bad.status == 1)
        #expect(
            bad.errors == """
                swping: failed: received 3 <= 3 (127.0.0.1)
                swping: failed: p99 unknown: 3 replies in time, 100 needed (127.0.0.1)

                """)
        #expect(bad.output.contains("3 packets transmitted, 3 received, 0% packet loss"))
        command.arguments.append("--json")
        let json = try command.run()
        #expect(json.status == 1 && json.errors.isEmpty)
        let summary = try jsonLines(json.output, schema: "swping").first { $0["type"].text == "summary" }
        #expect(
            summary?["failed"].elements.map(\.text) == [
                "received 3 <= 3", "p99 unknown: 3 replies in time, 100 needed",
            ])
    }

    @Test func intervalsAreSummedUpInSilenceToo() throws {
        let result = try ToolCommand(
            "swping", "-q", "-c", "4", "-i", "0.1", "--interval-summary", "0.2", "127.0.0.1"
        ).run()
        let told = result.output.split(separator: "\n").filter { $0.hasPrefix("interval ") }
        #expect(told.count == 2 && told[0].hasPrefix("interval 1 (0.200 s): "), "\(result)")
        #expect(result.status == 0)
    }

    /// ping reads `0` as this host, and so do people's fingers.
    @Test(arguments: [("0", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1")])
    func theUnspecifiedAddressIsThisHost(host: String, address: String) throws {
        let result = try ToolCommand("swping", "-c", "1", host).run()
        #expect(result.output.hasPrefix("PING \(host) (\(address)) "))
        #expect(result.output.contains(" 1 received"))
        #expect(result.status == 0)
    }

    @Test func linesComeOneByOneThroughAPipe() throws {
        var child = try ToolCommand("swping", "-i", "0.05", "127.0.0.1").start()
        try child.wait(forOutput: { $0.contains("icmp_seq=2 ") })
        #expect(!String(decoding: child.output, as: UTF8.self).contains("statistics"))
    }

    @Test(arguments: [Signal.interrupt, .terminate], ["127.0.0.1", "--json 127.0.0.1"])
    func asSoonAsItIsToldToEndItSumsUp(signal: Signal, arguments: String) throws {
        var command = ToolCommand("swping", "-i", "0.05")
        command.arguments += arguments.split(separator: " ").map(String.init)
        var child = try command.start()
        try child.wait(forOutput: { $0.contains("icmp_seq=2 ") || $0.contains("\"seq\":2") })
        child.signal(signal)
        let result = try child.finish()
        #expect(result.status == 0)
        #expect(result.output.contains(" 0% packet loss") || result.output.contains(#""type":"summary""#))
        #expect(result.errors.isEmpty)
    }

    @Test func quitTellsHowItIsGoingAndGoesOn() throws {
        var child = try ToolCommand("swping", "-i", "0.05", "127.0.0.1").start()
        try child.wait(forOutput: { $0.contains("icmp_seq=2 ") })
        child.signal(.quit)
        try child.waitForErrors { $0.contains("\n") }
        let line = String(decoding: child.errors, as: UTF8.self)
        #expect(
            line.wholeMatch(of: /\r[0-9]+\/[0-9]+ packets, 0% loss, min\/avg\/ewma\/max = [0-9.\/]+ ms\n/) != nil,
            "\(line.debugDescription)")
        let seen = child.output.count
        try child.wait(forOutput: { $0.utf8.count > seen })
        child.signal(.interrupt)
        #expect(try child.finish().status == 0)
    }

    /// What was due while the process stood still is left out, and counts as neither loss nor answers.
    @Test func standingStillIsNoLossAndNoBurst() throws {
        var child = try ToolCommand("swping", "-c", "20", "-i", "0.05", "127.0.0.1").start()
        try child.wait(forOutput: { $0.contains("icmp_seq=2 ") })
        child.signal(Signal(rawValue: SIGSTOP))
        // Another one measures the time: ten intervals.
        #expect(try ToolCommand("swping", "-c", "11", "-i", "0.05", "-q", "127.0.0.1").run().status == 0)
        child.signal(.continue)
        let result = try child.finish()
        #expect(result.output.contains("20 packets transmitted, 20 received, 0% packet loss"), "\(result.output)")
        let missed = result.output.firstMatch(of: /([0-9]+) missed slots/).flatMap { Int($0.1) } ?? 0
        #expect(missed >= 8, "\(result.output)")
        // 19 intervals of running and those of standing still, but for what the first probe was late; a burst would have
        // made up for them.
        let time = result.output.firstMatch(of: /time ([0-9]+)ms/).flatMap { Int($0.1) } ?? 0
        #expect(time >= 50 * (18 + missed), "\(result.output)")
    }

    // MARK: Count and deadline

    @Test func aDeadlineEndsARunWithoutACount() throws {
        let result = try ToolCommand("swping", "-w", "0.3", "-i", "0.05", "127.0.0.1").run()
        #expect(result.status == 0)
        let sent = result.output.firstMatch(of: /([0-9]+) packets transmitted, ([0-9]+) received, 0% packet loss/)
        #expect((2...6).contains(sent.flatMap { Int($0.1) } ?? 0), "\(result.output)")
    }

    @Test func withACountADeadlineAsksForThatManyAnswers() throws {
        let enough = try ToolCommand("swping", "-c", "2", "-w", "20", "-i", "0.05", "127.0.0.1").run()
        #expect(enough.status == 0)
        #expect(enough.output.contains("2 packets transmitted, 2 received"))
        let few = try ToolCommand("swping", "-c", "50", "-w", "0.2", "-i", "0.05", "127.0.0.1").run()
        #expect(few.status == 1, "\(few.output)")
    }

    // MARK: UDP

    @Test func anEchoServiceAnswersWithThePayload() throws {
        var server = try ToolCommand("swecho", "serve", "--bind", "127.0.0.1", "--port", "0").start()
        try server.wait(forOutput: { $0.contains("\n") })
        let port = String(decoding: server.output, as: UTF8.self).firstMatch(of: /Listening on 127.0.0.1:([0-9]+)/)
        let number = try #require(port.map { String($0.1) })
        let result = try ToolCommand("swping", "--udp", "--port", number, "-c", "2", "127.0.0.1").run()
        #expect(result.status == 0)
        #expect(result.output.hasPrefix("PING 127.0.0.1 (127.0.0.1) UDP port \(number), 56(84) bytes of data.\n"))
        #expect(result.output.contains("64 bytes from 127.0.0.1: udp_seq=2 ttl=64 time="))
        #expect(result.errors.isEmpty)
        server.signal(.interrupt)
        #expect(try server.finish().status == 0)
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func aClosedPortIsASignOfLife(address: String) throws {
        let result = try ToolCommand("swping", "--udp", "--port", "9", "-c", "1", address).run()
        #expect(result.status == 0)
        #expect(result.output.contains("port unreachable from \(address): udp_seq=1 ttl=64 time="))
        #expect(result.output.contains("1 packets transmitted, 1 received, 0% packet loss"))
        #expect(result.errors.isEmpty)
    }

    // MARK: JSON

    @Test func everyLineOfJSONIsAnObject() throws {
        let result = try ToolCommand("swping", "-j", "-c", "2", "-i", "0.01", "127.0.0.1", "::1").run()
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        let lines = try jsonLines(result.output, schema: "swping")
        #expect(
            lines.map { $0["type"].text }.sorted { $0 ?? "" < $1 ?? "" }
                == ["reply", "reply", "reply", "reply", "start", "start", "summary", "summary", "total"])
    }
}

/// swping in networks: privileges, sizes, silence, crowds.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct SwpingNetworkTests {
    static let rungs = ["raw", "ping", "udp"]

    @Test(arguments: rungs, ["10.0.2.2", "fd00:2::2"])
    func longPacketsPassAnMTUOf1500(rung: String, address: String) throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let result = try lab["a"].run {
            try ToolCommand("swping", "--rung", rung, "-c2", "-i", "0.01", "-s", "3000", address).run()
        }
        #expect(result.output.contains("2 packets transmitted, 2 received, 0% packet loss"), "\(result)")
        #expect(rung == "udp" || result.output.contains("3008 bytes from \(address): icmp_seq=2 "))
        #expect(result.status == 0)
    }

    @Test(arguments: rungs, ["127.0.0.1", "::1"])
    func theLongestPacketPassesTheLoopback(rung: String, address: String) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let result = try lab["a"].run {
            try ToolCommand("swping", "--rung", rung, "-c2", "-i", "0.01", "-s", "65507", address).run()
        }
        #expect(result.output.contains("2 packets transmitted, 2 received, 0% packet loss"), "\(result)")
        #expect(result.status == 0)
    }

    /// Other people's ICMP in the same namespace is theirs: no reply is lost, and none is taken from them.
    @Test(arguments: rungs)
    func aFloodOfOthersIsNoLoss(rung: String) throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        try lab["a"].run {
            var flood = try ToolCommand("swping", "-q", "-i", "0.001", "-w", "20", "10.0.2.2", "10.0.1.2", "fd00:2::2")
                .start()
            var errors = try ToolCommand("swping", "-q", "-i", "0.001", "-t", "1", "-w", "20", "10.0.2.2", "10.0.1.2")
                .start()
            var ping: ChildProcess?
            if hasProgram("ping") { ping = try ChildProcess(["ping", "-q", "-f", "-w", "20", "10.0.2.2"]) }
            let result = try ToolCommand("swping", "--rung", rung, "-c", "50", "-i", "0.02", "10.0.2.2").run()
            #expect(result.output.contains("50 packets transmitted, 50 received, 0% packet loss"), "\(result)")
            #expect(!result.output.contains("DUP"))
            #expect(result.status == 0)
            flood.signal(.interrupt)
            errors.signal(.interrupt)
            ping?.signal(.interrupt)
            let others = try flood.finish().output
            #expect(others.contains(" 0% packet loss"), "\(others)")
            #expect(try errors.finish().output.contains("packets transmitted"))
            _ = try ping?.finish()
        }
    }

    /// Linux sends about one "port unreachable" a second: the default pace lives with that, a faster one says so.
    @Test func theDefaultPaceOfUDPRespectsLimits() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["b"].set("net.ipv4.icmp_ratelimit", "1000")
        try lab["b"].set("net.ipv6.icmp.ratelimit", "1000")
        try lab["a"].run {
            // Side by side, for the seconds that they take.
            var slow = try ToolCommand("swping", "--rung", "udp", "-c", "8", "10.0.2.2").start()
            var slow6 = try ToolCommand("swping", "--rung", "udp", "-c", "8", "fd00:2::2").start()
            let result = try slow.finish()
            #expect(result.output.contains("8 packets transmitted, 8 received, 0% packet loss"), "\(result)")
            #expect(!result.errors.contains("faster than one a second"))
            let result6 = try slow6.finish()
            #expect(result6.output.contains("8 packets transmitted, 8 received, 0% packet loss"), "\(result6)")
            let fast = try ToolCommand("swping", "--rung", "udp", "-c", "2", "-i", "0.1", "10.0.2.2").run()
            #expect(fast.errors.contains("swping: UDP probes faster than one a second: "), "\(fast.errors)")
        }
    }

    @Test(arguments: [("10.0.2.9", "Destination Host Unreachable"), ("fd00:2::9", "Destination unreachable: No route")])
    func errorsAreNamed(address: String, words: String) throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        try lab["r"].exec("ip", "route", "add", "unreachable", "10.0.2.9/32")
        try lab["r"].exec("ip", "-6", "route", "add", "unreachable", "fd00:2::9/128")
        for rung in Self.rungs {
            let result = try lab["a"].run {
                try ToolCommand("swping", "--rung", rung, "-c", "1", address).run()
            }
            let router = address.contains(":") ? "fd00:1::2" : "10.0.1.2"
            let label = rung == "udp" ? "udp_seq" : "icmp_seq"
            #expect(result.output.contains("From \(router) \(label)=1 \(words)\n"), "\(rung): \(result.output)")
            #expect(result.output.contains("1 packets transmitted, 0 received, +1 errors, 100% packet loss"))
            #expect(result.status == 1)
        }
    }

    @Test func hopsThatRunOutAreNamed() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let result = try lab["a"].run { try ToolCommand("swping", "-t", "1", "-c", "1", "10.0.2.2").run() }
        #expect(result.output.contains("From 10.0.1.2 icmp_seq=1 Time to live exceeded\n"))
        #expect(result.status == 1)
    }

    /// Some hosts answer, some don't, one has no address: each is told of, and the worst is the status.
    @Test func severalHostsAreEachToldOf() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["r"].exec("ip", "route", "add", "blackhole", "10.0.2.9/32")
        try lab["a"].run {
            var command = ToolCommand(
                "swping", "-c", "2", "-i", "0.01", "-W", "0.5", "10.0.2.2", "10.0.2.9", "fd00:2::2")
            let dead = try command.run()
            #expect(dead.status == 1)
            let headers = dead.output.split(separator: "\n").filter { $0.hasPrefix("--- ") }
            #expect(
                headers == [
                    "--- 10.0.2.2 ping statistics ---", "--- 10.0.2.9 ping statistics ---",
                    "--- fd00:2::2 ping statistics ---", "--- total of 3 hosts ---",
                ])
            #expect(dead.output.contains("\n2 of 3 hosts answered\n"), "\(dead.output)")
            #expect(dead.errors.isEmpty)

            command.files = ["/etc/hosts": "10.0.2.2 target.test\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n"]
            command.arguments = ["-c", "2", "-i", "0.01", "target.test", "nowhere.test"]
            let unknown = try command.run()
            #expect(unknown.status == 2)
            #expect(unknown.output.hasPrefix("PING target.test (10.0.2.2) 56(84) bytes of data.\n"))
            #expect(unknown.output.contains("64 bytes from target.test (10.0.2.2): icmp_seq=2 "), "\(unknown.output)")
            #expect(unknown.output.contains("2 packets transmitted, 2 received"))
            #expect(unknown.errors.hasPrefix("swping: unknown host 'nowhere.test': "))
            #expect(unknown.errors.filter { $0 == "\n" }.count == 1)
        }
    }

    /// All is lost: every line still parses, and the summary is there.
    @Test func lossIsJSONToo() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["r"].exec("ip", "route", "add", "blackhole", "10.0.2.9/32")
        let result = try lab["a"].run {
            try ToolCommand("swping", "--json", "-c", "2", "-i", "0.01", "-W", "0.1", "10.0.2.9").run()
        }
        #expect(result.status == 1)
        let lines = try jsonLines(result.output, schema: "swping")
        let summary = try #require(lines.first { $0["type"].text == "summary" })
        #expect(summary["transmitted"].integer == 2)
        #expect(summary["received"].integer == 0)
        #expect(summary["lost"].integer == 2)
        #expect(lines.count { $0["type"].text == "timeout" } == 2)
    }

    /// In UDP mode silence has one more cause.
    @Test func silenceOverUDPNamesFirewalls() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["r"].exec("ip", "route", "add", "blackhole", "10.0.2.9/32")
        let result = try lab["a"].run {
            try ToolCommand("swping", "--rung", "udp", "-c", "1", "-W", "0.1", "10.0.2.9").run()
        }
        #expect(result.output.hasSuffix("no answer; a firewall may drop UDP\n"))
        #expect(result.status == 1)
    }

    /// What this host's own packet filter refuses is neither lost nor tried again until it passes.
    @Test(.enabled(if: hasProgram("nft"), "needs nft(8)"), arguments: rungs)
    func whatTheFirewallRefusesIsNotSent(rung: String) throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let rules = """
            table ip t {
                chain o {
                    type filter hook output priority 0;
                    ip daddr 10.0.2.2 numgen inc mod 3 0 drop;
                }
            }
            """
        try lab["a"].exec("nft", rules)
        let result = try lab["a"].run {
            try ToolCommand("swping", "--rung", rung, "-c", "9", "-i", "0.01", "10.0.2.2").run()
        }
        #expect(result.errors.contains("_seq=1 (EPERM: Operation not permitted)\n"), "\(result)")
        #expect(result.output.contains("6 packets transmitted, 6 received, 0% packet loss"), "\(result)")
        #expect(result.output.contains("3 not sent (EPERM)"), "\(result)")
        #expect(result.status == 0)
    }

    @Test func whatDoesNotLeaveThisHostIsNoLoss() throws {
        let lab = try NamespaceLab("a")
        let result = try lab["a"].run { try ToolCommand("swping", "-c", "2", "-i", "0.01", "203.0.113.1").run() }
        #expect(result.errors == "swping: not sent: icmp_seq=1 (ENETUNREACH: Network is unreachable)\n")
        #expect(result.output.contains("0 packets transmitted, 0 received\n2 not sent (ENETUNREACH)"))
        #expect(result.status == 2)
    }
}
