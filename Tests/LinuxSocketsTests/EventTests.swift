import Glibc
import LinuxSockets
import TestSupport
import Testing

@Suite struct EventTests {
    @Test func pollerTellsWhoIsReady() throws {
        var poller = try Poller()
        let pair = try Socket.pair(.datagram)
        let wake = try WakeDescriptor()
        try poller.add(pair.first, token: 1)
        try poller.add(wake, token: .max)
        #expect(throws: Errno.fileExists) { try poller.add(wake, token: 3) }
        #expect(try poller.wait(timeoutMilliseconds: 0) == 0)
        try pair.second.send([1])
        #expect(try poller.wait() == 1)
        #expect(poller.event(at: 0).token == 1)
        #expect(poller.event(at: 0).readiness == .readable)
        wake.wake()
        wake.wake()
        #expect(try poller.wait() == 2)
        let tokens = Set((0..<poller.count).map { poller.event(at: $0).token })
        #expect(tokens == [1, .max])
        #expect(try wake.acknowledge())
        #expect(try !wake.acknowledge())
        try poller.modify(pair.first, token: 5, interest: .writable)
        #expect(try poller.wait() == 1)
        #expect(poller.event(at: 0) == Poller.Event(token: 5, readiness: .writable))
        try poller.remove(pair.first)
        #expect(try poller.wait(timeoutMilliseconds: 0) == 0)
        #expect(poller.count == 0)
    }

    @Test func closingEndsTheWait() throws {
        var poller = try Poller()
        do {
            let wake = try WakeDescriptor()
            try poller.add(wake, token: 1)
            wake.wake()
            #expect(try poller.wait(timeoutMilliseconds: 0) == 1)
        }
        #expect(try poller.wait(timeoutMilliseconds: 0) == 0)
    }

    @Test(arguments: [SystemClock.monotonic, .realtime, .boottime])
    func timerExpires(_ clock: SystemClock) throws {
        let timer = try Timer(clock: clock)
        #expect(try !timer.acknowledge())
        let start = clock.now
        try timer.set(to: start + 1_000_000)
        try timer.wait(for: .readable)
        #expect(clock.now >= start + 1_000_000)
        #expect(try timer.acknowledge())
        #expect(try !timer.acknowledge())
    }

    @Test(arguments: [0, -1, 1, Int64.min])
    func pastTimeExpiresAtOnce(_ time: Int64) throws {
        let timer = try Timer()
        try timer.set(to: time)
        try timer.wait(for: .readable)
        #expect(try timer.acknowledge())
    }

    @Test func cancelledTimerStaysQuiet() throws {
        let timer = try Timer()
        try timer.set(to: 1)
        try timer.wait(for: .readable)
        try timer.cancel()
        #expect(try !timer.acknowledge())
        try timer.set(to: .max)
        #expect(try !timer.acknowledge())
    }

    @Test func wakeFromAnotherThread() throws {
        let wake = try WakeDescriptor()
        onThread { wake.wake() }
        try wake.wait(for: .readable)
        #expect(try wake.acknowledge())
    }

    @Test func signalsAreRead() throws {
        let seen = try onThread { () throws(Errno) -> [Signal?] in
            let signals = try SignalDescriptor([.user1, .windowChange])
            let before = try signals.next()
            pthread_kill(pthread_self(), Signal.user1.rawValue)
            try signals.wait(for: .readable)
            return [before, try signals.next(), try signals.next()]
        }
        #expect(seen == [nil, .user1, nil])
    }

    @Test(arguments: [0, -1, 1000] as [Int32])
    func noSuchSignal(_ number: Int32) {
        #expect(throws: Errno.invalidArgument) {
            try onThread { () throws(Errno) in _ = try SignalDescriptor([Signal(rawValue: number)]) }
        }
    }

    @Test func clocksRun() {
        for clock: SystemClock in [.monotonic, .boottime] {
            let first = clock.now
            #expect(first > 0)
            #expect(clock.now >= first)
        }
        // 2020: kernel timestamps are of this clock.
        #expect(SystemClock.realtime.now > 1_577_836_800_000_000_000)
    }

    @Test func randomBytesDiffer() throws {
        #expect(try randomBytes(0) == [])
        let many = try randomBytes(10_000)
        #expect(many.count == 10_000)
        #expect(Set(many).count > 200)
        #expect(try randomBytes(16) != randomBytes(16))
    }

    @Test func releasedDescriptorStaysOpen() throws {
        let wake = try WakeDescriptor()
        let number = try wake.duplicated().release()
        #expect(fcntl(number, F_GETFD) == FD_CLOEXEC)
        _ = FileDescriptor(owning: number)
    }

    @Test func standardDescriptorsAreFilled() async {
        await #expect(processExitsWith: .success) {
            close(0)
            close(2)
            try ensureStandardDescriptors()
            let socket = try Socket(family: .unix, type: .datagram)
            guard socket.rawDescriptor > 2, fcntl(0, F_GETFD) >= 0, fcntl(2, F_GETFD) >= 0 else { exit(1) }
        }
    }
}
