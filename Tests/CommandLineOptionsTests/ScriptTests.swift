import CommandLineOptions
import Foundation
import Testing

struct HelpTests {
    @Test func helpIsThis() {
        #expect(sample.help == Self.sampleHelp)
        #expect(commands.help == Self.commandsHelp)
    }

    @Test(arguments: [sample.help, commands.help])
    func helpFitsATerminal(_ help: String) {
        for line in help.split(separator: "\n") {
            #expect(line.count <= 80)
            #expect(line.utf8.allSatisfy { $0 >= 0x20 })
            #expect(line.last != " ")
        }
    }

    static let sampleHelp = """
        Usage: swsample [OPTION]... HOST...
        Tries every kind of option.

        Sends nothing and waits for nothing. A second sentence begins a line, and -c is
        an option.

        Schedule:
          -c, --count=COUNT         stop after COUNT probes
          -i, --interval=TIME       wait TIME between probes
              --continue            go on after an error, however often it comes and
                                    whoever reports it to us
          -l, --level[=N]           say more

        Output:
          -q, --quiet               print the summary only
          -n                        print numbers only
              --color=WHEN          colour auto, always or never
          -o, --output-file-with-a-long-name=FILE
                                    write to FILE
          -g HOP                    go through HOP: may be given again
          -m, --mark=MARK           set the firewall's mark [0x1:0xff]
          -I, --interface=NAME      send by this interface
          -f, --flood               refused

        Help:
          -h, --help                show this help and exit
          -V, --version             show the version and exit
              --man                 print the man page, for 'man -l -', and exit
              --completions=SHELL   print completions for bash, zsh or fish and exit

        Exit status:
          0   Every host answered.
          2   Usage or system error.

        Examples:
          swsample -c3 example.net
              Asks three times.

        """
    static let commandsHelp = """
        Usage: swsub serve [OPTION]...
               swsub run [OPTION]... SCENARIO [--] COMMAND [ARGUMENT]...
        Has commands.

        Serves or runs.

        Commands:
          serve                     serve until interrupted
          run                       run a command in a scenario

        'swsub COMMAND --help' shows the options of a command.

        Help:
          -h, --help                show this help and exit
          -V, --version             show the version and exit
              --man                 print the man page, for 'man -l -', and exit
              --completions=SHELL   print completions for bash, zsh or fish and exit

        Exit status:
          0   Done.

        """
}

/// What other programs make of the generated texts; a program that is not here skips its tests.
struct ScriptTests {
    @Test(.enabled(if: Program.has("mandoc"), "needs mandoc"), arguments: [sample.manual, commands.manual])
    func manualIsCleanMdoc(_ manual: String) throws {
        let lint = try Program.run("mandoc", ["-T", "lint", "-W", "warning"], input: manual)
        #expect(lint.output == "")
        #expect(lint.status == 0)
    }

    @Test(.enabled(if: Program.has("mandoc"), "needs mandoc"))
    func manualReadsAsTheTableSays() throws {
        let page = try Program.run("mandoc", ["-T", "utf8", "-O", "width=78"], input: sample.manual)
        let text = Program.withoutOverstrikes(page.output)
        for expected in [
            "swsample – tries every kind of option", "swsample [OPTION ...] HOST ...",
            "-c COUNT, --count=COUNT", "Stop after COUNT probes.", "-l[N], --level[=N]", "--continue", "-g HOP",
            ".A paragraph may begin with a dot, hold 'quotes', \"double ones\",", "back\\slashes", "and µ.",
            "OUTPUT", "!H 'quoted'", "Host unreachable.", ".hidden",
            "swsample -c3 example.net", "getopt(1), traceroute(1), ping(8)", "NO_COLOR", "--completions=SHELL",
        ] {
            #expect(text.contains(expected), "\(text)")
        }
        #expect(!text.contains("--secret"))
    }

    static let scripts: [(shell: Shell, program: String, script: String)] = [
        (.bash, "bash", sample.completions(for: .bash)), (.bash, "bash", commands.completions(for: .bash)),
        (.zsh, "zsh", sample.completions(for: .zsh)), (.zsh, "zsh", commands.completions(for: .zsh)),
        (.fish, "fish", sample.completions(for: .fish)), (.fish, "fish", commands.completions(for: .fish)),
    ]

