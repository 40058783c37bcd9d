/// How long a probe and its answer took.
enum RoundTrip {
    /// The kernel's round trip where it has stamped both ends; else this process' own, by its stamps around the system calls
    /// where both are its own.
    ///
    /// The kernel's must lie within what this process saw with a clock that is never set, so that neither a step of the
    /// wall clock nor a stamp that belongs to another packet can pass.
    ///
    /// - Parameter wantsKernelStamps: false where the kernel was not asked when the probe left: then this process' time
    ///   of sending goes with the kernel's of arrival.
    static func of(
        sentAt: Timestamp, _ sent: Stamp, _ response: Response, wantsKernelStamps: Bool = true
    ) -> (TimeSpan, Stamp.Clock) {
        of(sentAt: sentAt, sent, response.stamp, readAt: response.arrival, wantsKernelStamps: wantsKernelStamps)
    }

    /// The same of an answer that arrived with this stamp, and was read then.
    static func of(
        sentAt: Timestamp, _ sent: Stamp, _ arrived: Stamp, readAt: Timestamp, wantsKernelStamps: Bool = true
    ) -> (TimeSpan, Stamp.Clock) {
        let seen = TimeSpan(nanoseconds: max(0, (readAt - sentAt).nanoseconds))
        let clock: Stamp.Clock = arrived.clock == .user ? .user : wantsKernelStamps ? .kernel : .mixed
        guard sent.clock == clock || clock == .mixed, isOneEpoch(sent, arrived) else { return (seen, .user) }
        let stamped = arrived.nanoseconds &- sent.nanoseconds
        let tolerance = TimeSpan(nanoseconds: Self.clockTolerance + seen.nanoseconds / 1_000)
        guard stamped >= 0, stamped <= (seen + tolerance).nanoseconds else { return (seen, .user) }
        return (TimeSpan(nanoseconds: stamped), clock)
    }

    /// Records keep only the low half of an epoch's number: nobody waits for an answer through 65,536 steps of the clock.
    private static func isOneEpoch(_ one: Stamp, _ other: Stamp) -> Bool {
        UInt16(truncatingIfNeeded: one.epoch) == UInt16(truncatingIfNeeded: other.epoch)
    }

    /// Nanoseconds, besides the 500 parts in a million that the wall clock may be slewed by (adjtimex(2)).
    private static let clockTolerance: Int64 = 10_000
}
