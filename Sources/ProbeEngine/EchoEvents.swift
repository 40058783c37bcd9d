import PacketFormats

/// What happened to a probe of an `EchoSweep`.
public enum EchoEvent: Sendable {
    /// Something of the target's came back: in time, late, again or damaged.
    case reply(EchoReply)
    /// No reply within the timeout; one may still come and is late then.
    case timeout(target: Int, sequence: UInt32)
    /// The next probe to this target is due and nothing is known of this one; only where the configuration asks for it.
    case outstanding(target: Int, sequence: UInt32)
    /// An ICMP error that concerns the probe.
    case error(EchoError)
    /// Something with our mark came that belongs to no probe; told at most once a second, only where asked for.
    case unsolicited(EchoStray)
    /// The probe did not leave this host.
    case unsent(target: Int, sequence: UInt32, failure: SendFailure)
    /// A target's replies come with another hop limit or traffic class than before.
    case changed(EchoChange)
    /// Several probes in a row were lost, and then one was answered.
    case outage(EchoOutage)
    /// One of the intervals that are summed up is over.
    case interval(EchoInterval)
    /// The probe was handed to the kernel; only where the configuration's `reportsSends` is set.
    case sent(target: Int, sequence: UInt32)
    /// The probes of the target go to another address from here on.
    case address(target: Int, from: IPAddress, to: IPAddress, at: Timestamp)
}

/// A reply and what it counts as.
public struct EchoReply: Sendable {
    public enum Disposition: Hashable, Sendable, BitwiseCopyable {
        case inTime
        case late
        case duplicate
        case corrupted(Response.Integrity)
        /// The right cookie from another address than the probe went to.
        case wrongSource
    }

    public enum Kind: Hashable, Sendable, BitwiseCopyable {
        case echo
        /// A UDP probe found its target alive, but nothing on the port.
        case portUnreachable
        /// The port that was asked sent other bytes.
        case datagram
        /// An ICMP timestamp reply.
        case timestamp
    }

    public var target: Int
    public var sequence: UInt32
    public var kind: Kind
    public var disposition: Disposition
    public var responder: IPAddress
    public var hopLimit: UInt8?
    public var trafficClass: UInt8?
    /// Octets of the ICMP message or UDP datagram.
    public var byteCount: Int
    public var roundTrip: TimeSpan
    /// Both ends of the round trip were stamped by this clock.
    public var clock: Stamp.Clock
    /// From handing the probe to the kernel until this process read the reply, by the monotonic clock.
    public var userRoundTrip: TimeSpan
    /// When this process read it.
    public var arrival: Timestamp
    /// Options of the reply's IPv4 header, and the payload of a damaged one; nil where there are none.
    public var detail: ResponseDetail?
    /// The number that the probe goes by.
    public var probe = ProbeID(rawValue: 0)
    /// Of a timestamp reply, in time or late.
    public var timestamps: RemoteTimestamps?

    /// What this host added to the time on the wire: queues, wake-ups, address resolution. Nil where only this process
    /// timed the round trip.
    public var hostDelay: TimeSpan? {
        clock == .kernel ? max(.zero, TimeSpan(nanoseconds: userRoundTrip.nanoseconds &- roundTrip.nanoseconds)) : nil
    }
}

/// Replies of a target differ from the one before: perhaps they come another way.
public struct EchoChange: Hashable, Sendable {
    /// What can differ, each a field of the reply's IP header.
    public enum Field: Hashable, Sendable, BitwiseCopyable {
        case hopLimit
        case trafficClass
    }

    /// The number of the target, in the order of the configuration.
    public var target: Int
    /// Of the first reply that differs.
    public var sequence: UInt32
    /// What differs.
    public var field: Field
    /// The value so far.
    public var from: UInt8
    /// The value from this reply on.
    public var to: UInt8
    /// When this process read that reply.
    public var arrival: Timestamp
}

/// Two or more probes in a row, in the order of sending, that were all lost.
public struct EchoOutage: Hashable, Sendable {
    /// The number of the target, in the order of the configuration.
    public var target: Int
    /// The number of the first lost probe.
    public var firstSequence: UInt32
    /// The number of the last lost probe.
    public var lastSequence: UInt32
    /// Lost probes; those between that this host did not send are not in it.
    public var lost: UInt64
    /// When the first of them was sent.
    public var start: Timestamp
    /// When the first probe behind them was sent that was answered; of an outage without an end, when the next probe
    /// behind the last lost one was due.
    public var end: Timestamp
    /// Whether no probe behind them was answered.
    public var isOpen: Bool

    /// From `start` to `end`.
    public var duration: TimeSpan { end - start }
}

/// What happened in one of the intervals that a run is summed up in, to one target.
///
/// Everything counts in the interval in which it happened: a probe where it was sent, a reply where it came, a loss
/// where the probe was given up. So each counter summed over all intervals is exactly the one of the final summary.
public struct EchoInterval: Sendable {
    /// The number of the target, in the order of the configuration.
    public var target: Int
    /// From 1. Intervals in which this process did not run are part of the one before.
    public var index: UInt64
    /// Where the interval before ended.
    public var start: Timestamp
    /// A whole number of intervals after the start of the run; the last one ends with the run.
    public var end: Timestamp
    /// Probes handed to the kernel.
    public var transmitted: UInt64
    /// Replies in time.
    public var received: UInt64
    /// Replies after their timeout.
    public var late: UInt64
    /// Probes given up, less those given up in earlier intervals and answered in this one: may be negative.
    public var lost: Int64
    /// At the end of the interval.
    public var inFlight: UInt64
    /// Probes that an ICMP error came for.
    public var errors: UInt64
    /// Replies to probes that had theirs.
    public var duplicates: UInt64
    /// Damaged replies.
    public var corrupted: UInt64
    /// Replies with our cookie from another address.
    public var wrongSource: UInt64
    /// Replies in time to probes before one that was answered already.
    public var reordered: UInt64
    /// Probes that the kernel refused.
    public var unsent: UInt64
    /// Of the replies received in the interval.
    public var roundTrips: RoundTripStatistics

    /// Probes whose fate was decided in the interval, none where late replies only took back losses.
    public var concluded: UInt64 { UInt64(max(0, Int64(clamping: received) + Int64(clamping: late) + lost)) }
}

/// An answer with our mark that belongs to no probe.
public struct EchoStray: Hashable, Sendable {
    /// What it is.
    public var kind: Response.Kind
    /// Who sent it.
    public var responder: IPAddress
    /// Octets of the ICMP message or UDP datagram.
    public var byteCount: Int
    /// How many there were so far, with this one.
    public var count: UInt64
    /// When this process read it.
    public var arrival: Timestamp
}

/// An ICMP error for a probe.
public struct EchoError: Sendable {
    public var target: Int
    public var sequence: UInt32
    public var type: ICMPType
    public var code: UInt8
    /// The octets behind the error's checksum: MTU, pointer or gateway.
    public var info: UInt32
    public var responder: IPAddress
    public var hopLimit: UInt8?
    public var roundTrip: TimeSpan
    public var clock: Stamp.Clock
    /// What the error quotes, and what its sender added.
    public var detail: ResponseDetail?
    public var arrival: Timestamp
    /// False for a hint that leaves the probe outstanding: redirect and source quench.
    public var isConclusive: Bool
}
