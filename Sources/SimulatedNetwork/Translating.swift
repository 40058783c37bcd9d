import PacketFormats

/// Where the parts of an IP packet are that translators change: of the packet itself, or of one that an error quotes.
struct TranslatedHeader {
    var version: IPVersion
    var proto: IPProtocol
    var start: Int
    /// Offset of the upper-layer header; nil where there is none.
    var transport: Int?
    /// Offset of the checksum of the ICMP error that quotes all this.
    var enclosing: Int?

    init(_ layout: PacketLayout) {
        version = layout.version
        proto = layout.proto
        start = 0
        transport = layout.fragmentOffset == 0 ? layout.transport : nil
    }

    /// nil when the packet is no ICMP error, or does not quote a whole header of its own version.
    init?(quotedIn bytes: [UInt8], _ layout: PacketLayout) {
        start = layout.transport + 8
        version = layout.version
        let length = version == .v4 ? 20 : 40
        guard layout.isError(bytes), start + length <= bytes.count, bytes[start] >> 4 == (version == .v4 ? 4 : 6) else {
            return nil
        }
        enclosing = layout.transport + 2
        switch version {
        case .v4:
            proto = IPProtocol(rawValue: bytes[start + 9])
            let isFirst = (bytes.uint16(at: start + 6) & 0x1fff) == 0
            transport = isFirst ? start + max(20, Int(bytes[start] & 0xf) * 4) : nil
        case .v6:
            proto = IPProtocol(rawValue: bytes[start + 6])
            transport = start + 40
        }
    }

    func offset(isSource: Bool) -> Int {
        switch version {
        case .v4: start + (isSource ? 12 : 16)
        case .v6: start + (isSource ? 8 : 24)
        }
    }

    /// The offset of a port of UDP or TCP, nil where there is none.
    func port(isSource: Bool, in bytes: [UInt8]) -> Int? {
        guard proto == .udp || proto == .tcp, let transport, transport + 4 <= bytes.count else { return nil }
        return transport + (isSource ? 0 : 2)
    }

    /// The offset of the upper-layer checksum, nil where there is none.
    func checksum(in bytes: [UInt8]) -> Int? {
        guard let transport, let offset = InternetChecksum.offset(proto), transport + offset + 2 <= bytes.count else {
            return nil
        }
        if proto == .udp, bytes.uint16(at: transport + offset) == 0 { return nil }
        return transport + offset
    }
}

extension Array where Element == UInt8 {
    /// The address in a header.
    func address(_ header: TranslatedHeader, isSource: Bool) -> IPAddress {
        let offset = header.offset(isSource: isSource)
        switch header.version {
        case .v4: return .v4(IPv4Address(rawValue: bytes.uint32(at: offset)))
        case .v6:
            return .v6(
                IPv6Address(
                    high: UInt64(bytes.uint32(at: offset)) << 32 | UInt64(bytes.uint32(at: offset + 4)),
                    low: UInt64(bytes.uint32(at: offset + 8)) << 32 | UInt64(bytes.uint32(at: offset + 12))))
        }
    }

    /// Replaces an address of a header, which is of the same version (RFC 3022 section 4.1, RFC 1624).
    ///
    /// - Parameter transport: whether the upper-layer checksum is brought up to date too.
    mutating func translate(_ header: TranslatedHeader, isSource: Bool, to address: IPAddress, transport: Bool = true) {
        guard address.version == header.version else { return }
        var octets: [UInt8] = []
        octets.append(address)
        // The checksum of ICMP for IPv4 does not cover addresses.
        let upper = transport && header.proto != .icmp ? header.checksum(in: self) : nil
        let own = header.version == .v4 ? header.start + 10 : nil
        rewrite(octets, at: header.offset(isSource: isSource), [own, upper], header)
    }

    /// Adds to a port of UDP or TCP, where there is one.
    mutating func shiftPort(_ header: TranslatedHeader, isSource: Bool, by shift: UInt16) {
        guard shift != 0, let offset = header.port(isSource: isSource, in: self) else { return }
        let port = uint16(at: offset) &+ shift
        rewrite([UInt8(port >> 8), UInt8(port & 0xff)], at: offset, [header.checksum(in: self)], header)
    }

    /// Takes the translation of a source back in an answer.
    mutating func restoreSource(
        _ original: IPAddress, _ translation: Translation, _ layout: PacketLayout
    ) {
        let header = TranslatedHeader(layout)
        translate(header, isSource: false, to: original)
        guard let quoted = TranslatedHeader(quotedIn: self, layout) else {
            shiftPort(header, isSource: false, by: 0 &- translation.portShift)
            return
        }
        guard translation.quotes != .forgetful,
            address(quoted, isSource: true) == translation.address(layout.version)
        else { return }
        let isWhole = translation.quotes == .whole
        translate(quoted, isSource: true, to: original, transport: isWhole)
        if isWhole { shiftPort(quoted, isSource: true, by: 0 &- translation.portShift) }
    }

