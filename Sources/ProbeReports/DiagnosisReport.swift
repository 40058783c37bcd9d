import PacketFormats
import ProbeEngine

/// One thing that was found out about what a process can do here, in words of our own.
public struct DiagnosisRow: Sendable {
    /// What it is about: `socket`, `rights`, `system` or `result`.
    public var topic: String
    /// A rung, a setting, or a word for the thing.
    public var name: String
    /// Of a socket; nil for what both versions share.
    public var version: IPVersion?
    /// `works`, `unproven`, `refused`, `fact` or `unknown`.
    public var verdict: String
    /// The finding in a sentence.
    public var text: SafeText
    /// The symbol of the error number that refused.
    public var errorName: String?
    /// What would make it work.
    public var remedy: String?
    /// The number of a setting.
    public var value: Int64?
    /// How a socket did with loopback, where it was allowed.
    public var trial: Trial?

    /// What probes to loopback showed.
    public struct Trial: Sendable {
        /// Nil when no answer came.
        public var roundTrip: TimeSpan?
        /// Whether the kernel told when the probe was sent.
        public var hasSendStamp: Bool
        /// Whether the kernel told when the answer came.
        public var hasArrivalStamp: Bool
        /// `named`, `counted` or `none`.
        public var stampKeys: String

        public init(roundTrip: TimeSpan?, hasSendStamp: Bool, hasArrivalStamp: Bool, stampKeys: String) {
            self.roundTrip = roundTrip
            self.hasSendStamp = hasSendStamp
            self.hasArrivalStamp = hasArrivalStamp
            self.stampKeys = stampKeys
        }
    }

    public init(
        topic: String, name: String, version: IPVersion? = nil, verdict: String, text: SafeText,
        errorName: String? = nil, remedy: String? = nil, value: Int64? = nil, trial: Trial? = nil
    ) {
        self.topic = topic
        self.name = name
        self.version = version
        self.verdict = verdict
        self.text = text
        self.errorName = errorName
        self.remedy = remedy
        self.value = value
        self.trial = trial
    }
}

/// A diagnosis as aligned text for people, or as NDJSON by `Schemas/swping.schema.json`.
public enum DiagnosisReport {
    /// Rows under a heading for each topic; a remedy stands once below the rows that it is for.
    public static func appendText(_ rows: [DiagnosisRow], to buffer: inout ReportBuffer) {
        let width = rows.map { label($0).utf8.count }.max() ?? 0
        for (index, row) in rows.enumerated() {
            if index == 0 || rows[index - 1].topic != row.topic {
                if index > 0 { buffer.append("\n") }
                buffer.append("\(heading(row.topic))\n")
            }
            let name = label(row)
            buffer.append("  \(name)\(String(repeating: " ", count: width - name.utf8.count + 2))")
            switch row.verdict {
            case "fact": break
            case "unknown": buffer.append("unknown: ")
            default: buffer.append("\(row.verdict): ")
            }
            buffer.append(row.text)
            if let name = row.errorName { buffer.append(" (\(name))") }
            buffer.append("\n")
            let isLastOfRemedy = index + 1 == rows.count || rows[index + 1].remedy != row.remedy
            if let remedy = row.remedy, isLastOfRemedy {
                buffer.append("\(String(repeating: " ", count: width + 4))remedy: \(remedy)\n")
            }
        }
    }

    private static func label(_ row: DiagnosisRow) -> String {
        row.version.map { "\(row.name) \($0.label)" } ?? row.name
    }

    private static func heading(_ topic: String) -> String {
        switch topic {
        case "socket": "Sockets"
        case "rights": "Rights"
        case "system": "System"
        default: "Result"
        }
    }

    /// A `diagnosis` line for each row.
    ///
    /// - Parameter time: nanoseconds since 1970.
    public static func appendJSON(_ rows: [DiagnosisRow], time: Int64, to buffer: inout ReportBuffer) {
        for row in rows {
            var line = JSONLine(diagnosisAt: time, version: row.version, rung: row.topic == "socket" ? row.name : nil)
            line.add("topic", row.topic)
            line.add("name", row.name)
            line.add("verdict", row.verdict)
            line.add("text", row.text)
            if let name = row.errorName { line.add("errno", name) }
            if let remedy = row.remedy { line.add("remedy", remedy) }
            if let value = row.value { line.add("value", value) }
            if let trial = row.trial {
                line.add("rtt_ns", optional: trial.roundTrip?.nanoseconds)
                line.add("send_stamp", trial.hasSendStamp)
                line.add("arrival_stamp", trial.hasArrivalStamp)
                line.add("stamp_keys", trial.stampKeys)
            }
            line.finish()
            buffer.append(line)
        }
    }
}
