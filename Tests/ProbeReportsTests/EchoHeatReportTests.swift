import PacketFormats
import Testing

@testable import ProbeEngine
@testable import ProbeReports

/// A picture on a screen.
private struct Picture {
    var report: EchoHeatReport
    var screen: Screen
    var window: WindowSize
    private var now = Timestamp(nanoseconds: 0)

    init(
        _ targets: [ReportTarget] = [target("example.net", "10.91.2.2")], columns: Int = 27, rows: Int = 24,
        hasColor: Bool = false, hasBlocks: Bool = true
    ) {
        window = WindowSize(columns: columns, rows: rows)
        screen = Screen(columns: columns)
        report = EchoHeatReport(EchoTextReport(targets: targets), in: window, hasColor: hasColor, hasBlocks: hasBlocks)
    }

    mutating func start() {
        let configuration = EchoSweep.Configuration(targets: report.targets.map(\.address))
        show { $0.appendStart(EchoStart(configuration, rung: "raw", time: 0), to: &$1) }
    }

    /// Takes the events of one wake-up.
    mutating func take(_ events: EchoEvent..., after seconds: Int64 = 0) {
        now = now + .seconds(seconds)
        let (now, window) = (now, window)
        show { report, buffer in
            for event in events { report.append(event, name: nil, at: now, to: &buffer) }
            report.finishBatch(in: window, to: &buffer)
        }
    }

    mutating func reply(_ sequences: ClosedRange<UInt32>, target: Int = 0, _ roundTrip: Int64 = 127_000) {
        for sequence in sequences {
            take(ProbeReportsTests.reply(target: target, sequence: sequence, roundTrip: roundTrip))
        }
    }

    mutating func resize(columns: Int) {
        window.columns = columns
        screen.resize(columns: columns)
    }

    mutating func sumUp() {
        let counts = report.targets.map { _ in statistics([]) }
        show { $0.appendSummary(counts, run: EchoRun(elapsed: .zero, time: 0), to: &$1) }
    }

    mutating func show(_ write: (inout EchoHeatReport, inout ReportBuffer) -> Void) {
        screen.write(written { write(&report, &$0) })
        #expect(!screen.hasAttributes, "a colour outlives its batch")
        #expect(screen.unknown.isEmpty)
    }
}

