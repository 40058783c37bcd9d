import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// The options for what is in the packets of swping and how its sockets are set: what is taken, and what is refused.
@Suite(.waiting) struct PacketOptionTests {
    private static let flowLabel = "is not a flow label from 0 to fffff in hexadecimal"
    private static let trafficClass = "is not a number from 0 to 255 (0x0 to 0xff), nor the name of a DSCP"
    private static let pattern = "is not 1 to 16 bytes in hexadecimal"
    private static let timestamps = "is not tsonly, tsandaddr or tsprespec=A,B,... of up to 4 IPv4 addresses"
    private static let interface = "is not an address or an interface of this host"

    static let mistakes: [BadInputTests.Mistake] = [
        .init("-p", "xy", "h", line: "option -p: 'xy' \(pattern)"),
        .init("-p", "", "h", line: "option -p: '' \(pattern)"),
        .init(
            "-p", "000102030405060708090a0b0c0d0e0f10", "h",
            line: "option -p: '000102030405060708090a0b0c0d0e0f10' \(pattern)"),
        .init(
            "-p", "0", "--random-data", "h",
            line: "options -p and --random-data exclude each other (see swping --help)"),
        .init("-e", "65536", "h", line: "option -e: '65536' is not a whole number from 0 to 65535 (0x0 to 0xffff)"),
        .init("-Q", "256", "h", line: "option -Q: '256' \(trafficClass)"),
        .init("-Q", "af14", "h", line: "option -Q: 'af14' \(trafficClass)"),
        .init("-Q", "cs8", "h", line: "option -Q: 'cs8' \(trafficClass)"),
        .init("-F", "100000", "h", line: "option -F: '100000' \(flowLabel)"),
        .init("-F", "-1", "h", line: "option -F: '-1' \(flowLabel)"),
        .init("-F", "0x", "h", line: "option -F: '0x' \(flowLabel)"),
        .init("-F", "1", "127.0.0.1", line: "option -F: is for IPv6 only, which 127.0.0.1 is not"),
        .init("-4", "-F", "1", "h", line: "option -F: is for IPv6 only"),
        .init("-M", "never", "h", line: "option -M: 'never' is not one of: do, want, dont, probe"),
        .init("-m", "-1", "h", line: "option -m: '-1' is not a whole number from 0 to 4294967295 (0x0 to 0xffffffff)"),
        .init("-I", "no-such-device", "h", line: "option -I: 'no-such-device' \(interface)"),
        .init("-I", "::1", "-I", "::2", "h", line: "option -I: takes one address"),
        .init("-I", "::1", "127.0.0.1", line: "option -I ::1: is for IPv6 only, which 127.0.0.1 is not"),
        .init("-I", "192.0.2.77", "127.0.0.1", line: "192.0.2.77 is no address of this host"),
        .init("-R", "-T", "tsonly", "h", line: "option -T: only one of -R and -T fits in a header"),
        .init("-R", "::1", line: "option -R: is for IPv4 only, which ::1 is not"),
        .init("-T", "tsonly", "::1", line: "option -T: is for IPv4 only, which ::1 is not"),
        .init("-T", "tsprespec", "h", line: "option -T: 'tsprespec' \(timestamps)"),
        .init("-T", "tsprespec=::1", "h", line: "option -T: 'tsprespec=::1' \(timestamps)"),
        .init("-T", "tsprespec=1.1.1.1,", "h", line: "option -T: 'tsprespec=1.1.1.1,' \(timestamps)"),
        .init("-r", "::1", line: "option -r: is for IPv4 only, which ::1 is not"),
        .init("-C", "127.0.0.1", "127.0.0.2", line: "option -C: takes one host"),
        .init("-S", "0", "h", line: "option -S: '0' is not a whole number from 1 to 1073741823"),
        .init(
            "-N", "name", "::1",
            line: "option -N: node information queries (RFC 4620) are not made: hosts answer them no more"),
        .init(
            "-R", "-s", "65468", "127.0.0.1",
            line: "option -s: 65468 is too much for 127.0.0.1: IPv4 takes at most 65467"),
    ]

    @Test(arguments: mistakes)
    func mistakesAreNamed(mistake: BadInputTests.Mistake) throws {
        var command = ToolCommand("swping")
        command.arguments = mistake.arguments
        let result = try command.run()
        // An unprivileged test says first which sockets it has.
        #expect(result.errors.hasSuffix("swping: \(mistake.line)\n"), "\(result.errors)")
        #expect(result.output.isEmpty)
        #expect(result.status == 2)
    }

    // MARK: In a network

    private static let asRoot = "leave out --rung"
    private static let asUser = "run it as root, or once: sudo setcap cap_net_raw+p $(command -v swping)"

