/// The header of a UDP datagram (RFC 768).
public struct UDPHeader: Hashable, Sendable, BitwiseCopyable {
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// Octets of header and payload.
    public var length: UInt16
    /// As it stands in the packet; 0 means "none" over IPv4 and is not allowed over IPv6.
    public var checksum: UInt16

    @inlinable
    public init(sourcePort: UInt16, destinationPort: UInt16, length: UInt16 = 8, checksum: UInt16 = 0) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.length = length
        self.checksum = checksum
    }

    /// Parses the header; the length and checksum are the caller's to compare with what is there.
    ///
    /// Throws when fewer than eight octets are there.
    @inlinable
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.length)
        sourcePort = bytes.uint16(at: 0)
        destinationPort = bytes.uint16(at: 2)
        length = bytes.uint16(at: 4)
        checksum = bytes.uint16(at: 6)
    }

    /// Writes the header as it is. Throws when it does not fit.
    @inlinable
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        try output.require(Self.length)
        output.append(sourcePort)
        output.append(destinationPort)
        output.append(length)
        output.append(checksum)
    }

    /// Sets length and checksum of the datagram that starts at `start` of `output`; a sum of zero is written as all
    /// ones (RFC 768). O(n).
    @inlinable
    public static func complete(
        from start: Int, in output: inout OutputRawSpan, source: IPAddress, destination: IPAddress
    ) {
        let length = output.byteCount - start
        output.replace(at: start + 4, with: UInt16(truncatingIfNeeded: length))
        output.replace(at: start + 6, with: 0)
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(source: source, destination: destination, proto: .udp, length: length)
        checksum.add(output.bytes.extracting(start..<output.byteCount))
        output.replace(at: start + 6, with: checksum.value == 0 ? 0xffff : checksum.value)
    }

    public static let length = 8
}
