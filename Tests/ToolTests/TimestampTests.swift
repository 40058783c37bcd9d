import Glibc
import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// `swping --icmp-timestamp` against the clock of the real kernel, which is this host's own.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct TimestampTests {
    private func swping(_ lab: NamespaceLab, _ arguments: [String], userID: UInt32? = nil) throws -> CommandResult {
        var command = ToolCommand("swping")
        command.arguments = ["--icmp-timestamp"] + arguments
        command.userID = userID
        let command0 = command
        return try lab["a"].run { try command0.run() }
    }

    @Test func linesHaveBothWays() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let result = try swping(lab, ["-c", "5", "-i", "0.01", "10.0.2.2"])
        #expect(result.status == 0 && result.errors.isEmpty)
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "PING 10.0.2.2 (10.0.2.2) ICMP timestamp, 12(40) bytes of data.")
        // The first answer may come before the kernel stamps what arrives.
        #expect(lines[1].hasPrefix("20 bytes from 10.0.2.2: icmp_seq=1 ttl=63 time="))
        for line in lines[2...5] {
            #expect(
                line.wholeMatch(
                    of:
                        /20 bytes from 10\.0\.2\.2: icmp_seq=[0-9] ttl=63 time=[0-9.]+ ms fwd=[0-9.]+ ret=[0-9.]+ ms \+\/- [0-9.]+/
                ) != nil, "\(line)")
        }
        #expect(result.output.contains("5 packets transmitted, 5 received, 0% packet loss"))
        #expect(result.output.contains("\none-way: forward "))
    }

    /// Namespaces share one clock: no offset and no skew is the truth.
    @Test func theTruthLiesWithinWhatIsSaid() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let result = try swping(lab, ["--json", "-c", "50", "-i", "0.01", "10.0.2.2"])
        #expect(result.status == 0)
        let lines = try jsonLines(result.output, schema: "swping")
        let summary = try #require(lines.first { $0["type"] == .string("summary") })
        let direction = summary["direction"]
        let (offset, room) = (direction["offset_ns"].integer, direction["offset_uncertainty_ns"].integer)
        #expect(try abs(#require(offset)) <= #require(room), "\(direction)")
        #expect(direction["remote_clock"] == .string("standard") && direction["restarts"].integer == 0)
        for reply in lines where reply["type"] == .string("reply") && reply["clock"] == .string("kernel") {
            let (there, back) = (reply["forward_ns"].integer ?? -1, reply["return_ns"].integer ?? -1)
            let trip = try #require(reply["rtt_ns"].integer)
            #expect((0...trip).contains(there) && (0...trip).contains(back), "\(reply)")
        }
    }

    @Test(.enabled(if: hasProgram("nft"), "needs nft(8)"))
    func aFirewallThatLetsOnlyPingThroughIsHintedAt() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["b"].exec(
            "nft", "table ip t { chain i { type filter hook input priority 0; icmp type timestamp-request drop; }; }")
        let result = try swping(lab, ["-c", "2", "-i", "0.01", "-W", "0.1", "10.0.2.2"])
        #expect(result.status == 1)
        #expect(
            result.output.hasSuffix("no answer; many hosts and firewalls ignore ICMP timestamp requests\n"),
            "\(result)")
        let echo = try lab["a"].run { try ToolCommand("swping", "-c", "1", "10.0.2.2").run() }
        #expect(echo.status == 0)
    }

    /// A router's error quotes a timestamp request, which is as much ours as an echo request.
    @Test func errorsAreOurs() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let result = try swping(lab, ["-c", "1", "-t", "1", "-W", "0.2", "10.0.2.2"])
        #expect(result.output.contains("From 10.0.1.2 icmp_seq=1 Time to live exceeded\n"), "\(result)")
        #expect(result.status == 1)
    }

    @Test(.enabled(if: ToolCommand.canChangeUser, "needs setpriv(1)"), arguments: ["0 2147483647", "1 0"])
    func withoutRawSocketsItIsRefusedByName(range: String) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].set("net.ipv4.ping_group_range", range)
        let tool = try InstalledTool("swping")
        var command = ToolCommand(tool, "--icmp-timestamp", "-c", "1", "127.0.0.1")
        command.userID = 65_534
        let command0 = command
        let result = try lab["a"].run { try command0.run() }
        #expect(result.status == 2 && result.output.isEmpty)
        #expect(
            result.errors.hasPrefix("swping: option --icmp-timestamp: needs raw sockets (raw: EPERM; "),
            "\(result.errors)")
        #expect(result.errors.contains("run it as root"))
    }

    @Test(arguments: [
        (["--udp"], "--udp"), (["-6"], "-6"), (["--rung", "ping"], "--rung ping"), (["-s", "20"], "-s"),
        (["--port", "9"], "--port"),
    ])
    func whatItCantBeHadWithIsNamed(arguments: [String], name: String) throws {
        var command = ToolCommand("swping", "--icmp-timestamp")
        command.arguments += arguments + ["127.0.0.1"]
        let result = try command.run()
        #expect(result.status == 2 && result.output.isEmpty)
        #expect(
            result.errors == "swping: options --icmp-timestamp and \(name) exclude each other (see swping --help)\n")
    }

    @Test func addressesOfIPv6AreRefused() throws {
        let result = try ToolCommand("swping", "--icmp-timestamp", "-c", "1", "127.0.0.1", "::1").run()
        #expect(result.status == 2 && result.output.isEmpty)
        #expect(
            result.errors == "swping: option --icmp-timestamp: ICMP has timestamps over IPv4 only, not to ::1\n")
    }

    /// The demo's server is 340 ms ahead, and behind a way back of its own.
    @Test(.enabled(if: NamespaceLab.hasTun, "needs /dev/net/tun"))
    func theLabHasClocksToFindOut() throws {
        let result = try ToolCommand(
            "swlab", "run", "demo", "--", ToolCommand("swping").path, "--icmp-timestamp", "--json", "-c", "20", "-i",
            "0.05", "10.0.9.9"
        ).run()
        #expect(result.status == 0, "\(result.errors)")
        let summary = try #require(
            jsonLines(result.output, schema: "swping").first { $0["type"] == .string("summary") })
        let (offset, room) = (
            summary["direction"]["offset_ns"].integer, summary["direction"]["offset_uncertainty_ns"].integer
        )
        // A second of its skew is 18 us.
        #expect(try abs(#require(offset) - 340_000_000) <= #require(room) + 100_000, "\(summary)")
    }
}
