import PacketFormats
import ProbeEngine

extension JSONLine {
    /// The start of a line with the members that every line has.
    init(
        _ type: String, time: Int64, target: ReportTarget, method: ProbeMethod, zones: [UInt32: SafeText]
    ) {
        self.init()
        add("v", Self.version)
        add("type", type)
        add("time", instant: time)
        add("target", target.name)
        add("address", target.address.text(zones))
        add("family", target.address.version.word)
        add("transport", method.word)
    }

    /// The same for a line about all targets: the members are there, but null.
    init(typeWithoutTarget type: String, time: Int64, method: ProbeMethod) {
        self.init()
        add("v", Self.version)
        add("type", type)
        add("time", instant: time)
        addNull("target")
        addNull("address")
        addNull("family")
        add("transport", method.word)
    }

    /// The same for a line about this host: it has no target, and only one about a kind of socket has the others.
    init(diagnosisAt time: Int64, version: IPVersion?, rung: String?) {
        self.init()
        add("v", Self.version)
        add("type", "diagnosis")
        add("time", instant: time)
        addNull("target")
        addNull("address")
        if let version { add("family", version.word) } else { addNull("family") }
        if let rung { add("transport", rung == "udp" ? "udp" : "icmp") } else { addNull("transport") }
    }

    /// Adds who answered, and the name where it is known.
    mutating func add(responder: IPAddress, name: SafeText?, zones: [UInt32: SafeText]) {
        add("responder", responder.text(zones))
        if let name { add("name", name) }
    }

    /// Adds who announces an address, nothing where that is not known.
    mutating func add(_ origins: ASOrigins?) {
        if let origins { add("asn", integers: origins.numbers.map(\.rawValue)) }
    }

    /// Adds an ICMP error: its numbers and what the octets behind the checksum mean in it.
    mutating func add(icmpError type: ICMPType, code: UInt8, info: UInt32, version: IPVersion) {
        add("icmp_type", type.rawValue)
        add("icmp_code", code)
        var header = ICMPHeader(type: type, code: code)
        header.rest = info
        if let mtu = header.mtu(version) { add("mtu", mtu) }
        if let pointer = header.pointer(version) { add("pointer", pointer) }
        if let gateway = header.gateway(version) { add("gateway", gateway.description) }
    }

    /// Adds what a router added to its error (RFC 4884), nothing where it added nothing.
    mutating func add(extensionsOf detail: ResponseDetail?, zones: [UInt32: SafeText]) {
        guard let objects = detail?.extensions?.objects, !objects.isEmpty else { return }
        add("extensions", objects: objects) { line, object in
            switch object {
            case .mpls(let labels):
                line.add("class", "mpls")
                line.add("labels", objects: labels) { line, label in
                    line.add("label", label.label)
                    line.add("traffic_class", label.trafficClass)
                    line.add("bottom_of_stack", label.isBottomOfStack)
                    line.add("ttl", label.timeToLive)
                }
            case .interface(let information):
                line.add("class", "interface")
                line.add(information, zones)
            case .unknown(let classNumber, let cType, let payload):
                line.add("class", "unknown")
                line.add("class_number", classNumber)
                line.add("c_type", cType)
                line.add("payload", hexadecimal(payload))
            }
        }
    }

    /// Adds what a router says of an interface of its own (RFC 5837).
    mutating func add(_ information: InterfaceInformation, _ zones: [UInt32: SafeText]) {
        add("role", information.role.word)
        if let index = information.index { add("index", index) }
        if let address = information.address { add("address", address.text(zones)) }
        if let name = information.name { add("name", SafeText(name)) }
        if let mtu = information.mtu { add("mtu", mtu) }
    }

    /// Adds what routers wrote into the options of a reply's header, nothing where it has none.
    mutating func add(ipv4OptionsOf detail: ResponseDetail?) {
        guard let options = detail?.ipv4Options, !options.isEmpty else { return }
        add("ip_options", objects: options) { line, option in
            line.add("option", option.word)
            switch option {
            case .recordRoute(let route): line.add("addresses", texts: route.passed.map { "\($0)" })
            case .looseSourceRoute(let route), .strictSourceRoute(let route):
                line.add("addresses", texts: route.slots.map { "\($0)" })
            case .timestamp(let timestamp):
                line.add("entries", objects: timestamp.recorded) { line, entry in
                    if let address = entry.address { line.add("address", "\(address)") }
                    line.add("time", entry.timestamp.rawValue)
                }
                line.add("overflow", timestamp.overflow)
            case .noOperation, .routerAlert, .unknown: line.add("number", option.type)
            }
        }
    }

