import CommandLineOptions
import Glibc
import LinuxSockets
import ProbeIO
import ProbeReports

@main
struct Tool {
    static let name = "swecho"

    static func main() {
        exit(runTool(name) { output throws(ToolFailure) in try run(&output) })
    }

    private static func run(_ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        do throws(UsageError) {
            switch try commandTable.parse(CommandLineArguments.operandsAndOptions) {
            case .print(let text):
                output.write(text)
                return ExitStatus.success
            case .run(.serve(let configuration)): return serve(configuration, &output)
            case .run(.send(let configuration)): return send(configuration, &output)
            }
        } catch {
            throw ToolFailure(error.message, speaker: error.tool)
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
func complain(_ text: String) { reportLine(text, from: Tool.name) }

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
