import ProbeEngine

/// How far a sweep is, in words.
struct SweepGauge {
    private let start: Timestamp
    private var last: (time: Timestamp, transmitted: UInt64)

    init(start: Timestamp) {
        self.start = start
        last = (start, 0)
    }

    /// Such as `1200 of 65534 targets decided, 310 alive, 1000 probes/s, 1:04 left`.
    ///
    /// The time that is left is the one that the targets before took.
    ///
    /// - Parameters:
    ///   - before: how many targets an earlier sweep had decided.
    ///   - isOpen: whether more targets may come.
    mutating func line(_ counters: HostSweep.Counters, before: UInt64, isOpen: Bool, at now: Timestamp) -> String {
        let decided = counters.targets - counters.remaining
        var line = "\(decided + before) of \(counters.targets + before)\(isOpen ? " or more" : "") targets decided"
        line += ", \(counters.alive) alive"
        let span = now - last.time
        if span.nanoseconds > 0, counters.transmitted >= last.transmitted {
            let rate = Double(counters.transmitted - last.transmitted) * 1e9 / Double(span.nanoseconds)
            line += ", \(Int(rate.rounded())) probes/s"
        }
        last = (now, counters.transmitted)
        if !isOpen, decided > 0, counters.remaining > 0 {
            let elapsed = Double((now - start).nanoseconds) / 1e9
            line += ", \(Self.clock(elapsed * Double(counters.remaining) / Double(decided))) left"
        }
        return line
    }

    /// `0:07`, `12:00` or `100:00:00`.
    private static func clock(_ seconds: Double) -> String {
        let whole = Int(min(seconds.rounded(.up), 1e9))
        let (minutes, rest) = (whole / 60, whole % 60)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return minutes < 60 ? "\(minutes):\(two(rest))" : "\(minutes / 60):\(two(minutes % 60)):\(two(rest))"
    }
}
