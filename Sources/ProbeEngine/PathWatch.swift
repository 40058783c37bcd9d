import PacketFormats

/// Follows a given set of flows, for ever or for so many rounds: who loses what, and how long it takes, for each node, edge
/// and path of a graph.
///
/// A round asks each edge once, by a flow that passes it, and the end of each path by its own flow (`WatchPlan`), evenly
/// over the interval and with absolute deadlines: what was due and could not be sent in time is counted and not made up
/// for. Somebody else's answer than the graph says is a change of the path. Silence is none; what it is shows when the
/// round is over, by who answered behind.
///
/// Each verb takes O(1), but for a round's end, O(its probes + nodes + edges). Memory: the sums, and the probes of the last
/// seconds.
public struct PathWatch: Measurement, Sendable {
    public private(set) var configuration: Configuration
    public private(set) var statistics = PathWatchStatistics()
    /// The flows that have a path, in their order.
    public private(set) var paths: [Path] = []
    /// How many graphs were followed before this one.
    public private(set) var generation = 0
    /// Sums by index of the graph's nodes.
    public private(set) var nodes: [PathCounts] = []
    /// Sums by index of the graph's edges.
    public private(set) var edges: [PathCounts] = []
    /// Sums of the ends of `paths`; with percentiles where there are no more than 64.
    public private(set) var ends: [PathCounts] = []

    /// A round whose probes are not all settled.
    private struct Round {
        var number: UInt64
        var startedAt: Timestamp
        /// Of its first probe.
        var first: UInt64
        /// Of its probes, taken and neither answered nor given up.
        var open = 0
        var isSent = false
        var missed: UInt64 = 0
        var unsent: UInt64 = 0
    }

    /// Flows differ in their method, but not in what its answers mean.
    private var judge: HopJudge
    private let interval: TimeSpan
    private var index: WatchIndex
    private(set) var routes: [WatchRoute] = []
    private var plan: WatchPlan
    private var needsPlan = true
    /// Routers by number: those of the nodes that answer, each address once; by node, nil for those that do not.
    private var routerOfNode: [Int?] = []
    private var limits: [WatchLimit] = []
    private var limitOf: [IPAddress: Int] = [:]

    private var probes = WatchProbes()
    /// All with lower numbers are settled, or were not decided about.
    private var oldestOpen: UInt64 = 1
    /// Those with lower numbers were on their way while nobody could hear.
    private var heardFrom: UInt64 = 1
    /// Those with lower numbers are of a graph that is not followed any more.
    private var firstOfGeneration: UInt64 = 1
    private var rounds: [Round] = []
    private var begun: UInt64 = 0
    /// When the round that is being sent, or the next one, was due; nil before the first.
    private var roundStart: Timestamp?
    private var nextUnit = 0
    /// By path, whether its end is asked in this round.
    private var isEndAsked: [Bool] = []
    /// Missed since the last round began.
    private var missedBefore: UInt64 = 0
    private var lateBefore: UInt64 = 0

    private var returned = Queue<WatchPlan.Place>()
    /// Since when the local queue has taken nothing: it is tried with one probe at a time.
    private var fullSince: Timestamp?
    private var nextSend = Timestamp(nanoseconds: .min)
    private var sentInThisTurn = 0
    /// What was told of since all probes of a round left.
    private var toldFailures: [SendFailure] = []

    private var stampsAwaited = Queue<UInt64>()
    /// The longest round trips of the last rounds and of those before.
    private var longest: TimeSpan?
    private var longestBefore: TimeSpan?
    private var events = Queue<PathWatchEvent>()
    private var isOver = false

    /// Over at once where no flow has a path.
    public init(_ configuration: Configuration) {
        self.configuration = configuration
        let method = configuration.graph.space.method
        judge = HopJudge(configuration.destination, method, payloadLength: configuration.payloadLength)
        interval = min(max(configuration.interval, Self.shortestInterval), Self.longestInterval)
        index = WatchIndex(configuration.graph)
        plan = WatchPlan([], router: { _ in nil }, strides: [], seed: 0)
        longest = configuration.graph.nodes.filter { $0.roundTrips.count > 0 }.map(\.roundTrips.maximum).max()
        take(configuration.graph, configuration.flows)
        isOver = routes.isEmpty || configuration.rounds == 0
    }

