import Glibc
import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// A file of `--pcap` as its format says.
struct Capture {
    struct Record {
        var time: Int64
        var bytes: [UInt8]
        var wholeLength: Int
    }

    var records: [Record] = []

    /// Nil where it is no such file.
    init?(_ file: [UInt8]) {
        func number(_ offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(file[offset + $1]) << (8 * $1) }
        }
        guard file.count >= 24, number(0) == 0xa1b2_3c4d, number(4) == 0x0004_0002, number(20) == 101 else {
            return nil
        }
        var offset = 24
        while offset < file.count {
            guard offset + 16 <= file.count, offset + 16 + number(offset + 8) <= file.count,
                number(offset + 4) < 1_000_000_000
            else { return nil }
            let end = offset + 16 + number(offset + 8)
            records.append(
                Record(
                    time: Int64(number(offset)) * 1_000_000_000 + Int64(number(offset + 4)),
                    bytes: Array(file[offset + 16..<end]), wholeLength: number(offset + 12)))
            offset = end
        }
    }
}

/// A directory of its own, removed with what is in it.
final class Directory {
    let path: String

    init() throws {
        var template = Array("/tmp/netprobe-capture-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw CommandFailure("no temporary directory") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        unsafe chmod(path, 0o777)
    }

    deinit {
        unsafe unlink(path + "/capture")
        unsafe rmdir(path)
    }

    var file: String { path + "/capture" }

    func contents() throws -> [UInt8] {
        let opened = unsafe open(file, O_RDONLY)
        guard opened >= 0 else { throw CommandFailure("no capture") }
        defer { close(opened) }
        var bytes = [UInt8](repeating: 0, count: 1 << 22)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(opened, $0.baseAddress, $0.count) }
        return Array(bytes.prefix(max(0, count)))
    }
}

private struct CommandFailure: Error {
    var description: String

    init(_ description: String) { self.description = description }
}

