import CLinuxSockets
import Glibc
import PacketFormats

/// What the kernel says about one received datagram, or about the entry of an error queue.
///
/// A plain value: nothing in it points into the batch.
public struct ControlMessages: Hashable, Sendable, BitwiseCopyable {
    /// When the kernel received the datagram, or sent it where `error` is a timestamp: nanoseconds of CLOCK_REALTIME.
    public var kernelTimestamp: Int64?
    /// The same event by the clock of the interface, nanoseconds of that clock.
    public var hardwareTimestamp: Int64?
    /// Hop limit (IPv4 TTL) of the received packet; for an error of the packet that carried it.
    public var hopLimit: UInt8?
    /// Traffic class or type of service of the same packet.
    public var trafficClass: UInt8?
    /// Where the packet went.
    public var packetInfo: PacketInfo?
    /// Datagrams that the socket dropped since it was opened: it wraps (SO_RXQ_OVFL).
    public var droppedCount: UInt32?
    /// What an error queue reports, nil for received datagrams.
    public var error: ExtendedError?

    public init() {}

    /// Reads a chain of `cmsghdr` (cmsg(3)): unknown messages are skipped, and the first malformed one ends it. O(n).
    public init(parsing chain: RawSpan) {
        var offset = 0
        while offset &+ Self.headerLength <= chain.byteCount {
            let length = chain.native(Int.self, at: offset)
            guard length >= Self.headerLength, length <= chain.byteCount &- offset else { return }
            let level = chain.native(Int32.self, at: offset &+ MemoryLayout<Int>.size)
            let type = chain.native(Int32.self, at: offset &+ MemoryLayout<Int>.size &+ 4)
            let data = chain.extracting(offset &+ Self.headerLength..<offset &+ length)
            if level == SOL_SOCKET {
                readSocketMessage(type, data)
            } else if level == NP_SOL_IP {
                readIPv4Message(type, data)
            } else if level == NP_SOL_IPV6 {
                readIPv6Message(type, data)
            } else if level == NP_SOL_PACKET, type == NP_PACKET_TX_TIMESTAMP {
                error = ExtendedError(parsing: data)
            }
            offset &+= Self.aligned(length)
        }
    }

    /// The options area of the IPv4 header of the packet, empty where the chain has none (`receiveIPv4Options`). O(n).
    static func ipv4Options(in chain: RawSpan) -> [UInt8] {
        var offset = 0
        while offset &+ headerLength <= chain.byteCount {
            let length = chain.native(Int.self, at: offset)
            guard length >= headerLength, length <= chain.byteCount &- offset else { return [] }
            if chain.native(Int32.self, at: offset &+ MemoryLayout<Int>.size) == NP_SOL_IP,
                chain.native(Int32.self, at: offset &+ MemoryLayout<Int>.size &+ 4) == NP_IP_RECVOPTS
            {
                return chain.extracting(offset &+ headerLength..<offset &+ length).copied()
            }
            offset &+= aligned(length)
        }
        return []
    }

    private mutating func readSocketMessage(_ type: Int32, _ data: RawSpan) {
        if type == NP_SCM_TIMESTAMPING {
            // Three times: software, one that is no longer used, hardware.
            kernelTimestamp = Self.nanoseconds(data, at: 0) ?? kernelTimestamp
            hardwareTimestamp = Self.nanoseconds(data, at: 32)
        } else if type == NP_SCM_TIMESTAMPNS {
            kernelTimestamp = Self.nanoseconds(data, at: 0) ?? kernelTimestamp
        } else if type == NP_SO_RXQ_OVFL, data.byteCount >= 4 {
            droppedCount = data.native(UInt32.self, at: 0)
        }
    }

