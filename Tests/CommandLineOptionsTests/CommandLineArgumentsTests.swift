import CommandLineOptions
import Testing

@Suite struct CommandLineArgumentsTests {
    @Test func theyAreThoseOfTheProcess() {
        #expect(CommandLineArguments.operandsAndOptions == Array(CommandLine.arguments.dropFirst()))
        #expect(!CommandLineArguments.operandsAndOptions.isEmpty, "the test runner always gives some")
    }
}
