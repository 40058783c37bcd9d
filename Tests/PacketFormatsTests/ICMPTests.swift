import PacketFormats
import Testing

@Suite struct ICMPHeaderTests {
    @Test func echoRequestForIPv4() throws {
        let bytes = hex("0800bc03 12340001 6162636465")
        let header = ICMPHeader(echo: .echoRequest(.v4), identifier: 0x1234, sequenceNumber: 1)
        let message = try written { output throws(PacketError) in
            try header.write(to: &output)
            output.append(contentsOf: Array("abcde".utf8).bytes)
            ICMPHeader.writeChecksum(of: 0, in: &output)
        }
        #expect(message == bytes)
        let parsed = try ICMPHeader(parsing: bytes.bytes)
        #expect(parsed.type == ICMPType.V4.echoRequest)
        #expect(parsed.identifier == 0x1234 && parsed.sequenceNumber == 1 && parsed.checksum == 0xbc03)
        #expect(InternetChecksum.of(bytes.bytes) == 0)
    }

    @Test func echoRequestForIPv6BehindAnotherHeader() throws {
        let header = ICMPHeader(echo: .echoRequest(.v6), identifier: 0x1234, sequenceNumber: 0xfffe)
        let message = try written { output throws(PacketError) in
            output.append(repeating: 0xee, count: 40)
            try header.write(to: &output)
            output.append(contentsOf: Array("abcde".utf8).bytes)
            ICMPHeader.writeChecksum(
                of: 40, in: &output, source: Ends.source6, destination: Ends.destination6)
        }
        #expect(Array(message.dropFirst(40)) == hex("8000e848 1234fffe 6162636465"))
    }

    @Test(arguments: 0..<8)
    func truncated(_ length: Int) {
        let bytes = [UInt8](repeating: 8, count: length)
        #expect(
            failure { () throws(PacketError) in _ = try ICMPHeader(parsing: bytes.bytes) }
                == .truncated(needed: 8, available: length))
    }

    @Test func doesNotFit() {
        #expect(throws: PacketError.truncated(needed: 8, available: 7)) {
            try written(capacity: 7) { output throws(PacketError) in
                try ICMPHeader(type: .echoReply(.v4)).write(to: &output)
            }
        }
    }

    @Test func unknownNumbersSurvive() throws {
        let bytes = hex("fdc8abcd 01020304")
        let header = try ICMPHeader(parsing: bytes.bytes)
        #expect(header.type.rawValue == 0xfd && header.code == 0xc8 && header.rest == 0x0102_0304)
        let again = try written { output throws(PacketError) in try header.write(to: &output) }
        #expect(again == hex("fdc80000 01020304"))
    }

    /// What the four octets behind the checksum mean: gateway, pointer, MTU.
    @Test(
        arguments: [
            (IPVersion.v4, "05010000 c0000209", "192.0.2.9", nil, nil),
            (.v6, "05010000 c0000209", nil, nil, nil),
            (.v4, "0c000000 14000000", nil, 20, nil),
            (.v4, "0c000000 14200000", nil, 20, nil),
            (.v6, "04010000 00000028", nil, 40, nil),
            (.v6, "04010000 ffffffff", nil, 4_294_967_295, nil),
            (.v4, "03040000 00000578", nil, nil, 1400),
            (.v4, "03040000 00200578", nil, nil, 1400),
            (.v4, "03040000 00000000", nil, nil, nil),
            (.v4, "03010000 00000578", nil, nil, nil),
            (.v6, "02000000 00000500", nil, nil, 1280),
            (.v6, "02000000 ffffffff", nil, nil, 4_294_967_295),
            (.v6, "03040000 00000578", nil, nil, nil),
            (.v4, "0b000000 00000578", nil, nil, nil),
        ] as [(IPVersion, String, String?, Int?, Int?)])
    func rest(_ version: IPVersion, _ bytes: String, _ gateway: String?, _ pointer: Int?, _ mtu: Int?) throws {
        let octets = hex(bytes)
        let header = try ICMPHeader(parsing: octets.bytes)
        #expect(header.gateway(version)?.description == gateway)
        #expect(header.pointer(version) == pointer)
        #expect(header.mtu(version) == mtu)
    }

    @Test func typesThatQuote() {
        let v4 = (0...255).filter { ICMPType(rawValue: $0).quotesPacket(.v4) }
        #expect(v4 == [3, 4, 5, 11, 12])
        let v6 = (0...255).filter { ICMPType(rawValue: $0).quotesPacket(.v6) }
        #expect(v6 == Array(0...127))
    }

    @Test func typesThatCarryExtensions() {
        #expect((0...255).filter { ICMPType(rawValue: $0).carriesExtensions(.v4) } == [3, 11, 12])
        #expect((0...255).filter { ICMPType(rawValue: $0).carriesExtensions(.v6) } == [1, 3])
    }
}

