import PacketFormats
import ProbeEngine
import Testing

/// Calls the verbs of an `EchoSweep` by hand.
private struct Hand {
    var sweep: EchoSweep
    var events: [EchoEvent] = []
    static let target = Ours.address("192.0.2.7")

    init(targets: Int = 1, capacity: Int = 1 << 20, _ configure: (inout EchoSweep.Configuration) -> Void = { _ in }) {
        let first = Hand.target
        var configuration = EchoSweep.Configuration(
            targets: (0..<targets).map { $0 == 0 ? first : .v4(IPv4Address(rawValue: 0xc633_6400 + UInt32($0))) })
        configuration.wantsKernelStamps = false
        configure(&configuration)
        sweep = EchoSweep(configuration, start: .ms(0), tableCapacity: capacity)
    }

    /// Takes and sends what is due; returns the numbers.
    mutating func send(at time: Int64, stamped: Bool = false) -> [UInt64] {
        sweep.advance(to: .ms(time))
        var sent: [UInt64] = []
        while sent.count < 100_000, let transmit = sweep.nextTransmit(at: .ms(time)) {
            sweep.didSend(transmit.id, at: stamp(time, .user))
            if stamped { sweep.didSend(transmit.id, at: stamp(time, .kernel)) }
            sent.append(transmit.id.rawValue)
        }
        drain()
        return sent
    }

    func stamp(_ time: Int64, _ clock: Stamp.Clock) -> Stamp {
        Stamp(nanoseconds: Ours.wallOffset + time * 1_000_000, clock: clock)
    }

    mutating func reply(
        to id: UInt64, at time: Int64, from source: IPAddress = Hand.target, kind: Response.Kind = .echoReply,
        read: Int64? = nil
    ) {
        sweep.receive(
            Response(
                probe: ProbeID(rawValue: id), kind: kind, responder: source, quotedDestination: Hand.target,
                byteCount: 64, stamp: stamp(time, .kernel), arrival: .ms(read ?? time)))
        drain()
    }

    /// An answer that does not say which probe it is for.
    mutating func anonymous(_ kind: Response.Kind, from source: IPAddress = Hand.target, at time: Int64) {
        sweep.receive(
            Response(
                probe: nil, kind: kind, responder: source,
                quotedDestination: kind == .echoReply || kind == .datagram ? nil : Hand.target, byteCount: 36,
                stamp: stamp(time, .kernel), arrival: .ms(time)))
        drain()
    }

    mutating func drain() { while let event = sweep.nextEvent() { events.append(event) } }

    var statistics: EchoStatistics { sweep.statistics[0] }

    var dispositions: [EchoReply.Disposition] {
        events.compactMap { if case .reply(let reply) = $0 { reply.disposition } else { nil } }
    }

    var timeouts: [UInt32] {
        events.compactMap { if case .timeout(_, let sequence) = $0 { sequence } else { nil } }
    }
}

@Suite struct EchoSweepKindTests {
    @Test("A reply of another kind than was asked for is nobody's", arguments: [true, false])
    func kinds(asksForTimes: Bool) {
        var hand = Hand {
            $0.count = 1
            if asksForTimes { $0.method = .icmpTimestamp }
        }
        let sent = hand.send(at: 0)
        let none = InternetTimestamp(rawValue: 0)
        let times = Response.Kind.timestampReply(originate: none, receive: none, transmit: none)
        hand.reply(to: sent[0], at: 5, kind: asksForTimes ? .echoReply : times)
        #expect(hand.dispositions.isEmpty && hand.statistics.received == 0 && hand.statistics.corrupted == 0)
        #expect(hand.sweep.unsolicited == 1)
    }
}

@Suite struct EchoSweepScheduleTests {
    /// Three targets that are 10 ms apart take 30 ms, whatever the interval wants.
    @Test func aGapBetweenTargetsStretchesTheInterval() {
        var hand = Hand(targets: 3) {
            $0.interval = .milliseconds(15)
            $0.targetGap = .milliseconds(10)
        }
        let sent = [0, 9, 10, 15, 20, 29, 30, 40].map { hand.send(at: $0).count }
        #expect(sent == [1, 0, 1, 0, 1, 0, 1, 1])
    }

    /// Without a gap all go at once.
    @Test func noGapBetweenTargets() {
        var hand = Hand(targets: 3) { $0.targetGap = .zero }
        #expect(hand.send(at: 0).count == 3)
        #expect(hand.send(at: 999).isEmpty)
        #expect(hand.send(at: 1_000).count == 3)
    }

