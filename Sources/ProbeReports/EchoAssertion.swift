import ProbeEngine

/// A condition under which a run counts as failed, such as `loss>1%`, by what was counted of one target.
///
/// Written as a quantity, one of `>`, `>=`, `<` and `<=`, and a value: a percentage with its sign, a time with its unit
/// (`us`, `ms`, `s`) or a whole number. It is read and compared exactly. Where there is no such value, because the
/// sample is too small, the run counts as failed too: what was not seen can't be vouched for.
public struct EchoAssertion: Hashable, Sendable {
    /// As it was written, without spaces.
    public let text: String

    private let quantity: Quantity
    private let comparison: Comparison
    /// Billionths of the whole, nanoseconds, or a count.
    private let threshold: Int64
    /// The threshold as it was written.
    private let thresholdText: String

    /// Throws what would have been right.
    public init(parsing text: String) throws(EchoAssertionError) {
        let characters = text.utf8.filter { $0 != UInt8(ascii: " ") }
        guard let sign = characters.firstIndex(where: { $0 == UInt8(ascii: "<") || $0 == UInt8(ascii: ">") }),
            sign == 0 || characters[sign - 1] != UInt8(ascii: "=")
        else {
            throw EchoAssertionError(
                expected: "a condition: a quantity, one of > >= < <=, and a value, such as 'loss>1%'")
        }
        var end = sign + 1
        let isStrict = end == characters.count || characters[end] != UInt8(ascii: "=")
        if !isStrict { end += 1 }
        let name = String(decoding: characters[..<sign], as: UTF8.self)
        guard let quantity = Quantity(rawValue: name) else {
            throw EchoAssertionError(
                expected: "a condition on one of: " + Quantity.allCases.map(\.rawValue).joined(separator: ", "))
        }
        switch (characters[sign] == UInt8(ascii: ">"), isStrict) {
        case (true, true): comparison = .above
        case (true, false): comparison = .atLeast
        case (false, true): comparison = .below
        case (false, false): comparison = .atMost
        }
        guard let threshold = quantity.unit.value(of: characters[end...]) else {
            throw EchoAssertionError(expected: "a condition: \(name) wants \(quantity.unit.description)")
        }
        self.quantity = quantity
        self.threshold = threshold
        thresholdText = String(decoding: characters[end...], as: UTF8.self)
        self.text = String(decoding: characters, as: UTF8.self)
    }

    /// Why a target's run fails by this, such as `loss 2% > 1%`; nil where it does not.
    public func failure(of statistics: EchoStatistics) -> String? {
        switch quantity.measure(statistics) {
        case .nothing(let reason): return "\(quantity.rawValue) unknown: \(reason)"
        case .share(let part, let whole):
            let (measured, limit) = (UInt128(part) * UInt128(Unit.whole), UInt128(threshold) * UInt128(whole))
            guard comparison.holds(measured, limit) else { return nil }
            var percent = ReportBuffer()
            percent.append(percent: part, of: whole)
            return failure(String(decoding: percent.bytes, as: UTF8.self) + "%")
        case .time(let span):
            guard comparison.holds(span.nanoseconds, threshold) else { return nil }
            return failure(Self.milliseconds(span) + "ms")
        case .count(let count):
            guard comparison.holds(count, UInt64(threshold)) else { return nil }
            return failure(String(count))
        }
    }

    private func failure(_ measured: String) -> String {
        "\(quantity.rawValue) \(measured) \(comparison.rawValue) \(thresholdText)"
    }

    /// To the nanosecond, without zeros at the end.
    private static func milliseconds(_ span: TimeSpan) -> String {
        let (whole, rest) = span.nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        let sign = span.nanoseconds < 0 ? "-" : ""
        guard rest > 0 else { return "\(sign)\(whole)" }
        var fraction = String(1_000_000 + rest).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return "\(sign)\(whole).\(fraction)"
    }

    /// The words of the quantities, for a manual.
    public static var quantities: [String] { Quantity.allCases.map(\.rawValue) }
}

/// Why a text is no assertion.
public struct EchoAssertionError: Error, Hashable, Sendable {
    /// What it should have been, behind the words "is not".
    public var expected: String
}

