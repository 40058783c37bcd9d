import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// A run over a line, in virtual time, and when its probes went.
private struct Run {
    var sweep: EchoSweep
    var driver: Driver
    var events: [EchoEvent] = []

    /// - Parameters:
    ///   - line: what the line does to packets, both ways.
    ///   - lateness: of each wake-up.
    init(
        _ line: String, targets: Int = 1, seed: UInt64 = 1, stop: Timestamp? = nil,
        lateness: @escaping (Timestamp) -> TimeSpan = { _ in .zero },
        _ configure: (inout EchoSweep.Configuration) -> Void
    ) throws {
        var text = ""
        for index in 1...targets { text += "target 10.0.9.\(index) via source \(line)\n" }
        driver = Driver(try Ours.scenario(text), seed: seed)
        driver.stop = stop
        driver.lateness = lateness
        var configuration = EchoSweep.Configuration(targets: (1...targets).map { Ours.address("10.0.9.\($0)") })
        configure(&configuration)
        sweep = EchoSweep(configuration, start: .ms(0))
        var events: [EchoEvent] = []
        try driver.run(&sweep) { event, _ in events.append(event) }
        self.events = events
    }

    /// In microseconds.
    var times: [Int64] { driver.times.map { $0.nanoseconds / 1_000 } }
}

@Suite struct PacingTests {
    /// A pacing on a line with a round trip of 4 ms, and when the probes go then, in microseconds.
    struct Plan: CustomTestStringConvertible, Sendable {
        var pacing: Pacing
        var line = "delay 2ms"
        var interval: Int64 = 100
        var preload: UInt32 = 1
        var shortestGap: Int64 = 0
        var count: UInt64 = 4
        var expected: [Int64]

        var testDescription: String { "\(pacing), -i \(interval) ms, -l \(preload), on a line with \(line)" }
    }

    private static let plans = [
        Plan(pacing: .periodic, expected: [0, 100_000, 200_000, 300_000]),
        Plan(pacing: .periodic, preload: 3, count: 5, expected: [0, 0, 0, 100_000, 200_000]),
        Plan(pacing: .periodic, preload: 9, expected: [0, 0, 0, 0]),
        Plan(pacing: .periodic, interval: 0, expected: [0, 0, 0, 0]),
        // The next probe with the answer.
        Plan(pacing: .adaptive, expected: [0, 4_000, 8_000, 12_000]),
        Plan(pacing: .adaptive, shortestGap: 10, expected: [0, 10_000, 20_000, 30_000]),
        Plan(pacing: .adaptive, preload: 2, count: 6, expected: [0, 0, 4_000, 4_000, 8_000, 8_000]),
        // Nothing comes: the interval is the longest wait.
        Plan(pacing: .adaptive, line: "delay 2ms loss 100%", expected: [0, 100_000, 200_000, 300_000]),
        Plan(pacing: .adaptive, line: "delay 2ms loss 100%", interval: 0, expected: [0, 10_000, 20_000, 30_000]),
        Plan(pacing: .flood, interval: 10, expected: [0, 4_000, 8_000, 12_000]),
        Plan(pacing: .flood, interval: 10, preload: 3, count: 6, expected: [0, 0, 0, 4_000, 4_000, 4_000]),
        // A hundred a second without answers, and with slower ones.
        Plan(pacing: .flood, line: "delay 2ms loss 100%", interval: 10, expected: [0, 10_000, 20_000, 30_000]),
        Plan(pacing: .flood, line: "delay 2ms loss 100%", interval: 0, expected: [0, 10_000, 20_000, 30_000]),
        Plan(pacing: .flood, line: "delay 50ms", interval: 10, expected: [0, 10_000, 20_000, 30_000]),
        Plan(
            pacing: .flood, line: "unreachable host delay 2ms", interval: 10, expected: [0, 4_000, 8_000, 12_000]),
    ]

