import PacketFormats
import SimulatedNetwork
import Testing

@testable import ProbeEngine

/// What keeps fifty thousand targets cheap.
@Suite struct ManyTargetsTests {
    private static func address(_ target: Int) -> IPAddress {
        .v4(IPv4Address(rawValue: 0x0a61_0000 + UInt32(target)))
    }

    /// Targets in falling order of their addresses, so that their numbers are not that order.
    private static func sweep(
        _ count: Int, _ change: (inout EchoSweep.Configuration) -> Void = { _ in }
    ) -> EchoSweep {
        var configuration = EchoSweep.Configuration(targets: (0..<count).map { address(count - 1 - $0) })
        configuration.wantsKernelStamps = false
        change(&configuration)
        return EchoSweep(configuration, start: .ms(0))
    }

    /// Takes and sends what is due.
    @discardableResult
    private static func send(_ sweep: inout EchoSweep, at now: Timestamp) -> [Transmit] {
        var sent: [Transmit] = []
        sweep.advance(to: now)
        while let transmit = sweep.nextTransmit(at: now) {
            sweep.didSend(transmit.id, at: Stamp(nanoseconds: Ours.wallOffset + now.nanoseconds, clock: .user))
            sent.append(transmit)
        }
        return sent
    }

    private static func reply(_ sweep: inout EchoSweep, to transmit: Transmit, at now: Timestamp) {
        sweep.receive(
            Response(
                probe: transmit.id, kind: .echoReply, responder: transmit.probe.destination, byteCount: 64,
                stamp: Stamp(nanoseconds: Ours.wallOffset + now.nanoseconds, clock: .kernel), arrival: now))
    }

    @Test func statesAreSmall() {
        #expect(MemoryLayout<EchoStatistics>.stride == 64)
        #expect(MemoryLayout<InFlightRecord>.stride == 32)
    }

    @Test("A record keeps what it is given in few octets")
    func records() {
        var record = InFlightRecord(subject: .max, sequence: 7, sentAt: .ms(3))
        #expect(record.stamp == Stamp(nanoseconds: 0, clock: .user) && !record.wasReported && record.state == .pending)
        record.stamp = Stamp(nanoseconds: .min, clock: .kernel, epoch: 65_537)
        record.wasReported = true
        #expect(record.stamp == Stamp(nanoseconds: .min, clock: .kernel, epoch: 1) && record.wasReported)
        record.stamp = Stamp(nanoseconds: 9, clock: .user)
        #expect(record.stamp == Stamp(nanoseconds: 9, clock: .user) && record.wasReported)
        record.wasReported = false
        #expect(!record.wasReported && record.subject == .max && record.sequence == 7 && record.sentAt == .ms(3))
    }

