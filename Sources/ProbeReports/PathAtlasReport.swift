import PacketFormats
import ProbeEngine

/// A `PathTrace` as one object of the shape that RIPE Atlas gives its traceroute results (data format 5000), for the
/// programs that read those.
///
/// What Atlas knows and this host doesn't, the numbers of a measurement and of a probe, is 0.
public struct PathAtlasReport: PathReport {
    public var target: ReportTarget
    public var method: ProbeMethod
    /// The names of interfaces by index, for link-local addresses.
    public var zones: [UInt32: SafeText] = [:]
    private var start: PathStart?
    private var failures: [(hop: Int, failure: SendFailure)] = []

    public init(target: ReportTarget, method: ProbeMethod) {
        self.target = target
        self.method = method
    }

    /// Nothing: the object comes at the end.
    public mutating func appendStart(_ start: PathStart, to buffer: inout ReportBuffer) { self.start = start }

    /// Nothing: the object comes at the end.
    public mutating func append(
        _ event: PathEvent, _ facts: PathFacts, time: Int64, to buffer: inout ReportBuffer
    ) {
        if case .unsent(let hop, let failure) = event, failures.count < Self.maximumFailures {
            failures.append((hop, failure))
        }
    }

    /// The whole object.
    public func appendSummary(_ run: PathRun, _ facts: PathFacts, to buffer: inout ReportBuffer) {
        let second: Int64 = 1_000_000_000
        var line = JSONLine()
        line.add("fw", Self.format)
        line.add("type", "traceroute")
        line.add("msm_id", 0)
        line.add("prb_id", 0)
        line.add("msm_name", "Traceroute")
        line.add("timestamp", (start?.time ?? run.time) / second)
        line.add("endtime", run.time / second)
        line.add("af", target.address.version.rawValue)
        line.add("dst_name", target.name)
        line.add("dst_addr", target.address.text(zones))
        if let source = start?.source {
            line.add("src_addr", source.text(zones))
            line.add("from", source.text(zones))
        }
        line.add("proto", Self.proto(method))
        line.add("size", start?.configuration.payloadLength ?? 0)
        line.add("paris_id", start?.configuration.hasConstantFlow == false ? 0 : 1)
        line.add("result", objects: run.hops) { line, hop in
            line.add("hop", hop.number)
            let failure = failures.first { $0.hop == hop.number }?.failure
            if let failure, hop.answers.allSatisfy({ $0 == nil }) {
                line.add("error", failure.text)
            } else {
                line.add("result", objects: hop.answers) { line, answer in add(answer, to: &line) }
            }
        }
        line.finish()
        buffer.append(line)
    }

    private func add(_ answer: PathAnswer?, to line: inout JSONLine) {
        guard let answer else { return line.add("x", "*") }
        line.add("from", answer.responder.text(zones))
        if let hopLimit = answer.hopLimit { line.add("ttl", hopLimit) }
        line.add("size", answer.byteCount)
        line.add("rtt", milliseconds: answer.roundTrip)
        if let quoted = answer.detail?.quoted, quoted.hopLimit != 1 { line.add("ittl", quoted.hopLimit) }
        if let flags = answer.flags { line.add("flags", Self.letters(of: flags)) }
        if case .error(let type, let code, let info) = answer.kind {
            Self.add(error: type, code, info, answer.responder.version, to: &line)
        }
        guard let objects = answer.detail?.extensions?.objects, !objects.isEmpty else { return }
        line.add(
            "icmpext",
            object: { line in
                line.add("version", 2)
                line.add("rfc4884", 1)
                line.add("obj", objects: objects) { line, object in Self.add(object, to: &line) }
            })
    }

    private static func add(_ object: ICMPExtensionObject, to line: inout JSONLine) {
        switch object {
        case .mpls(let labels):
            line.add("class", 1)
            line.add("type", 1)
            line.add("mpls", objects: labels) { line, label in
                line.add("exp", label.trafficClass)
                line.add("label", label.label)
                line.add("s", label.isBottomOfStack ? 1 : 0)
                line.add("ttl", label.timeToLive)
            }
        case .interface:
            line.add("class", 2)
            line.add("type", 0)
        case .unknown(let classNumber, let cType, _):
            line.add("class", classNumber)
            line.add("type", cType)
        }
    }

    /// Letters for the codes that Atlas has one for, else the number.
    private static func add(
        error type: ICMPType, _ code: UInt8, _ info: UInt32, _ version: IPVersion, to line: inout JSONLine
    ) {
        let kind = Response.Kind.icmpError(type: type, code: code, info: info)
        if let mtu = kind.nextHopMTU(version) { line.add("mtu", mtu) }
        let letters: [UInt8: String] =
            version == .v4
            ? [0: "N", 1: "H", 2: "P", 3: "p", 9: "A", 10: "A", 13: "A"] : [0: "N", 1: "A", 3: "H", 4: "p"]
        if kind.isDestinationUnreachable(version), let letter = letters[code] {
            line.add("err", letter)
        } else {
            line.add("err", code)
        }
    }

    /// One letter for each flag, as in `SA`.
    private static func letters(of flags: TCPHeader.Flags) -> String {
        let known: [(TCPHeader.Flags, String)] = [
            (.fin, "F"), (.syn, "S"), (.rst, "R"), (.psh, "P"), (.ack, "A"), (.urg, "U"),
        ]
        return known.filter { flags.contains($0.0) }.map(\.1).joined()
    }

    private static func proto(_ method: ProbeMethod) -> String { method.word.uppercased() }

    /// The version of the data format.
    private static let format = 5_080
    private static let maximumFailures = 255
}
