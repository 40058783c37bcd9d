import PacketFormats
import ProbeEngine

/// The paths of former runs, as `swtrace --json` wrote them, for comparison.
///
/// Several runs may stand in one file, one behind the other: what any of them saw is known.
public struct PathBaseline: Sendable {
    private struct Path {
        var name: String
        var address: IPAddress
        /// By hop. Without zones, which are numbers of the machine that wrote it.
        var responders: [Int: Set<IPAddress>] = [:]
        /// At which hops the host itself answered.
        var lengths: Set<Int> = []
    }

    private struct Key: Hashable {
        var name: String
        var address: IPAddress
    }

    private var paths: [Path] = []

    /// Throws where a line is none of `swtrace --json`, or when there is no hop in any. O(n).
    public init(parsing bytes: [UInt8]) throws(PathBaselineError) {
        guard bytes.count <= Self.maximumSize else {
            throw PathBaselineError(line: nil, reason: "has more than \(Self.maximumSize >> 20) MiB")
        }
        var places: [Key: Int] = [:]
        var rest = bytes[...]
        var number = 0
        while !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            rest = rest[line.endIndex...].dropFirst()
            number += 1
            do throws(JSONValue.Malformed) {
                guard line.count <= Self.maximumLine else {
                    throw JSONValue.Malformed(description: "longer than \(Self.maximumLine >> 10) KiB")
                }
                try add(JSONValue(parsing: line), &places)
            } catch {
                throw PathBaselineError(line: number, reason: "no line of swtrace --json: \(error)")
            }
        }
        guard paths.contains(where: { !$0.responders.isEmpty }) else {
            throw PathBaselineError(line: nil, reason: "has no hops of swtrace --json")
        }
    }

    private mutating func add(_ line: JSONValue, _ places: inout [Key: Int]) throws(JSONValue.Malformed) {
        guard line["v"].integer == Int64(JSONLine.version), let type = line["type"].text else {
            throw JSONValue.Malformed(description: "no object of this version with a type")
        }
        guard type == "hop" || type == "summary" else { return }
        guard let name = line["target"].text, let address = Self.address(line["address"]) else {
            throw JSONValue.Malformed(description: "no target or no address")
        }
        let key = Key(name: name, address: address)
        let place = places[key] ?? paths.count
        if place == paths.count {
            paths.append(Path(name: name, address: address))
            places[key] = place
        }
        if type == "summary" {
            guard line["reached"] == .boolean(true), let hops = line["hops"].integer else { return }
            paths[place].lengths.insert(try Self.hop(hops))
            return
        }
        let hop = try Self.hop(line["hop"].integer)
        for element in line["responders"].elements {
            guard let responder = Self.address(element["responder"]) else {
                throw JSONValue.Malformed(description: "a responder without address")
            }
            paths[place].responders[hop, default: []].insert(responder)
        }
    }

    private static func address(_ value: JSONValue) -> IPAddress? {
        value.text.flatMap { IPAddress($0) { _ in 1 }?.withoutZone }
    }

    private static func hop(_ number: Int64?) throws(JSONValue.Malformed) -> Int {
        guard let number, (1...255).contains(number) else { throw JSONValue.Malformed(description: "no hop") }
        return Int(number)
    }

    /// How a path differs from those to the same host: by name and address, else by address, else by name and version.
    /// Nil when there is none.
    ///
    /// A hop that was silent then or is now is no difference, and neither is a responder that was among that hop's.
    ///
    /// - Parameter lastHop: where the destination answered, nil where it did not.
    public func changes(of hops: [PathHop], lastHop: Int?, to target: ReportTarget) -> [PathChange]? {
        let address = target.address.withoutZone
        let ofAddress = paths.filter { $0.address == address }
        let ofBoth = ofAddress.filter { $0.name == target.name.description }
        var former = ofBoth.isEmpty ? ofAddress : ofBoth
        if former.isEmpty {
            former = paths.filter { $0.name == target.name.description && $0.address.version == address.version }
        }
        guard !former.isEmpty else { return nil }
        var changes: [PathChange] = []
        for hop in hops {
            let was = former.reduce(into: Set<IPAddress>()) { $0.formUnion($1.responders[hop.number] ?? []) }
            let now = hop.responders
            guard !was.isEmpty, !was.isSuperset(of: now.map(\.withoutZone)) else { continue }
            changes.append(.responders(hop: hop.number, was: was.sorted(), now: now))
        }
        let lengths = former.reduce(into: Set<Int>()) { $0.formUnion($1.lengths) }
        if let lastHop, !lengths.isEmpty, !lengths.contains(lastHop) {
            changes.append(.length(was: lengths.sorted(), now: lastHop))
        }
        return changes
    }

    /// A file may be this long: some 400 hosts.
    public static let maximumSize = 16 << 20
    private static let maximumLine = 1 << 20
}

/// Why a file is no baseline.
public struct PathBaselineError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Counted from 1; nil where it is about all of it.
    public var line: Int?
    public var reason: String

    /// What stands behind the name of the file: `, line 3: no line of swtrace --json: no value`.
    public var description: String { line.map { ", line \($0): \(reason)" } ?? " \(reason)" }
}
