/// How far a sweep has come, as text that another process can go on from: what `--resume-file` holds.
///
/// Lines of a name and a value, the first of which gives the version of the format and the last of which is `end`, so that
/// half of a file is told from a whole one.
public struct SweepProgress: Hashable, Sendable {
    /// How many targets were known, and the digest of their space: with other targets there is nothing to go on with.
    public var targets: UInt64
    public var digest: UInt64
    /// Whether all targets were known, or more would have come.
    public var isClosed: Bool
    /// The order of the targets, nil for their own.
    public var seed: UInt64?
    public var shard: Shard
    /// The first position that was not begun: those before it are decided, except the `undecided`.
    public var position: UInt64
    /// Positions before `position` without a result, ascending, none twice.
    public var undecided: [UInt32]
    /// What was counted, by name, in the order in which it is written. Names are of small letters and `_`.
    public var counters: [Counter]

    /// A number with a name.
    public struct Counter: Hashable, Sendable {
        public var name: String
        public var value: UInt64

        public init(_ name: String, _ value: UInt64) {
            self.name = name
            self.value = value
        }
    }

    public init(
        targets: UInt64, digest: UInt64, isClosed: Bool, seed: UInt64?, shard: Shard, position: UInt64,
        undecided: [UInt32], counters: [Counter]
    ) {
        self.targets = targets
        self.digest = digest
        self.isClosed = isClosed
        self.seed = seed
        self.shard = shard
        self.position = position
        self.undecided = undecided
        self.counters = counters
    }

    /// The value of a counter, 0 where there is none of the name. O(counters).
    public subscript(counter name: String) -> UInt64 { counters.first { $0.name == name }?.value ?? 0 }

    // MARK: Text

    /// The text, which `init(parsing:)` reads. O(n).
    public var text: String {
        var text = "\(Self.heading) \(Self.version)\n"
        text += "targets \(targets) \(Self.hexadecimal(digest)) \(isClosed ? "closed" : "open")\n"
        text += "order \(seed.map { "seed \(Self.hexadecimal($0))" } ?? "given")\n"
        text += "shard \(shard.index) of \(shard.total)\n"
        text += "position \(position)\n"
        var index = 0
        while index < undecided.count {
            let first = undecided[index]
            var last = first
            index += 1
            while index < undecided.count, last != .max, undecided[index] == last + 1 {
                last = undecided[index]
                index += 1
            }
            text += first == last ? "undecided \(first)\n" : "undecided \(first)-\(last)\n"
        }
        for counter in counters { text += "count \(counter.name) \(counter.value)\n" }
        return text + "end\n"
    }

    /// Parses what `text` writes and nothing else. O(n), and in memory that follows what is there: at most 2^22 undecided
    /// positions and 64 counters.
    public init(parsing bytes: [UInt8]) throws(SweepProgressError) {
        var lines = Lines(bytes: bytes)
        let heading = try lines.next()
        guard heading.count == 2, heading[0] == Self.heading else { throw .foreign }
        guard heading[1] == Self.version else { throw .version(heading[1]) }
        let targets = try lines.next("targets", 3)
        self.targets = try lines.number(targets[0], atMost: TargetSpace.maximumCount)
        digest = try lines.hexadecimal(targets[1])
        isClosed = targets[2] == "closed"
        guard isClosed || targets[2] == "open" else { throw .malformed(line: lines.number) }
        let order = try lines.next()
        switch order.first {
        case "order" where order.count == 2 && order[1] == "given": seed = nil
        case "order" where order.count == 3 && order[1] == "seed": seed = try lines.hexadecimal(order[2])
        default: throw .malformed(line: lines.number)
        }
        let part = try lines.next("shard", 3)
        guard part[1] == "of", let shard = Shard(try lines.number32(part[0]), of: try lines.number32(part[2])) else {
            throw .malformed(line: lines.number)
        }
        self.shard = shard
        let position = try lines.next("position", 1)
        self.position = try lines.number(position[0], atMost: self.targets)
        undecided = []
        counters = []
        while true {
            let words = try lines.next()
            switch words.first {
            case "undecided" where words.count == 2 && counters.isEmpty: try takeUndecided(words[1], &lines)
            case "count" where words.count == 3 && counters.count < Self.mostCounters:
                guard Self.isName(words[1]), !counters.contains(where: { $0.name == words[1] }) else {
                    throw .malformed(line: lines.number)
                }
                counters.append(Counter(words[1], try lines.number(words[2], atMost: .max)))
            case "end" where words.count == 1 && lines.isAtEnd: return
            default: throw .malformed(line: lines.number)
            }
        }
    }

