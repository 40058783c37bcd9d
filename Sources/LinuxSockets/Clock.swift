import CLinuxSockets
import Glibc

/// The kernel's clocks, read in nanoseconds (clock_gettime(2)).
public enum SystemClock: Int32, Hashable, Sendable {
    /// The time of day, which may step: the clock of kernel timestamps.
    case realtime = 0
    /// Since some point in the past, without steps; it stands still while the machine sleeps.
    case monotonic = 1
    /// As `monotonic`, and goes on while the machine sleeps.
    case boottime = 7

    /// Nanoseconds of this clock.
    public var now: Int64 { np_clock(rawValue) }
}

/// Becomes readable at a point of time of a clock (timerfd_create(2)).
public struct Timer: ~Copyable, DescriptorOwner, Sendable {
    private let descriptor: FileDescriptor

    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// A timer that is not set. Throws what the kernel refuses. The corresponding C function is `timerfd_create`.
    public init(clock: SystemClock = .monotonic) throws(Errno) {
        descriptor = FileDescriptor(owning: try check(np_timerfd_create(clock.rawValue)))
    }

    /// Sets the timer to a point of time in nanoseconds of its clock; one that has passed makes it readable at once.
    ///
    /// What was set before is forgotten. The corresponding C function is `timerfd_settime`.
    public func set(to nanoseconds: Int64) throws(Errno) {
        // A time of zero would disarm it.
        let time = max(1, nanoseconds)
        try check(np_timerfd_set(rawDescriptor, time / 1_000_000_000, time % 1_000_000_000))
    }

    /// Forgets the point of time; what already expired is no longer readable.
    public func cancel() throws(Errno) { try check(np_timerfd_set(rawDescriptor, 0, 0)) }

    /// Takes the expiry, so that the timer is no longer readable; returns whether there was one.
    @discardableResult
    public func acknowledge() throws(Errno) -> Bool { try readCounter(rawDescriptor) != 0 }
}

/// Wakes a poller from another thread (eventfd(2)).
public struct WakeDescriptor: ~Copyable, DescriptorOwner, Sendable {
    private let descriptor: FileDescriptor

    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// Throws what the kernel refuses. The corresponding C function is `eventfd`.
    public init() throws(Errno) { descriptor = FileDescriptor(owning: try check(np_eventfd())) }

    /// Makes the descriptor readable; any thread may call it, any number of times.
    public func wake() {
        var one: UInt64 = 1
        // The only failure is a counter at its end, which is readable.
        _ = unsafe write(rawDescriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Takes all wake-ups so far; returns whether there were any.
    @discardableResult
    public func acknowledge() throws(Errno) -> Bool { try readCounter(rawDescriptor) != 0 }
}

/// The counter of a timerfd or eventfd, which reading sets to zero; 0 when nothing happened.
private func readCounter(_ descriptor: Int32) throws(Errno) -> UInt64 {
    var counter: UInt64 = 0
    do throws(Errno) {
        try check(unsafe read(descriptor, &counter, MemoryLayout<UInt64>.size))
        return counter
    } catch .wouldBlock {
        return 0
    }
}

/// Bytes that nobody can guess, for keys, identifiers and seeds. Throws what the kernel refuses. O(n).
///
/// The corresponding C function is `getrandom`.
public func randomBytes(_ count: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
        let result = unsafe bytes.withUnsafeMutableBytes {
            unsafe np_getrandom($0.baseAddress.map { unsafe $0 + filled }, count - filled)
        }
        filled += Int(try check(result))
    }
    return bytes
}
