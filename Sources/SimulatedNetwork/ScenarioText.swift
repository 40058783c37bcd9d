import PacketFormats

/// What is wrong with the text of a scenario: where, at which word, and what would be right.
public struct ScenarioError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Counted from 1.
    public var line: Int
    /// The word that is wrong, empty where one is missing.
    public var word: String
    /// What is wrong and what would be right.
    public var reason: String

    public var description: String {
        "line \(line): " + (word.isEmpty ? reason : "\"\(word)\": \(reason)")
    }
}

extension Scenario {
    /// Reads the text format: a thing per line, words between blanks, `#` starts a comment.
    ///
    /// ```
    /// source [ADDRESS...] [only4 | only6]
    /// router NAME [ADDRESS...] [PROPERTY...]
    /// link NAME NAME [near ADDRESS...] [far ADDRESS...] [mtu OCTETS] [blackhole] [no-mtu | claim-mtu OCTETS]
    ///     [IMPAIRMENT...]
    /// path NAME NAME...
    /// balance NAME NAME NAME... by ports | transport | flow-label | destination | packet
    /// flip NAME NAME NAME at TIME | every TIME
    /// tunnel NAME NAME NAME... explicit | implicit | invisible | opaque [label NUMBER]
    /// return NAME hops COUNT [IMPAIRMENT...]
    /// target ADDRESS-OR-PREFIX... via NAME [PROPERTY...]
    /// ```
    ///
    /// Impairments: `delay TIME`, `loss SHARE`, `duplicate SHARE`, `reorder SHARE [by TIME]`, `corrupt SHARE`. Delays:
    /// `5ms`, `5ms..8ms` (uniform), `5ms~1ms` (mean and deviation), `5ms+1ms` (a floor and an exponential rest).
    ///
    /// Properties of routers and targets: impairments, `silent`, `limit COUNT/s burst COUNT`, `slow TIME`,
    /// `quote OCTETS`, `mpls LABEL[/LABEL...]`, `interface-info`, `legacy-extensions`, `ttl HOPS`, `copy-ttl`, `no-echo`,
    /// `clock OFFSET [skew PPM] [tick TIME] [little-endian | non-standard]` (answers ICMP timestamp requests),
    /// `udp PORTS echo|unreachable|silent`, `tcp PORTS open|closed|filtered`, `unreachable REASON`,
    /// `hostile KIND [SHARE]`. Of routers: `bleach dscp|ecn|tos`, `loop`,
    /// `drop icmp|tcp|udp [PORTS]`, `reject icmp|tcp|udp [PORTS] [as REASON]`, `from outgoing|own|ADDRESS...` (whose
    /// address its errors have; incoming if nothing is said), `zero-ttl`,
    /// `nat ADDRESS... [shift-ports NUMBER] [careless | forgetful]`, `dnat ADDRESS... [careless | forgetful]` (careless:
    /// only addresses are restored in quotes; forgetful: nothing is), `clamp-mss OCTETS`,
    /// `strip-options mss|wscale|sack|timestamps|all[/...]`, `shift-sequence NUMBER`, `clear-df`, `set-id NUMBER`,
    /// `set-flow-label NUMBER`. Of targets: `live SHARE`, `dead REASON`.
    ///
    /// Throws a `ScenarioError` for the first line that is wrong, for a name that no router has, and for a target that
    /// no way leads to.
    public init(parsing text: String) throws(ScenarioError) {
        var reader = ScenarioReader()
        var number = 0
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            try reader.read(line, number)
        }
        try reader.check()
        self = reader.scenario
    }
}

/// Reads a scenario line by line.
private struct ScenarioReader {
    var scenario = Scenario()
    private var hasSource = false
    private var definedAt: [String: Int] = [:]
    private var addresses: [IPAddress: Int] = [:]
    /// Names to look up when all lines are read.
    private var references: [(name: String, line: Int)] = []
    private var targetLines: [Int] = []

    mutating func read(_ line: Substring, _ number: Int) throws(ScenarioError) {
        var words = Words(line, number)
        guard let keyword = words.next() else { return }
        switch keyword {
        case "source": try readSource(&words)
        case "router": try readRouter(&words)
        case "link": try readLink(&words)
        case "path": try readPath(&words)
        case "balance": try readBalance(&words)
        case "flip": try readFlip(&words)
        case "tunnel": try readTunnel(&words)
        case "return": try readReturn(&words)
        case "target": try readTarget(&words)
        default:
            throw words.wrong("a line starts with source, router, link, path, balance, flip, tunnel, return or target")
        }
    }

