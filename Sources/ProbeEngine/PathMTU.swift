import PacketFormats

/// How large packets may be on a path, and where larger ones end: path MTU discovery that asks the path and not the
/// kernel's memory of it.
///
/// Runs behind a `PathTrace`, whose hops it takes. All probes carry DF or go over IPv6 unfragmented.
///
/// It goes in rounds: all probes of a round are under way at once, and what they teach decides about the next round. The
/// first size goes to the end of the path. Where it does not arrive, every hop is asked with it, which tells the link;
/// where no router says what that link takes, several sizes at once narrow it down. Then it goes on from there.
///
/// What arrived is proof, whenever it is heard of. Silence is none: it counts only if a small probe to the same hop,
/// sent behind the large one, is answered, because limiters of ICMP spend what they have on what comes first; and it
/// takes at least `minimumSilences` of them, more where small probes get lost too.
public struct PathMTU: Measurement, Sendable {
    public struct Configuration: Sendable {
        /// A hop that answered the trace.
        public struct Hop: Hashable, Sendable {
            public var number: Int
            public var responders: [IPAddress]
            /// The longest one seen.
            public var roundTrip: TimeSpan

            public init(number: Int, responders: [IPAddress], roundTrip: TimeSpan) {
                self.number = number
                self.responders = responders
                self.roundTrip = roundTrip
            }
        }

        public var destination: IPAddress
        /// ICMP echo or UDP: a SYN can't be of any size.
        public var method: ProbeMethod
        /// Those that answered, by rising number, the destination among them if it did.
        public var hops: [Hop]
        /// Where the destination answered; nil where it did not.
        public var destinationHop: Int?
        /// Octets of the first packet: the MTU of the interface that probes leave through.
        public var firstSize: Int
        public var trafficClass: UInt8 = 0
        public var flow: UInt16 = 0
        /// Octets of a small packet, which shows that a hop still answers: as long as those of the trace.
        public var controlSize: Int
        /// So many small probes go at once to a hop that was silent before.
        public var queries = 3
        /// The longest that an answer is waited for.
        public var maximumWait = TimeSpan.seconds(1)
        public var maximumInFlight = 255
        /// Between two probes.
        public var pause = TimeSpan.zero
        /// No more probes than this are sent, whatever comes back. Two suffice where the first size passes.
        public var maximumProbes = 1_000
        /// Octets of the IP header.
        public var headerLength: Int

        public init(
            destination: IPAddress, method: ProbeMethod, hops: [Hop], destinationHop: Int?, firstSize: Int
        ) {
            self.destination = destination
            self.method = method
            self.hops = hops
            self.destinationHop = destinationHop
            self.firstSize = firstSize
            controlSize = destination.version == .v4 ? 60 : 80
            headerLength = destination.version == .v4 ? IPv4Header.minimumLength : IPv6Header.length
        }

        /// Of a trace that is over: its rows, and where the destination answered.
        public init(
            after trace: PathTrace.Configuration, rows: [PathHop], destinationHop: Int?, firstSize: Int
        ) {
            let hops = rows.compactMap { row -> Hop? in
                let answers = row.answers.compactMap(\.self)
                guard let longest = answers.map(\.roundTrip).max() else { return nil }
                var responders: [IPAddress] = []
                for answer in answers where !responders.contains(answer.responder) {
                    responders.append(answer.responder)
                }
                return Hop(number: row.number, responders: responders, roundTrip: longest)
            }
            self.init(
                destination: trace.destination, method: trace.method, hops: hops, destinationHop: destinationHop,
                firstSize: firstSize)
            trafficClass = trace.trafficClass
            maximumWait = min(maximumWait, trace.maximumWait)
            maximumInFlight = min(maximumInFlight, trace.maximumInFlight)
            pause = trace.pause
        }
    }

    /// Whether probes of this method can have any size.
    public static func supports(_ method: ProbeMethod) -> Bool {
        let probe = Probe(destination: .v4(.any), method: method, payloadLength: 1)
        return ProbeCodec.transportLength(of: probe) - ProbeCodec.transportLength(of: probe.emptied) == 1
    }

