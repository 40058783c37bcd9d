import LinuxSockets
import ProbeEngine
import ProbeIO
import ProbeReports
import Synchronization

/// What a sweep has come to, by one loop or by several.
struct SweepOutcome: Sendable {
    var counters = HostSweep.Counters()
    var roundTrips = RoundTripStatistics(withPercentiles: true)
    var inFlight: UInt64 = 0
    var lastTransmit: Timestamp?
    var lastSendFailure: SendFailure?
    var space = TargetSpace()
    /// Whether more targets would have come.
    var isOpen = false
    /// The parts of the order that were worked on, and how far each came.
    var parts: [(shard: Shard, position: HostSweep.Position)] = []

    /// Of no loop.
    init() {}

    init(_ sweep: borrowing HostSweep, foreign: UInt64) {
        counters = sweep.counters
        counters.unsolicited &+= foreign
        roundTrips = sweep.roundTrips
        inFlight = sweep.inFlight
        lastTransmit = sweep.lastTransmit
        lastSendFailure = sweep.lastSendFailure
        space = sweep.space
        isOpen = sweep.isOpen
        parts = [(sweep.configuration.shard, sweep.position)]
    }

    /// Adds what another loop did, which has another share of the same targets.
    mutating func add(_ other: SweepOutcome) {
        counters += other.counters
        roundTrips.merge(other.roundTrips)
        inFlight += other.inFlight
        lastTransmit = [lastTransmit, other.lastTransmit].compactMap(\.self).max()
        lastSendFailure = lastSendFailure ?? other.lastSendFailure
        space = other.space
        isOpen = isOpen || other.isOpen
        parts += other.parts
    }
}

/// Two descriptors in one, each of which wakes a loop.
private final class Companion: DescriptorOwner {
    private let poller: Poller

    var rawDescriptor: Int32 { poller.rawDescriptor }

    /// Throws what the kernel refuses. Both must live as long as this.
    init(_ first: borrowing some DescriptorOwner & ~Copyable, _ resolver: ReverseResolver?) throws(Errno) {
        poller = try Poller()
        try poller.add(first, token: 0)
        if let resolver { try poller.add(resolver, token: 0) }
    }
}

/// Takes down how far a loop has come, and hands that over when the lines of all that was decided by then have left.
private struct SweepMark {
    private var outcome: SweepOutcome?
    private var taken: UInt64 = 0

    mutating func set(_ sweep: borrowing HostSweep, _ teller: SweepTeller) {
        outcome = SweepOutcome(sweep, foreign: 0)
        taken = teller.taken
    }

    /// Nil where there is none, or where lines are still to be written. Call it behind `finishBatch`.
    mutating func take(_ teller: SweepTeller) -> SweepOutcome? {
        guard outcome != nil, teller.told >= taken else { return nil }
        return outcome.take()
    }
}

// MARK: One loop

extension SweepSession {
    /// Runs the whole sweep in this thread. Throws what the kernel refuses.
    func measureAlone(_ transports: [TransportShare]) throws(Errno) -> SweepOutcome {
        guard var transport = transports.first?.take() else { return SweepOutcome() }
        if let capture = files.capture { try transport.attach(capture) }
        let teller = try SweepTeller(report, to: output, feed: feed, givenNames: TargetNames(), options)
        let companion = try Companion(feed, teller.resolver)
        var mark = SweepMark()
        var failure: Errno?
        func attempt(_ body: () throws(Errno) -> Void) {
            do throws(Errno) { try body() } catch { failure = failure ?? error }
        }
        var loop = try ProbeLoop(HostSweep(configuration(of: 0, among: 1), start: start), over: transport)
        try loop.run(
            signals: signals, other: companion,
            onEvent: { event, _ in teller.take(event) },
            onSignal: { signal, sweep in
                if signal == .quit {
                    output.tell(sum(sweep.counters), isOpen: sweep.isOpen)
                } else {
                    output.end()
                    sweep.stop(at: ProbeLoop<HostSweep>.now)
                }
            },
            onOther: { sweep in
                teller.takeNames()
                attempt { () throws(Errno) in
                    try tick { (sweep.counters, sweep.isOpen) }
                    try supply(&sweep, isCalled: true)
                }
                if isOver { sweep.stop(at: ProbeLoop<HostSweep>.now) }
            },
            afterBatch: { sweep in
                attempt { () throws(Errno) in try supply(&sweep, isCalled: false) }
                if let line = files.capture?.flush() { teller.tellError(line) }
                let isOpen = teller.finishBatch()
                if takeKeeping() { mark.set(sweep, teller) }
                if isOpen, let outcome = mark.take(teller) { keep(outcome) }
                return isOpen && failure == nil && !isEnough(alive: sweep.counters.alive)
            })
        if let failure { throw failure }
        _ = try teller.finish()
        if let line = files.capture?.finish() { output.tell(line) }
        return SweepOutcome(loop.measurement, foreign: loop.transport.counters.foreign)
    }
}

