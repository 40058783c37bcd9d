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
    private(set) var samples: [MultipathTrace.Sample] = []
    private(set) var view: MultipathView?

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
        samples = trace.samples
        view = MultipathView(trace.rows, firstHop: 1, flows: trace.flowCount, isLite: configuration.isLite)
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

    @Test(arguments: ["10.0.9.9", "fd00:9::9"])
    func standardLab(_ destination: String) throws {
        var right = 0
        var probes: [UInt64] = []
        for seed: UInt64 in 1...100 {
            var run = try MultipathRun(Self.standard, to: destination, seed: seed)
            try run.run()
            probes.append(run.statistics.transmitted)
            if run.edges == [
                "1:1>2:2", "2:2>3:*", "3:*>4:4", "4:4>5:51", "4:4>5:52", "4:4>5:53", "5:51>6:61", "5:52>6:62",
                "5:53>6:63", "6:61>7:7", "6:62>7:7", "6:63>7:7", "7:7>8:8", "8:8>9:9", "9:9>10:9",
            ] { right += 1 }
            if seed < 4 { let perHop = (1...13).map { hop in run.samples.count { $0.hop == hop } }; print(perHop, run.statistics.transmitted, run.milliseconds, run.ending as Any, run.pathEnding as Any, run.graph.missProbability, run.slowed) }
        }
        print("right", right, probes.min()!, probes.max()!, probes.reduce(0, +) / 100)
        #expect(right >= 95)
    }
}
