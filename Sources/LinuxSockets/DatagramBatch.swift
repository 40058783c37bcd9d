import CLinuxSockets
import Glibc
import PacketFormats

/// Datagrams that go to the kernel in one call: written in place, each with its own destination and header fields.
///
/// Every buffer is allocated once, in `init`; appending and sending allocate nothing. It has one owner, who may hand it
/// to another thread.
@safe
public struct SendBatch: ~Copyable, @unchecked Sendable {
    /// How many datagrams fit.
    public let capacity: Int
    /// The longest datagram that fits, in bytes.
    public let slotSize: Int
    /// Datagrams appended since the last `reset`.
    public private(set) var count = 0
    /// The index of the first datagram that has not been sent or skipped.
    public private(set) var next = 0

    private let headers: UnsafeMutablePointer<np_mmsghdr>
    private let vectors: UnsafeMutablePointer<iovec>
    private let addresses: UnsafeMutablePointer<SocketAddress>
    /// Whose address lies in each slot, where it is known.
    private let hosts: UnsafeMutablePointer<Host?>
    private let controls: UnsafeMutableRawPointer
    private let data: UnsafeMutableRawPointer

    /// Room for `capacity` datagrams of up to `slotSize` bytes, at least one of one byte.
    ///
    /// The pages of the slots are taken from the system when they are first written.
    public init(capacity: Int, slotSize: Int) {
        self.capacity = max(1, capacity)
        self.slotSize = max(1, slotSize)
        unsafe headers = .allocate(capacity: self.capacity)
        unsafe vectors = .allocate(capacity: self.capacity)
        unsafe addresses = .allocate(capacity: self.capacity)
        unsafe hosts = .allocate(capacity: self.capacity)
        unsafe controls = .allocate(byteCount: self.capacity * Self.controlCapacity, alignment: 16)
        unsafe data = .allocate(byteCount: self.capacity * self.slotSize, alignment: 16)
        let none = SocketAddress.unspecified
        unsafe addresses.initialize(repeating: none, count: self.capacity)
        unsafe hosts.initialize(repeating: nil, count: self.capacity)
        unsafe controls.initializeMemory(as: UInt8.self, repeating: 0, count: self.capacity * Self.controlCapacity)
        for index in 0..<self.capacity {
            unsafe vectors.advanced(by: index).initialize(
                to: iovec(iov_base: data + index * self.slotSize, iov_len: 0))
            unsafe headers.advanced(by: index).initialize(to: np_mmsghdr())
            unsafe headers[index].header.msg_iov = unsafe vectors + index
            unsafe headers[index].header.msg_iovlen = 1
        }
    }

    deinit {
        // Nothing in them needs to be deinitialised.
        unsafe headers.deallocate()
        unsafe vectors.deallocate()
        unsafe addresses.deallocate()
        unsafe hosts.deallocate()
        unsafe controls.deallocate()
        unsafe data.deallocate()
    }

    public var isFull: Bool { count == capacity }
    /// Whether every datagram was sent or skipped.
    public var isDone: Bool { next == count }

    /// Appends the datagram that `write` puts into its slot, of at most `slotSize` bytes; the batch must not be full.
    ///
    /// When `write` throws, nothing is appended and the error goes on.
    ///
    /// - Parameters:
    ///   - address: the destination, nil on a connected socket; its family decides which control messages are made.
    ///   - hopLimit: for this datagram, else the socket's (IP_TTL, IPV6_HOPLIMIT).
    ///   - trafficClass: for this datagram, else the socket's (IP_TOS, IPV6_TCLASS).
    ///   - packetInfo: source address and interface for this datagram (IP_PKTINFO, IPV6_PKTINFO).
    ///   - timestampKey: the key of its send time instead of the counted one: Linux 6.13 and later, an older kernel
    ///     refuses the datagram with `invalidArgument` (SCM_TS_OPT_ID).
    @inlinable
    public mutating func append<Failure: Error>(
        to address: SocketAddress?, hopLimit: UInt8? = nil, trafficClass: UInt8? = nil,
        packetInfo: PacketInfo? = nil, timestampKey: UInt32? = nil,
        writing write: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        let slot = unsafe nextSlot()
        var output = unsafe OutputRawSpan(buffer: slot, initializedCount: 0)
        try write(&output)
        let length = unsafe output.finalize(for: slot)
        if let address {
            setAddress(address)
        } else {
            clearAddress()
        }
        commit(
            length, isV6: (address?.family ?? (packetInfo?.local.version == .v6 ? .inet6 : .inet)) == .inet6,
            hopLimit: hopLimit, trafficClass: trafficClass, packetInfo: packetInfo,
            timestampKey: timestampKey)
    }

