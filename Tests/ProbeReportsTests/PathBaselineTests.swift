import PacketFormats
import TestSupport
import Testing

@testable import ProbeEngine
@testable import ProbeReports

@Suite struct PathBaselineTests {
    private static func hops(_ rows: [[String]]) -> [PathHop] {
        rows.enumerated().map { index, responders in
            PathHop(number: index + 1, answers: responders.isEmpty ? [nil] : responders.map { answer($0, 1_000) })
        }
    }

    /// What `--json` writes of such a path.
    private static func json(_ name: String, _ text: String, _ rows: [[String]], lastHop: Int?) -> String {
        let report = PathJSONReport(target: target(name, text), method: .udp(destinationPort: 33_434))
        return written { buffer in
            for hop in hops(rows) { report.append(.hop(hop), PathFacts(), time: 0, to: &buffer) }
            report.appendSummary(run(hops(rows), lastHop: lastHop), PathFacts(), to: &buffer)
        }
    }

    private static func changes(
        _ baseline: String, _ rows: [[String]], lastHop: Int?, name: String = "h.example", address: String = "10.9.9.9"
    ) throws -> [String]? {
        try PathBaseline(parsing: Array(baseline.utf8))
            .changes(of: hops(rows), lastHop: lastHop, to: target(name, address))?.map { $0.text([:]) }
    }

    private static let usual = json(
        "h.example", "10.9.9.9", [["10.0.1.2"], ["10.0.2.2", "10.0.2.3"], [], ["10.9.9.9"]], lastHop: 4)

    @Test(
        arguments: [
            ([["10.0.1.2"], ["10.0.2.2"], [], ["10.9.9.9"]], []),
            ([["10.0.1.2"], ["10.0.2.3", "10.0.2.2"], ["10.0.3.2"], ["10.9.9.9"]], []),
            ([[], [], [], ["10.9.9.9"]], []),
            ([["10.0.1.7"], ["10.0.2.3"], [], ["10.9.9.9"]], ["hop 1 was 10.0.1.2, is 10.0.1.7"]),
            (
                [["10.0.1.2"], ["10.0.2.3", "10.0.2.7"], [], ["10.9.9.9"]],
                ["hop 2 was 10.0.2.2 or 10.0.2.3, is 10.0.2.3 and 10.0.2.7"]
            ),
            (
                [["10.0.1.2"], ["10.0.2.3"], [], ["10.0.4.4"], ["10.9.9.9"]],
                ["hop 4 was 10.9.9.9, is 10.0.4.4", "the host was hop 4, is hop 5"]
            ),
            (
                [["10.0.1.2"], ["10.0.2.3"], ["10.9.9.9"]], ["the host was hop 4, is hop 3"]
            ),
        ] as [([[String]], [String])])
    func tellsDifferences(rows: [[String]], expected: [String]) throws {
        #expect(try Self.changes(Self.usual, rows, lastHop: rows.count) == expected)
    }

    @Test func aPathThatDoesNotEndIsComparedAsFarAsItGoes() throws {
        #expect(try Self.changes(Self.usual, [["10.0.1.2"]], lastHop: nil) == [])
    }

