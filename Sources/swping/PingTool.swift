import CommandLineOptions
import Glibc
import LinuxSockets
import PacketFormats
import ProbeIO
import ProbeReports

/// swping as ping: options, rights, sockets, the host, measurement, exit status, in the order in which ping fails.
struct PingTool {
    private var options: PingOptions
    private var operands: [String] = []

    /// - Parameter program: what ping is called in its lines.
    static func run(as program: String, _ arguments: [String], _ output: inout OutputWriter) -> Int32 {
        var tool = PingTool(options: PingOptions(program: program))
        do throws(ToolFailure) {
            return try tool.run(arguments, &output)
        } catch {
            if !error.line.isEmpty { reportLine(error.line, from: program) }
            return error.status
        }
    }

    private mutating func run(_ arguments: [String], _ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        do throws(UsageError) {
            switch try PingOptions.table.parse(arguments, into: &options) {
            case .print(let text):
                output.write(text)
                return 0
            case .run(let operands): self.operands = operands
            }
        } catch {
            switch options.ending {
            case .line(let line, let status): throw ToolFailure(line, status: status)
            case .version:
                // Scripts look for the word iputils.
                output.write("ping from iputils 20221126 (spoken by \(Tool.name) \(Release.current.version))\n")
                return 0
            case .usage: throw misuse()
            // getopt(3) gives this letter for every mistake.
            case nil where error.fault == .unknownOption("-?"): throw misuse()
            case nil: throw misuse(Self.words(for: error))
            }
        }
        guard let host = operands.last else {
            throw ToolFailure("usage error: Destination address required", status: 1)
        }
        return try measure(host, &output)
    }

    private static func words(for error: UsageError) -> String {
        switch error.fault {
        case .missingValue(let option, _): "option requires an argument -- '\(option.drop { $0 == "-" })'"
        // A long name is a cluster of letters for ping, the first of which is a dash.
        case .unknownOption(let option): "invalid option -- '\(option.dropFirst().prefix(1))'"
        case .badValue, nil: error.message
        }
    }

    private func misuse(_ line: String? = nil) -> ToolFailure {
        if let line { reportLine(line, from: options.program) }
        reportErrors(Array("\n\(PingOptions.table.help)".utf8))
        return ToolFailure("", status: 2)
    }

    // MARK: Sockets and host

    private mutating func measure(_ host: String, _ output: inout OutputWriter) throws(ToolFailure) -> Int32 {
        let numericVersion = (try? Resolver.numericAddress(host))?.version
        if let source = options.common.source, let numericVersion, source.version != numericVersion {
            // ping takes no notice of it, but says where it sends from.
            options.common.source = nil
            options.common.keepsSource = true
        }
        // What is wrong with these is told behind what is wrong with the host.
        let (device, source) = (options.common.device, options.common.source)
        if let device, (try? Interface.index(named: device)) == nil { options.common.device = nil }
        if let source, !Self.isOwn(source) { options.common.source = nil }
        let selection: TransportSelection
        do throws(ToolFailure) {
            selection = try TransportSelection.openAndDropRights(request(numericVersion))
        } catch {
            throw ToolFailure("socket: \(error.line)")
        }
        let rung = selection.transport.rung
        let method = selection.transport.method
        let refusals = selection.refusedSettings
        var transport = selection.take()

        let (target, address) = try resolve(host, &transport)
        if operands.count > 1 { try refuseRoute(address.version) }
        try checkSettings(refusals, device, address.version)
        if source != nil, options.common.source == nil {
            let what = address.version == .v4 ? "bind" : "bind icmp socket"
            throw ToolFailure("\(what): Cannot assign requested address")
        }
        let broadcasts = try broadcasts(address, transport)
        try checkHopLimit(address.version)
        try checkLength(address.version)
        if options.common.isConnected {
            do throws(Errno) {
                try transport.connect(to: address)
            } catch {
                throw ToolFailure("connect: \(error)")
            }
        }
        options.common.ping = PingPersona(program: options.program, lastWait: options.lastWait)
        let session = try EchoSession(
            targets: EchoTargets([target], options.common), options: options.common, rung: rung, note: nil,
            method: method, broadcasts: broadcasts)
        return try session.run(over: transport, capturing: nil, &output)
    }

    private func request(_ version: IPVersion?) -> TransportRequest {
        let common = options.common
        var request = TransportRequest(method: .icmpEcho)
        request.payloadLength = min(common.payloadLength, Options.maximumIPv4Payload)
        request.source = common.source
        request.settings = common.socketSettings
        request.wantsKernelStamps = common.wantsKernelStamps(hosts: 1)
        // Where ping has no socket, this is better than none.
        request.fallback = .udp(destinationPort: Options.fallbackPort)
        if let version = common.version ?? version ?? common.source?.version { request.versions = [version] }
        return request
    }

    private static func isOwn(_ address: IPAddress) -> Bool {
        ((try? Interface.all()) ?? []).contains { interface in
            interface.addresses.contains { $0.address.withoutZone == address.withoutZone }
        } || address.isLoopback
    }

