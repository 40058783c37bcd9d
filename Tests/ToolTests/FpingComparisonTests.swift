import Glibc
import TestSupport
import Testing

/// swping as fping beside fping (5.1) in one network: the same output, errors and status, but for times.
@Suite(
    .waiting,
    .enabled(
        if: NamespaceLab.isAvailable && hasProgram("fping") && hasProgram("nft"),
        "needs root, ip(8), fping(8) and nft(8)"))
struct FpingComparisonTests {
    /// Command lines that both understand. 10.0.9.8 is silent, 10.0.2.10 refuses, 10.0.8.1 can't be sent to.
    static let commands = [
        // Who is up.
        "10.0.2.2", "fd00:2::2", "-a 10.0.2.2 10.0.9.8 -r1 -t100", "-u 10.0.2.2 10.0.9.8 -r1 -t100",
        "10.0.2.2 10.0.9.8 10.0.1.2 -r1 -t100", "-e 10.0.2.2", "-a -e 10.0.2.2 10.0.1.2",
        "-q 10.0.2.2 10.0.9.8 -r0 -t100",
        "-s 10.0.2.2 10.0.9.8 -r1 -t100", "-q -s 10.0.2.2", "-s -r2 -t50 -B1 10.0.9.8", "-4 10.0.2.2", "-6 fd00:2::2",
        "-x1 10.0.2.2 10.0.9.8 -r0 -t100", "-x2 10.0.2.2 10.0.9.8 -r0 -t100", "-x1 -s 10.0.2.2",
        "-q -x2 10.0.2.2 10.0.9.8 -r0 -t100", "-x1 10.0.8.1",
        "-g 10.0.2.0/30 -r0 -t100", "-g 10.0.2.2 10.0.2.3 -r0 -t100", "-g 10.0.2.2/32", "-ag 10.0.2.2/31 -r0 -t100",
        "10.0.2.10 -r1 -t100", "-a 10.0.2.10 -r0 -t100", "-q 10.0.2.10 -r0 -t100", "-u 10.0.2.10 -r0 -t100",
        "-H1 10.0.2.2 -r0 -t100", "10.0.8.1", "-u 10.0.8.1", "-a 10.0.8.1", "10.0.8.1 10.0.2.2", "-q 10.0.8.1",
        "-M -b 3000 -r0 -t100 10.0.2.2", "-b 3000 10.0.2.2", "-R 10.0.2.2", "-T5 10.0.2.2", "-O 0x20 10.0.2.2",
        "-S 10.0.1.1 10.0.2.2", "-I r 10.0.2.2", "-i0 10.0.2.2 10.0.1.2", "-B1.5 -r1 -t50 10.0.9.8", "-D 10.0.2.2",
        "-a 10.0.2.2 10.0.2.2", "-Q1 10.0.2.2", "127.1", "-- 10.0.2.2",
        // How they fare.
        "-c2 -p100 10.0.2.2", "-c2 -p100 10.0.9.8", "-c3 -p100 fd00:2::2 10.0.2.2", "-C3 -p100 10.0.2.2",
        "-C2 -p100 10.0.9.8", "-q -c2 -p100 10.0.2.2 10.0.9.8", "-q -C2 -p100 10.0.2.2 10.0.9.8 10.0.1.2",
        "-c2 -p100 -o 10.0.9.8", "-c2 -p100 -o 10.0.2.2", "-D -c2 -p100 10.0.2.2", "-D -c1 -t100 10.0.9.8",
        "-c1 -e 10.0.2.2", "-c1 -a 10.0.2.2", "-c1 -u -t100 10.0.9.8", "-c1 -s 10.0.2.2", "-c2 -p100 -s 10.0.9.8",
        "-c2 -p100 10.0.2.10", "-q -c2 -p100 10.0.2.10", "-C2 -p100 -s 10.0.2.10", "-q -c1 10.0.8.1",
        "-q -C2 -p100 10.0.8.1",
        "-c2 -C3 -q -p100 10.0.2.2", "-b 0 -c1 10.0.2.2", "-b 4 -c1 10.0.2.2", "-b 1000 -c1 10.0.2.2",
        "-Q0.25 -c5 -p100 10.0.2.2", "-Q0.25 -C5 -p100 -o 10.0.2.2", "-Q0 -c1 10.0.2.2", "-N -Q1 -c3 -p450 10.0.2.2",
        "-N -Q1 -c4 -p400 10.0.9.8", "-c3 -p100 -t250 10.0.9.8", "--count=1 10.0.2.2", "--size=100 -c1 10.0.2.2",
        "-c5x -p50 10.0.2.2", "-p100 -c2 10.0.2.2 10.0.2.2", "-x1 -c1 10.0.2.2",
        // As programs call it: Zabbix, LibreNMS, SmokePing, netdata.
        "-C4 -p50 -b56 -dA 10.0.2.2", "-c1 -t50 -i0 10.0.2.2", "-C3 -i0 10.0.2.2 10.0.1.2", "-e -t 500 -r 3 10.0.2.2",
        "-C 3 -q -B1 -r1 -4 -b56 -t500 -i10 -p100 10.0.2.2 10.0.1.2 10.0.9.8",
        "-N -Q 1 -c 3 -R -p 500 -b 56 -i 1 -r 0 -t 5000 10.0.2.2",
        "-e -t 500 -r 3 -c 3 -p 100 10.0.2.2", "-x 1 -q -r 0 10.0.2.2",
    ]

