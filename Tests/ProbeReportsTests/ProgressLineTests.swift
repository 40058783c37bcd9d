import ProbeReports
import Testing

@testable import ProbeEngine

@Suite struct ProgressLineTests {
    private static let erase = "\u{1b}[K"

    private func counters(_ targets: UInt64, sent: UInt64, alive: UInt64, unreachable: UInt64 = 0) -> HostSweep.Counters
    {
        var counters = HostSweep.Counters()
        counters.targets = targets
        counters.transmitted = sent
        counters.alive = alive
        counters.unreachable = unreachable
        return counters
    }

    private func drawn(
        _ line: inout ProgressLine, _ counters: HostSweep.Counters, at milliseconds: Int64, isOpen: Bool = false,
        columns: Int = 80
    ) -> String {
        written {
            line.draw(
                counters, isOpen: isOpen, columns: columns, at: Timestamp(nanoseconds: milliseconds * 1_000_000),
                to: &$0)
        }
    }

    @Test func tellsWhatWasSentAndHowLongItTakes() {
        var line = ProgressLine()
        #expect(
            drawn(&line, counters(65_534, sent: 0, alive: 0), at: 0) == "\r0% of 65534: 0 sent, 0 alive\(Self.erase)")
        #expect(line.isDrawn)
        #expect(
            drawn(&line, counters(65_534, sent: 1_000, alive: 500, unreachable: 400), at: 1_000)
                == "\r1% of 65534: 1000 sent, 500 alive, 1000/s, 72 s left\(Self.erase)")
        #expect(
            drawn(&line, counters(65_534, sent: 65_534, alive: 65_533), at: 90_000).hasPrefix(
                "\r99% of 65534: 65534 sent, 65533 alive, "))
        #expect(
            drawn(&line, counters(65_534, sent: 65_534, alive: 65_534), at: 91_000).hasPrefix("\r100% of 65534: "))
    }

    @Test func isDrawnFiveTimesASecondAtMost() {
        var line = ProgressLine()
        let drawings = (0..<3_000).filter { millisecond in
            !drawn(&line, counters(10_000, sent: UInt64(millisecond), alive: 0), at: Int64(millisecond)).isEmpty
        }
        #expect(drawings == Array(stride(from: 0, to: 3_000, by: 200)))
        #expect(line.due == Timestamp(nanoseconds: 3_000_000_000))
    }

    @Test func isClearedOnce() {
        var line = ProgressLine()
        #expect(written { line.clear(to: &$0) }.isEmpty)
        _ = drawn(&line, counters(10, sent: 0, alive: 0), at: 0)
        #expect(written { line.clear(to: &$0) } == "\r\(Self.erase)")
        #expect(!line.isDrawn)
        #expect(written { line.clear(to: &$0) }.isEmpty)
        // It comes back when it is due, not at once.
        #expect(drawn(&line, counters(10, sent: 0, alive: 0), at: 100).isEmpty)
        #expect(!drawn(&line, counters(10, sent: 0, alive: 0), at: 200).isEmpty)
    }

    @Test(
        arguments: [
            (90, "90 s left"), (99, "99 s left"), (100, "1:40 left"), (3_599, "59:59 left"), (3_600, "1:00:00 left"),
            (86_399_999, "23999:59:59 left"),
        ] as [(UInt64, String)])
    func writesTheTimeLeft(seconds: UInt64, expected: String) {
        var line = ProgressLine()
        _ = drawn(&line, counters(seconds + 1, sent: 0, alive: 0), at: 0)
        #expect(
            drawn(&line, counters(seconds + 1, sent: 1, alive: 1), at: 1_000).hasSuffix(", \(expected)\(Self.erase)"))
    }

    @Test func tellsNoTimeThatNobodyKnows() {
        var open = ProgressLine()
        _ = drawn(&open, counters(10, sent: 0, alive: 0), at: 0, isOpen: true)
        #expect(
            drawn(&open, counters(10, sent: 5, alive: 5), at: 1_000, isOpen: true)
                == "\r10 so far: 5 sent, 5 alive, 5/s\(Self.erase)")
        var stuck = ProgressLine()
        _ = drawn(&stuck, counters(10, sent: 5, alive: 0), at: 0)
        #expect(
            drawn(&stuck, counters(10, sent: 5, alive: 0), at: 1_000)
                == "\r0% of 10: 5 sent, 0 alive, 0/s\(Self.erase)")
        var endless = ProgressLine()
        _ = drawn(&endless, counters(.max, sent: 0, alive: 0), at: 0)
        #expect(!drawn(&endless, counters(.max, sent: 1, alive: 1), at: 1_000).contains("left"))
        var empty = ProgressLine()
        #expect(drawn(&empty, counters(0, sent: 0, alive: 0), at: 0) == "\r100% of 0: 0 sent, 0 alive\(Self.erase)")
    }

    @Test func theRateFollowsSlowly() {
        var line = ProgressLine()
        _ = drawn(&line, counters(1_000_000, sent: 0, alive: 0), at: 0)
        _ = drawn(&line, counters(1_000_000, sent: 3_000, alive: 0), at: 1_000)
        // A third of the way from 3,000 a second to none.
        #expect(drawn(&line, counters(1_000_000, sent: 3_000, alive: 0), at: 2_000).contains(", 2000/s"))
        // Counters that went back, as after a restart, are no rate.
        #expect(drawn(&line, counters(1_000_000, sent: 0, alive: 0), at: 9_000).contains(", 0/s"))
    }

    @Test(arguments: [.min, -1, 0, 1, 2, 10, 28, 29, 500])
    func neverFillsTheLastColumn(columns: Int) {
        var line = ProgressLine()
        let text = drawn(&line, counters(65_534, sent: 0, alive: 0), at: 0, columns: columns)
        let whole = "0% of 65534: 0 sent, 0 alive"
        #expect(text == "\r" + whole.prefix(max(1, columns) - 1) + Self.erase)
    }

    @Test func aLineOfItsOwnHasNoControlCharacters() {
        var line = ProgressLine()
        let text = written {
            line.appendLine(counters(10, sent: 5, alive: 4), isOpen: false, at: Timestamp(nanoseconds: 0), to: &$0)
        }
        #expect(text == "40% of 10: 5 sent, 4 alive\n")
        #expect(!line.isDrawn)
    }
}
