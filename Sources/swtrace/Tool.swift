import CommandLineOptions
import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

@main
struct Tool {
    static let name = "swtrace"

    static func main() {
        exit(runTool(name) { output throws(ToolFailure) in try run(&output) })
    }

    /// Options, rights, sockets, name, measurement, exit status.
    private static func run(_ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        var arguments = CommandLineArguments.operandsAndOptions
        let options = try Persona.options(calledAs: CommandLineArguments.programName, &arguments)
        do throws(ToolFailure) {
            return try run(options, arguments, &output)
        } catch {
            return try options.persona.tell(error)
        }
    }

    private static func run(
        _ initial: Options, _ arguments: [String], _ output: inout OutputWriter
    ) throws(ToolFailure) -> Int32 {
        var options = initial
        let persona = options.persona
        var hosts: [String]
        do throws(UsageError) {
            switch try persona.table.parse(arguments, into: &options) {
            case .print(let text):
                output.write(text)
                return 0
            case .run(let operands): hosts = operands
            }
        } catch {
            throw persona.failure(error, arguments)
        }
        persona.settle(&options)
        if options.wantsVersion {
            let (text, isError) = persona.versionLine
            if isError { reportErrors(Array(text.utf8)) } else { output.write(text) }
            return 0
        }
        if options.wantsMethodHelp {
            output.write(MethodOptions.help)
            return 0
        }
        let size =
            persona == .swtrace
            ? try takeSize(from: &hosts, options) : try persona.takeSize(from: &hosts, &options, arguments)
        try check(options, hosts)
        try options.settleVersion(hosts)

        var capture: CaptureFile?
        var files = FindingFiles.none
        let selection = try TransportSelection.openAndDropRights(request(options, hosts, size)) {
            () throws(ToolFailure) in
            files = try FindingFiles(options.findings)
            if let path = options.captureFile { capture = try CaptureFile(path, shownAs: SafeText(path).description) }
        }
        let notice = persona.tellsMeans ? selection.notice(program: name) : nil
        let rung = selection.transport.rung
        try options.checkRung(rung, selection.refusedSettings)
        let versions = selection.transport.versions
        if let notice {
            reportLine(notice, from: name)
        } else if options.isVerbose {
            reportLine("using \(rung) sockets", from: name)
        }

        let (targets, failure) = try resolve(hosts, arguments, options, versions)
        if let failure, targets.isEmpty { return failure }
        for target in targets { try options.checkSize(size, to: target.address) }
        if options.multipath != nil, let caution = options.method.multipathCaution { reportLine(caution, from: name) }
        let desk = try ReportDesk(targets, options, files, capturing: capture)
        let status: Int32
        if let rule = options.multipath {
            let session = MultipathSession(
                targets: targets, size: size, options, rule, desk, over: selection.transport, note: notice)
            status = try desk.run(over: selection.take()) { transport throws(Errno) in
                try session.run(over: transport, &output)
            }
        } else {
            let session = TraceSession(
                targets: targets, size: size, options, files, desk, over: selection.transport, note: notice)
            status = try desk.run(over: selection.take()) { transport throws(Errno) in
                try session.run(over: transport, &output)
            }
        }
        return failure != nil || capture?.isIntact == false ? 2 : status
    }

    /// The last operand, where it is a plain number and a host stands before it: as in traceroute the length of packets.
    private static func takeSize(from operands: inout [String], _ options: Options) throws(ToolFailure) -> Int? {
        guard !operands.isEmpty else {
            throw ToolFailure("too few operands: needs HOST... [SIZE] (see swtrace --help)")
        }
        guard operands.count > 1, let last = operands.last,
            last.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        operands.removeLast()
        return try packetLength(last, options)
    }

    /// What the parser can't see: options that exclude each other.
    private static func check(_ options: Options, _ hosts: [String]) throws(ToolFailure) {
        if options.styles.count > 1 {
            let names = options.styles.map { "--\($0.rawValue)" }
            throw ToolFailure("options \(names[0]) and \(names[1]) exclude each other (see swtrace --help)")
        }
        if options.findsMTU, !PathMTU.supports(options.method) {
            throw ToolFailure("option --mtu: only UDP and ICMP probes can have any length")
        }
        try options.findings.check(findsMTU: options.findsMTU)
        if options.captureFile == "-" {
            throw ToolFailure("option --pcap: standard output has the report; name a file or a pipe")
        }
        guard hosts.count <= maximumHosts else {
            throw ToolFailure("\(hosts.count) hosts are too many: at most \(maximumHosts) at once")
        }
        try options.persona.check(firstHop: options.firstHop, maximumHop: options.maximumHop)
        try options.checkProbes()
        try options.checkMultipath(hosts)
    }

    private static func packetLength(_ text: String, _ options: Options) throws(ToolFailure) -> Int {
        guard options.proto != .tcp else { throw ToolFailure("a SIZE can't be given to TCP probes: a SYN is empty") }
        do throws(OptionError) {
            return try OptionValue(text).wholeNumber(in: 28...65_000)
        } catch {
            throw ToolFailure("SIZE: \(error)")
        }
    }

    private static func request(
        _ options: Options, _ hosts: [String], _ size: Int?
    ) throws(ToolFailure) -> TransportRequest {
        var request = TransportRequest(method: options.method)
        request.payloadLength = size ?? Options.payloadLength
        request.dontFragment = options.dontFragment || options.findsMTU
        if options.findsMTU { request.payloadLength = longestPacket }
        request.hearsRewrittenQuotes = true
        request.highestRung = options.leastRung
        request.settings = options.socketSettings
        request.flows = options.flows
        request.needsRaw = options.needsRaw.map { ($0, name) }
        request.versions = options.version.map { [$0] } ?? Resolver.versions(of: hosts)
        if let source = options.source {
            guard let address = try? Resolver.numericAddress(source) else {
                throw ToolFailure("option -s: '\(SafeText(source))' is not an IP address")
            }
            request.source = address
            guard request.versions.contains(address.version) else {
                throw ToolFailure("option -s: \(address) is of another IP version than the host")
            }
            request.versions = [address.version]
        }
        return request
    }

    /// The hosts that have an address; a line on standard error for each of the others, and the exit status for them.
    private static func resolve(
        _ hosts: [String], _ arguments: [String], _ options: Options, _ versions: [IPVersion]
    ) throws(ToolFailure) -> (targets: [(name: String, address: IPAddress)], failure: Int32?) {
        let resolved: [ResolvedHost]
        do throws(Errno) {
            resolved = try Resolver.resolve(hosts: hosts, family: options.version, usable: versions)
        } catch {
            throw ToolFailure("cannot ask for names: \(error)")
        }
        var targets: [(name: String, address: IPAddress)] = []
        var failure: Int32?
        for host in resolved {
            switch host.address {
            case .success(let address): targets.append((host.name, address))
            case .failure(let error): failure = options.persona.tell(error, host.name, arguments)
            }
        }
        return (targets, failure)
    }

    /// No interface takes more.
    private static let longestPacket = 65_535
    /// As many as are told of in the time that somebody waits.
    private static let maximumHosts = 64
}