@Suite struct ICMPTimestampTests {
    static let request = hex("0d00ee12 01020003 000003e8 00000000 00000000")
    static let reply = hex("0e00598a 01020003 000003e8 000007d0 80000bb8")

    @Test func goldenBytes() throws {
        let request = ICMPTimestampMessage(
            identifier: 0x0102, sequenceNumber: 3, originate: InternetTimestamp(milliseconds: 1000))
        #expect(try written { output throws(PacketError) in try request.write(to: &output) } == Self.request)
        let reply = ICMPTimestampMessage(
            replyTo: request, receive: InternetTimestamp(milliseconds: 2000),
            transmit: InternetTimestamp(rawValue: 0x8000_0bb8))
        #expect(try written { output throws(PacketError) in try reply.write(to: &output) } == Self.reply)
    }

    @Test func parses() throws {
        let reply = try ICMPTimestampMessage(parsing: Self.reply.bytes)
        #expect(reply.header.type == ICMPType.V4.timestampReply)
        #expect(reply.header.identifier == 0x0102 && reply.header.sequenceNumber == 3)
        #expect(reply.originate.milliseconds == 1000 && reply.receive.milliseconds == 2000)
        #expect(reply.transmit.milliseconds == nil)
    }

    @Test func refusesOtherTypesAndShortMessages() {
        let echo = hex("0800ee12 01020003 000003e8 00000000 00000000")
        #expect(
            failure { () throws(PacketError) in _ = try ICMPTimestampMessage(parsing: echo.bytes) }
                == .invalidValue(field: "type", value: 8))
        let short = Array(Self.request.dropLast())
        #expect(
            failure { () throws(PacketError) in _ = try ICMPTimestampMessage(parsing: short.bytes) }
                == .truncated(needed: 20, available: 19))
    }

    @Test func timesOfDayWrapAtMidnight() {
        #expect(InternetTimestamp(milliseconds: 86_400_000).rawValue == 0)
        #expect(InternetTimestamp(milliseconds: .max).milliseconds == UInt32.max % 86_400_000)
    }
}

@Suite struct ICMPExtendedEchoTests {
    static let requests: [(ICMPExtendedEchoRequest, IPVersion, [UInt8])] = [
        (
            ICMPExtendedEchoRequest(
                identifier: 0x1234, sequenceNumber: 9, interface: .name(Array("eth0.100".utf8))), .v4,
            hex("2a00baca 12340901 2000b0ec 000c0301 65746830 2e313030")
        ),
        (
            ICMPExtendedEchoRequest(identifier: 0x1234, sequenceNumber: 9, interface: .name(Array("eth10".utf8))), .v4,
            hex("2a00baca 12340901 2000df4c 000c0301 65746831 30000000")
        ),
        (
            ICMPExtendedEchoRequest(identifier: 0x1234, sequenceNumber: 9, isLocal: false, interface: .index(5)), .v6,
            hex("a000e907 12340900 2000dcf0 00080302 00000005")
        ),
        (
            ICMPExtendedEchoRequest(
                identifier: 0x1234, sequenceNumber: 9, interface: .address(.v4(IPv4Address(192, 0, 2, 9)))), .v4,
            hex("2a00baca 12340901 200016e6 000c0303 00010400 c0000209")
        ),
    ]

