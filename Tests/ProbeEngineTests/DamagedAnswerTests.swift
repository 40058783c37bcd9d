import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

/// Answers that only look like the destination's.
@Suite struct DamagedAnswerTests {
    private static let kinds = [
        "wrong-source", "wrong-checksum", "truncated", "overlong", "unknown-sequence", "wrong-identifier",
        "other-code", "empty", "forged-time",
    ]

    @Test("A trace is not at its end because of a damaged or forged echo reply", arguments: kinds)
    func trace(kind: String) throws {
        for target in ["10.0.9.9", "fd00:9::9"] {
            var driver = Driver(
                try Ours.scenario(
                    "router r1 10.0.1.1 fd00:1::1\nlink source r1\ntarget \(target) via r1 hostile \(kind)"))
            var configuration = PathTrace.Configuration(destination: Ours.address(target))
            configuration.method = .icmpEcho
            configuration.maximumHop = 4
            var trace = PathTrace(configuration)
            try driver.run(&trace)
            #expect(!trace.isReached && trace.lastHop == nil && trace.statistics.received == 3)
        }
    }

    @Test("A probe has one error, however often it is told of, and none after its answer")
    func manyErrors() throws {
        var configuration = EchoSweep.Configuration(targets: [Ours.address("192.0.2.7")])
        configuration.count = 2
        configuration.wantsKernelStamps = false
        var sweep = EchoSweep(configuration, start: .ms(0))
        func response(_ id: UInt64, _ kind: Response.Kind, at time: Int64) -> Response {
            Response(
                probe: ProbeID(rawValue: id), kind: kind, responder: Ours.address("192.0.2.7"),
                quotedDestination: Ours.address("192.0.2.7"), byteCount: 64,
                stamp: Stamp(nanoseconds: 0, clock: .user), arrival: .ms(time))
        }
        let error = Response.Kind.icmpError(type: .destinationUnreachable(.v4), code: 1, info: 0)
        for round in 0..<2 as Range<Int64> {
            let time = Timestamp.ms(round * 1_000)
            sweep.advance(to: time)
            let next = sweep.nextTransmit(at: time)
            let transmit = try #require(next)
            sweep.didSend(transmit.id, at: Stamp(nanoseconds: 0, clock: .user))
        }
        for _ in 0..<3 { sweep.receive(response(1, error, at: 1_001)) }
        #expect(sweep.statistics[0].errors == 1)
        sweep.receive(response(2, .echoReply, at: 1_002))
        for _ in 0..<3 { sweep.receive(response(2, error, at: 1_003)) }
        #expect(sweep.statistics[0].errors == 1 && sweep.statistics[0].lost == 1)
        #expect(sweep.statistics[0].received == 1)
    }

    @Test("A damaged reply, which needs no cookie, keeps nobody from waiting for the whole one")
    func damagedFirst() {
        let (target, stranger) = (Ours.address("192.0.2.7"), Ours.address("192.0.2.66"))
        var configuration = EchoSweep.Configuration(targets: [target])
        configuration.count = 1
        configuration.wantsKernelStamps = false
        var sweep = EchoSweep(configuration, start: .ms(0))
        func receive(_ integrity: Response.Integrity, from responder: IPAddress, at time: Int64) {
            sweep.receive(
                Response(
                    probe: ProbeID(rawValue: 1), kind: .echoReply, responder: responder, byteCount: 64,
                    integrity: integrity, stamp: Stamp(nanoseconds: 0, clock: .user), arrival: .ms(time)))
        }
        if let transmit = sweep.nextTransmit(at: .ms(0)) {
            sweep.didSend(transmit.id, at: Stamp(nanoseconds: 0, clock: .user))
        }
        receive(.wrongChecksum, from: stranger, at: 1)
        #expect(sweep.unsolicited == 1 && sweep.statistics[0].corrupted == 0)
        receive(.wrongChecksum, from: target, at: 2)
        #expect(sweep.statistics[0].corrupted == 1 && sweep.statistics[0].inFlight == 1)
        #expect(sweep.schedule == .at(.ms(2_000)))
        receive(.intact, from: target, at: 3)
        #expect(sweep.statistics[0].received == 1 && sweep.schedule == .finished)
    }
}
