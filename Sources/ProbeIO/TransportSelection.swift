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
    /// How the sockets are to be set beyond that.
    public var settings = SocketSettings()
    /// What becomes of an ICMP measurement where neither raw nor ping sockets are allowed; nil forbids UDP.
    public var fallback: ProbeMethod?
    /// The best rung that may be taken, so that the others can be asked for.
    public var highestRung = Rung.raw
    /// Ask the kernel when each probe left. It tells in a packet of its own, which is to be read.
    public var wantsKernelStamps = true
    /// Probes that may leave in one system call, 1 to 64. Without the kernel's stamps they have one time of sending, and
    /// the last of 64 waits for a quarter of a millisecond behind the others.
    public var batch = 64

    /// Whether errors are wanted that quote probes from another port or identifier than they left from, because a
    /// translator rewrote it. Only raw sockets can: the kernel looks for the owner of a quote by these.
    public var hearsRewrittenQuotes = false

    /// How many successive ports are to be held for flows of UDP or TCP probes, 1 to `maximumFlows`. Over IPv6 each flow has
    /// a label of its own, with ports or without.
    public var flows = 1
    /// Each port costs a socket.
    public static let maximumFlows = 256

    /// Whether many of the destinations may be neighbours that are not there: each keeps its probe in the socket's buffer
    /// until the kernel gives up on it (arp(7)), so that the buffer is made as large as the system allows.
    public var expectsSilentNeighbours = false

    /// Whether there are too many destinations to ask the kernel for the route of each: it chooses the source address of
    /// IPv6 probes by itself then, where there is a socket that lets it.
    public var hasManyDestinations = false

    /// How many transports are wanted, each with sockets and identifiers of its own, for as many loops; at most 64.
    public var workers = 1

    /// The option that only raw sockets can do, such as `--icmp-timestamp`, and how the program is called: for the line
    /// that refuses it.
    public var needsRaw: (option: String, program: String)?

    public init(method: ProbeMethod) { self.method = method }

    /// How sockets treat probes that are larger than the path.
    var pathMTUDiscovery: PathMTUDiscovery { settings.pathMTUDiscovery ?? (dontFragment ? .probe : .never) }
}

/// Why no transport could be opened.
public enum TransportError: Error, Sendable {
    /// No rung that is good for the method is allowed; each with what the kernel said.
    case notPermitted([(rung: Rung, failure: Errno)])
    /// The kernel refused something that is no question of privilege.
    case refused(what: String, Errno)
    /// The address to send from is not one of this host's.
    case noSuchSource(IPAddress)
    /// The port to send from, or one of the next ones that flows need, can't be had.
    case noSuchSourcePort(UInt16, Errno)
    /// The host has neither of the versions that were asked for.
    case noSuchVersion([IPVersion])
}

/// A transport and how it was come by.
public struct TransportSelection: ~Copyable {
    public var transport: ProbeTransport
    /// The rungs above that were tried, and what the kernel said.
    public let refusals: [(rung: Rung, failure: Errno)]
    /// Settings of the request that this rung's sockets, or these rights, do not allow. A tool that was asked for them
    /// ends here.
    public let refusedSettings: [SocketSettings.Refusal]
    /// The transports of the other workers, of the same rung.
    public internal(set) var others: [TransportShare] = []

    /// Gives the transport away.
    public consuming func take() -> ProbeTransport { transport }

