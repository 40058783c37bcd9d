/// A timestamp request or reply of ICMP for IPv4 (RFC 792).
public struct ICMPTimestampMessage: Hashable, Sendable, BitwiseCopyable {
    /// Type, code, identifier and sequence number.
    public var header: ICMPHeader
    /// When the asker last touched the request.
    public var originate: InternetTimestamp
    /// When the answerer first touched it; 0 in a request.
    public var receive: InternetTimestamp
    /// When the answerer last touched the reply; 0 in a request.
    public var transmit: InternetTimestamp

    /// A request.
    public init(identifier: UInt16, sequenceNumber: UInt16, originate: InternetTimestamp) {
        header = ICMPHeader(
            echo: ICMPType.V4.timestampRequest, identifier: identifier, sequenceNumber: sequenceNumber)
        self.originate = originate
        receive = InternetTimestamp(rawValue: 0)
        transmit = InternetTimestamp(rawValue: 0)
    }

    /// The reply to `request`.
    public init(replyTo request: ICMPTimestampMessage, receive: InternetTimestamp, transmit: InternetTimestamp) {
        self = request
        header.type = ICMPType.V4.timestampReply
        self.receive = receive
        self.transmit = transmit
    }

    /// Parses the message; the checksum is the caller's to verify.
    ///
    /// Throws when fewer than 20 octets are there or the type is neither request nor reply.
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.length)
        header = try ICMPHeader(parsing: bytes)
        guard header.type == ICMPType.V4.timestampRequest || header.type == ICMPType.V4.timestampReply else {
            throw .invalidValue(field: "type", value: UInt64(header.type.rawValue))
        }
        originate = InternetTimestamp(rawValue: bytes.uint32(at: 8))
        receive = InternetTimestamp(rawValue: bytes.uint32(at: 12))
        transmit = InternetTimestamp(rawValue: bytes.uint32(at: 16))
    }

    /// Writes the message with its checksum. Throws when it does not fit.
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        try output.require(Self.length)
        let start = output.byteCount
        try header.write(to: &output)
        output.append(originate.rawValue)
        output.append(receive.rawValue)
        output.append(transmit.rawValue)
        ICMPHeader.writeChecksum(of: start, in: &output)
    }

    public static let length = 20
}
