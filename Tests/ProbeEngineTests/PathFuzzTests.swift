import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// What measures paths, with answers of anybody who may be lying: nothing traps, it ends, and what it tells is in order.
@Suite struct PathFuzzTests {
    private static let methods: [ProbeMethod] = [
        .udp(destinationPort: 33_434), .icmpEcho, .tcpSYN(destinationPort: 80), .ip(IPProtocol(rawValue: 253)),
    ]

    private func configuration(_ generator: inout SeededGenerator, _ destination: IPAddress) -> PathTrace.Configuration
    {
        func one<Element>(of elements: [Element]) -> Element {
            elements[Int(generator.number(below: UInt64(elements.count)))]
        }
        var configuration = PathTrace.Configuration(destination: destination)
        configuration.method = one(of: Self.methods)
        configuration.firstHop = one(of: [1, 1, 1, 2, 5, 255])
        configuration.maximumHop = one(of: [1, 3, 8, 30, 64, 255])
        configuration.queries = one(of: [1, 2, 3, 10])
        configuration.maximumInFlight = one(of: [1, 2, 16, 2_550])
        configuration.maximumWait = one(of: [.ms(10), .seconds(1), .seconds(5)])
        configuration.hereFactor = one(of: [0.5, 3, .infinity])
        configuration.nearFactor = one(of: [0.5, 10, .infinity])
        configuration.tailWait = one(of: [nil, .seconds(1)])
        configuration.maximumDelay = one(of: [nil, .ms(500)])
        configuration.pause = one(of: [.zero, .zero, .ms(20)])
        configuration.gapLimit = one(of: [nil, nil, 1, 3])
        configuration.changesPort = one(of: [false, false, true])
        configuration.stopsAtLoops = one(of: [true, false])
        configuration.asksSilentHopsAgain = one(of: [true, false])
        configuration.wantsKernelStamps = one(of: [true, false])
        configuration.seed = generator.next()
        return configuration
    }

