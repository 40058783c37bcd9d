import ProbeEngine

/// A condition under which a sweep counts as failed, such as `alive<10`, by what was counted of all targets.
///
/// Written as an `EchoAssertion`, but about other quantities. Of some both a number and a percentage can be told:
/// `alive<90%` is about a share of all targets, `unreachable>5%` of those that were asked.
public struct SweepAssertion: Hashable, Sendable {
    /// As it was written, without spaces.
    public let text: String

    private let quantity: Quantity
    private let limit: AssertionLimit
    private let isShare: Bool

    /// Throws what would have been right.
    public init(parsing text: String) throws(AssertionError) {
        guard let syntax = AssertionSyntax(parsing: text) else {
            throw AssertionError(
                expected: "a condition: a quantity, one of > >= < <=, and a value, such as 'alive<10'")
        }
        guard let quantity = Quantity(rawValue: syntax.quantity) else {
            throw AssertionError(
                expected: "a condition on one of: " + Quantity.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let units = quantity.units
        guard
            let (limit, unit) = units.lazy.compactMap({ unit in AssertionLimit(syntax, unit).map { ($0, unit) } }).first
        else {
            let wanted = units.map(\.description).joined(separator: ", or ")
            throw AssertionError(expected: "a condition: \(quantity.rawValue) wants \(wanted)")
        }
        self.quantity = quantity
        self.limit = limit
        isShare = unit == .percent
        self.text = syntax.text
    }

    /// Why a sweep fails by this, such as `alive 7 < 10`; nil where it does not.
    public func failure(of run: SweepRun) -> String? {
        let value = isShare ? quantity.share(run) : quantity.measure(run)
        return limit.failure(of: value).map { "\(quantity.rawValue) \($0)" }
    }

    /// All failures of a sweep, in the order of the conditions.
    public static func failures(of run: SweepRun, by assertions: [SweepAssertion]) -> [String] {
        assertions.compactMap { $0.failure(of: run) }
    }

    /// The words of the quantities, for a manual.
    public static var quantities: [String] { Quantity.allCases.map(\.rawValue) }
}

/// What an assertion can be about.
private enum Quantity: String, CaseIterable, Hashable {
    case targets, alive, unreachable, unasked, undecided
    case loss
    case min, avg, max, mdev
    case p50, p90, p95, p99
    case p999 = "p99.9"
    case transmitted, received, lost, late, unsent, errors, duplicates, corrupted
    case wrongSource = "wrong-source"
    case droppedHere = "dropped-here"

    /// Those that its value can have.
    var units: [AssertionUnit] {
        switch self {
        case .alive, .unreachable: [.count, .percent]
        case .loss: [.percent]
        case .min, .avg, .max, .mdev, .p50, .p90, .p95, .p99, .p999: [.time]
        case .targets, .unasked, .undecided, .transmitted, .received, .lost, .late, .unsent, .errors, .duplicates,
            .corrupted, .wrongSource, .droppedHere:
            [.count]
        }
    }

    /// Of the quantities that have one.
    func share(_ run: SweepRun) -> AssertionValue {
        let counters = run.counters
        switch self {
        case .alive:
            // Who was not asked can't be vouched for.
            guard counters.targets > 0 else { return .nothing("there was no target") }
            return .share(counters.alive, of: counters.targets)
        case .unreachable:
            let asked = counters.alive &+ counters.unreachable
            guard asked > 0 else { return .nothing("no target was asked") }
            return .share(counters.unreachable, of: asked)
        default:
            guard counters.transmitted > 0 else { return .nothing("nothing was sent") }
            guard run.concluded > 0 else { return .nothing("no probe was answered or given up") }
            return .share(run.lost, of: run.concluded)
        }
    }

    func measure(_ run: SweepRun) -> AssertionValue {
        let counters = run.counters
        let trips = run.roundTrips
        switch self {
        case .targets: return .count(counters.targets)
        case .alive: return .count(counters.alive)
        case .unreachable: return .count(counters.unreachable)
        case .unasked: return .count(counters.unasked)
        case .undecided: return .count(counters.remaining)
        case .loss: return share(run)
        case .min: return time(trips) { $0.minimum }
        case .avg: return time(trips) { TimeSpan(rounding: $0.mean) }
        case .max: return time(trips) { $0.maximum }
        case .mdev: return time(trips) { TimeSpan(rounding: $0.deviation) }
        case .p50: return percentile(trips, 50, needed: 2)
        case .p90: return percentile(trips, 90, needed: 10)
        case .p95: return percentile(trips, 95, needed: 20)
        case .p99: return percentile(trips, 99, needed: 100)
        case .p999: return percentile(trips, 99.9, needed: 1_000)
        case .transmitted: return .count(counters.transmitted)
        case .received: return .count(counters.received)
        case .lost: return .count(run.lost)
        case .late: return .count(counters.late)
        case .unsent: return .count(counters.unsent)
        case .errors: return .count(counters.errors)
        case .duplicates: return .count(counters.duplicates)
        case .corrupted: return .count(counters.corrupted)
        case .wrongSource: return .count(counters.wrongSource)
        case .droppedHere: return .count(counters.droppedHere)
        }
    }

    private func time(_ trips: RoundTripStatistics, _ value: (RoundTripStatistics) -> TimeSpan) -> AssertionValue {
        trips.count > 0 ? .time(value(trips)) : .nothing("no reply in time")
    }

    private func percentile(_ trips: RoundTripStatistics, _ percent: Double, needed: UInt64) -> AssertionValue {
        if let span = trips.percentile(percent) { return .time(span) }
        guard trips.count < needed else { return .nothing("not kept") }
        return .nothing("\(trips.count) replies in time, \(needed) needed")
    }
}
