import PacketFormats
import ProbeEngine

/// What options of ping change about its lines.
public struct PingStyle: Sendable {
    /// Makes the time of day in front of each line (`-D`); nil for none.
    public var clock: WallClock?
    /// Makes it in another format than ping's.
    public var time: LineTime?
    /// Ring the bell with every answer in time (`-a`).
    public var isAudible = false
    /// Three decimals from 100 ms on too (`-3`).
    public var alwaysHasDecimals = false
    /// Marks in place of lines (`-f`).
    public var isFlood = false
    /// Sum up the time between two probes and the moving average (`-f`, `-A`).
    public var showsGap = false
    /// Round trips are timed by this process because the user wants that (`-U`).
    public var isUserToUser = false
    /// The ICMP identifiers of the probes over IPv4 and IPv6, where replies shall show them (`-v`).
    public var identifiers: [IPVersion: ProbeIdentity] = [:]
    /// Where probes leave from, where that was said (`-I`, `-B`): an address for each target that has a route, and an
    /// interface.
    public var sources: [IPAddress?] = []
    /// The interface that probes leave through, where that was said (`-I`).
    public var device: SafeText?
    /// What fills the payload (`-p`), where that was said.
    public var pattern: [UInt8] = []
    /// The flow label of IPv6 (`-F`), where that was said.
    public var flowLabel: UInt32?
    /// Octets of options in the IPv4 header of each probe.
    public var optionsLength = 0
    /// No line for each reply: the pattern is not told either (`-q`).
    public var isQuiet = false
    /// Lines are those of iputils 20221126 to the last digit, for scripts.
    var isPings = false
    /// Whether replies have round trips: ping knows none where its time of sending does not fit in.
    var hasTimes = true
    /// The name of the target's address, for ping's first line over IPv6.
    var addressName: SafeText?

    public init() {}
}

extension EchoTextReport {
    // MARK: Before the first reply

    /// `PATTERN: 0xdeadbeef`
    func appendPattern(to buffer: inout ReportBuffer) {
        guard !style.pattern.isEmpty, !style.isQuiet else { return }
        buffer.append("PATTERN: 0x")
        for octet in style.pattern { buffer.append(hexadecimal: octet, minimumDigits: 2) }
        buffer.append("\n")
    }

    /// `, flow 0x12345, from 192.0.2.1 eth0: `, each where it was said.
    func appendWay(_ target: ReportTarget, _ index: Int, to buffer: inout ReportBuffer) {
        if target.address.version == .v6, let label = style.flowLabel {
            let digits = String(label & 0xfffff, radix: 16)
            buffer.append(", flow 0x\(String(repeating: "0", count: 5 - digits.utf8.count))\(digits), ")
        }
        guard style.sources.indices.contains(index), let source = style.sources[index] else { return }
        buffer.append("from ")
        buffer.append(source.withoutZone, zones: [:])
        buffer.append(" ")
        if let device = style.device { buffer.append(device) }
        buffer.append(": ")
    }

    /// ` (192.0.2.1) ` or, as ping has it over IPv6, `(example.net (2001:db8::1)) `.
    func appendAddress(of target: ReportTarget, to buffer: inout ReportBuffer) {
        buffer.append(style.isPings && target.address.version == .v6 ? "(" : " (")
        append(target.address, style.addressName, to: &buffer)
        buffer.append(") ")
    }

    // MARK: Parts of lines

    /// ` time=0.127 ms`
    func appendTime(of reply: EchoReply, to buffer: inout ReportBuffer) {
        if style.isPings {
            guard style.hasTimes, !reply.isTruncated else { return }
            buffer.append(" time=")
            buffer.append(pingMilliseconds: reply.roundTrip)
        } else {
            buffer.append(" time=")
            if style.alwaysHasDecimals {
                buffer.append(milliseconds: reply.roundTrip)
            } else {
                buffer.append(shortMilliseconds: reply.roundTrip)
            }
        }
        buffer.append(" ms")
    }

    /// `[1795446802.714371] `
    mutating func appendTime(at instant: Timestamp, to buffer: inout ReportBuffer) {
        if style.time != nil {
            style.time?.append(instant, to: &buffer)
            return
        }
        guard let clock = style.clock else { return }
        let microseconds = max(0, clock.nanoseconds(at: instant)) / 1_000
        buffer.append("[")
        buffer.append(decimal: microseconds / 1_000_000)
        buffer.append(".")
        buffer.append(decimal: microseconds % 1_000_000, minimumDigits: 6)
        buffer.append("] ")
    }

    /// ` ident=77`
    func appendIdentifier(of reply: EchoReply, to buffer: inout ReportBuffer) {
        guard method == .icmpEcho, let identity = style.identifiers[targets[reply.target].address.version] else {
            return
        }
        buffer.append(" ident=")
        buffer.append(decimal: identity.identifier(of: reply.probe))
    }

    func appendBell(_ reply: EchoReply, to buffer: inout ReportBuffer) {
        if style.isAudible, reply.disposition == .inTime { buffer.append("\u{7}") }
    }

    func appendOctet(_ offset: Int, _ expected: UInt8, _ found: UInt8, to buffer: inout ReportBuffer) {
        buffer.append("\nwrong data byte #")
        buffer.append(decimal: offset)
        buffer.append(" should be 0x")
        buffer.append(hexadecimal: expected)
        buffer.append(" but was 0x")
        buffer.append(hexadecimal: found)
    }

