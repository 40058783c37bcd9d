import PacketFormats

/// What is to be asked next: all of it follows from the rows.
extension MultipathTrace {
    // MARK: What happened

    /// Files an answer and returns the index of who gave it.
    mutating func note(
        _ responder: IPAddress, _ kind: PathAnswer.Kind, hop: Int, flow: Int, wasAwaited: Bool
    ) -> Int {
        let knownBefore = rows[hop - 1].responders.count
        let wasAnswered = rows[hop - 1][flow].state == .answered
        let vertex = rows[hop - 1].take(responder, isEnd: kind != .timeExceeded, flow: flow)
        rows[hop - 1][flow].state = .answered
        if wasAwaited {
            rows[hop - 1].underWay -= 1
            rows[hop - 1].slowness?.heard += 1
            if wasAnswered, rows[hop - 1][flow].repeatsUnderWay > 0 { rows[hop - 1][flow].repeatsUnderWay -= 1 }
            if rows[hop - 1].trial?.controls.contains(flow) == true { rows[hop - 1].trial?.heard += 1 }
        }
        // Of the others at a hop an answer tells as much as of itself: one plan does for all of them.
        let isNews = rows[hop - 1].responders.count > knownBefore || Int(rows[hop - 1][flow].vertex) != vertex
        if isNews || rows[hop - 1].underWay == 0 { needsPlan = true }
        if knownBefore == 0 {
            // Somebody speaks here after all.
            for other in rows[hop - 1].slots.indices where rows[hop - 1][other].state == .silent {
                rows[hop - 1][other].state = .doubtful
            }
        }
        return vertex
    }

    /// Ends what was asked without an answer.
    mutating func conclude(hop: Int, flow: Int, as state: MultipathHop.Slot.State) {
        rows[hop - 1].underWay -= 1
        if rows[hop - 1][flow].state == .answered {
            if rows[hop - 1][flow].repeatsUnderWay > 0 { rows[hop - 1][flow].repeatsUnderWay -= 1 }
        } else {
            rows[hop - 1][flow].state = state
        }
        if rows[hop - 1].underWay == 0 { needsPlan = true }
    }

    // MARK: Plan

    /// Lines up what the answers so far ask for, and ends the trace where they ask for nothing more.
    mutating func plan(at now: Timestamp) {
        needsPlan = false
        var asks: [Ask] = []
        for hop in hopRange { settleSilence(at: hop, now, &asks) }
        let view = MultipathView(rows, firstHop: firstHop, flows: flowCount, isLite: configuration.isLite)
        explore(view, &asks)
        var newFlows: [Int] = []
        var isSettled = true
        for hop in firstHop..<max(firstHop, min(rows.count, view.furthest + 1, loopEnd(view) ?? .max) + 1) {
            isSettled = askGroups(at: hop, view, isAboveSettled: isSettled, &newFlows, &asks)
        }
        for hop in hopRange { release(at: hop, now, &asks) }
        append(asks)
        if asks.isEmpty, isIdle, !isWaiting { finish(view, now) }
    }

    private var hopRange: Range<Int> { firstHop..<max(firstHop, rows.count + 1) }

    /// Puts asks into the line, a flow of each hop after the other, the hops in a random order.
    private mutating func append(_ asks: [Ask]) {
        var turns = Array(repeating: 0, count: rows.count)
        var ordered: [(turn: Int, ask: Ask)] = []
        for ask in asks {
            ordered.append((turns[ask.hop - 1], ask))
            turns[ask.hop - 1] += 1
        }
        ordered.sort {
            ($0.turn, ranks[$0.ask.hop - 1], $0.ask.hop) < ($1.turn, ranks[$1.ask.hop - 1], $1.ask.hop)
        }
        for (_, ask) in ordered { line.append(ask) }
    }

    /// Marks a place as asked, and asks at once unless its hop is slow.
    private mutating func ask(_ hop: Int, _ flow: Int, _ asks: inout [Ask]) {
        if rows[hop - 1][flow].state == .answered {
            rows[hop - 1][flow].repeatsUnderWay += 1
            if rows[hop - 1][flow].repeats < .max { rows[hop - 1][flow].repeats += 1 }
        } else {
            rows[hop - 1][flow].state = .asked
        }
        if rows[hop - 1].slowness == nil {
            rows[hop - 1].underWay += 1
            asks.append(Ask(hop: hop, flow: flow))
        } else {
            rows[hop - 1].waiting.append(flow)
        }
    }

