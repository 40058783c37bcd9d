import PacketFormats
import ProbeEngine

/// What assertions about a path judge.
public struct PathEvidence {
    /// What the comparison with a baseline said.
    public enum Comparison: Hashable, Sendable {
        /// There is no baseline.
        case none
        /// The baseline has no path to this host.
        case unknownHost
        case changes([PathChange])
    }

    /// The rows in order.
    public var hops: [PathHop]
    /// Where some paths have somebody who answers and others nobody.
    public var partlySilentHops: [Int] = []
    /// At which hop the destination itself answered, nil where it did not.
    public var lastHop: Int?
    /// What the discovery of the path's MTU found; nil where it found nothing.
    public var mtu: Int?
    public var comparison: Comparison
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText]
    /// Who announces an address; nil where that is not known.
    public var origins: (IPAddress) -> ASOrigins?

    public init(
        hops: [PathHop], lastHop: Int?, mtu: Int? = nil, comparison: Comparison = .none,
        zones: [UInt32: SafeText] = [:], origins: @escaping (IPAddress) -> ASOrigins? = { _ in nil }
    ) {
        self.hops = hops
        self.lastHop = lastHop
        self.mtu = mtu
        self.comparison = comparison
        self.zones = zones
        self.origins = origins
    }
}

/// A condition under which a trace counts as failed, such as `hops>12`, `via!=AS64500` or `path-changed`.
///
/// The quantities of `EchoAssertion`'s kind are the destination's: `hops` its distance, `loss` of the probes that went
/// far enough, `rtt` the shortest, `back` the longest way back in hops, `mtu` that of the path. `via!=X` fails a path that
/// does not pass X, an address, a prefix or an autonomous system, `via=X` one that does; `path-changed` one on which a
/// flow met more than one responder at a hop, or that is not the baseline's. Where there is no such value, or silence may
/// hide what is asked for, the run counts as failed too: what was not seen can't be vouched for.
public struct PathAssertion: Hashable, Sendable {
    /// What has to be found out for it beside the path.
    public enum Need: Hashable, Sendable {
        case mtu
        /// Who announces the responders.
        case origins
    }

    private enum Condition: Hashable, Sendable {
        case quantity(Quantity, AssertionLimit)
        case via(Place, isWanted: Bool)
        case changed
    }

    private enum Place: Hashable, Sendable {
        case prefix(IPPrefix)
        case system(ASNumber)
    }

    /// As it was written, without spaces.
    public let text: String

    private let condition: Condition

    /// Throws what would have been right.
    public init(parsing text: String) throws(AssertionError) {
        let plain = String(decoding: text.utf8.filter { $0 != UInt8(ascii: " ") }, as: UTF8.self)
        self.text = plain
        if plain == Self.changed {
            condition = .changed
        } else if let sign = ["via!=", "via="].first(where: plain.hasPrefix) {
            guard let place = Self.place(String(plain.dropFirst(sign.count))) else {
                throw AssertionError(
                    expected: "a condition: \(sign) wants an address, a prefix or an AS number, such as AS64500")
            }
            condition = .via(place, isWanted: sign == "via!=")
        } else {
            guard let syntax = AssertionSyntax(parsing: text) else {
                throw AssertionError(
                    expected: "a condition, such as 'hops>12', 'via!=AS64500', 'via=192.0.2.0/24' or '\(Self.changed)'")
            }
            guard let quantity = Quantity(rawValue: syntax.quantity) else {
                throw AssertionError(expected: "a condition on one of: " + Self.quantities.joined(separator: ", "))
            }
            guard let limit = AssertionLimit(syntax, quantity.unit) else {
                throw AssertionError(expected: "a condition: \(quantity.rawValue) wants \(quantity.unit.description)")
            }
            condition = .quantity(quantity, limit)
        }
    }

    private static func place(_ text: String) -> Place? {
        if let system = ASNumber(text) { return .system(system) }
        let prefix = IPAddress(text).flatMap { IPPrefix($0, length: $0.bitWidth) } ?? IPPrefix(text)
        return prefix.map(Place.prefix)
    }

    /// Nil where the path alone is enough.
    public var need: Need? {
        switch condition {
        case .quantity(.mtu, _): .mtu
        case .via(.system, _): .origins
        default: nil
        }
    }

    /// Whether it can be asked of all paths to a host at once: what is about the destination or somebody on the way, not what
    /// needs the rows of one path.
    public var suitsManyPaths: Bool {
        switch condition {
        case .quantity(let quantity, _): quantity == .hops || quantity == .rtt
        case .via: true
        case .changed: false
        }
    }

    /// Why a trace fails by this, such as `hops 13 > 12`; nil where it does not. O(answers).
    public func failure(of evidence: PathEvidence) -> String? {
        switch condition {
        case .quantity(let quantity, let limit):
            limit.failure(of: quantity.measure(evidence)).map { "\(quantity.rawValue) \($0)" }
        case .via(let place, let isWanted): viaFailure(place, isWanted, evidence)
        case .changed: Self.changeFailure(evidence)
        }
    }

    // MARK: Via

