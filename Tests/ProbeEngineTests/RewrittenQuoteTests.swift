import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

private let udp = ProbeMethod.udp(destinationPort: 33_434)
private let tcp = ProbeMethod.tcpSYN(destinationPort: 80)

/// Boxes that rewrite probes and leave quotes alone, in front of three more hops.
@Suite struct RewritingBoxTests {
    /// What a box does, by whom its row is asked, and the fields that are found changed at it.
    struct Box: CustomTestStringConvertible, Sendable {
        var words: String
        var method: ProbeMethod
        var fields: Set<QuotedField>
        var testDescription: String { "\(words) and \(method)" }
    }

    private static let nat = "nat 198.51.100.1 2001:db8::1 shift-ports 700 forgetful"
    private static let dnat = "dnat 10.0.9.10 fd00:9::10 forgetful"
    private static let boxes = [
        Box(words: nat, method: udp, fields: [.source, .sourcePort, .udpChecksum]),
        Box(words: nat, method: tcp, fields: [.source, .sourcePort]),
        Box(words: nat, method: .icmpEcho, fields: [.source]),
        Box(words: dnat, method: udp, fields: [.destination, .udpChecksum]),
        Box(words: dnat, method: tcp, fields: [.destination]),
        Box(words: dnat, method: .icmpEcho, fields: [.destination]),
        Box(words: "shift-sequence 1000", method: tcp, fields: [.tcpSequenceNumber]),
        Box(words: "\(nat) \(dnat)", method: udp, fields: [.source, .sourcePort, .destination, .udpChecksum]),
        Box(words: "\(nat) \(dnat)", method: tcp, fields: [.source, .sourcePort, .destination]),
        Box(words: "set-id 7 \(dnat)", method: tcp, fields: [.identification, .destination]),
    ]

    private static func trace(
        _ box: Box, to target: String, quoting quote: String = "", _ configure: (inout PathTrace.Configuration) -> Void
    ) throws -> Trace {
        let text = Trace.chain(["", box.words, quote, quote, ""]) + "\ntarget 10.0.9.10 fd00:9::10 via r5 delay 1ms"
        return try Trace.of(text, to: target) {
            $0.method = box.method
            configure(&$0)
        }
    }

    @Test("Every hop is seen, and what was rewritten is found", arguments: boxes, ["10.0.9.9", "fd00:9::9"])
    func isSeen(box: Box, target: String) throws {
        // Over IPv6 only a port of ours or the destination can stand beside the sequence number.
        guard box.method != tcp || target.contains(".") || !box.fields.isSuperset(of: [.sourcePort, .destination])
        else {
            let trace = try Self.trace(box, to: target) { _ in }
            #expect(trace.isReached && trace.picture.filter { $0 == "* * *" }.count == 3)
            return
        }
        for changesPort in [false, true] {
            let trace = try Self.trace(box, to: target) { $0.changesPort = changesPort }
            #expect(trace.isReached)
            #expect(trace.picture == ["1 1 1", "2 2 2", "3 3 3", "4 4 4", "5 5 5", "9! 9! 9!"], "\(trace.picture)")
            var fields: Set<QuotedField> = []
            for case .changed(let field, _, _) in trace.findings.map(\.kind) { fields.insert(field) }
            #expect(fields == box.fields.filter { target.contains(".") || $0 != .identification })
            #expect(trace.findings.allSatisfy { $0.hops == 2...3 })
        }
    }

    @Test("The values are what was sent and what the box made of it")
    func values() throws {
        func kinds(_ index: Int) throws -> [PathFinding.Kind] {
            try Self.trace(Self.boxes[index], to: "10.0.9.9") { _ in }.findings.map(\.kind)
        }
        let address = { (text: String) in QuotedValue.address(Ours.address(text)) }
        let source = PathFinding.Kind.changed(.source, from: address("10.0.0.1"), to: address("198.51.100.1"))
        let port = PathFinding.Kind.changed(.sourcePort, from: .number(40_000), to: .number(40_700))
        for index in [0, 1] { #expect(try kinds(index).starts(with: [source, port])) }
        let destination = PathFinding.Kind.changed(.destination, from: address("10.0.9.9"), to: address("10.0.9.10"))
        for index in [3, 4, 5] { #expect(try kinds(index).first == destination) }
        guard case .changed(.tcpSequenceNumber, .number(let sent), .number(let quoted)) = try kinds(6).first else {
            Issue.record("no sequence number")
            return
        }
        #expect(quoted == sent &+ 1_000)
    }

    /// Boxes behind which a quote of 28 octets still says enough, if only to a tracer that asks for one hop after the
    /// other; of a datagram from another port it says nothing that only we know.
    @Test("Short quotes", arguments: boxes)
    func shortQuotes(box: Box) throws {
        let trace = try Self.trace(box, to: "10.0.9.9", quoting: "quote 28") { _ in }
        let isHopeless = box.method == udp && box.fields.contains(.sourcePort)
        let row = isHopeless ? "* * *" : nil
        #expect(
            trace.picture == ["1 1 1", "2 2 2", row ?? "3 3 3", row ?? "4 4 4", "5 5 5", "9! 9! 9!"],
            "\(trace.picture)")
    }

    @Test(
        "Ports that count up tell probes apart where quotes are short, on an error queue too", arguments: [true, false])
    func countedPorts(hasErrorQueue: Bool) throws {
        for target in ["10.0.9.9", "fd00:9::9"] {
            let length = target.contains(".") ? 28 : 48
            let text = Trace.chain(Array(repeating: "quote \(length)", count: 5))
            let trace = try Trace.of(text, to: target, rung: hasErrorQueue ? .udpSocket : .raw) {
                $0.changesPort = true
                $0.method = .udp(destinationPort: 65_530)
            }
            #expect(trace.picture.dropLast() == ["1 1 1", "2 2 2", "3 3 3", "4 4 4", "5 5 5"])
            #expect(trace.isReached && trace.statistics.unidentified == 0 && trace.statistics.askedAlone == 0)
        }
    }
}

/// Quotes that nobody sent so, and quotes of others.
@Suite struct QuoteForgeryTests {
    private static let ways: [NumberedWay] = NumberedWay.all.filter {
        $0.way.payload == 32 && $0.flow != .dublin || $0.way.payload == 0 && $0.way.isTCP && $0.flow == .paris
    }
    private static let latest: UInt64 = 90

