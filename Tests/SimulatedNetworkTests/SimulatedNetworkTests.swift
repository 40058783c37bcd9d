import PacketFormats
import SimulatedNetwork
import Testing

@Test(arguments: ["10.0.9.9", "fd00:9::9"])
func demoTrace(_ target: String) throws {
    var network = SimulatedNetwork(.demo, seed: 7)
    for hop in 1...9 as ClosedRange<UInt8> {
        for answer in try network.ask(Host.datagram(to: target, hopLimit: hop), at: Int64(hop) * second) {
            print(hop, answer.source, answer.type, answer.code, answer.hopLimit, answer.time - Int64(hop) * second)
        }
    }
}