    /// The same to a host, whose address is kept in the slot: writing it again costs nothing.
    ///
    /// - Parameters:
    ///   - destination: its zone becomes the scope identifier.
    ///   - port: 0 on raw and ping sockets.
    @inlinable
    public mutating func append<Failure: Error>(
        toHost destination: IPAddress, port: UInt16, flowLabel: UInt32 = 0, hopLimit: UInt8? = nil,
        trafficClass: UInt8? = nil, packetInfo: PacketInfo? = nil, timestampKey: UInt32? = nil,
        writing write: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        let slot = unsafe nextSlot()
        var output = unsafe OutputRawSpan(buffer: slot, initializedCount: 0)
        try write(&output)
        let length = unsafe output.finalize(for: slot)
        setHost(Host(address: destination, port: port, flowLabel: flowLabel))
        commit(
            length, isV6: destination.version == .v6, hopLimit: hopLimit, trafficClass: trafficClass,
            packetInfo: packetInfo,
            timestampKey: timestampKey)
    }

    /// Sends what is not yet sent, as far as the kernel takes it, and says how many went and what stopped it.
    ///
    /// The datagram at `next` is the one that failed: call again to try it once more, or `skip` it first. Failure is nil
    /// when all went. The corresponding C function is `sendmmsg`.
    public mutating func send(on socket: borrowing Socket) -> (sent: Int, failure: Errno?) {
        let first = next
        while next < count {
            // The first `count` headers are complete, and their pointers lead into buffers of this batch.
            let result =
                unsafe count &- next == 1 && headers[next].header.msg_controllen == 0
                ? sendOne(headers[next].header, on: socket)
                : np_sendmmsg(socket.rawDescriptor, headers + next, UInt32(count &- next), Self.noSignal)
            guard result > 0 else {
                // The kernel reports a datagram that failed behind others only to the next call, which is this one.
                let failure = result < 0 ? Errno.last : .wouldBlock
                if failure == .interrupted { continue }
                return (next &- first, failure)
            }
            next &+= Int(result)
        }
        return (next &- first, nil)
    }

    /// Sends a datagram without control messages for less than half of what the kernel takes to copy a header.
    private func sendOne(_ header: msghdr, on socket: borrowing Socket) -> Int32 {
        // The one vector is of this batch, and set.
        let vector = unsafe header.msg_iov[0]
        let name = unsafe header.msg_name?.assumingMemoryBound(to: sockaddr.self)
        let sent = unsafe sendto(
            socket.rawDescriptor, vector.iov_base, vector.iov_len, Self.noSignal, name, header.msg_namelen)
        return sent < 0 ? -1 : 1
    }

    /// Whether this kernel takes a `timestampKey`, which came with Linux 6.13: found out by sending a datagram on
    /// loopback. Throws what opening a UDP socket refuses.
    public static func takesTimestampKeys() throws(Errno) -> Bool {
        let socket = try Socket(family: .inet, type: .datagram, protocol: .udp)
        try socket.set(.timestamping, to: [.sendSoftware, .software, .identifiers, .timesOnly])
        try socket.bind(to: SocketAddress(.v4(.loopback)))
        var batch = SendBatch(capacity: 1, slotSize: 1)
        batch.append(to: try socket.localAddress(), timestampKey: 1) { $0.append(UInt8(0)) }
        // Control messages are looked at first: every other failure is one of the network.
        return batch.send(on: socket).failure != .invalidArgument
    }

    /// The bytes of a datagram that was appended; the index is one of `0..<count`.
    @_lifetime(borrow self)
    public func bytes(at index: Int) -> RawSpan {
        precondition(index >= 0 && index < count, "no datagram at this index")
        let slot = unsafe UnsafeRawBufferPointer(start: data + index &* slotSize, count: vectors[index].iov_len)
        // The slot lives as long as the batch and changes only with a mutation of it.
        return unsafe _overrideLifetime(slot.bytes, borrowing: self)
    }

    /// Leaves out the datagram at `next`, the one that failed.
    public mutating func skip() {
        if next < count { next &+= 1 }
    }

    /// Forgets all datagrams, sent or not.
    public mutating func reset() {
        count = 0
        next = 0
    }

