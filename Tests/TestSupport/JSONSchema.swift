import Foundation
import ProbeReports

/// The part of JSON Schema 2020-12 that our schemas use; another keyword in them is a failure.
package struct JSONSchema {
    private let root: JSONValue

    /// Reads a schema that lies beside the report.
    package init(_ name: String, from file: String = #filePath) throws {
        let package = file.split(separator: "/").dropLast(3).joined(separator: "/")
        let path = "/\(package)/Sources/ProbeReports/Schemas/\(name).schema.json"
        root = try JSONValue(parsing: String(contentsOfFile: path, encoding: .utf8))
    }

    /// What is wrong with a value, members that the schema does not name included.
    package func problems(of value: JSONValue) -> [String] {
        var known: Set<String> = []
        let problems = problems(of: value, by: root, at: "", &known)
        return problems + unknownMembers(of: value, known, at: "")
    }

    /// The words that a string member may have anywhere in the schema, by member name.
    package var types: Set<String> {
        guard case .object(let definitions) = root["$defs"] else { return [] }
        var types: Set<String> = []
        for definition in definitions.values {
            let type = definition["properties"]["type"]
            if let word = type["const"].text { types.insert(word) }
            types.formUnion(type["enum"].elements.compactMap(\.text))
        }
        return types
    }

    private func problems(
        of value: JSONValue, by schema: JSONValue, at path: String, _ known: inout Set<String>
    ) -> [String] {
        guard case .object(let keywords) = schema else { return ["\(path): no schema"] }
        var problems: [String] = []
        for (keyword, argument) in keywords {
            switch keyword {
            case "$schema", "$defs", "title", "description": break
            case "$ref":
                let name = (argument.text ?? "").replacingOccurrences(of: "#/$defs/", with: "")
                problems += self.problems(of: value, by: root["$defs"][name], at: path, &known)
            case "oneOf":
                var matches: [Set<String>] = []
                var reasons: [String] = []
                for alternative in argument.elements {
                    var members: Set<String> = []
                    let found = self.problems(of: value, by: alternative, at: path, &members)
                    if found.isEmpty { matches.append(members) }
                    reasons += found
                }
                if matches.count == 1 {
                    known.formUnion(matches[0])
                } else {
                    problems.append("\(path): \(matches.count) alternatives match: \(reasons)")
                }
            case "const": if value != argument { problems.append("\(path): not \(argument)") }
            case "enum":
                if !argument.elements.contains(value) { problems.append("\(path): \(value) not in \(argument)") }
            case "type":
                let types = argument.text.map { [$0] } ?? argument.elements.compactMap(\.text)
                if !types.contains(where: { Self.is(value, $0) }) { problems.append("\(path): \(value) no \(types)") }
            case "minimum":
                if let number = value.double, number < argument.double ?? .infinity {
                    problems.append("\(path): \(number) too small")
                }
            case "maximum":
                if let number = value.double, number > argument.double ?? -.infinity {
                    problems.append("\(path): \(number) too large")
                }
            case "pattern":
                guard let text = value.text else { break }
                if (try? Regex(argument.text ?? "").firstMatch(in: text)) == nil {
                    problems.append("\(path): \(text) does not match")
                }
            case "required":
                guard case .object(let members) = value else { break }
                for name in argument.elements.compactMap(\.text) where members[name] == nil {
                    problems.append("\(path): no \(name)")
                }
            case "properties":
                guard case .object(let members) = value, case .object(let schemas) = argument else { break }
                for (name, schema) in schemas {
                    guard let member = members[name] else { continue }
                    known.insert("\(path)/\(name)")
                    problems += self.problems(of: member, by: schema, at: "\(path)/\(name)", &known)
                }
            case "items":
                for (index, element) in value.elements.enumerated() {
                    problems += self.problems(of: element, by: argument, at: "\(path)/\(index)", &known)
                }
            default: problems.append("\(path): keyword \(keyword) is not supported")
            }
        }
        return problems
    }

    private static func `is`(_ value: JSONValue, _ type: String) -> Bool {
        switch (value, type) {
        case (.null, "null"), (.boolean, "boolean"), (.string, "string"), (.array, "array"), (.object, "object"),
            (.number, "number"):
            true
        case (.number(let digits), "integer"): digits.allSatisfy { $0.isNumber || $0 == "-" }
        default: false
        }
    }

    private func unknownMembers(of value: JSONValue, _ known: Set<String>, at path: String) -> [String] {
        switch value {
        case .object(let members):
            members.flatMap { name, member in
                (known.contains("\(path)/\(name)") ? [] : ["\(path)/\(name) is not in the schema"])
                    + unknownMembers(of: member, known, at: "\(path)/\(name)")
            }
        case .array(let elements):
            elements.enumerated().flatMap { unknownMembers(of: $1, known, at: "\(path)/\($0)") }
        default: []
        }
    }
}
