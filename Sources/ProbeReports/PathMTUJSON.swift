import PacketFormats
import ProbeEngine

extension PathJSONReport {
    /// The `mtu` line: how large packets may be, where larger ones end, and how that is known.
    ///
    /// - Parameters:
    ///   - name: gives the names that are known.
    ///   - time: nanoseconds since 1970.
    public func append(
        _ result: PathMTUResult, _ statistics: PathMTUStatistics, name: (IPAddress) -> SafeText?, time: Int64,
        to buffer: inout ReportBuffer
    ) {
        var line = JSONLine("mtu", time: time, target: target, method: method, zones: zones)
        line.add("first_size", result.firstSize)
        line.add("size", optional: result.size)
        line.add("hop", optional: result.hop)
        line.add("whole_path", result.isWholePath)
        line.add("complete", result.isComplete)
        line.add("drops", objects: result.drops) { line, drop in
            line.add("size", drop.size)
            line.add("after", drop.after)
            line.add("before", drop.before)
            switch drop.evidence {
            case .announced(let responder):
                line.add("evidence", "announced")
                line.add(responder: responder, name: name(responder), zones: zones)
            case .searched(let responder):
                line.add("evidence", "searched")
                line.add(responder: responder, name: name(responder), zones: zones)
            case .silence:
                line.add("evidence", "silence")
                line.add("maybe_on_the_way_back", drop.mayBeOnTheWayBack)
            case .local: line.add("evidence", "local")
            }
        }
        line.add("false_claims", objects: result.falseClaims) { line, claim in
            line.add(responder: claim.responder, name: name(claim.responder), zones: zones)
            line.add("mtu", claim.mtu)
            line.add("size", claim.size)
            line.add("fault", claim.fault.word)
        }
        line.add("transmitted", statistics.transmitted)
        line.add("received", statistics.received)
        line.add("late", statistics.late)
        line.add("duplicates", statistics.duplicates)
        line.add("unidentified", statistics.unidentified)
        line.add("unsent", statistics.unsent)
        line.add("unsolicited", statistics.unsolicited)
        line.finish()
        buffer.append(line)
    }
}
