import CommandLineOptions
import ProbeEngine
import ProbeReports

/// What a sweep is asked for, beside what it shares with pings.
struct SweepOptions: Sendable {
    var targetsFile: String?
    var rate: Rate?
    var retries = 1
    var backoff = 1.0
    var shard = Shard.whole
    var seed: UInt64?
    var workers = 1
    var showsAlive = false
    var showsUnreachable = false
    var resumeFile: String?
    var minimumReachable: UInt64?
    var exitsFast = false
    var wantsAllAddresses = false
    var progress = When.auto
    /// Any of them that holds makes the sweep fail.
    var assertions: [SweepAssertion] = []
    /// The long names of those of these options that were given; any of them makes a sweep, unless -c or its like says how
    /// often each target is asked.
    var given: [String] = []

    enum Rate: Hashable, Sendable {
        case perSecond(Double)
        case maximum
    }

    enum When: Sendable {
        case auto
        case always
        case never
    }
}

extension Options {
    static let sweepSection = OptionSection<Options>(
        "Sweeps",
        [
            sweepOption(
                "targets-from", .required("FILE"), "ask the targets of a file too, of standard input with -",
                detail:
                    "One on a line: its first word, a name, an address, a prefix or a range. # begins a comment. Lines "
                    + "are read as probes go, and names resolved beside them. A line that is no target is told with its "
                    + "number and makes the exit status 2; the others are asked.",
                completion: .file
            ) { $0.targetsFile = try $1.text(maximumLength: 4_096) },
            sweepOption(
                "rate", .required("RATE"), "probes a second, or max for as fast as it goes (1000)",
                detail: "Has to be given for more than 65,536 targets. While this host's queues are full, probes go "
                    + "slower; that is not counted as loss. Up to 1,000 a second round trips are taken from the kernel's "
                    + "stamps of sending, above that from this process'. With -c or -i it is the pace from one target to "
                    + "the next, and -i gets as long as all of them take."
            ) { $0.rate = try $1.rate() },
            sweepOption(
                "retries", .required("COUNT"), "further probes to a target that has not answered (1)",
                detail: "An ICMP error that says that the target can't be reached ends the asking."
            ) { $0.retries = try $1.wholeNumber(in: 0...255) },
            sweepOption(
                "backoff", .required("FACTOR"), "wait so many times longer for the answer to each retry (1)",
                detail: "The answer to the first probe is waited for as long as -W says."
            ) { $0.backoff = Double(try $1.decimal(in: 1_000_000_000...100_000_000_000)) / 1e9 },
            sweepOption(
                "shard", .required("I/N"), "ask only the I-th of N parts of the targets, counted from 1",
                detail: "The parts 1/N to N/N have every target, each once, on any machines that are given the same "
                    + "targets and seed. All targets are read before the first is asked."
            ) { $0.shard = try $1.shard() },
            sweepOption(
                "seed", .required("NUMBER"), "ask in an order that looks random, the same for the same number",
                detail:
                    "Without it targets are asked in the order in which they were given; with --shard the number is "
                    + "0. All targets are read before the first is asked."
            ) { $0.seed = try $1.wholeNumber(in: 0...UInt64.max, hexadecimal: true) },
            sweepOption(
                "workers", .required("COUNT"), "share the targets among so many threads (1)",
                detail:
                    "Each sends and receives by sockets of its own; --rate is that of all together. All targets are "
                    + "read before the first is asked."
            ) { $0.workers = try $1.wholeNumber(in: 1...maximumWorkers) },
            sweepFlag("alive", "print the targets that answer", detail: "The default, unless --unreachable is given.") {
                $0.showsAlive = true
            },
            sweepFlag("unreachable", "print the targets that don't answer, and by which error") {
                $0.showsUnreachable = true
            },
            sweepOption(
                "resume-file", .required("FILE"), "when it ends too early, keep in FILE where; begin there next time",
                detail: "With the same targets, order and shard it goes on behind those that were decided, and counts "
                    + "them in the summary. FILE is also kept up to date every two seconds, should the process be killed: "
                    + "of what it told in the last two, the next one tells again. It is removed when all targets are "
                    + "decided.",
                completion: .file
            ) { $0.resumeFile = try $1.text(maximumLength: 4_096) },
            sweepOption(
                "min-reachable", .required("COUNT"), "exit with 0 if so many targets answer, else with 1"
            ) { $0.minimumReachable = try $1.wholeNumber(in: 1...UInt64(UInt32.max)) },
            sweepFlag("fast-exit", "end as soon as --min-reachable is met") { $0.exitsFast = true },
            sweepFlag("all-addresses", "ask all addresses of a name, not only the first") {
                $0.wantsAllAddresses = true
            },
            sweepOption(
                "progress", .required("WHEN"), "show on standard error how far it is: auto, always or never (auto)",
                detail:
                    "With auto it does where standard error is a terminal: by a line that is drawn over itself. Where "
                    + "it is none, always writes a line every ten seconds.",
                completion: .words(["auto", "always", "never"])
            ) { $0.progress = try $1.choice([("auto", .auto), ("always", .always), ("never", .never)]) },
        ])

    private typealias Apply = @Sendable (inout SweepOptions, OptionValue) throws -> Void

    private static func sweepOption(
        _ name: String, _ argument: OptionArgument, _ help: String,
        detail: @escaping @Sendable @autoclosure () -> String = "",
        completion: @escaping @Sendable @autoclosure () -> CompletionHint = .none, _ apply: @escaping Apply
    ) -> Option<Options> {
        Option(nil, name, argument, help, detail: detail(), completion: completion()) { options, value in
            try apply(&options.sweep, value)
            options.sweep.given.append(name)
        }
    }

    private static func sweepFlag(
        _ name: String, _ help: String, detail: @escaping @Sendable @autoclosure () -> String = "",
        _ apply: @escaping @Sendable (inout SweepOptions) -> Void
    ) -> Option<Options> {
        Option(nil, name, help, detail: detail()) { options, _ in
            apply(&options.sweep)
            options.sweep.given.append(name)
        }
    }

    private static var maximumWorkers: Int { 64 }
}

extension OptionValue {
    /// Probes a second, or the word `max`.
    fileprivate func rate() throws(OptionError) -> SweepOptions.Rate {
        if string == "max" { return .maximum }
        do throws(OptionError) {
            return .perSecond(Double(try decimal(in: 1_000_000...10_000_000_000_000_000)) / 1e9)
        } catch {
            throw invalid("a number from 0.001 to 10000000, or max")
        }
    }

    /// `I/N`, I from 1 to N.
    fileprivate func shard() throws(OptionError) -> Shard {
        let expected = "I/N, with I from 1 to N and N up to 65536"
        let parts = string.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw invalid(expected) }
        do throws(OptionError) {
            let total: UInt32 = try OptionValue(String(parts[1])).wholeNumber(in: 1...65_536)
            let number = try OptionValue(String(parts[0])).wholeNumber(in: 1...total)
            if let shard = Shard(number - 1, of: total) { return shard }
        } catch {}
        throw invalid(expected)
    }
}
