import LinuxSockets
import PacketFormats
import Testing

/// One control message in this machine's layout.
private func message(_ level: Int32, _ type: Int32, _ data: [UInt8], claiming length: Int? = nil) -> [UInt8] {
    var bytes = native(length ?? 16 + data.count) + native(level) + native(type) + data
    while bytes.count % 8 != 0 { bytes.append(0) }
    return bytes
}

@Suite struct ControlMessageTests {
    // Numbers of asm-generic/socket.h, linux/in.h and linux/in6.h.
    private static let overflow = message(1, 40, native(UInt32(77)))
    private static let hopLimit = message(0, 2, native(Int32(63)))

    @Test func readsEveryMessage() {
        let chain =
            message(
                1, 37,
                native(Int64(5)) + native(Int64(6)) + native(Int64(0)) + native(Int64(0)) + native(Int64(7))
                    + native(Int64(8))) + Self.hopLimit + message(0, 1, [0xb8])
            + message(0, 8, native(UInt32(3)) + [192, 0, 2, 1, 192, 0, 2, 255]) + Self.overflow
        let control = ControlMessages(parsing: chain.bytes)
        #expect(control.kernelTimestamp == 5_000_000_006)
        #expect(control.hardwareTimestamp == 7_000_000_008)
        #expect(control.hopLimit == 63)
        #expect(control.trafficClass == 0xb8)
        #expect(control.droppedCount == 77)
        #expect(control.error == nil)
        #expect(
            control.packetInfo
                == PacketInfo(
                    destination: .v4(IPv4Address(192, 0, 2, 255)), local: .v4(IPv4Address(192, 0, 2, 1)),
                    interfaceIndex: 3))
    }

    @Test func readsThoseOfIPv6() {
        let linkLocal: [UInt8] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        let group: [UInt8] = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        let chain =
            message(41, 52, native(Int32(255))) + message(41, 67, native(Int32(0x20)))
            + message(41, 50, linkLocal + native(UInt32(4))) + message(1, 35, native(Int64(1)) + native(Int64(2)))
        let control = ControlMessages(parsing: chain.bytes)
        #expect(control.hopLimit == 255)
        #expect(control.trafficClass == 0x20)
        #expect(control.kernelTimestamp == 1_000_000_002)
        #expect(control.packetInfo?.destination.description == "fe80::1%4")
        #expect(control.packetInfo?.local.description == "fe80::1%4")
        let multicast = ControlMessages(parsing: message(41, 50, group + native(UInt32(4))).bytes)
        #expect(multicast.packetInfo?.local == .v6(.any))
        #expect(multicast.packetInfo?.interfaceIndex == 4)
    }

    @Test func readsAnError() throws {
        let offender = native(UInt16(2)) + [0, 0, 198, 51, 100, 7] + [UInt8](repeating: 0, count: 8)
        let entry = native(UInt32(113)) + [2, 11, 0, 0] + native(UInt32(1400)) + native(UInt16(128)) + [1, 0]
        let error = try #require(ControlMessages(parsing: message(0, 11, entry + offender).bytes).error)
        #expect(error.errno == .hostUnreachable)
        #expect(error.origin == .icmp)
        #expect(error.type == .V4.timeExceeded)
        #expect(error.code == 0)
        #expect(error.info == 1400)
        #expect(error.offender == .v4(IPv4Address(198, 51, 100, 7)))
        #expect(error.extensionOffset == 128)
        #expect(error.extensionIsInvalid)
        #expect(error.timestampKey == nil)
        #expect(error.sendStage == nil)
    }

    @Test func readsASendTime() throws {
        let entry = native(UInt32(42)) + [4, 0, 0, 0] + native(UInt32(1)) + native(UInt32(0xffff_fff0))
        let error = try #require(ControlMessages(parsing: message(0, 11, entry).bytes).error)
        #expect(error.timestampKey == 0xffff_fff0)
        #expect(error.sendStage == .scheduled)
        #expect(error.offender == nil)
        #expect(error.extensionOffset == nil)
    }

    /// A malformed message ends the walk; what came before it counts.
    @Test(arguments: [0, 15, -1, Int.min, Int.max, 1000, 25])
    func impossibleLength(_ length: Int) {
        let chain = Self.hopLimit + message(1, 40, native(UInt32(1)), claiming: length) + Self.overflow
        let control = ControlMessages(parsing: chain.bytes.extracting(0..<48))
        #expect(control.hopLimit == 63)
        #expect(control.droppedCount == nil)
    }

    @Test func unknownMessagesAreSkipped() {
        let chain = message(1, 9999, [1, 2, 3]) + message(-5, -6, []) + Self.overflow
        #expect(ControlMessages(parsing: chain.bytes).droppedCount == 77)
    }

    @Test(arguments: [
        (Int32(1), Int32(37)), (1, 35), (1, 40), (0, 2), (0, 1), (0, 8), (0, 11), (41, 52), (41, 67), (41, 50),
        (41, 25),
    ])
    func shortDataIsNoValue(_ level: Int32, _ type: Int32) {
        for length in 0..<64 {
            let chain = message(level, type, [UInt8](repeating: 0xff, count: length)) + message(0, 2, native(Int32(9)))
            let control = ControlMessages(parsing: chain.bytes)
            if length == 0 { #expect(control == ControlMessages(parsing: message(0, 2, native(Int32(9))).bytes)) }
            #expect(control.hopLimit == 9)
        }
    }

    @Test(arguments: 0..<64 as Range<UInt64>)
    func hostileBytesNeverTrap(_ seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func random() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        for _ in 0..<200 {
            var chain: [UInt8] = []
            for _ in 0..<random() % 6 {
                let types: [Int32] = [37, 35, 40, 2, 1, 8, 11, 52, 67, 50, 25, 16]
                let data = (0..<random() % 80).map { _ in UInt8(truncatingIfNeeded: random()) }
                let lying = random() % 4 == 0 ? Int(truncatingIfNeeded: random()) : nil
                chain += message(
                    [0, 1, 41, 263][Int(random() % 4)], types[Int(random() % 12)], data, claiming: lying)
            }
            let cut = Int(random() % UInt64(chain.count + 1))
            let control = ControlMessages(parsing: chain.bytes.extracting(0..<cut))
            #expect(cut >= 16 || control == ControlMessages())
        }
    }
}
