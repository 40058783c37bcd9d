import Glibc
import LinuxSockets

/// The whole of a file, up to a megabyte. Throws a `Failure` that names it.
func readFile(_ path: String) throws(Failure) -> [UInt8] {
    let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard raw >= 0 else { throw Failure("\(path): \(lastErrno)") }
    let file = FileDescriptor(owning: raw)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= 1 << 20 {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(file.rawDescriptor, $0.baseAddress, $0.count) }
        if count < 0, lastErrno == .interrupted { continue }
        guard count >= 0 else { throw Failure("\(path): \(lastErrno)") }
        if count == 0 { return bytes }
        bytes += buffer[..<count]
    }
    throw Failure("\(path): longer than a megabyte")
}

/// Writes a file that is there already. Throws a `Failure` that names it.
func writeFile(_ path: String, _ text: String) throws(Failure) {
    let raw = unsafe open(path, O_WRONLY | O_CLOEXEC)
    guard raw >= 0 else { throw Failure("\(path): \(lastErrno)") }
    let file = FileDescriptor(owning: raw)
    try writeAll(text, to: file.rawDescriptor, path)
}

/// Writes all of a text. Throws a `Failure` with the name of where it should have gone.
func writeAll(_ text: String, to descriptor: Int32, _ name: String) throws(Failure) {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
        let count = unsafe bytes.withUnsafeBytes { buffer in
            unsafe write(descriptor, buffer.baseAddress.map { unsafe $0 + written }, buffer.count - written)
        }
        if count < 0, lastErrno == .interrupted { continue }
        guard count >= 0 else { throw Failure("\(name): \(lastErrno)") }
        written += count
    }
}
