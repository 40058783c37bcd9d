import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// What a sweep told of, by target.
private struct Told {
    var alive: [UInt32: HostAnswer] = [:]
    var unreachable: [UInt32: HostSilence] = [:]
    var unasked: [UInt32: HostRefusal] = [:]
    var errors: [HostError] = []
    var late: [HostAnswer] = []
    var duplicates: [HostAnswer] = []
    var corrupted: [HostAnswer] = []
    var wrongSource: [HostAnswer] = []
    /// Targets that were decided more than once.
    var again: [UInt32] = []

    mutating func take(_ event: HostSweepEvent) {
        switch event {
        case .alive(let answer):
            decide(answer.target)
            alive[answer.target] = answer
        case .unreachable(let silence):
            decide(silence.target)
            unreachable[silence.target] = silence
        case .unasked(let refusal):
            decide(refusal.target)
            unasked[refusal.target] = refusal
        case .late(let answer): late.append(answer)
        case .duplicate(let answer): duplicates.append(answer)
        case .corrupted(let answer): corrupted.append(answer)
        case .wrongSource(let answer): wrongSource.append(answer)
        case .error(let error): errors.append(error)
        }
    }

    private mutating func decide(_ target: UInt32) {
        if alive[target] != nil || unreachable[target] != nil || unasked[target] != nil { again.append(target) }
    }

    /// Whether the counters say what was told.
    func matches(_ counters: HostSweep.Counters) -> Bool {
        again.isEmpty && counters.alive == alive.count && counters.unreachable == unreachable.count
            && counters.unasked == unasked.count && counters.duplicates == duplicates.count
            && counters.corrupted == corrupted.count && counters.wrongSource == wrongSource.count
            && counters.targets == counters.alive + counters.unreachable + counters.unasked + counters.remaining
    }
}

private func space(_ texts: String...) throws -> TargetSpace {
    var space = TargetSpace()
    for text in texts {
        if let prefix = IPPrefix(text) { try space.append(prefix) } else { try space.append(Ours.address(text)) }
    }
    return space
}

/// A configuration whose probes go every millisecond and are waited for as long as twenty.
private func configuration(_ space: TargetSpace, retries: Int = 1) -> HostSweep.Configuration {
    var configuration = HostSweep.Configuration(space)
    configuration.retries = retries
    configuration.timeout = .ms(20)
    return configuration
}

extension Driver {
    /// Who answered at all.
    fileprivate var answered: Set<IPAddress> {
        Set(zip(network.truth.packets, destinations).filter { !$0.0.isUnanswered }.map(\.1))
    }

    fileprivate mutating func run(_ sweep: inout HostSweep) throws -> Told {
        var told = Told()
        try run(&sweep) { event, _ in told.take(event) }
        return told
    }
}

@Suite struct HostSweepTests {
    private static let whole = "target 10.0.9.0/24 via source delay 1ms"

    // MARK: Who is up

    @Test("Each live address is alive and each other unreachable, whatever is lost", arguments: 0..<8 as Range<UInt64>)
    func halfAlive(seed: UInt64) throws {
        let text = """
            router r delay 1ms
            path source r
            target 10.0.9.0/24 fd00:9::/120 via r delay 1ms+500us live 50%
            """
        let network = seed % 2 == 0 ? "10.0.9.0/24" : "fd00:9::/120"
        var driver = Driver(try Ours.scenario(text), seed: seed)
        driver.batch = seed < 4 ? 1 : 32
        var sweep = HostSweep(configuration(try space(network), retries: 2), start: .ms(0))
        let told = try driver.run(&sweep)
        let answered = driver.answered
        #expect(Set(told.alive.values.map(\.address)) == answered)
        #expect(told.matches(sweep.counters) && sweep.remaining == 0)
        #expect(sweep.counters.alive > 80 && sweep.counters.unreachable > 80)
        #expect(sweep.counters.transmitted == sweep.counters.alive + 3 * sweep.counters.unreachable)
        #expect(sweep.counters.retried == 2 * sweep.counters.unreachable)
        #expect(told.unreachable.values.allSatisfy { $0.attempt == 2 && $0.error == nil && $0.failure == nil })
        #expect(told.alive.values.allSatisfy { $0.address == $0.responder && $0.attempt == 0 })
        #expect(sweep.roundTrips.count == sweep.counters.received && driver.unmatched == 0)
    }

