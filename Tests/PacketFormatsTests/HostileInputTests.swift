import Glibc
import PacketFormats
import Testing

/// No bytes trap a parser, and what a parser takes can be written, read back and means the same.
@Suite struct HostileInputTests {
    /// Packets that each parser takes, to be damaged.
    static let good: [[UInt8]] =
        IPv4HeaderTests.golden.map(\.1) + ICMPExtensionTests.golden.map(\.1)
        + IPv4OptionTests.golden.map { hex($0.0) } + ICMPExtendedEchoTests.requests.map(\.2)
        + [
            IPv6HeaderTests.bytes, ICMPTimestampTests.reply, TCPHeaderTests.segment, TCPHeaderTests.optionBytes,
            QuotedPacketTests.udp4, QuotedPacketTests.tcp, ICMPErrorMessageTests.compliant,
            QuotedPacketTests.ipv6(
                next: .hopByHopOptions, hex("2c00 050200000100 1100 0001 00000001 c001829a 000cbeef 63")),
            hex("03000000 10000000") + QuotedPacketTests.ipv6(next: .udp, hex("c001829a 000cbeef"))
                + [UInt8](repeating: 0, count: 80) + ICMPErrorMessageTests.extensionBytes,
        ]

    /// Runs every parser over the bytes; returns how many of them took the bytes.
    static func readEverything(_ bytes: [UInt8]) -> Int {
        var taken = 0
        func take<Value>(_ parse: () throws(PacketError) -> Value) -> Value? {
            guard let value = try? parse() else { return nil }
            taken += 1
            return value
        }
        _ = take { () throws(PacketError) in try IPv4Header(parsing: bytes.bytes) }
        _ = take { () throws(PacketError) in try IPv6Header(parsing: bytes.bytes) }
        _ = take { () throws(PacketError) in try ICMPHeader(parsing: bytes.bytes) }
        _ = take { () throws(PacketError) in try UDPHeader(parsing: bytes.bytes) }
        _ = take { () throws(PacketError) in try IPv6FragmentHeader(parsing: bytes.bytes) }
        _ = take { () throws(PacketError) in try ICMPTimestampMessage(parsing: bytes.bytes) }
        if let header = take({ () throws(PacketError) in try TCPHeader(parsing: bytes.bytes) }) {
            let area = header.options
            _ = take { () throws(PacketError) in try TCPOptions(parsing: area.bytes) }
        }
        for mtu in [0, 68, 75] {
            guard let plan = take({ () throws(PacketError) in try IPv4Fragmentation(of: bytes.bytes, mtu: mtu) })
            else { continue }
            for index in 0..<plan.count {
                _ = take { () throws(PacketError) in
                    try [UInt8](capacity: 128) { output throws(PacketError) in
                        try plan.write(index, of: bytes.bytes, to: &output)
                    }
                }
            }
        }
        for version in [IPVersion.v4, .v6] {
            _ = take { () throws(PacketError) in try QuotedPacket(parsing: bytes.bytes, version: version) }
            _ = take { () throws(PacketError) in try ICMPErrorMessage(parsing: bytes.bytes, version: version) }
            _ = take { () throws(PacketError) in try ICMPExtendedEchoRequest(parsing: bytes.bytes, version: version) }
            _ = take { () throws(PacketError) in try ICMPExtendedEchoReply(parsing: bytes.bytes, version: version) }
        }
        for proto: IPProtocol in [.hopByHopOptions, .fragment, .authenticationHeader] {
            taken += IPv6ExtensionHeaders(parsing: bytes.bytes, nextHeader: proto).elements.isEmpty ? 0 : 1
        }
        if let options = take({ () throws(PacketError) in try IPv4Options(parsing: bytes.bytes) }) {
            let again = take { () throws(PacketError) in
                let area = try options.encoded()
                return try IPv4Options(parsing: area.bytes)
            }
            if again != options {
                Issue.record("\(bytes) read as \(options) and again as \(String(describing: again))")
            }
        }
        if let options = take({ () throws(PacketError) in try TCPOptions(parsing: bytes.bytes) }) {
            let again = take { () throws(PacketError) in
                let area = try options.encoded()
                return try TCPOptions(parsing: area.bytes)
            }
            if again != options {
                Issue.record("\(bytes) read as \(options) and again as \(String(describing: again))")
            }
        }
        if let extensions = take({ () throws(PacketError) in try ICMPExtensions(parsing: bytes.bytes) }) {
            let again = take { () throws(PacketError) in
                let written = try [UInt8](capacity: 8192) { output throws(PacketError) in
                    try extensions.write(to: &output)
                }
                return try ICMPExtensions(parsing: written.bytes)
            }
            if again != extensions {
                Issue.record("\(bytes) read as \(extensions) and again as \(String(describing: again))")
            }
        }
        return taken
    }

