import LinuxSockets
import PacketFormats
import ProbeEngine

/// What a measurement needs of its sockets.
public struct TransportRequest: Sendable {
    public var method: ProbeMethod
    /// The versions to open sockets for; one that this host lacks is left out as long as another is there.
    public var versions: [IPVersion] = [.v4, .v6]
    public var payloadLength = 56
    public var dontFragment = false
    /// The address to send from, one of this host's; nil leaves the choice to the routing table.
    public var source: IPAddress?
    /// What becomes of an ICMP measurement where neither raw nor ping sockets are allowed; nil forbids UDP.
    public var fallback: ProbeMethod?
    /// The best rung that may be taken, so that the others can be asked for.
    public var highestRung = Rung.raw

    public init(method: ProbeMethod) { self.method = method }
}

/// Why no transport could be opened.
public enum TransportError: Error, Sendable {
    /// No rung that is good for the method is allowed; each with what the kernel said.
    case notPermitted([(rung: Rung, failure: Errno)])
    /// The kernel refused something that is no question of privilege.
    case refused(what: String, Errno)
    /// The address to send from is not one of this host's.
    case noSuchSource(IPAddress)
    /// The host has neither of the versions that were asked for.
    case noSuchVersion([IPVersion])
}

/// A transport and how it was come by.
public struct TransportSelection: ~Copyable {
    public var transport: ProbeTransport
    /// The rungs above that were tried, and what the kernel said.
    public let refusals: [(rung: Rung, failure: Errno)]

    /// Gives the transport away.
    public consuming func take() -> ProbeTransport { transport }

    /// Opens the best transport that the process is allowed: raw, then ping socket, then UDP.
    ///
    /// Only `socket` tells the truth about privilege, so each rung is tried. CAP_NET_RAW is raised around the calls that
    /// need it, where it is permitted. Nothing is received before the filters are in place.
    public static func open(
        _ request: TransportRequest, identity: ProbeIdentity
    ) throws(TransportError) -> TransportSelection {
        var refusals: [(rung: Rung, failure: Errno)] = []
        for rung in rungs(for: request) {
            let method = rung == .udp ? request.fallback ?? request.method : request.method
            var channels: [Channel] = []
            var refusal: Errno?
            for version in request.versions {
                do throws(Errno) {
                    channels += try open(rung, method, version, request, identity)
                } catch .addressFamilyNotSupported {
                    continue
                } catch {
                    if error == .addressNotAvailable, let source = request.source { throw .noSuchSource(source) }
                    guard error == .notPermitted || error == .permissionDenied else {
                        throw .refused(what: "\(rung) socket", error)
                    }
                    refusal = error
                    break
                }
            }
            if let refusal {
                refusals.append((rung, refusal))
                continue
            }
            guard !channels.isEmpty else { throw .noSuchVersion(request.versions) }
            return TransportSelection(
                transport: ProbeTransport(
                    channels, rung: rung, method: method, payloadLength: request.payloadLength,
                    dontFragment: request.dontFragment, source: request.source),
                refusals: refusals)
        }
        throw .notPermitted(refusals)
    }

    /// The rungs that can carry the method, best first.
    private static func rungs(for request: TransportRequest) -> [Rung] {
        let rungs: [Rung] =
            switch request.method {
            case .icmpEcho: request.fallback == nil ? [.raw, .ping] : [.raw, .ping, .udp]
            case .udp: [.raw, .udp]
            // Ping sockets send nothing but echo requests.
            case .tcpSYN, .icmpTimestamp: [.raw]
            }
        return rungs.filter { $0 >= request.highestRung }
    }

    private static func open(
        _ rung: Rung, _ method: ProbeMethod, _ version: IPVersion, _ request: TransportRequest,
        _ identity: ProbeIdentity
    ) throws(Errno) -> [Channel] {
        let channels: [Channel]
        switch rung {
        case .raw:
            channels = try Capabilities.withRaised(.netRaw) { () throws(Errno) in
                try openRaw(method, version, request.source, identity)
            }
        case .ping: channels = [try openPing(version, request.source, identity)]
        case .udp: channels = [try openUDP(version, request.source, identity)]
        }
        for channel in channels { try configure(channel, request) }
        return channels
    }

    // MARK: Raw

