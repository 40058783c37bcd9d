import CommandLineOptions
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

extension Tool {
    /// Finds out which of many targets are alive.
    static func sweep(
        _ options: Options, _ operands: [String], _ output: inout OutputWriter
    ) throws(ToolFailure) -> Int32 {
        var options = options
        var operands = operands
        try options.settleConditions(ofSweep: true)
        try options.checkMeans()
        try options.checkSweep(operands)
        try options.settlePacketOptions(&operands)
        if !options.hasTimeout { options.timeout = 1_000_000_000 }
        var zone: UInt32 = 0
        if let device = options.device { zone = (try? Interface.index(named: device)) ?? 0 }
        let (expressions, missed) = parse(operands, options, zone)
        guard !expressions.isEmpty || options.sweep.targetsFile != nil else { return 2 }

        var files = SweepFiles()
        let selection = try TransportSelection.openAndDropRights(sweepRequest(options, expressions)) {
            () throws(ToolFailure) in files = try SweepFiles(options, zone)
        }
        let notice = selection.notice(program: name)
        let rung = selection.transport.rung
        try OptionRefusals.check(options, rung: rung, selection.refusedSettings)
        if let notice, !options.isQuiet || rung == .udp {
            reportLine(notice, from: name)
        } else if options.isVerbose {
            reportLine("using \(rung) sockets", from: name)
        }
        let session = try SweepSession(
            options, expressions, files, zone: zone, rung: rung, note: notice, method: selection.transport.method,
            versions: selection.transport.versions, missedOperands: missed)
        let others = selection.others
        let status = try session.run(over: [TransportShare(selection.take())] + others, &output)
        return files.capture?.isIntact == false ? 2 : status
    }

    /// What the operands stand for; a line on standard error for each that stands for nothing.
    private static func parse(
        _ operands: [String], _ options: Options, _ zone: UInt32
    ) -> (expressions: [TargetExpression], missed: UInt64) {
        var expressions: [TargetExpression] = []
        expressions.reserveCapacity(operands.count)
        for operand in operands {
            do throws(TargetError) {
                expressions.append(try TargetExpression(operand, family: options.version, zone: zone))
            } catch {
                reportLine(SafeText("\(error)").description, from: name)
            }
        }
        return (expressions, UInt64(operands.count - expressions.count))
    }

    private static func sweepRequest(_ options: Options, _ expressions: [TargetExpression]) -> TransportRequest {
        var request = TransportRequest(
            method: options.wantsUDP ? .udp(destinationPort: options.port ?? Options.echoPort) : .icmpEcho)
        request.payloadLength = options.payloadLength
        request.source = options.source
        request.settings = options.socketSettings
        request.wantsKernelStamps = options.sweepWantsKernelStamps
        request.highestRung = options.wantsUDP ? .udp : options.highestRung
        if !options.wantsUDP, !options.wantsICMP {
            request.fallback = .udp(destinationPort: options.port ?? Options.fallbackPort)
        }
        request.versions = options.version.map { [$0] } ?? versions(of: expressions, options)
        request.workers = options.sweep.workers
        request.expectsSilentNeighbours = true
        request.hasManyDestinations = true
        return request
    }

    static func versions(of expressions: [TargetExpression], _ options: Options) -> [IPVersion] {
        guard options.sweep.targetsFile == nil else { return [.v4, .v6] }
        var versions: [IPVersion] = []
        for expression in expressions {
            guard let version = expression.version else { return [.v4, .v6] }
            if !versions.contains(version) { versions.append(version) }
        }
        return versions
    }
}

extension TargetExpression {
    /// That of its addresses, nil for a name.
    fileprivate var version: IPVersion? {
        switch self {
        case .name: nil
        case .address(let address): address.version
        case .prefix(let prefix): prefix.first.version
        case .range(let range): range.first.version
        }
    }
}

extension Options {
    /// Whether the kernel is asked when each probe left: it costs a system call a probe.
    var sweepWantsKernelStamps: Bool { sweep.probesPerSecond.map { $0 <= 1_000 } ?? false }
}

/// The files that the command line of a sweep names, opened with the caller's own rights.
struct SweepFiles {
    var targets: TargetReader?
    var resume: ResumeFile?
    var capture: CaptureFile?

    init() {}

    init(_ options: Options, _ zone: UInt32) throws(ToolFailure) {
        if let path = options.sweep.targetsFile {
            targets = try TargetReader(
                path, shownAs: SafeText(path).description, family: options.version, zone: zone)
        }
        if let path = options.sweep.resumeFile {
            resume = try ResumeFile(path, shownAs: SafeText(path).description)
        }
        if let path = options.captureFile { capture = try CaptureFile(path, shownAs: SafeText(path).description) }
    }
}
