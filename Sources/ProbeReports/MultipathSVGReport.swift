import PacketFormats
import ProbeEngine

/// The graph that a `MultipathTrace` found, as a picture that needs nothing else: a row of boxes for each hop, the first on
/// top (SVG 1.1).
///
/// The destination has two borders, a silent node a dashed one; an edge is dotted where it is not known that packets take it.
/// What does not fit in a box stands in its title, which viewers show below the pointer.
public struct MultipathSVGReport: MultipathReport {
    public var target: ReportTarget
    /// Whether names stand below addresses.
    public var showsNames = true
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget) { self.target = target }

    /// Nothing: the picture is drawn at the end.
    public func appendStart(_ start: MultipathStart, to buffer: inout ReportBuffer) {}

    /// Nothing.
    public func append(_ event: MultipathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer) {}

    /// The picture.
    public func appendSummary(_ run: MultipathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        let shape = MultipathShape(run.graph)
        let captions = MultipathCaptions(shape, run, zones)
        let title = "paths to \(target.name) (\(target.address.text(zones)))"
        let picture = Picture(
            shape, captions, labels: shape.nodes.indices.map { captions.lines(of: $0, facts, showsNames: showsNames) })
        picture.append(to: &buffer, title: title, conclusions: run.conclusions(shape, hasBoxes: nil))
    }
}

/// Sizes are pixels of the picture at its own size.
private struct Picture {
    private let shape: MultipathShape
    private let captions: MultipathCaptions
    private let labels: [[String]]
    private let layout: MultipathLayout
    private let widths: [Double]
    /// Of the boxes of each layer.
    private var tops: [Double] = []
    private var heights: [Double] = []
    private var bottom: Double
    private var depths: [Int]

    init(_ shape: MultipathShape, _ captions: MultipathCaptions, labels: [[String]]) {
        self.shape = shape
        self.captions = captions
        self.labels = labels
        widths = labels.map { lines in
            Double(lines.map { Self.shortened($0).count }.max() ?? 0) * Self.letter + 2 * Self.padding
        }
        layout = MultipathLayout(shape, widths: widths, gap: Self.gap)
        depths = Array(repeating: 0, count: shape.nodes.count)
        bottom = Self.margin + 2 * Self.line
        for (depth, layer) in shape.layers.enumerated() {
            let lines = layer.map { labels[$0].count }.max() ?? 0
            tops.append(bottom)
            heights.append(Double(lines) * Self.line + 2 * Self.padding)
            bottom += heights[depth] + Self.distance
            for node in layer { depths[node] = depth }
        }
    }

