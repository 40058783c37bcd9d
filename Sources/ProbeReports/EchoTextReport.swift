import PacketFormats
import ProbeEngine

/// The lines of ping about the events of an `EchoSweep`, and what ping does not tell below its summary.
///
/// Bytes go to a buffer, nothing is printed. Every line ends with a line feed, but for the interim line's carriage
/// return in front all is printable text.
public struct EchoTextReport: EchoReport {
    public var targets: ReportTargets
    public var method: ProbeMethod
    /// Octets behind the header of ICMP, UDP or TCP.
    public var payloadLength: Int
    /// Whether a line tells of every probe without a reply within its timeout.
    public var reportsTimeouts = false
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    /// What only some options of ping ask for.
    public var style = PingStyle()
    /// The route that replies of each target recorded last.
    var routes: [Int: [IPv4Address]] = [:]
    /// The highest sequence number of each target of which a payload was dumped.
    var dumped: [Int: UInt32] = [:]

    /// Whether the kernel is asked when each probe left.
    public var hasKernelSendTimes = true
    /// Whether one line tells of all targets at the start, and one of each at the end: for many of them.
    public var isBrief = false
    /// Targets that are one name over IPv4, each followed by the same name over IPv6: the two are compared at the end.
    public var pairs: [Int] = []

    public init(targets: ReportTargets, method: ProbeMethod = .icmpEcho, payloadLength: Int = 56) {
        self.targets = targets
        self.method = method
        self.payloadLength = payloadLength
    }

    public init(targets: [ReportTarget], method: ProbeMethod = .icmpEcho, payloadLength: Int = 56) {
        self.init(targets: ReportTargets(targets), method: method, payloadLength: payloadLength)
    }

    // MARK: Before the first reply

    /// A line for each target: `PING example.net (192.0.2.1) 56(84) bytes of data.`
    public func appendStart(
        _ start: EchoStart, to buffer: inout ReportBuffer, drain: (inout ReportBuffer) -> Void = { _ in }
    ) {
        appendPattern(to: &buffer)
        if isBrief { return appendStart(start.configuration, to: &buffer) }
        for (index, target) in targets.enumerated() {
            if buffer.isLarge { drain(&buffer) }
            buffer.append("PING ")
            buffer.append(label(index))
            appendAddress(of: target, to: &buffer)
            appendWay(target, index, to: &buffer)
            appendMethod(to: &buffer)
            buffer.append(decimal: payloadLength)
            switch target.address.version {
            case .v4:
                buffer.append("(")
                buffer.append(decimal: payloadLength + headerLengthV4 + style.optionsLength)
                buffer.append(") bytes of data.\n")
            case .v6: buffer.append(" data bytes\n")
            }
        }
    }

    /// `PING 254 hosts every 1.000 s: 56 data bytes`
    private func appendStart(_ configuration: EchoSweep.Configuration, to buffer: inout ReportBuffer) {
        buffer.append("PING ")
        buffer.append(decimal: targets.count)
        buffer.append(targets.count == 1 ? " host" : " hosts")
        if let round = configuration.round {
            buffer.append(" every ")
            buffer.append(seconds: round)
            buffer.append(" s")
        }
        buffer.append(": ")
        appendMethod(to: &buffer)
        buffer.append(decimal: payloadLength)
        buffer.append(" data bytes\n")
    }

    private func appendMethod(to buffer: inout ReportBuffer) {
        switch method {
        case .icmpEcho, .ip: break
        case .icmpTimestamp: buffer.append("ICMP timestamp, ")
        case .udp(let port): appendPort("UDP", port, to: &buffer)
        case .tcpSYN(let port): appendPort("TCP", port, to: &buffer)
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
        case .ip: IPv4Header.minimumLength
        }
    }

    // MARK: Events

