import TestSupport
import Testing

/// Every scenario on every means and over both versions: the rows that its truth says, and no finding that is false.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && NamespaceLab.hasTun && ToolCommand.canChangeUser,
        "needs root, ip(8), setpriv(1) and TUN devices"))
struct TraceLabTests {
    private static let tool = Result { try InstalledTool("swtrace") }

    private struct Run {
        var means: TraceLabScenario.Means
        var isV6: Bool
    }

    private static let runs = TraceLabScenario.Means.allCases.flatMap { means in
        [false, true].map { Run(means: means, isV6: $0) }
    }

    @Test(arguments: TraceLabScenario.all)
    func theRowsAreTheTruth(_ scenario: TraceLabScenario) throws {
        // Making a network takes longer than a trace through it.
        let groups = scenario.isStateful ? Self.runs.map { [$0] } : [Self.runs]
        for runs in groups {
            let results = try Self.trace(scenario, runs)
            try #require(results.count == runs.count)
            for (run, result) in zip(runs, results) {
                Self.check(result, scenario.sight(run.means), isV6: run.isV6, "\(run) \(result)")
                let lines = result.output.split(separator: "\n").dropFirst().filter { !$0.hasPrefix(" ") }.map(
                    String.init)
                let findings = scenario.findings(run.means, run.isV6)
                #expect(try findings.problems(lines, isV6: run.isV6) == [], "\(run) \(result)")
            }
        }
    }

    /// One after the other in one network.
    private static func trace(_ scenario: TraceLabScenario, _ runs: [Run]) throws -> [CommandResult] {
        var script = ""
        for run in runs {
            let size = run.means.transport == .tcp ? nil : scenario.size
            var words = run.means.isRoot ? [] : ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            words += [try tool.get().path, "-n"] + scenario.arguments + run.means.arguments
            words += [TraceLabScenario.target(isV6: run.isV6)] + (size.map { ["\($0)"] } ?? [])
            script += words.joined(separator: " ") + "; echo \(separator) $?\n"
        }
        var command = ToolCommand("swlab", "run", "--ping-sockets", "open", "/dev/stdin", "--", "sh", "-c", script)
        command.input = Array(scenario.text.utf8)
        let output = try command.run().output
        var results: [CommandResult] = []
        var lines = ""
        for line in output.split(separator: "\n") {
            if line.hasPrefix(separator), let status = Int32(line.dropFirst(separator.count + 1)) {
                results.append(CommandResult(status: status, output: lines))
                lines = ""
            } else {
                lines += line + "\n"
            }
        }
        return results
    }

    private static let separator = "== status"

    private static func check(
        _ result: CommandResult, _ sight: TraceLabScenario.Sight, isV6: Bool, _ comment: Comment
    ) {
        let rows = TraceRow.rows(of: result.output)
        #expect(rows.map(\.number) == Array(1...max(1, rows.count)), comment)
        #expect((sight.enough ?? sight.rows.count)...sight.rows.count ~= rows.count, comment)
        for (row, expected) in zip(rows, sight.rows) {
            let (addresses, needsAll) = expected.addresses(isV6: isV6)
            let found = Set(row.responders)
            #expect(needsAll ? found == addresses : found.count == 1 && found.isSubset(of: addresses), comment)
        }
        for row in rows {
            let annex = sight.annexes[row.number]
            #expect(row.annotations.filter { $0.hasPrefix("<") } == (annex.map { [$0] } ?? []), comment)
        }
        if let mark = sight.mark {
            #expect(rows.last?.annotations.isEmpty == false, comment)
            #expect(rows.last?.annotations.allSatisfy { $0 == mark } == true, comment)
        }
        #expect(result.status == sight.status, comment)
    }
}
