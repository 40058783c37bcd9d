import PacketFormats
import ProbeEngine

/// The lines of ping about the events of an `EchoSweep`, and what ping does not tell below its summary.
///
/// Bytes go to a buffer, nothing is printed. Every line ends with a line feed, but for the interim line's carriage
/// return in front all is printable text.
public struct EchoTextReport: EchoReport {
    public var targets: [ReportTarget]
    public var method: ProbeMethod
    /// Octets behind the header of ICMP, UDP or TCP.
    public var payloadLength: Int
    /// Whether a line tells of every probe without a reply within its timeout.
    public var reportsTimeouts = false
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(targets: [ReportTarget], method: ProbeMethod = .icmpEcho, payloadLength: Int = 56) {
        self.targets = targets
        self.method = method
        self.payloadLength = payloadLength
    }

    // MARK: Before the first reply

    /// A line for each target: `PING example.net (192.0.2.1) 56(84) bytes of data.`
    public func appendStart(_ start: EchoStart, to buffer: inout ReportBuffer) {
        for target in targets {
            buffer.append("PING ")
            buffer.append(target.name)
            buffer.append(" (")
            buffer.append(target.address, zones: zones)
            buffer.append(") ")
            switch method {
            case .icmpEcho: break
            case .icmpTimestamp: buffer.append("ICMP timestamp, ")
            case .udp(let port): appendPort("UDP", port, to: &buffer)
            case .tcpSYN(let port): appendPort("TCP", port, to: &buffer)
            }
            buffer.append(decimal: payloadLength)
            switch target.address.version {
            case .v4:
                buffer.append("(")
                buffer.append(decimal: payloadLength + headerLengthV4)
                buffer.append(") bytes of data.\n")
            case .v6: buffer.append(" data bytes\n")
            }
        }
    }

    private func appendPort(_ transport: String, _ port: UInt16, to buffer: inout ReportBuffer) {
        buffer.append(transport)
        buffer.append(" port ")
        buffer.append(decimal: port)
        buffer.append(", ")
    }

    /// Octets in front of the payload; a SYN carries the option of a maximum segment size.
    private var headerLengthV4: Int {
        switch method {
        case .icmpEcho, .icmpTimestamp: IPv4Header.minimumLength + ICMPHeader.length
        case .udp: IPv4Header.minimumLength + UDPHeader.length
        case .tcpSYN: IPv4Header.minimumLength + TCPHeader.minimumLength + 4
        }
    }

    // MARK: Events

    /// The line of an event; none for a timeout unless they are asked for.
    public func append(
        _ event: EchoEvent, name: SafeText? = nil, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        switch event {
        case .reply(let reply): append(reply, name, to: &buffer)
        case .timeout(let target, let sequence):
            guard reportsTimeouts else { return }
            buffer.append("no answer yet ")
            appendTarget("from ", target, to: &buffer)
            buffer.append("for ")
            append(sequence: sequence, to: &buffer)
            buffer.append("\n")
        case .error(let error): append(error, name, to: &buffer)
        case .unsent(let target, let sequence, let failure):
            buffer.append("not sent: ")
            append(sequence: sequence, to: &buffer)
            buffer.append(" ")
            appendTarget("to ", target, to: &buffer)
            buffer.append("(")
            buffer.append(failure.text)
            buffer.append(")\n")
        }
    }

    private func append(_ reply: EchoReply, _ name: SafeText?, to buffer: inout ReportBuffer) {
        switch reply.kind {
        case .echo, .timestamp:
            buffer.append(decimal: reply.byteCount)
            buffer.append(" bytes from ")
        case .portUnreachable: buffer.append("port unreachable from ")
        case .datagram:
            buffer.append(decimal: reply.byteCount)
            buffer.append(" bytes of other data from ")
        }
        append(reply.responder, name, to: &buffer)
        buffer.append(": ")
        append(sequence: reply.sequence, to: &buffer)
        if let hopLimit = reply.hopLimit {
            buffer.append(" ttl=")
            buffer.append(decimal: hopLimit)
        }
        buffer.append(" time=")
        buffer.append(shortMilliseconds: reply.roundTrip)
        buffer.append(" ms")
        if let timestamps = reply.timestamps { buffer.append(timestamps) }
        append(reply.disposition, to: &buffer)
        buffer.append("\n")
    }

