import ProbeEngine

/// What became of each probe, by target and in the order of sending: 8 octets each. Made out of the events of an
/// `EchoSweep` whose number of probes is known.
public struct EchoSlots: Hashable, Sendable {
    /// What became of a probe so far.
    public enum Outcome: Hashable, Sendable {
        case answered(TimeSpan)
        /// Answered after its timeout.
        case late(TimeSpan)
        /// No answer within its timeout.
        case lost
        /// An ICMP error came for it.
        case error
        /// It did not leave this host.
        case unsent
        /// Its timeout is not over.
        case inFlight
    }

    /// Probes to each target.
    public let count: Int
    private var codes: [Int64]

    /// For `count` probes to each of so many targets. Nil for more than `maximumCount` of them in all.
    public init?(_ count: UInt64, targets: Int) {
        let (whole, isTooMany) = count.multipliedReportingOverflow(by: UInt64(max(0, targets)))
        guard !isTooMany, whole <= Self.maximumCount else { return nil }
        self.count = Int(count)
        codes = Array(repeating: Code.inFlight, count: Int(whole))
    }

    /// Files what an event tells; of events that tell of no probe's end, and of probes beyond `count`, nothing.
    public mutating func take(_ event: EchoEvent) {
        switch event {
        case .reply(let reply):
            // Two octets less than a day: no code has so many nanoseconds.
            let roundTrip = max(0, reply.roundTrip.nanoseconds)
            switch reply.disposition {
            case .inTime: file(roundTrip, reply.target, reply.sequence)
            case .late: file(Code.late - roundTrip, reply.target, reply.sequence)
            case .duplicate, .corrupted, .wrongSource: return
            }
        case .timeout(let target, let sequence): file(Code.lost, target, sequence)
        case .error(let error) where error.isConclusive: file(Code.error, error.target, error.sequence)
        case .unsent(let target, let sequence, _): file(Code.unsent, target, sequence)
        default: return
        }
    }

    private mutating func file(_ code: Int64, _ target: Int, _ sequence: UInt32) {
        let index = Int(sequence &- 1)
        guard index < count, codes.indices.contains(target * count + index) else { return }
        codes[target * count + index] = code
    }

    /// What became of the probe of this index, from 0.
    public subscript(target: Int, index: Int) -> Outcome {
        switch codes[target * count + index] {
        case let roundTrip where roundTrip >= 0: .answered(TimeSpan(nanoseconds: roundTrip))
        case Code.lost: .lost
        case Code.error: .error
        case Code.unsent: .unsent
        case Code.inFlight: .inFlight
        case let code: .late(TimeSpan(nanoseconds: Code.late - code))
        }
    }

    /// So many probes take 128 MiB.
    public static let maximumCount: UInt64 = 1 << 24

    /// What is no round trip; below them all, late ones count down from the last.
    private enum Code {
        static let inFlight: Int64 = -1
        static let lost: Int64 = -2
        static let error: Int64 = -3
        static let unsent: Int64 = -4
        static let late: Int64 = -5
    }
}

extension EchoSlots {
    /// How many probes of a target have one: those that were handed to the kernel or refused by it.
    func used(by counts: EchoStatistics) -> Int { Int(min(UInt64(count), counts.transmitted + counts.unsent)) }

    /// ` 0.052 - 2013.127! error`: milliseconds, `-` for a loss, `!` behind a late answer, and words.
    func append(_ target: Int, _ counts: EchoStatistics, to buffer: inout ReportBuffer) {
        for index in 0..<used(by: counts) {
            buffer.append(" ")
            switch self[target, index] {
            case .answered(let roundTrip): buffer.append(milliseconds: roundTrip)
            case .late(let roundTrip):
                buffer.append(milliseconds: roundTrip)
                buffer.append("!")
            case .lost: buffer.append("-")
            case .error: buffer.append("error")
            case .unsent: buffer.append("unsent")
            case .inFlight: buffer.append("?")
            }
        }
    }

    /// Nanoseconds of those that were answered in time; words for the others.
    func add(_ target: Int, _ counts: EchoStatistics, to line: inout JSONLine) {
        line.add(
            "slots",
            elements: (0..<used(by: counts)).lazy.map { index in
                switch self[target, index] {
                case .answered(let roundTrip): .integer(roundTrip.nanoseconds)
                case .late: .word("late")
                case .lost: .word("lost")
                case .error: .word("error")
                case .unsent: .word("unsent")
                case .inFlight: .word("in_flight")
                }
            })
    }
}
