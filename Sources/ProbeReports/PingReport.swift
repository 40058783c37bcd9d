import PacketFormats
import ProbeEngine

/// The output of ping of iputils 20221126 about one target, and its way of counting.
///
/// Nothing is late for ping, a second answer's round trip is one of the statistics, what the kernel refused to send
/// counts as sent, and all that nobody answered yet is lost. Of its own this report has one thing: an answer with a wrong
/// checksum is no answer, and is summed up as later releases of ping do it.
public struct PingReport: Sendable {
    /// Makes the lines of events.
    private var text: EchoTextReport
    /// What ping is called in its lines to standard error.
    private let program: String

    private var transmitted: UInt64 = 0
    private var received: UInt64 = 0
    private var duplicates: UInt64 = 0
    private var corrupted: UInt64 = 0
    private var errors: UInt64 = 0
    /// Of which probes an answer was counted, by the 16 bits of their numbers.
    private var answered = [UInt64](repeating: 0, count: 1 << 10)

    // Round trips in microseconds.
    private var timed: UInt64 = 0
    private var sum: UInt64 = 0
    private var squares: UInt128 = 0
    private var minimum = UInt64.max
    private var maximum: UInt64 = 0
    /// Eight times the moving average.
    private var smoothed: UInt64 = 0

    /// - Parameter text: whose target, style and names the lines are to have.
    public init(_ text: EchoTextReport, program: String) {
        self.text = text
        self.text.style.isPings = true
        self.text.style.hasTimes = text.payloadLength >= Self.timestampLength
        self.program = program
    }

    /// Ping has its time of sending in the payload, a `struct timeval`.
    private static let timestampLength = 16

    /// Changes what lines tell of the sockets, once they are there.
    public mutating func describe(_ change: (inout PingStyle) -> Void) { change(&text.style) }

    /// `PING example.net (192.0.2.1) 56(84) bytes of data.`
    ///
    /// - Parameter name: that of the target's address, which stands there over IPv6.
    public mutating func appendStart(_ start: EchoStart, name: SafeText?, to buffer: inout ReportBuffer) {
        text.style.addressName = name
        text.appendStart(start, to: &buffer)
    }

    // MARK: Events

    /// Counts an event, and makes its line where it has one.
    ///
    /// - Parameters:
    ///   - name: the responder's, where names are wanted and it is known.
    ///   - now: when the event was taken.
    ///   - buffer: standard output.
    ///   - errorBuffer: standard error.
    public mutating func append(
        _ event: EchoEvent, name: SafeText?, at now: Timestamp, to buffer: inout ReportBuffer,
        errors errorBuffer: inout ReportBuffer
    ) {
        var event = event
        switch event {
        case .sent(_, let sequence): send(sequence)
        case .unsent(let target, let sequence, let failure):
            send(sequence)
            appendUnsent(target, failure, to: &buffer, errors: &errorBuffer)
            return
        case .reply(var reply):
            count(&reply)
            event = .reply(reply)
        case .error(let error): if error.isConclusive { errors += 1 }
        case .outstanding:
            // It was asked for by a letter of its own, and is told however quiet the rest is.
            text.append(event, name: name, at: now, to: &buffer)
            return
        case .timeout, .unsolicited, .changed, .outage, .interval, .address: return
        }
        if !text.style.isQuiet { text.append(event, name: name, at: now, to: &buffer) }
    }

    private mutating func send(_ sequence: UInt32) {
        transmitted += 1
        answered[Int(sequence >> 6 & 0x3ff)] &= ~(1 << UInt64(sequence & 63))
    }

    private mutating func appendUnsent(
        _ target: Int, _ failure: SendFailure, to buffer: inout ReportBuffer, errors errorBuffer: inout ReportBuffer
    ) {
        // Where ping is quiet it does not count these either.
        if text.style.isQuiet { return }
        var mtu: Int?
        if case .failed(_, _, let limit?) = failure {
            mtu = limit
            errors += 1
        }
        if text.style.isFlood { return buffer.append("E") }
        errorBuffer.append("\(program): ")
        if let mtu {
            text.appendTooLong(target, mtu: mtu, to: &errorBuffer)
        } else {
            errorBuffer.append("sendmsg: \(failure.meaning)\n")
        }
    }

