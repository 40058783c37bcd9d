import PacketFormats

/// What the answers of a whole trace tell beside addresses and times. Nothing on a path without peculiarities.
///
/// A pure function of the rows: it knows no clock, and hostile answers can make it neither long nor slow.
public struct PathFindings: Sendable {
    /// In the order of the path, at most `maximumCount`.
    public let all: [PathFinding]

    /// Finds what there is to find. O(answers × fields + hops²).
    ///
    /// - Parameters:
    ///   - hops: the rows of the trace in order.
    ///   - sent: a probe as a router quotes it that changed nothing (`ProbeCodec.expected`), nil where the bytes are the
    ///     kernel's. What is not known is compared from hop to hop only.
    public init(of hops: [PathHop], sent: (PathAnswer) -> QuotedPacket? = { _ in nil }) {
        let rows = hops.prefix(Int(UInt8.max)).map { FoundRow($0) }
        let loop = LoopFinder.find(in: rows)
        var found = QuoteComparison(rows, sent: sent).findings
        // Where the trace began at the end of the path or behind it, nobody knows how long that is.
        if !rows.isEmpty, !(rows[0].number > 1 && rows[0].isEnd) {
            let hopLimits = HopLimitFindings.all(in: rows, loop: loop)
            found += hopLimits
            found += ReturnFindings.all(in: rows, loop: loop, hopLimits)
        }
        found += rows.compactMap(\.interfaces)
        found += LossFindings.all(in: rows)
        if let loop { found.append(loop) }
        found += rows.compactMap(\.severalResponders)
        found += EndFinder.findings(of: rows, loop: loop)
        // Stable: at one hop they stay in the order of above.
        let order = found.indices.sorted {
            (found[$0].hops.upperBound, $0) < (found[$1].hops.upperBound, $1)
        }
        all = order.prefix(Self.maximumCount).map { found[$0] }
    }

    public static let maximumCount = 256
}

/// A row in the form that findings are made from.
struct FoundRow {
    let number: Int
    let answers: [PathAnswer]
    /// What was sent and is known to be answered or not, in the order of sending.
    let probes: [(sentAt: Timestamp, isAnswered: Bool)]
    /// Whether it was asked and nobody answered.
    let isSilent: Bool

    init(_ hop: PathHop) {
        number = hop.number
        var probes: [(sentAt: Timestamp, isAnswered: Bool)] = []
        var answers: [PathAnswer] = []
        // Of probes with hops to spare only as many are waited for as fill the row: they say nothing about losses.
        var hasSpare = false
        // A row that is full is told while others of its probes are under way. Those that a later one has overtaken are
        // lost as far as anybody can tell; without them the end of the path would seem to lose nothing at all.
        let latest = hop.queries.lastIndex { if case .answered = $0.outcome { true } else { false } } ?? 0
        for (index, query) in hop.queries.enumerated() {
            let isOwn = Int(query.probe.hopLimit) == hop.number
            hasSpare = hasSpare || !isOwn
            switch query.outcome {
            case .answered(let answer):
                answers.append(answer)
                if isOwn { probes.append((query.sentAt, true)) }
            case .lost: if isOwn { probes.append((query.sentAt, false)) }
            case .underWay: if isOwn, index < latest { probes.append((query.sentAt, false)) }
            case .unsent: continue
            }
        }
        if hop.queries.isEmpty {
            answers = hop.answers.compactMap(\.self)
            hasSpare = answers.contains { Int($0.probe.hopLimit) != hop.number }
            // Without the time of silent ones only their order is known.
            if !hasSpare { probes = hop.answers.map { (Timestamp(nanoseconds: 0), $0 != nil) } }
        }
        self.probes = probes
        self.answers = answers
        isSilent = answers.isEmpty && !(hop.queries.isEmpty && hop.answers.isEmpty)
    }

    /// Whether the path ends here.
    var isEnd: Bool { answers.contains { $0.kind != .timeExceeded } }

    /// Each once, in the order of their answers.
    var responders: [IPAddress] {
        var found: [IPAddress] = []
        for answer in answers where found.count < Self.maximumResponders && !found.contains(answer.responder) {
            found.append(answer.responder)
        }
        return found
    }

    /// The only responder of all answers, which all say that the hop limit ran out.
    var router: IPAddress? {
        guard !isEnd, responders.count == 1 else { return nil }
        return responders.first
    }

    /// What most answers quote as the hop limit; nil where nothing is quoted.
    var quotedHopLimit: UInt8? { mostCommon(answers.compactMap { $0.detail?.quoted?.hopLimit }) }

    /// Whether an answer shows a label whose own hop limit ran out: the tunnel hides nothing (RFC 4950).
    var showsTunnel: Bool {
        answers.contains { answer in
            answer.detail?.extensions?.objects.contains {
                if case .mpls(let labels) = $0, let label = labels.first { label.timeToLive <= 1 } else { false }
            } ?? false
        }
    }

