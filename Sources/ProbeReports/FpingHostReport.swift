import PacketFormats
import ProbeEngine

/// What fping prints without `-c`, `-C` and `-l`, made out of the events of a `HostSweep`.
///
/// Of a target it keeps one bit, and a name where that is not its address.
public struct FpingHostReport: Sendable {
    /// The targets that are not shown by their addresses.
    public let names: [UInt32: SafeText]
    /// What options change.
    public var style: FpingStyle
    /// Targets that answered.
    public private(set) var alive: UInt64 = 0
    /// ICMP errors.
    public private(set) var others: UInt64 = 0
    private var answered: [UInt64] = []

    /// A report of nothing so far.
    public init(names: [UInt32: SafeText], style: FpingStyle) {
        self.names = names
        self.style = style
    }

    /// What an event is worth telling; may be nothing.
    public mutating func append(_ event: HostSweepEvent, to output: inout FpingOutput) {
        switch event {
        case .alive(let answer):
            alive += 1
            note(answer.target)
            guard style.isVerbose || style.showsAlive else { return }
            output.lines.append(name(answer.target, answer.address))
            if style.isVerbose { output.lines.append(" is alive") }
            if style.showsElapsed {
                output.lines.append(" (")
                output.lines.append(fpingMilliseconds: answer.roundTrip)
                output.lines.append(" ms)")
            }
            appendHeader(answer, to: &output.lines)
            output.lines.append("\n")
            if answer.responder.withoutZone != answer.address.withoutZone {
                style.append(responder: answer.responder, to: &output.errors)
            }
        case .unreachable(let silence): tell(silence.failure, silence.target, silence.address, to: &output.errors)
        case .unasked(let refusal): tell(refusal.failure, refusal.target, refusal.address, to: &output.errors)
        case .error(let error):
            others += 1
            guard !style.isQuiet else { return }
            style.append(
                error.type, error.code, from: error.responder, about: name(error.target, error.address),
                to: &output.errors)
        case .duplicate(let answer):
            output.errors.append(name(answer.target, answer.address))
            output.errors.append(" : duplicate for [\(answer.attempt)], \(answer.byteCount) bytes, ")
            output.errors.append(fpingMilliseconds: answer.roundTrip)
            output.errors.append(" ms\n")
        case .late, .corrupted, .wrongSource: break
        }
    }

    private func appendHeader(_ answer: HostAnswer, to buffer: inout ReportBuffer) {
        if style.showsTrafficClass {
            buffer.append(answer.trafficClass.map { " (TOS \($0))" } ?? " (TOS unknown)")
        }
        if style.showsHopLimit { buffer.append(answer.hopLimit.map { " (TTL \($0))" } ?? " (TTL unknown)") }
    }

    private func tell(_ failure: SendFailure?, _ target: UInt32, _ address: IPAddress, to buffer: inout ReportBuffer) {
        guard style.isVerbose, let failure else { return }
        style.append(failure, of: name(target, address), to: &buffer)
    }

    /// The lines about targets that did not answer, in their order. O(targets).
    ///
    /// - Parameter drain: empties the buffer whenever it has become large.
    public func appendUnreachable(
        of space: TargetSpace, to buffer: inout ReportBuffer, drain: (inout ReportBuffer) -> Void
    ) {
        guard style.isVerbose || style.showsUnreachable else { return }
        for target in 0..<UInt32(truncatingIfNeeded: space.count) where !hasAnswered(target) {
            buffer.append(name(target, space[target]))
            buffer.append(style.isVerbose ? " is unreachable\n" : "\n")
            if buffer.isLarge { drain(&buffer) }
        }
    }

    private func name(_ target: UInt32, _ address: IPAddress) -> SafeText {
        names[target] ?? SafeText(address.text(style.zones))
    }

    private func hasAnswered(_ target: UInt32) -> Bool {
        let word = Int(target / 64)
        return word < answered.count && answered[word] >> (target % 64) & 1 == 1
    }

    private mutating func note(_ target: UInt32) {
        let word = Int(target / 64)
        if word >= answered.count { answered += Array(repeating: 0, count: word + 1 - answered.count) }
        answered[word] |= 1 << (target % 64)
    }
}
