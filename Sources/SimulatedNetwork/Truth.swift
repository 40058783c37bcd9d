import PacketFormats

/// What really happened in a simulation, for tests to compare a measurement with.
public struct Truth: Hashable, Sendable {
    /// One record per packet that the host sent, in the order of sending; empty when the network does not record.
    public internal(set) var packets: [SentPacket] = []
    public internal(set) var counters = Counters()

    /// The fate of one packet of the host, its copies and their answers.
    public struct SentPacket: Hashable, Sendable {
        /// When the host sent it, in nanoseconds.
        public var time: Int64
        /// How often it or a copy reached somebody who had to answer: a target, or the router where it ended.
        public var arrivals = 0
        public var losses: [Loss] = []
        /// What reached the host because of it, in the order of arrival.
        public var deliveries: [Delivery] = []

        /// Whether nothing came back.
        public var isUnanswered: Bool { deliveries.isEmpty }
    }

    /// The end of a packet, a copy or an answer that did not reach its goal.
    public struct Loss: Hashable, Sendable {
        /// The name of the node where it happened: for a loss on a link, the node that the packet would have reached.
        public var node: String
        /// Whether it was an answer.
        public var isBackward: Bool
        public var reason: Reason

        public init(node: String, isBackward: Bool, reason: Reason) {
            self.node = node
            self.isBackward = isBackward
            self.reason = reason
        }
    }

    public enum Reason: Hashable, Sendable {
        /// A link lost it.
        case loss
        /// A link damaged it and the receiver saw that by its checksum.
        case corruption
        /// Too big for a link, and nobody said so or could.
        case tooBig
        /// A firewall dropped it.
        case filtered
        /// The hop limit ran out where no error is sent.
        case hopLimit
        /// The router is silent, or the port or the host never answers.
        case silence
        /// The router has given as many errors as it may.
        case rateLimit
        /// Not a packet: impossible lengths or a wrong header checksum.
        case malformed
        /// Nobody has to answer it: multicast, an answer, a fragment of a datagram that never became whole.
        case ignored
        /// More packets under way than the simulation holds.
        case overflow
    }

    /// A packet that reached the host.
    public struct Delivery: Hashable, Sendable {
        public var time: Int64
        /// Which delivery of all this is, from 1: several may have the same time.
        public var number: Int
        /// The name of the node that answered.
        public var node: String
        /// Whether it is an ICMP error.
        public var isError: Bool
        /// Whether a link flipped one of its bits.
        public var isCorrupted: Bool
        /// The last of the ways in which it was made to differ from an honest answer.
        public var hostile: HostileReply.Kind?
        /// Whether an answer to a packet sent later came before the first answer to this one.
        public var isReordered: Bool
        /// Whether an answer to the same packet came before.
        public var isDuplicate: Bool
    }

    /// Sums over all packets.
    public struct Counters: Hashable, Sendable {
        /// Packets that the host sent.
        public var sent = 0
        /// Packets that reached somebody who had to answer.
        public var arrived = 0
        /// Packets that were lost before anybody had to answer.
        public var lostForward = 0
        /// Answers that were lost.
        public var lostBackward = 0
        /// Packets that reached the host.
        public var delivered = 0
        /// Copies that links made.
        public var duplicated = 0
        /// Bits that links flipped, each in another packet.
        public var corrupted = 0
        /// Packets that links held back.
        public var heldBack = 0
        /// Deliveries marked as reordered.
        public var reordered = 0
        /// Answers not given because of a rate limit.
        public var rateLimited = 0
        /// Answers not given because a router, a host or a port is silent.
        public var silenced = 0
        /// Packets that a router or a host cut into fragments.
        public var fragmented = 0
        /// Datagrams that a target put together from fragments.
        public var reassembled = 0
        /// Packets that were too big for a link and could not be cut.
        public var tooBig = 0
    }
}
