import PacketFormats

/// What happened in a `HostSweep`. Each target is decided once: it is alive, unreachable or could not be asked.
public enum HostSweepEvent: Sendable {
    /// The target answered.
    case alive(HostAnswer)
    /// No probe to the target was answered, or an ICMP error says that none will be.
    case unreachable(HostSilence)
    /// No probe to the target left this host.
    case unasked(HostRefusal)
    /// An answer came behind its timeout, and behind the decision.
    case late(HostAnswer)
    /// A further answer to a probe that had one.
    case duplicate(HostAnswer)
    /// A damaged answer, which proves nothing.
    case corrupted(HostAnswer)
    /// An answer with our cookie from another address than was asked.
    case wrongSource(HostAnswer)
    /// An ICMP error that concerns a probe: told once a probe.
    case error(HostError)
}

/// An answer of a host and what it counts as.
public struct HostAnswer: Sendable {
    /// The index of the target in the space.
    public var target: UInt32
    /// Where the probe went.
    public var address: IPAddress
    /// Who answered.
    public var responder: IPAddress
    /// What came.
    public var kind: EchoReply.Kind
    /// What it counts as. A target can be found alive late, by the answer to an earlier probe than the last.
    public var disposition: EchoReply.Disposition
    /// Which of the probes was answered: 0 for the first, at most the number of retries.
    public var attempt: Int
    /// How long it took.
    public var roundTrip: TimeSpan
    /// Both ends of the round trip were stamped by this clock.
    public var clock: Stamp.Clock
    /// Of the answer's IP header, as it arrived; nil where the socket does not tell.
    public var hopLimit: UInt8?
    /// Of the answer's IP header; nil where the socket does not tell.
    public var trafficClass: UInt8?
    /// Octets of the ICMP message or UDP datagram.
    public var byteCount: Int
    /// When this process read it.
    public var arrival: Timestamp
    /// Options of the answer's IPv4 header, and the payload of a damaged one; nil where there are none.
    public var detail: ResponseDetail?
    /// The number that the probe goes by.
    public var probe: ProbeID
}

/// A target that did not answer.
public struct HostSilence: Sendable {
    /// The index of the target in the space.
    public var target: UInt32
    /// Where the probes went.
    public var address: IPAddress
    /// The last probe that was sent: 0 for the first.
    public var attempt: Int
    /// The ICMP error that ended the asking; nil where the answer to the last probe was waited for in vain.
    public var error: HostError?
    /// Why the last retry did not leave this host; nil where it did.
    public var failure: SendFailure?
    /// When it was decided.
    public var time: Timestamp
}

/// A target that no probe was sent to.
public struct HostRefusal: Sendable {
    /// The index of the target in the space.
    public var target: UInt32
    /// Where the probe was to go.
    public var address: IPAddress
    /// What the kernel says.
    public var failure: SendFailure
    /// When it was decided.
    public var time: Timestamp
}

/// An ICMP error for a probe of a sweep.
public struct HostError: Sendable {
    /// The index of the target in the space.
    public var target: UInt32
    /// Where the probe went.
    public var address: IPAddress
    /// Which of the probes it is about: 0 for the first.
    public var attempt: Int
    /// The kind of error.
    public var type: ICMPType
    /// Its code.
    public var code: UInt8
    /// The octets behind the error's checksum: MTU, pointer or gateway.
    public var info: UInt32
    /// Who sent it.
    public var responder: IPAddress
    /// Of the error's IP header, as it arrived; nil where the socket does not tell.
    public var hopLimit: UInt8?
    /// From the sending of the probe to the error.
    public var roundTrip: TimeSpan
    /// Both ends of the round trip were stamped by this clock.
    public var clock: Stamp.Clock
    /// What the error quotes, and what its sender added.
    public var detail: ResponseDetail?
    /// When this process read it.
    public var arrival: Timestamp
    /// False for a hint that decides nothing: redirect and source quench.
    public var isConclusive: Bool
}
