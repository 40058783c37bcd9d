import PacketFormats
import ProbeEngine

/// What fping prints with `-c`, `-C` and `-l`, made out of the events of an `EchoSweep`.
///
/// It counts by itself, because a line tells of what was known when it was written. A probe counts as sent when it is
/// known what became of it; an answer behind its timeout is none.
///
/// It understands events of a sweep whose configuration has `errorsConclude` off.
public struct FpingReport: Sendable {
    /// The targets as they are shown, in the order of the sweep.
    public let targets: ReportTargets
    /// What options change.
    public var style: FpingStyle
    /// What was counted so far, without the time.
    public private(set) var totals = FpingTotals()

    private let width: Int
    private var tallies: [Tally]
    private var slots: [[Int64]] = []
    private var sum: UInt64 = 0
    private var inTime: UInt64 = 0
    private var hasCharts = false
    private var toldFailures: [Int: SendFailure] = [:]

    /// What is known of a target.
    private struct Tally: Sendable, BitwiseCopyable {
        var whole = Sums()
        var interval = Sums()
        /// The last probe that was given up.
        var lastExpired: UInt32 = 0
    }

    /// Probes and round trips of a time.
    private struct Sums: Sendable, BitwiseCopyable {
        var sent: UInt64 = 0
        var received: UInt64 = 0
        var total: UInt64 = 0
        var minimum: Int64 = 0
        var maximum: Int64 = 0

        mutating func take(_ roundTrip: Int64) {
            minimum = received == 0 ? roundTrip : min(minimum, roundTrip)
            maximum = max(maximum, roundTrip)
            received += 1
            total &+= UInt64(max(0, roundTrip))
        }

        var mean: TimeSpan { TimeSpan(nanoseconds: received == 0 ? 0 : Int64(clamping: total / received)) }
        /// In per cent, rounded down.
        var loss: UInt64 { sent == 0 || received > sent ? 0 : (sent - received) * 100 / sent }
    }

    /// A report of nothing so far.
    public init(targets: ReportTargets, style: FpingStyle) {
        self.targets = targets
        self.style = style
        width = targets.reduce(0) { max($0, $1.name.description.utf8.count) }
        tallies = Array(repeating: Tally(), count: targets.count)
        if style.listsRoundTrips { slots = Array(repeating: [], count: targets.count) }
        totals.targets = UInt64(targets.count)
    }

    /// Whether each target has answered.
    public var isWhole: Bool { totals.alive == totals.targets }

    // MARK: Events

    /// What an event is worth telling; may be nothing.
    public mutating func append(_ event: EchoEvent, at now: Timestamp, to output: inout FpingOutput) {
        switch event {
        case .reply(let reply): take(reply, to: &output)
        case .timeout(let target, let sequence): expire(target, sequence, at: now, to: &output)
        case .error(let error):
            totals.others += 1
            guard !style.isQuiet, !style.isJSON else { return }
            style.append(
                error.type, error.code, from: error.responder, about: targets[error.target].name, to: &output.errors)
        case .unsent(let target, let sequence, let failure):
            conclude(target, sequence, roundTrip: nil)
            guard !style.isQuiet, toldFailures.updateValue(failure, forKey: target) != failure else { return }
            style.append(failure, of: targets[target].name, to: &output.errors)
        case .outstanding, .unsolicited, .changed, .outage, .interval, .sent, .address: break
        }
    }

    private mutating func take(_ reply: EchoReply, to output: inout FpingOutput) {
        totals.replies += 1
        switch reply.disposition {
        case .inTime: break
        case .late:
            // It may be known to be late before its time has passed here.
            if !hasExpired(reply.target, reply.sequence) {
                expire(reply.target, reply.sequence, at: reply.arrival, to: &output)
            }
            return
        case .duplicate:
            guard !style.showsProbes, !style.isJSON else { return }
            output.errors.append(targets[reply.target].name)
            output.errors.append(" : duplicate for [\(reply.sequence &- 1)], \(reply.byteCount) bytes, ")
            output.errors.append(fpingMilliseconds: reply.roundTrip)
            output.errors.append(" ms\n")
            return
        case .corrupted, .wrongSource: return
        }
        let target = reply.target
        if tallies[target].whole.received == 0 { totals.alive += 1 }
        count(reply.roundTrip)
        conclude(target, reply.sequence, roundTrip: reply.roundTrip.nanoseconds)
        guard style.showsProbes else { return }
        if style.isJSON { return appendJSON(reply, to: &output.lines) }
        let sums = tallies[target].whole
        begin(target, reply.sequence, at: reply.arrival, to: &output.lines)
        output.lines.append("\(reply.byteCount) bytes, ")
        output.lines.append(fpingMilliseconds: reply.roundTrip)
        output.lines.append(" ms (")
        output.lines.append(fpingMilliseconds: sums.mean)
        output.lines.append(" avg, \(sums.loss)% loss)")
        appendHeader(reply, to: &output.lines)
        output.lines.append("\n")
        if reply.responder.withoutZone != targets[target].address.withoutZone {
            style.append(responder: reply.responder, to: &output.errors)
        }
    }

