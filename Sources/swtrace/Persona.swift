import CommandLineOptions
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// As whom the tool speaks: by its own name, or as one of the programs that scripts call. All that these do otherwise
/// stands in this file and its two reports.
enum Persona: Sendable {
    case swtrace
    case traceroute
    case tcptraceroute
    case tracepath

    /// The options with which a run begins; `--as` leaves the arguments.
    ///
    /// - Parameter program: what the process was called as.
    static func options(
        calledAs program: String, _ arguments: inout [String]
    ) throws(ToolFailure) -> Options {
        if let name = takeName(from: &arguments) {
            guard let options = options(name) else {
                throw ToolFailure("option --as: '\(SafeText(name))' is not one of: \(names.joined(separator: ", "))")
            }
            return options
        }
        return options(program) ?? Options()
    }

    static let names = [
        "traceroute", "traceroute4", "traceroute6", "tcptraceroute", "tracepath", "tracepath4", "tracepath6",
    ]

    private static func takeName(from arguments: inout [String]) -> String? {
        guard let first = arguments.first else { return nil }
        if first == "--as", arguments.count > 1 {
            defer { arguments.removeFirst(2) }
            return arguments[1]
        }
        guard first.hasPrefix("--as=") else { return nil }
        return String(arguments.removeFirst().dropFirst(5))
    }

    private static func options(_ name: String) -> Options? {
        guard names.contains(name) else { return nil }
        var options = Options()
        if name.hasSuffix("4") { options.version = .v4 }
        if name.hasSuffix("6") { options.version = .v6 }
        options.stopsAtLoops = false
        options.tailWait = nil
        options.maximumDelay = nil
        if name.hasPrefix("tracepath") {
            options.persona = .tracepath
            options.port = 44_444
            options.queries = 1
            options.findsMTU = true
            options.asksSilentHopsAgain = true
            // It waits a second for each of three tries.
            options.maximumWait = 1_000_000_000
            options.firstLength = nil
        } else {
            options.persona = .traceroute
            options.methodOptions.followsKernelElse = true
        }
        if name == "tcptraceroute" {
            options.persona = .tcptraceroute
            options.proto = .tcp
            options.methodOptions.showsFlags = true
        }
        return options
    }

    var table: OptionTable<Options> {
        switch self {
        case .swtrace: Options.table
        case .traceroute: Options.tracerouteTable
        case .tcptraceroute: Options.tcptracerouteTable
        case .tracepath: Options.tracepathTable
        }
    }

    private var isTraceroute: Bool { self == .traceroute || self == .tcptraceroute }

    /// What is known once the command line is read.
    func settle(_ options: inout Options) {
        // traceroute asks a registry without being told which.
        if isTraceroute, options.findings.wantsOrigins, !options.findings.findsOrigins {
            options.findings.asksDNSForOrigins = true
        }
    }

    /// What `-V` prints, and whether to standard error. It begins with the words that scripts look for.
    var versionLine: (text: String, isError: Bool) {
        let speaker = "(spoken by \(Tool.name) \(Release.current.version), \(Release.current.package))\n"
        return self == .tracepath
            ? ("tracepath from iputils 20221126 \(speaker)", false)
            : ("Modern traceroute for Linux, version 2.1.2 \(speaker)", true)
    }

    // MARK: Operands

    /// Takes what is no host from the operands. Returns the length of packets, where one is given.
    func takeSize(
        from operands: inout [String], _ options: inout Options, _ arguments: [String]
    ) throws(ToolFailure) -> Int? {
        let count = self == .tracepath ? 1 : self == .tcptraceroute ? 3 : 2
        if operands.isEmpty || operands.count > count, self == .tracepath {
            reportErrors(Array("\n\(table.help)".utf8))
            throw ToolFailure("", status: 255)
        }
        guard !operands.isEmpty else { throw ToolFailure("Specify \"host\" missing argument.") }
        if operands.count > count {
            let text = SafeText(operands[count])
            throw ToolFailure(
                "Extra arg `\(text)' (position \(count + 1), argc \(Self.index(of: operands[count], arguments)))")
        }
        if self == .tracepath {
            if let slash = operands[0].lastIndex(of: "/") {
                options.port = try port(String(operands[0][operands[0].index(after: slash)...]), "")
                operands[0] = String(operands[0][..<slash])
            }
            // The path is asked with small packets first, and then for its MTU.
            return options.firstLength.flatMap { $0 <= Options.leastFirstSize ? $0 : nil }
        }
        if self == .tcptraceroute, operands.count > 1 { options.port = try port(operands.remove(at: 1), "-p") }
        guard operands.count == 2 else { return nil }
        let text = operands.removeLast()
        guard let size = Int(text), size >= 0 else {
            throw ToolFailure(
                "Cannot handle \"packetlen\" cmdline arg `\(SafeText(text))' on position 2\(Self.place(text, arguments))"
            )
        }
        guard size <= Self.longestPacket else { throw ToolFailure("too big packetlen \(size) specified") }
        // A segment has the length that its options make.
        return options.proto == .tcp ? nil : size
    }