    private func append(_ disposition: EchoReply.Disposition, to buffer: inout ReportBuffer) {
        switch disposition {
        case .inTime, .corrupted(.intact): break
        case .late: buffer.append(" (late)")
        case .duplicate: buffer.append(" (DUP!)")
        case .wrongSource: buffer.append(" (DIFFERENT ADDRESS!)")
        case .corrupted(.wrongChecksum): buffer.append(" (BAD CHECKSUM!)")
        case .corrupted(.wrongLength(let sent, let received)):
            buffer.append(received < sent ? " (truncated)" : " (longer than sent)")
        case .corrupted(.wrongOctet(let offset, let expected, let found)):
            buffer.append("\nwrong data byte #")
            buffer.append(decimal: offset)
            buffer.append(" should be 0x\(String(expected, radix: 16)) but was 0x\(String(found, radix: 16))")
        }
    }

    private func append(_ error: EchoError, _ name: SafeText?, to buffer: inout ReportBuffer) {
        buffer.append("From ")
        append(error.responder, name, to: &buffer)
        // ping's colon tells hints from errors.
        buffer.append(error.isConclusive ? " " : ": ")
        append(sequence: error.sequence, to: &buffer)
        buffer.append(" ")
        buffer.append(error.text)
        buffer.append("\n")
    }

    private func append(_ address: IPAddress, _ name: SafeText?, to buffer: inout ReportBuffer) {
        guard let name else { return buffer.append(address, zones: zones) }
        buffer.append(name)
        buffer.append(" (")
        buffer.append(address, zones: zones)
        buffer.append(")")
    }

    private func append(sequence: UInt32, to buffer: inout ReportBuffer) {
        switch method {
        case .icmpEcho, .icmpTimestamp: buffer.append("icmp_seq=")
        case .udp: buffer.append("udp_seq=")
        case .tcpSYN: buffer.append("tcp_seq=")
        }
        buffer.append(decimal: sequence)
    }

    /// Says which of several targets is meant.
    private func appendTarget(_ preposition: String, _ target: Int, to buffer: inout ReportBuffer) {
        guard targets.count > 1 else { return }
        buffer.append(preposition)
        buffer.append(targets[target].address, zones: zones)
        buffer.append(" ")
    }

    // MARK: Summaries

    /// A line for each target while the run goes on, as ping's at SIGQUIT: `2/2 packets, 0% loss, min/avg/max = ...`.
    public func appendInterim(_ statistics: [EchoStatistics], to buffer: inout ReportBuffer) {
        for (target, counts) in zip(targets, statistics) {
            buffer.append("\r")
            if targets.count > 1 {
                buffer.append(target.name)
                buffer.append(": ")
            }
            buffer.append(decimal: counts.received)
            buffer.append("/")
            buffer.append(decimal: counts.transmitted)
            buffer.append(" packets, ")
            buffer.append(percent: counts.lost, of: counts.transmitted)
            buffer.append("% loss")
            if counts.received > 0 {
                let trips = counts.roundTrips
                buffer.append(", min/avg/max = ")
                append([trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum], to: &buffer)
                buffer.append(" ms")
            }
            buffer.append("\n")
        }
    }

    /// The statistics of each target in their order, then, of several, the total.
    public func appendSummary(_ statistics: [EchoStatistics], run: EchoRun, to buffer: inout ReportBuffer) {
        for (index, (target, counts)) in zip(targets, statistics).enumerated() {
            buffer.append("\n--- ")
            buffer.append(target.name)
            buffer.append(" ping statistics ---\n")
            var sum = EchoCounts()
            sum.add(counts)
            append(sum, run, to: &buffer)
            append(counts.roundTrips, sum, to: &buffer)
            if index < run.clocks.count, let clock = run.clocks[index] { buffer.append(clock) }
            appendOddities(sum, targets.count == 1 ? run : EchoRun(elapsed: run.elapsed, time: run.time), to: &buffer)
            if case .udp = method, sum.transmitted > 0, sum.isSilent {
                buffer.append("no answer; a firewall may drop UDP\n")
            }
            if method == .icmpTimestamp, sum.transmitted > 0, sum.isSilent {
                buffer.append("no answer; many hosts and firewalls ignore ICMP timestamp requests\n")
            }
        }
        guard targets.count > 1 else { return }
        var sum = EchoCounts()
        for counts in statistics { sum.add(counts) }
        buffer.append("\n--- total of ")
        buffer.append(decimal: targets.count)
        buffer.append(" hosts ---\n")
        append(sum, run, to: &buffer)
        buffer.append(decimal: sum.answering)
        buffer.append(" of ")
        buffer.append(decimal: targets.count)
        buffer.append(" hosts answered\n")
        appendOddities(sum, run, to: &buffer)
    }

