import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

/// A way to ask: method, version and how many octets of payload.
struct Way: CustomTestStringConvertible, Sendable {
    var method: ProbeMethod
    var version: IPVersion
    var payload: Int

    var testDescription: String { "\(method) over \(version) with \(payload) octets" }

    static let methods: [ProbeMethod] = [
        .icmpEcho, .udp(destinationPort: 33_434), .tcpSYN(destinationPort: 80),
    ]
    static let all: [Way] = methods.flatMap { method in
        [IPVersion.v4, .v6].flatMap { version in
            [0, 1, 7, 8, 11, 12, 13, 14, 15, 56, 57, 1_400].map { Way(method: method, version: version, payload: $0) }
        }
    }

    func transmit(_ number: UInt64, flow: UInt16 = 0) -> Transmit {
        Transmit(
            id: ProbeID(rawValue: number),
            probe: Probe(destination: destination, method: method, flow: flow, payloadLength: payload))
    }

    var destination: IPAddress { Ours.address(version == .v4 ? "198.51.100.7" : "2001:db8::7") }
    var router: IPAddress { Ours.address(version == .v4 ? "192.0.2.99" : "2001:db8::99") }
    var headerLength: Int { version == .v4 ? 20 : 40 }
    var isTCP: Bool { if case .tcpSYN = method { true } else { false } }
    /// Whether no number stands in the header: there is no room for a balance, or the kernel makes the checksum.
    var hasNamelessHeader: Bool { isUDP && version == .v6 && !(14...1_232).contains(payload) }
    var isUDP: Bool { if case .udp = method { true } else { false } }
}

/// What the other side makes of our packets, and what this side reads in it.
struct Wire {
    var codec = ProbeCodec(identity: Ours.identity)
    var stamp = Stamp(nanoseconds: 1, clock: .kernel)

    func packet(_ way: Way, _ number: UInt64, flow: UInt16 = 0) -> [UInt8] {
        Ours.packet(way.transmit(number, flow: flow), codec)
    }

    func match(_ packet: [UInt8], latest: UInt64, _ rung: Driver.Rung = .raw) -> Response? {
        Kernel.match(packet, rung, codec, stamp, .ms(1), ProbeID(rawValue: latest))
    }

    /// An IP packet from `source` to us.
    func packet(from source: IPAddress, _ proto: IPProtocol, _ message: [UInt8]) -> [UInt8] {
        let bytes = try? [UInt8](capacity: 40 + message.count) { (output) throws(PacketError) in
            switch source {
            case .v4(let address):
                var header = IPv4Header(
                    destination: Ours.address4, proto: proto, hopLimit: 60, totalLength: UInt16(20 + message.count))
                header.source = address
                try header.write(to: &output)
            case .v6(let address):
                let header = IPv6Header(
                    source: address, destination: Ours.address6, nextHeader: proto, hopLimit: 60,
                    payloadLength: UInt16(message.count))
                try header.write(to: &output)
            }
            output.append(contentsOf: message.bytes)
        }
        return bytes ?? []
    }

    /// The echo reply to an ICMP probe, or the datagram that an echo server sends, after `change` and with a checksum
    /// that is right again.
    func echo(_ packet: [UInt8], _ way: Way, change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
        var message = Array(packet[way.headerLength...])
        if way.isUDP {
            message = Array(message[2..<4] + message[0..<2] + message[4...])
        } else {
            message[0] = ICMPType.echoReply(way.version).rawValue
        }
        change(&message)
        complete(&message, way, from: way.destination)
        return self.packet(from: way.destination, way.method.ipProtocol(for: way.version), message)
    }

    func complete(_ message: inout [UInt8], _ way: Way, from source: IPAddress) {
        let proto = way.method.ipProtocol(for: way.version)
        let offset = way.isTCP ? 16 : way.isUDP ? 6 : 2
        guard offset + 2 <= message.count else { return }
        message[offset] = 0
        message[offset + 1] = 0
        var sum = InternetChecksum()
        if proto != .icmp {
            sum.addPseudoHeader(
                source: source, destination: Ours.source(way.version), proto: proto, length: message.count)
        }
        sum.add(message.bytes)
        message[offset] = UInt8(sum.value >> 8)
        message[offset + 1] = UInt8(sum.value & 0xff)
    }

