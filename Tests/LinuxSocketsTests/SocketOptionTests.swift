import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@Suite struct SocketOptionTests {
    static let switches: [(String, SocketOption<Bool>)] = [
        ("reuseAddress", .reuseAddress), ("reusePort", .reusePort), ("broadcast", .broadcast),
        ("bypassRouting", .bypassRouting), ("receiveQueueOverflow", .receiveQueueOverflow),
        ("receiveTimestamp", .receiveTimestamp), ("receiveErrors", .receiveErrors),
        ("receiveErrorExtensions", .receiveErrorExtensions), ("receiveHopLimit", .receiveHopLimit),
        ("receiveTrafficClass", .receiveTrafficClass), ("receivePacketInfo", .receivePacketInfo),
        ("multicastLoop", .multicastLoop), ("freeBind", .freeBind),
    ]

    @Test(arguments: [IPVersion.v4, .v6])
    func switchesGoOnAndOff(_ version: IPVersion) throws {
        let socket = try Socket(family: version.family, type: .datagram)
        for (name, option) in Self.switches {
            for value in [true, false] {
                try socket.set(option, to: value)
                #expect(try socket.value(of: option) == value, "\(name)")
            }
        }
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func numbersRoundTrip(_ version: IPVersion) throws {
        let socket = try Socket(family: version.family, type: .datagram)
        for (option, value): (SocketOption<Int>, Int) in [
            (.hopLimit, 7), (.hopLimit, 255), (.multicastHopLimit, 3), (.trafficClass, 0xb8), (.priority, 2),
        ] {
            try socket.set(option, to: value)
            #expect(try socket.value(of: option) == value)
        }
        for policy: PathMTUDiscovery in [.never, .wanted, .always, .probe, .interface, .omit] {
            try socket.set(.pathMTUDiscovery, to: policy)
            #expect(try socket.value(of: .pathMTUDiscovery) == policy)
        }
        try socket.set(.timestamping, to: .softwareSendAndReceive)
        #expect(try socket.value(of: .timestamping) == .softwareSendAndReceive)
    }

    @Test func onlyOfIPv6() throws {
        let v6 = try Socket(family: .inet6, type: .datagram)
        let v4 = try Socket(family: .inet, type: .datagram)
        for option: SocketOption<Bool> in [.onlyV6, .automaticFlowLabel, .flowInformation] {
            try v6.set(option, to: true)
            #expect(try v6.value(of: option))
            #expect(throws: Errno.noSuchOption) { try v4.set(option, to: true) }
        }
    }

    @Test(arguments: [0, 256, 70_000, -2, Int(Int32.max), Int.max])
    func impossibleHopLimit(_ value: Int) throws {
        let socket = try Socket(family: .inet, type: .datagram)
        #expect(throws: Errno.invalidArgument) { try socket.set(.hopLimit, to: value) }
    }

    @Test func buffersGrow() throws {
        let socket = try Socket(family: .inet, type: .datagram)
        let before = try socket.value(of: .receiveBufferSize)
        #expect(try socket.growReceiveBuffer(to: before) >= before)
        let sendBefore = try socket.value(of: .sendBufferSize)
        #expect(try socket.growSendBuffer(to: sendBefore) >= sendBefore)
    }

    @Test func interfaceByName() throws {
        let socket = try boundUDP(.v4)
        #expect(throws: Errno.noDevice) { try socket.bind(toInterface: "no-such-if") }
        #expect(throws: Errno.noDevice) { try socket.bind(toInterface: "a-name-of-16-byt") }
        #expect(throws: Errno.noDevice) { try socket.bind(toInterface: String(repeating: "x", count: 5000)) }
        try socket.bind(toInterface: "lo")
        let index = try Interface.index(named: "lo")
        try socket.setMulticastInterface(index)
        let v6 = try boundUDP(.v6)
        try v6.setMulticastInterface(index)
        #expect(throws: Errno.noSuchOption) {
            try Socket(family: .unix, type: .datagram).setMulticastInterface(index)
        }
    }

    @Test(.enabled(if: isRoot, "needs root for namespaces"), arguments: [IPVersion.v4, .v6])
    func multicastReachesItsGroup(_ version: IPVersion) throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.1.1", "fd01:1")
        let group = try #require(IPAddress(version == .v4 ? "239.1.2.3" : "ff05::1:3"))
        try lab["b"].run {
            let receiver = try Socket(family: version.family, type: .datagram)
            try receiver.bind(to: SocketAddress(version == .v4 ? .v4(.any) : .v6(.any)))
            try receiver.join(group, interface: try Interface.index(named: "a"))
            try receiver.set(.receivePacketInfo, to: true)
            try receiver.set(.receiveHopLimit, to: true)
            let port = try #require(try receiver.localAddress().port)
            try lab["a"].run {
                let sender = try Socket(family: version.family, type: .datagram)
                try sender.setMulticastInterface(try Interface.index(named: "b"))
                try sender.set(.multicastHopLimit, to: 9)
                try sender.send([7], to: SocketAddress(group, port: port))
            }
            try receiver.wait(for: .readable)
            var batch = ReceiveBatch(capacity: 1, slotSize: 8)
            #expect(try batch.receive(on: receiver) == 1)
            let control = batch.control(at: 0)
            #expect(control.hopLimit == 9)
            #expect(control.packetInfo?.destination == group)
            #expect(control.packetInfo?.local == (version == .v4 ? IPAddress("10.1.1.2") : .v6(.any)))
            #expect(throws: Errno.invalidArgument) {
                try receiver.join(version == .v4 ? loopbackV6 : loopbackV4, interface: 1)
            }
        }
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func routeMTUOfLoopback(_ version: IPVersion) throws {
        let peer = try boundUDP(version)
        let socket = try boundUDP(version)
        #expect(throws: Errno.notConnected) { try socket.value(of: .routeMTU) }
        try socket.connect(to: try peer.localAddress())
        // An IPv4 packet is never longer than its length field can say.
        let limit = version == .v4 ? 65_535 : Int.max
        #expect(try socket.value(of: .routeMTU) == min(limit, Interface.mtu(of: "lo")))
    }

    @Test func recordRouteOption() throws {
        let socket = try Socket(family: .inet, type: .datagram)
        try socket.setIPv4Options([7, 7, 4, 0, 0, 0, 0, 0])
        #expect(throws: Errno.invalidArgument) { try socket.setIPv4Options([7, 200, 4, 0]) }
        #expect(throws: Errno.invalidArgument) {
            try socket.setIPv4Options([UInt8](repeating: 1, count: 44))
        }
    }

    @Test(.enabled(if: isRoot, "needs root for raw sockets and marks"))
    func privilegedOptions() throws {
        let raw = try Socket(family: .inet, type: .raw, protocol: .raw)
        try raw.set(.headerIncluded, to: true)
        #expect(try raw.value(of: .headerIncluded))
        try raw.set(.mark, to: 0xffff_fffe)
        #expect(try raw.value(of: .mark) == 0xffff_fffe)
        try raw.set(.transparent, to: true)
        #expect(try raw.value(of: .transparent))
        let rawV6 = try Socket(family: .inet6, type: .raw, protocol: .udp)
        try rawV6.set(.headerIncluded, to: true)
        try rawV6.set(.checksumOffset, to: 6)
        #expect(try rawV6.value(of: .checksumOffset) == 6)
        #expect(throws: Errno.noSuchOption) { try raw.set(.checksumOffset, to: 6) }
    }
}
