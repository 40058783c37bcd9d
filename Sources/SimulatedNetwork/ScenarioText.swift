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
    /// link NAME NAME [near ADDRESS...] [far ADDRESS...] [mtu OCTETS] [blackhole] [no-mtu] [IMPAIRMENT...]
    /// path NAME NAME...
    /// balance NAME NAME NAME... by ports | transport | flow-label | destination | packet
    /// return NAME hops COUNT [IMPAIRMENT...]
    /// target ADDRESS-OR-PREFIX... via NAME [PROPERTY...]
    /// ```
    ///
    /// Impairments: `delay TIME`, `loss SHARE`, `duplicate SHARE`, `reorder SHARE [by TIME]`, `corrupt SHARE`. Delays:
    /// `5ms`, `5ms..8ms` (uniform), `5ms~1ms` (mean and deviation), `5ms+1ms` (a floor and an exponential rest).
    ///
    /// Properties of routers and targets: impairments, `silent`, `limit COUNT/s burst COUNT`, `slow TIME`,
    /// `quote OCTETS`, `mpls LABEL[/LABEL...]`, `interface-info`, `legacy-extensions`, `ttl HOPS`, `no-echo`,
    /// `clock OFFSET [skew PPM] [tick TIME] [little-endian | non-standard]` (answers ICMP timestamp requests),
    /// `udp PORTS echo|unreachable|silent`, `tcp PORTS open|closed|filtered`, `unreachable REASON`,
    /// `hostile KIND [SHARE]`. Of routers: `bleach dscp|ecn|tos`, `nat ADDRESS [careless]`, `loop`. Of targets:
    /// `live SHARE`, `dead REASON`.
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
        case "return": try readReturn(&words)
        case "target": try readTarget(&words)
        default: throw words.wrong("a line starts with source, router, link, path, balance, return or target")
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
                guard let address = IPv4Address(try words.next("an IPv4 address")) else {
                    throw words.wrong("not an IPv4 address")
                }
                try take(.v4(address), words)
                router.translation = Translation(address, isCareless: words.skip("careless"))
            case "loop": router.loops = true
            default: throw words.unknownProperty(["unreachable", "bleach", "nat", "loop"])
            }
        }
        scenario.routers.append(router)
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
            case "near": link.near = try readInterface(&words)
            case "far": link.far = try readInterface(&words)
            default:
                throw words.wrong(
                    "a link has mtu, blackhole, no-mtu, near, far, " + Words.impairments.joined(separator: ", "))
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

    /// At most one address of each family.
    private mutating func readInterface(_ words: inout Words) throws(ScenarioError) -> Scenario.Interface {
        var interface = Scenario.Interface()
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
            try take(address, words)
        }
        return interface
    }

    private mutating func take(_ address: IPAddress, _ words: Words) throws(ScenarioError) {
        if let line = addresses[address] { throw words.wrong("is taken already, on line \(line)") }
        addresses[address] = words.line
    }
}

/// The words of a line and what may be read from them.
private struct Words {
    let line: Int
    private var words: [String]
    private var index = 0

    init(_ text: Substring, _ line: Int) {
        self.line = line
        words = text.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
    }

    var isAtEnd: Bool { index == words.count }
    var peek: String? { isAtEnd ? nil : words[index] }

    mutating func next() -> String? {
        guard !isAtEnd else { return nil }
        index += 1
        return words[index - 1]
    }

    mutating func next(_ expected: String) throws(ScenarioError) -> String {
        guard let word = next() else { throw missing(expected) }
        return word
    }

    /// Passes over the word if it is the next one.
    mutating func skip(_ word: String) -> Bool {
        guard peek == word else { return false }
        index += 1
        return true
    }

    mutating func end() throws(ScenarioError) {
        if next() != nil { throw wrong("nothing comes here any more") }
    }

    /// The error about the word that was read last.
    func wrong(_ reason: String) -> ScenarioError {
        ScenarioError(line: line, word: index > 0 ? words[index - 1] : "", reason: reason)
    }

    /// The error about a word that should come next.
    func missing(_ expected: String) -> ScenarioError {
        ScenarioError(line: line, word: peek ?? "", reason: "here comes \(expected)")
    }

    func unknownProperty(_ more: [String]) -> ScenarioError {
        wrong("no such property; there are " + (Self.impairments + Self.properties + more).joined(separator: ", "))
    }