    /// An ICMP error of a router's that quotes so many octets.
    func error(
        _ packet: [UInt8], _ way: Way, quoting count: Int = .max, type: ICMPType? = nil, code: UInt8 = 0,
        extensions: ICMPExtensions? = nil, form: ICMPErrorMessage.ExtensionForm = .compliant
    ) -> [UInt8] {
        let quote = Array(packet.prefix(min(count, 500)))
        let header = ICMPHeader(type: type ?? .timeExceeded(way.version), code: code, rest: 0)
        let message = try? [UInt8](capacity: 1_200) { (output) throws(PacketError) in
            try ICMPErrorMessage.write(
                header, quoting: quote.bytes, extensions: extensions, form: form, source: way.router,
                destination: Ours.source(way.version), to: &output)
        }
        return self.packet(from: way.router, .icmp(for: way.version), message ?? [])
    }
}

@Suite struct CodecWriteTests {
    @Test("Every packet has right lengths and checksums", arguments: Way.all)
    func isWellFormed(way: Way) throws {
        let packet = Wire().packet(way, 0x1_2345)
        let message = packet.bytes.from(way.headerLength)
        #expect(message.byteCount == ProbeCodec.transportLength(of: way.transmit(1).probe))
        switch way.version {
        case .v4:
            let header = try IPv4Header(parsing: packet.bytes)
            #expect(
                Int(header.totalLength) == packet.count
                    && (way.isTCP || header.identification == (way.method == .icmpEcho ? 0x2345 : 0x2346)))
            #expect(InternetChecksum.of(packet.bytes.prefix(20)) == 0)
        case .v6:
            #expect(Int(try IPv6Header(parsing: packet.bytes).payloadLength) == message.byteCount)
        }
        var sum = InternetChecksum()
        let proto = way.method.ipProtocol(for: way.version)
        if proto != .icmp {
            sum.addPseudoHeader(
                source: Ours.source(way.version), destination: way.destination, proto: proto,
                length: message.byteCount)
        }
        sum.add(message)
        #expect(sum.verifies)
    }

    @Test("All encapsulations hold the same message", arguments: Way.all)
    func encapsulations(way: Way) throws {
        let wire = Wire()
        let packet = wire.packet(way, 77)
        let message = try [UInt8](capacity: 2_000) { (output) throws(PacketError) in
            try wire.codec.write(
                way.transmit(77), source: Ours.source(way.version), as: .icmpMessage, to: &output)
        }
        #expect(Array(packet[way.headerLength...]) == message)
        guard !way.isTCP else { return }
        let payload = try [UInt8](capacity: 2_000) { (output) throws(PacketError) in
            try wire.codec.write(way.transmit(77), source: nil, as: .payload, to: &output)
        }
        #expect(payload.count == way.payload)
        var expected = Array(message.suffix(way.payload))
        // The two octets that balance the checksum, which sockets that know no addresses leave out.
        if way.payload >= 14 { expected[12...13] = payload[12...13] }
        #expect(expected == payload)
    }

    @Test("Probes of one flow look alike to load balancers", arguments: Way.all)
    func flowIsConstant(way: Way) {
        var first: [UInt16: [UInt8]] = [:]
        for flow: UInt16 in [0, 1, 63] {
            for number: UInt64 in [1, 2, 255, 256, 65_535, 65_536, 65_537, 0xffff_ffff, 0x1_0000_0000, .max] {
                let packet = Wire().packet(way, number, flow: flow)
                let head = Array(packet[way.headerLength..<(way.headerLength + 4)])
                // Without room for the balance the checksum of ICMP differs.
                if way.method == .icmpEcho, way.payload < 14 { continue }
                #expect(head == first[flow, default: head])
                first[flow] = head
            }
        }
        #expect(Set(first.values).count == first.count)
        if way.method == .icmpEcho, way.version == .v4 {
            for (flow, head) in first { #expect(head[2...] == [UInt8(0x40), UInt8(flow)][...]) }
        }
    }

    @Test("Flows share the ports when there are fewer ports than flows")
    func flowsWrap() {
        let way = Way(method: .udp(destinationPort: 53), version: .v4, payload: 20)
        for flow: UInt16 in [0, 63, 64, 65_535] {
            let port = Wire().packet(way, 1, flow: flow).bytes.uint16(at: 20)
            #expect(port == 40_000 + flow % 64)
        }
    }

    @Test("What does not fit is refused and nothing traps", arguments: Way.all)
    func doesNotFit(way: Way) {
        let wire = Wire()
        let whole = wire.packet(way, 3).count
        for encapsulation in [Encapsulation.ipPacket, .icmpMessage, .payload] {
            let length =
                switch encapsulation {
                case .ipPacket: whole
                case .icmpMessage: whole - way.headerLength
                case .payload: way.payload
                }
            for capacity in Set([0, 1, 8, 19, 27, 39, length - 1]) where capacity >= 0 && capacity < length {
                #expect(throws: PacketError.self) {
                    _ = try [UInt8](capacity: capacity) { (output) throws(PacketError) in
                        try wire.codec.write(
                            way.transmit(3), source: Ours.source(way.version), as: encapsulation, to: &output)
                    }
                }
            }
        }
    }

    @Test("More than an IP packet holds is refused", arguments: [IPVersion.v4, .v6])
    func tooLong(version: IPVersion) {
        for method in [ProbeMethod.icmpEcho, .udp(destinationPort: 9)] {
            let most = version == .v4 ? 65_507 : 65_527
            for (length, fits) in [(most, true), (most + 1, false), (1 << 20, false)] {
                let transmit = Way(method: method, version: version, payload: length).transmit(1)
                let packet = try? [UInt8](capacity: 1 << 21) { (output) throws(PacketError) in
                    try Wire().codec.write(transmit, source: Ours.source(version), as: .ipPacket, to: &output)
                }
                #expect((packet != nil) == fits)
            }
        }
    }
}

