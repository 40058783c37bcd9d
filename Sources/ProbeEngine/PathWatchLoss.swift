extension PathWatch {
    /// By edge, the share of probes that it loses itself, by the sums so far; see the other function.
    public var edgeLosses: [Double?] { edgeLosses(nodes: nodes, edges: edges, ends: ends) }

    /// By edge, the share of probes that the edge itself loses, there or back, as far as counts of some rounds of the present
    /// graph tell: what arrives behind it compared with what arrives in front of it. 0 where the difference is within chance
    /// (two standard errors); nil where nothing is known.
    ///
    /// A router that withholds errors loses nothing: what an edge lets pass is the most that arrives at its far end, or
    /// behind on ways that all lead over it. Answers have a way back too, which may be another one: a loss on it shows
    /// wherever the first answers take it. O(paths × hops² + edges²).
    public func edgeLosses(nodes: [PathCounts], edges: [PathCounts], ends: [PathCounts]) -> [Double?] {
        let ways = routes.map { route in
            zip(route.stops.prefix(route.end), route.stops.dropFirst()).map { from, to in
                edge(from.node, to.node)
            }
        }
        var through: [Set<Int>] = Array(repeating: [], count: graph.edges.count)
        for (path, way) in ways.enumerated() { for case let edge? in way { through[edge].insert(path) } }
        let isEnd = Set(routes.compactMap { $0.stops[$0.end].node })
        let arriving = edges.indices.map { Arrival(edges[$0], isEnd: isEnd.contains(graph.edges[$0].to)) }
        let ending = ends.map { Arrival($0, isEnd: true) }
        // What gets over each edge.
        var passing = edges.indices.map { through[$0].reduce(arriving[$0]) { max($0, ending[$1]) } }
        for way in ways {
            for (place, edge) in way.enumerated() {
                guard let edge else { continue }
                for case let later? in way[(place + 1)...] where through[later].isSubset(of: through[edge]) {
                    passing[edge] = max(passing[edge], arriving[later])
                }
            }
        }
        return edges.indices.map { edge in
            var front = Arrival()
            for before in edges.indices where graph.edges[before].to == graph.edges[edge].from {
                if !through[before].isDisjoint(with: through[edge]) { front = max(front, passing[before]) }
            }
            if front.count == 0 {
                let first = Arrival(nodes[graph.edges[edge].from], isEnd: false)
                front = through[edge].reduce(first) { max($0, ending[$1]) }
            }
            guard passing[edge].count > 0 else { return nil }
            return front.loss(to: passing[edge])
        }
    }

    /// The share of probes that arrive, and of how many.
    private struct Arrival: Comparable {
        var share = -1.0
        var count: UInt64 = 0

        init() {}

        /// - Parameter isEnd: nobody behind it tells what withheld answers mean.
        init(_ counts: PathCounts, isEnd: Bool) {
            count = counts.audible &- (isEnd ? counts.withheld : 0)
            guard count > 0 else { return }
            let missing = counts.lost &+ counts.refused &+ (isEnd ? 0 : counts.withheld)
            share = 1 - Double(missing) / Double(count)
        }

        private var variance: Double { share * (1 - share) / Double(count) }

        func loss(to behind: Arrival) -> Double {
            guard count > 0, share > behind.share else { return 0 }
            return share - behind.share > 2 * (variance + behind.variance).squareRoot() ? 1 - behind.share / share : 0
        }

        static func < (left: Arrival, right: Arrival) -> Bool { left.share < right.share }
    }
}
