import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// What `PathTrace` sends when and in which order, and where it ends.
@Suite struct PathScheduleTests {
    /// The hop limits that were sent, in their order.
    private final class Log {
        var hops: [Int] = []
    }

    private func logged(_ trace: inout Trace) throws -> [(hop: Int, at: Timestamp)] {
        let log = Log()
        trace.driver.refusal = { transmit, _ in
            log.hops.append(Int(transmit.probe.hopLimit))
            return nil
        }
        try trace.run()
        return Array(zip(log.hops, trace.driver.times)).map { (hop: $0, at: $1) }
    }

    // MARK: Order and time of sending

    @Test("A path of thirty hops takes one round trip", arguments: [[], [4, 5, 11, 18, 27]])
    func oneRoundTrip(silent: [Int]) throws {
        let lines = (1...29).map { hop in
            "router r\(hop) 10.0.1.\(hop) delay 5ms" + (silent.contains(hop) ? " silent" : "")
        }
        let path = "path source " + (1...29).map { "r\($0)" }.joined(separator: " ")
        var trace = try Trace((lines + [path, "target 10.0.9.9 via r29 delay 5ms"]).joined(separator: "\n")) {
            $0.nearFactor = 1.2
        }
        let sent = try logged(&trace)
        #expect(trace.rows.count == 30 && trace.isReached && trace.ending == .reached)
        for row in trace.rows { #expect(row.answers.allSatisfy { ($0 == nil) == silent.contains(row.number) }) }
        #expect(sent.count == 90)
        #expect(sent.allSatisfy { $0.at <= .ms(10) }, "nothing waits for more than somebody's first answer")
        // 300 ms there and back; silence is known before the end is.
        #expect(trace.duration <= 310 + (silent.isEmpty ? 0 : 1.2 * 280 - 300 + 35))
    }

    @Test("Hops are asked in ascending order, mixed up within groups of four by the seed")
    func order() throws {
        var orders: Set<[Int]> = []
        for seed in 0..<20 as Range<UInt64> {
            var trace = try Trace(Trace.chain(["", ""], target: "silent")) { $0.seed = seed }
            let sent = try logged(&trace)
            let order = sent.prefix(30).map(\.hop)
            #expect(order.sorted() == Array(1...30))
            for (index, hop) in order.enumerated() { #expect(index / 4 == (hop - 1) / 4) }
            // Where silence asks for the rest, nobody gets two of its three in a row.
            let rest = sent.filter { $0.at == .ms(5) }
            #expect(rest.count > 50 && zip(rest, rest.dropFirst()).allSatisfy { $0.hop != $1.hop })
            orders.insert(order)
        }
        #expect(orders.count == 20)
        var trace = try Trace(Trace.chain(["", ""], target: "silent")) { $0.maximumInFlight = 1 }
        #expect(try logged(&trace).prefix(3).map(\.hop) == [1, 1, 1], "one at a time: hop by hop")
    }

    @Test("A short path is known before more is sent than its end needs")
    func shortPath() throws {
        let lines = ["router r1 10.0.1.1 delay 100us", "path source r1", "target 10.0.9.9 via r1 delay 100us"]
        var trace = try Trace(lines.joined(separator: "\n"))
        let sent = try logged(&trace)
        #expect(trace.picture == ["1 1 1", "9! 9! 9!"])
        #expect(sent.count == 32 && trace.duration < 1)
    }

    @Test("Nobody is asked more often than was said, however silent it is", arguments: [1, 3, 10], [1, 16, 2_550])
    func deadTail(queries: Int, window: Int) throws {
        var trace = try Trace(Trace.chain(["", "silent", "", "loss 50%"], target: "silent")) {
            $0.queries = queries
            $0.maximumInFlight = window
            $0.maximumHop = 12
        }
        let sent = try logged(&trace)
        for hop in 1...12 {
            // The first silent ones once more, at the end, unless that would keep rows waiting.
            let more = window == 1 || !(5...8).contains(hop) ? 0 : 1
            #expect((queries...(queries + more)).contains(sent.count { $0.hop == hop }), "\(hop)")
        }
        #expect(trace.ending == .maximumHop && trace.rows.count == 12)
        let waits = Double((9 * queries + window - 1) / window + 1)
        #expect(trace.duration < 1_100 * waits + 1_000)
    }

    @Test("The longest path with the most queries", arguments: ["", "silent"])
    func most(target: String) throws {
        var trace = try Trace(Trace.chain(["", "", ""], target: target)) {
            $0.queries = 10
            $0.maximumHop = 255
        }
        try trace.run()
        #expect(trace.rows.count == (target.isEmpty ? 4 : 255))
        #expect(trace.statistics.transmitted <= 2_554 && trace.duration < 1_200)
    }

    // MARK: Waits

    @Test("A silent end is waited for as the option says", arguments: [nil, .ms(1_000), .ms(200)] as [TimeSpan?])
    func tail(wait: TimeSpan?) throws {
        for (delay, first, expected) in [("1ms", 2.0, wait), ("40ms", 80, wait.map { max($0, .ms(1_600)) })] {
            let lines = [
                "router r1 10.0.1.1 delay \(delay)", "router r2 10.0.1.2 delay \(delay)", "path source r1 r2",
                "target 10.0.9.9 via r2 silent",
            ]
            var trace = try Trace(lines.joined(separator: "\n")) {
                $0.tailWait = wait
                $0.maximumHop = 5
            }
            try trace.run()
            // The last queries go when somebody has answered.
            let end = first + (expected ?? .seconds(5)).milliseconds
            // Then a few hops are asked once more: 1,050 ms after the last query, and waited for by NEAR.
            let again = max(0, first + 1_050 - end) + max(50, min(20 * first, 2 * first + 500))
            #expect(
                trace.duration >= end && trace.duration <= end + again + 5, "\(delay) \(String(describing: wait))")
        }
    }

    @Test("A long way is waited for half a second longer, not ten times as long", arguments: [true, false])
    func longWay(isDefault: Bool) throws {
        let lines = [
            "router r1 10.0.1.1 delay 20ms silent", "router r2 10.0.1.2 delay 100ms", "path source r1 r2",
            "target 10.0.9.9 via r2 delay 1ms",
        ]
        var trace = try Trace(lines.joined(separator: "\n")) { if !isDefault { $0.maximumDelay = nil } }
        try trace.run()
        #expect(trace.picture == ["* * *", "2 2 2", "9! 9! 9!"])
        let wait = isDefault ? 240.0 + 740 : 240 + 2_400
        #expect(trace.duration >= wait && trace.duration <= wait + 10)
    }

    @Test("Where nobody has answered at all, the last query goes a second later and the longest wait is waited")
    func nobody() throws {
        for (wait, last) in [(5_000, 1_050), (500, 5)] as [(Int64, Int64)] {
            var trace = try Trace(Trace.chain(["silent"], target: "silent")) {
                $0.maximumHop = 4
                $0.maximumWait = .ms(wait)
            }
            let sent = try logged(&trace)
            #expect(
                sent.map(\.at) == Array(repeating: .ms(0), count: 4)
                    + Array(repeating: .ms(5), count: last == 5 ? 8 : 4)
                    + Array(repeating: .ms(last), count: last == 5 ? 0 : 4))
            #expect(trace.duration == Double(wait + last))
        }
    }