    /// Probes that are remembered: the only thing that grows, up to those of a few seconds.
    var remembered: Int { probes.count }

    /// What is followed.
    public var graph: MultipathGraph { configuration.graph }

    /// The edge between two nodes, nil where there is none or they are not known.
    func edge(_ from: Int?, _ to: Int?) -> Int? {
        guard let from, let to else { return nil }
        return index.edge(from: from, to: to)
    }

    /// Sets everything up that goes by the indices of a graph.
    private mutating func take(_ graph: MultipathGraph, _ flows: [Int]) {
        index = WatchIndex(graph)
        routes = graph.routes(of: flows, index)
        paths = routes.map { route in
            Path(
                flow: route.flow, nodes: route.stops.prefix(route.end + 1).map { $0.node },
                lastHop: graph.firstHop + route.end)
        }
        nodes = Array(repeating: PathCounts(), count: graph.nodes.count)
        edges = Array(repeating: PathCounts(), count: graph.edges.count)
        ends = paths.map { _ in PathCounts(withPercentiles: paths.count <= Self.mostPercentiles) }
        let former = (limits, limitOf)
        limits = []
        limitOf = [:]
        routerOfNode = graph.nodes.map { node in
            guard let address = node.responder?.withoutZone else { return nil }
            if let known = limitOf[address] { return known }
            limitOf[address] = limits.count
            let isLimited = configuration.limitedHops.contains(node.hop)
            limits.append(former.1[address].map { former.0[$0] } ?? WatchLimit(isSuspected: isLimited))
            return limits.count - 1
        }
        needsPlan = true
    }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard !isOver, now >= nextSend, sentInThisTurn < Self.burst, fullSince == nil || sentInThisTurn == 0 else {
            return nil
        }
        if roundStart == nil { roundStart = now }
        skipMissed(now)
        guard let place = returned.next() ?? nextPlace(now) else { return nil }
        return transmit(place, now)
    }

    private mutating func transmit(_ place: WatchPlan.Place, _ now: Timestamp) -> Transmit {
        let stop = routes[place.path].stops[place.stop]
        let before = place.stop > 0 ? routes[place.path].stops[place.stop - 1].node : nil
        let number = rounds[rounds.count - 1].number
        let record = InFlightRecord(subject: UInt32(clamping: place.path), sequence: 0, sentAt: now)
        let id = probes.append(
            WatchProbe(
                record: record, place: place, round: number, node: stop.node, before: before,
                isUncertain: stop.isUncertain))
        rounds[rounds.count - 1].open += 1
        sentInThisTurn += 1
        let fields = graph.space.fields(of: max(0, routes[place.path].flow))
        return Transmit(
            id: ProbeID(rawValue: id),
            probe: Probe(
                destination: configuration.destination, method: fields.method,
                hopLimit: UInt8(clamping: graph.firstHop + place.stop), trafficClass: configuration.trafficClass,
                flow: fields.flow, payloadLength: configuration.payloadLength,
                dontFragment: configuration.dontFragment))
    }

    /// Whom the next unit that is due asks.
    private mutating func nextPlace(_ now: Timestamp) -> WatchPlan.Place? {
        while let due = nextDue, due <= now {
            beginRound()
            guard nextUnit < plan.units.count else { return nil }
            let round = rounds[rounds.count - 1].number
            let unit = plan.units[nextUnit]
            let isRoomy = probes.next - oldestOpen < UInt64(Self.mostUnderWay)
            if unit.isDue(in: round), isRoomy {
                let place = place(unit, round)
                passUnit()
                return place
            }
            if unit.isDue(in: round) { miss() }
            passUnit()
        }
        return nil
    }

    /// Of an edge whose turn it is, the flow whose turn it is: of those whose ends are asked in this round too, because they
    /// show what silence means.
    private func place(_ unit: WatchPlan.Unit, _ round: UInt64) -> WatchPlan.Place {
        let edge = unit.edge(in: round)
        let turn = unit.turn(in: round) / unit.edges.count
        guard edge.count > 1 else { return edge[0] }
        let witnesses = edge.filter { isEndAsked[$0.path] }
        return witnesses.isEmpty ? edge[turn % edge.count] : witnesses[turn % witnesses.count]
    }

    /// When the next unit is due; nil when all rounds were sent.
    private var nextDue: Timestamp? {
        guard let roundStart, isSending || configuration.rounds.map({ begun < $0 }) ?? true else { return nil }
        return roundStart + offset(nextUnit)
    }

    /// Whether the round of `roundStart` has begun.
    private var isSending: Bool { rounds.last.map { !$0.isSent } ?? false }

    private func offset(_ unit: Int) -> TimeSpan {
        let count = Int64(max(1, plan.units.count))
        let (gap, rest) = interval.nanoseconds.quotientAndRemainder(dividingBy: count)
        return TimeSpan(nanoseconds: gap * Int64(unit) + rest * Int64(unit) / count)
    }

    private mutating func beginRound() {
        guard !isSending, let roundStart else { return }
        if needsPlan { makePlan() }
        begun += 1
        rounds.append(Round(number: begun, startedAt: roundStart, first: probes.next, missed: missedBefore))
        missedBefore = 0
        isEndAsked = Array(repeating: false, count: routes.count)
        for unit in plan.units where unit.isDue(in: begun) {
            let edge = unit.edge(in: begun)
            if edge.count == 1, isEnd(edge[0]) { isEndAsked[edge[0].path] = true }
        }
    }

    private func isEnd(_ place: WatchPlan.Place) -> Bool { place.stop == routes[place.path].end }

    private mutating func makePlan() {
        needsPlan = false
        let perSecond = Int((TimeSpan.seconds(1).nanoseconds + interval.nanoseconds - 1) / interval.nanoseconds)
        let strides = limits.map { limit -> Int? in
            switch limit.pace {
            case .all: nil
            case .turns: 1
            case .second: perSecond
            }
        }
        let (routerOfNode, seed) = (routerOfNode, configuration.seed)
        plan = WatchPlan(routes, router: { $0.node.flatMap { routerOfNode[$0] } }, strides: strides, seed: seed)
    }

    private mutating func passUnit() {
        nextUnit += 1
        if nextUnit >= plan.units.count { endSending() }
    }

    /// The running round sends nothing more, but what the local queue gave back.
    private mutating func endSending() {
        guard isSending, let start = roundStart else { return }
        rounds[rounds.count - 1].isSent = true
        roundStart = start + interval
        nextUnit = 0
    }

    private mutating func miss() {
        rounds[rounds.count - 1].missed += 1
        statistics.missed += 1
    }

    /// Leaves out what has been due for too long. O(units).
    private mutating func skipMissed(_ now: Timestamp) {
        let count = Int64(max(1, plan.units.count))
        let tolerance = Pacer.lateness(for: TimeSpan(nanoseconds: interval.nanoseconds / count))
        while let due = nextDue, now - due >= tolerance {
            if !isSending {
                giveUpReturned()
                let behind = ((now - due) - tolerance).nanoseconds / interval.nanoseconds
                if behind > 0 {
                    let missed = plan.units.reduce(0) { $0 + UInt64(behind) / UInt64($1.stride) }
                    statistics.missed &+= missed
                    missedBefore &+= missed
                    roundStart = due + interval * behind
                    continue
                }
                beginRound()
                guard !plan.units.isEmpty else { return }
            }
            if plan.units[nextUnit].isDue(in: rounds[rounds.count - 1].number) { miss() }
            passUnit()
        }
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard probes.contains(id.rawValue) else { return }
        probes[id.rawValue].record.take(stamp)
        if probes[id.rawValue].record.state == .pending {
            probes[id.rawValue].record.state = .outstanding
            statistics.transmitted += 1
            fullSince = nil
        }
        if stamp.clock == .kernel, probes[id.rawValue].arrival != nil { time(id.rawValue) }
        tellRounds()
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard probes.contains(id.rawValue), probes[id.rawValue].record.state == .pending else { return }
        let probe = probes[id.rawValue]
        probes[id.rawValue].record.state = .unsent
        settle(id.rawValue)
        let since = fullSince ?? now
        if !isOver, failure == .retryLater, now - since < Self.retryLimit, rounds.last?.number == probe.round {
            fullSince = since
            nextSend = now + Self.retryPause
            returned.append(probe.place)
        } else {
            countUnsent(probe.round)
            tell(failure, probe.place)
        }
        tellRounds()
    }

    private mutating func countUnsent(_ round: UInt64) {
        statistics.unsent += 1
        guard let index = roundIndex(round) else { return }
        rounds[index].unsent += 1
    }

    private mutating func tell(_ failure: SendFailure, _ place: WatchPlan.Place) {
        guard !isOver, !toldFailures.contains(failure), toldFailures.count < Self.mostFailures else { return }
        toldFailures.append(failure)
        let flow = routes[place.path].flow
        events.append(.unsent(flow: flow, hop: graph.firstHop + place.stop, failure: failure))
    }

    /// What the local queue gave back is not tried any more.
    private mutating func giveUpReturned() {
        guard let round = rounds.last?.number else { return }
        while let place = returned.next() {
            countUnsent(round)
            tell(.retryLater, place)
        }
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        guard !isOver else { return }
        guard let kind = judge.kind(of: response) else {
            statistics.unsolicited += 1
            return
        }
        guard let id = judge.probe(of: response)?.rawValue ?? probe(awaitedFrom: response) else {
            statistics.unidentified += 1
            return
        }
        guard probes.contains(id) else {
            statistics.unsolicited += 1
            return
        }
        switch probes[id].record.state {
        case .outstanding: answer(id, response, kind)
        case .expired, .unheard: takeLate(id, response)
        case .answered: statistics.duplicates += 1
        case .pending, .unsent, .failed: statistics.unsolicited += 1
        }
        tellRounds()
    }

    /// The only probe under way that waits for this router, where an error quotes too little to name one. O(probes under
    /// way).
    private func probe(awaitedFrom response: Response) -> UInt64? {
        guard case .icmpError = response.kind, judge.isAboutDestination(response) else { return nil }
        let responder = response.responder.withoutZone
        var found: UInt64?
        for id in stride(from: max(oldestOpen, firstOfGeneration), to: probes.next, by: 1) {
            guard probes[id].record.state == .outstanding, let node = probes[id].node,
                graph.nodes[node].responder?.withoutZone == responder
            else { continue }
            guard found == nil else { return nil }
            found = id
        }
        return found
    }

    private mutating func answer(_ id: UInt64, _ response: Response, _ kind: PathAnswer.Kind) {
        statistics.received += 1
        if case .error = kind { probes[id].isRefusal = true }
        probes[id].record.state = .answered
        meet(id, response, kind)
        probes[id].arrival = (response.stamp, response.arrival)
        let waitsForStamp =
            configuration.wantsKernelStamps && probes[id].record.stamp.clock == .user
            && response.stamp.clock == .kernel
        if waitsForStamp {
            stampsAwaited.append(id)
        } else {
            time(id)
        }
    }

    /// Computes the round trip of an answer and settles its probe.
    private mutating func time(_ id: UInt64) {
        guard let arrival = probes[id].arrival else { return }
        let record = probes[id].record
        let (roundTrip, clock) = RoundTrip.of(
            sentAt: record.sentAt, record.stamp, arrival.stamp, readAt: arrival.at,
            wantsKernelStamps: configuration.wantsKernelStamps)
        if clock == .user { statistics.userTimed += 1 }
        note(roundTrip)
        probes[id].roundTrip = roundTrip
        probes[id].arrival = nil
        settle(id)
    }

    private mutating func takeLate(_ id: UInt64, _ response: Response) {
        statistics.late += 1
        note(TimeSpan(nanoseconds: max(0, (response.arrival - probes[id].record.sentAt).nanoseconds)))
        let isTold = roundIndex(probes[id].round) == nil
        if isTold {
            lateBefore += 1
            if id >= firstOfGeneration { correct(probes[id]) }
        }
        if probes[id].record.state == .unheard, isTold { statistics.unheard -= 1 }
        probes[id].record.state = .answered
        probes[id].isLate = true
        guard id >= firstOfGeneration else { return }
        let place = probes[id].place
        probes[id].responder = index.node(at: graph.firstHop + place.stop, response.responder)
    }

    /// Learns who answers a flow at a hop now.
    private mutating func meet(_ id: UInt64, _ response: Response, _ kind: PathAnswer.Kind) {
        let place = probes[id].place
        let hop = graph.firstHop + place.stop
        let node = index.node(at: hop, response.responder)
        probes[id].responder = node
        var stop = routes[place.path].stops[place.stop]
        // An older answer that was overtaken says nothing about now.
        guard id > stop.latest else { return }
        stop.latest = id
        if stop.isSuspect { needsPlan = true }
        stop.isSuspect = false
        let former = stop.responder
        let isCandidate = node.map { stop.candidates.contains($0) } ?? false
        stop.responder = node.map { .node($0) } ?? .other(response.responder)
        if stop.isSpread, isCandidate { stop.responder = .unknown }
        let isLearned = isCandidate && (former == .unknown || stop.isGuess)
        stop.silences = 0
        stop.isGuess = false
        let isChange = stop.responder != former && !isLearned
        stop.history = stop.history << 1 | (isChange ? 1 : 0)
        let wasUnsteady = stop.isUnsteady
        let changes = stop.history.nonzeroBitCount
        stop.isUnsteady = wasUnsteady ? changes > Self.fewChanges : changes >= Self.manyChanges
        needsPlan = needsPlan || stop.responder != former || stop.isUnsteady != wasUnsteady
        routes[place.path].stops[place.stop] = stop
        guard isChange else { return }
        statistics.changes += 1
        guard !wasUnsteady else { return }
        events.append(
            .changed(
                PathWatchChange(
                    flow: routes[place.path].flow, hop: hop, from: address(former), to: response.responder,
                    kind: kind, at: response.arrival)))
        if stop.isUnsteady {
            events.append(.unsteady(flow: routes[place.path].flow, hop: hop))
        } else {
            suspect(place, former)
        }
    }

    private func address(_ responder: WatchStop.Responder) -> IPAddress? {
        switch responder {
        case .unknown: nil
        case .node(let node): graph.nodes[node].responder
        case .other(let address): address
        }
    }

    /// A flow that leaves its way there is asked itself everywhere, and so are those that shared the place. O(paths + hops).
    private mutating func suspect(_ place: WatchPlan.Place, _ former: WatchStop.Responder) {
        for stop in routes[place.path].stops.indices where stop != place.stop {
            routes[place.path].stops[stop].isSuspect = true
        }
        for path in routes.indices where path != place.path && place.stop < routes[path].stops.count {
            guard routes[path].stops[place.stop].responder == former else { continue }
            routes[path].stops[place.stop].isSuspect = true
        }
        needsPlan = true
    }

    private mutating func note(_ roundTrip: TimeSpan) { longest = max(longest ?? roundTrip, roundTrip) }

    public func awaits(_ id: ProbeID) -> Bool {
        !isOver && probes.contains(id.rawValue) && probes[id.rawValue].record.state == .outstanding
    }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        guard !isOver else { return }
        sentInThisTurn = 0
        while let id = stampsAwaited.first {
            if probes.contains(id), let arrival = probes[id].arrival {
                guard arrival.at + Self.stampPatience <= now else { break }
                time(id)
            }
            _ = stampsAwaited.next()
        }
        expire(now)
        tellRounds()
        while probes.count > 0, probes.first < oldestOpen, probes.first < (rounds.first?.first ?? .max),
            probes.count > Self.mostRemembered || probes[probes.first].record.sentAt + Self.memory <= now
        {
            probes.removeFirst()
        }
    }

    /// How long any answer is waited for.
    private var wait: TimeSpan {
        guard let some = longest ?? longestBefore, let delay = configuration.maximumDelay else {
            return configuration.maximumWait
        }
        return min(configuration.maximumWait, max(some, longestBefore ?? some) + delay)
    }

    /// Gives up what has been waited for long enough: the oldest first. O(what is given up) amortised.
    private mutating func expire(_ now: Timestamp) {
        let wait = wait
        for id in stride(from: oldestOpen, to: probes.next, by: 1) {
            guard probes[id].record.sentAt + wait <= now else { break }
            guard probes[id].record.state == .outstanding else { continue }
            probes[id].record.state = id < heardFrom ? .unheard : .expired
            if id >= heardFrom { learnSilence(probes[id].place) }
            settle(id)
        }
    }

    /// Who is silent is not asked on and on because of a suspicion, and where one of several is known to be silent it is
    /// that one after a while.
    private mutating func learnSilence(_ place: WatchPlan.Place) {
        var stop = routes[place.path].stops[place.stop]
        if stop.isSuspect {
            stop.isSuspect = false
            needsPlan = true
        }
        if stop.responder == .unknown, !stop.isSpread {
            stop.silences += 1
            if stop.silences >= Self.convincingSilences,
                let silent = stop.candidates.first(where: { graph.nodes[$0].responder == nil })
            {
                stop.responder = .node(silent)
                stop.isGuess = true
                needsPlan = true
            }
        }
        routes[place.path].stops[place.stop] = stop
    }

    public func expiresSilence(at now: Timestamp) -> Bool {
        guard !isOver, oldestOpen < probes.next else { return false }
        return probes[oldestOpen].record.sentAt + wait <= now
    }

    public mutating func awoke(at now: Timestamp) { heardFrom = probes.next }

    public mutating func didDrop(_ packets: UInt64, at now: Timestamp) {
        statistics.droppedHere &+= packets
        heardFrom = probes.next
    }

    public mutating func apply(_ command: Command, at now: Timestamp) {
        guard !isOver, case .follow(let graph, let flows) = command else { return }
        endRounds()
        let former = (self.graph, paths, nodes, edges, ends, index)
        configuration.graph = graph
        configuration.flows = flows
        generation += 1
        firstOfGeneration = probes.next
        take(graph, flows)
        keepSums(former.0, former.1, former.2, former.3, former.4, former.5)
        if routes.isEmpty { isOver = true }
    }

    /// Gives nodes, edges and paths of the new graph the sums of the same ones of the old graph. O(nodes + edges + paths).
    private mutating func keepSums(
        _ graph: MultipathGraph, _ paths: [Path], _ nodes: [PathCounts], _ edges: [PathCounts], _ ends: [PathCounts],
        _ index: WatchIndex
    ) {
        func former(_ node: Int) -> Int? {
            let node = self.graph.nodes[node]
            return index.node(at: node.hop, node.responder)
        }
        for node in self.graph.nodes.indices { if let found = former(node) { self.nodes[node] = nodes[found] } }
        for (place, edge) in self.graph.edges.enumerated() {
            guard let from = former(edge.from), let to = former(edge.to), let found = index.edge(from: from, to: to)
            else { continue }
            self.edges[place] = edges[found]
        }
        for (place, path) in self.paths.enumerated() {
            if let found = paths.firstIndex(where: { $0.flow == path.flow }) { self.ends[place] = ends[found] }
        }
    }

    public mutating func stop(at now: Timestamp) {
        guard !isOver else { return }
        endRounds()
        isOver = true
    }

    /// Ends all rounds as they are.
    private mutating func endRounds() {
        giveUpReturned()
        endSending()
        for id in stride(from: oldestOpen, to: probes.next, by: 1) {
            switch probes[id].record.state {
            case .outstanding:
                probes[id].record.state = .unheard
                settle(id)
            case .answered: time(id)
            // The driver is still to say what became of it.
            case .pending: probes[id].record.state = .unsent
            default: break
            }
        }
        while let id = stampsAwaited.next() { if probes.contains(id) { time(id) } }
        oldestOpen = probes.next
        while !rounds.isEmpty { tell(rounds.removeFirst()) }
    }

    // MARK: Rounds

    /// Where a round stands among those that are not over.
    private func roundIndex(_ number: UInt64) -> Int? {
        guard let first = rounds.first, number >= first.number else { return nil }
        let index = Int(number - first.number)
        return index < rounds.count ? index : nil
    }

    private mutating func settle(_ id: UInt64) {
        if let index = roundIndex(probes[id].round) { rounds[index].open -= 1 }
        while oldestOpen < probes.next {
            switch probes[oldestOpen].record.state {
            case .pending, .outstanding: return
            default: oldestOpen += 1
            }
        }
    }

    /// Tells of the rounds that are over, in order.
    private mutating func tellRounds() {
        guard !isOver else { return }
        while let round = rounds.first, round.isSent, round.open == 0, rounds.count > 1 || returned.isEmpty {
            rounds.removeFirst()
            tell(round)
        }
        if rounds.isEmpty, let limit = configuration.rounds, begun >= limit { isOver = true }
    }

    private mutating func tell(_ round: Round) {
        let end = rounds.first?.first ?? probes.next
        let numbers = max(round.first, probes.first)..<end
        judgeSilence(numbers)
        var told = PathRound(
            number: round.number, generation: generation, startedAt: round.startedAt,
            nodes: Array(repeating: PathCounts(), count: nodes.count),
            edges: Array(repeating: PathCounts(), count: edges.count),
            paths: Array(repeating: PathCounts(), count: ends.count))
        (told.unsent, told.missed, told.lateBefore) = (round.unsent, round.missed, lateBefore)
        lateBefore = 0
        for id in numbers {
            let probe = probes[id]
            guard probe.record.state != .unsent else { continue }
            told.transmitted += 1
            if probe.isAnswered, !probe.isLate { told.received += 1 }
            if probe.record.state == .unheard { statistics.unheard += 1 }
            Self.count(probe, places(of: probe), &told.nodes, &told.edges, &told.paths)
            Self.count(probe, places(of: probe), &nodes, &edges, &ends)
        }
        lookForLimits(numbers, round.number)
        if told.unsent == 0 { toldFailures = [] }
        statistics.rounds += 1
        if statistics.rounds.isMultiple(of: Self.roundsOfLongest) { (longestBefore, longest) = (longest, nil) }
        events.append(.round(told))
    }

    /// Finds out behind which silence somebody answered.
    private mutating func judgeSilence(_ numbers: Range<UInt64>) {
        var furthest = Array(repeating: -1, count: routes.count)
        // By path, the furthest stop in front of its end that was asked, and whether it answered.
        var front = Array(repeating: (stop: -1, isAnswered: false), count: routes.count)
        var answers = Array(repeating: 0, count: limits.count)
        for id in numbers {
            let (place, isAnswered) = (probes[id].place, probes[id].isAnswered)
            if isAnswered {
                furthest[place.path] = max(furthest[place.path], place.stop)
                if let router = router(of: probes[id]) { answers[router] += 1 }
            }
            guard place.stop < routes[place.path].end, place.stop > front[place.path].stop else { continue }
            front[place.path] = (place.stop, isAnswered)
        }
        for id in numbers {
            let place = probes[id].place
            probes[id].isPassed = place.stop < furthest[place.path]
            // Nobody is behind an end; but who answers others, and may be limiting, is there.
            guard isEnd(place), let router = router(of: probes[id]), answers[router] > 0, front[place.path].isAnswered
            else { continue }
            if !limits[router].isFree { probes[id].isPassed = true }
            probes[id].isNearlyPassed = true
        }
    }

    private func router(of probe: WatchProbe) -> Int? { probe.node.flatMap { routerOfNode[$0] } }

    /// Where a probe is counted.
    private struct Places {
        var node: Int?
        var edge: Int?
        /// Its end, and whether one of the graph's nodes there answered.
        var end: Int?
        var isEndReached = false
        /// Nodes and edges that it may have met.
        var uncertainNodes: [Int] = []
        var uncertainEdges: [Int] = []
    }

    private func places(of probe: WatchProbe) -> Places {
        let stop = routes[probe.place.path].stops[probe.place.stop]
        var places = Places()
        places.node = probe.node
        if probe.node == nil, probe.isAnswered { places.node = probe.responder }
        places.edge = edge(probe.before, places.node)
        if isEnd(probe.place) {
            places.end = probe.place.path
            places.isEndReached = probe.responder.map { stop.candidates.contains($0) } ?? false
        }
        if probe.isUncertain, !probe.isAnswered, probe.record.state != .unheard {
            places.uncertainNodes = stop.candidates
            places.uncertainEdges = stop.candidates.compactMap { edge(probe.before, $0) }
        }
        return places
    }

    private static func verdict(_ probe: WatchProbe, isExpected: Bool) -> PathCounts.Verdict {
        switch probe.record.state {
        case .answered: probe.isLate ? .late : isExpected ? .received : probe.isRefusal ? .refused : .diverted
        case .expired: probe.isPassed ? .withheld : .lost
        default: .unheard
        }
    }

    private static func count(
        _ probe: WatchProbe, _ places: Places, _ nodes: inout [PathCounts], _ edges: inout [PathCounts],
        _ ends: inout [PathCounts]
    ) {
        let verdict = verdict(probe, isExpected: places.node == probe.responder)
        if let node = places.node { nodes[node].add(verdict, probe.roundTrip) }
        if let edge = places.edge { edges[edge].add(verdict, probe.roundTrip) }
        if let end = places.end {
            ends[end].add(Self.verdict(probe, isExpected: places.isEndReached), probe.roundTrip)
        }
        for node in places.uncertainNodes { nodes[node].uncertain += 1 }
        for edge in places.uncertainEdges { edges[edge].uncertain += 1 }
    }

    /// The sums counted a probe as silent whose answer comes now.
    private mutating func correct(_ probe: WatchProbe) {
        let former = Self.verdict(probe, isExpected: false)
        let places = places(of: probe)
        if let node = places.node { nodes[node].correct(former) }
        if let edge = places.edge { edges[edge].correct(former) }
        if let end = places.end { ends[end].correct(former) }
        for node in places.uncertainNodes { nodes[node].uncertain -= 1 }
        for edge in places.uncertainEdges { edges[edge].uncertain -= 1 }
    }

    /// Finds routers that answer less often than they are asked. O(probes of the round).
    private mutating func lookForLimits(_ numbers: Range<UInt64>, _ round: UInt64) {
        var asked = Array(repeating: 0, count: limits.count)
        var answered = asked
        var withheld = asked
        for id in numbers {
            guard let router = router(of: probes[id]) else { continue }
            switch probes[id].record.state {
            case .answered: answered[router] += 1
            case .expired: if probes[id].isPassed || probes[id].isNearlyPassed { withheld[router] += 1 }
            default: continue
            }
            asked[router] += 1
        }
        for router in limits.indices where asked[router] > 0 {
            let former = limits[router].pace
            // At full pace only what others than the way can withhold is evidence; at a slower one all must be there.
            let missing = former == .all ? withheld[router] : asked[router] - answered[router]
            let finding = limits[router].take(
                asked: asked[router], missing: missing, round: round, next: begun + 1,
                edges: plan.edgesOfRouter[router], isShorterThanSecond: interval < .seconds(1))
            if finding == .pace { needsPlan = true }
            guard finding == .limit, let node = routerOfNode.firstIndex(of: router) else { continue }
            events.append(.slowed(hop: graph.nodes[node].hop, responder: graph.nodes[node].responder))
        }
    }

    public mutating func nextEvent() -> PathWatchEvent? { events.next() }

    public var schedule: Schedule {
        if isOver { return .finished }
        guard roundStart != nil else { return .at(Timestamp(nanoseconds: .min)) }
        var earliest: Timestamp?
        func consider(_ instant: Timestamp) { earliest = min(earliest ?? instant, instant) }
        if !returned.isEmpty {
            consider(nextSend)
        } else if let nextDue {
            consider(max(nextDue, nextSend))
        }
        if oldestOpen < probes.next { consider(probes[oldestOpen].record.sentAt + wait) }
        if let id = stampsAwaited.first {
            let arrival = probes.contains(id) ? probes[id].arrival : nil
            consider(arrival.map { $0.at + Self.stampPatience } ?? Timestamp(nanoseconds: .min))
        }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    private static let shortestInterval = TimeSpan.milliseconds(10)
    /// About three years.
    private static let longestInterval = TimeSpan.seconds(100_000_000)
    private static let mostPercentiles = 64
    /// Probes that are sent before answers are looked for.
    private static let burst = 64
    private static let mostUnderWay = 1 << 16
    /// Probes that are remembered behind their rounds, for answers that come late.
    private static let mostRemembered = 1 << 16
    private static let memory = TimeSpan.seconds(10)
    private static let convincingSilences = 3
    /// Of the last sixteen answers.
    private static let manyChanges = 4
    private static let fewChanges = 1
    private static let mostFailures = 8
    private static let roundsOfLongest: UInt64 = 64
    private static let stampPatience = TimeSpan.milliseconds(1)
    private static let retryPause = TimeSpan.milliseconds(1)
    /// A queue that stays full for so long counts as a failure.
    private static let retryLimit = TimeSpan.milliseconds(500)
}
