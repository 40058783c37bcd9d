import LinuxSockets
import PacketFormats
import TestSupport

let isRoot = NamespaceLab.isAvailable
let loopbackV4 = IPAddress.v4(.loopback)
let loopbackV6 = IPAddress.v6(.loopback)

func loopback(_ version: IPVersion) -> IPAddress { version == .v4 ? loopbackV4 : loopbackV6 }

extension IPVersion {
    var family: AddressFamily { self == .v4 ? .inet : .inet6 }
    var icmp: SocketProtocol { self == .v4 ? .icmp : .icmpv6 }
}

/// A UDP socket on a loopback port that the kernel chose.
func boundUDP(_ version: IPVersion) throws(Errno) -> Socket {
    let socket = try Socket(family: version.family, type: .datagram, protocol: .udp)
    try socket.bind(to: SocketAddress(loopback(version)))
    return socket
}

/// An echo request with checksum, as a raw ICMP or ping socket takes it.
func echoRequest(_ version: IPVersion, identifier: UInt16, sequenceNumber: UInt16 = 1) throws -> [UInt8] {
    try [UInt8](capacity: 16) { output throws(PacketError) in
        let header = ICMPHeader(
            echo: .echoRequest(version), identifier: identifier, sequenceNumber: sequenceNumber)
        try header.write(to: &output)
        output.append(UInt64(0x0102_0304_0506_0708))
        // The kernel writes the checksum of ICMPv6.
        if version == .v4 { ICMPHeader.writeChecksum(of: 0, in: &output) }
    }
}

/// An integer as it lies in this machine's memory.
func native<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    let little = (0..<Value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    return 1.littleEndian == 1 ? little : little.reversed()
}