    private mutating func count(_ roundTrip: TimeSpan) {
        totals.minimum = inTime == 0 ? roundTrip : min(totals.minimum, roundTrip)
        totals.maximum = max(totals.maximum, roundTrip)
        inTime += 1
        sum &+= UInt64(max(0, roundTrip.nanoseconds))
        totals.mean = TimeSpan(nanoseconds: Int64(clamping: sum / inTime))
    }

    private func hasExpired(_ target: Int, _ sequence: UInt32) -> Bool {
        Int32(bitPattern: sequence &- tallies[target].lastExpired) <= 0 && tallies[target].lastExpired != 0
    }

    /// Files what became of a probe. One that was given up has been counted.
    private mutating func conclude(_ target: Int, _ sequence: UInt32, roundTrip: Int64?) {
        if !hasExpired(target, sequence) || roundTrip == nil {
            tallies[target].whole.sent += 1
            tallies[target].interval.sent += 1
        }
        if let roundTrip {
            tallies[target].whole.take(roundTrip)
            tallies[target].interval.take(roundTrip)
        }
        guard !slots.isEmpty else { return }
        let index = Int(sequence &- 1)
        // Round trips of an endless run are not kept.
        guard index < Self.maximumSlots else { return }
        while slots[target].count <= index { slots[target].append(-1) }
        if let roundTrip { slots[target][index] = roundTrip }
    }

    private mutating func expire(
        _ target: Int, _ sequence: UInt32, at now: Timestamp, to output: inout FpingOutput
    ) {
        totals.timeouts += 1
        conclude(target, sequence, roundTrip: nil)
        tallies[target].lastExpired = sequence
        guard style.showsProbes else { return }
        if style.isJSON {
            output.lines.append("{\"timeout\": {\"host\": ")
            output.lines.append(quoted: targets[target].name.description)
            output.lines.append(", \"seq\": \(sequence &- 1)}}\n")
            return
        }
        let sums = tallies[target].whole
        begin(target, sequence, at: now, to: &output.lines)
        output.lines.append("timed out (")
        if sums.received > 0 {
            output.lines.append(fpingMilliseconds: sums.mean)
        } else {
            output.lines.append("NaN")
        }
        output.lines.append(" avg, \(sums.loss)% loss)\n")
    }

    /// `10.91.2.2 : [0], `
    private mutating func begin(_ target: Int, _ sequence: UInt32, at instant: Timestamp, to buffer: inout ReportBuffer)
    {
        style.time?.append(instant, to: &buffer)
        appendName(target, to: &buffer)
        buffer.append(" : [\(sequence &- 1)], ")
    }

    private func appendName(_ target: Int, to buffer: inout ReportBuffer) {
        let name = targets[target].name
        buffer.append(name)
        let length = name.description.utf8.count
        if length < width { buffer.append(String(repeating: " ", count: width - length)) }
    }

    private func appendHeader(_ reply: EchoReply, to buffer: inout ReportBuffer) {
        if let stamps = reply.timestamps {
            buffer.append(
                ", timestamps: Originate=\(timeOfDay(reply.arrival, before: reply.userRoundTrip)) "
                    + "Receive=\(stamps.receive.rawValue) Transmit=\(stamps.transmit.rawValue) "
                    + "Localreceive=\(timeOfDay(reply.arrival, before: .zero))")
        }
        if style.showsTrafficClass {
            buffer.append(reply.trafficClass.map { " (TOS \($0))" } ?? " (TOS unknown)")
        }
        if style.showsHopLimit {
            buffer.append(reply.hopLimit.map { " (TTL \($0))" } ?? " (TTL unknown)")
        }
    }

    /// Milliseconds since midnight, UTC, as ICMP has them.
    private func timeOfDay(_ instant: Timestamp, before span: TimeSpan) -> UInt32 {
        let instant = Timestamp(nanoseconds: instant.nanoseconds &- span.nanoseconds)
        return InternetTimestamp(nanoseconds: style.clock.nanoseconds(at: instant)).rawValue
    }

    // MARK: Summaries

