import PacketFormats
import SimulatedNetwork
import Testing

let milli: Int64 = 1_000_000
let second: Int64 = 1_000_000_000

/// The host under test: makes packets with the writers of PacketFormats and takes apart what comes back.
enum Host {
    /// An echo request.
    static func echo(
        to destination: String, from source: String? = nil, sequence: UInt16 = 1, identifier: UInt16 = 0x4242,
        hopLimit: UInt8 = 64, payload: [UInt8] = Array(0..<56), flowLabel: UInt32 = 0, dontFragment: Bool = false,
        trafficClass: UInt8 = 0, options: [UInt8] = []
    ) -> [UInt8] {
        packet(
            to: destination, from: source, hopLimit: hopLimit, flowLabel: flowLabel, dontFragment: dontFragment,
            trafficClass: trafficClass, options: options
        ) { version in
            (
                .icmp(for: version),
                [
                    ICMPType.echoRequest(version).rawValue, 0, 0, 0, UInt8(identifier >> 8),
                    UInt8(identifier & 0xff), UInt8(sequence >> 8), UInt8(sequence & 0xff),
                ] + payload
            )
        }
    }

    /// A timestamp request.
    static func timestamp(to destination: String) -> [UInt8] {
        packet(to: destination, from: nil, hopLimit: 64) { _ in
            (.icmp, [13, 0, 0, 0, 0x42, 0x42, 0, 1, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 8))
        }
    }

    /// A UDP datagram.
    static func datagram(
        to destination: String, from source: String? = nil, port: UInt16 = 33_434, sourcePort: UInt16 = 50_000,
        hopLimit: UInt8 = 64, payload: [UInt8] = Array(0..<32), flowLabel: UInt32 = 0, dontFragment: Bool = false,
        trafficClass: UInt8 = 0
    ) -> [UInt8] {
        packet(
            to: destination, from: source, hopLimit: hopLimit, flowLabel: flowLabel, dontFragment: dontFragment,
            trafficClass: trafficClass
        ) { _ in
            let length = UInt16(8 + payload.count)
            let words = [sourcePort, port, length, 0]
            return (.udp, words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } + payload)
        }
    }

    /// A TCP segment.
    static func segment(
        to destination: String, port: UInt16, flags: TCPHeader.Flags = .syn, sequence: UInt32 = 1_000,
        acknowledgment: UInt32 = 0, payload: [UInt8] = [], hopLimit: UInt8 = 64, options: [UInt8] = []
    ) -> [UInt8] {
        packet(to: destination, from: nil, hopLimit: hopLimit) { _ in
            var header = TCPHeader(
                sourcePort: 40_000, destinationPort: port, sequenceNumber: sequence,
                acknowledgmentNumber: acknowledgment, flags: flags)
            header.options = options
            let bytes = try? [UInt8](capacity: 60) { output throws(PacketError) in try header.write(to: &output) }
            return (.tcp, (bytes ?? []) + payload)
        }
    }

    private static func packet(
        to destination: String, from source: String?, hopLimit: UInt8, flowLabel: UInt32 = 0,
        dontFragment: Bool = false, trafficClass: UInt8 = 0, options: [UInt8] = [],
        _ message: (IPVersion) -> (IPProtocol, [UInt8])
    ) -> [UInt8] {
        let destination = IPAddress(destination) ?? .v4(.any)
        let source = IPAddress(source ?? (destination.version == .v4 ? "10.0.0.1" : "fd00::1")) ?? .v4(.any)
        let (proto, body) = message(destination.version)
        let packet = try? [UInt8](capacity: 100 + body.count) { output throws(PacketError) in
            switch (source, destination) {
            case (.v4(let source), .v4(let destination)):
                try IPv4Header(
                    source: source, destination: destination, proto: proto, hopLimit: hopLimit,
                    totalLength: UInt16(20 + options.count + body.count), trafficClass: trafficClass,
                    identification: 7, dontFragment: dontFragment, options: options
                ).write(to: &output)
            case (.v6(let source), .v6(let destination)):
                try IPv6Header(
                    source: source, destination: destination, nextHeader: proto, hopLimit: hopLimit,
                    payloadLength: UInt16(body.count), trafficClass: trafficClass, flowLabel: flowLabel
                ).write(to: &output)
            default:
                throw .wrongVersion(expected: 4, found: 6)
            }
            let start = output.byteCount
            for octet in body { output.append(octet) }
            switch (proto, source, destination) {
            case (.icmp, _, _): ICMPHeader.writeChecksum(of: start, in: &output)
            case (.icmpv6, .v6(let source), .v6(let destination)):
                ICMPHeader.writeChecksum(of: start, in: &output, source: source, destination: destination)
            case (.udp, _, _): UDPHeader.complete(from: start, in: &output, source: source, destination: destination)
            default: TCPHeader.complete(from: start, in: &output, source: source, destination: destination)
            }
        }
        return packet ?? []
    }
}

