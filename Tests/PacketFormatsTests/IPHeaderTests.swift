import PacketFormats
import Testing

@Suite struct IPv4HeaderTests {
    static let golden: [(IPv4Header, [UInt8])] = [
        (
            IPv4Header(
                source: Ends.source4, destination: Ends.destination4, proto: .icmp, hopLimit: 17, totalLength: 20,
                trafficClass: 0xb9, identification: 0xbeef, dontFragment: true),
            hex("45b90014 beef4000 1101be04 c0000201 c6336407")
        ),
        (
            IPv4Header(
                source: Ends.source4, destination: Ends.destination4, proto: .udp, hopLimit: 64, totalLength: 20,
                identification: 1, moreFragments: true, fragmentOffset: 185),
            hex("45000014 000120b9 40116de3 c0000201 c6336407")
        ),
        (
            IPv4Header(
                source: Ends.source4, destination: Ends.destination4, proto: .icmp, hopLimit: 64, totalLength: 32,
                options: hex("070b08 cb007109 00000000")),
            hex("48000020 00000000 4001725a c0000201 c6336407 070b08cb 00710900 00000000")
        ),
    ]

    @Test(arguments: golden)
    func goldenBytes(_ header: IPv4Header, _ bytes: [UInt8]) throws {
        #expect(try written { output throws(PacketError) in try header.write(to: &output) } == bytes)
        var parsed = try IPv4Header(parsing: bytes.bytes)
        #expect(parsed.headerLength == bytes.count)
        #expect(try written { output throws(PacketError) in try parsed.write(to: &output) } == bytes)
        parsed.checksum = 0
        parsed.options = Array(parsed.options.prefix(header.options.count))
        #expect(parsed == header)
    }

    @Test(arguments: 0..<20)
    func truncated(_ length: Int) {
        let bytes = Array(Self.golden[0].1.prefix(length))
        #expect(
            failure { () throws(PacketError) in _ = try IPv4Header(parsing: bytes.bytes) }
                == .truncated(needed: 20, available: length))
    }

    /// A first octet and what is said about it; the options of the third case are not there.
    @Test(
        arguments: [
            (0x65, PacketError.wrongVersion(expected: 4, found: 6)),
            (0x44, PacketError.invalidLength(field: "headerLength", value: 16)),
            (0x46, PacketError.truncated(needed: 24, available: 20)),
            (0x40, PacketError.invalidLength(field: "headerLength", value: 0)),
        ] as [(UInt8, PacketError)])
    func impossibleFirstOctet(_ octet: UInt8, _ error: PacketError) {
        var bytes = Self.golden[0].1
        bytes[0] = octet
        #expect(failure { () throws(PacketError) in _ = try IPv4Header(parsing: bytes.bytes) } == error)
        #expect(failure { () throws(PacketError) in _ = try IPv4Header(parsingQuoted: bytes.bytes) } == error)
    }

    @Test func wrongChecksumIsAnErrorOnlyOutsideOfAQuote() throws {
        var bytes = Self.golden[0].1
        bytes[8] &-= 1
        #expect(
            failure { () throws(PacketError) in _ = try IPv4Header(parsing: bytes.bytes) }
                == .wrongChecksum(found: 0xbe04))
        #expect(try IPv4Header(parsingQuoted: bytes.bytes).hopLimit == 16)
    }

    @Test func impossibleTotalLengthIsAnErrorOnlyOutsideOfAQuote() throws {
        var header = Self.golden[0].0
        header.totalLength = 19
        let bytes = try written { output throws(PacketError) in try header.write(to: &output) }
        #expect(
            failure { () throws(PacketError) in _ = try IPv4Header(parsing: bytes.bytes) }
                == .invalidLength(field: "totalLength", value: 19))
        #expect(try IPv4Header(parsingQuoted: bytes.bytes).totalLength == 19)
    }

    @Test func whatCanNotBeWritten() {
        var header = Self.golden[0].0
        let small = header
        #expect(throws: PacketError.truncated(needed: 20, available: 19)) {
            try written(capacity: 19) { output throws(PacketError) in try small.write(to: &output) }
        }
        header.fragmentOffset = 0x2000
        let far = header
        #expect(throws: PacketError.invalidValue(field: "fragmentOffset", value: 0x2000)) {
            try written { output throws(PacketError) in try far.write(to: &output) }
        }
        header.options = [UInt8](repeating: 1, count: 41)
        let long = header
        #expect(throws: PacketError.invalidLength(field: "options", value: 41)) {
            try written { output throws(PacketError) in try long.write(to: &output) }
        }
    }
}

@Suite struct IPv6HeaderTests {
    static let header = IPv6Header(
        source: Ends.source6, destination: Ends.destination6, nextHeader: .icmpv6, hopLimit: 63, payloadLength: 0x1234,
        trafficClass: 0xa5, flowLabel: 0xbcdef)
    static let bytes = hex(
        "6a5bcdef 12343a3f 20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002")

    @Test func goldenBytes() throws {
        #expect(try written { output throws(PacketError) in try Self.header.write(to: &output) } == Self.bytes)
        #expect(try IPv6Header(parsing: Self.bytes.bytes) == Self.header)
    }

