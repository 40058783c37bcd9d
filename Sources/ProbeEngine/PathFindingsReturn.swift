import PacketFormats

/// What hop limits of answers and in quotes tell about the path.
enum ReturnFindings {
    typealias Length = PathFinding.ReturnLength

    /// - Parameter anomalies: what was found in quoted hop limits.
    static func all(in rows: [FoundRow], loop: PathFinding?, _ anomalies: [PathFinding]) -> [PathFinding] {
        // Routers of a tunnel that show themselves: their answers go to its end first, and explain their way back.
        var shown = Set(rows.filter(\.showsTunnel).map(\.number))
        for anomaly in anomalies {
            if case .hopLimits(.implicitTunnel) = anomaly.kind { shown.formUnion(anomaly.hops) }
        }
        var lengths: [Length] = []
        for (index, row) in rows.enumerated() {
            // In a loop the way there grows alone, and a router in place of the one before it has one hop more back.
            if let loop, row.number > loop.hops.lowerBound { break }
            if index + 1 < rows.count, let router = row.router, router == rows[index + 1].router { continue }
            // A router that lets nothing pass answers the next probes too.
            if index > 0, row.isEnd, let router = rows[index - 1].router, row.responders == [router] { continue }
            let limits = row.answers.compactMap(\.hopLimit).filter { $0 > 0 }
            guard let length = mostCommon(limits).map({ Length(hop: row.number, hopLimit: $0) }) else { continue }
            // Labels that ran out explain why an answer went to the end of the tunnel first.
            if !row.showsTunnel || length.excess <= 0 { lengths.append(length) }
        }
        for index in lengths.indices { shown.formUnion(routersAnsweringByTheirEnd(from: index, in: lengths)) }
        var found: [PathFinding] = []
        var index = 0
        while index < lengths.count {
            if let (finding, next) = tunnel(at: index, in: lengths, shown) {
                found.append(finding)
                index = next
                continue
            }
            guard lengths[index].excess != 0 else {
                index += 1
                continue
            }
            // Neighbours that differ by one are one stretch: each router has its own way back.
            var end = index + 1
            while end < lengths.count, lengths[end].excess != 0,
                abs(lengths[end].excess - lengths[end - 1].excess) <= 1
                    || (shown.contains(lengths[end].hop) && shown.contains(lengths[end - 1].hop)),
                tunnel(at: end, in: lengths, shown) == nil
            {
                end += 1
            }
            let stretch = Array(lengths[index..<end])
            let hops = stretch[0].hop...stretch[stretch.count - 1].hop
            found.append(PathFinding(hops: hops, kind: .returnPath(stretch)))
            index = end
        }
        return found + returnTunnels(in: rows)
    }

    /// Hops whose way back gets shorter by one as the way there gets longer by one, until both are in step again: routers
    /// of a tunnel that hides none of them and sends their answers to its end first. Empty where that is not so.
    private static func routersAnsweringByTheirEnd(from index: Int, in lengths: [Length]) -> [Int] {
        guard index > 0 else { return [] }
        let base = lengths[index - 1].excess
        let count = lengths[index].excess - base
        guard count >= 4, count.isMultiple(of: 2), index + count / 2 < lengths.count else { return [] }
        let stretch = lengths[index...(index + count / 2)]
        let isTunnel = zip(stretch, 0...).allSatisfy {
            $0.hop == lengths[index - 1].hop + 1 + $1 && $0.excess == base + count - 2 * $1
        }
        return isTunnel ? stretch.dropLast().map(\.hop) : []
    }

    /// A hint of hidden routers, and where to go on behind it.
    ///
    /// A tunnel whose routers don't show is counted on the way back only: at its end by all of its hops, and by one less
    /// at each hop behind, because its own hop limit starts anew and the smaller of both comes out. Another way back would
    /// stay as long as it is. Where nothing behind the hop tells, it is taken for another way back.
    private static func tunnel(
        at index: Int, in lengths: [Length], _ shown: Set<Int>
    ) -> (PathFinding, Int)? {
        guard !shown.contains(lengths[index].hop), index > 0, index + 1 < lengths.count,
            lengths[index - 1].hop + 1 == lengths[index].hop
        else {
            return nil
        }
        let base = lengths[index - 1].excess
        let count = lengths[index].excess - base
        guard count >= 2 else { return nil }
        var end = index + 1
        while end < lengths.count {
            let left = max(0, count - (lengths[end].hop - lengths[index].hop))
            guard lengths[end].excess <= base + left, lengths[end].excess > base else { break }
            end += 1
        }
        let next = lengths[index + 1]
        guard next.excess <= base + max(0, count - (next.hop - lengths[index].hop)) else { return nil }
        let evidence = Array(lengths[(index - 1)...min(end, lengths.count - 1)])
        let hops = lengths[index - 1].hop...lengths[index].hop
        return (PathFinding(hops: hops, kind: .hiddenHops(count: count, evidence)), end)
    }

