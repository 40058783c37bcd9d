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
    public internal(set) var errors: UInt64 = 0
    public internal(set) var duplicates: UInt64 = 0
    public internal(set) var corrupted: UInt64 = 0
    /// Replies with our cookie from another address.
    public internal(set) var wrongSource: UInt64 = 0
    /// Answered in time, but after a probe that was sent later (RFC 4737).
    public internal(set) var reordered: UInt64 = 0
    /// Refused by the kernel.
    public internal(set) var unsent: UInt64 = 0
    /// The error number that refused most recently.
    public internal(set) var lastSendFailure: SendFailure?
    /// Replies in time whose round trip this process had to time.
    public internal(set) var userTimed: UInt64 = 0
    public internal(set) var roundTrips: RoundTripStatistics
    /// The longest round trip of all, late ones too.
    public internal(set) var longest = TimeSpan.zero
    var highestSequence: UInt32 = 0
    /// ICMP errors about probes that had theirs already, or an answer and an error: told of no more.
    public internal(set) var repeatedErrors: UInt64 = 0
    /// The most probes that were under way, counted when something came back for the first of them.
    public internal(set) var pipe: UInt64 = 0

    init(withPercentiles: Bool) { roundTrips = RoundTripStatistics(withPercentiles: withPercentiles) }

    /// Probes that were not answered at all: neither in time nor late, and not still on the way.
    public var lost: UInt64 { transmitted - received - late - inFlight }

    /// The share of lost probes among those transmitted, 0...1; 0 when none was.
    public var loss: Double { transmitted == 0 ? 0 : Double(lost) / Double(transmitted) }
}
