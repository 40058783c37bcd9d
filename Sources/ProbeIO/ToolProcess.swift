import LinuxSockets

/// Why a tool ends without having done its work: one line for standard error and the exit status.
public struct ToolFailure: Error, Sendable {
    public var line: String
    public var status: Int32

    public init(_ line: String, status: Int32 = 2) {
        self.line = line
        self.status = status
    }
}

/// Runs the whole of a tool and returns its exit status; `main` passes it to `exit`, which runs no deinit itself.
///
/// Standard descriptors are open when `body` starts, a closed pipe is a failed write instead of a signal, and what
/// `body` wrote is flushed. A failure of standard output overrides the status: 141 for a reader that has gone, else 2.
public func runTool(
    _ name: String, _ body: (inout OutputWriter) throws(ToolFailure) -> Int32
) -> Int32 {
    var output = OutputWriter()
    OutputWriter.ignoreBrokenPipes()
    var status: Int32
    do throws(ToolFailure) {
        do throws(Errno) {
            try ensureStandardDescriptors()
        } catch {
            throw ToolFailure("cannot open /dev/null: \(error)")
        }
        status = try body(&output)
    } catch {
        reportLine(error.line, from: name)
        status = error.status
    }
    output.flush()
    guard let failure = output.failure else { return status }
    if failure != .closed { reportLine(failure.description, from: name) }
    return failure.exitStatus
}
