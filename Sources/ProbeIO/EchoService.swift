import LinuxSockets
import PacketFormats

/// Why an echo server did not start.
public enum EchoServiceError: Error, Hashable, Sendable {
    /// A socket could not be opened or set up.
    case socket(AddressFamily, Errno)
    /// The address could not be bound.
    case bind(SocketAddress, Errno)
    /// Something else that the loop needs was refused.
    case system(Errno)
}

extension EchoServiceError: CustomStringConvertible {
    /// One line that says what would help, where something would.
    public var description: String {
        switch self {
        case .socket(let family, let errno):
            return "no \(family) socket: \(errno)"
        case .bind(let address, .permissionDenied):
            return "cannot bind \(address): \(Errno.permissionDenied); any of these helps: "
                + "'setcap cap_net_bind_service+p' on the program, --port above 1023, "
                + "'sysctl net.ipv4.ip_unprivileged_port_start=\(address.port ?? 0)'"
        case .bind(let address, .addressInUse):
            return "cannot bind \(address): another server has this port (\(Errno.addressInUse))"
        case .bind(let address, let errno):
            return "cannot bind \(address): \(errno)"
        case .system(let errno):
            return "cannot start: \(errno)"
        }
    }
}

/// The UDP echo server at its sockets: one for each address, in one loop, in batches.
///
/// Every echo leaves from the address that was asked. While the kernel takes no more from a socket, that socket is not
/// read: what then overflows is counted by the kernel.
public struct EchoService: ~Copyable {
    /// What was listened on and could not be, because this machine has no such protocol.
    public let missing: [(address: SocketAddress, failure: Errno)]
    /// Where it listens, in the order of the configuration.
    public var addresses: [SocketAddress] { listeners.map(\.address) }
    public var counters: EchoServer.Counters { server.counters }

    private var server: EchoServer
    private var received: ReceiveBatch
    private let listeners: [Listener]
    private let waiting: Waiting

    /// Opens and binds the sockets, with CAP_NET_BIND_SERVICE raised where it is permitted: drop it afterwards.
    ///
    /// - Parameters:
    ///   - addresses: where to listen; empty for every address of IPv4 and IPv6, of which one may be missing.
    ///   - port: 0 for one that is free, the same for all addresses.
    ///   - signals: what `wait` reports. They are blocked in this thread and those that it starts from here on.
    public init(
        addresses: [IPAddress] = [], port: UInt16, configuration: EchoServer.Configuration, signals: [Signal] = []
    ) throws(EchoServiceError) {
        let waiting = try Waiting(signals)
        var listeners: [Listener] = []
        var missing: [(address: SocketAddress, failure: Errno)] = []
        let isEverywhere = addresses.isEmpty
        var port = port
        for address in isEverywhere ? [.v4(.any), .v6(.any)] : addresses {
            let wanted = SocketAddress(address, port: port)
            do throws(EchoServiceError) {
                let listener = try Listener(wanted)
                port = listener.port
                try waiting.watch(listener, place: listeners.count)
                listeners.append(listener)
            } catch {
                guard isEverywhere, let failure = Self.missingProtocol(error) else { throw error }
                missing.append((wanted, failure))
            }
        }
        guard !listeners.isEmpty else { throw .socket(.inet, .addressFamilyNotSupported) }
        self.missing = missing
        self.listeners = listeners
        self.waiting = waiting
        server = EchoServer(configuration)
        received = ReceiveBatch(capacity: Listener.batchSize, slotSize: Listener.largestDatagram)
    }

    /// Waits until something comes and serves it, a batch per socket; returns a signal that came.
    ///
    /// - Parameter timeoutMilliseconds: 0 only looks, nil waits without end.
    public mutating func wait(timeoutMilliseconds: Int32? = nil) throws(Errno) -> Signal? {
        var signal: Signal?
        let count = try waiting.poller.wait(timeoutMilliseconds: timeoutMilliseconds)
        for index in 0..<count {
            let event = waiting.poller.event(at: index)
            if event.token == Waiting.signalToken {
                signal = try waiting.signals.next()
            } else {
                try serve(listeners[Int(event.token)])
            }
        }
        return signal
    }

    /// The next thing to say, nil when there is none: take all after each `wait`.
    public mutating func nextEvent() -> EchoServer.Event? { server.nextEvent() }

    private mutating func serve(_ listener: Listener) throws(Errno) {
        if listener.replies.isDone { receive(on: listener) }
        send(on: listener)
        // Level-triggered readiness would wake the loop for input that it does not want yet.
        let isBlocked = !listener.replies.isDone
        guard isBlocked != listener.isBlocked else { return }
        listener.isBlocked = isBlocked
        let place = listeners.firstIndex { $0 === listener } ?? 0
        try waiting.poller.modify(listener, token: UInt64(place), interest: isBlocked ? .writable : .readable)
    }

