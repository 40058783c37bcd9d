import LinuxSockets
import PacketFormats
import ProbeEngine
import TestSupport
import Testing

@testable import ProbeIO

/// TCP probes that connect, over routers of the real kernel.
@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"), .serialized)
struct ConnectTests {
    static let targets = ["10.0.3.2", "fd00:3::2"]

    @Test(arguments: targets, [80, 81] as [UInt16])
    func openAndClosedPortsAreTheEndOfThePath(address: String, port: UInt16) throws {
        let lab = try Self.chain()
        let listener = try Self.listen(lab["b"], IPAddress(address)!.version, port: 80)
        let trace = try lab["a"].run { try Self.trace(to: address, port: port) }
        #expect(trace.responders == Self.path(to: address))
        #expect(trace.result.isReached && trace.result.lastHop == 3)
        #expect(trace.answers.allSatisfy { $0.clock == .user && $0.roundTrip > .zero })
        let routers = trace.answers.filter { $0.kind == .timeExceeded }
        #expect(routers.count == 6)
        #expect(routers.allSatisfy { $0.hopLimit == ($0.responder.description.hasSuffix(":1::2") ? 64 : $0.hopLimit) })
        let flags: TCPHeader.Flags = port == 80 ? [.syn, .ack] : [.rst, .ack]
        #expect(trace.answers.filter { $0.kind == .reached }.allSatisfy { $0.flags == flags })
        // The connection was reset before the handshake was over.
        #expect(try listener.accept() == nil)
    }

    /// What remains in TIME_WAIT would be listed, and every socket that was not closed counted.
    @Test(arguments: targets)
    func nothingStaysBehind(address: String) throws {
        let lab = try Self.chain()
        let listener = try Self.listen(lab["b"], IPAddress(address)!.version, port: 80)
        for _ in 0..<20 {
            let trace = try lab["a"].run { try Self.trace(to: address, port: 80) }
            #expect(trace.responders == Self.path(to: address))
            #expect(try listener.accept() == nil)
        }
        try Self.expectNoSockets(lab["a"])
        for node in ["a", "b"] {
            #expect(try lab[node].exec("ss", "-Htan", "state", "connected") == "")
        }
    }

    /// Sixty hops with ten queries are more than there are sockets; those that wait for nothing are used again.
    @Test func moreProbesThanSocketsAreSent() throws {
        let lab = try Self.chain()
        try lab["r2"].exec("ip", "route", "add", "blackhole", "10.0.9.9/32")
        var most = 0
        let trace = try lab["a"].run {
            try Self.trace(to: "10.0.9.9", port: 80) { _, configuration in
                configuration.queries = 10
                configuration.maximumHop = 60
                configuration.maximumWait = .milliseconds(1_000)
                configuration.maximumInFlight = 1_000
            } afterBatch: {
                most = max(most, (try? Self.socketsInUse(lab["a"])) ?? .max)
            }
        }
        #expect(trace.responders.first == ["10.0.1.2"])
        #expect(trace.result.statistics.transmitted > 300, "\(trace.result.statistics)")
        #expect(trace.result.statistics.unsent == 0)
        // How many there are before the first are given up depends on the machine; that they are many does not.
        #expect(most > 100 && most <= 256 + Self.others, "\(most)")
        try Self.expectNoSockets(lab["a"])
    }

    /// A second SYN would be a second probe.
    @Test func silenceIsNotAskedTwice() throws {
        let lab = try Self.chain()
        try lab["r2"].exec("ip", "route", "add", "blackhole", "10.0.9.9/32")
        let segments = try Self.hearSegments(lab["r1"])
        let trace = try lab["a"].run {
            try Self.trace(to: "10.0.9.9", port: 80) { _, configuration in
                configuration.maximumHop = 4
                configuration.queries = 1
                configuration.maximumWait = .milliseconds(1_500)
            }
        }
        #expect(trace.result.statistics.transmitted >= 4)
        #expect(trace.resent == 0)
        #expect(try Self.syns(segments).count == Int(trace.result.statistics.transmitted))
    }

    @Test(arguments: [("prohibit", "EACCES"), ("unreachable", "EHOSTUNREACH")], [4, 6])
    func whatTheRoutingTableRefusesIsNotSent(route: (String, String), version: Int) throws {
        let lab = try Self.chain()
        let address = version == 4 ? "10.0.9.9" : "fd00:9::9"
        try lab["a"].exec("ip", "-\(version)", "route", "add", route.0, address)
        let trace = try lab["a"].run { try Self.trace(to: address, port: 80) }
        #expect(trace.result.statistics.transmitted == 0)
        #expect(trace.failures.allSatisfy { if case .failed(_, route.1, _) = $0 { true } else { false } })
        #expect(!trace.failures.isEmpty)
    }

