import CLinuxSockets
import Glibc

/// A network stack of its own, with interfaces, routes and settings (network_namespaces(7)).
///
/// It lives as long as a thread, a descriptor or a mount refers to it. Sockets stay where they were opened.
public struct NetworkNamespace: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// The number of the descriptor that keeps the namespace, valid as long as this value lives.
    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// The one that the calling thread is in. Throws what opening `/proc/thread-self/ns/net` refuses.
    public static func current() throws(Errno) -> NetworkNamespace {
        try NetworkNamespace(path: "/proc/thread-self/ns/net")
    }

    /// The one at a path, such as those of ip-netns(8) under `/run/netns`. Throws what opening the path refuses.
    public init(path: String) throws(Errno) {
        descriptor = FileDescriptor(owning: try check(unsafe open(path, O_RDONLY | O_CLOEXEC)))
    }

    /// Moves the calling thread into the namespace; needs CAP_SYS_ADMIN. The corresponding C function is `setns`.
    public func enter() throws(Errno) { try check(np_enter_network(descriptor.rawDescriptor)) }

    /// Moves the calling thread into a new namespace, in which only `lo` is and is down; needs CAP_SYS_ADMIN. The
    /// corresponding C function is `unshare` with `CLONE_NEWNET`.
    public static func enterNew() throws(Errno) { try check(np_unshare_network()) }
}
