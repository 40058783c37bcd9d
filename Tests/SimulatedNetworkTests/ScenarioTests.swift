import PacketFormats
import SimulatedNetwork
import Testing

/// A scenario that uses every word of the format.
private let everything = """
    # Comment lines and what follows a # are passed over.
    source 10.0.0.1 fd00::1   # the host
    router r1 10.0.1.1 fd00:1::1 delay 5ms loss 1% duplicate 0.5% reorder 2% by 7ms corrupt 0.0001%
    router r2 silent limit 1/s burst 6 slow 2ms+3ms quote 28 mpls 16004/24001 interface-info legacy-extensions
    router r3 fd00:3::1 ttl 64 no-echo unreachable admin bleach dscp nat 203.0.113.1 careless loop
    router r4 delay 1ms..1500us limit 10/500ms nat 203.0.113.2 bleach ecn unreachable 200
    router r5 delay 1ms~50us bleach tos reorder 1%
    router r6 drop udp 33434-33534 reject tcp 25 as 10 reject icmp drop tcp from outgoing zero-ttl
    router r7 from own copy-ttl
    router r8 from 192.168.0.1 fd00:a::1 nat 203.0.113.8 fd00:b::8 shift-ports 1000 forgetful dnat 10.0.9.8 careless
    router r9 clamp-mss 1400 strip-options sack/timestamps shift-sequence 4294967295 clear-df set-id 0 set-flow-label 1048575
    path source r1 r2
    link r1 r2 mtu 1400 blackhole near 10.12.0.1 fd00:12::1 far 10.12.0.2 delay 1us loss 2%
    link r5 r6 mtu 1300 no-mtu
    link r7 r8 mtu 1300 claim-mtu 1400
    balance r2 r3 r4 by ports
    balance r4 r5 r6 by flow-label
    path r3 r6
    tunnel r2 r3 r4 r5 explicit label 16004
    tunnel r4 r5 r6 opaque
    flip r1 r2 r6 at 2s
    flip r6 r5 r3 every 1500ms
    return r5 hops 3 delay 2ms loss 1%
    target 10.0.9.9 fd00:9::9 via r6 udp 7 echo udp 100-200 silent udp * unreachable tcp 80 open tcp 81-90 closed tcp * filtered
    target 10.0.8.0/24 fd00:8::/64 via r6 live 12.5% dead host
    target 10.0.7.7 via source unreachable net delay 1s
    target 10.0.7.8 via source clock -2.5s skew -0.5ppm tick 10ms little-endian
    target 10.0.7.9 via source clock 0ms skew 35ppm non-standard
    target 10.0.6.6 via r6 hostile wrong-source 5% hostile duplicate 3 10% hostile late 2s hostile wrong-checksum
    target 10.0.6.7 via r6 hostile truncated hostile overlong hostile unknown-sequence hostile wrong-identifier hostile other-code hostile empty hostile forged-time 99.9999%
    target 10.0.6.8 via r6 hostile foreign-quote hostile zero-quote hostile long-header hostile cut-header

    """

@Suite struct ScenarioTests {
    @Test(arguments: [everything, Scenario.demoText, "", "source 10.0.0.1 only4\n", "source only6\n"])
    func writtenAndReadAgain(_ text: String) throws {
        let scenario = try Scenario(parsing: text)
        let again = try Scenario(parsing: scenario.description)
        #expect(again == scenario)
        #expect(again.description == scenario.description)
    }

