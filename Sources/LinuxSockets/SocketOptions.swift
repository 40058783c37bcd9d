import CLinuxSockets
import Glibc
import PacketFormats

/// A socket option with an integer in it: its level and name for each family that has it.
///
/// IPv4 and IPv6 have different numbers for the same thing; a socket takes those of its own family.
public struct SocketOption<Value: SocketOptionValue>: Sendable {
    let v4: OptionName?
    let v6: OptionName?

    init(socket name: Int32) { self.init(level: SOL_SOCKET, name) }

    init(level: Int32, _ name: Int32) {
        v4 = OptionName(level: level, name: name)
        v6 = v4
    }

    init(v4 nameV4: Int32?, v6 nameV6: Int32?) {
        v4 = nameV4.map { OptionName(level: NP_SOL_IP, name: $0) }
        v6 = nameV6.map { OptionName(level: NP_SOL_IPV6, name: $0) }
    }
}

/// `IPPROTO_TCP` as an option level (tcp(7)).
private let tcpLevel: Int32 = 6

struct OptionName: Sendable {
    var level: Int32
    var name: Int32
}

/// A value that travels in a socket option as an `int`.
public protocol SocketOptionValue: Sendable {
    init(optionValue: Int32)
    /// Nil when the value does not fit.
    var optionValue: Int32? { get }
}

extension Bool: SocketOptionValue {
    public init(optionValue: Int32) { self = optionValue != 0 }
    public var optionValue: Int32? { self ? 1 : 0 }
}

extension Int: SocketOptionValue {
    public init(optionValue: Int32) { self.init(optionValue) }
    public var optionValue: Int32? { Int32(exactly: self) }
}

extension UInt32: SocketOptionValue {
    public init(optionValue: Int32) { self.init(bitPattern: optionValue) }
    public var optionValue: Int32? { Int32(bitPattern: self) }
}

