import PacketFormats

/// Addresses that are counted and not held: single ones, prefixes and ranges, one behind the other.
///
/// A range or a prefix takes 28 octets whatever its size, a single address 4 (IPv4) or 16 (IPv6).
public struct TargetSpace: Sendable {
    /// How many addresses there are, at most `maximumCount`.
    public var count: UInt64 { UInt64(end) }

    /// A number that tells this space from others: it depends on every address and on their order, and is the same on
    /// every machine. Two that were made by mistake differ; it withstands nobody who wants two that don't.
    public private(set) var digest: UInt64 = 0

    @usableFromInline var end: UInt32 = 0
    /// The index of each segment's first address.
    @usableFromInline var starts: [UInt32] = []
    @usableFromInline var segments: [Segment] = []
    @usableFromInline var narrow = ChunkedArray<UInt32>()
    @usableFromInline var wide = ChunkedArray<Wide>()
    /// How many IPv4 addresses end the last segment, if that is a wide one.
    private var trailingIPv4 = 0

    /// The empty space.
    public init() {}

    /// Appends one address. Throws when the space is full. O(1) in the mean.
    public mutating func append(_ address: IPAddress) throws(TargetSpaceFull) {
        try checkRoom(for: 1)
        switch address {
        case .v4(let address): appendSingle(address)
        // A half of all ones marks IPv4 among wide addresses.
        case .v6(let address) where address.high == .max: appendRange(from: .v6(address))
        case .v6(let address): appendSingle(address)
        }
        addToDigest(address, count: 1)
        end += 1
    }

    /// Appends the addresses of a range. Throws when there are too many, and then appends none. O(1) in the mean.
    public mutating func append(_ range: IPAddressRange) throws(TargetSpaceFull) {
        let count = range.count
        if count == 1 { return try append(range.first) }
        try checkRoom(for: count)
        appendRange(from: range.first)
        addToDigest(range.first, count: count)
        end += UInt32(truncatingIfNeeded: count)
    }

    /// Appends the addresses that hosts of a prefix may have: an IPv4 prefix of up to 30 bits is without its network and
    /// its broadcast address. Throws when there are too many, and then appends none. O(1) in the mean.
    public mutating func append(_ prefix: IPPrefix) throws(TargetSpaceFull) { try append(prefix.hosts) }

    /// The address at `index`, in the order of appending. Traps outside of `0..<count`. O(log segments): 3 ns for one, 26 for
    /// a thousand.
    @inlinable
    public subscript(index: UInt32) -> IPAddress {
        precondition(index < end, "no target of this index")
        let number = segments.count == 1 ? 0 : segmentNumber(of: index)
        let segment = segments[number]
        let offset = index &- starts[number]
        switch segment.kind {
        case .range4: return .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: segment.low) &+ offset))
        case .range6:
            let (low, carries) = segment.low.addingReportingOverflow(UInt64(offset))
            return .v6(IPv6Address(high: segment.high &+ (carries ? 1 : 0), low: low, zone: segment.zone))
        case .narrow: return .v4(IPv4Address(rawValue: narrow[Int(segment.low) &+ Int(offset)]))
        case .wide:
            let entry = wide[Int(segment.low) &+ Int(offset)]
            guard entry.high != .max else { return .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: entry.low))) }
            return .v6(IPv6Address(high: entry.high, low: entry.low, zone: segment.zone))
        }
    }

    /// The last segment that starts at the index or before it; there is one.
    @inlinable
    func segmentNumber(of index: UInt32) -> Int {
        var (first, count) = (0, starts.count)
        while count > 1 {
            let half = count / 2
            if starts[first &+ half] <= index { first = first &+ half }
            count = count &- half
        }
        return first
    }

    /// What is allocated.
    var allocatedBytes: Int {
        starts.capacity * MemoryLayout<UInt32>.stride + segments.capacity * MemoryLayout<Segment>.stride
            + narrow.allocatedBytes + wide.allocatedBytes
    }

    // MARK: Appending

    private func checkRoom(for count: UInt64) throws(TargetSpaceFull) {
        let room = Self.maximumCount - self.count
        guard count <= room else { throw TargetSpaceFull(needed: count, available: room) }
    }

    private mutating func appendRange(from first: IPAddress) {
        switch first {
        case .v4(let address): begin(Segment(kind: .range4, low: UInt64(address.rawValue)))
        case .v6(let address):
            begin(Segment(kind: .range6, zone: address.zone, high: address.high, low: address.low))
        }
    }

    private mutating func appendSingle(_ address: IPv4Address) {
        // A few between IPv6 addresses cost less there than segments of their own would.
        if let last = segments.last, last.kind == .wide, trailingIPv4 < Self.longestStay {
            trailingIPv4 += 1
            wide.append(Wide(high: .max, low: UInt64(address.rawValue)))
            return
        }
        if segments.last?.kind != .narrow { begin(Segment(kind: .narrow, low: UInt64(narrow.count))) }
        narrow.append(address.rawValue)
    }

    private mutating func appendSingle(_ address: IPv6Address) {
        if segments.last.map({ $0.kind != .wide || $0.zone != address.zone }) ?? true {
            begin(Segment(kind: .wide, zone: address.zone, low: UInt64(wide.count)))
        }
        trailingIPv4 = 0
        wide.append(Wide(high: address.high, low: address.low))
    }

    private mutating func addToDigest(_ first: IPAddress, count: UInt64) {
        switch first {
        case .v4(let address):
            digest = SipHash(k0: digest, k1: count).hash(UInt64(address.rawValue))
        case .v6(let address):
            // With a bit that no count of IPv4 addresses has.
            let hash = SipHash(k0: digest, k1: 1 << 63 | count)
            digest = hash.hash(address.high) ^ hash.hash(address.low ^ UInt64(address.zone) << 32).byteSwapped
        }
    }

    private mutating func begin(_ segment: Segment) {
        starts.append(end)
        segments.append(segment)
    }

    /// An index has 32 bits, and so has a count of them.
    public static let maximumCount = UInt64(UInt32.max)
    private static let longestStay = 8
}

