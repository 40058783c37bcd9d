import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// A watch of any graph with answers of anybody, and the flows that cover a graph.
@Suite struct PathWatchFuzzTests {
    /// Nodes that routers of `Chaos` have, or nobody, or the destination, joined anyhow.
    private func graph(_ generator: inout SeededGenerator, _ destination: IPAddress) -> MultipathGraph {
        func number(_ bound: Int) -> Int { Int(generator.number(below: UInt64(bound))) }
        let method: ProbeMethod = [
            .udp(destinationPort: 33_434), .icmpEcho, .tcpSYN(destinationPort: 80), .ip(IPProtocol(rawValue: 253)),
        ][number(4)]
        var graph = MultipathGraph(FlowSpace(method, sourcePorts: 1 + number(16)), firstHop: [1, 1, 3, 250][number(4)])
        for hop in graph.firstHop..<(graph.firstHop + 1 + number(8)) {
            for place in 0...number(4) {
                let address: IPAddress =
                    destination.version == .v4
                    ? .v4(IPv4Address(rawValue: 0xc612_0000 + UInt32(place)))
                    : .v6(IPv6Address(high: 0xfd00 << 48, low: UInt64(place)))
                let isEnd = number(8) == 0
                var node = MultipathGraph.Node(
                    hop: hop, responder: isEnd ? destination : number(6) == 0 ? nil : address,
                    answer: isEnd ? WatchLab.reached(destination) : nil)
                node.balancing = MultipathGraph.Balancing.allCases[number(3)]
                node.flows = (0..<number(6)).map { _ in number(20) }
                if number(3) == 0 { node.roundTrips.record(.ms(Int64(number(400)))) }
                graph.nodes.append(node)
            }
        }
        for _ in 0..<number(40) {
            var edge = MultipathGraph.Edge(from: number(graph.nodes.count), to: number(graph.nodes.count))
            edge.isCertain = number(4) > 0
            edge.flows = (0..<number(5)).map { _ in number(20) }
            graph.edges.append(edge)
        }
        return graph
    }

    @Test("PathWatch: whatever happens, the books are in order and it ends", arguments: 0..<300 as Range<UInt64>)
    func watch(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed ^ 0x3a7c)
        let destination = Ours.address(seed % 2 == 0 ? "192.0.2.7" : "2001:db8::7")
        var configuration = PathWatch.Configuration(
            destination: destination, graph: graph(&generator, destination))
        if generator.number(below: 3) == 0 { configuration.flows += [0, 1, 2, 3, 400, -7] }
        configuration.rounds = generator.number(below: 30)
        configuration.interval = [.zero, .ms(100), .seconds(1), .seconds(7)][Int(generator.number(below: 4))]
        configuration.maximumWait = [.zero, .ms(50), .seconds(5)][Int(generator.number(below: 3))]
        configuration.maximumDelay = [nil, .ms(500)][Int(generator.number(below: 2))]
        configuration.wantsKernelStamps = generator.number(below: 2) == 0
        configuration.seed = generator.next()
        var graphs: [UInt64: MultipathGraph] = [:]
        for _ in 0..<generator.number(below: 4) {
            graphs[generator.number(below: 20)] = graph(&generator, destination)
        }
        var watch = FollowingWatch(PathWatch(configuration), to: graphs)
        var chaos = Chaos(seed: seed, [destination])
        chaos.routers = [1, 5, 300][Int(seed % 3)]
        chaos.quotes = true
        var rounds: [PathRound] = []
        try chaos.run(&watch, rounds: 400, stops: seed % 5 == 0) { _, events in
            for case .round(let round) in events { rounds.append(round) }
        }
        #expect(rounds.map(\.number) == (0..<rounds.count).map { UInt64($0) + 1 })
        #expect(rounds.count <= Int(configuration.rounds ?? 0))
        for round in rounds {
            let counts = round.nodes + round.edges + round.paths
            #expect(counts.allSatisfy { $0.isComplete && $0.roundTrips.count == $0.received })
            #expect(round.received <= round.transmitted)
            #expect(round.paths.reduce(0) { $0 + $1.transmitted } <= round.transmitted)
        }
        let found = watch.watch
        let sums = found.nodes + found.edges + found.ends
        #expect(sums.allSatisfy { $0.isComplete && $0.roundTrips.count == $0.received })
        #expect(found.edgeLosses.allSatisfy { (0...1).contains($0 ?? 0) })
        if found.generation == 0 {
            for (place, counts) in found.nodes.enumerated() {
                #expect(counts.transmitted == rounds.reduce(0) { $0 + $1.nodes[place].transmitted })
                #expect(counts.received == rounds.reduce(0) { $0 + $1.nodes[place].received })
            }
        }
        #expect(found.statistics.rounds == UInt64(rounds.count))
        #expect(found.statistics.received == rounds.reduce(0) { $0 + $1.received })
        #expect(found.statistics.missed >= rounds.reduce(0) { $0 + $1.missed })
    }

    @Test(
        "The flows of a cover pass every edge that a flow passes, and none is needless",
        arguments: 0..<200 as Range<UInt64>)
    func cover(seed: UInt64) {
        var generator = SeededGenerator(seed: seed ^ 0xc0e7)
        let graph = graph(&generator, Ours.address("192.0.2.7"))
        let cover = graph.cover
        #expect(cover == cover.sorted() && Set(cover).count == cover.count)
        #expect(cover == graph.cover)
        func passed(_ flows: [Int]) -> Set<Int> {
            let joined = Set(graph.edges.filter { !$0.flows.isEmpty }.flatMap { [$0.from, $0.to] })
            let edges = graph.edges.indices.filter { !Set(graph.edges[$0].flows).isDisjoint(with: flows) }
            let lone = graph.nodes.indices.filter {
                !joined.contains($0) && !Set(graph.nodes[$0].flows).isDisjoint(with: flows)
            }
            return Set(edges + lone.map { $0 + 1_000 })
        }
        let all = passed(Array(0..<20))
        #expect(passed(cover) == all)
        for flow in cover { #expect(passed(cover.filter { $0 != flow }) != all) }
    }

    @Test("A cover is small: of two ways through each of three diamonds two flows are enough where two pass all six")
    func smallCover() {
        var graph = MultipathGraph(FlowSpace(.icmpEcho, sourcePorts: 1))
        // Nodes 3k, then 3k + 1 and 3k + 2 side by side; flow's bit k says which.
        for diamond in 0..<3 {
            graph.nodes.append(.init(hop: 2 * diamond + 1, responder: Ours.address("10.0.\(diamond).1")))
            graph.nodes.append(.init(hop: 2 * diamond + 2, responder: Ours.address("10.0.\(diamond).2")))
            graph.nodes.append(.init(hop: 2 * diamond + 2, responder: Ours.address("10.0.\(diamond).3")))
        }
        graph.nodes.append(.init(hop: 7, responder: Ours.address("10.0.9.9")))
        for diamond in 0..<3 {
            for branch in 1...2 {
                var (one, other) = (
                    MultipathGraph.Edge(from: 3 * diamond, to: 3 * diamond + branch),
                    MultipathGraph.Edge(from: 3 * diamond + branch, to: 3 * diamond + 3)
                )
                one.flows = (0..<8).filter { $0 >> diamond & 1 == branch - 1 }
                other.flows = one.flows
                graph.edges += [one, other]
            }
        }
        #expect(graph.cover == [0, 7])
    }
}
