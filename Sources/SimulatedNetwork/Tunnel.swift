import PacketFormats

/// What a trace sees of an MPLS tunnel (RFC 3032, RFC 3443, RFC 4950; Vanaubel et al., "TNT, Watch me Explode", 2019).
public enum TunnelKind: String, Hashable, Sendable, CaseIterable {
    /// The routers inside answer and show their labels.
    case explicit
    /// The routers inside answer and show no label: only the hop limits that they quote, 1, 2, 3 and so on, tell.
    case implicit
    /// The hop limit is not copied into the label: nobody inside answers. On the way back the label takes the hops off
    /// answers that started with more hops than are left in it.
    case invisible
    /// As invisible, but the last router shows the label, with what the others have left of its 255.
    case opaque

    /// Whether the hop limit of the packet counts inside.
    var copiesHopLimit: Bool { self == .explicit || self == .implicit }

    /// Whether a router shows the label of a packet that it answers.
    var showsLabel: Bool { self == .explicit || self == .opaque }
}

extension Scenario {
    /// A tunnel through which a router sends what goes beyond the last router of it.
    ///
    /// The last but one takes the label off. Errors of routers inside go on to the end of the tunnel first and come
    /// back from there.
    public struct Tunnel: Hashable, Sendable {
        /// From the one that puts the label on to the one that gets the packet without it: three at least.
        public var routers: [String]
        public var kind: TunnelKind
        /// Of the first router inside; each further one has the next number.
        public var label: UInt32

        public init(_ routers: [String], _ kind: TunnelKind, label: UInt32 = 24_000) {
            self.routers = routers
            self.kind = kind
            self.label = label
        }
    }

    /// Adds a tunnel, linking each router to the next one.
    public mutating func tunnel(_ routers: String..., kind: TunnelKind, label: UInt32 = 24_000) {
        path(routers)
        tunnels.append(Tunnel(routers, kind, label: label))
    }
}

/// An entry of a label stack as an error shows it (RFC 4950).
struct ShownLabel: Hashable, Sendable {
    var label: UInt32
    var timeToLive: UInt8
}