    /// The block of an interval that is over (`-Q`, SIGQUIT), and the next begins.
    ///
    /// - Parameter isAsked: by a signal, which has no charts.
    public mutating func appendInterval(at now: Timestamp, isAsked: Bool = false, to output: inout FpingOutput) {
        if style.isNetdata, !isAsked {
            for target in tallies.indices { appendCharts(target, to: &output.lines) }
            hasCharts = true
        } else {
            let seconds = style.seconds(at: now)
            if !style.isJSON {
                if style.showsProbes { output.errors.append("\n") }
                output.errors.append("[")
                output.errors.append(timeOf: CivilTime(seconds: seconds + style.localOffset))
                output.errors.append("]\n")
            }
            for target in tallies.indices {
                let sums = style.isCumulative ? tallies[target].whole : tallies[target].interval
                if style.isJSON {
                    appendJSON("intSum", target, sums, time: seconds, to: &output.lines)
                } else {
                    appendSums(target, sums, to: &output.errors)
                }
            }
        }
        for target in tallies.indices { tallies[target].interval = Sums() }
    }

    /// What is told of each target at the end.
    public func appendSummary(to output: inout FpingOutput) {
        if style.showsProbes, !style.isJSON { output.errors.append("\n") }
        for target in tallies.indices {
            if style.isJSON {
                if style.listsRoundTrips {
                    appendJSONSlots(target, to: &output.lines)
                } else {
                    appendJSON("summary", target, tallies[target].whole, time: nil, to: &output.lines)
                }
            } else if style.listsRoundTrips {
                appendSlots(target, to: &output.errors)
            } else {
                appendSums(target, tallies[target].whole, to: &output.errors)
            }
        }
    }

    private func appendSlots(_ target: Int, to buffer: inout ReportBuffer) {
        appendName(target, to: &buffer)
        buffer.append(" :")
        forEachSlot(of: target) { roundTrip in
            buffer.append(" ")
            guard let roundTrip else { return buffer.append("-") }
            buffer.append(fpingMilliseconds: roundTrip)
        }
        buffer.append("\n")
    }

    /// Of the probes that are known, in the order of sending; nil where there is no round trip.
    private func forEachSlot(of target: Int, _ body: (TimeSpan?) -> Void) {
        for index in 0..<Int(min(tallies[target].whole.sent, UInt64(Self.maximumSlots))) {
            let roundTrip = index < slots[target].count ? slots[target][index] : -1
            body(roundTrip < 0 ? nil : TimeSpan(nanoseconds: roundTrip))
        }
    }

    private func appendSums(_ target: Int, _ sums: Sums, to buffer: inout ReportBuffer) {
        appendName(target, to: &buffer)
        buffer.append(" : xmt/rcv/%loss = \(sums.sent)/\(sums.received)/\(sums.loss)%")
        if style.showsOutage { buffer.append(", outage(ms) = \(outage(sums))") }
        if sums.received > 0 {
            buffer.append(", min/avg/max = ")
            buffer.append(fpingMilliseconds: TimeSpan(nanoseconds: sums.minimum))
            buffer.append("/")
            buffer.append(fpingMilliseconds: sums.mean)
            buffer.append("/")
            buffer.append(fpingMilliseconds: TimeSpan(nanoseconds: sums.maximum))
        }
        buffer.append("\n")
    }

    /// Milliseconds.
    private func outage(_ sums: Sums) -> Int64 {
        (style.period * Int64(clamping: sums.sent - min(sums.sent, sums.received))).nanoseconds / 1_000_000
    }

    private func appendCharts(_ target: Int, to buffer: inout ReportBuffer) {
        let sums = tallies[target].interval
        let name = targets[target].name.description
        let identifier = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        let every = max(1, (style.reportInterval.nanoseconds + 500_000_000) / 1_000_000_000)
        func chart(_ kind: String, _ title: String, _ unit: String, _ line: String, _ dimensions: [String]) {
            if !hasCharts {
                buffer.append(
                    "CHART fping.\(identifier)_\(kind) '' 'FPing \(title) for host \(name)' \(unit) '\(name)' "
                        + "fping.\(kind) \(line) \(every)\n")
                for dimension in dimensions { buffer.append("DIMENSION \(dimension)\n") }
            }
            buffer.append("BEGIN fping.\(identifier)_\(kind)\n")
        }
        chart(
            "packets", "Packets", "packets", "line 110020", ["xmt sent absolute 1 1", "rcv received absolute 1 1"])
        buffer.append("SET xmt = \(sums.sent)\nSET rcv = \(sums.received)\nEND\n")
        chart("quality", "Quality", "percentage", "area 110010", ["returned '' absolute 1 1"])
        buffer.append("SET returned = \(sums.sent == 0 ? 0 : sums.received * 100 / sums.sent)\nEND\n")
        chart(
            "latency", "Latency", "ms", "area 110000",
            ["min minimum absolute 1 1000000", "max maximum absolute 1 1000000", "avg average absolute 1 1000000"])
        if sums.received > 0 {
            buffer.append("SET min = \(sums.minimum)\nSET avg = \(sums.mean.nanoseconds)\nSET max = \(sums.maximum)\n")
        }
        buffer.append("END\n")
    }