    @usableFromInline
    func nextSlot() -> UnsafeMutableRawBufferPointer {
        precondition(count < capacity, "the batch is full")
        return unsafe UnsafeMutableRawBufferPointer(start: data + count &* slotSize, count: slotSize)
    }

    @usableFromInline
    mutating func setAddress(_ address: SocketAddress) {
        unsafe hosts[count] = nil
        unsafe addresses[count] = address
        unsafe headers[count].header.msg_name = UnsafeMutableRawPointer(addresses + count)
        unsafe headers[count].header.msg_namelen = socklen_t(address.length)
    }

    @usableFromInline
    mutating func clearAddress() {
        unsafe hosts[count] = nil
        unsafe headers[count].header.msg_name = nil
        unsafe headers[count].header.msg_namelen = 0
    }

    @usableFromInline
    mutating func setHost(_ host: Host) {
        // `nextSlot` has checked that `count` is an index.
        let before = unsafe hosts[count]
        guard before != host else { return }
        if let before, before.differsInHostOnly(from: host) {
            unsafe addresses[count].replaceHost(by: host.address)
        } else {
            setAddress(SocketAddress(host.address, port: host.port, flowLabel: host.flowLabel))
        }
        unsafe hosts[count] = host
    }

    /// - Parameter isV6: which control messages are made.
    @usableFromInline
    mutating func commit(
        _ length: Int, isV6: Bool, hopLimit: UInt8?, trafficClass: UInt8?, packetInfo: PacketInfo?,
        timestampKey: UInt32?
    ) {
        // `nextSlot` has checked that `count` is an index.
        unsafe vectors[count].iov_len = length
        var control = unsafe ControlWriter(start: controls + count &* Self.controlCapacity)
        if let hopLimit {
            unsafe control.append(
                isV6 ? NP_SOL_IPV6 : NP_SOL_IP, isV6 ? NP_IPV6_HOPLIMIT : NP_IP_TTL, Int32(hopLimit))
        }
        if let trafficClass {
            unsafe control.append(
                isV6 ? NP_SOL_IPV6 : NP_SOL_IP, isV6 ? NP_IPV6_TCLASS : NP_IP_TOS, Int32(trafficClass))
        }
        if let packetInfo { unsafe control.append(packetInfo) }
        if let timestampKey { unsafe control.append(SOL_SOCKET, NP_SCM_TS_OPT_ID, Int32(bitPattern: timestampKey)) }
        unsafe headers[count].header.msg_control = control.length == 0 ? nil : control.start
        unsafe headers[count].header.msg_controllen = unsafe control.length
        count &+= 1
    }

    @usableFromInline
    struct Host: Hashable, BitwiseCopyable {
        let address: IPAddress
        let port: UInt16
        let flowLabel: UInt32

        @usableFromInline
        init(address: IPAddress, port: UInt16, flowLabel: UInt32) {
            self.address = address
            self.port = port
            self.flowLabel = flowLabel
        }

        func differsInHostOnly(from other: Host) -> Bool {
            address.version == other.address.version && port == other.port && flowLabel == other.flowLabel
        }
    }

    // Hop limit, traffic class and key of 24 bytes each, packet information of 40.
    private static let controlCapacity = 128
    private static let noSignal: Int32 = 0x4000
}

/// Lays a chain of control messages into a slot of `SendBatch`, each at most once, which bounds its length.
@unsafe
private struct ControlWriter {
    let start: UnsafeMutableRawPointer
    var length = 0

    init(start: UnsafeMutableRawPointer) { unsafe self.start = start }

    mutating func append(_ level: Int32, _ type: Int32, _ value: Int32) {
        let data = unsafe begin(level, type, 4)
        unsafe data.storeBytes(of: value, as: Int32.self)
    }

