import LinuxSockets
import PacketFormats

/// Carries an `EchoExchange` over a UDP socket that is not connected, so that answers from others are seen, and whose
/// error queue tells who reports what.
public struct EchoClient: ~Copyable {
    public private(set) var exchange: EchoExchange

    private let socket: Socket
    private var poller: Poller
    private var received = ReceiveBatch(capacity: 16, slotSize: 65_535)

    /// Opens the socket; needs no privilege. Throws what the kernel refuses. Nothing is sent before `wait`.
    public init(_ exchange: EchoExchange) throws(Errno) {
        let socket = try Socket(family: exchange.destination.family, type: .datagram, protocol: .udp)
        try socket.set(.receiveErrors, to: true)
        let poller = try Poller()
        try poller.add(socket, token: 0)
        self.socket = socket
        self.poller = poller
        self.exchange = exchange
    }

    /// Sends what is due, waits for input or the deadline, and takes in what came. Take all events after each call; it
    /// is over when `exchange.isFinished`.
    public mutating func wait() throws(Errno) {
        send()
        guard let deadline = exchange.deadline else { return }
        // Rounded up: a wake-up before the deadline would only wait again.
        let left = (max(0, deadline - SystemClock.monotonic.now) + 999_999) / 1_000_000
        if try poller.wait(timeoutMilliseconds: Int32(clamping: left)) > 0 {
            receive()
            receiveErrors()
        }
        exchange.advance(to: SystemClock.monotonic.now)
    }

    /// The next thing to say, nil when there is none.
    public mutating func nextEvent() -> EchoExchange.Event? { exchange.nextEvent() }

    private mutating func send() {
        // A pending error makes one send fail for each that waits: this is the most that one try takes.
        for attempt in 1...Self.sendAttempts where exchange.wantsToSend(at: SystemClock.monotonic.now) {
            receiveErrors()
            guard !exchange.isFinished else { return }
            let message = exchange.message
            let now = SystemClock.monotonic.now
            do throws(Errno) {
                try socket.send(message.bytes, to: exchange.destination)
                exchange.didSend(at: now)
            } catch {
                if attempt == Self.sendAttempts || !Self.mayBePending(error) { exchange.didNotSend(error) }
            }
        }
    }

    private mutating func receive() {
        do throws(Errno) {
            try received.receive(on: socket)
        } catch {
            // The pending error is gone, and its entry is in the error queue; datagrams make the socket ready again.
            return
        }
        let now = SystemClock.monotonic.now
        // The compiler takes a borrowed datagram for an access to all of this struct.
        var exchange = exchange
        for index in 0..<received.count {
            exchange.receive(received.bytes(at: index), from: received.source(at: index), at: now)
        }
        self.exchange = exchange
    }

    private mutating func receiveErrors() {
        guard let count = try? received.receive(on: socket, errorQueue: true) else { return }
        for index in 0..<count {
            guard let error = received.control(at: index).error, let version = Self.version(of: error.origin) else {
                continue
            }
            exchange.receive(
                EchoExchange.NetworkError(
                    version: version, type: error.type, code: error.code, reporter: error.offender),
                about: received.source(at: index))
        }
    }

    private static func version(of origin: ExtendedError.Origin) -> IPVersion? {
        switch origin {
        case .icmp: .v4
        case .icmpv6: .v6
        default: nil
        }
    }

    /// Whether the errno may stem from an ICMP error about an earlier datagram instead of this one.
    private static func mayBePending(_ failure: Errno) -> Bool {
        [
            .connectionRefused, .hostUnreachable, .networkUnreachable, .permissionDenied, .messageTooLong,
            .protocolError, .noSuchOption,
        ].contains(failure)
    }

    private static let sendAttempts = 3
}
