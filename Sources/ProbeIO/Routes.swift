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

    /// Whether the address is the broadcast address of a network, or of all: connecting is refused until SO_BROADCAST
    /// is set (connect(2), EACCES).
    func isBroadcast(_ address: IPv4Address) -> Bool {
        if address == .broadcast { return true }
        let destination = SocketAddress(.v4(address), port: Self.anyPort)
        do throws(Errno) {
            let asker = try asker(.v4)
            try asker.socket.set(.broadcast, to: false)
            do throws(Errno) {
                try asker.socket.connect(to: destination)
                return false
            } catch .permissionDenied {
                // A route that prohibits is refused so too, but goes on being so.
                try asker.socket.set(.broadcast, to: true)
                try asker.socket.connect(to: destination)
                return true
            }
        } catch {
            return false
        }
    }

    private func asker(_ version: IPVersion) throws(Errno) -> Asker {
        guard let asker = marked.first(where: { $0.version == version }) else { return try Asker(version, settings) }
        // A connected socket would keep the source address that it has.
        try asker.socket.disconnect()
        return asker
    }

    private static let anyPort: UInt16 = 33_434
    private static let maximumKnown = 4_096
    private static let patience: Int64 = 1_000_000_000
}
