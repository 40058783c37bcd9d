import CommandLineOptions
import Testing

struct ParsingTests {
    static let accepted: [(arguments: [String], operands: [String], settings: Settings)] = [
        (["h"], ["h"], Settings()),
        (["-nqc5", "h"], ["h"], Settings(count: 5, isQuiet: true, isNumeric: true)),
        (["h", "-c", "5", "g"], ["h", "g"], Settings(count: 5)),
        (["--count=5", "--count", "6", "h"], ["h"], Settings(count: 6)),
        (["--cont", "3"], ["3"], Settings()),
        (["--cou=9", "h"], ["h"], Settings(count: 9)),
        (["--silent", "h"], ["h"], Settings(isQuiet: true)),
        (["--sil", "-Q", "h"], ["h"], Settings(isQuiet: true)),
        (["-q", "--", "-c5", "--help"], ["-c5", "--help"], Settings(isQuiet: true)),
        (["-", "h"], ["-", "h"], Settings()),
        (["", "h"], ["", "h"], Settings()),
        (["-g", "a", "-gb", "-g", "-q", "h"], ["h"], Settings(hops: ["a", "b", "-q"])),
        (["-l", "3", "-X"], ["3"], Settings(level: 1)),
        (["-l3", "h"], ["h"], Settings(level: 3)),
        (["--level", "h"], ["h"], Settings(level: 1)),
        (["--level=4", "h"], ["h"], Settings(level: 4)),
        (["-m0xFf", "h"], ["h"], Settings(mark: 255)),
        (["-i.5", "h"], ["h"], Settings(interval: 500_000_000)),
        (["--interval=20ms", "h"], ["h"], Settings(interval: 20_000_000)),
        (["--color=never", "--interf", "eth0", "h"], ["h"], Settings(colour: "never", interface: "eth0")),
        (["--secret", "\u{1b}é"], ["\u{1b}é"], Settings()),
    ]

    @Test(arguments: accepted)
    func accepts(_ line: (arguments: [String], operands: [String], settings: Settings)) throws {
        var settings = Settings()
        #expect(try sample.parse(line.arguments, into: &settings) == .run(line.operands))
        #expect(settings == line.settings)
    }

    static let number = "is not a whole number from 1 to 9223372036854775807"
    static let refused: [(arguments: [String], message: String)] = [
        (["-c", "abc"], "option -c: 'abc' \(number)"),
        (["--count=0"], "option --count: '0' \(number)"),
        (["--coun", "9223372036854775808"], "option --count: '9223372036854775808' \(number)"),
        (["-c99999999999999999999"], "option -c: '99999999999999999999' \(number)"),
        (["-c", ""], "option -c: '' \(number)"),
        (["-c", "-q"], "option -c: '-q' \(number)"),
        (["-c"], "option '-c' needs a value: COUNT"),
        (["-qc"], "option '-c' needs a value: COUNT"),
        (["--count"], "option '--count' needs a value: COUNT"),
        (["-Z", "h"], "unknown option '-Z' (see swsample --help)"),
        (["-qZ", "h"], "unknown option '-Z' (see swsample --help)"),
        (["-:"], "unknown option '-:' (see swsample --help)"),
        (["-\u{7}"], "unknown option '-\\x07' (see swsample --help)"),
        (["-é"], "unknown option '-\\xc3' (see swsample --help)"),
        (["--nonsense=3", "h"], "unknown option '--nonsense' (see swsample --help)"),
        (["h", "--nonsense", "g"], "unknown option '--nonsense' (see swsample --help)"),
        (["--=x"], "unknown option '--' (see swsample --help)"),
        (["--co", "3"], "option '--co' is ambiguous: --color, --completions, --continue, --count"),
        (["h", "--s"], "option '--s' is ambiguous: --secret, --silent"),
        (["--quiet=yes"], "option '--quiet' takes no value"),
        (["--silent=yes"], "option '--quiet' takes no value"),
        (["--help=yes"], "option '--help' takes no value"),
        (["-i", "nan"], "option -i: 'nan' is not a time from 0.002 to 3600 seconds"),
        (["-f"], "option -f: floods are not for tests"),
        (["--color=blue"], "option --color: 'blue' is not one of: auto, always, never"),
        (["-o", "123456789"], "option -o: '123456789' is not a text of 1 to 8 bytes"),
        (["-m256"], "option -m: '256' is not a whole number from 0 to 255 (0x0 to 0xff)"),
        (["--completions=csh"], "option --completions: 'csh' is not one of: bash, zsh, fish"),
        ([], "too few operands: needs HOST... (see swsample --help)"),
        (["-c\u{1b}[2J\n"], "option -c: '\\x1b[2J\\x0a' \(number)"),
        (["-c\u{202e}\\\u{9b}"], "option -c: '\\u{202e}\\\\\\u{9b}' \(number)"),
        (["-c" + String(repeating: "9", count: 60)], "option -c: '\(String(repeating: "9", count: 48))...' \(number)"),
        (["-c5", "-cx", "-Z", "--help"], "option -c: 'x' \(number)"),
    ]

