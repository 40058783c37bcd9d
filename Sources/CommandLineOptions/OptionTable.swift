/// One tool, or one command of a tool: its options, and everything its help and man page say.
///
/// The order of the sections is the order of the help. `-h`, `--help`, `-V`, `--version`, `--man` and `--completions`
/// come with every table, behind its own sections; a letter or a name that the table uses itself stays the table's.
public struct OptionTable<Configuration>: Sendable {
    public var page: Page
    let sections: [OptionSection<Configuration>]
    /// The options of all sections, the built-in ones last.
    let options: [Option<Configuration>]

    /// A table; `page.sections` is filled in from `sections`.
    public init(_ page: Page, _ sections: [OptionSection<Configuration>]) {
        self.init(page, sections, builtins: Builtin.allCases)
    }

    init(_ page: Page, _ sections: [OptionSection<Configuration>], builtins: [Builtin]) {
        var options: [Option<Configuration>] = []
        for section in sections { options += section.options }
        let own = options.count
        for builtin in builtins {
            var description = builtin.description
            if options[..<own].contains(where: { $0.description.short == description.short }) {
                description.short = nil
            }
            if options[..<own].contains(where: { $0.description.long == description.long }) {
                description.long = nil
            }
            guard description.short != nil || description.long != nil else { continue }
            options.append(Option(description: description, action: .builtin(builtin)))
        }
        self.page = page
        self.sections = sections
        self.options = options
    }

    /// Reads the arguments behind the tool's name into `configuration`, which on an error holds what came before it.
    ///
    /// Throws one line for the first thing that is wrong: an option, a value, the number of operands.
    public func parse(
        _ arguments: [String], into configuration: inout Configuration
    ) throws(UsageError) -> Outcome<[String]> {
        let parsed = GetoptLong(arguments, letters: letters, names: names)
        for (code, value) in parsed.options {
            guard let index = index(of: code) else { continue }
            let option = options[index]
            do {
                switch option.action {
                case .apply(let apply): try apply(&configuration, OptionValue(value))
                case .builtin(let builtin): return .print(try text(of: builtin, OptionValue(value)))
                }
            } catch {
                throw usageError("option \(name(code, option.description)): \(error)")
            }
        }
        if let refusal = parsed.refusal { throw usageError(message(refusal)) }
        var operands = parsed.operands
        if case .commandAfter(let count) = page.order, count > 0, count < operands.count, operands[count] == "--" {
            operands.remove(at: count)
        }
        if operands.count < page.operands.minimum {
            throw usageError("too few operands: needs \(page.operands.synopsis)\(seeHelp)")
        }
        if operands.count > page.operands.maximum {
            let extra = EchoedText(operands[page.operands.maximum])
            let synopsis = page.operands.maximum == 0 ? "no operands" : page.operands.synopsis
            throw usageError("unexpected operand '\(extra)': takes \(synopsis)\(seeHelp)")
        }
        return .run(operands)
    }

    /// A line of this tool about its command line; quotes from it have to go through `quoted`.
    public func usageError(_ message: String) -> UsageError {
        UsageError(tool: page.name, message)
    }

    /// A piece of the command line made fit for an error line: controls escaped, at most 48 characters.
    public static func quoted(_ text: String) -> String { "'\(EchoedText(text))'" }

    /// The text of `--help`, in 80 columns.
    public var help: String { HelpText(described).text }

    /// The man page in mdoc(7).
    public var manual: String { ManualPage(described).text }

    /// The script that completes this tool's command lines in `shell`.
    public func completions(for shell: Shell) -> String { shell.script(for: described) }

    /// What is wrong with the table itself: for a test to be empty. Quadratic in the number of options.
    public var problems: [String] {
        var problems: [String] = []
        var seen: Set<String> = []
        for option in options.map(\.description) {
            let shown = option.long ?? option.short.map { String($0) } ?? "?"
            if option.short == nil, option.long == nil { problems.append("an option without a name: \(option.help)") }
            if option.help.isEmpty, !option.isHidden { problems.append("\(shown): no help") }
            if option.help.hasSuffix(".") { problems.append("\(shown): help is a phrase without a full stop") }
            for name in option.allNames {
                if !seen.insert(name).inserted { problems.append("\(name): twice") }
                let isLetter = name.utf8.count == 1
                for byte in name.utf8 where !Self.isNameByte(byte) && !(isLetter && byte == UInt8(ascii: "?")) {
                    problems.append("\(name): not a name of ASCII letters, digits and dashes")
                    break
                }
            }
        }
        return problems
    }
}

/// What a command line asks for.
public enum Outcome<Invocation> {
    /// To do what the tool is for.
    case run(Invocation)
    /// To write this text to standard output, and nothing else.
    case print(String)
}

extension Outcome: Sendable where Invocation: Sendable {}
extension Outcome: Equatable where Invocation: Equatable {}

extension OptionTable {
    /// The page with its options filled in.
    var described: Page {
        var page = page
        page.sections = sections.map { section in
            Page.Section(
                title: section.title,
                options: section.options.lazy.map(\.description).filter { !$0.isHidden })
        }
        let builtins = options[sections.reduce(0) { $0 + $1.options.count }...]
        page.sections.append(Page.Section(title: "Help", options: builtins.map(\.description), isBuiltin: true))
        return page
    }

