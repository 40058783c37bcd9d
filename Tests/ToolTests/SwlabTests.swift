import Glibc
import LinuxSockets
import PacketFormats
import TestSupport
import Testing

private let hasTUN = unsafe access("/dev/net/tun", R_OK | W_OK) == 0

/// The lab as a process, on the real kernel. The names of labs carry the number of this process.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && hasProgram("sh") && hasTUN, "needs root, ip(8), sh and /dev/net/tun"))
struct SwlabTests {
    /// A scenario in a file that goes with it.
    private final class ScenarioFile {
        let path: String

        init(_ text: String) throws {
            var template = Array("/tmp/swlab-test-XXXXXX".utf8CString)
            let file = FileDescriptor(owning: unsafe mkstemp(&template))
            try #require(file.rawDescriptor >= 0)
            path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            let bytes = Array(text.utf8)
            let count = unsafe bytes.withUnsafeBytes { unsafe write(file.rawDescriptor, $0.baseAddress, $0.count) }
            try #require(count == bytes.count)
        }

        deinit { unsafe unlink(path) }
    }

    private static let small = """
        source 10.0.0.1 fd00::1
        router r1 10.0.1.1 fd00:1::1 delay 3ms
        path source r1
        target 10.0.9.9 fd00:9::9 via r1 udp 7 echo
        """

    @Test func showsWhatItUnderstands() throws {
        let shown = try ToolCommand("swlab", "show", "demo").run()
        #expect(shown.status == 0 && shown.errors.isEmpty)
        let file = try ScenarioFile(shown.output)
        #expect(try ToolCommand("swlab", "show", file.path).run().output == shown.output)
    }

    @Test func aWrongScenarioIsNamedWithItsLine() throws {
        let file = try ScenarioFile("source 10.0.0.1\nrouter r1 delay 5m\n")
        let result = try ToolCommand("swlab", "run", file.path, "--", "true").run()
        #expect(result.status == 2 && result.output.isEmpty)
        #expect(result.errors.hasPrefix("swlab: \(file.path): line 2: \"5m\": not a time"))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test(
        arguments: [
            ("exit 7", 7), ("kill -TERM $$", 143), ("exec /no/such/program", 127),
            ("test \"$(cat /proc/sys/net/ipv4/ping_group_range | tr '\\t' ' ')\" = '0 2147483647'", 0),
        ] as [(String, Int32)])
    func runReturnsTheStatusOfItsCommand(_ script: String, _ status: Int32) throws {
        let result = try ToolCommand("swlab", "run", "--ping-sockets", "open", "demo", "--", "sh", "-c", script).run()
        #expect(result.status == status)
    }

    @Test func aCommandThatIsNotThere() throws {
        let result = try ToolCommand("swlab", "run", "demo", "--", "no-such-command").run()
        #expect(result.status == 127)
        #expect(result.errors == "swlab: no-such-command: No such file or directory\n")
    }

    @Test func aUserHasNoCapabilities() throws {
        let result = try ToolCommand(
            "swlab", "run", "--user", "65534", "demo", "--", "sh", "-c",
            "id -u; id -g; id -G; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f2 | sort -u"
        ).run()
        #expect(result.status == 0)
        #expect(result.output == "65534\n65534\n65534\n0000000000000000\n")
    }

    @Test func packetsTakeTheirTime() throws {
        let name = "test-\(getpid())"
        let file = try ScenarioFile(Self.small)
        let up = try ToolCommand("swlab", "up", "--name", name, file.path).run()
        try #require(up.status == 0, "\(up.errors)")
        defer { _ = try? ToolCommand("swlab", "down", "--name", name).run() }
        #expect(try ToolCommand("swlab", "list").run().output.contains("\(name)\t"))
        let again = try ToolCommand("swlab", "up", "--name", name, file.path).run()
        #expect(again.status == 2 && again.errors.hasPrefix("swlab: lab \(name) is up already"))

        for target in ["10.0.9.9", "fd00:9::9"] {
            let address = try #require(IPAddress(target))
            let (reply, time) = try onThread { () throws -> ([UInt8], Int64) in
                try NetworkNamespace(path: "/run/netns/\(name)").enter()
                let socket = try Socket(family: address.version == .v4 ? .inet : .inet6, type: .datagram)
                _ = try socket.connect(to: SocketAddress(address, port: 7))
                let start = SystemClock.monotonic.now
                _ = try socket.send(Array("there and back".utf8))
                try socket.wait(for: .readable)
                var buffer = [UInt8](repeating: 0, count: 64)
                let count = try socket.receive(into: &buffer)?.count ?? 0
                return (Array(buffer[..<count]), SystemClock.monotonic.now - start)
            }
            #expect(reply == Array("there and back".utf8))
            // Never earlier than the scenario says; later is the machine's affair.
            #expect(time >= 6_000_000)
        }
        if hasProgram("ping") {
            let ping = try ToolCommand("swlab", "exec", "--name", name, "--", "ping", "-c1", "10.0.9.9").run()
            #expect(ping.status == 0 && ping.output.contains("ttl=63"))
        }
        #expect(try ToolCommand("swlab", "down", "--name", name).run().status == 0)
        #expect(unsafe access("/run/netns/\(name)", F_OK) != 0)
        let gone = try ToolCommand("swlab", "exec", "--name", name, "--", "true").run()
        #expect(gone.status == 2 && gone.errors.hasPrefix("swlab: no lab \(name) is up"))
    }

    @Test(.enabled(if: hasProgram("ping"), "needs ping")) func theLogHoldsTheTruth() throws {
        let file = try ScenarioFile(Self.small)
        let log = try ScenarioFile("")
        let ping = try ToolCommand(
            "swlab", "run", "--counters", "--log", log.path, file.path, "--", "ping", "-q", "-c5", "-i0.01", "10.0.9.9"
        ).run()
        #expect(ping.status == 0)
        #expect(ping.errors.hasPrefix("swlab: 5 packets sent, 5 arrived, 5 came back; lost 0 "))
        var requests: [Int64] = []
        var replies: [Int64] = []
        for line in try runSuccessfully(["cat", log.path]).split(separator: "\n") {
            let words = line.split(separator: " ")
            try #require(words.count == 5)
            let time = try #require(Int64(words[1]))
            #expect(words[3] == "84" && words[4].hasPrefix(words[0] == "in" ? "0800" : "0000"))
            if words[0] == "in" { requests.append(time) } else { replies.append(time) }
        }
        try #require(requests.count == 5 && replies.count == 5)
        for (request, reply) in zip(requests, replies) { #expect(reply - request >= 5_990_000) }
    }

    /// However the lab ends, its command does not stay behind.
    @Test(arguments: [Signal.terminate, .interrupt, Signal(rawValue: SIGKILL)])
    func aSignalEndsTheCommandToo(_ signal: Signal) throws {
        var child = try ToolCommand("swlab", "run", "demo", "--", "sh", "-c", "echo ready; exec sleep 60").start()
        try child.wait(forOutput: { $0 == "ready\n" })
        child.signal(signal)
        // The end of the output is the end of everybody who could write it.
        let result = try child.finish()
        #expect(result.status == 128 + signal.rawValue)
    }
}
