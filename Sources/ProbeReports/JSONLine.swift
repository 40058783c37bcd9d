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

    /// The rest of a line whose first members are written already.
    init(continuingLine: ()) {
        bytes = []
        isEmpty = false
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

    /// Adds a number of our own, without decimals where it is whole; `null` where there is none or it is not finite.
    mutating func add(_ name: String, number: Double?) {
        guard let number, number.isFinite else { return addNull(name) }
        if let whole = Int64(exactly: number) { return add(name, whole) }
        begin(name)
        bytes.append(contentsOf: "\(number)".utf8)
    }

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

    /// Adds an array of integers, `null` where there is none.
    mutating func add(_ name: String, optionalIntegers integers: [Int?]) {
        begin(name)
        bytes.append(contentsOf: "[\(integers.map { $0.map(String.init) ?? "null" }.joined(separator: ","))]".utf8)
    }

    /// What can stand in an array beside each other.
    enum Element {
        case integer(Int64)
        /// One of the schema.
        case word(String)
    }

    /// Adds an array of integers and words.
    mutating func add(_ name: String, elements: some Sequence<Element>) {
        begin(name)
        var separator = ""
        bytes.append(UInt8(ascii: "["))
        for element in elements {
            bytes.append(contentsOf: separator.utf8)
            separator = ","
            switch element {
            case .integer(let value): bytes.append(contentsOf: String(value).utf8)
            case .word(let word): append(quoted: word)
            }
        }
        bytes.append(UInt8(ascii: "]"))
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

    private mutating func append(quoted text: String) { Self.append(quoted: text, to: &bytes) }

    /// A string of RFC 8259 section 7; a Swift string is valid UTF-8 already.
    static func append(quoted text: String, to bytes: inout [UInt8]) {
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
                bytes.append(digits[Int(byte >> 4)])
                bytes.append(digits[Int(byte & 15)])
            default:
                bytes.append(byte)
            }
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
