import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

/// What timestamp replies tell of a remote clock, against the truth of the simulation.
@Suite struct ClockFitTests {
    private static let target = "10.0.9.9"

    /// A run of timestamp probes to a host with this clock.
    private struct Run {
        var sweep: EchoSweep
        var driver: Driver
        var replies: [EchoReply] = []
        var fit: ClockEstimate.Fit? { sweep.clocks[0].estimate?.fit }
    }

    private func run(
        _ network: String, clock: HostClock, count: UInt64 = 60, seed: UInt64 = 1, interval: Int64 = 1_000_618_034,
        wallOffset: Int64 = Ours.wallOffset, _ change: (inout Driver) -> Void = { _ in }
    ) throws -> Run {
        var scenario = try Ours.scenario(network)
        for index in scenario.targets.indices { scenario.targets[index].answers.clock = clock }
        var driver = Driver(scenario, seed: seed)
        driver.network.wallClockOffset = wallOffset
        driver.wallClock = { ($0.nanoseconds + wallOffset, 0) }
        change(&driver)
        var configuration = EchoSweep.Configuration(targets: [Ours.address(Self.target)])
        configuration.method = .icmpTimestamp
        configuration.count = count
        configuration.interval = TimeSpan(nanoseconds: interval)
        configuration.wallClockOffset = wallOffset
        var sweep = EchoSweep(configuration, start: .ms(0))
        var replies: [EchoReply] = []
        try driver.run(&sweep) { event, _ in if case .reply(let reply) = event { replies.append(reply) } }
        return Run(sweep: sweep, driver: driver, replies: replies)
    }