    @Test func theLadderIsClimbedDownToConnections() throws {
        let lab = try Self.chain()
        let chosen = try onThread {
            try NetworkNamespace(path: lab["a"].path).enter()
            try Capabilities.keepOnly([])
            let request = TransportRequest(method: .tcpSYN(destinationPort: 80))
            let selection = try TransportSelection.open(request, identity: try .random())
            return (
                selection.transport.rung, selection.refusals.map(\.failure), selection.notice(program: "swtrace"),
                selection.transport.limits, selection.transport.versions
            )
        }
        #expect(chosen.0 == .tcp)
        #expect(chosen.1 == [.notPermitted])
        #expect(chosen.2?.hasPrefix("using TCP connections, each a flow of its own") == true)
        #expect(chosen.3.hasConstantFlow == false && chosen.3.inFlight == 256)
        #expect(chosen.4 == [.v4, .v6])
    }

    /// The only way to one flow is one probe after the other.
    @Test(arguments: targets)
    func aSourcePortMakesOneFlow(address: String) throws {
        let lab = try Self.chain()
        let segments = try Self.hearSegments(lab["b"], IPAddress(address)!.version)
        let listener = try Self.listen(lab["b"], IPAddress(address)!.version, port: 80)
        var limits: ProbeLimits?
        let trace = try lab["a"].run {
            try Self.trace(to: address, port: 80) { request, _ in
                request.settings.sourcePort = 50_123
                request.settings.maximumSegmentSize = 777
            } onTransport: {
                limits = $0
            }
        }
        #expect(trace.responders == Self.path(to: address))
        #expect(trace.result.statistics.received == 9)
        #expect(limits?.hasConstantFlow == true && limits?.inFlight == 1)
        let syns = try Self.syns(segments)
        #expect(syns.count >= 3)
        #expect(syns.allSatisfy { $0.sourcePort == 50_123 })
        #expect(syns.allSatisfy { Array($0.options.prefix(4)) == [2, 4, 3, 9] }, "\(syns.map(\.options))")
        #expect(try listener.accept() == nil)
    }

    /// What the sockets are set to is so for the first one and for those that are used again.
    @Test(arguments: targets)
    func headersAreAsAskedFor(address: String) throws {
        let lab = try Self.chain()
        let isV6 = address.contains(":")
        let frames = try lab["b"].run {
            let socket = try Socket(family: .packet, type: .datagram, protocol: .allFrames)
            return socket
        }
        let trace = try lab["a"].run {
            try Self.trace(to: address, port: 81) { request, configuration in
                configuration.trafficClass = 0xb8
                configuration.maximumInFlight = 2
                if isV6 { request.settings.content.flowLabel = 0x12345 }
            }
        }
        #expect(trace.responders == Self.path(to: address))
        var buffer = [UInt8](repeating: 0, count: 2_048)
        var count = 0
        while let received = try frames.receive(into: &buffer) {
            let packet = buffer.prefix(received.count)
            if isV6, packet.count > 60, packet[0] >> 4 == 6, packet[6] == 6, packet[53] == 2 {
                #expect(Array(packet.prefix(4)) == [0x6b, 0x81, 0x23, 0x45])
                count += 1
            } else if !isV6, packet.count > 40, packet[0] == 0x45, packet[9] == 6, packet[33] == 2 {
                #expect(packet[1] == 0xb8)
                #expect(packet[6] & 0x40 == 0, "DF only where it was asked for")
                count += 1
            }
        }
        #expect(count >= 3)
    }

    /// Marked sockets are opened while the rights are there.
    @Test func aMarkIsSetBeforeRightsGo() throws {
        let lab = try Self.chain()
        try lab["a"].exec("ip", "route", "del", "default")
        try lab["a"].exec("ip", "route", "add", "default", "via", "10.0.1.2", "table", "77")
        try lab["a"].exec("ip", "rule", "add", "fwmark", "42", "table", "77")
        let plain = try lab["a"].run { try Self.trace(to: "10.0.3.2", port: 81) }
        #expect(plain.result.statistics.transmitted == 0)
        let trace = try onThread {
            try NetworkNamespace(path: lab["a"].path).enter()
            return try Self.trace(to: "10.0.3.2", port: 81) { request, _ in
                request.settings.mark = 42
            } onTransport: { _ in
                try Capabilities.keepOnly([])
            }
        }
        #expect(trace.responders == Self.path(to: "10.0.3.2"))
    }

