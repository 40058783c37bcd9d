import Glibc
import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// How much a process may do, from all to nothing.
enum Rights: String, CaseIterable, Sendable {
    case root
    case fileCapability
    case pingSockets
    case nothing
    /// The file has the capability, but the bounding set lacks it.
    case outOfBounds

    /// The best rung for ICMP.
    var rung: String {
        switch self {
        case .root, .fileCapability: "raw"
        case .pingSockets: "ping"
        case .nothing, .outOfBounds: "udp"
        }
    }

    /// Makes the command run with these rights in this node.
    func command(_ tool: InstalledTool, in node: NamespaceLab.Node) throws -> ToolCommand {
        try node.set("net.ipv4.ping_group_range", self == .pingSockets ? "0 2147483647" : "1 0")
        var command = ToolCommand(tool)
        if self != .root { command.userID = 65_534 }
        if self == .outOfBounds { command.removedCapabilities = ["net_raw"] }
        return command
    }

    func install(_ tool: String) throws -> InstalledTool {
        let has = self == .fileCapability || self == .outOfBounds
        return try InstalledTool(tool, fileCapabilities: has ? "cap_net_raw+p" : nil)
    }
}

/// The same answers with every right and with none, and no right left once the network is faced.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && InstalledTool.canHaveCapabilities,
        "needs root, ip(8), setpriv(1), setcap(8) and file capabilities that work"))
struct PrivilegeTests {
    @Test(arguments: Rights.allCases)
    func pingFindsTheSameTargetAlive(rights: Rights) throws {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        let tool = try rights.install("swping")
        var command = try rights.command(tool, in: lab["a"])
        // At the default pace, which a limit of ICMP errors leaves alone.
        command.arguments = ["-c", "3"] + (rights.rung == "udp" ? [] : ["-i", "0.01"]) + ["10.0.4.2", "fd00:4::2"]
        let command0 = command
        let result = try lab["a"].run { try command0.run() }
        #expect(result.status == 0, "\(rights): \(result)")
        for address in ["10.0.4.2", "fd00:4::2"] {
            let (words, label) = rights.rung == "udp" ? ("port unreachable", "udp_seq") : ("64 bytes", "icmp_seq")
            for number in 1...3 {
                #expect(
                    result.output.contains("\(words) from \(address): \(label)=\(number) ttl=61 time="),
                    "\(rights): \(result.output)")
            }
        }
        #expect(result.output.contains("\n6 packets transmitted, 6 received, 0% packet loss"), "\(result.output)")
        expectRungIsNamedOnce(rights.rung, result.errors, tool: "swping")
        command.arguments = ["-v", "-c", "1", "10.0.4.2"]
        let verbose = try lab["a"].run { try command.run() }
        if rights.rung == "raw" {
            #expect(verbose.errors == "swping: using raw sockets\n")
        } else {
            expectRungIsNamedOnce(rights.rung, verbose.errors, tool: "swping")
        }
    }

    @Test(arguments: Rights.allCases)
    func traceFindsTheSamePath(rights: Rights) throws {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        let tool = try rights.install("swtrace")
        var command = try rights.command(tool, in: lab["a"])
        for (address, hops) in [
            ("10.0.4.2", ["10.0.1.2", "10.0.2.2", "10.0.3.2", "10.0.4.2"]),
            ("fd00:4::2", ["fd00:1::2", "fd00:2::2", "fd00:3::2", "fd00:4::2"]),
        ] {
            command.arguments = ["-n", address]
            let result = try lab["a"].run { try command.run() }
            #expect(result.status == 0, "\(rights): \(result)")
            #expect(TraceRow.rows(of: result.output).map(\.responders) == hops.map { [$0] }, "\(result.output)")
            #expect(TraceRow.rows(of: result.output).allSatisfy { $0.times == 3 }, "\(result.output)")
            // UDP needs no ping sockets.
            expectRungIsNamedOnce(rights.rung == "raw" ? "raw" : "udp", result.errors, tool: "swtrace")

            guard rights.rung != "udp" else { continue }
            command.arguments = ["-n", "-I", address]
            let echo = try lab["a"].run { try command.run() }
            #expect(echo.status == 0, "\(rights): \(echo)")
            #expect(TraceRow.rows(of: echo.output).map(\.responders) == hops.map { [$0] }, "\(echo.output)")
            #expect(TraceRow.rows(of: echo.output).allSatisfy { $0.times == 3 }, "\(echo.output)")
            expectRungIsNamedOnce(rights.rung, echo.errors, tool: "swtrace")
        }
    }

    /// What a rung can't do is one line, not a trap or a silent other thing.
    @Test(arguments: [
        ("swtrace", ["-P", "253", "127.0.0.1"]), ("swtrace", ["-I", "127.0.0.1"]), ("swping", ["--icmp", "::1"]),
    ])
    func whatNeedsMoreRightsSaysSo(tool: String, arguments: [String]) throws {
        let lab = try NamespaceLab("a")
        let installed = try InstalledTool(tool)
        var command = try Rights.nothing.command(installed, in: lab["a"])
        command.arguments = arguments
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("raw: EPERM"), "\(result.errors)")
        #expect(result.errors.contains("cap_net_raw+p"), "\(result.errors)")
        #expect(result.errors.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
    }

    @Test(arguments: [Rights.root, .fileCapability, .pingSockets, .nothing])
    func noThreadKeepsACapability(rights: Rights) throws {
        let lab = try NamespaceLab("a")
        let tool = try rights.install("swping")
        var command = try rights.command(tool, in: lab["a"])
        command.arguments = ["-c", "100", "-i", "0.05", "127.0.0.1"]
        let command0 = command
        try lab["a"].run {
            var child = try command0.start()
            try child.wait(forOutput: { $0.contains("_seq=2 ") })
            let threads = try ThreadRights.ofAll(child.processID)
            #expect(!threads.isEmpty)
            for thread in threads { #expect(thread == .none) }
            child.signal(.interrupt)
            #expect(try child.finish().status == 0)
        }
    }

    /// The threads that ask for names start after the drop; here they wait for a name server that says nothing.
    @Test(arguments: [Rights.root, .fileCapability])
    func noThreadThatAsksForNamesKeepsACapability(rights: Rights) throws {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "b")
        try lab["b"].exec("ip", "route", "add", "blackhole", "10.9.9.9/32")
        let tool = try rights.install("swtrace")
        var command = try rights.command(tool, in: lab["a"])
        command.files = ["/etc/resolv.conf": "nameserver 10.9.9.9\n", "/etc/hosts": ""]
        // Silent from the third hop on, so that it runs for seconds more, however late this test looks.
        command.arguments = ["-q", "1", "-z", "0.3", "10.9.9.9"]
        let command0 = command
        try lab["a"].run {
            var child = try command0.start()
            try child.wait(forOutput: { $0.contains("\n 1 ") })
            let threads = try ThreadRights.ofAll(child.processID)
            #expect(threads.count > 1, "nobody asks for the name of the router")
            for thread in threads { #expect(thread == .none) }
            child.signal(.interrupt)
            #expect(try child.finish().status == 1)
        }
    }
}

