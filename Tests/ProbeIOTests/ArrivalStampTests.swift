import LinuxSockets
import PacketFormats
import Testing

@testable import ProbeIO

@Suite struct ArrivalStampTests {
    @Test("What arrives behind the wait has the kernel's time, first thing after the first socket that asked for it")
    func stamped() throws {
        for _ in 0..<20 {
            guard let stamps = ArrivalStamps() else {
                Issue.record("no loopback socket")
                return
            }
            stamps.wait()
            let socket = try Socket(family: .inet, type: .datagram, protocol: .automatic)
            try socket.set(.timestamping, to: [.receiveSoftware, .software])
            try socket.bind(to: SocketAddress(.v4(.loopback)))
            try socket.send([1], to: socket.localAddress())
            var received = ReceiveBatch(capacity: 1, slotSize: 1)
            try received.receive(on: socket)
            #expect(received.count == 1 && received.control(at: 0).kernelTimestamp != nil)
        }
    }
}
