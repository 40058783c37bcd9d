import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// Makes lines of the events of one loop, and hands them over in one piece at the end of each batch.
///
/// Where names of addresses are wanted, lines wait for those, in their order and for a quarter of a second at most.
final class SweepTeller {
    private var report: any SweepReport
    private let output: SweepOutput
    private var buffer = ReportBuffer()
    private var errors = ReportBuffer()
    /// Where the names by which targets were given come from while they come.
    private let feed: TargetFeed?
    private let givenNames: TargetNames
    private let showsGivenNames: Bool

    /// Nil where no names of addresses are wanted.
    let resolver: ReverseResolver?
    /// Addresses whose names lines wait for.
    private var awaited: Set<IPAddress> = []
    private var names: [IPAddress: SafeText] = [:]
    /// Events whose lines wait for a name, and all behind them, since when.
    private var waiting: [(event: HostSweepEvent, since: Timestamp)] = []
    /// How many events were taken.
    private(set) var taken: UInt64 = 0

    /// How many of them were told: their lines have left behind the next `finishBatch`.
    var told: UInt64 { taken - UInt64(waiting.count) }

    /// Throws what the kernel refuses.
    ///
    /// - Parameters:
    ///   - feed: who knows the names by which targets were given; nil where `givenNames` has all of them.
    ///   - options: say which names are wanted.
    init(
        _ report: any SweepReport, to output: SweepOutput, feed: TargetFeed?, givenNames: TargetNames,
        _ options: Options
    ) throws(Errno) {
        self.report = report
        self.output = output
        self.feed = feed
        self.givenNames = givenNames
        showsGivenNames = !options.isNumeric
        resolver = options.forcesNames && !options.isQuiet ? try ReverseResolver() : nil
    }

    /// Tells of an event, now or when its name is known.
    func take(_ event: HostSweepEvent) {
        let now = ProbeLoop<HostSweep>.now
        taken &+= 1
        guard let resolver else { return tell(event, nil, at: now) }
        if let address = Self.shownAddress(of: event), waiting.count < Self.mostWaiting,
            awaited.insert(address).inserted, !resolver.lookUp(address)
        {
            awaited.remove(address)
        }
        waiting.append((event, now))
        tellWaiting(at: now)
    }

    /// Adds a line for standard error.
    func tellError(_ line: String) { errors.append("\(Tool.name): \(line)\n") }

    /// Writes what there is. False when standard output takes no more.
    func finishBatch() -> Bool {
        if !waiting.isEmpty { tellWaiting(at: ProbeLoop<HostSweep>.now) }
        return write()
    }

    /// Waits for the names that lines wait for, but not long, and writes all that is left.
    func finish() throws(Errno) -> Bool {
        if let resolver, !waiting.isEmpty {
            let end = ProbeLoop<HostSweep>.now + Self.patience
            var poller = try Poller()
            try poller.add(resolver, token: 0)
            while !waiting.isEmpty {
                let now = ProbeLoop<HostSweep>.now
                guard now < end else { break }
                try poller.wait(timeoutMilliseconds: Int32((end - now).nanoseconds / 1_000_000 + 1))
                takeNames()
                tellWaiting(at: ProbeLoop<HostSweep>.now)
            }
            tellWaiting(at: Timestamp(nanoseconds: .max))
        }
        return write()
    }

    /// Takes names that came.
    func takeNames() {
        while let (address, name) = resolver?.nextAnswer() {
            // A name that is too late for its line has none to stand in.
            if awaited.remove(address) != nil, let name { names[address] = SafeText(name: name) }
        }
    }

    private func write() -> Bool {
        defer {
            buffer.removeAll()
            errors.removeAll()
        }
        return output.write(buffer, errors: errors)
    }

    private func tell(_ event: HostSweepEvent, _ name: SafeText?, at now: Timestamp) {
        report.append(event, target: givenName(of: event), name: name, at: now, to: &buffer)
    }

    private func givenName(of event: HostSweepEvent) -> SafeText? {
        guard showsGivenNames else { return nil }
        return (feed.map { $0.names[event.target] } ?? givenNames[event.target]).map { SafeText(name: $0) }
    }

    private func tellWaiting(at now: Timestamp) {
        var count = 0
        while count < waiting.count {
            let (event, since) = waiting[count]
            let address = Self.shownAddress(of: event)
            if let address, awaited.contains(address) {
                guard waiting.count > Self.mostWaiting || now >= since + Self.patience else { break }
                awaited.remove(address)
            }
            tell(event, address.flatMap { names.removeValue(forKey: $0) }, at: since)
            count += 1
        }
        waiting.removeFirst(count)
    }

    /// The address whose name stands in the line of an event.
    private static func shownAddress(of event: HostSweepEvent) -> IPAddress? {
        switch event {
        case .alive(let answer): answer.address
        case .unreachable(let silence): silence.address
        case .unasked(let refusal): refusal.address
        default: nil
        }
    }

    private static let patience = TimeSpan.milliseconds(250)
    /// As many as the resolver takes.
    private static let mostWaiting = 4_096
}

extension HostSweepEvent {
    /// The index of the target that it is about.
    var target: UInt32 {
        switch self {
        case .alive(let answer), .late(let answer), .duplicate(let answer), .corrupted(let answer),
            .wrongSource(let answer):
            answer.target
        case .unreachable(let silence): silence.target
        case .unasked(let refusal): refusal.target
        case .error(let error): error.target
        }
    }
}
