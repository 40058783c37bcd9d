/// The options of a TCP header, in their order (RFC 9293 section 3.1).
public struct TCPOptions: Hashable, Sendable, RandomAccessCollection, ExpressibleByArrayLiteral {
    public var elements: [TCPOption]

    public init(_ elements: [TCPOption]) { self.elements = elements }

    public init(arrayLiteral elements: TCPOption...) { self.elements = elements }

    /// Parses an options area as `TCPHeader.options` holds it, up to its end or its end-of-list octet.
    ///
    /// Throws when an option's length is less than 2 or passes the area, or the area passes 40 octets. O(n).
    public init(parsing bytes: RawSpan) throws(PacketError) {
        guard bytes.byteCount <= TCPHeader.maximumOptionsLength else {
            throw .invalidLength(field: "options", value: bytes.byteCount)
        }
        elements = []
        var offset = 0
        while offset < bytes.byteCount {
            let kind = bytes.octet(at: offset)
            if kind == TCPOption.endKind { break }
            if kind == TCPOption.noOperationKind {
                elements.append(.noOperation)
                offset += 1
                continue
            }
            let rest = bytes.from(offset)
            try rest.require(2)
            let length = Int(rest.octet(at: 1))
            guard length >= 2, length <= rest.byteCount else {
                throw .invalidLength(field: "optionLength", value: length)
            }
            elements.append(TCPOption(kind: kind, data: rest.extracting(2..<length)))
            offset += length
        }
    }

    /// Writes the options, padded with end-of-list octets to a multiple of four.
    ///
    /// Throws when they don't fit or pass 40 octets.
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        let start = output.byteCount
        for element in elements { try element.write(to: &output) }
        let length = output.byteCount - start
        guard length <= TCPHeader.maximumOptionsLength else {
            throw .invalidLength(field: "options", value: length)
        }
        let padding = -length & 3
        try output.require(padding)
        output.append(repeating: TCPOption.endKind, count: padding)
    }

    /// The area for `TCPHeader.options`. Throws as `write` does. O(n).
    public func encoded() throws(PacketError) -> [UInt8] {
        try [UInt8](capacity: TCPHeader.maximumOptionsLength) { output throws(PacketError) in
            try write(to: &output)
        }
    }

    public var startIndex: Int { elements.startIndex }
    public var endIndex: Int { elements.endIndex }
    public subscript(position: Int) -> TCPOption { elements[position] }
}

/// One option of a TCP header.
public enum TCPOption: Hashable, Sendable {
    case noOperation
    /// In octets (RFC 9293 section 3.7.1).
    case maximumSegmentSize(UInt16)
    /// The shift of the window field (RFC 7323 section 2).
    case windowScale(UInt8)
    /// RFC 2018 section 2.
    case selectiveAcknowledgmentPermitted
    /// RFC 7323 section 3.
    case timestamps(value: UInt32, echoReply: UInt32)
    /// Another option, or a malformed one of a known kind.
    case unknown(kind: UInt8, data: [UInt8])

    /// Reads the data as the kind says; what does not fit its kind is kept as unknown.
    init(kind: UInt8, data: RawSpan) {
        switch (kind, data.byteCount) {
        case (Self.maximumSegmentSizeKind, 2): self = .maximumSegmentSize(data.uint16(at: 0))
        case (Self.windowScaleKind, 1): self = .windowScale(data.octet(at: 0))
        case (Self.selectiveAcknowledgmentPermittedKind, 0): self = .selectiveAcknowledgmentPermitted
        case (Self.timestampsKind, 8):
            self = .timestamps(value: data.uint32(at: 0), echoReply: data.uint32(at: 4))
        default: self = .unknown(kind: kind, data: data.copied())
        }
    }

    func write(to output: inout OutputRawSpan) throws(PacketError) {
        switch self {
        case .noOperation:
            try output.require(1)
            output.append(Self.noOperationKind)
        case .maximumSegmentSize(let size):
            try Self.begin(Self.maximumSegmentSizeKind, dataLength: 2, in: &output)
            output.append(size)
        case .windowScale(let shift):
            try Self.begin(Self.windowScaleKind, dataLength: 1, in: &output)
            output.append(shift)
        case .selectiveAcknowledgmentPermitted:
            try Self.begin(Self.selectiveAcknowledgmentPermittedKind, dataLength: 0, in: &output)
        case .timestamps(let value, let echoReply):
            try Self.begin(Self.timestampsKind, dataLength: 8, in: &output)
            output.append(value)
            output.append(echoReply)
        case .unknown(let kind, let data):
            // Kinds 0 and 1 are a single octet, so that an option of that kind would be read back as something else.
            guard kind > Self.noOperationKind else { throw .invalidValue(field: "optionKind", value: UInt64(kind)) }
            try Self.begin(kind, dataLength: data.count, in: &output)
            output.append(contentsOf: data.bytes)
        }
    }

    /// Writes kind and length once the whole option is known to fit.
    private static func begin(
        _ kind: UInt8, dataLength: Int, in output: inout OutputRawSpan
    ) throws(PacketError) {
        guard dataLength <= TCPHeader.maximumOptionsLength - 2 else {
            throw .invalidLength(field: "optionLength", value: dataLength)
        }
        try output.require(2 + dataLength)
        output.append(kind)
        output.append(UInt8(2 + dataLength))
    }

    static let endKind: UInt8 = 0
    static let noOperationKind: UInt8 = 1
    static let maximumSegmentSizeKind: UInt8 = 2
    static let windowScaleKind: UInt8 = 3
    static let selectiveAcknowledgmentPermittedKind: UInt8 = 4
    static let timestampsKind: UInt8 = 8
}
