import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

/// What the counters must be, by what the simulator knows.
private struct Expected: Equatable {
    var transmitted: UInt64 = 0
    var received: UInt64 = 0
    var late: UInt64 = 0
    var errors: UInt64 = 0
    var duplicates: UInt64 = 0
    var corrupted: UInt64 = 0
    var wrongSource: UInt64 = 0
    var reordered: UInt64 = 0
    var lost: UInt64 = 0
    /// What reached the host and must count as nobody's.
    var foreign = 0

    init() {}

    init(_ statistics: EchoStatistics, foreign: Int) {
        transmitted = statistics.transmitted
        received = statistics.received
        late = statistics.late
        errors = statistics.errors
        duplicates = statistics.duplicates
        corrupted = statistics.corrupted
        wrongSource = statistics.wrongSource
        reordered = statistics.reordered
        lost = statistics.lost
        self.foreign = foreign
    }

    /// Files each packet that reached the host, in the order of arrival.
    init(_ truth: Truth, timeout: TimeSpan, _ meaning: (Truth.Delivery) -> Meaning) {
        var deliveries: [(packet: Int, delivery: Truth.Delivery)] = []
        for (index, packet) in truth.packets.enumerated() {
            for delivery in packet.deliveries { deliveries.append((index, delivery)) }
        }
        deliveries.sort { $0.delivery.number < $1.delivery.number }
        transmitted = UInt64(truth.packets.count)
        var answered = [Bool](repeating: false, count: truth.packets.count)
        var highest = -1
        for (packet, delivery) in deliveries {
            switch meaning(delivery) {
            case .foreign: foreign += 1
            case .corrupted: corrupted += 1
            case .wrongSource: wrongSource += 1
            case .error: errors += 1
            case .reply where answered[packet]: duplicates += 1
            case .reply:
                answered[packet] = true
                if delivery.time - truth.packets[packet].time > timeout.nanoseconds {
                    late += 1
                } else {
                    received += 1
                    if packet < highest { reordered += 1 }
                    highest = max(highest, packet)
                }
            }
        }
        lost = transmitted - received - late
    }

    enum Meaning { case reply, corrupted, wrongSource, error, foreign }
}

@Suite struct EchoSweepTruthTests {
    /// A line that does everything to packets that lines do. Half of a millisecond between two probes, a timeout of
    /// 20 ms: some replies are late by their delay, others because they were held back.
    private static let line = "delay 4ms+2ms loss 3% duplicate 2% reorder 3% by 8ms corrupt 1%"

    @Test("10,000 probes give exactly the counts that the simulator knows", arguments: 0..<100 as Range<UInt64>)
    func exactCounts(seed: UInt64) throws {
        let target = seed % 4 == 3 ? "fd00:9::9" : "10.0.9.9"
        var driver = Driver(try Ours.scenario("target \(target) via source \(Self.line)"), seed: seed)
        var configuration = EchoSweep.Configuration(targets: [Ours.address(target)])
        configuration.count = 10_000
        configuration.interval = .microseconds(500)
        configuration.timeout = .ms(20)
        var sweep = EchoSweep(configuration, start: .ms(0))
        var timeouts: Set<UInt32> = []
        var inTime: Set<UInt32> = []
        try driver.run(&sweep) { event, _ in
            switch event {
            case .timeout(_, let sequence): timeouts.insert(sequence)
            case .reply(let reply) where reply.disposition == .inTime: inTime.insert(reply.sequence)
            default: break
            }
        }
        let truth = driver.network.truth
        let expected = Expected(truth, timeout: configuration.timeout) { delivery in
            guard delivery.isCorrupted else { return .reply }
            return target.contains(":") ? .foreign : .corrupted
        }
        #expect(Expected(sweep.statistics[0], foreign: driver.unmatched) == expected)
        #expect(expected.received > 5_000 && expected.late > 100 && expected.duplicates > 100)
        #expect(expected.reordered > 100 && expected.lost > 400)
        #expect(timeouts.isDisjoint(with: inTime))
        #expect(sweep.unsolicited == 0 && sweep.missed == 0)
        #expect(sweep.statistics[0].roundTrips.count == expected.received)
    }

