/// The only source of chance in a simulation: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014), so that a seed gives the same run on every machine and with every version of Swift.
public struct SeededGenerator: RandomNumberGenerator, Hashable, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Self.mix(state)
    }

    /// A number of 0..<`bound`, or 0 when there is none.
    public mutating func number(below bound: UInt64) -> UInt64 {
        bound == 0 ? 0 : next().multipliedFullWidth(by: bound).high
    }

    /// A number of 0..<1 with 53 random bits.
    public mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Whether something of this likelihood happens; what never or always happens draws no number.
    public mutating func happens(_ share: Share) -> Bool {
        share.millionths > 0
            && (share.millionths >= Share.always.millionths || number(below: 1_000_000) < UInt64(share.millionths))
    }

    /// A duration of the distribution in nanoseconds, never negative.
    public mutating func duration(of delay: Delay) -> Int64 {
        switch delay {
        case .fixed(let time):
            return max(0, time)
        case .uniform(let low, let high):
            let low = max(0, low)
            return high > low ? low &+ Int64(number(below: UInt64(high &- low) &+ 1)) : low
        case .normal(let mean, let deviation):
            // Twelve uniform numbers have variance 1: close enough to a bell, and its tails end at six deviations.
            var sum = -6.0
            for _ in 0..<12 { sum += fraction() }
            return Self.nanoseconds(Double(mean) + sum * Double(deviation))
        case .exponential(let floor, let mean):
            return Self.nanoseconds(Double(floor) - Double(mean) * Self.naturalLogarithm(1 - fraction()))
        }
    }

    /// The finalizer of SplitMix64: spreads every bit of `value` over the result.
    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    /// ln x for x > 0 to about eleven digits: this module has no C library to ask.
    private static func naturalLogarithm(_ x: Double) -> Double {
        let ratio = (x.significand - 1) / (x.significand + 1)
        let square = ratio * ratio
        var power = ratio
        var sum = 0.0
        for term in 0..<11 {
            sum += power / Double(2 * term + 1)
            power *= square
        }
        return 2 * sum + Double(x.exponent) * 0.693_147_180_559_945_3
    }

    private static func nanoseconds(_ value: Double) -> Int64 { Int64(min(max(0, value), 0x1p60) + 0.5) }
}
