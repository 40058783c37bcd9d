import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

@Suite struct MultipathPictureTests {
    /// What wants to end a string, an element, a line or a terminal's patience.
    private static let hostileNames = [
        "\"];} digraph x {", "</text><script>", "a&b&amp;#60;", "back\\slash\\", "\u{1b}[2J\n\r\t", "\u{202e}txt",
        "]]>",
        String(repeating: "x", count: 400), "snow☃\u{0}",
    ]

    private func dot(_ run: MultipathRun, _ facts: PathFacts = PathFacts(), name: String = "h") -> String {
        written {
            MultipathDOTReport(target: target(name, "10.77.99.9")).appendSummary(run, facts, to: &$0)
        }
    }

    private func svg(_ run: MultipathRun, _ facts: PathFacts = PathFacts(), name: String = "h") -> String {
        written {
            MultipathSVGReport(target: target(name, "10.77.99.9")).appendSummary(run, facts, to: &$0)
        }
    }

    private func output(of arguments: [String], input: String) throws -> CommandResult {
        var child = try ChildProcess(arguments, input: Array(input.utf8))
        return try child.finish(seconds: 60)
    }

    @Test func saysNothingBeforeTheEnd() {
        let start = MultipathStart(
            MultipathTrace.Configuration(
                destination: address("10.77.99.9"), space: FlowSpace(.icmpEcho, sourcePorts: 1)),
            packetLength: 60, rung: "raw", time: 0)
        let reports: [any MultipathReport] = [
            MultipathDOTReport(target: target("h", "10.77.99.9")),
            MultipathSVGReport(target: target("h", "10.77.99.9")),
        ]
        for report in reports {
            var report = report
            let text = written {
                report.appendStart(start, to: &$0)
                report.append(.silent(flow: 1, hop: 1), PathFacts(), time: 0, to: &$0)
                report.append(.unsent(hop: 1, failure: .retryLater), PathFacts(), time: 0, to: &$0)
            }
            #expect(text == "")
        }
    }

    @Test func drawsNodesAndEdges() {
        let silent = dot(MultipathSample.silentBranch.run())
        #expect(silent.hasPrefix("digraph paths {\n"))
        #expect(silent.contains("label=\"*\", tooltip=\"hop 2, share 33%\\n0 of 7 answered\", style=dashed];"))
        #expect(silent.contains("peripheries=2];"))
        #expect(silent.contains("3 next hops by flow, 99% sure"))
        #expect(!silent.contains("dotted"))
        #expect(dot(MultipathSample.packets.run()).contains("style=dotted];"))
        #expect(dot(MultipathSample.lossy.run()).contains("label=\"32%\\nloss 33%\""))
        let picture = svg(MultipathSample.silentBranch.run())
        #expect(picture.contains("stroke-dasharray=\"5 4\""))
        #expect(!picture.contains("stroke-dasharray=\"2 4\""))
        #expect(svg(MultipathSample.packets.run()).contains("stroke-dasharray=\"2 4\""))
    }

    @Test(.enabled(if: hasProgram("dot"), "needs Graphviz")) func isReadByGraphviz() throws {
        for sample in MultipathSample.all {
            let run = sample.run()
            let plain = try output(of: ["dot", "-Tplain"], input: dot(run))
            #expect(plain.status == 0 && plain.errors == "", "\(plain.errors)")
            let words = lines(plain.output).map { $0.split(separator: " ") }
            #expect(words.count { $0.first == "node" } == run.graph.nodes.count)
            #expect(words.count { $0.first == "edge" } == run.graph.edges.count)
        }
    }

    @Test(.enabled(if: hasProgram("dot"), "needs Graphviz"), arguments: hostileNames)
    func givesGraphvizHostileNames(name: String) throws {
        let text = dot(
            MultipathSample.diamond.run(), PathFacts(name: { _ in SafeText(name: name) }), name: name)
        let plain = try output(of: ["dot", "-Tplain"], input: text)
        #expect(plain.status == 0 && plain.errors == "", "\(plain.errors)")
        #expect(lines(plain.output).count { $0.hasPrefix("node ") } == 14)
        // What is shown is the name as it was made safe, to the letter.
        let shown = try output(of: ["dot", "-Tjson0"], input: text)
        let label = try JSONValue(parsing: shown.output)["objects"].elements.compactMap { $0["label"].text }
        let safe = SafeText(name: name).description
        let escaped = safe.replacing("\\", with: "\\\\").replacing("&", with: "&amp;")
        #expect(label.contains { $0.contains(escaped) }, "\(label)")
    }

    @Test(.enabled(if: hasProgram("xmllint"), "needs libxml2's xmllint")) func isWellFormed() throws {
        for sample in MultipathSample.all {
            let run = sample.run()
            let text = svg(run)
            let result = try output(of: ["xmllint", "--nonet", "--noout", "-"], input: text)
            #expect(result.status == 0 && result.errors == "", "\(result.errors)")
            // A title for the picture, for each node and for each edge.
            #expect(text.matches(of: /<title>/).count == 1 + run.graph.nodes.count + run.graph.edges.count)
        }
    }

    @Test(.enabled(if: hasProgram("xmllint"), "needs libxml2's xmllint"), arguments: hostileNames)
    func escapesHostileNames(name: String) throws {
        let text = svg(MultipathSample.chain.run(), PathFacts(name: { _ in SafeText(name: name) }), name: name)
        let result = try output(
            of: ["xmllint", "--nonet", "--xpath", "string(/*/*[local-name()='title'])", "-"], input: text)
        #expect(result.status == 0 && result.errors == "", "\(result.errors)")
        #expect(result.output == "paths to \(SafeText(name: name)) (10.77.99.9)\n")
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 })
    }

    /// Boxes of one hop do not overlap, and neighbours that can stand one below the other do.
    @Test func leavesRoomBetweenBoxes() {
        for sample in MultipathSample.all {
            var boxes: [String: [(left: Double, right: Double)]] = [:]
            for match in svg(sample.run()).matches(
                of: /<rect x="([0-9.-]+)" y="([0-9.]+)" width="([0-9.]+)"[^>]* rx="4"/)
            {
                let (left, width) = (Double(match.1) ?? .nan, Double(match.3) ?? .nan)
                boxes["\(match.2)", default: []].append((left, left + width))
            }
            #expect(!boxes.isEmpty)
            for row in boxes.values {
                let row = row.sorted { $0.left < $1.left }
                #expect(row[0].left >= 40)
                for (one, next) in zip(row, row.dropFirst()) { #expect(next.left - one.right >= 10) }
            }
        }
    }

    @Test func drawsNothingOfNothing() throws {
        var sample = MultipathSample.chain
        sample.graph = MultipathGraph(sample.graph.space)
        #expect(dot(sample.run()).hasSuffix("}\n"))
        #expect(svg(sample.run()).hasSuffix("</svg>\n"))
    }
}
