import PacketFormats
import Testing

@testable import ProbeEngine
@testable import ProbeReports

/// Conditions where there are many paths.
struct MultipathEvidenceTests {
    @Test(
        "A condition is of all paths at once",
        arguments: [
            (MultipathSample.diamond, "hops>9", "hops 10 > 9"), (.diamond, "hops>10", nil),
            (.longerBranch, "hops>5", "hops 6 > 5"), (.longerBranch, "hops<6", nil),
            (.diamond, "via=10.77.52.2", "via=10.77.52.2: hop 5 is 10.77.52.2"), (.diamond, "via!=10.77.53.2", nil),
            (.wide, "via!=192.0.2.0/24", "via!=192.0.2.0/24: no hop is"), (.wide, "via=192.0.2.0/24", nil),
            (
                .diamond, "via=192.0.2.1",
                "via=192.0.2.1 unknown: no hop that answered is, but hop 3 is silent"
            ),
            (
                .silentBranch, "via=192.0.2.1",
                "via=192.0.2.1 unknown: no hop that answered is, but hops 2-3 are silent on some paths"
            ),
            (.gap, "hops>1", "hops unknown: the host did not answer"),
        ] as [(MultipathSample, String, String?)])
    func conditions(sample: MultipathSample, condition: String, failure: String?) throws {
        let assertion = try PathAssertion(parsing: condition)
        #expect(assertion.suitsManyPaths)
        #expect(assertion.failure(of: PathEvidence(of: sample.graph)) == failure)
    }

    @Test("A round trip is the shortest of the destination's, wherever it answers")
    func roundTrips() throws {
        var graph = MultipathSample.longerBranch.graph
        for (index, node) in graph.nodes.enumerated() where node.answer?.kind == .reached {
            graph.nodes[index].received = 2
            graph.nodes[index].roundTrips = RoundTripStatistics(withPercentiles: false)
            graph.nodes[index].roundTrips.record(.milliseconds(Int64(node.hop)))
            graph.nodes[index].roundTrips.record(.milliseconds(70))
        }
        let evidence = PathEvidence(of: graph)
        #expect(try PathAssertion(parsing: "rtt>5ms").failure(of: evidence) == nil)
        #expect(try PathAssertion(parsing: "rtt>4ms").failure(of: evidence) == "rtt 5ms > 4ms")
    }

    @Test(
        "What needs the rows of one path can't be asked", arguments: ["loss>1%", "mtu<1500", "back>3", "path-changed"])
    func onePathOnly(condition: String) throws {
        #expect(try !PathAssertion(parsing: condition).suitsManyPaths)
    }
}
