import LinuxSockets
import ProbeEngine

extension TransportSelection {
    /// One line for standard error: which rung it is, why no better one, and what would get it. Nil at the top.
    ///
    /// - Parameter program: how the tool was called, for the remedy.
    public func notice(program: String) -> String? {
        guard let why = reasons(refusals) else { return nil }
        let raw = Self.rawRemedy(program: program)
        switch transport.rung {
        case .raw: return nil
        case .ping: return "using ICMP datagram sockets (\(why)); for raw ones \(raw)"
        case .tcp:
            let flow =
                transport.limits.hasConstantFlow
                ? "one after the other" : "each a flow of its own, so that balanced paths may mix"
            return "using TCP connections, \(flow) (\(why)); for raw sockets \(raw)"
        case .udp:
            let port = transport.method.destinationPort
            guard refusals.contains(where: { $0.rung == .ping }) else {
                return "using UDP sockets (\(why)); for raw ones \(raw)"
            }
            return "using UDP probes to port \(port) (\(why)); for ICMP \(raw), "
                + "or: \(Self.pingRemedy)"
        }
    }

    /// What gets raw sockets.
    static func rawRemedy(program: String) -> String {
        "run it as root, or once: sudo setcap cap_net_raw+p $(command -v \(program))"
    }

    /// What gets ping sockets.
    static let pingRemedy = "sudo sysctl net.ipv4.ping_group_range='0 2147483647'"
}

/// What each rung was refused with: `raw: EPERM, ping: EACCES`.
private func reasons(_ refusals: [(rung: Rung, failure: Errno)]) -> String? {
    refusals.isEmpty ? nil : refusals.map { "\($0.rung): \($0.failure.name)" }.joined(separator: ", ")
}

extension TransportRequest {
    /// Why it could not be fulfilled, worded as in `RungNeed` where an option is the reason. What other rungs were refused
    /// with is of no use to whom only raw sockets help.
    func line(for error: TransportError) -> String {
        guard let (option, program) = needsRaw else { return error.description }
        var why: String?
        switch error {
        case .notPermitted(let refusals): why = reasons(refusals.filter { $0.rung == .raw })
        // A right that is lacking for the option on other sockets.
        case .refused(_, .notPermitted): break
        default: return error.description
        }
        let remedy = highestRung == .raw ? TransportSelection.rawRemedy(program: program) : "leave out --rung"
        return "option \(option): needs raw sockets (\(why.map { $0 + "; " } ?? "")\(remedy))"
    }
}

extension TransportError: CustomStringConvertible {
    /// One line that says what was refused and what would help.
    public var description: String {
        switch self {
        case .notPermitted(let refusals):
            let why = reasons(refusals).map { " (\($0))" } ?? ""
            let needsRawOnly = !refusals.contains { $0.rung == .ping }
            let remedy = needsRawOnly ? "" : ", or let net.ipv4.ping_group_range hold one of your groups"
            return "this needs a privilege that the process lacks\(why): "
                + "run it as root, or give the program cap_net_raw+p with setcap\(remedy)"
        case .refused(let what, let failure): return "cannot open the \(what): \(failure) (\(failure.name))"
        case .noSuchSource(let source): return "\(source) is no address of this host"
        case .noSuchSourcePort(let port, let failure):
            let remedy = failure == .permissionDenied ? "; below 1024 it needs root or CAP_NET_BIND_SERVICE" : ""
            return "cannot send from port \(port): \(failure) (\(failure.name))\(remedy)"
        case .noSuchVersion(let versions):
            let names = versions.map { "IPv\($0.rawValue)" }.joined(separator: " or ")
            return "this host has no \(names)"
        }
    }
}
