import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import TestSupport
import Testing

/// Path MTU discovery over the real kernel: links of several sizes, routers that keep quiet, every rung.
@Suite(
    .enabled(if: NamespaceLab.isAvailable && hasProgram("nft"), "needs root, ip(8) and nft(8)"), .serialized)
struct PathMTUKernelTests {
    struct Way: Sendable, CustomTestStringConvertible {
        var rung: Rung
        var method: ProbeMethod
        var version: IPVersion
        var testDescription: String { "\(rung) \(method) \(version)" }
    }

    private static let ways: [Way] = [IPVersion.v4, .v6].flatMap { version in
        [
            Way(rung: .raw, method: .udp(destinationPort: 33_434), version: version),
            Way(rung: .udp, method: .udp(destinationPort: 33_434), version: version),
            Way(rung: .raw, method: .icmpEcho, version: version),
            Way(rung: .ping, method: .icmpEcho, version: version),
        ]
    }

    /// a - r1 - r2 - r3 - b, with 1,400 octets between r2 and r3.
    private static func chain() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        try lab["r2"].exec("ip", "link", "set", "dev", "r3", "mtu", "1400")
        try lab["r3"].exec("ip", "link", "set", "dev", "r2", "mtu", "1400")
        return lab
    }

    private static func target(_ way: Way) -> IPAddress {
        way.version == .v4 ? .v4(IPv4Address(10, 0, 4, 2)) : .v6(IPv6Address(high: 0xfd00_0004_0000_0000, low: 2))
    }

    private static func router(_ number: Int, _ way: Way) -> IPAddress {
        way.version == .v4
            ? .v4(IPv4Address(10, 0, UInt8(number), 2))
            : .v6(IPv6Address(high: 0xfd00_0000_0000_0000 | UInt64(number) << 32, low: 2))
    }

    @Test("A router says so, and says so again: what the kernel has learnt does not matter", arguments: ways)
    func announced(way: Way) throws {
        let lab = try Self.chain()
        for _ in 1...2 {
            let result = try lab["a"].run { try discover(way) }
            #expect(
                result.drops == [
                    PathMTUDrop(size: 1_400, after: 2, before: 3, evidence: .announced(by: Self.router(2, way)))
                ])
            #expect(result.size == 1_400 && result.isWholePath && result.isComplete && result.falseClaims.isEmpty)
            #expect(result.firstSize == 1_500)
            // A socket that asks the kernel to find it out teaches it.
            #expect(try lab["a"].run { try Self.learn(Self.target(way)) } == 1_400)
        }
    }

    @Test("A black hole is found, its size and its place", arguments: ways)
    func blackHole(way: Way) throws {
        let lab = try Self.chain()
        try Self.silence(lab["r2"])
        for _ in 1...2 {
            let result = try lab["a"].run { try discover(way) }
            #expect(result.drops.map { [$0.size, $0.after, $0.before] } == [[1_400, 2, 3]])
            #expect(result.blackHoles.count == 1)
            #expect(result.size == 1_400 && result.isWholePath && result.isComplete)
        }
    }

    @Test("A second, smaller link behind a black hole", arguments: ways)
    func several(way: Way) throws {
        let lab = try Self.chain()
        try Self.silence(lab["r2"])
        try lab["r3"].exec("ip", "link", "set", "dev", "b", "mtu", "1300")
        try lab["b"].exec("ip", "link", "set", "dev", "r3", "mtu", "1300")
        let result = try lab["a"].run { try discover(way) }
        #expect(
            result.drops == [
                PathMTUDrop(size: 1_400, after: 2, before: 3, evidence: .silence),
                PathMTUDrop(size: 1_300, after: 3, before: 4, evidence: .announced(by: Self.router(3, way))),
            ])
        #expect(result.size == 1_300)
    }

    @Test("This host's own link takes less than was begun with", arguments: ways)
    func local(way: Way) throws {
        let lab = try Self.chain()
        let result = try lab["a"].run { try discover(way, firstSize: 2_000) }
        #expect(
            result.drops == [
                PathMTUDrop(size: 1_500, after: 0, before: 1, evidence: .local),
                PathMTUDrop(size: 1_400, after: 2, before: 3, evidence: .announced(by: Self.router(2, way))),
            ])
        #expect(result.falseClaims.isEmpty)
    }

    @Test("Nothing is in the way", arguments: ways)
    func nothing(way: Way) throws {
        let lab = try NamespaceLab.chain("a", "r1", "r2", "r3", "b", mtu: 9_000)
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        let result = try lab["a"].run { try discover(way) }
        #expect(result.drops.isEmpty && result.size == 9_000 && result.isWholePath)
    }

    @Test(
        "The interface's MTU stays what it is when the kernel learns that of the path", arguments: [IPVersion.v4, .v6])
    func interface(version: IPVersion) throws {
        let way = Way(rung: .raw, method: .icmpEcho, version: version)
        let lab = try Self.chain()
        try lab["a"].run {
            #expect(try Self.learn(Self.target(way)) == 1_400)
            var transport = try open(way)
            #expect(try transport.interfaceMTU(to: Self.target(way)) == 1_500)
            #expect(try transport.interfaceMTU(to: version == .v4 ? .v4(.loopback) : .v6(.loopback)) == 65_536)
        }
    }

    /// The errors by which path MTU discovery lives do not leave this node.
    private static func silence(_ node: NamespaceLab.Node) throws {
        for command in [
            ["add", "table", "inet", "quiet"],
            ["add", "chain", "inet", "quiet", "out", "{ type filter hook output priority 0 ; }"],
            ["add", "rule", "inet", "quiet", "out", "icmp", "code", "frag-needed", "drop"],
            ["add", "rule", "inet", "quiet", "out", "icmpv6", "type", "packet-too-big", "drop"],
        ] {
            try node.run { _ = try runSuccessfully(["nft"] + command) }
        }
    }

    /// Lets the kernel find the path MTU out for itself, by sending until it refuses, and returns what it says then.
    private static func learn(_ target: IPAddress) throws -> Int {
        let socket = try Socket(family: target.version == .v4 ? .inet : .inet6, type: .datagram)
        try socket.set(.pathMTUDiscovery, to: .always)
        try socket.set(.receiveErrors, to: true)
        try socket.connect(to: SocketAddress(target, port: 33_434))
        let datagram = [UInt8](repeating: 0, count: 1_452)
        for _ in 0..<10_000 {
            let known = try socket.value(of: .routeMTU)
            guard known > 1_400 else { return known }
            // What is refused was too long by what the kernel had learnt a moment before.
            _ = try? socket.send(datagram)
        }
        return try socket.value(of: .routeMTU)
    }

    private func open(_ way: Way, longest: Int = 9_000) throws -> ProbeTransport {
        var request = TransportRequest(method: way.method)
        request.versions = [way.version]
        request.payloadLength = longest
        request.dontFragment = true
        request.highestRung = way.rung
        return try TransportSelection.open(request, identity: try .random()).take()
    }

    private func discover(_ way: Way, firstSize: Int? = nil) throws -> PathMTUResult {
        let target = Self.target(way)
        var configuration = PathTrace.Configuration(destination: target)
        configuration.method = way.method
        configuration.maximumWait = .milliseconds(500)
        var rows: [PathHop] = []
        var loop = try ProbeLoop(PathTrace(configuration), over: try open(way))
        try run(&loop) { event in if case .hop(let row) = event { rows.append(row) } }
        var transport = try open(way)
        #expect(transport.rung == way.rung)
        let interfaceSize = try transport.interfaceMTU(to: target)
        let trace = loop.measurement
        #expect(trace.isReached)
        let search = PathMTU(
            PathMTU.Configuration(
                after: configuration, rows: rows, destinationHop: trace.lastHop,
                firstSize: firstSize ?? interfaceSize))
        var mtuLoop = try ProbeLoop(search, over: transport)
        try run(&mtuLoop) { _ in }
        return mtuLoop.measurement.result
    }

    private func run<Subject: Measurement>(
        _ loop: inout ProbeLoop<Subject>, _ take: (Subject.Event) -> Void
    ) throws {
        let signals = try SignalDescriptor([])
        let nothing = try WakeDescriptor()
        try loop.run(
            signals: signals, other: nothing, onEvent: { event, _ in take(event) }, onSignal: { _, _ in },
            onOther: { _ in }, afterBatch: { true })
    }
}
