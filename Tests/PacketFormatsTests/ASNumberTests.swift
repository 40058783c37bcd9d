import PacketFormats
import Testing

@Suite struct ASNumberTests {
    @Test(arguments: [("AS64500", 64_500), ("as1", 1), ("AS0", 0), ("AS4294967295", UInt32.max)] as [(String, UInt32)])
    func parses(text: String, number: UInt32) throws {
        let parsed = try #require(ASNumber(text))
        #expect(parsed.rawValue == number)
        #expect(parsed.description == text.uppercased())
    }

    @Test(arguments: ["", "AS", "64500", "AS4294967296", "AS1.10", "AS 1", "AS01", "AS-1", "aS1", "ASN1", "AS1x"])
    func refuses(text: String) { #expect(ASNumber(text) == nil) }

    @Test func originsAreInOrderAndFew() {
        let numbers = [5, 3, 0, 3].map { ASNumber(rawValue: $0) }
        #expect(ASOrigins(numbers).description == "AS3/AS5")
        #expect(ASOrigins([ASNumber(rawValue: 0)]) == ASOrigins.none)
        #expect(ASOrigins.none.description == "*")
        #expect(ASOrigins((1...1_000).map { ASNumber(rawValue: $0) }).numbers.count == 16)
        #expect(ASOrigins(numbers).contains(ASNumber(rawValue: 3)))
    }

    @Test(arguments: [
        ("8.8.8.8", true), ("11.0.0.1", true), ("172.32.0.1", true), ("100.128.0.1", true), ("223.255.255.255", true),
        ("0.0.0.0", false), ("10.0.0.1", false), ("100.64.0.1", false), ("127.0.0.1", false), ("169.254.0.1", false),
        ("172.16.0.1", false), ("172.31.255.255", false), ("192.0.0.8", false), ("192.0.2.1", false),
        ("192.168.1.1", false), ("198.19.255.255", false), ("198.51.100.7", false), ("203.0.113.7", false),
        ("224.0.0.1", false), ("240.0.0.1", false), ("255.255.255.255", false),
        ("2606:4700::1", true), ("2a00::1", true), ("3ffe::1", true), ("2001::1", true), ("2001:db9::", true),
        ("::", false), ("::1", false), ("::ffff:8.8.8.8", false), ("64:ff9b::8.8.8.8", false), ("2001:db8::1", false),
        ("2001:2::1", false), ("3fff::1", false), ("4000::1", false), ("fc00::1", false), ("fe80::1%1", false),
        ("ff02::1%1", false),
    ])
    func knowsWhatTheInternetKnows(text: String, isGlobal: Bool) throws {
        #expect(try #require(IPAddress(text)).isGlobal == isGlobal)
    }
}

@Suite struct DNSTextTests {
    /// Names are `a.` in the question and a pointer to it in the records.
    static func message(answers: [(type: UInt16, data: [UInt8])], flags: UInt8 = 0x81) -> [UInt8] {
        var bytes: [UInt8] = [0, 1, flags, 0x80, 0, 1, 0, UInt8(answers.count), 0, 0, 0, 0, 1, 0x61, 0, 0, 16, 0, 1]
        for answer in answers {
            bytes += [0xc0, 12, UInt8(answer.type >> 8), UInt8(answer.type & 0xff), 0, 1, 0, 0, 0, 1]
            bytes += [UInt8(answer.data.count >> 8), UInt8(answer.data.count & 0xff)] + answer.data
        }
        return bytes
    }

    @Test func readsTexts() throws {
        let message = Self.message(answers: [
            (16, [2, 0x61, 0x62]), (5, [0xc0, 12]), (16, [1, 0x63, 0, 2, 0x64, 0]), (16, []),
        ])
        let parsed = try DNSText(parsing: message.bytes)
        #expect(parsed.texts == [[0x61, 0x62], [0x63, 0x64, 0], []])
        #expect(try DNSText(parsing: Self.message(answers: []).bytes).texts.isEmpty)
    }

    @Test func refusesWhatEndsEarlyOrContradictsItself() {
        let whole = Self.message(answers: [(16, [2, 0x61, 0x62])])
        for length in 0..<whole.count {
            #expect(throws: PacketError.self) { try DNSText(parsing: Array(whole.prefix(length)).bytes) }
        }
        for bytes in [
            Self.message(answers: [(16, [3, 0x61])]), Self.message(answers: [(16, [1, 0x61, 9])]),
            Self.message(answers: [], flags: 1),
        ] {
            #expect(throws: PacketError.self) { try DNSText(parsing: bytes.bytes) }
        }
        var label = whole
        label[12] = 0x40
        #expect(throws: PacketError.invalidValue(field: "label", value: 0x40)) { try DNSText(parsing: label.bytes) }
    }

    @Test func keepsABoundedNumber() throws {
        let many = Self.message(answers: Array(repeating: (16, [1, 0x61]), count: 200))
        #expect(try DNSText(parsing: many.bytes).texts.count == 64)
    }

    @Test func noBytesAreATrap() {
        var state: UInt64 = 7
        func random() -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33)
        }
        let whole = Self.message(answers: [(16, [2, 0x61, 0x62]), (5, [0xc0, 12]), (16, [1, 0x63])])
        var parsed = 0
        for _ in 0..<50_000 {
            var bytes = whole
            for _ in 0..<1 + random() % 6 { bytes[random() % bytes.count] = UInt8(truncatingIfNeeded: random()) }
            bytes.removeLast(random() % 3 == 0 ? random() % bytes.count : 0)
            if (try? DNSText(parsing: bytes.bytes)) != nil { parsed += 1 }
        }
        #expect(parsed > 0)
    }
}
