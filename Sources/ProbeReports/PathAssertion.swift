import PacketFormats
import ProbeEngine

/// What assertions about a path judge.
public struct PathEvidence {
    /// The rows in order.
    public var hops: [PathHop]
    /// Where the path ended, nil where it did not.
    public var lastHop: Int?
    public var isReached: Bool
    /// What the discovery of the path's MTU found; nil where it found nothing.
    public var mtu: Int?
    /// Differences from the baseline; nil where none was given, or where it has no path to this host.
    public var changes: [PathChange]?
    /// Whether there is a baseline to differ from.
    public var hasBaseline: Bool
    /// Who announces an address; nil where that is not known.
    public var origins: (IPAddress) -> ASOrigins?
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText]

    public init(
        hops: [PathHop], lastHop: Int?, isReached: Bool, mtu: Int? = nil, changes: [PathChange]? = nil,
        hasBaseline: Bool = false, zones: [UInt32: SafeText] = [:],
        origins: @escaping (IPAddress) -> ASOrigins? = { _ in nil }
    ) {
        self.hops = hops
        self.lastHop = lastHop
        self.isReached = isReached
        self.mtu = mtu
        self.changes = changes
        self.hasBaseline = hasBaseline
        self.zones = zones
        self.origins = origins
    }
}

/// A condition under which a trace counts as failed, such as `hops>12`, `via!=AS64500` or `path-changed`.
///
/// `hops`, `loss`, `rtt`, `mtu` and `back` are compared as in `EchoAssertion` and are the destination's. `via!=X` fails a
/// path that does not pass X, an address, a prefix or an autonomous system, `via=X` one that does. Where there is no such
/// value, or a silent hop may be what is asked for, the run counts as failed too.
public struct PathAssertion: Hashable, Sendable {
    /// What has to be found out for it beside the path.
    public enum Need: Hashable, Sendable {
        case mtu
        /// Who announces the responders.
        case origins
    }

    /// As it was written, without spaces.
    public let text: String

    /// Throws what would have been right.
    public init(parsing text: String) throws(AssertionError) {
        self.text = text
    }

    /// Nil where the path alone is enough.
    public var need: Need? { nil }

    /// Why a trace fails by this, such as `hops 13 > 12`; nil where it does not. O(answers).
    public func failure(of evidence: PathEvidence) -> String? { nil }
}
