import Glibc
import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@testable import ProbeIO

/// A file with these bytes, which goes with it.
final class TemporaryFile {
    let path: String

    init(_ bytes: [UInt8]) throws {
        var template = Array("/tmp/netprobe-table-XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&template)
        guard descriptor >= 0 else { throw Errno(rawValue: errno) }
        let file = FileDescriptor(owning: descriptor)
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe write(file.rawDescriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Errno(rawValue: errno) }
            rest = rest.dropFirst(count)
        }
    }

    convenience init(_ text: String) throws { try self.init(Array(text.utf8)) }

    deinit { unsafe unlink(path) }
}

@Suite struct ASNTableTests {
    static let v4 = """
        1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET
        1.0.1.0\t1.0.3.255\t0\tNone\tNot routed
        1.0.4.0\t1.0.7.255\t64500\tAU\tA name, with "all" that\u{e9} one may write
        9.9.9.9\t9.9.9.9\t4200000000\tUS\t
        223.255.254.0\t223.255.254.255\t55415\tSG\tLAST

        """
    static let v6 = """
        2001:200::\t2001:200:ffff:ffff:ffff:ffff:ffff:ffff\t2500\tJP\tWIDE
        2001:db8::\t2001:db8::ffff\t64501\tNone\tX
        2a00::\tffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\t0\tNone\tNot routed

        """
    static let u32 = "16777216\t16777471\t13335\tUS\tCLOUDFLARENET\n16778240\t16779263\t64500\tAU\tX\n"

    static let queries: [(String, String, String)] = [
        (v4, "1.0.0.0", "AS13335"), (v4, "1.0.0.255", "AS13335"), (v4, "1.0.1.0", "*"), (v4, "1.0.4.77", "AS64500"),
        (v4, "1.0.7.255", "AS64500"), (v4, "1.0.8.0", "*"), (v4, "0.255.255.255", "*"), (v4, "9.9.9.8", "*"),
        (v4, "9.9.9.9", "AS4200000000"), (v4, "9.9.9.10", "*"), (v4, "223.255.254.9", "AS55415"),
        (v4, "255.255.255.255", "*"), (v4, "2001:200::1", "*"),
        (v6, "2001:200::", "AS2500"), (v6, "2001:200:ffff:ffff:ffff:ffff:ffff:ffff", "AS2500"), (v6, "2001:201::", "*"),
        (v6, "2001:db8::1", "AS64501"), (v6, "fe80::1%2", "*"), (v6, "1.0.0.1", "*"), (v6, "::", "*"),
        (v4 + v6, "1.0.0.1", "AS13335"), (v4 + v6, "223.255.254.1", "AS55415"), (v4 + v6, "224.0.0.1", "*"),
        (v4 + v6, "::1", "*"), (v4 + v6, "2001:200::1", "AS2500"), (v4 + v6, "2001:db8::ffff", "AS64501"),
        (v6 + v4, "1.0.0.1", "AS13335"), (v6 + v4, "223.255.254.1", "AS55415"), (v6 + v4, "0.0.0.1", "*"),
        (v6 + v4, "::1", "*"), (v6 + v4, "2001:200::1", "AS2500"), (v6 + v4, "ffff::", "*"),
        (u32, "1.0.0.77", "AS13335"), (u32, "1.0.5.0", "AS64500"), (u32, "1.0.2.0", "*"), (u32, "9.0.0.0", "*"),
        (v4.replacing("\n", with: "\r\n"), "223.255.254.9", "AS55415"),
        (v4.replacing("\n", with: "\r\n"), "9.9.9.9", "AS4200000000"),
        (v4 + "\n\r\n\n", "223.255.254.9", "AS55415"), (String(v4.dropLast()), "223.255.254.9", "AS55415"),
        ("1.1.1.1\t1.1.1.1\t7\t", "1.1.1.1", "AS7"),
    ]

    @Test(arguments: queries)
    func finds(text: String, address: String, expected: String) throws {
        let file = try TemporaryFile(text)
        let table = try ASNTable(file.path)
        #expect(table.origins(of: try #require(IPAddress(address)))?.description == expected)
        #expect(table.nextFault() == nil)
    }

    /// Every line of a large table is found from both of its ends, and every gap from both of its.
    @Test func findsEveryLineOfALargeTable() throws {
        var text = ""
        var expected: [(UInt32, UInt32)] = []
        for index in 0 as UInt32..<2_000 {
            let first = 0x0100_0000 + index * 512
            // Lines of very different length.
            let name = String(repeating: "x", count: index % 97 == 0 ? 3_900 : Int(index % 41))
            text +=
                "\(IPv4Address(rawValue: first))\t\(IPv4Address(rawValue: first + 255))\t\(index + 1)\tXX\t\(name)\n"
            expected.append((first, index + 1))
        }
        let file = try TemporaryFile(text)
        let table = try ASNTable(file.path)
        for (first, number) in expected {
            for (offset, origins) in [(0, "AS\(number)"), (255, "AS\(number)"), (256, "*"), (511, "*")] {
                let address = IPAddress.v4(IPv4Address(rawValue: first + UInt32(offset)))
                let found = table.origins(of: address)?.description
                if found != origins { Issue.record("\(address): \(found ?? "nil") for \(origins)") }
            }
        }
        #expect(table.nextFault() == nil)
    }