    @Test(arguments: refused)
    func refuses(_ line: (arguments: [String], message: String)) {
        var settings = Settings()
        let error = #expect(throws: UsageError.self) { try sample.parse(line.arguments, into: &settings) }
        #expect(error?.description == "swsample: \(line.message)")
    }

    @Test func theFirstHelpWinsOverWhatFollows() throws {
        var settings = Settings()
        #expect(try sample.parse(["-c3", "--help", "-Z"], into: &settings) == .print(sample.help))
        #expect(settings.count == 3)
        #expect(try sample.parse(["-V"], into: &settings) == .print("swsample 0.1.0 (swift-netprobe)\n"))
        #expect(try sample.parse(["--man"], into: &settings) == .print(sample.manual))
        for (word, shell) in [("bash", Shell.bash), ("zsh", .zsh), ("fish", .fish)] {
            let outcome = try sample.parse(["--completions", word], into: &settings)
            #expect(outcome == .print(sample.completions(for: shell)))
        }
    }

    @Test func aTableMayTakeTheBuiltInLetters() throws {
        let table = OptionTable<Int>(
            Page(name: "t", summary: "s"),
            [OptionSection("A", [Option(counting: "V", nil, "a"), Option(counting: "h", "man", "b")])])
        var value = 0
        #expect(try table.parse(["-V", "-h", "--man"], into: &value) == .run([]))
        #expect(value == 3)
        #expect(try table.parse(["--version"], into: &value) == .print("t 0.1.0 (swift-netprobe)\n"))
        #expect(table.problems.isEmpty)
    }