extension SocketOption where Value == Bool {
    /// Addresses in use may be bound again: SO_REUSEADDR (socket(7)).
    public static var reuseAddress: Self { Self(socket: SO_REUSEADDR) }
    /// Several sockets may bind the same port: SO_REUSEPORT (socket(7)).
    public static var reusePort: Self { Self(socket: NP_SO_REUSEPORT) }
    /// Datagrams may go to a broadcast address: SO_BROADCAST (socket(7)).
    public static var broadcast: Self { Self(socket: SO_BROADCAST) }
    /// Skips routing and sends to hosts on the link only: SO_DONTROUTE (socket(7)).
    public static var bypassRouting: Self { Self(socket: SO_DONTROUTE) }
    /// Debugging where the kernel knows any; needs CAP_NET_ADMIN: SO_DEBUG (socket(7)).
    public static var debugging: Self { Self(socket: SO_DEBUG) }
    /// Puts the count of dropped datagrams into every receive: SO_RXQ_OVFL (socket(7)).
    public static var receiveQueueOverflow: Self { Self(socket: NP_SO_RXQ_OVFL) }
    /// Puts the kernel's receive time into every receive: SO_TIMESTAMPNS (socket(7)).
    public static var receiveTimestamp: Self { Self(socket: NP_SO_TIMESTAMPNS) }
    /// We write the IP header ourselves: IP_HDRINCL, IPV6_HDRINCL (raw(7), ipv6(7)).
    public static var headerIncluded: Self { Self(v4: NP_IP_HDRINCL, v6: NP_IPV6_HDRINCL) }
    /// ICMP errors go to the error queue: IP_RECVERR, IPV6_RECVERR (ip(7), ipv6(7)).
    public static var receiveErrors: Self { Self(v4: NP_IP_RECVERR, v6: NP_IPV6_RECVERR) }
    /// Errors say where the extensions of RFC 4884 start: IP_RECVERR_RFC4884, IPV6_RECVERR_RFC4884 (Linux 5.9).
    public static var receiveErrorExtensions: Self { Self(v4: NP_IP_RECVERR_RFC4884, v6: NP_IPV6_RECVERR_RFC4884) }
    /// Puts the hop limit into every receive: IP_RECVTTL, IPV6_RECVHOPLIMIT.
    public static var receiveHopLimit: Self { Self(v4: NP_IP_RECVTTL, v6: NP_IPV6_RECVHOPLIMIT) }
    /// Puts the type of service or traffic class into every receive: IP_RECVTOS, IPV6_RECVTCLASS.
    public static var receiveTrafficClass: Self { Self(v4: NP_IP_RECVTOS, v6: NP_IPV6_RECVTCLASS) }
    /// Puts destination and interface into every receive: IP_PKTINFO, IPV6_RECVPKTINFO.
    public static var receivePacketInfo: Self { Self(v4: NP_IP_PKTINFO, v6: NP_IPV6_RECVPKTINFO) }
    /// Puts the options of the received IPv4 header, with this host's entry in them, into every receive: IP_RECVOPTS.
    public static var receiveIPv4Options: Self { Self(v4: NP_IP_RECVOPTS, v6: nil) }
    /// What is larger than the path MTU is refused with `messageTooLong` instead of being fragmented: IPV6_DONTFRAG
    /// (RFC 3542 section 11.2).
    public static var dontFragment: Self { Self(v4: nil, v6: NP_IPV6_DONTFRAG) }
    /// Multicast datagrams come back to this host: IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP.
    public static var multicastLoop: Self { Self(v4: NP_IP_MULTICAST_LOOP, v6: NP_IPV6_MULTICAST_LOOP) }
    /// Addresses may be bound that are not there: IP_FREEBIND, IPV6_FREEBIND.
    public static var freeBind: Self { Self(v4: NP_IP_FREEBIND, v6: NP_IPV6_FREEBIND) }
    /// Packets may come from addresses that are not ours; needs CAP_NET_RAW: IP_TRANSPARENT, IPV6_TRANSPARENT.
    public static var transparent: Self { Self(v4: NP_IP_TRANSPARENT, v6: NP_IPV6_TRANSPARENT) }
    /// IPv6 sockets refuse IPv4: IPV6_V6ONLY (ipv6(7)).
    public static var onlyV6: Self { Self(v4: nil, v6: NP_IPV6_V6ONLY) }
    /// The kernel chooses a flow label per flow: IPV6_AUTOFLOWLABEL.
    public static var automaticFlowLabel: Self { Self(v4: nil, v6: NP_IPV6_AUTOFLOWLABEL) }
    /// An ACK goes at once; false lets it wait for a while, until a connection is reset before one was sent. The kernel
    /// sets it back as it likes: TCP_QUICKACK (tcp(7)).
    public static var quickAcknowledgment: Self { Self(level: tcpLevel, TCP_QUICKACK) }
    /// The flow label of the destination address is sent: IPV6_FLOWINFO_SEND.
    public static var flowInformation: Self { Self(v4: nil, v6: NP_IPV6_FLOWINFO_SEND) }
    /// Nobody, this process included, can change the filter any more: SO_LOCK_FILTER (socket(7)).
    public static var lockFilter: Self { Self(socket: NP_SO_LOCK_FILTER) }
}

