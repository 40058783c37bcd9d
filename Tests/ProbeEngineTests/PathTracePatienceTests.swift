import PacketFormats
import ProbeEngine
import Testing

/// How long `PathTrace` waits, with the verbs called by hand.
@Suite struct PathTracePatienceTests {
    private static let target = Ours.address("192.0.2.7")
    private static let router = Ours.address("192.0.2.1")

    private func trace(hops: Int) -> PathTrace {
        var configuration = PathTrace.Configuration(destination: Self.target)
        configuration.maximumHop = hops
        configuration.queries = 1
        configuration.wantsKernelStamps = false
        return PathTrace(configuration)
    }

    /// What was sent, by hop limit.
    private func sendAll(_ trace: inout PathTrace, at time: Int64) -> [Transmit] {
        var sent: [Transmit] = []
        while let transmit = trace.nextTransmit(at: .ms(time)), sent.count < 100 {
            trace.didSend(transmit.id, at: Stamp(nanoseconds: time * 1_000_000, clock: .user))
            sent.append(transmit)
        }
        return sent.sorted { $0.probe.hopLimit < $1.probe.hopLimit }
    }

    private func answer(_ id: ProbeID?, _ type: ICMPType, _ code: UInt8, from: IPAddress, at time: Int64) -> Response {
        Response(
            probe: id, kind: .icmpError(type: type, code: code, info: 0), responder: from,
            quotedDestination: Self.target, stamp: Stamp(nanoseconds: time * 1_000_000, clock: .user),
            arrival: .ms(time))
    }

    @Test("A process that wakes up late waits longer for silent hops")
    func lateWakeUp() {
        var trace = trace(hops: 3)
        let sent = sendAll(&trace, at: 0)
        #expect(sent.map(\.probe.hopLimit) == [1, 2, 3])
        trace.receive(answer(sent[2].id, .destinationUnreachable(.v4), 3, from: Self.target, at: 1))
        // Ten round trips of the next hop.
        #expect(trace.schedule == .at(.ms(10)))
        trace.advance(to: .ms(30))
        #expect(trace.schedule == .at(.ms(50)), "20 ms late: 40 ms more")
        trace.receive(answer(sent[0].id, .timeExceeded(.v4), 0, from: Self.router, at: 31))
        trace.advance(to: .ms(50))
        var rows: [PathHop] = []
        while let event = trace.nextEvent() { if case .hop(let hop) = event { rows.append(hop) } }
        #expect(rows.map { $0.answers[0]?.responder } == [Self.router, nil, Self.target])
    }

    @Test("An answer is waited for from when its probe has left")
    func slowBatch() {
        var trace = trace(hops: 2)
        let sent = sendAll(&trace, at: 0)
        trace.finishSending { .ms(8) }
        trace.receive(answer(sent[1].id, .destinationUnreachable(.v4), 3, from: Self.target, at: 9))
        #expect(trace.schedule == .at(.ms(98)), "ten round trips of 9 ms, from 8 ms on")
        trace.advance(to: .ms(97))
        trace.receive(answer(sent[0].id, .timeExceeded(.v4), 0, from: Self.router, at: 97))
        #expect(trace.schedule == .finished && trace.statistics.received == 2)
    }

    @Test("Nothing is asked alone while an answer without number may still be on its way")
    func quietBeforeAskingAlone() throws {
        var trace = trace(hops: 2)
        let sent = sendAll(&trace, at: 0)
        trace.receive(answer(nil, .timeExceeded(.v4), 0, from: Self.router, at: 1))
        trace.receive(answer(sent[1].id, .destinationUnreachable(.v4), 3, from: Self.target, at: 2))
        trace.advance(to: .ms(20))
        #expect(sendAll(&trace, at: 20).isEmpty)
        #expect(trace.schedule == .at(.ms(50)))
        trace.advance(to: .ms(50))
        let again = sendAll(&trace, at: 50)
        #expect(again.map(\.probe.hopLimit) == [1])
        trace.receive(answer(nil, .timeExceeded(.v4), 0, from: Self.router, at: 51))
        #expect(trace.schedule == .finished)
        var rows: [PathHop] = []
        while let event = trace.nextEvent() { if case .hop(let hop) = event { rows.append(hop) } }
        #expect(rows.map { $0.answers[0]?.responder } == [Self.router, Self.target])
    }
}