    @Test("A list has the addresses of its space, and those that were changed", arguments: [6, 256, 257, 5_000])
    func list(count: Int) throws {
        var space = TargetSpace()
        try space.append(Self.address(70_000))
        if case .v4(let last) = Self.address(count - 2), let first = IPv4Address("10.97.0.0") {
            try space.append(#require(IPAddressRange(first: .v4(first), last: .v4(last))))
        }
        var list = TargetList(space)
        #expect(list.count == count && Array(list) == [Self.address(70_000)] + (0..<count - 1).map(Self.address))
        for changed in [0, count / 2, count - 1] { list[changed] = .v6(.loopback) }
        for index in list.indices {
            let isChanged = [0, count / 2, count - 1].contains(index)
            #expect(list[index] == (isChanged ? .v6(.loopback) : space[UInt32(index)]))
        }
    }

    @Test("A prefix of targets is asked in its order, each at its time", arguments: [nil, 0, 2] as [Int64?])
    func prefix(gap: Int64?) throws {
        var space = TargetSpace()
        try space.append(#require(IPPrefix("10.97.0.0/22")))
        var configuration = EchoSweep.Configuration(targets: TargetList(space))
        configuration.count = 2
        configuration.wantsKernelStamps = false
        configuration.targetGap = gap.map { TimeSpan.milliseconds($0) }
        #expect(configuration.round == .milliseconds(gap == 2 ? 2_044 : 1_000))
        var sweep = EchoSweep(configuration, start: .ms(0))
        var sent: [IPAddress] = []
        var now = Timestamp.ms(0)
        while case .at(let next) = sweep.schedule {
            now = next
            for transmit in Self.send(&sweep, at: now) {
                sent.append(transmit.probe.destination)
                Self.reply(&sweep, to: transmit, at: now)
            }
        }
        let once = (1...1_022).map(Self.address)
        #expect(sent == once + once && sweep.statistics.allSatisfy { $0.received == 2 })
        let lastDue =
            gap.map { TimeSpan.milliseconds($0 * 1_021) } ?? TimeSpan(nanoseconds: 1_000_000_000 / 1_022 * 1_021)
        #expect(now - .ms(0) - (configuration.round ?? .zero) - lastDue <= .milliseconds(1))
    }

    @Test("Counters hold their values wherever they lie", arguments: [false, true])
    func counters(withPercentiles: Bool) {
        var counts = EchoStatistics(withPercentiles: withPercentiles)
        #expect(counts.pipe == 0 && counts.longest == .zero && counts.lastSendFailure == nil)
        counts.transmitted = 1 << 48 - 1
        counts.inFlight = 1 << 32 - 1
        for milliseconds in [4, 2, 6] as [Int64] { counts.noteReceived(.milliseconds(milliseconds)) }
        counts.pipe = 1
        #expect(counts.transmitted == 1 << 48 - 1 && counts.inFlight == 1 << 32 - 1 && counts.received == 3)
        #expect(counts.roundTrips.count == 3 && counts.roundTrips.minimum == .milliseconds(2))
        #expect(counts.roundTrips.maximum == .milliseconds(6) && abs(counts.roundTrips.mean - 4e6) < 1)
        #expect(counts.longest == .milliseconds(6) && counts.pipe == 1)
        counts.late = 1
        counts.noteLate(.milliseconds(9))
        counts.pipe = 5
        for (counter, value) in zip(
            [
                \EchoStatistics.errors, \.duplicates, \.corrupted, \.wrongSource, \.reordered, \.unsent, \.userTimed,
                \.repeatedErrors,
            ], 11...)
        {
            counts[keyPath: counter] = UInt64(value)
        }
        counts.reorderingExtent = 19
        counts.lastSendFailure = .retryLater
        #expect(counts.longest == .milliseconds(9) && counts.pipe == 5 && counts.late == 1)
        #expect(counts.errors == 11 && counts.duplicates == 12 && counts.corrupted == 13 && counts.wrongSource == 14)
        #expect(counts.reordered == 15 && counts.unsent == 16 && counts.userTimed == 17 && counts.repeatedErrors == 18)
        #expect(counts.reorderingExtent == 19 && counts.lastSendFailure == .retryLater)
        let bare = counts.withoutDetail
        #expect(bare.errors == 11 && bare.repeatedErrors == 18 && bare.received == 3 && bare.lossRuns == nil)
    }

    @Test("Hop limit and traffic class of no reply are nothing, not zero")
    func lastFields() {
        var counts = EchoStatistics(withPercentiles: false)
        #expect(counts.lastHopLimit == nil && counts.lastTrafficClass == nil)
        counts.lastTrafficClass = 0
        #expect(counts.lastHopLimit == nil && counts.lastTrafficClass == 0)
        counts.lastHopLimit = 255
        counts.lastTrafficClass = nil
        #expect(counts.lastHopLimit == 255 && counts.lastTrafficClass == nil)
    }

    @Test("Probes of many targets that are due within a millisecond go at once, and none is early")
    func ticks() throws {
        var sweep = Self.sweep(10_000) { $0.count = 1 }
        var now = Timestamp.ms(0)
        var wakeUps = 0
        var sent = 0
        while sent < 10_000 {
            for transmit in Self.send(&sweep, at: now) {
                let due = Int64(sent) * 100_000
                #expect(now.nanoseconds >= due && now.nanoseconds - due <= 1_000_000)
                Self.reply(&sweep, to: transmit, at: now)
                sent += 1
            }
            wakeUps += 1
            guard case .at(let next) = sweep.schedule else { break }
            try #require(next > now)
            now = next
        }
        #expect(sent == 10_000 && wakeUps <= 1_001)
    }

    @Test("Of few targets each probe has its own moment", arguments: [256])
    func noTicks(count: Int) {
        var sweep = Self.sweep(count) { $0.interval = .milliseconds(10) }
        Self.send(&sweep, at: .ms(0))
        #expect(sweep.schedule == .at(Timestamp(nanoseconds: 10_000_000 / 256)))
    }

    @Test("What is too old to be answered is forgotten, and a late answer is known until then")
    func forgetting() {
        var sweep = Self.sweep(50_000) { $0.timeout = .seconds(1) }
        var waiting: [Transmit] = []
        var latest: UInt64 = 0
        for time in stride(from: 0, through: 30_000, by: 10) as StrideThrough<Int64> {
            for transmit in Self.send(&sweep, at: .ms(time)) {
                latest = transmit.id.rawValue
                if transmit.id.rawValue % 10_007 == 1 {
                    waiting.append(transmit)
                } else {
                    Self.reply(&sweep, to: transmit, at: .ms(time))
                }
            }
            while sweep.nextEvent() != nil {}
        }
        let late = waiting.last { $0.id.rawValue + 60_000 < latest }
        if let late { Self.reply(&sweep, to: late, at: .ms(30_000)) }
        #expect(late != nil && sweep.statistics.reduce(0) { $0 + $1.late } == 1)
        Self.reply(&sweep, to: waiting[0], at: .ms(30_000))
        #expect(sweep.unsolicited == 1)
        // Timeout and memory make two seconds, and an eighth more may be there.
        #expect(sweep.recordSlots < 120_000)
    }

    @Test(
        "An error that names no probe is credited to the only one on its way to its target", arguments: [3, 257, 4_000])
    func onlyCandidates(count: Int) {
        var sweep = Self.sweep(count) {
            $0.method = .udp(destinationPort: 33_434)
            $0.preload = 1
        }
        Self.send(&sweep, at: Timestamp(nanoseconds: 999_900_000))
        for target in Set([0, 1, count / 2, count - 1]) {
            sweep.receive(Self.anonymousError(about: sweep.addresses[target]))
            #expect(sweep.statistics[target].errors == 1)
        }
        sweep.receive(Self.anonymousError(about: Self.address(count)))
        sweep.receive(Self.anonymousError(about: .v4(.any)))
        #expect(sweep.unsolicited == 2)
        // It has had its error: none is on its way there.
        sweep.receive(Self.anonymousError(about: sweep.addresses[0]))
        #expect(sweep.unsolicited == 3)
        // Who was asked at one address is not asked again at another.
        sweep.apply(.setAddress(target: 1, Self.address(70_000)), at: .ms(1_000))
        sweep.receive(Self.anonymousError(about: Self.address(70_000)))
        #expect(sweep.unsolicited == 4 && sweep.statistics[1].errors == 1)
    }

    private static func anonymousError(about destination: IPAddress) -> Response {
        Response(
            probe: nil, kind: .icmpError(type: .destinationUnreachable(.v4), code: 1, info: 0),
            responder: .v4(IPv4Address(192, 0, 2, 1)), quotedDestination: destination, byteCount: 36,
            stamp: Stamp(nanoseconds: Ours.wallOffset, clock: .kernel), arrival: .ms(1_000))
    }

    @Test(
        "The ring finds what a dictionary finds, however it grows, forgets and goes round",
        arguments: 0..<8 as Range<UInt64>)
    func ring(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var table = InFlightTable(maximumCapacity: 1 << 12)
        var known: [UInt64: UInt32] = [:]
        var number: UInt64 = 0
        for _ in 0..<400 {
            for _ in 0..<generator.number(below: 120) {
                number += 1
                var record = InFlightRecord(
                    subject: UInt32(truncatingIfNeeded: number &* 2_654_435_761), sequence: 0,
                    sentAt: .ms(Int64(number)))
                record.state = .answered
                known[number] = record.subject
                #expect(table.insert(record).rawValue == number)
            }
            if generator.number(below: 3) == 0 {
                table.forget(sentBefore: .ms(Int64(number) - Int64(generator.number(below: 3_000))))
            }
            let oldest = table.oldest.rawValue
            #expect(table.count == Int(number + 1 - oldest) && table.count <= 1 << 12 && table.slots <= 1 << 12)
            for id in max(1, oldest) - 1...number + 1 {
                #expect(table[ProbeID(rawValue: id)]?.subject == (id >= oldest ? known[id] : nil))
            }
        }
    }

    @Test("A table that may forget takes no more than what it must remember and an eighth")
    func horizon() {
        var table = InFlightTable()
        for number in 1...1_000_000 as ClosedRange<Int64> {
            var record = InFlightRecord(subject: 0, sequence: UInt32(number), sentAt: .ms(number))
            record.state = .answered
            let id = table.insert(record, forgetting: .ms(number - 40_000))
            #expect(id.rawValue == UInt64(number))
        }
        #expect(table.count >= 40_000 && table.slots <= 46_000)
        #expect(table[ProbeID(rawValue: 960_001)]?.sequence == 960_001)
        // Few are remembered however old they are.
        var few = InFlightTable()
        for number in 1...10_000 as ClosedRange<Int64> {
            _ = few.insert(InFlightRecord(subject: 0, sequence: 0, sentAt: .ms(number)), forgetting: .ms(number))
        }
        #expect(few.count == 10_000)
    }

    @Test("A probe on its way is never forgotten for its age")
    func keepsWhatIsOnItsWay() {
        var table = InFlightTable(maximumCapacity: 1 << 16)
        var first = InFlightRecord(subject: 5, sequence: 5, sentAt: .ms(0))
        first.state = .outstanding
        let id = table.insert(first)
        for number in 1..<1 << 16 as Range<Int64> {
            var record = InFlightRecord(subject: 0, sequence: 0, sentAt: .ms(number))
            record.state = .answered
            _ = table.insert(record, forgetting: .ms(number))
        }
        #expect(table[id]?.subject == 5 && table.isFull)
    }
}
