import PacketFormats

/// An answer in the making: an upper-layer message whose checksum comes last, and what its IP header will say.
///
/// Written without the writers of PacketFormats, so that a mistake there does not meet itself here.
struct Answer {
    var source: IPAddress
    var destination: IPAddress
    var proto: IPProtocol
    var hopLimit: UInt8
    var trafficClass: UInt8 = 0
    var dontFragment = false
    /// IPv4 options, a multiple of four octets.
    var options: [UInt8] = []
    /// The upper-layer message.
    var message: [UInt8]
    var isError = false
    var hasWrongChecksum = false

    /// The whole packet. O(n).
    func packet(identification: UInt16) -> [UInt8] {
        var message = message
        writeChecksum(&message)
        var packet: [UInt8] = []
        packet.reserveCapacity(40 + options.count + message.count)
        switch source.version {
        case .v4:
            packet.append(UInt8(0x45 + options.count / 4))
            packet.append(trafficClass)
            packet.append(UInt16(truncatingIfNeeded: 20 + options.count + message.count))
            packet.append(identification)
            packet.append(dontFragment ? 0x4000 : 0 as UInt16)
            packet.append(hopLimit)
            packet.append(proto.rawValue)
            packet.append(0 as UInt16)
            packet.append(source)
            packet.append(destination)
            packet += options
            packet.completeIPv4Header(20 + options.count)
        case .v6:
            packet.append(6 << 28 | UInt32(trafficClass) << 20)
            packet.append(UInt16(truncatingIfNeeded: message.count))
            packet.append(proto.rawValue)
            packet.append(hopLimit)
            packet.append(source)
            packet.append(destination)
        }
        return packet + message
    }

    private func writeChecksum(_ message: inout [UInt8]) {
        guard let offset = InternetChecksum.offset(proto), offset + 2 <= message.count else { return }
        message.replace(at: offset, with: 0)
        var sum = InternetChecksum()
        if proto != .icmp {
            sum.addPseudoHeader(source: source, destination: destination, proto: proto, length: message.count)
        }
        sum.add(message.bytes)
        var value = sum.value
        if hasWrongChecksum { value ^= 0x5555 }
        message.replace(at: offset, with: proto == .udp && value == 0 ? 0xffff : value)
    }
}

extension InternetChecksum {
    /// The offset of the checksum in an upper-layer header.
    static func offset(_ proto: IPProtocol) -> Int? {
        switch proto {
        case .icmp, .icmpv6: 2
        case .udp: 6
        case .tcp: 16
        default: nil
        }
    }

    /// Whether the upper-layer checksum of a whole packet is right, or is none where IPv4 and UDP allow that.
    static func verifies(_ packet: [UInt8], _ layout: PacketLayout) -> Bool {
        guard let offset = offset(layout.proto) else { return true }
        guard layout.transport + offset + 2 <= packet.count else { return false }
        if layout.proto == .udp, packet.uint16(at: layout.transport + offset) == 0 { return layout.version == .v4 }
        var sum = InternetChecksum()
        let message = packet.bytes.from(layout.transport)
        if layout.proto != .icmp {
            sum.addPseudoHeader(
                source: layout.source, destination: layout.destination, proto: layout.proto, length: message.byteCount)
        }
        sum.add(message)
        return sum.verifies
    }
}

extension Answer {
    /// The reply to an echo request, with the same identifier, sequence number and payload (RFC 792, RFC 4443).
    init(echoing packet: [UInt8], _ layout: PacketLayout, hopLimit: UInt8) {
        self.init(to: packet, layout, hopLimit: hopLimit, message: Array(packet[layout.transport...]))
        message[0] = ICMPType.echoReply(layout.version).rawValue
        if layout.version == .v4 { options = Self.recordRoute(in: packet, layout) }
    }

    /// The reply to a timestamp request of 20 octets at least, without the time of its departure (RFC 792).
    init(timing packet: [UInt8], _ layout: PacketLayout, receive: UInt32, hopLimit: UInt8) {
        var message = Array(packet[layout.transport..<layout.transport + 12])
        message[0] = ICMPType.V4.timestampReply.rawValue
        message.append(receive)
        message.append(0 as UInt32)
        self.init(to: packet, layout, hopLimit: hopLimit, message: message)
    }

    /// Writes the time of departure, if this is a timestamp reply.
    mutating func setTransmitTime(_ time: UInt32) {
        guard proto == .icmp, message.count == 20, message[0] == ICMPType.V4.timestampReply.rawValue else { return }
        message.removeLast(4)
        message.append(time)
    }

    /// The datagram back to its sender (RFC 862).
    init(echoingDatagram packet: [UInt8], _ layout: PacketLayout, hopLimit: UInt8) {
        let datagram = Array(packet[layout.transport...])
        self.init(
            to: packet, layout, hopLimit: hopLimit, message: Array(datagram[2..<4] + datagram[0..<2] + datagram[4...]))
    }

