import LinuxSockets
import PacketFormats
import TestSupport
import Testing

/// Receives until `count` datagrams came, and hands each to `body` while it is there.
private func receive(
    _ count: Int, on socket: borrowing Socket, into batch: inout ReceiveBatch, errorQueue: Bool = false,
    _ body: (borrowing ReceiveBatch, Int) throws -> Void
) throws {
    var left = count
    while left > 0 {
        let received = try batch.receive(on: socket, errorQueue: errorQueue)
        if received == 0 { try socket.wait(for: errorQueue ? .error : .readable) }
        for index in 0..<received { try body(batch, index) }
        left -= received
    }
}

private func flags(_ batch: borrowing ReceiveBatch, _ index: Int) -> Set<String> {
    var flags: Set<String> = []
    if batch.isTruncated(at: index) { flags.insert("truncated") }
    if batch.isControlTruncated(at: index) { flags.insert("control") }
    if batch.isError(at: index) { flags.insert("error") }
    return flags
}

@Suite struct DatagramBatchTests {
    @Test(arguments: [IPVersion.v4, .v6])
    func headerFieldsPerDatagram(_ version: IPVersion) throws {
        let receiver = try boundUDP(version)
        let sender = try boundUDP(version)
        for option: SocketOption<Bool> in [
            .receiveHopLimit, .receiveTrafficClass, .receivePacketInfo, .receiveTimestamp, .receiveQueueOverflow,
        ] {
            try receiver.set(option, to: true)
        }
        let destination = try receiver.localAddress()
        var batch = SendBatch(capacity: 8, slotSize: 32)
        for index in 0..<8 {
            let fields = index % 2 == 1
            batch.append(
                to: destination, hopLimit: fields ? UInt8(30 + index) : nil,
                trafficClass: fields ? UInt8(index << 2) : nil,
                packetInfo: fields ? PacketInfo(source: loopback(version)) : nil
            ) { output in
                output.append(UInt32(index))
                output.append(repeating: 0xee, count: index)
            }
        }
        #expect(batch.isFull && !batch.isDone)
        let before = SystemClock.realtime.now
        let result = batch.send(on: sender)
        #expect(result.sent == 8)
        #expect(result.failure == nil)
        #expect(batch.next == 8)
        let lo = try Interface.index(named: "lo")
        let source = try sender.localAddress()
        var next = 0
        var received = ReceiveBatch(capacity: 3, slotSize: 32)
        try receive(8, on: receiver, into: &received) { batch, index in
            let bytes = batch.bytes(at: index)
            #expect(bytes.byteCount == 4 + next)
            #expect(bytes.uint32(at: 0) == UInt32(next))
            #expect(batch.realLength(at: index) == 4 + next)
            #expect(flags(batch, index) == [])
            #expect(batch.source(at: index) == source)
            #expect(batch.ipAddress(at: index) == loopback(version))
            let control = batch.control(at: index)
            let fields = next % 2 == 1
            #expect(control.hopLimit == (fields ? UInt8(30 + next) : 64))
            #expect(control.trafficClass == (fields ? UInt8(next << 2) : 0))
            #expect(control.packetInfo?.destination == loopback(version))
            #expect(control.packetInfo?.interfaceIndex == lo)
            #expect((control.kernelTimestamp ?? 0) >= before)
            #expect(control.error == nil)
            next += 1
        }
        #expect(try received.receive(on: receiver) == 0)
        #expect(received.count == 0)
    }

    @Test("A slot that is used again goes to its new host, port and version")
    func hostsOfASlot() throws {
        let receivers = [try Receiver(.v4), try Receiver(.v4), try Receiver(.v6)]
        let places: [(String, Int)] = [
            ("127.0.0.2", 0), ("127.0.0.3", 0), ("127.0.0.3", 1), ("127.1.0.3", 1), ("::1", 2), ("127.0.0.2", 0),
            ("::1", 2), ("::1", 2),
        ]
        var batch = SendBatch(capacity: 1, slotSize: 4)
        var received = ReceiveBatch(capacity: 2, slotSize: 4)
        for (round, (text, place)) in places.enumerated() {
            let host = try #require(IPAddress(text))
            let receiver = receivers[place]
            batch.reset()
            batch.append(toHost: host, port: receiver.port) { $0.append(UInt32(round)) }
            let result = batch.send(on: try boundUDP(host.version))
            #expect(result.sent == 1 && result.failure == nil)
            try receive(1, on: receiver.socket, into: &received) { batch, index in
                #expect(batch.bytes(at: index).uint32(at: 0) == UInt32(round))
                #expect(batch.control(at: index).packetInfo?.destination == host)
            }
        }
    }

