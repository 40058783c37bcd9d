import PacketFormats

/// What a `PathTrace` tells while it runs.
public enum PathEvent: Sendable {
    /// A hop is settled: hops come in order, each once.
    case hop(PathHop)
    /// A probe did not leave this host.
    case unsent(hop: Int, failure: SendFailure)
}

/// One row of a trace.
public struct PathHop: Sendable {
    /// The hop limit that its probes were sent with.
    public var number: Int
    /// One for each query in the order of sending; nil where no answer came.
    public var answers: [PathAnswer?]
    /// Everything that was sent for this row, in the order of sending. More than the answers where a hop was asked again,
    /// and in the row that ends the path, to which the probes with hops to spare belong.
    public var queries: [PathQuery] = []

    public init(number: Int, answers: [PathAnswer?], queries: [PathQuery] = []) {
        self.number = number
        self.answers = answers
        self.queries = queries
    }
}

/// A probe of a trace and what had become of it when its row was told.
public struct PathQuery: Sendable {
    public enum Outcome: Sendable {
        case answered(PathAnswer)
        /// Waited for as long as makes sense.
        case lost
        /// Did not leave this host.
        case unsent
        /// Its row was told while it was still under way.
        case underWay
    }

    public var probe: Probe
    /// By the monotonic clock.
    public var sentAt: Timestamp
    public var outcome: Outcome
}

/// Why a trace goes no further.
public enum PathEnding: String, Hashable, Sendable {
    /// The destination answered.
    case reached
    /// Somebody on the way says that it goes no further, and nobody behind has answered.
    case unreachable
    /// The same routers come again and again.
    case loop
    /// So many hops in a row were silent as were allowed.
    case gap
    /// There are no more hop limits to ask with.
    case maximumHop
    /// It was stopped.
    case interrupted
}

/// What a hop answered.
public struct PathAnswer: Sendable {
    public enum Kind: Hashable, Sendable, BitwiseCopyable {
        /// A router on the way.
        case timeExceeded
        /// The destination itself.
        case reached
        /// Somebody says that it goes no further, or that the packet is in error.
        case error(type: ICMPType, code: UInt8, info: UInt32)
    }

    public var kind: Kind
    public var responder: IPAddress
    public var roundTrip: TimeSpan
    public var clock: Stamp.Clock
    /// Of the answer, as it arrived here.
    public var hopLimit: UInt8?
    /// Octets of the ICMP message, or of the TCP segment.
    public var byteCount: Int
    /// Of a TCP answer.
    public var flags: TCPHeader.Flags?
    public var detail: ResponseDetail?
    /// What was sent. Its hop limit is higher than the row's number where the destination's answer to a probe with hops to
    /// spare stands in for one with none.
    public var probe: Probe
    /// When it was sent, by the monotonic clock.
    public var sentAt: Timestamp
    /// The number that it was sent by, which its bytes follow from.
    public var id = ProbeID(rawValue: 0)
}

/// Counts of a whole trace.
public struct PathStatistics: Hashable, Sendable {
    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 = 0
    /// Answered before the row was settled.
    public internal(set) var received: UInt64 = 0
    /// Answered after the row was settled.
    public internal(set) var late: UInt64 = 0
    public internal(set) var duplicates: UInt64 = 0
    /// Errors for this destination that quote too little to tell whose they are.
    public internal(set) var unidentified: UInt64 = 0
    /// Probes that were sent again alone because of such errors.
    public internal(set) var askedAlone: UInt64 = 0
    /// Probes to hops that were asked once more, because they were silent while later ones answered.
    public internal(set) var askedAgain: UInt64 = 0
    public internal(set) var unsent: UInt64 = 0
    public internal(set) var unsolicited: UInt64 = 0
}
