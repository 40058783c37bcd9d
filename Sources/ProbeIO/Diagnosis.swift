import LinuxSockets
import PacketFormats
import ProbeEngine

/// One thing that was found out about what this process can do here.
public struct DiagnosisFinding: Sendable {
    /// What a finding is about.
    public enum Topic: String, Sendable {
        case socket
        case rights
        case system
        case result
    }

    /// What came out.
    public enum Verdict: String, Sendable {
        /// Tried, and it did what it is for.
        case works
        /// Allowed, but what was sent did not come back.
        case unproven
        /// Refused.
        case refused
        /// Neither good nor bad.
        case fact
        /// Hidden from this process.
        case unknown
    }

    /// What it is about.
    public var topic: Topic
    /// A rung, a setting, or a word for the thing.
    public var name: String
    /// Of a socket; nil for what both versions share.
    public var version: IPVersion?
    /// What came out.
    public var verdict: Verdict
    /// The finding in a sentence for people.
    public var text: String
    /// The symbol of the error number that refused.
    public var errorName: String?
    /// What would make it work.
    public var remedy: String?
    /// The setting's number.
    public var value: Int64?
    /// How the socket did with loopback, where it was allowed.
    public var trial: SocketTrial?

    init(
        _ topic: Topic, _ name: String, _ text: String, _ verdict: Verdict = .fact, version: IPVersion? = nil,
        errorName: String? = nil, remedy: String? = nil, value: Int64? = nil, trial: SocketTrial? = nil
    ) {
        self.topic = topic
        self.name = name
        self.version = version
        self.verdict = verdict
        self.text = text
        self.errorName = errorName
        self.remedy = remedy
        self.value = value
        self.trial = trial
    }
}

/// What probes to loopback over one kind of socket showed.
public struct SocketTrial: Hashable, Sendable {
    /// Nil when no answer came.
    public var roundTrip: TimeSpan?
    /// Whether the kernel told when the probe was sent.
    public var hasSendStamp: Bool
    /// Whether the kernel told when the answer came.
    public var hasArrivalStamp: Bool
    /// How the kernel says whose time of sending it tells: `named` by the call, `counted`, or `none`.
    public var stampKeys: String
}

/// Tries every kind of socket for real and reads what the system says about rights and limits.
public enum Diagnosis {
    /// Tries, drops all rights, sends a few probes to loopback, and only then reads anything.
    ///
    /// For tools, as `TransportSelection.openAndDropRights`. Throws the line that says what failed.
    ///
    /// - Parameters:
    ///   - program: how the tool was called, for the remedies.
    ///   - udpPort: where UDP probes go.
    public static func run(
        program: String, udpPort: UInt16
    ) throws(ToolFailure) -> (findings: [DiagnosisFinding], works: Bool) {
        let privileges: Privileges
        var identities: [ProbeIdentity] = []
        do throws(Errno) {
            privileges = try .current()
            try ProcessRights.reduce(to: .netRaw)
            for _ in kinds { identities.append(try .random()) }
        } catch {
            throw ToolFailure("cannot look at its rights: \(error)")
        }
        let sockets = zip(kinds, identities).map { kind, identity in
            TriedSocket(kind.rung, kind.version, udpPort: udpPort, identity: identity)
        }
        do throws(Errno) {
            try ProcessRights.dropAll()
        } catch {
            throw ToolFailure("cannot give up its rights: \(error)")
        }
        let surroundings = Surroundings(privileges, program: program)
        var findings = sockets.map { $0.finding(surroundings) }
        let allowed = zip(kinds, findings).filter { $0.1.verdict != .refused }
        findings += surroundings.rights + surroundings.system
        let best = allowed.map(\.0.rung).min()
        let versions = allowed.filter { $0.0.rung == best && $0.1.verdict == .works }.map(\.0.version)
        findings.append(result(best, over: versions, program))
        return (findings, best != nil)
    }

    private static func result(_ best: Rung?, over versions: [IPVersion], _ program: String) -> DiagnosisFinding {
        guard let best else { return DiagnosisFinding(.result, "best", "\(program) can send nothing here", .refused) }
        let names = versions.map { "IPv\($0.rawValue)" }.joined(separator: " and ")
        let proof = names.isEmpty ? "; loopback proves it for neither version" : ", proven over \(names)"
        return DiagnosisFinding(
            .result, "best", "\(program) uses \(best) sockets here\(proof)", names.isEmpty ? .unproven : .works)
    }

    private static let kinds: [(rung: Rung, version: IPVersion)] = Rung.echoing.flatMap { rung in
        [(rung, IPVersion.v4), (rung, IPVersion.v6)]
    }
}

