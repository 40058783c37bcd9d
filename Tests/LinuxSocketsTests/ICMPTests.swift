import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// Receives one datagram, waiting for it.
private func next(_ socket: borrowing Socket, errorQueue: Bool = false) throws -> (
    bytes: [UInt8], control: ControlMessages, source: SocketAddress
) {
    var batch = ReceiveBatch(capacity: 1, slotSize: 2048)
    while try batch.receive(on: socket, errorQueue: errorQueue) == 0 {
        try socket.wait(for: errorQueue ? .error : .readable)
    }
    return (batch.bytes(at: 0).copied(), batch.control(at: 0), batch.source(at: 0))
}

private func address(_ version: IPVersion, _ v4: String, _ v6: String) throws -> IPAddress {
    try #require(IPAddress(version == .v4 ? v4 : v6))
}

/// Three nodes in a row: a, r, b; addresses 10.1.1.x and fd01:1::x, 10.1.2.x and fd01:2::x.
private func row(mtu: Int = 1500) throws -> NamespaceLab {
    let lab = try NamespaceLab("a", "r", "b")
    try lab.link("a", "r", "10.1.1", "fd01:1")
    try lab.link("r", "b", "10.1.2", "fd01:2", mtu: mtu)
    try lab["a"].addDefaultRoute(via: "r")
    try lab["b"].addDefaultRoute(via: "r")
    return lab
}

