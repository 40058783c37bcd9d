import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

extension Options {
    /// Options that choose a version choose it for all hosts, and an interface is the zone of those that need one.
    ///
    /// Throws where two options disagree, or an option and a host.
    mutating func settlePacketOptions(_ hosts: inout [String]) throws(ToolFailure) {
        if flowLabel != nil { try settle(.v6, "-F", hosts) }
        if let option = ipv4Options.first {
            let letter = if case .timestamp = option { "-T" } else { "-R" }
            try settle(.v4, letter, hosts)
        }
        if bypassesRouting { try settle(.v4, "-r", hosts) }
        if let source { try settle(source.version, "-I \(source.withoutZone)", hosts) }
        if hasRandomData, !pattern.isEmpty {
            throw ToolFailure("options -p and --random-data exclude each other (see swping --help)")
        }
        if isConnected, hosts.count != 1 { throw ToolFailure("option -C: takes one host") }
        guard let device else { return }
        for (index, host) in hosts.enumerated() {
            if case .v6(let address) = IPAddress(host), address.isLinkLocal || address.isLinkLocalMulticast {
                hosts[index] = "\(host)%\(device)"
            }
        }
    }

    private mutating func settle(_ needed: IPVersion, _ option: String, _ hosts: [String]) throws(ToolFailure) {
        guard version == nil || version == needed else {
            throw ToolFailure("option \(option): is for IPv\(needed.rawValue) only")
        }
        version = needed
        if let host = hosts.first(where: { IPAddress($0).map { $0.version != needed } ?? false }) {
            throw ToolFailure("option \(option): is for IPv\(needed.rawValue) only, which \(SafeText(host)) is not")
        }
    }

    /// Bytes that the IPv4 options leave for the payload.
    var maximumPayload: Int { Self.maximumIPv4Payload - ((try? ipv4Options.encoded())?.count ?? 0) }

    /// What the sockets have to be.
    var socketSettings: SocketSettings {
        var settings = SocketSettings()
        settings.content.pattern = hasRandomData ? randomData(count: payloadLength) : pattern
        settings.content.ipv4Options = ipv4Options
        settings.content.flowLabel = flowLabel
        settings.identifier = identifier
        settings.device = device
        settings.mark = mark
        settings.pathMTUDiscovery = pathMTUDiscovery
        settings.sendBufferSize = sendBufferSize
        settings.bypassesRouting = bypassesRouting
        settings.isDebugging = isDebugging
        settings.keepsSource = keepsSource
        settings.allowsBroadcast = allowsBroadcast
        settings.loopsMulticast = loopsMulticast
        return settings
    }

    /// Throws where one ping socket over IPv6 would have to keep several source addresses.
    func checkSources(
        of targets: TargetList, _ transport: inout ProbeTransport
    ) throws(ToolFailure) {
        guard keepsSource, source == nil, transport.rung == .ping else { return }
        var sources: Set<IPAddress> = []
        for target in targets where target.version == .v6 && !target.isMulticast {
            if let source = try? transport.source(to: target) { sources.insert(source) }
        }
        guard sources.count > 1 else { return }
        throw ToolFailure(
            "option -B: needs raw sockets for hosts that are reached from several IPv6 addresses "
                + "(here: ping sockets; \(OptionRefusals.remedy([.raw], self)))")
    }

    /// The broadcast addresses among the targets.
    ///
    /// Throws where one was not allowed, and for others than root where groups would be asked too fast or in fragments.
    func broadcasts(
        among targets: TargetList, _ transport: borrowing ProbeTransport
    ) throws(ToolFailure) -> [IPAddress] {
        let broadcasts = transport.broadcasts(among: targets)
        if !broadcasts.isEmpty {
            guard allowsBroadcast else {
                throw ToolFailure("Do you want to ping broadcast? Then -b. If not, check your local firewall rules")
            }
            reportLine("WARNING: pinging broadcast address", from: Tool.name)
        }
        guard getuid() != 0, !broadcasts.isEmpty || targets.contains(where: \.isMulticast) else { return broadcasts }
        if interval < 1_000_000_000 {
            throw ToolFailure("option -i: less than 1 second to a broadcast or multicast address is only for root")
        }
        if let pathMTUDiscovery, pathMTUDiscovery != .always {
            throw ToolFailure("option -M: other than do to a broadcast or multicast address is only for root")
        }
        return broadcasts
    }
}

extension IPv6Address {
    /// Whether it is a group on one link (RFC 4291 section 2.7: scope 2).
    fileprivate var isLinkLocalMulticast: Bool { high >> 48 & 0xff0f == 0xff02 }
}
