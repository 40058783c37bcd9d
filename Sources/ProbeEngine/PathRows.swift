import PacketFormats

/// What is known of one hop limit while a trace runs.
struct PathRow: HasLongestRoundTrip, Sendable {
    struct Query: Sendable {
        enum State: Sendable {
            case waiting
            case inFlight(ProbeID)
            case answered
            case lost
            case unsent
        }

        var state = State.waiting
        /// What was sent last, and when.
        var probe: Probe?
        var sentAt = Timestamp(nanoseconds: .min)
        /// From when on an answer is waited for.
        var awaitedSince = Timestamp(nanoseconds: .min)
        var answer: Answer?
    }

    struct Answer: Sendable {
        var id: ProbeID
        var probe: Probe
        var sentAt: Timestamp
        var response: Response
        var kind: PathAnswer.Kind
        var roundTrip: TimeSpan
        var clock: Stamp.Clock
        /// Until when the kernel's stamp of sending is waited for.
        var stampDeadline: Timestamp?

        var report: PathAnswer {
            var flags: TCPHeader.Flags?
            if case .tcp(let found) = response.kind { flags = found }
            return PathAnswer(
                kind: kind, responder: response.responder, roundTrip: roundTrip, clock: clock,
                hopLimit: response.hopLimit, byteCount: response.byteCount, flags: flags, detail: response.detail,
                probe: probe, sentAt: sentAt, id: id)
        }
    }

    /// Who says that hop limits run out there.
    enum Router: Hashable, Sendable {
        case one(IPAddress)
        /// Several, or the destination.
        case mixed
        case silent
        /// Nobody so far, but an answer is waited for.
        case unknown
    }

    private(set) var queries: [Query]
    /// Whether the queries behind the first were asked for.
    var isExpanded: Bool
    /// Whether the last query waits for somebody to answer at all.
    var isHeldBack = false
    /// Whether it was asked once more, because it was silent.
    private(set) var wasAskedAgain = false
    private(set) var inFlight = 0
    private(set) var answered = 0
    private(set) var timeExceeded = 0
    private(set) var errors = 0
    /// Answers that wait for the kernel's stamp of sending.
    private(set) var pendingStamps = 0
    /// The longest round trip.
    private(set) var longest: TimeSpan?
    private var router: IPAddress?
    private var isMixed = false

    init(queries count: Int) {
        queries = Array(repeating: Query(), count: count)
        isExpanded = count <= 1
    }

    /// The answers of the destination, or of whoever says that the path ends.
    var ends: Int { answered - timeExceeded }

    var isSilent: Bool { answered == 0 }

    /// Whether the first queries were answered and the others were not.
    var isEmptied: Bool {
        guard let silent = queries.firstIndex(where: { $0.answer == nil }), silent > 0 else { return false }
        return queries[silent...].allSatisfy { if case .lost = $0.state { true } else { false } }
    }

    var isFirstWaiting: Bool {
        if case .waiting = queries[0].state { return true }
        return false
    }

    func isWaiting(_ query: Int) -> Bool {
        if case .waiting = queries[query].state { return true }
        return false
    }

    /// Whether all queries were asked and none is under way.
    var isConcluded: Bool { inFlight == 0 && !queries.contains { if case .waiting = $0.state { true } else { false } } }

    func router(_ destination: IPAddress) -> Router {
        if let router { return isMixed || router == destination ? .mixed : .one(router) }
        if answered > 0 { return .mixed }
        return isConcluded ? .silent : .unknown
    }

    mutating func send(_ query: Int, _ id: ProbeID, _ probe: Probe, at now: Timestamp) {
        queries[query].state = .inFlight(id)
        queries[query].probe = probe
        queries[query].sentAt = now
        queries[query].awaitedSince = now
        inFlight += 1
    }

    /// What was sent has left only now.
    mutating func left(_ query: Int, at now: Timestamp) {
        queries[query].awaitedSince = max(queries[query].awaitedSince, now)
    }

    /// Ends what was under way without an answer: for good, or for another try.
    mutating func giveUp(_ query: Int, _ state: Query.State) {
        guard case .inFlight = queries[query].state else { return }
        queries[query].state = state
        inFlight -= 1
    }

    /// Puts a query back into the line that was asked in vain.
    mutating func askAlone(_ query: Int) {
        guard case .lost = queries[query].state else { return }
        queries[query].state = .waiting
    }

    /// Adds a query to those that were in vain, and gives its index.
    mutating func askAgain() -> Int {
        wasAskedAgain = true
        queries.append(Query())
        return queries.count - 1
    }

