import LinuxSockets
import PacketFormats
import ProbeEngine

/// Carries probes out and brings answers back over the sockets of one rung.
///
/// Raw IPv4 and IPv6 *send* on `IPPROTO_RAW` sockets, whose error queue holds no foreign errors, and *receive* on raw
/// ICMP sockets without an error queue. Ping and UDP sockets do both.
public struct ProbeTransport: ~Copyable {
    /// What was seen beside the answers.
    public struct Counters: Hashable, Sendable {
        /// Packets that passed the filters and answer no probe of ours.
        public var foreign: UInt64 = 0
        /// Packets that the kernel dropped because this process was too slow to read them.
        public var droppedHere: UInt64 = 0
        /// TCP SYN segments that the kernel sent a second time, because this process was not there to prevent it.
        public var resent: UInt64 = 0
    }

    public let rung: Rung
    public let method: ProbeMethod
    public internal(set) var counters = Counters()
    /// The versions that probes can be sent over.
    public var versions: [IPVersion] {
        if let connections { return connections.versions }
        return [.v4, .v6].filter { version in channels.contains { $0.version == version && $0.encapsulation != nil } }
    }
    /// What marks the probes over this version as ours, nil where none can be sent over it.
    public func identity(_ version: IPVersion) -> ProbeIdentity? { codec(version)?.identity }
    /// What probes over this version are made by, nil where none can be sent over it.
    public func codec(_ version: IPVersion) -> ProbeCodec? {
        channels.first { $0.version == version && $0.encapsulation != nil }?.codec
    }
    /// The number of the probe that was sent last; answers can't carry a higher one.
    var latest = ProbeID(rawValue: 0)

    let channels: [Channel]
    /// Of the rung `tcp`, which has no channels.
    let connections: ConnectSockets?
    /// Probes that wait for the next flush, all for the same channel.
    private var outgoing: SendBatch
    private var outgoingProbes: [Transmit] = []
    private var outgoingChannel: Channel?
    private var incoming: ReceiveBatch
    private var routes: Routes
    var responses: [Response] = []
    var epoch = ClockEpoch()
    private let pathMTUDiscovery: PathMTUDiscovery
    let settings: SocketSettings
    private let wantsIPv4Options: Bool
    private let flows: UInt16
    private var wantsKernelStamps: Bool
    /// How many of the packets dropped here the measurement knows of.
    private var toldDropped: UInt64 = 0
    /// Probes of the last call of `send`.
    private var justSent = 0
    private var lastSend = Timestamp(nanoseconds: .min / 2)
    /// The address that packets leave from, nil for the one that the routing table says.
    private let source: IPAddress?
    /// Whether IPv6 headers are the kernel's where they can be, because ours need a source, which costs a question.
    private let prefersKernelHeaders: Bool
    /// The sources of destinations that keep theirs.
    private var keptSources: [IPAddress: IPAddress] = [:]
    /// The only host whose answers are heard.
    private var peer: IPAddress?
    /// Sees every packet, nil for nobody.
    var tap: (any PacketTap)?

    init(
        _ channels: [Channel], connections: ConnectSockets? = nil, rung: Rung, method: ProbeMethod,
        _ request: TransportRequest
    ) {
        source = request.source?.withoutZone
        settings = request.settings
        prefersKernelHeaders =
            request.hasManyDestinations && request.source == nil && !request.settings.keepsSource
        pathMTUDiscovery = request.pathMTUDiscovery
        wantsIPv4Options = !request.settings.content.ipv4Options.isEmpty
        wantsKernelStamps = request.wantsKernelStamps
        routes = Routes(request.settings, request.versions)
        self.channels = channels
        self.connections = connections
        self.rung = rung
        self.method = method
        flows = UInt16(max(1, min(request.flows, TransportRequest.maximumFlows)))
        let varies = request.settings.content.flowIdentity == .dublin
        let size = request.payloadLength + Self.headerRoom + (varies ? ProbeCodec.dublinLengths : 0)
        outgoing = SendBatch(
            capacity: max(1, min(request.batch, Self.batch, Self.batchBytes / size)), slotSize: size)
        // Slots for the longest packet there is: their pages cost nothing before they are used.
        incoming = ReceiveBatch(capacity: Self.batch, slotSize: Self.longestPacket)
    }

