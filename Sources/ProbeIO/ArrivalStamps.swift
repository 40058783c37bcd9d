import Glibc
import LinuxSockets
import PacketFormats

/// Sees to it that the kernel stamps arrivals before those come that matter.
///
/// It switches stamps on in the background when the first socket of the host asks for them (net_enable_timestamp in
/// net/core/dev.c). On a busy host that takes longer than the first round trips, which then could be timed only by this
/// process.
struct ArrivalStamps: ~Copyable {
    private let socket: Socket

    /// Asks for stamps from now on, for as long as this is held. Nil where loopback is not to be had, or IPv4.
    init?() {
        guard let socket = try? Self.open() else { return nil }
        self.socket = socket
    }

    private static func open() throws(Errno) -> Socket {
        let socket = try Socket(family: .inet, type: .datagram, protocol: .automatic)
        try socket.set(.timestamping, to: [.receiveSoftware, .software])
        try socket.bind(to: SocketAddress(.v4(.loopback)))
        _ = try socket.connect(to: socket.localAddress())
        return socket
    }

    /// Sends itself a datagram at a time until one has a stamp, `patience` at the longest.
    func wait() {
        var received = ReceiveBatch(capacity: 1, slotSize: 1)
        let end = SystemClock.monotonic.now + Self.patience
        while (try? socket.send([0])) != nil, (try? received.receive(on: socket)) == 1,
            received.control(at: 0).kernelTimestamp == nil, SystemClock.monotonic.now < end
        {
            usleep(Self.pause)
        }
    }

    /// Nanoseconds.
    private static let patience: Int64 = 10_000_000
    /// Microseconds.
    private static let pause: UInt32 = 50
}