// MARK: Several loops

/// What the loops of a sweep have in common.
private final class SweepCrew: Sendable {
    let members: [SweepMember]
    /// Readable when a loop has ended.
    let finished: WakeDescriptor
    /// Targets that are alive, as far as the loops have told.
    let alive = Atomic<UInt64>(0)
    private let isStopping = Atomic<Bool>(false)
    /// How often the loops were asked how far they are.
    let asked = Atomic<UInt64>(0)

    init(count: Int) throws(Errno) {
        var members: [SweepMember] = []
        for _ in 0..<count { members.append(try SweepMember()) }
        self.members = members
        finished = try WakeDescriptor()
    }

    var isStopped: Bool { isStopping.load(ordering: .relaxed) }

    /// Has all loops come to their end.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        wake()
    }

    /// Has all loops say how far they are.
    func ask() {
        asked.add(1, ordering: .relaxed)
        wake()
    }

    /// How far those together are that were asked last, nil as long as one of them has not said so.
    func answer(of running: Int) -> SweepOutcome? {
        let asked = asked.load(ordering: .relaxed)
        var sum = SweepOutcome()
        for member in members.prefix(running) {
            let outcome = member.state.withLock { state in
                if case .success(let outcome)? = state.outcome { return outcome as SweepOutcome? }
                return state.mark?.asked == asked ? state.mark?.outcome : nil
            }
            guard let outcome else { return nil }
            sum.add(outcome)
        }
        return sum
    }

    /// Has all loops look around.
    func wake() { for member in members { member.wake.wake() } }
}

/// One loop as others see it.
private final class SweepMember: Sendable {
    struct State: Sendable {
        var counters = HostSweep.Counters()
        /// What it has come to, nil while it runs.
        var outcome: Result<SweepOutcome, Errno>?
        /// What it said when it was asked for the time of this number.
        var mark: (asked: UInt64, outcome: SweepOutcome)?
    }

    let state = Mutex(State())
    let wake: WakeDescriptor

    init() throws(Errno) { wake = try WakeDescriptor() }
}

