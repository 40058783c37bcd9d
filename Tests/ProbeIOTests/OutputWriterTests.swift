import Glibc
import LinuxSockets
import ProbeIO
import TestSupport
import Testing

@Suite struct OutputWriterTests {
    @Test func writesOncePerFlush() throws {
        let pair = try Socket.pair(.datagram)
        var writer = OutputWriter(descriptor: pair.first.rawDescriptor)
        writer.write("one ")
        writer.write(Array("two\n".utf8))
        let flush1 = writer.flush()
        #expect(flush1)
        let flush2 = writer.flush()
        #expect(flush2)
        var buffer = [UInt8](repeating: 0, count: 64)
        let received = try #require(try pair.second.receive(into: &buffer))
        #expect(String(decoding: buffer.prefix(received.count), as: UTF8.self) == "one two\n")
        #expect(try pair.second.receive(into: &buffer) == nil)
    }

    @Test func waitsForASlowReader() throws {
        let pair = try Socket.pair(.stream)
        let size = 1_000_000
        // The socket does not block, so the writer has to wait by itself.
        let reader = Reader(pair.second.rawDescriptor, expecting: size)
        var writer = OutputWriter(descriptor: pair.first.rawDescriptor)
        for index in 0..<size / 10 { writer.write(index % 2 == 0 ? "123456789\n" : "abcdefghi\n") }
        let flush3 = writer.flush()
        #expect(flush3)
        #expect(reader.finish() == size)
    }

    @Test(
        "A reader of a pipe is waited for until an end is wanted, and then as long as it takes something",
        arguments: [false, true])
    func aStuckReader(isNamed: Bool) throws {
        var ends: [Int32] = [-1, -1]
        if isNamed {
            // Of these the kernel can't say whether a write would wait.
            let path = "/tmp/netprobe-fifo-\(getpid())"
            defer { unsafe unlink(path) }
            try #require(unsafe mkfifo(path, 0o600) == 0)
            ends = [O_RDWR, O_WRONLY].map { unsafe open(path, $0 | O_CLOEXEC) }
        } else {
            try #require(unsafe pipe(&ends) == 0)
        }
        let reading = FileDescriptor(owning: ends[0])
        let writing = FileDescriptor(owning: ends[1])
        let ending = EndFlag()
        let size = 1_000_000
        let reader = Reader(reading.rawDescriptor, expecting: size)
        var writer = OutputWriter(descriptor: writing.rawDescriptor)
        writer.isEnding = { ending.isSet }
        ending.set()
        writer.write([UInt8](repeating: 65, count: size))
        let isWritten = writer.flush()
        #expect(isWritten)
        #expect(reader.finish() == size)
        writer.write([UInt8](repeating: 65, count: size))
        let isStuck = !writer.flush()
        #expect(isStuck)
        let failure = writer.failure
        #expect(failure == .stuck && failure?.exitStatus == 2)
    }

    @Test func aClosedPipeIsSilence() throws {
        OutputWriter.ignoreBrokenPipes()
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        close(ends[0])
        let writing = FileDescriptor(owning: ends[1])
        var writer = OutputWriter(descriptor: writing.rawDescriptor)
        writer.write("x")
        let flush4 = writer.flush()
        #expect(!flush4)
        let failure = writer.failure
        #expect(failure == .closed)
        #expect(failure?.exitStatus == 141)
        writer.write("more")
        let flush5 = writer.flush()
        #expect(!flush5)
    }

    @Test func aFullDeviceIsNamed() throws {
        let device = FileDescriptor(owning: unsafe open("/dev/full", O_WRONLY | O_CLOEXEC))
        var writer = OutputWriter(descriptor: device.rawDescriptor)
        let flush6 = writer.flush()
        #expect(flush6)
        writer.write("x")
        let flush7 = writer.flush()
        #expect(!flush7)
        let failure = writer.failure
        #expect(failure == .failed(.noSpace))
        #expect(failure?.description == "standard output: No space left on device")
        #expect(failure?.exitStatus == 2)
    }

    @Test func aClosedDescriptorFailsOnlyWhenItIsUsed() {
        var writer = OutputWriter(descriptor: 1_000_000)
        let flush8 = writer.flush()
        #expect(flush8)
        writer.write("x")
        let flush9 = writer.flush()
        #expect(!flush9)
        let failure = writer.failure
        #expect(failure == .failed(.badFileDescriptor))
    }
}

/// Reads on a thread of its own until so many bytes came.
private final class Reader: @unchecked Sendable {
    private let descriptor: Int32
    private let expected: Int
    private var count = 0
    private var thread = pthread_t()

    init(_ descriptor: Int32, expecting expected: Int) {
        self.descriptor = descriptor
        self.expected = expected
        _ = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Reader>.fromOpaque(argument).takeUnretainedValue().read()
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    func finish() -> Int {
        pthread_join(thread, nil)
        return count
    }

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 10_000)
        while count < expected {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&entry, 1, 10_000) == 1 else { return }
            let result = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            guard result > 0 else { return }
            count += result
        }
    }
}