    /// A socket that hears what is sent to its port at any address of loopback.
    private final class Receiver {
        let socket: Socket
        let port: UInt16

        init(_ version: IPVersion) throws {
            let socket = try Socket(family: version == .v4 ? .inet : .inet6, type: .datagram)
            try socket.bind(to: SocketAddress(version == .v4 ? .v4(.any) : .v6(.any)))
            try socket.set(.receivePacketInfo, to: true)
            port = try socket.localAddress().port ?? 0
            self.socket = socket
        }
    }

    @Test func sourceAddressPerDatagram() throws {
        let receiver = try boundUDP(.v4)
        let sender = try Socket(family: .inet, type: .datagram)
        try sender.bind(to: SocketAddress(.v4(.any)))
        var batch = SendBatch(capacity: 2, slotSize: 1)
        for last: UInt8 in [7, 9] {
            batch.append(
                to: try receiver.localAddress(), packetInfo: PacketInfo(source: .v4(IPv4Address(127, 0, 0, last)))
            ) { $0.append(last) }
        }
        #expect(batch.send(on: sender).sent == 2)
        var received = ReceiveBatch(capacity: 2, slotSize: 1)
        try receive(2, on: receiver, into: &received) { batch, index in
            let last = batch.bytes(at: index).octet(at: 0)
            #expect(batch.ipAddress(at: index) == .v4(IPv4Address(127, 0, 0, last)))
        }
    }

    /// A datagram that is longer than its slot is cut, and says so.
    @Test(arguments: [IPVersion.v4, .v6])
    func truncationIsAnEvent(_ version: IPVersion) throws {
        let receiver = try boundUDP(version)
        let sender = try boundUDP(version)
        try sender.connect(to: try receiver.localAddress())
        try receiver.set(.receiveHopLimit, to: true)
        var batch = SendBatch(capacity: 4, slotSize: 65_507)
        let lengths = [0, 9, 10, 65_507]
        for length in lengths { batch.append(to: nil) { $0.append(repeating: 0x5a, count: length) } }
        #expect(batch.send(on: sender).failure == nil)
        var position = 0
        var received = ReceiveBatch(capacity: 4, slotSize: 9, controlSize: 0)
        try receive(4, on: receiver, into: &received) { batch, index in
            #expect(batch.realLength(at: index) == lengths[position])
            #expect(batch.bytes(at: index).byteCount == min(9, lengths[position]))
            // No room for the hop limit, which is told as well.
            #expect(flags(batch, index) == (lengths[position] > 9 ? ["truncated", "control"] : ["control"]))
            #expect(batch.control(at: index) == ControlMessages())
            position += 1
        }
    }

    @Test func largestDatagramPasses() throws {
        let receiver = try boundUDP(.v4)
        let sender = try boundUDP(.v4)
        var batch = SendBatch(capacity: 1, slotSize: 65_535)
        batch.append(to: try receiver.localAddress()) { output in
            for index in 0..<65_507 { output.append(UInt8(truncatingIfNeeded: index)) }
        }
        #expect(batch.send(on: sender).sent == 1)
        var received = ReceiveBatch(capacity: 1, slotSize: 65_535)
        try receive(1, on: receiver, into: &received) { batch, index in
            let bytes = batch.bytes(at: index)
            #expect(bytes.byteCount == 65_507)
            #expect(bytes.octet(at: 65_506) == UInt8(truncatingIfNeeded: 65_506))
            #expect(flags(batch, index) == [])
        }
    }

    /// The kernel stops at a datagram that it refuses: the batch says which, and goes on behind it.
    @Test func refusedDatagramIsSkipped() throws {
        let receiver = try boundUDP(.v4)
        let sender = try boundUDP(.v4)
        let good = try receiver.localAddress()
        let tooLong = 65_508
        var batch = SendBatch(capacity: 5, slotSize: tooLong)
        for (index, length) in [1, tooLong, 2, tooLong, 3].enumerated() {
            batch.append(to: good) { $0.append(repeating: UInt8(index), count: length) }
        }
        var outcome = batch.send(on: sender)
        #expect(outcome.sent == 1 && outcome.failure == .messageTooLong && batch.next == 1)
        outcome = batch.send(on: sender)
        #expect(outcome.sent == 0 && outcome.failure == .messageTooLong && batch.next == 1)
        batch.skip()
        outcome = batch.send(on: sender)
        #expect(outcome.sent == 1 && outcome.failure == .messageTooLong && batch.next == 3)
        batch.skip()
        outcome = batch.send(on: sender)
        #expect(outcome.sent == 1 && outcome.failure == nil && batch.isDone)
        batch.skip()
        #expect(batch.next == 5)
        batch.reset()
        #expect(batch.count == 0 && batch.isDone && batch.send(on: sender).sent == 0)
        var received = ReceiveBatch(capacity: 8, slotSize: 8)
        var lengths: [Int] = []
        try receive(3, on: receiver, into: &received) { batch, index in lengths.append(batch.realLength(at: index)) }
        #expect(lengths == [1, 2, 3])
    }

