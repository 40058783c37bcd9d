import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// A trace through a simulated network and what it told.
struct Trace {
    var driver: Driver
    var configuration: PathTrace.Configuration
    var rows: [PathHop] = []
    var unsent = 0
    var statistics = PathStatistics()
    var isReached = false
    var lastHop: Int?
    var ending: PathEnding?

    init(
        _ text: String, to destination: String = "10.0.9.9", seed: UInt64 = 1,
        _ configure: (inout PathTrace.Configuration) -> Void = { _ in }
    ) throws {
        driver = Driver(try Ours.scenario(text), seed: seed)
        configuration = PathTrace.Configuration(destination: Ours.address(destination))
        configure(&configuration)
    }

    mutating func run() throws {
        var trace = PathTrace(configuration)
        var rows: [PathHop] = []
        var unsent = 0
        try driver.run(&trace) { event, _ in
            switch event {
            case .hop(let row): rows.append(row)
            case .unsent: unsent += 1
            }
        }
        (self.rows, self.unsent) = (rows, unsent)
        statistics = trace.statistics
        isReached = trace.isReached
        lastHop = trace.lastHop
        ending = trace.ending
    }

    /// When it ended, in milliseconds.
    var duration: Double { Double(driver.now.nanoseconds) / 1e6 }

    /// The node that answered each query by the last number of its address, `*` for none.
    var picture: [String] {
        rows.map { row in
            row.answers.map { answer in answer.map { Self.mark($0) } ?? "*" }.joined(separator: " ")
        }
    }

    private static func mark(_ answer: PathAnswer) -> String {
        let text = answer.responder.description
        let number = text.split { $0 == "." || $0 == ":" }.last.map(String.init) ?? text
        switch answer.kind {
        case .timeExceeded: return number
        case .reached: return number + "!"
        case .error(_, let code, _): return number + "!<\(code)>"
        }
    }

    /// A chain of routers 10.0.1.1, 10.0.1.2 … with these properties, a millisecond apart, and a target behind them.
    static func chain(_ properties: [String], target: String = "") -> String {
        var lines: [String] = []
        for (index, property) in properties.enumerated() {
            lines.append("router r\(index + 1) 10.0.1.\(index + 1) fd00:1::\(index + 1) delay 1ms \(property)")
        }
        lines.append("path source " + properties.indices.map { "r\($0 + 1)" }.joined(separator: " "))
        lines.append("target 10.0.9.9 fd00:9::9 via r\(properties.count) delay 1ms \(target)")
        return lines.joined(separator: "\n")
    }

    func expectOrder(_ location: SourceLocation = #_sourceLocation) {
        let numbers = rows.map(\.number)
        #expect(
            numbers == Array(configuration.firstHop..<(configuration.firstHop + numbers.count)),
            sourceLocation: location)
        for row in rows {
            #expect(row.answers.count == configuration.queries, sourceLocation: location)
        }
    }
}

@Suite struct PathTraceScenarioTests {
    private static let ways: [(ProbeMethod, String, Driver.Rung)] = [
        (.udp(destinationPort: 33_434), "10.0.9.9", .raw), (.udp(destinationPort: 33_434), "fd00:9::9", .raw),
        (.udp(destinationPort: 33_434), "10.0.9.9", .udpSocket),
        (.udp(destinationPort: 33_434), "fd00:9::9", .udpSocket), (.icmpEcho, "10.0.9.9", .raw),
        (.icmpEcho, "fd00:9::9", .raw), (.icmpEcho, "10.0.9.9", .pingSocket), (.icmpEcho, "fd00:9::9", .pingSocket),
        (.tcpSYN(destinationPort: 80), "10.0.9.9", .raw), (.tcpSYN(destinationPort: 80), "fd00:9::9", .raw),
    ]

