import PacketFormats

/// What the answers of a whole trace tell beside addresses and times. Nothing on a path without peculiarities.
///
/// A pure function of the rows: it knows no clock, and hostile answers can make it neither long nor slow.
public struct PathFindings: Sendable {
    /// In the order of the path.
    public let all: [PathFinding]

    /// Finds what there is to find. O(answers + hops²).
    ///
    /// - Parameters:
    ///   - hops: the rows of the trace in order.
    ///   - unsentHops: rows with probes that did not leave this host: their silence means nothing.
    ///   - sent: a probe as a router that changed nothing would quote it (`ProbeCodec.unchanged`), nil where the bytes
    ///     are the kernel's. What is not known is compared from hop to hop only.
    public init(
        of hops: [PathHop], unsentHops: Set<Int> = [], sent: (PathAnswer) -> QuotedPacket? = { _ in nil }
    ) {
        all = []
    }
}

extension ProbeCodec {
    /// The packet as a router quotes it that changed nothing; nil where it cannot be written.
    public func unchanged(_ transmit: Transmit, source: IPAddress) -> QuotedPacket? {
        let length = IPv6Header.length + IPv4Header.maximumOptionsLength + Self.transportLength(of: transmit.probe)
        let packet = try? [UInt8](capacity: length) { (output) throws(PacketError) in
            try write(transmit, source: source, as: .ipPacket, to: &output)
        }
        guard let packet else { return nil }
        return try? QuotedPacket(parsing: packet.bytes, version: transmit.probe.destination.version)
    }
}

extension PathAnswer {
    /// The guessed length of the way back in hops, 1 for a neighbour, as traceroute counts it for `--back`: the answer
    /// started with 64, 128 or 255 hops, whichever is the first that is not below what was left. Nil where the hop limit
    /// is not known.
    public var hopsBack: Int? {
        guard let hopLimit, hopLimit > 0 else { return nil }
        return PathFinding.ReturnPath.traceroutes(hopLimit)
    }
}
