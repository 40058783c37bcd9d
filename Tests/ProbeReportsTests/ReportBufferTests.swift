import PacketFormats
import ProbeEngine
import ProbeReports
import Testing

@Suite struct ReportBufferTests {
    @Test(
        arguments: [
            (0, "0.000"), (1, "0.000"), (499, "0.000"), (500, "0.001"), (127_000, "0.127"), (999_499, "0.999"),
            (999_500, "1.000"), (1_000_000, "1.000"), (12_345_678, "12.346"), (5_000_000_000, "5000.000"),
            (-499, "0.000"), (-1_500_000, "-1.500"), (Int64.max, "9223372036854.776"),
            (Int64.min, "-9223372036854.776"),
        ] as [(Int64, String)])
    func writesMilliseconds(nanoseconds: Int64, expected: String) {
        #expect(written { $0.append(milliseconds: TimeSpan(nanoseconds: nanoseconds)) } == expected)
    }

    @Test(
        arguments: [
            (0, 0, "0"), (0, 3, "0"), (1, 0, "0"), (3, 3, "100"), (1, 3, "33.3333"), (2, 3, "66.6667"), (1, 2, "50"),
            (1, 8, "12.5"), (1, 7, "14.2857"), (1, 100, "1"), (1, 300, "0.333333"), (1, 1000, "0.1"),
            (7, 1_000_000, "0.0007"), (1, 1_000_000, "0.0001"), (1, 10_000_000, "1e-05"),
            (1, 3_000_000_000, "3.33333e-08"),
            (999_999, 1_000_000, "99.9999"), (9_999_999, 10_000_000, "100"), (1_999_999, 20_000_000, "10"),
            (UInt64.max, UInt64.max, "100"), (1, UInt64.max, "5.42101e-18"), (UInt64.max - 1, UInt64.max, "100"),
        ] as [(UInt64, UInt64, String)])
    func writesPercentagesAsCDoes(part: UInt64, whole: UInt64, expected: String) {
        #expect(written { $0.append(percent: part, of: whole) } == expected)
    }

    @Test func writesDecimalNumbers() {
        #expect(written { $0.append(decimal: 0) } == "0")
        #expect(written { $0.append(decimal: UInt64.max) } == "18446744073709551615")
        #expect(written { $0.append(decimal: Int64.min) } == "-9223372036854775808")
        #expect(written { $0.append(decimal: 7, minimumDigits: 3) } == "007")
        #expect(written { $0.append(decimal: 1234, minimumDigits: 3) } == "1234")
    }

    @Test func startsAgain() {
        var buffer = ReportBuffer()
        #expect(buffer.isEmpty)
        buffer.append("x")
        #expect(!buffer.isEmpty)
        buffer.removeAll()
        #expect(buffer == ReportBuffer())
    }

    @Test(arguments: [(5, 7, 12), (-5, 7, 2), (.max, 1, .max), (.min, -1, .min)] as [(Int64, Int64, Int64)])
    func showsTheWallClock(offset: Int64, instant: Int64, expected: Int64) {
        #expect(WallClock(offset: offset).nanoseconds(at: Timestamp(nanoseconds: instant)) == expected)
    }

    @Test func setsTheWallClock() {
        let clock = WallClock(1_000, at: Timestamp(nanoseconds: 400))
        #expect(clock.nanoseconds(at: Timestamp(nanoseconds: 500)) == 1_100)
    }
}
