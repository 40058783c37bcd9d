/// The value given to one occurrence of an option, and its exact readings: nothing wraps, rounds or is clamped.
///
/// Every reading throws `OptionError.invalid` with the value and what would have been right.
public struct OptionValue: Hashable, Sendable {
    /// The value as it was typed, with bytes that are not UTF-8 replaced by U+FFFD; nil where there was none.
    public let text: String?

    public init(_ text: String?) {
        self.text = text
    }

    /// The value as it was typed; an absent value reads as an empty one, which no other reading accepts.
    public var string: String { text ?? "" }

    /// Text that is not empty and has at most `maximumLength` bytes of UTF-8.
    public func text(maximumLength: Int) throws(OptionError) -> String {
        let string = string
        guard (1...max(1, maximumLength)).contains(string.utf8.count) else {
            throw invalid("a text of 1 to \(maximumLength) bytes")
        }
        return string
    }

    /// A whole number in decimal, and with `hexadecimal` also as `0x` and hexadecimal digits.
    ///
    /// A minus sign is accepted where the range has negative numbers, a plus sign never.
    public func wholeNumber<Number: FixedWidthInteger>(
        in range: ClosedRange<Number>, hexadecimal: Bool = false
    ) throws(OptionError) -> Number {
        if let number: Number = Self.wholeNumber(
            string.utf8[...], negative: range.lowerBound < 0, hexadecimal: hexadecimal), range.contains(number)
        {
            return number
        }
        let bounds = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard hexadecimal else { throw invalid(bounds) }
        throw invalid(
            bounds + " (0x\(String(range.lowerBound, radix: 16)) to 0x\(String(range.upperBound, radix: 16)))")
    }

    /// A port number, 1 to 65535.
    public func port() throws(OptionError) -> UInt16 {
        guard let port: UInt16 = Self.wholeNumber(string.utf8[...]), port > 0 else {
            throw invalid("a port from 1 to 65535")
        }
        return port
    }

    /// A time in nanoseconds: decimal seconds with at most nine digits behind the point, or a number and `us`, `ms`,
    /// `s` or `m` (minutes). What is not a whole number of nanoseconds is refused.
    public func duration(in range: ClosedRange<Int64>) throws(OptionError) -> Int64 {
        var digits = string.utf8[...]
        let scale = Self.takeTimeUnit(&digits)
        guard let time = Self.scaledDecimal(digits, scale: scale), range.contains(time) else {
            throw invalid("a time from \(Self.seconds(range.lowerBound)) to \(Self.seconds(range.upperBound)) seconds")
        }
        return time
    }

    /// A decimal number in billionths, with at most nine digits behind the point.
    public func decimal(in range: ClosedRange<Int64>) throws(OptionError) -> Int64 {
        guard let number = Self.scaledDecimal(string.utf8[...], scale: .billion), range.contains(number) else {
            throw invalid("a number from \(Self.seconds(range.lowerBound)) to \(Self.seconds(range.upperBound))")
        }
        return number
    }

    /// A share in billionths of the whole: decimal percent with at most seven digits behind the point, with or without
    /// a percent sign. `range` is in billionths too; the default is 0 to 100 %.
    public func percentage(in range: ClosedRange<Int64> = 0...1_000_000_000) throws(OptionError) -> Int64 {
        var digits = string.utf8[...]
        if digits.last == UInt8(ascii: "%") { digits.removeLast() }
        guard let share = Self.scaledDecimal(digits, scale: 10_000_000), range.contains(share) else {
            let bounds = (
                Self.decimal(range.lowerBound, scale: 10_000_000), Self.decimal(range.upperBound, scale: 10_000_000)
            )
            throw invalid("a percentage from \(bounds.0) to \(bounds.1)")
        }
        return share
    }

    /// A size in bytes; `k`, `M` and `G` (either case) are the powers of 1024.
    public func byteSize(in range: ClosedRange<Int64>) throws(OptionError) -> Int64 {
        var digits = string.utf8[...]
        var shift: Int64 = 0
        if let last = digits.last {
            switch last | 0x20 {
            case UInt8(ascii: "k"): shift = 10
            case UInt8(ascii: "m"): shift = 20
            case UInt8(ascii: "g"): shift = 30
            default: break
            }
        }
        if shift > 0 { digits.removeLast() }
        if let count: Int64 = Self.wholeNumber(digits) {
            let (size, overflow) = count.multipliedReportingOverflow(by: 1 << shift)
            if !overflow, range.contains(size) { return size }
        }
        throw invalid("a size from \(range.lowerBound) to \(range.upperBound) bytes (k, M, G: powers of 1024)")
    }

    /// One of the words, exactly as it is written there.
    public func word(_ words: [String]) throws(OptionError) -> String {
        let string = string
        guard words.contains(string) else { throw invalid("one of: " + words.joined(separator: ", ")) }
        return string
    }

    /// What stands for one of the words.
    public func choice<Value>(_ choices: [(word: String, value: Value)]) throws(OptionError) -> Value {
        let string = string
        for choice in choices where choice.word == string { return choice.value }
        throw invalid("one of: " + choices.map { $0.word }.joined(separator: ", "))
    }

