import PacketFormats

/// The graph of a scenario with numbers for names, and the next hops in it.
///
/// Node 0 is the source, then come the routers, then the targets, which are leaves.
struct Topology: Sendable {
    /// One direction of a link. A class, as `Node` is: in a debug build an element of an array is copied to be looked at.
    final class Edge: Sendable {
        let from: Int
        let to: Int
        let mtu: Int
        let isBlackHole: Bool
        /// What an error about a packet that is too big says.
        let claimedMTU: Int
        /// Of the link itself.
        let impairment: Impairment?
        /// Addresses of the interfaces at both ends.
        let near: Scenario.Interface
        let far: Scenario.Interface

        init(from: Int, to: Int, _ link: Scenario.Link, near: Scenario.Interface, far: Scenario.Interface) {
            self.from = from
            self.to = to
            mtu = link.mtu ?? Int.max
            isBlackHole = link.isBlackHole
            claimedMTU = link.hidesMTU ? 0 : link.claimedMTU ?? mtu
            impairment = link.impairment.isNothing ? nil : link.impairment
            self.near = near
            self.far = far
        }
    }

    /// Next hops among which a router chooses.
    struct Group: Sendable {
        enum Choice: Sendable {
            case flow(BalanceKey)
            /// Two next hops, the first one at the start.
            case time(Scenario.Flip.Schedule)
        }

        var choice: Choice
        var edges: [Int]
    }

    final class Tunnel: Sendable {
        let nodes: [Int]
        /// From each node to the next one.
        let edges: [Int]
        let kind: TunnelKind
        let label: UInt32

        init(nodes: [Int], edges: [Int], _ tunnel: Scenario.Tunnel) {
            self.nodes = nodes
            self.edges = edges
            kind = tunnel.kind
            label = tunnel.label
        }

        var last: Int { nodes.count - 1 }
    }

    final class Node: Sendable {
        let name: String
        let v4: IPv4Address?
        let v6: IPv6Address?
        let access: Impairment?
        let answers: Answers
        let router: Scenario.Router?
        let target: Scenario.Target?
        let returnPath: Scenario.ReturnPath?
        /// The router of a target; of every other node itself.
        let attachment: Int

        init(source: Scenario.Source) {
            name = Scenario.sourceName
            (v4, v6) = (source.v4, source.v6)
            access = nil
            answers = Answers(hopLimit: 64)
            (router, target, returnPath) = (nil, nil, nil)
            attachment = 0
        }

        init(_ router: Scenario.Router, _ returnPath: Scenario.ReturnPath?, number: Int) {
            name = router.name
            (v4, v6) = (router.v4, router.v6)
            access = router.access.isNothing ? nil : router.access
            answers = router.answers
            (self.router, target, self.returnPath) = (router, nil, returnPath)
            attachment = number
        }

        init(_ target: Scenario.Target, name: String, attachment: Int) {
            self.name = name
            (v4, v6) = (nil, nil)
            access = target.access.isNothing ? nil : target.access
            answers = target.answers
            (router, self.target, returnPath) = (nil, target, nil)
            self.attachment = attachment
        }
    }

    private(set) var nodes: [Node] = []
    private(set) var edges: [Edge] = []
    /// The edges that leave each node, in the order of the scenario.
    private(set) var leaving: [[Int]] = []
    private(set) var tunnels: [Tunnel] = []
    private var groups: [[Group]] = []
    private var owners: [IPAddress: Int] = [:]
    private var prefixes: [(prefix: IPPrefix, node: Int)] = []
    private var routerCount = 0
    /// Next edges by incoming edge (or node of origin) and attachment of the destination.
    private var routes: [Int32] = []

