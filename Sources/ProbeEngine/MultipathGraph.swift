import PacketFormats

/// Every path that a `MultipathTrace` has found: who answers at which hop limit, and who comes behind whom.
///
/// One router has as many nodes as hop limits it answers at, and as addresses it answers by. All that is silent at one hop
/// limit is one node.
public struct MultipathGraph: Sendable {
    public struct Node: Sendable {
        /// The hop limit that it was found with.
        public var hop: Int
        /// nil for those who do not answer.
        public var responder: IPAddress?
        /// What it answered first; nil for those who do not.
        public var answer: PathAnswer?
        /// How probes choose among its next hops.
        public var balancing = Balancing.none
        /// Handed to the kernel for this hop, of flows that pass here.
        public var transmitted = 0
        /// Of these, answered.
        public var received = 0
        /// Of the answers.
        public var roundTrips = RoundTripStatistics(withPercentiles: false)
        /// Numbers of the flows that are known to pass here, in their order.
        public var flows: [Int] = []
        /// Probes through here whose next hop is known: what `missProbability` follows from.
        public var tested = 0
        /// How likely it has a next hop that nobody has seen: of so many that are equally likely. 0 where the path ends here,
        /// 1 where nothing is known.
        public var missProbability = 0.0

        public init(hop: Int, responder: IPAddress?, answer: PathAnswer? = nil) {
            self.hop = hop
            self.responder = responder
            self.answer = answer
        }

        /// Whether the path ends here: at the destination, or with a router that says so.
        public var isEnd: Bool {
            guard let answer else { return false }
            return answer.kind != .timeExceeded
        }
    }

    public enum Balancing: String, Hashable, Sendable, CaseIterable {
        /// There is one next hop, as far as is known.
        case none
        /// All probes of a flow take the same.
        case flows
        /// Each packet takes its own.
        case packets
    }

    public struct Edge: Sendable {
        /// Indices of nodes; the second is one hop further.
        public var from: Int
        public var to: Int
        /// False where a balancer that goes by packets hides who comes behind whom: then everybody may.
        public var isCertain = true
        /// Handed to the kernel for the far end, of flows that pass both.
        public var transmitted = 0
        public var received = 0
        public var roundTrips = RoundTripStatistics(withPercentiles: false)
        /// Of flows that pass both, in their order.
        public var flows: [Int] = []

        public init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }
    }

    /// In the order of their hop limits, then of their addresses, the silent last.
    public var nodes: [Node] = []
    /// In the order of their ends.
    public var edges: [Edge] = []
    /// What the flows are by number.
    public var space: FlowSpace
    /// The hop limit of the first node.
    public var firstHop: Int

    public init(_ space: FlowSpace, firstHop: Int = 1) {
        self.space = space
        self.firstHop = firstHop
    }

    /// How likely this host has a first hop that nobody has seen.
    public var sourceMissProbability = 0.0

    /// How likely something was missed anywhere, if every node that was tested had one more next hop than is known.
    public var missProbability: Double {
        1 - nodes.reduce(1 - sourceMissProbability) { $0 * (1 - $1.missProbability) }
    }

    /// Indices of the nodes at a hop limit. O(nodes).
    public func nodes(at hop: Int) -> [Int] { nodes.indices.filter { nodes[$0].hop == hop } }

    /// Indices of the nodes behind one, in their order. O(edges).
    public func nextHops(of node: Int) -> [Int] { edges.filter { $0.from == node }.map(\.to) }
}
