import PacketFormats
import SimulatedNetwork
import Testing

/// Routers that change what they forward: r1 does so, r2 and r3 quote it.
@Suite struct MiddleboxTests {
    static let targets = ["10.0.9.9", "fd00:9::9"]

    private func network(_ properties: String) throws -> SimulatedNetwork {
        try SimulatedNetwork(
            """
            source 10.0.0.1 fd00::1
            router r1 10.0.1.1 fd00:1::1 \(properties)
            router r2 10.0.2.1 fd00:2::1
            router r3 10.0.3.1 fd00:3::1
            path source r1 r2 r3
            target 10.0.9.9 fd00:9::9 via r3 tcp 80 open udp 7 echo
            target 10.0.9.10 fd00:9::10 via r3 udp 7 echo tcp 80 open
            """)
    }

    /// The upper-layer part of a quote, and the whole one.
    private func quote(_ network: inout SimulatedNetwork, _ packet: [UInt8]) throws -> (
        packet: QuotedPacket, bytes: [UInt8]
    ) {
        let answer = try #require(try network.ask(packet).first)
        #expect(answer.checksumVerifies && answer.isTimeExceeded)
        return (try QuotedPacket(parsing: answer.quote.bytes, version: answer.version), answer.quote)
    }

    @Test(arguments: targets)
    func translatorsRestoreAllAddressesAloneOrNothing(target: String) throws {
        let header = target.contains(":") ? 40 : 20
        for word in ["", "careless", "forgetful"] {
            var network = try network("nat 203.0.113.7 2001:db8::7 shift-ports 1000 \(word)")
            let sent = Host.datagram(to: target, hopLimit: 1)
            let quote = try quote(&network, Host.datagram(to: target, hopLimit: 3)).bytes
            #expect((quote == sent) == word.isEmpty)
            let isTranslated = quote[..<header] != sent[..<header]
            #expect(isTranslated == (word == "forgetful"))
            let port = quote.bytes.uint16(at: header)
            #expect(port == (word.isEmpty ? 50_000 : 51_000))
            // What the first router quotes itself is untouched.
            #expect(try self.quote(&network, Host.datagram(to: target, hopLimit: 1)).bytes == sent)
            // Whatever it does to quotes, answers come home.
            let echo = try network.ask(Host.datagram(to: target, port: 7))[0]
            #expect(echo.checksumVerifies && echo.proto == .udp && echo.message.bytes.uint16(at: 2) == 50_000)
            let segment = try network.ask(Host.segment(to: target, port: 80))[0]
            #expect(segment.checksumVerifies && segment.message.bytes.uint16(at: 2) == 40_000)
            #expect(try network.ask(Host.echo(to: target))[0].isEchoReply)
        }
    }

    @Test func translatorsInARowUndoTheirOwnWork() throws {
        var network = try SimulatedNetwork(
            """
            source 10.0.0.1 fd00::1
            router r1 nat 192.0.2.1 shift-ports 10
            router r2 nat 203.0.113.7 shift-ports 300
            router r3 10.0.3.1
            path source r1 r2 r3
            return r3 hops 4
            target 10.0.9.9 via r3 udp 7 echo
            """)
        let quote = try quote(&network, Host.datagram(to: "10.0.9.9", hopLimit: 3)).bytes
        #expect(quote == Host.datagram(to: "10.0.9.9", hopLimit: 1))
        let echo = try network.ask(Host.datagram(to: "10.0.9.9", port: 7))[0]
        #expect(echo.destination == "10.0.0.1" && echo.message.bytes.uint16(at: 2) == 50_000 && echo.checksumVerifies)
    }

    @Test(arguments: targets)
    func balancersAnswerInTheNameThatWasAsked(target: String) throws {
        let server = target.contains(":") ? "fd00:9::10" : "10.0.9.10"
        for word in ["", "careless", "forgetful"] {
            var network = try network("dnat 10.0.9.10 fd00:9::10 \(word)")
            let echo = try network.ask(Host.datagram(to: target, port: 7))[0]
            #expect(echo.source == target && echo.proto == .udp && echo.checksumVerifies)
            let refused = try network.ask(Host.datagram(to: target))[0]
            #expect(refused.isUnreachable && refused.checksumVerifies && refused.source == target)
            let answer = try network.ask(Host.datagram(to: target, hopLimit: 2))[0]
            #expect(answer.isTimeExceeded && answer.checksumVerifies)
            let quoted = try QuotedPacket(parsing: answer.quote.bytes, version: answer.version)
            #expect("\(quoted.destination)" == (word == "forgetful" ? server : target))
            #expect((answer.quote == Host.datagram(to: target, hopLimit: 1)) == word.isEmpty)
            let direct = try network.ask(Host.datagram(to: server, port: 7))[0]
            #expect(direct.source == server)
        }
        // A transparent proxy: the router itself answers.
        var proxy = try network("dnat 10.0.1.1 fd00:1::1 tcp 80 open")
        let segment = try proxy.ask(Host.segment(to: target, port: 80))[0]
        #expect(segment.source == target && segment.hopLimit == 255 && segment.checksumVerifies)
    }

