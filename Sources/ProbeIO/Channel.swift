import LinuxSockets
import PacketFormats
import ProbeEngine

/// One socket of a transport and what comes out of it.
///
/// A class, so that a transport can keep several in an array: the socket inside has one owner.
final class Channel {
    /// How what the socket receives is to be read.
    enum Incoming: Equatable {
        /// Nothing is received, only the error queue is read.
        case nothing
        /// Whole IPv4 packets (raw sockets).
        case ipv4Packets
        /// ICMP messages without IP header: raw ICMPv6 and ping sockets, whose checksums the kernel has verified.
        case icmpMessages
        /// TCP segments without IP header (raw IPv6 sockets).
        case segments
        /// What is behind the IP header (raw IPv6 sockets of other protocols).
        case upperLayer(IPProtocol)
        /// The payloads of UDP datagrams.
        case datagrams
    }

    let socket: Socket
    let version: IPVersion
    let incoming: Incoming
    /// What a probe must look like to be sent here, nil for a socket that only receives.
    let encapsulation: Encapsulation?
    /// Whether the error queue holds errors of our probes, beside the times of sending.
    let readsErrors: Bool
    /// Tells our messages from others' on this socket.
    let codec: ProbeCodec

    /// The flow whose probes it sends, where each flow has a socket.
    var flow: UInt16?
    /// Whether each probe names its flow label to the kernel: that of its flow, as in packets whose header is ours.
    var labelsFlows = false
    /// Datagrams that the kernel dropped for lack of room.
    var dropped: UInt32 = 0
    /// The source address that a ping socket over IPv6 keeps for all of its destinations.
    var fixedSource: IPAddress?
    /// What this host would have taken in place of the packet that it refused last for its length.
    var refusedMTU: Int?
    /// How the kernel says whose sending time it reports.
    var keys = TimestampKeys.explicit

    init(
        _ socket: consuming Socket, _ version: IPVersion, incoming: Incoming, encapsulation: Encapsulation? = nil,
        readsErrors: Bool = false, codec: ProbeCodec
    ) {
        self.socket = socket
        self.version = version
        self.incoming = incoming
        self.encapsulation = encapsulation
        self.readsErrors = readsErrors
        self.codec = codec
    }

    /// Whether answers come in here.
    var receives: Bool { if case .nothing = incoming { false } else { true } }

    /// Whether a loop has to wait for it: not for a socket that only holds a port, because an unconnected stream reports
    /// its hang-up for ever.
    var isWaitedFor: Bool { receives || encapsulation != nil }

    /// Since Linux 6.13 a send call may name the key of its timestamp; before, the kernel counts the calls.
    enum TimestampKeys {
        case explicit
        case counted(CountedKeys)
        case none
    }
}

/// The keys that the kernel gives to send calls by counting them.
struct CountedKeys {
    private var next: UInt32 = 0
    private var ids = [ProbeID](repeating: ProbeID(rawValue: 0), count: 1 << 10)

    /// A send call went through.
    mutating func count(_ id: ProbeID) {
        ids[Int(next) & (ids.count - 1)] = id
        next &+= 1
    }

    /// The probe of the call with this key, nil when it is too long ago or never was.
    func id(of key: UInt32) -> ProbeID? {
        let age = next &- key
        guard age > 0, age <= UInt32(ids.count) else { return nil }
        return ids[Int(key) & (ids.count - 1)]
    }
}
