/// A JSON text of RFC 8259, read strictly: no member twice, nothing behind the value, 64 levels at most.
package enum JSONValue: Equatable, Sendable {
    case null
    case boolean(Bool)
    /// As it is written.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// Why a text is no JSON, in words of our own.
    package struct Malformed: Error, CustomStringConvertible {
        package var description: String
    }

    package init(parsing text: String) throws(Malformed) { try self.init(parsing: Array(text.utf8)[...]) }

    /// Parses bytes that should be UTF-8. O(n).
    package init(parsing bytes: ArraySlice<UInt8>) throws(Malformed) {
        var reader = Reader(rest: bytes)
        self = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.rest.isEmpty else { throw Malformed(description: "more behind the value") }
    }

    package var integer: Int64? {
        guard case .number(let digits) = self else { return nil }
        return Int64(digits)
    }

    package var double: Double? {
        guard case .number(let digits) = self else { return nil }
        return Double(digits)
    }

    package var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    package var elements: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }

    /// A member of an object, null where it is not there.
    package subscript(_ name: String) -> JSONValue {
        guard case .object(let members) = self else { return .null }
        return members[name] ?? .null
    }
}

private struct Reader {
    var rest: ArraySlice<UInt8>

    mutating func skipSpace() {
        while let first = rest.first, [0x20, 0x09, 0x0a, 0x0d].contains(first) { rest.removeFirst() }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    mutating func value(depth: Int) throws(JSONValue.Malformed) -> JSONValue {
        guard depth < Self.maximumDepth else { throw JSONValue.Malformed(description: "too many levels") }
        if take("{") { return try object(depth: depth) }
        if take("[") { return try array(depth: depth) }
        if take("\"") { return .string(try string()) }
        let word = rest.prefix { Self.isOfWord($0) }
        rest = rest[word.endIndex...]
        if word.elementsEqual("null".utf8) { return .null }
        if word.elementsEqual("true".utf8) { return .boolean(true) }
        if word.elementsEqual("false".utf8) { return .boolean(false) }
        guard Self.isNumber(word) else { throw JSONValue.Malformed(description: "no value") }
        return .number(String(decoding: word, as: UTF8.self))
    }

    private mutating func object(depth: Int) throws(JSONValue.Malformed) -> JSONValue {
        var members: [String: JSONValue] = [:]
        if take("}") { return .object(members) }
        repeat {
            guard take("\"") else { throw JSONValue.Malformed(description: "no name of a member") }
            let name = try string()
            guard take(":") else { throw JSONValue.Malformed(description: "no colon behind a name") }
            guard members.updateValue(try value(depth: depth + 1), forKey: name) == nil else {
                throw JSONValue.Malformed(description: "a member twice")
            }
        } while take(",")
        guard take("}") else { throw JSONValue.Malformed(description: "object without end") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(JSONValue.Malformed) -> JSONValue {
        var elements: [JSONValue] = []
        if take("]") { return .array(elements) }
        repeat { elements.append(try value(depth: depth + 1)) } while take(",")
        guard take("]") else { throw JSONValue.Malformed(description: "array without end") }
        return .array(elements)
    }

    /// The rest of a string behind its quotation mark.
    private mutating func string() throws(JSONValue.Malformed) -> String {
        var text: [UInt8] = []
        while true {
            let plain = rest.prefix { $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
            text += plain
            rest = rest[plain.endIndex...]
            guard let end = rest.popFirst() else { throw JSONValue.Malformed(description: "string without end") }
            switch end {
            case UInt8(ascii: "\""):
                guard let text = String(validating: text, as: UTF8.self) else {
                    throw JSONValue.Malformed(description: "a string that is not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): text += Array(String(try escape()).utf8)
            default: throw JSONValue.Malformed(description: "control character in a string")
            }
        }
    }

    private mutating func escape() throws(JSONValue.Malformed) -> Unicode.Scalar {
        switch rest.popFirst().map(Unicode.Scalar.init) {
        case "\"": return "\""
        case "\\": return "\\"
        case "/": return "/"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "b": return "\u{8}"
        case "f": return "\u{c}"
        case "u":
            let first = try hexadecimal()
            if let scalar = Unicode.Scalar(first) { return scalar }
            // The second half of a pair that stands for one character (section 7).
            guard rest.popFirst() == UInt8(ascii: "\\"), rest.popFirst() == UInt8(ascii: "u"), first < 0xdc00,
                case let second = try hexadecimal(), (0xdc00...0xdfff).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
            else { throw JSONValue.Malformed(description: "half of a character") }
            return scalar
        default: throw JSONValue.Malformed(description: "no escape")
        }
    }

    private mutating func hexadecimal() throws(JSONValue.Malformed) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = rest.popFirst(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw JSONValue.Malformed(description: "no number of a character")
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    private static func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: isDigit(byte)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isNumber(_ word: ArraySlice<UInt8>) -> Bool {
        var rest = word
        func skip(_ characters: String) -> Bool {
            guard let first = rest.first, characters.utf8.contains(first) else { return false }
            rest.removeFirst()
            return true
        }
        func skipDigits() -> Bool {
            let digits = rest.prefix(while: isDigit)
            rest = rest[digits.endIndex...]
            return !digits.isEmpty
        }
        _ = skip("-")
        guard skip("0") || skipDigits() else { return false }
        if skip(".") {
            guard skipDigits() else { return false }
        }
        if skip("eE") {
            _ = skip("+-")
            guard skipDigits() else { return false }
        }
        return rest.isEmpty
    }

    private static let maximumDepth = 64
}
