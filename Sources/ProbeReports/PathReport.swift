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
    mutating func append(_ event: PathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer)
    /// What is told at the end.
    mutating func appendSummary(_ run: PathRun, _ facts: PathFacts, to buffer: inout ReportBuffer)
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

/// What was found out about a path beside its answers.
public struct PathFacts {
    /// The name of a responder, where names are wanted and it is known.
    public var name: (IPAddress) -> SafeText?
    /// Who announces a responder, nil where that is not known; nil itself where nobody asked.
    public var origins: ((IPAddress) -> ASOrigins?)?
    /// The size to which the probes of a hop had to shrink, where that was asked for and is so.
    public var forcedSize: (_ hop: Int) -> Int?

    public init(
        name: @escaping (IPAddress) -> SafeText? = { _ in nil }, origins: ((IPAddress) -> ASOrigins?)? = nil,
        forcedSize: @escaping (Int) -> Int? = { _ in nil }
    ) {
        self.name = name
        self.origins = origins
        self.forcedSize = forcedSize
    }
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
    /// Why it went no further; nil where it was not over.
    public var ending: PathEnding?
    /// What the answers tell beside addresses and times, in the order of the path.
    public var findings: [PathFinding]
    /// What path MTU discovery found, where it was wanted.
    public var mtu: PathMTU?
    /// What conditions and a baseline say of the path, where there are any.
    public var judgement: PathJudgement?
    /// From the first probe to the end.
    public var elapsed: TimeSpan
    /// Packets that reached the sockets and answer no probe, of all traces of the run.
    public var foreign: UInt64 = 0
    /// Packets that this host received and dropped, because a socket's queue was full, of all traces of the run.
    public var droppedHere: UInt64 = 0
    /// TCP probes that the kernel sent a second time on its own, of all traces of the run; no answer to such a one counts.
    public var resent: UInt64 = 0
    /// Nanoseconds since 1970.
    public var time: Int64

    public init(_ member: PathTraceGroup.Member, findings: [PathFinding], elapsed: TimeSpan, time: Int64) {
        hops = member.hops
        statistics = member.trace.statistics
        lastHop = member.trace.lastHop
        isReached = member.trace.isReached
        ending = member.trace.ending
        mtu = member.mtu
        self.findings = findings
        self.elapsed = elapsed
        self.time = time
    }
}
