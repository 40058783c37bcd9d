/// SipHash-2-4 with a 64-bit result (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
///
/// The standard library's `Hasher` is neither keyed nor the same in the next process; a cookie must be both.
public struct SipHash: Sendable, BitwiseCopyable {
    @usableFromInline let k0: UInt64
    @usableFromInline let k1: UInt64

    /// - Parameters: the two halves of the 128-bit key, each read from its octets little-endian.
    @inlinable
    public init(k0: UInt64, k1: UInt64) {
        self.k0 = k0
        self.k1 = k1
    }

    /// The hash of the eight octets of `word`, little-endian. About 10 ns.
    @inlinable
    public func hash(_ word: UInt64) -> UInt64 {
        var state = State(k0: k0, k1: k1)
        state.compress(word)
        state.compress(8 &<< 56)
        return state.finish()
    }

    /// The hash of any octets. O(n).
    public func hash(_ bytes: [UInt8]) -> UInt64 {
        var state = State(k0: k0, k1: k1)
        var word: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            word |= UInt64(byte) &<< UInt64(8 * (index & 7))
            if index & 7 == 7 {
                state.compress(word)
                word = 0
            }
        }
        state.compress(word | UInt64(bytes.count & 0xff) &<< 56)
        return state.finish()
    }

    @usableFromInline
    struct State {
        @usableFromInline var v0: UInt64
        @usableFromInline var v1: UInt64
        @usableFromInline var v2: UInt64
        @usableFromInline var v3: UInt64

        @inlinable
        init(k0: UInt64, k1: UInt64) {
            v0 = k0 ^ 0x736f_6d65_7073_6575
            v1 = k1 ^ 0x646f_7261_6e64_6f6d
            v2 = k0 ^ 0x6c79_6765_6e65_7261
            v3 = k1 ^ 0x7465_6462_7974_6573
        }

        @inlinable
        mutating func compress(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        @inlinable
        mutating func finish() -> UInt64 {
            v2 ^= 0xff
            for _ in 0..<4 { round() }
            return v0 ^ v1 ^ v2 ^ v3
        }

        @inlinable
        mutating func round() {
            v0 = v0 &+ v1
            v1 = v1 &<< 13 | v1 &>> 51
            v1 ^= v0
            v0 = v0 &<< 32 | v0 &>> 32
            v2 = v2 &+ v3
            v3 = v3 &<< 16 | v3 &>> 48
            v3 ^= v2
            v0 = v0 &+ v3
            v3 = v3 &<< 21 | v3 &>> 43
            v3 ^= v0
            v2 = v2 &+ v1
            v1 = v1 &<< 17 | v1 &>> 47
            v1 ^= v2
            v2 = v2 &<< 32 | v2 &>> 32
        }
    }
}
