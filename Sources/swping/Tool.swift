import CommandLineOptions
import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

@main
struct Tool {
    static let name = "swping"

    static func main() {
        exit(runTool(name) { output throws(ToolFailure) in try run(&output) })
    }

    /// Options, rights, sockets, names, measurement, exit status.
    private static func run(_ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        var arguments = CommandLineArguments.operandsAndOptions
        switch try Persona.of(CommandLineArguments.programName, &arguments) {
        case .swping: break
        case .fping(let program): return FpingTool.run(as: program, arguments, &output)
        case .ping(let program): return PingTool.run(as: program, arguments, &output)
        }
        var options = Options()
        var hosts: [String]
        do throws(UsageError) {
            switch try Options.table.parse(arguments, into: &options) {
            case .print(let text):
                output.write(text)
                return 0
            case .run(let operands): hosts = operands
            }
        } catch {
            throw ToolFailure(error.message, speaker: error.tool)
        }
        if !options.isDiagnosing, options.isSweep(hosts) { return try sweep(options, hosts, &output) }
        try options.settleConditions(ofSweep: false)
        options.isMany = !options.isDiagnosing && options.isMany(hosts)
        options.isPacedByDefault = options.isMany && options.hasUnnamedTargets(hosts)
        try check(options, hosts)
        if options.wantsTimestamps { options.version = .v4 }
        try options.settlePacketOptions(&hosts)
        if options.isDiagnosing { return try diagnose(options, &output) }

        var many = options.isMany ? try ManyTargets(hosts, options) : nil
        guard many?.mayHaveSome ?? true else { return 2 }
        var capture: CaptureFile?
        let selection = try TransportSelection.openAndDropRights(request(options, hosts, many)) {
            () throws(ToolFailure) in
            try many?.open()
            if let path = options.captureFile { capture = try CaptureFile(path, shownAs: SafeText(path).description) }
        }
        let notice = selection.notice(program: name)
        let rung = selection.transport.rung
        try OptionRefusals.check(options, rung: rung, selection.refusedSettings)
        let method = selection.transport.method
        let versions = selection.transport.versions
        if let notice, !options.isQuiet || rung == .udp {
            reportLine(notice, from: name)
        } else if options.isVerbose {
            reportLine("using \(rung) sockets", from: name)
        }
        warnOfLimits(options, rung, method)

        let (targets, failed) = try resolve(hosts, &many, options, versions)
        let addresses = targets.addresses
        guard !addresses.isEmpty else {
            if !failed { reportLine("there are no targets", from: name) }
            return 2
        }
        try options.checkFlood(of: addresses)
        let broadcasts = try options.broadcasts(among: addresses, selection.transport)
        try options.checkConnection(to: addresses, broadcasts)
        try options.checkSlots(of: addresses.count)
        let session = try EchoSession(
            targets: targets, options: options, rung: rung, note: notice, method: method, broadcasts: broadcasts)
        var transport = selection.take()
        if !options.wantsKernelStamps(hosts: addresses.count) { try stopStamping(&transport) }
        try options.checkSources(of: addresses, &transport)
        if options.isConnected, let address = addresses.first { try connect(&transport, to: address) }
        let status = try session.run(over: transport, capturing: capture, &output)
        return failed || capture?.isIntact == false ? 2 : status
    }

    /// What the parser can't see: options that exclude each other, and limits for those who are not root.
    private static func check(_ options: Options, _ hosts: [String]) throws(ToolFailure) {
        if options.isDiagnosing, let host = hosts.first {
            throw ToolFailure("option --diagnose takes no HOST, such as \(OptionTable<Options>.quoted(host))")
        }
        let goesWithDiagnosis = { (argument: String) in
            argument == "-j" || ["--json", "--diagnose"].contains { $0.hasPrefix(argument) }
        }
        if options.isDiagnosing,
            let other = CommandLineArguments.operandsAndOptions.first(where: { !goesWithDiagnosis($0) })
        {
            throw ToolFailure(
                "option --diagnose goes with --json only, not with \(OptionTable<Options>.quoted(other))")
        }
        guard options.isDiagnosing || !hosts.isEmpty || options.sweep.targetsFile != nil else {
            throw ToolFailure("too few operands: needs HOST... (see swping --help)")
        }
        if options.isDual, let version = options.version {
            throw ToolFailure("options --dual and -\(version.rawValue) exclude each other (see swping --help)")
        }
        try options.checkMeans()
        try options.checkNames()
        try options.checkSchedule()
        try options.checkCounting()
        if options.wantsTimestamps { try checkTimestamps(options, hosts) }
        let maximumHosts = options.isOneGrid ? maximumHosts : EchoSweep.maximumHistograms
        guard hosts.count <= maximumHosts else {
            throw ToolFailure(
                "\(hosts.count) hosts are too many: at most \(maximumHosts) at once"
                    + (options.isOneGrid ? "" : " with these options"))
        }
    }

    private static func connect(_ transport: inout ProbeTransport, to host: IPAddress) throws(ToolFailure) {
        do throws(Errno) {
            try transport.connect(to: host)
        } catch {
            throw ToolFailure("option -C: cannot connect to \(host): \(error) (\(error.name))")
        }
    }

