import PacketFormats
import ProbeEngine

/// The paths of former runs: what `swtrace --json` wrote, for comparison.
public struct PathBaseline: Sendable {
    /// Throws where a line is not one of `swtrace --json`.
    public init(parsing bytes: [UInt8]) throws(PathBaselineError) {
    }

    /// How a path differs from the one to the same host: by name and address, else by address, else by name and version.
    /// Nil when the baseline has none.
    ///
    /// A hop that is silent then or now is no difference, and neither is a responder that was among that hop's.
    public func changes(
        of hops: [PathHop], lastHop: Int?, to target: ReportTarget
    ) -> [PathChange]? {
        nil
    }
}

/// Why a file is no baseline.
public struct PathBaselineError: Error, Hashable, Sendable {
    /// Counted from 1; nil where it is about all of it.
    public var line: Int?
    public var reason: String
}
