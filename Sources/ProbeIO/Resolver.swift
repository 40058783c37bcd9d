import Glibc
import LinuxSockets
import PacketFormats

/// Why a name has no address.
public enum ResolveError: Error, Hashable, Sendable {
    /// The name service has no such name, or could not answer; `reason` is the C library's words for it.
    case unknownHost(name: String, reason: String)
    /// An address, but not of the version that was asked for.
    case wrongVersion(name: String, wanted: IPVersion)
    /// A prefix in the place of an address.
    case prefix(name: String, first: IPAddress)
    /// Something else in the place of a name; `host` is what in it can be asked for, where there is such a thing.
    case notAName(name: String, NameMistake, host: String?)
    /// A link-local address without the zone that says on which link.
    case missingZone(name: String)
    /// The zone of an IPv6 address names no interface of this network namespace.
    case unknownZone(name: String, zone: String)
}

extension ResolveError: CustomStringConvertible {
    /// One line. The name stands in it as it was given: let it pass the sanitiser where it may come from a file.
    public var description: String {
        switch self {
        case .unknownHost(let name, let reason): "unknown host '\(name)': \(reason)"
        case .wrongVersion(let name, .v4): "'\(name)' is not an IPv4 address"
        case .wrongVersion(let name, .v6): "'\(name)' is not an IPv6 address"
        case .prefix(let name, let first): "'\(name)' is a prefix, not a host: did you mean '\(first)'?"
        case .notAName(let name, let mistake, let host):
            "'\(name)' \(mistake.description)" + (host.map { ": try '\($0)'" } ?? "")
        case .missingZone(let name): "'\(name)' is a link-local address: it needs its interface, as in \(name)%eth0"
        case .unknownZone(let name, let zone): "'\(name)': there is no interface '\(zone)'"
        }
    }
}

/// Names to addresses, through the C library and so through everything that nsswitch.conf(5) names.
public enum Resolver {
    /// All addresses of a name, in the order of RFC 6724, each once. It waits for the name service, without a limit of
    /// its own: see `ForwardResolver` for a loop.
    ///
    /// What `numericAddress` understands is taken as it is and asks nobody. The corresponding C function is
    /// `getaddrinfo`.
    ///
    /// - Parameter family: only addresses of this version, nil for both.
    public static func resolve(_ name: String, family: IPVersion? = nil) throws(ResolveError) -> [IPAddress] {
        if let address = try numericAddress(name, family: family) { return [address] }
        return try lookUp(name, family: family)
    }

    /// The address that the text itself is, nil for a name; asks nobody and never waits.
    ///
    /// Besides the forms of `IPAddress` these are the short ones of inet_aton(3) (`127.1`) and zones by the name or the
    /// index of an interface (`fe80::1%eth0`). Throws for an address of the other version, for an unknown or a missing
    /// zone and for what can't be a name.
    ///
    /// - Parameter zone: the interface of a link-local address that names none, 0 to refuse it.
    public static func numericAddress(
        _ text: String, family: IPVersion? = nil, zone: UInt32 = 0
    ) throws(ResolveError) -> IPAddress? {
        var missingZone: String?
        let parsed = IPAddress(text) { zone in
            if let index = zoneIndex(zone) { return index }
            missingZone = zone
            return nil
        }
        if let missingZone { throw .unknownZone(name: text, zone: missingZone) }
        if let address = parsed ?? IPv4Address(shortForm: text).map(IPAddress.v4) {
            guard family == nil || address.version == family else {
                throw .wrongVersion(name: text, wanted: address.version == .v4 ? .v6 : .v4)
            }
            guard address.lacksZone else { return address }
            guard zone != 0 else { throw .missingZone(name: text) }
            return address.inZone(zone)
        }
        try checkName(text)
        return nil
    }

    /// The interface that a zone's text names or whose index it is, nil where there is none.
    static func zoneIndex(_ zone: String) -> UInt32? {
        if let index = try? Interface.index(named: zone) { return index }
        let isNumber = zone.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isNumber, let index = UInt32(zone), (try? Interface.name(at: index)) != nil else { return nil }
        return index
    }