extension SocketOption where Value == Int {
    /// Bytes of the receive buffer; the kernel doubles what is set: SO_RCVBUF (socket(7)).
    public static var receiveBufferSize: Self { Self(socket: SO_RCVBUF) }
    /// Bytes of the send buffer; the kernel doubles what is set: SO_SNDBUF (socket(7)).
    public static var sendBufferSize: Self { Self(socket: SO_SNDBUF) }
    /// The hop limit of what is sent, 1 to 255, -1 for the default: IP_TTL, IPV6_UNICAST_HOPS.
    public static var hopLimit: Self { Self(v4: NP_IP_TTL, v6: NP_IPV6_UNICAST_HOPS) }
    /// The hop limit of multicast: IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS.
    public static var multicastHopLimit: Self { Self(v4: NP_IP_MULTICAST_TTL, v6: NP_IPV6_MULTICAST_HOPS) }
    /// Type of service or traffic class of what is sent, 0 to 255: IP_TOS, IPV6_TCLASS.
    public static var trafficClass: Self { Self(v4: NP_IP_TOS, v6: NP_IPV6_TCLASS) }
    /// The path MTU of a connected socket, read only: IP_MTU, IPV6_MTU.
    public static var routeMTU: Self { Self(v4: NP_IP_MTU, v6: NP_IPV6_MTU) }
    /// The offset of the checksum that the kernel writes and verifies on a raw IPv6 socket, -1 for none; ICMPv6 always
    /// has one: IPV6_CHECKSUM (RFC 3542 section 3.1).
    public static var checksumOffset: Self { Self(v4: nil, v6: NP_IPV6_CHECKSUM) }
    /// How many more SYN segments go when none is answered, 1 to 127: TCP_SYNCNT (tcp(7)). Those of
    /// `net.ipv4.tcp_syn_linear_timeouts` may come on top.
    public static var synRetransmissions: Self { Self(level: tcpLevel, TCP_SYNCNT) }
    /// The maximum segment size that a SYN offers, 88 to 32767, no more than the route's: TCP_MAXSEG (tcp(7)).
    public static var maximumSegmentSize: Self { Self(level: tcpLevel, TCP_MAXSEG) }
    /// The priority of the queueing discipline; over 6 needs CAP_NET_ADMIN: SO_PRIORITY (socket(7)).
    public static var priority: Self { Self(socket: NP_SO_PRIORITY) }
}

extension SocketOption where Value == UInt32 {
    /// The mark for policy routing and packet filters; needs CAP_NET_RAW or CAP_NET_ADMIN: SO_MARK (socket(7)).
    public static var mark: Self { Self(socket: NP_SO_MARK) }
}

extension SocketOption where Value == PathMTUDiscovery {
    /// Whether packets may be fragmented: IP_MTU_DISCOVER, IPV6_MTU_DISCOVER (ip(7)).
    public static var pathMTUDiscovery: Self { Self(v4: NP_IP_MTU_DISCOVER, v6: NP_IPV6_MTU_DISCOVER) }
}

extension SocketOption where Value == Timestamping {
    /// Which times the kernel reports: SO_TIMESTAMPING (Documentation/networking/timestamping.rst).
    ///
    /// Setting it starts the keys of `identifiers` at 0 only when they were off before: see `restartTimestampKeys`. The
    /// kernel begins to take arrival times a moment after the first socket of the machine asked for them, so that the
    /// first datagrams may come without.
    public static var timestamping: Self { Self(socket: NP_SO_TIMESTAMPING) }
}

/// How a socket treats packets larger than the path (ip(7), IP_MTU_DISCOVER).
public struct PathMTUDiscovery: RawRepresentable, Hashable, Sendable, SocketOptionValue {
    public var rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }
    public init(optionValue: Int32) { rawValue = optionValue }
    public var optionValue: Int32? { rawValue }

    /// Fragments what is too large; DF is never set.
    public static let never = PathMTUDiscovery(rawValue: 0)
    /// Fragments unless the route says otherwise.
    public static let wanted = PathMTUDiscovery(rawValue: 1)
    /// DF is set; what is larger than the known path MTU is refused with `messageTooLong`.
    public static let always = PathMTUDiscovery(rawValue: 2)
    /// DF is set and the known path MTU is ignored, so that a search of one's own can measure it.
    public static let probe = PathMTUDiscovery(rawValue: 3)
    /// The interface's MTU counts, DF is not set and ICMP errors are ignored.
    public static let interface = PathMTUDiscovery(rawValue: 4)
    /// As `interface`, but fragments what is larger.
    public static let omit = PathMTUDiscovery(rawValue: 5)
}

/// The times that SO_TIMESTAMPING reports and how (Documentation/networking/timestamping.rst).
public struct Timestamping: OptionSet, Hashable, Sendable, SocketOptionValue {
    public var rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public init(optionValue: Int32) { rawValue = UInt32(bitPattern: optionValue) }
    public var optionValue: Int32? { Int32(bitPattern: rawValue) }

