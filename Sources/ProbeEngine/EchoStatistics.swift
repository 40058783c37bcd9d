/// Counts of the probes of one target. Every counter is of probes of ours, duplicates and the like of packets.
///
/// It takes 64 octets while everything goes as it should; what is rare, and what is kept for few targets only, lies in a
/// part of its own that is made when it is first needed.
public struct EchoStatistics: Sendable {
    private var moments = RoundTripMoments()
    /// One or none: an array, so that targets without it pay for a word only.
    private var rare: [EchoRarities] = []
    private var sent = Count48()
    private var hopLimit: UInt8 = 0
    private var trafficClass: UInt8 = 0
    private var answered = Count48()
    private var known: UInt8 = 0
    private var underWay: UInt32 = 0
    var highestSequence: UInt32 = 0

    /// - Parameter withPercentiles: keep what `detail` is needed for too.
    init(withPercentiles: Bool, target: Int = 0, interval: TimeSpan = .seconds(1)) {
        guard withPercentiles else { return }
        var rarities = EchoRarities()
        rarities.roundTrips = [RoundTripDetail()]
        rarities.detail = [EchoDetail(target: target, interval: interval)]
        rare = [rarities]
    }

    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 {
        get { sent.value }
        set { sent.value = newValue }
    }
    /// Answered in time and intact by the target.
    public internal(set) var received: UInt64 {
        get { answered.value }
        set { answered.value = newValue }
    }
    /// Without an answer so far: their timeout is not over, or the machine slept within it.
    public internal(set) var inFlight: UInt64 {
        get { UInt64(underWay) }
        set { underWay = UInt32(truncatingIfNeeded: newValue) }
    }
    /// Answered after their timeout.
    public internal(set) var late: UInt64 {
        get { self[.late] }
        set { self[.late] = newValue }
    }
    /// Probes that an ICMP error came for; they are lost as well, unless answered after all.
    public internal(set) var errors: UInt64 {
        get { self[.errors] }
        set { self[.errors] = newValue }
    }
    /// Replies to probes that had theirs.
    public internal(set) var duplicates: UInt64 {
        get { self[.duplicates] }
        set { self[.duplicates] = newValue }
    }
    /// Replies of another length, with another payload or with a wrong checksum.
    public internal(set) var corrupted: UInt64 {
        get { self[.corrupted] }
        set { self[.corrupted] = newValue }
    }
    /// Replies with our cookie from another address.
    public internal(set) var wrongSource: UInt64 {
        get { self[.wrongSource] }
        set { self[.wrongSource] = newValue }
    }
    /// Answered in time, but after a probe that was sent later (RFC 4737).
    public internal(set) var reordered: UInt64 {
        get { self[.reordered] }
        set { self[.reordered] = newValue }
    }
    /// By how many probes at most the sequence went back then.
    public internal(set) var reorderingExtent: UInt32 {
        get { UInt32(truncatingIfNeeded: self[.reorderingExtent]) }
        set { self[.reorderingExtent] = UInt64(newValue) }
    }
    /// Refused by the kernel.
    public internal(set) var unsent: UInt64 {
        get { self[.unsent] }
        set { self[.unsent] = newValue }
    }
    /// The error number that refused most recently.
    public internal(set) var lastSendFailure: SendFailure? {
        get { rare.isEmpty ? nil : rare[0].lastSendFailure }
        set {
            needRarities()
            rare[0].lastSendFailure = newValue
        }
    }
    /// Replies in time whose round trip this process had to time.
    public internal(set) var userTimed: UInt64 {
        get { self[.userTimed] }
        set { self[.userTimed] = newValue }
    }
    /// ICMP errors about probes that had theirs already, or an answer and an error: told of no more.
    public internal(set) var repeatedErrors: UInt64 {
        get { self[.repeatedErrors] }
        set { self[.repeatedErrors] = newValue }
    }
    /// The most probes that were under way, counted when something came back for the first of them.
    public internal(set) var pipe: UInt64 {
        get { max(self[.pipe], received + late > 0 ? 1 : 0) }
        // One is what the counters above tell by themselves.
        set { if newValue > 1 || !rare.isEmpty { self[.pipe] = newValue } }
    }

    /// Of the replies in time.
    public var roundTrips: RoundTripStatistics {
        RoundTripStatistics(count: received, moments, rare.isEmpty ? [] : rare[0].roundTrips)
    }

    /// The longest round trip of all, late ones too.
    public var longest: TimeSpan { rare.isEmpty ? moments.maximum : max(moments.maximum, rare[0].longestLate) }

    /// Of the last reply.
    public internal(set) var lastHopLimit: UInt8? {
        get { known & Self.hopLimitIsKnown == 0 ? nil : hopLimit }
        set {
            hopLimit = newValue ?? 0
            known = known & ~Self.hopLimitIsKnown | (newValue == nil ? 0 : Self.hopLimitIsKnown)
        }
    }

    /// Of the last reply.
    public internal(set) var lastTrafficClass: UInt8? {
        get { known & Self.trafficClassIsKnown == 0 ? nil : trafficClass }
        set {
            trafficClass = newValue ?? 0
            known = known & ~Self.trafficClassIsKnown | (newValue == nil ? 0 : Self.trafficClassIsKnown)
        }
    }

