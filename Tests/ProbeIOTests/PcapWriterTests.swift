import PacketFormats
import ProbeIO
import Testing

@Suite struct PcapWriterTests {
    @Test func beginsWithTheHeaderOfTheFile() {
        #expect(
            PcapWriter().bytes == [
                0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0,
            ])
    }

    @Test func writesARecordForEachPacket() {
        var writer = PcapWriter()
        writer.removeAll()
        let first: [UInt8] = [0x45, 0xff, 0x01]
        let second: [UInt8] = [0x60]
        writer.append(first.bytes, at: 1_700_000_000_123_456_789)
        writer.append(second.bytes, missing: 255, at: 1)
        #expect(
            writer.bytes == [
                0x00, 0xf1, 0x53, 0x65, 0x15, 0xcd, 0x5b, 0x07, 3, 0, 0, 0, 3, 0, 0, 0, 0x45, 0xff, 0x01,
                0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0x60,
            ])
    }

    @Test(arguments: [Int64.min, -1, .max])
    func noTimeIsTooOdd(time: Int64) {
        var writer = PcapWriter()
        writer.removeAll()
        let none: [UInt8] = []
        writer.append(none.bytes, missing: .max, at: time)
        #expect(writer.bytes.count == 16)
        #expect(writer.bytes[8..<12].allSatisfy { $0 == 0 })
        #expect(writer.bytes[12...].allSatisfy { $0 == 0xff })
    }
}
