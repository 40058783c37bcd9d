/// An instant as calendar and clock show it, of the proleptic Gregorian calendar.
struct CivilTime: Hashable, Sendable, BitwiseCopyable {
    var year: Int64
    /// 1 to 12.
    var month: Int64
    /// 1 to 31.
    var day: Int64
    /// 0 is Sunday.
    var weekday: Int64
    var hour: Int64
    var minute: Int64
    var second: Int64

    /// Seconds since 1970 of a clock without leap seconds.
    init(seconds: Int64) {
        let days = floorDivide(seconds, 86_400)
        // Years start in March here, so that the leap day is the last of its year. 400 years have 146,097 days.
        let era = floorDivide(days.quotient + 719_468, 146_097)
        let dayOfEra = era.remainder
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // Five months of 31 and 30 days in turn have 153 days.
        let marchMonth = (5 * dayOfYear + 2) / 153
        let isNextYear = marchMonth >= 10
        year = yearOfEra + era.quotient * 400 + (isNextYear ? 1 : 0)
        month = isNextYear ? marchMonth - 9 : marchMonth + 3
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        // 1970 began on a Thursday.
        weekday = floorDivide(days.quotient + 4, 7).remainder
        hour = days.remainder / 3600
        minute = days.remainder / 60 % 60
        second = days.remainder % 60
    }
}

/// The quotient rounded down, and what is left: from 0 to below the divisor, which is positive.
func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

/// Nanoseconds since 1970 as RFC 3339 text in UTC with nine digits of a second: `2026-01-31T09:08:07.000000006Z`.
public func rfc3339(_ nanoseconds: Int64) -> String {
    var text = InstantText()
    var buffer = ReportBuffer()
    text.append(nanoseconds, to: &buffer)
    return String(decoding: buffer.bytes, as: UTF8.self)
}

/// Writes instants as `rfc3339` does, and works out a second only once.
struct InstantText: Sendable {
    private var second: Int64 = .min
    private var words = ReportBuffer()

    mutating func append(_ nanoseconds: Int64, to buffer: inout ReportBuffer) {
        let (second, fraction) = floorDivide(nanoseconds, 1_000_000_000)
        if second != self.second {
            self.second = second
            words.removeAll()
            let time = CivilTime(seconds: second)
            words.append(dateOf: time)
            words.append("T")
            words.append(timeOf: time)
            words.append(".")
        }
        buffer.append(words)
        buffer.append(decimal: fraction, minimumDigits: 9)
        buffer.append("Z")
    }
}

extension ReportBuffer {
    /// `2026-01-31`
    mutating func append(dateOf time: CivilTime) {
        append(decimal: time.year, minimumDigits: 4)
        append("-")
        append(decimal: time.month, minimumDigits: 2)
        append("-")
        append(decimal: time.day, minimumDigits: 2)
    }

    /// `09:08:07`
    mutating func append(timeOf time: CivilTime) {
        append(decimal: time.hour, minimumDigits: 2)
        append(":")
        append(decimal: time.minute, minimumDigits: 2)
        append(":")
        append(decimal: time.second, minimumDigits: 2)
    }
}
