import PacketFormats

/// Which routers a packet passes on its way: what traceroute measures, with the whole path in flight at once.
///
/// Every hop is asked once at the start. A hop that answers is asked for the rest of its queries at once, and so is a
/// silent one as soon as a hop behind it has answered; a few milliseconds later the rest is asked in any case, so that a
/// long path takes no more than its one round trip. How long silence is waited for follows from the round trips that are
/// known (`PathWaits`). The destination answers the probes that had hops to spare too; those answers are round trips over
/// the same path and fill its row before it is asked again, because hosts limit the rate of their errors.
///
/// Each verb takes O(hops) at most.
public struct PathTrace: Measurement, Sendable {
    public struct Configuration: Sendable {
        public var destination: IPAddress
        public var method = ProbeMethod.udp(destinationPort: 33_434)
        public var firstHop = 1
        public var maximumHop = 30
        public var queries = 3
        /// The longest that any answer is waited for.
        public var maximumWait = TimeSpan.seconds(5)
        /// An answer of the same hop's limits the wait to this many of its round trips.
        public var hereFactor = 3.0
        /// An answer of a later hop's limits the wait to this many of its round trips.
        public var nearFactor = 10.0
        /// Probes under way at once.
        public var maximumInFlight = 2_550
        /// Between two probes.
        public var pause = TimeSpan.zero
        public var payloadLength = 32
        public var trafficClass: UInt8 = 0
        public var dontFragment = false
        /// Counts the destination port up with every probe, as old traceroutes do: each probe is a flow of its own.
        public var changesPort = false
        /// Gives each probe another flow number, where its means makes it a flow of its own: routers that differ between them
        /// are no contradiction then.
        public var changesFlow = false
        /// How long hops are waited for behind which nobody answers, at least: longer where NEAR round trips of the longest
        /// are, never longer than `maximumWait`; nil is `maximumWait`.
        public var tailWait: TimeSpan? = .seconds(1)
        /// How much longer than a round trip an answer is waited for at most, however many round trips HERE and NEAR make of
        /// it: what takes a router long is the error and not the way. nil sets no limit.
        public var maximumDelay: TimeSpan? = .milliseconds(500)
        /// Ends the path behind so many silent hops in a row; nil goes on to the last.
        public var gapLimit: Int?
        /// Ends the path where the same routers come again and again.
        public var stopsAtLoops = true
        /// Asks all hops once more, a second later, that were silent while later ones answered: routers limit their errors.
        /// Else they are asked where the others show that they limit, too.
        public var asksSilentHopsAgain = false
        /// Decides the order in which neighbouring hops are asked.
        public var seed: UInt64 = 0
        /// Wait for the kernel's send stamps before a hop is reported.
        public var wantsKernelStamps = true

        /// Whether all probes look alike to a load balancer.
        public var hasConstantFlow: Bool { !changesPort && !changesFlow }

        public init(destination: IPAddress) { self.destination = destination }
    }

    public let configuration: Configuration
    public private(set) var statistics = PathStatistics()
    /// Why it goes no further; nil while it does.
    public private(set) var ending: PathEnding?
    /// Why the last probe that did not leave this host did not.
    public private(set) var unsentFailure: SendFailure?
    /// Whether the destination itself has answered.
    public private(set) var isReached = false
    /// The hop at which the path ends: the destination's, or that of a router which says that it goes no further.
    public var lastHop: Int? { end?.hop }

