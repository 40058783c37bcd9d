import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// Flows whose way changes while they are followed, answers that come late or not at all, and what a watch remembers.
@Suite struct PathWatchChangeTests {
    /// A chain whose second router sends on to another third one after a while.
    private static func flipping(_ schedule: String) -> String {
        """
        router r1 10.0.1.1
        router r2 10.0.2.1
        router r3 10.0.3.1
        router r4 10.0.3.2
        router r5 10.0.4.1
        path source r1 r2 r3 r5
        link r4 r5
        link source r1 delay 5ms
        flip r2 r3 r4 \(schedule)
        target 10.0.9.9 via r5 udp 1-65535 unreachable
        """
    }

    private static let fork = """
        router r1 10.0.1.1
        router r2 10.0.2.1
        router r3 10.0.2.2
        router r4 10.0.3.1
        link source r1 delay 1ms
        path r1 r2 r4
        path r1 r3 r4
        balance r1 r2 r3 by ports
        target 10.0.9.9 via r4 udp 1-65535 unreachable
        """

    @Test("A route that flips is told once for each flow, with who answered before and who does now")
    func flip() throws {
        var lab = try WatchLab(Self.flipping("at 20500ms"), calm: Self.flipping("at 3600s")) { $0.rounds = 60 }
        try lab.run()
        #expect(lab.changes.count == 1)
        let change = try #require(lab.changes.first)
        #expect(change.hop == 3 && change.flow == lab.watch.paths[0].flow)
        #expect(change.from == Ours.address("10.0.3.1") && change.to == Ours.address("10.0.3.2"))
        #expect(change.at > .ms(20_500) && change.at < .ms(21_700))
        #expect(lab.watch.statistics.changes == 1)
        // The node on the old way is asked no more, and nothing was lost.
        #expect(lab.rounds.suffix(30).allSatisfy { $0.nodes[2].transmitted == 0 })
        #expect(lab.watch.nodes.allSatisfy { $0.silence == 0 && $0.isComplete })
        #expect(lab.watch.nodes[2].diverted == 1)
        #expect(lab.watch.ends[0].received == 60)
    }

    @Test("There and back is two changes each time")
    func flipBack() throws {
        var lab = try WatchLab(Self.flipping("every 30500ms"), calm: Self.flipping("at 3600s")) { $0.rounds = 120 }
        try lab.run()
        #expect(lab.changes.count == 3)
        #expect(lab.changes.map(\.to) == ["10.0.3.2", "10.0.3.1", "10.0.3.2"].map { Ours.address($0) })
        #expect(lab.unsteady.isEmpty)
        // Back on its way, its node is asked again.
        #expect(lab.rounds[75].nodes[2].received == 1)
    }

    @Test("A route that flaps all the time is called unsteady, and told no more until it stays")
    func unsteady() throws {
        var lab = try WatchLab(Self.flipping("every 1700ms"), calm: Self.flipping("at 3600s")) { $0.rounds = 200 }
        try lab.run()
        #expect(lab.unsteady.count == 1)
        #expect(lab.changes.count == 4)
        #expect(lab.watch.statistics.changes > 80)
        #expect(lab.watch.ends[0].received == 200)
        // Who answers is counted, whom it would have been is not known.
        #expect(lab.watch.nodes[2].received > 50)
        #expect(lab.watch.nodes[2].diverted <= 4)
    }

    @Test("When one of the flows that share a way leaves it, the others are asked at once")
    func sharedChange() throws {
        // Three flows pass r1 and r2 before they part; r2 is what changes.
        func text(_ flip: String) -> String {
            """
            router r1 10.0.1.1
            router r2 10.0.2.1
            router r3 10.0.2.2
            router r4 10.0.3.1
            router r5 10.0.4.1
            router r6 10.0.4.2
            router r7 10.0.4.3
            router r8 10.0.5.1
            link source r1 delay 1ms
            link r2 r4 delay 1ms
            link r3 r4 delay 1ms
            link r5 r8 delay 1ms
            link r6 r8 delay 1ms
            link r7 r8 delay 1ms
            flip r1 r2 r3 \(flip)
            balance r4 r5 r6 r7 by ports
            target 10.0.9.9 via r8 udp 1-65535 unreachable
            """
        }
        var lab = try WatchLab(text("at 10200ms"), calm: text("at 3600s")) { $0.rounds = 30 }
        #expect(lab.watch.paths.count == 3)
        try lab.run()
        #expect(lab.changes.count == 3)
        #expect(Set(lab.changes.map(\.flow)) == Set(lab.watch.paths.map(\.flow)))
        #expect(lab.changes.allSatisfy { $0.hop == 2 && $0.at < .ms(12_100) })
        // And as few as before once it is known.
        #expect(lab.rounds.last?.transmitted == lab.rounds.first?.transmitted)
    }

