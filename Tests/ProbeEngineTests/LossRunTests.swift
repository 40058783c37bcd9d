import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// What runs of loss and neighbours give when the fate of every probe is known.
private struct Fates {
    /// Of each probe in the order of sending: its round trip, late or in time, or nil where it was lost.
    var answers: [(roundTrip: TimeSpan, isLate: Bool)?]
    /// Where each was not sent at all.
    var unsent: Set<Int> = []

    var runs: [Int] {
        var runs: [Int] = []
        var length = 0
        for (index, answer) in answers.enumerated() where !unsent.contains(index) {
            if answer == nil {
                length += 1
            } else {
                if length > 0 { runs.append(length) }
                length = 0
            }
        }
        return length > 0 ? runs + [length] : runs
    }

    /// Differences between neighbours that were both answered in time.
    var differences: [Int64] {
        var differences: [Int64] = []
        var previous: TimeSpan?
        for (index, answer) in answers.enumerated() where !unsent.contains(index) {
            guard let answer, !answer.isLate else {
                previous = nil
                continue
            }
            if let previous { differences.append(abs(answer.roundTrip.nanoseconds - previous.nanoseconds)) }
            previous = answer.roundTrip
        }
        return differences
    }

    func expectSame(_ runs: LossRuns?, _ variation: DelayStatistics?, _ note: Comment) throws {
        let sums = try #require(runs?.sums)
        let expected = self.runs
        #expect(sums.runs == UInt64(expected.count), note)
        #expect(sums.lost == UInt64(expected.reduce(0, +)), note)
        #expect(sums.longest == UInt64(expected.max() ?? 0), note)
        #expect(sums.outages == UInt64(expected.count { $0 > 1 }), note)
        #expect(sums.lostInOutages == UInt64(expected.filter { $0 > 1 }.reduce(0, +)), note)
        for (bin, count) in sums.lengths.enumerated() {
            let isInBin: (Int) -> Bool = { $0 <= 1 << bin && (bin == 0 || $0 > 1 << (bin - 1)) }
            #expect(count == UInt64(expected.count(where: isInBin)), note)
        }
        #expect(runs?.outages.map(\.lost) == expected.filter { $0 > 1 }.suffix(100).map(UInt64.init), note)
        #expect(runs?.concluded == UInt64(answers.count - unsent.count), note)
        let differences = self.differences
        #expect(variation?.count == UInt64(differences.count), note)
        #expect(variation?.maximum.nanoseconds == differences.max() ?? 0, note)
        let mean = differences.isEmpty ? 0 : Double(differences.reduce(0, +)) / Double(differences.count)
        #expect(abs((variation?.mean ?? -1) - mean) < 1, note)
    }
}

@Suite struct LossRunTests {
    @Test("Runs are those of the order of sending, in whatever order outcomes and late replies come", arguments: 0..<30)
    func anyOrder(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let count = 400
        var fates = Fates(answers: [])
        var isBad = false
        for index in 0..<count {
            if generator.number(below: 6) == 0 { isBad.toggle() }
            let isLost = generator.number(below: 10) < (isBad ? 9 : 1)
            let roundTrip = TimeSpan(nanoseconds: Int64(generator.number(below: 5_000_000)))
            fates.answers.append(isLost ? nil : (roundTrip, false))
            if generator.number(below: 20) == 0 { fates.unsent.insert(index) }
        }
        // Some of the lost ones are answered late after all, most of them long after they were given up.
        var turnedBack: [Int] = []
        for index in 0..<count where fates.answers[index] == nil && !fates.unsent.contains(index) {
            if generator.number(below: 3) == 0 { turnedBack.append(index) }
        }
        var order = Array(0..<count)
        for index in 0..<count { order.swapAt(index, min(count - 1, index + Int(generator.number(below: 8)))) }
        turnedBack.shuffle(using: &generator)

        var detail = EchoDetail(target: 3, interval: .ms(10))
        for index in 0..<count { detail.order.sent(UInt32(index + 1), at: .ms(Int64(index) * 10)) }
        for index in order {
            let outcome: OutcomeOrder.Outcome
            if fates.unsent.contains(index) {
                outcome = .unsent
            } else if let answer = fates.answers[index] {
                outcome = .answered(answer.roundTrip)
            } else {
                outcome = .lost
            }
            detail.settle(UInt32(index + 1), sentAt: .ms(Int64(index) * 10), as: outcome)
        }
        for index in turnedBack {
            fates.answers[index] = (.ms(500), true)
            detail.settle(UInt32(index + 1), sentAt: .ms(Int64(index) * 10), as: .late)
        }
        detail.finish()
        try fates.expectSame(detail.lossRuns, detail.delayVariation, "seed \(seed)")
        #expect(detail.lossRuns.outages.allSatisfy { $0.target == 3 && $0.end > $0.start })
    }

