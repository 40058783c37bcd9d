import ProbeReports
import TestSupport
import Testing

/// Each odd reply that a network can give, once for each probe: it counts as what it is, and as nothing else.
@Suite(
    .waiting,
    .enabled(if: NamespaceLab.isAvailable && NamespaceLab.hasTun, "needs root, ip(8) and /dev/net/tun"))
struct OddReplyTests {
    /// What three probes are counted as; a duplicate of the last may come after the end.
    struct Counts: Equatable, Sendable {
        var received: Int64 = 0
        var late: Int64 = 0
        var corrupted: Int64 = 0
        var wrongSource: Int64 = 0
        var hasDuplicates = false

        static let lost = Counts()
    }

    /// How probes go out, and what comes back for those that are nobody's.
    enum Rung: CaseIterable {
        case raw, ping, udp

        var arguments: [String] {
            switch self {
            case .raw: []
            case .ping: ["--rung", "ping"]
            case .udp: ["--udp"]
            }
        }
    }

    /// One target for each kind of reply, over both versions; the last is honest.
    static let replies = [
        "duplicate 1", "late 450ms", "truncated", "wrong-checksum", "wrong-source", "unknown-sequence", "other-code",
        "overlong", "empty", "forged-time", "wrong-identifier", "",
    ]

    static let scenario =
        "source 10.0.0.1 fd00::1\n"
        + replies.enumerated().map { index, reply in
            "target 10.0.9.\(index + 1) fd00:9::\(String(index + 1, radix: 16)) via source udp 7 echo"
                + (reply.isEmpty ? "" : " hostile \(reply)")
        }.joined(separator: "\n")

    static func counts(of reply: String, _ rung: Rung, isV4: Bool) -> Counts {
        switch reply {
        case "",
            "other-code" where rung == .udp, "wrong-identifier" where rung == .udp:
            Counts(received: 3)
        case "duplicate 1": Counts(received: 3, hasDuplicates: true)
        case "late 450ms": Counts(late: 3)
        // A datagram without payload names no probe.
        case "empty" where rung == .udp: .lost
        case "truncated", "overlong", "empty": Counts(corrupted: 3)
        // Only raw IPv4 sockets see it.
        case "wrong-checksum": rung == .raw && isV4 ? Counts(corrupted: 3) : .lost
        case "wrong-source": Counts(wrongSource: 3)
        default: .lost
        }
    }

    @Test("Each counts as what it is", arguments: Rung.allCases)
    func counters(_ rung: Rung) throws {
        let network = try HostileNetwork(Liar([.honest], seed: 1), Self.scenario)
        let numbers = Self.replies.indices.map { $0 + 1 }
        let hosts = numbers.map { "10.0.9.\($0)" } + numbers.map { "fd00:9::\(String($0, radix: 16))" }
        let lines = try ping(network, rung, hosts)
        for (index, host) in hosts.enumerated() {
            let reply = Self.replies[index % Self.replies.count]
            let summary = try #require(lines.first { $0["type"].text == "summary" && $0["address"].text == host })
            let expected = Self.counts(of: reply, rung, isV4: index < Self.replies.count)
            #expect(Self.counts(summary) == expected, "\(reply): \(host)")
        }
        let total = try #require(lines.last)
        // Three times over each version: forged time; over UDP no payload, else unknown sequence and other code. (Over UDP
        // the sequence would be a port, and that answer goes to no socket.)
        #expect(total["unsolicited"].integer == (rung == .udp ? 12 : 18))
        #expect(total["transmitted"].integer == Int64(hosts.count) * 3)
        // A raw ICMPv6 socket reports a wrong checksum as a drop.
        #expect(total["dropped_here"].integer == (rung == .raw ? 3 : 0))
    }

    @Test("One octet changed, and the checksum made right", arguments: Rung.allCases)
    func changedOctet(_ rung: Rung) throws {
        let network = try HostileNetwork(Liar([.octet], seed: 1), Self.scenario)
        let lines = try ping(network, rung, ["10.0.9.12", "fd00:9::c"])
        for line in lines where line["type"].text == "summary" {
            #expect(Self.counts(line) == Counts(corrupted: 3))
        }
        let faults = lines.filter { $0["type"].text == "corrupted" }
        #expect(faults.count == 6)
        for fault in faults {
            #expect(fault["offset"].integer == 16 && fault["expected"].integer == 16 && fault["found"].integer == 0)
        }
    }

    private func ping(_ network: HostileNetwork, _ rung: Rung, _ hosts: [String]) throws -> [JSONValue] {
        var command = ToolCommand("swping", "--json", "-n", "-c", "3", "-i", "0.2", "-W", "0.2")
        command.arguments += rung.arguments + hosts
        let (result, _) = try network.run(command)
        #expect(result.status == 1)
        return try result.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    }

    private static func counts(_ summary: JSONValue) -> Counts {
        func number(_ name: String) -> Int64 { summary[name].integer ?? -1 }
        #expect(number("transmitted") == 3 && number("errors") == 0 && number("unsent") == 0)
        #expect(number("received") + number("late") + number("lost") == 3 && number("in_flight") == 0)
        return Counts(
            received: number("received"), late: number("late"), corrupted: number("corrupted"),
            wrongSource: number("wrong_source"), hasDuplicates: (2...3).contains(number("duplicates")))
    }
}
