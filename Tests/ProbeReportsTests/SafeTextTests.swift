import ProbeReports
import Testing

@Suite struct SafeTextTests {
    @Test(arguments: [
        ("plain", "plain"),
        ("two words", "two words"),
        ("é ü 漢字 🛰", "é ü 漢字 🛰"),
        ("back\\slash", "back\\\\slash"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\u{1b}[31mred\u{7}", "\\x1b[31mred\\x07"),
        ("\u{0}\u{7f}", "\\x00\\x7f"),
        ("\u{9b}31m", "\\u{9b}31m"),
        ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
        ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ("\u{2028}\u{2029}\u{85}", "\\u{2028}\\u{2029}\\u{85}"),
        ("\u{e000}\u{10ffff}\u{e0041}", "\\u{e000}\\u{10ffff}\\u{e0041}"),
        ("", ""),
    ])
    func escapesWhatIsNotPrintable(text: String, expected: String) {
        #expect(SafeText(text).description == expected)
    }

    @Test(
        arguments: [
            ([0xff, 0x41], "\\xffA"),
            ([0xc3], "\\xc3"),
            ([0xe2, 0x82], "\\xe2\\x82"),
            ([0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"),
            ([0xc0, 0xaf], "\\xc0\\xaf"),
            ([0xf4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"),
            ([0x80, 0xc3, 0xa9, 0xfe], "\\x80é\\xfe"),
        ] as [([UInt8], String)])
    func escapesBytesThatAreNotUTF8(bytes: [UInt8], expected: String) {
        #expect(SafeText(bytes).description == expected)
    }

    @Test func everyByteEndsAsPrintableASCIIOrIsKept() {
        for first in UInt8.min...UInt8.max {
            let text = SafeText([first, 0x41]).description
            #expect(text.unicodeScalars.allSatisfy { (0x20...0x7e).contains($0.value) }, "byte \(first): \(text)")
            #expect(text.hasSuffix("A"))
        }
    }

    @Test func twoInputsNeverLookTheSame() {
        #expect(SafeText("\u{1b}") != SafeText("\\x1b"))
        #expect(SafeText("\n") != SafeText("\\n"))
    }

    @Test func namesStayOneWord() {
        #expect(SafeText(name: "a b\u{a0}c").description == "a\\x20b\\u{a0}c")
        #expect(SafeText(name: "host.example").description == "host.example")
        let long = SafeText(name: String(repeating: "x", count: 300)).description
        #expect(long == String(repeating: "x", count: 255) + "...")
    }

    @Test func limitCutsAndSaysSo() {
        #expect(SafeText("abcdef", limit: 3).description == "abc...")
        #expect(SafeText("abc", limit: 3).description == "abc")
        #expect(SafeText("aé", limit: 2).description == "a\\xc3...")
        #expect(SafeText("a", limit: -1).description == "...")
    }

    @Test(arguments: [
        ("plain", "plain"),
        ("a,b", "\"a,b\""),
        ("say \"x\"", "\"say \"\"x\"\"\""),
        ("=1+2", "\\x3d1+2"),
        ("@x,y", "\"\\x40x,y\""),
        ("-", "\\x2d"),
        ("a\nb", "a\\nb"),
        ("", ""),
    ])
    func csvFields(text: String, expected: String) {
        #expect(SafeText(text).csvField == expected)
    }
}

@Suite struct JSONLineTests {
    @Test func membersInTheirOrder() {
        var line = JSONLine()
        line.add("v", 1)
        line.add("type", "reply")
        line.add("min", Int64.min)
        line.add("max", UInt64.max)
        line.add("ok", true)
        line.addNull("name")
        line.add("inner") { $0.add("a", 1) }
        line.add("list", objects: [1, 2]) { $0.add("n", $1) }
        line.add("empty", objects: [Int]()) { $0.add("n", $1) }
        line.finish()
        #expect(
            String(decoding: line.bytes, as: UTF8.self) == """
                {"v":1,"type":"reply","min":-9223372036854775808,"max":18446744073709551615,"ok":true,"name":null,\
                "inner":{"a":1},"list":[{"n":1},{"n":2}],"empty":[]}

                """)
    }

    @Test func stringsAreEscaped() {
        var line = JSONLine()
        line.add("text", "\"\\\n\u{1b}\u{7f}é")
        line.add("foreign", SafeText("\u{1b}\"\\"))
        line.finish()
        #expect(
            String(decoding: line.bytes, as: UTF8.self)
                == #"{"text":"\"\\\u000a\u001b\u007fé","foreign":"\\x1b\"\\\\"}"# + "\n")
    }

    @Test func anEmptyObject() {
        var line = JSONLine()
        line.finish()
        #expect(line.bytes == Array("{}\n".utf8))
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (951_868_799_999_999_999, "2000-02-29T23:59:59.999999999Z"),
            (951_868_800_000_000_000, "2000-03-01T00:00:00.000000000Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (1_735_689_599_000_000_006, "2024-12-31T23:59:59.000000006Z"),
            (Int64.max, "2262-04-11T23:47:16.854775807Z"),
            (Int64.min, "1677-09-21T00:12:43.145224192Z"),
        ] as [(Int64, String)])
    func instants(nanoseconds: Int64, expected: String) {
        #expect(rfc3339(nanoseconds) == expected)
    }
}