    @Test("Many losses take bounded memory and are summed up all the same", arguments: [1, 2, 7, 3_000])
    func many(length: Int) throws {
        var detail = EchoDetail(target: 0, interval: .ms(1))
        var fates = Fates(answers: [])
        for index in 0..<20_000 {
            let isLost = index % (length + 1) < length
            fates.answers.append(isLost ? nil : (.ms(1), false))
            let sequence = UInt32(index + 1)
            detail.order.sent(sequence, at: .ms(Int64(index)))
            detail.settle(sequence, sentAt: .ms(Int64(index)), as: isLost ? .lost : .answered(.ms(1)))
        }
        // The last thousand losses can still be turned back.
        let lost = fates.answers.indices.filter { fates.answers[$0] == nil }
        for index in [lost[lost.count - 1], lost[lost.count - 500], lost[lost.count - 1_000]] {
            fates.answers[index] = (.ms(9), true)
            detail.settle(UInt32(index + 1), sentAt: .ms(Int64(index)), as: .late)
        }
        // Those long before stay.
        detail.settle(UInt32(lost[5] + 1), sentAt: .ms(0), as: .late)
        try fates.expectSame(detail.lossRuns, detail.delayVariation, "runs of \(length)")
    }

    @Test("Numbers wrap around, and one out of all proportion does no harm")
    func wrap() {
        var detail = EchoDetail(target: 0, interval: .ms(1))
        for sequence in [UInt32.max - 1, .max, 0, 1] {
            detail.order.sent(sequence, at: .ms(5))
            detail.settle(sequence, sentAt: .ms(5), as: .lost)
        }
        // The first three lie before the first that there is.
        #expect(detail.lossRuns.concluded == 1)
        detail = EchoDetail(target: 0, interval: .ms(1))
        for sequence in [UInt32(1 << 30), 1 << 31 - 1, .max - 1, .max, 0, 1] {
            detail.settle(sequence, sentAt: .ms(5), as: .lost)
        }
        #expect(detail.lossRuns.sums.runs == 1)
        detail.settle(.max, sentAt: .ms(5), as: .late)
        #expect(detail.lossRuns.sums.runs == 2)
    }

    @Test("What is reordered is so where numbers wrap around too")
    func reorderedAtTheWrap() {
        var statistics = EchoStatistics(withPercentiles: false)
        statistics.highestSequence = .max - 1
        for sequence in [UInt32.max, 1, 0, 2, UInt32.max - 2] { statistics.noteOrder(of: sequence) }
        #expect(statistics.reordered == 2 && statistics.reorderingExtent == 5 && statistics.highestSequence == 2)
    }

    @Test("Against what the simulator knows", arguments: 0..<8 as Range<UInt64>)
    func truth(seed: UInt64) throws {
        var driver = Driver(
            try Ours.scenario(
                "target 10.0.9.9 via source delay 4ms+2ms loss 12% duplicate 2% reorder 3% by 12ms corrupt 1%"),
            seed: seed)
        driver.refusal = { transmit, _ in
            transmit.id.rawValue % 97 == 0 ? .failed(code: 1, name: "EPERM") : nil
        }
        var configuration = EchoSweep.Configuration(targets: [Ours.address("10.0.9.9")])
        configuration.count = 1_500
        configuration.interval = .microseconds(500)
        configuration.timeout = .ms(10)
        var sweep = EchoSweep(configuration, start: .ms(0))
        try driver.run(&sweep)
        var fates = Fates(answers: Array(repeating: nil, count: 1_500), unsent: Set(0..<1_500))
        for (id, packet) in zip(driver.sent, driver.network.truth.packets) {
            let index = Int(id.rawValue) - 1
            fates.unsent.remove(index)
            guard let first = packet.deliveries.first(where: { !$0.isCorrupted }) else { continue }
            let roundTrip = TimeSpan(nanoseconds: first.time - packet.time)
            fates.answers[index] = (roundTrip, roundTrip > configuration.timeout)
        }
        let statistics = sweep.statistics[0]
        try fates.expectSame(statistics.lossRuns, statistics.delayVariation, "seed \(seed)")
        #expect(statistics.lossRuns?.sums.lost == statistics.lost)
        let late = fates.answers.compactMap { $0 }.filter(\.isLate).map(\.roundTrip)
        #expect(late.count > 10 && fates.runs.contains { $0 > 1 })
        #expect(statistics.lateRoundTrips == (late.min() ?? .zero)...(late.max() ?? .zero))
        #expect(statistics.hostDelay?.count == statistics.received && statistics.hostDelay?.maximum == .zero)
    }
}

