import CLinuxSockets
import Glibc
import PacketFormats

/// A socket of any family that owns its descriptor and never blocks (socket(2)).
///
/// Every verb returns at once: where it would wait it says so, and a `Poller` tells when to try again.
public struct Socket: ~Copyable, DescriptorOwner, Sendable {
    public let family: AddressFamily
    public let type: SocketType
    private let descriptor: FileDescriptor

    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// Opens a socket, closed on exec and non-blocking.
    ///
    /// Throws the kernel's refusal: `notPermitted` for a raw socket without CAP_NET_RAW, `permissionDenied` for a ping
    /// socket outside of `ping_group_range`, `addressFamilyNotSupported` for a family that is not there. The
    /// corresponding C function is `socket`.
    public init(
        family: AddressFamily, type: SocketType, protocol number: SocketProtocol = .automatic
    ) throws(Errno) {
        let flags = Self.closeOnExec | Self.nonBlocking
        let raw = try check(socket(Int32(family.rawValue), type.rawValue | flags, number.rawValue))
        self.init(open: raw, family: family, type: type)
    }

    /// Takes over an open socket, such as one that a parent process handed down, and makes it non-blocking.
    ///
    /// Throws when the descriptor is not one of a socket; it is closed then.
    public init(adopting descriptor: consuming FileDescriptor) throws(Errno) {
        let raw = descriptor.rawDescriptor
        let family = try Self.integerOption(of: raw, level: SOL_SOCKET, name: NP_SO_DOMAIN)
        let type = try Self.integerOption(of: raw, level: SOL_SOCKET, name: SO_TYPE)
        let flags = try check(fcntl(raw, F_GETFL))
        try check(fcntl(raw, F_SETFL, flags | O_NONBLOCK))
        self.family = AddressFamily(rawValue: UInt16(truncatingIfNeeded: family))
        self.type = SocketType(rawValue: type)
        self.descriptor = descriptor
    }

