import CommandLineOptions
import Testing

struct ValueTests {
    static let numbers: [(text: String, value: Int8?)] = [
        ("0", 0), ("127", 127), ("128", nil), ("-128", -128), ("-129", nil), ("007", 7), ("+1", nil), ("", nil),
        ("-", nil), (" 1", nil), ("1 ", nil), ("1.0", nil), ("1e1", nil), ("0x10", nil), ("٣", nil), ("1_0", nil),
        ("99999999999999999999999999", nil), ("nan", nil), ("--1", nil), ("-0", 0),
    ]

    @Test(arguments: numbers)
    func wholeNumber(_ row: (text: String, value: Int8?)) {
        #expect((try? OptionValue(row.text).wholeNumber(in: Int8.min...Int8.max)) == row.value)
    }

    static let hexadecimals: [(text: String, value: UInt32?)] = [
        ("0x0", 0), ("0XfF", 255), ("0xffffffff", .max), ("0x100000000", nil), ("0x", nil), ("x1", nil), ("0xg", nil),
        ("255", 255), ("4294967296", nil), ("-0x1", nil), ("-0", nil), ("0x-1", nil),
    ]

    @Test(arguments: hexadecimals)
    func hexadecimal(_ row: (text: String, value: UInt32?)) {
        #expect((try? OptionValue(row.text).wholeNumber(in: 0...UInt32.max, hexadecimal: true)) == row.value)
    }

    static let durations: [(text: String, value: Int64?)] = [
        ("0", 0), ("1", 1_000_000_000), ("0.2", 200_000_000), (".2", 200_000_000), ("1.000000001", 1_000_000_001),
        ("0.0000000001", nil), ("1.0000000000", nil), ("500ms", 500_000_000), ("1.5ms", 1_500_000),
        ("0.000001ms", 1), ("0.0000001ms", nil), ("7us", 7_000), ("0.0015us", nil), ("2m", 120_000_000_000),
        ("0.5m", 30_000_000_000), ("3s", 3_000_000_000), ("9223372036.854775807", .max),
        ("9223372036.854775808", nil), ("9223372037", nil), ("153722867.280912930m", 9_223_372_036_854_775_800),
        ("99999999999999999999", nil),
        ("nan", nil), ("inf", nil), ("", nil), (".", nil), ("5.", nil), ("-1", nil), ("-0", nil), ("+1", nil),
        ("1e3", nil), ("0x1", nil), ("1,5", nil), ("1.-5", nil), ("1.5.5", nil), ("ms", nil), ("s", nil), ("m", nil),
        ("1 s", nil), ("1S", nil), ("1ns", nil), ("1mss", nil), ("１", nil), ("1e\u{301}", nil),
    ]

    @Test(arguments: durations)
    func duration(_ row: (text: String, value: Int64?)) {
        #expect((try? OptionValue(row.text).duration(in: 0...Int64.max)) == row.value)
    }

    static let percentages: [(text: String, value: Int64?)] = [
        ("0", 0), ("1%", 10_000_000), ("0.5", 5_000_000), ("100%", 1_000_000_000), ("100.0000001", nil), ("101", nil),
        ("%", nil), ("1%%", nil), ("0.0000001%", 1), ("0.00000001", nil), ("-1%", nil), ("", nil),
    ]

    @Test(arguments: percentages)
    func percentage(_ row: (text: String, value: Int64?)) {
        #expect((try? OptionValue(row.text).percentage()) == row.value)
    }

    static let sizes: [(text: String, value: Int64?)] = [
        ("0", 0), ("56", 56), ("2k", 2048), ("2K", 2048), ("1M", 1 << 20), ("3g", 3 << 30), ("k", nil), ("1kk", nil),
        ("8589934591G", 8_589_934_591 << 30), ("8589934592G", nil), ("1.5k", nil), ("-1", nil), ("1T", nil),
        ("9223372036854775807", .max), ("9223372036854775807k", nil), ("", nil),
    ]

