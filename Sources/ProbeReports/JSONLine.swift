import ProbeEngine

/// One line of NDJSON while it is written: an object whose members come in the order in which they are added.
///
/// Numbers are integers, instants RFC 3339 text, text of foreign origin a `SafeText`. It allocates nothing but the
/// bytes, which a writer takes as they are.
public struct JSONLine: Sendable {
    /// The line so far; whole after `finish`.
    public private(set) var bytes: [UInt8]
    private var isEmpty = true

    /// The start of an object.
    public init() {
        bytes = [UInt8(ascii: "{")]
        bytes.reserveCapacity(256)
    }

    /// Adds an integer.
    public mutating func add(_ name: String, _ value: some BinaryInteger) {
        begin(name)
        bytes.append(contentsOf: String(value).utf8)
    }

    /// Adds `true` or `false`.
    public mutating func add(_ name: String, _ value: Bool) {
        begin(name)
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// Adds text of our own, such as a word of the schema.
    public mutating func add(_ name: String, _ value: String) {
        begin(name)
        append(quoted: value)
    }

    /// Adds text of foreign origin.
    public mutating func add(_ name: String, _ value: SafeText) { add(name, value.description) }

    /// Adds `null`.
    public mutating func addNull(_ name: String) {
        begin(name)
        bytes.append(contentsOf: "null".utf8)
    }

    /// Adds nanoseconds since 1970 as an RFC 3339 instant in UTC with nine digits of a second.
    public mutating func add(_ name: String, instant nanoseconds: Int64) { add(name, rfc3339(nanoseconds)) }

    /// Adds `part` of `whole` in per cent, to six significant digits.
    public mutating func add(_ name: String, percent part: UInt64, of whole: UInt64) {
        begin(name)
        var number = ReportBuffer()
        number.append(percent: part, of: whole)
        bytes += number.bytes
    }

    /// Adds `part` divided by `whole`, to six significant digits.
    public mutating func add(_ name: String, part: UInt64, of whole: UInt64) {
        add(name, percent: part, of: whole.multipliedReportingOverflow(by: 100).overflow ? .max : whole * 100)
    }

    /// Adds a time in milliseconds, as a fraction that is exact to the nanosecond.
    public mutating func add(_ name: String, milliseconds span: TimeSpan) {
        begin(name)
        let (whole, rest) = span.nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        let sign = span.nanoseconds < 0 ? "-" : ""
        bytes.append(contentsOf: "\(sign)\(whole).\(String(1_000_000 + rest).dropFirst())".utf8)
    }

    /// Adds an array of texts of our own.
    public mutating func add(_ name: String, texts: [String]) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
        for (index, text) in texts.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(quoted: text)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    /// Adds an array of integers.
    public mutating func add(_ name: String, integers: [some BinaryInteger]) {
        begin(name)
        bytes.append(contentsOf: "[\(integers.map { String($0) }.joined(separator: ","))]".utf8)
    }

    /// Adds the members that `write` adds, as an object of their own.
    public mutating func add(_ name: String, object write: (inout JSONLine) -> Void) {
        begin(name)
        var inner = JSONLine()
        write(&inner)
        bytes += inner.bytes
        bytes.append(UInt8(ascii: "}"))
    }

    /// Adds one object per element.
    public mutating func add<Elements: Sequence>(
        _ name: String, objects elements: Elements, writing write: (inout JSONLine, Elements.Element) -> Void
    ) {
        begin(name)
        var separator = UInt8(ascii: "[")
        var isEmpty = true
        for element in elements {
            bytes.append(separator)
            separator = UInt8(ascii: ",")
            isEmpty = false
            var inner = JSONLine()
            write(&inner, element)
            bytes += inner.bytes
            bytes.append(UInt8(ascii: "}"))
        }
        if isEmpty { bytes.append(separator) }
        bytes.append(UInt8(ascii: "]"))
    }

    /// Ends the object and the line.
    public mutating func finish() { bytes.append(contentsOf: "}\n".utf8) }

    private mutating func begin(_ name: String) {
        if !isEmpty { bytes.append(UInt8(ascii: ",")) }
        isEmpty = false
        append(quoted: name)
        bytes.append(UInt8(ascii: ":"))
    }

    /// A string of RFC 8259 section 7; a Swift string is valid UTF-8 already.
    private mutating func append(quoted text: String) {
        bytes.append(UInt8(ascii: "\""))
        defer { bytes.append(UInt8(ascii: "\"")) }
        let isPlain = text.utf8.allSatisfy {
            (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        guard !isPlain else { return bytes.append(contentsOf: text.utf8) }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20, 0x7f:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(Self.digits[Int(byte >> 4)])
                bytes.append(Self.digits[Int(byte & 15)])
            default:
                bytes.append(byte)
            }
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}

/// Nanoseconds since 1970 as RFC 3339 text in UTC with nine digits of a second: `2026-01-31T09:08:07.000000006Z`.
public func rfc3339(_ nanoseconds: Int64) -> String {
    let seconds = floorDivide(nanoseconds, 1_000_000_000)
    let days = floorDivide(seconds.quotient, 86_400)
    let date = civilDate(day: days.quotient)
    let second = days.remainder
    return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))T\(padded(second / 3600, 2))"
        + ":\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2)).\(padded(seconds.remainder, 9))Z"
}

/// The date of the proleptic Gregorian calendar that lies `day` days after 1970-01-01.
private func civilDate(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    // Years start in March here, so that the leap day is the last of its year. 400 years have 146,097 days.
    let era = floorDivide(day + 719_468, 146_097)
    let dayOfEra = era.remainder
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    // Five months of 31 and 30 days in turn have 153 days.
    let month = (5 * dayOfYear + 2) / 153
    let isNextYear = month >= 10
    return (
        yearOfEra + era.quotient * 400 + (isNextYear ? 1 : 0), isNextYear ? month - 9 : month + 3,
        dayOfYear - (153 * month + 2) / 5 + 1
    )
}

private func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

private func padded(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}