    /// Two connected unix sockets. The corresponding C function is `socketpair`.
    public static func pair(_ type: SocketType) throws(Errno) -> SocketPair {
        var descriptors: (Int32, Int32) = (-1, -1)
        let result = unsafe withUnsafeMutableBytes(of: &descriptors) { pair in
            unsafe socketpair(
                Int32(AddressFamily.unix.rawValue), type.rawValue | closeOnExec | nonBlocking, 0,
                pair.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        try check(result)
        return SocketPair(
            first: Socket(open: descriptors.0, family: .unix, type: type),
            second: Socket(open: descriptors.1, family: .unix, type: type))
    }

    private init(open raw: Int32, family: AddressFamily, type: SocketType) {
        self.family = family
        self.type = type
        descriptor = FileDescriptor(owning: raw)
    }

    /// Gives the socket a local address. The corresponding C function is `bind`.
    public func bind(to address: SocketAddress) throws(Errno) {
        try check(unsafe address.withSockaddr { unsafe Glibc.bind(rawDescriptor, $0, $1) })
    }

    /// Sets the peer; returns whether it is connected already, false while a handshake is on its way.
    ///
    /// When it was on its way the socket becomes writable at its end, and `pendingError` tells how it ended. The
    /// corresponding C function is `connect`.
    @discardableResult
    public func connect(to address: SocketAddress) throws(Errno) -> Bool {
        do throws(Errno) {
            try check(unsafe address.withSockaddr { unsafe Glibc.connect(rawDescriptor, $0, $1) })
            return true
        } catch .inProgress {
            return false
        }
    }

    /// Forgets the peer of a datagram socket, and of a stream socket, which may connect again then: a connect to AF_UNSPEC
    /// (connect(2)). An open connection is reset.
    public func disconnect() throws(Errno) {
        let none = SocketAddress.unspecified
        try check(unsafe none.withSockaddr { unsafe Glibc.connect(rawDescriptor, $0, $1) })
    }

    /// Accepts connections from here on. The corresponding C function is `listen`.
    public func listen(backlog: Int32 = 128) throws(Errno) {
        try check(Glibc.listen(rawDescriptor, backlog))
    }

    /// The next connection, nil when none is waiting. The corresponding C function is `accept4`.
    public func accept() throws(Errno) -> Socket? {
        do throws(Errno) {
            let raw = try check(np_accept4(rawDescriptor, nil, nil, Self.closeOnExec | Self.nonBlocking))
            return Socket(open: raw, family: family, type: type)
        } catch .wouldBlock {
            return nil
        }
    }

    /// The address of this end; for a ping socket its port is the identifier. The corresponding C function is
    /// `getsockname`.
    public func localAddress() throws(Errno) -> SocketAddress {
        try unsafe SocketAddress { unsafe getsockname(rawDescriptor, $0, $1) }
    }

    /// The address of the peer; throws `notConnected` without one. The corresponding C function is `getpeername`.
    public func remoteAddress() throws(Errno) -> SocketAddress {
        try unsafe SocketAddress { unsafe getpeername(rawDescriptor, $0, $1) }
    }

    /// Sends one datagram, or what fits of a stream, and returns how many bytes went.
    ///
    /// Throws `wouldBlock` when the send buffer is full; a closed peer is `brokenPipe`, never a signal. The
    /// corresponding C function is `sendto`.
    @discardableResult
    public func send(_ bytes: RawSpan, to address: SocketAddress? = nil) throws(Errno) -> Int {
        let sent = unsafe bytes.withUnsafeBytes { bytes in
            guard let address else {
                return unsafe Glibc.send(rawDescriptor, bytes.baseAddress, bytes.count, Self.noSignal)
            }
            return unsafe address.withSockaddr {
                unsafe sendto(rawDescriptor, bytes.baseAddress, bytes.count, Self.noSignal, $0, $1)
            }
        }
        return try check(sent)
    }

    /// Sends an array of the caller, as `send(_:to:)` does a span.
    @discardableResult
    public func send(_ bytes: [UInt8], to address: SocketAddress? = nil) throws(Errno) -> Int {
        try send(bytes.bytes, to: address)
    }

    /// Receives one datagram, or what a stream holds, at the start of `buffer`; nil when nothing waits.
    ///
    /// Throws a pending error of the socket. The corresponding C function is `recvmsg` with `MSG_TRUNC`.
    @_lifetime(buffer: copy buffer)
    public func receive(into buffer: inout MutableRawSpan) throws(Errno) -> ReceiveResult? {
        let capacity = buffer.byteCount
        var length = 0
        var wasCut = false
        let source: SocketAddress
        // MSG_TRUNC discards a stream's bytes instead of measuring a datagram, so it is not for connected streams.
        let flags = type == .stream ? 0 : Self.truncated
        do throws(Errno) {
            source = try unsafe SocketAddress { address, addressLength in
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    // Every pointer of the header is used by this call only.
                    var vector = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                    return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                        var header = unsafe msghdr()
                        unsafe header.msg_name = UnsafeMutableRawPointer(address)
                        unsafe header.msg_namelen = addressLength.pointee
                        unsafe header.msg_iov = vector
                        unsafe header.msg_iovlen = 1
                        length = unsafe recvmsg(rawDescriptor, &header, flags)
                        unsafe addressLength.pointee = header.msg_namelen
                        wasCut = unsafe header.msg_flags & Self.truncated != 0
                    }
                }
                return length
            }
        } catch .wouldBlock {
            return nil
        }
        return ReceiveResult(count: min(length, capacity), length: length, isTruncated: wasCut, source: source)
    }

    /// Receives into an array of the caller, as `receive(into:)` does into a span.
    public func receive(into buffer: inout [UInt8]) throws(Errno) -> ReceiveResult? {
        var elements = buffer.mutableSpan
        var bytes = unsafe elements.mutableBytes
        return try receive(into: &bytes)
    }

    /// Ends one or both directions of a connection. The corresponding C function is `shutdown`.
    public func shutdown(_ direction: ShutdownDirection) throws(Errno) {
        try check(Glibc.shutdown(rawDescriptor, direction.rawValue))
    }

    /// Takes the socket's pending error, nil when there is none: SO_ERROR, which is read once (socket(7)).
    public func pendingError() throws(Errno) -> Errno? {
        let number = try integerOption(level: SOL_SOCKET, name: SO_ERROR)
        return number == 0 ? nil : Errno(rawValue: number)
    }

    private static let closeOnExec: Int32 = 0o2000000
    private static let nonBlocking: Int32 = 0o4000
    private static let noSignal: Int32 = 0x4000
    private static let truncated: Int32 = 0x20
}

/// Two sockets that are connected to each other.
public struct SocketPair: ~Copyable, Sendable {
    public let first: Socket
    public let second: Socket
}

/// The directions of a connection that `shutdown` ends.
public enum ShutdownDirection: Int32, Sendable {
    case receiving = 0
    case sending = 1
    case both = 2
}

/// What one receive brought.
public struct ReceiveResult: Hashable, Sendable {
    /// Bytes in the buffer.
    public var count: Int
    /// Bytes that the datagram had; ping sockets tell only what they delivered.
    public var length: Int
    /// Whether the datagram was longer than the buffer (MSG_TRUNC).
    public var isTruncated: Bool
    /// Who sent it; of no family where the peer has no name.
    public var source: SocketAddress
}