    @Test("Routers whose limiters are exhausted are named a second later")
    func exhausted() throws {
        let limited = "limit 1/s burst 1"
        var trace = try Trace(Trace.chain([limited, limited, limited], target: limited))
        // What came before used up what they may say.
        var former = try Trace(Trace.chain([limited, limited, limited], target: limited))
        try former.run()
        #expect(former.picture == ["1 * *", "2 * *", "3 * *", "9! * *"])
        trace.driver = former.driver
        let start = trace.driver.now
        try trace.run()
        #expect(trace.picture.map { $0.filter { $0 != "*" && $0 != " " } } == ["1", "2", "3", "9!"])
        #expect(trace.driver.now - start < .ms(1_200))
    }

    @Test("What an answer makes overdue does not count as a late wake-up")
    func overdue() throws {
        // The second hop is silent, and the answer of the third comes only after ten of its own round trips.
        var trace = try Trace(Trace.chain(["", "silent", ""])) { $0.nearFactor = 0.5 }
        try trace.run()
        #expect(trace.picture == ["1 1 1", "* * *", "3 3 3", "9! 9! 9!"])
        #expect(trace.duration <= 5 + 8)
    }

    // MARK: The end

    @Test("As many silent hops as allowed end the path", arguments: [1, 2, 3], [1, 255])
    func gap(limit: Int, window: Int) throws {
        var trace = try Trace(Trace.chain(["", "silent", "", ""], target: "silent")) {
            $0.gapLimit = limit
            $0.maximumInFlight = window
        }
        try trace.run()
        trace.expectOrder()
        #expect(trace.ending == .gap && trace.lastHop == nil && !trace.isReached)
        #expect(trace.rows.count == 4 + limit)
        #expect(trace.picture.prefix(4) == ["1 1 1", "* * *", "3 3 3", "4 4 4"])
    }

