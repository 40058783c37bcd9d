import PacketFormats

/// What happened to a probe of an `EchoSweep`.
public enum EchoEvent: Sendable {
    /// Something of the target's came back: in time, late, again or damaged.
    case reply(EchoReply)
    /// No reply within the timeout; one may still come and is late then.
    case timeout(target: Int, sequence: UInt32)
    /// An ICMP error that concerns the probe.
    case error(EchoError)
    /// The probe did not leave this host.
    case unsent(target: Int, sequence: UInt32, failure: SendFailure)
}

/// A reply and what it counts as.
public struct EchoReply: Hashable, Sendable {
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
    public var detail: ErrorDetail?
    public var arrival: Timestamp
    /// False for a hint that leaves the probe outstanding: redirect and source quench.
    public var isConclusive: Bool
}

/// Counts of the probes of one target. Every counter is of probes of ours, duplicates and the like of packets.
public struct EchoStatistics: Sendable {
    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 = 0
    /// Answered in time and intact by the target.
    public internal(set) var received: UInt64 = 0
    /// Answered after their timeout.
    public internal(set) var late: UInt64 = 0
    /// Without an answer so far, their timeout not over.
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

    init(withPercentiles: Bool) { roundTrips = RoundTripStatistics(withPercentiles: withPercentiles) }

    /// Probes that were not answered at all: neither in time nor late, and not still on the way.
    public var lost: UInt64 { transmitted - received - late - inFlight }

    /// The share of lost probes among those transmitted, 0...1; 0 when none was.
    public var loss: Double { transmitted == 0 ? 0 : Double(lost) / Double(transmitted) }
}
