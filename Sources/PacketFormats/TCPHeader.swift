/// The header of a TCP segment (RFC 9293 section 3.1).
public struct TCPHeader: Hashable, Sendable {
    public struct Flags: OptionSet, Hashable, Sendable, BitwiseCopyable {
        public var rawValue: UInt8

        @inlinable
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let fin = Flags(rawValue: 0x01)
        public static let syn = Flags(rawValue: 0x02)
        public static let rst = Flags(rawValue: 0x04)
        public static let psh = Flags(rawValue: 0x08)
        public static let ack = Flags(rawValue: 0x10)
        public static let urg = Flags(rawValue: 0x20)
        public static let ece = Flags(rawValue: 0x40)
        public static let cwr = Flags(rawValue: 0x80)
    }

    public var sourcePort: UInt16
    public var destinationPort: UInt16
    public var sequenceNumber: UInt32
    public var acknowledgmentNumber: UInt32
    public var flags: Flags
    public var window: UInt16
    /// As it stands in the packet.
    public var checksum: UInt16
    public var urgentPointer: UInt16
    /// The options area as it stands in the packet, 0 to 40 octets, padded to a multiple of four by `write`.
    public var options: [UInt8]

    public init(
        sourcePort: UInt16, destinationPort: UInt16, sequenceNumber: UInt32, acknowledgmentNumber: UInt32 = 0,
        flags: Flags, window: UInt16 = 65_535, urgentPointer: UInt16 = 0, options: [UInt8] = []
    ) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequenceNumber = sequenceNumber
        self.acknowledgmentNumber = acknowledgmentNumber
        self.flags = flags
        self.window = window
        self.checksum = 0
        self.urgentPointer = urgentPointer
        self.options = options
    }

    /// Octets of the header: 20 and the options, rounded up to a multiple of four.
    @inlinable
    public var headerLength: Int { Self.minimumLength + (options.count + 3) & ~3 }

    /// Parses the header; the checksum is the caller's to verify.
    ///
    /// Throws when the data offset is impossible or the header is not all there.
    @inlinable
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.minimumLength)
        let headerLength = Int(bytes.octet(at: 12) >> 4) * 4
        guard headerLength >= Self.minimumLength else {
            throw .invalidLength(field: "dataOffset", value: headerLength)
        }
        try bytes.require(headerLength)
        sourcePort = bytes.uint16(at: 0)
        destinationPort = bytes.uint16(at: 2)
        sequenceNumber = bytes.uint32(at: 4)
        acknowledgmentNumber = bytes.uint32(at: 8)
        flags = Flags(rawValue: bytes.octet(at: 13))
        window = bytes.uint16(at: 14)
        checksum = bytes.uint16(at: 16)
        urgentPointer = bytes.uint16(at: 18)
        options =
            headerLength == Self.minimumLength
            ? [] : bytes.extracting(Self.minimumLength..<headerLength).copied()
    }

    /// Writes the header with a checksum of zero: call `complete` when the whole segment stands.
    ///
    /// Throws when it does not fit or the options pass 40 octets.
    @inlinable
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        guard options.count <= Self.maximumOptionsLength else {
            throw .invalidLength(field: "options", value: options.count)
        }
        try output.require(headerLength)
        output.append(sourcePort)
        output.append(destinationPort)
        output.append(sequenceNumber)
        output.append(acknowledgmentNumber)
        output.append(UInt8(headerLength / 4) << 4)
        output.append(flags.rawValue)
        output.append(window)
        output.append(UInt16(0))
        output.append(urgentPointer)
        for octet in options { output.append(octet) }
        output.append(repeating: 0, count: headerLength - Self.minimumLength - options.count)
    }

    /// Sets the checksum of the segment that starts at `start` of `output`. O(n).
    @inlinable
    public static func complete(
        from start: Int, in output: inout OutputRawSpan, source: IPAddress, destination: IPAddress
    ) {
        output.replace(at: start + 16, with: 0)
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(
            source: source, destination: destination, proto: .tcp, length: output.byteCount - start)
        checksum.add(output.bytes.extracting(start..<output.byteCount))
        output.replace(at: start + 16, with: checksum.value)
    }

    public static let minimumLength = 20
    public static let maximumOptionsLength = 40
}