@Suite struct CodecReplyTests {
    @Test("A reply to the probe finds it", arguments: Way.all.filter { !$0.isTCP })
    func echo(way: Way) throws {
        let wire = Wire()
        for number: UInt64 in [1, 2, 65_535, 65_536, 65_537, 70_000, 0xffff_ffff, 0x1_0000_0000, 0x1_2345_6789_abcd] {
            let response = wire.match(wire.echo(wire.packet(way, number), way), latest: number)
            guard !way.isUDP || way.payload >= ProbeCodec.cookieLength else {
                #expect(response?.kind == .datagram && response?.probe == nil)
                continue
            }
            let found = try #require(response)
            #expect(found.probe?.rawValue == number && found.kind == .echoReply && found.integrity == .intact)
            #expect(found.responder == way.destination && found.byteCount == way.payload + 8 && found.hopLimit == 60)
        }
    }

    @Test("An older probe is found by its index, past every wrap of the sequence number")
    func olderByIndex() {
        let way = Way(method: .icmpEcho, version: .v4, payload: 56)
        for count: UInt16 in [1, 2, 16, 32_768] {
            var wire = Wire()
            wire.codec = ProbeCodec(
                identity: ProbeIdentity(
                    identifier: count == 32_768 ? 0x8000 : 0x4d00, identifierCount: count, cookies: Ours.cookies))
            for latest: UInt64 in [65_536, 1_000_000, 0x1_0000_0001, 0x10_0000_0000] {
                for back: UInt64 in [0, 1, 65_535, 65_536, 65_537, 500_000, 1 << 21] where back < latest {
                    let reply = wire.echo(wire.packet(way, latest - back), way)
                    #expect(wire.match(reply, latest: latest)?.probe?.rawValue == latest - back)
                }
            }
        }
    }

    @Test(
        "Without a cookie, identifiers and sequence numbers tell so many probes apart",
        arguments: [1, 2, 16, 256] as [UInt16])
    func severalIdentifiers(count: UInt16) {
        var wire = Wire()
        wire.codec = ProbeCodec(
            identity: ProbeIdentity(identifier: 0x4d00, identifierCount: count, cookies: Ours.cookies))
        let way = Way(method: .icmpEcho, version: .v4, payload: 0)
        let window = UInt64(count) * 65_536
        for latest: UInt64 in [window * 3 + 5, 0x1_0000_0000 + 9] {
            for back: UInt64 in [0, 1, window / 2, window - 1] {
                let reply = wire.echo(wire.packet(way, latest - back), way)
                #expect(wire.match(reply, latest: latest)?.probe?.rawValue == latest - back)
            }
            let reply = wire.echo(wire.packet(way, latest - window), way)
            #expect(wire.match(reply, latest: latest)?.probe?.rawValue == latest)
        }
    }

