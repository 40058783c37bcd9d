extension IPv4Address: CustomStringConvertible, LosslessStringConvertible {
    /// Parses exactly four decimal octets without leading zeros: `192.0.2.1`.
    public init?(_ text: String) {
        guard let address = Self.parse(text.utf8[...], shortForms: false) else { return nil }
        self = address
    }

    /// Parses what `inet_aton` takes: one to four parts in decimal, octal (`0…`) or hexadecimal (`0x…`), the last
    /// part filling the octets that are left, so that `127.1` is 127.0.0.1 (inet_aton(3)).
    public init?(shortForm text: String) {
        guard let address = Self.parse(text.utf8[...], shortForms: true) else { return nil }
        self = address
    }

    public var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 0xff).\(rawValue >> 8 & 0xff).\(rawValue & 0xff)"
    }

    static func parse(_ text: Substring.UTF8View, shortForms: Bool) -> IPv4Address? {
        let parts = text.split(separator: UInt8(ascii: "."), maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 4 || (shortForms && (1...4).contains(parts.count)) else { return nil }
        var value: UInt32 = 0
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            let limit: UInt64 = isLast ? UInt64(1) << (8 * (5 - parts.count)) : 256
            guard let number = number(part, shortForms: shortForms), number < limit else { return nil }
            if isLast {
                value |= UInt32(truncatingIfNeeded: number)
            } else {
                value |= UInt32(truncatingIfNeeded: number) << (24 - 8 * UInt32(truncatingIfNeeded: index))
            }
        }
        return IPv4Address(rawValue: value)
    }

    private static func number(_ part: Substring.UTF8View, shortForms: Bool) -> UInt64? {
        var digits = part[...]
        var radix: UInt64 = 10
        if digits.count > 1, digits.first == UInt8(ascii: "0") {
            guard shortForms else { return nil }
            digits = digits.dropFirst()
            radix = 8
            if let first = digits.first, first | 0x20 == UInt8(ascii: "x") {
                digits = digits.dropFirst()
                radix = 16
            }
        }
        guard !digits.isEmpty, digits.count <= 11 else { return nil }
        var value: UInt64 = 0
        for byte in digits {
            guard let digit = hexDigit(byte), UInt64(digit) < radix else { return nil }
            value = value * radix + UInt64(digit)
        }
        return value
    }
}

extension IPv6Address: CustomStringConvertible, LosslessStringConvertible {
    /// Parses the text forms of RFC 4291 section 2.2 and a numeric zone (`fe80::1%3`).
    public init?(_ text: String) {
        self.init(text) { name in UInt32(decimal: name.utf8) }
    }

    /// Parses an address whose zone may be a name; `zoneIndex` turns the name into an interface index, nil refuses it.
    public init?(_ text: String, zoneIndex: (String) -> UInt32?) {
        guard text.utf8.count <= 128 else { return nil }
        let halves = text.utf8.split(separator: UInt8(ascii: "%"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let groups = halves.first, let address = Self.parse(groups) else { return nil }
        self = address
        if halves.count == 2 {
            guard let name = String(halves[1]), !name.isEmpty, let index = zoneIndex(name), index != 0 else {
                return nil
            }
            zone = index
        }
    }

    /// The canonical form of RFC 5952, with a numeric zone after `%` where there is one.
    public var description: String { description { index in String(index) } }

    /// The canonical form of RFC 5952 with `zoneName` giving the text behind `%`.
    public func description(zoneName: (UInt32) -> String) -> String {
        let suffix = zone == 0 ? "" : "%" + zoneName(zone)
        if let mapped = mappedIPv4 { return "::ffff:\(mapped)" + suffix }
        let groups = (0..<8).map { group($0) }
        var gap = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index >= 2, end - index > gap.count { gap = index..<end }
            index = max(end, index + 1)
        }
        func text(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        if gap.isEmpty { return text(0..<8) + suffix }
        return text(0..<gap.lowerBound) + "::" + text(gap.upperBound..<8) + suffix
    }

    private func group(_ index: Int) -> UInt16 {
        let half = index < 4 ? high : low
        return UInt16(truncatingIfNeeded: half >> (48 - 16 * UInt64(index & 3)))
    }

    private static func parse(_ text: Substring.UTF8View) -> IPv6Address? {
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text[...]
        let colon = UInt8(ascii: ":")
        if rest.starts(with: [colon, colon]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let part = rest.prefix { $0 != colon }
            if part.contains(UInt8(ascii: ".")) {
                guard part.endIndex == rest.endIndex, groups.count <= 6,
                    let address = IPv4Address.parse(part, shortForms: false)
                else { return nil }
                groups.append(UInt16(truncatingIfNeeded: address.rawValue >> 16))
                groups.append(UInt16(truncatingIfNeeded: address.rawValue))
                break
            }
            guard (1...4).contains(part.count), groups.count < 8 else { return nil }
            var value: UInt16 = 0
            for byte in part {
                guard let digit = hexDigit(byte) else { return nil }
                value = value << 4 | UInt16(digit)
            }
            groups.append(value)
            rest = rest.dropFirst(part.count)
            guard !rest.isEmpty else { break }
            rest = rest.dropFirst()
            if rest.first == colon {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        let halves = (groups[0..<4], groups[4..<8])
        return IPv6Address(
            high: halves.0.reduce(0) { $0 << 16 | UInt64($1) }, low: halves.1.reduce(0) { $0 << 16 | UInt64($1) })
    }
}

extension IPAddress: CustomStringConvertible, LosslessStringConvertible {
    /// Parses an IPv4 address in four octets or an IPv6 address.
    public init?(_ text: String) {
        self.init(text) { name in UInt32(decimal: name.utf8) }
    }

    /// Parses an address whose zone may be a name; `zoneIndex` turns the name into an interface index, nil refuses it.
    public init?(_ text: String, zoneIndex: (String) -> UInt32?) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text, zoneIndex: zoneIndex) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}

extension UInt32 {
    /// Parses decimal digits and nothing else: no sign, no space, no leading zero, at most ten.
    package init?(decimal text: some Collection<UInt8>) {
        guard (1...10).contains(text.count), text.count == 1 || text.first != UInt8(ascii: "0") else { return nil }
        var value: UInt64 = 0
        for byte in text {
            guard let digit = hexDigit(byte), digit < 10 else { return nil }
            value = value * 10 + UInt64(digit)
        }
        self.init(exactly: value)
    }
}

/// The value of an ASCII hexadecimal digit, nil for every other byte.
func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
