import Testing

@testable import ProbeEngine

/// Whether a multipath trace fails no more often than it says, over many networks (after the idea of Fakeroute: Vermeulen
/// et al., IMC 2018).
@Suite struct MultipathPromiseTests {
    /// How often the stopping rule misses one of `count` next hops, exactly: it may stop too early at every step.
    static func failure(of rule: StoppingRule, nextHops count: Int) -> Double {
        var shares = Array(repeating: 0.0, count: count + 1)
        shares[0] = 1
        var missed = 0.0
        for draws in 1... {
            for seen in stride(from: count, through: 1, by: -1) {
                shares[seen] =
                    (shares[seen] * Double(seen) + shares[seen - 1] * Double(count - seen + 1)) / Double(count)
            }
            shares[0] = 0
            for seen in 1..<count where draws >= rule.probes(havingSeen: seen) {
                missed += shares[seen]
                shares[seen] = 0
            }
            if draws >= rule.probes(havingSeen: count - 1) { break }
        }
        return missed
    }

    @Test(arguments: 2...16)
    func theRuleItselfKeepsIt(_ width: Int) {
        // Within a hundredth: the published points bound the last step, not the sum of all.
        #expect(Self.failure(of: StoppingRule(confidence: 0.95), nextHops: width) < 0.051)
    }

    private static let promises: [(MultipathTopology.Features, Double)] = [
        ([], 0.95), ([.meshes], 0.95), ([.longerBranches, .silence], 0.95), ([.packets], 0.95),
        ([.meshes, .longerBranches], 0.99),
    ]

    @Test(arguments: promises)
    func failuresStayWithinTheBound(_ features: MultipathTopology.Features, confidence: Double) throws {
        let rule = StoppingRule(confidence: confidence)
        var failures: [Int: Double] = [:]
        var (expected, variance, wrong) = (0.0, 0.0, 0)
        var examples: [String] = []
        for seed: UInt64 in 1...Self.seeds {
            let topology = MultipathTopology(seed: seed, features)
            var right = 1.0
            for place in topology.places {
                let count = topology.routers[place.router].nextHops.count
                guard count > 1 else { continue }
                let failure = failures[count] ?? Self.failure(of: rule, nextHops: count)
                failures[count] = failure
                right *= 1 - failure
                // It is taken for one that goes by flows.
                if topology.routers[place.router].choice == .packet { right *= 1 - rule.failure }
            }
            expected += 1 - right
            variance += right * (1 - right)
            var run = try MultipathRun(topology.text, seed: seed) {
                $0.rule = rule
                $0.maximumProbes = 20_000
            }
            try run.run()
            #expect(run.ending == .complete, "seed \(seed)")
            guard run.edges(named: \.description) != topology.edges else { continue }
            wrong += 1
            if examples.count < 3 {
                let found = run.edges(named: \.description)
                examples.append(
                    "\(seed): missing \(topology.edges.subtracting(found).sorted()), wrong \(found.subtracting(topology.edges).sorted())"
                )
            }
        }
        #expect(Double(wrong) <= expected + 3 * variance.squareRoot(), "\(examples)")
    }

    /// Of each kind of network: a thousand in all.
    private static let seeds: UInt64 = 200
}
