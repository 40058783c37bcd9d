import PacketFormats

/// What a simulated internet looks like: the host under test, routers, links, and what answers behind them.
///
/// Built in code with the verbs below or read from text with `init(parsing:)`; `description` writes the text again.
public struct Scenario: Hashable, Sendable {
    public var source = Source()
    public var routers: [Router] = []
    public var links: [Link] = []
    public var balances: [Balance] = []
    public var flips: [Flip] = []
    public var tunnels: [Tunnel] = []
    public var returns: [ReturnPath] = []
    public var targets: [Target] = []

    public init() {}

    /// The host under test. A family without an address gets one; `only` leaves the other family out.
    public struct Source: Hashable, Sendable {
        public var v4: IPv4Address?
        public var v6: IPv6Address?
        public var only: IPVersion?

        public init(v4: IPv4Address? = nil, v6: IPv6Address? = nil, only: IPVersion? = nil) {
            self.v4 = v4
            self.v6 = v6
            self.only = only
        }
    }

    /// A router: what happens to packets that reach it, and how it answers.
    public struct Router: Hashable, Sendable {
        public var name: String
        public var v4: IPv4Address?
        public var v6: IPv6Address?
        /// What packets meet on the link by which the router is reached from the source, in each direction.
        public var access = Impairment()
        public var answers = Answers(hopLimit: 255)
        /// Refuses to forward anything, with this code.
        public var refuses: Unreachable?
        public var bleaches: Bleach?
        public var translation: Translation?
        public var redirection: Redirection?
        public var rewriting = Rewriting()
        /// Sends what should go on back to where it came from, from where it comes again.
        public var loops = false
        /// The first rule that holds a packet decides; what no rule holds passes.
        public var filters: [Filter] = []
        public var answersFrom = AnswerSource.incoming
        /// Sends packets on whose hop limit runs out here: the next node gets them with a hop limit of 0.
        public var forwardsZero = false

        public init(_ name: String) { self.name = name }
    }

    /// A link between two nodes; everything about it holds in both directions.
    public struct Link: Hashable, Sendable {
        public var from: String
        public var to: String
        /// Octets of the largest packet.
        public var mtu: Int?
        /// Drops what is too big without an ICMP error.
        public var isBlackHole = false
        /// Leaves the MTU out of "fragmentation needed", as before RFC 1191.
        public var hidesMTU = false
        /// What "fragmentation needed" says instead of the truth.
        public var claimedMTU: Int?
        public var impairment = Impairment()
        /// Addresses of the interfaces at `from` and at `to`; a router's own address where there is none.
        public var near = Interface()
        public var far = Interface()

        public init(_ from: String, _ to: String) {
            self.from = from
            self.to = to
        }
    }

    /// The addresses of one end of a link.
    public struct Interface: Hashable, Sendable {
        public var v4: IPv4Address?
        public var v6: IPv6Address?

        public init(v4: IPv4Address? = nil, v6: IPv6Address? = nil) {
            self.v4 = v4
            self.v6 = v6
        }
    }

    /// Equal next hops of a router.
    public struct Balance: Hashable, Sendable {
        public var router: String
        public var nextHops: [String]
        public var key: BalanceKey

        public init(_ router: String, _ nextHops: [String], by key: BalanceKey) {
            self.router = router
            self.nextHops = nextHops
            self.key = key
        }
    }

    /// A router whose next hop changes as time goes by, counted from the first packet of the host.
    public struct Flip: Hashable, Sendable {
        public enum Schedule: Hashable, Sendable {
            /// Once, after so many nanoseconds.
            case at(Int64)
            /// There and back, each time after so many nanoseconds.
            case every(Int64)
        }

        public var router: String
        /// The next hop at the start.
        public var first: String
        public var second: String
        public var schedule: Schedule

        public init(_ router: String, _ first: String, _ second: String, _ schedule: Schedule) {
            self.router = router
            self.first = first
            self.second = second
            self.schedule = schedule
        }
    }

