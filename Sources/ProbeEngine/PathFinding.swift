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
        case returnPath(ReturnPath)
        /// A longer way back at this hop alone: perhaps a tunnel in front of it that hides so many routers (FRPLA;
        /// Vanaubel et al., IMC 2017).
        case hiddenHops(count: Int, ReturnPath)
        /// This responder's time exceeded came over a longer way than its echo reply, which started with fewer hops:
        /// perhaps a tunnel on the way back that hides so many routers (RTLA, ibid.).
        case hiddenReturnHops(count: Int, responder: IPAddress)
        /// A field of the probe arrived with another value behind the first of `hops` than up to it: the first is the
        /// last hop that quoted the old value, 0 for this host, the last is the first that quoted the new one.
        case changed(QuotedField, from: QuotedValue, to: QuotedValue)
        /// One hop alone quotes a value that neither those before nor those behind it do: its quote is odd, or only
        /// probes to it take another way.
        case quotedAlone(QuotedField, usual: QuotedValue, quoted: QuotedValue)
        /// Some of a hop's answers quote another value than the rest: paths of different flows differ.
        case quotedBySome(QuotedField, usual: QuotedValue, quoted: QuotedValue, count: Int, of: Int)
        /// Quoted hop limits that routers with nothing to hide would not quote.
        case hopLimits(HopLimitAnomaly)
        /// What the router says of its interfaces (RFC 5837), each once.
        case interfaces([InterfaceInformation], responder: IPAddress)
        /// The hop leaves errors out, but forwards: of its probes fewer were answered than of those behind it.
        case limited(Losses)
        /// Fewer answers from here on to the end of the path.
        case loss(Losses)
        /// The same responders in the same order, again and again from the first of `hops` to the last.
        case loop([IPAddress])
        /// Several responders at one hop for probes of one flow: a balancer that goes by packets, or a path that changed.
        case severalResponders([IPAddress])
        /// Who said that it goes no further, and why.
        case refused(type: ICMPType, code: UInt8, info: UInt32, responder: IPAddress)
        /// Nothing answered from the first of `hops` to the last, the end of what was asked.
        case silentEnd
    }

    /// Lengths of the way back in hops, as `ReturnPath.length(ofHopLimit:)` guesses them.
    public struct ReturnPath: Hashable, Sendable {
        /// At the first and at the last of the hops.
        public var length: Int
        public var lastLength: Int
        /// What the hop limits of the first answer probably started with, and what was left.
        public var initialHopLimit: UInt8
        public var hopLimit: UInt8
        /// By how many hops the way back is longer than the way there: the same for all of these hops.
        public var excess: Int
        /// The excess of the hop before; nil where none answered.
        public var excessBefore: Int?

        /// The length that traceroute prints for `--back` for a hop limit that was left.
        static func traceroutes(_ hopLimit: UInt8) -> Int {
            switch hopLimit {
            case ...64: 65 - Int(hopLimit)
            case ...128: 129 - Int(hopLimit)
            default: 256 - Int(hopLimit)
            }
        }
    }

    /// What a `limited` or a `loss` rests on.
    public struct Losses: Hashable, Sendable {
        /// Answers and probes of each of the hops, in order.
        public var hops: [Count]
        /// Answers and probes of the hops behind them, all together, and how many hops those are.
        public var later: Count
        public var laterHops: Int
        /// The queries that were answered are the first of the burst: a bucket of tokens that was emptied.
        public var startsAnswered: Bool

        public struct Count: Hashable, Sendable, BitwiseCopyable {
            public var hop: Int
            public var answered: Int
            public var asked: Int
        }
    }

    public enum HopLimitAnomaly: Hashable, Sendable {
        /// 0: the hop before passed on a packet whose hop limit had run out.
        case zeroForwarded(responder: IPAddress)
        /// Larger than 1 at this hop: somebody before it does not count.
        case notDecremented(quoted: UInt8, responder: IPAddress)
        /// 2, 3 … on successive hops, starting at the second of them: routers of an MPLS tunnel that answer though the
        /// tunnel's own hop limit ran out (RFC 3443; Donnet et al., CCR 2012).
        case implicitTunnel(quoted: [UInt8])
        /// The destination was reached with so many hops to spare and quotes another number.
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
    case proto
    case sourcePort, destinationPort
    case udpChecksum
    case icmpIdentifier, icmpSequenceNumber
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
    /// Option kinds of TCP in their order.
    case options([UInt8])
    /// Not there, such as an option that was taken out.
    case none
}
