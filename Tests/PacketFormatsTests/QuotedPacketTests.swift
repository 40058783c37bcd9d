import PacketFormats
import Testing

@Suite struct QuotedPacketTests {
    /// A UDP probe over IPv4 as the router that let it expire quotes it.
    static let udp4 = hex("45b90020 00774000 01118c61 c0000201 c6336407 c001829a 000cbeef 636f6f6b")
    static let ends6 = "20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002"

    static func ipv6(next: IPProtocol, _ rest: [UInt8]) -> [UInt8] {
        hex("6a5bcdef 0123") + [next.rawValue, 1] + hex(ends6) + rest
    }

    @Test func everyFieldOfIPv4() throws {
        let quote = try QuotedPacket(parsing: Self.udp4.bytes, version: .v4)
        #expect(quote.version == .v4)
        #expect(quote.source == .v4(Ends.source4) && quote.destination == .v4(Ends.destination4))
        #expect(quote.trafficClass == 0xb9 && quote.hopLimit == 1 && quote.totalLength == 32)
        #expect(quote.identification == 0x77 && quote.dontFragment && quote.fragmentOffset == 0)
        #expect(quote.flowLabel == 0 && quote.proto == .udp)
        #expect(
            quote.transport
                == .udp(UDPHeader(sourcePort: 0xc001, destinationPort: 33434, length: 12, checksum: 0xbeef)))
        #expect(quote.payload == Array("cook".utf8))
    }

    @Test func everyFieldOfIPv6() throws {
        let bytes = Self.ipv6(next: .icmpv6, hex("8000abcd 12340007") + [9])
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v6)
        #expect(quote.version == .v6)
        #expect(quote.source == .v6(Ends.source6) && quote.destination == .v6(Ends.destination6))
        #expect(quote.trafficClass == 0xa5 && quote.hopLimit == 1 && quote.totalLength == 40 + 0x123)
        #expect(quote.identification == 0 && !quote.dontFragment && quote.fragmentOffset == 0)
        #expect(quote.flowLabel == 0xbcdef && quote.proto == .icmpv6)
        guard case .icmp(let header) = quote.transport else { Issue.record("\(quote.transport)"); return }
        #expect(header.identifier == 0x1234 && header.sequenceNumber == 7 && header.checksum == 0xabcd)
        #expect(quote.payload == [9])
    }

    @Test func whatRoutersSpoilIsNoError() throws {
        var bytes = Self.udp4
        bytes[2] = 0x20  // the total length in the other byte order
        bytes[3] = 0
        bytes[10] ^= 0xff  // the checksum
        bytes[8] = 0  // the hop limit
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v4)
        #expect(quote.totalLength == 0x2000 && quote.hopLimit == 0)
        #expect(quote.payload == Array("cook".utf8))
    }

    @Test(arguments: 20...32)
    func cutQuotesOfIPv4(_ length: Int) throws {
        let bytes = Array(Self.udp4.prefix(length))
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v4)
        #expect((quote.transport == .truncated) == (length < 28))
        #expect(quote.payload.count == max(0, length - 28))
        #expect(quote.proto == .udp)
    }

    @Test(arguments: 0..<20)
    func withoutAnIPHeaderThereIsNothing(_ length: Int) {
        let bytes = Array(Self.udp4.prefix(length))
        #expect(
            failure { () throws(PacketError) in _ = try QuotedPacket(parsing: bytes.bytes, version: .v4) }
                == .truncated(needed: 20, available: length))
    }

    @Test func otherVersionIsAnError() {
        let bytes = Self.udp4 + Self.udp4
        #expect(
            failure { () throws(PacketError) in _ = try QuotedPacket(parsing: bytes.bytes, version: .v6) }
                == .wrongVersion(expected: 6, found: 4))
    }

    @Test func optionsAreSkipped() throws {
        let bytes = hex("46000020 00774000 0111beef c0000201 c6336407 94040000 c001829a 000cbeef 63")
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v4)
        guard case .udp(let header) = quote.transport else { Issue.record("\(quote.transport)"); return }
        #expect(header.sourcePort == 0xc001 && quote.payload == [0x63])
    }

    /// Protocol and upper layer; ICMP of the other version is just another protocol.
    @Test(arguments: [(IPProtocol.icmpv6, true), (.icmp, false), (IPProtocol(rawValue: 132), false)])
    func otherProtocols(_ proto: IPProtocol, _ isKnown: Bool) throws {
        let bytes = Self.ipv6(next: proto, hex("0800abcd 12340007"))
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v6)
        #expect((quote.transport != .other) == isKnown)
        #expect(quote.payload.count == (isKnown ? 0 : 8))
        #expect(quote.proto == proto)
    }

    @Test func laterFragmentsHaveNoTransport() throws {
        var bytes = Self.udp4
        bytes[6] = 0x20
        bytes[7] = 0xb9
        let quote4 = try QuotedPacket(parsing: bytes.bytes, version: .v4)
        #expect(quote4.fragmentOffset == 1480 && quote4.transport == .other && quote4.payload.count == 12)
        let bytes6 = Self.ipv6(next: .fragment, hex("110005a9 00000001 0102030405060708"))
        let quote6 = try QuotedPacket(parsing: bytes6.bytes, version: .v6)
        #expect(quote6.fragmentOffset == 1448 && quote6.transport == .other && quote6.proto == .udp)
        #expect(quote6.payload == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test func extensionHeadersAreSteppedOver() throws {
        let bytes = Self.ipv6(
            next: .hopByHopOptions, hex("2c00 050200000100 1100 0001 00000001 c001829a 000cbeef 63"))
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v6)
        #expect(quote.proto == .udp && quote.fragmentOffset == 0 && quote.payload == [0x63])
        guard case .udp = quote.transport else { Issue.record("\(quote.transport)"); return }
    }

    @Test(arguments: 40..<56)
    func chainsThatAreCutOff(_ length: Int) throws {
        let bytes = Array(Self.ipv6(next: .hopByHopOptions, hex("2c00 050200000100 1100 0001 00000001")).prefix(length))
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v6)
        #expect(quote.transport == .truncated)
        #expect(quote.payload.isEmpty)
    }

    static let tcp =
        hex(
            "45000030 00774000 0106beef c0000201 c6336407 c00001bb 01020304 00000000 7002faf0 970b0000 020405b4 01010402"
        )
        + [0xaa, 0xbb]

    @Test func wholeTCPHeader() throws {
        let quote = try QuotedPacket(parsing: Self.tcp.bytes, version: .v4)
        guard case .tcp(let header) = quote.transport else { Issue.record("\(quote.transport)"); return }
        #expect(header.sourcePort == 0xc000 && header.destinationPort == 443 && header.sequenceNumber == 0x0102_0304)
        #expect(header.flags == .syn)
        #expect(header.header?.options == hex("020405b4 01010402"))
        #expect(quote.payload == [0xaa, 0xbb])
    }

    @Test(arguments: 20..<48)
    func cutTCPHeader(_ length: Int) throws {
        let bytes = Array(Self.tcp.prefix(length))
        let quote = try QuotedPacket(parsing: bytes.bytes, version: .v4)
        #expect(quote.payload.isEmpty)
        guard case .tcp(let header) = quote.transport else {
            #expect(quote.transport == .truncated && length < 28)
            return
        }
        #expect(length >= 28)
        #expect(header.sequenceNumber == 0x0102_0304 && header.header == nil)
        #expect(header.flags == (length < 34 ? nil : .syn))
    }

    @Test func payloadIsBounded() throws {
        let bytes = Self.udp4 + [UInt8](repeating: 1, count: 65_000)
        #expect(try QuotedPacket(parsing: bytes.bytes, version: .v4).payload.count == QuotedPacket.maximumPayload)
    }
}