    /// Answers that are at this router, its own or those of others, reach the source by another way.
    public struct ReturnPath: Hashable, Sendable {
        public var router: String
        /// Routers between this one and the source.
        public var hops: Int
        public var impairment = Impairment()

        public init(_ router: String, hops: Int) {
            self.router = router
            self.hops = hops
        }
    }

    /// Hosts behind a router, all alike.
    public struct Target: Hashable, Sendable {
        public var prefixes: [IPPrefix]
        /// The router, or `source` for hosts on the link of the source.
        public var via: String
        public var access = Impairment()
        public var answers = Answers(hopLimit: 64)
        /// The router answers for these hosts, with this code.
        public var refuses: Unreachable?
        /// The share of the addresses where somebody lives; which ones depends on the addresses alone.
        public var live = Share.always
        /// What the router says about an address where nobody lives; nil is silence.
        public var dead: Unreachable?

        public init(_ prefixes: [IPPrefix], via: String) {
            self.prefixes = prefixes
            self.via = via
        }
    }

    /// Adds a router, or changes the one of that name.
    public mutating func router(_ name: String, _ configure: (inout Router) -> Void = { _ in }) {
        guard name != Self.sourceName else { return }
        if let index = routers.firstIndex(where: { $0.name == name }) {
            configure(&routers[index])
        } else {
            var router = Router(name)
            configure(&router)
            routers.append(router)
        }
    }

    /// Adds a link, or changes the one between these two; routers that are not there yet are added.
    public mutating func link(_ from: String, _ to: String, _ configure: (inout Link) -> Void = { _ in }) {
        router(from)
        router(to)
        if let index = links.firstIndex(where: { $0.from == from && $0.to == to }) {
            configure(&links[index])
        } else {
            var link = Link(from, to)
            configure(&link)
            links.append(link)
        }
    }

    /// Links each name to the next one.
    public mutating func path(_ names: String...) { path(names) }

    /// Links each name to the next one.
    public mutating func path(_ names: [String]) {
        for (from, to) in zip(names, names.dropFirst()) where !isLinked(from, to) { link(from, to) }
    }

    /// Makes the next hops equal, linking the router to each of them.
    public mutating func balance(_ router: String, _ nextHops: [String], by key: BalanceKey) {
        for hop in nextHops where !isLinked(router, hop) { link(router, hop) }
        balances.append(Balance(router, nextHops, by: key))
    }

    /// Lets the router change from the first next hop to the second, linking it to both.
    public mutating func flip(_ router: String, _ first: String, _ second: String, _ schedule: Flip.Schedule) {
        for hop in [first, second] where !isLinked(router, hop) { link(router, hop) }
        flips.append(Flip(router, first, second, schedule))
    }

    /// Adds a host or a prefix of hosts: `10.0.9.9`, `fd00:9::9`, `10.0.8.0/24`. Text that is no address is left out.
    public mutating func target(_ prefixes: String..., via: String, _ configure: (inout Target) -> Void = { _ in }) {
        router(via)
        var target = Target(prefixes.compactMap { IPPrefix(target: $0) }, via: via)
        configure(&target)
        targets.append(target)
    }

    /// The MTU of the host's own interface: that of the narrowest link at the source, or 1500.
    public var sourceMTU: Int {
        links.filter { $0.from == Self.sourceName || $0.to == Self.sourceName }.compactMap(\.mtu).min() ?? 1_500
    }

    /// Whether a link of this scenario joins the two, in either order.
    public func isLinked(_ one: String, _ other: String) -> Bool {
        links.contains { ($0.from == one && $0.to == other) || ($0.from == other && $0.to == one) }
    }

    /// The name by which links and paths call the host under test.
    public static let sourceName = "source"
}

/// What may happen to a packet on its way over a link.
public struct Impairment: Hashable, Sendable {
    public var delay = Delay.fixed(0)
    public var loss = Share.never
    public var duplicate = Share.never
    /// The share that is held back by `reorderDelay` while later packets pass; all others keep their order.
    public var reorder = Share.never
    public var reorderDelay: Int64 = 10_000_000
    /// The share in which one bit flips behind the transport header, with the checksum left as it was.
    public var corrupt = Share.never

