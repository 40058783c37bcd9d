import CommandLineOptions
import PacketFormats

/// What random payloads are filled with.
func randomData(count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in generator.next() }
}

extension OptionValue {
    /// One to sixteen octets in hexadecimal; a last digit alone is an octet, as in ping.
    func pattern() throws(OptionError) -> [UInt8] {
        let digits = string.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
        guard (1...32).contains(digits.count), !digits.contains(nil) else {
            throw .invalid(value: string, expected: "1 to 16 bytes in hexadecimal")
        }
        return stride(from: 0, to: digits.count, by: 2).map { index in
            let pair = digits[index..<min(index + 2, digits.count)].compactMap(\.self)
            return UInt8(truncatingIfNeeded: pair.reduce(0) { $0 << 4 | $1 })
        }
    }

    /// The octet of DSCP and ECN: a number, or the name of a code point (RFC 2474, 2597, 3246, 5865, 8622).
    func trafficClass() throws(OptionError) -> UInt8 {
        if let point = Self.codePoint(string.lowercased()) { return point << 2 }
        do throws(OptionError) {
            return try wholeNumber(in: 0...UInt8.max, hexadecimal: true)
        } catch {
            throw .invalid(value: string, expected: "a number from 0 to 255 (0x0 to 0xff), nor the name of a DSCP")
        }
    }

    private static func codePoint(_ name: String) -> UInt8? {
        switch name {
        case "ef": return 46
        case "va": return 44
        case "le": return 1
        default: break
        }
        let digits = name.utf8.dropFirst(2).map { Int($0) - Int(UInt8(ascii: "0")) }
        if name.hasPrefix("cs"), digits.count == 1, (0...7).contains(digits[0]) { return UInt8(digits[0] * 8) }
        if name.hasPrefix("af"), digits.count == 2, (1...4).contains(digits[0]), (1...3).contains(digits[1]) {
            return UInt8(digits[0] * 8 + digits[1] * 2)
        }
        return nil
    }

    /// 20 bits in hexadecimal, with or without `0x`; 0 becomes a random label that sockets may hold.
    func flowLabel() throws(OptionError) -> UInt32 {
        var digits = string[...]
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") { digits = digits.dropFirst(2) }
        guard !digits.isEmpty, digits.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let label = UInt32(digits, radix: 16), label <= 0xf_ffff
        else { throw .invalid(value: string, expected: "a flow label from 0 to fffff in hexadecimal") }
        return label == 0 ? .random(in: 1...0x7_ffff) : label
    }

    /// ping's words for the forms of the timestamp option, the addresses behind an equals sign.
    func timestampOption() throws(OptionError) -> IPv4TimestampOption {
        typealias Entry = IPv4TimestampOption.Entry
        switch string {
        case "tsonly": return IPv4TimestampOption(.timestamps, entries: Array(repeating: Entry(), count: 9))
        case "tsandaddr":
            return IPv4TimestampOption(.addresses, entries: Array(repeating: Entry(address: .any), count: 4))
        default: break
        }
        let word = "tsprespec="
        let addresses = string.dropFirst(word.count).split(separator: ",", omittingEmptySubsequences: false)
            .map { IPv4Address(String($0)) }
        guard string.hasPrefix(word), (1...4).contains(addresses.count), !addresses.contains(nil) else {
            throw .invalid(value: string, expected: "tsonly, tsandaddr or tsprespec=A,B,... of up to 4 IPv4 addresses")
        }
        return IPv4TimestampOption(.prespecified, entries: addresses.map { Entry(address: $0) })
    }
}
