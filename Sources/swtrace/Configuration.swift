import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

extension Options {
    /// The trace of one host.
    ///
    /// - Parameters:
    ///   - size: octets of a probe with its headers, nil for the usual ones.
    ///   - limits: what the transport can't do more of.
    func configuration(
        for address: IPAddress, size: Int?, _ limits: ProbeLimits
    ) -> PathTrace.Configuration {
        var configuration = PathTrace.Configuration(destination: address)
        configuration.method = method
        configuration.firstHop = firstHop
        configuration.maximumHop = maximumHop
        configuration.queries = queries
        configuration.maximumWait = min(TimeSpan(nanoseconds: maximumWait), limits.wait ?? .seconds(3_600))
        configuration.hereFactor = hereFactor
        configuration.nearFactor = nearFactor
        configuration.tailWait = tailWait
        configuration.maximumDelay = maximumDelay
        configuration.gapLimit = gapLimit
        configuration.stopsAtLoops = stopsAtLoops
        configuration.asksSilentHopsAgain = asksSilentHopsAgain
        configuration.maximumInFlight = maximumInFlight
        configuration.pause = TimeSpan(nanoseconds: pause)
        configuration.trafficClass = trafficClass
        configuration.dontFragment = dontFragment || findsMTU
        configuration.changesPort = changesPort
        configuration.changesFlow = flow == .classic && !changesPort || !limits.hasConstantFlow
        // Of ICMP as of UDP; a packet of another protocol has none.
        let header = if case .ip = configuration.method { 0 } else { UDPHeader.length }
        configuration.payloadLength = Self.payloadLength + UDPHeader.length - header
        if let size { configuration.payloadLength = max(0, size - Self.headerLength(address.version) - header) }
        if let bytes = try? randomBytes(8) { configuration.seed = bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        return configuration
    }

    /// What standard output gets of one host's trace.
    ///
    /// - Parameter isFirst: whether the names of a table's columns are still to come.
    func report(
        for target: ReportTarget, _ method: ProbeMethod, _ zones: [UInt32: SafeText], isFirst: Bool
    ) -> any PathReport {
        switch style {
        case .text:
            var report = PathTextReport(target: target)
            report.showsNames = !isNumeric
            report.showsExtensions = showsExtensions
            report.showsWayBack = showsWayBack
            report.showsFlags = methodOptions.showsFlags
            report.zones = zones
            return persona.report(report, self)
        case .json:
            var report = PathJSONReport(target: target, method: method)
            report.zones = zones
            return report
        case .csv:
            var report = PathCSVReport(target: target, method: method)
            report.zones = zones
            report.hasNames = isFirst
            return report
        case .atlas:
            var report = PathAtlasReport(target: target, method: method)
            report.zones = zones
            return report
        }
    }

    /// Octets of the first packet of path MTU discovery where the link takes so many; nil for no discovery.
    func firstSize(linkMTU: Int?) -> Int? {
        guard findsMTU, let linkMTU else { return nil }
        guard let firstLength else { return linkMTU }
        // What every probe of the trace fits in needs none.
        return firstLength > Self.leastFirstSize ? min(firstLength, linkMTU) : nil
    }

    /// More than a probe of the trace has.
    static let leastFirstSize = 100

    /// Octets of a probe with its IP header.
    ///
    /// - Parameter transportLength: of what follows that header, where the kernel decides about it.
    func packetLength(of configuration: PathTrace.Configuration, _ transportLength: Int?) -> Int {
        let probe = Probe(
            destination: configuration.destination, method: configuration.method,
            payloadLength: configuration.payloadLength)
        return Self.headerLength(configuration.destination.version) + optionsLength
            + (transportLength ?? ProbeCodec.transportLength(of: probe, socketSettings.content))
    }

    /// Octets of the options in a probe's IP header.
    var optionsLength: Int { (try? socketSettings.content.ipv4Options.encoded())?.count ?? 0 }

    private static func headerLength(_ version: IPVersion) -> Int {
        version == .v4 ? IPv4Header.minimumLength : IPv6Header.length
    }

    /// Octets behind the transport header where no SIZE is given: packets of 60 octets over IPv4, 80 over IPv6.
    static let payloadLength = 32
}
