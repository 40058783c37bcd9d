/// Whom a round asks, and in which order.
///
/// A probe with the hop limit of an edge's far end, of a flow that passes the edge, is a sample of both; so each edge is
/// asked once a round, by one of its flows, which take turns, and each node is asked as often as edges lead to it. The end
/// of each path is asked by its own flow. Routers that limit their errors are asked once a round, and their edges take
/// turns. The others are asked at even distances, each time by another edge first: where errors are left out, it is not
/// always the same edge's.
struct WatchPlan: Sendable {
    struct Place: Hashable, Sendable {
        var path: Int
        /// Index among the stops of its route.
        var stop: Int
    }

    /// What gets one probe a round.
    struct Unit: Sendable {
        /// Places of one edge, of several edges that take turns.
        var edges: [[Place]]
        /// It is asked in one of so many rounds.
        var stride = 1
        /// In which of them.
        var phase = 0

        func isDue(in round: UInt64) -> Bool { round % UInt64(stride) == UInt64(phase) }

        /// How many times it was asked before this round.
        func turn(in round: UInt64) -> Int { Int(truncatingIfNeeded: round / UInt64(stride) & 0xffff_ffff) }

        /// The places of the edge whose turn it is.
        func edge(in round: UInt64) -> [Place] { edges[turn(in: round) % edges.count] }
    }

    /// In the order of a round.
    let units: [Unit]
    /// By router, how many edges and ends lead to it.
    let edgesOfRouter: [Int]

    /// - Parameters:
    ///   - router: whose errors are limited together; nil where nobody is known.
    ///   - strides: by router, nil where all edges are asked, else of how many rounds one asks it.
    init(
        _ routes: [WatchRoute], router: (WatchStop) -> Int?, strides: [Int?], seed: UInt64
    ) {
        var edges: [(router: Int?, places: [Place])] = []
        var index: [Key: Int] = [:]
        for (path, route) in routes.enumerated() {
            for stop in route.stops.indices {
                let place = Place(path: path, stop: stop)
                let key = Key(route, stop)
                if let key, let known = index[key] {
                    edges[known].places.append(place)
                } else {
                    if let key { index[key] = edges.count }
                    edges.append((router(route.stops[stop]), [place]))
                }
            }
        }
        var count = Array(repeating: 0, count: strides.count)
        for edge in edges { if let router = edge.router { count[router] += 1 } }
        edgesOfRouter = count
        units = Self.order(Self.units(edges, strides), count, seed)
    }

    private static func units(_ edges: [(router: Int?, places: [Place])], _ strides: [Int?]) -> [(Int?, Unit)] {
        var units: [(router: Int?, unit: Unit)] = []
        var ofRouter: [Int: [[Place]]] = [:]
        var routers: [Int] = []
        for edge in edges {
            guard let router = edge.router else {
                units.append((nil, Unit(edges: [edge.places])))
                continue
            }
            if ofRouter[router] == nil { routers.append(router) }
            ofRouter[router, default: []].append(edge.places)
        }
        for router in routers {
            let edges = ofRouter[router, default: []]
            if let stride = strides[router].map({ max(1, $0) }) {
                units.append((router, Unit(edges: edges, stride: stride, phase: units.count % stride)))
            } else {
                for first in edges.indices {
                    units.append((router, Unit(edges: Array(edges[first...] + edges[..<first]))))
                }
            }
        }
        return units
    }

    /// Each router's units evenly over the round, from a place on that the seed decides.
    private static func order(_ units: [(router: Int?, unit: Unit)], _ count: [Int], _ seed: UInt64) -> [Unit] {
        var generator = SplitMix64(state: seed)
        var next: [Int: Double] = [:]
        var positions: [(Double, Int)] = []
        for (index, entry) in units.enumerated() {
            var position = Double(generator.next() >> 11) / Double(1 << 53)
            if let router = entry.router {
                if let known = next[router] { position = known }
                let following = position + 1 / Double(max(1, count[router]))
                next[router] = following < 1 ? following : following - 1
            }
            positions.append((position, index))
        }
        positions.sort { $0.0 == $1.0 ? $0.1 < $1.1 : $0.0 < $1.0 }
        return positions.map { units[$0.1].unit }
    }

    /// Places with the same key are passed alike by their flows.
    private struct Key: Hashable {
        var hop: Int
        var before: WatchStop.Responder?
        var here: WatchStop.Responder

        /// nil for what no other flow can be asked for.
        init?(_ route: WatchRoute, _ stop: Int) {
            let here = route.stops[stop]
            guard stop != route.end, !here.isSuspect, !here.isUncertain else { return nil }
            if stop > 0 {
                guard !route.stops[stop - 1].isUncertain else { return nil }
                before = route.stops[stop - 1].responder
            }
            hop = stop
            self.here = here.responder
        }
    }
}
