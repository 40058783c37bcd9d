import CLinuxSockets
import CommandLineOptions
import Glibc
import LinuxSockets

/// Who a command runs as: an unprivileged user without any capability.
struct User: Hashable, Sendable {
    var userID: UInt32
    var groupID: UInt32

    /// Parses `UID` or `UID:GID`; without a group, the group has the number of the user. Root is no such user.
    init?(_ text: String) {
        let numbers = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map { UInt32($0) }
        guard text.first?.isNumber == true, let user = numbers[0], let group = numbers[numbers.count - 1] else {
            return nil
        }
        guard user > 0, user < UInt32.max, group < UInt32.max else { return nil }
        userID = user
        groupID = group
    }

    /// Becomes this user. The bounding set stays, so that file capabilities of a command still count.
    func become() throws(Failure) {
        guard setgroups(0, nil) == 0, np_set_all_ids(userID, groupID) == 0 else {
            throw Failure("user \(userID): \(lastErrno)")
        }
        do throws(Errno) {
            try Capabilities(permitted: [], effective: [], inheritable: []).apply()
        } catch {
            throw Failure("capabilities: \(error)")
        }
    }
}

/// A command in a lab.
struct LabCommand: Sendable {
    /// The program, looked up as a shell does, and its arguments.
    var words: [String]
    var user: User?

    /// Becomes the command; returns only when that failed, with the exit status that says so (env(1)).
    func replaceProcess() -> Int32 {
        do throws(Failure) {
            try user?.become()
        } catch {
            report(error)
            return 126
        }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigprocmask(SIG_SETMASK, &none, nil)
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        unsafe execvp(words[0], &arguments)
        let error = lastErrno
        report(Failure("\(words[0]): \(error)"))
        return error == .noSuchFileOrDirectory ? 127 : 126
    }

    /// Starts the command as a child that ends when this process does, and returns its number.
    func start() throws(Failure) -> pid_t {
        let parent = getpid()
        let child = np_fork()
        guard child >= 0 else { throw Failure("a process: \(lastErrno)") }
        guard child == 0 else { return child }
        do throws(Failure) {
            // A change of the user would forget what the kernel is told about the parent.
            try user?.become()
            np_set_parent_death_signal(SIGTERM)
        } catch {
            report(error)
            _exit(126)
        }
        // The parent may have ended before that was said.
        if getppid() != parent { _exit(126) }
        _exit(LabCommand(words: words).replaceProcess())
    }

    /// The exit status of a child that has ended, 128 and the signal that killed it; nil while it runs.
    static func status(of child: pid_t) -> Int32? {
        var status: Int32 = 0
        guard unsafe waitpid(child, &status, WNOHANG) == child else { return nil }
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }
}

/// Whether what the terminal's keys send reaches this process, and with it every child of its process group.
func isInTerminalForeground() -> Bool {
    let raw = unsafe open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY)
    guard raw >= 0 else { return false }
    let terminal = FileDescriptor(owning: raw)
    return tcgetpgrp(terminal.rawDescriptor) == getpgrp()
}

/// One line on standard error, in which what came from a scenario or the command line can do no harm to a terminal.
func report(_ failure: Failure) {
    try? writeAll("swlab: \(EchoedText(failure.description, limit: .max))\n", to: STDERR_FILENO, "standard error")
}
