import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import TestSupport
import Testing

/// What the options of probes and sockets make of the packets on the wire, on every rung and both versions.
@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"), .serialized)
struct SocketSettingsTests {
    private static let addresses = ["10.0.2.2", "fd00:2::2"]

    @Test(arguments: Rung.echoing, addresses)
    func trafficClassAndPatternAreOnTheWire(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let seen = try run(lab, address, rung) { request, configuration in
            request.settings.content.pattern = [0xca, 0xfe]
            configuration.trafficClass = 0xb9
        }
        #expect(seen.trafficClass == 0xb9)
        #expect(seen.payload.suffix(40) == ArraySlice((0..<40).map { $0 % 2 == 0 ? 0xca : 0xfe }))
        #expect(seen.sweep.statistics[0].received == 1 && seen.sweep.statistics[0].corrupted == 0)
    }

    @Test(arguments: Rung.echoing, [0x12345, 0xabcde] as [UInt32])
    func theFlowLabelIsOnTheWire(rung: Rung, label: UInt32) throws {
        let lab = try Self.chain()
        for payload in [56, 1_300] {
            let seen = try run(lab, "fd00:2::2", rung) { request, configuration in
                request.settings.content.flowLabel = label
                configuration.payloadLength = payload
            }
            #expect(seen.flowLabel == label)
            #expect(seen.sweep.statistics[0].received == 1)
        }
    }

    @Test(arguments: [Rung.ping, .udp])
    func aFlowLabelThatAnotherHoldsAloneIsRefused(rung: Rung) throws {
        let lab = try Self.chain()
        let refused = try lab["a"].run {
            let holder = try Socket(family: .inet6, type: .datagram)
            try holder.holdFlowLabelAlone(0x54321)
            let request = Self.request("fd00:2::2", rung) { $0.settings.content.flowLabel = 0x54321 }
            return try TransportSelection.open(request, identity: try .random()).refusedSettings.map(\.name)
        }
        #expect(refused == [.flowLabel])
    }

    @Test(arguments: [Rung.raw, .ping], addresses)
    func theIdentifierIsOnTheWire(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let seen = try run(lab, address, rung) { request, _ in request.settings.identifier = 18 << 8 | 103 }
        #expect(Array(seen.message.dropFirst(4).prefix(2)) == [18, 103])
        #expect(seen.sweep.statistics[0].received == 1)
    }

    // MARK: Path MTU