    @Test func lateAnswersAreNotWaitedFor() {
        for waits in [false, true] {
            var hand = Hand {
                $0.count = 2
                $0.timeout = .milliseconds(500)
                $0.waitsForLateAnswers = waits
            }
            let first = hand.send(at: 0)
            hand.reply(to: first[0], at: 400)
            _ = hand.send(at: 1_000)
            hand.sweep.advance(to: .ms(1_500))
            let isOver = if case .finished = hand.sweep.schedule { true } else { false }
            #expect(isOver == !waits)
        }
    }

    @Test("Probes go on an absolute grid, however late the wake-ups are")
    func noDrift() {
        var hand = Hand { $0.interval = .ms(100) }
        for round in 0..<50 as Range<Int64> {
            #expect(hand.send(at: round * 100 + 37).count == 1)
            #expect(hand.sweep.schedule == .at(.ms((round + 1) * 100)))
        }
        #expect(hand.sweep.missed == 0)
    }

    @Test("After a stall one probe goes, not a burst, and what was left out is counted", arguments: [1, 3])
    func stall(targets: Int) {
        var hand = Hand(targets: targets) {
            $0.interval = .ms(100)
            $0.timeout = .seconds(100)
        }
        #expect(hand.send(at: 99).count == targets)
        #expect(hand.send(at: 1_057).count == targets)
        #expect(hand.sweep.missed == UInt64(9 * targets))
        #expect(hand.sweep.schedule == .at(.ms(1_100)))
        #expect(hand.send(at: 1_199).count == targets)
        #expect(hand.sweep.missed == UInt64(9 * targets))
    }

    @Test("A stall in the middle of a round does not make a burst either")
    func stallInsideRound() {
        var hand = Hand(targets: 1_000) { $0.interval = .seconds(10) }
        #expect(hand.send(at: 1_000).count == 101)
        #expect(hand.send(at: 95_000).count <= 1_000)
        #expect(hand.sweep.missed >= 7_000)
    }

    @Test("The targets of a round are spread, and each gets its count")
    func targets() {
        var hand = Hand(targets: 10) {
            $0.interval = .ms(100)
            $0.count = 3
            $0.timeout = .ms(10)
        }
        var sent = 0
        for time in 0..<300 as Range<Int64> { sent += hand.send(at: time).count }
        #expect(sent == 30)
        for statistics in hand.sweep.statistics { #expect(statistics.transmitted == 3) }
        _ = hand.send(at: 301)
        #expect(hand.sweep.schedule == .finished)
    }

    @Test("A count ends the run when the last answer came, or after the timeout or two round trips")
    func end() {
        var hand = Hand {
            $0.count = 2
            $0.interval = .seconds(1)
            $0.timeout = .seconds(2)
        }
        #expect(hand.send(at: 0) == [1])
        hand.reply(to: 1, at: 20)
        #expect(hand.send(at: 1_000) == [2])
        var other = hand
        other.reply(to: 2, at: 1_030)
        #expect(other.sweep.schedule == .finished)
        #expect(hand.sweep.schedule == .at(.ms(3_000)))
        _ = hand.send(at: 3_000)
        #expect(hand.sweep.schedule == .finished && hand.timeouts == [2] && hand.statistics.lost == 1)
    }

    @Test("Two of the longest round trips are waited for when that is more")
    func linger() {
        var hand = Hand {
            $0.count = 2
            $0.timeout = .seconds(1)
        }
        #expect(hand.send(at: 0) == [1])
        #expect(hand.send(at: 1_000) == [2])
        hand.reply(to: 1, at: 1_500)
        #expect(hand.dispositions == [.late] && hand.timeouts == [1])
        _ = hand.send(at: 2_000)
        #expect(hand.timeouts == [1, 2])
        #expect(hand.sweep.schedule == .at(.ms(4_000)))
        hand.reply(to: 2, at: 3_999)
        #expect(hand.sweep.schedule == .finished && hand.statistics.late == 2 && hand.statistics.lost == 0)
    }

    @Test("Nothing to do is finished", arguments: [(0, 5), (1, 0)] as [(Int, UInt64)])
    func nothing(targets: Int, count: UInt64) {
        var hand = Hand(targets: targets) { $0.count = count }
        #expect(hand.sweep.schedule == .finished && hand.send(at: 5).isEmpty)
    }

    @Test("The deadline ends a run and what is on the way then is neither lost nor received")
    func deadline() {
        var hand = Hand {
            $0.interval = .ms(100)
            $0.timeout = .ms(150)
            $0.deadline = .ms(450)
        }
        var time: Int64 = 0
        while case .at(let next) = hand.sweep.schedule, time < 10_000 {
            time = max(time, next.nanoseconds / 1_000_000)
            for id in hand.send(at: time) where id == 2 { hand.reply(to: id, at: time + 5) }
        }
        #expect(time == 450 && hand.sweep.schedule == .finished)
        #expect(hand.statistics.transmitted == 5 && hand.statistics.received == 1)
        #expect(hand.statistics.inFlight == 1 && hand.statistics.lost == 3)
    }

    @Test("With a count, a deadline sends until that many replies came")
    func deadlineAndCount() {
        var hand = Hand {
            $0.interval = .ms(100)
            $0.timeout = .ms(50)
            $0.deadline = .seconds(10)
            $0.count = 3
        }
        for round in 0..<5 as Range<Int64> {
            let sent = hand.send(at: round * 100)
            #expect(sent.count == 1)
            if round != 1, round != 2, let id = sent.first { hand.reply(to: id, at: round * 100 + 10) }
        }
        #expect(hand.statistics.received == 3 && hand.statistics.transmitted == 5)
        #expect(hand.send(at: 410).isEmpty && hand.sweep.schedule == .finished)
    }

    @Test("A full table pauses the sending and nothing is lost of the books", arguments: [2, 64])
    func fullTable(capacity: Int) {
        var hand = Hand(capacity: capacity) {
            $0.interval = .ms(1)
            $0.timeout = .ms(1_000)
            $0.count = 1_000
        }
        var time: Int64 = 0
        while hand.sweep.schedule != .finished, time < 100_000_000 {
            _ = hand.send(at: time)
            guard case .at(let next) = hand.sweep.schedule else { continue }
            time = max(time + 1, (next.nanoseconds + 999_999) / 1_000_000)
        }
        #expect(hand.statistics.transmitted == 1_000 && hand.statistics.lost == 1_000)
        #expect(hand.timeouts.count == 1_000)
    }
}

@Suite struct EchoSweepSendTests {
    private static let refused = SendFailure.failed(code: 101, name: "ENETUNREACH")

