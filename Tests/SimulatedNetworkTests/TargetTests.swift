import PacketFormats
import SimulatedNetwork
import Testing

private func lab(_ target: String, router: String = "") -> String {
    """
    source 10.0.0.1 fd00::1
    router r1 10.0.1.1 fd00:1::1 \(router)
    path source r1
    target 10.0.9.9 fd00:9::9 via r1 \(target)
    """
}

private let both = ["10.0.9.9", "fd00:9::9"]

@Suite struct TargetTests {
    @Test(arguments: both)
    func echoRepliesMirrorTheRequest(_ target: String) throws {
        var network = try SimulatedNetwork(lab(""))
        let sent = Host.echo(to: target, sequence: 77, payload: Array(0..<101), trafficClass: 0xb9)
        let reply = try network.ask(sent)[0]
        #expect(reply.isEchoReply && reply.checksumVerifies && reply.hopLimit == 63)
        #expect(reply.message[4...] == sent[(target.contains(".") ? 24 : 44)...])
        // The DSCP comes back, ECN does not.
        #expect(reply.trafficClass == 0xb8)
    }

    @Test(arguments: both)
    func udpPorts(_ target: String) throws {
        var network = try SimulatedNetwork(lab("udp 7 echo udp 100-200 silent limit 1/s burst 2"))
        let echo = try network.ask(Host.datagram(to: target, port: 7, sourcePort: 999))[0]
        #expect(echo.proto == .udp && echo.checksumVerifies)
        #expect(Array(echo.message[0..<4]) == [0, 7, 0x03, 0xe7])
        #expect(echo.message[8...] == Array(0..<32)[...])
        for port in [100, 150, 200] as [UInt16] {
            #expect(try network.ask(Host.datagram(to: target, port: port)).isEmpty)
        }
        for expected in [true, true, false] {
            let answers = try network.ask(Host.datagram(to: target, port: 201))
            #expect(answers.count == (expected ? 1 : 0))
            if expected {
                #expect(answers[0].isUnreachable && answers[0].code == (answers[0].version == .v4 ? 3 : 4))
                #expect(answers[0].source == target)
            }
        }
        #expect(network.truth.counters.silenced == 3 && network.truth.counters.rateLimited == 1)
    }

    @Test(arguments: both)
    func tcpPorts(_ target: String) throws {
        var network = try SimulatedNetwork(lab("tcp 80 open tcp 81 filtered"))
        func ask(_ port: UInt16, _ flags: TCPHeader.Flags, payload: [UInt8] = []) throws -> TCPHeader? {
            let packet = Host.segment(
                to: target, port: port, flags: flags, sequence: 0xffff_ffff, acknowledgment: 55, payload: payload)
            guard let answer = try network.ask(packet).first else { return nil }
            #expect(answer.proto == .tcp && answer.checksumVerifies)
            let header = try TCPHeader(parsing: answer.message.bytes)
            #expect(header.sourcePort == port && header.destinationPort == 40_000)
            return header
        }
        let open = try #require(try ask(80, .syn))
        #expect(open.flags == [.syn, .ack] && open.acknowledgmentNumber == 0)
        #expect(open.options == [2, 4, 5, 180])
        let closed = try #require(try ask(82, .syn))
        #expect(closed.flags == [.rst, .ack] && closed.acknowledgmentNumber == 0)
        #expect(try ask(81, .syn) == nil)
        let stray = try #require(try ask(82, .ack))
        #expect(stray.flags == .rst && stray.sequenceNumber == 55)
        let data = try #require(try ask(80, [.ack, .psh], payload: [1, 2, 3]))
        #expect(data.flags == .ack && data.acknowledgmentNumber == 2 && data.sequenceNumber == 55)
        let end = try #require(try ask(80, [.fin, .ack]))
        #expect(end.flags == [.fin, .ack] && end.acknowledgmentNumber == 0)
        #expect(try ask(80, .rst) == nil)
        #expect(try ask(80, .ack) == nil)
    }

    @Test func silenceAndNoEcho() throws {
        var silent = try SimulatedNetwork(lab("silent"))
        #expect(try silent.ask(Host.echo(to: "10.0.9.9")).isEmpty)
        #expect(try silent.ask(Host.datagram(to: "10.0.9.9")).isEmpty)
        var mute = try SimulatedNetwork(lab("no-echo"))
        #expect(try mute.ask(Host.echo(to: "10.0.9.9")).isEmpty)
        #expect(try mute.ask(Host.datagram(to: "10.0.9.9"))[0].isUnreachable)
    }