    /// Takes the translation of a destination back in an answer: of the server itself, or of a router on the way to it.
    mutating func restoreDestination(_ original: IPAddress, _ redirection: Redirection, _ layout: PacketLayout) {
        let header = TranslatedHeader(layout)
        let translated = redirection.address(layout.version)
        if address(header, isSource: true) == translated { translate(header, isSource: true, to: original) }
        guard redirection.quotes != .forgetful, let quoted = TranslatedHeader(quotedIn: self, layout),
            address(quoted, isSource: false) == translated
        else { return }
        translate(quoted, isSource: false, to: original, transport: redirection.quotes == .whole)
    }

    /// Takes what a router added to sequence numbers out of what a segment acknowledges.
    mutating func restoreAcknowledgment(_ shift: UInt32, _ layout: PacketLayout) {
        guard let segment = segment(layout), self[segment.transport + 13] & 0x10 != 0 else { return }
        let offset = segment.transport + 8
        replace(bytes.uint32(at: offset) &- shift, at: offset, segment.header)
    }

    /// Changes what a router rewrites in a packet that it sends on.
    mutating func apply(_ rewriting: Rewriting, _ layout: PacketLayout) {
        let header = TranslatedHeader(layout)
        switch layout.version {
        case .v4:
            if rewriting.clearsDontFragment { rewrite([self[6] & ~0x40], at: 6, [10], header) }
            if let number = rewriting.identification {
                rewrite([UInt8(number >> 8), UInt8(number & 0xff)], at: 4, [10], header)
            }
        case .v6:
            if let label = rewriting.flowLabel {
                self[1] = self[1] & 0xf0 | UInt8(label >> 16 & 0xf)
                replace(at: 2, with: UInt16(truncatingIfNeeded: label))
            }
        }
        guard let segment = segment(layout) else { return }
        if rewriting.sequenceShift != 0 {
            let offset = segment.transport + 4
            replace(bytes.uint32(at: offset) &+ rewriting.sequenceShift, at: offset, segment.header)
        }
        var offset = segment.transport + 20
        let end = segment.transport + Int(self[segment.transport + 12] >> 4) * 4
        guard end <= count else { return }
        while offset < end, self[offset] != 0 {
            guard self[offset] != 1 else {
                offset += 1
                continue
            }
            guard offset + 1 < end, self[offset + 1] >= 2, offset + Int(self[offset + 1]) <= end else { return }
            let (kind, length) = (self[offset], Int(self[offset + 1]))
            let checksum = segment.header.checksum(in: self)
            if kind == 2, length == 4, let limit = rewriting.maximumSegment, self[segment.transport + 13] & 2 != 0,
                bytes.uint16(at: offset + 2) > limit
            {
                rewrite([UInt8(limit >> 8), UInt8(limit & 0xff)], at: offset + 2, [checksum], segment.header)
            }
            if rewriting.strippedOptions.contains(where: { $0.holds(kind) }) {
                rewrite([UInt8](repeating: 1, count: length), at: offset, [checksum], segment.header)
            }
            offset += length
        }
    }

    /// The TCP header of a packet, if its first 20 octets are there.
    private func segment(_ layout: PacketLayout) -> (header: TranslatedHeader, transport: Int)? {
        guard layout.proto == .tcp, layout.fragmentOffset == 0, layout.transport + 20 <= count else { return nil }
        return (TranslatedHeader(layout), layout.transport)
    }

    private mutating func replace(_ value: UInt32, at offset: Int, _ header: TranslatedHeader) {
        var octets: [UInt8] = []
        octets.append(value)
        rewrite(octets, at: offset, [header.checksum(in: self)], header)
    }

    /// Overwrites octets, and brings the checksums that cover them up to date, and what covers those too.
    private mutating func rewrite(
        _ octets: [UInt8], at offset: Int, _ checksums: [Int?], _ header: TranslatedHeader
    ) {
        for (index, octet) in octets.enumerated() where offset + index < count {
            let word = (offset + index) & ~1
            let old = padded(word)
            self[offset + index] = octet
            let new = padded(word)
            for case let checksum? in checksums { update(checksum, replacing: old, with: new, header.enclosing) }
            if let enclosing = header.enclosing { update(enclosing, replacing: old, with: new, nil) }
        }
        // Zero would say that there is no checksum; all ones is the same number.
        if header.proto == .udp, let transport = header.transport, checksums.contains(transport + 6),
            uint16(at: transport + 6) == 0
        {
            replace(at: transport + 6, with: 0xffff)
        }
    }

    private mutating func update(_ checksum: Int, replacing old: UInt16, with new: UInt16, _ enclosing: Int?) {
        let before = uint16(at: checksum)
        let after = InternetChecksum.updated(before, replacing: old, with: new)
        replace(at: checksum, with: after)
        if let enclosing { update(enclosing, replacing: before, with: after, nil) }
    }

    /// The word at an even offset, with a zero behind the last octet.
    private func padded(_ offset: Int) -> UInt16 {
        offset + 1 < count ? uint16(at: offset) : UInt16(self[offset]) << 8
    }
}
