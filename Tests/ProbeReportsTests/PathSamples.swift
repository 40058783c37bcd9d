import PacketFormats
import ProbeReports

@testable import ProbeEngine

/// A whole run in which a router answers with the first hop limit, and the destination with every other one.
func run(of configuration: PathTrace.Configuration, findings: [PathFinding] = []) -> PathRun {
    var group = PathTraceGroup([PathTraceGroup.Configuration(configuration)])
    var now = Timestamp(nanoseconds: 1_000)
    let version = configuration.destination.version
    while group.schedule != .finished {
        while let transmit = group.nextTransmit(at: now) {
            group.didSend(transmit.id, at: Stamp(nanoseconds: now.nanoseconds, clock: .user))
            let isFar = transmit.probe.hopLimit > 1
            now = now + .milliseconds(1)
            group.receive(
                Response(
                    probe: transmit.id,
                    kind: .icmpError(
                        type: isFar ? .destinationUnreachable(version) : .timeExceeded(version),
                        code: isFar ? (version == .v4 ? 3 : 4) : 0, info: 0),
                    responder: isFar ? configuration.destination : address("10.77.1.2"),
                    quotedDestination: configuration.destination, hopLimit: 63, byteCount: 68,
                    stamp: Stamp(nanoseconds: now.nanoseconds, clock: .user), arrival: now))
        }
        now = now + .milliseconds(1)
        group.advance(to: now)
        while group.nextEvent() != nil {}
    }
    return PathRun(group.members[0], findings: findings, elapsed: .milliseconds(5), time: 2_000_000_000)
}

/// A run with these rows, in which the destination answered at `lastHop`, if anywhere.
func run(_ hops: [PathHop], lastHop: Int?) -> PathRun {
    var configuration = PathTrace.Configuration(destination: address("10.9.9.9"))
    configuration.maximumHop = 0
    var run = run(of: configuration)
    run.hops = hops
    run.lastHop = lastHop
    run.isReached = lastHop != nil
    return run
}
