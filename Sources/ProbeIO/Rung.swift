/// The means by which probes leave, from the best down: each needs less of a privilege than the one above.
public enum Rung: String, Hashable, Sendable, CaseIterable, Comparable {
    /// A raw socket: root or CAP_NET_RAW.
    case raw
    /// An ICMP datagram socket: a group in `net.ipv4.ping_group_range` (icmp(7)).
    case ping
    /// A UDP socket and its error queue: nothing.
    case udp

    /// Whether `left` is the better one.
    public static func < (left: Rung, right: Rung) -> Bool {
        left != right && (left == .raw || right == .udp)
    }
}
