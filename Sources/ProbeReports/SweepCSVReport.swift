import PacketFormats
import ProbeEngine

/// The events of a `HostSweep` as one table: a line of column names, then a row for each event (RFC 4180).
///
/// Every row has every column, empty where it says nothing of the event. The total has another shape and no place in the
/// table. Rows end with a carriage return and a line feed.
public struct SweepCSVReport: SweepReport {
    /// What is sent, for the column `transport`.
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    /// Makes instants of the events' times.
    public var clock = WallClock(offset: 0)
    private var instants = InstantText()
    /// The address of the target whose line is written, as it stands in it: most answers have it three times.
    private var words = ReportBuffer()

    public init(method: ProbeMethod = .icmpEcho) { self.method = method }

    /// The names of the columns; later ones may only be added behind them.
    public func appendStart(_ start: SweepStart, to buffer: inout ReportBuffer) {
        buffer.append(
            "time,type,target,address,family,transport,attempt,kind,responder,name,bytes,hop_limit,traffic_class,rtt_ns,"
                + "clock,icmp_type,icmp_code,errno,text\r\n")
    }

    /// The row of an event.
    public mutating func append(
        _ event: HostSweepEvent, target: SafeText? = nil, name: SafeText? = nil, at now: Timestamp,
        to buffer: inout ReportBuffer
    ) {
        switch event {
        case .alive(let answer): append("alive", answer, target, name, to: &buffer)
        case .late(let answer): append("late", answer, target, name, to: &buffer)
        case .duplicate(let answer): append("duplicate", answer, target, name, to: &buffer)
        case .corrupted(let answer): append("corrupted", answer, target, name, to: &buffer)
        case .wrongSource(let answer): append("wrong_source", answer, target, name, to: &buffer)
        case .unreachable(let silence):
            begin("unreachable", silence.time, silence.address, target, to: &buffer)
            buffer.append(decimal: silence.attempt + 1)
            if let error = silence.error {
                append(error, name, to: &buffer)
            } else if let failure = silence.failure {
                append(failure, name, to: &buffer)
            } else {
                appendNobody(name, to: &buffer)
                buffer.append(",,,\r\n")
            }
        case .unasked(let refusal):
            begin("unasked", refusal.time, refusal.address, target, to: &buffer)
            append(refusal.failure, name, to: &buffer)
        case .error(let error):
            begin("error", error.arrival, error.address, target, to: &buffer)
            buffer.append(decimal: error.attempt + 1)
            append(error, name, to: &buffer)
        }
    }

    // MARK: Parts of rows

    /// Up to the comma in front of `attempt`.
    private mutating func begin(
        _ type: String, _ instant: Timestamp, _ address: IPAddress, _ target: SafeText?, to buffer: inout ReportBuffer
    ) {
        instants.append(clock.nanoseconds(at: instant), to: &buffer)
        buffer.append(",")
        buffer.append(type)
        buffer.append(",")
        words.removeAll()
        append(address, to: &words)
        if let target { buffer.append(target.csvField) } else { buffer.append(words) }
        buffer.append(",")
        buffer.append(words)
        buffer.append(address.version == .v4 ? ",ipv4," : ",ipv6,")
        buffer.append(method.word)
        buffer.append(",")
    }

    private func append(_ address: IPAddress, to buffer: inout ReportBuffer) {
        // The name of an interface may hold what must be quoted.
        guard address.zone == 0 else { return buffer.append(SafeText.csvField(address.text(zones))) }
        buffer.append(address, zones: [:])
    }

    private func append(
        responder: IPAddress, _ name: SafeText?, bytes: Int?, _ hopLimit: UInt8?, _ trafficClass: UInt8?,
        _ roundTrip: TimeSpan, _ clock: Stamp.Clock, to buffer: inout ReportBuffer
    ) {
        append(responder, to: &buffer)
        buffer.append(",")
        if let name { buffer.append(name.csvField) }
        buffer.append(",")
        if let bytes { buffer.append(decimal: bytes) }
        buffer.append(",")
        if let hopLimit { buffer.append(decimal: hopLimit) }
        buffer.append(",")
        if let trafficClass { buffer.append(decimal: trafficClass) }
        buffer.append(",")
        buffer.append(decimal: roundTrip.nanoseconds)
        buffer.append(",")
        buffer.append(clock.word)
        buffer.append(",")
    }

    private mutating func append(
        _ type: String, _ answer: HostAnswer, _ target: SafeText?, _ name: SafeText?, to buffer: inout ReportBuffer
    ) {
        begin(type, answer.arrival, answer.address, target, to: &buffer)
        buffer.append(decimal: answer.attempt + 1)
        buffer.append(",")
        buffer.append(answer.kind.word)
        buffer.append(",")
        append(
            responder: answer.responder, name, bytes: answer.byteCount, answer.hopLimit, answer.trafficClass,
            answer.roundTrip, answer.clock, to: &buffer)
        buffer.append(",,,")
        switch answer.disposition {
        case .inTime, .duplicate, .wrongSource: break
        case .late: buffer.append("late")
        case .corrupted(let integrity): buffer.append(integrity == .intact ? .wrongChecksum : integrity)
        }
        buffer.append("\r\n")
    }

    /// From behind `attempt` on.
    private func append(_ error: HostError, _ name: SafeText?, to buffer: inout ReportBuffer) {
        buffer.append(",,")
        append(
            responder: error.responder, name, bytes: nil, error.hopLimit, nil, error.roundTrip, error.clock,
            to: &buffer)
        buffer.append(decimal: error.type.rawValue)
        buffer.append(",")
        buffer.append(decimal: error.code)
        buffer.append(",,")
        buffer.append(SafeText.csvField(error.text))
        buffer.append("\r\n")
    }

    /// From behind `attempt` on.
    private func append(_ failure: SendFailure, _ name: SafeText?, to buffer: inout ReportBuffer) {
        appendNobody(name, to: &buffer)
        buffer.append(",,")
        buffer.append(failure.errorNumber.name)
        buffer.append(",")
        buffer.append(SafeText.csvField(failure.text))
        buffer.append("\r\n")
    }

    /// From behind `attempt` to the comma in front of `icmp_type`, where nobody said anything.
    private func appendNobody(_ name: SafeText?, to buffer: inout ReportBuffer) {
        buffer.append(",,,")
        if let name { buffer.append(name.csvField) }
        buffer.append(",,,,,,")
    }

    /// Nothing: the table has one shape.
    public func appendSummary(_ run: SweepRun, to buffer: inout ReportBuffer) {}

    /// The total as in text.
    public func totalLines(_ run: SweepRun) -> [UInt8] {
        var buffer = ReportBuffer()
        buffer.append(run, method)
        return buffer.bytes
    }
}