/// A target whose run failed by an assertion.
public struct EchoFailure: Hashable, Sendable {
    /// The number of the target.
    public var target: Int
    /// What was measured and what it broke: `loss 2.5% > 1%`.
    public var reason: String

    public init(target: Int, reason: String) {
        self.target = target
        self.reason = reason
    }

    /// All failures of a run, in the order of the targets.
    public static func all(of statistics: [EchoStatistics], by assertions: [EchoAssertion]) -> [EchoFailure] {
        guard !assertions.isEmpty else { return [] }
        return statistics.indices.flatMap { target in
            assertions.compactMap { assertion in
                assertion.failure(of: statistics[target]).map { EchoFailure(target: target, reason: $0) }
            }
        }
    }
}

private enum Comparison: String, Hashable {
    case above = ">"
    case atLeast = ">="
    case below = "<"
    case atMost = "<="

    func holds<Value: Comparable>(_ measured: Value, _ limit: Value) -> Bool {
        switch self {
        case .above: measured > limit
        case .atLeast: measured >= limit
        case .below: measured < limit
        case .atMost: measured <= limit
        }
    }
}

private enum Unit {
    case percent
    case time
    case count

    /// A hundred per cent.
    static let whole: Int64 = 1_000_000_000

    var description: String {
        switch self {
        case .percent: "a percentage from 0% to 100%, such as 0.5%"
        case .time: "a time with its unit, such as 200us, 20ms or 1.5s"
        case .count: "a whole number, such as 0 or 10"
        }
    }

    /// Nil on anything that is not exactly such a value.
    func value(of text: ArraySlice<UInt8>) -> Int64? {
        switch self {
        case .percent:
            guard text.last == UInt8(ascii: "%"), let value = Self.decimal(text.dropLast(), scale: Self.whole / 100),
                value <= Self.whole
            else { return nil }
            return value
        case .time:
            for (suffix, scale) in [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)] as [(String, Int64)]
            where text.count > suffix.utf8.count && text.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) {
                return Self.decimal(text.dropLast(suffix.utf8.count), scale: scale)
            }
            return nil
        case .count: return Self.decimal(text, scale: 1)
        }
    }

    /// A decimal number times `scale`, a power of ten; nil unless that is a whole number that an Int64 holds.
    private static func decimal(_ text: ArraySlice<UInt8>, scale: Int64) -> Int64? {
        var value: Int64 = 0
        var rest = scale
        var isFraction = false
        var digits = 0
        for character in text {
            if character == UInt8(ascii: "."), !isFraction, digits > 0 {
                isFraction = true
                digits = 0
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else { return nil }
            digits += 1
            let digit = Int64(character - UInt8(ascii: "0"))
            if isFraction {
                // Digits behind the last place that counts are zeros or too exact.
                if rest == 1 {
                    guard digit == 0 else { return nil }
                    continue
                }
                rest /= 10
            }
            let (product, overflow) =
                isFraction ? (value, false) : value.multipliedReportingOverflow(by: 10)
            let (part, partOverflow) = digit.multipliedReportingOverflow(by: isFraction ? rest : scale)
            let (sum, sumOverflow) = product.addingReportingOverflow(part)
            guard !overflow, !partOverflow, !sumOverflow else { return nil }
            value = sum
        }
        return digits > 0 ? value : nil
    }
}

/// What an assertion can be about.
private enum Quantity: String, CaseIterable, Hashable {
    case loss, availability
    case min, avg, max, mdev
    case p50, p90, p95, p99
    case p999 = "p99.9"
    case jitter, ipdv
    case pdv95 = "pdv-p95"
    case pdv99 = "pdv-p99"
    case hostDelay = "host-delay"
    case hostDelayMax = "host-delay-max"
    case outage, outages
    case lossRun = "loss-run"
    case transmitted, received, lost, late, unsent, errors, duplicates, corrupted, reordered
    case wrongSource = "wrong-source"

    enum Value {
        case share(UInt64, of: UInt64)
        case time(TimeSpan)
        case count(UInt64)
        /// And why.
        case nothing(String)
    }

