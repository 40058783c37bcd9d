/// The question whether an interface of the destination, or of its neighbour, is up (RFC 8335 section 2).
public struct ICMPExtendedEchoRequest: Hashable, Sendable {
    public var identifier: UInt16
    public var sequenceNumber: UInt8
    /// Whether the interface is one of the node that is asked; otherwise one of a directly connected node.
    public var isLocal: Bool
    public var interface: InterfaceIdentification

    public init(identifier: UInt16, sequenceNumber: UInt8, isLocal: Bool = true, interface: InterfaceIdentification) {
        self.identifier = identifier
        self.sequenceNumber = sequenceNumber
        self.isLocal = isLocal
        self.interface = interface
    }

    /// Parses a message; the ICMP checksum is the caller's to verify.
    ///
    /// Throws when it is of another type or its extension structure does not hold exactly one identification.
    public init(parsing bytes: RawSpan, version: IPVersion) throws(PacketError) {
        let header = try ICMPHeader(parsing: bytes)
        guard header.type == .extendedEchoRequest(version) else {
            throw .invalidValue(field: "type", value: UInt64(header.type.rawValue))
        }
        let objects = try ICMPExtensions(parsing: bytes.from(ICMPHeader.length)).objects
        guard objects.count == 1, let object = objects.first else {
            throw .invalidLength(field: "objects", value: objects.count)
        }
        interface = try InterfaceIdentification(object)
        identifier = header.identifier
        sequenceNumber = UInt8(truncatingIfNeeded: header.rest >> 8)
        isLocal = header.rest & 1 != 0
    }

    /// Writes a complete message with its checksum; the addresses are those of the packet that carries it.
    ///
    /// Throws when it does not fit, the addresses are of different versions, or the name passes 256 octets.
    public func write(
        to output: inout OutputRawSpan, source: IPAddress, destination: IPAddress
    ) throws(PacketError) {
        let start = output.byteCount
        let header = ICMPHeader(
            type: .extendedEchoRequest(source.version),
            rest: UInt32(identifier) << 16 | UInt32(sequenceNumber) << 8 | (isLocal ? 1 : 0))
        try header.write(to: &output)
        try ICMPExtensions(objects: [interface.object]).write(to: &output)
        try ICMPHeader.writeChecksum(of: start, in: &output, source: source, destination: destination)
    }
}

/// The answer to an extended echo request (RFC 8335 section 3).
public struct ICMPExtendedEchoReply: Hashable, Sendable, BitwiseCopyable {
    /// What came of the question; unknown numbers are kept.
    public struct Code: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        public var rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let noError = Code(rawValue: 0)
        public static let malformedQuery = Code(rawValue: 1)
        public static let noSuchInterface = Code(rawValue: 2)
        public static let noSuchTableEntry = Code(rawValue: 3)
        public static let multipleInterfacesSatisfyQuery = Code(rawValue: 4)
    }

    /// The neighbour's entry in the ARP table or neighbour cache, of an interface that is not local; three bits.
    public struct State: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        public var rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let reserved = State(rawValue: 0)
        public static let incomplete = State(rawValue: 1)
        public static let reachable = State(rawValue: 2)
        public static let stale = State(rawValue: 3)
        public static let delay = State(rawValue: 4)
        public static let probe = State(rawValue: 5)
        public static let failed = State(rawValue: 6)
    }

    public var code: Code
    public var identifier: UInt16
    public var sequenceNumber: UInt8
    public var state: State
    /// Whether the interface is up, where it is local.
    public var isActive: Bool
    public var runsIPv4: Bool
    public var runsIPv6: Bool

    public init(
        code: Code = .noError, identifier: UInt16, sequenceNumber: UInt8, state: State = .reserved,
        isActive: Bool = false, runsIPv4: Bool = false, runsIPv6: Bool = false
    ) {
        self.code = code
        self.identifier = identifier
        self.sequenceNumber = sequenceNumber
        self.state = state
        self.isActive = isActive
        self.runsIPv4 = runsIPv4
        self.runsIPv6 = runsIPv6
    }

    /// Parses a message; the checksum is the caller's to verify.
    ///
    /// Throws when fewer than eight octets are there or it is of another type.
    public init(parsing bytes: RawSpan, version: IPVersion) throws(PacketError) {
        let header = try ICMPHeader(parsing: bytes)
        guard header.type == .extendedEchoReply(version) else {
            throw .invalidValue(field: "type", value: UInt64(header.type.rawValue))
        }
        code = Code(rawValue: header.code)
        identifier = header.identifier
        sequenceNumber = UInt8(truncatingIfNeeded: header.rest >> 8)
        state = State(rawValue: UInt8(truncatingIfNeeded: header.rest >> 5 & 7))
        isActive = header.rest & 4 != 0
        runsIPv4 = header.rest & 2 != 0
        runsIPv6 = header.rest & 1 != 0
    }

    /// Writes a complete message with its checksum; the addresses are those of the packet that carries it.
    ///
    /// Throws when it does not fit, the addresses are of different versions, or the state passes three bits.
    public func write(
        to output: inout OutputRawSpan, source: IPAddress, destination: IPAddress
    ) throws(PacketError) {
        guard state.rawValue <= 7 else { throw .invalidValue(field: "state", value: UInt64(state.rawValue)) }
        let start = output.byteCount
        let flags: UInt32 = (isActive ? 4 : 0) | (runsIPv4 ? 2 : 0) | (runsIPv6 ? 1 : 0)
        let header = ICMPHeader(
            type: .extendedEchoReply(source.version), code: code.rawValue,
            rest: UInt32(identifier) << 16 | UInt32(sequenceNumber) << 8 | UInt32(state.rawValue) << 5 | flags)
        try header.write(to: &output)
        try ICMPHeader.writeChecksum(of: start, in: &output, source: source, destination: destination)
    }
}

