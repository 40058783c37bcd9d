import PacketFormats

/// Compares what routers quote with what the hops before them quote, and with what was sent where that is known.
///
/// A translator that also restores what errors quote changes nothing here: that no difference is found says nothing about
/// translators.
struct QuoteComparison {
    /// What a quote says in one field.
    private struct Reading {
        var hop: Int
        var value: QuotedValue
        /// As it was sent; nil where that is not known.
        var sent: QuotedValue?
        /// What is compared between hops.
        var mark = Mark.asSent
    }

    /// A value, or its relation to what was sent where each probe is sent with its own.
    private enum Mark: Hashable {
        case asSent
        case value(QuotedValue)
        case differs
        /// The distance in one's complement arithmetic.
        case distance(UInt16)
    }

    /// Hops in a row that quote the same.
    private struct Run {
        var mark: Mark
        var first: Reading
        var hops: ClosedRange<Int>
    }

    private(set) var findings: [PathFinding] = []

    init(_ rows: [FoundRow], sent: (PathAnswer) -> QuotedPacket?) {
        var quotes: [(hop: Int, answer: PathAnswer, quoted: QuotedPacket, sent: QuotedPacket?)] = []
        for row in rows {
            for answer in row.answers {
                guard let quoted = answer.detail?.quoted, quotes.count < Self.maximumQuotes else { continue }
                // Later fragments and those of other protocols say nothing about the start of the probe.
                guard quoted.version == answer.probe.destination.version else { continue }
                quotes.append((row.number, answer, quoted, sent(answer)))
            }
        }
        guard !quotes.isEmpty else { return }
        let isKnown = quotes.allSatisfy { $0.sent != nil }
        for field in QuotedField.allCases {
            var readings: [Reading] = []
            for quote in quotes {
                guard let value = field.value(in: quote.quoted) else { continue }
                let sent = isKnown ? quote.sent.flatMap { field.value(in: $0) } : field.value(of: quote.answer.probe)
                let isHabit = sent.map { field.isHabit(value, sent: $0, of: quote.quoted) } ?? false
                readings.append(Reading(hop: quote.hop, value: isHabit ? sent ?? value : value, sent: sent))
            }
            compare(field, readings)
        }
    }

    private mutating func compare(_ field: QuotedField, _ all: [Reading]) {
        var readings = all
        let isKnown = readings.allSatisfy { $0.sent != nil }
        let isConstant = Set(readings.map(\.sent)).count == 1
        if !isKnown, field.differsFromProbeToProbe { return }
        for index in readings.indices {
            readings[index].mark = Self.mark(readings[index], field, isKnown: isKnown, isConstant: isConstant)
        }
        let runs = runs(of: readings, field, startsHere: isKnown && field.isComparedWithSent)
        for (old, new) in zip(runs, runs.dropFirst()).prefix(Self.maximumChanges) {
            let from = Self.value(of: old, for: new.first)
            let hops = old.hops.upperBound...new.hops.lowerBound
            findings.append(PathFinding(hops: hops, kind: .changed(field, from: from, to: new.first.value)))
        }
    }

    private static func mark(_ reading: Reading, _ field: QuotedField, isKnown: Bool, isConstant: Bool) -> Mark {
        guard isKnown, let sent = reading.sent else { return .value(reading.value) }
        if field == .udpChecksum, case .number(let quoted) = reading.value, case .number(let own) = sent {
            // 0 is no checksum at all, and not a sum that was changed.
            guard quoted != 0 else { return .value(reading.value) }
            return .distance(distance(from: own, to: quoted))
        }
        if reading.value == sent { return .asSent }
        return isConstant ? .value(reading.value) : .differs
    }

    /// What a run's value would have been for another probe.
    private static func value(of run: Run, for reading: Reading) -> QuotedValue {
        switch run.mark {
        case .asSent: return reading.sent ?? run.first.value
        case .distance(let distance):
            guard case .number(let sent)? = reading.sent else { return run.first.value }
            let sum = sent + UInt32(distance)
            return .number(sum > 0xffff ? sum - 0xffff : sum)
        case .value, .differs: return run.first.value
        }
    }

    /// What is to be added to the one checksum for the other; both zeros of one's complement are one.
    private static func distance(from sent: UInt32, to quoted: UInt32) -> UInt16 {
        UInt16(truncatingIfNeeded: (quoted % 0xffff + 0xffff - sent % 0xffff) % 0xffff)
    }

    private mutating func runs(of readings: [Reading], _ field: QuotedField, startsHere: Bool) -> [Run] {
        var runs: [Run] = []
        if startsHere, let first = readings.first, let sent = first.sent {
            var own = first
            own.value = sent
            runs = [Run(mark: .asSent, first: own, hops: 0...0)]
        }
        var told: Set<Mark> = []
        var index = 0
        while index < readings.count {
            let hop = readings[index].hop
            let end = readings[index...].firstIndex { $0.hop != hop } ?? readings.count
            let rewritten = Set(readings[index..<end].filter { $0.mark != .asSent }.map(\.value))
            // What is written over all values can be a probe's own.
            let own = readings[index..<end].filter { $0.mark != .asSent || !rewritten.contains($0.value) }
            index = end
            let marks = own.map(\.mark)
            let usual = runs.last.flatMap { marks.contains($0.mark) ? $0.mark : nil } ?? mostCommon(marks)
            guard let usual, let reading = own.first(where: { $0.mark == usual }) else { continue }
            if let other = own.first(where: { $0.mark != usual }), told.count < Self.maximumChanges,
                told.insert(other.mark).inserted
            {
                let count = own.count { $0.mark == other.mark }
                let run = Run(mark: usual, first: reading, hops: hop...hop)
                let kind = PathFinding.Kind.quotedBySome(
                    field, usual: Self.value(of: run, for: other), quoted: other.value, count: count, of: own.count)
                findings.append(PathFinding(hops: hop...hop, kind: kind))
            }
            if let last = runs.last, last.mark == usual {
                runs[runs.count - 1].hops = last.hops.lowerBound...hop
            } else {
                runs.append(Run(mark: usual, first: reading, hops: hop...hop))
            }
        }
        return withoutLoners(runs, field)
    }

