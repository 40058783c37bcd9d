/// A man page in mdoc(7), clean under `mandoc -T lint`.
struct ManualPage {
    private(set) var text = ""

    init(_ page: Page) {
        line(".Dd \(page.release.date)")
        line(".Dt \(Self.argument(page.program.uppercased())) \(page.manualSection)")
        line(".Os")
        line(".Sh NAME")
        line(".Nm \(Self.argument(page.program))")
        line(".Nd \(Self.prose(page.summary))")
        line(".Sh SYNOPSIS")
        if page.commands.isEmpty {
            line(".Nm")
            synopsis(page)
        } else {
            for command in page.commands {
                line(".Nm")
                line(".Cm \(Self.argument(command.command))")
                synopsis(command)
            }
        }
        line(".Sh DESCRIPTION")
        paragraphs(page.description.isEmpty ? [page.summary + "."] : page.description)
        for section in page.sections { options(section, heading: ".Ss \(Self.prose(section.title))") }
        if !page.commands.isEmpty {
            line(".Sh COMMANDS")
            for command in page.commands { commandSection(command) }
        }
        meanings("OUTPUT", page.output + page.commands.flatMap(\.output), macro: nil)
        meanings("ENVIRONMENT", page.environment, macro: "Ev")
        if !page.exitStatuses.isEmpty { meanings("EXIT STATUS", page.exitStatuses, macro: nil) }
        examples(page.examples + page.commands.flatMap(\.examples))
        seeAlso(page.seeAlso)
    }

    private mutating func line(_ line: String) {
        text += line
        text += "\n"
    }

    private mutating func paragraphs(_ paragraphs: [String]) {
        for (index, paragraph) in paragraphs.enumerated() {
            if index > 0 { line(".Pp") }
            sentences(paragraph)
        }
    }

    /// Each sentence begins a line, as mdoc(7) wants it.
    private mutating func sentences(_ paragraph: String) {
        for wrapped in paragraph.wrapped(to: 72, afterSentence: true) { line(Self.prose(wrapped)) }
    }

    private mutating func synopsis(_ page: Page) {
        line(".Op Ar OPTION ...")
        for word in page.operands.synopsis.split(separator: " ") {
            var name = word
            let isOptional = name.hasPrefix("[") && name.hasSuffix("]")
            if isOptional { name = name.dropFirst().dropLast() }
            let isRepeated = name.hasSuffix("...")
            if isRepeated { name = name.dropLast(3) }
            let macro = name == "--" ? "Fl Fl" : "Ar \(Self.argument(String(name)))"
            line("\(isOptional ? ".Op " : ".")\(macro)\(isRepeated ? " ..." : "")")
        }
    }

    private mutating func options(_ section: Page.Section, heading: String) {
        guard !section.options.isEmpty else { return }
        line(heading)
        line(".Bl -tag -width Ds")
        for option in section.options {
            line(".It \(Self.names(option))")
            sentences(option.help.capitalisedFirst + ".")
            if !option.detail.isEmpty { sentences(option.detail) }
        }
        line(".El")
    }

    private mutating func commandSection(_ command: Page) {
        line(".Ss \(Self.prose(command.command))")
        paragraphs(command.description.isEmpty ? [command.summary.capitalisedFirst + "."] : command.description)
        for section in command.sections where !section.isBuiltin {
            options(section, heading: ".Pp\n.Em \(Self.argument(section.title))")
        }
    }

    private mutating func meanings(_ title: String, _ meanings: [Meaning], macro: String?) {
        guard !meanings.isEmpty else { return }
        line(".Sh \(title)")
        line(".Bl -tag -width Ds")
        for meaning in meanings {
            line(".It \(macro.map { $0 + " " } ?? "")\(Self.argument(meaning.name))")
            sentences(meaning.text.capitalisedFirst)
        }
        line(".El")
    }

    private mutating func examples(_ examples: [Example]) {
        guard !examples.isEmpty else { return }
        line(".Sh EXAMPLES")
        for (index, example) in examples.enumerated() {
            if index > 0 { line(".Pp") }
            sentences(example.text)
            line(".Pp")
            line(".Dl \(Self.literal(example.command))")
        }
    }

    private mutating func seeAlso(_ pages: [String]) {
        guard !pages.isEmpty else { return }
        line(".Sh SEE ALSO")
        // By section, then by name, as mandoc -T lint asks.
        let references = pages.map { page in
            (
                section: String(page.drop { $0 != "(" }.dropFirst().prefix { $0 != ")" }),
                name: String(page.prefix { $0 != "(" })
            )
        }.sorted { ($0.section, $0.name) < ($1.section, $1.name) }
        for (index, reference) in references.enumerated() {
            let comma = index < references.count - 1 ? " ," : ""
            line(".Xr \(Self.argument(reference.name)) \(reference.section)\(comma)")
        }
    }

    /// `Fl c Ar COUNT , Fl Fl count Ns = Ns Ar COUNT`.
    private static func names(_ option: OptionDescription) -> String {
        var forms: [String] = []
        let value = option.argument.name.map { "Ar \(argument($0))" }
        if let short = option.short {
            let letter = "Fl \(argument(String(short)))"
            switch option.argument {
            case .none: forms.append(letter)
            case .required: forms.append("\(letter) \(value ?? "")")
            case .optional: forms.append("\(letter) Ns Oo \(value ?? "") Oc")
            }
        }
        if let long = option.long {
            let name = "Fl Fl \(argument(long))"
            switch option.argument {
            case .none: forms.append(name)
            case .required: forms.append("\(name) Ns = Ns \(value ?? "")")
            case .optional: forms.append("\(name) Ns Oo = Ns \(value ?? "") Oc")
            }
        }
        return forms.joined(separator: " , ")
    }

    /// One argument of a macro that is never taken for a macro or a delimiter itself.
    private static func argument(_ text: String) -> String {
        let escaped = "\\&" + literal(text)
        return text.contains(" ") ? "\"\(escaped)\"" : escaped
    }

    /// Text whose dashes are the ones to type.
    private static func literal(_ text: String) -> String { escaped(text, dashes: true) }

    /// A line of sentences: dashes are hyphens but for those that begin an option.
    private static func prose(_ text: String) -> String {
        let words = text.split(separator: " ").map { word in
            let inner = word.drop { $0 == "'" || $0 == "(" }
            return escaped(String(word), dashes: inner.hasPrefix("-"))
        }
        let line = words.joined(separator: " ")
        return line.hasPrefix(".") ? "\\&" + line : line
    }

    private static func escaped(_ text: String, dashes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\e"
            case "\"": result += "\\(dq"
            case "'": result += "\\(aq"
            case "-": result += dashes ? "\\-" : "-"
            case " "..."~": result.unicodeScalars.append(scalar)
            default:
                let hex = String(scalar.value, radix: 16, uppercase: true)
                result += "\\[u\(String(repeating: "0", count: max(0, 4 - hex.count)))\(hex)]"
            }
        }
        return result
    }
}
