import CLinuxSockets
import CommandLineOptions
import Glibc
import LinuxSockets
import SimulatedNetwork

/// A simulated internet behind a TUN device, for tests, demonstrations and measurements of the other tools.
@main
struct Tool {
    static func main() { exit(run(Array(CommandLine.arguments.dropFirst()))) }

    private static func run(_ arguments: [String]) -> Int32 {
        do {
            try ensureStandardDescriptors()
            switch try CommandLineTable.table.parse(arguments) {
            case .print(let text): try writeAll(text, to: STDOUT_FILENO, "standard output")
            case .run(let invocation): return try perform(invocation)
            }
        } catch let error as Failure {
            report(error)
            return 2
        } catch {
            try? writeAll("\(error)\n", to: STDERR_FILENO, "standard error")
            return 2
        }
        return 0
    }

    private static func perform(_ invocation: Invocation) throws(Failure) -> Int32 {
        switch invocation {
        case .show(let name):
            try writeAll(try Commands.show(name), to: STDOUT_FILENO, "standard output")
            return 0
        case .list:
            try writeAll(Commands.list(), to: STDOUT_FILENO, "standard output")
            return 0
        default:
            // Not the number of the user: in a container root may lack the rights, and the kernel says so later.
            guard geteuid() == 0 else {
                throw Failure("only root may make network namespaces; run it with sudo")
            }
        }
        switch invocation {
        case .up(let settings, let name): return try Commands.up(settings, name)
        case .down(let name): return try Commands.down(name)
        case .run(let settings, let command): return try Commands.run(settings, command)
        case .exec(let name, let command): return try Commands.exec(name, command)
        case .show, .list: return 0
        }
    }
}

/// What `up` and `run` have in common.
struct LabSettings: Sendable {
    var scenario = ""
    var seed: UInt64 = 1
    var pingSockets: Lab.PingSockets?
    var name = "swlab"
    var user: User?
    var printsCounters = false
    var journal: String?
}

/// What the command line asks for.
enum Invocation: Sendable {
    case up(LabSettings, name: String)
    case down(name: String)
    case run(LabSettings, LabCommand)
    case exec(name: String, LabCommand)
    case show(String)
    case list
}

/// The commands.
enum Commands {
    /// Brings a lab up that stays when this process ends.
    static func up(_ settings: LabSettings, _ name: String) throws(Failure) -> Int32 {
        let scenario = try scenario(settings.scenario)
        let claim = try Registry.Claim(name)
        var lab: Lab
        do throws(Failure) {
            lab = try Lab.make(scenario, seed: settings.seed, pingSockets: settings.pingSockets)
        } catch {
            claim.withdraw()
            throw error
        }
        do throws(Failure) {
            try Registry.pin(name)
        } catch {
            // The lab is there all the same, for swlab exec.
            report(Failure("ip netns will not know the lab: \(error)"))
        }
        let daemon = np_fork()
        guard daemon >= 0 else {
            let error = lastErrno
            claim.withdraw()
            throw Failure("a process: \(error)")
        }
        guard daemon == 0 else {
            do throws(Failure) {
                try claim.publish(processID: daemon, scenario: settings.scenario)
            } catch {
                kill(daemon, SIGTERM)
                throw error
            }
            return 0
        }
        detach()
        // After the fork: a signalfd that is waited for tells of the process that began to wait.
        let signals: SignalDescriptor
        do throws(Errno) { signals = try SignalDescriptor(Lab.signals) } catch { _exit(2) }
        np_run_at_real_time_priority()
        let outcome: Int32
        do throws(Failure) {
            try lab.run(signals) { $0 == .terminate || $0 == .interrupt }
            outcome = 0
        } catch {
            outcome = 2
        }
        claim.withdraw()
        _exit(outcome)
    }

    /// Ends a lab and waits until it is gone.
    static func down(_ name: String) throws(Failure) -> Int32 {
        let entry = try Registry.entry(name)
        for (signal, waits) in [(SIGTERM, 300), (SIGKILL, 100)] {
            kill(entry.processID, signal)
            for _ in 0..<waits {
                if (try? Registry.entry(name)) == nil {
                    // Whatever a killed process left behind goes with the claim.
                    let claim = try Registry.Claim(name)
                    claim.withdraw()
                    return 0
                }
                usleep(10_000)
            }
        }
        throw Failure("lab \(name): process \(entry.processID) does not end")
    }

