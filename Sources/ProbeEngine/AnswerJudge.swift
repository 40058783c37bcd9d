import PacketFormats

/// Says what an answer is, before a measurement counts it: a reply, sound or damaged or from somebody else, an error, or
/// nobody's.
struct AnswerJudge: Sendable {
    enum Meaning {
        /// It belongs to no probe of ours, whatever its number says.
        case nobodys
        case reply(EchoReply.Kind, Soundness)
        case error(type: ICMPType, code: UInt8, info: UInt32, isConclusive: Bool)
    }

    enum Soundness: Hashable {
        case sound
        case corrupted(Response.Integrity)
        case wrongSource
    }

    /// What was asked with.
    let method: ProbeMethod
    /// Octets behind the header of a probe.
    let payloadLength: Int
    /// Whether the kernel was asked for stamps of sending.
    let wantsKernelStamps: Bool
    /// Time round trips by this process, whatever the kernel stamps.
    let timesInProcess: Bool

    /// Whether it answers what was asked: sockets for ICMP bring replies of both kinds, and one of times has no cookie.
    @inline(__always)
    func isOfOurKind(_ response: Response) -> Bool {
        switch response.kind {
        case .timestampReply: method == .icmpTimestamp
        case .echoReply: method != .icmpTimestamp
        case .icmpError, .datagram, .tcp: true
        }
    }

    /// What a response with the number of a probe is.
    ///
    /// - Parameters:
    ///   - destination: where that probe went.
    ///   - isGroup: any host may answer for the destination.
    ///   - originate: the time of day that the probe carried, all that vouches for a timestamp reply beside its numbers.
    @inline(__always)
    func meaning(
        of response: Response, to destination: IPAddress, isGroup: Bool, originate: InternetTimestamp
    ) -> Meaning {
        switch response.kind {
        case .icmpError(let type, let code, let info):
            guard response.quotedDestination?.withoutZone == destination.withoutZone else { return .nobodys }
            let isFromTarget = response.responder.withoutZone == destination.withoutZone
            if isFromTarget, case .udp = method, response.kind.isPortUnreachable(destination.version) {
                return reply(.portUnreachable, response, isElsewhere: false)
            }
            return .error(
                type: type, code: code, info: info, isConclusive: response.kind.isConclusive(destination.version))
        case .timestampReply(let theirs, _, _):
            let isWhole = response.integrity == .intact && response.byteCount >= ICMPTimestampMessage.length
            guard !isWhole || theirs == originate else { return .nobodys }
            return reply(.timestamp, response, isElsewhere: isElsewhere(response, destination, isGroup))
        case .echoReply: return reply(.echo, response, isElsewhere: isElsewhere(response, destination, isGroup))
        case .datagram, .tcp:
            return reply(.datagram, response, isElsewhere: isElsewhere(response, destination, isGroup))
        }
    }

    @inline(__always)
    private func isElsewhere(_ response: Response, _ destination: IPAddress, _ isGroup: Bool) -> Bool {
        !isGroup && response.responder.withoutZone != destination.withoutZone
    }

    @inline(__always)
    private func reply(_ kind: EchoReply.Kind, _ response: Response, isElsewhere: Bool) -> Meaning {
        var integrity = response.integrity
        // A wrong length shows only to who knows what was sent.
        if kind == .echo || kind == .timestamp, integrity == .intact,
            response.byteCount != payloadLength + ICMPHeader.length
        {
            integrity = .wrongLength(sent: payloadLength, received: response.byteCount - ICMPHeader.length)
        }
        // A damaged reply proves nothing, not even who sent it: the whole one is still waited for.
        if integrity != .intact { return isElsewhere ? .nobodys : .reply(kind, .corrupted(integrity)) }
        return .reply(kind, isElsewhere ? .wrongSource : .sound)
    }

    /// How long it took, and by which clock.
    @inline(__always)
    func roundTrip(sentAt: Timestamp, _ sent: Stamp, _ response: Response) -> (TimeSpan, Stamp.Clock) {
        if timesInProcess { return (max(.zero, response.arrival - sentAt), .user) }
        return RoundTrip.of(sentAt: sentAt, sent, response, wantsKernelStamps: wantsKernelStamps)
    }
}
