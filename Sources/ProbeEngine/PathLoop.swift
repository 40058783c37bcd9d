import PacketFormats

/// Finds out whether packets go round in circles: the same routers in the same order twice, or one of them at three hop
/// limits in a row, and nobody else behind them. Silent hops in between fit anything.
struct PathLoop: Sendable {
    /// The hop limits at which it was seen, twice around.
    private(set) var hops: ClosedRange<Int>?
    /// The next hop to look at.
    private var next: Int
    private let first: Int

    init(from first: Int) {
        self.first = first
        next = first
    }

    /// Looks at the hops that became known. Each is compared with those before it once: O(hops) for each.
    mutating func look(at rows: [PathRow], _ destination: IPAddress) {
        while hops == nil, next <= rows.count {
            let router = rows[next - 1].router(destination)
            if router == .unknown { return }
            if case .one = router { hops = loop(endingAt: next, rows, destination) }
            next += 1
        }
    }

    /// Looks whether an answer at this hop, already in the rows, tells that there is no loop after all.
    mutating func reconsider(after hop: Int, _ rows: [PathRow], _ destination: IPAddress) {
        guard let hops, hop >= hops.lowerBound else { return }
        let router = rows[hop - 1].router(destination)
        let fits =
            hop > hops.upperBound
            ? hops.contains { rows[$0 - 1].router(destination) == router }
            : router != .mixed
        if !fits { self.hops = nil }
    }

    private func loop(endingAt last: Int, _ rows: [PathRow], _ destination: IPAddress) -> ClosedRange<Int>? {
        let router = rows[last - 1].router(destination)
        guard let before = (first..<last).last(where: { rows[$0 - 1].router(destination) == router }) else {
            return nil
        }
        let length = last - before
        var matches = 0
        var hop = last
        compare: while hop - length >= first {
            switch (rows[hop - 1].router(destination), rows[hop - length - 1].router(destination)) {
            case (.one(let later), .one(let earlier)) where later == earlier: matches += 1
            case (.silent, .one), (.one, .silent), (.silent, .silent): break
            default: break compare
            }
            hop -= 1
        }
        guard matches >= 2, last - hop >= length else { return nil }
        let hops = (hop - length + 1)...last
        // Who answers behind a loop without being part of it shows that the path goes on.
        let members = Set(hops.map { rows[$0 - 1].router(destination) })
        let goesOn = rows[last...].contains { !$0.isSilent && !members.contains($0.router(destination)) }
        return goesOn ? nil : hops
    }
}
