import PacketFormats

/// The number of a probe within its measurement: 1, 2, 3 … in the order of sending, never used twice.
public struct ProbeID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    public var rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable
    public static func < (left: ProbeID, right: ProbeID) -> Bool { left.rawValue < right.rawValue }
}

/// What a probe asks with.
public enum ProbeMethod: Hashable, Sendable, BitwiseCopyable {
    /// An ICMP or ICMPv6 echo request.
    case icmpEcho
    /// An ICMP timestamp request (RFC 792), over IPv4 only: it asks for the time of day at the target.
    case icmpTimestamp
    /// A UDP datagram to this port.
    case udp(destinationPort: UInt16)
    /// A TCP segment to this port: a SYN, unless `ProbeContent` says otherwise.
    case tcpSYN(destinationPort: UInt16)
    /// A packet of this protocol with a payload and no header of its own.
    case ip(IPProtocol)

    /// The upper-layer protocol of the probe itself.
    @inlinable
    public func ipProtocol(for version: IPVersion) -> IPProtocol {
        switch self {
        case .icmpEcho, .icmpTimestamp: .icmp(for: version)
        case .udp: .udp
        case .tcpSYN: .tcp
        case .ip(let proto): proto
        }
    }

    /// 0 where the protocol has no ports.
    @inlinable public var destinationPort: UInt16 {
        switch self {
        case .icmpEcho, .icmpTimestamp, .ip: 0
        case .udp(let port), .tcpSYN(let port): port
        }
    }
}

/// Where probes carry their numbers, and so what load balancers make of them (Augustin et al., IMC 2006).
public enum FlowIdentity: String, Hashable, Sendable, CaseIterable {
    /// All probes of a flow have the same addresses, ports and first four octets behind the IP header, over IPv6 the same
    /// flow label too. The number stands in the identification of IPv4, and in the checksum of UDP, in the identifier
    /// and sequence number of ICMP, whose checksum stays the same, or in the sequence number of TCP.
    case paris
    /// Nothing is balanced: the checksum of ICMP differs from probe to probe. Whoever makes the probes lets ports differ too.
    case classic
    /// UDP datagrams that are alike to their checksum. The number stands in the identification of IPv4 alone, with
    /// fragments forbidden, or over IPv6 in the length of the payload.
    case dublin
}

/// What to send, in terms of the packet: it names no socket.
public struct Probe: Hashable, Sendable, BitwiseCopyable {
    public var destination: IPAddress
    public var method: ProbeMethod
    public var hopLimit: UInt8
    public var trafficClass: UInt8
    /// Probes of one flow look alike to every load balancer: same ports, same first octets behind the IP header.
    public var flow: UInt16
    /// Octets behind the header of ICMP, UDP or TCP.
    public var payloadLength: Int
    public var dontFragment: Bool
    /// The time of day that a timestamp request carries.
    public var originate = InternetTimestamp(rawValue: 0)

    @inlinable
    public init(
        destination: IPAddress, method: ProbeMethod, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, flow: UInt16 = 0,
        payloadLength: Int = 56, dontFragment: Bool = false
    ) {
        self.destination = destination
        self.method = method
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.flow = flow
        self.payloadLength = payloadLength
        self.dontFragment = dontFragment
    }
}

/// A probe that is due and the number it goes by.
public struct Transmit: Hashable, Sendable, BitwiseCopyable {
    public var id: ProbeID
    public var probe: Probe

    @inlinable
    public init(id: ProbeID, probe: Probe) {
        self.id = id
        self.probe = probe
    }
}

/// Why a probe did not leave this host.
public enum SendFailure: Hashable, Sendable {
    /// The local queue is full: the same probe may go in a moment.
    case retryLater
    /// The kernel refused the packet; `name` is the symbol of the error number, such as `ENETUNREACH`, and `mtu` what its
    /// route would take, where the packet was too long and that is known.
    case failed(code: Int32, name: String, mtu: Int? = nil)
}
