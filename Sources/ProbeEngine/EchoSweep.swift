import PacketFormats

/// Which targets answer, how fast and how reliably: what ping measures, for one target or many.
///
/// Each target gets a probe every `interval`, or as another `Pacing` says; the targets' probes are spread over the first
/// part of it. Deadlines are absolute: a late wake-up shortens the next wait.
///
/// Time is that of a clock which stands still while the machine sleeps, and so does the schedule: nothing was due
/// meanwhile. Nobody could hear the answers to what was on its way then (`awoke`).
public struct EchoSweep: Measurement, Sendable {
    public struct Configuration: Sendable {
        public var targets: [IPAddress]
        /// Probes to each target, nil for no end.
        public var count: UInt64?
        /// Between two probes to the same target.
        public var interval = TimeSpan.seconds(1)
        /// After this long a reply is late.
        public var timeout = TimeSpan.seconds(2)
        /// Ends the run, whatever was sent or received. With a `count`, probes go on until that many replies came.
        public var deadline: TimeSpan?
        public var method = ProbeMethod.icmpEcho
        public var payloadLength = 56
        public var hopLimit: UInt8 = 64
        public var trafficClass: UInt8 = 0
        public var dontFragment = false
        /// Wait for the kernel's send stamps before a reply is reported. Otherwise round trips start at this process' own
        /// time of sending.
        public var wantsKernelStamps = true
        /// When the probes go; `interval` means what the pacing says.
        public var pacing = Pacing.periodic
        /// So many probes to each target go at once at the start; in adaptive and flood pacing as many may be on their
        /// way before an answer is needed.
        public var preload: UInt32 = 1
        /// The least time between two probes to the same target, whatever the pacing; preloaded ones excepted.
        public var shortestGap = TimeSpan.zero
        /// Tell of every probe that was handed to the kernel.
        public var reportsSends = false

        public init(targets: [IPAddress]) { self.targets = targets }
    }

    public let configuration: Configuration
    /// One for each target, in the order of the configuration.
    public private(set) var statistics: [EchoStatistics]
    /// Answers that carry our mark but belong to no probe that is known.
    public private(set) var unsolicited: UInt64 = 0
    /// Probes that were due while this process did not run, and were left out instead of sent in a burst.
    public var missed: UInt64 { pacer.missed }
    /// When the first probe was due.
    public let start: Timestamp

    private var inFlight: InFlightTable
    private var events = Queue<EchoEvent>()

    private var pacer: Pacer
    private var satisfiedTargets = 0

    /// Probes that found the local queue full, and when to try them again: in batches several do at once.
    private var retries = Queue<(id: ProbeID, due: Timestamp)>()
    /// Since when each of those has been tried, and whether it waits for its next turn.
    private var refused: [ProbeID: (since: Timestamp, isWaiting: Bool)] = [:]
    /// The last probe that went to each target; kept for UDP only, whose errors may not say which probe they quote.
    private var newest: [ProbeID] = []
    /// Replies that wait for the kernel's stamp of their probe.
    private var held: [ProbeID: [Response]] = [:]
    /// Until when they wait, in the order in which they came.
    private var holds = Queue<(id: ProbeID, until: Timestamp)>()
    /// No record older than this one can still expire.
    private var expiryCursor: UInt64 = 1
    /// Taken from here, and not yet known to be sent or not.
    private var pending = 0
    private var outstanding = 0
    private var lastExpired: (id: ProbeID, target: Int, sentAt: Timestamp)?
    private var isOver = false
    /// The last probe that may have been on its way when the machine slept.
    private var lastBeforeSleep = ProbeID(rawValue: 0)