    /// What a port answers to a segment, without remembering any connection: SYN-ACK, ACK, FIN-ACK or RST; nil where
    /// TCP stays silent (RFC 9293 section 3.10.7).
    init?(to packet: [UInt8], _ layout: PacketLayout, isOpen: Bool, hopLimit: UInt8) {
        guard let segment = try? TCPHeader(parsing: packet.bytes.from(layout.transport)) else { return nil }
        guard !segment.flags.contains(.rst) else { return nil }
        let isSYN = segment.flags.contains(.syn)
        let isFIN = segment.flags.contains(.fin)
        let payload = packet.count - layout.transport - segment.headerLength
        let length = UInt32(truncatingIfNeeded: payload) &+ (isSYN ? 1 : 0) &+ (isFIN ? 1 : 0)
        var reply = TCPHeader(
            sourcePort: segment.destinationPort, destinationPort: segment.sourcePort, sequenceNumber: 0,
            acknowledgmentNumber: segment.sequenceNumber &+ length, flags: .ack, window: 0)
        if !isOpen {
            reply.flags = segment.flags.contains(.ack) ? .rst : [.rst, .ack]
            reply.sequenceNumber = segment.flags.contains(.ack) ? segment.acknowledgmentNumber : 0
            if segment.flags.contains(.ack) { reply.acknowledgmentNumber = 0 }
        } else if isSYN {
            guard !segment.flags.contains(.ack) else { return nil }
            reply.flags = [.syn, .ack]
            reply.window = 65_535
            let number = SeededGenerator.mix(UInt64(segment.sequenceNumber) << 16 | UInt64(segment.sourcePort))
            reply.sequenceNumber = UInt32(truncatingIfNeeded: number)
            reply.options = [2, 4, 0x05, 0xb4]
        } else {
            guard segment.flags.contains(.ack), length > 0 else { return nil }
            reply.flags = isFIN ? [.fin, .ack] : .ack
            reply.window = 65_535
            reply.sequenceNumber = segment.acknowledgmentNumber
        }
        var message: [UInt8] = []
        message.append(reply.sourcePort)
        message.append(reply.destinationPort)
        message.append(reply.sequenceNumber)
        message.append(reply.acknowledgmentNumber)
        message.append(UInt8(reply.headerLength / 4) << 4)
        message.append(reply.flags.rawValue)
        message.append(reply.window)
        message.append(0 as UInt32)
        message += reply.options
        self.init(to: packet, layout, hopLimit: hopLimit, message: message)
        dontFragment = true
    }

    private init(to packet: [UInt8], _ layout: PacketLayout, hopLimit: UInt8, message: [UInt8]) {
        self.init(
            source: layout.destination, destination: layout.source, proto: layout.proto, hopLimit: hopLimit,
            trafficClass: packet.trafficClass & 0xfc, message: message)
    }

    /// The options of the request when they hold a route to record, which the reply goes on recording (RFC 791).
    private static func recordRoute(in packet: [UInt8], _ layout: PacketLayout) -> [UInt8] {
        packet.recordRouteOption(layout.transport) == nil ? [] : Array(packet[20..<layout.transport])
    }

    /// An ICMP error about `packet` from `source`, with as much of the packet and as many extensions as the node shows
    /// (RFC 792, RFC 4443, RFC 4884).
    ///
    /// - Parameters:
    ///   - rest: the four octets behind the checksum, zero where a length of the quote may stand.
    ///   - labels: the label stack that is shown, top first.
    init(
        error type: ICMPType, code: UInt8, rest: UInt32 = 0, about packet: [UInt8], _ layout: PacketLayout,
        from source: IPAddress, _ answers: Answers, interface: InterfaceObject, labels: [ShownLabel]
    ) {
        let version = layout.version
        let header = version == .v4 ? 20 : 40
        let limit = (version == .v4 ? 576 : 1280) - header - 8
        var extensions: [UInt8] = []
        // Packet too big has no room for a length (RFC 4884 section 4).
        if version == .v4 || type != .V6.packetTooBig {
            extensions = Self.extensions(
                labels: Array(labels.prefix(8)), interface: answers.showsInterface ? interface : nil)
        }
        let asked = answers.quote.map { version == .v4 ? $0 : $0 + 20 } ?? limit
        var quote = Array(packet.prefix(max(0, min(asked, limit - extensions.count))))
        var rest = rest
        if !extensions.isEmpty {
            // The quote is padded to whole words and to 128 octets at least.
            let word = version == .v4 ? 4 : 8
            if answers.hasLegacyExtensions {
                quote = Array(quote.prefix(128))
            } else {
                quote = Array(quote.prefix((limit - extensions.count) / word * word))
            }
            let length = max(128, (quote.count + word - 1) / word * word)
            quote += [UInt8](repeating: 0, count: length - quote.count)
            if !answers.hasLegacyExtensions { rest |= UInt32(length / word) << (version == .v4 ? 16 : 24) }
        }
        var message: [UInt8] = [type.rawValue, code, 0, 0]
        message.reserveCapacity(8 + quote.count + extensions.count)
        message.append(rest)
        message += quote
        message += extensions
        self.init(
            source: source, destination: layout.source, proto: .icmp(for: version), hopLimit: answers.hopLimit,
            trafficClass: version == .v4 ? 0xc0 : 0, message: message, isError: true)
    }

