/// An order of targets that looks random, is the same for the same seed on every machine, and is not held: a keyed
/// bijection of `0..<count`.
///
/// It is a Feistel network over two digits of base `side`, the square root of the count rounded up, and what falls behind
/// the count goes through it again (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). It spreads probes
/// over networks; it keeps no secret.
public struct TargetPermutation: Hashable, Sendable, BitwiseCopyable {
    /// Positions and targets are 0 and more, and less than this.
    public let count: UInt64
    /// What it was made from.
    public let seed: UInt64

    @usableFromInline let side: UInt32
    @usableFromInline let keys: (UInt64, UInt64, UInt64, UInt64)

    /// - Parameter count: how many targets there are, at most 2^32. O(1).
    public init(count: UInt64, seed: UInt64) {
        precondition(count <= 1 << 32, "too many targets for 32 bits")
        self.count = count
        self.seed = seed
        // Of 53 bits a double's root is exact enough; a square that is one too small would lose targets.
        var side = UInt64(Double(count).squareRoot())
        while side * side < count { side += 1 }
        self.side = UInt32(truncatingIfNeeded: side)
        let hash = SipHash(k0: seed, k1: 0x7461_7267_6574_7321)
        keys = (hash.hash(1), hash.hash(2), hash.hash(3), hash.hash(4))
    }

    /// The target at a position. Traps outside of `0..<count`. O(1) in the mean, about 15 ns.
    @inlinable
    public subscript(position: UInt32) -> UInt32 {
        precondition(UInt64(position) < count, "no target at this position")
        var value = position
        // What was below the count comes back below it, because the way through the others is a part of a cycle.
        repeat { value = forward(value) } while UInt64(value) >= count
        return value
    }

    /// The position of a target: the inverse. Traps outside of `0..<count`. O(1) in the mean.
    public func position(of target: UInt32) -> UInt32 {
        precondition(UInt64(target) < count, "no such target")
        var value = target
        repeat { value = backward(value) } while UInt64(value) >= count
        return value
    }

    @inlinable
    func forward(_ value: UInt32) -> UInt32 {
        var (left, right) = value.quotientAndRemainder(dividingBy: side)
        left = sum(left, digit(right, keys.0))
        right = sum(right, digit(left, keys.1))
        left = sum(left, digit(right, keys.2))
        right = sum(right, digit(left, keys.3))
        return left &* side &+ right
    }

    private func backward(_ value: UInt32) -> UInt32 {
        var (left, right) = value.quotientAndRemainder(dividingBy: side)
        right = difference(right, digit(left, keys.3))
        left = difference(left, digit(right, keys.2))
        right = difference(right, digit(left, keys.1))
        left = difference(left, digit(right, keys.0))
        return left &* side &+ right
    }

    /// A digit that depends on all bits of the other and of the key (the finaliser of MurmurHash3, Appleby 2011).
    @inlinable
    func digit(_ other: UInt32, _ key: UInt64) -> UInt32 {
        var word = UInt64(other) ^ key
        word = (word ^ word &>> 33) &* 0xff51_afd7_ed55_8ccd
        word = (word ^ word &>> 33) &* 0xc4ce_b9fe_1a85_ec53
        return UInt32(truncatingIfNeeded: ((word &>> 32) &* UInt64(side)) &>> 32)
    }

    @inlinable
    func sum(_ left: UInt32, _ right: UInt32) -> UInt32 {
        let sum = left &+ right
        return sum >= side ? sum &- side : sum
    }

    private func difference(_ left: UInt32, _ right: UInt32) -> UInt32 {
        left >= right ? left &- right : left &+ side &- right
    }

    public static func == (left: TargetPermutation, right: TargetPermutation) -> Bool {
        left.count == right.count && left.seed == right.seed
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        hasher.combine(seed)
    }
}

/// The part of an order that one of several machines goes through: positions `index`, `index + total` and so on.
///
/// The shards of one total have every position, each once.
public struct Shard: Hashable, Sendable, BitwiseCopyable {
    /// 0 and more, less than `total`.
    public let index: UInt32
    /// Into how many shards the order is split, at least 1.
    public let total: UInt32

    /// Nil when there is no such part.
    public init?(_ index: UInt32, of total: UInt32) {
        guard index < total else { return nil }
        self.index = index
        self.total = total
    }

    private init(all: ()) { (index, total) = (0, 1) }

    /// All there is.
    public static let whole = Shard(all: ())

    /// How many of so many positions are in it.
    @inlinable
    public func count(of positions: UInt64) -> UInt64 {
        positions > UInt64(index) ? (positions - UInt64(index) - 1) / UInt64(total) + 1 : 0
    }

    /// Its position number `step`, counted from 0; it may lie behind the last position.
    @inlinable
    public func position(_ step: UInt32) -> UInt64 { UInt64(step) * UInt64(total) + UInt64(index) }
}