    @Test(arguments: sizes)
    func byteSize(_ row: (text: String, value: Int64?)) {
        #expect((try? OptionValue(row.text).byteSize(in: 0...Int64.max)) == row.value)
    }

    static let patterns: [(text: String, value: [UInt8]?)] = [
        ("ff", [0xff]), ("DeadBeef", [0xde, 0xad, 0xbe, 0xef]), ("f", nil), ("fff", nil), ("", nil), ("0x00", nil),
        ("0011223344", nil), ("00112233f", nil), ("gg", nil), ("0 ", nil), ("é0", nil),
    ]

    @Test(arguments: patterns)
    func hexBytes(_ row: (text: String, value: [UInt8]?)) {
        #expect((try? OptionValue(row.text).hexBytes(maximumCount: 4)) == row.value)
    }

    static let waitTexts: [(text: String, values: [Int64]?)] = [
        ("5", [5_000_000_000]), ("5,3,10", [5_000_000_000, 3_000_000_000, 10_000_000_000]),
        ("0.5,0,1.5", [500_000_000, 0, 1_500_000_000]), ("5,3", nil), ("5,3,10,1", nil), ("5,,10", nil), (",,", nil),
        ("", nil), ("61", nil), ("5,1001,1", nil), ("5,1,1001", nil), ("5,nan,1", nil), ("5s,3,10", nil), ("-5", nil),
    ]

    @Test(arguments: waitTexts)
    func waits(_ row: (text: String, values: [Int64]?)) {
        let waits = try? OptionValue(row.text).waits(maximum: 0...60_000_000_000)
        let values = waits.map { waits in [waits.maximum] + (waits.factors.map { [$0.here, $0.near] } ?? []) }
        #expect(values == row.values)
    }

    @Test func port() throws {
        #expect(try OptionValue("65535").port() == 65535)
        for text in ["0", "65536", "-1", "http", ""] {
            let error = #expect(throws: OptionError.self) { try OptionValue(text).port() }
            #expect(error?.description == "'\(text)' is not a port from 1 to 65535")
        }
    }

    @Test func decimal() throws {
        #expect(try OptionValue("1.5").decimal(in: 0...2_000_000_000) == 1_500_000_000)
        #expect(throws: OptionError.self) { try OptionValue("1.5ms").decimal(in: 0...2_000_000_000) }
    }

    @Test func choice() throws {
        let choices: [(word: String, value: Int)] = [("paris", 1), ("classic", 2)]
        #expect(try OptionValue("classic").choice(choices) == 2)
        #expect(throws: OptionError.self) { try OptionValue("pari").choice(choices) }
        #expect(throws: OptionError.self) { try OptionValue(nil).choice(choices) }
    }

    /// Each error line names the value and the range.
    @Test func errorsNameTheRange() {
        let value = OptionValue("x")
        func message(_ body: () throws(OptionError) -> Void) -> String {
            do throws(OptionError) { try body() } catch { return error.description }
            return ""
        }
        #expect(
            message { () throws(OptionError) in _ = try value.duration(in: -1_500_000...1_000_000_000) }
                == "'x' is not a time from -0.0015 to 1 seconds")
        #expect(
            message { () throws(OptionError) in _ = try value.decimal(in: 500_000_000...2_000_000_000) }
                == "'x' is not a number from 0.5 to 2")
        #expect(
            message { () throws(OptionError) in _ = try value.percentage(in: 1_000_000...1_000_000_000) }
                == "'x' is not a percentage from 0.1 to 100")
        #expect(
            message { () throws(OptionError) in _ = try value.byteSize(in: 0...65507) }
                == "'x' is not a size from 0 to 65507 bytes (k, M, G: powers of 1024)")
        #expect(
            message { () throws(OptionError) in _ = try value.hexBytes(maximumCount: 16) }
                == "'x' is not 1 to 16 bytes as pairs of hexadecimal digits")
        #expect(
            message { () throws(OptionError) in _ = try value.waits(maximum: 0...60_000_000_000) }
                == "'x' is not MAX or MAX,HERE,NEAR (MAX 0 to 60 seconds, HERE and NEAR 0 to 1000)")
    }
}
