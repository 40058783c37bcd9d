import CommandLineOptions
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// The targets of a run that asks each again and again, where they are prefixes, ranges, the lines of a file, or more hosts
/// than have a summary of several lines.
struct ManyTargets {
    private let options: Options
    private let zone: UInt32
    private(set) var expressions: [TargetExpression] = []
    /// Operands, lines and names that stand for nothing; a line on standard error told of each.
    private(set) var missed: UInt64 = 0
    private var reader: TargetReader?

    /// Understands the operands. Throws where there are too many targets.
    init(_ operands: [String], _ options: Options) throws(ToolFailure) {
        self.options = options
        zone = options.device.flatMap { try? Interface.index(named: $0) } ?? 0
        for operand in operands {
            do throws(TargetError) {
                expressions.append(try TargetExpression(operand, family: options.version, zone: zone))
            } catch {
                reportLine(SafeText("\(error)").description, from: Tool.name)
                missed += 1
            }
        }
        try check(leastCount)
    }

    /// Opens the file of `--targets-from`, with the caller's own rights.
    mutating func open() throws(ToolFailure) {
        guard let path = options.sweep.targetsFile else { return }
        reader = try TargetReader(path, shownAs: SafeText(path).description, family: options.version, zone: zone)
    }

    /// Whether there may be any.
    var mayHaveSome: Bool { !expressions.isEmpty || options.sweep.targetsFile != nil }

    /// How many there are at least, as far as the command line says it.
    var leastCount: Int {
        expressions.reduce(0) { Int(clamping: UInt64(clamping: UInt128($0) + UInt128($1.count ?? 1))) }
    }

    /// Versions that they may have.
    var versions: [IPVersion] { Tool.versions(of: expressions, options) }

    /// Reads the file to its end and asks for all names. Call it after rights were dropped. Throws where there are too many
    /// targets, and what the kernel refuses.
    mutating func read(usable: [IPVersion]) throws(ToolFailure) -> EchoTargets {
        let (space, names): (TargetSpace, TargetNames)
        do throws(Errno) {
            (space, names) = try readAll(usable)
        } catch {
            throw ToolFailure("the system refuses to go on: \(error) (\(error.name))")
        }
        try check(Int(space.count))
        return EchoTargets(space, names)
    }

    /// All that there are, or one batch more than may be.
    private mutating func readAll(_ usable: [IPVersion]) throws(Errno) -> (TargetSpace, TargetNames) {
        var space = TargetSpace()
        let idle = try WakeDescriptor()
        let feed = try TargetFeed(
            expressions, from: reader, family: options.version, usable: usable, zone: zone,
            allAddresses: options.sweep.wantsAllAddresses, keepsOrder: true, beside: idle)
        var poller = try Poller()
        try poller.add(feed, token: 0)
        while !feed.isFinished, space.count <= UInt64(maximum) {
            let batch = try feed.nextBatch(atMost: Self.batch)
            // The feed hands out no more than a space holds.
            for entry in batch.entries { try? space.append(entry.addresses) }
            for failure in batch.failures { reportLine(SafeText("\(failure)").description, from: Tool.name) }
            if batch.entries.isEmpty, batch.failures.isEmpty, !feed.isFinished { try poller.wait() }
        }
        missed += feed.failureCount
        return (space, feed.names)
    }

    private func check(_ count: Int) throws(ToolFailure) {
        guard count <= maximum else {
            throw ToolFailure(
                "more than \(maximum) targets are too many to ask each again and again"
                    + (options.isOneGrid ? "" : " with these options"))
        }
        guard options.isPacedByDefault, !options.hasInterval else { return }
        try options.checkRate(for: UInt64(count))
    }

    private var maximum: Int { options.isOneGrid ? Tool.maximumHosts : EchoSweep.maximumHistograms }

    private static let batch = 4_096
}

extension Options {
    /// Whether these hosts are, or may be, too many for a summary of several lines each.
    func isMany(_ hosts: [String]) -> Bool {
        hasUnnamedTargets(hosts) || hosts.count > EchoSweep.maximumHistograms && isOneGrid
    }

    /// Whether there are others than hosts that are named one by one.
    func hasUnnamedTargets(_ hosts: [String]) -> Bool {
        sweep.targetsFile != nil || sweep.wantsAllAddresses || hosts.contains { Self.isManyTargets($0) }
    }

    /// Throws where an option is for sweeps, or for hosts that are named one by one.
    func checkCounting() throws(ToolFailure) {
        let shared = ["targets-from", "rate", "min-reachable", "fast-exit", "all-addresses"]
        if let option = sweep.given.first(where: { !shared.contains($0) }) {
            throw ToolFailure(
                "options --\(option) and \(countingOption ?? "-c") exclude each other: a sweep asks each target until it "
                    + "answers (see swping --help)")
        }
        if sweep.exitsFast, sweep.minimumReachable == nil {
            throw ToolFailure("option --fast-exit: needs --min-reachable (see swping --help)")
        }
        guard isMany else { return }
        for (isGiven, option) in [
            (isDual, "--dual"), (resolveInterval != nil, "--resolve-every"), (isConnected, "-C"),
        ] where isGiven {
            throw ToolFailure("option \(option): is for hosts that are named one by one (see swping --help)")
        }
        guard payloadLength <= maximumPayload || version == .v6 else {
            throw ToolFailure(
                "option -s: \(payloadLength) is too much for IPv4, which takes at most \(maximumPayload) (or give -6)")
        }
    }
}
