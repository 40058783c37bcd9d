/// A tool whose first operand is a command with options of its own: `swecho serve`, `swlab run`.
///
/// `Invocation` is what the tool does after parsing, one case per command.
public struct CommandTable<Invocation>: Sendable {
    /// A command: its table and how its configuration and operands become an invocation.
    public struct Command: Sendable {
        let page: Page
        let list: OptionList
        let parse: @Sendable ([String]) throws(UsageError) -> Outcome<Invocation>

        /// A command whose table's page has the full name, `swecho serve`; `make` may throw to refuse a combination.
        public init<Configuration: Sendable>(
            _ table: OptionTable<Configuration>, _ initial: Configuration,
            make: @escaping @Sendable (Configuration, [String]) throws -> Invocation
        ) {
            // The man page and the completions are the whole tool's.
            let table = OptionTable(table.page, table.sections, builtins: [.help])
            page = table.described
            list = table.list
            parse = { (arguments: [String]) throws(UsageError) -> Outcome<Invocation> in
                var configuration = initial
                switch try table.parse(arguments, into: &configuration) {
                case .run(let operands):
                    do {
                        return .run(try make(configuration, operands))
                    } catch {
                        throw error as? UsageError ?? table.usageError("\(error)")
                    }
                case .print(let text): return .print(text)
                }
            }
        }
    }

    let table: OptionTable<Void>
    let commands: [Command]

    /// A tool; the page's operands and their order are given by the commands.
    public init(_ page: Page, _ commands: [Command]) {
        var page = page
        page.operands = Operands("COMMAND [ARGUMENT]...", minimum: 1)
        page.order = .commandAfter(operands: 0)
        page.commands = commands.map(\.page)
        table = OptionTable(page, [])
        self.commands = commands
    }

    /// Reads the arguments behind the tool's name: options of the tool, the command, its options and operands.
    public func parse(_ arguments: [String]) throws(UsageError) -> Outcome<Invocation> {
        var nothing: Void = ()
        switch try table.parse(arguments, into: &nothing) {
        case .print(let text): return .print(text)
        case .run(let operands):
            let name = operands.first ?? ""
            guard let command = commands.first(where: { $0.page.command == name }) else {
                let known = commands.map(\.page.command).joined(separator: ", ")
                throw table.usageError("unknown command '\(EchoedText(name))', not one of: \(known)")
            }
            return try command.parse(Array(operands.dropFirst()))
        }
    }

    /// The text of `--help`, in 80 columns.
    public var help: String { table.help }

    /// The man page in mdoc(7), with every command.
    public var manual: String { table.manual }

    /// The script that completes this tool's command lines in `shell`.
    public func completions(for shell: Shell) -> String { table.completions(for: shell) }

    /// What is wrong with the commands' tables themselves: for a test to be empty.
    public var problems: [String] {
        commands.flatMap { command in command.list.problems.map { "\(command.page.name): \($0)" } }
    }
}