    @Test("Everybody answers: every method, version and rung finds the same path", arguments: ways)
    func all(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        var trace = try Trace(Trace.chain(["", "", "", ""]), to: target) { $0.method = method }
        trace.driver.rung = rung
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", "4 4 4", "9! 9! 9!"])
        #expect(trace.isReached && trace.lastHop == 5 && trace.unsent == 0)
        #expect(trace.statistics.duplicates == 0 && trace.statistics.unidentified == 0)
        #expect(trace.statistics.transmitted == 90)
        // One round trip to the target of ten milliseconds and what the further queries wait.
        #expect(trace.duration <= 15)
    }

    @Test("Round trips are those of the hops")
    func roundTrips() throws {
        var trace = try Trace(Trace.chain(["", "", ""]))
        try trace.run()
        for row in trace.rows {
            for answer in row.answers {
                let found = try #require(answer)
                #expect(found.roundTrip == .ms(Int64(2 * row.number)) && found.clock == .kernel)
                #expect(Int(found.probe.hopLimit) >= row.number)
            }
        }
    }

    @Test("Without the kernel's stamps, and with late ones", arguments: [Driver.SendStamps.never, .after(.ms(3))])
    func stamps(_ stamps: Driver.SendStamps) throws {
        var trace = try Trace(Trace.chain(["", "", ""]))
        trace.driver.sendStamps = stamps
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", "9! 9! 9!"])
        for answer in trace.rows.flatMap(\.answers) {
            #expect(try #require(answer).roundTrip >= .ms(2))
        }
        #expect(trace.duration < 30)
    }

