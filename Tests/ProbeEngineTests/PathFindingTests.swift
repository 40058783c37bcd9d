import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// Rows as a trace would tell them, made by hand.
enum Made {
    static let destination = Ours.address("10.0.9.9")

    /// A quote of a UDP probe that nobody changed, 28 octets of it.
    static func quote(hopLimit: UInt8 = 1) -> QuotedPacket {
        var bytes = [UInt8](repeating: 0, count: 28)
        bytes[0] = 0x45
        bytes[3] = 60
        bytes[8] = hopLimit
        bytes[9] = IPProtocol.udp.rawValue
        bytes.replaceSubrange(12..<20, with: [10, 0, 0, 1, 10, 0, 9, 9])
        bytes.replaceSubrange(20..<28, with: [0x9c, 0x40, 0x82, 0x9a, 0, 40, 0x12, 0x34])
        guard let quote = try? QuotedPacket(parsing: bytes.bytes, version: .v4) else {
            preconditionFailure("no packet")
        }
        return quote
    }

    static func answer(
        _ hop: Int, _ responder: String? = nil, kind: PathAnswer.Kind = .timeExceeded, method: ProbeMethod? = nil,
        hopLimit: UInt8? = nil, sentWith: Int? = nil, objects: [ICMPExtensionObject] = [], at: Int64 = 0,
        quote change: ((inout QuotedPacket) -> Void)? = nil
    ) -> PathAnswer {
        var quoted: QuotedPacket?
        if let change {
            var changed = quote()
            change(&changed)
            quoted = changed
        }
        let probe = Probe(
            destination: destination, method: method ?? .udp(destinationPort: 33_434),
            hopLimit: UInt8(sentWith ?? hop), payloadLength: 32)
        return PathAnswer(
            kind: kind, responder: Ours.address(responder ?? "10.0.1.\(hop)"), roundTrip: .ms(Int64(hop)),
            clock: .kernel,
            hopLimit: hopLimit ?? UInt8(256 - hop), byteCount: 68, flags: nil,
            detail: ResponseDetail(
                quoted: quoted, extensions: objects.isEmpty ? nil : ICMPExtensions(objects: objects)),
            probe: probe, sentAt: .ms(at))
    }

    static func rows(_ answers: [PathAnswer?]...) -> [PathHop] {
        answers.enumerated().map { PathHop(number: $0.offset + 1, answers: $0.element) }
    }

    static func kinds(_ rows: [PathHop], sent: (PathAnswer) -> QuotedPacket? = { _ in nil }) -> [PathFinding.Kind] {
        PathFindings(of: rows, sent: sent).all.map(\.kind)
    }

    static func found(_ rows: [PathHop], sent: (PathAnswer) -> QuotedPacket? = { _ in nil }) -> [PathFinding] {
        PathFindings(of: rows, sent: sent).all
    }
}

@Suite struct PathFindingTests {
    @Test("Nothing is made of nothing")
    func empty() {
        #expect(Made.found([]) == [])
        #expect(Made.found([PathHop(number: 1, answers: [])]) == [])
    }

    @Test("Hop limits that answers come with, as lengths of the way back")
    func returnLengths() {
        for (hopLimit, length, initial) in [
            (1, 32, 32), (32, 1, 32), (33, 32, 64), (64, 1, 64), (65, 64, 128), (128, 1, 128), (129, 127, 255),
            (254, 2, 255), (255, 1, 255),
        ] as [(UInt8, Int, UInt8)] {
            let found = PathFinding.ReturnLength(hop: 5, hopLimit: hopLimit)
            #expect(found.length == length && found.initialHopLimit == initial && found.excess == length - 5)
        }
    }

