import PacketFormats

/// A simulated internet around one host: takes the IP packets that the host sends, and gives those that reach it.
///
/// It knows no clock: times are nanoseconds on the caller's scale and never go back (an earlier one counts as the latest
/// that was seen). The same scenario, seed and calls give the same bytes. Whatever the host sends, nothing traps.
public struct SimulatedNetwork: Sendable {
    /// What happened so far, to packets that have not arrived yet too.
    public private(set) var truth = Truth()
    /// UTC in nanoseconds since 1970 less the caller's scale: what the clocks of the hosts are set by.
    public var wallClockOffset: Int64 = 0

    /// - Parameters:
    ///   - seed: the only source of chance.
    ///   - recordsPackets: whether `truth` keeps a record of each packet; without, memory stays bounded for ever.
    public init(_ scenario: Scenario, seed: UInt64, recordsPackets: Bool = true) {
        topology = Topology(scenario)
        generator = SeededGenerator(seed: seed)
        salt = SeededGenerator.mix(seed)
        self.recordsPackets = recordsPackets
        buckets = [Bucket](repeating: Bucket(), count: topology.nodes.count)
        arrivals = [Int64](repeating: Int64.min, count: topology.edges.count + topology.nodes.count)
    }

    /// Takes a packet of the host: a whole IPv4 or IPv6 packet; octets behind its length are ignored.
    ///
    /// O(log packets under way), and what is due by `now` happens first.
    public mutating func send(_ packet: [UInt8], at now: Int64) {
        while let event = events.first, event.time <= now { step() }
        self.now = max(self.now, now)
        if start == nil { start = now }
        let origin = truth.counters.sent
        truth.counters.sent += 1
        if recordsPackets { truth.packets.append(Truth.SentPacket(time: self.now)) }
        var bytes = packet
        guard let layout = PacketLayout(&bytes) else {
            lose(origin, at: 0, isBackward: false, .malformed)
            return
        }
        let destination = topology.owner(of: layout.destination)
        if layout.destination.isMulticast || layout.destination == .v4(.broadcast) || destination == 0 {
            lose(origin, at: 0, isBackward: false, .ignored)
            return
        }
        forward(Packet(bytes: bytes, layout: layout, origin: origin, destination: destination), at: 0, cameOver: nil)
    }

    /// Takes a packet of the host as a span.
    public mutating func send(_ packet: RawSpan, at now: Int64) { send(packet.copied(), at: now) }

    /// When to call `receive` next: no packet reaches the host earlier, and none at this time either if it is a packet
    /// at some router that moves. nil: nothing is under way. Changes with every `send` and `receive`.
    public var nextDelivery: Int64? {
        inboxStart < inbox.count ? inbox[inboxStart].time : events.first?.time
    }

    /// The next packet that has reached the host at or before `now`, in the order of arrival; nil when there is none.
    public mutating func receive(at now: Int64) -> [UInt8]? {
        while inboxStart == inbox.count, let event = events.first, event.time <= now { step() }
        guard inboxStart < inbox.count, inbox[inboxStart].time <= now else {
            self.now = max(self.now, now)
            return nil
        }
        let packet = inbox[inboxStart].bytes
        inbox[inboxStart].bytes = []
        inboxStart += 1
        if inboxStart == inbox.count {
            inbox.removeAll(keepingCapacity: true)
            inboxStart = 0
        }
        return packet
    }

    /// A packet on its way through the network.
    private struct Packet: Sendable {
        var bytes: [UInt8]
        var layout: PacketLayout
        /// Which packet of the host this is, or answers.
        var origin: Int
        /// The node that owns the destination, nil when nobody does.
        var destination: Int?
        var isBackward = false
        /// Copies are not copied again: a loop of links that all duplicate stays bounded.
        var isCopy = false
        var isCorrupted = false
        /// The node that answered.
        var responder = 0
        var hostile: HostileReply.Kind?
        /// What routers changed in a packet on its way, and will take back in the answer; the latest one last.
        var changes: [Change] = []
        /// On it in a tunnel.
        var label: Label?

        /// The first rule that holds the packet.
        func filter(_ filters: [Filter]) -> Filter? {
            filters.first { filter in
                guard filter.transport.holds(layout.proto) else { return false }
                guard filter.transport != .icmp, filter.ports != 0...65_535 else { return true }
                // Later fragments have no ports.
                guard layout.fragmentOffset == 0, layout.transport + 4 <= bytes.count else { return false }
                return filter.ports.contains(bytes.uint16(at: layout.transport + 2))
            }
        }
    }

    private struct Label: Sendable {
        var tunnel: Int
        /// Which node of the tunnel the packet is at, or on its way to.
        var position: Int
        var timeToLive: UInt8
    }