    /// Beyond an MTU of 1,280 somewhere on the way, which nobody has learnt yet: only its router can say so.
    @Test(
        arguments: Rung.echoing, [PathMTUDiscovery.always, .wanted, .never, .probe])
    func fragmentsAreAllowedOrNot(rung: Rung, discovery: PathMTUDiscovery) throws {
        let lab = try Self.chain()
        let short = try run(lab, "10.0.2.2", rung) { request, _ in
            request.settings.pathMTUDiscovery = discovery
        }
        #expect(short.dontFragment == (discovery != .never))
        for address in Self.addresses {
            let long = try run(lab, address, rung) { request, configuration in
                request.settings.pathMTUDiscovery = discovery
                configuration.payloadLength = 3_000
            }
            let isWhole = discovery == .always || discovery == .probe
            let statistics = long.sweep.statistics[0]
            #expect(statistics.received == (isWhole ? 0 : 1), "\(address)")
            #expect(
                statistics.lastSendFailure == (isWhole ? .failed(code: 90, name: "EMSGSIZE", mtu: 1_500) : nil),
                "\(address)")
        }
    }

    /// do and want believe what a router has said; probe does not.
    @Test(arguments: Rung.echoing)
    func whatTheKernelHasLearntCounts(rung: Rung) throws {
        let lab = try NamespaceLab("a", "r", "b")
        try lab.link("a", "r", "10.0.1", "fd00:1")
        try lab.link("r", "b", "10.0.2", "fd00:2", mtu: 1_280)
        try lab["a"].addDefaultRoute(via: "r")
        try lab["b"].addDefaultRoute(via: "r")
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        func statistics(_ discovery: PathMTUDiscovery) throws -> EchoStatistics {
            try run(lab, "10.0.2.2", rung) { request, configuration in
                request.settings.pathMTUDiscovery = discovery
                configuration.payloadLength = 1_400
            }.sweep.statistics[0]
        }
        #expect(try statistics(.probe).errors == 1, "the router says so")
        #expect(try statistics(.always).lastSendFailure == .failed(code: 90, name: "EMSGSIZE", mtu: 1_280))
        #expect(try statistics(.wanted).received == 1)
        #expect(try statistics(.never).received == 1)
        #expect(try statistics(.probe).errors == 1, "what was learnt is ignored")
    }

    // MARK: Ways out

    @Test(arguments: Rung.echoing, addresses)
    func aMarkChoosesTheRoute(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let version = address.contains(":") ? "-6" : "-4"
        try lab["a"].exec("ip", version, "rule", "add", "fwmark", "7", "table", "77")
        try lab["a"].exec("ip", version, "route", "add", "unreachable", "default", "table", "77")
        for mark in [7, 8] as [UInt32] {
            let statistics = try run(lab, address, rung) { request, _ in
                request.settings.mark = mark
            }.sweep.statistics[0]
            #expect(statistics.received == (mark == 8 ? 1 : 0))
            #expect(statistics.lastSendFailure == (mark == 8 ? nil : .failed(code: 113, name: "EHOSTUNREACH")))
        }
    }

    @Test(arguments: [Rung.ping, .udp])
    func aMarkNeedsAPrivilege(rung: Rung) throws {
        let lab = try Self.chain()
        let refused = try onThread {
            try NetworkNamespace(path: lab["a"].path).enter()
            try Capabilities.keepOnly([])
            let request = Self.request("10.0.2.2", rung) {
                $0.settings.mark = 7
                $0.settings.isDebugging = true
            }
            return try TransportSelection.open(request, identity: try .random()).refusedSettings
        }
        #expect(refused.map(\.name) == [.mark, .debugging])
        #expect(refused.map(\.failure) == [.notPermitted, .permissionDenied])
    }

    /// The default route leads to r, and only the device or the source to s.
    @Test(arguments: Rung.echoing, addresses)
    func aDeviceIsTheOnlyWayOut(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        try lab.addNode("s")
        try lab.link("a", "s", "10.0.3", "fd00:3")
        let version = address.contains(":") ? "-6" : "-4"
        try lab["a"].exec(
            "ip", version, "route", "add", "default", "via", version == "-6" ? "fd00:3::2" : "10.0.3.2", "dev", "s",
            "metric", "4000")
        try lab["s"].addAddress(version == "-6" ? "fd00:2::2/128" : "10.0.2.2/32", to: "lo")
        for (device, node) in [("r", "b"), ("s", "s")] {
            let seen = try run(lab, address, rung, at: node) { request, _ in
                request.settings.device = device
            }
            #expect(seen.sweep.statistics[0].received == 1)
            #expect(
                seen.source == (version == "-6" ? "fd00:" : "10.0.") + (device == "r" ? "1" : "3")
                    + (version == "-6" ? "::1" : ".1"))
        }
    }

    @Test func aDeviceThatIsGoneIsRefused() throws {
        let lab = try Self.chain()
        for rung in Rung.echoing {
            let refused = try lab["a"].run {
                let request = Self.request("10.0.2.2", rung) { $0.settings.device = "gone" }
                return try TransportSelection.open(request, identity: try .random()).refusedSettings
            }
            #expect(refused.map(\.name) == [.device] && refused.map(\.failure) == [.noDevice])
        }
    }

    @Test(arguments: Rung.echoing)
    func hostsBehindRoutersAreNotOnTheLink(rung: Rung) throws {
        let lab = try Self.chain()
        for (address, isNear) in [("10.0.1.2", true), ("10.0.2.2", false)] {
            let statistics = try run(lab, address, rung) { request, _ in
                request.settings.bypassesRouting = true
            }.sweep.statistics[0]
            #expect(statistics.received == (isNear ? 1 : 0))
            #expect(statistics.lastSendFailure == (isNear ? nil : .failed(code: 101, name: "ENETUNREACH")))
        }
    }

    /// While it runs, the routing table comes to prefer another of the host's addresses.
    @Test(arguments: Rung.echoing, addresses)
    func aSourceThatSticksStays(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        let isV6 = address.contains(":")
        let (first, other) = isV6 ? ("fd00:1::1", "fd00:1::77") : ("10.0.1.1", "10.0.1.77")
        try lab["a"].addAddress(other + (isV6 ? "/64" : "/24"), to: "r")
        let capture = try lab["b"].run { try Capture() }
        try lab["a"].run {
            try lab["a"].exec(
                "ip", isV6 ? "-6" : "-4", "route", "replace", address, "via", isV6 ? "fd00:1::2" : "10.0.1.2", "src",
                first)
            var configuration = EchoSweep.Configuration(targets: [try #require(IPAddress(address))])
            configuration.count = 2
            // Longer than the source of a route is remembered, where that is not the kernel's business.
            configuration.interval = .milliseconds(rung == .raw && isV6 ? 1_100 : 20)
            let request = Self.request(address, rung) { $0.settings.keepsSource = true }
            let selection = try TransportSelection.open(request, identity: try .random())
            configuration.method = selection.transport.method
            var loop = try ProbeLoop(
                EchoSweep(configuration, start: ProbeLoop<EchoSweep>.now), over: selection.take())
            try run(&loop) { event in
                guard case .reply(let reply) = event, reply.sequence == 1 else { return }
                _ = try? lab["a"].exec(
                    "ip", isV6 ? "-6" : "-4", "route", "replace", address, "via", isV6 ? "fd00:1::2" : "10.0.1.2",
                    "src", other)
            }
            #expect(loop.measurement.statistics[0].received == 2)
        }
        let sources = try capture.probes().map(\.source)
        #expect(sources == [first, first])
    }

    // MARK: Who is heard

    @Test(arguments: Rung.echoing, addresses)
    func aConnectedTransportHearsItsHostAndRouters(rung: Rung, address: String) throws {
        let lab = try Self.chain()
        for hopLimit in [64, 1] as [UInt8] {
            let statistics = try run(lab, address, rung, connected: true) { _, configuration in
                configuration.hopLimit = hopLimit
            }.sweep.statistics[0]
            #expect(statistics.received == (hopLimit == 64 ? 1 : 0))
            #expect(statistics.errors == (hopLimit == 64 ? 0 : 1))
        }
    }

    @Test(arguments: [Rung.raw, .ping])
    func groupsAnswerByTheirMembers(rung: Rung) throws {
        let lab = try Self.chain()
        try lab["r"].set("net.ipv4.icmp_echo_ignore_broadcasts", "0")
        let own = try lab["a"].run { try Interface.all().flatMap(\.addresses).map(\.address.withoutZone) }
        for (address, isBroadcast) in [("10.0.1.255", true), ("224.0.0.1", false), ("ff02::1", false)] {
            var responders: [IPAddress] = []
            let sweep = try run(lab, address, rung) { request, _ in
                request.settings.allowsBroadcast = isBroadcast
                request.settings.loopsMulticast = false
                request.settings.device = "r"
            } take: { event in
                if case .reply(let reply) = event { responders.append(reply.responder.withoutZone) }
            }.sweep
            #expect(sweep.configuration.broadcasts.isEmpty != isBroadcast, "\(address)")
            #expect(sweep.statistics[0].received == 1, "\(address)")
            #expect(responders.count == 1 && !own.contains(where: responders.contains), "\(address): \(responders)")
        }
    }

    @Test func onlyBroadcastAddressesAreThat() throws {
        let lab = try Self.chain()
        try lab["a"].exec("ip", "route", "add", "prohibit", "10.9.0.0/16")
        let answers = try lab["a"].run {
            let selection = try TransportSelection.open(
                Self.request("10.0.1.2", .raw) { _ in }, identity: try .random())
            let addresses = [
                "10.0.1.255", "255.255.255.255", "10.0.1.2", "10.9.1.255", "224.0.0.1", "10.0.1.255", "10.0.2.255",
                "fd00::1",
            ].compactMap { IPAddress($0) }
            let many = (0..<300).map { IPAddress.v4(IPv4Address(10, 0, UInt8($0 / 256) + 4, UInt8($0 % 256))) }
            return [addresses, addresses + many].map { selection.transport.broadcasts(among: $0) }
        }
        for answer in answers {
            #expect(answer.map(\.description) == ["10.0.1.255", "255.255.255.255", "10.0.1.255"])
        }
    }

    // MARK: IPv4 options

    @Test(arguments: Rung.echoing)
    func theRouteIsRecorded(rung: Rung) throws {
        let lab = try Self.chain()
        let options = try replyOptions(lab, rung, .recordRoute(IPv4Route(recording: 9)))
        guard case .recordRoute(let route)? = options?.first else {
            Issue.record("no route: \(String(describing: options))")
            return
        }
        // Out of a, out of r, in and out of b, out of r, in at a: as ping prints it.
        #expect(
            route.passed.map(\.description) == ["10.0.1.1", "10.0.2.1", "10.0.2.2", "10.0.2.2", "10.0.1.2", "10.0.1.1"])
    }

    @Test(arguments: Rung.echoing)
    func timesAreRecorded(rung: Rung) throws {
        let lab = try Self.chain()
        for form in [IPv4TimestampOption.Form.timestamps, .addresses, .prespecified] {
            let entries: [IPv4TimestampOption.Entry] =
                switch form {
                case .timestamps: Array(repeating: .init(), count: 9)
                case .addresses: Array(repeating: .init(address: .any), count: 4)
                case .prespecified:
                    [.init(address: IPv4Address(10, 0, 1, 1)), .init(address: IPv4Address(10, 0, 2, 2))]
                }
            let options = try replyOptions(lab, rung, .timestamp(IPv4TimestampOption(form, entries: entries)))
            guard case .timestamp(let option)? = options?.first else {
                Issue.record("\(form): no times: \(String(describing: options))")
                continue
            }
            let times = option.recorded.compactMap(\.timestamp.milliseconds)
            #expect(times.count == option.recorded.count && times == times.sorted(), "\(form): one host, one clock")
            switch form {
            case .timestamps: #expect(times.count == 6)
            case .addresses: #expect(times.count == 4 && option.overflow == 2)
            case .prespecified: #expect(times.count == 2)
            }
            if form == .addresses {
                #expect(option.recorded.first?.address == IPv4Address(10, 0, 1, 1))
            }
        }
    }

    private func replyOptions(_ lab: NamespaceLab, _ rung: Rung, _ option: IPv4Option) throws -> IPv4Options? {
        var options: IPv4Options?
        let seen = try run(lab, "10.0.2.2", rung) { request, _ in
            request.settings.content.ipv4Options = [option]
        } take: { event in
            if case .reply(let reply) = event { options = reply.detail?.ipv4Options }
        }
        #expect(seen.sweep.statistics[0].received == 1)
        return options
    }

    // MARK: Running

    /// A probe as node b saw it, and the measurement that sent it.
    struct Seen {
        var sweep: EchoSweep
        var packet: [UInt8]
        var isV6: Bool { packet.first.map { $0 >> 4 == 6 } ?? false }
        var headerLength: Int { isV6 ? 40 : Int((packet.first ?? 0) & 0xf) * 4 }
        var message: ArraySlice<UInt8> { packet.dropFirst(headerLength) }
        var payload: ArraySlice<UInt8> { message.dropFirst(8) }
        var trafficClass: UInt8? { isV6 ? (packet[0] << 4 | packet[1] >> 4) : packet.dropFirst(1).first }
        var flowLabel: UInt32 { UInt32(packet[1] & 0xf) << 16 | UInt32(packet[2]) << 8 | UInt32(packet[3]) }
        var dontFragment: Bool { packet.count > 6 && packet[6] & 0x40 != 0 }
        var source: String? { Capture.source(of: packet) }
    }

    /// One probe from a, and what came of it.
    private func run(
        _ lab: NamespaceLab, _ address: String, _ rung: Rung, at node: String = "b", connected: Bool = false,
        _ configure: (inout TransportRequest, inout EchoSweep.Configuration) -> Void,
        take: (EchoEvent) -> Void = { _ in }
    ) throws -> Seen {
        let capture = try lab[node].run { try Capture() }
        let target = try #require(IPAddress(address))
        let sweep = try lab["a"].run {
            var configuration = EchoSweep.Configuration(targets: [target])
            configuration.count = 1
            configuration.timeout = .seconds(1)
            var request = Self.request(address, rung) { _ in }
            configure(&request, &configuration)
            request.payloadLength = configuration.payloadLength
            if let device = request.settings.device, case .v6(let group) = target, group.isMulticast {
                configuration.targets = [target.inZone(try Interface.index(named: device))]
            }
            let selection = try TransportSelection.open(request, identity: try .random())
            #expect(selection.transport.rung == rung)
            #expect(selection.refusedSettings.isEmpty)
            configuration.method = selection.transport.method
            configuration.broadcasts = selection.transport.broadcasts(among: configuration.targets)
            var transport = selection.take()
            if connected { try transport.connect(to: target) }
            var loop = try ProbeLoop(EchoSweep(configuration, start: ProbeLoop<EchoSweep>.now), over: transport)
            try run(&loop, take)
            return loop.measurement
        }
        return Seen(sweep: sweep, packet: try capture.probes().first?.packet ?? [])
    }

    private static func request(
        _ address: String, _ rung: Rung, _ configure: (inout TransportRequest) -> Void
    ) -> TransportRequest {
        var request = TransportRequest(method: .icmpEcho)
        request.versions = [address.contains(":") ? .v6 : .v4]
        request.highestRung = rung
        request.fallback = .udp(destinationPort: 33_434)
        configure(&request)
        return request
    }

    private func run(_ loop: inout ProbeLoop<EchoSweep>, _ take: (EchoEvent) -> Void) throws {
        let signals = try SignalDescriptor([])
        let nothing = try WakeDescriptor()
        try loop.run(
            signals: signals, other: nothing, onEvent: { event, _ in take(event) }, onSignal: { _, _ in },
            onOther: { _ in }, afterBatch: { true })
    }

    /// a - r - b, and ping sockets for everybody in a.
    private static func chain() throws -> NamespaceLab {
        let lab = try NamespaceLab.chain("a", "r", "b")
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        return lab
    }
}

