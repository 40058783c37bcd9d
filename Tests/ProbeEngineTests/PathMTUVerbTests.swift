import PacketFormats
import Testing

@testable import ProbeEngine

/// A path of five hops of which a closure says what comes back: for networks that lie.
private struct LyingPath {
    enum Reply {
        case passed
        case tooBig(Int, hop: Int)
    }

    static let destination = Ours.address("10.0.9.9")
    static func router(_ hop: Int) -> IPAddress { Ours.address("10.0.1.\(hop)") }

    var search: PathMTU
    var sent = 0
    private(set) var sizes: [Int] = []

    init(_ configure: (inout PathMTU.Configuration) -> Void = { _ in }) {
        let hops = (1...5).map { hop in
            PathMTU.Configuration.Hop(
                number: hop, responders: [hop == 5 ? Self.destination : Self.router(hop)], roundTrip: .ms(10))
        }
        var configuration = PathMTU.Configuration(
            destination: Self.destination, method: .udp(destinationPort: 33_434), hops: hops, destinationHop: 5,
            firstSize: 1_500)
        configure(&configuration)
        search = PathMTU(configuration)
    }

    mutating func run(
        refuse: (Int, Int) -> SendFailure? = { _, _ in nil }, _ answer: (_ size: Int, _ hop: Int) -> [Reply]
    ) -> PathMTUResult {
        var now = Timestamp(nanoseconds: 0)
        var pending: [(Timestamp, Response)] = []
        for _ in 0..<10_000 {
            search.advance(to: now)
            while let transmit = search.nextTransmit(at: now) {
                let size = transmit.probe.payloadLength + 28
                let hop = min(5, Int(transmit.probe.hopLimit))
                #expect(transmit.probe.dontFragment)
                if let failure = refuse(size, hop) {
                    search.didNotSend(transmit.id, failure, at: now)
                    continue
                }
                sent += 1
                sizes.append(size)
                search.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
                for reply in answer(size, hop) {
                    pending.append((now + .ms(10), Self.response(transmit.id, reply, hop, at: now + .ms(10))))
                }
            }
            var next: Timestamp
            switch search.schedule {
            case .finished: return search.result
            case .waitingForInput: next = .ms(.max / 2_000_000)
            case .at(let instant): next = max(instant, now)
            }
            if let first = pending.first { next = min(next, first.0) }
            now = max(now, next)
            while let first = pending.first, first.0 <= now {
                pending.removeFirst()
                search.receive(first.1)
            }
        }
        Issue.record("it does not end")
        return search.result
    }

    private static func response(_ id: ProbeID, _ reply: Reply, _ hop: Int, at time: Timestamp) -> Response {
        let stamp = Stamp(nanoseconds: time.nanoseconds, clock: .user)
        let error: (IPAddress, ICMPType, UInt8, UInt32)
        switch reply {
        case .passed:
            error =
                hop == 5
                ? (destination, ICMPType.V4.destinationUnreachable, 3, 0)
                : (router(hop), ICMPType.V4.timeExceeded, 0, 0)
        case .tooBig(let mtu, let hop):
            error = (router(hop), ICMPType.V4.destinationUnreachable, 4, UInt32(mtu))
        }
        return Response(
            probe: id, kind: .icmpError(type: error.1, code: error.2, info: error.3), responder: error.0,
            quotedDestination: destination, stamp: stamp, arrival: time)
    }
}

