import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine

/// The file of `--pcap` while packets pass.
///
/// A packet that was sent waits for the kernel's time of that, and what came behind it waits too, so that the file is in
/// order: for a few milliseconds and packets at most.
public final class CaptureFile: PacketTap {
    private struct Record {
        var packet: [UInt8]
        var missing: Int
        var time: Int64
        /// Whose time of sending it waits for.
        var probe: ProbeID?
        /// When it was taken, by the monotonic clock.
        var taken: Timestamp
    }

    private let name: String
    private let file: FileDescriptor
    private var output: OutputWriter
    private var writer = PcapWriter()
    private var waiting: [Record] = []
    private var waitingBytes = 0
    /// Whether the failure of the file was told.
    private var isTold = false

    /// Makes the file, or empties it. Throws the line that says why not.
    ///
    /// - Parameter name: the path as it may be printed.
    public init(_ path: String, shownAs name: String) throws(ToolFailure) {
        self.name = name
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY
        let opened = unsafe path.withCString { unsafe open($0, flags, 0o644) }
        guard opened >= 0 else {
            let failure = Errno(rawValue: errno)
            throw ToolFailure("option --pcap: cannot write \(name): \(failure) (\(failure.name))")
        }
        file = FileDescriptor(owning: opened)
        // The reader of a pipe that stands still must not stop the measurement, which could not even be interrupted then.
        _ = fcntl(opened, F_SETFL, O_NONBLOCK)
        output = OutputWriter(descriptor: opened, patience: Self.readerPatience)
    }

    /// Whether everything was written so far.
    public var isIntact: Bool { output.failure == nil }

    // MARK: Packets

    public func sent(_ packet: TappedPacket, _ bytes: RawSpan, probe: ProbeID) {
        take(packet, bytes, packet.awaitsStamp ? probe : nil)
    }

    public func received(_ packet: TappedPacket, _ bytes: RawSpan) { take(packet, bytes, nil) }

    public func stamped(_ probe: ProbeID, at time: Int64) {
        // Each fragment of a probe has a time of its own.
        guard let index = waiting.firstIndex(where: { $0.probe == probe }) else { return }
        waiting[index].time = time
        waiting[index].probe = nil
    }

    private func take(_ packet: TappedPacket, _ bytes: RawSpan, _ probe: ProbeID?) {
        guard isIntact else { return }
        let whole: [UInt8]
        if let envelope = packet.envelope {
            guard let made = try? envelope.packet(around: bytes) else { return }
            whole = made
        } else {
            whole = bytes.copied()
        }
        waiting.append(
            Record(
                packet: whole, missing: packet.envelope?.missing ?? 0, time: packet.stamp.nanoseconds, probe: probe,
                taken: Timestamp(nanoseconds: SystemClock.monotonic.now)))
        waitingBytes += whole.count
        if waiting.count > Self.maximumWaiting || waitingBytes > Self.maximumWaitingBytes { write(waiting.count) }
    }

    // MARK: Writing

    /// Writes what waits for nothing any more; returns a line about the first failure, once.
    public func flush() -> String? {
        let patient = Timestamp(nanoseconds: SystemClock.monotonic.now) + TimeSpan(nanoseconds: -Self.patience)
        write(waiting.firstIndex { $0.probe != nil && $0.taken > patient } ?? waiting.count)
        return handOver()
    }

    /// Writes everything.
    public func finish() -> String? {
        write(waiting.count)
        return handOver()
    }

    private func write(_ count: Int) {
        let records = waiting.prefix(count).sorted { $0.time < $1.time }
        for record in records {
            writer.append(record.packet.bytes, missing: record.missing, at: record.time)
            waitingBytes -= record.packet.count
        }
        waiting.removeFirst(count)
    }

    private func handOver() -> String? {
        output.write(writer.bytes)
        writer.removeAll()
        output.flush()
        guard !isTold, let failure = output.failure else { return nil }
        isTold = true
        switch failure {
        case .closed: return "option --pcap: the reader of \(name) has gone"
        case .failed(.wouldBlock), .stuck: return "option --pcap: the reader of \(name) takes nothing any more"
        case .failed(let errno): return "option --pcap: cannot write \(name): \(errno) (\(errno.name))"
        }
    }

    /// How long a time of sending is waited for, in nanoseconds.
    private static let patience: Int64 = 5_000_000
    /// How long the reader of a pipe may take for a batch, in milliseconds.
    private static let readerPatience: Int32 = 250
    private static let maximumWaiting = 4_096
    private static let maximumWaitingBytes = 1 << 22
}