    /// What a target does, to what probes, and what that must count as.
    struct Scene: CustomTestStringConvertible, Sendable {
        var target: String
        var method = ProbeMethod.icmpEcho
        var payload = 56
        var meaning: Meaning
        /// The meaning over IPv6, where the kernel drops wrong checksums unseen.
        var meaning6: Meaning?
        var rungs: [Driver.Rung] = [.raw]

        enum Meaning: Sendable { case reply, corrupted, wrongSource, error, foreign }

        var testDescription: String { "\(target) asked by \(method) with \(payload) octets" }
    }

    private static let udp = ProbeMethod.udp(destinationPort: 33_434)
    private static let echoPort = ProbeMethod.udp(destinationPort: 7)
    private static let scenes = [
        Scene(target: "", meaning: .reply, rungs: [.raw, .pingSocket]),
        Scene(target: "", payload: 0, meaning: .reply, rungs: [.raw, .pingSocket]),
        Scene(target: "", payload: 11, meaning: .reply),
        Scene(target: "loss 30%", payload: 0, meaning: .reply),
        Scene(target: "duplicate 30% hostile duplicate 3 20%", meaning: .reply),
        Scene(target: "reorder 20% by 300us", meaning: .reply),
        Scene(target: "hostile late 3ms 10% hostile late 30ms 10%", meaning: .reply),
        Scene(target: "hostile wrong-source 100%", meaning: .wrongSource),
        Scene(target: "hostile wrong-checksum 100%", meaning: .corrupted, meaning6: .foreign),
        Scene(target: "hostile truncated 100%", meaning: .corrupted),
        Scene(target: "hostile overlong 100%", meaning: .corrupted),
        Scene(target: "hostile empty 100%", meaning: .corrupted),
        Scene(target: "hostile unknown-sequence 100%", meaning: .foreign),
        Scene(target: "hostile wrong-identifier 100%", meaning: .foreign),
        Scene(target: "hostile other-code 100%", meaning: .foreign),
        Scene(target: "hostile forged-time 100%", meaning: .foreign),
        Scene(target: "unreachable host", meaning: .error, rungs: [.raw, .pingSocket]),
        Scene(target: "unreachable admin", method: udp, meaning: .error, rungs: [.raw, .udpSocket]),
        Scene(target: "loss 20% duplicate 20%", method: udp, meaning: .reply, rungs: [.raw, .udpSocket]),
        Scene(
            target: "udp 7 echo loss 20% duplicate 20%", method: echoPort, meaning: .reply, rungs: [.raw, .udpSocket]),
        Scene(target: "udp 7 echo", method: echoPort, payload: 12, meaning: .reply, rungs: [.raw, .udpSocket]),
        Scene(target: "silent", meaning: .reply),
    ]

    @Test("What a target or a line does counts as what it is", arguments: scenes, [IPVersion.v4, .v6])
    func scene(scene: Scene, version: IPVersion) throws {
        for rung in scene.rungs {
            for seed in 1...3 as ClosedRange<UInt64> {
                let text = """
                    router r delay 1ms
                    path source r
                    target 10.0.9.9 fd00:9::9 via r delay 1ms+500us \(scene.target)
                    """
                var driver = Driver(try Ours.scenario(text), seed: seed)
                driver.rung = rung
                driver.sendStamps = seed == 1 ? .never : seed == 2 ? .atOnce : .after(.ms(4))
                var configuration = EchoSweep.Configuration(
                    targets: [Ours.address(version == .v4 ? "10.0.9.9" : "fd00:9::9")])
                configuration.count = 300
                configuration.interval = .ms(1)
                configuration.timeout = .ms(20)
                configuration.method = scene.method
                configuration.payloadLength = scene.payload
                var sweep = EchoSweep(configuration, start: .ms(0))
                try driver.run(&sweep)
                let meaning = version == .v6 ? scene.meaning6 ?? scene.meaning : scene.meaning
                let expected = Expected(driver.network.truth, timeout: configuration.timeout) { _ in
                    switch meaning {
                    case .reply: .reply
                    case .corrupted: .corrupted
                    case .wrongSource: .wrongSource
                    case .error: .error
                    case .foreign: .foreign
                    }
                }
                let foreign = driver.unmatched + Int(sweep.unsolicited)
                #expect(Expected(sweep.statistics[0], foreign: foreign) == expected, "\(rung), seed \(seed)")
                #expect(expected.transmitted == 300)
            }
        }
    }