@Suite struct PathMTUVerbTests {
    /// What the router at hop 2 says of packets over 1,400 octets, and why that is not believed.
    @Test(
        "Sizes that can't be true are named, and searched for",
        arguments: [
            (0, PathMTUClaim.Fault.missing), (67, .tooSmall), (1, .tooSmall), (1_500, .tooLarge), (9_000, .tooLarge),
            (65_535, .tooLarge), (1_200, .contradicted), (1_399, .contradicted), (1_450, .exceeded),
        ])
    func falseClaims(claim: Int, fault: PathMTUClaim.Fault) {
        var path = LyingPath()
        let result = path.run { size, hop in hop > 2 && size > 1_400 ? [.tooBig(claim, hop: 2)] : [.passed] }
        #expect(result.size == 1_400 && result.isComplete && result.isWholePath)
        #expect(
            result.drops == [
                PathMTUDrop(size: 1_400, after: 2, before: 3, evidence: .searched(by: LyingPath.router(2)))
            ])
        #expect(result.falseClaims.contains { $0.fault == fault && Int($0.mtu) == claim })
        #expect(path.sent < 100)
    }

    @Test("A router whose word falls by one octet with each probe ends in a bounded search")
    func fallingByOne() {
        var path = LyingPath()
        let result = path.run { size, hop in hop > 2 && size > 60 ? [.tooBig(size - 1, hop: 2)] : [.passed] }
        #expect(path.sent <= 1_000)
        #expect(result.drops.map(\.after) == [2] && result.size == 60)
    }

    @Test("An error beside the packet that it is about: what arrives is proof")
    func errorAndPassage() {
        var path = LyingPath()
        let result = path.run { size, hop in
            hop > 2 && size > 1_000 ? [.tooBig(1_000, hop: 2), .passed] : [.passed]
        }
        #expect(result.size == 1_500 && result.drops.isEmpty)
        #expect(result.falseClaims.map(\.fault) == [.contradicted])
    }

    @Test("What the kernel says of its own link is tried too")
    func localClaim() {
        func refusal(_ size: Int, _ mtu: Int) -> SendFailure? {
            size > 1_480 ? .failed(code: 90, name: "EMSGSIZE", mtu: mtu) : nil
        }
        for said in [1_480, 1_400] {
            var path = LyingPath()
            let result = path.run(refuse: { size, _ in refusal(size, said) }, { _, _ in [.passed] })
            #expect(result.drops == [PathMTUDrop(size: 1_480, after: 0, before: 1, evidence: .local)])
            #expect(result.size == 1_480 && result.isComplete)
        }
    }

    @Test("Without a route nothing is sent, and it ends")
    func unsent() {
        var path = LyingPath()
        let failure = SendFailure.failed(code: 101, name: "ENETUNREACH")
        let result = path.run(refuse: { _, _ in failure }, { _, _ in [] })
        #expect(path.sent == 0 && result.size == nil && !result.isComplete)
        #expect(path.search.nextEvent() == .unsent(size: 1_500, failure: failure))
        #expect(path.search.nextEvent() == nil)
    }

    @Test("A full queue is waited for")
    func fullQueue() {
        var path = LyingPath()
        var refusals = 5
        let result = path.run(
            refuse: { _, _ in
                refusals -= 1
                return refusals >= 0 ? .retryLater : nil
            }, { _, _ in [.passed] })
        #expect(result.size == 1_500 && result.isComplete)
    }

    @Test("Everybody falls silent: it ends, and says that it is not finished")
    func silence() {
        var path = LyingPath()
        let result = path.run { _, _ in [] }
        #expect(!result.isComplete && result.size == nil && path.sent < 200, "\(path.sent)")
    }

    @Test("The number of probes is kept to")
    func bound() {
        var path = LyingPath { $0.maximumProbes = 20 }
        let result = path.run { size, hop in hop > 2 && size > 1_400 ? [] : [.passed] }
        #expect(path.sent <= 20 && !result.isComplete)
    }

    @Test("A stop ends it at once")
    func stop() {
        var search = LyingPath().search
        #expect(search.nextTransmit(at: .ms(0)) != nil)
        search.stop(at: .ms(1))
        #expect(search.schedule == .finished && search.nextTransmit(at: .ms(1)) == nil && !search.result.isComplete)
    }

    @Test("Answers to no probe, twice, late and of others change nothing")
    func strangers() {
        var search = LyingPath().search
        let stamp = Stamp(nanoseconds: 0, clock: .user)
        let kinds: [Response.Kind] = [
            .echoReply, .datagram, .icmpError(type: ICMPType.V4.destinationUnreachable, code: 4, info: 500),
        ]
        for kind in kinds {
            for id in [0, 1, 99, .max] as [UInt64] {
                search.receive(
                    Response(
                        probe: ProbeID(rawValue: id), kind: kind, responder: Ours.address("203.0.113.1"),
                        quotedDestination: LyingPath.destination, stamp: stamp, arrival: .ms(0)))
            }
        }
        #expect(search.statistics.unsolicited == 12 && search.result.drops.isEmpty)
    }

    @Test("Hops in any order, and none that make sense", arguments: [[], [0], [-1], [300], [3, 1, 2]])
    func configurations(numbers: [Int]) {
        let hops = numbers.map {
            PathMTU.Configuration.Hop(number: $0, responders: [LyingPath.router(1)], roundTrip: .ms(1))
        }
        for size in [Int.min, 0, 60, 1_500, 65_536, .max] {
            var search = PathMTU(
                PathMTU.Configuration(
                    destination: LyingPath.destination, method: .icmpEcho, hops: hops, destinationHop: nil,
                    firstSize: size))
            var now = Timestamp.ms(0)
            for _ in 0..<1_000 {
                search.advance(to: now)
                while let transmit = search.nextTransmit(at: now) {
                    search.didSend(transmit.id, at: Stamp(nanoseconds: 0, clock: .user))
                }
                guard case .at(let next) = search.schedule else { break }
                now = max(now, next)
            }
            #expect(search.schedule == .finished)
        }
    }
}