    /// The payload of a reply with a wrong octet, in rows of 32 octets from the 16th on, before which ping has its time of
    /// sending. Of a wrong checksum the octet is looked for there.
    ///
    /// At most once for each probe, because anybody on the way can send any number of them.
    mutating func appendDump(_ reply: EchoReply, to buffer: inout ReportBuffer) {
        guard let payload = reply.detail?.payload, reply.sequence > dumped[reply.target] ?? 0 else { return }
        switch reply.disposition {
        case .corrupted(.wrongOctet): break
        case .corrupted(.wrongChecksum):
            let wrong = payload.indices.dropFirst(Self.dumpStart).first { payload[$0] != expectedOctet(at: $0) }
            guard let wrong else { return }
            appendOctet(wrong, expectedOctet(at: wrong), payload[wrong], to: &buffer)
        default: return
        }
        dumped[reply.target] = reply.sequence
        for (offset, octet) in payload.enumerated().dropFirst(Self.dumpStart) {
            if offset % Self.dumpWidth == Self.dumpStart {
                buffer.append("\n#")
                buffer.append(decimal: offset)
                buffer.append("\t")
            }
            buffer.append(hexadecimal: octet)
            buffer.append(" ")
        }
    }

    /// What stands in a payload behind cookie, index and balance.
    private func expectedOctet(at offset: Int) -> UInt8 {
        style.pattern.isEmpty
            ? UInt8(truncatingIfNeeded: offset) : style.pattern[offset % style.pattern.count]
    }

    private static let dumpStart = 16
    private static let dumpWidth = 32

    /// `local error: message too long, mtu=1500`
    public func appendTooLong(_ target: Int, mtu: Int, to buffer: inout ReportBuffer) {
        buffer.append("local error: message too long, mtu")
        buffer.append(targets[target].address.version == .v4 ? "=" : ": ")
        buffer.append(decimal: mtu)
        buffer.append("\n")
    }

    // MARK: Marks

    /// What a flood prints of an event: a dot for a probe, which its answer takes away again. Returns whether that is
    /// all there is to tell.
    func appendMark(_ event: EchoEvent, to buffer: inout ReportBuffer) -> Bool {
        switch event {
        case .sent: buffer.append(".")
        case .reply(let reply):
            if case .corrupted = reply.disposition {
                buffer.append("\u{8}C")
            } else {
                buffer.append("\u{8} \u{8}")
                appendBell(reply, to: &buffer)
            }
        case .error(let error):
            if error.isConclusive { buffer.append("\u{8}E") }
        // The summary lists the outages.
        case .timeout, .outage: break
        default: return false
        }
        return true
    }

    // MARK: IPv4 options

    /// What routers wrote into the options of a reply's header, as ping shows it: rows behind the line, the last of
    /// which ends with a line feed of its own.
    mutating func append(_ options: IPv4Options, of target: Int, to buffer: inout ReportBuffer) {
        for option in options {
            switch option {
            case .noOperation: buffer.append("\nNOP")
            case .recordRoute(let route):
                let passed = Array(route.passed)
                guard !passed.isEmpty else { continue }
                if routes.updateValue(passed, forKey: target) == passed, !style.isFlood {
                    buffer.append("\t(same route)")
                } else {
                    append("RR", passed, to: &buffer)
                }
            case .looseSourceRoute(let route): append("LSRR", route.slots, to: &buffer)
            case .strictSourceRoute(let route): append("SSRR", route.slots, to: &buffer)
            case .timestamp(let timestamp): append(timestamp, to: &buffer)
            case .routerAlert, .unknown:
                buffer.append("\nunknown option ")
                buffer.append(hexadecimal: option.type)
            }
        }
    }

    private func append(_ label: String, _ addresses: [IPv4Address], to buffer: inout ReportBuffer) {
        buffer.append("\n\(label): ")
        for address in addresses {
            buffer.append("\t")
            buffer.append(.v4(address), zones: [:])
            buffer.append("\n")
        }
    }

    /// The first time as it is, each later one by what it is behind the one before; those that count something else
    /// than milliseconds since midnight (RFC 791: the high bit) by themselves.
    private func append(_ option: IPv4TimestampOption, to buffer: inout ReportBuffer) {
        guard !option.recorded.isEmpty else { return }
        buffer.append("\nTS: ")
        var standard: Int64?
        var other: Int64?
        for entry in option.recorded {
            if let address = entry.address {
                buffer.append("\t")
                buffer.append(.v4(address), zones: [:])
            }
            buffer.append("\t")
            if let milliseconds = entry.timestamp.milliseconds.map(Int64.init) {
                buffer.append(decimal: milliseconds - (standard ?? 0))
                if standard == nil { buffer.append(" absolute") }
                standard = milliseconds
            } else {
                let value = Int64(entry.timestamp.rawValue & 0x7fff_ffff)
                buffer.append(decimal: value - (other ?? 0))
                buffer.append(other == nil ? " absolute not-standard" : " not-standard")
                other = value
            }
            buffer.append("\n")
        }
        if option.overflow > 0 {
            buffer.append("Unrecorded hops: ")
            buffer.append(decimal: option.overflow)
            buffer.append("\n")
        }
    }
}

extension EchoReply {
    /// Whether it is shorter than what was sent: ping tells nothing else of it.
    fileprivate var isTruncated: Bool {
        if case .corrupted(.wrongLength(let sent, let received)) = disposition { received < sent } else { false }
    }
}
