import PacketFormats

/// Finds all paths to a destination (MDA: Augustin et al., E2EMON 2007).
public struct MultipathTrace: Sendable {
    public let configuration: Configuration
    public private(set) var statistics = MultipathStatistics()
    /// Why it is over; nil while it is not.
    public private(set) var ending: MultipathEnding?
    /// Why the paths end where they do, nil while that is not known: `gap` where one does so in silence.
    public private(set) var pathEnding: PathEnding?
    /// Whether the destination itself has answered.
    public private(set) var isReached = false

    public init(_ configuration: Configuration) { self.configuration = configuration }

    /// What is known by now. O(probes).
    public var graph: MultipathGraph { MultipathGraph(configuration.space, firstHop: configuration.firstHop) }
}
