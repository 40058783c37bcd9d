import LinuxSockets
import PacketFormats
import Testing

@Suite struct SocketAddressTests {
    @Test(arguments: [
        ("192.0.2.1", 80, "192.0.2.1:80"), ("0.0.0.0", 0, "0.0.0.0"),
        ("255.255.255.255", 65535, "255.255.255.255:65535"),
        ("2001:db8::1", 7, "[2001:db8::1]:7"), ("::", 0, "::"), ("fe80::1%3", 33434, "[fe80::1%3]:33434"),
    ])
    func internetAddressRoundTrip(_ text: String, _ port: UInt16, _ description: String) throws {
        let ip = try #require(IPAddress(text))
        let address = SocketAddress(ip, port: port)
        #expect(address.ipAddress == ip)
        #expect(address.port == port)
        #expect(address.family == (ip.version == .v4 ? .inet : .inet6))
        #expect(address.description == description)
        #expect(SocketAddress(bytes: address.bytes) == address)
    }

    @Test func bytesAreTheKernelsLayout() {
        let v4 = SocketAddress(.v4(IPv4Address(192, 0, 2, 1)), port: 0x1234)
        #expect(v4.length == 16)
        #expect(v4.bytes.extracting(2..<8).copied() == [0x12, 0x34, 192, 0, 2, 1])
        let v6 = SocketAddress(
            .v6(IPv6Address(high: 0x2001_0db8_0000_0000, low: 1, zone: 9)), port: 7, flowLabel: 0xf_abcd_e)
        #expect(v6.length == 28)
        #expect(v6.bytes.uint32(at: 4) == 0xabcde)
        #expect(v6.bytes.uint64(at: 8) == 0x2001_0db8_0000_0000)
        #expect(v6.bytes.extracting(24..<28).copied() == native(UInt32(9)))
    }

    @Test func addressesDiffer() throws {
        let address = SocketAddress(.v4(.loopback), port: 1)
        let others = [
            SocketAddress(.v4(.loopback), port: 2), SocketAddress(.v4(.any), port: 1), SocketAddress(.v6(.loopback)),
            SocketAddress(netlinkPort: 1), try SocketAddress(unixPath: "/x"), try SocketAddress(abstractUnixName: "/x"),
        ]
        for other in others { #expect(address != other) }
        #expect(Set(others + [address, address]).count == others.count + 1)
    }

    @Test func unixPaths() throws {
        let path = try SocketAddress(unixPath: "/run/a")
        #expect(path.unixPath == "/run/a")
        #expect(path.family == .unix)
        #expect(path.description == "/run/a")
        #expect(path.ipAddress == nil)
        #expect(path.port == nil)
        let abstract = try SocketAddress(abstractUnixName: "name")
        #expect(abstract.unixPath == nil)
        #expect(abstract.description == "@name")
    }

    @Test(arguments: [(107, true), (108, false), (0, false), (4000, false)])
    func unixPathLength(_ length: Int, _ fits: Bool) {
        let path = String(repeating: "x", count: length)
        #expect(((try? SocketAddress(unixPath: path)) != nil) == fits)
    }

    @Test func zeroInsideUnixPath() {
        #expect(throws: Errno.invalidArgument) { try SocketAddress(unixPath: "a\0b") }
        #expect(throws: Errno.nameTooLong) { try SocketAddress(unixPath: String(repeating: "x", count: 108)) }
    }

    @Test func netlinkAndPacket() {
        #expect(SocketAddress(netlinkPort: 5, groups: 1).description == "netlink 5")
        let packet = SocketAddress(packetInterface: 2, etherType: 0x0800)
        #expect(packet.packetInterface == 2)
        #expect(packet.bytes.uint16(at: 2) == 0x0800)
    }

    /// Whatever a kernel or a file holds: every accessor answers.
    @Test(arguments: 0...130)
    func anyLength(_ length: Int) {
        for family: UInt8 in [0, 1, 2, 10, 16, 17, 200] {
            var bytes = [UInt8](repeating: 0xa5, count: length)
            if length > 0 { bytes[0] = family }
            if length > 1 { bytes[1] = 0 }
            let address = SocketAddress(bytes: bytes.bytes)
            #expect((address != nil) == (2...128).contains(length))
            guard let address else { continue }
            #expect(address.bytes.copied() == bytes)
            #expect(!address.description.isEmpty)
            #expect((address.ipAddress != nil) == (family == 2 && length >= 8 || family == 10 && length >= 24))
            #expect((address.port != nil) == ((family == 2 || family == 10) && length >= 4))
        }
    }
}
