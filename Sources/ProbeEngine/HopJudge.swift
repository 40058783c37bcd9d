import PacketFormats

/// What a response means for a path: who answered a probe whose hop limit was chosen to run out on the way.
struct HopJudge: Sendable {
    /// Without a zone.
    private let destination: IPAddress
    private let method: ProbeMethod
    private let payloadLength: Int

    /// - Parameters:
    ///   - method: of all probes; only a UDP destination port may differ.
    ///   - payloadLength: octets behind the header of ICMP, UDP or TCP.
    init(_ destination: IPAddress, _ method: ProbeMethod, payloadLength: Int) {
        self.destination = destination.withoutZone
        self.method = method
        self.payloadLength = payloadLength
    }

    /// What an answer means, nil when it answers no probe to this destination.
    func kind(of response: Response) -> PathAnswer.Kind? {
        let isFromDestination = response.responder.withoutZone == destination
        switch response.kind {
        case .echoReply:
            // Damaged bytes can't vouch for themselves: there is no cookie, or it was not compared.
            let isWhole =
                response.integrity == .intact
                && response.byteCount == payloadLength + ICMPHeader.length
            return isFromDestination && isWhole ? .reached : nil
        case .timestampReply: return nil
        case .datagram, .tcp:
            // A protocol without ports brings all that the destination sends to this host.
            if case .ip = method, response.probe == nil { return nil }
            return isFromDestination ? .reached : nil
        case .icmpError(let type, let code, let info):
            guard response.isAbout(destination) || response.evidence == .port else { return nil }
            if response.kind.isTimeExceeded(destination.version) { return .timeExceeded }
            if isFromDestination, response.kind.isPortUnreachable(destination.version) { return .reached }
            if isFromDestination, case .ip = method,
                response.kind.isProtocolUnreachable(destination.version)
            {
                return .reached
            }
            if destination.version == .v4, type == ICMPType.V4.redirect || type == ICMPType.V4.sourceQuench {
                return nil
            }
            return .error(type: type, code: code, info: info)
        }
    }

    /// The probe that a response names, nil where it names none, or one whose quote was rewritten too far to believe it.
    func probe(of response: Response) -> ProbeID? {
        guard case .icmpError = response.kind else { return response.probe }
        return isAboutDestination(response) ? response.probe : nil
    }

    /// Whether an error quotes a packet to this destination, or one that is ours whatever stands there.
    func isAboutDestination(_ response: Response) -> Bool { response.isAbout(destination) }
}
