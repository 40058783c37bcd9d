import CommandLineOptions
import ProbeIO
import ProbeReports

/// As whom the tool speaks: by its own name, or as a program that scripts call. All that it does otherwise
/// stands in the files that begin with the other program's name, and in its reports.
enum Persona {
    case swping
    /// The name that it was called by: `fping6` is fping over IPv6.
    case fping(String)
    /// The name that it was called by: `ping6` is ping over IPv6.
    case ping(String)

    /// The persona that the process was called as; `--as` leaves the arguments.
    static func of(_ program: String, _ arguments: inout [String]) throws(ToolFailure) -> Persona {
        guard let name = takeName(from: &arguments) else {
            // ping begins its lines with the path that it was called by.
            if case .ping? = named(program) { return .ping(CommandLineArguments.programPath) }
            return named(program) ?? .swping
        }
        guard let persona = named(name) else {
            throw ToolFailure("option --as: '\(SafeText(name))' is not one of: \(names.joined(separator: ", "))")
        }
        return persona
    }

    static let names = ["fping", "fping6", "ping", "ping4", "ping6"]

    private static func named(_ name: String) -> Persona? {
        guard names.contains(name) else { return nil }
        return name.hasPrefix("fping") ? .fping(name) : .ping(name)
    }

    private static func takeName(from arguments: inout [String]) -> String? {
        guard let first = arguments.first else { return nil }
        if first == "--as", arguments.count > 1 {
            defer { arguments.removeFirst(2) }
            return arguments[1]
        }
        guard first.hasPrefix("--as=") else { return nil }
        return String(arguments.removeFirst().dropFirst(5))
    }
}
