/// When an `EchoSweep` sends its probes.
public enum Pacing: Hashable, Sendable, BitwiseCopyable {
    /// One probe to each target every interval, on absolute deadlines.
    case periodic
    /// Gaps of exponential distribution with the interval as their mean, on absolute deadlines and for each target its
    /// own; all are drawn from this seed (RFC 2330 section 11.1).
    case poisson(seed: UInt64)
    /// The next probe as soon as the last one was answered, so that one is on its way. Without an answer it goes after the
    /// smoothed round trip and four deviations (RFC 6298), twice as long for each probe more that stays unanswered, and
    /// after the interval at the latest.
    case adaptive
    /// The next probe when the last one was answered, or after the interval if that is sooner.
    ///
    /// Without answers neither this nor adaptive pacing sends more often than every ten milliseconds.
    case flood
}

/// Says which target's probe is due, and when.
///
/// In periodic pacing the targets share one grid: O(1) for any number of them. In the others each has a clock of its
/// own: O(targets) a probe.
struct Pacer: Sendable {
    /// Probes that were due while nobody asked for them, and are left out instead of sent in a burst.
    ///
    /// Only what has a schedule can miss it: adaptive and flood pacing wait for answers.
    private(set) var missed: UInt64 = 0
    /// When the next probe is due; nil when all were taken. Stored, because it is asked for several times a probe.
    private(set) var due: Timestamp?

    private let pacing: Pacing
    private let interval: TimeSpan
    private let shortestGap: TimeSpan
    /// Probes to each target, nil for no end.
    private let count: UInt64?
    private let preload: UInt64
    private let targets: Int
    /// Being late by less than this is made up for; see `lateness(for:)`.
    private let tolerance: TimeSpan

    /// When the probes of the current round are due, the first target's first.
    private var origin: Timestamp
    private var round: UInt64 = 0
    private var nextTarget = 0
    /// Probes that the next target has had in this round.
    private var inBurst: UInt64 = 0
    /// Between the probes of two targets.
    let stagger: TimeSpan

    private var lanes: [Lane] = []
    /// The lane that is due first, nil when every one has had its probes.
    private var firstLane: Int?

    /// - Parameter isCounted: whether `count` ends the sending.
    init(_ configuration: EchoSweep.Configuration, isCounted: Bool, start: Timestamp) {
        pacing = configuration.pacing
        // Without answers nothing else would bound the rate.
        let waits = configuration.pacing == .adaptive || configuration.pacing == .flood
        let round = configuration.targetGap.map { $0 * Int64(configuration.targets.count) } ?? .zero
        interval = max(waits ? Self.leastPatience : .zero, round, configuration.interval)
        shortestGap = configuration.shortestGap
        count = isCounted ? configuration.count : nil
        preload = UInt64(max(1, configuration.preload))
        targets = configuration.targets.count
        tolerance = Self.lateness(for: interval)
        stagger =
            configuration.targetGap
            ?? min(TimeSpan(nanoseconds: interval.nanoseconds / Int64(max(1, targets))), Self.maximumStagger)
        origin = start
        guard pacing != .periodic else {
            setGridDue()
            return
        }
        var seeds = SplitMix64(state: 0)
        if case .poisson(let seed) = pacing { seeds = SplitMix64(state: seed) }
        lanes = (0..<targets).map { target in
            Lane(due: start + stagger * Int64(target), generator: SplitMix64(state: seeds.next()))
        }
        chooseLane()
    }

    /// The next probe that is due: its target, and its number among those to that target.
    mutating func take(at now: Timestamp) -> (target: Int, sequence: UInt32)? {
        guard let due, due <= now else { return nil }
        return pacing == .periodic ? takeFromGrid(now - due) : takeFromLane(now)
    }

    /// A probe is no longer on its way: it was answered or an ICMP error came. With it go those before it, whose answers
    /// are not to be expected any more.
    ///
    /// A probe that timed out or could not be sent is not told of here: it must not make the next one come sooner.
    ///
    /// - Parameter roundTrip: of an answer.
    mutating func conclude(_ target: Int, _ sequence: UInt32, roundTrip: TimeSpan?, at now: Timestamp) {
        guard !lanes.isEmpty else { return }
        if let roundTrip { lanes[target].take(roundTrip) }
        let unanswered = lanes[target].unanswered
        lanes[target].conclude(sequence)
        guard pacing == .adaptive || pacing == .flood, lanes[target].unanswered < unanswered else { return }
        if UInt64(lanes[target].unanswered) < preload {
            let soonest = max(now, lanes[target].slot + shortestGap)
            lanes[target].due = min(lanes[target].due, soonest)
            chooseLane()
        }
    }

    // MARK: One grid for all

    private var isGridDone: Bool { count.map { $0 <= sentInGrid } ?? false }

    /// Probes that the next target has had.
    private var sentInGrid: UInt64 { round == 0 ? inBurst : round &+ preload &- 1 }

    private mutating func setGridDue() { due = isGridDone ? nil : origin + stagger * Int64(nextTarget) }

    private mutating func takeFromGrid(_ late: TimeSpan) -> (target: Int, sequence: UInt32) {
        if interval > .zero, late >= tolerance {
            let behind = late.nanoseconds / interval.nanoseconds
            origin = origin + interval * behind
            missed &+= UInt64(behind) &* UInt64(targets)
        }
        defer { setGridDue() }
        let taken = (nextTarget, UInt32(truncatingIfNeeded: sentInGrid &+ 1))
        if round == 0, inBurst &+ 1 < min(preload, count ?? .max) {
            inBurst += 1
            return taken
        }
        inBurst = 0
        nextTarget += 1
        if nextTarget == targets {
            nextTarget = 0
            round += 1
            origin = origin + interval
        }
        return taken
    }

    // MARK: A clock for each

    private mutating func takeFromLane(_ now: Timestamp) -> (target: Int, sequence: UInt32)? {
        guard let target = firstLane else { return nil }
        // A late wake-up shortens the next wait, so that it does not slow the pace.
        let isTooLate = now - lanes[target].due >= tolerance
        lanes[target].slot = isTooLate ? now : lanes[target].due
        lanes[target].sent &+= 1
        if lanes[target].sent < preload {
            lanes[target].due = lanes[target].slot
        } else if case .poisson = pacing {
            let (next, left) = lanes[target].nextArrival(mean: interval, after: isTooLate ? now : nil)
            lanes[target].due = next
            missed &+= left
        } else {
            let isOpen = UInt64(lanes[target].unanswered) < preload
            lanes[target].due = lanes[target].slot + max(shortestGap, isOpen ? .zero : patience(target))
        }
        let sequence = UInt32(truncatingIfNeeded: lanes[target].sent)
        chooseLane()
        return (target, sequence)
    }

    /// How long an answer is waited for before the next probe goes without it.
    @inline(__always)
    private func patience(_ target: Int) -> TimeSpan {
        guard pacing == .adaptive, let smoothed = lanes[target].smoothed else { return interval }
        let timeout = max(Self.leastPatience, smoothed + lanes[target].deviation * 4)
        return min(interval, timeout * (1 << min(20, Int64(lanes[target].unanswered) - Int64(clamping: preload))))
    }

    private mutating func chooseLane() {
        firstLane = nil
        for index in lanes.indices where count.map({ lanes[index].sent < $0 }) ?? true {
            if let first = firstLane, lanes[first].due <= lanes[index].due { continue }
            firstLane = index
        }
        due = firstLane.map { lanes[$0].due }
    }

    /// What a late wake-up is made up for: the interval, and of a short one up to a batch of probes, but no more than
    /// the ten milliseconds for which a busy scheduler may well leave a process waiting. What has been due for longer
    /// would come in a burst, and measure that instead of the network.
    static func lateness(for interval: TimeSpan) -> TimeSpan {
        max(interval, min(.milliseconds(10), interval * 64))
    }

    private static let maximumStagger = TimeSpan.milliseconds(10)
    /// As long as a flood waits.
    private static let leastPatience = TimeSpan.milliseconds(10)
}

/// The clock of one target.
private struct Lane: Sendable {
    /// When its next probe is due.
    var due: Timestamp
    /// Since when the last one was due.
    var slot = Timestamp(nanoseconds: 0)
    var sent: UInt64 = 0
    /// The highest number that was answered or given up.
    var concluded: UInt32 = 0
    /// The round trip and its deviation as RFC 6298 smooths them; nil before the first.
    var smoothed: TimeSpan?
    var deviation = TimeSpan.zero
    var generator: SplitMix64

    init(due: Timestamp, generator: SplitMix64) {
        self.due = due
        self.generator = generator
    }

    /// Probes behind the last one that was answered. Numbers wrap as those of the packets do.
    var unanswered: UInt32 { UInt32(truncatingIfNeeded: sent) &- concluded }

    mutating func conclude(_ sequence: UInt32) {
        let behind = UInt32(truncatingIfNeeded: sent) &- sequence
        if behind < unanswered { concluded = sequence }
    }

    /// RFC 6298 section 2.
    mutating func take(_ roundTrip: TimeSpan) {
        guard let smoothed else {
            smoothed = roundTrip
            deviation = TimeSpan(nanoseconds: roundTrip.nanoseconds / 2)
            return
        }
        let distance = roundTrip.nanoseconds - smoothed.nanoseconds
        deviation.nanoseconds += (Int64(clamping: distance.magnitude) - deviation.nanoseconds) / 4
        self.smoothed = TimeSpan(nanoseconds: smoothed.nanoseconds + distance / 8)
    }

    /// The probe after the one that is due, and how many were left out because they would have been due by `now`.
    /// O(probes left out) up to a bound: those beyond are counted by their mean, and the process, which has no memory,
    /// starts anew.
    mutating func nextArrival(mean: TimeSpan, after now: Timestamp?) -> (Timestamp, left: UInt64) {
        var next = due + generator.exponential(mean: mean)
        guard let now, mean > .zero else { return (next, 0) }
        var left: UInt64 = 0
        while next <= now {
            guard left < Self.maximumDraws else {
                left &+= UInt64(max(0, (now - next).nanoseconds / mean.nanoseconds)) &+ 1
                return (now + generator.exponential(mean: mean), left)
            }
            next = next + generator.exponential(mean: mean)
            left += 1
        }
        return (next, left)
    }

    private static let maximumDraws: UInt64 = 1_000
}

/// Numbers that a seed decides (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct SplitMix64: Sendable {
    private var state: UInt64

    init(state: UInt64) { self.state = state }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    /// A time of exponential distribution, by von Neumann's method ("Various techniques used in connection with random
    /// digits", 1951): exact, and of comparisons only, where a logarithm would need a C library.
    ///
    /// The first of a row of falling numbers is kept when the row's end comes at an even place; each row that is given
    /// up adds a whole mean. 4.3 numbers on average.
    mutating func exponential(mean: TimeSpan) -> TimeSpan {
        var whole: Int64 = 0
        while true {
            let first = next()
            var last = first
            var place = 2
            while true {
                let number = next()
                if number > last { break }
                last = number
                place += 1
            }
            if place % 2 == 0 {
                let fraction = UInt64(max(0, mean.nanoseconds)).multipliedFullWidth(by: first).high
                return mean * whole + TimeSpan(nanoseconds: Int64(clamping: fraction))
            }
            whole += 1
        }
    }
}
