import PacketFormats

extension Array where Element == UInt8 {
    /// The offset of the record route option in an IPv4 header of `length` octets (RFC 791 section 3.1).
    func recordRouteOption(_ length: Int) -> Int? {
        var offset = 20
        while offset < length, self[offset] != 0 {
            if self[offset] == 1 {
                offset += 1
                continue
            }
            guard offset + 2 < length, self[offset + 1] >= 3, offset + Int(self[offset + 1]) <= length else {
                return nil
            }
            if self[offset] == 7 { return offset }
            offset += Int(self[offset + 1])
        }
        return nil
    }

    /// Enters a router's address in the record route option, where there is one with room left.
    mutating func recordRoute(_ address: IPv4Address, headerLength: Int) {
        guard let option = recordRouteOption(headerLength) else { return }
        let pointer = Int(self[option + 2])
        guard pointer >= 4, pointer + 3 <= Int(self[option + 1]) else { return }
        replace(at: option + pointer - 1, with: UInt16(truncatingIfNeeded: address.rawValue >> 16))
        replace(at: option + pointer + 1, with: UInt16(truncatingIfNeeded: address.rawValue))
        self[option + 2] &+= 4
        completeIPv4Header(headerLength)
    }
}

/// Cuts a packet into fragments that fit an MTU: IPv4 wherever DF is clear, IPv6 where the packet starts (RFC 791,
/// RFC 8200 section 4.5).
///
/// Returns nil when the MTU leaves no room for eight octets. O(n).
func fragments(of packet: [UInt8], _ layout: PacketLayout, mtu: Int, identification: UInt32) -> [[UInt8]]? {
    let isV4 = layout.version == .v4
    let header = isV4 ? Int(packet[0] & 0xf) * 4 : 40
    // Options that are not copied stay in the first fragment; those of this network's packets never are.
    let laterHeader = isV4 ? 20 : 48
    let firstHeader = isV4 ? header : 48
    var rest = packet[header...]
    var offset = isV4 ? layout.fragmentOffset : 0
    var result: [[UInt8]] = []
    while !rest.isEmpty {
        let headerLength = result.isEmpty ? firstHeader : laterHeader
        let room = mtu - headerLength
        let isLast = rest.count <= room
        let length = isLast ? rest.count : room & ~7
        guard length >= 8 || (isLast && length > 0) else { return nil }
        var fragment = Array(packet[..<(isV4 ? headerLength : 40)])
        if isV4 {
            let more = !isLast || layout.moreFragments
            fragment[0] = UInt8(0x40 + headerLength / 4)
            fragment.replace(at: 2, with: UInt16(truncatingIfNeeded: headerLength + length))
            let field = (more ? 0x2000 : 0) | UInt16(truncatingIfNeeded: offset / 8)
            fragment.replace(at: 6, with: field)
            fragment.completeIPv4Header(headerLength)
        } else {
            fragment.replace(at: 4, with: UInt16(truncatingIfNeeded: 8 + length))
            fragment[6] = IPProtocol.fragment.rawValue
            fragment.append(packet[6])
            fragment.append(0 as UInt8)
            fragment.append(UInt16(truncatingIfNeeded: offset) | (isLast ? 0 : 1))
            fragment.append(identification)
        }
        fragment += rest.prefix(length)
        rest = rest.dropFirst(length)
        offset += length
        result.append(fragment)
    }
    return result
}

/// Puts the datagrams together that reach a host in fragments (RFC 791, RFC 8200 section 4.5).
///
/// Bounded: 64 datagrams of at most 65,535 octets; the oldest makes room.
struct Reassembler: Sendable {
    private struct Key: Hashable {
        var source: IPAddress
        var destination: IPAddress
        var proto: IPProtocol
        var identification: UInt32
    }

    private struct Part {
        var offset: Int
        var bytes: [UInt8]
        var origin: Int
    }

