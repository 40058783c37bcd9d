import PacketFormats

/// What every probe of a measurement carries beside its own number.
public struct ProbeContent: Hashable, Sendable {
    /// Repeated from the first octet of the payload to its end, under the cookie and the number; empty for octets that
    /// count up.
    public var pattern: [UInt8]
    /// Of the IPv4 header, with no entry filled in yet.
    public var ipv4Options: IPv4Options
    /// Of the IPv6 header, 20 bits; nil for the number of the probe's flow.
    public var flowLabel: UInt32?
    /// Where the probes carry their numbers.
    public var flowIdentity = FlowIdentity.paris
    /// Of a TCP segment.
    public var tcpFlags: TCPHeader.Flags = .syn
    /// Of a TCP segment. Firewalls distrust a SYN without a maximum segment size.
    public var tcpOptions: TCPOptions = [.maximumSegmentSize(1_460)]

    public init(pattern: [UInt8] = [], ipv4Options: IPv4Options = [], flowLabel: UInt32? = nil) {
        self.pattern = pattern
        self.ipv4Options = ipv4Options
        self.flowLabel = flowLabel
    }

    /// Where a packet goes first that has a source route among its options: `ipv4Options` hold the routers to go by, and
    /// not the destination, as sockets take them (ip(7), IP_OPTIONS). Nil where it goes to its destination.
    public var firstRouter: IPv4Address? {
        guard !ipv4Options.isEmpty else { return nil }
        for case .looseSourceRoute(let route) in ipv4Options { return route.slots.first }
        return nil
    }

    /// Octets of the options area of a TCP header.
    var tcpOptionsLength: Int { (try? tcpOptions.encoded())?.count ?? 0 }
}

extension IPv4Options {
    /// The options with the sender's own entry in them, as the kernel has them in packets whose header it builds: the
    /// sender is the first router of a recorded route, and the first time of a timestamp option is its own. The first
    /// router of a source route stands in the header as the destination, which follows the last one.
    func leaving(_ source: IPv4Address, to destination: IPv4Address, at departure: InternetTimestamp?) -> IPv4Options {
        IPv4Options(
            map { option in
                switch option {
                case .recordRoute(var route) where !route.slots.isEmpty:
                    route.slots[0] = source
                    route.pointer += 4
                    return .recordRoute(route)
                case .looseSourceRoute(let route) where !route.slots.isEmpty:
                    return .looseSourceRoute(IPv4Route(slots: route.slots.dropFirst() + [destination]))
                case .timestamp(var timestamp):
                    guard let departure, let first = timestamp.entries.first else { return option }
                    switch timestamp.form {
                    case .timestamps: break
                    case .addresses: timestamp.entries[0].address = source
                    case .prespecified where first.address == source: break
                    case .prespecified: return option
                    }
                    timestamp.entries[0].timestamp = departure
                    timestamp.pointer += timestamp.form == .timestamps ? 4 : 8
                    return .timestamp(timestamp)
                default: return option
                }
            })
    }
}