    @Test("What the kernel refuses is unsent, not lost")
    func unsent() {
        var hand = Hand { $0.count = 2 }
        let transmit = hand.sweep.nextTransmit(at: .ms(0))
        hand.sweep.didNotSend(transmit?.id ?? ProbeID(rawValue: 0), Self.refused, at: .ms(0))
        hand.drain()
        #expect(hand.statistics.unsent == 1 && hand.statistics.transmitted == 0 && hand.statistics.loss == 0)
        #expect(hand.statistics.lastSendFailure == Self.refused && hand.events.count == 1)
        hand.reply(to: 1, at: 1)
        #expect(hand.sweep.unsolicited == 1 && hand.statistics.received == 0)
        #expect(hand.send(at: 1_000) == [2])
    }

    @Test("A full queue is tried again with the same probe, and given up after half a second")
    func retries() {
        var hand = Hand { $0.count = 1 }
        let first = hand.sweep.nextTransmit(at: .ms(0))
        var tries = 0
        var time: Int64 = 0
        if let first { hand.sweep.didNotSend(first.id, .retryLater, at: .ms(0)) }
        while tries < 5_000, case .at(let due) = hand.sweep.schedule {
            #expect(due > .ms(time))
            time = max(time, due.nanoseconds / 1_000_000)
            hand.sweep.advance(to: .ms(time))
            guard let again = hand.sweep.nextTransmit(at: .ms(time)) else { continue }
            #expect(again == first)
            tries += 1
            hand.sweep.didNotSend(again.id, .retryLater, at: .ms(time))
        }
        #expect(hand.sweep.schedule == .finished && time == 500 && tries == 500)
        #expect(hand.statistics.unsent == 1 && hand.statistics.lastSendFailure == .retryLater)
    }