    private func check(_ rows: [PathHop], _ trace: PathTrace) {
        let configuration = trace.configuration
        #expect(rows.map(\.number) == Array(configuration.firstHop..<(configuration.firstHop + rows.count)))
        #expect(rows.allSatisfy { $0.answers.count == configuration.queries })
        for row in rows {
            for answer in row.answers.compactMap(\.self) {
                #expect(
                    answer.kind == .timeExceeded || row.number == trace.lastHop || answer.probe.hopLimit == row.number)
                #expect(answer.roundTrip >= .zero)
            }
        }
        #expect(trace.statistics.received + trace.statistics.late <= trace.statistics.transmitted)
    }

    @Test("PathTrace with all of its settings", arguments: 0..<100 as Range<UInt64>)
    func trace(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed ^ 0x9a7c)
        let destination = Ours.address(seed % 2 == 0 ? "192.0.2.7" : "2001:db8::7")
        var trace = PathTrace(configuration(&generator, destination))
        var chaos = Chaos(seed: seed, [destination])
        chaos.routers = [1, 2, 300][Int(seed % 3)]
        chaos.quotes = true
        var rows: [PathHop] = []
        try chaos.run(&trace, rounds: 300, stops: seed % 5 == 0) { _, events in
            for case .hop(let row) in events { rows.append(row) }
        }
        check(rows, trace)
        #expect(PathFindings(of: rows).all.count <= PathFindings.maximumCount)
    }

    @Test("MultipathTrace", arguments: 0..<60 as Range<UInt64>)
    func multipath(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed ^ 0x4d17)
        func one<Element>(of elements: [Element]) -> Element {
            elements[Int(generator.number(below: UInt64(elements.count)))]
        }
        let destination = Ours.address(seed % 2 == 0 ? "192.0.2.7" : "2001:db8::7")
        var configuration = MultipathTrace.Configuration(
            destination: destination, space: FlowSpace(one(of: Self.methods), sourcePorts: one(of: [1, 2, 64])))
        configuration.isLite = one(of: [true, false])
        configuration.firstHop = one(of: [1, 1, 2, 5, 255])
        configuration.maximumHop = one(of: [1, 3, 8, 30, 255])
        configuration.maximumProbes = one(of: [0, 1, 40, 1_000])
        configuration.maximumInFlight = one(of: [1, 16, 512])
        configuration.maximumWait = one(of: [.ms(10), .seconds(1), .seconds(5)])
        configuration.pause = one(of: [.zero, .zero, .ms(20)])
        configuration.gapLimit = one(of: [nil, 1, 5])
        configuration.wantsKernelStamps = one(of: [true, false])
        configuration.seed = generator.next()
        var trace = MultipathTrace(configuration)
        var chaos = Chaos(seed: seed, [destination])
        chaos.routers = [1, 5, 300][Int(seed % 3)]
        chaos.quotes = true
        try chaos.run(&trace, rounds: 300, stops: seed % 5 == 0) { trace, _ in
            #expect(trace.statistics.transmitted <= UInt64(trace.configuration.maximumProbes))
            #expect(trace.statistics.received + trace.statistics.late <= trace.statistics.transmitted)
        }
        let graph = trace.graph
        for edge in graph.edges {
            #expect(graph.nodes[edge.to].hop == graph.nodes[edge.from].hop + 1)
            #expect(edge.received <= edge.transmitted)
        }
        for node in graph.nodes {
            #expect(node.received <= node.transmitted && (0...1).contains(node.missProbability))
        }
        #expect(graph.nodes.count <= 256 * MultipathHop.maximumResponders)
    }

    @Test("PathMTU", arguments: 0..<100 as Range<UInt64>)
    func discovery(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed ^ 0x3717)
        let destination = Ours.address(seed % 2 == 0 ? "192.0.2.7" : "2001:db8::7")
        let length = 1 + Int(generator.number(below: 20))
        let hops = (1...length).compactMap { number -> PathMTU.Configuration.Hop? in
            guard generator.number(below: 4) > 0 else { return nil }
            let router = generator.number(below: 6)
            let address: IPAddress =
                destination.version == .v4
                ? .v4(IPv4Address(rawValue: 0xc612_0000 + UInt32(router)))
                : .v6(IPv6Address(high: 0xfd00 << 48, low: router))
            return PathMTU.Configuration.Hop(
                number: number, responders: [number == length ? destination : address],
                roundTrip: .ms(Int64(generator.number(below: 300))))
        }
        var configuration = PathMTU.Configuration(
            destination: destination, method: generator.number(below: 2) == 0 ? .icmpEcho : Self.methods[0],
            hops: hops, destinationHop: hops.last?.number == length ? length : nil,
            firstSize: [0, 68, 1_280, 1_500, 9_000, 65_536][Int(generator.number(below: 6))])
        configuration.maximumInFlight = [1, 16, 255][Int(generator.number(below: 3))]
        configuration.pause = .ms(Int64(generator.number(below: 2)) * 20)
        var search = PathMTU(configuration)
        var chaos = Chaos(seed: seed, [destination])
        chaos.routers = 6
        chaos.quotes = true
        var drops: [PathMTUDrop] = []
        try chaos.run(&search, rounds: 300, stops: seed % 5 == 0) { search, events in
            for case .drop(let drop) in events { drops.append(drop) }
            #expect(search.statistics.transmitted <= UInt64(search.configuration.maximumProbes))
            #expect(search.statistics.received + search.statistics.late <= search.statistics.transmitted)
        }
        let result = search.result
        #expect(result.drops.count == drops.count)
        #expect(result.falseClaims.count <= 16)
        #expect(result.size ?? 0 <= result.firstSize)
        // Smaller and smaller on the way.
        for (one, next) in zip(drops, drops.dropFirst()) { #expect(next.size <= one.size) }
    }

    @Test("PathTraceGroup", arguments: 0..<40 as Range<UInt64>)
    func group(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed ^ 0x6409)
        let count = 1 + Int(generator.number(below: 5))
        let destinations = (0..<count).map { index in
            // Now and then the same host twice.
            generator.number(below: 6) == 0
                ? Ours.address("192.0.2.7")
                : generator.number(below: 2) == 0
                    ? Ours.address("192.0.2.\(7 + index)") : Ours.address("2001:db8::\(7 + index)")
        }
        let configurations = destinations.map { destination in
            var configuration = configuration(&generator, destination)
            configuration.maximumHop = min(configuration.maximumHop, 30)
            return PathTraceGroup.Configuration(
                configuration, firstSize: generator.number(below: 2) == 0 ? 1_500 : nil)
        }
        var group = PathTraceGroup(configurations, maximumRunning: 1 + Int(generator.number(below: 3)))
        var chaos = Chaos(seed: seed, destinations)
        chaos.routers = [1, 40][Int(seed % 2)]
        chaos.quotes = true
        var rows: [[PathHop]] = Array(repeating: [], count: count)
        var finished: [Int] = []
        try chaos.run(&group, rounds: 600, stops: seed % 5 == 0) { _, events in
            for event in events {
                switch event {
                case .path(let trace, .hop(let hop)):
                    #expect(!finished.contains(trace))
                    rows[trace].append(hop)
                case .path(let trace, .unsent): #expect(!finished.contains(trace))
                case .mtu(let trace, _): #expect(!finished.contains(trace))
                case .finished(let trace): finished.append(trace)
                }
            }
        }
        #expect(finished.sorted() == Array(0..<group.begun))
        if seed % 5 != 0 { #expect(group.begun == count) }
        var seen: Set<ProbeID> = []
        for (member, rows) in zip(group.members, rows) {
            check(rows, member.trace)
            #expect(member.hops.map(\.number) == rows.map(\.number))
            for query in rows.flatMap(\.queries) {
                guard case .answered(let answer) = query.outcome else { continue }
                #expect(answer.probe.destination == member.configuration.trace.destination)
                #expect(seen.insert(answer.id).inserted, "an answer that was credited twice")
            }
        }
    }

    /// A queue that stays full takes more numbers than are kept. What is under way meanwhile must be given up in time.
    @Test func fullQueue() throws {
        var configuration = PathTrace.Configuration(destination: Ours.address("192.0.2.7"))
        configuration.maximumHop = 64
        configuration.queries = 10
        configuration.maximumWait = .seconds(2)
        var trace = PathTrace(configuration)
        var now = Timestamp.ms(0)
        var sent = 0
        var calls = 0
        var rows = 0
        while trace.schedule != .finished {
            calls += 1
            try #require(calls < 200_000, "\(trace.schedule) at \(now)")
            trace.advance(to: now)
            var batch: [Transmit] = []
            while let transmit = trace.nextTransmit(at: now) { batch.append(transmit) }
            for transmit in batch {
                // Room for one now and then keeps the queue from counting as broken.
                if sent < 300 || calls % 100 == 0 {
                    sent += 1
                    trace.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
                } else {
                    trace.didNotSend(transmit.id, .retryLater, at: now)
                }
            }
            while let event = trace.nextEvent() { if case .hop = event { rows += 1 } }
            guard case .at(let next) = trace.schedule else { break }
            now = max(now, next)
            if now > .ms(120_000) { break }
        }
        #expect(rows == 64)
        #expect(now < .ms(120_000))
    }
}
