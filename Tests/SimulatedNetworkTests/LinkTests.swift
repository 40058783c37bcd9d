import PacketFormats
import SimulatedNetwork
import Testing

@Suite struct LinkTests {
    private func lab(_ access: String) -> String { "source 10.0.0.1\ntarget 10.0.0.2 via source \(access)" }

    /// Sends `count` echo requests at a pace and returns the sequence numbers of what verifies, in order of arrival.
    private func run(_ network: inout SimulatedNetwork, _ count: Int, every interval: Int64 = milli) throws
        -> [Received]
    {
        for index in 0..<count {
            network.send(
                Host.echo(
                    to: "10.0.0.2", sequence: UInt16(truncatingIfNeeded: index),
                    identifier: UInt16(truncatingIfNeeded: index >> 16)), at: Int64(index) * interval)
        }
        return try network.drain()
    }

    @Test func sameSeedSameBytes() throws {
        let text = lab("delay 1ms..9ms loss 10% duplicate 5% reorder 5% by 5ms corrupt 5%")
        func bytes(_ seed: UInt64) throws -> ([[UInt8]], [Int64], Truth) {
            var network = try SimulatedNetwork(text, seed: seed)
            let answers = try run(&network, 500)
            return (answers.map(\.bytes), answers.map(\.time), network.truth)
        }
        #expect(try bytes(1) == bytes(1))
        #expect(try bytes(1) != bytes(2))
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func theTruthIsWhatWasSeen(_ seed: UInt64) throws {
        var network = try SimulatedNetwork(
            lab("delay 2ms+1ms loss 10% duplicate 4% reorder 6% by 20ms corrupt 3%"), seed: seed)
        let count = 5_000
        let answers = try run(&network, count)
        let truth = network.truth
        let counters = truth.counters
        #expect(counters.sent == count && truth.packets.count == count)
        #expect(counters.delivered == answers.count)
        #expect(truth.packets.reduce(0) { $0 + $1.deliveries.count } == answers.count)
        // What a host can see for itself, from bytes and order alone.
        var seen = [Int](repeating: 0, count: count)
        var corrupted = 0
        var reordered = 0
        var latest = -1
        for answer in answers {
            if !answer.checksumVerifies { corrupted += 1 }
            // A flipped bit never hits the header of the message, so that its number still reads true.
            let index = Int(answer.rest >> 16) << 16 | Int(answer.rest & 0xffff)
            if seen[index] == 0, index < latest { reordered += 1 }
            latest = max(latest, index)
            seen[index] += 1
        }
        #expect(seen == truth.packets.map(\.deliveries.count), "seed \(seed)")
        #expect(corrupted == truth.packets.reduce(0) { $0 + $1.deliveries.count { $0.isCorrupted } })
        #expect(reordered == counters.reordered && reordered > 0)
        #expect(counters.duplicated > 0 && counters.corrupted > 0 && counters.heldBack > 0)
        // Every packet and copy ends somewhere, exactly once.
        #expect(count + counters.duplicated == counters.delivered + counters.lostForward + counters.lostBackward)
        // Lost on one of two ways: 1 - 0.9 * 0.9, give or take five deviations.
        let lost = truth.packets.count { packet in packet.losses.contains { $0.reason == .loss } && packet.isUnanswered
        }
        #expect((750...1_150).contains(lost), "seed \(seed): \(lost)")
        #expect(truth.packets.allSatisfy { !$0.isUnanswered || !$0.losses.isEmpty })
    }

    @Test func jitterAloneNeverReorders() throws {
        var network = try SimulatedNetwork(lab("delay 0ms..50ms"))
        let answers = try run(&network, 1_000)
        #expect(answers.count == 1_000)
        #expect(network.truth.counters.reordered == 0)
        #expect(zip(answers, answers.dropFirst()).allSatisfy { $0.time <= $1.time })
    }

    @Test(arguments: [
        ("delay 5ms", 10.0, 10.0, 10.0), ("delay 2ms..6ms", 4, 12, 8), ("delay 5ms~1ms", 1, 19, 10),
        ("delay 1ms+2ms", 2, 80, 6),
    ])
    func delaysFollowTheirDistribution(_ text: String, _ low: Double, _ high: Double, _ mean: Double) throws {
        var network = try SimulatedNetwork(lab(text))
        // Far enough apart that no packet waits for the one before.
        let answers = try run(&network, 2_000, every: second)
        let times = answers.enumerated().map { Double($1.time - Int64($0) * second) / Double(milli) }
        #expect(times.allSatisfy { (low...high).contains($0) })
        let average = times.reduce(0, +) / Double(times.count)
        #expect(abs(average - mean) < 0.3, "\(average)")
        if low < high { #expect(Set(times).count > 1_900) }
    }

    @Test func lossHasADirection() throws {
        let text = """
            source 10.0.0.1
            router r1 10.0.1.1
            path source r1
            link source r1 loss 30%
            target 10.0.0.2 via r1
            """
        var network = try SimulatedNetwork(text, seed: 9)
        _ = try run(&network, 1_000)
        let counters = network.truth.counters
        #expect(counters.arrived == 1_000 - counters.lostForward)
        #expect(counters.delivered == counters.arrived - counters.lostBackward)
        #expect((200...400).contains(counters.lostForward) && (120...300).contains(counters.lostBackward))
    }

    @Test func nextDeliveryIsNeverTooLate() throws {
        var network = try SimulatedNetwork(lab("delay 3ms"))
        #expect(network.nextDelivery == nil)
        network.send(Host.echo(to: "10.0.0.2"), at: 1_000)
        let first = try #require(network.nextDelivery)
        #expect(first <= 6 * milli + 1_000)
        #expect(network.receive(at: 6 * milli + 999) == nil)
        #expect(network.nextDelivery == 6 * milli + 1_000)
        #expect(network.receive(at: 6 * milli + 1_000) != nil)
        #expect(network.nextDelivery == nil)
    }

    @Test func withoutRecordsOnlyTheSumsAreKept() throws {
        var network = SimulatedNetwork(try Scenario(parsing: lab("loss 20%")), seed: 4, recordsPackets: false)
        let answers = try run(&network, 500)
        #expect(network.truth.packets.isEmpty)
        #expect(network.truth.counters.delivered == answers.count && network.truth.counters.sent == 500)
    }

    @Test func aLoopOfCopiesStaysBounded() throws {
        let text = """
            source 10.0.0.1
            router r1 10.0.1.1 silent
            router r2 10.0.2.1 silent loop
            path source r1
            link r1 r2 duplicate 100%
            target 10.0.9.9 via r2
            """
        var network = try SimulatedNetwork(text)
        #expect(try network.ask(Host.echo(to: "10.0.9.9", hopLimit: 255)).isEmpty)
        #expect(network.truth.counters.duplicated < 256)
    }
}

@Suite struct HostileHostTests {
    /// Anything at all, and packets that are almost right.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func nothingTraps(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let extra = """
            target 10.0.7.7 fd00:7::7 via home udp * echo tcp * open hostile truncated hostile overlong 50%
            target 10.0.7.8 fd00:7::8 via home hostile empty hostile forged-time hostile wrong-identifier udp 7 echo
            """
        let scenario = try Scenario(
            parsing: Scenario.demoText.replacing("delay 300us..600us", with: "nat 1.2.3.4") + extra)
        var network = SimulatedNetwork(scenario, seed: seed)
        let targets = [
            "10.0.9.9", "fd00:9::9", "10.0.7.7", "fd00:7::7", "10.0.7.8", "fd00:7::8", "10.0.8.3", "fd00:8::3",
            "10.0.3.3",
        ]
        var sent = 0
        for step in 0..<300 as Range<Int64> {
            var packet: [UInt8]
            let target = targets[Int(generator.number(below: UInt64(targets.count)))]
            let hopLimit = UInt8(truncatingIfNeeded: generator.number(below: 12))
            let payload = [UInt8](repeating: 3, count: Int(generator.number(below: 2_000)))
            switch generator.number(below: 4) {
            case 0:
                packet = (0..<generator.number(below: 100)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                if !packet.isEmpty, generator.number(below: 2) == 0 {
                    packet[0] = generator.number(below: 2) == 0 ? 0x45 : 0x60
                }
            case 1: packet = Host.echo(to: target, hopLimit: hopLimit, payload: payload)
            case 2: packet = Host.datagram(to: target, port: 7, hopLimit: hopLimit, payload: payload)
            default: packet = Host.segment(to: target, port: 80, payload: payload, hopLimit: hopLimit)
            }
            for _ in 0..<generator.number(below: 4) where !packet.isEmpty {
                let place = Int(generator.number(below: UInt64(min(packet.count, 60))))
                packet[place] = UInt8(truncatingIfNeeded: generator.next())
            }
            if generator.number(below: 3) == 0 {
                packet.removeLast(Int(generator.number(below: UInt64(packet.count) + 1)))
            }
            // The header checksum is made right, or little of this would get past the first router.
            if packet.count >= 20, packet[0] == 0x45 {
                (packet[10], packet[11]) = (0, 0)
                let checksum = InternetChecksum.of(packet.bytes.extracting(0..<20))
                (packet[10], packet[11]) = (UInt8(checksum >> 8), UInt8(checksum & 0xff))
            }
            network.send(packet, at: step * milli)
            sent += 1
            while let answer = network.receive(at: step * milli) { #expect(answer.count >= 20) }
        }
        while let time = network.nextDelivery { while network.receive(at: time) != nil {} }
        #expect(network.truth.counters.sent == sent)
    }

    @Test func timeNeverGoesBack() throws {
        var network = try SimulatedNetwork("source 10.0.0.1\ntarget 10.0.0.2 via source delay 1ms")
        network.send(Host.echo(to: "10.0.0.2"), at: 5 * milli)
        network.send(Host.echo(to: "10.0.0.2"), at: 0)
        network.send(Host.echo(to: "10.0.0.2"), at: Int64.min)
        #expect(try network.drain().map(\.time) == [7 * milli, 7 * milli, 7 * milli])
    }
}
