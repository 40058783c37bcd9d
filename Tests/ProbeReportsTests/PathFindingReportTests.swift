import PacketFormats
import ProbeReports
import TestSupport
import Testing

@testable import ProbeEngine

private typealias Kind = PathFinding.Kind
private typealias Losses = PathFinding.Losses

private func count(_ hop: Int, _ answered: Int, _ asked: Int) -> Losses.Count {
    Losses.Count(hop: hop, answered: answered, asked: asked)
}

private func length(_ hop: Int, _ hopLimit: UInt8) -> PathFinding.ReturnLength {
    PathFinding.ReturnLength(hop: hop, hopLimit: hopLimit)
}

private let interface = InterfaceInformation(
    role: .incoming, index: 7, address: address("10.0.0.1"), name: Array("ge-0/0/1".utf8), mtu: 1500)

/// Hops, what was found there, and its line.
private let sentences: [(ClosedRange<Int>, Kind, String)] = [
    (9...9, .returnPath([length(9, 246)]), "hop 9: way back of 10 hops"),
    (9...11, .returnPath([9, 10, 11].map { length($0, UInt8(255 - $0)) }), "hops 9-11: way back of 10 to 12 hops"),
    (
        9...11, .returnPath([length(9, 246), length(10, 244), length(11, 51)]),
        "hops 9-11: way back of 10, 12, 14 hops"
    ),
    (
        4...5, .hiddenHops(count: 3, [length(4, 252), length(5, 248), length(6, 248)]),
        "perhaps an invisible MPLS tunnel of 3 hops before hop 5: way back of 4 hops from hop 4, 8 hops from hop 5, 8 hops"
            + " from hop 6"
    ),
    (
        6...6, .hiddenReturnHops(count: 2, responder: address("10.0.9.9")),
        "hop 6: time exceeded of 10.0.9.9 came back over 2 hops more than its echo reply: perhaps an invisible MPLS"
            + " tunnel on the way back"
    ),
    (
        2...4, .changed(.dscp, from: .number(0x2e), to: .number(0)),
        "DSCP cleared between hop 2 and 4: 0x2e -> 0x00"
    ),
    (2...3, .changed(.dscp, from: .number(0), to: .number(8)), "DSCP changed between hop 2 and 3: 0x00 -> 0x08"),
    (0...1, .changed(.ecn, from: .number(2), to: .number(0)), "ECN cleared before hop 1: ECT(0) -> Not-ECT"),
    (1...2, .changed(.ecn, from: .number(1), to: .number(3)), "ECN changed between hop 1 and 2: ECT(1) -> CE"),
    (
        2...3, .changed(.source, from: .address(address("10.0.0.1")), to: .address(address("fe80::1%2"))),
        "source address rewritten between hop 2 and 3: 10.0.0.1 -> fe80::1%eth0"
    ),
    (
        2...3, .changed(.sourcePort, from: .number(40_000), to: .number(1024)),
        "source port rewritten between hop 2 and 3: 40000 -> 1024"
    ),
    (
        2...3, .changed(.udpChecksum, from: .number(0x78dd), to: .number(0x7cdd)),
        "UDP checksum rewritten between hop 2 and 3, perhaps by a NAT: 0x78dd -> 0x7cdd"
    ),
    (
        2...3, .changed(.identification, from: .number(1), to: .number(0)),
        "IP ID rewritten between hop 2 and 3: 0x0001 -> 0x0000"
    ),
    (2...3, .changed(.dontFragment, from: .flag(true), to: .flag(false)), "DF cleared between hop 2 and 3: 1 -> 0"),
    (
        2...3, .changed(.flowLabel, from: .number(0x77), to: .number(0xabcde)),
        "flow label changed between hop 2 and 3: 0x77 -> 0xabcde"
    ),
    (
        2...3, .changed(.totalLength, from: .number(60), to: .number(52)),
        "total length changed between hop 2 and 3: 60 -> 52"
    ),
    (
        2...3, .changed(.maximumSegmentSize, from: .number(1460), to: .number(1380)),
        "TCP MSS changed between hop 2 and 3: 1460 -> 1380"
    ),
    (
        2...3, .changed(.maximumSegmentSize, from: .number(1460), to: .missing),
        "TCP MSS taken out between hop 2 and 3: 1460 -> none"
    ),
    (
        2...3, .changed(.maximumSegmentSize, from: .missing, to: .number(1460)),
        "TCP MSS added between hop 2 and 3: none -> 1460"
    ),
    (
        2...3, .changed(.tcpOptions, from: .tcpOptions([2, 4, 8, 3, 30]), to: .tcpOptions([2])),
        "TCP options taken out between hop 2 and 3: mss,sack,timestamps,window_scale,30 -> mss"
    ),
    (
        2...3, .changed(.tcpOptions, from: .tcpOptions([2]), to: .tcpOptions([])),
        "TCP options taken out between hop 2 and 3: mss -> none"
    ),
    (
        2...3, .changed(.tcpFlags, from: .tcpFlags([.syn, .ece, .cwr]), to: .tcpFlags([.syn])),
        "TCP flags changed between hop 2 and 3: syn,ece,cwr -> syn"
    ),
    (
        2...3, .changed(.tcpSequenceNumber, from: .number(1), to: .number(.max)),
        "TCP sequence number rewritten between hop 2 and 3: 0x1 -> 0xffffffff"
    ),
    (
        5...5, .quotedAlone(.totalLength, usual: .number(60), quoted: .number(44)),
        "hop 5 alone quotes total length 44, others 60"
    ),
    (
        5...5, .quotedBySome(.dscp, usual: .number(46), quoted: .number(0), count: 1, of: 3),
        "hop 5: 1 of 3 answers quote DSCP 0x00, the others 0x2e"
    ),
    (
        4...5, .hopLimits(.zeroForwarded(responder: address("10.0.1.5"))),
        "hops 4-5: both are 10.0.1.5: hop 4 passes on packets whose hop limit has run out"
    ),
    (4...5, .hopLimits(.sameResponder(address("10.0.1.5"))), "hops 4-5: both are 10.0.1.5"),
    (
        4...6, .hopLimits(.implicitTunnel(quoted: [1, 2, 3])),
        "hops 4-6: quoted hop limits rise, 1, 2, 3: perhaps an MPLS tunnel"
    ),
    (
        4...4, .hopLimits(.unexpected(quoted: 250, responder: address("10.0.1.4"))),
        "hop 4: 10.0.1.4 quotes hop limit 250 where 1 was due"
    ),
    (
        6...6, .hopLimits(.destination(expected: 5, quoted: 7, responder: address("10.0.9.9"))),
        "hop 6: 10.0.9.9 got a probe with hop limit 7 where 5 was due"
    ),
    (
        4...4, .interfaces([interface], responder: address("10.0.1.4")),
        "hop 4: came in by ge-0/0/1 (10.0.0.1), mtu 1500"
    ),
    (
        4...4,
        .interfaces(
            [
                InterfaceInformation(role: .outgoing, index: 3),
                InterfaceInformation(role: .incomingComponent, name: Array("a\u{1b}[2J\n".utf8) + [0xff]),
                InterfaceInformation(role: .nextHop, address: address("fe80::1%2"), name: []),
                InterfaceInformation(role: .incoming, mtu: .max),
            ], responder: address("10.0.1.4")),
        "hop 4: goes out by interface 3; came in by the member a\\x1b[2J\\n\\xff; goes on to fe80::1%eth0; came in by an"
            + " interface, mtu 4294967295"
    ),
    (
        4...4, .limited(Losses(hops: [count(4, 1, 3)], later: count(5, 6, 6), laterHops: 2)),
        "hop 4: limited: 1 of 3 answered, the 2 later hops 6 of 6"
    ),
    (
        4...4, .limited(Losses(hops: [count(4, 2, 10)], later: count(5, 9, 10), laterHops: 1)),
        "hop 4: limited: 2 of 10 answered, the later hop 9 of 10"
    ),
    (
        4...4, .limited(Losses(hops: [count(4, 1, 3)], later: count(0, 0, 0), laterHops: 0)),
        "hop 4: limited: 1 of 3 answered, no more without a pause"
    ),
    (
        4...6,
        .limited(Losses(hops: [count(4, 1, 3), count(5, 1, 3), count(6, 1, 3)], later: count(7, 3, 3), laterHops: 1)),
        "hops 4-6: limited: 1 of 3 answered each, the later hop 3 of 3"
    ),
    (
        4...5, .limited(Losses(hops: [count(4, 1, 3), count(5, 1, 4)], later: count(0, 0, 0), laterHops: 0)),
        "hops 4-5: limited: 2 of 7 answered, no more without a pause"
    ),
    (
        8...9,
        .loss(Losses(hops: [count(8, 1, 3), count(9, 2, 3)], later: count(0, 0, 0), laterHops: 0), isLocated: true),
        "loss from hop 8 on: hop 8 answered 1 of 3, hop 9 answered 2 of 3"
    ),
    (
        8...9,
        .loss(Losses(hops: [count(8, 1, 3), count(9, 2, 3)], later: count(0, 0, 0), laterHops: 0), isLocated: false),
        "loss on the way to hop 9: hop 8 answered 1 of 3, hop 9 answered 2 of 3"
    ),
    (5...8, .loop([address("10.0.1.2"), address("10.0.2.2")]), "loop: hops 5-8 repeat 10.0.1.2, 10.0.2.2"),
    (
        5...5, .severalResponders([address("10.0.1.2"), address("10.0.2.2")]),
        "hop 5: 2 routers for one flow: 10.0.1.2, 10.0.2.2"
    ),
    (
        3...3, .refused(type: ICMPType.V4.destinationUnreachable, code: 13, info: 0, responder: address("10.0.3.2")),
        "hop 3: 10.0.3.2 says: Packet filtered"
    ),
    (
        3...3, .refused(type: ICMPType.V4.destinationUnreachable, code: 4, info: 1400, responder: address("10.0.3.2")),
        "hop 3: 10.0.3.2 says: Frag needed and DF set (mtu = 1400)"
    ),
    (
        3...3, .refused(type: ICMPType.V6.destinationUnreachable, code: 3, info: 0, responder: address("fe80::1%2")),
        "hop 3: fe80::1%eth0 says: Destination unreachable: Address unreachable"
    ),
    (8...30, .silentEnd, "nothing answered behind hop 7"),
    (1...30, .silentEnd, "nothing answered"),
]

