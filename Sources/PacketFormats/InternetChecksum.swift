/// A one's complement sum of 16-bit words in the making (RFC 1071).
///
/// Pieces may be added in any order as long as each starts at an even offset of the whole. The sum is kept in 64 bits
/// and in this machine's byte order: RFC 1071 section 2(B) shows that the fold commutes with swapping bytes.
public struct InternetChecksum: Sendable, BitwiseCopyable {
    @usableFromInline var sum: UInt64 = 0

    @inlinable
    public init() {}

    /// Adds a run of octets; an odd one is padded with a zero octet. O(n), eight octets at a time.
    @inlinable
    public mutating func add(_ bytes: RawSpan) {
        var offset = 0
        let count = bytes.byteCount
        while offset &+ 8 <= count {
            add(native: bytes.nativeUInt64(at: offset))
            offset &+= 8
        }
        var tail: UInt64 = 0
        var shift: UInt64 = 0
        while offset < count {
            tail |= UInt64(bytes.octet(at: offset)) &<< shift
            shift &+= 8
            offset &+= 1
        }
        add(native: UInt64(littleEndian: tail))
    }

    /// Adds one 16-bit word.
    @inlinable
    public mutating func add(_ word: UInt16) { add(native: UInt64(word.bigEndian)) }

    /// Adds a 32-bit number as two words.
    @inlinable
    public mutating func add(_ number: UInt32) { add(native: UInt64(number.bigEndian)) }

    /// Adds a 64-bit number as four words.
    @inlinable
    public mutating func add(_ number: UInt64) { add(native: number.bigEndian) }

    /// Adds the address as it stands in a pseudo-header.
    @inlinable
    public mutating func add(_ address: IPAddress) {
        switch address {
        case .v4(let address):
            add(address.rawValue)
        case .v6(let address):
            add(address.high)
            add(address.low)
        }
    }

    /// Adds the pseudo-header of an upper-layer packet (RFC 793 section 3.1, RFC 768, RFC 8200 section 8.1).
    ///
    /// - Parameter length: octets of the upper-layer header and its payload.
    @inlinable
    public mutating func addPseudoHeader(
        source: IPAddress, destination: IPAddress, proto: IPProtocol, length: Int
    ) {
        add(source)
        add(destination)
        add(UInt32(truncatingIfNeeded: length))
        add(UInt16(proto.rawValue))
    }

    /// The folded sum, not complemented: 0xffff when everything that was added verifies.
    @inlinable
    public var folded: UInt16 {
        var folded = (sum & 0xffff_ffff) &+ (sum &>> 32)
        folded = (folded & 0xffff) &+ (folded &>> 16)
        folded = (folded & 0xffff) &+ (folded &>> 16)
        folded = (folded & 0xffff) &+ (folded &>> 16)
        return UInt16(truncatingIfNeeded: folded).bigEndian
    }

    /// The value for the checksum field: the complement of the folded sum.
    @inlinable
    public var value: UInt16 { ~folded }

    /// Whether the pieces, the checksum field among them, sum up to all ones.
    @inlinable
    public var verifies: Bool { folded == 0xffff }

    /// The checksum of one run of octets. O(n).
    @inlinable
    public static func of(_ bytes: RawSpan) -> UInt16 {
        var checksum = InternetChecksum()
        checksum.add(bytes)
        return checksum.value
    }

    /// The checksum after one word of the data changed from `old` to `new` (RFC 1624 equation 3).
    @inlinable
    public static func updated(_ checksum: UInt16, replacing old: UInt16, with new: UInt16) -> UInt16 {
        var sum = UInt32(~checksum) &+ UInt32(~old) &+ UInt32(new)
        sum = (sum & 0xffff) &+ (sum &>> 16)
        sum = (sum & 0xffff) &+ (sum &>> 16)
        return ~UInt16(truncatingIfNeeded: sum)
    }

    @inlinable
    mutating func add(native word: UInt64) {
        let (partial, carry) = sum.addingReportingOverflow(word)
        sum = partial &+ (carry ? 1 : 0)
    }
}
