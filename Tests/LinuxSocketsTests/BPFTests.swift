import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// Whether a program lets bytes pass: a unix datagram socket runs it over them as they are, without any privilege.
private func accepts(_ program: BPFProgram, _ bytes: [UInt8]) throws -> Bool {
    let pair = try Socket.pair(.datagram)
    try pair.second.attach(program)
    try pair.first.send(bytes)
    var buffer = [UInt8](repeating: 0, count: 256)
    return try pair.second.receive(into: &buffer) != nil
}

/// An IPv4 header of `words` 32-bit words without meaning but its length and protocol.
private func headerV4(_ number: UInt8, words: UInt8 = 5) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xa5, count: Int(words) * 4)
    bytes[0] = 0x40 | words
    bytes[9] = number
    return bytes
}

private func headerV6(_ next: UInt8) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xa5, count: 40)
    bytes[6] = next
    return bytes
}

/// Eight octets as ICMP echo messages and errors have them.
private func message(_ type: UInt8, _ identifier: UInt16 = 0) -> [UInt8] {
    [type, 0, 0xcc, 0xcc, UInt8(identifier >> 8), UInt8(identifier & 0xff), 0, 1]
}

/// The first eight octets of UDP or TCP.
private func ports(_ source: UInt16, _ destination: UInt16 = 33434) -> [UInt8] {
    [UInt8(source >> 8), UInt8(source & 0xff), UInt8(destination >> 8), UInt8(destination & 0xff), 0, 0, 0, 0]
}

@Suite struct BPFTests {
    private static let block = IdentifierBlock(value: 0x1234, mask: 0xfff0)

    @Test func identifierBlock() {
        #expect(Self.block.value == 0x1230)
        #expect(Self.block.contains(0x1230) && Self.block.contains(0x123f))
        #expect(!Self.block.contains(0x1240) && !Self.block.contains(0x122f))
        #expect(IdentifierBlock(value: 7).contains(7) && !IdentifierBlock(value: 7).contains(6))
    }

    @Test(arguments: [UInt8(47), 253, 103])
    func quotesOfAnyProtocol(number: UInt8) throws {
        for (quoted, expected) in [(number, true), (17, false), (1, false), (number ^ 1, false)] {
            for words: UInt8 in [5, 8] {
                let v4 = headerV4(1) + message(11) + headerV4(quoted, words: words) + ports(40_000)
                #expect(try accepts(.icmp(nil, proto: number), v4) == expected, "\(quoted)")
            }
            let v6 = message(3) + headerV6(quoted) + ports(40_000)
            #expect(try accepts(.icmpv6(nil, proto: number), v6) == expected, "\(quoted)")
        }
        #expect(try !accepts(.icmp(nil, proto: number), headerV4(1) + message(0)))
    }

    @Test(arguments: [
        ("our echo reply", message(0, 0x1235), true), ("the last of the block", message(0, 0x123f), true),
        ("another echo reply", message(0, 0x1240), false), ("our timestamp reply", message(14, 0x1230), true),
        ("our extended echo reply", message(43, 0x1230), true), ("an echo request", message(8, 0x1235), false),
        ("a router advertisement", message(9, 0x1235), false), ("no more than a type", [0], false),
        ("an identifier cut in half", [0, 0, 0, 0, 0x12], false), ("nothing", [], false),
        ("our quoted echo request", message(11) + headerV4(1) + message(8, 0x1230), true),
        ("our quoted timestamp request", message(3) + headerV4(1) + message(13, 0x1230), true),
        ("our quoted extended request", message(3) + headerV4(1) + message(42, 0x1230), true),
        ("another quoted request", message(11) + headerV4(1) + message(8, 0x2230), false),
        ("a quoted echo reply", message(11) + headerV4(1) + message(0, 0x1230), false),
        ("a quote with options", message(12) + headerV4(1, words: 15) + message(8, 0x1230), true),
        ("a quoted datagram of ours", message(3) + headerV4(17) + ports(40_000), true),
        ("the last of our ports", message(5) + headerV4(17, words: 6) + ports(40_010), true),
        ("a datagram above", message(3) + headerV4(17) + ports(40_011), false),
        ("a datagram below", message(3) + headerV4(17) + ports(39_999), false),
        ("a quoted segment of ours", message(4) + headerV4(6) + ports(40_005), true),
        ("a quoted segment", message(4) + headerV4(6) + ports(80), false),
        ("a quote of another protocol", message(3) + headerV4(47) + ports(40_005), false),
        ("a quote that is cut", message(3) + headerV4(17) + [0x9c], false),
        ("a quoted header that is cut", message(3) + [0x45, 0, 0], false),
        ("an error without a quote", message(3), false),
    ])
    func icmp(_ name: String, _ icmp: [UInt8], _ expected: Bool) throws {
        let program = BPFProgram.icmp(Self.block, sourcePorts: 40_000...40_010)
        // The outer header has options as well, or none.
        for words: UInt8 in [5, 6, 15] {
            #expect(try accepts(program, headerV4(1, words: words) + icmp) == expected, "\(name), \(words) words")
        }
    }

