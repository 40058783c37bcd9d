/// A shell that completions can be printed for.
public enum Shell: Sendable, CaseIterable {
    case bash
    case zsh
    case fish

    static let choices: [(word: String, value: Shell)] = [("bash", .bash), ("zsh", .zsh), ("fish", .fish)]

    func script(for page: Page) -> String {
        switch self {
        case .bash: BashCompletions(page).text
        case .zsh: ZshCompletions(page).text
        case .fish: FishCompletions(page).text
        }
    }
}

/// A completion script for bash 4 or later that needs no other script.
struct BashCompletions {
    private(set) var text = ""

    init(_ page: Page) {
        let function = Self.function(page.program)
        for command in page.commands { body(command, function: "\(function)_\(Self.identifier(command.command))") }
        if !page.commands.isEmpty { body(page, function: "\(function)_") }
        text += """
            \(function)() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
                local command='' ended='' index
                COMPREPLY=()
                # A value behind an equals sign comes as two words.
                if [[ $current == '=' ]]; then
                    current=''
                    previous="=$previous"
                elif [[ $previous == '=' ]] && ((COMP_CWORD > 1)); then
                    previous="=${COMP_WORDS[COMP_CWORD - 2]}"
                fi
                for ((index = 1; index < COMP_CWORD; index++)); do
                    if [[ ${COMP_WORDS[index]} == -- ]]; then
                        ended=yes
                    elif [[ -z $command && ${COMP_WORDS[index]} != -* ]]; then
                        command=${COMP_WORDS[index]}
                    fi
                done

            """
        if page.commands.isEmpty {
            lines(page)
        } else {
            text += "    case $command in\n"
            for command in page.commands {
                text += "    \(command.command)) \(function)_\(Self.identifier(command.command)) ;;\n"
            }
            text += "    '') \(function)_ ;;\n    esac\n"
        }
        text += "}\ncomplete -F \(function) \(page.program)\n"
    }

    private mutating func body(_ page: Page, function: String) {
        text += "\(function)() {\n"
        lines(page)
        text += "}\n"
    }

    private mutating func lines(_ page: Page) {
        let options = page.sections.flatMap(\.options)
        let valued = options.filter { $0.argument != .none }
        if !valued.isEmpty {
            text += "    if [[ -z $ended ]]; then\n        case $previous in\n"
            for option in valued {
                var patterns: [String] = []
                if case .required = option.argument {
                    if let short = option.short { patterns.append("-\(short)") }
                    if let long = option.long { patterns.append("--\(long)") }
                }
                if let long = option.long { patterns.append("=--\(long)") }
                guard !patterns.isEmpty else { continue }
                let action = Self.action(option.completion).map { "            \($0)\n" } ?? ""
                text += "        \(patterns.joined(separator: " | ")))\n\(action)            return\n            ;;\n"
            }
            text += "        esac\n    fi\n"
        }
        let names = options.flatMap { option in
            (option.short.map { ["-\($0)"] } ?? []) + (option.long.map { ["--\($0)"] } ?? [])
        }
        text += "    if [[ -z $ended && $current == -* ]]; then\n"
        text += "        \(Self.words(names))\n        return\n    fi\n"
        if page.commands.isEmpty, case .commandAfter = page.order {
            text += "    if [[ -n $ended ]]; then\n        \(Self.action(.command) ?? ":")\n        return\n    fi\n"
        }
        let operand = page.commands.isEmpty ? page.operands.completion : .words(page.commands.map(\.command))
        if let action = Self.action(operand) { text += "    \(action)\n" }
    }

    private static func action(_ hint: CompletionHint) -> String? {
        switch hint {
        case .none: nil
        case .words(let words): Self.words(words)
        case .host: fill("-A hostname")
        case .file: "compopt -o filenames 2>/dev/null; " + fill("-f")
        case .interface:
            // No -W: compgen would expand a name with a dollar sign in it.
            "for current in /sys/class/net/\"$current\"*; do [[ -e $current ]] && COMPREPLY+=(\"${current##*/}\"); done"
        case .command: fill("-c")
        }
    }

    private static func words(_ words: [String]) -> String { fill("-W '\(quoted(words.joined(separator: " ")))'") }

    private static func fill(_ arguments: String) -> String {
        "mapfile -t COMPREPLY < <(compgen \(arguments) -- \"$current\")"
    }

    private static func quoted(_ text: String) -> String { text.escaping("'", as: "'\\''") }

    private static func function(_ name: String) -> String { "_" + identifier(name) }

    private static func identifier(_ name: String) -> String {
        String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}

/// A completion function for zsh, for `$fpath` (as `_TOOL`) or to be sourced after `compinit`.
struct ZshCompletions {
    private(set) var text: String

