import PacketFormats
import ProbeEngine

/// The queries of a `PathTrace` as a table: a line of column names, then a row for each (RFC 4180).
///
/// Every row has every column, empty where it says nothing. Rows end with a carriage return and a line feed.
public struct PathCSVReport: PathReport {
    public var target: ReportTarget
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    /// Whether the line of column names comes first: of several traces in one table only the first has it.
    public var hasNames = true

    public init(target: ReportTarget, method: ProbeMethod) {
        self.target = target
        self.method = method
    }

    /// The names of the columns.
    public func appendStart(_ start: PathStart, to buffer: inout ReportBuffer) {
        if hasNames { Row.append(Self.names, to: &buffer) }
    }

    /// The rows of a hop's queries.
    public func append(_ event: PathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer) {
        switch event {
        case .hop(let hop):
            for (index, answer) in hop.answers.enumerated() {
                var row = row(time, hop: hop.number)
                row.add(.query, index + 1)
                if let answer {
                    add(answer, facts, to: &row)
                } else {
                    row.add(.kind, "silence")
                }
                row.append(to: &buffer)
            }
        case .unsent(let hop, let failure):
            var row = row(time, hop: hop)
            row.add(.kind, "unsent")
            row.add(.text, SafeText.csvField(failure.text))
            row.append(to: &buffer)
        }
    }

    /// Nothing: the table has one shape.
    public func appendSummary(_ run: PathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {}

    private func row(_ time: Int64, hop: Int) -> Row {
        var row = Row()
        row.add(.time, rfc3339(time))
        row.add(.target, target.name.csvField)
        row.add(.address, SafeText.csvField(target.address.text(zones)))
        row.add(.family, target.address.version.word)
        row.add(.transport, method.word)
        row.add(.hop, hop)
        return row
    }

    private func add(_ answer: PathAnswer, _ facts: PathFacts, to row: inout Row) {
        row.add(.kind, answer.kind.word)
        row.add(.responder, SafeText.csvField(answer.responder.text(zones)))
        if let name = facts.name(answer.responder) { row.add(.name, name.csvField) }
        row.add(.sentHopLimit, answer.probe.hopLimit)
        row.add(.hopLimit, optional: answer.hopLimit)
        row.add(.roundTrip, answer.roundTrip.nanoseconds)
        row.add(.clock, answer.clock.word)
        if case .error(let type, let code, _) = answer.kind {
            row.add(.icmpType, type.rawValue)
            row.add(.icmpCode, code)
            row.add(.annotation, answer.annotation ?? "")
        }
        if let flags = answer.flags { row.add(.flags, flags.names.joined(separator: " ")) }
        if let objects = answer.detail?.extensions?.objects, !objects.isEmpty {
            row.add(.extensions, SafeText.csvField(objects.map { $0.text(zones) }.joined(separator: "/")))
        }
    }

    /// The columns in their order; later ones may only be added behind them.
    private enum Column: Int, CaseIterable {
        case time, target, address, family, transport, hop, query, kind, responder, name, sentHopLimit, hopLimit
        case roundTrip, clock, icmpType, icmpCode, annotation, flags, extensions, text
    }

    private static let names = [
        "time", "target", "address", "family", "transport", "hop", "query", "kind", "responder", "name",
        "sent_hop_limit", "hop_limit", "rtt_ns", "clock", "icmp_type", "icmp_code", "annotation", "tcp_flags",
        "extensions", "text",
    ]

    private typealias Row = CSVRow<Column>
}

extension PathAnswer.Kind {
    /// As it stands in JSON and tables.
    var word: String {
        switch self {
        case .timeExceeded: "time_exceeded"
        case .reached: "reached"
        case .error: "error"
        }
    }
}
