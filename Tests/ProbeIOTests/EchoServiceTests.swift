import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@testable import ProbeIO

private let v4Loopback = IPAddress.v4(.loopback)
private let v6Loopback = IPAddress.v6(.loopback)

/// A client's socket and what it gets.
private struct Client: ~Copyable {
    let socket: Socket

    init(_ address: IPAddress, port: UInt16 = 0) throws {
        let socket = try Socket(family: address.version == .v4 ? .inet : .inet6, type: .datagram)
        _ = try? socket.growReceiveBuffer(to: 4 << 20)
        try socket.bind(to: SocketAddress(address, port: port))
        self.socket = socket
    }

    func send(_ bytes: [UInt8], to address: SocketAddress) throws { try socket.send(bytes.bytes, to: address) }

    /// The next datagram, nil when none has come.
    func receive() throws -> (bytes: [UInt8], source: SocketAddress)? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        guard let result = try socket.receive(into: &buffer) else { return nil }
        return (Array(buffer.prefix(result.count)), result.source)
    }
}

private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ count) } }

/// Lets the service work until it has seen `count` datagrams, those that it refuses and those that were dropped included.
private func serve(_ service: inout EchoService, received count: UInt64) throws {
    let deadline = SystemClock.monotonic.now + 10_000_000_000
    while service.counters.received + service.counters.droppedHere < count {
        _ = try service.wait(timeoutMilliseconds: 1000)
        guard SystemClock.monotonic.now < deadline else { throw Errno.timedOut }
    }
}

private let unlimited = EchoServer.Configuration(rate: 0)

@Suite struct EchoServiceTests {
    @Test(arguments: [0, 1, 8, 1472, 1473, 9000, 65_506, 65_507])
    func keepsMessageBoundaries(size: Int) throws {
        var service = try EchoService(addresses: [v4Loopback, v6Loopback], port: 0, configuration: unlimited)
        for (address, place) in [(v4Loopback, 0), (v6Loopback, 1)] {
            let client = try Client(address)
            let messages = [pattern(size), [], pattern(size + 1 > 65_507 ? 3 : size + 1)]
            for message in messages { try client.send(message, to: service.addresses[place]) }
            try serve(&service, received: UInt64(3 * (place + 1)))
            for message in messages {
                let echo = try #require(try client.receive())
                #expect(echo.bytes == message)
                #expect(echo.source == service.addresses[place])
            }
            #expect(try client.receive() == nil)
        }
        #expect(service.counters == .init(received: 6, echoed: 6, namedClients: 2))
    }

    @Test func theLargestDatagramOfIPv6() throws {
        var service = try EchoService(addresses: [v6Loopback], port: 0, configuration: unlimited)
        let client = try Client(v6Loopback)
        try client.send(pattern(65_527), to: service.addresses[0])
        try serve(&service, received: 1)
        #expect(try client.receive()?.bytes == pattern(65_527))
    }

    @Test func servesBothVersionsOnOnePort() throws {
        var service = try EchoService(port: 0, configuration: unlimited)
        #expect(service.missing.isEmpty)
        #expect(service.addresses.map(\.ipAddress) == [.v4(.any), .v6(.any)])
        let port = try #require(service.addresses[0].port)
        #expect(port != 0 && service.addresses[1].port == port)
        // A reply leaves from the address that was asked, which is not the one that the route would choose.
        for address in [IPAddress.v4(IPv4Address(127, 9, 8, 7)), v4Loopback, v6Loopback] {
            let client = try Client(address.version == .v4 ? v4Loopback : v6Loopback)
            try client.send([1, 2, 3], to: SocketAddress(address, port: port))
            try serve(&service, received: service.counters.received + 1)
            let echo = try #require(try client.receive())
            #expect(echo.source == SocketAddress(address, port: port))
            let named = EchoServer.Event.newClient(try client.socket.localIP(), port: try client.socket.localPort())
            #expect(service.nextEvent() == named)
        }
    }

    @Test func anotherServerOnTheSamePortGetsNoAnswer() throws {
        var service = try EchoService(addresses: [v4Loopback], port: 0, configuration: unlimited)
        let port = try #require(service.addresses[0].port)
        let other = try Client(.v4(IPv4Address(127, 0, 0, 2)), port: port)
        try other.send([1], to: service.addresses[0])
        try serve(&service, received: 1)
        #expect(service.counters == .init(received: 1, refusedLoop: 1))
        #expect(try other.receive() == nil)
    }

