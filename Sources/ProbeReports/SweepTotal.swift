import ProbeEngine

/// The total of a sweep in words, whatever form its lines have.
extension ReportBuffer {
    /// ```
    /// --- sweep of 254 targets ---
    /// 100 alive, 154 unreachable
    /// 408 packets transmitted, 100 received, 75.4902% packet loss, time 408ms, 1000 packets/s
    /// rtt min/avg/max/mdev = 0.040/0.052/0.065/0.007 ms
    /// ```
    mutating func append(_ run: SweepRun, _ method: ProbeMethod) {
        append("--- sweep of ")
        append(decimal: run.counters.targets)
        append(run.counters.targets == 1 ? " target ---\n" : " targets ---\n")
        appendTargets(of: run)
        appendProbes(of: run)
        appendRoundTrips(of: run)
        appendOddities(of: run)
        if case .udp = method, run.isSilent { append("no answer; a firewall may drop UDP\n") }
        if method == .icmpTimestamp, run.isSilent {
            append("no answer; many hosts and firewalls ignore ICMP timestamp requests\n")
        }
    }

    private mutating func appendTargets(of run: SweepRun) {
        let counters = run.counters
        append(decimal: counters.alive)
        append(" alive, ")
        append(decimal: counters.unreachable)
        append(" unreachable")
        let failure = run.lastSendFailure.map { " (\($0.errorNumber.name))" } ?? ""
        appendCounts([
            (counters.unasked, "not asked" + failure), (counters.remaining, "undecided"),
            (run.missedNames, "without an address"), (counters.overflow, "without room"),
        ])
        append("\n")
    }

    private mutating func appendProbes(of run: SweepRun) {
        let counters = run.counters
        append(decimal: counters.transmitted)
        append(" packets transmitted, ")
        append(decimal: counters.received)
        append(" received")
        for (count, label) in [
            (counters.duplicates, " duplicates"), (counters.corrupted, " corrupted"), (counters.errors, " errors"),
        ] where count > 0 {
            append(", +")
            append(decimal: count)
            append(label)
        }
        if run.concluded > 0 {
            append(", ")
            append(percent: run.lost, of: run.concluded)
            append("% packet loss")
        }
        if counters.transmitted > 0 {
            let milliseconds = UInt64(max(0, run.sending.nanoseconds) / 1_000_000)
            append(", time ")
            append(decimal: milliseconds)
            append("ms")
            if milliseconds > 0 {
                append(", ")
                append(decimal: UInt128(counters.transmitted) * 1_000 / UInt128(milliseconds))
                append(" packets/s")
            }
        }
        append("\n")
    }

    private mutating func appendRoundTrips(of run: SweepRun) {
        let trips = run.roundTrips
        guard trips.count > 0 else { return }
        append("rtt min/avg/max/mdev = ")
        append(slashed: [
            trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum, TimeSpan(rounding: trips.deviation),
        ])
        append(" ms\n")
        let percentiles = trips.carriedPercentiles
        guard !percentiles.isEmpty else { return }
        for (index, percentile) in percentiles.enumerated() {
            append(index == 0 ? "p" : "/p")
            append(percentile.label)
        }
        append(" = ")
        append(slashed: percentiles.map(\.value))
        append(" ms\n")
    }

    private mutating func append(slashed spans: [TimeSpan]) {
        for (index, span) in spans.enumerated() {
            if index > 0 { append("/") }
            append(milliseconds: span)
        }
    }

    private mutating func appendOddities(of run: SweepRun) {
        let counters = run.counters
        let start = bytes.count
        appendCounts(
            [
                (counters.retried, "retries"), (counters.late, "late"), (counters.wrongSource, "from a wrong source"),
                (counters.unsent, "not sent"), (run.inFlight, "still in flight"),
                (counters.repeatedErrors, "repeated errors"), (counters.unsolicited, "unsolicited"),
                (counters.droppedHere, "dropped here"), (counters.repeated, "asked again for that"),
            ], isFirst: true)
        if bytes.count > start { append("\n") }
    }

    /// `, 3 late, 1 unsolicited`: those that there are.
    private mutating func appendCounts(_ counts: [(UInt64, String)], isFirst: Bool = false) {
        var separator = isFirst ? "" : ", "
        for (count, label) in counts where count > 0 {
            append(separator)
            append(decimal: count)
            append(" ")
            append(label)
            separator = ", "
        }
    }
}

extension SweepRun {
    /// Something was sent and nothing at all came back.
    fileprivate var isSilent: Bool {
        counters.transmitted > 0 && counters.received == 0 && counters.late == 0 && counters.errors == 0
            && counters.corrupted == 0 && counters.wrongSource == 0
    }
}
