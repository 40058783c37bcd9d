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

    public init(pattern: [UInt8] = [], ipv4Options: IPv4Options = [], flowLabel: UInt32? = nil) {
        self.pattern = pattern
        self.ipv4Options = ipv4Options
        self.flowLabel = flowLabel
    }
}

extension IPv4Options {
    /// The options with the sender's own entry in them, as the kernel has them in packets whose header it builds: the
    /// sender is the first router of a recorded route, and the first time of a timestamp option is its own.
    func leaving(_ source: IPv4Address, at departure: InternetTimestamp?) -> IPv4Options {
        IPv4Options(
            map { option in
                switch option {
                case .recordRoute(var route) where !route.slots.isEmpty:
                    route.slots[0] = source
                    route.pointer += 4
                    return .recordRoute(route)
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