    @Test func everyTruncation() {
        for packet in Self.good {
            for length in 0...packet.count { _ = Self.readEverything(Array(packet.prefix(length))) }
            #expect(Self.readEverything(packet) > 0, "\(packet)")
        }
    }

    @Test func everyBitFlipped() {
        var taken = 0
        for packet in Self.good {
            for bit in 0..<packet.count * 8 {
                var damaged = packet
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                taken += Self.readEverything(damaged)
            }
        }
        #expect(taken > 1000)
    }

    /// Two fixed seeds, and a new one each time; the seed is printed before it is used, because a trap prints nothing.
    @Test(arguments: [1, 4884, UInt64.random(in: 0 ... .max)])
    func randomBytes(_ seed: UInt64) {
        print("hostile input: seed \(seed)")
        fflush(nil)
        var random = SeededGenerator(seed: seed)
        var taken = 0
        for _ in 0..<20_000 {
            let length = Int.random(in: 0...200, using: &random)
            taken += Self.readEverything(Self.randomBytes(length, using: &random))
        }
        #expect(taken > 1000)
    }

    /// Good packets with a few octets changed, cut or put in: these come deeper into the parsers than noise does.
    @Test(arguments: [2, 5837, UInt64.random(in: 0 ... .max)])
    func damagedPackets(_ seed: UInt64) {
        print("hostile input: seed \(seed)")
        fflush(nil)
        var random = SeededGenerator(seed: seed)
        var taken = 0
        for round in 0..<20_000 {
            var packet = Self.good[round % Self.good.count]
            for _ in 0..<Int.random(in: 1...4, using: &random) where !packet.isEmpty {
                let offset = Int.random(in: 0..<packet.count, using: &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0: packet.removeSubrange(offset...)
                case 1: packet.remove(at: offset)
                case 2: packet.insert(contentsOf: Self.randomBytes(4, using: &random), at: offset)
                case 3: packet[offset] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
                default: packet[offset] = UInt8.random(in: 0...255, using: &random)
                }
            }
            // Without a checksum the objects behind it are reached, too.
            if packet.count > 4, packet[0] == 0x20 { packet.replaceSubrange(2..<4, with: [0, 0]) }
            taken += Self.readEverything(packet)
        }
        #expect(taken > 1000)
    }

    @Test(arguments: [3, 5952, UInt64.random(in: 0 ... .max)])
    func randomText(_ seed: UInt64) {
        print("hostile input: seed \(seed)")
        fflush(nil)
        var random = SeededGenerator(seed: seed)
        let pieces = [
            "0", "1", "255", "256", "ffff", "fe80", ":", "::", ".", "%", "/", "-", "x", "0x", "e\u{301}", "٣",
        ]
        for _ in 0..<5000 {
            let count = Int.random(in: 0...12, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            if let address = IPAddress(text), IPAddress(address.description) != address { Issue.record("\(text)") }
            if let prefix = IPPrefix(text), IPPrefix(prefix.description) != prefix { Issue.record("\(text)") }
            if let range = IPAddressRange(text), IPAddressRange(range.description) != range { Issue.record("\(text)") }
            _ = IPv4Address(shortForm: text)
        }
    }

    static func randomBytes(_ count: Int, using random: inout SeededGenerator) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 7)
        while bytes.count < count {
            var word = random.next()
            for _ in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