    /// The first address of the host that there is a way to.
    private func resolve(
        _ host: String, _ transport: inout ProbeTransport
    ) throws(ToolFailure) -> (target: ResolvedHost, address: IPAddress) {
        let addresses: [IPAddress]
        do throws(ResolveError) {
            addresses = try Self.addresses(of: host, options.common)
        } catch {
            throw ToolFailure(Self.words(for: error, host))
        }
        let isNumeric = (try? Resolver.numericAddress(host)) != nil
        var failure = Errno.addressFamilyNotSupported
        for address in addresses where transport.versions.contains(address.version) {
            do throws(Errno) {
                if options.common.source == nil, transport.broadcasts(among: [address]).isEmpty {
                    _ = try transport.source(to: address)
                }
                return (ResolvedHost(name: host, address: .success(address), isNumeric: isNumeric), address)
            } catch {
                failure = error
            }
        }
        throw ToolFailure("connect: \(failure)")
    }

    private static func addresses(of host: String, _ options: Options) throws(ResolveError) -> [IPAddress] {
        let zone = options.device.flatMap { try? Interface.index(named: $0) } ?? 0
        if let address = try Resolver.numericAddress(host, family: options.version, zone: zone) {
            // Linux sends what is for the unspecified address to itself.
            switch address {
            case .v4(.any): return [.v4(.loopback)]
            case .v6(.any): return [.v6(.loopback)]
            default: return [address]
            }
        }
        guard let version = options.version ?? options.source?.version else { return try Resolver.resolve(host) }
        do throws(ResolveError) {
            return try Resolver.resolve(host, family: version)
        } catch {
            // Of a name that has other addresses ping says another thing.
            guard case .unknownHost = error, (try? Resolver.resolve(host)) != nil else { throw error }
            throw .wrongVersion(name: host, wanted: version)
        }
    }

    private static func words(for error: ResolveError, _ host: String) -> String {
        let reason: String
        switch error {
        case .unknownHost(_, let words): reason = words.split(separator: " (").first.map(String.init) ?? words
        case .wrongVersion: reason = "Address family for hostname not supported"
        case .prefix, .notAName, .unknownZone: reason = "Name or service not known"
        case .missingZone: return SafeText("\(error)").description
        }
        return "\(SafeText(host)): \(reason)"
    }

    /// Operands before the last are a source route: ping fails at the kernel, over IPv6 it knows none.
    private func refuseRoute(_ version: IPVersion) throws(ToolFailure) {
        guard version == .v4, operands.count <= Self.longestRoute + 1 else { throw misuse() }
        for hop in operands.dropLast() {
            do throws(ResolveError) {
                _ = try Resolver.resolve(hop, family: .v4)
            } catch {
                throw ToolFailure(Self.words(for: error, hop))
            }
        }
        throw ToolFailure("record route: Operation not permitted")
    }

    private static let longestRoute = 9

    // MARK: Checks

    private func checkSettings(
        _ refusals: [SocketSettings.Refusal], _ device: String?, _ version: IPVersion
    ) throws(ToolFailure) {
        if let device, options.common.device == nil {
            throw ToolFailure(
                version == .v4
                    ? "SO_BINDTODEVICE \(SafeText(device)): No such device" : "unknown iface: \(SafeText(device))")
        }
        for refusal in refusals {
            switch refusal.name {
            case .device:
                throw ToolFailure("SO_BINDTODEVICE \(SafeText(device ?? "")): \(refusal.failure)")
            case .mark:
                reportLine(
                    "WARNING: failed to set mark: \(options.common.mark ?? 0): \(refusal.failure)",
                    from: options.program)
            case .flowLabel: throw ToolFailure("can't set flowlabel: \(refusal.failure)")
            case .debugging, .sendBufferSize: break
            }
        }
    }

    private func broadcasts(
        _ address: IPAddress, _ transport: borrowing ProbeTransport
    ) throws(ToolFailure) -> [IPAddress] {
        let broadcasts = transport.broadcasts(among: [address])
        if !broadcasts.isEmpty {
            guard options.common.allowsBroadcast else {
                throw ToolFailure("Do you want to ping broadcast? Then -b. If not, check your local firewall rules")
            }
            reportErrors(Array("WARNING: pinging broadcast address\n".utf8))
        }
        guard getuid() != 0, !broadcasts.isEmpty || address.isMulticast else { return broadcasts }
        let milliseconds = options.common.interval / 1_000_000
        if milliseconds < 1_000 { throw ToolFailure("broadcast ping with too short interval: \(milliseconds)") }
        if let strategy = options.common.pathMTUDiscovery, strategy != .always {
            throw ToolFailure("broadcast ping does not fragment")
        }
        return broadcasts
    }

    private mutating func checkHopLimit(_ version: IPVersion) throws(ToolFailure) {
        guard let hopLimit = options.hopLimit else { return }
        if hopLimit == 0, version == .v4 { throw ToolFailure("cannot set unicast time-to-live: Invalid argument") }
        options.common.hopLimit = hopLimit
        options.common.multicastHopLimit = hopLimit
    }

    /// No datagram holds more.
    private func checkLength(_ version: IPVersion) throws(ToolFailure) {
        let maximum = version == .v4 ? options.common.maximumPayload : Self.maximumIPv6Payload
        guard options.common.payloadLength > maximum else { return }
        throw ToolFailure("local error: message too long, mtu\(version == .v4 ? "=" : ": ")65535", status: 1)
    }

    private static let maximumIPv6Payload = 65_527
}

/// What ping does otherwise while it measures.
struct PingPersona: Sendable {
    /// What it is called in its lines.
    var program: String
    /// Nanoseconds.
    var lastWait: Int64
}
