/// Cuts a run into intervals and finds what happened in each.
///
/// Ends are absolute: so many intervals after the start, however late this process noticed the one before. What was
/// counted when an end is noticed belongs to the interval that ends; ends that passed meanwhile are skipped.
struct IntervalSums: Sendable {
    private let length: TimeSpan
    private var index: UInt64 = 1
    private var start: Timestamp
    /// When the interval that goes on ends.
    private(set) var end: Timestamp
    /// Of each target, as the interval began.
    private var before: [EchoStatistics]
    private var roundTrips: [RoundTripStatistics]

    init(length: TimeSpan, start: Timestamp, statistics: [EchoStatistics]) {
        self.length = max(TimeSpan(nanoseconds: 1), length)
        self.start = start
        end = start + self.length
        before = statistics.map(\.withoutDetail)
        roundTrips = Self.none(for: statistics)
    }

    /// Percentiles for no more targets than have them for the whole run.
    private static func none(for statistics: [EchoStatistics]) -> [RoundTripStatistics] {
        statistics.map { _ in RoundTripStatistics(withPercentiles: statistics.count <= EchoSweep.maximumHistograms) }
    }

    /// A reply in time.
    mutating func record(_ target: Int, _ roundTrip: TimeSpan) { roundTrips[target].record(roundTrip) }

    /// The intervals of all targets if one is over; the next begins.
    mutating func takeOver(at now: Timestamp, _ statistics: [EchoStatistics]) -> [EchoInterval] {
        guard end <= now else { return [] }
        end = end + length * ((now - end).nanoseconds / length.nanoseconds)
        let intervals = intervals(until: end, statistics)
        index += 1
        start = end
        end = end + length
        before = statistics.map(\.withoutDetail)
        roundTrips = Self.none(for: statistics)
        return intervals
    }

    /// The last intervals, which the run's end cuts short; none where nothing happened in them.
    func last(at now: Timestamp, _ statistics: [EchoStatistics]) -> [EchoInterval] {
        let intervals = intervals(until: max(start, now), statistics)
        return intervals.contains { !$0.isEmpty } ? intervals : []
    }

    private func intervals(until end: Timestamp, _ statistics: [EchoStatistics]) -> [EchoInterval] {
        statistics.indices.map { target in
            let (now, then) = (statistics[target], before[target])
            return EchoInterval(
                target: target, index: index, start: start, end: end, transmitted: now.transmitted - then.transmitted,
                received: now.received - then.received, late: now.late - then.late,
                lost: Int64(clamping: now.lost) - Int64(clamping: then.lost), inFlight: now.inFlight,
                errors: now.errors - then.errors, duplicates: now.duplicates - then.duplicates,
                corrupted: now.corrupted - then.corrupted, wrongSource: now.wrongSource - then.wrongSource,
                reordered: now.reordered - then.reordered, unsent: now.unsent - then.unsent,
                roundTrips: roundTrips[target])
        }
    }
}

extension EchoInterval {
    /// Nothing was counted.
    fileprivate var isEmpty: Bool {
        transmitted == 0 && received == 0 && late == 0 && lost == 0 && errors == 0 && duplicates == 0
            && corrupted == 0 && wrongSource == 0 && unsent == 0
    }
}
