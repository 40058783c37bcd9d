import LinuxSockets
import PacketFormats
import ProbeReports
import TestSupport
import Testing

/// The tools as processes on a network whose answers are lies: they end in their own time, say only what is printable,
/// take no memory for it, and count nothing that is not an answer to their probes.
@Suite(
    .waiting,
    .enabled(if: NamespaceLab.isAvailable && NamespaceLab.hasTun, "needs root, ip(8) and /dev/net/tun"))
struct HostileNetworkTests {
    static let pings: [[String]] = [
        ["10.0.9.9", "fd00:9::9"], ["--rung", "ping", "10.0.9.9", "fd00:9::9"],
        ["--rung", "udp", "10.0.9.9", "fd00:9::9"], ["--udp", "10.0.9.9", "fd00:9::9"],
        ["-s", "0", "10.0.9.9", "fd00:9::9"],
    ]

    /// Over IPv4 only: what else an answer can bring, and what else it becomes.
    static let oddPings: [[String]] = [
        ["--icmp-timestamp"], ["--icmp-timestamp", "-A", "-c", "60"], ["-R"], ["-T", "tsonly"], ["-T", "tsandaddr"],
        ["-T", "tsprespec=10.0.1.1,10.0.9.9"], ["-R", "--rung", "ping"], ["-T", "tsonly", "--rung", "udp"],
        ["--csv"], ["-f"], ["-p", "ff"], ["-O", "-D", "-U"],
    ].map { $0 + ["10.0.9.9"] }

    static let traces: [[String]] = ["10.0.9.9", "fd00:9::9"].flatMap { target in
        [["-I"], ["-T"], [], ["--rung", "udp"], ["-I", "--rung", "ping"]].map { $0 + [target] }
    }

    /// What swtrace has beside: other methods, other tables, more after the rows, several hosts at once.
    static let oddTraces: [[String]] =
        ["10.0.9.9", "fd00:9::9"].flatMap { target in
            [
                ["-P", "253"], ["-T", "--rung", "tcp"], ["-U"], ["--mtu"], ["--mtu", "-I"], ["--mtu", "--rung", "udp"],
                ["--mtu", "-I", "--rung", "ping"], ["--flow", "classic"], ["-T", "--flow", "classic"], ["-q", "10"],
                ["-O", "info", "-T", "--back"], ["--sport", "40000"], ["--csv"], ["--atlas"],
                ["--fail-if", "path-changed", "--fail-if", "loss>0%"], ["--gap-limit", "1", "-m", "30"],
            ].map { $0 + [target] }
        } + [
            ["--flow", "dublin", "10.0.9.9"], ["--mtu", "10.0.9.9", "fd00:9::9", "10.0.1.1", "10.0.9.9", "10.0.3.1"],
            ["-I", "10.0.9.9", "fd00:9::9", "10.0.2.1"], ["-T", "--rung", "tcp", "10.0.9.9", "10.0.3.1", "fd00:3::1"],
        ]

    private func ping(_ arguments: [String], json: Bool = true) -> ToolCommand {
        var command = ToolCommand("swping", "-n", "-c", "4", "-i", "0.01", "-W", "0.1")
        command.arguments += (json ? ["--json"] : ["-v"]) + arguments
        return command
    }

    private func trace(_ arguments: [String], json: Bool = true) -> ToolCommand {
        var command = ToolCommand("swtrace", "-n", "-m", "5", "-q", "1", "-w", "0.1")
        command.arguments += (json ? ["--json"] : ["-e"]) + arguments
        return command
    }

    @Test("Any answers", arguments: 0..<2 as Range<UInt64>)
    func anything(seed: UInt64) throws {
        let network = try HostileNetwork(Liar(Liar.Lie.allCases, seed: seed))
        let isJSON = seed % 2 == 0
        for arguments in Self.pings {
            let command = ping(arguments, json: isJSON)
            let lines = try check(try network.run(command), command)
            guard isJSON, let total = lines.last else { continue }
            #expect(total["transmitted"].integer == 8, "\(arguments)")
            let received = total["received"].integer ?? .max
            #expect(received + (total["late"].integer ?? .max) + (total["lost"].integer ?? .max) == 8)
        }
        for arguments in Self.traces {
            let command = trace(arguments, json: isJSON)
            _ = try check(try network.run(command), command)
        }
    }

    @Test("Any answers to any trace", arguments: 0..<3 as Range<UInt64>)
    func anyTrace(seed: UInt64) throws {
        let network = try HostileNetwork(Liar(Liar.Lie.allCases, seed: seed + 100, copies: 100))
        for arguments in Self.oddTraces {
            let isTable = arguments.contains("--csv") || arguments.contains("--atlas")
            let command = trace(arguments, json: seed % 2 == 0 && !isTable)
            let lines = try check(try network.run(command), command)
            let sources = network.sources
            for line in lines where line["type"].text == "hop" {
                for responder in line["responders"].elements.compactMap(\.["responder"].text) {
                    #expect(IPAddress(responder).map(sources.contains) == true, "\(responder): \(arguments)")
                }
            }
        }
    }

