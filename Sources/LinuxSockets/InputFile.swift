import Glibc

/// A file that is only read.
public struct InputFile: ~Copyable, DescriptorOwner, Sendable {
    /// What a file is, as far as it matters to a reader.
    public enum Kind: Hashable, Sendable {
        /// Bytes that can be read from any place: so many, when it was asked.
        case regular(size: Int64)
        case directory
        /// A pipe, a device or the like.
        case other
    }

    private let descriptor: FileDescriptor

    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// Opens a file by its path. Throws what the kernel refuses. The corresponding C function is `open`.
    ///
    /// - Parameter waits: whether opening a pipe waits for its writer, and reading from it for what it writes.
    public init(_ path: String, waits: Bool) throws(Errno) {
        let flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (waits ? 0 : O_NONBLOCK)
        descriptor = FileDescriptor(owning: try check(unsafe path.withCString { unsafe open($0, flags) }))
    }

    /// The open file of a descriptor that belongs to somebody else, such as standard input, by a descriptor of its own: what
    /// is read here is gone for the other. Throws what the kernel refuses. The corresponding C function is `fcntl`.
    public init(sharing rawDescriptor: Int32) throws(Errno) {
        descriptor = FileDescriptor(owning: try check(fcntl(rawDescriptor, F_DUPFD_CLOEXEC, 0)))
    }

    /// What the file is. The corresponding C function is `fstat`.
    public func kind() throws(Errno) -> Kind {
        var status = stat()
        try check(unsafe fstat(rawDescriptor, &status))
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .regular(size: Int64(status.st_size))
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    /// The bytes from `offset` on, at most `count`; fewer at the end of the file. The corresponding C function is `pread`.
    public func bytes(at offset: Int64, count: Int) throws(Errno) -> [UInt8] {
        try take(count, from: off_t(offset))
    }

    /// What comes next, at most `count` bytes; none at the end of the file. The corresponding C function is `read`.
    public func nextBytes(count: Int) throws(Errno) -> [UInt8] { try take(count, from: nil) }

    private func take(_ count: Int, from offset: off_t?) throws(Errno) -> [UInt8] {
        var failure: Errno?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, initialized in
            var result = 0
            repeat {
                result =
                    unsafe offset.map { unsafe pread(rawDescriptor, buffer.baseAddress, buffer.count, $0) }
                    ?? read(rawDescriptor, buffer.baseAddress, buffer.count)
            } while result < 0 && Errno.last == .interrupted
            if result < 0 { failure = Errno.last }
            initialized = max(0, result)
        }
        if let failure { throw failure }
        return bytes
    }
}
