import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import TestSupport
import Testing

@testable import ProbeIO

@Suite struct TargetFeedTests {
    private static func feed(
        _ texts: [String] = [], _ lines: String = "", count: UInt64 = 0, family: IPVersion? = nil,
        usable: [IPVersion] = [.v4, .v6], all: Bool = false, keepsOrder: Bool = false
    ) throws -> TargetFeed {
        let path = try ScratchFile.make(Array(lines.utf8))
        defer { _ = unsafe unlink(path) }
        return try TargetFeed(
            try texts.map { try TargetExpression($0) }, from: try TargetReader(path, shownAs: "hosts.txt"),
            count: count, family: family, usable: usable, allAddresses: all, keepsOrder: keepsOrder,
            beside: try WakeDescriptor())
    }

    /// Everything, waiting for names.
    private static func drain(_ feed: TargetFeed, atMost limit: Int = 1_000) throws -> TargetFeed.Batch {
        var all = try feed.nextBatch(atMost: limit)
        for _ in 0..<100_000 where !feed.isFinished {
            if feed.pendingCount > 0 { try feed.wait(for: .readable) }
            let batch = try feed.nextBatch(atMost: limit)
            all.entries += batch.entries
            all.failures += batch.failures
            all.count += batch.count
        }
        #expect(feed.isFinished)
        return all
    }

    private static func text(_ batch: TargetFeed.Batch) -> [String] {
        batch.entries.map {
            $0.addresses.count == 1 ? "\($0.first) \($0.addresses.first)" : "\($0.first) \($0.addresses)"
        }
    }

