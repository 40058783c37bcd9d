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
