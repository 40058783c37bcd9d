import PacketFormats

/// Decides which UDP datagrams are echoed (RFC 862), to whom, and counts everything. It has no socket and no clock.
///
/// A server that answers whatever it is sent is a weapon as soon as somebody forges the source: two such servers answer
/// each other for ever, and a broadcast lets a whole network answer at once. So it never answers a port behind which
/// another server answers as blindly, nor anything but a unicast, and each client only so often.
///
/// Its memory is bounded, whatever is sent.
public struct EchoServer: Sendable {
    /// What the server allows.
    public struct Configuration: Hashable, Sendable {
        /// Echoes per second for one client (an IPv4 address or an IPv6 /64), which may come all at once; 0 is no limit.
        public var rate: Int
        /// Clients whose rate is remembered; of more the one that was silent longest is forgotten.
        public var clientCapacity: Int
        /// Clients that are named by an event, 0 for none.
        public var namedClients: Int

        public init(rate: Int = 1000, clientCapacity: Int = 16_384, namedClients: Int = 1000) {
            self.rate = rate
            self.clientCapacity = clientCapacity
            self.namedClients = namedClients
        }
    }

    /// Where a datagram came from and went to.
    public struct Request: Hashable, Sendable, BitwiseCopyable {
        public var source: IPAddress
        public var sourcePort: UInt16
        /// The destination in the IP header, nil when the kernel did not tell it.
        public var destination: IPAddress?
        /// The own address that answers it: as `destination` for a unicast.
        public var local: IPAddress?
        public var localPort: UInt16
        /// Whether the datagram was longer than the buffer that received it.
        public var isTruncated: Bool

        public init(
            source: IPAddress, sourcePort: UInt16, destination: IPAddress?, local: IPAddress?, localPort: UInt16,
            isTruncated: Bool = false
        ) {
            self.source = source
            self.sourcePort = sourcePort
            self.destination = destination
            self.local = local
            self.localPort = localPort
            self.isTruncated = isTruncated
        }
    }

    /// What becomes of a datagram.
    public enum Decision: Hashable, Sendable, BitwiseCopyable {
        /// Send it back to its source, from this own address.
        case echo(from: IPAddress)
        case refuse(Refusal)
    }

    /// Why a datagram is not echoed.
    public enum Refusal: Hashable, Sendable, BitwiseCopyable {
        /// A server answers at the source port, so that an answer could go round for ever.
        case loop
        /// The source is no address of a single host.
        case source
        /// It was sent to a broadcast or multicast address.
        case destination
        /// It did not fit the buffer, and a part is no echo.
        case truncated
        /// The client had its share of this second.
        case rate
    }

    /// Something to be said.
    public enum Event: Hashable, Sendable, BitwiseCopyable {
        /// The first echo to this address and port.
        case newClient(IPAddress, port: UInt16)
        /// As many clients as `namedClients` were named: from here on none is. Comes once.
        case furtherClientsUnnamed
    }

    /// What happened so far: `received` is the sum of `echoed`, all that was refused, and `sendFailures`, except for
    /// echoes that are still to be sent.
    public struct Counters: Hashable, Sendable, BitwiseCopyable {
        public var received: UInt64 = 0
        /// Handed to the kernel.
        public var echoed: UInt64 = 0
        public var refusedLoop: UInt64 = 0
        public var refusedSource: UInt64 = 0
        public var refusedDestination: UInt64 = 0
        public var truncated: UInt64 = 0
        public var rateLimited: UInt64 = 0
        /// Refused by the kernel: no route, a firewall, an address that is gone.
        public var sendFailures: UInt64 = 0
        /// Dropped by the kernel because the receive queue was full (SO_RXQ_OVFL); not received.
        public var droppedHere: UInt64 = 0
        /// Clients that were named by an event.
        public var namedClients: UInt64 = 0
    }

    public private(set) var counters = Counters()

    private let configuration: Configuration
    private var rates: ClientRates
    private var named: Set<Client> = []
    private var events: [Event] = []
    private var nextEventIndex = 0
    private var saidUnnamed = false