    private struct Change: Sendable {
        enum Kind: Sendable {
            case source(Translation, original: IPAddress)
            case destination(Redirection, original: IPAddress)
            case sequence(UInt32)
        }

        var node: Int
        var kind: Kind
    }

    private struct Event {
        var time: Int64
        /// Events of one time happen in the order in which they were planned.
        var order: UInt64
        var slot: Int
        var place: Place

        func isBefore(_ other: Event) -> Bool { time != other.time ? time < other.time : order < other.order }
    }

    private enum Place {
        /// Arrives over this edge.
        case edge(Int)
        /// Starts at this node.
        case node(Int)
        /// Arrives at the source over the return path of a router.
        case source
    }

    private struct Bucket {
        /// In units of the limit's period, so that no fraction is lost.
        var level: Int64 = 0
        /// Of the last look; before the first one the bucket is full.
        var time = Int64.min
    }

    private var topology: Topology
    private var generator: SeededGenerator
    private let salt: UInt64
    private let recordsPackets: Bool
    private var now = Int64.min
    /// When the first packet was sent.
    private var start: Int64?
    private var events: [Event] = []
    private var order: UInt64 = 0
    private var slots: [Packet?] = []
    private var freeSlots: [Int] = []
    private var inbox: [(time: Int64, bytes: [UInt8])] = []
    private var inboxStart = 0
    private var buckets: [Bucket]
    /// When the latest packet that kept its order arrives, by edge and, behind them, by node of a return path.
    private var arrivals: [Int64]
    private var reassembler = Reassembler()
    private var identification: UInt16 = 0
    private var latestAnswered = -1

    /// Packets under way at the most; more are lost.
    private static let capacity = 1 << 20
}

// MARK: Time

extension SimulatedNetwork {
    /// Lets the next event happen.
    private mutating func step() {
        let event = popEvent()
        now = max(now, event.time)
        guard let packet = slots[event.slot] else { return }
        slots[event.slot] = nil
        freeSlots.append(event.slot)
        switch event.place {
        case .source:
            deliver(packet)
        case .node(let node):
            backward(packet, from: node)
        case .edge(let edge):
            let node = topology.edges[edge].to
            guard packet.isBackward else {
                forward(packet, at: node, cameOver: edge)
                return
            }
            if node == 0 { deliver(packet) } else { passBack(packet, at: node) }
        }
    }

    private mutating func plan(_ packet: Packet, _ place: Place, at time: Int64) {
        guard events.count < Self.capacity else {
            lose(packet, at: 0, .overflow)
            return
        }
        let slot = freeSlots.popLast() ?? slots.count
        if slot == slots.count { slots.append(packet) } else { slots[slot] = packet }
        order += 1
        let event = Event(time: time, order: order, slot: slot, place: place)
        var hole = events.count
        events.append(event)
        while hole > 0 {
            let parent = (hole - 1) / 2
            let other = events[parent]
            guard event.isBefore(other) else { break }
            events[hole] = other
            hole = parent
        }
        events[hole] = event
    }

    /// Takes the earliest event, of at least one, out of the heap.
    private mutating func popEvent() -> Event {
        let earliest = events[0]
        let event = events.removeLast()
        let count = events.count
        guard count > 0 else { return earliest }
        var hole = 0
        var child = 1
        while child < count {
            var other = events[child]
            if child + 1 < count, events[child + 1].isBefore(other) {
                child += 1
                other = events[child]
            }
            guard other.isBefore(event) else { break }
            events[hole] = other
            hole = child
            child = 2 * hole + 1
        }
        events[hole] = event
        return earliest
    }
}

// MARK: Forward

