import PacketFormats
import ProbeEngine

/// What options of fping change about its lines.
public struct FpingStyle: Sendable {
    /// A line for each answer and each silence.
    public var showsProbes = false
    /// No ICMP errors, no failures (`-q`).
    public var isQuiet = false
    /// Each target's round trips in the summary (`-C`).
    public var listsRoundTrips = false
    /// How long probes were lost (`-o`): so many times `period`.
    public var showsOutage = false
    public var period = TimeSpan.seconds(1)
    /// Between two summaries of an interval, where there are any (`-Q`).
    public var reportInterval = TimeSpan.zero
    /// Those are of all since the start.
    public var isCumulative = false
    /// Those are charts for netdata (`-N`).
    public var isNetdata = false
    /// The time in front of each line (`-D`).
    public var time: LineTime?
    public var showsHopLimit = false
    public var showsTrafficClass = false
    public var isJSON = false
    /// The time of day at instants of the monotonic clock.
    public var clock = WallClock(offset: 0)
    /// Seconds that local time is ahead of UTC.
    public var localOffset: Int64 = 0
    /// The names of interfaces by index.
    public var zones: [UInt32: SafeText] = [:]

    /// `is alive` and `is unreachable` behind names.
    public var isVerbose = false
    public var showsAlive = false
    public var showsUnreachable = false
    /// Round trips behind those that are alive (`-e`).
    public var showsElapsed = false

    public init() {}
}

/// What goes to standard output and to standard error. Where both have something, standard output's comes first.
public struct FpingOutput: Sendable {
    public var lines = ReportBuffer()
    public var errors = ReportBuffer()

    public init() {}
}

/// What fping counts over all targets (`-s`).
public struct FpingTotals: Sendable {
    public var targets: UInt64 = 0
    public var alive: UInt64 = 0
    public var unknown: UInt64 = 0
    /// Probes whose answer was waited for in vain.
    public var timeouts: UInt64 = 0
    public var sent: UInt64 = 0
    public var replies: UInt64 = 0
    /// ICMP errors.
    public var others: UInt64 = 0
    public var minimum = TimeSpan.zero
    public var mean = TimeSpan.zero
    public var maximum = TimeSpan.zero
    public var elapsed = TimeSpan.zero

    public init() {}

    public var unreachable: UInt64 { targets &- alive }

    /// The block of `-s`, for standard error.
    public func append(to buffer: inout ReportBuffer) {
        func row(_ count: UInt64, _ what: String) {
            let digits = String(count)
            buffer.append(String(repeating: " ", count: max(1, 8 - digits.utf8.count)) + "\(digits) \(what)\n")
        }
        buffer.append("\n")
        row(targets, "targets")
        row(alive, "alive")
        row(unreachable, "unreachable")
        row(unknown, "unknown addresses")
        buffer.append("\n")
        row(timeouts, "timeouts (waiting for response)")
        row(sent, "ICMP Echos sent")
        row(replies, "ICMP Echo Replies received")
        row(others, "other ICMP received")
        buffer.append("\n")
        for (span, name) in [(minimum, "min"), (mean, "avg"), (maximum, "max")] {
            buffer.append(" ")
            buffer.append(fpingMilliseconds: span)
            buffer.append(" ms (\(name) round trip time)\n")
        }
        var seconds = ReportBuffer()
        seconds.append(seconds: elapsed)
        buffer.append(String(repeating: " ", count: max(1, 13 - seconds.bytes.count)))
        buffer.append(seconds)
        buffer.append(" sec (elapsed real time)\n\n")
    }
}

extension FpingStyle {
    /// Seconds since 1970.
    func seconds(at instant: Timestamp) -> Int64 { floorDivide(clock.nanoseconds(at: instant), 1_000_000_000).quotient }

