import PacketFormats
import ProbeEngine
import Testing

/// A target whose name gets another address while the sweep runs.
@Suite struct AddressChangeTests {
    private static let old = Ours.address("192.0.2.1")
    private static let new = Ours.address("192.0.2.7")
    private static let other = Ours.address("2001:db8::7")

    /// An event, as far as these tests look.
    private enum Seen: Equatable {
        case reply(UInt32, EchoReply.Disposition, EchoReply.Kind)
        case error(UInt32, IPVersion)
        case moved(IPAddress, IPAddress, Timestamp)
        case timeout(UInt32)
        case another

        init(_ event: EchoEvent) {
            switch event {
            case .reply(let reply): self = .reply(reply.sequence, reply.disposition, reply.kind)
            case .error(let error): self = .error(error.sequence, error.responder.version)
            case .address(0, let from, let to, let instant): self = .moved(from, to, instant)
            case .timeout(_, let sequence): self = .timeout(sequence)
            default: self = .another
            }
        }
    }

    private static func sweep(
        _ method: ProbeMethod = .icmpEcho, targets: [IPAddress] = [old], timeout: TimeSpan = .seconds(60)
    ) -> EchoSweep {
        var configuration = EchoSweep.Configuration(targets: targets)
        configuration.method = method
        configuration.timeout = timeout
        configuration.wantsKernelStamps = false
        return EchoSweep(configuration, start: .ms(0))
    }

    /// Sends what is due and returns where it goes.
    private static func send(_ sweep: inout EchoSweep, at time: Int64) -> [IPAddress] {
        sweep.advance(to: .ms(time))
        var destinations: [IPAddress] = []
        while let transmit = sweep.nextTransmit(at: .ms(time)) {
            destinations.append(transmit.probe.destination)
            sweep.didSend(transmit.id, at: Stamp(nanoseconds: time * 1_000_000, clock: .user))
        }
        return destinations
    }

    private static func receive(
        _ sweep: inout EchoSweep, _ id: UInt64?, from source: IPAddress, _ kind: Response.Kind = .echoReply,
        quoting destination: IPAddress? = nil, at time: Int64
    ) {
        sweep.receive(
            Response(
                probe: id.map(ProbeID.init(rawValue:)), kind: kind, responder: source, quotedDestination: destination,
                byteCount: 64, stamp: Stamp(nanoseconds: time * 1_000_000, clock: .kernel), arrival: .ms(time)))
    }

    private static func events(_ sweep: inout EchoSweep) -> [Seen] {
        var seen: [Seen] = []
        while let event = sweep.nextEvent() { seen.append(Seen(event)) }
        return seen
    }