    @Test("A whole batch that found the queue full is sent again, each probe once")
    func retriedBatch() {
        var hand = Hand(targets: 8) {
            $0.count = 1
            $0.interval = .zero
        }
        var taken: [Transmit] = []
        while taken.count < 100, let transmit = hand.sweep.nextTransmit(at: .ms(0)) { taken.append(transmit) }
        #expect(taken.count == 8)
        hand.sweep.didSend(taken[0].id, at: hand.stamp(0, .user))
        for transmit in taken.dropFirst() { hand.sweep.didNotSend(transmit.id, .retryLater, at: .ms(0)) }
        #expect(hand.sweep.nextTransmit(at: .ms(0)) == nil)
        #expect(hand.sweep.schedule == .at(.ms(1)))
        #expect(hand.send(at: 1) == taken.dropFirst().map(\.id.rawValue))
        _ = hand.send(at: 10_000)
        #expect(hand.sweep.schedule == .finished)
        for statistics in hand.sweep.statistics { #expect(statistics.transmitted == 1 && statistics.lost == 1) }
    }

    @Test("A batch is given up after half a second too")
    func batchGivenUp() {
        var hand = Hand(targets: 4) {
            $0.count = 1
            $0.interval = .zero
        }
        var time: Int64 = 0
        while hand.sweep.schedule != .finished, time < 10_000 {
            var taken: [Transmit] = []
            while taken.count < 100, let transmit = hand.sweep.nextTransmit(at: .ms(time)) { taken.append(transmit) }
            for transmit in taken { hand.sweep.didNotSend(transmit.id, .retryLater, at: .ms(time)) }
            time += 1
            hand.sweep.advance(to: .ms(time))
        }
        #expect(time <= 502)
        for statistics in hand.sweep.statistics { #expect(statistics.unsent == 1 && statistics.transmitted == 0) }
    }

    @Test("A probe that is tried again does not hold up the schedule of a short timeout")
    func retryWithShortTimeout() {
        var hand = Hand(targets: 2) {
            $0.count = 1
            $0.interval = .zero
            $0.timeout = TimeSpan(nanoseconds: 1_000)
        }
        let first = hand.sweep.nextTransmit(at: .ms(0))
        let second = hand.sweep.nextTransmit(at: .ms(0))
        if let first, let second {
            hand.sweep.didNotSend(first.id, .retryLater, at: .ms(0))
            hand.sweep.didSend(second.id, at: hand.stamp(0, .user))
        }
        let now = Timestamp(nanoseconds: 5_000)
        hand.sweep.advance(to: now)
        guard case .at(let next) = hand.sweep.schedule else {
            Issue.record("nothing scheduled")
            return
        }
        #expect(next > now)
    }

    @Test("Telling twice changes nothing")
    func twice() {
        var hand = Hand { $0.count = 3 }
        #expect(hand.send(at: 0) == [1])
        let id = ProbeID(rawValue: 1)
        hand.sweep.didSend(id, at: hand.stamp(0, .user))
        hand.sweep.didNotSend(id, Self.refused, at: .ms(1))
        hand.sweep.didSend(ProbeID(rawValue: 99), at: hand.stamp(0, .kernel))
        hand.sweep.didNotSend(ProbeID(rawValue: 99), Self.refused, at: .ms(1))
        hand.sweep.advance(to: .ms(1))
        hand.sweep.advance(to: .ms(0))
        hand.drain()
        #expect(hand.statistics.transmitted == 1 && hand.statistics.unsent == 0 && hand.events.isEmpty)
    }
}

@Suite struct EchoSweepStampTests {
    private func stamped(_ configure: (inout EchoSweep.Configuration) -> Void = { _ in }) -> Hand {
        Hand {
            $0.count = 1
            $0.wantsKernelStamps = true
            $0.timeout = .ms(100)
            configure(&$0)
        }
    }

    @Test("The kernel's stamp before the reply")
    func before() {
        var hand = stamped()
        _ = hand.send(at: 0, stamped: true)
        hand.reply(to: 1, at: 30, read: 31)
        #expect(hand.dispositions == [.inTime] && hand.statistics.roundTrips.last == .ms(30))
        #expect(hand.statistics.userTimed == 0 && hand.sweep.schedule == .finished)
    }

    @Test("The kernel's stamp up to a millisecond after the reply")
    func after() {
        var hand = stamped()
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 30)
        #expect(hand.events.isEmpty && hand.sweep.schedule == .at(.ms(31)))
        hand.sweep.didSend(ProbeID(rawValue: 1), at: hand.stamp(2, .kernel))
        hand.drain()
        #expect(hand.dispositions == [.inTime] && hand.statistics.roundTrips.last == .ms(28))
        #expect(hand.statistics.userTimed == 0 && hand.sweep.schedule == .finished)
    }

    @Test("No stamp: the reply counts after a millisecond, timed by this process")
    func never() {
        var hand = stamped()
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 30)
        _ = hand.send(at: 31)
        #expect(hand.dispositions == [.inTime] && hand.statistics.roundTrips.last == .ms(30))
        #expect(hand.statistics.userTimed == 1 && hand.sweep.schedule == .finished)
    }

    @Test("A reply that waits for its stamp while the timeout passes has come in time, and nothing spins")
    func heldOverTimeout() {
        var hand = stamped()
        _ = hand.send(at: 0)
        hand.sweep.receive(
            Response(
                probe: ProbeID(rawValue: 1), kind: .echoReply, responder: Hand.target, byteCount: 64,
                stamp: hand.stamp(100, .kernel), arrival: Timestamp(nanoseconds: 99_500_000)))
        hand.sweep.advance(to: .ms(100))
        #expect(hand.sweep.schedule == .at(Timestamp(nanoseconds: 100_500_000)))
        _ = hand.send(at: 101)
        #expect(hand.timeouts.isEmpty && hand.dispositions == [.inTime])
    }

