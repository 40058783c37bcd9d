/// The fixed header of an IPv6 packet (RFC 8200 section 3).
public struct IPv6Header: Hashable, Sendable, BitwiseCopyable {
    public var trafficClass: UInt8
    /// 20 bits.
    public var flowLabel: UInt32
    /// Octets behind this header.
    public var payloadLength: UInt16
    public var nextHeader: IPProtocol
    public var hopLimit: UInt8
    public var source: IPv6Address
    public var destination: IPv6Address

    public init(
        source: IPv6Address, destination: IPv6Address, nextHeader: IPProtocol, hopLimit: UInt8,
        payloadLength: UInt16 = 0, trafficClass: UInt8 = 0, flowLabel: UInt32 = 0
    ) {
        self.trafficClass = trafficClass
        self.flowLabel = flowLabel
        self.payloadLength = payloadLength
        self.nextHeader = nextHeader
        self.hopLimit = hopLimit
        self.source = source
        self.destination = destination
    }

    /// Parses the header at the start of `bytes`. Throws when the version is not 6 or fewer than 40 octets are there.
    @inlinable
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.length)
        let first = bytes.uint32(at: 0)
        guard first >> 28 == 6 else { throw .wrongVersion(expected: 6, found: UInt8(first >> 28)) }
        trafficClass = UInt8(truncatingIfNeeded: first >> 20)
        flowLabel = first & 0xf_ffff
        payloadLength = bytes.uint16(at: 4)
        nextHeader = IPProtocol(rawValue: bytes.octet(at: 6))
        hopLimit = bytes.octet(at: 7)
        source = IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16))
        destination = IPv6Address(high: bytes.uint64(at: 24), low: bytes.uint64(at: 32))
    }

    /// Writes the header. Throws when it does not fit or the flow label passes 20 bits.
    @inlinable
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        guard flowLabel <= 0xf_ffff else { throw .invalidValue(field: "flowLabel", value: UInt64(flowLabel)) }
        try output.require(Self.length)
        output.append(6 << 28 | UInt32(trafficClass) << 20 | flowLabel)
        output.append(payloadLength)
        output.append(nextHeader.rawValue)
        output.append(hopLimit)
        output.append(source.high)
        output.append(source.low)
        output.append(destination.high)
        output.append(destination.low)
    }

    public static let length = 40
}
