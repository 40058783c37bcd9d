import PacketFormats
import Testing

@testable import ProbeEngine
@testable import ProbeReports

@Suite struct PathAssertionTests {
    /// Five hops, the third silent, the host last: 20, 10 and 30 ms, and one of its answers missing.
    private static var usual: PathEvidence {
        PathEvidence(
            hops: [
                PathHop(number: 1, answers: [answer("10.0.1.2", 1_000_000), nil]),
                PathHop(number: 2, answers: [answer("192.0.2.7", 2_000_000)]),
                PathHop(number: 3, answers: [nil, nil]),
                PathHop(number: 4, answers: [answer("2001:db8::4", 2_000_000)]),
                PathHop(
                    number: 5,
                    answers: [
                        answer("10.77.99.9", 20_000_000, .reached, hopLimit: 60),
                        answer("10.77.99.9", 10_000_000, .reached, hopLimit: 58),
                        nil, answer("10.77.99.9", 30_000_000, .reached),
                    ]),
            ], lastHop: 5, mtu: 1400, origins: origins)
    }

    private static func origins(_ address: IPAddress) -> ASOrigins? {
        switch "\(address)" {
        case "192.0.2.7": ASOrigins([64_500, 64_501].map { ASNumber(rawValue: $0) })
        case "2001:db8::4": nil
        default: ASOrigins.none
        }
    }

    @Test(
        arguments: [
            ("hops>4", "hops 5 > 4"), ("hops>5", nil), ("hops < 6", "hops 5 < 6"), ("loss>20%", "loss 25% > 20%"),
            ("loss>25%", nil), ("rtt>9ms", "rtt 10ms > 9ms"), ("rtt>10ms", nil), ("rtt>=0.01s", "rtt 10ms >= 0.01s"),
            ("mtu<1500", "mtu 1400 < 1500"), ("mtu<1400", nil), ("back>6", "back 7 > 6"), ("back>7", nil),
            ("via!=192.0.2.7", nil), ("via!=10.0.0.0/8", nil), ("via!=10.77.99.9", nil), ("via!=2001:db8::/32", nil),
            ("via!=AS64501", nil), ("via = 192.0.2.7", "via=192.0.2.7: hop 2 is 192.0.2.7"),
            ("via=10.77.0.0/16", "via=10.77.0.0/16: hop 5 is 10.77.99.9"),
            ("via=AS64500", "via=AS64500: hop 2 is 192.0.2.7"),
            ("via!=192.0.2.8", "via!=192.0.2.8 unknown: no hop that answered is, but hop 3 is silent"),
            ("via=192.0.2.8", "via=192.0.2.8 unknown: no hop that answered is, but hop 3 is silent"),
            (
                "via!=AS7",
                "via!=AS7 unknown: no hop that answered is, but hop 3 is silent, the AS of 2001:db8::4 is not known"
            ),
            ("path-changed", nil),
        ] as [(String, String?)])
    func holds(text: String, expected: String?) throws {
        #expect(try PathAssertion(parsing: text).failure(of: Self.usual) == expected)
    }

    @Test(
        "Nothing seen holds whatever is asked",
        arguments: [
            ("hops>9", "hops unknown: the host did not answer"), ("loss>99%", "loss unknown: the host did not answer"),
            ("rtt>9s", "rtt unknown: the host did not answer"), ("back>9", "back unknown: the host did not answer"),
            ("mtu<9", "mtu unknown: it was not found"), ("path-changed", "path-changed unknown: no hop answered"),
            (
                "via=192.0.2.1",
                "via=192.0.2.1 unknown: no hop that answered is, but hops before 2 were not asked, hops 2-3, 5 are silent, "
                    + "the host did not answer"
            ),
        ])
    func unknown(text: String, expected: String) throws {
        let evidence = PathEvidence(
            hops: [2, 3, 5].map { PathHop(number: $0, answers: [nil]) }, lastHop: nil)
        #expect(try PathAssertion(parsing: text).failure(of: evidence) == expected)
    }

