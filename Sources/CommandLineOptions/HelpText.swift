/// The text of `--help`: plain, in 80 columns, the same on a terminal and in a file.
struct HelpText {
    let text: String

    init(_ page: Page) {
        let forms = page.commands.isEmpty ? [page] : page.commands
        var lines = forms.enumerated().map { index, form in
            "\(index == 0 ? "Usage:" : "      ") \(form.name) \(form.usage)"
        }
        lines += (page.summary.capitalisedFirst + ".").wrapped(to: Self.width)
        if let paragraph = page.description.first { lines += [""] + paragraph.wrapped(to: Self.width) }
        if !page.commands.isEmpty {
            lines += ["", "Commands:"]
            for command in page.commands { lines += Self.row("  \(command.command)", command.summary) }
            lines += ["", "'\(page.name) COMMAND --help' shows the options of a command."]
        }
        for section in page.sections where !section.options.isEmpty {
            lines += ["", "\(section.title):"]
            for option in section.options { lines += Self.row(Self.names(option), option.help) }
        }
        if !page.exitStatuses.isEmpty {
            lines += ["", "Exit status:"]
            for status in page.exitStatuses {
                lines += Self.row("  \(status.name)", status.text, column: Self.statusColumn)
            }
        }
        if !page.examples.isEmpty {
            lines += ["", "Examples:"]
            for example in page.examples {
                lines.append("  \(example.command)")
                lines += example.text.wrapped(to: Self.width - 6).map { "      \($0)" }
            }
        }
        text = lines.joined(separator: "\n") + "\n"
    }

    /// `  -c, --count=COUNT`; a long name without a letter stands where the other long names do.
    private static func names(_ option: OptionDescription) -> String {
        var text = "  "
        if let short = option.short {
            text += "-\(short)"
            if option.long == nil, let name = option.argument.name {
                if case .optional = option.argument { text += "[\(name)]" } else { text += " \(name)" }
            }
        } else {
            text += "  "
        }
        guard let long = option.long else { return text }
        text += option.short == nil ? "  --\(long)" : ", --\(long)"
        switch option.argument {
        case .none: break
        case .required(let name): text += "=\(name)"
        case .optional(let name): text += "[=\(name)]"
        }
        return text
    }

    private static func row(_ left: String, _ right: String, column: Int = column) -> [String] {
        let lines = right.wrapped(to: width - column)
        let indent = String(repeating: " ", count: column)
        var rows: [String] = []
        let length = left.unicodeScalars.count
        if length + 2 <= column, let first = lines.first {
            rows.append(left + String(repeating: " ", count: column - length) + first)
            rows += lines.dropFirst().map { indent + $0 }
        } else {
            rows.append(left)
            rows += lines.map { indent + $0 }
        }
        return rows
    }

    private static let width = 80
    private static let column = 28
    private static let statusColumn = 6
}
