import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

extension Options {
    /// Whether these operands and options ask for a sweep: one of its own options, a prefix or a range, and nothing that
    /// asks each target more often than it takes to know whether it is there.
    func isSweep(_ hosts: [String]) -> Bool {
        countingOption == nil && (!sweep.given.isEmpty || hosts.contains { Self.isManyTargets($0) })
    }

    /// Whether it is a prefix or a range, or was meant for one.
    static func isManyTargets(_ text: String) -> Bool {
        // Most hosts have neither of these, and then it costs nothing to know.
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "-") }) else { return false }
        do throws(TargetError) {
            switch try TargetExpression(text) {
            case .prefix, .range: return true
            case .name, .address: return false
            }
        } catch {
            if case .noTarget = error { return false }
            return true
        }
    }

    /// Throws where an option means nothing in a sweep, or not beside another one.
    func checkSweep(_ hosts: [String]) throws(ToolFailure) {
        guard !hosts.isEmpty || sweep.targetsFile != nil else {
            throw ToolFailure("too few operands: needs TARGET... or --targets-from (see swping --help)")
        }
        for (isGiven, option, instead) in foreignOptions where isGiven {
            let why = sweep.given.first.map { "--\($0) makes this a sweep" } ?? "a prefix or a range makes this a sweep"
            throw ToolFailure("option \(option): \(why), which \(instead) (see swping --help)")
        }
        if sweep.exitsFast, sweep.minimumReachable == nil {
            throw ToolFailure("option --fast-exit: needs --min-reachable (see swping --help)")
        }
        // Which versions will come from a file or a name is not known yet.
        guard payloadLength <= maximumPayload || version == .v6 else {
            throw ToolFailure(
                "option -s: \(payloadLength) is too much for IPv4, which takes at most \(maximumPayload) (or give -6)")
        }
        guard sweep.workers > 1 else { return }
        // One writer of a file, and one owner of an identifier.
        for (isGiven, option) in [(captureFile != nil, "--pcap"), (identifier != nil, "-e")] where isGiven {
            throw ToolFailure("options --workers and \(option) exclude each other (see swping --help)")
        }
    }

    /// What belongs to pings, and what a sweep has or is instead.
    private var foreignOptions: [(isGiven: Bool, option: String, instead: String)] {
        let paced = "has --rate"
        let plain = "has no line for every probe"
        return [
            (isPoisson, "--poisson", paced), (isAdaptive, "-A", paced), (isFlood, "-f", paced),
            (preload != 1, "-l", paced),
            (resolveInterval != nil, "--resolve-every", "asks for each name once"),
            (isDual, "--dual", "has --all-addresses"),
            (isAudible, "-a", plain), (reportsOutstanding, "-O", plain),
            (alwaysHasDecimals, "-3", plain), (style != .text, "--style heat", plain), (color != nil, "--color", plain),
            (!ipv4Options.isEmpty, ipv4Options.first.map(Self.letter) ?? "-R", plain),
            (wantsTimestamps, "--icmp-timestamp", "sends echo requests or UDP"),
            (isConnected, "-C", "has many destinations"), (keepsSource, "-B", "has many destinations"),
            (allowsBroadcast, "-b", "asks hosts only"), (!loopsMulticast, "-L", "asks hosts only"),
        ]
    }

    private static func letter(of option: IPv4Option) -> String {
        if case .timestamp = option { "-T" } else { "-R" }
    }

    /// Throws where so many targets need a rate that somebody thought about.
    func checkRate(for targets: UInt64) throws(ToolFailure) {
        guard sweep.rate == nil, targets > Self.mostUnpaced else { return }
        let seconds = targets / UInt64(SweepOptions.defaultRate)
        throw ToolFailure(
            "option --rate: has to be given for more than \(Self.mostUnpaced) targets: there are \(targets), which "
                + "would take \(seconds / 60) minutes at \(Int(SweepOptions.defaultRate)) a second")
    }

    static let mostUnpaced: UInt64 = 65_536
}

extension SweepOptions {
    /// Probes a second where nothing is said.
    static let defaultRate = 1_000.0

    /// Probes a second, nil for as fast as it goes.
    var probesPerSecond: Double? {
        switch rate {
        case nil: Self.defaultRate
        case .perSecond(let rate): rate
        case .maximum: nil
        }
    }

    /// What the order of the targets is made from; nil for the order in which they were given.
    var orderSeed: UInt64? { seed ?? (shard == .whole ? nil : 0) }
}
