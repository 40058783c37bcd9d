import Testing

@testable import ProbeIO

@Suite struct ClockEpochTests {
    @Test(
        "Only a step of the wall clock begins a new epoch",
        arguments: [(0, 0), (40_000, 0), (-40_000, 0), (60_000, 1), (-5_000_000, 1), (3_600_000_000_000, 1)]
            as [(Int64, UInt32)])
    func steps(step: Int64, epochs: UInt32) {
        var epoch = ClockEpoch()
        let base: Int64 = 1_700_000_000_000_000_000
        let steps = [base, base + step, base + step].map { epoch.note(distance: $0) }
        #expect(steps == [false, epochs > 0, false])
        #expect(epoch.number == epochs)
    }

    @Test("A step is a sleep of the machine only when the clock of booting went on through it")
    func sleeps() {
        var epoch = ClockEpoch()
        let sleeps = [5_000, 5_100, nil, 3_600_000_000_000, 3_600_000_000_000].map { epoch.note(slept: $0) }
        #expect(sleeps.dropFirst() == [false, false, true, false])
    }

    @Test func twoLooksAreOneEpoch() {
        var epoch = ClockEpoch()
        let looks = [epoch.look(), epoch.look()]
        #expect(looks == [false, false])
        #expect(epoch.number == 0)
    }
}