    /// All in one network: making one takes longer than any of these.
    @Test("The lines are fping's") func lines() throws {
        let lab = try Self.lab()
        for command in Self.commands {
            let (ours, theirs) = try Self.results(lab, command.split(separator: " ").map(String.init))
            #expect(Self.normalised(ours.output) == Self.normalised(theirs.output), "\(command)")
            #expect(Self.normalised(ours.errors) == Self.normalised(theirs.errors), "\(command)")
            #expect(ours.status == theirs.status, "\(command): \(ours)\(theirs)")
        }
    }

    /// Answers and silences side by side may change their places.
    @Test(arguments: [
        "-c3 -p100 10.0.2.2 10.0.9.8", "-C3 -p100 10.0.9.8 10.0.1.2 10.0.2.10", "-D -c2 -p100 10.0.9.8 fd00:2::2",
    ])
    func mixtures(_ command: String) throws {
        let (ours, theirs) = try Self.results(try Self.lab(), command.split(separator: " ").map(String.init))
        #expect(Self.normalised(ours.output).sorted() == Self.normalised(theirs.output).sorted())
        #expect(Self.normalised(ours.errors) == Self.normalised(theirs.errors))
        #expect(ours.status == theirs.status)
    }

    /// Command lines at fault: the words and the status. What fping calls its usage is our own.
    @Test func errors() throws {
        let lab = try NamespaceLab()
        try lab.addNode("a")
        let commands = [
            "-Z", "--nosuch", "-c", "--count", "--alive=1 ::1", "-a -u ::1", "-c1 -l ::1", "-d -n ::1", "-n -d ::1",
            "-4 -6 ::1", "-6 -4 ::1", "-H 300 ::1", "-B 0.5 ::1", "-B 6 ::1", "-S x ::1", "-I nosuch ::1", "-f /nosuch",
            "-f /dev/null", "", "-g 10.0.0.0/33", "-g 10.0.0.0/0", "-g x/24", "-g 10.0.0.2 10.0.0.1", "-g x 10.0.0.1",
            "-c0 ::1", "-cx ::1", "-tx ::1", "-t-1 ::1", "-px ::1", "-ix ::1", "-i-1 ::1", "-bx ::1", "-Bx ::1",
            "-rx ::1",
            "-H0 ::1", "-Ox ::1", "-x0 ::1", "-Qx ::1", "-g", "-g 10.0.0.1", "-g 1 2 3", "-g -f /dev/null",
            "-f /dev/null ::1", "-6 127.0.0.1", "nosuch.invalid", "-q nosuch.invalid", "nosuch.invalid 127.0.0.1",
            "-c1 nosuch.invalid ::1",
        ]
        for command in commands {
            let (ours, theirs) = try Self.results(
                lab, command.split(separator: " ").map(String.init),
                files: ["/etc/resolv.conf": "nameserver 127.0.0.1\n"])
            #expect(ours.status == theirs.status, "\(command)")
            if theirs.errors.hasPrefix("Usage:") {
                #expect(ours.errors.hasPrefix("Usage: fping"), "\(command)")
            } else {
                #expect(Self.normalised(ours.errors) == Self.normalised(theirs.errors), "\(command)")
            }
            #expect(Self.normalised(ours.output) == Self.normalised(theirs.output), "\(command)")
        }
    }