extension SimulatedNetwork {
    /// A packet of the host is at `node`, which owns it or sends it on.
    private mutating func forward(_ packet: Packet, at node: Int, cameOver incoming: Int?) {
        var packet = packet
        if let label = packet.label, label.position < topology.tunnels[label.tunnel].last {
            switchLabel(packet, label, at: node, cameOver: incoming)
            return
        }
        if packet.destination == node {
            arrive(packet, at: node, cameOver: incoming)
            return
        }
        guard let router = topology.nodes[node].router else {
            guard node == 0, incoming == nil else {
                lose(packet, at: node, .ignored)
                return
            }
            guard let edge = nextEdge(packet, at: 0, cameOver: nil) ?? topology.leaving[0].first else {
                lose(packet, at: node, .ignored)
                return
            }
            push(packet, over: edge)
            return
        }
        guard packet.bytes.hopLimit > 1 || (packet.bytes.hopLimit == 1 && router.forwardsZero) else {
            refuse(packet, at: node, cameOver: incoming, .timeExceeded(packet.layout.version), code: 0)
            return
        }
        if let redirection = router.redirection, redirect(&packet, redirection, at: node) {
            arrive(packet, at: node, cameOver: incoming)
            return
        }
        if let reason = refusal(packet, at: node, router) {
            refuse(
                packet, at: node, cameOver: incoming, .destinationUnreachable(packet.layout.version),
                code: reason.code(packet.layout.version))
            return
        }
        if let filter = packet.filter(router.filters) {
            guard let reason = filter.reason else {
                lose(packet, at: node, .filtered)
                return
            }
            refuse(
                packet, at: node, cameOver: incoming, .destinationUnreachable(packet.layout.version),
                code: reason.code(packet.layout.version))
            return
        }
        guard let edge = nextEdge(packet, at: node, cameOver: incoming) else {
            refuse(
                packet, at: node, cameOver: incoming, .destinationUnreachable(packet.layout.version),
                code: Unreachable.net.code(packet.layout.version))
            return
        }
        packet.bytes.decrementHopLimit()
        if let bleach = router.bleaches { packet.bytes.trafficClass &= bleach.mask }
        if packet.layout.version == .v4, packet.layout.transport > 20,
            let address = topology.edges[edge].near.v4 ?? router.v4
        {
            packet.bytes.recordRoute(address, headerLength: packet.layout.transport)
        }
        change(&packet, router, at: node)
        packet.label = topology.tunnel(startingWith: edge, to: packet.destination).map { number in
            let copies = topology.tunnels[number].kind.copiesHopLimit
            return Label(tunnel: number, position: 1, timeToLive: copies ? packet.bytes.hopLimit : 255)
        }
        push(packet, over: edge, cameOver: incoming)
    }

    /// A packet is at a router inside of a tunnel, which looks at the label alone.
    private mutating func switchLabel(_ packet: Packet, _ label: Label, at node: Int, cameOver incoming: Int?) {
        guard label.timeToLive > 1 else {
            refuse(packet, at: node, cameOver: incoming, .timeExceeded(packet.layout.version), code: 0)
            return
        }
        var packet = packet
        let tunnel = topology.tunnels[label.tunnel]
        let isLast = label.position == tunnel.last - 1
        // What is left of the label when it goes is left of the hop limit (RFC 3443 section 3.1).
        if isLast { packet.bytes.hopLimit = min(packet.bytes.hopLimit, label.timeToLive - 1) }
        packet.label =
            isLast && tunnel.kind != .opaque
            ? nil : Label(tunnel: label.tunnel, position: label.position + 1, timeToLive: label.timeToLive - 1)
        push(packet, over: tunnel.edges[label.position], cameOver: incoming)
    }

    /// Gives a packet another destination. Returns whether that is the router itself.
    private mutating func redirect(_ packet: inout Packet, _ redirection: Redirection, at node: Int) -> Bool {
        let header = TranslatedHeader(packet.layout)
        guard let address = redirection.address(header.version), packet.layout.destination != address else {
            return false
        }
        packet.changes.append(
            Change(node: node, kind: .destination(redirection, original: packet.layout.destination)))
        packet.bytes.translate(header, isSource: false, to: address)
        packet.layout.destination = address
        packet.destination = topology.owner(of: address)
        return packet.destination == node
    }

    /// What a router changes in a packet that leaves it.
    private func change(_ packet: inout Packet, _ router: Scenario.Router, at node: Int) {
        if !router.rewriting.isNothing {
            packet.bytes.apply(router.rewriting, packet.layout)
            if packet.layout.version == .v4, let number = router.rewriting.identification {
                packet.layout.identification = UInt32(number)
            }
            if router.rewriting.sequenceShift != 0 {
                packet.changes.append(Change(node: node, kind: .sequence(router.rewriting.sequenceShift)))
            }
        }
        let header = TranslatedHeader(packet.layout)
        guard let translation = router.translation, let address = translation.address(header.version),
            packet.layout.source != address
        else { return }
        packet.changes.append(Change(node: node, kind: .source(translation, original: packet.layout.source)))
        packet.bytes.translate(header, isSource: true, to: address)
        packet.bytes.shiftPort(header, isSource: true, by: translation.portShift)
        packet.layout.source = address
    }

    /// Why a router does not forward a packet although its hop limit would allow it.
    private func refusal(_ packet: Packet, at node: Int, _ router: Scenario.Router) -> Unreachable? {
        if let reason = router.refuses { return reason }
        guard let destination = packet.destination else { return .net }
        guard topology.nodes[destination].attachment == node, let target = topology.nodes[destination].target else {
            return nil
        }
        if let reason = target.refuses { return reason }
        return topology.isLive(packet.layout.destination, destination) ? nil : target.dead
    }

