import PacketFormats
import SimulatedNetwork
import Testing

/// Three routers in a row and a target behind them.
private let row = """
    source 10.0.0.1 fd00::1
    router r1 10.0.1.1 fd00:1::1 delay 1ms
    router r2 10.0.2.1 fd00:2::1 delay 2ms
    router r3 10.0.3.1 fd00:3::1 delay 3ms
    path source r1 r2 r3
    target 10.0.9.9 fd00:9::9 via r3 delay 4ms

    """

@Suite struct RouterTests {
    @Test(arguments: ["10.0.9.9", "fd00:9::9"])
    func hopLimitRunsOutAtEachRouterInTurn(_ target: String) throws {
        let isV4 = target.contains(".")
        let seconds: [Int64] = [2, 6, 12]
        for hop in 1...3 {
            var network = try SimulatedNetwork(row)
            let sent = Host.datagram(to: target, hopLimit: UInt8(hop))
            let answers = try network.ask(sent)
            try #require(answers.count == 1)
            let answer = answers[0]
            #expect(answer.isTimeExceeded && answer.code == 0 && answer.checksumVerifies)
            #expect(answer.source == (isV4 ? "10.0.\(hop).1" : "fd00:\(hop)::1"))
            #expect(answer.destination == (isV4 ? "10.0.0.1" : "fd00::1"))
            // Router k's answer passes k - 1 routers.
            #expect(answer.hopLimit == UInt8(256 - hop))
            #expect(answer.time == seconds[hop - 1] * milli)
            // The quote is the packet as the router got it: one hop left, everything else as sent.
            var expected = Host.datagram(to: target, hopLimit: 1)
            #expect(answer.quote == expected)
            expected[expected.count - 1] ^= 1
            #expect(answer.quote != expected)
            #expect(network.truth.packets[0].arrivals == 1)
            #expect(network.truth.packets[0].deliveries.map(\.node) == ["r\(hop)"])
            #expect(network.truth.packets[0].deliveries[0].isError)
        }
    }

    @Test func quotesEndWhereTheRFCsSay() throws {
        for (target, total) in [("10.0.9.9", 576), ("fd00:9::9", 1280)] {
            var network = try SimulatedNetwork(row)
            let long = try network.ask(
                Host.datagram(to: target, hopLimit: 1, payload: Array(repeating: 7, count: 1_300)))
            #expect(long[0].bytes.count == total)
            #expect(long[0].checksumVerifies)
        }
    }

    @Test func oldRoutersQuoteTwentyEightOctets() throws {
        let text = row.replacing("router r2 10.0.2.1 fd00:2::1", with: "router r2 10.0.2.1 fd00:2::1 quote 28")
        var network = try SimulatedNetwork(text)
        #expect(try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: 2))[0].quote.count == 28)
        #expect(try network.ask(Host.datagram(to: "fd00:9::9", hopLimit: 2))[0].quote.count == 48)
    }

