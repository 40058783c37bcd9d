import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

/// Carries the probes of a measurement through a simulated network in virtual time.
struct Driver {
    /// How answers reach the codec: as raw sockets hand them out, or as the error queue of a UDP or ping socket does.
    enum Rung { case raw, udpSocket, pingSocket }

    /// When the kernel's stamp of a sent probe is told.
    enum SendStamps {
        case never
        case atOnce
        /// So long after the probe was sent, or after its answer if that is later.
        case after(TimeSpan)
    }

    var network: SimulatedNetwork
    var rung = Rung.raw
    var sendStamps = SendStamps.atOnce
    var codec = ProbeCodec(identity: Ours.identity)
    /// How late each wake-up comes.
    var lateness: (Timestamp) -> TimeSpan = { _ in .zero }
    /// Why the kernel refuses a probe.
    var refusal: (Transmit, Timestamp) -> SendFailure? = { _, _ in nil }
    /// The real-time clock at a moment of the simulation, and the epoch that it is in.
    var wallClock: (Timestamp) -> (nanoseconds: Int64, epoch: UInt32) = { ($0.nanoseconds + Ours.wallOffset, 0) }
    /// When to call `stop`.
    var stop: Timestamp?
    /// Probes are taken in batches before any of them is sent.
    var batch = 1

    private(set) var now = Timestamp(nanoseconds: 0)
    private(set) var latest = ProbeID(rawValue: 0)
    /// The probes that were sent, by number in the network's truth.
    private(set) var sent: [ProbeID] = []
    /// Where each went, by number in the network's truth.
    private(set) var destinations: [IPAddress] = []
    /// When each was sent, by number in the network's truth.
    private(set) var times: [Timestamp] = []
    /// What reached the host and was nobody's.
    private(set) var unmatched = 0
    private var stamps: [(at: Timestamp, id: ProbeID, stamp: Stamp)] = []
    private var isStopped = false

    init(_ scenario: Scenario, seed: UInt64 = 1) {
        network = SimulatedNetwork(scenario, seed: seed)
        network.wallClockOffset = Ours.wallOffset
    }

    /// Runs to the end. Fails when the measurement asks to be called again and again at the same moment.
    mutating func run<M: Measurement>(_ measurement: inout M, each handle: (M.Event, Timestamp) -> Void = { _, _ in })
        throws
    {
        var idle = 0
        while true {
            if let stop, stop <= now, !isStopped {
                isStopped = true
                measurement.stop(at: now)
            }
            measurement.advance(to: now)
            let before = sent.count
            send(&measurement)
            if sent.count > before { idle = 0 }
            while let event = measurement.nextEvent() { handle(event, now) }
            var wake: Timestamp?
            switch measurement.schedule {
            case .finished: return
            case .at(let instant): wake = max(instant, now) + lateness(instant)
            case .waitingForInput: break
            }
            if let delivery = network.nextDelivery { wake = Self.earlier(wake, Timestamp(nanoseconds: delivery)) }
            if let stamp = stamps.first { wake = Self.earlier(wake, stamp.at) }
            if let stop, stop > now { wake = Self.earlier(wake, stop) }
            guard let next = wake, next > now || idle < 10_000 else {
                Issue.record("the measurement waits with nothing under way, or asks for \(now) again and again")
                return
            }
            idle = next <= now ? idle + 1 : 0
            now = max(now, next)
            deliver(to: &measurement)
        }
    }

    private static func earlier(_ one: Timestamp?, _ other: Timestamp) -> Timestamp {
        guard let one else { return other }
        return min(one, other)
    }

    private mutating func send<M: Measurement>(_ measurement: inout M) {
        while true {
            var taken: [Transmit] = []
            while taken.count < batch, let transmit = measurement.nextTransmit(at: now) { taken.append(transmit) }
            guard !taken.isEmpty else { return }
            for transmit in taken {
                latest = max(latest, transmit.id)
                if let failure = refusal(transmit, now) {
                    measurement.didNotSend(transmit.id, failure, at: now)
                    continue
                }
                network.send(Ours.packet(transmit, codec), at: now.nanoseconds)
                sent.append(transmit.id)
                destinations.append(transmit.probe.destination)
                times.append(now)
                let wall = wallClock(now)
                measurement.didSend(
                    transmit.id, at: Stamp(nanoseconds: wall.nanoseconds, clock: .user, epoch: wall.epoch))
                let stamp = Stamp(nanoseconds: wall.nanoseconds, clock: .kernel, epoch: wall.epoch)
                switch sendStamps {
                case .never: break
                case .atOnce: measurement.didSend(transmit.id, at: stamp)
                case .after(let span): stamps.append((now + span, transmit.id, stamp))
                }
            }
        }
    }

    private mutating func deliver<M: Measurement>(to measurement: inout M) {
        while let packet = network.receive(at: now.nanoseconds) {
            let wall = wallClock(now)
            let stamp = Stamp(nanoseconds: wall.nanoseconds, clock: .kernel, epoch: wall.epoch)
            if let response = Kernel.match(packet, rung, codec, stamp, now, latest) {
                measurement.receive(response)
            } else {
                unmatched += 1
            }
        }
        while let first = stamps.first, first.at <= now {
            stamps.removeFirst()
            measurement.didSend(first.id, at: first.stamp)
        }
    }
}

