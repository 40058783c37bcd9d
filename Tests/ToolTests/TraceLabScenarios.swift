/// A network with something odd in it, and what a trace through it must show.
///
/// Router N has the addresses 10.N.0.1 and fd00:N::1 (in decimal digits), the target 10.99.0.9 and fd00:99::9.
struct TraceLabScenario: Sendable, CustomStringConvertible {
    /// How the probes go out.
    enum Means: String, CaseIterable, Sendable {
        case rawUDP, rawICMP, rawTCP, pingICMP, errorQueueUDP

        var isRoot: Bool { self == .rawUDP || self == .rawICMP || self == .rawTCP }

        /// What the tool is told.
        var arguments: [String] {
            switch self {
            case .rawUDP, .errorQueueUDP: []
            case .rawICMP, .pingICMP: ["-I"]
            case .rawTCP: ["-T"]
            }
        }

        var transport: Transport {
            switch self {
            case .rawUDP, .errorQueueUDP: .udp
            case .rawICMP, .pingICMP: .icmp
            case .rawTCP: .tcp
            }
        }
    }

    enum Transport: Sendable { case udp, icmp, tcp }

    /// What one row shows.
    enum Row: Hashable, Sendable {
        case router(Int)
        /// One of these routers, and nobody else.
        case oneOf([Int])
        /// All of these routers.
        case allOf([Int])
        /// An address that no router has.
        case address(v4: String, v6: String)
        case target
        case silence

        /// The addresses that may stand in the row, and whether all have to.
        func addresses(isV6: Bool) -> (Set<String>, needsAll: Bool) {
            func address(_ number: Int) -> String { isV6 ? "fd00:\(number)::1" : "10.\(number).0.1" }
            return switch self {
            case .router(let number): ([address(number)], true)
            case .oneOf(let numbers): (Set(numbers.map(address)), false)
            case .allOf(let numbers): (Set(numbers.map(address)), true)
            case .address(let v4, let v6): ([isV6 ? v6 : v4], true)
            case .target: ([TraceLabScenario.target(isV6: isV6)], true)
            case .silence: ([], true)
            }
        }
    }

    /// What a trace shows: its rows, the mark on each answer of the last one, the exit status.
    struct Sight: Sendable {
        var rows: [Row]
        /// How many of the rows are enough, if not all: who sees a loop may stop.
        var enough: Int?
        var mark: String?
        var status: Int32 = 0
        /// What each answer of a row shows in angle brackets, by the number of the row.
        var annexes: [Int: String] = [:]
    }

    var name: String
    var text: String
    /// Of the tool, beside those of the means.
    var arguments: [String] = []
    /// Of whole probes, where they are not TCP's.
    var size: Int?
    /// Whether a trace leaves the network in another state than it found it in.
    var isStateful: Bool { text.contains(" limit ") }
    var sight: @Sendable (Means) -> Sight

    var description: String { name }

    private init(
        _ name: String, _ lines: String, _ arguments: [String] = [], size: Int? = nil,
        sees sight: @escaping @Sendable (Means) -> Sight
    ) {
        self.name = name
        text = Self.expand(lines)
        self.arguments = arguments
        self.size = size
        self.sight = sight
    }

    private init(_ name: String, _ lines: String, _ arguments: [String] = [], sees rows: [Row]) {
        self.init(name, lines, arguments) { _ in Sight(rows: rows) }
    }