    @Test func silentRoutersForwardAndSayNothing() throws {
        let text = row.replacing("delay 2ms", with: "silent")
        var network = try SimulatedNetwork(text)
        #expect(try network.ask(Host.echo(to: "10.0.9.9", hopLimit: 2)).isEmpty)
        #expect(try network.ask(Host.echo(to: "10.0.9.9"))[0].isEchoReply)
        #expect(network.truth.counters.silenced == 1)
        #expect(
            network.truth.packets[0].losses == [Truth.Loss(node: "r2", isBackward: true, reason: .silence)])
    }

    @Test func routersAnswerForThemselves() throws {
        var network = try SimulatedNetwork(row)
        let echo = try network.ask(Host.echo(to: "10.0.2.1"))
        #expect(echo[0].isEchoReply && echo[0].source == "10.0.2.1" && echo[0].hopLimit == 254)
        let datagram = try network.ask(Host.datagram(to: "fd00:2::1"))
        #expect(datagram[0].isUnreachable && datagram[0].code == 4)
    }

    @Test func rateLimitsCountErrorsAndNotReplies() throws {
        let text = row.replacing("delay 2ms", with: "limit 10/s burst 5")
        var network = try SimulatedNetwork(text)
        var received = 0
        // One error per millisecond for a second: the burst, and then one each 100 ms.
        for tick in 0..<1_000 as Range<Int64> {
            network.send(Host.datagram(to: "10.0.9.9", hopLimit: 2), at: tick * milli)
            network.send(Host.echo(to: "10.0.2.1"), at: tick * milli)
        }
        for answer in try network.drain() where answer.isTimeExceeded { received += 1 }
        #expect(received == 5 + 9)
        #expect(network.truth.counters.rateLimited == 1_000 - received)
        #expect(network.truth.counters.delivered == 1_000 + received)
    }

    @Test(arguments: [
        ("net", 0, 0), ("host", 1, 3), ("protocol", 2, 4), ("port", 3, 4), ("admin", 13, 1), ("10", 10, 10),
    ])
    func refusals(_ reason: String, _ v4: UInt8, _ v6: UInt8) throws {
        let wall = try Scenario(
            parsing: row.replacing("delay 2ms", with: "unreachable \(reason)"))
        let host = try Scenario(parsing: row.replacing("delay 4ms", with: "unreachable \(reason)"))
        for (scenario, router) in [(wall, "r2"), (host, "r3")] {
            var network = SimulatedNetwork(scenario, seed: 1)
            for (target, code) in [("10.0.9.9", v4), ("fd00:9::9", v6)] {
                let answers = try network.ask(Host.echo(to: target))
                #expect(answers.count == 1 && answers[0].isUnreachable && answers[0].code == code)
                #expect(network.truth.packets.last?.deliveries.first?.node == router)
                // The hop limit runs out before a router refuses to forward.
                let expired = try network.ask(Host.echo(to: target, hopLimit: router == "r2" ? 2 : 3))
                #expect(expired[0].isTimeExceeded)
            }
        }
    }

    @Test func unknownDestinationsHaveNoRoute() throws {
        var network = try SimulatedNetwork(row)
        let v4 = try network.ask(Host.echo(to: "192.0.2.1"))
        #expect(v4[0].isUnreachable && v4[0].code == 0 && v4[0].source == "10.0.1.1")
        let v6 = try network.ask(Host.echo(to: "2001:db8::1"))
        #expect(v6[0].isUnreachable && v6[0].code == 0 && v6[0].source == "fd00:1::1")
    }

    @Test func interfacesHaveAddressesOfTheirOwn() throws {
        let text =
            row + """
                link r1 r2 near 10.12.0.1 fd00:12::1 far 10.12.0.2 fd00:12::2
                """
        var network = try SimulatedNetwork(text)
        // The error comes from the interface over which the packet came.
        #expect(try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: 2))[0].source == "10.12.0.2")
        #expect(try network.ask(Host.datagram(to: "fd00:9::9", hopLimit: 2))[0].source == "fd00:12::2")
        #expect(try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: 1))[0].source == "10.0.1.1")
        #expect(try network.ask(Host.echo(to: "10.12.0.2"))[0].source == "10.12.0.2")
    }

    @Test func labelsAndInterfacesOnErrors() throws {
        let text = row.replacing("delay 2ms", with: "mpls 16004/24001 interface-info")
        var network = try SimulatedNetwork(text)
        for (target, version) in [("10.0.9.9", IPVersion.v4), ("fd00:9::9", .v6)] {
            let answer = try network.ask(Host.datagram(to: target, hopLimit: 2))[0]
            #expect(answer.checksumVerifies)
            let message = try ICMPErrorMessage(parsing: answer.message.bytes, version: version)
            let objects = try #require(message.extensions?.objects)
            #expect(
                objects.first
                    == .mpls([
                        MPLSLabel(label: 16_004, isBottomOfStack: false, timeToLive: 1),
                        MPLSLabel(label: 24_001, isBottomOfStack: true, timeToLive: 1),
                    ]))
            guard case .interface(let interface) = objects.last else {
                Issue.record("no interface object")
                continue
            }
            #expect(interface.role == .incoming)
            #expect(interface.address?.description == answer.source)
            #expect(interface.name.map { String(decoding: $0, as: UTF8.self) } == "to-r1")
            #expect(interface.mtu == 1_500)
            #expect(interface.index ?? 0 > 0)
            // 60 octets of packet are padded to the 128 that the RFC asks for; a longer one is quoted on.
            #expect(answer.message.count == 8 + 128 + 4 + 12 + (version == .v4 ? 28 : 40))
            let long = try network.ask(
                Host.datagram(to: target, hopLimit: 2, payload: Array(repeating: 1, count: 1_400)))[0]
            #expect(long.bytes.count <= (version == .v4 ? 576 : 1280) && long.bytes.count > 480)
            let parsed = try ICMPErrorMessage(parsing: long.message.bytes, version: version)
            #expect(parsed.extensions?.objects == objects)
        }
    }

    @Test func labelsInTheOldForm() throws {
        let text = row.replacing("delay 2ms", with: "mpls 16004 legacy-extensions")
        var network = try SimulatedNetwork(text)
        let answer = try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: 2))[0]
        #expect(answer.rest == 0)
        let message = try ICMPErrorMessage(parsing: answer.message.bytes, version: .v4)
        #expect(
            message.extensions?.objects == [.mpls([MPLSLabel(label: 16_004, isBottomOfStack: true, timeToLive: 1)])])
    }

    @Test func errorsMayComeFromOtherAddresses() throws {
        for (words, expected) in [
            ("", ["10.12.0.2", "fd00:12::2"]), ("from outgoing", ["10.23.0.2", "fd00:23::2"]),
            ("from own", ["10.0.2.1", "fd00:2::1"]), ("from 192.168.0.1", ["192.168.0.1", "fd00:2::1"]),
        ] {
            var network = try SimulatedNetwork(
                row.replacing("delay 2ms", with: words) + """
                    link r1 r2 near 10.12.0.1 fd00:12::1 far 10.12.0.2 fd00:12::2
                    link r2 r3 near 10.23.0.2 fd00:23::2 far 10.23.0.3 fd00:23::3
                    """)
            for (target, source) in zip(["10.0.9.9", "fd00:9::9"], expected) {
                #expect(try network.ask(Host.datagram(to: target, hopLimit: 2))[0].source == source, "\(words)")
            }
        }
    }

    @Test func filtersHoldOneProtocolAndTheHopLimitComesFirst() throws {
        let rules: [(String, UInt8?)] = [("drop udp", nil), ("reject udp", 13), ("reject udp 33434 as host", 1)]
        for (rule, code) in rules {
            var network = try SimulatedNetwork(row.replacing("delay 2ms", with: rule))
            #expect(try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: 2))[0].isTimeExceeded)
            let answers = try network.ask(Host.datagram(to: "10.0.9.9"))
            #expect(answers.map(\.code) == (code.map { [$0] } ?? []), "\(rule)")
            #expect(code == nil || answers[0].source == "10.0.2.1")
            #expect(try network.ask(Host.echo(to: "10.0.9.9"))[0].isEchoReply)
            #expect(try network.ask(Host.segment(to: "fd00:9::9", port: 80))[0].proto == .tcp)
        }
        var network = try SimulatedNetwork(row.replacing("delay 2ms", with: "drop udp 33000-34000 drop icmp"))
        #expect(try network.ask(Host.datagram(to: "fd00:9::9", port: 53))[0].isUnreachable)
        #expect(try network.ask(Host.datagram(to: "fd00:9::9")).isEmpty)
        #expect(try network.ask(Host.echo(to: "10.0.9.9")).isEmpty)
        #expect(network.truth.packets[1].losses == [Truth.Loss(node: "r2", isBackward: false, reason: .filtered)])
    }

    @Test(arguments: ["10.0.9.9", "fd00:9::9"])
    func aRouterThatForwardsZeroIsNotSeen(target: String) throws {
        var network = try SimulatedNetwork(row.replacing("delay 2ms", with: "zero-ttl"))
        let answers = try (1...4).map { try network.ask(Host.datagram(to: target, hopLimit: UInt8($0)))[0] }
        let r3 = target.contains(".") ? "10.0.3.1" : "fd00:3::1"
        #expect(answers[1].source == r3 && answers[2].source == r3 && answers[3].source == target)
        let limits = try answers[..<3].map {
            try QuotedPacket(parsing: $0.quote.bytes, version: $0.version).hopLimit
        }
        #expect(limits == [1, 0, 1])
    }

    @Test func hostsThatCopyTheHopLimitAreHeardFromTwiceAsFar() throws {
        var network = try SimulatedNetwork(row.replacing("delay 4ms", with: "copy-ttl"))
        for target in ["10.0.9.9", "fd00:9::9"] {
            let first = try (4...8).first { try !network.ask(Host.datagram(to: target, hopLimit: UInt8($0))).isEmpty }
            // Three routers to pass: the answer must start with 4, and the probe with 3 more.
            #expect(first == 7)
            #expect(try network.ask(Host.echo(to: target))[0].hopLimit == 61)
        }
    }

    @Test func returnPathsHaveHopsAndDelayOfTheirOwn() throws {
        var network = try SimulatedNetwork(row + "return r2 hops 9 delay 20ms\n")
        let first = try network.ask(Host.echo(to: "10.0.9.9", hopLimit: 1))[0]
        #expect(first.hopLimit == 255 && first.time == 2 * milli)
        let second = try network.ask(Host.echo(to: "10.0.9.9", hopLimit: 2), at: 100 * milli)[0]
        #expect(second.hopLimit == 255 - 9 && second.time == (100 + 3 + 20) * milli)
        // What comes from behind r2 turns off there too: r3 and r2 forward, and then nine more.
        let last = try network.ask(Host.echo(to: "10.0.9.9"), at: 200 * milli)[0]
        #expect(last.isEchoReply && last.hopLimit == 64 - 2 - 9)
        #expect(last.time == (200 + 10 + 4 + 3 + 20) * milli)
    }

    @Test func bleachedBitsShowInTheNextQuote() throws {
        for (word, expected) in [("dscp", 0x03), ("ecn", 0xb8), ("tos", 0x00)] as [(String, UInt8)] {
            var network = try SimulatedNetwork(row.replacing("delay 2ms", with: "bleach \(word)"))
            for target in ["10.0.9.9", "fd00:9::9"] {
                func quoted(_ hopLimit: UInt8) throws -> UInt8 {
                    let answer = try network.ask(Host.echo(to: target, hopLimit: hopLimit, trafficClass: 0xbb))[0]
                    return try QuotedPacket(parsing: answer.quote.bytes, version: answer.version).trafficClass
                }
                #expect(try quoted(2) == 0xbb)
                #expect(try quoted(3) == expected)
            }
        }
    }

    @Test func loopsGoBackAndForth() throws {
        var network = try SimulatedNetwork(row.replacing("delay 3ms", with: "loop"))
        let responders = try (1...7).map { hop in
            try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: UInt8(hop))).map(\.source)
        }
        #expect(responders == [1, 2, 3, 2, 3, 2, 3].map { ["10.0.\($0).1"] })
        // The router itself is still there.
        #expect(try network.ask(Host.echo(to: "10.0.3.1"))[0].isEchoReply)
    }

    @Test func slowRoutersTakeTheirTime() throws {
        var network = try SimulatedNetwork(row.replacing("delay 2ms", with: "delay 2ms slow 50ms"))
        #expect(try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: 2))[0].time == 56 * milli)
        #expect(try network.ask(Host.echo(to: "10.0.9.9"), at: second)[0].time == second + 20 * milli)
    }

    @Test func translationRestoresAllOrOnlyAddresses() throws {
        for careless in [false, true] {
            let nat = "nat 203.0.113.7" + (careless ? " careless" : "")
            var network = try SimulatedNetwork(
                row.replacing("10.0.1.1 fd00:1::1 delay 1ms", with: "10.0.1.1 fd00:1::1 \(nat)"))
            let echo = try network.ask(Host.echo(to: "10.0.9.9"))[0]
            #expect(echo.isEchoReply && echo.destination == "10.0.0.1" && echo.checksumVerifies)
            // The error is about the translated packet; its quote names the host again, with right checksums outside.
            let answer = try network.ask(Host.datagram(to: "10.0.9.9", hopLimit: 3))[0]
            #expect(answer.checksumVerifies && answer.destination == "10.0.0.1")
            let sent = Host.datagram(to: "10.0.9.9", hopLimit: 1)
            #expect(try IPv4Header(parsing: answer.quote.bytes) == IPv4Header(parsing: sent.bytes))
            #expect((answer.quote == sent) == !careless)
            #expect(answer.quote[28...] == sent[28...])
            // TCP and UDP answers verify after two translations.
            let segment = try network.ask(Host.segment(to: "10.0.9.9", port: 80))[0]
            #expect(segment.checksumVerifies && segment.destination == "10.0.0.1")
        }
    }

    @Test func recordRouteIsFilledOnBothWays() throws {
        var network = try SimulatedNetwork(row)
        let options: [UInt8] = [7, 39, 4] + [UInt8](repeating: 0, count: 36) + [0]
        let answer = try network.ask(Host.echo(to: "10.0.9.9", options: options))[0]
        #expect(answer.isEchoReply && answer.checksumVerifies)
        let recorded = (0..<6).map { IPv4Address(rawValue: answer.bytes.bytes.uint32(at: 23 + 4 * $0)).description }
        #expect(recorded == [1, 2, 3, 3, 2, 1].map { "10.0.\($0).1" })
        #expect(answer.bytes[22] == 4 + 24)
    }
}