    func append(to buffer: inout ReportBuffer, title: String, conclusions: [String]) {
        let texts = ([title] + conclusions).map { Double($0.count) * Self.letter }
        let right = shape.nodes.indices.map { layout.x[$0] + widths[$0] / 2 + Self.left }.max() ?? 0
        let width = max(right, (texts.max() ?? 0) + Self.margin) + Self.margin
        let height = bottom + Double(conclusions.count) * Self.line + Self.margin
        buffer.append(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Self.number(width))" height="\(Self.number(height))" \
            viewBox="0 0 \(Self.number(width)) \(Self.number(height))" font-family="monospace" font-size="12">
            <title>\(Self.escaped(title))</title>
            <rect width="100%" height="100%" fill="#ffffff"/>

            """)
        append(text: title, x: Self.margin, y: Self.margin + Self.line, " font-weight=\"bold\"", to: &buffer)
        for edge in shape.edges.indices { append(edge: edge, to: &buffer) }
        for node in shape.nodes.indices { append(node, to: &buffer) }
        for (depth, layer) in shape.layers.enumerated() {
            append(
                text: "\(shape.nodes[layer[0]].hop)", x: Self.margin,
                y: tops[depth] + heights[depth] / 2 + Self.line / 3,
                " fill=\"#555555\"", to: &buffer)
        }
        for (index, line) in conclusions.enumerated() {
            append(text: line, x: Self.margin, y: bottom + Double(index) * Self.line, "", to: &buffer)
        }
        buffer.append("</svg>\n")
    }

    private func append(edge index: Int, to buffer: inout ReportBuffer) {
        let edge = shape.edges[index]
        let (from, to) = (layout.x[edge.from] + Self.left, layout.x[edge.to] + Self.left)
        let top = tops[depths[edge.from]] + boxHeight(edge.from)
        let end = tops[depths[edge.to]]
        let middle = end - Self.distance / 2
        let dots = edge.isCertain ? "" : " stroke-dasharray=\"2 4\""
        buffer.append("<g><title>\(Self.escaped(captions.details(ofEdge: index)))</title>")
        buffer.append(
            "<path d=\"M\(Self.number(from)) \(Self.number(top)) V\(Self.number(end - Self.distance))"
                + " C\(Self.number(from)) \(Self.number(middle)) \(Self.number(to)) \(Self.number(middle))"
                + " \(Self.number(to)) \(Self.number(end))\" fill=\"none\" stroke=\"#3b6ea5\" stroke-width=\"1.5\"\(dots)/>"
        )
        let label = captions.lines(ofEdge: index).joined(separator: ", ")
        if !label.isEmpty {
            // On the curve at 0.7, where the edges of one node have parted and those to one node have not yet met.
            append(
                text: label, x: to + (from - to) * 0.216, y: end - Self.distance * 0.342 + 3,
                " font-size=\"10\" text-anchor=\"middle\" fill=\"#333333\" stroke=\"#ffffff\" stroke-width=\"3\""
                    + " paint-order=\"stroke\"",
                to: &buffer)
        }
        buffer.append("</g>\n")
    }

    private func append(_ index: Int, to buffer: inout ReportBuffer) {
        let node = shape.nodes[index]
        let middle = layout.x[index] + Self.left
        let (left, top) = (middle - widths[index] / 2, tops[depths[index]])
        let fill = node.isEnd ? "#e6f4e6" : node.responder == nil ? "#f6f6f6" : "#eef4fb"
        let dashes = node.responder == nil ? " stroke-dasharray=\"5 4\"" : ""
        buffer.append("<g><title>\(Self.escaped(labels[index] + captions.details(of: index)))</title>")
        func box(inset: Double) {
            buffer.append(
                "<rect x=\"\(Self.number(left + inset))\" y=\"\(Self.number(top + inset))\""
                    + " width=\"\(Self.number(widths[index] - 2 * inset))\""
                    + " height=\"\(Self.number(boxHeight(index) - 2 * inset))\""
                    + " rx=\"4\" fill=\"\(fill)\" stroke=\"#3b6ea5\"\(dashes)/>")
        }
        box(inset: 0)
        if node.answer?.kind == .reached { box(inset: 3) }
        for (line, text) in labels[index].enumerated() {
            append(
                text: Self.shortened(text), x: middle, y: top + Self.padding + (Double(line) + 0.8) * Self.line,
                " text-anchor=\"middle\"", to: &buffer)
        }
        buffer.append("</g>\n")
    }

    private func boxHeight(_ node: Int) -> Double { Double(labels[node].count) * Self.line + 2 * Self.padding }

    private func append(text: String, x: Double, y: Double, _ attributes: String, to buffer: inout ReportBuffer) {
        buffer.append(
            "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\"\(attributes)>\(Self.escaped(text))</text>\n")
    }

    private static func shortened(_ text: String) -> String {
        text.count > longestLine ? text.prefix(longestLine - 3) + "..." : text
    }

    private static func number(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    private static func escaped(_ lines: [String]) -> String { escaped(lines.joined(separator: "\n")) }

    /// XML 1.0 sections 2.4 and 2.3; `SafeText` has left nothing that XML has no way to write.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    private static let margin = 16.0
    /// Of the first box: hop limits stand beside it.
    private static let left = 56.0
    private static let letter = 7.3
    private static let line = 16.0
    private static let padding = 6.0
    private static let gap = 18.0
    /// Between two layers.
    private static let distance = 54.0
    private static let longestLine = 46
}
