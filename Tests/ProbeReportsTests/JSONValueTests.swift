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
}
