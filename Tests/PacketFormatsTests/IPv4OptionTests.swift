import PacketFormats
import Testing

@Suite struct IPv4OptionTests {
    static func route(_ pointer: UInt8, _ slots: [IPv4Address]) -> IPv4Route {
        var route = IPv4Route(slots: slots)
        route.pointer = pointer
        return route
    }

    static func timestamp(
        _ form: IPv4TimestampOption.Form, pointer: UInt8, overflow: UInt8 = 0, _ entries: [IPv4TimestampOption.Entry]
    ) -> IPv4TimestampOption {
        var option = IPv4TimestampOption(form, entries: entries)
        option.pointer = pointer
        option.overflow = overflow
        return option
    }

    static let first = IPv4Address(203, 0, 113, 9)
    static let second = IPv4Address(203, 0, 113, 13)

    /// Areas of whole words, and what they say.
    static let golden: [(String, IPv4Options)] = [
        ("", []),
        ("01010101", [.noOperation, .noOperation, .noOperation, .noOperation]),
        ("94040000", [.routerAlert(0)]),
        ("070b08 cb007109 00000000 00", [.recordRoute(route(8, [first, .any]))]),
        ("01 830b04 cb007109 cb00710d", [.noOperation, .looseSourceRoute(route(4, [first, second]))]),
        ("890b0c cb007109 cb00710d 00", [.strictSourceRoute(route(12, [first, second]))]),
        (
            "440c0970 000003e8 800007d0",
            [
                .timestamp(
                    timestamp(
                        .timestamps, pointer: 9, overflow: 7,
                        [
                            .init(timestamp: InternetTimestamp(rawValue: 1000)),
                            .init(timestamp: InternetTimestamp(rawValue: 0x8000_07d0)),
                        ]))
            ]
        ),
        (
            "440c0d01 cb007109 000003e8",
            [
                .timestamp(
                    timestamp(
                        .addresses, pointer: 13,
                        [.init(address: first, timestamp: InternetTimestamp(rawValue: 1000))]))
            ]
        ),
        (
            "44140503 cb007109 00000000 cb00710d 00000000",
            [
                .timestamp(
                    timestamp(.prespecified, pointer: 5, [.init(address: first), .init(address: second)]))
            ]
        ),
        ("8206 6162 6364 0000", [.unknown(type: 0x82, data: hex("61626364"))]),
    ]

    @Test(arguments: golden)
    func goldenBytes(_ text: String, _ options: IPv4Options) throws {
        let bytes = hex(text)
        #expect(try IPv4Options(parsing: bytes.bytes) == options)
        #expect(try written { output throws(PacketError) in try options.write(to: &output) } == bytes)
        #expect(try options.encoded() == bytes)
    }

    /// Options of a known type that contradict themselves are kept as they are.
    @Test(arguments: [
        "070a08 cb007109 000000",  // a slot of three octets
        "070703 cb007109",  // a pointer into the pointer
        "070705 cb007109",  // a pointer into the middle of a slot
        "0702",  // no pointer
        "44080502 000003e8",  // a form that does not exist
        "44080400 000003e8",  // a pointer into the flags
        "44080a00 000003e8",  // a pointer into the middle of an entry
        "44080501 000003e8",  // half of an entry
        "4403 05",  // no flags
        "940300",  // a router alert of one octet
    ])
    func malformedOnesAreKept(_ text: String) throws {
        let bytes = hex(text)
        let parsed = try IPv4Options(parsing: bytes.bytes)
        #expect(Array(parsed) == [.unknown(type: bytes[0], data: Array(bytes.dropFirst(2)))])
        let encoded = try parsed.encoded()
        #expect(Array(encoded.prefix(bytes.count)) == bytes)
    }

    @Test(arguments: ["07", "0700", "0701", "0708 04 00000000", "01010144", "ff28"])
    func impossibleLengths(_ text: String) {
        let bytes = hex(text)
        #expect(failure { () throws(PacketError) in _ = try IPv4Options(parsing: bytes.bytes) } != nil)
    }

    @Test func nothingIsReadBehindTheEnd() throws {
        let bytes = hex("01 00 07 ff")
        #expect(try IPv4Options(parsing: bytes.bytes) == [.noOperation])
    }

    @Test(
        arguments: [
            [.recordRoute(IPv4Route(recording: 10))],
            [.recordRoute(IPv4Route(recording: 9)), .routerAlert(0)],
            [.recordRoute(route(5, []))],
            [.strictSourceRoute(route(0, []))],
            [.timestamp(timestamp(.addresses, pointer: 5, .init(repeating: .init(), count: 5)))],
            [.timestamp(timestamp(.timestamps, pointer: 5, .init(repeating: .init(), count: 10)))],
            [.timestamp(timestamp(.timestamps, pointer: 6, []))],
            [.timestamp(timestamp(.timestamps, pointer: 5, overflow: 16, []))],
            [.unknown(type: 0, data: [])],
            [.unknown(type: 1, data: [])],
            [.unknown(type: 200, data: [UInt8](repeating: 0, count: 300))],
        ] as [IPv4Options])
    func whatCanNotBeWritten(_ options: IPv4Options) {
        #expect(throws: PacketError.self) { try options.encoded() }
    }

    @Test func theLargestOnesFit() throws {
        #expect(try IPv4Options([.recordRoute(IPv4Route(recording: 9))]).encoded().count == 40)
        let timestamps = IPv4TimestampOption(.timestamps, entries: .init(repeating: .init(), count: 9))
        #expect(try IPv4Options([.timestamp(timestamps)]).encoded().count == 40)
        let pairs = IPv4TimestampOption(.addresses, entries: .init(repeating: .init(), count: 4))
        #expect(try IPv4Options([.timestamp(pairs)]).encoded().count == 36)
    }

    /// Pointers from the first slot to far behind the last.
    @Test(arguments: [(4, 0, 2), (8, 1, 1), (12, 2, 0), (252, 2, 0)] as [(UInt8, Int, Int)])
    func passedAndRemaining(_ pointer: UInt8, _ passed: Int, _ remaining: Int) {
        let route = Self.route(pointer, [Self.first, Self.second])
        #expect(route.passed.count == passed)
        #expect(route.remaining.count == remaining)
        #expect(Array(route.passed) + Array(route.remaining) == route.slots)
    }

    @Test func onlyTheHighBitIsCopied() {
        let options: [IPv4Option] = [
            .noOperation, .recordRoute(IPv4Route(recording: 1)), .looseSourceRoute(IPv4Route(recording: 1)),
            .strictSourceRoute(IPv4Route(recording: 1)), .timestamp(IPv4TimestampOption(.timestamps, entries: [])),
            .routerAlert(0), .unknown(type: 0x7f, data: []), .unknown(type: 0x80, data: []),
        ]
        #expect(options.map(\.isCopied) == [false, false, true, true, false, true, false, true])
    }

    @Test func recordedEntries() {
        let entry = IPv4TimestampOption.Entry(address: Self.first, timestamp: InternetTimestamp(rawValue: 1))
        let option = Self.timestamp(.addresses, pointer: 13, [entry, .init(address: .any)])
        #expect(Array(option.recorded) == [entry])
    }
}
