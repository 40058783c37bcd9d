import LinuxSockets
import PacketFormats
import Testing

@testable import ProbeIO

@Suite struct OriginDNSTests {
    @Test(arguments: [
        ("192.0.2.1", "1.2.0.192.origin.asn.cymru.com"), ("255.0.128.9", "9.128.0.255.origin.asn.cymru.com"),
        ("2001:db8:1:2:3:4:5:6", "2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.origin6.asn.cymru.com"),
    ])
    func asksForNames(address: String, name: String) throws {
        #expect(OriginDNS.name(for: try #require(IPAddress(address))) == name)
    }

    @Test(
        arguments: [
            (["64500 | 11.0.0.0/8 | US | arin | 2001-02-03"], "AS64500"),
            (["64501 64500 | 11.0.0.0/8 | US | arin | "], "AS64500/AS64501"),
            // The longest prefix is the one that routers follow.
            (["1 | 11.0.0.0/8 | US", "2 | 11.1.0.0/16 | US", "3 | 11.0.0.0/9 | US"], "AS2"),
            (["1 | 11.1.0.0/16 | US", "2 | 11.1.0.0/16 | US", "2 | 11.1.0.0/16 | US"], "AS1/AS2"),
            (["NA | 11.0.0.0/8 | US"], "*"), (["0 | 11.0.0.0/8 | US"], "*"), ([], "*"), ([""], "*"), (["|||||"], "*"),
            (["64500"], "*"), (["64500 | 12.0.0.0/8 | US"], "*"), (["64500 | 2001:db8::/32 | US"], "*"),
            (["64500 | 11.0.0.0/99"], "*"), (["4294967296 | 11.0.0.0/8"], "*"), (["-1 | 11.0.0.0/8"], "*"),
            (["\u{1b}[31m | 11.0.0.0/8 |"], "*"), (["  64500   |   11.0.0.0/8"], "AS64500"),
            (
                [(1...100).map(String.init).joined(separator: " ") + " | 11.0.0.0/8"],
                (1...16).map { "AS\($0)" }.joined(separator: "/")
            ),
        ] as [([String], String)])
    func readsRecords(texts: [String], expected: String) throws {
        let address = try #require(IPAddress("11.1.2.3"))
        #expect(OriginDNS.origins(of: address, in: texts.map { Array($0.utf8) }).description == expected)
    }

    /// Nobody is asked about what is nobody's business: the answer is there without a thread.
    @Test func localAddressesAreNotAsked() throws {
        let companion = try WakeDescriptor()
        let resolver = try ASNResolver(table: nil, asksDNS: true, beside: companion)
        let addresses = try ["10.1.2.3", "192.0.2.1", "169.254.1.1", "fe80::1%1", "fd00::1", "2001:db8::1"].map {
            try #require(IPAddress($0))
        }
        for address in addresses { #expect(resolver.lookUp(address)) }
        #expect(resolver.pendingCount == 0)
        for address in addresses {
            let answer = try #require(resolver.nextAnswer())
            #expect(answer.address == address)
            #expect(answer.origins == ASOrigins.none)
        }
        #expect(resolver.nextAnswer() == nil)
    }

    @Test func aTableAnswersAtOnceThroughTheDescriptor() throws {
        let file = try TemporaryFile(ASNTableTests.v4)
        let companion = try WakeDescriptor()
        let resolver = try ASNResolver(table: try ASNTable(file.path), asksDNS: false, beside: companion)
        #expect(resolver.lookUp(try #require(IPAddress("9.9.9.9"))))
        try resolver.wait(for: .readable)
        #expect(resolver.nextAnswer()?.origins?.description == "AS4200000000")
        #expect(resolver.nextAnswer() == nil)
        // The companion shares the descriptor.
        #expect(throws: Errno.timedOut) { try resolver.wait(for: .readable, seconds: 0) }
        companion.wake()
        try resolver.wait(for: .readable)
    }
}