    /// Hop limits of the answers of hops 1, 2, 3 …, 0 for none, and what is told of them.
    @Test(
        "Another way back, or a tunnel that is counted on it",
        arguments: [
            ([255, 254, 253], [], []), ([64, 63, 253, 125], [], []),
            // Longer for good: another way.
            ([255, 254, 250, 249, 248], [3...5], []),
            // Shorter.
            ([255, 254, 254, 253], [3...4], []),
            // Longer by one here and there: one stretch.
            ([255, 253, 251, 251, 250, 250], [2...5], []),
            // More than one between neighbours: two stretches.
            ([255, 253, 252, 247, 246], [2...3, 4...5], []),
            // Three routers hidden before hop 3, counted less and less behind it.
            ([255, 254, 250, 250, 250, 250], [], [2...3]),
            // The same, and the destination starts with 64.
            ([255, 254, 250, 61], [], [2...3]),
            // The last answer: nothing tells which of the two.
            ([255, 254, 250], [3...3], []),
            // The hop before is silent, so that the way there may be longer too.
            ([255, 0, 250, 252, 251], [3...3], []),
            // Routers of a tunnel who are seen: their answers go to its end first.
            ([255, 248, 249, 250, 251], [2...4], []), ([255, 250, 251, 252], [2...3], []),
            // One more and back is no tunnel.
            ([255, 253, 253], [2...2], []),
        ] as [([UInt8], [ClosedRange<Int>], [ClosedRange<Int>])])
    func waysBack(hopLimits: [UInt8], ways: [ClosedRange<Int>], tunnels: [ClosedRange<Int>]) {
        let rows = hopLimits.enumerated().map { index, hopLimit in
            PathHop(number: index + 1, answers: [hopLimit == 0 ? nil : Made.answer(index + 1, hopLimit: hopLimit)])
        }
        var found: (ways: [ClosedRange<Int>], tunnels: [ClosedRange<Int>]) = ([], [])
        for finding in Made.found(rows) {
            switch finding.kind {
            case .returnPath(let lengths):
                found.ways.append(finding.hops)
                #expect(lengths.first?.hop == finding.hops.lowerBound && lengths.last?.hop == finding.hops.upperBound)
            case .hiddenHops(let count, _):
                found.tunnels.append(finding.hops)
                #expect(count == 3)
            default: Issue.record("\(finding)")
            }
        }
        #expect(found == (ways, tunnels))
    }

