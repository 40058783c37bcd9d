import ProbeIO

extension Options {
    /// Whether standard output gets a line for every event, for programs to read.
    var hasRows: Bool { isJSON || isCSV }

    /// Reports that exclude each other, and options that need one of them.
    func checkOutput() throws(ToolFailure) {
        let reports = [(isJSON, "--json"), (isCSV, "--csv"), (style == .heat, "--style heat")].filter(\.0).map(\.1)
        guard reports.count < 2 else {
            throw ToolFailure(
                "options \(reports[0]) and \(reports[1]) exclude each other (see swping --help)")
        }
        if color != nil, style != .heat {
            throw ToolFailure("option --color: only --style heat has colours (see swping --help)")
        }
    }
}
