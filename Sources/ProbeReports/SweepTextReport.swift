import PacketFormats
import ProbeEngine

/// The lines about the targets of a `HostSweep`, for people and for scripts: one for each that is wanted, its address in
/// front. Bytes go to a buffer, nothing is printed.
public struct SweepTextReport: SweepReport {
    /// Which targets have a line.
    public enum Listing: Hashable, Sendable {
        /// Those that are alive, with the round trip: `192.0.2.1  0.312 ms`.
        case alive
        /// Those that are alive, each as it was named and nothing else.
        case aliveNames
        /// The others, with the reason where one is known: `192.0.2.7  Destination Host Unreachable from 192.0.2.1`.
        case unreachable
        /// All, each with what is known.
        case all
        /// None: only the total is wanted.
        case none
    }

    public var listing: Listing
    /// Whether lines tell of errors, late, further, damaged and foreign answers too, and of more about each answer.
    ///
    /// They are for people: where the listing is for scripts, `appendAside` has them for another stream.
    public var isVerbose = false
    /// Makes the time in front of each line; nil for none.
    public var time: LineTime?
    /// What is sent, for the words of the total.
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]

    public init(_ listing: Listing = .alive, method: ProbeMethod = .icmpEcho) {
        self.listing = listing
        self.method = method
    }

    /// Nothing: the lines of a sweep are for scripts too.
    public func appendStart(_ start: SweepStart, to buffer: inout ReportBuffer) {}

    /// The line of an event, where it has one in this listing.
    public mutating func append(
        _ event: HostSweepEvent, target: SafeText? = nil, name: SafeText? = nil, at now: Timestamp,
        to buffer: inout ReportBuffer
    ) {
        switch event {
        case .alive(let answer):
            switch listing {
            case .alive, .all:
                begin(at: answer.arrival, to: &buffer)
                append(answer, target, name, to: &buffer)
            case .aliveNames:
                begin(at: answer.arrival, to: &buffer)
                if let target {
                    buffer.append(target)
                } else {
                    buffer.append(answer.address, zones: zones)
                }
                end(name, to: &buffer)
            case .unreachable, .none: return
            }
        case .unreachable(let silence):
            guard listing == .unreachable || listing == .all else { return }
            begin(at: silence.time, to: &buffer)
            append(silence.address, target, to: &buffer)
            append(silence, to: &buffer)
            end(name, to: &buffer)
        case .unasked(let refusal):
            guard listing == .unreachable || listing == .all else { return }
            begin(at: refusal.time, to: &buffer)
            append(refusal.address, target, to: &buffer)
            append(refusal.failure, to: &buffer)
            end(name, to: &buffer)
        case .late, .duplicate, .corrupted, .wrongSource, .error:
            if isVerbose { appendAside(event, target: target, name: name, at: now, to: &buffer) }
        }
    }

    /// The line of an event that decides about no target, whatever the listing and `isVerbose`; nothing of others.
    public mutating func appendAside(
        _ event: HostSweepEvent, target: SafeText? = nil, name: SafeText? = nil, at now: Timestamp,
        to buffer: inout ReportBuffer
    ) {
        switch event {
        case .alive, .unreachable, .unasked: return
        case .late(let answer), .duplicate(let answer), .corrupted(let answer), .wrongSource(let answer):
            begin(at: answer.arrival, to: &buffer)
            append(answer, target, name, to: &buffer)
        case .error(let error):
            begin(at: error.arrival, to: &buffer)
            append(error.address, target, to: &buffer)
            append(error, to: &buffer)
            append(attempt: error.attempt, to: &buffer)
            end(name, to: &buffer)
        }
    }

    private mutating func begin(at instant: Timestamp, to buffer: inout ReportBuffer) {
        time?.append(instant, to: &buffer)
    }

    /// The reverse name stands at the end, so that it moves nothing.
    private func end(_ name: SafeText?, to buffer: inout ReportBuffer) {
        if let name {
            buffer.append("  ")
            buffer.append(name)
        }
        buffer.append("\n")
    }

    /// `192.0.2.1`, or `example.net (192.0.2.1)` where the target was named.
    private func append(_ address: IPAddress, _ target: SafeText?, to buffer: inout ReportBuffer) {
        guard let target else { return buffer.append(address, zones: zones) }
        buffer.append(target)
        buffer.append(" (")
        buffer.append(address, zones: zones)
        buffer.append(")")
    }

    /// `192.0.2.1  0.312 ms`, and in brackets what is not as usual.
    private func append(
        _ answer: HostAnswer, _ target: SafeText?, _ name: SafeText?, to buffer: inout ReportBuffer
    ) {
        append(answer.address, target, to: &buffer)
        buffer.append("  ")
        buffer.append(milliseconds: answer.roundTrip)
        buffer.append(" ms")
        append(answer.disposition, to: &buffer)
        if answer.responder != answer.address {
            buffer.append("  from ")
            buffer.append(answer.responder, zones: zones)
        }
        if isVerbose {
            switch answer.kind {
            case .echo, .timestamp: break
            case .portUnreachable: buffer.append("  port unreachable")
            case .datagram: buffer.append("  other data")
            }
            if let hopLimit = answer.hopLimit {
                buffer.append("  ttl=")
                buffer.append(decimal: hopLimit)
            }
            append(attempt: answer.attempt, to: &buffer)
        }
        end(name, to: &buffer)
    }

    /// Nothing of the first probe.
    private func append(attempt: Int, to buffer: inout ReportBuffer) {
        guard attempt > 0 else { return }
        buffer.append("  retry ")
        buffer.append(decimal: attempt)
    }

    private func append(_ disposition: EchoReply.Disposition, to buffer: inout ReportBuffer) {
        switch disposition {
        case .inTime, .corrupted(.intact): return
        case .late: buffer.append(" (late)")
        case .duplicate: buffer.append(" (duplicate)")
        case .wrongSource: buffer.append(" (different address)")
        case .corrupted(let integrity):
            buffer.append(" (")
            buffer.append(integrity)
            buffer.append(")")
        }
    }

    /// Why a target counts as unreachable, where more is known than that it is.
    private func append(_ silence: HostSilence, to buffer: inout ReportBuffer) {
        if let error = silence.error {
            append(error, to: &buffer)
        } else if let failure = silence.failure {
            append(failure, to: &buffer)
        } else if listing == .all {
            buffer.append("  no answer")
        }
    }

    private func append(_ error: HostError, to buffer: inout ReportBuffer) {
        buffer.append("  ")
        buffer.append(error.text)
        buffer.append(" from ")
        buffer.append(error.responder, zones: zones)
    }

    private func append(_ failure: SendFailure, to buffer: inout ReportBuffer) {
        buffer.append("  not sent (")
        buffer.append(failure.text)
        buffer.append(")")
    }

    /// Nothing: the total is for people.
    public func appendSummary(_ run: SweepRun, to buffer: inout ReportBuffer) {}

    /// How many targets there are of each kind, the probes, the round trips, and what should not have happened.
    public func totalLines(_ run: SweepRun) -> [UInt8] {
        var buffer = ReportBuffer()
        buffer.append(run, method)
        return buffer.bytes
    }
}

extension HostError {
    /// The words that ping has for the error.
    public var text: String { EchoError.text(type, code: code, info: info, responder.version) }
}

extension ReportBuffer {
    /// What is wrong with a damaged answer, without a comma or a quotation mark.
    mutating func append(_ integrity: Response.Integrity) {
        switch integrity {
        case .intact: append("intact")
        case .wrongChecksum: append("wrong checksum")
        case .wrongOctet(let offset, let expected, let found):
            append("octet ")
            append(decimal: offset)
            append(" is ")
            append(decimal: found)
            append(" instead of ")
            append(decimal: expected)
        case .wrongLength(let sent, let received):
            append(decimal: received)
            append(" octets of payload instead of ")
            append(decimal: sent)
        }
    }
}