    /// Probes that were not answered at all: neither in time nor late, and not still on the way.
    public var lost: UInt64 { transmitted - received - late - inFlight }

    /// Answered or given up: what a share of losses is taken of, because of the others nothing is known yet.
    public var concluded: UInt64 { transmitted - inFlight }

    /// The share of lost probes among those concluded, 0...1; 0 when none was.
    public var loss: Double { concluded == 0 ? 0 : Double(lost) / Double(concluded) }

    /// Losses in a row and outages; nil where there are too many targets for it, as with all below.
    public var lossRuns: LossRuns? { hasDetail ? rare[0].detail[0].lossRuns : nil }

    /// How the round trips of consecutive probes differ, without their signs: the inter-packet delay variation of RFC
    /// 3393 and RFC 5481 section 4.1. A pair counts where both were answered in time.
    public var delayVariation: DelayStatistics? { hasDetail ? rare[0].detail[0].delayVariation : nil }

    /// What this host added to the replies in time that the kernel stamped: `EchoReply.hostDelay`.
    public var hostDelay: DelayStatistics? { hasDetail ? rare[0].detail[0].hostDelay : nil }

    /// The shortest and the longest round trip of the late replies.
    public var lateRoundTrips: ClosedRange<TimeSpan>? { hasDetail ? rare[0].detail[0].late : nil }

    // MARK: Counting

    mutating func noteSent(_ sequence: UInt32, at instant: Timestamp) {
        if hasDetail { rare[0].detail[0].order.sent(sequence, at: instant) }
    }

    mutating func noteOutcome(_ outcome: OutcomeOrder.Outcome, of sequence: UInt32, sentAt: Timestamp) {
        if hasDetail { rare[0].detail[0].settle(sequence, sentAt: sentAt, as: outcome) }
    }

    /// Counts a reply in time.
    mutating func noteReceived(_ roundTrip: TimeSpan) {
        received += 1
        moments.record(roundTrip, number: received)
        guard !rare.isEmpty, !rare[0].roundTrips.isEmpty else { return }
        rare[0].roundTrips[0].record(roundTrip)
    }

    /// Files the number of a reply in time: one behind a later probe's is reordered. Numbers wrap around.
    mutating func noteOrder(of sequence: UInt32) {
        let behind = Int32(truncatingIfNeeded: highestSequence &- sequence)
        if behind > 0 {
            reordered += 1
            reorderingExtent = max(reorderingExtent, behind.magnitude)
        } else {
            highestSequence = sequence
        }
    }

    mutating func noteHostDelay(_ delay: TimeSpan) {
        if hasDetail { rare[0].detail[0].hostDelay.record(delay) }
    }

    mutating func noteLate(_ roundTrip: TimeSpan) {
        needRarities()
        rare[0].longestLate = max(rare[0].longestLate, roundTrip)
        guard hasDetail else { return }
        let range = rare[0].detail[0].late ?? roundTrip...roundTrip
        rare[0].detail[0].late = min(range.lowerBound, roundTrip)...max(range.upperBound, roundTrip)
    }

    /// The next outage that ended, once.
    mutating func nextEndedOutage() -> EchoOutage? { hasDetail ? rare[0].detail[0].lossRuns.nextEnded() : nil }

    /// Nothing more will come of probes that are under way.
    mutating func finish() {
        if hasDetail { rare[0].detail[0].finish() }
    }

    /// The counters alone.
    var withoutDetail: EchoStatistics {
        guard !rare.isEmpty else { return self }
        var counters = self
        var rarities = EchoRarities()
        rarities.counters = rare[0].counters
        counters.rare = [rarities]
        return counters
    }

    // MARK: What is rare

    private var hasDetail: Bool { !rare.isEmpty && !rare[0].detail.isEmpty }

    private mutating func needRarities() {
        if rare.isEmpty { rare.append(EchoRarities()) }
    }

    private subscript(counter: EchoRarities.Counter) -> UInt64 {
        get { rare.isEmpty ? 0 : rare[0].counters[counter.rawValue] }
        set {
            needRarities()
            rare[0].counters[counter.rawValue] = newValue
        }
    }

    private static let hopLimitIsKnown: UInt8 = 1
    private static let trafficClassIsKnown: UInt8 = 2
}

/// What most targets never need.
private struct EchoRarities: Sendable {
    /// The counters of `EchoStatistics` of these names.
    enum Counter: Int {
        case late, errors, duplicates, corrupted, wrongSource, reordered, reorderingExtent, unsent, userTimed
        case repeatedErrors, pipe
    }

    var counters = InlineArray<11, UInt64>(repeating: 0)
    var lastSendFailure: SendFailure?
    var longestLate = TimeSpan.zero
    /// One where percentiles are kept.
    var roundTrips: [RoundTripDetail] = []
    /// One where there are few targets.
    var detail: [EchoDetail] = []
}

/// A count below 2^48 in six octets: a million probes a second for eight years.
private struct Count48: Sendable, BitwiseCopyable {
    private var low: UInt32 = 0
    private var high: UInt16 = 0

    var value: UInt64 {
        get { UInt64(high) << 32 | UInt64(low) }
        set {
            low = UInt32(truncatingIfNeeded: newValue)
            high = UInt16(truncatingIfNeeded: newValue >> 32)
        }
    }
}
