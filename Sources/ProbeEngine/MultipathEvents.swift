import PacketFormats

/// What a `MultipathTrace` tells while it runs.
public enum MultipathEvent: Sendable {
    /// A probe of this flow was answered.
    case answered(flow: Int, PathAnswer)
    /// Nobody answered a probe of this flow with this hop limit.
    case silent(flow: Int, hop: Int)
    /// A probe did not leave this host.
    case unsent(hop: Int, failure: SendFailure)
    /// Routers at this hop leave out errors: from now on it is asked no faster than they answer. Told once for a hop.
    case slowed(hop: Int)
}

/// Counts of a whole multipath trace.
public struct MultipathStatistics: Hashable, Sendable {
    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 = 0
    /// Answered in time.
    public internal(set) var received: UInt64 = 0
    public internal(set) var late: UInt64 = 0
    public internal(set) var duplicates: UInt64 = 0
    /// Errors for this destination that quote too little to tell whose they are.
    public internal(set) var unidentified: UInt64 = 0
    public internal(set) var unsent: UInt64 = 0
    public internal(set) var unsolicited: UInt64 = 0
    /// Probes that asked again what had no answer.
    public internal(set) var askedAgain: UInt64 = 0

    public init() {}
}

/// Why a multipath trace is over.
public enum MultipathEnding: String, Hashable, Sendable {
    /// Every node has had its probes.
    case complete
    /// More probes would be needed than are allowed.
    case probeLimit = "probe-limit"
    /// More flows would be needed than there are.
    case flowLimit = "flow-limit"
    /// The kernel refuses what is to be sent.
    case refused
    /// It was stopped.
    case interrupted
}
