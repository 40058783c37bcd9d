import Glibc
import LinuxSockets

/// A program that ran to its end: how it ended and what it printed.
public struct CommandResult: Hashable, Sendable {
    /// The exit status, or 128 and the number of the signal that ended it.
    public var status: Int32
    public var output: String
    public var errors: String

    public init(status: Int32, output: String = "", errors: String = "") {
        self.status = status
        self.output = output
        self.errors = errors
    }
}

/// Why a program did not run as a test needs it.
public struct CommandFailure: Error, CustomStringConvertible {
    public var description: String
}

/// Runs a program to its end, with nothing on its standard input.
///
/// It runs in the network namespace of the calling thread. After `seconds` it is killed, which is a failure.
///
/// - Parameters:
///   - arguments: the program first, an absolute path or a name to look up in the usual places.
///   - environment: all of it, as `NAME=VALUE`.
@discardableResult
public func run(
    _ arguments: [String], environment: [String] = ["PATH=\(searchPath)", "LC_ALL=C"], seconds: Int64 = 30
) throws -> CommandResult {
    var child = try ChildProcess(arguments, environment: environment)
    return try child.finish(seconds: seconds)
}

/// As `run`, but an exit status other than 0 is a failure that says what the program printed.
@discardableResult
public func runSuccessfully(_ arguments: [String], seconds: Int64 = 30) throws -> String {
    let result = try run(arguments, seconds: seconds)
    guard result.status == 0 else {
        throw CommandFailure(
            description: "\(arguments.joined(separator: " ")): status \(result.status): \(result.errors)")
    }
    return result.output
}

/// A program that is running, whose output is collected while somebody waits for it. Killed when it is let go.
public struct ChildProcess: ~Copyable {
    public let processID: Int32
    public private(set) var output: [UInt8] = []
    public private(set) var errors: [UInt8] = []

    private let name: String
    private let outputPipe: FileDescriptor
    private let errorPipe: FileDescriptor
    private var status: Int32?

    /// What the program finds as its standard output.
    public enum OutputTarget: Sendable {
        /// A pipe whose contents become `output`.
        case captured
        /// Nothing: the descriptor is closed.
        case closed
        /// A pipe that nobody reads.
        case brokenPipe
        /// A file, which must be there: `/dev/full`.
        case file(String)
    }

