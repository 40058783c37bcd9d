import Glibc
import LinuxSockets

/// One of this package's tools with its command line and surroundings, to be run as a process.
///
///     var command = ToolCommand("swecho", "send", "127.0.0.1")
///     command.userID = 65534
///     let result = try lab["a"].run { try command.run() }
public struct ToolCommand: Sendable {
    /// The path of the program.
    public var path: String
    public var arguments: [String]
    /// All of it, as `NAME=VALUE`.
    public var environment = ["PATH=\(searchPath)", "LC_ALL=C"]
    /// What the tool reads from standard input.
    public var input: [UInt8] = []
    public var output: ChildProcess.OutputTarget = .captured
    /// The user and group that it runs as, without other groups; nil for those of the test. Needs root and setpriv(1).
    public var userID: UInt32?
    /// Capabilities that it keeps as another user, by names such as `net_raw`.
    public var ambientCapabilities: [String] = []
    /// Capabilities that are taken out of its bounding set, and so of everything it has.
    public var removedCapabilities: [String] = []

    /// The tool as the build left it beside the tests.
    public init(_ name: String, _ arguments: String...) {
        path = Self.directory + "/" + name
        self.arguments = arguments
    }

    /// Whether the tests run as root and have the program that changes users.
    public static let canChangeUser = geteuid() == 0 && hasProgram("setpriv")

    /// Starts it in the network namespace of the calling thread.
    public func start() throws -> ChildProcess {
        try ChildProcess(commandLine, environment: environment, input: input, output: output)
    }

    /// Runs it to its end; a tool that takes longer is killed, which is a failure.
    public func run(seconds: Int64 = 30) throws -> CommandResult {
        var child = try start()
        return try child.finish(seconds: seconds)
    }

    private var commandLine: [String] {
        guard userID != nil || !removedCapabilities.isEmpty else { return [path] + arguments }
        // setpriv becomes the tool by exec, so that the process is the same one.
        var wrapper = ["setpriv"]
        if let userID { wrapper += ["--reuid", "\(userID)", "--regid", "\(userID)", "--clear-groups"] }
        if !ambientCapabilities.isEmpty {
            let list = ambientCapabilities.map { "+\($0)" }.joined(separator: ",")
            wrapper += ["--inh-caps", list, "--ambient-caps", list]
        }
        if !removedCapabilities.isEmpty {
            wrapper += ["--bounding-set", removedCapabilities.map { "-\($0)" }.joined(separator: ",")]
        }
        return wrapper + [path] + arguments
    }

    /// Where the build put this process, and the tools with it.
    private static let directory: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        let path = String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }()
}
