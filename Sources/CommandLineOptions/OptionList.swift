/// The options of a table without what they do: names, codes and the lines about what is wrong with them.
///
/// Not generic, because this is the part that runs at each start of a tool.
struct OptionList: Sendable {
    /// The table's own options, then the built-in ones; the code of one is `GetoptLong.firstCode` and its index.
    let options: [OptionDescription]
    let ownCount: Int
    private let builtins: [Builtin]

    init(_ own: [OptionDescription], _ builtins: [Builtin]) {
        var options = own
        var kept: [Builtin] = []
        for builtin in builtins {
            let description = builtin.description
            var isShortTaken = description.short == nil
            var isLongTaken = false
            for option in own {
                if option.short == description.short { isShortTaken = true }
                if option.long == description.long { isLongTaken = true }
            }
            guard !(isShortTaken && isLongTaken) else { continue }
            kept.append(builtin)
            options.append(
                OptionDescription(
                    isShortTaken ? nil : description.short, isLongTaken ? nil : description.long, description.argument,
                    description.help, completion: { description.completion }))
        }
        self.options = options
        self.builtins = kept
        ownCount = own.count
    }

    func builtin(_ index: Int) -> Builtin? { index < ownCount ? nil : builtins[index - ownCount] }

    /// The index of the option that a letter or the code of a long name stands for.
    func index(of code: Int32) -> Int? {
        if code >= GetoptLong.firstCode {
            let index = Int(code - GetoptLong.firstCode)
            return index < options.count ? index : nil
        }
        return options.firstIndex { option in option.letters.contains { Int32($0) == code } }
    }

    /// The option as it was typed: its letter or its whole long name.
    func name(_ code: Int32) -> String {
        guard code >= GetoptLong.firstCode, let index = index(of: code) else {
            return "-\(EchoedText(letter: UInt8(truncatingIfNeeded: code)))"
        }
        return "--\(options[index].names.first ?? "")"
    }

    /// What is wrong, and whether the help is the place to look next.
    func message(_ refusal: GetoptLong.Refusal) -> (text: String, isUnknown: Bool) {
        switch refusal {
        case .unknownLetter(let letter):
            return ("unknown option '-\(EchoedText(letter: letter))'", true)
        case .unknownName(let argument):
            let typed = String(argument.prefix { $0 != "=" })
            let beginning = typed.dropFirst(2)
            let candidates = Set(options.flatMap(\.names).filter { $0.hasPrefix(beginning) })
            guard candidates.count > 1, !beginning.isEmpty else {
                return ("unknown option '\(EchoedText(typed))'", true)
            }
            let list = candidates.sorted().map { "--\($0)" }.joined(separator: ", ")
            return ("option '\(EchoedText(typed))' is ambiguous: \(list)", false)
        case .missingValue(let code):
            let argument = index(of: code).flatMap { options[$0].argument.name }
            return ("option '\(name(code))' needs a value: \(argument ?? "VALUE")", false)
        case .unexpectedValue(let code):
            return ("option '\(name(code))' takes no value", false)
        }
    }

    /// The same for a tool with words of its own.
    func fault(_ refusal: GetoptLong.Refusal) -> UsageError.Fault? {
        switch refusal {
        case .unknownLetter(let letter): .unknownOption("-\(EchoedText(letter: letter))")
        case .unknownName(let argument): .unknownOption("\(EchoedText(argument))")
        case .missingValue(let code):
            .missingValue(option: name(code), name: index(of: code).flatMap { options[$0].argument.name } ?? "VALUE")
        case .unexpectedValue(let code): .unknownOption(name(code))
        }
    }

    /// What is wrong with the options themselves: names twice, names that can't be typed, missing help.
    var problems: [String] {
        var problems: [String] = []
        var seen: Set<String> = []
        for option in options {
            let names = (option.short.map { [String($0)] } ?? []) + (option.long.map { [$0] } ?? []) + option.aliases
            guard let shown = option.long ?? names.first else {
                problems.append("an option without a name: \(option.help)")
                continue
            }
            if option.help.isEmpty, !option.isHidden { problems.append("\(shown): no help") }
            if option.help.hasSuffix(".") { problems.append("\(shown): help is a phrase without a full stop") }
            for name in names {
                if !seen.insert(name).inserted { problems.append("\(name): twice") }
                if !name.utf8.allSatisfy(Self.isNameByte), name != "?" {
                    problems.append("\(name): not a name of ASCII letters, digits and dashes")
                }
            }
        }
        return problems
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension OptionDescription {
    /// The letter and the letters among the aliases.
    var letters: [UInt8] {
        var letters: [UInt8] = []
        if let short, short.isASCII { letters.append(UInt8(truncatingIfNeeded: short.value)) }
        for alias in aliases where alias.utf8.count == 1 { letters.append(contentsOf: alias.utf8) }
        return letters
    }

    /// The long name and the long names among the aliases.
    var names: [String] {
        var names: [String] = []
        if let long { names.append(long) }
        for alias in aliases where alias.utf8.count > 1 { names.append(alias) }
        return names
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
        case .help: OptionDescription("h", "help", .none, "show this help and exit")
        case .version: OptionDescription("V", "version", .none, "show the version and exit")
        case .manual: OptionDescription(nil, "man", .none, "print the man page, for 'man -l -', and exit")
        case .completions:
            OptionDescription(
                nil, "completions", .required("SHELL"), "print completions for bash, zsh or fish and exit",
                completion: { .words(["bash", "zsh", "fish"]) })
        }
    }
}
