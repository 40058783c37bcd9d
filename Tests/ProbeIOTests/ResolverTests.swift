import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@testable import ProbeIO

@Suite struct ResolverTests {
    @Test(
        arguments: [
            ("127.0.0.1", nil, "127.0.0.1"),
            ("127.1", nil, "127.0.0.1"),
            ("0x7f000001", .v4, "127.0.0.1"),
            ("::1", nil, "::1"),
            ("2001:DB8:0:0::1", .v6, "2001:db8::1"),
        ] as [(String, IPVersion?, String)])
    func numericAddressesAskNobody(text: String, family: IPVersion?, expected: String) throws {
        #expect(try Resolver.numericAddress(text, family: family)?.description == expected)
        #expect(try Resolver.resolve(text, family: family).map(\.description) == [expected])
    }

    @Test func zonesAreNamesOrIndexesOfInterfaces() throws {
        let index = try Interface.index(named: "lo")
        #expect(try Resolver.numericAddress("fe80::1%lo") == IPAddress("fe80::1")?.inZone(index))
        #expect(try Resolver.numericAddress("fe80::1%\(index)") == IPAddress("fe80::1")?.inZone(index))
        #expect(throws: ResolveError.missingZone(name: "fe80::1")) { try Resolver.resolve("fe80::1") }
        #expect(throws: ResolveError.unknownZone(name: "fe80::1%nope0", zone: "nope0")) {
            try Resolver.resolve("fe80::1%nope0")
        }
        #expect(throws: ResolveError.unknownZone(name: "fe80::1%4000000000", zone: "4000000000")) {
            try Resolver.resolve("fe80::1%4000000000")
        }
    }

    @Test func addressesOfTheOtherVersionAreRefused() {
        #expect(throws: ResolveError.wrongVersion(name: "::1", wanted: .v4)) {
            try Resolver.resolve("::1", family: .v4)
        }
        #expect(throws: ResolveError.wrongVersion(name: "127.1", wanted: .v6)) {
            try Resolver.resolve("127.1", family: .v6)
        }
    }

    static let mistakes: [(String, NameMistake, String?)] = [
        ("", .empty, nil),
        ("local\0host", .zeroByte, nil),
        (" example.net\n", .surroundedByWhiteSpace, "example.net"),
        (" ::1", .surroundedByWhiteSpace, "::1"),
        (" \t", .whiteSpace, nil),
        ("a b", .whiteSpace, nil),
        (" a b ", .surroundedByWhiteSpace, nil),
        ("https://example.net/path", .url, "example.net"),
        ("http://user:secret@example.net:8080/?q", .url, "example.net"),
        ("https://[2001:db8::1]:443/", .url, "2001:db8::1"),
        ("https://[fe80::1%25eth0]/", .url, "fe80::1%eth0"),
        ("https://[fe80::1%25]/", .url, "fe80::1%25"),
        ("https://[fe80::1", .url, nil),
        ("https://", .url, nil),
        ("https:///x", .url, nil),
        ("http://a b/", .whiteSpace, nil),
        ("http://x..y/", .url, nil),
        ("http://127.1/", .url, "127.1"),
        ("example.net/path", .hostAndPath, "example.net"),
        ("user@host:80/x", .hostAndPath, "host"),
        ("//", .path, nil),
        ("/etc/hosts", .path, nil),
        ("user@host", .userAtHost, "host"),
        ("mailto:user@host", .userAtHost, "host"),
        ("@", .userAtHost, nil),
        ("host:443", .hostAndPort, "host"),
        ("host:", .hostAndPort, "host"),
        (":443", .hostAndPort, nil),
        ("192.0.2.1:53", .hostAndPort, "192.0.2.1"),
        ("[2001:db8::1]:53", .hostAndPort, "2001:db8::1"),
        ("[::1]", .addressInBrackets, "::1"),
        ("[::1", .malformedIPv6, nil),
        ("[host]", .malformedIPv6, nil),
        ("00:1b:2c:3d:4e:5f", .hardwareAddress, nil),
        ("fe80::zz", .malformedIPv6, nil),
        ("1:2:3", .malformedIPv6, nil),
        ("192.0.2.256", .malformedIPv4, nil),
        ("1.2.3.4.5", .malformedIPv4, nil),
        ("99999999999", .malformedIPv4, nil),
        ("192.0.2.1.", .addressAndDot, "192.0.2.1"),
        ("192.0.2.1%eth0", .zoneOfIPv4, "192.0.2.1"),
        ("h..example", .emptyPart, nil),
        (".example", .emptyPart, nil),
        (".", .emptyPart, nil),
    ]

    @Test(arguments: mistakes)
    func whatIsNoNameIsNamedAsSuch(text: String, mistake: NameMistake, host: String?) throws {
        let error = ResolveError.notAName(name: text, mistake, host: host)
        #expect(throws: error) { try Resolver.resolve(text) }
        #expect(error.description.hasPrefix("'\(text)' "))
        #expect(error.description.hasSuffix(host.map { ": try '\($0)'" } ?? "'\(text)' \(mistake.description)"))
        // The advice is good.
        if let host {
            #expect(throws: Never.self) {
                do throws(ResolveError) {
                    _ = try Resolver.numericAddress(host)
                } catch .unknownZone {
                }
            }
        }
    }

    @Test func everyMistakeIsInTheTable() {
        #expect(Set(Self.mistakes.map(\.1)) == Set(NameMistake.allCases))
    }

    @Test func unknownNames() throws {
        let name = "no-such-host.invalid"
        let error = try #require(throws: ResolveError.self) { try Resolver.resolve(name) }
        guard case .unknownHost(name, let reason) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(!reason.isEmpty)
        #expect(error.description == "unknown host '\(name)': \(reason)")
    }

    /// Such addresses mean nothing without their link.
    @Test(arguments: ["fe80::1", "ff02::1", "ff01::1", "ff12::5"])
    func addressesOfOneLinkNeedIt(address: String) throws {
        #expect(throws: ResolveError.missingZone(name: address)) { try Resolver.resolve(address) }
        #expect(throws: ResolveError.missingZone(name: address)) { try Resolver.resolve(address + "%") }
        #expect(try Resolver.numericAddress("\(address)%lo")?.zone == Interface.index(named: "lo"))
        #expect(try Resolver.numericAddress("ff0e::1") == IPAddress("ff0e::1"))
    }

    /// The interface that probes are bound to is the link.
    @Test func theLinkMayBeGivenBeside() throws {
        let index = try Interface.index(named: "lo")
        let hosts = try Resolver.resolve(
            hosts: ["fe80::1", "ff02::1", "fe80::1%lo", "::1"], family: nil, usable: [.v6], zone: index)
        #expect(
            try hosts.map { try $0.address.get() } == [
                #require(IPAddress("fe80::1")).inZone(index), #require(IPAddress("ff02::1")).inZone(index),
                #require(IPAddress("fe80::1")).inZone(index), .v6(.loopback),
            ])
    }

    /// Whatever is typed in the place of a host is an address, maybe a name, or named as what it is.
    @Test func noTextIsATrap() {
        let pieces = [
            "", ":", "::", "/", "//", "@", "[", "]", "%", "%25", ".", "..", "a", "f", "1", "256", "h.example", "fe80",
            "lo", " ", "\t", "\u{0}", "\u{fc}", "?", "#", "xn--", "-",
        ]
        var state: UInt64 = 1
        var names = 0
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<6 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(state >> 33) % pieces.count]
            }
            do throws(ResolveError) {
                if try Resolver.numericAddress(text) == nil { names += 1 }
            } catch {
                #expect(error.description.hasPrefix("'"), "\(text)")
            }
        }
        #expect(names > 0)
    }

    @Test func anAddressIsOneTargetOfTwoVersions() throws {
        let hosts = try Resolver.resolveDual(hosts: ["127.0.0.1", "::1", "a b"], usable: [.v4, .v6])
        #expect(hosts.map(\.name) == ["127.0.0.1", "::1", "a b"])
        #expect(
            hosts.map(\.address) == [
                .success(.v4(.loopback)), .success(.v6(.loopback)),
                .failure(.notAName(name: "a b", .whiteSpace, host: nil)),
            ])
        #expect(!hosts[0].isPair(with: hosts[1]))
    }

    @Test func namesFromTheHostsFile() throws {
        #expect(try Resolver.resolve("localhost", family: .v4) == [.v4(.loopback)])
        let all = try Resolver.resolve("localhost")
        #expect(!all.isEmpty && all.allSatisfy(\.isLoopback))
        #expect(Set(all).count == all.count)
    }

    @Test func forwardAnswersComeThroughTheDescriptor() throws {
        let resolver = try ForwardResolver(threads: 2)
        #expect(resolver.nextAnswer() == nil)
        let names = ["localhost", "127.1", "https://example.net/", "::1", "localhost"]
        for name in names { #expect(resolver.lookUp(name, family: name == "localhost" ? .v4 : nil)) }
        var answers: [String: [Result<[IPAddress], ResolveError>]] = [:]
        var count = 0
        while count < names.count {
            try resolver.wait(for: .readable)
            while let (question, addresses) = resolver.nextAnswer() {
                answers[question.name, default: []].append(addresses)
                count += 1
            }
        }
        #expect(answers["localhost"] == [.success([.v4(.loopback)]), .success([.v4(.loopback)])])
        #expect(answers["127.1"] == [.success([.v4(.loopback)])])
        #expect(answers["::1"] == [.success([.v6(.loopback)])])
        #expect(
            answers["https://example.net/"] == [
                .failure(.notAName(name: "https://example.net/", .url, host: "example.net"))
            ])
        #expect(resolver.pendingCount == 0)
        #expect(throws: Errno.timedOut) { try resolver.wait(for: .readable, seconds: 0) }
    }

    @Test func reverseAnswersComeInParallel() throws {
        let resolver = try ReverseResolver(threads: 4)
        let count = 32
        for _ in 0..<count { #expect(resolver.lookUp(.v4(.loopback))) }
        var names: [String?] = []
        while names.count < count {
            try resolver.wait(for: .readable)
            while let (address, name) = resolver.nextAnswer() {
                #expect(address == .v4(.loopback))
                names.append(name)
            }
        }
        #expect(names.allSatisfy { $0 == names[0] } && names[0] != nil)
    }

    @Test func cancelForgetsWhatWasAsked() throws {
        let resolver = try ReverseResolver(threads: 1)
        for _ in 0..<100 { resolver.lookUp(.v4(.loopback)) }
        resolver.cancel()
        #expect(resolver.pendingCount == 0)
        #expect(resolver.nextAnswer() == nil)
        #expect(resolver.lookUp(.v4(.loopback)))
        try resolver.wait(for: .readable)
        #expect(resolver.pendingCount == 0)
    }

    @Test func tooManyQuestionsAreRefused() throws {
        let resolver = try ReverseResolver(threads: 1)
        var accepted = 0
        while accepted < 100_000, resolver.lookUp(.v4(.loopback)) { accepted += 1 }
        #expect(accepted >= 4096)
        #expect(accepted < 100_000)
        resolver.cancel()
    }
}