/// Intervals, outages and changes as a sweep tells them.
@Suite struct EchoDetailEventTests {
    private static let target = Ours.address("192.0.2.7")

    private func sweep(_ configure: (inout EchoSweep.Configuration) -> Void = { _ in }) -> EchoSweep {
        var configuration = EchoSweep.Configuration(targets: [Self.target])
        configure(&configuration)
        return EchoSweep(configuration, start: .ms(0))
    }

    private func send(_ sweep: inout EchoSweep, at time: Int64) throws {
        sweep.advance(to: .ms(time))
        let due = sweep.nextTransmit(at: .ms(time))
        sweep.didSend(
            try #require(due).id, at: Stamp(nanoseconds: Ours.wallOffset + time * 1_000_000, clock: .kernel))
    }

    /// An answer whose packet came at `time` and was read so many milliseconds after.
    private func answer(
        _ sweep: inout EchoSweep, _ id: UInt64, at time: Int64, readAfter delay: Int64 = 0, hopLimit: UInt8? = nil,
        trafficClass: UInt8? = nil, from responder: IPAddress = target
    ) {
        sweep.receive(
            Response(
                probe: ProbeID(rawValue: id), kind: .echoReply, responder: responder, hopLimit: hopLimit,
                trafficClass: trafficClass, byteCount: 64,
                stamp: Stamp(nanoseconds: Ours.wallOffset + time * 1_000_000, clock: .kernel),
                arrival: .ms(time + delay)))
    }

    private func events(_ sweep: inout EchoSweep) -> [EchoEvent] {
        var events: [EchoEvent] = []
        while let event = sweep.nextEvent() { events.append(event) }
        return events
    }

    private func outages(_ events: [EchoEvent]) -> [EchoOutage] {
        events.compactMap { if case .outage(let outage) = $0 { outage } else { nil } }
    }

    @Test("An outage is told when a probe behind it is answered, and a late reply shortens it in the summary")
    func outage() throws {
        var sweep = sweep { $0.timeout = .ms(1_500) }
        for second in 0..<6 as Range<Int64> {
            try send(&sweep, at: second * 1_000)
            if second == 0 || second >= 4 { answer(&sweep, UInt64(second) + 1, at: second * 1_000 + 10) }
        }
        sweep.advance(to: .ms(5_500))
        let expected = EchoOutage(
            target: 0, firstSequence: 2, lastSequence: 4, lost: 3, start: .ms(1_000), end: .ms(4_000), isOpen: false)
        #expect(outages(events(&sweep)) == [expected])
        #expect(sweep.statistics[0].lossRuns?.outages == [expected])
        #expect(sweep.statistics[0].lossRuns?.available == 3)
        answer(&sweep, 4, at: 5_600)
        #expect(outages(events(&sweep)).isEmpty)
        var shorter = expected
        (shorter.lastSequence, shorter.lost, shorter.end) = (3, 2, .ms(3_000))
        #expect(sweep.statistics[0].lossRuns?.outages == [shorter])
        answer(&sweep, 2, at: 5_700)
        let sums = sweep.statistics[0].lossRuns?.sums
        #expect(sums?.runs == 1 && sums?.lost == 1 && sums?.outages == 0)
        #expect(sweep.statistics[0].lossRuns?.available == 6)
        #expect(sweep.statistics[0].lateRoundTrips == .ms(2_600)...(.ms(4_700)))
    }

    @Test("An outage that lasts to the end is in the summary, open, and what was under way when stopped is not in it")
    func openOutage() throws {
        var sweep = sweep { $0.timeout = .ms(1_500) }
        for second in 0..<5 as Range<Int64> { try send(&sweep, at: second * 1_000) }
        answer(&sweep, 1, at: 4_001, readAfter: 0)
        sweep.advance(to: .ms(4_700))
        sweep.stop(at: .ms(4_700))
        #expect(outages(events(&sweep)).isEmpty)
        #expect(
            sweep.statistics[0].lossRuns?.outages == [
                EchoOutage(
                    target: 0, firstSequence: 2, lastSequence: 4, lost: 3, start: .ms(1_000), end: .ms(4_000),
                    isOpen: true)
            ])
        #expect(sweep.statistics[0].lossRuns?.sums.lost == sweep.statistics[0].lost)
        #expect(sweep.statistics[0].inFlight == 1)
    }

