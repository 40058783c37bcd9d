import PacketFormats
import ProbeEngine

/// What follows from a multipath graph and is told by more than one report.
struct MultipathShape {
    let nodes: [MultipathGraph.Node]
    /// Those that lead one hop further, between nodes that are there.
    let edges: [MultipathGraph.Edge]
    /// Indices of the edges to each node, and from it.
    let incoming: [[Int]]
    let outgoing: [[Int]]
    /// Indices of the nodes at each hop limit at which there are any, in ascending order.
    let layers: [[Int]]
    /// Hop limits at which each responder answers, in ascending order.
    let hops: [IPAddress: [Int]]

    /// O(nodes log nodes + edges).
    init(_ graph: MultipathGraph) {
        let nodes = graph.nodes
        let edges = graph.edges.filter {
            nodes.indices.contains($0.from) && nodes.indices.contains($0.to)
                && nodes[$0.to].hop == nodes[$0.from].hop &+ 1
        }
        var incoming: [[Int]] = Array(repeating: [], count: nodes.count)
        var outgoing = incoming
        for (index, edge) in edges.enumerated() {
            incoming[edge.to].append(index)
            outgoing[edge.from].append(index)
        }
        let byHop = Dictionary(grouping: nodes.indices) { nodes[$0].hop }
        layers = byHop.keys.sorted().map { byHop[$0] ?? [] }
        var hops: [IPAddress: [Int]] = [:]
        for node in layers.joined() {
            if let responder = nodes[node].responder { hops[responder, default: []].append(nodes[node].hop) }
        }
        self.hops = hops
        self.nodes = nodes
        self.edges = edges
        self.incoming = incoming
        self.outgoing = outgoing
    }

    func parents(of node: Int) -> [Int] { incoming[node].map { edges[$0].from } }

    func children(of node: Int) -> [Int] { outgoing[node].map { edges[$0].to } }

    /// Whether there are several nodes in the hop before.
    func isBehindSeveral(_ node: Int) -> Bool {
        guard let depth = layers.firstIndex(where: { nodes[$0[0]].hop == nodes[node].hop }), depth > 0 else {
            return false
        }
        return layers[depth - 1].count > 1
    }

    /// Whether it is not known of some edge that packets take it.
    var hasUncertainEdges: Bool { edges.contains { !$0.isCertain } }

    /// How many ways there are from the first hop to an end, saturated.
    var pathCount: UInt64 {
        var ways: [UInt64] = Array(repeating: 1, count: nodes.count)
        for node in layers.reversed().joined() where !outgoing[node].isEmpty {
            ways[node] = children(of: node).reduce(0) { Self.saturatingSum($0, ways[$1]) }
        }
        return nodes.indices.lazy.filter { incoming[$0].isEmpty }.reduce(0) { Self.saturatingSum($0, ways[$1]) }
    }

    private static func saturatingSum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }

    /// Which part of all probes passes each node, as far as the probes tell: each balancer's own shares, multiplied along
    /// the way; nil where that is not known. Counting flows would not do, because they are chosen to pass where more are
    /// needed.
    var shares: [Double?] {
        var shares: [Double?] = Array(repeating: nil, count: nodes.count)
        for (depth, layer) in layers.enumerated() {
            let all = depth == 0 ? layer.reduce(0) { $0 + nodes[$1].flows.count } : 0
            for node in layer {
                if depth == 0 {
                    let own = all > 0 ? Double(nodes[node].flows.count) / Double(all) : 1 / Double(layer.count)
                    shares[node] = own
                } else if !incoming[node].isEmpty {
                    shares[node] = incoming[node].reduce(0) { sum, edge in
                        sum.flatMap { sum in shares[edges[edge].from].map { sum + $0 * share(ofEdge: edge) } }
                    }
                }
            }
        }
        return shares
    }

    /// Which part of what passes its near end takes this edge. O(edges of that end).
    func share(ofEdge edge: Int) -> Double {
        let siblings = outgoing[edges[edge].from]
        let all = siblings.reduce(0) { $0 + weight(ofEdge: $1) }
        return all > 0 ? Double(weight(ofEdge: edge)) / Double(all) : 1 / Double(siblings.count)
    }

    private func weight(ofEdge index: Int) -> Int {
        let edge = edges[index]
        guard nodes[edge.from].balancing == .packets else { return edge.flows.count }
        return nodes[edge.to].responder == nil ? edge.transmitted : edge.received
    }

    /// What one flow shows of the graph.
    struct Path {
        var flow: Int
        /// For each hop limit from the first to the last where the flow was seen; nil where it was not, or at more than
        /// one node.
        var nodes: [Int?]
    }

    /// Flows that between them take all edges that any flow is known to take: few, and those first that show most.
    /// O(paths * nodes' flows).
    var cover: [Path] {
        var taken: [Int: [Int: Int?]] = [:]
        for node in nodes.indices {
            for flow in nodes[node].flows {
                let hop = nodes[node].hop
                taken[flow, default: [:]].updateValue(taken[flow]?[hop] == nil ? node : Int?.none, forKey: hop)
            }
        }
        var edgeAt: [[Int]: Int] = [:]
        for (index, edge) in edges.enumerated() where edge.isCertain { edgeAt[[edge.from, edge.to]] = index }
        var candidates = taken.keys.sorted().map { flow in
            let hops = taken[flow] ?? [:]
            let nodes = ((hops.keys.min() ?? 0)...(hops.keys.max() ?? 0)).map { hops[$0] ?? nil }
            let edges = zip(nodes, nodes.dropFirst()).compactMap { pair -> Int? in
                guard let from = pair.0, let to = pair.1 else { return nil }
                return edgeAt[[from, to]]
            }
            return (path: Path(flow: flow, nodes: nodes), edges: edges)
        }
        candidates.sort { ($1.edges.count, $0.path.flow) < ($0.edges.count, $1.path.flow) }
        var covered: Set<Int> = []
        var cover: [Path] = []
        while true {
            var best: (index: Int, gain: Int)?
            for (index, candidate) in candidates.enumerated() {
                // Behind it nobody has as many.
                if let best, candidate.edges.count <= best.gain { break }
                let gain = candidate.edges.count { !covered.contains($0) }
                if gain > best?.gain ?? 0 { best = (index, gain) }
            }
            guard let best else { break }
            cover.append(candidates[best.index].path)
            covered.formUnion(candidates[best.index].edges)
            candidates.remove(at: best.index)
        }
        // A path of one hop has no edge.
        return cover.isEmpty ? Array(candidates.prefix(1).map(\.path)) : cover
    }
}