    private mutating func nextEdge(_ packet: Packet, at node: Int, cameOver incoming: Int?) -> Int? {
        if topology.nodes[node].router?.loops == true, let incoming {
            return topology.edge(from: node, to: topology.edges[incoming].from)
        }
        guard let destination = packet.destination,
            let edge = topology.edge(from: node, cameOver: incoming, to: destination)
        else { return nil }
        guard let group = topology.group(of: edge, cameOver: incoming) else { return edge }
        switch group.choice {
        case .flow(let key):
            let hash = key == .packet ? generator.next() : flowHash(packet, key, at: node)
            return group.edges[Int(hash.multipliedFullWidth(by: UInt64(group.edges.count)).high)]
        case .time(let schedule):
            return group.edges[schedule.isSecond(after: now &- (start ?? now)) ? 1 : 0]
        }
    }

    /// The hash of what a router looks at: constant for a flow, and another one at every router.
    private func flowHash(_ packet: Packet, _ key: BalanceKey, at node: Int) -> UInt64 {
        let layout = packet.layout
        var hash = salt ^ SeededGenerator.mix(UInt64(node))
        for address in [layout.source, layout.destination] {
            switch address {
            case .v4(let address): hash = SeededGenerator.mix(hash ^ UInt64(address.rawValue))
            case .v6(let address): hash = SeededGenerator.mix(SeededGenerator.mix(hash ^ address.high) ^ address.low)
            }
        }
        var seen: UInt64 = 0
        switch key {
        case .destination, .packet:
            break
        case .flowLabel:
            if layout.version == .v6 { seen = UInt64(packet.bytes.bytes.uint32(at: 0) & 0xf_ffff) }
        case .ports, .transport:
            seen = UInt64(layout.proto.rawValue) << 32
            let hasPorts = layout.proto == .udp || layout.proto == .tcp || key == .transport
            if hasPorts, !layout.isFragment, layout.transport + 4 <= packet.bytes.count {
                seen |= UInt64(packet.bytes.bytes.uint32(at: layout.transport))
            }
        }
        return SeededGenerator.mix(hash ^ seen)
    }

    /// Sends a packet over an edge, in fragments if it has to be and may be cut.
    private mutating func push(_ packet: Packet, over edge: Int, cameOver incoming: Int? = nil) {
        let link = topology.edges[edge]
        guard packet.bytes.count > link.mtu else {
            cross(packet, edge)
            return
        }
        guard packet.bytes.dontFragment else {
            guard let pieces = cut(packet, mtu: link.mtu) else {
                truth.counters.tooBig += 1
                lose(packet, at: link.to, .tooBig)
                return
            }
            for piece in pieces { cross(piece, edge) }
            return
        }
        truth.counters.tooBig += 1
        // The host's own link is the host's own affair, and about answers there are no errors.
        guard link.from != 0, !packet.isBackward, !link.isBlackHole else {
            lose(packet, at: link.to, .tooBig)
            return
        }
        let mtu = UInt32(clamping: link.claimedMTU)
        switch packet.layout.version {
        case .v4:
            refuse(packet, at: link.from, cameOver: incoming, .V4.destinationUnreachable, code: 4, rest: mtu & 0xffff)
        case .v6:
            refuse(packet, at: link.from, cameOver: incoming, .V6.packetTooBig, code: 0, rest: mtu)
        }
    }

    private mutating func cut(_ packet: Packet, mtu: Int) -> [Packet]? {
        identification &+= 1
        guard
            let pieces = fragments(
                of: packet.bytes, packet.layout, mtu: mtu, identification: UInt32(identification) | 0x5157_0000)
        else { return nil }
        truth.counters.fragmented += 1
        var result: [Packet] = []
        for piece in pieces {
            var fragment = packet
            fragment.bytes = piece
            guard let layout = PacketLayout(&fragment.bytes) else { return nil }
            fragment.layout = layout
            result.append(fragment)
        }
        return result
    }
}

// MARK: Links

extension SimulatedNetwork {
    /// A packet enters a link: it is lost, or arrives, once or twice, later.
    private mutating func cross(_ packet: Packet, _ edge: Int) {
        let link = topology.edges[edge]
        // What a router or target says about its access holds on the link by which the source reaches it.
        let access = topology.nodes[packet.isBackward ? link.from : link.to].access
        cross(packet, [link.impairment, access], toward: link.to, arrival: edge, .edge(edge))
    }