    /// Ask the interface for the time of sending.
    public static let sendHardware = Timestamping(rawValue: 1 << 0)
    /// Take the time when the driver gets the packet.
    public static let sendSoftware = Timestamping(rawValue: 1 << 1)
    /// Ask the interface for the time of arrival.
    public static let receiveHardware = Timestamping(rawValue: 1 << 2)
    /// Take the time when the packet enters the network stack.
    public static let receiveSoftware = Timestamping(rawValue: 1 << 3)
    /// Report software times.
    public static let software = Timestamping(rawValue: 1 << 4)
    /// Report the interface's own times.
    public static let rawHardware = Timestamping(rawValue: 1 << 6)
    /// Number the send calls from 0; the number comes back as the key of a send time.
    public static let identifiers = Timestamping(rawValue: 1 << 7)
    /// Take the time when the packet enters the queueing discipline.
    public static let sendScheduled = Timestamping(rawValue: 1 << 8)
    /// Report the receiving packet's interface with send times too.
    public static let controlMessages = Timestamping(rawValue: 1 << 10)
    /// Send times come without a copy of the packet.
    public static let timesOnly = Timestamping(rawValue: 1 << 11)
    /// Report the interface that took a hardware time.
    public static let packetInfo = Timestamping(rawValue: 1 << 13)

    /// Software times of sending (driver and queue) and of arrival, with keys and without copies of the packets.
    public static let softwareSendAndReceive: Timestamping = [
        .sendSoftware, .sendScheduled, .receiveSoftware, .software, .identifiers, .timesOnly, .controlMessages,
    ]
}

extension Socket {
    /// Sets an option.
    ///
    /// Throws `noSuchOption` where the socket's family has none, `invalidArgument` for a number beyond 32 bits, and the
    /// kernel's refusal. The corresponding C function is `setsockopt`.
    public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(Errno) {
        let option = try name(of: option)
        guard let number = value.optionValue else { throw .invalidArgument }
        try set(level: option.level, name: option.name, to: number)
    }

    /// The value of an option; throws as `set` does. The corresponding C function is `getsockopt`.
    public func value<Value>(of option: SocketOption<Value>) throws(Errno) -> Value {
        let option = try name(of: option)
        return Value(optionValue: try integerOption(level: option.level, name: option.name))
    }

    /// Asks for buffers beyond the system's limit where CAP_NET_ADMIN allows it, else for as much as the limit.
    ///
    /// Returns the bytes that the kernel granted (SO_RCVBUFFORCE, SO_RCVBUF; socket(7)).
    @discardableResult
    public func growReceiveBuffer(to bytes: Int) throws(Errno) -> Int {
        let forced = SocketOption<Int>(socket: NP_SO_RCVBUFFORCE)
        return try grow(forced, orElse: .receiveBufferSize, to: bytes)
    }

    /// As `growReceiveBuffer`, for sending (SO_SNDBUFFORCE, SO_SNDBUF; socket(7)).
    @discardableResult
    public func growSendBuffer(to bytes: Int) throws(Errno) -> Int {
        let forced = SocketOption<Int>(socket: NP_SO_SNDBUFFORCE)
        return try grow(forced, orElse: .sendBufferSize, to: bytes)
    }

    /// How many datagrams the socket has dropped since it was opened, for lack of room or a wrong checksum; it wraps. What
    /// comes with a datagram is what it was when that was queued.
    ///
    /// Throws `protocolNotAvailable` before Linux 4.12. The corresponding C function is `getsockopt`, with SO_MEMINFO.
    public func droppedCount() throws(Errno) -> UInt32 {
        // The kernel writes at most `size` bytes of its row of numbers (linux/sock_diag.h): the ninth is the count.
        var numbers: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (
            0, 0, 0, 0, 0, 0, 0, 0, 0
        )
        var size = socklen_t(MemoryLayout.size(ofValue: numbers))
        try check(unsafe getsockopt(rawDescriptor, SOL_SOCKET, NP_SO_MEMINFO, &numbers, &size))
        return numbers.8
    }

    /// Numbers the send calls from 0 again, with what SO_TIMESTAMPING is set to: after a failed send nobody knows
    /// whether it took a key.
    public func restartTimestampKeys() throws(Errno) {
        let flags = try value(of: .timestamping)
        try set(.timestamping, to: flags.subtracting(.identifiers))
        try set(.timestamping, to: flags)
    }

