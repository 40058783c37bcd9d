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
    /// When this process read it.
    public var arrival: Timestamp
    /// Of a timestamp reply, in time or late.
    public var timestamps: RemoteTimestamps?
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