    @Test("Many targets with lines of their own each have their own counts")
    func manyTargets() throws {
        var text = "router r delay 1ms\npath source r\n"
        for index in 1...20 { text += "target 10.0.9.\(index) via r delay 1ms loss \(index)% duplicate 5%\n" }
        var driver = Driver(try Ours.scenario(text), seed: 5)
        var configuration = EchoSweep.Configuration(
            targets: (1...20).map { Ours.address("10.0.9.\($0)") })
        configuration.count = 100
        configuration.interval = .ms(10)
        configuration.timeout = .ms(50)
        var sweep = EchoSweep(configuration, start: .ms(0))
        driver.batch = 16
        try driver.run(&sweep)
        let truth = driver.network.truth
        for (index, statistics) in sweep.statistics.enumerated() {
            let packets = truth.packets.indices.filter { (Int(driver.sent[$0].rawValue) - 1) % 20 == index }
            let answered = packets.filter { !truth.packets[$0].isUnanswered }
            let deliveries = packets.reduce(0) { $0 + truth.packets[$1].deliveries.count }
            #expect(statistics.transmitted == 100 && statistics.received == UInt64(answered.count))
            #expect(statistics.duplicates == UInt64(deliveries - answered.count))
        }
        #expect(driver.unmatched == 0 && sweep.unsolicited == 0)
    }

    @Test("Late wake-ups do not shift the schedule", arguments: 0..<10 as Range<UInt64>)
    func lateWakeUps(seed: UInt64) throws {
        var driver = Driver(try Ours.scenario("target 10.0.9.9 via source delay 1ms"), seed: seed)
        driver.lateness = { TimeSpan(nanoseconds: Int64($0.nanoseconds.hashed(seed) % 4_000_000)) }
        var configuration = EchoSweep.Configuration(targets: [Ours.address("10.0.9.9")])
        configuration.count = 500
        configuration.interval = .ms(10)
        var sweep = EchoSweep(configuration, start: .ms(0))
        try driver.run(&sweep)
        for (round, time) in driver.times.enumerated() {
            let late = time - .ms(Int64(round) * 10)
            #expect(late >= .zero && late < .ms(4))
        }
        #expect(driver.times.count == 500 && sweep.missed == 0 && sweep.statistics[0].received == 500)
    }

    @Test("A full queue now and then loses nothing", arguments: [1, 32])
    func fullQueue(batch: Int) throws {
        var driver = Driver(try Ours.scenario("target 10.0.9.9 via source delay 1ms"), seed: 3)
        driver.batch = batch
        driver.refusal = { _, now in now.nanoseconds / 1_000_000 % 50 < 5 ? .retryLater : nil }
        var configuration = EchoSweep.Configuration(
            targets: Array(repeating: Ours.address("10.0.9.9"), count: 8))
        configuration.count = 100
        configuration.interval = .ms(10)
        var sweep = EchoSweep(configuration, start: .ms(0))
        try driver.run(&sweep)
        for statistics in sweep.statistics {
            #expect(statistics.transmitted == 100 && statistics.received == 100 && statistics.unsent == 0)
        }
    }
}

extension Int64 {
    /// A number that depends on this one and the seed alone.
    fileprivate func hashed(_ seed: UInt64) -> UInt64 {
        var generator = SeededGenerator(seed: UInt64(bitPattern: self) ^ seed << 48)
        return generator.next()
    }
}