    private func grow(
        _ forced: SocketOption<Int>, orElse limited: SocketOption<Int>, to bytes: Int
    ) throws(Errno) -> Int {
        do throws(Errno) {
            try set(forced, to: bytes)
        } catch .notPermitted {
            try set(limited, to: bytes)
        }
        return try value(of: limited)
    }

    /// Sends through and receives from one interface only, nil for all again: SO_BINDTODEVICE (socket(7)).
    ///
    /// Throws `noDevice` for a name that is not there, `notPermitted` when it was bound before and CAP_NET_RAW is
    /// missing.
    public func bind(toInterface name: String?) throws(Errno) {
        let bytes = Array((name ?? "").utf8)
        // The kernel cuts a longer name silently.
        guard bytes.count < Interface.maximumNameLength else { throw .noDevice }
        try set(level: SOL_SOCKET, name: NP_SO_BINDTODEVICE, to: bytes + [0])
    }

    /// Closing a connection resets it, so that no TIME_WAIT stays behind: SO_LINGER of 0 seconds (socket(7)).
    public func resetOnClose() throws(Errno) { try set(level: SOL_SOCKET, name: SO_LINGER, to: Self.words(1, 0)) }

    /// How many segments the kernel sent again since the socket began to connect: TCP_INFO, `tcpi_total_retrans` of
    /// linux/tcp.h.
    public func retransmissionCount() throws(Errno) -> UInt32 {
        var information = [UInt32](repeating: 0, count: 26)
        var size = socklen_t(information.count * MemoryLayout<UInt32>.size)
        let result = unsafe information.withUnsafeMutableBytes {
            // The kernel writes at most `size` bytes, which the array has.
            unsafe getsockopt(rawDescriptor, tcpLevel, TCP_INFO, $0.baseAddress, &size)
        }
        try check(result)
        return information[25]
    }

    /// Sends multicast through the interface with this index, 0 for the route's: IP_MULTICAST_IF, IPV6_MULTICAST_IF.
    public func setMulticastInterface(_ index: UInt32) throws(Errno) {
        switch family {
        case .inet:
            // struct ip_mreqn: group, local address, interface index.
            try set(level: NP_SOL_IP, name: NP_IP_MULTICAST_IF, to: Self.words(0, 0, index))
        case .inet6:
            try set(level: NP_SOL_IPV6, name: NP_IPV6_MULTICAST_IF, to: Int32(bitPattern: index))
        default:
            throw .noSuchOption
        }
    }

    /// Receives what is sent to the group on the interface with this index: IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP.
    ///
    /// Throws `invalidArgument` when the group is none or of the other version.
    public func join(_ group: IPAddress, interface index: UInt32) throws(Errno) {
        switch (family, group) {
        case (.inet, .v4(let group)):
            let request = Self.words(group.rawValue.bigEndian, 0, index)
            try set(level: NP_SOL_IP, name: NP_IP_ADD_MEMBERSHIP, to: request)
        case (.inet6, .v6(let group)):
            let high = group.high.bigEndian
            let low = group.low.bigEndian
            let request = Self.words(
                UInt32(truncatingIfNeeded: high), UInt32(truncatingIfNeeded: high >> 32),
                UInt32(truncatingIfNeeded: low), UInt32(truncatingIfNeeded: low >> 32), index)
            try set(level: NP_SOL_IPV6, name: NP_IPV6_JOIN_GROUP, to: request)
        default:
            throw .invalidArgument
        }
    }

    /// The options area of every IPv4 packet sent, 0 to 40 octets: IP_OPTIONS (ip(7)).
    ///
    /// Throws `invalidArgument` for a malformed area; source routes need CAP_NET_RAW.
    public func setIPv4Options(_ options: [UInt8]) throws(Errno) {
        try set(level: NP_SOL_IP, name: NP_IP_OPTIONS, to: options)
    }

    /// Takes a share in a flow label, which sends need where some socket of the host holds a label for itself alone:
    /// IPV6_FLOWLABEL_MGR (Documentation/networking/ip-sysctl.rst, `flowlabel_state_ranges`).
    ///
    /// Throws `outOfRange` for labels of the stateless half, 0x80000 and above, which no socket can hold,
    /// `notPermitted` for one that another socket holds alone, `noBufferSpace` beyond the limits of a user.
    public func leaseFlowLabel(_ label: UInt32) throws(Errno) {
        try check(np_lease_flow_label(rawDescriptor, label & 0xf_ffff))
    }

