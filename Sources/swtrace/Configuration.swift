import Glibc
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
        configuration.payloadLength = payloadLength(ofPackets: size, address.version)
        configuration.seed = Self.seed
        return configuration
    }

    /// The search for all paths to one host.
    ///
    /// - Parameter size: octets of a probe with its headers, nil for the usual ones.
    func multipathConfiguration(for address: IPAddress, size: Int?, _ rule: StoppingRule)
        -> MultipathTrace.Configuration
    {
        var configuration = MultipathTrace.Configuration(
            destination: address, space: FlowSpace(method, sourcePorts: flows))
        configuration.rule = rule
        configuration.isLite = multipathDetail.isLite
        if let count = multipathDetail.maximumProbes { configuration.maximumProbes = count }
        configuration.firstHop = firstHop
        configuration.maximumHop = maximumHop
        configuration.maximumWait = TimeSpan(nanoseconds: maximumWait)
        configuration.hereFactor = hereFactor
        configuration.nearFactor = nearFactor
        configuration.tailWait = tailWait
        configuration.maximumDelay = maximumDelay
        if let gapLimit { configuration.gapLimit = gapLimit }
        configuration.maximumInFlight = min(configuration.maximumInFlight, maximumInFlight)
        configuration.pause = TimeSpan(nanoseconds: pause)
        configuration.trafficClass = trafficClass
        configuration.dontFragment = dontFragment
        configuration.payloadLength = payloadLength(ofPackets: size, address.version)
        configuration.seed = Self.seed
        return configuration
    }

    /// The rounds behind a search.
    func watchConfiguration(
        after former: MultipathTrace.Configuration, _ run: MultipathRun, rounds: UInt64
    ) -> PathWatch.Configuration {
        var configuration = PathWatch.Configuration(destination: former.destination, graph: run.graph)
        configuration.rounds = rounds == 0 ? nil : rounds
        if let interval = multipathDetail.interval { configuration.interval = TimeSpan(nanoseconds: interval) }
        configuration.maximumWait = former.maximumWait
        configuration.maximumDelay = former.maximumDelay
        configuration.payloadLength = former.payloadLength
        configuration.trafficClass = former.trafficClass
        configuration.dontFragment = former.dontFragment
        configuration.limitedHops = Set(run.slowedHops)
        configuration.seed = Self.seed
        return configuration
    }

    /// What standard output gets of them.
    func watchReport(for target: ReportTarget, _ zones: [UInt32: SafeText]) -> any PathWatchReport {
        if style == .json {
            var report = PathWatchJSONReport(target: target, method: method)
            report.zones = zones
            return report
        }
        var report = PathWatchTextReport(target: target)
        report.zones = zones
        return report
    }

    /// What is sent in packets of so many octets, nil for the usual ones.
    func payloadLength(ofPackets size: Int?, _ version: IPVersion) -> Int {
        // Of ICMP as of UDP; a packet of another protocol has none.
        let header = if case .ip = method { 0 } else { UDPHeader.length }
        guard let size else { return Self.payloadLength + UDPHeader.length - header }
        return max(0, size - Self.headerLength(version) - header)
    }

    /// For the order of sending, which nobody should foresee.
    private static var seed: UInt64 { ((try? randomBytes(8)) ?? []).reduce(0) { $0 << 8 | UInt64($1) } }

    /// What standard output gets of one host's trace.
    ///
    /// - Parameter isFirst: whether the names of a table's columns are still to come.
    func report(
        for target: ReportTarget, _ method: ProbeMethod, _ zones: [UInt32: SafeText], isFirst: Bool
    ) -> any PathReport {
        switch style {
        // Of pictures `checkMultipath` says that they have all paths.
        case .text, .dot, .svg:
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

    /// What standard output gets of all paths to one host.
    func multipathReport(for target: ReportTarget, _ zones: [UInt32: SafeText]) -> any MultipathReport {
        switch style {
        case .json:
            var report = MultipathJSONReport(target: target, method: method)
            report.zones = zones
            return report
        case .dot:
            var report = MultipathDOTReport(target: target)
            report.showsNames = !isNumeric
            report.zones = zones
            return report
        case .svg:
            var report = MultipathSVGReport(target: target)
            report.showsNames = !isNumeric
            report.zones = zones
            return report
        // `checkMultipath` refuses tables.
        case .text, .csv, .atlas:
            var report = MultipathTextReport(target: target)
            report.showsNames = !isNumeric
            report.showsExtensions = showsExtensions
            report.zones = zones
            report.hasBoxes = Terminal.isUnicode
            if let size = Terminal.size(of: STDOUT_FILENO) { report.columns = size.columns }
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
    func packetLength(to destination: IPAddress, payloadLength: Int, _ transportLength: Int?) -> Int {
        let probe = Probe(destination: destination, method: method, payloadLength: payloadLength)
        return Self.headerLength(destination.version) + optionsLength
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
