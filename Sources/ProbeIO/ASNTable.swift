import LinuxSockets
import PacketFormats

/// The table of a file that says which autonomous system announces which addresses: the lines of ip2asn (iptoasn.com).
///
/// A line has the first and the last address of a range, the number of the system (0 for none), a country and a
/// description, with tabs between them, and lines are in the order of addresses. IPv4 addresses may be whole numbers
/// (ip2asn-v4-u32). Half a million lines need not be read for that: what is asked for is searched in the file.
public final class ASNTable {
    private let file: InputFile
    /// Without line ends behind the last line.
    private let size: Int64
    /// Whether IPv6 comes before IPv4.
    private let startsWithIPv6: Bool
    /// What is wrong with the file, once it was met.
    private var fault: (ASNTableError, isTold: Bool)?

    /// Opens the file and reads its first line. Throws when it can't be such a table.
    public init(_ path: String) throws(ASNTableError) {
        do throws(Errno) {
            file = try InputFile(path, waits: false)
            guard case .regular(let size) = try file.kind() else {
                throw Errno.invalidArgument
            }
            self.size = size
        } catch {
            throw .unreadable(error)
        }
        startsWithIPv6 = false
    }

    /// Who announces the address; nil where the file is at fault. O(log n) reads.
    public func origins(of address: IPAddress) -> ASOrigins? { nil }

    /// What is wrong with the file, the first time that it is asked after that was met.
    public func nextFault() -> ASNTableError? { nil }
}

/// Why a file is no table of autonomous systems.
public enum ASNTableError: Error, Hashable, Sendable {
    case unreadable(Errno)
    case directory
    /// A pipe or a device, in which nothing can be searched.
    case notRegular
    case empty
    /// By gzip.
    case compressed
    /// What is no line of such a table; places are bytes of the file, counted from 1.
    case malformed(at: Int64)
    /// A line whose range begins before that of a line in front of it, or ends before it begins.
    case unordered(at: Int64)
}
