import Glibc
import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

extension [PathFinding] {
    /// The hops that are said to limit.
    fileprivate var limited: [Int] {
        flatMap { if case .limited(let losses) = $0.kind { losses.hops.map(\.hop) } else { [Int]() } }
    }

    /// Where losses are said to start, and whether that is sure; nil where none are told.
    fileprivate var loss: (hop: Int, isLocated: Bool)? {
        for finding in self {
            if case .loss(_, let isLocated) = finding.kind { return (finding.hops.lowerBound, isLocated) }
        }
        return nil
    }
}

extension PathFinding {
    /// What a limit rests on.
    fileprivate var losses: [PathFinding.Losses.Count] {
        if case .limited(let losses) = kind { losses.hops } else { [] }
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
        method: ProbeMethod = .udp(destinationPort: 33_434), seeds: ClosedRange<UInt64> = 200_001...200_300
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

    /// The thresholds were tuned on seeds 1 to 1000; `survey` looks at others. On 300,001 to 300,300, with 1% to 40% of loss,
    /// 2 to 10 queries and 5 to 20 hops, at most 3 of 300 lossy paths had a hop that was wrongly said to limit.
    @Test(
        "Losses are hardly ever taken for a limit",
        arguments: [(1, "3%", 3), (5, "3%", 3), (5, "10%", 3), (9, "10%", 3), (5, "6%", 5), (1, "6%", 10)])
    func falseAlarms(place: Int, loss: String, queries: Int) throws {
        let tally = try Self.tally(Self.chain([place: "loss \(loss)"]), lossFrom: place, queries: queries)
        #expect(tally.falseLimits * 100 <= tally.traces && tally.wrongPlaces * 20 < tally.traces)
    }

    /// A table of false alarms and misses, of more seeds by `PATH_FINDING_SURVEY=100001-103000 swift test --filter survey`.
    @Test("Survey", arguments: [2, 3, 5, 10]) func survey(queries: Int) throws {
        for count in [5, 10, 20] {
            for loss in [1, 2, 5, 10, 20, 40] {
                var lossy = Tally()
                var mixed = Tally()
                for seed in Self.surveySeeds {
                    // The lossy link is the first, or in the middle.
                    let link = seed.isMultiple(of: 2) ? 1 : count / 2 + 1
                    let limiter = count / 2
                    var routers = Array(repeating: "", count: count - 1)
                    routers[link - 1] = "loss \(loss)%"
                    lossy.add(
                        try Trace.of(Trace.chain(routers), seed: seed) { $0.queries = queries }, limited: [],
                        lossFrom: link)
                    routers[limiter - 1] += " limit 1/s burst 1"
                    mixed.add(
                        try Trace.of(Trace.chain(routers), seed: seed) { $0.queries = queries }, limited: [limiter],
                        lossFrom: link)
                }
                print(
                    "survey q \(queries) hops \(count) loss \(loss)%: \(lossy.falseLimits) false limits and",
                    "\(lossy.wrongPlaces) false places in \(lossy.traces), loss told in \(lossy.losses);",
                    "with a limiter \(mixed.falseLimits) false limits, \(mixed.told) of \(mixed.shown) told")
                // One of a few seeds shows nothing.
                #expect(max(lossy.falseLimits, mixed.falseLimits) * 50 <= max(50, lossy.traces))
            }
        }
    }

    private static let surveySeeds: ClosedRange<UInt64> = {
        guard let text = unsafe getenv("PATH_FINDING_SURVEY") else { return 1...2 }
        let ends = unsafe String(cString: text).split(separator: "-").compactMap { UInt64($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { return 1...2 }
        return ends[0]...ends[1]
    }()

    @Test("Hops that limit are told, where two hops behind show that they forward", arguments: [3, 5])
    func limits(queries: Int) throws {
        for place in 1...8 {
            let tally = try Self.tally(
                Self.chain([place: "limit 1/s burst 1"]), limited: [place], queries: queries, seeds: 1...5)
            #expect(tally.shown == 5 && tally.told == 5 && tally.falseLimits == 0 && tally.losses == 0)
        }
        // With the last router only the target behind it is known.
        let last = try Self.tally(
            Self.chain([10: "limit 1/s burst 1"]), limited: [10], queries: 3, seeds: 1...5)
        #expect(last.told == 0 && last.losses == 0)
    }

    @Test("Limits and losses on one path: what can't be told apart is not told", arguments: ["1%", "5%", "20%"])
    func mixed(loss: String) throws {
        let text = Self.chain([3: "limit 1/s burst 1", 6: "limit 1/s burst 1 loss \(loss)"])
        let tally = try Self.tally(text, limited: [3, 6], lossFrom: 6, queries: 5)
        #expect(tally.falseLimits * 100 <= tally.traces && tally.wrongPlaces * 20 < tally.traces)
        if loss == "1%" { #expect(Double(tally.told) > 0.9 * Double(tally.shown)) }
    }

    @Test("Where all hops limit", arguments: [ProbeMethod.udp(destinationPort: 33_434), .icmpEcho])
    func all(method: ProbeMethod) throws {
        let text = Self.chain([:], all: "limit 1/s burst 1", target: "limit 1/s burst 1")
        let tally = try Self.tally(text, limited: Set(1...10), method: method, seeds: 1...5)
        #expect(tally.told == tally.shown && tally.shown >= 45 && tally.losses == 0)
    }

    /// What a host meets that traces again and again through routers of the kernel.
    @Test("Three routers that have one error each are enough")
    func allOfAFew() throws {
        let text = Trace.chain(Array(repeating: "limit 1/s burst 1", count: 3), target: "limit 1/s burst 1")
        let findings = try Trace.of(text).findings
        #expect(findings.limited == [1, 2, 3])
        for case .limited(let losses) in findings.map(\.kind) {
            #expect(losses.laterHops == 0 || losses.later.answered * 3 > losses.later.asked, "\(losses)")
        }
        // With two of three answered the path may have been bad for a moment.
        let bad = Trace.chain(Array(repeating: "limit 1/s burst 2", count: 3), target: "limit 1/s burst 2")
        #expect(try Trace.of(bad).findings.limited == [])
    }

    @Test("Where a trace before has taken what all hops had to give")
    func emptied() {
        let times = [Timestamp(nanoseconds: 0), Timestamp(nanoseconds: 100_000), Timestamp(nanoseconds: 1_050_000_000)]
        func row(_ hop: Int, _ kind: PathAnswer.Kind, answered: [Bool]) -> PathHop {
            let answer = Made.answer(hop, kind: kind)
            let queries = zip(times, answered).map { time, isAnswered in
                PathQuery(probe: answer.probe, sentAt: time, outcome: isAnswered ? .answered(answer) : .lost)
            }
            return PathHop(number: hop, answers: answered.map { $0 ? answer : nil }, queries: queries)
        }
        let routers = (1...12).map { row($0, .timeExceeded, answered: [false, false, true]) }
        let found = Made.found(routers + [row(13, .reached, answered: [true, false, false])])
        #expect(found.limited == Array(1...12) && found.loss == nil)
        // Where the target begins with them it may have been an outage: nothing is told.
        let silent = Made.found(routers + [row(13, .reached, answered: [false, false, true])])
        #expect(silent.limited.isEmpty && silent.loss == nil)
        // Within a burst it would be no limiter that answers the last probe alone.
        let scattered = Made.found((1...12).map { row($0, .timeExceeded, answered: [false, true, false]) })
        #expect(scattered.limited.isEmpty)
    }

    /// Its row is full, and told, as soon as enough answers are there: those that lack show only as overtaken.
    @Test("A target that answered four of ten does not show that all probes come through")
    func overtaken() {
        func row(_ hop: Int, _ kind: PathAnswer.Kind, _ answered: String, else outcome: PathQuery.Outcome) -> PathHop {
            let answer = Made.answer(hop, kind: kind)
            let queries = answered.enumerated().map { index, mark in
                PathQuery(
                    probe: answer.probe, sentAt: Timestamp(nanoseconds: Int64(index) * 1_000),
                    outcome: mark == "+" ? .answered(answer) : outcome)
            }
            return PathHop(number: hop, answers: answered.map { $0 == "+" ? answer : nil }, queries: queries)
        }
        let routers = [
            row(1, .timeExceeded, "++++++++++", else: .lost), row(2, .timeExceeded, "++++++++++", else: .lost),
            row(3, .timeExceeded, "+---------", else: .lost), row(4, .timeExceeded, "-+---+-+-+", else: .lost),
        ]
        #expect(Made.found(routers + [row(5, .reached, "--+-+--+-+", else: .underWay)]).limited.isEmpty)
        #expect(Made.found(routers + [row(5, .reached, "++++++----", else: .underWay)]).limited == [3])
    }

    @Test("The evidence is counted")
    func evidence() throws {
        let trace = try Trace.of(Self.chain([8: "limit 1/s burst 1"]))
        let findings = trace.findings
        #expect(findings.map(\.hops) == [8...8])
        guard case .limited(let losses) = try #require(findings.first).kind else {
            Issue.record("\(findings)")
            return
        }
        let own = PathFinding.Losses.Count(hop: 8, answered: 1, asked: 3)
        #expect(losses.hops == [own])
        #expect(losses.later.answered == losses.later.asked && losses.laterHops >= 2)
    }

    @Test("Limiting neighbours are one finding, up to a hop that does not limit or is silent")
    func stretches() throws {
        let limit = "limit 1/s burst 1"
        let places = [2: limit, 3: limit, 4: limit, 7: limit, 8: "silent", 9: limit]
        let findings = try Trace.of(Self.chain(places)) { $0.queries = 5 }.findings.filter { !$0.losses.isEmpty }
        #expect(findings.map(\.hops) == [2...4, 7...7, 9...9])
        #expect(findings.map { $0.losses.map(\.hop) } == [[2, 3, 4], [7], [9]])
        for case .limited(let losses) in findings.map(\.kind) {
            #expect(losses.hops.allSatisfy { $0.answered == 1 && $0.asked == 5 })
            #expect(losses.laterHops > 0 && losses.later.answered == losses.later.asked)
        }
    }

    @Test("Probabilities")
    func probabilities() {
        func isNear(_ one: Double, _ other: Double) -> Bool { abs(one - other) < 1e-12 }
        #expect(isNear(Probability.atMost(0, of: 3, 0.5), 0.125) && isNear(Probability.atMost(1, of: 3, 0.5), 0.5))
        #expect(Probability.atMost(3, of: 3, 0.5) == 1 && Probability.atMost(0, of: 0, 0.5) == 1)
        #expect(isNear(Probability.atLeast(2, of: 3, 0.5), 0.5) && Probability.atLeast(0, of: 3, 0.5) == 1)
        #expect(isNear(Probability.atLeast(2, of: [0.5, 0.5]), 0.25) && isNear(Probability.atLeast(0, of: []), 1))
        #expect(Probability.atLeast(1, of: []) == 0)
        #expect(abs(Probability.ofBuckets(hops: 3, asked: 3) - 0.00325) < 0.00001)
        #expect(Probability.ofBuckets(hops: 3, asked: 2) == 0)
        #expect(Probability.atMost(9, of: 100_000, 0.5) == 0)
    }
}
