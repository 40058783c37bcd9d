import CLinuxSockets
import Glibc
import PacketFormats

/// What a program with CAP_NET_ADMIN may change about interfaces (netdevice(7)).
extension Interface {
    /// Sets the MTU in bytes; throws `invalidArgument` outside what the device takes (SIOCSIFMTU).
    public static func setMTU(_ mtu: Int, of name: String) throws(Errno) {
        let socket = try Socket(family: .inet, type: .datagram)
        try check(unsafe np_set_interface_mtu(socket.rawDescriptor, name, Int32(clamping: mtu)))
    }

    /// Sets how many packets may wait to be sent (SIOCSIFTXQLEN).
    public static func setQueueLength(_ packets: Int, of name: String) throws(Errno) {
        let socket = try Socket(family: .inet, type: .datagram)
        try check(unsafe np_set_interface_queue(socket.rawDescriptor, name, Int32(clamping: packets)))
    }

    /// Gives the interface an address with a prefix of full length, so that it says nothing about its neighbours.
    ///
    /// An IPv4 address replaces the one that was there, IPv6 addresses add up; throws `fileExists` for one that is
    /// there (SIOCSIFADDR).
    public static func addAddress(_ address: IPAddress, to name: String) throws(Errno) {
        switch address {
        case .v4(let address):
            let socket = try Socket(family: .inet, type: .datagram)
            try check(unsafe np_set_ipv4_address(socket.rawDescriptor, name, octets(address)))
            try check(unsafe np_set_ipv4_mask(socket.rawDescriptor, name, [255, 255, 255, 255]))
        case .v6(let address):
            let index = try index(named: name)
            let socket = try Socket(family: .inet6, type: .datagram)
            try check(unsafe np_add_ipv6_address(socket.rawDescriptor, index, octets(address), 128))
        }
    }

    /// Sends everything of that version that has no other route to the interface, which must be up (SIOCADDRT).
    public static func addDefaultRoute(_ version: IPVersion, through name: String) throws(Errno) {
        switch version {
        case .v4:
            let socket = try Socket(family: .inet, type: .datagram)
            try check(unsafe np_add_ipv4_default_route(socket.rawDescriptor, name))
        case .v6:
            let index = try index(named: name)
            let socket = try Socket(family: .inet6, type: .datagram)
            try check(np_add_ipv6_default_route(socket.rawDescriptor, index))
        }
    }

    private static func octets(_ address: IPv4Address) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address.rawValue >> $0) }
    }

    private static func octets(_ address: IPv6Address) -> [UInt8] {
        [address.high, address.low].flatMap { half in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> UInt64($0)) }
        }
    }
}

extension NetworkNamespace {
    /// Keeps the calling thread's namespace alive at a path where ip-netns(8) and others find it, until `unpin`.
    ///
    /// The path must be a file already; needs CAP_SYS_ADMIN. The corresponding C function is `mount` with `MS_BIND`.
    public static func pinCurrent(at path: String) throws(Errno) {
        try check(unsafe np_bind_mount("/proc/thread-self/ns/net", path))
    }

    /// Lets go of the namespace at a path; throws `invalidArgument` where none is pinned. The corresponding C function
    /// is `umount2` with `MNT_DETACH`.
    public static func unpin(_ path: String) throws(Errno) { try check(unsafe np_unmount(path)) }
}