    // MARK: The end of the path

    /// Asks with flow 0 as far as the path may go.
    private mutating func explore(_ view: MultipathView, _ asks: inout [Ask]) {
        let concluded = firstHop - 1 + rows[(firstHop - 1)...].prefix { $0[0].isConcluded }.count
        let first = firstHop + Self.firstReach - 1
        var horizon = max(view.furthest, concluded) + Self.reach
        if let gap = configuration.gapLimit { horizon = min(horizon, max(view.furthest, firstHop - 1) + max(1, gap)) }
        horizon = max(horizon, first)
        horizon = min(horizon, rows.count, view.ends[0], loopEnd(view) ?? .max)
        for hop in firstHop..<max(firstHop, horizon + 1) where rows[hop - 1][0].state == .unasked {
            ask(hop, 0, &asks)
        }
    }

    /// The hop limit behind which flow 0 goes round in circles: the same responders in the same order twice, or one three
    /// times in a row.
    private func loopEnd(_ view: MultipathView) -> Int? {
        func responder(_ hop: Int) -> IPAddress? {
            guard hop >= firstHop, hop <= view.furthest, view.ends[0] > hop else { return nil }
            let vertex = rows[hop - 1][0].vertex
            return vertex < 0 ? nil : rows[hop - 1].responders[Int(vertex)]
        }
        for last in firstHop..<max(firstHop, view.furthest + 1) {
            guard let end = responder(last) else { continue }
            for length in 1...Self.longestLoop where responder(last - length) == end {
                let compared = max(length, 2)
                guard
                    (0..<compared).allSatisfy({
                        responder(last - $0) != nil && responder(last - $0) == responder(last - $0 - length)
                    })
                else { continue }
                return last
            }
        }
        return nil
    }

    // MARK: Nodes

    /// Asks for what the nodes in front of a hop need. Returns whether they have it.
    ///
    /// - Parameter isAboveSettled: whether those in front of them have: until then they get more flows in any case.
    private mutating func askGroups(
        at hop: Int, _ view: MultipathView, isAboveSettled: Bool, _ newFlows: inout [Int], _ asks: inout [Ask]
    ) -> Bool {
        guard let here = view.hop(hop) else { return true }
        let above = view.hop(hop - 1)
        let askedBefore = asks.count
        var deficit = 0
        var deficient: Set<Int> = []
        for group in here.groups {
            var missing = probesNeeded(havingSeen: group.seen.count) - group.tested - group.open
            for flow in group.unasked.prefix(max(0, missing)) {
                if rows[hop - 1][flow].state == .unasked { ask(hop, flow, &asks) }
                missing -= 1
            }
            if missing > 0, group.parent == MultipathView.mixed {
                askAgain(hop, group.answered, missing, &asks)
            } else if missing > 0, isOpen(group, above) {
                askNew(hop, missing, &newFlows, &asks)
            } else if missing > 0 {
                deficit += missing
                deficient.insert(group.parent)
            }
            tellPacketsFromFlows(group, hop, view, &asks)
        }
        if hop > firstHop, let above {
            if here.isLite { askForLikeness(here, above, hop, &deficit, &deficient, &asks) }
            askForOrigins(here, above, hop, &asks)
            if isAboveSettled { control(deficient, deficit, hop, view, &newFlows, &asks) }
        }
        return deficit == 0 && asks.count == askedBefore && here.groups.allSatisfy(\.isSettled)
    }

    /// Whether any flow passes the node.
    private func isOpen(_ group: MultipathView.Group, _ above: MultipathView.Hop?) -> Bool {
        switch group.parent {
        case MultipathView.source, MultipathView.everybody: true
        case MultipathView.mixed: false
        default: above?.alive.count == 1
        }
    }

    private mutating func askNew(_ hop: Int, _ count: Int, _ newFlows: inout [Int], _ asks: inout [Ask]) {
        for index in 0..<count {
            if index == newFlows.count {
                guard flowCount < configuration.space.count else {
                    lacksFlows = true
                    return
                }
                newFlows.append(flowCount)
                flowCount += 1
            }
            if rows[hop - 1][newFlows[index]].state == .unasked { ask(hop, newFlows[index], &asks) }
        }
    }