    /// Starts the program in the network namespace of the calling thread; throws when it can't be started.
    ///
    /// - Parameters:
    ///   - input: what it reads from its standard input, up to the end of file.
    ///   - closed: descriptors that are closed for it, whatever else is said of them.
    public init(
        _ arguments: [String], environment: [String] = ["PATH=\(searchPath)", "LC_ALL=C"], input: [UInt8] = [],
        output target: OutputTarget = .captured, closed: [Int32] = []
    ) throws {
        guard let program = arguments.first else { throw CommandFailure(description: "no program") }
        let input = try temporaryFile(input)
        let output = try Pipe()
        let errors = try Pipe()
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, input.rawDescriptor, 0)
        let broken = try Pipe().keepWriting()
        switch target {
        case .captured: unsafe posix_spawn_file_actions_adddup2(&actions, output.writing.rawDescriptor, 1)
        case .closed: unsafe posix_spawn_file_actions_addclose(&actions, 1)
        case .brokenPipe: unsafe posix_spawn_file_actions_adddup2(&actions, broken.rawDescriptor, 1)
        case .file(let path): unsafe posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY, 0)
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, errors.writing.rawDescriptor, 2)
        for descriptor in closed { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }
        // The test runner's threads may block signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        let path = program.contains("/") ? program : try Self.find(program)
        var processID: pid_t = 0
        let result = unsafe withStrings(arguments) { arguments in
            unsafe withStrings(environment) { environment in
                unsafe posix_spawn(&processID, path, &actions, &attributes, arguments, environment)
            }
        }
        guard result == 0 else {
            throw CommandFailure(description: "\(path): \(Errno(rawValue: result))")
        }
        self.processID = processID
        name = program
        outputPipe = output.keepReading()
        errorPipe = errors.keepReading()
    }

    deinit {
        guard status == nil else { return }
        kill(processID, SIGKILL)
        var status: Int32 = 0
        unsafe waitpid(processID, &status, 0)
    }

    /// Sends a signal to the program.
    public func signal(_ signal: Signal) { kill(processID, signal.rawValue) }

    /// Collects output until `condition` holds for all of it so far; throws at the end of the output or of the time.
    public mutating func wait(seconds: Int64 = 30, forOutput condition: (String) -> Bool) throws {
        let deadline = SystemClock.monotonic.now + seconds * 1_000_000_000
        while !condition(String(decoding: output, as: UTF8.self)) {
            guard try collect(until: deadline) else {
                throw CommandFailure(description: "\(name): ended before it printed what was waited for: \(text)")
            }
        }
    }

    /// As `wait(forOutput:)`, for standard error.
    public mutating func waitForErrors(seconds: Int64 = 30, until condition: (String) -> Bool) throws {
        let deadline = SystemClock.monotonic.now + seconds * 1_000_000_000
        while !condition(String(decoding: errors, as: UTF8.self)) {
            guard try collect(until: deadline) else {
                throw CommandFailure(description: "\(name): ended before it printed what was waited for: \(text)")
            }
        }
    }

    /// Waits for the end of the program and of its output; throws when the time ends first.
    public mutating func finish(seconds: Int64 = 30) throws -> CommandResult {
        let deadline = SystemClock.monotonic.now + seconds * 1_000_000_000
        while try collect(until: deadline) {}
        var status: Int32 = 0
        // Both ends of its output are closed, so the end is near, unless it closed them by itself.
        while unsafe waitpid(processID, &status, WNOHANG) == 0 {
            guard SystemClock.monotonic.now < deadline else { throw timeout }
            sched_yield()
        }
        let signal = status & 0x7f
        self.status = signal == 0 ? status >> 8 & 0xff : 128 + signal
        return CommandResult(
            status: signal == 0 ? status >> 8 & 0xff : 128 + signal, output: String(decoding: output, as: UTF8.self),
            errors: String(decoding: errors, as: UTF8.self))
    }

    /// Waits for more output and takes it; false when both pipes are at their end.
    private mutating func collect(until deadline: Int64) throws -> Bool {
        var descriptors = [
            pollfd(fd: outputIsOpen ? outputPipe.rawDescriptor : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errorIsOpen ? errorPipe.rawDescriptor : -1, events: Int16(POLLIN), revents: 0),
        ]
        guard outputIsOpen || errorIsOpen else { return false }
        let left = (deadline - SystemClock.monotonic.now) / 1_000_000
        guard left > 0 else { throw timeout }
        guard unsafe poll(&descriptors, 2, Int32(clamping: left)) >= 0 || errno == EINTR else { throw timeout }
        if descriptors[0].revents != 0 { outputIsOpen = Self.read(outputPipe, into: &output) }
        if descriptors[1].revents != 0 { errorIsOpen = Self.read(errorPipe, into: &errors) }
        return outputIsOpen || errorIsOpen
    }

    private var outputIsOpen = true
    private var errorIsOpen = true

    private var text: String { String(decoding: output + errors, as: UTF8.self) }
    private var timeout: CommandFailure {
        CommandFailure(description: "\(name): still running at the deadline: \(text)")
    }

    private static func read(_ pipe: borrowing FileDescriptor, into bytes: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let descriptor = pipe.rawDescriptor
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return false }
        bytes += buffer.prefix(count)
        return true
    }

    private static func find(_ program: String) throws -> String {
        for directory in searchPath.split(separator: ":") where unsafe access("\(directory)/\(program)", X_OK) == 0 {
            return "\(directory)/\(program)"
        }
        throw CommandFailure(description: "\(program): not found in \(searchPath)")
    }
}

/// The directories in which programs are looked up.
public let searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/// Whether a program is there.
public func hasProgram(_ name: String) -> Bool {
    searchPath.split(separator: ":").contains { unsafe access("\($0)/\(name)", X_OK) == 0 }
}

private struct Pipe: ~Copyable {
    let reading: FileDescriptor
    let writing: FileDescriptor

    init() throws(Errno) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
        reading = FileDescriptor(owning: ends[0])
        writing = FileDescriptor(owning: ends[1])
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }

    consuming func keepReading() -> FileDescriptor { reading }
    consuming func keepWriting() -> FileDescriptor { writing }
}

/// A file without a name that holds these bytes, at its beginning.
private func temporaryFile(_ bytes: [UInt8]) throws -> FileDescriptor {
    var path = Array("/tmp/netprobe-XXXXXX".utf8CString)
    let file = FileDescriptor(owning: unsafe mkstemp(&path))
    guard file.rawDescriptor >= 0 else {
        throw CommandFailure(description: "no temporary file: \(Errno(rawValue: errno))")
    }
    unsafe unlink(path)
    _ = fcntl(file.rawDescriptor, F_SETFD, FD_CLOEXEC)
    let count = unsafe bytes.withUnsafeBytes { unsafe write(file.rawDescriptor, $0.baseAddress, $0.count) }
    guard count == bytes.count, lseek(file.rawDescriptor, 0, SEEK_SET) == 0 else {
        throw CommandFailure(description: "cannot write a temporary file: \(Errno(rawValue: errno))")
    }
    return file
}

/// Lends strings as an array of C strings that ends with a null pointer.
private func withStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(&pointers)
}
