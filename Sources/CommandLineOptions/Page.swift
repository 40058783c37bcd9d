/// What the help, the man page and the completions of a tool are made from.
///
/// Texts that only those three need are made when they are asked for: each start of a tool would pay for them.
public struct Page: Sendable {
    /// The options under one heading.
    struct Section: Sendable {
        var title: String
        var options: [OptionDescription]
        /// The options that every table has.
        var isBuiltin = false
    }

    /// The tool's name, for a command the tool's and its own: `swecho serve`.
    public var name: String
    /// A phrase without a full stop.
    public var summary: String
    public var operands: Operands
    public var order: OperandOrder
    /// Paragraphs of the man page; the first one is in the help too.
    public var description: [String] { makeDescription() }
    /// Marks and lines of the output, for the man page.
    public var output: [Meaning] { makeOutput() }
    public var exitStatuses: [Meaning] { makeExitStatuses() }
    public var environment: [Meaning] { makeEnvironment() }
    public var examples: [Example] { makeExamples() }
    /// Other man pages: `ping(8)`.
    public var seeAlso: [String] { makeSeeAlso() }
    public var manualSection: Int
    public var release: Release

    var sections: [Section] = []
    /// The commands of a tool that has some.
    var commands: [Page] = []

    private let makeDescription: @Sendable () -> [String]
    private let makeOutput: @Sendable () -> [Meaning]
    private let makeExitStatuses: @Sendable () -> [Meaning]
    private let makeEnvironment: @Sendable () -> [Meaning]
    private let makeExamples: @Sendable () -> [Example]
    private let makeSeeAlso: @Sendable () -> [String]

    public init(
        name: String, summary: String, operands: Operands = .none, order: OperandOrder = .permuted,
        description: @escaping @Sendable @autoclosure () -> [String] = [],
        output: @escaping @Sendable @autoclosure () -> [Meaning] = [],
        exitStatuses: @escaping @Sendable @autoclosure () -> [Meaning] = [],
        environment: @escaping @Sendable @autoclosure () -> [Meaning] = [],
        examples: @escaping @Sendable @autoclosure () -> [Example] = [],
        seeAlso: @escaping @Sendable @autoclosure () -> [String] = [], manualSection: Int = 8,
        release: Release = .current
    ) {
        self.name = name
        self.summary = summary
        self.operands = operands
        self.order = order
        makeDescription = description
        makeOutput = output
        makeExitStatuses = exitStatuses
        makeEnvironment = environment
        makeExamples = examples
        makeSeeAlso = seeAlso
        self.manualSection = manualSection
        self.release = release
    }
}

extension Page {
    /// The name of the program: the first word.
    var program: String { String(name.prefix { $0 != " " }) }

    /// The name of the command: the last word.
    var command: String { String(name.split(separator: " ").last ?? "") }

    /// What `--version` prints.
    var versionLine: String { "\(program) \(release.version) (\(release.package))\n" }

    /// The words behind the name in a usage line.
    var usage: String {
        operands.synopsis.isEmpty ? "[OPTION]..." : "[OPTION]... \(operands.synopsis)"
    }
}

extension String {
    /// The text with its first letter as a capital.
    var capitalisedFirst: String { prefix(1).uppercased() + dropFirst() }

    /// The words of the text in lines of at most `width` scalars; a longer word has a line of its own.
    func wrapped(to width: Int, afterSentence: Bool = false) -> [String] {
        var lines: [String] = []
        var line = ""
        var length = 0
        for word in split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            let count = word.unicodeScalars.count
            let endsSentence = afterSentence && (line.hasSuffix(".") || line.hasSuffix("?") || line.hasSuffix(".)"))
            if length > 0, endsSentence || length + 1 + count > width {
                lines.append(line)
                line = ""
                length = 0
            }
            if length > 0 {
                line += " "
                length += 1
            }
            line += word
            length += count
        }
        if length > 0 { lines.append(line) }
        return lines
    }
}
