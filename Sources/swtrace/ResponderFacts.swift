import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// What is known of responders beside their addresses: names, and who announces them. One descriptor for a loop.
final class ResponderFacts: DescriptorOwner {
    private let asksNames: Bool
    private let files: FindingFiles
    private let nameResolver: ReverseResolver
    /// Nil where nobody wants to know.
    private let originResolver: ASNResolver?
    private let poller: Poller
    private let timer: Timer
    private var timerIsSet: Int64?
    private var asked: Set<IPAddress> = []
    /// Nil where there is none.
    private var names: [IPAddress: SafeText?] = [:]
    /// Nil where nobody could tell.
    private var origins: [IPAddress: ASOrigins?] = [:]

    /// Throws what the kernel refuses.
    init(asksNames: Bool, _ findings: Options.Findings, _ files: FindingFiles) throws(Errno) {
        self.asksNames = asksNames
        self.files = files
        nameResolver = try ReverseResolver()
        originResolver =
            findings.findsOrigins
            ? try ASNResolver(table: files.origins, asksDNS: findings.asksDNSForOrigins, beside: nameResolver) : nil
        poller = try Poller()
        timer = try Timer()
        try poller.add(timer, token: 0)
        if let originResolver {
            try poller.add(originResolver, token: 0)
        } else {
            try poller.add(nameResolver, token: 0)
        }
    }

    /// Readable when there is something for `take`, or when it is time to tell what waits.
    var rawDescriptor: Int32 { poller.rawDescriptor }

    /// Wakes the loop at the first of these instants that is still to come: what waits for a silent name server is told
    /// then, whatever else happens.
    func wake(at instants: [Int64], after now: Timestamp) {
        guard let next = instants.filter({ $0 > now.nanoseconds }).min(), next != timerIsSet else { return }
        // A failure would only make it later.
        if (try? timer.set(to: next)) != nil { timerIsSet = next }
    }

    /// Asks about a responder, once.
    func ask(_ address: IPAddress) {
        guard asksNames || originResolver != nil, asked.insert(address).inserted else { return }
        if asksNames { nameResolver.lookUp(address) }
        guard let originResolver else { return }
        originResolver.lookUp(address)
        // What a table knows is there already.
        take()
        if let fault = files.nextFault() { reportLine(fault, from: Tool.name) }
    }

    /// Takes the answers that are there.
    func take() {
        if timerIsSet != nil, (try? timer.acknowledge()) == true { timerIsSet = nil }
        while let (address, name) = nameResolver.nextAnswer() { names[address] = name.map { SafeText(name: $0) } }
        while let (address, found) = originResolver?.nextAnswer() { origins[address] = found }
    }

    /// Whether nothing more will be known of an address.
    func isKnown(_ address: IPAddress) -> Bool {
        (!asksNames || names[address] != nil) && (originResolver == nil || origins[address] != nil)
    }

    func name(of address: IPAddress) -> SafeText? { names[address] ?? nil }

    /// Nil where that is not known, or not yet.
    func origins(of address: IPAddress) -> ASOrigins? { origins[address] ?? nil }

    /// The same for a report: nil where nobody asked.
    var reportedOrigins: ((IPAddress) -> ASOrigins?)? {
        originResolver == nil ? nil : { self.origins(of: $0) }
    }

    /// Questions without an answer so far.
    var pendingCount: Int { nameResolver.pendingCount + (originResolver?.pendingCount ?? 0) }
}
