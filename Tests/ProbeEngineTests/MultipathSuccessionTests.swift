import PacketFormats
import ProbeEngine
import Testing

/// Multipath traces one after the other, whose probes are numbered through.
struct MultipathSuccessionTests {
    private static func configuration(_ address: String) throws -> MultipathTrace.Configuration {
        let space = FlowSpace(.udp(destinationPort: 33_434), sourcePorts: 64)
        return MultipathTrace.Configuration(destination: try #require(IPAddress(address)), space: space)
    }

    /// The first probes of what was begun, told to have left.
    private static func send(_ succession: inout MultipathSuccession, at now: Timestamp) -> [Transmit] {
        succession.advance(to: now)
        var sent: [Transmit] = []
        while let transmit = succession.nextTransmit(at: now) {
            succession.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
            sent.append(transmit)
        }
        return sent
    }

    private static func answer(to transmit: Transmit, from router: String, at now: Timestamp) throws -> Response {
        var response = Response(
            probe: transmit.id, kind: .icmpError(type: ICMPType.V4.timeExceeded, code: 0, info: 0),
            responder: try #require(IPAddress(router)), quotedDestination: transmit.probe.destination,
            stamp: Stamp(nanoseconds: now.nanoseconds, clock: .user), arrival: now)
        response.evidence = .cookie
        return response
    }

    @Test("What is late for one trace is no answer to the next")
    func lateAnswers() throws {
        var succession = MultipathSuccession()
        #expect(succession.schedule == .finished)
        succession.begin(try Self.configuration("192.0.2.1"))
        let first = Self.send(&succession, at: Timestamp(nanoseconds: 0))
        try #require(first.count > 1)
        succession.begin(try Self.configuration("192.0.2.2"))
        let now = Timestamp(nanoseconds: 1_000_000)
        let second = Self.send(&succession, at: now)
        try #require(!second.isEmpty)
        #expect(second.map(\.id.rawValue) == (1...UInt64(second.count)).map { UInt64(first.count) + $0 })
        #expect(second.allSatisfy { $0.probe.destination == IPAddress("192.0.2.2") })
        #expect(!succession.awaits(first[0].id) && succession.awaits(second[0].id))
        // A keyed mark stands for its probe wherever that was going.
        succession.receive(try Self.answer(to: first[0], from: "198.51.100.1", at: now))
        succession.didNotSend(first[1].id, .failed(code: 101, name: "ENETUNREACH"), at: now)
        #expect(succession.trace?.statistics.received == 0 && succession.trace?.statistics.unsent == 0)
        succession.receive(try Self.answer(to: second[0], from: "198.51.100.1", at: now))
        #expect(succession.trace?.statistics.received == 1)
        #expect(succession.trace?.graph.nodes.map(\.responder) == [IPAddress("198.51.100.1")])
    }

    @Test("A watch goes on numbering behind the trace, and has its own events")
    func watches() throws {
        var succession = MultipathSuccession()
        let configuration = try Self.configuration("192.0.2.1")
        succession.begin(configuration)
        let now = Timestamp(nanoseconds: 0)
        let sent = Self.send(&succession, at: now)
        for transmit in sent where transmit.probe.hopLimit == 1 {
            succession.receive(try Self.answer(to: transmit, from: "198.51.100.1", at: now))
        }
        succession.stop(at: now)
        while succession.nextEvent() != nil {}
        #expect(succession.schedule == .finished)
        let graph = try #require(succession.trace?.graph)
        var watch = PathWatch.Configuration(destination: configuration.destination, graph: graph)
        watch.rounds = 1
        succession.follow(watch)
        var last = sent.count
        var rounds = 0
        for step in 1...2_000 where succession.schedule != .finished {
            let now = Timestamp(nanoseconds: Int64(step) * 5_000_000)
            for transmit in Self.send(&succession, at: now) {
                last += 1
                #expect(Int(transmit.id.rawValue) == last)
            }
            while let event = succession.nextEvent() {
                guard case .watch(let event) = event else {
                    Issue.record("the trace is over")
                    continue
                }
                if case .round = event { rounds += 1 }
            }
        }
        #expect(rounds == 1 && last > sent.count)
    }
}