    private mutating func readIPv4Message(_ type: Int32, _ data: RawSpan) {
        if type == NP_IP_TTL, data.byteCount >= 4 {
            hopLimit = UInt8(truncatingIfNeeded: data.native(Int32.self, at: 0))
        } else if type == NP_IP_TOS, data.byteCount >= 1 {
            // One octet where the kernel wrote it, four where it passes on what a user set: the low one in both.
            trafficClass =
                data.byteCount >= 4
                ? UInt8(truncatingIfNeeded: data.native(Int32.self, at: 0)) : data.octet(at: 0)
        } else if type == NP_IP_PKTINFO, data.byteCount >= 12 {
            packetInfo = PacketInfo(
                destination: .v4(IPv4Address(rawValue: data.uint32(at: 8))),
                local: .v4(IPv4Address(rawValue: data.uint32(at: 4))), interfaceIndex: data.native(UInt32.self, at: 0))
        } else if type == NP_IP_RECVERR {
            error = ExtendedError(parsing: data)
        }
    }

    private mutating func readIPv6Message(_ type: Int32, _ data: RawSpan) {
        if type == NP_IPV6_HOPLIMIT, data.byteCount >= 4 {
            hopLimit = UInt8(truncatingIfNeeded: data.native(Int32.self, at: 0))
        } else if type == NP_IPV6_TCLASS, data.byteCount >= 4 {
            trafficClass = UInt8(truncatingIfNeeded: data.native(Int32.self, at: 0))
        } else if type == NP_IPV6_PKTINFO, data.byteCount >= 20 {
            let index = data.native(UInt32.self, at: 16)
            var address = IPv6Address(high: data.uint64(at: 0), low: data.uint64(at: 8))
            if address.isLinkLocal { address.zone = index }
            packetInfo = PacketInfo(
                destination: .v6(address), local: .v6(address.isMulticast ? .any : address), interfaceIndex: index)
        } else if type == NP_IPV6_RECVERR {
            error = ExtendedError(parsing: data)
        }
    }

    private static func nanoseconds(_ data: RawSpan, at offset: Int) -> Int64? {
        guard data.byteCount >= offset &+ 16 else { return nil }
        let seconds = data.native(Int64.self, at: offset)
        let nanoseconds = data.native(Int64.self, at: offset &+ 8)
        guard seconds != 0 || nanoseconds != 0 else { return nil }
        return seconds &* 1_000_000_000 &+ nanoseconds
    }

    static func aligned(_ length: Int) -> Int {
        (length &+ (MemoryLayout<Int>.size &- 1)) & ~(MemoryLayout<Int>.size &- 1)
    }

    static let headerLength = MemoryLayout<Int>.size + 8
}

/// Addresses and interface of a packet (IP_PKTINFO, ip(7); IPV6_PKTINFO, RFC 3542 section 6).
public struct PacketInfo: Hashable, Sendable, BitwiseCopyable {
    /// The destination in the header of a received packet; not used for sending.
    public var destination: IPAddress
    /// Our own address: of a received packet the one that answers it, unspecified after an IPv6 multicast; of a sent one
    /// the source, unspecified to let the kernel choose.
    public var local: IPAddress
    /// The interface that received the packet or shall send it, 0 to let the route choose.
    public var interfaceIndex: UInt32

    @inlinable
    public init(destination: IPAddress, local: IPAddress, interfaceIndex: UInt32) {
        self.destination = destination
        self.local = local
        self.interfaceIndex = interfaceIndex
    }

    /// A source address and, if it is not 0, an interface for a packet to be sent.
    @inlinable
    public init(source: IPAddress, interfaceIndex: UInt32 = 0) {
        self.init(destination: source, local: source, interfaceIndex: interfaceIndex)
    }
}

/// An entry of an error queue: `sock_extended_err` and the node that reported it (ip(7), IP_RECVERR).
public struct ExtendedError: Hashable, Sendable, BitwiseCopyable {
    /// Who found the error.
    public struct Origin: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        public var rawValue: UInt8

