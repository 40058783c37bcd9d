import LinuxSockets
import PacketFormats
import ProbeEngine

/// A few probes of this host to itself, until one is answered and timed by the kernel at both ends.
struct LoopbackTrial: Measurement {
    /// When the kernel sent the answered probe and when the answer came, as far as it said so.
    private(set) var sendStamp: Stamp?
    private(set) var arrivalStamp: Stamp?
    private(set) var roundTrip: TimeSpan?
    private(set) var failure: SendFailure?

    private let probe: Probe
    private var probes: [(time: Timestamp, sendStamp: Stamp?, answer: (stamp: Stamp, arrival: Timestamp)?)] = []
    private var due: Timestamp
    private var end: Timestamp
    private var isOver = false

    init(_ destination: IPAddress, _ method: ProbeMethod, start: Timestamp) {
        probe = Probe(destination: destination, method: method)
        due = start
        end = start + Self.patience
    }

    mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        guard !isOver, probes.count < Self.maximumProbes, due <= now else { return nil }
        // The kernel begins to take arrival times a moment after the first socket asked for them.
        due = now + Self.pause
        end = now + Self.patience
        probes.append((now, nil, nil))
        return Transmit(id: ProbeID(rawValue: UInt64(probes.count)), probe: probe)
    }

    mutating func didSend(_ id: ProbeID, at stamp: Stamp) {
        guard stamp.clock == .kernel, let index = index(of: id) else { return }
        probes[index].sendStamp = stamp
        conclude(index)
    }

    mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        self.failure = failure
        isOver = true
    }

    mutating func receive(_ response: Response) {
        let isAnswer =
            switch response.kind {
            case .echoReply, .timestampReply, .datagram, .tcp: true
            case .icmpError: response.kind.isPortUnreachable(probe.destination.version)
            }
        guard isAnswer, let index = response.probe.flatMap(index) else { return }
        probes[index].answer = (response.stamp, response.arrival)
        conclude(index)
    }

    private mutating func conclude(_ index: Int) {
        guard let answer = probes[index].answer else { return }
        let sent = probes[index].sendStamp
        let arrived = answer.stamp.clock == .kernel ? answer.stamp : nil
        if let sent, let arrived {
            roundTrip = TimeSpan(nanoseconds: max(0, arrived.nanoseconds &- sent.nanoseconds))
            isOver = true
        } else {
            roundTrip = answer.arrival - probes[index].time
        }
        sendStamp = sent ?? sendStamp
        arrivalStamp = arrived ?? arrivalStamp
    }

    private func index(of id: ProbeID) -> Int? {
        guard let index = Int(exactly: id.rawValue).map({ $0 - 1 }), probes.indices.contains(index) else { return nil }
        return index
    }

    mutating func advance(to now: Timestamp) {
        if probes.count == Self.maximumProbes, end <= now { isOver = true }
    }

    mutating func stop(at now: Timestamp) { isOver = true }

    mutating func nextEvent() -> Never? { nil }

    var schedule: Schedule {
        if isOver { return .finished }
        return .at(probes.count < Self.maximumProbes ? due : end)
    }

    private static let maximumProbes = 5
    private static let pause = TimeSpan.milliseconds(20)
    private static let patience = TimeSpan.milliseconds(300)
}