    private static func openRaw(
        _ method: ProbeMethod, _ version: IPVersion, _ source: IPAddress?, _ identity: ProbeIdentity
    ) throws(Errno) -> [Channel] {
        var identity = identity
        var channels: [Channel] = []
        var datagrams: Channel?
        // The ICMP socket comes first: whether it is allowed decides about the rung.
        let receiver = try Socket(family: family(version), type: .raw, protocol: version == .v4 ? .icmp : .icmpv6)
        switch method {
        case .icmpEcho, .icmpTimestamp: break
        case .udp:
            // Reserves the port, and receives what the service there answers.
            let socket = try bound(Socket(family: family(version), type: .datagram), version, source)
            identity.sourcePorts = try ports(of: socket)
            datagrams = Channel(
                socket, version, incoming: .datagrams, encapsulation: version == .v6 ? .payload : nil,
                codec: ProbeCodec(identity: identity))
        case .tcpSYN:
            // A port that is bound and not listening: the kernel resets what a SYN of ours opened.
            let reservation = try bound(Socket(family: family(version), type: .stream), version, source)
            identity.sourcePorts = try ports(of: reservation)
            channels.append(
                Channel(reservation, version, incoming: .nothing, codec: ProbeCodec(identity: identity)))
            let segments = try Socket(family: family(version), type: .raw, protocol: .tcp)
            let range = identity.sourcePorts.lowerBound...identity.sourcePorts.upperBound - 1
            try segments.attachDiscardingQueued(
                version == .v4 ? .ipv4(destinationPorts: range) : .ipv6(destinationPorts: range))
            channels.append(
                Channel(
                    segments, version, incoming: version == .v4 ? .ipv4Packets : .segments,
                    codec: ProbeCodec(identity: identity)))
        }
        let codec = ProbeCodec(identity: identity)
        let ports =
            identity.sourcePorts.isEmpty
            ? nil : identity.sourcePorts.lowerBound...identity.sourcePorts.upperBound - 1
        let identifiers =
            method == .icmpEcho || method == .icmpTimestamp
            ? IdentifierBlock(value: identity.identifier, mask: ~(identity.identifierCount - 1)) : nil
        try receiver.attachDiscardingQueued(
            version == .v4
                ? .icmp(identifiers, sourcePorts: ports) : .icmpv6(identifiers, sourcePorts: ports))
        let sender = try bound(Socket(family: family(version), type: .raw, protocol: .raw), version, source)
        try sender.attach(.dropAll)
        try sender.set(.receiveErrors, to: true)
        try sender.set(.headerIncluded, to: true)
        channels.append(Channel(sender, version, incoming: .nothing, encapsulation: .ipPacket, codec: codec))
        if let datagrams { channels.append(datagrams) }
        let isSecondSender = version == .v6 && method == .icmpEcho
        channels.append(
            Channel(
                receiver, version, incoming: version == .v4 ? .ipv4Packets : .icmpMessages,
                encapsulation: isSecondSender ? .icmpMessage : nil, codec: codec))
        return channels
    }

    /// The socket with a local port, which the kernel chooses, and the source address or any.
    private static func bound(
        _ socket: consuming Socket, _ version: IPVersion, _ source: IPAddress?
    ) throws(Errno) -> Socket {
        if version == .v6, socket.type != .raw { try socket.set(.onlyV6, to: true) }
        try socket.bind(to: SocketAddress(source ?? (version == .v4 ? .v4(.any) : .v6(.any))))
        return socket
    }

    private static func ports(of socket: borrowing Socket) throws(Errno) -> Range<UInt16> {
        guard let port = try socket.localAddress().port, port != 0, port < .max else { throw .addressNotAvailable }
        return port..<port + 1
    }

    // MARK: Without privilege

    private static func openPing(
        _ version: IPVersion, _ source: IPAddress?, _ identity: ProbeIdentity
    ) throws(Errno) -> Channel {
        let socket = try Socket(
            family: family(version), type: .datagram, protocol: version == .v4 ? .icmp : .icmpv6)
        // Binding chooses the identifier, which the kernel writes into every request.
        try socket.bind(to: SocketAddress(source ?? (version == .v4 ? .v4(.any) : .v6(.any))))
        var identity = identity
        identity.identifierCount = 1
        identity.identifier = try socket.localAddress().port ?? 0
        return Channel(
            socket, version, incoming: .icmpMessages, encapsulation: .icmpMessage, readsErrors: true,
            codec: ProbeCodec(identity: identity))
    }

    private static func openUDP(
        _ version: IPVersion, _ source: IPAddress?, _ identity: ProbeIdentity
    ) throws(Errno) -> Channel {
        let socket = try bound(Socket(family: family(version), type: .datagram), version, source)
        var identity = identity
        identity.sourcePorts = try ports(of: socket)
        return Channel(
            socket, version, incoming: .datagrams, encapsulation: .payload, readsErrors: true,
            codec: ProbeCodec(identity: identity))
    }

    // MARK: Options

    private static func configure(_ channel: Channel, _ request: TransportRequest) throws(Errno) {
        if channel.readsErrors {
            try channel.socket.set(.receiveErrors, to: true)
            try? channel.socket.set(.receiveErrorExtensions, to: true)
        }
        switch channel.encapsulation {
        case .payload, .icmpMessage:
            try channel.socket.set(.pathMTUDiscovery, to: request.dontFragment ? .probe : .never)
        // What the kernel has learnt of a path must not keep a probe from finding it again.
        case .ipPacket: try channel.socket.set(.pathMTUDiscovery, to: .probe)
        case nil: break
        }
        if case .nothing = channel.incoming {
        } else {
            try channel.socket.set(.receiveQueueOverflow, to: true)
            try channel.socket.set(.receiveHopLimit, to: true)
            try channel.socket.set(.receiveTrafficClass, to: true)
            try? channel.socket.set(.receiveBufferSize, to: receiveBuffer)
        }
        guard channel.encapsulation != nil else {
            try channel.socket.set(.timestamping, to: [.receiveSoftware, .software])
            channel.keys = .none
            return
        }
        do throws(Errno) {
            try channel.socket.set(.timestamping, to: ProbeTransport.transportTimestamping)
        } catch {
            channel.keys = .none
        }
    }

    private static func family(_ version: IPVersion) -> AddressFamily { version == .v4 ? .inet : .inet6 }

    /// As much as the system allows, for bursts of answers.
    private static let receiveBuffer = 1 << 20
}
