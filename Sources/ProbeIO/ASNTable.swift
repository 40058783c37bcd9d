import LinuxSockets
import PacketFormats

/// The table of a file that says which autonomous system announces which addresses: the lines of ip2asn (iptoasn.com).
///
/// A line has the first and the last address of a range, the number of the system (0 for none), a country and a
/// description, with tabs between them, and lines are in the order of addresses. IPv4 addresses may be whole numbers
/// (ip2asn-v4-u32). Half a million lines are not read for that: what is asked for is searched in the file. What is wrong
/// with it is noticed where a search meets it.
public final class ASNTable {
    private let file: InputFile
    /// Without line ends behind the last line.
    private let size: Int64
    /// Whether IPv6 comes before IPv4.
    private let startsWithIPv6: Bool
    private var fault: ASNTableError?
    private var isFaultTold = false

    /// Opens the file and reads its first line and its end. Throws when it can't be such a table.
    public init(_ path: String) throws(ASNTableError) {
        let head: [UInt8]
        let tail: [UInt8]
        do throws(Errno) {
            file = try InputFile(path, waits: false)
            let size: Int64
            switch try file.kind() {
            case .regular(let bytes): size = bytes
            case .directory: throw .isDirectory
            case .other: throw .illegalSeek
            }
            head = try file.bytes(at: 0, count: Self.maximumLine)
            tail = try file.bytes(at: max(0, size - Int64(Self.maximumLine)), count: Self.maximumLine)
            self.size = size - Int64(tail.reversed().prefix { Self.isLineEnd($0) }.count)
        } catch {
            throw .unreadable(error)
        }
        guard !head.isEmpty else { throw .empty }
        guard !head.starts(with: Self.gzip) else { throw .compressed }
        guard let first = Line(head.prefix { $0 != Self.lineFeed }) else { throw .malformed(at: 1) }
        let lastLine = tail.reversed().drop(while: Self.isLineEnd).prefix { $0 != Self.lineFeed }
        let last = Line(Array(lastLine.reversed())[...])
        startsWithIPv6 = first.first.version == .v6 && last?.first.version == .v4
    }

    /// Who announces the address; nil where the file is at fault. O(log n) reads of the file.
    public func origins(of address: IPAddress) -> ASOrigins? {
        do throws(ASNTableError) {
            guard let line = try line(near: address.withoutZone), address.withoutZone <= line.last else {
                return ASOrigins.none
            }
            return ASOrigins([line.system])
        } catch {
            fault = fault ?? error
            return nil
        }
    }

    /// What is wrong with the file: once, when a search has met it.
    public func nextFault() -> ASNTableError? {
        guard let fault, !isFaultTold else { return nil }
        isFaultTold = true
        return fault
    }

    // MARK: Search

    /// The last line of the address' version that begins at the address or before it.
    private func line(near address: IPAddress) throws(ASNTableError) -> Line? {
        // The line is one of those that begin at `low` or behind it, and before `high`.
        var (low, high): (Int64, Int64) = (0, size)
        var (floor, ceiling): (IPAddress?, IPAddress?) = (nil, nil)
        while high - low > Self.shortSpan {
            let middle = low + (high - low) / 2
            guard let (start, first) = try firstRange(from: middle), start < high else {
                high = middle
                continue
            }
            try check(first, at: start, above: floor, below: ceiling)
            if isOrdered(first, address) {
                (low, floor) = (start, first)
            } else {
                (high, ceiling) = (start, first)
            }
        }
        var found: Line?
        while low < high {
            let (line, length) = try line(at: low)
            try check(line.first, at: low, above: floor, below: ceiling)
            guard line.first.version == line.last.version, line.first <= line.last else {
                throw .unordered(at: low + 1)
            }
            guard isOrdered(line.first, address) else { break }
            (found, floor) = (line, line.first)
            low += Int64(length)
        }
        return found?.first.version == address.version ? found : nil
    }

    private func check(
        _ first: IPAddress, at place: Int64, above floor: IPAddress?, below ceiling: IPAddress?
    ) throws(ASNTableError) {
        guard floor.map({ isOrdered($0, first) }) ?? true, ceiling.map({ isOrdered(first, $0) }) ?? true else {
            throw .unordered(at: place + 1)
        }
    }

    /// Whether `left` may stand before `right`.
    private func isOrdered(_ left: IPAddress, _ right: IPAddress) -> Bool {
        left.version == right.version || !startsWithIPv6 ? left <= right : left.version == .v6
    }

    // MARK: Lines

