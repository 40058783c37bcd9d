import PacketFormats

/// Flows to one destination, by number: each looks alike to every load balancer, and two of them do not.
///
/// UDP flows differ in their source port and, when those are used up, in their destination port; TCP flows in their source
/// port alone; those of ICMP in their checksum, which few balancers look at; those of another protocol in its first octets.
/// Over IPv6 each has a flow label of its own besides.
public struct FlowSpace: Hashable, Sendable {
    /// Of flow 0.
    public let method: ProbeMethod
    /// Source ports that the transport holds.
    public let sourcePorts: Int
    /// How many flows there are.
    public let count: Int

    /// - Parameter sourcePorts: at least 1.
    public init(_ method: ProbeMethod, sourcePorts: Int) {
        self.method = method
        self.sourcePorts = max(1, sourcePorts)
        // More than a probe can number is no use.
        let ports = min(self.sourcePorts, Self.maximumCount)
        switch method {
        case .udp(let port):
            count = min(Self.maximumCount, ports * min(Self.destinationPorts, Int(UInt16.max - port) + 1))
        case .tcpSYN: count = ports
        case .icmpEcho: count = 1 << 14
        case .icmpTimestamp: count = 1
        case .ip: count = Self.maximumCount
        }
    }

    /// What the probes of a flow are sent with: `flow` is its number, of which the codec takes the remainder for the source
    /// port and, over IPv6, all for the label. Numbers beyond `count` begin again at 0.
    public func fields(of flow: Int) -> (method: ProbeMethod, flow: UInt16) {
        let number = flow % count
        guard case .udp(let port) = method else { return (method, UInt16(number)) }
        return (.udp(destinationPort: port + UInt16(number / sourcePorts)), UInt16(number))
    }

    /// As many as classic traceroute uses for 30 hops with four probes each.
    private static let destinationPorts = 128
    private static let maximumCount = 1 << 16
}