    private func port(_ text: String, _ option: String) throws(ToolFailure) -> UInt16 {
        do throws(OptionError) {
            return try OptionValue(text).port()
        } catch {
            throw failure(
                UsageError(tool: "", "\(error)", fault: .badValue(option: option, value: SafeText(text).description)),
                [])
        }
    }

    /// What is shown as the length of packets, where that is not the length of a probe.
    func shownLength(_ length: Int, _ options: Options) -> Int {
        guard isTraceroute else { return length }
        if options.findsMTU { return Self.longestPacket }
        // It counts the address of the host once more.
        return options.gateways.isEmpty ? length : length + 4
    }

    private static let longestPacket = 65_000
    private static let firstHopRefusal = "first hop out of range"

    /// Throws where a path has no hop to begin with. tracepath then says that there are too many.
    func check(firstHop: Int, maximumHop: Int) throws(ToolFailure) {
        guard firstHop > maximumHop, self != .tracepath else { return }
        throw ToolFailure(
            self == .swtrace
                ? "option -f: \(firstHop) is more than the last hop, \(maximumHop) (-m)" : Self.firstHopRefusal)
    }

    // MARK: Reports

    /// What becomes of the rows.
    func report(_ text: PathTextReport, _ options: Options) -> any PathReport {
        switch self {
        case .swtrace: return text
        case .traceroute, .tcptraceroute: return TracerouteReport(text)
        case .tracepath:
            var report = TracepathReport(target: text.target)
            report.style = options.showsNamesAndAddresses ? .both : options.isNumeric ? .addresses : .names
            report.firstLength = options.firstLength
            report.zones = text.zones
            return report
        }
    }

    /// Whether a better means is worth a word.
    var tellsMeans: Bool { self == .swtrace }

    /// Whether a report has its own place for a probe that was not sent.
    func reports(_ failure: SendFailure) -> Bool {
        self == .tracepath || (isTraceroute && TracerouteReport.isTooLong(failure))
    }

    // MARK: Failures

    /// The exit status of one host's trace.
    func status(of trace: PathTrace) -> Int32 {
        let isUnsent = trace.statistics.transmitted == 0 && trace.statistics.unsent > 0
        switch self {
        case .swtrace: return isUnsent ? 2 : trace.isReached ? 0 : 1
        case .traceroute, .tcptraceroute: return isUnsent && !trace.isTooLong ? 1 : 0
        case .tracepath: return 0
        }
    }

    /// The exit status for a command line at fault.
    private var misuse: Int32 { self == .tracepath ? 255 : 2 }

    /// Tells of a failure where the tool itself would not, and returns the exit status.
    func tell(_ failure: ToolFailure) throws(ToolFailure) -> Int32 {
        switch self {
        case .swtrace: throw failure
        case .tracepath where failure.line.isEmpty: break
        case .traceroute, .tcptraceroute: reportErrors(Array("\(failure.line)\n".utf8))
        case .tracepath: reportLine(failure.line, from: "tracepath")
        }
        return failure.status
    }

    /// The words for a command line at fault.
    func failure(_ error: UsageError, _ arguments: [String]) -> ToolFailure {
        switch self {
        case .swtrace: ToolFailure(error.message, speaker: error.tool)
        case .traceroute, .tcptraceroute: ToolFailure(Self.tracerouteLine(error, arguments))
        case .tracepath: Self.tracepathFailure(error)
        }
    }

