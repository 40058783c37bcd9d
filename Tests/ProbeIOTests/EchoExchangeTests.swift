import LinuxSockets
import PacketFormats
import ProbeIO
import Testing

private let server = SocketAddress(.v4(IPv4Address(192, 0, 2, 7)), port: 7)
private let stranger = SocketAddress(.v4(IPv4Address(192, 0, 2, 8)), port: 7)
private let message = Array("hello".utf8)

private func exchange(retries: Int = 2, named: Int = 10, to destination: SocketAddress = server) -> EchoExchange {
    EchoExchange(
        to: destination, message: message, configuration: .init(timeout: 100, retries: retries, namedStrangers: named))
}

private func events(_ exchange: inout EchoExchange) -> [EchoExchange.Event] {
    var events: [EchoExchange.Event] = []
    while let event = exchange.nextEvent() { events.append(event) }
    return events
}

private func unreachable(_ code: UInt8) -> EchoExchange.NetworkError {
    .init(version: .v4, type: ICMPType.V4.destinationUnreachable, code: code, reporter: .v4(.loopback))
}

@Suite struct EchoExchangeTests {
    @Test func anAnswerEndsIt() {
        var exchange = exchange()
        #expect(exchange.wantsToSend(at: 1000) && exchange.deadline == nil)
        exchange.didSend(at: 1000)
        #expect(!exchange.wantsToSend(at: 1000) && exchange.deadline == 1100)
        exchange.receive(message.bytes, from: server, at: 1042)
        #expect(events(&exchange) == [.reply(time: 42...42, sends: 1)])
        #expect(exchange.isFinished && exchange.deadline == nil && !exchange.wantsToSend(at: 2000))
        exchange.receive(message.bytes, from: server, at: 1043)
        exchange.receive(unreachable(3), about: server)
        exchange.advance(to: 5000)
        #expect(events(&exchange).isEmpty)
    }

    @Test func resendsAndGivesUp() {
        var exchange = exchange()
        for start: Int64 in [0, 100, 200] {
            exchange.advance(to: start)
            #expect(exchange.wantsToSend(at: start))
            exchange.didSend(at: start)
            #expect(!exchange.wantsToSend(at: start + 99))
            #expect(exchange.deadline == start + 100)
        }
        exchange.advance(to: 299)
        #expect(!exchange.isFinished && !exchange.wantsToSend(at: 1000))
        exchange.advance(to: 300)
        #expect(events(&exchange) == [.timedOut(sends: 3)])
    }

    @Test func nobodyKnowsWhichSendWasAnswered() {
        var exchange = exchange()
        exchange.didSend(at: 0)
        exchange.didSend(at: 110)
        exchange.receive(message.bytes, from: server, at: 112)
        #expect(events(&exchange) == [.reply(time: 2...112, sends: 2)])
    }

    @Test(arguments: [
        SocketAddress(.v4(IPv4Address(192, 0, 2, 8)), port: 7), SocketAddress(.v4(IPv4Address(192, 0, 2, 7)), port: 8),
        SocketAddress(.v6(.loopback), port: 7),
    ])
    func othersChangeNothing(source: SocketAddress) {
        var exchange = exchange()
        exchange.didSend(at: 0)
        exchange.receive(message.bytes, from: source, at: 50)
        exchange.receive([UInt8]().bytes, from: source, at: 60)
        #expect(events(&exchange) == [.unknownSource(source), .unknownSource(source)])
        #expect(!exchange.isFinished && exchange.deadline == 100)
        exchange.receive(message.bytes, from: server, at: 70)
        #expect(events(&exchange) == [.reply(time: 70...70, sends: 1)])
    }

    @Test func aFloodOfStrangersIsNamedOnlySoOften() {
        var exchange = exchange(named: 2)
        exchange.didSend(at: 0)
        for _ in 0..<1000 { exchange.receive(message.bytes, from: stranger, at: 1) }
        #expect(events(&exchange) == [.unknownSource(stranger), .unknownSource(stranger), .furtherSourcesUnnamed])
    }

    @Test(arguments: ["", "hell", "hello!", "hellO", "Hello"])
    func aDifferentAnswerIsCorrupted(text: String) {
        var exchange = exchange()
        exchange.didSend(at: 0)
        exchange.receive(Array(text.utf8).bytes, from: server, at: 5)
        #expect(events(&exchange) == [.corrupted(Array(text.utf8))])
        #expect(exchange.isFinished)
    }

    @Test(
        arguments: [
            (.v4, 3, 3, true), (.v4, 3, 2, true), (.v4, 3, 9, true), (.v4, 3, 10, true), (.v4, 3, 13, true),
            (.v4, 3, 0, false), (.v4, 3, 1, false), (.v4, 3, 4, false), (.v4, 11, 0, false), (.v6, 1, 4, true),
            (.v6, 1, 1, true), (.v6, 1, 0, false), (.v6, 1, 3, false), (.v6, 2, 0, false), (.v6, 3, 0, false),
            (.v6, 4, 1, true),
        ] as [(IPVersion, UInt8, UInt8, Bool)])
    func someErrorsAreFinal(version: IPVersion, type: UInt8, code: UInt8, isFinal: Bool) {
        let error = EchoExchange.NetworkError(
            version: version, type: ICMPType(rawValue: type), code: code, reporter: nil)
        var exchange = exchange()
        exchange.didSend(at: 0)
        exchange.receive(error, about: server)
        #expect(events(&exchange) == [.networkError(error)])
        #expect(exchange.isFinished == isFinal)
    }

    @Test func errorsAboutOthersAreNotOurs() {
        var exchange = exchange()
        exchange.didSend(at: 0)
        exchange.receive(unreachable(3), about: stranger)
        #expect(events(&exchange).isEmpty && !exchange.isFinished)
    }

    @Test func errorsThatNobodyTakesAreBounded() {
        var exchange = exchange()
        exchange.didSend(at: 0)
        for _ in 0..<100_000 { exchange.receive(unreachable(1), about: server) }
        #expect(events(&exchange).count < 100)
    }

    @Test func whatIsNotSentEndsIt() {
        var exchange = exchange()
        exchange.didNotSend(.networkUnreachable)
        #expect(events(&exchange) == [.notSent(.networkUnreachable)])
        #expect(exchange.isFinished && exchange.sends == 0)
    }

    @Test func zonesCountWhereTheyWereGiven() throws {
        let linkLocal = try #require(IPAddress("fe80::1%2"))
        var zoned = exchange(to: SocketAddress(linkLocal, port: 7))
        zoned.didSend(at: 0)
        zoned.receive(message.bytes, from: SocketAddress(linkLocal.inZone(3), port: 7), at: 1)
        zoned.receive(message.bytes, from: SocketAddress(linkLocal, port: 7), at: 2)
        #expect(
            events(&zoned) == [
                .unknownSource(SocketAddress(linkLocal.inZone(3), port: 7)), .reply(time: 2...2, sends: 1),
            ])
        var plain = exchange(to: SocketAddress(linkLocal.withoutZone, port: 7))
        plain.didSend(at: 0)
        plain.receive(message.bytes, from: SocketAddress(linkLocal, port: 7), at: 3)
        #expect(events(&plain) == [.reply(time: 3...3, sends: 1)])
    }
}
