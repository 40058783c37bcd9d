import Glibc
import LinuxSockets
import PacketFormats

/// Small networks of the real kernel: nodes that are network namespaces, joined by veth pairs.
///
/// The namespaces have no names: they vanish with the lab, with the test, and with a test process that crashed. Needs
/// root and ip(8); use it as
///
///     @Test(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
///     func something() throws {
///         let lab = try NamespaceLab("a", "r", "b")
///         try lab.link("a", "r", "10.0.1", "fd00:1")
///         try lab.link("r", "b", "10.0.2", "fd00:2")
///         try lab["a"].addDefaultRoute(via: "r")
///         try lab["b"].addDefaultRoute(via: "r")
///         try lab["a"].run { /* sockets that are opened here are sockets of a */ }
///     }
public final class NamespaceLab {
    private var nodes: [String: Node] = [:]
    private let namespaces = Namespaces()

    /// Whether this process may make namespaces and has the program that fills them.
    public static let isAvailable: Bool = {
        guard hasProgram("ip") else { return false }
        return onThread { (try? NetworkNamespace.enterNew()) != nil }
    }()

    /// Whether the kernel has TUN devices.
    public static let hasTun = unsafe access("/dev/net/tun", R_OK | W_OK) == 0

    /// Makes the nodes. Each has `lo` up, forwards packets, limits no ICMP errors and uses addresses at once.
    public init(_ names: String...) throws {
        for name in names { try addNode(name) }
    }

    /// The node of this name, which must be there.
    public subscript(name: String) -> Node {
        guard let node = nodes[name] else { preconditionFailure("no node \(name)") }
        return node
    }

    /// Makes one more node.
    @discardableResult
    public func addNode(_ name: String) throws -> Node {
        let node = try Node(name: name, of: namespaces)
        nodes[name] = node
        return node
    }

    /// Joins two nodes: their interfaces are named after the other node, `first` gets the addresses `.1` and `::1`,
    /// `second` `.2` and `::2`.
    ///
    /// - Parameters:
    ///   - v4: the first three octets of a /24, nil for no IPv4.
    ///   - v6: the first groups of a /64, nil for no IPv6.
    public func link(_ first: String, _ second: String, _ v4: String?, _ v6: String?, mtu: Int = 1500) throws {
        let (one, two) = (self[first], self[second])
        try one.exec("ip", "link", "add", "name", second, "type", "veth", "peer", "name", first, "netns", two.path)
        let news = (try one.run { try LinkNews() }, try two.run { try LinkNews() })
        try one.configure(second, host: 1, v4, v6, mtu, peer: try two.hardwareAddress(of: first))
        try two.configure(first, host: 2, v4, v6, mtu, peer: try one.hardwareAddress(of: second))
        try one.run { try news.0.waitUntilUsable(second) }
        try two.run { try news.1.waitUntilUsable(first) }
    }

    /// A row of nodes, each linked to the next, with routes from one end to the other in both directions.
    ///
    /// The link behind node number N, counted from 1, is 10.0.N.0/24 and fd00:N::/64; the last of four nodes is
    /// 10.0.3.2 and fd00:3::2.
    public static func chain(_ names: String..., mtu: Int = 1500) throws -> NamespaceLab {
        let lab = try NamespaceLab()
        for name in names { try lab.addNode(name) }
        for (index, (first, second)) in zip(names, names.dropFirst()).enumerated() {
            try lab.link(first, second, "10.0.\(index + 1)", "fd00:\(index + 1)", mtu: mtu)
        }
        for (index, name) in names.enumerated() {
            let isLast = index == names.count - 1
            try lab[name].addDefaultRoute(via: names[isLast ? index - 1 : index + 1])
            guard !isLast, index > 1 else { continue }
            for link in 1..<index {
                try lab[name].addRoute(to: "10.0.\(link).0/24", via: names[index - 1])
                try lab[name].addRoute(to: "fd00:\(link)::/64", via: names[index - 1])
            }
        }
        return lab
    }

    /// One namespace.
    public final class Node {
        public let name: String
        private let namespace: Namespace
        private let namespaces: Namespaces
        private var neighbours: [String: [IPAddress]] = [:]

        fileprivate init(name: String, of namespaces: Namespaces) throws {
            self.name = name
            self.namespaces = namespaces
            namespace = Namespace(
                try onThread { () throws(Errno) -> NetworkNamespace in
                    try NetworkNamespace.enterNew()
                    try Interface.setUp("lo")
                    return try NetworkNamespace.current()
                })
            namespaces.all.append(namespace)
            for (key, value) in Self.settings { try set(key, value) }
            // Limits of the whole machine in older kernels, which are none of a namespace's business there.
            for (key, value) in Self.newSettings { try? set(key, value) }
        }