    @Test("Stopping counts the replies that wait for their stamps")
    func stop() {
        var hand = stamped()
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 30)
        hand.sweep.stop(at: .ms(30))
        hand.drain()
        #expect(hand.dispositions == [.inTime] && hand.statistics.inFlight == 0 && hand.statistics.lost == 0)
    }

    @Test("Replies that wait for their stamps cost no more for being many")
    func manyHeld() {
        let count = 10_000
        var hand = Hand(targets: count) {
            $0.count = 1
            $0.wantsKernelStamps = true
            $0.interval = .zero
        }
        #expect(hand.send(at: 0).count == count)
        for target in 0..<count {
            hand.sweep.receive(
                Response(
                    probe: ProbeID(rawValue: UInt64(target + 1)), kind: .echoReply,
                    responder: hand.sweep.configuration.targets[target], byteCount: 64, stamp: hand.stamp(1, .kernel),
                    arrival: .ms(1)))
        }
        // Half of the stamps come after all, the latest first.
        for target in stride(from: count, to: count / 2, by: -1) {
            hand.sweep.didSend(ProbeID(rawValue: UInt64(target)), at: hand.stamp(0, .kernel))
        }
        _ = hand.send(at: 2)
        #expect(hand.sweep.schedule == .finished)
        #expect(hand.dispositions.count == count)
        #expect(hand.sweep.statistics.allSatisfy { $0.received == 1 })
        #expect(hand.sweep.statistics.reduce(0) { $0 + $1.userTimed } == UInt64(count / 2))
    }

    @Test("A time of sending that is told after a step belongs to the epoch of the sending")
    func stampAfterStep() {
        var hand = stamped()
        let sent = hand.send(at: 0)
        // Told after the clock was set back by 40 ms, together with a reply that the new clock has stamped.
        var told = hand.stamp(0, .kernel)
        told.epoch = 1
        hand.sweep.didSend(ProbeID(rawValue: sent[0]), at: told)
        var stamp = hand.stamp(20, .kernel)
        stamp.epoch = 1
        hand.sweep.receive(
            Response(
                probe: ProbeID(rawValue: 1), kind: .echoReply, responder: Hand.target, byteCount: 64, stamp: stamp,
                arrival: .ms(60)))
        hand.drain()
        #expect(hand.statistics.roundTrips.last == .ms(60) && hand.statistics.userTimed == 1)
    }

    @Test("A step of the wall clock is never part of a round trip", arguments: [-40, -5, 5, 40] as [Int64])
    func step(milliseconds: Int64) {
        var hand = stamped()
        _ = hand.send(at: 0, stamped: true)
        var stamp = hand.stamp(60 + milliseconds, .kernel)
        stamp.epoch = 1
        hand.sweep.receive(
            Response(
                probe: ProbeID(rawValue: 1), kind: .echoReply, responder: Hand.target, byteCount: 64, stamp: stamp,
                arrival: .ms(60)))
        hand.drain()
        #expect(hand.statistics.roundTrips.last == .ms(60) && hand.statistics.userTimed == 1)
    }
}

@Suite struct EchoSweepStopTests {
    @Test("What is on the way at the stop is counted apart")
    func inFlight() {
        var hand = Hand {
            $0.interval = .ms(100)
            $0.timeout = .ms(250)
        }
        for round in 0..<5 as Range<Int64> {
            _ = hand.send(at: round * 100)
            if round == 3 { hand.reply(to: 4, at: 310) }
        }
        hand.sweep.stop(at: .ms(410))
        hand.sweep.stop(at: .ms(420))
        let counts = hand.statistics
        #expect(counts.transmitted == 5 && counts.received == 1 && counts.inFlight == 2 && counts.lost == 2)
        #expect(hand.sweep.schedule == .finished && hand.send(at: 500).isEmpty)
    }

    @Test("A reply in the same batch as the stop still counts, once")
    func replyAfterStop() {
        var hand = Hand()
        _ = hand.send(at: 0)
        hand.sweep.stop(at: .ms(10))
        hand.reply(to: 1, at: 9, read: 11)
        hand.reply(to: 1, at: 9, read: 11)
        let counts = hand.statistics
        #expect(counts.received == 1 && counts.inFlight == 0 && counts.duplicates == 1 && counts.lost == 0)
    }

