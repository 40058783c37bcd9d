import PacketFormats

/// What marks the probes of one measurement as ours.
public struct ProbeIdentity: Sendable {
    /// The first ICMP identifier of an aligned block.
    public var identifier: UInt16
    /// How many identifiers the block has: a power of two up to 32,768.
    public var identifierCount: UInt16
    /// The source ports of UDP and TCP probes: flow `f` sends from the `f`th. Empty when there are none.
    public var sourcePorts: Range<UInt16>
    /// Makes the cookies that nobody else can guess.
    public var cookies: SipHash
    /// The protocol of probes without a header of their own; nil where there are none.
    public var proto: IPProtocol?

    public init(
        identifier: UInt16, identifierCount: UInt16 = 1, sourcePorts: Range<UInt16> = 0..<0, cookies: SipHash
    ) {
        precondition(identifierCount > 0 && identifierCount & (identifierCount - 1) == 0)
        precondition(identifier & (identifierCount - 1) == 0)
        self.identifier = identifier
        self.identifierCount = identifierCount
        self.sourcePorts = sourcePorts
        self.cookies = cookies
    }

    /// The same with other ports.
    public func sending(from ports: Range<UInt16>) -> ProbeIdentity {
        var identity = self
        identity.sourcePorts = ports
        return identity
    }

    /// The ICMP identifier of a probe.
    public func identifier(of id: ProbeID) -> UInt16 {
        identifier | UInt16(truncatingIfNeeded: id.rawValue >> 16) & (identifierCount - 1)
    }
}

/// What surrounds the bytes that a socket takes.
public enum Encapsulation: Hashable, Sendable, BitwiseCopyable {
    /// A whole IP packet (raw sockets with `IP_HDRINCL`).
    case ipPacket
    /// An ICMP message without IP header (ping sockets, raw ICMPv6).
    case icmpMessage
    /// The payload alone (UDP sockets).
    case payload
}

/// The one place where a probe becomes bytes and bytes become a response.
///
/// A payload of 12 octets or more starts with a keyed 64-bit cookie and the low half of the probe's number; the rest
/// counts up, as ping's does, or repeats a pattern. The number also stands in the header, because routers may quote no
/// more: where, and what is done so that load balancers see one flow, says `FlowIdentity`. A payload of at least 14
/// octets spends the next two on giving ICMP a constant checksum, and UDP one that is the number.
public struct ProbeCodec: Sendable {
    /// What marks probes as ours.
    public var identity: ProbeIdentity
    /// What every probe carries besides.
    public var content: ProbeContent

    public init(identity: ProbeIdentity, content: ProbeContent = ProbeContent()) {
        self.identity = identity
        self.content = content
    }

    // MARK: Probe to bytes

    /// Writes the probe as its socket wants it. O(payload).
    ///
    /// - Parameters:
    ///   - source: the address that the packet will leave from; needed for UDP and TCP in an `ipPacket`, unspecified
    ///     lets the kernel fill in IPv4's.
    ///   - departure: the time of day, for this host's own entry in a timestamp option of an `ipPacket`.
    ///
    /// Throws when it does not fit in the output or in an IP packet.
    public func write(
        _ transmit: Transmit, source: IPAddress?, departure: InternetTimestamp? = nil,
        as encapsulation: Encapsulation, to output: inout OutputRawSpan
    ) throws(PacketError) {
        let probe = transmit.probe
        switch encapsulation {
        case .payload:
            try output.requireRoom(payloadLength(of: transmit))
            writePayload(of: transmit, to: &output)
        case .icmpMessage:
            try writeTransport(of: transmit, source: source, to: &output)
        case .ipPacket:
            let length = transportLength(of: transmit)
            switch probe.destination {
            case .v4(let destination):
                var header = IPv4Header(
                    destination: content.firstRouter ?? destination, proto: probe.method.ipProtocol(for: .v4),
                    hopLimit: probe.hopLimit, trafficClass: probe.trafficClass,
                    identification: identification(of: transmit),
                    dontFragment: probe.dontFragment || isDublin(probe))
                if case .v4(let source) = source { header.source = source }
                if !content.ipv4Options.isEmpty {
                    header.options = try content.ipv4Options.leaving(
                        header.source, to: destination, at: departure
                    ).encoded()
                }
                guard length + header.headerLength <= UInt16.max else {
                    throw .invalidLength(field: "totalLength", value: length + header.headerLength)
                }
                header.totalLength = UInt16(length + header.headerLength)
                try header.write(to: &output)
            case .v6(let destination):
                guard length <= UInt16.max, case .v6(let source) = source else {
                    throw .invalidLength(field: "payloadLength", value: length)
                }
                let header = IPv6Header(
                    source: source, destination: destination, nextHeader: probe.method.ipProtocol(for: .v6),
                    hopLimit: probe.hopLimit, payloadLength: UInt16(length), trafficClass: probe.trafficClass,
                    flowLabel: content.flowLabel ?? UInt32(probe.flow))
                try header.write(to: &output)
            }
            try writeTransport(of: transmit, source: source, to: &output)
        }
    }

    /// By which short quotes are told apart. Echo requests have their own number; none has 0, which the kernel replaces,
    /// in each fragment by another one.
    private func identification(of transmit: Transmit) -> UInt16 {
        switch transmit.probe.method {
        case .icmpEcho, .icmpTimestamp: max(1, UInt16(truncatingIfNeeded: transmit.id.rawValue))
        case .udp, .ip: Self.mark(of: transmit.id)
        case .tcpSYN: hiddenMark(of: transmit.id)
        }
    }

