/// A network of diamonds that a seed decides, and the truth about it.
struct MultipathTopology {
    /// How a router with several next hops chooses.
    enum Choice: String { case ports, packet }

    struct Router {
        var nextHops: [Int] = []
        var choice = Choice.ports
        var isSilent = false
    }

    private(set) var routers: [Router] = []
    private var random: Generator

    /// What the random numbers may lead to.
    struct Features: OptionSet {
        let rawValue: Int
        static let packets = Features(rawValue: 1)
        static let silence = Features(rawValue: 2)
        static let longerBranches = Features(rawValue: 4)
        static let meshes = Features(rawValue: 8)
    }

    struct Generator {
        var state: UInt64
        mutating func below(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(count))
        }
    }

    private let features: Features

    init(seed: UInt64, _ features: Features) {
        random = Generator(state: seed &* 0x9e37_79b9 &+ 1)
        self.features = features
        var last = chain(from: nil, length: 1 + random.below(2))
        for _ in 0..<(1 + random.below(2)) {
            last =
                features.contains(.meshes) && random.below(4) == 0
                ? mesh(from: last) : diamond(from: last, length: 1 + random.below(3), depth: 0)
            last = chain(from: last, length: 1 + random.below(2))
        }
    }

    private mutating func add(behind routers: [Int]) -> Int {
        self.routers.append(Router())
        for router in routers { self.routers[router].nextHops.append(self.routers.count - 1) }
        return self.routers.count - 1
    }

    private mutating func chain(from first: Int?, length: Int) -> Int {
        var last = first
        for _ in 0..<max(1, length) { last = add(behind: last.map { [$0] } ?? []) }
        return last ?? 0
    }

    /// Branches of so many routers each, in which others may begin. Returns where they meet.
    private mutating func diamond(from router: Int, length: Int, depth: Int) -> Int {
        let widths = depth == 0 ? [2, 2, 3, 4, 5, 8, 16] : [2, 2, 3]
        let width = widths[random.below(widths.count)]
        if features.contains(.packets), depth == 0, random.below(3) == 0 {
            routers[router].choice = .packet
            return add(behind: (0..<width).map { _ in add(behind: [router]) })
        }
        var ends: [Int] = []
        for branch in 0..<width {
            let isLonger = features.contains(.longerBranches) && branch == 0 && random.below(3) == 0
            if length >= 3, depth < 2, random.below(3) == 0 {
                let split = add(behind: [router])
                ends.append(diamond(from: split, length: length - 2, depth: depth + 1))
            } else {
                var last = router
                for _ in 0..<(length + (isLonger ? 1 : 0)) { last = add(behind: [last]) }
                ends.append(last)
                if features.contains(.silence), branch == width - 1, random.below(3) == 0 {
                    routers[last].isSilent = true
                }
            }
        }
        return add(behind: ends)
    }

    /// Two layers in which everybody has all of the next as next hops.
    private mutating func mesh(from router: Int) -> Int {
        let first = (0..<2 + random.below(3)).map { _ in add(behind: [router]) }
        let second = (0..<2 + random.below(3)).map { _ in add(behind: first) }
        return add(behind: second)
    }

    /// As `Scenario` reads it.
    var text: String {
        var lines: [String] = []
        for (index, router) in routers.enumerated() {
            lines.append(
                "router r\(index) 10.1.\(index / 200).\(index % 200 + 1) fd00:1::\(String(index + 1, radix: 16)) delay 1ms"
                    + (router.isSilent ? " silent" : ""))
        }
        lines.append("path source r0")
        for (index, router) in routers.enumerated() {
            for next in router.nextHops { lines.append("link r\(index) r\(next)") }
            if router.nextHops.count > 1 {
                let names = router.nextHops.map { "r\($0)" }.joined(separator: " ")
                lines.append("balance r\(index) \(names) by \(router.choice.rawValue)")
            }
        }
        lines.append("target 10.0.9.9 fd00:9::9 via r\(routers.count - 1) delay 1ms")
        return lines.joined(separator: "\n")
    }

    /// What a right graph has: edges by hop limit and name, all silence of a hop being one.
    var edges: Set<String> {
        var edges: Set<String> = []
        for (hop, router) in places {
            let next = routers[router].nextHops
            for follower in next { edges.insert("\(name(router, hop))>\(name(follower, hop + 1))") }
            if next.isEmpty { edges.insert("\(name(router, hop))>\(hop + 1):10.0.9.9") }
        }
        return edges
    }

    /// At which hop limits the routers are met.
    var places: [(hop: Int, router: Int)] {
        var found: [(hop: Int, router: Int)] = []
        var layer: Set<Int> = [0]
        var hop = 1
        while !layer.isEmpty {
            found += layer.map { (hop, $0) }
            layer = Set(layer.flatMap { routers[$0].nextHops })
            hop += 1
        }
        return found
    }

    func name(_ router: Int, _ hop: Int) -> String {
        routers[router].isSilent ? "\(hop):*" : "\(hop):10.1.\(router / 200).\(router % 200 + 1)"
    }
}
