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
}
