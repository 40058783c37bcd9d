import PacketFormats
import ProbeEngine

/// What a target's text stands for.
public enum TargetExpression: Hashable, Sendable {
    /// What the name service is to be asked for.
    case name(String)
    case address(IPAddress)
    /// The hosts of a prefix.
    case prefix(IPPrefix)
    case range(IPAddressRange)

    /// Understands a name, an address in any form that `Resolver.numericAddress` knows, a prefix and a range `A-B`. Both
    /// ends of a range and the address of a prefix are written in full. Asks nobody, but the kernel for the zone's index.
    ///
    /// A hyphen makes a range only between two addresses: a name with hyphens stays a name. Throws for what is none of
    /// these. O(n).
    ///
    /// - Parameters:
    ///   - family: only this version, nil for both; a name may have it or not.
    ///   - zone: the interface of link-local addresses that name none, 0 to refuse those.
    public init(_ text: String, family: IPVersion? = nil, zone: UInt32 = 0) throws(TargetError) {
        if text.utf8.contains(.slash) {
            if let prefix = IPPrefix(text, zoneIndex: Resolver.zoneIndex) {
                let first = try prefix.first.admitted(as: text, family, zone)
                self = IPPrefix(first, length: prefix.length).map(TargetExpression.prefix) ?? .prefix(prefix)
                return
            }
            try Self.checkPrefix(text)
        } else if text.utf8.contains(.hyphen) {
            if let range = IPAddressRange(text, zoneIndex: Resolver.zoneIndex) {
                let first = try range.first.admitted(as: text, family, zone)
                let last = range.last.inZone(first.zone)
                self = IPAddressRange(first: first, last: last).map(TargetExpression.range) ?? .range(range)
                return
            }
            try Self.checkRange(text)
        }
        do throws(ResolveError) {
            let address = try Resolver.numericAddress(text, family: family, zone: zone)
            self = address.map(TargetExpression.address) ?? .name(text)
        } catch {
            throw .noTarget(error)
        }
    }

    /// How many addresses there are, nil for a name; 2^64 and more count as `UInt64.max`.
    public var count: UInt64? {
        switch self {
        case .name: nil
        case .address: 1
        case .prefix(let prefix): prefix.hosts.count
        case .range(let range): range.count
        }
    }

    // MARK: Mistakes

    /// Throws where a number stands behind the slash and an address before it.
    private static func checkPrefix(_ text: String) throws(TargetError) {
        guard let slash = text.utf8.lastIndex(of: .slash) else { return }
        let digits = text.utf8[text.utf8.index(after: slash)...]
        guard !digits.isEmpty, digits.allSatisfy(\.isDigit), let address = lenient(text.utf8[..<slash]) else { return }
        // No length has more than three digits.
        let length = digits.reduce(0) { min(1_000, $0 * 10 + Int($1 - UInt8(ascii: "0"))) }
        guard let prefix = IPPrefix(address, length: length) else {
            throw .prefixLength(text: text, most: address.bitWidth)
        }
        throw .unclearPrefix(text: text, meant: prefix.description)
    }

    /// Throws where an address stands before a hyphen and what looks like one or a part of it behind.
    private static func checkRange(_ text: String) throws(TargetError) {
        guard text.utf8.count <= longestRange else { return }
        for hyphen in text.utf8.indices where text.utf8[hyphen] == .hyphen {
            let behind = text.utf8[text.utf8.index(after: hyphen)...]
            guard let first = lenient(text.utf8[..<hyphen]) else { continue }
            // The last octets of a full address are more often meant than a short form of another.
            if IPAddress(String(Substring(behind))) == nil, IPv4Address(String(text[..<hyphen])) != nil,
                let last = completed(first, behind)
            {
                throw .unclearRange(text: text, meant: "\(first)-\(last)")
            }
            if let last = lenient(behind), behind.contains(where: \.isSeparator) {
                guard first.version == last.version, first.zone == last.zone || last.zone == 0 else {
                    throw .mixedRange(text: text)
                }
                let (low, high) = (min(first.withoutZone, last.withoutZone), max(first.withoutZone, last.withoutZone))
                let meant = "\(low.inZone(first.zone))-\(high)"
                if first.withoutZone > last.withoutZone { throw .reversedRange(text: text, meant: meant) }
                throw .unclearRange(text: text, meant: meant)
            }
            guard
                behind.allSatisfy({ $0.isDigit || $0.isSeparator || first.version == .v6 && $0.isHexadecimal })
            else { continue }
            throw .unclearRange(text: text, meant: nil)
        }
    }