    /// Octets behind the IP header of a probe; `dublin` over IPv6 adds at most `dublinLengths - 1`.
    public static func transportLength(of probe: Probe, _ content: ProbeContent? = nil) -> Int {
        switch probe.method {
        case .icmpEcho, .udp: 8 + probe.payloadLength
        case .icmpTimestamp: ICMPTimestampMessage.length
        case .tcpSYN: TCPHeader.minimumLength + (content?.tcpOptionsLength ?? maximumSegmentSizeLength)
        case .ip: probe.payloadLength
        }
    }

    /// Only for TCP the content is looked at.
    private func transportLength(of transmit: Transmit) -> Int {
        let probe = transmit.probe
        if case .tcpSYN = probe.method { return Self.transportLength(of: probe, content) }
        return Self.transportLength(of: probe) - probe.payloadLength + payloadLength(of: transmit)
    }

    private func isDublin(_ probe: Probe) -> Bool {
        if content.flowIdentity == .dublin, case .udp = probe.method { true } else { false }
    }

    private func isNumberedByLength(_ probe: Probe) -> Bool { isDublin(probe) && probe.destination.version == .v6 }

    /// The least length from the probe's own on that says the end of its number, where the length is what says it.
    private func payloadLength(of transmit: Transmit) -> Int {
        let length = transmit.probe.payloadLength
        guard isNumberedByLength(transmit.probe) else { return length }
        let end = Int(truncatingIfNeeded: transmit.id.rawValue) &+ Self.dublinOffset
        return length &+ (end &- length) & (Self.dublinLengths - 1)
    }

    private func writeTransport(
        of transmit: Transmit, source: IPAddress?, to output: inout OutputRawSpan
    ) throws(PacketError) {
        let probe = transmit.probe
        let start = output.byteCount
        switch probe.method {
        case .icmpEcho:
            let version = probe.destination.version
            let (identifier, sequenceNumber) = wireNumber(of: transmit.id)
            let header = ICMPHeader(
                echo: .echoRequest(version), identifier: identifier, sequenceNumber: sequenceNumber)
            try output.requireRoom(ICMPHeader.length + probe.payloadLength)
            try header.write(to: &output)
            writePayload(of: transmit, to: &output)
            if content.flowIdentity == .paris, probe.payloadLength >= Self.balancedLength {
                // Over IPv6 addresses and length, the same for all of them, come on top.
                balance(
                    InternetChecksum(), to: Self.flowChecksum | probe.flow & Self.flowMask,
                    at: start + ICMPHeader.length + Self.cookieLength, from: start, in: &output)
            }
            switch probe.destination {
            case .v4: ICMPHeader.writeChecksum(of: start, in: &output)
            case .v6(let destination):
                // Without a source the kernel fills the checksum in, as it always does on ICMPv6 sockets.
                guard case .v6(let source) = source else { break }
                ICMPHeader.writeChecksum(of: start, in: &output, source: source, destination: destination)
            }
        case .icmpTimestamp:
            let (identifier, sequenceNumber) = wireNumber(of: transmit.id)
            try ICMPTimestampMessage(
                identifier: identifier, sequenceNumber: sequenceNumber, originate: probe.originate
            ).write(to: &output)
        case .udp(let port):
            guard let source else { throw .invalidValue(field: "source", value: 0) }
            let length = payloadLength(of: transmit)
            try output.requireRoom(UDPHeader.length + length)
            try UDPHeader(sourcePort: sourcePort(of: transmit), destinationPort: port).write(to: &output)
            writePayload(of: transmit, to: &output)
            guard let wanted = udpChecksum(of: transmit), length >= Self.balancedLength,
                let octets = UInt16(exactly: UDPHeader.length + length)
            else {
                UDPHeader.complete(from: start, in: &output, source: source, destination: probe.destination)
                break
            }
            output.replace(at: start + 4, with: octets)
            var sum = InternetChecksum()
            sum.addPseudoHeader(
                source: source, destination: probe.destination, proto: .udp, length: Int(octets))
            balance(sum, to: wanted, at: start + UDPHeader.length + Self.cookieLength, from: start, in: &output)
            output.replace(at: start + 6, with: wanted)
        case .tcpSYN(let port):
            guard let source else { throw .invalidValue(field: "source", value: 0) }
            let number = segmentNumber(of: transmit.id)
            // What answers a segment that acknowledges nothing of its own has our acknowledgment number as its number.
            let header = TCPHeader(
                sourcePort: sourcePort(of: transmit), destinationPort: port, sequenceNumber: number,
                acknowledgmentNumber: content.tcpFlags.contains(.ack) ? number : 0, flags: content.tcpFlags,
                options: try content.tcpOptions.encoded())
            try header.write(to: &output)
            TCPHeader.complete(from: start, in: &output, source: source, destination: probe.destination)
        case .ip:
            try output.requireRoom(probe.payloadLength)
            // Where many protocols have ports: of all probes of a flow the same.
            let hasRoom = probe.payloadLength >= Self.flowPrefix
            if hasRoom { output.append(UInt32(probe.flow)) }
            writePayload(of: transmit, behind: hasRoom ? Self.flowPrefix : 0, to: &output)
        }
    }

