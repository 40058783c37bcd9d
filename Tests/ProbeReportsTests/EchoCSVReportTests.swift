import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

/// The records of a text as RFC 4180 section 2 reads them; nil when a record does not end with CR LF.
func csvRecords(_ text: String) -> [[String]]? {
    var records: [[String]] = []
    var fields: [String] = []
    var field = ""
    var isQuoted = false
    var rest = Array(text.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
        switch scalar {
        case "\"" where isQuoted && rest.first == "\"":
            field += "\""
            rest.removeFirst()
        case "\"": isQuoted.toggle()
        case "," where !isQuoted:
            fields.append(field)
            field = ""
        case "\r" where !isQuoted && rest.first == "\n":
            rest.removeFirst()
            records.append(fields + [field])
            (fields, field) = ([], "")
        default: field.unicodeScalars.append(scalar)
        }
    }
    return fields.isEmpty && field.isEmpty && !isQuoted ? records : nil
}

@Suite struct EchoCSVReportTests {
    private var report: EchoCSVReport = {
        var report = EchoCSVReport(targets: [target("example.net", "10.91.2.2")])
        report.clock = WallClock(offset: 1_000_000_000)
        return report
    }()
    private let now = Timestamp(nanoseconds: 7)
    private static let header =
        "time,type,target,address,family,transport,seq,kind,responder,name,bytes,hop_limit,traffic_class,rtt_ns,clock,"
        + "icmp_type,icmp_code,errno,text\r\n"

    private func row(_ event: EchoEvent, name: SafeText? = nil) -> String {
        written { report.append(event, name: name, at: now, to: &$0) }
    }

    @Test func startsWithTheNamesOfTheColumnsAndEndsWithNothing() {
        let start = EchoStart(EchoSweep.Configuration(targets: [address("10.91.2.2")]), rung: "raw", time: 0)
        #expect(written { report.appendStart(start, to: &$0) } == Self.header)
        let run = EchoRun(elapsed: .milliseconds(5), time: 0, unsolicited: 6)
        #expect(written { report.appendSummary([statistics([74_000])], run: run, to: &$0) }.isEmpty)
    }

    @Test(
        arguments: [
            (
                reply(arrival: 7),
                "reply,HOST,1,echo,10.91.2.2,r.example,64,63,0,127000,kernel,,,,"
            ),
            (reply(.late, hopLimit: nil), "late,HOST,1,echo,10.91.2.2,r.example,64,,0,127000,kernel,,,,"),
            (
                reply(.corrupted(.wrongOctet(offset: 30, expected: 0x1e, found: 0xe1))),
                "corrupted,HOST,1,echo,10.91.2.2,r.example,64,63,0,127000,kernel,,,,octet 30 is 225 instead of 30"
            ),
            (.timeout(target: 0, sequence: 3), "timeout,HOST,3,,,,,,,,,,,,"),
            (
                .unsent(target: 0, sequence: 4, failure: .failed(code: 101, name: "ENETUNREACH")),
                "unsent,HOST,4,,,,,,,,,,,ENETUNREACH,ENETUNREACH: Network is unreachable"
            ),
            (
                echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0),
                "error,HOST,1,,10.91.1.1,r.example,,64,,51000,kernel,11,0,,Time to live exceeded"
            ),
        ] as [(EchoEvent, String)])
    func writesARow(event: EchoEvent, expected: String) {
        let host = "example.net,10.91.2.2,ipv4,icmp"
        let row = row(event, name: SafeText(name: "r.example"))
        let rest = expected.replacing("HOST", with: host)
        #expect(
            row.dropFirst(30) == ",\(rest)\r\n" && row.hasPrefix("1970-01-01T00:00:01.00000000"),
            "\(row.debugDescription)")
    }

    @Test func everyRowHasEveryColumn() throws {
        var text = Self.header
        for event in everyEchoEvent { text += row(event, name: SafeText(name: "a,b")) }
        let records = try #require(csvRecords(text))
        #expect(records.allSatisfy { $0.count == records[0].count })
        #expect(
            Set(records.dropFirst().map { $0[1] }).isSuperset(of: ["reply", "late", "unsolicited", "error", "unsent"]))
    }

    @Test(
        arguments: [
            ("a,b\"c", "a,b\"c"), ("=HYPERLINK(\"x\")", "\\x3dHYPERLINK(\"x\")"), ("+1", "\\x2b1"), ("-1", "\\x2d1"),
            ("@A1", "\\x40A1"), ("a\r\nb", "a\\r\\nb"), ("\u{1b}[2J\t", "\\x1b[2J\\t"), ("\u{202e}x", "\\u{202e}x"),
        ])
    func foreignTextStaysInItsField(hostile: String, expected: String) throws {
        var report = report
        report.targets[0].name = SafeText(hostile)
        let text = written { report.append(reply(), name: SafeText(name: hostile), at: now, to: &$0) }
        let records = try #require(csvRecords(text))
        #expect(records.count == 1 && records[0].count == 19)
        #expect(records[0][2] == expected)
        #expect(records[0][9] == expected)
    }

    @Test func aZoneStaysInItsField() throws {
        var report = EchoCSVReport(targets: [target("fe80::1%7", "fe80::1%7")])
        report.zones = [7: SafeText(name: "v,\"=1")]
        let records = try #require(
            csvRecords(written { report.append(.timeout(target: 0, sequence: 1), name: nil, at: now, to: &$0) }))
        #expect(records[0].count == 19 && records[0][3] == "fe80::1%v,\"=1")
    }
}
