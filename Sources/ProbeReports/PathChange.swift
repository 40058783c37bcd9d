import PacketFormats
import ProbeEngine

/// A difference of a path from what it was before: in another run, or a moment ago in the same one.
public enum PathChange: Hashable, Sendable {
    /// Some responder of a hop is none of the baseline's at that hop; both lists have at least one.
    case responders(hop: Int, was: [IPAddress], now: [IPAddress])
    /// The destination answers, as before, but at another hop.
    case length(was: [Int], now: Int)
    /// More than one responder at a hop, for probes that no balancer by flows tells apart.
    case severalResponders(hop: Int, [IPAddress])

    /// `hop 5 was 10.0.5.2, is 10.0.6.2`.
    public func text(_ zones: [UInt32: SafeText]) -> String {
        switch self {
        case .responders(let hop, let was, let now):
            "hop \(hop) was \(Self.list(was.map { $0.text(zones) }, " or ")), is "
                + Self.list(now.map { $0.text(zones) }, " and ")
        case .length(let was, let now): "the host was hop \(Self.list(was.map(String.init), " or ")), is hop \(now)"
        case .severalResponders(let hop, let responders):
            "hop \(hop) is \(Self.list(responders.map { $0.text(zones) }, " and ")) for one flow"
        }
    }

    /// The hops that answered probes of one flow from more than one address, in order. O(answers).
    public static func within(_ hops: [PathHop]) -> [PathChange] {
        hops.compactMap { hop in
            var flows: [Flow: [IPAddress]] = [:]
            for case .some(let answer) in hop.answers {
                let flow = Flow(answer.probe)
                if flows[flow]?.contains(answer.responder) != true {
                    flows[flow, default: []].append(answer.responder)
                }
            }
            // Of several flows with such an answer the one with the lowest address stands for all, so that the order of
            // a dictionary does not show.
            let several = flows.values.filter { $0.count > 1 }.map { $0.sorted() }
            return several.min { $0.lexicographicallyPrecedes($1) }.map { .severalResponders(hop: hop.number, $0) }
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

extension PathHop {
    /// Who answered, each once, in the order of the answers.
    var responders: [IPAddress] {
        var responders: [IPAddress] = []
        for case .some(let answer) in answers where !responders.contains(answer.responder) {
            responders.append(answer.responder)
        }
        return responders
    }
}