    // MARK: Destinations

    /// Those of the addresses that any host of a network may answer for, as the routing table says. O(n).
    public func broadcasts(among addresses: some Collection<IPAddress>) -> [IPAddress] {
        routes.broadcasts(among: addresses)
    }

    /// The address that probes to `destination` leave from now. Throws what the kernel says of the route.
    public mutating func source(to destination: IPAddress) throws(Errno) -> IPAddress {
        if let source = source ?? keptSources[destination] { return source }
        let source = try routes.route(to: destination).source
        if settings.keepsSource { keptSources[destination] = source }
        return source
    }

    /// Octets of the largest packet that the interface takes by which probes to `destination` leave: not what the kernel
    /// has learnt of the path behind it. O(addresses of this host).
    ///
    /// Throws what the kernel says of the route.
    public mutating func interfaceMTU(to destination: IPAddress) throws(Errno) -> Int {
        if let device = settings.device { return try Interface.mtu(of: device) }
        if case .v6(let address) = destination, address.zone != 0 {
            return try Interface.mtu(of: Interface.name(at: address.zone))
        }
        let interfaces = try Interface.all()
        func owner(of address: IPAddress) -> Interface? {
            interfaces.first { $0.addresses.contains { $0.address.withoutZone == address.withoutZone } }
        }
        // What goes to an address of this host does not leave it.
        let isOwn = destination.isLoopback || owner(of: destination) != nil
        let leaving = isOwn ? interfaces.first { $0.isLoopback } : owner(of: try source(to: destination))
        guard let leaving else { return try routes.route(to: destination).mtu }
        return try Interface.mtu(of: leaving.name)
    }

    /// Probes go to this host only, and only its answers are heard, beside the errors of routers.
    ///
    /// Throws what the kernel says of the route. The corresponding C function is `connect`.
    public mutating func connect(to destination: IPAddress) throws(Errno) {
        peer = destination.withoutZone
        for channel in channels where channel.version == destination.version {
            // A connected raw ICMPv6 socket would not hear routers.
            guard channel.encapsulation != nil, channel.readsErrors || channel.encapsulation == .ipPacket else {
                continue
            }
            let port: UInt16 = channel.encapsulation == .payload ? method.destinationPort : 0
            let label = settings.content.flowLabel ?? 0
            try channel.socket.connect(to: SocketAddress(destination, port: port, flowLabel: label))
        }
    }

    // MARK: Sending

    /// Asks the kernel for times of sending no more: for more probes than were thought of when it was opened. Call it
    /// before the first of them. Throws what the kernel says.
    public mutating func stopStamping() throws(Errno) {
        wantsKernelStamps = false
        for channel in channels where channel.encapsulation != nil {
            try channel.socket.set(.timestamping, to: [.receiveSoftware, .software])
            channel.keys = .none
        }
    }

    /// Sends what the measurement has to send now, in batches, and tells it what became of each probe.
    ///
    /// Returns when nothing more is due or after `budget` probes, so that receiving gets its turn.
    /// Says whether probes go so fast that it pays to look for answers at once.
    mutating func send<Subject: Measurement & ~Copyable>(
        for measurement: inout Subject, at now: Timestamp
    ) -> Bool {
        // A step within a rush shows in a round trip that is longer than what the process saw, or negative.
        if now - lastSend >= Self.rush || wantsKernelStamps { lookAtClocks(for: &measurement) }
        if let connections {
            connect(over: connections, for: &measurement, at: now)
            return false
        }
        var budget = Self.sendBudget
        while budget > 0, let transmit = measurement.nextTransmit(at: now) {
            budget -= 1
            latest = max(latest, transmit.id)
            enqueue(transmit, for: &measurement, at: now)
        }
        flush(for: &measurement, at: now)
        // Errors that were taken because they refused a send: nothing will wake the loop for them any more.
        deliver(to: &measurement)
        justSent = Self.sendBudget - budget
        guard justSent > 0 else { return false }
        defer { lastSend = now }
        // A batch takes the kernel longer than one probe.
        return !wantsKernelStamps && now - lastSend < Self.rush * Int64(1 + justSent / 16)
    }

