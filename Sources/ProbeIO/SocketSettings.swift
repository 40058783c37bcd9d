import LinuxSockets
import PacketFormats
import ProbeEngine

/// How the sockets of a transport are set, beyond what the probes themselves say. Nothing of it is set by default.
public struct SocketSettings: Sendable {
    /// The constant parts of the packets.
    public var content = ProbeContent()
    /// The ICMP identifier instead of a random one; a ping socket can't have 0, which means any to it.
    public var identifier: UInt16?
    /// The interface or VRF that everything leaves through and comes from.
    public var device: String?
    /// For policy routing and packet filters.
    public var mark: UInt32?
    /// The first port that UDP and TCP probes come from; nil leaves the choice to the kernel. TCP connections go one after
    /// the other then.
    public var sourcePort: UInt16?
    /// The maximum segment size that a TCP connection offers, 88 to 32767; nil for that of its route. Segments whose header
    /// is ours have it in `content`.
    public var maximumSegmentSize: UInt16?
    /// Whether probes may be fragmented; nil leaves it to the request's `dontFragment`.
    public var pathMTUDiscovery: PathMTUDiscovery?
    /// Bytes; the kernel doubles them.
    public var sendBufferSize: Int?
    /// Only hosts on the link, whatever the routing table says.
    public var bypassesRouting = false
    /// SO_DEBUG.
    public var isDebugging = false
    /// The first source address of each destination is kept for the whole run.
    public var keepsSource = false
    /// Probes may go to broadcast addresses.
    public var allowsBroadcast = false
    /// Multicast comes back to this host too.
    public var loopsMulticast = true

    public init() {}

    /// A setting that the kernel may refuse.
    public enum Name: Hashable, Sendable {
        case device
        case mark
        case flowLabel
        case debugging
        case sendBufferSize
    }

    /// A setting that was refused, on which the run would not be what was asked for.
    public struct Refusal: Hashable, Sendable {
        /// Which setting it was.
        public var name: Name
        /// What the kernel said.
        public var failure: Errno
    }

    /// What the transport's own sockets and those that ask for routes have in common; before they are bound.
    func apply(to socket: borrowing Socket, _ refusals: inout [Refusal]) throws(Errno) {
        if let device {
            Self.attempt(.device, &refusals) { () throws(Errno) in try socket.bind(toInterface: device) }
        }
        if let mark {
            Self.attempt(.mark, &refusals) { () throws(Errno) in
                // Before Linux 5.17 CAP_NET_RAW was not enough.
                try Capabilities.withRaised([.netRaw, .netAdmin]) { () throws(Errno) in try socket.set(.mark, to: mark)
                }
            }
        }
        if bypassesRouting { try socket.set(.bypassRouting, to: true) }
        if allowsBroadcast, socket.family == .inet { try socket.set(.broadcast, to: true) }
    }

    /// What only matters where probes leave.
    func applyToSender(_ socket: borrowing Socket, _ refusals: inout [Refusal]) throws(Errno) {
        if isDebugging {
            Self.attempt(.debugging, &refusals) { () throws(Errno) in
                try Capabilities.withRaised(.netAdmin) { () throws(Errno) in try socket.set(.debugging, to: true) }
            }
        }
        if let sendBufferSize {
            Self.attempt(.sendBufferSize, &refusals) { () throws(Errno) in
                // The kernel takes less than it was told in silence, and doubles what it took.
                try socket.set(.sendBufferSize, to: sendBufferSize)
                guard try socket.value(of: .sendBufferSize) / 2 >= sendBufferSize else { throw .noBufferSpace }
            }
        }
        if !loopsMulticast { try socket.set(.multicastLoop, to: false) }
    }

    /// Options and flow label for a socket whose IP header the kernel writes.
    func applyToHeaders(of socket: borrowing Socket, _ refusals: inout [Refusal]) throws(Errno) {
        switch socket.family {
        case .inet6:
            guard let label = content.flowLabel, label != 0 else { return }
            try socket.set(.flowInformation, to: true)
            Self.attempt(.flowLabel, &refusals) { () throws(Errno) in
                do throws(Errno) {
                    try socket.leaseFlowLabel(label)
                } catch .outOfRange {
                    // Nobody can hold it, and nobody has to: it is sent unless a label of the host is held by one alone.
                    try Self.checkFreedom(of: label)
                }
            }
        default:
            guard !content.ipv4Options.isEmpty else { return }
            guard let area = try? content.ipv4Options.encoded() else { throw .invalidArgument }
            try socket.setIPv4Options(area)
        }
    }

    /// Connecting finds out whether a label may be sent that is not held, and sends nothing.
    static func checkFreedom(of label: UInt32) throws(Errno) {
        let socket = try Socket(family: .inet6, type: .datagram)
        try socket.set(.flowInformation, to: true)
        try socket.connect(to: SocketAddress(.v6(.loopback), port: 9, flowLabel: label))
    }

    private static func attempt(_ name: Name, _ refusals: inout [Refusal], _ body: () throws(Errno) -> Void) {
        do throws(Errno) {
            try body()
        } catch {
            let refusal = Refusal(name: name, failure: error)
            if !refusals.contains(refusal) { refusals.append(refusal) }
        }
    }
}
