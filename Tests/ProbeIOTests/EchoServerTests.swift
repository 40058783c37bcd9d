import PacketFormats
import Testing

@testable import ProbeIO

private let here = IPAddress.v4(IPv4Address(192, 0, 2, 1))
private let client = IPAddress.v4(IPv4Address(198, 51, 100, 7))
private let second: Int64 = 1_000_000_000

private func request(
    from source: IPAddress = client, port: UInt16 = 40_000, to destination: IPAddress? = here,
    local: IPAddress? = here, isTruncated: Bool = false
) -> EchoServer.Request {
    EchoServer.Request(
        source: source, sourcePort: port, destination: destination, local: local, localPort: 7007,
        isTruncated: isTruncated)
}

private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

@Suite struct EchoServerTests {
    @Test func echoesFromTheAddressThatWasAsked() throws {
        var server = EchoServer()
        #expect(server.decide(request(), at: 0) == .echo(from: here))
        let v6 = try address("2001:db8::1")
        let asked = request(from: try address("2001:db8::2"), to: v6, local: v6)
        #expect(server.decide(asked, at: 0) == .echo(from: v6))
        server.didEcho(2)
        #expect(server.counters == .init(received: 2, echoed: 2, namedClients: 2))
    }

    @Test(arguments: [
        0, 7, 11, 13, 17, 19, 37, 53, 69, 111, 123, 137, 161, 389, 427, 520, 1900, 3478, 5060, 5353, 11211, 7007,
    ])
    func neverAnswersAPortThatAnswers(port: UInt16) {
        var server = EchoServer()
        #expect(server.decide(request(port: port), at: 0) == .refuse(.loop))
        #expect(server.counters == .init(received: 1, refusedLoop: 1))
        #expect(server.nextEvent() == nil)
    }

    @Test(arguments: [1, 9, 1023, 1024, 7006, 7008, 32_768, 65_535])
    func answersPortsThatAreOfClients(port: UInt16) {
        var server = EchoServer()
        #expect(server.decide(request(port: port), at: 0) == .echo(from: here))
    }

    @Test func twoServersDoNotAnswerEachOther() {
        // Both serve the same port; somebody forges a datagram from one to the other.
        var server = EchoServer()
        let other = IPAddress.v4(IPv4Address(192, 0, 2, 2))
        #expect(server.decide(request(from: other, port: 7007), at: 0) == .refuse(.loop))
        #expect(server.decide(request(from: here, port: 7007), at: 0) == .refuse(.loop))
    }

    @Test(
        arguments: [
            ("192.0.2.255", "192.0.2.1"), ("255.255.255.255", "192.0.2.1"), ("255.255.255.255", "255.255.255.255"),
            ("224.0.0.1", "192.0.2.1"), ("ff02::1", "::"), ("ff02::1", "ff02::1"), ("192.0.2.1", nil), (nil, nil),
            (nil, "192.0.2.1"),
        ] as [(String?, String?)])
    func answersUnicastOnly(destination: String?, local: String?) throws {
        var server = EchoServer()
        let asked = request(to: try destination.map(address), local: try local.map(address))
        #expect(server.decide(asked, at: 0) == .refuse(.destination))
        #expect(server.counters == .init(received: 1, refusedDestination: 1))
    }

    @Test(arguments: ["0.0.0.0", "255.255.255.255", "239.1.2.3", "::", "ff02::1", "::ffff:192.0.2.9"])
    func answersHostsOnly(source: String) throws {
        var server = EchoServer()
        #expect(server.decide(request(from: try address(source)), at: 0) == .refuse(.source))
        #expect(server.counters == .init(received: 1, refusedSource: 1))
    }

    @Test func neverEchoesAPart() {
        var server = EchoServer()
        #expect(server.decide(request(isTruncated: true), at: 0) == .refuse(.truncated))
        #expect(server.counters == .init(received: 1, truncated: 1))
    }

    @Test func limitsTheRateOfEachClient() {
        var server = EchoServer(.init(rate: 10))
        func allowed(_ count: Int, from source: IPAddress = client, at now: Int64) -> Int {
            (0..<count).count {
                server.decide(request(from: source, port: UInt16(40_000 + $0)), at: now) == .echo(from: here)
            }
        }
        #expect(allowed(100, at: 5 * second) == 10)
        #expect(allowed(100, from: IPAddress.v4(IPv4Address(198, 51, 100, 8)), at: 5 * second) == 10)
        #expect(allowed(100, at: 5 * second + second / 10 - 1) == 0)
        #expect(allowed(100, at: 5 * second + second / 10) == 1)
        #expect(allowed(100, at: 5 * second + second / 2) == 4)
        #expect(allowed(100, at: 100 * second) == 10)
        #expect(server.counters.rateLimited == server.counters.received - 35)
    }

