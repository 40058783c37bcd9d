import CommandLineOptions
import PacketFormats
import ProbeEngine
import ProbeIO

/// What the command line asks for.
struct Options: Sendable {
    /// As whom the tool speaks.
    var persona = Persona.swtrace
    var wantsVersion = false
    /// Octets of the first packet of path MTU discovery; nil for what the link takes.
    var firstLength: Int?
    /// `-b` of tracepath.
    var showsNamesAndAddresses = false
    /// Silent hops end nothing, and so do routers that come again.
    var stopsAtLoops = true
    var asksSilentHopsAgain = false
    enum Transport: Hashable, Sendable {
        case udp
        case icmp
        case tcp
        /// Without a header of its own.
        case ip(IPProtocol)
    }

    var version: IPVersion?
    var proto = Transport.udp
    /// `-U`: UDP to a port that firewalls let pass.
    var isDNSPort = false
    var port: UInt16?
    var firstHop = 1
    var maximumHop = 30
    var queries = 3
    /// Whether their number was given.
    var hasQueries = false
    /// Nanoseconds, as all times here.
    var maximumWait: Int64 = 5_000_000_000
    var hereFactor = 3.0
    var nearFactor = 10.0
    /// nil where the user says how long to wait.
    var tailWait: TimeSpan? = .seconds(1)
    /// The same.
    var maximumDelay: TimeSpan? = .milliseconds(500)
    var maximumInFlight = 2_550
    var gapLimit: Int?
    var pause: Int64 = 0
    var source: String?
    var dontFragment = false
    var trafficClass: UInt8 = 0
    var highestRung = Rung.raw
    var isNumeric = false
    var showsExtensions = false
    var isVerbose = false
    var findings = Findings()
    var showsWayBack = false
    var findsMTU = false
    /// What was asked for in place of text: one of them at most goes.
    var styles: [Style] = []
    var captureFile: String?
    /// When a router has had probes enough where all paths are to be found; nil for one path.
    var multipath: StoppingRule?
    var multipathDetail = MultipathDetail()

    /// What standard output gets.
    enum Style: String, Sendable {
        case text
        case json
        case csv
        case atlas
        case dot
        case svg
    }

    var style: Style { styles.first ?? .text }
    var flow = FlowIdentity.paris
    var sourcePort: UInt16?
    var flowLabel: UInt32?
    /// `-g`: the routers to go by.
    var gateways: [IPv4Address] = []
    var device: String?
    var mark: UInt32?
    var bypassesRouting = false
    var isDebugging = false
    var methodOptions = MethodOptions()
    var wantsMethodHelp = false

    /// Whether the destination port counts up.
    var changesPort: Bool { flow == .classic && proto == .udp }

    /// What the probes ask with.
    var method: ProbeMethod {
        switch proto {
        case .udp: .udp(destinationPort: port ?? (isDNSPort ? 53 : 33_434))
        case .icmp: .icmpEcho
        case .tcp: .tcpSYN(destinationPort: port ?? 80)
        case .ip(let number): .ip(number)
        }
    }

    static let table = OptionTable<Options>(
        Page(
            name: "swtrace", summary: "show the way that packets take to a host",
            operands: Operands("HOST... [SIZE]", minimum: 0, completion: .host),
            description: [
                "Sends probes whose hop limits run out on the way to HOST, all of them at once, and prints the routers "
                    + "that say so. SIZE is the length of a probe with its headers (60; 80 over IPv6). Several hosts "
                    + "are traced side by side and told of one after the other.",
                "All probes are of one flow, so that routers which balance load show one path and not a mixture. "
                    + "A silent router is waited for only as long as the answers of others make sensible.",
                "With --multipath it finds all paths, and prints them as a graph and how sure it is that none is missing.",
                "Without root's rights or CAP_NET_RAW it sends from UDP sockets and reads their error queues, or with "
                    + "-I from ICMP datagram sockets, and finds the same. With -T it connects a TCP socket for each probe: "
                    + "each is a flow of its own then, and answers are waited for no longer than a second.",
            ],
            output: Options.meanings,
            exitStatuses: [
                Meaning("0", "Every host answered."),
                Meaning(
                    "1",
                    "Some host did not, or a router said that it can't be reached, or a condition of --fail-if held."),
                Meaning("2", "The command line, a name or the system was at fault."),
                Meaning("141", "The reader of standard output has gone."),
            ],
            environment: [
                Meaning(
                    "LC_ALL, LC_CTYPE, LANG",
                    "The first that is set says whether the terminal takes UTF-8; without it graphs are drawn in ASCII."
                )
            ],
            examples: [
                Example("swtrace 192.0.2.1", "Trace with UDP."),
                Example("swtrace -n --multipath 192.0.2.1", "Find all paths."),
                Example(
                    "swtrace --multipath=trace:99 --dot 192.0.2.1 | dot -Tpdf >paths.pdf",
                    "Find them all with 99%, and draw them."),
                Example("swtrace -n -T -p 443 www.example", "Trace with TCP, as a browser would connect."),
                Example(
                    "swtrace -n --asn-db ip2asn-combined.tsv --fail-if 'via!=AS64500' 192.0.2.1",
                    "Print who announces each router, and fail unless the path goes through AS64500."),
                Example(
                    "swtrace --json 192.0.2.1 >known; swtrace --baseline known --fail-if path-changed 192.0.2.1",
                    "Remember a path, and fail when it changes."),
            ],
            seeAlso: ["swping(8)", "traceroute(8)", "ip(7)"]),
        [probeSection, scheduleSection, multipathSection, meansSection, findingSection, outputSection])
}
