import CommandLineOptions
import PacketFormats
import ProbeEngine
import ProbeIO

/// What the command line asks for.
struct Options: Sendable {
    enum Transport: Sendable {
        case udp
        case icmp
        case tcp
    }

    var version: IPVersion?
    var proto = Transport.udp
    /// `-U`: UDP to a port that firewalls let pass.
    var isDNSPort = false
    var port: UInt16?
    var firstHop = 1
    var maximumHop = 30
    var queries = 3
    /// Nanoseconds, as all times here.
    var maximumWait: Int64 = 5_000_000_000
    var hereFactor = 3.0
    var nearFactor = 10.0
    var maximumInFlight = 255
    var pause: Int64 = 0
    var source: String?
    var dontFragment = false
    var trafficClass: UInt8 = 0
    var changesPort = false
    var highestRung = Rung.raw
    var isNumeric = false
    var showsExtensions = false
    var isVerbose = false
    var isJSON = false
    var findings = Findings()

    /// What the probes ask with.
    var method: ProbeMethod {
        switch proto {
        case .udp: .udp(destinationPort: port ?? (isDNSPort ? 53 : 33_434))
        case .icmp: .icmpEcho
        case .tcp: .tcpSYN(destinationPort: port ?? 80)
        }
    }

    static let table = OptionTable<Options>(
        Page(
            name: "swtrace", summary: "show the way that packets take to a host",
            operands: Operands("HOST [SIZE]", minimum: 1, maximum: 2, completion: .host),
            description: [
                "Sends probes whose hop limits run out on the way to HOST, all of them at once, and prints the routers "
                    + "that say so. SIZE is the length of a probe with its headers (60; 80 over IPv6).",
                "All probes are of one flow, so that routers which balance load show one path and not a mixture. "
                    + "A silent router is waited for only as long as the answers of others make sensible.",
                "Without root's rights or CAP_NET_RAW it sends from UDP sockets and reads their error queues, or with "
                    + "-I from ICMP datagram sockets, and finds the same.",
            ],
            exitStatuses: [
                Meaning("0", "The host answered."),
                Meaning(
                    "1",
                    "It did not, or a router said that it can't be reached, or a condition of --fail-if held."),
                Meaning("2", "The command line, the name or the system was at fault."),
                Meaning("141", "The reader of standard output has gone."),
            ],
            examples: [
                Example("swtrace 192.0.2.1", "Trace with UDP."),
                Example("swtrace -n -T -p 443 www.example", "Trace with TCP, as a browser would connect."),
                Example(
                    "swtrace -n --asn-db ip2asn-combined.tsv --fail-if 'via!=AS64500' 192.0.2.1",
                    "Print who announces each router, and fail unless the path goes through AS64500."),
                Example(
                    "swtrace --json 192.0.2.1 >known; swtrace --baseline known --fail-if path-changed 192.0.2.1",
                    "Remember a path, and fail when it changes."),
            ],
            seeAlso: ["swping(8)", "traceroute(8)", "ip(7)"]),
        [probeSection, scheduleSection, meansSection, findingSection, outputSection])
}
