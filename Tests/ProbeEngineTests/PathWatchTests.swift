import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// Flows that are followed: what a round asks, and what its answers and its silence mean.
@Suite struct PathWatchTests {
    /// Four hops to the destination; `by ports` between three routers at the second.
    private static let diamond = """
        router r1 10.0.1.1
        router r2 10.0.2.1
        router r3 10.0.2.2
        router r4 10.0.2.3
        router r5 10.0.3.1
        link source r1 delay 1ms
        link r1 r2 delay 1ms
        link r1 r3 delay 2ms
        link r1 r4 delay 3ms
        link r2 r5 delay 1ms
        link r3 r5 delay 1ms
        link r4 r5 delay 1ms
        balance r1 r2 r3 r4 by ports
        target 10.0.9.9 via r5 udp 1-65535 unreachable
        """

    /// Two branches of two routers each, which meet at the destination's router.
    private static let ladder = """
        router r1 10.0.1.1
        router r2 10.0.2.1
        router r3 10.0.2.2
        router r4 10.0.3.1
        router r5 10.0.3.2
        router r6 10.0.4.1
        link source r1 delay 1ms
        link r1 r2 delay 1ms
        link r1 r3 delay 1ms
        link r2 r4 delay 1ms
        link r3 r5 delay 1ms
        link r4 r6 delay 1ms
        link r5 r6 delay 1ms
        balance r1 r2 r3 by ports
        target 10.0.9.9 via r6 udp 1-65535 unreachable
        """

    private static func lossy(_ text: String, _ link: String, _ share: String) -> String {
        text.replacing("link \(link) ", with: "link \(link) loss \(share) ")
    }

    @Test("A round asks each edge once and each path's end once")
    func fewestProbes() throws {
        var lab = try WatchLab(Self.diamond) { $0.rounds = 10 }
        #expect(lab.watch.paths.count == 3)
        try lab.run()
        #expect(lab.rounds.map(\.number) == Array(1...10))
        // The first router, three branches, three ways together again, three ends.
        #expect(lab.rounds.allSatisfy { $0.transmitted == 10 && $0.received == 10 })
        for round in lab.rounds {
            #expect(round.nodes.map(\.received) == [1, 1, 1, 1, 3, 3])
            #expect(round.edges.allSatisfy { $0.received > 0 && $0.isComplete })
            #expect(round.paths.map(\.received) == [1, 1, 1])
        }
        #expect(lab.changes.isEmpty && lab.slowed.isEmpty)
        #expect(lab.watch.statistics.transmitted == 100)
        #expect(lab.watch.statistics.userTimed == 0)
    }

    @Test("Round trips are those of the way: the slow branch is slow on its edges and path")
    func roundTrips() throws {
        var lab = try WatchLab(Self.diamond) { $0.rounds = 5 }
        try lab.run()
        for (address, expected) in [("10.0.2.1", 4.0), ("10.0.2.2", 6), ("10.0.2.3", 8)] {
            let node = try lab.node(address)
            #expect(lab.watch.nodes[node].roundTrips.mean == expected * 1e6)
            #expect(lab.watch.edges[try lab.edge("10.0.1.1", address)].roundTrips.mean == expected * 1e6)
            // All answers from behind come back by the fastest way.
            let behind = expected / 2 + 4
            #expect(lab.watch.edges[try lab.edge(address, "10.0.3.1")].roundTrips.mean == behind * 1e6)
            for path in try lab.paths(through: address) {
                #expect(lab.watch.ends[path].roundTrips.mean == behind * 1e6)
                #expect(lab.watch.ends[path].roundTrips.last == .ms(Int64(behind)))
            }
        }
    }

    @Test("A round is spread over its interval, and the grid does not drift")
    func spread() throws {
        var lab = try WatchLab(Self.diamond) { $0.rounds = 50 }
        lab.driver.lateness = { instant in TimeSpan(nanoseconds: instant.nanoseconds % 7 * 1_000_000) }
        try lab.run()
        let times = lab.driver.times
        #expect(times.count == 500)
        for (number, time) in times.enumerated() {
            let due = Int64(number) * 100_000_000
            #expect(time.nanoseconds >= due && time.nanoseconds < due + 10_000_000)
        }
        #expect(lab.rounds.map(\.startedAt) == (0..<50).map { Timestamp.ms($0 * 1_000) })
    }

