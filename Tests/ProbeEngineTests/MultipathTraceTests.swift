import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// A multipath trace through a simulated network and what it told.
struct MultipathRun {
    var driver: Driver
    var configuration: MultipathTrace.Configuration
    private(set) var graph: MultipathGraph
    private(set) var statistics = MultipathStatistics()
    private(set) var ending: MultipathEnding?
    private(set) var pathEnding: PathEnding?
    private(set) var slowed: [Int] = []

    init(
        _ text: String, to destination: String = "10.0.9.9", seed: UInt64 = 1,
        _ configure: (inout MultipathTrace.Configuration) -> Void = { _ in }
    ) throws {
        driver = Driver(try Ours.scenario(text), seed: seed)
        let space = FlowSpace(.udp(destinationPort: 33_434), sourcePorts: 64)
        configuration = MultipathTrace.Configuration(destination: Ours.address(destination), space: space)
        configuration.seed = seed
        configure(&configuration)
        graph = MultipathGraph(space)
    }

    mutating func run() throws {
        var trace = MultipathTrace(configuration)
        var slowed: [Int] = []
        try driver.run(&trace) { event, _ in
            if case .slowed(let hop) = event { slowed.append(hop) }
        }
        self.slowed = slowed
        graph = trace.graph
        statistics = trace.statistics
        ending = trace.ending
        pathEnding = trace.pathEnding
    }

    /// Edges as `3:1>4:2`: hop and last number of the address, `*` for silence, `~` where the edge is uncertain.
    var edges: [String] {
        graph.edges.map { "\(name($0.from))\($0.isCertain ? ">" : "~")\(name($0.to))" }.sorted()
    }

    /// Edges with whole addresses, all taken for certain.
    func edges(named name: (IPAddress) -> String) -> Set<String> {
        func text(_ node: Int) -> String {
            "\(graph.nodes[node].hop):\(graph.nodes[node].responder.map(name) ?? "*")"
        }
        return Set(graph.edges.map { "\(text($0.from))>\(text($0.to))" })
    }

    var nodes: [String] { graph.nodes.indices.map { name($0) } }

    private func name(_ node: Int) -> String {
        let text = graph.nodes[node].responder?.description ?? "*"
        return "\(graph.nodes[node].hop):\(text.split { $0 == "." || $0 == ":" }.last.map(String.init) ?? text)"
    }

    var milliseconds: Double { Double(driver.now.nanoseconds) / 1e6 }
}

@Suite struct MultipathTraceTests {
    /// A chain, a diamond of width 3 whose branches are two hops long, a chain: ten hops, the third silent.
    static let standard = """
        router r1 10.0.1.1 fd00:1::1 delay 1ms
        router r2 10.0.1.2 fd00:1::2 delay 1ms
        router r3 10.0.1.3 fd00:1::3 delay 1ms silent
        router r4 10.0.1.4 fd00:1::4 delay 1ms
        router a1 10.0.1.51 fd00:1::51 delay 1ms
        router a2 10.0.1.52 fd00:1::52 delay 1ms
        router a3 10.0.1.53 fd00:1::53 delay 1ms
        router b1 10.0.1.61 fd00:1::61 delay 1ms
        router b2 10.0.1.62 fd00:1::62 delay 1ms
        router b3 10.0.1.63 fd00:1::63 delay 1ms
        router r7 10.0.1.7 fd00:1::7 delay 1ms
        router r8 10.0.1.8 fd00:1::8 delay 1ms
        router r9 10.0.1.9 fd00:1::9 delay 1ms
        path source r1 r2 r3 r4 a1 b1 r7 r8 r9
        link r4 a2
        link r4 a3
        link a2 b2
        link a3 b3
        link b2 r7
        link b3 r7
        balance r4 a1 a2 a3 by ports
        target 10.0.9.9 fd00:9::9 via r9 delay 1ms
        """

