/// Text from the command line, made fit to be printed in an error line: one line, no control characters, bounded.
///
/// Controls, format characters (bidirectional overrides, zero widths), unassigned and private scalars become `\x1b` or
/// `\u{202e}`, a backslash is doubled, and what is behind the limit becomes `...`.
public struct EchoedText: CustomStringConvertible {
    public let description: String

    /// - Parameter limit: scalars that are shown; of more, `...` is left.
    public init(_ text: String, limit: Int = 48) {
        var shown = ""
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < limit else {
                shown += "..."
                break
            }
            count += 1
            if scalar == "\\" {
                shown += "\\\\"
            } else if Self.isPrintable(scalar) {
                shown.unicodeScalars.append(scalar)
            } else if scalar.value < 0x80 {
                shown += Self.byte(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        description = shown
    }

    /// An option letter as getopt(3) gives it back; a byte outside ASCII is a part of a character and shown in hex.
    init(letter: UInt8) {
        if letter == UInt8(ascii: "\\") {
            description = "\\\\"
        } else if (0x20..<0x7f).contains(letter) {
            description = String(UnicodeScalar(letter))
        } else {
            description = Self.byte(letter)
        }
    }

    private static func byte(_ value: UInt8) -> String {
        (value < 16 ? "\\x0" : "\\x") + String(value, radix: 16)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7f { return scalar.value >= 0x20 }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: return false
        default: return true
        }
    }
}
