import CLinuxSockets
import Glibc

/// The number of a signal (signal(7)).
public struct Signal: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: Int32

    @inlinable
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let hangUp = Signal(rawValue: SIGHUP)
    public static let interrupt = Signal(rawValue: SIGINT)
    public static let quit = Signal(rawValue: SIGQUIT)
    public static let terminate = Signal(rawValue: SIGTERM)
    public static let user1 = Signal(rawValue: SIGUSR1)
    public static let user2 = Signal(rawValue: SIGUSR2)
    public static let `continue` = Signal(rawValue: SIGCONT)
    public static let terminalStop = Signal(rawValue: SIGTSTP)
    public static let windowChange = Signal(rawValue: SIGWINCH)
    public static let brokenPipe = Signal(rawValue: SIGPIPE)
}

/// Signals as something to read instead of handlers (signalfd(2)).
///
/// The signals are blocked in the thread that makes it, and in the threads that this one starts later; they stay
/// blocked when the descriptor is closed. A thread that was there before still gets them: make it before all others.
public struct SignalDescriptor: ~Copyable, DescriptorOwner, Sendable {
    private let descriptor: FileDescriptor

    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// Throws `invalidArgument` for a number that is no signal. The corresponding C functions are `pthread_sigmask` and
    /// `signalfd`.
    public init(_ signals: [Signal]) throws(Errno) {
        let numbers = signals.map(\.rawValue)
        descriptor = FileDescriptor(
            owning: try check(
                unsafe numbers.withUnsafeBufferPointer {
                    unsafe np_signalfd($0.baseAddress, Int32(clamping: $0.count))
                }))
    }

    /// The next signal that came, nil when there is none.
    public func next() throws(Errno) -> Signal? {
        do throws(Errno) {
            return Signal(rawValue: try check(np_signalfd_read(rawDescriptor)))
        } catch .wouldBlock {
            return nil
        }
    }
}