    static let standardEdges = [
        "1:1>2:2", "2:2>3:*", "3:*>4:4", "4:4>5:51", "4:4>5:52", "4:4>5:53", "5:51>6:61", "5:52>6:62", "5:53>6:63",
        "6:61>7:7", "6:62>7:7", "6:63>7:7", "7:7>8:8", "8:8>9:9", "9:9>10:9",
    ]

    /// As many probes as one after the other would take, in a few round trips.
    @Test(arguments: ["10.0.9.9", "fd00:9::9"])
    func standardLab(_ destination: String) throws {
        var right = 0
        var probes: UInt64 = 0
        for seed: UInt64 in 1...100 {
            var run = try MultipathRun(Self.standard, to: destination, seed: seed)
            try run.run()
            #expect(run.ending == .complete && run.pathEnding == .reached)
            #expect(run.slowed.isEmpty)
            probes += run.statistics.transmitted
            // A round trip is 20 ms; silence is waited for three to ten of them.
            #expect(run.milliseconds < 250)
            guard run.edges == Self.standardEdges else { continue }
            right += 1
            let balancers = run.graph.nodes.filter { $0.balancing != .none }
            #expect(balancers.map(\.hop) == [4] && balancers.map(\.balancing) == [.flows])
            #expect(run.graph.nodes.allSatisfy { $0.missProbability <= 0.05 })
            #expect(run.graph.missProbability > 0.2 && run.graph.missProbability < 0.5)
        }
        #expect(right >= 95)
        #expect(probes / 100 <= 112)
    }

    /// Where whole hops may be taken together they need fewer.
    @Test func liteSparesProbes() throws {
        var right = 0
        var (lite, full): (UInt64, UInt64) = (0, 0)
        for seed: UInt64 in 1...100 {
            var run = try MultipathRun(Self.standard, seed: seed) { $0.isLite = true }
            try run.run()
            #expect(run.ending == .complete)
            if run.edges == Self.standardEdges { right += 1 }
            lite += run.statistics.transmitted
            var other = try MultipathRun(Self.standard, seed: seed)
            try other.run()
            full += other.statistics.transmitted
        }
        #expect(right >= 95)
        #expect(lite * 10 < full * 9)
    }

    /// Everybody of two layers behind everybody: taking hops together would not do.
    @Test func liteFindsMeshes() throws {
        let mesh = """
            router r1 10.0.1.1 delay 1ms
            router a1 10.0.1.21 delay 1ms
            router a2 10.0.1.22 delay 1ms
            router a3 10.0.1.23 delay 1ms
            router b1 10.0.1.31 delay 1ms
            router b2 10.0.1.32 delay 1ms
            router b3 10.0.1.33 delay 1ms
            router r4 10.0.1.4 delay 1ms
            path source r1 a1 b1 r4
            link r1 a2
            link r1 a3
            link a1 b2
            link a1 b3
            link a2 b1
            link a2 b2
            link a2 b3
            link a3 b1
            link a3 b2
            link a3 b3
            link b2 r4
            link b3 r4
            balance r1 a1 a2 a3 by ports
            balance a1 b1 b2 b3 by ports
            balance a2 b1 b2 b3 by ports
            balance a3 b1 b2 b3 by ports
            target 10.0.9.9 via r4 delay 1ms
            """
        var right = 0
        for seed: UInt64 in 1...50 {
            var run = try MultipathRun(mesh, seed: seed) { $0.isLite = true }
            try run.run()
            if run.graph.edges.count == 3 + 9 + 3 + 1 { right += 1 }
        }
        #expect(right >= 40)
    }