    @Test("A lossy line costs retries, and no target that answers at all is called unreachable")
    func lossyLine() throws {
        var driver = Driver(try Ours.scenario(Self.whole + " loss 30%"), seed: 3)
        var sweep = HostSweep(configuration(try space("10.0.9.0/24"), retries: 1), start: .ms(0))
        let told = try driver.run(&sweep)
        let answered = driver.answered
        #expect(Set(told.alive.values.map(\.address)) == answered)
        #expect(told.alive.values.contains { $0.attempt == 1 } && !told.unreachable.isEmpty)
        #expect(sweep.counters.received == sweep.counters.alive && told.matches(sweep.counters))
    }

    @Test("The answer to each retry is waited for longer", arguments: [1.0, 1.5, 2, 0.1, .nan, .infinity])
    func backoff(factor: Double) throws {
        var configuration = configuration(try space("10.0.9.9"), retries: 3)
        configuration.backoff = factor
        var sweep = HostSweep(configuration, start: .ms(0))
        var sent: [Timestamp] = []
        var now = Timestamp.ms(0)
        // A day is the longest.
        while case .at(let instant) = sweep.schedule, sent.count < 10 {
            now = max(now, instant)
            sweep.advance(to: now)
            while let transmit = sweep.nextTransmit(at: now) {
                sent.append(now)
                sweep.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
            }
        }
        let waits = zip(sent, sent.dropFirst()).map { ($1 - $0).nanoseconds }
        let kept = factor >= 1 ? factor : 1
        var expected: [Int64] = [20_000_000]
        for _ in 0..<3 { expected.append(Int64(min(Double(expected[expected.count - 1]) * kept, 86_400e9))) }
        #expect(waits == Array(expected.prefix(3)))
        #expect((now - sent[3]).nanoseconds == expected[3] && sweep.counters.unreachable == 1)
    }

    @Test("A late answer to the first probe finds its target alive while the second is waited for")
    func lateButAlive() throws {
        var driver = Driver(try Ours.scenario("target 10.0.9.9 via source delay 15ms"))
        var sweep = HostSweep(configuration(try space("10.0.9.9")), start: .ms(0))
        let told = try driver.run(&sweep)
        #expect(told.alive[0]?.disposition == .late && told.alive[0]?.attempt == 0)
        #expect(told.alive[0]?.roundTrip == .ms(30) && told.matches(sweep.counters))
        #expect(sweep.counters.late == 1 && sweep.counters.received == 0 && sweep.counters.transmitted == 2)
    }

    @Test("An answer behind the decision is told of as late and changes nothing")
    func lateAndDecided() throws {
        var driver = Driver(
            try Ours.scenario("target 10.0.9.9 via source delay 15ms\ntarget 10.0.9.10 via source silent"))
        // Somebody else is waited for meanwhile.
        var slow = configuration(try space("10.0.9.9", "10.0.9.10"), retries: 0)
        slow.rate = 50
        var sweep = HostSweep(slow, start: .ms(0))
        let told = try driver.run(&sweep)
        #expect(told.unreachable.count == 2 && told.alive.isEmpty && told.late.count == 1)
        #expect(told.late.first?.target == 0 && told.late.first?.roundTrip == .ms(30))
        #expect(sweep.counters.late == 1 && told.matches(sweep.counters))
    }

    // MARK: What answers are

    /// What a target does, and how its probes count. All counters follow: one probe where it is decided at once, else two.
    struct Scene: CustomTestStringConvertible, Sendable {
        var target: String
        var method = ProbeMethod.icmpEcho
        var rung = Driver.Rung.raw
        var isAlive = false
        var probes: UInt64 = 64
        var change: @Sendable (inout HostSweep.Counters) -> Void

