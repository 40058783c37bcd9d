import LinuxSockets
import PacketFormats

/// What the kernel's routing table says about a destination: the source address and the MTU, asked for by connecting a
/// UDP socket, which sends nothing.
struct Routes {
    struct Route {
        var source: IPAddress
        var mtu: Int
        /// When it was asked for, by the monotonic clock in nanoseconds.
        fileprivate var time: Int64
    }

    private var known: [IPAddress: Route] = [:]

    /// The route to `destination`, remembered for a second: routes and addresses come and go. Throws the kernel's refusal, such as `networkUnreachable`.
    mutating func route(to destination: IPAddress) throws(Errno) -> Route {
        let now = SystemClock.monotonic.now
        if let route = known[destination], now - route.time < Self.patience { return route }
        let socket = try Socket(family: destination.version == .v4 ? .inet : .inet6, type: .datagram)
        if case .v4(let address) = destination, address.isBroadcastLike { try socket.set(.broadcast, to: true) }
        try socket.connect(to: SocketAddress(destination, port: Self.anyPort))
        guard let source = try socket.localAddress().ipAddress else { throw .addressNotAvailable }
        let route = Route(source: source.withoutZone, mtu: try socket.value(of: .routeMTU), time: now)
        if known.count >= Self.maximumKnown { known.removeAll() }
        known[destination] = route
        return route
    }

    private static let anyPort: UInt16 = 33_434
    private static let maximumKnown = 4_096
    private static let patience: Int64 = 1_000_000_000
}

extension IPv4Address {
    /// Whether connecting to it needs SO_BROADCAST.
    fileprivate var isBroadcastLike: Bool { self == .broadcast }
}
