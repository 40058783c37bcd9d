import PacketFormats

/// What came back for a probe: one type for IPv4 and IPv6, for replies, ICMP errors and the socket's error queue.
public struct Response: Sendable {
    public enum Kind: Hashable, Sendable, BitwiseCopyable {
        /// An echo reply, or over UDP the payload sent back.
        case echoReply
        /// An ICMP timestamp reply, with what it carries.
        case timestampReply(originate: InternetTimestamp, receive: InternetTimestamp, transmit: InternetTimestamp)
        /// A UDP datagram from the port that was asked, with other bytes than were sent.
        case datagram
        /// A TCP segment with these flags.
        case tcp(TCPHeader.Flags)
        /// An ICMP or ICMPv6 error; `info` holds the octets behind its checksum: MTU, pointer or gateway.
        case icmpError(type: ICMPType, code: UInt8, info: UInt32)
    }

    /// What is wrong with the bytes of a reply. A wrong length shows only to who knows what was sent: the measurement.
    public enum Integrity: Hashable, Sendable, BitwiseCopyable {
        case intact
        case wrongChecksum
        /// The first octet of the payload that differs from what was sent.
        case wrongOctet(offset: Int, expected: UInt8, found: UInt8)
        /// Payload octets that were sent and that came.
        case wrongLength(sent: Int, received: Int)
    }

    /// What shows that an error quotes a packet of ours. In a quote that a router rewrote some of it may be left.
    public enum Evidence: UInt8, Hashable, Sendable, BitwiseCopyable {
        /// Numbers that packets of others may have as well: beside them the destination must be ours.
        case number
        /// A port or identifier that nobody else on this host sends from. The number beside it counts only where the
        /// destination is ours.
        case port
        /// A keyed mark of the very probe, which stands for it whatever else was rewritten.
        case cookie
    }

    /// The probe that this answers, nil for an error that quotes too little to tell.
    public var probe: ProbeID?
    public var kind: Kind
    /// Who sent it.
    public var responder: IPAddress
    /// Where the quoted probe was going; nil in a reply.
    public var quotedDestination: IPAddress?
    /// To which port the quoted datagram was going; nil where that is not known.
    public var quotedPort: UInt16?
    /// What shows that the quoted packet is ours.
    public var evidence = Evidence.number
    /// As it arrived here.
    public var hopLimit: UInt8?
    public var trafficClass: UInt8?
    /// Octets of the ICMP message, or of the UDP datagram with its header.
    public var byteCount: Int
    public var integrity: Integrity
    /// When the packet arrived, by the clock of the stamp.
    public var stamp: Stamp
    /// When this process read it.
    public var arrival: Timestamp
    /// What an error quotes, and the rarer parts of a reply; nil where there are none.
    public var detail: ResponseDetail?

    public init(
        probe: ProbeID?, kind: Kind, responder: IPAddress, quotedDestination: IPAddress? = nil, hopLimit: UInt8? = nil,
        trafficClass: UInt8? = nil, byteCount: Int = 0, integrity: Integrity = .intact, stamp: Stamp,
        arrival: Timestamp, detail: ResponseDetail? = nil
    ) {
        self.probe = probe
        self.kind = kind
        self.responder = responder
        self.quotedDestination = quotedDestination
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.byteCount = byteCount
        self.integrity = integrity
        self.stamp = stamp
        self.arrival = arrival
        self.detail = detail
    }
}

extension Response {
    /// Whether the quoted packet is the probe's beyond doubt, wherever it was sent on to.
    @inlinable public var isAuthentic: Bool { evidence == .cookie }

    /// Whether the quoted packet was on its way to this address, or is the probe's whatever address stands there now.
    ///
    /// - Parameter destination: without a zone.
    func isAbout(_ destination: IPAddress) -> Bool {
        isAuthentic || quotedDestination?.withoutZone == destination
    }
}

/// The rarer parts of a response, boxed so that plain replies stay small.
public final class ResponseDetail: Sendable {
    /// What an ICMP error quotes; nil in a reply and where the kernel does not hand it out (error queue).
    public let quoted: QuotedPacket?
    /// What a router added to its ICMP error.
    public let extensions: ICMPExtensions?
    /// The options in the IPv4 header of a reply, such as the route that it recorded; nil where there are none.
    public let ipv4Options: IPv4Options?
    /// The start of a damaged reply's payload, at most `maximumPayload` octets; else empty.
    public let payload: [UInt8]

    public init(
        quoted: QuotedPacket? = nil, extensions: ICMPExtensions? = nil, ipv4Options: IPv4Options? = nil,
        payload: [UInt8] = []
    ) {
        self.quoted = quoted
        self.extensions = extensions
        self.ipv4Options = ipv4Options
        self.payload = payload
    }

    /// Octets of a damaged payload that are kept.
    public static let maximumPayload = 2_048
}

extension Response.Kind {
    /// Whether nothing more is to be expected for the probe: false for redirect and source quench.
    func isConclusive(_ version: IPVersion) -> Bool {
        guard version == .v4, case .icmpError(let type, _, _) = self else { return true }
        return type != ICMPType.V4.redirect && type != ICMPType.V4.sourceQuench
    }

    /// Whether a hop limit ran out on the way.
    @inlinable
    public func isTimeExceeded(_ version: IPVersion) -> Bool {
        guard case .icmpError(let type, _, _) = self else { return false }
        return type == .timeExceeded(version)
    }

    /// Whether somebody says that the destination, or the way to it, is not there.
    @inlinable
    public func isDestinationUnreachable(_ version: IPVersion) -> Bool {
        guard case .icmpError(let type, _, _) = self else { return false }
        return type == .destinationUnreachable(version)
    }

    /// Whether the port, not the host, is unreachable: the host is alive (RFC 792 code 3, RFC 4443 code 4).
    @inlinable
    public func isPortUnreachable(_ version: IPVersion) -> Bool {
        guard case .icmpError(let type, let code, _) = self else { return false }
        return type == .destinationUnreachable(version) && code == (version == .v4 ? 3 : 4)
    }

    /// Whether the host is there and does not speak the probe's protocol (RFC 792 code 2; RFC 4443 section 3.4 code 1).
    @inlinable
    public func isProtocolUnreachable(_ version: IPVersion) -> Bool {
        guard case .icmpError(let type, let code, _) = self else { return false }
        switch version {
        case .v4: return type == ICMPType.V4.destinationUnreachable && code == 2
        case .v6: return type == ICMPType.V6.parameterProblem && code == 1
        }
    }

    /// The next hop's MTU of "fragmentation needed" or "packet too big" (RFC 1191, RFC 4443 section 3.2).
    @inlinable
    public func nextHopMTU(_ version: IPVersion) -> UInt32? {
        guard case .icmpError(let type, let code, let info) = self else { return nil }
        switch version {
        case .v4: return type == ICMPType.V4.destinationUnreachable && code == 4 ? info & 0xffff : nil
        case .v6: return type == ICMPType.V6.packetTooBig ? info : nil
        }
    }
}