extension SweepSession {
    /// Shares the sweep among threads, each with a transport, and waits for them. Throws what the kernel refuses.
    func measureTogether(_ transports: [TransportShare]) throws(Errno) -> SweepOutcome {
        let crew = try SweepCrew(count: transports.count)
        let (names, options, report, output) = (feed.names, options, report, output)
        let (start, history) = (start, history.counters.alive)
        var running = 0
        var failure: Errno?
        for (index, transport) in transports.enumerated() {
            let member = crew.members[index]
            let configuration = configuration(of: index, among: transports.count)
            let isStarted = startThread {
                let loop = SweepThread(
                    crew: crew, member: member, configuration: configuration, start: start, report: report,
                    output: output, names: names, options: options, aliveBefore: history)
                let outcome = loop.outcome(over: transport)
                member.state.withLock { $0.outcome = outcome }
                crew.finished.wake()
            }
            guard isStarted else {
                failure = .wouldBlock
                break
            }
            running += 1
        }
        if failure != nil { crew.stop() }
        var poller = try Poller()
        try poller.add(signals, token: 0)
        try poller.add(crew.finished, token: 0)
        try poller.add(timer, token: 0)
        var isAsking = false
        while crew.members.prefix(running).contains(where: { $0.state.withLock { $0.outcome == nil } }) {
            try poller.wait()
            try crew.finished.acknowledge()
            while let signal = try signals.next() {
                if signal == .quit {
                    output.tell(sum(Self.counters(crew)), isOpen: false)
                } else {
                    output.end()
                    crew.stop()
                }
            }
            try tick { (Self.counters(crew), false) }
            if takeKeeping() {
                isAsking = true
                crew.ask()
            }
            if isAsking, let outcome = crew.answer(of: running) {
                isAsking = false
                keep(outcome)
            }
            if isOver { crew.stop() }
            if options.forcesNames { crew.wake() }
        }
        var sum = SweepOutcome()
        for member in crew.members.prefix(running) {
            switch member.state.withLock({ $0.outcome }) {
            case .success(let outcome)?: sum.add(outcome)
            case .failure(let error)?: failure = failure ?? error
            case nil: break
            }
        }
        if let failure { throw failure }
        return sum
    }

    private static func counters(_ crew: SweepCrew) -> HostSweep.Counters {
        var sum = HostSweep.Counters()
        for member in crew.members { sum += member.state.withLock { $0.counters } }
        return sum
    }
}

/// One of several loops, in its thread.
private struct SweepThread {
    let crew: SweepCrew
    let member: SweepMember
    let configuration: HostSweep.Configuration
    let start: Timestamp
    let report: any SweepReport
    let output: SweepOutput
    let names: TargetNames
    let options: Options
    let aliveBefore: UInt64

    func outcome(over transport: TransportShare) -> Result<SweepOutcome, Errno> {
        do throws(Errno) {
            return .success(try measure(over: transport))
        } catch {
            // What is left undone by one of them is not done by the others.
            crew.stop()
            return .failure(error)
        }
    }

    private func measure(over share: TransportShare) throws(Errno) -> SweepOutcome {
        guard let transport = share.take() else { return SweepOutcome() }
        let teller = try SweepTeller(report, to: output, feed: nil, givenNames: names, options)
        let companion = try Companion(member.wake, teller.resolver)
        // Signals are for the thread that waits for all.
        let signals = try SignalDescriptor([])
        let needed = options.sweep.exitsFast ? options.sweep.minimumReachable : nil
        var told: UInt64 = 0
        var mark = SweepMark()
        var asked: UInt64 = 0
        var loop = try ProbeLoop(HostSweep(configuration, start: start), over: transport)
        try loop.run(
            signals: signals, other: companion,
            onEvent: { event, _ in teller.take(event) },
            onSignal: { _, _ in },
            onOther: { _ in
                _ = try? member.wake.acknowledge()
                teller.takeNames()
            },
            afterBatch: { sweep in
                let counters = sweep.counters
                member.state.withLock { $0.counters = counters }
                if let needed, counters.alive > told {
                    let sum = crew.alive.add(counters.alive - told, ordering: .relaxed).newValue
                    told = counters.alive
                    if sum + aliveBefore >= needed { crew.stop() }
                }
                let isOpen = teller.finishBatch()
                if !isOpen { crew.stop() }
                let now = crew.asked.load(ordering: .relaxed)
                if now != asked {
                    asked = now
                    mark.set(sweep, teller)
                }
                if isOpen, let outcome = mark.take(teller) {
                    member.state.withLock { $0.mark = (asked, outcome) }
                    crew.finished.wake()
                }
                return !crew.isStopped
            })
        _ = try teller.finish()
        return SweepOutcome(loop.measurement, foreign: loop.transport.counters.foreign)
    }
}