    @Test func addressesGoAtOnceAndInOrder() throws {
        let feed = try Self.feed(
            ["192.0.2.9", "192.0.2.0/30"], "10.0.0.1\nbad host/\n10.0.0.0/30 # two\n2001:db8::1-2001:db8::4\n0.0.0.0\n",
            count: 5)
        let batch = try feed.nextBatch(atMost: 100)
        #expect(
            Self.text(batch) == [
                "5 192.0.2.9", "6 192.0.2.1-192.0.2.2", "8 10.0.0.1", "9 10.0.0.1-10.0.0.2",
                "11 2001:db8::1-2001:db8::4", "15 127.0.0.1",
            ])
        #expect(batch.count == 11)
        #expect(feed.count == 16)
        #expect(batch.failures.isEmpty == false || feed.pendingCount == 1)
    }

    @Test func failuresSayWhereTheyAre() throws {
        let feed = try Self.feed([], "10.0.0.1\nhttp://h.example\n\n10.0.0.0/40\n2001:db8::/64\n", usable: [.v4, .v6])
        let batch = try Self.drain(feed)
        #expect(
            batch.failures.map(\.description) == [
                "hosts.txt, line 2: 'http://h.example' is a URL, not a host: try 'h.example'",
                "hosts.txt, line 4: '10.0.0.0/40': the length of such a prefix is 0 to 32",
                "hosts.txt, line 5: '2001:db8::/64' has 2^64 or more addresses: with those before it the most is "
                    + "4294967294",
            ])
        #expect(feed.failureCount == 3)
        #expect(Self.text(batch) == ["0 10.0.0.1"])
    }

    @Test func aVersionWithoutSocketsIsAFailure() throws {
        let feed = try Self.feed(["::1", "127.0.0.1"], usable: [.v4])
        let batch = try feed.nextBatch(atMost: 10)
        #expect(Self.text(batch) == ["0 127.0.0.1"])
        #expect(
            batch.failures.map(\.description) == ["unknown host '::1': no address of a version that this host has"])
    }

    @Test func namesAreResolvedAndKept() throws {
        let feed = try Self.feed(["localhost"], "10.0.0.1\nlocalhost\nlocalhost\n", family: .v4)
        let batch = try Self.drain(feed)
        #expect(batch.failures.isEmpty)
        var addresses: [UInt32: String] = [:]
        for entry in batch.entries { addresses[entry.first] = entry.addresses.first.description }
        #expect(addresses.values.sorted() == ["10.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"])
        for index in 0..<4 as Range<UInt32> {
            #expect(feed.names[index] == (addresses[index] == "127.0.0.1" ? "localhost" : nil))
        }
    }

    @Test func orderIsKeptWhereItIsWanted() throws {
        let lines = (0..<300).map { $0 % 3 == 0 ? "localhost" : "10.0.\($0 / 200).\($0 % 200)" }
        let feed = try Self.feed([], lines.joined(separator: "\n"), family: .v4, keepsOrder: true)
        let batch = try Self.drain(feed, atMost: 7)
        let expected = lines.map { $0 == "localhost" ? "127.0.0.1" : $0 }
        #expect(Self.text(batch) == expected.enumerated().map { "\($0.offset) \($0.element)" })
        for index in 0..<300 { #expect(feed.names[UInt32(index)] == (index % 3 == 0 ? "localhost" : nil)) }
    }

    @Test func aNameThatIsNotKnownIsCountedAndTheRestIsDone() throws {
        let feed = try Self.feed([], "nobody.invalid\n10.0.0.1\nlocalhost\n", family: .v4)
        let batch = try Self.drain(feed)
        #expect(Set(batch.entries.map { $0.addresses.first.description }) == ["10.0.0.1", "127.0.0.1"])
        #expect(batch.failures.count == 1)
        #expect(batch.failures[0].description.hasPrefix("hosts.txt, line 1: unknown host 'nobody.invalid': "))
    }

    /// As many names as go at once, and more.
    @Test func moreNamesThanThreads() throws {
        let feed = try Self.feed([], (0..<500).map { "127.0.0.\($0 % 200)\nlocalhost\n" }.joined(), family: .v4)
        let batch = try Self.drain(feed, atMost: 10)
        #expect(batch.count == 1_000)
        #expect(batch.entries.map(\.first) == Array(0..<1_000))
        #expect(feed.pendingCount == 0)
    }

    @Test func allAddressesOfANameStayTogether() throws {
        let feed = try Self.feed(["localhost"], all: true)
        let expected = try Resolver.resolve("localhost").filter { !$0.lacksZone }
        let batch = try Self.drain(feed)
        #expect(batch.entries.map(\.addresses.first) == expected)
        for index in 0..<UInt32(expected.count) { #expect(feed.names[index] == "localhost") }
    }

    @Test func aFullSpaceTakesNoMore() throws {
        let feed = try Self.feed([], "10.0.0.0/30\n10.0.0.1\n10.0.0.2\n", count: TargetSpace.maximumCount - 1)
        let batch = try Self.drain(feed)
        #expect(Self.text(batch) == ["4294967294 10.0.0.1"])
        #expect(
            batch.failures.map(\.description) == [
                "hosts.txt, line 1: '10.0.0.0/30' has 2 addresses: with those before it the most is 1",
                "hosts.txt, line 3: '10.0.0.2' has 1 addresses: with those before it the most is 0",
            ])
    }

    @Test func aWriterWaitsForRoom() throws {
        var pipe = try PathPipe()
        let reader = try TargetReader(pipe.path, shownAs: "pipe")
        let feed = try TargetFeed([], from: reader, usable: [.v4], beside: try WakeDescriptor())
        #expect(try feed.nextBatch(atMost: 2) == TargetFeed.Batch())
        #expect(throws: Errno.timedOut) { try feed.wait(for: .readable, seconds: 0) }
        pipe.write("10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n10.0.0.5\n")
        try feed.wait(for: .readable)
        #expect(try Self.text(feed.nextBatch(atMost: 2)) == ["0 10.0.0.1", "1 10.0.0.2"])
        pipe.write("10.0.0.6\n")
        // Nobody asked for more.
        #expect(throws: Errno.timedOut) { try feed.wait(for: .readable, seconds: 0) }
        #expect(try feed.nextBatch(atMost: 0) == TargetFeed.Batch())
        #expect(throws: Errno.timedOut) { try feed.wait(for: .readable, seconds: 0) }
        #expect(try feed.nextBatch(atMost: 100).count == 4)
        #expect(!feed.isFinished)
        pipe.close()
        try feed.wait(for: .readable)
        #expect(try feed.nextBatch(atMost: 100) == TargetFeed.Batch())
        #expect(feed.isFinished)
        #expect(throws: Errno.timedOut) { try feed.wait(for: .readable, seconds: 0) }
    }

    @Test func itIsReadableForItsCompanionToo() throws {
        let companion = try WakeDescriptor()
        let feed = try TargetFeed([], from: nil, usable: [.v4], beside: companion)
        #expect(feed.isFinished)
        companion.wake()
        try feed.wait(for: .readable)
    }
}