    /// The scenario of lines in which routers and the target have no addresses yet.
    private static func expand(_ lines: String) -> String {
        let lines = lines.split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            let rest = words.dropFirst().joined(separator: " ")
            switch words.first {
            case "router":
                let addresses = "10.\(words[1]).0.1 fd00:\(words[1])::1 delay 200us "
                return "router \(words[1]) " + addresses + words.dropFirst(2).joined(separator: " ")
            case "target": return "target 10.99.0.9 fd00:99::9 \(rest) tcp 80 open"
            case "server": return "target 10.99.0.10 fd00:99::10 \(rest) tcp 80 open"
            default: return String(line)
            }
        }
        return "source 10.0.0.1 fd00::1\n" + lines.joined(separator: "\n") + "\n"
    }

    static func target(isV6: Bool) -> String { isV6 ? "fd00:99::9" : "10.99.0.9" }

    private static let row = """
        path source 1 2 3 4
        target via 4

        """

    /// Four routers in a row, with these properties.
    private static func chain(_ properties: [Int: String] = [:]) -> String {
        (1...4).map { "router \($0) \(properties[$0] ?? "")\n" }.joined() + row
    }

    private static let honest: [Row] = [.router(1), .router(2), .router(3), .router(4), .target]

    /// Two branches of one router each.
    private static func diamond(_ key: String) -> String {
        """
        router 1
        router 21
        router 22
        router 3
        path source 1
        balance 1 21 22 by \(key)
        path 21 3
        path 22 3
        target via 3
        """
    }

    /// Three routers inside of a tunnel that begins at 1 and ends at 5.
    private static func tunnel(_ kind: String) -> String {
        (1...5).map { "router \($0)\n" }.joined() + """
            path source 1
            tunnel 1 2 3 4 5 \(kind)
            target via 5
            """
    }

    static let all: [TraceLabScenario] = [
        TraceLabScenario("delay", chain([2: "delay 3ms", 3: "delay 1ms..2ms slow 2ms"]), sees: honest),
        TraceLabScenario("loss", chain([2: "loss 10%", 4: "loss 5%"]), ["-q", "8"], sees: honest),
        TraceLabScenario("limits", chain([1: "limit 10/s burst 1", 3: "limit 10/s burst 2"]), sees: honest),
        TraceLabScenario(
            "silence", chain([2: "silent", 3: "silent"]),
            sees: [.router(1), .silence, .silence, .router(4), .target]),
        TraceLabScenario("balance by ports", diamond("ports"), ["-q", "6"]) { _ in
            Sight(rows: [.router(1), .oneOf([21, 22]), .router(3), .target])
        },
        TraceLabScenario("balance by destination", diamond("destination"), ["-q", "6"]) { _ in
            Sight(rows: [.router(1), .oneOf([21, 22]), .router(3), .target])
        },
        TraceLabScenario("explicit tunnel", tunnel("explicit label 16004"), ["-e"]) { _ in
            Sight(
                rows: [.router(1), .router(2), .router(3), .router(4), .router(5), .target],
                annexes: [
                    2: "<MPLS:L=16004,E=0,S=1,T=1>", 3: "<MPLS:L=16005,E=0,S=1,T=1>", 4: "<MPLS:L=16006,E=0,S=1,T=1>",
                ])
        },
        TraceLabScenario(
            "implicit tunnel", tunnel("implicit"), ["-e"],
            sees: [.router(1), .router(2), .router(3), .router(4), .router(5), .target]),
        TraceLabScenario("invisible tunnel", tunnel("invisible"), ["-e"], sees: [.router(1), .router(5), .target]),
        TraceLabScenario("opaque tunnel", tunnel("opaque"), ["-e"]) { _ in
            Sight(rows: [.router(1), .router(5), .target], annexes: [2: "<MPLS:L=24003,E=0,S=1,T=252>"])
        },
        TraceLabScenario(
            "black hole", chain() + "link 2 3 mtu 1300 blackhole\n", ["-F", "-m", "5", "-w", "0.05"], size: 1_400
        ) { means in
            means.transport == .tcp
                ? Sight(rows: honest)
                : Sight(rows: [.router(1), .router(2), .silence, .silence, .silence], status: 1)
        },
        TraceLabScenario("narrow link", chain() + "link 2 3 mtu 1300\n", ["-F"], size: 1_400) { means in
            means.transport == .tcp
                ? Sight(rows: honest)
                : Sight(rows: [.router(1), .router(2), .router(2)], mark: "!F-1300", status: 1)
        },
        TraceLabScenario("loop", chain([3: "loop"]), ["-m", "8"]) { _ in
            Sight(rows: [.router(1)] + (2...8).map { .router($0 % 2 == 0 ? 2 : 3) }, enough: 4, status: 1)
        },
        TraceLabScenario(
            "route flip",
            diamond("destination").replacing("balance 1 21 22 by destination", with: "flip 1 21 22 every 11ms"),
            ["-z", "0.003", "-q", "6", "-m", "5"], sees: [.router(1), .allOf([21, 22]), .router(3), .target]),
        TraceLabScenario("correct NAT", chain([2: "nat 203.0.113.2 2001:db8::2 shift-ports 700"]), sees: honest),
        TraceLabScenario("careless NAT", chain([2: "nat 203.0.113.2 2001:db8::2 careless"]), sees: honest),
        TraceLabScenario(
            "balancer", chain([3: "dnat 10.99.0.10 fd00:99::10"]) + "server via 4\n", sees: honest),
        // The kernel finds no socket for a quote from another port.
        TraceLabScenario(
            "forgetful NAT", chain([2: "nat 203.0.113.2 2001:db8::2 shift-ports 700 forgetful"]),
            ["-w", "0.05", "-m", "5"]
        ) { means in
            means == .errorQueueUDP
                ? Sight(rows: [.router(1), .router(2), .silence, .silence, .silence], status: 1) : Sight(rows: honest)
        },
        TraceLabScenario(
            "forgetful balancer", chain([2: "dnat 10.99.0.10 fd00:99::10 forgetful"]) + "server via 4\n", sees: honest),
        TraceLabScenario("shifted sequence numbers", chain([2: "shift-sequence 1000"]), sees: honest),
        TraceLabScenario("bleaching", chain([2: "bleach tos"]), ["-t", "0xb8"], sees: honest),
        TraceLabScenario(
            "rewriting", chain([2: "clamp-mss 1300 strip-options sack/timestamps clear-df set-id 7 set-flow-label 7"]),
            sees: honest),
        TraceLabScenario("asymmetric return", chain() + "return 3 hops 9 delay 2ms\n", sees: honest),
        TraceLabScenario(
            "28 octets of quote", chain([2: "quote 28", 4: "quote 28"]), ["-q", "1", "-w", "1"], sees: honest),
        TraceLabScenario(
            "third party", chain([3: "from 192.0.2.3 2001:db8::3"]),
            sees: [.router(1), .router(2), .address(v4: "192.0.2.3", v6: "2001:db8::3"), .router(4), .target]),
        TraceLabScenario(
            "zero hop limit", chain([2: "zero-ttl"]), sees: [.router(1), .router(3), .router(3), .router(4), .target]),
        TraceLabScenario("UDP filtered", chain([2: "drop udp"]), ["-m", "5", "-w", "0.05"]) { means in
            means.transport == .udp
                ? Sight(rows: [.router(1), .router(2), .silence, .silence, .silence], status: 1) : Sight(rows: honest)
        },
        TraceLabScenario("UDP prohibited", chain([2: "reject udp"])) { means in
            means.transport == .udp
                ? Sight(rows: [.router(1), .router(2), .router(2)], mark: "!X", status: 1) : Sight(rows: honest)
        },
        TraceLabScenario(
            "hostile quotes", chain([3: "hostile foreign-quote 30% hostile cut-header 20%"]), ["-q", "8"],
            sees: honest),
    ]
}
