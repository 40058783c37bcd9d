import PacketFormats
import Testing

@Suite struct ICMPExtensionTests {
    static let labels = [
        MPLSLabel(label: 16004, trafficClass: 5, isBottomOfStack: false, timeToLive: 1),
        MPLSLabel(label: 24001, isBottomOfStack: true, timeToLive: 254),
    ]

    static let golden: [(ICMPExtensions, [UInt8])] = [
        (ICMPExtensions(objects: []), hex("2000dfff")),
        (ICMPExtensions(objects: [.mpls(labels)]), hex("2000792f 000c0101 03e84a01 05dc11fe")),
        (
            ICMPExtensions(objects: [
                .interface(
                    InterfaceInformation(
                        role: .outgoing, index: 7, address: .v4(IPv4Address(203, 0, 113, 1)),
                        name: Array("ge-0/1".utf8), mtu: 1500))
            ]),
            hex("2000ccaa 001c028f 00000007 00010000 cb007101 0867652d 302f3100 000005dc")
        ),
        (
            ICMPExtensions(objects: [
                .interface(
                    InterfaceInformation(
                        role: .incoming, address: .v6(IPv6Address(high: 0x2001_0db8_0000_0000, low: 9)))),
                .unknown(classNumber: 200, cType: 9, payload: [1, 2, 3, 4]),
            ]),
            hex("2000e407 00180204 00020000 20010db8 00000000 00000000 00000009 0008c809 01020304")
        ),
    ]

    @Test(arguments: golden)
    func goldenBytes(_ extensions: ICMPExtensions, _ bytes: [UInt8]) throws {
        #expect(try written { output throws(PacketError) in try extensions.write(to: &output) } == bytes)
        #expect(try ICMPExtensions(parsing: bytes.bytes) == extensions)
        var unsummed = bytes
        unsummed[2] = 0
        unsummed[3] = 0
        #expect(try ICMPExtensions(parsing: unsummed.bytes) == extensions)
    }

    @Test(arguments: [
        ("", PacketError.truncated(needed: 4, available: 0)),
        ("200000", .truncated(needed: 4, available: 3)),
        ("10000000", .wrongVersion(expected: 2, found: 1)),
        ("30000000", .wrongVersion(expected: 2, found: 3)),
        ("20000001", .wrongChecksum(found: 1)),
        ("2000792e 000c0101 03e84a01 05dc11fe", .wrongChecksum(found: 0x792e)),
        ("20000000 0004", .truncated(needed: 4, available: 2)),
        ("20000000 00000101", .invalidLength(field: "objectLength", value: 0)),
        ("20000000 00030101", .invalidLength(field: "objectLength", value: 3)),
        ("20000000 00090101 03e84a01", .invalidLength(field: "objectLength", value: 9)),
        ("20000000 ffff0101 03e84a01", .invalidLength(field: "objectLength", value: 65_535)),
    ])
    func malformed(_ text: String, _ error: PacketError) {
        let bytes = hex(text)
        #expect(failure { () throws(PacketError) in _ = try ICMPExtensions(parsing: bytes.bytes) } == error)
    }

    /// Objects of a known class that contradict themselves don't take the others with them.
    @Test(arguments: [
        "0004 0101",  // no label
        "000a 0101 03e84a010000",  // a label and a half
        "0008 0102 03e84a01",  // another C-type of MPLS
        "0006 0208 0000",  // half of an index
        "0006 0204 0001",  // half of an address's head
        "000a 0204 00010000 cb00",  // half of an address
        "000c 0204 00030000 cb007101",  // a family that does not exist
        "0004 0202",  // no length of the name
        "0008 0202 00616263",  // a name of no length
        "0008 0202 08616263",  // a name longer than its object
        "0048 0202 44" + String(repeating: "61", count: 67),  // a name of more than 63 octets
        "0006 0201 05dc",  // half of an MTU
    ])
    func contradictoryObjectsAreKept(_ text: String) throws {
        let object = hex(text)
        let bytes = hex("20000000") + object + hex("0008c809 01020304")
        #expect(
            try ICMPExtensions(parsing: bytes.bytes).objects == [
                .unknown(classNumber: object[2], cType: object[3], payload: Array(object.dropFirst(4))),
                .unknown(classNumber: 200, cType: 9, payload: [1, 2, 3, 4]),
            ])
    }

    @Test(arguments: 0..<4 as Range<UInt8>)
    func roles(_ role: UInt8) throws {
        let bytes = hex("20000000 0004") + [2, role << 6]
        let objects = try ICMPExtensions(parsing: bytes.bytes).objects
        #expect(objects == [.interface(InterfaceInformation(role: try #require(.init(rawValue: role))))])
    }

    @Test(arguments: 0...63)
    func namesOfEveryLength(_ length: Int) throws {
        let name = [UInt8](repeating: 0xff, count: length)
        let extensions = ICMPExtensions(objects: [.interface(InterfaceInformation(role: .incoming, name: name))])
        let bytes = try written { output throws(PacketError) in try extensions.write(to: &output) }
        #expect(bytes.count % 4 == 0)
        #expect(try ICMPExtensions(parsing: bytes.bytes) == extensions)
    }

    @Test func thereAreBounds() throws {
        let label = hex("03e84a01")
        let twenty = hex("0054 0101") + Array([[UInt8]](repeating: label, count: 20).joined())
        let bytes = hex("20000000") + twenty + Array([[UInt8]](repeating: hex("0004c809"), count: 30).joined())
        let objects = try ICMPExtensions(parsing: bytes.bytes).objects
        #expect(objects.count == ICMPExtensions.maximumObjects)
        guard case .mpls(let labels) = objects[0] else { Issue.record("no labels"); return }
        #expect(labels.count == ICMPExtensionObject.maximumLabels)
        let long = hex("20000000 2004c809") + [UInt8](repeating: 1, count: 0x2000)
        let kept = [UInt8](repeating: 1, count: ICMPExtensionObject.maximumUnknownPayload)
        #expect(
            try ICMPExtensions(parsing: long.bytes).objects == [
                .unknown(classNumber: 200, cType: 9, payload: kept)
            ])
    }

    @Test(
        arguments: [
            [.mpls([])],
            [.mpls([MPLSLabel](repeating: labels[0], count: 17))],
            [.mpls([MPLSLabel(label: 0x10_0000, isBottomOfStack: true, timeToLive: 1)])],
            [.mpls([MPLSLabel(label: 1, trafficClass: 8, isBottomOfStack: true, timeToLive: 1)])],
            [.interface(InterfaceInformation(role: .incoming, name: [UInt8](repeating: 0x61, count: 64)))],
            [.unknown(classNumber: 9, cType: 9, payload: [UInt8](repeating: 0, count: 257))],
            [ICMPExtensionObject](repeating: .unknown(classNumber: 9, cType: 9, payload: []), count: 17),
        ] as [[ICMPExtensionObject]])
    func whatCanNotBeWritten(_ objects: [ICMPExtensionObject]) {
        #expect(throws: PacketError.self) {
            try written { output throws(PacketError) in try ICMPExtensions(objects: objects).write(to: &output) }
        }
    }

    @Test(arguments: golden)
    func doesNotFit(_ extensions: ICMPExtensions, _ bytes: [UInt8]) {
        for capacity in 0..<bytes.count {
            #expect(throws: PacketError.self) {
                try written(capacity: capacity) { output throws(PacketError) in try extensions.write(to: &output) }
            }
        }
    }
}