    mutating func name(_ expected: String, allowsSource: Bool = false) throws(ScenarioError) -> String {
        let name = try next(expected)
        let isName = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
            default: false
            }
        }
        guard isName, name.utf8.count <= 32, IPAddress(name) == nil else {
            throw wrong("a name has up to 32 letters, digits, -, _ and .")
        }
        guard allowsSource || name != Scenario.sourceName else { throw wrong("is the name of the host under test") }
        return name
    }

    mutating func number(_ what: String, _ range: ClosedRange<Int>) throws(ScenarioError) -> Int {
        let expected = "a number of \(what) from \(range.lowerBound) to \(range.upperBound)"
        let word = try next(expected)
        guard let number = Self.digits(word[...]), range.contains(number) else { throw wrong("not \(expected)") }
        return number
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ type: Choice.Type) throws(ScenarioError) -> Choice
    where Choice.RawValue == String {
        let all = "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
        guard let choice = Choice(rawValue: try next(all)) else { throw wrong("not \(all)") }
        return choice
    }

    mutating func unreachable() throws(ScenarioError) -> Unreachable {
        let expected = "net, host, protocol, port, admin or a code from 0 to 255"
        let word = try next(expected)
        if let reason = Unreachable(scenario: word) { return reason }
        throw wrong("not \(expected)")
    }

    mutating func share() throws(ScenarioError) -> Share {
        let word = try next("a share such as 1%")
        guard let share = Share(scenario: word) else {
            throw wrong("not a share from 0% to 100% with at most four decimals")
        }
        return share
    }

    mutating func duration() throws(ScenarioError) -> Int64 {
        let word = try next("a time such as 5ms")
        guard let time = TimeText.parse(word[...]) else { throw wrong(Self.durationHint) }
        return time
    }

    mutating func delay() throws(ScenarioError) -> Delay {
        let word = try next("a time such as 5ms or 5ms..8ms")
        guard let delay = Delay(scenario: word) else {
            throw wrong(Self.durationHint + "; or 5ms..8ms, 5ms~1ms, 5ms+1ms")
        }
        return delay
    }

    /// Reads an impairment that starts with this word; false: it is none.
    mutating func read(_ word: String, _ impairment: inout Impairment) throws(ScenarioError) -> Bool {
        switch word {
        case "delay": impairment.delay = try delay()
        case "loss": impairment.loss = try share()
        case "duplicate": impairment.duplicate = try share()
        case "reorder":
            impairment.reorder = try share()
            if skip("by") { impairment.reorderDelay = try duration() }
        case "corrupt": impairment.corrupt = try share()
        default: return false
        }
        return true
    }

    /// Reads what routers and targets have in common, from this word on; false: it is something else.
    mutating func read(_ word: String, _ answers: inout Answers) throws(ScenarioError) -> Bool {
        switch word {
        case "silent": answers.isSilent = true
        case "limit": answers.limit = try limit()
        case "slow": answers.slowness = try delay()
        case "quote": answers.quote = try number("octets", 0...1_500)
        case "mpls": answers.labels = try labels()
        case "interface-info": answers.showsInterface = true
        case "legacy-extensions": answers.hasLegacyExtensions = true
        case "ttl": answers.hopLimit = UInt8(try number("hops", 1...255))
        case "no-echo": answers.echoes = false
        case "clock": answers.clock = try clock()
        case "udp": answers.udp.append(PortRule(try ports(), try choice(UDPService.self)))
        case "tcp": answers.tcp.append(PortRule(try ports(), try choice(TCPService.self)))
        case "hostile": answers.hostile.append(try hostile())
        default: return false
        }
        return true
    }

    private mutating func limit() throws(ScenarioError) -> RateLimit {
        let word = try next("a rate such as 10/s")
        guard let rate = RateLimit(scenario: word) else { throw wrong("not a rate; write 10/s or 1/500ms") }
        guard skip("burst") else { return rate }
        return RateLimit(rate.count, per: rate.period, burst: Int64(try number("answers", 1...1_000_000)))
    }

    private mutating func clock() throws(ScenarioError) -> HostClock {
        var clock = HostClock(
            offset: try signed("an offset such as 5ms or -5ms", Self.durationHint) { TimeText.parse($0) })
        while let word = peek {
            switch word {
            case "skew":
                _ = next()
                let hint = "not a skew up to 1000ppm; write 35ppm or -0.5ppm"
                clock.skew = try signed("a skew such as 35ppm", hint) { word in
                    word.hasSuffix("ppm") ? TimeText.decimal(word.dropLast(3), unit: 1_000, limit: 1_000_000) : nil
                }
            case "tick":
                _ = next()
                clock.tick = max(1, try duration())
            default:
                guard let form = HostClock.Form(rawValue: word) else { return clock }
                _ = next()
                clock.form = form
            }
        }
        return clock
    }

    private mutating func signed(
        _ expected: String, _ hint: String, _ parse: (Substring) -> Int64?
    ) throws(ScenarioError) -> Int64 {
        let word = try next(expected)
        guard let value = parse(word.hasPrefix("-") ? word.dropFirst() : word[...]) else { throw wrong(hint) }
        return word.hasPrefix("-") ? -value : value
    }

    private mutating func labels() throws(ScenarioError) -> [UInt32] {
        let word = try next("an MPLS label such as 16004")
        var labels: [UInt32] = []
        for part in word.split(separator: "/", omittingEmptySubsequences: false) {
            guard let label = Self.digits(part), label <= 0xf_ffff, labels.count < 8 else {
                throw wrong("not MPLS labels; write 16004 or 16004/24001, up to eight of 0 to 1048575")
            }
            labels.append(UInt32(label))
        }
        return labels
    }

    private mutating func ports() throws(ScenarioError) -> ClosedRange<UInt16> {
        let word = try next("a port, a range such as 5000-5010, or *")
        guard word != "*" else { return 0...65_535 }
        let ends = word.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { Self.digits($0) }
        guard let first = ends[0], let last = ends[ends.count - 1], first <= last, last <= 65_535 else {
            throw wrong("not a port; write 7, 5000-5010 or *")
        }
        return UInt16(first)...UInt16(last)
    }

    private mutating func hostile() throws(ScenarioError) -> HostileReply {
        let word = try next("one of " + HostileReply.Kind.words.joined(separator: ", "))
        let kind: HostileReply.Kind
        switch word {
        case "duplicate": kind = .duplicate(try number("copies", 1...1_000))
        case "late": kind = .late(try duration())
        default:
            guard let plain = HostileReply.Kind.plain.first(where: { $0.word == word }) else {
                throw wrong("not one of " + HostileReply.Kind.words.joined(separator: ", "))
            }
            kind = plain
        }
        guard let word = peek, let share = Share(scenario: word) else { return HostileReply(kind) }
        _ = next()
        return HostileReply(kind, share)
    }

    /// The value of decimal digits alone, at most ten of them.
    static func digits(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 10, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    static let impairments = ["delay", "loss", "duplicate", "reorder", "corrupt"]
    static let properties = [
        "silent", "limit", "slow", "quote", "mpls", "interface-info", "legacy-extensions", "ttl", "no-echo",
        "clock", "udp", "tcp", "hostile",
    ]
    private static let durationHint = "not a time; write 5ms, 200us, 1.5s or 800ns"
}

