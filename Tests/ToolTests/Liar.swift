import PacketFormats
import SimulatedNetwork

/// Turns honest answers into lies; a seed is its only randomness.
struct Liar {
    /// A way to lie. Those of `forgeries` never make an answer that belongs to a probe.
    enum Lie: CaseIterable {
        case honest, flips, repairedFlips, truncation, lengths, options, fragments, quotes, extensions, labels
        case recorded, timestamp, cookie, octet, sequence, identifier, source, unsent, hints, huge, copies

        static let forgeries: [Lie] = [.timestamp, .cookie, .sequence, .identifier, .source, .fragments]
    }

    let seed: UInt64
    /// The lies to choose from, at random for each answer.
    let repertoire: [Lie]
    /// How many packets `copies` makes of one.
    let copies: Int
    /// The packet of the host that is being answered.
    var request: [UInt8] = []

    private var generator: SeededGenerator
    private var turn = 0

    init(_ repertoire: [Lie], seed: UInt64, copies: Int = 300) {
        self.repertoire = repertoire
        self.seed = seed
        self.copies = copies
        generator = SeededGenerator(seed: seed)
    }

    /// What goes to the host in the place of an answer.
    mutating func lies(about answer: [UInt8]) -> [[UInt8]] {
        guard let packet = Packet(answer) else { return [] }
        turn += 1
        switch repertoire[number(below: repertoire.count)] {
        case .honest: return [answer]
        case .flips: return [flipped(packet).bytes]
        case .repairedFlips: return [flipped(packet).completed().bytes]
        case .truncation: return truncated(packet)
        case .lengths: return [lyingLength(packet).bytes]
        case .options: return [withOptions(packet).bytes]
        case .recorded: return (0..<4).map { _ in withRecords(packet).bytes }
        case .fragments: return fragments(of: packet)
        case .quotes: return (0..<8).map { _ in error(quoting: damagedQuote(), [], packet).bytes }
        case .extensions: return (0..<8).map { _ in error(quoting: padded(request), extensions(), packet).bytes }
        case .labels: return [error(quoting: padded(request), labels(), packet).bytes]
        case .timestamp: return [asTimestampReply(packet).bytes]
        case .cookie: return [packet.changing(packet.cookie, by: 0xa5).completed().bytes]
        case .octet: return [packet.changing(packet.pattern, by: 0x10).completed().bytes]
        case .sequence: return [packet.changing(packet.sequence, by: 0x35).completed().bytes]
        case .identifier: return [packet.changing(packet.identifier, by: 0x5a).completed().bytes]
        case .source: return [fromElsewhere(packet).bytes]
        case .unsent: return (1...16).map { unsent($0, packet).bytes }
        case .hints: return hints(packet)
        case .huge: return [huge(packet).bytes]
        case .copies: return Array(repeating: answer, count: copies)
        }
    }

    private mutating func number(below bound: Int) -> Int { Int(generator.number(below: UInt64(bound))) }

    private mutating func octet() -> UInt8 { UInt8(truncatingIfNeeded: generator.next()) }

    // MARK: Damage

    private mutating func flipped(_ packet: Packet) -> Packet {
        var packet = packet
        for _ in 0...number(below: 8) {
            packet.bytes[number(below: packet.bytes.count)] ^= 1 << UInt8(number(below: 8))
        }
        return packet
    }

    /// Cut behind the IP header, at every length in turn, with checksums that are right.
    private mutating func truncated(_ packet: Packet) -> [[UInt8]] {
        let rest = packet.bytes.count - packet.transport
        return (0..<8).map { step in
            var cut = packet
            cut.bytes.removeLast(rest - (turn * 8 + step) % max(1, rest))
            return cut.completed().bytes
        }
    }

    private mutating func lyingLength(_ packet: Packet) -> Packet {
        var packet = packet
        let at = packet.transport
        switch number(below: 5) {
        case 0: packet.bytes[packet.isV4 ? 2 : 4] = octet()
        case 1: if packet.isV4 { packet.bytes[0] = 0x40 | octet() & 0xf }
        case 2: packet.bytes[min(at + 5, packet.bytes.count - 1)] = octet()
        case 3: if packet.bytes.count > at + 12 { packet.bytes[at + 12] = octet() }
        default: packet.bytes += (0..<number(below: 64)).map { _ in 0 }
        }
        return packet.withChecksums()
    }

