import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

@Suite struct PathAtlasReportTests {
    @Test func writesOneObject() throws {
        var configuration = PathTrace.Configuration(destination: address("10.77.99.9"))
        configuration.queries = 2
        configuration.wantsKernelStamps = false
        var report = PathAtlasReport(target: target("example.net", "10.77.99.9"), method: configuration.method)
        let start = PathStart(
            configuration, packetLength: 60, rung: "raw", source: address("10.77.1.1"), time: 1_000_000_000)
        var buffer = ReportBuffer()
        report.appendStart(start, to: &buffer)
        #expect(buffer.isEmpty)
        report.appendSummary(run(of: configuration), PathFacts(), to: &buffer)
        let text = String(decoding: buffer.bytes, as: UTF8.self)
        #expect(lines(text).count == 1)
        let object = try JSONValue(parsing: text)
        #expect(object["type"].text == "traceroute")
        #expect(object["af"].integer == 4)
        #expect(object["dst_name"].text == "example.net")
        #expect(object["dst_addr"].text == "10.77.99.9")
        #expect(object["src_addr"].text == "10.77.1.1")
        #expect(object["proto"].text == "UDP")
        #expect(object["size"].integer == 32)
        #expect(object["timestamp"].integer == 1)
        #expect(object["endtime"].integer == 2)
        let hops = object["result"].elements
        #expect(hops.map { $0["hop"].integer } == [1, 2])
        #expect(hops[0]["result"].elements.map { $0["from"].text } == ["10.77.1.2", "10.77.1.2"])
        #expect(hops[1]["result"].elements.map { $0["ttl"].integer } == [63, 63])
        #expect(hops[1]["result"].elements.map { $0["size"].integer } == [68, 68])
        #expect(text.contains("\"rtt\":1.000000"))
    }

    @Test func namesSilenceErrorsLabelsAndFlags() throws {
        let destination = address("10.77.99.9")
        let report = PathAtlasReport(target: target("h", "10.77.99.9"), method: .tcpSYN(destinationPort: 443))
        var configuration = PathTrace.Configuration(destination: destination)
        configuration.wantsKernelStamps = false
        var run = run(of: configuration)
        let codes: [UInt8] = [0, 1, 2, 4, 9, 13, 14]
        let errors = codes.map {
            answer("10.77.8.2", 1, .error(type: ICMPType.V4.destinationUnreachable, code: $0, info: 1400))
        }
        run.hops = [
            PathHop(number: 1, answers: [nil, answer("10.77.1.2", 1_234_567, objects: everyObject)]),
            PathHop(number: 2, answers: errors),
            PathHop(number: 3, answers: [answer("10.77.99.9", 1, .reached, flags: [.syn, .ack])]),
        ]
        let text = written { report.appendSummary(run, PathFacts(), to: &$0) }
        let hops = try JSONValue(parsing: text)["result"].elements
        #expect(hops[0]["result"].elements[0]["x"].text == "*")
        #expect(text.contains("\"rtt\":1.234567"))
        let objects = hops[0]["result"].elements[1]["icmpext"]["obj"].elements
        #expect(objects[0]["mpls"].elements.map { $0["label"].integer } == [16_004, 3])
        #expect(objects.map { $0["class"].integer } == [1, 2, 9])
        let letters = hops[1]["result"].elements.map { $0["err"] }
        #expect(
            letters == [.string("N"), .string("H"), .string("P"), letters[3], .string("A"), .string("A"), letters[6]])
        #expect(letters[3].integer == 4)
        #expect(hops[1]["result"].elements[3]["mtu"].integer == 1_400)
        #expect(letters[6].integer == 14)
        #expect(hops[2]["result"].elements[0]["flags"].text == "SA")
    }

    @Test func tellsWhatWasNotSent() throws {
        var report = PathAtlasReport(target: target("h", "10.77.99.9"), method: .icmpEcho)
        var configuration = PathTrace.Configuration(destination: address("10.77.99.9"))
        configuration.wantsKernelStamps = false
        var run = run(of: configuration)
        run.hops = [PathHop(number: 1, answers: [nil, nil])]
        let text = written { buffer in
            report.append(
                .unsent(hop: 1, failure: .failed(code: 101, name: "ENETUNREACH")), PathFacts(), time: 0, to: &buffer)
            report.appendSummary(run, PathFacts(), to: &buffer)
        }
        let hop = try JSONValue(parsing: text)["result"].elements[0]
        #expect(hop["error"].text == "ENETUNREACH: Network is unreachable")
    }
}