        /// The namespace as a path that other processes can open while this node lives, as for `nsenter --net=`.
        public var path: String { "/proc/\(getpid())/fd/\(namespace.handle.rawDescriptor)" }

        /// Runs the closure in this namespace, on the calling thread, which is back in its own afterwards.
        ///
        /// Sockets, files under `/proc/sys/net` and programs that the closure opens or starts belong to the node.
        public func run<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
            let home = try NetworkNamespace.current()
            try namespace.handle.enter()
            defer {
                // Going on in a foreign namespace would make nonsense of every later test.
                do throws(Errno) { try home.enter() } catch { fatalError("cannot leave node \(name): \(error)") }
            }
            return try body()
        }

        /// Runs a program in this namespace and returns what it printed; a status other than 0 is a failure.
        @discardableResult
        public func exec(_ arguments: String...) throws -> String { try run { try runSuccessfully(arguments) } }

        /// Sets a sysctl of this namespace, such as `net.ipv4.ping_group_range`.
        public func set(_ key: String, _ value: String) throws {
            let path = "/proc/sys/" + String(key.map { $0 == "." ? "/" : $0 })
            try run {
                let raw = unsafe open(path, O_WRONLY | O_CLOEXEC)
                guard raw >= 0 else { throw CommandFailure(description: "\(path): \(Errno(rawValue: errno))") }
                let file = FileDescriptor(owning: raw)
                let bytes = Array(value.utf8)
                let count = unsafe bytes.withUnsafeBytes { unsafe write(file.rawDescriptor, $0.baseAddress, $0.count) }
                guard count == bytes.count else {
                    throw CommandFailure(description: "\(path): \(Errno(rawValue: errno))")
                }
            }
        }

        /// Loads rules of nft(8) into this namespace.
        public func nft(_ rules: String) throws { try exec("nft", rules) }

        /// Gives an interface one more address, `10.0.0.1/24` or `fd00::1/64`, and waits until packets to it are taken in.
        public func addAddress(_ text: String, to interface: String) throws {
            let address = IPAddress(String(text.prefix { $0 != "/" }))
            guard let address else { throw CommandFailure(description: "\(text) is no address") }
            guard address.version == .v6 else {
                try exec("ip", "address", "add", text, "dev", interface)
                return
            }
            let news = try run { try LinkNews() }
            try exec("ip", "-6", "address", "add", text, "dev", interface, "nodad")
            // What else leads to the loopback, such as the prefix of an address of `lo`, is there at once.
            while try exec("ip", "-6", "route", "show", "table", "local", "type", "local", "exact", "\(address)")
                .isEmpty
            {
                try news.wait()
            }
        }

        /// Sends everything that has no other route to a neighbour of that name, over IPv4 and IPv6 as far as the link
        /// has them.
        public func addDefaultRoute(via neighbour: String) throws {
            for address in neighbours[neighbour] ?? [] {
                let version = address.version == .v4 ? "-4" : "-6"
                try exec("ip", version, "route", "add", "default", "via", "\(address)", "dev", neighbour)
            }
        }

        /// Sends packets to a prefix through a neighbour.
        public func addRoute(to prefix: String, via neighbour: String) throws {
            let version: IPVersion = prefix.contains(":") ? .v6 : .v4
            for address in neighbours[neighbour] ?? [] where address.version == version {
                try exec("ip", version == .v4 ? "-4" : "-6", "route", "add", prefix, "via", "\(address)")
            }
        }

        fileprivate func hardwareAddress(of interface: String) throws -> String {
            let words = try exec("ip", "-o", "link", "show", "dev", interface).split(separator: " ")
            guard let kind = words.firstIndex(of: "link/ether"), kind + 1 < words.count else {
                throw CommandFailure(description: "\(interface) has no hardware address")
            }
            return String(words[kind + 1])
        }

        /// Gives an interface its addresses and makes the neighbour known for ever: the first packets of a test shall
        /// not wait for, or get lost in, the search for it.
        fileprivate func configure(
            _ interface: String, host: Int, _ v4: String?, _ v6: String?, _ mtu: Int, peer: String
        ) throws {
            try exec("ip", "link", "set", "dev", interface, "mtu", "\(mtu)", "up")
            let other = 3 - host
            if let v4 {
                try exec("ip", "address", "add", "\(v4).\(host)/24", "dev", interface)
                try learn("\(v4).\(other)", at: peer, on: interface)
            }
            if let v6 {
                try exec("ip", "address", "add", "\(v6)::\(host)/64", "dev", interface, "nodad")
                try learn("\(v6)::\(other)", at: peer, on: interface)
            }
        }

