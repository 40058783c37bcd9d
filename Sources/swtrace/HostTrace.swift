import PacketFormats
import ProbeEngine
import ProbeReports

/// One host's trace as it is told: what was found, what is still to be told, and the bytes that were made of the rest.
struct HostTrace {
    /// What is to be told, in order.
    enum News {
        case event(PathEvent)
        case end(PathRun)
    }

    let configuration: PathTrace.Configuration
    let target: ReportTarget
    /// Where its probes leave from, nil without a route.
    var source: IPAddress?
    /// What the bytes of its probes follow from.
    var codec: ProbeCodec?
    private var report: any PathReport
    /// Whether rows wait until all is known, because they tell of it.
    private let holdsRows: Bool
    private(set) var startedAt = Timestamp(nanoseconds: 0)
    /// What waits for names, and since when.
    private var waiting: [(news: News, since: Timestamp)] = []
    var buffer = ReportBuffer()
    /// By which conditions the path failed, a line for each.
    private(set) var failureLines: [String] = []
    /// Whether the end has been told.
    private(set) var isTold = false
    /// Probes that standard error is still to be told of.
    var unsent = UnsentProbes()

    init(
        _ configuration: PathTrace.Configuration, _ target: ReportTarget, _ report: any PathReport, holdsRows: Bool
    ) {
        self.configuration = configuration
        self.target = target
        self.report = report
        self.holdsRows = holdsRows
    }

    mutating func start(_ start: PathStart, at now: Timestamp) {
        startedAt = now
        report.appendStart(start, to: &buffer)
    }

    /// Has this told when the names in it are known.
    mutating func await(_ news: News, since now: Timestamp) { waiting.append((news, now)) }

    /// Appends a line about the probes that were not sent since the last call, once for each kind of failure in a row.
    mutating func tellFailures(as persona: Persona, to errors: inout ReportBuffer) {
        unsent.tell { failure, hop in
            if let line = persona.unsentLine(failure) {
                errors.append(line)
            } else {
                errors.append("\(Tool.name): ")
                report.append(.unsent(hop: hop, failure: failure), PathFacts(), time: 0, to: &errors)
            }
        }
    }

    /// Since when the first of what is to be told waits, nil where nothing does.
    var waitingSince: Timestamp? { waiting.first?.since }

    /// Tells what waits, in order, as far as `canTell` allows.
    ///
    /// - Parameters:
    ///   - time: nanoseconds since 1970.
    ///   - judge: says by which conditions the path failed, when all is known.
    mutating func tell(
        _ facts: PathFacts, time: Int64, judge: (PathRun) -> PathJudgement?,
        while canTell: (News, Timestamp) -> Bool
    ) {
        var facts = facts
        let firstHop = configuration.firstHop
        if case .end(let run) = waiting.last?.news {
            facts.forcedSize = { run.mtu?.result.size(forcedAt: $0, firstHop: firstHop) }
        } else if holdsRows {
            return
        }
        var count = 0
        for (news, since) in waiting {
            guard canTell(news, since) else { break }
            switch news {
            case .event(let event): report.append(event, facts, time: time, to: &buffer)
            case .end(var run):
                run.judgement = judge(run)
                failureLines = run.judgement?.failureLines ?? []
                report.appendSummary(run, facts, to: &buffer)
                isTold = true
            }
            count += 1
        }
        waiting.removeFirst(count)
    }

    /// Changes the end that is still to be told.
    mutating func changeEnd(_ change: (inout PathRun) -> Void) {
        guard let last = waiting.indices.last, case .end(var run) = waiting[last].news else { return }
        change(&run)
        waiting[last].news = .end(run)
    }
}