    /// The line of an event; none for a timeout unless they are asked for. In a flood most are a mark without a line.
    public mutating func append(
        _ event: EchoEvent, name: SafeText? = nil, at now: Timestamp, to buffer: inout ReportBuffer
    ) {
        if style.isFlood, appendMark(event, to: &buffer) { return }
        switch event {
        case .reply(let reply):
            appendTime(at: reply.arrival, to: &buffer)
            append(reply, name, to: &buffer)
        case .timeout(let target, let sequence):
            guard reportsTimeouts else { return }
            appendTime(at: now, to: &buffer)
            append("no answer in time ", target, sequence, to: &buffer)
        case .outstanding(let target, let sequence):
            appendTime(at: now, to: &buffer)
            append("no answer yet ", target, sequence, to: &buffer)
        case .error(let error):
            appendTime(at: error.arrival, to: &buffer)
            append(error, name, to: &buffer)
        case .unsolicited(let stray):
            appendTime(at: stray.arrival, to: &buffer)
            append(stray, name, to: &buffer)
        case .unsent(let target, let sequence, let failure):
            buffer.append("not sent: ")
            append(sequence: sequence, to: &buffer)
            buffer.append(" ")
            appendTarget("to ", target, to: &buffer)
            buffer.append("(")
            buffer.append(failure.text)
            buffer.append(")\n")
        case .changed(let change): append(change, to: &buffer)
        case .outage(let outage): append(outage, to: &buffer)
        case .interval(let interval): append(interval, to: &buffer)
        case .sent: return
        case .address(let target, let old, let new, _):
            buffer.append(label(target))
            buffer.append(" is now ")
            buffer.append(new, zones: zones)
            buffer.append(" (was ")
            buffer.append(old, zones: zones)
            buffer.append(")\n")
        }
    }

    private func append(_ words: String, _ target: Int, _ sequence: UInt32, to buffer: inout ReportBuffer) {
        buffer.append(words)
        appendTarget("from ", target, to: &buffer)
        buffer.append("for ")
        append(sequence: sequence, to: &buffer)
        buffer.append("\n")
    }

    /// `hop limit of replies changed from 63 to 61 at icmp_seq=12`
    private func append(_ change: EchoChange, to buffer: inout ReportBuffer) {
        switch change.field {
        case .hopLimit: buffer.append("hop limit of replies ")
        case .trafficClass: buffer.append("traffic class of replies ")
        }
        appendTarget("from ", change.target, to: &buffer)
        buffer.append("changed from ")
        buffer.append(decimal: change.from)
        buffer.append(" to ")
        buffer.append(decimal: change.to)
        buffer.append(" at ")
        append(sequence: change.sequence, to: &buffer)
        buffer.append("\n")
    }

    /// `outage over: 5 probes lost in 5.002 s, icmp_seq=10 to 14`
    private func append(_ outage: EchoOutage, to buffer: inout ReportBuffer) {
        buffer.append("outage ")
        appendTarget("of ", outage.target, to: &buffer)
        buffer.append("over: ")
        buffer.append(decimal: outage.lost)
        buffer.append(" probes lost in ")
        appendSpan(of: outage, to: &buffer)
    }

    /// `5.002 s, icmp_seq=10 to 14`, and the end of the line.
    func appendSpan(of outage: EchoOutage, to buffer: inout ReportBuffer) {
        buffer.append(seconds: outage.duration)
        buffer.append(" s, ")
        append(sequence: outage.firstSequence, to: &buffer)
        buffer.append(" to ")
        buffer.append(decimal: outage.lastSequence)
        buffer.append("\n")
    }

    /// `interval 3 (10.000 s): 10/10 packets, 0% loss, min/avg/max = 0.040/0.052/0.065 ms`
    private func append(_ interval: EchoInterval, to buffer: inout ReportBuffer) {
        if targets.count > 1 {
            buffer.append(targets[interval.target].name)
            buffer.append(": ")
        }
        buffer.append("interval ")
        buffer.append(decimal: interval.index)
        buffer.append(" (")
        buffer.append(seconds: interval.end - interval.start)
        buffer.append(" s): ")
        buffer.append(decimal: interval.received)
        buffer.append("/")
        buffer.append(decimal: interval.transmitted)
        buffer.append(" packets, ")
        buffer.append(percent: UInt64(max(0, interval.lost)), of: interval.concluded)
        buffer.append("% loss")
        append(interval.roundTrips, to: &buffer)
        append(
            [
                (interval.late, " late"), (interval.duplicates, " duplicates"), (interval.errors, " errors"),
                (interval.unsent, " not sent"),
            ], to: &buffer)
        buffer.append("\n")
    }