    @Test func aWholePathCanBeVouchedFor() throws {
        let evidence = PathEvidence(
            hops: [
                PathHop(number: 1, answers: [answer("10.0.1.2", 1)]),
                PathHop(number: 2, answers: [answer("10.0.2.2", 1, .reached, hopLimit: nil)]),
            ], lastHop: 2)
        #expect(try PathAssertion(parsing: "via=192.0.2.1").failure(of: evidence) == nil)
        #expect(try PathAssertion(parsing: "via!=192.0.2.1").failure(of: evidence) == "via!=192.0.2.1: no hop is")
        #expect(
            try PathAssertion(parsing: "back>9").failure(of: evidence)
                == "back unknown: no hop limit of an answer is known")
    }

    /// A router that answers in the host's row was met by a probe of a longer path.
    @Test func whatTakesALongerPathIsNotLost() throws {
        let row = [answer("10.77.99.9", 1, .reached), answer("10.0.4.4", 1), nil]
        let evidence = PathEvidence(hops: [PathHop(number: 1, answers: row)], lastHop: 1)
        #expect(try PathAssertion(parsing: "loss>=50%").failure(of: evidence) == "loss 50% >= 50%")
    }

    /// What did not leave this host, or is still under way, is not lost, and what had hops to spare was as far.
    @Test func onlyWhatIsLostIsLost() throws {
        let reached = answer("10.77.99.9", 1, .reached)
        func query(_ outcome: PathQuery.Outcome) -> PathQuery {
            PathQuery(probe: reached.probe, sentAt: Timestamp(nanoseconds: 0), outcome: outcome)
        }
        var row = PathHop(number: 1, answers: [reached, nil, nil])
        let assertion = try PathAssertion(parsing: "loss>0%")
        for (outcomes, expected) in [
            ([.answered(reached), .unsent, .underWay], nil),
            ([.answered(reached), .lost, .underWay, .answered(reached), .answered(reached)], "loss 25% > 0%"),
            ([.unsent, .underWay], "loss unknown: no probe went so far"),
        ] as [([PathQuery.Outcome], String?)] {
            row.queries = outcomes.map(query)
            #expect(assertion.failure(of: PathEvidence(hops: [row], lastHop: 1)) == expected)
        }
    }

    @Test func aFlowThatMeetsTwoRoutersHasChanged() throws {
        let changed = try PathAssertion(parsing: "path-changed")
        let hops = [PathHop(number: 3, answers: [answer("10.0.3.2", 1), nil, answer("10.0.3.9", 1)])]
        #expect(
            changed.failure(of: PathEvidence(hops: hops, lastHop: nil))
                == "path-changed: hop 3 is 10.0.3.2 and 10.0.3.9 for one flow")
        var other = answer("10.0.3.9", 1)
        other.probe.method = .udp(destinationPort: 4)
        let flows = [PathHop(number: 3, answers: [answer("10.0.3.2", 1), other])]
        #expect(changed.failure(of: PathEvidence(hops: flows, lastHop: nil)) == nil)
    }

    @Test(
        arguments: [
            (PathEvidence.Comparison.none, nil), (.changes([]), nil),
            (.unknownHost, "path-changed unknown: the baseline has no path to this host"),
            (
                .changes([
                    .responders(hop: 2, was: [address("10.0.5.2")], now: [address("10.0.6.2")]),
                    .length(was: [5], now: 6),
                ]), "path-changed: hop 2 was 10.0.5.2, is 10.0.6.2, and 1 more"
            ),
        ] as [(PathEvidence.Comparison, String?)])
    func aBaselineIsJudged(comparison: PathEvidence.Comparison, expected: String?) throws {
        var evidence = Self.usual
        evidence.comparison = comparison
        #expect(try PathAssertion(parsing: "path-changed").failure(of: evidence) == expected)
    }

    @Test(
        arguments: [
            ("", "a condition, such as"), ("via", "a condition, such as"), ("path-change", "a condition, such as"),
            ("hops", "a condition, such as"), ("hops=5", "a condition, such as"), ("hops!=5", "a condition, such as"),
            ("reached>1", "one of: hops, loss, rtt, mtu, back, via, path-changed"), ("hops>x", "hops wants a whole"),
            ("loss>5", "loss wants a percentage"), ("rtt>5", "rtt wants a time"), ("mtu<1.5k", "mtu wants a whole"),
            ("via=", "via= wants an address"), ("via!=", "via!= wants an address"), ("via=AS", "via= wants"),
            ("via=64500", "via= wants"), ("via=10.0.0.0/33", "via= wants"), ("via=host.example", "via= wants"),
            ("via>10.0.0.1", "one of: hops"), ("via==10.0.0.1", "via= wants"),
        ])
    func refused(text: String, expected: String) {
        let error = #expect(throws: AssertionError.self) { try PathAssertion(parsing: text) }
        #expect(error?.expected.contains(expected) == true, "\(String(describing: error))")
    }

    @Test(
        arguments: [
            ("mtu<1500", PathAssertion.Need.mtu), ("via=AS1", .origins), ("via!=as1", .origins), ("via=10.0.0.1", nil),
            ("hops>1", nil), ("path-changed", nil),
        ] as [(String, PathAssertion.Need?)])
    func needs(text: String, need: PathAssertion.Need?) throws {
        #expect(try PathAssertion(parsing: text).need == need)
    }

    @Test func noTextIsATrap() {
        let pieces = [
            "via", "!=", "=", "<", ">", "AS", "1", "10.0.0.1", "/", "::", "hops", "loss", "%", "ms", "path-changed",
            " ", "\u{0}", "é",
        ]
        var state: UInt64 = 1
        var accepted = 0
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<4 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(state >> 33) % pieces.count]
            }
            guard let assertion = try? PathAssertion(parsing: text) else { continue }
            accepted += 1
            _ = assertion.failure(of: Self.usual)
        }
        #expect(accepted > 0)
    }
}