    public init(delay: Delay = .fixed(0), loss: Share = .never) {
        self.delay = delay
        self.loss = loss
    }

    var isNothing: Bool { self == Impairment() }
}

/// How a router or a host answers.
public struct Answers: Hashable, Sendable {
    /// The hop limit that its packets start with.
    public var hopLimit: UInt8
    /// Never says anything, though a router still forwards.
    public var isSilent = false
    /// Bounds the ICMP errors, not the echo replies.
    public var limit: RateLimit?
    /// What making an ICMP message takes.
    public var slowness = Delay.fixed(0)
    /// Octets of the packet that an error over IPv4 quotes; IPv6 adds the 20 octets by which its header is longer.
    /// nil: as many as RFC 1812 section 4.3.2.3 and RFC 4443 section 2.4 allow.
    public var quote: Int?
    /// Labels of the MPLS stack that errors show, top first (RFC 4950).
    public var labels: [UInt32] = []
    /// Errors show the incoming interface (RFC 5837).
    public var showsInterface = false
    /// Extensions follow 128 octets of quote without a length field, as before RFC 4884.
    public var hasLegacyExtensions = false
    public var echoes = true
    /// Errors about packets that arrived start with the hop limit that was left in those, as in some old stacks.
    public var copiesHopLimit = false
    /// Answers ICMP timestamp requests with this clock; nil leaves them unanswered.
    public var clock: HostClock?
    /// The first rule that holds the port decides; where none does, port unreachable.
    public var udp: [PortRule<UDPService>] = []
    /// The first rule that holds the port decides; where none does, closed.
    public var tcp: [PortRule<TCPService>] = []
    public var hostile: [HostileReply] = []

    public init(hopLimit: UInt8) { self.hopLimit = hopLimit }

    func udpService(_ port: UInt16) -> UDPService { udp.first { $0.ports.contains(port) }?.service ?? .unreachable }

    func tcpService(_ port: UInt16) -> TCPService { tcp.first { $0.ports.contains(port) }?.service ?? .closed }
}

/// What a range of ports does.
public struct PortRule<Service: Hashable & Sendable>: Hashable, Sendable {
    public var ports: ClosedRange<UInt16>
    public var service: Service

    public init(_ ports: ClosedRange<UInt16>, _ service: Service) {
        self.ports = ports
        self.service = service
    }

    public init(_ port: UInt16, _ service: Service) { self.init(port...port, service) }
}

/// What a UDP port answers: the datagram (RFC 862), port unreachable, or nothing.
public enum UDPService: String, Hashable, Sendable, CaseIterable { case echo, unreachable, silent }

/// What a TCP port answers to a SYN: SYN-ACK, RST, or nothing.
public enum TCPService: String, Hashable, Sendable, CaseIterable { case open, closed, filtered }

/// What a router looks at to choose among equal next hops.
public enum BalanceKey: String, Hashable, Sendable, CaseIterable {
    /// Addresses, protocol and the ports of UDP and TCP; ICMP has none (Linux, `fib_multipath_hash_policy=1`).
    case ports
    /// Addresses, protocol and the first four octets behind the IP header, which in ICMP hold the checksum.
    case transport
    /// Addresses and the flow label of IPv6 (RFC 6438); over IPv4 the addresses alone.
    case flowLabel = "flow-label"
    /// Both addresses.
    case destination
    /// A throw of the dice for each packet.
    case packet
}

/// Which bits of the traffic class a router clears.
public enum Bleach: String, Hashable, Sendable, CaseIterable {
    case dscp, ecn, tos

    /// The bits that stay.
    var mask: UInt8 {
        switch self {
        case .dscp: 0x03
        case .ecn: 0xfc
        case .tos: 0
        }
    }
}

/// Why something can't be reached, in the words of both versions of ICMP.
public enum Unreachable: Hashable, Sendable {
    case net, host, proto, port, admin
    /// The code as it stands in the message.
    case code(UInt8)

