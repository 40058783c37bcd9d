import CommandLineOptions
import Glibc
import PacketFormats
import ProbeReports

/// What a command line of fping asks for. Times are nanoseconds.
struct FpingOptions: Sendable {
    var version: IPVersion?
    var payloadLength: UInt32 = 56
    var backoff = 1.5
    var count: UInt64?
    var loops = false
    /// `-C`
    var listsRoundTrips = false
    var file: String?
    var generates = false
    var hopLimit: UInt32?
    var device: String?
    var mark: UInt32?
    var source: IPAddress?
    var trafficClass: UInt8 = 0
    /// More bits were given than the field has.
    var hasWideTrafficClass = false
    var dontFragment = false
    var hasRandomData = false
    var wantsTimestamps = false
    var checksSource = false

    /// Between two probes to the same target.
    var period: Int64 = 1_000_000_000
    /// Between two probes to any targets.
    var gap: Int64 = 10_000_000
    var timeout: Int64?
    var retries: UInt32 = 3
    var reportInterval: Int64 = 0
    var isCumulative = false

    var showsAlive = false
    var showsUnreachable = false
    var isQuiet = false
    var isVerbose = true
    var showsAddresses = false
    /// `-n`
    var showsNames = false
    /// `-d`
    var forcesNames = false
    var takesAllAddresses = false
    var showsElapsed = false
    var showsOutage = false
    var showsStatistics = false
    var showsTimes = false
    var timeFormat = LineTime.Format.unix(decimals: 5)
    var showsHopLimit = false
    var showsTrafficClass = false
    var isNetdata = false
    var isJSON = false
    /// `-x` and `-X`
    var needed: UInt64?
    var endsWhenEnough = false

    /// What the process was called as, for its lines.
    var program = "fping"
    var wantsVersion = false
    /// Why it can't run, in the words of fping.
    var refusal: String?

    var isCounting: Bool { count != nil || loops }

    /// The first thing that is wrong is told.
    mutating func refuse(_ reason: String) {
        if refusal == nil { refusal = reason }
    }

    /// What the parser can't see.
    mutating func settle() {
        if let hopLimit, hopLimit > 255 { refuse("ttl \(hopLimit) out of range") }
        if showsUnreachable, showsAlive { refuse("specify only one of a, u") }
        if count != nil, loops { refuse("specify only one of c, l") }
        if payloadLength > Self.maximumPayload {
            refuse("data size \(payloadLength) not valid, must be lower than \(Self.maximumPayload)")
        }
        if !(1...5).contains(backoff) {
            refuse("backoff factor \(Self.oneDecimal(backoff)) not valid, must be between 1.0 and 5.0")
        }
        if isJSON, !isCounting { refuse("option -J, --json requires -c, -C, or -l") }
        if showsAlive || showsUnreachable || needed != nil { isVerbose = false }
    }

    private static func oneDecimal(_ number: Double) -> String {
        let tenths = Int64(clamping: Int((min(max(number, -1e9), 1e9) * 10).rounded()))
        return "\(tenths < 0 ? "-" : "")\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
    }

    /// As much as an IPv4 packet holds.
    static let maximumPayload: UInt32 = 65_507
}

/// The value was no number, or one that means nothing: fping answers with its usage.
private struct Misuse: Error, CustomStringConvertible {
    let description = "not understood"
}

extension OptionValue {
    /// The whole number that a value begins with, as atoi(3) and scanf(3) read it; what does not fit wraps as in C.
    fileprivate func leadingNumber() throws -> UInt32 {
        var digits = string.utf8.drop { $0 == UInt8(ascii: " ") }
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative || digits.first == UInt8(ascii: "+") { digits.removeFirst() }
        let number = digits.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !number.isEmpty else { throw Misuse() }
        let magnitude = number.reduce(UInt32(0)) { $0 &* 10 &+ UInt32($1 - UInt8(ascii: "0")) }
        return isNegative ? 0 &- magnitude : magnitude
    }

    /// More than nothing.
    fileprivate func leadingCount() throws -> UInt32 {
        let number = try leadingNumber()
        guard number > 0, !string.hasPrefix("-") else { throw Misuse() }
        return number
    }

