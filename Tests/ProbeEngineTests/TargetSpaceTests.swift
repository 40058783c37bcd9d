import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

@Suite struct TargetSpaceTests {
    /// Appends what a text says: an address, a prefix or a range.
    private static func append(_ text: String, to space: inout TargetSpace) throws {
        if let prefix = IPPrefix(text) {
            try space.append(prefix)
        } else if let range = IPAddressRange(text) {
            try space.append(range)
        } else {
            try space.append(try #require(IPAddress(text), "\(text)"))
        }
    }

    private static func space(_ texts: [String]) throws -> TargetSpace {
        var space = TargetSpace()
        for text in texts { try append(text, to: &space) }
        return space
    }

    static let lists: [(String, String)] = [
        ("", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1 192.0.2.1", "192.0.2.1 192.0.2.1"),
        ("192.0.2.0/30", "192.0.2.1 192.0.2.2"),
        ("192.0.2.0/31", "192.0.2.0 192.0.2.1"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("2001:db8::/127", "2001:db8:: 2001:db8::1"),
        ("2001:db8::9/128", "2001:db8::9"),
        ("fe80::/127", "fe80:: fe80::1"),
        ("fe80::1%3-fe80::3%3", "fe80::1%3 fe80::2%3 fe80::3%3"),
        ("::ffff:ffff:ffff:ffff-::1:0:0:0:1", "::ffff:ffff:ffff:ffff ::1:0:0:0:0 0:0:0:1::1"),
        ("255.255.255.254-255.255.255.255", "255.255.255.254 255.255.255.255"),
        (
            "fe80::1%3 fe80::1%4 fe80::1 10.0.0.1 ::1",
            "fe80::1%3 fe80::1%4 fe80::1 10.0.0.1 ::1"
        ),
        (
            "10.0.0.1 10.0.0.9-10.0.0.10 10.0.0.2 2001:db8::4 10.0.0.0/30 ::ffff:10.0.0.1",
            "10.0.0.1 10.0.0.9 10.0.0.10 10.0.0.2 2001:db8::4 10.0.0.1 10.0.0.2 ::ffff:10.0.0.1"
        ),
        (
            // The half that marks IPv4 addresses among the others.
            "::1 ffff:ffff:ffff:ffff::a00:1 10.0.0.1 ffff:ffff:ffff:ffff::2-ffff:ffff:ffff:ffff::3",
            "::1 ffff:ffff:ffff:ffff::a00:1 10.0.0.1 ffff:ffff:ffff:ffff::2 ffff:ffff:ffff:ffff::3"
        ),
    ]

    @Test(arguments: lists)
    func holdsWhatWasAppended(texts: String, expected: String) throws {
        let space = try Self.space(texts.split(separator: " ").map(String.init))
        let expected = expected.split(separator: " ").map(String.init)
        let addresses = try expected.map { try #require(IPAddress($0), "\($0)") }
        #expect(space.count == UInt64(expected.count))
        #expect((0..<UInt32(expected.count)).map { space[$0] } == addresses)
    }

    @Test func aSpaceIsNoLargerThanItsIndexes() throws {
        var space = TargetSpace()
        for text in ["::/0", "2001:db8::/64", "2001:db8::/96"] {
            let prefix = try #require(IPPrefix(text))
            #expect(throws: TargetSpaceFull(needed: prefix.addresses.count, available: 4_294_967_295)) {
                try space.append(prefix)
            }
        }
        #expect(space.count == 0)
        #expect(space.digest == TargetSpace().digest)
        try Self.append("0.0.0.0/0", to: &space)
        #expect(space.count == 4_294_967_294)
        #expect(space[0].description == "0.0.0.1")
        #expect(space[4_294_967_293].description == "255.255.255.254")
        #expect(throws: TargetSpaceFull(needed: 2, available: 1)) { try Self.append("10.0.0.0/31", to: &space) }
        try Self.append("10.0.0.1", to: &space)
        #expect(throws: TargetSpaceFull(needed: 1, available: 0)) { try Self.append("10.0.0.1", to: &space) }
        #expect(space.count == TargetSpace.maximumCount)
        #expect(space[4_294_967_294].description == "10.0.0.1")

        var whole = TargetSpace()
        #expect(throws: TargetSpaceFull(needed: 1 << 32, available: 4_294_967_295)) {
            try whole.append(try #require(IPAddressRange("0.0.0.0-255.255.255.255")))
        }
    }

    @Test func theErrorSaysWhatFits() {
        #expect(
            TargetSpaceFull(needed: .max, available: TargetSpace.maximumCount).description
                == "has 2^64 or more addresses: the most is 4294967295, as in a /97 or a longer prefix")
        #expect(
            TargetSpaceFull(needed: 300, available: 8).description
                == "has 300 addresses: with those before it the most is 8")
    }

    @Test("Any sequence of appends is an array of addresses", arguments: 0..<40 as Range<UInt64>)
    func equalsAnArray(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var space = TargetSpace()
        var expected: [IPAddress] = []
        for _ in 0..<generator.number(below: 400) {
            let high: UInt64 = generator.number(below: 8) == 0 ? .max : 0xfe80 << 48
            let zone = UInt32(generator.number(below: 3))
            let v4 = IPv4Address(rawValue: UInt32(truncatingIfNeeded: generator.next()))
            let v6 = IPv6Address(high: high, low: generator.next(), zone: zone)
            switch generator.number(below: 6) {
            case 0, 1:
                try space.append(.v4(v4))
                expected.append(.v4(v4))
            case 2, 3:
                try space.append(.v6(v6))
                expected.append(.v6(v6))
            case 4:
                let range = try #require(IPPrefix(.v4(v4), length: 26 + Int(generator.number(below: 7)))).hosts
                try space.append(range)
                expected += Array(range)
            default:
                let range = try #require(IPPrefix(.v6(v6), length: 123 + Int(generator.number(below: 6)))).addresses
                try space.append(range)
                expected += Array(range)
            }
        }
        #expect(space.count == UInt64(expected.count))
        #expect((0..<UInt32(expected.count)).map { space[$0] } == expected)
    }

    /// What is allocated besides is a few percent.
    @Test(arguments: [(false, 4), (true, 16)])
    func aMillionSinglesTakeWhatTheirBitsTake(isV6: Bool, octets: Int) throws {
        func address(_ number: UInt32) -> IPAddress {
            let spread = number &* 2_654_435_761
            if isV6 { return .v6(IPv6Address(high: 0x2001_0db8 << 32, low: UInt64(spread))) }
            return .v4(IPv4Address(rawValue: spread))
        }
        var space = TargetSpace()
        for number in 0..<1_000_000 as Range<UInt32> { try space.append(address(number)) }
        #expect(space.count == 1_000_000)
        #expect(space.allocatedBytes <= 1_000_000 * octets * 104 / 100)
        for number in [0, 16_383, 16_384, 777_777, 999_999] as [UInt32] { #expect(space[number] == address(number)) }
    }

    @Test func prefixesTakeTheSameWhateverTheirSize() throws {
        #expect(try Self.space(["10.0.0.0/8"]).allocatedBytes == Self.space(["10.0.0.0/30"]).allocatedBytes)
        #expect(try Self.space(["2001:db8::/97"]).allocatedBytes < 500)
    }

    @Test("Addresses of the two versions in turn, as all addresses of names come, take no segment each")
    func versionsInTurn() throws {
        var space = TargetSpace()
        for number in 0..<100_000 as Range<UInt32> {
            try space.append(.v4(IPv4Address(rawValue: number)))
            try space.append(.v6(IPv6Address(high: 1, low: UInt64(number))))
        }
        #expect(space.segments.count == 2)
        #expect(space[199_998] == .v4(IPv4Address(rawValue: 99_999)))
        #expect(space[199_999] == .v6(IPv6Address(high: 1, low: 99_999)))
        for number in 0..<100_000 as Range<UInt32> { try space.append(.v4(IPv4Address(rawValue: number))) }
        #expect(space.segments.count == 3)
        #expect(space[299_999] == .v4(IPv4Address(rawValue: 99_999)))
        #expect(space.allocatedBytes < 100_000 * 40)
    }

    @Test func digestsTellSpacesApart() throws {
        let lists = [
            [], ["10.0.0.1"], ["10.0.0.2"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"], ["10.0.0.0/31"],
            ["10.0.0.0-10.0.0.2"], ["::10.0.0.1"], ["::a00:1-::a00:2"], ["fe80::1"], ["fe80::1%1"], ["fe80::1%2"],
            ["0.0.0.0"], ["0.0.0.0", "0.0.0.0"], ["::"], ["::", "::"],
        ]
        let digests = try lists.map { try Self.space($0).digest }
        #expect(Set(digests).count == lists.count)
        #expect(try Self.space(["10.0.0.1", "2001:db8::/112"]).digest == 0x2d2c_2365_4160_d63c)
    }
}

@Suite struct TargetNamesTests {
    @Test func namesAreOfTheTargetsTheyWereGivenFor() {
        var names = TargetNames()
        #expect(names[0] == nil)
        names.append("a.example", for: 3..<4)
        names.append("b.example", for: 4..<7)
        names.append("", for: 4_294_967_294..<4_294_967_295)
        let expected: [(UInt32, String?)] = [
            (0, nil), (2, nil), (3, "a.example"), (4, "b.example"), (6, "b.example"), (7, nil),
            (4_294_967_293, nil), (4_294_967_294, ""), (4_294_967_295, nil),
        ]
        for (target, name) in expected { #expect(names[target] == name, "\(target)") }
    }

    @Test func whatIsNotBehindTheOthersIsRefused() {
        var names = TargetNames()
        names.append("a", for: 10..<20)
        for targets in [5..<6, 10..<11, 19..<20, 30..<30, 30..<100_000] as [Range<UInt32>] {
            let isTaken = names.append("b", for: targets)
            #expect(!isTaken, "\(targets)")
        }
        #expect(names[19] == "a")
        #expect(names[30] == nil)
    }
}