@Suite(.enabled(if: isRoot, "needs root for namespaces and raw sockets"))
struct ICMPTests {
    /// Of two senders on the same host each sees its own replies only, however the kernel hands them out.
    @Test(arguments: [IPVersion.v4, .v6])
    func filterKeepsOtherPingsOut(_ version: IPVersion) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].run {
            let mine = try Socket(family: version.family, type: .raw, protocol: version.icmp)
            let other = try Socket(family: version.family, type: .raw, protocol: version.icmp)
            let block = IdentifierBlock(value: 0x4200, mask: 0xff00)
            try mine.attachDiscardingQueued(version == .v4 ? .icmp(block) : .icmpv6(block))
            for identifier: UInt16 in [0x4100, 0x42aa, 0x4301, 0x4155, 0x42bb] {
                try other.send(try echoRequest(version, identifier: identifier), to: SocketAddress(loopback(version)))
            }
            for identifier: UInt16 in [0x42aa, 0x42bb] {
                let reply = try next(mine)
                let start = version == .v4 ? try IPv4Header(parsing: reply.bytes.bytes).headerLength : 0
                let header = try ICMPHeader(parsing: reply.bytes.bytes.from(start))
                #expect(header.type == .echoReply(version))
                #expect(header.identifier == identifier)
            }
        }
    }

    /// Errors pass by what they quote: of two datagrams that the same host refused, ours.
    @Test(arguments: [IPVersion.v4, .v6])
    func filterTestsTheQuote(_ version: IPVersion) throws {
        let lab = try row()
        try lab["a"].run {
            let mine = try Socket(family: version.family, type: .raw, protocol: version.icmp)
            let program: BPFProgram =
                version == .v4 ? .icmp(nil, sourcePorts: 7001...7001) : .icmpv6(nil, sourcePorts: 7001...7001)
            try mine.attachDiscardingQueued(program)
            let target = SocketAddress(try address(version, "10.1.2.2", "fd01:2::2"), port: 33_434)
            let own = try address(version, "10.1.1.1", "fd01:1::1")
            for port: UInt16 in [7000, 7002, 7001] {
                let sender = try Socket(family: version.family, type: .datagram, protocol: .udp)
                try sender.bind(to: SocketAddress(own, port: port))
                try sender.send([1], to: target)
            }
            let answer = try next(mine)
            let start = version == .v4 ? try IPv4Header(parsing: answer.bytes.bytes).headerLength : 0
            let header = try ICMPHeader(parsing: answer.bytes.bytes.from(start))
            #expect(header.type == .destinationUnreachable(version))
            let quotedPort = answer.bytes.bytes.uint16(at: start + 8 + (version == .v4 ? 20 : 40))
            #expect(quotedPort == 7001)
        }
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func typeFilterPassesOnlyReplies(_ version: IPVersion) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].run {
            let socket = try Socket(family: version.family, type: .raw, protocol: version.icmp)
            try socket.receiveOnly([.echoReply(version)])
            try socket.send(try echoRequest(version, identifier: 1), to: SocketAddress(loopback(version)))
            // Loopback shows our own request first, were it not for the filter.
            let reply = try next(socket)
            let start = version == .v4 ? try IPv4Header(parsing: reply.bytes.bytes).headerLength : 0
            #expect(try ICMPHeader(parsing: reply.bytes.bytes.from(start)).type == .echoReply(version))
            #expect(throws: Errno.noSuchOption) {
                try Socket(family: .unix, type: .datagram).receiveOnly([])
            }
        }
    }

    /// A header of our own goes out, and the raw socket without error queue sees the router's answer.
    @Test func headerIncludedAndTimeExceeded() throws {
        let lab = try row()
        try lab["a"].run {
            let target = IPv4Address(10, 1, 2, 2)
            let sender = try Socket(family: .inet, type: .raw, protocol: .raw)
            try sender.set(.receiveErrors, to: true)
            try sender.set(.timestamping, to: .softwareSendAndReceive)
            let receiver = try Socket(family: .inet, type: .raw, protocol: .icmp)
            try receiver.attachDiscardingQueued(.icmp(IdentifierBlock(value: 77)))
            try receiver.set(.receiveTimestamp, to: true)
            var batch = SendBatch(capacity: 2, slotSize: 64)
            for hopLimit: UInt8 in [1, 2] {
                try batch.append(to: SocketAddress(.v4(target))) { output throws(PacketError) in
                    let header = IPv4Header(
                        destination: target, proto: .icmp, hopLimit: hopLimit, totalLength: 28)
                    try header.write(to: &output)
                    try ICMPHeader(echo: .V4.echoRequest, identifier: 77, sequenceNumber: UInt16(hopLimit))
                        .write(to: &output)
                    ICMPHeader.writeChecksum(of: 20, in: &output)
                }
            }
            #expect(batch.send(on: sender).failure == nil)
            var responders: [ICMPType: IPAddress] = [:]
            var arrivals: [Int64] = []
            for _ in 0..<2 {
                let answer = try next(receiver)
                let header = try ICMPHeader(parsing: answer.bytes.bytes.from(20))
                responders[header.type] = answer.source.ipAddress
                arrivals.append(try #require(answer.control.kernelTimestamp))
            }
            #expect(responders == [.V4.timeExceeded: .v4(IPv4Address(10, 1, 1, 2)), .V4.echoReply: .v4(target)])
            // Two stages for each of two datagrams, and no error: an IPPROTO_RAW socket gets none.
            for _ in 0..<4 {
                let entry = try next(sender, errorQueue: true)
                let key = try #require(entry.control.error?.timestampKey)
                #expect(key < 2)
                #expect(try #require(entry.control.kernelTimestamp) <= arrivals.max() ?? 0)
            }
            var rest = ReceiveBatch(capacity: 1, slotSize: 64)
            #expect(try rest.receive(on: sender, errorQueue: true) == 0)
        }
    }

    /// Keys that the caller chose come back from sockets that write headers themselves, too (Linux 6.13).
    @Test(arguments: [IPVersion.v4, .v6])
    func chosenKeysOnRawSockets(_ version: IPVersion) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].run {
            let number = version == .v4 ? SocketProtocol.raw : .icmpv6
            let socket = try Socket(family: version.family, type: .raw, protocol: number)
            try socket.set(.timestamping, to: [.sendSoftware, .software, .identifiers, .timesOnly])
            let message = try echoRequest(version, identifier: 5)
            var batch = SendBatch(capacity: 2, slotSize: 64)
            for key: UInt32 in [0xdead_beef, 3] {
                try batch.append(to: SocketAddress(loopback(version)), timestampKey: key) {
                    output throws(PacketError) in
                    if version == .v4 {
                        let header = IPv4Header(
                            destination: .loopback, proto: .icmp, hopLimit: 64,
                            totalLength: UInt16(20 + message.count))
                        try header.write(to: &output)
                    }
                    output.append(contentsOf: message.bytes)
                }
            }
            let outcome = batch.send(on: socket)
            guard try SendBatch.takesTimestampKeys() else {
                #expect(outcome.failure == .invalidArgument)
                return
            }
            #expect(outcome.failure == nil)
            for key: UInt32 in [0xdead_beef, 3] {
                #expect(try next(socket, errorQueue: true).control.error?.timestampKey == key)
            }
        }
    }

    /// Time exceeded without privilege: the error queue of a UDP socket names router, type, hop limit and payload.
    @Test(arguments: [IPVersion.v4, .v6])
    func timeExceededOnTheErrorQueue(_ version: IPVersion) throws {
        let lab = try row()
        try lab["a"].run {
            let socket = try Socket(family: version.family, type: .datagram, protocol: .udp)
            for option: SocketOption<Bool> in [.receiveErrors, .receiveHopLimit, .receiveTimestamp] {
                try socket.set(option, to: true)
            }
            let target = SocketAddress(try address(version, "10.1.2.2", "fd01:2::2"), port: 33_434)
            var batch = SendBatch(capacity: 1, slotSize: 32)
            batch.append(to: target, hopLimit: 1) { $0.append(repeating: 0x7e, count: 32) }
            #expect(batch.send(on: socket).sent == 1)
            let entry = try next(socket, errorQueue: true)
            let error = try #require(entry.control.error)
            #expect(error.type == .timeExceeded(version))
            #expect(error.errno == .hostUnreachable)
            #expect(error.offender == (try address(version, "10.1.1.2", "fd01:1::2")))
            #expect(entry.source.ipAddress == target.ipAddress)
            #expect(entry.source.port == 33_434)
            #expect(entry.bytes == [UInt8](repeating: 0x7e, count: 32))
            #expect(entry.control.hopLimit == 64)
            #expect(entry.control.kernelTimestamp != nil)

            batch.reset()
            batch.append(to: target, hopLimit: 2) { $0.append(UInt8(1)) }
            #expect(batch.send(on: socket).sent == 1)
            let last = try #require(try next(socket, errorQueue: true).control.error)
            #expect(last.type == .destinationUnreachable(version))
            #expect(last.errno == .connectionRefused)
            #expect(last.offender == target.ipAddress)
        }
    }

    /// A router's MPLS labels behind the quote (RFC 4884, RFC 4950): the kernel says where they start, without any
    /// privilege, and whether their checksum verifies.
    @Test(arguments: [(IPVersion.v4, true), (.v4, false), (.v6, true), (.v6, false)])
    func extensionsOnTheErrorQueue(_ version: IPVersion, _ isValid: Bool) throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.1.1", "fd01:1")
        let own = try address(version, "10.1.1.1", "fd01:1::1")
        let router = try address(version, "10.1.1.2", "fd01:1::2")
        let target = router
        try lab["a"].run {
            let socket = try Socket(family: version.family, type: .datagram, protocol: .udp)
            try socket.bind(to: SocketAddress(own, port: 7001))
            try socket.set(.receiveErrors, to: true)
            try socket.set(.receiveErrorExtensions, to: true)
            // The router's message: a quote of 128 octets, then a structure with one object of one label.
            var labels: [UInt8] = [0x20, 0, 0, 0, 0, 8, 1, 1, 0x03, 0xe8, 0x41, 0x01]
            let checksum = InternetChecksum.of(labels.bytes) ^ (isValid ? 0 : 1)
            labels.replaceSubrange(2..<4, with: [UInt8(checksum >> 8), UInt8(checksum & 0xff)])
            let error = try [UInt8](capacity: 512) { output throws(PacketError) in
                // The length of the quote: in words of four octets in the second octet, or of eight in the first.
                let rest: UInt32 = version == .v4 ? 32 << 16 : 16 << 24
                try ICMPHeader(type: .timeExceeded(version), rest: rest).write(to: &output)
                switch (own, target) {
                case (.v4(let own), .v4(let target)):
                    var header = IPv4Header(destination: target, proto: .udp, hopLimit: 1, totalLength: 200)
                    header.source = own
                    try header.write(to: &output)
                case (.v6(let own), .v6(let target)):
                    output.append(UInt32(0x6000_0000))
                    output.append(UInt16(160))
                    output.append(UInt16(0x1101))
                    for word in [own.high, own.low, target.high, target.low] { output.append(word) }
                default: break
                }
                try UDPHeader(sourcePort: 7001, destinationPort: 33_434, length: 160).write(to: &output)
                output.append(repeating: 0x11, count: 8 + 128 - output.byteCount)
                output.append(contentsOf: labels.bytes)
                if version == .v4 { ICMPHeader.writeChecksum(of: 0, in: &output) }
            }
            try lab["b"].run {
                let raw = try Socket(family: version.family, type: .raw, protocol: version.icmp)
                try raw.send(error, to: SocketAddress(own))
            }
            let entry = try next(socket, errorQueue: true)
            let report = try #require(entry.control.error)
            #expect(report.type == .timeExceeded(version))
            #expect(report.offender == router)
            // Behind the headers of the quote, which the kernel took off.
            #expect(report.extensionOffset == 128 - (version == .v4 ? 20 : 40) - 8)
            #expect(report.extensionIsInvalid == !isValid)
            #expect(entry.bytes.suffix(12) == labels[...])
        }
    }

    /// A narrower link behind the router: its MTU comes with the error, and the kernel's own memory is not asked.
    @Test(arguments: [IPVersion.v4, .v6])
    func packetTooBigNamesTheMTU(_ version: IPVersion) throws {
        let lab = try row(mtu: 1400)
        try lab["a"].run {
            let socket = try Socket(family: version.family, type: .datagram, protocol: .udp)
            try socket.set(.receiveErrors, to: true)
            try socket.set(.pathMTUDiscovery, to: .probe)
            let target = SocketAddress(try address(version, "10.1.2.2", "fd01:2::2"), port: 9)
            for _ in 0..<2 {
                try socket.send([UInt8](repeating: 0, count: 1420), to: target)
                let error = try #require(try next(socket, errorQueue: true).control.error)
                #expect(error.errno == .messageTooLong)
                #expect(error.info == 1400)
                #expect(error.type == (version == .v4 ? .V4.destinationUnreachable : .V6.packetTooBig))
                #expect(error.offender == (try address(version, "10.1.1.2", "fd01:1::2")))
            }
        }
    }

    /// The kernel replaces the identifier with the local port, answers come without an IP header, and the errors of a
    /// ping socket quote from the ICMP header on.
    @Test(arguments: [IPVersion.v4, .v6])
    func pingSockets(_ version: IPVersion) throws {
        let lab = try row()
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        try lab["a"].run {
            #expect(PingGroupRange.current() == PingGroupRange(low: 0, high: 2_147_483_647))
            let socket = try Socket(family: version.family, type: .datagram, protocol: version.icmp)
            for option: SocketOption<Bool> in [
                .receiveErrors, .receiveHopLimit, .receiveTrafficClass, .receivePacketInfo, .receiveTimestamp,
            ] {
                try socket.set(option, to: true)
            }
            try socket.bind(to: SocketAddress(try address(version, "10.1.1.1", "fd01:1::1"), port: 4242))
            #expect(try socket.localAddress().port == 4242)
            let target = try address(version, "10.1.2.2", "fd01:2::2")
            try socket.send(try echoRequest(version, identifier: 1, sequenceNumber: 9), to: SocketAddress(target))
            let reply = try next(socket)
            let header = try ICMPHeader(parsing: reply.bytes.bytes)
            #expect(header.type == .echoReply(version))
            #expect(header.identifier == 4242)
            #expect(header.sequenceNumber == 9)
            #expect(reply.control.hopLimit == 63)
            #expect(reply.control.trafficClass == 0)
            #expect(reply.control.packetInfo?.destination == (try address(version, "10.1.1.1", "fd01:1::1")))
            #expect(reply.control.kernelTimestamp != nil)
            #expect(reply.source.ipAddress == target)

            var batch = SendBatch(capacity: 1, slotSize: 64)
            let request = try echoRequest(version, identifier: 1, sequenceNumber: 10)
            batch.append(to: SocketAddress(target), hopLimit: 1) { $0.append(contentsOf: request.bytes) }
            #expect(batch.send(on: socket).failure == nil)
            let entry = try next(socket, errorQueue: true)
            #expect(entry.control.error?.type == .timeExceeded(version))
            #expect(try ICMPHeader(parsing: entry.bytes.bytes).sequenceNumber == 10)
        }
    }

    /// A ping socket does not tell the real length, but that the datagram was cut.
    @Test(arguments: [IPVersion.v4, .v6])
    func truncationOnPingSockets(_ version: IPVersion) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].set("net.ipv4.ping_group_range", "0 2147483647")
        try lab["a"].run {
            let socket = try Socket(family: version.family, type: .datagram, protocol: version.icmp)
            let request = try echoRequest(version, identifier: 1)
            for _ in 0..<4 { try socket.send(request, to: SocketAddress(loopback(version))) }
            for (size, isTruncated) in [(16, false), (15, true)] {
                try socket.wait(for: .readable)
                var buffer = [UInt8](repeating: 0, count: size)
                let result = try #require(try socket.receive(into: &buffer))
                #expect(result.count == size && result.isTruncated == isTruncated)
                try socket.wait(for: .readable)
                var batch = ReceiveBatch(capacity: 1, slotSize: size)
                #expect(try batch.receive(on: socket) == 1)
                let wasCut = batch.isTruncated(at: 0)
                #expect(wasCut == isTruncated)
            }
        }
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func pingSocketsAreRefusedWhereTheRangeIsShut(_ version: IPVersion) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].set("net.ipv4.ping_group_range", "1 0")
        try lab["a"].run {
            #expect(PingGroupRange.current()?.isShut == true)
            #expect(throws: Errno.permissionDenied) {
                _ = try Socket(family: version.family, type: .datagram, protocol: version.icmp)
            }
        }
    }

    /// The flow label of the destination address stands in the IPv6 header.
    @Test func flowLabelIsSent() throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", nil, "fd01:1")
        try lab["b"].run {
            let receiver = try Socket(family: .packet, type: .datagram, protocol: .allFrames)
            try receiver.bind(
                to: SocketAddress(packetInterface: try Interface.index(named: "a"), etherType: 0x86dd))
            try lab["a"].run {
                let sender = try Socket(family: .inet6, type: .datagram)
                try sender.set(.flowInformation, to: true)
                try sender.set(.automaticFlowLabel, to: false)
                let target = try #require(IPAddress("fd01:1::2"))
                try sender.send([1, 2, 3], to: SocketAddress(target, port: 9, flowLabel: 0xabcde))
            }
            while true {
                let packet = try next(receiver)
                // Neighbour discovery comes first.
                guard packet.bytes.count >= 40, packet.bytes[6] == 17 else { continue }
                #expect(packet.bytes.bytes.uint32(at: 0) & 0xfffff == 0xabcde)
                #expect(packet.source.packetInterface == (try Interface.index(named: "a")))
                break
            }
        }
    }
}
