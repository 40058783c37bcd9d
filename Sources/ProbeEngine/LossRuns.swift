/// Losses in a row, in the order in which the probes were sent, and the outages that the longer ones are.
///
/// A run is broken by a probe that was answered, in time or late; probes that this host did not send, or that were
/// still under way at the end, neither break nor lengthen it. Two losses in a row or more are an outage: it starts
/// when the first of them was sent and ends when the first answered probe behind it was sent, or, if the run ended
/// before, when the next probe was due.
///
/// A loss is counted when its probe is given up. A reply that comes after that turns it back: late is not lost, so its
/// run becomes shorter or two. That is done as long as the target had no more than 1,024 losses since; an older run
/// stays as it is. Outages are told as events when they end, and an event is not taken back; `outages` is corrected.
public struct LossRuns: Sendable {
    /// Probes whose outcome is known in the order of sending, without those that were not sent.
    public private(set) var concluded: UInt64 = 0

    /// What left `recent`: runs that nothing can change any more.
    private var settled = Sums()
    /// Of the outages in it those that ended last.
    private var settledOutages: [EchoOutage] = []
    /// The beginning of a run whose other losses are in `recent`.
    private var prefix: EchoOutage?
    /// The latest losses.
    private var recent: [Loss] = []
    /// Outages that ended and were not told yet.
    private var ended: [EchoOutage] = []
    private let target: Int
    private let interval: TimeSpan

    private struct Loss: Sendable, BitwiseCopyable {
        var sequence: UInt32
        var sentAt: Timestamp
        /// When the probe that broke the run behind this loss was sent; nil inside a run.
        var brokenAt: Timestamp?
    }

    /// - Parameter interval: when the next probe is due after one that was lost.
    init(target: Int, interval: TimeSpan) {
        self.target = target
        self.interval = interval
    }

    // MARK: Counting

    mutating func add(_ entry: OutcomeOrder.Entry) {
        switch entry.outcome {
        case .unknown, .unsent: break
        case .lost:
            concluded += 1
            recent.append(Loss(sequence: entry.sequence, sentAt: entry.sentAt))
            if recent.count >= 2 * Self.maximumRecent { settleOldest(recent.count - Self.maximumRecent) }
        case .answered, .late:
            concluded += 1
            guard let last = recent.indices.last, recent[last].brokenAt == nil else { return }
            recent[last].brokenAt = entry.sentAt
            let run = run(endingAt: last)
            if run.lost >= Self.shortestOutage, ended.count < Self.maximumListed { ended.append(run) }
        }
    }

    /// Takes back the loss of a probe that was answered after all. O(losses remembered).
    mutating func turnBack(_ sequence: UInt32, sentAt: Timestamp) {
        guard let newest = recent.last else { return }
        // Numbers wrap around, so they are compared by their distance from the newest.
        let distance = newest.sequence &- sequence
        var (low, high) = (0, recent.count)
        while low < high {
            let middle = low + (high - low) / 2
            if newest.sequence &- recent[middle].sequence > distance { low = middle + 1 } else { high = middle }
        }
        guard low < recent.count, recent[low].sequence == sequence else { return }
        recent.remove(at: low)
        if low > 0 {
            if recent[low - 1].brokenAt == nil { recent[low - 1].brokenAt = sentAt }
        } else if var run = prefix {
            run.end = sentAt
            run.isOpen = false
            settle(run)
            prefix = nil
        }
    }

    /// The next outage that ended, once.
    mutating func nextEnded() -> EchoOutage? { ended.isEmpty ? nil : ended.removeFirst() }

    private mutating func settleOldest(_ count: Int) {
        for loss in recent[..<count] {
            var run = prefix ?? start(of: loss)
            extend(&run, by: loss)
            if run.isOpen {
                prefix = run
            } else {
                settle(run)
                prefix = nil
            }
        }
        recent.removeSubrange(..<count)
    }

    private mutating func settle(_ run: EchoOutage) {
        settled.add(run)
        guard run.lost >= Self.shortestOutage else { return }
        if settledOutages.count == Self.maximumListed { settledOutages.removeFirst() }
        settledOutages.append(run)
    }

