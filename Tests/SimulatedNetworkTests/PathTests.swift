import PacketFormats
import SimulatedNetwork
import Testing

/// A diamond of four branches in front of the target.
private func diamond(_ key: String) -> String {
    """
    source 10.0.0.1 fd00::1
    router r1 10.0.1.1 fd00:1::1
    router a 10.0.2.1 fd00:2::1
    router b 10.0.2.2 fd00:2::2
    router c 10.0.2.3 fd00:2::3
    router d 10.0.2.4 fd00:2::4
    router r3 10.0.3.1 fd00:3::1
    path source r1
    balance r1 a b c d by \(key)
    path a r3
    path b r3
    path c r3
    path d r3
    target 10.0.9.0/24 fd00:9::/120 via r3 udp * echo

    """
}

@Suite struct BalanceTests {
    /// The sources of the answers of the second hop to `count` packets.
    private func branches(
        _ network: inout SimulatedNetwork, _ count: Int, _ packet: (Int) -> [UInt8]
    ) throws -> [String: Int] {
        var found: [String: Int] = [:]
        for index in 0..<count {
            for answer in try network.ask(packet(index)) { found[answer.source, default: 0] += 1 }
        }
        return found
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func portsSpreadFlowsAndKeepEachInItsPlace(_ seed: UInt64) throws {
        var network = try SimulatedNetwork(diamond("ports"), seed: seed)
        for target in ["10.0.9.9", "fd00:9::9"] {
            let spread = try branches(&network, 400) {
                Host.datagram(to: target, sourcePort: UInt16(20_000 + $0), hopLimit: 2)
            }
            // Each of four branches gets 100 of 400 on the average; 50 is five deviations below.
            #expect(spread.count == 4 && spread.values.allSatisfy { $0 > 50 }, "seed \(seed): \(spread)")
            let constant = try branches(&network, 100) {
                Host.datagram(to: target, hopLimit: 2, payload: [UInt8](repeating: UInt8($0), count: 20))
            }
            #expect(constant.count == 1, "seed \(seed)")
            // As in Linux, ICMP has no ports: sequence numbers and checksums change nothing.
            let echoes = try branches(&network, 100) { Host.echo(to: target, sequence: UInt16($0), hopLimit: 2) }
            #expect(echoes.count == 1, "seed \(seed)")
        }
    }

    @Test func transportSeesTheChecksumOfICMP() throws {
        var network = try SimulatedNetwork(diamond("transport"))
        let spread = try branches(&network, 200) { Host.echo(to: "10.0.9.9", sequence: UInt16($0), hopLimit: 2) }
        #expect(spread.count == 4)
        // The same checksum, made by an identifier that makes up for the sequence number, is the same flow.
        let constant = try branches(&network, 100) {
            Host.echo(to: "10.0.9.9", sequence: UInt16($0), identifier: UInt16(1_000 - $0), hopLimit: 2)
        }
        #expect(constant.count == 1)
    }

    @Test func flowLabelsDecideOverIPv6Only() throws {
        var network = try SimulatedNetwork(diamond("flow-label"))
        let spread = try branches(&network, 200) {
            Host.datagram(to: "fd00:9::9", hopLimit: 2, flowLabel: UInt32($0))
        }
        #expect(spread.count == 4)
        let constant = try branches(&network, 100) {
            Host.datagram(to: "fd00:9::9", port: UInt16(33_434 + $0), hopLimit: 2, flowLabel: 5)
        }
        #expect(constant.count == 1)
        let v4 = try branches(&network, 100) { Host.datagram(to: "10.0.9.9", port: UInt16(33_434 + $0), hopLimit: 2) }
        #expect(v4.count == 1)
    }

    @Test func destinationsDecide() throws {
        var network = try SimulatedNetwork(diamond("destination"))
        let spread = try branches(&network, 200) { Host.datagram(to: "10.0.9.\($0 + 1)", hopLimit: 2) }
        #expect(spread.count == 4)
        let constant = try branches(&network, 100) {
            Host.datagram(to: "10.0.9.9", port: UInt16(33_434 + $0), hopLimit: 2)
        }
        #expect(constant.count == 1)
    }

    @Test func everyPacketForItself() throws {
        var network = try SimulatedNetwork(diamond("packet"))
        let spread = try branches(&network, 200) { _ in Host.datagram(to: "10.0.9.9", hopLimit: 2) }
        #expect(spread.count == 4)
    }

    @Test func branchesMayDifferInLength() throws {
        // By way of b there are two routers more; the way back from b over r1 would be shorter.
        let text = """
            source 10.0.0.1
            router r1 10.0.1.1
            router a 10.0.2.1
            router b 10.0.2.2
            router b2 10.0.2.3
            router b3 10.0.2.4
            router r3 10.0.3.1
            path source r1 a r3
            balance r1 a b by ports
            path b b2 b3 r3
            target 10.0.9.9 via r3
            """
        var network = try SimulatedNetwork(text, seed: 3)
        var paths: Set<[String]> = []
        for port in 0..<32 as Range<UInt16> {
            var path: [String] = []
            for hop in 1...8 as ClosedRange<UInt8> {
                let packet = Host.datagram(to: "10.0.9.9", sourcePort: 30_000 + port, hopLimit: hop)
                path += try network.ask(packet).map(\.source)
                if path.last == "10.0.9.9" { break }
            }
            paths.insert(path)
        }
        #expect(
            paths == [
                ["10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.9.9"],
                ["10.0.1.1", "10.0.2.2", "10.0.2.3", "10.0.2.4", "10.0.3.1", "10.0.9.9"],
            ])
    }
}