    @Test("An error after the stop ends the wait for its probe")
    func errorAfterStop() {
        var hand = Hand()
        _ = hand.send(at: 0)
        hand.sweep.stop(at: .ms(10))
        hand.reply(to: 1, at: 9, kind: .icmpError(type: .timeExceeded(.v4), code: 0, info: 0), read: 11)
        let counts = hand.statistics
        #expect(counts.received == 0 && counts.inFlight == 0 && counts.errors == 1 && counts.lost == 1)
    }

    @Test("A probe that was taken before the stop and sent after it is on the way")
    func sentAfterStop() {
        var hand = Hand()
        let transmit = hand.sweep.nextTransmit(at: .ms(0))
        hand.sweep.stop(at: .ms(0))
        if let transmit { hand.sweep.didSend(transmit.id, at: hand.stamp(0, .user)) }
        #expect(hand.statistics.transmitted == 1 && hand.statistics.inFlight == 1 && hand.statistics.lost == 0)
    }

    @Test("A probe that found the queue full before the stop is not sent")
    func retryAfterStop() {
        var hand = Hand()
        let transmit = hand.sweep.nextTransmit(at: .ms(0))
        if let transmit { hand.sweep.didNotSend(transmit.id, .retryLater, at: .ms(0)) }
        hand.sweep.stop(at: .ms(0))
        #expect(hand.sweep.nextTransmit(at: .ms(5)) == nil && hand.sweep.schedule == .finished)
        #expect(hand.statistics.transmitted == 0 && hand.statistics.unsent == 1)
    }

    @Test("Records that have left the table do not hide those on the way")
    func smallTable() {
        var hand = Hand(capacity: 4) {
            $0.interval = .ms(1)
            $0.timeout = .seconds(10)
        }
        for time in 0..<8 as Range<Int64> {
            while let transmit = hand.sweep.nextTransmit(at: .ms(time)) {
                hand.sweep.didSend(transmit.id, at: hand.stamp(time, .user))
                if transmit.id.rawValue <= 4 { hand.reply(to: transmit.id.rawValue, at: time) }
            }
        }
        hand.sweep.stop(at: .ms(8))
        #expect(hand.statistics.transmitted == 8 && hand.statistics.received == 4 && hand.statistics.inFlight == 4)
    }
}

@Suite struct EchoSweepAnswerTests {
    /// A probe whose error is only told of is answered or expires as any other.
    @Test func errorsThatConcludeNothing() {
        var hand = Hand { $0.errorsConclude = false }
        let first = hand.send(at: 0)
        let error = Response.Kind.icmpError(type: ICMPType.V4.destinationUnreachable, code: 13, info: 0)
        hand.reply(to: first[0], at: 1, kind: error)
        hand.reply(to: first[0], at: 2, kind: error)
        hand.reply(to: first[0], at: 3)
        let second = hand.send(at: 1_000)
        hand.reply(to: second[0], at: 1_001, kind: error)
        hand.sweep.advance(to: .ms(3_000))
        hand.drain()
        let told = hand.events.map { event in
            switch event {
            case .error: "error"
            case .reply: "reply"
            case .timeout: "timeout"
            default: "other"
            }
        }
        #expect(told == ["error", "reply", "error", "timeout"])
        #expect(hand.statistics.errors == 2)
        #expect(hand.statistics.received == 1)
    }

    /// An answer from another address counts where anyone may answer.
    @Test func answersFromAnyone() {
        var hand = Hand { $0.takesAnswersFromAnyone = true }
        let sent = hand.send(at: 0)
        hand.reply(to: sent[0], at: 1, from: Ours.address("192.0.2.99"))
        #expect(hand.statistics.received == 1)
        #expect(hand.statistics.wrongSource == 0)
    }

    @Test("An ICMP error ends the wait for its probe; a reply that comes all the same is received")
    func errorThenReply() {
        var hand = Hand { $0.count = 1 }
        _ = hand.send(at: 0)
        hand.reply(
            to: 1, at: 5, from: Ours.address("192.0.2.1"),
            kind: .icmpError(type: .destinationUnreachable(.v4), code: 1, info: 0))
        #expect(hand.statistics.errors == 1 && hand.statistics.lost == 1 && hand.sweep.schedule == .finished)
        hand.reply(to: 1, at: 7)
        #expect(hand.statistics.received == 1 && hand.statistics.lost == 0 && hand.dispositions == [.inTime])
    }