    /// The true offset when the last reply came.
    private func lastOffset(_ clock: HostClock, _ run: Run) throws -> Int64 {
        clock.offset(after: try #require(run.replies.last).arrival.nanoseconds)
    }

    private func holds(_ fit: ClockEstimate.Fit, _ clock: HostClock, _ offset: Int64) -> Bool {
        abs(fit.offset.nanoseconds - offset) <= fit.offsetUncertainty.nanoseconds
            && abs(fit.skew - clock.skew) <= fit.skewUncertainty
    }

    private static func network(_ forward: String, _ backward: String, target: String = "") -> String {
        """
        router r
        link source r delay \(forward) loss 3%
        return r hops 0 delay \(backward) duplicate 2%
        target 10.0.9.9 via r \(target)
        """
    }

    @Test("The stated intervals hold the true offset and skew, whatever the queues do")
    func truth() throws {
        var offsetRoom = 0.0
        for seed in 1...200 as ClosedRange<UInt64> {
            let chance = Int64(seed &* 0x9e37_79b9_7f4a_7c15 >> 33)
            let clock = HostClock(offset: (chance % 20_000_000_000) - 10_000_000_000, skew: chance % 400_001 - 200_000)
            let run = try run(Self.network("8ms+3ms", "25ms+12ms"), clock: clock, seed: seed)
            let fit = try #require(run.fit)
            #expect(holds(fit, clock, try lastOffset(clock, run)), "seed \(seed): \(fit)")
            #expect(run.sweep.clocks[0].restarts == 0 && run.sweep.clocks[0].tick == .ms(1))
            // No better than half a round trip, and not much worse.
            #expect(fit.offsetUncertainty.nanoseconds >= 16_000_000)
            offsetRoom += fit.offsetUncertainty.milliseconds
            #expect(run.sweep.statistics[0].received == fit.samples)
        }
        #expect(offsetRoom / 200 < 22)
    }

    @Test("A one-way delay that is known lies within what is said of it", arguments: [true, false])
    func delays(isForward: Bool) throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let clock = HostClock(offset: -77_123_456, skew: 35_000)
            let network = isForward ? Self.network("9ms", "2ms+4ms") : Self.network("2ms+4ms", "9ms")
            let run = try run(network, clock: clock, seed: seed)
            for reply in run.replies where reply.disposition == .inTime {
                let delays = try #require(reply.timestamps?.delays)
                let known = isForward ? delays.forward : delays.backward
                #expect(abs(known.nanoseconds - 9_000_000) <= delays.uncertainty.nanoseconds, "seed \(seed): \(reply)")
                #expect(abs((delays.forward + delays.backward).nanoseconds - reply.roundTrip.nanoseconds) <= 50_000)
            }
            // The direction that queues is told from the one that does not, to a tick or two, without any offset.
            let fit = try #require(run.fit)
            let (still, queued) =
                isForward
                ? (fit.forwardVariation, fit.backwardVariation) : (fit.backwardVariation, fit.forwardVariation)
            #expect(still.maximum.nanoseconds <= 2_000_000)
            #expect(queued.maximum.nanoseconds >= 8_000_000)
        }
    }

    @Test("Hours of replies leave neither skew in the variation nor more than a bounded memory of them")
    func longRun() throws {
        let clock = HostClock(offset: 3_000_000, skew: 61_000)
        let run = try run(Self.network("9ms", "12ms+4ms"), clock: clock, count: 3_000, interval: 2_000_618_034)
        let fit = try #require(run.fit)
        #expect(holds(fit, clock, try lastOffset(clock, run)) && fit.skewUncertainty < 5_000)
        #expect(run.sweep.clocks[0].restarts == 0 && fit.samples > 2_800)
        #expect(fit.forwardVariation.maximum.nanoseconds <= 2_000_000)
        #expect(fit.backwardVariation.maximum.nanoseconds >= 15_000_000)
    }

    @Test("Probes in all parts of a remote millisecond see through it on a short path")
    func belowTheTick() throws {
        let clock = HostClock(offset: 12_345_678, skew: -20_000)
        let run = try run(Self.network("20us", "20us"), clock: clock, count: 100)
        let fit = try #require(run.fit)
        #expect(holds(fit, clock, try lastOffset(clock, run)))
        #expect(fit.offsetUncertainty.nanoseconds < 60_000 && fit.carriesSkew && fit.skewUncertainty < 2_000)
    }

    @Test("One reply says half a round trip for both ways, and no skew")
    func oneReply() throws {
        let run = try run(Self.network("10ms", "30ms"), clock: HostClock(offset: 5_000_000_000), count: 1)
        let fit = try #require(run.fit)
        let delays = try #require(run.replies.first?.timestamps?.delays)
        #expect(abs(delays.forward.nanoseconds - 20_000_000) < 600_000)
        #expect(delays.uncertainty.nanoseconds >= 19_900_000 && delays.uncertainty.nanoseconds <= 20_000_001)
        #expect(!fit.carriesSkew && fit.forward.p50 == nil)
        #expect(abs(fit.offset.nanoseconds - 5_000_000_000) <= fit.offsetUncertainty.nanoseconds)
    }

    // MARK: Clocks that are not as RFC 792 says

    @Test("Midnight on either side changes nothing", arguments: [0, 3_000_000_000, -3_000_000_000, 39_600_000_000_000])
    func midnight(offset: Int64) throws {
        // Ten seconds before midnight.
        let wallOffset: Int64 = 1_795_046_390_000_000_000
        let clock = HostClock(offset: offset, skew: 50_000)
        let run = try run(Self.network("8ms+3ms", "25ms+12ms"), clock: clock, wallOffset: wallOffset)
        let fit = try #require(run.fit)
        #expect(holds(fit, clock, try lastOffset(clock, run)) && run.sweep.clocks[0].restarts == 0)
        let times = run.replies.compactMap { $0.timestamps?.receive.rawValue }
        if abs(offset) < 10_000_000_000 {
            #expect(times.contains { $0 > 86_000_000 } && times.contains { $0 < 100_000 })
        }
    }

    @Test("Octets in the wrong order are found out and put right")
    func littleEndian() throws {
        let clock = HostClock(offset: 41_000_000, skew: -9_000, form: .littleEndian)
        let run = try run(Self.network("8ms+3ms", "25ms+12ms"), clock: clock, count: 200)
        #expect(run.sweep.clocks[0].form == .littleEndian)
        let fit = try #require(run.fit)
        #expect(holds(fit, clock, try lastOffset(clock, run)))
    }

    @Test("Another form of time gives round trips and nothing else")
    func nonStandard() throws {
        let run = try run(Self.network("8ms", "9ms"), clock: HostClock(form: .nonStandard), count: 100)
        #expect(run.sweep.statistics[0].received > 90)
        let estimate = try #require(run.sweep.clocks[0].estimate)
        #expect(estimate.form == .nonStandard && estimate.fit == nil)
        #expect(run.replies.allSatisfy { $0.timestamps?.delays == nil || $0.timestamps?.form != .nonStandard })
    }

    @Test("Zeros are no midnight")
    func zeros() {
        var fit = ClockFit()
        let sample = ClockSample(sent: 1_795_000_000_000_000_000, received: 1_795_000_000_001_000_000)
        let zero = InternetTimestamp(rawValue: 0)
        #expect(fit.take(sample, receive: zero, transmit: zero).form == .nonStandard)
        #expect(fit.estimate?.fit == nil)
    }

    @Test("A clock with long ticks gives itself away", arguments: [4_000_000, 10_000_000, 15_625_000])
    func longTicks(tick: Int64) throws {
        let clock = HostClock(offset: 1_234_567_890, skew: 10_000, tick: tick)
        for seed in 1...20 as ClosedRange<UInt64> {
            let run = try run(Self.network("1ms+500us", "1ms+500us"), clock: clock, count: 300, seed: seed)
            let fit = try #require(run.fit)
            #expect(run.sweep.clocks[0].tick.nanoseconds >= tick, "seed \(seed)")
            #expect(holds(fit, clock, try lastOffset(clock, run)), "seed \(seed): \(fit)")
        }
    }

    // MARK: Clocks that are set

    /// Replies of a clock that is this far ahead, 10 ms there and back, a second apart.
    private func feed(
        _ fit: inout ClockFit, _ seconds: Range<Int64>, offset: Int64, ours: Int64 = 0, epoch: UInt32 = 0
    ) {
        for second in seconds {
            let sent = Ours.wallOffset + ours + second * 1_000_618_034
            let time = InternetTimestamp(nanoseconds: sent - ours + 10_000_000 + offset)
            let sample = ClockSample(sent: sent, received: sent + 20_000_000, epoch: epoch)
            _ = fit.take(sample, receive: time, transmit: time)
        }
    }

    @Test("A remote clock that is set is fitted anew")
    func remoteStep() throws {
        var fit = ClockFit()
        feed(&fit, 0..<100, offset: 500_000_000)
        feed(&fit, 100..<200, offset: 3_500_000_000)
        let estimate = try #require(fit.estimate)
        let line = try #require(estimate.fit)
        #expect(estimate.restarts == 1 && line.samples == 100 && estimate.tick == .ms(1))
        #expect(abs(line.offset.nanoseconds - 3_500_000_000) <= line.offsetUncertainty.nanoseconds)
    }

    @Test("Our own clock that is set starts a new line and is no fault of the remote one")
    func ownStep() throws {
        var fit = ClockFit()
        feed(&fit, 0..<100, offset: 500_000_000)
        feed(&fit, 100..<150, offset: 500_000_000, ours: 60_000_000_000, epoch: 1)
        let estimate = try #require(fit.estimate)
        let line = try #require(estimate.fit)
        #expect(estimate.restarts == 0 && line.samples == 50)
        #expect(abs(line.offset.nanoseconds + 59_500_000_000) <= line.offsetUncertainty.nanoseconds)
    }

    @Test("A clock that leaps on and on is never more than half a day away", arguments: [39_600, -39_600] as [Int64])
    func leaps(seconds: Int64) throws {
        var fit = ClockFit()
        for second in 0..<100 as Range<Int64> {
            feed(&fit, second..<second + 1, offset: (second + 1) * seconds * 1_000_000_000)
            let offset = try #require(fit.estimate?.fit).offset.nanoseconds
            #expect(abs(offset) <= 43_201_000_000_000)
        }
        #expect(fit.restarts >= 98)
    }

    @Test("Any values in any order neither trap nor grow")
    func anything() {
        var fit = ClockFit()
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<5_000 {
            let sent = Int64(truncatingIfNeeded: generator.next()) >> (generator.next() % 40)
            let sample = ClockSample(
                sent: sent / 4, received: Int64(truncatingIfNeeded: generator.next()) / 4,
                epoch: UInt32(generator.next() % 2))
            let receive = InternetTimestamp(
                rawValue: UInt32(truncatingIfNeeded: generator.next() >> (generator.next() % 64)))
            let transmit = InternetTimestamp(rawValue: UInt32(truncatingIfNeeded: generator.next() % 90_000_000))
            let result = fit.take(sample, receive: receive, transmit: transmit)
            if let delays = result.delays { #expect(delays.uncertainty >= .zero && delays.forward >= .zero) }
            _ = fit.estimate
        }
    }

    @Test("Without the kernel's stamps nothing is fitted")
    func unstamped() throws {
        let run = try run(Self.network("8ms", "9ms"), clock: HostClock(), count: 5) { $0.sendStamps = .never }
        #expect(run.sweep.statistics[0].received > 0)
        #expect(run.sweep.clocks[0].estimate?.fit == nil && run.sweep.clocks[0].estimate?.form == .standard)
    }

    // MARK: What counts as what

    @Test(
        "A timestamp reply that is not as it should be counts as what it is",
        arguments: [
            ("", 20, 0, 0, 0), ("hostile wrong-source", 0, 0, 20, 0), ("hostile wrong-checksum", 0, 20, 0, 0),
            ("hostile truncated", 0, 20, 0, 0), ("hostile overlong", 0, 20, 0, 0), ("hostile empty", 0, 20, 0, 0),
            ("hostile unknown-sequence", 0, 0, 0, 20), ("hostile wrong-identifier", 0, 0, 0, 20),
            ("hostile other-code", 0, 0, 0, 20), ("hostile forged-time", 0, 0, 0, 20), ("no-echo", 20, 0, 0, 0),
        ] as [(String, UInt64, UInt64, UInt64, UInt64)])
    func oddities(_ word: String, received: UInt64, corrupted: UInt64, wrongSource: UInt64, foreign: UInt64) throws {
        let text = "router r\nlink source r delay 2ms\ntarget 10.0.9.9 via r \(word)"
        let run = try run(text, clock: HostClock(), count: 20, interval: 100_000_000)
        let statistics = run.sweep.statistics[0]
        #expect(statistics.received == received && statistics.corrupted == corrupted)
        #expect(statistics.wrongSource == wrongSource)
        #expect(UInt64(run.driver.unmatched) + run.sweep.unsolicited == foreign)
        #expect(statistics.lost == 20 - received)
        #expect(run.sweep.clocks[0].estimate?.fit?.samples ?? 0 == received)
    }

    @Test("Duplicates and late replies keep their names, and a late one still teaches the fit")
    func lateAndTwice() throws {
        let network = "router r\nlink source r delay 2ms\ntarget 10.0.9.9 via r hostile late 3s 50% hostile duplicate 2"
        let run = try run(network, clock: HostClock(offset: 9_000_000), count: 40)
        let statistics = run.sweep.statistics[0]
        #expect(statistics.late > 5 && statistics.received > 5 && statistics.late + statistics.received == 40)
        #expect(statistics.duplicates > 40)
        let fit = try #require(run.fit)
        #expect(fit.samples == 40)
        #expect(run.replies.allSatisfy { ($0.timestamps == nil) == ($0.disposition == .duplicate) })
    }

    @Test("An ICMP error about a timestamp request is an error of its probe")
    func errors() throws {
        let run = try run(
            "router r\nlink source r\ntarget 10.0.9.9 via r unreachable admin", clock: HostClock(), count: 5)
        #expect(run.sweep.statistics[0].errors == 5 && run.sweep.unsolicited == 0)
        #expect(run.sweep.clocks[0].estimate == nil)
    }

    @Test("A reply to another moment than ours is nobody's")
    func originate() throws {
        var configuration = EchoSweep.Configuration(targets: [Ours.address(Self.target)])
        configuration.method = .icmpTimestamp
        configuration.wallClockOffset = Ours.wallOffset
        configuration.wantsKernelStamps = false
        var sweep = EchoSweep(configuration, start: .ms(0))
        let next = sweep.nextTransmit(at: .ms(0))
        let transmit = try #require(next)
        // 2026-11-18 11:06:40 UTC.
        #expect(transmit.probe.originate.rawValue == 40_000_000)
        sweep.didSend(transmit.id, at: Stamp(nanoseconds: Ours.wallOffset, clock: .user))
        func answer(_ originate: UInt32) -> Response {
            let time = InternetTimestamp(rawValue: 40_000_010)
            return Response(
                probe: transmit.id,
                kind: .timestampReply(
                    originate: InternetTimestamp(rawValue: originate), receive: time, transmit: time),
                responder: Ours.address(Self.target), byteCount: 20, stamp: Stamp(nanoseconds: 0, clock: .user),
                arrival: .ms(20))
        }
        sweep.receive(answer(40_000_010))
        #expect(sweep.unsolicited == 1 && sweep.statistics[0].received == 0)
        sweep.receive(answer(40_000_000))
        #expect(sweep.statistics[0].received == 1)
    }

    // MARK: Bytes

    @Test("A timestamp request is twenty octets with the time of day, whatever the payload was to be")
    func bytes() throws {
        var probe = Probe(destination: Ours.address(Self.target), method: .icmpTimestamp)
        probe.originate = InternetTimestamp(rawValue: 0x0102_0304)
        let packet = Ours.packet(
            Transmit(id: ProbeID(rawValue: 0x1_0007), probe: probe), ProbeCodec(identity: Ours.identity))
        #expect(packet.count == 40)
        #expect(Array(packet[20..<22]) == [13, 0] && Array(packet[24..<28]) == [0x4d, 0, 0, 7])
        #expect(Array(packet[28...]) == [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(InternetChecksum.of(packet.bytes.extracting(20..<40)) == 0)
    }
}
