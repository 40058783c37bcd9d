import LinuxSockets
import PacketFormats
import ProbeEngine
import Testing

@testable import ProbeIO

@Suite struct TargetExpressionTests {
    private static func text(_ expression: TargetExpression) -> String {
        switch expression {
        case .name(let name): "name \(name)"
        case .address(let address): "address \(address)"
        case .prefix(let prefix): "prefix \(prefix)"
        case .range(let range): "range \(range)"
        }
    }

    static let good: [(String, String)] = [
        ("example.net", "name example.net"),
        ("example.net.", "name example.net."),
        ("web-1", "name web-1"),
        ("10-0-0-1.example", "name 10-0-0-1.example"),
        ("10-20", "name 10-20"),
        ("1-2-3", "name 1-2-3"),
        ("10.0.0.1-a.example", "name 10.0.0.1-a.example"),
        ("192.0.2.1", "address 192.0.2.1"),
        ("127.1", "address 127.0.0.1"),
        ("0x7f000001", "address 127.0.0.1"),
        ("2001:DB8::1", "address 2001:db8::1"),
        ("10.0.0.0/8", "prefix 10.0.0.0/8"),
        ("10.1.2.3/8", "prefix 10.0.0.0/8"),
        ("192.0.2.1/32", "prefix 192.0.2.1/32"),
        ("0.0.0.0/0", "prefix 0.0.0.0/0"),
        ("2001:db8::/112", "prefix 2001:db8::/112"),
        ("10.0.0.1-10.0.0.9", "range 10.0.0.1-10.0.0.9"),
        ("10.0.0.1-10.0.0.1", "range 10.0.0.1-10.0.0.1"),
        ("2001:db8::1-2001:db8::ff", "range 2001:db8::1-2001:db8::ff"),
    ]

    @Test(arguments: good)
    func understands(text: String, expected: String) throws {
        #expect(try Self.text(TargetExpression(text)) == expected)
    }

    static let bad: [(String, String)] = [
        ("", "'' is empty, not a host"),
        ("a b", "'a b' has white space in it and is no host"),
        ("https://example.net/x", "'https://example.net/x' is a URL, not a host: try 'example.net'"),
        ("[2001:db8::1]", "'[2001:db8::1]' is an address in brackets: try '2001:db8::1'"),
        ("[2001:db8::1]:80", "'[2001:db8::1]:80' is a host with a port: try '2001:db8::1'"),
        ("192.0.2.1.", "'192.0.2.1.' is an address with a dot behind it: try '192.0.2.1'"),
        ("example.net/24", "'example.net/24' is a host with a path: try 'example.net'"),
        ("192.0.2.256", "'192.0.2.256' looks like an IPv4 address and is none"),
        ("10.0.0.0/33", "'10.0.0.0/33': the length of such a prefix is 0 to 32"),
        ("10.0.0.0/99999999999999999999", "'10.0.0.0/99999999999999999999': the length of such a prefix is 0 to 32"),
        ("2001:db8::/129", "'2001:db8::/129': the length of such a prefix is 0 to 128"),
        ("127.1/8", "'127.1/8' is not written in full: try '127.0.0.0/8'"),
        ("10.0.0.0/08", "'10.0.0.0/08' is not written in full: try '10.0.0.0/8'"),
        ("10.0.0.0/", "'10.0.0.0/' is a host with a path: try '10.0.0.0'"),
        ("10.0.0.1-20", "'10.0.0.1-20' is not written in full: try '10.0.0.1-10.0.0.20'"),
        ("10.0.0.1-1.20", "'10.0.0.1-1.20' is not written in full: try '10.0.0.1-10.0.1.20'"),
        ("10.0.0.20-1", "'10.0.0.20-1' looks like a range and is none: write both addresses in full"),
        ("10.0.0.1-256", "'10.0.0.1-256' looks like a range and is none: write both addresses in full"),
        ("10.0.0.1-", "'10.0.0.1-' looks like a range and is none: write both addresses in full"),
        ("127.1-127.9", "'127.1-127.9' is not written in full: try '127.0.0.1-127.0.0.9'"),
        ("2001:db8::1-ff", "'2001:db8::1-ff' looks like a range and is none: write both addresses in full"),
        ("10.0.0.9-10.0.0.1", "'10.0.0.9-10.0.0.1' ends before it begins: try '10.0.0.1-10.0.0.9'"),
        ("10.0.0.1-::1", "'10.0.0.1-::1' is a range from one version or zone to another"),
        ("fe80::/64", "'fe80::' is a link-local address: it needs its interface, as in fe80::%eth0"),
        ("fe80::1-fe80::9", "'fe80::1' is a link-local address: it needs its interface, as in fe80::1%eth0"),
        ("fe80::1%nope0", "'fe80::1%nope0': there is no interface 'nope0'"),
    ]