    @Test("Silence within the path is no gap that ends it")
    func gapWithin() throws {
        var trace = try Trace(Trace.chain(["", "silent", "silent", "silent", ""])) { $0.gapLimit = 2 }
        try trace.run()
        #expect(trace.ending == .reached && trace.lastHop == 6)
    }

    @Test("Packets that go round in circles end the path after two rounds", arguments: [1, 255], [true, false])
    func loop(window: Int, stops: Bool) throws {
        var trace = try Trace(Trace.chain(["", "", "loop", ""])) {
            $0.maximumInFlight = window
            $0.stopsAtLoops = stops
            $0.maximumHop = 20
        }
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture.prefix(5) == ["1 1 1", "2 2 2", "3 3 3", "2 2 2", "3 3 3"])
        #expect(trace.ending == (stops ? .loop : .maximumHop) && !trace.isReached && trace.lastHop == nil)
        #expect(trace.rows.count == (stops ? 5 : 20))
        if window == 1, stops { #expect(trace.statistics.transmitted <= 16) }
    }

    @Test("A silent router in a loop hides nothing")
    func loopWithSilence() throws {
        var trace = try Trace(Trace.chain(["", "silent", "loop", ""])) { $0.maximumHop = 20 }
        try trace.run()
        #expect(trace.picture == ["1 1 1", "* * *", "3 3 3", "* * *", "3 3 3", "* * *", "3 3 3"])
        #expect(trace.ending == .loop)
    }

    // MARK: Hand-made answers

    private static let target = Ours.address("192.0.2.7")

    private struct Hand {
        var trace: PathTrace
        var sent: [Transmit] = []
        var time: Int64 = 0

        init(_ hops: Int, queries: Int = 1, _ configure: (inout PathTrace.Configuration) -> Void = { _ in }) {
            var configuration = PathTrace.Configuration(destination: PathScheduleTests.target)
            configuration.maximumHop = hops
            configuration.queries = queries
            configuration.wantsKernelStamps = false
            configure(&configuration)
            trace = PathTrace(configuration)
            send()
        }

        mutating func send() {
            while let transmit = trace.nextTransmit(at: .ms(time)) {
                trace.didSend(transmit.id, at: Stamp(nanoseconds: time * 1_000_000, clock: .user))
                sent.append(transmit)
            }
        }

        mutating func pass(_ milliseconds: Int64) {
            time += milliseconds
            trace.advance(to: .ms(time))
            send()
        }

        /// Lets the time pass that the trace waits for, to its end.
        mutating func finish() {
            while case .at(let next) = trace.schedule, time < 100_000 {
                pass(max(1, (next.nanoseconds + 999_999) / 1_000_000 - time))
            }
        }

        /// An answer to each probe of this hop limit that has none yet.
        ///
        /// - Parameter left: the hop limit that is quoted.
        mutating func answer(
            _ hop: Int, from responder: String, _ type: ICMPType = .timeExceeded(.v4), _ code: UInt8 = 0,
            left: UInt8? = nil, query: Int? = nil
        ) throws {
            for (index, transmit) in sent.filter({ Int($0.probe.hopLimit) == hop }).enumerated()
            where query ?? index == index {
                var detail: ResponseDetail?
                if let left {
                    var packet = Ours.packet(transmit, ProbeCodec(identity: Ours.identity))
                    packet[8] = left
                    detail = ResponseDetail(quoted: try QuotedPacket(parsing: packet.bytes, version: .v4))
                }
                trace.receive(
                    Response(
                        probe: transmit.id, kind: .icmpError(type: type, code: code, info: 0),
                        responder: Ours.address(responder), quotedDestination: PathScheduleTests.target,
                        stamp: Stamp(nanoseconds: time * 1_000_000, clock: .user), arrival: .ms(time), detail: detail))
            }
        }

