import CLinuxSockets
import Glibc

/// Whether the descriptor is a pipe, to which a write waits for a reader that may never come.
public func isPipe(_ descriptor: Int32) -> Bool {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
}

/// Writes as many of the bytes as there is room for, and returns how many those are.
///
/// Throws `.wouldBlock` where there is no room, `.notSupported` on kernels that can't tell, and what else the kernel says.
/// The corresponding C function is `pwritev2` with `RWF_NOWAIT`.
public func writeWithoutWaiting(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    let result = unsafe bytes.withUnsafeBytes { bytes in
        // The kernel reads as many as there are, before this returns.
        unsafe np_write_without_waiting(descriptor, bytes.baseAddress, bytes.count)
    }
    guard result >= 0 else { throw Errno(rawValue: errno) }
    return result
}

/// Whether SIGINT or SIGTERM was sent, and waits because it is blocked: somebody wants the process to end.
public func isEndPending() -> Bool {
    var pending = sigset_t()
    guard unsafe sigpending(&pending) == 0 else { return false }
    let isInterrupted = unsafe sigismember(&pending, SIGINT) == 1
    let isTerminated = unsafe sigismember(&pending, SIGTERM) == 1
    return isInterrupted || isTerminated
}