    @Test(arguments: 0..<40)
    func truncated(_ length: Int) {
        let bytes = Array(Self.bytes.prefix(length))
        #expect(
            failure { () throws(PacketError) in _ = try IPv6Header(parsing: bytes.bytes) }
                == .truncated(needed: 40, available: length))
    }

    @Test func otherVersion() {
        var bytes = Self.bytes
        bytes[0] = 0x4a
        #expect(
            failure { () throws(PacketError) in _ = try IPv6Header(parsing: bytes.bytes) }
                == .wrongVersion(expected: 6, found: 4))
    }

    @Test func whatCanNotBeWritten() {
        var header = Self.header
        header.flowLabel = 0x10_0000
        let wide = header
        #expect(throws: PacketError.invalidValue(field: "flowLabel", value: 0x10_0000)) {
            try written { output throws(PacketError) in try wide.write(to: &output) }
        }
        #expect(throws: PacketError.truncated(needed: 40, available: 39)) {
            try written(capacity: 39) { output throws(PacketError) in try Self.header.write(to: &output) }
        }
    }
}

@Suite struct IPv6ExtensionHeaderTests {
    static let hopByHop = "2b 00 05020000 0100"
    static let routing = "3c 02 0401 00000000 20010db8000000000000000000000009"
    static let destinationOptions = "2c 01 010c 000000000000000000000000"
    static let firstFragment = "33 00 0001 deadbeef"
    static let authentication = "3a 04 0000 00000001 00000002 0102030405060708090a0b0c"

    @Test func everyKindInOneChain() {
        let bytes = hex(
            Self.hopByHop + Self.routing + Self.destinationOptions + Self.firstFragment + Self.authentication + "80 00")
        let chain = IPv6ExtensionHeaders(parsing: bytes.bytes, nextHeader: .hopByHopOptions)
        #expect(
            chain.elements.map(\.kind) == [
                .hopByHopOptions, .routing, .destinationOptions, .fragment, .authenticationHeader,
            ])
        #expect(chain.elements.map(\.offset) == [0, 8, 32, 48, 56])
        #expect(chain.elements.map(\.length) == [8, 24, 16, 8, 24])
        #expect(chain.proto == .icmpv6)
        #expect(chain.length == 80)
        #expect(chain.reachesUpperLayer)
        #expect(
            chain.fragment
                == IPv6FragmentHeader(
                    nextHeader: .authenticationHeader, fragmentOffset: 0, moreFragments: true,
                    identification: 0xdead_beef))
    }

    @Test func noneIsEmpty() {
        let empty: [UInt8] = []
        let chain = IPv6ExtensionHeaders(parsing: empty.bytes, nextHeader: .udp)
        #expect(chain.elements.isEmpty && chain.proto == .udp && chain.length == 0 && chain.reachesUpperLayer)
    }

    @Test(arguments: [IPProtocol.encapsulatingSecurityPayload, .noNextHeader, .tcp, IPProtocol(rawValue: 200)])
    func whatIsNoExtensionEndsTheWalk(_ proto: IPProtocol) {
        let bytes = [proto.rawValue] + [UInt8](repeating: 0, count: 7)
        let chain = IPv6ExtensionHeaders(parsing: bytes.bytes, nextHeader: .destinationOptions)
        #expect(chain.proto == proto && chain.length == 8 && chain.reachesUpperLayer)
    }

    @Test(arguments: 0..<80)
    func cutChains(_ length: Int) {
        let bytes = hex(
            Self.hopByHop + Self.routing + Self.destinationOptions + Self.firstFragment + Self.authentication)
        let cut = Array(bytes.prefix(length))
        let chain = IPv6ExtensionHeaders(parsing: cut.bytes, nextHeader: .hopByHopOptions)
        #expect(!chain.reachesUpperLayer)
        #expect(chain.length <= length)
        #expect(IPv6ExtensionHeaders.isExtension(chain.proto))
    }

    @Test func laterFragmentHasNoUpperLayer() {
        let bytes = hex("11 00 05a8 00000001 2b00000000000000")
        let chain = IPv6ExtensionHeaders(parsing: bytes.bytes, nextHeader: .fragment)
        #expect(chain.fragment?.fragmentOffset == 181)
        #expect(chain.fragment?.moreFragments == false)
        #expect(chain.proto == .udp && chain.length == 8 && !chain.reachesUpperLayer)
    }

    @Test func endlessChainIsLeft() {
        let bytes = [UInt8](repeating: 0, count: 8 * 100)
        let chain = IPv6ExtensionHeaders(parsing: bytes.bytes, nextHeader: .hopByHopOptions)
        #expect(chain.elements.count == IPv6ExtensionHeaders.maximumCount)
        #expect(!chain.reachesUpperLayer)
    }

    @Test func authenticationHeaderWithoutItsFixedPartIsNone() {
        let bytes = hex("11 00 0000 00000000 00000000")
        let chain = IPv6ExtensionHeaders(parsing: bytes.bytes, nextHeader: .authenticationHeader)
        #expect(chain.proto == .authenticationHeader && chain.length == 0 && !chain.reachesUpperLayer)
    }

    @Test func fragmentHeaderGoldenBytes() throws {
        let header = IPv6FragmentHeader(
            nextHeader: .udp, fragmentOffset: 0x1fff, moreFragments: true, identification: 0x0102_0304)
        let bytes = hex("1100fff9 01020304")
        #expect(try written { output throws(PacketError) in try header.write(to: &output) } == bytes)
        #expect(try IPv6FragmentHeader(parsing: bytes.bytes) == header)
        let cut = Array(bytes.dropLast())
        #expect(
            failure { () throws(PacketError) in _ = try IPv6FragmentHeader(parsing: cut.bytes) }
                == .truncated(needed: 8, available: 7))
        var far = header
        far.fragmentOffset = 0x2000
        let outside = far
        #expect(throws: PacketError.invalidValue(field: "fragmentOffset", value: 0x2000)) {
            try written { output throws(PacketError) in try outside.write(to: &output) }
        }
    }
}
