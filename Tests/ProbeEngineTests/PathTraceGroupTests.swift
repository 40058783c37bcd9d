import PacketFormats
import ProbeEngine
import SimulatedNetwork
import Testing

@Suite struct PathTraceGroupTests {
    /// Hosts 10.0.9.1 … behind as many routers as their last octet says.
    private func network(_ hosts: Int, _ change: (inout Scenario) -> Void = { _ in }) -> Scenario {
        var scenario = Scenario()
        scenario.path(["source"] + (1...hosts).map { "r\($0)" })
        for host in 1...hosts { scenario.target("10.0.9.\(host)", via: "r\(host)") }
        for host in 1...hosts {
            scenario.router("r\(host)") { $0.access.delay = .fixed(1_000_000) }
        }
        change(&scenario)
        return scenario
    }

    private func configuration(_ host: Int) -> PathTrace.Configuration {
        PathTrace.Configuration(destination: .v4(IPv4Address(10, 0, 9, UInt8(host))))
    }

    private func group(_ hosts: Int, running: Int = PathTraceGroup.defaultRunning) -> PathTraceGroup {
        PathTraceGroup(
            (1...hosts).map { PathTraceGroup.Configuration(configuration($0)) }, maximumRunning: running)
    }

    @Test(arguments: [1, 2, 16, 20])
    func everyTraceHasItsOwnPath(running: Int) throws {
        var group = group(20, running: running)
        var driver = Driver(network(20))
        var rows: [Int: [Int]] = [:]
        var finished: [Int] = []
        try driver.run(&group) { event, _ in
            switch event {
            case .path(let trace, .hop(let hop)): rows[trace, default: []].append(hop.number)
            case .path(_, .unsent), .mtu: Issue.record("nothing was refused, and no MTU asked for")
            case .finished(let trace): finished.append(trace)
            }
        }
        #expect(finished.sorted() == Array(0..<20))
        for (trace, member) in group.members.enumerated() {
            #expect(rows[trace] == Array(1...trace + 2), "the host is one hop behind its router")
            #expect(member.hops.map(\.number) == rows[trace])
            #expect(member.trace.isReached)
            #expect(member.hops.allSatisfy { $0.answers.allSatisfy { $0 != nil } })
            #expect(member.hops.last?.answers.first??.responder == member.configuration.trace.destination)
        }
        if running == 1 { #expect(finished == Array(0..<20)) }
    }

    /// The discovery behind a trace goes on as that did: as slowly, and with the same options in its headers.
    @Test func discoveryTakesOverWhatTheTraceHas() throws {
        var trace = configuration(1)
        trace.pause = .ms(20)
        trace.maximumInFlight = 1
        trace.maximumWait = .ms(50)
        var group = PathTraceGroup([PathTraceGroup.Configuration(trace, firstSize: 1_500, optionsLength: 8)])
        var driver = Driver(network(1))
        try driver.run(&group)
        let discovery = try #require(group.members[0].mtu).configuration
        #expect(discovery.pause == .ms(20) && discovery.maximumInFlight == 1 && discovery.maximumWait == .ms(50))
        #expect(discovery.headerLength == 28 && discovery.controlSize == 68)
    }

    /// The number of an answer is the one that its probe was sent by.
    @Test func answersBearTheNumbersOfTheGroup() throws {
        var group = group(5)
        var driver = Driver(network(5))
        try driver.run(&group)
        var seen: Set<ProbeID> = []
        for member in group.members {
            for case .some(let answer) in member.hops.flatMap(\.answers) {
                #expect(seen.insert(answer.id).inserted, "\(answer.id) was given twice")
                #expect(answer.id <= driver.latest && answer.id.rawValue > 0)
                guard let quoted = answer.detail?.quoted else { continue }
                #expect(quoted.destination == member.configuration.trace.destination)
                #expect(quoted.identification == UInt16(truncatingIfNeeded: answer.id.rawValue))
            }
        }
        #expect(!seen.isEmpty)
    }

    @Test func noMoreRunThanMay() throws {
        var group = group(9, running: 3)
        #expect(group.begun == 3)
        var driver = Driver(network(9))
        var finished = 0
        try driver.run(&group) { event, _ in
            if case .finished = event { finished += 1 }
        }
        #expect(group.begun == 9)
        #expect(finished == 9)
    }

    @Test("All traces together stay below what the transport can have under way", arguments: [1, 7, 16, 100, 256])
    func probesAreShared(limit: Int) throws {
        for hosts in [1, 3, 20] {
            var configurations = (1...hosts).map { PathTraceGroup.Configuration(configuration($0)) }
            for index in configurations.indices { configurations[index].trace.maximumHop = 255 }
            var group = PathTraceGroup(configurations, maximumInFlight: limit)
            #expect(group.begun == min(hosts, limit, PathTraceGroup.defaultRunning))
            var taken = 0
            for _ in 0..<50 {
                group.advance(to: .ms(0))
                while let transmit = group.nextTransmit(at: .ms(0)) {
                    taken += 1
                    group.didSend(transmit.id, at: Stamp(nanoseconds: 0, clock: .user))
                }
            }
            #expect(taken <= limit && taken * 2 > min(limit, hosts * 255), "\(taken) of \(limit)")
            group = PathTraceGroup(configurations, maximumInFlight: limit)
            var driver = Driver(network(20))
            try driver.run(&group)
            #expect(group.members.allSatisfy { $0.trace.isReached })
        }
    }

    @Test func stoppingEndsThoseThatRunAndBeginsNoOther() throws {
        var group = group(6, running: 2)
        var driver = Driver(network(6) { $0.router("r1") { $0.answers.isSilent = true } })
        driver.stop = Timestamp(nanoseconds: 1)
        var finished: [Int] = []
        try driver.run(&group) { event, _ in
            if case .finished(let trace) = event { finished.append(trace) }
        }
        #expect(finished == [0, 1])
        #expect(group.begun == 2)
        #expect(group.members[5].hops.isEmpty)
    }

    @Test func aGroupOfNobodyIsOver() {
        let group = PathTraceGroup([])
        #expect(group.schedule == .finished)
    }
}
