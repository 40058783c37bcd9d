/// The texts of an answer of the DNS, each the strings of one TXT record in a row (RFC 1035 sections 4.1, 3.3.14).
///
/// They are bytes of foreign origin. What the answer says beside TXT records is passed over.
public struct DNSText: Hashable, Sendable {
    public let texts: [[UInt8]]

    /// Parses a whole message. Throws when it ends early or is none that answers; of more than 64 texts, or of more than
    /// 512 records of any type, the first are kept. O(n).
    public init(parsing message: RawSpan) throws(PacketError) {
        try message.require(Self.headerLength)
        guard message.octet(at: 2) & Self.response != 0 else { throw .invalidValue(field: "QR of the DNS", value: 0) }
        var offset = Self.headerLength
        for _ in 0..<min(message.uint16(at: 4), Self.maximumRecords) {
            offset = try Self.skipName(message, at: offset)
            offset = try Self.checked(offset, plus: 4, message)
        }
        var texts: [[UInt8]] = []
        for _ in 0..<min(message.uint16(at: 6), Self.maximumRecords) where texts.count < Self.maximumTexts {
            offset = try Self.skipName(message, at: offset)
            let data = try Self.checked(offset, plus: 10, message)
            let (type, length) = (message.uint16(at: offset), Int(message.uint16(at: offset + 8)))
            offset = try Self.checked(data, plus: length, message)
            if type == Self.text { texts.append(try Self.strings(message.from(data).prefix(length))) }
        }
        self.texts = texts
    }

    private static func strings(_ data: RawSpan) throws(PacketError) -> [UInt8] {
        var text: [UInt8] = []
        var offset = 0
        while offset < data.byteCount {
            let end = try checked(offset, plus: 1 + Int(data.octet(at: offset)), data)
            for position in offset + 1..<end { text.append(data.octet(at: position)) }
            offset = end
        }
        return text
    }

    /// The place behind a name, which ends with an empty label or with a pointer to somewhere else.
    private static func skipName(_ message: RawSpan, at start: Int) throws(PacketError) -> Int {
        var offset = start
        while true {
            let next = try checked(offset, plus: 1, message)
            let length = message.octet(at: offset)
            switch length >> 6 {
            case 0: offset = try checked(next, plus: Int(length), message)
            case 3: return try checked(next, plus: 1, message)
            default: throw .invalidValue(field: "label", value: UInt64(length))
            }
            if length == 0 { return offset }
        }
    }

    private static func checked(_ offset: Int, plus count: Int, _ bytes: RawSpan) throws(PacketError) -> Int {
        guard count <= bytes.byteCount - offset else {
            throw .truncated(needed: offset + count, available: bytes.byteCount)
        }
        return offset + count
    }

    private static let headerLength = 12
    private static let response: UInt8 = 0x80
    private static let text: UInt16 = 16
    private static let maximumRecords: UInt16 = 512
    private static let maximumTexts = 64
}
