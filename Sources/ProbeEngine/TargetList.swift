import PacketFormats

/// The addresses of a measurement's targets by number: of few a plain array, of many a `TargetSpace`, which counts prefixes
/// and ranges instead of holding them. Single ones can be changed.
public struct TargetList: RandomAccessCollection, Sendable {
    /// All of them, where there are few.
    private var few: [IPAddress] = []
    /// All of them, where there are many.
    private var many = TargetSpace()
    /// Those of `many` that were changed.
    private var changed: [Int: IPAddress] = [:]

    public var startIndex: Int { 0 }
    /// How many there are.
    public let endIndex: Int

    /// O(1).
    public init(_ addresses: [IPAddress]) {
        few = addresses
        endIndex = addresses.count
    }

    /// O(1), or O(n) of few.
    public init(_ space: TargetSpace) {
        endIndex = Int(space.count)
        if endIndex <= Self.fewest {
            few = (0..<UInt32(truncatingIfNeeded: space.count)).map { space[$0] }
        } else {
            many = space
        }
    }

    /// Traps outside of `indices`. O(1) of few, else O(log segments of the space).
    public subscript(index: Int) -> IPAddress {
        get {
            if index < few.count { return few[index] }
            if !changed.isEmpty, let address = changed[index] { return address }
            return many[UInt32(index)]
        }
        set {
            precondition(index < endIndex, "no target of this index")
            if index < few.count { few[index] = newValue } else { changed[index] = newValue }
        }
    }

    /// So many in an array take no more than 6 KiB, and are read a little faster.
    private static let fewest = 256
}

extension TargetList: Equatable {
    /// Whether they have the same addresses in the same order. O(n).
    public static func == (left: TargetList, right: TargetList) -> Bool { left.elementsEqual(right) }
}

extension TargetList: ExpressibleByArrayLiteral {
    public init(arrayLiteral addresses: IPAddress...) { self.init(addresses) }
}
