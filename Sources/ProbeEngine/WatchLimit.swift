/// Whether a router leaves errors out when it is asked for every edge that leads to it: found by trying.
///
/// Where a fifth of its answers is missing though others show that the way is there, it is asked less often. Where not even
/// a third as many are missing then, it was a limit; else it was none, and all edges are asked again. Who was found to be
/// free of limits is only doubted where much is missing, because it is looked at for ever.
struct WatchLimit: Sendable {
    enum Pace: Sendable {
        /// Every edge each round.
        case all
        /// Once a round.
        case turns
        /// Once a second, of shorter rounds.
        case second
    }

    enum Finding: Sendable {
        case nothing
        /// It is to be asked at another pace.
        case pace
        /// It limits its errors.
        case limit
    }

    private(set) var pace = Pace.all
    /// Whether it is known that it answers whenever it is asked.
    private(set) var isFree = false
    private var isConfirmed = false
    /// Rounds before are those of another pace.
    private var since: UInt64 = 0
    private var asked = 0
    private var missing = 0
    /// The share that was missing at full pace.
    private var formerShare = 0.0
    /// How many times a slower pace has not helped.
    private var failures: UInt64 = 0

    /// - Parameter isSuspected: somebody else found that it limits.
    init(isSuspected: Bool) {
        guard isSuspected else { return }
        pace = .turns
        formerShare = 1
    }

    /// What a round found: how often the router was asked, and how many answers are missing.
    ///
    /// - Parameters:
    ///   - next: the first round that can be asked at another pace.
    ///   - edges: how many lead to it.
    mutating func take(
        asked: Int, missing: Int, round: UInt64, next: UInt64, edges: Int, isShorterThanSecond: Bool
    ) -> Finding {
        guard round >= since, asked > 0, !isConfirmed else { return .nothing }
        self.asked += asked
        self.missing += missing
        guard self.asked >= leastAsked else { return .nothing }
        let share = Double(self.missing) / Double(self.asked)
        (self.asked, self.missing) = (0, 0)
        if pace == .all {
            guard share >= (isFree ? Self.doubtful : Self.suspicious), edges > 1 || isShorterThanSecond else {
                isFree = true
                return .nothing
            }
            isFree = false
            formerShare = share
            pace = edges > 1 ? .turns : .second
        } else if share * 3 < formerShare {
            isConfirmed = true
            return .limit
        } else if pace == .turns, isShorterThanSecond {
            pace = .second
        } else {
            pace = .all
            isFree = true
            failures += 1
        }
        since = pace == .all ? next + Self.patience << min(failures, 10) : next
        return .pace
    }

    /// So many make chance unlikely; once a second fewer must do.
    private var leastAsked: Int {
        switch pace {
        case .all: isFree ? 48 : 24
        case .turns: 32
        case .second: 16
        }
    }

    private static let suspicious = 0.2
    private static let doubtful = 0.4
    /// Rounds, half of those before it is tried again.
    private static let patience: UInt64 = 32
}