    private mutating func takeUndecided(_ text: String, _ lines: inout Lines) throws(SweepProgressError) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard ends.count <= 2 else { throw .malformed(line: lines.number) }
        let first = try lines.number32(ends[0])
        let last = ends.count == 2 ? try lines.number32(ends[1]) : first
        guard first <= last, last < position, undecided.last.map({ $0 < first }) ?? true else {
            throw .malformed(line: lines.number)
        }
        guard Int(last - first) < Self.mostUndecided - undecided.count else { throw .malformed(line: lines.number) }
        undecided.append(contentsOf: first...last)
    }

    private static func isName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "_") }
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static let heading = "swping-progress"
    private static let version = "1"
    private static let mostUndecided = 1 << 22
    private static let mostCounters = 64
}

/// Why a text is no progress of a sweep.
public enum SweepProgressError: Error, Hashable, Sendable {
    /// Nothing that this program wrote.
    case foreign
    /// Written in another version of the format.
    case version(String)
    /// It ends before its end.
    case truncated
    /// A line that is not as it was written.
    case malformed(line: Int)
}

extension SweepProgressError: CustomStringConvertible {
    /// To stand behind a name of the file. Let it pass the sanitiser.
    public var description: String {
        switch self {
        case .foreign: "is no file of --resume-file: name another, or remove it to begin anew"
        case .version(let version): "was written by another version of this program (format '\(version)', not 1)"
        case .truncated: "is not whole: remove it to begin anew"
        case .malformed(let line): "is damaged in line \(line): remove it to begin anew"
        }
    }
}

/// Words of lines, of which each is short.
private struct Lines {
    let bytes: [UInt8]
    var rest: Int = 0
    /// Of the line that was read last.
    var number = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { rest == bytes.count }

    /// The words of the next line.
    mutating func next() throws(SweepProgressError) -> [String] {
        let line = bytes[rest...].prefix(Self.longest).prefix { $0 != UInt8(ascii: "\n") }
        guard line.count < Self.longest else { throw number == 0 ? .foreign : .malformed(line: number + 1) }
        guard line.endIndex < bytes.count else { throw number == 0 ? .foreign : .truncated }
        rest = line.endIndex + 1
        number += 1
        guard let text = String(validating: line, as: UTF8.self) else {
            throw number == 1 ? .foreign : .malformed(line: number)
        }
        return text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    }

    /// The words behind the first, which is `name`.
    mutating func next(_ name: String, _ count: Int) throws(SweepProgressError) -> [String] {
        let words = try next()
        guard words.first == name, words.count == count + 1 else { throw .malformed(line: number) }
        return Array(words.dropFirst())
    }

    /// As it is written: digits without zeros in front.
    func number(_ text: String, atMost limit: UInt64) throws(SweepProgressError) -> UInt64 {
        guard let value = UInt64(text), value <= limit, String(value) == text else { throw .malformed(line: number) }
        return value
    }

    func number32(_ text: String) throws(SweepProgressError) -> UInt32 {
        UInt32(truncatingIfNeeded: try number(text, atMost: UInt64(UInt32.max)))
    }

    /// Sixteen digits.
    func hexadecimal(_ text: String) throws(SweepProgressError) -> UInt64 {
        guard text.utf8.count == 16, let value = UInt64(text, radix: 16), text.utf8.first != UInt8(ascii: "+") else {
            throw .malformed(line: number)
        }
        return value
    }

    private static let longest = 128
}
