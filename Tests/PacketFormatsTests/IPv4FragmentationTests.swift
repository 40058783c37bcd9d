import PacketFormats
import Testing

@Suite struct IPv4FragmentationTests {
    static func packet(
        payload count: Int, options: [UInt8] = [], dontFragment: Bool = false, moreFragments: Bool = false,
        fragmentOffset: UInt16 = 0
    ) throws -> [UInt8] {
        var header = IPv4Header(
            source: Ends.source4, destination: Ends.destination4, proto: .udp, hopLimit: 9, identification: 0x4242,
            dontFragment: dontFragment, moreFragments: moreFragments, fragmentOffset: fragmentOffset, options: options)
        header.totalLength = UInt16(header.headerLength + count)
        let whole = header
        return try written(capacity: header.headerLength + count) { output throws(PacketError) in
            try whole.write(to: &output)
            for index in 0..<count { output.append(UInt8(truncatingIfNeeded: index &* 7 &+ index >> 8)) }
        }
    }

    static func fragments(of packet: [UInt8], mtu: Int) throws -> [[UInt8]] {
        let plan = try IPv4Fragmentation(of: packet.bytes, mtu: mtu)
        return try (0..<plan.count).map { index in
            try written(capacity: mtu) { output throws(PacketError) in
                try plan.write(index, of: packet.bytes, to: &output)
            }
        }
    }

    /// What a receiver does: each fragment's payload at its offset.
    static func reassembled(_ fragments: [[UInt8]], from offset: Int = 0) throws -> [UInt8] {
        var payload: [UInt8] = []
        for fragment in fragments {
            let header = try IPv4Header(parsing: fragment.bytes)
            #expect(Int(header.fragmentOffset) * 8 - offset == payload.count)
            #expect(Int(header.totalLength) == fragment.count)
            payload += fragment.dropFirst(header.headerLength)
        }
        return payload
    }

    @Test func goldenBytes() throws {
        let packet = try Self.packet(payload: 26)
        #expect(
            try Self.fragments(of: packet, mtu: 44).map { Array($0.prefix(8)) } == [
                hex("4500002c 42422000"), hex("45000016 42420003"),
            ])
        #expect(try Self.fragments(of: packet, mtu: 44).map { $0.suffix(1) } == [[packet[43]], [packet[45]]])
    }

    /// Payloads around every rounding, MTUs that are multiples of eight behind the header and others.
    @Test(arguments: [0, 1, 7, 8, 9, 47, 48, 49, 52, 96, 1472, 1480, 1481, 3000, 65_515], [68, 70, 75, 576, 1500])
    func roundTrip(_ count: Int, _ mtu: Int) throws {
        let packet = try Self.packet(payload: count)
        let fragments = try Self.fragments(of: packet, mtu: mtu)
        #expect(fragments.allSatisfy { $0.count <= mtu })
        #expect(try Self.reassembled(fragments) == Array(packet.dropFirst(20)))
        let more = try fragments.map { try IPv4Header(parsing: $0.bytes).moreFragments }
        #expect(more == (0..<fragments.count).map { $0 < fragments.count - 1 })
        // No more than needed: each but the last is as full as multiples of eight allow.
        #expect(fragments.dropLast().allSatisfy { mtu - $0.count < 8 })
    }

    @Test func lastFragmentUsesTheWholeMTU() throws {
        // 75 - 20 leaves 48 for a fragment in between and 55 for the last.
        #expect(try Self.fragments(of: try Self.packet(payload: 48 + 55), mtu: 75).count == 2)
        #expect(try Self.fragments(of: try Self.packet(payload: 48 + 56), mtu: 75).count == 3)
    }

    @Test func wholePacketsStayAsTheyAre() throws {
        let packet = try Self.packet(payload: 80, dontFragment: true)
        #expect(try Self.fragments(of: packet, mtu: 100) == [packet])
    }

    @Test func laterFragmentsHaveOnlyTheCopiedOptions() throws {
        let options: IPv4Options = [
            .noOperation, .recordRoute(IPv4Route(recording: 3)), .routerAlert(0),
            .looseSourceRoute(IPv4Route(slots: [Ends.destination4])),
        ]
        let packet = try Self.packet(payload: 200, options: try options.encoded())
        let fragments = try Self.fragments(of: packet, mtu: 100)
        #expect(try Self.reassembled(fragments) == Array(packet.suffix(200)))
        let found = try fragments.map { fragment in
            let area = try IPv4Header(parsing: fragment.bytes).options
            return try IPv4Options(parsing: area.bytes)
        }
        #expect(found.first == options)
        let later: IPv4Options = [.routerAlert(0), .looseSourceRoute(IPv4Route(slots: [Ends.destination4]))]
        #expect(found.count > 2)
        #expect(found.dropFirst().allSatisfy { $0 == later })
        // The options that are gone leave room for payload.
        #expect(fragments.dropLast().allSatisfy { 100 - $0.count < 8 })
    }

    @Test func fragmentsOfAFragment() throws {
        let packet = try Self.packet(payload: 160, moreFragments: true, fragmentOffset: 100)
        let fragments = try Self.fragments(of: packet, mtu: 68)
        #expect(try Self.reassembled(fragments, from: 800) == Array(packet.dropFirst(20)))
        #expect(try fragments.allSatisfy { try IPv4Header(parsing: $0.bytes).moreFragments })
    }

    @Test(
        arguments: [
            (1000, 500, true, 0, PacketError.invalidValue(field: "dontFragment", value: 1)),
            (1000, 27, false, 0, .invalidLength(field: "mtu", value: 27)),
            (1000, 0, false, 0, .invalidLength(field: "mtu", value: 0)),
            (1000, Int.min, false, 0, .invalidLength(field: "mtu", value: Int.min)),
            (1000, 500, false, 8191, .invalidLength(field: "fragmentOffset", value: 1000)),
        ] as [(Int, Int, Bool, UInt16, PacketError)])
    func refused(_ count: Int, _ mtu: Int, _ dontFragment: Bool, _ offset: UInt16, _ error: PacketError) throws {
        let packet = try Self.packet(payload: count, dontFragment: dontFragment, fragmentOffset: offset)
        #expect(failure { () throws(PacketError) in _ = try IPv4Fragmentation(of: packet.bytes, mtu: mtu) } == error)
    }

    @Test func packetsThatAreNotAllThere() throws {
        let packet = try Self.packet(payload: 100)
        let cut = Array(packet.dropLast())
        #expect(
            failure { () throws(PacketError) in _ = try IPv4Fragmentation(of: cut.bytes, mtu: 68) }
                == .truncated(needed: 120, available: 119))
        let plan = try IPv4Fragmentation(of: packet.bytes, mtu: 68)
        #expect(throws: PacketError.truncated(needed: 120, available: 119)) {
            try written { output throws(PacketError) in try plan.write(0, of: cut.bytes, to: &output) }
        }
        #expect(throws: PacketError.truncated(needed: 68, available: 67)) {
            try written(capacity: 67) { output throws(PacketError) in
                try plan.write(0, of: packet.bytes, to: &output)
            }
        }
    }
}
