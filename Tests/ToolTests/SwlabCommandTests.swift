import Glibc
import LinuxSockets
import TestSupport
import Testing

/// swlab as a process.
@Suite(
    .waiting,
    .enabled(if: NamespaceLab.isAvailable && NamespaceLab.hasTun, "needs root, ip(8) and TUN devices"))
struct SwlabCommandTests {
    @Test(arguments: [
        (["sh", "-c", "exit 7"], 7), (["true"], 0), (["sh", "-c", "kill -KILL $$"], 137), (["/etc/passwd"], 126),
        (["no-such-program-here"], 127),
    ])
    func theStatusIsTheCommands(words: [String], status: Int) throws {
        var command = ToolCommand("swlab", "run", "demo", "--")
        command.arguments += words
        let result = try command.run()
        #expect(Int(result.status) == status, "\(result)")
        #expect(result.output.isEmpty)
        if status < 126 || status > 127 { #expect(result.errors.isEmpty) }
    }

    @Test func theDemoIsAsItSays() throws {
        let echo = try ToolCommand(
            "swlab", "run", "demo", "--", ToolCommand("swping").path, "-c", "2", "-i", "0.1", "10.0.9.9", "fd00:9::9"
        ).run()
        #expect(echo.output.contains("\n2 of 2 hosts answered\n"), "\(echo)")
        #expect(echo.status == 0)
        let trace = try ToolCommand("swlab", "run", "demo", "--", ToolCommand("swtrace").path, "-n", "10.0.9.9").run()
        let rows = TraceRow.rows(of: trace.output)
        #expect(rows.count == 8)
        #expect(rows.first?.responders == ["10.0.0.254"])
        #expect(rows.last?.responders == ["10.0.9.9"])
        #expect(trace.status == 0)
    }

    /// Another user has no right in the lab, though the lab itself needs root.
    @Test func aCommandMayRunAsSomebodyElse() throws {
        let result = try ToolCommand(
            "swlab", "run", "--user", "65534:65533", "demo", "--", "sh", "-c",
            "id -u; id -g; grep -E 'CapPrm|CapEff' /proc/self/status"
        ).run()
        #expect(
            result.output == "65534\n65533\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n", "\(result)")
    }

    @Test(arguments: [("shut", "1\t0\n"), ("open", "0\t2147483647\n")])
    func pingSocketsAreAsAskedFor(state: String, range: String) throws {
        let result = try ToolCommand(
            "swlab", "run", "-p", state, "demo", "--", "cat", "/proc/sys/net/ipv4/ping_group_range"
        ).run()
        #expect(result.output == range)
    }

    @Test func aLabStaysUntilItIsTakenDown() throws {
        let name = "test\(getpid())"
        #expect(!(try list().contains(name)))
        let up = try ToolCommand("swlab", "up", "--name", name).run()
        try #require(up.status == 0, "\(up)")
        #expect(try list().contains(name))
        #expect(unsafe access("/run/netns/\(name)", F_OK) == 0)
        let again = try ToolCommand("swlab", "up", "--name", name).run()
        #expect(again.status == 2)
        #expect(again.errors.hasPrefix("swlab: "))
        #expect(again.errors.contains(name))

        let exec = try ToolCommand("swlab", "exec", "--name", name, "--", "sh", "-c", "ip -o link; exit 9").run()
        #expect(exec.status == 9)
        #expect(exec.output.contains("lab0"))
        let ping = try ToolCommand(
            "swlab", "exec", "--name", name, "--", ToolCommand("swping").path, "-c", "1", "10.0.9.9"
        ).run()
        #expect(ping.status == 0, "\(ping)")
        let pinned = try run(["ip", "netns", "exec", name, ToolCommand("swping").path, "-c", "1", "10.0.9.9"])
        #expect(pinned.status == 0, "\(pinned)")

        let down = try ToolCommand("swlab", "down", "--name", name).run()
        #expect(down.status == 0, "\(down)")
        #expect(!(try list().contains(name)))
        #expect(unsafe access("/run/netns/\(name)", F_OK) != 0)
        let gone = try ToolCommand("swlab", "exec", "--name", name, "--", "true").run()
        #expect(gone.errors == "swlab: no lab \(name) is up; bring one up with: swlab up\n")
        #expect(gone.status == 2)
        #expect(try ToolCommand("swlab", "down", "--name", name).run().status == 2)
    }