    /// Sets the two octets at `offset`, an even number behind `start`, so that the checksum of all that is there becomes
    /// `wanted`: zero stands in its place now. O(n).
    private func balance(
        _ pseudoHeader: InternetChecksum, to wanted: UInt16, at offset: Int, from start: Int,
        in output: inout OutputRawSpan
    ) {
        output.replace(at: offset, with: 0)
        var sum = pseudoHeader
        sum.add(output.bytes.extracting(start..<output.byteCount))
        sum.add(wanted)
        output.replace(at: offset, with: sum.value)
    }

    /// The checksum that a datagram's payload is balanced for; nil where it is as it comes.
    private func udpChecksum(of transmit: Transmit) -> UInt16? {
        switch content.flowIdentity {
        case .paris: Self.mark(of: transmit.id)
        case .classic: nil
        // The length, which differs, must not show in it.
        case .dublin: isNumberedByLength(transmit.probe) ? Self.flowChecksum | transmit.probe.flow & Self.flowMask : nil
        }
    }

    /// What a router that changes nothing quotes of the probe as it left a raw socket, beside the hop limit. A quote may
    /// end anywhere: only what is there can be compared. Nil for what can't be written. O(packet).
    public func expected(_ transmit: Transmit, source: IPAddress) -> QuotedPacket? {
        let size =
            IPv6Header.length + IPv4Header.maximumOptionsLength + Self.transportLength(of: transmit.probe, content)
            + Self.dublinLengths
        guard
            let packet = try? [UInt8](
                capacity: size,
                writing: { output throws(PacketError) in
                    try write(transmit, source: source, as: .ipPacket, to: &output)
                })
        else { return nil }
        return try? QuotedPacket(parsing: packet.bytes, version: source.version)
    }

    /// - Parameter prefix: octets of the payload that are there already.
    private func writePayload(of transmit: Transmit, behind prefix: Int = 0, to output: inout OutputRawSpan) {
        let length = payloadLength(of: transmit) - prefix
        var offset = 0
        if isDublin(transmit.probe) {
            if length >= Self.markLength {
                output.append(flowCookie(ofPort: sourcePort(of: transmit)))
                offset = Self.markLength
            }
        } else if length >= Self.cookieLength {
            output.append(cookie(of: transmit.id))
            output.append(UInt32(truncatingIfNeeded: transmit.id.rawValue))
            offset = Self.cookieLength
        }
        let countsUp = content.pattern.isEmpty
        while offset < length {
            if countsUp, offset & 7 == 0, offset &+ 8 <= length {
                output.append(Self.countingUp(from: offset))
                offset &+= 8
            } else {
                output.append(pattern(at: offset))
                offset &+= 1
            }
        }
    }

    // MARK: Bytes to response

    /// What a raw IPv4 socket received: a packet with its IP header. Nil when it is not ours.
    ///
    /// - Parameter latest: the number of the last probe, which tells old numbers from new ones.
    public func matchIPv4Packet(_ bytes: RawSpan, _ arrival: Arrival, latest: ProbeID) -> Response? {
        guard let header = (try? IPv4Header(parsing: bytes)) ?? Self.headerWithOptions(bytes),
            header.fragmentOffset == 0, !header.moreFragments
        else { return nil }
        let upperLayer = bytes.from(header.headerLength)
        var arrival = arrival
        arrival.source = .v4(header.source)
        arrival.hopLimit = header.hopLimit
        arrival.trafficClass = header.trafficClass
        switch header.proto {
        case .icmp:
            return matchICMP(
                upperLayer, .v4, arrival, options: header.options, verifyChecksum: true, latest: latest)
        case .tcp where identity.proto == nil: return matchSegment(upperLayer, arrival, latest: latest)
        case identity.proto: return matchUpperLayer(upperLayer, arrival, options: header.options, latest: latest)
        default: return nil
        }
    }

    /// A header that the kernel found right, and whose checksum is wrong since it wrote this host's own entry into the
    /// options.
    private static func headerWithOptions(_ bytes: RawSpan) -> IPv4Header? {
        guard let header = try? IPv4Header(parsingQuoted: bytes), !header.options.isEmpty,
            Int(header.totalLength) >= header.headerLength
        else { return nil }
        return header
    }

    /// An ICMP or ICMPv6 message. Nil when it is not ours.
    ///
    /// - Parameters:
    ///   - options: the options area of the IPv4 header that it came with.
    ///   - verifyChecksum: false where the kernel did: ping sockets and raw ICMPv6.
    public func matchICMP(
        _ message: RawSpan, _ version: IPVersion, _ arrival: Arrival, options: [UInt8] = [], verifyChecksum: Bool,
        latest: ProbeID
    ) -> Response? {
        guard let header = try? ICMPHeader(parsing: message) else { return nil }
        let isIntact = !verifyChecksum || InternetChecksum.of(message) == 0
        if header.type == .echoReply(version) {
            guard header.code == 0 else { return nil }
            let payload = message.from(ICMPHeader.length)
            guard let number = wireNumber(header), let id = expand(number, bits: wireBits, payload, latest) else {
                return nil
            }
            guard isIntact else {
                return reply(
                    .echoReply, id, .wrongChecksum, payload, options, byteCount: message.byteCount, arrival)
            }
            let skipped = content.flowIdentity == .paris ? Self.balancedLength : Self.cookieLength
            guard let integrity = integrity(of: payload, for: id, skippingTo: skipped) else { return nil }
            return reply(.echoReply, id, integrity, payload, options, byteCount: message.byteCount, arrival)
        }
        if version == .v4, header.type == ICMPType.V4.timestampReply {
            guard header.code == 0 else { return nil }
            return matchTimestampReply(message, header, isIntact: isIntact, options, arrival, latest: latest)
        }
        guard isIntact, header.type.quotesPacket(version),
            let error = try? ICMPErrorMessage(parsing: message, version: version), let quoted = error.quoted
        else { return nil }
        guard let owner = identify(quoted, latest) else { return nil }
        var response = Response(
            probe: owner.id, kind: .icmpError(type: header.type, code: header.code, info: header.rest),
            responder: arrival.source, quotedDestination: finalDestination(of: quoted), hopLimit: arrival.hopLimit,
            trafficClass: arrival.trafficClass, byteCount: message.byteCount, stamp: arrival.stamp,
            arrival: arrival.time,
            detail: ResponseDetail(
                quoted: quoted, extensions: error.extensions, ipv4Options: Self.parsed(options)))
        response.evidence = owner.evidence
        if case .udp(let header) = quoted.transport { response.quotedPort = header.destinationPort }
        return response
    }

