import LinuxSockets
import PacketFormats
import ProbeEngine

/// TCP probes without privilege: for each one a socket connects whose hop limit is the probe's, and what the kernel says
/// of the attempt is the answer.
///
/// A socket that is through with its probe is disconnected and used again. That resets a connection which the target has
/// accepted, before the handshake is over: the target's application never sees it, and no TIME_WAIT stays behind. A
/// socket without an answer is disconnected before the kernel sends its SYN again, because a second SYN is a second
/// probe.
final class ConnectSockets: DescriptorOwner {
    /// What became of a probe that was to be sent.
    enum Attempt {
        case sent
        case retryLater
        case failed(Errno)
    }

    /// What came for a probe.
    struct Finding {
        var transmit: Transmit
        /// When this process saw it.
        var moment: Moment
        var kind: Response.Kind
        var source: IPAddress
        var hopLimit: UInt8?
        var trafficClass: UInt8?
        var byteCount = 0
        var extensions: ICMPExtensions?
    }

    /// Now, by both clocks.
    struct Moment {
        let time = Timestamp(nanoseconds: SystemClock.monotonic.now)
        let wallTime = SystemClock.realtime.now
    }

    let versions: [IPVersion]
    /// The settings that these sockets, or these rights, don't allow.
    let refusals: [SocketSettings.Refusal]
    /// How many probes may be under way.
    private(set) var capacity: Int
    /// SYN segments that the kernel sent again because nobody disconnected in time.
    private(set) var resentCount: UInt64 = 0

    private let request: TransportRequest
    private let destinationPort: UInt16
    private var poller: Poller
    private let timer: Timer
    private var timerIsSet = false
    private var idle: [ConnectSocket] = []
    /// In the order of sending.
    private var active: [ConnectSocket] = []
    private var incoming = ReceiveBatch(capacity: ConnectSockets.errors, slotSize: ConnectSockets.quoteLength)

    /// Readable when a socket has news, or one has waited for as long as it may.
    var rawDescriptor: Int32 { poller.rawDescriptor }

    /// Throws `addressFamilyNotSupported` when the host has none of the versions, and what the kernel refuses.
    init(_ request: TransportRequest, port: UInt16) throws(Errno) {
        self.request = request
        destinationPort = port
        poller = try Poller()
        timer = try Timer()
        try poller.add(timer, token: Self.timerToken)
        var refusals: [SocketSettings.Refusal] = []
        for version in request.versions {
            do throws(Errno) {
                idle.append(try ConnectSocket(version, request, &refusals))
            } catch .addressFamilyNotSupported {
                continue
            }
        }
        versions = idle.map(\.version)
        guard let lowest = idle.first?.socket.rawDescriptor else { throw .addressFamilyNotSupported }
        let limit = SystemFacts.openFileLimit
        let room = limit - Int(lowest) - min(Self.reserve, limit / 4)
        capacity = request.settings.sourcePort == nil ? max(1, min(Self.maximum, room)) : 1
        if request.settings.mark != nil {
            // A mark can't be set any more when the rights are gone.
            capacity = max(1, capacity / versions.count)
            for version in versions {
                for _ in 1..<capacity { idle.append(try ConnectSocket(version, request, &refusals)) }
            }
        }
        self.refusals = refusals
    }

    // MARK: Sending

    /// Connects for a probe.
    ///
    /// - Parameter isAwaited: whether the answer to an earlier probe is still waited for. Those for which it is not are
    ///   given up when there is no socket left.
    func connect(_ transmit: Transmit, isAwaited: (ProbeID) -> Bool) -> Attempt {
        let probe = transmit.probe
        guard versions.contains(probe.destination.version) else { return .failed(.addressFamilyNotSupported) }
        if active.count >= capacity {
            guard let index = active.firstIndex(where: { !isAwaited($0.transmit.id) }) else { return .retryLater }
            release(active[index])
        }
        let connecting: ConnectSocket
        do throws(Errno) {
            connecting = try take(probe.destination.version)
        } catch {
            guard error == .tooManyOpenFiles || error == .tooManyOpenFilesInSystem, !active.isEmpty else {
                return .failed(error)
            }
            capacity = active.count
            return .retryLater
        }
        do throws(Errno) {
            try connecting.connect(transmit, port: destinationPort, flowLabel: request.settings.content.flowLabel ?? 0)
            try poller.add(
                connecting.socket, token: UInt64(connecting.socket.rawDescriptor), interest: .writable)
        } catch {
            if connecting.forget(&incoming) { idle.append(connecting) }
            switch error {
            case .wouldBlock, .noBufferSpace, .noMemory: return .retryLater
            default: return .failed(error)
            }
        }
        active.append(connecting)
        setTimer()
        return .sent
    }

    /// A socket that is free, or a new one.
    private func take(_ version: IPVersion) throws(Errno) -> ConnectSocket {
        if let index = idle.lastIndex(where: { $0.version == version }) { return idle.remove(at: index) }
        // Those of the other version count as well.
        if active.count + idle.count >= max(capacity, versions.count), !idle.isEmpty { idle.removeFirst() }
        var refusals: [SocketSettings.Refusal] = []
        let socket = try ConnectSocket(version, request, &refusals)
        if let refusal = refusals.first { throw refusal.failure }
        return socket
    }