    @Test(
        arguments: [
            ("clock 2s", 36_002_004, 36_002_004), ("clock -2s slow 30ms", 35_998_004, 35_998_034),
            ("clock 0ms tick 10ms", 36_000_000, 36_000_000), ("clock 5ms skew 1000ppm", 36_000_009, 36_000_009),
            ("clock 0ms little-endian", UInt32(36_000_004).byteSwapped, UInt32(36_000_004).byteSwapped),
            ("clock 0ms non-standard", 0xee19_5504, 0xee19_5504),
        ] as [(String, UInt32, UInt32)])
    func clocks(_ property: String, receive: UInt32, transmit: UInt32) throws {
        var network = try SimulatedNetwork(lab(property + " delay 4ms"))
        // Ten in the morning.
        network.wallClockOffset = 1_794_996_000_000_000_000
        let reply = try #require(try network.ask(Host.timestamp(to: "10.0.9.9")).first)
        #expect(reply.bytes.count == 40 && reply.bytes[20] == 14)
        let message = try ICMPTimestampMessage(parsing: reply.bytes.bytes.extracting(20...))
        #expect(message.originate.rawValue == 0x0102_0304 && message.header.identifier == 0x4242)
        #expect(message.receive.rawValue == receive && message.transmit.rawValue == transmit)
    }

    @Test func hostsWithoutClockAnswerNoTimestampRequests() throws {
        var network = try SimulatedNetwork(lab(""))
        #expect(try network.ask(Host.timestamp(to: "10.0.9.9")).isEmpty)
        #expect(try network.ask(Host.echo(to: "10.0.9.9")).count == 1)
    }

    @Test func initialHopLimit() throws {
        var network = try SimulatedNetwork(lab("ttl 128", router: "ttl 30"))
        #expect(try network.ask(Host.echo(to: "10.0.9.9"))[0].hopLimit == 127)
        #expect(try network.ask(Host.echo(to: "fd00:9::9", hopLimit: 1))[0].hopLimit == 30)
    }

    @Test func wrongChecksumsAreNotAnswered() throws {
        var network = try SimulatedNetwork(lab("udp * echo tcp * open"))
        for target in both {
            for packet in [
                Host.echo(to: target), Host.datagram(to: target), Host.segment(to: target, port: 80),
            ] {
                var broken = packet
                broken[broken.count - 1] ^= 0x10
                #expect(try network.ask(broken).isEmpty)
                #expect(try network.ask(packet).count == 1)
            }
        }
        // A UDP datagram without checksum is fine over IPv4 only.
        var bare = Host.datagram(to: "10.0.9.9")
        (bare[26], bare[27]) = (0, 0)
        #expect(try network.ask(bare).count == 1)
        var bare6 = Host.datagram(to: "fd00:9::9")
        (bare6[46], bare6[47]) = (0, 0)
        #expect(try network.ask(bare6).isEmpty)
    }

    @Test func unknownProtocolsAreRefused() throws {
        var network = try SimulatedNetwork(lab(""))
        var v4 = Host.echo(to: "10.0.9.9")
        v4[9] = 200
        v4 = try [UInt8](capacity: 200) { output throws(PacketError) in
            var header = try IPv4Header(parsingQuoted: v4.bytes)
            header.proto = IPProtocol(rawValue: 200)
            try header.write(to: &output)
            output.append(contentsOf: v4.bytes.from(20))
        }
        let first = try network.ask(v4)[0]
        #expect(first.isUnreachable && first.code == 2)
        var v6 = Host.echo(to: "fd00:9::9")
        v6[6] = 200
        let second = try network.ask(v6)[0]
        #expect(second.type == .V6.parameterProblem && second.code == 1 && second.rest == 6)
    }