    @Test func aStrangersSourceIsRefused() throws {
        let lab = try Self.chain()
        var request = TransportRequest(method: .tcpSYN(destinationPort: 80))
        request.highestRung = .tcp
        request.source = IPAddress("192.0.2.1")
        request.versions = [.v4]
        let asked = request
        #expect(throws: TransportError.self) {
            try lab["a"].run { _ = try TransportSelection.open(asked, identity: try .random()) }
        }
    }

    // MARK: Helpers

    private static func path(to address: String) -> [[String]] {
        (1...3).map { [address.contains(":") ? "fd00:\($0)::2" : "10.0.\($0).2"] }
    }

    private static func chain() throws -> NamespaceLab { try NamespaceLab.chain("a", "r1", "r2", "b") }

    private static func listen(_ node: NamespaceLab.Node, _ version: IPVersion, port: UInt16) throws -> Socket {
        try node.run {
            let socket = try Socket(family: version == .v4 ? .inet : .inet6, type: .stream)
            try socket.bind(to: SocketAddress(version == .v4 ? .v4(.any) : .v6(.any), port: port))
            try socket.listen()
            return socket
        }
    }

    /// Sees every TCP segment that the node takes in, or over IPv4 forwards.
    private static func hearSegments(_ node: NamespaceLab.Node, _ version: IPVersion = .v4) throws -> Socket {
        try node.run {
            node.name == "b"
                ? try Socket(family: version == .v4 ? .inet : .inet6, type: .raw, protocol: .tcp)
                : try Socket(family: .packet, type: .datagram, protocol: .allFrames)
        }
    }

    private static func syns(_ socket: borrowing Socket) throws -> [TCPHeader] {
        var buffer = [UInt8](repeating: 0, count: 2_048)
        var found: [TCPHeader] = []
        while let received = try socket.receive(into: &buffer) {
            let isBare = socket.family == .inet6
            guard isBare || buffer[9] == 6 else { continue }
            // A packet socket sees a forwarded packet when it comes and when it goes.
            if socket.family == .packet, buffer[16] != 10 || buffer[8] == 0 { continue }
            let bytes = Array(buffer[(isBare ? 0 : 20)..<max(isBare ? 0 : 20, received.count)])
            if let header = try? TCPHeader(parsing: bytes.bytes), header.flags == .syn { found.append(header) }
        }
        var seen: Set<UInt32> = []
        return socket.family == .packet ? found.filter { seen.insert($0.sequenceNumber).inserted } : found
    }

    /// Sockets of all kinds in a node: nobody but the test has any there.
    private static func socketsInUse(_ node: NamespaceLab.Node) throws -> Int {
        let text = try node.exec("cat", "/proc/thread-self/net/sockstat")
        let words = text.split { $0 == " " || $0 == "\n" }
        return words.count > 2 ? Int(words[2]) ?? -1 : -1
    }

    /// A closed socket counts until its last packet has left the drivers.
    private static func expectNoSockets(_ node: NamespaceLab.Node) throws {
        for _ in 0..<500 where try socketsInUse(node) > 0 {}
        #expect(try socketsInUse(node) == 0)
    }

    /// Sockets of ip(8) and of asking for routes, which may count for a moment longer.
    private static let others = 16

    private struct Trace {
        var result: PathTrace
        var responders: [[String]]
        var answers: [PathAnswer]
        var failures: [SendFailure]
        var resent: UInt64
    }

    private static func trace(
        to address: String, port: UInt16,
        _ configure: (inout TransportRequest, inout PathTrace.Configuration) -> Void = { _, _ in },
        onTransport: (ProbeLimits) throws -> Void = { _ in }, afterBatch: () -> Void = {}
    ) throws -> Trace {
        let target = try #require(IPAddress(address))
        var configuration = PathTrace.Configuration(destination: target)
        configuration.method = .tcpSYN(destinationPort: port)
        configuration.maximumWait = .milliseconds(500)
        var request = TransportRequest(method: configuration.method)
        request.versions = [target.version]
        request.highestRung = .tcp
        configure(&request, &configuration)
        let selection = try TransportSelection.open(request, identity: try .random())
        let limits = selection.transport.limits
        try onTransport(limits)
        configuration.maximumInFlight = min(configuration.maximumInFlight, limits.inFlight ?? .max)
        var loop = try ProbeLoop(PathTrace(configuration), over: selection.take())
        var rows: [[String]] = []
        var answers: [PathAnswer] = []
        var failures: [SendFailure] = []
        let signals = try SignalDescriptor([])
        let nothing = try WakeDescriptor()
        try loop.run(
            signals: signals, other: nothing,
            onEvent: { event, _ in
                switch event {
                case .hop(let hop):
                    rows.append(Set(hop.answers.map { $0?.responder.description ?? "*" }).sorted())
                    answers += hop.answers.compactMap(\.self)
                case .unsent(_, let failure): failures.append(failure)
                }
            },
            onSignal: { _, _ in }, onOther: { _ in },
            afterBatch: {
                afterBatch()
                return true
            })
        return Trace(
            result: loop.measurement, responders: rows, answers: answers, failures: failures,
            resent: loop.transport.counters.resent)
    }
}
