import PacketFormats

/// Finds every path to a destination, with a stated probability that one was missed: the multipath detection algorithm
/// (Augustin, Friedman and Teixeira, E2EMON 2007) with as much in flight at once as answers allow.
///
/// Flow 0 looks for the end of the path. All hops up to there are asked with as many flows as the stopping rule wants for
/// each node, and again as more next hops are found, flows that are known to pass a node being made where there are too few
/// (node control). Where flows part, some are asked twice: a balancer that chooses by packet shows that way. Silence is
/// believed only after others at the same hop were heard at the same time; a hop that leaves errors out is asked no faster
/// than it answers.
///
/// The verbs take O(1), but for one in each turn that takes O(hops * flows).
public struct MultipathTrace: Measurement, Sendable {
    public let configuration: Configuration
    public internal(set) var statistics = MultipathStatistics()
    /// Why it is over; nil while it is not.
    public internal(set) var ending: MultipathEnding?
    /// Why the paths end where they do, nil while that is not known: `gap` where they do so in silence.
    public internal(set) var pathEnding: PathEnding?
    /// Whether the destination itself has answered.
    public internal(set) var isReached = false
    /// Why the last probe that did not leave this host did not.
    public internal(set) var unsentFailure: SendFailure?

    /// An ask that is to be sent.
    struct Ask: Sendable {
        var hop: Int
        var flow: Int
    }

    /// A probe and what came of it, for the graph.
    struct Sample: Sendable {
        var hop: Int
        var flow: Int
        /// Who answered; -1 for nobody.
        var vertex: Int
        var answer: PathAnswer?
    }

    private struct Longest: HasLongestRoundTrip, Sendable {
        var longest: TimeSpan?
    }

    private let judge: HopJudge
    private var table = InFlightTable(maximumCapacity: 1 << 18)
    private var events = Queue<MultipathEvent>()
    /// By hop limit minus one; those below the first stay empty.
    var rows: [MultipathHop]
    var samples: [Sample] = []
    /// How many flows have been used.
    var flowCount = 1
    var line = Queue<Ask>()
    private var waits: PathWaits
    /// By hop limit minus one.
    private var longest: [Longest]
    /// Probes on their way that are waited for.
    private var underWay: [ProbeID] = []
    /// What a probe was, and from when on it is waited for, by its number minus one.
    private var sentProbes: [(probe: Probe, awaitedSince: Timestamp)] = []
    /// Answers that wait for the kernel's stamp of sending.
    private var unstamped: [(id: ProbeID, sample: Int, response: Response, deadline: Timestamp)] = []
    private var leaving: [ProbeID] = []
    /// Whether something happened that may ask for more.
    var needsPlan = true
    /// Whether more flows were wanted than there are.
    var lacksFlows = false
    /// The required probes by next hops known.
    var required: [Int] = [0]
    /// The order in which hops are asked.
    let ranks: [UInt64]
    /// The latest instant that was told.
    var clock = Timestamp(nanoseconds: .min)
    private var nextSend = Timestamp(nanoseconds: .min)
    private var lastArrival = Timestamp(nanoseconds: .min)
    private var sentInThisTurn = 0
    private var fullSince: Timestamp?
    private var failuresInARow = 0

    public init(_ configuration: Configuration) {
        self.configuration = configuration
        judge = HopJudge(
            configuration.destination, configuration.space.method, payloadLength: configuration.payloadLength)
        let count = min(max(0, configuration.maximumHop), Int(UInt8.max))
        rows = Array(repeating: MultipathHop(), count: count)
        longest = Array(repeating: Longest(), count: count)
        waits = PathWaits(
            maximum: configuration.maximumWait, hereFactor: configuration.hereFactor,
            nearFactor: configuration.nearFactor, maximumDelay: configuration.maximumDelay, tail: configuration.tailWait
        )
        var generator = SplitMix64(state: configuration.seed)
        ranks = (0..<count).map { _ in generator.next() }
        if firstHop > count || configuration.maximumProbes < 1 {
            ending = .complete
            pathEnding = .maximumHop
        }
    }