    /// The code of destination unreachable: type 3 of ICMP (RFC 792, RFC 1812), type 1 of ICMPv6 (RFC 4443).
    public func code(_ version: IPVersion) -> UInt8 {
        switch (self, version) {
        case (.net, _): 0
        case (.host, .v4): 1
        case (.host, .v6): 3
        case (.proto, .v4): 2
        case (.proto, .v6): 4
        case (.port, .v4): 3
        case (.port, .v6): 4
        case (.admin, .v4): 13
        case (.admin, .v6): 1
        case (.code(let code), _): code
        }
    }
}

/// A way to answer that no honest host has.
public struct HostileReply: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// From an address that was not asked.
        case wrongSource
        case wrongChecksum
        /// Half of the payload, or of the quote, with a right checksum.
        case truncated
        /// Eight octets more than were asked for, with a right checksum.
        case overlong
        /// Another sequence number, or in an error another one in the quote.
        case unknownSequence
        /// Another identifier, or in an error another one in the quote.
        case wrongIdentifier
        case otherCode
        /// So many copies more.
        case duplicate(Int)
        /// Later by so many nanoseconds.
        case late(Int64)
        /// A header without payload.
        case empty
        /// The first sixteen octets of the payload, where other pings keep the time, are 0xff.
        case forgedTime
        /// In an error: another destination in the quote.
        case foreignQuote
        /// In an error: zeros for the quote.
        case zeroQuote
        /// In an error: a quoted header that claims to be as long as can be.
        case longHeader
        /// In an error: the quote ends within its IP header.
        case cutHeader
    }

    public var kind: Kind
    public var share: Share

    public init(_ kind: Kind, _ share: Share = .always) {
        self.kind = kind
        self.share = share
    }
}

/// How many answers a node may give: `count` in each `period`, `burst` at once.
public struct RateLimit: Hashable, Sendable {
    public var count: Int64
    /// Nanoseconds.
    public var period: Int64
    public var burst: Int64

    public init(_ count: Int64, per period: Int64 = 1_000_000_000, burst: Int64 = 1) {
        self.count = count
        self.period = period
        self.burst = burst
    }
}

/// A likelihood, exact to a millionth.
public struct Share: Hashable, Sendable, Comparable {
    public var millionths: UInt32

    public init(millionths: UInt32) { self.millionths = min(millionths, 1_000_000) }

    public static func percent(_ percent: UInt32) -> Share { Share(millionths: min(percent, 100) * 10_000) }

    public static func < (left: Share, right: Share) -> Bool { left.millionths < right.millionths }

    public static let never = Share(millionths: 0)
    public static let always = Share(millionths: 1_000_000)
}

/// How long something takes, in nanoseconds.
public enum Delay: Hashable, Sendable {
    case fixed(Int64)
    case uniform(Int64, Int64)
    /// Bell-shaped around the mean and never negative.
    case normal(mean: Int64, deviation: Int64)
    /// A floor and an exponential rest of this mean, as queues have it.
    case exponential(floor: Int64, mean: Int64)
}

extension IPPrefix {
    /// Parses what a scenario calls a target: `ADDRESS` or `ADDRESS/LENGTH`, with zeros behind the length.
    init?(target text: String) {
        if let address = IPAddress(text) {
            self.init(address, length: address.bitWidth)
        } else {
            self.init(text)
            guard let slash = text.firstIndex(of: "/"), IPAddress(String(text[..<slash])) == first else { return nil }
        }
        guard first == first.withoutZone else { return nil }
    }

    /// Whether there is only one address.
    var isAddress: Bool { length == first.bitWidth }

    /// As `init(target:)` reads it.
    var targetText: String { isAddress ? first.description : description }
}

extension Scenario.Flip.Schedule {
    /// Whether the second next hop is in use so many nanoseconds after the first packet.
    func isSecond(after time: Int64) -> Bool {
        switch self {
        case .at(let moment): time >= moment
        case .every(let period): time / max(1, period) % 2 == 1
        }
    }
}
