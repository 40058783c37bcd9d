/// The extension structure behind the quoted packet of an ICMP error (RFC 4884 sections 7 and 8).
public struct ICMPExtensions: Hashable, Sendable {
    public var objects: [ICMPExtensionObject]

    public init(objects: [ICMPExtensionObject]) { self.objects = objects }

    /// Parses a structure that fills `bytes` to the end; objects behind the sixteenth are left out.
    ///
    /// Throws when the version is not 2, a checksum is there and wrong, or an object's length is impossible.
    public init(parsing bytes: RawSpan) throws(PacketError) {
        try bytes.require(Self.headerLength)
        let version = bytes.octet(at: 0) >> 4
        guard version == 2 else { throw .wrongVersion(expected: 2, found: version) }
        let checksum = bytes.uint16(at: 2)
        // All zero means that none was sent.
        guard checksum == 0 || InternetChecksum.of(bytes) == 0 else { throw .wrongChecksum(found: checksum) }
        objects = []
        var offset = Self.headerLength
        while offset < bytes.byteCount {
            let rest = bytes.from(offset)
            try rest.require(ICMPExtensionObject.headerLength)
            let length = Int(rest.uint16(at: 0))
            guard length >= ICMPExtensionObject.headerLength, length <= rest.byteCount else {
                throw .invalidLength(field: "objectLength", value: length)
            }
            if objects.count < Self.maximumObjects {
                objects.append(
                    ICMPExtensionObject(
                        classNumber: rest.octet(at: 2), cType: rest.octet(at: 3),
                        payload: rest.extracting(ICMPExtensionObject.headerLength..<length)))
            }
            offset += length
        }
    }

    /// Writes the structure with its checksum.
    ///
    /// Throws when it does not fit, has more objects or labels than are read back, or a field passes its bits.
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        guard objects.count <= Self.maximumObjects else {
            throw .invalidLength(field: "objects", value: objects.count)
        }
        try output.require(Self.headerLength)
        let start = output.byteCount
        output.append(UInt16(0x2000))
        output.append(UInt16(0))
        for object in objects { try object.write(to: &output) }
        let checksum = InternetChecksum.of(output.bytes.extracting(start..<output.byteCount))
        output.replace(at: start + 2, with: checksum == 0 ? 0xffff : checksum)
    }

    public static let headerLength = 4
    public static let maximumObjects = 16
}

/// One object of an ICMP extension structure (RFC 4884 section 8).
public enum ICMPExtensionObject: Hashable, Sendable {
    /// The label stack of the packet, outermost first, at most sixteen entries (RFC 4950).
    case mpls([MPLSLabel])
    /// An interface that the packet came in or would have gone out by (RFC 5837).
    case interface(InterfaceInformation)
    /// An object of another class, or a malformed one of a known class; at most 256 octets of payload are kept.
    case unknown(classNumber: UInt8, cType: UInt8, payload: [UInt8])

    /// Reads the payload as its class says; what does not fit its class is kept as unknown.
    init(classNumber: UInt8, cType: UInt8, payload: RawSpan) {
        if classNumber == Self.mplsClass, cType == 1, payload.byteCount > 0, payload.byteCount % MPLSLabel.length == 0 {
            let count = min(payload.byteCount / MPLSLabel.length, Self.maximumLabels)
            self = .mpls((0..<count).map { MPLSLabel(rawValue: payload.uint32(at: $0 * MPLSLabel.length)) })
        } else if classNumber == Self.interfaceClass,
            let information = try? InterfaceInformation(cType: cType, payload: payload)
        {
            self = .interface(information)
        } else {
            self = .unknown(
                classNumber: classNumber, cType: cType, payload: payload.prefix(Self.maximumUnknownPayload).copied())
        }
    }

    /// Writes the object with its header. Throws when it does not fit or a field passes its bits or bounds.
    func write(to output: inout OutputRawSpan) throws(PacketError) {
        try output.require(Self.headerLength)
        let start = output.byteCount
        output.append(UInt16(0))
        switch self {
        case .mpls(let labels):
            guard (1...Self.maximumLabels).contains(labels.count) else {
                throw .invalidLength(field: "labels", value: labels.count)
            }
            output.append(Self.mplsClass)
            output.append(UInt8(1))
            for label in labels { try label.write(to: &output) }
        case .interface(let information):
            output.append(Self.interfaceClass)
            output.append(information.cType)
            try information.write(to: &output)
        case .unknown(let classNumber, let cType, let payload):
            guard payload.count <= Self.maximumUnknownPayload else {
                throw .invalidLength(field: "payload", value: payload.count)
            }
            output.append(classNumber)
            output.append(cType)
            try output.require(payload.count)
            output.append(contentsOf: payload.bytes)
        }
        output.replace(at: start, with: UInt16(truncatingIfNeeded: output.byteCount - start))
    }

    static let headerLength = 4
    static let mplsClass: UInt8 = 1
    static let interfaceClass: UInt8 = 2
    public static let maximumLabels = 16
    public static let maximumUnknownPayload = 256
}

/// An entry of an MPLS label stack (RFC 3032 section 2.1, RFC 5462).
public struct MPLSLabel: Hashable, Sendable, BitwiseCopyable {
    /// 20 bits.
    public var label: UInt32
    /// 3 bits.
    public var trafficClass: UInt8
    public var isBottomOfStack: Bool
    public var timeToLive: UInt8