/// A packet that came back, with every checksum verified.
struct Received {
    var time: Int64
    var bytes: [UInt8]
    var version: IPVersion
    var source: String
    var destination: String
    var hopLimit: UInt8
    var trafficClass: UInt8
    var proto: IPProtocol
    var isFragment = false
    /// The upper-layer message.
    var message: [UInt8]
    var checksumVerifies = true

    init(_ bytes: [UInt8], at time: Int64) throws {
        self.bytes = bytes
        self.time = time
        let from: IPAddress
        let to: IPAddress
        if bytes[0] >> 4 == 4 {
            let header = try IPv4Header(parsing: bytes.bytes)
            #expect(Int(header.totalLength) == bytes.count)
            version = .v4
            (from, to, proto) = (.v4(header.source), .v4(header.destination), header.proto)
            (hopLimit, trafficClass) = (header.hopLimit, header.trafficClass)
            message = Array(bytes[header.headerLength...])
            isFragment = header.moreFragments || header.fragmentOffset > 0
        } else {
            let header = try IPv6Header(parsing: bytes.bytes)
            #expect(Int(header.payloadLength) == bytes.count - 40)
            version = .v6
            (from, to, proto) = (.v6(header.source), .v6(header.destination), header.nextHeader)
            (hopLimit, trafficClass) = (header.hopLimit, header.trafficClass)
            message = Array(bytes[40...])
            isFragment = header.nextHeader == .fragment
        }
        (source, destination) = (from.description, to.description)
        guard !isFragment else { return }
        var sum = InternetChecksum()
        if proto != .icmp { sum.addPseudoHeader(source: from, destination: to, proto: proto, length: message.count) }
        sum.add(message.bytes)
        checksumVerifies = sum.verifies
    }

    var type: ICMPType { ICMPType(rawValue: message[0]) }
    var code: UInt8 { message[1] }
    var rest: UInt32 { message.bytes.uint32(at: 4) }
    /// What an ICMP error quotes, up to its end.
    var quote: [UInt8] { Array(message[8...]) }
    var isTimeExceeded: Bool { proto == .icmp(for: version) && type == .timeExceeded(version) }
    var isUnreachable: Bool { proto == .icmp(for: version) && type == .destinationUnreachable(version) }
    var isEchoReply: Bool { proto == .icmp(for: version) && type == .echoReply(version) }
}

extension SimulatedNetwork {
    init(_ text: String, seed: UInt64 = 1) throws { self.init(try Scenario(parsing: text), seed: seed) }

    /// Everything that reaches the host until nothing is under way any more.
    mutating func drain() throws -> [Received] {
        var received: [Received] = []
        while let time = nextDelivery {
            while let bytes = receive(at: time) { received.append(try Received(bytes, at: time)) }
        }
        return received
    }

    /// Everything that a packet sent at `time` brings back.
    mutating func ask(_ packet: [UInt8], at time: Int64 = 0) throws -> [Received] {
        send(packet, at: time)
        return try drain()
    }
}
