import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

/// A method and where its probes have their numbers.
struct NumberedWay: CustomTestStringConvertible, Sendable {
    var way: Way
    var flow: FlowIdentity

    var testDescription: String { "\(flow): \(way)" }

    static let protocolMethods: [ProbeMethod] = Way.methods + [.ip(IPProtocol(rawValue: 253))]
    /// All that there are, with payloads that have and lack room for cookie and balance.
    static let all: [NumberedWay] = FlowIdentity.allCases.flatMap { flow in
        protocolMethods.flatMap { method in
            [IPVersion.v4, .v6].flatMap { version in
                [0, 8, 12, 16, 32, 57, 700].map { payload in
                    NumberedWay(way: Way(method: method, version: version, payload: payload), flow: flow)
                }
            }
        }
    }.filter { $0.flow != .dublin || $0.way.isUDP }

    var wire: Wire {
        var wire = Wire()
        var identity = Ours.identity
        if case .ip(let proto) = way.method { identity.proto = proto }
        wire.codec = ProbeCodec(identity: identity)
        wire.codec.content.flowIdentity = flow
        return wire
    }

    /// What the codec makes of an error that quotes so many octets of the probe.
    func match(_ number: UInt64, quoting count: Int = .max, latest: UInt64) -> Response? {
        let wire = wire
        return wire.match(wire.error(wire.packet(way, number), way, quoting: count), latest: latest)
    }

    /// Behind the IP header.
    func message(_ number: UInt64, flow: UInt16 = 0) -> [UInt8] {
        Array(wire.packet(way, number, flow: flow)[way.headerLength...])
    }
}

@Suite struct FlowIdentityTests {
    private static let numbers: [UInt64] = [
        1, 2, 3, 255, 256, 300, 511, 512, 513, 65_534, 65_535, 65_536, 65_537, 131_070, 131_071, 1 << 33,
    ]

