import PacketFormats
import Testing

@Test func checksumOfRFC1071Example() {
    let bytes: [UInt8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]
    #expect(InternetChecksum.of(bytes.bytes) == ~0xddf2)
}

@Test func headerRoundTrip() throws {
    let header = IPv4Header(destination: IPv4Address(192, 0, 2, 1), proto: .icmp, hopLimit: 64, totalLength: 20)
    let bytes = try [UInt8](capacity: 64) { output throws(PacketError) in try header.write(to: &output) }
    let parsed = try IPv4Header(parsing: bytes.bytes)
    #expect(parsed.destination == header.destination)
}

@Test(arguments: ["::", "::1", "2001:db8::1", "fe80::1%3", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8"])
func addressText(_ text: String) { #expect(IPAddress(text)?.description == text) }