    @Test(
        "What can't be a table is refused when it is opened",
        arguments: [
            ("", ASNTableError.empty), ("\u{1f}\u{8b}", .malformed(at: 1)), ("\n", .malformed(at: 1)),
            ("1.0.0.0,1.0.0.255,13335,US,X\n", .malformed(at: 1)), ("# a comment\n" + v4, .malformed(at: 1)),
            ("1.0.0.0\t1.0.0.255\t13335", .malformed(at: 1)), ("1.0.0.0\t1.0.0.255\tAS7\tUS\tX\n", .malformed(at: 1)),
            ("1.0.0.0\t1.0.0.255\t4294967296\tUS\tX\n", .malformed(at: 1)),
            ("1.0.0.0\t\t7\tUS\tX\n", .malformed(at: 1)), ("fe80::1%lo\tfe80::2\t7\tUS\tX\n", .malformed(at: 1)),
            (String(repeating: "1", count: 10_000), .malformed(at: 1)),
            (String(repeating: "\0", count: 100_000), .malformed(at: 1)),
        ])
    func refuses(text: String, expected: ASNTableError) throws {
        let file = try TemporaryFile(text)
        let error = #expect(throws: ASNTableError.self) { _ = try ASNTable(file.path) }
        #expect(error == expected)
    }

    @Test func refusesWhatIsNoFileOfText() throws {
        let gzip = try TemporaryFile([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])
        for (path, expected) in [
            (gzip.path, ASNTableError.compressed), ("/tmp", .unreadable(.isDirectory)),
            ("/dev/zero", .unreadable(.illegalSeek)), ("/dev/null", .unreadable(.illegalSeek)),
            ("/no/such/file", .unreadable(.noSuchFileOrDirectory)), ("", .unreadable(.noSuchFileOrDirectory)),
        ] {
            let error = #expect(throws: ASNTableError.self) { _ = try ASNTable(path) }
            #expect(error == expected, "\(path)")
            #expect(error?.text("FILE").contains("FILE") == true)
        }
    }

    /// Faults behind the first line are told where they are met, once, and the rest of the table still counts.
    @Test(
        arguments: [
            ("1.0.0.0\t1.0.0.255\t1\tX\tX\n9.0.0.0\t9.0.0.1\t9\tX\tX\n5.0.0.0\t5.0.0.1\t5\tX\tX\n", "9.0.0.0", 47),
            ("1.0.0.0\t1.0.0.255\t1\tX\tX\n9.0.0.1\t9.0.0.0\t9\tX\tX\n", "9.0.0.0", 25),
            ("1.0.0.0\t1.0.0.255\t1\tX\tX\n9.0.0.1\t2001::\t9\tX\tX\n", "9.0.0.0", 25),
        ])
    func tellsWhatIsUnordered(text: String, address: String, place: Int64) throws {
        let file = try TemporaryFile(text)
        let table = try ASNTable(file.path)
        #expect(table.origins(of: try #require(IPAddress("0.0.0.1"))) == ASOrigins.none)
        #expect(table.nextFault() == nil)
        #expect(table.origins(of: try #require(IPAddress(address))) == nil)
        #expect(table.origins(of: try #require(IPAddress(address))) == nil)
        #expect(table.nextFault() == .unordered(at: place))
        #expect(table.nextFault() == nil)
    }

    @Test(arguments: [
        "5.0.0.0\t5.0.0.1\t5", "5.0.0.0\t5.0", "\0\u{7f}\u{1}", "no table", String(repeating: "5", count: 9_000),
    ])
    func tellsWhatIsMalformed(end: String) throws {
        let file = try TemporaryFile("1.0.0.0\t1.0.0.255\t1\tX\tX\n" + end)
        let table = try ASNTable(file.path)
        #expect(table.origins(of: try #require(IPAddress("5.0.0.0"))) == nil)
        guard case .malformed = table.nextFault() else {
            Issue.record("not told")
            return
        }
    }

    /// What another program cuts off while the table is used is missed, not a trap.
    @Test func survivesAFileThatShrinks() throws {
        let file = try TemporaryFile(String(repeating: "1.0.0.0\t1.0.0.255\t1\tX\tX\n", count: 1_000))
        let table = try ASNTable(file.path)
        try #require(unsafe truncate(file.path, 100) == 0)
        #expect(table.origins(of: try #require(IPAddress("1.0.0.1"))) == nil)
        #expect(table.nextFault() != nil)
    }

    /// A file of nothing but zeros of a size that nobody could read, as a hole is none on the disk.
    @Test func aHugeLineIsNotRead() throws {
        let file = try TemporaryFile(Self.v4)
        try #require(unsafe truncate(file.path, 1 << 40) == 0)
        let table = try ASNTable(file.path)
        #expect(table.origins(of: try #require(IPAddress("1.0.0.1"))) == nil)
        guard case .malformed = table.nextFault() else {
            Issue.record("not told")
            return
        }
    }

    @Test func noBytesAreATrap() throws {
        var state: UInt64 = 1
        func random() -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33)
        }
        let addresses = ["1.0.0.1", "9.9.9.9", "0.0.0.0", "255.255.255.255", "::", "2001:200::1", "ffff::"]
        for _ in 0..<500 {
            var bytes = Array((Self.v4 + Self.v6 + Self.u32).utf8)
            for _ in 0..<random() % 8 {
                let index = random() % bytes.count
                switch random() % 3 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random())
                case 1: bytes.removeSubrange(index..<min(bytes.count, index + random() % 40))
                default:
                    bytes.insert(
                        contentsOf: bytes[index..<min(bytes.count, index + random() % 90)], at: random() % bytes.count)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            let file = try TemporaryFile(bytes)
            guard let table = try? ASNTable(file.path) else { continue }
            for address in addresses {
                let origins = table.origins(of: try #require(IPAddress(address)))
                #expect(origins?.numbers.count ?? 0 <= 1)
            }
        }
    }
}