@Suite struct EchoHeatReportTests {
    @Test func drawsABlockForEachProbeInRowsAsWideAsTheWindow() {
        var picture = Picture()
        picture.reply(1...45)
        #expect(
            picture.screen.lines.suffix(3) == [
                "    1 ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃", "   21 ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃", "   41 ▃▃▃▃▃",
            ])
        #expect(picture.screen.wraps == 0)
    }

    @Test func theFirstRoundTripMakesTheScaleAndALegendTellsIt() {
        var picture = Picture(columns: 80)
        picture.start()
        picture.take(reply(roundTrip: 127_000))
        #expect(
            picture.screen.lines == [
                "PING example.net (10.91.2.2) 56(84) bytes of data.",
                "! lost  L late  D duplicate  E error  U not sent  C corrupted  W wrong source",
                "· not decided",
                "ms:  ▁ <0.04  ▂ <0.08  ▃ <0.16  ▄ <0.32  ▅ <0.64  ▆ <1.28  ▇ <2.56  █ more",
                "    1 ▃",
            ])
    }

    @Test(
        arguments: [
            (reply(sequence: 2, .late), "L"), (reply(sequence: 2, .wrongSource), "W"),
            (reply(sequence: 2, .corrupted(.wrongChecksum)), "C"), (.timeout(target: 0, sequence: 2), "!"),
            (.unsent(target: 0, sequence: 2, failure: .retryLater), "U"), (.sent(target: 0, sequence: 2), "·"),
            (echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0, sequence: 2), "E"),
        ] as [(EchoEvent, String)])
    func everyOutcomeHasAGlyphOfItsOwn(event: EchoEvent, glyph: String) {
        var picture = Picture()
        picture.reply(1...1)
        picture.take(event)
        picture.reply(3...3)
        #expect(picture.screen.lines.last == "    1 ▃\(glyph)▃")
    }

    @Test func aProbeThatIsWaitedForKeepsItsPlace() {
        var picture = Picture()
        picture.take(.sent(target: 0, sequence: 1))
        picture.reply(2...3)
        #expect(picture.screen.lines.last == "    1 ·▃▃")
        picture.take(.timeout(target: 0, sequence: 1))
        #expect(picture.screen.lines.last == "    1 !▃▃")
        picture.take(reply(sequence: 1, .late, roundTrip: 2_500_000_000))
        #expect(picture.screen.lines.last == "    1 L▃▃")
        picture.take(reply(sequence: 3, .duplicate))
        #expect(picture.screen.lines.last == "    1 L▃D")
    }

    /// Whatever comes behind it, so that losses show in their place.
    @Test func aRowIsLeftOnlyWhenItsProbesAreDecided() {
        var picture = Picture()
        picture.reply(1...18)
        picture.take(.sent(target: 0, sequence: 19))
        picture.reply(20...30)
        #expect(picture.screen.lines.last == "    1 ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃·▃")
        picture.take(.timeout(target: 0, sequence: 19))
        #expect(picture.screen.lines.suffix(2) == ["    1 ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃!▃", "   21 ▃▃▃▃▃▃▃▃▃▃"])
    }

    /// Nobody tells what became of probes that were on their way when the machine slept.
    @Test func aRowIsLeftWhenNobodyWillEverDecideIt() {
        var picture = Picture()
        picture.take(.sent(target: 0, sequence: 1))
        picture.reply(2...20)
        #expect(picture.screen.lines.last?.hasPrefix("    1 ·") == true)
        picture.take(reply(sequence: 21), after: 4)
        #expect(picture.screen.lines.last?.hasPrefix("    1 ·") == true)
        picture.take(reply(sequence: 22), after: 2)
        #expect(picture.screen.lines.last == "   21 ▃▃")
    }

    @Test func whatComesBehindItsRowIsALineOfText() {
        var picture = Picture(columns: 70)
        picture.take(.timeout(target: 0, sequence: 1))
        picture.reply(2...70)
        picture.take(reply(sequence: 1, .late, roundTrip: 2_500_000_000))
        picture.reply(71...71)
        #expect(
            picture.screen.lines.suffix(2) == [
                "64 bytes from 10.91.2.2: icmp_seq=1 ttl=63 time=2500 ms (late)", "   64 ▃▃▃▃▃▃▃▃",
            ])
    }

    @Test func errorsAndFailuresAreToldInWordsWhenTheyChange() {
        var picture = Picture(columns: 80)
        for sequence in 1...3 as ClosedRange<UInt32> {
            picture.take(echoError(from: "10.91.1.1", ICMPType.V4.timeExceeded, 0, sequence: sequence))
        }
        picture.take(.unsent(target: 0, sequence: 4, failure: .failed(code: 101, name: "ENETUNREACH")))
        #expect(
            picture.screen.lines == [
                "From 10.91.1.1 icmp_seq=1 Time to live exceeded",
                "not sent: icmp_seq=4 (ENETUNREACH: Network is unreachable)", "    1 EEEU",
            ])
    }

    @Test func aScaleThatDoesNotFitIsChangedInTheStream() {
        var picture = Picture(columns: 47)
        // The first one asked for an address first.
        picture.reply(1...1, 4_000_000)
        picture.reply(2...41, 20_000)
        #expect(picture.screen.lines.filter { $0.hasPrefix("ms:") }.count == 1)
        #expect(picture.screen.lines.filter { $0.hasPrefix("scale changed, ms:") }.count == 1)
        picture.reply(42...90, 50_000_000)
        let lines = picture.screen.lines
        let changes = lines.indices.filter { lines[$0].hasPrefix("scale changed, ms:") }
        #expect(changes.count == 2)
        #expect(lines.last == "   81 ▃▃▃▃▃▃▃▃▃▃")
        // What was drawn by the old scale stands above the new one.
        #expect(lines.firstIndex { $0.hasPrefix("   41 ") }.map { $0 < changes[1] } == true)
        #expect(lines.first { $0.hasPrefix("   41 ") } == "   41 ▃" + String(repeating: "█", count: 39))
    }

    @Test func severalTargetsHaveALabelledRowEach() {
        var picture = Picture(
            [target("a.example", "10.91.2.2"), target("\u{6771}\u{4eac}.example", "fd91:2::2")], columns: 40)
        for sequence in 1...30 as ClosedRange<UInt32> {
            picture.take(reply(target: 0, sequence: sequence))
            picture.take(reply(target: 1, sequence: sequence, roundTrip: 250_000))
        }
        let row = String(repeating: "▃", count: 24)
        let other = String(repeating: "▄", count: 24)
        let expected = [
            "a.example    1 \(row)", "fd91:2::2    1 \(other)", "a.example   25 ▃▃▃▃▃▃", "fd91:2::2   25 ▄▄▄▄▄▄",
        ]
        #expect(picture.screen.lines.suffix(4).elementsEqual(expected))
        #expect(picture.screen.wraps == 0)
    }

    @Test func moreTargetsThanLinesAreDrawnOnceARowIsThrough() {
        let names = (1...5).map { target("h\($0)", "10.91.2.\($0)") }
        var picture = Picture(names, columns: 20, rows: 4)
        for sequence in 1...12 as ClosedRange<UInt32> {
            for index in 0..<5 { picture.take(reply(target: index, sequence: sequence)) }
        }
        // The legend is all that stands there before.
        #expect(picture.screen.lines.filter { $0.hasPrefix("h") }.count == 5)
        picture.sumUp()
        #expect(picture.screen.lines.filter { $0.hasPrefix("h") }.count == 10)
    }

    @Test func aWindowOfAnotherSizeBeginsWithNewRows() {
        var picture = Picture(columns: 40)
        picture.reply(1...30)
        picture.resize(columns: 27)
        picture.reply(31...45)
        picture.resize(columns: 60)
        picture.reply(46...50)
        let row = String(repeating: "▃", count: 20)
        let expected = ["    1 \(row)", "   21 \(row)", "   41 ▃▃▃▃▃", "   41 ▃▃▃▃▃▃▃▃▃▃"]
        #expect(picture.screen.lines.suffix(4).elementsEqual(expected))
        #expect(picture.screen.wraps == 0)
    }

    @Test(arguments: 1...30)
    func noWindowIsTooNarrow(columns: Int) {
        var picture = Picture([target("a.example", "10.91.2.2"), target("b.example", "fd91:2::2")], columns: columns)
        for sequence in 1...40 as ClosedRange<UInt32> {
            picture.take(reply(target: 0, sequence: sequence), reply(target: 1, sequence: sequence))
        }
        let blocks = picture.screen.lines.joined().unicodeScalars.filter { $0 == "▃" }.count
        #expect(blocks >= 80 && blocks <= 81)
    }

    @Test func manyRowsWaitForOneProbeAndGoAtOnce() {
        var picture = Picture(columns: 12)
        picture.show { report, buffer in
            for sequence in 2...60_000 as ClosedRange<UInt32> {
                report.append(reply(sequence: sequence), name: nil, at: Timestamp(nanoseconds: 0), to: &buffer)
            }
        }
        picture.take(reply(sequence: 1), .sent(target: 0, sequence: 60_001))
        let blocks = picture.screen.lines.joined().unicodeScalars.filter { $0 == "▃" }.count
        #expect(blocks >= 60_000 && blocks <= 60_002)
    }

    @Test func aTargetThatRunsAwayFromAnotherDoesNotFillTheMemory() {
        var report = EchoHeatReport(
            EchoTextReport(targets: [target("a", "10.91.2.2"), target("b", "10.91.2.3")]),
            in: WindowSize(columns: 10_000, rows: 24), hasColor: false, hasBlocks: false)
        var buffer = ReportBuffer()
        for (target, sequence) in [(1, 1), (0, 1_000_000), (0, 1_060_000)] as [(Int, UInt32)] {
            let event = EchoEvent.sent(target: target, sequence: sequence)
            report.append(event, name: nil, at: Timestamp(nanoseconds: 0), to: &buffer)
        }
        report.finishBatch(in: nil, to: &buffer)
        let rows = String(decoding: buffer.bytes, as: UTF8.self).split(separator: "\n")
        #expect(rows.count { $0.hasPrefix("a ") } == 3 && rows.count { $0.hasPrefix("b ") } == 3)
        #expect(rows.dropFirst().first == "b    1 ?" && rows.last == "b     2 ")
    }

    @Test("Whatever happens in whatever windows", arguments: 0..<20 as Range<UInt64>)
    func anything(seed: UInt64) {
        var generator = SplitMix64(state: seed)
        func number(below bound: UInt64) -> Int { Int(generator.next() % bound) }
        let targets = (0..<[1, 2, 5, 300][number(below: 4)]).map { target("h\($0).example", "10.91.2.2") }
        var text = EchoTextReport(targets: targets)
        text.style.isFlood = seed % 2 == 0
        var report = EchoHeatReport(
            text, in: WindowSize(columns: number(below: 3), rows: 0), hasColor: seed % 3 == 0, hasBlocks: true)
        var buffer = ReportBuffer()
        for round in 0..<100 as Range<Int64> {
            for _ in 0..<number(below: 40) {
                let sequence = UInt32(truncatingIfNeeded: number(below: 300) - (number(below: 30) == 0 ? 100 : 0))
                let target = number(below: UInt64(targets.count))
                let roundTrip = Int64(truncatingIfNeeded: generator.next()) >> number(below: 63)
                let events: [EchoEvent] = [
                    reply(target: target, sequence: sequence, roundTrip: roundTrip),
                    reply(target: target, sequence: sequence, .duplicate),
                    reply(target: target, sequence: sequence, .late, roundTrip: roundTrip),
                    reply(target: target, sequence: sequence, .corrupted(.wrongChecksum)),
                    .timeout(target: target, sequence: sequence), .sent(target: target, sequence: sequence),
                    .outstanding(target: target, sequence: sequence),
                    .unsent(target: target, sequence: sequence, failure: .retryLater),
                    change(.hopLimit, from: 3, to: 4, target: target),
                ]
                report.append(
                    events[number(below: UInt64(events.count))], name: nil,
                    at: Timestamp(nanoseconds: round * 300_000_000), to: &buffer)
            }
            let window = WindowSize(columns: number(below: 200), rows: number(below: 5))
            report.finishBatch(in: number(below: 3) == 0 ? window : nil, to: &buffer)
        }
        report.appendSummary(
            targets.map { _ in statistics([]) }, run: EchoRun(elapsed: .zero, time: 0), to: &buffer)
        let controls = Set(buffer.bytes.filter { $0 < 0x20 })
        #expect(controls.isSubset(of: [0x0a, 0x0d, 0x1b]))
        #expect(buffer.bytes.count < 20_000_000)
    }

    @Test func othersMayWriteBetween() {
        var picture = Picture(columns: 40)
        picture.reply(1...3)
        picture.show { $0.leaveLine(to: &$1) }
        picture.screen.write("from somebody else\n")
        picture.reply(4...4)
        #expect(picture.screen.lines.suffix(3) == ["    1 ▃▃▃", "from somebody else", "    1 ▃▃▃▃"])
    }

    @Test func endsWithWhatIsKnownAndPingsSummary() {
        var picture = Picture(columns: 40)
        picture.reply(1...2)
        picture.take(.sent(target: 0, sequence: 3))
        picture.sumUp()
        let lines = picture.screen.lines
        #expect(lines.firstIndex(of: "    1 ▃▃·").map { lines[$0 + 2] } == "--- example.net ping statistics ---")
    }

    @Test func hasColoursOnlyWhereTheyAreWanted() {
        for hasColor in [false, true] {
            var picture = Picture(columns: 60, hasColor: hasColor)
            picture.start()
            picture.take(reply(sequence: 1), .timeout(target: 0, sequence: 2), reply(sequence: 3, .late))
            #expect(picture.screen.lines.last == "    1 ▃!L")
            #expect(picture.screen.colors.isEmpty != hasColor)
        }
    }

    @Test func withoutUnicodeItIsASCII() {
        var picture = Picture(columns: 60, hasBlocks: false)
        picture.start()
        for (index, roundTrip) in [20_000, 50_000, 127_000, 200_000, 400_000, 1_000_000, 2_000_000, 9_000_000]
            .enumerated()
        {
            picture.take(reply(sequence: UInt32(index + 2), roundTrip: Int64(roundTrip)))
        }
        picture.take(.sent(target: 0, sequence: 1))
        #expect(picture.screen.lines.joined().utf8.allSatisfy { $0 < 0x80 })
        #expect(picture.screen.lines.last?.hasPrefix("    1 ?") == true)
    }

    @Test func foreignNamesCanDoNothing() {
        var picture = Picture([target("a\u{1b}[2J\u{202e}", "10.91.2.2"), target("b", "10.91.2.3")], columns: 60)
        picture.start()
        picture.take(reply(target: 0), reply(target: 1))
        #expect(picture.screen.lines.contains { $0.hasPrefix("a\\x1b[2J\\u{202e}    1 ▃") })
    }

    @Test(arguments: [(1, "0.000002"), (4_000, "0.002"), (127_000, "0.04"), (20_000_000, "10"), (Int64.max, "more")])
    func aScaleSurroundsItsRoundTrip(roundTrip: Int64, lowest: String) {
        let scale = HeatScale(around: TimeSpan(nanoseconds: roundTrip))
        #expect(scale.step(of: TimeSpan(nanoseconds: roundTrip)) <= 3)
        if lowest != "more" { #expect(scale.end(of: 0) == lowest) }
        #expect(scale.step(of: TimeSpan(nanoseconds: -1)) == 0)
        #expect((0..<HeatScale.steps).contains(scale.step(of: TimeSpan(nanoseconds: .max))))
    }
}