    init(_ page: Page) {
        let function = "_\(page.program)"
        text = "#compdef \(page.program)\n\(function)() {\n"
        if page.commands.isEmpty {
            text += "    _arguments -s -S" + Self.specifications(page, indent: 8) + "\n"
        } else {
            text += "    local context state state_descr line curcontext=\"$curcontext\"\n"
            text += "    typeset -A opt_args\n    _arguments -C -S" + Self.specifications(page, indent: 8)
            text += " \\\n        '1:command:->command' \\\n        '*::argument:->argument'\n"
            text += "    case $state in\n    command)\n        local -a commands=(\n"
            for command in page.commands {
                text += "            '\(Self.escaped(command.command)):\(Self.escaped(command.summary))'\n"
            }
            text +=
                "        )\n        _describe command commands\n        ;;\n    argument)\n        case $words[1] in\n"
            for command in page.commands {
                text += "        \(command.command))\n            _arguments -s -S"
                text += Self.specifications(command, indent: 16) + "\n            ;;\n"
            }
            text += "        esac\n        ;;\n    esac\n"
        }
        text += """
            }
            # Autoloaded, this file is the function; sourced, it only defines it.
            if [[ $funcstack[1] == \(function) ]]; then
                \(function) "$@"
            else
                compdef \(function) \(page.program)
            fi

            """
    }

    private static func specifications(_ page: Page, indent: Int) -> String {
        var specifications = page.sections.flatMap(\.options).map(specification)
        if page.commands.isEmpty, let action = action(page.operands.completion) {
            if case .commandAfter(let count) = page.order {
                for index in 0..<max(0, min(count, 8)) { specifications.append("'\(index + 1):operand:\(action)'") }
                specifications.append("'*::command: _normal'")
            } else {
                specifications.append("'*:operand:\(action)'")
            }
        }
        let separator = " \\\n" + String(repeating: " ", count: indent)
        return specifications.map { separator + $0 }.joined()
    }

    private static func specification(_ option: OptionDescription) -> String {
        let text = "[\(escaped(option.help))]"
        var suffixes = (short: "", long: "")
        var value = ""
        switch option.argument {
        case .none: break
        case .required(let name):
            suffixes = ("+", "=")
            value = ":\(escaped(name)):\(action(option.completion) ?? "")"
        case .optional(let name):
            suffixes = ("-", "=-")
            value = "::\(escaped(name)):\(action(option.completion) ?? "")"
        }
        switch (option.short, option.long) {
        case (let short?, let long?):
            return "'*'{-\(short)\(suffixes.short),--\(long)\(suffixes.long)}'\(text)\(value)'"
        case (let short?, nil): return "'*-\(short)\(suffixes.short)\(text)\(value)'"
        case (nil, let long): return "'*--\(long ?? "")\(suffixes.long)\(text)\(value)'"
        }
    }

    private static func action(_ hint: CompletionHint) -> String? {
        switch hint {
        case .none: nil
        case .words(let words): "(\(words.map(escaped).joined(separator: " ")))"
        case .host: "_hosts"
        case .file: "_files"
        case .interface: "_net_interfaces"
        case .command: "_command_names -e"
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "'": result += "'\\''"
            case "[", "]", ":", "(", ")", "\\": result += "\\\(character)"
            default: result.append(character)
            }
        }
        return result
    }
}

/// Completions for fish.
struct FishCompletions {
    private(set) var text: String

    init(_ page: Page) {
        text = "complete -c \(page.program) -f\n"
        if page.commands.isEmpty {
            lines(page, condition: nil)
        } else {
            let top = "__fish_use_subcommand"
            for command in page.commands {
                line(page, top, "-a \(Self.quoted(command.command)) -d \(Self.quoted(command.summary))")
            }
            lines(page, condition: top)
            for command in page.commands {
                lines(command, condition: "__fish_seen_subcommand_from \(command.command)")
            }
        }
    }

    private mutating func line(_ page: Page, _ condition: String?, _ rest: String) {
        text += "complete -c \(page.program)"
        if let condition { text += " -n \(Self.quoted(condition))" }
        text += " \(rest)\n"
    }

    private mutating func lines(_ page: Page, condition: String?) {
        for option in page.sections.flatMap(\.options) {
            var words: [String] = []
            if let short = option.short { words.append("-s \(Self.quoted(String(short)))") }
            if let long = option.long { words.append("-l \(Self.quoted(long))") }
            switch option.argument {
            case .none: break
            case .required: words.append(option.completion == .file ? "-r -F" : "-x")
            case .optional: words.append("-f")
            }
            if let candidates = Self.candidates(option.completion) { words.append("-a \(candidates)") }
            words.append("-d \(Self.quoted(option.help))")
            line(page, condition, words.joined(separator: " "))
        }
        if page.operands.completion == .file {
            line(page, condition, "-F")
        } else if let candidates = Self.candidates(page.operands.completion) {
            line(page, condition, "-a \(candidates)")
        }
    }

    private static func candidates(_ hint: CompletionHint) -> String? {
        switch hint {
        case .none, .file: nil
        case .words(let words): quoted(words.joined(separator: " "))
        case .host: "'(__fish_print_hostnames)'"
        case .interface: "'(__fish_print_interfaces)'"
        case .command: "'(__fish_complete_subcommand)'"
        }
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.escaping("\\", as: "\\\\").escaping("'", as: "\\'") + "'"
    }
}

extension String {
    /// The text with `replacement` in place of every `character`.
    fileprivate func escaping(_ character: Character, as replacement: String) -> String {
        var result = ""
        for other in self {
            if other == character { result += replacement } else { result.append(other) }
        }
        return result
    }
}