    @Test func theRateIsLimitedOnTheWire() throws {
        var service = try EchoService(addresses: [v4Loopback], port: 0, configuration: .init(rate: 1))
        let client = try Client(v4Loopback)
        for number in 0..<20 as Range<UInt8> { try client.send([number], to: service.addresses[0]) }
        try serve(&service, received: 20)
        #expect(try client.receive()?.bytes == [0])
        #expect(service.counters.rateLimited + service.counters.echoed == 20)
        #expect(service.counters.rateLimited >= 1)
    }

    @Test func whatOverflowsIsCountedAsDroppedHere() throws {
        var service = try EchoService(addresses: [v4Loopback], port: 0, configuration: unlimited)
        let client = try Client(v4Loopback)
        let flood = 12_000
        let datagram = pattern(1000)
        for _ in 0..<flood { try client.send(datagram, to: service.addresses[0]) }
        while service.counters.received == 0 { _ = try service.wait(timeoutMilliseconds: 1000) }
        while true {
            let before = service.counters.received
            _ = try service.wait(timeoutMilliseconds: 0)
            if service.counters.received == before { break }
        }
        // The kernel tells the count with the next datagram that it queues.
        try client.send([1], to: service.addresses[0])
        try serve(&service, received: UInt64(flood + 1))
        #expect(service.counters.droppedHere > 0)
        #expect(service.counters.received + service.counters.droppedHere == UInt64(flood + 1))
    }

    @Test func errorsNameTheAddress() throws {
        let service = try EchoService(addresses: [v4Loopback], port: 0, configuration: unlimited)
        let taken = service.addresses[0]
        do throws(EchoServiceError) {
            _ = try EchoService(addresses: [v4Loopback], port: taken.port ?? 0, configuration: unlimited)
            Issue.record("bound twice")
        } catch {
            #expect(error == .bind(taken, .addressInUse))
            #expect(error.description.contains("\(taken)"))
        }
        let absent = IPAddress.v4(IPv4Address(192, 0, 2, 1))
        do throws(EchoServiceError) {
            _ = try EchoService(addresses: [absent], port: 0, configuration: unlimited)
            Issue.record("bound an address that is not there")
        } catch {
            #expect(error == .bind(SocketAddress(absent), .addressNotAvailable))
        }
    }
}

