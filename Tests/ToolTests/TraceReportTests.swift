import LinuxSockets
import PacketFormats
import ProbeReports
import TestSupport
import Testing

/// What swtrace gives out beside rows, and of several hosts, on routers of the real kernel.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct TraceReportTests {
    private func result(_ lab: NamespaceLab, _ arguments: String...) throws -> CommandResult {
        var command = ToolCommand("swtrace", "-n")
        command.arguments += arguments
        let ready = command
        return try lab["a"].run { try ready.run() }
    }

    @Test(arguments: ["raw", "udp"])
    func tellsOfSeveralHostsOneAfterTheOther(rung: String) throws {
        let lab = try SwtraceTests.chain()
        let result = try result(lab, "--rung", rung, "10.0.4.2", "10.0.2.2", "fd00:3::2")
        let blocks = result.output.split(separator: "\n\n").map(String.init)
        try #require(blocks.count == 3, "\(result)")
        for (block, host) in zip(blocks, ["10.0.4.2", "10.0.2.2", "fd00:3::2"]) {
            #expect(block.hasPrefix("traceroute to \(host) ("), "\(block)")
            let rows = TraceRow.rows(of: block)
            let path = SwtraceTests.path(to: host)
            let length = Int(host.dropFirst(5).prefix(1)) ?? 0
            #expect(rows.map(\.responders) == path.prefix(length).map { [$0] }, "\(block)")
        }
        #expect(result.status == 0)
        let one = try self.result(lab, "--rung", rung, "-m", "2", "10.0.4.2", "10.0.2.2")
        #expect(one.status == 1, "one of two was not reached")
    }

    @Test func aNameThatIsUnknownLeavesTheOthers() throws {
        let lab = try SwtraceTests.chain()
        let result = try result(lab, "10.0.4.256", "10.0.2.2")
        #expect(result.status == 2)
        #expect(result.errors.contains("10.0.4.256"), "\(result.errors)")
        #expect(TraceRow.rows(of: result.output).count == 2)
    }

    @Test func theLastNumberIsTheLengthOfPackets() throws {
        let lab = try SwtraceTests.chain()
        let result = try result(lab, "10.0.2.2", "10.0.3.2", "100")
        #expect(
            result.output.split(separator: "\n").filter { $0.hasSuffix(" 100 byte packets") }.count == 2, "\(result)")
    }

    @Test func aTableHasItsNamesOnceAndARowForEachProbe() throws {
        let lab = try SwtraceTests.chain()
        let result = try result(lab, "--csv", "10.0.4.2", "10.0.2.2")
        let rows = result.output.split(separator: "\r\n")
        #expect(rows.count == 1 + 3 * 4 + 3 * 2, "\(result.output)")
        #expect(rows.first?.hasPrefix("time,target,address,family,transport,hop,query,kind,responder,") == true)
        #expect(rows.filter { $0.hasPrefix("time,") }.count == 1)
        #expect(rows.dropFirst().allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 20 })
        #expect(result.status == 0)
    }

    @Test func atlasHasAnObjectForEachHost() throws {
        let lab = try SwtraceTests.chain()
        let result = try result(lab, "--atlas", "10.0.4.2", "fd00:2::2")
        let objects = try result.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
        try #require(objects.count == 2, "\(result)")
        #expect(objects.map { $0["result"].elements.count } == [4, 2])
        #expect(objects.map { $0["src_addr"].text } == ["10.0.1.1", "fd00:1::1"])
        #expect(
            objects[1]["result"].elements[1]["result"].elements.map { $0["from"].text }
                == Array(repeating: "fd00:2::2", count: 3))
    }

    @Test func onlyOneReportGoesToStandardOutput() throws {
        let lab = try SwtraceTests.chain()
        let result = try result(lab, "--csv", "--json", "10.0.4.2")
        #expect(result.status == 2)
        #expect(result.errors == "swtrace: options --csv and --json exclude each other (see swtrace --help)\n")
    }

    /// Each probe and each answer once, in the order of time.
    @Test(.enabled(if: hasProgram("tcpdump"), "needs tcpdump(8)")) func capturesWhatPasses() throws {
        let lab = try SwtraceTests.chain()
        let file = try Directory()
        let result = try result(lab, "--pcap", "\(file.file)", "10.0.2.2")
        #expect(result.status == 0)
        let dump = try runSuccessfully(["tcpdump", "-nr", "\(file.file)"])
        #expect(dump.contains("10.0.2.2.33434: UDP, length 32"), "\(dump)")
        #expect(dump.contains("10.0.1.2 > 10.0.1.1: ICMP time exceeded in-transit"), "\(dump)")
        #expect(dump.contains("10.0.2.2 > 10.0.1.1: ICMP 10.0.2.2 udp port 33434 unreachable"), "\(dump)")
    }
}