    private mutating func enqueue<Subject: Measurement & ~Copyable>(
        _ transmit: Transmit, for measurement: inout Subject, at now: Timestamp
    ) {
        guard let channel = channel(for: transmit.probe) else {
            measurement.didNotSend(transmit.id, failure(.addressFamilyNotSupported, of: transmit.probe), at: now)
            return
        }
        if outgoing.isFull || (outgoingChannel.map { $0 !== channel } ?? false) { flush(for: &measurement, at: now) }
        outgoingChannel = channel
        do throws(Errno) {
            try append(transmit, to: channel)
            outgoingProbes.append(transmit)
        } catch {
            measurement.didNotSend(transmit.id, failure(error, of: transmit.probe), at: now)
        }
    }

    /// The socket that can carry the probe as it is.
    @inline(__always)
    private func channel(for probe: Probe) -> Channel? {
        let version = probe.destination.version
        return channels.first { channel in
            guard channel.version == version, let encapsulation = channel.encapsulation,
                channel.flow == nil || channel.flow == probe.flow % flows
            else { return false }
            guard version == .v6, encapsulation == .ipPacket, !probe.dontFragment else { return true }
            if prefersKernelHeaders, probe.method == .icmpEcho { return false }
            // With IPV6_HDRINCL the kernel fragments nothing, so that long packets go by the ICMPv6 or UDP socket if they
            // may be fragmented.
            return ProbeCodec.transportLength(of: probe) + IPv6Header.length <= Self.minimumIPv6MTU
        }
    }

    private mutating func append(_ transmit: Transmit, to channel: Channel) throws(Errno) {
        var transmit = transmit
        let probe = transmit.probe
        guard let encapsulation = channel.encapsulation else { throw .addressFamilyNotSupported }
        // A source route goes by another address first.
        let next = settings.content.firstRouter.map { .v4($0) } ?? probe.destination
        var source = self.source
        var departure: InternetTimestamp?
        if encapsulation == .ipPacket {
            if source == nil, needsSource(probe) { source = try self.source(to: next) }
            if wantsIPv4Options { departure = Self.timeOfDay }
            if probe.destination.version == .v4 {
                transmit.probe.dontFragment = try forbidsFragments(of: probe)
            }
        }
        var packetInfo: PacketInfo?
        if settings.keepsSource, encapsulation != .ipPacket, !probe.destination.isMulticast {
            packetInfo = PacketInfo(source: try keptSource(to: probe.destination, on: channel))
        }
        var key: UInt32?
        if case .explicit = channel.keys { key = UInt32(truncatingIfNeeded: transmit.id.rawValue) }
        // An IP packet brings its header; the others take its fields from the control messages.
        let fields = encapsulation == .ipPacket ? nil : probe
        let port: UInt16 = encapsulation == .payload ? probe.method.destinationPort : 0
        let label = channel.labelsFlows ? UInt32(probe.flow) : settings.content.flowLabel ?? 0
        do throws(PacketError) {
            try outgoing.append(
                toHost: next, port: port, flowLabel: label,
                hopLimit: fields?.hopLimit, trafficClass: fields?.trafficClass, packetInfo: packetInfo,
                timestampKey: key
            ) { output throws(PacketError) in
                try channel.codec.write(
                    transmit, source: source, departure: departure, as: encapsulation, to: &output)
            }
        } catch {
            throw .messageTooLong
        }
    }