/// What Linux does with a packet before a socket gets it.
enum Kernel {
    static func match(
        _ packet: [UInt8], _ rung: Driver.Rung, _ codec: ProbeCodec, _ stamp: Stamp, _ now: Timestamp,
        _ latest: ProbeID
    ) -> Response? {
        let isV4 = packet[0] >> 4 == 4
        let headerLength = isV4 ? Int(packet[0] & 0xf) * 4 : 40
        let proto = IPProtocol(rawValue: packet[isV4 ? 9 : 6])
        let source: IPAddress
        let target: IPAddress
        if isV4 {
            source = .v4(IPv4Address(rawValue: packet.bytes.uint32(at: 12)))
            target = .v4(IPv4Address(rawValue: packet.bytes.uint32(at: 16)))
        } else {
            source = .v6(IPv6Address(high: packet.bytes.uint64(at: 8), low: packet.bytes.uint64(at: 16)))
            target = .v6(IPv6Address(high: packet.bytes.uint64(at: 24), low: packet.bytes.uint64(at: 32)))
        }
        let arrival = Arrival(source: source, hopLimit: packet[isV4 ? 8 : 7], stamp: stamp, time: now)
        let message = Array(packet[headerLength...])
        let isICMP = proto == .icmp || proto == .icmpv6
        if rung == .raw, isV4, proto != .udp { return codec.matchIPv4Packet(packet.bytes, arrival, latest: latest) }
        var sum = InternetChecksum()
        if proto != .icmp {
            sum.addPseudoHeader(source: source, destination: target, proto: proto, length: message.count)
        }
        sum.add(message.bytes)
        guard sum.verifies else { return nil }
        if proto == .udp {
            guard Ours.identity.sourcePorts.contains(message.bytes.uint16(at: 2)) else { return nil }
            return codec.matchDatagram(message.bytes.from(8), arrival, latest: latest)
        }
        if proto == .tcp { return codec.matchSegment(message.bytes, arrival, latest: latest) }
        guard isICMP else { return nil }
        let version: IPVersion = isV4 ? .v4 : .v6
        if rung == .raw || message[0] == ICMPType.echoReply(version).rawValue {
            return codec.matchICMP(message.bytes, version, arrival, verifyChecksum: false, latest: latest)
        }
        return queuedError(message, version, rung, codec, arrival, latest)
    }

    /// An error as `IP_RECVERR` with `IP_RECVERR_RFC4884` hands it out.
    private static func queuedError(
        _ message: [UInt8], _ version: IPVersion, _ rung: Driver.Rung, _ codec: ProbeCodec, _ arrival: Arrival,
        _ latest: ProbeID
    ) -> Response? {
        guard let error = try? ICMPErrorMessage(parsing: message.bytes, version: version), let quoted = error.quoted
        else { return nil }
        let skipped = 8 + (version == .v4 ? 20 : 40) + (rung == .udpSocket ? 8 : 0)
        guard message.count >= 8 + (version == .v4 ? 28 : 48) else { return nil }
        let data = Array(message[skipped...])
        var offset: Int?
        if error.extensions != nil {
            let announced = error.header.originalDatagramLength(version)
            offset = 8 + (announced == 0 ? 128 : announced) - skipped
        }
        var port: UInt16?
        if case .udp(let header) = quoted.transport { port = header.destinationPort }
        return codec.matchQueuedError(
            QueuedError(
                type: error.header.type, code: error.header.code, info: error.header.rest,
                destination: quoted.destination, extensionOffset: offset, port: port),
            quoting: data.bytes, isICMP: rung == .pingSocket, arrival, latest: latest)
    }
}

/// What marks the probes of these tests, and where they start.
enum Ours {
    static let cookies = SipHash(k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908)
    static let identity = ProbeIdentity(identifier: 0x4d00, sourcePorts: 40_000..<40_064, cookies: cookies)
    static let address4 = IPv4Address(10, 0, 0, 1)
    static let address6 = IPv6Address(high: 0xfd00_0000_0000_0000, low: 1)
    static let wallOffset: Int64 = 1_795_000_000_000_000_000

    static func source(_ version: IPVersion) -> IPAddress { version == .v4 ? .v4(address4) : .v6(address6) }

    static func packet(_ transmit: Transmit, _ codec: ProbeCodec) -> [UInt8] {
        let length = 40 + ProbeCodec.transportLength(of: transmit.probe, codec.content) + ProbeCodec.dublinLengths
        let packet = try? [UInt8](capacity: length) { (output) throws(PacketError) in
            try codec.write(
                transmit, source: source(transmit.probe.destination.version), as: .ipPacket, to: &output)
        }
        return packet ?? []
    }

    /// A network of this text behind the host.
    static func scenario(_ text: String) throws -> Scenario {
        try Scenario(parsing: "source 10.0.0.1 fd00::1\n" + text)
    }

    static func address(_ text: String) -> IPAddress { IPAddress(text) ?? .v4(.broadcast) }
}

extension TimeSpan {
    static func ms(_ count: Int64) -> TimeSpan { .milliseconds(count) }
}

extension Timestamp {
    static func ms(_ count: Int64) -> Timestamp { Timestamp(nanoseconds: count * 1_000_000) }
}
