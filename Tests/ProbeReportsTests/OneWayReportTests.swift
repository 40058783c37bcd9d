import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

/// A timestamp reply of 20 ms, 5 of them on the way there.
func timestampReply(
    _ form: ClockForm, delays: Bool, _ disposition: EchoReply.Disposition = .inTime
) -> EchoEvent {
    var remote = RemoteTimestamps(
        receive: InternetTimestamp(rawValue: 40_000_005), transmit: InternetTimestamp(rawValue: 40_000_006), form: form)
    if delays {
        remote.delays = OneWayDelays(
            forward: .milliseconds(5), backward: .milliseconds(15), uncertainty: .microseconds(2_500))
    }
    return .reply(
        EchoReply(
            target: 0, sequence: 1, kind: .timestamp, disposition: disposition, responder: address("10.91.2.2"),
            hopLimit: 63, trafficClass: 0, byteCount: 20, roundTrip: .milliseconds(20), clock: .kernel,
            userRoundTrip: .milliseconds(20), arrival: Timestamp(nanoseconds: 0), timestamps: remote))
}

/// What a run of so many replies a second apart tells: 5 ms there and 15 back, of a clock that is 2 s behind.
func clockEstimate(form: ClockForm = .standard, samples: Int64 = 600) -> ClockEstimate {
    var fit = ClockFit()
    for number in 0..<samples {
        let sent = 1_795_000_000_000_000_000 + number * 1_000_618_034
        // Every tenth request waits for 7 ms.
        let wait: Int64 = number % 10 == 9 ? 7_000_000 : 0
        var time = InternetTimestamp(nanoseconds: sent + wait + 5_000_000 - 2_000_000_000)
        if form == .littleEndian { time.rawValue = time.rawValue.byteSwapped }
        if form == .nonStandard { time.rawValue = 0xffff_ffff }
        let sample = ClockSample(sent: sent, received: sent + wait + 20_000_000)
        _ = fit.take(sample, receive: time, transmit: time)
    }
    guard let estimate = fit.estimate else { preconditionFailure("no estimate") }
    return estimate
}

/// Lines about the two directions.
@Suite struct OneWayReportTests {
    private let report = EchoTextReport(
        targets: [target("example.net", "10.91.2.2")], method: .icmpTimestamp, payloadLength: 12)

    private func line(_ event: EchoEvent) -> String {
        var report = report
        return written { report.append(event, at: Timestamp(nanoseconds: 0), to: &$0) }
    }

    private func summary(_ clock: ClockEstimate?) -> [String] {
        var run = EchoRun(elapsed: .milliseconds(2003), time: 0)
        run.clocks = [clock]
        return lines(written { report.appendSummary([statistics([20_000_000])], run: run, to: &$0) })
    }