    @Test("A number that was never sent is not ours", arguments: Way.all.filter { !$0.isTCP })
    func neverSent(way: Way) {
        let wire = Wire()
        let reply = wire.echo(wire.packet(way, 9), way)
        #expect(wire.match(reply, latest: 8)?.probe == nil)
        #expect(wire.match(reply, latest: 0)?.probe == nil)
    }

    @Test("Identifiers, codes and types of others are not ours", arguments: [IPVersion.v4, .v6])
    func others(version: IPVersion) {
        let wire = Wire()
        let way = Way(method: .icmpEcho, version: version, payload: 56)
        let packet = wire.packet(way, 5)
        for octet in [0, 1, 4, 5] {
            for bit in 0..<8 {
                let reply = wire.echo(packet, way) { $0[octet] ^= 1 << UInt8(bit) }
                #expect(wire.match(reply, latest: 5) == nil, "octet \(octet) bit \(bit)")
            }
        }
        #expect(wire.match(wire.echo(packet, way) { $0[0] = version == .v4 ? 8 : 128 }, latest: 5) == nil)
    }

    @Test("A foreign cookie is not ours", arguments: Way.all.filter { !$0.isTCP && $0.payload >= 12 })
    func foreignCookie(way: Way) {
        let wire = Wire()
        var other = Wire()
        other.codec = ProbeCodec(
            identity: ProbeIdentity(
                identifier: 0x4d00, sourcePorts: Ours.identity.sourcePorts, cookies: SipHash(k0: 1, k1: 2)))
        for number: UInt64 in 1...50 {
            let response = wire.match(wire.echo(other.packet(way, number), way), latest: 60)
            if way.isUDP {
                #expect(response?.kind == .datagram && response?.probe == nil)
            } else {
                #expect(response == nil)
            }
        }
        let zeros = wire.echo(wire.packet(way, 3), way) { for octet in 8..<16 { $0[octet] = 0 } }
        #expect(wire.match(zeros, latest: 60)?.probe == nil)
    }