    /// The source that a destination keeps. IPv6 ping sockets take none from a control message (`ping_v6_sendmsg` in
    /// net/ipv6/ping.c): there the first destination's becomes the socket's, by connecting it, which such a socket
    /// does not take for a reason to hear less.
    ///
    /// Throws `addressNotAvailable` where a further destination would need another one there.
    private mutating func keptSource(to destination: IPAddress, on channel: Channel) throws(Errno) -> IPAddress {
        let isFixed = channel.version == .v6 && channel.encapsulation == .icmpMessage && channel.readsErrors
        guard isFixed, source == nil else { return try source(to: destination) }
        if channel.fixedSource == nil {
            try channel.socket.connect(
                to: SocketAddress(destination, flowLabel: settings.content.flowLabel ?? 0))
            channel.fixedSource = try channel.socket.localAddress().ipAddress?.withoutZone
            keptSources[destination] = channel.fixedSource
        }
        let wanted = try source(to: destination)
        guard wanted == channel.fixedSource else { throw .addressNotAvailable }
        return wanted
    }

    /// Whether we must write the source of a packet whose header is ours: the kernel does it in a plain IPv4 one only.
    private func needsSource(_ probe: Probe) -> Bool {
        probe.destination.version == .v6 || probe.method != .icmpEcho || wantsIPv4Options || settings.keepsSource
    }

    /// The DF bit of a packet whose header is ours, as the kernel would set it (ip(7), IP_MTU_DISCOVER).
    ///
    /// Throws `messageTooLong` where the packet may not be fragmented and passes the path MTU that is known.
    private mutating func forbidsFragments(of probe: Probe) throws(Errno) -> Bool {
        switch pathMTUDiscovery {
        case .always, .wanted:
            let isWhole = try packetLength(of: probe) <= routes.route(to: probe.destination).mtu
            guard isWhole || pathMTUDiscovery == .wanted else { throw .messageTooLong }
            return isWhole
        case .probe: return true
        default: return probe.dontFragment
        }
    }

    private func packetLength(of probe: Probe) -> Int {
        let options = (try? settings.content.ipv4Options.encoded())?.count ?? 0
        return IPv4Header.minimumLength + options + ProbeCodec.transportLength(of: probe, settings.content)
    }

    private static var timeOfDay: InternetTimestamp {
        let milliseconds = SystemClock.realtime.now / 1_000_000
        return InternetTimestamp(
            milliseconds: UInt32(truncatingIfNeeded: milliseconds % Int64(InternetTimestamp.millisecondsPerDay)))
    }

    /// Hands the batch to the kernel.
    private mutating func flush<Subject: Measurement & ~Copyable>(for measurement: inout Subject, at now: Timestamp) {
        guard let channel = outgoingChannel else { return }
        var attempts = 0
        while !outgoing.isDone {
            let first = outgoing.next
            // Before the call: on loopback the answer is here when it returns.
            let stamp = stamp(nil)
            let (sent, failure) = outgoing.send(on: channel.socket)
            for transmit in outgoingProbes[first..<first + sent] { didSend(transmit.id, stamp, channel, &measurement) }
            if tap != nil {
                for index in first..<first + sent {
                    showSent(outgoingProbes[index], outgoing.bytes(at: index).copied(), on: channel, stamp)
                }
            }
            if sent > 0 { attempts = 0 }
            guard let failure else { break }
            let refused = outgoingProbes[outgoing.next]
            switch resolve(failure, refused, on: channel, attempts: attempts, for: &measurement) {
            case .tryAgain:
                attempts += 1
            case .sentOtherwise:
                didSend(refused.id, stamp, channel, &measurement)
                outgoing.skip()
                attempts = 0
            case .waitForRoom:
                for waiting in outgoingProbes[outgoing.next...] {
                    measurement.didNotSend(waiting.id, .retryLater, at: now)
                }
                forgetOutgoing()
                return
            case .rewriteWithoutKeys:
                let remaining = Array(outgoingProbes[outgoing.next...])
                forgetOutgoing()
                for transmit in remaining { enqueue(transmit, for: &measurement, at: now) }
                return flush(for: &measurement, at: now)
            case .giveUp:
                measurement.didNotSend(refused.id, self.failure(failure, of: refused.probe, on: channel), at: now)
                outgoing.skip()
                attempts = 0
            }
        }
        forgetOutgoing()
    }

