import PacketFormats

/// A rule of a firewall: what a router does with the packets of a protocol that it should send on.
public struct Filter: Hashable, Sendable {
    public enum Transport: String, Hashable, Sendable, CaseIterable {
        case icmp, tcp, udp

        func holds(_ proto: IPProtocol) -> Bool {
            switch self {
            case .icmp: proto == .icmp || proto == .icmpv6
            case .tcp: proto == .tcp
            case .udp: proto == .udp
            }
        }
    }

    public var transport: Transport
    /// Destination ports; of no meaning for ICMP.
    public var ports: ClosedRange<UInt16>
    /// What the router says about them: nil is silence.
    public var reason: Unreachable?

    public init(_ transport: Transport, _ ports: ClosedRange<UInt16> = 0...65_535, reason: Unreachable? = nil) {
        self.transport = transport
        self.ports = ports
        self.reason = reason
    }
}

/// Whose address a router puts on its ICMP errors.
public enum AnswerSource: Hashable, Sendable {
    /// That of the interface over which the packet came, as most routers do.
    case incoming
    /// That of the interface over which it would have gone on.
    case outgoing
    /// The router's own, whatever the interface.
    case own
    /// One that is none of its interfaces': a third party's.
    case address(Scenario.Interface)
}

/// What a translator does to the packet that an ICMP error quotes, on its way back to the host.
public enum QuoteRestoring: String, Hashable, Sendable, CaseIterable {
    /// Everything as the host sent it: nothing shows.
    case whole
    /// Addresses alone: ports and the transport checksum stay translated.
    case careless
    /// Nothing: the quote is of a packet that the host never sent.
    case forgetful
}

/// Network address translation: what goes on has this source.
public struct Translation: Hashable, Sendable {
    public var v4: IPv4Address?
    public var v6: IPv6Address?
    /// Added to the source ports of UDP and TCP.
    public var portShift: UInt16
    public var quotes: QuoteRestoring

    public init(
        v4: IPv4Address? = nil, v6: IPv6Address? = nil, portShift: UInt16 = 0, quotes: QuoteRestoring = .whole
    ) {
        self.v4 = v4
        self.v6 = v6
        self.portShift = portShift
        self.quotes = quotes
    }

    func address(_ version: IPVersion) -> IPAddress? {
        version == .v4 ? v4.map { .v4($0) } : v6.map { .v6($0) }
    }
}

/// Translation of destinations, as balancers and transparent proxies do it: what goes on has this destination.
public struct Redirection: Hashable, Sendable {
    public var v4: IPv4Address?
    public var v6: IPv6Address?
    public var quotes: QuoteRestoring

    public init(v4: IPv4Address? = nil, v6: IPv6Address? = nil, quotes: QuoteRestoring = .whole) {
        self.v4 = v4
        self.v6 = v6
        self.quotes = quotes
    }

    func address(_ version: IPVersion) -> IPAddress? {
        version == .v4 ? v4.map { .v4($0) } : v6.map { .v6($0) }
    }
}

/// What else a router changes in the packets that it sends on. Quotes are left as they are: the change shows there.
public struct Rewriting: Hashable, Sendable {
    /// The most that the maximum segment size of a SYN may say.
    public var maximumSegment: UInt16?
    /// TCP options that no-operations take the place of.
    public var strippedOptions: [StrippedOption] = []
    /// Added to the sequence numbers of TCP, and taken from what is acknowledged on the way back.
    public var sequenceShift: UInt32 = 0
    public var clearsDontFragment = false
    /// The identification that IPv4 packets get.
    public var identification: UInt16?
    /// The flow label that IPv6 packets get.
    public var flowLabel: UInt32?

    public init() {}

    var isNothing: Bool { self == Rewriting() }
}

/// A TCP option that a router may take out.
public enum StrippedOption: String, Hashable, Sendable, CaseIterable {
    case mss, wscale, sack, timestamps
    /// Whatever it is.
    case all

    func holds(_ kind: UInt8) -> Bool {
        switch self {
        case .mss: kind == 2
        case .wscale: kind == 3
        case .sack: kind == 4 || kind == 5
        case .timestamps: kind == 8
        case .all: true
        }
    }
}