    /// A lab whose process was killed leaves nothing in the way of the next one.
    @Test func aKilledLabCanComeUpAgain() throws {
        let name = "kill\(getpid())"
        #expect(try ToolCommand("swlab", "up", "--name", name).run().status == 0)
        let line = try list().split(separator: "\n").first { $0.hasPrefix("\(name)\t") }
        let processID = try #require(line.flatMap { Int32($0.split(separator: "\t")[1]) })
        #expect(kill(processID, SIGKILL) == 0)
        while kill(processID, 0) == 0, try state(of: processID) != "Z" { sched_yield() }
        #expect(!(try list().contains(name)))
        let up = try ToolCommand("swlab", "up", "--name", name).run()
        #expect(up.status == 0, "\(up)")
        #expect(try ToolCommand("swlab", "down", "--name", name).run().status == 0)
        #expect(unsafe access("/run/netns/\(name)", F_OK) != 0)
    }

    /// The command ends with the lab, however that ends, and the namespace with both.
    @Test(arguments: [Signal.terminate, Signal(rawValue: SIGKILL)])
    func nothingIsLeftOfARunThatWasKilled(signal: Signal) throws {
        var child = try ToolCommand(
            "swlab", "run", "demo", "--", "sh", "-c", "readlink /proc/self/ns/net; exec sleep 1000"
        ).start()
        try child.wait(forOutput: { $0.hasSuffix("]\n") })
        let namespace = String(String(decoding: child.output, as: UTF8.self).dropLast())
        #expect(try run(["sh", "-c", Self.users, "sh", namespace]).output.isEmpty == false)
        child.signal(signal)
        // The end of the output is the end of the command, which holds it open.
        #expect(try child.finish().status == 128 + signal.rawValue)
        #expect(try run(["sh", "-c", Self.users, "sh", namespace]).output.isEmpty)
    }

    /// Prints the processes whose network namespace is the argument.
    static let users = #"""
        for process in /proc/[0-9]*; do
            [ "$(readlink $process/ns/net 2>/dev/null)" = "$1" ] && echo $process
        done
        true
        """#

    @Test(arguments: [
        ("source 10.0.0.1\n\nrouter r1 dellay 5ms\n", "line 3: \"dellay\": "),
        ("rooter r1\n", "line 1: \"rooter\": "),
        ("router r1\nrouter r1\n", "line 2: \"r1\": is a router already, on line 1"),
        ("router r1\npath source r1\ntarget 10.9.9.9 via r2\n", "line 3: \"r2\": no such router; there are r1"),
        ("router r1 loss 200%\n", "line 1: "), ("router r1 \u{1b}[2J\n", "line 1: "),
    ])
    func whatIsWrongWithAScenarioIsNamedByItsLine(scenario: String, reason: String) throws {
        var command = ToolCommand("swlab", "show", "/dev/stdin")
        command.input = Array(scenario.utf8)
        let result = try command.run()
        #expect(result.errors.hasPrefix("swlab: /dev/stdin: \(reason)"), "\(result.errors)")
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
        #expect(!result.errors.contains("\u{1b}"))
        #expect(result.output.isEmpty)
        #expect(result.status == 2)
    }

    /// What show prints is a scenario itself.
    @Test func aScenarioThatIsShownCanBeRead() throws {
        let shown = try ToolCommand("swlab", "show").run()
        #expect(shown.status == 0)
        var command = ToolCommand("swlab", "show", "/dev/stdin")
        command.input = Array(shown.output.utf8)
        #expect(try command.run().output == shown.output)
    }

    @Test(arguments: [
        (["run", "no/such.scenario", "--", "true"], "no/such.scenario: No such file or directory"),
        (["exec", "--name", "../x", "--", "true"], "option --name: '../x' is not a name of up to 32"),
        (["frobnicate"], "unknown command 'frobnicate'"), (["run", "demo"], "too few operands"),
        (["run", "-u", "0", "demo", "--", "true"], "option -u: '0' is not the number of a user other than root"),
        ([], "too few operands: needs COMMAND"),
    ])
    func badInputIsNamed(arguments: [String], words: String) throws {
        var command = ToolCommand("swlab")
        command.arguments = arguments
        let result = try command.run()
        #expect(result.errors.hasPrefix("swlab"), "\(result.errors)")
        #expect(result.errors.contains(words), "\(result.errors)")
        #expect(result.errors.filter { $0 == "\n" }.count == 1)
        #expect(result.status == 2)
    }

    @Test func othersThanRootAreToldSo() throws {
        let tool = try InstalledTool("swlab")
        var command = ToolCommand(tool, "run", "demo", "--", "true")
        command.userID = 65_534
        let result = try command.run()
        #expect(result.errors == "swlab: only root may make network namespaces; run it with sudo\n")
        #expect(result.status == 2)
    }

    private func list() throws -> String {
        let result = try ToolCommand("swlab", "list").run()
        #expect(result.status == 0)
        return result.output
    }

    private func state(of processID: Int32) throws -> String {
        try run(["sh", "-c", "sed 's/.*) \\(.\\).*/\\1/' /proc/\(processID)/stat 2>/dev/null"]).output
            .split(separator: "\n").first.map(String.init) ?? "Z"
    }
}