        var testDescription: String { "\(target) asked by \(method)" }
    }

    private static let udp = ProbeMethod.udp(destinationPort: 33_434)
    private static let scenes = [
        Scene(target: "", isAlive: true) { $0.received = 64 },
        Scene(target: "silent", probes: 128) { _ in },
        Scene(target: "hostile duplicate 3 100%", isAlive: true) {
            $0.received = 64
            $0.duplicates = 192
        },
        Scene(target: "hostile wrong-source 100%", probes: 128) { $0.wrongSource = 128 },
        Scene(target: "hostile wrong-checksum 100%", probes: 128) { $0.corrupted = 128 },
        Scene(target: "hostile truncated 100%", probes: 128) { $0.corrupted = 128 },
        Scene(target: "hostile overlong 100%", probes: 128) { $0.corrupted = 128 },
        Scene(target: "hostile unknown-sequence 100%", probes: 128) { _ in },
        Scene(target: "hostile wrong-identifier 100%", probes: 128) { _ in },
        Scene(target: "hostile forged-time 100%", probes: 128) { _ in },
        Scene(target: "unreachable host") { $0.errors = 64 },
        Scene(target: "unreachable admin", method: udp) { $0.errors = 64 },
        Scene(target: "unreachable admin", method: udp, rung: .udpSocket) { $0.errors = 64 },
        Scene(target: "", method: udp, isAlive: true) { $0.received = 64 },
        Scene(target: "quote 28", method: udp, rung: .udpSocket, isAlive: true) { $0.received = 64 },
        Scene(target: "udp 33434 echo", method: udp, rung: .udpSocket, isAlive: true) { $0.received = 64 },
        Scene(target: "clock 5ms", method: .icmpTimestamp, isAlive: true) { $0.received = 64 },
    ]

