import PacketFormats
import ProbeEngine

/// The events of an `EchoSweep` as one table: a line of column names, then a row for each event (RFC 4180).
///
/// Every row has every column, empty where it says nothing of the event. Summaries have another shape and no place in
/// the table. Rows end with a carriage return and a line feed.
public struct EchoCSVReport: EchoReport {
    /// Whom the sweep asks, in its order.
    public var targets: ReportTargets
    /// What is sent, for the column `transport`.
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    /// Makes instants of the events' times.
    public var clock = WallClock(offset: 0)

    public init(targets: ReportTargets, method: ProbeMethod = .icmpEcho) {
        self.targets = targets
        self.method = method
    }

    public init(targets: [ReportTarget], method: ProbeMethod = .icmpEcho) {
        self.init(targets: ReportTargets(targets), method: method)
    }

    /// The names of the columns.
    public func appendStart(
        _ start: EchoStart, to buffer: inout ReportBuffer, drain: (inout ReportBuffer) -> Void = { _ in }
    ) {
        Row.append(Self.names, to: &buffer)
    }

    /// The row of an event; none for an interval, which has the shape of a summary, and for a probe that was just sent.
    public func append(
        _ event: EchoEvent, name: SafeText? = nil, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        var row: Row
        switch event {
        case .reply(let reply):
            row = self.row(EchoJSONReport.type(of: reply.disposition), reply.target, reply.arrival)
            add(reply, to: &row)
            row.add(responder: reply.responder.text(zones), name)
        case .error(let error):
            row = self.row("error", error.target, error.arrival)
            add(error, to: &row)
            row.add(responder: error.responder.text(zones), name)
        case .unsolicited(let stray):
            row = Row()
            row.add(.type, "unsolicited")
            row.add(.time, rfc3339(clock.nanoseconds(at: stray.arrival)))
            row.add(.transport, method.word)
            row.add(.bytes, stray.byteCount)
            if case .icmpError(let type, let code, _) = stray.kind {
                row.add(.icmpType, type.rawValue)
                row.add(.icmpCode, code)
            }
            row.add(.text, "\(stray.count) so far")
            row.add(responder: stray.responder.text(zones), name)
        case .timeout(let target, let sequence):
            row = self.row("timeout", target, now)
            row.add(.seq, sequence)
        case .outstanding(let target, let sequence):
            row = self.row("outstanding", target, now)
            row.add(.seq, sequence)
        case .unsent(let target, let sequence, let failure):
            row = self.row("unsent", target, now)
            row.add(.seq, sequence)
            row.add(.errorNumber, failure.errorNumber.name)
            row.add(.text, SafeText.csvField(failure.text))
        case .changed(let change):
            row = self.row("change", change.target, change.arrival)
            row.add(.seq, change.sequence)
            switch change.field {
            case .hopLimit:
                row.add(.hopLimit, change.to)
                row.add(.text, "hop limit was \(change.from)")
            case .trafficClass:
                row.add(.trafficClass, change.to)
                row.add(.text, "traffic class was \(change.from)")
            }
        case .outage(let outage):
            row = self.row("outage", outage.target, outage.end)
            row.add(.seq, outage.firstSequence)
            row.add(.text, "\(outage.lost) lost in \(outage.duration.nanoseconds) ns until seq \(outage.lastSequence)")
        case .address(let target, let old, _, let instant):
            row = self.row("address", target, instant)
            row.add(.text, SafeText.csvField("address was \(old.text(zones))"))
        case .interval, .sent: return
        }
        row.append(to: &buffer)
    }

    private func add(_ reply: EchoReply, to row: inout Row) {
        row.add(.seq, reply.sequence)
        row.add(.kind, reply.kind.word)
        row.add(.bytes, reply.byteCount)
        row.add(.hopLimit, optional: reply.hopLimit)
        row.add(.trafficClass, optional: reply.trafficClass)
        row.add(.roundTrip, reply.roundTrip.nanoseconds)
        row.add(.clock, reply.clock.word)
        guard case .corrupted(let integrity) = reply.disposition else { return }
        switch integrity {
        case .intact, .wrongChecksum: row.add(.text, "wrong checksum")
        case .wrongOctet(let offset, let expected, let found):
            row.add(.text, "octet \(offset) is \(found) instead of \(expected)")
        case .wrongLength(let sent, let received): row.add(.text, "\(received) octets of payload instead of \(sent)")
        }
    }

    private func add(_ error: EchoError, to row: inout Row) {
        row.add(.seq, error.sequence)
        row.add(.hopLimit, optional: error.hopLimit)
        row.add(.roundTrip, error.roundTrip.nanoseconds)
        row.add(.clock, error.clock.word)
        row.add(.icmpType, error.type.rawValue)
        row.add(.icmpCode, error.code)
        row.add(.text, SafeText.csvField(error.text))
    }

    /// Nothing: the table has one shape.
    public func appendSummary(
        _ statistics: [EchoStatistics], run: EchoRun, to buffer: inout ReportBuffer,
        drain: (inout ReportBuffer) -> Void = { _ in }
    ) {}

    private func row(_ type: String, _ target: Int, _ instant: Timestamp) -> Row {
        var row = Row()
        row.add(.time, rfc3339(clock.nanoseconds(at: instant)))
        row.add(.type, type)
        let target = targets[target]
        row.add(.target, target.name.csvField)
        row.add(.address, SafeText.csvField(target.address.text(zones)))
        row.add(.family, target.address.version.word)
        row.add(.transport, method.word)
        return row
    }

    /// The columns in their order; later ones may only be added behind them.
    fileprivate enum Column: Int, CaseIterable {
        case time, type, target, address, family, transport, seq, kind, responder, name, bytes, hopLimit, trafficClass
        case roundTrip, clock, icmpType, icmpCode, errorNumber, text
    }

    private static let names = [
        "time", "type", "target", "address", "family", "transport", "seq", "kind", "responder", "name", "bytes",
        "hop_limit", "traffic_class", "rtt_ns", "clock", "icmp_type", "icmp_code", "errno", "text",
    ]

    private typealias Row = CSVRow<Column>
}

extension CSVRow where Column == EchoCSVReport.Column {
    fileprivate mutating func add(responder: String, _ name: SafeText?) {
        add(.responder, SafeText.csvField(responder))
        if let name { add(.name, name.csvField) }
    }
}
