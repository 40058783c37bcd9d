import ProbeEngine

/// What is counted once for a whole run of an `EchoSweep`, whatever the number of its targets.
public struct EchoRun: Hashable, Sendable {
    /// From the first probe to the end.
    public var elapsed: TimeSpan
    /// When it ended, in nanoseconds since 1970.
    public var time: Int64
    /// Answers with our mark that belong to no probe that is known, or that carry other bytes than ours.
    public var unsolicited: UInt64
    /// Probes that were due and left out, because this process did not run.
    public var missed: UInt64
    /// Packets that this host received and dropped, because a socket's queue was full.
    public var droppedHere: UInt64
    /// Of each target with ICMP timestamp probes, nil where it answered none; empty with other probes.
    public var clocks: [ClockEstimate?] = []

    public init(
        elapsed: TimeSpan, time: Int64, unsolicited: UInt64 = 0, missed: UInt64 = 0, droppedHere: UInt64 = 0
    ) {
        self.elapsed = elapsed
        self.time = time
        self.unsolicited = unsolicited
        self.missed = missed
        self.droppedHere = droppedHere
    }
}

/// The counters of one target, or summed over several.
struct EchoCounts {
    var transmitted: UInt64 = 0
    var received: UInt64 = 0
    var late: UInt64 = 0
    var lost: UInt64 = 0
    var inFlight: UInt64 = 0
    var errors: UInt64 = 0
    var duplicates: UInt64 = 0
    var corrupted: UInt64 = 0
    var wrongSource: UInt64 = 0
    var reordered: UInt64 = 0
    var unsent: UInt64 = 0
    var userTimed: UInt64 = 0
    var lastSendFailure: SendFailure?
    /// Targets that answered in time.
    var answering: UInt64 = 0

    mutating func add(_ target: EchoStatistics) {
        transmitted += target.transmitted
        received += target.received
        late += target.late
        lost += target.lost
        inFlight += target.inFlight
        errors += target.errors
        duplicates += target.duplicates
        corrupted += target.corrupted
        wrongSource += target.wrongSource
        reordered += target.reordered
        unsent += target.unsent
        userTimed += target.userTimed
        lastSendFailure = target.lastSendFailure ?? lastSendFailure
        if target.received > 0 { answering += 1 }
    }

    /// Nothing at all came back.
    var isSilent: Bool { received == 0 && late == 0 && errors == 0 && corrupted == 0 && wrongSource == 0 }
}

extension RoundTripStatistics {
    /// Of the usual percentiles those that the sample can carry.
    var carriedPercentiles: [(percent: Int, value: TimeSpan)] {
        [50, 95, 99].compactMap { percent in percentile(Double(percent)).map { (percent, $0) } }
    }
}

extension TimeSpan {
    /// Nanoseconds that a mean or deviation is closest to; saturated, zero for what is no number.
    init(rounding nanoseconds: Double) {
        self.init(nanoseconds: Int64(exactly: nanoseconds.rounded()) ?? (nanoseconds > 0 ? .max : 0))
    }
}