    private mutating func forgetOutgoing() {
        outgoing.reset()
        outgoingProbes.removeAll(keepingCapacity: true)
        outgoingChannel = nil
    }

    private func didSend<Subject: Measurement & ~Copyable>(
        _ id: ProbeID, _ stamp: Stamp, _ channel: Channel, _ measurement: inout Subject
    ) {
        if case .counted(var keys) = channel.keys {
            keys.count(id)
            channel.keys = .counted(keys)
        }
        measurement.didSend(id, at: stamp)
    }

    private enum Resolution {
        case tryAgain
        case sentOtherwise
        case waitForRoom
        case rewriteWithoutKeys
        case giveUp
    }

    /// What to do about a probe that the kernel did not take.
    private mutating func resolve<Subject: Measurement & ~Copyable>(
        _ failure: Errno, _ refused: Transmit, on channel: Channel, attempts: Int, for measurement: inout Subject
    ) -> Resolution {
        switch failure {
        case .wouldBlock, .noBufferSpace, .noMemory: return .waitForRoom
        case .invalidArgument:
            guard case .explicit = channel.keys else { return .giveUp }
            channel.keys = Self.countedKeys(on: channel.socket)
            return .rewriteWithoutKeys
        case .messageTooLong
        where channel.encapsulation == .ipPacket && pathMTUDiscovery != .probe && pathMTUDiscovery != .always
            && !refused.probe.dontFragment:
            return sendFragments(of: refused, on: channel) ? .sentOtherwise : .giveUp
        case .notPermitted:
            // This host's packet filter; no ICMP error has that number, so that there is none to take.
            restartCountedKeys(on: channel)
            return .giveUp
        case .messageTooLong where isTooLong(for: channel, &measurement):
            restartCountedKeys(on: channel)
            return .giveUp
        default:
            // An ICMP error of an earlier probe makes the next send fail unsent: take it, then try again (ip(7)).
            guard channel.readsErrors, attempts < Self.maximumAttempts else {
                restartCountedKeys(on: channel)
                return .giveUp
            }
            receiveErrors(on: channel, for: &measurement)
            return .tryAgain
        }
    }

    /// Whether it was this host that found a packet too long, and not an error about an earlier one that had to be told
    /// first: the error queue holds what it would have taken (ip(7), SO_EE_ORIGIN_LOCAL).
    private mutating func isTooLong<Subject: Measurement & ~Copyable>(
        for channel: Channel, _ measurement: inout Subject
    ) -> Bool {
        channel.refusedMTU = nil
        receiveErrors(on: channel, for: &measurement)
        return channel.refusedMTU != nil
    }

    /// Asks for the MTU of the route that the probes themselves take, through their device, by their mark, where the
    /// kernel did not tell it with the refusal.
    mutating func failure(_ errno: Errno, of probe: Probe, on channel: Channel? = nil) -> SendFailure {
        var mtu: Int?
        if errno == .messageTooLong {
            mtu = channel?.refusedMTU ?? (try? routes.route(to: probe.destination).mtu)
        }
        return .failed(code: errno.rawValue, name: errno.name, mtu: mtu)
    }

