/// An ICMP or ICMPv6 message type: unknown numbers are kept (RFC 792, RFC 4443).
public struct ICMPType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Message types of ICMP for IPv4 (RFC 792, RFC 950, RFC 8335).
    public enum V4 {
        public static let echoReply = ICMPType(rawValue: 0)
        public static let destinationUnreachable = ICMPType(rawValue: 3)
        public static let sourceQuench = ICMPType(rawValue: 4)
        public static let redirect = ICMPType(rawValue: 5)
        public static let echoRequest = ICMPType(rawValue: 8)
        public static let timeExceeded = ICMPType(rawValue: 11)
        public static let parameterProblem = ICMPType(rawValue: 12)
        public static let timestampRequest = ICMPType(rawValue: 13)
        public static let timestampReply = ICMPType(rawValue: 14)
        public static let extendedEchoRequest = ICMPType(rawValue: 42)
        public static let extendedEchoReply = ICMPType(rawValue: 43)
    }

    /// Message types of ICMPv6 (RFC 4443, RFC 4861, RFC 8335).
    public enum V6 {
        public static let destinationUnreachable = ICMPType(rawValue: 1)
        public static let packetTooBig = ICMPType(rawValue: 2)
        public static let timeExceeded = ICMPType(rawValue: 3)
        public static let parameterProblem = ICMPType(rawValue: 4)
        public static let echoRequest = ICMPType(rawValue: 128)
        public static let echoReply = ICMPType(rawValue: 129)
        public static let redirect = ICMPType(rawValue: 137)
        public static let extendedEchoRequest = ICMPType(rawValue: 160)
        public static let extendedEchoReply = ICMPType(rawValue: 161)
    }

    @inlinable
    public static func echoRequest(_ version: IPVersion) -> ICMPType {
        version == .v4 ? V4.echoRequest : V6.echoRequest
    }

    @inlinable
    public static func echoReply(_ version: IPVersion) -> ICMPType { version == .v4 ? V4.echoReply : V6.echoReply }

    @inlinable
    public static func timeExceeded(_ version: IPVersion) -> ICMPType {
        version == .v4 ? V4.timeExceeded : V6.timeExceeded
    }

    @inlinable
    public static func destinationUnreachable(_ version: IPVersion) -> ICMPType {
        version == .v4 ? V4.destinationUnreachable : V6.destinationUnreachable
    }

    @inlinable
    public static func extendedEchoRequest(_ version: IPVersion) -> ICMPType {
        version == .v4 ? V4.extendedEchoRequest : V6.extendedEchoRequest
    }

    @inlinable
    public static func extendedEchoReply(_ version: IPVersion) -> ICMPType {
        version == .v4 ? V4.extendedEchoReply : V6.extendedEchoReply
    }

    @inlinable
    public static func parameterProblem(_ version: IPVersion) -> ICMPType {
        version == .v4 ? V4.parameterProblem : V6.parameterProblem
    }

    /// Whether a message of this type quotes the packet that caused it.
    @inlinable
    public func quotesPacket(_ version: IPVersion) -> Bool {
        switch version {
        case .v4:
            [V4.destinationUnreachable, V4.sourceQuench, V4.redirect, V4.timeExceeded, V4.parameterProblem]
                .contains(self)
        case .v6: rawValue < 128
        }
    }
}

/// The first eight octets of every ICMP and ICMPv6 message (RFC 792, RFC 4443 section 2.1).
public struct ICMPHeader: Hashable, Sendable, BitwiseCopyable {
    public var type: ICMPType
    public var code: UInt8
    /// As it stands in the packet; `write` computes it anew.
    public var checksum: UInt16
    /// The four octets behind the checksum, whose meaning depends on the type.
    public var rest: UInt32

    @inlinable
    public init(type: ICMPType, code: UInt8 = 0, rest: UInt32 = 0) {
        self.type = type
        self.code = code
        self.checksum = 0
        self.rest = rest
    }

    /// An echo request or reply.
    @inlinable
    public init(echo type: ICMPType, identifier: UInt16, sequenceNumber: UInt16) {
        self.init(type: type, rest: UInt32(identifier) << 16 | UInt32(sequenceNumber))
    }

    /// The identifier of an echo or timestamp message.
    @inlinable public var identifier: UInt16 { UInt16(truncatingIfNeeded: rest >> 16) }
    /// The sequence number of an echo or timestamp message.
    @inlinable public var sequenceNumber: UInt16 { UInt16(truncatingIfNeeded: rest) }

    /// The router that a redirect names, nil for every other message (RFC 792; the redirect of IPv6 is no such message).
    @inlinable
    public func gateway(_ version: IPVersion) -> IPv4Address? {
        version == .v4 && type == ICMPType.V4.redirect ? IPv4Address(rawValue: rest) : nil
    }

    /// The octet of the quoted packet where a parameter problem lies, nil for every other message (RFC 792, RFC 4443).
    @inlinable
    public func pointer(_ version: IPVersion) -> Int? {
        guard type == .parameterProblem(version) else { return nil }
        return version == .v4 ? Int(rest >> 24) : Int(rest)
    }

    /// The MTU of the link that a packet was too big for, in octets; nil for every other message and where a router from
    /// before RFC 1191 left it out (RFC 1191 section 4, RFC 4443 section 3.2).
    @inlinable
    public func mtu(_ version: IPVersion) -> Int? {
        let mtu: UInt32
        switch version {
        case .v4:
            guard type == ICMPType.V4.destinationUnreachable, code == Self.fragmentationNeeded else { return nil }
            mtu = rest & 0xffff
        case .v6:
            guard type == ICMPType.V6.packetTooBig else { return nil }
            mtu = rest
        }
        return mtu == 0 ? nil : Int(mtu)
    }

    /// Parses the first eight octets; the checksum is the caller's to verify, who has the whole message.
    ///
    /// Throws when fewer than eight octets are there.
    @inlinable
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.length)
        type = ICMPType(rawValue: bytes.octet(at: 0))
        code = bytes.octet(at: 1)
        checksum = bytes.uint16(at: 2)
        rest = bytes.uint32(at: 4)
    }

    /// Writes the header with a checksum of zero: call `writeChecksum` when the whole message stands.
    ///
    /// Throws when it does not fit.
    @inlinable
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        try output.require(Self.length)
        output.append(type.rawValue)
        output.append(code)
        output.append(UInt16(0))
        output.append(rest)
    }

    /// Completes the message that starts at `start` of `output` with the checksum of ICMP for IPv4. O(n).
    @inlinable
    public static func writeChecksum(of start: Int, in output: inout OutputRawSpan) {
        let checksum = InternetChecksum.of(output.bytes.extracting(start..<output.byteCount))
        output.replace(at: start + 2, with: checksum)
    }

    /// Completes the message that starts at `start` of `output` with the checksum of ICMPv6, which covers the
    /// pseudo-header (RFC 4443 section 2.3). O(n).
    @inlinable
    public static func writeChecksum(
        of start: Int, in output: inout OutputRawSpan, source: IPv6Address, destination: IPv6Address
    ) {
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(
            source: .v6(source), destination: .v6(destination), proto: .icmpv6, length: output.byteCount - start)
        checksum.add(output.bytes.extracting(start..<output.byteCount))
        output.replace(at: start + 2, with: checksum.value)
    }

    public static let length = 8
    /// The code of a destination-unreachable message for a packet that is too big and may not be fragmented (RFC 792).
    public static let fragmentationNeeded: UInt8 = 4
}
