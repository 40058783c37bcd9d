import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import TestSupport
import Testing

/// All ways to a target of the real kernel, found and then followed.
@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"), .serialized)
struct PathWatchKernelTests {
    /// a - r1 = r2, r3 = r4 - b: two ways by ports.
    private func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab("a", "r1", "r2", "r3", "r4", "b")
        for (place, ends) in [("a", "r1"), ("r1", "r2"), ("r1", "r3"), ("r2", "r4"), ("r3", "r4"), ("r4", "b")]
            .enumerated()
        {
            try lab.link(ends.0, ends.1, "10.0.\(place + 1)", "fd00:\(place + 1)")
        }
        for (node, next) in [("a", "r1"), ("r2", "r4"), ("r3", "r4"), ("b", "r4")] {
            try lab[node].addDefaultRoute(via: next)
        }
        for node in ["r2", "r3"] {
            try lab[node].addRoute(to: "10.0.1.0/24", via: "r1")
            try lab[node].addRoute(to: "fd00:1::/64", via: "r1")
        }
        try lab["r4"].addRoute(to: "10.0.1.0/24", via: "r2")
        try lab["r4"].addRoute(to: "fd00:1::/64", via: "r2")
        try lab["r1"].set("net.ipv4.fib_multipath_hash_policy", "1")
        try lab["r1"].set("net.ipv6.fib_multipath_hash_policy", "1")
        try lab["r1"].exec(
            "ip", "route", "add", "10.0.6.0/24", "nexthop", "via", "10.0.2.2", "nexthop", "via", "10.0.3.2")
        try lab["r1"].exec(
            "ip", "-6", "route", "add", "fd00:6::/64", "nexthop", "via", "fd00:2::2", "nexthop", "via", "fd00:3::2")
        return lab
    }

    @Test(
        "Two ways are followed, and a route that changes is told",
        arguments: [IPVersion.v4, .v6], [Rung.raw, .udp])
    func twoWays(version: IPVersion, rung: Rung) throws {
        let lab = try lab()
        let destination = try #require(IPAddress(version == .v4 ? "10.0.6.2" : "fd00:6::2"))
        var rounds: [PathRound] = []
        var changes: [(round: Int, change: PathWatchChange)] = []
        let watch = try lab["a"].run {
            // Over the same sockets: flows are what they were only from the same ports.
            try run(destination, rung) { event in
                switch event {
                case .trace: break
                case .watch(.round(let round)):
                    rounds.append(round)
                    guard round.number == 5 else { return }
                    // From now on all flows go one way.
                    _ =
                        try? version == .v4
                        ? lab["r1"].exec("ip", "route", "replace", "10.0.6.0/24", "via", "10.0.3.2")
                        : lab["r1"].exec("ip", "-6", "route", "replace", "fd00:6::/64", "via", "fd00:3::2")
                case .watch(.changed(let change)): changes.append((rounds.count, change))
                case .watch(.unsteady), .watch(.unsent), .watch(.slowed): Issue.record("\(event)")
                }
            }
        }
        let hops = watch.graph.nodes.map(\.hop)
        #expect(hops == [1, 2, 2, 3, 3, 4] || hops == [1, 2, 2, 3, 4])
        #expect(rounds.count == 12 && watch.paths.count == 2)
        // On a busy machine this process may come too late for a probe.
        for round in rounds.prefix(5) where round.missed == 0 {
            #expect(round.nodes.allSatisfy { $0.received >= 1 && $0.received == $0.transmitted })
            #expect(round.edges.allSatisfy { $0.received >= 1 })
        }
        // Of the flow that took the other way, at the second hop and, if its routers differ, at the third.
        let before = try #require(IPAddress(version == .v4 ? "10.0.2.2" : "fd00:2::2"))
        let after = try #require(IPAddress(version == .v4 ? "10.0.3.2" : "fd00:3::2"))
        #expect(changes.contains { $0.change.hop == 2 && $0.change.from == before && $0.change.to == after })
        #expect(changes.allSatisfy { $0.round >= 5 && (2...3).contains($0.change.hop) })
        #expect(Set(changes.map(\.change.flow)).count == 1)
        #expect(watch.ends.allSatisfy { $0.received > 0 && $0.received == $0.transmitted })
        #expect(watch.statistics.unidentified == 0 && watch.statistics.duplicates == 0)
    }

    /// Finds all paths, and follows them for twelve rounds.
    private func run(
        _ destination: IPAddress, _ rung: Rung, _ handle: (MultipathSuccession.Event) -> Void
    ) throws -> PathWatch {
        let method = ProbeMethod.udp(destinationPort: 33_434)
        var request = TransportRequest(method: method)
        request.versions = [destination.version]
        request.flows = Self.flows
        request.highestRung = rung
        request.fallback = method
        let selection = try TransportSelection.open(request, identity: try .random())
        #expect(selection.transport.rung == rung)
        var loop = try ProbeLoop(MultipathSuccession(), over: selection.take())
        let signals = try SignalDescriptor([])
        let nothing = try WakeDescriptor()
        func finish() throws {
            try loop.run(
                signals: signals, other: nothing, onEvent: { event, _ in handle(event) }, onSignal: { _, _ in },
                onOther: { _ in }, afterBatch: { true })
        }
        var search = MultipathTrace.Configuration(
            destination: destination, space: FlowSpace(method, sourcePorts: Self.flows))
        // Nothing is missed by chance.
        search.rule = StoppingRule(confidence: 0.999_999)
        loop.measurement.begin(search)
        try finish()
        let graph = try #require(loop.measurement.trace?.graph)
        var configuration = PathWatch.Configuration(destination: destination, graph: graph)
        configuration.rounds = 12
        configuration.interval = .milliseconds(200)
        loop.measurement.follow(configuration)
        try finish()
        return try #require(loop.measurement.watch)
    }

    private static let flows = 16
}
