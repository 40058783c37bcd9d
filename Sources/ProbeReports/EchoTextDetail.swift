import ProbeEngine

/// The rows of a summary about what ping has no words for.
extension EchoTextReport {
    /// `ipdv mean/max = 0.005/0.020 ms, pdv p95 = 0.050 ms, host delay mean/max = 0.030/0.080 ms`; nothing of a reply
    /// alone.
    func appendVariation(of counts: EchoStatistics, to buffer: inout ReportBuffer) {
        guard counts.roundTrips.count > 1 else { return }
        var separator = ""
        if let variation = counts.delayVariation, variation.count > 0 {
            buffer.append("ipdv mean/max = ")
            append([TimeSpan(rounding: variation.mean), variation.maximum], to: &buffer)
            buffer.append(" ms")
            separator = ", "
        }
        // Of two the smaller is the median, which is what the variation is measured from.
        if counts.roundTrips.count > 2, let (label, value) = counts.roundTrips.carriedDelayVariation.last {
            buffer.append("\(separator)pdv p\(label) = ")
            buffer.append(milliseconds: value)
            buffer.append(" ms")
            separator = ", "
        }
        if let delay = counts.hostDelay, delay.count > 0 {
            buffer.append("\(separator)host delay mean/max = ")
            append([TimeSpan(rounding: delay.mean), delay.maximum], to: &buffer)
            buffer.append(" ms")
            separator = ", "
        }
        if !separator.isEmpty { buffer.append("\n") }
    }

    /// How the losses lie, and the last outages. Nothing where all was lost: that is said already.
    func appendLossRuns(of counts: EchoStatistics, _ run: EchoRun, to buffer: inout ReportBuffer) {
        guard let runs = counts.lossRuns, counts.received > 0 || counts.late > 0 else { return }
        let sums = runs.sums
        guard sums.runs > 0 else { return }
        buffer.append("loss in ")
        buffer.append(decimal: sums.runs)
        buffer.append(sums.runs == 1 ? " run, longest " : " runs, longest ")
        buffer.append(decimal: sums.longest)
        if sums.outages > 0 {
            buffer.append(", ")
            buffer.append(decimal: sums.outages)
            buffer.append(sums.outages == 1 ? " outage of " : " outages, ")
            buffer.append(seconds: sums.outageTime)
            buffer.append(sums.outages == 1 ? " s" : " s in all")
        }
        buffer.append(", availability ")
        buffer.append(percent: runs.available, of: runs.concluded)
        buffer.append("%\n")
        guard let clock = run.clock else { return }
        let outages = runs.outages
        for outage in outages.suffix(Self.shownOutages) {
            buffer.append("outage ")
            buffer.append(second: clock.nanoseconds(at: outage.start))
            buffer.append(outage.isOpen ? ", not over after " : " for ")
            appendSpan(of: outage, to: &buffer)
        }
        if sums.outages > Self.shownOutages {
            buffer.append("and ")
            buffer.append(decimal: sums.outages - UInt64(Self.shownOutages))
            buffer.append(" before\n")
        }
    }

    /// The round trips of late replies, where they are known: ` (2001.000 to 2100.000 ms)`.
    func lateText(_ range: ClosedRange<TimeSpan>?) -> String {
        guard let range else { return "" }
        var buffer = ReportBuffer()
        buffer.append(" (")
        buffer.append(milliseconds: range.lowerBound)
        if range.upperBound > range.lowerBound {
            buffer.append(" to ")
            buffer.append(milliseconds: range.upperBound)
        }
        buffer.append(" ms)")
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    private static let shownOutages = 5

    // MARK: One line for each of many

    /// `h.example (192.0.2.1): 8/10 packets, 20% loss (2.000 s), min/avg/max = 0.040/0.052/0.065 ms, 1 late`. The time is
    /// that of the lost probes. Where slots are wanted these take the place of loss and round trips, as in `fping -C`.
    func appendBrief(
        _ target: Int, _ counts: EchoStatistics, _ sum: EchoCounts, _ run: EchoRun, to buffer: inout ReportBuffer
    ) {
        let whom = targets[target]
        buffer.append(whom.name)
        let address = whom.address.text(zones)
        if whom.name.description != address { buffer.append(" (\(address))") }
        buffer.append(":")
        if let slots = run.slots {
            slots.append(target, counts, to: &buffer)
        } else {
            buffer.append(" ")
            buffer.append(decimal: sum.received)
            buffer.append("/")
            buffer.append(decimal: sum.transmitted)
            buffer.append(" packets")
            if sum.concluded > 0 {
                buffer.append(", ")
                buffer.append(percent: sum.lost, of: sum.concluded)
                buffer.append("% loss")
            }
            if sum.lost > 0, let time = sum.lostTime(run) {
                buffer.append(" (")
                buffer.append(seconds: time)
                buffer.append(" s)")
            }
            append(counts.roundTrips, to: &buffer)
        }
        let failure = sum.lastSendFailure.map { " (\($0.errorNumber.name))" } ?? ""
        append(
            [
                (sum.late, " late"), (sum.duplicates, " duplicates"), (sum.corrupted, " corrupted"),
                (sum.errors, " errors"), (sum.wrongSource, " from a wrong source"), (sum.reordered, " reordered"),
                (sum.unsent, " not sent" + failure), (sum.inFlight, " still in flight"),
            ], to: &buffer)
        buffer.append("\n")
    }

    /// `, min/avg/max = 0.040/0.052/0.065 ms`, where there are any.
    func append(_ trips: RoundTripStatistics, to buffer: inout ReportBuffer) {
        guard trips.count > 0 else { return }
        buffer.append(", min/avg/max = ")
        append([trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum], to: &buffer)
        buffer.append(" ms")
    }

    /// Those that there are: `, 1 late, 2 duplicates`.
    func append(_ counts: [(count: UInt64, label: String)], to buffer: inout ReportBuffer) {
        for (count, label) in counts where count > 0 {
            buffer.append(", ")
            buffer.append(decimal: count)
            buffer.append(label)
        }
    }

    /// `rtt min/avg/max/mdev = ...`, of all targets together.
    func appendRoundTrips(of statistics: [EchoStatistics], to buffer: inout ReportBuffer) {
        var trips = RoundTripStatistics(withPercentiles: false)
        for counts in statistics { trips.merge(counts.roundTrips) }
        guard trips.count > 0 else { return }
        buffer.append("rtt min/avg/max/mdev = ")
        append(
            [trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum, TimeSpan(rounding: trips.deviation)],
            to: &buffer)
        buffer.append(" ms\n")
    }
}

extension ReportBuffer {
    /// Appends nanoseconds since 1970 as an instant in UTC with three digits of a second, the rest cut off.
    fileprivate mutating func append(second nanoseconds: Int64) {
        append(String(rfc3339(nanoseconds).dropLast(7)))
        append("Z")
    }
}
