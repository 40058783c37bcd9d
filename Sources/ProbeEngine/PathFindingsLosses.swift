/// Tells hops that limit their own errors from links that lose packets.
///
/// The answer of a hop behind shows that the probes pass, so a hop that leaves out more than all those behind it does so
/// by itself. What is left out must also look like an emptied bucket, the first probes of a burst answered and then none
/// until time has passed: lost packets are scattered. How probable it is that chance does both is weighed against every
/// link in front of the hop, at the loss rate that makes it most probable; below the thresholds nothing is said.
enum LossFindings {
    private typealias Count = PathFinding.Losses.Count

    static func all(in rows: [FoundRow]) -> [PathFinding] {
        // Who never answers is silent and no witness.
        let asked = rows.filter { row in row.probes.contains { $0.isAnswered } }
        guard !asked.isEmpty else { return [] }
        let samples = asked.map { Sample($0) }
        var limited = limitedSamples(samples)
        for index in emptiedSamples(samples, limited) { limited[index] = true }
        var found: [PathFinding] = []
        for stretch in limitedStretches(samples, limited) {
            let later = samples.indices.filter { $0 >= stretch.upperBound && isWitness($0, samples, limited) }
            let own = samples[stretch].map(\.count)
            let (here, behind) = (sum(own), sum(later.map { samples[$0].count }))
            // A destination that answers no better, because it limits too, is no evidence.
            let isEvidence = behind.answered * here.asked > here.answered * behind.asked
            let losses = PathFinding.Losses(
                hops: own, later: isEvidence ? behind : sum([]), laterHops: isEvidence ? later.count : 0)
            found.append(PathFinding(hops: own[0].hop...own[own.count - 1].hop, kind: .limited(losses)))
        }
        let witnesses = samples.indices.filter { isWitness($0, samples, limited) }.map { samples[$0] }
        if let loss = loss(in: witnesses) { found.append(loss) }
        return found
    }

    /// Limiting hops one behind the other, which have the same witnesses.
    private static func limitedStretches(_ samples: [Sample], _ limited: [Bool]) -> [Range<Int>] {
        var stretches: [Range<Int>] = []
        for index in samples.indices where limited[index] && !samples[index].isEnd {
            if let last = stretches.last, last.upperBound == index,
                samples[index].count.hop == samples[index - 1].count.hop + 1
            {
                stretches[stretches.count - 1] = last.lowerBound..<(index + 1)
            } else {
                stretches.append(index..<(index + 1))
            }
        }
        return stretches
    }

    private static func isWitness(_ index: Int, _ samples: [Sample], _ limited: [Bool]) -> Bool {
        // A destination that limits its errors is no witness either.
        !limited[index] && !(samples[index].isEnd && samples[index].isBucket && samples[index].share <= 0.05)
    }

    private static func sum(_ counts: [Count]) -> Count {
        counts.reduce(into: Count(hop: counts.first?.hop ?? 0, answered: 0, asked: 0)) { sum, count in
            sum.answered += count.answered
            sum.asked += count.asked
        }
    }

    private static func limitedSamples(_ samples: [Sample]) -> [Bool] {
        var limited = [Bool](repeating: false, count: samples.count)
        let candidates = samples.indices.filter { samples[$0].isBucket && !samples[$0].isEnd }
        guard !candidates.isEmpty else { return limited }
        let witnesses = samples.indices.filter { !candidates.contains($0) && isWitness($0, samples, limited) }
        let isClean = witnesses.allSatisfy { samples[$0].missing == 0 }
        // From the end on, so that who is found out is no witness any more.
        // One answer that lacks is too little: on a path that loses a packet, some hop is the last asked by chance.
        for index in candidates.reversed() where samples[index].missing > 1 {
            let later = samples.indices.filter { $0 > index && isWitness($0, samples, limited) }
            let isCleanBehind = isClean && later.allSatisfy { samples[$0].missing == 0 }
            let chance = chance(of: index, samples, later: later, earlier: witnesses.filter { $0 < index })
            limited[index] = chance <= (isCleanBehind ? threshold : lossyThreshold)
        }
        // Where all hops limit there are no witnesses, but so many buckets are no accident.
        let open = samples.indices.filter { samples[$0].missing > 0 && !samples[$0].isEnd && !limited[$0] }
        let buckets = candidates.filter { !limited[$0] }
        if !buckets.isEmpty,
            Probability.atLeast(buckets.count, of: open.map { samples[$0].share }) <= bucketThreshold
        {
            for index in buckets { limited[index] = true }
        }
        if areAllAlike(samples) { for index in candidates { limited[index] = true } }
        return limited
    }

