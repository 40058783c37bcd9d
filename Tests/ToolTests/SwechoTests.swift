import TestSupport
import Testing

@Suite struct SwechoTests {
    @Test func aPastedURLIsNamed() throws {
        let result = try ToolCommand("swecho", "send", "https://example.net/x").run()
        #expect(result.status == 2)
        #expect(
            result.errors
                == "swecho: 'https://example.net/x' is a URL or path, not a host: did you mean 'example.net'?\n")
        #expect(result.output.isEmpty)
    }
}