    @Test("Each pacing sends just when it should, and ends", arguments: plans)
    func times(plan: Plan) throws {
        let run = try Run(plan.line) {
            $0.pacing = plan.pacing
            $0.interval = .ms(plan.interval)
            $0.preload = plan.preload
            $0.shortestGap = .ms(plan.shortestGap)
            $0.count = plan.count
        }
        #expect(run.times == plan.expected)
        let counts = run.sweep.statistics[0]
        #expect(counts.transmitted == plan.count && run.sweep.missed == 0 && counts.inFlight == 0)
        #expect(run.sweep.schedule == .finished)
    }

    @Test(
        "A count ends a flood and an adaptive run whatever is lost, the last probe too",
        arguments: [Pacing.flood, .adaptive], [(1, 0), (1, 56), (3, 56), (64, 0)] as [(UInt32, Int)])
    func endsWithLoss(pacing: Pacing, options: (preload: UInt32, payload: Int)) throws {
        for loss in [0, 1, 30, 100] {
            let run = try Run("delay 1ms loss \(loss)%", seed: UInt64(loss + 1)) {
                $0.pacing = pacing
                $0.preload = options.preload
                $0.payloadLength = options.payload
                $0.interval = .ms(10)
                $0.count = 500
                $0.timeout = .ms(200)
            }
            let counts = run.sweep.statistics[0]
            #expect(run.sweep.schedule == .finished)
            #expect(counts.transmitted == 500 && counts.inFlight == 0)
            let unanswered = run.driver.network.truth.packets.filter(\.isUnanswered).count
            #expect(counts.lost == UInt64(unanswered) && counts.received == 500 - UInt64(unanswered))
        }
    }

    @Test("A flood with a count and a deadline goes on until that many answers came")
    func floodUntilAnswers() throws {
        let run = try Run("delay 1ms loss 50%", seed: 9) {
            $0.pacing = .flood
            $0.interval = .ms(10)
            $0.count = 100
            $0.deadline = .seconds(60)
        }
        #expect(run.sweep.statistics[0].received == 100 && run.sweep.statistics[0].transmitted > 150)
        #expect(run.driver.now < .ms(20_000))
    }

    @Test("No more are on their way than the preload says, as long as answers come", arguments: [1, 5, 64] as [UInt32])
    func window(preload: UInt32) throws {
        for pacing in [Pacing.flood, .adaptive] {
            let run = try Run("delay 3ms+200us", seed: 4) {
                $0.pacing = pacing
                $0.preload = preload
                $0.interval = .seconds(1)
                $0.count = 2_000
                $0.reportsSends = true
            }
            var outstanding = 0
            var most = 0
            for event in run.events {
                switch event {
                case .sent:
                    outstanding += 1
                    most = max(most, outstanding)
                case .reply: outstanding -= 1
                default: break
                }
            }
            // A later answer tells that an earlier one is out of order, not on its way: it makes room as well.
            #expect(outstanding == 0 && most >= Int(preload) && most <= Int(preload) * (preload == 1 ? 1 : 3))
            #expect(run.sweep.statistics[0].received == 2_000)
        }
    }

    @Test("An adaptive run that lost an answer waits for some round trips, and ever longer for a dead target")
    func patience() throws {
        let run = try Run("delay 5ms", stop: .ms(30_000)) {
            $0.pacing = .adaptive
            $0.interval = .seconds(1)
            $0.timeout = .ms(100)
            $0.count = 5
        }
        #expect(run.times == [0, 10_000, 20_000, 30_000, 40_000])

        var pacer = Pacer(Self.configuration(.adaptive, interval: .seconds(1)), isCounted: true, start: .ms(0))
        #expect(pacer.take(at: .ms(0))?.sequence == 1)
        pacer.conclude(0, 1, roundTrip: .ms(10), at: .ms(10))
        var times: [Int64] = []
        for _ in 0..<9 {
            guard let due = pacer.due else { break }
            times.append(due.nanoseconds / 1_000_000)
            _ = pacer.take(at: due)
        }
        // 10 ms and four times its half, then twice as long each, up to the interval.
        #expect(times == [10, 40, 100, 220, 460, 940, 1_900, 2_900, 3_900])
    }

