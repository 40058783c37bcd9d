import PacketFormats
import ProbeEngine

/// What traceroute prints, and nothing more: the rows of `PathTextReport` with the few marks that only traceroute sets.
public struct TracerouteReport: PathReport {
    public var text: PathTextReport
    /// What was asked for, once it is known.
    private var start: PathStart?
    private var isTooLong = false

    /// - Parameter text: what the rows show.
    public init(_ text: PathTextReport) {
        self.text = text
        self.text.tellsFindings = false
        self.text.marksProtocolUnreachable = true
    }

    public mutating func appendStart(_ start: PathStart, to buffer: inout ReportBuffer) {
        self.start = start
        text.appendStart(start, to: &buffer)
    }

    public mutating func append(_ event: PathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer) {
        switch event {
        case .hop: if !isTooLong { text.append(event, facts, time: time, to: &buffer) }
        case .unsent(_, let failure):
            guard Self.isTooLong(failure), !isTooLong else { return }
            isTooLong = true
            appendTooLong(failure, time: time, to: &buffer)
        }
    }

    public mutating func appendSummary(_ run: PathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        text.appendSummary(run, facts, to: &buffer)
    }

    /// Whether the packet was longer than this host's link takes.
    public static func isTooLong(_ failure: SendFailure) -> Bool {
        if case .failed(_, "EMSGSIZE", _) = failure { true } else { false }
    }

    /// A row without a router: ` 1  *  0.119 ms !F-1500`, for each query once.
    private func appendTooLong(_ failure: SendFailure, time: Int64, to buffer: inout ReportBuffer) {
        guard let start, case .failed(_, _, let mtu) = failure else { return }
        let hop = start.configuration.firstHop
        if hop < 10 { buffer.append(" ") }
        buffer.append(decimal: hop)
        buffer.append(" ")
        for _ in 0..<start.configuration.queries {
            buffer.append(" *  ")
            buffer.append(milliseconds: TimeSpan(nanoseconds: max(0, time &- start.time)))
            buffer.append(" ms !F")
            if let mtu { buffer.append("-\(mtu)") }
        }
        buffer.append("\n")
    }
}