    private mutating func cross(
        _ packet: Packet, _ impairments: [Impairment?], toward node: Int, arrival: Int, _ place: Place
    ) {
        var packet = packet
        var delay: Int64 = 0
        var isHeldBack = false
        var isDuplicated = false
        for case let impairment? in impairments {
            if generator.happens(impairment.loss) {
                lose(packet, at: node, .loss)
                return
            }
            delay &+= generator.duration(of: impairment.delay)
            if generator.happens(impairment.reorder) {
                isHeldBack = true
                delay &+= max(0, impairment.reorderDelay)
            }
            if generator.happens(impairment.corrupt) { corrupt(&packet) }
            if generator.happens(impairment.duplicate), !packet.isCopy { isDuplicated = true }
        }
        var time = now &+ delay
        if isHeldBack {
            truth.counters.heldBack += 1
        } else {
            time = max(time, arrivals[arrival])
            arrivals[arrival] = time
        }
        if isDuplicated {
            truth.counters.duplicated += 1
            plan(packet, place, at: time)
            packet.isCopy = true
        }
        plan(packet, place, at: time)
    }

    /// Flips a bit behind the upper-layer header, or in it where nothing follows; a second one could undo the first.
    private mutating func corrupt(_ packet: inout Packet) {
        guard !packet.isCorrupted else { return }
        let header = packet.layout.proto == .tcp ? 20 : 8
        let start = packet.layout.fragmentOffset > 0 ? packet.layout.transport : packet.layout.transport + header
        let first = start < packet.bytes.count ? start : min(packet.layout.transport, packet.bytes.count)
        guard first < packet.bytes.count else { return }
        let bit = generator.number(below: UInt64(packet.bytes.count - first) * 8)
        packet.bytes[first + Int(bit / 8)] ^= 1 << UInt8(bit % 8)
        packet.isCorrupted = true
        truth.counters.corrupted += 1
    }
}

// MARK: Answers

extension SimulatedNetwork {
    /// A packet reached the node to which it is addressed.
    private mutating func arrive(_ packet: Packet, at node: Int, cameOver incoming: Int?) {
        var packet = packet
        if packet.layout.isFragment {
            let whole = reassembler.add(packet.bytes, packet.layout, origin: packet.origin, at: now)
            for origin in reassembler.abandoned { lose(origin, at: node, isBackward: false, .ignored) }
            reassembler.abandoned = []
            guard let (bytes, origin) = whole else { return }
            packet.bytes = bytes
            packet.origin = origin
            guard let layout = PacketLayout(&packet.bytes) else {
                lose(packet, at: node, .malformed)
                return
            }
            packet.layout = layout
            truth.counters.reassembled += 1
        }
        guard InternetChecksum.verifies(packet.bytes, packet.layout) else {
            lose(packet, at: node, packet.isCorrupted ? .corruption : .malformed)
            return
        }
        noteArrival(packet)
        guard topology.isLive(packet.layout.destination, node) else {
            silence(packet, at: node)
            return
        }
        let answers = topology.nodes[node].answers
        if answers.isSilent {
            silence(packet, at: node)
            return
        }
        let layout = packet.layout
        switch layout.proto {
        case .icmp where layout.version == .v4, .icmpv6 where layout.version == .v6:
            if layout.version == .v4, let clock = answers.clock, packet.bytes.count >= layout.transport + 20,
                packet.bytes[layout.transport] == ICMPType.V4.timestampRequest.rawValue
            {
                let receive = reading(of: clock, at: now)
                answer(
                    Answer(timing: packet.bytes, layout, receive: receive, hopLimit: answers.hopLimit), packet, at: node
                )
                return
            }
            guard ICMPType(rawValue: packet.bytes[layout.transport]) == .echoRequest(layout.version),
                packet.bytes.count >= layout.transport + 8
            else {
                lose(packet, at: node, .ignored)
                return
            }
            guard answers.echoes else {
                silence(packet, at: node)
                return
            }
            answer(Answer(echoing: packet.bytes, layout, hopLimit: answers.hopLimit), packet, at: node)
        case .udp:
            answerDatagram(packet, at: node, answers, cameOver: incoming)
        case .tcp:
            answerSegment(packet, at: node, answers)
        default:
            // RFC 1122 section 3.2.2.1: protocol unreachable; RFC 8200 section 4: unrecognized next header.
            let isV4 = layout.version == .v4
            refuse(
                packet, at: node, cameOver: incoming, isV4 ? .V4.destinationUnreachable : .V6.parameterProblem,
                code: isV4 ? 2 : 1, rest: isV4 ? 0 : 6, isArrival: true)
        }
    }