    @Test("Random quotes match nobody", arguments: ways)
    func noise(numbered: NumberedWay) {
        var generator = SeededGenerator(seed: 4)
        let wire = numbered.wire
        let way = numbered.way
        var named = 0
        for round in 0..<10_000 {
            var packet = wire.packet(way, 1 + generator.number(below: Self.latest))
            // Headers that are well formed, with addresses as sent, and noise behind them.
            for index in way.headerLength..<packet.count { packet[index] = UInt8(truncatingIfNeeded: generator.next()) }
            if way.version == .v4 {
                packet[4] = UInt8(truncatingIfNeeded: generator.next())
                packet[5] = UInt8(truncatingIfNeeded: generator.next())
            }
            if !way.isTCP, !way.isUDP { packet[way.headerLength] = ICMPType.echoRequest(way.version).rawValue }
            let count = round % 2 == 0 ? packet.count : way.headerLength + 8
            guard let found = wire.match(wire.error(packet, way, quoting: count), latest: Self.latest) else { continue }
            #expect(!found.isAuthentic)
            if found.probe != nil { named += 1 }
        }
        // One in 65,536 has our identifier, and one in 1,000 one of our 64 ports.
        #expect(named <= 30)
    }

    @Test("A damaged quote is credited to its probe or to nobody", arguments: ways)
    func mutations(numbered: NumberedWay) {
        var generator = SeededGenerator(seed: 5)
        let wire = numbered.wire
        let way = numbered.way
        var credited = 0
        for _ in 0..<10_000 {
            let number = 1 + generator.number(below: Self.latest)
            var packet = wire.packet(way, number)
            for _ in 0...generator.number(below: 6) {
                let at = Int(generator.number(below: UInt64(packet.count)))
                packet[at] ^= UInt8(truncatingIfNeeded: 1 << generator.number(below: 8))
            }
            let least = way.headerLength + 8
            let count = least + Int(generator.number(below: UInt64(packet.count - least + 1)))
            guard let found = wire.match(wire.error(packet, way, quoting: count), latest: Self.latest) else { continue }
            if found.isAuthentic {
                #expect(found.probe?.rawValue == number)
                credited += 1
            }
        }
        #expect(credited > 100)
    }

    @Test("Quotes of other processes' packets to the same host are nobody's", arguments: ways)
    func others(numbered: NumberedWay) {
        var generator = SeededGenerator(seed: 6)
        var other = numbered.wire
        let way = numbered.way
        for _ in 0..<2_000 {
            other.codec.identity = ProbeIdentity(
                identifier: UInt16(truncatingIfNeeded: generator.number(below: 0x4d00)),
                sourcePorts: 50_000..<50_001, cookies: SipHash(k0: generator.next(), k1: generator.next()))
            other.codec.identity.proto = numbered.wire.codec.identity.proto
            let packet = other.packet(way, 1 + generator.number(below: Self.latest))
            let ours = numbered.wire
            for count in [Int.max, way.headerLength + 8] {
                let found = ours.match(ours.error(packet, way, quoting: count), latest: Self.latest)
                #expect(found?.probe == nil && found?.isAuthentic != true && found?.evidence != .port)
            }
        }
    }

    @Test("Over IPv6 a segment from another port names no probe, but that one is to be asked alone")
    func otherPortOverIPv6() throws {
        let numbered = NumberedWay(way: Way(method: tcp, version: .v6, payload: 0), flow: .paris)
        for number: UInt64 in [1, 7, Self.latest] {
            var packet = numbered.wire.packet(numbered.way, number)
            packet[numbered.way.headerLength] ^= 0x55
            let wire = numbered.wire
            let found = try #require(wire.match(wire.error(packet, numbered.way), latest: Self.latest))
            #expect(found.probe == nil && !found.isAuthentic && found.evidence == .number)
        }
    }

    @Test("The hidden order of marks is one: each has its own, and none is 0")
    func hiddenMarks() throws {
        let numbered = NumberedWay(way: Way(method: tcp, version: .v4, payload: 0), flow: .paris)
        let marks = (1...65_535).map { numbered.wire.packet(numbered.way, $0).bytes.uint16(at: 4) }
        #expect(Set(marks).count == 65_535 && !marks.contains(0))
        #expect(marks.prefix(100).enumerated().count { $1 == UInt16($0 + 1) } < 3)
        #expect(numbered.wire.packet(numbered.way, 65_536).bytes.uint16(at: 4) == marks[0])
        // From another port, only the identification stands beside the sequence number.
        for number: UInt64 in [1, 40_000, 65_535] {
            var packet = numbered.wire.packet(numbered.way, number)
            packet[20] ^= 0x55
            let wire = numbered.wire
            #expect(wire.match(wire.error(packet, numbered.way), latest: 65_535)?.probe?.rawValue == number)
            packet[5] ^= 1
            #expect(wire.match(wire.error(packet, numbered.way), latest: 65_535) == nil)
        }
    }
}