    private static let options: [UInt8] = [
        2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7,
    ]

    @Test(
        arguments: [
            ("clamp-mss 1400", [2, 4, 0x05, 0x78, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7]),
            ("clamp-mss 1460", options), ("clamp-mss 9000", options),
            ("strip-options sack", [2, 4, 0x05, 0xb4, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7]),
            ("strip-options wscale/timestamps", [2, 4, 0x05, 0xb4, 4, 2] + [UInt8](repeating: 1, count: 14)),
            ("strip-options all", [UInt8](repeating: 1, count: 20)),
        ] as [(String, [UInt8])])
    func optionsChangeBehindTheRouter(_ property: String, _ expected: [UInt8]) throws {
        var network = try network(property)
        for target in Self.targets {
            for hop in 1...3 as ClosedRange<UInt8> {
                let packet = Host.segment(to: target, port: 80, hopLimit: hop, options: Self.options)
                let quote = try quote(&network, packet).bytes
                #expect(Array(quote.suffix(20)) == (hop == 1 ? Self.options : expected), "hop \(hop)")
            }
            // The target verifies the checksum.
            #expect(try network.ask(Host.segment(to: target, port: 80, options: Self.options)).count == 1)
        }
    }

    @Test func valuesAtOddOffsetsKeepTheChecksumRight() throws {
        var network = try network("clamp-mss 257 strip-options sack shift-sequence 4294967295")
        let options: [UInt8] = [1, 2, 4, 0x05, 0xb4, 4, 2, 0]
        let quote = try quote(&network, Host.segment(to: "10.0.9.9", port: 80, hopLimit: 2, options: options)).bytes
        #expect(Array(quote.suffix(8)) == [1, 2, 4, 1, 1, 1, 1, 0])
        #expect(quote.bytes.uint32(at: 24) == 999)
        let answer = try network.ask(Host.segment(to: "10.0.9.9", port: 80, options: options))[0]
        #expect(answer.checksumVerifies && answer.message.bytes.uint32(at: 8) == 1_001)
        // Only a SYN has a maximum segment size.
        let late = Host.segment(to: "10.0.9.9", port: 80, flags: .ack, payload: [1], hopLimit: 2, options: options)
        let kept = try self.quote(&network, late).bytes
        #expect(Array(kept[43..<45]) == [0x05, 0xb4])
    }

    @Test func headersAreRewritten() throws {
        var network = try network("clear-df set-id 4660 set-flow-label 703710")
        let first = try quote(&network, Host.echo(to: "10.0.9.9", hopLimit: 1, dontFragment: true)).bytes
        let second = try quote(&network, Host.echo(to: "10.0.9.9", hopLimit: 2, dontFragment: true)).bytes
        #expect(first[4..<7].elementsEqual([0, 7, 0x40]) && second[4..<7].elementsEqual([0x12, 0x34, 0]))
        // The parser verifies the header's checksum.
        #expect(try IPv4Header(parsing: second.bytes).dontFragment == false)
        let third = try quote(&network, Host.echo(to: "fd00:9::9", hopLimit: 2, flowLabel: 5)).bytes
        #expect(third.bytes.uint32(at: 0) & 0xf_ffff == 703_710)
        #expect(try network.ask(Host.echo(to: "fd00:9::9", flowLabel: 5))[0].isEchoReply)
    }

    /// Segments whose options lie about their lengths pass, and nothing traps.
    @Test func spoiltSegmentsPass() throws {
        var network = try network(
            "clamp-mss 1 strip-options all shift-sequence 5 nat 203.0.113.7 2001:db8::7 shift-ports 9 dnat 10.0.9.10")
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<2_000 {
            let target = Self.targets[Int(generator.number(below: 2))]
            var packet = Host.segment(
                to: target, port: 80, hopLimit: UInt8(1 + generator.number(below: 5)), options: Self.options)
            for _ in 0...generator.number(below: 6) {
                let offset = 20 + Int(generator.number(below: UInt64(packet.count - 20)))
                packet[offset] = UInt8(truncatingIfNeeded: generator.next())
            }
            if generator.happens(.percent(20)), target == Self.targets[1] {
                let length = Int(generator.number(below: 40))
                packet = Array(packet.prefix(40 + length))
                packet[4] = 0
                packet[5] = UInt8(length)
            }
            network.send(packet, at: 0)
            while let time = network.nextDelivery { while network.receive(at: time) != nil {} }
        }
        #expect(network.truth.counters.sent == 2_000)
    }
}
