import LinuxSockets
import PacketFormats
import TestSupport
import Testing

@testable import ProbeIO

@Suite struct AddressWatchTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var present: String
        var answers: [String]
        var usable: [IPVersion] = [.v4, .v6]
        /// Nil where there is none to go to.
        var expected: String?
        /// The version that the target started with, if not that of the present address.
        var preferred: IPVersion?
    }

    @Test(arguments: [
        Case(testDescription: "the same", present: "192.0.2.1", answers: ["192.0.2.1"], expected: "192.0.2.1"),
        Case(
            testDescription: "another place in the list", present: "192.0.2.1", answers: ["192.0.2.2", "192.0.2.1"],
            expected: "192.0.2.1"),
        Case(
            testDescription: "gone", present: "192.0.2.1", answers: ["192.0.2.2", "192.0.2.3"], expected: "192.0.2.2"),
        Case(
            testDescription: "the version stays", present: "192.0.2.1", answers: ["2001:db8::1", "192.0.2.2"],
            expected: "192.0.2.2"),
        Case(
            testDescription: "only the other version is left", present: "192.0.2.1", answers: ["2001:db8::1"],
            expected: "2001:db8::1"),
        Case(
            testDescription: "no way back while it is listed", present: "2001:db8::1",
            answers: ["192.0.2.1", "2001:db8::1"], expected: "2001:db8::1", preferred: .v4),
        Case(
            testDescription: "back to the version of the start", present: "2001:db8::1",
            answers: ["2001:db8::2", "192.0.2.1"], expected: "192.0.2.1", preferred: .v4),
        Case(
            testDescription: "a version without sockets", present: "192.0.2.1", answers: ["2001:db8::1"],
            usable: [.v4], expected: nil),
        Case(testDescription: "a group of hosts", present: "192.0.2.1", answers: ["224.0.0.1"], expected: nil),
        Case(testDescription: "everybody", present: "192.0.2.1", answers: ["255.255.255.255"], expected: nil),
        Case(testDescription: "without its link", present: "2001:db8::1", answers: ["fe80::1"], expected: nil),
        Case(testDescription: "this host", present: "192.0.2.1", answers: ["0.0.0.0"], expected: "127.0.0.1"),
    ])
    func choosesTheAddressToAsk(test: Case) throws {
        let present = try #require(IPAddress(test.present))
        let choice = AddressWatch.choice(
            test.answers.compactMap { IPAddress($0) },
            for: AddressWatch.Name(target: 0, text: "h.example", family: nil, address: present),
            test.preferred ?? present.version, test.usable)
        if let expected = test.expected {
            #expect(choice == .success(try #require(IPAddress(expected))))
        } else {
            #expect(throws: ResolveError.self) { try choice.get() }
        }
    }

    /// Two targets share a name; a third's name is none, which asks nobody. Each thing is told once, however often it is
    /// found out.
    @Test func eachFindingIsToldOnce() throws {
        let wrong = try #require(IPAddress("127.0.0.9"))
        let companion = try WakeDescriptor()
        let watch = try AddressWatch(
            [
                AddressWatch.Name(target: 3, text: "localhost", family: .v4, address: wrong),
                AddressWatch.Name(target: 5, text: "localhost", family: .v4, address: .v4(.loopback)),
                AddressWatch.Name(target: 7, text: "localhost", family: .v4, address: wrong),
                AddressWatch.Name(target: 9, text: "no host", family: nil, address: wrong),
            ], every: 10_000_000, usable: [.v4, .v6], beside: companion)
        #expect(watch.nextFinding() == nil)
        var findings: [AddressWatch.Finding] = []
        // At each wake-up a timer expired or an answer came. How many the findings need is the name service's business;
        // once they are there, everything is asked again and again.
        var isRepeated = 0
        for _ in 0..<3_000 where isRepeated < 30 {
            try watch.wait(for: .readable)
            if findings.count >= 3 { isRepeated += 1 }
            while let finding = watch.nextFinding() { findings.append(finding) }
        }
        #expect(
            Set(findings) == [
                .moved(target: 3, to: .v4(.loopback)), .moved(target: 7, to: .v4(.loopback)),
                .failed(target: 9, .notAName(name: "no host", .whiteSpace, host: nil)),
            ])
        #expect(findings.count == 3)
    }

    @Test func itIsReadableForItsCompanionToo() throws {
        let companion = try WakeDescriptor()
        let watch = try AddressWatch([], every: 1_000_000_000_000, usable: [.v4], beside: companion)
        #expect(throws: Errno.timedOut) { try watch.wait(for: .readable, seconds: 0) }
        companion.wake()
        try watch.wait(for: .readable)
        #expect(watch.nextFinding() == nil)
        #expect(try companion.acknowledge())
        #expect(throws: Errno.timedOut) { try watch.wait(for: .readable, seconds: 0) }
    }
}
