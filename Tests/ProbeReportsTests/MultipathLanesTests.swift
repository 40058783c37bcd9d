import PacketFormats
import ProbeReports
import Testing

@testable import ProbeEngine

/// Reads pictures as a person does, and compares what they say with the graph.
@Suite struct MultipathLanesTests {
    @Test(arguments: 0..<400) func saysWhatTheGraphSays(seed: UInt64) throws {
        let graph = Self.graph(seed)
        var sample = MultipathSample.chain
        sample.graph = graph
        var report = MultipathTextReport(target: target("h", "10.77.99.9"))
        report.showsNames = false
        report.columns = 1_000
        let text = written { report.appendSummary(sample.run(), PathFacts(), to: &$0) }
        let told = Set(
            graph.edges.map { edge in
                "\(Self.name(graph.nodes[edge.from])) > \(Self.name(graph.nodes[edge.to]))"
            })
        var reader = PictureReader(text)
        let read = try reader.edges()
        #expect(
            read == told,
            "\(read.subtracting(told).sorted()) too many, \(told.subtracting(read).sorted()) too few:\n\(text)")
        #expect(reader.nodes == Set(graph.nodes.map(Self.name)))
    }

    fileprivate static func name(_ node: MultipathGraph.Node) -> String {
        "\(node.hop) \(node.responder.map { "\($0)" } ?? "*")"
    }

    /// Any edges between up to five nodes at up to six hops, some of them silent, some ends.
    private static func graph(_ seed: UInt64) -> MultipathGraph {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func random(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % count
        }
        var graph = MultipathGraph(FlowSpace(.udp(destinationPort: 1), sourcePorts: 64))
        for hop in 1...(1 + random(6)) {
            let count = 1 + random(5)
            for number in 0..<count {
                let isSilent = number == count - 1 && random(4) == 0
                graph.nodes.append(
                    MultipathGraph.Node(hop: hop, responder: isSilent ? nil : address("10.0.\(hop).\(number)")))
            }
            let density = 1 + random(4)
            for from in graph.nodes(at: hop - 1) {
                for to in graph.nodes(at: hop) where random(density) == 0 {
                    var edge = MultipathGraph.Edge(from: from, to: to)
                    edge.isCertain = random(4) > 0
                    graph.edges.append(edge)
                }
            }
        }
        return graph
    }
}

/// Follows the lines of a picture from top to bottom.
private struct PictureReader {
    private struct Row {
        var hop: Int?
        var cells: [Character]
        var responder: String
    }

    private(set) var nodes: Set<String> = []
    private var rows: [Row] = []
    private var found: Set<String> = []
    /// Who the line in each column comes from.
    private var sources: [Int: Set<String>] = [:]

    init(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix { !$0.isEmpty }.map(Array.init)
        guard let head = lines.first else { return }
        let width =
            String(head).range(of: "responder").map {
                String(head).distance(from: String(head).startIndex, to: $0.lowerBound)
            } ?? 0
        for line in lines.dropFirst() {
            rows.append(
                Row(
                    hop: Int(String(line.prefix(3).filter { $0 != " " })),
                    cells: Array(line.dropFirst(4).prefix(width - 6))
                        + Array(repeating: " ", count: max(0, width - 2 - line.count)),
                    responder: String(line.dropFirst(width).prefix { $0 != " " })))
        }
    }

    mutating func edges() throws -> Set<String> {
        var index = 0
        while index < rows.count {
            // A hop's rows of nodes, then those of lines.
            let hop = try #require(rows[index].hop)
            var end = index + 1
            while end < rows.count, rows[end].hop == nil, !rows[end].responder.isEmpty { end += 1 }
            readNodes(Array(rows[index..<end]), hop)
            index = end
            while index < rows.count, rows[index].responder.isEmpty {
                readLines(rows[index].cells)
                index += 1
            }
        }
        return found
    }

    private mutating func readNodes(_ rows: [Row], _ hop: Int) {
        var below: [Int: Set<String>] = [:]
        var columns: Set<Int> = []
        for row in rows {
            guard let column = row.cells.firstIndex(where: { "●○◎".contains($0) }) else { continue }
            let name = "\(hop) \(row.responder)"
            nodes.insert(name)
            // What hangs from a lane belongs to that.
            let hangs = column >= 2 && "─┄".contains(row.cells[column - 1])
            let lane = hangs ? column - 2 : column
            columns.insert(lane)
            for source in sources[lane] ?? [] { found.insert("\(source) > \(name)") }
            let goesOn = !hangs || row.cells[lane] != "└"
            if goesOn { below[lane, default: []].insert(name) } else { below[lane] = nil }
            if hangs, "┌".contains(row.cells[lane]) { sources[lane] = nil }
        }
        sources = below
    }

    private mutating func readLines(_ cells: [Character]) {
        var next: [Int: Set<String>] = [:]
        for (column, cell) in cells.enumerated() where "│┆".contains(cell) { next[column] = sources[column] }
        var column = 0
        while column < cells.count {
            guard "├┌└◂".contains(cells[column]) else {
                column += 1
                continue
            }
            // One line across, from its left end to its right end.
            var joined: Set<String> = []
            var targets: [Int] = []
            var isOpen = true
            while isOpen, column < cells.count {
                let cell = cells[column]
                if "├└┴┼┘┤".contains(cell) { joined.formUnion(sources[column] ?? []) }
                if "├┌┬┼┐┤".contains(cell) { targets.append(column) }
                if cell == "◂" { targets.append(column - 1) }
                if cell == "▸" {
                    targets.append(column + 1)
                    column += 1
                }
                column += 1
                isOpen = !"┐┘┤".contains(cell) && (cell != "▸" || column < cells.count && "─┄".contains(cells[column]))
            }
            for target in targets {
                let isLine = "│┆".contains(cells[target])
                next[target] = joined.union(isLine ? next[target] ?? [] : [])
            }
        }
        sources = next
    }
}