    @Test func everyWordMeansSomething() throws {
        let scenario = try Scenario(parsing: everything)
        let r1 = scenario.routers[0]
        #expect(r1.access.delay == .fixed(5 * milli) && r1.access.loss == .percent(1))
        #expect(r1.access.duplicate == Share(millionths: 5_000) && r1.access.corrupt == Share(millionths: 1))
        #expect(r1.access.reorder == .percent(2) && r1.access.reorderDelay == 7 * milli)
        let r2 = scenario.routers[1].answers
        #expect(r2.isSilent && r2.limit == RateLimit(1, burst: 6) && r2.quote == 28)
        #expect(r2.slowness == .exponential(floor: 2 * milli, mean: 3 * milli) && r2.labels == [16_004, 24_001])
        #expect(r2.showsInterface && r2.hasLegacyExtensions)
        let r3 = scenario.routers[2]
        #expect(r3.v4 == nil && r3.answers.hopLimit == 64 && !r3.answers.echoes && r3.refuses == .admin && r3.loops)
        #expect(r3.translation == Translation(v4: IPv4Address(203, 0, 113, 1), quotes: .careless))
        #expect(scenario.routers[3].answers.limit == RateLimit(10, per: 500 * milli))
        #expect(scenario.routers[3].access.delay == .uniform(milli, milli * 3 / 2))
        #expect(scenario.routers[4].access.delay == .normal(mean: milli, deviation: 50_000))
        #expect(
            scenario.routers[5].filters == [
                Filter(.udp, 33_434...33_534), Filter(.tcp, 25...25, reason: .code(10)), Filter(.icmp, reason: .admin),
                Filter(.tcp),
            ])
        #expect(scenario.routers[5].answersFrom == .outgoing && scenario.routers[5].forwardsZero)
        #expect(scenario.routers[6].answersFrom == .own && scenario.routers[6].answers.copiesHopLimit)
        guard case .address(let other) = scenario.routers[7].answersFrom else {
            Issue.record("no address")
            return
        }
        #expect(other.v4?.description == "192.168.0.1" && other.v6?.description == "fd00:a::1")
        #expect(
            scenario.routers[7].translation
                == Translation(
                    v4: IPv4Address(203, 0, 113, 8), v6: IPv6Address("fd00:b::8"), portShift: 1_000,
                    quotes: .forgetful))
        #expect(scenario.routers[7].redirection == Redirection(v4: IPv4Address(10, 0, 9, 8), quotes: .careless))
        var rewriting = Rewriting()
        rewriting.maximumSegment = 1_400
        rewriting.strippedOptions = [.sack, .timestamps]
        rewriting.sequenceShift = .max
        rewriting.clearsDontFragment = true
        rewriting.identification = 0
        rewriting.flowLabel = 0xf_ffff
        #expect(scenario.routers[8].rewriting == rewriting)
        #expect(scenario.links.contains { $0.claimedMTU == 1_400 && $0.mtu == 1_300 })
        #expect(
            scenario.tunnels
                == [
                    Scenario.Tunnel(["r2", "r3", "r4", "r5"], .explicit, label: 16_004),
                    Scenario.Tunnel(["r4", "r5", "r6"], .opaque),
                ])
        #expect(
            scenario.flips == [
                Scenario.Flip("r1", "r2", "r6", .at(2 * second)),
                Scenario.Flip("r6", "r5", "r3", .every(1_500 * milli)),
            ])
        let link = try #require(scenario.links.first { $0.mtu == 1_400 })
        #expect(link.isBlackHole && link.near.v6 != nil && link.far.v6 == nil && link.impairment.loss == .percent(2))
        #expect(scenario.links.count { $0.from == "r1" || $0.to == "r1" } == 3)
        #expect(scenario.targets[1].live == Share(millionths: 125_000) && scenario.targets[1].dead == .host)
        #expect(scenario.targets[5].answers.hostile[1] == HostileReply(.duplicate(3), .percent(10)))
        #expect(
            scenario.targets[3].answers.clock
                == HostClock(offset: -2_500 * milli, skew: -500, tick: 10 * milli, form: .littleEndian))
        #expect(scenario.targets[4].answers.clock == HostClock(skew: 35_000, form: .nonStandard))
    }

    @Test func theBuilderMakesWhatTheTextSays() throws {
        var scenario = Scenario()
        scenario.router("r1") { $0.access.delay = .fixed(5 * milli) }
        scenario.path("source", "r1", "r2")
        scenario.link("r1", "r2") { $0.mtu = 1_400 }
        scenario.balance("r2", ["a", "b"], by: .ports)
        scenario.path("a", "r9")
        scenario.path("b", "r9")
        scenario.target("10.0.9.9", "fd00:9::9", via: "r9") { $0.answers.udp = [PortRule(7, .echo)] }
        let text = """
            router r1 delay 5ms
            router r2
            router a
            router b
            router r9
            path source r1
            link r1 r2 mtu 1400
            balance r2 a b by ports
            path a r9
            path b r9
            target 10.0.9.9 fd00:9::9 via r9 udp 7 echo
            """
        #expect(try Scenario(parsing: text) == scenario)
    }

    @Test func addressesThatWereLeftOut() throws {
        let scenario = try Scenario(
            parsing: "router a\nrouter b 10.254.0.3\nrouter c\nrouter d fd00::d\npath source a\ntarget 10.254.0.4 via a"
        )
        let full = scenario.withAddresses()
        let all = full.routers.compactMap(\.v4) + [full.source.v4].compactMap(\.self)
        #expect(Set(all).count == 5 && !all.contains(IPv4Address(10, 254, 0, 4)))
        #expect(full.routers.allSatisfy { $0.v4 != nil && $0.v6 != nil })
        #expect(full.withAddresses() == full)
        #expect(try Scenario(parsing: "source 10.0.0.1 only4").withAddresses().source.v6 == nil)
    }

    @Test(arguments: [
        ("rooter r1", 1, "rooter", "a line starts with"),
        ("router", 1, "", "the name of the router"),
        ("router source", 1, "source", "host under test"),
        ("router r/1", 1, "r/1", "letters"),
        ("router r1\nrouter r1", 2, "r1", "already, on line 1"),
        ("router r1 10.0.0.1\nrouter r2 10.0.0.1", 2, "10.0.0.1", "taken already, on line 1"),
        ("router r1 10.0.0.1 10.0.0.2", 1, "10.0.0.2", "one IPv4 and one IPv6"),
        ("router r1 224.0.0.1", 1, "224.0.0.1", "not an address"),
        ("router r1 delay", 1, "", "a time such as"),
        ("router r1 delay 5m", 1, "5m", "5ms"),
        ("router r1 clock", 1, "", "an offset"),
        ("router r1 clock --5ms", 1, "--5ms", "5ms"),
        ("router r1 clock 5ms skew 5", 1, "5", "35ppm"),
        ("router r1 clock 5ms skew 1001ppm", 1, "1001ppm", "up to 1000ppm"),
        ("router r1 clock 5ms tick", 1, "", "a time such as"),
        ("router r1 clock 5ms big-endian", 1, "big-endian", "no such property"),
        ("router r1 delay 5", 1, "5", "5ms"),
        ("router r1 delay 8ms..5ms", 1, "8ms..5ms", "5ms..8ms"),
        ("router r1 delay 99999999999s", 1, "99999999999s", "not a time"),
        ("router r1 delay 0.0000000001s", 1, "0.0000000001s", "not a time"),
        ("router r1 delay -1ms", 1, "-1ms", "not a time"),
        ("router r1 loss 1", 1, "1", "share"),
        ("router r1 loss 101%", 1, "101%", "0% to 100%"),
        ("router r1 loss 0.00001%", 1, "0.00001%", "four decimals"),
        ("router r1 limit 5", 1, "5", "10/s"),
        ("router r1 limit 0/s", 1, "0/s", "10/s"),
        ("router r1 limit 1/s burst 0", 1, "0", "from 1"),
        ("router r1 mpls 1048576", 1, "1048576", "1048575"),
        ("router r1 mpls 1//2", 1, "1//2", "16004/24001"),
        ("router r1 ttl 0", 1, "0", "from 1 to 255"),
        ("router r1 quote 99999", 1, "99999", "1500"),
        ("router r1 unreachable never", 1, "never", "net, host"),
        ("router r1 unreachable 256", 1, "256", "0 to 255"),
        ("router r1 bleach all", 1, "all", "dscp, ecn, tos"),
        ("router r1 nat careless", 1, "careless", "an address"),
        ("router r1 nat 203.0.113.1 shift-ports 65536", 1, "65536", "0 to 65535"),
        ("router r1 dnat", 1, "", "an address"),
        ("router r1 strip-options md5", 1, "md5", "mss, wscale, sack, timestamps, all"),
        ("router r1 strip-options sack/sack", 1, "sack/sack", "each once"),
        ("router r1 set-flow-label 1048576", 1, "1048576", "0 to 1048575"),
        ("router r1 shift-sequence -1", 1, "-1", "4294967295"),
        ("router r1 live 5%", 1, "live", "no such property"),
        ("router r1 udp 7 mirror", 1, "mirror", "echo, unreachable, silent"),
        ("router r1 tcp 70000 open", 1, "70000", "5000-5010"),
        ("router r1 udp 9-7 echo", 1, "9-7", "5000-5010"),
        ("router r1 drop gre", 1, "gre", "icmp, tcp, udp"),
        ("router r1 reject udp 9-7", 1, "9-7", "no such property"),
        ("router r1 reject udp as never", 1, "never", "net, host"),
        ("router r1 from", 1, "", "outgoing, own"),
        ("router r1 from here", 1, "here", "outgoing, own"),
        ("router r1 hostile nasty", 1, "nasty", "wrong-source"),
        ("router r1 hostile duplicate", 1, "", "copies"),
        ("router r1\nlink source r2", 2, "r2", "there are r1"),
        ("link source r2", 1, "r2", "add a router line"),
        ("router r1\nlink r1 r1", 2, "r1", "two different"),
        ("router r1\nlink source r1 mtu 10", 2, "10", "from 68"),
        ("router r1\nlink source r1 speed 10", 2, "speed", "mtu, blackhole"),
        ("router r1\nlink source r1 mtu 1400\nlink r1 source mtu 1300", 3, "source", "linked already"),
        ("router r1\npath r1", 2, "", "two names"),
        ("router r1\nrouter r2\nbalance r1 r2 by ports", 3, "by", "two next hops"),
        ("router r1\nrouter r2\nbalance r1 r1 r2 by ports", 3, "r1", "of itself"),
        ("router r1\nrouter r2\nrouter r3\nbalance r1 r2 r3 by luck", 4, "luck", "flow-label"),
        ("router r1\nrouter r2\nrouter r3\nbalance r1 r2 r3 by ports now", 4, "now", "nothing comes here"),
        ("router r1\nbalance r1 r2 r3", 2, "", "by ports"),
        ("router r1\nrouter r2\nflip r1 r2 r2 at 1s", 3, "r2", "two other nodes"),
        ("router r1\nrouter r2\nrouter r3\nflip r1 r2 r3 after 1s", 4, "after", "at or every"),
        ("router r1\nrouter r2\nrouter r3\nflip r1 r2 r3 at noon", 4, "noon", "5ms"),
        ("router r1\nrouter r2\ntunnel r1 r2 explicit", 3, "explicit", "three routers"),
        ("router r1\nrouter r2\ntunnel r1 r2 r1 explicit", 3, "r1", "different routers"),
        ("router r1\nrouter r2\ntunnel source r1 r2 explicit", 3, "source", "different routers"),
        ("router r1\ntunnel r1 r2 r3", 2, "", "then: explicit"),
        ("router r1\ntunnel r1 r2 r3 opaque label 3", 2, "3", "from 16"),
        ("router r1\nreturn r1 3", 2, "3", "hops"),
        ("router r1\nreturn r1 hops 300", 2, "300", "0 to 254"),
        ("router r1\nreturn r1 hops 3\nreturn r1 hops 4", 3, "r1", "one return path"),
        ("router r1\npath source r1\ntarget r1 via r1", 3, "r1", "not an address or a prefix"),
        ("router r1\npath source r1\ntarget 10.0.0.1/24 via r1", 3, "10.0.0.1/24", "not an address or a prefix"),
        ("router r1\npath source r1\ntarget via r1", 3, "via", "before via"),
        ("router r1\npath source r1\ntarget 10.0.0.9", 3, "", "via ROUTER"),
        ("router r1\ntarget 10.0.0.9 via r1", 2, "r1", "no way leads there"),
        ("source 10.0.0.1\nsource 10.0.0.2", 2, "source", "only one source"),
        ("source fd00::1 only4", 1, "only4", "after source"),
        ("source here", 1, "here", "after source"),
        ("source fe80::1%2", 1, "fe80::1%2", "without zone"),
    ])
    func errorsNameLineWordAndRemedy(_ text: String, _ line: Int, _ word: String, _ remedy: String) {
        #expect {
            try Scenario(parsing: text)
        } throws: { error in
            guard let error = error as? ScenarioError else { return false }
            #expect(error.line == line && error.word == word, "\(error)")
            #expect(error.reason.contains(remedy), "\(error)")
            #expect(error.description.hasPrefix("line \(line): "))
            return true
        }
    }

    /// Text with random changes is read or refused, and what is read is written and read again.
    @Test func spoiltTextNeverTraps() {
        var generator = SeededGenerator(seed: 11)
        let words = everything.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)
        var read = 0
        for _ in 0..<2_000 {
            var lines = everything.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            for _ in 0...generator.number(below: 2) {
                let line = Int(generator.number(below: UInt64(lines.count)))
                guard !lines[line].isEmpty else { continue }
                let word = Int(generator.number(below: UInt64(lines[line].count)))
                switch generator.number(below: 3) {
                case 0: lines[line].remove(at: word)
                case 1: lines[line][word] = words[Int(generator.number(below: UInt64(words.count)))]
                default: lines[line].insert(words[Int(generator.number(below: UInt64(words.count)))], at: word)
                }
            }
            let text = lines.map { $0.joined(separator: " ") }.joined(separator: "\n")
            guard let scenario = try? Scenario(parsing: text) else { continue }
            read += 1
            #expect((try? Scenario(parsing: scenario.description)) == scenario)
            var network = SimulatedNetwork(scenario, seed: 1)
            network.send(Host.datagram(to: "10.0.9.9"), at: 0)
            while let time = network.nextDelivery { while network.receive(at: time) != nil {} }
        }
        #expect(read > 0)
    }
}

