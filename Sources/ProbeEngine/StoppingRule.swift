/// When enough probes have gone through a node to rule out that it has a next hop nobody has seen (MDA: Augustin, Friedman
/// and Teixeira, E2EMON 2007; Veitch et al., INFOCOM 2009).
///
/// Of `k` next hops that are equally likely each probe takes one. The rule is the least number of probes after which all
/// have been seen but for a probability of `failure`.
public struct StoppingRule: Hashable, Sendable {
    /// How likely one node's next hop may be missed.
    public let failure: Double

    /// - Parameter confidence: that no next hop of a node is missed, in 0.5..<1.
    public init(confidence: Double) {
        precondition(confidence >= 0.5 && confidence < 1)
        failure = 1 - confidence
    }

    /// - Parameters:
    ///   - confidence: that no next hop is missed at all, in 0.5..<1.
    ///   - branchPoints: at how many nodes there may be more than one.
    public init(wholeTraceConfidence confidence: Double, branchPoints: Int = 30) {
        precondition(confidence >= 0.5 && confidence < 1 && branchPoints > 0)
        var (low, high) = (0.0, 1 - confidence)
        // The failure of each whose product is the confidence, by halving: there is no root without libm.
        for _ in 0..<60 {
            let middle = (low + high) / 2
            var product = 1.0
            for _ in 0..<branchPoints { product *= 1 - middle }
            if product < confidence { high = middle } else { low = middle }
        }
        failure = low
    }

    /// How many probes have to have found their next hop where `seen` of them are known: enough to have seen one more if
    /// there were one. O(probes * seen).
    public func probes(havingSeen seen: Int) -> Int {
        let count = max(1, seen) + 1
        var seats = Occupancy(of: count)
        while seats.miss > failure { seats.draw() }
        return seats.draws
    }

    /// How likely a next hop is missed where so many are known and there is one more, in so many probes. O(probes * seen).
    public static func missProbability(havingSeen seen: Int, probes: Int) -> Double {
        var seats = Occupancy(of: max(1, seen) + 1)
        for _ in 0..<max(0, probes) { seats.draw() }
        return seats.miss
    }

    /// How many different ones of `count` have been drawn, as a distribution: sums of positive numbers only, where inclusion
    /// and exclusion would lose all digits.
    private struct Occupancy {
        private(set) var draws = 0
        private var shares: [Double]

        init(of count: Int) {
            shares = Array(repeating: 0, count: count + 1)
            shares[0] = 1
        }

        mutating func draw() {
            let count = shares.count - 1
            for seen in stride(from: count, through: 1, by: -1) {
                shares[seen] =
                    (shares[seen] * Double(seen) + shares[seen - 1] * Double(count - seen + 1)) / Double(count)
            }
            shares[0] = 0
            draws += 1
        }

        var miss: Double { min(1, shares.dropLast().reduce(0, +)) }
    }
}