    @Test("Each flipped bit of the payload is told, with the right probe", arguments: [false, true])
    func flippedBits(checksumIsRight: Bool) throws {
        let wire = Wire()
        let way = Way(method: .icmpEcho, version: .v4, payload: 56)
        for (number, latest): (UInt64, UInt64) in [(7, 7), (65_543, 65_543), (65_543, 200_000), (7, 65_540)] {
            let packet = wire.packet(way, number)
            for bit in 0..<(56 * 8) {
                // The two balancing octets can be anything.
                if checksumIsRight, bit / 8 == 12 || bit / 8 == 13 { continue }
                var reply = wire.echo(packet, way) { message in
                    if checksumIsRight { message[8 + bit / 8] ^= 1 << UInt8(bit % 8) }
                }
                if !checksumIsRight { reply[28 + bit / 8] ^= 1 << UInt8(bit % 8) }
                let isIndex = (8..<12).contains(bit / 8)
                // Once the index is damaged, an older probe cannot be told from the latest with the same numbers.
                if isIndex, latest - number >= 65_536 { continue }
                let found = try #require(wire.match(reply, latest: latest), "bit \(bit)")
                #expect(found.probe?.rawValue == number, "bit \(bit)")
                if checksumIsRight {
                    let octet = packet[28 + bit / 8]
                    #expect(
                        found.integrity
                            == .wrongOctet(offset: bit / 8, expected: octet, found: octet ^ (1 << UInt8(bit % 8))))
                } else {
                    #expect(found.integrity == .wrongChecksum)
                }
            }
        }
    }

    @Test("A length that changed shows in the count of octets, what was added in the first wrong one")
    func lengths() throws {
        let wire = Wire()
        let way = Way(method: .icmpEcho, version: .v4, payload: 56)
        let packet = wire.packet(way, 4)
        for length in [0, 1, 7, 11, 12, 13, 14, 28, 55] {
            let reply = wire.echo(packet, way) { $0 = Array($0.prefix(8 + length)) }
            let found = try #require(wire.match(reply, latest: 4))
            #expect(found.byteCount == 8 + length && found.probe?.rawValue == 4)
            if length >= 12 { #expect(found.integrity == .intact) }
        }
        let longer = wire.echo(packet, way) { $0 += [0xee, 0xee] }
        let found = try #require(wire.match(longer, latest: 4))
        #expect(found.byteCount == 66 && found.integrity == .wrongOctet(offset: 56, expected: 56, found: 0xee))
    }

    @Test("Fragments are not read as messages")
    func fragments() {
        let wire = Wire()
        let way = Way(method: .icmpEcho, version: .v4, payload: 56)
        for field: UInt8 in [0x20, 0x01] {
            var reply = wire.echo(wire.packet(way, 4), way)
            reply[6] = field
            #expect(wire.match(reply, latest: 4) == nil)
        }
    }

    @Test("TCP answers are found by what they acknowledge", arguments: [IPVersion.v4, .v6])
    func segments(version: IPVersion) throws {
        let wire = Wire()
        let way = Way(method: .tcpSYN(destinationPort: 443), version: version, payload: 0)
        for number: UInt64 in [1, 65_535, 65_536, 65_537, 0x1_0000_0000] {
            let probe = try TCPHeader(parsing: wire.packet(way, number, flow: 3).bytes.from(way.headerLength))
            #expect(probe.flags == .syn)
            func answer(_ flags: TCPHeader.Flags, number offset: UInt32 = 1, port: UInt16 = 0) -> Response? {
                let header = TCPHeader(
                    sourcePort: 443, destinationPort: probe.sourcePort ^ port, sequenceNumber: 99,
                    acknowledgmentNumber: probe.sequenceNumber &+ offset, flags: flags, window: 0)
                var message =
                    (try? [UInt8](capacity: 60) { (output) throws(PacketError) in try header.write(to: &output) }) ?? []
                wire.complete(&message, way, from: way.destination)
                return wire.match(wire.packet(from: way.destination, .tcp, message), latest: number + 10)
            }
            for flags: TCPHeader.Flags in [[.syn, .ack], [.rst, .ack]] {
                #expect(answer(flags)?.probe?.rawValue == number && answer(flags)?.kind == .tcp(flags))
            }
            for flags: TCPHeader.Flags in [.syn, .rst, .ack, [.fin, .ack]] { #expect(answer(flags) == nil) }
            for offset: UInt32 in [0, 2, 0x1_0001, 0xffff] { #expect(answer([.syn, .ack], number: offset) == nil) }
            #expect(answer([.syn, .ack], port: 0x4000) == nil)
        }
    }
}

@Suite struct CodecErrorTests {
    @Test("A quote of the whole probe names it and its destination", arguments: Way.all)
    func wholeQuote(way: Way) throws {
        let wire = Wire()
        for number: UInt64 in [1, 65_536, 65_537, 0x1_0000_0003] {
            let found = try #require(wire.match(wire.error(wire.packet(way, number), way), latest: number + 3))
            if way.isUDP, way.payload < 12, way.version == .v6 {
                #expect(found.probe == nil)
            } else {
                #expect(found.probe?.rawValue == number)
            }
            #expect(found.quotedDestination == way.destination && found.responder == way.router)
            #expect(found.kind.isTimeExceeded(way.version) && found.detail?.quoted?.destination == way.destination)
        }
    }

    @Test("Eight octets of the transport header name the probe, except in short UDP over IPv6", arguments: Way.all)
    func minimalQuote(way: Way) throws {
        let wire = Wire()
        let packet = wire.packet(way, 0x3_0007)
        let found = try #require(wire.match(wire.error(packet, way, quoting: way.headerLength + 8), latest: 0x3_0010))
        #expect(found.probe?.rawValue == (way.hasNamelessHeader ? nil : 0x3_0007))
        #expect(found.quotedDestination == way.destination)
        for count in 0..<(way.headerLength + 8) {
            #expect(wire.match(wire.error(packet, way, quoting: count), latest: 0x3_0010) == nil)
        }
    }

    @Test("Extensions are read, and the zeros before them are no foreign cookie", arguments: Way.all)
    func extensions(way: Way) throws {
        let wire = Wire()
        let labels = try extensions()
        for quote in [way.headerLength + 8, Int.max] {
            for form in [ICMPErrorMessage.ExtensionForm.compliant, .noLength] {
                let packet = wire.packet(way, 12)
                let error = wire.error(packet, way, quoting: quote, extensions: labels, form: form)
                let found = try #require(wire.match(error, latest: 20))
                let isNameless = way.hasNamelessHeader && (quote < .max || way.payload < 12)
                #expect(found.probe?.rawValue == (isNameless ? nil : 12))
                #expect(found.detail?.extensions == labels)
            }
        }
    }

    private func extensions() throws -> ICMPExtensions {
        // One MPLS label stack entry: label 16004, S bit, TTL 1 (RFC 4950), behind the header of RFC 4884 section 7.
        var bytes: [UInt8] = [0x20, 0, 0, 0, 0, 8, 1, 1, 0x03, 0xe8, 0x41, 1]
        let sum = InternetChecksum.of(bytes.bytes)
        bytes[2] = UInt8(sum >> 8)
        bytes[3] = UInt8(sum & 0xff)
        return try ICMPExtensions(parsing: bytes.bytes)
    }

    @Test("Errors about others' packets are not ours", arguments: Way.all.filter { $0.payload == 56 })
    func foreignQuotes(way: Way) {
        let wire = Wire()
        let packet = wire.packet(way, 5)
        func quoted(_ change: (inout [UInt8]) -> Void) -> Response? {
            var changed = packet
            change(&changed)
            return wire.match(wire.error(changed, way), latest: 9)
        }
        let transport = way.headerLength
        switch way.method {
        case .icmpEcho, .icmpTimestamp:
            // A cookie stands above what a translator may have rewritten.
            #expect(quoted { $0[transport + 4] ^= 0x40 }?.isAuthentic == true)
            #expect(
                quoted {
                    $0[transport + 4] ^= 0x40
                    $0[transport + 8] ^= 0x40
                } == nil)
            #expect(quoted { $0[transport] = ICMPType.echoReply(way.version).rawValue } == nil)
        case .udp:
            #expect(quoted { $0[transport] ^= 0x40 }?.isAuthentic == true)
            #expect(quoted { $0[transport + 8] ^= 0x40 } == nil)
        case .tcpSYN:
            #expect(quoted { $0[transport] ^= 0x40 }?.isAuthentic == (way.version == .v4))
            #expect(
                quoted {
                    $0[transport] ^= 0x40
                    $0[transport + 7] ^= 0x40
                } == nil)
            #expect(quoted { $0[transport + 7] ^= 0x40 } == nil)
        case .ip: #expect(quoted { $0[transport] ^= 0x40 } == nil)
        }
        // Another upper layer, and a later fragment.
        #expect(quoted { $0[way.version == .v4 ? 9 : 6] = 132 } == nil)
        if way.version == .v4 { #expect(quoted { $0[7] = 1 } == nil) }
    }

    @Test("An error with a wrong checksum is not believed")
    func wrongChecksum() {
        let wire = Wire()
        let way = Way(method: .icmpEcho, version: .v4, payload: 56)
        var error = wire.error(wire.packet(way, 5), way)
        error[22] ^= 1
        #expect(wire.match(error, latest: 9) == nil)
    }

    @Test("Types and codes come through", arguments: [IPVersion.v4, .v6])
    func kinds(version: IPVersion) throws {
        let wire = Wire()
        let way = Way(method: .udp(destinationPort: 33_434), version: version, payload: 32)
        for code in 0...15 as ClosedRange<UInt8> {
            let error = wire.error(wire.packet(way, 5), way, type: .destinationUnreachable(version), code: code)
            let kind = try #require(wire.match(error, latest: 9)).kind
            #expect(kind.isDestinationUnreachable(version) && !kind.isTimeExceeded(version))
            #expect(kind.isPortUnreachable(version) == (code == (version == .v4 ? 3 : 4)))
            #expect((kind.nextHopMTU(version) != nil) == (version == .v4 && code == 4))
        }
    }

    @Test("The error queue tells the same as a raw socket", arguments: Way.all.filter { !$0.isTCP })
    func errorQueue(way: Way) throws {
        let wire = Wire()
        let rung: Driver.Rung = way.isUDP ? .udpSocket : .pingSocket
        let labels = try extensions()
        for number: UInt64 in [1, 65_537, 0x1_0000_0003] {
            let packet = wire.packet(way, number)
            for (quote, added) in [
                (Int.max, nil), (Int.max, labels), (way.headerLength + 8, nil), (way.headerLength + 8, labels),
            ] {
                let error = wire.error(packet, way, quoting: quote, extensions: added)
                let found = try #require(wire.match(error, latest: number, rung))
                let isNameless = way.isUDP && (quote < .max || way.payload < 12)
                #expect(found.probe?.rawValue == (isNameless ? nil : number))
                #expect(found.quotedDestination == way.destination && found.responder == way.router)
                #expect(found.kind.isTimeExceeded(way.version))
                #expect(found.detail?.extensions == added)
            }
        }
    }

    @Test("The error queue's quotes of others are not ours")
    func foreignErrorQueue() {
        let wire = Wire()
        let ping = Way(method: .icmpEcho, version: .v4, payload: 56)
        var packet = wire.packet(ping, 5)
        packet[24] ^= 0x40
        packet[28] ^= 0x40
        #expect(wire.match(wire.error(packet, ping), latest: 9, .pingSocket) == nil)
        let datagram = Way(method: .udp(destinationPort: 33_434), version: .v4, payload: 56)
        packet = wire.packet(datagram, 5)
        packet[30] ^= 0x40
        #expect(wire.match(wire.error(packet, datagram), latest: 9, .udpSocket) == nil)
    }
}

@Suite struct CodecHostilityTests {
    @Test("No bytes make a matcher trap", arguments: 0..<20 as Range<UInt64>)
    func anyBytes(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let wire = Wire()
        let packets = Way.all.filter { $0.payload <= 57 }.flatMap { way -> [[UInt8]] in
            let packet = wire.packet(way, 5)
            return [packet, wire.error(packet, way), way.isTCP ? packet : wire.echo(packet, way)]
        }
        for _ in 0..<400 {
            var bytes: [UInt8]
            if generator.number(below: 4) == 0 {
                bytes = (0..<generator.number(below: 120)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            } else {
                bytes = packets[Int(generator.number(below: UInt64(packets.count)))]
                for _ in 0..<generator.number(below: 6) where !bytes.isEmpty {
                    bytes[Int(generator.number(below: UInt64(bytes.count)))] = UInt8(
                        truncatingIfNeeded: generator.next())
                }
                if generator.number(below: 3) == 0 {
                    bytes = Array(bytes.prefix(Int(generator.number(below: UInt64(bytes.count + 1)))))
                }
            }
            matchEverything(bytes, &generator)
        }
    }

    private func matchEverything(_ bytes: [UInt8], _ generator: inout SeededGenerator) {
        let codec = ProbeCodec(
            identity: ProbeIdentity(
                identifier: 0x4d00, identifierCount: 1 << UInt16(generator.number(below: 9)),
                sourcePorts: generator.number(below: 2) == 0 ? 0..<0 : 40_000..<40_064, cookies: Ours.cookies))
        let arrival = Arrival(
            source: Ours.address("192.0.2.1"), stamp: Stamp(nanoseconds: 1, clock: .kernel), time: .ms(1))
        let numbers: [UInt64] = [0, 1, 5, 65_536, UInt64(UInt32.max), 1 << 40, .max]
        let latest = ProbeID(rawValue: numbers[Int(generator.number(below: 7))])
        func isKnown(_ response: Response?) -> Bool {
            guard let id = response?.probe else { return true }
            return id.rawValue > 0 && id <= latest
        }
        for cut in Set([0, 8, 20, 28, 40]) {
            let part = bytes.bytes.from(cut)
            #expect(isKnown(codec.matchIPv4Packet(part, arrival, latest: latest)))
            #expect(isKnown(codec.matchSegment(part, arrival, latest: latest)))
            #expect(isKnown(codec.matchDatagram(part, arrival, latest: latest)))
            for version in [IPVersion.v4, .v6] {
                #expect(
                    isKnown(codec.matchICMP(part, version, arrival, verifyChecksum: false, latest: latest)))
            }
            let error = QueuedError(
                type: ICMPType(rawValue: UInt8(truncatingIfNeeded: generator.next())), code: 0, info: .max,
                destination: Ours.address("192.0.2.2"),
                extensionOffset: [nil, -1, 0, 8, part.byteCount, part.byteCount + 1, .max, .min][
                    Int(generator.number(below: 8))])
            for isICMP in [false, true] {
                #expect(
                    isKnown(codec.matchQueuedError(error, quoting: part, isICMP: isICMP, arrival, latest: latest)))
            }
        }
    }
}

@Suite struct IdentificationTests {
    /// The kernel replaces 0, in each fragment by another number.
    @Test(arguments: [1, 65_535, 65_536, 65_537, 1 << 32] as [UInt64])
    func ipv4IdentificationIsNeverZero(number: UInt64) throws {
        let way = Way(method: .icmpEcho, version: .v4, payload: 56)
        let packet = Wire().packet(way, number)
        #expect(try IPv4Header(parsing: packet.bytes).identification != 0)
    }
}
