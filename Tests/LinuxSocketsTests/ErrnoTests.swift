import LinuxSockets
import Testing

@Test(arguments: [
    (Errno.networkUnreachable, "ENETUNREACH", "Network is unreachable"),
    (.notPermitted, "EPERM", "Operation not permitted"),
    (.permissionDenied, "EACCES", "Permission denied"),
    (.wouldBlock, "EAGAIN", "Resource temporarily unavailable"),
    (.noBufferSpace, "ENOBUFS", "No buffer space available"),
    (Errno(rawValue: 4711), "errno 4711", "Unknown error 4711"),
    (Errno(rawValue: -3), "errno -3", "Unknown error -3"),
])
func errnoSpeaks(_ number: Errno, _ name: String, _ words: String) {
    #expect(number.name == name)
    #expect(number.description == words)
}
