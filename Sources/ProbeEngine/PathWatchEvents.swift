import PacketFormats

/// What a `PathWatch` tells while it runs.
public enum PathWatchEvent: Sendable {
    /// A round is over: all its probes were answered or waited for.
    case round(PathRound)
    /// A flow goes another way. Told once, until it changes again.
    case changed(PathWatchChange)
    /// Ever others answer a flow with this hop limit, as behind a balancer that goes by packets: that it changes is not told
    /// any more until it stays.
    case unsteady(flow: Int, hop: Int)
    /// A probe did not leave this host. Told once for each reason, until all probes of a round left again.
    case unsent(flow: Int, hop: Int, failure: SendFailure)
    /// This router leaves out errors when it is asked for every edge and path, and does not when they take turns: so it is
    /// asked once a round, or once a second of shorter rounds. Told once.
    case slowed(hop: Int, responder: IPAddress?)
}

/// Somebody else answers a flow with this hop limit than before. Silence is no change.
public struct PathWatchChange: Hashable, Sendable {
    /// Its number.
    public var flow: Int
    public var hop: Int
    /// nil where nobody had answered, or nobody knew who would.
    public var from: IPAddress?
    public var to: IPAddress
    /// What the new one says: a router at the end of the path may say that it goes no further.
    public var kind: PathAnswer.Kind
    /// When the answer was read.
    public var at: Timestamp
}

/// What became of the probes to one node, over one edge, or to the end of one path.
///
/// Those that were handed to the kernel are the sum of `received`, `late`, `diverted`, `refused`, `withheld`, `lost` and
/// `unheard`.
public struct PathCounts: Sendable {
    /// Handed to the kernel, and no longer waited for.
    public internal(set) var transmitted: UInt64 = 0
    /// Answered in time, by whom the graph names.
    public internal(set) var received: UInt64 = 0
    /// Answered too late.
    public internal(set) var late: UInt64 = 0
    /// Answered in time by somebody else: the flow goes another way.
    public internal(set) var diverted: UInt64 = 0
    /// Answered in time by somebody else who says that the way goes no further.
    public internal(set) var refused: UInt64 = 0
    /// Silent although a later hop of the same flow answered in the same round: the way was there, so a single one says
    /// nothing about it. Many are a limit of errors where those behind lose less, and loss where they lose as much. At the
    /// end of a path, while it is not known whether who answers there limits errors: silent although the hop in front
    /// answered, and the end did so to another path.
    public internal(set) var withheld: UInt64 = 0
    /// Silent, and nobody behind answered in the same round.
    public internal(set) var lost: UInt64 = 0
    /// On the way when this host slept, or dropped packets, or waited for no more: neither lost nor answered.
    public internal(set) var unheard: UInt64 = 0
    /// Silent, and sent where a balancer that goes by packets chooses among several: it may have come here. Not in
    /// `transmitted`.
    public internal(set) var uncertain: UInt64 = 0
    /// Of those received.
    public internal(set) var roundTrips: RoundTripStatistics

    public init(withPercentiles: Bool = false) { roundTrips = RoundTripStatistics(withPercentiles: withPercentiles) }

    /// What could have been heard.
    public var audible: UInt64 { transmitted &- unheard }

    /// The share of refusals, and of silence behind which nobody answered either; nil where nothing could be heard.
    public var loss: Double? { audible == 0 ? nil : Double(lost &+ refused) / Double(audible) }

    /// The share of silence of any kind; nil where nothing could be heard.
    public var silence: Double? { audible == 0 ? nil : Double(lost &+ withheld) / Double(audible) }
}

extension PathCounts {
    /// Adds the counts of other probes, such as those of another round.
    public mutating func add(_ other: PathCounts) {
        transmitted &+= other.transmitted
        received &+= other.received
        late &+= other.late
        diverted &+= other.diverted
        refused &+= other.refused
        withheld &+= other.withheld
        lost &+= other.lost
        unheard &+= other.unheard
        uncertain &+= other.uncertain
        roundTrips.merge(other.roundTrips)
    }

    /// What has become of a probe.
    enum Verdict: Sendable {
        case received
        case late
        case diverted
        case refused
        case withheld
        case lost
        case unheard
    }

    mutating func add(_ verdict: Verdict, _ roundTrip: TimeSpan) {
        transmitted += 1
        self[verdict] += 1
        if verdict == .received { roundTrips.record(roundTrip) }
    }

    /// An answer came after all.
    mutating func correct(_ former: Verdict) {
        self[former] -= 1
        late += 1
    }

    private subscript(verdict: Verdict) -> UInt64 {
        get {
            switch verdict {
            case .received: received
            case .late: late
            case .diverted: diverted
            case .refused: refused
            case .withheld: withheld
            case .lost: lost
            case .unheard: unheard
            }
        }
        set {
            switch verdict {
            case .received: received = newValue
            case .late: late = newValue
            case .diverted: diverted = newValue
            case .refused: refused = newValue
            case .withheld: withheld = newValue
            case .lost: lost = newValue
            case .unheard: unheard = newValue
            }
        }
    }
}

/// What one round found.
public struct PathRound: Sendable {
    /// From 1 on.
    public internal(set) var number: UInt64
    /// How many graphs were followed before: which one the indices are of.
    public internal(set) var generation: Int
    /// When it was due, by the monotonic clock.
    public internal(set) var startedAt: Timestamp
    /// By index of the graph's nodes.
    public internal(set) var nodes: [PathCounts]
    /// By index of the graph's edges.
    public internal(set) var edges: [PathCounts]
    /// By index of the watch's paths, of their ends.
    public internal(set) var paths: [PathCounts]
    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 = 0
    /// Answered in time, by whomever.
    public internal(set) var received: UInt64 = 0
    /// Did not leave this host.
    public internal(set) var unsent: UInt64 = 0
    /// Were due and not sent, because this process was late.
    public internal(set) var missed: UInt64 = 0
    /// Late answers to probes of rounds that were told, since the last one was told.
    public internal(set) var lateBefore: UInt64 = 0
}

/// Counts of a whole watch.
public struct PathWatchStatistics: Hashable, Sendable {
    /// Rounds that were told.
    public internal(set) var rounds: UInt64 = 0
    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 = 0
    /// Answered in time, by whomever.
    public internal(set) var received: UInt64 = 0
    public internal(set) var late: UInt64 = 0
    public internal(set) var duplicates: UInt64 = 0
    /// On the way when this host slept or dropped packets, or when it was told to wait for no more.
    public internal(set) var unheard: UInt64 = 0
    /// Errors for this destination that quote too little to tell whose they are.
    public internal(set) var unidentified: UInt64 = 0
    public internal(set) var unsolicited: UInt64 = 0
    public internal(set) var unsent: UInt64 = 0
    /// Were due and not sent, because this process was late.
    public internal(set) var missed: UInt64 = 0
    /// Packets of anybody that this host dropped.
    public internal(set) var droppedHere: UInt64 = 0
    /// Times that a flow went another way.
    public internal(set) var changes: UInt64 = 0
    /// Round trips that this process' own clock took, for want of the kernel's stamps.
    public internal(set) var userTimed: UInt64 = 0

    public init() {}
}