    mutating func append(_ info: PacketInfo) {
        switch info.local {
        case .v4(let source):
            let data = unsafe begin(NP_SOL_IP, NP_IP_PKTINFO, 12)
            unsafe data.storeBytes(of: info.interfaceIndex, as: UInt32.self)
            unsafe data.storeBytes(of: source.rawValue.bigEndian, toByteOffset: 4, as: UInt32.self)
            unsafe data.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
        case .v6(let source):
            let data = unsafe begin(NP_SOL_IPV6, NP_IPV6_PKTINFO, 20)
            unsafe data.storeBytes(of: source.high.bigEndian, as: UInt64.self)
            unsafe data.storeBytes(of: source.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            let index = info.interfaceIndex == 0 ? source.zone : info.interfaceIndex
            unsafe data.storeBytes(of: index, toByteOffset: 16, as: UInt32.self)
        }
    }

    private mutating func begin(_ level: Int32, _ type: Int32, _ size: Int) -> UnsafeMutableRawPointer {
        let message = unsafe start + length
        unsafe message.storeBytes(of: ControlMessages.headerLength + size, as: Int.self)
        unsafe message.storeBytes(of: level, toByteOffset: MemoryLayout<Int>.size, as: Int32.self)
        unsafe message.storeBytes(of: type, toByteOffset: MemoryLayout<Int>.size + 4, as: Int32.self)
        unsafe length += ControlMessages.aligned(ControlMessages.headerLength + size)
        return unsafe message + ControlMessages.headerLength
    }
}

/// Datagrams that come from the kernel in one call, each with its source and control messages.
///
/// Every buffer is allocated once, in `init`; receiving allocates nothing. What an index yields changes with the next
/// `receive`. It has one owner, who may hand it to another thread.
@safe
public struct ReceiveBatch: ~Copyable, @unchecked Sendable {
    /// How many datagrams fit.
    public let capacity: Int
    /// The longest datagram that fits uncut, in bytes.
    public let slotSize: Int
    /// Datagrams of the last receive.
    public private(set) var count = 0

    private let controlSize: Int
    private let headers: UnsafeMutablePointer<np_mmsghdr>
    private let vectors: UnsafeMutablePointer<iovec>
    private let addresses: UnsafeMutableRawPointer
    private let controls: UnsafeMutableRawPointer
    private let data: UnsafeMutableRawPointer

    /// Room for `capacity` datagrams of up to `slotSize` bytes, at least one of one byte.
    ///
    /// The pages of the slots are taken from the system when they are first used.
    ///
    /// - Parameter controlSize: bytes for the control messages of a datagram, rounded up to a multiple of 8; what this
    ///   module reads fits into 384.
    public init(capacity: Int, slotSize: Int, controlSize: Int = 384) {
        self.capacity = max(1, capacity)
        self.slotSize = max(1, slotSize)
        self.controlSize = ControlMessages.aligned(max(0, controlSize))
        unsafe headers = .allocate(capacity: self.capacity)
        unsafe vectors = .allocate(capacity: self.capacity)
        unsafe addresses = .allocate(byteCount: self.capacity * SocketAddress.capacity, alignment: 16)
        unsafe controls = .allocate(byteCount: self.capacity * self.controlSize, alignment: 16)
        unsafe data = .allocate(byteCount: self.capacity * self.slotSize, alignment: 16)
        for index in 0..<self.capacity {
            unsafe vectors.advanced(by: index).initialize(
                to: iovec(iov_base: data + index * self.slotSize, iov_len: self.slotSize))
            unsafe headers.advanced(by: index).initialize(to: np_mmsghdr())
            unsafe headers[index].header.msg_iov = unsafe vectors + index
            unsafe headers[index].header.msg_iovlen = 1
            unsafe headers[index].header.msg_name = unsafe addresses + index * SocketAddress.capacity
            unsafe headers[index].header.msg_control = unsafe controls + index * self.controlSize
        }
        for index in 0..<self.capacity { prepare(index) }
    }

    deinit {
        // Nothing in them needs to be deinitialised.
        unsafe headers.deallocate()
        unsafe vectors.deallocate()
        unsafe addresses.deallocate()
        unsafe controls.deallocate()
        unsafe data.deallocate()
    }

    /// Takes what waits, at most `capacity` datagrams, and returns how many came; 0 when nothing waits.
    ///
    /// Throws a pending error of the socket, which is gone with that, and leaves the batch empty. The corresponding C
    /// function is `recvmmsg`, with `MSG_ERRQUEUE` for the error queue and `MSG_TRUNC` for the real lengths.
    ///
    /// - Parameter limit: takes no more than this; when so many wait, the kernel need not look for another.
    @discardableResult
    public mutating func receive(
        on socket: borrowing Socket, errorQueue: Bool = false, limit: Int = .max
    ) throws(Errno) -> Int {
        for index in 0..<count { prepare(index) }
        count = 0
        let flags = Self.dontWait | (errorQueue ? Self.errorQueue : socket.type == .stream ? 0 : Self.tellRealLength)
        while true {
            // Every header has its buffers and their sizes, set by `init` and `prepare`.
            let result =
                unsafe limit == 1
                ? receiveOne(on: socket, flags)
                : np_recvmmsg(socket.rawDescriptor, headers, UInt32(max(1, min(capacity, limit))), flags)
            if result >= 0 {
                count = Int(result)
                return count
            }
            let failure = Errno.last
            if failure == .wouldBlock { return 0 }
            guard failure == .interrupted else { throw failure }
        }
    }