    @Test(arguments: [
        ("our echo reply", message(129, 0x1235), true), ("another echo reply", message(129, 0x1240), false),
        ("our extended echo reply", message(161, 0x1230), true), ("an echo request", message(128, 0x1235), false),
        ("a neighbour solicitation", message(135, 0x1235), false), ("nothing", [], false),
        ("our quoted echo request", message(3) + headerV6(58) + message(128, 0x1230), true),
        ("our quoted extended request", message(1) + headerV6(58) + message(160, 0x1230), true),
        ("another quoted request", message(3) + headerV6(58) + message(128, 0x2230), false),
        ("a quoted echo reply", message(3) + headerV6(58) + message(129, 0x1230), false),
        ("a quoted datagram of ours", message(1) + headerV6(17) + ports(40_000), true),
        ("a quoted datagram", message(2) + headerV6(17) + ports(53), false),
        ("a quoted segment of ours", message(4) + headerV6(6) + ports(40_010), true),
        ("extension headers", message(3) + headerV6(44) + message(0), true),
        ("hop-by-hop options", message(3) + headerV6(0) + message(0), true),
        ("a quote of another protocol", message(3) + headerV6(47) + ports(40_000), false),
        ("a quote that is cut", message(3) + headerV6(17) + [0x9c], false),
        ("an error without a quote", message(3), false),
    ])
    func icmpv6(_ name: String, _ bytes: [UInt8], _ expected: Bool) throws {
        let program = BPFProgram.icmpv6(Self.block, sourcePorts: 40_000...40_010)
        #expect(try accepts(program, bytes) == expected, "\(name)")
    }