    /// A timestamp reply has no room for a cookie: the measurement compares the originate time with the one it sent.
    private func matchTimestampReply(
        _ message: RawSpan, _ header: ICMPHeader, isIntact: Bool, _ options: [UInt8], _ arrival: Arrival,
        latest: ProbeID
    ) -> Response? {
        guard let number = wireNumber(header), let id = expand(number, bits: wireBits, latest) else { return nil }
        let times = try? ICMPTimestampMessage(parsing: message)
        let none = InternetTimestamp(rawValue: 0)
        return reply(
            .timestampReply(
                originate: times?.originate ?? none, receive: times?.receive ?? none,
                transmit: times?.transmit ?? none),
            id, isIntact ? .intact : .wrongChecksum, message.from(ICMPHeader.length), options,
            byteCount: message.byteCount, arrival)
    }

    /// A TCP segment that answers a probe. Nil when it is not ours.
    public func matchSegment(_ segment: RawSpan, _ arrival: Arrival, latest: ProbeID) -> Response? {
        guard let header = try? TCPHeader(parsing: segment), identity.sourcePorts.contains(header.destinationPort),
            let id = identify(answer: header, latest)
        else { return nil }
        return reply(.tcp(header.flags), id, .intact, segment, [], byteCount: segment.byteCount, arrival)
    }

    /// The probe that a reset or a SYN answers: it acknowledges the probe's number, or a reset continues where the probe
    /// said that this side was (RFC 9293 section 3.10.7.1).
    private func identify(answer header: TCPHeader, _ latest: ProbeID) -> ProbeID? {
        guard !header.flags.isDisjoint(with: [.rst, .syn]) else { return nil }
        let flags = content.tcpFlags
        if header.flags.contains(.ack) {
            let acknowledged = header.acknowledgmentNumber
            let octets: UInt32 = (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0)
            if let id = identify(segmentNumber: acknowledged &- octets, latest) { return id }
            // A SYN may be taken without the FIN behind it.
            if octets > 1, let id = identify(segmentNumber: acknowledged &- 1, latest) { return id }
        }
        guard flags.contains(.ack), header.flags.contains(.rst) else { return nil }
        return identify(segmentNumber: header.sequenceNumber, latest)
    }

    /// What came in answer to probes without a header of their own, from behind its IP header. A payload of ours names
    /// its probe; on loopback that is the probe itself.
    ///
    /// - Parameter options: the options area of the IPv4 header that it came with.
    public func matchUpperLayer(
        _ bytes: RawSpan, _ arrival: Arrival, options: [UInt8] = [], latest: ProbeID
    ) -> Response {
        let id: ProbeID? = identify(payload: bytes.from(Self.flowPrefix), latest) ?? nil
        return reply(.datagram, id, .intact, bytes, options, byteCount: bytes.byteCount, arrival)
    }

    /// A UDP payload that came to one of our ports. Bytes that we did not send are kept as an answer without number:
    /// only a service that echoes can return a number.
    ///
    /// - Parameter options: the options area of the IPv4 header that it came with.
    public func matchDatagram(
        _ payload: RawSpan, _ arrival: Arrival, options: [UInt8] = [], latest: ProbeID
    ) -> Response {
        let byteCount = payload.byteCount + UDPHeader.length
        if content.flowIdentity == .dublin {
            let isNumbered = arrival.source.version == .v6 && isFlowCookie(payload)
            let id = isNumbered ? expand(ofLength: payload.byteCount, latest) : nil
            return reply(.datagram, id, .intact, payload, options, byteCount: byteCount, arrival)
        }
        let skipped = content.flowIdentity == .paris ? Self.balancedLength : Self.cookieLength
        if payload.byteCount >= Self.cookieLength,
            let id = expand(payload.uint32(at: 8), latest),
            let integrity = integrity(of: payload, for: id, skippingTo: skipped)
        {
            return reply(.echoReply, id, integrity, payload, options, byteCount: byteCount, arrival)
        }
        return reply(.datagram, nil, .intact, payload, options, byteCount: byteCount, arrival)
    }