    /// - Parameters:
    ///   - start: when the first probe is due.
    ///   - tableCapacity: how many probes are remembered at most, a power of two.
    public init(_ configuration: Configuration, start: Timestamp, tableCapacity: Int = 1 << 20) {
        self.configuration = configuration
        self.start = start
        pacer = Pacer(configuration, isCounted: configuration.deadline == nil, start: start)
        let count = configuration.targets.count
        statistics = Array(
            repeating: EchoStatistics(withPercentiles: count <= Self.maximumHistograms), count: count)
        inFlight = InFlightTable(maximumCapacity: tableCapacity)
        if case .udp = configuration.method { newest = Array(repeating: ProbeID(rawValue: 0), count: count) }
        isOver = count == 0 || configuration.count == 0
    }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard !isOver else { return nil }
        if let waiting = retries.first {
            guard waiting.due <= now, let target = inFlight[waiting.id]?.subject else { return nil }
            _ = retries.next()
            refused[waiting.id]?.isWaiting = false
            inFlight[waiting.id]?.sentAt = now
            return Transmit(id: waiting.id, probe: probe(to: Int(target)))
        }
        guard !isDoneSending, !inFlight.isFull, let (target, sequence) = pacer.take(at: now) else { return nil }
        let id = inFlight.insert(InFlightRecord(subject: UInt32(target), sequence: sequence, sentAt: now))
        pending += 1
        return Transmit(id: id, probe: probe(to: target))
    }

    private func probe(to target: Int) -> Probe {
        Probe(
            destination: configuration.targets[target], method: configuration.method,
            hopLimit: configuration.hopLimit, trafficClass: configuration.trafficClass,
            payloadLength: configuration.payloadLength, dontFragment: configuration.dontFragment)
    }

    private var isDoneSending: Bool {
        guard configuration.count != nil else { return false }
        if configuration.deadline != nil { return satisfiedTargets == configuration.targets.count }
        return pacer.due == nil
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard var record = inFlight[id] else { return }
        record.take(stamp)
        if record.state == .pending {
            record.state = .outstanding
            pending -= 1
            outstanding += 1
            statistics[Int(record.subject)].transmitted += 1
            statistics[Int(record.subject)].inFlight += 1
            if configuration.reportsSends {
                events.append(.sent(target: Int(record.subject), sequence: record.sequence))
            }
            if !newest.isEmpty { newest[Int(record.subject)] = id }
            if !refused.isEmpty { refused[id] = nil }
        }
        inFlight[id] = record
        guard stamp.clock == .kernel, !held.isEmpty else { return }
        release(id)
        while let first = holds.first, held[first.id] == nil { _ = holds.next() }
    }

    /// Counts the replies that waited for the stamp of this probe.
    private mutating func release(_ id: ProbeID) {
        guard let responses = held.removeValue(forKey: id) else { return }
        for response in responses { conclude(response) }
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let record = inFlight[id], record.state == .pending else { return }
        if failure == .retryLater, !isOver {
            let (since, isWaiting) = refused[id] ?? (record.sentAt, false)
            if isWaiting { return }
            if now - since < Self.retryLimit {
                refused[id] = (since, true)
                retries.append((id, now + Self.retryPause))
                return
            }
        }
        giveUp(id, failure)
    }

    private mutating func giveUp(_ id: ProbeID, _ failure: SendFailure) {
        guard let record = inFlight[id], record.state == .pending else { return }
        let target = Int(record.subject)
        inFlight[id]?.state = .unsent
        pending -= 1
        refused[id] = nil
        statistics[target].unsent += 1
        statistics[target].lastSendFailure = failure
        events.append(.unsent(target: target, sequence: record.sequence, failure: failure))
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        if response.probe == nil, let candidate = onlyCandidate(for: response) {
            var response = response
            response.probe = candidate
            return receive(response)
        }
        guard let id = response.probe, let record = inFlight[id], record.state != .pending, record.state != .unsent
        else {
            unsolicited += 1
            return
        }
        // The pace does not wait for the stamp of sending.
        if response.integrity == .intact, response.kind.isConclusive(response.responder.version) {
            pacer.conclude(
                Int(record.subject), record.sequence, roundTrip: response.arrival - record.sentAt, at: response.arrival)
        }
        if configuration.wantsKernelStamps, !isOver, record.stamp.clock == .user, response.stamp.clock == .kernel {
            held[id, default: []].append(response)
            holds.append((id, response.arrival + Self.stampPatience))
        } else {
            conclude(response)
        }
    }

    /// The probe of an ICMP error that does not name one, because its sender quotes no more than 28 octets. Nil unless
    /// just one probe is on its way to that target. O(targets).
    private func onlyCandidate(for response: Response) -> ProbeID? {
        guard !newest.isEmpty, let address = response.quotedDestination?.withoutZone,
            let target = configuration.targets.firstIndex(where: { $0.withoutZone == address }),
            statistics[target].inFlight == 1, inFlight[newest[target]]?.state == .outstanding
        else { return nil }
        return newest[target]
    }

    /// Counts a response whose probe is known.
    private mutating func conclude(_ response: Response) {
        guard let id = response.probe, let record = inFlight[id] else { return }
        let destination = configuration.targets[Int(record.subject)]
        switch response.kind {
        case .icmpError(let type, let code, let info):
            guard response.quotedDestination?.withoutZone == destination.withoutZone else {
                unsolicited += 1
                return
            }
            if case .udp = configuration.method, response.kind.isPortUnreachable(destination.version),
                response.responder.withoutZone == destination.withoutZone
            {
                concludeReply(response, .portUnreachable, id, record)
            } else {
                concludeError(response, id, record, type: type, code: code, info: info)
            }
        case .echoReply: concludeReply(response, .echo, id, record)
        case .datagram, .tcp: concludeReply(response, .datagram, id, record)
        }
    }

    private mutating func concludeReply(
        _ response: Response, _ kind: EchoReply.Kind, _ id: ProbeID, _ record: InFlightRecord
    ) {
        let target = Int(record.subject)
        let destination = configuration.targets[target]
        let (roundTrip, clock) = RoundTrip.of(
            sentAt: record.sentAt, record.stamp, response, wantsKernelStamps: configuration.wantsKernelStamps)
        var integrity = response.integrity
        let expected = configuration.payloadLength + ICMPHeader.length
        if kind == .echo, integrity == .intact, response.byteCount != expected {
            integrity = .wrongLength(
                sent: configuration.payloadLength, received: response.byteCount - ICMPHeader.length)
        }
        var state = record.state
        let disposition: EchoReply.Disposition
        let isElsewhere = response.responder.withoutZone != destination.withoutZone && !destination.isGroup
        if integrity != .intact {
            // A damaged reply proves nothing, not even who sent it: the whole one is still waited for.
            guard !isElsewhere else {
                unsolicited += 1
                return
            }
            disposition = .corrupted(integrity)
            statistics[target].corrupted += 1
        } else if isElsewhere {
            disposition = .wrongSource
            statistics[target].wrongSource += 1
        } else if state == .answered {
            disposition = .duplicate
            statistics[target].duplicates += 1
        } else {
            state = .answered
            statistics[target].longest = max(statistics[target].longest, roundTrip)
            if lastExpired?.id == id { lastExpired = nil }
            if roundTrip <= configuration.timeout {
                disposition = .inTime
                countInTime(target, record.sequence, roundTrip, clock)
            } else {
                disposition = .late
                statistics[target].late += 1
            }
        }
        settle(id, as: state)
        events.append(
            .reply(
                EchoReply(
                    target: target, sequence: record.sequence, kind: kind, disposition: disposition,
                    responder: response.responder, hopLimit: response.hopLimit, trafficClass: response.trafficClass,
                    byteCount: response.byteCount, roundTrip: roundTrip, clock: clock, arrival: response.arrival)))
    }

    private mutating func countInTime(
        _ target: Int, _ sequence: UInt32, _ roundTrip: TimeSpan, _ clock: Stamp.Clock
    ) {
        statistics[target].received += 1
        if configuration.count == statistics[target].received { satisfiedTargets += 1 }
        if clock == .user { statistics[target].userTimed += 1 }
        statistics[target].roundTrips.record(roundTrip)
        if sequence < statistics[target].highestSequence {
            statistics[target].reordered += 1
        } else {
            statistics[target].highestSequence = sequence
        }
    }

    private mutating func concludeError(
        _ response: Response, _ id: ProbeID, _ record: InFlightRecord, type: ICMPType, code: UInt8, info: UInt32
    ) {
        let target = Int(record.subject)
        let isConclusive = response.kind.isConclusive(configuration.targets[target].version)
        let (roundTrip, clock) = RoundTrip.of(
            sentAt: record.sentAt, record.stamp, response, wantsKernelStamps: configuration.wantsKernelStamps)
        // A probe has one error, however many packets tell of it, and none once it was answered.
        if isConclusive, [.outstanding, .expired, .unheard].contains(record.state) {
            statistics[target].errors += 1
            settle(id, as: .failed)
            if lastExpired?.id == id { lastExpired = nil }
        }
        events.append(
            .error(
                EchoError(
                    target: target, sequence: record.sequence, type: type, code: code, info: info,
                    responder: response.responder, hopLimit: response.hopLimit, roundTrip: roundTrip, clock: clock,
                    detail: response.detail, arrival: response.arrival, isConclusive: isConclusive)))
    }

    private mutating func settle(_ id: ProbeID, as state: InFlightRecord.State) {
        guard let record = inFlight[id], record.state != state else { return }
        if record.state == .outstanding { outstanding -= 1 }
        // Whether a probe was lost that nobody could have heard of is not known.
        let wasOpen = record.state == .outstanding || record.state == .unheard
        if wasOpen, state != .unheard { statistics[Int(record.subject)].inFlight -= 1 }
        inFlight[id]?.state = state
    }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        guard !isOver else { return }
        while let first = holds.first, first.until <= now {
            _ = holds.next()
            release(first.id)
        }
        while let record = inFlight[ProbeID(rawValue: expiryCursor)] ?? oldest() {
            if record.state == .pending { break }
            if record.state == .outstanding {
                let id = ProbeID(rawValue: expiryCursor)
                guard record.sentAt + configuration.timeout <= now else { break }
                // A reply that waits for its stamp has come.
                if !held.isEmpty, held[id] != nil { break }
                expire(id, record)
            }
            expiryCursor += 1
        }
        if let deadline = configuration.deadline, start + deadline <= now { stop(at: now) }
        if isSettled, lingerEnd.map({ $0 <= now }) ?? true { isOver = true }
    }

    private mutating func expire(_ id: ProbeID, _ record: InFlightRecord) {
        let target = Int(record.subject)
        guard id > lastBeforeSleep else { return settle(id, as: .unheard) }
        settle(id, as: .expired)
        let end = lingerEnd
        if end.map({ $0 <= self.lingerEnd(target, record.sentAt) }) ?? true {
            lastExpired = (id, target, record.sentAt)
        }
        events.append(.timeout(target: target, sequence: record.sequence))
    }

    /// Nothing is left to send and nothing to expire.
    private var isSettled: Bool { isDoneSending && pending == 0 && outstanding == 0 && held.isEmpty }

    /// The cursor's record after it was pushed out of the table.
    private mutating func oldest() -> InFlightRecord? {
        expiryCursor = max(expiryCursor, inFlight.oldest.rawValue)
        return inFlight[ProbeID(rawValue: expiryCursor)]
    }

    /// A late reply of the probe that expired last is waited for until here.
    private var lingerEnd: Timestamp? { lastExpired.map { lingerEnd($0.target, $0.sentAt) } }

    private func lingerEnd(_ target: Int, _ sentAt: Timestamp) -> Timestamp {
        sentAt + max(configuration.timeout, statistics[target].longest * 2)
    }

    /// What was on its way when the machine went to sleep is not lost without an answer, but stays in `inFlight`. What was
    /// due is not missed, because the schedule slept as well.
    public mutating func awoke(at now: Timestamp) { lastBeforeSleep = inFlight.latest }

    public mutating func stop(at now: Timestamp) {
        guard !isOver else { return }
        while let first = holds.next() { release(first.id) }
        while let waiting = retries.next() { giveUp(waiting.id, .retryLater) }
        isOver = true
    }

    public mutating func nextEvent() -> EchoEvent? { events.next() }

    public var schedule: Schedule {
        if isOver || (isSettled && lastExpired == nil) { return .finished }
        var earliest: Timestamp?
        func consider(_ instant: Timestamp) { earliest = min(earliest ?? instant, instant) }
        if let waiting = retries.first {
            consider(waiting.due)
        } else if !isDoneSending, !inFlight.isFull, let due = pacer.due {
            consider(due)
        }
        if let first = holds.first { consider(first.until) }
        if let expiry = nextExpiry { consider(expiry) }
        if isSettled, let lingerEnd { consider(lingerEnd) }
        if let deadline = configuration.deadline { consider(start + deadline) }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    /// When the oldest probe that is waited for expires; nil while its reply waits for a stamp.
    private var nextExpiry: Timestamp? {
        guard outstanding > 0 else { return nil }
        var number = max(expiryCursor, inFlight.oldest.rawValue)
        while let record = inFlight[ProbeID(rawValue: number)] {
            switch record.state {
            case .pending: return nil
            case .outstanding:
                return held[ProbeID(rawValue: number)] == nil ? record.sentAt + configuration.timeout : nil
            case .expired, .answered, .failed, .unsent, .unheard: number += 1
            }
        }
        return nil
    }

    /// A histogram for each target up to this many.
    public static let maximumHistograms = 256
    private static let retryPause = TimeSpan.milliseconds(1)
    /// A queue that stays full for so long counts as a failure.
    private static let retryLimit = TimeSpan.milliseconds(500)
    private static let stampPatience = TimeSpan.milliseconds(1)
}

extension IPAddress {
    /// Whether more than one host may answer under its own address: multicast or limited broadcast.
    var isGroup: Bool { isMulticast || self == .v4(.broadcast) }
}