    /// Whether all routers answered the same number of the first probes and then none, two or more: what a host meets that
    /// has used up what each of them gives it. Where they lack only the last one, the path may have had a bad moment.
    private static func areAllAlike(_ samples: [Sample]) -> Bool {
        let routers = samples.filter { !$0.isEnd }
        guard let first = routers.first, first.missing >= 2,
            routers.allSatisfy({
                $0.isBucket && $0.count.answered == first.count.answered && $0.missing == first.missing
            })
        else { return false }
        return Probability.ofBuckets(hops: routers.count, asked: first.count.asked) <= alikeThreshold
    }

    /// Hops whose buckets somebody else had emptied, as another trace a moment before does: all that leave anything out
    /// begin with it and answer after a long pause. An outage looks the same, but then nobody answers before it ends.
    private static func emptiedSamples(_ samples: [Sample], _ limited: [Bool]) -> [Int] {
        let open = samples.indices.filter { samples[$0].missing > 0 && !samples[$0].isEnd && !limited[$0] }
        let refills = open.compactMap { samples[$0].refillsAt }
        guard refills.count >= 3, refills.count == open.count, let refilled = refills.min(),
            let heard = samples.compactMap(\.firstAnswered).min(), heard < refilled
        else { return [] }
        return open
    }

    /// The probability that a lossy link takes what one of the hops behind it left out, in that order, but no more than is
    /// missing of the others. Which link and which loss rate is not known: the largest of all counts.
    private static func chance(of index: Int, _ samples: [Sample], later: [Int], earlier: [Int]) -> Double {
        var others = sum(later.map { samples[$0].count })
        var chance = Probability.ofLosing(samples[index].count, butAtMostOf: others)
        var largest = chance
        for link in stride(from: index - 1, through: 0, by: -1) {
            if earlier.contains(link) {
                others = sum([others, samples[link].count])
                chance = Probability.ofLosing(samples[index].count, butAtMostOf: others)
            }
            // Each hop behind the link had the same occasion.
            largest = max(largest, Double(index - link + 1) * chance)
            if largest * samples[index].share > threshold { break }
        }
        return largest * samples[index].share
    }

    /// Answers that lack at several hops to the end of the path, in no order.
    private static func loss(in samples: [Sample]) -> PathFinding? {
        // In front of the first scattered loss a bucket is more likely one. Silence up to a long pause is as likely an
        // emptied bucket as an outage.
        let lossy = samples.indices.filter { samples[$0].missing > 0 }
        let scattered = lossy.first { !samples[$0].isBucket && samples[$0].refillsAt == nil }
        guard let first = scattered, let last = lossy.last, last > first else {
            return nil
        }
        let behind = sum(samples[first...].map(\.count))
        let before = sum(samples[..<first].map(\.count))
        let tail = sum(samples[(last + 1)...].map(\.count))
        let rate = Double(behind.asked - behind.answered) / Double(behind.asked)
        // Where the rest of the path loses nothing, no link did.
        guard Probability.atMost(0, of: tail.asked, rate) >= 0.05 else { return nil }
        let isLocated = before.asked > 0 && Probability.atMost(0, of: before.asked, rate) <= 0.05
        let losses = PathFinding.Losses(
            hops: samples[first...].map(\.count), later: Count(hop: 0, answered: 0, asked: 0), laterHops: 0)
        return PathFinding(
            hops: samples[first].count.hop...samples[samples.count - 1].count.hop,
            kind: .loss(losses, isLocated: isLocated))
    }

    /// Of all traces of lossy paths fewer than one in a hundred are to have a hop that is wrongly said to limit. Where no
    /// other hop lacks answers, chance has only few ways to go.
    private static let threshold = 0.0099
    private static let lossyThreshold = 0.001
    private static let bucketThreshold = 0.0005
    private static let alikeThreshold = 0.005
}

/// What a hop answered of what it was asked.
private struct Sample {
    let count: PathFinding.Losses.Count
    /// Whether the path ends here.
    let isEnd: Bool
    /// Whether what is missing is missing as from an emptied bucket.
    let isBucket: Bool
    /// The share of the orders of as many answers that look like a bucket.
    let share: Double
    /// When the first probe that was answered left.
    let firstAnswered: Timestamp?
    /// The same, where none was answered before a long pause and all after it.
    let refillsAt: Timestamp?

    var missing: Int { count.asked - count.answered }