    var unit: Unit {
        switch self {
        case .loss, .availability: .percent
        case .min, .avg, .max, .mdev, .p50, .p90, .p95, .p99, .p999, .jitter, .ipdv, .pdv95, .pdv99, .hostDelay,
            .hostDelayMax, .outage:
            .time
        case .outages, .lossRun, .transmitted, .received, .lost, .late, .unsent, .errors, .duplicates, .corrupted,
            .reordered, .wrongSource:
            .count
        }
    }

    func measure(_ statistics: EchoStatistics) -> Value {
        let trips = statistics.roundTrips
        switch self {
        case .loss:
            guard statistics.transmitted > 0 else { return .nothing("nothing was sent") }
            guard statistics.concluded > 0 else { return .nothing(Self.noneConcluded) }
            return .share(statistics.lost, of: statistics.concluded)
        case .availability:
            guard let runs = statistics.lossRuns else { return .nothing(Self.tooManyTargets) }
            guard runs.concluded > 0 else { return .nothing(Self.noneConcluded) }
            return .share(runs.available, of: runs.concluded)
        case .min, .avg, .max, .mdev:
            guard trips.count > 0 else { return .nothing(Self.noReply) }
            switch self {
            case .min: return .time(trips.minimum)
            case .avg: return .time(TimeSpan(rounding: trips.mean))
            case .max: return .time(trips.maximum)
            default: return .time(TimeSpan(rounding: trips.deviation))
            }
        case .p50: return percentile(trips, 50, needed: 2, trips.percentile)
        case .p90: return percentile(trips, 90, needed: 10, trips.percentile)
        case .p95: return percentile(trips, 95, needed: 20, trips.percentile)
        case .p99: return percentile(trips, 99, needed: 100, trips.percentile)
        case .p999: return percentile(trips, 99.9, needed: 1_000, trips.percentile)
        case .pdv95: return percentile(trips, 95, needed: 20, trips.delayVariation)
        case .pdv99: return percentile(trips, 99, needed: 100, trips.delayVariation)
        case .jitter:
            guard trips.count > 1 else { return .nothing("fewer than two replies in time") }
            return .time(TimeSpan(rounding: trips.jitter))
        case .ipdv:
            guard let variation = statistics.delayVariation else { return .nothing(Self.tooManyTargets) }
            guard variation.count > 0 else { return .nothing("no two probes in a row were answered in time") }
            return .time(TimeSpan(rounding: variation.mean))
        case .hostDelay, .hostDelayMax:
            guard let delay = statistics.hostDelay else { return .nothing(Self.tooManyTargets) }
            guard delay.count > 0 else { return .nothing("no reply in time with time stamps of the kernel") }
            return .time(self == .hostDelay ? TimeSpan(rounding: delay.mean) : delay.maximum)
        case .outage, .outages, .lossRun:
            guard let sums = statistics.lossRuns?.sums else { return .nothing(Self.tooManyTargets) }
            if self == .outage { return .time(sums.longestOutage) }
            return .count(self == .outages ? sums.outages : sums.longest)
        case .transmitted: return .count(statistics.transmitted)
        case .received: return .count(statistics.received)
        case .lost: return .count(statistics.lost)
        case .late: return .count(statistics.late)
        case .unsent: return .count(statistics.unsent)
        case .errors: return .count(statistics.errors)
        case .duplicates: return .count(statistics.duplicates)
        case .corrupted: return .count(statistics.corrupted)
        case .reordered: return .count(statistics.reordered)
        case .wrongSource: return .count(statistics.wrongSource)
        }
    }

    private func percentile(
        _ trips: RoundTripStatistics, _ percent: Double, needed: UInt64, _ value: (Double) -> TimeSpan?
    ) -> Value {
        if let span = value(percent) { return .time(span) }
        guard trips.count < needed else { return .nothing(Self.tooManyTargets) }
        return .nothing("\(trips.count) replies in time, \(needed) needed")
    }

    private static let noReply = "no reply in time"
    private static let noneConcluded = "no probe was answered or given up"
    private static let tooManyTargets = "not kept for so many targets"
}
