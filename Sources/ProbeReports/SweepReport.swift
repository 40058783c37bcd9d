import ProbeEngine

/// Makes the output of a `HostSweep` out of its events: lines of text, JSON or a table. Bytes go to a buffer, nothing is
/// printed.
///
/// Each worker of a sweep may have a copy of its own: what a call appends is whole lines, and no line depends on another.
public protocol SweepReport: Sendable {
    /// What is told before the first probe; nothing in text for people.
    mutating func appendStart(_ start: SweepStart, to buffer: inout ReportBuffer)
    /// What an event is worth telling; may be nothing.
    ///
    /// - Parameters:
    ///   - target: how the target was named, where that is not its address; nil for an address of a prefix or a range.
    ///   - name: the name of its address, where names are wanted and it is known.
    ///   - now: when the event was taken.
    mutating func append(
        _ event: HostSweepEvent, target: SafeText?, name: SafeText?, at now: Timestamp, to buffer: inout ReportBuffer)
    /// What is told at the end on the stream of the events; nothing in text for people and in a table.
    mutating func appendSummary(_ run: SweepRun, to buffer: inout ReportBuffer)
    /// The total for people, for the stream of errors; nothing where `appendSummary` tells it.
    func totalLines(_ run: SweepRun) -> [UInt8]
}

extension SweepReport {
    /// The same of a target that was given by its address.
    public mutating func append(
        _ event: HostSweepEvent, name: SafeText?, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        append(event, target: nil, name: name, at: now, to: &buffer)
    }
}

/// What a `HostSweep` is about to do, and by which means.
public struct SweepStart: Sendable {
    /// What is sent, to whom and how fast. The shard is that of the whole run, also where workers share it.
    public var configuration: HostSweep.Configuration
    /// The means: `raw`, `ping` or `udp`.
    public var rung: String
    /// How to get a better one, in words of our own.
    public var note: String?
    /// Loops that share the targets.
    public var workers: Int
    /// Of the order of the targets; nil for the order in which they were given.
    public var seed: UInt64?
    /// Nanoseconds since 1970.
    public var time: Int64

    public init(
        _ configuration: HostSweep.Configuration, rung: String, note: String? = nil, workers: Int = 1,
        seed: UInt64? = nil, time: Int64
    ) {
        self.configuration = configuration
        self.rung = rung
        self.note = note
        self.workers = workers
        self.seed = seed
        self.time = time
    }
}

/// What a sweep has come to, summed over its workers.
public struct SweepRun: Sendable {
    public var counters: HostSweep.Counters
    /// Of the answers in time.
    public var roundTrips: RoundTripStatistics
    /// From the first probe to the end.
    public var elapsed: TimeSpan
    /// From the first probe to the last one.
    public var sending: TimeSpan
    /// When it ended, in nanoseconds since 1970.
    public var time: Int64
    /// Probes whose answers were still waited for when the sweep was stopped.
    public var inFlight: UInt64
    /// Targets that have no address: names that nobody knows, lines that are no targets.
    public var missedNames: UInt64
    /// What the kernel said when it refused a probe for good, the last time.
    public var lastSendFailure: SendFailure?
    /// What it failed by, such as `loss 2.5% > 1%`; nil where no condition was set.
    public var failures: [String]?

    public init(
        _ counters: HostSweep.Counters, roundTrips: RoundTripStatistics, elapsed: TimeSpan, sending: TimeSpan? = nil,
        time: Int64, inFlight: UInt64 = 0, missedNames: UInt64 = 0, lastSendFailure: SendFailure? = nil,
        failures: [String]? = nil
    ) {
        self.counters = counters
        self.roundTrips = roundTrips
        self.elapsed = elapsed
        self.sending = sending ?? elapsed
        self.time = time
        self.inFlight = inFlight
        self.missedNames = missedNames
        self.lastSendFailure = lastSendFailure
        self.failures = failures
    }

    /// Probes whose fate is known. Those whose answers this host may have dropped are not among them.
    public var concluded: UInt64 {
        let decided = counters.transmitted - min(counters.transmitted, inFlight)
        return decided - min(decided, counters.repeated)
    }

    /// Of the probes whose fate is known those that were not answered at all.
    public var lost: UInt64 {
        let missing = concluded - min(concluded, counters.received)
        return missing - min(missing, counters.late)
    }
}
