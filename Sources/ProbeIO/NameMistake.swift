import PacketFormats

/// What somebody typed or pasted in the place of a host.
public enum NameMistake: Hashable, Sendable, CaseIterable {
    case empty
    case zeroByte
    case surroundedByWhiteSpace
    case whiteSpace
    case url
    case path
    case hostAndPath
    case userAtHost
    case hostAndPort
    case addressInBrackets
    case hardwareAddress
    case malformedIPv4
    case malformedIPv6
    case addressAndDot
    case zoneOfIPv4
    case emptyPart

    /// What it is, to stand behind the quoted text and before the advice.
    var description: String {
        switch self {
        case .empty: "is empty, not a host"
        case .zeroByte: "has a zero byte in it and is no host"
        case .surroundedByWhiteSpace: "has white space around it"
        case .whiteSpace: "has white space in it and is no host"
        case .url: "is a URL, not a host"
        case .path: "is a path, not a host"
        case .hostAndPath: "is a host with a path"
        case .userAtHost: "is a user at a host"
        case .hostAndPort: "is a host with a port"
        case .addressInBrackets: "is an address in brackets"
        case .hardwareAddress: "is a hardware address, which only its own link knows: give the host's IP address"
        case .malformedIPv4: "looks like an IPv4 address and is none"
        case .malformedIPv6: "looks like an IPv6 address and is none"
        case .addressAndDot: "is an address with a dot behind it"
        case .zoneOfIPv4: "is an IPv4 address with a zone, which only IPv6 has"
        case .emptyPart: "has an empty part between its dots and is no host"
        }
    }

    /// What the text is instead of a name, and the host in it where there is one; nil for what may be a name. The text
    /// is not an address and not a prefix. O(n).
    static func of(_ text: String) -> (mistake: NameMistake, host: String?)? {
        let bytes = text.utf8
        if bytes.isEmpty { return (.empty, nil) }
        if bytes.contains(0) { return (.zeroByte, nil) }
        let trimmed = bytes.trimmingWhiteSpace
        if trimmed.count < bytes.count {
            return trimmed.isEmpty ? (.whiteSpace, nil) : (.surroundedByWhiteSpace, host(in: trimmed))
        }
        if bytes.contains(where: \.isWhiteSpace) { return (.whiteSpace, nil) }
        if let colon = bytes.firstIndex(of: .colon), bytes[colon...].dropFirst().starts(with: [.slash, .slash]) {
            return (.url, host(in: bytes[...]))
        }
        if bytes.contains(.slash) {
            let host = host(in: bytes[...])
            return (host == nil ? .path : .hostAndPath, host)
        }
        if bytes.contains(.at) { return (.userAtHost, host(in: bytes[...])) }
        if bytes.first == .opening {
            guard let host = host(in: bytes[...]), let end = bytes.lastIndex(of: .closing) else {
                return (.malformedIPv6, nil)
            }
            return (bytes.index(after: end) == bytes.endIndex ? .addressInBrackets : .hostAndPort, host)
        }
        if let percent = bytes.firstIndex(of: UInt8(ascii: "%")) {
            let address = String(Substring(bytes[..<percent]))
            if IPv4Address(address) != nil { return (.zoneOfIPv4, address) }
        }
        if let mistake = colons(in: bytes[...]) { return mistake }
        return dots(in: bytes[...])
    }

    private static func colons(in bytes: Substring.UTF8View) -> (mistake: NameMistake, host: String?)? {
        let parts = bytes.split(separator: .colon, omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return nil
        case 2: return (.hostAndPort, host(in: bytes))
        case 6 where parts.allSatisfy { $0.count == 2 && $0.allSatisfy(\.isHexadecimalDigit) }:
            return (.hardwareAddress, nil)
        default: return (.malformedIPv6, nil)
        }
    }

    private static func dots(in bytes: Substring.UTF8View) -> (mistake: NameMistake, host: String?)? {
        let labels = bytes.split(separator: .dot, omittingEmptySubsequences: false)
        // A dot at the end is the DNS's root.
        let inner = labels.count > 1 && labels.last?.isEmpty == true ? labels.dropLast() : labels[...]
        if inner.contains(where: \.isEmpty) { return (.emptyPart, nil) }
        guard inner.allSatisfy({ $0.allSatisfy(\.isDigit) }) else { return nil }
        let undotted = String(Substring(bytes.dropLast(labels.count - inner.count)))
        let isAddress = labels.count > inner.count && IPv4Address(undotted) != nil
        return isAddress ? (.addressAndDot, undotted) : (.malformedIPv4, nil)
    }

    /// The host in `scheme://user@host:port/path`, of which everything but the host may be missing; nil where it is
    /// nothing that could be asked for.
    private static func host(in bytes: Substring.UTF8View) -> String? {
        var rest = bytes
        if let colon = rest.firstIndex(of: .colon), rest[colon...].dropFirst().starts(with: [.slash, .slash]) {
            rest = rest[colon...].dropFirst(3)
        }
        rest = rest.prefix { $0 != .slash && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        if let at = rest.lastIndex(of: .at) { rest = rest[rest.index(after: at)...] }
        if rest.first == .opening {
            guard let end = rest.firstIndex(of: .closing) else { return nil }
            return address(inBrackets: rest[..<end].dropFirst())
        }
        let text = String(Substring(rest))
        // Of an address without brackets no port can be told.
        if IPv6Address(text, zoneIndex: { _ in 1 }) != nil { return text }
        if let colon = rest.firstIndex(of: .colon) { rest = rest[..<colon] }
        let host = String(Substring(rest))
        return IPv4Address(shortForm: host) != nil || of(host) == nil ? host : nil
    }

    /// In a URL the percent sign of a zone is written as `%25` (RFC 6874 section 2).
    private static func address(inBrackets bytes: Substring.UTF8View) -> String? {
        var text = String(Substring(bytes))
        if let percent = bytes.firstIndex(of: UInt8(ascii: "%")), bytes[percent...].starts(with: "%25".utf8),
            bytes[percent...].count > 3
        {
            text = String(Substring(bytes[..<percent])) + "%" + String(Substring(bytes[percent...].dropFirst(3)))
        }
        return IPv6Address(text, zoneIndex: { _ in 1 }) == nil ? nil : text
    }
}

extension UInt8 {
    fileprivate static let dot = UInt8(ascii: ".")
    fileprivate static let colon = UInt8(ascii: ":")
    fileprivate static let slash = UInt8(ascii: "/")
    fileprivate static let at = UInt8(ascii: "@")
    fileprivate static let opening = UInt8(ascii: "[")
    fileprivate static let closing = UInt8(ascii: "]")

    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    fileprivate var isHexadecimalDigit: Bool {
        isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20)
    }

    /// Space, tab and the line breaks.
    fileprivate var isWhiteSpace: Bool { self == UInt8(ascii: " ") || (9...13).contains(self) }
}

extension String.UTF8View {
    fileprivate var trimmingWhiteSpace: Substring.UTF8View {
        var rest = self[...]
        while let first = rest.first, first.isWhiteSpace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhiteSpace { rest = rest.dropLast() }
        return rest
    }
}