    /// What the error queue of a ping or UDP socket holds. Nil when it is not ours.
    ///
    /// - Parameters:
    ///   - quoted: the ICMP header and payload of our message on a ping socket, the payload on a UDP socket.
    ///   - isICMP: whether it is a ping socket's.
    ///   - options: the options area of the error's IPv4 header.
    public func matchQueuedError(
        _ error: QueuedError, quoting quoted: RawSpan, isICMP: Bool, _ arrival: Arrival, options: [UInt8] = [],
        latest: ProbeID
    ) -> Response? {
        let owner: Owner
        if isICMP {
            guard let header = try? ICMPHeader(parsing: quoted),
                let found = identify(header, quoted.from(ICMPHeader.length), latest)
            else { return nil }
            owner = found
        } else {
            guard case .some(let id) = identify(payload: quoted, latest) else { return nil }
            owner = Owner(id: id, evidence: id == nil ? .port : .cookie)
        }
        var extensions: ICMPExtensions?
        if let offset = error.extensionOffset, offset >= 0, offset <= quoted.byteCount {
            extensions = try? ICMPExtensions(parsing: quoted.from(offset))
        }
        var response = Response(
            probe: owner.id, kind: .icmpError(type: error.type, code: error.code, info: error.info),
            responder: arrival.source, quotedDestination: error.destination, hopLimit: arrival.hopLimit,
            trafficClass: arrival.trafficClass, byteCount: quoted.byteCount, stamp: arrival.stamp,
            arrival: arrival.time,
            detail: extensions == nil && options.isEmpty
                ? nil : ResponseDetail(extensions: extensions, ipv4Options: Self.parsed(options)))
        response.evidence = owner.evidence
        response.quotedPort = error.port
        return response
    }

    private func reply(
        _ kind: Response.Kind, _ id: ProbeID?, _ integrity: Response.Integrity, _ payload: RawSpan,
        _ options: [UInt8], byteCount: Int, _ arrival: Arrival
    ) -> Response {
        var detail: ResponseDetail?
        if integrity != .intact || !options.isEmpty {
            let kept = integrity == .intact ? [] : payload.prefix(ResponseDetail.maximumPayload).copied()
            detail = ResponseDetail(ipv4Options: Self.parsed(options), payload: kept)
        }
        return Response(
            probe: id, kind: kind, responder: arrival.source, hopLimit: arrival.hopLimit,
            trafficClass: arrival.trafficClass, byteCount: byteCount, integrity: integrity, stamp: arrival.stamp,
            arrival: arrival.time, detail: detail)
    }

    /// Nil where there are none, or none that make sense.
    private static func parsed(_ options: [UInt8]) -> IPv4Options? {
        options.isEmpty ? nil : try? IPv4Options(parsing: options.bytes)
    }

    /// Whose packet a quote is of.
    private struct Owner {
        /// Nil where the quote does not say which probe it is.
        var id: ProbeID?
        var evidence: Response.Evidence
    }

    /// The probe that is quoted, nil when it is none of ours. Routers on the way may have rewritten addresses, ports,
    /// identifiers and sequence numbers: a cookie stands above them all.
    private func identify(_ quoted: QuotedPacket, _ latest: ProbeID) -> Owner? {
        switch quoted.transport {
        case .icmp(let header):
            if quoted.version == .v4, header.type == ICMPType.V4.timestampRequest {
                guard let number = wireNumber(header), let id = expand(number, bits: wireBits, latest) else {
                    return nil
                }
                return Owner(id: id, evidence: .number)
            }
            guard header.type == .echoRequest(quoted.version) else { return nil }
            return identify(header, quoted.payload.bytes, latest)
        case .udp(let header):
            if content.flowIdentity == .dublin { return identify(dublin: quoted, header, latest) }
            guard let id = identify(payload: quoted.payload.bytes, latest) else { return nil }
            if let id { return Owner(id: id, evidence: .cookie) }
            guard identity.sourcePorts.contains(header.sourcePort) else { return nil }
            return Owner(id: identify(short: quoted, header, latest), evidence: .port)
        case .tcp(let header): return identify(quoted, header, latest)
        case .other:
            guard quoted.proto == identity.proto, quoted.fragmentOffset == 0 else { return nil }
            return identify(withoutHeader: quoted, latest)
        case .truncated: return nil
        }
    }

    /// The probe of a quoted echo request.
    private func identify(_ header: ICMPHeader, _ payload: RawSpan, _ latest: ProbeID) -> Owner? {
        if let id = identify(cookie: payload, latest) { return Owner(id: id, evidence: .cookie) }
        guard let number = wireNumber(header), let id = expand(number, bits: wireBits, payload, latest) else {
            return nil
        }
        // A payload that is there and is not ours speaks against the identifier.
        return Owner(id: id, evidence: payload.byteCount < Self.cookieLength ? .port : .number)
    }

    /// The probe of a quoted TCP segment. Its sequence number holds 16 bits that nobody else knows, the identification of
    /// IPv4 is as hidden, and the source port is this process' own: one of the three may be rewritten. Where the sequence
    /// number was, a quote of the whole segment must still have a checksum that is right, lest a damaged one name anybody.
    private func identify(_ quoted: QuotedPacket, _ segment: TCPQuote, _ latest: ProbeID) -> Owner? {
        let isOurPort = identity.sourcePorts.contains(segment.sourcePort)
        let marked = quoted.version == .v4 ? expand(hiddenMark: quoted.identification, latest) : nil
        if let id = identify(segmentNumber: segment.sequenceNumber, latest) {
            if isOurPort || marked == id { return Owner(id: id, evidence: .cookie) }
            // Sixteen bits are too few to name a probe by: the hop is to be asked alone.
            return quoted.version == .v6 ? Owner(id: nil, evidence: .number) : nil
        }
        guard isOurPort else { return nil }
        guard let header = segment.header else { return Owner(id: nil, evidence: .port) }
        guard header.flags == content.tcpFlags, isIntact(header, in: quoted) else { return nil }
        if quoted.version == .v6 { return Owner(id: nil, evidence: .port) }
        return marked.map { Owner(id: $0, evidence: .number) }
    }

