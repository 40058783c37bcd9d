extension MultipathGraph {
    /// Flows that together pass every edge, and every node that has none: few, as each passes the most that those before it
    /// left (Chvátal, "A greedy heuristic for the set-covering problem", 1979), and none that the others make needless. In
    /// their order. Of flows that pass as much, the one whose whole path is known is taken, then the first.
    ///
    /// O(flows of all edges and nodes × length of the cover).
    public var cover: [Int] {
        var passed: [Int: [Int]] = [:]
        for (index, edge) in edges.enumerated() {
            for flow in Set(edge.flows) { passed[flow, default: []].append(index) }
        }
        let joined = Set(edges.filter { !$0.flows.isEmpty }.flatMap { [$0.from, $0.to] })
        for (index, node) in nodes.enumerated() where !joined.contains(index) {
            for flow in Set(node.flows) { passed[flow, default: []].append(edges.count + index) }
        }
        var knownHops: [Int: Int] = [:]
        for node in nodes { for flow in node.flows { knownHops[flow, default: 0] += 1 } }
        let candidates = passed.keys.sorted()
        var count = Array(repeating: 0, count: edges.count + nodes.count)
        var chosen: [Int] = []
        while true {
            var best: (flow: Int, gain: Int, hops: Int)?
            for flow in candidates {
                let gain = passed[flow, default: []].count { count[$0] == 0 }
                let hops = knownHops[flow, default: 0]
                guard gain > 0, gain > best?.gain ?? 0 || gain == best?.gain && hops > best?.hops ?? 0 else { continue }
                best = (flow, gain, hops)
            }
            guard let best else { break }
            chosen.append(best.flow)
            for index in passed[best.flow, default: []] { count[index] += 1 }
        }
        for flow in chosen where passed[flow, default: []].allSatisfy({ count[$0] > 1 }) {
            chosen.removeAll { $0 == flow }
            for index in passed[flow, default: []] { count[index] -= 1 }
        }
        return chosen.sorted()
    }
}