    /// Responders whose errors started with 255 hops and whose echo replies with 64, and took a longer way.
    private static func returnTunnels(in rows: [FoundRow]) -> [PathFinding] {
        var errors: [IPAddress: Length] = [:]
        var found: [PathFinding] = []
        for row in rows {
            for answer in row.answers {
                guard let limit = answer.hopLimit, limit > 0 else { continue }
                let length = Length(hop: row.number, hopLimit: limit)
                if answer.kind == .timeExceeded {
                    if length.initialHopLimit == 255 { errors[answer.responder] = length }
                } else if answer.kind == .reached, answer.probe.method == .icmpEcho, length.initialHopLimit == 64,
                    let error = errors.removeValue(forKey: answer.responder), error.length > length.length
                {
                    let kind = PathFinding.Kind.hiddenReturnHops(
                        count: error.length - length.length, responder: answer.responder)
                    found.append(PathFinding(hops: row.number...row.number, kind: kind))
                }
            }
        }
        return found
    }
}

/// Quoted hop limits other than 1, and responders at two hops in a row.
enum HopLimitFindings {
    static func all(in rows: [FoundRow], loop: PathFinding?) -> [PathFinding] {
        var found: [PathFinding] = []
        var index = 0
        while index < rows.count {
            let end = endOfRise(from: index, in: rows)
            if end > index {
                let quoted = (index...end).compactMap { rows[$0].quotedHopLimit }
                // Routers that show their labels hide nothing.
                if !(index...end).contains(where: { rows[$0].showsTunnel }) {
                    let hops = rows[index].number...rows[end].number
                    found.append(PathFinding(hops: hops, kind: .hopLimits(.implicitTunnel(quoted: quoted))))
                }
                index = end + 1
                continue
            }
            if let finding = oddQuote(at: index, in: rows) { found.append(finding) }
            index += 1
        }
        for (first, second) in zip(rows, rows.dropFirst()) {
            guard let router = first.router, router == second.router, second.number == first.number + 1 else {
                continue
            }
            if let loop, loop.hops.contains(first.number), loop.hops.contains(second.number) { continue }
            let anomaly: PathFinding.HopLimitAnomaly =
                first.quotedHopLimit == 0 && second.quotedHopLimit == 1
                ? .zeroForwarded(responder: router) : .sameResponder(router)
            found.append(PathFinding(hops: first.number...second.number, kind: .hopLimits(anomaly)))
        }
        return found
    }

    /// The last of the rows that quote one more each, the same row where it is none. They start with 1, or with what
    /// follows a silent hop.
    private static func endOfRise(from start: Int, in rows: [FoundRow]) -> Int {
        guard let first = rows[start].quotedHopLimit, !rows[start].isEnd else { return start }
        guard first == 1 || (first > 1 && first < 32 && start > 0 && rows[start - 1].quotedHopLimit == nil) else {
            return start
        }
        var end = start
        while end + 1 < rows.count, !rows[end + 1].isEnd, rows[end + 1].number == rows[end].number + 1,
            let quoted = rows[end].quotedHopLimit, rows[end + 1].quotedHopLimit == quoted &+ 1
        {
            end += 1
        }
        // A value that stays is no tunnel's.
        if end == start + 1, end + 1 < rows.count, rows[end + 1].quotedHopLimit == rows[end].quotedHopLimit {
            return start
        }
        return end
    }

    private static func oddQuote(at index: Int, in rows: [FoundRow]) -> PathFinding? {
        let row = rows[index]
        let hops = row.number...row.number
        for answer in row.answers {
            guard let quoted = answer.detail?.quoted?.hopLimit else { continue }
            switch answer.kind {
            case .timeExceeded:
                // 0 is what routers quote that count down before they look.
                guard quoted > 1, quoted == row.quotedHopLimit, !row.showsTunnel else { continue }
                if index > 0, rows[index - 1].quotedHopLimit == quoted { return nil }
                let anomaly = PathFinding.HopLimitAnomaly.unexpected(quoted: quoted, responder: answer.responder)
                return PathFinding(hops: hops, kind: .hopLimits(anomaly))
            case .reached:
                let expected = Int(answer.probe.hopLimit) - row.number + 1
                guard expected >= 1, quoted > expected || Int(quoted) < expected - 1 else { continue }
                let anomaly = PathFinding.HopLimitAnomaly.destination(
                    expected: expected, quoted: quoted, responder: answer.responder)
                return PathFinding(hops: hops, kind: .hopLimits(anomaly))
            case .error: continue
            }
        }
        return nil
    }
}