    @Test("Lengths and checksums are right", arguments: NumberedWay.all)
    func isWellFormed(numbered: NumberedWay) throws {
        let way = numbered.way
        for number in Self.numbers {
            let packet = numbered.wire.packet(way, number, flow: 5)
            let message = packet.bytes.from(way.headerLength)
            switch way.version {
            case .v4:
                let header = try IPv4Header(parsing: packet.bytes)
                #expect(Int(header.totalLength) == packet.count && header.identification != 0)
                #expect(header.dontFragment == (numbered.flow == .dublin))
            case .v6:
                let header = try IPv6Header(parsing: packet.bytes)
                #expect(Int(header.payloadLength) == message.byteCount && header.flowLabel == 5)
            }
            guard way.method != .ip(IPProtocol(rawValue: 253)) else { continue }
            var sum = InternetChecksum()
            let proto = way.method.ipProtocol(for: way.version)
            if proto != .icmp {
                sum.addPseudoHeader(
                    source: Ours.source(way.version), destination: way.destination, proto: proto,
                    length: message.byteCount)
            }
            sum.add(message)
            #expect(sum.verifies)
            if way.isUDP { #expect(message.uint16(at: 4) == message.byteCount && message.uint16(at: 6) != 0) }
        }
    }

    @Test("A whole quote names its probe, and so does one of eight octets behind IPv4", arguments: NumberedWay.all)
    func quotesNameTheirProbe(numbered: NumberedWay) throws {
        let way = numbered.way
        for number in Self.numbers {
            for ahead: UInt64 in [0, 7, 300] {
                let whole = try #require(numbered.match(number, latest: number + ahead))
                let isLong = way.payload >= 16 || numbered.flow == .dublin
                if way.version == .v4 || isLong { #expect(whole.probe?.rawValue == number) }
                guard way.version == .v4 else { continue }
                let short = try #require(numbered.match(number, quoting: 28, latest: number + ahead))
                #expect(short.probe?.rawValue == number)
            }
        }
    }

    @Test("What load balancers see is the same for a flow and differs between flows", arguments: NumberedWay.all)
    func parisIsConstant(numbered: NumberedWay) {
        guard numbered.flow == .paris, numbered.way.method != .icmpEcho || numbered.way.payload >= 14 else { return }
        var heads: [UInt16: Set<[UInt8]>] = [:]
        for flow: UInt16 in [0, 1, 9] {
            for number in Self.numbers {
                heads[flow, default: []].insert(Array(numbered.message(number, flow: flow).prefix(4)))
            }
        }
        for head in heads.values { #expect(head.count == 1) }
        // Without room nothing but the flow label tells flows of a bare protocol apart.
        if numbered.way.payload >= 16 { #expect(heads.values.reduce(Set()) { $0.union($1) }.count == 3) }
    }

    @Test("The checksum of UDP is the number, and never 0", arguments: [IPVersion.v4, .v6])
    func checksumIsTheNumber(version: IPVersion) {
        let numbered = NumberedWay(
            way: Way(method: .udp(destinationPort: 33_434), version: version, payload: 32), flow: .paris)
        for (number, checksum): (UInt64, UInt16) in [
            (1, 1), (2, 2), (65_534, 65_534), (65_535, 65_535), (65_536, 1), (131_071, 1), (131_070, 65_535),
        ] {
            #expect(numbered.message(number).bytes.uint16(at: 6) == checksum)
            // Over IPv6 it is all that a short quote has.
            let quoted = numbered.match(number, quoting: numbered.way.headerLength + 8, latest: number + 5)
            #expect(quoted?.probe?.rawValue == number)
        }
    }

    @Test("Identification and checksum that contradict each other name nobody, one that is impossible does not count")
    func contradictions() throws {
        let numbered = NumberedWay(
            way: Way(method: .udp(destinationPort: 33_434), version: .v4, payload: 32), flow: .paris)
        let wire = numbered.wire
        for (identification, checksum, expected): (UInt16, UInt16, UInt64?) in [
            (7, 7, 7), (7, 8, nil), (7, 0x7000, 7), (0x7000, 7, 7), (0, 7, 7), (7, 0, 7), (0x7000, 0x7000, nil),
        ] {
            var packet = wire.packet(numbered.way, 7)
            packet[4...5] = [UInt8(identification >> 8), UInt8(identification & 0xff)]
            packet[26...27] = [UInt8(checksum >> 8), UInt8(checksum & 0xff)]
            let found = try #require(wire.match(wire.error(packet, numbered.way, quoting: 28), latest: 20))
            #expect(found.probe?.rawValue == expected, "\(identification) \(checksum)")
            // The cookie stands above both.
            #expect(wire.match(wire.error(packet, numbered.way), latest: 20)?.probe?.rawValue == 7)
        }
    }

    @Test("dublin: over IPv4 only the identification differs")
    func dublinV4() throws {
        let numbered = NumberedWay(
            way: Way(method: .udp(destinationPort: 33_434), version: .v4, payload: 32), flow: .dublin)
        let first = numbered.wire.packet(numbered.way, 1)
        for number in Self.numbers {
            let packet = numbered.wire.packet(numbered.way, number)
            #expect(packet[20...] == first[20...] && packet[..<4] == first[..<4] && packet[6..<10] == first[6..<10])
        }
        #expect(numbered.message(1, flow: 1) != numbered.message(1, flow: 0))
    }

    @Test("dublin: over IPv6 the length is the number and the checksum does not show it", arguments: [14, 32, 700])
    func dublinV6(payload: Int) {
        let numbered = NumberedWay(
            way: Way(method: .udp(destinationPort: 33_434), version: .v6, payload: payload), flow: .dublin)
        var lengths: Set<Int> = []
        for number in 1...UInt64(ProbeCodec.dublinLengths) {
            let message = numbered.message(number)
            #expect(message.count >= payload + 8 && message.count < payload + 8 + ProbeCodec.dublinLengths)
            #expect(message.bytes.uint16(at: 6) == 0x4000)
            lengths.insert(message.count)
        }
        #expect(lengths.count == ProbeCodec.dublinLengths)
    }

    @Test("classic: checksums of ICMP differ, and TCP goes from one port after the other")
    func classic() {
        for version in [IPVersion.v4, .v6] {
            let echo = NumberedWay(way: Way(method: .icmpEcho, version: version, payload: 32), flow: .classic)
            #expect(Set((1...50).map { echo.message($0).bytes.uint16(at: 2) }).count > 45)
            let tcp = NumberedWay(
                way: Way(method: .tcpSYN(destinationPort: 80), version: version, payload: 0), flow: .classic)
            #expect((1...66).map { tcp.message($0).bytes.uint16(at: 0) } == Array(40_000..<40_064) + [40_000, 40_001])
        }
    }

    @Test("Probes of others are not taken for ours", arguments: NumberedWay.all.filter { $0.way.payload >= 16 })
    func othersQuotes(numbered: NumberedWay) {
        // With the same ports, identifiers and numbers, but another key.
        var other = numbered.wire
        other.codec.identity.cookies = SipHash(k0: 3, k1: 4)
        let ours = numbered.wire
        // What echo requests quote says identifier and sequence number only.
        guard numbered.way.method != .icmpEcho else { return }
        for number: UInt64 in 1...40 {
            let packet = other.packet(numbered.way, number)
            let whole = ours.match(ours.error(packet, numbered.way), latest: 60)
            // From our port, with another sequence number: over IPv6 somebody may have rewritten it.
            #expect(numbered.way.isTCP && numbered.way.version == .v6 ? whole?.probe == nil : whole == nil)
            // So few octets hold half of a cookie.
            if case .ip = numbered.way.method {
                let short = ours.match(
                    ours.error(packet, numbered.way, quoting: numbered.way.headerLength + 8), latest: 60)
                #expect(numbered.way.version == .v6 ? short?.probe == nil : short == nil)
            }
        }
    }

    @Test("Nothing that a quote may hold traps or names a probe that was never sent", arguments: NumberedWay.all)
    func hostileQuotes(numbered: NumberedWay) {
        var generator = SeededGenerator(seed: UInt64(numbered.way.payload) &+ 77)
        let wire = numbered.wire
        let packet = wire.packet(numbered.way, 40)
        for _ in 0..<300 {
            var changed = packet
            for _ in 0...generator.number(below: 4) {
                let at = Int(generator.number(below: UInt64(changed.count)))
                changed[at] = UInt8(truncatingIfNeeded: generator.next())
            }
            let count = Int(generator.number(below: UInt64(changed.count) + 1))
            let found = wire.match(wire.error(changed, numbered.way, quoting: count), latest: 45)
            if let id = found?.probe { #expect((1...45).contains(id.rawValue)) }
            let noise = changed.map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            if let id = wire.match(wire.error(noise, numbered.way), latest: 45)?.probe {
                #expect((1...45).contains(id.rawValue))
            }
        }
    }

    @Test("What is expected of a quote is what a router quotes that changes nothing", arguments: NumberedWay.all)
    func expectation(numbered: NumberedWay) throws {
        let way = numbered.way
        for number: UInt64 in [1, 513, 70_000] {
            var expected = try #require(
                numbered.wire.codec.expected(way.transmit(number), source: Ours.source(way.version)))
            let quoted = try #require(numbered.match(number, latest: number)?.detail?.quoted)
            // The error of these tests quotes at most 500 octets.
            expected.payload = Array(expected.payload.prefix(quoted.payload.count))
            #expect(quoted == expected)
            #expect(quoted.hopLimit == 64 && quoted.totalLength == numbered.wire.packet(way, number).count)
        }
        let long = Way(method: .icmpEcho, version: way.version, payload: 70_000).transmit(1)
        #expect(numbered.wire.codec.expected(long, source: Ours.source(way.version)) == nil)
    }

    @Test("An answer of a bare protocol names its probe only with a payload of ours", arguments: [IPVersion.v4, .v6])
    func bareAnswers(version: IPVersion) {
        let numbered = NumberedWay(
            way: Way(method: .ip(IPProtocol(rawValue: 253)), version: version, payload: 40), flow: .paris)
        let codec = numbered.wire.codec
        let arrival = Arrival(
            source: numbered.way.destination, stamp: Stamp(nanoseconds: 1, clock: .kernel), time: .ms(1))
        let latest = ProbeID(rawValue: 9)
        #expect(codec.matchUpperLayer(numbered.message(7).bytes, arrival, latest: latest).probe?.rawValue == 7)
        for bytes in [[], [1, 2, 3], [UInt8](repeating: 0, count: 40), numbered.message(12)] {
            let found = codec.matchUpperLayer(bytes.bytes, arrival, latest: latest)
            #expect(found.probe == nil && found.kind == .datagram)
        }
    }
}

@Suite struct TCPAnswerTests {
    /// Flags of a probe, of an answer, what is acknowledged beyond the probe's number (nil for nothing), and whether that
    /// is an answer.
    private static let answers: [(TCPHeader.Flags, TCPHeader.Flags, acknowledged: UInt32?, continues: Bool, Bool)] = [
        ([.syn], [.syn, .ack], 1, false, true),
        ([.syn], [.rst, .ack], 1, false, true),
        ([.syn], [.rst, .ack], 0, false, false),
        ([.syn], [.rst, .ack], 2, false, false),
        ([.syn], [.ack], 1, false, false),
        ([.syn], [.rst], nil, true, false),
        ([.syn, .ece, .cwr], [.syn, .ack, .ece], 1, false, true),
        ([.syn, .fin], [.rst, .ack], 2, false, true),
        ([.syn, .fin], [.syn, .ack], 1, false, true),
        ([.fin], [.rst, .ack], 1, false, true),
        ([.fin, .psh, .urg], [.rst, .ack], 1, false, true),
        ([], [.rst, .ack], 0, false, true),
        ([.ack], [.rst], nil, true, true),
        ([.ack], [.rst], nil, false, false),
        ([.ack], [.syn], nil, true, false),
        ([.ack, .fin], [.rst], nil, true, true),
        ([.syn, .ack], [.rst], nil, true, true),
    ]

    @Test("Answers to each kind of segment are known by the numbers that RFC 9293 gives them", arguments: answers)
    func answer(
        probe: TCPHeader.Flags, flags: TCPHeader.Flags, acknowledged: UInt32?, continues: Bool, isAnswer: Bool
    ) throws {
        for version in [IPVersion.v4, .v6] {
            let way = Way(method: .tcpSYN(destinationPort: 80), version: version, payload: 0)
            var wire = Wire()
            wire.codec.content.tcpFlags = probe
            let sent = try TCPHeader(parsing: wire.packet(way, 5).bytes.from(way.headerLength))
            #expect(sent.flags == probe)
            #expect(sent.acknowledgmentNumber == (probe.contains(.ack) ? sent.sequenceNumber : 0))
            let header = TCPHeader(
                sourcePort: 80, destinationPort: sent.sourcePort,
                sequenceNumber: continues ? sent.acknowledgmentNumber : 0x1234,
                acknowledgmentNumber: acknowledged.map { sent.sequenceNumber &+ $0 } ?? 0, flags: flags)
            var segment = try [UInt8](capacity: 20) { output throws(PacketError) in try header.write(to: &output) }
            wire.complete(&segment, way, from: way.destination)
            let found = wire.match(wire.packet(from: way.destination, .tcp, segment), latest: 9)
            #expect(found?.probe?.rawValue == (isAnswer ? 5 : nil))
            if isAnswer { #expect(found?.kind == .tcp(flags)) }
        }
    }

    @Test("Flags and options are on the wire, and in what is quoted")
    func options() throws {
        let options: TCPOptions = [
            .maximumSegmentSize(1_000), .selectiveAcknowledgmentPermitted, .timestamps(value: 1, echoReply: 0),
            .noOperation, .windowScale(7),
        ]
        for version in [IPVersion.v4, .v6] {
            let way = Way(method: .tcpSYN(destinationPort: 443), version: version, payload: 0)
            var wire = Wire()
            wire.codec.content.tcpOptions = options
            wire.codec.content.tcpFlags = [.syn, .ece, .cwr]
            let transmit = way.transmit(3)
            #expect(ProbeCodec.transportLength(of: transmit.probe, wire.codec.content) == 40)
            let packet = try [UInt8](capacity: 200) { output throws(PacketError) in
                try wire.codec.write(transmit, source: Ours.source(version), as: .ipPacket, to: &output)
            }
            #expect(packet.count == way.headerLength + 40)
            let quoted = wire.match(wire.error(packet, way), latest: 3)?.detail?.quoted
            guard case .tcp(let quote) = quoted?.transport else {
                Issue.record("no TCP header is quoted")
                continue
            }
            #expect(quote.options == options && quote.maximumSegmentSize == 1_000)
            #expect(quote.flags == [.syn, .ece, .cwr])
        }
    }
}

@Suite struct SourceRouteTests {
    private static let gateways = [IPv4Address(192, 0, 2, 1), IPv4Address(192, 0, 2, 2)]

    private static func wire() -> Wire {
        var wire = Wire()
        wire.codec.content.ipv4Options = [.noOperation, .looseSourceRoute(IPv4Route(slots: gateways))]
        return wire
    }

    @Test("The packet goes to the first router, and its destination ends the route", arguments: Way.methods)
    func leaves(method: ProbeMethod) throws {
        let wire = Self.wire()
        let packet = try [UInt8](capacity: 200) { output throws(PacketError) in
            try wire.codec.write(
                Way(method: method, version: .v4, payload: 20).transmit(4), source: Ours.source(.v4), as: .ipPacket,
                to: &output)
        }
        let header = try IPv4Header(parsing: packet.bytes)
        #expect(header.destination == Self.gateways[0])
        let route = IPv4Route(slots: [Self.gateways[1], IPv4Address(198, 51, 100, 7)])
        #expect(try IPv4Options(parsing: header.options.bytes) == [.noOperation, .looseSourceRoute(route)])
        guard method != .icmpEcho else { return }
        // For who gets it: the sum counts the last destination (RFC 1122 section 4.1.3.5 leaves no other).
        let message = packet.bytes.from(header.headerLength)
        var sum = InternetChecksum()
        sum.addPseudoHeader(
            source: Ours.source(.v4), destination: .v4(IPv4Address(198, 51, 100, 7)),
            proto: method.ipProtocol(for: .v4), length: message.byteCount)
        sum.add(message)
        #expect(sum.verifies)
    }

    @Test("Errors from any part of the way are about the destination", arguments: 0...2)
    func quotedDestination(passed: Int) throws {
        let wire = Self.wire()
        let way = Way(method: .udp(destinationPort: 33_434), version: .v4, payload: 20)
        var packet = try [UInt8](capacity: 200) { output throws(PacketError) in
            try wire.codec.write(way.transmit(4), source: Ours.source(.v4), as: .ipPacket, to: &output)
        }
        let stops = Self.gateways + [IPv4Address(198, 51, 100, 7)]
        for (offset, shift) in [24, 16, 8, 0].enumerated() {
            packet[16 + offset] = UInt8(truncatingIfNeeded: stops[passed].rawValue >> UInt32(shift))
        }
        packet[23] = UInt8(4 + 4 * passed)
        let found = try #require(wire.match(wire.error(packet, way), latest: 9))
        #expect(found.probe?.rawValue == 4 && found.quotedDestination == way.destination)
    }
}

@Suite struct BalancedPathTests {
    private static func network(_ key: String) -> String {
        """
        router near 10.0.1.1 fd00:1::1 delay 1ms
        router one 10.0.2.1 fd00:2::1 delay 1ms
        router two 10.0.2.2 fd00:2::2 delay 1ms
        router far 10.0.3.1 fd00:3::1 delay 1ms
        path source near one far
        path near two far
        balance near one two by \(key)
        target 10.0.9.9 fd00:9::9 via far delay 1ms
        """
    }

    private func paths(
        _ method: ProbeMethod, _ flow: FlowIdentity, to target: String, _ key: String, seed: UInt64
    ) throws -> Set<String> {
        var trace = try Trace(Self.network(key), to: target, seed: seed) {
            $0.method = method
            if flow == .classic, case .udp = method { $0.changesPort = true }
        }
        if case .ip(let proto) = method { trace.driver.codec.identity.proto = proto }
        trace.driver.codec.content.flowIdentity = flow
        try trace.run()
        #expect(trace.isReached, "\(method) \(flow) \(target) \(key) \(seed): \(trace.picture)")
        return Set(trace.picture.dropFirst().prefix(1).joined().split(separator: " ").map(String.init))
    }

    @Test("One flow sees one path, whatever balancers look at", arguments: ["ports", "transport", "flow-label"])
    func onePath(key: String) throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            for target in ["10.0.9.9", "fd00:9::9"] where seed <= 20 || target.contains(".") {
                for method in Way.methods {
                    #expect(try paths(method, .paris, to: target, key, seed: seed).count == 1)
                }
                #expect(
                    try paths(.udp(destinationPort: 33_434), .dublin, to: target, key, seed: seed).count == 1)
            }
        }
    }

    @Test("Probes that differ see a mixture of paths")
    func mixture() throws {
        var mixed: [String: Int] = [:]
        for seed in 1...100 as ClosedRange<UInt64> {
            for (name, method, key) in [
                ("udp", ProbeMethod.udp(destinationPort: 33_434), "ports"),
                ("tcp", .tcpSYN(destinationPort: 80), "ports"),
                ("icmp", .icmpEcho, "transport"),
            ] where try paths(method, .classic, to: "10.0.9.9", key, seed: seed).count > 1 {
                mixed[name, default: 0] += 1
            }
        }
        // Three probes all go one of two ways in a quarter of all runs.
        for name in ["udp", "tcp", "icmp"] { #expect((60...90).contains(mixed[name] ?? 0), "\(mixed)") }
    }
}