    @Test(arguments: bad)
    func saysWhatWouldBeRight(text: String, expected: String) {
        do throws(TargetError) {
            let expression = try TargetExpression(text)
            Issue.record("taken for \(Self.text(expression))")
        } catch {
            #expect(error.description == expected)
        }
    }

    @Test func zonesAreInterfaces() throws {
        let lo = try Interface.index(named: "lo")
        #expect(try Self.text(TargetExpression("fe80::%lo/126")) == "prefix fe80::%\(lo)/126")
        #expect(try Self.text(TargetExpression("fe80::1%lo-fe80::4")) == "range fe80::1%\(lo)-fe80::4%\(lo)")
        #expect(try Self.text(TargetExpression("fe80::/126", zone: lo)) == "prefix fe80::%\(lo)/126")
        #expect(try Self.text(TargetExpression("fe80::1-fe80::4", zone: lo)) == "range fe80::1%\(lo)-fe80::4%\(lo)")
        #expect(try Self.text(TargetExpression("fe80::1", zone: lo)) == "address fe80::1%\(lo)")
    }

    @Test(arguments: ["10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.2"])
    func theOtherVersionIsRefused(text: String) {
        #expect(throws: TargetError.noTarget(.wrongVersion(name: text, wanted: .v6))) {
            try TargetExpression(text, family: .v6)
        }
        #expect(throws: Never.self) { try TargetExpression(text, family: .v4) }
    }

    @Test func countsWithoutTheNetworkAndItsBroadcastAddress() throws {
        let counts: [(String, UInt64?)] = [
            ("h.example", nil), ("10.0.0.1", 1), ("10.0.0.0/24", 254), ("10.0.0.0/31", 2),
            ("10.0.0.0/0", 4_294_967_294),
            ("10.0.0.0-10.0.0.255", 256), ("2001:db8::/120", 256), ("::/0", .max),
        ]
        for (text, count) in counts { #expect(try TargetExpression(text).count == count, "\(text)") }
    }

    @Test("Nothing traps, and what is understood is understood again as it is written", arguments: 0..<8)
    func fuzz(seed: Int) throws {
        var state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
        func next(below limit: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(limit))
        }
        let seeds = (Self.good + Self.bad).map { Array($0.0.unicodeScalars) }
        let alphabet = Array("0123456789abcf.:/-%[]@x é\0\u{202e}".unicodeScalars)
        for _ in 0..<3_000 {
            var scalars = seeds[next(below: seeds.count)]
            for _ in 0..<next(below: 5) {
                let place = next(below: scalars.count + 1)
                if next(below: 3) == 0, place < scalars.count {
                    scalars.remove(at: place)
                } else {
                    scalars.insert(alphabet[next(below: alphabet.count)], at: place)
                }
            }
            if next(below: 10) == 0 { scalars += seeds[next(below: seeds.count)] }
            var text = ""
            text.unicodeScalars.append(contentsOf: scalars)
            guard let expression = try? TargetExpression(text) else { continue }
            let written = Self.text(expression).split(separator: " ", maxSplits: 1).last.map(String.init) ?? ""
            #expect(try TargetExpression(written) == expression, "\(text)")
        }
    }
}
