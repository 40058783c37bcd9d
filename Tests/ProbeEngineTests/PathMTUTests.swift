import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// A trace and the discovery behind it through one simulated network.
struct MTUSearch {
    var driver: Driver
    var trace: PathTrace.Configuration
    var firstSize = 1_500
    var configure: (inout PathMTU.Configuration) -> Void = { _ in }
    var events: [PathMTUEvent] = []
    var result = PathMTUResult(firstSize: 0)
    var statistics = PathMTUStatistics()
    /// Of the discovery alone, in milliseconds.
    var duration = 0.0

    init(
        _ text: String, to destination: String = "10.0.9.9", _ method: ProbeMethod = .udp(destinationPort: 33_434),
        seed: UInt64 = 1
    ) throws {
        driver = Driver(try Ours.scenario(text), seed: seed)
        trace = PathTrace.Configuration(destination: Ours.address(destination))
        trace.method = method
        trace.maximumWait = .seconds(1)
    }

    mutating func run() throws {
        var trace = PathTrace(self.trace)
        var rows: [PathHop] = []
        try driver.run(&trace) { event, _ in if case .hop(let row) = event { rows.append(row) } }
        var configuration = PathMTU.Configuration(
            after: self.trace, rows: rows, destinationHop: trace.isReached ? trace.lastHop : nil, firstSize: firstSize)
        configure(&configuration)
        let start = driver.now
        // Numbers go on where those of the trace ended, as in a group of both.
        var search = Renumbered(PathMTU(configuration), by: driver.latest.rawValue)
        var events: [PathMTUEvent] = []
        try driver.run(&search) { event, _ in events.append(event) }
        self.events = events
        result = search.subject.result
        statistics = search.subject.statistics
        duration = Double((driver.now - start).nanoseconds) / 1e6
    }

    /// Links as a chain of routers and a target: the properties of each link between two routers.
    static func chain(_ links: [String], delay: String = "1ms", router: String = "", target: String = "") -> String {
        var lines: [String] = []
        for index in 0...links.count {
            lines.append("router r\(index + 1) 10.0.1.\(index + 1) fd00:1::\(index + 1) delay \(delay) \(router)")
        }
        lines.append("path source " + (0...links.count).map { "r\($0 + 1)" }.joined(separator: " "))
        for (index, link) in links.enumerated() where !link.isEmpty {
            lines.append("link r\(index + 1) r\(index + 2) \(link)")
        }
        lines.append("target 10.0.9.9 fd00:9::9 via r\(links.count + 1) delay \(delay) \(target)")
        return lines.joined(separator: "\n")
    }

    var picture: [String] {
        result.drops.map { drop in
            let by: String
            switch drop.evidence {
            case .announced(let address): by = "\(address)"
            case .searched(let address): by = "?\(address)"
            case .silence: by = "silence"
            case .local: by = "local"
            }
            return "\(drop.size) \(drop.after)-\(drop.before) \(by)"
        }
    }
}

/// A measurement whose numbers start behind those of an earlier one.
struct Renumbered<Subject: Measurement>: Measurement {
    var subject: Subject
    private let offset: UInt64

    init(_ subject: Subject, by offset: UInt64) {
        self.subject = subject
        self.offset = offset
    }

    private func inner(_ id: ProbeID) -> ProbeID { ProbeID(rawValue: id.rawValue &- offset) }

    mutating func nextTransmit(at now: Timestamp) -> Transmit? {
        subject.nextTransmit(at: now).map {
            Transmit(id: ProbeID(rawValue: $0.id.rawValue + offset), probe: $0.probe)
        }
    }
    mutating func didSend(_ id: ProbeID, at stamp: Stamp) { subject.didSend(inner(id), at: stamp) }
    mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {
        subject.didNotSend(inner(id), failure, at: now)
    }
    mutating func receive(_ response: Response) {
        var response = response
        if let id = response.probe {
            guard id.rawValue > offset else { return }
            response.probe = inner(id)
        }
        subject.receive(response)
    }
    mutating func advance(to now: Timestamp) { subject.advance(to: now) }
    mutating func stop(at now: Timestamp) { subject.stop(at: now) }
    mutating func nextEvent() -> Subject.Event? { subject.nextEvent() }
    var schedule: Schedule { subject.schedule }
}

