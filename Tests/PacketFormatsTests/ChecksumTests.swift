import PacketFormats
import Testing

@Suite struct ChecksumTests {
    static let example = hex("0001 f203 f4f5 f6f7")

    @Test func exampleOfRFC1071() {
        #expect(InternetChecksum.of(Self.example.bytes) == ~0xddf2)
    }

    @Test(
        arguments: [
            ([], 0xffff), ([0x00], 0xffff), ([0xff], 0x00ff), ([0xff, 0xff], 0), ([0x12, 0x34, 0x56], 0x97cb),
        ] as [([UInt8], UInt16)])
    func shortRuns(_ bytes: [UInt8], _ checksum: UInt16) {
        #expect(InternetChecksum.of(bytes.bytes) == checksum)
    }

    @Test func carriesOfManyOnesAreNotLost() {
        // 65,536 words of all ones overflow 32 bits, and a 64-bit load of all ones carries at once.
        let bytes = [UInt8](repeating: 0xff, count: 131_072)
        #expect(InternetChecksum.of(bytes.bytes) == 0)
    }

    @Test(arguments: 0..<40)
    func everyLengthAgreesWithASumOfOctets(_ length: Int) {
        var random = SeededGenerator(seed: UInt64(length))
        let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
        var sum = 0
        for (index, octet) in bytes.enumerated() { sum += index % 2 == 0 ? Int(octet) << 8 : Int(octet) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        #expect(InternetChecksum.of(bytes.bytes) == ~UInt16(sum))
    }

    @Test func piecesInAnyOrder() {
        let bytes = Self.example
        var checksum = InternetChecksum()
        checksum.add(bytes.bytes.extracting(6..<8))
        checksum.add(UInt16(0x0001))
        checksum.add(bytes.bytes.extracting(2..<6))
        #expect(checksum.value == InternetChecksum.of(bytes.bytes))
    }

    @Test func numbersCountAsTheirOctets() {
        var checksum = InternetChecksum()
        checksum.add(UInt64(0x0001_f203_f4f5_f6f7))
        #expect(checksum.value == ~0xddf2)
        var halves = InternetChecksum()
        halves.add(UInt32(0x0001_f203))
        halves.add(UInt32(0xf4f5_f6f7))
        #expect(halves.value == ~0xddf2)
    }

    @Test func verifiesWithItsOwnValueOnly() {
        var checksum = InternetChecksum()
        checksum.add(Self.example.bytes)
        checksum.add(checksum.value)
        #expect(checksum.verifies)
        checksum.add(UInt16(1))
        #expect(!checksum.verifies)
    }

    @Test func changeOfOneWord() {
        // The example of RFC 1624 section 4: the result is 0, not all ones.
        #expect(InternetChecksum.updated(0xdd2f, replacing: 0x5555, with: 0x3285) == 0)
    }

    @Test func changesAgreeWithANewSum() {
        var random = SeededGenerator(seed: 1624)
        var bytes = (0..<64).map { _ in UInt8.random(in: 0...255, using: &random) }
        var checksum = InternetChecksum.of(bytes.bytes)
        for _ in 0..<1000 {
            let offset = Int.random(in: 0..<32, using: &random) * 2
            let old = bytes.bytes.uint16(at: offset)
            let new = UInt16.random(in: 0...0xffff, using: &random)
            bytes[offset] = UInt8(new >> 8)
            bytes[offset + 1] = UInt8(truncatingIfNeeded: new)
            checksum = InternetChecksum.updated(checksum, replacing: old, with: new)
            #expect(checksum == InternetChecksum.of(bytes.bytes))
        }
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func pseudoHeaderCountsAsItsOctets(_ version: IPVersion) {
        let source = Ends.source(version)
        let destination = Ends.destination(version)
        // RFC 768 for IPv4; RFC 8200 section 8.1 for IPv6, whose length has 32 bits.
        let tail = version == .v4 ? hex("00 11 00 0b") : hex("00 00 00 0b 00 00 00 11")
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(source: source, destination: destination, proto: .udp, length: 11)
        let whole = source.octets + destination.octets + tail
        #expect(checksum.value == InternetChecksum.of(whole.bytes))
    }

    @Test func pseudoHeaderIgnoresTheZone() {
        var plain = InternetChecksum()
        var zoned = InternetChecksum()
        plain.add(Ends.source(.v6))
        zoned.add(Ends.source(.v6).inZone(7))
        #expect(plain.value == zoned.value)
    }
}
