/// Counts of the probes of one target. Every counter is of probes of ours, duplicates and the like of packets.
public struct EchoStatistics: Sendable {
    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 = 0
    /// Answered in time and intact by the target.
    public internal(set) var received: UInt64 = 0
    /// Answered after their timeout.
    public internal(set) var late: UInt64 = 0
    /// Without an answer so far: their timeout is not over, or the machine slept within it.
    public internal(set) var inFlight: UInt64 = 0
    /// Probes that an ICMP error came for; they are lost as well, unless answered after all.
    public internal(set) var errors: UInt64 = 0
    /// Replies to probes that had theirs.
    public internal(set) var duplicates: UInt64 = 0
    /// Replies of another length, with another payload or with a wrong checksum.
    public internal(set) var corrupted: UInt64 = 0
    /// Replies with our cookie from another address.
    public internal(set) var wrongSource: UInt64 = 0
    /// Answered in time, but after a probe that was sent later (RFC 4737).
    public internal(set) var reordered: UInt64 = 0
    /// By how many probes at most the sequence went back then.
    public internal(set) var reorderingExtent: UInt32 = 0
    /// Refused by the kernel.
    public internal(set) var unsent: UInt64 = 0
    /// The error number that refused most recently.
    public internal(set) var lastSendFailure: SendFailure?
    /// Replies in time whose round trip this process had to time.
    public internal(set) var userTimed: UInt64 = 0
    /// Of the replies in time.
    public internal(set) var roundTrips: RoundTripStatistics
    /// The longest round trip of all, late ones too.
    public internal(set) var longest = TimeSpan.zero
    /// Of the last reply.
    public internal(set) var lastHopLimit: UInt8?
    /// Of the last reply.
    public internal(set) var lastTrafficClass: UInt8?
    var highestSequence: UInt32 = 0
    /// ICMP errors about probes that had theirs already, or an answer and an error: told of no more.
    public internal(set) var repeatedErrors: UInt64 = 0
    /// The most probes that were under way, counted when something came back for the first of them.
    public internal(set) var pipe: UInt64 = 0
    /// One or none: an array, so that targets without it pay for a word only.
    private var detail: [EchoDetail] = []

    /// - Parameter withPercentiles: keep what `detail` is needed for too.
    init(withPercentiles: Bool, target: Int = 0, interval: TimeSpan = .seconds(1)) {
        roundTrips = RoundTripStatistics(withPercentiles: withPercentiles)
        if withPercentiles { detail = [EchoDetail(target: target, interval: interval)] }
    }

    /// Probes that were not answered at all: neither in time nor late, and not still on the way.
    public var lost: UInt64 { transmitted - received - late - inFlight }

    /// Answered or given up: what a share of losses is taken of, because of the others nothing is known yet.
    public var concluded: UInt64 { transmitted - inFlight }

    /// The share of lost probes among those concluded, 0...1; 0 when none was.
    public var loss: Double { concluded == 0 ? 0 : Double(lost) / Double(concluded) }

    /// Losses in a row and outages; nil where there are too many targets for it, as with all below.
    public var lossRuns: LossRuns? { detail.first?.lossRuns }

    /// How the round trips of consecutive probes differ, without their signs: the inter-packet delay variation of RFC
    /// 3393 and RFC 5481 section 4.1. A pair counts where both were answered in time.
    public var delayVariation: DelayStatistics? { detail.first?.delayVariation }

    /// What this host added to the replies in time that the kernel stamped: `EchoReply.hostDelay`.
    public var hostDelay: DelayStatistics? { detail.first?.hostDelay }

    /// The shortest and the longest round trip of the late replies.
    public var lateRoundTrips: ClosedRange<TimeSpan>? { detail.first?.late }

    // MARK: Counting

    mutating func noteSent(_ sequence: UInt32, at instant: Timestamp) {
        if !detail.isEmpty { detail[0].order.sent(sequence, at: instant) }
    }

    mutating func noteOutcome(_ outcome: OutcomeOrder.Outcome, of sequence: UInt32, sentAt: Timestamp) {
        if !detail.isEmpty { detail[0].settle(sequence, sentAt: sentAt, as: outcome) }
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
        if !detail.isEmpty { detail[0].hostDelay.record(delay) }
    }

    mutating func noteLate(_ roundTrip: TimeSpan) {
        guard !detail.isEmpty else { return }
        let range = detail[0].late ?? roundTrip...roundTrip
        detail[0].late = min(range.lowerBound, roundTrip)...max(range.upperBound, roundTrip)
    }

    /// The next outage that ended, once.
    mutating func nextEndedOutage() -> EchoOutage? { detail.isEmpty ? nil : detail[0].lossRuns.nextEnded() }

    /// Nothing more will come of probes that are under way.
    mutating func finish() {
        if !detail.isEmpty { detail[0].finish() }
    }
}
