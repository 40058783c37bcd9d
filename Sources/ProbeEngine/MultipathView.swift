/// What the answers of a multipath trace mean together: who stands at which hop, whose probes came from whom, and which
/// nodes have had how many. Made anew whenever it is asked for, so that nothing has to be taken back.
///
/// O(hops * flows) to make.
struct MultipathView: Sendable {
    /// Who stands at a hop: the index of a responder there, or one of those below.
    typealias Vertex = Int

    /// All that is silent at a hop.
    static let silent = -1
    /// Not known.
    static let unknown = -2
    /// The flow ends before.
    static let nowhere = -3
    /// Any of those that a balancer by packets sends to.
    static let mixed = -4
    /// All nodes of a hop, where they are taken for alike.
    static let everybody = -5
    /// This host.
    static let source = -6

    /// Probes of one hop that came through the same node of the hop before.
    struct Group: Sendable {
        var parent: Vertex
        /// Who answered them.
        var seen: [Vertex] = []
        /// Samples whose next hop is known: of flows, or of packets where they choose for themselves.
        var tested = 0
        /// Under way, or to be asked again.
        var open = 0
        /// Flows that may be asked.
        var unasked: [Int] = []
        /// Answered flows, to ask again.
        var answered: [Int] = []
        /// Answers beyond the first of a flow, and such asks that are not over or were in vain.
        var repeated = 0
        var repeatsOpen = 0
        var repeatsAsked = 0
        /// Whether answers to one flow differ.
        var isByPackets = false

        /// Whether nothing is under way.
        var isSettled: Bool { open == 0 }
    }

    struct Hop: Sendable {
        /// By flow: at which node of the hop before it was.
        var parents: [Vertex]
        /// By flow, at this hop: `unknown` where it was not asked or is not over.
        var vertices: [Vertex]
        /// Whoever stands here.
        var alive: [Vertex] = []
        /// Who was met by flows that a balancer by packets scatters.
        var scattered: [Vertex] = []
        var groups: [Group] = []
        /// Whether the nodes of the hop before are taken for alike.
        var isLite = false
        /// Of each responder, whether it said that the path ends.
        var ends: [Bool]

        func isEnd(_ vertex: Vertex) -> Bool { vertex >= 0 && ends[vertex] }

        /// How many flows went on from these nodes of the hop before as the others of their node did, where that is no
        /// matter of course: each node has one next hop, and they are not all the same. 0 else.
        func witnesses(of nodes: [Vertex]) -> Int {
            var nextHops: Set<Vertex> = []
            var count = 0
            for group in groups where nodes.contains(group.parent) {
                guard group.seen.count == 1 else { return 0 }
                nextHops.insert(group.seen[0])
                count += group.tested - 1
            }
            return nextHops.count > 1 ? count : 0
        }
    }

    /// By hop limit minus the first.
    private(set) var hops: [Hop] = []
    /// By flow: the first hop limit at which the path ended, `.max` where that is not known.
    private(set) var ends: [Int]
    /// The highest hop limit at which somebody answered that belongs to a path; one less than the first for none.
    private(set) var furthest: Int
    let firstHop: Int

    init(_ rows: [MultipathHop], firstHop: Int, flows: Int, isLite: Bool) {
        self.firstHop = firstHop
        furthest = firstHop - 1
        ends = Array(repeating: .max, count: flows)
        for hop in firstHop..<max(firstHop, rows.count + 1) {
            let row = rows[hop - 1]
            for flow in row.slots.indices where row.slots[flow].vertex >= 0 {
                if row.ends[Int(row.slots[flow].vertex)] { ends[flow] = min(ends[flow], hop) }
            }
        }
        var isScattered = Array(repeating: false, count: flows)
        /// Whether a hop since the last one with a single node has shown that nodes are not alike.
        var isStrict = false
        for hop in firstHop..<max(firstHop, rows.count + 1) {
            guard !rows[hop - 1].slots.isEmpty || hop <= furthest + 1 else { break }
            add(hop, rows[hop - 1], isLite: isLite, &isStrict, &isScattered, flows)
        }
    }

    func hop(_ number: Int) -> Hop? { hops.indices.contains(number - firstHop) ? hops[number - firstHop] : nil }

    // MARK: Making

    private mutating func add(
        _ number: Int, _ row: MultipathHop, isLite: Bool, _ isStrict: inout Bool, _ isScattered: inout [Bool],
        _ flows: Int
    ) {
        var hop = Hop(
            parents: Array(repeating: Self.unknown, count: flows),
            vertices: Array(repeating: Self.unknown, count: flows),
            ends: row.ends)
        for flow in 0..<flows {
            hop.parents[flow] = parent(of: flow, at: number, isScattered[flow])
            if ends[flow] >= number { hop.vertices[flow] = vertex(row[flow]) }
            let vertex = hop.vertices[flow]
            guard vertex != Self.unknown else { continue }
            if !hop.alive.contains(vertex) { hop.alive.append(vertex) }
            if vertex >= 0 { furthest = max(furthest, number) }
        }
        let variations = row.variations.filter { ends[$0.flow] >= number && $0.flow < flows }
        for variation in variations where !hop.alive.contains(variation.vertex) { hop.alive.append(variation.vertex) }
        // A balancer by packets scatters all flows that it passes on.
        let balancers = Set(variations.map { hop.parents[$0.flow] }).subtracting([Self.unknown, Self.nowhere])
        for flow in 0..<flows where balancers.contains(hop.parents[flow]) { isScattered[flow] = true }
        for variation in variations { isScattered[variation.flow] = true }
        for flow in 0..<flows where isScattered[flow] && hop.vertices[flow] != Self.unknown {
            if !hop.scattered.contains(hop.vertices[flow]) { hop.scattered.append(hop.vertices[flow]) }
        }
        for variation in variations where !hop.scattered.contains(variation.vertex) {
            hop.scattered.append(variation.vertex)
        }
        // Where they meet again they are flows again.
        if hop.scattered.count == 1 {
            for flow in 0..<flows where hop.vertices[flow] == hop.scattered[0] || hop.alive.count == 1 {
                isScattered[flow] = false
            }
        }
        if isLite { judgeLikeness(of: &hop, number, &isStrict) }
        gather(&hop, row, flows, number)
        for index in hop.groups.indices {
            hop.groups[index].isByPackets = balancers.contains(hop.groups[index].parent)
        }
        hops.append(hop)
    }