    private struct Client: Hashable {
        var address: IPAddress
        var port: UInt16
    }

    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        rates = ClientRates(rate: configuration.rate, capacity: configuration.clientCapacity)
    }

    /// Decides about one datagram and counts it.
    ///
    /// After `.echo` one of `didEcho` and `didNotEcho` is owed.
    ///
    /// - Parameter now: nanoseconds of a clock that does not step.
    public mutating func decide(_ request: Request, at now: Int64) -> Decision {
        counters.received &+= 1
        guard Self.isHost(request.source) else {
            counters.refusedSource &+= 1
            return .refuse(.source)
        }
        guard request.sourcePort != request.localPort, !Self.answersAnything(request.sourcePort) else {
            counters.refusedLoop &+= 1
            return .refuse(.loop)
        }
        // Of a broadcast the kernel names the address in the header and, as a different one, ours on that network.
        guard let destination = request.destination, let local = request.local, local == destination,
            Self.isHost(destination)
        else {
            counters.refusedDestination &+= 1
            return .refuse(.destination)
        }
        guard !request.isTruncated else {
            counters.truncated &+= 1
            return .refuse(.truncated)
        }
        guard rates.allows(request.source, at: now) else {
            counters.rateLimited &+= 1
            return .refuse(.rate)
        }
        name(Client(address: request.source, port: request.sourcePort))
        return .echo(from: local)
    }

    /// So many echoes went to the kernel.
    public mutating func didEcho(_ count: Int) { counters.echoed &+= UInt64(count) }

    /// The kernel refused an echo.
    public mutating func didNotEcho() { counters.sendFailures &+= 1 }

    /// The kernel dropped so many datagrams more.
    public mutating func didDrop(_ count: UInt32) { counters.droppedHere &+= UInt64(count) }

    /// The next thing to say, nil when there is none: take all of them after each batch.
    public mutating func nextEvent() -> Event? {
        guard nextEventIndex < events.count else {
            events.removeAll(keepingCapacity: true)
            nextEventIndex = 0
            return nil
        }
        defer { nextEventIndex += 1 }
        return events[nextEventIndex]
    }

    private mutating func name(_ client: Client) {
        guard configuration.namedClients > 0, !saidUnnamed, !named.contains(client) else { return }
        guard named.count < configuration.namedClients else {
            events.append(.furtherClientsUnnamed)
            saidUnnamed = true
            named = []
            return
        }
        named.insert(client)
        counters.namedClients &+= 1
        events.append(.newClient(client.address, port: client.port))
    }

    private static func isHost(_ address: IPAddress) -> Bool {
        if case .v6(let address) = address, address.mappedIPv4 != nil { return false }
        return !address.isUnspecified && !address.isMulticast && !address.isBroadcast
    }

    /// Whether a server that answers at this port is likely to answer an echo too.
    ///
    /// No client has one of these ports: they need a privilege, and nobody gets them by chance.
    public static func answersAnything(_ port: UInt16) -> Bool {
        switch port {
        // No answer is expected (RFC 768), and none can be sent.
        case 0: true
        // Echo, active users, daytime, quote of the day, character generator, time: each answers any datagram at all
        // (RFC 862, 866, 867, 865, 864, 868). Discard (9, RFC 863) never answers.
        case 7, 11, 13, 17, 19, 37: true
        // DNS, TFTP, NTP: implementations that answer an error with an error (CVE-2024-2169 and its kin), and all of
        // them answer what looks like a request, which the forger chooses.
        case 53, 69, 123: true
        // Port mapper, NetBIOS names, SNMP, LDAP, SLP, RIP: an echoed request is a request.
        case 111, 137, 161, 389, 427, 520: true
        // SSDP, STUN, SIP, mDNS, memcached: the same above the privileged ports, far below the ephemeral ones.
        case 1900, 3478, 5060, 5353, 11211: true
        default: false
        }
    }
}
