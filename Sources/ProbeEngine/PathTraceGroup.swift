import PacketFormats

/// The traces of several hosts as one measurement, each a `PathTrace` of its own, perhaps with a `PathMTU` behind it; a few
/// of them run at once.
///
/// Probes are numbered over all of them in the order of sending; the answers in its events bear these numbers.
public struct PathTraceGroup: Measurement, Sendable {
    /// One host to be traced.
    public struct Configuration: Sendable {
        public var trace: PathTrace.Configuration
        /// Octets of the first packet of the path MTU discovery behind the trace; nil for none.
        public var firstSize: Int?
        /// Octets of the options in the IP headers of its packets.
        public var optionsLength = 0

        public init(_ trace: PathTrace.Configuration, firstSize: Int? = nil, optionsLength: Int = 0) {
            self.trace = trace
            self.firstSize = firstSize
            self.optionsLength = optionsLength
        }
    }

    /// What a trace tells, and which one.
    public enum Event: Sendable {
        case path(trace: Int, PathEvent)
        case mtu(trace: Int, PathMTUEvent)
        /// All is known of this host.
        case finished(trace: Int)
    }

    /// What was found of one host.
    public struct Member: Sendable {
        /// What was asked for.
        public let configuration: Configuration
        public fileprivate(set) var trace: PathTrace
        /// Behind the trace, if it was wanted and the trace came to its end.
        public fileprivate(set) var mtu: PathMTU?
        /// The rows so far.
        public fileprivate(set) var hops: [PathHop] = []
        /// By number within the trace, the number of the probe in the group.
        fileprivate var numbers: [ProbeID] = []

        fileprivate init(_ configuration: Configuration) {
            self.configuration = configuration
            trace = PathTrace(configuration.trace)
        }
    }

    private struct Owner: Sendable, BitwiseCopyable {
        var member: Int
        var isMTU: Bool
        /// The number of the probe within its measurement.
        var id: ProbeID
    }

    /// In the order in which they were given.
    public private(set) var members: [Member]
    /// How many were begun: they begin in their order.
    public private(set) var begun = 0
    private let maximumRunning: Int
    /// The members that were begun and are not over.
    private var running: [Int] = []
    /// By probe number, from 1 on.
    private var owners: [Owner] = []
    /// Of the running members, the place of the one that sends next.
    private var turn = 0
    private var events = Queue<Event>()
    private var isStopped = false

    /// - Parameters:
    ///   - maximumRunning: how many traces run at once.
    ///   - maximumInFlight: how many probes may be under way over all of them, which share it equally; nil for what each
    ///     trace allows itself.
    public init(
        _ configurations: [Configuration], maximumRunning: Int = Self.defaultRunning, maximumInFlight: Int? = nil
    ) {
        var configurations = configurations
        var running = max(1, maximumRunning)
        if let maximumInFlight {
            running = max(1, min(running, configurations.count, maximumInFlight))
            for index in configurations.indices {
                let share = max(1, maximumInFlight / running)
                configurations[index].trace.maximumInFlight = min(configurations[index].trace.maximumInFlight, share)
            }
        }
        members = configurations.map { Member($0) }
        self.maximumRunning = running
        begin()
    }

    // MARK: Sending