    private func parent(of flow: Int, at number: Int, _ isScattered: Bool) -> Vertex {
        if ends[flow] < number { return Self.nowhere }
        guard number > firstHop, let above = hop(number - 1) else { return Self.source }
        if isScattered { return Self.mixed }
        if above.vertices[flow] != Self.unknown { return above.vertices[flow] }
        guard above.alive.count == 1 else { return Self.unknown }
        return above.isEnd(above.alive[0]) ? Self.nowhere : above.alive[0]
    }

    private func vertex(_ slot: MultipathHop.Slot) -> Vertex {
        if slot.vertex >= 0 { return Int(slot.vertex) }
        return slot.state == .silent ? Self.silent : Self.unknown
    }

    /// The tests of MDA-Lite: a node with several neighbours on the side where there are no more than on its own is meshed,
    /// and where their numbers differ nodes are not alike (Vermeulen et al., IMC 2018, sections 2.3.1 and 2.3.2).
    private func judgeLikeness(of hop: inout Hop, _ number: Int, _ isStrict: inout Bool) {
        guard number > firstHop, let above = self.hop(number - 1) else { return }
        if above.alive.count <= 1 { isStrict = false }
        if above.alive.count > 1, hop.alive.count > 1 {
            var next = Array(repeating: Set<Vertex>(), count: above.alive.count)
            var former = Array(repeating: Set<Vertex>(), count: hop.alive.count)
            for flow in hop.vertices.indices {
                guard let from = above.alive.firstIndex(of: above.vertices[flow]),
                    let to = hop.alive.firstIndex(of: hop.vertices[flow])
                else { continue }
                next[from].insert(hop.vertices[flow])
                former[to].insert(above.vertices[flow])
            }
            let nextCounts = next.map(\.count).filter { $0 > 0 }
            let formerCounts = former.map(\.count).filter { $0 > 0 }
            let isMeshed =
                above.alive.count >= hop.alive.count && nextCounts.contains { $0 > 1 }
                || above.alive.count <= hop.alive.count && formerCounts.contains { $0 > 1 }
            let isUneven =
                above.alive.count < hop.alive.count && Set(nextCounts).count > 1
                || above.alive.count > hop.alive.count && Set(formerCounts).count > 1
            if isMeshed || isUneven { isStrict = true }
        }
        hop.isLite = !isStrict && above.alive.count > 1
    }

    private func gather(_ hop: inout Hop, _ row: MultipathHop, _ flows: Int, _ number: Int) {
        for flow in 0..<flows {
            var parent = hop.parents[flow]
            if parent == Self.nowhere { continue }
            if hop.isLite, parent != Self.mixed { parent = Self.everybody }
            if parent == Self.unknown { continue }
            let index: Int
            if let found = hop.groups.firstIndex(where: { $0.parent == parent }) {
                index = found
            } else {
                index = hop.groups.count
                hop.groups.append(Group(parent: parent))
            }
            let slot = row[flow]
            let vertex = hop.vertices[flow]
            if vertex != Self.unknown, !hop.groups[index].seen.contains(vertex) {
                hop.groups[index].seen.append(vertex)
            }
            hop.groups[index].repeatsOpen += Int(slot.repeatsUnderWay)
            hop.groups[index].repeatsAsked += Int(slot.repeats)
            switch slot.state {
            case .unasked: hop.groups[index].unasked.append(flow)
            case .asked, .doubtful: hop.groups[index].open += 1
            case .silent: hop.groups[index].tested += 1
            case .answered where ends[flow] >= number:
                hop.groups[index].answered.append(flow)
                hop.groups[index].repeated += max(0, Int(slot.answers) - 1)
                // Of those who are scattered each packet is a sample.
                hop.groups[index].tested += parent == Self.mixed ? max(1, Int(slot.answers)) : 1
                if parent == Self.mixed { hop.groups[index].open += Int(slot.repeatsUnderWay) }
            case .answered, .unsent: break
            }
        }
        for variation in row.variations where ends[variation.flow] >= number && variation.flow < flows {
            var parent = hop.parents[variation.flow]
            if hop.isLite, parent != Self.mixed { parent = Self.everybody }
            guard let index = hop.groups.firstIndex(where: { $0.parent == parent }),
                !hop.groups[index].seen.contains(variation.vertex)
            else { continue }
            hop.groups[index].seen.append(variation.vertex)
        }
    }
}
