import PacketFormats
import Testing

@Suite struct IPEnvelopeTests {
    private static func address(_ text: String) -> IPAddress {
        guard let address = IPAddress(text) else { preconditionFailure("no address: \(text)") }
        return address
    }

    private func envelope(
        _ contents: IPEnvelope.Contents, _ source: String, _ destination: String, missing: Int = 0
    ) -> IPEnvelope {
        IPEnvelope(
            contents, source: Self.address(source), destination: Self.address(destination), hopLimit: 63,
            trafficClass: 0xb8, missing: missing)
    }

    @Test func anICMPMessageGetsTheHeaderOfIPv4() throws {
        let message: [UInt8] = [0, 0, 0xff, 0xfd, 0, 1, 0, 1]
        let packet = try envelope(.upperLayer(.icmp, completes: true), "192.0.2.1", "192.0.2.2").packet(
            around: message.bytes)
        #expect(
            packet == [
                0x45, 0xb8, 0, 28, 0, 0, 0, 0, 63, 1, 0xf7, 0x25, 192, 0, 2, 1, 192, 0, 2, 2,
            ] + message)
        #expect(try IPv4Header(parsing: packet.bytes).hopLimit == 63)
    }

    @Test(arguments: [false, true])
    func anICMPv6MessageGetsAChecksumWhereItNeedsOne(completes: Bool) throws {
        let message: [UInt8] = [128, 0, 0, 0, 0, 1, 0, 1, 0xaa]
        let packet = try envelope(.upperLayer(.icmpv6, completes: completes), "2001:db8::1", "2001:db8::2").packet(
            around: message.bytes)
        let header = try IPv6Header(parsing: packet.bytes)
        #expect(header.payloadLength == 9 && header.trafficClass == 0xb8 && header.nextHeader == .icmpv6)
        #expect((packet.bytes.uint16(at: 42) == 0) != completes)
        #expect(packet[44...].elementsEqual(message[4...]))
        var sum = InternetChecksum()
        sum.addPseudoHeader(
            source: .v6(header.source), destination: .v6(header.destination), proto: .icmpv6, length: 9)
        sum.add(packet.bytes.from(40))
        #expect(sum.verifies == completes)
    }

    @Test(arguments: [("192.0.2.1", "192.0.2.2", 20), ("2001:db8::1", "2001:db8::2", 40)])
    func aDatagramGetsItsHeader(source: String, destination: String, length: Int) throws {
        let payload: [UInt8] = [1, 2, 3]
        let packet = try envelope(.datagram(sourcePort: 4_000, destinationPort: 7), source, destination).packet(
            around: payload.bytes)
        let header = try UDPHeader(parsing: packet.bytes.from(length))
        #expect(header.sourcePort == 4_000 && header.destinationPort == 7 && header.length == 11)
        var sum = InternetChecksum()
        sum.addPseudoHeader(
            source: Self.address(source), destination: Self.address(destination), proto: .udp, length: 11)
        sum.add(packet.bytes.from(length))
        #expect(sum.verifies && packet.suffix(3) == [1, 2, 3])
    }

    @Test func whatIsMissingCounts() throws {
        let message = [UInt8](repeating: 3, count: 8)
        let packet = try envelope(.upperLayer(.icmp, completes: false), "192.0.2.1", "192.0.2.2", missing: 92).packet(
            around: message.bytes)
        #expect(packet.count == 28)
        #expect(try IPv4Header(parsing: packet.bytes).totalLength == 120)
    }

    @Test func refusesWhatNoPacketCanBe() {
        let none: [UInt8] = []
        #expect(throws: PacketError.self) {
            try envelope(.upperLayer(.icmp, completes: true), "192.0.2.1", "2001:db8::1").packet(around: none.bytes)
        }
        for missing in [65_516, 70_000] {
            #expect(throws: PacketError.self) {
                try envelope(.upperLayer(.icmp, completes: true), "192.0.2.1", "192.0.2.2", missing: missing).packet(
                    around: none.bytes)
            }
        }
    }
}
