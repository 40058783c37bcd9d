import PacketFormats

/// Which way a flow goes: what the graph says at first, then what its answers say.
struct WatchRoute: Sendable {
    let flow: Int
    /// By hop, from the graph's first on.
    var stops: [WatchStop]
    /// Index of the last stop at which somebody answers, or of the last one.
    let end: Int
}

/// What is known of a flow at one hop limit.
struct WatchStop: Sendable {
    enum Responder: Hashable, Sendable {
        /// One of the candidates.
        case unknown
        /// A node of the graph.
        case node(Int)
        /// Somebody whom the graph does not have at this hop.
        case other(IPAddress)
    }

    /// Nodes that the graph allows.
    let candidates: [Int]
    /// Whether each packet may meet another one of them.
    let isSpread: Bool
    var responder: Responder
    /// The number of the probe that the responder is known by.
    var latest: UInt64 = 0
    /// Whether each of the last answers came from somebody else than the one before: the latest is the lowest bit.
    var history: UInt16 = 0
    /// Whether it changes so often that each change says nothing.
    var isUnsteady = false
    /// Probes in a row that nobody answered while it is not known who would.
    var silences = 0
    /// Whether it is taken for silent because of them.
    var isGuess = false
    /// Whether it is to be asked itself, because others that shared its way go another one now.
    var isSuspect = false

    init(_ candidates: [Int], isSpread: Bool) {
        self.candidates = candidates
        self.isSpread = isSpread
        responder = candidates.count == 1 && !isSpread ? .node(candidates[0]) : .unknown
    }

    /// Who is going to answer; nil where that is not known before.
    var node: Int? {
        guard !isUnsteady, case .node(let node) = responder else { return nil }
        return node
    }

    /// Whether an answer may come from several.
    var isUncertain: Bool { isUnsteady || responder == .unknown }
}

/// The nodes and edges of a graph, found by what they are.
struct WatchIndex: Sendable {
    private struct Place: Hashable {
        var hop: Int
        var responder: IPAddress?
    }
    private struct Ends: Hashable {
        var from: Int
        var to: Int
    }

    private var nodes: [Place: Int] = [:]
    private var edges: [Ends: Int] = [:]
    private var nextHops: [Int: [Int]] = [:]

    init(_ graph: MultipathGraph) {
        for (index, node) in graph.nodes.enumerated() {
            nodes[Place(hop: node.hop, responder: node.responder?.withoutZone)] = index
        }
        for (index, edge) in graph.edges.enumerated() {
            edges[Ends(from: edge.from, to: edge.to)] = index
            nextHops[edge.from, default: []].append(edge.to)
        }
    }

    func node(at hop: Int, _ responder: IPAddress?) -> Int? {
        nodes[Place(hop: hop, responder: responder?.withoutZone)]
    }

    func edge(from: Int, to: Int) -> Int? { edges[Ends(from: from, to: to)] }

    func next(_ node: Int) -> [Int] { nextHops[node, default: []] }
}

extension MultipathGraph {
    /// The ways of these flows; those that no node knows are left out. O(flows of all nodes + hops × nodes × routes).
    func routes(of flows: [Int], _ index: WatchIndex) -> [WatchRoute] {
        let wanted = Set(flows)
        var known: [Int: [Int]] = [:]
        for (node, found) in nodes.enumerated() {
            for flow in found.flows where wanted.contains(flow) { known[flow, default: []].append(node) }
        }
        var isDone: Set<Int> = []
        return flows.compactMap { flow in
            guard let known = known[flow], isDone.insert(flow).inserted else { return nil }
            let stops = stops(known, index)
            let end = stops.lastIndex { $0.candidates.contains { nodes[$0].responder != nil } } ?? stops.count - 1
            return stops.isEmpty ? nil : WatchRoute(flow: flow, stops: stops, end: end)
        }
    }

    /// - Parameter known: the nodes that a flow is known to pass.
    private func stops(_ known: [Int], _ index: WatchIndex) -> [WatchStop] {
        var stops: [WatchStop] = []
        let furthest = known.map { nodes[$0].hop }.max() ?? 0
        var before: [Int] = []
        var isSpread = false
        var hop = firstHop
        while hop <= Int(UInt8.max) {
            var here = Set(known.filter { nodes[$0].hop == hop })
            let behind = before.filter { !nodes[$0].isEnd }
            let isBehindSpread = isSpread || behind.contains { nodes[$0].balancing == .packets }
            isSpread = here.count > 1
            if here.isEmpty || isBehindSpread { here.formUnion(behind.flatMap { index.next($0) }) }
            if here.isEmpty, hop <= furthest { here.formUnion(nodes(at: hop)) }
            guard !here.isEmpty else { break }
            isSpread = here.count > 1 && (isSpread || isBehindSpread)
            before = here.sorted()
            stops.append(WatchStop(before, isSpread: isSpread))
            if hop >= furthest, before.allSatisfy({ nodes[$0].isEnd }) { break }
            hop += 1
        }
        return stops
    }
}
