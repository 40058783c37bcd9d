import Glibc

/// A protocol family of socket(2); every number can be asked for, and the kernel refuses what it does not have.
public struct AddressFamily: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt16

    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let unspecified = AddressFamily(rawValue: 0)
    public static let unix = AddressFamily(rawValue: 1)
    public static let inet = AddressFamily(rawValue: 2)
    public static let ipx = AddressFamily(rawValue: 4)
    public static let appletalk = AddressFamily(rawValue: 5)
    public static let inet6 = AddressFamily(rawValue: 10)
    public static let netlink = AddressFamily(rawValue: 16)
    public static let packet = AddressFamily(rawValue: 17)
}

extension AddressFamily: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unspecified: "unspecified"
        case .unix: "unix"
        case .inet: "inet"
        case .ipx: "ipx"
        case .appletalk: "appletalk"
        case .inet6: "inet6"
        case .netlink: "netlink"
        case .packet: "packet"
        default: "family \(rawValue)"
        }
    }
}

/// A socket type of socket(2).
public struct SocketType: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: Int32

    @inlinable
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let stream = SocketType(rawValue: 1)
    public static let datagram = SocketType(rawValue: 2)
    public static let raw = SocketType(rawValue: 3)
    public static let sequencedPacket = SocketType(rawValue: 5)
}

extension SocketType: CustomStringConvertible {
    public var description: String {
        switch self {
        case .stream: "stream"
        case .datagram: "datagram"
        case .raw: "raw"
        case .sequencedPacket: "seqpacket"
        default: "type \(rawValue)"
        }
    }
}

/// A protocol number within a family.
public struct SocketProtocol: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public var rawValue: Int32

    @inlinable
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// What the family takes for the type.
    public static let automatic = SocketProtocol(rawValue: 0)
    public static let icmp = SocketProtocol(rawValue: 1)
    public static let tcp = SocketProtocol(rawValue: 6)
    public static let udp = SocketProtocol(rawValue: 17)
    public static let icmpv6 = SocketProtocol(rawValue: 58)
    /// `IPPROTO_RAW`: sends whole packets and receives nothing (raw(7)).
    public static let raw = SocketProtocol(rawValue: 255)
    /// Routes, addresses and links of netlink (rtnetlink(7)).
    public static let netlinkRoute = SocketProtocol(rawValue: 0)

    /// Every frame of a packet socket: `ETH_P_ALL` in network byte order (packet(7)).
    public static let allFrames = SocketProtocol(rawValue: Int32(UInt16(3).bigEndian))
}