    @Test(
        "Rewritten quotes pass that may be ours",
        arguments: [
            ("a datagram from another port with our number", UInt8(17), ports(9), UInt32(0x00ff_ffff), true),
            ("with a number too high", 17, ports(9), 0x0100_0000, false),
            ("from our port, with any number", 17, ports(40_000), 0xffff_ffff, true),
            ("a datagram too short for a number", 17, ports(9), nil, false),
            ("a datagram too short, from our port", 17, ports(40_000), nil, true),
            ("a segment to our port", 6, ports(9, 443), nil, true),
            ("a segment to another", 6, ports(9, 444), nil, false),
            ("a segment from our port to another", 6, ports(40_001, 444), nil, true),
            ("an echo request with our number", 1, message(8, 7), 5, true),
            ("an echo request of others", 1, message(8, 7), 0x0809_0a0b, false),
            ("an echo request too short", 1, message(8, 7), nil, false),
            ("an echo request with our identifier", 1, message(8, 0x1234), nil, true),
            ("an echo reply with our number", 1, message(0, 7), 5, false),
            ("another protocol", 47, ports(40_000), 5, false),
        ])
    func rewritten(_ name: String, _ proto: UInt8, _ header: [UInt8], _ number: UInt32?, _ expected: Bool) throws {
        let quotes = RewrittenQuotes(destinationPort: 443, numberLimit: 1 << 24)
        var quoted = header
        if let number {
            quoted += Array(repeating: 0xa5, count: 8) + [24, 16, 8, 0].map { UInt8(number >> $0 & 0xff) }
        }
        for words: UInt8 in [5, 9] {
            let v4 = headerV4(1) + message(11) + headerV4(proto, words: words) + quoted
            #expect(
                try accepts(.icmp(Self.block, sourcePorts: 40_000...40_010, rewritten: quotes), v4) == expected,
                "\(name)")
        }
        guard proto != 1 || header[0] == 8 else { return }
        var message6 = quoted
        if proto == 1 { message6[0] = 128 }
        let v6 = message(3) + headerV6(proto == 1 ? 58 : proto) + message6
        #expect(
            try accepts(.icmpv6(Self.block, sourcePorts: 40_000...40_010, rewritten: quotes), v6) == expected, "\(name)"
        )
        // Where no ports are ours, none can have been rewritten.
        if proto != 1 {
            #expect(try !accepts(.icmpv6(Self.block, rewritten: quotes), v6))
        } else if header[5] == 7 {
            #expect(try !accepts(.icmpv6(nil, sourcePorts: 1...9, rewritten: quotes), v6))
        }
    }

    @Test func oneOfTheTwo() throws {
        let onlyPorts = BPFProgram.icmp(nil, sourcePorts: 1...65_535)
        #expect(try accepts(onlyPorts, headerV4(1) + message(3) + headerV4(17) + ports(9)))
        #expect(try !accepts(onlyPorts, headerV4(1) + message(0, 1)))
        let onlyIdentifiers = BPFProgram.icmpv6(IdentifierBlock(value: 0, mask: 0))
        #expect(try accepts(onlyIdentifiers, message(129, 0xffff)))
        #expect(try !accepts(onlyIdentifiers, message(3) + headerV6(17) + ports(9)))
    }

    @Test(arguments: [(UInt16(79), false), (80, true), (90, true), (91, false)])
    func destinationPorts(_ port: UInt16, _ expected: Bool) throws {
        let segment = ports(443, port)
        #expect(try accepts(.ipv4(destinationPorts: 80...90), headerV4(6, words: 7) + segment) == expected)
        #expect(try accepts(.ipv6(destinationPorts: 80...90), segment) == expected)
    }

    @Test func attachAndDetach() throws {
        let pair = try Socket.pair(.datagram)
        var buffer: [UInt8] = [0]
        try pair.first.send([1])
        try pair.second.attachDiscardingQueued(.icmpv6(nil))
        #expect(try pair.second.receive(into: &buffer) == nil)
        try pair.second.detachFilter()
        try pair.first.send([2])
        #expect(try pair.second.receive(into: &buffer)?.count == 1)
        #expect(buffer == [2])
        try pair.second.attach(.dropAll)
        try pair.first.send([3])
        #expect(try pair.second.receive(into: &buffer) == nil)
        try pair.second.set(.lockFilter, to: true)
        #expect(throws: Errno.notPermitted) { try pair.second.detachFilter() }
        #expect(throws: Errno.notPermitted) { try pair.second.attach(.icmp(nil)) }
    }

    @Test(arguments: [
        BPFProgram([]), BPFProgram([BPFInstruction(code: 0x06), BPFInstruction(code: 0xffff)]),
        BPFProgram([BPFInstruction(code: 0x15, jumpTrue: 200)]),
    ])
    func malformedProgramIsRefused(_ program: BPFProgram) throws {
        let socket = try boundUDP(.v4)
        #expect(throws: Errno.invalidArgument) { try socket.attach(program) }
    }

    /// More than the kernel takes, and more than the 16 bits of its count can say.
    @Test(arguments: [4097, 65_536, 65_537])
    func longProgramIsRefused(_ count: Int) throws {
        let program = BPFProgram([BPFInstruction](repeating: BPFInstruction(code: 0x06), count: count))
        let socket = try boundUDP(.v4)
        #expect(throws: Errno.invalidArgument) { try socket.attach(program) }
    }
}
