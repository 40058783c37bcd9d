import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import TestSupport
import Testing

/// Many flows at once: what load balancers see of them on the wire, and whose answer an answer is.
@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"), .serialized)
struct FlowTests {
    struct Way: Sendable, CustomTestStringConvertible {
        var rung: Rung
        var method: ProbeMethod
        var version: IPVersion

        var testDescription: String { "\(method) over IPv\(version.rawValue), \(rung)" }
    }

    private static let sourcePorts = 64

    static let ways: [Way] = [IPVersion.v4, .v6].flatMap { version in
        [
            Way(rung: .raw, method: .udp(destinationPort: 33_434), version: version),
            Way(rung: .udp, method: .udp(destinationPort: 33_434), version: version),
            Way(rung: .raw, method: .icmpEcho, version: version),
            Way(rung: .ping, method: .icmpEcho, version: version),
            Way(rung: .raw, method: .tcpSYN(destinationPort: 80), version: version),
        ]
    }

    /// More flows than there are source ports, so that destination ports take part.
    @Test(arguments: ways, [1, 64] as [UInt8])
    func flowsDifferAndEachAnswerFindsItsProbe(way: Way, hopLimit: UInt8) throws {
        let seen = try run(way, flows: 200, hopLimit: hopLimit)
        #expect(seen.space.sourcePorts == 64)
        #expect(seen.flows.unanswered.isEmpty)
        #expect(seen.flows.wrong.isEmpty, "answers that name another probe's port")
        try #require(seen.keys.count == seen.flows.sent.count)
        let first = seen.keys.prefix(seen.flowCount)
        #expect(Set(first).count == seen.flowCount, "each flow has its own look")
        #expect(Array(first) == Array(seen.keys.dropFirst(seen.flowCount)), "and keeps it")
        guard way.version == .v6 else { return }
        // Routers that look at the label alone tell them apart as well.
        #expect(Set(first.map(\.label)).count == seen.flowCount)
    }

    /// A label that others hold for themselves alone makes the kernel refuse those that nobody holds.
    @Test func flowsGoWhereLabelsAreHeld() throws {
        let way = Way(rung: .udp, method: .udp(destinationPort: 33_434), version: .v6)
        let seen = try run(way, flows: 100, hopLimit: 64) {
            let holder = try Socket(family: .inet6, type: .datagram)
            try holder.holdFlowLabelAlone(0x54321)
            return holder
        }
        #expect(seen.flows.unanswered.isEmpty)
        let first = seen.keys.prefix(100)
        #expect(Set(first.map(\.label)).count > 90, "labels of the kernel's, by addresses and ports")
        #expect(Array(first) == Array(seen.keys.dropFirst(100)))
    }

    @Test(arguments: [Rung.raw, .udp])
    func aLabelThatWasAskedForIsEveryFlows(rung: Rung) throws {
        let way = Way(rung: rung, method: .udp(destinationPort: 33_434), version: .v6)
        let seen = try run(way, flows: 70, hopLimit: 64, label: 0x12345)
        #expect(seen.flows.unanswered.isEmpty)
        #expect(Set(seen.keys.map(\.label)) == [0x12345])
        #expect(Set(seen.keys).count == 70)
    }

    // MARK: Helpers

    private struct Seen {
        var space: FlowSpace
        var flows: Flows
        var flowCount: Int
        /// Of the probes in the order in which they came to the router.
        var keys: [Look]
    }

    /// What load balancers may look at beside the addresses: ports or type and code, the checksum of ICMP, the label.
    private struct Look: Hashable {
        var start: [UInt8]
        var label: UInt32
    }