    @Test("What a target does counts as what it is", arguments: scenes)
    func scene(scene: Scene) throws {
        var driver = Driver(
            try Ours.scenario(
                "router r 10.0.1.1\npath source r\ntarget 10.0.9.64/26 via r delay 1ms \(scene.target)"))
        driver.rung = scene.rung
        var targets = TargetSpace()
        let range = try #require(
            IPAddressRange(first: Ours.address("10.0.9.64"), last: Ours.address("10.0.9.127")))
        try targets.append(range)
        var configuration = configuration(targets)
        configuration.method = scene.method
        configuration.wallClockOffset = Ours.wallOffset
        var sweep = HostSweep(configuration, start: .ms(0))
        let told = try driver.run(&sweep)
        var expected = HostSweep.Counters()
        expected.targets = 64
        expected.alive = scene.isAlive ? 64 : 0
        expected.unreachable = scene.isAlive ? 0 : 64
        expected.transmitted = scene.probes
        expected.retried = scene.probes - 64
        scene.change(&expected)
        var counters = sweep.counters
        counters.unsolicited = 0
        #expect(counters == expected && told.matches(counters))
    }

    @Test("An ICMP error is told of and ends the asking, unless it shall go on", arguments: [false, true])
    func errors(keepsAsking: Bool) throws {
        let text = """
            router r 10.0.1.1 delay 1ms
            path source r
            target 10.0.9.9 via r delay 1ms unreachable host
            """
        var driver = Driver(try Ours.scenario(text))
        var configuration = configuration(try space("10.0.9.9"), retries: 2)
        configuration.keepsAskingAfterErrors = keepsAsking
        var sweep = HostSweep(configuration, start: .ms(0))
        let told = try driver.run(&sweep)
        #expect(told.errors.count == (keepsAsking ? 3 : 1) && told.errors.allSatisfy(\.isConclusive))
        #expect(told.errors.map(\.attempt) == Array(0..<told.errors.count))
        #expect((told.unreachable[0]?.error == nil) == keepsAsking && sweep.counters.unreachable == 1)
        #expect(
            sweep.counters.errors == UInt64(told.errors.count) && sweep.counters.transmitted == sweep.counters.errors)
    }

    @Test(
        "Routers that tell of few of the dead change nothing but how soon that is known",
        arguments: 0..<4 as Range<UInt64>)
    func limitedErrors(seed: UInt64) throws {
        let text = """
            router r 10.0.1.1 delay 1ms limit 20/s burst 6
            path source r
            target 10.0.9.0/24 via r delay 1ms live 50% dead host
            """
        var driver = Driver(try Ours.scenario(text), seed: seed)
        var sweep = HostSweep(configuration(try space("10.0.9.0/24")), start: .ms(0))
        let told = try driver.run(&sweep)
        let packets = zip(driver.network.truth.packets, driver.destinations)
        let living = Set(packets.filter { $0.0.deliveries.contains { !$0.isError } }.map(\.1))
        #expect(Set(told.alive.values.map(\.address)) == living && told.matches(sweep.counters))
        let named = told.unreachable.values.filter { $0.error != nil }
        #expect(named.count > 5 && named.count < told.unreachable.count && sweep.remaining == 0)
        #expect(named.allSatisfy { $0.error?.responder == Ours.address("10.0.1.1") })
    }

    @Test("An answer from another address counts where that was asked for")
    func anyone() throws {
        var driver = Driver(try Ours.scenario("target 10.0.9.9 via source delay 2ms hostile wrong-source 100%"))
        var configuration = configuration(try space("10.0.9.9"))
        configuration.takesAnswersFromAnyone = true
        var sweep = HostSweep(configuration, start: .ms(0))
        let told = try driver.run(&sweep)
        let answer = try #require(told.alive[0])
        #expect(answer.responder != answer.address && sweep.counters.wrongSource == 0)
    }

    @Test("Errors that name no probe are about the only one on its way there")
    func namelessErrors() throws {
        var configuration = configuration(try space("10.0.9.8", "10.0.9.9", "10.0.9.9"), retries: 0)
        configuration.method = Self.udp
        configuration.rate = nil
        var sweep = HostSweep(configuration, start: .ms(0))
        for transmit in sweep.taken(at: .ms(0)) { sweep.didSend(transmit.id, at: Self.stamp(0)) }
        func error(_ text: String) -> Response {
            Response(
                probe: nil, kind: .icmpError(type: ICMPType.V4.destinationUnreachable, code: 3, info: 0),
                responder: Ours.address(text), quotedDestination: Ours.address(text), stamp: Self.stamp(1),
                arrival: .ms(1))
        }
        for text in ["10.0.9.7", "10.0.9.8", "10.0.9.8", "10.0.9.9"] { sweep.receive(error(text)) }
        // Two are on their way to the last one, nobody asked the first, and the second was answered the first time.
        #expect(sweep.counters.alive == 1 && sweep.counters.unsolicited == 3 && sweep.counters.duplicates == 0)
    }

    // MARK: What this host does

    private static func stamp(_ milliseconds: Int64) -> Stamp {
        Stamp(nanoseconds: Ours.wallOffset + milliseconds * 1_000_000, clock: .user)
    }

    private static func reply(_ id: ProbeID, from text: String, at milliseconds: Int64) -> Response {
        Response(
            probe: id, kind: .echoReply, responder: Ours.address(text), byteCount: 64, stamp: stamp(milliseconds),
            arrival: .ms(milliseconds))
    }

    @Test("A full queue slows the pace and loses nothing", arguments: [1, 32])
    func fullQueue(batch: Int) throws {
        var driver = Driver(try Ours.scenario(Self.whole), seed: 3)
        driver.batch = batch
        driver.refusal = { _, now in now.nanoseconds / 1_000_000 % 50 < 5 ? .retryLater : nil }
        var configuration = configuration(try space("10.0.9.0/24"), retries: 0)
        configuration.rate = 2_000
        var sweep = HostSweep(configuration, start: .ms(0))
        let told = try driver.run(&sweep)
        #expect(sweep.counters.alive == 254 && sweep.counters.transmitted == 254 && sweep.counters.unsent == 0)
        #expect(sweep.counters.retried == 0 && told.matches(sweep.counters))
        // 127 ms without the slowing down.
        #expect(driver.now > .ms(160))
    }

    @Test("What the kernel refuses for good is decided at once, and differs from silence")
    func refusals() throws {
        var driver = Driver(try Ours.scenario("target 10.0.9.0/24 via source silent"))
        let failure = SendFailure.failed(code: 101, name: "ENETUNREACH")
        driver.refusal = { transmit, now in
            transmit.probe.destination == Ours.address("10.0.9.1") || now >= .ms(15) ? failure : nil
        }
        var sweep = HostSweep(configuration(try space("10.0.9.1", "10.0.9.2")), start: .ms(0))
        let told = try driver.run(&sweep)
        #expect(told.unasked[0]?.failure == failure && told.unreachable[1]?.failure == failure)
        #expect(sweep.counters.unsent == 2 && sweep.counters.unasked == 1 && sweep.counters.transmitted == 1)
        #expect(sweep.counters.retried == 0 && told.matches(sweep.counters))
    }

    @Test("A queue that stays full ends in refusals, not in a sweep without end")
    func queueFullForEver() throws {
        var driver = Driver(try Ours.scenario("target 10.0.9.0/24 via source"))
        driver.refusal = { _, _ in .retryLater }
        var sweep = HostSweep(configuration(try space("10.0.9.0/24")), start: .ms(0))
        let told = try driver.run(&sweep)
        #expect(sweep.counters.unasked == 254 && sweep.counters.transmitted == 0 && told.matches(sweep.counters))
        #expect(driver.now < .ms(10_000))
    }

    @Test(
        "What was on its way while this host dropped packets, or slept, is asked again for nothing", arguments: [0, 1])
    func unheard(retries: Int) throws {
        var sweep = HostSweep(configuration(try space("10.0.9.1", "10.0.9.2"), retries: retries), start: .ms(0))
        var sent: [Int64: [IPAddress]] = [:]
        var time: Int64 = 0
        while sweep.schedule != .finished, time < 10_000 {
            sweep.advance(to: .ms(time))
            for transmit in sweep.taken(at: .ms(time)) {
                sent[time, default: []].append(transmit.probe.destination)
                sweep.didSend(transmit.id, at: Self.stamp(time))
            }
            if time == 10 { sweep.didDrop(3, at: .ms(10)) }
            if time == 30 { sweep.awoke(at: .ms(30)) }
            time += 1
        }
        let rounds = 3 + retries
        #expect(sweep.counters.transmitted == 2 * UInt64(rounds) && sweep.counters.repeated == 4)
        #expect(sweep.counters.retried == 2 * UInt64(retries) && sweep.counters.unreachable == 2)
        #expect(sweep.counters.droppedHere == 3 && sent.values.reduce(0) { $0 + $1.count } == 2 * rounds)
    }

    @Test("Packets dropped all the time do not keep a sweep from its end")
    func dropsForEver() throws {
        var sweep = HostSweep(configuration(try space("10.0.9.0/29")), start: .ms(0))
        var time: Int64 = 0
        while sweep.schedule != .finished, time < 10_000 {
            sweep.advance(to: .ms(time))
            for transmit in sweep.taken(at: .ms(time)) { sweep.didSend(transmit.id, at: Self.stamp(time)) }
            sweep.didDrop(1, at: .ms(time))
            time += 1
        }
        #expect(sweep.schedule == .finished && sweep.counters.unreachable == 6)
        #expect(sweep.counters.repeated == 6 * 8 && sweep.counters.retried == 6)
    }

    @Test("The rate holds, and bursts make up for late wake-ups only", arguments: [100.0, 3_000, 250_000])
    func rate(_ rate: Double) throws {
        var driver = Driver(try Ours.scenario("target 10.0.0.0/16 via source delay 1ms"), seed: 1)
        driver.lateness = { $0.nanoseconds % 7 == 0 ? .ms(3) : .microseconds(20) }
        let count = UInt32(min(60_000, rate))
        var targets = TargetSpace()
        let range = try #require(
            IPAddressRange(
                first: Ours.address("10.0.0.2"),
                last: .v4(IPv4Address(rawValue: IPv4Address(10, 0, 0, 1).rawValue + count))))
        try targets.append(range)
        var configuration = configuration(targets)
        configuration.rate = rate
        configuration.reports = []
        var sweep = HostSweep(configuration, start: .ms(0))
        let told = try driver.run(&sweep)
        #expect(
            told.alive.isEmpty && sweep.counters.transmitted == UInt64(count) && sweep.counters.alive == UInt64(count))
        for (index, time) in driver.times.enumerated() {
            let due = Double(index) / rate * 1e9
            guard Double(time.nanoseconds) >= due - 1, Double(time.nanoseconds) < due + 10_000_000 else {
                Issue.record("probe \(index) went at \(time.nanoseconds), was due at \(due)")
                return
            }
        }
    }

    @Test("What was due for long is not sent in a burst")
    func longPause() throws {
        var sweep = HostSweep(configuration(try space("10.0.0.0/16")), start: .ms(0))
        sweep.advance(to: .ms(0))
        #expect(sweep.taken(at: .ms(0)).count == 1)
        var burst = 0
        for _ in 0..<10 {
            sweep.advance(to: .ms(5_000))
            burst += sweep.taken(at: .ms(5_000)).count
        }
        #expect(burst == 11)
    }

    // MARK: The way through the targets

    @Test("Stopped in the middle, the counters are right, and another sweep goes on where it was", arguments: 0..<6)
    func resume(run: Int) throws {
        let text = "target 10.0.9.0/24 via source delay 5ms live 50% loss 20%"
        var driver = Driver(try Ours.scenario(text), seed: 7)
        driver.stop = .ms(Int64(run) * 50 + 17)
        var configuration = configuration(try space("10.0.9.0/24"))
        if run % 2 == 1 { configuration.order = TargetPermutation(count: 254, seed: 9) }
        if run % 3 == 2, let shard = Shard(1, of: 3) { configuration.shard = shard }
        var first = HostSweep(configuration, start: .ms(0))
        let toldFirst = try driver.run(&first)
        #expect(first.schedule == .finished && toldFirst.matches(first.counters))
        let position = first.position
        #expect(Set(position.undecided).isDisjoint(with: Set(toldFirst.alive.keys).union(toldFirst.unreachable.keys)))

        configuration.resume = position
        var again = Driver(try Ours.scenario(text), seed: 8)
        var second = HostSweep(configuration, start: .ms(0))
        #expect(second.counters.targets == first.remaining)
        let toldSecond = try again.run(&second)
        #expect(second.remaining == 0 && toldSecond.matches(second.counters))
        let decided =
            Array(toldFirst.alive.keys) + Array(toldFirst.unreachable.keys)
            + Array(toldSecond.alive.keys) + Array(toldSecond.unreachable.keys)
        #expect(decided.count == Int(first.counters.targets) && Set(decided).count == decided.count)
    }

    @Test("Shards ask each target once, together", arguments: [1, 3, 7] as [UInt32], [nil, 5] as [UInt64?])
    func shards(total: UInt32, seed: UInt64?) throws {
        var asked: [UInt32] = []
        for index in 0..<total {
            var driver = Driver(try Ours.scenario(Self.whole), seed: 1)
            var configuration = configuration(try space("10.0.9.0/24"))
            configuration.order = seed.map { TargetPermutation(count: 254, seed: $0) }
            configuration.shard = try #require(Shard(index, of: total))
            var sweep = HostSweep(configuration, start: .ms(0))
            let told = try driver.run(&sweep)
            #expect(sweep.counters.targets == UInt64(told.alive.count))
            asked += told.alive.keys
        }
        #expect(asked.sorted() == Array(0..<254))
    }

    @Test("Targets may come while it runs")
    func streaming() throws {
        var configuration = configuration(TargetSpace())
        configuration.isOpen = true
        var sweep = HostSweep(configuration, start: .ms(0))
        #expect(sweep.schedule == .waitingForInput && sweep.backlog == 0)
        sweep.apply(.append(Ours.address("10.0.9.1")), at: .ms(5))
        #expect(sweep.schedule == .at(.ms(0)) && sweep.backlog == 1)
        sweep.advance(to: .ms(5))
        let next = sweep.nextTransmit(at: .ms(5))
        let first = try #require(next)
        sweep.didSend(first.id, at: Self.stamp(5))
        sweep.receive(Self.reply(first.id, from: "10.0.9.1", at: 6))
        #expect(sweep.schedule == .waitingForInput && sweep.counters.alive == 1)
        let range = try #require(IPAddressRange(first: Ours.address("10.0.9.2"), last: Ours.address("10.0.9.4")))
        sweep.apply(.appendRange(range), at: .ms(7))
        sweep.apply(.close, at: .ms(7))
        sweep.apply(.append(Ours.address("10.0.9.5")), at: .ms(8))
        #expect(sweep.counters.overflow == 1 && sweep.backlog == 3 && sweep.counters.targets == 4)
        var driver = Driver(try Ours.scenario(Self.whole))
        let told = try driver.run(&sweep)
        #expect(told.alive.keys.sorted() == [0, 1, 2, 3] && sweep.remaining == 0)
    }

    // MARK: Hostile input and size

    @Test("Answers to what was never sent, or not yet, and replays change nothing")
    func hostile() throws {
        var configuration = configuration(try space("10.0.9.0/24"))
        configuration.rate = nil
        var sweep = HostSweep(configuration, start: .ms(0))
        for id in [0, 1, 2, 77, UInt64.max] {
            sweep.receive(Self.reply(ProbeID(rawValue: id), from: "10.0.9.1", at: 0))
            sweep.didSend(ProbeID(rawValue: id), at: Self.stamp(0))
            sweep.didNotSend(ProbeID(rawValue: id), .retryLater, at: .ms(0))
        }
        #expect(sweep.counters.unsolicited == 5 && sweep.counters.transmitted == 0)
        let next = sweep.nextTransmit(at: .ms(0))
        let transmit = try #require(next)
        sweep.receive(Self.reply(transmit.id, from: "10.0.9.1", at: 0))
        #expect(sweep.counters.unsolicited == 6 && sweep.counters.alive == 0)
        sweep.didSend(transmit.id, at: Self.stamp(0))
        sweep.didSend(transmit.id, at: Self.stamp(0))
        for _ in 0..<1_000 { sweep.receive(Self.reply(transmit.id, from: "10.0.9.1", at: 1)) }
        sweep.didNotSend(transmit.id, .retryLater, at: .ms(1))
        #expect(sweep.counters.transmitted == 1 && sweep.counters.received == 1 && sweep.counters.alive == 1)
        #expect(sweep.counters.duplicates == 999)
    }

    @Test("Whatever comes in whatever order, each target is decided once", arguments: 0..<200 as Range<UInt64>)
    func anyOrder(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var configuration = configuration(try space("10.0.9.0/26"), retries: Int(seed % 4))
        configuration.backoff = seed % 3 == 0 ? 1.7 : 1
        configuration.rate = seed % 2 == 0 ? nil : 5_000
        configuration.keepsAskingAfterErrors = seed % 5 == 0
        var sweep = HostSweep(configuration, start: .ms(0), recordCapacity: seed % 2 == 0 ? 16 : 256)
        var told = Told()
        var ids: [Transmit] = []
        var time: Int64 = 0
        while sweep.schedule != .finished, time < 100_000 {
            let now = Timestamp.ms(time)
            sweep.advance(to: now)
            for transmit in sweep.taken(at: now, limit: Int(generator.next() % 8)) {
                ids.append(transmit)
                switch generator.next() % 8 {
                case 0: sweep.didNotSend(transmit.id, .retryLater, at: now)
                case 1: sweep.didNotSend(transmit.id, .failed(code: 1, name: "EPERM"), at: now)
                default: sweep.didSend(transmit.id, at: Self.stamp(time))
                }
            }
            for _ in 0..<generator.next() % 4 where !ids.isEmpty {
                let transmit = ids[Int(generator.next() % UInt64(ids.count))]
                var response = Self.reply(transmit.id, from: "10.0.9.1", at: time)
                response.responder = generator.next() % 4 == 0 ? Ours.address("10.0.1.1") : transmit.probe.destination
                if generator.next() % 3 == 0 {
                    response.kind = .icmpError(
                        type: ICMPType(rawValue: generator.next() % 2 == 0 ? 3 : 5), code: 1, info: 0)
                    response.quotedDestination = transmit.probe.destination
                }
                sweep.receive(response)
            }
            if generator.next() % 16 == 0 { sweep.didDrop(1, at: now) }
            while let event = sweep.nextEvent() { told.take(event) }
            time += Int64(generator.next() % 12)
        }
        #expect(sweep.schedule == .finished && sweep.remaining == 0 && told.matches(sweep.counters))
        #expect(told.alive.count + told.unreachable.count + told.unasked.count == 62)
        #expect(sweep.recordCapacity <= 256 && sweep.position.undecided.isEmpty)
    }

    @Test("A ring full of silence waits, and loses no target")
    func smallRing() throws {
        var driver = Driver(try Ours.scenario("target 10.0.9.0/24 via source delay 1ms live 50%"), seed: 2)
        var configuration = configuration(try space("10.0.9.0/24"), retries: 2)
        configuration.rate = nil
        var sweep = HostSweep(configuration, start: .ms(0), recordCapacity: 16)
        let told = try driver.run(&sweep)
        #expect(sweep.remaining == 0 && told.matches(sweep.counters) && sweep.recordCapacity == 16)
        let answered = driver.answered
        #expect(Set(told.alive.values.map(\.address)) == answered)
    }

    @Test("A million targets take the memory of the probes of two timeouts")
    func million() throws {
        var configuration = configuration(try space("10.0.0.0/12"), retries: 1)
        configuration.rate = 100_000
        configuration.reports = []
        configuration.order = TargetPermutation(count: 1_048_574, seed: 1)
        var sweep = HostSweep(configuration, start: .ms(0))
        var waiting: [(id: ProbeID, address: IPAddress)] = []
        var time: Int64 = 0
        while sweep.schedule != .finished, time < 100_000 {
            let now = Timestamp.ms(time)
            for answer in waiting {
                sweep.receive(
                    Response(
                        probe: answer.id, kind: .echoReply, responder: answer.address, byteCount: 64,
                        stamp: Self.stamp(time), arrival: now))
            }
            waiting.removeAll(keepingCapacity: true)
            for _ in 0..<4 {
                sweep.advance(to: now)
                for transmit in sweep.taken(at: now) {
                    sweep.didSend(transmit.id, at: Self.stamp(time))
                    // Half of them are silent.
                    guard case .v4(let address) = transmit.probe.destination, address.rawValue & 1 == 0 else {
                        continue
                    }
                    waiting.append((transmit.id, transmit.probe.destination))
                }
            }
            time += 1
        }
        #expect(sweep.counters.alive == 524_287 && sweep.counters.unreachable == 524_287)
        #expect(sweep.counters.transmitted == 524_287 * 3 && sweep.remaining == 0)
        // 100,000 a second for 40 ms are 4,000.
        #expect(sweep.recordCapacity <= 8_192 && MemoryLayout<HostRecord>.stride == 32)
    }
}

extension HostSweep {
    /// What it has to send now.
    fileprivate mutating func taken(at now: Timestamp, limit: Int = .max) -> [Transmit] {
        var taken: [Transmit] = []
        while taken.count < limit, let transmit = nextTransmit(at: now) { taken.append(transmit) }
        return taken
    }
}
