import PacketFormats

/// How large packets may be on a path, and where larger ones end: path MTU discovery that asks the path and not the
/// kernel's memory of it.
///
/// Runs behind a `PathTrace`, whose hops it takes. All probes carry DF or go over IPv6 unfragmented.
public struct PathMTU: Measurement, Sendable {
    public struct Configuration: Sendable {
        /// A hop that answered the trace.
        public struct Hop: Hashable, Sendable {
            public var number: Int
            public var responders: [IPAddress]
            /// The longest one seen.
            public var roundTrip: TimeSpan

            public init(number: Int, responders: [IPAddress], roundTrip: TimeSpan) {
                self.number = number
                self.responders = responders
                self.roundTrip = roundTrip
            }
        }

        public var destination: IPAddress
        /// ICMP echo or UDP: a SYN can't be of any size.
        public var method: ProbeMethod
        /// Those that answered, by rising number, the destination among them if it did.
        public var hops: [Hop]
        /// Where the destination answered; nil where it did not.
        public var destinationHop: Int?
        /// Octets of the first packet: the MTU of the interface that probes leave through.
        public var firstSize: Int
        public var trafficClass: UInt8 = 0
        public var flow: UInt16 = 0
        /// Octets of a small packet, which shows that a hop still answers: as long as those of the trace.
        public var controlSize: Int
        /// The longest that an answer is waited for.
        public var maximumWait = TimeSpan.seconds(1)
        public var maximumInFlight = 255
        /// No more probes than this are sent, whatever comes back.
        public var maximumProbes = 1_000

        public init(
            destination: IPAddress, method: ProbeMethod, hops: [Hop], destinationHop: Int?, firstSize: Int
        ) {
            self.destination = destination
            self.method = method
            self.hops = hops
            self.destinationHop = destinationHop
            self.firstSize = firstSize
            controlSize = destination.version == .v4 ? 60 : 80
        }

        /// Of a trace that is over: its rows, and where the destination answered.
        public init(
            after trace: PathTrace.Configuration, rows: [PathHop], destinationHop: Int?, firstSize: Int
        ) {
            let hops = rows.compactMap { row -> Hop? in
                let answers = row.answers.compactMap(\.self)
                guard let longest = answers.map(\.roundTrip).max() else { return nil }
                var responders: [IPAddress] = []
                for answer in answers where !responders.contains(answer.responder) {
                    responders.append(answer.responder)
                }
                return Hop(number: row.number, responders: responders, roundTrip: longest)
            }
            self.init(
                destination: trace.destination, method: trace.method, hops: hops, destinationHop: destinationHop,
                firstSize: firstSize)
            trafficClass = trace.trafficClass
        }
    }

    /// Whether probes of this method can have any size.
    public static func supports(_ method: ProbeMethod) -> Bool {
        let probe = Probe(destination: .v4(.any), method: method, payloadLength: 1)
        return ProbeCodec.transportLength(of: probe) - ProbeCodec.transportLength(of: probe.emptied) == 1
    }

    public let configuration: Configuration
    public private(set) var statistics = PathMTUStatistics()
    /// What is known so far; final when the schedule says `finished`.
    public private(set) var result: PathMTUResult

    private var events = Queue<PathMTUEvent>()
    private var isOver = false

    /// Ends at once without a probe where no hop answered or the method is not supported.
    public init(_ configuration: Configuration) {
        self.configuration = configuration
        result = PathMTUResult(firstSize: configuration.firstSize)
        isOver = configuration.hops.isEmpty || !Self.supports(configuration.method)
    }

    public mutating func nextTransmit(at now: Timestamp) -> Transmit? { nil }
    public mutating func didSend(_ id: ProbeID, at stamp: Stamp) {}
    public mutating func didNotSend(_ id: ProbeID, _ failure: SendFailure, at now: Timestamp) {}
    public mutating func receive(_ response: Response) {}
    public mutating func advance(to now: Timestamp) { isOver = true }
    public mutating func stop(at now: Timestamp) { isOver = true }
    public mutating func nextEvent() -> PathMTUEvent? { events.next() }
    public var schedule: Schedule { isOver ? .finished : .waitingForInput }
}

extension Probe {
    fileprivate var emptied: Probe {
        var probe = self
        probe.payloadLength = 0
        return probe
    }
}
