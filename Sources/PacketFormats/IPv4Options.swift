/// One option of an IPv4 header.
public enum IPv4Option: HeaderOption {
    case noOperation
    /// Routers write their addresses down (RFC 791).
    case recordRoute(IPv4Route)
    /// The packet goes by these routers and perhaps others (RFC 791).
    case looseSourceRoute(IPv4Route)
    /// The packet goes by these routers and no others (RFC 791).
    case strictSourceRoute(IPv4Route)
    case timestamp(IPv4TimestampOption)
    /// Routers look at the packet; the value is 0 in all known uses (RFC 2113).
    case routerAlert(UInt16)
    /// Another option, or a malformed one of a known type.
    case unknown(type: UInt8, data: [UInt8])

    /// Whether every fragment carries the option (RFC 791: the high bit of its type).
    public var isCopied: Bool { type & 0x80 != 0 }

    /// The octet that names the option.
    public var type: UInt8 {
        switch self {
        case .noOperation: noOperationOption
        case .recordRoute: Self.recordRouteType
        case .looseSourceRoute: Self.looseSourceRouteType
        case .strictSourceRoute: Self.strictSourceRouteType
        case .timestamp: Self.timestampType
        case .routerAlert: Self.routerAlertType
        case .unknown(let type, _): type
        }
    }

    /// Reads the data as the type says; what does not fit its type is kept as unknown.
    public init(kind type: UInt8, data: RawSpan) {
        let known: IPv4Option? =
            switch type {
            case Self.recordRouteType: IPv4Route(data: data).map(Self.recordRoute)
            case Self.looseSourceRouteType: IPv4Route(data: data).map(Self.looseSourceRoute)
            case Self.strictSourceRouteType: IPv4Route(data: data).map(Self.strictSourceRoute)
            case Self.timestampType: IPv4TimestampOption(data: data).map(Self.timestamp)
            case Self.routerAlertType: data.byteCount == 2 ? .routerAlert(data.uint16(at: 0)) : nil
            default: nil
            }
        self = known ?? .unknown(type: type, data: data.copied())
    }

    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        try output.require(1)
        output.append(type)
        switch self {
        case .noOperation: break
        case .recordRoute(let route), .looseSourceRoute(let route), .strictSourceRoute(let route):
            try route.write(to: &output)
        case .timestamp(let timestamp): try timestamp.write(to: &output)
        case .routerAlert(let value):
            try output.require(3)
            output.append(UInt8(4))
            output.append(value)
        case .unknown(let type, let data):
            // Types 0 and 1 are a single octet, so that an option of that type would be read back as something else.
            guard type > noOperationOption else {
                throw .invalidValue(field: "optionType", value: UInt64(type))
            }
            guard data.count <= maximumOptionsLength - 2 else {
                throw .invalidLength(field: "optionLength", value: data.count)
            }
            try output.require(1 + data.count)
            output.append(UInt8(data.count + 2))
            output.append(contentsOf: data.bytes)
        }
    }

    static let recordRouteType: UInt8 = 7
    static let timestampType: UInt8 = 68
    static let looseSourceRouteType: UInt8 = 131
    static let strictSourceRouteType: UInt8 = 137
    static let routerAlertType: UInt8 = 148
}

/// The slots of a record-route or source-route option (RFC 791 section 3.1).
public struct IPv4Route: Hashable, Sendable {
    /// The octet of the option, counted from 1, where the next slot starts: 4, 8, and so on; past the end when the route
    /// is full or used up.
    public var pointer: UInt8
    /// At most nine.
    public var slots: [IPv4Address]

    /// A route to go, or with zeros a route to be recorded. The pointer is at the first slot.
    public init(slots: [IPv4Address]) {
        pointer = Self.firstPointer
        self.slots = slots
    }

    /// Empty slots for routers to fill in.
    public init(recording count: Int) { self.init(slots: Array(repeating: .any, count: count)) }

    /// The slots before the pointer: recorded addresses, or routers that were passed.
    public var passed: ArraySlice<IPv4Address> { slots.prefix(max(0, Int(pointer) - 4) / 4) }

    /// The slots from the pointer on: free ones, or routers still to go to.
    public var remaining: ArraySlice<IPv4Address> { slots.dropFirst(passed.count) }

