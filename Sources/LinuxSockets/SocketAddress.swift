import Glibc
import PacketFormats

/// The address of one end of a socket, of any family: the bytes of its `sockaddr` (sockaddr(3type)).
///
/// A value of 136 bytes without references; copying it allocates nothing.
public struct SocketAddress: Sendable, BitwiseCopyable {
    // Words, so that the bytes are aligned for every member of sockaddr_storage. Bytes behind `length` are zero.
    private var words = InlineArray<16, UInt64>(repeating: 0)
    /// How many bytes of the `sockaddr` mean something.
    public private(set) var length = 0

    /// An address and a port; the zone of an IPv6 address becomes the scope identifier.
    ///
    /// Raw and ping sockets take port 0.
    ///
    /// - Parameter flowLabel: the 20 bits of the IPv6 header, sent where `flowInformation` is set on the socket.
    public init(_ address: IPAddress, port: UInt16 = 0, flowLabel: UInt32 = 0) {
        switch address {
        case .v4(let address):
            store(AddressFamily.inet.rawValue, at: 0)
            store(port.bigEndian, at: 2)
            store(address.rawValue.bigEndian, at: 4)
            length = Self.inetLength
        case .v6(let address):
            store(AddressFamily.inet6.rawValue, at: 0)
            store(port.bigEndian, at: 2)
            store((flowLabel & 0xfffff).bigEndian, at: 4)
            store(address.high.bigEndian, at: 8)
            store(address.low.bigEndian, at: 16)
            store(address.zone, at: 24)
            length = Self.inet6Length
        }
    }

    /// Puts another host into the address of one of the same version: that takes a tenth of what making it anew does.
    mutating func replaceHost(by address: IPAddress) {
        switch address {
        case .v4(let address): store(address.rawValue.bigEndian, at: 4)
        case .v6(let address):
            store(address.high.bigEndian, at: 8)
            store(address.low.bigEndian, at: 16)
            store(address.zone, at: 24)
        }
    }

    /// A path in the file system (unix(7)).
    ///
    /// Throws `nameTooLong` over 107 bytes of UTF-8, `invalidArgument` when empty or with a zero byte inside.
    public init(unixPath path: String) throws(Errno) {
        try self.init(unix: Array(path.utf8) + [0])
        guard length > Self.pathOffset + 1, !path.utf8.contains(0) else { throw .invalidArgument }
    }

    /// A name in the abstract namespace, which no file system holds (unix(7)).
    ///
    /// Throws `nameTooLong` over 107 bytes of UTF-8.
    public init(abstractUnixName name: String) throws(Errno) { try self.init(unix: [0] + Array(name.utf8)) }

    private init(unix name: [UInt8]) throws(Errno) {
        guard name.count <= Self.pathCapacity else { throw .nameTooLong }
        store(AddressFamily.unix.rawValue, at: 0)
        for (index, byte) in name.enumerated() { store(byte, at: Self.pathOffset + index) }
        length = Self.pathOffset + name.count
    }

    /// A netlink port (0 is the kernel, or for `bind` any) and a mask of multicast groups (netlink(7)).
    public init(netlinkPort port: UInt32, groups: UInt32 = 0) {
        store(AddressFamily.netlink.rawValue, at: 0)
        store(port, at: 4)
        store(groups, at: 8)
        length = 12
    }

    /// An interface and an Ethernet protocol such as 0x0800, 0x0003 for all (packet(7)).
    public init(packetInterface index: UInt32, etherType: UInt16) {
        store(AddressFamily.packet.rawValue, at: 0)
        store(etherType.bigEndian, at: 2)
        store(index, at: 4)
        length = 20
    }

    /// An address of no family, which `connect` takes to forget a peer.
    static var unspecified: SocketAddress {
        var address = SocketAddress()
        address.length = inetLength
        return address
    }

    private init() {}

    /// The address whose `sockaddr` bytes these are; nil for fewer than two bytes or more than 128. O(n).
    public init?(bytes: RawSpan) {
        guard (2...Self.capacity).contains(bytes.byteCount) else { return nil }
        for offset in 0..<bytes.byteCount { store(bytes.octet(at: offset), at: offset) }
        length = bytes.byteCount
    }