    private mutating func answerDatagram(
        _ packet: Packet, at node: Int, _ answers: Answers, cameOver incoming: Int?
    ) {
        let layout = packet.layout
        let length = packet.bytes.count - layout.transport
        guard length >= UDPHeader.length, Int(packet.bytes.uint16(at: layout.transport + 4)) == length else {
            lose(packet, at: node, .malformed)
            return
        }
        switch answers.udpService(packet.bytes.uint16(at: layout.transport + 2)) {
        case .echo:
            answer(Answer(echoingDatagram: packet.bytes, layout, hopLimit: answers.hopLimit), packet, at: node)
        case .silent:
            silence(packet, at: node)
        case .unreachable:
            refuse(
                packet, at: node, cameOver: incoming, .destinationUnreachable(layout.version),
                code: Unreachable.port.code(layout.version), isArrival: true)
        }
    }

    private mutating func answerSegment(_ packet: Packet, at node: Int, _ answers: Answers) {
        let service = answers.tcpService(packet.bytes.uint16(at: packet.layout.transport + 2))
        guard service != .filtered else {
            silence(packet, at: node)
            return
        }
        guard
            let reply = Answer(
                to: packet.bytes, packet.layout, isOpen: service == .open, hopLimit: answers.hopLimit)
        else {
            lose(packet, at: node, .ignored)
            return
        }
        answer(reply, packet, at: node)
    }

    /// The node sends an ICMP error about a packet, if it is one to do so and may now.
    private mutating func refuse(
        _ packet: Packet, at node: Int, cameOver incoming: Int?, _ type: ICMPType, code: UInt8, rest: UInt32 = 0,
        isArrival: Bool = false
    ) {
        if !isArrival { noteArrival(packet) }
        let answers = topology.nodes[node].answers
        // A target, and a router that is itself addressed, answers from the address that was asked.
        guard packet.layout.deservesError(packet.bytes), !answers.isSilent,
            let source = isArrival
                ? packet.layout.destination
                : topology.address(
                    of: node, packet.layout.version, cameOver: incoming,
                    leavesOver: leavingEdge(packet, at: node, cameOver: incoming))
        else {
            silence(packet, at: node)
            return
        }
        guard takeToken(node, answers.limit) else {
            truth.counters.rateLimited += 1
            note(packet.origin, Truth.Loss(node: topology.nodes[node].name, isBackward: true, reason: .rateLimit))
            return
        }
        var shown = answers
        if isArrival, answers.copiesHopLimit { shown.hopLimit = max(1, packet.bytes.hopLimit) }
        let interface = Answer.InterfaceObject(
            index: UInt32(truncatingIfNeeded: (incoming ?? 0) + 1), address: source,
            name: incoming.map { "to-" + topology.nodes[topology.edges[$0].from].name } ?? "lo",
            mtu: incoming.map { UInt32(clamping: min(topology.edges[$0].mtu, 1500)) } ?? 1500)
        answer(
            Answer(
                error: type, code: code, rest: rest, about: packet.bytes, packet.layout, from: source, shown,
                interface: interface, labels: labels(of: packet, at: node, answers)), packet, at: node)
    }

    /// The labels that an error about the packet shows: of its tunnel, and what the scenario adds.
    private func labels(of packet: Packet, at node: Int, _ answers: Answers) -> [ShownLabel] {
        let plain = answers.labels.map { ShownLabel(label: $0, timeToLive: 1) }
        guard let label = packet.label else { return plain }
        let tunnel = topology.tunnels[label.tunnel]
        guard tunnel.kind.showsLabel, let place = tunnel.nodes.firstIndex(of: node) else { return plain }
        return [ShownLabel(label: tunnel.label + UInt32(max(0, place - 1)), timeToLive: max(1, label.timeToLive))]
            + plain
    }

    /// The edge by which a packet would leave a router whose errors show that.
    private mutating func leavingEdge(_ packet: Packet, at node: Int, cameOver incoming: Int?) -> Int? {
        guard topology.nodes[node].router?.answersFrom == .outgoing else { return nil }
        return nextEdge(packet, at: node, cameOver: incoming)
    }

