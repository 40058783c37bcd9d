import PacketFormats
import Testing

@Suite struct UDPHeaderTests {
    @Test(arguments: [(IPVersion.v4, "8235829a 000b1c52 78797a"), (.v6, "8235829a 000bad19 78797a")])
    func goldenBytes(_ version: IPVersion, _ text: String) throws {
        let bytes = hex(text)
        let datagram = try written { output throws(PacketError) in
            try UDPHeader(sourcePort: 0x8235, destinationPort: 33434).write(to: &output)
            output.append(contentsOf: Array("xyz".utf8).bytes)
            UDPHeader.complete(
                from: 0, in: &output, source: Ends.source(version), destination: Ends.destination(version))
        }
        #expect(datagram == bytes)
        let header = try UDPHeader(parsing: bytes.bytes)
        #expect(header.sourcePort == 0x8235 && header.destinationPort == 33434 && header.length == 11)
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(
            source: Ends.source(version), destination: Ends.destination(version), proto: .udp, length: 11)
        checksum.add(bytes.bytes)
        #expect(checksum.verifies)
        // `write` keeps what was parsed, so that a router's quote can be built.
        #expect(try written { output throws(PacketError) in try header.write(to: &output) } == Array(bytes.prefix(8)))
    }

    @Test func sumOfZeroIsWrittenAsAllOnes() throws {
        let datagram = try written { output throws(PacketError) in
            try UDPHeader(sourcePort: 1, destinationPort: 2).write(to: &output)
            output.append(UInt16(0x139b))
            UDPHeader.complete(from: 0, in: &output, source: Ends.source(.v4), destination: Ends.destination(.v4))
        }
        #expect(datagram == hex("00010002 000affff 139b"))
    }

    @Test(arguments: 0..<8)
    func truncated(_ length: Int) {
        let bytes = [UInt8](repeating: 1, count: length)
        #expect(
            failure { () throws(PacketError) in _ = try UDPHeader(parsing: bytes.bytes) }
                == .truncated(needed: 8, available: length))
        #expect(throws: PacketError.truncated(needed: 8, available: length)) {
            try written(capacity: length) { output throws(PacketError) in
                try UDPHeader(sourcePort: 1, destinationPort: 2).write(to: &output)
            }
        }
    }
}

@Suite struct TCPHeaderTests {
    static let options: TCPOptions = [
        .maximumSegmentSize(1460), .selectiveAcknowledgmentPermitted, .timestamps(value: 0x0102_0304, echoReply: 0),
        .noOperation, .windowScale(7),
    ]
    static let optionBytes = hex("020405b4 0402 080a 01020304 00000000 01 030307")
    static let segment = hex("c00001bb 01020304 00000000 a002faf0 970b0000") + optionBytes

    static func syn() throws -> TCPHeader {
        TCPHeader(
            sourcePort: 0xc000, destinationPort: 443, sequenceNumber: 0x0102_0304, flags: .syn, window: 64240,
            options: try options.encoded())
    }

    @Test(arguments: [(IPVersion.v4, "970b"), (.v6, "27d3")])
    func goldenBytes(_ version: IPVersion, _ checksum: String) throws {
        let bytes = hex("c00001bb 01020304 00000000 a002faf0" + checksum + "0000") + Self.optionBytes
        let header = try Self.syn()
        let segment = try written { output throws(PacketError) in
            try header.write(to: &output)
            TCPHeader.complete(
                from: 0, in: &output, source: Ends.source(version), destination: Ends.destination(version))
        }
        #expect(segment == bytes)
        var parsed = try TCPHeader(parsing: bytes.bytes)
        #expect(parsed.headerLength == 40)
        parsed.checksum = 0
        #expect(parsed == header)
        let area = parsed.options
        #expect(try TCPOptions(parsing: area.bytes) == Self.options)
    }

