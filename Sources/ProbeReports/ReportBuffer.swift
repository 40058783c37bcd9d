import PacketFormats
import ProbeEngine

/// The bytes of a report while a batch of events is written, to be handed over in one piece.
public struct ReportBuffer: Hashable, Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public var isEmpty: Bool { bytes.isEmpty }

    /// Whether it holds so much that it should be handed over before more comes.
    var isLarge: Bool { bytes.count >= Self.large }

    private static let large = 1 << 16

    /// Starts again with the memory that is there.
    public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Appends text of our own; text of foreign origin comes as a `SafeText`.
    public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends text of foreign origin.
    public mutating func append(_ text: SafeText) { append(text.description) }

    /// Appends what another buffer holds.
    mutating func append(_ other: ReportBuffer) { bytes += other.bytes }

    /// Appends a finished line of NDJSON.
    public mutating func append(_ line: JSONLine) { bytes.append(contentsOf: line.bytes) }

    /// Appends a number in decimal, with zeros in front up to `minimumDigits`.
    public mutating func append(decimal number: some BinaryInteger, minimumDigits: Int = 1) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        append(digitsOf: UInt64(clamping: number.magnitude), minimumDigits)
    }

    private mutating func append(digitsOf number: UInt64, _ minimumDigits: Int) {
        var count = 1
        var limit: UInt64 = 10
        while count < 8, number >= limit {
            count += 1
            limit *= 10
        }
        count = max(count, minimumDigits)
        guard number >= Self.tenToTheEighth || count > 8 else { return append(packedDigitsOf: number, count) }
        let (high, low) = number.quotientAndRemainder(dividingBy: Self.tenToTheEighth)
        append(digitsOf: high, minimumDigits - 8)
        append(packedDigitsOf: low, 8)
    }

    /// Eight digits at most: they come out last digit first, and an array that is told how many there will be takes them
    /// faster.
    private mutating func append(packedDigitsOf number: UInt64, _ count: Int) {
        var rest = UInt32(truncatingIfNeeded: number)
        var packed: UInt64 = 0
        for _ in 0..<count {
            packed = packed << 8 | UInt64(UInt8(ascii: "0")) + UInt64(rest % 10)
            rest /= 10
        }
        bytes.append(addingCapacity: count) { output in
            for _ in 0..<count {
                output.append(UInt8(truncatingIfNeeded: packed))
                packed >>= 8
            }
        }
    }

    private static let tenToTheEighth: UInt64 = 100_000_000

    /// Appends an octet in hexadecimal.
    mutating func append(hexadecimal octet: UInt8, minimumDigits: Int = 1) {
        if octet < 16, minimumDigits > 1 { append("0") }
        append(String(octet, radix: 16))
    }

    /// Appends milliseconds with three decimals, halves away from zero: `0.127`.
    public mutating func append(milliseconds span: TimeSpan) {
        let microseconds = (span.nanoseconds.magnitude + 500) / 1000
        if span.nanoseconds < 0, microseconds > 0 { append("-") }
        append(decimal: microseconds / 1000)
        append(".")
        append(decimal: microseconds % 1000, minimumDigits: 3)
    }

    /// Appends seconds with three decimals, halves away from zero: `5.002`.
    mutating func append(seconds span: TimeSpan) {
        let milliseconds = (span.nanoseconds.magnitude + 500_000) / 1_000_000
        if span.nanoseconds < 0, milliseconds > 0 { append("-") }
        append(decimal: milliseconds / 1000)
        append(".")
        append(decimal: milliseconds % 1000, minimumDigits: 3)
    }

    /// Appends milliseconds as ping does in its lines: without decimals from 100 on, where they mean nothing.
    mutating func append(shortMilliseconds span: TimeSpan) {
        guard span.nanoseconds.magnitude + 500 >= 100_000_000 else { return append(milliseconds: span) }
        if span.nanoseconds < 0 { append("-") }
        append(decimal: (span.nanoseconds.magnitude + 500_000) / 1_000_000)
    }

    /// Appends milliseconds with the digits of ping of iputils: `0.127`, `1.27`, `12.7` and `127`, of whole microseconds.
    mutating func append(pingMilliseconds span: TimeSpan) {
        let microseconds = (span.nanoseconds.magnitude + 500) / 1_000
        let (unit, digits): (UInt64, Int) =
            switch microseconds {
            case ..<1_000: (1, 3)
            case ..<9_995: (10, 2)
            case ..<99_950: (100, 1)
            default: (1_000, 0)
            }
        let rounded = (microseconds + unit / 2) / unit
        if span.nanoseconds < 0, rounded > 0 { append("-") }
        append(decimal: rounded / (1_000 / unit))
        guard digits > 0 else { return }
        append(".")
        append(decimal: rounded % (1_000 / unit), minimumDigits: digits)
    }

    /// Appends `part` of `whole` in per cent to six significant digits, as C's `%g` writes it: `33.3333`, `1e-05`.
    ///
    /// Exact: counters pass 2^53, so no floating point takes part. Nothing of nothing is 0.
    public mutating func append(percent part: UInt64, of whole: UInt64) {
        guard part > 0, whole > 0 else { return append("0") }
        let (numerator, denominator) = (UInt128(part) * 100, UInt128(whole))
        // The first significant digit stands for tens to this power.
        var exponent = 0
        if numerator >= denominator {
            var power = denominator
            while numerator >= power * 10 {
                power *= 10
                exponent += 1
            }
        } else {
            var scaled = numerator
            while scaled < denominator {
                scaled *= 10
                exponent -= 1
            }
        }
        var (scaled, divisor) = (numerator, denominator)
        for _ in 0..<max(0, 5 - exponent) { scaled *= 10 }
        for _ in 0..<max(0, exponent - 5) { divisor *= 10 }
        var digits = (scaled + divisor / 2) / divisor
        if digits == 1_000_000 {
            digits = 100_000
            exponent += 1
        }
        append(digits: UInt64(truncatingIfNeeded: digits), exponent: exponent)
    }

    /// Appends six significant digits, the first of which stands for tens to `exponent`, without trailing zeros.
    private mutating func append(digits: UInt64, exponent: Int) {
        // `%g` turns to the form with an exponent here.
        let isSmall = exponent < -4
        var decimals = isSmall ? 5 : max(0, 5 - exponent)
        var rest = digits
        while decimals > 0, rest % 10 == 0 {
            rest /= 10
            decimals -= 1
        }
        var unit: UInt64 = 1
        for _ in 0..<decimals { unit *= 10 }
        for _ in 0..<max(0, exponent - 5) { rest *= 10 }
        append(decimal: rest / unit)
        if decimals > 0 {
            append(".")
            append(decimal: rest % unit, minimumDigits: decimals)
        }
        if isSmall {
            append("e-")
            append(decimal: -exponent, minimumDigits: 2)
        }
    }

    /// Appends an address; an interface is named where `zones` knows its name.
    mutating func append(_ address: IPAddress, zones: [UInt32: SafeText]) {
        switch address {
        case .v4(let address): append(address)
        case .v6(let address):
            append(address)
            guard address.zone != 0 else { return }
            append("%")
            if let name = zones[address.zone] { append(name) } else { append(decimal: address.zone) }
        }
    }

    private mutating func append(_ address: IPv4Address) {
        bytes.append(addingCapacity: 15) { output in
            for shift: UInt32 in [24, 16, 8, 0] {
                let octet = UInt8(truncatingIfNeeded: address.rawValue >> shift)
                if octet >= 100 { output.append(UInt8(ascii: "0") + octet / 100) }
                if octet >= 10 { output.append(UInt8(ascii: "0") + octet / 10 % 10) }
                output.append(UInt8(ascii: "0") + octet % 10)
                if shift > 0 { output.append(UInt8(ascii: ".")) }
            }
        }
    }

    /// Without its zone, in the canonical form of RFC 5952: the first of the longest runs of two and more zero groups is
    /// left out.
    private mutating func append(_ address: IPv6Address) {
        if let mapped = address.mappedIPv4 {
            append("::ffff:")
            return append(mapped)
        }
        var gap = 8..<8
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, address.group(end) == 0 { end += 1 }
            if end - index >= 2, end - index > gap.count { gap = index..<end }
            index = max(end, index + 1)
        }
        bytes.append(addingCapacity: 39) { output in
            var index = 0
            while index < 8 {
                if index == gap.lowerBound {
                    output.append(UInt8(ascii: ":"))
                    output.append(UInt8(ascii: ":"))
                    index = gap.upperBound
                    continue
                }
                if index > 0, index != gap.upperBound { output.append(UInt8(ascii: ":")) }
                let group = address.group(index)
                for shift: UInt16 in [12, 8, 4, 0] where shift == 0 || group >> shift > 0 {
                    let digit = UInt8(truncatingIfNeeded: group >> shift & 15)
                    output.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
                }
                index += 1
            }
        }
    }

    /// Appends a string of RFC 8259 section 7; a Swift string is valid UTF-8 already.
    mutating func append(quoted text: String) { JSONLine.append(quoted: text, to: &bytes) }
}

extension IPv6Address {
    fileprivate func group(_ index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> (48 - 16 * UInt64(index & 3)))
    }
}

extension IPAddress {
    /// The canonical text; an interface is named where `zones` knows its name.
    func text(_ zones: [UInt32: SafeText]) -> String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description { zones[$0]?.description ?? String($0) }
        }
    }
}