    /// Asks answered flows once more, those first that had the fewest answers.
    private mutating func askAgain(_ hop: Int, _ flows: [Int], _ count: Int, _ asks: inout [Ask]) {
        guard !flows.isEmpty, count > 0 else { return }
        let ordered = flows.sorted { (rows[hop - 1][$0].repeats, $0) < (rows[hop - 1][$1].repeats, $1) }
        for index in 0..<count { ask(hop, ordered[index % ordered.count], &asks) }
        statistics.askedAgain += UInt64(count)
    }

    /// A balancer that goes by packets sends a flow's second packet elsewhere. Flows that keep to their branch one hop further
    /// show for nothing that theirs does not.
    private mutating func tellPacketsFromFlows(
        _ group: MultipathView.Group, _ hop: Int, _ view: MultipathView, _ asks: inout [Ask]
    ) {
        guard group.seen.count > 1, !group.isByPackets, group.parent != MultipathView.mixed, group.isSettled,
            group.tested >= probesNeeded(havingSeen: group.seen.count)
        else { return }
        let wanted = repeatsNeeded(havingSeen: group.seen.count)
        guard group.repeatsAsked < wanted * Self.repeatTries else { return }
        if let next = view.hop(hop + 1), next.alive.count > 1 {
            guard next.groups.allSatisfy(\.isSettled) else { return }
            if next.witnesses(of: group.seen) >= repeatsNeeded(havingSeen: 2) { return }
        }
        askAgain(hop, group.answered, max(0, wanted - group.repeated - group.repeatsOpen), &asks)
    }

    /// Nodes that nobody is known in front of: one of their flows is asked for there.
    private mutating func askForOrigins(
        _ here: MultipathView.Hop, _ above: MultipathView.Hop, _ hop: Int, _ asks: inout [Ask]
    ) {
        for vertex in here.alive {
            var candidate: Int?
            var isKnown = false
            for flow in here.vertices.indices where here.vertices[flow] == vertex {
                if here.parents[flow] != MultipathView.unknown { isKnown = true }
                if candidate == nil, rows[hop - 2][flow].state != .unsent { candidate = flow }
            }
            guard !isKnown, let candidate, rows[hop - 2][candidate].state == .unasked else { continue }
            ask(hop - 1, candidate, &asks)
        }
    }

    /// What MDA-Lite's tests need: each node's next hop, and two flows through each on the side with more nodes.
    private mutating func askForLikeness(
        _ here: MultipathView.Hop, _ above: MultipathView.Hop, _ hop: Int, _ deficit: inout Int,
        _ deficient: inout Set<Int>, _ asks: inout [Ask]
    ) {
        let isForward = above.alive.count >= here.alive.count
        for vertex in above.alive where !above.isEnd(vertex) {
            let wanted = here.alive.count > 1 && isForward ? 2 : 1
            let flows = above.vertices.indices.filter { above.vertices[$0] == vertex }
            var missing = wanted - flows.count { rows[hop - 1][$0].state != .unasked }
            for flow in flows where missing > 0 && rows[hop - 1][flow].state == .unasked {
                ask(hop, flow, &asks)
                missing -= 1
            }
            if missing > 0 {
                deficit += missing
                deficient.insert(vertex)
            }
        }
        guard here.alive.count > 1, !isForward || here.alive.count == above.alive.count else { return }
        for vertex in here.alive {
            let flows = here.vertices.indices.filter { here.vertices[$0] == vertex }
            var missing = 2 - flows.count { rows[hop - 2][$0].state != .unasked }
            for flow in flows where missing > 0 && rows[hop - 2][flow].state == .unasked {
                ask(hop - 1, flow, &asks)
                missing -= 1
            }
        }
    }

    /// Node control: finds more flows that pass nodes which have too few, by asking at their hop.
    ///
    /// - Parameter deficit: how many at least.
    private mutating func control(
        _ nodes: Set<Int>, _ deficit: Int, _ hop: Int, _ view: MultipathView, _ newFlows: inout [Int],
        _ asks: inout [Ask]
    ) {
        guard deficit > 0, let above = view.hop(hop - 1) else { return }
        // Whoever is on the way there, or perhaps silent, may be one of them.
        guard rows[hop - 2].askedCount == 0, rows[hop - 2].doubtfulCount == 0 else { return }
        var missing = deficit
        var origins: Set<Int> = []
        for flow in above.vertices.indices where nodes.contains(above.vertices[flow]) {
            origins.insert(above.parents[flow])
        }
        for isKnown in [true, false] {
            for flow in above.parents.indices where missing > 0 && rows[hop - 2][flow].state == .unasked {
                let parent = above.parents[flow]
                guard isKnown ? origins.contains(parent) : parent == MultipathView.unknown else { continue }
                ask(hop - 1, flow, &asks)
                missing -= 1
            }
        }
        if missing > 0 { askNew(hop - 1, missing, &newFlows, &asks) }
    }

