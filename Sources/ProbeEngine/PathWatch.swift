import PacketFormats

/// Follows a given set of flows: who loses what, and how long it takes, for each node, edge and path of a graph.
public struct PathWatch: Sendable {
    public private(set) var configuration: Configuration
    public private(set) var statistics = PathWatchStatistics()
    /// The flows that have a path, in their order.
    public private(set) var paths: [Path] = []
    /// How many graphs were followed before this one.
    public private(set) var generation = 0
    /// Sums by index of the graph's nodes.
    public private(set) var nodes: [PathCounts] = []
    /// Sums by index of the graph's edges.
    public private(set) var edges: [PathCounts] = []
    /// Sums of the ends of `paths`.
    public private(set) var ends: [PathCounts] = []

    public init(_ configuration: Configuration) { self.configuration = configuration }

    /// What is followed.
    public var graph: MultipathGraph { configuration.graph }
}