    private struct Datagram {
        var key: Key
        var parts: [Part] = []
        /// The header of the first fragment.
        var header: [UInt8] = []
        var length: Int?
        var origin = 0
        var deadline: Int64
    }

    private var datagrams: [Datagram] = []
    /// Origins of the packets whose datagram was given up; the network takes them from here.
    var abandoned: [Int] = []

    /// Takes a fragment in. Returns the whole datagram, as if it had never been cut, and the origin of its first
    /// fragment when this one was the last that lacked.
    mutating func add(_ packet: [UInt8], _ layout: PacketLayout, origin: Int, at now: Int64) -> ([UInt8], Int)? {
        while let oldest = datagrams.first, oldest.deadline <= now || datagrams.count > 64 {
            abandoned += oldest.parts.map(\.origin)
            datagrams.removeFirst()
        }
        let payload = Array(packet[layout.transport...])
        let end = layout.fragmentOffset + payload.count
        guard !payload.isEmpty, end <= 65_535, !layout.moreFragments || payload.count % 8 == 0 else {
            abandoned.append(origin)
            return nil
        }
        // An atomic fragment is whole by itself (RFC 6946).
        let key = Key(
            source: layout.source, destination: layout.destination, proto: layout.proto,
            identification: layout.identification)
        var index = datagrams.firstIndex { $0.key == key }
        if index == nil {
            datagrams.append(Datagram(key: key, deadline: now &+ 30_000_000_000))
            index = datagrams.count - 1
        }
        guard let index else { return nil }
        if datagrams[index].parts.contains(where: { $0.offset == layout.fragmentOffset && $0.bytes == payload }) {
            return nil
        }
        let overlaps = datagrams[index].parts.contains {
            $0.offset < end && layout.fragmentOffset < $0.offset + $0.bytes.count
        }
        let lastEnd = datagrams[index].parts.map { $0.offset + $0.bytes.count }.max() ?? 0
        let contradicts =
            if let length = datagrams[index].length {
                end > length || !layout.moreFragments
            } else {
                !layout.moreFragments && lastEnd > end
            }
        datagrams[index].parts.append(Part(offset: layout.fragmentOffset, bytes: payload, origin: origin))
        if overlaps || contradicts {
            // RFC 5722: the whole datagram goes.
            abandoned += datagrams[index].parts.map(\.origin)
            datagrams.remove(at: index)
            return nil
        }
        if layout.fragmentOffset == 0 {
            datagrams[index].header = Self.header(of: packet, layout)
            datagrams[index].origin = origin
        }
        if !layout.moreFragments { datagrams[index].length = end }
        return complete(index)
    }

    private mutating func complete(_ index: Int) -> ([UInt8], Int)? {
        let datagram = datagrams[index]
        guard let length = datagram.length, datagram.parts.reduce(0, { $0 + $1.bytes.count }) == length else {
            return nil
        }
        datagrams.remove(at: index)
        var packet = datagram.header
        for part in datagram.parts.sorted(by: { $0.offset < $1.offset }) { packet += part.bytes }
        guard packet[0] >> 4 == 4 else {
            guard packet.count - 40 <= 65_535 else { return nil }
            packet.replace(at: 4, with: UInt16(packet.count - 40))
            return (packet, datagram.origin)
        }
        guard packet.count <= 65_535 else { return nil }
        packet.replace(at: 2, with: UInt16(packet.count))
        packet.replace(at: 6, with: 0)
        packet.completeIPv4Header(Int(packet[0] & 0xf) * 4)
        return (packet, datagram.origin)
    }

    /// The headers before the payload, without the IPv6 fragment header.
    private static func header(of packet: [UInt8], _ layout: PacketLayout) -> [UInt8] {
        guard layout.version == .v6 else { return Array(packet[..<layout.transport]) }
        var header = Array(packet[..<layout.fragmentHeader])
        header[layout.fragmentHeaderName] = packet[layout.fragmentHeader]
        return header + packet[(layout.fragmentHeader + 8)..<layout.transport]
    }
}
