/// The header of an IPv4 packet (RFC 791 section 3.1).
public struct IPv4Header: Hashable, Sendable {
    /// DSCP in the upper six bits, ECN in the lower two (RFC 2474, RFC 3168).
    public var trafficClass: UInt8
    /// Octets of the whole packet, header included.
    public var totalLength: UInt16
    public var identification: UInt16
    public var dontFragment: Bool
    public var moreFragments: Bool
    /// In units of eight octets, 0...8191.
    public var fragmentOffset: UInt16
    /// Time to live.
    public var hopLimit: UInt8
    public var proto: IPProtocol
    /// As it stands in the packet; `write` computes it anew.
    public var checksum: UInt16
    public var source: IPv4Address
    public var destination: IPv4Address
    /// The options area as it stands in the packet, 0 to 40 octets, padded to a multiple of four by `write`.
    public var options: [UInt8]

    public init(
        source: IPv4Address = .any, destination: IPv4Address, proto: IPProtocol, hopLimit: UInt8,
        totalLength: UInt16 = 0, trafficClass: UInt8 = 0, identification: UInt16 = 0, dontFragment: Bool = false,
        moreFragments: Bool = false, fragmentOffset: UInt16 = 0, options: [UInt8] = []
    ) {
        self.trafficClass = trafficClass
        self.totalLength = totalLength
        self.identification = identification
        self.dontFragment = dontFragment
        self.moreFragments = moreFragments
        self.fragmentOffset = fragmentOffset
        self.hopLimit = hopLimit
        self.proto = proto
        self.checksum = 0
        self.source = source
        self.destination = destination
        self.options = options
    }

    /// Octets of the header: 20 and the options, rounded up to a multiple of four.
    @inlinable
    public var headerLength: Int { Self.minimumLength + (options.count + 3) & ~3 }

    /// Parses the header at the start of `bytes`, which may hold less of the payload than `totalLength` says.
    ///
    /// Throws when the version is not 4, the header length is impossible or not there, or the checksum is wrong.
    @inlinable
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try self.init(parsingQuoted: bytes)
        guard InternetChecksum.of(bytes.extracting(first: headerLength)) == 0 else {
            throw .wrongChecksum(found: checksum)
        }
        guard Int(totalLength) >= headerLength else {
            throw .invalidLength(field: "totalLength", value: Int(totalLength))
        }
    }

    /// Parses a header that a router quotes: neither its checksum nor its total length has to be right.
    ///
    /// Throws when the version is not 4 or the header length is impossible or not there.
    @inlinable
    public init(parsingQuoted bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.minimumLength)
        let first = bytes.octet(at: 0)
        guard first >> 4 == 4 else { throw .wrongVersion(expected: 4, found: first >> 4) }
        let headerLength = Int(first & 0xf) * 4
        guard headerLength >= Self.minimumLength else {
            throw .invalidLength(field: "headerLength", value: headerLength)
        }
        try bytes.require(headerLength)
        trafficClass = bytes.octet(at: 1)
        totalLength = bytes.uint16(at: 2)
        identification = bytes.uint16(at: 4)
        let fragment = bytes.uint16(at: 6)
        dontFragment = fragment & 0x4000 != 0
        moreFragments = fragment & 0x2000 != 0
        fragmentOffset = fragment & 0x1fff
        hopLimit = bytes.octet(at: 8)
        proto = IPProtocol(rawValue: bytes.octet(at: 9))
        checksum = bytes.uint16(at: 10)
        source = IPv4Address(rawValue: bytes.uint32(at: 12))
        destination = IPv4Address(rawValue: bytes.uint32(at: 16))
        options =
            headerLength == Self.minimumLength
            ? [] : bytes.extracting(Self.minimumLength..<headerLength).copied()
    }

    /// Writes the header with its checksum.
    ///
    /// Throws when it does not fit, the options pass 40 octets or the fragment offset 13 bits.
    @inlinable
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        guard options.count <= Self.maximumOptionsLength else {
            throw .invalidLength(field: "options", value: options.count)
        }
        guard fragmentOffset <= 0x1fff else {
            throw .invalidValue(field: "fragmentOffset", value: UInt64(fragmentOffset))
        }
        try output.require(headerLength)
        let start = output.byteCount
        output.append(UInt8(0x40 | headerLength / 4))
        output.append(trafficClass)
        output.append(totalLength)
        output.append(identification)
        output.append((dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0) | fragmentOffset)
        output.append(hopLimit)
        output.append(proto.rawValue)
        output.append(UInt16(0))
        output.append(source.rawValue)
        output.append(destination.rawValue)
        for octet in options { output.append(octet) }
        output.append(repeating: 0, count: headerLength - Self.minimumLength - options.count)
        output.replace(at: start + 10, with: InternetChecksum.of(output.bytes.extracting(start..<output.byteCount)))
    }

    public static let minimumLength = 20
    public static let maximumOptionsLength = 40
}
