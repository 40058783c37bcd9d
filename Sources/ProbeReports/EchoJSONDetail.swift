import ProbeEngine

/// The members of a summary line beyond counters and round trips.
extension EchoJSONReport {
    /// Adds them; what is kept of few targets only is null of many.
    func add(detailOf counts: EchoStatistics, to line: inout JSONLine) {
        add("ipdv", counts.delayVariation, to: &line)
        addDelayVariation(of: counts.roundTrips, to: &line)
        add("host_delay", counts.hostDelay, to: &line)
        if let late = counts.lateRoundTrips {
            line.add(
                "late_rtt",
                object: { line in
                    line.add("min_ns", late.lowerBound.nanoseconds)
                    line.add("max_ns", late.upperBound.nanoseconds)
                })
        } else {
            line.addNull("late_rtt")
        }
        line.add("reordering_extent", counts.reorderingExtent)
        if let runs = counts.lossRuns {
            add(runs, to: &line)
        } else {
            for name in ["loss_runs", "outages", "availability_percent"] { line.addNull(name) }
        }
    }

    private func add(_ name: String, _ delays: DelayStatistics?, to line: inout JSONLine) {
        guard let delays, delays.count > 0 else { return line.addNull(name) }
        line.add(
            name,
            object: { line in
                line.add("count", delays.count)
                line.add("mean_ns", TimeSpan(rounding: delays.mean).nanoseconds)
                line.add("max_ns", delays.maximum.nanoseconds)
                line.add(percentiles: delays.carriedPercentiles)
            })
    }

    private func addDelayVariation(of trips: RoundTripStatistics, to line: inout JSONLine) {
        guard trips.count > 0 else { return line.addNull("pdv") }
        line.add(
            "pdv",
            object: { line in
                line.add("mean_ns", TimeSpan(rounding: trips.mean).nanoseconds - trips.minimum.nanoseconds)
                line.add("max_ns", trips.maximum.nanoseconds - trips.minimum.nanoseconds)
                line.add(percentiles: trips.carriedDelayVariation)
            })
    }

    private func add(_ runs: LossRuns, to line: inout JSONLine) {
        let sums = runs.sums
        line.add(
            "loss_runs",
            object: { line in
                line.add("count", sums.runs)
                line.add("longest", sums.longest)
                line.add("mean", part: sums.lost, of: sums.runs)
                line.add("lengths", objects: sums.lengths.enumerated().filter { $0.element > 0 }) { line, bin in
                    line.add("at_most", UInt64(1) << UInt64(bin.offset))
                    line.add("count", bin.element)
                }
            })
        line.add(
            "outages",
            object: { line in
                line.add("count", sums.outages)
                line.add("lost", sums.lostInOutages)
                line.add("duration_ns", sums.outageTime.nanoseconds)
                line.add("longest_ns", sums.longestOutage.nanoseconds)
                line.add("last", objects: runs.outages) { line, outage in add(outage, to: &line) }
            })
        if runs.concluded > 0 {
            line.add("availability_percent", percent: runs.available, of: runs.concluded)
        } else {
            line.addNull("availability_percent")
        }
    }
}

extension JSONLine {
    /// Adds a member for each: `p99_9_ns`.
    mutating func add(percentiles: [(label: String, value: TimeSpan)]) {
        for (label, value) in percentiles {
            add("p\(String(label.map { $0 == "." ? "_" : $0 }))_ns", value.nanoseconds)
        }
    }
}
