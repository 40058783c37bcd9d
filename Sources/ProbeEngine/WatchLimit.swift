/// Whether a router leaves errors out when it is asked for every edge that leads to it: found by trying.
///
/// Where a third of its answers is missing though others show that the way is there, it is asked less often. Where that
/// does not help, it was no limit, and all edges are asked again.
struct WatchLimit: Sendable {
    enum Pace: Sendable {
        /// Every edge each round.
        case all
        /// Once a round.
        case turns
        /// Once a second, of shorter rounds.
        case second
    }

    private(set) var pace = Pace.all
    /// Rounds before are those of another pace.
    private var since: UInt64 = 0
    private var asked = 0
    private var missing = 0
    private var rounds = 0
    /// How many times a slower pace has not helped.
    private var failures: UInt64 = 0

    /// What a round found: how often the router was asked, and how many answers are missing. Returns whether the pace
    /// changes.
    ///
    /// - Parameters:
    ///   - edges: how many ask it each round.
    ///   - next: the first round of which the pace can still change.
    mutating func take(
        asked: Int, missing: Int, round: UInt64, next: UInt64, edges: Int, isShorterThanSecond: Bool
    ) -> Bool {
        guard round >= since, asked > 0 else { return false }
        self.asked += asked
        self.missing += missing
        rounds += 1
        guard self.asked >= Self.leastAsked, rounds >= Self.leastRounds else { return false }
        let isLimiting = self.missing * 3 >= self.asked
        (self.asked, self.missing, rounds) = (0, 0, 0)
        guard isLimiting else { return false }
        since = next
        if pace == .all, edges > 1 {
            pace = .turns
        } else if pace != .second, isShorterThanSecond {
            pace = .second
        } else if pace != .all {
            pace = .all
            failures += 1
            since = next + Self.patience << min(failures, 10)
        } else {
            return false
        }
        return true
    }

    private static let leastAsked = 8
    private static let leastRounds = 3
    /// Rounds, half of those before it is tried again.
    private static let patience: UInt64 = 32
}