@Suite struct PathFindingReportTests {
    private static var zones: [UInt32: SafeText] { [2: SafeText(name: "eth0")] }

    @Test func saysThemInALine() {
        var report = PathTextReport(target: target("h", "10.0.9.9"))
        report.zones = Self.zones
        for (hops, kind, line) in sentences {
            #expect(written { report.append(PathFinding(hops: hops, kind: kind), to: &$0) } == line + "\n")
        }
    }

    @Test func keepsToItsSchema() throws {
        let schema = try JSONSchema("swtrace")
        var report = PathJSONReport(target: target("h", "10.0.9.9"), method: .icmpEcho)
        report.zones = Self.zones
        var words: Set<String> = []
        for (hops, kind, line) in sentences {
            let text = written { report.append(PathFinding(hops: hops, kind: kind), time: 7, to: &$0) }
            #expect(try problems(text, by: schema) == [])
            let value = try JSONValue(parsing: String(text.dropLast()))
            #expect(value["type"].text == "finding" && value["text"].text == line)
            #expect(value["first_hop"].integer == Int64(hops.lowerBound))
            #expect(value["last_hop"].integer == Int64(hops.upperBound))
            words.insert(try #require(value["finding"].text))
        }
        #expect(words.count == 17)
    }

    @Test func writesEvidence() throws {
        let report = PathJSONReport(target: target("h", "10.0.9.9"), method: .icmpEcho)
        func value(_ hops: ClosedRange<Int>, _ kind: Kind) throws -> JSONValue {
            let text = written { report.append(PathFinding(hops: hops, kind: kind), time: 7, to: &$0) }
            return try JSONValue(parsing: String(text.dropLast()))
        }
        let changed = try value(2...4, .changed(.maximumSegmentSize, from: .number(1460), to: .missing))
        #expect(changed["field"].text == "maximum_segment_size")
        #expect(changed["from"].integer == 1460 && changed["to"] == .null)
        let limited = try value(
            4...4, .limited(Losses(hops: [count(4, 1, 3)], later: count(5, 6, 6), laterHops: 2)))
        #expect(limited["hops"].elements.map { $0["answered"].integer } == [1])
        #expect(limited["later_answered"].integer == 6 && limited["later_hops"].integer == 2)
        let tunnel = try value(4...6, .hopLimits(.implicitTunnel(quoted: [1, 2, 3])))
        #expect(tunnel["quotes"].elements.map { $0["hop"].integer } == [4, 5, 6])
        let back = try value(9...9, .returnPath([length(9, 55)]))
        #expect(back["lengths"].elements.map { $0["length"].integer } == [10])
        #expect(back["lengths"].elements.map { $0["initial_hop_limit"].integer } == [64])
    }

    /// What traceroute 2.1.2 printed behind a router that set these hop limits in answers from two and three hops away.
    @Test(
        arguments: [
            (253, 2, "'-3'"), (61, 3, "'-4'"), (39, 2, "'-26'"), (29, 2, "'-36'"), (127, 3, "'-2'"), (64, 3, "'-1'"),
            (128, 3, "'-1'"), (199, 3, "'-57'"), (254, 2, nil), (62, 3, nil), (255, 1, nil), (0, 3, nil), (nil, 3, nil),
        ] as [(UInt8?, Int, String?)])
    func printsTheWayBackAsTraceroute(hopLimit: UInt8?, hop: Int, expected: String?) {
        var answer = answer("10.50.4.1", 1_000)
        answer.hopLimit = hopLimit
        #expect(answer.back(at: hop) == expected)
    }

    @Test func listsNoMoreThanALineTakes() {
        let responders = (1...99).map { address("10.0.0.\($0)") }
        let line = PathFinding(hops: 1...99, kind: .loop(responders)).text()
        #expect(line.hasSuffix("10.0.0.16, ...") && line.utf8.count < 250)
    }
}