    /// What follows the option's length; nil where slots or pointer are impossible.
    init?(data: RawSpan) {
        guard data.byteCount >= 1, data.byteCount % 4 == 1 else { return nil }
        pointer = data.octet(at: 0)
        guard pointer >= Self.firstPointer, pointer % 4 == 0 else { return nil }
        slots = (0..<data.byteCount / 4).map { IPv4Address(rawValue: data.uint32(at: 1 + $0 * 4)) }
    }

    func write(to output: inout OutputRawSpan) throws(PacketError) {
        guard slots.count <= Self.maximumSlots else { throw .invalidLength(field: "slots", value: slots.count) }
        guard pointer >= Self.firstPointer, pointer % 4 == 0 else {
            throw .invalidValue(field: "pointer", value: UInt64(pointer))
        }
        let length = 3 + slots.count * 4
        try output.require(length - 1)
        output.append(UInt8(length))
        output.append(pointer)
        for slot in slots { output.append(slot.rawValue) }
    }

    static let firstPointer: UInt8 = 4
    public static let maximumSlots = 9
}

/// The Internet timestamp option (RFC 791 section 3.1).
public struct IPv4TimestampOption: Hashable, Sendable {
    /// What an entry holds and who may fill it in.
    public enum Form: UInt8, Hashable, Sendable, BitwiseCopyable {
        /// Times alone, at most nine.
        case timestamps = 0
        /// Address and time of each router, at most four.
        case addresses = 1
        /// The sender names the routers that shall fill in their time, at most four.
        case prespecified = 3
    }

    public struct Entry: Hashable, Sendable, BitwiseCopyable {
        /// Nil in the form `timestamps`.
        public var address: IPv4Address?
        public var timestamp: InternetTimestamp

        public init(address: IPv4Address? = nil, timestamp: InternetTimestamp = InternetTimestamp(rawValue: 0)) {
            self.address = address
            self.timestamp = timestamp
        }
    }

    public var form: Form
    /// Routers that found no entry free, 0...15.
    public var overflow: UInt8
    /// The octet of the option, counted from 1, where the next entry starts, 5 at first.
    public var pointer: UInt8
    public var entries: [Entry]

    /// Empty entries for routers to fill in.
    public init(_ form: Form, entries: [Entry]) {
        self.form = form
        overflow = 0
        pointer = Self.firstPointer
        self.entries = entries
    }

    /// The entries before the pointer, those that are filled in.
    public var recorded: ArraySlice<Entry> {
        entries.prefix(max(0, Int(pointer) - Int(Self.firstPointer)) / form.entryLength)
    }

    /// What follows the option's length; nil where form, entries or pointer are impossible.
    init?(data: RawSpan) {
        guard data.byteCount >= 2, let form = Form(rawValue: data.octet(at: 1) & 0xf) else { return nil }
        let area = data.from(2)
        self.form = form
        pointer = data.octet(at: 0)
        overflow = data.octet(at: 1) >> 4
        guard area.byteCount % form.entryLength == 0, form.allows(pointer) else { return nil }
        entries = stride(from: 0, to: area.byteCount, by: form.entryLength).map { offset in
            form == .timestamps
                ? Entry(timestamp: InternetTimestamp(rawValue: area.uint32(at: offset)))
                : Entry(
                    address: IPv4Address(rawValue: area.uint32(at: offset)),
                    timestamp: InternetTimestamp(rawValue: area.uint32(at: offset + 4)))
        }
    }

    func write(to output: inout OutputRawSpan) throws(PacketError) {
        let length = 4 + entries.count * form.entryLength
        guard length <= maximumOptionsLength else {
            throw .invalidLength(field: "entries", value: entries.count)
        }
        guard form.allows(pointer) else { throw .invalidValue(field: "pointer", value: UInt64(pointer)) }
        guard overflow <= 0xf else { throw .invalidValue(field: "overflow", value: UInt64(overflow)) }
        try output.require(length - 1)
        output.append(UInt8(length))
        output.append(pointer)
        output.append(overflow << 4 | form.rawValue)
        for entry in entries {
            if form != .timestamps { output.append((entry.address ?? .any).rawValue) }
            output.append(entry.timestamp.rawValue)
        }
    }

    static let firstPointer: UInt8 = 5
}

extension IPv4TimestampOption.Form {
    /// Octets of one entry.
    var entryLength: Int { self == .timestamps ? 4 : 8 }

    /// Whether an entry can start at the pointer.
    func allows(_ pointer: UInt8) -> Bool {
        pointer >= IPv4TimestampOption.firstPointer
            && Int(pointer - IPv4TimestampOption.firstPointer) % entryLength == 0
    }
}
