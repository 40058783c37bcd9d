import PacketFormats

extension PathWatch {
    public struct Configuration: Sendable {
        public var destination: IPAddress
        /// What is followed. Its flow space says what the flows are.
        public var graph: MultipathGraph
        /// Numbers of the flows that are followed, each a path; flows that the graph does not know have no path.
        public var flows: [Int]
        /// From the start of a round to that of the next; less than 10 ms counts as that.
        public var interval = TimeSpan.seconds(1)
        /// How many rounds; nil for no end.
        public var rounds: UInt64?
        /// The longest that an answer is waited for.
        public var maximumWait = TimeSpan.seconds(5)
        /// How much longer than the longest round trip of late an answer is waited for at most; nil sets no limit.
        public var maximumDelay: TimeSpan? = .milliseconds(500)
        public var payloadLength = 32
        public var trafficClass: UInt8 = 0
        public var dontFragment = false
        /// Hop limits whose routers are known to leave out errors: they are asked slowly from the start.
        public var limitedHops: Set<Int> = []
        /// Decides the order in which a round asks.
        public var seed: UInt64 = 0
        /// Wait for the kernel's send stamps before a round trip is counted.
        public var wantsKernelStamps = true

        /// Follows as few flows as cover the graph.
        public init(destination: IPAddress, graph: MultipathGraph) {
            self.destination = destination
            self.graph = graph
            flows = graph.cover
        }
    }

    /// Changes a running watch.
    public enum Command: Sendable {
        /// Follows these flows of another graph from now on. The round that is running ends. Nodes with the same hop limit and
        /// address keep their sums, and so do edges with the same ends and flows with the same number.
        case follow(MultipathGraph, flows: [Int])
    }

    /// A flow that is followed.
    public struct Path: Hashable, Sendable {
        /// Its number.
        public let flow: Int
        /// By hop, from the graph's first on, the index of its node; nil where the graph does not say which of several.
        public let nodes: [Int?]
        /// The hop limit of the last node that answers: what its end is. Silence behind it is asked too, because it may end.
        public let lastHop: Int
    }
}