    /// Each packet goes its own way between r1 and r3: who is there is known, who comes behind whom is not.
    @Test func packetsThatAreScattered() throws {
        let text = """
            router r1 10.0.1.1 delay 1ms
            router a1 10.0.1.21 delay 1ms
            router a2 10.0.1.22 delay 1ms
            router b1 10.0.1.31 delay 1ms
            router b2 10.0.1.32 delay 1ms
            router r3 10.0.1.3 delay 1ms
            router c1 10.0.1.41 delay 1ms
            router c2 10.0.1.42 delay 1ms
            router r5 10.0.1.5 delay 1ms
            path source r1 a1 b1 r3 c1 r5
            link r1 a2
            link a2 b2
            link b2 r3
            link r3 c2
            link c2 r5
            balance r1 a1 a2 by packet
            balance r3 c1 c2 by ports
            target 10.0.9.9 via r5 delay 1ms
            """
        var right = 0
        for seed: UInt64 in 1...50 {
            var run = try MultipathRun(text, seed: seed)
            try run.run()
            let expected = [
                "1:1>2:21", "1:1>2:22", "2:21~3:31", "2:21~3:32", "2:22~3:31", "2:22~3:32", "3:31>4:3", "3:32>4:3",
                "4:3>5:41", "4:3>5:42", "5:41>6:5", "5:42>6:5", "6:5>7:9",
            ]
            guard run.edges == expected else { continue }
            right += 1
            #expect(run.graph.nodes.filter { $0.balancing == .packets }.map(\.hop) == [1])
            #expect(run.graph.nodes.filter { $0.balancing == .flows }.map(\.hop) == [4])
        }
        #expect(right >= 40)
    }

    /// With Linux's limits of errors it takes as long as they want, says so, and the graph is the same.
    @Test func limitedRouters() throws {
        let text = Self.standard.replacing(/(router r[0-9]+ .*|router [ab].*)/) { "\($0.output.0) limit 1/s burst 6" }
        var right = 0
        for seed: UInt64 in 1...40 {
            var run = try MultipathRun(text, seed: seed)
            try run.run()
            #expect(run.ending == .complete)
            #expect(run.milliseconds < 30_000)
            if run.edges == Self.standardEdges { right += 1 }
        }
        #expect(right >= 37)
    }

    /// Routers whose errors others have used up: they answer once a second.
    @Test func exhaustedRouters() throws {
        let text = Self.standard.replacing(/(router r[0-9]+ .*|router [ab].*)/) { "\($0.output.0) limit 1/s burst 1" }
        var right = 0
        for seed: UInt64 in 1...20 {
            var run = try MultipathRun(text, seed: seed)
            try run.run()
            #expect(run.ending == .complete)
            #expect(!run.slowed.isEmpty)
            if run.edges == Self.standardEdges { right += 1 }
        }
        #expect(right >= 18)
    }

    /// Losses are no silent branches, and are counted where they happen.
    @Test func losses() throws {
        let text = Self.standard.replacing(
            "router b2 10.0.1.62 fd00:1::62 delay 1ms", with: "router b2 10.0.1.62 fd00:1::62 delay 1ms loss 10%")
        var right = 0
        for seed: UInt64 in 1...50 {
            var run = try MultipathRun(text, seed: seed)
            try run.run()
            #expect(run.ending == .complete)
            if run.edges == Self.standardEdges { right += 1 }
            for node in run.graph.nodes where node.hop < 6 && node.responder != nil {
                #expect(node.received == node.transmitted)
            }
        }
        #expect(right >= 45)
    }

    @Test func pathsThatEndElsewhere() throws {
        var refused = try MultipathRun(
            """
            router r1 10.0.1.1 delay 1ms
            router r2 10.0.1.2 delay 1ms reject udp as admin
            path source r1 r2
            target 10.0.9.9 via r2 delay 1ms
            """)
        try refused.run()
        #expect(refused.pathEnding == .unreachable && refused.nodes == ["1:1", "2:2", "3:2"])
        #expect(refused.graph.nodes[2].isEnd)

        var silent = try MultipathRun(Trace.chain(["", "", "drop udp"]))
        try silent.run()
        #expect(silent.pathEnding == .gap && silent.nodes == ["1:1", "2:2", "3:3", "4:*"])

        var loop = try MultipathRun(Trace.chain(["", "", "loop"]))
        try loop.run()
        #expect(loop.pathEnding == .loop)
        #expect(loop.graph.nodes.allSatisfy { $0.hop <= 8 })

        var nobody = try MultipathRun(Trace.chain(["silent", "silent"], target: "silent"))
        try nobody.run()
        #expect(nobody.pathEnding == .gap && nobody.ending == .complete)
        #expect(nobody.statistics.received == 0)
    }