    /// Sends an answer on its way: honest or not, once or more often, now or later.
    private mutating func answer(_ answer: Answer, _ packet: Packet, at node: Int) {
        var answer = answer
        var copies = 0
        let answers = topology.nodes[node].answers
        var delay = answer.proto == .icmp || answer.proto == .icmpv6 ? generator.duration(of: answers.slowness) : 0
        var hostile: HostileReply.Kind?
        if let clock = answers.clock { answer.setTransmitTime(reading(of: clock, at: now &+ delay)) }
        for reply in answers.hostile where generator.happens(reply.share) {
            hostile = reply.kind
            switch reply.kind {
            case .duplicate(let count): copies = min(max(0, count), 1_000)
            case .late(let time): delay &+= max(0, time)
            default: answer.twist(reply.kind)
            }
        }
        identification &+= 1
        var bytes = answer.packet(identification: identification)
        guard let layout = PacketLayout(&bytes) else { return }
        var reply = Packet(
            bytes: bytes, layout: layout, origin: packet.origin, destination: 0, isBackward: true, responder: node,
            hostile: hostile, changes: packet.changes)
        takeBack(&reply, at: node)
        for _ in 0...copies {
            if let label = packet.label, answer.isError, turn(reply, label, at: node, after: delay) { continue }
            if delay > 0 { plan(reply, .node(node), at: now &+ delay) } else { backward(reply, from: node) }
        }
    }

    /// Sends an error of a router inside of a tunnel on to the tunnel's end, from where it comes back: inside nobody
    /// knows a way to the host. Returns false where that does not hold.
    private mutating func turn(_ reply: Packet, _ label: Label, at node: Int, after delay: Int64) -> Bool {
        let tunnel = topology.tunnels[label.tunnel]
        guard topology.nodes[node].returnPath == nil, let place = tunnel.nodes.firstIndex(of: node),
            place < tunnel.last
        else { return false }
        var reply = reply
        var delay = delay
        for edge in tunnel.edges[place...] {
            let link = topology.edges[edge]
            for case let impairment? in [link.impairment, topology.nodes[link.to].access] {
                delay &+= generator.duration(of: impairment.delay)
            }
            guard link.to != tunnel.nodes[tunnel.last] else { break }
            guard reply.bytes.hopLimit > 1 else {
                lose(reply, at: link.to, .hopLimit)
                return true
            }
            reply.bytes.decrementHopLimit()
        }
        plan(reply, .edge(tunnel.edges[tunnel.last - 1]), at: now &+ delay)
        return true
    }

    private func reading(of clock: HostClock, at time: Int64) -> UInt32 {
        clock.reading(at: time &+ wallClockOffset, after: time &- (start ?? time))
    }

    private mutating func takeToken(_ node: Int, _ limit: RateLimit?) -> Bool {
        guard let limit else { return true }
        let capacity = limit.burst.multipliedReportingOverflow(by: limit.period)
        let most = capacity.overflow ? Int64.max : capacity.partialValue
        if buckets[node].time == Int64.min {
            buckets[node].level = most
        } else {
            let earned = (now &- buckets[node].time).multipliedReportingOverflow(by: limit.count)
            let level = buckets[node].level.addingReportingOverflow(earned.partialValue)
            buckets[node].level = earned.overflow || level.overflow ? most : min(most, level.partialValue)
        }
        buckets[node].time = now
        guard buckets[node].level >= limit.period else { return false }
        buckets[node].level -= limit.period
        return true
    }
}

// MARK: Backward

extension SimulatedNetwork {
    /// An answer starts at, or has been taken up by, `node` and goes on to the source.
    private mutating func backward(_ packet: Packet, from node: Int) {
        if let path = topology.nodes[node].returnPath {
            takeReturnPath(packet, path, from: node)
            return
        }
        guard let edge = topology.edge(from: node, cameOver: nil, to: 0) else {
            lose(packet, at: node, .ignored)
            return
        }
        var packet = packet
        if let tunnel = topology.hiddenTunnel(endingWith: edge) {
            packet.label = Label(tunnel: tunnel, position: topology.tunnels[tunnel].last - 1, timeToLive: 255)
        }
        // IPv6 is cut only where it starts, by somebody who knows the MTU of the path.
        if packet.layout.version == .v6, !packet.layout.isFragment, packet.bytes.count > 1280 {
            let mtu = pathMTU(from: node)
            if packet.bytes.count > mtu, let pieces = cut(packet, mtu: max(1280, mtu)) {
                for piece in pieces { push(piece, over: edge) }
                return
            }
        }
        push(packet, over: edge)
    }

    private mutating func pathMTU(from start: Int) -> Int {
        var mtu = Int.max
        var node = start
        for _ in 0..<topology.nodes.count {
            guard topology.nodes[node].returnPath == nil, let edge = topology.edge(from: node, cameOver: nil, to: 0)
            else { break }
            mtu = min(mtu, topology.edges[edge].mtu)
            node = topology.edges[edge].to
            if node == 0 { break }
        }
        return mtu
    }

