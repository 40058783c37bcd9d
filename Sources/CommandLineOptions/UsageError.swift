/// Why a command line was refused: one line that begins with the tool's name and says what would be right.
public struct UsageError: Error, Hashable, Sendable, CustomStringConvertible {
    public let tool: String
    /// What is wrong, for a tool that has its own words for it. Texts are escaped.
    public enum Fault: Hashable, Sendable {
        /// As it was typed: `-x`.
        case unknownOption(String)
        /// The option, and the name of its value.
        case missingValue(option: String, name: String)
        case badValue(option: String, value: String)
    }

    /// The line behind the tool's name.
    public let message: String
    /// Nil where it is something else.
    public let fault: Fault?

    /// A line of `tool`; what it quotes from the command line has to be escaped already.
    public init(tool: String, _ message: String, fault: Fault? = nil) {
        self.tool = tool
        self.message = message
        self.fault = fault
    }

    /// The line, without a newline.
    public var description: String { "\(tool): \(message)" }
}

/// Why the value of one option was refused; the table puts the names of the tool and the option before it.
public enum OptionError: Error, Hashable, Sendable {
    /// The value is not what `expected` describes: `a whole number from 1 to 10`.
    case invalid(value: String, expected: String)
    /// The option, or this use of it, is refused for a reason that is a sentence's end: `needs a raw socket`.
    case refused(String)
}

extension OptionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .invalid(let value, let expected): "'\(EchoedText(value))' is not \(expected)"
        case .refused(let reason): reason
        }
    }
}
