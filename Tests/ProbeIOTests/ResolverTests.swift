import LinuxSockets
import PacketFormats
import ProbeIO
import TestSupport
import Testing

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

    @Test(
        arguments: [
            ("https://example.net/path", "example.net"),
            ("http://user:secret@example.net:8080/?q", "example.net"),
            ("https://[2001:db8::1]:443/", "2001:db8::1"),
            ("example.net/path", "example.net"),
            ("//", nil),
            ("/", nil),
            ("https://", nil),
        ] as [(String, String?)])
    func urlsAreNamedAsSuch(text: String, host: String?) {
        #expect(throws: ResolveError.notAName(name: text, host: host)) { try Resolver.resolve(text) }
    }

    @Test(arguments: ["no-such-host.invalid", "", "local\0host", "a b"])
    func unknownNames(name: String) throws {
        let error = try #require(throws: ResolveError.self) { try Resolver.resolve(name) }
        guard case .unknownHost(name, let reason) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(!reason.isEmpty)
        #expect(error.description == "unknown host '\(name)': \(reason)")
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
                .failure(.notAName(name: "https://example.net/", host: "example.net"))
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
