import TestSupport
import Testing

/// swping beside ping in one network: the same lines, but for times.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && hasProgram("ping"), "needs root, ip(8) and ping(8)"
    )
)
struct PingComparisonTests {
    /// Command lines that both understand. 10.0.2.8 is silent, 10.0.2.9 is told to be unreachable; host 2 is there.
    static let commands = [
        "-c 2 -i 0.2 10.0.2.2", "-nc2 -i.2 fd00:2::2", "-c2 -i0.2 -D 10.0.2.2", "-q -c 2 -i 0.2 10.0.2.2",
        "-O -c 3 -i 0.2 -W 0.2 10.0.2.8", "-O -D -q -c 3 -i 0.2 -W 0.2 10.0.2.8", "-c 1 10.0.2.9", "-c 1 fd00:2::9",
        "-c 2 -i 0.2 -t 1 10.0.2.2", "-t1 -c1 fd00:2::2", "-U -c 2 -i 0.2 10.0.2.2", "-a -c 2 -i 0.2 10.0.2.2",
        "-c 2 -i 0.2 -R 10.0.2.2", "-c 2 -i 0.2 -T tsonly 10.0.2.2", "-c 1 -R -D -a 10.0.2.2",
        "-c 1 -p deadbeef 10.0.2.2",
        "-A -c 5 10.0.2.2", "-l 3 -c 4 -i 0.2 10.0.2.2", "-f -q -c 5 10.0.2.2", "-q -c 1 -p ff 10.0.2.2",
        "-c 1 -I r 10.0.2.2", "-c 1 -I fd00:1::1 fd00:2::2", "-c1 -B fd00:2::2",
        "-c 1 -s 2000 10.0.2.2", "-c 1 -s 2000 fd00:2::2", "-qUnDOc2 -i.2 10.0.2.2", "-c 1 10.0.2.7",
    ]

    @Test("The lines are ping's", arguments: commands)
    func lines(_ command: String) throws {
        try compare(try Self.lab(), command)
    }

    /// A dot for a probe, a mark in its place for what came back; how they mix depends on the scheduler, and whether all
    /// come back on what else this machine floods.
    @Test(arguments: ["-f -c 20 10.0.2.2", "-f -c 5 -t 1 10.0.2.2", "-f -c 5 fd00:2::2"])
    func aFloodLeavesPingsMarks(command: String) throws {
        let lab = try Self.lab()
        let (ours, theirs) = try lab["a"].run { try outputs(command) }
        for text in [ours.output, theirs.output] {
            let line = text.split(separator: "\n").dropFirst().first ?? ""
            let counts = text.firstMatch(of: #/([0-9]+) packets transmitted, ([0-9]+) received(, \+([0-9]+) errors)?/#)
            let (received, errors) = (
                counts.flatMap { Int($0.2) } ?? 0, counts.flatMap { $0.4 }.flatMap { Int($0) } ?? 0
            )
            #expect(line.count { $0 == "." } == counts.flatMap { Int($0.1) })
            #expect(line.ranges(of: "\u{8} \u{8}").count == received && line.ranges(of: "\u{8}E").count == errors)
            #expect(received + errors > 0, "\(text)")
        }
    }

    /// The octet that differs and all of the payload, where the responder changes one.
    @Test(.enabled(if: hasProgram("nft"), "needs nft(8)")) func damagedBytesAreShownAsPingDoes() throws {
        let lab = try Self.lab()
        try lab["b"].exec("nft", "add table ip damage; add chain ip damage out { type filter hook output priority 0; }")
        // Two words of the payload change places, behind the eight octets of the ICMP header: the checksum stays right.
        try lab["b"].exec(
            "nft", "add rule ip damage out icmp type echo-reply @th,304,16 set 0x2021 @th,320,16 set 0x1e1f")
        for command in ["-c 1 -W 0.5 10.0.2.2", "-c 1 -W 0.5 -s 100 10.0.2.2"] {
            let (ours, theirs) = try lab["a"].run { try outputs(command) }
            func damage(_ text: String) -> [Substring] {
                text.split(separator: "\n").filter { $0.hasPrefix("wrong data byte") || $0.hasPrefix("#") }
            }
            #expect(damage(ours.output) == damage(theirs.output))
            #expect(damage(ours.output).first == "wrong data byte #30 should be 0x1e but was 0x20")
        }
    }

    /// Names of routers too, and in the first line already.
    @Test func namesStandInEachLine() throws {
        let lab = try Self.lab()
        var command = ToolCommand("swping", "-t", "1", "-c", "2", "-i", "0.2", "target.test")
        command.files = [
            "/etc/hosts": "10.0.2.2 target.test\n10.0.1.2 router.test\n", "/etc/resolv.conf": "nameserver 127.0.0.1\n",
        ]
        let lines = try lab["a"].run { try command.run().output }.split(separator: "\n")
        #expect(
            lines.prefix(3) == [
                "PING target.test (10.0.2.2) 56(84) bytes of data.",
                "From router.test (10.0.1.2) icmp_seq=1 Time to live exceeded",
                "From router.test (10.0.1.2) icmp_seq=2 Time to live exceeded",
            ])
        // An address is answered by an address, unless names are asked for.
        for (option, line) in [("-n", "64 bytes from 10.0.2.2: "), ("-H", "64 bytes from target.test (10.0.2.2): ")] {
            command.arguments = [option, "-c", "1", "10.0.2.2"]
            #expect(try lab["a"].run { try command.run().output }.contains("\n\(line)icmp_seq=1 "))
        }
    }

