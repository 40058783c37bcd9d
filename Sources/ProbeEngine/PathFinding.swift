import PacketFormats

/// Something that the answers of a trace tell beside addresses and times, with its evidence.
public struct PathFinding: Hashable, Sendable {
    /// Where it shows, by the hop limits of the probes.
    public var hops: ClosedRange<Int>
    public var kind: Kind

    public init(hops: ClosedRange<Int>, kind: Kind) {
        self.hops = hops
        self.kind = kind
    }

    public enum Kind: Hashable, Sendable {
        /// The answers of these hops came back over another number of hops than the probes went.
        case returnPath([ReturnLength])
        /// The way back is longer at the last of these hops than at the first and shrinks again behind it: perhaps an MPLS
        /// tunnel between the two that hides so many routers (FRPLA; Vanaubel et al., IMC 2017).
        case hiddenHops(count: Int, [ReturnLength])
        /// The way back of this responder's time exceeded is longer than that of its echo reply: perhaps a tunnel on the way
        /// back that hides so many routers (RTLA, ibid.).
        case hiddenReturnHops(count: Int, responder: IPAddress)
        /// A field of the probe was changed on the way. The first of the hops is the last one that quoted the old value, 0
        /// is this host; the last is the first one that quoted the new value.
        case changed(QuotedField, from: QuotedValue, to: QuotedValue)
        /// One hop alone quotes a value that neither those before nor those behind it do: its quote is odd.
        case quotedAlone(QuotedField, usual: QuotedValue, quoted: QuotedValue)
        /// Some of a hop's answers quote another value than the rest: not all probes go the same way.
        case quotedBySome(QuotedField, usual: QuotedValue, quoted: QuotedValue, count: Int, of: Int)
        /// Quoted hop limits that a plain path does not show.
        case hopLimits(HopLimitAnomaly)
        /// What the router says of its interfaces (RFC 5837), each once.
        case interfaces([InterfaceInformation], responder: IPAddress)
        /// The hops forward, but leave out errors of their own.
        case limited(Losses)
        /// Probes or answers get lost, from the first of the hops on or, where that can't be told, on the way to the last.
        case loss(Losses, isLocated: Bool)
        /// The same responders in the same order, again and again.
        case loop([IPAddress])
        /// Several responders at one hop for probes of one flow: a balancer that goes by packets, or a path that changed.
        case severalResponders([IPAddress])
        /// Who says that it goes no further, and why.
        case refused(type: ICMPType, code: UInt8, info: UInt32, responder: IPAddress)
        /// Nothing answered from the first of the hops to the last that was asked.
        case silentEnd
    }

    /// The way back from a hop, as the hop limit of its answer tells.
    public struct ReturnLength: Hashable, Sendable, BitwiseCopyable {
        public var hop: Int
        /// In hops, 1 for a neighbour: what is left of 32, 64, 128 or 255, whichever is the first that is not below.
        public var length: Int
        /// As the answer arrived.
        public var hopLimit: UInt8

        init(hop: Int, hopLimit: UInt8) {
            self.hop = hop
            self.hopLimit = hopLimit
            length = Int(Self.initialHopLimit(of: hopLimit)) - Int(hopLimit) + 1
        }

        /// What the answer probably started with.
        public var initialHopLimit: UInt8 { Self.initialHopLimit(of: hopLimit) }

        private static func initialHopLimit(of hopLimit: UInt8) -> UInt8 {
            [32, 64, 128].first { $0 >= hopLimit } ?? 255
        }

        /// By how many hops the way back is longer than the way there.
        public var excess: Int { length - hop }
    }

    /// What `limited` or `loss` rests on.
    public struct Losses: Hashable, Sendable {
        /// Of these hops in order, without those that never answer.
        public var hops: [Count]
        /// Of the hops behind, all together: of those that never leave answers out for reasons of their own.
        public var later: Count
        /// How many hops that are.
        public var laterHops: Int

        public struct Count: Hashable, Sendable, BitwiseCopyable {
            /// The first one of several.
            public var hop: Int
            public var answered: Int
            public var asked: Int
        }
    }

    public enum HopLimitAnomaly: Hashable, Sendable {
        /// The same responder at both hops, with 0 and then 1 quoted: the hop before passes on packets whose hop limit has
        /// run out.
        case zeroForwarded(responder: IPAddress)
        /// The same responder at two hops, without quotes that tell why.
        case sameResponder(IPAddress)
        /// One more at each of these hops: routers of an MPLS tunnel, in which only the tunnel's own hop limit counts down
        /// (RFC 3443; Donnet et al., CCR 2012).
        case implicitTunnel(quoted: [UInt8])
        /// Where 1 was due.
        case unexpected(quoted: UInt8, responder: IPAddress)
        /// The destination got the probe with another hop limit than its place on the path leaves.
        case destination(expected: Int, quoted: UInt8, responder: IPAddress)
    }
}

/// A field of a probe that routers quote and that somebody on the way may change.
public enum QuotedField: Hashable, Sendable, CaseIterable {
    case source, destination
    case dscp, ecn
    case flowLabel
    case totalLength
    case identification
    case dontFragment
    case sourcePort, destinationPort
    case udpChecksum
    case tcpSequenceNumber
    case tcpFlags
    case maximumSegmentSize
    case tcpOptions
}

/// The value of a quoted field.
public enum QuotedValue: Hashable, Sendable {
    case number(UInt32)
    case address(IPAddress)
    case flag(Bool)
    case tcpFlags(TCPHeader.Flags)
    /// The kinds of TCP options in their order, without those that do nothing.
    case tcpOptions([UInt8])
    /// Not there.
    case missing
}