/// The sockets of one rung and version, or why there are none.
private final class TriedSocket {
    private let rung: Rung
    private let version: IPVersion
    private var transport: ProbeTransport?
    private var refusal: (failure: Errno?, text: String)?

    init(_ rung: Rung, _ version: IPVersion, udpPort: UInt16, identity: ProbeIdentity) {
        self.rung = rung
        self.version = version
        var request = TransportRequest(method: rung == .udp ? .udp(destinationPort: udpPort) : .icmpEcho)
        request.versions = [version]
        request.highestRung = rung
        do throws(TransportError) {
            let selection = try TransportSelection.open(request, identity: identity)
            // Where raw sockets are refused the ladder goes on to ping sockets, which have their own turn.
            if let refused = selection.refusals.first(where: { $0.rung == rung }) {
                refusal = (refused.failure, "\(refused.failure)")
            } else {
                transport = selection.take()
            }
        } catch {
            switch error {
            case .notPermitted(let refusals):
                let failure = refusals.first { $0.rung == rung }?.failure
                refusal = (failure, failure.map { "\($0)" } ?? "\(error)")
            case .refused(_, let failure): refusal = (failure, "\(failure)")
            case .noSuchVersion: refusal = (.addressFamilyNotSupported, "\(error)")
            case .noSuchSource, .noSuchSourcePort: refusal = (nil, "\(error)")
            }
        }
    }

    func finding(_ surroundings: Surroundings) -> DiagnosisFinding {
        let name = rung.rawValue
        if let refusal {
            return DiagnosisFinding(
                .socket, name, refusal.text, .refused, version: version, errorName: refusal.failure?.name,
                remedy: surroundings.remedy(for: rung, refusal.failure))
        }
        let address = version == .v4 ? IPAddress.v4(.loopback) : .v6(.loopback)
        do throws(Errno) {
            let (measured, trial) = try tryLoopback(address)
            if let roundTrip = trial.roundTrip {
                return DiagnosisFinding(
                    .socket, name, "\(address) answers in \(milliseconds(roundTrip)) ms; \(trial.words)", .works,
                    version: version, trial: trial)
            }
            if case .failed(let code, let name, _) = measured.failure {
                return DiagnosisFinding(
                    .socket, rung.rawValue, "allowed; \(address) cannot be sent to: \(Errno(rawValue: code))",
                    .unproven,
                    version: version, errorName: name, remedy: surroundings.loopbackRemedy(version), trial: trial)
            }
            return DiagnosisFinding(
                .socket, name, "allowed; \(address) does not answer", .unproven, version: version,
                remedy: surroundings.silenceRemedy(version), trial: trial)
        } catch {
            return DiagnosisFinding(
                .socket, name, "allowed; \(error)", .unproven, version: version, errorName: error.name)
        }
    }

    private func tryLoopback(_ address: IPAddress) throws(Errno) -> (LoopbackTrial, SocketTrial) {
        guard let transport = transport.take() else { throw .badFileDescriptor }
        let start = ProbeLoop<LoopbackTrial>.now
        var loop = try ProbeLoop(LoopbackTrial(address, transport.method, start: start), over: transport)
        try loop.run(
            signals: try SignalDescriptor([]), other: try WakeDescriptor(), onEvent: { _, _ in }, onSignal: { _, _ in },
            onOther: { _ in }, afterBatch: { true })
        let trial = loop.measurement
        let sender = loop.transport.channels.first { $0.encapsulation != nil }
        let keys =
            switch sender?.keys {
            case .explicit: "named"
            case .counted: "counted"
            case .some(.none), nil: "none"
            }
        return (
            trial,
            SocketTrial(
                roundTrip: trial.roundTrip, hasSendStamp: trial.sendStamp != nil,
                hasArrivalStamp: trial.arrivalStamp != nil, stampKeys: keys)
        )
    }

    /// With three decimals.
    private func milliseconds(_ span: TimeSpan) -> String {
        let microseconds = (span.nanoseconds + 500) / 1_000
        let decimals = String(microseconds % 1_000)
        return "\(microseconds / 1_000).\(String(repeating: "0", count: 3 - decimals.utf8.count))\(decimals)"
    }
}

extension SocketTrial {
    /// Whose times there are and how they are told apart.
    fileprivate var words: String {
        let keys =
            switch stampKeys {
            case "named": "keys named by the call (SCM_TS_OPT_ID)"
            case "counted": "keys counted by the kernel (no SCM_TS_OPT_ID)"
            default: "no keys"
            }
        switch (hasSendStamp, hasArrivalStamp) {
        case (true, true): return "kernel stamps of sending and arrival, \(keys)"
        case (true, false): return "a kernel stamp of sending, \(keys), none of arrival"
        case (false, true): return "a kernel stamp of arrival, none of sending"
        case (false, false): return "no kernel stamps: timed by this process"
        }
    }
}
