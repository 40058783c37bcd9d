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
        var options = Options()
        let operands: [String]
        do throws(UsageError) {
            switch try Options.table.parse(CommandLineArguments.operandsAndOptions, into: &options) {
            case .print(let text):
                output.write(text)
                return 0
            case .run(let given): operands = given
            }
        } catch {
            throw ToolFailure(error.message, speaker: error.tool)
        }
        if options.wantsMethodHelp {
            output.write(MethodOptions.help)
            return 0
        }
        guard !operands.isEmpty else { throw ToolFailure("too few operands: needs HOST [SIZE] (see swtrace --help)") }
        let size = try operands.count > 1 ? packetLength(operands[1], options) : nil
        try check(options)
        try options.settleVersion(operands[0])

        let selection = try TransportSelection.openAndDropRights(request(options, host: operands[0], size))
        let notice = selection.notice(program: name)
        let rung = selection.transport.rung
        try options.checkRung(rung, selection.refusedSettings)
        let versions = selection.transport.versions
        if let notice {
            reportLine(notice, from: name)
        } else if options.isVerbose {
            reportLine("using \(rung) sockets", from: name)
        }

        let host = try resolve(operands[0], options, versions)
        try options.checkSize(size, to: host.address)
        let session = try TraceSession(
            host: host.name, host.address, size: size, options, over: selection.transport, note: notice)
        return try session.run(over: selection.take(), &output)
    }

    /// What the parser can't see: options that exclude each other.
    private static func check(_ options: Options) throws(ToolFailure) {
        if options.firstHop > options.maximumHop {
            throw ToolFailure("option -f: \(options.firstHop) is more than the last hop, \(options.maximumHop) (-m)")
        }
        try options.checkProbes()
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
        _ options: Options, host: String, _ size: Int?
    ) throws(ToolFailure) -> TransportRequest {
        var request = TransportRequest(method: options.method)
        request.payloadLength = size ?? TraceSession.payloadLength
        request.dontFragment = options.dontFragment
        request.highestRung = options.leastRung
        request.settings = options.socketSettings
        request.flows = options.flows
        request.purpose = options.purpose
        let address = try? Resolver.numericAddress(host)
        request.versions = (options.version ?? address?.version).map { [$0] } ?? [.v4, .v6]
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

    private static func resolve(
        _ host: String, _ options: Options, _ versions: [IPVersion]
    ) throws(ToolFailure) -> (name: String, address: IPAddress) {
        let resolved: [ResolvedHost]
        do throws(Errno) {
            resolved = try Resolver.resolve(hosts: [host], family: options.version, usable: versions)
        } catch {
            throw ToolFailure("cannot ask for names: \(error)")
        }
        switch resolved[0].address {
        case .success(let address): return (host, address)
        case .failure(let error): throw ToolFailure(SafeText("\(error)").description)
        }
    }
}
