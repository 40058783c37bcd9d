import CommandLineOptions
import Glibc
import LinuxSockets
import PacketFormats
import ProbeIO
import ProbeReports

/// What a command line of ping asks for, in the words of iputils 20221126 where it asks for nothing sensible.
struct PingOptions: Sendable {
    /// The same as swping knows it.
    var common = Options()
    /// `-W`: how long the first answer is waited for behind the last probe. Nanoseconds.
    var lastWait: Int64 = 10_000_000_000
    var hopLimit: UInt8?
    /// What the process was called as, for its lines.
    var program: String
    /// Why nothing is measured.
    var ending: Ending?

    enum Ending: Sendable {
        case line(String, status: Int32)
        case usage
        case version
    }

    init(program: String) {
        self.program = program
        if program.hasSuffix("4") { common.version = .v4 }
        if program.hasSuffix("6") { common.version = .v6 }
    }

    /// Ends the reading of the command line, as ping does at the first mistake.
    private mutating func end(_ ending: Ending) throws -> Never {
        self.ending = ending
        throw Ended()
    }

    fileprivate mutating func refuse(_ line: String, status: Int32 = 2) throws -> Never {
        try end(.line(line, status: status))
    }

    private struct Ended: Error, CustomStringConvertible {
        let description = "ends the run"
    }

    // MARK: Values

    /// A whole number as strtol(3) reads it.
    fileprivate mutating func number(_ value: OptionValue, in range: ClosedRange<Int>) throws -> Int {
        let text = value.string
        let shown = "invalid argument: '\(SafeText(text))'"
        var digits = text.utf8.drop { $0 == UInt8(ascii: " ") || (9...13).contains($0) }
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative || digits.first == UInt8(ascii: "+") { digits.removeFirst() }
        guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            try refuse(shown, status: 1)
        }
        guard let number = Int((isNegative ? "-" : "") + String(decoding: digits, as: UTF8.self)) else {
            try refuse("\(shown): Numerical result out of range", status: 1)
        }
        guard range.contains(number) else {
            try refuse(
                "\(shown): out of range: \(range.lowerBound) <= value <= \(range.upperBound)", status: 1)
        }
        return number
    }

    /// Seconds as strtod(3) reads them, in whole milliseconds; what stands behind the number is told and let go.
    fileprivate mutating func milliseconds(_ value: OptionValue, _ complaint: String) throws -> Int64 {
        let (seconds, rest) = Self.leadingNumber(value.string)
        guard seconds.isFinite else {
            try refuse("\(complaint): \(SafeText(value.string)): Numerical result out of range")
        }
        if !rest.isEmpty {
            reportLine("option argument contains garbage: \(SafeText(rest))", from: program)
            reportLine("this will become fatal error in the future", from: program)
        }
        guard (0...Double(Int32.max) / 1_000).contains(seconds) else {
            try refuse("\(complaint): \(SafeText(value.string))")
        }
        return Int64(seconds * 1_000)
    }

    private static func leadingNumber(_ text: String) -> (number: Double, rest: String) {
        var bytes = Array(text.utf8CString)
        // The array ends with a NUL, and the end that strtod gives lies within it.
        return unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return (0, text) }
            var end: UnsafeMutablePointer<CChar>?
            let number = unsafe strtod(start, &end)
            return (number, unsafe end.map { unsafe String(cString: $0) } ?? "")
        }
    }

    fileprivate mutating func limit(to version: IPVersion) throws {
        if let other = common.version, other != version { try refuse("only one -4 or -6 option may be specified") }
        common.version = version
    }

    fileprivate mutating func takeTrafficClass(_ text: String) throws {
        let isHexadecimal = text.hasPrefix("0x") || text.hasPrefix("0X")
        let digits = isHexadecimal ? text.dropFirst(2) : text[...]
        guard let number = digits.isEmpty && isHexadecimal ? 0 : Int(digits, radix: isHexadecimal ? 16 : 10) else {
            try refuse("bad TOS value: \(SafeText(text))")
        }
        guard let octet = UInt8(exactly: number) else {
            try refuse("the decimal value of TOS bits must be in range 0-255: \(number)")
        }
        common.trafficClass = octet
    }

    fileprivate mutating func takePattern(_ text: String) throws {
        guard text.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
            try refuse("patterns must be specified as hex digits: \(SafeText(text))")
        }
        common.pattern = (try? OptionValue(String(text.prefix(32))).pattern()) ?? []
    }

    fileprivate mutating func takeFlowLabel(_ text: String) throws {
        let isHexadecimal = text.hasPrefix("0x") || text.hasPrefix("0X")
        guard let label = UInt32(isHexadecimal ? text.dropFirst(2) : text[...], radix: isHexadecimal ? 16 : 10) else {
            try refuse("bad value for flowinfo: \(SafeText(text))")
        }
        guard label <= 0xf_ffff else { try refuse("flow value is greater than 20 bits: \(SafeText(text))") }
        common.flowLabel = label
    }

    fileprivate mutating func add(_ option: IPv4Option) throws {
        if let other = common.ipv4Options.first, other.type != option.type {
            try refuse("only one of -T or -R may be used")
        }
        common.ipv4Options = [option]
    }

    fileprivate mutating func takeTimestamp(_ value: OptionValue) throws {
        guard let option = try? value.timestampOption() else {
            try refuse("invalid timestamp type: \(SafeText(value.string))")
        }
        try add(.timestamp(option))
    }

    fileprivate mutating func takeStrategy(_ text: String) throws {
        switch text {
        case "do": common.pathMTUDiscovery = .always
        case "want": common.pathMTUDiscovery = .wanted
        case "dont": common.pathMTUDiscovery = .never
        default: try refuse("invalid -M argument: \(SafeText(text))")
        }
    }

    fileprivate mutating func takePreload(_ value: OptionValue) throws {
        common.preload = UInt32(try number(value, in: 1...65_536))
        if getuid() != 0, common.preload > 3 {
            try refuse("cannot set preload to value greater than 3: \(common.preload)")
        }
    }

    fileprivate mutating func takeSource(_ text: String) {
        if let address = IPAddress(text) { common.source = address } else { common.device = text }
    }

    fileprivate mutating func showUsage() throws { try end(.usage) }
    fileprivate mutating func showVersion() throws { try end(.version) }
}

