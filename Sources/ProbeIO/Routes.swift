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

    /// A socket that asks. A class, so that several stand in an array.
    private final class Asker {
        let socket: Socket
        let version: IPVersion

        init(_ version: IPVersion, _ settings: SocketSettings) throws(Errno) {
            var refusals: [SocketSettings.Refusal] = []
            let socket = try Socket(family: version == .v4 ? .inet : .inet6, type: .datagram)
            try settings.apply(to: socket, &refusals)
            self.socket = socket
            self.version = version
        }
    }

    private var known: [IPAddress: Route] = [:]
    private let settings: SocketSettings
    /// Marked sockets are kept: a mark can't be set any more when the rights are gone.
    private var marked: [Asker] = []

    /// - Parameter settings: of the sockets that probes leave from, so that theirs are the routes that are asked for.
    init(_ settings: SocketSettings, _ versions: [IPVersion]) {
        self.settings = settings
        if settings.mark != nil { marked = versions.compactMap { try? Asker($0, settings) } }
    }

    /// The route to `destination`, remembered for a second: routes and addresses come and go.
    ///
    /// Throws the kernel's refusal, such as `networkUnreachable`.
    mutating func route(to destination: IPAddress) throws(Errno) -> Route {
        let now = SystemClock.monotonic.now
        if let route = known[destination], now - route.time < Self.patience { return route }
        let asker = try asker(destination.version)
        if destination.version == .v4 { try asker.socket.set(.broadcast, to: true) }
        try asker.socket.connect(to: SocketAddress(destination, port: Self.anyPort))
        guard let source = try asker.socket.localAddress().ipAddress else { throw .addressNotAvailable }
        let route = Route(source: source.withoutZone, mtu: try asker.socket.value(of: .routeMTU), time: now)
        if known.count >= Self.maximumKnown { known.removeAll() }
        known[destination] = route
        return route
    }

    /// Those of the addresses that are the broadcast address of a network, or of all: connecting is refused until
    /// SO_BROADCAST is set (connect(2), EACCES). Two system calls each; of many addresses only those are asked about that
    /// an interface's prefix makes one, and the kernel's refusal to send will tell of others.
    func broadcasts(among targets: some Collection<IPAddress>) -> [IPAddress] {
        let addresses: [IPAddress]
        if targets.count > Self.maximumAsked {
            let candidates = Self.broadcasts(of: (try? Interface.all()) ?? [])
            addresses = targets.filter { candidates.contains($0) }
        } else {
            addresses = Array(targets)
        }
        guard addresses.contains(where: { $0.version == .v4 }) else { return [] }
        let asker = try? asker(.v4)
        try? asker?.socket.set(.broadcast, to: false)
        return addresses.filter { address in
            guard address.version == .v4 else { return false }
            if address == .v4(.broadcast) { return true }
            guard let asker else { return false }
            do throws(Errno) {
                return try Self.isBroadcast(address, asker)
            } catch {
                return false
            }
        }
    }

    /// The first and the last address of each prefix (RFC 1122 section 3.3.6), and that of all networks.
    private static func broadcasts(of interfaces: [Interface]) -> Set<IPAddress> {
        var found: Set<IPAddress> = [.v4(.broadcast)]
        for case (.v4(let address), let length) in interfaces.flatMap(\.addresses).map({ ($0.address, $0.prefixLength) }
        )
        where (1...30).contains(length) {
            let hosts = UInt32.max >> UInt32(length)
            found.insert(.v4(IPv4Address(rawValue: address.rawValue & ~hosts)))
            found.insert(.v4(IPv4Address(rawValue: address.rawValue | hosts)))
        }
        return found
    }

    private static func isBroadcast(_ address: IPAddress, _ asker: Asker) throws(Errno) -> Bool {
        let destination = SocketAddress(address, port: anyPort)
        try asker.socket.disconnect()
        do throws(Errno) {
            try asker.socket.connect(to: destination)
            return false
        } catch .permissionDenied {
            // A route that prohibits is refused so too, but goes on being so.
            defer { try? asker.socket.set(.broadcast, to: false) }
            try asker.socket.set(.broadcast, to: true)
            try asker.socket.connect(to: destination)
            return true
        }
    }

    private func asker(_ version: IPVersion) throws(Errno) -> Asker {
        guard let asker = marked.first(where: { $0.version == version }) else { return try Asker(version, settings) }
        // A connected socket would keep the source address that it has.
        try asker.socket.disconnect()
        return asker
    }

    private static let maximumAsked = 256
    private static let anyPort: UInt16 = 33_434
    private static let maximumKnown = 4_096
    private static let patience: Int64 = 1_000_000_000
}
