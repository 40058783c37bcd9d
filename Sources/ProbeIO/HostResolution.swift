import LinuxSockets
import PacketFormats

/// A host as it was named, and its address or why there is none.
public struct ResolvedHost: Sendable {
    public var name: String
    public var address: Result<IPAddress, ResolveError>
    /// Whether the name is an address itself, so that nobody was asked.
    public var isNumeric: Bool
    /// The only version that was wanted of this name, nil for either.
    public var family: IPVersion?

    public init(name: String, address: Result<IPAddress, ResolveError>, isNumeric: Bool, family: IPVersion? = nil) {
        self.name = name
        self.address = address
        self.isNumeric = isNumeric
        self.family = family
    }

    /// Whether these are the two versions of one name, IPv4 first.
    public func isPair(with next: ResolvedHost) -> Bool {
        name == next.name && family == .v4 && next.family == .v6
    }
}

extension Resolver {
    /// The versions that these hosts may have: where each is an address, only theirs.
    public static func versions(of hosts: [String]) -> [IPVersion] {
        var versions: [IPVersion] = []
        for host in hosts {
            guard let address = try? Resolver.numericAddress(host) else { return [.v4, .v6] }
            if !versions.contains(address.version) { versions.append(address.version) }
        }
        return versions
    }

    /// The first address of each host, in the order given. Several names are asked for side by side.
    ///
    /// - Parameters:
    ///   - family: only addresses of this version.
    ///   - usable: versions that probes can be sent over; a name with addresses of others only is unknown.
    ///   - zone: the interface of link-local addresses that name none, 0 to refuse those.
    public static func resolve(
        hosts: [String], family: IPVersion?, usable: [IPVersion], zone: UInt32 = 0
    ) throws(Errno) -> [ResolvedHost] {
        var resolved: [ResolvedHost] = []
        resolved.reserveCapacity(hosts.count)
        var named: [Int] = []
        for host in hosts {
            var answer: Result<[IPAddress], ResolveError>?
            do throws(ResolveError) {
                if let address = try numericAddress(host, family: family, zone: zone) { answer = .success([address]) }
            } catch {
                answer = .failure(error)
            }
            if answer == nil { named.append(resolved.count) }
            let isNumeric = if case .success = answer { true } else { false }
            resolved.append(
                ResolvedHost(
                    name: host, address: address(of: host, answer, usable, zone), isNumeric: isNumeric,
                    family: family))
        }
        // Addresses alone need no dictionary, whose first use costs more than all of the above.
        guard !named.isEmpty else { return resolved }
        var names: [String] = []
        for index in named where !names.contains(resolved[index].name) { names.append(resolved[index].name) }
        var answers: [String: Result<[IPAddress], ResolveError>] = [:]
        if let name = names.first, names.count == 1 {
            do throws(ResolveError) {
                answers[name] = .success(try resolve(name, family: family))
            } catch {
                answers[name] = .failure(error)
            }
        } else {
            try ask(names, family, into: &answers)
        }
        for index in named {
            let name = resolved[index].name
            resolved[index].address = address(of: name, answers[name], usable, zone)
        }
        return resolved
    }

    /// The first address that probes can be sent to.
    static func address(
        of host: String, _ answer: Result<[IPAddress], ResolveError>?, _ usable: [IPVersion], _ zone: UInt32
    ) -> Result<IPAddress, ResolveError> {
        (answer ?? .failure(.unknownHost(name: host, reason: "no answer"))).flatMap { addresses in
            let addresses = addresses.filter { usable.contains($0.version) }
            if let address = addresses.first(where: { !$0.lacksZone }) {
                return .success(address.replacingUnspecified)
            }
            if let address = addresses.first {
                return zone == 0
                    ? .failure(.missingZone(name: address.description)) : .success(address.inZone(zone))
            }
            return .failure(.unknownHost(name: host, reason: noUsableAddress))
        }
    }

    static let noUsableAddress = "no address of a version that this host has"

    /// Both addresses of each host that has both, the IPv4 one first. Names are asked for side by side.
    ///
    /// A name without a usable address of one version is there once, and so is an address.
    public static func resolveDual(
        hosts: [String], usable: [IPVersion], zone: UInt32 = 0
    ) throws(Errno) -> [ResolvedHost] {
        var names: [String] = []
        for host in hosts where !names.contains(host) && isName(host) { names.append(host) }
        var answers: [String: Result<[IPAddress], ResolveError>] = [:]
        if !names.isEmpty { try ask(names, nil, into: &answers) }
        var resolved: [ResolvedHost] = []
        for host in hosts {
            guard let answer = answers[host] else {
                resolved += try resolve(hosts: [host], family: nil, usable: usable, zone: zone)
                continue
            }
            let both = [IPVersion.v4, .v6].compactMap { version -> ResolvedHost? in
                let address = address(of: host, answer, usable.filter { $0 == version }, zone)
                guard case .success = address else { return nil }
                return ResolvedHost(name: host, address: address, isNumeric: false, family: version)
            }
            let none = ResolvedHost(name: host, address: address(of: host, answer, usable, zone), isNumeric: false)
            resolved += both.isEmpty ? [none] : both
        }
        return resolved
    }

    /// Whether it takes the name service to tell what the text stands for.
    private static func isName(_ text: String) -> Bool {
        do throws(ResolveError) {
            return try numericAddress(text) == nil
        } catch {
            return false
        }
    }

    /// The names of the interfaces that are zones of these addresses, by index; those that are gone are left out.
    public static func zoneNames(of addresses: some Sequence<IPAddress>) -> [UInt32: String] {
        var names: [UInt32: String] = [:]
        for zone in addresses.lazy.map(\.zone) where zone != 0 && names[zone] == nil {
            names[zone] = try? Interface.name(at: zone)
        }
        return names
    }

    private static func ask(
        _ names: [String], _ family: IPVersion?, into answers: inout [String: Result<[IPAddress], ResolveError>]
    ) throws(Errno) {
        let resolver = try ForwardResolver()
        var poller = try Poller()
        try poller.add(resolver, token: 0)
        var unasked = names[...]
        while !unasked.isEmpty || resolver.pendingCount > 0 {
            while let name = unasked.first, resolver.lookUp(name, family: family) { unasked.removeFirst() }
            try poller.wait()
            while let answer = resolver.nextAnswer() { answers[answer.question.name] = answer.addresses }
        }
    }
}

extension IPAddress {
    /// Whether it means nothing without its link, multicast to one link included (RFC 4291 section 2.7), and does not
    /// say which that is. Of such an address the name service gives no zone.
    var lacksZone: Bool {
        guard case .v6(let address) = self, address.zone == 0 else { return false }
        let scope = address.high >> 48 & 0xf
        return address.isLinkLocal || (address.isMulticast && (scope == 1 || scope == 2))
    }

    /// Linux sends what is for the unspecified address to itself, and the answers come from the loopback address.
    var replacingUnspecified: IPAddress {
        switch self {
        case .v4(.any): .v4(.loopback)
        case .v6(.any): .v6(.loopback)
        default: self
        }
    }
}