/// How a request names the interface that it asks for (RFC 8335 section 2.1).
public enum InterfaceIdentification: Hashable, Sendable {
    /// The raw octets of its name without padding, at most 256.
    case name([UInt8])
    case index(UInt32)
    case address(IPAddress)

    /// Reads the identification out of an extension object. Throws when it is another object or malformed.
    public init(_ object: ICMPExtensionObject) throws(PacketError) {
        guard case .unknown(Self.classNumber, let cType, let payload) = object else {
            throw .invalidValue(field: "object", value: UInt64(Self.classNumber))
        }
        let bytes = payload.bytes
        switch cType {
        case Self.nameType:
            let name = payload.prefix { $0 != 0 }
            guard !name.isEmpty else { throw .invalidLength(field: "name", value: 0) }
            self = .name(Array(name))
        case Self.indexType:
            try bytes.require(4)
            self = .index(bytes.uint32(at: 0))
        case Self.addressType:
            try bytes.require(4)
            let family = bytes.uint16(at: 0)
            let length = Int(bytes.octet(at: 2))
            try bytes.require(4 + length)
            guard let address = IPAddress(octets: bytes.from(4).prefix(length)),
                family == Self.family(of: address.version)
            else { throw .invalidLength(field: "addressLength", value: length) }
            self = .address(address)
        default: throw .invalidValue(field: "cType", value: UInt64(cType))
        }
    }

    /// The extension object that carries the identification.
    public var object: ICMPExtensionObject {
        switch self {
        case .name(let name):
            let padding = [UInt8](repeating: 0, count: -name.count & 3)
            return .unknown(classNumber: Self.classNumber, cType: Self.nameType, payload: name + padding)
        case .index(let index):
            let payload = (0..<4).map { UInt8(truncatingIfNeeded: index >> (24 - 8 * UInt32($0))) }
            return .unknown(classNumber: Self.classNumber, cType: Self.indexType, payload: payload)
        case .address(let address):
            let octets = address.octets
            let head = [0, UInt8(Self.family(of: address.version)), UInt8(octets.count), 0]
            return .unknown(classNumber: Self.classNumber, cType: Self.addressType, payload: head + octets)
        }
    }

    /// The address family number of IANA.
    static func family(of version: IPVersion) -> UInt16 { version == .v4 ? 1 : 2 }

    static let classNumber: UInt8 = 3
    static let nameType: UInt8 = 1
    static let indexType: UInt8 = 2
    static let addressType: UInt8 = 3
}
