import PacketFormats
import ProbeReports

@testable import ProbeEngine

/// Graphs as a trace would find them, made of paths and of the flows that take them.
struct MultipathSample {
    var graph: MultipathGraph
    var rule = StoppingRule(confidence: 0.95)
    var ending: MultipathEnding? = .complete
    var pathEnding: PathEnding? = .reached

    /// - Parameters:
    ///   - paths: how many flows take each, and who stands at its hops: `4.2` for 10.77.4.2, `*` for silence, `99.9` for the
    ///     destination, and with a `!` behind it who says that the host is unreachable; `-` where the path is not known.
    ///   - packetHops: hops whose routers choose for each packet: who comes behind whom is unknown from there to the next hop
    ///     with a single node.
    init(
        _ paths: [(flows: Int, hops: String)], packetHops: Set<Int> = [], version: IPVersion = .v4,
        method: ProbeMethod = .udp(destinationPort: 33_434)
    ) {
        graph = MultipathGraph(FlowSpace(method, sourcePorts: 64))
        var indices: [String: Int] = [:]
        var flow = 0
        for (count, hops) in paths {
            let labels = hops.split(separator: " ").map(String.init)
            let flows = Array(flow..<(flow + count))
            flow += count
            for (depth, label) in labels.enumerated() where label != "-" {
                let key = "\(depth + 1) \(label)"
                if indices[key] == nil {
                    indices[key] = graph.nodes.count
                    graph.nodes.append(Self.node(label, depth + 1, version))
                }
                if let index = indices[key] { graph.nodes[index].flows += flows }
                guard depth > 0, let to = indices[key], let from = indices["\(depth) \(labels[depth - 1])"] else {
                    continue
                }
                if let edge = graph.edges.firstIndex(where: { $0.from == from && $0.to == to }) {
                    graph.edges[edge].flows += flows
                } else {
                    graph.edges.append(MultipathGraph.Edge(from: from, to: to))
                    graph.edges[graph.edges.count - 1].flows = flows
                }
            }
        }
        sort()
        for hop in packetHops.sorted() { scatter(behind: hop) }
        count(packetHops)
    }

    private static func node(_ label: String, _ hop: Int, _ version: IPVersion) -> MultipathGraph.Node {
        if label == "*" { return MultipathGraph.Node(hop: hop, responder: nil) }
        let parts = label.split(separator: "!", omittingEmptySubsequences: false)
        let text =
            version == .v4 ? "10.77.\(parts[0])" : "2001:db8:77:\(parts[0].map { $0 == "." ? "::" : "\($0)" }.joined())"
        let kind: PathAnswer.Kind =
            parts.count > 1
            ? .error(type: .destinationUnreachable(version), code: 1, info: 0)
            : label == "99.9" ? .reached : .timeExceeded
        return MultipathGraph.Node(hop: hop, responder: address(text), answer: answer(text, Int64(hop) * 10_000, kind))
    }

    /// The order that a trace gives them.
    private mutating func sort() {
        let order = graph.nodes.indices.sorted { left, right in
            let (left, right) = (graph.nodes[left], graph.nodes[right])
            if left.hop != right.hop { return left.hop < right.hop }
            guard let first = left.responder else { return false }
            guard let second = right.responder else { return true }
            return first < second
        }
        let place = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        graph.nodes = order.map { graph.nodes[$0] }
        for index in graph.edges.indices {
            graph.edges[index].from = place[graph.edges[index].from] ?? 0
            graph.edges[index].to = place[graph.edges[index].to] ?? 0
        }
        graph.edges.sort { ($0.from, $0.to) < ($1.from, $1.to) }
    }

