import PacketFormats
import ProbeEngine

extension MultipathRun {
    /// How sure it is that no node has a next hop that nobody has seen.
    struct Confidence {
        /// Of the least certain node, or with MDA-Lite the least certain hop; nil where there is nothing to be missed.
        var miss: Double?
        /// Of all together.
        var missInTrace: Double
        /// How many have not had the probes that the rule asks for.
        var unfinished: Int
    }

    func confidence(_ shape: MultipathShape) -> Confidence {
        // MDA-Lite asks whole hops.
        let groups = isLite ? shape.layers : shape.nodes.indices.map { [$0] }
        let misses = groups.compactMap { group -> Double? in
            let open = group.map { shape.nodes[$0] }.filter { !$0.isEnd && ($0.tested > 0 || $0.missProbability > 0) }
            return open.isEmpty ? nil : 1 - open.reduce(1) { $0 * (1 - $1.missProbability) }
        }
        return Confidence(
            miss: misses.max().map { max($0, graph.sourceMissProbability) }, missInTrace: graph.missProbability,
            unfinished: shape.nodes.indices.count { isUnfinished($0, shape) })
    }

    /// Whether a node has not had the probes that the rule asks for. A silent one behind which all is silent never gets them.
    func isUnfinished(_ index: Int, _ shape: MultipathShape) -> Bool {
        let node = shape.nodes[index]
        guard !node.isEnd, node.responder != nil || !shape.outgoing[index].isEmpty else { return false }
        return node.missProbability > rule.failure
    }

    /// `3 next hops by flow, 95.6% sure`; nil where there is nothing to say, as of a node with one next hop that has had
    /// its probes.
    func nextHopsText(of index: Int, _ shape: MultipathShape) -> String? {
        let node = shape.nodes[index]
        let count = shape.outgoing[index].count
        let isUnfinished = !isLite && isUnfinished(index, shape)
        guard count > 1 || isUnfinished else { return nil }
        guard count > 0 else { return "next hop unknown" }
        let kind: String
        switch shape.balancing(at: index) {
        case .flows?: kind = " by flow"
        case .packets?: kind = " by packet"
        case MultipathGraph.Balancing.none?: kind = ""
        // Of lines that are drawn as uncertain nothing more is known.
        case nil: return nil
        }
        let confidence = confidenceText(missing: node.missProbability, decimals: 2)
        return "\(Self.count(count, "next hop"))\(kind), \(confidence) sure"
    }

    /// What the graph amounts to, a line each.
    ///
    /// - Parameter hasBoxes: by which character uncertain lines are drawn; nil where they are dotted ones.
    func conclusions(_ shape: MultipathShape, hasBoxes: Bool?) -> [String] {
        var lines = [sums(shape)]
        if let line = sourceText(shape) { lines.append(line) }
        if let line = confidenceLine(shape) { lines.append(line) }
        lines.append(pathEndingText(shape))
        if let line = endingText(shape) { lines.append(line) }
        if !slowedHops.isEmpty {
            let (hops, verb) = slowedHops.count == 1 ? ("hop", "answers") : ("hops", "answer")
            lines.append(
                "\(hops) \(Self.ranges(slowedHops)) \(verb) only so many probes a second, and had to be asked slowly")
        }
        if shape.hasUncertainEdges {
            let line = hasBoxes.map { $0 ? "┄" : "." } ?? "dotted lines"
            lines.append("\(line): who comes behind whom is not known, because each packet takes its own way")
        }
        if let caution = graph.space.method.multipathCaution { lines.append(caution) }
        if droppedHere > 0 { lines.append("dropped here: \(droppedHere), because a socket's queue was full") }
        return lines
    }

    /// `3 paths, 14 nodes, 16 edges; 104 probes, 103 answers, 0.412 s`
    private func sums(_ shape: MultipathShape) -> String {
        let paths = shape.pathCount
        let prefix = shape.hasUncertainEdges ? "up to " : ""
        let count = paths > 1_000_000 ? "more than 1000000 paths" : prefix + Self.count(paths, "path")
        var line = "\(count), \(Self.count(shape.nodes.count, "node")), \(Self.count(shape.edges.count, "edge")); "
        line += "\(Self.count(statistics.transmitted, "probe")), \(Self.count(statistics.received, "answer"))"
        if statistics.late > 0 { line += ", \(statistics.late) late" }
        if statistics.unsent > 0 { line += ", \(statistics.unsent) not sent" }
        var seconds = ReportBuffer()
        seconds.append(seconds: elapsed)
        return line + ", \(String(decoding: seconds.bytes, as: UTF8.self)) s"
    }

