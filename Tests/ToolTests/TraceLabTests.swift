import TestSupport
import Testing

/// Every scenario on every means and over both versions: the rows that its truth says.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && NamespaceLab.hasTun && ToolCommand.canChangeUser,
        "needs root, ip(8), setpriv(1) and TUN devices"))
struct TraceLabTests {
    private static let tool = Result { try InstalledTool("swtrace") }

    @Test(arguments: TraceLabScenario.all)
    func theRowsAreTheTruth(_ scenario: TraceLabScenario) throws {
        for means in TraceLabScenario.Means.allCases {
            for isV6 in [false, true] {
                let result = try Self.trace(scenario, means, isV6: isV6)
                Self.check(result, scenario.sight(means.transport), isV6: isV6, "\(means) \(result)")
            }
        }
    }

    private static func trace(
        _ scenario: TraceLabScenario, _ means: TraceLabScenario.Means, isV6: Bool
    ) throws -> CommandResult {
        var command = ToolCommand("swlab", "run")
        command.arguments += ["--ping-sockets", means == .pingICMP ? "open" : "shut"]
        if !means.isRoot { command.arguments += ["--user", "65534"] }
        command.arguments += ["/dev/stdin", "--", try tool.get().path, "-n"] + scenario.arguments + means.arguments
        command.arguments.append(TraceLabScenario.target(isV6: isV6))
        if means.transport != .tcp, let size = scenario.size { command.arguments.append("\(size)") }
        command.input = Array(scenario.text.utf8)
        return try command.run()
    }

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