    /// ICMP echo has no ports: a balancer that goes by them shows one branch.
    @Test func echoShowsOneBranch() throws {
        var run = try MultipathRun(Self.standard) {
            $0.space = FlowSpace(.icmpEcho, sourcePorts: 1)
        }
        try run.run()
        #expect(run.graph.nodes.count == 10 && run.pathEnding == .reached)
    }

    @Test func limitsThatAreKept() throws {
        var few = try MultipathRun(Self.standard) { $0.maximumProbes = 40 }
        try few.run()
        #expect(few.ending == .probeLimit && few.statistics.transmitted == 40)
        #expect(few.graph.missProbability > 0.5)

        var narrow = try MultipathRun(Self.standard) {
            $0.space = FlowSpace(.tcpSYN(destinationPort: 80), sourcePorts: 8)
        }
        try narrow.run()
        #expect(narrow.ending == .flowLimit && narrow.graph.missProbability > 0.05)

        var stopped = try MultipathRun(Self.standard)
        stopped.driver.stop = .ms(25)
        try stopped.run()
        #expect(stopped.ending == .interrupted && !stopped.graph.nodes.isEmpty)

        var refused = try MultipathRun(Self.standard)
        refused.driver.refusal = { _, _ in .failed(code: 101, name: "ENETUNREACH") }
        try refused.run()
        #expect(refused.ending == .refused && refused.statistics.transmitted == 0)
    }

    /// A full queue is waited for; a machine that slept asks again; both change nothing.
    @Test func whatIsNoSilence() throws {
        var full = try MultipathRun(Self.standard, seed: 2)
        full.driver.refusal = { _, now in now < .ms(3) ? .retryLater : nil }
        try full.run()
        #expect(full.ending == .complete && full.edges == Self.standardEdges)
        #expect(full.statistics.unsent == 0)
    }

    /// What was on its way while the machine slept, or while this host dropped packets, is asked again and not lost.
    @Test(arguments: [true, false])
    func nobodyHeard(_ slept: Bool) {
        let space = FlowSpace(.udp(destinationPort: 33_434), sourcePorts: 64)
        var trace = MultipathTrace(.init(destination: Ours.address("10.0.9.9"), space: space))
        func take(_ now: Timestamp) -> [UInt8] {
            var hops: [UInt8] = []
            trace.advance(to: now)
            while let transmit = trace.nextTransmit(at: now) {
                hops.append(transmit.probe.hopLimit)
                trace.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
            }
            return hops
        }
        let first = take(.ms(0))
        #expect(first.sorted() == [1, 1, 1, 1, 1] + Array(1...8))
        if slept { trace.awoke(at: .ms(1)) } else { trace.didDrop(3, at: .ms(1)) }
        #expect(take(.ms(2)) == first)
        #expect(trace.statistics.transmitted == 26)
        while let event = trace.nextEvent() { if case .silent = event { Issue.record("\(event)") } }
        #expect(take(.ms(9_000)).isEmpty)
        var silent = 0
        while let event = trace.nextEvent() { if case .silent = event { silent += 1 } }
        #expect(silent == 13)
    }

    /// However many ports there are, every flow has a number that a probe can carry.
    @Test(arguments: [1, 64, 513, 65_536, Int.max])
    func everyFlowHasANumber(_ ports: Int) {
        for method in [
            ProbeMethod.udp(destinationPort: 33_434), .udp(destinationPort: 65_535), .tcpSYN(destinationPort: 80),
        ] {
            let space = FlowSpace(method, sourcePorts: ports)
            #expect((1...65_536).contains(space.count))
            #expect(Int(space.fields(of: space.count - 1).flow) == space.count - 1)
        }
    }
}