    /// Everybody may come behind everybody.
    private mutating func scatter(behind first: Int) {
        var hop = first
        repeat {
            let (near, far) = (graph.nodes(at: hop), graph.nodes(at: hop + 1))
            let flows = near.flatMap { graph.nodes[$0].flows }
            graph.edges.removeAll { near.contains($0.from) }
            for from in near {
                for to in far {
                    var edge = MultipathGraph.Edge(from: from, to: to)
                    edge.flows = flows.sorted()
                    edge.isCertain = near.count == 1 || far.count == 1
                    graph.edges.append(edge)
                }
            }
            hop += 1
        } while graph.nodes(at: hop).count > 1
        graph.edges.sort { ($0.from, $0.to) < ($1.from, $1.to) }
    }

    /// A probe for each flow, answered but by the silent, and what follows of it.
    private mutating func count(_ packetHops: Set<Int>) {
        for index in graph.nodes.indices {
            let hop = graph.nodes[index].hop
            let isSilent = graph.nodes[index].responder == nil
            graph.nodes[index].transmitted = graph.nodes[index].flows.count
            let next = graph.edges.filter { $0.from == index }
            graph.nodes[index].tested = graph.nodes[index].isEnd || next.isEmpty ? 0 : graph.nodes[index].flows.count
            if next.count > 1 { graph.nodes[index].balancing = packetHops.contains(hop) ? .packets : .flows }
            let isScattered = next.contains { !$0.isCertain }
            let tested =
                isScattered
                ? graph.nodes(at: hop).reduce(0) { $0 + graph.nodes[$1].flows.count } : graph.nodes[index].tested
            if !graph.nodes[index].isEnd, !(isSilent && next.isEmpty) {
                graph.nodes[index].missProbability =
                    StoppingRule.missProbability(havingSeen: next.count, probes: tested)
                    / Double(isScattered ? graph.nodes(at: hop).count : 1)
            }
            guard !isSilent else { continue }
            graph.nodes[index].received = graph.nodes[index].transmitted
            for number in 0..<graph.nodes[index].received {
                graph.nodes[index].roundTrips.record(.microseconds(Int64(hop * 10 + 20 + index % 3 + number % 5)))
            }
        }
        for index in graph.edges.indices {
            let (to, flows) = (graph.nodes[graph.edges[index].to], graph.edges[index].flows)
            graph.edges[index].transmitted = flows.count
            guard to.responder != nil else { continue }
            graph.edges[index].received = flows.count
            for number in flows.indices {
                graph.edges[index].roundTrips.record(.microseconds(Int64(to.hop * 10 + 20 + number % 5)))
            }
        }
    }

    /// Takes away answers of whoever stands there.
    mutating func lose(_ count: Int, at hop: Int, _ text: String) {
        for index in graph.nodes(at: hop) where graph.nodes[index].responder == address(text) {
            graph.nodes[index].received -= count
            for edge in graph.edges.indices where graph.edges[edge].to == index {
                graph.edges[edge].received = max(0, graph.edges[edge].received - count)
            }
        }
    }

    func run(slowedHops: [Int] = [], isLite: Bool = false) -> MultipathRun {
        let destination = graph.nodes.first?.responder?.version == .v6 ? "2001:db8:77:99::9" : "10.77.99.9"
        let trace = MultipathTrace(MultipathTrace.Configuration(destination: address(destination), space: graph.space))
        var run = MultipathRun(trace, slowedHops: slowedHops, elapsed: .milliseconds(412), time: 2_000_000_000)
        run.graph = graph
        run.rule = rule
        run.isLite = isLite
        run.ending = ending
        run.pathEnding = pathEnding
        run.isReached = graph.nodes.contains { $0.answer?.kind == .reached }
        run.statistics.transmitted = UInt64(graph.nodes.reduce(0) { $0 + $1.transmitted })
        run.statistics.received = UInt64(graph.nodes.reduce(0) { $0 + $1.received })
        return run
    }
}

extension MultipathSample {
    static let all = [
        chain, diamond, shortDiamond, nested, wide, wideAndLong, packets, silentBranch, longerBranch, mesh, refused,
        gap,
        unfinished, lossy, overIPv6, tooWide,
    ]

    static let chain = MultipathSample([(6, "1.2 2.2 * 4.2 99.9")])

