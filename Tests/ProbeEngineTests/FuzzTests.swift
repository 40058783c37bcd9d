import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// Calls the verbs of a measurement in any order with anything that could come back.
///
/// Time goes on as the schedule says, often later, sometimes earlier. After `rounds` the world falls silent; then a
/// measurement has to come to its end.
struct Chaos {
    var generator: SeededGenerator
    var now = Timestamp.ms(0)
    var probes: [Transmit] = []
    /// Taken and not yet told of.
    var undecided: [Transmit] = []
    let destinations: [IPAddress]
    /// How many routers answer.
    var routers: UInt64 = 1
    /// Whether errors quote what was sent, or something else, and say how much would have been small enough.
    var quotes = false

    init(seed: UInt64, _ destinations: [IPAddress]) {
        generator = SeededGenerator(seed: seed)
        self.destinations = destinations
    }

    mutating func chance(_ percent: UInt64) -> Bool { generator.number(below: 100) < percent }

    mutating func run<M: Measurement>(
        _ measurement: inout M, rounds: Int, stops: Bool, check: (borrowing M, [M.Event]) -> Void
    ) throws {
        for _ in 0..<rounds {
            act(on: &measurement)
            var events: [M.Event] = []
            while let event = measurement.nextEvent() { events.append(event) }
            check(measurement, events)
            if stops, chance(1) { measurement.stop(at: now) }
            pass(measurement.schedule)
        }
        var calls = 0
        while measurement.schedule != .finished {
            calls += 1
            try #require(calls < 200_000, "never finished; \(measurement.schedule) at \(now)")
            decideAll(&measurement)
            measurement.advance(to: now)
            var sent = 0
            while let transmit = measurement.nextTransmit(at: now) {
                sent += 1
                try #require(sent < 100_000)
                measurement.didSend(transmit.id, at: stamp(.user))
            }
            var events: [M.Event] = []
            while let event = measurement.nextEvent() { events.append(event) }
            check(measurement, events)
            switch measurement.schedule {
            case .finished: return
            case .waitingForInput:
                Issue.record("waits for ever")
                return
            case .at(let next):
                try #require(next > now || sent > 0 || !events.isEmpty || calls < 1_000, "asks for the past")
                now = max(now, next)
            }
        }
    }

    private mutating func pass(_ schedule: Schedule) {
        switch generator.number(below: 10) {
        case 0..<6: if case .at(let next) = schedule { now = max(now, next) }
        case 6: now = now + TimeSpan(nanoseconds: Int64(generator.number(below: 3_000_000_000)))
        case 7: now = now + TimeSpan(nanoseconds: Int64(generator.number(below: 2_000_000)))
        default: break
        }
    }

    private mutating func act<M: Measurement>(on measurement: inout M) {
        switch generator.number(below: 12) {
        case 0..<4:
            for _ in 0...generator.number(below: 20) {
                guard let transmit = measurement.nextTransmit(at: now) else { break }
                probes.append(transmit)
                undecided.append(transmit)
            }
            if !chance(20) { decideAll(&measurement) }
        case 4: decideAll(&measurement)
        case 5..<10:
            for _ in 0..<generator.number(below: 6) { measurement.receive(response()) }
        case 10:
            // A stamp that comes late, or for anything.
            measurement.didSend(anyID(), at: stamp(.kernel))
        default:
            measurement.advance(to: chance(10) ? .ms(0) : now)
        }
        if chance(60) { measurement.advance(to: now) }
    }

    private mutating func decideAll<M: Measurement>(_ measurement: inout M) {
        for transmit in undecided {
            switch generator.number(below: 20) {
            case 0 where quotes && chance(50):
                let size = UInt32(truncatingIfNeeded: generator.next()) >> UInt32(generator.number(below: 32))
                measurement.didNotSend(
                    transmit.id, .failed(code: 90, name: "EMSGSIZE", mtu: chance(50) ? Int(size) : nil), at: now)
            case 0: measurement.didNotSend(transmit.id, .failed(code: 1, name: "EPERM"), at: now)
            case 1, 2: measurement.didNotSend(transmit.id, .retryLater, at: now)
            default:
                measurement.didSend(transmit.id, at: stamp(.user))
                if chance(60) { measurement.didSend(transmit.id, at: stamp(.kernel)) }
            }
            if chance(5) { measurement.didNotSend(transmit.id, .retryLater, at: now) }
            if chance(5) { measurement.didSend(transmit.id, at: stamp(.user)) }
        }
        undecided = []
    }