        mutating func reach(_ hop: Int, left: UInt8? = nil) throws {
            try answer(hop, from: "192.0.2.7", .destinationUnreachable(.v4), 3, left: left)
        }

        /// Number and responder of each row.
        mutating func rows() -> [String] {
            var rows: [String] = []
            while let event = trace.nextEvent() {
                guard case .hop(let row) = event else { continue }
                rows.append(
                    "\(row.number) "
                        + row.answers.map {
                            $0?.responder.description.split(separator: ".").last.map(String.init) ?? "*"
                        }
                        .joined(separator: " "))
            }
            return rows
        }
    }

    @Test("A target that answers only probes with hops to spare is where it says, if nothing speaks against it")
    func claimedDistance() throws {
        var hand = Hand(9)
        hand.pass(1)
        try hand.answer(1, from: "192.0.2.1")
        // Three hops away; its answers to the probes of hop limits 3 to 5 were too many for its limiter.
        for hop in 6...9 { try hand.reach(hop, left: UInt8(hop - 2)) }
        #expect(hand.trace.schedule != .finished, "a router may still answer at one of these hops")
        hand.finish()
        #expect(hand.rows() == ["1 1", "2 *", "3 7"])
        #expect(hand.trace.lastHop == 3 && hand.trace.ending == .reached)
    }

    @Test("Who answered once, behind silent hops, is looked for nearer, a second later", arguments: [true, false])
    func lookedForNearer(isRefused: Bool) throws {
        var hand = Hand(20, queries: 3)
        hand.pass(1)
        for hop in 1...2 { try hand.answer(hop, from: "192.0.2.\(hop + 100)") }
        hand.send()
        for hop in 1...2 { try hand.answer(hop, from: "192.0.2.\(hop + 100)") }
        let (responder, code) = isRefused ? ("192.0.2.102", 13) : ("192.0.2.7", 3 as UInt8)
        try hand.answer(13, from: responder, .destinationUnreachable(.v4), code, query: 0)
        #expect(hand.trace.lastHop == 13)
        while hand.time < 1_040 { hand.pass(1) }
        #expect(hand.rows() == ["1 101 101 101", "2 102 102 102"])
        let before = hand.sent.count
        while hand.time < 1_080 { hand.pass(1) }
        #expect(hand.sent[before...].map(\.probe.hopLimit) == [3, 4, 5, 6])
        try hand.answer(3, from: responder, .destinationUnreachable(.v4), code, query: 3)
        hand.finish()
        #expect(hand.rows() == ["3 \(isRefused ? "102 102" : "7 7") *"])
        #expect(hand.trace.lastHop == 3 && hand.trace.ending == (isRefused ? .unreachable : .reached))
    }

    @Test("What the target quotes is not believed where it can't be true")
    func falseDistance() throws {
        // A router answers where the target says that it is itself, before or after.
        for isFirst in [true, false] {
            var hand = Hand(9)
            hand.pass(1)
            if isFirst { for hop in 1...5 { try hand.answer(hop, from: "192.0.2.\(hop + 100)") } }
            for hop in 6...9 { try hand.reach(hop, left: UInt8(hop - 2)) }
            if !isFirst { for hop in 1...5 { try hand.answer(hop, from: "192.0.2.\(hop + 100)") } }
            hand.finish()
            #expect(hand.rows() == ["1 101", "2 102", "3 103", "4 104", "5 105", "6 7"], "\(isFirst)")
        }
        // A router set all hop limits to 40, or the target quotes what was never sent: answers differ, or exceed.
        for left in [40, 255, 2, 0] as [UInt8] {
            var hand = Hand(9)
            hand.pass(1)
            for hop in 6...9 { try hand.reach(hop, left: left) }
            hand.finish()
            #expect(hand.rows() == ["1 *", "2 *", "3 *", "4 *", "5 *", "6 7"], "\(left)")
        }
        // Farther away than where it answered.
        var hand = Hand(9)
        hand.pass(1)
        try hand.reach(4, left: 1)
        try hand.reach(8, left: 2)
        hand.finish()
        #expect(hand.rows() == ["1 *", "2 *", "3 *", "4 7"])
    }

