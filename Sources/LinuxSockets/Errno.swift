import CLinuxSockets
import Glibc

/// A number that the kernel gives for a failed system call (errno(3)).
public struct Errno: RawRepresentable, Error, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: Int32

    @inlinable
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let notPermitted = Errno(rawValue: EPERM)
    public static let noSuchFileOrDirectory = Errno(rawValue: ENOENT)
    public static let interrupted = Errno(rawValue: EINTR)
    public static let badFileDescriptor = Errno(rawValue: EBADF)
    public static let wouldBlock = Errno(rawValue: EAGAIN)
    public static let noMemory = Errno(rawValue: ENOMEM)
    public static let permissionDenied = Errno(rawValue: EACCES)
    public static let busy = Errno(rawValue: EBUSY)
    public static let fileExists = Errno(rawValue: EEXIST)
    public static let noDevice = Errno(rawValue: ENODEV)
    public static let isDirectory = Errno(rawValue: EISDIR)
    public static let illegalSeek = Errno(rawValue: ESPIPE)
    public static let invalidArgument = Errno(rawValue: EINVAL)
    public static let tooManyOpenFiles = Errno(rawValue: EMFILE)
    public static let tooManyOpenFilesInSystem = Errno(rawValue: ENFILE)
    public static let noSpace = Errno(rawValue: ENOSPC)
    public static let brokenPipe = Errno(rawValue: EPIPE)
    public static let nameTooLong = Errno(rawValue: ENAMETOOLONG)
    public static let notSocket = Errno(rawValue: ENOTSOCK)
    public static let messageTooLong = Errno(rawValue: EMSGSIZE)
    public static let noSuchOption = Errno(rawValue: ENOPROTOOPT)
    public static let protocolNotSupported = Errno(rawValue: EPROTONOSUPPORT)
    public static let socketTypeNotSupported = Errno(rawValue: ESOCKTNOSUPPORT)
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
    public static let addressFamilyNotSupported = Errno(rawValue: EAFNOSUPPORT)
    public static let addressInUse = Errno(rawValue: EADDRINUSE)
    public static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    public static let networkDown = Errno(rawValue: ENETDOWN)
    public static let networkUnreachable = Errno(rawValue: ENETUNREACH)
    public static let hostUnreachable = Errno(rawValue: EHOSTUNREACH)
    public static let hostDown = Errno(rawValue: EHOSTDOWN)
    public static let connectionRefused = Errno(rawValue: ECONNREFUSED)
    public static let connectionReset = Errno(rawValue: ECONNRESET)
    public static let notConnected = Errno(rawValue: ENOTCONN)
    public static let timedOut = Errno(rawValue: ETIMEDOUT)
    public static let inProgress = Errno(rawValue: EINPROGRESS)
    public static let noBufferSpace = Errno(rawValue: ENOBUFS)
    public static let outOfRange = Errno(rawValue: ERANGE)
    public static let noData = Errno(rawValue: ENODATA)
    public static let protocolError = Errno(rawValue: EPROTO)

    /// The number that the last failed call of this thread left.
    static var last: Errno { Errno(rawValue: errno) }

    /// The name of the C macro, such as `ENETUNREACH`; `errno 4711` for a number without one.
    public var name: String { unsafe Self.text(np_error_name(rawValue)) ?? "errno \(rawValue)" }

    // The C library's tables live as long as the process.
    private static func text(_ pointer: UnsafePointer<CChar>?) -> String? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe String(cString: pointer)
    }
}

extension Errno: CustomStringConvertible {
    /// The C library's words in English: `Network is unreachable`.
    public var description: String {
        unsafe Self.text(np_error_description(rawValue)) ?? "Unknown error \(rawValue)"
    }
}

/// The result of a system call that returns a negative number on failure; throws what `errno` says then.
@discardableResult
@inline(__always)
func check<Result: SignedInteger>(_ result: Result) throws(Errno) -> Result {
    guard result >= 0 else { throw Errno.last }
    return result
}