    private mutating func stamp(_ clock: Stamp.Clock) -> Stamp {
        Stamp(
            nanoseconds: Ours.wallOffset + now.nanoseconds
                + (chance(10) ? Int64(truncatingIfNeeded: generator.next()) >> 20 : 0),
            clock: clock, epoch: chance(5) ? 1 : 0)
    }

    private mutating func anyID() -> ProbeID {
        if probes.isEmpty || chance(3) {
            return ProbeID(rawValue: [0, 1, 70_000, .max][Int(generator.number(below: 4))])
        }
        let recent = min(probes.count, 40)
        return probes[probes.count - 1 - Int(generator.number(below: UInt64(recent)))].id
    }

    /// Any times, often of the moment that was asked about.
    private mutating func timestampReply(to id: ProbeID) -> Response.Kind {
        let asked = chance(90) ? probes.last { $0.id == id }?.probe.originate : nil
        func time(_ generator: inout SeededGenerator) -> InternetTimestamp {
            let any = UInt32(truncatingIfNeeded: generator.next())
            return InternetTimestamp(rawValue: generator.number(below: 4) == 0 ? any : any % 86_400_000)
        }
        return .timestampReply(
            originate: asked ?? time(&generator), receive: time(&generator), transmit: time(&generator))
    }

    private mutating func response() -> Response {
        let id = anyID()
        let destination = probes.last { $0.id == id }?.probe.destination ?? destinations[0]
        let version = destination.version
        let isRouter = chance(50)
        let types: [ICMPType] = [
            .timeExceeded(version), .destinationUnreachable(version), .V4.redirect, .V4.sourceQuench,
            ICMPType(rawValue: 200),
        ]
        let kind: Response.Kind =
            switch generator.number(below: 10) {
            case 0: .datagram
            case 8, 9: timestampReply(to: id)
            case 1: .tcp([.syn, .ack])
            case 2, 3: .echoReply
            default:
                .icmpError(
                    type: types[Int(generator.number(below: 3) == 0 ? generator.number(below: 5) : 0)],
                    code: UInt8(generator.number(below: 5)), info: quotes ? size() : 0)
            }
        return Response(
            probe: chance(10) ? nil : id, kind: kind,
            responder: isRouter ? router(version) : destination,
            quotedDestination: chance(5) ? Ours.address("192.0.2.254") : chance(3) ? nil : destination,
            hopLimit: quotes ? UInt8(truncatingIfNeeded: generator.next()) : nil,
            byteCount: chance(90) ? 64 : Int(generator.number(below: 100)),
            integrity: chance(90) ? .intact : .wrongChecksum, stamp: stamp(chance(90) ? .kernel : .user),
            arrival: chance(95) ? now : .ms(0), detail: quotes ? detail(of: id) : nil)
    }

    private mutating func router(_ version: IPVersion) -> IPAddress {
        guard routers > 1 else { return Ours.address("192.0.2.1") }
        let number = generator.number(below: routers)
        return version == .v4
            ? .v4(IPv4Address(rawValue: 0xc612_0000 + UInt32(number)))
            : .v6(IPv6Address(high: 0xfd00 << 48, low: number))
    }

    /// An MTU, or anything.
    private mutating func size() -> UInt32 {
        switch generator.number(below: 4) {
        case 0: 0
        case 1: UInt32(truncatingIfNeeded: generator.next())
        default: UInt32(generator.number(below: 1_600))
        }
    }

