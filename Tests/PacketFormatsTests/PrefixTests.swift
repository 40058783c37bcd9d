import PacketFormats
import Testing

@Suite struct PrefixTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0/8", "10.255.255.255"),
        ("192.0.2.77/24", "192.0.2.0/24", "192.0.2.255"),
        ("192.0.2.77/32", "192.0.2.77/32", "192.0.2.77"),
        ("1.2.3.4/0", "0.0.0.0/0", "255.255.255.255"),
        ("192.0.2.77/31", "192.0.2.76/31", "192.0.2.77"),
        ("2001:DB8:0::/32", "2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::1/128", "2001:db8::1/128", "2001:db8::1"),
        ("2001:db8::ffff/65", "2001:db8::/65", "2001:db8::7fff:ffff:ffff:ffff"),
        ("::1/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fe80::5%3/64", "fe80::%3/64", "fe80::ffff:ffff:ffff:ffff%3"),
    ])
    func text(_ text: String, _ canonical: String, _ last: String) throws {
        let prefix = try #require(IPPrefix(text))
        #expect(prefix.description == canonical)
        #expect(prefix.last.description == last)
        #expect(IPPrefix(canonical) == prefix)
    }

    @Test(arguments: [
        "", "/", "/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08",
        "10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0/8", "::/129", "::/99999999999", "fe80::%eth0/64", "example.net/24",
    ])
    func refusedText(_ text: String) { #expect(IPPrefix(text) == nil) }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("0.0.0.0/0", "255.1.2.3", true),
        ("0.0.0.0/0", "::1", false), ("::/0", "1.2.3.4", false), ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::", false), ("fe80::/64", "fe80::1%4", true), ("fe80::%3/64", "fe80::1%3", true),
        ("fe80::%3/64", "fe80::1%4", false), ("192.0.2.7/32", "192.0.2.7", true), ("192.0.2.7/32", "192.0.2.6", false),
    ])
    func contains(_ prefix: String, _ address: String, _ isInside: Bool) throws {
        #expect(try #require(IPPrefix(prefix)).contains(try #require(IPAddress(address))) == isInside)
    }

    /// Network and broadcast address are no hosts, except where RFC 3021 makes them some.
    @Test(arguments: [
        ("192.0.2.0/24", "192.0.2.1-192.0.2.254", 254), ("192.0.2.4/30", "192.0.2.5-192.0.2.6", 2),
        ("192.0.2.4/31", "192.0.2.4-192.0.2.5", 2), ("192.0.2.4/32", "192.0.2.4-192.0.2.4", 1),
        ("0.0.0.0/0", "0.0.0.1-255.255.255.254", 4_294_967_294), ("2001:db8::/126", "2001:db8::-2001:db8::3", 4),
    ])
    func hosts(_ prefix: String, _ range: String, _ count: UInt64) throws {
        let hosts = try #require(IPPrefix(prefix)).hosts
        #expect(hosts.description == range)
        #expect(hosts.count == count)
    }

    @Test func addressesKeepBothEnds() throws {
        let addresses = try #require(IPPrefix("192.0.2.4/30")).addresses
        #expect(addresses.map(\.description) == ["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"])
    }
}

@Suite struct RangeTests {
    @Test(arguments: [
        ("10.0.0.254-10.0.1.1", ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("255.255.255.254-255.255.255.255", ["255.255.255.254", "255.255.255.255"]),
        ("192.0.2.1-192.0.2.1", ["192.0.2.1"]),
        ("2001:db8::ffff-2001:db8::1:1", ["2001:db8::ffff", "2001:db8::1:0", "2001:db8::1:1"]),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
        ),
        ("fe80::1%3-fe80::2%3", ["fe80::1%3", "fe80::2%3"]),
        ("fe80::1%3-fe80::2", ["fe80::1%3", "fe80::2%3"]),
    ])
    func addresses(_ text: String, _ addresses: [String]) throws {
        let range = try #require(IPAddressRange(text))
        #expect(range.map(\.description) == addresses)
        #expect(range.count == UInt64(addresses.count))
        #expect((0..<range.count).map { range[$0].description } == addresses)
        #expect(IPAddressRange(range.description) == range)
    }

    @Test(arguments: [
        "", "-", "10.0.0.1", "10.0.0.1-", "-10.0.0.1", "10.0.0.1-20", "10.0.0.2-10.0.0.1", "10.0.0.1-::1",
        "10.0.0.1 - 10.0.0.2", "10.0.0.1-10.0.0.2-10.0.0.3", "fe80::1%3-fe80::2%4", "fe80::1-fe80::2%4",
        "my-host.example", "1-2", "10.0.0.1–10.0.0.2",
    ])
    func refusedText(_ text: String) { #expect(IPAddressRange(text) == nil) }

    @Test func zoneNamesWithHyphens() throws {
        let range = try #require(IPAddressRange("fe80::1%veth-a-b-fe80::3%veth-a-b") { $0 == "veth-a-b" ? 9 : nil })
        #expect(range.description == "fe80::1%9-fe80::3%9")
    }

    @Test func manyHyphensEnd() {
        #expect(IPAddressRange(String(repeating: "-", count: 256)) == nil)
        #expect(IPAddressRange(String(repeating: "-", count: 100_000)) == nil)
    }

    @Test func hugeRangesSaturate() throws {
        let all = try #require(IPPrefix("::/0")).addresses
        #expect(all.count == .max)
        #expect(all[.max - 1].description == "::ffff:ffff:ffff:fffe")
        #expect(all.prefix(2).map(\.description) == ["::", "::1"])
        let half = try #require(IPPrefix("2001:db8::/64")).addresses
        #expect(half.count == .max)
        #expect(try #require(IPPrefix("2001:db8::/65")).addresses.count == 1 << 63)
    }

    @Test func contains() throws {
        let range = try #require(IPAddressRange("fe80::1%3-fe80::9%3"))
        #expect(range.contains(try #require(IPAddress("fe80::9%3"))))
        #expect(!range.contains(try #require(IPAddress("fe80::5%4"))))
        #expect(!range.contains(try #require(IPAddress("fe80::a%3"))))
        #expect(!range.contains(try #require(IPAddress("10.0.0.1"))))
    }
}