    private mutating func receive(on listener: Listener) {
        listener.replies.reset()
        do throws(Errno) {
            try received.receive(on: listener.socket)
        } catch {
            // A pending error of the socket belongs to an echo that went out before; it is gone now.
            return
        }
        let now = SystemClock.monotonic.now
        for index in 0..<received.count {
            let control = received.control(at: index)
            if let total = control.droppedCount {
                server.didDrop(total &- listener.droppedTotal)
                listener.droppedTotal = total
            }
            let source = received.source(at: index)
            guard let address = source.ipAddress, let port = source.port else { continue }
            let request = EchoServer.Request(
                source: address, sourcePort: port, destination: control.packetInfo?.destination,
                local: control.packetInfo?.local, localPort: listener.port,
                isTruncated: received.isTruncated(at: index))
            guard case .echo(let local) = server.decide(request, at: now) else { continue }
            listener.replies.append(to: source, packetInfo: PacketInfo(source: local)) { output in
                output.append(contentsOf: received.bytes(at: index))
            }
        }
    }

    private mutating func send(on listener: Listener) {
        while !listener.replies.isDone {
            let (sent, failure) = listener.replies.send(on: listener.socket)
            server.didEcho(sent)
            switch failure {
            case nil: return
            case .wouldBlock: return
            default:
                server.didNotEcho()
                listener.replies.skip()
            }
        }
    }

    /// Whether the machine lacks the protocol altogether: not compiled in, or switched off on every interface.
    private static func missingProtocol(_ error: EchoServiceError) -> Errno? {
        switch error {
        case .socket(_, .addressFamilyNotSupported): .addressFamilyNotSupported
        case .bind(_, .addressNotAvailable): .addressNotAvailable
        default: nil
        }
    }

}

/// What the loop waits for.
private final class Waiting {
    var poller: Poller
    let signals: SignalDescriptor

    init(_ numbers: [Signal]) throws(EchoServiceError) {
        poller = try Self.made(Poller.init)
        signals = try Self.made { () throws(Errno) in try SignalDescriptor(numbers) }
        do throws(Errno) { try poller.add(signals, token: Self.signalToken) } catch { throw .system(error) }
    }

    func watch(_ listener: Listener, place: Int) throws(EchoServiceError) {
        do throws(Errno) { try poller.add(listener, token: UInt64(place)) } catch { throw .system(error) }
    }

    private static func made<Value: ~Copyable>(
        _ make: () throws(Errno) -> Value
    ) throws(EchoServiceError) -> Value {
        do throws(Errno) { return try make() } catch { throw .system(error) }
    }

    static let signalToken = UInt64.max
}

/// A socket of the server with the echoes that wait for it.
private final class Listener: DescriptorOwner {
    let socket: Socket
    let address: SocketAddress
    let port: UInt16
    var replies = SendBatch(capacity: batchSize, slotSize: largestDatagram)
    var droppedTotal: UInt32 = 0
    var isBlocked = false

    var rawDescriptor: Int32 { socket.rawDescriptor }

    init(_ wanted: SocketAddress) throws(EchoServiceError) {
        do throws(Errno) { socket = try Self.opened(wanted.family) } catch { throw .socket(wanted.family, error) }
        do throws(Errno) { address = try Self.bind(socket, to: wanted) } catch { throw .bind(wanted, error) }
        port = address.port ?? 0
    }

    /// Binds with the right for a port below 1024, where it is permitted, and returns the address that it has then.
    private static func bind(_ socket: borrowing Socket, to wanted: SocketAddress) throws(Errno) -> SocketAddress {
        // A closure can't capture what is borrowed.
        let before = try? Capabilities.current()
        _ = try? Capabilities.raise(.netBindService)
        defer { try? before?.apply() }
        try socket.bind(to: wanted)
        return try socket.localAddress()
    }

    private static func opened(_ family: AddressFamily) throws(Errno) -> Socket {
        let socket = try Socket(family: family, type: .datagram, protocol: .udp)
        if family == .inet6 { try socket.set(.onlyV6, to: true) }
        try socket.set(.receivePacketInfo, to: true)
        try socket.set(.receiveQueueOverflow, to: true)
        // Less than asked for is no failure: what does not fit is counted.
        _ = try? socket.growReceiveBuffer(to: 4 << 20)
        return socket
    }

    static let batchSize = 32
    /// More than any UDP datagram over IPv4 (65,507) or IPv6 (65,527) holds.
    static let largestDatagram = 65_535
}