@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct EchoServiceNetworkTests {
    @Test func broadcastAndMulticastGetNoAnswer() throws {
        let lab = try NamespaceLab("server", "client")
        try lab.link("server", "client", "10.0.1", "fd00:1")
        var service = try lab["server"].run { try EchoService(port: 7, configuration: unlimited) }
        let v4 = try lab["client"].run { try Client(.v4(IPv4Address(10, 0, 1, 2))) }
        let v6 = try lab["client"].run { try Client(#require(IPAddress("fd00:1::2"))) }
        try v4.socket.set(.broadcast, to: true)
        let index = try lab["client"].run { try Interface.index(named: "server") }
        for target in ["10.0.1.255", "255.255.255.255", "224.0.0.1"] {
            try v4.send([1], to: SocketAddress(#require(IPAddress(target)), port: 7))
        }
        try v6.send([1], to: SocketAddress(#require(IPAddress("ff02::1")).inZone(index), port: 7))
        try v4.send([2], to: SocketAddress(#require(IPAddress("10.0.1.1")), port: 7))
        try v6.send([2], to: SocketAddress(#require(IPAddress("fd00:1::1")), port: 7))
        try serve(&service, received: 6)
        #expect(service.counters == .init(received: 6, echoed: 2, refusedDestination: 4, namedClients: 2))
        for client in [try v4.receive(), try v6.receive()] { #expect(client?.bytes == [2]) }
        #expect(try v4.receive() == nil && v6.receive() == nil)
    }

    @Test func aForgedDatagramStartsNoLoop() throws {
        let lab = try NamespaceLab("one", "two", "forger")
        try lab.link("one", "two", "10.0.1", nil)
        try lab.link("forger", "one", "10.0.2", nil)
        var one = try lab["one"].run { try EchoService(port: 7, configuration: unlimited) }
        var two = try lab["two"].run { try EchoService(port: 7, configuration: unlimited) }
        // From two's echo port to one's, by somebody else.
        let (from, to) = (IPv4Address(10, 0, 1, 2), IPv4Address(10, 0, 1, 1))
        let payload = Array("round and round".utf8)
        let packet = try [UInt8](capacity: 256) { (output: inout OutputRawSpan) throws(PacketError) in
            let length = IPv4Header.minimumLength + UDPHeader.length + payload.count
            try IPv4Header(source: from, destination: to, proto: .udp, hopLimit: 64, totalLength: UInt16(length))
                .write(to: &output)
            let start = output.byteCount
            try UDPHeader(sourcePort: 7, destinationPort: 7).write(to: &output)
            output.append(contentsOf: payload.bytes)
            UDPHeader.complete(from: start, in: &output, source: .v4(from), destination: .v4(to))
        }
        try lab["forger"].addDefaultRoute(via: "one")
        try lab["forger"].run {
            let raw = try Socket(family: .inet, type: .raw, protocol: .udp)
            try raw.set(.headerIncluded, to: true)
            try raw.send(packet.bytes, to: SocketAddress(.v4(to)))
        }
        try serve(&one, received: 1)
        #expect(one.counters == .init(received: 1, refusedLoop: 1))
        _ = try two.wait(timeoutMilliseconds: 0)
        #expect(two.counters.received == 0)
    }

    @Test(.enabled(if: hasProgram("tc"), "needs tc(8)"))
    func echoesWaitWhileTheKernelTakesNoMore() throws {
        let lab = try NamespaceLab("server", "client")
        try lab.link("server", "client", "10.0.1", nil)
        // The queue holds more than the send buffer, which therefore fills first.
        try lab["server"].exec(
            "tc", "qdisc", "add", "dev", "client", "root", "tbf", "rate", "200mbit", "burst", "20k", "limit", "50m")
        var service = try lab["server"].run {
            try EchoService(addresses: [.v4(IPv4Address(10, 0, 1, 1))], port: 7, configuration: unlimited)
        }
        let client = try lab["client"].run { try Client(.v4(IPv4Address(10, 0, 1, 2))) }
        let count = 32
        for number in 0..<count { try client.send(pattern(30_000 + number), to: service.addresses[0]) }
        let deadline = SystemClock.monotonic.now + 10_000_000_000
        var echoes: [[UInt8]] = []
        while echoes.count < count, SystemClock.monotonic.now < deadline {
            _ = try service.wait(timeoutMilliseconds: 1)
            while let echo = try client.receive() { echoes.append(echo.bytes) }
        }
        #expect(echoes == (0..<count).map { pattern(30_000 + $0) })
        #expect(service.counters.echoed == UInt64(count) && service.counters.sendFailures == 0)
    }

    @Test func withoutARouteBackItIsASendFailure() throws {
        let lab = try NamespaceLab("server", "client")
        try lab.link("server", "client", "10.0.1", nil)
        var service = try lab["server"].run { try EchoService(port: 7, configuration: unlimited) }
        let client = try lab["client"].run { try Client(.v4(IPv4Address(10, 0, 1, 2))) }
        try client.send([1], to: SocketAddress(.v4(IPv4Address(10, 0, 1, 1)), port: 7))
        try lab["server"].exec("ip", "route", "add", "unreachable", "10.0.1.2/32")
        try serve(&service, received: 1)
        #expect(service.counters == .init(received: 1, sendFailures: 1, namedClients: 1))
    }

    @Test func linkLocalClientsAreAnsweredOnTheirLink() throws {
        let lab = try NamespaceLab("server", "client")
        try lab.link("server", "client", nil, "fd00:1")
        try lab["server"].addAddress("fe80::1/64", to: "client")
        try lab["client"].addAddress("fe80::2/64", to: "server")
        var service = try lab["server"].run { try EchoService(port: 7, configuration: unlimited) }
        let index = try lab["client"].run { try Interface.index(named: "server") }
        let client = try lab["client"].run { try Client(#require(IPAddress("fe80::2")).inZone(index)) }
        let target = SocketAddress(try #require(IPAddress("fe80::1")).inZone(index), port: 7)
        try client.send([1, 2], to: target)
        try serve(&service, received: 1)
        try client.socket.wait(for: .readable)
        let echo = try #require(try client.receive())
        #expect(echo.bytes == [1, 2] && echo.source == target)
    }

    @Test func aMachineWithoutIPv6IsServedOverIPv4() throws {
        let lab = try NamespaceLab("server")
        try lab["server"].set("net.ipv6.conf.all.disable_ipv6", "1")
        let service = try lab["server"].run { try EchoService(port: 7, configuration: unlimited) }
        #expect(service.addresses.first?.ipAddress == .v4(.any))
        #expect(service.addresses.count + service.missing.count == 2)
    }
}

extension Socket {
    fileprivate func localIP() throws -> IPAddress { try #require(try localAddress().ipAddress) }
    fileprivate func localPort() throws -> UInt16 { try #require(try localAddress().port) }
}