    public init(label: UInt32, trafficClass: UInt8 = 0, isBottomOfStack: Bool, timeToLive: UInt8) {
        self.label = label
        self.trafficClass = trafficClass
        self.isBottomOfStack = isBottomOfStack
        self.timeToLive = timeToLive
    }

    /// The entry as its four octets make a number.
    init(rawValue: UInt32) {
        label = rawValue >> 12
        trafficClass = UInt8(truncatingIfNeeded: rawValue >> 9 & 7)
        isBottomOfStack = rawValue & 0x100 != 0
        timeToLive = UInt8(truncatingIfNeeded: rawValue)
    }

    func write(to output: inout OutputRawSpan) throws(PacketError) {
        guard label <= 0xf_ffff else { throw .invalidValue(field: "label", value: UInt64(label)) }
        guard trafficClass <= 7 else { throw .invalidValue(field: "trafficClass", value: UInt64(trafficClass)) }
        try output.require(Self.length)
        output.append(
            label << 12 | UInt32(trafficClass) << 9 | (isBottomOfStack ? 0x100 : 0) | UInt32(timeToLive))
    }

    static let length = 4
}

/// What a router says about one of its interfaces (RFC 5837 section 4).
public struct InterfaceInformation: Hashable, Sendable {
    /// What the interface was to the packet; two bits.
    public enum Role: UInt8, Hashable, Sendable, BitwiseCopyable {
        case incoming = 0
        case incomingComponent = 1
        case outgoing = 2
        case nextHop = 3
    }

    public var role: Role
    public var index: UInt32?
    public var address: IPAddress?
    /// The name's raw octets without padding, at most 63: not fit to be printed as it is.
    public var name: [UInt8]?
    /// In octets.
    public var mtu: UInt32?

    public init(
        role: Role, index: UInt32? = nil, address: IPAddress? = nil, name: [UInt8]? = nil, mtu: UInt32? = nil
    ) {
        self.role = role
        self.index = index
        self.address = address
        self.name = name
        self.mtu = mtu
    }

    /// Reads the parts that the C-type announces. Throws when one is not there or malformed.
    init(cType: UInt8, payload: RawSpan) throws(PacketError) {
        guard let role = Role(rawValue: cType >> 6) else {
            throw .invalidValue(field: "cType", value: UInt64(cType))
        }
        self.init(role: role)
        var rest = payload
        if cType & Self.indexBit != 0 {
            try rest.require(4)
            index = rest.uint32(at: 0)
            rest = rest.from(4)
        }
        if cType & Self.addressBit != 0 {
            try rest.require(4)
            let family = rest.uint16(at: 0)
            rest = rest.from(4)
            switch family {
            case 1:
                try rest.require(4)
                address = .v4(IPv4Address(rawValue: rest.uint32(at: 0)))
                rest = rest.from(4)
            case 2:
                try rest.require(16)
                address = .v6(IPv6Address(high: rest.uint64(at: 0), low: rest.uint64(at: 8)))
                rest = rest.from(16)
            default: throw .invalidValue(field: "addressFamily", value: UInt64(family))
            }
        }
        if cType & Self.nameBit != 0 {
            try rest.require(1)
            let length = Int(rest.octet(at: 0))
            guard (1...Self.maximumName + 1).contains(length), length <= rest.byteCount else {
                throw .invalidLength(field: "nameLength", value: length)
            }
            let padded = rest.extracting(1..<length).copied()
            name = Array(padded.prefix { $0 != 0 })
            rest = rest.from(length)
        }
        if cType & Self.mtuBit != 0 {
            try rest.require(4)
            mtu = rest.uint32(at: 0)
        }
    }

    /// The C-type that announces the parts which are set.
    var cType: UInt8 {
        role.rawValue << 6 | (index == nil ? 0 : Self.indexBit) | (address == nil ? 0 : Self.addressBit)
            | (name == nil ? 0 : Self.nameBit) | (mtu == nil ? 0 : Self.mtuBit)
    }

    func write(to output: inout OutputRawSpan) throws(PacketError) {
        if let index {
            try output.require(4)
            output.append(index)
        }
        switch address {
        case .v4(let address):
            try output.require(8)
            output.append(UInt32(1 << 16))
            output.append(address.rawValue)
        case .v6(let address):
            try output.require(20)
            output.append(UInt32(2 << 16))
            output.append(address.high)
            output.append(address.low)
        case nil: break
        }
        if let name {
            guard name.count <= Self.maximumName else { throw .invalidLength(field: "name", value: name.count) }
            // The length octet counts itself and the padding to a multiple of four.
            let length = (name.count + 4) & ~3
            try output.require(length)
            output.append(UInt8(length))
            output.append(contentsOf: name.bytes)
            output.append(repeating: 0, count: length - 1 - name.count)
        }
        if let mtu {
            try output.require(4)
            output.append(mtu)
        }
    }

    static let indexBit: UInt8 = 0x08
    static let addressBit: UInt8 = 0x04
    static let nameBit: UInt8 = 0x02
    static let mtuBit: UInt8 = 0x01
    public static let maximumName = 63
}
