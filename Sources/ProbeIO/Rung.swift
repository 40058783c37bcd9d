/// The means by which probes leave, from the best down: each needs less of a privilege than the one above.
public enum Rung: String, Hashable, Sendable, CaseIterable, Comparable {
    /// A raw socket: root or CAP_NET_RAW.
    case raw
    /// An ICMP datagram socket: a group in `net.ipv4.ping_group_range` (icmp(7)).
    case ping
    /// A UDP socket and its error queue: nothing.
    case udp
    /// A TCP socket for each probe, which connects, and its error queue: nothing.
    case tcp

    /// Those that carry echo requests, or the UDP probes that stand in for them.
    public static let echoing: [Rung] = [.raw, .ping, .udp]

    /// Whether `left` is the better one.
    public static func < (left: Rung, right: Rung) -> Bool { left.place < right.place }

    private var place: Int {
        switch self {
        case .raw: 0
        case .ping: 1
        case .udp: 2
        case .tcp: 3
        }
    }
}
