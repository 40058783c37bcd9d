import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

extension [PathFinding] {
    /// The hops that are said to limit.
    fileprivate var limited: [Int] {
        compactMap { if case .limited = $0.kind { $0.hops.lowerBound } else { nil } }
    }

    /// Where losses are said to start, and whether that is sure; nil where none are told.
    fileprivate var loss: (hop: Int, isLocated: Bool)? {
        for finding in self {
            if case .loss(_, let isLocated) = finding.kind { return (finding.hops.lowerBound, isLocated) }
        }
        return nil
    }
}

@Suite struct PathFindingLossTests {
    /// Ten routers with properties by number, and the target.
    private static func chain(_ properties: [Int: String], all: String = "", target: String = "") -> String {
        Trace.chain((1...10).map { properties[$0] ?? all }, target: target)
    }

    private struct Tally {
        var traces = 0
        /// Traces in which a hop is wrongly said to limit.
        var falseLimits = 0
        /// Limiting hops that showed it, by leaving out some of their answers, and how many of them were told.
        var shown = 0
        var told = 0
        var losses = 0
        /// Located losses that start too early.
        var wrongPlaces = 0

        mutating func add(_ trace: Trace, limited: Set<Int>, lossFrom: Int? = nil) {
            let findings = trace.findings
            traces += 1
            let found = Set(findings.limited)
            if !found.isSubset(of: limited) { falseLimits += 1 }
            for row in trace.rows where limited.contains(row.number) {
                let answers = row.answers.count { $0 != nil }
                guard answers > 0, answers < row.answers.count else { continue }
                shown += 1
                if found.contains(row.number) { told += 1 }
            }
            if let loss = findings.loss {
                losses += 1
                if loss.isLocated, loss.hop < lossFrom ?? .max { wrongPlaces += 1 }
            }
        }
    }

    private static func tally(
        _ text: String, limited: Set<Int> = [], lossFrom: Int? = nil, queries: Int = 3,
        method: ProbeMethod = .udp(destinationPort: 33_434), seeds: ClosedRange<UInt64> = 1...1_000
    ) throws -> Tally {
        var tally = Tally()
        for seed in seeds {
            let trace = try Trace.of(text, seed: seed) {
                $0.method = method
                $0.queries = queries
            }
            tally.add(trace, limited: limited, lossFrom: lossFrom)
        }
        return tally
    }

    @Test("print", arguments: [3, 5, 10])
    func survey(queries: Int) throws {
        for place in [1, 5, 9] {
            for loss in ["1%", "3%", "6%", "10%", "20%", "40%"] {
                let t = try Self.tally(
                    Self.chain([place: "loss \(loss)"]), lossFrom: place, queries: queries)
                print(
                    "q\(queries) loss \(loss) at \(place): false limits \(t.falseLimits), losses \(t.losses), wrong place \(t.wrongPlaces)"
                )
            }
        }
        for place in [1, 5, 7, 8, 9, 10] {
            let t = try Self.tally(
                Self.chain([place: "limit 1/s burst 1"]), limited: [place], queries: queries, seeds: 1...20)
            print(
                "q\(queries) limit at \(place): shown \(t.shown) told \(t.told) losses \(t.losses) false \(t.falseLimits)"
            )
        }
        for loss in ["1%", "5%", "10%", "20%"] {
            let t = try Self.tally(
                Self.chain([3: "limit 1/s burst 1", 6: "limit 1/s burst 1 loss \(loss)"]), limited: [3, 6], lossFrom: 6,
                queries: queries)
            print(
                "q\(queries) limit 3, 6, loss \(loss) at 6: shown \(t.shown) told \(t.told) losses \(t.losses) wrong \(t.wrongPlaces) false \(t.falseLimits)"
            )
        }
        for (method, word) in [(ProbeMethod.udp(destinationPort: 33_434), "udp"), (.icmpEcho, "icmp")] {
            let t = try Self.tally(
                Self.chain([:], all: "limit 1/s burst 1", target: "limit 1/s burst 1"), limited: Set(1...10),
                queries: queries, method: method, seeds: 1...20)
            print(
                "q\(queries) all limit \(word): shown \(t.shown) told \(t.told) losses \(t.losses) false \(t.falseLimits)"
            )
        }
    }
}