    /// An address, of IPv4 in its short forms too, if that has a dot: `10-20` may be a name.
    private static func lenient(_ bytes: Substring.UTF8View) -> IPAddress? {
        let text = String(Substring(bytes))
        if let address = IPAddress(text, zoneIndex: Resolver.zoneIndex) { return address }
        return bytes.contains(.dot) ? IPv4Address(shortForm: text).map(IPAddress.v4) : nil
    }

    /// The last address of `10.0.0.1-20`.
    private static func completed(_ first: IPAddress, _ end: Substring.UTF8View) -> IPAddress? {
        guard case .v4(let first) = first else { return nil }
        let given = end.split(separator: .dot, omittingEmptySubsequences: false).map { UInt32(decimal: $0) }
        guard given.count < 4, given.allSatisfy({ $0 ?? 256 < 256 }) else { return nil }
        var value = first.rawValue >> UInt32(8 * given.count)
        for octet in given { value = value << 8 | (octet ?? 0) }
        return value >= first.rawValue ? .v4(IPv4Address(rawValue: value)) : nil
    }

    private static let longestRange = 256
}

/// Why a text is no target.
public enum TargetError: Error, Hashable, Sendable {
    /// It is neither a prefix nor a range, and no host either.
    case noTarget(ResolveError)
    /// More bits than addresses of this version have.
    case prefixLength(text: String, most: Int)
    /// An address in a short form, or a number with a zero in front: written in full it would be `meant`.
    case unclearPrefix(text: String, meant: String)
    /// An end that is not written in full. `meant` is nil where nothing can be made of it.
    case unclearRange(text: String, meant: String?)
    /// Addresses of two versions or two zones.
    case mixedRange(text: String)
    case reversedRange(text: String, meant: String)
    /// More addresses than can be counted.
    case tooMany(text: String, TargetSpaceFull)
}

extension TargetError: CustomStringConvertible {
    /// One line. The text stands in it as it was given: let it pass the sanitiser where it may come from a file.
    public var description: String {
        switch self {
        case .noTarget(let error): error.description
        case .prefixLength(let text, let most): "'\(text)': the length of such a prefix is 0 to \(most)"
        case .unclearPrefix(let text, let meant), .unclearRange(let text, let meant?):
            "'\(text)' is not written in full: try '\(meant)'"
        case .unclearRange(let text, nil):
            "'\(text)' looks like a range and is none: write both addresses in full"
        case .mixedRange(let text): "'\(text)' is a range from one version or zone to another"
        case .reversedRange(let text, let meant): "'\(text)' ends before it begins: try '\(meant)'"
        case .tooMany(let text, let error): "'\(text)' \(error)"
        }
    }
}

extension IPAddress {
    /// The address as the first of `text`, in the given zone where it needs one.
    fileprivate func admitted(as text: String, _ family: IPVersion?, _ zone: UInt32) throws(TargetError) -> IPAddress {
        guard family == nil || version == family else {
            throw .noTarget(.wrongVersion(name: text, wanted: version == .v4 ? .v6 : .v4))
        }
        guard lacksZone else { return self }
        guard zone != 0 else { throw .noTarget(.missingZone(name: description)) }
        return inZone(zone)
    }
}

extension UInt8 {
    fileprivate static let dot = UInt8(ascii: ".")
    fileprivate static let slash = UInt8(ascii: "/")
    fileprivate static let hyphen = UInt8(ascii: "-")

    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    fileprivate var isHexadecimal: Bool { (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20) }
    /// Between the parts of an address.
    fileprivate var isSeparator: Bool { self == .dot || self == UInt8(ascii: ":") }
}
