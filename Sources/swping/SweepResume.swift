import ProbeEngine
import ProbeReports

/// How far sweeps of the same targets have come, this one and those before it.
struct SweepHistory {
    /// Where the first of them began nothing yet, and what it had begun and not decided; positions of the order.
    private(set) var position: UInt64 = 0
    private(set) var undecided: [UInt32] = []
    /// What was counted before, with as many targets as were decided.
    private(set) var counters = HostSweep.Counters()
    /// Probes whose answers nobody waited for any more.
    private(set) var inFlight: UInt64 = 0
    /// How long it took, and until the last probe.
    private(set) var elapsed = TimeSpan(nanoseconds: 0)
    private(set) var sending = TimeSpan(nanoseconds: 0)

    /// Nothing was done before.
    init() {}

    /// What is in the file.
    init(_ progress: SweepProgress) {
        position = progress.position
        undecided = progress.undecided
        for (name, path) in Self.names { counters[keyPath: path] = progress[counter: name] }
        counters.targets = counters.alive &+ counters.unreachable &+ counters.unasked
        inFlight = progress[counter: Self.inFlightName]
        elapsed = TimeSpan(nanoseconds: Int64(clamping: progress[counter: Self.elapsedName]))
        sending = TimeSpan(nanoseconds: Int64(clamping: progress[counter: Self.sendingName]))
    }

    /// Where a part of the order goes on, nil where all of it is to be begun.
    ///
    /// - Parameter targets: makes a target of a position.
    func resume(_ shard: Shard, _ target: (UInt32) -> UInt32) -> HostSweep.Position? {
        guard position > 0 else { return nil }
        let total = UInt64(shard.total)
        let steps = position > UInt64(shard.index) ? (position - UInt64(shard.index) + total - 1) / total : 0
        return HostSweep.Position(
            next: UInt64(shard.index) + steps * total,
            undecided: undecided.filter { $0 % shard.total == shard.index }.map(target))
    }

    /// What to write for a sweep that ended here.
    ///
    /// - Parameters:
    ///   - parts: the parts of the order that were worked on, and how far each came.
    ///   - run: what it came to, with what was before.
    ///   - place: makes a position of a target.
    func progress(
        of space: TargetSpace, isClosed: Bool, seed: UInt64?, shard: Shard,
        _ parts: [(shard: Shard, position: HostSweep.Position)], _ run: SweepRun, _ place: (UInt32) -> UInt32
    ) -> SweepProgress {
        let nexts = parts.map { min($0.position.next, space.count) }
        var next = nexts.max() ?? 0
        // Those that are behind have begun nothing in between. Where that would be too much to write down, what the others
        // have done there is done again.
        let least = nexts.min() ?? 0
        if next - least > Self.mostGaps { next = least }
        var undecided: [UInt32] = []
        for (shard, position) in parts {
            undecided += position.undecided.map(place)
            for gap in stride(from: position.next, to: next, by: Int(shard.total)) {
                undecided.append(UInt32(truncatingIfNeeded: gap))
            }
        }
        undecided.removeAll { UInt64($0) >= next }
        undecided.sort()
        var list = Self.names.map { SweepProgress.Counter($0.name, run.counters[keyPath: $0.path]) }
        list.append(SweepProgress.Counter(Self.inFlightName, run.inFlight))
        list.append(SweepProgress.Counter(Self.elapsedName, UInt64(clamping: run.elapsed.nanoseconds)))
        list.append(SweepProgress.Counter(Self.sendingName, UInt64(clamping: run.sending.nanoseconds)))
        return SweepProgress(
            targets: space.count, digest: space.digest, isClosed: isClosed, seed: seed, shard: shard, position: next,
            undecided: undecided, counters: list)
    }

    private static let mostGaps: UInt64 = 1 << 21
    private static let inFlightName = "in_flight"
    private static let elapsedName = "elapsed_ns"
    private static let sendingName = "sending_ns"

    private static var names: [(name: String, path: WritableKeyPath<HostSweep.Counters, UInt64>)] {
        [
            ("alive", \.alive), ("unreachable", \.unreachable), ("unasked", \.unasked), ("transmitted", \.transmitted),
            ("received", \.received), ("late", \.late), ("errors", \.errors), ("repeated_errors", \.repeatedErrors),
            ("duplicates", \.duplicates), ("corrupted", \.corrupted), ("wrong_source", \.wrongSource),
            ("unsent", \.unsent), ("retried", \.retried), ("repeated", \.repeated), ("dropped_here", \.droppedHere),
            ("unsolicited", \.unsolicited),
        ]
    }
}
