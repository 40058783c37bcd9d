import PacketFormats

/// What path MTU discovery found out. Sizes are octets of a whole IP packet.
public struct PathMTUResult: Hashable, Sendable {
    /// The size that the search began with: what this host's own link takes, or a wish.
    public var firstSize: Int
    /// The largest size that was seen to arrive at `hop`; nil where nothing came back.
    public var size: Int?
    /// The hop up to which `size` holds: the destination's, or the last one that answers.
    public var hop: Int?
    /// Whether `hop` is the destination's, so that `size` is the path MTU.
    public var isWholePath = false
    /// Where larger packets end, in the order of the path.
    public var drops: [PathMTUDrop] = []
    /// What routers said about an MTU and can't be true.
    public var falseClaims: [PathMTUClaim] = []
    /// Whether the search ended by itself: false where hosts fell silent, probes ran out or somebody stopped it.
    public var isComplete = false

    public init(firstSize: Int) { self.firstSize = firstSize }

    /// What stands behind `F=` in a row of traceroute: the size to which the probes of this hop had to shrink, and in the
    /// first row the size that the rest begins with.
    public func size(forcedAt hop: Int, firstHop: Int = 1) -> Int? {
        guard hop == firstHop else { return drops.last { $0.before == hop }?.size }
        return drops.last { $0.before <= hop }?.size ?? firstSize
    }

    /// Drops without a word.
    public var blackHoles: [PathMTUDrop] { drops.filter { $0.evidence == .silence } }
}

/// A place on the way that larger packets do not pass.
public struct PathMTUDrop: Hashable, Sendable {
    public enum Evidence: Hashable, Sendable {
        /// "Fragmentation needed" or "packet too big" names the size (RFC 1191, RFC 8201).
        case announced(by: IPAddress)
        /// Such an error came with no size, or a false one, and the size was searched for.
        case searched(by: IPAddress)
        /// A black hole: larger packets vanish without a word, smaller ones are answered (RFC 2923 section 2.1).
        case silence
        /// This host's own link.
        case local
    }

    /// Octets of the largest packet that passes.
    public var size: Int
    /// The last hop that larger packets are known to reach; 0 for this host.
    public var after: Int
    /// The first hop that they are known not to reach: more than the next one where hops between are silent.
    public var before: Int
    public var evidence: Evidence
    /// Whether the answers may have been too large for the way back instead: an echo reply is as long as its request.
    public var mayBeOnTheWayBack = false

    public init(size: Int, after: Int, before: Int, evidence: Evidence, mayBeOnTheWayBack: Bool = false) {
        self.size = size
        self.after = after
        self.before = before
        self.evidence = evidence
        self.mayBeOnTheWayBack = mayBeOnTheWayBack
    }
}

/// An MTU that a router announced and that is not believed.
public struct PathMTUClaim: Hashable, Sendable {
    public enum Fault: Hashable, Sendable, BitwiseCopyable {
        /// 0, as routers said before RFC 1191.
        case missing
        /// Below what every link must take: 68 octets (RFC 791), 1,280 (RFC 8200).
        case tooSmall
        /// No smaller than the packet that was too big for it.
        case tooLarge
        /// Larger packets passed.
        case contradicted
        /// Packets of that size did not pass.
        case exceeded
    }

    public var responder: IPAddress
    public var mtu: UInt32
    /// Octets of the packet that it is about.
    public var size: Int
    public var fault: Fault
}

/// What a `PathMTU` finds on its way.
public enum PathMTUEvent: Hashable, Sendable {
    case drop(PathMTUDrop)
    case falseClaim(PathMTUClaim)
    /// The kernel refused a probe, not for its length.
    case unsent(size: Int, failure: SendFailure)
}

/// Counts of a path MTU discovery.
public struct PathMTUStatistics: Hashable, Sendable {
    /// Handed to the kernel.
    public internal(set) var transmitted: UInt64 = 0
    public internal(set) var received: UInt64 = 0
    public internal(set) var late: UInt64 = 0
    public internal(set) var duplicates: UInt64 = 0
    public internal(set) var unidentified: UInt64 = 0
    /// Refused by the kernel, for their length too.
    public internal(set) var unsent: UInt64 = 0
    public internal(set) var unsolicited: UInt64 = 0
}