    /// What RFC 5837 says about the interface over which a packet came.
    struct InterfaceObject {
        var index: UInt32
        var address: IPAddress
        var name: String
        var mtu: UInt32
    }

    /// The extension structure with its header and checksum, empty when there is nothing to say (RFC 4884 section 7).
    private static func extensions(labels: [ShownLabel], interface: InterfaceObject?) -> [UInt8] {
        guard !labels.isEmpty || interface != nil else { return [] }
        var bytes: [UInt8] = [0x20, 0, 0, 0]
        if !labels.isEmpty {
            // RFC 4950: class 1, C-Type 1, one word per label; the last one has the S bit.
            bytes.append(UInt16(4 + 4 * labels.count))
            bytes.append(0x0101 as UInt16)
            for (index, label) in labels.enumerated() {
                let bottom: UInt32 = index == labels.count - 1 ? 0x100 : 0
                bytes.append((label.label & 0xf_ffff) << 12 | bottom | UInt32(label.timeToLive))
            }
        }
        if let interface {
            // RFC 5837: class 2; the role "incoming" is 0, and every field is there.
            let name = Array(interface.name.utf8.prefix(31))
            let nameLength = (1 + name.count + 3) & ~3
            var object: [UInt8] = []
            object.append(interface.index)
            object.append(interface.address.version == .v4 ? 1 : 2 as UInt16)
            object.append(0 as UInt16)
            object.append(interface.address)
            object.append(UInt8(nameLength))
            object += name
            object += [UInt8](repeating: 0, count: nameLength - 1 - name.count)
            object.append(interface.mtu)
            bytes.append(UInt16(4 + object.count))
            bytes.append(0x020f as UInt16)
            bytes += object
        }
        bytes.replace(at: 2, with: InternetChecksum.of(bytes.bytes))
        return bytes
    }

    /// Makes the answer differ from an honest one; copies and delays are the network's to make.
    mutating func twist(_ kind: HostileReply.Kind) {
        switch kind {
        case .wrongSource:
            switch source {
            case .v4(let address): source = .v4(IPv4Address(rawValue: address.rawValue ^ 0x80))
            case .v6(let address): source = .v6(IPv6Address(high: address.high, low: address.low ^ 0x8000))
            }
        case .wrongChecksum:
            hasWrongChecksum = true
        case .truncated:
            message.removeLast(max(0, message.count - 8 + 1) / 2)
            completeLength()
        case .overlong:
            guard message.count <= 65_000 else { return }
            message += [UInt8](repeating: 0xee, count: 8)
            completeLength()
        case .unknownSequence:
            replace(icmp: 6, ports: 2)
        case .wrongIdentifier:
            replace(icmp: 4, ports: 0)
        case .otherCode:
            guard proto == .icmp || proto == .icmpv6 else { return }
            message[1] ^= 1
        case .empty:
            message = Array(message.prefix(8))
            completeLength()
        case .forgedTime:
            for offset in 8..<max(8, min(24, message.count)) { message[offset] = 0xff }
        case .foreignQuote:
            guard isError, let last = Self.destinationEnd(message) else { return }
            message[last] ^= 0x40
        case .zeroQuote:
            guard isError else { return }
            for offset in message.indices.dropFirst(8) { message[offset] = 0 }
        case .longHeader:
            guard isError, message.count > 14 else { return }
            // Fifteen words of an IPv4 header, or a hop-by-hop header in IPv6 whose length is whatever follows.
            if message[8] >> 4 == 4 { message[8] = 0x4f } else { message[14] = 0 }
        case .cutHeader:
            guard isError else { return }
            message = Array(message.prefix(20))
        case .duplicate, .late:
            break
        }
    }

    /// The offset of the last octet of the quoted destination, nil where the quote does not reach it.
    private static func destinationEnd(_ message: [UInt8]) -> Int? {
        guard message.count > 8 else { return nil }
        let last = message[8] >> 4 == 4 ? 27 : 47
        return last < message.count ? last : nil
    }

    /// Writes the length of a datagram that changed.
    private mutating func completeLength() {
        if proto == .udp { message.replace(at: 4, with: UInt16(truncatingIfNeeded: message.count)) }
    }

    /// Flips a bit of a field: of the answer's own header, or of the quoted one in an error.
    private mutating func replace(icmp: Int, ports: Int) {
        var proto = proto
        var start = 0
        if isError {
            guard let layout = Self.quoted(message) else { return }
            proto = layout.proto
            start = layout.transport
        }
        let offset = start + (proto == .icmp || proto == .icmpv6 ? icmp : ports)
        guard offset < message.count else { return }
        message[offset] ^= 0x40
    }

    /// The protocol in the quote of an error and the offset of the quoted upper-layer header in the message.
    private static func quoted(_ message: [UInt8]) -> (proto: IPProtocol, transport: Int)? {
        guard message.count >= 28 else { return nil }
        if message[8] >> 4 == 4 { return (IPProtocol(rawValue: message[17]), 8 + Int(message[8] & 0xf) * 4) }
        return (IPProtocol(rawValue: message[14]), 48)
    }
}