    @Test("Who was silent in the graph and answers now is a change from nobody; silence is none")
    func silence() throws {
        let mute = Self.fork.replacing("router r4 10.0.3.1", with: "router r4 10.0.3.1 silent")
        var heard = try WatchLab(Self.fork, calm: mute) { $0.rounds = 10 }
        try heard.run()
        #expect(heard.changes.count == 2)
        #expect(heard.changes.allSatisfy { $0.from == nil && $0.to == Ours.address("10.0.3.1") && $0.hop == 3 })
        var silent = try WatchLab(mute, calm: Self.fork) { $0.rounds = 10 }
        try silent.run()
        #expect(silent.changes.isEmpty)
        let node = try silent.node("10.0.3.1")
        #expect(silent.watch.nodes[node].withheld == silent.watch.nodes[node].transmitted)
        #expect(silent.watch.ends.allSatisfy { $0.received == 10 })
    }

    @Test("A destination that a router calls unreachable is lost, and the router is told")
    func refusal() throws {
        let text = Self.fork.replacing("via r4 udp", with: "via r4 live 0% dead host udp")
        var lab = try WatchLab(text, calm: Self.fork) { $0.rounds = 10 }
        try lab.run()
        #expect(lab.changes.count == 2)
        for change in lab.changes {
            #expect(change.from == Ours.address("10.0.9.9") && change.to == Ours.address("10.0.3.1"))
            #expect(change.kind == .error(type: .V4.destinationUnreachable, code: 1, info: 0))
        }
        #expect(lab.watch.ends.allSatisfy { $0.refused == 10 && $0.loss == 1 && $0.silence == 0 })
        #expect(lab.watch.statistics.received == lab.watch.statistics.transmitted)
    }

    @Test("A path that ends in silence ends at the last who answers; who begins to answer behind is a change")
    func silentEnd() throws {
        let mute = Self.fork.replacing("via r4 udp", with: "via r4 silent udp")
        var run = try MultipathRun(mute)
        try run.run()
        for (text, changes) in [(mute, 0), (Self.fork, 2)] {
            var lab = try WatchLab(text, calm: Self.fork) {
                $0.graph = run.graph
                $0.flows = run.graph.cover
                $0.rounds = 20
            }
            #expect(lab.watch.paths.map(\.lastHop) == [3, 3])
            try lab.run()
            #expect(lab.watch.ends.allSatisfy { $0.received == 20 && $0.loss == 0 })
            #expect(lab.changes.count == changes)
            #expect(lab.changes.allSatisfy { $0.from == nil && $0.to == Ours.address("10.0.9.9") && $0.hop == 4 })
        }
    }

    @Test("Behind a balancer that goes by packets nobody knows who will answer: answers count, silence is uncertain")
    func perPacket() throws {
        let text = Self.fork.replacing("by ports", with: "by packet")
        let lossy = text.replacing("router r3 10.0.2.2", with: "router r3 10.0.2.2 silent")
        var run = try MultipathRun(text)
        try run.run()
        #expect(run.graph.nodes[0].balancing == .packets)
        for (text, isSilent) in [(text, false), (lossy, true)] {
            var lab = try WatchLab(text, calm: Self.fork) {
                $0.graph = run.graph
                $0.flows = run.graph.cover
                $0.rounds = 200
            }
            try lab.run()
            #expect(lab.changes.isEmpty && lab.unsteady.isEmpty)
            let (one, other) = (lab.watch.nodes[1], lab.watch.nodes[2])
            #expect(one.received > 60 && one.received == one.transmitted)
            #expect(other.received == (isSilent ? 0 : other.transmitted))
            #expect(one.uncertain == other.uncertain)
            #expect((one.uncertain > 60) == isSilent)
            #expect(one.lost + one.withheld + other.lost + other.withheld == 0)
            #expect(lab.watch.ends.allSatisfy { $0.loss == 0 })
        }
    }

    @Test("What a multipath trace found is followed without a change", arguments: 1..<6 as Range<UInt64>)
    func afterTrace(seed: UInt64) throws {
        var run = try MultipathRun(MultipathTraceTests.standard, seed: seed)
        try run.run()
        var lab = try WatchLab(MultipathTraceTests.standard, flows: 0..<1, seed: seed) {
            $0.graph = run.graph
            $0.flows = run.graph.cover
            $0.rounds = 30
            $0.seed = seed
        }
        try lab.run()
        #expect(lab.watch.paths.count == 3)
        #expect(lab.changes.isEmpty && lab.slowed.isEmpty)
        #expect(lab.watch.ends.allSatisfy { $0.received == 30 })
        // Every edge but those to and from the silent router has its samples, in every round once the flows are known.
        for (place, edge) in run.graph.edges.enumerated() where run.graph.nodes[edge.to].responder != nil {
            #expect(lab.watch.edges[place].received >= 29, "\(edge)")
            #expect(lab.watch.edges[place].silence == 0)
        }
    }