    @Test(
        .enabled(if: Program.has("bash") && Program.has("zsh") && Program.has("fish"), "needs bash, zsh and fish"),
        arguments: scripts)
    func completionsAreValid(_ row: (shell: Shell, program: String, script: String)) throws {
        let check = try Program.run(row.program, ["-n", "/dev/stdin"], input: row.script)
        #expect(check.output == "")
        #expect(check.status == 0)
    }

    /// The words as bash splits them, the last one being completed.
    static let completed: [(words: [String], offered: [String])] = [
        (["swsample", "--co"], ["--color", "--completions", "--continue", "--count"]),
        (["swsample", "--color", "a"], ["always", "auto"]),
        (["swsample", "--color", "=", "n"], ["never"]),
        (["swsample", "--color", "="], ["always", "auto", "never"]),
        (["swsample", "--count", "="], []),
        (["swsample", "-c", "-"], []),
        (["swsample", "-I", "l"], ["lo"]),
        (["swsample", "-q", "--qu"], ["--quiet"]),
        (["swsample", "--", "--qu"], []),
        (["swsample", "-o", "/etc/host"], ["/etc/hosts"]),
        (["swsub", "s"], ["serve"]),
        (["swsub", ""], ["run", "serve"]),
        (["swsub", "--ma"], ["--man"]),
        (["swsub", "serve", "--"], ["--help", "--port"]),
        (["swsub", "run", "-k", "/etc/host"], ["/etc/hosts"]),
        (["swsub", "run", "demo", "--", "mapfil"], ["mapfile"]),
        (["swsub", "nonsense", "-"], []),
    ]

    @Test(.enabled(if: Program.has("bash"), "needs bash"), arguments: completed)
    func bashCompletes(_ row: (words: [String], offered: [String])) throws {
        let quoted = row.words.map { "'\($0)'" }.joined(separator: " ")
        let script =
            "set -u\n" + sample.completions(for: .bash) + commands.completions(for: .bash) + """
                COMP_WORDS=(\(quoted))
                COMP_CWORD=\(row.words.count - 1)
                _\(row.words[0])
                for word in "${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done
                """
        let run = try Program.run("bash", ["--norc", "--noprofile", "/dev/stdin"], input: script)
        let offered = Set(run.output.split(separator: "\n").map(String.init))
        #expect(row.offered.allSatisfy(offered.contains), "\(run.output)")
        #expect(offered.subtracting(row.offered).allSatisfy { $0.hasPrefix("/etc/host") || $0.hasPrefix("lo") })
        #expect(run.status == 0)
    }

    @Test(.enabled(if: Program.has("fish"), "needs fish"))
    func fishCompletes() throws {
        let script =
            sample.completions(for: .fish) + commands.completions(for: .fish) + """
                complete -C 'swsample --co'
                complete -C 'swsample --color '
                complete -C 'swsub '
                complete -C 'swsub serve --po'
                """
        let run = try Program.run("fish", ["--no-config", "/dev/stdin"], input: script)
        let offered = run.output.split(separator: "\n").map { String($0.prefix { $0 != "\t" }) }
        #expect(
            offered == [
                "--color", "--completions", "--continue", "--count", "always", "auto", "never", "run", "serve",
                "--port",
            ], "\(run.output)")
    }
}

/// Runs a program of `PATH` with some input.
enum Program {
    static func path(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }.first(where: FileManager.default.isExecutableFile)
    }

    static func has(_ name: String) -> Bool { path(name) != nil }

    /// Standard output and standard error together, and the exit status.
    static func run(_ name: String, _ arguments: [String], input: String) throws -> (output: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(path(name)))
        process.arguments = arguments
        var environment = ProcessInfo.processInfo.environment
        environment["HOME"] = "/nonexistent"
        process.environment = environment
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("swnetprobe-\(UUID().uuidString)")
        try Data(input.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let output = Pipe()
        process.standardInput = try FileHandle(forReadingFrom: file)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (String(decoding: bytes, as: UTF8.self), process.terminationStatus)
    }

    /// The text of a page whose bold and underlined letters are overstruck.
    static func withoutOverstrikes(_ text: String) -> String {
        var result: [Unicode.Scalar] = []
        for scalar in text.unicodeScalars {
            if scalar == "\u{8}" { _ = result.popLast() } else { result.append(scalar) }
        }
        return String(String.UnicodeScalarView(result))
    }
}
