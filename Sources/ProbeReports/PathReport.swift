import PacketFormats
import ProbeEngine

/// Makes the output of one `PathTrace` out of its events: rows, lines of JSON, a table. Bytes go to a buffer, nothing is
/// printed.
public protocol PathReport: Sendable {
    /// What is told before the first probe.
    mutating func appendStart(_ start: PathStart, to buffer: inout ReportBuffer)
    /// What an event is worth telling; may be nothing.
    ///
    /// - Parameters:
    ///   - facts: what is known of responders by now.
    ///   - time: nanoseconds since 1970.
    mutating func append(_ event: PathEvent, _ facts: ResponderFacts, time: Int64, to buffer: inout ReportBuffer)
    /// What is told at the end.
    mutating func appendSummary(_ run: PathRun, _ facts: ResponderFacts, to buffer: inout ReportBuffer)
}

/// What a `PathTrace` is about to do, and by which means.
public struct PathStart: Sendable {
    /// What is sent, to whom and when.
    public var configuration: PathTrace.Configuration
    /// Octets of a whole probe with its IP header.
    public var packetLength: Int
    /// The means: `raw`, `ping`, `udp` and the like.
    public var rung: String
    /// How to get a better one, in words of our own.
    public var note: String?
    /// Where probes leave from; nil where that isn't known.
    public var source: IPAddress?
    /// Nanoseconds since 1970.
    public var time: Int64

    public init(
        _ configuration: PathTrace.Configuration, packetLength: Int, rung: String, note: String? = nil,
        source: IPAddress? = nil, time: Int64
    ) {
        self.configuration = configuration
        self.packetLength = packetLength
        self.rung = rung
        self.note = note
        self.source = source
        self.time = time
    }
}

/// What was found out about responders beside their addresses.
public struct ResponderFacts {
    /// The name, where names are wanted and it is known.
    public var name: (IPAddress) -> SafeText?

    public init(name: @escaping (IPAddress) -> SafeText? = { _ in nil }) { self.name = name }
}

/// How a trace ended.
public struct PathRun: Sendable {
    /// The rows, in order.
    public var hops: [PathHop]
    /// What was counted.
    public var statistics: PathStatistics
    /// Where the path ended, nil where it did not.
    public var lastHop: Int?
    /// Whether the destination itself answered.
    public var isReached: Bool
    /// From the first probe to the end.
    public var elapsed: TimeSpan
    /// Packets that reached the sockets and answer no probe, of all traces of the run.
    public var foreign: UInt64 = 0
    /// Packets that this host received and dropped, because a socket's queue was full, of all traces of the run.
    public var droppedHere: UInt64 = 0
    /// Nanoseconds since 1970.
    public var time: Int64

    public init(_ trace: PathTrace, hops: [PathHop], elapsed: TimeSpan, time: Int64) {
        self.hops = hops
        statistics = trace.statistics
        lastHop = trace.lastHop
        isReached = trace.isReached
        self.elapsed = elapsed
        self.time = time
    }
}