    /// What a multipath trace finds in any network is what its flows meet, and all of it has its samples.
    @Test(
        "In any network each edge has a sample a round, by no more probes than edges and paths",
        arguments: [[.silence], [.meshes, .longerBranches], [.packets]] as [MultipathTopology.Features])
    func anyNetwork(features: MultipathTopology.Features) throws {
        for seed: UInt64 in 1...40 {
            let topology = MultipathTopology(seed: seed, features)
            var run = try MultipathRun(topology.text, seed: seed) {
                $0.rule = StoppingRule(confidence: 0.99)
                $0.maximumProbes = 20_000
            }
            try run.run()
            // What was missed would be told as changes.
            guard run.edges(named: \.description) == topology.edges else { continue }
            let graph = run.graph
            var lab = try WatchLab(topology.text, flows: 0..<1, seed: seed) {
                $0.graph = graph
                $0.flows = graph.cover
                $0.rounds = 40
                $0.seed = seed
            }
            try lab.run()
            #expect(lab.changes.isEmpty && lab.unsteady.isEmpty && lab.slowed.isEmpty, "seed \(seed)")
            #expect(lab.watch.ends.allSatisfy { $0.received == 40 && $0.loss == 0 }, "seed \(seed)")
            let last = try #require(lab.rounds.last)
            for (place, edge) in graph.edges.enumerated() where !edge.flows.isEmpty {
                guard graph.nodes[edge.to].responder != nil, !features.contains(.packets) else { continue }
                #expect(last.edges[place].received >= 1, "seed \(seed): \(edge)")
            }
            for (place, node) in graph.nodes.enumerated() where node.responder != nil {
                #expect(
                    lab.watch.nodes[place].received > 0,
                    "seed \(seed): \(node.hop) \(String(describing: node.responder))")
                #expect(lab.watch.nodes[place].silence == 0)
            }
            if !features.contains(.packets) {
                let most = graph.edges.count + graph.nodes(at: 1).count + lab.watch.paths.count
                #expect(last.transmitted <= UInt64(most), "seed \(seed)")
            }
        }
    }

    @Test("An answer that comes late is neither lost nor in time, also when its round was told")
    func late() throws {
        let slow = Self.fork.replacing("via r4 udp", with: "via r4 slow 3s udp")
        var lab = try WatchLab(slow, calm: Self.fork) {
            $0.rounds = 10
            $0.maximumWait = .seconds(1)
        }
        try lab.run()
        // Of the last rounds nobody waited for the answers.
        let ends = lab.watch.ends
        #expect(ends.allSatisfy { $0.transmitted == 10 && $0.isComplete && $0.received == 0 })
        #expect(ends.allSatisfy { $0.late >= 7 && $0.lost == 10 - $0.late })
        #expect(lab.watch.statistics.late == ends.reduce(0) { $0 + $1.late })
        #expect(lab.rounds.reduce(0) { $0 + $1.lateBefore } <= lab.watch.statistics.late)
        #expect(lab.watch.statistics.duplicates == 0)
    }

    @Test("A round trip that grows is waited for from then on")
    func patience() throws {
        let slow = Self.fork.replacing("via r4 udp", with: "via r4 slow 800ms udp")
        var lab = try WatchLab(slow, calm: Self.fork) { $0.rounds = 20 }
        // As short as the round trips of the trace before were.
        for node in lab.configuration.graph.nodes.indices {
            lab.configuration.graph.nodes[node].roundTrips.record(.ms(5))
        }
        lab.watch = PathWatch(lab.configuration)
        try lab.run()
        #expect(lab.watch.statistics.late == 1)
        #expect(lab.watch.ends.allSatisfy { $0.received + $0.late == 20 })
    }

    @Test("Duplicates are counted and change nothing")
    func duplicates() throws {
        let text = Self.fork.replacing("via r4 udp", with: "via r4 duplicate 100% udp")
        var lab = try WatchLab(text, calm: Self.fork) { $0.rounds = 10 }
        try lab.run()
        #expect(lab.watch.statistics.duplicates > 0)
        #expect(lab.watch.ends.allSatisfy { $0.received == 10 && $0.transmitted == 10 })
    }

    @Test(
        "What was on its way when this host dropped packets or slept is unheard and not lost", arguments: [true, false])
    func unheard(isSleep: Bool) throws {
        var lab = try WatchLab(Self.fork) { $0.rounds = 10 }
        var watch = lab.watch
        var driver = lab.driver
        driver.network = SimulatedNetwork(
            try Ours.scenario(
                Self.fork.replacing("router r4", with: "router r9\nrouter r4").replacing(
                    "link source r1 delay 1ms", with: "link source r1 loss 100%")), seed: 1)
        var told: [PathRound] = []
        var isTold = false
        try driver.run(&watch) { event, _ in if case .round(let round) = event { told.append(round) } }
        #expect(told.allSatisfy { $0.paths.allSatisfy { $0.lost == 1 } })
        watch = lab.watch
        var now = Timestamp.ms(0)
        while watch.schedule != .finished {
            watch.advance(to: now)
            while let transmit = watch.nextTransmit(at: now) {
                watch.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
            }
            if now >= .ms(5_050), !isTold {
                isTold = true
                #expect(watch.expiresSilence(at: now + .seconds(60)))
                if isSleep { watch.awoke(at: now) } else { watch.didDrop(3, at: now) }
            }
            guard case .at(let next) = watch.schedule else { break }
            now = max(now, next)
        }
        #expect(watch.schedule == .finished)
        lab.watch = watch
        let perRound = told.first?.transmitted ?? 0
        #expect(watch.statistics.droppedHere == (isSleep ? 0 : 3))
        // All of the five seconds that are waited for, and the one just sent.
        #expect(watch.statistics.unheard > perRound * 4 && watch.statistics.unheard <= perRound * 6)
        for counts in watch.ends {
            #expect(counts.transmitted == 10 && counts.isComplete)
            #expect(counts.unheard >= 4 && counts.lost >= 4)
            #expect(counts.loss == 1)
        }
    }

    @Test("What this host does not send is unsent and told once")
    func unsent() throws {
        var lab = try WatchLab(Self.fork) { $0.rounds = 10 }
        lab.driver.refusal = { transmit, now in
            now >= .ms(3_000) && now < .ms(6_000) ? .failed(code: 101, name: "ENETUNREACH") : nil
        }
        try lab.run()
        let perRound = lab.rounds[0].transmitted
        #expect(lab.unsent == [.failed(code: 101, name: "ENETUNREACH")])
        #expect(lab.watch.statistics.unsent == 3 * perRound)
        #expect(lab.rounds[3...5].allSatisfy { $0.unsent == perRound && $0.transmitted == 0 })
        #expect(lab.watch.ends.allSatisfy { $0.transmitted == 7 && $0.received == 7 })
    }

    @Test("A full queue is tried again, and what does not fit for long is unsent")
    func fullQueue() throws {
        var lab = try WatchLab(Self.fork) { $0.rounds = 5 }
        var refused = 0
        lab.driver.refusal = { transmit, now in
            refused += 1
            return refused % 3 == 0 ? .retryLater : nil
        }
        try lab.run()
        #expect(lab.unsent.isEmpty && lab.watch.statistics.unsent == 0)
        #expect(lab.rounds.allSatisfy { $0.transmitted == 7 })
        var full = try WatchLab(Self.fork) { $0.rounds = 5 }
        full.driver.refusal = { transmit, now in now > .ms(1_000) ? .retryLater : nil }
        try full.run()
        #expect(full.unsent == [.retryLater])
        #expect(full.rounds.count == 5)
        #expect(full.watch.statistics.unsent > 0)
    }

    @Test("Another graph keeps the sums of what stays")
    func replacement() throws {
        let after = Self.flipping("at 3600s").replacing("flip r2 r3 r4 at 3600s", with: "link r2 r4")
        let old = try WatchLab(Self.flipping("at 3600s")).configuration.graph
        let new = try WatchLab(
            after.replacing("path source r1 r2 r3 r5", with: "path source r1 r2 r4 r5")
                .replacing("link r4 r5\n", with: "").replacing("link r2 r4\n", with: "")
        ).configuration.graph
        var configuration = PathWatch.Configuration(destination: Ours.address("10.0.9.9"), graph: old)
        configuration.rounds = 40
        var watch = PathWatch(configuration)
        var driver = Driver(try Ours.scenario(Self.flipping("at 10500ms")), seed: 1)
        var rounds: [PathRound] = []
        driver.stop = .ms(20_500)
        try driver.run(&watch) { event, _ in if case .round(let round) = event { rounds.append(round) } }
        #expect(watch.schedule == .finished)
        watch = PathWatch(configuration)
        driver = Driver(try Ours.scenario(Self.flipping("at 10500ms")), seed: 1)
        rounds = []
        var follower = FollowingWatch(watch, to: [15: new])
        try driver.run(&follower) { event, _ in if case .round(let round) = event { rounds.append(round) } }
        #expect(rounds.count == 40)
        #expect(rounds.map(\.generation) == Array(repeating: 0, count: 15) + Array(repeating: 1, count: 25))
        let nodes = follower.watch.nodes
        let place = try #require(new.nodes.firstIndex { $0.responder == Ours.address("10.0.3.2") })
        #expect(follower.watch.generation == 1)
        #expect(nodes[0].transmitted >= 39 && nodes[1].received >= 38)
        #expect(nodes[place].received == nodes[place].transmitted && nodes[place].received >= 24)
        #expect(follower.watch.ends[0].transmitted >= 39)
        #expect(nodes.allSatisfy { $0.isComplete && $0.lost == 0 })
    }

    @Test("Ten thousand rounds take no more memory than a few")
    func manyRounds() throws {
        let text = Self.fork.replacing("via r4 udp", with: "via r4 loss 5% udp")
        var lab = try WatchLab(text, calm: Self.fork) { $0.rounds = 10_000 }
        var told = 0
        var watch = lab.watch
        try lab.driver.run(&watch) { event, _ in if case .round = event { told += 1 } }
        #expect(told == 10_000)
        #expect(watch.remembered <= 7 * 20)
        #expect(watch.statistics.rounds == 10_000 && watch.statistics.transmitted == 70_000)
        for counts in watch.ends {
            #expect(counts.transmitted == 10_000 && counts.isComplete)
            let loss = counts.loss ?? 0
            #expect(loss > 0.08 && loss < 0.115)
        }
        #expect(watch.ends[0].roundTrips.percentile(99) != nil)
    }

    @Test("Stopped in the middle of a round, it tells that round and waits for nothing")
    func stopped() throws {
        let slow = Self.fork.replacing("via r4 udp", with: "via r4 slow 3s udp")
        var lab = try WatchLab(slow, calm: Self.fork)
        lab.driver.stop = .ms(10_450)
        try lab.run()
        #expect(lab.rounds.map(\.number) == Array(1...11))
        #expect(lab.rounds.last.map { $0.transmitted > 0 && $0.transmitted < 7 } == true)
        #expect(lab.watch.ends.allSatisfy { $0.isComplete && $0.lost == 0 && $0.unheard > 0 })
        #expect(lab.driver.now == .ms(10_450))
    }

    @Test("Short quotes that name no probe are credited to the one that waits for their router")
    func shortQuotes() throws {
        let text = Self.fork.replacing("router r2 10.0.2.1", with: "router r2 10.0.2.1 quote 28")
        var lab = try WatchLab(text, calm: Self.fork) { $0.rounds = 20 }
        lab.driver.rung = .udpSocket
        try lab.run()
        let node = try lab.node("10.0.2.1")
        #expect(lab.watch.nodes[node].received == 20)
        #expect(lab.watch.statistics.unidentified == 0)
    }

    @Test("The means are all followed, over IPv4 and IPv6", arguments: ["10.0.9.9", "fd00:9::9"])
    func means(destination: String) throws {
        let text = """
            router r1 10.0.1.1 fd00:1::1
            router r2 10.0.2.1 fd00:1::2
            path source r1 r2
            link source r1 delay 1ms
            target 10.0.9.9 fd00:9::9 via r2 udp 1-65535 unreachable tcp 80 open
            """
        for method: ProbeMethod in [.udp(destinationPort: 33_434), .icmpEcho, .tcpSYN(destinationPort: 80)] {
            var lab = try WatchLab(text, to: destination, method: method, flows: 0..<2) { $0.rounds = 5 }
            try lab.run()
            #expect(lab.watch.paths.count == 1)
            #expect(lab.watch.ends[0].received == 5)
            #expect(lab.watch.nodes.allSatisfy { $0.received == 5 && $0.transmitted == 5 })
        }
    }

    @Test("Nothing to follow is over at once")
    func nothing() {
        let space = FlowSpace(.icmpEcho, sourcePorts: 1)
        var configuration = PathWatch.Configuration(
            destination: Ours.address("10.0.9.9"), graph: MultipathGraph(space))
        #expect(configuration.flows == [])
        #expect(PathWatch(configuration).schedule == .finished)
        configuration.flows = [-1, 7, 7]
        #expect(PathWatch(configuration).schedule == .finished)
    }
}
