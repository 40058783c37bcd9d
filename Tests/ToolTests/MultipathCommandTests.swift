import LinuxSockets
import ProbeReports
import TestSupport
import Testing

/// How `swtrace --multipath` behaves: what it prints and where, how it ends, and what it refuses.
@Suite(
    .waiting, .enabled(if: NamespaceLab.isAvailable && hasProgram("nft"), "needs root, ip(8) and nft(8)"))
struct MultipathCommandTests {
    /// In one network, because making one takes longer than all of this.
    @Test func theToolBehaves() throws {
        let lab = try MultipathLab(targets: [MultipathLab.standard])
        try severalHostsComeOneAfterTheOther(lab)
        try conditionsAreOfAllPaths(lab)
        try theCaptureHasEveryPacket(lab)
        try whatCannotBeSentIsSaid(lab)
        try interruptionsTellWhatIsKnown(lab)
        try aClosedOutputEndsInSilence(lab)
        if hasProgram("dot") { try graphvizReadsIt(lab) }
        try thePictureIsOneDocument(lab)
        try roundsFollowThePaths(lab)
    }

    private let targets = [false, true].map(MultipathLab.standard.address)

    private func severalHostsComeOneAfterTheOther(_ lab: MultipathLab) throws {
        let text = try run(lab, targets)
        #expect(text.status == 0 && text.errors == "", "\(text)")
        let heads = text.output.split(separator: "\n").filter { $0.hasPrefix("traceroute to ") }
        #expect(heads.map { $0.split(separator: " ")[2] } == targets.map { $0[...] })
        #expect(text.output.contains("\n\ntraceroute to fd00:99::1 "))
        let json = try run(lab, ["--json"] + targets)
        let lines = try jsonLines(json.output, schema: "swtrace-multipath")
        // The second host is begun when the first is told of.
        let order = lines.compactMap { line in
            ["multipath_start", "multipath_summary"].contains(line["type"].text) ? line["address"].text : nil
        }
        #expect(order == [targets[0], targets[0], targets[1], targets[1]])
        for (target, isV6) in zip(targets, [false, true]) {
            let graph = PathGraph(lines.filter { $0["address"].text == target })
            #expect(graph.problems(MultipathLab.truth(of: MultipathLab.standard, isV6: isV6)) == [], "\(json)")
        }
    }

