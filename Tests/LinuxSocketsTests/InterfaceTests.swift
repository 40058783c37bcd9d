import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@Suite struct InterfaceTests {
    @Test func loopbackIsThere() throws {
        let index = try Interface.index(named: "lo")
        #expect(try Interface.name(at: index) == "lo")
        let lo = try #require(try Interface.all().first { $0.index == index })
        #expect(lo.name == "lo" && lo.isLoopback)
        #expect(throws: Errno.noDevice) { try Interface.index(named: "no-such-if") }
        #expect(throws: Errno.noDevice) { try Interface.index(named: String(repeating: "x", count: 300)) }
        #expect(throws: Errno(rawValue: 6)) { try Interface.name(at: 0x7fff_ffff) }
        #expect(throws: Errno.noDevice) { try Interface.mtu(of: String(repeating: "x", count: 300)) }
    }

    @Test(.enabled(if: isRoot, "needs root for namespaces"))
    func addressesAndPrefixes() throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.1.1", "fd01:1", mtu: 1300)
        try lab["a"].run {
            let interfaces = try Interface.all()
            #expect(Set(interfaces.map(\.name)) == ["lo", "b"])
            let b = try #require(interfaces.first { $0.name == "b" })
            #expect(b.isUp && !b.isLoopback)
            #expect(try Interface.mtu(of: "b") == 1300)
            let v4 = try #require(IPAddress("10.1.1.1"))
            let v6 = try #require(IPAddress("fd01:1::1"))
            #expect(b.addresses.contains(Interface.Address(address: v4, prefixLength: 24)))
            #expect(b.addresses.contains(Interface.Address(address: v6, prefixLength: 64)))
            let linkLocal = b.addresses.compactMap { entry -> UInt32? in
                guard case .v6(let address) = entry.address, address.isLinkLocal else { return nil }
                return address.zone
            }
            #expect(linkLocal == [b.index])
        }
    }

    @Test(.enabled(if: isRoot, "needs root for namespaces"))
    func newNamespaceHasItsOwnStack() throws {
        let interfaces = try onThread { () throws(Errno) -> [Interface] in
            try NetworkNamespace.enterNew()
            return try Interface.all()
        }
        #expect(interfaces.map(\.name) == ["lo"])
        #expect(interfaces.allSatisfy { !$0.isUp && $0.addresses.isEmpty })
        #expect(throws: Errno.noSuchFileOrDirectory) { _ = try NetworkNamespace(path: "/run/netns/no such") }
        #expect(throws: Errno.invalidArgument) { try NetworkNamespace(path: "/dev/null").enter() }
    }

    /// The program plays a host behind a TUN device: a ping of it is answered by hand.
    @Test(
        .enabled(if: isRoot, "needs root for TUN devices"),
        .enabled(if: NamespaceLab.hasTun, "needs a kernel with TUN"))
    func tunCarriesPackets() throws {
        let lab = try NamespaceLab("a")
        try lab["a"].run {
            let device = try TunDevice(name: "lab%d")
            #expect(device.name == "lab0")
            #expect(throws: Errno.busy) { _ = try TunDevice(name: "lab0") }
            var buffer = [UInt8](repeating: 0, count: 2048)
            #expect(try device.read(into: &buffer) == nil)
            try runSuccessfully(["ip", "address", "add", "10.9.0.1/24", "dev", "lab0"])
            try Interface.setUp("lab0")
            let socket = try Socket(family: .inet, type: .datagram)
            try socket.bind(to: SocketAddress(.v4(IPv4Address(10, 9, 0, 1)), port: 5000))
            try socket.send([1, 2, 3], to: SocketAddress(.v4(IPv4Address(10, 9, 0, 2)), port: 7))
            // Neighbour discovery and other packets of the kernel's own come in between.
            var count = 0
            while count == 0 {
                try device.wait(for: .readable)
                if let read = try device.read(into: &buffer), buffer[0] >> 4 == 4, buffer[9] == 17 { count = read }
            }
            #expect(count == 31)
            let reply = try [UInt8](capacity: 64) { output throws(PacketError) in
                var header = IPv4Header(
                    destination: IPv4Address(10, 9, 0, 1), proto: .udp, hopLimit: 9, totalLength: 30)
                header.source = IPv4Address(10, 9, 0, 2)
                try header.write(to: &output)
                try UDPHeader(sourcePort: 7, destinationPort: 5000).write(to: &output)
                output.append(UInt16(0xbeef))
                UDPHeader.complete(
                    from: 20, in: &output, source: .v4(header.source), destination: .v4(header.destination))
            }
            try device.write(reply.bytes)
            try socket.wait(for: .readable)
            let result = try #require(try socket.receive(into: &buffer))
            #expect(result.source.description == "10.9.0.2:7")
            #expect(buffer.prefix(result.count) == [0xbe, 0xef])
            #expect(throws: Errno.invalidArgument) { try device.write([0x10, 0, 0].bytes) }
        }
    }

    @Test(arguments: ["a-name-of-16-byt", String(repeating: "x", count: 500)])
    func impossibleDeviceName(_ name: String) {
        #expect(throws: Errno.noDevice) { _ = try TunDevice(name: name) }
        #expect(throws: Errno.noDevice) { try Interface.setUp(name) }
    }
}