    /// Lets a raw ICMP socket receive only these types: ICMP_FILTER (raw(7)), ICMP6_FILTER (RFC 3542 section 3.2).
    ///
    /// Over IPv4 types above 31 always pass: the kernel's mask has 32 bits.
    public func receiveOnly(_ types: [ICMPType]) throws(Errno) {
        switch family {
        case .inet:
            var blocked = UInt32.max
            for type in types where type.rawValue < 32 { blocked &= ~(1 << UInt32(type.rawValue)) }
            try set(level: NP_SOL_RAW, name: NP_ICMP_FILTER, to: Int32(bitPattern: blocked))
        case .inet6:
            var blocked = [UInt8](repeating: 0xff, count: 32)
            for type in types {
                // Bit n of the native 32-bit word n / 32.
                let word = Int(type.rawValue) / 32 * 4
                let byte = Int(type.rawValue) % 32 / 8
                blocked[word + (isLittleEndian ? byte : 3 - byte)] &= ~(1 << (type.rawValue % 8))
            }
            try set(level: NP_SOL_ICMPV6, name: NP_ICMP6_FILTER, to: blocked)
        default:
            throw .noSuchOption
        }
    }

    /// Lets pass only the packets that the program accepts: SO_ATTACH_FILTER (socket(7)).
    ///
    /// What was queued before stays there: `attachDiscardingQueued` leaves nothing behind.
    public func attach(_ program: BPFProgram) throws(Errno) {
        let result = unsafe program.instructions.withUnsafeBufferPointer { instructions in
            // BPFInstruction has the layout of sock_filter; the kernel copies the program.
            unsafe np_attach_filter(
                rawDescriptor, UnsafeRawPointer(instructions.baseAddress)?.assumingMemoryBound(to: np_filter.self),
                UInt16(clamping: instructions.count))
        }
        try check(result)
    }

    /// Attaches a filter so that nothing is received that it did not see: everything is refused, then what is queued
    /// is thrown away, then the filter takes over.
    public func attachDiscardingQueued(_ program: BPFProgram) throws(Errno) {
        try attach(.dropAll)
        var byte: [UInt8] = [0]
        while try receive(into: &byte) != nil {}
        try attach(program)
    }

    /// Removes the filter; throws `notPermitted` when it is locked: SO_DETACH_FILTER (socket(7)).
    public func detachFilter() throws(Errno) {
        try set(level: SOL_SOCKET, name: NP_SO_DETACH_FILTER, to: 0 as Int32)
    }

    private func name<Value>(of option: SocketOption<Value>) throws(Errno) -> OptionName {
        guard let name = family == .inet6 ? option.v6 : option.v4 else { throw .noSuchOption }
        return name
    }

    private func set(level: Int32, name: Int32, to value: Int32) throws(Errno) {
        let result = unsafe withUnsafePointer(to: value) {
            unsafe setsockopt(rawDescriptor, level, name, $0, socklen_t(MemoryLayout<Int32>.size))
        }
        try check(result)
    }

    private func set(level: Int32, name: Int32, to value: [UInt8]) throws(Errno) {
        let result = unsafe value.withUnsafeBytes {
            unsafe setsockopt(rawDescriptor, level, name, $0.baseAddress, socklen_t($0.count))
        }
        try check(result)
    }

    func integerOption(level: Int32, name: Int32) throws(Errno) -> Int32 {
        try Self.integerOption(of: rawDescriptor, level: level, name: name)
    }

    static func integerOption(of rawDescriptor: Int32, level: Int32, name: Int32) throws(Errno) -> Int32 {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        // The kernel writes at most `size` bytes: a shorter value leaves zeros behind.
        try check(unsafe getsockopt(rawDescriptor, level, name, &value, &size))
        return value
    }

    private static func words(_ words: UInt32...) -> [UInt8] {
        words.flatMap { word in unsafe withUnsafeBytes(of: word) { unsafe Array($0) } }
    }
}