    /// Asks the name service.
    static func lookUp(_ name: String, family: IPVersion?) throws(ResolveError) -> [IPAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family =
            switch family {
            case .v4: AF_INET
            case .v6: AF_INET6
            case nil: AF_UNSPEC
            }
        // With a type there is one entry per address instead of one per address and type.
        unsafe hints.ai_socktype = SocketType.datagram.rawValue
        var list: UnsafeMutablePointer<addrinfo>?
        // Letters beyond ASCII go to the DNS in their form of RFC 5890. The C library makes it, and takes the text for
        // one of the thread's locale.
        let isInternational = name.utf8.contains { $0 >= 0x80 }
        if isInternational { unsafe hints.ai_flags |= AI_IDN }
        let locale = unsafe isInternational ? newlocale(LC_CTYPE_MASK, "C.UTF-8", nil) : nil
        let previous = unsafe locale.map { unsafe uselocale($0) }
        let status = unsafe getaddrinfo(name, nil, &hints, &list)
        let systemError = Errno(rawValue: errno)
        if let locale = unsafe locale {
            unsafe uselocale(previous ?? nil)
            unsafe freelocale(locale)
        }
        guard status == 0 else {
            throw .unknownHost(name: name, reason: reason(status, systemError) + advice(on: name, status))
        }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        var next = unsafe list
        while let entry = unsafe next?.pointee {
            unsafe next = entry.ai_next
            guard let pointer = unsafe entry.ai_addr else { continue }
            // The list owns `ai_addrlen` bytes behind the pointer until it is freed.
            let bytes = unsafe UnsafeRawBufferPointer(start: pointer, count: Int(entry.ai_addrlen))
            guard let address = unsafe SocketAddress(bytes: bytes.bytes)?.ipAddress, !addresses.contains(address) else {
                continue
            }
            addresses.append(address)
        }
        guard !addresses.isEmpty else { throw .unknownHost(name: name, reason: reason(EAI_NODATA, systemError)) }
        return addresses
    }

    /// The name of an address, nil when it has none. It waits for the name service. The corresponding C function is
    /// `getnameinfo`.
    ///
    /// It is text of foreign origin.
    static func name(of address: IPAddress) -> String? {
        var name = [CChar](repeating: 0, count: maximumNameLength)
        let status = unsafe SocketAddress(address).bytes.withUnsafeBytes { socketAddress in
            unsafe name.withUnsafeMutableBufferPointer { name in
                // A SocketAddress holds a whole sockaddr of its family, aligned to eight bytes.
                unsafe getnameinfo(
                    socketAddress.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(socketAddress.count), name.baseAddress, socklen_t(name.count), nil, 0, NI_NAMEREQD)
            }
        }
        guard status == 0 else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func checkName(_ text: String) throws(ResolveError) {
        if text.utf8.last == UInt8(ascii: "%"), IPv6Address(String(text.dropLast())) != nil {
            throw .missingZone(name: String(text.dropLast()))
        }
        if let prefix = IPPrefix(text) { throw .prefix(name: text, first: prefix.first) }
        if let (mistake, host) = NameMistake.of(text) { throw .notAName(name: text, mistake, host: host) }
    }

    private static func reason(_ status: Int32, _ systemError: Errno) -> String {
        if status == EAI_SYSTEM { return systemError.description }
        // The C library's table lives as long as the process.
        guard let text = unsafe gai_strerror(status) else { return "error \(status) of the name service" }
        return unsafe String(cString: text)
    }

    /// What may help, in parentheses.
    private static func advice(on name: String, _ status: Int32) -> String {
        switch status {
        case EAI_IDN_ENCODE:
            return " (give its ASCII form, which begins with xn--, or install libidn2)"
        case EAI_NONAME, EAI_AGAIN:
            guard name.utf8.count > 1, name.utf8.last == UInt8(ascii: ".") else { return "" }
            return " (with a dot at its end only the DNS is asked: try '\(name.dropLast())')"
        default: return ""
        }
    }

    // NI_MAXHOST and the values of netdb.h that hide behind _GNU_SOURCE.
    private static let maximumNameLength = 1025
    private static let EAI_NODATA: Int32 = -5
    private static let EAI_IDN_ENCODE: Int32 = -105
    private static let AI_IDN: Int32 = 0x40
}
