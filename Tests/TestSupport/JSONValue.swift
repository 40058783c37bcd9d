/// A JSON text of RFC 8259, read strictly: no member twice, nothing behind the value.
public enum JSONValue: Equatable, Sendable {
    case null
    case boolean(Bool)
    /// As it is written.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    public struct Malformed: Error, CustomStringConvertible {
        public var description: String
    }

    public init(parsing text: String) throws(Malformed) {
        var rest = Array(text.unicodeScalars)[...]
        self = try Self.value(&rest)
        Self.skipSpace(&rest)
        guard rest.isEmpty else { throw Malformed(description: "more behind the value: \(text)") }
    }

    public var integer: Int64? {
        guard case .number(let digits) = self else { return nil }
        return Int64(digits)
    }

    public var double: Double? {
        guard case .number(let digits) = self else { return nil }
        return Double(digits)
    }

    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    public var elements: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }

    /// A member of an object, null where it is not there.
    public subscript(_ name: String) -> JSONValue {
        guard case .object(let members) = self else { return .null }
        return members[name] ?? .null
    }

    private static func skipSpace(_ rest: inout ArraySlice<Unicode.Scalar>) {
        while let first = rest.first, [" ", "\t", "\n", "\r"].contains(first) { rest.removeFirst() }
    }

    private static func take(_ scalar: Unicode.Scalar, _ rest: inout ArraySlice<Unicode.Scalar>) -> Bool {
        skipSpace(&rest)
        guard rest.first == scalar else { return false }
        rest.removeFirst()
        return true
    }

    private static func value(_ rest: inout ArraySlice<Unicode.Scalar>) throws(Malformed) -> JSONValue {
        skipSpace(&rest)
        switch rest.first {
        case "{":
            rest.removeFirst()
            return try object(&rest)
        case "[":
            rest.removeFirst()
            return try array(&rest)
        case "\"":
            rest.removeFirst()
            return .string(try string(&rest))
        default:
            let word = String(String.UnicodeScalarView(rest.prefix { "+-.".unicodeScalars.contains($0) || isWord($0) }))
            rest.removeFirst(word.unicodeScalars.count)
            switch word {
            case "null": return .null
            case "true": return .boolean(true)
            case "false": return .boolean(false)
            default:
                guard isNumber(word) else { throw Malformed(description: "no value: \(word)") }
                return .number(word)
            }
        }
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
    }

    /// By hand: a regular expression is compiled anew for each number, and took half of the time of reading a line.
    private static func isNumber(_ word: String) -> Bool {
        var rest = word.unicodeScalars[...]
        func skip(_ scalars: String) -> Bool {
            guard let first = rest.first, scalars.unicodeScalars.contains(first) else { return false }
            rest.removeFirst()
            return true
        }
        func skipDigits() -> Bool {
            let digits = rest.prefix { ("0"..."9").contains($0) }
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

    private static func object(_ rest: inout ArraySlice<Unicode.Scalar>) throws(Malformed) -> JSONValue {
        var members: [String: JSONValue] = [:]
        if take("}", &rest) { return .object(members) }
        repeat {
            guard take("\"", &rest) else { throw Malformed(description: "no name of a member") }
            let name = try string(&rest)
            guard take(":", &rest) else { throw Malformed(description: "no colon behind \(name)") }
            guard members.updateValue(try value(&rest), forKey: name) == nil else {
                throw Malformed(description: "twice: \(name)")
            }
        } while take(",", &rest)
        guard take("}", &rest) else { throw Malformed(description: "object without end") }
        return .object(members)
    }

    private static func array(_ rest: inout ArraySlice<Unicode.Scalar>) throws(Malformed) -> JSONValue {
        var elements: [JSONValue] = []
        if take("]", &rest) { return .array(elements) }
        repeat { elements.append(try value(&rest)) } while take(",", &rest)
        guard take("]", &rest) else { throw Malformed(description: "array without end") }
        return .array(elements)
    }

    /// The rest of a string behind its quotation mark.
    private static func string(_ rest: inout ArraySlice<Unicode.Scalar>) throws(Malformed) -> String {
        var text = ""
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"": return text
            case "\\": text.unicodeScalars.append(try escape(&rest))
            default:
                guard scalar.value >= 0x20 else { throw Malformed(description: "control character in a string") }
                text.unicodeScalars.append(scalar)
            }
        }
        throw Malformed(description: "string without end")
    }

    private static func escape(_ rest: inout ArraySlice<Unicode.Scalar>) throws(Malformed) -> Unicode.Scalar {
        switch rest.popFirst() {
        case "\"": return "\""
        case "\\": return "\\"
        case "/": return "/"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "b": return "\u{8}"
        case "f": return "\u{c}"
        case "u":
            let digits = String(String.UnicodeScalarView(rest.prefix(4)))
            guard digits.utf8.count == 4, let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
            else { throw Malformed(description: "no character: \(digits)") }
            rest.removeFirst(4)
            return scalar
        default: throw Malformed(description: "no escape")
        }
    }
}
