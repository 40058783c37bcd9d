import ProbeReports
import TestSupport

/// A network with many ways, of the real kernel: which of them a packet may take follows from where it goes.
///
///     a - r1 - r2 - r3 - s = x1...x16 = y1...y4 = m - r8 - r9 - d
///
/// Each node has one address, on `lo`, so that it answers by it whichever link a packet comes over; r3 and x16 send no
/// errors. The targets are addresses of d, and each has its own ways from s to m.
struct MultipathLab {
    /// The ways to one target.
    struct Target: Sendable, CustomStringConvertible {
        var name: String
        /// The target is 10.99.0.HOST and fd00:99::HOST.
        var host: Int
        /// Next hops of s and of the nodes behind it; those of y1 to y4 are m.
        var ways: [String: [String]]
        /// Whether flows that come by the same way part once more: routers have to choose differently then.
        var partsTwice = false

        var description: String { name }

        func address(isV6: Bool) -> String { isV6 ? "fd00:99::\(host)" : "10.99.0.\(host)" }
    }

    /// A diamond of width 3 that is two hops long, behind a silent hop.
    static let standard = Target(
        name: "standard", host: 1, ways: ["s": ["x1", "x2", "x3"], "x1": ["y1"], "x2": ["y2"], "x3": ["y3"]])
    static let oneWay = Target(name: "one way", host: 2, ways: ["s": ["x1"], "x1": ["y1"]])
    /// The shortest that parts.
    static let narrow = Target(name: "narrow", host: 9, ways: ["s": ["x1", "x2"], "x1": ["m"], "x2": ["m"]])
    static let targets = [
        standard, oneWay,
        Target(
            name: "wide", host: 3,
            ways: Dictionary(uniqueKeysWithValues: wide.map { ($0, ["m"]) } + [("s", Array(wide))])),
        Target(
            name: "nested", host: 4, ways: ["s": ["x1", "x2"], "x1": ["y1", "y2"], "x2": ["y3"]], partsTwice: true),
        Target(
            name: "asymmetric", host: 5, ways: ["s": ["x1", "x2"], "x1": ["y1"], "x2": ["y2", "y3", "y4"]],
            partsTwice: true),
        Target(
            name: "meshed", host: 6, ways: ["s": ["x1", "x2"], "x1": ["y1", "y2"], "x2": ["y1", "y2"]],
            partsTwice: true),
        Target(name: "longer branch", host: 7, ways: ["s": ["x1", "x2"], "x1": ["y1"], "x2": ["m"]]),
        Target(
            name: "silent branch", host: 8,
            ways: ["s": ["x1", "x2", "x16"], "x1": ["y1"], "x2": ["y2"], "x16": ["y4"]]),
    ]

    /// Where probes come from.
    var source: NamespaceLab.Node { lab["a"] }
    /// Whether routers can be made to choose differently (`fib_multipath_hash_seed`, Linux 6.11).
    private(set) var hasSeeds = true
    private let lab: NamespaceLab
    private let used: Set<String>

    private static let wide = (1...16).map { "x\($0)" }
    private static let start = ["a", "r1", "r2", "r3", "s"]
    private static let end = ["m", "r8", "r9", "d"]
    private static let names = start + wide + (1...4).map { "y\($0)" } + end
    private static let silent: Set<String> = ["r3", "x16"]

    init(targets: [Target] = Self.targets) throws {
        lab = try NamespaceLab()
        // Those that no way leads by are left out.
        used = Set(Self.start + Self.end + targets.flatMap { $0.ways.values.joined() })
        for name in Self.names where used.contains(name) { try add(name) }
        var links: [(near: String, far: String)] = []
        func join(_ near: String, _ far: String) throws {
            guard !links.contains(where: { $0 == (near, far) }) else { return }
            try lab.link(near, far, nil, "fe80")
            // The first link to a node is its way back.
            if !links.contains(where: { $0.far == far }) {
                try route("0.0.0.0/0", at: far, through: [near], "fe80::1")
                try route("::/0", at: far, through: [near], "fe80::1")
            }
            links.append((near, far))
        }
        func lead(_ prefixes: [String], by near: String, to far: [String]) throws {
            for next in far { try join(near, next) }
            for prefix in prefixes { try route(prefix, at: near, through: far, "fe80::2") }
        }
        let all = ["10.99.0.0/24", "fd00:99::/64"]
        for (near, far) in zip(Self.start, Self.start.dropFirst()) { try lead(all, by: near, to: [far]) }
        for target in targets {
            let own = [target.address(isV6: false) + "/32", target.address(isV6: true) + "/128"]
            for near in Self.names { if let far = target.ways[near] { try lead(own, by: near, to: far) } }
            for (address, length) in zip([false, true].map(target.address), [32, 128]) {
                try lab["d"].addAddress("\(address)/\(length)", to: "lo")
            }
        }
        for near in Self.names where near.hasPrefix("y") && used.contains(near) { try lead(all, by: near, to: ["m"]) }
        for (near, far) in zip(Self.end, Self.end.dropFirst()) { try lead(all, by: near, to: [far]) }
        try source.set("net.ipv4.ping_group_range", "0 2147483647")
        for name in Self.silent where used.contains(name) {
            try lab[name].nft(
                """
                table inet lab {
                    chain output {
                        type filter hook output priority 0;
                        icmp type time-exceeded drop
                        icmpv6 type time-exceeded drop
                    }
                }
                """)
        }
    }

