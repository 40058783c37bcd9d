import CLinuxSockets
import Glibc
import LinuxSockets
import PacketFormats
import SimulatedNetwork

/// A simulated internet in real time: behind a TUN device in a network namespace of its own.
///
/// The thread that makes a lab is in its namespace from then on. The namespace ends with the last process in it.
struct Lab: ~Copyable {
    /// Whether ping sockets may be opened in the lab: by every group or by none (`ping_group_range`, icmp(7)).
    enum PingSockets: String, Sendable, CaseIterable { case open, shut }

    private let device: TunDevice
    private var network: SimulatedNetwork
    private var buffer: [UInt8]
    /// Answers that the kernel did not take.
    private(set) var lostAtTheHost = 0
    /// Where every packet is written down, if anywhere.
    var journal: Journal?

    /// What happened so far.
    var counters: Truth.Counters { network.truth.counters }

    /// Enters a new namespace and sets up the source of the scenario in it: `lo`, a device with the source's addresses
    /// and MTU, and default routes through it.
    ///
    /// Throws a `Failure` that names the step that the kernel refused.
    static func make(_ scenario: Scenario, seed: UInt64, pingSockets: PingSockets?) throws(Failure) -> Lab {
        let scenario = scenario.withAddresses()
        try step("a network namespace") { () throws(Errno) in try NetworkNamespace.enterNew() }
        try step("lo") { () throws(Errno) in try Interface.setUp("lo") }
        if let pingSockets {
            try writeFile("/proc/sys/net/ipv4/ping_group_range", pingSockets == .open ? "0 2147483647" : "1 0")
        }
        let device = try Self.makeDevice()
        let name = device.name
        try step("device \(name)") { () throws(Errno) in
            try Interface.setMTU(scenario.sourceMTU, of: name)
            try Interface.setQueueLength(10_000, of: name)
        }
        // A link-local address would only send solicitations into a network that has no neighbours.
        try? writeFile("/proc/sys/net/ipv6/conf/\(name)/addr_gen_mode", "1")
        try step("device \(name)") { () throws(Errno) in try Interface.setUp(name) }
        var addresses: [IPAddress] = []
        if let address = scenario.source.v4 { addresses.append(.v4(address)) }
        // Under 1280 octets the kernel takes IPv6 off the device (RFC 8200 section 5).
        if let address = scenario.source.v6, scenario.sourceMTU >= 1_280 { addresses.append(.v6(address)) }
        for address in addresses {
            try step("address \(address)") { () throws(Errno) in
                try Interface.addAddress(address, to: name)
                try Interface.addDefaultRoute(address.version, through: name)
            }
        }
        try waitUntilDelivered(to: addresses)
        var network = SimulatedNetwork(scenario, seed: seed, recordsPackets: false)
        network.wallClockOffset = SystemClock.realtime.now - SystemClock.monotonic.now
        return Lab(
            device: device, network: network,
            buffer: [UInt8](repeating: 0, count: 65_536), journal: nil)
    }

    /// Carries packets until a signal comes for which `handle` returns true.
    ///
    /// A reply leaves at the moment that the simulation says, counted from when its request was read: this is what
    /// round-trip times are measured against. Waking up takes the kernel tens of microseconds, so the timer is set for a
    /// little earlier, and the rest of the time is looked at and not slept.
    mutating func run(
        _ signals: borrowing SignalDescriptor, until handle: (Signal) -> Bool
    ) throws(Failure) {
        do throws(Errno) {
            var poller = try Poller()
            let timer = try Timer()
            try poller.add(device, token: Self.deviceToken)
            try poller.add(timer, token: Self.timerToken)
            try poller.add(signals, token: Self.signalToken)
            while true {
                let timeout: Int32?
                if let next = deliver() {
                    let isNear = next - Self.lead <= SystemClock.monotonic.now
                    if !isNear { try timer.set(to: next - Self.lead) }
                    timeout = isNear ? 0 : Self.patience
                } else {
                    timeout = nil
                }
                for index in 0..<(try poller.wait(timeoutMilliseconds: timeout)) {
                    switch poller.event(at: index).token {
                    case Self.deviceToken: try take()
                    case Self.timerToken: try timer.acknowledge()
                    default: while let signal = try signals.next() { if handle(signal) { return } }
                    }
                }
            }
        } catch {
            throw Failure("carrying packets: \(error)")
        }
    }

