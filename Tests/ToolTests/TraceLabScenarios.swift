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

    /// What stands behind the rows. Each line is a regular expression; `{2}` is the address of router 2.
    struct Findings: Sendable {
        /// One line for each of them.
        var certain: [String] = []
        /// What chance may bring.
        var possible: [String] = []

        /// Which of these lines are wrong or missing.
        func problems(_ lines: [String], isV6: Bool) throws -> [String] {
            func regex(_ text: String) throws -> Regex<AnyRegexOutput> {
                var pattern = text
                for number in [1, 2, 3, 4, 5, 21, 22] {
                    pattern.replace("{\(number)}", with: isV6 ? "fd00:\(number)::1" : "10.\(number).0.1")
                }
                return try Regex(pattern)
            }
            var rest = lines
            var missing: [String] = []
            for pattern in certain {
                let expected = try regex(pattern)
                if let index = rest.firstIndex(where: { $0.wholeMatch(of: expected) != nil }) {
                    rest.remove(at: index)
                } else {
                    missing.append("missing: " + pattern)
                }
            }
            for pattern in possible {
                let allowed = try regex(pattern)
                rest.removeAll { $0.wholeMatch(of: allowed) != nil }
            }
            return missing + rest.map { "wrong: " + $0 }
        }
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
    /// Only raw sockets show what routers quote.
    var findings: @Sendable (Means, _ isV6: Bool) -> Findings

    var description: String { name }

    private init(
        _ name: String, _ lines: String, _ arguments: [String] = [], size: Int? = nil,
        tells findings: @escaping @Sendable (Means, Bool) -> Findings = { _, _ in Findings() },
        sees sight: @escaping @Sendable (Means) -> Sight
    ) {
        self.name = name
        text = Self.expand(lines)
        self.arguments = arguments
        self.size = size
        self.findings = findings
        self.sight = sight
    }

    private init(
        _ name: String, _ lines: String, _ arguments: [String] = [],
        tells findings: @escaping @Sendable (Means, Bool) -> Findings = { _, _ in Findings() }, sees rows: [Row]
    ) {
        self.init(name, lines, arguments, tells: findings) { _ in Sight(rows: rows) }
    }

    /// The same on every means.
    private static func always(_ lines: String...) -> @Sendable (Means, Bool) -> Findings {
        { _, _ in Findings(certain: lines) }
    }

    /// Where quotes are shown.
    private static func raw(_ lines: String...) -> @Sendable (Means, Bool) -> Findings {
        { means, _ in Findings(certain: means.isRoot ? lines : []) }
    }

    /// Where the probes are not TCP's.
    private static func datagrams(_ lines: String...) -> @Sendable (Means, Bool) -> Findings {
        { means, _ in Findings(certain: means.transport == .tcp ? [] : lines) }
    }

    /// A number in hexadecimal digits.
    private static let number = "0x[0-9a-f]+"

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

    private static let hiddenHops =
        "perhaps an invisible MPLS tunnel of 3 hops before hop 2: way back of 1 hop from hop 1, 5 hops from hop 2, "
        + "3 hops from hop 3"

    static let all: [TraceLabScenario] = [
        TraceLabScenario("delay", chain([2: "delay 3ms", 3: "delay 1ms..2ms slow 2ms"]), sees: honest),
        TraceLabScenario(
            "loss", chain([2: "loss 10%", 4: "loss 5%"]), ["-q", "8"],
            // About one in a hundred such paths has a hop of which chance makes a limiter.
            tells: { _, _ in
                Findings(possible: [
                    "loss from hop [2-5] on: .*", "loss on the way to hop [2-5]: .*", "hop [2-4]: limited: .*",
                ])
            }, sees: honest),
        TraceLabScenario(
            "limits", chain([1: "limit 10/s burst 1", 3: "limit 10/s burst 2"]), ["-q", "5"],
            tells: always(
                #"hop 1: limited: 1 of 5 answered, the 3 later hops (\d+) of \1"#,
                #"hop 3: limited: 2 of 5 answered, the 2 later hops (\d+) of \1"#), sees: honest),
        TraceLabScenario(
            "silence", chain([2: "silent", 3: "silent"]),
            sees: [.router(1), .silence, .silence, .router(4), .target]),
        TraceLabScenario("balance by ports", diamond("ports"), ["-q", "6"]) { _ in
            Sight(rows: [.router(1), .oneOf([21, 22]), .router(3), .target])
        },
        TraceLabScenario("balance by destination", diamond("destination"), ["-q", "6"]) { _ in
            Sight(rows: [.router(1), .oneOf([21, 22]), .router(3), .target])
        },
        TraceLabScenario(
            "explicit tunnel", tunnel("explicit label 16004"), ["-e"]
        ) { _ in
            Sight(
                rows: [.router(1), .router(2), .router(3), .router(4), .router(5), .target],
                annexes: [
                    2: "<MPLS:L=16004,E=0,S=1,T=1>", 3: "<MPLS:L=16005,E=0,S=1,T=1>", 4: "<MPLS:L=16006,E=0,S=1,T=1>",
                ])
        },
        TraceLabScenario(
            "implicit tunnel", tunnel("implicit"), ["-e"],
            tells: { means, _ in
                let rise = "hops 2-4: quoted hop limits rise, 1, 2, 3: perhaps an MPLS tunnel"
                return Findings(certain: (means.isRoot ? [rise] : []) + ["hops 2-4: way back of 8, 7, 6 hops"])
            },
            sees: [.router(1), .router(2), .router(3), .router(4), .router(5), .target]),
        TraceLabScenario(
            "invisible tunnel", tunnel("invisible"), ["-e"], tells: always(hiddenHops),
            sees: [.router(1), .router(5), .target]),
        TraceLabScenario("opaque tunnel", tunnel("opaque"), ["-e"], tells: always(hiddenHops)) { _ in
            Sight(rows: [.router(1), .router(5), .target], annexes: [2: "<MPLS:L=24003,E=0,S=1,T=252>"])
        },
        TraceLabScenario(
            "black hole", chain() + "link 2 3 mtu 1300 blackhole\n", ["-F", "-m", "5", "-w", "0.05"], size: 1_400,
            tells: datagrams("nothing answered behind hop 2")
        ) { means in
            means.transport == .tcp
                ? Sight(rows: honest)
                : Sight(rows: [.router(1), .router(2), .silence, .silence, .silence], status: 1)
        },
        TraceLabScenario(
            "narrow link", chain() + "link 2 3 mtu 1300\n", ["-F"], size: 1_400,
            tells: { means, isV6 in
                let words = isV6 ? "Packet too big: mtu=1300" : #"Frag needed and DF set \(mtu = 1300\)"#
                return Findings(certain: means.transport == .tcp ? [] : ["hop 3: {2} says: " + words])
            }
        ) { means in
            means.transport == .tcp
                ? Sight(rows: honest)
                : Sight(rows: [.router(1), .router(2), .router(2)], mark: "!F-1300", status: 1)
        },
        TraceLabScenario(
            "loop", chain([3: "loop"]), ["-m", "8"], tells: always("loop: hops 2-5 repeat {2}, {3}")
        ) { _ in
            Sight(rows: [.router(1)] + (2...8).map { .router($0 % 2 == 0 ? 2 : 3) }, enough: 4, status: 1)
        },
        TraceLabScenario(
            "route flip",
            diamond("destination").replacing("balance 1 21 22 by destination", with: "flip 1 21 22 every 17ms"),
            ["-z", "0.005", "-q", "9", "-m", "5"],
            tells: always("hop 2: 2 routers for one flow: ({21}, {22}|{22}, {21})"),
            sees: [.router(1), .allOf([21, 22]), .router(3), .target]),
        TraceLabScenario("correct NAT", chain([2: "nat 203.0.113.2 2001:db8::2 shift-ports 700"]), sees: honest),
        TraceLabScenario(
            "careless NAT", chain([2: "nat 203.0.113.2 2001:db8::2 careless"]),
            tells: { means, _ in
                let line = "UDP checksum rewritten between hop 2 and 3, perhaps by a NAT: \(number) -> \(number)"
                return Findings(certain: means == .rawUDP ? [line] : [])
            }, sees: honest),
        TraceLabScenario(
            "balancer", chain([3: "dnat 10.99.0.10 fd00:99::10"]) + "server via 4\n", sees: honest),
        // The kernel finds no socket for a quote from another port.
        TraceLabScenario(
            "forgetful NAT", chain([2: "nat 203.0.113.2 2001:db8::2 shift-ports 700 forgetful"]),
            ["-w", "0.05", "-m", "5"],
            tells: { means, isV6 in
                guard means.isRoot else {
                    return Findings(certain: means.transport == .udp ? ["nothing answered behind hop 2"] : [])
                }
                let addresses = isV6 ? "fd00::1 -> 2001:db8::2" : "10.0.0.1 -> 203.0.113.2"
                let place = " rewritten between hop 2 and 3"
                return Findings(
                    certain: ["source address" + place + ": " + addresses]
                        + (means.transport == .icmp ? [] : [#"source port\#(place): \d+ -> \d+"#])
                        + (means.transport == .udp
                            ? ["UDP checksum\(place), perhaps by a NAT: \(number) -> \(number)"] : []))
            }
        ) { means in
            means == .errorQueueUDP
                ? Sight(rows: [.router(1), .router(2), .silence, .silence, .silence], status: 1) : Sight(rows: honest)
        },
        TraceLabScenario(
            "forgetful balancer", chain([2: "dnat 10.99.0.10 fd00:99::10 forgetful"]) + "server via 4\n",
            tells: { means, isV6 in
                guard means.isRoot else { return Findings() }
                let addresses = isV6 ? "fd00:99::9 -> fd00:99::10" : "10.99.0.9 -> 10.99.0.10"
                let place = " rewritten between hop 2 and 3"
                return Findings(
                    certain: ["destination address" + place + ": " + addresses]
                        + (means == .rawUDP ? ["UDP checksum\(place), perhaps by a NAT: \(number) -> \(number)"] : []))
            }, sees: honest),
        TraceLabScenario(
            "shifted sequence numbers", chain([2: "shift-sequence 1000"]),
            tells: { means, _ in
                let line = "TCP sequence number rewritten between hop 2 and 3: \(number) -> \(number)"
                return Findings(certain: means == .rawTCP ? [line] : [])
            }, sees: honest),
        TraceLabScenario(
            "bleaching", chain([2: "bleach tos"]), ["-t", "0xb8"],
            tells: raw("DSCP cleared between hop 2 and 3: 0x2e -> 0x00"), sees: honest),
        TraceLabScenario(
            "rewriting", chain([2: "clamp-mss 1300 strip-options sack/timestamps clear-df set-id 7 set-flow-label 7"]),
            tells: { means, isV6 in
                guard means.isRoot else { return Findings() }
                let header =
                    isV6
                    ? "flow label changed between hop 2 and 3: 0x0 -> 0x7"
                    : "IP ID rewritten between hop [12] and [34]: \(number) -> 0x0007"
                let mss = "TCP MSS changed between hop 2 and 3: 1460 -> 1300"
                return Findings(certain: [header] + (means == .rawTCP ? [mss] : []))
            }, sees: honest),
        TraceLabScenario(
            "asymmetric return", chain() + "return 3 hops 9 delay 2ms\n",
            tells: always("hops 3-5: way back of 10 to 12 hops"), sees: honest),
        TraceLabScenario(
            "28 octets of quote", chain([2: "quote 28", 4: "quote 28"]), ["-q", "1", "-w", "1"], sees: honest),
        TraceLabScenario(
            "third party", chain([3: "from 192.0.2.3 2001:db8::3"]),
            sees: [.router(1), .router(2), .address(v4: "192.0.2.3", v6: "2001:db8::3"), .router(4), .target]),
        TraceLabScenario(
            "zero hop limit", chain([2: "zero-ttl"]),
            tells: { means, _ in
                let line = "hops 2-3: both are {3}"
                let reason = ": hop 2 passes on packets whose hop limit has run out"
                return Findings(certain: [means.isRoot ? line + reason : line])
            }, sees: [.router(1), .router(3), .router(3), .router(4), .target]),
        TraceLabScenario(
            "UDP filtered", chain([2: "drop udp"]), ["-m", "5", "-w", "0.05"],
            tells: { means, _ in
                Findings(certain: means.transport == .udp ? ["nothing answered behind hop 2"] : [])
            }
        ) { means in
            means.transport == .udp
                ? Sight(rows: [.router(1), .router(2), .silence, .silence, .silence], status: 1) : Sight(rows: honest)
        },
        TraceLabScenario(
            "UDP prohibited", chain([2: "reject udp"]),
            tells: { means, isV6 in
                let words = isV6 ? "Destination unreachable: Administratively prohibited" : "Packet filtered"
                return Findings(certain: means.transport == .udp ? ["hop 3: {2} says: " + words] : [])
            }
        ) { means in
            means.transport == .udp
                ? Sight(rows: [.router(1), .router(2), .router(2)], mark: "!X", status: 1) : Sight(rows: honest)
        },
        TraceLabScenario(
            "hostile quotes", chain([3: "hostile foreign-quote 30% hostile cut-header 20%"]), ["-q", "8"],
            // What nobody can tell whose it is looks like silence, and its order is chance. The rest is quoted with an address
            // of its own.
            tells: { _, _ in
                Findings(possible: [
                    "hop 3: limited: .*", #"hop 3: \d of \d answers quote destination address .*"#,
                    "hop 3 alone quotes destination address .*",
                ])
            }, sees: honest),
    ]
}