    /// A router takes an answer and sends it on.
    private mutating func passBack(_ packet: Packet, at node: Int) {
        var packet = packet
        if let label = packet.label {
            passBack(packet, label, at: node)
            return
        }
        guard packet.bytes.hopLimit > 1, let router = topology.nodes[node].router else {
            lose(packet, at: node, .hopLimit)
            return
        }
        packet.bytes.decrementHopLimit()
        if packet.layout.version == .v4, packet.layout.transport > 20, let address = router.v4 {
            packet.bytes.recordRoute(address, headerLength: packet.layout.transport)
        }
        takeBack(&packet, at: node)
        backward(packet, from: node)
    }

    /// A router inside of a tunnel takes an answer, looks at the label alone and sends it on.
    private mutating func passBack(_ packet: Packet, _ label: Label, at node: Int) {
        var packet = packet
        let tunnel = topology.tunnels[label.tunnel]
        let left = label.timeToLive - 1
        let position = label.position - 1
        packet.label = Label(tunnel: label.tunnel, position: position, timeToLive: left)
        let next = topology.edge(from: node, cameOver: nil, to: 0).map { topology.edges[$0].to }
        if position < 1 || next != tunnel.nodes[position] || topology.nodes[node].returnPath != nil {
            packet.label = nil
            packet.bytes.hopLimit = min(packet.bytes.hopLimit, left)
        }
        backward(packet, from: node)
    }

    /// Takes back what this router, or any router, changed in the packet that is answered.
    private func takeBack(_ packet: inout Packet, at node: Int?) {
        while let change = packet.changes.last, node == nil || change.node == node {
            packet.changes.removeLast()
            switch change.kind {
            case .source(let translation, let original):
                packet.bytes.restoreSource(original, translation, packet.layout)
                packet.layout.destination = original
            case .destination(let redirection, let original):
                packet.bytes.restoreDestination(original, redirection, packet.layout)
                if packet.layout.source == redirection.address(packet.layout.version) {
                    packet.layout.source = original
                }
            case .sequence(let shift):
                packet.bytes.restoreAcknowledgment(shift, packet.layout)
            }
        }
    }

    /// The way of its own on which the answers at a router reach the source.
    private mutating func takeReturnPath(_ packet: Packet, _ path: Scenario.ReturnPath, from node: Int) {
        var packet = packet
        guard Int(packet.bytes.hopLimit) > path.hops else {
            lose(packet, at: node, .hopLimit)
            return
        }
        for _ in 0..<max(0, path.hops) { packet.bytes.decrementHopLimit() }
        // Wherever the answer comes out, the source must know it: translators share what they know.
        takeBack(&packet, at: nil)
        cross(packet, [path.impairment], toward: 0, arrival: topology.edges.count + node, .source)
    }

    private mutating func deliver(_ packet: Packet) {
        truth.counters.delivered += 1
        if recordsPackets, packet.layout.fragmentOffset == 0 {
            let isDuplicate = !truth.packets[packet.origin].deliveries.isEmpty
            let isReordered = !isDuplicate && packet.origin < latestAnswered
            if isReordered { truth.counters.reordered += 1 }
            latestAnswered = max(latestAnswered, packet.origin)
            truth.packets[packet.origin].deliveries.append(
                Truth.Delivery(
                    time: now, number: truth.counters.delivered, node: topology.nodes[packet.responder].name,
                    isError: packet.layout.isError(packet.bytes), isCorrupted: packet.isCorrupted,
                    hostile: packet.hostile, isReordered: isReordered, isDuplicate: isDuplicate))
        }
        guard inbox.count - inboxStart < Self.capacity else { return }
        inbox.append((now, packet.bytes))
    }
}

// MARK: Truth

extension SimulatedNetwork {
    private mutating func noteArrival(_ packet: Packet) {
        truth.counters.arrived += 1
        if recordsPackets { truth.packets[packet.origin].arrivals += 1 }
    }

    private mutating func silence(_ packet: Packet, at node: Int) {
        truth.counters.silenced += 1
        note(packet.origin, Truth.Loss(node: topology.nodes[node].name, isBackward: true, reason: .silence))
    }

    private mutating func lose(_ packet: Packet, at node: Int, _ reason: Truth.Reason) {
        lose(packet.origin, at: node, isBackward: packet.isBackward, reason)
    }

    private mutating func lose(_ origin: Int, at node: Int, isBackward: Bool, _ reason: Truth.Reason) {
        if isBackward { truth.counters.lostBackward += 1 } else { truth.counters.lostForward += 1 }
        note(origin, Truth.Loss(node: topology.nodes[node].name, isBackward: isBackward, reason: reason))
    }

    private mutating func note(_ origin: Int, _ loss: Truth.Loss) {
        if recordsPackets { truth.packets[origin].losses.append(loss) }
    }
}