    private mutating func withOptions(_ packet: Packet) -> Packet {
        var packet = packet
        if packet.isV4 {
            let words = 1 + number(below: 10)
            let area = (0..<words * 4).map { _ in number(below: 3) == 0 ? octet() : 1 }
            packet.bytes.insert(contentsOf: area, at: packet.transport)
            packet.bytes[0] = 0x45 + UInt8(words)
            packet.transport += words * 4
        } else {
            let kinds: [IPProtocol] = [.hopByHopOptions, .destinationOptions, .fragment, .routing]
            for _ in 0...number(below: 3) {
                var header = (0..<8).map { _ in number(below: 2) == 0 ? octet() : 0 }
                header[0] = packet.bytes[6]
                header[1] = 0
                packet.bytes.insert(contentsOf: header, at: 40)
                packet.transport += 8
                packet.bytes[6] = kinds[number(below: 4)].rawValue
            }
        }
        return packet.completed()
    }

    /// Routes and times that routers wrote down, whose lengths, pointers and forms lie (RFC 791 section 3.1).
    private mutating func withRecords(_ packet: Packet) -> Packet {
        guard packet.isV4 else { return withOptions(packet) }
        var packet = packet
        var area: [UInt8] = []
        for _ in 0...number(below: 3) {
            let type: [UInt8] = [7, 68, 131, 137, 148]
            let length: [UInt8] = [0, 1, 2, 3, 4, 7, 8, 11, 36, 39, 40, 255]
            let pointer: [UInt8] = [0, 1, 4, 5, 8, 36, 40, 255]
            area += [type[number(below: 5)], length[number(below: 12)], pointer[number(below: 8)], octet()]
            area += (0..<number(below: 36)).map { _ in octet() }
        }
        area = Array(area.prefix(40))
        area += [UInt8](repeating: 0, count: -area.count & 3)
        packet.bytes.insert(contentsOf: area, at: packet.transport)
        packet.bytes[0] = 0x45 + UInt8(area.count / 4)
        packet.transport += area.count
        return packet.completed()
    }

    /// Pieces that overlap, have other contents, or never make up a packet.
    private mutating func fragments(of packet: Packet) -> [[UInt8]] {
        guard packet.isV4 else {
            return (0..<3).map { index in
                var piece = packet
                let header: [UInt8] = [
                    packet.bytes[6], 0, 0, UInt8(number(below: 5)) << 3 | 1, 0, 0, 7, UInt8(index & 1),
                ]
                piece.bytes.insert(contentsOf: header, at: 40)
                piece.transport += 8
                piece.bytes[6] = IPProtocol.fragment.rawValue
                return piece.completed().bytes
            }
        }
        return (0..<4).map { _ in
            var piece = packet
            piece.bytes[6] = 0x20
            piece.bytes[7] = UInt8(number(below: 8))
            piece.bytes[5] = UInt8(number(below: 2))
            return piece.withChecksums().bytes
        }
    }

    private func huge(_ packet: Packet) -> Packet {
        var packet = packet
        let limit = packet.isV4 ? 65_535 : 65_575
        packet.bytes += (packet.bytes.count..<limit).map { UInt8(truncatingIfNeeded: $0) }
        return packet.completed()
    }

    // MARK: Errors

    /// An ICMP error about the request from the node that answered.
    private mutating func error(quoting quote: [UInt8], _ extensions: [UInt8], _ packet: Packet) -> Packet {
        let types: [UInt8] = packet.isV4 ? [3, 4, 5, 11, 12] : [1, 2, 3, 4]
        var type = types[number(below: types.count)]
        if number(below: 16) == 0 { type = octet() }
        let words = packet.isV4 ? quote.count / 4 : quote.count / 8
        var header: [UInt8] = [type, number(below: 4) == 0 ? octet() : UInt8(number(below: 5)), 0, 0, 0, 0, 0, 0]
        if !extensions.isEmpty { header[packet.isV4 ? 5 : 4] = UInt8(clamping: words) }
        if number(below: 4) == 0 { for index in 4..<8 { header[index] = octet() } }
        return packet.replacingMessage(header + quote + extensions)
    }

    private func padded(_ quote: [UInt8]) -> [UInt8] {
        quote.count >= 128 ? Array(quote.prefix(128)) : quote + [UInt8](repeating: 0, count: 128 - quote.count)
    }

    /// The request as no router could have seen it.
    private mutating func damagedQuote() -> [UInt8] {
        var quote = request
        for _ in 0..<number(below: 4) where !quote.isEmpty { quote[number(below: quote.count)] = octet() }
        if number(below: 3) == 0 { quote[0] = octet() }
        if number(below: 2) == 0 { quote.removeLast(quote.count - number(below: quote.count + 1)) }
        return quote
    }

