import PacketFormats
import ProbeEngine

/// What the conditions of `--fail-if` and a baseline say of one path.
public struct PathJudgement: Sendable {
    /// Nil where no condition was given.
    private let reasons: [String]?
    /// Nil where no baseline was.
    private let comparison: PathEvidence.Comparison
    private let target: ReportTarget
    private let zones: [UInt32: SafeText]

    /// Judges a path. O(answers) for each condition.
    ///
    /// - Parameters:
    ///   - lastHop: at which hop the destination itself answered, nil where it did not.
    ///   - mtu: what the discovery of the path's MTU found; nil where it found nothing.
    ///   - origins: gives who announces an address, nil where that is not known.
    public init(
        target: ReportTarget, hops: [PathHop], lastHop: Int?, mtu: Int? = nil, baseline: PathBaseline?,
        assertions: [PathAssertion], zones: [UInt32: SafeText] = [:],
        origins: @escaping (IPAddress) -> ASOrigins? = { _ in nil }
    ) {
        self.target = target
        self.zones = zones
        if let baseline {
            comparison = baseline.changes(of: hops, lastHop: lastHop, to: target).map { .changes($0) } ?? .unknownHost
        } else {
            comparison = .none
        }
        let evidence = PathEvidence(
            hops: hops, lastHop: lastHop, mtu: mtu, comparison: comparison, zones: zones, origins: origins)
        reasons = assertions.isEmpty ? nil : assertions.compactMap { $0.failure(of: evidence) }
    }

    /// Judges all paths to a host. O(nodes) for each condition.
    public init(
        target: ReportTarget, _ evidence: PathEvidence, assertions: [PathAssertion], zones: [UInt32: SafeText] = [:]
    ) {
        self.target = target
        self.zones = zones
        comparison = .none
        reasons = assertions.isEmpty ? nil : assertions.compactMap { $0.failure(of: evidence) }
    }

    /// By which conditions the path failed: `hops 13 > 12`.
    public var failures: [String] { reasons ?? [] }

    /// A line for each of them: `failed: hops 13 > 12 (h.example)`.
    public var failureLines: [String] { failures.map { "failed: \($0) (\(target.name))" } }

    /// Differences from the baseline: `path changed: hop 5 was 10.0.5.2, is 10.0.6.2`.
    var changeLines: [String] {
        switch comparison {
        case .none: []
        case .unknownHost: ["path unknown to the baseline"]
        case .changes(let changes): changes.map { "path changed: \($0.text(zones))" }
        }
    }

    fileprivate func add(to line: inout JSONLine) {
        if let reasons { line.add("failed", texts: reasons) }
        switch comparison {
        case .none: break
        case .unknownHost: line.addNull("path_changes")
        case .changes(let changes):
            line.add("path_changes", objects: changes) { line, change in
                switch change {
                case .responders(let hop, let was, let now):
                    line.add("hop", hop)
                    line.add("was", texts: was.map { $0.text(zones) })
                    line.add("now", texts: now.map { $0.text(zones) })
                case .length(let was, let now):
                    line.add("lengths_were", integers: was)
                    line.add("length_now", now)
                }
            }
        }
    }
}

extension JSONLine {
    /// Adds what a path failed by and where it is not the baseline's, as far as either was asked for.
    mutating func add(_ judgement: PathJudgement) { judgement.add(to: &self) }
}

extension PathTextReport {
    /// The lines behind the rows about differences from the baseline.
    public func append(_ judgement: PathJudgement, to buffer: inout ReportBuffer) {
        for line in judgement.changeLines { buffer.append("\(line)\n") }
    }
}