    /// Whether the checksum of a quoted segment without payload is right, as whoever rewrites it has to keep it.
    private func isIntact(_ header: TCPHeader, in quoted: QuotedPacket) -> Bool {
        var again = header
        again.checksum = 0
        guard
            let segment = try? [UInt8](
                capacity: header.headerLength,
                writing: { output throws(PacketError) in
                    try again.write(to: &output)
                    TCPHeader.complete(from: 0, in: &output, source: quoted.source, destination: quoted.destination)
                })
        else { return false }
        return segment.bytes.uint16(at: 16) == header.checksum
    }

    /// The probe of a quote that ends before the cookie of a datagram, by identification and checksum; nil where they
    /// contradict each other, because somebody rewrote one of them.
    private func identify(short quoted: QuotedPacket, _ header: UDPHeader, _ latest: ProbeID) -> ProbeID? {
        let byIdentification =
            quoted.version == .v4 ? expand(mark: quoted.identification, latest) : nil
        // The kernel makes the checksum of what is too long for a raw socket.
        let length = Int(header.length) - UDPHeader.length
        guard content.flowIdentity == .paris, length >= Self.balancedLength,
            quoted.version == .v4 || length <= Self.longestBalancedV6,
            let byChecksum = expand(mark: header.checksum, latest)
        else { return byIdentification }
        guard let byIdentification else { return byChecksum }
        return byIdentification == byChecksum ? byChecksum : nil
    }

    private func identify(dublin quoted: QuotedPacket, _ header: UDPHeader, _ latest: ProbeID) -> Owner? {
        let payload = quoted.payload.bytes
        guard identity.sourcePorts.contains(header.sourcePort) || isFlowCookie(payload) else { return nil }
        if payload.byteCount >= Self.markLength, header.length >= UDPHeader.length + Self.markLength,
            payload.uint64(at: 0) != 0, !isFlowCookie(payload)
        {
            return nil
        }
        // The cookie is the same in all of them: it does not say which one.
        switch quoted.version {
        case .v4: return Owner(id: expand(mark: quoted.identification, latest), evidence: .port)
        case .v6:
            let length = Int(header.length) - UDPHeader.length
            return Owner(id: expand(ofLength: length, latest), evidence: .port)
        }
    }

    /// The probe in a quote of another protocol. Eight octets, all that a router has to quote, hold half of a cookie and
    /// not the number, which the identification of IPv4 has.
    private func identify(withoutHeader quoted: QuotedPacket, _ latest: ProbeID) -> Owner? {
        let payload = quoted.payload.bytes.from(Self.flowPrefix)
        guard let id = identify(payload: payload, latest) else { return nil }
        if let id { return Owner(id: id, evidence: .cookie) }
        guard quoted.version == .v4, let marked = expand(mark: quoted.identification, latest) else {
            return Owner(id: nil, evidence: .number)
        }
        let hasCookie = quoted.totalLength >= IPv4Header.minimumLength + Self.flowPrefix + Self.cookieLength
        guard hasCookie, payload.byteCount >= 4 else { return Owner(id: marked, evidence: .number) }
        guard payload.uint32(at: 0) == UInt32(cookie(of: marked) >> 32) else { return nil }
        return Owner(id: marked, evidence: .cookie)
    }

    /// Where a quoted probe was going: with a source route the header says only where it was going next.
    private func finalDestination(of quoted: QuotedPacket) -> IPAddress {
        guard !quoted.ipv4Options.isEmpty, content.firstRouter != nil,
            let options = try? IPv4Options(parsing: quoted.ipv4Options.bytes)
        else { return quoted.destination }
        for case .looseSourceRoute(let route) in options {
            if let last = route.remaining.last { return .v4(last) }
        }
        return quoted.destination
    }

    /// The number in the payload of one of our UDP datagrams: nil when another's cookie stands there, `.some(nil)` when
    /// there is none: the probe or its quote was too short for one, and perhaps padded with zeros (RFC 4884 section 3).
    private func identify(payload: RawSpan, _ latest: ProbeID) -> ProbeID?? {
        guard payload.byteCount >= Self.cookieLength else { return .some(nil) }
        if let id = identify(cookie: payload, latest) { return .some(id) }
        let index = payload.uint32(at: 8)
        // No probe has the number 0: where its index should be is padding.
        return index == 0 || isEndOfPattern(index) ? .some(nil) : nil
    }

    /// The probe whose cookie and number start a payload.
    private func identify(cookie payload: RawSpan, _ latest: ProbeID) -> ProbeID? {
        guard payload.byteCount >= Self.cookieLength, let id = expand(payload.uint32(at: 8), latest),
            payload.uint64(at: 0) == cookie(of: id)
        else { return nil }
        return id
    }

    // MARK: Numbers and cookies

    /// The bits of a probe's number that identifier and sequence number hold.
    private var wireBits: Int { 16 + identity.identifierCount.trailingZeroBitCount }

    private func wireNumber(of id: ProbeID) -> (identifier: UInt16, sequenceNumber: UInt16) {
        (identity.identifier(of: id), UInt16(truncatingIfNeeded: id.rawValue))
    }