    /// Extension structures whose lengths lie (RFC 4884 section 7).
    private mutating func extensions() -> [UInt8] {
        var objects: [UInt8] = []
        for _ in 0..<number(below: 12) {
            let length = [0, 1, 3, 4, 8, 12, 255, 65_535][number(below: 8)]
            objects += [UInt8(length >> 8), UInt8(length & 0xff), UInt8(1 + number(below: 3)), octet()]
            objects += (0..<number(below: 24)).map { _ in octet() }
        }
        return structure(objects)
    }

    /// A stack of 300 labels, none of which is the bottom.
    private func labels() -> [UInt8] {
        var object: [UInt8] = []
        object.append(UInt16(4 + 300 * 4))
        object += [1, 1]
        for label in 0..<300 { object.append(UInt32(label) << 12 | 1) }
        return structure(object)
    }

    private func structure(_ objects: [UInt8]) -> [UInt8] {
        var structure: [UInt8] = [0x20, 0, 0, 0] + objects
        let sum = InternetChecksum.of(structure.bytes)
        structure.replace(at: 2, with: sum)
        return structure
    }

    /// Time exceeded for a probe that comes later, or never.
    private mutating func unsent(_ ahead: Int, _ packet: Packet) -> Packet {
        guard var quote = Packet(request) else { return packet }
        for field in [quote.sequence, quote.index] where field.upperBound <= quote.bytes.count && !field.isEmpty {
            let last = field.upperBound - 1
            let sum = Int(quote.bytes[last - 1]) << 8 + Int(quote.bytes[last]) + ahead
            quote.bytes[last - 1] = UInt8(truncatingIfNeeded: sum >> 8)
            quote.bytes[last] = UInt8(truncatingIfNeeded: sum)
        }
        return packet.replacingMessage([packet.isV4 ? 11 : 3, 0, 0, 0, 0, 0, 0, 0] + quote.bytes)
    }

    /// Redirects and source quench, and every other type that there is, about the request.
    private func hints(_ packet: Packet) -> [[UInt8]] {
        let types = [4, 5, 4, 5].map { UInt8($0) } + (0...255).map { UInt8($0) }
        // A group report or neighbour discovery message could change the host's own state.
        return types.filter { packet.isV4 || !(130...153).contains($0) }.map { type in
            packet.replacingMessage([type, UInt8(turn & 3), 0, 0, 192, 0, 2, 1] + request).bytes
        }
    }

    // MARK: Forgeries

    /// An echo reply becomes a timestamp reply about midnight, which carries no cookie; other answers get a wrong number.
    private func asTimestampReply(_ packet: Packet) -> Packet {
        guard packet.isV4, packet.bytes[9] == IPProtocol.icmp.rawValue, packet.bytes[packet.transport] == 0 else {
            return packet.changing(packet.sequence, by: 0x35).completed()
        }
        var packet = packet
        packet.bytes[packet.transport] = ICMPType.V4.timestampReply.rawValue
        for index in packet.transport + 8..<min(packet.transport + 20, packet.bytes.count) { packet.bytes[index] = 0 }
        return packet.completed()
    }

    private mutating func fromElsewhere(_ packet: Packet) -> Packet {
        var packet = packet
        let at = packet.isV4 ? 15 : 23
        packet.bytes[at] ^= UInt8(1 + number(below: 200))
        if let message = packet.errorOffset {
            // Routers may be anywhere: what they quote must be wrong too.
            packet.bytes[message + 8 + (packet.isV4 ? 19 : 39)] ^= 0x55
        }
        return packet.completed()
    }
}

/// Bytes of an IP packet, and where things are in them.
struct Packet {
    var bytes: [UInt8]
    let isV4: Bool
    /// Of the upper layer, behind extension headers.
    private var proto: IPProtocol
    /// Offset of the upper-layer header.
    var transport: Int

    init?(_ bytes: [UInt8]) {
        guard let first = bytes.first, first >> 4 == 4 || first >> 4 == 6 else { return nil }
        isV4 = first >> 4 == 4
        transport = isV4 ? Int(first & 0xf) * 4 : 40
        guard bytes.count >= transport + 8, transport >= 20 else { return nil }
        proto = IPProtocol(rawValue: bytes[isV4 ? 9 : 6])
        self.bytes = bytes
    }

    /// The offset of the ICMP header, where it is an error's.
    var errorOffset: Int? {
        guard proto == .icmp || proto == .icmpv6 else { return nil }
        let type = ICMPType(rawValue: bytes[transport])
        return type.quotesPacket(isV4 ? .v4 : .v6) ? transport : nil
    }

    /// The probe's upper-layer header: of an error in what it quotes.
    private var probe: (proto: IPProtocol, offset: Int) {
        guard let errorOffset, bytes.count > errorOffset + 28 else { return (proto, transport) }
        let quote = errorOffset + 8
        return (IPProtocol(rawValue: bytes[quote + (isV4 ? 9 : 6)]), quote + (isV4 ? 20 : 40))
    }