    /// The line about an ICMP error, for standard error.
    func append(
        _ type: ICMPType, _ code: UInt8, from responder: IPAddress, about name: SafeText, to buffer: inout ReportBuffer
    ) {
        buffer.append(responder.version == .v4 ? Self.wordsV4(type, code) : Self.wordsV6(type, code))
        buffer.append(" from ")
        buffer.append(responder, zones: zones)
        buffer.append(" for ICMP Echo sent to ")
        buffer.append(name)
        buffer.append("\n")
    }

    /// ` [<- 192.0.2.1]`, a line for standard error about an answer from somebody else.
    func append(responder: IPAddress, to buffer: inout ReportBuffer) {
        buffer.append(" [<- ")
        buffer.append(responder, zones: zones)
        buffer.append("]\n")
    }

    /// The line about a probe that the kernel refused, for standard error.
    func append(_ failure: SendFailure, of name: SafeText, to buffer: inout ReportBuffer) {
        let text = failure.text
        let reason = text.split(separator: ":", maxSplits: 1).last?.drop { $0 == " " } ?? text[...]
        buffer.append(name)
        buffer.append(": error while sending ping: \(reason)\n")
    }

    private static func wordsV4(_ type: ICMPType, _ code: UInt8) -> String {
        switch type {
        case ICMPType.V4.destinationUnreachable:
            guard code < unreachableV4.count else { return "ICMP Unreachable (Invalid Code)" }
            return code < 4
                ? "ICMP \(unreachableV4[Int(code)]) Unreachable" : "ICMP Unreachable (\(unreachableV4[Int(code)]))"
        case ICMPType.V4.sourceQuench: return "ICMP Source Quench"
        case ICMPType.V4.redirect: return "ICMP Redirect"
        case ICMPType.V4.timeExceeded: return "ICMP Time Exceeded"
        default: return "ICMP Parameter Problem"
        }
    }

    private static func wordsV6(_ type: ICMPType, _ code: UInt8) -> String {
        switch type {
        case ICMPType.V6.destinationUnreachable:
            return code < unreachableV6.count ? unreachableV6[Int(code)] : "ICMP Unreachable (Invalid Code)"
        case ICMPType.V6.packetTooBig: return "ICMP Unreachable (Fragmentation Needed)"
        case ICMPType.V6.timeExceeded: return "ICMP Time Exceeded"
        default: return "ICMP Parameter Problem"
        }
    }

    /// By code (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
    private static let unreachableV4 = [
        "Network", "Host", "Protocol", "Port", "Fragmentation Needed", "Source Route Failed",
        "Destination Network Unknown", "Destination Host Unknown", "Source Host Isolated",
        "Communication with Network Prohibited", "Communication with Host Prohibited",
        "Network Unreachable For Type Of Service", "Host Unreachable For Type Of Service",
        "Communication Administratively Prohibited", "Host Precedence Violation", "Precedence cutoff in effect",
    ]
    /// By code (RFC 4443 section 3.1), in the words for IPv4 where there are any.
    private static let unreachableV6 = [
        "ICMP Network Unreachable", "ICMP Unreachable (Communication Administratively Prohibited)",
        "ICMP Unreachable (Beyond Scope of Source Address)", "ICMP Host Unreachable", "ICMP Port Unreachable",
        "ICMP Unreachable (Source Address Failed Policy)", "ICMP Unreachable (Reject Route)",
    ]
}

extension ReportBuffer {
    /// Milliseconds as fping writes them: three digits behind the point below 1, then one less for each power of ten.
    mutating func append(fpingMilliseconds span: TimeSpan) {
        let nanoseconds = max(0, span.nanoseconds)
        let decimals =
            nanoseconds < 1_000_000 ? 3 : nanoseconds < 10_000_000 ? 2 : nanoseconds < 100_000_000 ? 1 : 0
        var unit: Int64 = 1
        for _ in 0..<decimals { unit *= 10 }
        let step = 1_000_000 / unit
        let rounded = nanoseconds / step + (nanoseconds % step * 2 >= step ? 1 : 0)
        append(decimal: rounded / unit)
        guard decimals > 0 else { return }
        append(".")
        append(decimal: rounded % unit, minimumDigits: decimals)
    }
}
