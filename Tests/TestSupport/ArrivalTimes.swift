import LinuxSockets
import PacketFormats

/// Arrival times of the kernel, for as long as this lives: it begins to take them some time after the first socket of
/// the machine asked for them, in the background.
public struct ArrivalTimes: ~Copyable {
    private let socket: Socket

    /// Waits until they are taken.
    public init() throws {
        let socket = try Socket(family: .inet, type: .datagram)
        try socket.bind(to: SocketAddress(.v4(.loopback)))
        try socket.set(.timestamping, to: [.receiveSoftware, .software])
        try socket.connect(to: try socket.localAddress())
        let deadline = SystemClock.monotonic.now + 30_000_000_000
        var batch = ReceiveBatch(capacity: 1, slotSize: 1)
        var isTaken = false
        while !isTaken {
            guard SystemClock.monotonic.now < deadline else { throw CommandFailure(description: "no arrival times") }
            try socket.send([1])
            try socket.wait(for: .readable)
            isTaken = try batch.receive(on: socket) == 1 && batch.control(at: 0).kernelTimestamp != nil
        }
        self.socket = socket
    }
}
