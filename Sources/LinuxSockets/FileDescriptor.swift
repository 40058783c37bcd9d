import Glibc

/// Something that owns a descriptor which a `Poller` can wait for.
public protocol DescriptorOwner: ~Copyable {
    /// The number of the descriptor, valid as long as the owner lives.
    var rawDescriptor: Int32 { get }
}

/// A file descriptor with one owner, which closes it.
public struct FileDescriptor: ~Copyable, DescriptorOwner, Sendable {
    public let rawDescriptor: Int32

    /// Takes over the descriptor; nobody else may close it from here on.
    public init(owning rawDescriptor: Int32) { self.rawDescriptor = rawDescriptor }

    deinit { _ = close(rawDescriptor) }

    /// Gives the descriptor up without closing it.
    public consuming func release() -> Int32 {
        let descriptor = rawDescriptor
        discard self
        return descriptor
    }
}

extension DescriptorOwner where Self: ~Copyable {
    /// Another descriptor of the same open file, closed on exec.
    ///
    /// Throws what the kernel refuses. The corresponding C function is `fcntl` with `F_DUPFD_CLOEXEC`.
    public func duplicated() throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check(fcntl(rawDescriptor, F_DUPFD_CLOEXEC, 0)))
    }
}

/// Opens `/dev/null` on each of the descriptors 0, 1 and 2 that is closed, so that no socket becomes standard output.
///
/// Call it first in `main`. Throws what opening `/dev/null` refuses (open(2)).
public func ensureStandardDescriptors() throws(Errno) {
    for standard in Int32(0)...2 where fcntl(standard, F_GETFD) < 0 {
        // open returns the lowest free descriptor, and all below `standard` are open by now.
        try check(unsafe open("/dev/null", O_RDWR))
    }
}