    private func wireNumber(_ header: ICMPHeader) -> UInt32? {
        let upper = header.identifier ^ identity.identifier
        guard upper < identity.identifierCount else { return nil }
        return UInt32(upper) << 16 | UInt32(header.sequenceNumber)
    }

    private func sourcePort(of transmit: Transmit) -> UInt16 {
        let count = UInt16(identity.sourcePorts.count)
        guard count > 0 else { return 0 }
        var flow = transmit.probe.flow
        if content.flowIdentity == .classic, case .tcpSYN = transmit.probe.method {
            flow = Self.mark(of: transmit.id) - 1
        }
        return identity.sourcePorts.lowerBound + flow % count
    }

    /// The end of a probe's number in the range of what neither identification nor checksum change on their way: not 0.
    private static func mark(of id: ProbeID) -> UInt16 {
        UInt16(truncatingIfNeeded: (id.rawValue &- 1) % marks + 1)
    }

    private func expand(mark: UInt16, _ latest: ProbeID) -> ProbeID? {
        guard mark != 0, latest.rawValue != 0 else { return nil }
        let back = ((latest.rawValue - 1) % Self.marks + Self.marks - UInt64(mark - 1)) % Self.marks
        return back < latest.rawValue ? ProbeID(rawValue: latest.rawValue - back) : nil
    }

    /// `mark` in an order that nobody else knows: not 0. What somebody guesses or rewrites is hardly ever the mark of a
    /// recent probe.
    private func hiddenMark(of id: ProbeID) -> UInt16 {
        let hidden = hidden(Self.mark(of: id))
        return hidden == 0 ? self.hidden(0) : hidden
    }

    private func expand(hiddenMark: UInt16, _ latest: ProbeID) -> ProbeID? {
        let mark = shown(hiddenMark)
        return hiddenMark == 0 ? nil : expand(mark: mark == 0 ? shown(0) : mark, latest)
    }

    /// A keyed permutation: a Feistel network of four rounds (Luby and Rackoff, 1988).
    private func hidden(_ value: UInt16) -> UInt16 {
        var (high, low) = (UInt8(value >> 8), UInt8(truncatingIfNeeded: value))
        for round: UInt64 in 0..<4 { (high, low) = (low, high ^ scrambled(low, round)) }
        return UInt16(high) << 8 | UInt16(low)
    }

    /// The inverse of `hidden`.
    private func shown(_ value: UInt16) -> UInt16 {
        var (high, low) = (UInt8(value >> 8), UInt8(truncatingIfNeeded: value))
        for round: UInt64 in 0..<4 { (high, low) = (low ^ scrambled(high, 3 - round), high) }
        return UInt16(high) << 8 | UInt16(low)
    }

