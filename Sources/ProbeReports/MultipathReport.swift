import PacketFormats
import ProbeEngine

/// Makes the output of one `MultipathTrace`: lines of text, lines of JSON, a picture. Bytes go to a buffer, nothing is
/// printed.
public protocol MultipathReport: Sendable {
    /// What is told before the first probe.
    mutating func appendStart(_ start: MultipathStart, to buffer: inout ReportBuffer)
    /// What an event is worth telling; mostly nothing, because the graph is told at the end.
    ///
    /// - Parameters:
    ///   - facts: what is known of responders by now.
    ///   - time: nanoseconds since 1970.
    mutating func append(_ event: MultipathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer)
    /// What is told at the end: the graph.
    mutating func appendSummary(_ run: MultipathRun, _ facts: PathFacts, to buffer: inout ReportBuffer)
}

/// What a `MultipathTrace` is about to do, and by which means.
public struct MultipathStart: Sendable {
    /// What is sent, to whom and until when.
    public var configuration: MultipathTrace.Configuration
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
        _ configuration: MultipathTrace.Configuration, packetLength: Int, rung: String, note: String? = nil,
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

/// How a multipath trace ended.
public struct MultipathRun: Sendable {
    /// Every path that was found.
    public var graph: MultipathGraph
    /// When a node had probes enough.
    public var rule: StoppingRule
    /// Whether probes were spared by the tests of MDA-Lite.
    public var isLite: Bool
    /// What was counted.
    public var statistics: MultipathStatistics
    /// Why the trace is over; nil where it is not.
    public var ending: MultipathEnding?
    /// Why the paths end where they do; nil where that is not known.
    public var pathEnding: PathEnding?
    /// Whether the destination itself answered.
    public var isReached: Bool
    /// Hops that were asked no faster than they answer, in their order.
    public var slowedHops: [Int]
    /// What conditions say of the paths, where there are any.
    public var judgement: PathJudgement?
    /// From the first probe to the end.
    public var elapsed: TimeSpan
    /// Why the last probe that was not sent was not.
    public var unsentFailure: SendFailure?
    /// Packets that reached the sockets and answer no probe, of all traces of the run.
    public var foreign: UInt64 = 0
    /// Packets that this host received and dropped, because a socket's queue was full, of all traces of the run.
    public var droppedHere: UInt64 = 0
    /// Nanoseconds since 1970.
    public var time: Int64

    /// - Parameter slowedHops: of the events `slowed`, in any order. O(probes): it asks for the graph.
    public init(_ trace: MultipathTrace, slowedHops: [Int] = [], elapsed: TimeSpan, time: Int64) {
        graph = trace.graph
        rule = trace.configuration.rule
        isLite = trace.configuration.isLite
        statistics = trace.statistics
        ending = trace.ending
        pathEnding = trace.pathEnding
        isReached = trace.isReached
        unsentFailure = trace.unsentFailure
        self.slowedHops = Set(slowedHops).sorted()
        self.elapsed = elapsed
        self.time = time
    }
}