    private let judge: HopJudge
    private var table = InFlightTable(maximumCapacity: 1 << 18)
    private var events = Queue<PathEvent>()
    /// By hop limit minus one; those below the first stay empty.
    private var rows: [PathRow]
    private var line: PathLine
    private var end: PathEnd?
    private var evidence = PathEndEvidence()
    private var loop: PathLoop
    private var waits: PathWaits
    private let firstHop: Int
    /// The next row to be told.
    private var nextRow: Int
    /// Up to which hop somebody has answered, there or behind, so that all queries were asked for.
    private var passed: Int
    /// The highest hop that has answered.
    private var furthestAnswer = 0
    private var silentRowsTold = 0
    private var inFlightCount = 0
    private var latest = ProbeID(rawValue: 0)
    private var stampsAwaited = Queue<ProbeID>()
    /// Since when the local queue has taken nothing: it is tried with one probe at a time.
    private var fullSince: Timestamp?
    private var nextSend = Timestamp(nanoseconds: .min)
    private var sentInThisTurn = 0
    /// What was sent in this turn.
    private var leaving: [PathLine.Place] = []
    private var firstsInThisTurn = 0
    private var sentCount: UInt16 = 0
    /// Of the probes that have a port of their own, in the order of their ports.
    private var numbersByPort: [ProbeID] = []
    /// When the last probe was taken from here.
    private var lastSentAt = Timestamp(nanoseconds: .min)
    /// The latest instant that was told.
    private var clock = Timestamp(nanoseconds: .min)
    /// When the last answer was read.
    private var lastArrival = Timestamp(nanoseconds: .min)
    /// Once errors without identity came: what is missing is asked for again, one probe at a time.
    private var isAskingAlone = false
    /// Whether a row waits for the pause before silent hops are asked again.
    private var isPausing = false
    /// The hops behind the last answer that are asked once more, once that is decided.
    private var tail: Range<Int>?

