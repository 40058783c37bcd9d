import Glibc
import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@testable import ProbeIO

/// A pipe whose reading end has a path.
struct PathPipe: ~Copyable {
    let reading: FileDescriptor
    private var writing: FileDescriptor?
    private let number: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        reading = FileDescriptor(owning: ends[0])
        writing = FileDescriptor(owning: ends[1])
        number = ends[1]
    }

    var path: String { "/proc/self/fd/\(reading.rawDescriptor)" }

    func write(_ text: String) {
        let bytes = Array(text.utf8)
        let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress, $0.count) }
        #expect(written == bytes.count)
    }

    mutating func close() { writing = nil }
}

@Suite struct TargetReaderTests {
    private static func reader(_ bytes: [UInt8]) throws -> TargetReader {
        let path = try ScratchFile.make(bytes)
        defer { _ = unsafe unlink(path) }
        return try TargetReader(path, shownAs: "hosts.txt")
    }

    private static func items(_ bytes: [UInt8]) throws -> [String] {
        let reader = try reader(bytes)
        var items: [String] = []
        while !reader.isAtEnd || items.isEmpty {
            guard let item = reader.nextItem() else { break }
            items.append(text(item))
        }
        while let item = reader.nextItem() { items.append(text(item)) }
        #expect(reader.isAtEnd)
        #expect(reader.nextItem() == nil)
        return items
    }

    private static func text(_ item: TargetReader.Item) -> String {
        switch item {
        case .target(_, let text, let line): "\(line) \(text)"
        case .mistake(let error, let line): "\(line)! \(error)"
        }
    }

    static let files: [(String, [String])] = [
        ("", []),
        ("\n\n\n", []),
        ("# only a comment", []),
        ("a.example", ["1 a.example"]),
        ("a.example\n10.0.0.1\n", ["1 a.example", "2 10.0.0.1"]),
        ("a.example\r\n\r\n10.0.0.0/8\r\n", ["1 a.example", "3 10.0.0.0/8"]),
        ("  a.example\t# the first\n#b.example\nc.example#d\n", ["1 a.example", "3 c.example"]),
        ("127.0.0.1 localhost loopback\n::1\tlocalhost", ["1 127.0.0.1", "2 ::1"]),
        ("\u{feff}a.example\n\u{feff}\n", ["1 a.example", "2 \u{feff}"]),
        ("\u{feff}", []),
        (
            "10.0.0.1\nhttp://h.example/\n10.0.0.2",
            [
                "1 10.0.0.1", "2! 'http://h.example/' is a URL, not a host: try 'h.example'", "3 10.0.0.2",
            ]
        ),
        ("a\0b\n10.0.0.1", ["1! 'a\0b' has a zero byte in it and is no host", "2 10.0.0.1"]),
    ]

    @Test(arguments: files)
    func readsLines(text: String, expected: [String]) throws {
        #expect(try Self.items(Array(text.utf8)) == expected)
    }

    @Test func whatIsNotUTF8IsSaidAndTheRestIsDone() throws {
        let bytes = Array("a\n".utf8) + [0x62, 0xff, 0x0a] + Array("c\n".utf8)
        #expect(
            try Self.items(bytes) == [
                "1 a", "2! 'b\u{fffd}' is not UTF-8: give a name beyond ASCII in UTF-8 or with xn--", "3 c",
            ])
    }

    @Test func longLinesTakeNoMemoryAndNoOtherLine() throws {
        let longest = String(repeating: "a", count: 1_024)
        let long = String(repeating: "b", count: 200_000)
        let comment = "c #" + String(repeating: "x", count: 200_000)
        let items = try Self.items(Array("\(longest)\n\(long)\n\(comment)\nd".utf8))
        #expect(
            items == [
                "1 \(longest)",
                "2! '\(String(repeating: "b", count: 40))...' is longer than any name: one target a line", "3 c", "4 d",
            ])
    }

    /// A name lies across the border of what is read at once.
    @Test func manyLinesAreAllRead() throws {
        let lines = (0..<30_000).map { "10.\($0 >> 8 & 255).\($0 & 255).7" }
        let items = try Self.items(Array(lines.joined(separator: "\n").utf8))
        #expect(items == lines.enumerated().map { "\($0.offset + 1) \($0.element)" })
    }

    @Test func aCallEndsThoughTheFileHasNoTargets() throws {
        let reader = try Self.reader([UInt8](repeating: UInt8(ascii: "\n"), count: 3 << 20))
        var calls = 0
        while !reader.isAtEnd {
            #expect(reader.nextItem() == nil)
            calls += 1
        }
        #expect(calls == 4)
    }

    @Test func aPipeIsReadAsItComes() throws {
        var pipe = try PathPipe()
        let reader = try TargetReader(pipe.path, shownAs: "pipe")
        #expect(reader.nextItem() == nil)
        #expect(!reader.isAtEnd)
        #expect(throws: Errno.timedOut) { try reader.wait(for: .readable, seconds: 0) }
        pipe.write("10.0.0.1\n10.0.")
        try reader.wait(for: .readable)
        #expect(reader.nextItem().map(Self.text) == "1 10.0.0.1")
        #expect(reader.nextItem() == nil)
        pipe.write("0.2\n10.0.0.3")
        #expect(reader.nextItem().map(Self.text) == "2 10.0.0.2")
        #expect(reader.nextItem() == nil)
        pipe.close()
        try reader.wait(for: .hangUp)
        #expect(reader.nextItem().map(Self.text) == "3 10.0.0.3")
        #expect(reader.nextItem() == nil)
        #expect(reader.isAtEnd)
    }

    @Test func aRegularFileIsAlwaysReady() throws {
        let reader = try Self.reader(Array("a\nb\n".utf8))
        try reader.wait(for: .readable)
        _ = reader.nextItem()
        try reader.wait(for: .readable)
    }

    @Test func whatCannotBeReadIsSaid() throws {
        for (path, reason) in [("/proc/nonexistent/x", "ENOENT"), ("/", "EISDIR")] {
            do throws(ToolFailure) {
                _ = try TargetReader(path, shownAs: "NAME")
                Issue.record("\(path) was opened")
            } catch {
                #expect(error.line.hasPrefix("option --targets-from: cannot read NAME: "))
                #expect(error.line.hasSuffix("(\(reason))"))
            }
        }
        let reader = try TargetReader("/dev/null", shownAs: "null")
        #expect(reader.nextItem() == nil)
        #expect(reader.isAtEnd)
    }
}

/// Files of tests.
enum ScratchFile {
    /// A new file with these bytes, which the caller removes.
    static func make(_ bytes: [UInt8]) throws -> String {
        var template = Array("/tmp/netprobe-test-XXXXXX".utf8CString)
        let descriptor = FileDescriptor(owning: unsafe mkstemp(&template))
        try #require(descriptor.rawDescriptor >= 0)
        var output = OutputWriter(descriptor: descriptor.rawDescriptor)
        output.write(bytes)
        output.flush()
        try #require(output.failure == nil)
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// A new directory, which the caller removes.
    static func makeDirectory() throws -> String {
        var template = Array("/tmp/netprobe-test-XXXXXX".utf8CString)
        try #require(unsafe mkdtemp(&template) != nil)
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
