import ProbeReports
import TestSupport
import Testing

/// `swtrace --multipath` through networks of the real kernel: the graph it prints is the truth.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && ToolCommand.canChangeUser && hasProgram("nft"),
        "needs root, ip(8), setpriv(1) and nft(8)"))
struct MultipathTests {
    /// How the probes go out.
    enum Means: CaseIterable {
        case root, capability, unprivileged

        var isAvailable: Bool { self != .capability || InstalledTool.canHaveCapabilities }
    }

    private static let tool = Result { try InstalledTool("swtrace") }
    private static let capableTool = Result { try InstalledTool("swtrace", fileCapabilities: "cap_net_raw+p") }

    static func command(_ means: Means, _ arguments: [String]) throws -> ToolCommand {
        var command = ToolCommand(try means == .capability ? capableTool.get() : tool.get())
        command.userID = means == .root ? nil : 65_534
        // Sure enough that chance fails no test: once in some ten thousand runs of all of them.
        command.arguments = ["-n", "--multipath=trace:99.99"] + arguments
        return command
    }

    /// In one network: making one takes longer than all traces through it.
    @Test func theGraphIsTheTruth() throws {
        let lab = try MultipathLab()
        for target in MultipathLab.targets where lab.hasSeeds || !target.partsTwice {
            for isV6 in [false, true] {
                try check(lab, target, isV6: isV6, .root)
                try check(lab, target, isV6: isV6, .unprivileged)
            }
        }
        // Where all look alike, and where they don't.
        for target in MultipathLab.targets where ["standard", "meshed"].contains(target.name) {
            guard lab.hasSeeds || !target.partsTwice else { continue }
            for isV6 in [false, true] {
                if Means.capability.isAvailable { try check(lab, target, isV6: isV6, .capability) }
                try check(lab, target, isV6: isV6, .root, ["-T"])
                try check(lab, target, isV6: isV6, .root, ["--mda-lite"])
            }
        }
        // What routers see of flows without ports: one way, and nobody says that there are more.
        for isV6 in [false, true] {
            let result = try run(lab, MultipathLab.standard, isV6: isV6, .root, ["-I"])
            let graph = try Self.graph(result)
            let truth = MultipathLab.truth(of: MultipathLab.standard, isV6: isV6)
            #expect(graph.nodes.isSubset(of: truth.nodes) && graph.edges.isSubset(of: truth.edges), "\(result)")
            #expect(Set(graph.nodes.map(\.hop)).count == graph.nodes.count, "\(result)")
            #expect(result.errors.contains("ICMP echo has no ports"))
        }
        // By their labels alone, which every means gives its flows.
        try lab.balanceByFlowLabel(true)
        for means in [Means.root, .unprivileged] {
            try check(lab, MultipathLab.standard, isV6: true, means)
            try check(lab, MultipathLab.standard, isV6: true, means, ["-I"])
        }
    }

    private static func graph(_ result: CommandResult) throws -> PathGraph {
        PathGraph(try jsonLines(result.output, schema: "swtrace-multipath"))
    }

    private func check(
        _ lab: MultipathLab, _ target: MultipathLab.Target, isV6: Bool, _ means: Means, _ arguments: [String] = []
    ) throws {
        let result = try run(lab, target, isV6: isV6, means, arguments)
        let problems = try Self.graph(result).problems(MultipathLab.truth(of: target, isV6: isV6))
        #expect(problems == [] && result.status == 0, "\(target) \(means) \(arguments) \(result)")
    }

    private func run(
        _ lab: MultipathLab, _ target: MultipathLab.Target, isV6: Bool, _ means: Means, _ arguments: [String] = []
    ) throws -> CommandResult {
        let command = try Self.command(means, ["--json"] + arguments + [target.address(isV6: isV6)])
        return try lab.source.run { try command.run() }
    }
}