    /// Where traceroute says that something stands on the command line.
    private static func place(_ text: String, _ arguments: [String]) -> String {
        " (argc \(index(of: text, arguments)))"
    }

    private static func index(of text: String, _ arguments: [String]) -> Int {
        (arguments.lastIndex(of: text) ?? arguments.count - 1) + 1
    }

    private static func tracerouteLine(_ error: UsageError, _ arguments: [String]) -> String {
        func place(_ text: String) -> String { Self.place(text, arguments) }
        switch error.fault {
        case .unknownOption(let option): return "Bad option `\(option)'\(place(option))"
        case .missingValue(let option, let name):
            return "Option `\(option)'\(place(option)) requires an argument: `\(option) \(name)'"
        case .badValue(let option, let value):
            if let number = Int(value) {
                switch option {
                case "-q", "--queries": return "no more than 10 probes per hop"
                case "-f", "--first": return firstHopRefusal
                case "-m", "--max-hops":
                    return number > 255 ? "max hops cannot be more than 255" : firstHopRefusal
                default: break
                }
            }
            return "Cannot handle `\(option)' option with arg `\(value)'\(place(value))"
        case nil: return error.message
        }
    }

    private static func range(of option: String) -> String {
        ": out of range: 0 <= value <= \(option == "-m" ? 255 : 65_535)"
    }

    private static func tracepathFailure(_ error: UsageError) -> ToolFailure {
        switch error.fault {
        case .unknownOption(let option):
            ToolFailure(
                "invalid option -- '\(option.drop { $0 == "-" })'\n\n\(Options.tracepathTable.help)", status: 255)
        case .missingValue(let option, _):
            ToolFailure(
                "option requires an argument -- '\(option.drop { $0 == "-" })'\n\n\(Options.tracepathTable.help)",
                status: 255)
        case .badValue(let option, let value):
            ToolFailure(
                option == "-l"
                    ? "pktlen must be within: 28 < value <= 2147483647"
                    : "invalid argument: '\(value)'\(Int(value) == nil ? "" : range(of: option))", status: 1)
        case nil: ToolFailure(error.message, status: 1)
        }
    }

    /// Tells of a host without an address.
    ///
    /// - Returns: the exit status, where no host has one.
    func tell(_ error: ResolveError, _ host: String, _ arguments: [String]) -> Int32 {
        let name = SafeText(host)
        var reason = SafeText("\(error)").description
        switch error {
        case .unknownHost(_, let why): reason = "\(name): \(SafeText(why))"
        case .wrongVersion: reason = "\(name): Address family for hostname not supported"
        default: break
        }
        switch self {
        case .swtrace:
            reportLine(SafeText("\(error)").description, from: Tool.name)
            return 2
        case .traceroute, .tcptraceroute:
            let place = Self.place(host, arguments)
            reportErrors(Array("\(reason)\nCannot handle \"host\" cmdline arg `\(name)' on position 1\(place)\n".utf8))
            return 2
        case .tracepath:
            reportLine(reason, from: "tracepath")
            return 1
        }
    }

    /// The line about probes that the kernel refuses, for standard error; nil where the report has it.
    func unsentLine(_ failure: SendFailure) -> String? {
        guard isTraceroute else { return nil }
        let text = failure.text
        return "connect: \(text.split(separator: ":", maxSplits: 1).last?.drop { $0 == " " } ?? text[...])\n"
    }

    /// The line behind a report, for standard error.
    func lineBehind(_ run: PathRun) -> String? {
        guard self == .tracepath, let reason = TracepathReport.failure(of: run) else { return nil }
        return "tracepath: NET ERROR: \(reason)\n"
    }
}

extension PathTrace {
    /// Whether no probe went because each was longer than the link takes.
    fileprivate var isTooLong: Bool { unsentFailure.map(TracerouteReport.isTooLong) ?? false }
}

extension Options {
    private static let versionSection = OptionSection<Options>(
        "Version", [Option("V", "version", "show the version and exit") { options, _ in options.wantsVersion = true }])