    private func conditionsAreOfAllPaths(_ lab: MultipathLab) throws {
        let branch = MultipathLab.address(of: "x2", isV6: false)
        let conditions = ["hops>9", "hops>10", "rtt>10s", "via=\(branch)", "via!=\(branch)", "via=192.0.2.1"]
        let result = try run(lab, conditions.flatMap { ["--fail-if", $0] } + [targets[0]])
        #expect(result.status == 1)
        #expect(
            result.errors == """
                swtrace: failed: hops 10 > 9 (10.99.0.1)
                swtrace: failed: via=\(branch): hop 5 is \(branch) (10.99.0.1)
                swtrace: failed: via=192.0.2.1 unknown: no hop that answered is, but hop 3 is silent (10.99.0.1)

                """)
        let json = try run(lab, ["--json", "--fail-if", "hops>9", targets[0]])
        #expect(json.status == 1 && json.errors == "")
        let summary = try jsonLines(json.output, schema: "swtrace-multipath").last
        #expect(summary?["failed"] == .array([.string("hops 10 > 9")]))
    }

    private func theCaptureHasEveryPacket(_ lab: MultipathLab) throws {
        for rung in ["raw", "udp"] {
            let directory = try Directory()
            let result = try run(lab, ["--json", "--rung", rung, "--pcap", directory.file, targets[0]])
            let summary = try #require(try jsonLines(result.output, schema: "swtrace-multipath").last)
            let capture = try #require(Capture(try directory.contents()))
            let expected = [summary["transmitted"], summary["received"]].compactMap(\.integer).reduce(0, +)
            #expect(Int64(capture.records.count) == expected, "\(rung) \(result)")
        }
    }

    private func whatCannotBeSentIsSaid(_ lab: MultipathLab) throws {
        let result = try run(lab, ["192.0.2.1"])
        #expect(result.status == 2)
        #expect(result.errors == "swtrace: not sent: hop 1 (ENETUNREACH: Network is unreachable)\n")
        let json = try run(lab, ["--json", "192.0.2.1"])
        #expect(json.status == 2 && json.errors == "")
        #expect(try jsonLines(json.output, schema: "swtrace-multipath").last?["transmitted"].integer == 0)
    }

    private func interruptionsTellWhatIsKnown(_ lab: MultipathLab) throws {
        try lab.source.run {
            // Some hundred probes of which each waits: the second host is never begun.
            var child = try command(["--json", "-z", "0.05"] + targets).start()
            try child.wait { $0.split(separator: "\n").count { $0.contains("multipath_probe") } > 3 }
            child.signal(.interrupt)
            let result = try child.finish()
            let lines = try jsonLines(result.output, schema: "swtrace-multipath")
            let summaries = lines.filter { $0["type"].text == "multipath_summary" }
            #expect(summaries.map { $0["ending"].text } == ["interrupted"])
            #expect(result.status == (summaries.first?["reached"] == .boolean(true) ? 0 : 1) && result.errors == "")
            #expect(!PathGraph(lines).nodes.isEmpty)
        }
    }

    private func aClosedOutputEndsInSilence(_ lab: MultipathLab) throws {
        var command = try command(targets)
        command.output = .brokenPipe
        let ready = command
        let result = try lab.source.run { try ready.run() }
        #expect(result.status == 141 && result.errors == "", "\(result)")
    }

    private func graphvizReadsIt(_ lab: MultipathLab) throws {
        for (target, isV6) in zip(targets, [false, true]) {
            let result = try run(lab, ["--dot", target])
            #expect(result.status == 0 && result.errors == "")
            let truth = MultipathLab.truth(of: MultipathLab.standard, isV6: isV6)
            let dot = try ChildProcess(["dot", "-Tplain"], input: Array(result.output.utf8))
            let plain = try finish(dot)
            let words = plain.output.split(separator: "\n").map { $0.prefix { $0 != " " } }
            #expect(plain.status == 0 && plain.errors == "")
            #expect(words.count { $0 == "node" } == truth.nodes.count, "\(plain)")
            #expect(words.count { $0 == "edge" } == truth.edges.count, "\(plain)")
        }
    }

    private func thePictureIsOneDocument(_ lab: MultipathLab) throws {
        let result = try run(lab, ["--svg", targets[0]])
        #expect(result.status == 0 && result.errors == "")
        #expect(result.output.hasPrefix("<") && result.output.hasSuffix("</svg>\n"))
        let truth = MultipathLab.truth(of: MultipathLab.standard, isV6: false)
        for node in truth.nodes { if let address = node.address { #expect(result.output.contains(address)) } }
    }

    private func roundsFollowThePaths(_ lab: MultipathLab) throws {
        let json = try run(lab, ["--json", "--rounds", "3", "--interval", "0.05"] + targets)
        #expect(json.status == 0 && json.errors == "", "\(json)")
        let all = try jsonLines(json.output, schema: "swtrace-multipath")
        for (target, isV6) in zip(targets, [false, true]) {
            let lines = all.filter { $0["address"].text == target }
            let truth = MultipathLab.truth(of: MultipathLab.standard, isV6: isV6)
            func ofType(_ type: String) -> [JSONValue] { lines.filter { $0["type"].text == type } }
            #expect(ofType("watch_round").map { $0["round"].integer } == [1, 2, 3])
            for round in ofType("watch_round") {
                #expect(round["edges"].elements.count == truth.edges.count && round["paths"].elements.count == 3)
            }
            #expect(ofType("watch_node").count == truth.nodes.count)
            #expect(ofType("watch_edge").count == truth.edges.count)
            // A path for each branch, whose end answers all that a busy host had the time to send.
            let ends = ofType("watch_path")
            #expect(ends.count == 3)
            for end in ends { #expect(end["received"] == end["transmitted"] && end["lost"].integer == 0, "\(json)") }
            let sent = ends.compactMap { $0["transmitted"].integer }.reduce(0, +)
            #expect(sent > 0 && sent + (lines.last?["missed"].integer ?? 0) >= 9, "\(json)")
            #expect(ofType("watch_change").isEmpty)
            #expect(lines.last?["type"].text == "watch_summary" && lines.last?["rounds"].integer == 3)
        }
        let text = try run(lab, ["--rounds", "2", "--interval", "0.05", targets[0]])
        #expect(text.output.contains("\nfollowed 3 paths for 2 rounds; "), "\(text)")
        try lab.source.run {
            // Without an end, until somebody says so.
            var child = try command(["--json", "--rounds", "0", "--interval", "0.02", targets[0]]).start()
            try child.wait { $0.split(separator: "\n").count { $0.contains("watch_round") } > 2 }
            child.signal(.interrupt)
            let result = try child.finish()
            #expect(result.status == 0 && result.errors == "")
            #expect(try jsonLines(result.output, schema: "swtrace-multipath").last?["type"].text == "watch_summary")
        }
    }

    private func finish(_ child: consuming ChildProcess) throws -> CommandResult {
        var child = child
        return try child.finish()
    }

    private func command(_ arguments: [String]) throws -> ToolCommand {
        var command = ToolCommand("swtrace", "-n", "--multipath=trace:99.99")
        command.arguments += arguments
        return command
    }

    private func run(_ lab: MultipathLab, _ arguments: [String]) throws -> CommandResult {
        let command = try command(arguments)
        return try lab.source.run { try command.run() }
    }

    /// Six answers at once and one a second: the trace takes its time, says so, and finds everything.
    @Test func theLimitsOfTheKernelOnlyTakeTime() throws {
        let lab = try MultipathLab(targets: [MultipathLab.narrow])
        try lab.limitErrors()
        let command = ToolCommand(
            "swtrace", "-n", "--multipath=99.9", "--json", MultipathLab.narrow.address(isV6: false))
        let result = try lab.source.run { try command.run(seconds: 60) }
        let lines = try jsonLines(result.output, schema: "swtrace-multipath")
        let truth = MultipathLab.truth(of: MultipathLab.narrow, isV6: false)
        #expect(PathGraph(lines).problems(truth) == [], "\(result)")
        let slowed = lines.filter { $0["type"].text == "multipath_slowed" }.compactMap { $0["hop"].integer }
        // m answers for both branches.
        #expect(slowed.contains(6), "\(result)")
        #expect(lines.last?["slowed_hops"].elements.compactMap(\.integer) == slowed.sorted())
        #expect(lines.last?["ending"].text == "complete" && result.status == 0)
    }
}

/// What the parser and the sockets refuse.
@Suite(.waiting) struct MultipathRefusalTests {
    @Test(arguments: [
        ("--dot", "option --dot: needs --multipath"),
        ("--svg", "option --svg: needs --multipath"),
        ("--mda-lite", "option --mda-lite: needs --multipath"),
        ("--max-probes 20", "option --max-probes: needs --multipath"),
        ("--rounds 2", "option --rounds: needs --multipath"),
        ("--multipath --interval 2", "option --interval: needs --rounds"),
        ("--multipath --rounds 2 --dot", "option --rounds: a picture has no rounds"),
        (
            "--multipath=49.9",
            "option --multipath: '49.9' is not a percentage from 50 to 99.99, of a router, or trace: and one, of the "
                + "whole trace"
        ),
        (
            "--multipath=trace:100",
            "option --multipath: 'trace:100' is not a percentage from 50 to 99.99, of a router, or trace: and one, of the "
                + "whole trace"
        ),
        ("--multipath -q 3", "option -q: --multipath sends as many probes as it needs"),
        ("--multipath --mtu", "option --mtu: is for one path"),
        (
            "--multipath --flow classic",
            "option --flow: --multipath needs flows that stay the same, which classic has not"
        ),
        ("--multipath --csv", "option --csv: a table has one path; --json has all of them"),
        ("--multipath --atlas", "option --atlas: RIPE Atlas' results have one path; --json has all of them"),
        ("--multipath --baseline /dev/null", "option --baseline: is for one path"),
        ("--multipath --json --dot", "options --json and --dot exclude each other (see swtrace --help)"),
        ("--multipath --svg 127.0.0.1", "option --svg: a picture has one host"),
        (
            "--multipath --fail-if path-changed",
            "option --fail-if: 'path-changed' is for one path, without --multipath"
        ),
        ("--multipath --fail-if loss>1%", "option --fail-if: 'loss>1%' is for one path, without --multipath"),
    ])
    func isRefused(arguments: String, line: String) throws {
        var command = ToolCommand("swtrace")
        command.arguments = arguments.split(separator: " ").map(String.init) + ["127.0.0.1"]
        let result = try command.run()
        #expect(result == CommandResult(status: 2, errors: "swtrace: \(line)\n"))
    }

    @Test(.enabled(if: NamespaceLab.isAvailable, "needs root"))
    func socketsThatCannotKeepAFlowAreRefused() throws {
        let lab = try NamespaceLab("a")
        let connecting = ToolCommand("swtrace", "--multipath", "-T", "--rung", "tcp", "127.0.0.1")
        #expect(
            try lab["a"].run { try connecting.run() }.errors
                == "swtrace: option --multipath with -T: needs raw sockets (here: TCP sockets; leave out --rung)\n")
        for (size, least) in [("41", 42), ("28", 42)] {
            let short = ToolCommand("swtrace", "--multipath", "127.0.0.1", size)
            #expect(
                try lab["a"].run { try short.run() }.errors
                    == "swtrace: SIZE: at least \(least) with --multipath over IPv4\n")
        }
        let fits = ToolCommand("swtrace", "-n", "--multipath", "127.0.0.1", "42")
        #expect(try lab["a"].run { try fits.run() }.status == 0)
    }
}
