import PacketFormats

/// Multipath traces one after the other as one measurement: it is over when a trace is, and goes on with the next `begin`.
///
/// Probes are numbered over all of them in the order of sending, so that what is late for one trace is no answer to the next.
public struct MultipathSuccession: Measurement, Sendable {
    /// The one that was begun last.
    public private(set) var trace: MultipathTrace?
    /// Probes of those before.
    private var passed: UInt64 = 0
    /// The number of the last probe.
    private var latest: UInt64 = 0

    public init() {}

    /// Begins a trace. What the one before still waits for is forgotten.
    public mutating func begin(_ configuration: MultipathTrace.Configuration) {
        passed = latest
        trace = MultipathTrace(configuration)
    }

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard let transmit = trace?.nextTransmit(at: now) else { return nil }
        latest = max(latest, passed + transmit.id.rawValue)
        return Transmit(id: ProbeID(rawValue: passed + transmit.id.rawValue), probe: transmit.probe)
    }

    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        if let id = own(id) { trace?.didSend(id, at: stamp) }
    }

    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        if let id = own(id) { trace?.didNotSend(id, failure, at: now) }
    }

    public mutating func finishSending(at clock: () -> Timestamp) { trace?.finishSending(at: clock) }

    public mutating func receive(_ response: Response) {
        var response = response
        if let id = response.probe {
            guard let own = own(id) else { return }
            response.probe = own
        }
        trace?.receive(response)
    }

    public mutating func advance(to now: Timestamp) { trace?.advance(to: now) }

    public func expiresSilence(at now: Timestamp) -> Bool { trace?.expiresSilence(at: now) ?? false }

    public mutating func awoke(at now: Timestamp) { trace?.awoke(at: now) }

    public mutating func didDrop(_ packets: UInt64, at now: Timestamp) { trace?.didDrop(packets, at: now) }

    public mutating func stop(at now: Timestamp) { trace?.stop(at: now) }

    public mutating func nextEvent() -> MultipathEvent? { trace?.nextEvent() }

    public func awaits(_ id: ProbeID) -> Bool {
        guard let id = own(id) else { return false }
        return trace?.awaits(id) ?? false
    }

    public var schedule: Schedule { trace?.schedule ?? .finished }

    /// The number within the trace, nil for a probe of one before.
    private func own(_ id: ProbeID) -> ProbeID? {
        id.rawValue > passed ? ProbeID(rawValue: id.rawValue - passed) : nil
    }
}