    private mutating func detail(of id: ProbeID) -> ResponseDetail? {
        guard let transmit = probes.last(where: { $0.id == id }) else { return nil }
        let source = Ours.source(transmit.probe.destination.version)
        guard var bytes = Optional(Ours.packet(transmit, ProbeCodec(identity: Ours.identity))), !bytes.isEmpty else {
            return nil
        }
        for _ in 0..<generator.number(below: 4) {
            bytes[Int(generator.number(below: UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: generator.next())
        }
        bytes[source.version == .v4 ? 8 : 7] = UInt8(generator.number(below: 8))
        bytes.removeLast(Int(generator.number(below: UInt64(bytes.count - 20))))
        let objects = (0..<generator.number(below: 3)).map { _ -> ICMPExtensionObject in
            let label = MPLSLabel(
                label: UInt32(generator.number(below: 1 << 20)), trafficClass: 0, isBottomOfStack: chance(50),
                timeToLive: UInt8(truncatingIfNeeded: generator.next()))
            return chance(50) ? .mpls([label]) : .unknown(classNumber: 9, cType: 1, payload: [1, 2])
        }
        return ResponseDetail(
            quoted: try? QuotedPacket(parsing: bytes.bytes, version: source.version),
            extensions: objects.isEmpty ? nil : ICMPExtensions(objects: objects))
    }
}

@Suite struct FuzzTests {
    @Test("EchoSweep: whatever happens, the books are in order and it ends", arguments: 0..<300 as Range<UInt64>)
    func echoSweep(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed ^ 0xec40)
        let targets = (0..<(1 + generator.number(below: 5))).map { index -> IPAddress in
            index == 2 ? Ours.address("2001:db8::7") : .v4(IPv4Address(rawValue: 0xc000_0207 + UInt32(index)))
        }
        var configuration = EchoSweep.Configuration(targets: targets)
        configuration.count = 1 + generator.number(below: 60)
        configuration.interval = TimeSpan(nanoseconds: Int64(generator.number(below: 3)) * 7_000_000)
        configuration.timeout = TimeSpan(nanoseconds: 1 + Int64(generator.number(below: 2)) * 20_000_000)
        configuration.wantsKernelStamps = generator.number(below: 3) > 0
        if generator.number(below: 3) == 0 { configuration.deadline = .ms(Int64(generator.number(below: 5_000))) }
        if generator.number(below: 3) == 0 { configuration.method = .udp(destinationPort: 33_434) }
        if generator.number(below: 4) == 0 { configuration.method = .icmpTimestamp }
        switch generator.number(below: 6) {
        case 0: configuration.pacing = .adaptive
        case 1: configuration.pacing = .flood
        case 2: configuration.pacing = .poisson(seed: seed)
        default: break
        }
        configuration.preload = 1 + UInt32(generator.number(below: 5))
        configuration.reportsOutstanding = generator.number(below: 3) == 0
        if generator.number(below: 3) == 0 { configuration.summaryInterval = .ms(Int64(generator.number(below: 50))) }
        var sweep = EchoSweep(
            configuration, start: .ms(0), tableCapacity: generator.number(below: 2) == 0 ? 1 << 10 : 8)
        var chaos = Chaos(seed: seed, targets)
        try chaos.run(&sweep, rounds: 400, stops: seed % 4 == 0) { sweep, _ in
            for statistics in sweep.statistics {
                let sum = statistics.received + statistics.late + statistics.inFlight
                #expect(sum <= statistics.transmitted)
                #expect(statistics.lost + sum == statistics.transmitted)
                #expect(statistics.roundTrips.count == statistics.received)
                #expect(statistics.userTimed <= statistics.received && statistics.reordered <= statistics.received)
                #expect(statistics.loss >= 0 && statistics.loss <= 1)
            }
        }
    }

    @Test(
        "PathTrace: whatever happens, each row comes once and in order, and it ends",
        arguments: 0..<600 as Range<UInt64>)
    func pathTrace(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed ^ 0x7ace)
        let destination = Ours.address(seed % 2 == 0 ? "192.0.2.7" : "2001:db8::7")
        var configuration = PathTrace.Configuration(destination: destination)
        configuration.firstHop = 1 + Int(generator.number(below: 3))
        configuration.maximumHop = 1 + Int(generator.number(below: 12))
        configuration.queries = 1 + Int(generator.number(below: 4))
        configuration.maximumInFlight = [1, 2, 16, 255][Int(generator.number(below: 4))]
        configuration.pause = .ms(Int64(generator.number(below: 2)) * 20)
        configuration.changesPort = generator.number(below: 4) == 0
        configuration.wantsKernelStamps = generator.number(below: 3) > 0
        var trace = PathTrace(configuration)
        var chaos = Chaos(seed: seed, [destination])
        var rows: [PathHop] = []
        try chaos.run(&trace, rounds: 300, stops: seed % 4 == 0) { trace, events in
            for case .hop(let row) in events { rows.append(row) }
            #expect(trace.statistics.received + trace.statistics.late <= trace.statistics.transmitted)
        }
        let first = configuration.firstHop
        #expect(rows.map(\.number) == Array(first..<(first + rows.count)))
        #expect(rows.allSatisfy { $0.answers.count == configuration.queries })
        if seed % 4 != 0, first <= configuration.maximumHop {
            #expect(
                rows.last?.number == trace.lastHop
                    ?? (trace.ending == .loop ? rows.count + first - 1 : configuration.maximumHop))
        }
    }
}
