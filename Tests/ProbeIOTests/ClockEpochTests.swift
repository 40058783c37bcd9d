import Testing

@testable import ProbeIO

@Suite struct ClockEpochTests {
    @Test(
        "Only a step of the wall clock begins a new epoch",
        arguments: [(0, 0), (40_000, 0), (-40_000, 0), (60_000, 1), (-5_000_000, 1), (3_600_000_000_000, 1)]
            as [(Int64, UInt32)])
    func steps(step: Int64, epochs: UInt32) {
        var epoch = ClockEpoch()
        epoch.note(monotonic: 1_000, wall: 1_700_000_000_000_000_000)
        epoch.note(monotonic: 2_000_001_000, wall: 1_700_000_002_000_000_000 + step)
        epoch.note(monotonic: 3_000_001_000, wall: 1_700_000_003_000_000_000 + step)
        #expect(epoch.number == epochs)
    }

    @Test func twoLooksAreOneEpoch() {
        var epoch = ClockEpoch()
        epoch.look()
        epoch.look()
        #expect(epoch.number == 0)
    }
}
