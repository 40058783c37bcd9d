import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import TestSupport
import Testing

/// Measurements over the real kernel, on every rung and both versions.
@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"), .serialized)
struct TransportTests {
    @Test(arguments: Rung.echoing, ["10.0.2.2", "fd00:2::2"])
    func everyRungHearsTheTarget(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let times = try ArrivalTimes()
        defer { withExtendedLifetime(times) {} }
        let target = try #require(IPAddress(address))
        let (sweep, selected) = try lab["a"].run {
            try echo(to: target, rung) {
                $0.count = 4
                $0.interval = .milliseconds(20)
            }
        }
        #expect(selected == rung)
        let statistics = sweep.statistics[0]
        #expect(statistics.transmitted == 4)
        #expect(statistics.received == 4)
        #expect(statistics.userTimed == 0)
        #expect(statistics.roundTrips.minimum > .zero)
        #expect(statistics.roundTrips.maximum < .seconds(1))
    }

    @Test(arguments: Rung.echoing, ["10.0.2.2", "fd00:2::2"])
    func everyRungCarriesMoreThanTheMTU(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let target = try #require(IPAddress(address))
        let (sweep, _) = try lab["a"].run {
            try echo(to: target, rung) {
                $0.count = 2
                $0.interval = .milliseconds(20)
                $0.payloadLength = 3_000
            }
        }
        #expect(sweep.statistics[0].received == 2)
        #expect(sweep.statistics[0].corrupted == 0)
    }

