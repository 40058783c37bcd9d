/// Whether an option takes a value, and the name of it in the help: `COUNT`.
public enum OptionArgument: Hashable, Sendable {
    case none
    case required(String)
    /// A value that may be left out, and that has to be glued on: `-n5`, `--name=5` (getopt(3)).
    case optional(String)

    /// The name of the value, nil for an option without one.
    public var name: String? {
        switch self {
        case .none: nil
        case .required(let name), .optional(let name): name
        }
    }
}

/// What a shell may offer in place of a value or an operand.
public enum CompletionHint: Hashable, Sendable {
    case none
    case words([String])
    case host
    case file
    /// A network interface.
    case interface
    /// A program with its arguments.
    case command
}

/// What the help, the man page and the completions say of an option.
///
/// A class, so that the tables built at each start of a tool hold and copy one word per option.
final class OptionDescription: Sendable {
    let short: Unicode.Scalar?
    let long: String?
    let aliases: [String]
    let argument: OptionArgument
    let help: String
    /// Made when it is asked for, as a start of the tool hardly ever does.
    var detail: String { makeDetail() }
    var completion: CompletionHint { makeCompletion() }
    let isHidden: Bool
    private let makeDetail: @Sendable () -> String
    private let makeCompletion: @Sendable () -> CompletionHint

    init(
        _ short: Unicode.Scalar?, _ long: String?, _ argument: OptionArgument, _ help: String,
        detail: @escaping @Sendable () -> String = { "" }, aliases: [String] = [],
        completion: @escaping @Sendable () -> CompletionHint = { .none }, isHidden: Bool = false
    ) {
        self.short = short
        self.long = long
        self.aliases = aliases
        self.argument = argument
        self.help = help
        makeDetail = detail
        makeCompletion = completion
        self.isHidden = isHidden
    }
}

/// One row of a table: an option and what it does to the configuration.
public struct Option<Configuration>: Sendable {
    /// Called once per occurrence, in the order of the command line, so that the last one wins unless it accumulates.
    ///
    /// It throws `OptionError`; another error's description becomes the reason. Untyped, because the compiler gives a
    /// closure with a `try` in it no typed error unless each one spells it out.
    public typealias Apply = @Sendable (inout Configuration, OptionValue) throws -> Void

    let description: OptionDescription
    let apply: Apply

    /// An option without a value; `apply` may throw to refuse it.
    ///
    /// `short` is an ASCII letter and `long` a name without its dashes. `help` is a phrase without a full stop for one
    /// line or two of `--help`; `detail` are sentences that only the man page has behind it. `aliases` are accepted
    /// and shown nowhere, one character as a letter, more as a long name; so is an option that `isHidden`.
    public init(
        _ short: Unicode.Scalar?, _ long: String?, _ help: String,
        detail: @escaping @Sendable @autoclosure () -> String = "", aliases: [String] = [],
        isHidden: Bool = false, apply: @escaping Apply
    ) {
        description = OptionDescription(
            short, long, .none, help, detail: detail, aliases: aliases, isHidden: isHidden)
        self.apply = apply
    }

    /// An option with a value; `apply` may throw to refuse the value or the option itself.
    public init(
        _ short: Unicode.Scalar?, _ long: String?, _ argument: OptionArgument, _ help: String,
        detail: @escaping @Sendable @autoclosure () -> String = "", aliases: [String] = [],
        completion: @escaping @Sendable @autoclosure () -> CompletionHint = .none, isHidden: Bool = false,
        apply: @escaping Apply
    ) {
        description = OptionDescription(
            short, long, argument, help, detail: detail, aliases: aliases, completion: completion, isHidden: isHidden)
        self.apply = apply
    }
}

/// Options that stand together in the help, under a heading.
public struct OptionSection<Configuration>: Sendable {
    public var title: String
    public var options: [Option<Configuration>]

    public init(_ title: String, _ options: [Option<Configuration>]) {
        self.title = title
        self.options = options
    }
}

/// What stands behind the options: how it is written, how many there have to be and what a shell offers.
public struct Operands: Sendable {
    /// The words of the usage line: `HOST [BYTES]`, `HOST...`.
    public var synopsis: String
    public var minimum: Int
    public var maximum: Int
    public var completion: CompletionHint

    public init(_ synopsis: String, minimum: Int, maximum: Int = .max, completion: CompletionHint = .none) {
        self.synopsis = synopsis
        self.minimum = minimum
        self.maximum = maximum
        self.completion = completion
    }

    /// No operands.
    public static let none = Operands("", minimum: 0, maximum: 0)
}

/// Where options end.
public enum OperandOrder: Hashable, Sendable {
    /// Options and operands may be mixed; `--` ends the options.
    case permuted
    /// The first operand ends the options. After this many operands a command may follow, with or without a `--`
    /// before it, which is taken out: `run SCENARIO [--] COMMAND`.
    case commandAfter(operands: Int)
}

/// A line or more to type, and what it does.
public struct Example: Sendable {
    public var command: String
    /// A sentence.
    public var text: String

    public init(_ command: String, _ text: String) {
        self.command = command
        self.text = text
    }
}

/// An exit status, an environment variable or a mark in the output, and what it means.
public struct Meaning: Sendable {
    public var name: String
    /// A sentence.
    public var text: String

    public init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }
}