    /// Hands the kernel what is due, a batch at most, and returns when to go on; nil when nothing is under way.
    private mutating func deliver() -> Int64? {
        for _ in 0..<Self.batch {
            let now = SystemClock.monotonic.now
            guard let next = network.nextDelivery, next <= now else { break }
            guard let packet = network.receive(at: next) else { continue }
            let time = SystemClock.realtime.now
            do throws(Errno) {
                try device.write(packet.bytes)
                journal?.add("out", packet[...], at: time, late: now - next)
            } catch {
                // The kernel's memory may be full, or the interface down: a loss like others on the last hop.
                lostAtTheHost += 1
            }
        }
        return network.nextDelivery
    }

    /// Takes what the kernel sent, a batch at most: the poller comes back for the rest.
    private mutating func take() throws(Errno) {
        for _ in 0..<Self.batch {
            guard let count = try device.read(into: &buffer) else { return }
            let time = SystemClock.realtime.now
            network.send(Array(buffer[..<count]), at: SystemClock.monotonic.now)
            journal?.add("in", buffer[..<count], at: time, late: 0)
        }
    }

    /// Completes the journal, if there is one.
    mutating func finish() throws(Failure) { try journal?.finish() }

    /// Waits until the host takes packets in: the kernel adds the local routes of IPv6 addresses in the background, and
    /// forwards, or drops, what comes before.
    private static func waitUntilDelivered(to addresses: [IPAddress]) throws(Failure) {
        let deadline = SystemClock.monotonic.now + patienceWithKernel
        while !addresses.allSatisfy(isDelivered) {
            guard SystemClock.monotonic.now < deadline else { throw Failure("the addresses: no local route") }
            usleep(200)
        }
    }

    /// Whether the route to one of our own addresses leads to the loopback, whose MTU no other interface has.
    private static func isDelivered(_ address: IPAddress) -> Bool {
        do throws(Errno) {
            let socket = try Socket(family: address.version == .v4 ? .inet : .inet6, type: .datagram)
            try socket.connect(to: SocketAddress(address, port: 9))
            return try socket.value(of: .routeMTU) >= 65_535
        } catch {
            return false
        }
    }

    private static func makeDevice() throws(Failure) -> TunDevice {
        do throws(Errno) {
            return try TunDevice(name: deviceName)
        } catch {
            throw Failure("a TUN device: \(error) (is the kernel's module tun loaded and /dev/net/tun there?)")
        }
    }

    private static func step(_ what: String, _ body: () throws(Errno) -> Void) throws(Failure) {
        do throws(Errno) { try body() } catch { throw Failure("\(what): \(error)") }
    }

    /// Signals that the loop reads instead of dying of them.
    static let signals: [Signal] = [.interrupt, .terminate, .hangUp, .quit, .child]
    private static let deviceName = "lab0"
    private static let batch = 64
    /// The timer wakes the loop; this only bounds what a lost timer could cost.
    private static let patience: Int32 = 1_000
    /// The kernel's background work takes seconds on a machine where hundreds of networks come and go.
    private static let patienceWithKernel: Int64 = 10_000_000_000
    /// How long before a reply is due the loop stops sleeping.
    private static let lead: Int64 = 100_000
    private static let deviceToken: UInt64 = 0
    private static let timerToken: UInt64 = 1
    private static let signalToken: UInt64 = 2
}

extension Signal {
    /// A child process ended.
    static let child = Signal(rawValue: SIGCHLD)
}

/// Why the lab can't do what it was asked for; one line.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// The error of the last call of the C library.
var lastErrno: Errno { Errno(rawValue: errno) }