    @Test func names() throws {
        let lab = try Self.lab()
        let files = [
            "/etc/hosts": """
            10.0.2.2 target.test
            10.0.1.2 second.test
            fd00:2::2 six.test
            10.0.2.2 both.test
            fd00:2::2 both.test
            10.0.2.2 multi.test
            10.0.1.2 multi.test
            10.0.2.10 refused.test

            """, "/etc/nsswitch.conf": "hosts: files\n",
        ]
        let commands = [
            "target.test", "-A target.test", "-n 10.0.2.2 target.test", "-d target.test 10.0.2.2", "-d -A target.test",
            "-n -A 10.0.2.2", "-n 10.0.2.10", "-n -A 10.0.9.8 -r0 -t50", "-m multi.test", "-m -A multi.test",
            "-A -m both.test",
            "-m -d both.test", "both.test", "six.test", "-4 six.test", "-4 both.test", "-6 both.test",
            "-6 target.test 10.0.2.2",
            "-c1 target.test 10.0.1.2 six.test", "-C2 -q -p50 target.test 10.0.1.2", "-d -A -c1 10.0.2.2",
            "-r0 -t100 refused.test",
            "-N -Q1 -c3 -p450 target.test", "-s target.test nosuch.test", "-A fd00:2::2", "-d fd00:2::2",
            "-c1 nosuch.test six.test",
        ]
        for command in commands {
            let (ours, theirs) = try Self.results(lab, command.split(separator: " ").map(String.init), files: files)
            #expect(Self.normalised(ours.output) == Self.normalised(theirs.output), "\(command)")
            #expect(Self.normalised(ours.errors) == Self.normalised(theirs.errors), "\(command)")
            #expect(ours.status == theirs.status, "\(command)")
        }
    }

    /// A list of targets is a table of hosts too.
    @Test(arguments: [[], ["-f", "-"], ["-f", "/etc/hosts"], ["-c1", "-f", "/etc/hosts"], ["-ae"]])
    func targetsFromFiles(_ arguments: [String]) throws {
        let list = "# comment\n\n 10.0.2.2 words behind it\n10.0.1.2 target.test\n#10.0.9.8\nnosuch.test\n127.0.0.1"
        let (ours, theirs) = try Self.results(
            try Self.lab(), arguments, files: ["/etc/hosts": list, "/etc/nsswitch.conf": "hosts: files\n"], input: list)
        #expect(Self.normalised(ours.output) == Self.normalised(theirs.output))
        #expect(Self.normalised(ours.errors) == Self.normalised(theirs.errors))
        #expect(ours.status == 2)
        #expect(theirs.status == 2)
    }

    /// Signals: an interruption has the summary, SIGQUIT the block in between.
    @Test func signals() throws {
        let lab = try Self.lab()
        for (command, names) in [("-l -p100 10.0.2.2", ["QUIT", "INT"]), ("-t5000 -r0 10.0.2.2 10.0.9.8", ["INT"])] {
            let script = """
                "$@" & child=$!
                for name in \(names.joined(separator: " ")); do sleep 0.35; kill -$name $child; done
                wait $child
                """
            let results = try Self.programs.map { program in
                let result = try lab["a"].run {
                    try run(["bash", "-c", script, "bash"] + program + command.split(separator: " ").map(String.init))
                }
                return CommandResult(
                    status: result.status,
                    output: Set(Self.normalised(result.output)).map(Self.withoutNumbers).sorted().joined(),
                    errors: Self.withoutNumbers(Self.normalised(result.errors).joined(separator: "\n")))
            }
            #expect(Set(results[0].output.split(separator: "|")) == Set(results[1].output.split(separator: "|")))
            #expect(results[0].errors == results[1].errors)
            #expect(results[0].status == results[1].status)
        }
    }

