/// When the next probe of a sweep may go: on absolute deadlines, slower while this host's queues are full.
struct SweepPace: Sendable {
    /// When the next probe is due.
    private(set) var due: Timestamp
    /// Between two probes as it was asked for, in parts of a nanosecond; 0 for as fast as it goes.
    private let wanted: Int64
    /// Between two probes now.
    private var gap: Int64
    /// What of `due` is less than a nanosecond.
    private var fraction: Int64 = 0
    /// When `gap` changed.
    private var changed: Timestamp
    /// What a late wake-up is made up for.
    private let tolerance: TimeSpan

    /// - Parameter rate: probes a second; nil, and what is no rate, for as fast as it goes.
    init(rate: Double?, start: Timestamp) {
        due = start
        changed = start
        var wanted: Int64 = 0
        if let rate, rate > 0 { wanted = Int64(min(1e9 / rate * Double(Self.unit), Double(Self.longestGap))) }
        self.wanted = wanted
        gap = wanted
        tolerance = max(.milliseconds(10), TimeSpan(nanoseconds: wanted / Self.unit))
    }

    /// Whether there is time between two probes.
    var isPaced: Bool { gap > 0 }

    /// Whether probes go slower than was asked for.
    var isSlowed: Bool { gap > wanted }

    /// A probe goes. What has been due for longer than the tolerance is not made up for in a burst.
    @inline(__always)
    mutating func take(at now: Timestamp) {
        if now - due > tolerance { due = Timestamp(nanoseconds: now.nanoseconds - tolerance.nanoseconds) }
        if gap > wanted { recover(at: now) }
        if gap > 0 {
            fraction += gap
            due = due + TimeSpan(nanoseconds: fraction / Self.unit)
            fraction %= Self.unit
        } else {
            due = now
        }
    }

    /// The kernel did not take a probe for want of room: half the rate, behind a pause. Once for all that find the queue
    /// full together.
    mutating func refuse(at now: Timestamp) {
        slow(to: Self.longestGap, at: now)
        due = max(due, now + Self.pause)
    }

    /// This host dropped answers that it had no room for: half the rate, but not for ever, because others can send too
    /// what is dropped then.
    mutating func overflow(at now: Timestamp) { slow(to: max(wanted, Self.firstGap) * 8, at: now) }

    private mutating func slow(to longest: Int64, at now: Timestamp) {
        guard !isSlowed || now - changed >= Self.reaction else { return }
        gap = max(gap, min(longest, Self.slowestGap, max(Self.firstGap, gap * 2)))
        changed = now
    }

    private mutating func recover(at now: Timestamp) {
        guard now - changed >= Self.patience else { return }
        changed = now
        gap = wanted + (gap - wanted) / 4 * 3
        if gap - wanted < max(wanted / 16, Self.firstGap / 16) { gap = wanted }
    }

    /// Parts of a nanosecond.
    private static let unit: Int64 = 1 << 16
    /// About a day and a half, which fits when it is doubled.
    private static let longestGap: Int64 = 1 << 61
    /// What probes that go as fast as they can are slowed to first: 100,000 a second.
    private static let firstGap = 10_000 * unit
    /// No queue is so short that it needs less than a hundred a second, unless that was asked for.
    private static let slowestGap = 10_000_000 * unit
    private static let pause = TimeSpan.milliseconds(1)
    /// A full queue is noticed by many probes at once.
    private static let reaction = TimeSpan.milliseconds(5)
    private static let patience = TimeSpan.milliseconds(100)
}