    /// Bytes as pairs of hexadecimal digits, 1 to `maximumCount` of them.
    public func hexBytes(maximumCount: Int) throws(OptionError) -> [UInt8] {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in string.utf8 {
            guard bytes.count < maximumCount, let digit = Self.hexadecimalDigit(character) else {
                bytes = []
                break
            }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        guard high == nil, !bytes.isEmpty else {
            throw invalid("1 to \(maximumCount) bytes as pairs of hexadecimal digits")
        }
        return bytes
    }

    /// The longest waits for an answer as traceroute takes them: `MAX` or `MAX,HERE,NEAR`.
    ///
    /// `maximum` bounds MAX, in nanoseconds; HERE and NEAR are factors, in billionths, from 0 to 1000.
    public func waits(maximum: ClosedRange<Int64>) throws(OptionError) -> Waits {
        let parts = string.utf8.split(separator: UInt8(ascii: ","), maxSplits: 3, omittingEmptySubsequences: false)
        let factors: ClosedRange<Int64> = 0...1_000_000_000_000
        if parts.count == 1 || parts.count == 3,
            let first = Self.scaledDecimal(parts[0], scale: .billion), maximum.contains(first)
        {
            guard parts.count == 3 else { return Waits(maximum: first, factors: nil) }
            if let here = Self.scaledDecimal(parts[1], scale: .billion), factors.contains(here),
                let near = Self.scaledDecimal(parts[2], scale: .billion), factors.contains(near)
            {
                return Waits(maximum: first, factors: (here, near))
            }
        }
        let bounds = "\(Self.seconds(maximum.lowerBound)) to \(Self.seconds(maximum.upperBound))"
        throw invalid("MAX or MAX,HERE,NEAR (MAX \(bounds) seconds, HERE and NEAR 0 to 1000)")
    }

    /// An error that says what the value should have been: `a host name`.
    public func invalid(_ expected: String) -> OptionError {
        .invalid(value: string, expected: expected)
    }
}

/// The value of traceroute's `-w`.
public struct Waits: Sendable {
    /// Nanoseconds.
    public var maximum: Int64
    /// The factors HERE and NEAR in billionths; nil where only MAX was given.
    public var factors: (here: Int64, near: Int64)?
}

extension OptionValue {
    /// Digits, with a minus sign where `negative` allows it; nil on anything else and on overflow.
    private static func wholeNumber<Number: FixedWidthInteger>(
        _ text: Substring.UTF8View, negative: Bool = false, hexadecimal: Bool = false
    ) -> Number? {
        var digits = text
        var radix: Number = 10
        var isNegative = false
        if negative, digits.first == UInt8(ascii: "-") {
            isNegative = true
            digits.removeFirst()
        }
        if hexadecimal, digits.starts(with: "0x".utf8) || digits.starts(with: "0X".utf8) {
            radix = 16
            digits.removeFirst(2)
        }
        guard !digits.isEmpty else { return nil }
        var value: Number = 0
        for character in digits {
            guard let digit = hexadecimalDigit(character), digit < radix else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            guard !overflow else { return nil }
            // Negative numbers grow downwards: the least one has no positive twin.
            let (sum, carry) =
                isNegative
                ? product.subtractingReportingOverflow(Number(digit))
                : product.addingReportingOverflow(Number(digit))
            guard !carry else { return nil }
            value = sum
        }
        return value
    }

    /// A decimal number times `scale`, nil unless that is a whole number that an Int64 holds.
    private static func scaledDecimal(_ text: Substring.UTF8View, scale: Int64) -> Int64? {
        let point = text.firstIndex(of: UInt8(ascii: ".")) ?? text.endIndex
        let whole = text[..<point]
        let fraction = point == text.endIndex ? text[point...] : text[text.index(after: point)...]
        guard point == text.endIndex || !fraction.isEmpty, !whole.isEmpty || !fraction.isEmpty else { return nil }
        var value: Int64 = 0
        if !whole.isEmpty {
            guard let count: UInt64 = wholeNumber(whole), let signed = Int64(exactly: count) else {
                return nil
            }
            let (product, overflow) = signed.multipliedReportingOverflow(by: scale)
            guard !overflow else { return nil }
            value = product
        }
        if !fraction.isEmpty {
            guard fraction.count <= 9, let count: UInt64 = wholeNumber(fraction) else {
                return nil
            }
            var divisor: UInt64 = 1
            for _ in fraction { divisor *= 10 }
            // Under 10^9 times at most 6 * 10^10: it fits.
            let (quotient, remainder) = (count * UInt64(scale)).quotientAndRemainder(dividingBy: divisor)
            guard remainder == 0 else { return nil }
            let (sum, overflow) = value.addingReportingOverflow(Int64(quotient))
            guard !overflow else { return nil }
            value = sum
        }
        return value
    }

    private static func takeTimeUnit(_ text: inout Substring.UTF8View) -> Int64 {
        for unit in timeUnits where text.count > unit.suffix.utf8.count {
            let start = text.index(text.endIndex, offsetBy: -unit.suffix.utf8.count)
            if text[start...].elementsEqual(unit.suffix.utf8) {
                text = text[..<start]
                return unit.nanoseconds
            }
        }
        return .billion
    }

    private static func seconds(_ nanoseconds: Int64) -> String { decimal(nanoseconds, scale: .billion) }

    /// `value / scale` in decimal without trailing zeros; `scale` is a power of ten.
    private static func decimal(_ value: Int64, scale: Int64) -> String {
        let (whole, rest) = value.quotientAndRemainder(dividingBy: scale)
        guard rest != 0 else { return String(whole) }
        var fraction = String((rest.magnitude + scale.magnitude), radix: 10).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return "\(value < 0 ? "-" : "")\(whole.magnitude).\(fraction)"
    }

    private static func hexadecimalDigit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// `ms` and `us` come first because they end in the suffix of the second.
    private static let timeUnits: [(suffix: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("us", 1_000), ("s", .billion), ("m", 60 * .billion),
    ]
}

extension Int64 {
    fileprivate static let billion: Int64 = 1_000_000_000
}