        private func learn(_ address: String, at hardwareAddress: String, on interface: String) throws {
            if let address = IPAddress(address) { neighbours[interface, default: []].append(address) }
            try exec(
                "ip", "neighbour", "replace", address, "lladdr", hardwareAddress, "dev", interface, "nud", "permanent")
        }

        private static let newSettings = [
            ("net.ipv4.icmp_msgs_per_sec", "100000"), ("net.ipv4.icmp_msgs_burst", "10000"),
        ]
        private static let settings = [
            ("net.ipv4.ip_forward", "1"),
            ("net.ipv6.conf.all.forwarding", "1"),
            ("net.ipv4.icmp_ratelimit", "0"),
            ("net.ipv6.icmp.ratelimit", "0"),
            ("net.ipv6.conf.default.accept_dad", "0"),
            ("net.ipv4.conf.all.rp_filter", "0"),
            ("net.ipv4.conf.default.rp_filter", "0"),
        ]
    }
}

private final class Namespace {
    let handle: NetworkNamespace

    init(_ handle: consuming NetworkNamespace) { self.handle = handle }
}

/// All namespaces of a lab. Each node keeps all of them: a link ends with either of its ends, and
/// `try lab()["a"].run { ... }` lets the lab go while the closure still runs.
private final class Namespaces {
    var all: [Namespace] = []
}

/// What the kernel tells about links and addresses of a namespace (rtnetlink(7)).
private final class LinkNews {
    private let socket: Socket

    init() throws(Errno) {
        socket = try Socket(family: .netlink, type: .raw, protocol: .netlinkRoute)
        // RTMGRP_LINK, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.
        try socket.bind(to: SocketAddress(netlinkPort: 0, groups: 0x501))
    }

    /// Waits until the interface passes packets: the kernel connects its queue some time after the carrier is there,
    /// and drops in silence what is sent before. The link-local address comes right after that. Packets to an address
    /// are taken in only when its local route is there too, which the kernel adds in the background: before that a node
    /// forwards what is meant for itself.
    func waitUntilUsable(_ name: String) throws {
        let hasIPv6 = unsafe access("/proc/sys/net/ipv6", F_OK) == 0
        while true {
            let interface = try Interface.all().first { $0.name == name }
            if let interface, interface.isRunning, !hasIPv6 || interface.addresses.contains(where: Self.isLinkLocal),
                interface.addresses.allSatisfy(Self.isDeliveredHere)
            {
                return
            }
            try wait()
        }
    }

    /// Waits until there are news, and takes them.
    func wait() throws {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        try socket.wait(for: .readable)
        while try socket.receive(into: &buffer) != nil {}
    }

    /// Whether the route to one of our own addresses leads to the loopback, whose MTU no other interface has.
    private static func isDeliveredHere(_ entry: Interface.Address) -> Bool {
        do throws(Errno) {
            let socket = try Socket(family: entry.address.version == .v4 ? .inet : .inet6, type: .datagram)
            try socket.connect(to: SocketAddress(entry.address, port: 9))
            return try socket.value(of: .routeMTU) >= 65_535
        } catch {
            return false
        }
    }

    private static func isLinkLocal(_ entry: Interface.Address) -> Bool {
        guard case .v6(let address) = entry.address else { return false }
        return address.isLinkLocal
    }
}

/// Runs the closure on a thread of its own and waits for its end: for what a thread can't undo, such as a dropped
/// capability.
///
/// The expectations of a test belong outside: what fails on that thread is not counted to the test.
public func onThread<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let outcome = Outcome<Result, Failure>()
    // The caller waits, so the closure and the outcome are used by one thread at a time and outlive the other thread.
    withoutActuallyEscaping({ () -> Void in
        do throws(Failure) {
            outcome.set(.success(try body()))
        } catch {
            outcome.set(.failure(error))
        }
    }) { work in
        let box = unsafe Unmanaged.passRetained(Work(work))
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, box.toOpaque())
        precondition(status == 0, "no thread could be started")
        pthread_join(thread, nil)
    }
    switch outcome.take() {
    case .success(let value): return value
    case .failure(let error): throw error
    case .none: preconditionFailure("the thread ended early")
    }
}

private final class Outcome<Value: ~Copyable, Failure: Error> {
    enum State: ~Copyable {
        case none
        case success(Value)
        case failure(Failure)
    }

    private var state: State = .none

    func set(_ new: consuming State) { state = new }

    func take() -> State {
        var taken: State = .none
        swap(&taken, &state)
        return taken
    }
}

private final class Work {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }
}