    init(_ row: FoundRow) {
        let probes = row.probes.sorted { $0.sentAt < $1.sentAt }
        let answered = probes.count { $0.isAnswered }
        count = PathFinding.Losses.Count(hop: row.number, answered: answered, asked: probes.count)
        isEnd = row.isEnd
        let first = probes.firstIndex { $0.isAnswered }
        firstAnswered = first.map { probes[$0].sentAt }
        if let first, first > 0, probes[first...].allSatisfy(\.isAnswered),
            probes[first].sentAt - probes[first - 1].sentAt >= Self.refillTime
        {
            refillsAt = probes[first].sentAt
        } else {
            refillsAt = nil
        }
        guard answered > 0, answered < probes.count else {
            (isBucket, share) = (false, 1)
            return
        }
        let times = probes.map(\.sentAt)
        isBucket = Self.isBucket(times, probes.map(\.isAnswered))
        share = Self.share(times, answered)
    }

    /// Linux gives a host an error a second.
    private static let refillTime = TimeSpan.milliseconds(900)

    /// Whether the first are answered, and of the rest only those that came after much longer than any that was not.
    private static func isBucket(_ times: [Timestamp], _ answered: [Bool]) -> Bool {
        guard var last = times.first, answered.first == true else { return false }
        var isEmptied = false
        var longestRefused = TimeSpan.zero
        var shortestFilled: TimeSpan?
        for (time, isAnswered) in zip(times, answered) {
            if isAnswered {
                if isEmptied { shortestFilled = min(shortestFilled ?? time - last, time - last) }
                last = time
            } else {
                isEmptied = true
                longestRefused = max(longestRefused, time - last)
            }
        }
        guard let shortestFilled else { return true }
        return shortestFilled > longestRefused * 2 + TimeSpan.milliseconds(1)
    }

    /// How many of the orders of so many answers look like a bucket: counted for few probes, else only one does.
    private static func share(_ times: [Timestamp], _ answered: Int) -> Double {
        let count = times.count
        guard count <= 10 else {
            let orders = (0..<min(answered, count - answered)).reduce(1.0) { product, index in
                product * Double(count - index) / Double(index + 1)
            }
            return 1 / orders
        }
        var orders = 0
        var buckets = 0
        for mask in 0..<(1 << count) where mask.nonzeroBitCount == answered {
            orders += 1
            if isBucket(times, (0..<count).map { mask >> $0 & 1 == 1 }) { buckets += 1 }
        }
        return Double(max(1, buckets)) / Double(orders)
    }
}

/// Sums of binomial and Poisson binomial distributions.
enum Probability {
    /// Of at most `limit` events in `count` trials of this probability, which is below 1. O(limit).
    static func atMost(_ limit: Int, of count: Int, _ probability: Double) -> Double {
        guard limit < count else { return 1 }
        var term = power(1 - probability, count)
        // Too improbable for the numbers, and so is the rest.
        guard term > 0 else { return 0 }
        var sum = 0.0
        for events in 0...max(0, limit) {
            sum += term
            term *= Double(count - events) / Double(events + 1) * probability / (1 - probability)
        }
        return min(1, sum)
    }

    /// O(log exponent).
    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, square, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= square }
            square *= square
            rest >>= 1
        }
        return result
    }

    /// Of at least `least` events.
    static func atLeast(_ least: Int, of count: Int, _ probability: Double) -> Double {
        least <= 0 ? 1 : 1 - atMost(least - 1, of: count, probability)
    }

    /// That of one hop's probes as many are lost as have no answer, and of the others at most as many, at the loss rate
    /// that makes it largest.
    static func ofLosing(
        _ hop: PathFinding.Losses.Count, butAtMostOf others: PathFinding.Losses.Count
    ) -> Double {
        let steps = 64
        return (1..<steps).map { step in
            let rate = Double(step) / Double(steps)
            return atLeast(hop.asked - hop.answered, of: hop.asked, rate)
                * atMost(others.asked - others.answered, of: others.asked, rate)
        }.reduce(0, max)
    }

    /// That so many hops all lose the same number of their last probes, two or more, and no other, at the loss rate that
    /// makes it largest.
    static func ofBuckets(hops: Int, asked: Int) -> Double {
        let steps = 64
        return (1..<steps).map { step in
            let rate = Double(step) / Double(steps)
            return (1..<max(1, asked - 1)).map { answered in
                let one =
                    atMost(0, of: answered, rate) * atMost(0, of: asked - answered, 1 - rate)
                return (0..<hops).reduce(1.0) { product, _ in product * one }
            }.reduce(0, +)
        }.reduce(0, max)
    }

    /// Of at least `least` events in trials of these probabilities. O(n²).
    static func atLeast(_ least: Int, of probabilities: [Double]) -> Double {
        // By number of events.
        var shares = [1.0]
        for probability in probabilities {
            shares.append(0)
            for events in shares.indices.reversed() {
                shares[events] =
                    shares[events] * (1 - probability) + (events > 0 ? shares[events - 1] * probability : 0)
            }
        }
        return shares.dropFirst(least).reduce(0, +)
    }
}
