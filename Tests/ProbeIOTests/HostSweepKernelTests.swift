import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import TestSupport
import Testing

/// Sweeps over the real kernel, as fast as they go: nothing may be lost that was not lost on the way.
@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"), .serialized)
struct HostSweepKernelTests {
    @Test("Every address of a loopback network is alive, by one probe", arguments: Rung.echoing)
    func loopback(rung: Rung) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].set("net.ipv4.ping_group_range", "0 0")
        // Of port unreachable the kernel would send few.
        try lab["a"].set("net.ipv4.icmp_ratemask", "0")
        let counters = try lab["a"].run {
            try sweep("127.0.16.0/20", rung) { configuration in
                configuration.rate = nil
                configuration.retries = rung == .udp ? 2 : 0
                configuration.timeout = .seconds(2)
            }
        }
        #expect(counters.alive == 4_094 && counters.targets == 4_094 && counters.remaining == 0)
        #expect(counters.duplicates == 0 && counters.corrupted == 0 && counters.wrongSource == 0)
    }

    @Test("Who is behind a link and who is not", arguments: [nil, 2_000] as [Double?])
    func link(rate: Double?) throws {
        let lab = try NamespaceLab("a", "b")
        try lab.link("a", "b", "10.0.1", "fd00:1")
        try lab["a"].addDefaultRoute(via: "b")
        try lab["b"].exec("ip", "route", "add", "local", "10.1.0.0/22", "dev", "lo")
        try lab["b"].exec("ip", "route", "add", "blackhole", "10.1.4.0/22")
        try lab["b"].set("net.ipv4.ip_forward", "1")
        let counters = try lab["a"].run {
            try sweep("10.1.0.0/21", .raw) { configuration in
                configuration.rate = rate
                configuration.timeout = .milliseconds(300)
            }
        }
        #expect(counters.alive == 1_023 && counters.unreachable == 1_023)
        #expect(counters.transmitted == counters.alive + 2 * counters.unreachable)
        #expect(counters.retried == counters.unreachable)
    }

    @Test("Of many IPv6 targets each has its answer, whoever writes the header", arguments: [false, true])
    func headersOfIPv6(hasManyDestinations: Bool) throws {
        let lab = try NamespaceLab("a")
        try lab["a"].exec("ip", "-6", "route", "add", "local", "fd00:9::/64", "dev", "lo")
        let tap = HeaderTap()
        let counters = try lab["a"].run {
            try sweep("fd00:9::/118", .raw, .v6, hasManyDestinations: hasManyDestinations, tap: tap) { configuration in
                configuration.rate = nil
                configuration.retries = 0
                configuration.timeout = .seconds(2)
                configuration.hopLimit = 37
            }
        }
        #expect(counters.alive == 1_024 && counters.remaining == 0)
        #expect(counters.duplicates == 0 && counters.corrupted == 0 && counters.wrongSource == 0)
        #expect(tap.kernelHeaders == (hasManyDestinations ? 1_024 : 0))
        #expect(tap.ownHeaders == (hasManyDestinations ? 0 : 1_024))
    }

    private func sweep(
        _ text: String, _ rung: Rung, _ version: IPVersion = .v4, hasManyDestinations: Bool = false,
        tap: HeaderTap? = nil, _ configure: (inout HostSweep.Configuration) -> Void
    ) throws -> HostSweep.Counters {
        var space = TargetSpace()
        try space.append(try #require(IPPrefix(text)))
        var configuration = HostSweep.Configuration(space)
        configure(&configuration)
        var request = TransportRequest(method: .icmpEcho)
        request.versions = [version]
        request.hasManyDestinations = hasManyDestinations
        request.highestRung = rung
        request.fallback = .udp(destinationPort: 33_434)
        request.wantsKernelStamps = false
        let selection = try TransportSelection.open(request, identity: try .random())
        #expect(selection.transport.rung == rung)
        configuration.method = selection.transport.method
        var transport = selection.take()
        if let tap { try transport.attach(tap) }
        var loop = try ProbeLoop(HostSweep(configuration, start: ProbeLoop<HostSweep>.now), over: transport)
        let signals = try SignalDescriptor([])
        let nothing = try WakeDescriptor()
        var alive: UInt64 = 0
        try loop.run(
            signals: signals, other: nothing,
            onEvent: { event, _ in if case .alive = event { alive += 1 } },
            onSignal: { _, _ in }, onOther: { _ in }, afterBatch: { true })
        #expect(alive == loop.measurement.counters.alive)
        return loop.measurement.counters
    }
}

/// Counts who wrote the IP headers of what was sent.
private final class HeaderTap: PacketTap {
    private(set) var kernelHeaders = 0
    private(set) var ownHeaders = 0

    func sent(_ packet: TappedPacket, _ bytes: RawSpan, probe: ProbeID) {
        if packet.envelope == nil { ownHeaders += 1 } else { kernelHeaders += 1 }
    }

    func stamped(_ probe: ProbeID, at time: Int64) {}

    func received(_ packet: TappedPacket, _ bytes: RawSpan) {}
}