    /// The bytes of the `sockaddr`.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get { unsafe words.span.bytes.extracting(first: length) }
    }

    public var family: AddressFamily { AddressFamily(rawValue: bytes.byteCount < 2 ? 0 : native(UInt16.self, at: 0)) }

    /// The IPv4 or IPv6 address; nil for every other family or where the bytes end too early.
    public var ipAddress: IPAddress? {
        switch family {
        case .inet where length >= 8:
            return .v4(IPv4Address(rawValue: native(UInt32.self, at: 4).bigEndian))
        case .inet6 where length >= 24:
            return .v6(
                IPv6Address(
                    high: native(UInt64.self, at: 8).bigEndian, low: native(UInt64.self, at: 16).bigEndian,
                    zone: length >= Self.inet6Length ? native(UInt32.self, at: 24) : 0))
        default:
            return nil
        }
    }

    /// The port of an IPv4 or IPv6 address, nil for every other family.
    ///
    /// For a ping socket this is the identifier of its messages.
    public var port: UInt16? {
        (family == .inet || family == .inet6) && length >= 4 ? native(UInt16.self, at: 2).bigEndian : nil
    }

    /// The path of a unix address in the file system, nil for every other address.
    public var unixPath: String? {
        guard family == .unix, length > Self.pathOffset, bytes.octet(at: Self.pathOffset) != 0 else { return nil }
        var path = bytes.from(Self.pathOffset).copied()
        if let end = path.firstIndex(of: 0) { path.removeSubrange(end...) }
        return String(decoding: path, as: UTF8.self)
    }

    /// The index of the interface of a packet address, nil for every other family.
    public var packetInterface: UInt32? {
        family == .packet && length >= 8 ? native(UInt32.self, at: 4) : nil
    }

    private func native<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value {
        unsafe words.span.bytes.native(type, at: offset)
    }

    private mutating func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at offset: Int) {
        var span = words.mutableSpan
        // Integers may be stored over integers; the store checks its bounds.
        var bytes = unsafe span.mutableBytes
        bytes.storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    static let capacity = 128
    private static let inetLength = 16
    private static let inet6Length = 28
    private static let pathOffset = 2
    private static let pathCapacity = 108
}

extension SocketAddress: Hashable {
    /// Whether the bytes are the same.
    public static func == (left: SocketAddress, right: SocketAddress) -> Bool {
        guard left.length == right.length else { return false }
        for index in 0..<(left.length + 7) / 8 where left.words[index] != right.words[index] { return false }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        for index in 0..<(length + 7) / 8 { hasher.combine(words[index]) }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `192.0.2.1:7`, `[2001:db8::1]:7`, without port 0; a path, `@` and an abstract name, or the family and number.
    public var description: String {
        switch family {
        case .inet, .inet6:
            guard let address = ipAddress, let port else { return "\(family)" }
            guard port != 0 else { return "\(address)" }
            return address.version == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        case .unix:
            if let unixPath { return unixPath }
            return "@" + String(decoding: bytes.from(Self.pathOffset + 1).copied(), as: UTF8.self)
        case .netlink where length >= 8: return "netlink \(native(UInt32.self, at: 4))"
        case .packet where length >= 8: return "interface \(native(UInt32.self, at: 4))"
        default: return "\(family)"
        }
    }
}

// Where the kernel reads and writes addresses.
extension SocketAddress {
    /// Lends the bytes as a `sockaddr` to a system call, which may not keep the pointer.
    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        // The words are aligned to eight and 128 long, as sockaddr_storage is.
        unsafe withUnsafePointer(to: words) { words in
            unsafe body(UnsafeRawPointer(words).assumingMemoryBound(to: sockaddr.self), socklen_t(length))
        }
    }

    /// The address that a system call fills in; throws `errno` when it returns a negative number.
    init<Result: SignedInteger>(
        filledBy call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) throws(Errno) {
        var size = socklen_t(Self.capacity)
        let result = unsafe withUnsafeMutablePointer(to: &words) { words in
            unsafe call(UnsafeMutableRawPointer(words).assumingMemoryBound(to: sockaddr.self), &size)
        }
        try check(result)
        // A socket without a name reports no length at all, and a long unix path one byte more than there is room for.
        length = min(Int(size), Self.capacity)
    }

    /// The address of which `length` bytes lie at `pointer`, as a batch slot or an interface list holds it.
    init(copying pointer: UnsafeRawPointer, length: Int) {
        self.length = max(0, min(length, Self.capacity))
        var span = words.mutableSpan
        var bytes = unsafe span.mutableBytes
        // The caller's buffer holds `length` bytes; ours 128.
        unsafe bytes.withUnsafeMutableBytes { words in
            unsafe words.baseAddress?.copyMemory(from: pointer, byteCount: self.length)
        }
    }
}
