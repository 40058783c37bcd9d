import Glibc
import LinuxSockets
import PacketFormats
import SimulatedNetwork
import Synchronization
import TestSupport

/// A simulated internet behind a TUN device that lies: what its honest nodes answer goes through a `Liar` before the
/// kernel of the host under test gets it.
final class HostileNetwork {
    /// The host under test.
    var host: NamespaceLab.Node { lab["host"] }

    private let lab: NamespaceLab
    private let carrier: Carrier
    private let thread: BackgroundThread

    /// Three routers with MPLS labels, and behind them a target that answers everything.
    static let scenario = """
        source 10.0.0.1 fd00::1
        router r1 10.0.1.1 fd00:1::1
        router r2 10.0.2.1 fd00:2::1 mpls 16004/17005
        router r3 10.0.3.1 fd00:3::1 quote 28
        path source r1 r2 r3
        target 10.0.9.9 fd00:9::9 via r3 udp 7 echo tcp 80 open
        """

    init(_ liar: Liar, _ scenario: String = scenario) throws {
        lab = try NamespaceLab("host")
        let scenario = try Scenario(parsing: scenario)
        let host = lab["host"]
        try host.set("net.ipv4.ping_group_range", "0 2147483647")
        let device = try host.run {
            let device = try TunDevice()
            try Interface.setQueueLength(10_000, of: device.name)
            try Interface.setUp(device.name)
            for (address, version) in [("10.0.0.1", IPVersion.v4), ("fd00::1", .v6)] {
                guard let address = IPAddress(address) else { continue }
                try Interface.addAddress(address, to: device.name)
                try Interface.addDefaultRoute(version, through: device.name)
            }
            return device
        }
        let carrier = try Carrier(device, SimulatedNetwork(scenario, seed: liar.seed, recordsPackets: false), liar)
        self.carrier = carrier
        thread = BackgroundThread { carrier.run() }
    }

    deinit {
        carrier.stop()
        thread.join()
    }

    /// Runs a tool on the host to its end. Also returns the most memory that it took, in kilobytes, as far as that was
    /// seen between packets; a tool that is still there after `seconds` is killed, which is a failure.
    func run(_ command: ToolCommand, seconds: Int64 = 20) throws -> (result: CommandResult, kilobytes: Int) {
        var child = try host.run { try command.start() }
        carrier.watch(child.processID)
        let result = try child.finish(seconds: seconds)
        return (result, carrier.peak)
    }

    /// Whom answers came from, so far.
    var sources: Set<IPAddress> { carrier.sources.withLock { $0 } }

    /// Hands the host a packet that nobody asked for.
    func inject(_ packet: [UInt8]) { carrier.inject(packet) }
}

/// Moves packets between the kernel and the simulation on a thread of its own.
private final class Carrier: @unchecked Sendable {
    private let device: TunDevice
    private var network: SimulatedNetwork
    private var liar: Liar
    private var poller: Poller
    private let isStopped = Atomic(false)
    private let watched = Atomic(Int32(0))
    private let peakSeen = Atomic(0)
    let sources = Mutex<Set<IPAddress>>([])

    init(_ device: consuming TunDevice, _ network: SimulatedNetwork, _ liar: Liar) throws {
        poller = try Poller()
        try poller.add(device, token: 0)
        self.device = device
        self.network = network
        self.liar = liar
    }

    var peak: Int { peakSeen.load(ordering: .relaxed) }

    func watch(_ processID: Int32) {
        peakSeen.store(0, ordering: .relaxed)
        watched.store(processID, ordering: .relaxed)
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    func inject(_ packet: [UInt8]) { try? device.write(packet.bytes) }

    func run() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !isStopped.load(ordering: .relaxed) {
            while let answer = network.receive(at: SystemClock.monotonic.now) { lie(answer) }
            guard (try? poller.wait(timeoutMilliseconds: Self.patience)) != nil else { return }
            while let count = try? device.read(into: &buffer) {
                let packet = Array(buffer[..<count])
                liar.request = packet
                network.send(packet, at: SystemClock.monotonic.now)
                // Each answer belongs to the request before it.
                while let answer = network.receive(at: SystemClock.monotonic.now) { lie(answer) }
            }
        }
    }

    private func lie(_ answer: [UInt8]) {
        for packet in liar.lies(about: answer) {
            // The kernel may refuse what is no packet at all.
            try? device.write(packet.bytes)
            if let source = source(of: packet) { sources.withLock { _ = $0.insert(source) } }
        }
        lookAtMemory()
    }

    private func source(of packet: [UInt8]) -> IPAddress? {
        let bytes = packet.bytes
        switch (packet.first ?? 0) >> 4 {
        case 4 where packet.count >= 20: return .v4(IPv4Address(rawValue: bytes.uint32(at: 12)))
        case 6 where packet.count >= 40: return .v6(IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16)))
        default: return nil
        }
    }

    private func lookAtMemory() {
        let processID = watched.load(ordering: .relaxed)
        guard processID > 0 else { return }
        for line in contents(of: "/proc/\(processID)/status").split(separator: "\n") where line.hasPrefix("VmHWM:") {
            let digits = line.filter(\.isNumber)
            peakSeen.max(Int(digits) ?? 0, ordering: .relaxed)
        }
    }

    /// How often it looks, in milliseconds, whether it shall stop and whether a late answer is due.
    private static let patience: Int32 = 5
}

/// A thread that runs a closure beside the test.
private final class BackgroundThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        let work = unsafe Unmanaged.passRetained(Work(body))
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        precondition(status == 0, "no thread could be started")
    }

    func join() { pthread_join(thread, nil) }
}

/// The beginning of a file, empty when it can't be read.
private func contents(of path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    let file = FileDescriptor(owning: descriptor)
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(file.rawDescriptor, $0.baseAddress, $0.count) }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
}
