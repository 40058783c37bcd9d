import Glibc
import LinuxSockets

/// What a lab read and wrote and when, as the truth to hold a measured round-trip time against.
///
/// A line per packet: `in` or `out`, the time of day in nanoseconds (the clock of kernel timestamps), by how many
/// nanoseconds it is later than the simulation says (0 for `in`), the octets of the packet, and the first eight octets
/// behind the IP header in hexadecimal, which hold identifier and sequence number, or the ports.
struct Journal: ~Copyable {
    private let file: FileDescriptor
    private let path: String
    private var text: [UInt8] = []
    private var failure: Failure?

    /// Makes or empties the file. Throws a `Failure` that names it.
    init(_ path: String) throws(Failure) {
        let raw = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard raw >= 0 else { throw Failure("\(path): \(lastErrno)") }
        file = FileDescriptor(owning: raw)
        self.path = path
    }

    /// Adds a line for a packet that was read or written at `time`.
    mutating func add(_ direction: String, _ packet: ArraySlice<UInt8>, at time: Int64, late: Int64) {
        let header = packet.first.map { $0 >> 4 == 4 ? Int($0 & 0xf) * 4 : 40 } ?? 0
        var line = "\(direction) \(time) \(late) \(packet.count) "
        for octet in packet.dropFirst(header).prefix(8) {
            line += String(octet >> 4, radix: 16) + String(octet & 0xf, radix: 16)
        }
        text += (line + "\n").utf8
        if text.count > 1 << 16 { flush() }
    }

    /// Writes what is left. Throws the first `Failure` of all writing.
    mutating func finish() throws(Failure) {
        flush()
        if let failure { throw failure }
    }

    private mutating func flush() {
        do throws(Failure) {
            if failure == nil { try writeAll(String(decoding: text, as: UTF8.self), to: file.rawDescriptor, path) }
        } catch {
            failure = error
        }
        text.removeAll(keepingCapacity: true)
    }
}
