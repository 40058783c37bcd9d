import CLinuxSockets
import Glibc
import PacketFormats

/// A network interface and its addresses (netdevice(7)).
public struct Interface: Hashable, Sendable {
    /// An address of an interface and the length of its prefix.
    public struct Address: Hashable, Sendable {
        public var address: IPAddress
        public var prefixLength: Int

        public init(address: IPAddress, prefixLength: Int) {
            self.address = address
            self.prefixLength = prefixLength
        }
    }

    public var index: UInt32
    /// Up to 15 bytes, which may be any but a slash and white space.
    public var name: String
    /// Whether it is switched on.
    public var isUp: Bool
    /// Whether it is on and has a carrier, so that packets go out.
    public var isRunning: Bool
    public var isLoopback: Bool
    public var addresses: [Address]

    /// All interfaces of this network namespace, in the kernel's order. Throws what the kernel refuses. O(addresses).
    ///
    /// The corresponding C function is `getifaddrs`.
    public static func all() throws(Errno) -> [Interface] {
        var list: UnsafeMutablePointer<ifaddrs>?
        try check(unsafe getifaddrs(&list))
        defer { unsafe freeifaddrs(list) }
        var interfaces: [Interface] = []
        var next = unsafe list
        while let entry = unsafe next?.pointee {
            unsafe next = entry.ifa_next
            guard let pointer = unsafe entry.ifa_name else { continue }
            let name = unsafe String(cString: pointer)
            var place = interfaces.firstIndex { $0.name == name }
            if place == nil, let index = try? index(named: name) {
                let flags = unsafe Int32(bitPattern: entry.ifa_flags)
                interfaces.append(
                    Interface(
                        index: index, name: name, isUp: flags & upFlag != 0, isRunning: flags & runningFlag != 0,
                        isLoopback: flags & loopbackFlag != 0, addresses: []))
                place = interfaces.count - 1
            }
            guard let place, let address = unsafe ipAddress(entry.ifa_addr),
                let mask = unsafe ipAddress(entry.ifa_netmask)
            else { continue }
            interfaces[place].addresses.append(Address(address: address, prefixLength: prefixLength(mask)))
        }
        return interfaces
    }

    /// The index of the interface with this name; throws `noDevice`. The corresponding C function is `if_nametoindex`.
    public static func index(named name: String) throws(Errno) -> UInt32 {
        let index = unsafe if_nametoindex(name)
        guard index != 0 else { throw Errno.last }
        return index
    }

    /// The name of the interface with this index; throws when there is none. The corresponding C function is
    /// `if_indextoname`.
    public static func name(at index: UInt32) throws(Errno) -> String {
        var name = [CChar](repeating: 0, count: maximumNameLength)
        let result = unsafe name.withUnsafeMutableBufferPointer { unsafe if_indextoname(index, $0.baseAddress) }
        guard unsafe result != nil else { throw Errno.last }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The MTU of the interface with this name in bytes; throws `noDevice` (SIOCGIFMTU, netdevice(7)).
    public static func mtu(of name: String) throws(Errno) -> Int {
        let socket = try Socket(family: .inet, type: .datagram)
        return Int(try check(unsafe np_interface_mtu(socket.rawDescriptor, name)))
    }

    /// Switches the interface with this name on; needs CAP_NET_ADMIN (SIOCSIFFLAGS, netdevice(7)).
    public static func setUp(_ name: String) throws(Errno) {
        let socket = try Socket(family: .inet, type: .datagram)
        try check(unsafe np_set_interface_up(socket.rawDescriptor, name))
    }

    private static func ipAddress(_ pointer: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
        guard let pointer = unsafe pointer else { return nil }
        let length: Int
        switch unsafe AddressFamily(rawValue: pointer.pointee.sa_family) {
        case .inet: length = 16
        case .inet6: length = 28
        default: return nil
        }
        // getifaddrs allots a whole sockaddr of the family.
        return unsafe SocketAddress(copying: pointer, length: length).ipAddress
    }

    private static func prefixLength(_ mask: IPAddress) -> Int {
        switch mask {
        case .v4(let mask): mask.rawValue.nonzeroBitCount
        case .v6(let mask): mask.high.nonzeroBitCount + mask.low.nonzeroBitCount
        }
    }

    private static let upFlag: Int32 = 0x1
    private static let runningFlag: Int32 = 0x40
    private static let loopbackFlag: Int32 = 0x8
    static let maximumNameLength = 16
}