    @Test("An error without a number belongs to the only UDP probe on its way to that target")
    func anonymousErrors() {
        let kind = Response.Kind.icmpError(type: .destinationUnreachable(.v4), code: 3, info: 0)
        var hand = Hand(targets: 2) { $0.method = .udp(destinationPort: 33_434) }
        _ = hand.send(at: 0)
        hand.anonymous(kind, at: 5)
        #expect(hand.statistics.received == 1 && hand.sweep.unsolicited == 0 && hand.sweep.statistics[1].received == 0)
        hand.anonymous(kind, at: 6)
        #expect(hand.statistics.received == 1 && hand.sweep.unsolicited == 1, "nothing is on its way any more")
        _ = hand.send(at: 1_000)
        _ = hand.send(at: 2_000)
        hand.anonymous(kind, at: 2_001)
        #expect(hand.statistics.received == 1 && hand.sweep.unsolicited == 2, "it may belong to either")
    }

    @Test("A reply without our cookie is nobody's", arguments: [Response.Kind.echoReply, .datagram])
    func anonymousReplies(kind: Response.Kind) {
        var hand = Hand { $0.method = .udp(destinationPort: 7) }
        _ = hand.send(at: 0)
        hand.anonymous(kind, at: 5)
        #expect(hand.statistics.received == 0 && hand.sweep.unsolicited == 1)
    }

    @Test("Redirects and source quench are only hints", arguments: [ICMPType.V4.redirect, .V4.sourceQuench])
    func hints(type: ICMPType) {
        var hand = Hand { $0.count = 1 }
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 5, kind: .icmpError(type: type, code: 0, info: 0))
        #expect(hand.statistics.errors == 0 && hand.events.count == 1 && hand.sweep.schedule != .finished)
        hand.reply(to: 1, at: 9)
        #expect(hand.statistics.received == 1)
    }

    @Test("An error that quotes another destination is not ours")
    func foreignError() {
        var hand = Hand()
        _ = hand.send(at: 0)
        hand.sweep.receive(
            Response(
                probe: ProbeID(rawValue: 1), kind: .icmpError(type: .timeExceeded(.v4), code: 0, info: 0),
                responder: Hand.target, quotedDestination: Ours.address("192.0.2.8"), stamp: hand.stamp(1, .kernel),
                arrival: .ms(1)))
        #expect(hand.sweep.unsolicited == 1 && hand.statistics.errors == 0)
    }

    @Test("What is of no probe that is known is unsolicited", arguments: [0, 2, 65_537, .max] as [UInt64])
    func unknown(id: UInt64) {
        var hand = Hand()
        _ = hand.send(at: 0)
        hand.reply(to: id, at: 1)
        #expect(hand.sweep.unsolicited == 1 && hand.statistics.received == 0 && hand.events.isEmpty)
    }

    @Test("The right cookie from another address is no reply, unless a group was asked")
    func wrongSource() {
        var hand = Hand { $0.count = 1 }
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 1, from: Ours.address("192.0.2.9"))
        #expect(hand.dispositions == [.wrongSource] && hand.statistics.received == 0)
        hand.reply(to: 1, at: 2)
        #expect(hand.dispositions == [.wrongSource, .inTime] && hand.statistics.lost == 0)
        for group in ["224.0.0.1", "255.255.255.255", "ff02::1"] {
            var configuration = EchoSweep.Configuration(targets: [Ours.address(group)])
            configuration.wantsKernelStamps = false
            hand.sweep = EchoSweep(configuration, start: .ms(0))
            hand.events = []
            _ = hand.send(at: 0)
            hand.reply(to: 1, at: 1, from: Ours.address("192.0.2.9"))
            hand.reply(to: 1, at: 1, from: Ours.address("192.0.2.10"))
            #expect(hand.dispositions == [.inTime, .duplicate])
        }
    }

    @Test("A reply that was read late but came in time is in time, after its timeout was told")
    func readLate() {
        var hand = Hand {
            $0.timeout = .ms(50)
            $0.wantsKernelStamps = true
        }
        _ = hand.send(at: 0, stamped: true)
        _ = hand.send(at: 60)
        hand.reply(to: 1, at: 40, read: 61)
        #expect(hand.timeouts == [1] && hand.dispositions == [.inTime] && hand.statistics.late == 0)
    }

    @Test("A port unreachable from the target proves it alive, from a router it is an error")
    func portUnreachable() {
        let kind = Response.Kind.icmpError(type: .destinationUnreachable(.v4), code: 3, info: 0)
        var hand = Hand { $0.method = .udp(destinationPort: 33_434) }
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 1, from: Ours.address("192.0.2.1"), kind: kind)
        #expect(hand.statistics.errors == 1 && hand.statistics.received == 0)
        hand.reply(to: 1, at: 2, kind: kind)
        #expect(hand.statistics.received == 1 && hand.dispositions == [.inTime])
    }
}

