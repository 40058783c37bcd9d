import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

extension Trace {
    /// What the rows tell, compared with what was sent.
    var findings: [PathFinding] {
        let codec = driver.codec
        return PathFindings(of: rows) { answer in
            codec.expected(
                Transmit(id: answer.id, probe: answer.probe), source: Ours.source(answer.probe.destination.version))
        }.all
    }

    /// A trace of this text that has run.
    static func of(
        _ text: String, to destination: String = "10.0.9.9", seed: UInt64 = 1, rung: Driver.Rung = .raw,
        _ configure: (inout PathTrace.Configuration) -> Void = { _ in }
    ) throws -> Trace {
        var trace = try Trace(text, to: destination, seed: seed, configure)
        trace.driver.rung = rung
        try trace.run()
        return trace
    }
}

/// A finding and where it shows.
private func finding(_ hops: ClosedRange<Int>, _ kind: PathFinding.Kind) -> PathFinding {
    PathFinding(hops: hops, kind: kind)
}

private let udp = ProbeMethod.udp(destinationPort: 33_434)
private let tcp = ProbeMethod.tcpSYN(destinationPort: 80)
private let source = QuotedValue.address(.v4(Ours.address4))
private let outside = QuotedValue.address(Ours.address("198.51.100.1"))

@Suite struct PathFindingScenarioTests {
    private static let ways: [(ProbeMethod, String, Driver.Rung)] = [
        (udp, "10.0.9.9", .raw), (udp, "fd00:9::9", .raw), (udp, "10.0.9.9", .udpSocket), (.icmpEcho, "10.0.9.9", .raw),
        (.icmpEcho, "fd00:9::9", .raw), (.icmpEcho, "fd00:9::9", .pingSocket), (tcp, "10.0.9.9", .raw),
        (tcp, "fd00:9::9", .raw),
    ]

    @Test("A path without peculiarities has no findings", arguments: ways)
    func clean(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        for extra in ["", "quote 28", "quote 60", "legacy-extensions", "ttl 64", "ttl 128"] {
            for changesPort in [false, true] {
                let trace = try Trace.of(Trace.chain(["", extra, "silent", "", extra, ""]), to: target, rung: rung) {
                    $0.method = method
                    $0.trafficClass = 0xb9
                    $0.changesPort = changesPort
                }
                #expect(trace.isReached)
                #expect(trace.findings == [], "\(extra)")
            }
        }
    }

    @Test(
        "Traffic class, by its two parts, between the last hop with the old and the first with the new value",
        arguments: [(udp, "10.0.9.9"), (.icmpEcho, "10.0.9.9"), (tcp, "fd00:9::9")])
    func bleach(method: ProbeMethod, target: String) throws {
        let dscp = PathFinding.Kind.changed(.dscp, from: .number(0x2e), to: .number(0))
        let ecn = PathFinding.Kind.changed(.ecn, from: .number(1), to: .number(0))
        for (word, kinds) in [("dscp", [dscp]), ("ecn", [ecn]), ("tos", [dscp, ecn])] {
            let trace = try Trace.of(Trace.chain(["", "bleach \(word)", "silent", "", ""]), to: target) {
                $0.method = method
                $0.trafficClass = 0xb9
            }
            #expect(trace.findings == kinds.map { finding(2...4, $0) })
        }
        let first = try Trace.of(Trace.chain(["silent bleach dscp", "", ""]), to: target) {
            $0.method = method
            $0.trafficClass = 0xb9
        }
        #expect(first.findings == [finding(0...2, dscp)])
    }

    @Test("A translator that restores quotes can't be seen, a careless one leaves the checksum", arguments: [udp, tcp])
    func translators(method: ProbeMethod) throws {
        for changesPort in [false, true] {
            let correct = try Trace.of(Trace.chain(["", "nat 198.51.100.1", "", ""])) {
                $0.method = method
                $0.changesPort = changesPort
            }
            #expect(correct.findings == [])
            let careless = try Trace.of(Trace.chain(["", "nat 198.51.100.1 careless", "", ""])) {
                $0.method = method
                $0.changesPort = changesPort
            }
            let found = careless.findings
            guard method == udp else {
                #expect(found == [])
                continue
            }
            #expect(found.map(\.hops) == [2...3])
            guard case .changed(.udpChecksum, .number(let from), .number(let to)) = try #require(found.first).kind
            else {
                Issue.record("\(found)")
                continue
            }
            // Only the source changed: the sums differ as the addresses do.
            let distance = (to + 0xffff - from) % 0xffff
            let addresses = (0x0a00 + 0x0001 + 2 * 0xffff - 0xc633 - 0x6401) % 0xffff
            #expect(distance == UInt32(addresses))
        }
    }

