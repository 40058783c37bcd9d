import PacketFormats
import ProbeEngine

extension EchoTextReport {
    /// What stands for a target's name: of two versions of one name it says which.
    func label(_ target: Int) -> String {
        guard pairs.contains(target) || pairs.contains(target - 1) else { return targets[target].name.description }
        return "\(targets[target].name) (\(targets[target].address.version.label))"
    }

    /// A line for each pair of versions: `h.example: IPv6 is 0.213 ms faster (p50), loss 0% / 2% (IPv4 / IPv6)`.
    func appendComparisons(_ statistics: [EchoStatistics], to buffer: inout ReportBuffer) {
        for first in pairs where first >= 0 && first + 1 < min(targets.count, statistics.count) {
            let counts = [statistics[first], statistics[first + 1]]
            let versions = [targets[first].address.version, targets[first + 1].address.version]
            if first == pairs.first { buffer.append("\n") }
            buffer.append(targets[first].name)
            buffer.append(": ")
            append(counts.map(\.roundTrips), versions, to: &buffer)
            buffer.append(", loss ")
            buffer.append(percent: counts[0].lost, of: counts[0].concluded)
            buffer.append("% / ")
            buffer.append(percent: counts[1].lost, of: counts[1].concluded)
            buffer.append("% (\(versions[0].label) / \(versions[1].label))\n")
        }
    }

    /// Which of the two answered faster, by the median where both samples carry one, else by the mean.
    private func append(_ trips: [RoundTripStatistics], _ versions: [IPVersion], to buffer: inout ReportBuffer) {
        switch (trips[0].count > 0, trips[1].count > 0) {
        case (false, false): return buffer.append("neither answered")
        case (true, false): return buffer.append("only \(versions[0].label) answered")
        case (false, true): return buffer.append("only \(versions[1].label) answered")
        case (true, true): break
        }
        var values = trips.map { TimeSpan(rounding: $0.mean) }
        var measure = "avg"
        if let first = trips[0].percentile(50), let second = trips[1].percentile(50) {
            values = [first, second]
            measure = "p50"
        }
        let difference = values[1].nanoseconds - values[0].nanoseconds
        if difference == 0 {
            buffer.append("both are equally fast")
        } else {
            let isFirstFaster = difference > 0
            buffer.append("\(versions[isFirstFaster ? 0 : 1].label) is ")
            buffer.append(milliseconds: TimeSpan(nanoseconds: abs(difference)))
            buffer.append(" ms faster")
        }
        buffer.append(" (\(measure))")
    }
}

extension IPVersion {
    /// As people write it.
    var label: String {
        switch self {
        case .v4: "IPv4"
        case .v6: "IPv6"
        }
    }
}