    init(_ scenario: Scenario) {
        let scenario = scenario.withAddresses()
        add(Node(source: scenario.source))
        var numbers = [Scenario.sourceName: 0]
        for router in scenario.routers {
            let number = nodes.count
            numbers[router.name] = number
            add(Node(router, scenario.returns.last { $0.router == router.name }, number: number))
            if let address = router.v4 { owners[.v4(address)] = number }
            if let address = router.v6 { owners[.v6(address)] = number }
        }
        routerCount = nodes.count
        for link in scenario.links {
            guard let from = numbers[link.from], let to = numbers[link.to], from != to else { continue }
            join(from, to, link)
            for (node, interface) in [(from, link.near), (to, link.far)] where node != 0 {
                if let address = interface.v4 { owners[.v4(address)] = node }
                if let address = interface.v6 { owners[.v6(address)] = node }
            }
        }
        for balance in scenario.balances {
            guard let router = numbers[balance.router] else { continue }
            let hops = balance.nextHops.compactMap { numbers[$0] }
            let group = hops.compactMap { hop in edge(from: router, to: hop) }
            if group.count > 1 { groups[router].append(Group(choice: .flow(balance.key), edges: group)) }
        }
        for flip in scenario.flips {
            guard let router = numbers[flip.router] else { continue }
            let group = [flip.first, flip.second].compactMap { numbers[$0] }.compactMap { hop in
                edge(from: router, to: hop)
            }
            if group.count == 2 { groups[router].append(Group(choice: .time(flip.schedule), edges: group)) }
        }
        for tunnel in scenario.tunnels {
            let nodes = tunnel.routers.compactMap { numbers[$0] }
            let edges = zip(nodes, nodes.dropFirst()).compactMap { edge(from: $0, to: $1) }
            guard (3...250).contains(nodes.count), nodes.count == tunnel.routers.count, edges.count == nodes.count - 1
            else { continue }
            tunnels.append(Tunnel(nodes: nodes, edges: edges, tunnel))
        }
        for target in scenario.targets {
            guard let via = numbers[target.via], let first = target.prefixes.first else { continue }
            let number = nodes.count
            add(Node(target, name: first.targetText, attachment: via))
            join(via, number, Scenario.Link(target.via, first.targetText))
            for prefix in target.prefixes {
                if prefix.isAddress { owners[prefix.first] = number } else { prefixes.append((prefix, number)) }
            }
        }
        // The longest prefix is found first.
        prefixes.sort { $0.prefix.length > $1.prefix.length }
        routes = [Int32](repeating: Self.unknown, count: (edges.count + nodes.count) * routerCount)
    }

    private mutating func add(_ node: Node) {
        nodes.append(node)
        leaving.append([])
        groups.append([])
    }

    private mutating func join(_ from: Int, _ to: Int, _ link: Scenario.Link) {
        leaving[from].append(edges.count)
        edges.append(Edge(from: from, to: to, link, near: link.near, far: link.far))
        leaving[to].append(edges.count)
        edges.append(Edge(from: to, to: from, link, near: link.far, far: link.near))
    }

    /// The edge that joins two nodes directly.
    func edge(from node: Int, to neighbour: Int) -> Int? { leaving[node].first { edges[$0].to == neighbour } }

    /// The tunnel that starts with the edge, for a packet that goes to nobody inside of it. O(tunnels).
    func tunnel(startingWith edge: Int, to destination: Int?) -> Int? {
        tunnels.firstIndex { tunnel in
            guard tunnel.edges[0] == edge, let destination else { return false }
            return !tunnel.nodes[1..<tunnel.last].contains(nodes[destination].attachment)
        }
    }

    /// The tunnel without copied hop limits that ends where the edge starts and comes over its way back. O(tunnels).
    func hiddenTunnel(endingWith edge: Int) -> Int? {
        tunnels.firstIndex { tunnel in
            !tunnel.kind.copiesHopLimit && edges[edge].from == tunnel.nodes[tunnel.last]
                && edges[edge].to == tunnel.nodes[tunnel.last - 1]
        }
    }

    /// Who has this address: a router or a target. O(prefixes).
    func owner(of address: IPAddress) -> Int? {
        owners[address] ?? prefixes.first { $0.prefix.contains(address) }?.node
    }

    /// Whether the target has somebody at this address.
    func isLive(_ address: IPAddress, _ node: Int) -> Bool {
        guard let live = nodes[node].target?.live, live < .always else { return true }
        return Scenario.lives(address, live)
    }

    /// The address of a node as the source of an error about a packet that came over `incoming` and was to leave over
    /// `outgoing`.
    func address(of node: Int, _ version: IPVersion, cameOver incoming: Int?, leavesOver outgoing: Int?) -> IPAddress? {
        let interface: Scenario.Interface? =
            switch nodes[node].router?.answersFrom ?? .incoming {
            case .incoming: incoming.map { edges[$0].far }
            case .outgoing: outgoing.map { edges[$0].near }
            case .own: nil
            case .address(let interface): interface
            }
        switch version {
        case .v4: return (interface?.v4 ?? nodes[node].v4).map { .v4($0) }
        case .v6: return (interface?.v6 ?? nodes[node].v6).map { .v6($0) }
        }
    }