    /// A probe of the present round.
    private struct Shot {
        enum State {
            case waiting
            case inFlight(ProbeID)
            case answered
            case silent
            case unsent
        }
        var size: Int
        var hop: Int
        var state = State.waiting
        /// When it is given up.
        var expiry = Timestamp(nanoseconds: .max)

        var isWaiting: Bool { if case .waiting = state { true } else { false } }
        var isInFlight: Bool { if case .inFlight = state { true } else { false } }
        var isAnswered: Bool { if case .answered = state { true } else { false } }
        var isSilent: Bool { if case .silent = state { true } else { false } }
    }

    /// What a probe was, for answers that come when its round is over.
    private struct Sent {
        var size: Int
        var hop: Int
        var hopLimit: UInt8
        /// Its place in its round.
        var index: Int
        var round: Int
    }

    /// Somebody says that a packet of this size to this hop was too big.
    private struct Refusal {
        var size: Int
        var hop: Int
        /// Nil for this host.
        var responder: IPAddress?
        /// Nil where none was named that can be believed.
        var mtu: Int?
    }

    /// Silence that was heard beside an answer.
    private struct Silence {
        var size: Int
        var hop: Int
    }

    /// A link that larger packets do not pass, while its size is found out.
    private struct Bottleneck {
        var after: Int
        var before: Int
        var evidence: PathMTUDrop.Evidence
        /// The hop that the search asks; nil while an announced size is tried.
        var target: Int?
    }

    private enum Purpose {
        /// Does the size arrive at the end?
        case trial
        /// How far does it get?
        case location
        /// Which size arrives at the hop behind the bottleneck?
        case search
    }

    public let configuration: Configuration
    public private(set) var statistics = PathMTUStatistics()
    /// What is known so far; final when the schedule says `finished`.
    public private(set) var result: PathMTUResult

    /// By the size that was announced, after how long the first packet over it was refused.
    public private(set) var refusalTimes: [Int: TimeSpan] = [:]

    private var table = InFlightTable(maximumCapacity: 1 << 14)
    private var events = Queue<PathMTUEvent>()
    private var sent: [Sent] = []
    private var isOver = false
    /// The last hop that answers.
    private let end: Int
    /// The size that is tried at the end of the path.
    private var current: Int
    /// No larger packet passes what has been found so far.
    private var ceiling: Int
    private var bottleneck: Bottleneck?

    // What is known: the largest size that arrived at each hop, and by whom or by how much silence larger ones did not.
    private var passed: [Int: Int] = [:]
    private var refusals: [Refusal] = []
    private var silences: [Silence] = []
    /// Small probes, and others whose size had arrived before, that were answered and that were not.
    private var heard = 0
    private var missed = 0
    /// Rounds in a row in which a hop answered nothing.
    private var dry: [Int: Int] = [:]
    private var longest: [Int: TimeSpan] = [:]
    private var answersAreLong = false

    private var round: [Shot] = []
    private var nextShot = 0
    private var roundNumber = 0
    private var purpose = Purpose.trial
    private var trials = 0
    private var located: Set<Int> = []
    private var nextSend = Timestamp(nanoseconds: .min)
    private var fullSince: Timestamp?
    /// The most that this process has woken up late.
    private var lateness = TimeSpan.zero
    /// Once errors without identity came: one probe is under way at a time.
    private var isAskingAlone = false
    private var firstLoneRound = 0
    private var toldFailure: SendFailure?

    /// Ends at once without a probe where no hop answered or the method is not supported.
    public init(_ configuration: Configuration) {
        self.configuration = configuration
        // The length fields have 16 bits, and IPv6 counts without its header.
        let longest = Int(UInt16.max) + (configuration.destination.version == .v4 ? 0 : IPv6Header.length)
        let first = min(max(configuration.firstSize, configuration.controlSize), longest)
        result = PathMTUResult(firstSize: first)
        (current, ceiling) = (first, first)
        end = configuration.destinationHop ?? configuration.hops.last?.number ?? 0
        for hop in configuration.hops { self.longest[hop.number] = hop.roundTrip }
        // A hop that was silent may have been so by chance, and is asked once more where it matters.
        for hop in stride(from: 1, to: end, by: 1) where self.longest[hop] == nil { dry[hop] = Self.patientRounds - 1 }
        let smallest = configuration.headerLength + Self.overhead(configuration.method)
        isOver = end < 1 || !Self.supports(configuration.method) || configuration.controlSize < smallest
        if !isOver { planTrial() }
    }

