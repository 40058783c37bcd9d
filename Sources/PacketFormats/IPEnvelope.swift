/// The IP packet around bytes that came without their headers, as far as its fields are known.
///
/// For captures: what isn't known (identification, fragment flags, options, flow label) is 0 or not there.
public struct IPEnvelope: Hashable, Sendable {
    /// What the bytes are.
    public enum Contents: Hashable, Sendable {
        /// Everything behind the IP header. Where `completes` is set, the ICMPv6 checksum is filled in, as the kernel does
        /// with what a process sends.
        case upperLayer(IPProtocol, completes: Bool)
        /// The payload of a UDP datagram.
        case datagram(sourcePort: UInt16, destinationPort: UInt16)
    }

    /// What stands behind the IP header.
    public var contents: Contents
    /// Of the IP header; of the same version as the destination.
    public var source: IPAddress
    /// Of the IP header.
    public var destination: IPAddress
    /// Of the IP header, as far as it is known, else 0.
    public var hopLimit: UInt8
    /// Of the IP header, as far as it is known, else 0.
    public var trafficClass: UInt8
    /// Octets behind the bytes that belong to the packet and aren't there.
    public var missing: Int

    public init(
        _ contents: Contents, source: IPAddress, destination: IPAddress, hopLimit: UInt8, trafficClass: UInt8 = 0,
        missing: Int = 0
    ) {
        self.contents = contents
        self.source = source
        self.destination = destination
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.missing = missing
    }

    /// The packet, less what is missing. O(n).
    ///
    /// Throws when the addresses are of two versions or the packet is longer than IP allows.
    public func packet(around bytes: RawSpan) throws(PacketError) -> [UInt8] {
        var upperLength = bytes.byteCount
        let proto: IPProtocol
        switch contents {
        case .upperLayer(let number, _): proto = number
        case .datagram:
            proto = .udp
            upperLength += UDPHeader.length
        }
        let wholeLength = upperLength + max(0, missing)
        return try [UInt8](capacity: IPv6Header.length + upperLength) { output throws(PacketError) in
            switch (source, destination) {
            case (.v4(let source), .v4(let destination)):
                let length = try Self.length(wholeLength + IPv4Header.minimumLength, "totalLength")
                try IPv4Header(
                    source: source, destination: destination, proto: proto, hopLimit: hopLimit, totalLength: length,
                    trafficClass: trafficClass
                ).write(to: &output)
            case (.v6(let source), .v6(let destination)):
                try IPv6Header(
                    source: source, destination: destination, nextHeader: proto, hopLimit: hopLimit,
                    payloadLength: Self.length(wholeLength, "payloadLength"), trafficClass: trafficClass
                ).write(to: &output)
            default: throw .wrongVersion(expected: source.version.rawValue, found: destination.version.rawValue)
            }
            try writeContents(bytes, to: &output)
        }
    }

    private func writeContents(_ bytes: RawSpan, to output: inout OutputRawSpan) throws(PacketError) {
        let start = output.byteCount
        switch contents {
        case .upperLayer(let proto, let completes):
            output.append(contentsOf: bytes)
            guard completes, proto == .icmpv6, bytes.byteCount >= ICMPHeader.length, case .v6(let source) = source,
                case .v6(let destination) = destination
            else { return }
            output.replace(at: start + 2, with: 0)
            ICMPHeader.writeChecksum(of: start, in: &output, source: source, destination: destination)
        case .datagram(let sourcePort, let destinationPort):
            try UDPHeader(sourcePort: sourcePort, destinationPort: destinationPort).write(to: &output)
            output.append(contentsOf: bytes)
            UDPHeader.complete(from: start, in: &output, source: source, destination: destination)
        }
    }

    private static func length(_ length: Int, _ field: String) throws(PacketError) -> UInt16 {
        guard let length = UInt16(exactly: length) else { throw .invalidLength(field: field, value: length) }
        return length
    }
}
