import PacketFormats

/// Where a path seems to end, by the answers so far.
struct PathEnd: Hashable, Sendable {
    enum Basis: Sendable {
        /// The destination answered a probe of this hop limit.
        case answered
        /// The destination answered only probes with hops to spare, and says by what it quotes that it is this near.
        case claimed(answeredAt: Int)
        /// Somebody says that the path goes no further, and nobody behind has contradicted.
        case refused
    }

    var hop: Int
    var basis: Basis
}

extension PathEnd.Basis: Hashable {}

/// What the answers say about the end of a path.
struct PathEndEvidence: Sendable {
    /// The lowest hop limit that the destination has answered.
    private(set) var reachedAt: Int?
    /// The highest hop limit that ran out at a router.
    private(set) var furthestPassed = 0
    private var hasErrors = false
    private var claim: Int?
    private var claimsAgree = true

    /// - Parameter hop: the hop limit that was sent.
    mutating func take(_ kind: PathAnswer.Kind, _ response: Response, hop: Int) {
        switch kind {
        case .timeExceeded: furthestPassed = max(furthestPassed, hop)
        case .error: hasErrors = true
        case .reached:
            reachedAt = min(reachedAt ?? hop, hop)
            // What was left of the hop limit on arrival tells how many hops it took. A router that sets hop limits spoils
            // it, and so does a host that quotes something else: then two answers differ, or a router answers behind it.
            guard let left = response.detail?.quoted?.hopLimit, left >= 1, left <= hop else { return }
            let distance = hop - Int(left) + 1
            claimsAgree = claimsAgree && distance == claim ?? distance
            claim = distance
        }
    }

    /// The end, as far as the rows from `first` on can still tell. O(rows) where there were errors, else O(hops that the
    /// destination is nearer than it answered).
    func end(_ rows: [PathRow], from first: Int) -> PathEnd? {
        if let reachedAt {
            if claimsAgree, let claim, claim < reachedAt, claim > furthestPassed, claim >= first,
                rows[(claim - 1)..<(reachedAt - 1)].allSatisfy(\.isSilent)
            {
                return PathEnd(hop: claim, basis: .claimed(answeredAt: reachedAt))
            }
            return PathEnd(hop: reachedAt, basis: .answered)
        }
        guard hasErrors, first <= rows.count else { return nil }
        for hop in first...rows.count where rows[hop - 1].errors > rows[hop - 1].timeExceeded {
            if hop >= furthestPassed { return PathEnd(hop: hop, basis: .refused) }
        }
        return nil
    }
}
