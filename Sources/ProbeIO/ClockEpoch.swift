import LinuxSockets

/// Notices that the wall clock was set, by its distance from the monotonic clock: both are slewed alike, and only a step
/// (or a suspend) changes it. The kernel's stamps are of the wall clock; those of two epochs are never subtracted.
struct ClockEpoch {
    /// Counts the steps that were noticed.
    private(set) var number: UInt32 = 0
    private var distance: Int64?

    /// Looks at both clocks now.
    mutating func look() {
        for _ in 0..<Self.attempts {
            let before = SystemClock.monotonic.now
            let wall = SystemClock.realtime.now
            let after = SystemClock.monotonic.now
            // A reading that was interrupted tells nothing.
            guard after - before < Self.tolerance else { continue }
            return note(monotonic: before, wall: wall)
        }
    }

    /// Compares one reading of both clocks, in nanoseconds, with the one before.
    mutating func note(monotonic: Int64, wall: Int64) {
        let distance = wall &- monotonic
        if let last = self.distance, (distance &- last).magnitude > UInt64(Self.tolerance) { number &+= 1 }
        self.distance = distance
    }

    /// Nanoseconds: readings lie so far apart at most, and a smaller step hides in a round trip's own uncertainty.
    private static let tolerance: Int64 = 50_000
    private static let attempts = 3
}
