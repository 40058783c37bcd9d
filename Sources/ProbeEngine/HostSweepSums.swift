extension HostSweep.Counters {
    /// Adds what another sweep counted, such as a worker that has another share of the same targets.
    public static func += (sum: inout HostSweep.Counters, other: HostSweep.Counters) {
        sum.targets &+= other.targets
        sum.alive &+= other.alive
        sum.unreachable &+= other.unreachable
        sum.unasked &+= other.unasked
        sum.transmitted &+= other.transmitted
        sum.received &+= other.received
        sum.late &+= other.late
        sum.errors &+= other.errors
        sum.repeatedErrors &+= other.repeatedErrors
        sum.duplicates &+= other.duplicates
        sum.corrupted &+= other.corrupted
        sum.wrongSource &+= other.wrongSource
        sum.unsent &+= other.unsent
        sum.retried &+= other.retried
        sum.repeated &+= other.repeated
        sum.droppedHere &+= other.droppedHere
        sum.unsolicited &+= other.unsolicited
        sum.overflow &+= other.overflow
    }
}
