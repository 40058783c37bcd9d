import PacketFormats
import ProbeReports

@testable import ProbeEngine

/// An answer of a sweep; nanoseconds.
func hostAnswer(
    _ text: String = "192.0.2.1", from responder: String? = nil, as disposition: EchoReply.Disposition = .inTime,
    kind: EchoReply.Kind = .echo, attempt: Int = 0, roundTrip: Int64 = 312_000, hopLimit: UInt8? = 63,
    arrival: Int64 = 7, detail: ResponseDetail? = nil
) -> HostAnswer {
    HostAnswer(
        target: 0, address: address(text), responder: address(responder ?? text), kind: kind, disposition: disposition,
        attempt: attempt, roundTrip: TimeSpan(nanoseconds: roundTrip), clock: .mixed, hopLimit: hopLimit,
        trafficClass: hopLimit.map { _ in 0 }, byteCount: 64, arrival: Timestamp(nanoseconds: arrival), detail: detail,
        probe: ProbeID(rawValue: 1))
}

func hostError(
    _ type: ICMPType = ICMPType.V4.destinationUnreachable, _ code: UInt8 = 1,
    about text: String = "192.0.2.7", from responder: String = "192.0.2.254", info: UInt32 = 0, attempt: Int = 0,
    isConclusive: Bool = true, objects: [ICMPExtensionObject] = []
) -> HostError {
    HostError(
        target: 0, address: address(text), attempt: attempt, type: type, code: code, info: info,
        responder: address(responder), hopLimit: 64, roundTrip: .microseconds(51), clock: .mixed,
        detail: objects.isEmpty ? nil : ResponseDetail(quoted: nil, extensions: ICMPExtensions(objects: objects)),
        arrival: Timestamp(nanoseconds: 7), isConclusive: isConclusive)
}

func hostSilence(
    _ text: String = "192.0.2.7", attempt: Int = 1, error: HostError? = nil, failure: SendFailure? = nil
) -> HostSilence {
    HostSilence(
        target: 0, address: address(text), attempt: attempt, error: error, failure: failure,
        time: Timestamp(nanoseconds: 7))
}

func hostRefusal(_ text: String = "192.0.2.7") -> HostRefusal {
    HostRefusal(target: 0, address: address(text), failure: networkUnreachable, time: Timestamp(nanoseconds: 7))
}

let networkUnreachable = SendFailure.failed(code: 101, name: "ENETUNREACH")

/// Whatever a `HostSweep` can tell.
let everyHostEvent: [HostSweepEvent] =
    [
        .alive(hostAnswer()), .alive(hostAnswer("2001:db8::1", attempt: 255)),
        .alive(hostAnswer(as: .late, attempt: 1)), .alive(hostAnswer(kind: .portUnreachable, hopLimit: nil)),
        .alive(hostAnswer(kind: .datagram)), .alive(hostAnswer(kind: .timestamp)),
        .alive(hostAnswer("ff02::1%3", from: "fe80::1%3")),
        .alive(hostAnswer(detail: ResponseDetail(ipv4Options: [.noOperation]))),
        .late(hostAnswer(as: .late)), .duplicate(hostAnswer(as: .duplicate)),
        .wrongSource(hostAnswer(from: "192.0.2.2", as: .wrongSource)),
        .unreachable(hostSilence()), .unreachable(hostSilence("2001:db8::7", attempt: 0)),
        .unreachable(hostSilence(error: hostError())),
        .unreachable(hostSilence(error: hostError(ICMPType.V4.destinationUnreachable, 4, info: 1400))),
        .unreachable(hostSilence(failure: networkUnreachable)), .unreachable(hostSilence(failure: .retryLater)),
        .unasked(hostRefusal()), .error(hostError()),
        .error(hostError(ICMPType.V4.redirect, 1, info: 0x0a5b_0109, isConclusive: false)),
        .error(hostError(ICMPType.V4.timeExceeded, 0, objects: everyObject)),
        .error(hostError(ICMPType.V6.packetTooBig, 0, about: "2001:db8::7", from: "2001:db8::fe", info: 1280)),
    ]
    + [
        .wrongChecksum, .intact, .wrongOctet(offset: 30, expected: 0x1e, found: 0xe1),
        .wrongLength(sent: 56, received: 48),
    ].map { .corrupted(hostAnswer(as: .corrupted($0))) }

/// What 10 targets came to, of which 6 answered, in these nanoseconds.
func sweepRun(
    _ roundTrips: [Int64] = [100_000, 200_000, 300_000, 400_000, 500_000, 600_000], withPercentiles: Bool = true,
    _ change: (inout SweepRun) -> Void = { _ in }
) -> SweepRun {
    var counters = HostSweep.Counters()
    counters.targets = 10
    counters.alive = UInt64(roundTrips.count)
    counters.unreachable = UInt64(max(0, 10 - roundTrips.count))
    counters.received = counters.alive
    counters.retried = counters.unreachable
    counters.transmitted = 10 + counters.retried
    var trips = RoundTripStatistics(withPercentiles: withPercentiles)
    for roundTrip in roundTrips { trips.record(TimeSpan(nanoseconds: roundTrip)) }
    var run = SweepRun(counters, roundTrips: trips, elapsed: .seconds(2), sending: .milliseconds(14), time: 0)
    change(&run)
    return run
}

/// The text that hostile people would send as a name.
let hostileName = SafeText(name: "a\",=\u{1b}[2J\r\n\\ \u{202e}b")