@Suite struct PathMTUTests {
    static let ways: [(ProbeMethod, String, Driver.Rung)] = [
        (.udp(destinationPort: 33_434), "10.0.9.9", .raw), (.udp(destinationPort: 33_434), "fd00:9::9", .raw),
        (.udp(destinationPort: 33_434), "10.0.9.9", .udpSocket),
        (.udp(destinationPort: 33_434), "fd00:9::9", .udpSocket), (.icmpEcho, "10.0.9.9", .raw),
        (.icmpEcho, "fd00:9::9", .raw), (.icmpEcho, "10.0.9.9", .pingSocket), (.icmpEcho, "fd00:9::9", .pingSocket),
    ]

    static func router(_ number: Int, _ target: String) -> String {
        target.contains(":") ? "fd00:1::\(number)" : "10.0.1.\(number)"
    }

    @Test("Without a drop two probes and one round trip suffice", arguments: ways)
    func nothingToFind(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        var search = try MTUSearch(MTUSearch.chain(["", "", ""]), to: target, method)
        search.driver.rung = rung
        try search.run()
        #expect(search.picture == [] && search.result.isWholePath && search.result.isComplete)
        #expect(search.result.size == 1_500 && search.result.hop == 5)
        #expect(search.statistics.transmitted == 2)
        #expect(search.duration <= 10)
    }

    @Test("A router names the size: one round trip more", arguments: ways)
    func announced(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        var search = try MTUSearch(MTUSearch.chain(["", "mtu 1400", ""]), to: target, method)
        search.driver.rung = rung
        try search.run()
        #expect(search.picture == ["1400 2-3 \(Self.router(2, target))"])
        #expect(search.result.size == 1_400 && search.result.isWholePath && search.result.isComplete)
        #expect(search.result.size(forcedAt: 3) == 1_400 && search.result.size(forcedAt: 2) == nil)
        #expect(search.result.size(forcedAt: 1) == 1_500 && search.result.size(forcedAt: 3, firstHop: 3) == 1_400)
        #expect(search.result.falseClaims.isEmpty)
        #expect(search.statistics.transmitted <= 5)
        #expect(search.duration <= 20)
    }

