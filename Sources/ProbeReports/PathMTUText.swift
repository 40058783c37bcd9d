import PacketFormats
import ProbeEngine

extension PathTextReport {
    /// The lines behind the rows about the path MTU: places that larger packets do not pass, in the order of the path,
    /// the path MTU itself, and what was said about it and can't be true.
    public func append(_ result: PathMTUResult, name: (IPAddress) -> SafeText?, to buffer: inout ReportBuffer) {
        // The reason for the path MTU stands in its own line.
        let last = result.drops.last
        for drop in result.drops where drop != last || drop.evidence == .silence {
            append(drop, name: name, to: &buffer)
        }
        if let size = result.size, let hop = result.hop {
            buffer.append(result.isWholePath && result.isComplete ? "path MTU " : "path MTU at least ")
            buffer.append(decimal: size)
            if !result.isWholePath {
                buffer.append(" up to hop ")
                buffer.append(decimal: hop)
            }
            if result.isComplete {
                if last?.evidence != .silence {
                    buffer.append(": ")
                    appendReason(last, name: name, to: &buffer)
                }
                if !result.isWholePath { buffer.append(", and nothing behind it answers") }
            } else {
                buffer.append(": the search was not finished")
            }
        } else {
            buffer.append("path MTU unknown: no probe was answered")
        }
        buffer.append("\n")
        for claim in result.falseClaims where !isToldBySearch(claim, result) {
            buffer.append("MTU ")
            buffer.append(decimal: claim.mtu)
            buffer.append(" is not believed: ")
            append(claim.responder, name: name, to: &buffer)
            buffer.append(" says so of a packet of ")
            buffer.append(decimal: claim.size)
            buffer.append(", but ")
            buffer.append(claim.fault.reason)
            buffer.append("\n")
        }
    }

    private func append(_ drop: PathMTUDrop, name: (IPAddress) -> SafeText?, to buffer: inout ReportBuffer) {
        if drop.evidence == .silence {
            buffer.append("black hole ")
            if drop.before == drop.after + 1 {
                buffer.append(drop.after == 0 ? "behind this host" : "behind hop ")
                if drop.after > 0 { buffer.append(decimal: drop.after) }
            } else {
                buffer.append("between ")
                buffer.append(drop.after == 0 ? "this host" : "hop \(drop.after)")
                buffer.append(" and hop ")
                buffer.append(decimal: drop.before)
            }
            if drop.mayBeOnTheWayBack { buffer.append(", or on the way back") }
            buffer.append(": packets over ")
            buffer.append(decimal: drop.size)
            buffer.append(" vanish without a word (found by search)")
        } else {
            buffer.append("MTU ")
            buffer.append(decimal: drop.size)
            if drop.after > 0 {
                buffer.append(" behind hop ")
                buffer.append(decimal: drop.after)
            }
            buffer.append(": ")
            appendReason(drop, name: name, to: &buffer)
        }
        buffer.append("\n")
    }

    private func appendReason(_ drop: PathMTUDrop?, name: (IPAddress) -> SafeText?, to buffer: inout ReportBuffer) {
        switch drop?.evidence {
        case .announced(let responder):
            appendSpeaker(responder, drop, name: name, to: &buffer)
            buffer.append(" says so")
        case .searched(let responder):
            appendSpeaker(responder, drop, name: name, to: &buffer)
            buffer.append(" says that more is too much, but not what fits (found by search)")
        case .silence: buffer.append("found by search")
        case .local, nil: buffer.append("this host's link takes no more")
        }
    }

    private func appendSpeaker(
        _ responder: IPAddress, _ drop: PathMTUDrop?, name: (IPAddress) -> SafeText?, to buffer: inout ReportBuffer
    ) {
        guard let drop, drop.after > 0, drop.before == drop.after + 1 else {
            return append(responder, name: name, to: &buffer)
        }
        buffer.append("hop ")
        buffer.append(decimal: drop.after)
        buffer.append(" (")
        if showsNames, let name = name(responder) {
            buffer.append(name)
            buffer.append(", ")
        }
        buffer.append(responder, zones: zones)
        buffer.append(")")
    }

    /// Whether the line about the drop says it: the router did not say what fits.
    private func isToldBySearch(_ claim: PathMTUClaim, _ result: PathMTUResult) -> Bool {
        claim.fault == .missing && result.drops.contains { $0.evidence == .searched(by: claim.responder) }
    }
}

extension PathMTUClaim.Fault {
    fileprivate var reason: String {
        switch self {
        case .missing: "names no size"
        case .tooSmall: "every link must take more"
        case .tooLarge: "that would have fitted"
        case .contradicted: "larger ones pass"
        case .exceeded: "packets of that size do not pass"
        }
    }

    /// As it stands in JSON.
    var word: String {
        switch self {
        case .missing: "missing"
        case .tooSmall: "too_small"
        case .tooLarge: "too_large"
        case .contradicted: "contradicted"
        case .exceeded: "exceeded"
        }
    }
}