    @Test(arguments: ["10.0.2.2", "fd00:2::2"])
    func whatIsTooLongIsALocalError(address: String) throws {
        let lab = try Self.lab()
        let (ours, theirs) = try lab["a"].run { try outputs("-M do -c 1 -s 3000 \(address)") }
        #expect(ours.errors == "sw" + theirs.errors)
        #expect(ours.errors.hasPrefix("swping: local error: message too long, mtu"))
        #expect(ours.output.contains("\n1 not sent (EMSGSIZE)\n"))
    }

    /// The MTU is that of the way which the mark chooses.
    @Test func whatIsTooLongForAMarkIsALocalError() throws {
        let lab = try Self.lab()
        try lab["a"].exec("ip", "rule", "add", "fwmark", "7", "table", "77")
        try lab["a"].exec(
            "ip", "route", "add", "10.0.2.2", "via", "10.0.1.2", "mtu", "lock", "1300", "table", "77")
        let ours = try lab["a"].run { try ToolCommand("swping", "-m", "7", "-Mdo", "-c1", "-s1400", "10.0.2.2").run() }
        #expect(ours.errors == "swping: local error: message too long, mtu=1300\n", "\(ours)")
    }

    @Test func theLineOfQuitIsPings() throws {
        let lab = try Self.lab()
        let forms = try ["ping", ToolCommand("swping").path].map { program in
            try lab["a"].run {
                var child = try ChildProcess([program, "-i", "0.2", "10.0.2.2"])
                try child.wait(forOutput: { $0.contains("icmp_seq=2 ") })
                child.signal(.quit)
                try child.waitForErrors { $0.contains("\n") }
                let line = String(decoding: child.errors, as: UTF8.self)
                child.signal(.interrupt)
                _ = try child.finish()
                return line.replacing(#/[0-9]+/[0-9]+ packets/#, with: "N/N packets")
                    .replacing(#/[0-9]+\.[0-9]{3}/#, with: "T")
            }
        }
        #expect(forms[0] == forms[1])
        #expect(forms[1] == "\rN/N packets, 0% loss, min/avg/ewma/max = T/T/T/T ms\n")
    }

    // MARK: Helpers

    private static func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["r"].exec("ip", "route", "add", "blackhole", "10.0.2.8/32")
        try lab["r"].exec("ip", "route", "add", "unreachable", "10.0.2.9/32")
        try lab["r"].exec("ip", "route", "add", "prohibit", "10.0.2.7/32")
        try lab["r"].exec("ip", "-6", "route", "add", "unreachable", "fd00:2::9/128")
        return lab
    }

    private func compare(_ lab: NamespaceLab, _ command: String) throws {
        let (ours, theirs) = try lab["a"].run { try outputs(command) }
        #expect(ours.status == theirs.status)
        #expect(
            Self.normalised(ours.output, isOurs: true) == Self.normalised(theirs.output, isOurs: false),
            "\(ours.output)\(theirs.output)")
    }

    private func outputs(_ command: String) throws -> (ours: CommandResult, theirs: CommandResult) {
        let arguments = command.split(separator: " ").map(String.init)
        let theirs = try run(["ping"] + arguments)
        var tool = ToolCommand("swping")
        tool.arguments = arguments
        return (try tool.run(), theirs)
    }

    /// Without times, and without what is ours alone: the rows below the round trips. Where there are none, ping ends
    /// with an empty line; releases before 2024 leave out the blank behind a name over IPv6.
    private static func normalised(_ text: String, isOurs: Bool) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var line = String(line)
            line.replace(#/^\[[0-9]+\.[0-9]{6}\] /#, with: "[NOW] ")
            line.replace(#/time=[0-9.]+ ms/#, with: "time=T ms")
            line.replace(#/, time [0-9]+ms$/#, with: ", time T")
            line.replace(#/[0-9]+\.[0-9]{3}/#, with: "T")
            // How deep an adaptive run gets is the scheduler's business.
            line.replace(#/, pipe [0-9]+/#, with: "")
            line.replace(#/\t[0-9]+ absolute/#, with: "\tN absolute")
            line.replace(#/\t-?[0-9]+$/#, with: "\tN")
            if line.hasPrefix("PING "), !line.contains(" (") { line.replace("(", with: " (", maxReplacements: 1) }
            return line
        }
        if isOurs {
            lines.removeAll { line in
                line.contains(", clock ") || line.hasSuffix(" missed slots")
                    || ["clock ", "ipdv ", "pdv ", "host delay "].contains { line.hasPrefix($0) }
            }
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }
}