    /// What can't be had together with ICMP timestamps.
    private static func checkTimestamps(_ options: Options, _ hosts: [String]) throws(ToolFailure) {
        let excluded = [
            (options.wantsUDP, "--udp"), (options.version == .v6, "-6"), (options.port != nil, "--port"),
            (options.highestRung != .raw, "--rung \(options.highestRung)"),
            (options.payloadLength != Options().payloadLength, "-s"), (!options.pattern.isEmpty, "-p"),
            (options.hasRandomData, "--random-data"),
            (options.isUserToUser, "-U"),
        ]
        for (isGiven, option) in excluded where isGiven {
            throw ToolFailure("options --icmp-timestamp and \(option) exclude each other (see swping --help)")
        }
        for host in hosts where (try? Resolver.numericAddress(host))?.version == .v6 {
            throw ToolFailure("option --icmp-timestamp: ICMP has timestamps over IPv4 only, not to \(SafeText(host))")
        }
    }

    /// More targets came out of a file or a name than can have the kernel's stamps.
    private static func stopStamping(_ transport: inout ProbeTransport) throws(ToolFailure) {
        do throws(Errno) {
            try transport.stopStamping()
        } catch {
            throw ToolFailure("the system refuses to go on: \(error) (\(error.name))")
        }
    }

    private static func request(_ options: Options, _ hosts: [String], _ many: ManyTargets?) -> TransportRequest {
        var request = TransportRequest(
            method: options.wantsUDP ? .udp(destinationPort: options.port ?? Options.echoPort) : .icmpEcho)
        request.payloadLength = options.payloadLength
        request.source = options.source
        request.settings = options.socketSettings
        request.wantsKernelStamps = options.wantsKernelStamps(hosts: many?.leastCount ?? hosts.count)
        if options.isOneGrid, many != nil || !request.wantsKernelStamps { request.batch = timedBatch }
        request.hasManyDestinations = many != nil || hosts.count > mostAskedFor
        request.expectsSilentNeighbours = many != nil
        // An echo over UDP is the same with every right, and a socket of one's own hears the answers.
        request.highestRung = options.wantsUDP ? .udp : options.highestRung
        if !options.wantsUDP, !options.wantsICMP {
            request.fallback = .udp(destinationPort: options.port ?? Options.fallbackPort)
        }
        if options.wantsTimestamps {
            request.method = .icmpTimestamp
            request.needsRaw = ("--icmp-timestamp", "swping")
            request.versions = [.v4]
            request.fallback = nil
            return request
        }
        request.versions = options.version.map { [$0] } ?? many?.versions ?? Resolver.versions(of: hosts)
        return request
    }

    /// The targets that have an address; a line on standard error for each of the others.
    private static func resolve(
        _ hosts: [String], _ many: inout ManyTargets?, _ options: Options, _ versions: [IPVersion]
    ) throws(ToolFailure) -> (targets: EchoTargets, failed: Bool) {
        if let targets = try many?.read(usable: versions) { return (targets, (many?.missed ?? 0) > 0) }
        if options.isDual, let version = options.version {
            throw ToolFailure("option --dual: another option asks for IPv\(version.rawValue) only")
        }
        let resolved: [ResolvedHost]
        do throws(Errno) {
            resolved =
                options.isDual
                ? try Resolver.resolveDual(hosts: hosts, usable: versions)
                : try Resolver.resolve(hosts: hosts, family: options.version, usable: versions)
        } catch {
            throw ToolFailure("cannot ask for names: \(error)")
        }
        var targets: [ResolvedHost] = []
        targets.reserveCapacity(resolved.count)
        for host in resolved {
            switch host.address {
            case .failure(let error): reportLine(SafeText("\(error)").description, from: name)
            case .success(.v4) where options.payloadLength > options.maximumPayload:
                reportLine(
                    "option -s: \(options.payloadLength) is too much for \(SafeText(host.name)): "
                        + "IPv4 takes at most \(options.maximumPayload)", from: name)
            case .success: targets.append(host)
            }
        }
        if options.isDual { tellSingles(resolved, versions) }
        if !targets.isEmpty { try options.checkNames(among: targets) }
        return (EchoTargets(targets, options), targets.count < resolved.count)
    }

    /// A line for each name that stands there with one version only.
    private static func tellSingles(_ hosts: [ResolvedHost], _ versions: [IPVersion]) {
        for (index, host) in hosts.enumerated() {
            guard !host.isNumeric, case .success(let address) = host.address,
                !(index > 0 && hosts[index - 1].isPair(with: host)),
                !(index + 1 < hosts.count && host.isPair(with: hosts[index + 1]))
            else { continue }
            let missing = address.version == .v4 ? IPVersion.v6 : .v4
            let who = versions.contains(missing) ? SafeText(host.name).description : "this host"
            reportLine(
                "\(who) has no IPv\(missing.rawValue) address: asking \(SafeText(host.name)) over "
                    + "IPv\(address.version.rawValue) only", from: name)
        }
    }

    /// Many hosts send about one "port unreachable" a second: faster UDP probes look like loss.
    private static func warnOfLimits(_ options: Options, _ rung: Rung, _ method: ProbeMethod) {
        guard case .udp = method, options.interval < 1_000_000_000 else { return }
        reportLine(
            "UDP probes faster than one a second: a host that limits its ICMP errors (Linux: one a second after six) "
                + "leaves some unanswered, which counts as loss", from: name)
    }

    /// So many probes share a time of sending of this process: more would save little and blur round trips.
    private static let timedBatch = 8
    /// To the routes of so many hosts the questions cost little.
    static let mostAskedFor = 16
    /// Memory stays bounded.
    static let maximumHosts = 1 << 20
}
