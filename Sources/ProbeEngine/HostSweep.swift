import PacketFormats

/// Which of many targets are up: one probe each, and a few more until one is answered.
///
/// Nothing is kept of a target but while a probe to it is on its way, so that a million of them, or 2^32, take no more
/// memory than the probes of the last few seconds; they can also come while the sweep runs. What a target is counted as
/// is decided once:
///
/// - *alive* by its first sound answer, to whichever probe; an answer that is late for its own probe counts while a later
///   one is waited for;
/// - *unreachable* when the last probe's timeout has passed, or by an ICMP error that concludes a probe, because asking
///   again at once seldom changes what a router knows (`keepsAskingAfterErrors`);
/// - *unasked* when the kernel refuses the first probe to it.
///
/// What this host did wrong spends no retry: a probe that found the queue full, one whose answer may have been dropped
/// here (`didDrop`), and one that was on its way when the machine slept (`awoke`) are sent once more.
public struct HostSweep: Measurement, Sendable {
    public struct Configuration: Sendable {
        /// Who is asked.
        public var space: TargetSpace
        /// Further targets will come, until the command `close`.
        public var isOpen = false
        /// In which order; nil for that of the space. What the space has beyond its count comes behind it.
        public var order: TargetPermutation?
        /// Which part of the order.
        public var shard = Shard.whole
        /// Where an earlier sweep of the same space, order and shard stopped.
        public var resume: Position?
        /// Further probes to a target that has not answered, at most 255.
        public var retries = 1
        /// How long the answer to the first probe is waited for.
        public var timeout = TimeSpan.seconds(1)
        /// Each retry is waited for so many times as long as the probe before it; less than 1, and NaN, count as 1.
        public var backoff = 1.0
        /// Probes a second, nil for as fast as it goes. More than a thousand go in turns of a millisecond.
        public var rate: Double? = 1_000
        public var method = ProbeMethod.icmpEcho
        public var payloadLength = 56
        public var hopLimit: UInt8 = 64
        /// Of probes to multicast addresses, which stay on the link unless somebody wants more.
        public var multicastHopLimit: UInt8 = 1
        public var trafficClass: UInt8 = 0
        public var dontFragment = false
        /// Whether the kernel stamps what is sent: answers don't wait for that, because it comes before them.
        public var wantsKernelStamps = false
        /// Time round trips by this process, whatever the kernel stamps.
        public var timesInProcess = false
        /// An answer with our cookie counts from whatever address it comes.
        public var takesAnswersFromAnyone = false
        /// An ICMP error does not end the asking.
        public var keepsAskingAfterErrors = false
        /// What is told of; what is not is only counted.
        public var reports: Reports = .all
        /// Keep a histogram of the round trips, 110 KB for all targets.
        public var wantsPercentiles = true
        /// The real-time clock less the monotonic one in nanoseconds: makes the time of day of a timestamp request.
        public var wallClockOffset: Int64 = 0

        public init(_ space: TargetSpace) { self.space = space }
    }

