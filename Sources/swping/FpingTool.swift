import CommandLineOptions
import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// swping as fping: options, rights, sockets, targets, one of two measurements, exit status.
struct FpingTool {
    private var options = FpingOptions()
    private var operands: [String] = []

    /// - Parameter program: what fping is called in its lines.
    static func run(as program: String, _ arguments: [String], _ output: inout OutputWriter) -> Int32 {
        var tool = FpingTool()
        tool.options.program = program
        if program == "fping6" { tool.options.version = .v6 }
        do throws(ToolFailure) {
            return try tool.run(arguments, &output)
        } catch {
            if !error.line.isEmpty { reportLine(error.line, from: program) }
            return error.status
        }
    }

    private mutating func run(_ arguments: [String], _ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        do throws(UsageError) {
            switch try FpingOptions.table.parse(arguments, into: &options) {
            case .print(let text):
                output.write(text)
                return 0
            case .run(let operands): self.operands = operands
            }
        } catch {
            throw failure(error)
        }
        if options.wantsVersion {
            output.write("\(options.program): Version 5.1 (spoken by \(Tool.name) \(Release.current.version))\n")
            return 0
        }
        options.settle()
        if let refusal = options.refusal { throw ToolFailure(refusal, status: 1) }
        let isFile = options.file != nil
        guard !(isFile && (options.generates || !operands.isEmpty)),
            !options.generates || (1...2).contains(operands.count)
        else { throw misuse() }
        if options.hasWideTrafficClass {
            reportErrors(Array("setting type of service octet IPV6_TCLASS: Invalid argument\n".utf8))
        }
        return try measure(&output)
    }

    /// What fping says about a command line at fault.
    private func failure(_ error: UsageError) -> ToolFailure {
        // What was noted before it comes first.
        if let refusal = options.refusal { return ToolFailure(refusal, status: 1) }
        let name = { (option: String) in String(option.drop { $0 == "-" }) }
        let line: String
        switch error.fault {
        case .unknownOption(let option):
            let isKnown = error.message.hasSuffix("takes no value")
            line = "\(isKnown ? "option takes no arguments" : "invalid option") -- '\(name(option))'"
        case .missingValue(let option, _): line = "option requires an argument -- '\(name(option))'"
        case .badValue, nil: return misuse()
        }
        reportErrors(Array("\(options.program): \(line)\nsee '\(options.program) -h' for usage information\n".utf8))
        return ToolFailure("", status: 1)
    }

    private func misuse() -> ToolFailure {
        reportErrors(Array(FpingOptions.table.help.utf8))
        return ToolFailure("", status: 1)
    }

    // MARK: Sockets and targets

    private mutating func measure(_ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        var words: [String] = options.generates ? [] : operands
        let isStandardInput = operands.isEmpty && (options.file ?? "-") == "-"
        let path = options.file
        let program = options.program
        let selection: TransportSelection
        do throws(ToolFailure) {
            selection = try TransportSelection.openAndDropRights(request) { () throws(ToolFailure) in
                guard let path, path != "-" else { return }
                do throws(Errno) {
                    words = try FpingTargets.words(of: InputFile(path, waits: true))
                } catch {
                    throw ToolFailure("fopen : \(error)", speaker: program, status: 4)
                }
            }
        } catch {
            throw ToolFailure(error.line, status: 4)
        }
        try checkSettings(selection.refusedSettings)
        if isStandardInput {
            do throws(Errno) {
                words = try FpingTargets.words(of: InputFile(sharing: STDIN_FILENO))
            } catch {
                throw ToolFailure("fopen : \(error)", status: 4)
            }
        }
        var targets = FpingTargets(options, usable: selection.transport.versions)
        if options.generates {
            guard try targets.generate(operands) else { throw misuse() }
        } else {
            try targets.append(words)
        }
        guard targets.space.count > 0 else { return targets.unknown > 0 ? 2 : 1 }
        if options.isCounting, targets.space.count > Self.maximumCounted {
            throw ToolFailure("-g parameter generates too many addresses", status: 1)
        }
        try targets.findNames()
        let session = FpingSession(options, targets)
        do throws(Errno) {
            return options.isCounting
                ? try session.count(over: selection.take(), &output) : try session.ask(over: selection.take(), &output)
        } catch {
            throw ToolFailure("the system refuses to go on: \(error) (\(error.name))", status: 4)
        }
    }

    private func checkSettings(_ refusals: [SocketSettings.Refusal]) throws(ToolFailure) {
        guard let refusal = refusals.first else { return }
        if refusal.name == .device {
            // Its spelling is what scripts know.
            reportErrors(Array("binding to specific interface (SO_BINTODEVICE): \(refusal.failure)\n".utf8))
            throw ToolFailure("", status: 1)
        }
        throw ToolFailure("fwmark ioctl: \(refusal.failure)", status: 4)
    }

    private var request: TransportRequest {
        var request = TransportRequest(method: options.wantsTimestamps ? .icmpTimestamp : .icmpEcho)
        request.payloadLength = Int(options.payloadLength)
        request.dontFragment = options.dontFragment
        request.source = options.source
        request.hasManyDestinations =
            options.generates || operands.isEmpty || operands.count > Tool.mostAskedFor
        request.settings.device = options.device
        request.settings.mark = options.mark
        if options.hasRandomData {
            request.settings.content.pattern = randomData(count: Int(options.payloadLength))
        }
        request.wantsKernelStamps = options.wantsKernelStamps
        if options.isCounting, !request.wantsKernelStamps { request.batch = Self.timedBatch }
        if options.wantsTimestamps { request.needsRaw = ("--icmp-timestamp", Tool.name) }
        if let version = options.version ?? options.source?.version {
            request.versions = [version]
        } else if !options.generates, !operands.isEmpty, !options.takesAllAddresses {
            request.versions = Resolver.versions(of: operands)
        }
        return request
    }

    /// So many probes share a time of sending of this process.
    private static let timedBatch = 8
    /// Each has an address, a name and counters.
    private static let maximumCounted: UInt64 = 1 << 20
}

extension FpingOptions {
    /// The gap bounds the rate: a thousand probes a second can afford the kernel's stamps.
    var wantsKernelStamps: Bool { gap >= 1_000_000 }

    /// How long an answer is waited for.
    var patience: TimeSpan {
        if let timeout { return TimeSpan(nanoseconds: timeout) }
        return TimeSpan(nanoseconds: isCounting ? min(period, 2_000_000_000) : 500_000_000)
    }
}