    @Test("An error from a hop that others answer behind does not end the path", arguments: [true, false])
    func contradictedError(isFirst: Bool) throws {
        var hand = Hand(5, queries: 3) { $0.maximumWait = .seconds(1) }
        hand.pass(6)
        if !isFirst { for hop in 3...4 { try hand.answer(hop, from: "192.0.2.\(hop + 100)") } }
        try hand.answer(1, from: "192.0.2.101")
        try hand.answer(2, from: "192.0.2.102", .destinationUnreachable(.v4), 13, query: 0)
        #expect(hand.trace.lastHop == (isFirst ? 2 : nil))
        for query in 1...2 { try hand.answer(2, from: "192.0.2.102", query: query) }
        if isFirst { for hop in 3...4 { try hand.answer(hop, from: "192.0.2.\(hop + 100)") } }
        hand.send()
        try hand.reach(5)
        hand.finish()
        #expect(
            hand.rows() == ["1 101 101 101", "2 102 102 102", "3 103 103 103", "4 104 104 104", "5 7 7 7"])
        #expect(hand.trace.ending == .reached && hand.trace.lastHop == 5)
    }

    @Test("A single error of a router that is silent otherwise ends the path, once nothing is under way behind it")
    func singleError() throws {
        var hand = Hand(5, queries: 3)
        hand.pass(1)
        try hand.answer(1, from: "192.0.2.101")
        try hand.answer(2, from: "192.0.2.102", .destinationUnreachable(.v4), 13, query: 0)
        hand.finish()
        #expect(hand.rows() == ["1 101 * *", "2 102 * *"])
        #expect(hand.trace.ending == .unreachable && hand.trace.lastHop == 2)
    }

    @Test("The same router at three hops in a row is a loop, unless somebody answers behind it")
    func sameRouter() throws {
        var hand = Hand(9)
        hand.pass(1)
        for hop in 1...6 { try hand.answer(hop, from: hop < 3 ? "192.0.2.\(hop + 100)" : "192.0.2.111") }
        hand.finish()
        #expect(hand.rows() == ["1 101", "2 102", "3 111", "4 111", "5 111"])
        #expect(hand.trace.ending == .loop)

        hand = Hand(9)
        hand.pass(1)
        for hop in 1...6 { try hand.answer(hop, from: hop < 3 ? "192.0.2.\(hop + 100)" : "192.0.2.111") }
        try hand.answer(7, from: "192.0.2.112")
        hand.finish()
        #expect(hand.rows().count == 9 && hand.trace.ending == .maximumHop)

        hand = Hand(9)
        hand.pass(1)
        for hop in 1...6 { try hand.answer(hop, from: hop < 3 ? "192.0.2.\(hop + 100)" : "192.0.2.111") }
        try hand.reach(8)
        hand.finish()
        #expect(hand.rows().count == 8 && hand.trace.ending == .reached)
    }

    @Test("The target where hop limits run out is no loop")
    func targetExceeds() throws {
        var hand = Hand(6)
        hand.pass(1)
        for hop in 1...5 { try hand.answer(hop, from: hop < 3 ? "192.0.2.\(hop + 100)" : "192.0.2.7") }
        try hand.reach(6)
        hand.finish()
        #expect(hand.rows().count == 6 && hand.trace.ending == .reached)
    }

    @Test("Who was silent while later hops answered is asked once more, a second later, where that is wanted")
    func askedAgain() throws {
        for isAsked in [false, true] {
            var hand = Hand(4, queries: 2) { $0.asksSilentHopsAgain = isAsked }
            hand.pass(1)
            try hand.answer(1, from: "192.0.2.101")
            try hand.reach(4)
            hand.send()
            for hop in [1, 4] { try hand.answer(hop, from: hop == 4 ? "192.0.2.7" : "192.0.2.101") }
            let before = hand.sent.count
            while hand.time < 900 { hand.pass(10) }
            #expect(hand.sent.count == before)
            while hand.time < 1_070 { hand.pass(10) }
            #expect(hand.sent[before...].map(\.probe.hopLimit) == (isAsked ? [2, 3] : []))
            var rows = hand.rows()
            if isAsked { try hand.answer(2, from: "192.0.2.102", query: 2) }
            hand.finish()
            let second = isAsked ? "2 * 102" : "2 * *"
            rows += hand.rows()
            #expect(rows == ["1 101 101", second, "3 * *", "4 7 7"])
            #expect(hand.trace.statistics.askedAgain == (isAsked ? 2 : 0) && hand.trace.ending == .reached)
        }
    }

    /// What each of five routers answered of two queries in front of an answering target, and who is asked again.
    @Test(
        "Silent hops are asked once more where the others have used up their errors, and cost nothing elsewhere",
        arguments: [
            ([0, 0, 0, 0, 0], [1, 2, 3, 4, 5]), ([0, 1, 0, 0, 0], [1, 3, 4, 5]), ([1, 0, 1, 2, 0], [2, 5]),
            ([1, 0, 2, 2, 0], []), ([0, 0, 0, 0, 2], []), ([1, 1, 1, 1, 1], []), ([2, 2, 0, 2, 2], []),
        ])
    func emptied(answers: [Int], again: [Int]) throws {
        var hand = Hand(6, queries: 2)
        hand.pass(1)
        try hand.reach(6)
        for hop in 1...5 where answers[hop - 1] > 0 { try hand.answer(hop, from: "192.0.2.\(hop + 100)", query: 0) }
        hand.send()
        try hand.answer(6, from: "192.0.2.7", query: 1)
        for hop in 1...5 where answers[hop - 1] > 1 { try hand.answer(hop, from: "192.0.2.\(hop + 100)", query: 1) }
        let before = hand.sent.count
        while hand.time < 900, hand.trace.ending == nil { hand.pass(1) }
        #expect(hand.sent.count == before)
        if again.isEmpty {
            #expect(hand.trace.ending == .reached && hand.time < 20)
            return
        }
        while hand.time < 1_060 { hand.pass(1) }
        #expect(hand.sent[before...].map(\.probe.hopLimit) == again.map { UInt8($0) })
        for hop in again { try hand.answer(hop, from: "192.0.2.\(hop + 100)", query: 2) }
        hand.finish()
        #expect(hand.trace.ending == .reached && hand.time < 1_070)
        #expect(hand.rows().allSatisfy { $0 != "\($0.prefix(1)) * *" })
    }

    @Test("Nobody who allows less than a second for any answer waits longer for a pause", arguments: [0, 3])
    func hurry(answering: Int) throws {
        var hand = Hand(5, queries: 2) { $0.maximumWait = .ms(200) }
        hand.pass(1)
        for hop in 1..<(1 + answering) { try hand.answer(hop, from: "192.0.2.\(hop + 100)", query: 0) }
        if answering == 0 { try hand.reach(5) }
        hand.finish()
        #expect(hand.trace.ending == (answering == 0 ? .reached : .maximumHop))
        #expect(hand.time <= 420 && hand.trace.statistics.askedAgain == 0)
    }

    // MARK: Many networks

    @Test("Whoever answered is named, and nobody else", arguments: 0..<1_000 as Range<UInt64>)
    func lossy(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let count = 2 + Int(generator.number(below: 8))
        let properties = (0..<count).map { _ in
            ["", "loss 10%", "loss 30%", "silent", "limit 1/s burst 1", "slow 2ms..6ms"][
                Int(generator.number(below: 6))]
        }
        let target = ["", "loss 30%", "limit 1/s burst 2"][Int(generator.number(below: 3))]
        var trace = try Trace(Trace.chain(properties, target: target), seed: seed) { $0.seed = seed }
        let sent = try logged(&trace)
        trace.expectOrder()
        var answered: Set<Int> = []
        let packets = trace.driver.network.truth.packets
        for (probe, packet) in zip(sent, packets)
        where packet.deliveries.contains(where: { $0.node == "r\(probe.hop)" }) {
            answered.insert(probe.hop)
        }
        let isReached = packets.contains { packet in packet.deliveries.contains { !$0.node.hasPrefix("r") } }
        #expect(trace.isReached == isReached)
        if isReached { #expect(trace.lastHop == count + 1 && trace.ending == .reached) }
        for row in trace.rows {
            let found = Set(row.answers.compactMap { $0?.responder.description })
            if row.number > count {
                #expect(found.isEmpty || found == ["10.0.9.9"])
            } else {
                #expect(found == (answered.contains(row.number) ? ["10.0.1.\(row.number)"] : []), "\(row.number)")
            }
            #expect(row.queries.allSatisfy { Int($0.probe.hopLimit) >= row.number })
            #expect(row.queries.count >= (row.number == trace.lastHop ? 1 : 3))
        }
    }
}
