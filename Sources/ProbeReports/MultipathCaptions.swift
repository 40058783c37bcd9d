import PacketFormats
import ProbeEngine

/// The words about nodes and edges of a multipath graph.
struct MultipathCaptions {
    private let shape: MultipathShape
    private let run: MultipathRun
    private let zones: [UInt32: SafeText]
    private let shares: [Double?]

    init(_ shape: MultipathShape, _ run: MultipathRun, _ zones: [UInt32: SafeText]) {
        self.shape = shape
        self.run = run
        self.zones = zones
        shares = shape.shares
    }

    /// What is worth saying of a node beside its numbers.
    func notes(on index: Int) -> [String] {
        let node = shape.nodes[index]
        var notes: [String] = []
        if let answer = node.answer, node.isEnd {
            if case .error(let type, let code, let info) = answer.kind {
                let mark = answer.annotation.map { "\($0) " } ?? ""
                notes.append(mark + EchoError.text(type, code: code, info: info, answer.responder.version))
            } else {
                notes.append("destination")
            }
        }
        let others = node.responder.flatMap { shape.hops[$0] }?.filter { $0 != node.hop } ?? []
        if !others.isEmpty { notes.append("also hop \(Self.listing(others.map(String.init)))") }
        if let nextHops = run.nextHopsText(of: index, shape) { notes.append(nextHops) }
        return notes
    }

    /// Who stands before a node, for pictures without lines.
    func whence(of index: Int) -> String {
        "behind " + Self.listing(shape.parents(of: index).map { address(of: $0) })
    }

    /// A node in pictures: its address, its name where that is wanted and known, who announces it, how far it is.
    func lines(of index: Int, _ facts: PathFacts, showsNames: Bool) -> [String] {
        let node = shape.nodes[index]
        var lines = [address(of: index)]
        if let responder = node.responder {
            if showsNames, let name = facts.name(responder) { lines.append(name.description) }
            if let origins = facts.origins { lines.append("\(origins(responder) ?? .none)") }
        }
        if node.roundTrips.count > 0 {
            let average = millisecondsText(TimeSpan(rounding: node.roundTrips.mean))
            lines.append("\(millisecondsText(node.roundTrips.minimum))/\(average) ms")
        }
        if let loss = node.loss, loss > 0 { lines.append(lossText(loss, hop: node.hop, prefix: "loss ")) }
        return lines
    }

    /// What is missing of a node's answers: `12%`, or `limited` where routers leave out errors without losing packets.
    func lossText(of index: Int) -> String? {
        shape.nodes[index].loss.map { lossText($0, hop: shape.nodes[index].hop) }
    }

    private func lossText(_ loss: Double, hop: Int, prefix: String = "") -> String {
        loss > 0 && run.slowedHops.contains(hop) ? "limited" : prefix + percentage(loss)
    }

    /// All that is known of a node beside that, a line each.
    func details(of index: Int) -> [String] {
        let node = shape.nodes[index]
        let share = shares[index].map { ", share \(percentage($0))" } ?? ""
        return ["hop \(node.hop)\(share)", counts(node.transmitted, node.received, node.roundTrips)] + notes(on: index)
    }

    /// What stands beside an edge: its share where there are others, its loss where there is any.
    func lines(ofEdge index: Int) -> [String] {
        let edge = shape.edges[index]
        var lines: [String] = []
        if shape.outgoing[edge.from].count > 1, edge.isCertain { lines.append(percentage(shape.share(ofEdge: index))) }
        let far = shape.nodes[edge.to]
        if let loss = edge.loss(to: far), loss > 0 { lines.append(lossText(loss, hop: far.hop, prefix: "loss ")) }
        return lines
    }

    /// All that is known of an edge, a line each.
    func details(ofEdge index: Int) -> [String] {
        let edge = shape.edges[index]
        var lines = ["\(address(of: edge.from)) to \(address(of: edge.to))"]
        if !edge.isCertain { lines.append("who comes behind whom is not known") }
        lines.append("share \(percentage(shape.share(ofEdge: index)))")
        lines.append(counts(edge.transmitted, edge.received, edge.roundTrips))
        return lines
    }

    private func address(of index: Int) -> String { shape.nodes[index].responder?.text(zones) ?? "*" }

    private func counts(_ transmitted: Int, _ received: Int, _ trips: RoundTripStatistics) -> String {
        let sums = "\(received) of \(transmitted) answered"
        guard trips.count > 0 else { return sums }
        let times = [trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum].map(millisecondsText)
        return sums + ", min/avg/max = \(times.joined(separator: "/")) ms"
    }

    private static func listing(_ texts: [String]) -> String {
        texts.prefix(maximumListed).joined(separator: ", ")
            + (texts.count > maximumListed ? " and \(texts.count - maximumListed) more" : "")
    }

    private static let maximumListed = 4
}

extension MultipathGraph.Node {
    /// The part of its probes that was not answered; nil where nobody answers at all, and where nothing was sent.
    var loss: Double? {
        guard responder != nil, transmitted > 0 else { return nil }
        return Double(max(0, transmitted - received)) / Double(transmitted)
    }
}

extension MultipathGraph.Edge {
    /// The same for its far end.
    func loss(to node: MultipathGraph.Node) -> Double? {
        guard node.responder != nil, transmitted > 0 else { return nil }
        return Double(max(0, transmitted - received)) / Double(transmitted)
    }
}

/// A part in whole per cent: `<1%` is more than nothing, `>99%` is less than all.
func percentage(_ part: Double) -> String {
    let percent = Int((min(max(part, 0), 1) * 100).rounded())
    if percent == 0, part > 0 { return "<1%" }
    if percent == 100, part < 1 { return ">99%" }
    return "\(percent)%"
}

/// Milliseconds with three decimals: `0.127`.
func millisecondsText(_ span: TimeSpan) -> String {
    var text = ReportBuffer()
    text.append(milliseconds: span)
    return String(decoding: text.bytes, as: UTF8.self)
}
