import PacketFormats

/// Which routers a packet passes on its way: what traceroute measures, with the whole path in flight at once.
///
/// Every hop is asked once at the start. A hop that answers is asked for the rest of its queries at once, and so is a
/// silent one as soon as a hop behind it has answered. How long silence is waited for follows from the round trips
/// that are known (the MAX,HERE,NEAR of traceroute's `-w`). The destination answers the probes that had hops to spare
/// too; those answers are round trips over the same path and fill its row before it is asked again, because hosts
/// limit the rate of their errors.
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
        public var maximumInFlight = 255
        /// Between two probes.
        public var pause = TimeSpan.zero
        public var payloadLength = 32
        public var trafficClass: UInt8 = 0
        public var dontFragment = false
        /// Counts the destination port up with every probe, as old traceroutes do: each probe is a flow of its own.
        public var changesPort = false
        /// Wait for the kernel's send stamps before a hop is reported.
        public var wantsKernelStamps = true

        public init(destination: IPAddress) { self.destination = destination }
    }

    private struct Query {
        /// What was sent last.
        var probe: Probe?
        enum State {
            case waiting
            case inFlight(ProbeID)
            case answered
            case lost
            case unsent
        }
        var state = State.waiting
        var answer: Answer?
    }

    private struct Answer {
        var id: ProbeID
        var probe: Probe
        var sentAt: Timestamp
        var response: Response
        var kind: PathAnswer.Kind
        var roundTrip: TimeSpan
        var clock: Stamp.Clock
        var stampDeadline: Timestamp?
    }

    private struct Place: Hashable {
        var hop: Int
        var query: Int
    }

    public let configuration: Configuration
    public private(set) var statistics = PathStatistics()
    /// The hop at which the path ends: the destination's, or that of a router which says that it goes no further.
    public private(set) var lastHop: Int?
    /// Whether the destination itself has answered.
    public private(set) var isReached = false

    private var table = InFlightTable(maximumCapacity: 1 << 14)
    private var events = Queue<PathEvent>()
    /// By hop limit minus one; hops below the first are empty.
    private var rows: [[Query]]
    /// Whether the queries behind the first were asked for.
    private var isExpanded: [Bool]
    private var ready: [Place] = []
    private var readyHead = 0
    private var inFlight: [ProbeID] = []
    private let firstHop: Int
    private var nextRow: Int
    /// Since when the local queue has taken nothing.
    private var fullSince: Timestamp?
    private var nextSend = Timestamp(nanoseconds: .min)
    private var sentCount: UInt16 = 0
    /// When the last probe was taken from here.
    private var lastSentAt = Timestamp(nanoseconds: .min)
    /// The latest instant that was told.
    private var clock = Timestamp(nanoseconds: .min)
    /// The most that this process has woken up late: answers may have been as late, and so may routers that share its
    /// machine.
    private var lateness = TimeSpan.zero
    /// Once errors without identity came: what is missing is asked for again, one probe at a time.
    private var isAskingAlone = false
    private var isOver = false

    public init(_ configuration: Configuration) {
        self.configuration = configuration
        firstHop = max(1, configuration.firstHop)
        nextRow = firstHop
        let row = Array(repeating: Query(), count: max(0, configuration.queries))
        rows = Array(repeating: row, count: min(max(0, configuration.maximumHop), Int(UInt8.max)))
        isExpanded = Array(repeating: configuration.queries <= 1, count: rows.count)
        if firstHop <= rows.count, configuration.queries > 0 {
            ready = (firstHop...rows.count).map { Place(hop: $0, query: 0) }
        } else {
            isOver = true
        }
    }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard !isOver, now >= nextSend, inFlight.count < window else { return nil }
        while readyHead < ready.count {
            let place = ready[readyHead]
            readyHead += 1
            guard isWanted(place) else { continue }
            let id = table.insert(
                InFlightRecord(subject: UInt32(place.hop), sequence: UInt32(place.query), sentAt: now))
            rows[place.hop - 1][place.query].state = .inFlight(id)
            inFlight.append(id)
            lastSentAt = now
            if configuration.pause > .zero { nextSend = now + configuration.pause }
            let probe = probe(hop: place.hop)
            rows[place.hop - 1][place.query].probe = probe
            return Transmit(id: id, probe: probe)
        }
        return nil
    }

    private mutating func probe(hop: Int) -> Probe {
        var method = configuration.method
        if configuration.changesPort, case .udp(let port) = method {
            method = .udp(destinationPort: port &+ sentCount)
            sentCount &+= 1
        }
        return Probe(
            destination: configuration.destination, method: method, hopLimit: UInt8(clamping: hop),
            trafficClass: configuration.trafficClass, payloadLength: configuration.payloadLength,
            dontFragment: configuration.dontFragment)
    }

    private var window: Int { isAskingAlone ? 1 : max(1, configuration.maximumInFlight) }

    private var hasWantedProbes: Bool { ready[readyHead...].contains { isWanted($0) } }

    private var limit: Int { lastHop ?? rows.count }

    private func isWanted(_ place: Place) -> Bool {
        guard place.hop >= nextRow, place.hop <= limit else { return false }
        switch rows[place.hop - 1][place.query].state {
        case .waiting: break
        case .inFlight, .answered, .lost, .unsent: return false
        }
        // A hop that did not answer alone is silent: its other queries would only cost time.
        if isAskingAlone, place.query > 0, hopIsSilent(place.hop) { return false }
        return place.hop != lastHop || answersOfLastHop.count < configuration.queries
    }

    private func hopIsSilent(_ hop: Int) -> Bool { rows[hop - 1].allSatisfy { $0.answer == nil } }

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
        let (hop, query) = (Int(record.subject) - 1, Int(record.sequence))
        guard stamp.clock == .kernel, let answer = rows[hop][query].answer, answer.id == id else { return }
        let (roundTrip, clock) = RoundTrip.of(sentAt: record.sentAt, record.stamp, answer.response)
        rows[hop][query].answer?.roundTrip = roundTrip
        rows[hop][query].answer?.clock = clock
        rows[hop][query].answer?.stampDeadline = nil
        settleRows()
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let record = table[id], record.state == .pending else { return }
        let place = Place(hop: Int(record.subject), query: Int(record.sequence))
        table[id]?.state = .unsent
        inFlight.removeAll { $0 == id }
        guard !isOver else { return }
        let since = fullSince ?? now
        if failure == .retryLater, now - since < Self.retryLimit {
            fullSince = since
            rows[place.hop - 1][place.query].state = .waiting
            readyHead -= 1
            ready[readyHead] = place
            nextSend = now + Self.retryPause
        } else {
            rows[place.hop - 1][place.query].state = .unsent
            statistics.unsent += 1
            events.append(.unsent(hop: place.hop, failure: failure))
            expand(place.hop)
        }
        // It may have been the last one that the destination's own row waited for.
        if let lastHop { expand(lastHop) }
        settleRows()
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        guard !isOver else { return }
        guard let kind = kind(of: response) else {
            statistics.unsolicited += 1
            return
        }
        guard let id = response.probe ?? creditWithoutIdentity() else { return }
        guard let record = table[id], record.state != .pending, record.state != .unsent else {
            statistics.unsolicited += 1
            return
        }
        guard record.state != .answered else {
            statistics.duplicates += 1
            return
        }
        table[id]?.state = .answered
        inFlight.removeAll { $0 == id }
        let (hop, query) = (Int(record.subject), Int(record.sequence))
        guard hop >= nextRow else {
            statistics.late += 1
            return
        }
        statistics.received += 1
        let (roundTrip, clock) = RoundTrip.of(sentAt: record.sentAt, record.stamp, response)
        let waitsForStamp =
            configuration.wantsKernelStamps && record.stamp.clock == .user && response.stamp.clock == .kernel
        guard let probe = rows[hop - 1][query].probe else { return }
        rows[hop - 1][query].state = .answered
        rows[hop - 1][query].answer = Answer(
            id: id, probe: probe, sentAt: record.sentAt, response: response, kind: kind, roundTrip: roundTrip,
            clock: clock,
            stampDeadline: waitsForStamp ? response.arrival + Self.stampPatience : nil)
        switch kind {
        case .timeExceeded: break
        case .reached:
            isReached = true
            endPath(at: hop)
        case .error: endPath(at: hop)
        }
        for passed in firstHop...hop { expand(passed) }
        if let lastHop { expand(lastHop) }
        settleRows()
    }

    /// What an answer means, nil when it is none of this trace's.
    private func kind(of response: Response) -> PathAnswer.Kind? {
        let destination = configuration.destination.withoutZone
        let isFromDestination = response.responder.withoutZone == destination
        switch response.kind {
        case .echoReply:
            // Damaged bytes can't vouch for themselves: there is no cookie, or it was not compared.
            let isWhole =
                response.integrity == .intact
                && response.byteCount == configuration.payloadLength + ICMPHeader.length
            return isFromDestination && isWhole ? .reached : nil
        case .timestampReply: return nil
        case .datagram, .tcp: return isFromDestination ? .reached : nil
        case .icmpError(let type, let code, let info):
            guard response.quotedDestination?.withoutZone == destination else { return nil }
            if response.kind.isTimeExceeded(destination.version) { return .timeExceeded }
            if isFromDestination, response.kind.isPortUnreachable(destination.version) { return .reached }
            if destination.version == .v4, type == ICMPType.V4.redirect || type == ICMPType.V4.sourceQuench {
                return nil
            }
            return .error(type: type, code: code, info: info)
        }
    }

    /// The only probe that an answer without number can belong to; counts the answer where there is none.
    private mutating func creditWithoutIdentity() -> ProbeID? {
        if isAskingAlone, let id = inFlight.first { return id }
        statistics.unidentified += 1
        return nil
    }

    private mutating func endPath(at hop: Int) {
        guard hop < lastHop ?? .max else { return }
        lastHop = hop
    }

    /// Asks for the rest of a hop's queries.
    private mutating func expand(_ hop: Int) {
        guard hop <= limit, !isExpanded[hop - 1] else { return }
        if case .waiting = rows[hop - 1][0].state { return }
        // Answers to probes with hops to spare may make this hop's own queries needless.
        if hop == lastHop, inFlight.contains(where: { (table[$0]?.subject ?? 0) > UInt32(hop) }) { return }
        isExpanded[hop - 1] = true
        for query in 1..<configuration.queries { ready.append(Place(hop: hop, query: query)) }
    }

    public func awaits(_ id: ProbeID) -> Bool { !isOver && table[id]?.state == .outstanding }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        guard !isOver else { return }
        if let due = nextExpiry { lateness = min(max(lateness, now - due), Self.maximumLateness) }
        clock = max(clock, now)
        for id in inFlight {
            guard let record = table[id], record.state == .outstanding else { continue }
            let hop = Int(record.subject)
            if record.sentAt + Self.patience <= now { expand(hop) }
            guard record.sentAt + wait(for: hop) <= now else { continue }
            table[id]?.state = .expired
            inFlight.removeAll { $0 == id }
            rows[hop - 1][Int(record.sequence)].state = .lost
            expand(hop)
        }
        if let lastHop { expand(lastHop) }
        for hop in rows.indices {
            for query in rows[hop].indices {
                guard let deadline = rows[hop][query].answer?.stampDeadline, deadline <= now else { continue }
                rows[hop][query].answer?.stampDeadline = nil
            }
        }
        settleRows()
    }

    /// When the first of the probes under way is given up. O(probes under way × queries).
    private var nextExpiry: Timestamp? {
        var earliest: Timestamp?
        for id in inFlight {
            guard let record = table[id] else { continue }
            let expiry = record.sentAt + wait(for: Int(record.subject))
            earliest = min(earliest ?? expiry, expiry)
        }
        return earliest
    }

    /// How long an answer of this hop's is waited for, by what is known.
    private func wait(for hop: Int) -> TimeSpan {
        var wait = configuration.maximumWait
        var factored: Double?
        let here =
            hop >= lastHop ?? .max
            ? answersOfLastHop.map(\.roundTrip).max() : rows[hop - 1].compactMap { $0.answer?.roundTrip }.max()
        if let here {
            factored = configuration.hereFactor * Double(here.nanoseconds)
        } else if let near = nearestLater(than: hop) {
            factored = configuration.nearFactor * Double(near.nanoseconds)
        }
        if let factored, factored < Double(wait.nanoseconds) {
            let floor = isAskingAlone ? quietTime : Self.floor
            wait = min(wait, max(floor, TimeSpan(nanoseconds: Int64(factored))) + lateness * 2)
        }
        // Whoever answered without identity will be asked again, alone.
        return statistics.unidentified > 0 ? min(wait, Self.patience) : wait
    }

    /// After so long without a probe no answer is on its way any more, as far as the answers so far tell.
    private var quietTime: TimeSpan { max(Self.aloneFloor, longestRoundTrip * 3) }

    private func nearestLater(than hop: Int) -> TimeSpan? {
        for later in rows[hop...] {
            if let roundTrip = later.compactMap({ $0.answer?.roundTrip }).max() { return roundTrip }
        }
        return nil
    }

    private var longestRoundTrip: TimeSpan {
        rows.joined().compactMap { $0.answer?.roundTrip }.max() ?? .zero
    }

    /// Emits the rows that nothing can change any more, in order.
    private mutating func settleRows() {
        while nextRow <= limit {
            guard isSettled(nextRow) else { break }
            if statistics.unidentified > 0, isMissingAnswers(nextRow) {
                guard isAskingAlone || startAskingAlone() else { break }
                guard isSettled(nextRow) else { break }
            }
            events.append(.hop(PathHop(number: nextRow, answers: answers(of: nextRow))))
            nextRow += 1
        }
        if nextRow > limit { isOver = true }
    }

    private func isSettled(_ hop: Int) -> Bool {
        if hop == lastHop {
            let answers = answersOfLastHop
            if answers.contains(where: { $0.stampDeadline != nil }) { return false }
            if answers.count >= configuration.queries { return true }
            if inFlight.contains(where: { (table[$0]?.subject ?? 0) >= UInt32(hop) }) { return false }
        }
        for query in rows[hop - 1] {
            switch query.state {
            case .waiting:
                if isAskingAlone, hopIsSilent(hop) { continue }
                return false
            case .inFlight: return false
            case .answered: if query.answer?.stampDeadline != nil { return false }
            case .lost, .unsent: continue
            }
        }
        return !ready[readyHead...].contains { $0.hop == hop && isWanted($0) }
    }

    private func isMissingAnswers(_ hop: Int) -> Bool {
        hop == lastHop
            ? answersOfLastHop.count < configuration.queries : rows[hop - 1].contains { $0.answer == nil }
    }

    /// Goes over to one probe at a time, once nothing else is under way. Returns whether it did.
    private mutating func startAskingAlone() -> Bool {
        guard inFlight.isEmpty, !hasWantedProbes, clock >= lastSentAt + quietTime else { return false }
        isAskingAlone = true
        ready.removeAll()
        readyHead = 0
        for hop in nextRow...limit {
            for query in 0..<configuration.queries where rows[hop - 1][query].answer == nil {
                if case .unsent = rows[hop - 1][query].state { continue }
                rows[hop - 1][query].state = .waiting
                ready.append(Place(hop: hop, query: query))
            }
        }
        return true
    }

    /// The destination's answers in the order of sending: of its own row, then of probes with hops to spare.
    private var answersOfLastHop: [Answer] {
        guard let lastHop else { return [] }
        let spare = rows[lastHop...].joined().compactMap(\.answer).filter { $0.kind != .timeExceeded }
        return rows[lastHop - 1].compactMap(\.answer) + spare
    }

    private func answers(of hop: Int) -> [PathAnswer?] {
        guard hop == lastHop else {
            return rows[hop - 1].map { query in query.answer.map(report) }
        }
        let answers = answersOfLastHop.prefix(configuration.queries).map(report)
        return answers + Array(repeating: nil, count: configuration.queries - answers.count)
    }

    private func report(_ answer: Answer) -> PathAnswer {
        var flags: TCPHeader.Flags?
        if case .tcp(let found) = answer.response.kind { flags = found }
        return PathAnswer(
            kind: answer.kind, responder: answer.response.responder, roundTrip: answer.roundTrip, clock: answer.clock,
            hopLimit: answer.response.hopLimit, flags: flags, detail: answer.response.detail,
            probe: answer.probe, sentAt: answer.sentAt)
    }

    public mutating func stop(at now: Timestamp) {
        guard !isOver else { return }
        let highest = rows.lastIndex { $0.contains { $0.answer != nil } }
        while let highest, nextRow <= min(limit, highest + 1) {
            events.append(.hop(PathHop(number: nextRow, answers: answers(of: nextRow))))
            nextRow += 1
        }
        isOver = true
    }

    public mutating func nextEvent() -> PathEvent? { events.next() }

    public var schedule: Schedule {
        if isOver { return .finished }
        var earliest: Timestamp?
        func consider(_ instant: Timestamp) { earliest = min(earliest ?? instant, instant) }
        if inFlight.count < window, hasWantedProbes { consider(nextSend) }
        // Nothing under way and not over: only the quiet before asking alone is waited for.
        if inFlight.isEmpty, !hasWantedProbes, !isAskingAlone { consider(lastSentAt + quietTime) }
        if let nextExpiry { consider(nextExpiry) }
        for id in inFlight {
            guard let record = table[id], record.subject <= limit, !isExpanded[Int(record.subject) - 1] else {
                continue
            }
            consider(record.sentAt + Self.patience)
        }
        for deadline in rows.joined().compactMap({ $0.answer?.stampDeadline }) { consider(deadline) }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    /// A process that was stopped for longer waits no longer for that.
    private static let maximumLateness = TimeSpan.milliseconds(100)
    /// The least that silence is waited for: schedulers and interrupt coalescing delay answers by milliseconds.
    private static let floor = TimeSpan.milliseconds(5)
    /// With one probe under way a stray answer would be another's.
    private static let aloneFloor = TimeSpan.milliseconds(50)
    /// A hop that no later one has overtaken is asked for the rest of its queries after this long.
    private static let patience = TimeSpan.seconds(1)
    private static let retryPause = TimeSpan.milliseconds(1)
    /// A queue that stays full for so long counts as a failure.
    private static let retryLimit = TimeSpan.milliseconds(500)
    private static let stampPatience = TimeSpan.milliseconds(1)
}