    @Test func failedWriteAppendsNothing() throws {
        var batch = SendBatch(capacity: 2, slotSize: 4)
        #expect(throws: PacketError.truncated(needed: 8, available: 4)) {
            try batch.append(to: nil) { output throws(PacketError) in
                try ICMPHeader(type: .V4.echoRequest).write(to: &output)
            }
        }
        #expect(batch.count == 0)
    }

    @Test func emptyBatchSendsNothing() throws {
        var batch = SendBatch(capacity: 0, slotSize: 0)
        #expect(batch.capacity == 1 && batch.slotSize == 1 && batch.isDone)
        #expect(batch.send(on: try boundUDP(.v4)).failure == nil)
    }

    /// More than the queue holds: what is missing is counted, for who asks, and the next datagram brings the count.
    @Test(arguments: [IPVersion.v4, .v6])
    func overflowIsCounted(_ version: IPVersion) throws {
        let receiver = try boundUDP(version)
        let sender = try boundUDP(version)
        try receiver.set(.receiveBufferSize, to: 4096)
        try receiver.set(.receiveQueueOverflow, to: true)
        var batch = SendBatch(capacity: 64, slotSize: 1000)
        for _ in 0..<64 { batch.append(to: try receiver.localAddress()) { $0.append(repeating: 1, count: 1000) } }
        #expect(batch.send(on: sender).sent == 64)
        var received = ReceiveBatch(capacity: 64, slotSize: 1000)
        try receiver.wait(for: .readable)
        let queued = try received.receive(on: receiver)
        #expect((1..<64).contains(queued))
        #expect(try receiver.droppedCount() == UInt32(64 - queued))
        try sender.send([1], to: try receiver.localAddress())
        try receive(1, on: receiver, into: &received) { batch, index in
            #expect(batch.control(at: index).droppedCount == UInt32(64 - queued))
        }
    }

    @Test func sendTimesCarryTheirKeys() throws {
        let receiver = try boundUDP(.v4)
        let sender = try boundUDP(.v4)
        try sender.set(.receiveErrors, to: true)
        try sender.set(.timestamping, to: .softwareSendAndReceive)
        try receiver.set(.timestamping, to: [.receiveSoftware, .software])
        let times = try ArrivalTimes()
        defer { withExtendedLifetime(times) {} }
        var batch = SendBatch(capacity: 3, slotSize: 1)
        for index in 0..<3 { batch.append(to: try receiver.localAddress()) { $0.append(UInt8(index)) } }
        let before = SystemClock.realtime.now
        #expect(batch.send(on: sender).sent == 3)
        var arrivals: [Int64] = []
        var received = ReceiveBatch(capacity: 2, slotSize: 64)
        try receive(3, on: receiver, into: &received) { batch, index in
            arrivals.append(try #require(batch.control(at: index).kernelTimestamp))
        }
        var keys: [ExtendedError.SendStage: [UInt32]] = [:]
        try receive(6, on: sender, into: &received, errorQueue: true) { batch, index in
            #expect(flags(batch, index) == ["error"])
            #expect(batch.bytes(at: index).byteCount == 0)
            let control = batch.control(at: index)
            let error = try #require(control.error)
            let time = try #require(control.kernelTimestamp)
            let key = try #require(error.timestampKey)
            #expect(error.origin == .timestamping)
            #expect(error.offender == nil)
            #expect(before <= time && time <= arrivals[Int(key)])
            keys[try #require(error.sendStage), default: []].append(key)
        }
        #expect(keys == [.scheduled: [0, 1, 2], .sent: [0, 1, 2]])
    }

    /// Linux 6.13 and later take the key from the caller; older kernels refuse the datagram.
    @Test(arguments: [IPVersion.v4, .v6])
    func chosenTimestampKeys(_ version: IPVersion) throws {
        let receiver = try boundUDP(version)
        let sender = try boundUDP(version)
        try sender.set(.timestamping, to: [.sendSoftware, .software, .identifiers, .timesOnly])
        var batch = SendBatch(capacity: 2, slotSize: 1)
        for key: UInt32 in [0xffff_ffff, 7] {
            batch.append(to: try receiver.localAddress(), hopLimit: 5, timestampKey: key) { $0.append(UInt8(0)) }
        }
        let outcome = batch.send(on: sender)
        guard try SendBatch.takesTimestampKeys() else {
            #expect(outcome.failure == .invalidArgument)
            return
        }
        #expect(outcome.failure == nil)
        var keys: [UInt32] = []
        var received = ReceiveBatch(capacity: 2, slotSize: 8)
        try receive(2, on: sender, into: &received, errorQueue: true) { batch, index in
            keys.append(try #require(batch.control(at: index).error?.timestampKey))
        }
        #expect(keys == [0xffff_ffff, 7])
    }

    @Test func keysRestart() throws {
        let receiver = try boundUDP(.v4)
        let sender = try boundUDP(.v4)
        try sender.connect(to: try receiver.localAddress())
        try sender.set(.timestamping, to: [.sendSoftware, .software, .identifiers, .timesOnly])
        for _ in 0..<3 { try sender.send([1]) }
        try sender.restartTimestampKeys()
        #expect(
            try sender.value(of: .timestamping) == [.sendSoftware, .software, .identifiers, .timesOnly])
        for _ in 0..<2 { try sender.send([1]) }
        var keys: [UInt32] = []
        var received = ReceiveBatch(capacity: 8, slotSize: 8)
        try receive(5, on: sender, into: &received, errorQueue: true) { batch, index in
            keys.append(try #require(batch.control(at: index).error?.timestampKey))
        }
        #expect(keys == [0, 1, 2, 0, 1])
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func portUnreachableOnTheErrorQueue(_ version: IPVersion) throws {
        let closed = try boundUDP(version).localAddress()
        let socket = try boundUDP(version)
        try socket.set(.receiveErrors, to: true)
        try socket.set(.receiveErrorExtensions, to: true)
        try socket.set(.receiveHopLimit, to: true)
        try socket.send([0xca, 0xfe], to: closed)
        var received = ReceiveBatch(capacity: 4, slotSize: 64)
        try receive(1, on: socket, into: &received, errorQueue: true) { batch, index in
            #expect(batch.bytes(at: index).copied() == [0xca, 0xfe])
            #expect(batch.source(at: index).ipAddress == loopback(version))
            #expect(batch.source(at: index).port == closed.port)
            let control = batch.control(at: index)
            #expect(control.hopLimit == 64)
            let error = try #require(control.error)
            #expect(error.errno == .connectionRefused)
            #expect(error.origin == (version == .v4 ? .icmp : .icmpv6))
            #expect(error.type == .destinationUnreachable(version))
            #expect(error.code == (version == .v4 ? 3 : 4))
            #expect(error.offender == loopback(version))
            #expect(error.extensionOffset == nil)
            #expect(error.timestampKey == nil)
        }
        // Reading the entry took the pending error with it.
        #expect(try received.receive(on: socket, errorQueue: true) == 0)
        #expect(try received.receive(on: socket) == 0)
    }

    /// An error that nobody read makes the next send fail, and only that one.
    @Test func pendingErrorFailsOneSend() throws {
        let closed = try boundUDP(.v4).localAddress()
        let socket = try boundUDP(.v4)
        try socket.set(.receiveErrors, to: true)
        try socket.send([1], to: closed)
        try socket.wait(for: .error)
        var batch = SendBatch(capacity: 1, slotSize: 1)
        batch.append(to: try socket.localAddress()) { $0.append(UInt8(2)) }
        var outcome = batch.send(on: socket)
        #expect(outcome.sent == 0 && outcome.failure == .connectionRefused)
        outcome = batch.send(on: socket)
        #expect(outcome.sent == 1 && outcome.failure == nil)
    }

    @Test func connectedSocketThrowsItsError() throws {
        let closed = try boundUDP(.v4).localAddress()
        let socket = try boundUDP(.v4)
        try socket.connect(to: closed)
        try socket.send([1])
        try socket.wait(for: .error)
        var received = ReceiveBatch(capacity: 1, slotSize: 1)
        #expect(throws: Errno.connectionRefused) { try received.receive(on: socket) }
        #expect(received.count == 0)
        #expect(try received.receive(on: socket) == 0)
    }
}