    @Test(arguments: requests)
    func goldenRequests(_ request: ICMPExtendedEchoRequest, _ version: IPVersion, _ bytes: [UInt8]) throws {
        let message = try written { output throws(PacketError) in
            try request.write(to: &output, source: Ends.source(version), destination: Ends.destination(version))
        }
        #expect(message == bytes)
        #expect(try ICMPExtendedEchoRequest(parsing: bytes.bytes, version: version) == request)
    }

    @Test func goldenReplies() throws {
        let active = ICMPExtendedEchoReply(
            identifier: 0x1234, sequenceNumber: 9, state: .reachable, isActive: true, runsIPv4: true)
        let v4 = hex("2b00b985 12340946")
        #expect(
            try written { output throws(PacketError) in
                try active.write(to: &output, source: Ends.destination(.v4), destination: Ends.source(.v4))
            } == v4)
        #expect(try ICMPExtendedEchoReply(parsing: v4.bytes, version: .v4) == active)

        let none = ICMPExtendedEchoReply(code: .noSuchInterface, identifier: 0x1234, sequenceNumber: 9)
        let v6 = hex("a102e811 12340900")
        #expect(
            try written { output throws(PacketError) in
                try none.write(to: &output, source: Ends.destination(.v6), destination: Ends.source(.v6))
            } == v6)
        #expect(try ICMPExtendedEchoReply(parsing: v6.bytes, version: .v6) == none)
    }

    @Test func addressOfTheOtherVersion() throws {
        let request = ICMPExtendedEchoRequest(
            identifier: 1, sequenceNumber: 2, interface: .address(.v6(Ends.source6)))
        let message = try written { output throws(PacketError) in
            try request.write(to: &output, source: Ends.source(.v4), destination: Ends.destination(.v4))
        }
        #expect(try ICMPExtendedEchoRequest(parsing: message.bytes, version: .v4) == request)
    }

    /// Requests without exactly one well-formed identification; a checksum of zero is none.
    @Test(arguments: [
        "2a000000 12340901",
        "2a000000 12340901 20000000",
        "2a000000 12340901 20000000 00080101 03e84a01",
        "2a000000 12340901 20000000 00080302 00000005 00080302 00000005",
        "2a000000 12340901 20000000 00040301",
        "2a000000 12340901 20000000 00060302 0005",
        "2a000000 12340901 20000000 000c0303 00020400 c0000209",
        "2a000000 12340901 20000000 000c0303 00010500 c0000209",
        "2a000000 12340901 20000000 00080309 00000005",
        "08000000 12340901 20000000 00080302 00000005",
    ])
    func malformedRequests(_ text: String) {
        let bytes = hex(text)
        #expect(
            failure { () throws(PacketError) in _ = try ICMPExtendedEchoRequest(parsing: bytes.bytes, version: .v4) }
                != nil)
    }

    @Test func whatCanNotBeWritten() {
        let reply = ICMPExtendedEchoReply(identifier: 1, sequenceNumber: 1, state: .init(rawValue: 8))
        #expect(throws: PacketError.invalidValue(field: "state", value: 8)) {
            try written { output throws(PacketError) in
                try reply.write(to: &output, source: Ends.source(.v4), destination: Ends.destination(.v4))
            }
        }
        let request = ICMPExtendedEchoRequest(
            identifier: 1, sequenceNumber: 1, interface: .name([UInt8](repeating: 0x61, count: 257)))
        #expect(throws: PacketError.invalidLength(field: "payload", value: 260)) {
            try written { output throws(PacketError) in
                try request.write(to: &output, source: Ends.source(.v4), destination: Ends.destination(.v4))
            }
        }
    }
}