@Suite struct EchoSweepTellingTests {
    private func outstanding(_ hand: Hand) -> [UInt32] {
        hand.events.compactMap { if case .outstanding(_, let sequence) = $0 { sequence } else { nil } }
    }

    @Test("Where asked for, it tells of a probe of which nothing is known when the next one is due")
    func outstanding() {
        var hand = Hand {
            $0.interval = .ms(100)
            $0.timeout = .ms(150)
            $0.reportsOutstanding = true
        }
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 5)
        for time in [100, 200, 300] as [Int64] { _ = hand.send(at: time) }
        // The third one was given up before the fifth is due; the fourth is told to be lost.
        #expect(outstanding(hand) == [2, 3])
        hand.reply(to: 4, at: 301, kind: .icmpError(type: ICMPType.V4.timeExceeded, code: 0, info: 0))
        _ = hand.send(at: 400)
        _ = hand.send(at: 700)
        #expect(outstanding(hand) == [2, 3, 5])
        #expect(hand.timeouts == [2, 3, 5])
    }

    @Test("A reply that waits for its stamp is no missing one")
    func outstandingButHeld() {
        var hand = Hand {
            $0.interval = .ms(1)
            $0.wantsKernelStamps = true
            $0.reportsOutstanding = true
        }
        _ = hand.send(at: 0)
        hand.reply(to: 1, at: 0)
        #expect(hand.dispositions.isEmpty)
        _ = hand.sweep.nextTransmit(at: .ms(1))
        hand.drain()
        #expect(outstanding(hand).isEmpty)
    }

    @Test("It is quiet about outstanding probes unless asked")
    func quiet() {
        var hand = Hand { $0.interval = .ms(100) }
        for time in [0, 100, 200] as [Int64] { _ = hand.send(at: time) }
        #expect(outstanding(hand).isEmpty)
    }

    @Test("Of a thousand errors about a probe it tells of the first hint and the first error")
    func repeatedErrors() {
        var hand = Hand { $0.interval = .ms(100) }
        _ = hand.send(at: 0)
        let hint = Response.Kind.icmpError(type: ICMPType.V4.redirect, code: 1, info: 0)
        let error = Response.Kind.icmpError(type: ICMPType.V4.timeExceeded, code: 0, info: 0)
        for _ in 0..<500 { hand.reply(to: 1, at: 1, kind: hint) }
        for _ in 0..<500 { hand.reply(to: 1, at: 1, kind: error) }
        #expect(hand.events.count == 2)
        #expect(hand.statistics.errors == 1 && hand.statistics.repeatedErrors == 998)
        hand.reply(to: 1, at: 2)
        hand.reply(to: 1, at: 3, kind: error)
        #expect(hand.events.count == 3 && hand.statistics.received == 1 && hand.statistics.repeatedErrors == 999)
    }

    @Test("Of what belongs to no probe it tells once a second, where asked", arguments: [true, false])
    func unsolicited(isAsked: Bool) {
        var hand = Hand { $0.reportsUnsolicited = isAsked }
        _ = hand.send(at: 0)
        for time in 1...2_500 as ClosedRange<Int64> { hand.reply(to: 77, at: time) }
        let counts = hand.events.compactMap { if case .unsolicited(let stray) = $0 { stray.count } else { nil } }
        #expect(counts == (isAsked ? [1, 1_001, 2_001] : []))
        #expect(hand.sweep.unsolicited == 2_500)
    }

    @Test("The depth counts probes sent when something came back for the first of them")
    func pipe() {
        var hand = Hand { $0.interval = .ms(100) }
        for time in [0, 100, 200] as [Int64] { _ = hand.send(at: time) }
        #expect(hand.statistics.pipe == 0)
        hand.reply(to: 2, at: 201)
        #expect(hand.statistics.pipe == 2)
        hand.reply(to: 1, at: 202, kind: .icmpError(type: ICMPType.V4.timeExceeded, code: 0, info: 0))
        #expect(hand.statistics.pipe == 3)
        hand.reply(to: 3, at: 203)
        #expect(hand.statistics.pipe == 3)
    }

    @Test("Where this process shall time, a kernel's stamps make no round trip")
    func timesInProcess() {
        var hand = Hand {
            $0.wantsKernelStamps = true
            $0.timesInProcess = true
        }
        _ = hand.send(at: 0, stamped: true)
        hand.reply(to: 1, at: 3, read: 5)
        #expect(hand.statistics.userTimed == 1 && hand.statistics.roundTrips.maximum == .ms(5))
    }
}