    /// Takes out hops that alone quote something else: nobody behind them could have got the old value back.
    private mutating func withoutLoners(_ runs: [Run], _ field: QuotedField) -> [Run] {
        var kept: [Run] = []
        var count = 0
        var index = 0
        while index < runs.count {
            let run = runs[index]
            if let before = kept.last, index + 1 < runs.count, run.hops.count == 1, runs[index + 1].mark == before.mark
            {
                count += 1
                if count <= Self.maximumChanges {
                    let kind = PathFinding.Kind.quotedAlone(
                        field, usual: Self.value(of: before, for: run.first), quoted: run.first.value)
                    findings.append(PathFinding(hops: run.hops, kind: kind))
                }
                kept[kept.count - 1].hops = before.hops.lowerBound...runs[index + 1].hops.upperBound
                index += 2
                continue
            }
            kept.append(run)
            index += 1
        }
        return kept
    }

    private static let maximumQuotes = 1 << 12
    /// More are noise, or somebody's joke.
    private static let maximumChanges = 4
}

extension QuotedField {
    /// Whether each probe may have its own value, so that only its relation to what was sent can be compared.
    fileprivate var differsFromProbeToProbe: Bool {
        switch self {
        case .identification, .udpChecksum, .tcpSequenceNumber: true
        default: false
        }
    }

    /// Whether a difference between what was sent and the first quote tells: not where the kernel has its say too. A
    /// checksum may be left to the network interface, so that even the first router sees another one.
    fileprivate var isComparedWithSent: Bool {
        switch self {
        case .udpChecksum, .dontFragment, .totalLength: false
        default: true
        }
    }

    /// Nil where the field is not quoted, or the protocol has none.
    fileprivate func value(in packet: QuotedPacket) -> QuotedValue? {
        let isV4 = packet.version == .v4
        switch self {
        case .source: return .address(packet.source)
        case .destination: return .address(packet.destination)
        case .dscp: return .number(UInt32(packet.trafficClass >> 2))
        case .ecn: return .number(UInt32(packet.trafficClass & 3))
        case .flowLabel: return isV4 ? nil : .number(packet.flowLabel)
        case .totalLength: return .number(UInt32(clamping: packet.totalLength))
        case .identification: return isV4 ? .number(UInt32(packet.identification)) : nil
        case .dontFragment: return isV4 ? .flag(packet.dontFragment) : nil
        case .sourcePort, .destinationPort, .udpChecksum, .tcpSequenceNumber, .tcpFlags, .maximumSegmentSize,
            .tcpOptions:
            break
        }
        switch packet.transport {
        case .udp(let header):
            switch self {
            case .sourcePort: return .number(UInt32(header.sourcePort))
            case .destinationPort: return .number(UInt32(header.destinationPort))
            case .udpChecksum: return .number(UInt32(header.checksum))
            default: return nil
            }
        case .tcp(let quote):
            switch self {
            case .sourcePort: return .number(UInt32(quote.sourcePort))
            case .destinationPort: return .number(UInt32(quote.destinationPort))
            case .tcpSequenceNumber: return .number(quote.sequenceNumber)
            case .tcpFlags: return quote.flags.map { .tcpFlags($0) }
            case .maximumSegmentSize, .tcpOptions: return optionValue(quote)
            default: return nil
            }
        case .icmp, .other, .truncated: return nil
        }
    }

    private func optionValue(_ quote: TCPQuote) -> QuotedValue? {
        // Zeros in place of the data offset are padding: no header has them.
        guard let header = quote.header, let options = try? TCPOptions(parsing: header.options.bytes) else {
            return nil
        }
        if self == .tcpOptions { return .tcpOptions(options.compactMap(\.kind)) }
        for case .maximumSegmentSize(let size) in options { return .number(UInt32(size)) }
        return .missing
    }

    /// What the probe says of itself, where the whole packet is not known.
    fileprivate func value(of probe: Probe) -> QuotedValue? {
        switch self {
        case .destination: .address(probe.destination.withoutZone)
        case .dscp: .number(UInt32(probe.trafficClass >> 2))
        case .ecn: .number(UInt32(probe.trafficClass & 3))
        case .destinationPort: probe.method.destinationPort == 0 ? nil : .number(UInt32(probe.method.destinationPort))
        default: nil
        }
    }

    /// Whether a router only writes the field down in its own way: octets in the order of its processor, a length
    /// without the header.
    fileprivate func isHabit(_ value: QuotedValue, sent: QuotedValue, of quoted: QuotedPacket) -> Bool {
        guard quoted.version == .v4, case .number(let found) = value, case .number(let own) = sent else { return false }
        let swapped = UInt32(UInt16(truncatingIfNeeded: own).byteSwapped)
        switch self {
        case .totalLength: return found == swapped || found &+ 20 == own || found == own &+ 20
        // The kernel numbers what is sent with 0.
        case .identification: return found == swapped || own == 0
        default: return false
        }
    }
}

extension TCPOption {
    /// Nil of what does nothing.
    fileprivate var kind: UInt8? {
        switch self {
        case .noOperation: nil
        case .maximumSegmentSize: 2
        case .windowScale: 3
        case .selectiveAcknowledgmentPermitted: 4
        case .timestamps: 8
        case .unknown(let kind, _): kind
        }
    }
}
