/// A probe of a watch, and what has become of it.
struct WatchProbe: Sendable {
    var record: InFlightRecord
    var place: WatchPlan.Place
    var round: UInt64
    /// Who was to answer, and who before; nil where that was not known.
    var node: Int?
    var before: Int?
    /// Whether one of several was to answer.
    var isUncertain: Bool
    /// Who answered; nil where that is nobody of the graph.
    var responder: Int?
    var roundTrip = TimeSpan.zero
    /// When its answer came, while the kernel's stamp of sending is waited for.
    var arrival: (stamp: Stamp, at: Timestamp)?
    var isLate = false
    /// Whether the answer says that the way goes no further.
    var isRefusal = false
    /// Whether somebody behind answered in the same round.
    var isPassed = false
    /// Of a probe to an end, whether the hop in front answered, and the end itself another path.
    var isNearlyPassed = false

    var isAnswered: Bool { record.state == .answered }
}

/// The probes of the recent past by number, in the order of sending.
struct WatchProbes: Sendable {
    private var probes: [WatchProbe] = []
    private var head = 0
    /// The lowest number that is kept; `next` where there is none.
    private(set) var first: UInt64 = 1

    /// The number that the next one gets.
    var next: UInt64 { first + UInt64(probes.count - head) }

    var count: Int { probes.count - head }

    func contains(_ id: UInt64) -> Bool { id >= first && id < next }

    /// Only for numbers that it contains.
    subscript(id: UInt64) -> WatchProbe {
        get { probes[head + Int(id - first)] }
        set { probes[head + Int(id - first)] = newValue }
    }

    mutating func append(_ probe: WatchProbe) -> UInt64 {
        probes.append(probe)
        return next - 1
    }

    /// Lets go of the oldest. O(1) amortised.
    mutating func removeFirst() {
        head += 1
        first += 1
        if head >= Self.leastFree, head * 2 >= probes.count {
            probes.removeFirst(head)
            head = 0
        }
    }

    private static let leastFree = 64
}