    // MARK: JSON

    private mutating func appendJSON(_ reply: EchoReply, to buffer: inout ReportBuffer) {
        buffer.append("{\"resp\": {")
        if style.time != nil {
            var time = ReportBuffer()
            style.time?.append(reply.arrival, to: &time)
            let text = String(decoding: time.bytes.dropFirst().prefix { $0 != UInt8(ascii: "]") }, as: UTF8.self)
            buffer.append("\"timestamp\": ")
            if case .unix? = style.time?.format { buffer.append(text) } else { buffer.append(quoted: text) }
            buffer.append(", ")
        }
        buffer.append("\"host\": ")
        buffer.append(quoted: targets[reply.target].name.description)
        buffer.append(", \"seq\": \(reply.sequence &- 1), \"size\": \(reply.byteCount), \"rtt\": ")
        buffer.append(fpingMilliseconds: reply.roundTrip)
        if let stamps = reply.timestamps {
            buffer.append(
                ", \"timestamps\": {\"originate\": \(timeOfDay(reply.arrival, before: reply.userRoundTrip)), "
                    + "\"receive\": \(stamps.receive.rawValue), \"transmit\": \(stamps.transmit.rawValue), "
                    + "\"localreceive\": \(timeOfDay(reply.arrival, before: .zero))}")
        }
        if style.showsTrafficClass, let trafficClass = reply.trafficClass {
            buffer.append(", \"tos\": \(trafficClass)")
        }
        if style.showsHopLimit, let hopLimit = reply.hopLimit { buffer.append(", \"ttl\": \(hopLimit)") }
        buffer.append("}}\n")
    }

    private func appendJSON(_ kind: String, _ target: Int, _ sums: Sums, time: Int64?, to buffer: inout ReportBuffer) {
        buffer.append("{\"\(kind)\": {")
        if let time { buffer.append("\"time\": \(time), ") }
        buffer.append("\"host\": ")
        buffer.append(quoted: targets[target].name.description)
        buffer.append(", \"xmt\": \(sums.sent), \"rcv\": \(sums.received), \"loss\": \(sums.loss)")
        if style.showsOutage { buffer.append(", \"outage(ms)\": \(outage(sums))") }
        if sums.received > 0 {
            let spans = [TimeSpan(nanoseconds: sums.minimum), sums.mean, TimeSpan(nanoseconds: sums.maximum)]
            for (span, name) in zip(spans, ["Min", "Avg", "Max"]) {
                buffer.append(", \"rtt\(name)\": ")
                buffer.append(fpingMilliseconds: span)
            }
        }
        buffer.append("}}\n")
    }

    private func appendJSONSlots(_ target: Int, to buffer: inout ReportBuffer) {
        buffer.append("{\"vSum\": {\"host\": ")
        buffer.append(quoted: targets[target].name.description)
        buffer.append(", \"values\": [")
        var isFirst = true
        forEachSlot(of: target) { roundTrip in
            if !isFirst { buffer.append(", ") }
            isFirst = false
            guard let roundTrip else { return buffer.append("null") }
            buffer.append(fpingMilliseconds: roundTrip)
        }
        buffer.append("]}}\n")
    }

    private static let maximumSlots = 1 << 24
}

extension FpingTotals {
    /// The object of `-s` with `-J`.
    public func appendJSON(to buffer: inout ReportBuffer) {
        buffer.append(
            "{\"stats\": {\"targets\": \(targets), \"alive\": \(alive), \"unreachable\": \(unreachable), "
                + "\"unknownAddresses\": \(unknown), \"timeouts\": \(timeouts), \"icmpEchosSent\": \(sent), "
                + "\"icmpEchoRepliesReceived\": \(replies), \"otherIcmpReceived\": \(others)")
        for (span, name) in [(minimum, "rttMin"), (mean, "rttAvg"), (maximum, "rttMax")] {
            buffer.append(", \"\(name)\": ")
            buffer.append(fpingMilliseconds: span)
        }
        buffer.append(", \"elapsed\": ")
        buffer.append(seconds: elapsed)
        buffer.append("}}\n")
    }
}

extension ReportBuffer {
    /// The object about a target that can't be asked.
    public mutating func appendFpingWarning(about host: SafeText, _ message: String) {
        append("{\"warning\": {\"host\": ")
        append(quoted: host.description)
        append(", \"message\": ")
        append(quoted: message)
        append("}}\n")
    }
}
