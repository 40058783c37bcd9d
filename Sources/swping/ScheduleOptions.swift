import CommandLineOptions
import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO

extension Options {
    static let scheduleSection = OptionSection<Options>(
        "Schedule",
        [
            Option("c", "count", .required("COUNT"), "stop after COUNT probes to each host") {
                $0.count = try $1.wholeNumber(in: 1...UInt64(Int64.max))
            },
            Option(
                "i", "interval", .required("SECONDS"), "time between two probes to a host (1)",
                detail:
                    "At least 0.002 for all but root, who may go down to 0.00001; 0 sends as -f does. Deadlines are "
                    + "absolute; what was due and could not be sent in time counts as a missed slot. With -A the longest "
                    + "wait for an answer."
            ) {
                let interval = try $1.duration(in: 0...86_400_000_000_000)
                guard interval == 0 || interval >= shortestInterval else {
                    throw $1.invalid("0 or a time from 0.00001 to 86400 seconds")
                }
                $0.interval = interval
                $0.hasInterval = true
            },
            Option(
                nil, "poisson", "send at random, -i apart on average",
                detail:
                    "Gaps have an exponential distribution (RFC 2330), so that nothing periodic on the way is always "
                    + "met or always missed."
            ) { options, _ in options.isPoisson = true },
            Option(
                "A", "adaptive", "send the next probe when the answer came",
                detail: "One probe is on its way, or as many as -l says. All but root wait 2 ms from probe to probe."
            ) { options, _ in options.isAdaptive = true },
            Option(
                "f", "flood", "as -A, but at least 100 probes a second, and marks instead of lines",
                detail: "All but root may flood loopback only; with -i it is no flood, only its marks. The times of "
                    + "sending are the process' own, as with every -i that makes more than 1,000 probes a second."
            ) { options, _ in options.isFlood = true },
            Option(
                "l", "preload", .required("COUNT"), "send so many at once at the start (1)",
                detail: "With -A and -f as many may be on their way. At most 3 for all but root."
            ) { $0.preload = try $1.wholeNumber(in: 1...65_536) },
            Option(
                "w", "deadline", .required("SECONDS"),
                "stop after so long; with -c wait for that many answers until then"
            ) { $0.deadline = try $1.duration(in: 1_000_000...31_536_000_000_000_000) },
            Option("W", "timeout", .required("SECONDS"), "an answer after so long is late (2, in a sweep 1)") {
                $0.timeout = try $1.duration(in: 1_000_000...3_600_000_000_000)
                $0.hasTimeout = true
            },
        ])

    /// Nanoseconds; a shorter one would not let a probe leave before the next is due.
    private static let shortestInterval: Int64 = 10_000
    /// The same for all but root, as in ping.
    private static let shortestUserInterval: Int64 = 2_000_000
    private static let largestUserPreload: UInt32 = 3
    /// How often a flood sends without answers, as in ping.
    private static let floodInterval: Int64 = 10_000_000
    /// Probes a second from which on the kernel's times of sending are not asked for.
    private static let stampedRate: Int64 = 1_000

    /// Sends as fast as answers come: with an interval `-f` only changes what is shown.
    private var isUnpaced: Bool { !isAdaptive && (isFlood && !hasInterval || hasInterval && interval == 0) }

    /// Whether each further host costs little: the hosts share one schedule, and nothing is kept of each but counters.
    var isOneGrid: Bool {
        !isAdaptive && !isUnpaced && !isPoisson && !isDual && resolveInterval == nil && pictureWindow == nil
            && !wantsTimestamps
    }

    /// The first of the options that was given by which each target is asked again and again, however many there are.
    var countingOption: String? {
        let options = [
            (count != nil, "-c"), (hasInterval, "-i"), (listsSlots, "--slots"),
            (summaryInterval != nil, "--interval-summary"),
        ]
        return options.first(where: \.0)?.1
    }

