import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// What swtrace's methods and their options put on the wire, and what it makes of the answers of real kernels.
@Suite(.waiting, .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct SwtraceMethodTests {
    /// Options behind the tool's name, and the bytes in angle brackets behind the target.
    private static let ways: [(options: String, flags: String?)] = [
        ("-P 253", nil), ("-P sctp", nil), ("-P gre", nil), ("-P ospf", nil), ("-M raw", nil), ("-O protocol=112", nil),
        ("--flow dublin", nil), ("-U --flow dublin", nil), ("-T --flow classic", nil), ("-I --flow classic", nil),
        ("-T -O ack,info", "<rst>"), ("-T -O info", "<rst,ack>"), ("-T -O fin,info", "<rst,ack>"),
        ("-T -O flags=0,info", "<rst,ack>"), ("-T -O ecn,info", "<rst,ack>"), ("-T -O sysctl", nil),
        ("-T -O sack,timestamps,window_scaling,mss=536", nil), ("--sport 5353", nil), ("-T --sport 88", nil),
        ("-P 6", nil), ("-P icmp", nil), ("-i r1 -t 0x40", nil), ("--fwmark 7", nil), ("-d", nil), ("-I -O raw", nil),
        ("-I -O dgram", nil), ("--sport 5353 --rung udp", nil), ("-i r1 --rung udp", nil), ("-M default", nil),
    ]

    @Test(arguments: SwtraceTests.targets)
    func everyMethodFindsThePath(address: String) throws {
        let lab = try SwtraceTests.chain()
        for (options, flags) in Self.ways {
            let result = try run(lab, "\(options) \(address)")
            let rows = TraceRow.rows(of: result.output)
            let path = SwtraceTests.path(to: address)
            #expect(rows.map { $0.responders.first } == path, "\(options): \(result)")
            #expect(rows.allSatisfy { $0.times == 3 }, "\(options): \(result.output)")
            #expect(
                rows.last?.responders.dropFirst().first == nil && rows.last?.annotations == (flags.map { [$0] } ?? []))
            #expect(result.status == 0, "\(options)")
        }
    }

    /// A target that has the protocol answers in it; one on this host is the probe's own arrival.
    @Test func ownAddressesAreReached() throws {
        let lab = try SwtraceTests.chain()
        for address in ["10.0.1.1", "127.0.0.1", "fd00:1::1", "::1"] {
            for options in ["-P 253", "-P ospf", "-T -O ack", "--flow dublin", "-T --flow classic"] {
                let result = try run(lab, "\(options) \(address)")
                #expect(TraceRow.rows(of: result.output).map(\.responders) == [[address]], "\(options): \(result)")
                #expect(result.status == 0)
            }
        }
    }

    @Test func aSourceRouteIsGone() throws {
        let lab = try SwtraceTests.chain()
        for (node, devices) in [
            ("a", ["r1"]), ("r1", ["a", "r2"]), ("r2", ["r1", "r3"]), ("r3", ["r2", "b"]), ("b", ["r3"]),
        ] {
            for device in ["all"] + devices { try lab[node].set("net.ipv4.conf.\(device).accept_source_route", "1") }
        }
        for options in [
            "-g 10.0.1.2", "-g 10.0.2.2 -I", "-g 10.0.1.2,10.0.3.2", "-g 10.0.2.2 -T", "-P 253 -g 10.0.1.2",
        ] {
            let result = try run(lab, "\(options) 10.0.4.2")
            let rows = TraceRow.rows(of: result.output)
            #expect(rows.map(\.responders).last == ["10.0.4.2"], "\(options): \(result)")
            #expect(rows.count == 4 && rows.allSatisfy { $0.times == 3 }, "\(options): \(result.output)")
            #expect(result.output.contains(" 68 byte packets") || !options.hasSuffix("1.2"), "\(result.output)")
            #expect(result.status == 0)
        }
    }

    // MARK: The wire

    /// All probes of a trace as the first router saw them.
    private func probes(_ options: String, to address: String) throws -> [QuotedPacket] {
        let lab = try SwtraceTests.chain()
        let capture = try lab["r1"].run { () throws -> Socket in
            let socket = try Socket(family: .packet, type: .datagram, protocol: .allFrames)
            try socket.set(.receiveBufferSize, to: 1 << 20)
            return socket
        }
        let result = try run(lab, "\(options) \(address)")
        #expect(result.status == 0, "\(result)")
        let version: IPVersion = address.contains(":") ? .v6 : .v4
        let target = try #require(IPAddress(address))
        var probes: [QuotedPacket] = []
        // Each is seen twice, coming and going on.
        var seen: Set<QuotedPacket> = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while let packet = try capture.receive(into: &buffer) {
            guard var found = try? QuotedPacket(parsing: Array(buffer.prefix(packet.count)).bytes, version: version),
                found.destination == target
            else { continue }
            found.hopLimit = 0
            if seen.insert(found).inserted { probes.append(found) }
        }
        #expect(probes.count >= 6)
        return probes
    }

    @Test(arguments: SwtraceTests.targets)
    func flowsAreWhatTheyAreCalled(address: String) throws {
        let isV6 = address.contains(":")
        for options in ["", "-U", "--sport 4321", "-I", "-T", "-P sctp"] {
            let probes = try probes(options, to: address)
            #expect(Set(probes.map(\.head)).count == 1, "\(options)")
            #expect(Set(probes.map(\.flowLabel)) == [0])
        }
        let paris = try probes("", to: address).compactMap(\.udp)
        #expect(Set(paris.map(\.checksum)).count == paris.count && paris.allSatisfy { (1...300).contains($0.checksum) })
        let dublin = try probes("--flow dublin", to: address)
        #expect(Set(dublin.compactMap(\.udp?.checksum)).count == 1)
        #expect(Set(dublin.map(\.identification)).count == (isV6 ? 1 : dublin.count))
        #expect(Set(dublin.map(\.totalLength)).count == (isV6 ? dublin.count : 1))
        #expect(dublin.allSatisfy { $0.dontFragment != isV6 })
        let ports = try probes("-T --flow classic", to: address).compactMap(\.tcp?.sourcePort)
        #expect(Set(ports).count == ports.count)
        let classic = try probes("--flow classic", to: address).compactMap(\.udp?.destinationPort)
        #expect(Set(classic).count == classic.count && classic.contains(33_434))
        let checksums = try probes("-I --flow classic", to: address).map(\.head)
        #expect(Set(checksums).count > 1)
    }

    @Test(arguments: SwtraceTests.targets)
    func segmentsAreWhatWasAskedFor(address: String) throws {
        for (options, flags, header) in [
            ("", [.syn], [.maximumSegmentSize(1_460)]), ("-O ack", [.ack], []), ("-O syn,ack", [.syn, .ack], nil),
            ("-O ecn", [.syn, .ece, .cwr], nil), ("-O flags=0x29", [.fin, .psh, .urg], []),
            ("-O fin -O psh,urg", [.fin, .psh, .urg], []),
            (
                "-O sack,timestamps,window_scaling,mss=1000", [.syn],
                [
                    .maximumSegmentSize(1_000), .selectiveAcknowledgmentPermitted, .timestamps(value: 1, echoReply: 0),
                    .noOperation, .windowScale(7),
                ]
            ),
            ("-O timestamps,ack", [.ack], [.noOperation, .noOperation, .timestamps(value: 1, echoReply: 0)]),
            (
                "-O sack", [.syn],
                [.maximumSegmentSize(1_460), .noOperation, .noOperation, .selectiveAcknowledgmentPermitted]
            ),
        ] as [(String, TCPHeader.Flags, TCPOptions?)] {
            let probes = try probes("-T \(options)", to: address).compactMap(\.tcp)
            #expect(Set(probes.map(\.flags)) == [flags], "\(options)")
            if let header {
                #expect(try Set(probes.map { try TCPOptions(parsing: $0.options.bytes) }) == [header], "\(options)")
            }
            #expect(Set(probes.map(\.sequenceNumber)).count == probes.count)
        }
    }

    // MARK: Refusals

    private static let asUser = "run it as root, or once: sudo setcap cap_net_raw+p $(command -v swtrace)"

    /// What a user, a rung or the command line itself can't do, and how the line begins. Nothing is sent for it.
    private static let refusals: [(arguments: String, userID: UInt32?, line: String)] = [
        ("-P 253", 65_534, "option -P: needs raw sockets (raw: EPERM; \(asUser))"),
        ("-g 10.0.1.2", 65_534, "option -g: needs raw sockets (raw: EPERM; \(asUser))"),
        ("-g 10.0.1.2 --rung udp", nil, "option -g: needs raw sockets (leave out --rung)"),
        ("--flow dublin", 65_534, "option --flow dublin: needs raw sockets (here: UDP sockets; \(asUser))"),
        (
            "--flow dublin --rung udp", nil,
            "option --flow dublin: needs raw sockets (here: UDP sockets; leave out --rung)"
        ),
        ("-I -O raw", 65_534, "option -O raw: needs raw sockets (here: ping sockets; \(asUser))"),
        ("--sport 53", 65_534, "cannot send from port 53: Permission denied (EACCES); below 1024 it needs root"),
        ("--fwmark 7", 65_534, "option --fwmark: needs CAP_NET_RAW or CAP_NET_ADMIN (\(asUser))"),
        ("-d", 65_534, "option -d: needs CAP_NET_ADMIN (run it as root)"),
        ("-D", nil, "option -D: probes of DCCP (RFC 4340) are not spoken here, "),
        ("-UL", nil, "option -L: probes of UDP-Lite (RFC 3828) are not spoken here, "),
        ("-M dccp", nil, "option -M: probes of DCCP (RFC 4340) are not spoken here, "),
        ("-M udplite", nil, "option -M: probes of UDP-Lite (RFC 3828) are not spoken here, "),
        ("-M quic", nil, "option -M: 'quic' is not one of: "),
        ("-O sack", nil, "option -O: 'sack' is for TCP probes (-T)"),
        ("-T -O dgram", nil, "option -O: 'dgram' is for ICMP probes (-I)"),
        ("-T -O mss=500,ack", nil, "option -O: 'mss' stands in a SYN only, and these flags have none"),
        ("-T -O sysctl,ack", nil, "option -O: 'sysctl' stands for all flags and header options, "),
        ("-T -O syn=1", nil, "option -O: 'syn=1' is not an option of a method (see -O help)"),
        ("-T -O mss", nil, "option -O: 'mss' is not an option of a method (see -O help)"),
        ("-T -O flags=256", nil, "option -O: '256' is not a whole number from 0 to 255 (0x0 to 0xff)"),
        ("-T -O coverage=8", nil, "option -O: 'coverage=8' is not an option of a method"),
        ("-P 256", nil, "option -P: '256' is not a protocol from 1 to 255, or the name of one"),
        ("-P 253 --flow classic", nil, "option --flow: probes of IP protocol 253 have nothing that could differ"),
        ("-P 253 -p 5", nil, "option -p: probes of IP protocol 253 have no ports"),
        ("-I --sport 5", nil, "option --sport: ICMP has no ports"),
        ("-I -p 5", nil, "option -p: ICMP has no ports"),
        ("--flow dublin --mtu ::1", nil, "option --mtu: --flow dublin gives probes over IPv6 lengths of its own"),
        ("-I --flow dublin", nil, "option --flow: only UDP probes can be dublin"),
        ("-T --flow classic --sport 44", nil, "option --sport: --flow classic sends each TCP probe from another port"),
        ("-l 5", nil, "option -l: is for IPv6 only, which 10.0.1.2 is not"),
        ("-6 -g 10.0.1.2", nil, "option -g: is for IPv4 only"),
        ("-g fd00::1", nil, "option -g: the routing headers of IPv6 that lead a packet by other routers are given up"),
        ("-g 10.0.1.2,", nil, "option -g: '10.0.1.2,' is not IPv4 addresses with commas between them"),
        ("-i nowhere", nil, "option -i: 'nowhere' is not an interface of this host"),
    ]

    @Test(.enabled(if: ToolCommand.canChangeUser, "needs setpriv(1)"))
    func whatCannotBeDoneIsRefusedByName() throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.0.1", "fd00:1")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let tool = try InstalledTool("swtrace")
        let capture = try lab["b"].run { try Socket(family: .packet, type: .datagram, protocol: .allFrames) }
        for refusal in Self.refusals {
            var command = ToolCommand(tool, "-n")
            command.arguments += refusal.arguments.split(separator: " ").map(String.init) + ["10.0.1.2"]
            command.userID = refusal.userID
            let result = try lab["a"].run { try command.run() }
            let line = result.errors.split(separator: "\n").last ?? ""
            #expect(line.hasPrefix("swtrace: \(refusal.line)"), "\(refusal.arguments): \(result.errors)")
            #expect(result.status == 2 && result.output.isEmpty, "\(refusal.arguments): \(result)")
        }
        let tooLong = try lab["a"].run { try ToolCommand(tool, "--flow", "dublin", "fd00:1::2", "800").run() }
        #expect(tooLong.errors.hasPrefix("swtrace: SIZE: at most 769 with --flow dublin over IPv6"))
        let help = try lab["a"].run { try ToolCommand(tool, "-O", "help").run() }
        #expect(help.status == 0 && help.output.contains("window_scaling"))
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while let packet = try capture.receive(into: &buffer) {
            #expect(buffer[0] >> 4 != 4, "\(buffer.prefix(packet.count))")
        }
    }

    @Test func aPortThatIsTakenIsRefused() throws {
        let lab = try NamespaceLab("a")
        let result = try lab["a"].run {
            let holder = try Socket(family: .inet, type: .datagram)
            try holder.bind(to: SocketAddress(.v4(.any), port: 7_000))
            return try ToolCommand("swtrace", "--sport", "7000", "127.0.0.1").run()
        }
        #expect(result.errors == "swtrace: cannot send from port 7000: Address already in use (EADDRINUSE)\n")
        #expect(result.status == 2)
    }

    private func run(_ lab: NamespaceLab, _ arguments: String) throws -> CommandResult {
        var command = ToolCommand("swtrace", "-n")
        command.arguments += arguments.split(separator: " ").map(String.init)
        return try lab["a"].run { try command.run() }
    }
}

extension QuotedPacket {
    fileprivate var udp: UDPHeader? { if case .udp(let header) = transport { header } else { nil } }

    fileprivate var tcp: TCPHeader? { if case .tcp(let quote) = transport { quote.header } else { nil } }

    /// The first four octets behind the IP header.
    fileprivate var head: [UInt16] {
        switch transport {
        case .udp(let header): [header.sourcePort, header.destinationPort]
        case .tcp(let quote): [quote.sourcePort, quote.destinationPort]
        case .icmp(let header): [UInt16(header.type.rawValue) << 8 | UInt16(header.code), header.checksum]
        case .other, .truncated: [payload.bytes.uint16(at: 0), payload.bytes.uint16(at: 2)]
        }
    }
}
