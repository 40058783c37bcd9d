extension PathWatch {
    /// The share of probes that an edge itself loses, there or back, as far as the sums tell: what arrives behind it
    /// compared with what arrives in front of it. 0 where the difference is within chance (two standard errors); nil where
    /// nothing is known.
    ///
    /// A router that withholds errors loses nothing: of an edge the most that arrives at its far end, or behind, by ways
    /// that all lead over it, is what it lets pass. O(edges × paths).
    public func loss(onEdge edge: Int) -> Double? {
        guard graph.edges.indices.contains(edge) else { return nil }
        let through = paths(over: edge)
        guard let behind = arrival(behind: edge, through) else { return nil }
        var front: (share: Double, count: Double)?
        for before in graph.edges.indices where graph.edges[before].to == graph.edges[edge].from {
            let others = paths(over: before)
            guard !others.isDisjoint(with: through), let found = arrival(behind: before, others) else { continue }
            if found.share > front?.share ?? -1 { front = found }
        }
        let before = front ?? arrival(at: graph.edges[edge].from, through) ?? (1, .infinity)
        guard before.share > behind.share else { return 0 }
        let error = (Self.variance(behind) + Self.variance(before)).squareRoot()
        return before.share - behind.share > 2 * error ? 1 - behind.share / before.share : 0
    }

    private func paths(over edge: Int) -> Set<Int> {
        let (from, to) = (graph.edges[edge].from, graph.edges[edge].to)
        return Set(
            paths.indices.filter { path in
                zip(paths[path].nodes, paths[path].nodes.dropFirst()).contains { $0.0 == from && $0.1 == to }
            })
    }

    /// The share that gets over an edge, and of how many.
    private func arrival(behind edge: Int, _ through: Set<Int>) -> (share: Double, count: Double)? {
        var best = Self.share(edges[edge])
        for path in through { best = Self.better(best, Self.share(ends[path])) }
        for later in graph.edges.indices
        where graph.nodes[graph.edges[later].from].hop > graph.nodes[graph.edges[edge].from].hop {
            let others = paths(over: later)
            if !others.isEmpty, others.isSubset(of: through) { best = Self.better(best, Self.share(edges[later])) }
        }
        return best
    }

    /// The share that gets to a node that nobody is in front of.
    private func arrival(at node: Int, _ through: Set<Int>) -> (share: Double, count: Double)? {
        through.reduce(Self.share(nodes[node])) { Self.better($0, Self.share(ends[$1])) }
    }

    private static func share(_ counts: PathCounts) -> (share: Double, count: Double)? {
        guard counts.audible > 0 else { return nil }
        let missing = counts.lost + counts.withheld + counts.refused
        return (1 - Double(missing) / Double(counts.audible), Double(counts.audible))
    }

    private static func better(
        _ one: (share: Double, count: Double)?, _ other: (share: Double, count: Double)?
    ) -> (share: Double, count: Double)? {
        guard let one, let other else { return one ?? other }
        return other.share > one.share ? other : one
    }

    private static func variance(_ found: (share: Double, count: Double)) -> Double {
        found.share * (1 - found.share) / found.count
    }
}
