import CommandLineOptions
import Glibc
import LinuxSockets
import ProbeIO
import ProbeReports

@main
struct Tool {
    static func main() { exit(run()) }

    /// Runs in a function of its own, because `exit` would end the process before anything is closed.
    static func run() -> Int32 {
        var output = OutputWriter()
        OutputWriter.ignoreBrokenPipes()
        let status = run(&output)
        output.flush()
        guard let failure = output.failure else { return status }
        if failure != .closed { complain(failure.description) }
        return failure.exitStatus
    }

    private static func run(_ output: inout OutputWriter) -> Int32 {
        do throws(UsageError) {
            switch try commandTable.parse(Array(CommandLine.arguments.dropFirst())) {
            case .print(let text):
                output.write(text)
                return ExitStatus.success
            case .run(.serve(let configuration)): return serve(configuration, &output)
            case .run(.send(let configuration)): return send(configuration, &output)
            }
        } catch {
            var errors = OutputWriter(descriptor: STDERR_FILENO)
            errors.write("\(error)\n")
            errors.flush()
            return ExitStatus.failure
        }
    }
}

/// What the tool returns to its caller.
enum ExitStatus {
    static let success: Int32 = 0
    static let noAnswer: Int32 = 1
    static let failure: Int32 = 2
}

/// Says on standard error what went wrong.
func complain(_ text: String) { reportLine(text, from: "swecho") }

/// Gives up every right for ever; false, and a line that says so, when one is left.
func dropRights() -> Bool {
    do throws(Errno) {
        try ProcessRights.dropAll()
        return true
    } catch {
        complain("cannot give up its rights: \(error)")
        return false
    }
}
