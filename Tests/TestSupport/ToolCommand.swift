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
    /// Descriptors that are closed when it starts, whatever else is said of them.
    public var closedDescriptors: [Int32] = []
    /// Contents of system files that it alone sees, by path: `/etc/hosts`. Needs root, unshare(1) and mount(8).
    public var files: [String: String] = [:]
    /// The user and group that it runs as, without other groups; nil for those of the test. Needs root and setpriv(1).
    public var userID: UInt32?
    /// Capabilities that it keeps as another user, by names such as `net_raw`.
    public var ambientCapabilities: [String] = []
    /// Capabilities that are taken out of its bounding set, and so of everything it has.
    public var removedCapabilities: [String] = []

    /// The tool as the build left it beside the tests.
    public init(_ name: String, _ arguments: String...) {
        path = Self.path(of: name)
        self.arguments = arguments
    }

    /// Where the build left a tool.
    public static func path(of name: String) -> String { directory + "/" + name }

    /// A copy of a tool that other users reach too.
    public init(_ tool: InstalledTool, _ arguments: String...) {
        path = tool.path
        self.arguments = arguments
    }

    /// Whether the tests run as root and have the program that changes users.
    public static let canChangeUser = geteuid() == 0 && hasProgram("setpriv")

    /// Starts it in the network namespace of the calling thread.
    public func start() throws -> ChildProcess {
        try ChildProcess(
            fileView + commandLine, environment: environment, input: input, output: output, closed: closedDescriptors)
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

    /// Each of these programs becomes the next one by exec, so that the process is the same one.
    private var fileView: [String] {
        guard !files.isEmpty else { return [] }
        let script = """
            mount -t tmpfs tmpfs /mnt || exit 125
            number=0
            while [ "$1" != -- ]; do
                number=$((number + 1))
                printf %s "$2" >/mnt/$number && mount --bind /mnt/$number "$1" || exit 125
                shift 2
            done
            shift
            exec "$@"
            """
        return ["unshare", "--mount", "sh", "-c", script, "sh"] + files.flatMap { [$0.key, $0.value] } + ["--"]
    }

    /// Where the build put this process, and the tools with it.
    static let directory: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        let path = String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }()
}

/// A copy of one of this package's tools in a directory that every user may enter, as a build directory need not be.
///
/// It is removed when it is let go; a process that runs from it goes on.
public final class InstalledTool: Sendable {
    public let path: String
    private let directory: String

    /// - Parameter fileCapabilities: in the words of setcap(8), `cap_net_raw+p`.
    public init(_ name: String, fileCapabilities: String? = nil) throws {
        var template = Array("/tmp/netprobe-tool-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw CommandFailure(description: "no temporary directory: \(Errno(rawValue: errno))")
        }
        let directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let path = directory + "/" + name
        self.directory = directory
        self.path = path
        unsafe chmod(directory, 0o755)
        try runSuccessfully(["install", "-m", "755", ToolCommand.directory + "/" + name, path])
        if let fileCapabilities { try runSuccessfully(["setcap", fileCapabilities, path]) }
    }

    deinit {
        unsafe unlink(path)
        unsafe rmdir(directory)
    }

    /// Whether a copy with file capabilities starts: that takes root, setcap(8), a `/tmp` that honours them, and a
    /// Swift runtime whose path in the program is absolute, because the loader ignores `$ORIGIN` there (ld.so(8)).
    public static let canHaveCapabilities: Bool = {
        guard ToolCommand.canChangeUser, hasProgram("setcap"),
            let tool = try? InstalledTool("swping", fileCapabilities: "cap_net_raw+p")
        else { return false }
        var command = ToolCommand(tool, "--version")
        command.userID = 65_534
        return (try? command.run())?.status == 0
    }()
}