    private static func overhead(_ method: ProbeMethod) -> Int {
        ProbeCodec.transportLength(of: Probe(destination: .v4(.any), method: method, payloadLength: 0))
    }

    // MARK: Sending

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard !isOver, now >= nextSend, inFlightCount < window else { return nil }
        while nextShot < round.count, !round[nextShot].isWaiting { nextShot += 1 }
        guard nextShot < round.count else { return nil }
        let shot = round[nextShot]
        let id = table.insert(
            InFlightRecord(subject: UInt32(clamping: shot.hop), sequence: UInt32(clamping: sent.count), sentAt: now))
        // Where the path got longer meanwhile the destination is still to be reached.
        let hopLimit = shot.hop == configuration.destinationHop ? max(64, shot.hop) : shot.hop
        let probe = Probe(
            destination: configuration.destination, method: configuration.method, hopLimit: UInt8(clamping: hopLimit),
            trafficClass: configuration.trafficClass, flow: configuration.flow,
            payloadLength: shot.size - configuration.headerLength - Self.overhead(configuration.method),
            dontFragment: true)
        sent.append(
            Sent(
                size: shot.size, hop: shot.hop, hopLimit: probe.hopLimit, index: nextShot, round: roundNumber))
        round[nextShot].state = .inFlight(id)
        round[nextShot].expiry = now + wait(for: shot.hop)
        nextShot += 1
        if configuration.pause > .zero { nextSend = now + configuration.pause }
        return Transmit(id: id, probe: probe)
    }

    private var window: Int { isAskingAlone ? 1 : max(1, configuration.maximumInFlight) }

    private var inFlightCount: Int { round.count { $0.isInFlight } }

    /// How long an answer of this hop is waited for.
    private func wait(for hop: Int) -> TimeSpan {
        guard let roundTrip = longest[hop] ?? longest.values.max() else { return configuration.maximumWait }
        let floor = isAskingAlone ? Self.aloneFloor : Self.floor
        return min(configuration.maximumWait, max(floor, roundTrip * 3) + lateness * 2)
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard var record = table[id] else { return }
        record.take(stamp)
        let isFirst = record.state == .pending
        if isFirst { record.state = .outstanding }
        table[id] = record
        guard isFirst else { return }
        statistics.transmitted += 1
        fullSince = nil
        // What left this host was not too long for its link.
        let size = sent[Int(record.sequence)].size
        refusals.removeAll { $0.responder == nil && $0.size <= size }
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let record = table[id], record.state == .pending else { return }
        table[id]?.state = .unsent
        guard !isOver else { return }
        let probe = sent[Int(record.sequence)]
        // Answers may have ended its round meanwhile.
        guard probe.round == roundNumber, case .inFlight(id) = round[probe.index].state else { return }
        let since = fullSince ?? now
        if failure == .retryLater, now - since < Self.retryLimit {
            fullSince = since
            nextShot = min(nextShot, probe.index)
            round[probe.index].state = .waiting
            nextSend = now + Self.retryPause
            return
        }
        statistics.unsent += 1
        round[probe.index].state = .unsent
        if case .failed(_, "EMSGSIZE", let mtu) = failure {
            let believable = mtu.flatMap { $0 >= configuration.controlSize && $0 < probe.size ? $0 : nil }
            note(Refusal(size: probe.size, hop: 1, responder: nil, mtu: believable))
        } else if toldFailure != failure {
            toldFailure = failure
            events.append(.unsent(size: probe.size, failure: failure))
        }
        finishRoundIfDone(at: now)
    }

    // MARK: Receiving

    private enum Meaning {
        /// The probe got as far as this hop.
        case passed(Int)
        case tooBig(UInt32)
    }

    public mutating func receive(_ response: Response) {
        guard !isOver else { return }
        guard response.probe != nil || isAskingAlone else {
            guard meaning(of: response, nil) != nil else { return statistics.unsolicited += 1 }
            statistics.unidentified += 1
            isAskingAlone = true
            firstLoneRound = roundNumber + 1
            return
        }
        guard let id = response.probe ?? loneProbe, let record = table[id], record.state != .pending,
            record.state != .unsent, let meaning = meaning(of: response, sent[Int(record.sequence)])
        else {
            statistics.unsolicited += 1
            return
        }
        let probe = sent[Int(record.sequence)]
        switch record.state {
        case .answered: statistics.duplicates += 1
        case .expired: statistics.late += 1
        default: statistics.received += 1
        }
        let isFirst = record.state != .answered
        table[id]?.state = .answered
        let (roundTrip, _) = RoundTrip.of(sentAt: record.sentAt, record.stamp, response)
        longest[probe.hop] = max(longest[probe.hop] ?? .zero, roundTrip)
        switch meaning {
        case .passed(let hop): notePassage(probe.size, hop)
        case .tooBig(let mtu):
            if isFirst {
                if refusalTimes[Int(mtu)] == nil { refusalTimes[Int(mtu)] = roundTrip }
                noteTooBig(probe, mtu, response)
            }
        }
        guard probe.round == roundNumber else { return }
        round[probe.index].state = .answered
        hasten(behind: probe, at: response.arrival)
        finishRoundIfDone(at: response.arrival)
    }

    /// The only probe that an answer without number can belong to.
    private var loneProbe: ProbeID? {
        guard roundNumber >= firstLoneRound else { return nil }
        for shot in round { if case .inFlight(let id) = shot.state { return id } }
        return nil
    }

    /// What an answer tells about the probe, nil when it is none of ours or tells nothing.
    private mutating func meaning(of response: Response, _ probe: Sent?) -> Meaning? {
        let destination = configuration.destination.withoutZone
        let isFromDestination = response.responder.withoutZone == destination
        switch response.kind {
        case .echoReply:
            guard isFromDestination, response.integrity == .intact, let probe,
                response.byteCount == probe.size - configuration.headerLength
            else { return nil }
            answersAreLong = true
            return .passed(end)
        case .datagram, .tcp:
            return isFromDestination ? .passed(end) : nil
        case .timestampReply:
            return nil
        case .icmpError(let type, _, _):
            guard response.isAbout(destination) else { return nil }
            if let mtu = response.kind.nextHopMTU(destination.version) { return .tooBig(mtu) }
            guard response.kind.isConclusive(destination.version) else { return nil }
            let hop = probe?.hop ?? end
            if type == .timeExceeded(destination.version) {
                // The probe had hops to spare for the destination: the path is another one now.
                return hop == configuration.destinationHop ? nil : .passed(hop)
            }
            if isFromDestination { return .passed(end) }
            // Somebody on the way refuses all packets, large and small.
            let known = configuration.hops.last { $0.number <= hop && $0.responders.contains(response.responder) }
            return .passed(known?.number ?? hop)
        }
    }

    /// Once the last probe of a round to a hop is answered, silence about those before it is no longer waited for than
    /// packets may overtake each other.
    private mutating func hasten(behind probe: Sent, at now: Timestamp) {
        guard !isAskingAlone, probe.size == configuration.controlSize else { return }
        let grace = max(Self.grace, longest[probe.hop] ?? .zero)
        for index in round.indices.prefix(probe.index) where round[index].hop == probe.hop {
            round[index].expiry = min(round[index].expiry, now + grace)
        }
    }

    // MARK: Knowledge

    private mutating func notePassage(_ size: Int, _ hop: Int) {
        if let known = passed[hop], known >= size { return }
        passed[hop] = size
        for claim in refusals where claim.size <= size && claim.hop <= hop {
            guard let responder = claim.responder else { continue }
            note(
                PathMTUClaim(
                    responder: responder, mtu: UInt32(clamping: claim.mtu ?? 0), size: claim.size, fault: .contradicted)
            )
        }
        refusals.removeAll { $0.size <= size && $0.hop <= hop }
        silences.removeAll { $0.size <= size && $0.hop <= hop }
    }

    private mutating func noteTooBig(_ probe: Sent, _ mtu: UInt32, _ response: Response) {
        let responder = response.responder
        let version = configuration.destination.version
        var fault: PathMTUClaim.Fault?
        if mtu == 0 {
            fault = .missing
        } else if mtu >= probe.size {
            fault = .tooLarge
        } else if mtu < (version == .v4 ? Self.minimumMTUv4 : Self.minimumMTUv6) {
            fault = .tooSmall
        }
        if let fault { note(PathMTUClaim(responder: responder, mtu: mtu, size: probe.size, fault: fault)) }
        let believable = fault == nil && mtu >= configuration.controlSize ? Int(mtu) : nil
        if let hop = place(of: responder, probe, response.detail?.quoted) {
            notePassage(probe.size, hop)
            note(Refusal(size: probe.size, hop: hop + 1, responder: responder, mtu: believable))
        } else {
            note(Refusal(size: probe.size, hop: probe.hop, responder: responder, mtu: believable))
        }
    }

    /// The hop of a router that says "too big", where its address stands in one row only and the quoted hop limit, if there
    /// is one, agrees: routers look at the length before or after they count the hop limit down.
    private func place(of responder: IPAddress, _ probe: Sent, _ quoted: QuotedPacket?) -> Int? {
        let rows = configuration.hops.filter { $0.responders.contains(responder) }
        guard rows.count == 1, let hop = rows.first?.number, hop < probe.hop else { return nil }
        guard let left = quoted?.hopLimit else { return hop }
        let travelled = Int(probe.hopLimit) - Int(left)
        return travelled == hop || travelled == hop - 1 ? hop : nil
    }

    private mutating func note(_ refusal: Refusal) {
        guard !arrives(refusal.size, at: refusal.hop) else { return }
        refusals.removeAll { $0.size == refusal.size && $0.hop == refusal.hop && $0.responder == refusal.responder }
        refusals.append(refusal)
    }

    private mutating func note(_ claim: PathMTUClaim) {
        guard !result.falseClaims.contains(claim), result.falseClaims.count < Self.maximumClaims else { return }
        result.falseClaims.append(claim)
        events.append(.falseClaim(claim))
    }

    /// The largest size that was seen to arrive at this hop, or behind it.
    private func largest(at hop: Int) -> Int? { passed.lazy.filter { $0.key >= hop }.map(\.value).max() }

    private func arrives(_ size: Int, at hop: Int) -> Bool { largest(at: hop).map { $0 >= size } ?? false }

    /// The last hop that packets of this size reach.
    private func reach(of size: Int) -> Int { passed.lazy.filter { $0.value >= size }.map(\.key).max() ?? 0 }

    private func refusal(of size: Int, at hop: Int) -> Refusal? {
        refusals.filter { $0.size <= size && $0.hop <= hop }.max { $0.size < $1.size }
    }

    private func silenceCount(of size: Int, at hop: Int) -> Int {
        silences.count { $0.size <= size && $0.hop <= hop }
    }

    private func isBlocked(_ size: Int, at hop: Int) -> Bool {
        refusal(of: size, at: hop) != nil || silenceCount(of: size, at: hop) >= neededSilences
    }

    /// So many that chance makes as many once in a million times, by the loss that small probes meet.
    private var neededSilences: Int {
        guard missed > 0 else { return Self.minimumSilences }
        let loss = Double(missed + 1) / Double(missed + heard + 2)
        var count = 0
        var chance = 1.0
        while chance > Self.acceptedChance, count < Self.maximumSilences {
            chance *= loss
            count += 1
        }
        return max(Self.minimumSilences, count)
    }

    // MARK: Rounds

    public mutating func advance(to now: Timestamp) {
        guard !isOver else { return }
        for index in round.indices {
            guard case .inFlight(let id) = round[index].state, round[index].expiry <= now else { continue }
            lateness = min(max(lateness, now - round[index].expiry), Self.maximumLateness)
            round[index].state = .silent
            if table[id]?.state == .outstanding { table[id]?.state = .expired }
        }
        finishRoundIfDone(at: now)
    }

    private mutating func finishRoundIfDone(at now: Timestamp) {
        guard !isOver, isRoundDone else { return }
        learnFromSilence()
        decide()
        if !isOver { nextSend = max(nextSend, now + pauseBeforeRound) }
    }

    private var isRoundDone: Bool {
        // With the size through to the end there is nothing left to hear.
        if bottleneck == nil, arrives(current, at: end) { return true }
        return round.allSatisfy { !$0.isWaiting && !$0.isInFlight }
    }

    private mutating func learnFromSilence() {
        // Of each hop, the place of the last shot that was answered; -1 where none was.
        var lastAnswered: [Int: Int] = [:]
        for (index, shot) in round.enumerated() where shot.isAnswered || shot.isSilent {
            if shot.isAnswered || lastAnswered[shot.hop] == nil {
                lastAnswered[shot.hop] = shot.isAnswered ? index : -1
            }
        }
        for (hop, index) in lastAnswered { dry[hop] = index >= 0 ? 0 : (dry[hop] ?? 0) + 1 }
        // A router that says nothing now may have dropped the packet and kept quiet about it for that reason.
        let witness = purpose == .search ? 0 : reach(of: current)
        let hasWitness = lastAnswered[witness] != -1 || (dry[witness] ?? 0) >= Self.patientRounds
        for (index, shot) in round.enumerated() where shot.isAnswered || shot.isSilent {
            // Of a hop that answers nothing behind it, nothing is learnt: it may be at its limit.
            guard let last = lastAnswered[shot.hop], index < last else { continue }
            if arrives(shot.size, at: shot.hop) {
                if shot.isAnswered { heard += 1 } else { missed += 1 }
            } else if shot.isSilent, purpose != .trial, hasWitness, arrives(round[last].size, at: shot.hop) {
                silences.append(Silence(size: shot.size, hop: shot.hop))
            }
        }
    }

    /// Limits of one answer a second are the usual ones.
    private var pauseBeforeRound: TimeSpan {
        let hops = Set(round.map(\.hop))
        let driest = hops.filter { longest[$0] != nil }.compactMap { dry[$0] }.max() ?? 0
        return driest >= 2 ? Self.limitPause : .zero
    }

    private mutating func decide() {
        let hasLeft = round.contains { $0.isAnswered || $0.isSilent }
        guard hasLeft || refusals.contains(where: { $0.responder == nil }) else { return finish(isComplete: false) }
        for _ in 0..<Self.maximumRounds {
            guard roundNumber < Self.maximumRounds, (dry[end] ?? 0) < Self.lastDryRound else {
                return finish(isComplete: false)
            }
            if let open = bottleneck {
                switch judge(open) {
                case .settled: continue
                case .goOn: return
                case .open: break
                }
            }
            if arrives(current, at: end) { return finish(isComplete: true) }
            if isBlocked(current, at: end) || trials > 0 {
                guard planLocation() else { continue }
                return
            }
            return planTrial()
        }
        finish(isComplete: false)
    }

    private enum Judgement {
        /// The bottleneck's size is known, or has to be looked for in another way.
        case settled
        /// A round was planned.
        case goOn
        /// The announced size is still to be tried at the end of the path.
        case open
    }

    private mutating func judge(_ open: Bottleneck) -> Judgement {
        if let target = open.target { return search(open, target) ? .goOn : .settled }
        // An announced size: it passes, and nothing larger does.
        let isContradicted = largest(at: open.before).map { $0 > current } ?? false
        if isContradicted || !isConfirmedHere(open) {
            if case .announced(let responder) = open.evidence {
                note(
                    PathMTUClaim(
                        responder: responder, mtu: UInt32(clamping: current), size: current + 1, fault: .contradicted))
            }
            startSearch(open.after, open.before, open.evidence.withoutSize)
            return .settled
        }
        guard arrives(current, at: open.before) else { return .open }
        settle(open, size: current)
        return .settled
    }

    /// Whether this host's kernel, if the size is its word, refuses the next larger one too.
    private func isConfirmedHere(_ open: Bottleneck) -> Bool {
        guard open.evidence == .local, trials > 0 else { return true }
        return refusals.contains { $0.responder == nil && $0.size == current + 1 }
    }

    private mutating func settle(_ open: Bottleneck, size: Int) {
        bottleneck = nil
        trials = 0
        located = []
        (current, ceiling) = (size, size)
        let isAtDestination = open.before == configuration.destinationHop && open.evidence == .silence
        let drop = PathMTUDrop(
            size: size, after: open.after, before: open.before, evidence: open.evidence,
            mayBeOnTheWayBack: isAtDestination && answersAreLong)
        result.drops.append(drop)
        events.append(.drop(drop))
    }

    private mutating func startSearch(_ after: Int, _ before: Int, _ evidence: PathMTUDrop.Evidence) {
        let target = answeringHops.first { $0 >= before && longest[$0] != nil } ?? end
        bottleneck = Bottleneck(after: after, before: before, evidence: evidence, target: target)
    }

    /// Hops that have not fallen silent, the last one in any case.
    private var answeringHops: [Int] {
        (1...end).filter { $0 == end || (dry[$0] ?? 0) < Self.patientRounds }
    }

    // MARK: Plans

    private mutating func start(_ shots: [Shot], _ purpose: Purpose) {
        let room = configuration.maximumProbes - Int(clamping: statistics.transmitted)
        guard room >= shots.count else { return finish(isComplete: false) }
        round = shots
        nextShot = 0
        roundNumber += 1
        self.purpose = purpose
    }

    private func control(_ hop: Int) -> Shot { Shot(size: configuration.controlSize, hop: hop) }

    private mutating func planTrial() {
        trials += 1
        var shots: [Shot] = []
        // One octet more than what was announced shows whether that was true.
        if bottleneck != nil, !isBlocked(current + 1, at: end) { shots.append(Shot(size: current + 1, hop: end)) }
        shots.append(Shot(size: current, hop: end))
        if current > configuration.controlSize { shots.append(control(end)) }
        start(shots, .trial)
    }

    /// Asks the hops of which it is not known whether the size reaches them. Returns false when it is known of all.
    private mutating func planLocation() -> Bool {
        let after = reach(of: current)
        let hops = answeringHops.filter { $0 > after }
        let blocked = hops.first { isBlocked(current, at: $0) }
        let open = hops.filter { $0 < blocked ?? .max }
        let told = refusal(of: current, at: blocked ?? end)
        // Who says "too big" was recognised by address: nobody stands between it and the next hop.
        let isNamed = told.map { $0.hop == after + 1 } ?? false
        if isNamed || open.isEmpty {
            found(after, isNamed ? after + 1 : blocked ?? end, told)
            return false
        }
        planLocation(open, after)
        return true
    }

    private mutating func planLocation(_ open: [Int], _ after: Int) {
        var shots: [Shot] = []
        let new = open.filter { !located.contains($0) }
        if new.isEmpty {
            // If the first one stays silent all of them are behind the bottleneck.
            for (place, hop) in open.prefix(2).enumerated().reversed() {
                let lacking = max(1, neededSilences - silenceCount(of: current, at: hop))
                let copies = place == 0 ? min(lacking, Self.copies) : 1
                for _ in 0..<copies { shots.append(Shot(size: current, hop: hop)) }
            }
        } else {
            for hop in new.reversed() { shots.append(Shot(size: current, hop: hop)) }
            located.formUnion(new)
        }
        for hop in Set(shots.map(\.hop)).sorted(by: >) {
            let isNew = longest[hop] == nil
            for _ in 0..<(isNew ? configuration.queries : 1 + (dry[hop] ?? 0)) { shots.append(control(hop)) }
        }
        if answeringHops.contains(after) { shots.append(control(after)) }
        start(shots, .location)
    }

    /// The size in question ends between these hops.
    private mutating func found(_ after: Int, _ before: Int, _ told: Refusal?) {
        var evidence = PathMTUDrop.Evidence.silence
        if let told { evidence = told.responder.map { .announced(by: $0) } ?? .local }
        if let open = bottleneck, before <= open.before {
            // What was announced does not pass the same link.
            if case .announced(let responder) = open.evidence {
                note(
                    PathMTUClaim(
                        responder: responder, mtu: UInt32(clamping: current), size: current, fault: .exceeded))
            }
            return startSearch(open.after, open.before, open.evidence.withoutSize)
        }
        // The size that was announced for a link before this one has passed it.
        if let open = bottleneck { settle(open, size: current) }
        if let mtu = told?.mtu, mtu < current {
            bottleneck = Bottleneck(after: after, before: before, evidence: evidence)
            current = mtu
            trials = 0
            located = []
        } else {
            startSearch(after, before, evidence.withoutSize)
        }
    }

    /// Narrows the size down. Returns false when it is known.
    private mutating func search(_ open: Bottleneck, _ target: Int) -> Bool {
        if (dry[target] ?? 0) >= Self.patientRounds, target != end {
            startSearch(open.after, open.before, open.evidence)
            return false
        }
        let low = largest(at: target) ?? configuration.controlSize - 1
        guard low < ceiling else {
            // What seemed to be one is none.
            bottleneck = nil
            current = ceiling
            return false
        }
        let blockedSizes =
            refusals.filter { $0.hop <= target }.map(\.size) + silences.filter { $0.hop <= target }.map(\.size)
        let high = blockedSizes.filter { $0 > low }.min() ?? ceiling + 1
        var shots: [Shot] = []
        if high == low + 1 {
            guard high > configuration.controlSize else {
                finish(isComplete: false)
                return true
            }
            if isBlocked(high, at: target) {
                settle(open, size: low)
                return false
            }
            let lacking = neededSilences - silenceCount(of: high, at: target)
            for _ in 0..<min(max(1, lacking), Self.copies) { shots.append(Shot(size: high, hop: target)) }
        } else {
            let inner = high - low - 1
            let points = min(inner, Self.sizesAtOnce)
            let copies = missed == 0 ? 1 : 2
            for point in stride(from: points, to: 0, by: -1) {
                let size = low + 1 + (inner - 1) * point / points
                if shots.last?.size == size { continue }
                for _ in 0..<copies { shots.append(Shot(size: size, hop: target)) }
            }
        }
        if shots.last?.size != configuration.controlSize { shots.append(control(target)) }
        start(shots, .search)
        return true
    }

    // MARK: The end

    private mutating func finish(isComplete: Bool) {
        guard !isOver else { return }
        isOver = true
        round = []
        result.isComplete = isComplete
        result.drops.sort { $0.after < $1.after }
        let hop = passed.keys.max()
        result.hop = hop
        result.size = hop.flatMap { passed[$0] }
        result.isWholePath = hop != nil && hop == configuration.destinationHop
    }

    public mutating func stop(at now: Timestamp) { finish(isComplete: false) }

    public mutating func nextEvent() -> PathMTUEvent? { events.next() }

    public var schedule: Schedule {
        if isOver { return .finished }
        var earliest = Timestamp(nanoseconds: .max)
        if inFlightCount < window, round.contains(where: { $0.isWaiting }) { earliest = nextSend }
        for shot in round {
            guard case .inFlight = shot.state else { continue }
            earliest = min(earliest, shot.expiry)
        }
        return .at(earliest)
    }

    /// The least that silence is waited for.
    private static let floor = TimeSpan.milliseconds(20)
    /// With one probe under way a stray answer would be another's.
    private static let aloneFloor = TimeSpan.milliseconds(50)
    /// By so much one packet may overtake another.
    private static let grace = TimeSpan.milliseconds(10)
    private static let maximumLateness = TimeSpan.milliseconds(100)
    private static let retryPause = TimeSpan.milliseconds(1)
    private static let retryLimit = TimeSpan.milliseconds(500)
    private static let limitPause = TimeSpan.milliseconds(1_100)
    /// RFC 791: every link takes 68 octets; RFC 8200 section 5: 1,280.
    private static let minimumMTUv4: UInt32 = 68
    private static let minimumMTUv6: UInt32 = 1_280
    /// Large probes that must stay silent before their size counts as too large.
    static let minimumSilences = 6
    private static let maximumSilences = 40
    private static let acceptedChance = 1e-6
    /// Of one size in one round.
    private static let copies = 8
    private static let sizesAtOnce = 8
    /// Rounds without any answer after which a hop counts as silent.
    private static let patientRounds = 4
    /// The same for the end of the path, without which there is nothing to go on with.
    private static let lastDryRound = 6
    static let maximumRounds = 100
    private static let maximumClaims = 16
}

extension PathMTUDrop.Evidence {
    /// What is left when the size that came with it is not to be believed.
    fileprivate var withoutSize: Self {
        if case .announced(let responder) = self { .searched(by: responder) } else { self }
    }
}

extension Probe {
    fileprivate var emptied: Probe {
        var probe = self
        probe.payloadLength = 0
        return probe
    }
}
