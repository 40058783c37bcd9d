import ProbeReports
import TestSupport
import Testing

/// The values of an output that is nothing but lines of JSON, each of them as the schema says.
func jsonLines(_ output: String, schema name: String) throws -> [JSONValue] {
    let schema = try JSONSchema(name)
    #expect(output.hasSuffix("\n"))
    return try output.split(separator: "\n").map { line in
        let value = try JSONValue(parsing: String(line))
        #expect(schema.problems(of: value).isEmpty, "\(line)")
        return value
    }
}
