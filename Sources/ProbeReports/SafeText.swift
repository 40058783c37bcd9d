/// Text of foreign origin that can do nothing to a terminal, a table or a parser: what a name server, a router or an
/// echo server sent passes through here before it is printed anywhere.
///
/// Printable characters stay as they are. Everything else is written as an escape, and a backslash as two, so that two
/// different inputs never look the same: `\n`, `\r`, `\t`, `\xNN` for a control character of one byte or a byte that is
/// not UTF-8, `\u{NNNN}` for what is invisible or turns the direction of the line (Unicode's categories control, format,
/// surrogate, private use, unassigned, line and paragraph separator).
public struct SafeText: Hashable, Sendable {
    /// Printable characters only, without line breaks.
    public let description: String

    /// Text for people, in which spaces stay spaces. O(n).
    ///
    /// - Parameter limit: bytes that are looked at; of more, `...` is left.
    public init(_ bytes: some Collection<UInt8>, limit: Int = .max) {
        self.init(escaping: bytes, limit: limit, spaces: true)
    }

    /// As `init(_:limit:)`, for text that is Unicode already.
    public init(_ text: String, limit: Int = .max) {
        self.init(escaping: text.utf8, limit: limit, spaces: true)
    }

    /// A name that stands between other words of a line: white space is escaped too, so that it stays one word. O(n).
    ///
    /// More than 255 bytes, the longest name of the DNS (RFC 1035 section 2.3.4), are cut.
    public init(name: String) {
        self.init(escaping: name.utf8, limit: 255, spaces: false)
    }

    /// Text of our own making, such as that of an address: printable characters only.
    init(printable text: String) { description = text }

    private init(escaping bytes: some Collection<UInt8>, limit: Int, spaces: Bool) {
        var text = ""
        var rest = bytes.prefix(max(0, limit))
        while !rest.isEmpty {
            var iterator = rest.makeIterator()
            var parser = Unicode.UTF8.ForwardParser()
            switch parser.parseScalar(from: &iterator) {
            case .valid(let encoded):
                Self.append(Unicode.UTF8.decode(encoded), to: &text, spaces: spaces)
                rest = rest.dropFirst(encoded.count)
            case .error(let length):
                for byte in rest.prefix(length) { Self.append(byte: byte, to: &text) }
                rest = rest.dropFirst(max(1, length))
            case .emptyInput:
                rest = rest.dropFirst(rest.count)
            }
        }
        if bytes.count > max(0, limit) { text += "..." }
        description = text
    }

    private static func append(_ scalar: Unicode.Scalar, to text: inout String, spaces: Bool) {
        switch scalar {
        case "\\": text += "\\\\"
        case "\n": text += "\\n"
        case "\r": text += "\\r"
        case "\t": text += "\\t"
        case " " where spaces: text += " "
        case "!"..."~": text.unicodeScalars.append(scalar)
        default:
            if scalar.isASCII {
                append(byte: UInt8(truncatingIfNeeded: scalar.value), to: &text)
            } else if isPrintable(scalar, spaces: spaces) {
                text.unicodeScalars.append(scalar)
            } else {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
    }

    private static func append(byte: UInt8, to text: inout String) {
        text += byte < 16 ? "\\x0\(String(byte, radix: 16))" : "\\x\(String(byte, radix: 16))"
    }

    private static func isPrintable(_ scalar: Unicode.Scalar, spaces: Bool) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: spaces
        default: true
        }
    }
}

extension SafeText: CustomStringConvertible {}

extension SafeText {
    /// One field of a CSV file, quoted where it must be (RFC 4180 section 2).
    ///
    /// A first character that makes a spreadsheet take the field for a formula is escaped.
    public var csvField: String { SafeText.csvField(description) }

    /// The same of text that is safe already: printable characters without line breaks.
    static func csvField(_ safe: String) -> String {
        var text = safe
        if let first = text.utf8.first, "=+-@".utf8.contains(first) {
            text = "\\x\(String(first, radix: 16))" + text.dropFirst()
        }
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") }) else { return text }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
