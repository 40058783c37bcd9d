import PacketFormats
import ProbeReports

@testable import ProbeEngine

/// What the buffer holds after `write`.
func written(_ write: (inout ReportBuffer) -> Void) -> String {
    var buffer = ReportBuffer()
    write(&buffer)
    return String(decoding: buffer.bytes, as: UTF8.self)
}

func address(_ text: String) -> IPAddress {
    guard let address = IPAddress(text) else { preconditionFailure("no address: \(text)") }
    return address
}

func target(_ name: String, _ text: String) -> ReportTarget {
    ReportTarget(name: SafeText(name: name), address: address(text))
}

/// A reply as events bring it; nanoseconds.
func reply(
    from responder: String = "10.91.2.2", target: Int = 0, sequence: UInt32 = 1, kind: EchoReply.Kind = .echo,
    _ disposition: EchoReply.Disposition = .inTime, bytes: Int = 64, hopLimit: UInt8? = 63, roundTrip: Int64 = 127_000,
    clock: Stamp.Clock = .kernel, userRoundTrip: Int64 = 200_000, arrival: Int64 = 0,
    detail: ResponseDetail? = nil, probe: UInt64 = 1
) -> EchoEvent {
    .reply(
        EchoReply(
            target: target, sequence: sequence, kind: kind, disposition: disposition, responder: address(responder),
            hopLimit: hopLimit, trafficClass: 0, byteCount: bytes, roundTrip: TimeSpan(nanoseconds: roundTrip),
            clock: clock, userRoundTrip: TimeSpan(nanoseconds: userRoundTrip),
            arrival: Timestamp(nanoseconds: arrival), detail: detail, probe: ProbeID(rawValue: probe)))
}

func change(_ field: EchoChange.Field, from: UInt8, to: UInt8, target: Int = 0) -> EchoEvent {
    .changed(
        EchoChange(
            target: target, sequence: 12, field: field, from: from, to: to, arrival: Timestamp(nanoseconds: 0)))
}

/// Five probes at one a second.
func outage(target: Int = 0, isOpen: Bool = false) -> EchoOutage {
    EchoOutage(
        target: target, firstSequence: 10, lastSequence: 14, lost: 5, start: Timestamp(nanoseconds: 9_000_000_000),
        end: Timestamp(nanoseconds: 14_002_000_000), isOpen: isOpen)
}

/// An interval of ten seconds in which these round trips were received, in nanoseconds.
func interval(_ roundTrips: [Int64], target: Int = 0, transmitted: UInt64 = 10, lost: Int64 = 0) -> EchoEvent {
    var trips = RoundTripStatistics(withPercentiles: true)
    for roundTrip in roundTrips { trips.record(TimeSpan(nanoseconds: roundTrip)) }
    return .interval(
        EchoInterval(
            target: target, index: 3, start: Timestamp(nanoseconds: 20_000_000_000),
            end: Timestamp(nanoseconds: 30_000_000_000), transmitted: transmitted,
            received: UInt64(roundTrips.count), late: 0, lost: lost, inFlight: 0, errors: 0, duplicates: 0,
            corrupted: 0, wrongSource: 0, reordered: 0, unsent: 0, roundTrips: trips))
}

func echoError(
    from responder: String, _ type: ICMPType, _ code: UInt8, info: UInt32 = 0, sequence: UInt32 = 1,
    isConclusive: Bool = true, objects: [ICMPExtensionObject] = []
) -> EchoEvent {
    .error(
        EchoError(
            target: 0, sequence: sequence, type: type, code: code, info: info, responder: address(responder),
            hopLimit: 64, roundTrip: TimeSpan(nanoseconds: 51_000), clock: .kernel,
            detail: objects.isEmpty
                ? nil : ResponseDetail(quoted: nil, extensions: ICMPExtensions(objects: objects)),
            arrival: Timestamp(nanoseconds: 0), isConclusive: isConclusive))
}

func stray(_ kind: Response.Kind) -> EchoEvent {
    .unsolicited(
        EchoStray(
            kind: kind, responder: address("10.91.1.9"), byteCount: 64, count: 3, arrival: Timestamp(nanoseconds: 0)))
}

/// Counts as if these round trips had been received in time, in nanoseconds.
func statistics(
    _ roundTrips: [Int64], transmitted: UInt64? = nil, withPercentiles: Bool = true,
    _ change: (inout EchoStatistics) -> Void = { _ in }
) -> EchoStatistics {
    var statistics = EchoStatistics(withPercentiles: withPercentiles)
    statistics.transmitted = transmitted ?? UInt64(roundTrips.count)
    for (roundTrip, sequence) in zip(roundTrips, 1...) {
        statistics.noteReceived(TimeSpan(nanoseconds: roundTrip))
        statistics.noteOutcome(
            .answered(TimeSpan(nanoseconds: roundTrip)), of: UInt32(sequence), sentAt: Timestamp(nanoseconds: 0))
    }
    change(&statistics)
    return statistics
}

/// Counts of probes sent every second, answered after a millisecond (`.`), after three seconds (`l`) or never (`x`).
func statistics(fates: String) -> EchoStatistics {
    var statistics = EchoStatistics(withPercentiles: true, interval: .seconds(1))
    for (fate, sequence) in zip(fates, UInt32(1)...) {
        let sentAt = Timestamp(nanoseconds: Int64(sequence) * 1_000_000_000)
        statistics.transmitted += 1
        statistics.noteSent(sequence, at: sentAt)
        switch fate {
        case ".":
            statistics.noteReceived(.milliseconds(1))
            statistics.noteHostDelay(.microseconds(Int64(sequence) * 10))
            statistics.noteOutcome(.answered(.milliseconds(1)), of: sequence, sentAt: sentAt)
        case "l":
            statistics.late += 1
            statistics.noteLate(.seconds(3))
            statistics.noteOutcome(.late, of: sequence, sentAt: sentAt)
        default: statistics.noteOutcome(.lost, of: sequence, sentAt: sentAt)
        }
    }
    return statistics
}

func answer(
    _ responder: String, _ roundTrip: Int64, _ kind: PathAnswer.Kind = .timeExceeded,
    flags: TCPHeader.Flags? = nil, objects: [ICMPExtensionObject] = [], hopLimit: UInt8? = 62
) -> PathAnswer {
    PathAnswer(
        kind: kind, responder: address(responder), roundTrip: TimeSpan(nanoseconds: roundTrip), clock: .kernel,
        hopLimit: hopLimit, byteCount: 68, flags: flags,
        detail: objects.isEmpty ? nil : ResponseDetail(quoted: nil, extensions: ICMPExtensions(objects: objects)),
        probe: Probe(destination: .v4(IPv4Address(192, 0, 2, 1)), method: .udp(destinationPort: 33_434), hopLimit: 3),
        sentAt: Timestamp(nanoseconds: 0))
}

/// One object of each class, with a name that wants to write to the terminal.
let everyObject: [ICMPExtensionObject] = [
    .mpls([
        MPLSLabel(label: 16_004, isBottomOfStack: false, timeToLive: 1),
        MPLSLabel(label: 3, trafficClass: 5, isBottomOfStack: true, timeToLive: 255),
    ]),
    .interface(
        InterfaceInformation(
            role: .incoming, index: 7, address: address("192.0.2.9"), name: Array("ge\u{1b}0".utf8) + [0xff],
            mtu: 1500)),
    .unknown(classNumber: 9, cType: 2, payload: [0x00, 0xab, 0x10]),
]
