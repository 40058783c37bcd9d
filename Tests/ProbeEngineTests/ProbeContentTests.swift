import PacketFormats
import ProbeEngine
import Testing

/// The constant parts of probes: patterns, IPv4 options, flow labels.
@Suite struct ProbeContentTests {
    private static let pattern: [UInt8] = [0xde, 0xad, 0xbe, 0xef, 0x55]

    private static func wire(
        pattern: [UInt8] = [], _ options: IPv4Options = [], flowLabel: UInt32? = nil
    ) -> Wire {
        Wire(
            codec: ProbeCodec(
                identity: Ours.identity,
                content: ProbeContent(pattern: pattern, ipv4Options: options, flowLabel: flowLabel)))
    }

    /// The octets behind the header of ICMP or UDP.
    private static func payload(_ packet: [UInt8], _ way: Way) -> ArraySlice<UInt8> {
        packet[(way.headerLength + 8)...]
    }

    @Test("A pattern starts with the payload and lies under cookie, number and balance", arguments: Way.all)
    func pattern(way: Way) {
        guard !way.isTCP else { return }
        let payload = Self.payload(Self.wire(pattern: Self.pattern).packet(way, 7), way)
        #expect(payload.count == way.payload)
        let marked = way.payload < 12 ? 0 : way.payload >= 14 ? 14 : 12
        for (offset, octet) in payload.enumerated().dropFirst(marked) {
            #expect(octet == Self.pattern[offset % 5], "octet \(offset)")
        }
        if marked > 0 { #expect(Array(payload.dropFirst(8).prefix(4)) == [0, 0, 0, 7]) }
    }

    @Test(
        "An octet that is not the pattern's is damage, and the payload is kept",
        arguments: Way.all.filter { !$0.isTCP && $0.payload >= 15 })
    func damage(way: Way) throws {
        let wire = Self.wire(pattern: Self.pattern)
        let packet = wire.packet(way, 3)
        let intact = try #require(wire.match(wire.echo(packet, way), latest: 9))
        #expect(intact.integrity == .intact && intact.probe == ProbeID(rawValue: 3) && intact.detail == nil)
        let last = way.payload - 1
        let damaged = try #require(wire.match(wire.echo(packet, way) { $0[8 + last] ^= 0x10 }, latest: 9))
        let expected = Self.pattern[last % 5]
        #expect(damaged.integrity == .wrongOctet(offset: last, expected: expected, found: expected ^ 0x10))
        let kept = try #require(damaged.detail?.payload)
        #expect(kept.count == way.payload && kept[last] == expected ^ 0x10)
        #expect(Wire().match(wire.echo(packet, way), latest: 9)?.integrity != .intact, "other content is damage")
    }

    @Test("A checksum that is wrong keeps the payload too, and no more than its start")
    func bounded() throws {
        let way = Way(method: .icmpEcho, version: .v4, payload: 9_000)
        let wire = Self.wire()
        var reply = wire.echo(Ours.packet(way.transmit(1), wire.codec), way)
        reply[reply.count - 1] ^= 1
        let response = try #require(wire.match(reply, latest: 1))
        #expect(response.integrity == .wrongChecksum)
        #expect(response.detail?.payload.count == ResponseDetail.maximumPayload)
    }

    @Test("Short UDP payloads of a pattern are ours when a quote pads them with zeros", arguments: 8...11)
    func paddedQuotes(length: Int) throws {
        let way = Way(method: .udp(destinationPort: 33_434), version: .v6, payload: length)
        let wire = Self.wire(pattern: [0xa1, 0xa2, 0xa3])
        let packet = wire.packet(way, 5) + [UInt8](repeating: 0, count: 128)
        let response = try #require(wire.match(wire.error(packet, way), latest: 5, .udpSocket))
        #expect(response.probe == nil)
    }

    @Test("The flow label is the content's, in every probe", arguments: [0, 1, 0x12345, 0xf_ffff] as [UInt32])
    func flowLabel(label: UInt32) throws {
        let way = Way(method: .icmpEcho, version: .v6, payload: 56)
        let packet = Self.wire(flowLabel: label).packet(way, 1, flow: 77)
        #expect(try IPv6Header(parsing: packet.bytes).flowLabel == label)
        #expect(Array(packet[..<4]) == [0x60, UInt8(label >> 16), UInt8(label >> 8 & 0xff), UInt8(label & 0xff)])
    }

    // MARK: Options

    private static let source = IPv4Address(10, 0, 0, 1)
    private static let way = Way(method: .icmpEcho, version: .v4, payload: 56)

    /// The option as it is asked for, and as it leaves here at 0x01020304 ms of the day.
    private static let options: [(IPv4Option, [UInt8])] = [
        (
            .recordRoute(IPv4Route(recording: 9)),
            [7, 39, 8, 10, 0, 0, 1] + [UInt8](repeating: 0, count: 33)
        ),
        (
            .timestamp(IPv4TimestampOption(.timestamps, entries: Array(repeating: .init(), count: 9))),
            [68, 40, 9, 0, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 32)
        ),
        (
            .timestamp(IPv4TimestampOption(.addresses, entries: Array(repeating: .init(address: .any), count: 4))),
            [68, 36, 13, 1, 10, 0, 0, 1, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 24)
        ),
        (
            .timestamp(
                IPv4TimestampOption(.prespecified, entries: [.init(address: IPv4Address(192, 0, 2, 1))])),
            [68, 12, 5, 3, 192, 0, 2, 1, 0, 0, 0, 0]
        ),
        (
            .timestamp(IPv4TimestampOption(.prespecified, entries: [.init(address: source)])),
            [68, 12, 13, 3, 10, 0, 0, 1, 1, 2, 3, 4]
        ),
        (.routerAlert(0), [148, 4, 0, 0]),
    ]

    private func packet(_ option: IPv4Option, payload: Int = 56) throws(PacketError) -> [UInt8] {
        var way = Self.way
        way.payload = payload
        let transmit = way.transmit(1)
        return try [UInt8](capacity: 65_535 + 100) { output throws(PacketError) in
            try Self.wire([option]).codec.write(
                transmit, source: .v4(Self.source), departure: InternetTimestamp(milliseconds: 0x0102_0304),
                as: .ipPacket, to: &output)
        }
    }

    @Test("Options stand in the header with this host's own entry", arguments: options.indices)
    func leaving(index: Int) throws {
        let (option, area) = Self.options[index]
        let packet = try packet(option)
        let header = try IPv4Header(parsing: packet.bytes)
        #expect(header.options == area)
        #expect(Int(header.totalLength) == packet.count && packet.count == 20 + area.count + 64)
        #expect(InternetChecksum.of(packet.bytes.from(header.headerLength)) == 0)
    }

    @Test("A payload is too long as soon as the options leave no room for it")
    func length() throws {
        let option = Self.options[0].0
        #expect(try packet(option, payload: 65_535 - 60 - 8).count == 65_535)
        #expect(throws: PacketError.self) { try packet(option, payload: 65_535 - 60 - 7) }
    }

    @Test("A message for a socket that writes the header has no options in it")
    func message() throws {
        let transmit = Self.way.transmit(1)
        let message = try [UInt8](capacity: 200) { output throws(PacketError) in
            try Self.wire([Self.options[0].0]).codec.write(
                transmit, source: nil, as: .icmpMessage, to: &output)
        }
        #expect(message.count == 64)
    }

    @Test("A reply's options come with it, though the kernel wrote into them behind the checksum")
    func answered() throws {
        let wire = Self.wire([Self.options[0].0])
        var reply = wire.echo(Wire().packet(Self.way, 4), Self.way)
        var route = IPv4Route(recording: 9)
        route.slots[0] = Self.source
        route.slots[1] = IPv4Address(198, 51, 100, 7)
        route.pointer = 12
        let area = try IPv4Options([.recordRoute(route)]).encoded()
        reply.insert(contentsOf: area, at: 20)
        reply[0] = 0x4f
        reply[3] += 40
        let response = try #require(wire.match(reply, latest: 4))
        #expect(response.integrity == .intact && response.byteCount == 64)
        #expect(response.detail?.ipv4Options == [.recordRoute(route)])
        #expect(response.detail?.payload.isEmpty == true)
        // Without options there is nobody who could have written behind the checksum.
        var plain = wire.echo(Wire().packet(Self.way, 4), Self.way)
        plain[10] ^= 1
        #expect(wire.match(plain, latest: 4) == nil)
    }

    @Test("Options that make no sense are none, and the reply is one all the same")
    func nonsense() throws {
        var reply = Wire().echo(Wire().packet(Self.way, 4), Self.way)
        reply.insert(contentsOf: [7, 1, 0, 0], at: 20)
        reply[0] = 0x46
        reply[3] += 4
        let response = try #require(Wire().match(reply, latest: 4))
        #expect(response.integrity == .intact && response.detail?.ipv4Options == nil)
    }

    // MARK: Groups

    @Test(
        "The first answer to a group counts, the others are duplicates and in no round trip",
        arguments: ["198.51.100.255", "255.255.255.255", "224.0.0.1", "ff02::1"])
    func groups(address: String) throws {
        let group = Ours.address(address)
        var configuration = EchoSweep.Configuration(targets: [group])
        configuration.count = 1
        configuration.wantsKernelStamps = false
        configuration.broadcasts = group == Ours.address("198.51.100.255") ? [group] : []
        var sweep = EchoSweep(configuration, start: .ms(0))
        let next = sweep.nextTransmit(at: .ms(0))
        let probe = try #require(next)
        #expect(probe.probe.hopLimit == (group.isMulticast ? 1 : 64))
        sweep.didSend(probe.id, at: Stamp(nanoseconds: 0, clock: .user))
        for (host, milliseconds) in zip(1..., [1, 40, 50]) as Zip2Sequence<PartialRangeFrom<Int>, [Int64]> {
            let responder = Ours.address(group.version == .v4 ? "198.51.100.\(host)" : "fe80::\(host)")
            sweep.receive(
                Response(
                    probe: probe.id, kind: .echoReply, responder: responder, byteCount: 64,
                    stamp: Stamp(nanoseconds: milliseconds * 1_000_000, clock: .user), arrival: .ms(milliseconds)))
        }
        let statistics = sweep.statistics[0]
        #expect(statistics.received == 1 && statistics.duplicates == 2 && statistics.wrongSource == 0)
        #expect(statistics.roundTrips.maximum == .ms(1))
    }
}