    @Test("Errors that took a longer way than echo replies of the same router")
    func returnTunnels() {
        let near = Made.answer(3, "10.0.9.9", method: .icmpEcho, hopLimit: 250)
        let reply = Made.answer(4, "10.0.9.9", kind: .reached, method: .icmpEcho, hopLimit: 61)
        let rows = Made.rows([Made.answer(1)], [Made.answer(2)], [near], [reply])
        #expect(
            Made.kinds(rows).contains(.hiddenReturnHops(count: 2, responder: Ours.address("10.0.9.9"))))
        var udp = rows
        udp[3].answers[0]?.probe.method = .udp(destinationPort: 7)
        #expect(!Made.kinds(udp).contains { if case .hiddenReturnHops = $0 { true } else { false } })
    }

    /// Quoted hop limits of hops 1, 2, 3 …, 255 for no quote, and what is told of them.
    @Test(
        "Quoted hop limits",
        arguments: [
            ([1, 1, 1, 1], []), ([1, 0, 1, 0], []), ([0, 0, 0], []),
            ([1, 1, 2, 3, 1], [(2...4, [1, 2, 3])]), ([1, 2, 1, 1], [(1...2, [1, 2])]),
            ([1, 255, 2, 3, 4, 1], [(3...5, [2, 3, 4])]),
            ([1, 1, 7, 1], [(3...3, [7])]), ([1, 2, 2, 2], [(2...2, [2])]), ([1, 1, 254, 254], [(3...3, [254])]),
        ] as [([UInt8], [(ClosedRange<Int>, [UInt8])])])
    func quotedHopLimits(quoted: [UInt8], expected: [(ClosedRange<Int>, [UInt8])]) {
        func rows(_ objects: [ICMPExtensionObject] = []) -> [PathHop] {
            quoted.enumerated().map { index, limit in
                let answer =
                    limit == 255
                    ? Made.answer(index + 1, objects: objects)
                    : Made.answer(index + 1, objects: objects) { $0.hopLimit = limit }
                return PathHop(number: index + 1, answers: [answer, answer])
            }
        }
        let found = Made.found(rows())
        #expect(found.map(\.hops) == expected.map(\.0))
        for (finding, (_, values)) in zip(found, expected) {
            switch finding.kind {
            case .hopLimits(.implicitTunnel(let found)): #expect(found == values && values.count > 1)
            case .hopLimits(.unexpected(let found, _)): #expect([found] == values)
            default: Issue.record("\(finding)")
            }
        }
        // With labels nothing is implicit.
        #expect(Made.found(rows([.mpls([MPLSLabel(label: 16, isBottomOfStack: true, timeToLive: 1)])])) == [])
    }

    @Test("The destination's quote against its place on the path")
    func destinationQuote() {
        for (sentWith, quoted, isOdd) in [
            (3, 1, false), (3, 0, false), (5, 3, false), (5, 2, false), (5, 4, true), (5, 1, true), (3, 2, true),
        ] as [(Int, UInt8, Bool)] {
            let last = Made.answer(3, "10.0.9.9", kind: .reached, sentWith: sentWith) { $0.hopLimit = quoted }
            let found = Made.kinds(Made.rows([Made.answer(1)], [Made.answer(2)], [last]))
            let anomaly = PathFinding.HopLimitAnomaly.destination(
                expected: sentWith - 2, quoted: quoted, responder: Ours.address("10.0.9.9"))
            #expect(found == (isOdd ? [.hopLimits(anomaly)] : []))
        }
    }

    @Test("A trace that begins behind the end of the path knows nothing of its length")
    func beginsBehindTheEnd() {
        let answer = Made.answer(9, "10.0.9.9", kind: .reached, hopLimit: 61, sentWith: 9)
        #expect(Made.found([PathHop(number: 9, answers: [answer])]).isEmpty)
    }

    @Test("One router at two hops, with and without quotes")
    func repeated() {
        func rows(_ first: UInt8?, _ second: UInt8?) -> [PathHop] {
            func answer(_ hop: Int, _ quoted: UInt8?) -> PathAnswer {
                guard let quoted else { return Made.answer(hop, "10.0.1.3", hopLimit: 253) }
                return Made.answer(hop, "10.0.1.3", hopLimit: 253) { $0.hopLimit = quoted }
            }
            return Made.rows([Made.answer(1)], [answer(2, first)], [answer(3, second)], [Made.answer(4)])
        }
        let responder = Ours.address("10.0.1.3")
        #expect(Made.kinds(rows(0, 1)) == [.hopLimits(.zeroForwarded(responder: responder))])
        #expect(Made.kinds(rows(1, 1)) == [.hopLimits(.sameResponder(responder))])
        #expect(Made.kinds(rows(nil, nil)) == [.hopLimits(.sameResponder(responder))])
    }

    @Test("One hop's odd quote is its own, a value that comes back later is not")
    func oddQuotes() {
        func rows(_ classes: [UInt8?]) -> [PathHop] {
            classes.enumerated().map { index, value in
                let answer =
                    value.map { value in Made.answer(index + 1) { $0.trafficClass = value } } ?? Made.answer(index + 1)
                return PathHop(number: index + 1, answers: [answer])
            }
        }
        typealias Kind = PathFinding.Kind
        let old = QuotedValue.number(0)
        let new = QuotedValue.number(8)
        #expect(Made.kinds(rows([0, 32, 0, 0])) == [Kind.quotedAlone(.dscp, usual: old, quoted: new)])
        #expect(Made.found(rows([0, nil, 32, nil, 0])).map(\.hops) == [3...3])
        // Two hops in a row: it was changed, and changed back.
        let back = Made.found(rows([0, 32, 32, nil, 0]))
        #expect(back.map(\.kind) == [.changed(.dscp, from: old, to: new), .changed(.dscp, from: new, to: old)])
        #expect(back.map(\.hops) == [1...2, 3...5])
        // The last one: nobody behind it says that it is odd.
        #expect(Made.found(rows([0, 0, 32])).map(\.hops) == [2...3])
        // Somebody who writes another value each time does not fill the screen.
        let noise = Made.found(rows((1...200).map { UInt8($0 & 0x3f) << 2 }))
        #expect(noise.count <= 8)
    }

    @Test("Paths of different flows may differ")
    func branches() {
        func row(_ hop: Int, _ classes: [UInt8]) -> PathHop {
            PathHop(number: hop, answers: classes.map { value in Made.answer(hop) { $0.trafficClass = value } })
        }
        let found = Made.found([row(1, [0, 0, 0]), row(2, [0, 32, 0]), row(3, [32, 0, 0]), row(4, [0, 0, 0])])
        let kind = PathFinding.Kind.quotedBySome(.dscp, usual: .number(0), quoted: .number(8), count: 1, of: 3)
        #expect(found == [PathFinding(hops: 2...2, kind: kind)])
    }

    @Test("A number that was sent as what all are rewritten to tells nothing")
    func coincidence() {
        let rows = (1...5).map { hop in
            PathHop(
                number: hop,
                answers: (0..<3).map { query in
                    Made.answer(hop, at: Int64(hop * 3 + query)) {
                        $0.identification = hop > 2 ? 7 : UInt16(hop * 3 + query)
                    }
                })
        }
        // Numbers 3 to 17: 7 itself is among those of hop 2, or of hop 4.
        for shift in [0, -5] {
            let found = Made.found(rows) { answer in
                var sent = Made.quote()
                let number = Int(answer.sentAt.nanoseconds / 1_000_000)
                sent.identification = UInt16(number >= 9 ? number + shift : number)
                return sent
            }
            #expect(found.map(\.hops) == [2...3], "\(found)")
        }
    }

    @Test("Where nothing is known of what was sent, only hops are compared with each other")
    func unknownProbes() {
        func rows(_ change: @escaping (Int, inout QuotedPacket) -> Void) -> [PathHop] {
            (1...4).map { hop in PathHop(number: hop, answers: [Made.answer(hop) { change(hop, &$0) }]) }
        }
        // All the same from the start on: that is what was sent.
        #expect(Made.found(rows { $1.source = Ours.address("192.0.2.1") }) == [])
        #expect(
            Made.found(rows { hop, quoted in if hop > 2 { quoted.source = Ours.address("192.0.2.1") } }).map(\.hops)
                == [2...3])
        // Numbers that differ anyway.
        #expect(Made.found(rows { hop, quoted in quoted.identification = UInt16(hop) }) == [])
        // Where it goes is known.
        let destination = Made.found(rows { $1.destination = Ours.address("192.0.2.1") })
        #expect(destination.map(\.hops) == [0...1])
    }

    @Test("Octets in the wrong order and lengths without the header are habits of old routers")
    func habits() {
        let rows = (1...4).map { hop in
            PathHop(
                number: hop,
                answers: [
                    Made.answer(hop) { quoted in
                        quoted.identification = hop == 2 ? 0x3412 : 0x1234
                        if hop == 2 { quoted.totalLength = 60 << 8 }
                        if hop == 3 { quoted.totalLength = 40 }
                    }
                ])
        }
        var sent = Made.quote()
        sent.identification = 0x1234
        #expect(Made.found(rows) { _ in sent } == [])
    }

    @Test("What was left to the network interface is no change: checksums are compared from hop to hop")
    func offloadedChecksum() {
        func rows(_ sums: [UInt16]) -> [PathHop] {
            sums.enumerated().map { index, sum in
                let answer = Made.answer(index + 1) { quoted in
                    quoted.transport = .udp(
                        UDPHeader(sourcePort: 40_000, destinationPort: 33_434, length: 40, checksum: sum))
                }
                return PathHop(number: index + 1, answers: [answer])
            }
        }
        let sent = Made.quote()
        #expect(Made.found(rows([0x78dd, 0x78dd, 0x78dd])) { _ in sent } == [])
        let found = Made.found(rows([0x78dd, 0x78dd, 0x7cdd])) { _ in sent }
        let kind = PathFinding.Kind.changed(.udpChecksum, from: .number(0x78dd), to: .number(0x7cdd))
        #expect(found == [PathFinding(hops: 2...3, kind: kind)])
    }

    @Test(
        "Loops, by the last numbers of who answered, 0 for nobody",
        arguments: [
            ([1, 2, 3, 4], nil), ([1, 2, 3, 2, 4], nil), ([1, 2, 3, 2, 3], 2...5), ([1, 2, 3, 2, 3, 2, 3], 2...7),
            ([1, 2, 2, 2, 2], 2...5), ([1, 2, 3, 4, 2, 3, 4], 2...7), ([1, 2, 0, 3, 2, 0, 3], 2...7),
            ([1, 2, 0, 2, 0, 2, 0], 2...6), ([0, 0, 0, 0], nil), ([1, 2, 2, 3], nil),
        ] as [([Int], ClosedRange<Int>?)])
    func loops(responders: [Int], hops: ClosedRange<Int>?) {
        let rows = responders.enumerated().map { index, responder in
            PathHop(
                number: index + 1, answers: [responder == 0 ? nil : Made.answer(index + 1, "10.0.1.\(responder)")])
        }
        let loops = Made.found(rows).filter { if case .loop = $0.kind { true } else { false } }
        #expect(loops.map(\.hops) == (hops.map { [$0] } ?? []))
    }

    @Test("Hostile answers make the list neither long nor slow")
    func hostile() {
        var generator = SeededGenerator(seed: 7)
        func number(_ below: Int) -> Int { Int(generator.next() % UInt64(below)) }
        for _ in 0..<30 {
            let rows = (1...255).map { hop in
                let answers = (0..<10).map { query -> PathAnswer? in
                    guard number(4) > 0 else { return nil }
                    let kind: PathAnswer.Kind =
                        switch number(40) {
                        case 0: .reached
                        case 1:
                            .error(type: ICMPType(rawValue: UInt8(number(256))), code: UInt8(number(256)), info: .max)
                        default: .timeExceeded
                        }
                    let information = InterfaceInformation(role: .nextHop, index: UInt32(number(1 << 20)))
                    return Made.answer(
                        hop, "10.0.\(number(2)).\(number(256))", kind: kind, hopLimit: UInt8(number(256)),
                        sentWith: number(256), objects: [.interface(information)], at: Int64(number(100))
                    ) { quoted in
                        quoted.hopLimit = UInt8(number(256))
                        quoted.trafficClass = UInt8(number(256))
                        quoted.totalLength = number(1 << 16)
                        quoted.identification = UInt16(number(1 << 16))
                        quoted.source = Ours.address("10.0.0.\(number(256))")
                        quoted.transport =
                            number(2) == 0
                            ? .udp(
                                UDPHeader(
                                    sourcePort: UInt16(number(1 << 16)), destinationPort: 0,
                                    checksum: UInt16(number(1 << 16))))
                            : .truncated
                    }
                }
                return PathHop(number: hop, answers: answers)
            }
            let count = Made.found(rows) { _ in Made.quote() }.count
            #expect(count > 0 && count <= PathFindings.maximumCount)
        }
    }
}
