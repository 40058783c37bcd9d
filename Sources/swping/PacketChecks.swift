import Glibc
import LinuxSockets
import PacketFormats
import ProbeIO

extension Options {
    /// Options that choose a version choose it for all; throws where two disagree or one is of no use.
    mutating func settlePacketOptions(_ hosts: [String]) throws(ToolFailure) {
        if flowLabel != nil { try settle(.v6, "-F") }
        if !ipv4Options.isEmpty { try settle(.v4, "-R or -T") }
        if bypassesRouting { try settle(.v4, "-r") }
        if let source { try settle(source.version, "-I") }
        if isConnected, hosts.count != 1 { throw ToolFailure("option -C: takes one host") }
    }

    private mutating func settle(_ needed: IPVersion, _ option: String) throws(ToolFailure) {
        guard version == nil || version == needed else {
            throw ToolFailure("option \(option): is for IPv\(needed.rawValue) only")
        }
        version = needed
    }

    /// Bytes that the IPv4 options leave for the payload.
    var maximumPayload: Int { Self.maximumIPv4Payload - ((try? ipv4Options.encoded())?.count ?? 0) }

    /// What the sockets have to be.
    var socketSettings: SocketSettings {
        var settings = SocketSettings()
        settings.content.pattern = pattern
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

    /// The broadcast addresses among the targets.
    ///
    /// Throws where one was not allowed, and for others than root where groups would be asked too fast or in fragments.
    func broadcasts(
        among targets: [IPAddress], _ transport: borrowing ProbeTransport
    ) throws(ToolFailure) -> [IPAddress] {
        let broadcasts = targets.filter { transport.isBroadcast($0) }
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