/// A space of targets has no room for so many more.
public struct TargetSpaceFull: Error, Hashable, Sendable, CustomStringConvertible {
    /// So many addresses were to be appended; 2^64 and more count as `UInt64.max`.
    public var needed: UInt64
    /// For so many there was room.
    public var available: UInt64

    public init(needed: UInt64, available: UInt64) {
        self.needed = needed
        self.available = available
    }

    /// Without what it is about, to stand behind that.
    public var description: String {
        let number = needed == .max ? "2^64 or more" : "\(needed)"
        guard available < TargetSpace.maximumCount else {
            return "has \(number) addresses: the most is \(available), as in a /97 or a longer prefix"
        }
        return "has \(number) addresses: with those before it the most is \(available)"
    }
}

extension TargetSpace {
    /// Addresses of one kind that follow each other.
    @usableFromInline
    struct Segment: Sendable, BitwiseCopyable {
        @usableFromInline
        enum Kind: UInt8, Sendable, BitwiseCopyable {
            /// Counted up from an address.
            case range4
            case range6
            /// Held in `narrow` or `wide`, from the place `low` on.
            case narrow
            case wide
        }

        @usableFromInline var high: UInt64
        @usableFromInline var low: UInt64
        @usableFromInline var zone: UInt32
        @usableFromInline var kind: Kind

        init(kind: Kind, zone: UInt32 = 0, high: UInt64 = 0, low: UInt64) {
            self.high = high
            self.low = low
            self.zone = zone
            self.kind = kind
        }
    }

    /// An IPv6 address, or an IPv4 address behind a half of all ones.
    @usableFromInline
    struct Wide: Sendable, BitwiseCopyable {
        @usableFromInline var high: UInt64
        @usableFromInline var low: UInt64

        init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }
    }
}

/// An array that grows by pieces: it never copies what it holds, and never has room for twice as much.
@usableFromInline
struct ChunkedArray<Element: BitwiseCopyable & Sendable>: Sendable {
    @usableFromInline var chunks: [[Element]] = []

    var count: Int { chunks.isEmpty ? 0 : (chunks.count - 1) << Self.shift + chunks[chunks.count - 1].count }

    /// The element at `index`; traps outside. O(1).
    @inlinable
    subscript(index: Int) -> Element { chunks[index >> Self.shift][index & (1 << Self.shift - 1)] }

    mutating func append(_ element: Element) {
        if chunks.last.map({ $0.count == 1 << Self.shift }) ?? true {
            var chunk: [Element] = []
            // The first grows with what is in it, so that few elements take little.
            if !chunks.isEmpty { chunk.reserveCapacity(1 << Self.shift) }
            chunks.append(chunk)
        }
        chunks[chunks.count - 1].append(element)
    }

    var allocatedBytes: Int {
        chunks.reduce(chunks.capacity * MemoryLayout<[Element]>.stride) {
            $0 + $1.capacity * MemoryLayout<Element>.stride
        }
    }

    @usableFromInline static var shift: Int { 14 }
}
