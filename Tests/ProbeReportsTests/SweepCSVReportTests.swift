import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct SweepCSVReportTests {
    private let report: SweepCSVReport = {
        var report = SweepCSVReport()
        report.clock = WallClock(offset: 1_000_000_000)
        return report
    }()
    private let now = Timestamp(nanoseconds: 9)
    private static let header =
        "time,type,target,address,family,transport,attempt,kind,responder,name,bytes,hop_limit,traffic_class,rtt_ns,clock,"
        + "icmp_type,icmp_code,errno,text\r\n"

    private func row(_ event: HostSweepEvent, target: SafeText? = nil, name: SafeText? = nil) -> String {
        var report = report
        return written { report.append(event, target: target, name: name, at: now, to: &$0) }
    }

    @Test func startsWithTheNamesOfTheColumns() {
        let start = SweepStart(HostSweep.Configuration(TargetSpace()), rung: "raw", time: 0)
        #expect(written { report.appendStart(start, to: &$0) } == Self.header)
        #expect(written { report.appendSummary(sweepRun(), to: &$0) }.isEmpty)
        #expect(report.totalLines(sweepRun()) == SweepTextReport().totalLines(sweepRun()))
    }

    @Test(
        arguments: [
            (
                .alive(hostAnswer()),
                "alive,192.0.2.1,192.0.2.1,ipv4,icmp,1,echo,192.0.2.1,,64,63,0,312000,user_kernel,,,,"
            ),
            (
                .alive(hostAnswer(as: .late, attempt: 1, hopLimit: nil)),
                "alive,192.0.2.1,192.0.2.1,ipv4,icmp,2,echo,192.0.2.1,,64,,,312000,user_kernel,,,,late"
            ),
            (
                .late(hostAnswer("2001:db8::1", as: .late)),
                "late,2001:db8::1,2001:db8::1,ipv6,icmp,1,echo,2001:db8::1,,64,63,0,312000,user_kernel,,,,late"
            ),
            (
                .duplicate(hostAnswer(as: .duplicate)),
                "duplicate,192.0.2.1,192.0.2.1,ipv4,icmp,1,echo,192.0.2.1,,64,63,0,312000,user_kernel,,,,"
            ),
            (
                .wrongSource(hostAnswer(from: "192.0.2.2", as: .wrongSource)),
                "wrong_source,192.0.2.1,192.0.2.1,ipv4,icmp,1,echo,192.0.2.2,,64,63,0,312000,user_kernel,,,,"
            ),
            (
                .corrupted(hostAnswer(as: .corrupted(.intact))),
                "corrupted,192.0.2.1,192.0.2.1,ipv4,icmp,1,echo,192.0.2.1,,64,63,0,312000,user_kernel,,,,wrong checksum"
            ),
            (.unreachable(hostSilence()), "unreachable,192.0.2.7,192.0.2.7,ipv4,icmp,2,,,,,,,,,,,,"),
            (
                .unreachable(hostSilence(error: hostError())),
                "unreachable,192.0.2.7,192.0.2.7,ipv4,icmp,2,,192.0.2.254,,,64,,51000,user_kernel,3,1,,"
                    + "Destination Host Unreachable"
            ),
            (
                .unreachable(hostSilence(failure: networkUnreachable)),
                "unreachable,192.0.2.7,192.0.2.7,ipv4,icmp,2,,,,,,,,,,,ENETUNREACH,ENETUNREACH: Network is unreachable"
            ),
            (
                .unasked(hostRefusal()),
                "unasked,192.0.2.7,192.0.2.7,ipv4,icmp,,,,,,,,,,,,ENETUNREACH,ENETUNREACH: Network is unreachable"
            ),
            (
                .error(hostError(attempt: 1)),
                "error,192.0.2.7,192.0.2.7,ipv4,icmp,2,,192.0.2.254,,,64,,51000,user_kernel,3,1,,"
                    + "Destination Host Unreachable"
            ),
        ] as [(HostSweepEvent, String)])
    func rows(event: HostSweepEvent, expected: String) {
        #expect(row(event) == "1970-01-01T00:00:01.000000007Z,\(expected)\r\n")
    }

    @Test func everyRowHasEveryColumnWhateverTheNames() throws {
        var report = report
        report.zones = [3: hostileName]
        let columns = try #require(csvRecords(Self.header)).first?.count
        for event in everyHostEvent {
            let text = written { report.append(event, target: hostileName, name: hostileName, at: now, to: &$0) }
            let record = try #require(csvRecords(text))
            #expect(record.count == 1 && record[0].count == columns)
            #expect(record[0][2] == hostileName.description && record[0][9] == hostileName.description)
            #expect(text.dropLast().unicodeScalars.allSatisfy { (" "..."~").contains($0) })
        }
    }

    @Test func noFieldIsAFormula() throws {
        let text = row(.alive(hostAnswer()), target: SafeText(name: "=1+1"), name: SafeText(name: "@x,\"y\""))
        let record = try #require(csvRecords(text)?.first)
        #expect(record[2] == "\\x3d1+1" && record[9] == "\\x40x,\"y\"")
    }
}