/// swping's `--pcap` on each rung.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct CaptureTests {
    /// Two probes over each version and their answers, in order, each a packet that proves itself by its checksums.
    @Test(arguments: [[], ["--rung", "ping"], ["--rung", "udp"], ["-s", "3000"]] as [[String]])
    func everyPacketIsThereInOrder(arguments: [String]) throws {
        let lab = try Self.lab()
        let directory = try Directory()
        var command = ToolCommand("swping", "-n", "-q", "-c", "2", "-i", "0.05", "--pcap", directory.file)
        command.arguments += arguments + ["10.0.1.2", "fd00:1::2"]
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 0, "\(result.errors)")
        let capture = try #require(Capture(try directory.contents()))
        let pieces = arguments.first == "-s" ? 3 : 1
        var answers = 0
        for record in capture.records {
            if try isAnswer(record) { answers += 1 }
        }
        // Long requests over IPv4 are sent in pieces, and come back whole.
        #expect(answers == 4 && capture.records.count == 4 + 2 * pieces + 2)
        #expect(capture.records.map(\.time) == capture.records.map(\.time).sorted())
    }

    /// Whether it came from the other end; all that can be verified is right.
    private func isAnswer(_ record: Capture.Record) throws -> Bool {
        let packet = record.bytes.bytes
        if record.bytes[0] >> 4 == 4 {
            let header = try IPv4Header(parsing: packet)
            #expect(Int(header.totalLength) == record.wholeLength)
            if record.wholeLength == packet.byteCount, header.fragmentOffset == 0, !header.moreFragments {
                check(header.proto, packet.from(header.headerLength), .v4(header.source), .v4(header.destination))
            }
            #expect([header.source, header.destination].contains(IPv4Address(rawValue: 0x0a00_0101)))
            return header.source == IPv4Address(rawValue: 0x0a00_0102)
        }
        let header = try IPv6Header(parsing: packet)
        #expect(Int(header.payloadLength) + IPv6Header.length == record.wholeLength)
        if record.wholeLength == packet.byteCount {
            check(header.nextHeader, packet.from(IPv6Header.length), .v6(header.source), .v6(header.destination))
        }
        #expect([IPAddress.v6(header.source), .v6(header.destination)].contains(IPAddress("fd00:1::1")))
        return .v6(header.source) == IPAddress("fd00:1::2")
    }

    private func check(_ proto: IPProtocol, _ upper: RawSpan, _ source: IPAddress, _ destination: IPAddress) {
        var sum = InternetChecksum()
        if proto != .icmp {
            sum.addPseudoHeader(source: source, destination: destination, proto: proto, length: upper.byteCount)
        }
        sum.add(upper)
        #expect(sum.verifies)
    }

    /// Random data are the same in all probes of a run, others in the next run, and compared with in answers.
    @Test(arguments: [[], ["--rung", "ping"], ["--rung", "udp"]] as [[String]])
    func randomDataFillTheProbes(arguments: [String]) throws {
        let lab = try Self.lab()
        var runs: [[UInt8]] = []
        for _ in 0..<2 {
            let directory = try Directory()
            var command = ToolCommand(
                "swping", "-q", "-c", "2", "-i", "0.05", "--random-data", "--pcap", directory.file)
            command.arguments += arguments + ["10.0.1.2"]
            let result = try lab["a"].run { try command.run() }
            #expect(result.status == 0 && result.output.contains(" 2 received, 0% packet loss"), "\(result)")
            let capture = try #require(Capture(try directory.contents()))
            let requests = try capture.records.filter { try !isAnswer($0) }
            let ends = requests.map { Array($0.bytes.suffix(32)) }
            try #require(ends.count == 2)
            #expect(ends[0] == ends[1])
            runs.append(ends[0])
        }
        #expect(runs[0] != runs[1] && Set(runs[0]).count > 8)
    }

    @Test(.enabled(if: hasProgram("tshark"), "needs tshark(1)")) func wiresharkReadsIt() throws {
        let lab = try Self.lab()
        let directory = try Directory()
        for rung in ["raw", "ping", "udp"] {
            let command = ToolCommand(
                "swping", "-n", "-q", "-c", "1", "--rung", rung, "--pcap", directory.file, "10.0.1.2", "fd00:1::2")
            #expect(try lab["a"].run { try command.run() }.status == 0)
            let text = try runSuccessfully([
                // The port that the kernel chose may be that of a protocol which the payload is not.
                "tshark", "-d", "udp.port==33434,data", "-r", directory.file, "-o", "ip.check_checksum:TRUE", "-o",
                "udp.check_checksum:TRUE", "-Y",
                "!_ws.malformed && !(ip.checksum.status == 0)", "-T", "fields", "-e", "_ws.col.Protocol",
            ])
            let protocols = rung == "udp" ? ["UDP", "ICMP", "UDP", "ICMPv6"] : ["ICMP", "ICMP", "ICMPv6", "ICMPv6"]
            #expect(text.split(separator: "\n").map(String.init) == protocols, "\(rung)")
        }
    }

    @Test func aFullDiskIsToldOnceAndStopsNothing() throws {
        let command = ToolCommand("swping", "-c", "3", "-i", "0.05", "--pcap", "/dev/full", "127.0.0.1")
        let result = try command.run()
        #expect(result.status == 2)
        #expect(result.output.contains("3 packets transmitted, 3 received"))
        #expect(
            result.errors == "swping: option --pcap: cannot write /dev/full: No space left on device (ENOSPC)\n")
    }

    /// A program with borrowed rights must not lend them to whoever names a file.
    @Test(.enabled(if: ToolCommand.canChangeUser, "needs setpriv(1)"), arguments: [false, true])
    func filesAreOpenedWithTheCallersRights(isSetUserID: Bool) throws {
        let tool = try InstalledTool("swping")
        if isSetUserID { #expect(unsafe chmod(tool.path, 0o4755) == 0) }
        let directory = try Directory()
        var command = ToolCommand(tool, "-q", "-c", "1", "--pcap", directory.file, "127.0.0.1")
        command.userID = 65_534
        let lab = try Self.lab()
        #expect(try lab["a"].run { try command.run() }.status == 0)
        var status = stat()
        #expect(unsafe stat(directory.file, &status) == 0 && status.st_uid == 65_534 && status.st_mode & 0o777 == 0o644)
        unsafe chmod(directory.path, 0o700)
        unsafe unlink(directory.file)
        let refused = try lab["a"].run { try command.run() }
        #expect(refused.status == 2 && refused.output.isEmpty)
        #expect(refused.errors == "swping: option --pcap: cannot write \(directory.file): Permission denied (EACCES)\n")
    }

    /// It would keep the measurement from being interrupted too.
    @Test func aReaderThatStandsStillStopsNothing() throws {
        let directory = try Directory()
        try #require(unsafe mkfifo(directory.file, 0o600) == 0)
        let reader = FileDescriptor(owning: unsafe open(directory.file, O_RDWR | O_CLOEXEC))
        let result = try ToolCommand(
            "swping", "-q", "-c", "60", "-i", "0.002", "-s", "1400", "--pcap", directory.file, "127.0.0.1"
        ).run()
        #expect(result.status == 2 && result.output.contains("60 packets transmitted, 60 received"))
        #expect(
            result.errors.hasSuffix("option --pcap: the reader of \(directory.file) takes nothing any more\n"),
            "\(result.errors)")
        #expect(reader.rawDescriptor >= 0)
    }

    @Test(arguments: [
        (["--pcap", "-"], "option --pcap: standard output has the report; name a file or a pipe"),
        (["--csv", "-j"], "options --json and --csv exclude each other (see swping --help)"),
        (["--csv", "--style", "heat"], "options --csv and --style heat exclude each other (see swping --help)"),
        (["--color", "never"], "option --color: only --style heat has colours (see swping --help)"),
    ])
    func whatCanNotBeHadIsRefused(arguments: [String], line: String) throws {
        var command = ToolCommand("swping")
        command.arguments += arguments + ["127.0.0.1"]
        let result = try command.run()
        #expect(result.status == 2 && result.output.isEmpty && result.errors == "swping: \(line)\n")
    }

    private static func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.0.1", "fd00:1")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        return lab
    }
}

