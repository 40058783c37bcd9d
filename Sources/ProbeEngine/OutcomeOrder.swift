/// Puts what became of a target's probes back into the order in which they were sent.
///
/// Answers, timeouts and errors come in any order; runs of loss and differences between neighbours need that of
/// sending. An outcome waits here until those of all earlier probes are known, which is a timeout at most.
struct OutcomeOrder: Sendable {
    enum Outcome: Hashable, Sendable, BitwiseCopyable {
        /// Without an outcome yet; comes out only when the run is over before there is one.
        case unknown
        /// In time.
        case answered(TimeSpan)
        case late
        case lost
        case unsent
    }

    struct Entry: Sendable, BitwiseCopyable {
        var sequence: UInt32
        /// When the probe was sent; the origin of time for what was not.
        var sentAt = Timestamp(nanoseconds: 0)
        var outcome = Outcome.unknown
    }

    /// From the oldest probe whose outcome did not come out yet, without gaps.
    private var entries: [Entry] = []
    private var head = 0
    private var nextSequence: UInt32 = 1

    mutating func sent(_ sequence: UInt32, at instant: Timestamp) {
        if let index = index(of: sequence) { entries[index].sentAt = instant }
    }

    /// Files an outcome. A late one may still replace a loss that waits here.
    ///
    /// Returns false where the probe's outcome came out already.
    mutating func settle(_ sequence: UInt32, as outcome: Outcome) -> Bool {
        guard let index = index(of: sequence) else { return false }
        entries[index].outcome = outcome
        return true
    }

    /// The next probe in the order of sending whose outcome is known. O(1) amortised.
    mutating func next() -> Entry? {
        guard head < entries.count, entries[head].outcome != .unknown else { return nil }
        return takeFirst()
    }

    /// The next probe whatever is known of it: for the end, when nothing more is waited for.
    mutating func nextOfAny() -> Entry? { head < entries.count ? takeFirst() : nil }

    private mutating func takeFirst() -> Entry {
        let entry = entries[head]
        head += 1
        nextSequence = entry.sequence &+ 1
        if head == entries.count {
            entries.removeAll(keepingCapacity: head <= Self.minimumGap)
            head = 0
        } else if head >= Self.minimumGap, head * 2 >= entries.count {
            entries.removeSubrange(..<head)
            head = 0
        }
        return entry
    }

    /// Where the entry of a probe is, made if need be; nil for one that came out already. Numbers wrap around.
    private mutating func index(of sequence: UInt32) -> Int? {
        let distance = Int(Int32(truncatingIfNeeded: sequence &- nextSequence))
        guard distance >= 0 else { return nil }
        let count = entries.count - head
        if distance < count { return head + distance }
        if distance >= Self.maximumCount {
            // No measurement has so many under way: what is older than this has no outcome.
            entries = []
            head = 0
            nextSequence = sequence
            entries.append(Entry(sequence: sequence))
            return 0
        }
        for number in count...distance {
            entries.append(Entry(sequence: nextSequence &+ UInt32(truncatingIfNeeded: number)))
        }
        return entries.count - 1
    }

    private static let minimumGap = 64
    private static let maximumCount = 1 << 21
}