    @Test func everyRunOfTheFileCounts() throws {
        let other = Self.json("h.example", "10.9.9.9", [["10.0.1.7"], ["10.9.9.9"]], lastHop: 2)
        #expect(try Self.changes(Self.usual + other, [["10.0.1.7"], ["10.9.9.9"]], lastHop: 2) == [])
        #expect(
            try Self.changes(Self.usual + other, [["10.0.1.8"], ["10.9.9.9"]], lastHop: 2)
                == ["hop 1 was 10.0.1.2 or 10.0.1.7, is 10.0.1.8"])
    }

    @Test func hostsAreFoundByNameAndAddress() throws {
        let file =
            Self.json("a.example", "10.9.9.1", [["10.0.1.1"]], lastHop: nil)
            + Self.json("b.example", "10.9.9.1", [["10.0.1.2"]], lastHop: nil)
            + Self.json("b.example", "10.9.9.3", [["10.0.1.3"]], lastHop: nil)
            + Self.json("b.example", "fd00::3", [["10.0.1.4"]], lastHop: nil)
        func known(_ name: String, _ address: String) throws -> String? {
            try Self.changes(file, [["10.0.1.9"]], lastHop: nil, name: name, address: address)?.first
        }
        #expect(try known("a.example", "10.9.9.1") == "hop 1 was 10.0.1.1, is 10.0.1.9")
        #expect(try known("b.example", "10.9.9.1") == "hop 1 was 10.0.1.2, is 10.0.1.9")
        #expect(try known("c.example", "10.9.9.1") == "hop 1 was 10.0.1.1 or 10.0.1.2, is 10.0.1.9")
        #expect(try known("b.example", "10.9.9.7") == "hop 1 was 10.0.1.2 or 10.0.1.3, is 10.0.1.9")
        #expect(try known("b.example", "fd00::7") == "hop 1 was 10.0.1.4, is 10.0.1.9")
        #expect(try Self.changes(file, [["10.0.1.9"]], lastHop: nil, name: "c.example", address: "10.9.9.7") == nil)
        #expect(try Self.changes(file, [["10.0.1.9"]], lastHop: nil, name: "a.example", address: "fd00::7") == nil)
    }

    /// Indexes of interfaces mean nothing on another machine.
    @Test func zonesAreLeftOut() throws {
        let file = Self.json("fe80::1%eth0", "10.9.9.9", [["fe80::7%3"]], lastHop: 1).replacing("%3", with: "%eth0")
        #expect(try Self.changes(file, [["fe80::7%5"]], lastHop: 1) == [])
    }

    @Test func aLongListIsCutShort() throws {
        let all = (1...100).map { "10.0.0.\($0)" }
        let file = Self.json("h.example", "10.9.9.9", [all], lastHop: nil)
        let text = try #require(try Self.changes(file, [["10.0.1.1"]], lastHop: nil)?.first)
        #expect(text.hasSuffix(" or 10.0.0.8 or 92 more, is 10.0.1.1"))
    }

    @Test(
        arguments: [
            ("", nil, "has no hops"), ("\n", 1, "no value"), ("{}", 1, "no object of this version"),
            ("[]", 1, "no object of this version"), ("{\"v\":1}", 1, "no object of this version"),
            ("{\"v\":2,\"type\":\"hop\"}", 1, "no object of this version"),
            ("{\"v\":1,\"type\":\"probe\"}", nil, "has no hops"), (usual + "x", 11, "no value"),
            (String(usual.dropLast(9)), 10, "no "), ("{\"v\":1,\"type\":\"hop\"}", 1, "no target"),
            ("{\"v\":1,\"type\":\"hop\",\"target\":\"h\",\"address\":\"h\"}", 1, "no address"),
            ("{\"v\":1,\"type\":\"hop\",\"target\":\"h\",\"address\":\"::1\",\"hop\":256}", 1, "no hop"),
            ("{\"v\":1,\"type\":\"hop\",\"target\":\"h\",\"address\":\"::1\",\"hop\":-1}", 1, "no hop"),
            (
                "{\"v\":1,\"type\":\"hop\",\"target\":\"h\",\"address\":\"::1\",\"hop\":1,\"responders\":[1]}", 1,
                "a responder without address"
            ),
            ("\u{1f}\u{8b}", 1, "no value"), (String(repeating: "[", count: 100_000), 1, "too many levels"),
            (String(repeating: "{\"a\":", count: 100_000), 1, "too many levels"),
            ("\"" + String(repeating: "x", count: 2 << 20), 1, "longer than 1024 KiB"),
        ] as [(String, Int?, String)])
    func refuses(text: String, line: Int?, reason: String) {
        let error = #expect(throws: PathBaselineError.self) { try PathBaseline(parsing: Array(text.utf8)) }
        #expect(error?.line == line)
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func refusesTooMuch() {
        let error = #expect(throws: PathBaselineError.self) {
            try PathBaseline(parsing: [UInt8](repeating: 0, count: PathBaseline.maximumSize + 1))
        }
        #expect(error?.description == " has more than 16 MiB")
    }

    @Test func noBytesAreATrap() {
        var state: UInt64 = 3
        func random() -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33)
        }
        var accepted = 0
        for _ in 0..<3_000 {
            var bytes = Array(Self.usual.utf8)
            for _ in 0..<random() % 4 {
                let index = random() % bytes.count
                switch random() % 3 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random())
                case 1: bytes.remove(at: index)
                default: bytes.insert("{}[]\",:\\u0".utf8.randomElement() ?? 0, at: index)
                }
            }
            guard let baseline = try? PathBaseline(parsing: bytes) else { continue }
            accepted += 1
            _ = baseline.changes(of: Self.hops([["10.0.1.9"]]), lastHop: 1, to: target("h.example", "10.9.9.9"))
        }
        #expect(accepted > 0)
    }
}