    /// The run whose last loss is this one. O(its length).
    private func run(endingAt last: Int) -> EchoOutage {
        var first = last
        while first > 0, recent[first - 1].brokenAt == nil { first -= 1 }
        var run = first == 0 ? prefix ?? start(of: recent[0]) : start(of: recent[first])
        for loss in recent[first...last] { extend(&run, by: loss) }
        return run
    }

    private func start(of loss: Loss) -> EchoOutage {
        EchoOutage(
            target: target, firstSequence: loss.sequence, lastSequence: loss.sequence, lost: 0, start: loss.sentAt,
            end: loss.sentAt, isOpen: true)
    }

    private func extend(_ run: inout EchoOutage, by loss: Loss) {
        run.lastSequence = loss.sequence
        run.lost += 1
        run.isOpen = loss.brokenAt == nil
        run.end = loss.brokenAt ?? loss.sentAt + interval
    }

    // MARK: Sums

    /// Sums over runs.
    public struct Sums: Hashable, Sendable {
        /// How many runs of loss.
        public internal(set) var runs: UInt64 = 0
        /// Losses in them: all.
        public internal(set) var lost: UInt64 = 0
        /// In losses.
        public internal(set) var longest: UInt64 = 0
        /// How many runs are up to 1, 2, 4, 8... losses long, and longer than the number before.
        public internal(set) var lengths: [UInt64] = []
        /// Runs of two losses or more.
        public internal(set) var outages: UInt64 = 0
        /// Losses in outages.
        public internal(set) var lostInOutages: UInt64 = 0
        /// The length of all outages together.
        public internal(set) var outageTime = TimeSpan.zero
        /// The length of the longest one.
        public internal(set) var longestOutage = TimeSpan.zero

        /// Losses in a run, 0 where there is none.
        public var mean: Double { runs == 0 ? 0 : Double(lost) / Double(runs) }

        mutating func add(_ run: EchoOutage) {
            runs += 1
            lost += run.lost
            longest = max(longest, run.lost)
            let bin = UInt64.bitWidth - (max(1, run.lost) - 1).leadingZeroBitCount
            while lengths.count <= bin { lengths.append(0) }
            lengths[bin] += 1
            guard run.lost >= LossRuns.shortestOutage else { return }
            outages += 1
            lostInOutages += run.lost
            outageTime = outageTime + run.duration
            longestOutage = max(longestOutage, run.duration)
        }
    }

    /// Over all runs so far, the one that goes on too. O(losses remembered).
    public var sums: Sums {
        var sums = settled
        forEachRecentRun { sums.add($0) }
        return sums
    }

    /// The last 100 outages, the one that goes on too. O(losses remembered).
    public var outages: [EchoOutage] {
        var outages = settledOutages
        forEachRecentRun { if $0.lost >= Self.shortestOutage { outages.append($0) } }
        return Array(outages.suffix(Self.maximumListed))
    }

    /// Of the concluded probes those that no outage took: a loss alone is loss, not an outage. Their share is the
    /// availability, judged by probes as the loss ratio of RFC 7680 is; ITU-T Y.1540 judges blocks of time by their loss
    /// instead, which takes more probes than a ping sends. Where none was answered, none was available, a single one
    /// neither. O(losses remembered).
    public var available: UInt64 {
        let sums = sums
        return sums.lost >= concluded ? 0 : concluded - sums.lostInOutages
    }

    private func forEachRecentRun(_ body: (EchoOutage) -> Void) {
        var run = prefix
        for loss in recent {
            var longer = run ?? start(of: loss)
            extend(&longer, by: loss)
            if longer.isOpen {
                run = longer
            } else {
                body(longer)
                run = nil
            }
        }
        if let run { body(run) }
    }

    /// Losses that make an outage of a run.
    static let shortestOutage: UInt64 = 2
    private static let maximumRecent = 1_024
    private static let maximumListed = 100
}