    @Test func probesGoToTheNewAddressAndAnswersOfTheOldOneStillCount() {
        var sweep = Self.sweep()
        #expect(Self.send(&sweep, at: 0) == [Self.old])
        #expect(Self.send(&sweep, at: 1_000) == [Self.old])
        sweep.apply(.setAddress(target: 0, Self.new), at: .ms(1_500))
        #expect(sweep.addresses == [Self.new])
        #expect(Self.send(&sweep, at: 2_000) == [Self.new])
        Self.receive(&sweep, 2, from: Self.old, at: 2_001)
        Self.receive(&sweep, 3, from: Self.new, at: 2_002)
        Self.receive(&sweep, 1, from: Self.new, at: 2_003)
        Self.receive(&sweep, 1, from: Self.old, at: 2_004)
        #expect(
            Self.events(&sweep) == [
                .moved(Self.old, Self.new, .ms(1_500)), .reply(2, .inTime, .echo), .reply(3, .inTime, .echo),
                .reply(1, .wrongSource, .echo), .reply(1, .inTime, .echo),
            ])
        #expect(sweep.statistics[0].transmitted == 3)
        #expect(sweep.statistics[0].received == 3)
        #expect(sweep.statistics[0].wrongSource == 1)
        #expect(sweep.unsolicited == 0)
    }

    @Test func theVersionMayChange() {
        var sweep = Self.sweep(.udp(destinationPort: 7))
        #expect(Self.send(&sweep, at: 0) == [Self.old])
        sweep.apply(.setAddress(target: 0, Self.other), at: .ms(500))
        #expect(Self.send(&sweep, at: 1_000) == [Self.other])
        let unreachable4 = Response.Kind.icmpError(type: ICMPType.V4.destinationUnreachable, code: 3, info: 0)
        let unreachable6 = Response.Kind.icmpError(type: ICMPType.V6.destinationUnreachable, code: 4, info: 0)
        Self.receive(&sweep, 1, from: Self.old, unreachable4, quoting: Self.old, at: 1_001)
        Self.receive(&sweep, 2, from: Self.other, unreachable6, quoting: Self.other, at: 1_002)
        #expect(
            Self.events(&sweep) == [
                .moved(Self.old, Self.other, .ms(500)), .reply(1, .inTime, .portUnreachable),
                .reply(2, .inTime, .portUnreachable),
            ])
        #expect(sweep.statistics[0].received == 2)
    }

    /// An error that quotes where the probe did not go is nobody's.
    @Test func errorsMustQuoteTheAddressOfTheirProbe() {
        var sweep = Self.sweep()
        #expect(Self.send(&sweep, at: 0) == [Self.old])
        sweep.apply(.setAddress(target: 0, Self.new), at: .ms(500))
        #expect(Self.send(&sweep, at: 1_000) == [Self.new])
        let exceeded = Response.Kind.icmpError(type: ICMPType.V4.timeExceeded, code: 0, info: 0)
        let router = Ours.address("198.51.100.1")
        Self.receive(&sweep, 1, from: router, exceeded, quoting: Self.new, at: 1_001)
        Self.receive(&sweep, 2, from: router, exceeded, quoting: Self.old, at: 1_002)
        #expect(sweep.unsolicited == 2)
        Self.receive(&sweep, 1, from: router, exceeded, quoting: Self.old, at: 1_003)
        #expect(Self.events(&sweep) == [.moved(Self.old, Self.new, .ms(500)), .error(1, .v4)])
        #expect(sweep.statistics[0].errors == 1)
    }

    /// An error that names no probe is credited by where the newest probe went.
    @Test func anonymousErrorsFindTheProbeBeforeAndAfter() {
        let unreachable = Response.Kind.icmpError(type: ICMPType.V4.destinationUnreachable, code: 3, info: 0)
        var sweep = Self.sweep(.udp(destinationPort: 7))
        #expect(Self.send(&sweep, at: 0) == [Self.old])
        sweep.apply(.setAddress(target: 0, Self.new), at: .ms(100))
        Self.receive(&sweep, nil, from: Self.old, unreachable, quoting: Self.old, at: 200)
        #expect(Self.send(&sweep, at: 1_000) == [Self.new])
        Self.receive(&sweep, nil, from: Self.old, unreachable, quoting: Self.old, at: 1_001)
        Self.receive(&sweep, nil, from: Self.new, unreachable, quoting: Self.new, at: 1_002)
        #expect(
            Self.events(&sweep).dropFirst() == [
                .reply(1, .inTime, .portUnreachable), .reply(2, .inTime, .portUnreachable),
            ])
        #expect(sweep.unsolicited == 1)
    }

    /// What waits for room in the local queue keeps its destination: it is the same probe.
    @Test func aProbeThatWaitsForRoomKeepsItsDestination() throws {
        var sweep = Self.sweep()
        let first = sweep.nextTransmit(at: .ms(0))
        let transmit = try #require(first)
        sweep.didNotSend(transmit.id, .retryLater, at: .ms(0))
        sweep.apply(.setAddress(target: 0, Self.new), at: .ms(1))
        let second = sweep.nextTransmit(at: .ms(5))
        let again = try #require(second)
        #expect(again == transmit)
        sweep.didSend(again.id, at: Stamp(nanoseconds: 5_000_000, clock: .user))
        Self.receive(&sweep, 1, from: Self.old, at: 6)
        #expect(Self.events(&sweep) == [.moved(Self.old, Self.new, .ms(1)), .reply(1, .inTime, .echo)])
    }

    @Test func nothingChangesForNothing() {
        var sweep = Self.sweep()
        sweep.apply(.setAddress(target: 0, Self.old), at: .ms(0))
        sweep.apply(.setAddress(target: 1, Self.new), at: .ms(0))
        sweep.apply(.setAddress(target: -1, Self.new), at: .ms(0))
        #expect(Self.events(&sweep).isEmpty)
        sweep.stop(at: .ms(1))
        sweep.apply(.setAddress(target: 0, Self.new), at: .ms(2))
        #expect(Self.events(&sweep).isEmpty)
        #expect(sweep.addresses == [Self.old])
    }

    /// Other targets keep theirs, and there and back again each probe has its own.
    @Test func everyProbeIsComparedWithWhereItWent() {
        let neighbour = Ours.address("192.0.2.99")
        var sweep = Self.sweep(targets: [Self.old, neighbour])
        var expected: [IPAddress] = []
        for round in 0..<12 as Range<Int64> {
            let address = round % 2 == 0 ? Self.old : Self.new
            sweep.apply(.setAddress(target: 0, address), at: .ms(round * 1_000))
            #expect(Self.send(&sweep, at: round * 1_000 + 10) == [address, neighbour])
            expected += [address, neighbour]
        }
        _ = Self.events(&sweep)
        for (index, address) in expected.enumerated() {
            Self.receive(&sweep, UInt64(index + 1), from: address, at: 12_000)
        }
        #expect(sweep.statistics.map(\.received) == [12, 12])
        #expect(sweep.statistics.map(\.wrongSource) == [0, 0])
    }

    /// However often a name moves, only the last changes are remembered; older answers are strangers', never a trap.
    @Test func manyChangesAreBounded() {
        var sweep = Self.sweep()
        for round in 0..<100 as Range<Int64> {
            let address = IPAddress.v4(IPv4Address(rawValue: 0xc633_6400 + UInt32(round)))
            sweep.apply(.setAddress(target: 0, address), at: .ms(round * 1_000))
            #expect(Self.send(&sweep, at: round * 1_000 + 1) == [address])
        }
        _ = Self.events(&sweep)
        for id in 1...100 as ClosedRange<UInt64> {
            let address = IPAddress.v4(IPv4Address(rawValue: 0xc633_6400 + UInt32(id - 1)))
            Self.receive(&sweep, id, from: address, at: 100_000)
        }
        #expect(sweep.statistics[0].received == 17)
        #expect(sweep.statistics[0].wrongSource == 83)
    }
}
