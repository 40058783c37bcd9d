import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct EchoAssertionTests {
    /// 100 probes: 94 answered in 1 to 94 ms, 1 late, 5 lost in a row; sent every second.
    private static let usual: EchoStatistics = {
        var counts = EchoStatistics(withPercentiles: true)
        counts.transmitted = 100
        counts.unsent = 2
        counts.duplicates = 3
        for sequence in 1...100 as ClosedRange<UInt32> {
            let sentAt = Timestamp(nanoseconds: Int64(sequence) * 1_000_000_000)
            counts.noteSent(sequence, at: sentAt)
            switch sequence {
            case 95: counts.late += 1
            case 96...: break
            default:
                counts.noteReceived(.milliseconds(Int64(sequence)))
                counts.noteHostDelay(.microseconds(Int64(sequence)))
            }
            counts.noteOutcome(
                sequence < 95 ? .answered(.milliseconds(Int64(sequence))) : sequence == 95 ? .late : .lost,
                of: sequence, sentAt: sentAt)
        }
        return counts
    }()

    @Test(
        "What holds is told with what was measured",
        arguments: [
            ("loss>1%", "loss 5% > 1%"), ("loss>=5%", "loss 5% >= 5%"), ("loss>5%", nil), ("loss<5%", nil),
            ("loss<=5%", "loss 5% <= 5%"), ("loss>4.9999999%", "loss 5% > 4.9999999%"), ("loss>5.0000001%", nil),
            ("availability<99.9%", "availability 95% < 99.9%"), ("availability<95%", nil),
            ("p50>46ms", "p50 47ms > 46ms"), ("p50 > 47ms", nil), ("p50>=0.047s", "p50 47ms >= 0.047s"),
            ("p90>84999us", "p90 85ms > 84999us"), ("min<2ms", "min 1ms < 2ms"),
            ("max>93.999999ms", "max 94ms > 93.999999ms"),
            ("avg>47ms", "avg 47.5ms > 47ms"), ("mdev>27ms", "mdev 27.133927ms > 27ms"),
            ("jitter>0.9ms", "jitter 0.997526ms > 0.9ms"), ("ipdv>=1ms", "ipdv 1ms >= 1ms"),
            ("pdv-p95>1ms", "pdv-p95 89ms > 1ms"), ("host-delay>47us", "host-delay 0.0475ms > 47us"),
            ("host-delay-max>93us", "host-delay-max 0.094ms > 93us"), ("outage>4s", "outage 5000ms > 4s"),
            ("outage>5s", nil), ("outages>0", "outages 1 > 0"), ("loss-run>=5", "loss-run 5 >= 5"),
            ("unsent>0", "unsent 2 > 0"), ("unsent>2", nil), ("late>0", "late 1 > 0"),
            ("duplicates>2", "duplicates 3 > 2"),
            ("errors>0", nil), ("corrupted>0", nil), ("reordered>0", nil), ("wrong-source>0", nil),
            ("received<95", "received 94 < 95"), ("transmitted<100", nil), ("lost>4", "lost 5 > 4"),
            ("p99>1ms", "p99 unknown: 94 replies in time, 100 needed"),
            ("pdv-p99<1s", "pdv-p99 unknown: 94 replies in time, 100 needed"),
            ("p99.9>9s", "p99.9 unknown: 94 replies in time, 1000 needed"),
        ] as [(String, String?)])
    func holds(text: String, expected: String?) throws {
        #expect(try EchoAssertion(parsing: text).failure(of: Self.usual) == expected)
    }

    @Test(
        "Nothing measured holds whatever is asked",
        arguments: [
            ("loss>1%", "loss unknown: nothing was sent"),
            ("availability<1%", "availability unknown: no probe was answered or given up"),
            ("avg>1s", "avg unknown: no reply in time"), ("mdev<1s", "mdev unknown: no reply in time"),
            ("p50>1s", "p50 unknown: 0 replies in time, 2 needed"),
            ("jitter>1s", "jitter unknown: fewer than two replies in time"),
            ("ipdv>1s", "ipdv unknown: no two probes in a row were answered in time"),
            ("host-delay>1s", "host-delay unknown: no reply in time with time stamps of the kernel"),
            ("outage>0s", nil), ("unsent>0", nil),
        ] as [(String, String?)])
    func unknown(text: String, expected: String?) throws {
        #expect(try EchoAssertion(parsing: text).failure(of: statistics([])) == expected)
    }

    @Test("A host that answered nothing was not available, after a single probe neither", arguments: [1, 2, 5])
    func unavailable(lost: Int) throws {
        let counts = statistics(fates: String(repeating: "x", count: lost))
        #expect(try EchoAssertion(parsing: "availability<99%").failure(of: counts) == "availability 0% < 99%")
    }

    @Test("Loss is a share of what was answered or given up, and unknown of none")
    func interrupted() throws {
        let loss = try EchoAssertion(parsing: "loss<100%")
        #expect(loss.failure(of: statistics([], transmitted: 5) { $0.inFlight = 2 }) == nil)
        #expect(
            loss.failure(of: statistics([], transmitted: 1) { $0.inFlight = 1 })
                == "loss unknown: no probe was answered or given up")
    }

    @Test(
        "What many targets don't keep is unknown",
        arguments: [
            "availability<1%", "p50>1s", "pdv-p95>1s", "ipdv>1s", "outages>0", "host-delay-max>1s", "jitter>1s",
        ])
    func many(text: String) throws {
        let counts = statistics(Array(0..<30), withPercentiles: false)
        let failure = try EchoAssertion(parsing: text).failure(of: counts)
        #expect(failure?.hasSuffix(" unknown: not kept for so many targets") == true)
    }

    @Test("Counters of any size are compared exactly")
    func exact() throws {
        let huge = statistics([], transmitted: 1 << 48 - 1) { $0.received = 1 << 47 - 1 }
        #expect(try EchoAssertion(parsing: "loss>50%").failure(of: huge) == "loss 50% > 50%")
        #expect(try EchoAssertion(parsing: "loss>50.0000001%").failure(of: huge) == nil)
    }

    @Test(
        "Anything else is refused, and what would be right is named",
        arguments: [
            ("", "such as 'loss>1%'"), ("loss", "such as 'loss>1%'"), ("unsent=>1", "such as 'loss>1%'"),
            ("loss=1%", "such as 'loss>1%'"), (">1%", "one of: loss, availability"), ("los>1%", "one of: loss, "),
            ("Loss>1%", "one of: loss, "), ("p95.5>1ms", "one of: loss, "), ("loss>1", "loss wants a percentage"),
            ("loss>%", "a percentage"), ("loss>1%%", "a percentage"), ("loss>101%", "a percentage"),
            ("loss>-1%", "a percentage"), ("loss>1.00000001%", "a percentage"), ("loss>1e1%", "a percentage"),
            ("loss>.5%", "a percentage"), ("loss>5.%", "a percentage"), ("loss>>1%", "a percentage"),
            ("p99>20", "p99 wants a time with its unit"), ("p99>ms", "a time"), ("p99>20m", "a time"),
            ("p99>1.2.3ms", "a time"), ("p99>0.0001us", "a time"), ("p99>nans", "a time"),
            ("p99>9223372037s", "a time"), ("p99>99999999999999999999ms", "a time"), ("unsent>1.5", "a whole number"),
            ("unsent>", "a whole number"), ("unsent>1%", "a whole number"), ("unsent>9223372036854775808", "a whole"),
        ])
    func refused(text: String, expected: String) {
        let error = #expect(throws: AssertionError.self) { try EchoAssertion(parsing: text) }
        #expect(error?.expected.contains(expected) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        "p99>9223372036s", "p99>0.001us", "p99>1.000000000000s", "unsent>9223372036854775807", "loss>100%", "loss<0%",
    ])
    func accepted(text: String) throws {
        #expect(try EchoAssertion(parsing: " \(text) ").text == text)
    }

    @Test("Every quantity has a condition, and failures name their targets in order")
    func all() throws {
        for quantity in EchoAssertion.quantities {
            let accepted = ["1%", "1ms", "1"].filter { (try? EchoAssertion(parsing: "\(quantity)>\($0)")) != nil }
            #expect(accepted.count == 1, "\(quantity)")
        }
        let assertions = try ["lost>0", "received<1"].map { try EchoAssertion(parsing: $0) }
        let failures = EchoFailure.all(
            of: [Self.usual, statistics([1]), statistics([], transmitted: 1)], by: assertions)
        #expect(
            failures == [
                EchoFailure(target: 0, reason: "lost 5 > 0"), EchoFailure(target: 2, reason: "lost 1 > 0"),
                EchoFailure(target: 2, reason: "received 0 < 1"),
            ])
        #expect(EchoFailure.all(of: [Self.usual], by: []).isEmpty)
    }
}
