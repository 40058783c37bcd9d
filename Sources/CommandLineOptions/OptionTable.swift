/// One tool, or one command of a tool: its options, and everything its help and man page say.
///
/// The order of the sections is the order of the help. `-h`, `--help`, `-V`, `--version`, `--man` and `--completions`
/// come with every table, behind its own sections; a letter or a name that the table uses itself stays the table's.
public struct OptionTable<Configuration>: Sendable {
    public let page: Page
    let sections: [OptionSection<Configuration>]
    let list: OptionList

    /// A table of the sections' options and the built-in ones.
    public init(_ page: Page, _ sections: [OptionSection<Configuration>]) {
        self.init(page, sections, builtins: Builtin.allCases)
    }

    init(_ page: Page, _ sections: [OptionSection<Configuration>], builtins: [Builtin]) {
        var own: [OptionDescription] = []
        own.reserveCapacity(64)
        for section in sections {
            for option in section.options { own.append(option.description) }
        }
        self.page = page
        self.sections = sections
        list = OptionList(own, builtins)
    }

    /// Reads the arguments behind the tool's name into `configuration`, which on an error holds what came before it.
    ///
    /// Throws one line for the first thing that is wrong: an option, a value, the number of operands.
    public func parse(
        _ arguments: [String], into configuration: inout Configuration
    ) throws(UsageError) -> Outcome<[String]> {
        let parsed = GetoptLong(arguments, list.options, stopsAtOperand: page.order != .permuted)
        for occurrence in parsed.options {
            guard let index = list.index(of: occurrence.code) else { continue }
            do {
                if let builtin = list.builtin(index) {
                    return .print(try text(of: builtin, OptionValue(occurrence.value)))
                }
                try option(index)?.apply(&configuration, OptionValue(occurrence.value))
            } catch {
                let name = list.name(occurrence.code)
                var fault: UsageError.Fault?
                if case .invalid? = error as? OptionError {
                    fault = .badValue(option: name, value: "\(EchoedText(occurrence.value ?? ""))")
                }
                throw UsageError(tool: page.name, "option \(name): \(error)", fault: fault)
            }
        }
        if let refusal = parsed.refusal {
            let message = list.message(refusal)
            throw UsageError(
                tool: page.name, message.isUnknown ? message.text + seeHelp : message.text, fault: list.fault(refusal))
        }
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

    /// What is wrong with the table itself: for a test to be empty.
    public var problems: [String] { list.problems }
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
            Page.Section(title: section.title, options: section.options.map(\.description).filter { !$0.isHidden })
        }
        page.sections.append(
            Page.Section(title: "Help", options: Array(list.options[list.ownCount...]), isBuiltin: true))
        return page
    }

    private func option(_ index: Int) -> Option<Configuration>? {
        var rest = index
        for section in sections {
            if rest < section.options.count { return section.options[rest] }
            rest -= section.options.count
        }
        return nil
    }

    private func text(of builtin: Builtin, _ value: OptionValue) throws(OptionError) -> String {
        switch builtin {
        case .help: return help
        case .version: return page.versionLine
        case .manual: return manual
        case .completions: return completions(for: try value.choice(Shell.choices))
        }
    }

    private var seeHelp: String { " (see \(page.name) --help)" }
}
