import PacketFormats
import Testing

/// The bytes of a text in hexadecimal digits; spaces and line breaks don't count.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// What `write` puts in a buffer full of 0xa5: octets that it skips show, and nothing behind the end may change.
func written(
    capacity: Int = 2048, _ write: (inout OutputRawSpan) throws(PacketError) -> Void
) throws -> [UInt8] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 8)
    defer { unsafe buffer.deallocate() }
    for index in 0..<capacity { unsafe buffer[index] = 0xa5 }
    var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
    try write(&output)
    let count = unsafe output.finalize(for: buffer)
    let rest = unsafe buffer[count...].allSatisfy { $0 == 0xa5 }
    #expect(rest, "the octets behind the written ones changed")
    return unsafe Array(buffer[..<count])
}

/// The error that a parser or writer ends with, nil when it ends well.
func failure(_ body: () throws(PacketError) -> Void) -> PacketError? {
    do throws(PacketError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// The ends of every golden packet, documentation addresses of RFC 5737 and RFC 3849.
enum Ends {
    static let source4 = IPv4Address(192, 0, 2, 1)
    static let destination4 = IPv4Address(198, 51, 100, 7)
    static let source6 = IPv6Address(high: 0x2001_0db8_0000_0000, low: 1)
    static let destination6 = IPv6Address(high: 0x2001_0db8_0000_0000, low: 2)

    static func source(_ version: IPVersion) -> IPAddress { version == .v4 ? .v4(source4) : .v6(source6) }
    static func destination(_ version: IPVersion) -> IPAddress {
        version == .v4 ? .v4(destination4) : .v6(destination6)
    }
}
