import ProbeReports
import TestSupport
import Testing

/// Balancers that the kernel has none of, behind a TUN device: by packets, and by labels alone.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && NamespaceLab.hasTun && ToolCommand.canChangeUser,
        "needs root, ip(8), setpriv(1) and TUN devices"))
struct MultipathLabTests {
    private static let tool = Result { try InstalledTool("swtrace") }

    /// Router N has the addresses 10.0.N.1 and fd00:N::1, and number 3 the choice between 4, 5 and 6.
    private static func scenario(_ key: String) -> String {
        (1...8).map { "router r\($0) 10.0.\($0).1 fd00:\($0)::1 delay 200us\n" }.joined() + """
            source 10.0.0.1 fd00::1
            path source r1 r2 r3
            balance r3 r4 r5 r6 by \(key)
            path r4 r7
            path r5 r7
            path r6 r7
            path r7 r8
            target 10.99.0.9 fd00:99::9 via r8 tcp 80 open

            """
    }

    private static func truth(isV6: Bool) -> PathGraph {
        func node(_ hop: Int, _ router: Int) -> PathGraph.Node {
            .init(hop: hop, address: isV6 ? "fd00:\(router)::1" : "10.0.\(router).1")
        }
        let target = PathGraph.Node(hop: 7, address: isV6 ? "fd00:99::9" : "10.99.0.9")
        var graph = PathGraph()
        for branch in 4...6 {
            let path = [node(1, 1), node(2, 2), node(3, 3), node(4, branch), node(5, 7), node(6, 8), target]
            graph.nodes.formUnion(path)
            graph.edges.formUnion(zip(path, path.dropFirst()).map { .init(from: $0, to: $1) })
        }
        return graph
    }

    @Test(arguments: [
        ("ports", "flows", [false, true]), ("flow-label", "flows", [true]), ("packet", "packets", [false, true]),
    ])
    func theGraphIsTheTruth(key: String, balancing: String, versions: [Bool]) throws {
        for isRoot in [true, false] {
            let user = isRoot ? "" : "setpriv --reuid=65534 --regid=65534 --clear-groups "
            let line = user + (try Self.tool.get().path) + " -n --multipath=trace:99.99 --json "
            let targets = versions.map { $0 ? "fd00:99::9" : "10.99.0.9" }
            var command = ToolCommand(
                "swlab", "run", "/dev/stdin", "--", "sh", "-c", line + targets.joined(separator: " "))
            command.input = Array(Self.scenario(key).utf8)
            let result = try command.run()
            let all = try jsonLines(result.output, schema: "swtrace-multipath")
            for (target, isV6) in zip(targets, versions) {
                let lines = all.filter { $0["address"].text == target }
                #expect(PathGraph(lines).problems(Self.truth(isV6: isV6)) == [], "\(key) \(isRoot) \(result)")
                let balancers = lines.filter { $0["type"].text == "multipath_node" && $0["next_hops"].integer ?? 0 > 1 }
                #expect(balancers.map { $0["balancing"].text } == [balancing], "\(key) \(isRoot) \(result)")
            }
            #expect(result.status == 0)
        }
    }
}
