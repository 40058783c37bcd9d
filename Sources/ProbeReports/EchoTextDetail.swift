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
}

extension ReportBuffer {
    /// Appends nanoseconds since 1970 as an instant in UTC with three digits of a second, the rest cut off.
    fileprivate mutating func append(second nanoseconds: Int64) {
        append(String(rfc3339(nanoseconds).dropLast(7)))
        append("Z")
    }
}
