/// One option of a TCP header.
public enum TCPOption: HeaderOption {
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
    public init(kind: UInt8, data: RawSpan) {
        switch (kind, data.byteCount) {
        case (Self.maximumSegmentSizeKind, 2): self = .maximumSegmentSize(data.uint16(at: 0))
        case (Self.windowScaleKind, 1): self = .windowScale(data.octet(at: 0))
        case (Self.selectiveAcknowledgmentPermittedKind, 0): self = .selectiveAcknowledgmentPermitted
        case (Self.timestampsKind, 8):
            self = .timestamps(value: data.uint32(at: 0), echoReply: data.uint32(at: 4))
        default: self = .unknown(kind: kind, data: data.copied())
        }
    }

    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        switch self {
        case .noOperation:
            try output.require(1)
            output.append(noOperationOption)
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
            guard kind > noOperationOption else { throw .invalidValue(field: "optionKind", value: UInt64(kind)) }
            try Self.begin(kind, dataLength: data.count, in: &output)
            output.append(contentsOf: data.bytes)
        }
    }

    /// Writes kind and length once the whole option is known to fit.
    private static func begin(
        _ kind: UInt8, dataLength: Int, in output: inout OutputRawSpan
    ) throws(PacketError) {
        guard dataLength <= maximumOptionsLength - 2 else {
            throw .invalidLength(field: "optionLength", value: dataLength)
        }
        try output.require(2 + dataLength)
        output.append(kind)
        output.append(UInt8(2 + dataLength))
    }

    static let maximumSegmentSizeKind: UInt8 = 2
    static let windowScaleKind: UInt8 = 3
    static let selectiveAcknowledgmentPermittedKind: UInt8 = 4
    static let timestampsKind: UInt8 = 8
}