    @Test("Silent hops cost round trips, not seconds", arguments: ["10.0.9.9", "fd00:9::9"])
    func silent(target: String) throws {
        var trace = try Trace(Trace.chain(["", "silent", "silent", "", "silent"]), to: target)
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture == ["1 1 1", "* * *", "* * *", "4 4 4", "* * *", "9! 9! 9!"])
        // NEAR is ten round trips of the next hop that answers, for each of two generations of queries.
        #expect(trace.duration < 2 * 12 * 10 + 20)
    }

    @Test("Hops that lose packets are asked for all of their queries", arguments: 0..<40 as Range<UInt64>)
    func lossy(seed: UInt64) throws {
        var trace = try Trace(Trace.chain(["", "loss 20%", "", "loss 10%", ""]), seed: seed)
        try trace.run()
        trace.expectOrder()
        let truth = trace.driver.network.truth
        #expect(trace.statistics.transmitted == UInt64(truth.packets.count))
        for row in trace.rows where row.number != trace.lastHop {
            for case let answer? in row.answers { #expect(answer.responder == Ours.address("10.0.1.\(row.number)")) }
        }
        #expect(trace.statistics.received <= trace.statistics.transmitted)
        #expect(trace.duration < 11_000)
    }

    @Test("A silent target costs a second, and every row is told")
    func silentTarget() throws {
        var trace = try Trace(Trace.chain(["", ""], target: "silent")) { $0.maximumHop = 12 }
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture == ["1 1 1", "2 2 2"] + Array(repeating: "* * *", count: 10))
        #expect(!trace.isReached && trace.lastHop == nil)
        #expect(trace.statistics.transmitted == 36 + 4 && trace.statistics.askedAgain == 4)
        #expect(trace.duration >= 1_000 && trace.duration <= 1_110)
    }

    @Test(
        "A router that says it goes no further ends the path",
        arguments: [("net", 0), ("host", 1), ("admin", 13), ("protocol", 2)])
    func unreachable(word: String, code: Int) throws {
        var trace = try Trace(Trace.chain(["", "", "unreachable \(word)", ""]))
        try trace.run()
        trace.expectOrder()
        let last = "3!<\(code)> 3!<\(code)> 3!<\(code)>"
        #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", last])
        #expect(!trace.isReached && trace.lastHop == 4)
    }

    @Test("A target that limits its errors is still seen three times if it may answer three times")
    func limitedTarget() throws {
        var trace = try Trace(Trace.chain(["", "", ""], target: "limit 1/s burst 6"))
        try trace.run()
        #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", "9! 9! 9!"])
    }

    @Test("Routers and a target that answer once a second leave holes, and the trace ends")
    func limitedRouters() throws {
        var trace = try Trace(Trace.chain(["limit 1/s burst 1", "limit 1/s burst 1"], target: "limit 1/s burst 1"))
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture.prefix(2) == ["1 * *", "2 * *"])
        #expect(trace.isReached && trace.lastHop == 3)
        #expect(trace.duration < 1_000)
    }

    @Test("A constant flow sees one branch, a port that counts sees more")
    func balanced() throws {
        let text = """
            router r1 10.0.1.1 delay 1ms
            router a 10.0.2.1 delay 1ms
            router b 10.0.2.2 delay 1ms
            router c 10.0.2.3 delay 1ms
            router r3 10.0.1.3 delay 1ms
            path source r1
            balance r1 a b c by ports
            path a r3
            path b r3
            path c r3
            target 10.0.9.9 via r3 delay 1ms
            """
        var branches: Set<String> = []
        for (changesPort, seed) in [(false, 1), (false, 2), (true, 1), (true, 2)] as [(Bool, UInt64)] {
            var trace = try Trace(text, seed: seed) {
                $0.changesPort = changesPort
                $0.queries = 8
            }
            try trace.run()
            trace.expectOrder()
            #expect(trace.rows.count == 4)
            let seen = Set(trace.rows[1].answers.compactMap { $0?.responder.description })
            if changesPort { branches.formUnion(seen) } else { #expect(seen.count == 1) }
        }
        #expect(branches.count == 3)
    }

    @Test("Balancing by packet over ways of different length ends all the same", arguments: 0..<40 as Range<UInt64>)
    func perPacket(seed: UInt64) throws {
        let text = """
            router r1 10.0.1.1 delay 1ms
            router a 10.0.2.1 delay 1ms
            router b 10.0.2.2 delay 2ms
            router c 10.0.2.3 delay 2ms
            router r3 10.0.1.3 delay 1ms
            path source r1
            balance r1 a b by packet
            path a r3
            path b c r3
            target 10.0.9.9 via r3 delay 1ms
            """
        var trace = try Trace(text, seed: seed)
        try trace.run()
        trace.expectOrder()
        #expect(trace.isReached && (trace.rows.count == 4 || trace.rows.count == 5))
        #expect(trace.picture.first == "1 1 1")
    }

    @Test("Labels come with the answers", arguments: ["", "legacy-extensions"], [Driver.Rung.raw, .udpSocket])
    func labels(form: String, rung: Driver.Rung) throws {
        for target in ["10.0.9.9", "fd00:9::9"] {
            var trace = try Trace(Trace.chain(["", "mpls 16004/24001 \(form)", ""]), to: target)
            trace.driver.rung = rung
            try trace.run()
            #expect(trace.picture.prefix(3) == ["1 1 1", "2 2 2", "3 3 3"])
            for row in trace.rows {
                for answer in row.answers {
                    #expect((try #require(answer).detail?.extensions != nil) == (row.number == 2))
                }
            }
        }
    }

    @Test("A path that ends before the first hop asked for is found at that hop", arguments: [3, 4, 7, 30])
    func shortPath(firstHop: Int) throws {
        var trace = try Trace(Trace.chain(["", ""])) { $0.firstHop = firstHop }
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture == ["9! 9! 9!"] && trace.isReached && trace.lastHop == firstHop)
    }

    @Test("One query, and the most hops", arguments: [(1, 5), (1, 255), (10, 255), (3, 4)])
    func extremes(queries: Int, maximumHop: Int) throws {
        var trace = try Trace(Trace.chain(["", "", "", ""])) {
            $0.queries = queries
            $0.maximumHop = maximumHop
        }
        try trace.run()
        trace.expectOrder()
        #expect(trace.rows.count == min(5, maximumHop) && trace.isReached == (maximumHop > 4))
        for row in trace.rows { #expect(row.answers.allSatisfy { $0 != nil }) }
    }

    @Test(
        "Nothing to ask is finished at once",
        arguments: [(5, 4, 3), (1, 30, 0), (1, 0, 3), (300, 400, 3), (1, -1, 3), (1, 30, -1)])
    func nothing(firstHop: Int, maximumHop: Int, queries: Int) throws {
        var trace = try Trace(Trace.chain([""])) {
            $0.firstHop = firstHop
            $0.maximumHop = maximumHop
            $0.queries = queries
        }
        try trace.run()
        #expect(trace.rows.isEmpty && trace.statistics.transmitted == 0)
    }

    @Test("A first hop below one is the first", arguments: [0, -5, .min])
    func noFirstHop(firstHop: Int) throws {
        var trace = try Trace(Trace.chain([""])) { $0.firstHop = firstHop }
        try trace.run()
        #expect(trace.rows.map(\.number) == [1, 2] && trace.picture == ["1 1 1", "9! 9! 9!"])
    }

    @Test("A destination probe that is refused does not leave the trace waiting for ever")
    func refusedSpare() {
        for failure in [SendFailure.failed(code: 1, name: "EPERM"), .retryLater] {
            var trace = PathTrace(PathTrace.Configuration(destination: Ours.address("192.0.2.7")))
            var taken: [Transmit] = []
            while taken.count < 7, let transmit = trace.nextTransmit(at: .ms(0)) { taken.append(transmit) }
            for transmit in taken.dropLast() {
                trace.didSend(transmit.id, at: Stamp(nanoseconds: 0, clock: .kernel))
            }
            // Hop 5 is the destination; its answer comes before the kernel has said what became of hop 7.
            for transmit in taken.prefix(6) where transmit.probe.hopLimit != 6 {
                trace.receive(
                    Response(
                        probe: transmit.id,
                        kind: transmit.probe.hopLimit < 5
                            ? .icmpError(type: .timeExceeded(.v4), code: 0, info: 0)
                            : .icmpError(type: .destinationUnreachable(.v4), code: 3, info: 0),
                        responder: Ours.address(transmit.probe.hopLimit < 5 ? "192.0.2.1" : "192.0.2.7"),
                        quotedDestination: Ours.address("192.0.2.7"), stamp: Stamp(nanoseconds: 1, clock: .kernel),
                        arrival: .ms(1)))
            }
            trace.advance(to: .ms(1_000))
            trace.didNotSend(taken[6].id, failure, at: .ms(1_000))
            #expect(trace.schedule != .waitingForInput)
            var time: Int64 = 1_000
            while case .at(let next) = trace.schedule, time < 100_000 {
                time = max(time, next.nanoseconds / 1_000_000) + 1
                trace.advance(to: .ms(time))
                while let transmit = trace.nextTransmit(at: .ms(time)) {
                    trace.didSend(transmit.id, at: Stamp(nanoseconds: 0, clock: .kernel))
                }
            }
            #expect(trace.schedule == .finished)
        }
    }

    @Test("One probe under way at a time finds the same, in as many round trips", arguments: [1, 2, 7])
    func window(count: Int) throws {
        var trace = try Trace(Trace.chain(["", "", ""])) { $0.maximumInFlight = count }
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", "9! 9! 9!"])
        if count == 1 { #expect(trace.statistics.transmitted == 12) }
        var underWay = 0
        var most = 0
        let events = trace.driver.network.truth.packets.flatMap { packet in
            [(packet.time, 1)] + packet.deliveries.prefix(1).map { ($0.time, -1) }
        }
        for (_, change) in events.sorted(by: { ($0.0, $0.1) < ($1.0, $1.1) }) {
            underWay += change
            most = max(most, underWay)
        }
        #expect(most <= count)
    }

    @Test("A pause between probes is kept")
    func pause() throws {
        var trace = try Trace(Trace.chain(["", ""])) {
            $0.pause = .ms(50)
            $0.maximumHop = 6
        }
        try trace.run()
        trace.expectOrder()
        let times = trace.driver.network.truth.packets.map(\.time)
        for (earlier, later) in zip(times, times.dropFirst()) { #expect(later - earlier >= 50_000_000) }
        #expect(trace.picture == ["1 1 1", "2 2 2", "9! 9! 9!"])
    }

    @Test("Duplicates are counted and change no row")
    func duplicates() throws {
        var trace = try Trace(Trace.chain(["", "hostile duplicate 2", ""], target: "duplicate 100%"))
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", "9! 9! 9!"])
        #expect(trace.statistics.duplicates >= 2)
        #expect(trace.statistics.received <= trace.statistics.transmitted)
    }

    @Test("An answer that comes after its row was told is late")
    func late() throws {
        var trace = try Trace(Trace.chain(["", "slow 900ms", ""], target: "silent"))
        try trace.run()
        trace.expectOrder()
        #expect(trace.statistics.late == 3 && trace.picture[1] == "* * *")
        #expect(trace.statistics.received == 6 && trace.statistics.duplicates == 0)
    }

    @Test("Quotes of 28 octets: every hop is found on every rung", arguments: ways)
    func shortQuotes(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        let router = "quote 28"
        var trace = try Trace(Trace.chain([router, "", router, "silent", router], target: router), to: target) {
            $0.method = method
        }
        trace.driver.rung = rung
        try trace.run()
        trace.expectOrder()
        #expect(trace.picture.count == 6)
        for row in trace.rows where row.number != 4 {
            #expect(row.answers.allSatisfy { $0 != nil }, "hop \(row.number)")
            let expected = row.number == 6 ? Ours.address(target) : nil
            if let expected { #expect(row.answers.allSatisfy { $0?.responder == expected }) }
        }
        let responders = trace.rows.prefix(5).map { $0.answers.compactMap { $0?.responder.description.last } }
        #expect(responders == [["1", "1", "1"], ["2", "2", "2"], ["3", "3", "3"], [], ["5", "5", "5"]])
        #expect(trace.isReached && trace.lastHop == 6)
        // A hop that is silent is asked once more, alone; the rest takes a few round trips each.
        #expect(trace.duration < 4_000)
    }

    @Test("What is refused is told, and the trace goes on", arguments: [1, 3, 5])
    func refused(every: UInt64) throws {
        var trace = try Trace(Trace.chain(["", "", ""]))
        trace.driver.refusal = { transmit, _ in
            transmit.id.rawValue % every == 0 ? .failed(code: 1, name: "EPERM") : nil
        }
        try trace.run()
        trace.expectOrder()
        #expect(trace.unsent > 0 && trace.statistics.unsent == UInt64(trace.unsent))
        if every == 1 { #expect(trace.statistics.transmitted == 0 && trace.rows.count == 30) }
    }

    @Test("A full queue delays, and one that stays full ends as unsent", arguments: [1, 16])
    func fullQueue(batch: Int) throws {
        for end in [Timestamp.ms(20), .ms(3_600_000)] {
            var trace = try Trace(Trace.chain(["", "", ""]))
            trace.driver.batch = batch
            trace.driver.refusal = { _, now in now < end ? .retryLater : nil }
            try trace.run()
            trace.expectOrder()
            if end == .ms(20) {
                #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", "9! 9! 9!"] && trace.unsent == 0)
            } else {
                #expect(trace.statistics.transmitted == 0 && trace.unsent == 90)
                #expect(trace.duration < 600)
            }
        }
    }

    @Test("Stopping tells the rows up to the furthest answer", arguments: [0, 1, 5, 7, 9, 200] as [Int64])
    func stop(milliseconds: Int64) throws {
        var trace = try Trace(Trace.chain(["", "silent", "", "silent", "", "", ""]))
        trace.driver.stop = .ms(milliseconds)
        try trace.run()
        trace.expectOrder()
        #expect(trace.duration <= Double(milliseconds))
        let furthest = trace.driver.network.truth.packets.filter { !$0.isUnanswered }.count
        #expect(trace.rows.count <= 8 && (furthest > 0 || trace.rows.isEmpty))
    }
}