    @Test("A late reply before anything else was answered opens no second outage")
    func onlyLate() throws {
        var sweep = sweep {
            $0.timeout = .ms(500)
            $0.count = 3
        }
        for second in 0..<3 as Range<Int64> { try send(&sweep, at: second * 1_000) }
        sweep.advance(to: .ms(2_600))
        answer(&sweep, 2, at: 2_650)
        sweep.stop(at: .ms(2_700))
        #expect(outages(events(&sweep)).isEmpty)
        let sums = sweep.statistics[0].lossRuns?.sums
        #expect(sums?.runs == 2 && sums?.longest == 1 && sums?.lost == 2)
    }

    @Test("Another hop limit or traffic class than before is told once, of the target's own whole replies")
    func changes() throws {
        var sweep = sweep { $0.interval = .ms(10) }
        for round in 0..<6 as Range<Int64> { try send(&sweep, at: round * 10) }
        answer(&sweep, 1, at: 51, hopLimit: 64, trafficClass: 0)
        answer(&sweep, 2, at: 52, hopLimit: 60, trafficClass: 0)
        answer(&sweep, 2, at: 53, hopLimit: 33, trafficClass: 9)
        answer(&sweep, 3, at: 54, hopLimit: 32, from: Ours.address("192.0.2.8"))
        answer(&sweep, 4, at: 55)
        answer(&sweep, 5, at: 56, hopLimit: 60, trafficClass: 184)
        answer(&sweep, 6, at: 57, hopLimit: 60, trafficClass: 184)
        let changes = events(&sweep).compactMap { if case .changed(let change) = $0 { change } else { nil } }
        #expect(
            changes == [
                EchoChange(target: 0, sequence: 2, field: .hopLimit, from: 64, to: 60, arrival: .ms(52)),
                EchoChange(target: 0, sequence: 5, field: .trafficClass, from: 0, to: 184, arrival: .ms(56)),
            ])
    }

    @Test("The host's delay is what lies between the kernel's round trip and this process' own")
    func hostDelay() throws {
        var sweep = sweep()
        try send(&sweep, at: 0)
        answer(&sweep, 1, at: 10, readAfter: 4)
        let told = events(&sweep)
        guard case .reply(let reply) = told.first else {
            Issue.record("no reply")
            return
        }
        #expect(reply.roundTrip == .ms(10) && reply.userRoundTrip == .ms(14) && reply.hostDelay == .ms(4))
        let delays = try #require(sweep.statistics[0].hostDelay)
        #expect(delays.count == 1 && delays.maximum == .ms(4) && delays.mean == 4e6)
        var timedHere = reply
        timedHere.clock = .user
        #expect(timedHere.hostDelay == nil)
    }

    @Test("Intervals add up to the summary, counter by counter", arguments: 0..<6 as Range<UInt64>)
    func intervals(seed: UInt64) throws {
        var driver = Driver(
            try Ours.scenario(
                """
                router r delay 1ms
                path source r
                target 10.0.9.1 via r delay 4ms+2ms loss 10% duplicate 5% reorder 5% by 30ms corrupt 1%
                target 10.0.9.2 via r delay 1ms
                target 10.0.9.3 via r unreachable host
                """), seed: seed)
        driver.refusal = { transmit, _ in
            transmit.id.rawValue % 41 == 0 ? .failed(code: 1, name: "EPERM") : nil
        }
        if seed % 2 == 1 { driver.lateness = { _ in TimeSpan(nanoseconds: 3_700_000) } }
        if seed % 3 == 2 { driver.stop = .ms(777) }
        var configuration = EchoSweep.Configuration(targets: (1...3).map { Ours.address("10.0.9.\($0)") })
        configuration.count = 1_000
        configuration.interval = .ms(1)
        configuration.timeout = .ms(20)
        configuration.summaryInterval = .ms(100)
        var sweep = EchoSweep(configuration, start: .ms(0))
        var told: [EchoInterval] = []
        try driver.run(&sweep) { event, _ in if case .interval(let interval) = event { told.append(interval) } }
        for (target, statistics) in sweep.statistics.enumerated() {
            let own = told.filter { $0.target == target }
            func sum(_ counter: (EchoInterval) -> UInt64) -> UInt64 { own.reduce(0) { $0 + counter($1) } }
            #expect(sum(\.transmitted) == statistics.transmitted && statistics.transmitted > 500)
            #expect(sum(\.received) == statistics.received)
            #expect(sum(\.late) == statistics.late)
            #expect(own.reduce(0) { $0 + $1.lost } == Int64(statistics.lost))
            #expect(sum(\.errors) == statistics.errors)
            #expect(sum(\.duplicates) == statistics.duplicates)
            #expect(sum(\.corrupted) == statistics.corrupted)
            #expect(sum(\.reordered) == statistics.reordered)
            #expect(sum(\.unsent) == statistics.unsent && statistics.unsent > 0)
            #expect(sum { $0.roundTrips.count } == statistics.received)
            #expect(own.last?.inFlight == statistics.inFlight)
            #expect(own.map(\.index) == (1...UInt64(own.count)).map { $0 })
            var inFlight: UInt64 = 0
            for (interval, number) in zip(own, 0 as Int64..<1_000) {
                #expect(interval.start == .ms(number * 100))
                #expect(interval.end == .ms((number + 1) * 100) || number == own.count - 1)
                #expect(inFlight + interval.transmitted == interval.concluded + interval.inFlight)
                inFlight = interval.inFlight
            }
        }
        #expect(sweep.statistics[0].late > 10 && sweep.statistics[0].corrupted > 0)
        #expect(sweep.statistics[2].errors > 500)
    }

    @Test("Ends of intervals are absolute; a process that slept through some tells of one")
    func absolute() throws {
        var sweep = sweep { $0.summaryInterval = .seconds(10) }
        func told(at time: Int64) -> [EchoInterval] {
            sweep.advance(to: .ms(time))
            return events(&sweep).compactMap { if case .interval(let interval) = $0 { interval } else { nil } }
        }
        #expect(told(at: 9_999).isEmpty)
        #expect(told(at: 10_004).map(\.end) == [.ms(10_000)])
        #expect(told(at: 10_005).isEmpty)
        let slept = told(at: 55_000)
        #expect(slept.map(\.start) == [.ms(10_000)] && slept.map(\.end) == [.ms(50_000)])
        #expect(slept.map(\.index) == [2])
        try send(&sweep, at: 56_000)
        sweep.stop(at: .ms(57_000))
        let last = told(at: 57_000)
        #expect(last.map(\.start) == [.ms(50_000)] && last.map(\.end) == [.ms(57_000)])
        #expect(last.map(\.transmitted) == [1])
        #expect(told(at: 58_000).isEmpty)
    }

    @Test("A last interval in which nothing happened is not told of")
    func emptyEnd() throws {
        var sweep = sweep { $0.summaryInterval = .seconds(10) }
        try send(&sweep, at: 0)
        answer(&sweep, 1, at: 5)
        sweep.advance(to: .ms(10_000))
        sweep.stop(at: .ms(10_001))
        let told = events(&sweep).compactMap { if case .interval(let interval) = $0 { interval.index } else { nil } }
        #expect(told == [1])
    }

    @Test("Where there are too many targets nothing is kept beyond counters")
    func manyTargets() {
        let targets = (0..<257).map { IPAddress.v4(IPv4Address(rawValue: 0xc000_0200 + UInt32($0))) }
        let sweep = EchoSweep(EchoSweep.Configuration(targets: targets), start: .ms(0))
        let statistics = sweep.statistics[0]
        #expect(statistics.lossRuns == nil && statistics.delayVariation == nil && statistics.hostDelay == nil)
        #expect(statistics.lateRoundTrips == nil)
    }
}