    /// What a rung or a user can't do: options and host, and the line. Nothing is sent for it.
    static let refusals: [(arguments: String, userID: UInt32?, line: String)] = [
        ("--rung ping -e 0 10.0.1.2", nil, "option -e 0: needs raw sockets (here: ping sockets; \(asRoot))"),
        ("--rung udp -e 7 10.0.1.2", nil, "option -e: needs raw or ping sockets (here: UDP sockets; \(asRoot))"),
        ("--udp -e 7 10.0.1.2", nil, "option -e: needs raw or ping sockets (here: UDP sockets; leave out --udp)"),
        ("-e 0 10.0.1.2", 65_534, "option -e 0: needs raw sockets (here: ping sockets; \(asUser))"),
        ("-m 7 10.0.1.2", 65_534, "option -m: needs CAP_NET_RAW or CAP_NET_ADMIN (\(asUser))"),
        ("-m 7 fd00:1::2", 65_534, "option -m: needs CAP_NET_RAW or CAP_NET_ADMIN (\(asUser))"),
        ("-d 10.0.1.2", 65_534, "option -d: needs CAP_NET_ADMIN (run it as root)"),
        ("-S 999999999 10.0.1.2", 65_534, "option -S: more than net.core.wmem_max allows"),
        ("10.0.1.255", nil, "Do you want to ping broadcast? Then -b. If not, check your local firewall rules"),
        (
            "10.0.1.2 255.255.255.255", nil,
            "Do you want to ping broadcast? Then -b. If not, check your local firewall rules"
        ),
        (
            "-b -i 0.9 10.0.1.255", 65_534,
            "option -i: less than 1 second to a broadcast or multicast address is only for root"
        ),
        (
            "-i 0.9 ff02::1%b", 65_534,
            "option -i: less than 1 second to a broadcast or multicast address is only for root"
        ),
        (
            "-M want 224.0.0.1", 65_534,
            "option -M: other than do to a broadcast or multicast address is only for root"
        ),
        (
            "-B --rung ping fd00:1::2 fe80::1%b", nil,
            "option -B: needs raw sockets for hosts that are reached from several IPv6 addresses "
                + "(here: ping sockets; \(asRoot))"
        ),
    ]

    @Test(
        .enabled(
            if: NamespaceLab.isAvailable && ToolCommand.canChangeUser, "needs root, ip(8) and setpriv(1)"))
    func whatCannotBeDoneIsRefusedByName() throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.0.1", "fd00:1")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let tool = try InstalledTool("swping")
        let capture = try lab["b"].run { try Socket(family: .packet, type: .datagram, protocol: .allFrames) }
        for refusal in Self.refusals {
            var command = ToolCommand(tool, "-n", "-c1", "-W0.1")
            command.arguments += refusal.arguments.split(separator: " ").map(String.init)
            command.userID = refusal.userID
            let result = try lab["a"].run { try command.run() }
            #expect(
                result.errors.hasSuffix("swping: \(refusal.line)\n"), "\(refusal.arguments): \(result.errors)")
            #expect(result.status == 2 && result.output.isEmpty, "\(refusal.arguments): \(result)")
        }
        var buffer = [UInt8](repeating: 0, count: 2_048)
        while let packet = try capture.receive(into: &buffer) {
            let isProbe = buffer[0] == 0x45 || (buffer[0] >> 4 == 6 && [17, 128].contains(buffer[40]))
            #expect(!isProbe, "\(buffer.prefix(packet.count))")
        }
    }

    /// Options that give their fields to the packet, glued and in clusters as getopt takes them.
    @Test(
        .enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"),
        arguments: ["raw", "ping", "udp"], ["10.0.1.2", "fd00:1::2"])
    func optionsReachThePacket(rung: String, address: String) throws {
        let isV6 = address.contains(":")
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.0.1", "fd00:1")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        let capture = try lab["b"].run { try Socket(family: .packet, type: .datagram, protocol: .allFrames) }
        var command = ToolCommand("swping", "--rung", rung, "-nBCdbLc1", "-Qef", "-pdecaf0", "-Mdo", "-Ib", "-S5000")
        command.arguments += isV6 ? ["-F0xabcde", "-Ifd00:1::1"] : ["-rR", "-I10.0.1.1"]
        if rung != "udp" { command.arguments.append("-e0x4d2") }
        command.arguments.append(address)
        let result = try lab["a"].run { try command.run() }
        #expect(result.status == 0 && result.errors.split(separator: "\n").allSatisfy { $0.contains("using ") })
        #expect(result.output.contains("1 packets transmitted, 1 received"), "\(result)")
        var buffer = [UInt8](repeating: 0, count: 2_048)
        var probes: [[UInt8]] = []
        while let received = try capture.receive(into: &buffer) {
            let packet = Array(buffer.prefix(received.count))
            let message = packet.dropFirst(isV6 ? 40 : Int(packet[0] & 0xf) * 4)
            let proto = packet[isV6 ? 6 : 9]
            guard packet[0] >> 4 == (isV6 ? 6 : 4), proto == 17 || message.first == (isV6 ? 128 : 8) else { continue }
            probes.append(packet)
            #expect(message.suffix(42).elementsEqual((14..<56).map { [0xde, 0xca, 0xf0][$0 % 3] }))
            if rung != "udp" { #expect(message.dropFirst(4).prefix(2).elementsEqual([0x04, 0xd2])) }
        }
        let probe = try #require(probes.first)
        #expect(probes.count == 1)
        if isV6 {
            let header = try IPv6Header(parsing: probe.bytes)
            #expect(header.trafficClass == 0xb8 && header.flowLabel == 0xabcde)
        } else {
            let header = try IPv4Header(parsing: probe.bytes)
            #expect(header.trafficClass == 0xb8 && header.dontFragment && header.options.first == 7)
        }
    }
}
