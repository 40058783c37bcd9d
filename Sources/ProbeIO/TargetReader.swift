import Glibc
import LinuxSockets
import PacketFormats

/// The targets of a file, line by line as they come: the file of `--targets-from`.
///
/// The first word of a line counts and the rest of it is ignored, as in `fping -f`, so that `/etc/hosts` is such a file;
/// `#` begins a comment. Lines end with LF or CR LF, the last one with the file too. It holds 64 KiB of the file at most,
/// and it reads on only when it is asked for more than that: whoever asks slowly makes the writer of a pipe wait.
public final class TargetReader: DescriptorOwner {
    /// What a line has.
    public enum Item: Hashable, Sendable {
        case target(TargetExpression, text: String, line: Int)
        case mistake(TargetLineError, line: Int)
    }

    /// The file as it may be printed.
    public let name: String
    /// Whether everything was read, or the file could be read no further.
    public private(set) var isAtEnd = false

    private let file: InputFile
    private let family: IPVersion?
    private let zone: UInt32
    /// Tells whether a read would wait; nil for a file that always has its answer at once.
    private var poller: Poller?
    /// Stays awake in the place of such a file, for which nobody can wait.
    private let ready: WakeDescriptor

    private var buffer: [UInt8] = []
    private var next = 0
    private var line = 1
    private var word: [UInt8] = []
    private var isWordTooLong = false
    /// Whether the rest of the line means nothing.
    private var skips = false

    /// Readable when asking makes sense: when there is something to read, or for a file that has no readiness always.
    public var rawDescriptor: Int32 { poller == nil ? ready.rawDescriptor : file.rawDescriptor }

    /// Opens the file. Throws the line that says why it can't be read.
    ///
    /// - Parameters:
    ///   - path: `-` is standard input.
    ///   - name: the path as it may be printed.
    ///   - family, zone: as `TargetExpression` takes them.
    public init(
        _ path: String, shownAs name: String, family: IPVersion? = nil, zone: UInt32 = 0
    ) throws(ToolFailure) {
        self.name = path == "-" ? "standard input" : name
        self.family = family
        self.zone = zone
        do throws(Errno) {
            // A pipe whose writer is still to come is waited for by the loop.
            let file = path == "-" ? try InputFile(sharing: STDIN_FILENO) : try InputFile(path, waits: false)
            if case .directory = try file.kind() { throw .isDirectory }
            ready = try WakeDescriptor()
            let poller = try Poller()
            do throws(Errno) {
                try poller.add(file, token: 0)
                self.poller = consume poller
            } catch .notPermitted {
                // Regular files and some devices: epoll_ctl(2).
                self.poller = nil
            }
            self.file = file
        } catch {
            throw ToolFailure("option --targets-from: cannot read \(self.name): \(error) (\(error.name))")
        }
        ready.wake()
    }

    /// The next target or mistake. Nil at the end, when there is nothing to read now, and after a mebibyte without any.
    public func nextItem() -> Item? {
        var reads = 0
        while true {
            if let item = itemInBuffer() { return item }
            guard !isAtEnd, reads < Self.readsPerCall else { return nil }
            reads += 1
            do throws(Errno) {
                guard try fill() else { return nil }
            } catch {
                isAtEnd = true
                return .mistake(.unreadable(error), line: line)
            }
            if isAtEnd { return endOfLine() }
        }
    }

    /// Reads on; false when that would wait.
    private func fill() throws(Errno) -> Bool {
        if try poller?.wait(timeoutMilliseconds: 0) == 0 { return false }
        do throws(Errno) {
            buffer = try file.nextBytes(count: Self.bufferSize)
            next = 0
            isAtEnd = buffer.isEmpty
            return true
        } catch .wouldBlock {
            return false
        }
    }

    // MARK: Lines

    private func itemInBuffer() -> Item? {
        while next < buffer.count {
            let byte = buffer[next]
            next += 1
            switch byte {
            case Self.lineFeed:
                let item = endOfLine()
                line += 1
                if let item { return item }
            case _ where skips: break
            case Self.hash: skips = true
            case Self.space, 9, 11...13: skips = !word.isEmpty
            case _ where word.count == Self.longestWord:
                isWordTooLong = true
                skips = true
            default: word.append(byte)
            }
        }
        return nil
    }

    /// What the line had, if it had something.
    private func endOfLine() -> Item? {
        defer {
            word.removeAll(keepingCapacity: true)
            isWordTooLong = false
            skips = false
        }
        // Some editors put the mark of UTF-8 in front of the first line.
        if line == 1, word.starts(with: Self.byteOrderMark) { word.removeFirst(Self.byteOrderMark.count) }
        guard !word.isEmpty else { return nil }
        guard let text = String(validating: word, as: UTF8.self), !isWordTooLong else {
            let start = String(decoding: word.prefix(Self.shownOfWord), as: UTF8.self)
            return .mistake(isWordTooLong ? .tooLong(start: start) : .notUTF8(start: start), line: line)
        }
        do throws(TargetError) {
            return .target(try TargetExpression(text, family: family, zone: zone), text: text, line: line)
        } catch {
            return .mistake(.target(error), line: line)
        }
    }

    private static let bufferSize = 1 << 16
    private static let readsPerCall = 16
    /// A name of the DNS has up to 253 octets, more in its form of Unicode (RFC 1035, RFC 5890).
    private static let longestWord = 1_024
    private static let shownOfWord = 40
    private static let lineFeed = UInt8(ascii: "\n")
    private static let hash = UInt8(ascii: "#")
    private static let space = UInt8(ascii: " ")
    private static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]
}

/// Why a line of a file has no target.
public enum TargetLineError: Error, Hashable, Sendable {
    case target(TargetError)
    /// A word of more than 1,024 bytes, which begins with these.
    case tooLong(start: String)
    /// A word that is not UTF-8, with U+FFFD for what is not.
    case notUTF8(start: String)
    /// The file can be read no further.
    case unreadable(Errno)
}

extension TargetLineError: CustomStringConvertible {
    /// One line, without the file and its line. Let it pass the sanitiser.
    public var description: String {
        switch self {
        case .target(let error): error.description
        case .tooLong(let start): "'\(start)...' is longer than any name: one target a line"
        case .notUTF8(let start): "'\(start)' is not UTF-8: give a name beyond ASCII in UTF-8 or with xn--"
        case .unreadable(let error): "cannot read on: \(error) (\(error.name))"
        }
    }
}