    /// Counts a reply, and gives it the disposition that its line is to show.
    private mutating func count(_ reply: inout EchoReply) {
        switch reply.disposition {
        case .corrupted(.wrongChecksum):
            corrupted += 1
            return
        case .late: reply.disposition = .inTime
        case .corrupted(.wrongLength(let sent, let length)) where length > sent: reply.disposition = .inTime
        // ping looks no further than it sent.
        case .corrupted(.wrongOctet(let offset, _, _)) where offset >= text.payloadLength: reply.disposition = .inTime
        default: break
        }
        let (word, bit) = (Int(reply.sequence >> 6 & 0x3ff), UInt64(1) << UInt64(reply.sequence & 63))
        if answered[word] & bit == 0 {
            answered[word] |= bit
            received += 1
        } else {
            duplicates += 1
            if reply.disposition == .inTime { reply.disposition = .duplicate }
        }
        guard text.style.hasTimes else { return }
        let trip = (UInt64(max(0, reply.roundTrip.nanoseconds)) + 500) / 1_000
        timed += 1
        sum &+= trip
        squares &+= UInt128(trip) * UInt128(trip)
        minimum = min(minimum, trip)
        maximum = max(maximum, trip)
        smoothed = smoothed == 0 ? trip * 8 : smoothed &+ trip &- smoothed / 8
    }

    // MARK: The end

    /// Whether ping waits for nothing more: so many answers and errors came, or one error before a deadline.
    public func isOver(count: UInt64?, hasDeadline: Bool) -> Bool {
        hasDeadline && errors > 0 || count.map { received + errors >= $0 } ?? false
    }

    /// 0 when anything was answered; with a deadline and a count only when so much was.
    public func exitStatus(count: UInt64?, hasDeadline: Bool) -> Int32 {
        received == 0 || hasDeadline && received < count ?? 0 ? 1 : 0
    }

    /// The line of SIGQUIT, for standard error.
    public func appendInterim(to buffer: inout ReportBuffer) {
        buffer.append("\r\(received)/\(transmitted) packets, ")
        buffer.append(decimal: transmitted == 0 ? 0 : lost * 100 / transmitted)
        buffer.append("% loss")
        if received > 0, timed > 0 {
            buffer.append(", min/avg/ewma/max = ")
            append([minimum, sum / timed, smoothed / 8, maximum], to: &buffer)
            buffer.append(" ms")
        }
        buffer.append("\n")
    }

    /// - Parameters:
    ///   - sending: from the first probe to the last one.
    ///   - pipe: the most probes that were under way.
    public func appendSummary(sending: TimeSpan, pipe: UInt64, to buffer: inout ReportBuffer) {
        let time = UInt64(max(0, sending.nanoseconds))
        buffer.append("\n--- ")
        buffer.append(text.label(0))
        buffer.append(" ping statistics ---\n\(transmitted) packets transmitted, \(received) received")
        for (count, label) in [(duplicates, "duplicates"), (corrupted, "corrupted"), (errors, "errors")] where count > 0
        {
            buffer.append(", +\(count) \(label)")
        }
        if transmitted > 0 {
            buffer.append(", ")
            buffer.append(percent: lost, of: transmitted)
            buffer.append("% packet loss, time \((time + 500_000) / 1_000_000)ms")
        }
        buffer.append("\n")
        var separator = ""
        if received > 0, timed > 0 {
            let mean = sum / timed
            let variance = squares / UInt128(timed) - min(squares / UInt128(timed), UInt128(mean) * UInt128(mean))
            buffer.append("rtt min/avg/max/mdev = ")
            append([minimum, mean, maximum, Self.root(of: UInt64(clamping: variance))], to: &buffer)
            buffer.append(" ms")
            separator = ", "
        }
        if pipe > 1 {
            buffer.append("\(separator)pipe \(pipe)")
            separator = ", "
        }
        if received > 0, text.style.showsGap, transmitted > 1 {
            buffer.append("\(separator)ipg/ewma ")
            append([time / 1_000 / (transmitted - 1), smoothed / 8], to: &buffer)
            buffer.append(" ms")
        }
        buffer.append("\n")
    }

    private var lost: UInt64 { transmitted - min(transmitted, received) }

    private func append(_ microseconds: [UInt64], to buffer: inout ReportBuffer) {
        for (index, span) in microseconds.enumerated() {
            if index > 0 { buffer.append("/") }
            buffer.append(decimal: span / 1_000)
            buffer.append(".")
            buffer.append(decimal: span % 1_000, minimumDigits: 3)
        }
    }

    private static func root(of number: UInt64) -> UInt64 { UInt64(Double(number).squareRoot()) }
}