/// One line that names the rung; nothing for raw.
func expectRungIsNamedOnce(_ rung: String, _ errors: String, tool: String) {
    switch rung {
    case "raw": #expect(errors.isEmpty)
    case "ping":
        #expect(errors.hasPrefix("\(tool): using ICMP datagram sockets (raw: EPERM)"))
        #expect(errors.filter { $0 == "\n" }.count == 1)
    default:
        #expect(errors.hasPrefix("\(tool): using UDP "))
        #expect(errors.contains("raw: EPERM"))
        #expect(errors.filter { $0 == "\n" }.count == 1, "\(errors)")
    }
}

/// What `/proc` says that a thread may do.
struct ThreadRights: Equatable {
    /// Inheritable, permitted, effective, ambient.
    var capabilities: [String]
    var noNewPrivileges: String

    static let none = ThreadRights(
        capabilities: Array(repeating: "0000000000000000", count: 4), noNewPrivileges: "1")

    /// All threads of a process, without those that end meanwhile.
    static func ofAll(_ processID: Int32) throws -> [ThreadRights] {
        let script = "for task in /proc/\(processID)/task/*; do cat $task/status 2>/dev/null && echo; done; true"
        return try runSuccessfully(["sh", "-c", script]).split(separator: "\n\n").map(ThreadRights.init(status:))
    }

    private init(status: Substring) {
        var fields: [Substring: String] = [:]
        for line in status.split(separator: "\n") {
            let words = line.split(separator: "\t", maxSplits: 1)
            if words.count == 2 { fields[words[0]] = String(words[1]) }
        }
        capabilities = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"].map { fields[$0] ?? "missing" }
        noNewPrivileges = fields["NoNewPrivs:"] ?? "missing"
    }

    private init(capabilities: [String], noNewPrivileges: String) {
        self.capabilities = capabilities
        self.noNewPrivileges = noNewPrivileges
    }
}
