import Testing

@testable import ProbeEngine

@Suite struct StoppingRuleTests {
    /// The stopping points of MDA for 2 to 20 next hops (Veitch et al., INFOCOM 2009; scamper's tables).
    @Test(arguments: [
        (0.95, [6, 11, 16, 21, 27, 33, 38, 44, 51, 57, 63, 70, 76, 83, 90, 96, 103, 110, 117]),
        (0.99, [8, 15, 21, 28, 36, 43, 51, 58, 66, 74, 82, 90, 98, 106, 115, 123, 132, 140, 149]),
    ])
    func stoppingPoints(confidence: Double, expected: [Int]) {
        let rule = StoppingRule(confidence: confidence)
        #expect((1...19).map { rule.probes(havingSeen: $0) } == expected)
    }

    /// The failure of a whole trace spread over 30 branch points; one probe less than the union bound in places.
    @Test func wholeTrace() {
        let rule = StoppingRule(wholeTraceConfidence: 0.95)
        #expect(abs(rule.failure - 0.00171) < 0.00001)
        let unionBound = [11, 19, 27, 36, 45, 54, 64, 73, 83, 93, 102, 112, 122, 132, 142, 152, 163, 173, 183]
        for (seen, bound) in zip(1..., unionBound) {
            #expect((bound - 1...bound).contains(rule.probes(havingSeen: seen)))
        }
    }

    @Test func probabilityOfAMiss() {
        // Of two next hops one is missed where all take the other: twice (1/2)^n.
        #expect(abs(StoppingRule.missProbability(havingSeen: 1, probes: 6) - 2.0 / 64) < 1e-12)
        #expect(StoppingRule.missProbability(havingSeen: 1, probes: 0) == 1)
        #expect(StoppingRule.missProbability(havingSeen: 3, probes: 3) == 1)
        // Of 128 the sums of inclusion and exclusion would have no digit left.
        let many = StoppingRule.missProbability(havingSeen: 127, probes: 1_000)
        #expect(many > 0.04 && many < 0.06)
    }
}