    private mutating func probesNeeded(havingSeen seen: Int) -> Int {
        while required.count <= max(1, seen) {
            required.append(configuration.rule.probes(havingSeen: required.count))
        }
        return required[max(1, seen)]
    }

    /// How many second packets take the way of the first by chance only so seldom as the rule allows.
    private mutating func repeatsNeeded(havingSeen seen: Int) -> Int {
        var chance = 1.0
        var count = 0
        while chance > configuration.rule.failure {
            chance /= Double(max(2, seen))
            count += 1
        }
        return count
    }

    // MARK: Silence

    /// Decides about what nobody answered: silence is believed twice while everybody known at the hop is heard beside it.
    private mutating func settleSilence(at hop: Int, _ now: Timestamp, _ asks: inout [Ask]) {
        guard rows[hop - 1].underWay == 0 else { return }
        if let trial = rows[hop - 1].trial {
            rows[hop - 1].trial = nil
            if trial.heard >= trial.controls.count {
                rows[hop - 1].failedTrials = 0
                for flow in trial.doubtful { strike(hop, flow) }
            } else {
                rows[hop - 1].failedTrials += 1
            }
        }
        let doubtful = self.doubtful(at: hop)
        guard !doubtful.isEmpty, rows[hop - 1].slowness == nil else { return }
        if rows[hop - 1].responders.isEmpty {
            for flow in doubtful { rows[hop - 1][flow].state = .silent }
            return
        }
        if rows[hop - 1].failedTrials >= Self.failedTrials {
            rows[hop - 1].slowness = MultipathHop.Slowness(next: now + Self.limiterPause)
            tellSlowness(of: hop)
            return
        }
        let tried = Array(doubtful.prefix(Self.trialLength))
        // More silence than is known already is not believed without a word of everybody else.
        let isNews = tried.count { rows[hop - 1][$0].strikes + 1 >= Self.strikes } > rows[hop - 1].silentCount
        let controls = isNews ? rows[hop - 1].responders.indices.compactMap { control(hop, $0) } : []
        rows[hop - 1].trial = MultipathHop.Trial(doubtful: tried, controls: controls)
        for flow in tried + controls { ask(hop, flow, &asks) }
        statistics.askedAgain += UInt64(tried.count + controls.count)
    }

    /// A flow that a responder has answered and that may be asked again.
    private func control(_ hop: Int, _ vertex: Int) -> Int? {
        rows[hop - 1].slots.indices.filter {
            rows[hop - 1][$0].state == .answered && rows[hop - 1][$0].vertex == vertex && !isOver($0, before: hop)
        }.min { (rows[hop - 1][$0].repeats, $0) < (rows[hop - 1][$1].repeats, $1) }
    }

    /// Whether a flow's path ends before a hop.
    func isOver(_ flow: Int, before hop: Int) -> Bool {
        (firstHop..<max(firstHop, hop)).contains { nearer in
            let vertex = rows[nearer - 1][flow].vertex
            return vertex >= 0 && rows[nearer - 1].ends[Int(vertex)]
        }
    }

    private mutating func doubtful(at hop: Int) -> [Int] {
        var flows: [Int] = []
        guard rows[hop - 1].doubtfulCount > 0 else { return flows }
        for flow in rows[hop - 1].slots.indices where rows[hop - 1][flow].state == .doubtful {
            if isOver(flow, before: hop) {
                rows[hop - 1][flow].state = .unasked
            } else {
                flows.append(flow)
            }
        }
        return flows
    }

    private mutating func strike(_ hop: Int, _ flow: Int) {
        guard rows[hop - 1][flow].state == .doubtful else { return }
        rows[hop - 1][flow].strikes += 1
        if rows[hop - 1][flow].strikes >= Self.strikes { rows[hop - 1][flow].state = .silent }
    }

    // MARK: Slow hops

