import PacketFormats

extension MultipathTrace {
    public struct Configuration: Sendable {
        public var destination: IPAddress
        /// The flows that may be used.
        public var space: FlowSpace
        public var rule = StoppingRule(confidence: 0.95)
        /// Spares probes where all nodes of a hop look alike, by the tests of MDA-Lite (Vermeulen et al., IMC 2018): the
        /// probability of a miss is then that of whole hops and not of single nodes.
        public var isLite = false
        public var firstHop = 1
        public var maximumHop = 30
        /// Probes that may be sent in all.
        public var maximumProbes = 3_000
        /// Probes under way at once.
        public var maximumInFlight = 512
        /// Between two probes.
        public var pause = TimeSpan.zero
        /// The longest that any answer is waited for, and the factors that shorten it, as in `PathTrace`.
        public var maximumWait = TimeSpan.seconds(5)
        public var hereFactor = 3.0
        public var nearFactor = 10.0
        /// How long hops are waited for behind which nobody answers, at least.
        public var tailWait: TimeSpan? = .seconds(1)
        public var maximumDelay: TimeSpan? = .milliseconds(500)
        /// Ends a path behind so many silent hops in a row; nil goes on to the last.
        public var gapLimit: Int? = 5
        public var payloadLength = 32
        public var trafficClass: UInt8 = 0
        public var dontFragment = false
        /// Decides the order in which hops are asked.
        public var seed: UInt64 = 0
        /// Wait for the kernel's send stamps before an answer is told.
        public var wantsKernelStamps = true

        public init(destination: IPAddress, space: FlowSpace) {
            self.destination = destination
            self.space = space
        }
    }
}
