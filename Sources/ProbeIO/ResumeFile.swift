import Glibc
import LinuxSockets
import ProbeEngine
import Synchronization

/// The file of `--resume-file`: read when a sweep begins, written whenever it is told to be.
///
/// A new file takes the place of the old one in one step, so that whoever looks finds one of them whole. Where the
/// directory does not allow that any more, because rights were dropped since, the file itself is written.
public final class ResumeFile: Sendable {
    /// What the file held when it was opened, nil for a new one.
    public let found: SweepProgress?

    private let name: String
    private let base: String
    private let directory: FileDescriptor
    private let state: Mutex<State>

    private struct State: ~Copyable, Sendable {
        var file: FileDescriptor
        /// Counts what was written or removed by its own call: what was begun before comes too late.
        var turn: UInt64 = 0
        var isKeeping = false
    }

    /// Opens the file or makes it, and reads what it holds. Throws the line that says why it can't be used.
    ///
    /// Call it with the caller's own rights, before those are dropped. A symbolic link is not followed: whoever may write to
    /// the directory shall not choose what is overwritten.
    ///
    /// - Parameter name: the path as it may be printed.
    public init(_ path: String, shownAs name: String) throws(ToolFailure) {
        self.name = name
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        base = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
        let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var failure: ToolFailure?
        do throws(Errno) {
            // What the kernel says of a path that names a directory.
            guard !base.isEmpty, base != ".", base != ".." else {
                throw path.isEmpty ? .noSuchFileOrDirectory : .isDirectory
            }
            directory = try Self.open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY)
            let file = try Self.open(
                directory.rawDescriptor, base, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
            do throws(ToolFailure) {
                found = try Self.read(file, shownAs: name)
            } catch {
                failure = error
                found = nil
            }
            state = Mutex(State(file: file))
        } catch {
            throw Self.failure("cannot open \(name)", error)
        }
        if let failure { throw failure }
    }

    /// Puts what is to be found into the file. Throws the line that says why not; the old file is whole then, unless it had
    /// to be written in its place.
    public func write(_ progress: SweepProgress) throws(ToolFailure) {
        let bytes = Array(progress.text.utf8)
        try state.withLock { state throws(ToolFailure) in
            state.turn += 1
            do throws(Errno) {
                try replace(&state.file, with: bytes)
            } catch .permissionDenied {
                do throws(Errno) {
                    try Self.overwrite(state.file, with: bytes)
                } catch {
                    throw Self.failure("cannot write \(name)", error)
                }
            } catch {
                throw Self.failure("cannot write \(name)", error)
            }
        }
    }

    /// Puts it into the file while the sweep goes on, in a thread of its own: the disk may keep that waiting. Only by putting
    /// a new file in the place of the old one, so that one of them is whole whenever the process is killed.
    ///
    /// Returns false when the one before is still being written, or where the system has no thread.
    ///
    /// - Parameters:
    ///   - progress: makes what is to be found, in that thread.
    ///   - onFailure: takes the line that says why it could not be written, in that thread.
    public func keep(
        _ progress: @escaping @Sendable () -> SweepProgress, onFailure: @escaping @Sendable (ToolFailure) -> Void
    ) -> Bool {
        let turn = state.withLock { state -> UInt64? in
            if state.isKeeping { return nil }
            state.isKeeping = true
            return state.turn
        }
        guard let turn else { return false }
        let isStarted = startThread { [self] in
            let bytes = Array(progress().text.utf8)
            let failure = state.withLock { state -> ToolFailure? in
                state.isKeeping = false
                guard state.turn == turn else { return nil }
                do throws(Errno) {
                    try replace(&state.file, with: bytes)
                    return nil
                } catch {
                    return Self.failure("cannot write \(name) before the end", error)
                }
            }
            if let failure { onFailure(failure) }
        }
        if !isStarted { state.withLock { $0.isKeeping = false } }
        return isStarted
    }

    /// Removes the file: the sweep came to its end. A failure of that is no harm, for there is nothing to go on with in it.
    public func remove() {
        state.withLock { state in
            state.turn += 1
            _ = unsafe unlinkat(directory.rawDescriptor, base, 0)
        }
    }

    // MARK: Files

    private func replace(_ file: inout FileDescriptor, with bytes: [UInt8]) throws(Errno) {
        let temporary = ".\(base.prefix(Self.longestBase)).\(getpid())"
        // Left over by a process of this number that was killed.
        _ = unsafe unlinkat(directory.rawDescriptor, temporary, 0)
        let new = try Self.open(directory.rawDescriptor, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        do throws(Errno) {
            // Whoever may not read the old file shall not read the new one.
            var status = stat()
            if unsafe fstat(file.rawDescriptor, &status) == 0 { _ = fchmod(new.rawDescriptor, status.st_mode & 0o777) }
            try Self.write(bytes, to: new)
            guard unsafe renameat(directory.rawDescriptor, temporary, directory.rawDescriptor, base) == 0 else {
                throw Errno(rawValue: errno)
            }
        } catch {
            _ = unsafe unlinkat(directory.rawDescriptor, temporary, 0)
            throw error
        }
        file = new
    }

    private static func overwrite(_ file: borrowing FileDescriptor, with bytes: [UInt8]) throws(Errno) {
        guard ftruncate(file.rawDescriptor, 0) == 0, lseek(file.rawDescriptor, 0, SEEK_SET) == 0 else {
            throw Errno(rawValue: errno)
        }
        try write(bytes, to: file)
    }

    private static func write(_ bytes: [UInt8], to file: borrowing FileDescriptor) throws(Errno) {
        var output = OutputWriter(descriptor: file.rawDescriptor)
        output.write(bytes)
        output.flush()
        switch output.failure {
        case nil: break
        case .closed: throw .brokenPipe
        case .failed(let error): throw error
        case .stuck: throw .wouldBlock
        }
        // A file that was renamed and is empty after a power cut would be worse than the old one.
        guard fsync(file.rawDescriptor) == 0 else { throw Errno(rawValue: errno) }
    }

    private static func read(_ file: borrowing FileDescriptor, shownAs name: String) throws(ToolFailure)
        -> SweepProgress?
    {
        var bytes: [UInt8]?
        do throws(Errno) {
            let input = try InputFile(sharing: file.rawDescriptor)
            if case .regular(let size) = try input.kind() {
                guard size <= largestFile else { throw Errno(rawValue: EFBIG) }
                bytes = try input.bytes(at: 0, count: Int(size))
            }
        } catch {
            throw failure("cannot read \(name)", error)
        }
        guard let bytes else { throw ToolFailure("option --resume-file: \(name) is no regular file") }
        guard !bytes.isEmpty else { return nil }
        do throws(SweepProgressError) {
            return try SweepProgress(parsing: bytes)
        } catch {
            throw ToolFailure("option --resume-file: \(name) \(error)")
        }
    }

    private static func open(_ directory: Int32, _ path: String, _ flags: Int32) throws(Errno) -> FileDescriptor {
        let descriptor = unsafe path.withCString { path in
            unsafe openat(directory, path, flags | O_CLOEXEC, 0o644)
        }
        guard descriptor >= 0 else { throw Errno(rawValue: errno) }
        return FileDescriptor(owning: descriptor)
    }

    private static func failure(_ what: String, _ error: Errno) -> ToolFailure {
        ToolFailure("option --resume-file: \(what): \(error) (\(error.name))")
    }

    /// The largest that is written has 2^22 positions of 21 octets.
    private static let largestFile: Int64 = 1 << 27
    /// NAME_MAX without what is put around it.
    private static let longestBase = 200
}