extension PingOptions {
    static let table = OptionTable<PingOptions>(
        Page(
            name: "ping", summary: "send ICMP echo requests to a host, as swping speaks ping",
            operands: Operands("HOST", minimum: 0, completion: .host),
            description: ["Prints what ping of iputils prints. swping(8) has more to tell."],
            exitStatuses: [
                Meaning("0", "An answer came, with -w and -c as many as were asked for."),
                Meaning("1", "None did, or too few, or a number on the command line was at fault."),
                Meaning("2", "The rest of the command line, the name or the system was at fault."),
            ],
            seeAlso: ["swping(8)"]),
        [probeSection, outputSection])

    private static let probeSection = OptionSection<PingOptions>(
        "Probes",
        [
            Option("4", nil, "IPv4 only") { options, _ in try options.limit(to: .v4) },
            Option("6", nil, "IPv6 only") { options, _ in try options.limit(to: .v6) },
            Option("A", nil, "send the next probe when the answer came") { options, _ in
                options.common.isAdaptive = true
            },
            Option("b", nil, "allow broadcast addresses") { options, _ in options.common.allowsBroadcast = true },
            Option("B", nil, "keep the source address") { options, _ in options.common.keepsSource = true },
            Option("c", nil, .required("COUNT"), "stop after COUNT answers") {
                $0.common.count = UInt64(try $0.number($1, in: 1...Int.max))
            },
            Option("C", nil, "connect the socket") { options, _ in options.common.isConnected = true },
            Option("d", nil, "set SO_DEBUG") { options, _ in options.common.isDebugging = true },
            Option("e", nil, .required("NUMBER"), "identifier of the probes") {
                $0.common.identifier = UInt16(try $0.number($1, in: 0...65_535))
            },
            Option("f", nil, "flood, with marks instead of lines") { options, _ in options.common.isFlood = true },
            Option("F", nil, .required("LABEL"), "flow label of IPv6, decimal or 0x and hexadecimal") {
                try $0.takeFlowLabel($1.string)
            },
            Option("i", nil, .required("SECONDS"), "time between two probes (1)") {
                $0.common.interval = try $0.milliseconds($1, "bad timing interval") * 1_000_000
                $0.common.hasInterval = true
            },
            Option(
                "I", nil, .required("INTERFACE"), "send from this address, or through this interface",
                completion: .interface
            ) { $0.takeSource($1.string) },
            Option("l", nil, .required("COUNT"), "send so many at once at the start") { try $0.takePreload($1) },
            Option("L", nil, "keep multicast probes from coming back") { options, _ in
                options.common.loopsMulticast = false
            },
            Option("m", nil, .required("MARK"), "mark of the packets") {
                $0.common.mark = UInt32(try $0.number($1, in: 0...Int(UInt32.max)))
            },
            Option(
                "M", nil, .required("STRATEGY"), "path MTU discovery: do, want or dont",
                completion: .words(["do", "want", "dont"])
            ) { try $0.takeStrategy($1.string) },
            Option("N", nil, .required("QUERY"), "refused: node information queries", isHidden: true) { options, _ in
                try options.refuse("node information queries (RFC 4620) are not made: hosts answer them no more")
            },
            Option("p", nil, .required("HEX"), "what the payload is filled with") { try $0.takePattern($1.string) },
            Option("Q", nil, .required("TOS"), "type of service or traffic class") {
                try $0.takeTrafficClass($1.string)
            },
            Option("r", nil, "past the routing table") { options, _ in options.common.bypassesRouting = true },
            Option("R", nil, "record the route; IPv4") { options, _ in
                try options.add(.recordRoute(IPv4Route(recording: IPv4Route.maximumSlots)))
            },
            Option("s", nil, .required("BYTES"), "bytes behind the ICMP header (56)") {
                $0.common.payloadLength = try $0.number($1, in: 0...Int(Int32.max))
            },
            Option("S", nil, .required("BYTES"), "size of the send buffer") {
                $0.common.sendBufferSize = try $0.number($1, in: 1...Int(Int32.max))
            },
            Option("t", nil, .required("HOPS"), "hop limit of the probes") {
                $0.hopLimit = UInt8(try $0.number($1, in: 0...255))
            },
            Option("T", nil, .required("FORM"), "routers write down the time; IPv4") { try $0.takeTimestamp($1) },
            Option("w", nil, .required("SECONDS"), "end after so long, or with the first ICMP error") {
                let seconds = Int64(try $0.number($1, in: 0...Int(Int32.max)))
                $0.common.deadline = seconds > 0 ? seconds * 1_000_000_000 : nil
            },
            Option("W", nil, .required("SECONDS"), "how long the first answer is waited for at the end (10)") {
                $0.lastWait = try $0.milliseconds($1, "bad linger time") * 1_000_000
            },
        ])

    private static let outputSection = OptionSection<PingOptions>(
        "Output",
        [
            Option("a", nil, "ring the bell") { options, _ in options.common.isAudible = true },
            Option("D", nil, "print the time of day") { options, _ in options.common.showsTimes = true },
            Option("h", nil, "show this help and exit") { options, _ in try options.showUsage() },
            Option("n", nil, "ask for no names") { options, _ in options.common.isNumeric = true },
            Option("O", nil, "tell of probes without an answer") { options, _ in
                options.common.reportsOutstanding = true
            },
            Option("q", nil, "print the summary only") { options, _ in options.common.isQuiet = true },
            Option("U", nil, "print round trips as this process sees them") { options, _ in
                options.common.isUserToUser = true
            },
            Option("v", nil, "print identifiers too") { options, _ in options.common.isVerbose = true },
            Option("V", nil, "show the version and exit") { options, _ in try options.showVersion() },
        ])
}
