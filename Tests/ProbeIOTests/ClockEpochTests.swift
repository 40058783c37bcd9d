import Testing

@testable import ProbeIO

@Suite struct ClockEpochTests {
    @Test(
        "Only a step of the wall clock begins a new epoch",
        arguments: [(0, 0), (40_000, 0), (-40_000, 0), (60_000, 1), (-5_000_000, 1), (3_600_000_000_000, 1)]
            as [(Int64, UInt32)])
    func steps(step: Int64, epochs: UInt32) {
        var epoch = ClockEpoch()
        let noticed = [0, step, step].map { epoch.note(distance: 1_700_000_000_000_000_000 + $0) }
        #expect(noticed == [false, epochs > 0, false] && epoch.number == epochs)
    }

    @Test("A step is a sleep of the machine only when the clock of booting went on through it")
    func sleeps() {
        var epoch = ClockEpoch()
        let known = epoch.note(slept: 1 << 60)
        let noticed = [(1 << 60) + 100, nil, (1 << 60) + 3_600_000_000_000, (1 << 60) + 3_600_000_000_000].map {
            epoch.note(slept: $0)
        }
        #expect(known && noticed == [false, false, true, false])
    }

    @Test func twoLooksAreOneEpoch() {
        var epoch = ClockEpoch()
        let looks = [epoch.look(), epoch.look()]
        #expect(looks == [false, false] && epoch.number == 0)
    }
}
