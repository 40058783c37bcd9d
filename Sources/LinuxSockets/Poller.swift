import CLinuxSockets
import Glibc

/// Waits until one of many descriptors is ready (epoll(7), level-triggered).
public struct Poller: ~Copyable, DescriptorOwner, Sendable {
    /// What a descriptor is waited for, and what it is ready for.
    public struct Readiness: OptionSet, Hashable, Sendable, BitwiseCopyable {
        public var rawValue: UInt32

        @inlinable
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let readable = Readiness(rawValue: 0x001)
        public static let writable = Readiness(rawValue: 0x004)
        /// A pending error or an entry in the error queue; reported always.
        public static let error = Readiness(rawValue: 0x008)
        /// Both directions are closed; reported always.
        public static let hangUp = Readiness(rawValue: 0x010)
    }

    /// One descriptor that is ready.
    public struct Event: Hashable, Sendable, BitwiseCopyable {
        /// What the descriptor was added with.
        public var token: UInt64
        public var readiness: Readiness

        @inlinable
        public init(token: UInt64, readiness: Readiness) {
            self.token = token
            self.readiness = readiness
        }
    }

    /// Events of the last wait.
    public private(set) var count = 0

    private let descriptor: FileDescriptor
    private var events = InlineArray<64, np_poll_event>(repeating: np_poll_event())

    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// Throws what the kernel refuses. The corresponding C function is `epoll_create1`.
    public init() throws(Errno) { descriptor = FileDescriptor(owning: try check(np_epoll_create())) }

    /// Waits for the owner's descriptor from now on; closing it ends that.
    ///
    /// Throws `fileExists` when it is there already. The corresponding C function is `epoll_ctl`.
    public func add<Owner: DescriptorOwner & ~Copyable>(
        _ owner: borrowing Owner, token: UInt64, interest: Readiness = .readable
    ) throws(Errno) {
        try check(
            np_epoll_control(rawDescriptor, Self.controlAdd, owner.rawDescriptor, interest.rawValue, token))
    }

    /// Changes what the owner's descriptor is waited for and its token.
    public func modify<Owner: DescriptorOwner & ~Copyable>(
        _ owner: borrowing Owner, token: UInt64, interest: Readiness
    ) throws(Errno) {
        try check(
            np_epoll_control(rawDescriptor, Self.controlModify, owner.rawDescriptor, interest.rawValue, token))
    }

    /// Waits for the owner's descriptor no longer.
    public func remove<Owner: DescriptorOwner & ~Copyable>(_ owner: borrowing Owner) throws(Errno) {
        try check(np_epoll_control(rawDescriptor, Self.controlRemove, owner.rawDescriptor, 0, 0))
    }

    /// Waits until something is ready and returns how many events there are, at most 64; more come with the next wait.
    ///
    /// Returns 0 after the timeout or when a signal interrupted. A `Timer` wakes at a point of time exactly. The
    /// corresponding C function is `epoll_wait`.
    ///
    /// - Parameter timeoutMilliseconds: 0 only looks, nil waits without end.
    @discardableResult
    public mutating func wait(timeoutMilliseconds: Int32? = nil) throws(Errno) -> Int {
        count = 0
        var span = events.mutableSpan
        let result = unsafe span.withUnsafeMutableBufferPointer { events in
            unsafe np_epoll_wait(
                descriptor.rawDescriptor, events.baseAddress, Int32(events.count), timeoutMilliseconds ?? -1)
        }
        guard result >= 0 else {
            let failure = Errno.last
            if failure == .interrupted { return 0 }
            throw failure
        }
        count = Int(result)
        return count
    }

    /// An event of the last wait; the index is one of `0..<count`.
    public func event(at index: Int) -> Event {
        precondition(index >= 0 && index < count, "no event at this index")
        // Through a span, because the array's own subscript copies all of it.
        let event = events.span[index]
        return Event(token: event.token, readiness: Readiness(rawValue: event.readiness))
    }

    // EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD (sys/epoll.h).
    private static let controlAdd: Int32 = 1
    private static let controlRemove: Int32 = 2
    private static let controlModify: Int32 = 3
}