    /// Opens the best transport that the process is allowed: raw, then ping socket, then UDP; of TCP probes raw, then
    /// sockets that connect.
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
            var refusedSettings: [SocketSettings.Refusal] = []
            if rung == .tcp { return try connecting(request, refusals) }
            for version in request.versions {
                do throws(Errno) {
                    channels += try open(rung, method, version, request, identity, &refusedSettings)
                } catch .addressFamilyNotSupported {
                    continue
                } catch {
                    if error == .addressNotAvailable, let source = request.source { throw .noSuchSource(source) }
                    if let port = request.settings.sourcePort, rung != .ping,
                        error == .addressInUse || error == .permissionDenied
                    {
                        throw .noSuchSourcePort(port, error)
                    }
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
                transport: ProbeTransport(channels, rung: rung, method: method, request),
                refusals: refusals, refusedSettings: refusedSettings)
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
            case .icmpTimestamp, .ip: [.raw]
            case .tcpSYN: [.raw, .tcp]
            }
        return rungs.filter { $0 >= request.highestRung }
    }

    private static func open(
        _ rung: Rung, _ method: ProbeMethod, _ version: IPVersion, _ request: TransportRequest,
        _ identity: ProbeIdentity, _ refused: inout [SocketSettings.Refusal]
    ) throws(Errno) -> [Channel] {
        let channels: [Channel]
        var identity = identity
        if let identifier = request.settings.identifier {
            identity.identifierCount = 1
            identity.identifier = identifier
        }
        switch rung {
        case .raw:
            channels = try Capabilities.withRaised(.netRaw) { () throws(Errno) in
                try openRaw(method, version, request, identity, &refused)
            }
        case .ping: channels = [try openPing(version, request, identity, &refused)]
        case .udp: channels = try openUDP(version, request, identity, &refused)
        case .tcp: channels = []
        }
        for channel in channels { try configure(channel, request, &refused) }
        return channels
    }

    /// A socket with the settings that have to be there before it is bound.
    private static func socket(
        _ version: IPVersion, _ type: SocketType, _ number: SocketProtocol, _ request: TransportRequest,
        _ refused: inout [SocketSettings.Refusal]
    ) throws(Errno) -> Socket {
        let socket = try Socket(family: family(version), type: type, protocol: number)
        try request.settings.apply(to: socket, &refused)
        return socket
    }

    /// Above the number of any probe of a trace.
    private static let numberLimit: UInt32 = 1 << 24
    private static let firstUnprivilegedPort: UInt16 = 1_024
    /// So often other successive ports are tried for, while others hold some of them.
    private static let maximumAttempts = 32

    private static func codec(_ identity: ProbeIdentity, _ request: TransportRequest) -> ProbeCodec {
        ProbeCodec(identity: identity, content: request.settings.content)
    }

    // MARK: Raw

    private static func openRaw(
        _ method: ProbeMethod, _ version: IPVersion, _ request: TransportRequest, _ identity: ProbeIdentity,
        _ refused: inout [SocketSettings.Refusal]
    ) throws(Errno) -> [Channel] {
        var identity = identity
        let source = request.source
        var channels: [Channel] = []
        var datagrams: [Channel] = []
        // The ICMP socket comes first: whether it is allowed decides about the rung.
        let receiver = try socket(version, .raw, version == .v4 ? .icmp : .icmpv6, request, &refused)
        switch method {
        case .icmpEcho, .icmpTimestamp: break
        case .udp:
            // Reserves the ports, and receives what the service there answers.
            datagrams = try reserve(.datagram, version, request, &refused) { socket, port in
                Channel(
                    socket, version, incoming: .datagrams, encapsulation: version == .v6 ? .payload : nil,
                    codec: Self.codec(identity.sending(from: port..<port + 1), request))
            }
            identity = identity.sending(from: ports(of: datagrams))
        case .tcpSYN:
            // Ports that are bound and not listening: the kernel resets what a SYN of ours opened.
            channels = try reserve(.stream, version, request, &refused) { socket, port in
                Channel(
                    socket, version, incoming: .nothing,
                    codec: Self.codec(identity.sending(from: port..<port + 1), request))
            }
            identity = identity.sending(from: ports(of: channels))
            let segments = try socket(version, .raw, .tcp, request, &refused)
            let range = identity.sourcePorts.lowerBound...identity.sourcePorts.upperBound - 1
            try segments.attachDiscardingQueued(
                version == .v4 ? .ipv4(destinationPorts: range) : .ipv6(destinationPorts: range))
            channels.append(
                Channel(
                    segments, version, incoming: version == .v4 ? .ipv4Packets : .segments,
                    codec: codec(identity, request)))
        case .ip(let proto):
            identity.proto = proto
            // IPPROTO_RAW receives nothing (raw(7)).
            guard Int32(proto.rawValue) != SocketProtocol.raw.rawValue else { break }
            let packets = try socket(version, .raw, SocketProtocol(rawValue: Int32(proto.rawValue)), request, &refused)
            channels.append(
                Channel(
                    packets, version, incoming: version == .v4 ? .ipv4Packets : .upperLayer(proto),
                    codec: codec(identity, request)))
        }
        let codec = codec(identity, request)
        let ports =
            identity.sourcePorts.isEmpty
            ? nil : identity.sourcePorts.lowerBound...identity.sourcePorts.upperBound - 1
        let identifiers =
            method == .icmpEcho || method == .icmpTimestamp
            ? IdentifierBlock(value: identity.identifier, mask: ~(identity.identifierCount - 1)) : nil
        let rewritten =
            request.hearsRewrittenQuotes
            ? RewrittenQuotes(destinationPort: method.destinationPort, numberLimit: numberLimit) : nil
        // Sorts out our own requests on loopback before they are copied for the filter.
        try receiver.receiveOnly(answers(version))
        try receiver.attachDiscardingQueued(
            version == .v4
                ? .icmp(identifiers, sourcePorts: ports, proto: identity.proto?.rawValue, rewritten: rewritten)
                : .icmpv6(identifiers, sourcePorts: ports, proto: identity.proto?.rawValue, rewritten: rewritten))
        let sender = try bound(socket(version, .raw, .raw, request, &refused), version, source)
        try sender.attach(.dropAll)
        try sender.set(.receiveErrors, to: true)
        try sender.set(.headerIncluded, to: true)
        channels.append(Channel(sender, version, incoming: .nothing, encapsulation: .ipPacket, codec: codec))
        channels += datagrams
        let isSecondSender = version == .v6 && method == .icmpEcho
        channels.append(
            Channel(
                receiver, version, incoming: version == .v4 ? .ipv4Packets : .icmpMessages,
                encapsulation: isSecondSender ? .icmpMessage : nil, codec: codec))
        return channels
    }

    /// What may come for a probe: errors and replies of any kind.
    private static func answers(_ version: IPVersion) -> [ICMPType] {
        switch version {
        case .v4:
            typealias Types = ICMPType.V4
            return [
                Types.echoReply, Types.timestampReply, Types.destinationUnreachable, Types.sourceQuench, Types.redirect,
                Types.timeExceeded, Types.parameterProblem,
            ]
        case .v6:
            typealias Types = ICMPType.V6
            return [
                Types.echoReply, Types.destinationUnreachable, Types.packetTooBig, Types.timeExceeded,
                Types.parameterProblem,
            ]
        }
    }

    /// The socket with the source address or any, and with a local port, the kernel's choice where none is named.
    private static func bound(
        _ socket: consuming Socket, _ version: IPVersion, _ source: IPAddress?, port: UInt16 = 0
    ) throws(Errno) -> Socket {
        if version == .v6, socket.type != .raw { try socket.set(.onlyV6, to: true) }
        let address = SocketAddress(source ?? (version == .v4 ? .v4(.any) : .v6(.any)), port: port)
        if port == 0 || port >= Self.firstUnprivilegedPort {
            try socket.bind(to: address)
        } else {
            try Capabilities.withRaised(.netBindService) { () throws(Errno) in try socket.bind(to: address) }
        }
        return socket
    }

    /// Holds as many successive ports as the request has flows, each with a socket of its own.
    ///
    /// - Parameter make: what becomes of a socket and its port.
    private static func reserve(
        _ type: SocketType, _ version: IPVersion, _ request: TransportRequest,
        _ refused: inout [SocketSettings.Refusal], _ make: (consuming Socket, UInt16) -> Channel
    ) throws(Errno) -> [Channel] {
        let count = max(1, min(request.flows, TransportRequest.maximumFlows))
        for attempt in 1... {
            var channels: [Channel] = []
            do throws(Errno) {
                var next = request.settings.sourcePort ?? 0
                while channels.count < count {
                    let socket = try bound(
                        socket(version, type, .automatic, request, &refused), version, request.source, port: next)
                    guard let port = try socket.localAddress().port, port != 0, port < .max else {
                        throw .addressInUse
                    }
                    let channel = make(socket, port)
                    if count > 1 { channel.flow = UInt16(channels.count) }
                    channels.append(channel)
                    next = port + 1
                }
                return channels
            } catch .addressInUse where request.settings.sourcePort == nil && attempt < maximumAttempts {
                continue
            }
        }
        throw .addressInUse
    }

    private static func ports(of channels: [Channel]) -> Range<UInt16> {
        guard let first = channels.first?.codec.identity.sourcePorts,
            let last = channels.last?.codec.identity.sourcePorts
        else { return 0..<0 }
        return first.lowerBound..<last.upperBound
    }

    // MARK: Without privilege

    private static func openPing(
        _ version: IPVersion, _ request: TransportRequest, _ identity: ProbeIdentity,
        _ refused: inout [SocketSettings.Refusal]
    ) throws(Errno) -> Channel {
        let socket = try socket(version, .datagram, version == .v4 ? .icmp : .icmpv6, request, &refused)
        // Binding chooses the identifier, which the kernel writes into every request.
        let address = request.source ?? (version == .v4 ? .v4(.any) : .v6(.any))
        try socket.bind(to: SocketAddress(address, port: request.settings.identifier ?? 0))
        var identity = identity
        identity.identifierCount = 1
        identity.identifier = try socket.localAddress().port ?? 0
        return Channel(
            socket, version, incoming: .icmpMessages, encapsulation: .icmpMessage, readsErrors: true,
            codec: codec(identity, request))
    }

    private static func openUDP(
        _ version: IPVersion, _ request: TransportRequest, _ identity: ProbeIdentity,
        _ refused: inout [SocketSettings.Refusal]
    ) throws(Errno) -> [Channel] {
        try reserve(.datagram, version, request, &refused) { socket, port in
            Channel(
                socket, version, incoming: .datagrams, encapsulation: .payload, readsErrors: true,
                codec: codec(identity.sending(from: port..<port + 1), request))
        }
    }

    private static func connecting(
        _ request: TransportRequest, _ refusals: [(rung: Rung, failure: Errno)]
    ) throws(TransportError) -> TransportSelection {
        let connections: ConnectSockets
        do throws(Errno) {
            let isLow = request.settings.sourcePort.map { $0 < 1_024 } ?? false
            connections = try Capabilities.withRaised(isLow ? .netBindService : []) { () throws(Errno) in
                try ConnectSockets(request, port: request.method.destinationPort)
            }
        } catch .addressFamilyNotSupported {
            throw .noSuchVersion(request.versions)
        } catch {
            if error == .addressNotAvailable, let source = request.source { throw .noSuchSource(source) }
            if let port = request.settings.sourcePort, error == .addressInUse || error == .permissionDenied {
                throw .noSuchSourcePort(port, error)
            }
            throw .refused(what: "\(Rung.tcp) socket", error)
        }
        return TransportSelection(
            transport: ProbeTransport([], connections: connections, rung: .tcp, method: request.method, request),
            refusals: refusals, refusedSettings: connections.refusals)
    }

    // MARK: Options

    private static func configure(
        _ channel: Channel, _ request: TransportRequest, _ refused: inout [SocketSettings.Refusal]
    ) throws(Errno) {
        let settings = request.settings
        if channel.encapsulation != nil {
            if request.expectsSilentNeighbours { try? channel.socket.set(.sendBufferSize, to: sendBuffer) }
            try settings.applyToSender(channel.socket, &refused)
        }
        if channel.readsErrors {
            try channel.socket.set(.receiveErrors, to: true)
            try? channel.socket.set(.receiveErrorExtensions, to: true)
        }
        switch channel.encapsulation {
        case .payload, .icmpMessage:
            if channel.version == .v6 { try settleFlowLabels(of: channel, request) }
            let discovery = request.pathMTUDiscovery
            try channel.socket.set(.pathMTUDiscovery, to: discovery)
            if channel.version == .v6, discovery == .always || discovery == .probe {
                try channel.socket.set(.dontFragment, to: true)
            }
            try settings.applyToHeaders(of: channel.socket, &refused)
        // What the kernel has learnt of a path must not keep a probe from finding it again.
        case .ipPacket: try channel.socket.set(.pathMTUDiscovery, to: .probe)
        case nil: break
        }
        if case .nothing = channel.incoming {
        } else {
            try channel.socket.set(.receiveQueueOverflow, to: true)
            // Whole packets bring their header.
            if case .ipv4Packets = channel.incoming {
            } else {
                try channel.socket.set(.receiveHopLimit, to: true)
                try channel.socket.set(.receiveTrafficClass, to: true)
            }
            try? channel.socket.set(.receiveBufferSize, to: receiveBuffer)
            if !settings.content.ipv4Options.isEmpty, channel.version == .v4, channel.incoming != .ipv4Packets {
                try channel.socket.set(.receiveIPv4Options, to: true)
            }
        }
        guard channel.encapsulation != nil, request.wantsKernelStamps else {
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

    /// Has the labels of a socket whose header the kernel writes be those of packets whose header is ours: 0, what was asked
    /// for, or of several flows the number of each. Where labels are held by others for themselves alone the kernel sends
    /// none that nobody holds, and makes one for each flow's addresses and ports instead.
    private static func settleFlowLabels(of channel: Channel, _ request: TransportRequest) throws(Errno) {
        let isOfFlows = request.flows > 1 && request.settings.content.flowLabel == nil
        if isOfFlows {
            do throws(Errno) {
                try SocketSettings.checkFreedom(of: 1)
                try channel.socket.set(.flowInformation, to: true)
                channel.labelsFlows = true
            } catch .invalidArgument {}
        }
        try channel.socket.set(.automaticFlowLabel, to: isOfFlows && !channel.labelsFlows)
    }

    private static func family(_ version: IPVersion) -> AddressFamily { version == .v4 ? .inet : .inet6 }

    /// As much as the system allows, for bursts of answers.
    private static let receiveBuffer = 1 << 20
    private static let sendBuffer = 1 << 22
}