    /// Cuts a packet to the route's MTU, because `IP_HDRINCL` never does, and sends the pieces. O(packet).
    private mutating func sendFragments(of transmit: Transmit, on channel: Channel) -> Bool {
        var transmit = transmit
        transmit.probe.dontFragment = false
        let probe = transmit.probe
        guard probe.destination.version == .v4, let route = try? routes.route(to: probe.destination) else {
            return false
        }
        let source = source ?? keptSources[probe.destination] ?? route.source
        let departure = wantsIPv4Options ? Self.timeOfDay : nil
        let size = packetLength(of: probe)
        do {
            let packet = try [UInt8](capacity: size) { output throws(PacketError) in
                // The kernel would set a missing source only after the pieces were made.
                try channel.codec.write(
                    transmit, source: source, departure: departure, as: .ipPacket, to: &output)
            }
            let fragments = try IPv4Fragmentation(of: packet.bytes, mtu: route.mtu)
            var batch = SendBatch(capacity: fragments.count, slotSize: route.mtu)
            var key: UInt32?
            if case .explicit = channel.keys { key = UInt32(truncatingIfNeeded: transmit.id.rawValue) }
            for index in 0..<fragments.count {
                try batch.append(to: SocketAddress(probe.destination), timestampKey: key) {
                    output throws(PacketError) in
                    try fragments.write(index, of: packet.bytes, to: &output)
                }
            }
            let stamp = stamp(nil)
            guard batch.send(on: channel.socket).failure == nil else { return false }
            if tap != nil {
                for index in 0..<fragments.count {
                    showSent(transmit, batch.bytes(at: index).copied(), on: channel, stamp)
                }
            }
            return true
        } catch {
            return false
        }
    }

    // MARK: Receiving

    /// Takes everything that waits on every socket and gives it to the measurement: first the times of sending, then
    /// the answers.
    mutating func receive<Subject: Measurement & ~Copyable>(for measurement: inout Subject) {
        lookAtClocks(for: &measurement)
        if let connections { receive(from: connections) }
        for channel in channels { receiveAnswers(on: channel) }
        for channel in channels where channel.encapsulation != nil {
            receiveErrors(on: channel, for: &measurement)
        }
        deliver(to: &measurement)
        tellDrops(to: &measurement)
    }

    /// Takes the answers that are here, of as many probes as just went, and says whether there were any. No time of
    /// sending is expected before them; an error that waits in a socket's queue is taken as soon as it keeps the socket
    /// from receiving.
    mutating func receiveAtOnce<Subject: Measurement & ~Copyable>(for measurement: inout Subject) -> Bool {
        var count = 0
        for channel in channels where channel.receives {
            do throws(Errno) {
                count += try incoming.receive(on: channel.socket, limit: justSent)
            } catch {
                receiveErrors(on: channel, for: &measurement)
                deliver(to: &measurement)
                continue
            }
            let now = Timestamp(nanoseconds: SystemClock.monotonic.now)
            for index in 0..<incoming.count {
                if let response = response(index, on: channel, at: now) { measurement.receive(response) }
            }
        }
        tellDrops(to: &measurement)
        return count > 0
    }

    /// Asks the sockets what they dropped, before silence is taken for an answer: else only the next packet would tell.
    @inline(__always)
    mutating func lookForDrops<Subject: Measurement & ~Copyable>(for measurement: inout Subject, at now: Timestamp) {
        guard measurement.expiresSilence(at: now) else { return }
        for channel in channels where channel.receives {
            if let dropped = try? channel.socket.droppedCount() { count(dropped: dropped, on: channel) }
        }
        tellDrops(to: &measurement)
    }

    @inline(__always)
    private mutating func tellDrops<Subject: Measurement & ~Copyable>(to measurement: inout Subject) {
        guard counters.droppedHere != toldDropped else { return }
        measurement.didDrop(
            counters.droppedHere &- toldDropped, at: Timestamp(nanoseconds: SystemClock.monotonic.now))
        toldDropped = counters.droppedHere
    }

    /// - Parameter dropped: as the kernel counts, which wraps. With a packet comes what it was when that was queued, which
    ///   may be less than is known.
    @inline(__always)
    private mutating func count(dropped: UInt32, on channel: Channel) {
        let more = dropped &- channel.dropped
        guard more != 0, more <= UInt32.max / 2 else { return }
        counters.droppedHere &+= UInt64(more)
        channel.dropped = dropped
    }