@Suite struct DemoTests {
    /// The demo has what its story promises, over both versions.
    @Test(arguments: ["10.0.9.9", "fd00:9::9"])
    func aPathThroughEverything(_ target: String) throws {
        var network = SimulatedNetwork(.demo, seed: 1)
        let isV4 = target.contains(".")
        var path: [String?] = []
        for hop in 1...9 as ClosedRange<UInt8> {
            let answers = try network.ask(Host.datagram(to: target, hopLimit: hop), at: Int64(hop) * second)
            path.append(answers.first?.source)
            if answers.first?.source == target { break }
        }
        let core = isV4 ? ["10.0.2.1", "10.0.2.2"] : ["fd00:2::1", "fd00:2::2"]
        try #require(path.count == 8)
        #expect(path[2].map { core.contains($0) } == true)
        path[2] = "core"
        let expected: [String?] =
            isV4
            ? ["10.0.0.254", "10.0.1.1", "core", "10.0.3.1", nil, "10.0.5.1", "10.0.9.1", "10.0.9.9"]
            : ["fd00::fe", "fd00:1::1", "core", "fd00:3::1", nil, "fd00:5::1", "fd00:9::1", "fd00:9::9"]
        #expect(path == expected)
        #expect(try network.ask(Host.datagram(to: target, port: 7))[0].proto == .udp)
        #expect(try network.ask(Host.echo(to: target))[0].isEchoReply)
    }

    @Test func aNarrowLinkIsSaidToBeOne() throws {
        var network = SimulatedNetwork(.demo, seed: 1)
        let payload = [UInt8](repeating: 0, count: 1_420)
        let v4 = try network.ask(Host.echo(to: "10.0.9.9", payload: payload, dontFragment: true))[0]
        #expect(v4.code == 4 && v4.rest == 1_400 && v4.source == "10.0.5.1")
        let v6 = try network.ask(Host.echo(to: "fd00:9::9", payload: payload))[0]
        #expect(v6.type == .V6.packetTooBig && v6.rest == 1_400 && v6.source == "fd00:5::1")
    }

    @Test func placesThatCanNotBeReached() throws {
        var network = SimulatedNetwork(.demo, seed: 1)
        #expect(try network.ask(Host.echo(to: "10.0.6.6"))[0].code == 13)
        #expect(try network.ask(Host.echo(to: "10.0.3.3"))[0].code == 1)
        #expect(Scenario.demo.targets.count == 5)
    }
}
