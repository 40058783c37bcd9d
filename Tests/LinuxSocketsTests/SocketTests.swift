import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@Suite struct SocketTests {
    @Test(arguments: [
        (AddressFamily.inet, SocketType.stream, SocketProtocol.tcp), (.inet, .datagram, .udp), (.inet6, .stream, .tcp),
        (.inet6, .datagram, .udp), (.unix, .stream, .automatic), (.unix, .datagram, .automatic),
        (.unix, .sequencedPacket, .automatic), (.netlink, .raw, .netlinkRoute),
    ])
    func opens(_ family: AddressFamily, _ type: SocketType, _ number: SocketProtocol) throws {
        let socket = try Socket(family: family, type: type, protocol: number)
        #expect(socket.family == family)
        #expect(socket.type == type)
        #expect(try socket.pendingError() == nil)
        #expect(try socket.localAddress().family == family)
    }

    @Test(
        .enabled(if: isRoot, "needs root for raw sockets"),
        arguments: [
            (AddressFamily.inet, SocketType.raw, SocketProtocol.icmp), (.inet, .raw, .raw), (.inet, .raw, .tcp),
            (.inet6, .raw, .icmpv6), (.inet6, .raw, .raw), (.packet, .raw, .allFrames),
            (.packet, .datagram, .allFrames),
        ])
    func opensWithPrivilege(_ family: AddressFamily, _ type: SocketType, _ number: SocketProtocol) throws {
        #expect(try Socket(family: family, type: type, protocol: number).type == type)
    }

    /// The kernel refuses these, and its words go through.
    @Test(arguments: [
        (AddressFamily.ipx, SocketType.datagram, SocketProtocol.automatic, Errno.addressFamilyNotSupported),
        (.appletalk, .datagram, .automatic, .addressFamilyNotSupported),
        (AddressFamily(rawValue: 9999), .stream, .automatic, .addressFamilyNotSupported),
        (.inet, .stream, .udp, .protocolNotSupported), (.inet, .sequencedPacket, .automatic, .socketTypeNotSupported),
        (.unix, SocketType(rawValue: 10), .automatic, .socketTypeNotSupported),
    ])
    func refuses(_ family: AddressFamily, _ type: SocketType, _ number: SocketProtocol, _ expected: Errno) {
        #expect(throws: expected) { _ = try Socket(family: family, type: type, protocol: number) }
    }

    @Test func familiesHaveNames() {
        #expect(AddressFamily.ipx.description == "ipx")
        #expect(AddressFamily.appletalk.description == "appletalk")
        #expect(AddressFamily(rawValue: 77).description == "family 77")
        #expect(SocketType.raw.description == "raw")
        #expect(SocketType(rawValue: 77).description == "type 77")
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func streams(_ version: IPVersion) throws {
        let listener = try Socket(family: version.family, type: .stream)
        try listener.bind(to: SocketAddress(loopback(version)))
        try listener.listen()
        #expect(try listener.accept() == nil)
        let client = try Socket(family: version.family, type: .stream)
        try client.connect(to: try listener.localAddress())
        try listener.wait(for: .readable)
        let accepted = try listener.accept()
        guard let server = accepted else {
            Issue.record("no connection")
            return
        }
        try client.wait(for: .writable)
        #expect(try client.pendingError() == nil)
        #expect(try server.remoteAddress() == client.localAddress())
        #expect(try server.send([1, 2, 3, 4, 5]) == 5)
        try client.wait(for: .readable)
        // A stream keeps what does not fit.
        var buffer: [UInt8] = [0, 0]
        #expect(try client.receive(into: &buffer)?.count == 2)
        #expect(buffer == [1, 2])
        buffer = [0, 0, 0, 0]
        let rest = try client.receive(into: &buffer)
        #expect(rest?.count == 3)
        #expect(rest?.isTruncated == false)
        #expect(buffer == [3, 4, 5, 0])
        #expect(try client.receive(into: &buffer) == nil)
        try server.shutdown(.sending)
        try client.wait(for: .readable)
        #expect(try client.receive(into: &buffer)?.count == 0)
    }

    @Test func refusedConnection() throws {
        let listener = try Socket(family: .inet, type: .stream)
        try listener.bind(to: SocketAddress(loopbackV4))
        // Bound and not listening: the port is ours and refuses.
        let client = try Socket(family: .inet, type: .stream)
        do throws(Errno) {
            try client.connect(to: try listener.localAddress())
            try client.wait(for: .writable)
            #expect(try client.pendingError() == .connectionRefused)
            #expect(try client.pendingError() == nil)
        } catch {
            #expect(error == .connectionRefused)
        }
    }

    @Test func closedPeerIsAnErrorAndNoSignal() throws {
        let pair = try Socket.pair(.stream)
        try pair.second.shutdown(.both)
        #expect(throws: Errno.brokenPipe) { try pair.first.send([1]) }
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func datagramsAndTruncation(_ version: IPVersion) throws {
        let receiver = try boundUDP(version)
        let sender = try boundUDP(version)
        #expect(try sender.send([1, 2, 3, 4], to: try receiver.localAddress()) == 4)
        try sender.send([], to: try receiver.localAddress())
        try receiver.wait(for: .readable)
        var buffer: [UInt8] = [0, 0, 0]
        let result = try #require(try receiver.receive(into: &buffer))
        #expect(result.count == 3)
        #expect(result.length == 4)
        #expect(result.isTruncated)
        #expect(result.source == (try sender.localAddress()))
        #expect(buffer == [1, 2, 3])
        try receiver.wait(for: .readable)
        let empty = try #require(try receiver.receive(into: &buffer))
        #expect(empty.count == 0 && empty.length == 0 && !empty.isTruncated)
        #expect(try receiver.receive(into: &buffer) == nil)
    }

    @Test func disconnectForgetsThePeer() throws {
        let peer = try boundUDP(.v4)
        let socket = try boundUDP(.v4)
        #expect(throws: Errno.notConnected) { try socket.remoteAddress() }
        #expect(try socket.connect(to: try peer.localAddress()))
        #expect(try socket.remoteAddress() == peer.localAddress())
        try socket.disconnect()
        #expect(throws: Errno.notConnected) { try socket.remoteAddress() }
    }

    @Test func unixDatagramsByAbstractName() throws {
        let name = try SocketAddress(abstractUnixName: "linux-sockets-tests-\(SystemClock.boottime.now)")
        let receiver = try Socket(family: .unix, type: .datagram)
        try receiver.bind(to: name)
        let sender = try Socket(family: .unix, type: .datagram)
        try sender.send([9], to: name)
        var buffer: [UInt8] = [0]
        let result = try #require(try receiver.receive(into: &buffer))
        #expect(result.source.ipAddress == nil)
        #expect(buffer == [9])
        #expect(try receiver.localAddress() == name)
    }

    @Test func netlinkAnswers() throws {
        let socket = try Socket(family: .netlink, type: .raw, protocol: .netlinkRoute)
        try socket.bind(to: SocketAddress(netlinkPort: 0))
        #expect(try socket.localAddress().family == .netlink)
        // RTM_GETLINK, dump: a header of 16 bytes and a struct ifinfomsg of 16.
        let request = native(UInt32(32)) + native(UInt16(18)) + native(UInt16(0x301)) + [UInt8](repeating: 0, count: 24)
        #expect(try socket.send(request, to: SocketAddress(netlinkPort: 0)) == 32)
        try socket.wait(for: .readable)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let result = try #require(try socket.receive(into: &buffer))
        #expect(result.count >= 16)
        #expect(result.source.family == .netlink)
    }

    @Test func adoptedSocketKnowsItself() throws {
        let original = try boundUDP(.v6)
        let adopted = try Socket(adopting: try original.duplicated())
        #expect(adopted.family == .inet6)
        #expect(adopted.type == .datagram)
        #expect(try adopted.localAddress() == original.localAddress())
    }

    @Test func adoptingSomethingElseFails() throws {
        let wake = try WakeDescriptor()
        #expect(throws: Errno.notSocket) { _ = try Socket(adopting: try wake.duplicated()) }
    }
}