    @Test func aRateOfZeroIsNoLimit() {
        var server = EchoServer(.init(rate: 0))
        for _ in 0..<5000 { #expect(server.decide(request(), at: 0) == .echo(from: here)) }
    }

    @Test(arguments: [1, 3, 7, 999, 1_000_000])
    func overALongTimeTheRateIsKept(rate: Int) {
        var rates = ClientRates(rate: rate, capacity: 1)
        let asked = min(rate * 4, 100_000)
        let step = 10 * second / Int64(asked)
        let allowed = (0..<asked).count { rates.allows(client, at: Int64($0) * step) }
        // Asked for at most 0.4 of its rate, nothing is refused; asked for more, a burst and the rate are allowed.
        let limit = Double(rate) * 11
        #expect(Double(allowed) <= limit * 1.001 + 1)
        if Double(asked) / 10 <= Double(rate) { #expect(allowed == asked) }
    }

    @Test func aClientOfIPv6IsItsPrefix() throws {
        var rates = ClientRates(rate: 1, capacity: 10)
        #expect(rates.allows(try address("2001:db8:1:2::1"), at: 0) == true)
        #expect(rates.allows(try address("2001:db8:1:2:ffff::9"), at: 0) == false)
        #expect(rates.allows(try address("2001:db8:1:3::1"), at: 0) == true)
        #expect(rates.allows(try address("fe80::1%2"), at: 0) == true)
        #expect(rates.allows(try address("fe80::2%2"), at: 0) == true)
        #expect(rates.count == 4)
    }

    @Test func forgedClientsCostNeitherMemoryNorOutput() {
        var server = EchoServer(.init(rate: 10, clientCapacity: 500, namedClients: 20))
        var rates = ClientRates(rate: 10, capacity: 500)
        var events: [EchoServer.Event] = []
        var refused = 0
        for number in 0..<UInt32(200_000) {
            let source = IPAddress.v4(IPv4Address(rawValue: 0x0a00_0000 + number))
            if server.decide(request(from: source), at: Int64(number)) != .echo(from: here) { refused += 1 }
            if !rates.allows(source, at: Int64(number)) { refused += 1 }
            while let event = server.nextEvent() { events.append(event) }
        }
        #expect(refused == 0)
        #expect(rates.count == 500)
        #expect(events.count == 21)
        #expect(events.last == .furtherClientsUnnamed)
        #expect(server.counters.namedClients == 20)
    }

    @Test func eachClientIsNamedOnce() {
        var server = EchoServer(.init(namedClients: 2))
        for port: UInt16 in [40_000, 40_000, 40_001, 40_000, 40_002, 40_003, 40_000] {
            _ = server.decide(request(port: port), at: 0)
        }
        var events: [EchoServer.Event] = []
        while let event = server.nextEvent() { events.append(event) }
        #expect(events == [.newClient(client, port: 40_000), .newClient(client, port: 40_001), .furtherClientsUnnamed])
        var quiet = EchoServer(.init(namedClients: 0))
        _ = quiet.decide(request(), at: 0)
        #expect(quiet.nextEvent() == nil)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func everyDatagramIsCountedOnce(seed: UInt64) {
        var random = SplitMix(state: seed)
        var server = EchoServer(.init(rate: 5, clientCapacity: 4, namedClients: 3))
        let sources = [client, here, .v4(.any), .v6(.loopback), .v4(IPv4Address(224, 0, 0, 1))]
        var now: Int64 = 0
        for _ in 0..<5000 {
            now += Int64.random(in: 0...second / 1000, using: &random)
            let asked = request(
                from: sources.randomElement(using: &random) ?? client,
                port: [7, 19, 40_000, 40_001, 7007].randomElement(using: &random) ?? 0,
                to: [here, IPAddress.v4(.broadcast), nil].randomElement(using: &random) ?? nil,
                isTruncated: Bool.random(using: &random))
            guard case .echo = server.decide(asked, at: now) else { continue }
            if Bool.random(using: &random) { server.didEcho(1) } else { server.didNotEcho() }
        }
        let counters = server.counters
        let sum =
            counters.echoed + counters.sendFailures + counters.refusedLoop + counters.refusedSource
            + counters.refusedDestination + counters.truncated + counters.rateLimited
        #expect(sum == counters.received && counters.received == 5000)
        #expect(counters.echoed > 0 && counters.rateLimited > 0)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func theClientThatWasSilentLongestIsForgotten(seed: UInt64) {
        var random = SplitMix(state: seed)
        var rates = ClientRates(rate: 2, capacity: 5)
        // The newest client is last.
        var model: [(source: IPAddress, fullAt: Int64)] = []
        var now: Int64 = 0
        var differences = 0
        for _ in 0..<3000 {
            now += Int64.random(in: 0...second / 4, using: &random)
            let source = IPAddress.v4(IPv4Address(rawValue: UInt32.random(in: 1...8, using: &random)))
            var entry = (source: source, fullAt: now)
            if let place = model.firstIndex(where: { $0.source == source }) {
                entry = model.remove(at: place)
            } else if model.count == 5 {
                model.removeFirst()
            }
            let fullAt = max(entry.fullAt, now)
            let isAllowed = fullAt - now <= second / 2
            if isAllowed { entry.fullAt = fullAt + second / 2 }
            model.append(entry)
            if rates.allows(source, at: now) != isAllowed || rates.count != model.count { differences += 1 }
        }
        #expect(differences == 0)
    }
}

/// A generator whose whole state is its seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