    /// The decimal number that a value begins with, finite.
    fileprivate func leadingDecimal() throws -> Double {
        let text = string.drop { $0 == " " }
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "-" || $0 == "+") }
        guard let value = Double(String(text)) ?? Double(String(number)), value.isFinite else { throw Misuse() }
        return value
    }

    /// Nanoseconds of a number of these units, none below 0.
    fileprivate func time(_ unit: Double) throws -> Int64 {
        let value = try leadingDecimal()
        guard value >= 0 else { throw Misuse() }
        return Int64(min(value * unit, 9e15))
    }
}

extension FpingOptions {
    static let table = OptionTable<FpingOptions>(
        Page(
            name: "fping", summary: "tell which hosts are up and how they fare, as swping speaks fping",
            operands: Operands("[targets...]", minimum: 0, completion: .host),
            description: [
                "Prints what fping prints. Without targets they are read from standard input. swping(8) has more to tell."
            ],
            exitStatuses: [
                Meaning("0", "All targets are reachable, or with -x and -X enough of them."),
                Meaning("1", "Some are not, or the command line was at fault."),
                Meaning("2", "A name has no address."),
                Meaning("4", "The system refused something."),
            ],
            seeAlso: ["swping(8)"]),
        [probingSection, outputSection])

    private static let probingSection = OptionSection<FpingOptions>(
        "Probing options",
        [
            Option("4", "ipv4", "IPv4 only") { options, _ in options.limit(to: .v4) },
            Option("6", "ipv6", "IPv6 only") { options, _ in options.limit(to: .v6) },
            Option("b", "size", .required("BYTES"), "octets of data in each probe (56)") {
                $0.payloadLength = try $1.leadingNumber()
            },
            Option("B", "backoff", .required("N"), "each retry waits so many times as long (1.5)") {
                $0.backoff = try $1.leadingDecimal()
            },
            Option("c", "count", .required("N"), "send N probes to each target") {
                $0.count = UInt64(try $1.leadingCount())
            },
            Option("C", "vcount", .required("N"), "the same, and list the round trips in the summary") {
                $0.count = UInt64(try $1.leadingCount())
                $0.listsRoundTrips = true
            },
            Option(nil, "check-source", "take no answer from another address than was asked") { options, _ in
                options.checksSource = true
            },
            Option("f", "file", .required("FILE"), "read targets from a file, - for standard input", completion: .file)
            {
                $0.file = $1.string
            },
            Option("g", "generate", "the targets are a prefix, or the first and the last address of a range") {
                options, _ in options.generates = true
            },
            Option("H", "ttl", .required("N"), "hop limit of the probes") { $0.hopLimit = try $1.leadingCount() },
            Option("I", "iface", .required("IFACE"), "send through this interface", completion: .interface) {
                $0.device = $1.string
            },
            Option(nil, "icmp-timestamp", "send ICMP timestamp requests, IPv4 only") { options, _ in
                options.wantsTimestamps = true
                options.limit(to: .v4)
            },
            Option("k", "fwmark", .required("MARK"), "mark the packets for policy routing and packet filters") {
                $0.mark = try $1.wholeNumber(in: 0...UInt32.max, hexadecimal: true)
            },
            Option("l", "loop", "send probes until it is interrupted") { options, _ in options.loops = true },
            Option("m", "all", "ask all addresses of a name; -A shows which") { options, _ in
                options.takesAllAddresses = true
            },
            Option("M", "dontfrag", "forbid fragmentation") { options, _ in options.dontFragment = true },
            Option("O", "tos", .required("N"), "type of service, 0xN for hexadecimal") {
                try $0.takeTrafficClass($1.string)
            },
            Option("p", "period", .required("MSEC"), "between two probes to a target (1000)") {
                $0.period = try $1.time(1e6)
            },
            Option("r", "retry", .required("N"), "further tries of a target that does not answer (3)") {
                $0.retries = try $1.leadingNumber()
            },
            Option("R", "random", "random data in the probes") { options, _ in options.hasRandomData = true },
            Option(nil, "seqmap-timeout", .required("MSEC"), "accepted: nothing has to be forgotten here") {
                _ = try $1.time(1e6)
            },
            Option("S", "src", .required("IP"), "send from this address") { try $0.takeSource($1.string) },
            Option(
                "t", "timeout", .required("MSEC"),
                "how long an answer is waited for (500; with -c, -C and -l the period, 2000 at most)"
            ) { $0.timeout = try $1.time(1e6) },
            Option("T", nil, .required("N"), "accepted, as fping does", isHidden: true) { _, _ in },
        ])