    static let tracerouteTable = OptionTable<Options>(
        Page(
            name: "traceroute", summary: "show the way that packets take to a host, as swtrace speaks traceroute",
            operands: Operands("HOST [PACKETLEN]", minimum: 0, completion: .host),
            description: ["Prints what traceroute prints. swtrace(8) has more to tell."], seeAlso: ["swtrace(8)"]),
        [probeSection, scheduleSection, meansSection, findingSection, outputSection, versionSection])

    static let tcptracerouteTable = OptionTable<Options>(
        Page(
            name: "tcptraceroute", summary: "show the way that TCP takes to a host, as swtrace speaks tcptraceroute",
            operands: Operands("HOST [PORT [LENGTH]]", minimum: 0, completion: .host), seeAlso: ["swtrace(8)"]),
        [
            OptionSection(
                "Options",
                [
                    Option("n", nil, "print addresses, ask for no names") { options, _ in options.isNumeric = true },
                    Option("N", nil, "ask for names, which is the default") { options, _ in options.isNumeric = false },
                    Option("d", nil, "set SO_DEBUG on the sockets") { options, _ in options.isDebugging = true },
                    Option("F", nil, "forbid fragmentation") { options, _ in options.dontFragment = true },
                    Option("S", nil, "set SYN") { options, _ in _ = try options.methodOptions.add("syn") },
                    Option("A", nil, "set ACK") { options, _ in _ = try options.methodOptions.add("ack") },
                    Option("E", nil, "ask for ECN") { options, _ in _ = try options.methodOptions.add("ecn") },
                    Option("i", nil, .required("INTERFACE"), "send through this interface", completion: .interface) {
                        $0.device = try $1.text(maximumLength: 15)
                    },
                    Option("f", nil, .required("HOP"), "start with this hop limit (1)") {
                        $0.firstHop = try $1.wholeNumber(in: 1...255)
                    },
                    Option("m", nil, .required("HOPS"), "go no further than this hop limit (30)") {
                        $0.maximumHop = try $1.wholeNumber(in: 1...255)
                    },
                    Option("q", nil, .required("COUNT"), "probes to each hop (3)") {
                        $0.queries = try $1.wholeNumber(in: 1...10)
                    },
                    Option("w", nil, .required("SECONDS"), "longest wait for an answer (5)") {
                        $0.maximumWait = try $1.duration(in: 1_000_000...3_600_000_000_000)
                        $0.hereFactor = .infinity
                        $0.nearFactor = .infinity
                    },
                    Option("s", nil, .required("ADDRESS"), "send from this address") {
                        $0.source = try $1.text(maximumLength: 128)
                    },
                    Option("p", nil, .required("PORT"), "send from this port") { $0.sourcePort = try $1.port() },
                    Option("t", nil, .required("TOS"), "type of service (0)") {
                        $0.trafficClass = try $1.wholeNumber(in: 0...255, hexadecimal: true)
                    },
                    Option("l", nil, .required("LENGTH"), "refused: a segment has the length of its header") { _, _ in
                        throw OptionError.refused("a SYN has the length of its header, and no more")
                    },
                ]), versionSection,
        ])

    static let tracepathTable = OptionTable<Options>(
        Page(
            name: "tracepath", summary: "show the way to a host and its MTU, as swtrace speaks tracepath",
            operands: Operands("DESTINATION[/PORT]", minimum: 0, completion: .host), seeAlso: ["swtrace(8)"]),
        [
            OptionSection(
                "Options",
                [
                    Option("4", nil, "IPv4 only") { options, _ in options.version = .v4 },
                    Option("6", nil, "IPv6 only") { options, _ in options.version = .v6 },
                    Option("b", nil, "print names and addresses") { options, _ in
                        options.showsNamesAndAddresses = true
                    },
                    Option("l", nil, .required("LENGTH"), "octets of the first packet (65535; 128000 over IPv6)") {
                        $0.firstLength = try $1.wholeNumber(in: 29...Int(Int32.max))
                    },
                    Option("m", nil, .required("HOPS"), "go no further than this hop limit (30)") {
                        $0.maximumHop = try $1.wholeNumber(in: 0...255)
                    },
                    Option("n", nil, "print addresses, ask for no names") { options, _ in options.isNumeric = true },
                    Option("p", nil, .required("PORT"), "destination port (44444)") { $0.port = try $1.port() },
                ]), versionSection,
        ])
}
