import Glibc
import LinuxSockets
import TestSupport
import Testing

/// Names of swping: asked again, over both versions, in other alphabets; and addresses with zones.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct NameTests {
    /// Names come from this file only: the name server is this host, where nobody is one.
    private static func command(_ hosts: String, _ arguments: String...) -> ToolCommand {
        var command = ToolCommand("swping")
        command.arguments = arguments
        command.files = ["/etc/hosts": hosts, "/etc/resolv.conf": "nameserver 127.0.0.1\n"]
        return command
    }

    /// Writes what one process sees as its hosts file.
    private static func write(_ hosts: String, as process: Int32) throws {
        let opened = unsafe open("/proc/\(process)/root/etc/hosts", O_WRONLY | O_TRUNC | O_CLOEXEC)
        try #require(opened >= 0)
        let file = FileDescriptor(owning: opened)
        let bytes = Array(hosts.utf8)
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file.rawDescriptor, $0.baseAddress, $0.count) }
        try #require(count == bytes.count)
    }

    @Test func aNewAddressIsAskedFromThenOn() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let command = Self.command("10.0.2.2 h.example\n", "--resolve-every", "1", "-n", "-i", "0.2", "h.example")
        let result = try lab["a"].run {
            var child = try command.start()
            try child.wait(forOutput: { $0.contains("from 10.0.2.2: icmp_seq=1 ") })
            try Self.write("10.0.2.1 h.example\n", as: child.processID)
            try child.wait(forOutput: { $0.contains("64 bytes from 10.0.2.1: ") })
            // Another failure of the same kind a second later would be told, were it told twice.
            try Self.write("10.0.2.1 other.example\n", as: child.processID)
            try child.waitForErrors { $0.contains("\n") }
            try Self.write("10.0.2.1 h.example\n10.0.2.2 h.example\nfd00:2::2 h.example\n", as: child.processID)
            child.signal(.interrupt)
            return try child.finish()
        }
        #expect(result.status == 0)
        let lines = result.output.split(separator: "\n")
        #expect(lines.filter { $0.contains(" is now ") } == ["h.example is now 10.0.2.1 (was 10.0.2.2)"])
        let change = try #require(lines.firstIndex { $0.contains(" is now ") })
        #expect(lines[..<change].dropFirst().allSatisfy { $0.contains("from 10.0.2.2: ") })
        #expect(result.output.contains(" 0% packet loss"))
        #expect(result.errors.hasPrefix("swping: unknown host 'h.example': "), "\(result.errors)")
        #expect(result.errors.hasSuffix("; still asking 10.0.2.1\n"))
    }

    @Test func aNewAddressIsALineOfJSON() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let command = Self.command("10.0.2.2 h.example\n", "-j", "--resolve-every", "1", "-i", "0.2", "h.example")
        let result = try lab["a"].run {
            var child = try command.start()
            try child.wait(forOutput: { $0.contains("\"type\":\"reply\"") })
            // Only the other version is left.
            try Self.write("fd00:2::2 h.example\n", as: child.processID)
            try child.wait(forOutput: { $0.contains("\"responder\":\"fd00:2::2\"") })
            child.signal(.interrupt)
            return try child.finish()
        }
        let lines = try jsonLines(result.output, schema: "swping")
        let change = try #require(lines.first { $0["type"].text == "address" })
        #expect(change["target"].text == "h.example")
        #expect(change["address"].text == "fd00:2::2")
        #expect(change["family"].text == "ipv6")
        #expect(change["from"].text == "10.0.2.2")
        #expect(change["to"].text == "fd00:2::2")
        let summary = try #require(lines.first { $0["type"].text == "summary" })
        #expect(summary["lost"].integer == 0)
        #expect(summary["wrong_source"].integer == 0)
        #expect(result.errors.isEmpty)
    }

    private static let both = "10.0.2.2 h.example\nfd00:2::2 h.example\n10.0.2.1 four.example\n"

    @Test func bothVersionsAreAskedSideBySide() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let result = try lab["a"].run {
            try Self.command(
                Self.both, "--dual", "-n", "-c", "3", "-i", "0.02", "h.example", "four.example", "10.0.2.2"
            ).run()
        }
        #expect(result.status == 0)
        #expect(
            result.errors
                == "swping: four.example has no IPv6 address: asking four.example over IPv4 only\n")
        let lines = result.output.split(separator: "\n")
        #expect(
            lines.prefix(4) == [
                "PING h.example (IPv4) (10.0.2.2) 56(84) bytes of data.",
                "PING h.example (IPv6) (fd00:2::2) 56 data bytes",
                "PING four.example (10.0.2.1) 56(84) bytes of data.",
                "PING 10.0.2.2 (10.0.2.2) 56(84) bytes of data.",
            ])
        #expect(lines.contains("--- h.example (IPv6) ping statistics ---"))
        #expect(
            lines.last?.wholeMatch(
                of: /h\.example: .*(faster|equally fast) \(p50\), loss 0% \/ 0% \(IPv4 \/ IPv6\)/) != nil,
            "\(result.output)")
    }

    @Test func bothVersionsAreTargetsOfOneNameInJSON() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        let result = try lab["a"].run {
            try Self.command(Self.both, "--dual", "-j", "-c", "1", "h.example").run()
        }
        #expect(result.status == 0)
        let summaries = try jsonLines(result.output, schema: "swping").filter { $0["type"].text == "summary" }
        #expect(summaries.map { $0["target"].text } == ["h.example", "h.example"])
        #expect(summaries.map { $0["family"].text } == ["ipv4", "ipv6"])
        #expect(summaries.map { $0["received"].integer } == [1, 1])
    }

    /// A name beyond ASCII is asked for in its form of the DNS, whatever the locale.
    @Test(arguments: ["b\u{fc}cher.example", "B\u{dc}CHER.example", "xn--bcher-kva.example"])
    func namesOfOtherAlphabetsResolve(name: String) throws {
        let lab = try NamespaceLab("a")
        let result = try lab["a"].run {
            try Self.command("127.0.0.5 xn--bcher-kva.example\n", "-n", "-c", "1", name).run()
        }
        if result.status == 2 {
            // Without its library the C library says so, and so do we.
            #expect(result.errors.contains("give its ASCII form, which begins with xn--"), "\(result.errors)")
        } else {
            #expect(result.output.hasPrefix("PING \(name) (127.0.0.5) "))
            #expect(result.status == 0)
        }
    }

    @Test(arguments: ["raw", "ping", "udp"])
    func zonesAreNamesOrIndexes(rung: String) throws {
        let lab = try NamespaceLab.chain("a", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let (address, index) = try (
            lab["b"].run {
                try Interface.all().first { $0.name == "a" }?.addresses.map { "\($0.address.withoutZone)" }
                    .first { $0.hasPrefix("fe80:") }
            }, lab["a"].run { try Interface.index(named: "b") }
        )
        let peer = try #require(address)
        for zone in ["b", "\(index)"] {
            let result = try lab["a"].run {
                try ToolCommand("swping", "--rung", rung, "-n", "-c", "1", "\(peer)%\(zone)").run()
            }
            #expect(result.output.hasPrefix("PING \(peer)%\(zone) (\(peer)%b) "), "\(result)")
            #expect(result.output.contains(" from \(peer)%b: "), "\(result)")
            #expect(result.status == 0)
        }
        let unknown = try lab["a"].run { try ToolCommand("swping", "\(peer)%c").run() }
        #expect(unknown.errors == "swping: '\(peer)%c': there is no interface 'c'\n")
    }
}
