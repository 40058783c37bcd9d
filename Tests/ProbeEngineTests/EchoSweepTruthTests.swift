import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

@Suite struct EchoSweepTruthTests {
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func bench(seed: UInt64) throws {
        let scenario = try Ours.scenario(
            """
            router r delay 1ms
            path source r
            target 10.0.9.9 fd00:9::9 via r delay 2ms..40ms loss 5% duplicate 2% reorder 3% by 30ms
            """)
        var configuration = EchoSweep.Configuration(targets: [Ours.address("10.0.9.9")])
        configuration.count = 10_000
        configuration.interval = .ms(1)
        configuration.timeout = .ms(50)
        var sweep = EchoSweep(configuration, start: .ms(0))
        var driver = Driver(scenario, seed: seed)
        let clock = ContinuousClock()
        let t = try clock.measure { try driver.run(&sweep) }
        print(t, sweep.statistics[0], driver.network.truth.counters)
    }
}
