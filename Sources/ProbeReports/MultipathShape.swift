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

    /// How probes choose among the next hops of a node; nil where it is not known which ones it has.
    func balancing(at node: Int) -> MultipathGraph.Balancing? {
        outgoing[node].allSatisfy { edges[$0].isCertain } ? nodes[node].balancing : nil
    }

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
        // All of it is all, however it was summed up.
        return shares.map { $0.map { $0 > 1 - 1e-9 ? 1 : $0 } }
    }

    /// Which part of what passes its near end takes this edge. O(edges of that end).
    func share(ofEdge edge: Int) -> Double {
        let siblings = outgoing[edges[edge].from]
        let all = siblings.reduce(0) { $0 + weight(ofEdge: $1) }
        return all > 0 ? Double(weight(ofEdge: edge)) / Double(all) : 1 / Double(siblings.count)
    }

    private func weight(ofEdge index: Int) -> Int {
        let edge = edges[index]
        let far = nodes[edge.to]
        let isSilent = far.responder == nil
        // Whoever it came from, so many came.
        if !edge.isCertain { return isSilent ? far.transmitted : far.received }
        if nodes[edge.from].balancing == .packets { return isSilent ? edge.transmitted : edge.received }
        return edge.flows.count
    }

    /// From the first hop limit that a flow is known at to the last, the node that all its packets pass; nil where that is
    /// not known, or each goes its own way. O(nodes' flows).
    func path(ofFlow flow: Int) -> (firstHop: Int, nodes: [Int?]) {
        let own = Dictionary(grouping: nodes.indices.filter { nodes[$0].flows.contains(flow) }) { nodes[$0].hop }
        let known = own.compactMapValues { $0.count == 1 && isCertain($0[0]) ? $0[0] : nil }
        guard let first = known.keys.min(), let last = known.keys.max() else { return (0, []) }
        return (first, (first...last).map { known[$0] })
    }

    /// Whether a flow that is known to pass here does so with every packet.
    private func isCertain(_ node: Int) -> Bool {
        incoming[node].allSatisfy { edges[$0].isCertain && nodes[edges[$0].from].balancing != .packets }
    }
}
