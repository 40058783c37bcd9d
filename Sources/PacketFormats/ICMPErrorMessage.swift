/// An ICMP or ICMPv6 error: what happened, to which packet, and what the router adds (RFC 792, RFC 4443, RFC 4884).
public struct ICMPErrorMessage: Hashable, Sendable {
    public var header: ICMPHeader
    /// Nil when not even the IP header of the original packet is there.
    public var quoted: QuotedPacket?
    /// Nil when there are none or they are malformed.
    public var extensions: ICMPExtensions?

    /// Parses a whole message from its ICMP header on; its checksum is the caller's to verify.
    ///
    /// Throws when fewer than eight octets are there or the type is not that of an error. O(n).
    public init(parsing message: RawSpan, version: IPVersion) throws(PacketError) {
        header = try ICMPHeader(parsing: message)
        guard header.type.quotesPacket(version) else {
            throw .invalidValue(field: "type", value: UInt64(header.type.rawValue))
        }
        let body = message.from(ICMPHeader.length)
        var quotedLength = body.byteCount
        if header.type.carriesExtensions(version) {
            let announced = header.originalDatagramLength(version)
            let offset = announced == 0 ? Self.minimumOriginalDatagram : announced
            if offset < body.byteCount {
                let structure = body.from(offset)
                // A length from before RFC 4884 may be anything: then only a checksum tells chance from intent.
                let isCompliant = announced >= Self.minimumOriginalDatagram
                if isCompliant || (structure.byteCount >= 4 && structure.uint16(at: 2) != 0) {
                    extensions = try? ICMPExtensions(parsing: structure)
                }
                if isCompliant || extensions != nil { quotedLength = offset }
            }
        }
        quoted = try? QuotedPacket(parsing: body.prefix(quotedLength), version: version)
    }

    /// How a router marks where its extensions start.
    public enum ExtensionForm: Hashable, Sendable, BitwiseCopyable {
        /// The length attribute says it (RFC 4884 section 4).
        case compliant
        /// No length; the original datagram is cut or padded to 128 octets (RFC 4884 section 5.1).
        case noLength
    }

    /// Writes a complete error message that quotes the octets of `original`, with its checksum.
    ///
    /// Where extensions follow, the quote is padded with zeros to at least 128 octets and to whole words, and the
    /// length attribute is set in the header. The addresses are those of the packet that carries the message; their
    /// version is the message's. How much of the original is quoted is the caller's choice.
    ///
    /// Throws when it does not fit, the addresses are of different versions, the type can't carry extensions, or the
    /// quote is longer than a length attribute can say (1,020 octets for IPv4, 2,040 for IPv6). O(n).
    public static func write(
        _ header: ICMPHeader, quoting original: RawSpan, extensions: ICMPExtensions? = nil,
        form: ExtensionForm = .compliant, source: IPAddress, destination: IPAddress, to output: inout OutputRawSpan
    ) throws(PacketError) {
        let version = source.version
        let start = output.byteCount
        guard let extensions else {
            try header.write(to: &output)
            try output.require(original.byteCount)
            output.append(contentsOf: original)
            try ICMPHeader.writeChecksum(of: start, in: &output, source: source, destination: destination)
            return
        }
        guard header.type.carriesExtensions(version) else {
            throw .invalidValue(field: "type", value: UInt64(header.type.rawValue))
        }
        let word = version == .v4 ? 4 : 8
        let quote = form == .noLength ? original.prefix(minimumOriginalDatagram) : original
        let quotedLength = max((quote.byteCount + word - 1) / word * word, minimumOriginalDatagram)
        guard quotedLength / word <= 0xff else {
            throw .invalidLength(field: "original", value: original.byteCount)
        }
        var header = header
        header.setOriginalDatagramLength(form == .noLength ? 0 : UInt8(quotedLength / word), version)
        try header.write(to: &output)
        try output.require(quotedLength)
        output.append(contentsOf: quote)
        output.append(repeating: 0, count: quotedLength - quote.byteCount)
        try extensions.write(to: &output)
        try ICMPHeader.writeChecksum(of: start, in: &output, source: source, destination: destination)
    }

    /// Octets of original datagram that precede an extension structure at least.
    public static let minimumOriginalDatagram = 128
}

extension ICMPType {
    /// Whether a message of this type may carry an extension structure (RFC 4884 section 4).
    public func carriesExtensions(_ version: IPVersion) -> Bool {
        switch version {
        case .v4: self == V4.destinationUnreachable || self == V4.timeExceeded || self == V4.parameterProblem
        case .v6: self == V6.destinationUnreachable || self == V6.timeExceeded
        }
    }
}

extension ICMPHeader {
    /// Octets of the original datagram as the length attribute says, 0 where it is not set (RFC 4884 section 4).
    public func originalDatagramLength(_ version: IPVersion) -> Int {
        switch version {
        case .v4: Int(rest >> 16 & 0xff) * 4
        case .v6: Int(rest >> 24) * 8
        }
    }

    /// Sets the length attribute, in words of four octets for IPv4 and of eight for IPv6.
    mutating func setOriginalDatagramLength(_ words: UInt8, _ version: IPVersion) {
        switch version {
        case .v4: rest = rest & ~0xff_0000 | UInt32(words) << 16
        case .v6: rest = rest & ~0xff00_0000 | UInt32(words) << 24
        }
    }

    /// Completes the message that starts at `start` of `output` with the checksum of the addresses' version. O(n).
    ///
    /// Throws when the addresses are of different versions.
    @inlinable
    public static func writeChecksum(
        of start: Int, in output: inout OutputRawSpan, source: IPAddress, destination: IPAddress
    ) throws(PacketError) {
        switch (source, destination) {
        case (.v4, .v4): writeChecksum(of: start, in: &output)
        case (.v6(let source), .v6(let destination)):
            writeChecksum(of: start, in: &output, source: source, destination: destination)
        case (.v4, .v6), (.v6, .v4):
            throw .wrongVersion(expected: source.version.rawValue, found: destination.version.rawValue)
        }
    }
}