/// swping's table and its picture as processes.
@Suite(.waiting) struct ReportStyleTests {
    @Test func aTableHasOneShapeAndTheSummaryGoesToStandardError() throws {
        let result = try ToolCommand("swping", "-n", "-c", "3", "-i", "0.01", "--csv", "127.0.0.1", "::1").run()
        #expect(result.status == 0)
        let lines = result.output.split(separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines.count == 8 && lines.last == "")
        #expect(Set(lines.dropLast().map { line in line.count { $0 == "," } }) == [18])
        #expect(result.errors.contains("3 packets transmitted, 3 received"))
    }

    @Test func aPictureIsTextWhereThereIsNoTerminal() throws {
        let result = try ToolCommand("swping", "-n", "-c", "1", "--style", "heat", "--color", "always", "127.0.0.1")
            .run()
        #expect(result.output.contains("64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 "))
        #expect(!result.output.contains("\u{1b}"))
    }

    @Test(
        .enabled(if: hasProgram("script"), "needs script(1)"),
        arguments: [
            ("xterm", "LC_ALL=C.UTF-8", true, true), ("xterm", "NO_COLOR=1", false, true), ("dumb", "X=", false, false),
        ])
    func aPictureOnATerminal(terminal: String, variable: String, hasColor: Bool, isDrawn: Bool) throws {
        let tool = ToolCommand("swping").path
        let command = "stty cols 40 rows 20; exec \(tool) -n -c 40 -i 0.01 --style heat 127.0.0.1"
        let environment = ["PATH=\(searchPath)", "TERM=\(terminal)", variable]
        let result = try run(["script", "-qec", command, "/dev/null"], environment: environment)
        #expect(result.status == 0)
        #expect(result.output.contains("\u{1b}[38;5;") == hasColor)
        #expect(result.output.contains("! lost") == (isDrawn && !hasColor))
        #expect(result.output.contains("64 bytes from") == !isDrawn)
        #expect(result.output.contains("\r\n   34 ") == isDrawn)
        #expect(result.output.contains("40 packets transmitted, 40 received"))
        let attributes = result.output.matches(of: #/\x1b\[([0-9;]*)m/#).map { String($0.1) }
        #expect(attributes.last == (hasColor ? "0" : nil))
        #expect(attributes.count { $0 == "0" } * 2 == attributes.count)
    }
}