    @Test("Several drops are found one after the other", arguments: ways)
    func several(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        var search = try MTUSearch(MTUSearch.chain(["mtu 1480", "", "mtu 1400", "mtu 1300"]), to: target, method)
        search.driver.rung = rung
        try search.run()
        #expect(
            search.picture == [
                "1480 1-2 \(Self.router(1, target))", "1400 3-4 \(Self.router(3, target))",
                "1300 4-5 \(Self.router(4, target))",
            ])
        #expect(search.result.size == 1_300 && search.result.isWholePath && search.result.falseClaims.isEmpty)
    }

    @Test("Where no error comes the size and the hop are searched for", arguments: ways)
    func blackHole(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        var search = try MTUSearch(MTUSearch.chain(["", "", "mtu 1417 blackhole", ""]), to: target, method)
        search.driver.rung = rung
        try search.run()
        #expect(search.picture == ["1417 3-4 silence"])
        #expect(search.result.size == 1_417 && search.result.isWholePath && search.result.isComplete)
        #expect(search.result.blackHoles.count == 1 && search.result.size(forcedAt: 4) == 1_417)
        #expect(search.statistics.transmitted < 120, "\(search.statistics.transmitted)")
        #expect(search.duration < 400)
    }

    @Test("Old routers leave the size out: it is searched for", arguments: ways)
    func withoutSize(method: ProbeMethod, target: String, rung: Driver.Rung) throws {
        var search = try MTUSearch(MTUSearch.chain(["", "mtu 1306 no-mtu", ""]), to: target, method)
        search.driver.rung = rung
        try search.run()
        #expect(search.picture == ["1306 2-3 ?\(Self.router(2, target))"])
        #expect(search.result.falseClaims.allSatisfy { $0.fault == .missing })
        #expect(search.result.size == 1_306 && search.result.isWholePath)
    }

    @Test("Drops of every kind on one path")
    func mixed() throws {
        var search = try MTUSearch(
            MTUSearch.chain(["mtu 1492", "mtu 1450 blackhole", "", "mtu 1400 no-mtu", "mtu 1280", "mtu 1000 blackhole"])
        )
        try search.run()
        #expect(
            search.picture == [
                "1492 1-2 10.0.1.1", "1450 2-3 silence", "1400 4-5 ?10.0.1.4", "1280 5-6 10.0.1.5", "1000 6-7 silence",
            ])
        #expect(search.result.size == 1_000 && search.result.isComplete)
    }

    @Test("Silent hops beside the hole leave a range")
    func silentHops() throws {
        var text = MTUSearch.chain(["", "", "mtu 1400 blackhole", "", ""])
        text = text.replacing("router r4 10.0.1.4 fd00:1::4 delay 1ms", with: "router r4 10.0.1.4 delay 1ms silent")
        var search = try MTUSearch(text)
        try search.run()
        #expect(search.picture == ["1400 3-5 silence"])
    }

    @Test("The destination does not answer: the view of the last hop that does")
    func noDestination() throws {
        var search = try MTUSearch(MTUSearch.chain(["", "mtu 1400", ""], target: "silent"))
        try search.run()
        #expect(search.picture == ["1400 2-3 10.0.1.2"])
        #expect(!search.result.isWholePath && search.result.hop == 4 && search.result.size == 1_400)
        #expect(search.result.isComplete)
    }

    @Test("Nobody answers: nothing is sent")
    func nobody() throws {
        let configuration = PathMTU.Configuration(
            destination: Ours.address("10.0.9.9"), method: .icmpEcho, hops: [], destinationHop: nil, firstSize: 1_500)
        var search = PathMTU(configuration)
        #expect(search.nextTransmit(at: .ms(0)) == nil && search.schedule == .finished)
    }

    @Test("A SYN has no size")
    func segments() {
        #expect(!PathMTU.supports(.tcpSYN(destinationPort: 80)))
        #expect(PathMTU.supports(.icmpEcho) && PathMTU.supports(.udp(destinationPort: 33_434)))
    }

    @Test("Quotes of 28 octets: one probe at a time", arguments: ["mtu 1400", "mtu 1400 blackhole"])
    func shortQuotes(link: String) throws {
        var search = try MTUSearch(MTUSearch.chain(["", link, ""], router: "quote 28", target: "quote 28"))
        search.driver.rung = .udpSocket
        try search.run()
        #expect(search.result.drops.map { [$0.size, $0.after, $0.before] } == [[1_400, 2, 3]])
        #expect(search.result.size == 1_400)
    }

    @Test(
        "Routers and the target limit their errors as Linux does",
        arguments: ["mtu 1400", "mtu 1400 blackhole", "mtu 1400 no-mtu"])
    func limits(link: String) throws {
        for seed in 1...30 as ClosedRange<UInt64> {
            var search = try MTUSearch(
                MTUSearch.chain(["", link, ""], router: "limit 1/s burst 6", target: "limit 1/s burst 6"), seed: seed)
            try search.run()
            #expect(search.result.drops.map { [$0.size, $0.after, $0.before] } == [[1_400, 2, 3]], "seed \(seed)")
            #expect(search.result.blackHoles.isEmpty == !link.contains("blackhole"), "seed \(seed)")
            #expect(search.result.size == 1_400, "seed \(seed)")
        }
    }

    @Test(
        "Loss and reordering: right size and right hop in a thousand runs",
        arguments: ["mtu 1400", "mtu 1321 blackhole", "mtu 1311 no-mtu"])
    func loss(link: String) throws {
        var wrong: [UInt64] = []
        var most: UInt64 = 0
        let size = Int(link.split(separator: " ")[1]) ?? 0
        for seed in 1...336 as ClosedRange<UInt64> {
            let place = Int(seed % 4)
            var links = ["", "", "", ""]
            links[place] = link
            // In each direction.
            let trouble = ["loss 2%", "loss 10%", "reorder 20%"][Int(seed % 3)]
            var search = try MTUSearch(
                MTUSearch.chain(links, delay: "2ms") + "\nlink source r1 \(trouble)",
                to: seed % 8 < 4 ? "10.0.9.9" : "fd00:9::9", seed: seed)
            try search.run()
            let drops = search.result.drops.map { [$0.size, $0.after, $0.before] }
            if drops != [[size, place + 1, place + 2]] || search.result.size != size { wrong.append(seed) }
            most = max(most, search.statistics.transmitted)
        }
        #expect(wrong.isEmpty)
        #expect(most < 300, "\(most)")
    }
}