    private func run(
        _ way: Way, flows: Int, hopLimit: UInt8, label: UInt32? = nil,
        beside makeHolder: () throws -> Socket? = { nil }
    ) throws -> Seen {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        let target = try #require(IPAddress(way.version == .v4 ? "10.0.2.2" : "fd00:2::2"))
        // Sees what comes in at the router, whatever becomes of it there.
        let capture = try lab["r"].run {
            let socket = try Socket(family: .packet, type: .datagram, protocol: .allFrames)
            try socket.set(.receiveBufferSize, to: 1 << 20)
            return socket
        }
        let (space, result) = try lab["a"].run {
            let holder = try makeHolder()
            defer { withExtendedLifetime(holder) {} }
            var request = TransportRequest(method: way.method)
            request.versions = [way.version]
            request.highestRung = way.rung
            request.payloadLength = 32
            request.flows = Self.sourcePorts
            request.settings.content.flowLabel = label
            let selection = try TransportSelection.open(request, identity: try .random())
            #expect(selection.transport.rung == way.rung)
            #expect(selection.refusedSettings.isEmpty)
            let space = FlowSpace(way.method, sourcePorts: Self.sourcePorts)
            let flows = Flows(target, space, count: min(flows, space.count), hopLimit: hopLimit)
            var loop = try ProbeLoop(flows, over: selection.take())
            let signals = try SignalDescriptor([])
            let nothing = try WakeDescriptor()
            try loop.run(
                signals: signals, other: nothing, onEvent: { _, _ in }, onSignal: { _, _ in }, onOther: { _ in },
                afterBatch: { true })
            return (space, loop.measurement)
        }
        var keys: [Look] = []
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while let packet = try capture.receive(into: &buffer) {
            let bytes = Array(buffer.prefix(packet.count))
            guard let found = try? QuotedPacket(parsing: bytes.bytes, version: way.version),
                found.destination == target
            else { continue }
            let upperLayer = Array(bytes.dropFirst(way.version == .v4 ? 20 : 40))
            // The router lets it out again with one hop less.
            guard found.hopLimit == hopLimit, upperLayer.count >= 4 else { continue }
            let label =
                way.version == .v4
                ? 0 : UInt32(bytes[1] & 0xf) << 16 | UInt32(bytes[2]) << 8 | UInt32(bytes[3])
            keys.append(Look(start: Array(upperLayer.prefix(4)), label: label))
        }
        return Seen(space: space, flows: result, flowCount: min(flows, space.count), keys: keys)
    }

    /// Two probes of each flow, a few at a time, and who was answered.
    private struct Flows: Measurement {
        typealias Event = Never

        let target: IPAddress
        let space: FlowSpace
        let count: Int
        let hopLimit: UInt8
        /// By number, from 1 on: the port that each went to.
        private(set) var sent: [UInt16] = []
        private(set) var unanswered: Set<UInt64> = []
        /// Answers that contradict what was sent.
        private(set) var wrong: [UInt64] = []
        private var deadline: Timestamp?
        private var isOver = false

        init(_ target: IPAddress, _ space: FlowSpace, count: Int, hopLimit: UInt8) {
            self.target = target
            self.space = space
            self.count = count
            self.hopLimit = hopLimit
        }

        mutating func nextTransmit(at now: Timestamp) -> Transmit? {
            guard sent.count < 2 * count, unanswered.count < 32 else { return nil }
            let (method, flow) = space.fields(of: sent.count % count)
            sent.append(method.destinationPort)
            let id = ProbeID(rawValue: UInt64(sent.count))
            unanswered.insert(id.rawValue)
            deadline = now + .seconds(2)
            return Transmit(
                id: id,
                probe: Probe(
                    destination: target, method: method, hopLimit: hopLimit, flow: flow, payloadLength: 32))
        }

        mutating func receive(_ response: Response) {
            guard let id = response.probe?.rawValue, Int(id) <= sent.count, unanswered.remove(id) != nil else {
                wrong.append(response.probe?.rawValue ?? 0)
                return
            }
            if let port = response.quotedPort, port != sent[Int(id) - 1] { wrong.append(id) }
        }

        mutating func advance(to now: Timestamp) {
            if let deadline, deadline <= now { isOver = true }
        }

        mutating func didSend(_ id: ProbeID, at stamp: Stamp) {}
        mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {}
        mutating func stop(at now: Timestamp) {}
        mutating func nextEvent() -> Never? { nil }

        var schedule: Schedule {
            if isOver || (sent.count == 2 * count && unanswered.isEmpty) { return .finished }
            if sent.count < 2 * count, unanswered.count < 32 { return .at(Timestamp(nanoseconds: 0)) }
            return deadline.map { .at($0) } ?? .waitingForInput
        }
    }
}