    /// The edge by which a packet leaves `node` towards `destination`, nil when there is no way.
    ///
    /// A packet does not go back to where it came from unless nothing else leads on: this lets the branches of a
    /// balanced path differ in length. O(1) after the first packet.
    mutating func edge(from node: Int, cameOver incoming: Int?, to destination: Int) -> Int? {
        if let incoming, nodes[edges[incoming].from].router?.loops == true {
            return self.edge(from: node, to: edges[incoming].from)
        }
        let attachment = nodes[destination].attachment
        if node == attachment {
            return node == destination ? nil : self.edge(from: node, to: destination)
        }
        let index = (incoming ?? edges.count + node) * routerCount + attachment
        if routes[index] == Self.unknown {
            let previous = incoming.map { edges[$0].from }
            let found = search(node, attachment, without: previous) ?? search(node, attachment, without: nil)
            routes[index] = found.map { Int32($0) } ?? Self.none
        }
        return routes[index] == Self.none ? nil : Int(routes[index])
    }

    /// The group of next hops to which the edge belongs, without the one back to where the packet came from.
    func group(of edge: Int, cameOver incoming: Int?) -> Group? {
        guard var group = groups[edges[edge].from].first(where: { $0.edges.contains(edge) }) else { return nil }
        if let incoming { group.edges.removeAll { edges[$0].to == edges[incoming].from } }
        return group.edges.count > 1 ? group : nil
    }

    /// The first edge of a shortest path between two nodes that are no targets. O(edges).
    private func search(_ start: Int, _ goal: Int, without excluded: Int?) -> Int? {
        var distances = [Int](repeating: Int.max, count: routerCount)
        distances[goal] = 0
        var queue = [goal]
        var next = 0
        while next < queue.count {
            let node = queue[next]
            next += 1
            // The source carries nobody else's packets.
            if node == 0 && goal != 0 { continue }
            for edge in leaving[node] {
                let neighbour = edges[edge].to
                guard neighbour < routerCount, neighbour != excluded, distances[neighbour] == Int.max else { continue }
                distances[neighbour] = distances[node] + 1
                queue.append(neighbour)
            }
        }
        var best: Int?
        var distance = Int.max
        for edge in leaving[start] {
            let neighbour = edges[edge].to
            guard neighbour < routerCount, neighbour != excluded, neighbour != 0 || goal == 0 else { continue }
            if distances[neighbour] < distance {
                distance = distances[neighbour]
                best = edge
            }
        }
        return best
    }

    private static let unknown: Int32 = -2
    private static let none: Int32 = -1
}

extension Scenario {
    /// Whether somebody lives at an address of a prefix where this share of the addresses is in use.
    public static func lives(_ address: IPAddress, _ share: Share) -> Bool {
        let number =
            switch address {
            case .v4(let address): UInt64(address.rawValue)
            case .v6(let address): SeededGenerator.mix(address.high) ^ address.low
            }
        return SeededGenerator.mix(number ^ 0x6c69_7665) % 1_000_000 < UInt64(share.millionths)
    }

    /// The scenario with an address of each family for the source and every router: those that were left out come from
    /// 10.254.0.0/16 and fd00:fe::/64 in the order of the routers, past the addresses that the scenario names itself.
    public func withAddresses() -> Scenario {
        var scenario = self
        var taken = Set<IPAddress>()
        func take(_ v4: IPv4Address?, _ v6: IPv6Address?) {
            if let v4 { taken.insert(.v4(v4)) }
            if let v6 { taken.insert(.v6(v6)) }
        }
        take(source.v4, source.v6)
        for router in routers {
            take(router.v4, router.v6)
            if case .address(let interface) = router.answersFrom { take(interface.v4, interface.v6) }
            take(router.translation?.v4, router.translation?.v6)
        }
        for link in links {
            take(link.near.v4, link.near.v6)
            take(link.far.v4, link.far.v6)
        }
        let prefixes = targets.flatMap(\.prefixes)
        func isFree(_ address: IPAddress) -> Bool {
            !taken.contains(address) && !prefixes.contains { $0.contains(address) }
        }
        var next: UInt32 = 1
        func fill(_ v4: inout IPv4Address?, _ v6: inout IPv6Address?) {
            while next < 0xffff {
                let four = IPv4Address(rawValue: 0x0afe_0000 | next)
                let six = IPv6Address(high: 0xfd00_00fe_0000_0000, low: UInt64(next))
                next += 1
                guard (v4 != nil || isFree(.v4(four))) && (v6 != nil || isFree(.v6(six))) else { continue }
                v4 = v4 ?? four
                v6 = v6 ?? six
                return
            }
        }
        if source.v4 == nil || source.v6 == nil {
            var source = source
            fill(&source.v4, &source.v6)
            scenario.source = source
        }
        if source.only == .v4 { scenario.source.v6 = nil }
        if source.only == .v6 { scenario.source.v4 = nil }
        for index in scenario.routers.indices {
            var router = scenario.routers[index]
            if router.v4 == nil || router.v6 == nil { fill(&router.v4, &router.v6) }
            scenario.routers[index] = router
        }
        return scenario
    }
}
