import PacketFormats

/// The bytes of a capture file: classic pcap with nanoseconds, whose packets begin with an IP header
/// (draft-ietf-opsawg-pcap, link type 101, LINKTYPE_RAW).
///
/// Bytes go to an array, nothing is written. All numbers are little-endian.
public struct PcapWriter: Sendable {
    /// The bytes since the last `removeAll`.
    public private(set) var bytes: [UInt8] = []

    /// Starts with the header of the file.
    public init() {
        append(Self.magic)
        append(UInt16(2))
        append(UInt16(4))
        // Time zone and accuracy, which nobody uses.
        append(UInt32(0))
        append(UInt32(0))
        append(Self.snapLength)
        append(Self.linkTypeRaw)
    }

    /// Forgets the bytes, which were written.
    public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Appends a packet. O(n).
    ///
    /// - Parameters:
    ///   - missing: octets that the packet had behind these.
    ///   - time: nanoseconds since 1970; what 32 bits of seconds can't hold becomes the nearest that they can.
    public mutating func append(_ packet: RawSpan, missing: Int = 0, at time: Int64) {
        let kept = min(packet.byteCount, Int(Self.snapLength))
        let seconds = UInt32(clamping: time / 1_000_000_000)
        append(seconds)
        append(UInt32(clamping: time < 0 ? 0 : time % 1_000_000_000))
        append(UInt32(truncatingIfNeeded: kept))
        append(UInt32(clamping: packet.byteCount + max(0, missing)))
        bytes.reserveCapacity(bytes.count + kept)
        for offset in 0..<kept { bytes.append(packet.octet(at: offset)) }
    }

    private mutating func append(_ number: UInt32) {
        for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    private mutating func append(_ number: UInt16) {
        bytes.append(UInt8(truncatingIfNeeded: number))
        bytes.append(UInt8(truncatingIfNeeded: number >> 8))
    }

    /// Of a file with nanoseconds.
    private static let magic: UInt32 = 0xa1b2_3c4d
    private static let linkTypeRaw: UInt32 = 101
    /// No packet of IP is longer without an extension that nobody sends.
    private static let snapLength: UInt32 = 262_144
}