        @inlinable
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let none = Origin(rawValue: 0)
        public static let local = Origin(rawValue: 1)
        public static let icmp = Origin(rawValue: 2)
        public static let icmpv6 = Origin(rawValue: 3)
        /// Not an error: the time when a datagram was sent.
        public static let timestamping = Origin(rawValue: 4)
        public static let zeroCopy = Origin(rawValue: 5)
    }

    /// Where a datagram was when its time was taken.
    public struct SendStage: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        public var rawValue: UInt32

        @inlinable
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Handed to the driver.
        public static let sent = SendStage(rawValue: 0)
        /// Entered the queueing discipline.
        public static let scheduled = SendStage(rawValue: 1)
        /// Acknowledged, of a stream.
        public static let acknowledged = SendStage(rawValue: 2)
    }

    public var errno: Errno
    public var origin: Origin
    /// ICMP type and code when the origin is ICMP; read these and not `errno`, which maps several codes to one number.
    public var type: ICMPType
    public var code: UInt8
    /// The MTU of a "too big", the pointer of a parameter problem, the stage of a send time.
    public var info: UInt32
    /// As it stands in the entry; `extensionOffset` and `timestampKey` name its meanings.
    public var data: UInt32
    /// The address of the node that sent the ICMP message.
    public var offender: IPAddress?

    public init(
        errno: Errno, origin: Origin, type: ICMPType = ICMPType(rawValue: 0), code: UInt8 = 0, info: UInt32 = 0,
        data: UInt32 = 0, offender: IPAddress? = nil
    ) {
        self.errno = errno
        self.origin = origin
        self.type = type
        self.code = code
        self.info = info
        self.data = data
        self.offender = offender
    }

    /// Reads the entry; nil when fewer than 16 bytes are there.
    init?(parsing bytes: RawSpan) {
        guard bytes.byteCount >= Self.length else { return nil }
        errno = Errno(rawValue: bytes.native(Int32.self, at: 0))
        origin = Origin(rawValue: bytes.octet(at: 4))
        type = ICMPType(rawValue: bytes.octet(at: 5))
        code = bytes.octet(at: 6)
        info = bytes.native(UInt32.self, at: 8)
        data = bytes.native(UInt32.self, at: 12)
        offender = Self.address(bytes.from(Self.length))
    }

    /// Where the extension structure of RFC 4884 starts in the data of the entry, nil when there is none.
    ///
    /// Only with `receiveErrorExtensions` on the socket.
    public var extensionOffset: Int? {
        guard origin == .icmp || origin == .icmpv6 else { return nil }
        // struct sock_ee_data_rfc4884 lies over `data`: 16 bits of length first in memory, 8 of flags, 8 unused.
        let length = isLittleEndian ? data & 0xffff : data >> 16
        return length > 0 ? Int(length) : nil
    }

    /// Whether the kernel found the extension structure malformed or its checksum wrong.
    public var extensionIsInvalid: Bool { (isLittleEndian ? data >> 16 : data >> 8) & 1 != 0 && extensionOffset != nil }

    /// Which send call a time belongs to, nil for everything that is not a send time.
    public var timestampKey: UInt32? { origin == .timestamping ? data : nil }

    /// The stage of a send time, nil for everything else.
    public var sendStage: SendStage? { origin == .timestamping ? SendStage(rawValue: info) : nil }

    /// The address in a `sockaddr`, nil where it is of another family or cut.
    static func address(_ bytes: RawSpan) -> IPAddress? {
        guard bytes.byteCount >= 2 else { return nil }
        switch AddressFamily(rawValue: bytes.native(UInt16.self, at: 0)) {
        case .inet where bytes.byteCount >= 8:
            return .v4(IPv4Address(rawValue: bytes.uint32(at: 4)))
        case .inet6 where bytes.byteCount >= 24:
            let zone = bytes.byteCount >= 28 ? bytes.native(UInt32.self, at: 24) : 0
            return .v6(IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16), zone: zone))
        default:
            return nil
        }
    }

    private static let length = 16
}