    /// What can be checked only when everything is known.
    func check() throws(ScenarioError) {
        for reference in references where reference.name != Scenario.sourceName {
            guard definedAt[reference.name] == nil else { continue }
            let known = scenario.routers.prefix(12).map(\.name).joined(separator: ", ")
            throw ScenarioError(
                line: reference.line, word: reference.name,
                reason: "no such router; " + (known.isEmpty ? "add a router line" : "there are \(known)"))
        }
        for balance in scenario.balances where balance.nextHops.contains(balance.router) {
            throw ScenarioError(
                line: references.first { $0.name == balance.router }?.line ?? 0, word: balance.router,
                reason: "is no next hop of itself")
        }
        let reachable = reachable()
        for (target, line) in zip(scenario.targets, targetLines) where !reachable.contains(target.via) {
            throw ScenarioError(
                line: line, word: target.via, reason: "no way leads there from source; add a link or path line")
        }
    }

    private func reachable() -> Set<String> {
        var found: Set<String> = [Scenario.sourceName]
        var queue = [Scenario.sourceName]
        while let name = queue.popLast() {
            for link in scenario.links where link.from == name || link.to == name {
                let other = link.from == name ? link.to : link.from
                if found.insert(other).inserted { queue.append(other) }
            }
        }
        return found
    }

    private mutating func readSource(_ words: inout Words) throws(ScenarioError) {
        guard !hasSource else { throw words.wrong("there is only one source") }
        hasSource = true
        let interface = try readInterface(&words)
        var source = Scenario.Source(v4: interface.v4, v6: interface.v6)
        while let word = words.next() {
            switch word {
            case "only4" where source.v6 == nil: source.only = .v4
            case "only6" where source.v4 == nil: source.only = .v6
            default: throw words.wrong("after source come an IPv4 and an IPv6 address, or one and only4 or only6")
            }
        }
        scenario.source = source
    }

    private mutating func readRouter(_ words: inout Words) throws(ScenarioError) {
        let name = try words.name("the name of the router")
        if let line = definedAt[name] { throw words.wrong("is a router already, on line \(line)") }
        guard scenario.routers.count < 512 else { throw words.wrong("a scenario has at most 512 routers") }
        definedAt[name] = words.line
        let interface = try readInterface(&words)
        var router = Scenario.Router(name)
        router.v4 = interface.v4
        router.v6 = interface.v6
        while let word = words.next() {
            if try words.read(word, &router.access) { continue }
            if try words.read(word, &router.answers) { continue }
            switch word {
            case "unreachable": router.refuses = try words.unreachable()
            case "bleach": router.bleaches = try words.choice(Bleach.self)
            case "nat":
                let interface = try readTranslated(&words)
                router.translation = Translation(v4: interface.v4, v6: interface.v6)
                if words.skip("shift-ports") {
                    router.translation?.portShift = UInt16(try words.number("ports", 0...65_535))
                }
                router.translation?.quotes = words.restoring()
            case "dnat":
                let interface = try readAddresses(&words)
                router.redirection = Redirection(v4: interface.v4, v6: interface.v6, quotes: words.restoring())
            case "loop": router.loops = true
            case "drop", "reject": router.filters.append(try words.filter(rejects: word == "reject"))
            case "from": router.answersFrom = try readAnswerSource(&words)
            case "zero-ttl": router.forwardsZero = true
            default:
                guard try words.read(word, &router.rewriting) else {
                    throw words.unknownProperty(Self.routerProperties + Words.rewritings)
                }
            }
        }
        scenario.routers.append(router)
    }

    private static let routerProperties = [
        "unreachable", "bleach", "nat", "dnat", "loop", "drop", "reject", "from", "zero-ttl",
    ]

    /// One address at least, which nobody else has.
    private mutating func readTranslated(_ words: inout Words) throws(ScenarioError) -> Scenario.Interface {
        guard let word = words.peek, IPAddress(word) != nil else { throw words.missing("an address") }
        return try readInterface(&words)
    }

