import CLinuxSockets

/// The command line of this process.
public enum CommandLineArguments {
    /// What the program was called as; empty where it was called without a name.
    public static var programPath: String {
        // As below.
        guard let text = unsafe np_argument(0) else { return "" }
        return unsafe String(cString: text)
    }

    /// The same without directories.
    public static var programName: String { programPath.split(separator: "/").last.map(String.init) ?? "" }

    /// What stands behind the program's name, repaired where it is not UTF-8. O(length).
    ///
    /// `CommandLine.arguments` finds the same by reading `/proc/self/maps`, and is empty where `/proc` is hidden.
    public static var operandsAndOptions: [String] {
        let count = Int(np_argument_count())
        guard count > 1 else { return [] }
        var arguments: [String] = []
        arguments.reserveCapacity(count - 1)
        for index in 1..<count {
            // The kernel put the strings on the stack, where they stay as long as the process lives.
            guard let text = unsafe np_argument(Int32(truncatingIfNeeded: index)) else { break }
            arguments.append(unsafe String(cString: text))
        }
        return arguments
    }
}
