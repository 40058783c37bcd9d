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
        var rest = UInt64(clamping: number.magnitude)
        if number < 0 { append("-") }
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0 || bytes.count - start < minimumDigits
        bytes[start...].reverse()
    }

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
        case .v4(let address):
            for shift: UInt32 in [24, 16, 8, 0] {
                append(decimal: address.rawValue >> shift & 0xff)
                if shift > 0 { append(".") }
            }
        case .v6: append(address.text(zones))
        }
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
