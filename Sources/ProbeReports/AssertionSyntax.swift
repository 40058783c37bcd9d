import ProbeEngine

/// Why a text is no assertion.
public struct AssertionError: Error, Hashable, Sendable {
    /// What it should have been, behind the words "is not".
    public var expected: String
}

/// A condition as it is written: a quantity, a sign and a value.
struct AssertionSyntax: Hashable, Sendable {
    /// As it was written, without spaces.
    let text: String
    let quantity: String
    let comparison: AssertionComparison
    /// What stands behind the sign.
    let value: ArraySlice<UInt8>

    /// Nil where there is no sign of a comparison.
    init?(parsing text: String) {
        let characters = text.utf8.filter { $0 != UInt8(ascii: " ") }
        guard let sign = characters.firstIndex(where: { $0 == UInt8(ascii: "<") || $0 == UInt8(ascii: ">") }),
            sign == 0 || characters[sign - 1] != UInt8(ascii: "=")
        else { return nil }
        var end = sign + 1
        let isStrict = end == characters.count || characters[end] != UInt8(ascii: "=")
        if !isStrict { end += 1 }
        switch (characters[sign] == UInt8(ascii: ">"), isStrict) {
        case (true, true): comparison = .above
        case (true, false): comparison = .atLeast
        case (false, true): comparison = .below
        case (false, false): comparison = .atMost
        }
        quantity = String(decoding: characters[..<sign], as: UTF8.self)
        value = characters[end...]
        self.text = String(decoding: characters, as: UTF8.self)
    }
}

/// What a measured value is compared with, exactly.
struct AssertionLimit: Hashable, Sendable {
    let comparison: AssertionComparison
    /// Billionths of the whole, nanoseconds, or a count.
    let threshold: Int64
    /// The threshold as it was written.
    let text: String

    /// Nil when the value is none of that unit.
    init?(_ syntax: AssertionSyntax, _ unit: AssertionUnit) {
        guard let threshold = unit.value(of: syntax.value) else { return nil }
        self.threshold = threshold
        comparison = syntax.comparison
        text = String(decoding: syntax.value, as: UTF8.self)
    }

    /// The measured value and the limit that it breaks, such as `2% > 1%`, or why there is no value; nil where it breaks
    /// none.
    func failure(of value: AssertionValue) -> String? {
        switch value {
        case .nothing(let reason): return "unknown: \(reason)"
        case .share(let part, let whole):
            let (measured, limit) = (
                UInt128(part) * UInt128(AssertionUnit.whole), UInt128(threshold) * UInt128(whole)
            )
            guard comparison.holds(measured, limit) else { return nil }
            var percent = ReportBuffer()
            percent.append(percent: part, of: whole)
            return failure(String(decoding: percent.bytes, as: UTF8.self) + "%")
        case .time(let span):
            guard comparison.holds(span.nanoseconds, threshold) else { return nil }
            return failure(Self.milliseconds(span) + "ms")
        case .count(let count):
            guard comparison.holds(count, UInt64(threshold)) else { return nil }
            return failure(String(count))
        }
    }

    private func failure(_ measured: String) -> String { "\(measured) \(comparison.rawValue) \(text)" }

    /// To the nanosecond, without zeros at the end.
    private static func milliseconds(_ span: TimeSpan) -> String {
        let (whole, rest) = span.nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        let sign = span.nanoseconds < 0 ? "-" : ""
        guard rest > 0 else { return "\(sign)\(whole)" }
        var fraction = String(1_000_000 + rest).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return "\(sign)\(whole).\(fraction)"
    }
}

/// What was measured.
enum AssertionValue {
    case share(UInt64, of: UInt64)
    case time(TimeSpan)
    case count(UInt64)
    /// And why.
    case nothing(String)
}

enum AssertionComparison: String, Hashable, Sendable {
    case above = ">"
    case atLeast = ">="
    case below = "<"
    case atMost = "<="

    func holds<Value: Comparable>(_ measured: Value, _ limit: Value) -> Bool {
        switch self {
        case .above: measured > limit
        case .atLeast: measured >= limit
        case .below: measured < limit
        case .atMost: measured <= limit
        }
    }
}

/// How the value of a condition is written.
enum AssertionUnit {
    case percent
    case time
    case count

    /// A hundred per cent.
    static let whole: Int64 = 1_000_000_000

    var description: String {
        switch self {
        case .percent: "a percentage from 0% to 100%, such as 0.5%"
        case .time: "a time with its unit, such as 200us, 20ms or 1.5s"
        case .count: "a whole number, such as 0 or 10"
        }
    }

    /// Nil on anything that is not exactly such a value.
    func value(of text: ArraySlice<UInt8>) -> Int64? {
        switch self {
        case .percent:
            guard text.last == UInt8(ascii: "%"), let value = Self.decimal(text.dropLast(), scale: Self.whole / 100),
                value <= Self.whole
            else { return nil }
            return value
        case .time:
            for (suffix, scale) in [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)] as [(String, Int64)]
            where text.count > suffix.utf8.count && text.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) {
                return Self.decimal(text.dropLast(suffix.utf8.count), scale: scale)
            }
            return nil
        case .count: return Self.decimal(text, scale: 1)
        }
    }

    /// A decimal number times `scale`, a power of ten; nil unless that is a whole number that an Int64 holds.
    private static func decimal(_ text: ArraySlice<UInt8>, scale: Int64) -> Int64? {
        var value: Int64 = 0
        var rest = scale
        var isFraction = false
        var digits = 0
        for character in text {
            if character == UInt8(ascii: "."), !isFraction, digits > 0 {
                isFraction = true
                digits = 0
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else { return nil }
            digits += 1
            let digit = Int64(character - UInt8(ascii: "0"))
            if isFraction {
                // Digits behind the last place that counts are zeros or too exact.
                if rest == 1 {
                    guard digit == 0 else { return nil }
                    continue
                }
                rest /= 10
            }
            let (product, overflow) =
                isFraction ? (value, false) : value.multipliedReportingOverflow(by: 10)
            let (part, partOverflow) = digit.multipliedReportingOverflow(by: isFraction ? rest : scale)
            let (sum, sumOverflow) = product.addingReportingOverflow(part)
            guard !overflow, !partOverflow, !sumOverflow else { return nil }
            value = sum
        }
        return digits > 0 ? value : nil
    }
}
