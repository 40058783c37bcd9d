/// A line of swtrace about one hop.
struct TraceRow: Equatable {
    var number: Int
    /// Addresses or names, each time one is printed.
    var responders: [String]
    /// How many round trips are printed.
    var times: Int
    var silences: Int
    var annotations: [String]

    /// The rows of a whole output, which must begin with traceroute's line.
    static func rows(of output: String) -> [TraceRow] {
        let lines = output.split(separator: "\n")
        guard lines.first?.hasPrefix("traceroute to ") == true else { return [] }
        return lines.dropFirst().compactMap(TraceRow.init)
    }

    private init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard let number = words.first.flatMap({ Int($0) }) else { return nil }
        self.number = number
        responders = []
        times = 0
        silences = 0
        annotations = []
        for (index, word) in words.enumerated().dropFirst() {
            switch word {
            case "*": silences += 1
            case "ms": times += 1
            case _ where word.hasPrefix("!"): annotations.append(String(word))
            case _ where word.hasPrefix("<"): annotations.append(String(word))
            case _ where index + 1 < words.count && words[index + 1] == "ms": continue
            default: responders.append(String(word))
            }
        }
    }
}