    /// Kinds of events.
    public struct Reports: OptionSet, Hashable, Sendable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `HostSweepEvent.alive`
        public static let alive = Reports(rawValue: 1)
        /// `HostSweepEvent.unreachable` and `unasked`
        public static let unreachable = Reports(rawValue: 2)
        /// `HostSweepEvent.error`
        public static let errors = Reports(rawValue: 4)
        /// `HostSweepEvent.late`, `duplicate`, `corrupted` and `wrongSource`
        public static let strays = Reports(rawValue: 8)
        public static let all: Reports = [.alive, .unreachable, .errors, .strays]
    }

    /// What was counted. Those of several sweeps can be added up.
    public struct Counters: Hashable, Sendable, BitwiseCopyable {
        /// Targets of this shard that are known so far, decided or not; without those that a resumed sweep had decided.
        public var targets: UInt64 = 0
        /// Targets that answered.
        public var alive: UInt64 = 0
        /// Targets that were asked and are not alive.
        public var unreachable: UInt64 = 0
        /// Targets that could not be asked.
        public var unasked: UInt64 = 0
        /// Probes handed to the kernel.
        public var transmitted: UInt64 = 0
        /// Probes that were answered in time.
        public var received: UInt64 = 0
        /// Probes that were answered later.
        public var late: UInt64 = 0
        /// Probes that an ICMP error came for.
        public var errors: UInt64 = 0
        /// Further errors for probes that had theirs or were answered.
        public var repeatedErrors: UInt64 = 0
        /// Answers to probes that had theirs.
        public var duplicates: UInt64 = 0
        /// Damaged answers.
        public var corrupted: UInt64 = 0
        /// Answers with our cookie from another address.
        public var wrongSource: UInt64 = 0
        /// Probes that the kernel refused.
        public var unsent: UInt64 = 0
        /// Probes behind the first to their target that count as retries; they are in `transmitted` too.
        public var retried: UInt64 = 0
        /// Probes behind the first to their target that this host's own losses made necessary; they are in `transmitted`.
        public var repeated: UInt64 = 0
        /// Packets that this host received and dropped, ours or others'.
        public var droppedHere: UInt64 = 0
        /// Answers that carry our mark but belong to no probe that is known.
        public var unsolicited: UInt64 = 0
        /// Targets that were appended and for which there was no room.
        public var overflow: UInt64 = 0

        public init() {}

        /// Targets that are not decided.
        public var remaining: UInt64 { targets &- alive &- unreachable &- unasked }
    }

    /// How far a sweep has come: every target before `next` is decided, except for these.
    public struct Position: Hashable, Sendable {
        /// The first position of the order that was not begun.
        public var next: UInt64
        /// Targets, as indices of the space, that were begun and are not decided; at most as many as there are records.
        public var undecided: [UInt32]

        public init(next: UInt64, undecided: [UInt32]) {
            self.next = next
            self.undecided = undecided
        }
    }

    /// What changes a running sweep.
    public enum Command: Hashable, Sendable {
        /// One target more. Where there is no room it is counted in `overflow`.
        case append(IPAddress)
        /// Targets more. Where there is no room for all, none is appended, and they are counted in `overflow`.
        case appendRange(IPAddressRange)
        /// No targets will come.
        case close
    }

    /// Without the targets, which are in `space`.
    public let configuration: Configuration
    /// Who is asked.
    public private(set) var space: TargetSpace
    /// Whether further targets may come.
    public private(set) var isOpen: Bool
    /// Of the answers in time.
    public private(set) var roundTrips: RoundTripStatistics
    /// When the first probe was due.
    public let start: Timestamp
    /// When the last probe was taken from here, `start` before the first.
    public private(set) var lastTransmit: Timestamp
    /// What the kernel said when it refused a probe for good, the last time.
    public private(set) var lastSendFailure: SendFailure?

    private var tally = Counters()
    private var records: HostRecords
    private var pace: SweepPace
    private var events = Queue<HostSweepEvent>()
    private let judge: AnswerJudge
    /// A probe to nobody.
    private let template: Probe
    private let isTimestamp: Bool
    /// How long the answer to each attempt is waited for; the last one holds for those beyond.
    private let timeouts: [TimeSpan]
    private let retries: UInt8
    /// What was sent so long ago is let go of rather than taking more memory.
    private let memory: TimeSpan

    /// The next position of the shard.
    private var next: UInt64
    /// Where the sweep began, for the count of targets.
    private let begin: UInt64
    /// Of the resumed targets.
    private var resumed = 0
    /// Probes that may still go before time passes.
    private var burst = Self.longestBurst
    /// The answers to probes up to this one may have come when nobody could hear them.
    private var lastUnheard: UInt64 = 0
    /// Since when the kernel has taken nothing.
    private var refusedSince: Timestamp?
    private var isOver = false
    /// As the latest stamp of sending says it.
    private var wallClockOffset: Int64

    /// - Parameters:
    ///   - start: when the first probe is due.
    ///   - recordCapacity: how many probes are remembered at most, a power of two: 32 octets each. When all of them are
    ///     waited for, the next probe waits as well.
    public init(_ configuration: Configuration, start: Timestamp, recordCapacity: Int = 1 << 20) {
        var configuration = configuration
        space = configuration.space
        configuration.space = TargetSpace()
        let length =
            configuration.method == .icmpTimestamp
            ? ICMPTimestampMessage.length - ICMPHeader.length : configuration.payloadLength
        configuration.payloadLength = length
        self.configuration = configuration
        isOpen = configuration.isOpen
        self.start = start
        lastTransmit = start
        roundTrips = RoundTripStatistics(withPercentiles: configuration.wantsPercentiles)
        pace = SweepPace(rate: configuration.rate, start: start)
        judge = AnswerJudge(
            method: configuration.method, payloadLength: length, wantsKernelStamps: configuration.wantsKernelStamps,
            timesInProcess: configuration.timesInProcess || configuration.method == .icmpTimestamp)
        template = Probe(
            destination: .v4(.any), method: configuration.method, hopLimit: configuration.hopLimit,
            trafficClass: configuration.trafficClass, payloadLength: length, dontFragment: configuration.dontFragment)
        isTimestamp = configuration.method == .icmpTimestamp
        wallClockOffset = configuration.wallClockOffset
        retries = UInt8(max(0, min(configuration.retries, Int(UInt8.max))))
        let timeouts = Self.timeouts(configuration, retries)
        self.timeouts = timeouts
        memory = (timeouts.last ?? configuration.timeout) * 2
        records = HostRecords(timeouts: timeouts.count, maximumCapacity: recordCapacity)
        begin = configuration.resume?.next ?? UInt64(configuration.shard.index)
        next = begin
    }

    /// One for each attempt up to where they stay the same.
    private static func timeouts(_ configuration: Configuration, _ retries: UInt8) -> [TimeSpan] {
        let backoff = configuration.backoff >= 1 ? configuration.backoff : 1
        var timeouts = [min(configuration.timeout, longestTimeout)]
        for _ in 0..<retries {
            let last = timeouts[timeouts.count - 1]
            let longer = Double(last.nanoseconds) * backoff
            let bounded = TimeSpan(nanoseconds: Int64(min(longer, Double(longestTimeout.nanoseconds))))
            if bounded <= last { break }
            timeouts.append(bounded)
        }
        return timeouts
    }

    // MARK: Progress

    /// What was counted so far.
    public var counters: Counters {
        var counters = tally
        counters.targets =
            UInt64(configuration.resume?.undecided.count ?? 0)
            + shardCount(of: max(begin, space.count)) - shardCount(of: begin)
        return counters
    }

    /// Targets that are not decided.
    public var remaining: UInt64 { counters.remaining }

    /// Targets that are known and that no probe was sent to so far: whoever reads them from a file may wait while there
    /// are enough.
    public var backlog: UInt64 {
        let fresh = space.count > next ? shardCount(of: space.count) &- shardCount(of: next) : 0
        return fresh &+ UInt64((configuration.resume?.undecided.count ?? 0) - resumed)
    }

    /// Probes whose answers are waited for.
    public var inFlight: UInt64 { UInt64(records.open - records.count(in: records.waitingLine)) }

    /// How many targets of the shard lie before a position.
    private func shardCount(of positions: UInt64) -> UInt64 { configuration.shard.count(of: positions) }

    /// Whence another sweep can go on. O(records).
    public var position: Position {
        var undecided: [UInt32] = []
        for number in records.head..<records.next where records[number].isOpen {
            undecided.append(records[number].target)
        }
        if let resume = configuration.resume { undecided += resume.undecided[resumed...] }
        return Position(next: next, undecided: undecided)
    }

    /// How many probes are remembered at most without taking more memory.
    var recordCapacity: Int { records.capacity }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard burst > 0, pace.due <= now, !isOver else { return nil }
        let isFull = records.isFull
        if isFull, records[records.head].state != .waiting { return nil }
        if records.count(in: records.waitingLine) > 0 { return transmitAgain(isFull, at: now) }
        guard let target = nextTarget() else { return nil }
        let record = HostRecord(target: target, attempt: 0, repeats: 0, wasAsked: false, sentAt: now)
        return transmit(record, at: now)
    }

    private mutating func nextTarget() -> UInt32? {
        if let resume = configuration.resume {
            while resumed < resume.undecided.count {
                let target = resume.undecided[resumed]
                guard UInt64(target) < space.count else { break }
                resumed += 1
                return target
            }
        }
        guard next < space.count else { return nil }
        let position = next
        next += UInt64(configuration.shard.total)
        guard let order = configuration.order, position < order.count else {
            return UInt32(truncatingIfNeeded: position)
        }
        return order[UInt32(truncatingIfNeeded: position)]
    }

    private mutating func transmitAgain(_ isFull: Bool, at now: Timestamp) -> Transmit? {
        // Where there is no room, the oldest makes it by being asked again.
        guard let number = isFull ? records.head : records.first(in: records.waitingLine) else { return nil }
        let old = records[number]
        records.remove(number, from: records.waitingLine)
        var record = HostRecord(
            target: old.target, attempt: old.attempt, repeats: old.repeats, wasAsked: old.wasAsked || old.hasExpired,
            sentAt: now)
        // A probe that the kernel refused has not been tried.
        if old.hasExpired {
            if old.isFree { record.repeats += 1 } else { record.attempt += 1 }
        }
        record.isFree = old.isFree
        records[number].state = .superseded
        records[number].next = UInt32(truncatingIfNeeded: records.next)
        return transmit(record, at: now)
    }

    @inline(__always)
    private mutating func transmit(_ record: HostRecord, at now: Timestamp) -> Transmit {
        let number = records.insert(
            record, in: line(record.attempt), horizon: Timestamp(nanoseconds: now.nanoseconds &- memory.nanoseconds))
        burst -= 1
        pace.take(at: now)
        lastTransmit = now
        var transmit = Transmit(id: ProbeID(rawValue: number), probe: template)
        transmit.probe.destination = space[record.target]
        if transmit.probe.destination.isMulticast { transmit.probe.hopLimit = configuration.multicastHopLimit }
        if isTimestamp {
            transmit.probe.originate = InternetTimestamp(nanoseconds: now.nanoseconds &+ wallClockOffset)
            records[number].keep(originate: transmit.probe.originate.rawValue)
        }
        return transmit
    }

    /// The line in which probes of this attempt wait.
    @inline(__always)
    private func line(_ attempt: UInt8) -> Int { min(Int(attempt), timeouts.count - 1) }

    @inline(__always)
    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard records.contains(id.rawValue) else { return }
        if records[id.rawValue].state == .pending {
            if isTimestamp {
                wallClockOffset = stamp.nanoseconds &- records[id.rawValue].sentAt.nanoseconds
            } else {
                records[id.rawValue].take(stamp)
            }
            records[id.rawValue].state = .outstanding
            tally.transmitted += 1
            if records[id.rawValue].wasAsked { countAgain(id.rawValue) }
            if refusedSince != nil { refusedSince = nil }
        } else if stamp.clock == .kernel, !isTimestamp {
            records[id.rawValue].take(stamp)
        }
    }

    private mutating func countAgain(_ number: UInt64) {
        if records[number].isFree { tally.repeated += 1 } else { tally.retried += 1 }
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        let number = id.rawValue
        guard records.contains(number), records[number].state == .pending else { return }
        let record = records[number]
        records.remove(number, from: line(record.attempt))
        if failure == .retryLater, !isOver {
            let since = refusedSince ?? now
            refusedSince = since
            pace.refuse(at: now)
            if now - since < Self.refusalLimit {
                records[number].state = .waiting
                records.append(number, to: records.waitingLine)
                return
            }
        }
        records[number].state = .unsent
        tally.unsent += 1
        lastSendFailure = failure
        if record.wasAsked {
            decideUnreachable(record, failure: failure, at: now)
        } else {
            tally.unasked += 1
            guard configuration.reports.contains(.unreachable) else { return }
            events.append(
                .unasked(
                    HostRefusal(target: record.target, address: space[record.target], failure: failure, time: now)))
        }
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        guard let number = response.probe?.rawValue ?? onlyCandidate(for: response), records.contains(number),
            records[number].wasSent, judge.isOfOurKind(response)
        else {
            tally.unsolicited += 1
            return
        }
        let record = records[number]
        let address = space[record.target]
        let originate = isTimestamp ? UInt32(truncatingIfNeeded: record.stampNanoseconds) : 0
        let meaning = judge.meaning(
            of: response, to: address, isGroup: configuration.takesAnswersFromAnyone || address.isGroup,
            originate: InternetTimestamp(rawValue: originate))
        switch meaning {
        case .nobodys: tally.unsolicited += 1
        case .reply(let kind, let soundness): take(response, kind, soundness, number, record, address)
        case .error(let type, let code, let info, let isConclusive):
            takeError(response, type, code, info, isConclusive, number, record, address)
        }
    }

    /// The probe of an ICMP error that does not name one, because its sender quotes no more than 28 octets. Nil unless
    /// just one of the probes that went last is on its way to that target; only so many are looked at, because others can
    /// send such errors too.
    private func onlyCandidate(for response: Response) -> UInt64? {
        guard case .udp = configuration.method, let address = response.quotedDestination?.withoutZone else {
            return nil
        }
        var found: UInt64?
        var number = records.next
        let oldest = max(records.head, number - min(number, Self.longestSearch))
        while number > oldest {
            number -= 1
            let record = records[number]
            guard record.state == .outstanding, space[record.target].withoutZone == address else { continue }
            if found != nil { return nil }
            found = number
        }
        return found
    }

    @inline(__always)
    private mutating func take(
        _ response: Response, _ kind: EchoReply.Kind, _ soundness: AnswerJudge.Soundness, _ number: UInt64,
        _ record: HostRecord, _ address: IPAddress
    ) {
        let (roundTrip, clock) = judge.roundTrip(sentAt: record.sentAt, record.stamp(response.stamp.epoch), response)
        let disposition: EchoReply.Disposition
        var isDecision = false
        switch soundness {
        case .corrupted(let integrity):
            disposition = .corrupted(integrity)
            tally.corrupted += 1
        case .wrongSource:
            disposition = .wrongSource
            tally.wrongSource += 1
        case .sound where record.state == .answered:
            disposition = .duplicate
            tally.duplicates += 1
        case .sound:
            if record.hasExpired || roundTrip > timeouts[line(record.attempt)] {
                disposition = .late
                tally.late += 1
            } else {
                disposition = .inTime
                tally.received += 1
                roundTrips.record(roundTrip)
            }
            isDecision = close(number, record)
            records[number].state = .answered
            if isDecision { tally.alive += 1 }
        }
        guard isDecision ? configuration.reports.contains(.alive) : configuration.reports.contains(.strays) else {
            return
        }
        let answer = HostAnswer(
            target: record.target, address: address, responder: response.responder, kind: kind,
            disposition: disposition, attempt: Int(record.attempt), roundTrip: roundTrip, clock: clock,
            hopLimit: response.hopLimit, trafficClass: response.trafficClass, byteCount: response.byteCount,
            arrival: response.arrival, detail: response.detail, probe: ProbeID(rawValue: number))
        if isDecision { return events.append(.alive(answer)) }
        switch disposition {
        case .late: events.append(.late(answer))
        case .duplicate: events.append(.duplicate(answer))
        case .corrupted: events.append(.corrupted(answer))
        case .wrongSource: events.append(.wrongSource(answer))
        // The target was found alive by the late answer to an earlier probe.
        case .inTime: break
        }
    }

    private mutating func takeError(
        _ response: Response, _ type: ICMPType, _ code: UInt8, _ info: UInt32, _ isConclusive: Bool, _ number: UInt64,
        _ record: HostRecord, _ address: IPAddress
    ) {
        // A probe has one error, however many packets tell of it, and none once it was answered: anybody on the way can
        // send thousands of them. What decides may follow what does not.
        let isFirst = !record.wasReported
        let decides = isConclusive && !configuration.keepsAskingAfterErrors
        guard record.state != .answered, isFirst || decides && opened(number, record) != nil else {
            tally.repeatedErrors += 1
            return
        }
        records[number].wasReported = true
        if isConclusive { tally.errors += 1 }
        let (roundTrip, clock) = judge.roundTrip(sentAt: record.sentAt, record.stamp(response.stamp.epoch), response)
        let error = HostError(
            target: record.target, address: address, attempt: Int(record.attempt), type: type, code: code, info: info,
            responder: response.responder, hopLimit: response.hopLimit, roundTrip: roundTrip, clock: clock,
            detail: response.detail, arrival: response.arrival, isConclusive: isConclusive)
        if configuration.reports.contains(.errors) { events.append(.error(error)) }
        if decides, close(number, record) { decideUnreachable(record, error: error, at: response.arrival) }
    }

    /// The probe that decides about the target now: this one, or the last of those that followed it. Nil where the target
    /// is decided. O(probes to the target).
    @inline(__always)
    private func opened(_ number: UInt64, _ record: HostRecord) -> UInt64? {
        if record.state == .outstanding || record.state == .waiting { return number }
        return record.state == .superseded ? records.opened(behind: number) : nil
    }

    /// Ends the waiting for the target of a probe, and says whether somebody waited.
    @inline(__always)
    private mutating func close(_ number: UInt64, _ record: HostRecord) -> Bool {
        guard let open = opened(number, record) else { return false }
        let isWaiting = records[open].state == .waiting
        records.remove(open, from: isWaiting ? records.waitingLine : line(records[open].attempt))
        records[open].state = .settled
        return true
    }

    private mutating func decideUnreachable(
        _ record: HostRecord, error: HostError? = nil, failure: SendFailure? = nil, at now: Timestamp
    ) {
        tally.unreachable += 1
        guard configuration.reports.contains(.unreachable) else { return }
        events.append(
            .unreachable(
                HostSilence(
                    target: record.target, address: space[record.target], attempt: Int(record.attempt), error: error,
                    failure: failure, time: now)))
    }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        guard !isOver else { return }
        burst = Self.longestBurst
        var budget = Self.longestExpiry
        for line in timeouts.indices {
            while budget > 0, let number = records.first(in: line) {
                let record = records[number]
                guard record.state == .outstanding, record.sentAt + timeouts[line] <= now else { break }
                budget -= 1
                records.remove(number, from: line)
                records[number].hasExpired = true
                expire(number, record, at: now)
            }
        }
    }

    public func expiresSilence(at now: Timestamp) -> Bool {
        for line in timeouts.indices {
            if let number = records.first(in: line), records[number].sentAt + timeouts[line] <= now { return true }
        }
        return false
    }

    private mutating func expire(_ number: UInt64, _ record: HostRecord, at now: Timestamp) {
        let isUnheard = number <= lastUnheard && record.repeats < Self.maximumRepeats
        guard isUnheard || record.attempt < retries else {
            records[number].state = .settled
            return decideUnreachable(record, at: now)
        }
        records[number].isFree = isUnheard
        records[number].state = .waiting
        records.append(number, to: records.waitingLine)
    }

    public mutating func awoke(at now: Timestamp) { lastUnheard = records.next - 1 }

    public mutating func didDrop(_ packets: UInt64, at now: Timestamp) {
        tally.droppedHere &+= packets
        lastUnheard = records.next - 1
        pace.overflow(at: now)
    }

    // MARK: Commands

    public mutating func apply(_ command: Command, at now: Timestamp) {
        switch command {
        case .append(let address):
            guard isOpen, (try? space.append(address)) != nil else {
                tally.overflow &+= 1
                return
            }
        case .appendRange(let range):
            guard isOpen, (try? space.append(range)) != nil else {
                tally.overflow &+= range.count
                return
            }
        case .close: isOpen = false
        }
    }

    public mutating func stop(at now: Timestamp) { isOver = true }

    public mutating func nextEvent() -> HostSweepEvent? { events.next() }

    public mutating func takeEvents(into buffer: inout [HostSweepEvent]) { events.move(into: &buffer) }

    public func awaits(_ id: ProbeID) -> Bool {
        records.contains(id.rawValue) && records[id.rawValue].state == .outstanding
    }

    public var schedule: Schedule {
        let hasWaiting = records.count(in: records.waitingLine) > 0
        let hasWork = hasWaiting || isMoreToTake
        if isOver || !hasWork && !isOpen && records.open == 0 { return .finished }
        var earliest: Timestamp?
        if hasWork, !records.isFull || records[records.head].state == .waiting { earliest = nextTurn }
        for line in timeouts.indices {
            guard let number = records.first(in: line) else { continue }
            let expiry = records[number].sentAt + timeouts[line]
            earliest = min(earliest ?? expiry, expiry)
        }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    /// When to send again. Waking up for each of thousands of probes a second would cost several times what they cost:
    /// those of a millisecond go together.
    private var nextTurn: Timestamp {
        guard pace.isPaced, burst > 0, records.next > 1 else { return pace.due }
        return max(pace.due, lastTransmit + Self.turn)
    }

    private var isMoreToTake: Bool {
        if let resume = configuration.resume, resumed < resume.undecided.count,
            UInt64(resume.undecided[resumed]) < space.count
        {
            return true
        }
        return next < space.count
    }

    /// Answers get their turn behind so many probes: no more than a batch, whose answers one call can take.
    private static let longestBurst = 64
    private static let turn = TimeSpan.milliseconds(1)
    private static let longestExpiry = 1_024
    /// Of the probes that went last.
    private static let longestSearch: UInt64 = 1_024
    /// A queue that stays full for so long counts as a failure. Packets to neighbours that are not there take up the
    /// socket's buffer and the table of neighbours until the kernel has given up on them, 3 s with its defaults (arp(7):
    /// mcast_solicit, retrans_time).
    private static let refusalLimit = TimeSpan.seconds(5)
    /// Where packets are dropped all the time, asking again for nothing has an end.
    private static let maximumRepeats: UInt8 = 8
    private static let longestTimeout = TimeSpan.seconds(86_400)
}