/// Times as a scenario writes them.
private enum TimeText {
    static let units: [(name: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ]

    /// Parses `5ms` or `1.5s`, exact to the nanosecond and up to an hour.
    static func parse(_ text: Substring) -> Int64? {
        let number = text.prefix { $0.isNumber || $0 == "." }
        guard let unit = units.first(where: { $0.name == text.dropFirst(number.count) }) else { return nil }
        return decimal(number, unit: unit.nanoseconds, limit: 3_600_000_000_000)
    }

    /// The shortest text without decimals.
    static func text(_ time: Int64) -> String {
        let unit = time == 0 ? units[2] : units.last { time % $0.nanoseconds == 0 } ?? units[0]
        return "\(time / unit.nanoseconds)\(unit.name)"
    }

    /// A decimal number times `unit`, nil when that is no whole number or passes `limit`.
    static func decimal(_ text: Substring, unit: Int64, limit: Int64) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = Words.digits(first) else { return nil }
        let (product, overflow) = Int64(whole).multipliedReportingOverflow(by: unit)
        guard !overflow, product <= limit else { return nil }
        var value = product
        var scale = unit
        if parts.count == 2 {
            guard let last = parts.last, Words.digits(last) != nil else { return nil }
            for digit in last.utf8 {
                guard scale % 10 == 0 else { return nil }
                scale /= 10
                value += Int64(digit - 0x30) * scale
            }
        }
        return value <= limit ? value : nil
    }
}

