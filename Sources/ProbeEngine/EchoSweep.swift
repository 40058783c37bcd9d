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
        public var targets: TargetList
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
        /// Of probes to multicast addresses, which stay on the link unless somebody wants more.
        public var multicastHopLimit: UInt8 = 1
        public var trafficClass: UInt8 = 0
        public var dontFragment = false
        /// Targets that are broadcast addresses of a network: any host may answer for them, as for multicast addresses.
        public var broadcasts: [IPAddress] = []
        /// Wait for the kernel's send stamps before a reply is reported. Otherwise round trips start at this process' own
        /// time of sending.
        public var wantsKernelStamps = true
        /// Tell, when the next probe to a target is due, that nothing is known of the one before.
        public var reportsOutstanding = false
        /// Time round trips by this process, whatever the kernel stamps.
        public var timesInProcess = false
        /// Tell of answers with our mark that belong to no probe.
        public var reportsUnsolicited = false
        /// When the probes go; `interval` means what the pacing says.
        public var pacing = Pacing.periodic
        /// So many probes to each target go at once at the start; in adaptive and flood pacing as many may be on their
        /// way before an answer is needed.
        public var preload: UInt32 = 1
        /// The least time between two probes to the same target, whatever the pacing; preloaded ones excepted.
        public var shortestGap = TimeSpan.zero
        /// Tell of every probe that was handed to the kernel.
        public var reportsSends = false
        /// Sums up each interval of this length besides the whole run; nil for none.
        public var summaryInterval: TimeSpan?
        /// Between the probes of two targets in periodic pacing, and then a round of all of them takes as long as it takes;
        /// nil for a part of the interval that they share, 10 ms at most.
        public var targetGap: TimeSpan?
        /// An ICMP error is what becomes of a probe. Otherwise it is told of, and the answer is waited for all the same.
        public var errorsConclude = true
        /// An answer with our cookie counts from whatever address it comes.
        public var takesAnswersFromAnyone = false
        /// The end waits for an answer that is late already, twice as long as for the longest round trip.
        public var waitsForLateAnswers = true
        /// The wait behind the last probe as ping has it: if nothing came so far as long as this, else twice as long as for
        /// the longest round trip, and an interval at least. Nil for each probe's own timeout; none with a deadline.
        public var lastWait: TimeSpan?
        /// The real-time clock less the monotonic one in nanoseconds: makes the time of day of a timestamp request.
        public var wallClockOffset: Int64 = 0

        public init(targets: [IPAddress]) { self.targets = TargetList(targets) }

        public init(targets: TargetList) { self.targets = targets }
    }

    /// What changes a running sweep.
    public enum Command: Hashable, Sendable {
        /// The probes of this target go to another address from now on; it stays the same target. Answers to earlier
        /// probes still count if they come from where those went.
        case setAddress(target: Int, IPAddress)
    }

    public let configuration: Configuration
    /// Where the probes of each target go now: the addresses of the configuration until a command changes them.
    public private(set) var addresses: TargetList
    /// One for each target, in the order of the configuration.
    public private(set) var statistics: [EchoStatistics]
    /// Answers that carry our mark but belong to no probe that is known.
    public private(set) var unsolicited: UInt64 = 0
    /// Probes that were due while this process did not run, and were left out instead of sent in a burst.
    public var missed: UInt64 { pacer.missed }
    /// The clock of each target as its timestamp replies tell it; empty with other probes.
    public private(set) var clocks: [ClockFit] = []
    /// When the first probe was due.
    public let start: Timestamp

    private let judge: AnswerJudge
    private var inFlight: InFlightTable
    /// Where the probes of those targets went whose address was changed, oldest first.
    private var formerAddresses: [Int: [(before: ProbeID, address: IPAddress)]] = [:]
    private var events = Queue<EchoEvent>()

    private var pacer: Pacer
    private var satisfiedTargets = 0

    /// Probes that found the local queue full, and when to try them again: in batches several do at once.
    private var retries = Queue<(id: ProbeID, due: Timestamp)>()
    /// Since when each of those has been tried, and whether it waits for its next turn.
    private var refused: [ProbeID: (since: Timestamp, isWaiting: Bool)] = [:]
    private var lastUnsolicited: Timestamp?
    /// When the last probe was taken from here, `start` before the first.
    public private(set) var lastTransmit: Timestamp
    /// When the first one was.
    public private(set) var firstTransmit: Timestamp?
    /// The last probe that went to each target; kept for UDP, whose errors may not say which probe they quote, and for
    /// `reportsOutstanding`.
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
    /// The longest time from a probe to an answer that this process saw.
    private var longest = TimeSpan.zero
    /// The targets of `addresses` in order, made when it is needed first.
    private var targetsByAddress: [UInt32] = []
    /// The schedule is rounded up to multiples of this.
    private let tick: TimeSpan
    /// When `lastWait` is over, once the last probe went.
    private var waitEnd: Timestamp?
    private var lastExpired: (id: ProbeID, target: Int, sentAt: Timestamp)?
    private var isOver = false
    /// The last probe that may have been on its way when the machine slept.
    private var lastBeforeSleep = ProbeID(rawValue: 0)
    private var intervals: IntervalSums?
    /// When time passed last.
    private var latest: Timestamp
    /// Whether everything was told that only the end of the run decides.
    private var isConcluded = false
    /// As the latest stamp of sending says it.
    private var wallClockOffset: Int64 = 0

    /// - Parameters:
    ///   - start: when the first probe is due.
    ///   - tableCapacity: how many probes are remembered at most, a power of two.
    public init(_ configuration: Configuration, start: Timestamp, tableCapacity: Int = 1 << 20) {
        var configuration = configuration
        if configuration.method == .icmpTimestamp {
            configuration.payloadLength = ICMPTimestampMessage.length - ICMPHeader.length
        }
        self.configuration = configuration
        self.start = start
        judge = AnswerJudge(
            method: configuration.method, payloadLength: configuration.payloadLength,
            wantsKernelStamps: configuration.wantsKernelStamps, timesInProcess: configuration.timesInProcess)
        addresses = configuration.targets
        lastTransmit = start
        latest = start
        pacer = Pacer(configuration, isCounted: configuration.deadline == nil, start: start)
        let count = configuration.targets.count
        let hasDetail = count <= Self.maximumHistograms
        statistics = configuration.targets.indices.map {
            EchoStatistics(withPercentiles: hasDetail, target: $0, interval: configuration.interval)
        }
        inFlight = InFlightTable(maximumCapacity: tableCapacity)
        let isCrowded = !hasDetail && !configuration.wantsKernelStamps && pacer.stagger < Self.longestTick
        tick = isCrowded ? Self.longestTick : .zero
        if configuration.method == .icmpTimestamp {
            clocks = Array(repeating: ClockFit(), count: count)
            wallClockOffset = configuration.wallClockOffset
        }
        if configuration.isUDP || configuration.reportsOutstanding {
            newest = Array(repeating: ProbeID(rawValue: 0), count: count)
        }
        isOver = count == 0 || configuration.count == 0
        if let length = configuration.summaryInterval {
            intervals = IntervalSums(length: length, start: start, statistics: statistics)
        }
    }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard !isOver else { return nil }
        if let waiting = retries.first {
            guard waiting.due <= now, let target = inFlight[waiting.id]?.subject else { return nil }
            _ = retries.next()
            refused[waiting.id]?.isWaiting = false
            inFlight[waiting.id]?.sentAt = now
            return transmit(waiting.id, to: destination(of: waiting.id, Int(target)), at: now)
        }
        guard !isDoneSending, !inFlight.isFull, let (target, sequence) = pacer.take(at: now) else { return nil }
        if configuration.reportsOutstanding { tellIfOutstanding(target) }
        lastTransmit = now
        if firstTransmit == nil { firstTransmit = now }
        let id = inFlight.insert(
            InFlightRecord(subject: UInt32(target), sequence: sequence, sentAt: now), forgetting: horizon(now))
        pending += 1
        if let wait = configuration.lastWait, configuration.deadline == nil, isDoneSending {
            waitEnd = now + self.wait(orElse: wait)
        }
        return transmit(id, to: addresses[target], at: now)
    }

    private func wait(orElse wait: TimeSpan) -> TimeSpan {
        guard statistics.contains(where: { $0.received + $0.late > 0 }) else { return wait }
        return max(configuration.interval, (statistics.lazy.map(\.longest).max() ?? .zero) * 2)
    }

    /// An answer to what was sent before would be later than any that is to be expected.
    private func horizon(_ now: Timestamp) -> Timestamp {
        let patience = max(configuration.timeout, longest * 2) + Self.memory
        return now + TimeSpan(nanoseconds: -patience.nanoseconds)
    }

    /// What the records of probes cost, in records.
    var recordSlots: Int { inFlight.slots }

    private mutating func transmit(_ id: ProbeID, to destination: IPAddress, at now: Timestamp) -> Transmit {
        var transmit = Transmit(id: id, probe: probe(to: destination))
        if configuration.method == .icmpTimestamp {
            transmit.probe.originate = InternetTimestamp(nanoseconds: now.nanoseconds &+ wallClockOffset)
            inFlight[id]?.originate = transmit.probe.originate
        }
        return transmit
    }

    /// Tells of the last probe to the target if nobody has answered it, nor said why nobody will.
    private mutating func tellIfOutstanding(_ target: Int) {
        guard let record = inFlight[newest[target]], record.state == .outstanding || record.state == .expired,
            held[newest[target]] == nil
        else { return }
        events.append(.outstanding(target: target, sequence: record.sequence))
    }

    private func probe(to destination: IPAddress) -> Probe {
        Probe(
            destination: destination, method: configuration.method,
            hopLimit: destination.isMulticast ? configuration.multicastHopLimit : configuration.hopLimit,
            trafficClass: configuration.trafficClass,
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
            if !clocks.isEmpty { wallClockOffset = stamp.nanoseconds &- record.sentAt.nanoseconds }
            pending -= 1
            outstanding += 1
            statistics[Int(record.subject)].transmitted += 1
            statistics[Int(record.subject)].inFlight += 1
            if configuration.reportsSends {
                events.append(.sent(target: Int(record.subject), sequence: record.sequence))
            }
            statistics[Int(record.subject)].noteSent(record.sequence, at: record.sentAt)
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
        note(.unsent, record)
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        if response.probe == nil, let candidate = onlyCandidate(for: response) {
            var response = response
            response.probe = candidate
            return receive(response)
        }
        guard let id = response.probe, let record = inFlight[id], record.state != .pending, record.state != .unsent,
            judge.isOfOurKind(response)
        else {
            countUnsolicited(response)
            return
        }
        longest = max(longest, response.arrival - record.sentAt)
        // The pace does not wait for the stamp of sending.
        if response.integrity == .intact, response.kind.isConclusive(response.responder.version) {
            pacer.conclude(
                Int(record.subject), record.sequence, roundTrip: response.arrival - record.sentAt, at: response.arrival)
        }
        if configuration.wantsKernelStamps, !configuration.timesInProcess, !isOver, record.stamp.clock == .user,
            response.stamp.clock == .kernel
        {
            held[id, default: []].append(response)
            holds.append((id, response.arrival + Self.stampPatience))
        } else {
            conclude(response)
        }
    }

    /// The probe of an ICMP error that does not name one, because its sender quotes no more than 28 octets. Nil unless
    /// just one probe is on its way to that target. O(log targets), the first time of many targets O(n log n).
    private mutating func onlyCandidate(for response: Response) -> ProbeID? {
        guard configuration.isUDP, let address = response.quotedDestination?.withoutZone,
            let target = target(at: address), statistics[target].inFlight == 1,
            inFlight[newest[target]]?.state == .outstanding
        else { return nil }
        return newest[target]
    }

    /// The first target whose newest probe went to this address, or of many targets that has it now.
    private mutating func target(at address: IPAddress) -> Int? {
        guard newest.count > Self.maximumHistograms else {
            return newest.indices.first { destination(of: newest[$0], $0).withoutZone == address }
        }
        if targetsByAddress.isEmpty {
            targetsByAddress = (0..<UInt32(newest.count)).sorted {
                let (one, other) = (addresses[Int($0)].withoutZone, addresses[Int($1)].withoutZone)
                return one == other ? $0 < $1 : one < other
            }
        }
        var range = targetsByAddress.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if addresses[Int(targetsByAddress[middle])].withoutZone < address {
                range = middle + 1..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        guard range.lowerBound < targetsByAddress.count else { return nil }
        let found = Int(targetsByAddress[range.lowerBound])
        return addresses[found].withoutZone == address ? found : nil
    }

    /// Counts what belongs to no probe, and tells of it at most once a second: anybody can send any number of them.
    private mutating func countUnsolicited(_ response: Response) {
        unsolicited += 1
        guard configuration.reportsUnsolicited, lastUnsolicited.map({ response.arrival - $0 >= .seconds(1) }) ?? true
        else { return }
        lastUnsolicited = response.arrival
        events.append(
            .unsolicited(
                EchoStray(
                    kind: response.kind, responder: response.responder, byteCount: response.byteCount,
                    count: unsolicited, arrival: response.arrival)))
    }

    /// Counts a response whose probe is known.
    private mutating func conclude(_ response: Response) {
        guard let id = response.probe, let record = inFlight[id] else { return }
        let destination = destination(of: id, Int(record.subject))
        let isGroup =
            configuration.takesAnswersFromAnyone || destination.isGroup
            || configuration.broadcasts.contains(destination)
        switch judge.meaning(of: response, to: destination, isGroup: isGroup, originate: record.originate) {
        case .nobodys: countUnsolicited(response)
        case .reply(let kind, let soundness):
            concludeReply(response, kind, soundness, id, record, isGroup: isGroup)
        case .error(let type, let code, let info, let isConclusive):
            concludeError(response, id, record, type: type, code: code, info: info, isConclusive: isConclusive)
        }
    }

    /// What the reply says of the remote clock; what nobody may trust does not teach the fit.
    private mutating func remoteTimestamps(
        _ response: Response, _ target: Int, _ disposition: EchoReply.Disposition, _ record: InFlightRecord,
        _ clock: Stamp.Clock
    ) -> RemoteTimestamps? {
        guard case .timestampReply(_, let receive, let transmit) = response.kind,
            disposition == .inTime || disposition == .late
        else { return nil }
        var sample: ClockSample?
        if clock == .kernel {
            sample = ClockSample(
                sent: record.stamp.nanoseconds, received: response.stamp.nanoseconds, epoch: response.stamp.epoch)
        }
        return clocks[target].take(sample, receive: receive, transmit: transmit)
    }

    private mutating func concludeReply(
        _ response: Response, _ kind: EchoReply.Kind, _ soundness: AnswerJudge.Soundness, _ id: ProbeID,
        _ record: InFlightRecord, isGroup: Bool
    ) {
        let target = Int(record.subject)
        let (roundTrip, clock) = judge.roundTrip(sentAt: record.sentAt, record.stamp, response)
        var state = record.state
        let disposition: EchoReply.Disposition
        switch soundness {
        case .corrupted(let integrity):
            disposition = .corrupted(integrity)
            statistics[target].corrupted += 1
        case .wrongSource:
            disposition = .wrongSource
            statistics[target].wrongSource += 1
        case .sound where state == .answered:
            disposition = .duplicate
            statistics[target].duplicates += 1
        case .sound:
            state = .answered
            if lastExpired?.id == id { lastExpired = nil }
            disposition = roundTrip <= configuration.timeout ? .inTime : .late
        }
        settle(id, as: state)
        countPipe(record)
        let reply = EchoReply(
            target: target, sequence: record.sequence, kind: kind, disposition: disposition,
            responder: response.responder, hopLimit: response.hopLimit, trafficClass: response.trafficClass,
            byteCount: response.byteCount, roundTrip: roundTrip, clock: clock,
            userRoundTrip: max(.zero, response.arrival - record.sentAt), arrival: response.arrival,
            detail: response.detail, probe: id,
            timestamps: remoteTimestamps(response, target, disposition, record, clock))
        events.append(.reply(reply))
        switch disposition {
        case .inTime: countInTime(reply)
        case .late:
            statistics[target].late += 1
            statistics[target].noteLate(roundTrip)
        case .duplicate, .corrupted, .wrongSource: return
        }
        if !isGroup { watch(reply) }
        note(disposition == .late ? .late : .answered(roundTrip), record)
    }

    private mutating func countInTime(_ reply: EchoReply) {
        let target = reply.target
        statistics[target].noteReceived(reply.roundTrip)
        if configuration.count == statistics[target].received { satisfiedTargets += 1 }
        if reply.clock == .user { statistics[target].userTimed += 1 }
        if let delay = reply.hostDelay { statistics[target].noteHostDelay(delay) }
        intervals?.record(target, reply.roundTrip)
        statistics[target].noteOrder(of: reply.sequence)
    }

    /// Tells where a reply differs from the target's last one.
    private mutating func watch(_ reply: EchoReply) {
        let (hopLimit, trafficClass) = (
            statistics[reply.target].lastHopLimit, statistics[reply.target].lastTrafficClass
        )
        statistics[reply.target].lastHopLimit = reply.hopLimit ?? hopLimit
        statistics[reply.target].lastTrafficClass = reply.trafficClass ?? trafficClass
        tellChange(of: .hopLimit, from: hopLimit, to: reply.hopLimit, reply)
        tellChange(of: .trafficClass, from: trafficClass, to: reply.trafficClass, reply)
    }

    private mutating func tellChange(of field: EchoChange.Field, from: UInt8?, to: UInt8?, _ reply: EchoReply) {
        guard let from, let to, from != to else { return }
        events.append(
            .changed(
                EchoChange(
                    target: reply.target, sequence: reply.sequence, field: field, from: from, to: to,
                    arrival: reply.arrival)))
    }

    /// Files what became of a probe, and tells of the outages that this ends.
    private mutating func note(_ outcome: OutcomeOrder.Outcome, _ record: InFlightRecord) {
        let target = Int(record.subject)
        statistics[target].noteOutcome(outcome, of: record.sequence, sentAt: record.sentAt)
        while let outage = statistics[target].nextEndedOutage() { events.append(.outage(outage)) }
    }

    private mutating func concludeError(
        _ response: Response, _ id: ProbeID, _ record: InFlightRecord, type: ICMPType, code: UInt8, info: UInt32,
        isConclusive: Bool
    ) {
        let target = Int(record.subject)
        let (roundTrip, clock) = judge.roundTrip(sentAt: record.sentAt, record.stamp, response)
        // A probe has one error, however many packets tell of it, and none once it was answered.
        let counts = isConclusive && [.outstanding, .expired, .unheard].contains(record.state)
        let concludes = counts && configuration.errorsConclude
        if concludes {
            statistics[target].errors += 1
            settle(id, as: .failed)
            if lastExpired?.id == id { lastExpired = nil }
        } else if counts, !record.wasReported {
            statistics[target].errors += 1
        } else if record.wasReported {
            // Anybody on the way can send thousands of them.
            statistics[target].repeatedErrors += 1
            return
        }
        inFlight[id]?.wasReported = true
        countPipe(record)
        events.append(
            .error(
                EchoError(
                    target: target, sequence: record.sequence, type: type, code: code, info: info,
                    responder: response.responder, hopLimit: response.hopLimit, roundTrip: roundTrip, clock: clock,
                    detail: response.detail, arrival: response.arrival, isConclusive: isConclusive)))
        if concludes { note(.lost, record) }
    }

    /// Notes how many probes to the target were under way when something came back for this one.
    private mutating func countPipe(_ record: InFlightRecord) {
        let target = Int(record.subject)
        let newest = statistics[target].transmitted + statistics[target].unsent
        // Of the number of a probe only the low half is known.
        let behind = Int32(truncatingIfNeeded: UInt32(truncatingIfNeeded: newest) &- record.sequence)
        let depth = UInt64(max(0, behind)) + 1
        if depth > statistics[target].pipe { statistics[target].pipe = depth }
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
        latest = max(latest, now)
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
        if let ended = intervals?.takeOver(at: now, statistics) {
            for interval in ended { events.append(.interval(interval)) }
        }
        if let deadline = configuration.deadline, start + deadline <= now { stop(at: now) }
        if let waitEnd, waitEnd <= now { stop(at: now) }
        if isSettled, lingerEnd.map({ $0 <= now }) ?? true { isOver = true }
    }

    private mutating func expire(_ id: ProbeID, _ record: InFlightRecord) {
        let target = Int(record.subject)
        guard id > lastBeforeSleep else {
            settle(id, as: .unheard)
            return note(.unsent, record)
        }
        settle(id, as: .expired)
        let end = lingerEnd
        if configuration.waitsForLateAnswers, end.map({ $0 <= self.lingerEnd(target, record.sentAt) }) ?? true {
            lastExpired = (id, target, record.sentAt)
        }
        events.append(.timeout(target: target, sequence: record.sequence))
        note(.lost, record)
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
    // MARK: Commands

    /// A target that is not there and an address that holds already change nothing.
    public mutating func apply(_ command: Command, at now: Timestamp) {
        switch command {
        case .setAddress(let target, let address):
            guard addresses.indices.contains(target), addresses[target] != address, !isOver else { return }
            let former = addresses[target]
            formerAddresses[target, default: []].append((ProbeID(rawValue: inFlight.latest.rawValue + 1), former))
            if formerAddresses[target, default: []].count > Self.maximumFormerAddresses {
                formerAddresses[target]?.removeFirst()
            }
            addresses[target] = address
            targetsByAddress = []
            if !clocks.isEmpty { clocks[target] = ClockFit() }
            events.append(.address(target: target, from: former, to: address, at: now))
        }
    }

    /// Where this probe of the target went.
    @inline(__always)
    private func destination(of id: ProbeID, _ target: Int) -> IPAddress {
        guard !formerAddresses.isEmpty, let former = formerAddresses[target]?.first(where: { id < $0.before }) else {
            return addresses[target]
        }
        return former.address
    }

    public mutating func stop(at now: Timestamp) {
        latest = max(latest, now)
        guard !isOver else { return }
        while let first = holds.next() { release(first.id) }
        while let waiting = retries.next() { giveUp(waiting.id, .retryLater) }
        isOver = true
    }

    public mutating func nextEvent() -> EchoEvent? {
        concludeWhenFinished()
        return events.next()
    }

    public mutating func takeEvents(into buffer: inout [EchoEvent]) {
        concludeWhenFinished()
        events.move(into: &buffer)
    }

    /// Behind the last event come those that only the end can decide.
    private mutating func concludeWhenFinished() {
        guard events.isEmpty, isFinished, !isConcluded else { return }
        isConcluded = true
        conclude()
    }

    /// Decides what only the end of the run can.
    private mutating func conclude() {
        for target in statistics.indices {
            statistics[target].finish()
            while let outage = statistics[target].nextEndedOutage() { events.append(.outage(outage)) }
        }
        for interval in intervals?.last(at: latest, statistics) ?? [] { events.append(.interval(interval)) }
    }

    private var isFinished: Bool { isOver || (isSettled && lastExpired == nil) }

    public var schedule: Schedule {
        if isFinished { return .finished }
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
        if let waitEnd { consider(waitEnd) }
        if let intervals { consider(intervals.end) }
        return earliest.map { .at(atTick($0)) } ?? .waitingForInput
    }

    /// The next tick from this instant on.
    private func atTick(_ instant: Timestamp) -> Timestamp {
        guard tick > .zero else { return instant }
        let since = max(0, (instant - start).nanoseconds)
        return start
            + TimeSpan(nanoseconds: saturatingSum(since, tick.nanoseconds - 1) / tick.nanoseconds * tick.nanoseconds)
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
    /// Probes before so many changes of the address are too old to be waited for.
    private static let maximumFormerAddresses = 16
    private static let stampPatience = TimeSpan.milliseconds(1)
    /// Among many targets a late answer is told from a forged one for so long after its timeout.
    private static let memory = TimeSpan.seconds(1)
    /// Among many targets those whose probes are due within so long are woken up for once.
    private static let longestTick = TimeSpan.milliseconds(1)
}

extension EchoSweep.Configuration {
    /// From a probe to a target to its next: the interval, or as long as all targets take. Nil where there is no grid.
    public var round: TimeSpan? {
        guard pacing == .periodic else { return nil }
        return max(interval, targetGap.map { $0 * Int64(targets.count) } ?? .zero)
    }

    fileprivate var isUDP: Bool {
        if case .udp = method { true } else { false }
    }
}

extension IPAddress {
    /// Whether more than one host may answer under its own address: multicast or limited broadcast.
    var isGroup: Bool { isMulticast || self == .v4(.broadcast) }
}
