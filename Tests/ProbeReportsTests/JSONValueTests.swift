import ProbeReports
import TestSupport
import Testing

/// The reader that judges all lines of JSON is as strict as RFC 8259, section 6.
@Suite struct JSONValueTests {
    @Test(arguments: ["0", "-0", "7", "120", "-15", "0.5", "10.25", "1e3", "1E+3", "2.5e-10", "9223372036854775807"])
    func takesNumbers(text: String) throws {
        #expect(try JSONValue(parsing: text) == .number(text))
    }

    @Test(arguments: [
        "", "-", "+1", "01", "-01", ".5", "1.", "1.e3", "1e", "1e+", "0x1", "1a", "--1", "1.2.3", "NaN", "1 2",
    ])
    func refusesWhatIsNoNumber(text: String) {
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: text) }
    }

    @Test(arguments: [
        ("\"\"", ""), ("\"a\\n\\t\\\\\\/\\\"\"", "a\n\t\\/\""), ("\"\\u00e9\\ud83d\\ude00\"", "\u{e9}\u{1f600}"),
        ("\"\u{e9}\u{1f600}\"", "\u{e9}\u{1f600}"), (" \"\\u0000\" ", "\0"),
    ])
    func takesStrings(text: String, expected: String) throws {
        #expect(try JSONValue(parsing: text) == .string(expected))
    }

    @Test(arguments: [
        "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"",
        "\"\n\"",
        "{\"a\":1,\"a\":2}", "{\"a\"}", "{a:1}", "{\"a\":1,}", "[1,]", "[1 2]", "[", "{", "]", "{}{}", "nul",
    ])
    func refuses(text: String) {
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: text) }
    }

    @Test func refusesBytesThatAreNoText() {
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: [0x22, 0xff, 0x22][...]) }
    }

    /// Sixty-four levels are enough for anybody, and few enough for every stack.
    @Test func levelsAreBounded() throws {
        func nested(_ count: Int) -> String {
            String(repeating: "[", count: count) + String(repeating: "]", count: count)
        }
        #expect(throws: Never.self) { try JSONValue(parsing: nested(64)) }
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: nested(65)) }
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: nested(1_000_000)) }
    }
}
