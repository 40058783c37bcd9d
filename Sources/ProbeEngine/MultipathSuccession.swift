import PacketFormats

/// Multipath traces one after the other, and watches of what they found, as one measurement: it is over when one of them is,
/// and goes on when the next is begun.
///
/// Probes are numbered over all of them in the order of sending, so that what is late for one is no answer to the next.
public struct MultipathSuccession: Measurement, Sendable {
    public enum Event: Sendable {
        case trace(MultipathEvent)
        case watch(PathWatchEvent)
    }

    /// The one that was begun last.
    public private(set) var trace: MultipathTrace?
    /// What follows the paths that the trace found; nil before.
    public private(set) var watch: PathWatch?
    /// Probes of those before.
    private var passed: UInt64 = 0
    /// The number of the last probe.
    private var latest: UInt64 = 0

    public init() {}

    /// Begins a trace. What the one before still waits for is forgotten.
    public mutating func begin(_ configuration: MultipathTrace.Configuration) {
        passed = latest
        watch = nil
        trace = MultipathTrace(configuration)
    }

    /// Follows paths from now on. What the trace still waits for is forgotten.
    public mutating func follow(_ configuration: PathWatch.Configuration) {
        passed = latest
        watch = PathWatch(configuration)
    }

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard
            var transmit = watch == nil ? trace?.nextTransmit(at: now) : watch?.nextTransmit(at: now)
        else { return nil }
        transmit.id.rawValue += passed
        latest = max(latest, transmit.id.rawValue)
        return transmit
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard let id = own(id) else { return }
        if watch == nil { trace?.didSend(id, at: stamp) } else { watch?.didSend(id, at: stamp) }
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        guard let id = own(id) else { return }
        if watch == nil {
            trace?.didNotSend(id, failure, at: now)
        } else {
            watch?.didNotSend(id, failure, at: now)
        }
    }

    public mutating func finishSending(at clock: () -> Timestamp) {
        if watch == nil { trace?.finishSending(at: clock) } else { watch?.finishSending(at: clock) }
    }

    public mutating func receive(_ response: Response) {
        var response = response
        if let id = response.probe {
            guard let own = own(id) else { return }
            response.probe = own
        }
        if watch == nil { trace?.receive(response) } else { watch?.receive(response) }
    }

    public mutating func advance(to now: Timestamp) {
        if watch == nil { trace?.advance(to: now) } else { watch?.advance(to: now) }
    }

    public func expiresSilence(at now: Timestamp) -> Bool {
        watch?.expiresSilence(at: now) ?? trace?.expiresSilence(at: now) ?? false
    }

    public mutating func awoke(at now: Timestamp) {
        if watch == nil { trace?.awoke(at: now) } else { watch?.awoke(at: now) }
    }

    public mutating func didDrop(_ packets: UInt64, at now: Timestamp) {
        if watch == nil { trace?.didDrop(packets, at: now) } else { watch?.didDrop(packets, at: now) }
    }

    public mutating func stop(at now: Timestamp) {
        if watch == nil { trace?.stop(at: now) } else { watch?.stop(at: now) }
    }

    public mutating func nextEvent() -> Event? {
        watch == nil ? trace?.nextEvent().map(Event.trace) : watch?.nextEvent().map(Event.watch)
    }

    public func awaits(_ id: ProbeID) -> Bool {
        guard let id = own(id) else { return false }
        return watch?.awaits(id) ?? trace?.awaits(id) ?? false
    }

    public var schedule: Schedule { watch?.schedule ?? trace?.schedule ?? .finished }

    /// The number within the measurement that runs, nil for a probe of one before.
    private func own(_ id: ProbeID) -> ProbeID? {
        id.rawValue > passed ? ProbeID(rawValue: id.rawValue - passed) : nil
    }
}