    private mutating func readAnswerSource(_ words: inout Words) throws(ScenarioError) -> AnswerSource {
        if words.skip("incoming") { return .incoming }
        if words.skip("outgoing") { return .outgoing }
        if words.skip("own") { return .own }
        guard let word = words.peek, IPAddress(word) != nil else {
            throw words.missing("incoming, outgoing, own or an address")
        }
        return .address(try readInterface(&words))
    }

    private mutating func readLink(_ words: inout Words) throws(ScenarioError) {
        let from = try readReference(&words, "the name of a router or source")
        let to = try readReference(&words, "the name of the other router")
        guard from != to else { throw words.wrong("a link joins two different nodes") }
        guard !scenario.isLinked(from, to) || isPlain(from, to) else {
            throw words.wrong("\(from) and \(to) are linked already")
        }
        scenario.links.removeAll { ($0.from == from && $0.to == to) || ($0.from == to && $0.to == from) }
        guard scenario.links.count < 4_096 else { throw words.wrong("a scenario has at most 4096 links") }
        var link = Scenario.Link(from, to)
        while let word = words.next() {
            if try words.read(word, &link.impairment) { continue }
            switch word {
            case "mtu": link.mtu = try words.number("octets", 68...65_535)
            case "blackhole": link.isBlackHole = true
            case "no-mtu": link.hidesMTU = true
            case "claim-mtu": link.claimedMTU = try words.number("octets", 0...65_535)
            case "near": link.near = try readInterface(&words)
            case "far": link.far = try readInterface(&words)
            default:
                throw words.wrong(
                    "a link has mtu, blackhole, no-mtu, claim-mtu, near, far, "
                        + Words.impairments.joined(separator: ", "))
            }
        }
        scenario.links.append(link)
    }

    /// Whether the link between the two says nothing yet, so that a link line may say more about it.
    private func isPlain(_ from: String, _ to: String) -> Bool {
        scenario.links.contains(Scenario.Link(from, to)) || scenario.links.contains(Scenario.Link(to, from))
    }

    private mutating func readPath(_ words: inout Words) throws(ScenarioError) {
        var names: [String] = []
        while !words.isAtEnd || names.count < 2 {
            names.append(try readReference(&words, "a path needs two names at least"))
            if names.count > 1, names[names.count - 1] == names[names.count - 2] {
                throw words.wrong("a link joins two different nodes")
            }
        }
        for (from, to) in zip(names, names.dropFirst()) where !scenario.isLinked(from, to) {
            scenario.links.append(Scenario.Link(from, to))
        }
    }

    private mutating func readBalance(_ words: inout Words) throws(ScenarioError) {
        let router = try readReference(&words, "the name of a router or source")
        var hops: [String] = []
        while !words.skip("by") {
            hops.append(try readReference(&words, "next hops and then: by ports"))
            if hops.last == router { throw words.wrong("is no next hop of itself") }
        }
        guard hops.count > 1 else { throw words.wrong("before by come two next hops at least") }
        let key = try words.choice(BalanceKey.self)
        try words.end()
        for hop in hops where !scenario.isLinked(router, hop) { scenario.links.append(Scenario.Link(router, hop)) }
        scenario.balances.append(Scenario.Balance(router, hops, by: key))
    }

    private mutating func readFlip(_ words: inout Words) throws(ScenarioError) {
        let router = try readReference(&words, "the name of a router or source")
        var hops: [String] = []
        for expected in ["the next hop at the start", "the next hop later"] {
            hops.append(try readReference(&words, expected))
            guard hops.last != router, hops.count == 1 || hops[0] != hops[1] else {
                throw words.wrong("a router changes between two other nodes")
            }
        }
        guard scenario.flips.count < 512 else { throw words.wrong("a scenario has at most 512 flips") }
        let schedule: Scenario.Flip.Schedule
        if words.skip("at") {
            schedule = .at(try words.duration())
        } else if words.skip("every") {
            schedule = .every(max(1, try words.duration()))
        } else {
            throw words.missing("at or every and a time")
        }
        try words.end()
        for hop in hops where !scenario.isLinked(router, hop) { scenario.links.append(Scenario.Link(router, hop)) }
        scenario.flips.append(Scenario.Flip(router, hops[0], hops[1], schedule))
    }

