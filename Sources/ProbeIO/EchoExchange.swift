import LinuxSockets
import PacketFormats

/// One message to an echo server and its answer, with resends: what to send when, and what an answer means. It has no
/// socket and no clock.
///
/// Only the destination itself, address and port, can answer. What others send is reported and changes nothing: not
/// the outcome, and not the deadline.
public struct EchoExchange: Sendable {
    public struct Configuration: Hashable, Sendable {
        /// How long each send waits for the answer, in nanoseconds.
        public var timeout: Int64
        /// Sends after the first one.
        public var retries: Int
        /// Unknown sources that are named by an event; behind them one event says that further ones are not.
        public var namedStrangers: Int

        public init(timeout: Int64 = 2_000_000_000, retries: Int = 2, namedStrangers: Int = 10) {
            self.timeout = timeout
            self.retries = retries
            self.namedStrangers = namedStrangers
        }
    }

    /// What an ICMP error says about our datagram.
    public struct NetworkError: Hashable, Sendable {
        public var version: IPVersion
        public var type: ICMPType
        public var code: UInt8
        /// Who says so, nil when the kernel does not know.
        public var reporter: IPAddress?

        public init(version: IPVersion, type: ICMPType, code: UInt8, reporter: IPAddress?) {
            self.version = version
            self.type = type
            self.code = code
            self.reporter = reporter
        }

        /// Whether waiting is in vain: the port or the protocol is not there, or a filter forbids it.
        ///
        /// Everything else may be over before the next resend, such as a route that is in motion.
        public var isFinal: Bool {
            switch version {
            case .v4: type == ICMPType.V4.destinationUnreachable && [2, 3, 9, 10, 13].contains(code)
            case .v6:
                type == ICMPType.V6.destinationUnreachable && [1, 4, 5, 6].contains(code)
                    || type == ICMPType.V6.parameterProblem
            }
        }
    }

    public enum Event: Hashable, Sendable {
        /// The message came back as it went. The time since the last and since the first send, nanoseconds: after a
        /// resend nobody knows which of them was answered.
        case reply(time: ClosedRange<Int64>, sends: Int)
        /// The destination answered something else.
        case corrupted([UInt8])
        /// A packet came from somebody else.
        case unknownSource(SocketAddress)
        /// Packets from further unknown sources come without being named; once.
        case furtherSourcesUnnamed
        /// The network reports an error; the exchange is over if it is a final one.
        case networkError(NetworkError)
        /// The kernel did not take the datagram, and the exchange is over.
        case notSent(Errno)
        /// No send was answered in its time.
        case timedOut(sends: Int)
    }

    public let destination: SocketAddress
    public let message: [UInt8]
    /// Datagrams handed to the kernel.
    public private(set) var sends = 0
    /// Whether nothing more will be sent or understood.
    public private(set) var isFinished = false

    private let configuration: Configuration
    private var firstSend: Int64 = 0
    private var lastSend: Int64 = 0
    private var strangers = 0
    private var events: [Event] = []

    public init(to destination: SocketAddress, message: [UInt8], configuration: Configuration = Configuration()) {
        self.destination = destination
        self.message = message
        self.configuration = configuration
    }

    /// Whether the message is to be sent now; it changes with `didSend` and with time.
    public func wantsToSend(at now: Int64) -> Bool {
        !isFinished && (sends == 0 || (sends <= configuration.retries && now >= nextDeadline))
    }

    /// When something happens without input: a resend or the end. Nil before the first send and after the end.
    public var deadline: Int64? { isFinished || sends == 0 ? nil : nextDeadline }

    /// The message went to the kernel.
    public mutating func didSend(at now: Int64) {
        if sends == 0 { firstSend = now }
        lastSend = now
        sends += 1
    }

    /// The kernel refused the message.
    public mutating func didNotSend(_ failure: Errno) {
        guard !isFinished else { return }
        finish(.notSent(failure))
    }

    /// Takes in a datagram.
    public mutating func receive(_ datagram: RawSpan, from source: SocketAddress, at now: Int64) {
        guard !isFinished else { return }
        guard isDestination(source) else {
            strangers += 1
            if strangers <= configuration.namedStrangers {
                events.append(.unknownSource(source))
            } else if strangers == configuration.namedStrangers + 1 {
                events.append(.furtherSourcesUnnamed)
            }
            return
        }
        guard sends > 0, isMessage(datagram) else {
            finish(.corrupted(datagram.copied()))
            return
        }
        let sinceLast = max(0, now - lastSend)
        finish(.reply(time: sinceLast...max(sinceLast, now - firstSend), sends: sends))
    }

    /// Takes in what an error queue says about a datagram that went to `target`.
    public mutating func receive(_ error: NetworkError, about target: SocketAddress) {
        guard !isFinished, isDestination(target) else { return }
        if error.isFinal {
            finish(.networkError(error))
        } else if events.count < Self.eventLimit {
            events.append(.networkError(error))
        }
    }

    /// Ends the exchange when the last send had its time.
    public mutating func advance(to now: Int64) {
        guard !isFinished, sends > configuration.retries, now >= nextDeadline else { return }
        finish(.timedOut(sends: sends))
    }

    /// The next thing to say, nil when there is none.
    public mutating func nextEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

    private var nextDeadline: Int64 { lastSend.addingReportingOverflow(configuration.timeout).partialValue }

    private mutating func finish(_ event: Event) {
        isFinished = true
        events.append(event)
    }

    private func isDestination(_ address: SocketAddress) -> Bool {
        guard let ours = destination.ipAddress, let theirs = address.ipAddress, address.port == destination.port else {
            return false
        }
        // Only link-local addresses come with a zone.
        return ours == (ours.zone == 0 ? theirs.withoutZone : theirs)
    }

    private func isMessage(_ datagram: RawSpan) -> Bool {
        guard datagram.byteCount == message.count else { return false }
        for index in 0..<message.count where datagram.octet(at: index) != message[index] { return false }
        return true
    }

    private static let eventLimit = 64
}
