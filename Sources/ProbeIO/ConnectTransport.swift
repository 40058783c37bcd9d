import LinuxSockets
import PacketFormats
import ProbeEngine

/// What probes can't do over a transport, as far as the kernel decides it.
public struct ProbeLimits: Hashable, Sendable {
    /// Probes that can be under way at once; nil for any number.
    public var inFlight: Int?
    /// After so long an answer is heard no more; nil without end.
    public var wait: TimeSpan?
    /// Whether load balancers can take all probes for one flow.
    public var hasConstantFlow = true

    public init() {}
}

extension ProbeTransport {
    /// What probes can't do here.
    public var limits: ProbeLimits {
        var limits = ProbeLimits()
        guard let connections else { return limits }
        limits.inFlight = connections.capacity
        limits.wait = TimeSpan(nanoseconds: ConnectSockets.patience)
        // Two connections can't have addresses and ports in common at the same time.
        limits.hasConstantFlow = settings.sourcePort != nil
        return limits
    }

    /// Octets of a probe behind its IP header where the kernel decides about them; nil where the codec does.
    ///
    /// A SYN has the options that the system's settings say (tcp(7)).
    public var transportLength: Int? {
        guard connections != nil else { return nil }
        func isOn(_ name: String) -> Bool { SystemFacts.setting("net.ipv4.\(name)")?.first != 0 }
        let maximumSegmentSize = 4
        let windowScale = isOn("tcp_window_scaling") ? 4 : 0
        // Padding of the time stamps has room for the two octets of selective acknowledgments.
        let others = isOn("tcp_timestamps") ? 12 : isOn("tcp_sack") ? 4 : 0
        return TCPHeader.minimumLength + maximumSegmentSize + windowScale + others
    }

    /// Sends the probe that is due. One for each turn of the loop: each is timed by itself, and none waits while others
    /// connect.
    mutating func connect<Subject: Measurement & ~Copyable>(
        over connections: ConnectSockets, for measurement: inout Subject, at now: Timestamp
    ) {
        guard let transmit = measurement.nextTransmit(at: now) else { return }
        latest = max(latest, transmit.id)
        let stamp = stamp(nil)
        switch connections.connect(transmit, isAwaited: { measurement.awaits($0) }) {
        case .sent: measurement.didSend(transmit.id, at: stamp)
        case .retryLater: measurement.didNotSend(transmit.id, .retryLater, at: now)
        case .failed(let errno):
            measurement.didNotSend(transmit.id, failure(errno, of: transmit.probe), at: now)
        }
    }

    mutating func receive(from connections: ConnectSockets) {
        let epoch = epoch.number
        connections.receive { finding in
            var detail: ResponseDetail?
            if let extensions = finding.extensions { detail = ResponseDetail(extensions: extensions) }
            var response = Response(
                probe: finding.transmit.id, kind: finding.kind, responder: finding.source,
                hopLimit: finding.hopLimit, trafficClass: finding.trafficClass, byteCount: finding.byteCount,
                stamp: Stamp(nanoseconds: finding.moment.wallTime, clock: .user, epoch: epoch),
                arrival: finding.moment.time, detail: detail)
            if case .icmpError = finding.kind {
                response.quotedDestination = finding.transmit.probe.destination
            }
            responses.append(response)
        }
        counters.resent = connections.resentCount
    }
}