    /// Lengths tell 512 probes apart: of many hosts and queries no more may be under way than that.
    @Test("Probes that are told apart by their lengths")
    func lengths() throws {
        let scenario = HostileNetwork.scenario.replacing("fd00:1::1", with: "fd00:1::1 delay 20ms")
            .replacing(" quote 28", with: "")
        let network = try HostileNetwork(Liar([.honest], seed: 1), scenario)
        var command = trace(["--flow", "dublin"] + Array(repeating: "fd00:9::9", count: 12))
        command.arguments.replace(["-q", "1"], with: ["-q", "10"])
        command.arguments.replace(["-m", "5"], with: ["-m", "30"])
        command.arguments.replace(["-w", "0.1"], with: ["-w", "1"])
        let lines = try check(try network.run(command), command)
        let hops = lines.filter { $0["type"].text == "hop" }
        #expect(hops.count == 48)
        for hop in hops { #expect(hop["responders"].elements.compactMap(\.["answers"].integer) == [10], "\(hop)") }
    }

    @Test("Times and routes that are lies", arguments: 0..<2 as Range<UInt64>)
    func oddAnswers(seed: UInt64) throws {
        let lies: [Liar.Lie] = [.recorded, .options, .flips, .repairedFlips, .truncation, .huge, .honest, .copies]
        let network = try HostileNetwork(Liar(lies, seed: seed, copies: 20))
        for arguments in Self.oddPings {
            let hasRows = arguments.contains("--csv") || arguments.contains("-f")
            let command = ping(arguments, json: seed % 2 == 0 && !hasRows)
            let lines = try check(try network.run(command), command)
            guard let total = lines.last else { continue }
            let transmitted = total["transmitted"].integer ?? 0
            let received = total["received"].integer ?? .max
            #expect(transmitted == (arguments.contains("-A") ? 60 : 4), "\(arguments)")
            #expect(received + (total["late"].integer ?? .max) + (total["lost"].integer ?? .max) == transmitted)
        }
    }

    /// The pings ask over both versions at once, the traces of each lie over one.
    @Test(
        "Forged answers are nobody's",
        arguments: zip(Liar.Lie.forgeries, ["10.0.9.9", "10.0.9.9", "fd00:9::9", "fd00:9::9", "10.0.9.9", "10.0.9.9"]))
    func forgeries(lie: Liar.Lie, target: String) throws {
        let network = try HostileNetwork(Liar([lie], seed: 1))
        for arguments in Self.pings where arguments.first != "-s" {
            let command = ping(arguments)
            let (result, kilobytes) = try network.run(command)
            let total = try #require(try check((result, kilobytes), command).last)
            #expect(result.status == 1 && total["received"].integer == 0 && total["late"].integer == 0, "\(arguments)")
        }
        for arguments in Self.traces where arguments.last == target {
            let command = trace(arguments)
            let (result, kilobytes) = try network.run(command)
            let summary = try #require(try check((result, kilobytes), command).last)
            // A quote with our cookie is ours, whatever a box on the way wrote in the place of its port or identifier.
            if lie == .identifier { continue }
            #expect(result.status == 1 && summary["reached"] == .boolean(false), "\(arguments)")
        }
    }

    @Test("A flood of answers")
    func flood() throws {
        let network = try HostileNetwork(Liar([.copies], seed: 1, copies: 100))
        for arguments in Self.pings {
            let command = ping(arguments)
            let (result, kilobytes) = try network.run(command)
            let total = try #require(try check((result, kilobytes), command).last)
            #expect(result.status == 0 && total["received"].integer == 8, "\(arguments)")
        }
        for arguments in Self.traces where arguments.last == "10.0.9.9" {
            let command = trace(arguments)
            let (result, kilobytes) = try network.run(command)
            _ = try check((result, kilobytes), command)
            #expect(result.status == 0, "\(arguments)")
        }
    }

    /// What holds for every run, whatever came. Returns the lines of JSON.
    private func check(
        _ run: (result: CommandResult, kilobytes: Int), _ command: ToolCommand
    ) throws -> [JSONValue] {
        let words = command.arguments.joined(separator: " ")
        #expect(run.result.status == 0 || run.result.status == 1, "\(words): \(run.result)")
        #expect(
            run.kilobytes < (command.arguments.first == "-n" && command.arguments[1] == "-m" ? 30_000 : 200_000),
            "\(words)")
        for text in [run.result.output, run.result.errors] {
            // A flood takes back its marks, and rows of a table end with two characters.
            let others: Set<Unicode.Scalar> =
                command.arguments.contains("-f") ? ["\u{8}"] : command.arguments.contains("--csv") ? ["\r"] : []
            #expect(
                text.unicodeScalars.allSatisfy {
                    $0 == "\n" || $0 == "\t" || (" "..."~").contains($0) || others.contains($0)
                }, "\(words): \(text)")
        }
        if command.arguments.contains("--csv") {
            for line in run.result.output.split(separator: "\r\n") {
                let columns = run.result.output.hasPrefix("time,target,address,family,transport,hop") ? 20 : 19
                // What is quoted may have commas of its own.
                let plain = line.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
                    .filter { $0.offset % 2 == 0 }.map { String($0.element) }.joined()
                #expect(plain.split(separator: ",", omittingEmptySubsequences: false).count == columns, "\(line)")
            }
        } else {
            for line in run.result.errors.split(separator: "\n") { #expect(line.hasPrefix("sw"), "\(words)") }
        }
        #expect(run.result.output.unicodeScalars.last == "\n")
        guard command.arguments.contains("--json") else { return [] }
        return try run.result.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    }
}