    /// Adds what is wrong with a damaged answer.
    mutating func add(_ integrity: Response.Integrity) {
        switch integrity {
        case .intact, .wrongChecksum: add("fault", "checksum")
        case .wrongOctet(let offset, let expected, let found):
            add("fault", "octet")
            add("offset", offset)
            add("expected", expected)
            add("found", found)
        case .wrongLength(let sent, let received):
            add("fault", "length")
            add("sent", sent)
            add("received", received)
        }
    }

    /// Adds why the kernel refused a probe.
    mutating func add(_ failure: SendFailure) {
        add("errno", failure.errorNumber.name)
        add("code", failure.errorNumber.code)
    }

    /// Adds what a hop answered.
    mutating func add(_ answer: PathAnswer, _ facts: PathFacts, _ zones: [UInt32: SafeText]) {
        add("kind", answer.kind.word)
        add(responder: answer.responder, name: facts.name(answer.responder), zones: zones)
        add(facts.origins?(answer.responder))
        add("sent_hop_limit", Int(answer.probe.hopLimit))
        add("hop_limit", optional: answer.hopLimit)
        add("rtt_ns", answer.roundTrip.nanoseconds)
        add("clock", answer.clock.word)
        add(errorOf: answer)
        if let flags = answer.flags { add("tcp_flags", texts: flags.names) }
        add(extensionsOf: answer.detail, zones: zones)
    }

    /// Adds which error an answer is, nothing where it is none that ends a path.
    mutating func add(errorOf answer: PathAnswer) {
        guard case .error(let type, let code, let info) = answer.kind else { return }
        add(icmpError: type, code: code, info: info, version: answer.responder.version)
        if let annotation = answer.annotation { add("annotation", annotation) }
    }

    /// Adds round trips as the member `rtt`, `null` where there are none.
    ///
    /// - Parameter jitter: in nanoseconds, where it is to be told.
    mutating func add(_ trips: RoundTripStatistics, jitter: Double? = nil) {
        guard trips.count > 0 else { return addNull("rtt") }
        add(
            "rtt",
            object: { line in
                line.add("min_ns", trips.minimum.nanoseconds)
                line.add("avg_ns", TimeSpan(rounding: trips.mean).nanoseconds)
                line.add("max_ns", trips.maximum.nanoseconds)
                line.add("mdev_ns", TimeSpan(rounding: trips.deviation).nanoseconds)
                if let jitter { line.add("jitter_ns", TimeSpan(rounding: jitter).nanoseconds) }
                line.add(percentiles: trips.carriedPercentiles)
            })
    }

    /// Adds a word of our own, or `null` where there is none.
    mutating func add(_ name: String, word: String?) {
        if let word { add(name, word) } else { addNull(name) }
    }

    /// Adds an integer, or `null` where there is none.
    mutating func add(_ name: String, optional value: (some BinaryInteger)?) {
        if let value {
            add(name, value)
        } else {
            addNull(name)
        }
    }

    /// Of the schema: a number that changes only when a consumer must change.
    static let version = 1
}

extension IPVersion {
    /// As it stands in every line.
    var word: String {
        switch self {
        case .v4: "ipv4"
        case .v6: "ipv6"
        }
    }
}

extension ProbeMethod {
    /// As it stands in every line.
    var word: String {
        switch self {
        case .icmpEcho, .icmpTimestamp: "icmp"
        case .udp: "udp"
        case .tcpSYN: "tcp"
        case .ip: "ip"
        }
    }

    /// Nil where the protocol has no ports.
    var port: UInt16? {
        switch self {
        case .icmpEcho, .icmpTimestamp, .ip: nil
        case .udp(let port), .tcpSYN(let port): port
        }
    }
}

extension IPv4Option {
    /// As it stands among the options of a reply.
    fileprivate var word: String {
        switch self {
        case .noOperation: "no_operation"
        case .recordRoute: "record_route"
        case .looseSourceRoute: "loose_source_route"
        case .strictSourceRoute: "strict_source_route"
        case .timestamp: "timestamp"
        case .routerAlert: "router_alert"
        case .unknown: "unknown"
        }
    }
}

extension Stamp.Clock {
    /// As it stands beside a round trip.
    var word: String {
        switch self {
        case .kernel: "kernel"
        case .user: "user"
        case .mixed: "user_kernel"
        }
    }
}