    @Test(arguments: Rung.echoing, ["127.0.0.1", "::1"])
    func everyRungCarriesTheLongestPacket(rung: Rung, address: String) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        let target = try #require(IPAddress(address))
        let (sweep, _) = try lab["a"].run {
            try echo(to: target, rung) {
                $0.count = 1
                $0.payloadLength = 65_507
            }
        }
        #expect(sweep.statistics[0].received == 1)
    }

    @Test(arguments: Rung.echoing, ["10.0.2.9", "fd00:2::9"])
    func unreachableHostsAreErrors(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        // The router rejects what it does not know, at once instead of after three seconds of asking for neighbours.
        try lab["r"].exec("ip", "route", "add", "unreachable", "10.0.2.9/32")
        try lab["r"].exec("ip", "-6", "route", "add", "unreachable", "fd00:2::9/128")
        let target = try #require(IPAddress(address))
        let (sweep, _) = try lab["a"].run {
            try echo(to: target, rung) {
                $0.count = 1
                $0.timeout = .seconds(3)
            }
        }
        #expect(sweep.statistics[0].errors == 1)
        #expect(sweep.statistics[0].received == 0)
    }

    @Test(arguments: [Rung.raw, .udp], ["10.0.2.2", "fd00:2::2"])
    func tracesNameEveryRouter(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let target = try #require(IPAddress(address))
        let trace = try lab["a"].run { try self.trace(to: target, .udp(destinationPort: 33_434), rung) }
        #expect(trace.hops == (target.version == .v4 ? ["10.0.1.2", "10.0.2.2"] : ["fd00:1::2", "fd00:2::2"]))
        #expect(trace.isReached)
    }

    @Test(arguments: [Rung.raw, .ping], ["10.0.2.2", "fd00:2::2"])
    func tracesByEcho(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let target = try #require(IPAddress(address))
        let trace = try lab["a"].run { try self.trace(to: target, .icmpEcho, rung) }
        #expect(trace.hops == (target.version == .v4 ? ["10.0.1.2", "10.0.2.2"] : ["fd00:1::2", "fd00:2::2"]))
        #expect(trace.isReached)
    }

    @Test(arguments: ["10.0.2.2", "fd00:2::2"])
    func tracesByTCP(address: String) throws {
        let lab = try Self.chain()
        let target = try #require(IPAddress(address))
        let trace = try lab["a"].run { try self.trace(to: target, .tcpSYN(destinationPort: 80), .raw) }
        #expect(trace.hops == (target.version == .v4 ? ["10.0.1.2", "10.0.2.2"] : ["fd00:1::2", "fd00:2::2"]))
        #expect(trace.isReached, "a closed port resets")
    }

    /// A flow is a port, and probes of each leave from its own on every rung.
    @Test(arguments: [Rung.raw, .udp], ["10.0.2.2", "fd00:2::2"])
    func flowsHavePortsOfTheirOwn(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let target = try #require(IPAddress(address))
        let capture = try lab["b"].run { try Socket(family: .packet, type: .datagram, protocol: .allFrames) }
        let ports = try lab["a"].run {
            var request = TransportRequest(method: .udp(destinationPort: 33_434))
            request.versions = [target.version]
            request.highestRung = rung
            request.flows = 5
            let selection = try TransportSelection.open(request, identity: try .random())
            let first = selection.transport.identity(target.version)?.sourcePorts.lowerBound ?? 0
            var loop = try ProbeLoop(FlowProbes(target: target), over: selection.take())
            try run(&loop) { _ in }
            return (0..<5).map { first + $0 }
        }
        var seen: [UInt16] = []
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while let packet = try capture.receive(into: &buffer) {
            let bytes = Array(buffer.prefix(packet.count))
            guard let found = try? QuotedPacket(parsing: bytes.bytes, version: target.version),
                case .udp(let header) = found.transport
            else { continue }
            seen.append(header.sourcePort)
        }
        #expect(seen == ports + ports)
    }

    /// Two probes of each of five flows, whose answers nobody waits for.
    private struct FlowProbes: Measurement {
        typealias Event = Never

        var target: IPAddress
        private var count: UInt64 = 0

        init(target: IPAddress) { self.target = target }

        mutating func nextTransmit(at now: Timestamp) -> Transmit? {
            guard count < 10 else { return nil }
            count += 1
            let probe = Probe(
                destination: target, method: .udp(destinationPort: 33_434), flow: UInt16(count - 1) % 5)
            return Transmit(id: ProbeID(rawValue: count), probe: probe)
        }

        mutating func didSend(_ id: ProbeID, at stamp: Stamp) {}
        mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {}
        mutating func receive(_ response: Response) {}
        mutating func advance(to now: Timestamp) {}
        mutating func stop(at now: Timestamp) {}
        mutating func nextEvent() -> Never? { nil }
        var schedule: Schedule { count < 10 ? .at(Timestamp(nanoseconds: 0)) : .finished }
    }

    @Test func aMissingRouteIsNoLoss() throws {
        let lab = try Self.chain()
        let target = try #require(IPAddress("203.0.113.1"))
        try lab["a"].exec("ip", "route", "del", "default")
        let (sweep, _) = try lab["a"].run {
            try echo(to: target, .raw) {
                $0.count = 2
                $0.interval = .milliseconds(10)
            }
        }
        #expect(sweep.statistics[0].transmitted == 0)
        #expect(sweep.statistics[0].unsent == 2)
        #expect(sweep.statistics[0].lastSendFailure == .failed(code: 101, name: "ENETUNREACH"))
    }

    @Test func theLadderIsClimbedDown() throws {
        let lab = try Self.chain()
        try lab["a"].set("net.ipv4.ping_group_range", "1 0")
        // Capabilities belong to a thread: this one enters the node, loses them and ends.
        let chosen = try onThread {
            try NetworkNamespace(path: lab["a"].path).enter()
            try Capabilities.keepOnly([])
            var request = TransportRequest(method: .icmpEcho)
            request.fallback = .udp(destinationPort: 33_434)
            let selection = try TransportSelection.open(request, identity: try .random())
            return (selection.transport.rung, selection.refusals.map(\.failure))
        }
        #expect(chosen.0 == .udp)
        #expect(chosen.1 == [.notPermitted, .permissionDenied])
    }

    /// a - r - b, and ping sockets for everybody in a.
    private static func chain() throws -> NamespaceLab {
        let lab = try NamespaceLab("a", "r", "b")
        try lab.link("a", "r", "10.0.1", "fd00:1")
        try lab.link("r", "b", "10.0.2", "fd00:2")
        try lab["a"].addDefaultRoute(via: "r")
        try lab["b"].addDefaultRoute(via: "r")
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        return lab
    }

    private func echo(
        to target: IPAddress, _ rung: Rung, _ configure: (inout EchoSweep.Configuration) -> Void
    ) throws -> (EchoSweep, Rung) {
        var configuration = EchoSweep.Configuration(targets: [target])
        configure(&configuration)
        var request = TransportRequest(method: .icmpEcho)
        request.versions = [target.version]
        request.payloadLength = configuration.payloadLength
        request.highestRung = rung
        request.fallback = .udp(destinationPort: 33_434)
        let selection = try TransportSelection.open(request, identity: try .random())
        configuration.method = selection.transport.method
        let selected = selection.transport.rung
        let sweep = EchoSweep(configuration, start: ProbeLoop<EchoSweep>.now)
        var loop = try ProbeLoop(sweep, over: selection.take())
        try run(&loop) { _ in }
        return (loop.measurement, selected)
    }

    private func trace(
        to target: IPAddress, _ method: ProbeMethod, _ rung: Rung
    ) throws -> (hops: [String], isReached: Bool) {
        var configuration = PathTrace.Configuration(destination: target)
        configuration.method = method
        configuration.maximumWait = .milliseconds(500)
        var request = TransportRequest(method: method)
        request.versions = [target.version]
        request.payloadLength = configuration.payloadLength
        request.highestRung = rung
        let selection = try TransportSelection.open(request, identity: try .random())
        #expect(selection.transport.rung == rung)
        var loop = try ProbeLoop(PathTrace(configuration), over: selection.take())
        var hops: [String] = []
        try run(&loop) { event in
            guard case .hop(let hop) = event else { return }
            let answers = hop.answers.map { $0?.responder.description ?? "*" }
            hops.append(Set(answers).sorted().joined(separator: " "))
        }
        return (hops, loop.measurement.isReached)
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