    /// Three branches of two hops in ten.
    static let diamond = MultipathSample([
        (7, "1.2 2.2 * 4.2 51.2 61.2 7.2 8.2 9.2 99.9"), (6, "1.2 2.2 * 4.2 52.2 62.2 7.2 8.2 9.2 99.9"),
        (6, "1.2 2.2 * 4.2 53.2 63.2 7.2 8.2 9.2 99.9"),
    ])

    static let shortDiamond = MultipathSample([
        (6, "1.2 21.2 3.2 99.9"), (6, "1.2 22.2 3.2 99.9"), (7, "1.2 23.2 3.2 99.9"),
    ])

    static let nested = MultipathSample([
        (8, "1.2 21.2 31.2 41.2 5.2 99.9"), (7, "1.2 21.2 32.2 41.2 5.2 99.9"), (14, "1.2 22.2 33.2 42.2 5.2 99.9"),
    ])

    static let wide = MultipathSample((0..<16).map { (6 + $0 % 3, "1.2 2.\($0 + 1) 3.2 99.9") })

    static let wideAndLong = MultipathSample((0..<16).map { (6 + $0 % 3, "1.2 2.\($0 + 1) 3.\(16 - $0) 4.2 99.9") })

    static let packets = MultipathSample(
        [(6, "1.2 2.2 31.2 41.2 5.2 99.9"), (7, "1.2 2.2 32.2 42.2 5.2 99.9")], packetHops: [2])

    static let silentBranch = MultipathSample([
        (8, "1.2 21.2 31.2 4.2 99.9"), (7, "1.2 * * 4.2 99.9"), (6, "1.2 23.2 33.2 4.2 99.9"),
    ])

    /// One branch has a hop more, so that all behind it stands at two hops.
    static let longerBranch = MultipathSample([
        (9, "1.2 21.2 4.2 5.2 99.9"), (8, "1.2 22.2 32.2 4.2 5.2 99.9"),
    ])

    /// Neither all to all nor one to one.
    static let mesh = MultipathSample([
        (6, "1.2 21.2 31.2 4.2 99.9"), (6, "1.2 21.2 32.2 4.2 99.9"), (6, "1.2 22.2 32.2 4.2 99.9"),
        (6, "1.2 22.2 33.2 4.2 99.9"), (6, "1.2 23.2 33.2 4.2 99.9"), (6, "1.2 23.2 31.2 4.2 99.9"),
    ])

    static let refused: MultipathSample = {
        var sample = MultipathSample([(7, "1.2 21.2 31.2!"), (6, "1.2 22.2 32.2!"), (6, "1.2 22.2 33.2!")])
        sample.pathEnding = .unreachable
        return sample
    }()

    /// This host has two first hops, and nobody behind the second one answers.
    static let gap: MultipathSample = {
        var sample = MultipathSample([(6, "11.2 2.2 *"), (6, "12.2 2.2 *")])
        sample.pathEnding = .gap
        sample.graph.sourceMissProbability = StoppingRule.missProbability(havingSeen: 2, probes: 12)
        return sample
    }()

    /// Not all was asked that would have to be.
    static let unfinished: MultipathSample = {
        var sample = MultipathSample([(3, "1.2 21.2 3.2"), (2, "1.2 22.2 -")])
        sample.ending = .probeLimit
        sample.pathEnding = nil
        return sample
    }()

    /// More branches than there is room for.
    static let tooWide = MultipathSample((0..<26).map { (6, "1.2 2.\($0) 3.\($0) 4.2 99.9") })

    static let lossy: MultipathSample = {
        var sample = MultipathSample.diamond
        sample.lose(2, at: 5, "10.77.52.2")
        sample.lose(1, at: 10, "10.77.99.9")
        return sample
    }()

    static let overIPv6 = MultipathSample(
        [(6, "1.2 21.2 3.2 99.9"), (7, "1.2 22.2 3.2 99.9")], version: .v6)
}
