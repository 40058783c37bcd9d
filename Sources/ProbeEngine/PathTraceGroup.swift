import PacketFormats

/// The traces of several hosts as one measurement, each a `PathTrace` of its own; a few of them run at once.
///
/// Probes are numbered over all of them, in the order of sending.
public struct PathTraceGroup: Measurement, Sendable {
    /// What a trace tells, and which one.
    public enum Event: Sendable {
        case path(trace: Int, PathEvent)
        /// The trace is over: its statistics stand.
        case finished(trace: Int)
    }

    private struct Owner: Sendable, BitwiseCopyable {
        var trace: Int
        /// The number of the probe within its trace.
        var id: ProbeID
    }

    /// In the order in which they were given.
    public private(set) var traces: [PathTrace]
    private let maximumRunning: Int
    /// The traces that were begun and are not over.
    private var running: [Int] = []
    /// How many were begun: they begin in their order.
    public private(set) var begun = 0
    /// By probe number, from 1 on.
    private var owners: [Owner] = []
    /// Of the running traces, the place of the one that sends next.
    private var turn = 0
    private var events = Queue<Event>()
    private var isStopped = false

    /// - Parameter maximumRunning: how many traces run at once.
    public init(_ configurations: [PathTrace.Configuration], maximumRunning: Int = Self.defaultRunning) {
        traces = configurations.map { PathTrace($0) }
        self.maximumRunning = max(1, maximumRunning)
        begin()
    }

    // MARK: Sending

    /// The running traces take turns.
    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        for _ in running.indices {
            if turn >= running.count { turn = 0 }
            let trace = running[turn]
            turn += 1
            guard let transmit = traces[trace].nextTransmit(at: now) else { continue }
            owners.append(Owner(trace: trace, id: transmit.id))
            return Transmit(id: ProbeID(rawValue: UInt64(owners.count)), probe: transmit.probe)
        }
        return nil
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard let owner = owner(of: id) else { return }
        traces[owner.trace].didSend(owner.id, at: stamp)
        settle()
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let owner = owner(of: id) else { return }
        traces[owner.trace].didNotSend(owner.id, failure, at: now)
        settle()
    }

    private func owner(of id: ProbeID) -> Owner? {
        guard id.rawValue > 0, id.rawValue <= UInt64(owners.count) else { return nil }
        return owners[Int(id.rawValue) - 1]
    }

    // MARK: Receiving

    public mutating func receive(_ response: Response) {
        if let id = response.probe {
            guard let owner = owner(of: id) else { return }
            var response = response
            response.probe = owner.id
            traces[owner.trace].receive(response)
        } else if let trace = running.first(where: { isTold($0, of: response) }) {
            traces[trace].receive(response)
        }
        settle()
    }

    /// Whether a response without number is about this trace's host.
    private func isTold(_ trace: Int, of response: Response) -> Bool {
        let destination = traces[trace].configuration.destination.withoutZone
        return (response.quotedDestination ?? response.responder).withoutZone == destination
    }

    // MARK: Time

    public mutating func advance(to now: Timestamp) {
        for trace in running { traces[trace].advance(to: now) }
        settle()
    }

    public mutating func stop(at now: Timestamp) {
        isStopped = true
        for trace in running { traces[trace].stop(at: now) }
        settle()
    }

    /// Takes the events of the running traces, and begins others for those that are over.
    private mutating func settle() {
        var place = 0
        while place < running.count {
            let trace = running[place]
            while let event = traces[trace].nextEvent() { events.append(.path(trace: trace, event)) }
            guard traces[trace].schedule == .finished else {
                place += 1
                continue
            }
            events.append(.finished(trace: trace))
            running.remove(at: place)
            begin()
        }
    }

    private mutating func begin() {
        guard !isStopped else { return }
        while running.count < maximumRunning, begun < traces.count {
            running.append(begun)
            begun += 1
        }
    }

    public mutating func nextEvent() -> Event? { events.next() }

    public var schedule: Schedule {
        if running.isEmpty { return .finished }
        var earliest: Timestamp?
        for trace in running {
            guard case .at(let instant) = traces[trace].schedule else { continue }
            earliest = min(earliest ?? instant, instant)
        }
        return earliest.map { .at($0) } ?? .waitingForInput
    }

    /// So many hosts at once are a burst that a local queue takes.
    public static let defaultRunning = 16
}