@Suite struct ICMPErrorMessageTests {
    static let extensions = ICMPExtensionTests.golden[1].0
    static let udp4 = hex("45000020 00770000 0111cd1a c0000201 c6336407 c001829a 000cbeef 636f6f6b")
    static let padding = [UInt8](repeating: 0, count: 96)
    static let extensionBytes = hex("2000792f 000c0101 03e84a01 05dc11fe")
    /// A time exceeded of a router that follows RFC 4884.
    static let compliant = hex("0b00206d 00200000") + udp4 + padding + extensionBytes

    static func message(
        _ header: ICMPHeader, _ version: IPVersion = .v4, quoting original: [UInt8],
        extensions: ICMPExtensions? = nil, form: ICMPErrorMessage.ExtensionForm = .compliant, capacity: Int = 4096
    ) throws -> [UInt8] {
        try written(capacity: capacity) { output throws(PacketError) in
            try ICMPErrorMessage.write(
                header, quoting: original.bytes, extensions: extensions, form: form, source: Ends.source(version),
                destination: Ends.destination(version), to: &output)
        }
    }

    @Test func goldenBytes() throws {
        let message = try Self.message(
            ICMPHeader(type: .timeExceeded(.v4)), quoting: Self.udp4, extensions: Self.extensions)
        #expect(message == Self.compliant)
        let parsed = try ICMPErrorMessage(parsing: Self.compliant.bytes, version: .v4)
        #expect(parsed.header.type == .timeExceeded(.v4) && parsed.header.checksum == 0x206d)
        #expect(parsed.extensions == Self.extensions)
        #expect(parsed.quoted?.payload == Array("cook".utf8) + Self.padding)
    }