    private mutating func append(_ reply: EchoReply, _ name: SafeText?, to buffer: inout ReportBuffer) {
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
        appendIdentifier(of: reply, to: &buffer)
        if let hopLimit = reply.hopLimit {
            buffer.append(" ttl=")
            buffer.append(decimal: hopLimit)
        }
        appendTime(of: reply, to: &buffer)
        if let timestamps = reply.timestamps { buffer.append(timestamps) }
        // Several hosts of a group answer one probe; ping hides that they do, unless it is verbose.
        if reply.disposition != .duplicate || reportsTimeouts || !targets[reply.target].address.isMulticast {
            append(reply.disposition, to: &buffer)
        }
        appendDump(reply, to: &buffer)
        appendBell(reply, to: &buffer)
        if let options = reply.detail?.ipv4Options { append(options, of: reply.target, to: &buffer) }
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
            appendOctet(offset, expected, found, to: &buffer)
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

    /// `From 192.0.2.9: Time to live exceeded, for no probe of ours (3 so far)`
    private func append(_ stray: EchoStray, _ name: SafeText?, to buffer: inout ReportBuffer) {
        buffer.append("From ")
        append(stray.responder, name, to: &buffer)
        buffer.append(": ")
        switch stray.kind {
        case .icmpError(let type, let code, let info):
            buffer.append(EchoError.text(type, code: code, info: info, stray.responder.version))
        default:
            buffer.append(decimal: stray.byteCount)
            buffer.append(" bytes")
        }
        buffer.append(", for no probe of ours (")
        buffer.append(decimal: stray.count)
        buffer.append(" so far)\n")
    }

    func append(_ address: IPAddress, _ name: SafeText?, to buffer: inout ReportBuffer) {
        guard let name else { return buffer.append(address, zones: zones) }
        buffer.append(name)
        buffer.append(" (")
        buffer.append(address, zones: zones)
        buffer.append(")")
    }

    func append(sequence: UInt32, to buffer: inout ReportBuffer) {
        switch method {
        case .icmpEcho, .icmpTimestamp: buffer.append("icmp_seq=")
        case .udp: buffer.append("udp_seq=")
        case .tcpSYN: buffer.append("tcp_seq=")
        case .ip: buffer.append("ip_seq=")
        }
        // The field has 16 bits, and ping shows what is in it.
        buffer.append(decimal: style.isPings ? sequence & 0xffff : sequence)
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
        for (target, counts) in zip(targets.indices, statistics) {
            buffer.append("\r")
            if targets.count > 1 {
                buffer.append(label(target))
                buffer.append(": ")
            }
            buffer.append(decimal: counts.received)
            buffer.append("/")
            buffer.append(decimal: counts.transmitted)
            buffer.append(" packets")
            if counts.concluded > 0 {
                buffer.append(", ")
                buffer.append(percent: counts.lost, of: counts.concluded)
                buffer.append("% loss")
            }
            if counts.received > 0 {
                let trips = counts.roundTrips
                let smoothed = trips.smoothed.map { [TimeSpan(rounding: $0)] } ?? []
                buffer.append(smoothed.isEmpty ? ", min/avg/max = " : ", min/avg/ewma/max = ")
                append(
                    [trips.minimum, TimeSpan(rounding: trips.mean)] + smoothed + [trips.maximum], to: &buffer)
                buffer.append(" ms")
            }
            buffer.append("\n")
        }
    }

    /// The statistics of each target in their order, then, of several, the total.
    public func appendSummary(
        _ statistics: [EchoStatistics], run: EchoRun, to buffer: inout ReportBuffer,
        drain: (inout ReportBuffer) -> Void = { _ in }
    ) {
        // Behind the marks of a flood this ends their line, as in ping.
        for (target, counts) in zip(targets.indices, statistics) {
            if buffer.isLarge { drain(&buffer) }
            var sum = EchoCounts()
            sum.add(counts)
            if isBrief {
                appendBrief(target, counts, sum, run, to: &buffer)
                continue
            }
            buffer.append("\n--- ")
            buffer.append(label(target))
            buffer.append(" ping statistics ---\n")
            append(sum, run, to: &buffer)
            append(counts, sum, run, to: &buffer)
            if target < run.clocks.count, let clock = run.clocks[target] { buffer.append(clock) }
            appendVariation(of: counts, to: &buffer)
            appendLossRuns(of: counts, run, to: &buffer)
            if let slots = run.slots {
                buffer.append("slots:")
                slots.append(target, counts, to: &buffer)
                buffer.append("\n")
            }
            appendOddities(
                sum, targets.count == 1 ? run : EchoRun(elapsed: run.elapsed, sending: run.sending, time: run.time),
                to: &buffer)
            if case .udp = method, sum.transmitted > 0, sum.isSilent {
                buffer.append("no answer; a firewall may drop UDP\n")
            }
            if method == .icmpTimestamp, sum.transmitted > 0, sum.isSilent {
                buffer.append("no answer; many hosts and firewalls ignore ICMP timestamp requests\n")
            }
        }
        guard targets.count > 1 || isBrief else { return }
        var sum = EchoCounts()
        for counts in statistics { sum.add(counts) }
        buffer.append("\n--- total of ")
        buffer.append(decimal: targets.count)
        buffer.append(targets.count == 1 ? " host ---\n" : " hosts ---\n")
        append(sum, run, to: &buffer)
        if isBrief { appendRoundTrips(of: statistics, to: &buffer) }
        buffer.append(decimal: sum.answering)
        buffer.append(" of ")
        buffer.append(decimal: targets.count)
        buffer.append(" hosts answered\n")
        appendOddities(sum, run, to: &buffer)
        appendComparisons(statistics, to: &buffer)
    }

    /// ping's line of counters. Loss is a share of the probes whose fate is known, and untold where none is: a run that
    /// is interrupted would otherwise show a host that never answered with less loss than all.
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
            if counts.concluded > 0 {
                buffer.append(", ")
                buffer.append(percent: counts.lost, of: counts.concluded)
                buffer.append("% packet loss")
            }
            buffer.append(", time ")
            buffer.append(decimal: max(0, run.sending.nanoseconds) / 1_000_000)
            buffer.append("ms")
        }
        buffer.append("\n")
    }

    /// ping's line of round trips, then what it does not tell of them.
    private func append(
        _ target: EchoStatistics, _ counts: EchoCounts, _ run: EchoRun, to buffer: inout ReportBuffer
    ) {
        let trips = target.roundTrips
        guard trips.count > 0 else {
            if target.pipe > 1 { buffer.append("pipe \(target.pipe)\n") }
            return
        }
        buffer.append("rtt min/avg/max/mdev = ")
        append(
            [trips.minimum, TimeSpan(rounding: trips.mean), trips.maximum, TimeSpan(rounding: trips.deviation)],
            to: &buffer)
        buffer.append(" ms")
        if target.pipe > 1 { buffer.append(", pipe \(target.pipe)") }
        if style.showsGap, target.transmitted > 1, let smoothed = trips.smoothed {
            buffer.append(", ipg/ewma ")
            let gap = max(0, run.sending.nanoseconds) / Int64(clamping: target.transmitted - 1)
            append([TimeSpan(nanoseconds: gap), TimeSpan(rounding: smoothed)], to: &buffer)
            buffer.append(" ms")
        }
        buffer.append("\n")

        let percentiles = trips.carriedPercentiles
        if !percentiles.isEmpty {
            for (index, percentile) in percentiles.enumerated() {
                buffer.append(index == 0 ? "p" : "/p")
                buffer.append(percentile.label)
            }
            buffer.append(" = ")
            append(percentiles.map(\.value), to: &buffer)
            buffer.append(" ms, ")
        }
        // Jitter lies between two round trips.
        if trips.count > 1, let jitter = trips.jitter {
            buffer.append("jitter ")
            buffer.append(milliseconds: TimeSpan(rounding: jitter))
            buffer.append(" ms, ")
        }
        buffer.append("clock ")
        buffer.append(
            counts.userTimed == counts.received ? "user" : hasKernelSendTimes ? "kernel" : "user/kernel rx")
        if style.isUserToUser { buffer.append(" (user-to-user latency)") }
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
            (counts.late, "late" + lateText(counts.lateRoundTrips)), (counts.wrongSource, "from a wrong source"),
            (
                counts.reordered,
                "reordered" + (counts.reorderingExtent > 0 ? " by up to \(counts.reorderingExtent)" : "")
            ),
            (counts.unsent, "not sent" + failure), (counts.inFlight, "still in flight"),
            (counts.repeatedErrors, "repeated errors"),
            (run.missed, "missed slots"), (run.unsolicited, "unsolicited"), (run.droppedHere, droppedHere),
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

    /// A raw ICMPv6 socket counts a message with a wrong checksum like one that found its queue full.
    private var droppedHere: String {
        let mayBeDamaged = method == .icmpEcho && targets.contains { $0.address.version == .v6 }
        return mayBeDamaged ? "dropped here or of a wrong checksum" : "dropped here"
    }

    /// Milliseconds between slashes.
    func append(_ spans: [TimeSpan], to buffer: inout ReportBuffer) {
        for (index, span) in spans.enumerated() {
            if index > 0 { buffer.append("/") }
            buffer.append(milliseconds: span)
        }
    }
}
