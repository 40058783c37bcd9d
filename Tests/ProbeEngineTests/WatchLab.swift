import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// A watch over a simulated network, and what it told.
struct WatchLab {
    var driver: Driver
    var configuration: PathWatch.Configuration
    /// The hop limits and times of everything that was sent are in the driver; this is what came of it.
    var rounds: [PathRound] = []
    var changes: [PathWatchChange] = []
    var unsteady: [Int] = []
    var slowed: [IPAddress?] = []
    var unsent: [SendFailure] = []
    var watch: PathWatch

    /// - Parameters:
    ///   - calm: the same network without what makes probes disappear: its paths are what is followed.
    ///   - flows: of these the graph is made.
    init(
        _ text: String, calm: String? = nil, to destination: String = "10.0.9.9",
        method: ProbeMethod = .udp(destinationPort: 33_434), flows: Range<Int> = 0..<24, seed: UInt64 = 1,
        _ configure: (inout PathWatch.Configuration) -> Void = { _ in }
    ) throws {
        let destination = Ours.address(destination)
        let graph = try Self.graph(calm ?? text, destination, method, flows, seed)
        driver = Driver(try Ours.scenario(text), seed: seed)
        configuration = PathWatch.Configuration(destination: destination, graph: graph)
        configure(&configuration)
        watch = PathWatch(configuration)
    }

    mutating func run(_ act: (inout PathWatch, PathWatchEvent, Timestamp) -> Void = { _, _, _ in }) throws {
        var (rounds, changes, unsteady, slowed, unsent) = (rounds, changes, unsteady, slowed, unsent)
        try driver.run(&watch) { event, _ in
            switch event {
            case .round(let round): rounds.append(round)
            case .changed(let change): changes.append(change)
            case .unsteady(let flow, _): unsteady.append(flow)
            case .slowed(_, let responder): slowed.append(responder)
            case .unsent(_, _, let failure): unsent.append(failure)
            }
        }
        (self.rounds, self.changes, self.unsteady, self.slowed, self.unsent) = (
            rounds, changes, unsteady, slowed, unsent
        )
    }

    /// The index of the node with this address, which must have one hop.
    func node(_ address: String) throws -> Int {
        try #require(configuration.graph.nodes.firstIndex { $0.responder == Ours.address(address) }, "\(address)")
    }

    func edge(_ from: String, _ to: String) throws -> Int {
        let (from, to) = (try node(from), try node(to))
        return try #require(configuration.graph.edges.firstIndex { $0.from == from && $0.to == to })
    }

    /// Paths that pass a node.
    func paths(through address: String) throws -> [Int] {
        let node = try node(address)
        return watch.paths.indices.filter { watch.paths[$0].nodes.contains(node) }
    }

    /// Who answers each flow at each hop, found by asking.
    static func graph(
        _ text: String, _ destination: IPAddress, _ method: ProbeMethod, _ flows: Range<Int>, _ seed: UInt64
    ) throws -> MultipathGraph {
        var network = SimulatedNetwork(try Ours.scenario(text), seed: seed)
        network.wallClockOffset = Ours.wallOffset
        let codec = ProbeCodec(identity: Ours.identity)
        var graph = MultipathGraph(FlowSpace(method, sourcePorts: 16))
        var id: UInt64 = 0
        var ways: [Int: [IPAddress?]] = [:]
        for flow in flows {
            for hop in 1...30 {
                id += 1
                let fields = graph.space.fields(of: flow)
                let transmit = Transmit(
                    id: ProbeID(rawValue: id),
                    probe: Probe(
                        destination: destination, method: fields.method, hopLimit: UInt8(hop), flow: fields.flow,
                        payloadLength: 32))
                // Far enough apart for every limit of errors.
                let now = Timestamp.ms(Int64(id) * 2_000)
                network.send(Ours.packet(transmit, codec), at: now.nanoseconds)
                var responder: IPAddress?
                while let delivery = network.nextDelivery, delivery < now.nanoseconds + 1_900_000_000 {
                    guard let packet = network.receive(at: delivery) else { continue }
                    let at = Timestamp(nanoseconds: delivery)
                    let stamp = Stamp(nanoseconds: delivery + Ours.wallOffset, clock: .kernel)
                    responder = Kernel.match(packet, .raw, codec, stamp, at, transmit.id)?.responder ?? responder
                }
                ways[flow, default: []].append(responder)
                if responder == destination { break }
            }
        }
        for hop in 1...30 {
            let here = Set(ways.values.compactMap { $0.count >= hop ? $0[hop - 1] : nil }.map(\.description))
            for address in here.sorted() {
                var node = MultipathGraph.Node(hop: hop, responder: Ours.address(address))
                if node.responder == destination { node.answer = reached(destination) }
                graph.nodes.append(node)
            }
            if ways.values.contains(where: { $0.count >= hop && $0[hop - 1] == nil }) {
                graph.nodes.append(MultipathGraph.Node(hop: hop, responder: nil))
            }
        }
        for flow in flows {
            var before: Int?
            for (place, responder) in ways[flow, default: []].enumerated() {
                let here = try #require(
                    graph.nodes.firstIndex { $0.hop == place + 1 && $0.responder == responder })
                graph.nodes[here].flows.append(flow)
                if let before { join(&graph, before, here, flow) }
                before = here
            }
        }
        graph.edges.sort { ($0.from, $0.to) < ($1.from, $1.to) }
        return graph
    }

    private static func join(_ graph: inout MultipathGraph, _ from: Int, _ to: Int, _ flow: Int) {
        if let known = graph.edges.firstIndex(where: { $0.from == from && $0.to == to }) {
            graph.edges[known].flows.append(flow)
        } else {
            var edge = MultipathGraph.Edge(from: from, to: to)
            edge.flows = [flow]
            graph.edges.append(edge)
        }
    }

    static func reached(_ destination: IPAddress) -> PathAnswer {
        PathAnswer(
            kind: .reached, responder: destination, roundTrip: .ms(1), clock: .kernel, byteCount: 0,
            probe: Probe(destination: destination, method: .icmpEcho), sentAt: .ms(0))
    }
}

extension PathCounts {
    /// Whether every probe that was sent is in one of the classes.
    var isComplete: Bool { transmitted == received + late + diverted + refused + withheld + lost + unheard }
}

/// A watch that gets other graphs behind some of its rounds.
struct FollowingWatch: Measurement {
    var watch: PathWatch
    var graphs: [UInt64: MultipathGraph]
    private var now = Timestamp.ms(0)

    init(_ watch: PathWatch, to graphs: [UInt64: MultipathGraph]) {
        self.watch = watch
        self.graphs = graphs
    }

    mutating func nextTransmit(at now: Timestamp) -> Transmit? { watch.nextTransmit(at: now) }

    mutating func didSend(_ id: ProbeID, at stamp: Stamp) { watch.didSend(id, at: stamp) }

    mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        watch.didNotSend(id, failure, at: now)
    }

    mutating func receive(_ response: Response) { watch.receive(response) }

    mutating func advance(to now: Timestamp) {
        self.now = now
        watch.advance(to: now)
    }

    mutating func stop(at now: Timestamp) { watch.stop(at: now) }

    mutating func nextEvent() -> PathWatchEvent? {
        let event = watch.nextEvent()
        if case .round(let told) = event, let graph = graphs.removeValue(forKey: told.number) {
            watch.apply(.follow(graph, flows: graph.cover), at: now)
        }
        return event
    }

    var schedule: Schedule { watch.schedule }
}