    var interfaces: PathFinding? {
        var found: [InterfaceInformation] = []
        for answer in answers {
            for case .interface(let information) in answer.detail?.extensions?.objects ?? []
            where found.count < Self.maximumInterfaces && !found.contains(information) {
                found.append(information)
            }
        }
        guard !found.isEmpty, let responder = answers.first?.responder else { return nil }
        return PathFinding(hops: number...number, kind: .interfaces(found, responder: responder))
    }

    var severalResponders: PathFinding? {
        var flows: [(flow: Probe, responders: [IPAddress])] = []
        for answer in answers {
            var flow = answer.probe
            // What may differ from probe to probe of one flow.
            flow.hopLimit = 0
            flow.payloadLength = 0
            flow.originate = InternetTimestamp(rawValue: 0)
            guard let index = flows.firstIndex(where: { $0.flow == flow }) else {
                if flows.count < Self.maximumFlows { flows.append((flow, [answer.responder])) }
                continue
            }
            guard !flows[index].responders.contains(answer.responder),
                flows[index].responders.count < Self.maximumResponders
            else { continue }
            flows[index].responders.append(answer.responder)
        }
        guard let flow = flows.first(where: { $0.responders.count > 1 }) else { return nil }
        return PathFinding(hops: number...number, kind: .severalResponders(flow.responders))
    }

    private static let maximumResponders = 8
    private static let maximumInterfaces = 4
    private static let maximumFlows = 64
}

/// The first of the most common elements, nil of none. O(n²) for n different ones, of which 64 are looked at.
func mostCommon<Element: Equatable>(_ elements: [Element]) -> Element? {
    var counts: [(element: Element, count: Int)] = []
    for element in elements {
        if let index = counts.firstIndex(where: { $0.element == element }) {
            counts[index].count += 1
        } else if counts.count < 64 {
            counts.append((element, 1))
        }
    }
    guard let most = counts.map(\.count).max() else { return nil }
    return counts.first { $0.count == most }?.element
}

/// Routers that come again and again.
enum LoopFinder {
    /// The first loop of the path: each of its routers, or all but the silent ones, at least twice in the same order.
    static func find(in rows: [FoundRow]) -> PathFinding? {
        guard rows.count > 2 else { return nil }
        for start in 0..<(rows.count - 2) where !rows[start].answers.isEmpty && !rows[start].isEnd {
            for period in 1..<max(2, min(maximumPeriod, rows.count - start)) {
                guard let end = end(of: period, from: start, in: rows) else { continue }
                let responders = (start..<start + period).compactMap { rows[$0].responders.first }
                let hops = rows[start].number...rows[end].number
                return PathFinding(hops: hops, kind: .loop(responders))
            }
        }
        return nil
    }

    /// The last row that is as the one a period before, nil where that is no loop.
    private static func end(of period: Int, from start: Int, in rows: [FoundRow]) -> Int? {
        var matches = 0
        var end: Int?
        for index in (start + period)..<max(start + period, rows.count) {
            let (old, new) = (rows[index - period].responders, rows[index].responders)
            if rows[index].isEnd { break }
            if old.isEmpty || new.isEmpty, index > start + period { continue }
            guard old.contains(where: { new.contains($0) }) else { break }
            matches += 1
            end = index
        }
        // Once is a router with two interfaces at two places, or a path that grew meanwhile.
        guard let end, matches >= 2, end - start + 1 >= 2 * period || matches >= period else { return nil }
        return end
    }

    private static let maximumPeriod = 32
}

/// Why the path ends where it does.
enum EndFinder {
    static func findings(of rows: [FoundRow], loop: PathFinding?) -> [PathFinding] {
        var found: [PathFinding] = []
        for row in rows {
            var kinds: [PathFinding.Kind] = []
            for answer in row.answers {
                guard case .error(let type, let code, let info) = answer.kind else { continue }
                let kind = PathFinding.Kind.refused(type: type, code: code, info: info, responder: answer.responder)
                if kinds.count < maximumErrors, !kinds.contains(kind) { kinds.append(kind) }
            }
            found += kinds.map { PathFinding(hops: row.number...row.number, kind: $0) }
        }
        if let last = rows.last, last.isSilent, loop == nil {
            let silent = rows.lastIndex { !$0.answers.isEmpty }.map { rows[$0 + 1].number } ?? rows[0].number
            found.append(PathFinding(hops: silent...last.number, kind: .silentEnd))
        }
        return found
    }

    private static let maximumErrors = 4
}

extension PathHop {
    /// The responders of the first flow that more than one answered, as the finding tells; nil where each flow met one.
    public var severalResponders: [IPAddress]? {
        guard case .severalResponders(let responders)? = FoundRow(self).severalResponders?.kind else { return nil }
        return responders
    }
}

extension PathAnswer {
    /// The guessed length of the way back in hops, 1 for a neighbour, as traceroute counts it for `--back`: what is left
    /// of 64, 128 or 255, whichever is the first that is not below. Nil where the hop limit is not known.
    public var hopsBack: Int? {
        switch hopLimit {
        case nil, 0: nil
        case .some(let left) where left <= 64: 65 - Int(left)
        case .some(let left) where left <= 128: 129 - Int(left)
        case .some(let left): 256 - Int(left)
        }
    }
}
