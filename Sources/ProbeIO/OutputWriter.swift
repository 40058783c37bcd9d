import Glibc
import LinuxSockets
import Synchronization

/// Why standard output takes nothing more.
public enum OutputFailure: Error, Hashable, Sendable {
    /// Nobody reads the pipe any longer, which is no fault of anybody: end in silence.
    case closed
    /// The system refused the bytes.
    case failed(Errno)
    /// The process shall end, and the reader of the pipe takes nothing.
    case stuck

    /// What a tool returns to its caller: 141, as a shell reports death by SIGPIPE, or 2.
    public var exitStatus: Int32 {
        switch self {
        case .closed: 141
        case .failed, .stuck: 2
        }
    }
}

extension OutputFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .closed: "standard output: \(Errno.brokenPipe)"
        case .failed(let errno): "standard output: \(errno)"
        case .stuck: "standard output: its reader took nothing for a second"
        }
    }
}

/// Whether the process was told to end, for whoever waits in the meantime.
public final class EndFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    /// Not so far.
    public init() {}

    /// From now on.
    public func set() { flag.store(true, ordering: .relaxed) }

    public var isSet: Bool { flag.load(ordering: .relaxed) }
}

/// Collects the text of a tool and writes it in one piece, once per batch of events.
///
/// Writing waits until the reader took the bytes; once the process was told to end, only as long as the reader of a pipe
/// takes some within a second. After the first failure everything that is written is forgotten, so
/// that a loop may look at `failure` when it suits it.
public struct OutputWriter: ~Copyable, Sendable {
    /// Why nothing more is written, nil as long as all went well.
    public private(set) var failure: OutputFailure?

    private let descriptor: Int32
    private let patience: Int32
    private var closedAtStart: OutputFailure?
    private var buffer: [UInt8] = []
    private var way: Way?
    /// Whether the process was told to end by other means than a signal that waits.
    public var isEnding: (@Sendable () -> Bool)?

    /// How a write is kept from waiting.
    private enum Way {
        /// Not at all: it is no pipe.
        case waiting
        /// The kernel says so where it would.
        case told
        /// For kernels and pipes where it can't be told: so much at a time as there is room for in a pipe that is not full.
        case pieces
    }

    /// A writer to an open descriptor, which stays with its owner; standard output unless it is said.
    ///
    /// Make the one of standard output before `ensureStandardDescriptors`, which would hide that it is closed: that is
    /// a failure as soon as something is to be written.
    ///
    /// - Parameter patience: milliseconds for which a non-blocking descriptor that takes nothing is waited for before that
    ///   is a failure, less than 0 for no end.
    public init(descriptor: Int32 = STDOUT_FILENO, patience: Int32 = -1) {
        self.descriptor = descriptor
        self.patience = patience
        if fcntl(descriptor, F_GETFD) < 0 { closedAtStart = .failed(.badFileDescriptor) }
    }

    /// Lets a write to a closed pipe fail instead of killing the process: for tools, at their start (signal(7)).
    ///
    /// It changes the whole process and what it would exec later.
    public static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    /// Appends text as it is: what came from the network has passed the sanitiser.
    public mutating func write(_ text: String) {
        buffer.append(contentsOf: text.utf8)
        flushIfLarge()
    }

    /// Appends bytes as they are.
    public mutating func write(_ bytes: [UInt8]) {
        buffer.append(contentsOf: bytes)
        flushIfLarge()
    }

    /// Hands everything to the system; returns whether output is still possible. Cheap when nothing was written.
    ///
    /// The corresponding C function is `write`.
    @discardableResult
    public mutating func flush() -> Bool {
        defer { buffer.removeAll(keepingCapacity: true) }
        if failure == nil, !buffer.isEmpty { failure = closedAtStart ?? writeAll() }
        return failure == nil
    }

    private mutating func flushIfLarge() {
        if buffer.count >= Self.largeBuffer { flush() }
    }

    private mutating func writeAll() -> OutputFailure? {
        var written = 0
        var silence: Int32 = 0
        while written < buffer.count {
            do throws(Errno) {
                written += try write(buffer[written...])
                silence = 0
            } catch .interrupted {
                continue
            } catch .wouldBlock {
                if way != .waiting, patience < 0 {
                    if waitUntilWritable(Self.glance) { continue }
                    silence = isEndPending() || isEnding?() == true ? silence + Self.glance : 0
                    if silence >= Self.lastPatience { return .stuck }
                } else if !waitUntilWritable(patience) {
                    return .failed(.wouldBlock)
                }
            } catch .brokenPipe {
                return .closed
            } catch {
                return .failed(error)
            }
        }
        return nil
    }

    private mutating func write(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
        let way = way ?? (isPipe(descriptor) ? .told : .waiting)
        self.way = way
        switch way {
        case .waiting: return try writeAsItIs(bytes)
        case .told:
            do throws(Errno) {
                return try writeWithoutWaiting(descriptor, bytes)
            } catch .notSupported {
                self.way = .pieces
                return try write(bytes)
            }
        case .pieces:
            guard waitUntilWritable(0) else { throw .wouldBlock }
            return try writeAsItIs(bytes.prefix(Self.piece))
        }
    }

    private func writeAsItIs(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
        let result = unsafe bytes.withUnsafeBytes { bytes in
            // The kernel reads as many as there are, before this returns.
            unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        }
        guard result >= 0 else { throw Errno(rawValue: errno) }
        return result
    }

    /// Somebody else who shares the open file may have made it non-blocking. False when patience is over.
    private func waitUntilWritable(_ milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&entry, 1, milliseconds) != 0
    }

    private static let largeBuffer = 64 * 1024
    /// How often it is looked whether the process shall end, and how long its reader is waited for then; milliseconds.
    private static let glance: Int32 = 250
    private static let lastPatience: Int32 = 1_000
    /// PIPE_BUF: a pipe that poll(2) calls writable takes so much (pipe(7)).
    private static let piece = 4_096
}

/// Writes one line to standard error at once, as `name: text`; a failure of that has nobody to be told.
public func reportLine(_ text: String, from name: String) { reportErrors(Array("\(name): \(text)\n".utf8)) }

/// As `reportLine`, for a line that is bytes already and ends with its line feed.
public func reportLine(_ line: [UInt8], from name: String) { reportErrors(Array("\(name): ".utf8) + line) }

/// Writes bytes to standard error at once as they are; a failure of that has nobody to be told.
public func reportErrors(_ bytes: [UInt8]) {
    var errors = OutputWriter(descriptor: STDERR_FILENO)
    errors.write(bytes)
    errors.flush()
}
