import LinuxSockets

/// Notices that the wall clock was set, by its distance from the monotonic clock: both are slewed alike, and only a step
/// (or a suspend) changes it. The kernel's stamps are of the wall clock; those of two epochs are never subtracted.
struct ClockEpoch {
    /// Counts the steps that were noticed.
    private(set) var number: UInt32 = 0
    private var distance: Int64?
    /// For how long the machine has slept since it was booted.
    private var slept: Int64?

    init() { slept = Self.difference(of: .boottime) }

    /// Looks at both clocks now. Returns whether the machine slept since the last time: the monotonic clock stands still
    /// then, the one of booting does not, and the wall clock steps.
    mutating func look() -> Bool {
        guard let distance = Self.difference(of: .realtime), note(distance: distance) else { return false }
        return note(slept: Self.difference(of: .boottime))
    }

    /// Compares the distance of the wall clock from the monotonic clock, in nanoseconds, with the one before. Returns
    /// whether it has changed.
    mutating func note(distance: Int64) -> Bool {
        defer { self.distance = distance }
        guard let last = self.distance, (distance &- last).magnitude > UInt64(Self.tolerance) else { return false }
        number &+= 1
        return true
    }

    /// Compares for how long the machine has slept with what was known of it, in nanoseconds. Returns whether it has
    /// slept since.
    mutating func note(slept: Int64?) -> Bool {
        guard let slept else { return false }
        defer { self.slept = slept }
        return self.slept.map { slept &- $0 > Self.tolerance } ?? false
    }

    /// How far a clock is ahead of the monotonic one; nil when the readings were interrupted and tell nothing.
    private static func difference(of clock: SystemClock) -> Int64? {
        for _ in 0..<attempts {
            let before = SystemClock.monotonic.now
            let reading = clock.now
            if SystemClock.monotonic.now - before < tolerance { return reading &- before }
        }
        return nil
    }

    /// Nanoseconds: readings lie so far apart at most, and a smaller step hides in a round trip's own uncertainty.
    private static let tolerance: Int64 = 50_000
    private static let attempts = 3
}
