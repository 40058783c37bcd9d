import PacketFormats

/// The words of a line and what may be read from them.
struct Words {
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
        case "copy-ttl": answers.copiesHopLimit = true
        case "no-echo": answers.echoes = false
        case "clock": answers.clock = try clock()
        case "udp": answers.udp.append(PortRule(try ports(), try choice(UDPService.self)))
        case "tcp": answers.tcp.append(PortRule(try ports(), try choice(TCPService.self)))
        case "hostile": answers.hostile.append(try hostile())
        default: return false
        }
        return true
    }

    /// Reads what a router changes that starts with this word; false: it is something else.
    mutating func read(_ word: String, _ rewriting: inout Rewriting) throws(ScenarioError) -> Bool {
        switch word {
        case "clamp-mss": rewriting.maximumSegment = UInt16(try number("octets", 0...65_535))
        case "strip-options": rewriting.strippedOptions = try strippedOptions()
        case "shift-sequence": rewriting.sequenceShift = UInt32(try number("octets", 0...Int(UInt32.max)))
        case "clear-df": rewriting.clearsDontFragment = true
        case "set-id": rewriting.identification = UInt16(try number("identification", 0...65_535))
        case "set-flow-label": rewriting.flowLabel = UInt32(try number("flow label", 0...0xf_ffff))
        default: return false
        }
        return true
    }

    /// How a translator treats quotes, if the next word says so.
    mutating func restoring() -> QuoteRestoring {
        guard let restoring = peek.flatMap({ QuoteRestoring(rawValue: $0) }) else { return .whole }
        _ = next()
        return restoring
    }

    private mutating func strippedOptions() throws(ScenarioError) -> [StrippedOption] {
        let all = StrippedOption.allCases.map(\.rawValue).joined(separator: ", ")
        let word = try next("one or more of \(all)")
        var options: [StrippedOption] = []
        for part in word.split(separator: "/", omittingEmptySubsequences: false) {
            guard let option = StrippedOption(rawValue: String(part)), !options.contains(option) else {
                throw wrong("not options; write sack/timestamps, each once, of \(all)")
            }
            options.append(option)
        }
        return options
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
        guard let ports = Self.ports(word) else { throw wrong("not a port; write 7, 5000-5010 or *") }
        return ports
    }

    private static func ports(_ word: String) -> ClosedRange<UInt16>? {
        guard word != "*" else { return 0...65_535 }
        let ends = word.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { digits($0) }
        guard let first = ends[0], let last = ends[ends.count - 1], first <= last, last <= 65_535 else { return nil }
        return UInt16(first)...UInt16(last)
    }

    /// Reads what follows drop or reject.
    mutating func filter(rejects: Bool) throws(ScenarioError) -> Filter {
        var filter = Filter(try choice(Filter.Transport.self), reason: rejects ? .admin : nil)
        if filter.transport != .icmp, let word = peek, let ports = Self.ports(word) {
            _ = next()
            filter.ports = ports
        }
        if rejects, skip("as") { filter.reason = try unreachable() }
        return filter
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
        "silent", "limit", "slow", "quote", "mpls", "interface-info", "legacy-extensions", "ttl", "copy-ttl",
        "no-echo", "clock", "udp", "tcp", "hostile",
    ]
    static let rewritings = [
        "clamp-mss", "strip-options", "shift-sequence", "clear-df", "set-id", "set-flow-label",
    ]
    private static let durationHint = "not a time; write 5ms, 200us, 1.5s or 800ns"
}

/// Times as a scenario writes them.
enum TimeText {
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
    init?(scenario text: String) {
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

    var scenarioText: String {
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
    init?(scenario text: String) {
        guard text.last == "%", let value = TimeText.decimal(text.dropLast(), unit: 10_000, limit: 1_000_000) else {
            return nil
        }
        self.init(millionths: UInt32(value))
    }

    var scenarioText: String {
        let rest = millionths % 10_000
        guard rest > 0 else { return "\(millionths / 10_000)%" }
        var decimals = String(10_000 + rest).dropFirst()
        while decimals.last == "0" { decimals.removeLast() }
        return "\(millionths / 10_000).\(decimals)%"
    }
}

extension RateLimit {
    init?(scenario text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let count = Words.digits(parts[0]), (1...1_000_000).contains(count) else { return nil }
        // The time of one unit may be left to its name: 10/s.
        let period = TimeText.units.first { $0.name == parts[1] }?.nanoseconds ?? TimeText.parse(parts[1])
        guard let period, period > 0 else { return nil }
        self.init(Int64(count), per: period)
    }

    var scenarioText: String {
        let unit = TimeText.units.first { $0.nanoseconds == period }?.name ?? TimeText.text(period)
        return "\(count)/\(unit) burst \(burst)"
    }
}

extension Unreachable {
    init?(scenario text: String) {
        if let reason = Self.names.first(where: { $0.name == text })?.reason {
            self = reason
        } else if let code = Words.digits(text[...]).flatMap({ UInt8(exactly: $0) }) {
            self = .code(code)
        } else {
            return nil
        }
    }

    var scenarioText: String {
        if case .code(let code) = self { return "\(code)" }
        return Self.names.first { $0.reason == self }?.name ?? ""
    }

    private static let names: [(name: String, reason: Unreachable)] = [
        ("net", .net), ("host", .host), ("protocol", .proto), ("port", .port), ("admin", .admin),
    ]
}

extension HostileReply.Kind {
    static let plain: [HostileReply.Kind] = [
        .wrongSource, .wrongChecksum, .truncated, .overlong, .unknownSequence, .wrongIdentifier, .otherCode, .empty,
        .forgedTime, .foreignQuote, .zeroQuote, .longHeader, .cutHeader,
    ]
    static let words = plain.map(\.word) + ["duplicate COUNT", "late TIME"]

    var word: String {
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
        case .foreignQuote: "foreign-quote"
        case .zeroQuote: "zero-quote"
        case .longHeader: "long-header"
        case .cutHeader: "cut-header"
        }
    }
}