/// Takes down what comes in at a node, from the IP header on.
private struct Capture: ~Copyable {
    private let socket: Socket

    /// In the namespace of the calling thread.
    init() throws {
        let socket = try Socket(family: .packet, type: .datagram, protocol: .allFrames)
        try socket.set(.receiveBufferSize, to: 1 << 20)
        self.socket = socket
    }

    /// The echo requests and UDP datagrams that came, each with the address it came from.
    func probes() throws -> [(packet: [UInt8], source: String)] {
        var probes: [(packet: [UInt8], source: String)] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while let result = try socket.receive(into: &buffer) {
            let packet = Array(buffer.prefix(result.count))
            guard Self.isProbe(packet), let source = Self.source(of: packet) else { continue }
            probes.append((packet, source))
        }
        return probes
    }

    static func isProbe(_ packet: [UInt8]) -> Bool {
        if let header = try? IPv4Header(parsing: packet.bytes), header.headerLength < packet.count {
            return header.proto == .udp || (header.proto == .icmp && packet[header.headerLength] == 8)
        }
        if let header = try? IPv6Header(parsing: packet.bytes), packet.count > 40 {
            return header.nextHeader == .udp || (header.nextHeader == .icmpv6 && packet[40] == 128)
        }
        return false
    }

    static func source(of packet: [UInt8]) -> String? {
        if let header = try? IPv4Header(parsing: packet.bytes) { return header.source.description }
        return (try? IPv6Header(parsing: packet.bytes))?.source.description
    }
}

extension Socket {
    /// A lease of the flow label that lets nobody else send it: IPV6_FLOWLABEL_MGR with IPV6_FL_S_EXCL.
    func holdFlowLabelAlone(_ label: UInt32) throws {
        var request = [UInt8](repeating: 0, count: 32)
        request[15] = 1
        request[17] = UInt8(label >> 16 & 0xf)
        request[18] = UInt8(label >> 8 & 0xff)
        request[19] = UInt8(label & 0xff)
        request[21] = 1
        request[22] = 1
        let result = unsafe request.withUnsafeBytes { unsafe setsockopt(rawDescriptor, 41, 32, $0.baseAddress, 32) }
        guard result == 0 else { throw Errno(rawValue: errno) }
    }
}