    @Test("What was due while this process stood still is counted and not made up for")
    func missed() throws {
        var lab = try WatchLab(Self.diamond) { $0.rounds = 6 }
        let end = Timestamp.ms(4_750)
        lab.driver.lateness = { $0 >= .ms(1_500) && $0 < end ? end - $0 : .zero }
        try lab.run()
        #expect(lab.rounds.count == 6)
        #expect(lab.watch.statistics.missed == 32)
        #expect(lab.rounds.map(\.missed).reduce(0, +) == 32)
        // Two whole rounds were left out; of those before and behind a half and a third went.
        #expect(lab.rounds.map(\.transmitted) == [10, 5, 3, 10, 10, 10])
        // Nothing in a burst.
        for (time, next) in zip(lab.driver.times, lab.driver.times.dropFirst()) { #expect(next - time >= .ms(40)) }
    }

    @Test("Loss on one branch shows on its edge and path, and on no other", arguments: 1..<6 as Range<UInt64>)
    func branchLoss(seed: UInt64) throws {
        var lab = try WatchLab(Self.lossy(Self.ladder, "r3 r5", "20%"), calm: Self.ladder, seed: seed) {
            $0.rounds = 400
            $0.seed = seed
        }
        try lab.run()
        let (through, beside) = (try lab.paths(through: "10.0.3.2"), try lab.paths(through: "10.0.3.1"))
        #expect(through.count == 1 && beside.count == 1)
        // Answers come back by the other branch, but for those of the router behind the link.
        let loss = try #require(lab.watch.ends[through[0]].loss)
        #expect(loss > 0.14 && loss < 0.26)
        #expect(lab.watch.ends[beside[0]].loss == 0)
        let bad = try lab.edge("10.0.2.2", "10.0.3.2")
        for edge in lab.watch.edges.indices {
            let counts = lab.watch.edges[edge]
            #expect(counts.isComplete)
            let estimate = try #require(lab.watch.edgeLosses[edge])
            if edge == bad {
                #expect(estimate > 0.1 && estimate < 0.3)
                #expect(counts.withheld > 0 && counts.lost > 0)
            } else {
                #expect(estimate == 0, "\(lab.configuration.graph.edges[edge])")
            }
        }
        #expect(lab.watch.edges[try lab.edge("10.0.1.1", "10.0.2.2")].silence == 0)
        #expect(lab.watch.edges[try lab.edge("10.0.2.1", "10.0.3.1")].silence == 0)
        #expect(lab.changes.isEmpty)
        // The same of the last half of the rounds.
        var (nodes, edges, ends) = (lab.rounds[200].nodes, lab.rounds[200].edges, lab.rounds[200].paths)
        for round in lab.rounds[201...] {
            for place in nodes.indices { nodes[place].add(round.nodes[place]) }
            for place in edges.indices { edges[place].add(round.edges[place]) }
            for place in ends.indices { ends[place].add(round.paths[place]) }
        }
        #expect(ends[0].transmitted == 200 && ends.allSatisfy { $0.isComplete })
        let recent = lab.watch.edgeLosses(nodes: nodes, edges: edges, ends: ends)
        #expect(recent.indices.allSatisfy { (recent[$0] ?? 0 > 0) == ($0 == bad) })
    }

    @Test("A router that withholds errors is not one that loses: later hops of the same flow answer")
    func withheld() throws {
        let text = Self.ladder.replacing("router r4 10.0.3.1", with: "router r4 10.0.3.1 limit 1/s burst 1")
        var lab = try WatchLab(text, calm: Self.ladder) {
            $0.rounds = 60
            $0.interval = .ms(400)
        }
        try lab.run()
        let counts = lab.watch.nodes[try lab.node("10.0.3.1")]
        #expect(counts.withheld > 0)
        #expect(counts.lost == 0 && counts.loss == 0)
        #expect(lab.watch.ends.allSatisfy { $0.loss == 0 && $0.silence == 0 })
        #expect(lab.watch.edges.indices.allSatisfy { lab.watch.edgeLosses[$0] == 0 })
    }

    @Test("Silence behind which nobody answers is loss: a branch that is dead")
    func deadBranch() throws {
        var lab = try WatchLab(Self.lossy(Self.ladder, "r3 r5", "100%"), calm: Self.ladder) { $0.rounds = 20 }
        try lab.run()
        let path = try lab.paths(through: "10.0.3.2")[0]
        #expect(lab.watch.ends[path].loss == 1)
        #expect(lab.watch.nodes[try lab.node("10.0.3.2")].loss == 1)
        #expect(lab.watch.nodes[try lab.node("10.0.3.2")].withheld == 0)
        #expect(lab.watch.nodes[try lab.node("10.0.2.2")].silence == 0)
        #expect(lab.watch.ends[1 - path].loss == 0)
        #expect(lab.watch.edgeLosses[try lab.edge("10.0.2.2", "10.0.3.2")] == 1)
        #expect(lab.watch.edgeLosses[try lab.edge("10.0.2.1", "10.0.3.1")] == 0)
        #expect(lab.changes.isEmpty)
    }

    @Test("A router that gives an error a second is asked once a round, and its edges take turns")
    func limitedRouter() throws {
        let text = Self.diamond.replacing("router r5 10.0.3.1", with: "router r5 10.0.3.1 limit 1/s burst 6")
        var lab = try WatchLab(text, calm: Self.diamond) { $0.rounds = 100 }
        try lab.run()
        #expect(lab.slowed == [Ours.address("10.0.3.1")])
        let node = try lab.node("10.0.3.1")
        for round in lab.rounds.suffix(80) {
            #expect(round.nodes[node].transmitted == 1 && round.nodes[node].received == 1)
        }
        for from in ["10.0.2.1", "10.0.2.2", "10.0.2.3"] {
            let edge = try lab.edge(from, "10.0.3.1")
            #expect(lab.rounds.suffix(81).reduce(0) { $0 + $1.edges[edge].received } == 27)
        }
        #expect(lab.watch.ends.allSatisfy { $0.received == 100 })
    }

    @Test("What a trace found to be limited is asked slowly from the first round")
    func knownLimit() throws {
        let text = Self.diamond.replacing("router r5 10.0.3.1", with: "router r5 10.0.3.1 limit 1/s burst 6")
        var lab = try WatchLab(text, calm: Self.diamond) {
            $0.rounds = 40
            $0.limitedHops = [3]
        }
        try lab.run()
        #expect(lab.slowed == [Ours.address("10.0.3.1")])
        #expect(lab.watch.nodes[try lab.node("10.0.3.1")].received == 40)
        // Where that was wrong, all edges are asked again.
        var wrong = try WatchLab(Self.diamond.replacing("via r5 udp", with: "via r5 loss 60% udp"), calm: Self.diamond)
        {
            $0.rounds = 60
            $0.limitedHops = [4]
        }
        try wrong.run()
        #expect(wrong.slowed.isEmpty)
        #expect(wrong.rounds[0].paths.reduce(0) { $0 + $1.transmitted } == 1)
        #expect(wrong.rounds.suffix(10).allSatisfy { $0.paths.allSatisfy { $0.transmitted == 1 } })
    }

    @Test("A destination that gives an error a second is asked by one path after the other")
    func limitedEnd() throws {
        let text = Self.diamond.replacing("via r5 udp", with: "via r5 limit 1/s burst 6 udp")
        var lab = try WatchLab(text, calm: Self.diamond) { $0.rounds = 120 }
        try lab.run()
        #expect(lab.slowed == [Ours.address("10.0.9.9")])
        for path in 0..<3 {
            let late = lab.rounds.suffix(99)
            #expect(late.reduce(0) { $0 + $1.paths[path].received } == 33)
            // From the start all paths have their share, and none is said to lose.
            #expect(lab.rounds.prefix(12).reduce(0) { $0 + $1.paths[path].received } >= 3)
            #expect(lab.watch.ends[path].lost == 0)
        }
        #expect(lab.watch.edgeLosses.allSatisfy { $0 == 0 })
    }

    @Test("With rounds shorter than a second a limited router is asked once a second")
    func shortRounds() throws {
        let text = Self.diamond.replacing("router r1 10.0.1.1", with: "router r1 10.0.1.1 limit 1/s burst 6")
        var lab = try WatchLab(text, calm: Self.diamond) {
            $0.rounds = 300
            $0.interval = .ms(250)
        }
        try lab.run()
        #expect(lab.slowed == [Ours.address("10.0.1.1")])
        let node = try lab.node("10.0.1.1")
        let late = lab.rounds.suffix(200)
        #expect(late.reduce(0) { $0 + $1.nodes[node].transmitted } == 50)
        #expect(late.reduce(0) { $0 + $1.nodes[node].received } == 50)
    }

    @Test("What slower asking does not mend is loss: all edges are asked again")
    func lossIsNoLimit() throws {
        let text = Self.diamond.replacing("via r5 udp", with: "via r5 loss 50% udp")
        var lab = try WatchLab(text, calm: Self.diamond) { $0.rounds = 100 }
        try lab.run()
        #expect(lab.slowed.isEmpty)
        // It was tried.
        #expect(lab.rounds.contains { $0.paths.contains { $0.transmitted == 0 } })
        #expect(lab.rounds.suffix(40).allSatisfy { $0.paths.allSatisfy { $0.transmitted == 1 } })
    }

    @Test("A little loss does not look like a limit", arguments: 1..<11 as Range<UInt64>)
    func littleLoss(seed: UInt64) throws {
        let text = Self.diamond.replacing("via r5 udp", with: "via r5 loss 2% udp")
        var lab = try WatchLab(text, calm: Self.diamond, seed: seed) { $0.rounds = 300 }
        try lab.run()
        #expect(lab.slowed.isEmpty)
        #expect(lab.watch.ends.allSatisfy { $0.transmitted == 300 })
    }
}