    @Test func prefixesHaveLiveAndDeadHosts() throws {
        let text = """
            source 10.0.0.1 fd00::1
            router r1 10.0.1.1 fd00:1::1
            path source r1
            target 10.0.8.0/24 fd00:8::/120 via r1 live 40% dead host
            target 10.0.8.7 via r1 udp 7 echo
            """
        let share = Share.percent(40)
        for prefix in ["10.0.8.", "fd00:8::"] {
            var live = 0
            for seed in 1...2 as ClosedRange<UInt64> {
                var network = try SimulatedNetwork(text, seed: seed)
                for host in 10..<100 {
                    let address = prefix + "\(host)"
                    let answer = try network.ask(Host.echo(to: address))[0]
                    let expected = Scenario.lives(try #require(IPAddress(address)), share)
                    #expect(answer.isEchoReply == expected)
                    if expected { #expect(answer.source == address) } else { #expect(answer.source.hasSuffix("1")) }
                    live += expected ? 1 : 0
                }
            }
            #expect((40...110).contains(live))
        }
        var network = try SimulatedNetwork(text)
        // The more specific line wins.
        #expect(try network.ask(Host.datagram(to: "10.0.8.7", port: 7))[0].proto == .udp)
    }

    @Test func targetsOnTheLinkOfTheSource() throws {
        var network = try SimulatedNetwork("source 10.0.0.1\ntarget 10.0.0.2 via source delay 3ms")
        let reply = try network.ask(Host.echo(to: "10.0.0.2", hopLimit: 1))[0]
        #expect(reply.isEchoReply && reply.hopLimit == 64 && reply.time == 6 * milli)
    }
}

@Suite struct HostileTests {
    private func ask(_ kind: String, _ target: String) throws -> (honest: Received, hostile: [Received]) {
        var honest = try SimulatedNetwork(lab(""))
        var hostile = try SimulatedNetwork(lab("hostile \(kind)"))
        let packet = Host.echo(to: target, sequence: 5)
        let answers = try hostile.ask(packet)
        #expect(hostile.truth.packets[0].deliveries.allSatisfy { $0.hostile != nil })
        return (try honest.ask(packet)[0], answers)
    }

    @Test(arguments: both)
    func eachKindDiffersAsItSays(_ target: String) throws {
        func only(_ kind: String) throws -> (Received, Received) {
            let (honest, hostile) = try ask(kind, target)
            try #require(hostile.count == 1)
            #expect(hostile[0].checksumVerifies == (kind != "wrong-checksum"), "\(kind)")
            return (honest, hostile[0])
        }
        var (honest, hostile) = try only("wrong-source")
        #expect(honest.source != hostile.source && honest.message[4...] == hostile.message[4...])
        (honest, hostile) = try only("wrong-checksum")
        #expect(honest.message[4...] == hostile.message[4...])
        (honest, hostile) = try only("truncated")
        #expect(hostile.message.count == 8 + 28 && honest.message[4..<36] == hostile.message[4...])
        (honest, hostile) = try only("overlong")
        #expect(hostile.message.count == honest.message.count + 8)
        (honest, hostile) = try only("unknown-sequence")
        #expect(hostile.rest == honest.rest ^ 0x4000)
        (honest, hostile) = try only("wrong-identifier")
        #expect(hostile.rest == honest.rest ^ 0x4000_0000)
        (honest, hostile) = try only("other-code")
        #expect(hostile.code == 1 && hostile.rest == honest.rest)
        (honest, hostile) = try only("empty")
        #expect(hostile.message.count == 8 && hostile.rest == honest.rest)
        (honest, hostile) = try only("forged-time")
        #expect(hostile.message[8..<24].allSatisfy { $0 == 0xff } && hostile.message[24...] == honest.message[24...])
        (honest, hostile) = try only("late 2s")
        #expect(hostile.time == honest.time + 2 * second && hostile.message == honest.message)
    }

    @Test func copies() throws {
        let (honest, hostile) = try ask("duplicate 3", "10.0.9.9")
        #expect(hostile.count == 4 && hostile.allSatisfy { $0.message == honest.message })
        var network = try SimulatedNetwork(lab("hostile duplicate 3"))
        _ = try network.ask(Host.echo(to: "10.0.9.9"))
        #expect(network.truth.packets[0].deliveries.map(\.isDuplicate) == [false, true, true, true])
    }

    @Test func routersMayBeHostileToo() throws {
        for (kind, offset) in [("unknown-sequence", 20 + 6), ("wrong-identifier", 20 + 4)] {
            var network = try SimulatedNetwork(lab("", router: "hostile \(kind)"))
            let answer = try network.ask(Host.echo(to: "10.0.9.9", hopLimit: 1))[0]
            var expected = Host.echo(to: "10.0.9.9", hopLimit: 1)
            expected[offset] ^= 0x40
            #expect(answer.checksumVerifies && answer.quote == expected)
        }
    }

    @Test(arguments: both)
    func quotesMayBeAnything(_ target: String) throws {
        let packet = Host.echo(to: target, hopLimit: 1)
        for (kind, octets) in [
            ("foreign-quote", target.contains(":") ? 48 + 64 - 8 : 84), ("zero-quote", packet.count),
            ("long-header", packet.count), ("cut-header", 12),
        ] {
            var network = try SimulatedNetwork(lab("", router: "hostile \(kind)"))
            let answer = try network.ask(packet)[0]
            #expect(answer.checksumVerifies && answer.isTimeExceeded)
            #expect(answer.quote.count == octets && answer.quote != packet, "\(kind)")
            // An answer without a quote is as honest as any.
            #expect(try network.ask(Host.echo(to: target))[0].message.count == 64)
        }
    }

    @Test func aShareOfTheAnswers() throws {
        var network = try SimulatedNetwork(lab("hostile wrong-checksum 25%"))
        var wrong = 0
        for index in 0..<400 as Range<UInt16> {
            wrong += try network.ask(Host.echo(to: "10.0.9.9", sequence: index))[0].checksumVerifies ? 0 : 1
        }
        #expect((60...140).contains(wrong))
        #expect(network.truth.packets.count { $0.deliveries[0].hostile == .wrongChecksum } == wrong)
    }
}