@Suite struct PathJudgementTests {
    private static func judgement(baseline: Bool, _ conditions: String...) throws -> PathJudgement {
        let file = """
            {"v":1,"type":"hop","target":"h","address":"10.9.9.9","hop":1,"responders":[{"responder":"10.0.1.2"}]}
            {"v":1,"type":"summary","target":"h","address":"10.9.9.9","reached":true,"hops":3}
            """
        return try PathJudgement(
            target: target("h", "10.9.9.9"), hops: [PathHop(number: 1, answers: [answer("10.0.1.7", 1)])], lastHop: 1,
            baseline: baseline ? PathBaseline(parsing: Array(file.utf8)) : nil,
            assertions: conditions.map { try PathAssertion(parsing: $0) })
    }

    private static func summary(_ judgement: PathJudgement) throws -> JSONValue {
        let report = PathJSONReport(target: target("h", "10.9.9.9"), method: .icmpEcho)
        var run = run([], lastHop: 1)
        run.judgement = judgement
        let judged = run
        let value = try JSONValue(parsing: written { report.appendSummary(judged, PathFacts(), to: &$0) })
        #expect(try JSONSchema("swtrace").problems(of: value).isEmpty)
        return value
    }

    @Test func whatIsNotAskedForIsNotThere() throws {
        let value = try Self.summary(Self.judgement(baseline: false))
        guard case .object(let members) = value else {
            Issue.record("no object")
            return
        }
        #expect(members["failed"] == nil && members["path_changes"] == nil)
        #expect(try Self.judgement(baseline: false).failureLines.isEmpty)
    }

    @Test func tellsChangesAndFailures() throws {
        let judgement = try Self.judgement(baseline: true, "hops>0", "hops>1", "path-changed")
        #expect(
            judgement.failureLines == [
                "failed: hops 1 > 0 (h)", "failed: path-changed: hop 1 was 10.0.1.2, is 10.0.1.7, and 1 more (h)",
            ])
        let report = PathTextReport(target: target("h", "10.9.9.9"))
        #expect(
            written { report.append(judgement, to: &$0) }
                == "path changed: hop 1 was 10.0.1.2, is 10.0.1.7\npath changed: the host was hop 3, is hop 1\n")
        let value = try Self.summary(judgement)
        #expect(value["failed"].elements.count == 2)
        let changes = value["path_changes"].elements
        #expect(changes.count == 2)
        #expect(changes.first?["was"] == .array([.string("10.0.1.2")]))
        #expect(changes.last?["length_now"].integer == 1)
    }

    @Test func originsStandBehindAddresses() throws {
        let hop = PathEvent.hop(PathHop(number: 1, answers: [answer("10.0.1.2", 1_000), answer("10.0.1.3", 1_000)]))
        let origins: (IPAddress) -> ASOrigins? = {
            $0 == address("10.0.1.2") ? ASOrigins([7, 8].map { ASNumber(rawValue: $0) }) : nil
        }
        var text = PathTextReport(target: target("h", "10.9.9.9"))
        text.showsNames = false
        #expect(
            written { text.append(hop, PathFacts(origins: origins), to: &$0) }
                == " 1  10.0.1.2 [AS7/AS8]  0.001 ms 10.0.1.3 [*]  0.001 ms\n")
        let json = PathJSONReport(target: target("h", "10.9.9.9"), method: .icmpEcho)
        let lines = written { json.append(hop, PathFacts(origins: origins), time: 0, to: &$0) }
        let values = try lines.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
        let schema = try JSONSchema("swtrace")
        #expect(values.allSatisfy { schema.problems(of: $0).isEmpty })
        #expect(values[0]["asn"] == .array([.number("7"), .number("8")]))
        #expect(values[1]["asn"] == .null)
        #expect(values[2]["responders"].elements.map { $0["asn"].elements.count } == [2, 0])
    }
}