    var firstHop: Int { max(1, configuration.firstHop) }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard ending == nil, now >= nextSend, underWay.count < max(1, configuration.maximumInFlight),
            sentInThisTurn < Self.burst, fullSince == nil || sentInThisTurn == 0, !isExhausted
        else { return nil }
        while let ask = line.next() {
            // Its path may have turned out to end before.
            guard !isOver(ask.flow, before: ask.hop) else {
                conclude(hop: ask.hop, flow: ask.flow, as: .unasked)
                continue
            }
            let (method, flow) = configuration.space.fields(of: ask.flow)
            let probe = Probe(
                destination: configuration.destination, method: method, hopLimit: UInt8(clamping: ask.hop),
                trafficClass: configuration.trafficClass, flow: flow, payloadLength: configuration.payloadLength,
                dontFragment: configuration.dontFragment)
            let id = table.insert(
                InFlightRecord(subject: UInt32(ask.hop), sequence: UInt32(ask.flow), sentAt: now))
            sentProbes.append((probe, now))
            underWay.append(id)
            leaving.append(id)
            sentInThisTurn += 1
            if configuration.pause > .zero { nextSend = now + configuration.pause }
            return Transmit(id: id, probe: probe)
        }
        return nil
    }

    /// Whether as many probes were sent as may be.
    var isExhausted: Bool { statistics.transmitted + UInt64(leaving.count) >= UInt64(configuration.maximumProbes) }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard var record = table[id] else { return }
        record.take(stamp)
        if record.state == .pending {
            record.state = .outstanding
            statistics.transmitted += 1
            leaving.removeAll { $0 == id }
            failuresInARow = 0
            fullSince = nil
        }
        table[id] = record
        guard stamp.clock == .kernel, let index = unstamped.firstIndex(where: { $0.id == id }) else { return }
        let (roundTrip, clock) = RoundTrip.of(sentAt: record.sentAt, record.stamp, unstamped[index].response)
        samples[unstamped[index].sample].answer?.roundTrip = roundTrip
        samples[unstamped[index].sample].answer?.clock = clock
        settle(index)
    }

    public mutating func finishSending(at clock: () -> Timestamp) {
        guard sentInThisTurn > 0 else { return }
        let now = clock()
        for id in underWay.suffix(sentInThisTurn) {
            let index = Int(id.rawValue) - 1
            sentProbes[index].awaitedSince = max(sentProbes[index].awaitedSince, now)
        }
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let record = table[id], record.state == .pending else { return }
        table[id]?.state = .unsent
        leaving.removeAll { $0 == id }
        guard take(id), ending == nil else { return }
        let (hop, flow) = (Int(record.subject), Int(record.sequence))
        let since = fullSince ?? now
        if failure == .retryLater, now - since < Self.retryLimit {
            fullSince = since
            // It keeps its place among what is under way.
            line.append(Ask(hop: hop, flow: flow))
            nextSend = now + Self.retryPause
            return
        }
        conclude(hop: hop, flow: flow, as: .unsent)
        statistics.unsent += 1
        unsentFailure = failure
        events.append(.unsent(hop: hop, failure: failure))
        failuresInARow += 1
        // A kernel that refuses all that there is to send will not take the rest.
        if failuresInARow >= Self.failureLimit { end(.refused) }
    }

    /// Takes a probe out of those that are under way. Returns whether it was one.
    private mutating func take(_ id: ProbeID) -> Bool {
        guard let index = underWay.firstIndex(of: id) else { return false }
        underWay.remove(at: index)
        return true
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        guard ending == nil else { return }
        lastArrival = max(lastArrival, response.arrival)
        guard let kind = judge.kind(of: response) else {
            statistics.unsolicited += 1
            return
        }
        guard let id = judge.probe(of: response) else {
            statistics.unidentified += 1
            return
        }
        guard let record = table[id], record.state != .pending, record.state != .unsent else {
            statistics.unsolicited += 1
            return
        }
        guard record.state != .answered else {
            statistics.duplicates += 1
            return
        }
        table[id]?.state = .answered
        let (hop, flow) = (Int(record.subject), Int(record.sequence))
        let wasAwaited = take(id)
        if wasAwaited { statistics.received += 1 } else { statistics.late += 1 }
        let (roundTrip, clock) = RoundTrip.of(sentAt: record.sentAt, record.stamp, response)
        if kind == .reached { isReached = true }
        let vertex = note(response.responder, kind, hop: hop, flow: flow, wasAwaited: wasAwaited)
        longest[hop - 1].longest = max(longest[hop - 1].longest ?? roundTrip, roundTrip)
        var flags: TCPHeader.Flags?
        if case .tcp(let found) = response.kind { flags = found }
        samples.append(
            Sample(
                hop: hop, flow: flow, vertex: vertex,
                answer: PathAnswer(
                    kind: kind, responder: response.responder, roundTrip: roundTrip, clock: clock,
                    hopLimit: response.hopLimit, byteCount: response.byteCount, flags: flags, detail: response.detail,
                    probe: sentProbes[Int(id.rawValue) - 1].probe, sentAt: record.sentAt, id: id)))
        let waitsForStamp =
            configuration.wantsKernelStamps && record.stamp.clock == .user && response.stamp.clock == .kernel
        unstamped.append(
            (id, samples.count - 1, response, waitsForStamp ? response.arrival + Self.stampPatience : response.arrival))
        if !waitsForStamp { settle(unstamped.count - 1) }
    }

    /// Tells of an answer whose round trip is final.
    private mutating func settle(_ index: Int) {
        let sample = samples[unstamped[index].sample]
        unstamped.remove(at: index)
        if let answer = sample.answer { events.append(.answered(flow: sample.flow, answer)) }
    }

    public func awaits(_ id: ProbeID) -> Bool { ending == nil && underWay.contains(id) }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        guard ending == nil else { return }
        sentInThisTurn = 0
        clock = max(clock, now)
        let allowed = currentWaits
        if let due = nextExpiry(allowed) { waits.wokeUp(late: now - max(due, lastArrival)) }
        while let index = unstamped.firstIndex(where: { $0.deadline <= now }) { settle(index) }
        let again = currentWaits
        for id in underWay where table[id]?.state == .outstanding && expiry(of: id, again) <= now { expire(id) }
        if needsPlan || hasReleaseDue(now) { plan(at: now) }
        if underWay.isEmpty, isExhausted { end(.probeLimit) }
    }

    private mutating func expire(_ id: ProbeID) {
        guard let record = table[id], take(id) else { return }
        table[id]?.state = .expired
        let (hop, flow) = (Int(record.subject), Int(record.sequence))
        conclude(hop: hop, flow: flow, as: .doubtful)
        samples.append(Sample(hop: hop, flow: flow, vertex: -1))
        events.append(.silent(flow: flow, hop: hop))
    }

    private var currentWaits: [TimeSpan] {
        waits.waits(longest, end: nil, floor: Self.floor, ceiling: configuration.maximumWait)
    }

    private func expiry(of id: ProbeID, _ allowed: [TimeSpan]) -> Timestamp {
        let (probe, since) = sentProbes[Int(id.rawValue) - 1]
        return since + allowed[Int(probe.hopLimit) - 1]
    }

    private func nextExpiry(_ allowed: [TimeSpan]) -> Timestamp? {
        underWay.map { expiry(of: $0, allowed) }.min()
    }

    public func expiresSilence(at now: Timestamp) -> Bool {
        guard ending == nil, let expiry = nextExpiry(currentWaits) else { return false }
        return expiry <= now
    }

    public mutating func awoke(at now: Timestamp) { askUnheardAgain() }

    public mutating func didDrop(_ packets: UInt64, at now: Timestamp) { askUnheardAgain() }

    /// What is on its way may have been answered without anybody to hear it: it is neither lost nor late.
    private mutating func askUnheardAgain() {
        guard ending == nil else { return }
        for id in underWay where table[id]?.state == .outstanding {
            guard let record = table[id] else { continue }
            table[id]?.state = .unheard
            _ = take(id)
            line.append(Ask(hop: Int(record.subject), flow: Int(record.sequence)))
        }
    }

    public mutating func stop(at now: Timestamp) {
        guard ending == nil else { return }
        end(.interrupted)
    }

    /// Tells what is still to be told, and ends.
    mutating func end(_ reason: MultipathEnding) {
        while !unstamped.isEmpty { settle(0) }
        ending = reason
        if pathEnding == nil { pathEnding = isReached ? .reached : reason == .complete ? .gap : .interrupted }
    }

    /// Tells of a hop that is asked slowly from now on.
    mutating func tellSlowness(of hop: Int) { events.append(.slowed(hop: hop)) }

    var isIdle: Bool { underWay.isEmpty && line.isEmpty }

    public mutating func nextEvent() -> MultipathEvent? { events.next() }

    public var schedule: Schedule {
        if ending != nil { return .finished }
        var earliest: Timestamp?
        func consider(_ instant: Timestamp) { earliest = min(earliest ?? instant, instant) }
        if needsPlan { return .at(clock) }
        if !line.isEmpty, underWay.count < max(1, configuration.maximumInFlight), !isExhausted { consider(nextSend) }
        if let expiry = nextExpiry(currentWaits) { consider(expiry) }
        if let release = nextRelease { consider(release) }
        if let deadline = unstamped.map(\.deadline).min() { consider(deadline) }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    private static let burst = 64
    private static let floor = TimeSpan.milliseconds(5)
    private static let retryPause = TimeSpan.milliseconds(1)
    private static let retryLimit = TimeSpan.milliseconds(500)
    private static let stampPatience = TimeSpan.milliseconds(1)
    private static let failureLimit = 32
}
