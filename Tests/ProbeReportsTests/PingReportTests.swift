import PacketFormats
@testable import ProbeEngine
import Testing

@testable import ProbeReports

struct PingReportTests {
    @Test(arguments: [
        (0, "0.000"), (499, "0.000"), (500, "0.001"), (999_499, "0.999"), (999_500, "1.00"), (1_004_499, "1.00"),
        (1_005_000, "1.01"), (9_994_499, "9.99"), (9_994_500, "10.0"), (36_468_000, "36.5"), (99_949_499, "99.9"),
        (99_949_500, "100"), (1_000_499_000, "1000"), (1_000_500_000, "1001"), (-1_500_000, "-1.50"),
    ])
    func digits(nanoseconds: Int64, text: String) {
        var buffer = ReportBuffer()
        buffer.append(pingMilliseconds: TimeSpan(nanoseconds: nanoseconds))
        #expect(String(decoding: buffer.bytes, as: UTF8.self) == text)
    }

    /// Three of 1, 2 and 12 ms, the last a second answer, and a fourth probe that nobody answered.
    @Test func counting() {
        var (output, errors) = (ReportBuffer(), ReportBuffer())
        var report = report()
        for sequence: UInt32 in 1...4 {
            report.append(.sent(target: 0, sequence: sequence), name: nil, at: now, to: &output, errors: &errors)
        }
        #expect(!report.isOver(count: 2, hasDeadline: false))
        for (sequence, milliseconds, disposition): (UInt32, Int64, EchoReply.Disposition) in [
            (1, 1, .inTime), (2, 2, .late), (2, 12, .duplicate),
            (3, 4, .corrupted(.wrongChecksum)),
        ] {
            report.append(
                .reply(reply(sequence, milliseconds, disposition)), name: nil, at: now, to: &output, errors: &errors)
        }
        #expect(report.isOver(count: 2, hasDeadline: true) && !report.isOver(count: 3, hasDeadline: true))
        report.appendSummary(sending: .milliseconds(3_000), pipe: 1, to: &output)
        #expect(
            String(decoding: output.bytes, as: UTF8.self) == """
                64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=1.00 ms
                64 bytes from 192.0.2.1: icmp_seq=2 ttl=64 time=2.00 ms
                64 bytes from 192.0.2.1: icmp_seq=2 ttl=64 time=12.0 ms (DUP!)
                64 bytes from 192.0.2.1: icmp_seq=3 ttl=64 time=4.00 ms (BAD CHECKSUM!)

                --- 192.0.2.1 ping statistics ---
                4 packets transmitted, 2 received, +1 duplicates, +1 corrupted, 50% packet loss, time 3000ms
                rtt min/avg/max/mdev = 1.000/5.000/12.000/4.966 ms

                """)
        #expect(errors.isEmpty)
        #expect(
            report.exitStatus(count: 3, hasDeadline: true) == 1 && report.exitStatus(count: 3, hasDeadline: false) == 0)
        report.appendInterim(to: &errors)
        #expect(
            String(decoding: errors.bytes, as: UTF8.self)
                == "\r2/4 packets, 50% loss, min/avg/ewma/max = 1.000/5.000/2.484/12.000 ms\n")
    }

    /// After 65,536 probes a number begins anew, and so does what is known of it.
    @Test func numbersWrap() {
        var (output, errors) = (ReportBuffer(), ReportBuffer())
        var report = report()
        for sequence: UInt32 in [5, 65_541] {
            report.append(.sent(target: 0, sequence: sequence), name: nil, at: now, to: &output, errors: &errors)
            report.append(.reply(reply(sequence, 1, .inTime)), name: nil, at: now, to: &output, errors: &errors)
        }
        let line = "64 bytes from 192.0.2.1: icmp_seq=5 ttl=64 time=1.00 ms\n"
        #expect(String(decoding: output.bytes, as: UTF8.self) == line + line)
    }

    @Test func whatIsNotSentCountsAsSent() {
        var (output, errors) = (ReportBuffer(), ReportBuffer())
        var report = report()
        for failure in [SendFailure.retryLater, .failed(code: 90, name: "EMSGSIZE", mtu: 1500)] {
            report.append(
                .unsent(target: 0, sequence: 1, failure: failure), name: nil, at: now, to: &output, errors: &errors)
        }
        #expect(report.isOver(count: nil, hasDeadline: true))
        report.appendSummary(sending: .zero, pipe: 2, to: &output)
        #expect(
            String(decoding: output.bytes, as: UTF8.self) == """

                --- 192.0.2.1 ping statistics ---
                2 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
                pipe 2

                """)
        #expect(
            String(decoding: errors.bytes, as: UTF8.self)
                == "p: sendmsg: No buffer space available\np: local error: message too long, mtu=1500\n")
    }

    // MARK: Helpers

    private let now = Timestamp(nanoseconds: 0)
    private let address = IPAddress("192.0.2.1") ?? .v4(.any)

    private func report() -> PingReport {
        PingReport(EchoTextReport(targets: [ReportTarget(name: SafeText("192.0.2.1"), address: address)]), program: "p")
    }

    private func reply(_ sequence: UInt32, _ milliseconds: Int64, _ disposition: EchoReply.Disposition) -> EchoReply {
        EchoReply(
            target: 0, sequence: sequence, kind: .echo, disposition: disposition, responder: address, hopLimit: 64,
            trafficClass: 0, byteCount: 64, roundTrip: .milliseconds(milliseconds), clock: .kernel,
            userRoundTrip: .zero, arrival: now)
    }
}
