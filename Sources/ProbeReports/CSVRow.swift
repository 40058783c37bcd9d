/// One row of a table, whose columns are the cases of an enumeration in their order; empty fields at first (RFC 4180).
struct CSVRow<Column: RawRepresentable & CaseIterable> where Column.RawValue == Int {
    private var fields = [String](repeating: "", count: Column.allCases.count)

    /// Text that is fit for a field.
    mutating func add(_ column: Column, _ text: String) { fields[column.rawValue] = text }

    mutating func add(_ column: Column, _ number: some BinaryInteger) { fields[column.rawValue] = String(number) }

    mutating func add(_ column: Column, optional number: (some BinaryInteger)?) {
        if let number { add(column, number) }
    }

    /// Ends with a carriage return and a line feed.
    func append(to buffer: inout ReportBuffer) { Self.append(fields, to: &buffer) }

    /// The line of column names.
    static func append(_ fields: [String], to buffer: inout ReportBuffer) {
        buffer.append(fields.joined(separator: ","))
        buffer.append("\r\n")
    }
}