    // MARK: Receiving

    /// Gives out what has come, and lets go of the sockets that it came for and of those that waited long enough.
    ///
    /// At most 256 answers; more come with the next call.
    func receive(_ take: (Finding) -> Void) {
        for _ in 0..<Self.maximumWaits {
            guard let count = try? poller.wait(timeoutMilliseconds: 0), count > 0 else { break }
            // All of them were here by now: what is done about one does not make the next one late.
            let moment = Moment()
            for index in 0..<count {
                let event = poller.event(at: index)
                if event.token == Self.timerToken {
                    _ = try? timer.acknowledge()
                    timerIsSet = false
                } else if let connecting = active.first(where: {
                    UInt64($0.socket.rawDescriptor) == event.token
                }) {
                    settle(connecting, event.readiness, moment, take)
                }
            }
        }
        let now = SystemClock.monotonic.now
        while let oldest = active.first, oldest.deadline <= now { release(oldest) }
        if !timerIsSet { setTimer() }
    }

    private func settle(
        _ connecting: ConnectSocket, _ readiness: Poller.Readiness, _ moment: Moment, _ take: (Finding) -> Void
    ) {
        // Before the queue is looked at: an ICMP error is there before it becomes the socket's.
        let failure = (try? connecting.socket.pendingError()) ?? nil
        let wasResent = connecting.wasResent
        if let finding = queuedError(of: connecting, moment, wasResent: wasResent) {
            take(finding)
        } else if wasResent {
            // Nobody knows which of two SYN segments was answered.
            guard failure != nil || !readiness.isDisjoint(with: [.writable, .hangUp]) else { return }
        } else if failure == .connectionRefused {
            take(answer(to: connecting, moment, [.rst, .ack]))
        } else if failure == nil, readiness.contains(.writable), !readiness.contains(.hangUp) {
            take(answer(to: connecting, moment, [.syn, .ack]))
        } else if failure == nil, readiness.isDisjoint(with: [.writable, .hangUp]) {
            // What was in the queue says nothing about the probe.
            return
        }
        release(connecting)
    }

    private func answer(to connecting: ConnectSocket, _ moment: Moment, _ flags: TCPHeader.Flags) -> Finding {
        Finding(
            transmit: connecting.transmit, moment: moment, kind: .tcp(flags),
            source: connecting.transmit.probe.destination, byteCount: TCPHeader.minimumLength)
    }

    /// The first ICMP error in the socket's queue. The kernel has compared ports and sequence number of what it quotes
    /// (`tcp_v4_err`, `tcp_v6_err`).
    private func queuedError(of connecting: ConnectSocket, _ moment: Moment, wasResent: Bool) -> Finding? {
        guard let count = try? incoming.receive(on: connecting.socket, errorQueue: true) else { return nil }
        for index in 0..<count {
            let control = incoming.control(at: index)
            guard let error = control.error, error.origin == .icmp || error.origin == .icmpv6,
                let offender = error.offender
            else { continue }
            if wasResent {
                guard let time = control.kernelTimestamp, time - connecting.sentAt < Self.firstResend else { continue }
            }
            return Finding(
                transmit: connecting.transmit, moment: moment,
                kind: .icmpError(type: error.type, code: error.code, info: error.icmpInformation), source: offender,
                hopLimit: control.hopLimit, trafficClass: control.trafficClass,
                byteCount: incoming.bytes(at: index).byteCount, extensions: incoming.extensions(at: index, of: error))
        }
        return nil
    }

    /// How long an answer is waited for, in nanoseconds: a little less than the kernel waits before it sends again.
    static let patience: Int64 = 975_000_000

    // MARK: Letting go

    private func release(_ connecting: ConnectSocket) {
        active.removeAll { $0 === connecting }
        if connecting.wasResent { resentCount += 1 }
        // A closed stream would report its hang-up for ever.
        guard (try? poller.remove(connecting.socket)) != nil, connecting.forget(&incoming) else { return }
        idle.append(connecting)
    }

    private func setTimer() {
        guard !timerIsSet, let oldest = active.first else { return }
        timerIsSet = (try? timer.set(to: oldest.deadline)) != nil
    }

    /// Probes under way at once.
    private static let maximum = 256
    /// Descriptors that are left for others of this process: names are looked up by several threads.
    private static let reserve = 32
    private static let timerToken = UInt64.max
    private static let maximumWaits = 4
    /// Of a queue that is read at once. One entry ends the attempt.
    private static let errors = 4
    /// Routers quote up to 576 or 1,280 octets of packet and extensions (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4).
    private static let quoteLength = 2_048
    /// The kernel sends a SYN again after a second (RFC 6298 section 2, `TCP_TIMEOUT_INIT`), and no option of a socket
    /// makes it wait for longer.
    private static let firstResend: Int64 = 1_000_000_000
}