    @Test("Each target of a flood has its own window", arguments: [2, 10])
    func manyTargets(targets: Int) throws {
        let run = try Run("delay 2ms", targets: targets) {
            $0.pacing = .flood
            $0.interval = .ms(10)
            $0.count = 100
        }
        for statistics in run.sweep.statistics { #expect(statistics.transmitted == 100 && statistics.received == 100) }
        #expect(run.times.count == 100 * targets && run.times.last ?? 0 < 410_000)
    }

    // MARK: Being late

    /// Takes what is due on time until `stall`, stands still until `end`, and goes on.
    private static func take(
        _ pacer: inout Pacer, until limit: Timestamp, stall: Timestamp, end: Timestamp
    ) -> (before: Int, burst: Int, after: Int) {
        var counts = (before: 0, burst: 0, after: 0)
        while let due = pacer.due, due <= limit {
            let now = due < stall ? due : max(due, end)
            while pacer.take(at: now) != nil {
                if now < end { counts.before += 1 } else if now == end { counts.burst += 1 } else { counts.after += 1 }
            }
        }
        return counts
    }

    @Test(
        "A stall makes no burst: what was due too long ago is left out, and counted to the last one",
        arguments: [10, 50, 100, 500, 1_000, 10_000, 100_000, 1_000_000] as [Int64], [1, 5, 60_000] as [Int64])
    func stall(microseconds: Int64, seconds: Int64) {
        var pacer = Pacer(
            Self.configuration(.periodic, interval: .microseconds(microseconds)), isCounted: true, start: .ms(0))
        let stall = Timestamp(nanoseconds: 2_000_000_001)
        let end = stall + .seconds(seconds)
        let counts = Self.take(&pacer, until: end + .seconds(2), stall: stall, end: end)
        let slots = ((seconds + 4) * 1_000_000) / microseconds + 1
        #expect(Int64(counts.before) == 2_000_000 / microseconds + 1)
        #expect(counts.burst <= 64 && counts.burst <= max(1, 10_000 / microseconds))
        #expect(Int64(counts.after) == 2_000_000 / microseconds)
        #expect(Int64(counts.before + counts.burst + counts.after) + Int64(pacer.missed) == slots)
    }

    @Test("Being a little late is made up for: nothing is missed, and the grid stays where it is")
    func latenessIsMadeUpFor() {
        for interval in [10, 100, 1_000, 10_000] as [Int64] {
            var pacer = Pacer(
                Self.configuration(.periodic, interval: .microseconds(interval)), isCounted: true, start: .ms(0))
            var taken = 0
            // Wake-ups every 500 us or every interval, whichever is more.
            for time in stride(from: 0, through: 1_000_000 as Int64, by: Int(max(500, interval))) {
                while pacer.take(at: Timestamp(nanoseconds: Int64(time) * 1_000)) != nil { taken += 1 }
            }
            #expect(taken == Int(1_000_000 / interval) + 1 && pacer.missed == 0)
        }
    }

    @Test("A stall of an adaptive or flood run is followed by one probe, and nothing was due meanwhile")
    func stallWithoutSchedule() {
        for pacing in [Pacing.adaptive, .flood] {
            var pacer = Pacer(Self.configuration(pacing, interval: .ms(10)), isCounted: true, start: .ms(0))
            let counts = Self.take(&pacer, until: .ms(6_000), stall: .ms(995), end: .ms(5_000))
            #expect(counts.before == 100 && counts.burst == 1 && counts.after == 100 && pacer.missed == 0)
        }
    }

    // MARK: Chance

    private static func gaps(seed: UInt64, count: Int, mean: TimeSpan = .ms(10)) -> [Double] {
        var pacer = Pacer(configuration(.poisson(seed: seed), interval: mean), isCounted: true, start: .ms(0))
        var times: [Timestamp] = []
        while times.count <= count, let due = pacer.due {
            times.append(due)
            _ = pacer.take(at: due)
        }
        return zip(times, times.dropFirst()).map { Double(($1 - $0).nanoseconds) / Double(mean.nanoseconds) }
    }

    @Test(
        "Gaps are exponential: mean, deviation, skewness and their shares", arguments: [1, 2, 0xdead_beef] as [UInt64])
    func distribution(seed: UInt64) {
        let count = 100_000
        let gaps = Self.gaps(seed: seed, count: count)
        let mean = gaps.reduce(0, +) / Double(count)
        func moment(_ power: Int) -> Double {
            gaps.reduce(0) { sum, gap in sum + (0..<power).reduce(1.0) { product, _ in product * (gap - mean) } }
                / Double(count)
        }
        // Four standard errors: 1, 8 and about 600 over the count are the variances of these.
        #expect(abs(mean - 1) < 4 * (1 / Double(count)).squareRoot())
        #expect(abs(moment(2) - 1) < 4 * (8 / Double(count)).squareRoot())
        #expect(abs(moment(3) - 2) < 0.5)
        // Sixteen classes of the same likelihood, by the quantiles -ln(1 - k/16).
        let bounds = [
            0.064538521, 0.133531393, 0.207639365, 0.287682072, 0.374693449, 0.470003629, 0.575364145, 0.693147181,
            0.826678573, 0.980829253, 1.163150810, 1.386294361, 1.673976434, 2.079441542, 2.772588722,
        ]
        var classes = [Int](repeating: 0, count: 16)
        for gap in gaps { classes[bounds.firstIndex { gap < $0 } ?? 15] += 1 }
        let expected = Double(count) / 16
        let square = classes.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        // Fifteen degrees of freedom: 99.9 % lie below.
        #expect(square < 37.70, "\(classes)")
        // A Poisson process has no memory: one gap says nothing about the next.
        let pairs = zip(gaps, gaps.dropFirst()).reduce(0) { $0 + ($1.0 - mean) * ($1.1 - mean) } / Double(count)
        #expect(abs(pairs) < 4 / Double(count).squareRoot())
    }

    @Test("A seed decides everything, and each target has its own process")
    func seeds() {
        #expect(Self.gaps(seed: 7, count: 50) == Self.gaps(seed: 7, count: 50))
        #expect(Self.gaps(seed: 7, count: 50) != Self.gaps(seed: 8, count: 50))
        var configuration = EchoSweep.Configuration(targets: [Ours.address("10.0.9.1"), Ours.address("10.0.9.2")])
        configuration.pacing = .poisson(seed: 1)
        configuration.count = 1_000
        var pacer = Pacer(configuration, isCounted: true, start: .ms(0))
        var times: [[Timestamp]] = [[], []]
        while let due = pacer.due, let taken = pacer.take(at: due) {
            times[taken.target].append(due)
            #expect(Int(taken.sequence) == times[taken.target].count)
        }
        #expect(times.allSatisfy { $0.count == 1_000 } && times[0] != times[1])
    }

    @Test("What a Poisson process missed is counted, exactly or by its mean, in bounded time")
    func missedByChance() {
        for (seconds, tolerance) in [(5, 0.3), (1_000_000, 0.001)] as [(Int64, Double)] {
            var pacer = Pacer(Self.configuration(.poisson(seed: 5), interval: .ms(10)), isCounted: true, start: .ms(0))
            let stall = Timestamp.ms(1_000)
            let end = stall + .seconds(seconds)
            let counts = Self.take(&pacer, until: end + .seconds(100), stall: stall, end: end)
            #expect(counts.burst <= 10)
            let expected = Double(seconds) * 100
            #expect(abs(Double(pacer.missed) - expected) < expected * tolerance)
            #expect((9_000...11_000).contains(counts.after))
        }
    }

    // MARK: Sleep

    @Test("What a sleeping machine could not hear is neither lost nor late, and nothing was missed")
    func sleep() throws {
        var configuration = Self.configuration(.periodic, interval: .ms(100))
        configuration.timeout = .ms(250)
        configuration.wantsKernelStamps = false
        var sweep = EchoSweep(configuration, start: .ms(0))
        var timeouts: [UInt32] = []
        for time in stride(from: 0, through: 1_500 as Int64, by: 50) {
            if time == 450 { sweep.awoke(at: .ms(time)) }
            if time == 1_050 { sweep.stop(at: .ms(time)) }
            sweep.advance(to: .ms(time))
            while let transmit = sweep.nextTransmit(at: .ms(time)) {
                sweep.didSend(transmit.id, at: Stamp(nanoseconds: time * 1_000_000, clock: .user))
            }
            // The fourth answer was on its way, and comes.
            if time == 500 { sweep.receive(Self.answer(to: 4, at: time)) }
            while let event = sweep.nextEvent() {
                if case .timeout(_, let sequence) = event { timeouts.append(sequence) }
            }
        }
        let counts = sweep.statistics[0]
        // 1 and 2 were lost before the sleep, 3 and 5 are not known of, 6 to 8 are lost, 9 to 11 cut off by the stop.
        #expect(timeouts == [1, 2, 6, 7, 8])
        #expect(counts.transmitted == 11 && counts.received == 1 && counts.late == 0)
        #expect(counts.lost == 5 && counts.inFlight == 5 && sweep.missed == 0)
    }

    private static func answer(to id: UInt64, at time: Int64) -> Response {
        Response(
            probe: ProbeID(rawValue: id), kind: .echoReply, responder: Ours.address("10.0.9.9"), byteCount: 64,
            stamp: Stamp(nanoseconds: time * 1_000_000, clock: .kernel, epoch: 1), arrival: .ms(time))
    }

    @Test("An answer of a probe that a sleep kept from being heard still counts, by the time that passed awake")
    func answerAfterSleep() {
        var configuration = Self.configuration(.periodic, interval: .seconds(1))
        configuration.timeout = .ms(250)
        configuration.count = 1
        var sweep = EchoSweep(configuration, start: .ms(0))
        if let transmit = sweep.nextTransmit(at: .ms(0)) {
            sweep.didSend(transmit.id, at: Stamp(nanoseconds: 0, clock: .user))
        }
        sweep.awoke(at: .ms(100))
        sweep.advance(to: .ms(250))
        // Nothing ends before its time, and nothing waits for ever.
        #expect(sweep.schedule == .finished && sweep.statistics[0].inFlight == 1 && sweep.statistics[0].lost == 0)
        sweep.receive(Self.answer(to: 1, at: 251))
        sweep.stop(at: .ms(251))
        #expect(sweep.statistics[0].late == 1 && sweep.statistics[0].inFlight == 0)
    }

    // MARK: Clocks

    @Test("Without the kernel's times of sending a round trip starts at the process' own, and says so")
    func mixedClocks() {
        for (stamp, clock, roundTrip) in [
            (Stamp(nanoseconds: 7_000_000, clock: .kernel), .mixed, .ms(6)),
            (Stamp(nanoseconds: 7_000_000, clock: .user), .user, .ms(6)),
            // Another epoch, before the sending, and after the reading.
            (Stamp(nanoseconds: 7_000_000, clock: .kernel, epoch: 1), .user, .ms(9)),
            (Stamp(nanoseconds: 900_000, clock: .kernel), .user, .ms(9)),
            (Stamp(nanoseconds: 12_000_000, clock: .kernel), .user, .ms(9)),
        ] as [(Stamp, Stamp.Clock, TimeSpan)] {
            var configuration = Self.configuration(.periodic, interval: .seconds(1))
            configuration.wantsKernelStamps = false
            var sweep = EchoSweep(configuration, start: .ms(0))
            if let transmit = sweep.nextTransmit(at: .ms(0)) {
                sweep.didSend(transmit.id, at: Stamp(nanoseconds: 1_000_000, clock: .user))
            }
            var response = Self.answer(to: 1, at: 9)
            response.stamp = stamp
            sweep.receive(response)
            guard case .reply(let reply) = sweep.nextEvent() else {
                Issue.record("no reply")
                continue
            }
            #expect(reply.clock == clock && reply.roundTrip == roundTrip)
            #expect(sweep.statistics[0].userTimed == (clock == .user ? 1 : 0))
        }
    }
}

extension PacingTests {
    fileprivate static func configuration(_ pacing: Pacing, interval: TimeSpan) -> EchoSweep.Configuration {
        var configuration = EchoSweep.Configuration(targets: [Ours.address("10.0.9.9")])
        configuration.pacing = pacing
        configuration.interval = interval
        return configuration
    }
}
