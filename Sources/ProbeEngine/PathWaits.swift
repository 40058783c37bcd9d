/// What waits follow from: the longest round trip of a hop limit.
protocol HasLongestRoundTrip {
    var longest: TimeSpan? { get }
}

/// How long an answer is waited for, by the round trips that are known: MAX, HERE and NEAR of traceroute's `-w`.
struct PathWaits: Sendable {
    var maximum: TimeSpan
    var hereFactor: Double
    var nearFactor: Double
    /// How much longer than the round trip an answer is waited for, at most.
    var maximumDelay: TimeSpan?
    /// Where nobody behind has answered, at least; nil is the maximum.
    var tail: TimeSpan?
    /// The most that this process has woken up late: answers may have been as late, and so may routers that share its
    /// machine.
    private(set) var lateness = TimeSpan.zero

    mutating func wokeUp(late lateness: TimeSpan) {
        self.lateness = min(max(self.lateness, lateness), Self.maximumLateness)
    }

    /// The waits by hop limit minus one.
    ///
    /// - Parameters:
    ///   - end: the hop at which the path seems to end; what answers from there on is one and the same.
    ///   - floor: no factor makes a wait shorter.
    ///   - ceiling: nothing makes it longer.
    ///
    /// O(rows).
    func waits<Row: HasLongestRoundTrip>(_ rows: [Row], end: Int?, floor: TimeSpan, ceiling: TimeSpan) -> [TimeSpan] {
        var waits = Array(repeating: TimeSpan.zero, count: rows.count)
        let atEnd = end.flatMap { Self.longest(rows, from: $0) }
        let silentTail = tail(Self.longest(rows, from: 1))
        var near: TimeSpan?
        for index in rows.indices.reversed() {
            let here = index + 1 >= end ?? .max ? atEnd : rows[index].longest
            if let here {
                waits[index] = wait(hereFactor, here, floor)
            } else if let near {
                waits[index] = wait(nearFactor, near, floor)
            } else {
                waits[index] = silentTail
            }
            waits[index] = min(waits[index], ceiling)
            near = rows[index].longest ?? near
        }
        return waits
    }

    /// How long an answer is waited for by NEAR, whoever gives it.
    func near<Row: HasLongestRoundTrip>(_ rows: [Row]) -> TimeSpan {
        Self.longest(rows, from: 1).map { wait(nearFactor, $0, .zero) } ?? maximum
    }

    /// The longest round trip of the hops from this one on. O(rows).
    static func longest<Row: HasLongestRoundTrip>(_ rows: [Row], from hop: Int) -> TimeSpan? {
        // A chain of lazy sequences would do, but its types cost a start of 2.5 ms a fiftieth.
        var longest: TimeSpan?
        for index in (hop - 1)..<rows.count {
            guard let roundTrip = rows[index].longest else { continue }
            longest = max(longest ?? roundTrip, roundTrip)
        }
        return longest
    }

    private func wait(_ factor: Double, _ roundTrip: TimeSpan, _ floor: TimeSpan) -> TimeSpan {
        var factored = factor * Double(roundTrip.nanoseconds)
        if let maximumDelay { factored = min(factored, Double((roundTrip + maximumDelay).nanoseconds)) }
        guard factored < Double(maximum.nanoseconds) else { return maximum }
        return min(maximum, max(floor, TimeSpan(nanoseconds: Int64(factored))) + lateness * 2)
    }

    /// Nobody knows how far the rest is, but it is seldom much further than what has answered.
    private func tail(_ longest: TimeSpan?) -> TimeSpan {
        guard let tail, let longest else { return maximum }
        let factored = nearFactor * Double(longest.nanoseconds)
        guard factored < Double(maximum.nanoseconds) else { return maximum }
        return min(maximum, max(tail, TimeSpan(nanoseconds: Int64(factored))) + lateness * 2)
    }

    /// A process that was stopped for longer waits no longer for that.
    private static let maximumLateness = TimeSpan.milliseconds(100)
}
