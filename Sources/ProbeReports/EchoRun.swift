import ProbeEngine

/// What is counted once for a whole run of an `EchoSweep`, whatever the number of its targets.
public struct EchoRun: Hashable, Sendable {
    /// From the first probe to the end.
    public var elapsed: TimeSpan
    /// From the first probe to the last one, what ping calls the time.
    public var sending: TimeSpan
    /// When it ended, in nanoseconds since 1970.
    public var time: Int64
    /// Answers with our mark that belong to no probe that is known, or that carry other bytes than ours.
    public var unsolicited: UInt64
    /// Probes that were due and left out, because this process did not run.
    public var missed: UInt64
    /// Packets that this host received and dropped, because a socket's queue was full.
    public var droppedHere: UInt64
    /// What it failed by; nil where no condition was set.
    public var failures: [EchoFailure]?
    /// Makes instants of the statistics' times, where they are wanted.
    public var clock: WallClock?
    /// Of each target with ICMP timestamp probes, nil where it answered none; empty with other probes.
    public var clocks: [ClockEstimate?] = []
    /// What became of each probe, where that is to be listed.
    public var slots: EchoSlots?
    /// Between two probes to the same target, where that is the same always: lost probes are told as time by it.
    public var period: TimeSpan?

    public init(
        elapsed: TimeSpan, sending: TimeSpan? = nil, time: Int64, unsolicited: UInt64 = 0, missed: UInt64 = 0,
        droppedHere: UInt64 = 0, failures: [EchoFailure]? = nil, clock: WallClock? = nil
    ) {
        self.elapsed = elapsed
        self.sending = sending ?? elapsed
        self.time = time
        self.unsolicited = unsolicited
        self.missed = missed
        self.droppedHere = droppedHere
        self.failures = failures
        self.clock = clock
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
    var repeatedErrors: UInt64 = 0
    var lastSendFailure: SendFailure?
    /// Targets that answered in time.
    var answering: UInt64 = 0
    var reorderingExtent: UInt32 = 0
    var lateRoundTrips: ClosedRange<TimeSpan>?

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
        repeatedErrors += target.repeatedErrors
        lastSendFailure = target.lastSendFailure ?? lastSendFailure
        if target.received > 0 { answering += 1 }
        reorderingExtent = max(reorderingExtent, target.reorderingExtent)
        if let late = target.lateRoundTrips {
            let range = lateRoundTrips ?? late
            lateRoundTrips =
                min(range.lowerBound, late.lowerBound)...max(range.upperBound, late.upperBound)
        }
    }

    /// As that of a target.
    var concluded: UInt64 { transmitted - inFlight }

    /// How long nobody answered: so many periods as probes were lost, as in `fping -o`. Nil where there is no period.
    func lostTime(_ run: EchoRun) -> TimeSpan? { run.period.map { $0 * Int64(clamping: lost) } }

    /// Nothing at all came back.
    var isSilent: Bool { received == 0 && late == 0 && errors == 0 && corrupted == 0 && wrongSource == 0 }
}

extension RoundTripStatistics {
    /// Of the usual percentiles those that the sample can carry; label as in `p99.9`.
    var carriedPercentiles: [(label: String, value: TimeSpan)] { carried(percentile) }

    /// The same of the delay above the smallest (RFC 5481 section 4.2).
    var carriedDelayVariation: [(label: String, value: TimeSpan)] { carried(delayVariation) }

    private func carried(_ value: (Double) -> TimeSpan?) -> [(label: String, value: TimeSpan)] {
        [(50, "50"), (90, "90"), (95, "95"), (99, "99"), (99.9, "99.9")].compactMap { percent, label in
            value(percent).map { (label, $0) }
        }
    }
}

extension DelayStatistics {
    /// As those of round trips.
    var carriedPercentiles: [(label: String, value: TimeSpan)] {
        [(50, "50"), (95, "95"), (99, "99")].compactMap { percent, label in
            percentile(percent).map { (label, $0) }
        }
    }
}

extension TimeSpan {
    /// Nanoseconds that a mean or deviation is closest to; saturated, zero for what is no number.
    init(rounding nanoseconds: Double) {
        self.init(nanoseconds: Int64(exactly: nanoseconds.rounded()) ?? (nanoseconds > 0 ? .max : 0))
    }
}