    private func field(_ offset: Int, _ count: Int) -> Range<Int> {
        let start = min(probe.offset + offset, bytes.count)
        return start..<min(start + count, bytes.count)
    }

    /// Of a segment half of its number, which acknowledges or is quoted.
    var cookie: Range<Int> {
        if probe.proto == .tcp { return field(errorOffset == nil ? 10 : 6, 2) }
        // What is quoted without payload has no cookie: its destination is as good.
        let cookie = field(8, 8)
        return cookie.count == 8 ? cookie : errorOffset.map { $0 + 24..<$0 + 28 } ?? cookie
    }

    var sequence: Range<Int> {
        switch probe.proto {
        case .tcp: field(errorOffset == nil ? 8 : 4, 2)
        case .udp: index.count == 4 ? index : cookie
        default: field(6, 2)
        }
    }

    var index: Range<Int> { probe.proto == .tcp ? 0..<0 : field(16, 4) }

    /// An octet of the payload behind cookie and index.
    var pattern: Range<Int> { probe.proto == .tcp ? 0..<0 : field(24, 1) }

    /// Identifier, or the port that is the host's.
    var identifier: Range<Int> {
        switch probe.proto {
        case .tcp, .udp: field(errorOffset == nil ? 2 : 0, 2)
        default: field(4, 2)
        }
    }

    func changing(_ range: Range<Int>, by mask: UInt8) -> Packet {
        var packet = self
        for index in range { packet.bytes[index] ^= mask }
        return packet
    }

    /// The same IP header before another ICMP message.
    func replacingMessage(_ message: [UInt8]) -> Packet {
        var packet = self
        packet.bytes = Array(bytes[..<transport]) + message
        packet.proto = isV4 ? .icmp : .icmpv6
        packet.bytes[isV4 ? 9 : 6] = packet.proto.rawValue
        return packet.completed()
    }

    /// With lengths and checksums that are right.
    func completed() -> Packet {
        var packet = self
        packet.bytes[0] = packet.bytes[0] & 0xf | (isV4 ? 0x40 : 0x60)
        if isV4 {
            packet.bytes[0] = 0x40 | UInt8(transport / 4)
            packet.bytes.replace(at: 2, with: UInt16(clamping: bytes.count))
        } else {
            packet.bytes.replace(at: 4, with: UInt16(clamping: bytes.count - 40))
        }
        if proto == .udp, packet.bytes.count >= transport + 6 {
            packet.bytes.replace(at: transport + 4, with: UInt16(clamping: bytes.count - transport))
        }
        return packet.withChecksums()
    }

    /// With checksums that are right, as far as the packet goes.
    func withChecksums() -> Packet {
        var packet = self
        if isV4, bytes.count >= 20 {
            packet.bytes.replace(at: 10, with: 0)
            let length = min(Int(packet.bytes[0] & 0xf) * 4, bytes.count)
            let sum = InternetChecksum.of(packet.bytes.bytes.prefix(length))
            packet.bytes.replace(at: 10, with: sum)
        }
        let offset: Int
        switch proto {
        case .icmp, .icmpv6: offset = 2
        case .udp: offset = 6
        case .tcp: offset = 16
        default: return packet
        }
        guard bytes.count >= transport + offset + 2 else { return packet }
        packet.bytes.replace(at: transport + offset, with: 0)
        var sum = InternetChecksum()
        if proto != .icmp {
            guard let header = packet.addresses else { return packet }
            sum.addPseudoHeader(
                source: header.source, destination: header.destination, proto: proto, length: bytes.count - transport)
        }
        sum.add(packet.bytes.bytes.from(transport))
        packet.bytes.replace(at: transport + offset, with: sum.value)
        return packet
    }

    private var addresses: (source: IPAddress, destination: IPAddress)? {
        guard bytes.count >= (isV4 ? 20 : 40) else { return nil }
        let span = bytes.bytes
        if isV4 {
            return (
                .v4(IPv4Address(rawValue: span.uint32(at: 12))), .v4(IPv4Address(rawValue: span.uint32(at: 16)))
            )
        }
        return (
            .v6(IPv6Address(high: span.uint64(at: 8), low: span.uint64(at: 16))),
            .v6(IPv6Address(high: span.uint64(at: 24), low: span.uint64(at: 32)))
        )
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ value: UInt16) { self += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

    fileprivate mutating func append(_ value: UInt32) {
        append(UInt16(value >> 16))
        append(UInt16(truncatingIfNeeded: value))
    }

    fileprivate mutating func replace(at offset: Int, with value: UInt16) {
        self[offset] = UInt8(value >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}
