import PacketFormats
import ProbeEngine

/// The graph that a `MultipathTrace` found, in the language of Graphviz' `dot`.
///
/// Nodes of a hop stand side by side. The destination has two borders, a silent node a dashed one; an edge is dotted where it
/// is not known that packets take it. Nothing but the graph is written.
public struct MultipathDOTReport: MultipathReport {
    public var target: ReportTarget
    /// Whether names stand below addresses.
    public var showsNames = true
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(target: ReportTarget) { self.target = target }

    /// Nothing: the graph is told at the end.
    public func appendStart(_ start: MultipathStart, to buffer: inout ReportBuffer) {}

    /// Nothing.
    public func append(_ event: MultipathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer) {}

    /// The graph.
    public func appendSummary(_ run: MultipathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        let shape = MultipathShape(run.graph)
        let captions = MultipathCaptions(shape, run, zones)
        let title = ["paths to \(target.name) (\(target.address.text(zones)))"] + run.conclusions(shape, hasBoxes: nil)
        buffer.append("digraph paths {\n")
        buffer.append("    graph [label=\(Self.quoted(title)), labelloc=t, labeljust=l, fontname=\"sans-serif\"];\n")
        buffer.append("    node [shape=box, fontname=\"sans-serif\", fontsize=11];\n")
        buffer.append("    edge [fontname=\"sans-serif\", fontsize=9];\n")
        for layer in shape.layers {
            buffer.append("    {\n        rank=same;\n")
            for index in layer { append(index, shape, captions, facts, to: &buffer) }
            buffer.append("    }\n")
        }
        for (index, edge) in shape.edges.enumerated() {
            var attributes = ["tooltip=\(Self.quoted(captions.details(ofEdge: index)))"]
            let lines = captions.lines(ofEdge: index)
            if !lines.isEmpty { attributes.append("label=\(Self.quoted(lines))") }
            if !edge.isCertain { attributes.append("style=dotted") }
            buffer.append("    n\(edge.from) -> n\(edge.to) [\(attributes.joined(separator: ", "))];\n")
        }
        buffer.append("}\n")
    }

    private func append(
        _ index: Int, _ shape: MultipathShape, _ captions: MultipathCaptions, _ facts: PathFacts,
        to buffer: inout ReportBuffer
    ) {
        let node = shape.nodes[index]
        let lines = captions.lines(of: index, facts, showsNames: showsNames) + captions.notes(on: index)
        var attributes = ["label=\(Self.quoted(lines))", "tooltip=\(Self.quoted(captions.details(of: index)))"]
        if node.responder == nil { attributes.append("style=dashed") }
        if node.answer?.kind == .reached { attributes.append("peripheries=2") }
        buffer.append("        n\(index) [\(attributes.joined(separator: ", "))];\n")
    }

    /// A string of the language: backslashes begin escapes in it, and so do ampersands in labels.
    private static func quoted(_ lines: [String]) -> String {
        var text = "\""
        for (index, line) in lines.enumerated() {
            if index > 0 { text += "\\n" }
            for character in line.unicodeScalars {
                switch character {
                case "\"": text += "\\\""
                case "\\": text += "\\\\"
                case "&": text += "&amp;"
                default: text.unicodeScalars.append(character)
                }
            }
        }
        return text + "\""
    }
}