    private mutating func readTunnel(_ words: inout Words) throws(ScenarioError) {
        var routers: [String] = []
        while words.peek.flatMap({ TunnelKind(rawValue: $0) }) == nil {
            let name = try readReference(&words, "routers and then: explicit")
            guard name != Scenario.sourceName, !routers.contains(name), routers.count < 250 else {
                throw words.wrong("a tunnel leads through up to 250 different routers")
            }
            routers.append(name)
        }
        let kind = try words.choice(TunnelKind.self)
        guard routers.count > 2 else { throw words.wrong("before it come three routers at least") }
        guard scenario.tunnels.count < 512 else { throw words.wrong("a scenario has at most 512 tunnels") }
        var tunnel = Scenario.Tunnel(routers, kind)
        if words.skip("label") { tunnel.label = UInt32(try words.number("label", 16...0xf_ff00)) }
        try words.end()
        for (from, to) in zip(routers, routers.dropFirst()) where !scenario.isLinked(from, to) {
            scenario.links.append(Scenario.Link(from, to))
        }
        scenario.tunnels.append(tunnel)
    }

    private mutating func readReturn(_ words: inout Words) throws(ScenarioError) {
        let router = try readReference(&words, "the name of a router")
        guard router != Scenario.sourceName, !scenario.returns.contains(where: { $0.router == router }) else {
            throw words.wrong("a router has one return path, and the source none")
        }
        guard words.skip("hops") else { throw words.missing("hops and their number") }
        var path = Scenario.ReturnPath(router, hops: try words.number("hops", 0...254))
        while let word = words.next() {
            guard try words.read(word, &path.impairment) else {
                throw words.wrong("a return path has " + Words.impairments.joined(separator: ", "))
            }
        }
        scenario.returns.append(path)
    }

    private mutating func readTarget(_ words: inout Words) throws(ScenarioError) {
        guard scenario.targets.count < 1_024 else { throw words.wrong("a scenario has at most 1024 target lines") }
        var prefixes: [IPPrefix] = []
        while !words.skip("via") {
            let word = try words.next("addresses or prefixes and then: via ROUTER")
            guard let prefix = IPPrefix(target: word) else {
                throw words.wrong("not an address or a prefix; write 10.0.9.9, fd00:9::9 or 10.0.8.0/24")
            }
            if prefix.isAddress { try take(prefix.first, words) }
            prefixes.append(prefix)
        }
        guard !prefixes.isEmpty else { throw words.wrong("before via comes an address or a prefix") }
        var target = Scenario.Target(prefixes, via: try readReference(&words, "the name of a router"))
        while let word = words.next() {
            if try words.read(word, &target.access) { continue }
            if try words.read(word, &target.answers) { continue }
            switch word {
            case "unreachable": target.refuses = try words.unreachable()
            case "live": target.live = try words.share()
            case "dead": target.dead = try words.unreachable()
            default: throw words.unknownProperty(["unreachable", "live", "dead"])
            }
        }
        scenario.targets.append(target)
        targetLines.append(words.line)
    }

    private mutating func readReference(_ words: inout Words, _ expected: String) throws(ScenarioError) -> String {
        let name = try words.name(expected, allowsSource: true)
        references.append((name, words.line))
        return name
    }

    /// At most one address of each family, which nobody else has.
    private mutating func readInterface(_ words: inout Words) throws(ScenarioError) -> Scenario.Interface {
        let interface = try readAddresses(&words, isOptional: true)
        if let address = interface.v4 { try take(.v4(address), words) }
        if let address = interface.v6 { try take(.v6(address), words) }
        return interface
    }

    /// At most one address of each family.
    private func readAddresses(
        _ words: inout Words, isOptional: Bool = false
    ) throws(ScenarioError) -> Scenario.Interface {
        var interface = Scenario.Interface()
        if !isOptional, words.peek.flatMap({ IPAddress($0) }) == nil { throw words.missing("an address") }
        while let word = words.peek, let address = IPAddress(word) {
            _ = words.next()
            switch address {
            case .v4(let address) where interface.v4 == nil: interface.v4 = address
            case .v6(let address) where interface.v6 == nil && address.zone == 0: interface.v6 = address
            default: throw words.wrong("one IPv4 and one IPv6 address, without zone")
            }
            guard !address.isMulticast, !address.isUnspecified, !address.isLoopback else {
                throw words.wrong("not an address that a host can have")
            }
        }
        return interface
    }

    private mutating func take(_ address: IPAddress, _ words: Words) throws(ScenarioError) {
        if let line = addresses[address] { throw words.wrong("is taken already, on line \(line)") }
        addresses[address] = words.line
    }
}