    @Test func everyFieldHasItsPlace() throws {
        let bytes = hex("0102 0304 05060708 090a0b0c 50ff 0d0e 0f10 1112")
        let header = try TCPHeader(parsing: bytes.bytes)
        #expect(header.sourcePort == 0x0102 && header.destinationPort == 0x0304)
        #expect(header.sequenceNumber == 0x0506_0708 && header.acknowledgmentNumber == 0x090a_0b0c)
        #expect(header.flags == [.fin, .syn, .rst, .psh, .ack, .urg, .ece, .cwr])
        #expect(header.window == 0x0d0e && header.checksum == 0x0f10 && header.urgentPointer == 0x1112)
        let again = try written { output throws(PacketError) in try header.write(to: &output) }
        #expect(again == hex("0102 0304 05060708 090a0b0c 50ff 0d0e 0000 1112"))
    }

    @Test func oddOptionsArePadded() throws {
        let header = TCPHeader(
            sourcePort: 1, destinationPort: 2, sequenceNumber: 3, flags: .syn, options: hex("030307"))
        let bytes = try written { output throws(PacketError) in try header.write(to: &output) }
        #expect(Array(bytes.suffix(4)) == hex("03030700"))
        #expect(bytes[12] == 0x60)
    }

    @Test(arguments: 0..<40)
    func truncated(_ length: Int) throws {
        let header = try Self.syn()
        let bytes = try written { output throws(PacketError) in try header.write(to: &output) }
        let cut = Array(bytes.prefix(length))
        #expect(
            failure { () throws(PacketError) in _ = try TCPHeader(parsing: cut.bytes) }
                == .truncated(needed: length < 20 ? 20 : 40, available: length))
    }

    @Test(arguments: [UInt8(0x00), 0x10, 0x40])
    func impossibleDataOffset(_ octet: UInt8) {
        var bytes = [UInt8](repeating: 0, count: 60)
        bytes[12] = octet
        #expect(
            failure { () throws(PacketError) in _ = try TCPHeader(parsing: bytes.bytes) }
                == .invalidLength(field: "dataOffset", value: Int(octet >> 4) * 4))
    }

    @Test func whatCanNotBeWritten() {
        let header = TCPHeader(
            sourcePort: 1, destinationPort: 2, sequenceNumber: 3, flags: .syn,
            options: [UInt8](repeating: 1, count: 41))
        #expect(throws: PacketError.invalidLength(field: "options", value: 41)) {
            try written { output throws(PacketError) in try header.write(to: &output) }
        }
    }
}

@Suite struct TCPOptionTests {
    @Test(
        arguments: [
            ("", []),
            ("00", []),
            ("01 01 00 ff", [.noOperation, .noOperation]),
            ("0204ffff", [.maximumSegmentSize(65_535)]),
            ("0203ff", [.unknown(kind: 2, data: [0xff])]),
            ("030400 00", [.unknown(kind: 3, data: [0, 0])]),
            ("0402", [.selectiveAcknowledgmentPermitted]),
            ("050a 00000001 00000002", [.unknown(kind: 5, data: hex("00000001 00000002"))]),
            ("2202", [.unknown(kind: 34, data: [])]),
        ] as [(String, [TCPOption])])
    func parses(_ text: String, _ options: [TCPOption]) throws {
        let bytes = hex(text)
        let parsed = try TCPOptions(parsing: bytes.bytes)
        #expect(Array(parsed) == options)
        let encoded = try parsed.encoded()
        #expect(encoded.count % 4 == 0)
        #expect(try TCPOptions(parsing: encoded.bytes) == parsed)
    }

    @Test(arguments: ["02", "0200", "0201", "0205 0000", "01 01 08", "ff28"])
    func malformed(_ text: String) {
        let bytes = hex(text)
        #expect(failure { () throws(PacketError) in _ = try TCPOptions(parsing: bytes.bytes) } != nil)
    }

    @Test(arguments: [
        TCPOptions([TCPOption](repeating: .timestamps(value: 0, echoReply: 0), count: 5)),
        [.unknown(kind: 0, data: [])], [.unknown(kind: 1, data: [])],
        [.unknown(kind: 77, data: [UInt8](repeating: 0, count: 300))],
    ])
    func whatCanNotBeWritten(_ options: TCPOptions) {
        #expect(throws: PacketError.self) { try options.encoded() }
    }

    @Test func areaOfMoreThan40Octets() {
        let bytes = [UInt8](repeating: 1, count: 41)
        #expect(
            failure { () throws(PacketError) in _ = try TCPOptions(parsing: bytes.bytes) }
                == .invalidLength(field: "options", value: 41))
    }
}
