/// What an ICMP error quotes of the packet that caused it, read leniently (RFC 792, RFC 1812 section 4.3.2.3).
///
/// A router may have changed the hop limit, spoilt the checksum or the total length, and cut the packet after eight
/// octets of its transport header: none of this is an error here.
public struct QuotedPacket: Hashable, Sendable {
    public var version: IPVersion
    public var source: IPAddress
    public var destination: IPAddress
    public var trafficClass: UInt8
    /// As the router saw or left it.
    public var hopLimit: UInt8
    /// Octets of the whole original packet as its header says, IP header included.
    public var totalLength: Int
    /// Of IPv4; 0 for IPv6.
    public var identification: UInt16
    /// Of IPv6; 0 for IPv4.
    public var flowLabel: UInt32
    /// Of IPv4; false for IPv6.
    public var dontFragment: Bool
    /// The options area of IPv4 as far as it is quoted, such as a source route; empty for IPv6.
    public var ipv4Options: [UInt8]
    /// In octets; 0 for a first or an only fragment.
    public var fragmentOffset: Int
    /// The upper layer; an IPv6 extension header's own number where the quote ends inside of the chain.
    public var proto: IPProtocol
    public var transport: Transport
    /// What is quoted behind the transport header, at most 512 octets. The padding that RFC 4884 asks for may be part of
    /// it: the total length, which routers spoil, is not used to cut.
    public var payload: [UInt8]

    /// The start of the upper layer.
    public enum Transport: Hashable, Sendable {
        case icmp(ICMPHeader)
        case udp(UDPHeader)
        case tcp(TCPQuote)
        /// Another protocol, or a fragment that is not the first.
        case other
        /// Fewer than the first eight octets of the transport header.
        case truncated
    }

    /// Parses a quoted packet. Throws when `bytes` do not hold the IP header of that version, options included.
    public init(parsing bytes: RawSpan, version: IPVersion) throws(PacketError) {
        self.version = version
        let upperLayer: RawSpan
        let reachesUpperLayer: Bool
        switch version {
        case .v4:
            let header = try IPv4Header(parsingQuoted: bytes)
            source = .v4(header.source)
            destination = .v4(header.destination)
            trafficClass = header.trafficClass
            hopLimit = header.hopLimit
            totalLength = Int(header.totalLength)
            identification = header.identification
            flowLabel = 0
            dontFragment = header.dontFragment
            ipv4Options = header.options
            fragmentOffset = Int(header.fragmentOffset) * 8
            proto = header.proto
            upperLayer = bytes.from(header.headerLength)
            reachesUpperLayer = true
        case .v6:
            let header = try IPv6Header(parsing: bytes)
            source = .v6(header.source)
            destination = .v6(header.destination)
            trafficClass = header.trafficClass
            hopLimit = header.hopLimit
            totalLength = IPv6Header.length + Int(header.payloadLength)
            identification = 0
            flowLabel = header.flowLabel
            dontFragment = false
            ipv4Options = []
            let body = bytes.from(IPv6Header.length)
            let chain = IPv6ExtensionHeaders(parsing: body, nextHeader: header.nextHeader)
            fragmentOffset = Int(chain.fragment?.fragmentOffset ?? 0) * 8
            proto = chain.proto
            upperLayer = body.from(chain.length)
            reachesUpperLayer = chain.reachesUpperLayer || fragmentOffset != 0
        }
        let headerLength: Int
        if fragmentOffset != 0 {
            transport = .other
            headerLength = 0
        } else if reachesUpperLayer {
            (transport, headerLength) = Self.transport(of: proto, version: version, in: upperLayer)
        } else {
            transport = .truncated
            headerLength = upperLayer.byteCount
        }
        payload = upperLayer.from(headerLength).prefix(Self.maximumPayload).copied()
    }

    /// The transport header at the start of `bytes` and the octets to skip to its payload.
    private static func transport(of proto: IPProtocol, version: IPVersion, in bytes: RawSpan) -> (Transport, Int) {
        do throws(PacketError) {
            switch proto {
            case .icmp(for: version): return (.icmp(try ICMPHeader(parsing: bytes)), ICMPHeader.length)
            case .udp: return (.udp(try UDPHeader(parsing: bytes)), UDPHeader.length)
            case .tcp:
                let quote = try TCPQuote(parsing: bytes)
                return (.tcp(quote), quote.header?.headerLength ?? bytes.byteCount)
            default: return (.other, 0)
            }
        } catch {
            return (.truncated, bytes.byteCount)
        }
    }

    /// Octets of payload that are kept.
    public static let maximumPayload = 512
}

/// A TCP header of which perhaps only the first eight octets are there.
public struct TCPQuote: Hashable, Sendable {
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    public var sequenceNumber: UInt32
    /// The flags, from 14 octets on.
    public var flags: TCPHeader.Flags?
    /// The whole header with its options, when it is all there.
    public var header: TCPHeader?

    /// Parses what is there of a header. Throws when fewer than eight octets are.
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(8)
        sourcePort = bytes.uint16(at: 0)
        destinationPort = bytes.uint16(at: 2)
        sequenceNumber = bytes.uint32(at: 4)
        flags = bytes.byteCount >= 14 ? TCPHeader.Flags(rawValue: bytes.octet(at: 13)) : nil
        header = try? TCPHeader(parsing: bytes)
    }

    /// The options in their order; nil where the header is not all there or they make no sense.
    public var options: TCPOptions? {
        header.flatMap { header in try? TCPOptions(parsing: header.options.bytes) }
    }

    /// Octets, of the option; nil where there is none or that is not known.
    public var maximumSegmentSize: UInt16? {
        for case .maximumSegmentSize(let size) in options ?? [] { return size }
        return nil
    }
}
