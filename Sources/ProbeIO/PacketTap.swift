import LinuxSockets
import PacketFormats
import ProbeEngine

/// Sees every packet that a transport sends and receives, at the place where it does.
public protocol PacketTap: AnyObject {
    /// A packet was handed to the kernel.
    func sent(_ packet: TappedPacket, _ bytes: RawSpan, probe: ProbeID)
    /// The kernel tells when it sent the packets of a probe, nanoseconds since 1970.
    func stamped(_ probe: ProbeID, at time: Int64)
    /// A packet was received, whether it answers a probe or not.
    func received(_ packet: TappedPacket, _ bytes: RawSpan)
}

/// What surrounded the bytes of a packet.
public struct TappedPacket: Sendable {
    /// Nil where the bytes begin with the IP header.
    public var envelope: IPEnvelope?
    /// When it was sent or arrived: the kernel's time where that is known already.
    public var stamp: Stamp
    /// Whether the kernel will tell the time of sending.
    public var awaitsStamp = false
}

extension ProbeTransport {
    /// Lets `tap` see every packet from here on, and asks the kernel to which addresses packets came.
    ///
    /// Throws what the kernel refuses.
    public mutating func attach(_ tap: any PacketTap) throws(Errno) {
        for channel in channels {
            switch channel.incoming {
            case .icmpMessages, .datagrams, .segments, .upperLayer: try channel.socket.set(.receivePacketInfo, to: true)
            case .ipv4Packets, .nothing: break
            }
        }
        self.tap = tap
    }

    // MARK: Sent

    /// Shows the tap what it was that left. `bytes` are those of the slot.
    mutating func showSent(_ transmit: Transmit, _ bytes: [UInt8], on channel: Channel, _ stamp: Stamp) {
        guard let tap, let encapsulation = channel.encapsulation else { return }
        let probe = transmit.probe
        let destination = probe.destination.withoutZone
        var packet = TappedPacket(envelope: nil, stamp: stamp, awaitsStamp: awaitsStamps(channel))
        let source = (try? source(to: probe.destination)) ?? Self.unspecified(channel.version)
        let contents: IPEnvelope.Contents
        switch encapsulation {
        case .ipPacket:
            // The kernel sets a missing source and always the checksum (raw(7)).
            return tap.sent(packet, Self.completed(bytes, source: source).bytes, probe: transmit.id)
        case .icmpMessage: contents = .upperLayer(.icmp(for: channel.version), completes: true)
        case .payload:
            contents = .datagram(
                sourcePort: channel.codec.identity.sourcePorts.first ?? 0,
                destinationPort: probe.method.destinationPort)
        }
        packet.envelope = IPEnvelope(
            contents, source: source.withoutZone, destination: destination, hopLimit: probe.hopLimit,
            trafficClass: probe.trafficClass)
        tap.sent(packet, bytes.bytes, probe: transmit.id)
    }

    private static func completed(_ packet: [UInt8], source: IPAddress) -> [UInt8] {
        guard case .v4(let source) = source, var header = try? IPv4Header(parsingQuoted: packet.bytes),
            header.source == .any
        else { return packet }
        header.source = source
        let whole = try? [UInt8](capacity: packet.count) { output throws(PacketError) in
            try header.write(to: &output)
            output.append(contentsOf: packet.bytes.from(header.headerLength))
        }
        return whole ?? packet
    }

    private func awaitsStamps(_ channel: Channel) -> Bool {
        if case .none = channel.keys { false } else { true }
    }

    // MARK: Received

    /// Shows the tap a packet as it was received.
    func showReceived(_ bytes: RawSpan, _ arrival: Arrival, port: UInt16, local: IPAddress?, on channel: Channel) {
        guard let tap else { return }
        let contents: IPEnvelope.Contents
        switch channel.incoming {
        case .nothing: return
        case .ipv4Packets: return tap.received(TappedPacket(envelope: nil, stamp: arrival.stamp), bytes)
        case .icmpMessages: contents = .upperLayer(.icmp(for: channel.version), completes: false)
        case .segments: contents = .upperLayer(.tcp, completes: false)
        case .upperLayer(let proto): contents = .upperLayer(proto, completes: false)
        case .datagrams:
            contents = .datagram(sourcePort: port, destinationPort: channel.codec.identity.sourcePorts.first ?? 0)
        }
        tap.received(
            TappedPacket(envelope: envelope(contents, arrival, local, channel), stamp: arrival.stamp), bytes)
    }

    /// Shows the tap an ICMP error, of which the error queue keeps the header only; the packet that it quotes is missing.
    func showError(
        _ error: QueuedError, quoting count: Int, _ arrival: Arrival, local: IPAddress?, on channel: Channel
    ) {
        guard let tap else { return }
        var header = ICMPHeader(type: error.type, code: error.code)
        header.rest = error.info
        let message = try? [UInt8](capacity: ICMPHeader.length) { output throws(PacketError) in
            try header.write(to: &output)
        }
        guard let message else { return }
        var envelope = envelope(
            .upperLayer(.icmp(for: channel.version), completes: false), arrival, local, channel)
        let transportHeader = channel.encapsulation == .payload ? UDPHeader.length : 0
        envelope.missing =
            (channel.version == .v4 ? IPv4Header.minimumLength : IPv6Header.length) + transportHeader + count
        tap.received(TappedPacket(envelope: envelope, stamp: arrival.stamp), message.bytes)
    }

    private func envelope(
        _ contents: IPEnvelope.Contents, _ arrival: Arrival, _ local: IPAddress?, _ channel: Channel
    ) -> IPEnvelope {
        IPEnvelope(
            contents, source: arrival.source.withoutZone,
            destination: (local ?? Self.unspecified(channel.version)).withoutZone,
            hopLimit: arrival.hopLimit ?? 0, trafficClass: arrival.trafficClass ?? 0)
    }

    /// In place of an address that nobody knows.
    private static func unspecified(_ version: IPVersion) -> IPAddress { version == .v4 ? .v4(.any) : .v6(.any) }
}