    /// No probe has a number whose cookie this could be.
    private func scrambled(_ half: UInt8, _ round: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: identity.cookies.hash(1 << 63 | round << 8 | UInt64(half)))
    }

    private func expand(ofLength length: Int, _ latest: ProbeID) -> ProbeID? {
        return expand(
            UInt32((length &- Self.dublinOffset) & (Self.dublinLengths - 1)),
            bits: Self.dublinLengths.trailingZeroBitCount, latest)
    }

    /// Half a number and half a cookie, so that an answer to somebody else's SYN is not ours.
    private func segmentNumber(of id: ProbeID) -> UInt32 {
        UInt32(truncatingIfNeeded: id.rawValue & 0xffff) << 16 | UInt32(truncatingIfNeeded: cookie(of: id) >> 48)
    }

    private func identify(segmentNumber: UInt32, _ latest: ProbeID) -> ProbeID? {
        guard let id = expand(segmentNumber >> 16, bits: 16, latest), self.segmentNumber(of: id) == segmentNumber else {
            return nil
        }
        return id
    }

    /// The newest number that ends in these bits, or the older one that the index in the payload names, if its cookie
    /// stands there: a damaged index would name a probe that nobody answered.
    private func expand(_ number: UInt32, bits: Int, _ payload: RawSpan, _ latest: ProbeID) -> ProbeID? {
        let newest = expand(number, bits: bits, latest)
        guard payload.byteCount >= Self.cookieLength else { return newest }
        let index = payload.uint32(at: 8)
        let mask = UInt32(truncatingIfNeeded: UInt64(1) << UInt64(bits)) &- 1
        guard index & mask == number, let indexed = expand(index, latest), indexed != newest else { return newest }
        let difference = payload.uint64(at: 0) ^ cookie(of: indexed)
        return difference.nonzeroBitCount <= Self.toleratedBits ? indexed : newest
    }

    private func expand(_ number: UInt32, bits: Int = 32, _ latest: ProbeID) -> ProbeID? {
        let mask = (UInt64(1) << UInt64(bits)) &- 1
        let back = (latest.rawValue &- UInt64(number)) & mask
        guard back < latest.rawValue else { return nil }
        return ProbeID(rawValue: latest.rawValue - back)
    }

    private func cookie(of id: ProbeID) -> UInt64 { identity.cookies.hash(id.rawValue) }

    /// What marks datagrams that are all the same as ours; no probe has such a number.
    private func flowCookie(ofPort port: UInt16) -> UInt64 { identity.cookies.hash(UInt64.max - UInt64(port)) }

    private func isFlowCookie(_ payload: RawSpan) -> Bool {
        guard payload.byteCount >= Self.markLength else { return false }
        let found = payload.uint64(at: 0)
        return identity.sourcePorts.contains { flowCookie(ofPort: $0) == found }
    }

    /// What is wrong with a payload, nil when it is not ours at all: its cookie differs in more than a few bits.
    ///
    /// A payload too short for a cookie is judged by the measurement, which knows how long it was.
    private func integrity(of payload: RawSpan, for id: ProbeID, skippingTo skipped: Int) -> Response.Integrity? {
        var offset = 0
        if payload.byteCount >= Self.cookieLength {
            let cookie = cookie(of: id)
            let found = payload.uint64(at: 0)
            if found != cookie {
                guard (found ^ cookie).nonzeroBitCount <= Self.toleratedBits else { return nil }
                let octet = (found ^ cookie).leadingZeroBitCount / 8
                return .wrongOctet(
                    offset: octet, expected: UInt8(truncatingIfNeeded: cookie >> UInt64(56 - 8 * octet)),
                    found: payload.octet(at: octet))
            }
            let index = UInt32(truncatingIfNeeded: id.rawValue)
            let difference = index ^ payload.uint32(at: 8)
            if difference != 0 {
                let octet = difference.leadingZeroBitCount / 8
                return .wrongOctet(
                    offset: 8 + octet, expected: UInt8(truncatingIfNeeded: index >> UInt32(24 - 8 * octet)),
                    found: payload.octet(at: 8 + octet))
            }
            offset = skipped
        }
        let countsUp = content.pattern.isEmpty
        while offset < payload.byteCount {
            if countsUp, offset & 7 == 0, offset &+ 8 <= payload.byteCount,
                payload.uint64(at: offset) == Self.countingUp(from: offset)
            {
                offset &+= 8
                continue
            }
            let found = payload.octet(at: offset)
            if found != pattern(at: offset) {
                return .wrongOctet(offset: offset, expected: pattern(at: offset), found: found)
            }
            offset &+= 1
        }
        return .intact
    }

    /// Eight octets of a pattern that counts up, from an offset on that is a multiple of eight.
    private static func countingUp(from offset: Int) -> UInt64 {
        0x0001_0203_0405_0607 | UInt64(offset & 0xf8) &* 0x0101_0101_0101_0101
    }

    private func pattern(at offset: Int) -> UInt8 {
        content.pattern.isEmpty
            ? UInt8(truncatingIfNeeded: offset) : content.pattern[offset % content.pattern.count]
    }

    /// Whether this stands in the place of an index when a payload of 9, 10 or 11 octets is padded.
    private func isEndOfPattern(_ index: UInt32) -> Bool {
        var end: UInt32 = 0
        for octet in 0..<3 {
            end |= UInt32(pattern(at: 8 + octet)) << UInt32(24 - 8 * octet)
            if index == end { return true }
        }
        return false
    }

    /// Octets that a payload needs for cookie and index.
    public static let cookieLength = 12
    /// Octets that a payload needs for a balanced checksum too.
    public static let balancedLength = 14
    /// The checksum of flow 0; the lower bits are the flow's.
    private static let flowChecksum: UInt16 = 0x4000
    private static let flowMask: UInt16 = 0x3fff
    /// A random cookie is this near to ours once in 2^43.
    private static let toleratedBits = 3
    /// Octets of the cookie alone.
    private static let markLength = 8
    /// Octets in front of the cookie where there is no header.
    private static let flowPrefix = 4
    private static let marks: UInt64 = 65_535
    /// The payloads of successive `dublin` probes over IPv6 have so many lengths.
    public static let dublinLengths = 512
    /// The first probe of 32 octets has just those.
    private static let dublinOffset = 31
    /// Octets of a UDP payload in a packet that every link of IPv6 takes.
    private static let longestBalancedV6 = 1_280 - IPv6Header.length - UDPHeader.length
    private static let maximumSegmentSizeLength = 4
}

/// Whence and when a packet came.
public struct Arrival: Hashable, Sendable, BitwiseCopyable {
    public var source: IPAddress
    public var hopLimit: UInt8?
    public var trafficClass: UInt8?
    public var stamp: Stamp
    /// When this process read it.
    public var time: Timestamp

    @inlinable
    public init(
        source: IPAddress, hopLimit: UInt8? = nil, trafficClass: UInt8? = nil, stamp: Stamp, time: Timestamp
    ) {
        self.source = source
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.stamp = stamp
        self.time = time
    }
}

/// An ICMP error as a socket's error queue tells of it (ip(7), `IP_RECVERR`).
public struct QueuedError: Hashable, Sendable, BitwiseCopyable {
    public var type: ICMPType
    public var code: UInt8
    public var info: UInt32
    /// Where the probe was going.
    public var destination: IPAddress
    /// Where the ICMP extensions start in what is quoted.
    public var extensionOffset: Int?
    /// To which port; nil where there are none.
    public var port: UInt16?

    public init(
        type: ICMPType, code: UInt8, info: UInt32, destination: IPAddress, extensionOffset: Int? = nil,
        port: UInt16? = nil
    ) {
        self.type = type
        self.code = code
        self.info = info
        self.destination = destination
        self.extensionOffset = extensionOffset
        self.port = port
    }
}

extension OutputRawSpan {
    /// Throws `truncated` when fewer than `needed` octets are free.
    func requireRoom(_ needed: Int) throws(PacketError) {
        guard freeCapacity >= needed else { throw .truncated(needed: needed, available: freeCapacity) }
    }
}
