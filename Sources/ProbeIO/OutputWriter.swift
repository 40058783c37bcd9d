import Glibc
import LinuxSockets

/// Why standard output takes nothing more.
public enum OutputFailure: Error, Hashable, Sendable {
    /// Nobody reads the pipe any longer, which is no fault of anybody: end in silence.
    case closed
    /// The system refused the bytes.
    case failed(Errno)

    /// What a tool returns to its caller: 141, as a shell reports death by SIGPIPE, or 2.
    public var exitStatus: Int32 {
        switch self {
        case .closed: 141
        case .failed: 2
        }
    }
}

extension OutputFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .closed: "standard output: \(Errno.brokenPipe)"
        case .failed(let errno): "standard output: \(errno)"
        }
    }
}

/// Collects the text of a tool and writes it in one piece, once per batch of events.
///
/// Writing waits until the reader took the bytes. After the first failure everything that is written is forgotten, so
/// that a loop may look at `failure` when it suits it.
public struct OutputWriter: ~Copyable, Sendable {
    /// Why nothing more is written, nil as long as all went well.
    public private(set) var failure: OutputFailure?

    private let descriptor: Int32
    private let patience: Int32
    private var closedAtStart: OutputFailure?
    private var buffer: [UInt8] = []

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

    private func writeAll() -> OutputFailure? {
        var written = 0
        while written < buffer.count {
            let result = unsafe buffer.withUnsafeBytes { bytes in
                // `written` is below the count, so the pointer stays inside.
                unsafe Glibc.write(descriptor, bytes.baseAddress.map { unsafe $0 + written }, bytes.count - written)
            }
            if result >= 0 {
                written += result
                continue
            }
            let number = Errno(rawValue: errno)
            switch number {
            case .interrupted: continue
            case .wouldBlock: guard waitUntilWritable() else { return .failed(number) }
            case .brokenPipe: return .closed
            default: return .failed(number)
            }
        }
        return nil
    }

    /// Somebody else who shares the open file may have made it non-blocking. False when patience is over.
    private func waitUntilWritable() -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&entry, 1, patience) != 0
    }

    private static let largeBuffer = 64 * 1024
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