extension Delay {
    fileprivate init?(scenario text: String) {
        for (sign, make) in Self.forms {
            guard let position = text.firstRange(of: sign) else { continue }
            guard let first = TimeText.parse(text[..<position.lowerBound]),
                let second = TimeText.parse(text[position.upperBound...])
            else { return nil }
            self = make(first, second)
            if case .uniform(let low, let high) = self, low > high { return nil }
            return
        }
        guard let time = TimeText.parse(text[...]) else { return nil }
        self = .fixed(time)
    }

    fileprivate var scenarioText: String {
        switch self {
        case .fixed(let time): TimeText.text(time)
        case .uniform(let low, let high): TimeText.text(low) + ".." + TimeText.text(high)
        case .normal(let mean, let deviation): TimeText.text(mean) + "~" + TimeText.text(deviation)
        case .exponential(let floor, let mean): TimeText.text(floor) + "+" + TimeText.text(mean)
        }
    }

    private static let forms: [(String, @Sendable (Int64, Int64) -> Delay)] = [
        ("..", { .uniform($0, $1) }), ("~", { .normal(mean: $0, deviation: $1) }),
        ("+", { .exponential(floor: $0, mean: $1) }),
    ]
}

extension Share {
    fileprivate init?(scenario text: String) {
        guard text.last == "%", let value = TimeText.decimal(text.dropLast(), unit: 10_000, limit: 1_000_000) else {
            return nil
        }
        self.init(millionths: UInt32(value))
    }

    fileprivate var scenarioText: String {
        let rest = millionths % 10_000
        guard rest > 0 else { return "\(millionths / 10_000)%" }
        var decimals = String(10_000 + rest).dropFirst()
        while decimals.last == "0" { decimals.removeLast() }
        return "\(millionths / 10_000).\(decimals)%"
    }
}

extension RateLimit {
    fileprivate init?(scenario text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let count = Words.digits(parts[0]), (1...1_000_000).contains(count) else { return nil }
        // The time of one unit may be left to its name: 10/s.
        let period = TimeText.units.first { $0.name == parts[1] }?.nanoseconds ?? TimeText.parse(parts[1])
        guard let period, period > 0 else { return nil }
        self.init(Int64(count), per: period)
    }

    fileprivate var scenarioText: String {
        let unit = TimeText.units.first { $0.nanoseconds == period }?.name ?? TimeText.text(period)
        return "\(count)/\(unit) burst \(burst)"
    }
}

extension Unreachable {
    fileprivate init?(scenario text: String) {
        if let reason = Self.names.first(where: { $0.name == text })?.reason {
            self = reason
        } else if let code = Words.digits(text[...]).flatMap({ UInt8(exactly: $0) }) {
            self = .code(code)
        } else {
            return nil
        }
    }

    fileprivate var scenarioText: String {
        if case .code(let code) = self { return "\(code)" }
        return Self.names.first { $0.reason == self }?.name ?? ""
    }

    private static let names: [(name: String, reason: Unreachable)] = [
        ("net", .net), ("host", .host), ("protocol", .proto), ("port", .port), ("admin", .admin),
    ]
}

extension HostileReply.Kind {
    fileprivate static let plain: [HostileReply.Kind] = [
        .wrongSource, .wrongChecksum, .truncated, .overlong, .unknownSequence, .wrongIdentifier, .otherCode, .empty,
        .forgedTime,
    ]
    fileprivate static let words = plain.map(\.word) + ["duplicate COUNT", "late TIME"]

    fileprivate var word: String {
        switch self {
        case .wrongSource: "wrong-source"
        case .wrongChecksum: "wrong-checksum"
        case .truncated: "truncated"
        case .overlong: "overlong"
        case .unknownSequence: "unknown-sequence"
        case .wrongIdentifier: "wrong-identifier"
        case .otherCode: "other-code"
        case .duplicate(let count): "duplicate \(count)"
        case .late(let time): "late " + TimeText.text(time)
        case .empty: "empty"
        case .forgedTime: "forged-time"
        }
    }
}

// MARK: Writing