    private mutating func add(_ name: String) throws {
        let node = try lab.addNode(name)
        try node.addAddress(Self.address(of: name, isV6: false) + "/32", to: "lo")
        try node.addAddress(Self.address(of: name, isV6: true) + "/128", to: "lo")
        try node.set("net.ipv4.fib_multipath_hash_policy", "1")
        try node.set("net.ipv6.fib_multipath_hash_policy", "1")
        do {
            try node.set("net.ipv4.fib_multipath_hash_seed", "\(1 + (Self.names.firstIndex(of: name) ?? 0))")
        } catch {
            hasSeeds = false
        }
    }

    /// - Parameter gateway: the other end of each of the links, which all have the same addresses.
    private func route(_ prefix: String, at node: String, through next: [String], _ gateway: String) throws {
        let isV6 = prefix.contains(":")
        var words = ["ip", isV6 ? "-6" : "-4", "route", "add", prefix]
        for name in next {
            if next.count > 1 { words.append("nexthop") }
            words += (isV6 ? ["via"] : ["via", "inet6"]) + [gateway, "dev", name]
        }
        let ready = words
        try lab[node].run { _ = try runSuccessfully(ready) }
    }

    /// Has every node limit its errors as the kernel does where nobody says otherwise: six at once, and one a second.
    func limitErrors() throws {
        for name in Self.names where used.contains(name) {
            try lab[name].set("net.ipv4.icmp_ratelimit", "1000")
            try lab[name].set("net.ipv6.icmp.ratelimit", "1000")
            // Of the whole machine in older kernels.
            try? lab[name].set("net.ipv4.icmp_msgs_per_sec", "1000")
            try? lab[name].set("net.ipv4.icmp_msgs_burst", "50")
        }
    }

    /// Has routers balance IPv6 by flow label instead of ports.
    func balanceByFlowLabel(_ isOn: Bool) throws {
        for name in ["s", "x1", "x2"] { try lab[name].set("net.ipv6.fib_multipath_hash_policy", isOn ? "0" : "1") }
    }

    static func address(of name: String, isV6: Bool) -> String {
        let number = 1 + (names.firstIndex(of: name) ?? 0)
        return isV6 ? "fd00:\(number)::1" : "10.0.\(number).1"
    }

    /// Everything there is on the ways to a target.
    static func truth(of target: Target, isV6: Bool) -> PathGraph {
        func next(_ name: String) -> [String] {
            if let far = target.ways[name] { return far }
            if name.hasPrefix("y") { return ["m"] }
            let row = start.contains(name) ? start : end
            guard let place = row.firstIndex(of: name), place + 1 < row.count else { return [] }
            return [row[place + 1]]
        }
        func node(_ hop: Int, _ name: String) -> PathGraph.Node {
            if name == "d" { return .init(hop: hop, address: target.address(isV6: isV6)) }
            return .init(hop: hop, address: silent.contains(name) ? nil : address(of: name, isV6: isV6))
        }
        var graph = PathGraph()
        var names: Set = ["a"]
        var hop = 0
        while !names.isEmpty {
            for near in names {
                for far in next(near) {
                    graph.nodes.insert(node(hop + 1, far))
                    if hop > 0 { graph.edges.insert(.init(from: node(hop, near), to: node(hop + 1, far))) }
                }
            }
            names = Set(names.flatMap(next))
            hop += 1
        }
        return graph
    }
}

/// Who is where and who comes behind whom, to be compared.
struct PathGraph: Hashable, Sendable {
    struct Node: Hashable, Sendable {
        var hop: Int
        /// nil where nobody answers.
        var address: String?
    }

    struct Edge: Hashable, Sendable {
        var from: Node
        var to: Node
    }

    var nodes: Set<Node> = []
    var edges: Set<Edge> = []

    init() {}

    /// What `swtrace --multipath --json` printed about one host.
    init(_ lines: [JSONValue]) {
        var byNumber: [Int64: Node] = [:]
        for line in lines where line["type"].text == "multipath_node" {
            guard let number = line["node"].integer, let hop = line["hop"].integer else { continue }
            byNumber[number] = Node(hop: Int(hop), address: line["responder"].text)
        }
        nodes = Set(byNumber.values)
        for line in lines where line["type"].text == "multipath_edge" {
            guard let from = line["from"].integer.flatMap({ byNumber[$0] }),
                let to = line["to"].integer.flatMap({ byNumber[$0] })
            else { continue }
            edges.insert(Edge(from: from, to: to))
        }
    }

    /// What is missing here and what is too much, as lines; empty where all is the same.
    func problems(_ truth: PathGraph) -> [String] {
        func text(_ node: Node) -> String { "\(node.hop) \(node.address ?? "*")" }
        var lines = truth.nodes.subtracting(nodes).map { "missing: \(text($0))" }
        lines += nodes.subtracting(truth.nodes).map { "wrong: \(text($0))" }
        lines += truth.edges.subtracting(edges).map { "missing: \(text($0.from)) -> \(text($0.to))" }
        lines += edges.subtracting(truth.edges).map { "wrong: \(text($0.from)) -> \(text($0.to))" }
        return lines.sorted()
    }
}