    /// The running members take turns.
    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        for _ in running.indices {
            if turn >= running.count { turn = 0 }
            let member = running[turn]
            turn += 1
            let isMTU = members[member].mtu != nil
            guard
                let transmit = isMTU
                    ? members[member].mtu?.nextTransmit(at: now) : members[member].trace.nextTransmit(at: now)
            else { continue }
            owners.append(Owner(member: member, isMTU: isMTU, id: transmit.id))
            let id = ProbeID(rawValue: UInt64(owners.count))
            if !isMTU { members[member].numbers.append(id) }
            return Transmit(id: id, probe: transmit.probe)
        }
        return nil
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard let owner = owner(of: id) else { return }
        if owner.isMTU {
            members[owner.member].mtu?.didSend(owner.id, at: stamp)
        } else {
            members[owner.member].trace.didSend(owner.id, at: stamp)
        }
    }

    public mutating func finishSending(at clock: () -> Timestamp) {
        for member in running { members[member].trace.finishSending(at: clock) }
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let owner = owner(of: id) else { return }
        if owner.isMTU {
            members[owner.member].mtu?.didNotSend(owner.id, failure, at: now)
        } else {
            members[owner.member].trace.didNotSend(owner.id, failure, at: now)
        }
    }

    private func owner(of id: ProbeID) -> Owner? {
        guard id.rawValue > 0, id.rawValue <= UInt64(owners.count) else { return nil }
        return owners[Int(id.rawValue) - 1]
    }

    public func awaits(_ id: ProbeID) -> Bool {
        guard let owner = owner(of: id) else { return false }
        let member = members[owner.member]
        return owner.isMTU ? member.mtu?.awaits(owner.id) ?? false : member.trace.awaits(owner.id)
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        if let id = response.probe {
            guard let owner = owner(of: id) else { return }
            var response = response
            response.probe = owner.id
            receive(response, isMTU: owner.isMTU, owner.member)
        } else if let member = running.first(where: { isAbout($0, response) }) ?? only(response) {
            receive(response, isMTU: members[member].mtu != nil, member)
        }
    }

    private mutating func receive(_ response: Response, isMTU: Bool, _ member: Int) {
        if isMTU {
            members[member].mtu?.receive(response)
        } else {
            members[member].trace.receive(response)
        }
    }

    /// The only member that there is for an error which quotes a packet of ours to another destination: a router rewrote it.
    private func only(_ response: Response) -> Int? {
        response.evidence == .port && running.count == 1 ? running.first : nil
    }

    /// Whether a response without number is about this member's host.
    private func isAbout(_ member: Int, _ response: Response) -> Bool {
        let destination = members[member].configuration.trace.destination.withoutZone
        return (response.quotedDestination ?? response.responder).withoutZone == destination
    }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        for member in running {
            if members[member].mtu == nil {
                members[member].trace.advance(to: now)
            } else {
                members[member].mtu?.advance(to: now)
            }
        }
    }

    public mutating func stop(at now: Timestamp) {
        isStopped = true
        for member in running {
            members[member].trace.stop(at: now)
            members[member].mtu?.stop(at: now)
        }
    }

    public mutating func nextEvent() -> Event? {
        if let event = events.next() { return event }
        settle()
        return events.next()
    }

    /// Takes the events of the running members, and begins others for those that are over.
    private mutating func settle() {
        var place = 0
        while place < running.count {
            let member = running[place]
            while let event = members[member].trace.nextEvent() {
                events.append(.path(trace: member, numbered(event, member)))
            }
            while let event = members[member].mtu?.nextEvent() { events.append(.mtu(trace: member, event)) }
            guard schedule(of: member) == .finished else {
                place += 1
                continue
            }
            if members[member].mtu == nil, let mtu = discovery(behind: member) {
                members[member].mtu = mtu
                continue
            }
            events.append(.finished(trace: member))
            running.remove(at: place)
            begin()
        }
    }

    /// The event with the group's numbers in its row, which is kept.
    private mutating func numbered(_ event: PathEvent, _ member: Int) -> PathEvent {
        guard case .hop(var hop) = event else { return event }
        let numbers = members[member].numbers
        func number(_ answer: inout PathAnswer) {
            let place = Int(clamping: answer.id.rawValue) - 1
            if numbers.indices.contains(place) { answer.id = numbers[place] }
        }
        for index in hop.answers.indices {
            guard var answer = hop.answers[index] else { continue }
            number(&answer)
            hop.answers[index] = answer
        }
        for index in hop.queries.indices {
            guard case .answered(var answer) = hop.queries[index].outcome else { continue }
            number(&answer)
            hop.queries[index].outcome = .answered(answer)
        }
        members[member].hops.append(hop)
        return .hop(hop)
    }

    private func discovery(behind member: Int) -> PathMTU? {
        let found = members[member]
        guard let firstSize = found.configuration.firstSize, !isStopped else { return nil }
        var configuration = PathMTU.Configuration(
            after: found.configuration.trace, rows: found.hops,
            destinationHop: found.trace.isReached ? found.trace.lastHop : nil, firstSize: firstSize)
        configuration.headerLength += found.configuration.optionsLength
        configuration.controlSize += found.configuration.optionsLength
        return PathMTU(configuration)
    }

    private mutating func begin() {
        guard !isStopped else { return }
        while running.count < maximumRunning, begun < members.count {
            running.append(begun)
            begun += 1
        }
    }

    private func schedule(of member: Int) -> Schedule {
        members[member].mtu?.schedule ?? members[member].trace.schedule
    }

    /// `finished` only when all events were taken, because what ends one trace begins another.
    public var schedule: Schedule {
        if running.isEmpty, events.isEmpty { return .finished }
        var earliest: Timestamp?
        for member in running {
            switch schedule(of: member) {
            case .at(let instant): earliest = min(earliest ?? instant, instant)
            case .waitingForInput: break
            case .finished: return .at(Timestamp(nanoseconds: .min))
            }
        }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    /// So many hosts at once are a burst that a local queue takes.
    public static let defaultRunning = 16
}