/// One socket that connects for one probe after the other.
private final class ConnectSocket {
    let socket: Socket
    let version: IPVersion
    /// The probe that is, or was, under way.
    private(set) var transmit = Transmit(
        id: ProbeID(rawValue: 0), probe: Probe(destination: .v4(.any), method: .tcpSYN(destinationPort: 0)))
    /// When it was sent, by the wall clock as the kernel's stamps are.
    private(set) var sentAt: Int64 = 0
    /// When the socket has to be disconnected, by the monotonic clock.
    private(set) var deadline: Int64 = 0
    private var trafficClass: UInt8 = 0
    private let maximumSegmentSize: UInt16?

    init(
        _ version: IPVersion, _ request: TransportRequest, _ refused: inout [SocketSettings.Refusal]
    ) throws(Errno) {
        let settings = request.settings
        let socket = try Socket(family: version == .v4 ? .inet : .inet6, type: .stream)
        try settings.apply(to: socket, &refused)
        if version == .v6 {
            try socket.set(.onlyV6, to: true)
            // As in packets whose header is ours.
            try socket.set(.automaticFlowLabel, to: false)
        }
        if settings.sourcePort != nil || request.source != nil {
            if settings.sourcePort != nil { try socket.set(.reuseAddress, to: true) }
            let any: IPAddress = version == .v4 ? .v4(.any) : .v6(.any)
            try socket.bind(to: SocketAddress(request.source ?? any, port: settings.sourcePort ?? 0))
        }
        try settings.applyToSender(socket, &refused)
        try settings.applyToHeaders(of: socket, &refused)
        try socket.set(.pathMTUDiscovery, to: request.pathMTUDiscovery)
        try socket.set(.receiveErrors, to: true)
        try? socket.set(.receiveErrorExtensions, to: true)
        try socket.set(.receiveHopLimit, to: true)
        try socket.set(.receiveTrafficClass, to: true)
        try socket.set(.timestamping, to: [.receiveSoftware, .software])
        try socket.set(.synRetransmissions, to: 1)
        try socket.resetOnClose()
        self.socket = socket
        self.version = version
        maximumSegmentSize = settings.maximumSegmentSize
    }

    /// Throws the kernel's refusal. `connectionRefused` is one too, of a security module on this host: what a target
    /// answers, and be it on loopback, is not looked at before the call is over (`tcp_connect`).
    func connect(_ transmit: Transmit, port: UInt16, flowLabel: UInt32) throws(Errno) {
        let probe = transmit.probe
        try socket.set(.hopLimit, to: Int(probe.hopLimit))
        if probe.trafficClass != trafficClass {
            try socket.set(.trafficClass, to: Int(probe.trafficClass))
            trafficClass = probe.trafficClass
            // The kernel keeps the ECN bits of a stream to itself, in silence.
            guard try socket.value(of: .trafficClass) == Int(trafficClass) else { throw .notSupported }
        }
        // Disconnecting forgets this and the next one.
        if let maximumSegmentSize { try socket.set(.maximumSegmentSize, to: Int(maximumSegmentSize)) }
        // Without an ACK of ours the connection is never the application's.
        try socket.set(.quickAcknowledgment, to: false)
        self.transmit = transmit
        sentAt = SystemClock.realtime.now
        deadline = SystemClock.monotonic.now + ConnectSockets.patience
        try socket.connect(to: SocketAddress(probe.destination, port: port, flowLabel: flowLabel))
    }

    /// Whether the kernel sent the SYN a second time.
    var wasResent: Bool { ((try? socket.retransmissionCount()) ?? 0) > 0 }

    /// Makes the socket as it was before. Returns whether that could be done.
    func forget(_ scratch: inout ReceiveBatch) -> Bool {
        do throws(Errno) {
            try socket.disconnect()
            _ = try socket.pendingError()
        } catch {
            return false
        }
        for _ in 0..<Self.maximumReceives {
            guard let count = try? scratch.receive(on: socket, errorQueue: true), count > 0 else { return true }
        }
        return false
    }

    private static let maximumReceives = 4
}

extension ReceiveBatch {
    /// The extensions that an ICMP error of an error queue brought, nil where there are none or they are damaged.
    fileprivate borrowing func extensions(at index: Int, of error: ExtendedError) -> ICMPExtensions? {
        let quoted = bytes(at: index)
        guard !error.extensionIsInvalid, let offset = error.extensionOffset, offset <= quoted.byteCount else {
            return nil
        }
        return try? ICMPExtensions(parsing: quoted.extracting(offset..<quoted.byteCount))
    }
}

extension ExtendedError {
    /// The octets behind the checksum of an ICMP error, as the packet had them. Of a pointer the kernel hands out the value,
    /// not the octets that it stands in (`icmp_unreach` in net/ipv4/icmp.c).
    var icmpInformation: UInt32 {
        origin == .icmp && type == ICMPType.V4.parameterProblem ? info << 24 : info
    }
}