    /// Where the first line begins that begins at `place` or behind it, and the first address of its range; nil where none
    /// does. `place` is not 0.
    private func firstRange(from place: Int64) throws(ASNTableError) -> (start: Int64, first: IPAddress)? {
        var count = Self.usualLine
        while true {
            let bytes = try read(at: place - 1, count: count)
            if let index = bytes.firstIndex(of: Self.lineFeed) {
                let start = place + Int64(index)
                guard start < size else { return nil }
                // Most often the address is there already, and one read is enough.
                if let first = Line.first(of: bytes[(index + 1)...]) { return (start, first) }
                return (start, try line(at: start).line.first)
            }
            guard bytes.count == count else { return nil }
            guard count < Self.maximumLine else { throw .malformed(at: place) }
            count = Self.maximumLine
        }
    }

    /// The line that begins at `place`, and its length with its end.
    private func line(at place: Int64) throws(ASNTableError) -> (line: Line, length: Int) {
        var bytes = try read(at: place, count: Self.usualLine)
        var end = bytes.firstIndex(of: Self.lineFeed)
        if end == nil, bytes.count == Self.usualLine {
            bytes = try read(at: place, count: Self.maximumLine)
            end = bytes.firstIndex(of: Self.lineFeed)
        }
        guard end != nil || bytes.count < Self.maximumLine, let line = Line(bytes[..<(end ?? bytes.count)]) else {
            throw .malformed(at: place + 1)
        }
        return (line, (end ?? bytes.count) + 1)
    }

    /// No more than there was when the file was opened.
    private func read(at place: Int64, count: Int) throws(ASNTableError) -> [UInt8] {
        do throws(Errno) {
            return try file.bytes(at: place, count: min(count, Int(clamping: size - place)))
        } catch {
            throw .unreadable(error)
        }
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == lineFeed || byte == UInt8(ascii: "\r") }

    private static let lineFeed = UInt8(ascii: "\n")
    /// RFC 1952 section 2.3.1.
    private static let gzip: [UInt8] = [0x1f, 0x8b]
    /// Lines have 60 bytes in the mean.
    private static let usualLine = 256
    private static let maximumLine = 4_096
    /// From here on it is cheaper to go from line to line.
    private static let shortSpan: Int64 = 256
}

/// A range of addresses and who announces it.
private struct Line {
    var first: IPAddress
    var last: IPAddress
    var system: ASNumber

    init?(_ bytes: ArraySlice<UInt8>) {
        // The number is whole only if something comes behind it.
        let fields = bytes.split(separator: UInt8(ascii: "\t"), maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4, let first = Self.address(fields[0]), let last = Self.address(fields[1]),
            let number = UInt32(decimal: fields[2])
        else { return nil }
        self.first = first
        self.last = last
        system = ASNumber(rawValue: number)
    }

    /// The first address of a range, by the beginning of its line; nil where that is not there as a whole.
    static func first(of bytes: ArraySlice<UInt8>) -> IPAddress? {
        let field = bytes.prefix(maximumAddress + 1).prefix { $0 != UInt8(ascii: "\t") }
        return field.endIndex < bytes.endIndex ? address(field) : nil
    }

    private static func address(_ field: ArraySlice<UInt8>) -> IPAddress? {
        guard field.count <= maximumAddress else { return nil }
        if let number = UInt32(decimal: field) { return .v4(IPv4Address(rawValue: number)) }
        return IPAddress(String(decoding: field, as: UTF8.self)) { _ in nil }
    }

    private static let maximumAddress = 45
}

/// Why a file is no table of autonomous systems.
public enum ASNTableError: Error, Hashable, Sendable {
    case unreadable(Errno)
    case empty
    /// By gzip.
    case compressed
    /// What is no line of such a table; places are bytes of the file, counted from 1.
    case malformed(at: Int64)
    /// A line whose range begins before that of a line in front of it, or ends before it begins.
    case unordered(at: Int64)
}

extension ASNTableError {
    /// What to say of a file of that name, which is safe to print.
    public func text(_ name: String) -> String {
        switch self {
        case .unreadable(.isDirectory): "\(name) is a directory"
        case .unreadable(.illegalSeek): "\(name) is no regular file, in which alone can be searched"
        case .unreadable(let error): "cannot read \(name): \(error) (\(error.name))"
        case .empty: "\(name) is empty"
        case .compressed: "\(name) is compressed: unpack it with gunzip first"
        case .malformed(let place):
            "\(name), at byte \(place): not a range's first and last address, AS number, country and description "
                + "with tabs between them"
        case .unordered(let place): "\(name), at byte \(place): the ranges are not in the order of their addresses"
        }
    }
}