    public init(_ configuration: Configuration) {
        self.configuration = configuration
        judge = HopJudge(
            configuration.destination, configuration.method, payloadLength: configuration.payloadLength)
        firstHop = max(1, configuration.firstHop)
        nextRow = firstHop
        passed = firstHop - 1
        let queries = max(0, configuration.queries)
        let count = min(max(0, configuration.maximumHop), Int(UInt8.max))
        rows = Array(repeating: PathRow(queries: queries), count: count)
        line = PathLine(queries: queries)
        loop = PathLoop(from: firstHop)
        waits = PathWaits(
            maximum: configuration.maximumWait, hereFactor: configuration.hereFactor,
            nearFactor: configuration.nearFactor, maximumDelay: configuration.maximumDelay, tail: configuration.tailWait
        )
        guard firstHop <= count, queries > 0 else {
            ending = .maximumHop
            return
        }
        let window = min(Self.shuffleWindow, max(1, configuration.maximumInFlight))
        for hop in PathLine.order(firstHop...count, window: window, seed: configuration.seed) { line.appendFirst(hop) }
    }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard ending == nil, now >= nextSend, inFlightCount < window, sentInThisTurn < Self.burst,
            firstsInThisTurn < Self.firstBurst, fullSince == nil || sentInThisTurn == 0
        else { return nil }
        while let place = line.next() {
            guard isWanted(place) else { continue }
            let id = table.insert(
                InFlightRecord(subject: UInt32(place.hop), sequence: UInt32(place.query), sentAt: now))
            let probe = probe(id, hop: place.hop)
            rows[place.hop - 1].send(place.query, id, probe, at: now)
            inFlightCount += 1
            leaving.append(place)
            sentInThisTurn += 1
            if place.query == 0 { firstsInThisTurn += 1 }
            latest = id
            lastSentAt = now
            if configuration.pause > .zero { nextSend = now + configuration.pause }
            return Transmit(id: id, probe: probe)
        }
        return nil
    }

    private mutating func probe(_ id: ProbeID, hop: Int) -> Probe {
        var method = configuration.method
        if configuration.changesPort, case .udp(let port) = method {
            method = .udp(destinationPort: port &+ sentCount)
            numbersByPort.append(id)
        }
        let flow = configuration.changesFlow ? sentCount : 0
        sentCount &+= 1
        return Probe(
            destination: configuration.destination, method: method, hopLimit: UInt8(clamping: hop),
            trafficClass: configuration.trafficClass, flow: flow, payloadLength: configuration.payloadLength,
            dontFragment: configuration.dontFragment)
    }

    private var window: Int { isAskingAlone ? 1 : max(1, configuration.maximumInFlight) }

    /// The last hop that is asked and told.
    private var limit: Int { end?.hop ?? loop.hops?.upperBound ?? rows.count }

    private var openHops: Range<Int> { nextRow..<max(nextRow, limit + 1) }

    private func isWanted(_ place: PathLine.Place) -> Bool {
        guard place.hop >= nextRow, place.hop <= limit, rows[place.hop - 1].isWaiting(place.query) else { return false }
        // A hop that did not answer alone is silent: its other queries would only cost time.
        if isAskingAlone, place.query > 0, rows[place.hop - 1].isSilent { return false }
        guard let end, place.hop == end.hop, endAnswerCount >= configuration.queries else { return true }
        return end.basis != .answered && place.query == 0
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard var record = table[id] else { return }
        record.take(stamp)
        if record.state == .pending {
            record.state = .outstanding
            statistics.transmitted += 1
            if isAskingAlone { statistics.askedAlone += 1 }
            fullSince = nil
        }
        table[id] = record
        let (row, query) = (Int(record.subject) - 1, Int(record.sequence))
        guard stamp.clock == .kernel, let answer = rows[row].queries[query].answer, answer.id == id else { return }
        rows[row].settleStamp(query, RoundTrip.of(sentAt: record.sentAt, record.stamp, answer.response))
        settleRows()
    }

    /// A batch of probes takes its time, and longer than many a wait on a busy machine.
    public mutating func finishSending(at clock: () -> Timestamp) {
        guard !leaving.isEmpty else { return }
        let now = clock()
        for place in leaving { rows[place.hop - 1].left(place.query, at: now) }
        leaving.removeAll(keepingCapacity: true)
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let record = table[id], record.state == .pending else { return }
        let place = PathLine.Place(hop: Int(record.subject), query: Int(record.sequence))
        table[id]?.state = .unsent
        // An answer to an earlier probe of the same query may have come meanwhile.
        guard ending == nil, case .inFlight(id) = rows[place.hop - 1].queries[place.query].state else { return }
        inFlightCount -= 1
        let since = fullSince ?? now
        if failure == .retryLater, now - since < Self.retryLimit {
            fullSince = since
            rows[place.hop - 1].giveUp(place.query, .waiting)
            line.putBack(place)
            nextSend = now + Self.retryPause
        } else {
            rows[place.hop - 1].giveUp(place.query, .unsent)
            statistics.unsent += 1
            unsentFailure = failure
            events.append(.unsent(hop: place.hop, failure: failure))
            expand(place.hop, isUrgent: false)
            lookForLoop()
        }
        expandEnd()
        settleRows()
    }

    /// Asks for the rest of a hop's queries.
    private mutating func expand(_ hop: Int, isUrgent: Bool) {
        guard hop <= limit, hop != end?.hop, !rows[hop - 1].isExpanded else { return }
        rows[hop - 1].isExpanded = true
        let count = configuration.queries - (rows[hop - 1].isHeldBack ? 1 : 0)
        for query in 1..<max(1, count) { line.append(.init(hop: hop, query: query), isUrgent: isUrgent) }
    }

    /// Asks for the rest of the last hop's queries, unless answers to probes with hops to spare may make them needless.
    private mutating func expandEnd() {
        guard let end, !rows[end.hop - 1].isExpanded, !rows[end.hop - 1].isWaiting(0), !isInFlight(end.hop + 1) else {
            return
        }
        rows[end.hop - 1].isExpanded = true
        for query in 1..<configuration.queries { line.append(.init(hop: end.hop, query: query), isUrgent: true) }
    }

    /// Asks for all queries of the hops up to this one: somebody has answered there or behind. O(1) amortised.
    private mutating func pass(_ hop: Int) {
        let last = min(hop, end.map { $0.hop - 1 } ?? limit)
        while passed < last {
            passed += 1
            expand(passed, isUrgent: true)
        }
        expandEnd()
    }

    /// Fills the line anew, after hops that seemed to lie behind the end turned out to lie before it. O(hops × queries).
    private mutating func refillLine() {
        line = PathLine(queries: configuration.queries)
        for hop in openHops {
            if isAskingAlone { rows[hop - 1].isExpanded = true }
            lineUp(hop)
        }
    }

    /// Puts what a hop has not been asked, but is to be, into the line.
    private mutating func lineUp(_ hop: Int) {
        for query in rows[hop - 1].queries.indices where rows[hop - 1].isWaiting(query) {
            if query == 0 {
                line.appendFirst(hop)
            } else if rows[hop - 1].isExpanded {
                line.append(.init(hop: hop, query: query), isUrgent: true)
            }
        }
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        guard ending == nil else { return }
        lastArrival = max(lastArrival, response.arrival)
        guard let kind = judge.kind(of: response) else {
            statistics.unsolicited += 1
            return
        }
        guard let id = probe(of: response) ?? creditWithoutIdentity() else { return }
        guard let record = table[id], record.state != .pending, record.state != .unsent else {
            statistics.unsolicited += 1
            return
        }
        let (hop, query) = (Int(record.subject), Int(record.sequence))
        guard record.state != .answered, rows[hop - 1].queries[query].answer == nil else {
            statistics.duplicates += 1
            return
        }
        table[id]?.state = .answered
        guard hop >= nextRow else {
            if case .inFlight = rows[hop - 1].queries[query].state { inFlightCount -= 1 }
            rows[hop - 1].giveUp(query, .lost)
            statistics.late += 1
            return
        }
        guard let probe = rows[hop - 1].queries[query].probe else { return }
        statistics.received += 1
        let (roundTrip, clock) = RoundTrip.of(sentAt: record.sentAt, record.stamp, response)
        let waitsForStamp =
            configuration.wantsKernelStamps && record.stamp.clock == .user && response.stamp.clock == .kernel
        if waitsForStamp { stampsAwaited.append(id) }
        if case .inFlight = rows[hop - 1].queries[query].state { inFlightCount -= 1 }
        rows[hop - 1].take(
            PathRow.Answer(
                id: id, probe: probe, sentAt: record.sentAt, response: response, kind: kind, roundTrip: roundTrip,
                clock: clock, stampDeadline: waitsForStamp ? response.arrival + Self.stampPatience : nil), query)
        let isFirstAnswer = furthestAnswer == 0
        furthestAnswer = max(furthestAnswer, hop)
        if kind == .reached { isReached = true }
        evidence.take(kind, response, hop: hop)
        let formerLimit = limit
        end = evidence.end(rows, from: nextRow)
        loop.reconsider(after: hop, rows, configuration.destination.withoutZone)
        lookForLoop()
        if limit > formerLimit { refillLine() }
        if isAskingAlone, rows[hop - 1].answered == 1 { lineUp(hop) }
        if isFirstAnswer { for hop in openHops { release(hop) } }
        pass(furthestAnswer)
        settleRows()
    }

    /// Probes of different flows may take different ways, which is no loop.
    private mutating func lookForLoop() {
        guard configuration.stopsAtLoops, !configuration.changesPort else { return }
        loop.look(at: rows, configuration.destination.withoutZone)
    }

    /// The probe that a response names, nil where it names none, or one whose quote was rewritten too far to believe it.
    private func probe(of response: Response) -> ProbeID? {
        if let id = judge.probe(of: response) { return id }
        // Where each probe has a port of its own, that is its number too.
        guard configuration.changesPort, case .udp(let first) = configuration.method,
            judge.isAboutDestination(response),
            let port = response.quotedPort
        else { return nil }
        let place = numbersByPort.count - 1 - Int(sentCount &- 1 &- (port &- first))
        return place >= 0 ? numbersByPort[place] : nil
    }

    /// The only probe that an answer without number can belong to; counts the answer where there is none.
    private mutating func creditWithoutIdentity() -> ProbeID? {
        if isAskingAlone, inFlightCount > 0 { return latest }
        statistics.unidentified += 1
        if statistics.unidentified == 1 { for hop in openHops { release(hop) } }
        return nil
    }

    public func awaits(_ id: ProbeID) -> Bool { ending == nil && table[id]?.state == .outstanding }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        guard ending == nil else { return }
        sentInThisTurn = 0
        firstsInThisTurn = 0
        leaving.removeAll(keepingCapacity: true)
        if let due = nextExpiry(currentWaits) {
            // What an answer made overdue was not due before that answer.
            waits.wokeUp(late: now - max(due, lastArrival))
        }
        clock = max(clock, now)
        expireStamps(now)
        if let due = nextStagger, due <= now { askForTheRest(now) }
        if inFlightCount > 0 {
            let allowed = currentWaits
            for hop in nextRow..<rows.count + 1 where rows[hop - 1].inFlight > 0 { expire(hop, allowed[hop - 1], now) }
        }
        lookForLoop()
        expandEnd()
        settleRows()
    }

    private mutating func expire(_ hop: Int, _ wait: TimeSpan, _ now: Timestamp) {
        let again = waitAgain
        for query in rows[hop - 1].queries.indices {
            guard case .inFlight(let id) = rows[hop - 1].queries[query].state,
                table[id]?.state == .outstanding,
                rows[hop - 1].queries[query].awaitedSince + (query < configuration.queries ? wait : again) <= now
            else { continue }
            table[id]?.state = .expired
            rows[hop - 1].giveUp(query, .lost)
            inFlightCount -= 1
            expand(hop, isUrgent: false)
        }
    }

    private mutating func expireStamps(_ now: Timestamp) {
        while let id = stampsAwaited.first, let record = table[id] {
            let (row, query) = (Int(record.subject) - 1, Int(record.sequence))
            let deadline = rows[row].queries[query].answer?.stampDeadline
            if let deadline, deadline > now { return }
            if deadline != nil { rows[row].settleStamp(query, nil) }
            _ = stampsAwaited.next()
        }
    }

    private mutating func askForTheRest(_ now: Timestamp) {
        for hop in openHops where !rows[hop - 1].isWaiting(0) {
            let since = rows[hop - 1].queries[0].sentAt
            if !rows[hop - 1].isExpanded, since + Self.stagger <= now {
                rows[hop - 1].isHeldBack = isHoldingBack
                expand(hop, isUrgent: false)
            } else if rows[hop - 1].isHeldBack, since + Self.limiterPause <= now {
                release(hop)
            }
        }
    }

    /// Whether nobody has answered so far. The limiters of everybody may be exhausted, as after the trace before this one;
    /// the last query then goes a second later, when Linux allows another error. Where somebody answers it goes at once.
    private var isHoldingBack: Bool {
        furthestAnswer == 0 && statistics.unidentified == 0
            && configuration.maximumWait > Self.limiterPause * 2
    }

    private mutating func release(_ hop: Int) {
        guard rows[hop - 1].isHeldBack else { return }
        rows[hop - 1].isHeldBack = false
        line.append(.init(hop: hop, query: configuration.queries - 1), isUrgent: hop <= furthestAnswer)
    }

    /// When the first of the hops that no later one has overtaken is asked for the rest of its queries; nil while there
    /// are hops that were not asked at all. O(hops).
    private var nextStagger: Timestamp? {
        if let first = line.nextFirst, first <= limit { return nil }
        guard !isAskingAlone, passed < limit else { return nil }
        var earliest: Timestamp?
        for hop in openHops where hop > passed && hop != end?.hop {
            guard !rows[hop - 1].isExpanded || rows[hop - 1].isHeldBack, !rows[hop - 1].isWaiting(0) else { continue }
            let patience = rows[hop - 1].isHeldBack ? Self.limiterPause : Self.stagger
            let due = rows[hop - 1].queries[0].sentAt + patience
            earliest = min(earliest ?? due, due)
        }
        return earliest
    }

    private var currentWaits: [TimeSpan] {
        waits.waits(
            rows, end: end?.hop, floor: isAskingAlone ? quietTime : Self.floor,
            // Whoever answered without identity will be asked again, alone.
            ceiling: statistics.unidentified > 0 ? Self.unidentifiedPatience : configuration.maximumWait)
    }

    /// When the first of the probes under way is given up. O(hops).
    private func nextExpiry(_ waits: [TimeSpan]) -> Timestamp? {
        guard inFlightCount > 0 else { return nil }
        let again = waitAgain
        var earliest: Timestamp?
        for hop in nextRow..<rows.count + 1 where rows[hop - 1].inFlight > 0 {
            for (index, query) in rows[hop - 1].queries.enumerated() {
                guard case .inFlight = query.state else { continue }
                let expiry = query.awaitedSince + (index < configuration.queries ? waits[hop - 1] : again)
                earliest = min(earliest ?? expiry, expiry)
            }
        }
        return earliest
    }

    /// How long a hop is waited for that was asked once more: by then it is known how far away everybody is.
    private var waitAgain: TimeSpan { max(quietTime, waits.near(rows)) }

    /// After so long without a probe no answer is on its way any more, as far as the answers so far tell.
    private var quietTime: TimeSpan {
        max(Self.aloneFloor, (PathWaits.longest(rows, from: 1) ?? .zero) * 3)
    }

    // MARK: Rows

    /// Emits the rows that nothing can change any more, in order.
    private mutating func settleRows() {
        isPausing = false
        while nextRow <= limit, ending == nil {
            guard isSettled(nextRow) else { break }
            if statistics.unidentified > 0, isMissingAnswers(nextRow) {
                guard isAskingAlone || startAskingAlone() else { break }
                guard isSettled(nextRow) else { break }
            }
            guard findTail(), isDecidedWhetherOthersLimit(nextRow) else { break }
            if wantsToAskAgain(nextRow, othersLimit: doOthersLimit(nextRow)) {
                isPausing = true
                guard askAgain() else { break }
                continue
            }
            tell(nextRow)
            silentRowsTold = rows[nextRow - 1].isSilent ? silentRowsTold + 1 : 0
            nextRow += 1
            if let gap = configuration.gapLimit, gap > 0, silentRowsTold >= gap, furthestAnswer < nextRow, end == nil {
                ending = .gap
            }
        }
        guard ending == nil, nextRow > limit else { return }
        switch end?.basis {
        case .answered, .claimed: ending = .reached
        case .refused: ending = .unreachable
        case nil: ending = loop.hops == nil ? .maximumHop : .loop
        }
    }

    private func isSettled(_ hop: Int) -> Bool {
        let row = rows[hop - 1]
        if row.pendingStamps > 0 { return false }
        if let end, end.hop == hop {
            guard !rows[(hop - 1)...].contains(where: { $0.ends > 0 && $0.pendingStamps > 0 }) else { return false }
            switch end.basis {
            case .answered:
                if endAnswerCount >= configuration.queries { return true }
                if isInFlight(hop) { return false }
            case .claimed(let answeredAt):
                // A router that answers behind it would give it the lie.
                if row.isFirstWaiting || isInFlight(hop, before: answeredAt) { return false }
                if endAnswerCount >= configuration.queries { return true }
                if isInFlight(hop) { return false }
            case .refused:
                if isInFlight(hop) { return false }
                if endAnswerCount >= configuration.queries, !row.isFirstWaiting { return true }
            }
        } else if end == nil, hop == loop.hops?.upperBound, isInFlight(hop) {
            return false
        }
        // Who did not answer alone is not asked for more.
        if isAskingAlone, row.isSilent { return row.inFlight == 0 && !row.isFirstWaiting }
        return row.isConcluded
    }

    /// Whether probes are under way with hop limits from this one on. O(hops).
    private func isInFlight(_ hop: Int, before next: Int? = nil) -> Bool {
        inFlightCount > 0 && rows[(hop - 1)..<((next ?? rows.count + 1) - 1)].contains { $0.inFlight > 0 }
    }

    private func isMissingAnswers(_ hop: Int) -> Bool {
        hop == end?.hop
            ? endAnswerCount < configuration.queries : rows[hop - 1].answered < configuration.queries
    }

    /// How many answers the last row can show. O(hops).
    private var endAnswerCount: Int {
        guard let end else { return 0 }
        return rows[(end.hop - 1)...].reduce(rows[end.hop - 1].timeExceeded) { $0 + $1.ends }
    }

    /// Goes over to one probe at a time, once nothing else is under way. Returns whether it did.
    private mutating func startAskingAlone() -> Bool {
        guard inFlightCount == 0, isLineIdle, clock >= lastSentAt + quietTime else { return false }
        isAskingAlone = true
        line = PathLine(queries: configuration.queries)
        for hop in openHops {
            rows[hop - 1].isExpanded = true
            for query in rows[hop - 1].queries.indices { rows[hop - 1].askAlone(query) }
            lineUp(hop)
        }
        return true
    }

    /// Whether nothing is to be sent. What is no longer wanted leaves the line.
    private var isLineIdle: Bool {
        mutating get {
            while let place = line.next() {
                guard isWanted(place) else { continue }
                line.putBack(place)
                return false
            }
            return true
        }
    }

    private func wantsToAskAgain(_ hop: Int, othersLimit: Bool) -> Bool {
        guard !isAskingAlone, rows[hop - 1].isSilent, !rows[hop - 1].wasAskedAgain else { return false }
        if let tail, tail.contains(hop) { return true }
        return isPassedInSilence(hop) && (configuration.asksSilentHopsAgain || othersLimit)
    }

    /// Whether so short a time is allowed for any answer that nobody would want to pause for one.
    private var isInHurry: Bool { configuration.maximumWait < Self.leastForPause }

    /// Whether a hop in front of somebody who answered has never answered itself and may still be asked about it.
    private func isPassedInSilence(_ hop: Int) -> Bool {
        !isAskingAlone && hop < limit && hop < furthestAnswer && rows[hop - 1].isSilent && !rows[hop - 1].wasAskedAgain
    }

    /// Whether a silent hop has probably used up its errors and not its voice: nobody in front of the end answered at all,
    /// or half of those who did had no more errors behind the first. A trace just before leaves all routers of a kind like
    /// that. Single silent routers among others are silent for good, and so they cost nothing. O(hops).
    private func doOthersLimit(_ hop: Int) -> Bool {
        guard isPassedInSilence(hop), !isInHurry else { return false }
        var (answering, emptied) = (0, 0)
        for row in rows[(firstHop - 1)..<(limit - 1)] where row.timeExceeded > 0 {
            answering += 1
            if row.isEmptied { emptied += 1 }
        }
        return emptied * 2 >= answering
    }

    /// Whether that can be told: what is under way may still change it, what is to be sent one by one or with pauses would
    /// keep the row waiting.
    private mutating func isDecidedWhetherOthersLimit(_ hop: Int) -> Bool {
        isInHurry || !isPassedInSilence(hop) || !isInFlight(firstHop, before: min(limit, furthestAnswer + 1))
            || !isLineIdle
    }

    /// Whether this is the first of the silent hops in front of the end: whoever answers there may be one of them.
    private func mayBeNearer(_ hop: Int) -> Bool {
        guard let end, hop < end.hop, hop == evidence.furthestPassed + 1, rows[hop - 1].isSilent else { return false }
        if case .claimed = end.basis { return false }
        return true
    }

    /// A path seems to end in silence, or behind silence with somebody who did not answer everything. Before it does, the
    /// first of the silent hops get one more probe: whoever is there, the destination or a router that goes no further, may
    /// have used up what errors it gives to one host, and be nearer than it seems.
    ///
    /// Returns whether that can be decided: what is under way, and the last row, may still change it.
    private mutating func findTail() -> Bool {
        guard tail == nil, !isInHurry, furthestAnswer > 0, nextRow == evidence.furthestPassed + 1, !isAskingAlone else {
            return true
        }
        if let end {
            guard mayBeNearer(nextRow) else { return true }
            guard isSettled(end.hop) else { return false }
            guard endAnswerCount < configuration.queries else { return true }
        } else {
            // What is still to be sent, one by one or with pauses, would keep this row waiting.
            guard loop.hops == nil, nextRow > furthestAnswer, isLineIdle else { return true }
        }
        guard inFlightCount == 0 else { return false }
        tail = nextRow..<min(nextRow + Self.tailLength, limit + 1)
        return true
    }

    /// Asks the silent hops once more, after a pause in which nothing is sent. Returns whether it did.
    private mutating func askAgain() -> Bool {
        guard inFlightCount == 0, isLineIdle, clock >= lastSentAt + Self.limiterPause else { return false }
        isPausing = false
        let othersLimit = doOthersLimit(nextRow)
        for hop in openHops where wantsToAskAgain(hop, othersLimit: othersLimit) {
            let query = rows[hop - 1].askAgain()
            statistics.askedAgain += 1
            line.append(.init(hop: hop, query: query), isUrgent: true)
        }
        return true
    }

    private mutating func tell(_ hop: Int) {
        var row = PathHop(number: hop, answers: rows[hop - 1].answers(configuration.queries))
        row.queries = rows[hop - 1].history
        if hop == end?.hop {
            var answers = row.answers.compactMap(\.self)
            for index in rows.indices[hop...] {
                answers += rows[index].spareAnswers
                row.queries += rows[index].history
            }
            row.answers = Array(answers.prefix(configuration.queries))
            while row.answers.count < configuration.queries { row.answers.append(nil) }
        }
        row.queries.sort { $0.sentAt < $1.sentAt }
        events.append(.hop(row))
    }

    public mutating func stop(at now: Timestamp) {
        guard ending == nil else { return }
        while nextRow <= min(limit, furthestAnswer) {
            tell(nextRow)
            nextRow += 1
        }
        ending = .interrupted
    }

    public mutating func nextEvent() -> PathEvent? { events.next() }

    public var schedule: Schedule {
        if ending != nil { return .finished }
        var earliest: Timestamp?
        func consider(_ instant: Timestamp) { earliest = min(earliest ?? instant, instant) }
        if inFlightCount < window, !line.isEmpty { consider(nextSend) }
        // Nothing under way and not over: only the quiet before asking again is waited for.
        if inFlightCount == 0, line.isEmpty, !isAskingAlone {
            consider(lastSentAt + (isPausing ? Self.limiterPause : quietTime))
        }
        if let expiry = nextExpiry(currentWaits) { consider(expiry) }
        if let nextStagger { consider(nextStagger) }
        if let id = stampsAwaited.first, let record = table[id] {
            consider(
                rows[Int(record.subject) - 1].queries[Int(record.sequence)].answer?.stampDeadline
                    ?? Timestamp(nanoseconds: .min))
        }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    /// Neighbours of so many are asked in a random order.
    private static let shuffleWindow = 4
    /// New hops that are asked before answers are looked for: on a short path the destination's may be here already, which
    /// saves probes to hops behind it, and its limit of errors.
    private static let firstBurst = 12
    /// Probes that are sent before answers are looked for, so that they find room in the sockets.
    private static let burst = 64
    /// The least that silence is waited for: schedulers and interrupt coalescing delay answers by milliseconds.
    private static let floor = TimeSpan.milliseconds(5)
    /// With one probe under way a stray answer would be another's.
    private static let aloneFloor = TimeSpan.milliseconds(50)
    /// A hop that no later one has overtaken is asked for the rest of its queries after this long: on a short path its end
    /// is known by then, and a long one takes hardly longer for it.
    private static let stagger = TimeSpan.milliseconds(5)
    /// The longest that an answer is waited for which will be asked for again.
    private static let unidentifiedPatience = TimeSpan.seconds(1)
    /// Linux gives a host an error a second once those in a burst are used up.
    private static let limiterPause = TimeSpan.milliseconds(1_050)
    private static let tailLength = 4
    private static let leastForPause = TimeSpan.seconds(1)
    private static let retryPause = TimeSpan.milliseconds(1)
    /// A queue that stays full for so long counts as a failure.
    private static let retryLimit = TimeSpan.milliseconds(500)
    private static let stampPatience = TimeSpan.milliseconds(1)
}
