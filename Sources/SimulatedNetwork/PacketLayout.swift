import PacketFormats

/// Where things are in an IP packet whose lengths have been checked once, so that the routers need not parse it again.
struct PacketLayout: Hashable, Sendable {
    var version: IPVersion
    var source: IPAddress
    var destination: IPAddress
    /// The upper-layer protocol, behind the extension headers.
    var proto: IPProtocol
    /// Offset of the upper-layer header.
    var transport: Int
    var isFragment: Bool
    /// In octets.
    var fragmentOffset: Int
    var moreFragments: Bool
    var identification: UInt32
    /// Offset of the IPv6 fragment header and of the octet that names it, 0 where there is none.
    var fragmentHeader: Int
    var fragmentHeaderName: Int

    /// Parses a whole packet and cuts what is behind its length. nil: it is no packet that a router would touch.
    init?(_ bytes: inout [UInt8]) {
        guard let first = bytes.first else { return nil }
        switch first >> 4 {
        case 4:
            guard let header = try? IPv4Header(parsing: bytes.bytes), Int(header.totalLength) <= bytes.count else {
                return nil
            }
            bytes.removeLast(bytes.count - Int(header.totalLength))
            self.init(header)
        case 6:
            guard let header = try? IPv6Header(parsing: bytes.bytes),
                IPv6Header.length + Int(header.payloadLength) <= bytes.count
            else { return nil }
            bytes.removeLast(bytes.count - IPv6Header.length - Int(header.payloadLength))
            self.init(header, bytes)
        default:
            return nil
        }
    }

    private init(_ header: IPv4Header) {
        version = .v4
        source = .v4(header.source)
        destination = .v4(header.destination)
        proto = header.proto
        transport = header.headerLength
        fragmentOffset = Int(header.fragmentOffset) * 8
        moreFragments = header.moreFragments
        isFragment = header.fragmentOffset > 0 || header.moreFragments
        identification = UInt32(header.identification)
        fragmentHeader = 0
        fragmentHeaderName = 0
    }

    /// nil when an extension header passes the end of the packet.
    private init?(_ header: IPv6Header, _ bytes: [UInt8]) {
        version = .v6
        source = .v6(header.source)
        destination = .v6(header.destination)
        proto = header.nextHeader
        transport = IPv6Header.length
        isFragment = false
        fragmentOffset = 0
        moreFragments = false
        identification = 0
        fragmentHeader = 0
        fragmentHeaderName = 0
        var name = 6
        while [.hopByHopOptions, .routing, .destinationOptions, .fragment].contains(proto) {
            guard transport + 8 <= bytes.count else { return nil }
            let length = proto == .fragment ? 8 : 8 + Int(bytes[transport + 1]) * 8
            guard transport + length <= bytes.count else { return nil }
            if proto == .fragment {
                guard fragmentHeader == 0 else { return nil }
                let field = bytes.uint16(at: transport + 2)
                fragmentHeader = transport
                fragmentHeaderName = name
                isFragment = true
                fragmentOffset = Int(field & 0xfff8)
                moreFragments = field & 1 != 0
                identification = bytes.bytes.uint32(at: transport + 4)
            }
            name = transport
            proto = IPProtocol(rawValue: bytes[transport])
            transport += length
            // What follows in a later fragment is no header.
            if fragmentOffset > 0 { break }
        }
    }

    /// Whether the packet is an ICMP error, about which nobody sends an error (RFC 1122 section 3.2.2).
    func isError(_ bytes: [UInt8]) -> Bool {
        guard proto == .icmp(for: version), fragmentOffset == 0, transport < bytes.count else { return false }
        return ICMPType(rawValue: bytes[transport]).quotesPacket(version)
    }

    /// Whether errors about the packet may be sent: not about errors, later fragments, or to nobody in particular.
    func deservesError(_ bytes: [UInt8]) -> Bool {
        fragmentOffset == 0 && !source.isUnspecified && !source.isMulticast && !destination.isMulticast
            && !isError(bytes)
    }
}

extension Array where Element == UInt8 {
    /// Two octets in network byte order; `offset` is within the array.
    func uint16(at offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

    /// Appends in network byte order.
    mutating func append(_ value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }

    /// Appends in network byte order.
    mutating func append(_ value: UInt32) {
        append(UInt16(truncatingIfNeeded: value >> 16))
        append(UInt16(truncatingIfNeeded: value))
    }

    /// Appends in network byte order, 4 or 16 octets.
    mutating func append(_ address: IPAddress) {
        switch address {
        case .v4(let address):
            append(address.rawValue)
        case .v6(let address):
            for half in [address.high, address.low] {
                append(UInt32(truncatingIfNeeded: half >> 32))
                append(UInt32(truncatingIfNeeded: half))
            }
        }
    }

    /// Overwrites two octets in network byte order; `offset` is within the array.
    mutating func replace(at offset: Int, with value: UInt16) {
        self[offset] = UInt8(truncatingIfNeeded: value >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    /// Writes the checksum of an IPv4 header of `length` octets at the start. O(n).
    mutating func completeIPv4Header(_ length: Int) {
        replace(at: 10, with: 0)
        replace(at: 10, with: InternetChecksum.of(bytes.extracting(0..<length)))
    }

    /// The hop limit of the IP packet that the array holds.
    var hopLimit: UInt8 {
        get { self[self[0] >> 4 == 4 ? 8 : 7] }
        set {
            guard self[0] >> 4 == 4 else {
                self[7] = newValue
                return
            }
            let old = uint16(at: 8)
            self[8] = newValue
            replace(at: 10, with: InternetChecksum.updated(uint16(at: 10), replacing: old, with: uint16(at: 8)))
        }
    }

    /// Lowers the hop limit, which is not 0, by one as a router does (RFC 1624).
    mutating func decrementHopLimit() {
        hopLimit &-= 1
    }

    /// The traffic class of the IP packet that the array holds.
    var trafficClass: UInt8 {
        get { self[0] >> 4 == 4 ? self[1] : self[0] << 4 | self[1] >> 4 }
        set {
            if self[0] >> 4 == 4 {
                let old = uint16(at: 0)
                self[1] = newValue
                replace(at: 10, with: InternetChecksum.updated(uint16(at: 10), replacing: old, with: uint16(at: 0)))
            } else {
                self[0] = 0x60 | newValue >> 4
                self[1] = newValue << 4 | self[1] & 0xf
            }
        }
    }

    /// Whether the IPv4 packet that the array holds may not be cut; always true of IPv6.
    var dontFragment: Bool { self[0] >> 4 == 6 || self[6] & 0x40 != 0 }
}
