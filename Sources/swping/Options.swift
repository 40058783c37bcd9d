import CommandLineOptions
import LinuxSockets
import PacketFormats
import ProbeIO
import ProbeReports

/// What the command line asks for.
struct Options: Sendable {
    var count: UInt64?
    /// Nanoseconds, as all times here.
    var interval: Int64 = 1_000_000_000
    var deadline: Int64?
    var timeout: Int64 = 2_000_000_000
    var payloadLength = 56
    var hopLimit: UInt8 = 64
    var isNumeric = false
    var isQuiet = false
    var isVerbose = false
    var version: IPVersion?
    var isJSON = false
    var wantsUDP = false
    var wantsICMP = false
    var port: UInt16?
    var highestRung = Rung.raw

    var isAudible = false
    var showsTimes = false
    /// Another format than ping's.
    var timeFormat: LineTime.Format?
    var reportsOutstanding = false
    var alwaysHasDecimals = false
    var isUserToUser = false
    var forcesNames = false
    var multicastHopLimit: UInt8 = 1
    var pattern: [UInt8] = []
    var hasRandomData = false
    var identifier: UInt16?
    var trafficClass: UInt8 = 0
    var flowLabel: UInt32?
    var pathMTUDiscovery: PathMTUDiscovery?
    var source: IPAddress?
    var device: String?
    var mark: UInt32?
    var sendBufferSize: Int?
    var bypassesRouting = false
    var isDebugging = false
    var keepsSource = false
    var isConnected = false
    var allowsBroadcast = false
    var loopsMulticast = true
    var ipv4Options: IPv4Options = []
    var isFlood = false
    var isAdaptive = false
    var isPoisson = false
    var preload: UInt32 = 1
    /// Whether an interval was asked for.
    var hasInterval = false
    /// Nil for never.
    var resolveInterval: Int64?
    var isDual = false
    var isDiagnosing = false
    /// Of the intervals that are summed up besides the run.
    var summaryInterval: Int64?
    /// Those of `--fail-if` as they were written.
    var conditions: [String] = []
    /// Any of them that holds makes the run fail.
    var assertions: [EchoAssertion] = []
    var wantsTimestamps = false
    /// Whether summaries list what became of each probe.
    var listsSlots = false
    /// Whether there may be too many hosts for a summary of several lines each.
    var isMany = false
    /// Whether nobody named them one by one, so that their number may surprise.
    var isPacedByDefault = false
    /// Whether a timeout was asked for.
    var hasTimeout = false
    var sweep = SweepOptions()
    /// Whom the run speaks as, where that is ping.
    var ping: PingPersona?

    var isCSV = false
    var style = Style.text
    var color: ColorChoice?
    var captureFile: String?

    /// How events look for people.
    enum Style: Sendable {
        case text
        case heat
    }

    enum ColorChoice: Sendable {
        case auto
        case always
        case never
    }

    static let maximumIPv4Payload = 65_507
    static let echoPort: UInt16 = 7
    /// The first port of traceroute, where hardly anybody listens.
    static let fallbackPort: UInt16 = 33_434

    static let table = OptionTable<Options>(
        Page(
            name: "swping", summary: "tell whether hosts answer, how fast and how reliably",
            operands: Operands("HOST...", minimum: 0, completion: .host),
            description: [
                "Sends each HOST an ICMP echo request a second and tells of every answer, until it is interrupted or "
                    + "the count is reached, then sums up. A HOST is a name or an address, IPv4 or IPv6.",
                "With root's rights or CAP_NET_RAW it uses raw sockets, without them ICMP datagram sockets where the "
                    + "group is in net.ipv4.ping_group_range, and else UDP datagrams to a high port: the host's own "
                    + "\"port unreachable\" proves it alive then. Standard error says which, if it is not raw.",
                "Round trips are taken from the kernel's own time stamps of sending and receiving. An answer later "
                    + "than its timeout counts as late, not as lost, and what did not leave this host counts as "
                    + "not sent.",
                "Below ping's lines the summary tells, where there was enough to tell it from: percentiles of the "
                    + "round trips; jitter, smoothed as in RFC 3550; the clock they were taken by (kernel, user, or "
                    + "user/kernel rx for this process' time of sending and the kernel's of arrival); ipdv, how "
                    + "neighbours differ, and pdv, how far round trips lie above the shortest (RFC 5481); host delay, "
                    + "what this host added; how many losses lay in a row; outages, which are two losses or more in a "
                    + "row, with their start and length; availability, the share of probes outside of outages; and "
                    + "what should not have happened: late, from a wrong source, reordered, not sent, missed slots, "
                    + "unsolicited, dropped here.",
                "A HOST may also be a prefix such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20. One of them, or "
                    + "an option of the section Sweeps, makes it a sweep: which of many targets are alive? Each is asked "
                    + "once and, if it does not answer, once more; a line tells of each that answers, and standard error "
                    + "has the total. Nothing is kept of a target that is decided, so that there may be millions. IPv4 "
                    + "prefixes are without their network and broadcast address.",
                "With -c, -i, --slots or --interval-summary prefixes, ranges and --targets-from make no sweep: each target "
                    + "is asked every interval, up to 1,048,576 of them. Where there is neither -i nor --rate, the interval "
                    + "is a second, or as long as all of them take at 1,000 probes a second. The summary has a line for each: "
                    + "answers and probes, the share of lost probes and their time (their number times the interval), "
                    + "and the round trips. A file is read to its end before the first probe.",
                "SIGINT and SIGTERM end the run with the summary, SIGQUIT prints a line on standard error in between.",
            ],
            exitStatuses: [
                Meaning("0", "Every host answered, or as many as --min-reachable says."),
                Meaning(
                    "1",
                    "Some host did not, or with -c and -w not often enough, or a condition of --fail-if held."),
                Meaning("2", "The command line, a name or the system was at fault."),
                Meaning("141", "The reader of standard output has gone."),
            ],
            environment: [
                Meaning("NO_COLOR", "If it is set and not empty, the picture of --style heat has no colours."),
                Meaning("TERM", "Where it is dumb or not set, --style heat is text."),
                Meaning(
                    "LC_ALL, LC_CTYPE, LANG",
                    "The first that is set says whether the terminal takes UTF-8; without it blocks are ASCII."),
            ],
            examples: [
                Example("swping -c 3 192.0.2.1", "Ask three times."),
                Example("swping -i 0.2 -w 10 router.example 2001:db8::1", "Two hosts for ten seconds."),
                Example(
                    "swping -q -c 200 -i 0.1 --fail-if 'loss>1%' --fail-if 'p99>20ms' 192.0.2.1",
                    "Check a promise."),
                Example("swping --udp --port 7 192.0.2.1", "Ask a UDP echo service."),
                Example("swping --dual -c 20 www.example", "Compare IPv4 and IPv6."),
                Example("swping 192.0.2.0/24 2001:db8::/120", "Tell which hosts of two networks are alive."),
                Example(
                    "swping --targets-from hosts.txt --unreachable --rate 5000 -j", "Tell which of these don't answer."),
                Example("swping -q -c 10 --slots 192.0.2.0/24", "Tell how each address of a network fares."),
                Example(
                    "swping -i 60 --interval-summary 3600 -q --targets-from hosts.txt", "Watch many, hour by hour."),
                Example("swping --diagnose", "Tell which sockets work here and what would help."),
            ],
            seeAlso: ["swtrace(8)", "swecho(8)", "ping(8)", "icmp(7)"]),
        [scheduleSection, probeSection, meansSection, sweepSection, outputSection])
}