    private func viaFailure(_ place: Place, _ isWanted: Bool, _ evidence: PathEvidence) -> String? {
        var unknown: [IPAddress] = []
        for hop in evidence.hops {
            for responder in hop.responders {
                switch Self.is(responder, in: place, evidence) {
                case true?: return isWanted ? nil : "\(text): hop \(hop.number) is \(responder.text(evidence.zones))"
                case false?: break
                case nil: unknown.append(responder)
                }
            }
        }
        var hidden: [String] = []
        if let first = evidence.hops.first?.number, first > 1 { hidden.append("hops before \(first) were not asked") }
        let silent = evidence.hops.filter { $0.responders.isEmpty }.map(\.number)
        let partly = evidence.partlySilentHops.filter { !silent.contains($0) }
        if !partly.isEmpty {
            hidden.append(
                "\(partly.count == 1 ? "hop \(partly[0]) is" : "hops \(Self.list(partly)) are") silent on some paths")
        }
        if !silent.isEmpty {
            hidden.append(silent.count == 1 ? "hop \(silent[0]) is silent" : "hops \(Self.list(silent)) are silent")
        }
        if evidence.lastHop == nil { hidden.append(Self.noAnswer) }
        if let first = unknown.first {
            let more = unknown.count > 1 ? " and \(unknown.count - 1) more" : ""
            hidden.append("the AS of \(first.text(evidence.zones))\(more) is not known")
        }
        guard hidden.isEmpty else {
            return "\(text) unknown: no hop that answered is, but \(hidden.joined(separator: ", "))"
        }
        return isWanted ? "\(text): no hop is" : nil
    }

    /// Nil where that is not known.
    private static func `is`(_ responder: IPAddress, in place: Place, _ evidence: PathEvidence) -> Bool? {
        switch place {
        case .prefix(let prefix): prefix.contains(responder)
        case .system(let number): evidence.origins(responder)?.contains(number)
        }
    }

    /// Ascending numbers as people write them: `2-4, 7`.
    private static func list(_ numbers: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers {
            if let run = runs.last, run.upperBound + 1 == number {
                runs[runs.count - 1] = run.lowerBound...number
            } else {
                runs.append(number...number)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ", ")
    }

    // MARK: Changes

    private static func changeFailure(_ evidence: PathEvidence) -> String? {
        guard evidence.hops.contains(where: { !$0.responders.isEmpty }) else {
            return "\(changed) unknown: no hop answered"
        }
        var changes = evidence.hops.compactMap { hop in
            hop.severalResponders.map { responders in
                "hop \(hop.number) is \(responders.map { $0.text(evidence.zones) }.joined(separator: " and ")) for one flow"
            }
        }
        switch evidence.comparison {
        case .none: break
        case .unknownHost:
            if changes.isEmpty { return "\(changed) unknown: the baseline has no path to this host" }
        case .changes(let others): changes += others.map { $0.text(evidence.zones) }
        }
        guard let first = changes.first else { return nil }
        return "\(changed): \(first)" + (changes.count > 1 ? ", and \(changes.count - 1) more" : "")
    }

    /// What conditions can be about, for a manual.
    public static var quantities: [String] { Quantity.allCases.map(\.rawValue) + ["via", changed] }

    private static let changed = "path-changed"
    fileprivate static let noAnswer = "the host did not answer"
}

private enum Quantity: String, CaseIterable, Hashable {
    case hops, loss, rtt, mtu, back

    var unit: AssertionUnit {
        switch self {
        case .loss: .percent
        case .rtt: .time
        case .hops, .mtu, .back: .count
        }
    }

    func measure(_ evidence: PathEvidence) -> AssertionValue {
        if self == .mtu {
            guard let mtu = evidence.mtu else { return .nothing("it was not found") }
            return .count(UInt64(clamping: mtu))
        }
        guard let lastHop = evidence.lastHop else { return .nothing(PathAssertion.noAnswer) }
        let answers = evidence.hops.flatMap(\.answers).compactMap(\.self).filter { $0.kind == .reached }
        switch self {
        case .hops, .mtu: return .count(UInt64(clamping: lastHop))
        case .loss:
            guard let row = evidence.hops.first(where: { $0.number == lastHop }) else {
                return .nothing("no probe went so far")
            }
            let (lost, count) = row.losses
            guard count > 0 else { return .nothing("no probe went so far") }
            return .share(UInt64(lost), of: UInt64(count))
        case .rtt:
            guard let shortest = answers.map(\.roundTrip).min() else { return .nothing(PathAssertion.noAnswer) }
            return .time(shortest)
        case .back:
            guard let longest = answers.compactMap(\.hopsBack).max() else {
                return .nothing("no hop limit of an answer is known")
            }
            return .count(UInt64(longest))
        }
    }
}

extension PathHop {
    /// How many probes are lost in the row of the host, of how many that it answered or should have. What did not leave this
    /// host, or was still under way when the row was told, is neither. A router that answers in the host's row was met by
    /// a probe of a longer path: that one is not lost.
    fileprivate var losses: (lost: Int, count: Int) {
        var lost = 0
        var answered = 0
        for query in queries {
            switch query.outcome {
            case .answered(let answer): if answer.kind == .reached { answered += 1 }
            case .lost: lost += 1
            case .unsent, .underWay: continue
            }
        }
        if queries.isEmpty {
            lost = answers.count { $0 == nil }
            answered = answers.count { $0?.kind == .reached }
        }
        return (lost, lost + answered)
    }
}
