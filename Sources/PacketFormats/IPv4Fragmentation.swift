/// How an IPv4 packet is cut into fragments for an MTU (RFC 791 section 3.2).
///
/// A plan, not the fragments: `write` makes each of them when it is asked for, into the slot that will be sent.
public struct IPv4Fragmentation: Hashable, Sendable {
    /// Fragments, at least 1: a packet that fits stays whole.
    public let count: Int
    private let header: IPv4Header
    private let laterOptions: [UInt8]
    /// Octets of the first fragment's payload and of each one between it and the last.
    private let firstLength: Int
    private let laterLength: Int
    private let payloadLength: Int

    /// Plans the fragments of the packet at the start of `packet`, whose octets end at its total length.
    ///
    /// Throws when the packet is malformed or not all there, when it does not fit and may not be fragmented
    /// (`invalidValue` of `dontFragment`), when the MTU leaves no eight octets behind the header, or when an
    /// offset passes 13 bits.
    public init(of packet: RawSpan, mtu: Int) throws(PacketError) {
        let header = try IPv4Header(parsingQuoted: packet)
        self.header = header
        let totalLength = Int(header.totalLength)
        guard totalLength >= header.headerLength else {
            throw .invalidLength(field: "totalLength", value: totalLength)
        }
        try packet.require(totalLength)
        payloadLength = totalLength - header.headerLength
        guard totalLength > mtu else {
            count = 1
            laterOptions = []
            firstLength = payloadLength
            laterLength = 0
            return
        }
        guard !header.dontFragment else { throw .invalidValue(field: "dontFragment", value: 1) }
        // Later fragments have no more options than the first, so that this is enough for them too.
        guard mtu >= header.headerLength + 8 else { throw .invalidLength(field: "mtu", value: mtu) }
        let options = try IPv4Options(parsing: header.options.bytes)
        laterOptions = try IPv4Options(options.filter(\.isCopied)).encoded()
        firstLength = (mtu - header.headerLength) & ~7
        // The last fragment may use what rounding down to eight octets leaves of the MTU.
        let lastCapacity = mtu - IPv4Header.minimumLength - laterOptions.count
        laterLength = lastCapacity & ~7
        let between = max(0, payloadLength - firstLength - lastCapacity)
        let lastIndex = 1 + (between + laterLength - 1) / laterLength
        count = lastIndex + 1
        guard Int(header.fragmentOffset) + (firstLength + (lastIndex - 1) * laterLength) / 8 <= 0x1fff else {
            throw .invalidLength(field: "fragmentOffset", value: payloadLength)
        }
    }

    /// The octets of the payload that fragment `index` carries.
    public func payload(of index: Int) -> Range<Int> {
        precondition((0..<count).contains(index))
        let start = index == 0 ? 0 : firstLength + (index - 1) * laterLength
        let end = index == count - 1 ? payloadLength : start + (index == 0 ? firstLength : laterLength)
        return start..<end
    }

    /// Writes fragment `index` of the packet that was planned for. Throws when it does not fit or the packet is another.
    public func write(_ index: Int, of packet: RawSpan, to output: inout OutputRawSpan) throws(PacketError) {
        let range = payload(of: index)
        try packet.require(header.headerLength + payloadLength)
        var fragment = header
        if index > 0 { fragment.options = laterOptions }
        fragment.totalLength = UInt16(truncatingIfNeeded: fragment.headerLength + range.count)
        fragment.moreFragments = header.moreFragments || index < count - 1
        fragment.fragmentOffset = header.fragmentOffset + UInt16(truncatingIfNeeded: range.lowerBound / 8)
        try output.require(Int(fragment.totalLength))
        try fragment.write(to: &output)
        let start = header.headerLength + range.lowerBound
        output.append(contentsOf: packet.extracting(start..<start + range.count))
    }
}
