import PacketFormats
import Testing

@Suite struct AddressTextTests {
    /// Any valid text and the canonical form of it (RFC 5952 sections 4 and 5).
    @Test(arguments: [
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:DB8::AbCd", "2001:db8::abcd"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("1:0:0:0:0:0:0:0", "1::"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("::ffff:c000:201", "::ffff:192.0.2.1"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ("fe80::1%3", "fe80::1%3"),
        ("::%4294967295", "::%4294967295"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("192.0.2.1", "192.0.2.1"),
    ])
    func canonicalText(_ text: String, _ canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
        #expect(IPAddress(canonical) == IPAddress(text))
    }

    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1::", "1::2::3", ":1::",
        "1:::2", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "12345::", "g::", "::1.2.3", "::1.2.3.4.5", "::1.2.3.256",
        "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", "::01.2.3.4", "fe80::1%", "fe80::1%0", "fe80::1%+3",
        "fe80::1%-3", "fe80::1%eth0", "fe80::1%4294967296", "fe80::1%3%4", " ::1", "::1 ", "::1/64", "[::1]",
        "1.2.3", "1.2.3.4.", ".1.2.3.4", "1..2.3", "1.2.3.256", "01.2.3.4", "0x1.2.3.4", "1.2.3.4%1", "1.2.3.-4",
        "+1.2.3.4", "1.2.3.4 ", "٣.2.3.4", "1.2.3.99999999999999999999",
    ])
    func refusedText(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test func overlongTextIsRefused() {
        #expect(IPAddress("fe80::1%" + String(repeating: "1", count: 10_000)) == nil)
        #expect(IPv6Address("::1%" + String(repeating: "x", count: 200)) { _ in 1 } == nil)
    }

    @Test func namedZones() throws {
        let index: (String) -> UInt32? = { $0 == "eth-0" ? 7 : nil }
        let address = try #require(IPAddress("fe80::1%eth-0", zoneIndex: index))
        #expect(address.zone == 7)
        #expect(address.withoutZone.description == "fe80::1")
        guard case .v6(let inner) = address else { Issue.record("not IPv6"); return }
        #expect(inner.description { _ in "eth-0" } == "fe80::1%eth-0")
        #expect(IPAddress("fe80::1%eth1", zoneIndex: index) == nil)
    }

    /// The forms of inet_aton(3).
    @Test(arguments: [
        ("127.1", "127.0.0.1"), ("10.258", "10.0.1.2"), ("1.2.772", "1.2.3.4"), ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"), ("0X7F.1", "127.0.0.1"), ("0177.0.0.01", "127.0.0.1"), ("0", "0.0.0.0"),
        ("4294967295", "255.255.255.255"), ("037777777777", "255.255.255.255"), ("192.0.2.1", "192.0.2.1"),
        ("10.16777215", "10.255.255.255"), ("1.2.65535", "1.2.255.255"), ("0x1.0x2.0x3.0x4", "1.2.3.4"),
    ])
    func shortForms(_ text: String, _ canonical: String) {
        #expect(IPv4Address(shortForm: text)?.description == canonical)
    }

    @Test(arguments: [
        "", ".", "1.", ".1", "1..2", "256.1", "10.16777216", "1.2.65536", "1.2.3.256", "4294967296", "040000000000",
        "08", "1.2.3.09", "0x", "0xg", "1.2.3.4.5", "a", "-1", "+1", " 1", "1 ", "99999999999999999999", "1e3", "::1",
    ])
    func refusedShortForms(_ text: String) { #expect(IPv4Address(shortForm: text) == nil) }

    @Test(arguments: [
        ("127.255.255.255", "loopback"), ("128.0.0.0", ""), ("224.0.0.0", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.0", ""), ("169.254.0.0", "linkLocal"), ("169.255.0.0", ""), ("255.255.255.255", "broadcast"),
        ("0.0.0.0", "unspecified"), ("::", "unspecified"), ("::1", "loopback"), ("::2", ""), ("ff02::1", "multicast"),
        ("fe80::1", "linkLocal"), ("febf::", "linkLocal"), ("fec0::", ""),
    ])
    func kinds(_ text: String, _ kind: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.isLoopback == (kind == "loopback"))
        #expect(address.isMulticast == (kind == "multicast"))
        #expect(address.isLinkLocal == (kind == "linkLocal"))
        #expect(address.isBroadcast == (kind == "broadcast"))
        #expect(address.isUnspecified == (kind == "unspecified"))
    }

    @Test(arguments: ["192.0.2.1", "2001:db8::102:304"])
    func octets(_ text: String) throws {
        let address = try #require(IPAddress(text))
        let octets = address.octets
        #expect(IPAddress(octets: octets.bytes) == address)
        let fewer = Array(octets.dropLast())
        #expect(IPAddress(octets: fewer.bytes) == nil)
    }

    @Test func order() throws {
        let texts = ["0.0.0.1", "9.0.0.0", "10.0.0.0", "::1", "fe80::1%1", "fe80::1%2", "fe80::2%1"]
        let addresses = try texts.map { try #require(IPAddress($0)) }
        #expect(addresses.shuffled().sorted().map(\.description) == texts)
    }
}