    private func text(of builtin: Builtin, _ value: OptionValue) throws(OptionError) -> String {
        switch builtin {
        case .help: return help
        case .version: return page.versionLine
        case .manual: return manual
        case .completions: return completions(for: try value.choice(Shell.choices))
        }
    }

    private var letters: [UInt8] {
        var letters: [UInt8] = []
        // The plus sign stops at the first operand, the colon tells a missing value from an unknown option.
        if page.order != .permuted { letters.append(UInt8(ascii: "+")) }
        letters.append(UInt8(ascii: ":"))
        func append(_ letter: UInt8, _ argument: OptionArgument) {
            letters.append(letter)
            for _ in 0..<argument.code { letters.append(UInt8(ascii: ":")) }
        }
        for option in options {
            if let letter = option.description.short?.asciiValue { append(letter, option.description.argument) }
            for alias in option.description.aliases where alias.utf8.count == 1 {
                append(alias.utf8[alias.startIndex], option.description.argument)
            }
        }
        return letters
    }

    private var names: [GetoptLong.Name] {
        var names: [GetoptLong.Name] = []
        names.reserveCapacity(options.count)
        for (index, option) in options.enumerated() {
            let argument = option.description.argument.code
            let code = GetoptLong.firstCode + Int32(truncatingIfNeeded: index)
            if let long = option.description.long {
                names.append(GetoptLong.Name(text: long, argument: argument, code: code))
            }
            for alias in option.description.aliases where alias.utf8.count > 1 {
                names.append(GetoptLong.Name(text: alias, argument: argument, code: code))
            }
        }
        return names
    }

    private func index(of code: Int32) -> Int? {
        if code >= GetoptLong.firstCode {
            let index = Int(code - GetoptLong.firstCode)
            return index < options.count ? index : nil
        }
        return options.firstIndex { option in
            if let letter = option.description.short?.asciiValue, Int32(letter) == code { return true }
            return option.description.aliases.contains { $0.utf8.count == 1 && $0.utf8.first.map(Int32.init) == code }
        }
    }

    /// The option as it was typed: its letter or its whole long name.
    private func name(_ code: Int32, _ option: OptionDescription) -> String {
        if code < GetoptLong.firstCode { return "-\(EchoedText(letter: UInt8(truncatingIfNeeded: code)))" }
        return "--\(option.long ?? option.aliases.first { $0.utf8.count > 1 } ?? "")"
    }

    private func message(_ refusal: GetoptLong.Refusal) -> String {
        switch refusal {
        case .unknownLetter(let letter):
            return "unknown option '-\(EchoedText(letter: letter))'\(seeHelp)"
        case .unknownName(let argument):
            let typed = argument.prefix { $0 != "=" }
            let beginning = typed.dropFirst(2)
            let candidates = Set(names.lazy.map(\.text).filter { $0.hasPrefix(beginning) })
            guard candidates.count > 1, !beginning.isEmpty else {
                return "unknown option '\(EchoedText(String(typed)))'\(seeHelp)"
            }
            let list = candidates.sorted().map { "--\($0)" }.joined(separator: ", ")
            return "option '\(EchoedText(String(typed)))' is ambiguous: \(list)"
        case .missingValue(let code):
            guard let index = index(of: code) else { return "an option needs a value" }
            let option = options[index].description
            return "option '\(name(code, option))' needs a value: \(option.argument.name ?? "VALUE")"
        case .unexpectedValue(let code):
            guard let index = index(of: code) else { return "an option takes no value" }
            return "option '\(name(code, options[index].description))' takes no value"
        }
    }

    private var seeHelp: String { " (see \(page.name) --help)" }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension OptionArgument {
    /// The number of colons in an option string, and `has_arg` of `struct option`.
    fileprivate var code: Int32 {
        switch self {
        case .none: 0
        case .required: 1
        case .optional: 2
        }
    }
}

extension OptionDescription {
    fileprivate var allNames: [String] {
        (short.map { [String($0)] } ?? []) + (long.map { [$0] } ?? []) + aliases
    }
}

/// The options that every table has.
enum Builtin: CaseIterable, Sendable {
    case help
    case version
    case manual
    case completions

    var description: OptionDescription {
        switch self {
        case .help: Self.option("h", "help", .none, "show this help and exit")
        case .version: Self.option("V", "version", .none, "show the version and exit")
        case .manual: Self.option(nil, "man", .none, "print the man page, for 'man -l -', and exit")
        case .completions:
            Self.option(
                nil, "completions", .required("SHELL"), "print completions for bash, zsh or fish and exit",
                .words(Shell.choices.map { $0.word }))
        }
    }

    private static func option(
        _ short: Character?, _ long: String, _ argument: OptionArgument, _ help: String,
        _ completion: CompletionHint = .none
    ) -> OptionDescription {
        OptionDescription(
            short: short, long: long, aliases: [], argument: argument, help: help, detail: "", completion: completion,
            isHidden: false)
    }
}
