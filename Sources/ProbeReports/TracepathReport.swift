import PacketFormats
import ProbeEngine

/// What tracepath (iputils 20221126) prints, of a trace and the path MTU discovery behind it.
///
/// All of it comes at the end, because the rows tell of both. Two things are not as there: no time stands behind
/// `[LOCALHOST]` over IPv6, because nothing is sent to find that out, and hops behind a link that swallows large packets
/// have a row each and not `no reply`, which only the first one has, in front of its own.
public struct TracepathReport: PathReport {
    /// What stands for a router.
    public enum Style: Sendable {
        case addresses
        case names
        /// `name (address)`.
        case both
    }

    public var target: ReportTarget
    public var style = Style.names
    /// Octets of the first packet, whatever the link takes; nil for 65,535, over IPv6 128,000.
    public var firstLength: Int?
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    private var firstHop = 1

    public init(target: ReportTarget) { self.target = target }

    public mutating func appendStart(_ start: PathStart, to buffer: inout ReportBuffer) {
        firstHop = start.configuration.firstHop
    }

    public func append(_ event: PathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer) {}

    public func appendSummary(_ run: PathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        append(run, run.mtu?.result, refusalTimes: run.mtu?.refusalTimes ?? [:], facts, to: &buffer)
    }

    /// All lines of a run.
    ///
    /// - Parameters:
    ///   - found: what path MTU discovery found; nil where there was none.
    ///   - refusalTimes: by the size that was announced, after how long.
    public func append(
        _ run: PathRun, _ found: PathMTUResult?, refusalTimes: [Int: TimeSpan], _ facts: PathFacts,
        to buffer: inout ReportBuffer
    ) {
        let length = firstLength ?? (target.address.version == .v4 ? 65_535 : 128_000)
        if run.statistics.transmitted == 0, run.statistics.unsent > 0 {
            append(number: firstHop, to: &buffer)
            buffer.append("send failed\n")
            return appendResume(length, nil, to: &buffer)
        }
        let drops = found?.drops ?? []
        let local = drops.first { $0.evidence == .local }?.size ?? found?.firstSize ?? length
        var mtu = run.hops.isEmpty ? length : min(length, local)
        // Its first probe was too long, and it begins anew.
        let isCut = mtu < length
        if isCut {
            buffer.append(" 1?: ")
            append("[LOCALHOST]", width: Self.localWidth, to: &buffer)
            buffer.append("pmtu \(mtu)\n")
        }
        var end: PathAnswer?
        for hop in run.hops {
            for drop in drops where drop.before == hop.number && drop.evidence != .local {
                mtu = drop.size
                append(drop, time: refusalTimes[drop.size], facts, to: &buffer)
            }
            guard let answer = hop.answers.compactMap(\.self).first else {
                append(number: hop.number, to: &buffer)
                buffer.append("no reply\n")
                continue
            }
            for _ in 0..<(isCut && hop.number == firstHop ? 2 : 1) { append(answer, hop.number, facts, to: &buffer) }
            if answer.kind != .timeExceeded { end = answer }
        }
        // What lies behind the last row.
        if let last = drops.last, let number = run.hops.last?.number, last.before > number { mtu = last.size }
        if end == nil, run.ending != .interrupted { buffer.append("     Too many hops: pmtu \(mtu)\n") }
        let hops = run.isReached ? run.lastHop : nil
        appendResume(mtu, hops.map { ($0, end?.hopsBack) }, to: &buffer)
    }

    /// What tracepath says on standard error of an answer that it has no mark for; nil where there is none.
    public static func failure(of run: PathRun) -> String? {
        run.hops.last?.answers.compactMap(\.self).first.flatMap { mark(of: $0).failure }
    }

    // MARK: Lines

    private func append(_ answer: PathAnswer, _ number: Int, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        append(number: number, to: &buffer)
        append(answer.responder, facts, to: &buffer)
        append(answer.roundTrip, to: &buffer)
        switch answer.kind {
        case .reached: buffer.append("reached")
        case .error: buffer.append(Self.mark(of: answer).text)
        case .timeExceeded:
            if let back = answer.hopsBack, back != number {
                buffer.append(back < 10 ? "asymm  \(back) " : "asymm \(back) ")
            }
        }
        buffer.append("\n")
    }

    private func append(
        _ drop: PathMTUDrop, time: TimeSpan?, _ facts: PathFacts, to buffer: inout ReportBuffer
    ) {
        append(number: drop.before, to: &buffer)
        switch drop.evidence {
        case .announced(let responder), .searched(let responder):
            append(responder, facts, to: &buffer)
            if let time { append(time, to: &buffer) }
            buffer.append("pmtu \(drop.size)\n")
        case .silence, .local: buffer.append("no reply\n")
        }
    }

    private func appendResume(_ mtu: Int, _ path: (hops: Int, back: Int?)?, to buffer: inout ReportBuffer) {
        buffer.append("     Resume: pmtu \(mtu) ")
        if let path {
            buffer.append("hops \(path.hops) ")
            if let back = path.back { buffer.append("back \(back) ") }
        }
        buffer.append("\n")
    }

    /// ` 1:  `
    private func append(number: Int, to buffer: inout ReportBuffer) {
        if number < 10 { buffer.append(" ") }
        buffer.append("\(number):  ")
    }

    private func append(_ address: IPAddress, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        let text = address.text(zones)
        let name = facts.name(address)?.description ?? text
        switch style {
        case .addresses: append(text, width: Self.hostWidth, to: &buffer)
        case .names: append(name, width: Self.hostWidth, to: &buffer)
        case .both: append("\(name) (\(text))", width: Self.hostWidth, to: &buffer)
        }
    }

    /// At least one blank follows.
    private func append(_ text: String, width: Int, to buffer: inout ReportBuffer) {
        buffer.append(text)
        buffer.append(String(repeating: " ", count: max(1, width - text.utf8.count)))
    }

    /// `  0.127ms `: whole microseconds, cut.
    private func append(_ span: TimeSpan, to buffer: inout ReportBuffer) {
        let microseconds = max(0, span.nanoseconds) / 1_000
        let whole = microseconds / 1_000
        if whole < 100 { buffer.append(whole < 10 ? "  " : " ") }
        buffer.append(decimal: whole)
        buffer.append(".")
        buffer.append(decimal: microseconds % 1_000, minimumDigits: 3)
        buffer.append("ms ")
    }

    private static let hostWidth = 52
    private static let localWidth = 33

    // MARK: Marks

    /// tracepath shows the number of the error that Linux makes of an ICMP message (`icmp_err_convert` in
    /// net/ipv4/icmp.c, `icmpv6_err_convert` in net/ipv6/icmp.c).
    private static func mark(of answer: PathAnswer) -> (text: String, failure: String?) {
        guard case .error(let type, let code, _) = answer.kind else { return ("", nil) }
        if answer.responder.version == .v4 {
            guard type == ICMPType.V4.destinationUnreachable else { return ("!P", nil) }
            switch code {
            case 0, 6, 9, 11: return ("!N", nil)
            case 2: return ("", "Protocol not available")
            case 5: return ("", "Operation not supported")
            case 7: return ("", "Host is down")
            case 8: return ("", "Machine is not on the network")
            default: return ("!H", nil)
            }
        }
        guard type == ICMPType.V6.destinationUnreachable else { return ("!P", nil) }
        switch code {
        case 0: return ("!N", nil)
        case 1, 5, 6: return ("!A", nil)
        case 2, 3: return ("!H", nil)
        default: return ("!P", nil)
        }
    }
}
