/// The extension headers between an IPv6 header and its upper layer, as far as they are there (RFC 8200 section 4).
public struct IPv6ExtensionHeaders: Hashable, Sendable {
    /// One extension header of the chain.
    public struct Element: Hashable, Sendable, BitwiseCopyable {
        public var kind: IPProtocol
        /// Octets from the end of the fixed IPv6 header.
        public var offset: Int
        /// Octets of this header.
        public var length: Int
    }

    /// The headers that are all there, at most `maximumCount`.
    public var elements: [Element] = []
    /// The fragment header, when the chain has one.
    public var fragment: IPv6FragmentHeader?
    /// The protocol behind the last element; an extension header's own number where the chain breaks off.
    public var proto: IPProtocol
    /// Octets from the end of the fixed IPv6 header to what `proto` names.
    public var length = 0
    /// Whether the upper layer starts at `length`: not where the chain is cut off or too long, nor in a later fragment.
    public var reachesUpperLayer = true

    /// Walks the chain that starts with `nextHeader` at the start of `bytes`; what is not there ends the walk. O(headers).
    public init(parsing bytes: RawSpan, nextHeader: IPProtocol) {
        proto = nextHeader
        while Self.isExtension(proto) {
            guard elements.count < Self.maximumCount, let next = Self.length(of: proto, at: length, in: bytes) else {
                reachesUpperLayer = false
                return
            }
            elements.append(Element(kind: proto, offset: length, length: next))
            if proto == .fragment {
                let found = IPv6FragmentHeader(
                    nextHeader: IPProtocol(rawValue: bytes.octet(at: length)),
                    fieldsAt: length, of: bytes)
                fragment = found
                reachesUpperLayer = found.fragmentOffset == 0
            }
            proto = IPProtocol(rawValue: bytes.octet(at: length))
            length += next
            // What follows in a later fragment is the middle of something.
            guard reachesUpperLayer else { return }
        }
    }

    /// Whether the number names a header that this walk can step over.
    public static func isExtension(_ proto: IPProtocol) -> Bool {
        switch proto {
        case .hopByHopOptions, .routing, .fragment, .destinationOptions, .authenticationHeader: true
        default: false
        }
    }

    /// The octets of the header at `offset`, nil when they are not all there.
    private static func length(of kind: IPProtocol, at offset: Int, in bytes: RawSpan) -> Int? {
        guard offset + 8 <= bytes.byteCount else { return nil }
        let field = Int(bytes.octet(at: offset + 1))
        let length =
            switch kind {
            case .fragment: IPv6FragmentHeader.length
            // RFC 4302 section 2.2: in 32-bit words, minus two.
            case .authenticationHeader: (field + 2) * 4
            default: (field + 1) * 8
            }
        // An authentication header of fewer than its twelve fixed octets is none.
        guard kind != .authenticationHeader || length >= 12, offset + length <= bytes.byteCount else { return nil }
        return length
    }

    public static let maximumCount = 16
}

/// The fragment header of IPv6 (RFC 8200 section 4.5).
public struct IPv6FragmentHeader: Hashable, Sendable, BitwiseCopyable {
    public var nextHeader: IPProtocol
    /// In units of eight octets, 0...8191.
    public var fragmentOffset: UInt16
    public var moreFragments: Bool
    public var identification: UInt32

    public init(nextHeader: IPProtocol, fragmentOffset: UInt16, moreFragments: Bool, identification: UInt32) {
        self.nextHeader = nextHeader
        self.fragmentOffset = fragmentOffset
        self.moreFragments = moreFragments
        self.identification = identification
    }

    /// Parses the header. Throws when fewer than eight octets are there.
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.length)
        self.init(nextHeader: IPProtocol(rawValue: bytes.octet(at: 0)), fieldsAt: 0, of: bytes)
    }

    /// Writes the header. Throws when it does not fit or the fragment offset passes 13 bits.
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        guard fragmentOffset <= 0x1fff else {
            throw .invalidValue(field: "fragmentOffset", value: UInt64(fragmentOffset))
        }
        try output.require(Self.length)
        output.append(nextHeader.rawValue)
        output.append(UInt8(0))
        output.append(fragmentOffset << 3 | (moreFragments ? 1 : 0))
        output.append(identification)
    }

    init(nextHeader: IPProtocol, fieldsAt offset: Int, of bytes: RawSpan) {
        let field = bytes.uint16(at: offset + 2)
        self.init(
            nextHeader: nextHeader, fragmentOffset: field >> 3, moreFragments: field & 1 != 0,
            identification: bytes.uint32(at: offset + 4))
    }

    public static let length = 8
}