    /// Asks a slow hop for as much as it answered the last time.
    private mutating func release(at hop: Int, _ now: Timestamp, _ asks: inout [Ask]) {
        guard var slowness = rows[hop - 1].slowness, slowness.next <= now, rows[hop - 1].underWay == 0 else { return }
        if !slowness.released.isEmpty {
            let isFull = slowness.heard >= slowness.released.count
            slowness.allowance = isFull ? min(slowness.allowance * 2, Self.trialLength) : max(1, slowness.heard)
            if slowness.heard == 0, slowness.wereDoubtful { for flow in slowness.released { strike(hop, flow) } }
        }
        var released: [Int] = []
        while released.count < slowness.allowance, !rows[hop - 1].waiting.isEmpty {
            let flow = rows[hop - 1].waiting.removeFirst()
            guard !isOver(flow, before: hop) else {
                rows[hop - 1].underWay += 1
                conclude(hop: hop, flow: flow, as: .unasked)
                continue
            }
            released.append(flow)
        }
        slowness.wereDoubtful = released.isEmpty
        if released.isEmpty {
            released = Array(doubtful(at: hop).prefix(slowness.allowance))
            for flow in released { rows[hop - 1][flow].state = .asked }
            statistics.askedAgain += UInt64(released.count)
        }
        slowness.released = released
        slowness.heard = 0
        if !released.isEmpty { slowness.next = now + Self.limiterPause }
        rows[hop - 1].slowness = slowness
        rows[hop - 1].underWay += released.count
        for flow in released { asks.append(Ask(hop: hop, flow: flow)) }
    }

    private func hasWork(_ hop: Int) -> Bool {
        !rows[hop - 1].waiting.isEmpty || rows[hop - 1].doubtfulCount > 0
    }

    /// Whether a slow hop has something to be asked.
    private var isWaiting: Bool { hopRange.contains { rows[$0 - 1].slowness != nil && hasWork($0) } }

    func hasReleaseDue(_ now: Timestamp) -> Bool {
        guard let nextRelease else { return false }
        return nextRelease <= now
    }

    /// When the first of the slow hops is asked again.
    var nextRelease: Timestamp? {
        var earliest: Timestamp?
        for hop in hopRange where rows[hop - 1].slowness != nil && rows[hop - 1].underWay == 0 && hasWork(hop) {
            guard let next = rows[hop - 1].slowness?.next else { continue }
            earliest = min(earliest ?? next, next)
        }
        return earliest
    }

    // MARK: The end

    /// Nothing is to be asked any more: but for hops that were silent and may have been tired only, as others are.
    private mutating func finish(_ view: MultipathView, _ now: Timestamp) {
        let nobodyAnswered = view.furthest < firstHop
        if nobodyAnswered || rows.contains(where: { $0.slowness != nil }) {
            let silent = hopRange.filter {
                rows[$0 - 1].responders.isEmpty && !rows[$0 - 1].wasAskedAgain && rows[$0 - 1][0].state == .silent
                    && (nobodyAnswered || $0 <= view.furthest)
            }
            for hop in silent {
                rows[hop - 1].wasAskedAgain = true
                rows[hop - 1].slowness = MultipathHop.Slowness(next: now + Self.limiterPause)
                rows[hop - 1][0].state = .asked
                rows[hop - 1].waiting.append(0)
            }
            if !silent.isEmpty { return }
        }
        if isReached {
            pathEnding = .reached
        } else if view.hops.contains(where: { hop in hop.alive.contains { hop.isEnd($0) } }) {
            pathEnding = .unreachable
        } else if loopEnd(view) != nil {
            pathEnding = .loop
        } else {
            pathEnding = view.furthest == rows.count ? .maximumHop : .gap
        }
        end(lacksFlows ? .flowLimit : .complete)
    }

    /// So many hops are asked at once in the beginning, and later behind the furthest that answered.
    private static let firstReach = 8
    private static let reach = 4
    private static let longestLoop = 8
    /// Linux gives a host an error a second once those in a burst are used up.
    private static let limiterPause = TimeSpan.milliseconds(1_050)
    /// How often silence is told from a lost packet.
    private static let strikes = 2
    private static let failedTrials = 2
    private static let trialLength = 64
    /// Asks for each repeat that is needed, before a hop that leaves them out is taken for what it seems.
    private static let repeatTries = 3
}