    /// What fping has since version 5.2, and what it gets wrong.
    @Test func beyond() throws {
        let lab = try Self.lab()
        func ours(_ command: String) throws -> CommandResult {
            let result = try Self.result(lab, Self.programs[0] + command.split(separator: " ").map(String.init))
            return CommandResult(
                status: result.status, output: Self.normalised(result.output).joined(separator: "\n"),
                errors: Self.normalised(result.errors).joined(separator: "\n"))
        }
        #expect(
            try ours("-X1 -t5000 10.0.2.2 10.0.9.8")
                == CommandResult(status: 0, output: "Enough hosts reachable (required: 1, reachable: 1)"))
        #expect(try ours("--print-ttl --print-tos 10.0.2.2").output == "10.0.2.2 is alive (TOS 0) (TTL 63)")
        #expect(
            try ours("-J -c1 10.0.2.2").output == """
                {"resp": {"host": "10.0.2.2", "seq": 0, "size": 64, "rtt": N}}
                {"summary": {"host": "10.0.2.2", "xmt": 1, "rcv": 1, "loss": 0, "rttMin": N, "rttAvg": N, "rttMax": N}}
                """)
        #expect(
            try ours("-J -q -C2 -p100 10.0.9.8").output
                == #"{"vSum": {"host": "10.0.9.8", "values": [null, null]}}"#)
        #expect(try ours("-J 10.0.2.2").errors == "fping: option -J, --json requires -c, -C, or -l")
        // ICMPv6 errors have lines too, and what was not sent is told of.
        #expect(try ours("fd00:9::8 -r0 -t100").errors.hasPrefix("ICMP "))
        #expect(try ours("-c1 10.0.8.1").errors.hasPrefix("10.0.8.1: error while sending ping: "))
        #expect(try ours("--icmp-timestamp -c1 10.0.2.2").output.contains(", timestamps: "))
    }

    // MARK: The programs that call it

    /// check_fping of Debian's monitoring-plugins, which calls /usr/bin/fping: both there.
    @Test(
        .enabled(if: isThere(pluginPath), "needs check_fping of monitoring-plugins-standard"),
        arguments: [
            "-H 10.0.2.2", "-H 10.0.2.2 -n 3 -i 50 -w 500,20% -c 1000,50%", "-H 10.0.9.8 -n 2 -T 100 -i 100",
            "-H 10.0.2.10 -n 1",
            "-H 10.0.2.2 -a", "-H 10.0.9.8 -a -T 100", "-H fd00:2::2 -6 -n 2 -i 50",
            "-H 10.0.2.2 -b 1000 -S 10.0.1.1 -I r",
            "-H 10.0.8.1 -n 1", "-H 10.0.2.2 -n 2 -i 50 -w 0.000001,100% -c 900,100%",
        ])
    func checkFping(_ command: String) throws {
        let lab = try Self.lab()
        let arguments = [pluginPath] + command.split(separator: " ").map(String.init)
        let theirs = try lab["a"].run { try run(arguments) }
        let ours = try lab["a"].run { try run(Self.inPlace + arguments) }
        #expect(ours.status == theirs.status)
        #expect(Self.normalised(ours.output) == Self.normalised(theirs.output))
    }

    /// SmokePing's own probe, called as it calls it, by a few lines in place of its daemon.
    @Test(.enabled(if: isThere(probePath), "needs SmokePing"))
    func smokePing() throws {
        let lab = try Self.lab()
        let script = """
            package Smokeping::probes::basefork; sub new { bless $_[1], $_[0] } sub increment_rounds_count {}
            sub rounds_count { 1 } sub do_log {} sub do_debug {} sub addresses { $_[0]{addresses} }
            sub addlookup {} sub pings { 4 } $INC{'Smokeping/probes/basefork.pm'} = $INC{'Smokeping/probes/base.pm'} = 1;
            package Smokeping::probes::base; our @ISA = 'Smokeping::probes::basefork';
            package main; require '\(probePath)';
            my @hosts = ('10.0.2.2', '10.0.9.8', '10.0.1.2');
            my $probe = Smokeping::probes::FPing->new({ addresses => \\@hosts,
                addrlookup => { map { $_ => [$_] } @hosts },
                properties => { binary => '/usr/bin/fping', protocol => 4, packetsize => 56, timeout => 0.5, mininterval => 0.01,
                    hostinterval => 0.1, tos => '0x20' } });
            $probe->ping;
            print "$_ ", scalar @{$probe->{rtts}{$_}}, " ", (grep { $_ > 0 && $_ < 0.5 } @{$probe->{rtts}{$_}}) + 0, "\\n" for @hosts;
            """
        for wrapper in [[], Self.inPlace] {
            let result = try lab["a"].run { try run(wrapper + ["perl", "-e", script]) }
            #expect(result == CommandResult(status: 0, output: "10.0.2.2 4 4\n10.0.9.8 0 0\n10.0.1.2 4 4\n"))
        }
    }

    /// Runs a program that sees swping where fping was.
    private static let inPlace = [
        "unshare", "--mount", "sh", "-c", "mount --bind \"$0\" \"$(readlink -f /usr/bin/fping)\" && exec \"$@\"",
        ToolCommand.path(of: "swping"),
    ]

    // MARK: Helpers

    private static let programs = [[ToolCommand.path(of: "swping"), "--as", "fping"], ["fping"]]

    private static func lab() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["a"].exec("ip", "route", "add", "unreachable", "10.0.8.0/24")
        try lab["r"].exec("ip", "route", "add", "blackhole", "10.0.9.8/32")
        try lab["r"].exec("ip", "-6", "route", "add", "unreachable", "fd00:9::8/128")
        try lab["b"].addAddress("10.0.2.10/24", to: "r")
        try lab["b"].nft(
            """
            add table inet lab
            add chain inet lab input { type filter hook input priority 0; }
            add rule inet lab input ip daddr 10.0.2.10 reject with icmp type admin-prohibited
            """)
        return lab
    }

    /// Both on one command line.
    private static func results(
        _ lab: NamespaceLab, _ arguments: [String], files: [String: String] = [:], input: String = ""
    ) throws -> (ours: CommandResult, theirs: CommandResult) {
        let results = try programs.map { try result(lab, $0 + arguments, files: files, input: input) }
        return (results[0], results[1])
    }

    private static func result(
        _ lab: NamespaceLab, _ arguments: [String], files: [String: String] = [:], input: String = ""
    ) throws -> CommandResult {
        var command = ToolCommand("swping")
        command.path = arguments[0]
        command.arguments = Array(arguments.dropFirst())
        command.files = files
        command.input = Array(input.utf8)
        let ready = command
        return try lab["a"].run { try ready.run() }
    }

    /// The lines without times. What has more than one point is an address.
    private static func normalised(_ text: String) -> [String] {
        text.split(separator: "\n").map { line in
            String(
                line.replacing(#/(min|avg|max) = [0-9]{4,}/#) { "\($0.output.1) = N" }
                    .replacing(#/[0-9]+(\.[0-9]+)+/#) { $0.output.0.count { $0 == "." } == 1 ? "N" : $0.output.0 }
                    .replacing(#/\[[0-9]{2}:[0-9]{2}:[0-9]{2}\]/#, with: "[T]"))
        }
    }

    private static func withoutNumbers(_ line: String) -> String { line.replacing(#/[0-9]+/#, with: "#") + "|" }
}

private let pluginPath = "/usr/lib/nagios/plugins/check_fping"
private let probePath = "/usr/share/perl5/Smokeping/probes/FPing.pm"

private func isThere(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }
