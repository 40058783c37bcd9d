import ProbeEngine

/// The time in brackets in front of a line, in the formats of ping and fping.
public struct LineTime: Sendable {
    /// How an instant is written.
    public enum Format: Hashable, Sendable {
        /// Seconds since 1970 with so many decimals, at most 9, rounded: ping has 6, fping 5.
        case unix(decimals: Int)
        /// As C's `ctime`: `Wed Jan 28 09:08:07 2026`
        case ctime
        /// `2026-01-28T09:08:07+0100`
        case iso
        /// `2026-01-28 09:08:07`
        case rfc3339
    }

    public let format: Format
    /// Makes instants of the events' times.
    public var clock: WallClock
    /// The local time less UTC, in seconds; of no concern to `unix`.
    public let utcOffset: Int32
    private var second: Int64 = .min
    private var words = ReportBuffer()

    public init(_ format: Format, clock: WallClock, utcOffset: Int32 = 0) {
        self.format = format
        self.clock = clock
        self.utcOffset = utcOffset
    }

    /// `[1795446802.714371] `
    public mutating func append(_ instant: Timestamp, to buffer: inout ReportBuffer) {
        buffer.append("[")
        defer { buffer.append("] ") }
        let nanoseconds = clock.nanoseconds(at: instant)
        guard case .unix(let decimals) = format else {
            let local = floorDivide(nanoseconds, 1_000_000_000).quotient + Int64(utcOffset)
            if local != second {
                second = local
                words.removeAll()
                appendWords(CivilTime(seconds: local))
            }
            return buffer.append(words)
        }
        var unit: UInt64 = 1_000_000_000
        for _ in 0..<max(0, min(decimals, 9)) { unit /= 10 }
        let rounded = (UInt64(max(0, nanoseconds)) + unit / 2) / unit
        let (seconds, fraction) = rounded.quotientAndRemainder(dividingBy: 1_000_000_000 / unit)
        buffer.append(decimal: seconds)
        guard decimals > 0 else { return }
        buffer.append(".")
        buffer.append(decimal: fraction, minimumDigits: min(decimals, 9))
    }

    private mutating func appendWords(_ time: CivilTime) {
        switch format {
        case .unix: return
        case .ctime:
            words.append(Self.weekdays[Int(time.weekday)])
            words.append(" ")
            words.append(Self.months[Int(time.month) - 1])
            words.append(time.day < 10 ? "  " : " ")
            words.append(decimal: time.day)
            words.append(" ")
            words.append(timeOf: time)
            words.append(" ")
            words.append(decimal: time.year)
        case .iso:
            words.append(dateOf: time)
            words.append("T")
            words.append(timeOf: time)
            words.append(utcOffset < 0 ? "-" : "+")
            let minutes = utcOffset.magnitude / 60
            words.append(decimal: minutes / 60, minimumDigits: 2)
            words.append(decimal: minutes % 60, minimumDigits: 2)
        case .rfc3339:
            words.append(dateOf: time)
            words.append(" ")
            words.append(timeOf: time)
        }
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