    private mutating func lookAtClocks<Subject: Measurement & ~Copyable>(for measurement: inout Subject) {
        if epoch.look() { measurement.awoke(at: Timestamp(nanoseconds: SystemClock.monotonic.now)) }
    }

    private mutating func deliver<Subject: Measurement & ~Copyable>(to measurement: inout Subject) {
        for response in responses { measurement.receive(response) }
        responses.removeAll(keepingCapacity: true)
    }

    private mutating func receiveAnswers(on channel: Channel) {
        guard channel.receives else { return }
        for _ in 0..<Self.maximumReceives {
            let count: Int
            do throws(Errno) {
                count = try incoming.receive(on: channel.socket)
            } catch {
                // A pending error, which is gone now; its details are in the error queue.
                continue
            }
            let now = Timestamp(nanoseconds: SystemClock.monotonic.now)
            for index in 0..<count {
                if let response = response(index, on: channel, at: now) { responses.append(response) }
            }
            if count < incoming.capacity { return }
        }
    }

    /// What a packet means, nil when it is nobody's.
    @inline(__always)
    private mutating func response(_ index: Int, on channel: Channel, at now: Timestamp) -> Response? {
        let control = incoming.control(at: index)
        if let dropped = control.droppedCount { count(dropped: dropped, on: channel) }
        guard let source = incoming.ipAddress(at: index) else { return nil }
        let arrival = Arrival(
            source: source, hopLimit: control.hopLimit, trafficClass: control.trafficClass,
            stamp: stamp(control.kernelTimestamp), time: now)
        if tap != nil {
            showReceived(
                incoming.bytes(at: index), arrival, port: incoming.source(at: index).port ?? 0,
                local: control.packetInfo?.destination, on: channel)
        }
        guard let response = match(index, on: channel, arrival), hears(response) else {
            counters.foreign += 1
            return nil
        }
        return response
    }

    private borrowing func match(_ index: Int, on channel: Channel, _ arrival: Arrival) -> Response? {
        let bytes = incoming.bytes(at: index)
        switch channel.incoming {
        case .ipv4Packets: return channel.codec.matchIPv4Packet(bytes, arrival, latest: latest)
        case .icmpMessages:
            return channel.codec.matchICMP(
                bytes, channel.version, arrival, options: ipv4Options(index), verifyChecksum: false, latest: latest)
        case .segments: return channel.codec.matchSegment(bytes, arrival, latest: latest)
        case .upperLayer: return channel.codec.matchUpperLayer(bytes, arrival, latest: latest)
        case .datagrams:
            return channel.codec.matchDatagram(bytes, arrival, options: ipv4Options(index), latest: latest)
        case .nothing: return nil
        }
    }

    /// The options that the kernel hands out beside a packet without its header.
    private borrowing func ipv4Options(_ index: Int) -> [UInt8] {
        wantsIPv4Options ? incoming.ipv4Options(at: index) : []
    }

    /// Whether a response may come from where it came: errors of routers always, answers of others not on a connected
    /// transport. Ping sockets deliver them even so.
    @inline(__always)
    private func hears(_ response: Response) -> Bool {
        guard let peer, response.quotedDestination == nil else { return true }
        return response.responder.withoutZone == peer
    }

    /// Empties the error queue: times of sending go to the measurement, errors wait with the answers.
    private mutating func receiveErrors<Subject: Measurement & ~Copyable>(
        on channel: Channel, for measurement: inout Subject
    ) {
        for _ in 0..<Self.maximumReceives {
            guard let count = try? incoming.receive(on: channel.socket, errorQueue: true), count > 0 else { return }
            let now = Timestamp(nanoseconds: SystemClock.monotonic.now)
            for index in 0..<count {
                let control = incoming.control(at: index)
                guard let error = control.error else { continue }
                if let key = error.timestampKey {
                    guard error.sendStage == .sent, let time = control.kernelTimestamp,
                        let id = probe(of: key, on: channel)
                    else { continue }
                    measurement.didSend(id, at: stamp(time))
                    tap?.stamped(id, at: time)
                } else if error.origin == .local, error.errno == .messageTooLong {
                    channel.refusedMTU = Int(error.info)
                } else if channel.readsErrors {
                    takeError(error, control, index, on: channel, at: now)
                }
            }
            if count < incoming.capacity { return }
        }
    }