    /// Between the probes of two targets, nil for a part of the interval. Without a word about it many targets are asked no
    /// faster than in a sweep.
    ///
    /// - Parameter hosts: how many there are.
    func targetGap(hosts: Int) -> Int64? {
        switch sweep.rate {
        case .maximum: 0
        case .perSecond(let rate): Int64((1e9 / rate).rounded())
        case nil:
            isPacedByDefault && !hasInterval && hosts > Self.defaultRate ? 1_000_000_000 / Int64(Self.defaultRate) : nil
        }
    }

    /// From a probe to a target to the next.
    private func round(hosts: Int) -> Int64 {
        let (all, isTooLong) = (targetGap(hosts: hosts) ?? 0).multipliedReportingOverflow(by: Int64(hosts))
        return isTooLong ? .max : max(interval, all)
    }

    private static var defaultRate: Int { Int(SweepOptions.defaultRate) }

    private var pacing: Pacing {
        get throws(ToolFailure) {
            if isAdaptive { return .adaptive }
            if isUnpaced { return .flood }
            guard isPoisson else { return .periodic }
            do throws(Errno) {
                return .poisson(seed: try randomBytes(8).reduce(0) { $0 << 8 | UInt64($1) })
            } catch {
                throw ToolFailure("cannot get random numbers: \(error)")
            }
        }
    }

    /// Whether the kernel is asked when each probe left: it costs a system call a probe.
    ///
    /// - Parameter hosts: how many share the schedule.
    func wantsKernelStamps(hosts: Int) -> Bool {
        !isUnpaced && (isAdaptive || Int64(hosts) * 1_000_000_000 / Self.stampedRate <= round(hosts: hosts))
    }

    /// Options that exclude each other, and limits for those who are not root.
    func checkSchedule() throws(ToolFailure) {
        if isPoisson, isAdaptive || isUnpaced {
            throw ToolFailure("options --poisson and \(isAdaptive ? "-A" : isFlood ? "-f" : "-i 0") exclude each other")
        }
        if sweep.rate != nil,
            let option = [(isAdaptive, "-A"), (isUnpaced, "-f"), (isPoisson, "--poisson")].first(where: \.0)
        {
            throw ToolFailure("options --rate and \(option.1) exclude each other (see swping --help)")
        }
        guard getuid() != 0 else { return }
        if interval < Self.shortestUserInterval {
            throw ToolFailure("option -i: less than 0.002 seconds is only for root")
        }
        if preload > Self.largestUserPreload {
            throw ToolFailure("option -l: more than \(Self.largestUserPreload) is only for root")
        }
    }

    /// Whether only root may send like this, for ping.
    var isTooFastForUsers: Bool { getuid() != 0 && !isAdaptive && (isUnpaced || interval < Self.shortestUserInterval) }

    /// A flood of others is for root.
    func checkFlood(of addresses: TargetList) throws(ToolFailure) {
        guard isUnpaced, getuid() != 0 else { return }
        guard addresses.allSatisfy(\.isLoopback) else {
            throw ToolFailure("option -f: flooding other hosts than this one is only for root (at least with -i 0.002)")
        }
        // Whoever answers for a name could turn the flood to any host.
        guard resolveInterval == nil else {
            throw ToolFailure("option -f: together with --resolve-every it is only for root (at least with -i 0.002)")
        }
    }

    func schedule(_ configuration: inout EchoSweep.Configuration) throws(ToolFailure) {
        configuration.pacing = try pacing
        let hosts = configuration.targets.count
        configuration.interval = TimeSpan(nanoseconds: isUnpaced ? Self.floodInterval : round(hosts: hosts))
        configuration.targetGap = targetGap(hosts: hosts).map(TimeSpan.init(nanoseconds:))
        configuration.preload = preload
        configuration.wantsKernelStamps = wantsKernelStamps(hosts: hosts)
        if isAdaptive, getuid() != 0 {
            configuration.shortestGap = TimeSpan(nanoseconds: Self.shortestUserInterval)
        }
    }
}