@Suite struct MTUTests {
    private func narrow(_ link: String) -> String {
        """
        source 10.0.0.1 fd00::1
        router r1 10.0.1.1 fd00:1::1
        router r2 10.0.2.1 fd00:2::1
        path source r1
        link r1 r2 \(link)
        target 10.0.9.9 fd00:9::9 via r2 udp 7 echo

        """
    }

    @Test func tooBigIsAnsweredWithTheMTU() throws {
        var network = try SimulatedNetwork(narrow("mtu 1400"))
        for (target, header) in [("10.0.9.9", 20), ("fd00:9::9", 40)] {
            func ask(_ size: Int) throws -> [Received] {
                try network.ask(
                    Host.echo(
                        to: target, payload: [UInt8](repeating: 1, count: size - header - 8), dontFragment: true))
            }
            #expect(try ask(1_400)[0].isEchoReply)
            let answer = try ask(1_401)[0]
            #expect(answer.checksumVerifies && answer.rest == 1_400)
            if header == 20 {
                #expect(answer.type == .V4.destinationUnreachable && answer.code == 4)
            } else {
                #expect(answer.type == .V6.packetTooBig && answer.code == 0)
            }
            #expect(answer.source == (header == 20 ? "10.0.1.1" : "fd00:1::1"))
        }
        #expect(network.truth.counters.tooBig == 2)
    }

    @Test func oldRoutersHideTheMTUAndBlackHolesEverything() throws {
        let packet = Host.echo(
            to: "10.0.9.9", payload: [UInt8](repeating: 1, count: 1_450), dontFragment: true)
        var old = try SimulatedNetwork(narrow("mtu 1400 no-mtu"))
        #expect(try old.ask(packet)[0].rest == 0)
        var hole = try SimulatedNetwork(narrow("mtu 1400 blackhole"))
        #expect(try hole.ask(packet).isEmpty)
        #expect(hole.truth.packets[0].losses == [Truth.Loss(node: "r2", isBackward: false, reason: .tooBig)])
    }

    @Test func liarsClaimAnotherMTU() throws {
        for (claim, target) in [(1_400, "10.0.9.9"), (68, "10.0.9.9"), (1_280, "fd00:9::9"), (9_000, "fd00:9::9")] {
            var network = try SimulatedNetwork(narrow("mtu 1300 claim-mtu \(claim)"))
            let packet = Host.echo(to: target, payload: [UInt8](repeating: 1, count: 1_310), dontFragment: true)
            #expect(try network.ask(packet)[0].rest == UInt32(claim))
        }
    }

    @Test(arguments: [1_401, 2_000, 4_000, 65_507])
    func whatMayBeCutIsCutAndPutTogether(_ size: Int) throws {
        var network = try SimulatedNetwork(narrow("mtu 1400"))
        let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let request = Host.echo(to: "10.0.9.9", payload: payload)
        let answers = try network.ask(request)
        // The reply is cut again: 1376 octets fit behind each header.
        let pieces = (size + 8 + 1_375) / 1_376
        #expect(answers.count == pieces)
        #expect(answers.allSatisfy { $0.isFragment && $0.bytes.count <= 1_400 })
        let body = answers.flatMap(\.message)
        #expect(body[8...] == payload[...])
        #expect(InternetChecksum.of(body.bytes) == 0)
        #expect(network.truth.counters.fragmented == 2 && network.truth.counters.reassembled == 1)
        #expect(network.truth.packets[0].deliveries.count == 1)
        var offset = 0
        for answer in answers {
            let header = try IPv4Header(parsing: answer.bytes.bytes)
            #expect(Int(header.fragmentOffset) * 8 == offset)
            offset += answer.message.count
            #expect(header.moreFragments == (offset < size + 8))
        }
    }

    @Test func fragmentsOfTheHostInAnyOrder() throws {
        var network = try SimulatedNetwork(narrow("mtu 1400"))
        let packet = Host.datagram(to: "10.0.9.9", port: 7, payload: (0..<3_000).map { UInt8($0 & 0xff) })
        let plan = try IPv4Fragmentation(of: packet.bytes, mtu: 600)
        let pieces = try (0..<plan.count).map { index in
            try [UInt8](capacity: 600) { output throws(PacketError) in
                try plan.write(index, of: packet.bytes, to: &output)
            }
        }
        for piece in pieces.reversed() { network.send(piece, at: 0) }
        // One of them twice is no harm.
        let answers = try network.drain()
        let body = answers.flatMap(\.message)
        #expect(body.count == 3_008 && body[8...] == packet[28...])
        #expect(network.truth.counters.sent == pieces.count)
        // The datagram is answered in the name of its first fragment, which was sent last.
        #expect(network.truth.packets.last?.deliveries.count == 1)
        #expect(network.truth.packets.dropLast().allSatisfy { $0.deliveries.isEmpty && $0.losses.isEmpty })
    }