    /// Takes one datagram by the call that copies its header once.
    private func receiveOne(on socket: borrowing Socket, _ flags: Int32) -> Int32 {
        // The first header is there: the capacity is at least one.
        let length = unsafe recvmsg(socket.rawDescriptor, &headers[0].header, flags)
        guard length >= 0 else { return -1 }
        unsafe headers[0].length = UInt32(clamping: length)
        return 1
    }

    /// The bytes of a datagram, cut at `slotSize`: of an error queue's entry the payload that it quotes.
    ///
    /// The index is one of `0..<count`.
    @_lifetime(borrow self)
    public func bytes(at index: Int) -> RawSpan {
        let length = unsafe min(Int(header(index).length), slotSize)
        let slot = unsafe UnsafeRawBufferPointer(start: data + index &* slotSize, count: length)
        // The slot lives as long as the batch and changes only with a mutation of it.
        return unsafe _overrideLifetime(slot.bytes, borrowing: self)
    }

    /// Who sent the datagram; of an error queue's entry the destination of the datagram that failed.
    public func source(at index: Int) -> SocketAddress {
        let header = unsafe header(index).header
        guard unsafe header.msg_namelen > 0 else { return .unspecified }
        return unsafe SocketAddress(
            copying: addresses + index &* SocketAddress.capacity, length: Int(header.msg_namelen))
    }

    /// The address part of `source(at:)`, without copying the rest; nil where it is not of IPv4 or IPv6.
    public func ipAddress(at index: Int) -> IPAddress? {
        let length = unsafe min(Int(header(index).header.msg_namelen), SocketAddress.capacity)
        let name = unsafe UnsafeRawBufferPointer(start: addresses + index &* SocketAddress.capacity, count: length)
        return unsafe ExtendedError.address(name.bytes)
    }

    /// What the kernel says about the datagram. O(control messages).
    public func control(at index: Int) -> ControlMessages {
        let length = unsafe min(Int(header(index).header.msg_controllen), controlSize)
        let chain = unsafe UnsafeRawBufferPointer(start: controls + index &* controlSize, count: length)
        return unsafe ControlMessages(parsing: chain.bytes)
    }

    /// The options area of the datagram's IPv4 header, empty where it has none or `receiveIPv4Options` is not set on the
    /// socket. O(control messages).
    public func ipv4Options(at index: Int) -> [UInt8] {
        let length = unsafe min(Int(header(index).header.msg_controllen), controlSize)
        let chain = unsafe UnsafeRawBufferPointer(start: controls + index &* controlSize, count: length)
        return unsafe ControlMessages.ipv4Options(in: chain.bytes)
    }

    /// Bytes that the datagram had, more than `bytes(at:)` holds when it was cut.
    ///
    /// Ping sockets and error queues tell only what they delivered.
    public func realLength(at index: Int) -> Int { unsafe Int(header(index).length) }

    /// Whether the datagram was longer than its slot (MSG_TRUNC).
    public func isTruncated(at index: Int) -> Bool { unsafe header(index).header.msg_flags & Self.tellRealLength != 0 }

    /// Whether control messages were lost for lack of room (MSG_CTRUNC).
    public func isControlTruncated(at index: Int) -> Bool {
        unsafe header(index).header.msg_flags & Self.controlTruncated != 0
    }

    /// Whether the datagram came from the error queue (MSG_ERRQUEUE).
    public func isError(at index: Int) -> Bool { unsafe header(index).header.msg_flags & Self.errorQueue != 0 }

    private func header(_ index: Int) -> np_mmsghdr {
        precondition(index >= 0 && index < count, "no datagram at this index")
        return unsafe headers[index]
    }

    /// Gives a slot its sizes back, which the kernel overwrites with what it used.
    private func prepare(_ index: Int) {
        unsafe headers[index].header.msg_namelen = socklen_t(SocketAddress.capacity)
        unsafe headers[index].header.msg_controllen = controlSize
        unsafe headers[index].header.msg_flags = 0
    }

    private static let dontWait: Int32 = 0x40
    private static let errorQueue: Int32 = 0x2000
    private static let tellRealLength: Int32 = 0x20
    private static let controlTruncated: Int32 = 0x08
}
