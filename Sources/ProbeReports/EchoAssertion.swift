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
    private let limit: AssertionLimit

    /// Throws what would have been right.
    public init(parsing text: String) throws(AssertionError) {
        guard let syntax = AssertionSyntax(parsing: text) else {
            throw AssertionError(
                expected: "a condition: a quantity, one of > >= < <=, and a value, such as 'loss>1%'")
        }
        guard let quantity = Quantity(rawValue: syntax.quantity) else {
            throw AssertionError(
                expected: "a condition on one of: " + Quantity.allCases.map(\.rawValue).joined(separator: ", "))
        }
        guard let limit = AssertionLimit(syntax, quantity.unit) else {
            throw AssertionError(expected: "a condition: \(quantity.rawValue) wants \(quantity.unit.description)")
        }
        self.quantity = quantity
        self.limit = limit
        self.text = syntax.text
    }

    /// Why a target's run fails by this, such as `loss 2% > 1%`; nil where it does not.
    public func failure(of statistics: EchoStatistics) -> String? {
        limit.failure(of: quantity.measure(statistics)).map { "\(quantity.rawValue) \($0)" }
    }

    /// The words of the quantities, for a manual.
    public static var quantities: [String] { Quantity.allCases.map(\.rawValue) }
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

    var unit: AssertionUnit {
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

    func measure(_ statistics: EchoStatistics) -> AssertionValue {
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
            guard let jitter = trips.jitter else { return .nothing(Self.tooManyTargets) }
            return .time(TimeSpan(rounding: jitter))
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
    ) -> AssertionValue {
        if let span = value(percent) { return .time(span) }
        guard trips.count < needed else { return .nothing(Self.tooManyTargets) }
        return .nothing("\(trips.count) replies in time, \(needed) needed")
    }

    private static let noReply = "no reply in time"
    private static let noneConcluded = "no probe was answered or given up"
    private static let tooManyTargets = "not kept for so many targets"
}
