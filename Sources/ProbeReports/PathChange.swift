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
    var responders: [IPAddress] {
        answers.lazy.compactMap(\.self).reduce(into: []) { responders, answer in
            if !responders.contains(answer.responder) { responders.append(answer.responder) }
        }
    }
}
