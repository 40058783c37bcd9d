import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO

/// What a probe of a sweep costs.
///
///     sweep-cost engine [COUNT]                      the engine alone, and with the codec: no kernel
///     sweep-cost sweep PREFIX [max | RATE] [RETRIES] a sweep over raw sockets, one worker
@main
struct SweepCost {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        do {
            switch arguments.first {
            case "engine": try engine(count: arguments.dropFirst().first.flatMap(UInt32.init) ?? 1_000_000)
            case "sweep": try sweep(Array(arguments.dropFirst()))
            default: print("usage: sweep-cost engine [COUNT] | sweep PREFIX [max | RATE] [RETRIES]")
            }
        } catch {
            print("failed: \(error)")
            exit(2)
        }
    }

    // MARK: Without kernel

    static func engine(count: UInt32) throws {
        let first = IPv4Address(10, 0, 0, 1)
        let last = IPv4Address(rawValue: first.rawValue + count - 1)
        guard let range = IPAddressRange(first: .v4(first), last: .v4(last)) else { return }
        for run in 1...3 {
            for reports in [HostSweep.Reports.all, []] {
                var space = TargetSpace()
                try space.append(range)
                var configuration = HostSweep.Configuration(space)
                configuration.rate = nil
                configuration.reports = reports
                let told = reports.isEmpty ? "counted" : "told"
                let bare = drive(configuration, codec: nil)
                print("run \(run): engine, every answer \(told): \(bare / Double(count)) ns a probe")
                let identity = ProbeIdentity(identifier: 0x4d00, cookies: SipHash(k0: 1, k1: 2))
                let whole = drive(configuration, codec: ProbeCodec(identity: identity))
                print("run \(run): with write and match, \(told): \(whole / Double(count)) ns a probe")
            }
        }
    }

    /// Nanoseconds of processor time for a sweep whose probes are all answered, in batches of 64.
    static func drive(_ configuration: HostSweep.Configuration, codec: ProbeCodec?) -> Double {
        var sweep = HostSweep(configuration, start: Timestamp(nanoseconds: 0))
        var batch: [Transmit] = []
        var events: [HostSweepEvent] = []
        var told = 0
        var answer = [UInt8](repeating: 0, count: 84)
        var time: Int64 = 0
        let start = processorTime()
        while sweep.schedule != .finished {
            time += 100_000
            let now = Timestamp(nanoseconds: time)
            let stamp = Stamp(nanoseconds: time, clock: .user)
            sweep.advance(to: now)
            while let transmit = sweep.nextTransmit(at: now) { batch.append(transmit) }
            for transmit in batch { sweep.didSend(transmit.id, at: stamp) }
            let arrival = Stamp(nanoseconds: time + 50_000, clock: .kernel)
            let then = Timestamp(nanoseconds: time + 50_000)
            for transmit in batch {
                if let codec {
                    write(transmit, codec, &answer)
                    let source = Arrival(source: transmit.probe.destination, stamp: arrival, time: then)
                    if let response = codec.matchIPv4Packet(answer.bytes, source, latest: transmit.id) {
                        sweep.receive(response)
                    }
                } else {
                    sweep.receive(
                        Response(
                            probe: transmit.id, kind: .echoReply, responder: transmit.probe.destination, hopLimit: 64,
                            byteCount: 64, stamp: arrival, arrival: then))
                }
            }
            batch.removeAll(keepingCapacity: true)
            sweep.takeEvents(into: &events)
            told += events.count
            events.removeAll(keepingCapacity: true)
        }
        let cost = processorTime() - start
        let counters = sweep.counters
        guard counters.alive == counters.targets, counters.received == counters.transmitted else {
            print("wrong: \(counters)")
            exit(1)
        }
        return cost
    }

    /// Writes the probe and turns it into its answer where it lies.
    static func write(_ transmit: Transmit, _ codec: ProbeCodec, _ answer: inout [UInt8]) {
        guard
            let packet = try? [UInt8](
                capacity: 84,
                writing: { output throws(PacketError) in
                    try codec.write(transmit, source: nil, as: .ipPacket, to: &output)
                })
        else { return }
        answer = packet
        // From whom it went to, as an echo reply: each checksum is made right by what was taken away elsewhere.
        for octet in 0..<4 { answer.swapAt(12 + octet, 16 + octet) }
        answer[10] = 0
        answer[11] = 0
        let header = InternetChecksum.of(answer.bytes.extracting(0..<20))
        answer[10] = UInt8(header >> 8)
        answer[11] = UInt8(truncatingIfNeeded: header)
        answer[20] = 0
        let sum = UInt32(answer[22]) << 8 + UInt32(answer[23]) + 0x800
        let folded = sum & 0xffff + sum >> 16
        answer[22] = UInt8(folded >> 8)
        answer[23] = UInt8(truncatingIfNeeded: folded)
    }

    // MARK: Over the kernel

    static func sweep(_ arguments: [String]) throws {
        guard let prefix = arguments.first.flatMap({ IPPrefix($0) }) else {
            print("a sweep needs a prefix")
            exit(2)
        }
        var space = TargetSpace()
        try space.append(prefix)
        var configuration = HostSweep.Configuration(space)
        configuration.rate = arguments.count > 1 ? Double(arguments[1]) : nil
        configuration.retries = arguments.count > 2 ? Int(arguments[2]) ?? 0 : 0
        var request = TransportRequest(method: .icmpEcho)
        request.versions = [prefix.first.version]
        request.wantsKernelStamps = false
        let selection = try TransportSelection.open(request, identity: try .random())
        let rung = selection.transport.rung
        let signals = try SignalDescriptor([])
        let nobody = try SignalDescriptor([])
        let start = ProbeLoop<HostSweep>.now
        let before = processorTime()
        var loop = try ProbeLoop(HostSweep(configuration, start: start), over: selection.take())
        var alive = 0
        try loop.run(
            signals: signals, other: nobody,
            onEvent: { event, _ in if case .alive = event { alive += 1 } },
            onSignal: { _, sweep in sweep.stop(at: ProbeLoop<HostSweep>.now) },
            onOther: { _ in }, afterBatch: { true })
        let wall = Double((ProbeLoop<HostSweep>.now - start).nanoseconds)
        let cost = processorTime() - before
        let counters = loop.measurement.counters
        let sent = Double(counters.transmitted)
        print("\(rung): \(counters.alive) of \(counters.targets) alive, \(counters.unreachable) unreachable")
        print(
            "transmitted \(counters.transmitted) received \(counters.received) late \(counters.late)", terminator: " ")
        print("retried \(counters.retried) repeated \(counters.repeated) dropped here \(counters.droppedHere)")
        print("\(Int(sent / wall * 1e9)) probes a second, \(Int(cost / sent)) ns of processor a probe")
    }

    static func processorTime() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }
}
