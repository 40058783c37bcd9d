import ProbeEngine

/// Makes the output of an `EchoSweep` out of its events: lines of text or JSON. Bytes go to a buffer, nothing is printed.
public protocol EchoReport: Sendable {
    /// Whom the sweep asks, in its order. Whoever drives the report gives a target its new address before it passes on
    /// the event that says so.
    var targets: ReportTargets { get set }
    /// What is told before the first probe.
    ///
    /// - Parameter drain: empties the buffer whenever it has become large, because there may be many targets.
    mutating func appendStart(
        _ start: EchoStart, to buffer: inout ReportBuffer, drain: (inout ReportBuffer) -> Void)
    /// What an event is worth telling; may be nothing.
    ///
    /// - Parameters:
    ///   - name: the responder's, where names are wanted and it is known.
    ///   - now: when the event was taken, the time of those that came with no packet.
    mutating func append(_ event: EchoEvent, name: SafeText?, at now: Timestamp, to buffer: inout ReportBuffer)
    /// What is told when the events of one wake-up are through; nothing where each was told at once.
    ///
    /// - Parameter window: the size of the terminal, nil where it isn't known or nobody asked.
    mutating func finishBatch(in window: WindowSize?, to buffer: inout ReportBuffer)
    /// Ends a line that goes on with the next events, before others write to the same terminal.
    mutating func leaveLine(to buffer: inout ReportBuffer)
    /// What is told at the end: of each target in their order, then of all.
    ///
    /// - Parameter drain: as at the start.
    mutating func appendSummary(
        _ statistics: [EchoStatistics], run: EchoRun, to buffer: inout ReportBuffer,
        drain: (inout ReportBuffer) -> Void)
}

extension EchoReport {
    public mutating func finishBatch(in window: WindowSize?, to buffer: inout ReportBuffer) {}
    public mutating func leaveLine(to buffer: inout ReportBuffer) {}
}

/// What an `EchoSweep` is about to do, and by which means.
public struct EchoStart: Sendable {
    /// What is sent, to whom and when.
    public var configuration: EchoSweep.Configuration
    /// The means: `raw`, `ping` or `udp`.
    public var rung: String
    /// How to get a better one, in words of our own.
    public var note: String?
    /// Nanoseconds since 1970.
    public var time: Int64

    public init(_ configuration: EchoSweep.Configuration, rung: String, note: String? = nil, time: Int64) {
        self.configuration = configuration
        self.rung = rung
        self.note = note
        self.time = time
    }
}
