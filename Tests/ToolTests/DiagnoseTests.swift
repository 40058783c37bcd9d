import LinuxSockets
import ProbeReports
import TestSupport
import Testing

/// `swping --diagnose`: what works for whom, and what would help.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && InstalledTool.canHaveCapabilities,
        "needs root, ip(8), setpriv(1), setcap(8) and file capabilities that work"))
struct DiagnoseTests {
    private static let setcap = "run it as root, or once: sudo setcap cap_net_raw+p $(command -v swping)"
    private static let sysctl = "sudo sysctl net.ipv4.ping_group_range='0 2147483647'"

    private static func sockets(_ lines: [JSONValue], _ rung: String) throws -> [JSONValue] {
        let sockets = lines.filter { $0["topic"].text == "socket" && $0["name"].text == rung }
        #expect(sockets.map { $0["family"].text } == ["ipv4", "ipv6"])
        return sockets
    }

    private static func text(_ lines: [JSONValue], _ name: String) -> String? {
        lines.first { $0["name"].text == name && $0["topic"].text != "socket" }?["text"].text
    }

    @Test(arguments: Rights.allCases)
    func triesEachRungForReal(rights: Rights) throws {
        let lab = try NamespaceLab("a")
        let tool = try rights.install("swping")
        var command = try rights.command(tool, in: lab["a"])
        command.arguments = ["--diagnose", "--json"]
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        let lines = try jsonLines(result.output, schema: "swping")

        for socket in try Self.sockets(lines, "udp") { #expect(socket["verdict"].text == "works") }
        for socket in try Self.sockets(lines, "raw") {
            if rights.rung == "raw" {
                #expect(socket["verdict"].text == "works")
            } else {
                #expect(socket["verdict"].text == "refused")
                #expect(socket["errno"].text == "EPERM")
                let remedy = socket["remedy"].text ?? ""
                #expect(rights == .outOfBounds ? remedy.contains("--cap-add NET_RAW") : remedy == Self.setcap)
            }
        }
        for socket in try Self.sockets(lines, "ping") {
            if rights == .pingSockets {
                #expect(socket["verdict"].text == "works")
            } else {
                #expect(socket["verdict"].text == "refused")
                #expect(socket["errno"].text == "EACCES")
                #expect(socket["remedy"].text == Self.sysctl)
            }
        }
        for socket in lines where socket["verdict"].text == "works" && socket["topic"].text == "socket" {
            #expect(socket["rtt_ns"].integer.map { (1..<1_000_000_000).contains($0) } == true)
            #expect(socket["send_stamp"] == .boolean(true))
            #expect(socket["arrival_stamp"] == .boolean(true))
            #expect(["named", "counted"].contains(socket["stamp_keys"].text))
        }

        #expect(Self.text(lines, "best") == "swping uses \(rights.rung) sockets here, proven over IPv4 and IPv6")
        #expect(Self.text(lines, "user")?.hasPrefix(rights == .root ? "uid 0, " : "uid 65534, ") == true)
        let netRaw = [
            Rights.root: "permitted, effective, in the bounding set",
            .fileCapability: "permitted, not effective, in the bounding set",
            .pingSockets: "not permitted, not effective, in the bounding set",
            .nothing: "not permitted, not effective, in the bounding set",
            .outOfBounds: "not permitted, not effective, not in the bounding set",
        ]
        #expect(Self.text(lines, "cap_net_raw") == netRaw[rights])
        let hasFileCapability = rights == .fileCapability || rights == .outOfBounds
        #expect(
            Self.text(lines, "program")
                == (hasFileCapability ? "file capabilities cap_net_raw=p" : "no file capabilities"))
        #expect(
            Self.text(lines, "net.ipv4.ping_group_range")
                == (rights == .pingSockets ? "0 2147483647: holds your group 65534" : "1 0: shut for everybody"))
    }

    /// Root in a container that lacks the capability.
    @Test func aContainerWithoutTheCapabilityIsNamed() throws {
        let lab = try NamespaceLab("a")
        var command = ToolCommand("swping", "--diagnose")
        command.removedCapabilities = ["net_raw"]
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 0)
        #expect(result.output.contains("start the container with --cap-add NET_RAW"), "\(result.output)")
        #expect(result.output.contains("  best "))
    }

    /// The rung is granted, but nothing can be proven: loopback is down, or has no IPv6, or answers nobody.
    @Test func whatCannotBeProvenIsNotCalledWorking() throws {
        let lab = try NamespaceLab("a")
        let command = ToolCommand("swping", "--diagnose", "-j")
        try lab["a"].set("net.ipv6.conf.lo.disable_ipv6", "1")
        let withoutIPv6 = try jsonLines(try lab["a"].run { try command.run() }.output, schema: "swping")
        let raw = try Self.sockets(withoutIPv6, "raw")
        #expect(raw.map { $0["verdict"].text } == ["works", "unproven"])
        #expect(raw[1]["remedy"].text == "sudo sysctl net.ipv6.conf.lo.disable_ipv6=0")
        #expect(Self.text(withoutIPv6, "best") == "swping uses raw sockets here, proven over IPv4")

        try lab["a"].exec("ip", "link", "set", "lo", "down")
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 0)
        let down = try jsonLines(result.output, schema: "swping")
        #expect(try Self.sockets(down, "raw").map { $0["verdict"].text } == ["unproven", "unproven"])
        #expect(try Self.sockets(down, "raw").map { $0["remedy"].text }.first == "sudo ip link set lo up")
        #expect(Self.text(down, "best")?.hasSuffix("; loopback proves it for neither version") == true)
    }

    /// Its packets go to loopback and nowhere else.
    @Test func nothingLeavesThisHost() throws {
        let lab = try NamespaceLab.chain("a", "r", "b")
        // The kernel itself asks for routers and tells of its groups whenever it likes.
        try lab["a"].set("net.ipv6.conf.r.disable_ipv6", "1")
        try lab["r"].set("net.ipv6.conf.a.disable_ipv6", "1")
        let before = try lab["r"].exec("ip", "-s", "-j", "link", "show", "dev", "a")
        let result = try lab["a"].run { try ToolCommand("swping", "--diagnose").run() }
        #expect(result.status == 0)
        #expect(try lab["r"].exec("ip", "-s", "-j", "link", "show", "dev", "a") == before)
    }
}