    /// Runs a command in a lab of its own and returns the command's exit status.
    static func run(_ settings: LabSettings, _ command: LabCommand) throws(Failure) -> Int32 {
        let scenario = try scenario(settings.scenario)
        // With the caller's view of the file system, and before there is anything to undo.
        var journal: Journal?
        if let path = settings.journal { journal = try Journal(path) }
        var lab = try Lab.make(scenario, seed: settings.seed, pingSockets: settings.pingSockets)
        lab.journal = journal.take()
        let signals: SignalDescriptor
        do throws(Errno) { signals = try SignalDescriptor(Lab.signals) } catch { throw Failure("signals: \(error)") }
        let child = try command.start()
        np_run_at_real_time_priority()
        var status: Int32?
        do throws(Failure) {
            try lab.run(signals) { signal in
                switch signal {
                case .child:
                    status = LabCommand.status(of: child)
                case .interrupt, .quit:
                    // What was typed has reached the command already.
                    if !isInTerminalForeground() { kill(child, signal.rawValue) }
                default:
                    kill(child, signal.rawValue)
                }
                return status != nil
            }
        } catch {
            kill(child, SIGTERM)
            throw error
        }
        try lab.finish()
        if settings.printsCounters {
            try writeAll(text(lab.counters, lab.lostAtTheHost), to: STDERR_FILENO, "standard error")
        }
        return status ?? 2
    }

    /// Becomes a command in a lab that is up.
    static func exec(_ name: String, _ command: LabCommand) throws(Failure) -> Int32 {
        let entry = try Registry.entry(name)
        do throws(Errno) {
            try NetworkNamespace(path: "/proc/\(entry.processID)/ns/net").enter()
        } catch {
            throw Failure("lab \(name): \(error)")
        }
        return command.replaceProcess()
    }

    /// The scenario as its text, with the addresses that it leaves out, and who lives where.
    static func show(_ name: String) throws(Failure) -> String {
        let scenario = try scenario(name).withAddresses()
        var text = scenario.description
        for target in scenario.targets where target.live != .always {
            for prefix in target.prefixes where prefix.addresses.count <= 65_536 {
                let live = prefix.addresses.reduce(0) { $0 + (Scenario.lives($1, target.live) ? 1 : 0) }
                text += "# \(prefix): \(live) live addresses\n"
            }
        }
        return text
    }

    /// A line for each lab that is up.
    static func list() -> String {
        Registry.all().map { "\($0.name)\t\($0.processID)\t\($0.scenario)\n" }.joined()
    }

    /// The built-in scenario or the one in a file.
    private static func scenario(_ name: String) throws(Failure) -> Scenario {
        if name == "demo" { return .demo }
        let text = String(decoding: try readFile(name), as: UTF8.self)
        do throws(ScenarioError) {
            return try Scenario(parsing: text)
        } catch {
            throw Failure("\(name): \(error)")
        }
    }

    /// Leaves the terminal, the directory and the caller's files behind (daemon(7)).
    private static func detach() {
        setsid()
        _ = unsafe chdir("/")
        let null = unsafe Glibc.open("/dev/null", O_RDWR | O_CLOEXEC)
        for standard in Int32(0)...2 { dup2(null, standard) }
        if null > 2 { close(null) }
    }

    private static func text(_ counters: Truth.Counters, _ lostAtTheHost: Int) -> String {
        """
        swlab: \(counters.sent) packets sent, \(counters.arrived) arrived, \(counters.delivered) came back; \
        lost \(counters.lostForward) on the way out and \(counters.lostBackward) on the way back, \
        \(counters.silenced) not answered, \(counters.rateLimited) over a limit, \(counters.duplicated) duplicated, \
        \(counters.corrupted) corrupted, \(counters.heldBack) held back, \
        \(lostAtTheHost) not taken by the kernel\n
        """
    }
}
