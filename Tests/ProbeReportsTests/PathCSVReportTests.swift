import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct PathCSVReportTests {
    private let report = PathCSVReport(target: target("a,b", "10.77.99.9"), method: .tcpSYN(destinationPort: 80))

    private func table(_ events: [PathEvent], _ facts: PathFacts = PathFacts()) -> [[Substring]] {
        let text = written { buffer in
            report.appendStart(
                PathStart(
                    PathTrace.Configuration(destination: address("10.77.99.9")), packetLength: 44, rung: "raw", time: 0),
                to: &buffer)
            for event in events { report.append(event, facts, time: 7, to: &buffer) }
        }
        #expect(text.hasSuffix("\r\n"))
        return text.split(separator: "\r\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    }

    @Test func hasARowForEachQuery() {
        let kind = PathAnswer.Kind.error(type: ICMPType.V4.destinationUnreachable, code: 13, info: 0)
        let answers = [
            answer("10.77.1.2", 68_000), nil, answer("10.77.99.9", 9_000, .reached, flags: [.syn, .ack]),
            answer("10.77.8.2", 5, kind),
        ]
        let table = table(
            [
                .hop(PathHop(number: 3, answers: answers)), .unsent(hop: 4, failure: .failed(code: 1, name: "EPERM")),
            ], PathFacts(name: { _ in SafeText(name: "=r1") }))
        #expect(table.count == 6)
        // The comma of the target's name is inside of quotes, so that each row splits into one field more here.
        #expect(table.dropFirst().allSatisfy { $0.count == table[0].count + 1 }, "\(table)")
        #expect(
            table[1].joined(separator: ",")
                == "1970-01-01T00:00:00.000000007Z,\"a,b\",10.77.99.9,ipv4,tcp,3,1,time_exceeded,10.77.1.2,"
                + "\\x3dr1,3,62,68000,kernel,,,,,,")
        #expect(table[2].joined(separator: ",").hasSuffix(",3,2,silence,,,,,,,,,,,,"))
        #expect(table[3].joined(separator: ",").hasSuffix(",reached,10.77.99.9,\\x3dr1,3,62,9000,kernel,,,,syn ack,,"))
        #expect(table[4].joined(separator: ",").hasSuffix(",error,10.77.8.2,\\x3dr1,3,62,5,kernel,3,13,!X,,,"))
        #expect(table[5].joined(separator: ",").hasSuffix(",4,,unsent,,,,,,,,,,,,EPERM: Operation not permitted"))
    }

    @Test func hasNamesOnce() {
        var second = report
        second.hasNames = false
        let start = PathStart(
            PathTrace.Configuration(destination: address("10.77.99.9")), packetLength: 44, rung: "raw", time: 0)
        #expect(written { second.appendStart(start, to: &$0) }.isEmpty)
    }
}
