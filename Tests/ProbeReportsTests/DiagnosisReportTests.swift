import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

/// One row of each kind.
let everyDiagnosisRow = [
    DiagnosisRow(
        topic: "socket", name: "raw", version: .v4, verdict: "refused", text: SafeText("Operation not permitted"),
        errorName: "EPERM", remedy: "run it as root"),
    DiagnosisRow(
        topic: "socket", name: "raw", version: .v6, verdict: "refused", text: SafeText("Operation not permitted"),
        errorName: "EPERM", remedy: "run it as root"),
    DiagnosisRow(
        topic: "socket", name: "ping", version: .v4, verdict: "unproven", text: SafeText("no answer"),
        trial: DiagnosisRow.Trial(roundTrip: nil, hasSendStamp: false, hasArrivalStamp: false, stampKeys: "none")),
    DiagnosisRow(
        topic: "socket", name: "udp", version: .v6, verdict: "works", text: SafeText("::1 answers"),
        trial: DiagnosisRow.Trial(
            roundTrip: TimeSpan(nanoseconds: 12_345), hasSendStamp: true, hasArrivalStamp: true, stampKeys: "named")),
    DiagnosisRow(topic: "rights", name: "program", verdict: "unknown", text: SafeText("hid\u{1b}den")),
    DiagnosisRow(topic: "system", name: "net.core.rmem_max", verdict: "fact", text: SafeText("5 bytes"), value: 5),
    DiagnosisRow(topic: "result", name: "best", verdict: "works", text: SafeText("udp")),
]

@Suite struct DiagnosisReportTests {
    @Test func alignsWhatPeopleRead() {
        #expect(
            written { DiagnosisReport.appendText(everyDiagnosisRow, to: &$0) } == #"""
                Sockets
                  raw IPv4           refused: Operation not permitted (EPERM)
                  raw IPv6           refused: Operation not permitted (EPERM)
                                     remedy: run it as root
                  ping IPv4          unproven: no answer
                  udp IPv6           works: ::1 answers

                Rights
                  program            unknown: hid\x1bden

                System
                  net.core.rmem_max  5 bytes

                Result
                  best               works: udp

                """#)
        #expect(written { DiagnosisReport.appendText([], to: &$0) }.isEmpty)
    }

    @Test func writesALineForEach() throws {
        let text = written { DiagnosisReport.appendJSON(everyDiagnosisRow, time: 7, to: &$0) }
        #expect(try problems(text, by: JSONSchema("swping")) == [])
        let rows = lines(text)
        #expect(
            rows[3] == "{\"v\":1,\"type\":\"diagnosis\",\"time\":\"1970-01-01T00:00:00.000000007Z\",\"target\":null,"
                + "\"address\":null,\"family\":\"ipv6\",\"transport\":\"udp\",\"topic\":\"socket\",\"name\":\"udp\","
                + "\"verdict\":\"works\",\"text\":\"::1 answers\",\"rtt_ns\":12345,\"send_stamp\":true,"
                + "\"arrival_stamp\":true,\"stamp_keys\":\"named\"}")
        let values = try rows.map { try JSONValue(parsing: $0) }
        #expect(values.map { $0["transport"].text } == ["icmp", "icmp", "icmp", "udp", nil, nil, nil])
        #expect(values.map { $0["family"].text } == ["ipv4", "ipv6", "ipv4", "ipv6", nil, nil, nil])
        #expect(values[0]["remedy"].text == "run it as root")
        #expect(values[2]["rtt_ns"] == .null)
        #expect(values[5]["value"].integer == 5)
    }
}