    @Test func anIncompleteDatagramIsForgotten() throws {
        var network = try SimulatedNetwork(narrow("mtu 1400"))
        let packet = Host.datagram(to: "10.0.9.9", port: 7, payload: [UInt8](repeating: 5, count: 3_000))
        let plan = try IPv4Fragmentation(of: packet.bytes, mtu: 600)
        func piece(_ index: Int) throws -> [UInt8] {
            try [UInt8](capacity: 600) { output throws(PacketError) in
                try plan.write(index, of: packet.bytes, to: &output)
            }
        }
        for index in 1..<plan.count { network.send(try piece(index), at: 0) }
        // The rest comes a minute later.
        #expect(try network.ask(piece(0), at: 60 * second).isEmpty)
        #expect(network.truth.counters.lostForward == plan.count - 1)
    }

    @Test(arguments: [1_300, 3_000])
    func largeIPv6RepliesAreCutAtTheTarget(_ size: Int) throws {
        // A link on which every answer is larger than the way back, though the request arrives in fragments.
        var network = try SimulatedNetwork(narrow("mtu 1280"))
        let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        let packet = Host.echo(to: "fd00:9::9", payload: payload)
        for piece in fragments6(packet, room: 1_232) { network.send(piece, at: 0) }
        let answers = try network.drain()
        #expect(answers.count == (size + 8 + 1_231) / 1_232)
        #expect(answers.allSatisfy { $0.isFragment && $0.bytes.count <= 1_280 })
        let body = answers.flatMap { $0.message.dropFirst(8) }
        #expect(body[8...] == payload[...])
        var sum = InternetChecksum()
        sum.addPseudoHeader(
            source: .v6(try #require(IPv6Address("fd00:9::9"))), destination: .v6(try #require(IPv6Address("fd00::1"))),
            proto: .icmpv6, length: body.count)
        sum.add(body.bytes)
        #expect(sum.verifies)
    }

    /// An IPv6 packet in fragments with `room` octets of payload.
    private func fragments6(_ packet: [UInt8], room: Int) -> [[UInt8]] {
        stride(from: 40, to: packet.count, by: room).map { start in
            let body = Array(packet[start..<min(start + room, packet.count)])
            let field = UInt16(start - 40) | (start + room < packet.count ? 1 : 0)
            var piece = Array(packet[..<40])
            piece[4] = UInt8((body.count + 8) >> 8)
            piece[5] = UInt8((body.count + 8) & 0xff)
            piece[6] = IPProtocol.fragment.rawValue
            piece += [packet[6], 0, UInt8(field >> 8), UInt8(field & 0xff), 0, 0, 0, 9]
            return piece + body
        }
    }
}

@Suite struct FlipTests {
    private func network(_ schedule: String) throws -> SimulatedNetwork {
        try SimulatedNetwork(
            """
            source 10.0.0.1 fd00::1
            router r1 10.0.1.1 fd00:1::1
            router a 10.0.2.1 fd00:2::1
            router b 10.0.2.2 fd00:2::2
            router b2 10.0.2.3 fd00:2::3
            router r3 10.0.3.1 fd00:3::1
            path source r1 a r3
            path b b2 r3
            flip r1 a b \(schedule)
            target 10.0.9.9 fd00:9::9 via r3
            """)
    }

    private func path(_ network: inout SimulatedNetwork, to target: String, at time: Int64) throws -> [String] {
        var path: [String] = []
        for hop in 1...8 as ClosedRange<UInt8> {
            path += try network.ask(Host.datagram(to: target, hopLimit: hop), at: time).map(\.source)
            if path.last == target { break }
        }
        return path
    }

    @Test func onceItChangesForGood() throws {
        var network = try network("at 2s")
        let short = ["10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.9.9"]
        let long = ["10.0.1.1", "10.0.2.2", "10.0.2.3", "10.0.3.1", "10.0.9.9"]
        // The time of the first packet is the start.
        #expect(try path(&network, to: "10.0.9.9", at: 7 * second) == short)
        #expect(try path(&network, to: "10.0.9.9", at: 9 * second - 1) == short)
        #expect(try path(&network, to: "10.0.9.9", at: 9 * second) == long)
        #expect(try path(&network, to: "10.0.9.9", at: 90 * second) == long)
    }

    @Test func orThereAndBack() throws {
        var network = try network("every 5s")
        let lengths = try [0, 4, 5, 9, 10, 15, 21].map { try path(&network, to: "fd00:9::9", at: $0 * second).count }
        #expect(lengths == [4, 4, 5, 5, 4, 5, 4])
    }
}