    @Test func aTableKnowsItsProblems() {
        let table = OptionTable<Int>(
            Page(name: "t", summary: "s"),
            [
                OptionSection(
                    "A",
                    [
                        Option(counting: "é", "a=b", "x."), Option(counting: "c", "c", ""),
                        Option(counting: nil, nil, "lost"),
                    ])
            ])
        #expect(
            table.problems
                == [
                    "a=b: help is a phrase without a full stop", "é: not a name of ASCII letters, digits and dashes",
                    "a=b: not a name of ASCII letters, digits and dashes", "c: no help", "c: twice",
                    "an option without a name: lost",
                ])
        #expect(sample.problems.isEmpty)
        #expect(commands.problems.isEmpty)
    }

    /// Parses on many threads share glibc's one set of variables.
    @Test func parsesMayRunAtOnce() async {
        await withTaskGroup(of: Bool.self) { group in
            for number in 1...200 {
                group.addTask {
                    var settings = Settings()
                    let outcome = try? sample.parse(["a", "-c", "\(number)", "b", "-q"], into: &settings)
                    return outcome == .run(["a", "b"]) && settings == Settings(count: Int64(number), isQuiet: true)
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }

    /// Whatever bytes come, each parse ends with an outcome or one printable line.
    @Test func hostileArgumentsEndInOneLine() {
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pieces: [[UInt8]] = [
            [0xff], [0xc3], [0x1b], [0], [0x2d], [0x2d, 0x2d], [0x3d], [0x63], [0x71], [0x57], [0x39], [0x2e], [0x3a],
            Array("count".utf8), Array("--co".utf8), Array("level=".utf8), [0xf0, 0x9f, 0x98], [0x0a], [0x7f],
        ]
        for _ in 0..<5_000 {
            let arguments = (0..<random(6)).map { _ in
                String(decoding: (0..<random(8)).flatMap { _ in pieces[random(pieces.count)] }, as: UTF8.self)
            }
            var settings = Settings()
            do throws(UsageError) {
                _ = try sample.parse(arguments, into: &settings)
            } catch {
                let line = error.description
                #expect(line.unicodeScalars.count < 400)
                #expect(line.hasPrefix("swsample: "))
                #expect(!line.unicodeScalars.contains { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) })
            }
        }
    }
}

struct CommandTests {
    static let accepted: [(arguments: [String], invocation: SampleInvocation)] = [
        (["serve"], .serve(port: 7)),
        (["serve", "-p", "9"], .serve(port: 9)),
        (["run", "demo", "ls", "-l"], .run(scenario: "demo", command: ["ls", "-l"])),
        (["run", "-k", "demo", "--", "ls", "--", "-l"], .run(scenario: "demo", command: ["ls", "--", "-l"])),
        (["run", "--", "demo", "--", "ls"], .run(scenario: "demo", command: ["ls"])),
        (["run", "demo", "ls", "--", "-k"], .run(scenario: "demo", command: ["ls", "--", "-k"])),
        (["--", "serve"], .serve(port: 7)),
    ]

    @Test(arguments: accepted)
    func accepts(_ line: (arguments: [String], invocation: SampleInvocation)) throws {
        #expect(try commands.parse(line.arguments) == .run(line.invocation))
    }

    static let refused: [(arguments: [String], message: String)] = [
        ([], "swsub: too few operands: needs COMMAND [ARGUMENT]... (see swsub --help)"),
        (["srve\n"], "swsub: unknown command 'srve\\x0a', not one of: serve, run"),
        (["-p9", "serve"], "swsub: unknown option '-p' (see swsub --help)"),
        (["serve", "-k"], "swsub serve: unknown option '-k' (see swsub serve --help)"),
        (["serve", "-p0"], "swsub serve: option -p: '0' is not a port from 1 to 65535"),
        (["serve", "x"], "swsub serve: unexpected operand 'x': takes no operands (see swsub serve --help)"),
        (
            ["run", "demo"],
            "swsub run: too few operands: needs SCENARIO [--] COMMAND [ARGUMENT]... (see swsub run --help)"
        ),
        (["run", "nowhere", "ls"], "swsub run: no scenario 'nowhere'"),
    ]

    @Test(arguments: refused)
    func refuses(_ line: (arguments: [String], message: String)) {
        let error = #expect(throws: UsageError.self) { try commands.parse(line.arguments) }
        #expect(error?.description == line.message)
    }

    @Test func helpOfACommandIsItsOwn() throws {
        guard case .print(let text) = try commands.parse(["serve", "--help"]) else {
            Issue.record("serve --help prints nothing")
            return
        }
        #expect(text.hasPrefix("Usage: swsub serve [OPTION]...\n"))
        #expect(try commands.parse(["--help"]) == .print(commands.help))
    }
}

extension Option where Configuration == Int {
    /// An option that counts its uses.
    fileprivate init(counting short: Unicode.Scalar?, _ long: String?, _ help: String) {
        self.init(short, long, help) { value, _ in value += 1 }
    }
}