    @Test func startsLikePing() {
        let start = EchoStart(EchoSweep.Configuration(targets: report.targets.map(\.address)), rung: "raw", time: 0)
        #expect(
            written { report.appendStart(start, to: &$0) }
                == "PING example.net (10.91.2.2) ICMP timestamp, 12(40) bytes of data.\n")
    }

    @Test func addsBothWaysToAReply() {
        let head = "20 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=20.000 ms"
        #expect(line(timestampReply(.standard, delays: true)) == head + " fwd=5.000 ret=15.000 ms +/- 2.500\n")
        #expect(
            line(timestampReply(.standard, delays: true, .late)) == head + " fwd=5.000 ret=15.000 ms +/- 2.500 (late)\n"
        )
        #expect(line(timestampReply(.standard, delays: false)) == head + "\n")
        #expect(
            line(timestampReply(.littleEndian, delays: true))
                == head + " fwd=5.000 ret=15.000 ms +/- 2.500 (remote time in little-endian order)\n")
        #expect(
            line(timestampReply(.nonStandard, delays: false)) == head + " (remote time not in standard form)\n")
    }

    @Test func sumsUpBothWaysAndTheClock() throws {
        let rows = summary(clockEstimate())
        let oneWay = try #require(rows.first { $0.hasPrefix("one-way: ") })
        #expect(
            oneWay.wholeMatch(
                of:
                    /one-way: forward [0-9.]+, return [0-9.]+ ms \+\/- [0-9.]+; clock offset (-[0-9.]+) \+\/- ([0-9.]+) ms, skew [+-][0-9.]+ \+\/- [0-9.]+ ppm/
            ) != nil, "\(oneWay)")
        // Nobody can know that 5 of the 20 ms were the way there.
        let found = oneWay.firstMatch(of: /offset (-[0-9.]+) \+\/- ([0-9.]+) ms/)
        let (offset, room) = (Double(found?.1 ?? ""), Double(found?.2 ?? ""))
        #expect(try abs(#require(offset) + 2_000) <= #require(room) && #require(room) < 10.6)
        let variation = try #require(rows.first { $0.hasPrefix("variation ") })
        let seen = try #require(
            variation.wholeMatch(
                of:
                    /variation p50\/p95\/max: forward [0-9.]+\/[0-9.]+\/([0-9.]+), return [0-9.]+\/[0-9.]+\/([0-9.]+) ms, to a tick of 1\.000 ms/
            ), "\(variation)")
        #expect(try abs(#require(Double(seen.1)) - 7) <= 1 && #require(Double(seen.2)) <= 1)
    }

    @Test func saysWhatAShortRunCanCarry() throws {
        let rows = summary(clockEstimate(samples: 1))
        #expect(rows.contains { $0.hasPrefix("one-way: forward 10.000, return 10.000 ms +/- 10.000; clock offset -2") })
        #expect(!rows.contains { $0.contains("skew") })
        #expect(!rows.contains { $0.hasPrefix("variation") })
        #expect(summary(clockEstimate(samples: 2)).contains { $0.hasPrefix("variation p50/max: forward ") })
    }

    @Test func saysWhyThereIsNothing() {
        #expect(summary(clockEstimate(form: .littleEndian)).contains("remote clock in little-endian order"))
        let odd = summary(clockEstimate(form: .nonStandard))
        #expect(odd.contains("remote clock not in standard form: no one-way delays"))
        #expect(!odd.contains { $0.hasPrefix("one-way") })
        var unstamped = ClockFit()
        let time = InternetTimestamp(rawValue: 40_000_000)
        _ = unstamped.take(nil, receive: time, transmit: time)
        #expect(summary(unstamped.estimate).contains("one-way: unknown without the kernel's time stamps"))
        #expect(summary(nil).count == 5)
    }

    @Test func countsNewBeginnings() {
        var clock = clockEstimate()
        clock.restarts = 1
        #expect(summary(clock).last == "a clock was set or ran unevenly: fitted anew 1 time")
        clock.restarts = 3
        #expect(summary(clock).last == "a clock was set or ran unevenly: fitted anew 3 times")
    }

    @Test func silenceHasAHint() {
        let hint = "no answer; many hosts and firewalls ignore ICMP timestamp requests\n"
        let run = EchoRun(elapsed: .zero, time: 0)
        #expect(written { report.appendSummary([statistics([], transmitted: 2)], run: run, to: &$0) }.hasSuffix(hint))
        #expect(!written { report.appendSummary([statistics([1])], run: run, to: &$0) }.contains("ignore"))
    }

    @Test func writesBothWaysAsJSON() throws {
        let json = EchoJSONReport(targets: [target("example.net", "10.91.2.2")], method: .icmpTimestamp)
        let reply = try JSONValue(
            parsing: written {
                json.append(timestampReply(.standard, delays: true), at: Timestamp(nanoseconds: 0), to: &$0)
            })
        #expect(reply["kind"] == .string("timestamp") && reply["remote_clock"] == .string("standard"))
        #expect(reply["remote_receive"].integer == 40_000_005 && reply["remote_transmit"].integer == 40_000_006)
        #expect(reply["forward_ns"].integer == 5_000_000 && reply["return_ns"].integer == 15_000_000)
        #expect(reply["uncertainty_ns"].integer == 2_500_000)

        let clock = clockEstimate()
        let fit = try #require(clock.fit)
        var run = EchoRun(elapsed: .zero, time: 0)
        run.clocks = [clock]
        let text = written { json.appendSummary([statistics([1])], run: run, to: &$0) }
        let direction = try JSONValue(parsing: try #require(lines(text).first))["direction"]
        #expect(direction["samples"].integer == 600 && direction["restarts"].integer == 0)
        #expect(direction["offset_ns"].integer == fit.offset.nanoseconds)
        #expect(direction["offset_uncertainty_ns"].integer == fit.offsetUncertainty.nanoseconds)
        #expect(direction["skew_ppb"].integer == fit.skew)
        #expect(direction["forward"]["max_ns"].integer == fit.forward.maximum.nanoseconds)
        #expect(direction["return_variation"]["p95_ns"].integer == fit.backwardVariation.p95?.nanoseconds)
    }
}