    private static let outputSection = OptionSection<FpingOptions>(
        "Output options",
        [
            Option("a", "alive", "show targets that are up") { options, _ in options.showsAlive = true },
            Option("A", "addr", "show targets by address") { options, _ in options.showsAddresses = true },
            Option("d", "rdns", "show targets by the names of their addresses") { options, _ in
                options.forcesNames = true
                if options.showsNames { options.refuse("use either one of -d or -n") }
            },
            Option("D", "timestamp", "the time in front of each line of -c, -C and -l") { options, _ in
                options.showsTimes = true
            },
            Option(
                nil, "timestamp-format", .required("FORMAT"), "ctime, iso or rfc3339 instead of seconds",
                completion: .words(["ctime", "iso", "rfc3339"])
            ) {
                $0.timeFormat = try $1.choice([("ctime", .ctime), ("iso", .iso), ("rfc3339", .rfc3339)])
                $0.showsTimes = true
            },
            Option("e", "elapsed", "show round trips") { options, _ in options.showsElapsed = true },
            Option("i", "interval", .required("MSEC"), "between two probes to any targets (10)") {
                $0.gap = try $1.time(1e6)
            },
            Option("J", "json", "a JSON object for each line, with -c, -C or -l") { options, _ in options.isJSON = true
            },
            Option("n", "name", "show addresses by their names") { options, _ in
                options.showsNames = true
                if options.forcesNames { options.refuse("use either one of -d or -n") }
            },
            Option("N", "netdata", "charts for netdata, with -l and -Q") { options, _ in options.isNetdata = true },
            Option("o", "outage", "show for how long probes were lost") { options, _ in options.showsOutage = true },
            Option(nil, "print-tos", "show the type of service of answers") { options, _ in
                options.showsTrafficClass = true
            },
            Option(nil, "print-ttl", "show the hop limit of answers") { options, _ in options.showsHopLimit = true },
            Option("q", "quiet", "no line for each answer and each ICMP error") { options, _ in
                options.isQuiet = true
                options.isVerbose = false
            },
            Option("Q", "squiet", .required("SECS[,cumulative]"), "the same, but a summary every SECS seconds") {
                $0.reportInterval = try $1.time(1e9)
                $0.isCumulative = $1.string.hasSuffix(",cumulative")
                $0.isQuiet = true
                $0.isVerbose = false
            },
            Option("s", "stats", "show the statistics of the run at its end") { options, _ in
                options.showsStatistics = true
            },
            Option("u", "unreach", "show targets that are not up") { options, _ in options.showsUnreachable = true },
            Option("v", "version", "show the version and exit") { options, _ in options.wantsVersion = true },
            Option("x", "reachable", .required("N"), "tell whether at least N targets are up") {
                $0.needed = UInt64(try $1.leadingCount())
            },
            Option("X", "fast-reachable", .required("N"), "the same, and end as soon as they are") {
                $0.needed = UInt64(try $1.leadingCount())
                $0.endsWhenEnough = true
            },
        ])

    private mutating func limit(to version: IPVersion) {
        if let other = self.version, other != version { refuse("can't specify both -4 and -6") }
        self.version = version
    }

    private mutating func takeSource(_ text: String) throws {
        guard let address = IPAddress(text) else { return refuse("can't parse source address: \(SafeText(text))") }
        source = address
    }

    private mutating func takeTrafficClass(_ text: String) throws {
        let digits = text.lowercased().drop { $0 == " " }
        let number =
            digits.hasPrefix("0x")
            ? UInt32(digits.dropFirst(2), radix: 16)
            : UInt32(digits.prefix { $0.isASCII && $0.isNumber }, radix: digits.hasPrefix("0") ? 8 : 10)
        guard let number else { throw Misuse() }
        trafficClass = UInt8(truncatingIfNeeded: number)
        hasWideTrafficClass = number > 255
    }
}
