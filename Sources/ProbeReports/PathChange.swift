import PacketFormats
import ProbeEngine

/// A difference of a path from what it was in former runs.
public enum PathChange: Hashable, Sendable {
    /// Some responder of a hop is none of the baseline's at that hop; both lists have at least one.
    case responders(hop: Int, was: [IPAddress], now: [IPAddress])
    /// The destination answers, as before, but at another hop.
    case length(was: [Int], now: Int)

    /// `hop 5 was 10.0.5.2, is 10.0.6.2`.
    public func text(_ zones: [UInt32: SafeText]) -> String {
        switch self {
        case .responders(let hop, let was, let now):
            "hop \(hop) was \(Self.list(was.map { $0.text(zones) }, " or ")), is "
                + Self.list(now.map { $0.text(zones) }, " and ")
        case .length(let was, let now): "the host was hop \(Self.list(was.map(String.init), " or ")), is hop \(now)"
        }
    }

    /// A file can name any number of them.
    private static func list(_ words: [String], _ word: String) -> String {
        let shown = words.prefix(maximumShown)
        let rest = words.count - shown.count
        return shown.joined(separator: word) + (rest > 0 ? "\(word)\(rest) more" : "")
    }

    private static let maximumShown = 8
}

extension PathHop {
    /// Who answered, each once, in the order of the answers.
    var responders: [IPAddress] { Self.responders(of: answers.lazy.compactMap(\.self)) }

    /// The responders of the first flow that more than one answered, nil where each flow met one: no balancer by flows
    /// tells probes of one flow apart.
    var severalOfOneFlow: [IPAddress]? {
        let answers = answers.compactMap(\.self)
        for (index, answer) in answers.enumerated() {
            let flow = Flow(answer.probe)
            let responders = Self.responders(of: answers[index...].lazy.filter { Flow($0.probe) == flow })
            if responders.count > 1 { return responders }
        }
        return nil
    }

    private static func responders(of answers: some Sequence<PathAnswer>) -> [IPAddress] {
        answers.reduce(into: []) { responders, answer in
            if !responders.contains(answer.responder) { responders.append(answer.responder) }
        }
    }
}

/// What balancers look at.
private struct Flow: Hashable {
    var method: ProbeMethod
    var number: UInt16
    var trafficClass: UInt8

    init(_ probe: Probe) {
        method = probe.method
        number = probe.flow
        trafficClass = probe.trafficClass
    }
}