    mutating func take(_ answer: Answer, _ query: Int) {
        if case .inFlight = queries[query].state { inFlight -= 1 }
        queries[query].state = .answered
        queries[query].answer = answer
        answered += 1
        if answer.stampDeadline != nil { pendingStamps += 1 }
        longest = max(longest ?? answer.roundTrip, answer.roundTrip)
        switch answer.kind {
        case .timeExceeded:
            timeExceeded += 1
            if router == nil { router = answer.response.responder }
            isMixed = isMixed || router != answer.response.responder
        case .error: errors += 1
        case .reached: break
        }
    }

    /// Waits no longer for the stamp of an answer, and takes it where it has come.
    mutating func settleStamp(_ query: Int, _ better: (TimeSpan, Stamp.Clock)?) {
        guard queries[query].answer != nil else { return }
        if queries[query].answer?.stampDeadline != nil { pendingStamps -= 1 }
        queries[query].answer?.stampDeadline = nil
        guard let (roundTrip, clock) = better else { return }
        queries[query].answer?.roundTrip = roundTrip
        queries[query].answer?.clock = clock
        longest = queries.compactMap { $0.answer?.roundTrip }.max()
    }

    /// One for each of the first `count` queries; the answer to one that was asked again stands in the last empty place.
    func answers(_ count: Int) -> [PathAnswer?] {
        var answers: [PathAnswer?] = []
        for query in queries.prefix(count) { answers.append(query.answer?.report) }
        for query in queries.dropFirst(count) {
            guard let answer = query.answer, let place = answers.lastIndex(where: { $0 == nil }) else { continue }
            answers[place] = answer.report
        }
        return answers
    }

    /// What does not say that a hop limit ran out: of a row behind the end of the path, it belongs to the end.
    var spareAnswers: [PathAnswer] {
        var answers: [PathAnswer] = []
        for query in queries {
            if let answer = query.answer, answer.kind != .timeExceeded { answers.append(answer.report) }
        }
        return answers
    }

    /// What was sent, in the order of the queries.
    var history: [PathQuery] {
        queries.compactMap { query in
            guard let probe = query.probe else { return nil }
            let outcome: PathQuery.Outcome
            switch query.state {
            // Sent once, and to be sent again when the trace was stopped.
            case .waiting, .lost: outcome = .lost
            case .inFlight: outcome = .underWay
            case .answered: outcome = query.answer.map { .answered($0.report) } ?? .lost
            case .unsent: outcome = .unsent
            }
            return PathQuery(probe: probe, sentAt: query.sentAt, outcome: outcome)
        }
    }
}

/// The queries that are to be sent, in their order: what follows an answer, then the first query of each hop, then what
/// silence asks for. Of each kind all hops get their second query before any gets its third, so that no router has a burst
/// to answer.
struct PathLine: Sendable {
    struct Place: Hashable, Sendable {
        var hop: Int
        var query: Int
    }

    private var returned: Queue<Place> = Queue()
    private var urgent: [Queue<Place>]
    private var firsts: Queue<Place> = Queue()
    private var patient: [Queue<Place>]

    init(queries: Int) {
        urgent = Array(repeating: Queue(), count: max(1, queries))
        patient = urgent
    }

    /// The hops of a range, each moved by a few places at most: neighbours are asked in an order that nobody can foresee.
    static func order(_ hops: ClosedRange<Int>, window: Int, seed: UInt64) -> [Int] {
        var generator = SplitMix64(state: seed)
        var order = Array(hops)
        guard window > 1 else { return order }
        for start in stride(from: 0, to: order.count, by: window) {
            let end = min(start + window, order.count)
            for index in start..<end {
                order.swapAt(index, index + Int(generator.next() % UInt64(end - index)))
            }
        }
        return order
    }

    mutating func appendFirst(_ hop: Int) { firsts.append(Place(hop: hop, query: 0)) }

    mutating func append(_ place: Place, isUrgent: Bool) {
        let index = min(place.query, urgent.count - 1)
        if isUrgent { urgent[index].append(place) } else { patient[index].append(place) }
    }

    /// Puts back what did not fit into the kernel's queue.
    mutating func putBack(_ place: Place) { returned.append(place) }

    mutating func next() -> Place? {
        if let place = returned.next() { return place }
        for index in urgent.indices { if let place = urgent[index].next() { return place } }
        if let place = firsts.next() { return place }
        for index in patient.indices { if let place = patient[index].next() { return place } }
        return nil
    }

    /// The next hop that has had no query.
    var nextFirst: Int? { firsts.first?.hop }

    var isEmpty: Bool {
        returned.isEmpty && firsts.isEmpty && urgent.allSatisfy(\.isEmpty) && patient.allSatisfy(\.isEmpty)
    }
}
