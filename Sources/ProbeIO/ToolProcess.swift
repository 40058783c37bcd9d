import Glibc
import LinuxSockets
import ProbeEngine

/// Why a tool ends without having done its work: one line for standard error and the exit status.
public struct ToolFailure: Error, Sendable {
    public var line: String
    /// Who says it, such as one command of a tool; nil for the tool itself.
    public var speaker: String?
    public var status: Int32

    public init(_ line: String, speaker: String? = nil, status: Int32 = 2) {
        self.line = line
        self.speaker = speaker
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
        reportLine(error.line, from: error.speaker ?? name)
        status = error.status
    }
    output.flush()
    guard let failure = output.failure else { return status }
    if failure != .closed { reportLine(failure.description, from: name) }
    return failure.exitStatus
}

extension TransportSelection {
    /// Opens the transport of a tool: rights are reduced to what that needs before, and all given up behind it.
    ///
    /// Throws the line that says which of these failed.
    ///
    /// - Parameter openFiles: opens what the command line names, and is called when the process has just the rights of its
    ///   caller: behind a set-user-ID that is given back, and for root before its rights go.
    public static func openAndDropRights(
        _ request: TransportRequest, openFiles: () throws(ToolFailure) -> Void = {}
    ) throws(ToolFailure) -> TransportSelection {
        let isRoot = getuid() == 0 && !Privileges.hasBorrowedIDs
        if isRoot { try openFiles() }
        do throws(Errno) {
            // Old kernels set a mark, and all of them SO_DEBUG, for CAP_NET_ADMIN only.
            let isForAdministrators = request.settings.mark != nil || request.settings.isDebugging
            var needed: CapabilitySet = isForAdministrators ? [.netRaw, .netAdmin] : .netRaw
            if request.settings.sourcePort.map({ $0 < 1_024 }) ?? false { needed.formUnion(.netBindService) }
            try ProcessRights.reduce(to: needed)
        } catch {
            throw ToolFailure("cannot reduce its rights: \(error)")
        }
        if !isRoot { try openFiles() }
        let stamps = ArrivalStamps()
        let identity: ProbeIdentity
        do throws(Errno) {
            identity = try .random()
        } catch {
            throw ToolFailure("cannot get random numbers: \(error)")
        }
        let selection: TransportSelection
        do throws(TransportError) {
            selection = try .openForAll(request, identity)
        } catch {
            throw ToolFailure(request.line(for: error))
        }
        do throws(Errno) {
            try ProcessRights.dropAll()
        } catch {
            throw ToolFailure("cannot give up its rights: \(error)")
        }
        stamps?.wait()
        return selection
    }
}