    @Test func oldRoutersGiveNoLength() throws {
        let message = try Self.message(
            ICMPHeader(type: .timeExceeded(.v4)), quoting: Self.udp4, extensions: Self.extensions, form: .noLength)
        #expect(Array(message[4..<8]) == [0, 0, 0, 0])
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: .v4)
        #expect(parsed.extensions == Self.extensions)
        #expect(parsed.quoted?.payload == Array("cook".utf8) + Self.padding)
    }

    @Test func oldRoutersCutTheOriginal() throws {
        let original = Self.udp4 + [UInt8](repeating: 7, count: 500)
        let message = try Self.message(
            ICMPHeader(type: .timeExceeded(.v4)), quoting: original, extensions: Self.extensions, form: .noLength)
        #expect(message.count == 8 + 128 + Self.extensionBytes.count)
        #expect(try ICMPErrorMessage(parsing: message.bytes, version: .v4).extensions == Self.extensions)
    }

    /// Without a length only a good checksum tells extensions from the middle of the original datagram.
    @Test(arguments: ["2000792e", "20000000", "1000792f", "2000"])
    func withoutLengthAndChecksumThereAreNoExtensions(_ head: String) throws {
        let tail = hex(head) + (head.count < 8 ? [] : Self.extensionBytes.dropFirst(4))
        let message = hex("0b000000 00000000") + Self.udp4 + Self.padding + tail
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: .v4)
        #expect(parsed.extensions == nil)
        #expect(parsed.quoted?.payload == Array("cook".utf8) + Self.padding + tail)
    }

    @Test func badExtensionsLeaveTheQuote() throws {
        var message = Self.compliant
        message[message.count - 1] ^= 1
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: .v4)
        #expect(parsed.extensions == nil)
        #expect(parsed.quoted?.payload == Array("cook".utf8) + Self.padding)
    }

    /// Garbage in the octet that RFC 792 left unused must not hide the quote.
    @Test(arguments: [1, 8, 31, 36, 37, 255] as [UInt8])
    func garbageInTheLengthLeavesTheQuote(_ words: UInt8) throws {
        var message = Self.compliant
        message[5] = words
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: .v4)
        guard case .udp(let header)? = parsed.quoted?.transport else { Issue.record("no quote"); return }
        #expect(header.sourcePort == 0xc001)
        #expect(parsed.extensions == nil)
    }

    @Test func shortQuoteWithTrueExtensions() throws {
        let message = hex("0b000000 00080000") + Self.udp4 + Self.extensionBytes
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: .v4)
        #expect(parsed.extensions == Self.extensions)
        #expect(parsed.quoted?.payload == Array("cook".utf8))
    }

    @Test func lengthOfIPv6IsInWordsOfEight() throws {
        let original = QuotedPacketTests.ipv6(next: .udp, hex("c001829a 0123beef") + [UInt8](repeating: 3, count: 85))
        let message = try Self.message(
            ICMPHeader(type: .timeExceeded(.v6)), .v6, quoting: original, extensions: Self.extensions)
        #expect(Array(message[4..<8]) == [17, 0, 0, 0])
        #expect(message.count == 8 + 136 + Self.extensionBytes.count)
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: .v6)
        #expect(parsed.extensions == Self.extensions)
        #expect(parsed.quoted?.payload == [UInt8](repeating: 3, count: 85) + [0, 0, 0])
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(
            source: Ends.source(.v6), destination: Ends.destination(.v6), proto: .icmpv6, length: message.count)
        checksum.add(message.bytes)
        #expect(checksum.verifies)
    }

    @Test func lengthLeavesPointerAndMTU() throws {
        var header = ICMPHeader(type: .parameterProblem(.v4), rest: 20 << 24)
        let problem = try Self.message(header, quoting: Self.udp4, extensions: Self.extensions)
        #expect(try ICMPErrorMessage(parsing: problem.bytes, version: .v4).header.pointer(.v4) == 20)
        header = ICMPHeader(type: .destinationUnreachable(.v4), code: ICMPHeader.fragmentationNeeded, rest: 1400)
        let needed = try Self.message(header, quoting: Self.udp4, extensions: Self.extensions)
        let parsed = try ICMPErrorMessage(parsing: needed.bytes, version: .v4)
        #expect(parsed.header.mtu(.v4) == 1400 && parsed.extensions == Self.extensions)
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func withoutExtensionsNothingIsPadded(_ version: IPVersion) throws {
        let original = version == .v4 ? Self.udp4 : QuotedPacketTests.ipv6(next: .udp, hex("c001829a 0123beef"))
        let message = try Self.message(
            ICMPHeader(type: .destinationUnreachable(version), code: 3), version, quoting: original)
        #expect(message.count == 8 + original.count)
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: version)
        #expect(parsed.header.code == 3 && parsed.extensions == nil)
        let quoted = try QuotedPacket(parsing: original.bytes, version: version)
        #expect(parsed.quoted == quoted)
    }

    @Test func extensionsOnlyWhereTheyMayBe() throws {
        var message = Self.compliant
        message[0] = 4  // source quench
        #expect(try ICMPErrorMessage(parsing: message.bytes, version: .v4).extensions == nil)
        #expect(throws: PacketError.invalidValue(field: "type", value: 5)) {
            try Self.message(ICMPHeader(type: ICMPType.V4.redirect), quoting: Self.udp4, extensions: Self.extensions)
        }
        #expect(throws: PacketError.invalidValue(field: "type", value: 2)) {
            try Self.message(
                ICMPHeader(type: ICMPType.V6.packetTooBig), .v6, quoting: Self.udp4, extensions: Self.extensions)
        }
    }

    @Test func whatIsNoError() {
        let echo = hex("00000000 00000000")
        #expect(
            failure { () throws(PacketError) in _ = try ICMPErrorMessage(parsing: echo.bytes, version: .v4) }
                == .invalidValue(field: "type", value: 0))
        let short = hex("0b0000")
        #expect(
            failure { () throws(PacketError) in _ = try ICMPErrorMessage(parsing: short.bytes, version: .v4) }
                == .truncated(needed: 8, available: 3))
    }

    @Test func errorWithoutAQuote() throws {
        let message = hex("0b000000 00000000 45000020")
        let parsed = try ICMPErrorMessage(parsing: message.bytes, version: .v4)
        #expect(parsed.quoted == nil && parsed.extensions == nil)
    }

    @Test func addressesOfTwoVersionsAreRefused() {
        #expect(throws: PacketError.wrongVersion(expected: 6, found: 4)) {
            try written { output throws(PacketError) in
                try ICMPErrorMessage.write(
                    ICMPHeader(type: .timeExceeded(.v6)), quoting: Self.udp4.bytes, source: Ends.source(.v6),
                    destination: Ends.destination(.v4), to: &output)
            }
        }
    }

    @Test func longestOriginal() throws {
        let header = ICMPHeader(type: .timeExceeded(.v4))
        let original = Self.udp4 + [UInt8](repeating: 0, count: 1020 - Self.udp4.count)
        let message = try Self.message(header, quoting: original, extensions: Self.extensions)
        #expect(message[5] == 255)
        #expect(try ICMPErrorMessage(parsing: message.bytes, version: .v4).extensions == Self.extensions)
        #expect(throws: PacketError.invalidLength(field: "original", value: 1021)) {
            try Self.message(header, quoting: original + [0], extensions: Self.extensions)
        }
    }

    @Test func doesNotFit() {
        for capacity in 0..<Self.compliant.count {
            #expect(throws: PacketError.self) {
                try Self.message(
                    ICMPHeader(type: .timeExceeded(.v4)), quoting: Self.udp4, extensions: Self.extensions,
                    capacity: capacity)
            }
        }
    }
}
