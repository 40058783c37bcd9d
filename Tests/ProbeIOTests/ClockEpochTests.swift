import Testing

@testable import ProbeIO

@Suite struct ClockEpochTests {
    @Test(
        "Only a step of the wall clock begins a new epoch",
        arguments: [(0, 0), (40_000, 0), (-40_000, 0), (60_000, 1), (-5_000_000, 1), (3_600_000_000_000, 1)]
            as [(Int64, UInt32)])
    func steps(step: Int64, epochs: UInt32) {
        var epoch = ClockEpoch()
        #expect(!epoch.note(distance: 1_700_000_000_000_000_000))
        #expect(epoch.note(distance: 1_700_000_000_000_000_000 + step) == (epochs > 0))
        #expect(!epoch.note(distance: 1_700_000_000_000_000_000 + step))
        #expect(epoch.number == epochs)
    }

    @Test("A step is a sleep of the machine only when the clock of booting went on through it")
    func sleeps() {
        var epoch = ClockEpoch()
        _ = epoch.note(slept: 5_000)
        #expect(!epoch.note(slept: 5_100))
        #expect(!epoch.note(slept: nil))
        #expect(epoch.note(slept: 3_600_000_000_000))
        #expect(!epoch.note(slept: 3_600_000_000_000))
    }

    @Test func twoLooksAreOneEpoch() {
        var epoch = ClockEpoch()
        #expect(!epoch.look())
        #expect(!epoch.look())
        #expect(epoch.number == 0)
    }
}
