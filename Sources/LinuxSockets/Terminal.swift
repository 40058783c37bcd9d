import CLinuxSockets
import Glibc

/// What a tool may know of the terminal that its output goes to.
public enum Terminal {
    /// The size of the window, in characters; nil where the descriptor is no terminal. A terminal that doesn't know
    /// counts as 80 by 24.
    ///
    /// The corresponding C function is `ioctl` with `TIOCGWINSZ`.
    public static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
        var columns: UInt16 = 0
        var rows: UInt16 = 0
        guard unsafe np_window_size(descriptor, &columns, &rows) == 0 else { return nil }
        return (columns == 0 ? 80 : Int(columns), rows == 0 ? 24 : Int(rows))
    }

    /// Whether it moves its cursor and knows colours (environ(7), TERM).
    public static var isCapable: Bool {
        let kind = variable("TERM")
        return kind != nil && kind != "dumb"
    }

    /// Whether its user wants no colours (NO_COLOR, if it is not empty).
    public static var forbidsColor: Bool { variable("NO_COLOR") != nil }

    /// Whether the locale's encoding is UTF-8, by the variables that name one, in their order (locale(7)).
    public static var isUnicode: Bool {
        let locale = variable("LC_ALL") ?? variable("LC_CTYPE") ?? variable("LANG") ?? ""
        let encoding = locale.lowercased().split(separator: ".").last?.prefix { $0 != "@" } ?? ""
        return encoding == "utf-8" || encoding == "utf8"
    }

    /// Nil for a variable that is empty, too.
    private static func variable(_ name: String) -> String? {
        // Nobody changes the environment of a tool; the text is copied at once.
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }
}