    /// `sure of all next hops: at least 95.6% per node (asked: 95%), 73% in the trace`
    private func confidenceLine(_ shape: MultipathShape) -> String? {
        let confidence = confidence(shape)
        guard let miss = confidence.miss else { return nil }
        return "sure of all next hops: at least \(confidenceText(missing: miss, decimals: 2)) per"
            + " \(isLite ? "hop" : "node") (asked: \(confidenceText(missing: rule.failure))),"
            + " \(confidenceText(missing: confidence.missInTrace, decimals: 2)) in the trace"
    }

    /// What nobody but this host balances has no row to stand in.
    private func sourceText(_ shape: MultipathShape) -> String? {
        guard let first = shape.layers.first, first.count > 1 else { return nil }
        return "before hop \(shape.nodes[first[0]].hop): \(first.count) ways,"
            + " \(confidenceText(missing: graph.sourceMissProbability, decimals: 2)) sure"
    }

    private func pathEndingText(_ shape: MultipathShape) -> String {
        if isReached {
            let hops = Set(shape.nodes.filter { $0.answer?.kind == .reached }.map(\.hop)).sorted()
            return hops.isEmpty
                ? "destination reached"
                : "destination reached at \(hops.count == 1 ? "hop" : "hops") \(Self.ranges(hops))"
        }
        let last = shape.nodes.map(\.hop).max() ?? 0
        let lastAnswer = shape.nodes.filter { $0.responder != nil }.map(\.hop).max() ?? 0
        switch pathEnding {
        case .unreachable: return "destination not reached: hop \(lastAnswer) says that it goes no further"
        case .loop: return "destination not reached: the path is a loop"
        case .gap where lastAnswer == 0: return "destination not reached: nothing answered"
        case .gap: return "destination not reached: nothing answered behind hop \(lastAnswer)"
        case .maximumHop: return "destination not reached within \(Self.count(last, "hop"))"
        case .reached, .interrupted, nil: return "destination not reached"
        }
    }

    private func endingText(_ shape: MultipathShape) -> String? {
        let unfinished = confidence(shape).unfinished
        let rest = unfinished == 0 ? "" : ": \(Self.count(unfinished, "node")) would need more"
        switch ending {
        case .complete: return nil
        case .probeLimit: return "stopped at the limit of probes" + rest
        case .flowLimit: return "stopped because there are only \(Self.count(graph.space.count, "flow"))" + rest
        case .refused:
            return unsentFailure.map { "stopped because probes can't be sent: \($0.text)" }
                ?? "stopped because probes can't be sent"
        case .interrupted, nil: return "interrupted before all was asked" + rest
        }
    }

    private static func count(_ number: some BinaryInteger, _ what: String) -> String {
        number == 1 ? "1 \(what)" : "\(number) \(what)s"
    }

    /// `4, 6-9`, of ascending numbers.
    private static func ranges(_ numbers: [Int]) -> String {
        var ranges: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = ranges.last, last.upperBound == number - 1 {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ", ")
    }
}

extension ProbeMethod {
    /// What has to be said of a multipath trace with it; nil where its probes have ports, by which most balancers go.
    public var multipathCaution: String? {
        switch self {
        case .udp, .tcpSYN: nil
        case .icmpEcho: "ICMP echo has no ports: of a balancer that goes by ports it shows one branch only"
        case .icmpTimestamp: "ICMP timestamps have no ports: of a balancer that goes by ports they show one branch only"
        case .ip: "these probes have no ports: of a balancer that goes by ports they show one branch only"
        }
    }
}

/// What is left of 100% when so much is missing, with as many digits as two of what is missing need: `95.6%`, `99.983%`.
/// Never more than there is.
func confidenceText(missing part: Double, decimals: Int = 7) -> String {
    let missing = min(max(part, 0), 1)
    var (scale, unit, digits) = (100.0, UInt64(100), 0)
    while missing > 0, missing * scale < 9.5, digits < decimals {
        scale *= 10
        unit *= 10
        digits += 1
    }
    // What is a hair above a round number came from one.
    var rest = unit - min(unit, UInt64(max(0, missing * scale - 1e-6).rounded(.up)))
    while digits > 0, rest % 10 == 0 {
        rest /= 10
        unit /= 10
        digits -= 1
    }
    var text = ReportBuffer()
    text.append(decimal: rest / (unit / 100))
    if digits > 0 {
        text.append(".")
        text.append(decimal: rest % (unit / 100), minimumDigits: digits)
    }
    return "\(String(decoding: text.bytes, as: UTF8.self))%"
}