    private mutating func takeError(
        _ error: ExtendedError, _ control: ControlMessages, _ index: Int, on channel: Channel, at now: Timestamp
    ) {
        guard error.origin == .icmp || error.origin == .icmpv6, let offender = error.offender,
            let destination = incoming.ipAddress(at: index)
        else { return }
        let queued = QueuedError(
            type: error.type, code: error.code, info: error.icmpInformation,
            destination: destination,
            extensionOffset: error.extensionIsInvalid ? nil : error.extensionOffset,
            port: channel.encapsulation == .payload ? incoming.source(at: index).port : nil)
        let arrival = Arrival(
            source: offender, hopLimit: control.hopLimit, trafficClass: control.trafficClass,
            stamp: stamp(control.kernelTimestamp), time: now)
        if tap != nil {
            let local = try? self.source(to: destination)
            showError(queued, quoting: incoming.bytes(at: index).byteCount, arrival, local: local, on: channel)
        }
        guard let response = matchError(index, queued, on: channel, arrival), hears(response) else {
            counters.foreign += 1
            return
        }
        responses.append(response)
    }

    private borrowing func matchError(
        _ index: Int, _ error: QueuedError, on channel: Channel, _ arrival: Arrival
    ) -> Response? {
        channel.codec.matchQueuedError(
            error, quoting: incoming.bytes(at: index), isICMP: channel.encapsulation == .icmpMessage, arrival,
            options: ipv4Options(index), latest: latest)
    }

    /// The kernel's stamp where there is one, else this moment.
    @inline(__always)
    func stamp(_ kernel: Int64?) -> Stamp {
        Stamp(
            nanoseconds: kernel ?? SystemClock.realtime.now, clock: kernel == nil ? .user : .kernel,
            epoch: epoch.number)
    }

    // MARK: Keys of sending times

    private func probe(of key: UInt32, on channel: Channel) -> ProbeID? {
        switch channel.keys {
        case .explicit:
            let back = UInt64(UInt32(truncatingIfNeeded: latest.rawValue) &- key)
            return back < latest.rawValue ? ProbeID(rawValue: latest.rawValue - back) : nil
        case .counted(let keys): return keys.id(of: key)
        case .none: return nil
        }
    }

    /// Some refused calls consume a key and some don't: after each the count starts anew.
    private func restartCountedKeys(on channel: Channel) {
        if case .counted = channel.keys { channel.keys = Self.countedKeys(on: channel.socket) }
    }

    private static func countedKeys(on socket: borrowing Socket) -> Channel.TimestampKeys {
        do throws(Errno) {
            try socket.restartTimestampKeys()
            return .counted(CountedKeys())
        } catch {
            return .none
        }
    }

    /// Times of sending by the driver and of arrival, without copies of the packets.
    static let transportTimestamping: Timestamping = [
        .sendSoftware, .receiveSoftware, .software, .identifiers, .timesOnly,
    ]

    private static let batch = 64
    private static let batchBytes = 1 << 18
    /// On a short way as many answers are here when the last has left: the smallest receive queue must hold them.
    private static let sendBudget = 256
    /// Probes that follow each other within this time are many.
    private static let rush = TimeSpan.milliseconds(1)
    private static let longestPacket = 65_536 + 64
    /// An IPv4 and a TCP header with all of their options are the longest that go before a payload.
    private static let headerRoom =
        IPv4Header.minimumLength + IPv4Header.maximumOptionsLength + TCPHeader.minimumLength
        + TCPHeader.maximumOptionsLength
    private static let minimumIPv6MTU = 1_280
    private static let maximumReceives = 64
    /// More than one error may wait, and each refuses one call.
    private static let maximumAttempts = 8
}
