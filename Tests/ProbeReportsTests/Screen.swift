/// A terminal of the simplest kind: what a report's bytes make of it.
struct Screen {
    private(set) var columns: Int
    /// Everything that was ever on it, scrolled away or not.
    private(set) var rows: [[Unicode.Scalar]] = [[]]
    /// Lines that were too long for the window.
    private(set) var wraps = 0
    /// Whether a colour is still set.
    private(set) var hasAttributes = false
    /// Sequences that it does not know.
    private(set) var unknown: [String] = []
    private(set) var colors: Set<String> = []
    private var row = 0
    private var column = 0

    init(columns: Int) { self.columns = columns }

    /// Another width; what is there stays as it is.
    mutating func resize(columns: Int) { self.columns = columns }

    var lines: [String] {
        rows.map { row in
            var text = ""
            text.unicodeScalars.append(contentsOf: row)
            return text
        }
    }

    mutating func write(_ text: String) {
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\r": column = 0
            case "\n":
                row += 1
                column = 0
                if row == rows.count { rows.append([]) }
            case "\u{1b}": takeSequence(&rest)
            default: put(scalar)
            }
        }
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        if column == columns {
            wraps += 1
            write("\n")
        }
        while rows[row].count <= column { rows[row].append(" ") }
        rows[row][column] = scalar
        column += 1
    }

    private mutating func takeSequence(_ rest: inout Substring.UnicodeScalarView) {
        guard rest.popFirst() == "[" else { return unknown.append("no CSI") }
        var parameters = ""
        while let scalar = rest.popFirst() {
            guard ("@"..."~").contains(scalar) else {
                parameters.unicodeScalars.append(scalar)
                continue
            }
            let count = Int(parameters) ?? 1
            switch scalar {
            case "A":
                if row < count { unknown.append("above the top") }
                row = max(0, row - count)
            case "C": column = min(columns, column + count)
            case "D": column = max(0, column - count)
            case "J":
                rows[row].removeLast(max(0, rows[row].count - column))
                rows.removeLast(rows.count - row - 1)
            case "m":
                hasAttributes = parameters != "0"
                if hasAttributes { colors.insert(parameters) }
            default: unknown.append("CSI \(parameters)\(scalar)")
            }
            return
        }
    }
}