    @Test("Fields that routers rewrite")
    func rewriters() throws {
        let mss = PathFinding.Kind.changed(.maximumSegmentSize, from: .number(1460), to: .number(1300))
        #expect(
            try Trace.of(Trace.chain(["", "clamp-mss 1300", ""])) { $0.method = tcp }.findings == [finding(2...3, mss)])
        let stripped = try Trace.of(Trace.chain(["", "strip-options all", "quote 28", "", ""])) { $0.method = tcp }
        #expect(
            stripped.findings.filter { $0.hops == 2...4 }.map(\.kind).contains(
                .changed(.maximumSegmentSize, from: .number(1460), to: .missing)))
        #expect(
            stripped.findings.map(\.kind).contains(.changed(.tcpOptions, from: .tcpOptions([2]), to: .tcpOptions([]))))
        let cleared = try Trace.of(Trace.chain(["", "clear-df", "", ""])) { $0.dontFragment = true }
        #expect(cleared.findings == [finding(2...3, .changed(.dontFragment, from: .flag(true), to: .flag(false)))])
        let numbered = try Trace.of(Trace.chain(["", "set-id 4660", "", ""]))
        let kinds = numbered.findings
        #expect(kinds.map(\.hops) == [2...3])
        guard case .changed(.identification, _, .number(4660)) = try #require(kinds.first).kind else {
            Issue.record("\(kinds)")
            return
        }
        // The number that one of the probes had anyway.
        for id in 1...40 {
            let own = try Trace.of(Trace.chain(["", "set-id \(id)", "", ""]))
            #expect(!own.findings.contains { if case .quotedBySome = $0.kind { true } else { false } })
        }
        let labelled = try Trace.of(Trace.chain(["", "set-flow-label 77", "", ""]), to: "fd00:9::9")
        #expect(labelled.findings == [finding(2...3, .changed(.flowLabel, from: .number(0), to: .number(77)))])
    }

    @Test("Quotes of 28 octets are compared in what they hold")
    func shortQuotes() throws {
        let trace = try Trace.of(Trace.chain(["", "bleach dscp clamp-mss 1300", "quote 28", "quote 28"])) {
            $0.method = tcp
            $0.trafficClass = 0xb8
        }
        #expect(trace.findings == [finding(2...3, .changed(.dscp, from: .number(0x2e), to: .number(0)))])
    }

    @Test("Error queues have no quotes, and nothing is made of that")
    func errorQueue() throws {
        let trace = try Trace.of(Trace.chain(["", "bleach tos nat 198.51.100.1 careless", "", ""]), rung: .udpSocket) {
            $0.trafficClass = 0xb9
        }
        #expect(trace.findings == [])
    }

    @Test("Another way back for the hops behind a router")
    func returnPath() throws {
        var text = Trace.chain(["", "", "", "", ""])
        text += "\nreturn r4 hops 5"
        let trace = try Trace.of(text)
        let found = trace.findings
        #expect(found.map(\.hops) == [4...6])
        guard case .returnPath(let lengths) = try #require(found.first).kind else {
            Issue.record("\(found)")
            return
        }
        #expect(lengths.map(\.length) == [6, 7, 8] && lengths.map(\.hop) == [4, 5, 6])
        #expect(lengths.map(\.initialHopLimit) == [255, 255, 64])
        #expect(trace.rows.map { $0.answers[0]?.hopsBack } == [1, 2, 3, 6, 7, 8])
    }

    @Test("Interfaces and labels: the one is told, the other is seen with -e")
    func extensions() throws {
        let trace = try Trace.of(Trace.chain(["", "interface-info", "mpls 16/17"]))
        let found = trace.findings
        #expect(found.map(\.hops) == [2...2])
        guard case .interfaces(let interfaces, let responder) = try #require(found.first).kind else {
            Issue.record("\(found)")
            return
        }
        #expect(responder == Ours.address("10.0.1.2") && interfaces.count == 1)
        #expect(interfaces.first?.mtu == 1500 && interfaces.first?.role == .incoming)
    }

    @Test("Tunnels: what hides is hinted at, what shows itself is not said to hide")
    func tunnels() throws {
        func found(_ kind: String, rung: Driver.Rung = .raw) throws -> [PathFinding] {
            let text = Trace.chain(Array(repeating: "", count: 9)) + "\ntunnel r2 r3 r4 r5 r6 \(kind)"
            return try Trace.of(text, rung: rung).findings
        }
        let invisible = try found("invisible")
        #expect(invisible.map(\.hops) == [2...3])
        guard case .hiddenHops(let count, let lengths) = try #require(invisible.first).kind else {
            Issue.record("\(invisible)")
            return
        }
        // The way back of the hops behind stays as long until it has caught up.
        #expect(count == 3 && lengths.map(\.length) == [2, 6, 6, 6, 6] && lengths.map(\.hop) == [2, 3, 4, 5, 6])
        // The answers of routers in a tunnel go to its end first.
        let implicit = try found("implicit")
        #expect(implicit.map(\.hops) == [3...5, 3...5])
        guard case .returnPath(let back) = try #require(implicit.last).kind else {
            Issue.record("\(implicit)")
            return
        }
        #expect(back.map(\.length) == [9, 8, 7])
        // Where labels show it there is nothing to wonder about.
        #expect(try found("explicit").isEmpty)
        #expect(implicit.first?.kind == .hopLimits(.implicitTunnel(quoted: [1, 2, 3])))
        // Without quotes the way back alone tells that nobody hides.
        let unquoted = try found("implicit", rung: .udpSocket)
        #expect(unquoted.map(\.hops) == [3...5] && unquoted.first?.kind == implicit.last?.kind)
    }

    @Test("A packet whose hop limit ran out comes to the next router")
    func zeroForwarding() throws {
        let trace = try Trace.of(Trace.chain(["", "zero-ttl", "", ""]))
        let anomaly = PathFinding.HopLimitAnomaly.zeroForwarded(responder: Ours.address("10.0.1.3"))
        #expect(trace.findings == [finding(2...3, .hopLimits(anomaly))])
    }

    @Test("A loop, and where it starts")
    func loop() throws {
        let trace = try Trace.of(Trace.chain(["", "", "loop", ""])) { $0.maximumHop = 12 }
        let found = trace.findings
        #expect(found.count == 1)
        guard case .loop(let responders) = try #require(found.first).kind else {
            Issue.record("\(found)")
            return
        }
        #expect(Set(responders) == [Ours.address("10.0.1.2"), Ours.address("10.0.1.3")])
        #expect(found[0].hops.lowerBound == 2)
    }

    @Test("Two routers for one flow, and for several")
    func balancers() throws {
        let text = """
            router a 10.0.1.1 delay 1ms
            router b1 10.0.2.1 delay 1ms
            router b2 10.0.2.2 delay 1ms
            router c 10.0.3.1 delay 1ms
            path source a
            path b1 c
            path b2 c
            target 10.0.9.9 via c delay 1ms
            balance a b1 b2 by
            """
        var told = 0
        for seed in 1...20 {
            let flows = try Trace.of(text + " ports", seed: UInt64(seed)) { $0.changesPort = true }
            #expect(flows.findings == [])
            let packets = try Trace.of(text + " packet", seed: UInt64(seed))
            let several = Set(packets.rows[1].answers.compactMap(\.?.responder)).count > 1
            #expect(packets.findings.map(\.hops) == (several ? [2...2] : []))
            for case .severalResponders(let responders) in packets.findings.map(\.kind) {
                told += 1
                #expect(Set(responders) == [Ours.address("10.0.2.1"), Ours.address("10.0.2.2")])
            }
        }
        #expect(told > 10)
    }

    @Test("Why the path ends")
    func endings() throws {
        let refused = try Trace.of(Trace.chain(["", "", "unreachable admin", ""]))
        let kind = PathFinding.Kind.refused(
            type: .V4.destinationUnreachable, code: 13, info: 0, responder: Ours.address("10.0.1.3"))
        #expect(refused.findings == [finding(4...4, kind)])
        let silent = try Trace.of(Trace.chain(["", "", "silent"], target: "silent")) { $0.maximumHop = 9 }
        #expect(silent.findings == [finding(3...9, .silentEnd)])
        let nobody = try Trace.of(Trace.chain(["silent"], target: "silent")) { $0.maximumHop = 4 }
        #expect(nobody.findings == [finding(1...4, .silentEnd)])
    }
}