    /// ping's line of counters.
    private func append(_ counts: EchoCounts, _ run: EchoRun, to buffer: inout ReportBuffer) {
        buffer.append(decimal: counts.transmitted)
        buffer.append(" packets transmitted, ")
        buffer.append(decimal: counts.received)
        buffer.append(" received")
        for (count, label) in [
            (counts.duplicates, "duplicates"), (counts.corrupted, "corrupted"), (counts.errors, "errors"),
        ] where count > 0 {
            buffer.append(", +")
            buffer.append(decimal: count)
            buffer.append(" ")
            buffer.append(label)
        }
        if counts.transmitted > 0 {
            buffer.append(", ")
            buffer.append(percent: counts.lost, of: counts.transmitted)
            buffer.append("% packet loss, time ")
            buffer.append(decimal: max(0, run.elapsed.nanoseconds) / 1_000_000)
            buffer.append("ms")
        }
        buffer.append("\n")
    }

    /// ping's line of round trips, then what it does not tell of them.
    private func append(_ trips: RoundTripStatistics, _ counts: EchoCounts, to buffer: inout ReportBuffer) {
        guard trips.count > 0 else { return }
        buffer.append("rtt min/avg/max/mdev = ")
        append(
            [trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum, TimeSpan(rounding: trips.deviation)],
            to: &buffer)
        buffer.append(" ms\n")

        let percentiles = trips.carriedPercentiles
        if !percentiles.isEmpty {
            for (index, percentile) in percentiles.enumerated() {
                buffer.append(index == 0 ? "p" : "/p")
                buffer.append(decimal: percentile.percent)
            }
            buffer.append(" = ")
            append(percentiles.map(\.value), to: &buffer)
            buffer.append(" ms, ")
        }
        // Jitter lies between two round trips.
        if trips.count > 1 {
            buffer.append("jitter ")
            buffer.append(milliseconds: TimeSpan(rounding: trips.jitter))
            buffer.append(" ms, ")
        }
        buffer.append(counts.userTimed < counts.received ? "clock kernel" : "clock user")
        if counts.userTimed > 0, counts.userTimed < counts.received {
            buffer.append(" (")
            buffer.append(decimal: counts.userTimed)
            buffer.append(" of ")
            buffer.append(decimal: counts.received)
            buffer.append(" by user clock)")
        }
        buffer.append("\n")
    }

    /// One line for what should not have happened, where anything of it did.
    private func appendOddities(_ counts: EchoCounts, _ run: EchoRun, to buffer: inout ReportBuffer) {
        let failure = counts.lastSendFailure.map { " (\($0.errorNumber.name))" } ?? ""
        let oddities = [
            (counts.late, "late"), (counts.wrongSource, "from a wrong source"), (counts.reordered, "reordered"),
            (counts.unsent, "not sent" + failure), (counts.inFlight, "still in flight"),
            (run.missed, "missed slots"), (run.unsolicited, "unsolicited"), (run.droppedHere, "dropped here"),
        ]
        var separator = ""
        for (count, label) in oddities where count > 0 {
            buffer.append(separator)
            buffer.append(decimal: count)
            buffer.append(" ")
            buffer.append(label)
            separator = ", "
        }
        if !separator.isEmpty { buffer.append("\n") }
    }

    /// Milliseconds between slashes.
    private func append(_ spans: [TimeSpan], to buffer: inout ReportBuffer) {
        for (index, span) in spans.enumerated() {
            if index > 0 { buffer.append("/") }
            buffer.append(milliseconds: span)
        }
    }
}