extension Scenario: CustomStringConvertible {
    /// The scenario in the text format, one thing per line, every link by itself.
    public var description: String {
        var lines: [[String]] = []
        if source != Source() {
            let only = source.only.map { $0 == .v4 ? ["only4"] : ["only6"] } ?? []
            lines.append(["source"] + Interface(v4: source.v4, v6: source.v6).words + only)
        }
        for router in routers {
            var words = ["router", router.name] + Interface(v4: router.v4, v6: router.v6).words
            words += router.access.words + router.answers.words(defaultHopLimit: 255)
            if let reason = router.refuses { words += ["unreachable", reason.scenarioText] }
            if let bleach = router.bleaches { words += ["bleach", bleach.rawValue] }
            if let translation = router.translation {
                words += ["nat", translation.address.description] + (translation.isCareless ? ["careless"] : [])
            }
            if router.loops { words.append("loop") }
            lines.append(words)
        }
        for link in links {
            var words = ["link", link.from, link.to]
            if link.near != Interface() { words += ["near"] + link.near.words }
            if link.far != Interface() { words += ["far"] + link.far.words }
            if let mtu = link.mtu { words += ["mtu", "\(mtu)"] }
            if link.isBlackHole { words.append("blackhole") }
            if link.hidesMTU { words.append("no-mtu") }
            lines.append(words + link.impairment.words)
        }
        for balance in balances {
            lines.append(["balance", balance.router] + balance.nextHops + ["by", balance.key.rawValue])
        }
        for path in returns {
            lines.append(["return", path.router, "hops", "\(path.hops)"] + path.impairment.words)
        }
        for target in targets {
            var words = ["target"] + target.prefixes.map(\.targetText) + ["via", target.via]
            words += target.access.words + target.answers.words(defaultHopLimit: 64)
            if let reason = target.refuses { words += ["unreachable", reason.scenarioText] }
            if target.live != .always { words += ["live", target.live.scenarioText] }
            if let dead = target.dead { words += ["dead", dead.scenarioText] }
            lines.append(words)
        }
        return lines.map { $0.joined(separator: " ") + "\n" }.joined()
    }
}

extension Scenario.Interface {
    fileprivate var words: [String] { [v4?.description, v6?.description].compactMap(\.self) }
}

extension Impairment {
    fileprivate var words: [String] {
        let plain = Impairment()
        var words: [String] = []
        if delay != plain.delay { words += ["delay", delay.scenarioText] }
        if loss != .never { words += ["loss", loss.scenarioText] }
        if duplicate != .never { words += ["duplicate", duplicate.scenarioText] }
        if reorder != .never || reorderDelay != plain.reorderDelay {
            words += ["reorder", reorder.scenarioText, "by", TimeText.text(reorderDelay)]
        }
        if corrupt != .never { words += ["corrupt", corrupt.scenarioText] }
        return words
    }
}

extension Answers {
    fileprivate func words(defaultHopLimit: UInt8) -> [String] {
        let plain = Answers(hopLimit: defaultHopLimit)
        var words: [String] = []
        if isSilent { words.append("silent") }
        if let limit { words += ["limit", limit.scenarioText] }
        if slowness != plain.slowness { words += ["slow", slowness.scenarioText] }
        if let quote { words += ["quote", "\(quote)"] }
        if !labels.isEmpty { words += ["mpls", labels.map(String.init).joined(separator: "/")] }
        if showsInterface { words.append("interface-info") }
        if hasLegacyExtensions { words.append("legacy-extensions") }
        if hopLimit != plain.hopLimit { words += ["ttl", "\(hopLimit)"] }
        if !echoes { words.append("no-echo") }
        if let clock { words += clock.words }
        for rule in udp { words += ["udp", rule.ports.scenarioText, rule.service.rawValue] }
        for rule in tcp { words += ["tcp", rule.ports.scenarioText, rule.service.rawValue] }
        for reply in hostile {
            words += ["hostile", reply.kind.word] + (reply.share == .always ? [] : [reply.share.scenarioText])
        }
        return words
    }
}

extension HostClock {
    fileprivate var words: [String] {
        var words = ["clock", (offset < 0 ? "-" : "") + TimeText.text(abs(offset))]
        if skew != 0 {
            let part = skew.magnitude % 1_000
            let decimals = part == 0 ? "" : "." + String(1_000 + part).dropFirst()
            words += ["skew", "\(skew < 0 ? "-" : "")\(skew.magnitude / 1_000)\(decimals)ppm"]
        }
        if tick != HostClock().tick { words += ["tick", TimeText.text(tick)] }
        if form != .standard { words.append(form.rawValue) }
        return words
    }
}

extension ClosedRange where Bound == UInt16 {
    fileprivate var scenarioText: String {
        if self == 0...65_535 { return "*" }
        return lowerBound == upperBound ? "\(lowerBound)" : "\(lowerBound)-\(upperBound)"
    }
}
