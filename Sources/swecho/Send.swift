import Glibc
import LinuxSockets
import PacketFormats
import ProbeIO
import ProbeReports

/// Sends the message to the first address of the host that takes it, and prints what comes back.
func send(_ configuration: SendConfiguration, _ output: inout OutputWriter) -> Int32 {
    do throws(Errno) {
        try ProcessRights.reduce(to: [])
    } catch {
        complain("cannot give up its rights: \(error)")
        return ExitStatus.failure
    }
    guard dropRights() else { return ExitStatus.failure }
    guard let message = message(configuration) else { return ExitStatus.failure }
    let addresses: [IPAddress]
    do throws(ResolveError) {
        addresses = try Resolver.resolve(configuration.host, family: configuration.family)
    } catch {
        complain(SafeText(error.description, limit: 400).description)
        return ExitStatus.failure
    }
    for (index, address) in addresses.enumerated() {
        // As the kernel does with the address that means this host (RFC 1122 section 3.2.1.3).
        let destination = address.isUnspecified ? (address.version == .v4 ? .v4(.loopback) : .v6(.loopback)) : address
        let maximum = destination.version == .v4 ? maximumMessageV4 : maximumMessageV6
        guard message.count <= maximum else {
            complain("the message has \(message.count) bytes, a datagram to \(destination) holds \(maximum)")
            return ExitStatus.failure
        }
        let exchange = EchoExchange(
            to: SocketAddress(destination, port: configuration.port), message: message,
            configuration: configuration.exchange)
        var report = SendReport(configuration, exchange)
        report.writeStart(to: &output)
        let status = run(exchange, &report, &output)
        // Nothing went out to this address: perhaps there is a route to the next one.
        if report.wasSent || index == addresses.count - 1 || !output.flush() { return status }
    }
    return ExitStatus.failure
}

private func run(_ exchange: EchoExchange, _ report: inout SendReport, _ output: inout OutputWriter) -> Int32 {
    do throws(Errno) {
        var client = try EchoClient(exchange)
        while true {
            try client.wait()
            while let event = client.nextEvent() { report.write(event, to: &output) }
            if client.exchange.isFinished { break }
            guard output.flush() else { return ExitStatus.failure }
        }
        report.writeSummary(sends: client.exchange.sends, to: &output)
        return report.status
    } catch {
        complain("no UDP socket: \(error)")
        return ExitStatus.failure
    }
}

/// The message of the command line, or all of standard input; nil, and a line that says why, when there is none.
private func message(_ configuration: SendConfiguration) -> [UInt8]? {
    if let message = configuration.message { return Array(message.utf8) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= maximumMessageV6 {
        let count = unsafe read(STDIN_FILENO, &buffer, buffer.count)
        if count == 0 { return bytes }
        if count > 0 {
            bytes += buffer.prefix(count)
        } else if errno != EINTR {
            complain("standard input: \(Errno(rawValue: errno))")
            return nil
        }
    }
    complain("standard input has more than \(maximumMessageV6) bytes, which no datagram holds")
    return nil
}

/// The client's lines, for people or as JSON, and what they mean for the exit status.
private struct SendReport {
    private(set) var status = ExitStatus.noAnswer
    private(set) var wasSent = true

    private let configuration: SendConfiguration
    private let destination: SocketAddress
    private let message: [UInt8]
    private var counts = (received: 0, corrupted: 0, unknownSource: 0, errors: 0)

    init(_ configuration: SendConfiguration, _ exchange: EchoExchange) {
        self.configuration = configuration
        destination = exchange.destination
        message = exchange.message
    }

    func writeStart(to output: inout OutputWriter) {
        guard configuration.isVerbose, !configuration.isJSON else { return }
        output.write("Sending \(message.count) bytes to \(name)\n")
    }

    mutating func write(_ event: EchoExchange.Event, to output: inout OutputWriter) {
        count(event)
        if configuration.isJSON {
            output.write(json(event))
        } else {
            writeText(event, to: &output)
        }
    }

    func writeSummary(sends: Int, to output: inout OutputWriter) {
        guard configuration.isJSON else { return }
        output.write(
            JSONLine(type: "summary", target: configuration.host, address: destination) { line in
                line.add("transmitted", sends)
                line.add("received", counts.received)
                line.add("corrupted", counts.corrupted)
                line.add("unknown_source", counts.unknownSource)
                line.add("errors", counts.errors)
            })
    }

    private mutating func count(_ event: EchoExchange.Event) {
        switch event {
        case .reply:
            counts.received += 1
            status = ExitStatus.success
        case .corrupted: counts.corrupted += 1
        case .unknownSource: counts.unknownSource += 1
        case .networkError: counts.errors += 1
        case .notSent:
            status = ExitStatus.failure
            wasSent = false
        case .furtherSourcesUnnamed, .timedOut: break
        }
    }

    private func writeText(_ event: EchoExchange.Event, to output: inout OutputWriter) {
        switch event {
        case .reply(let time, let sends):
            output.write("Received: \(SafeText(message))\n")
            guard configuration.isVerbose else { return }
            output.write("\(message.count) bytes from \(destination): \(Self.text(time, sends))\n")
        case .corrupted(let bytes):
            complain("\(destination) answered something else: \(difference(bytes)): \(SafeText(bytes, limit: 64))")
        case .unknownSource(let source): complain("received a packet from unknown source \(source)")
        case .furtherSourcesUnnamed: complain("further packets from unknown sources are not listed")
        case .networkError(let error):
            let reporter = error.reporter.map { ", says \($0)" } ?? ""
            complain("\(name): \(Self.words(error))\(reporter)")
        case .notSent(let failure): complain("\(name): not sent: \(failure)")
        case .timedOut(let sends):
            complain("\(name): no answer to \(sends == 1 ? "one message" : "\(sends) messages")")
        }
    }

    private func json(_ event: EchoExchange.Event) -> JSONLine {
        let source: SocketAddress = if case .unknownSource(let source) = event { source } else { destination }
        return JSONLine(type: Self.type(event), target: configuration.host, address: source) { line in
            switch event {
            case .reply(let time, let sends):
                line.add("bytes", message.count)
                if sends == 1 { line.add("rtt_ns", time.upperBound) } else { line.addNull("rtt_ns") }
                line.add("rtt_min_ns", time.lowerBound)
                line.add("rtt_max_ns", time.upperBound)
                line.add("clock", "user")
                line.add("sends", sends)
                line.add("text", SafeText(message))
            case .corrupted(let bytes):
                line.add("bytes", bytes.count)
                line.add("text", SafeText(bytes))
            case .networkError(let error):
                line.add("icmp_type", error.type.rawValue)
                line.add("icmp_code", error.code)
                line.add("text", Self.words(error))
                if let reporter = error.reporter {
                    line.add("responder", reporter.description)
                } else {
                    line.addNull("responder")
                }
                line.add("final", error.isFinal)
            case .notSent(let failure): line.add("errno", failure.name)
            case .timedOut(let sends): line.add("sends", sends)
            case .unknownSource, .furtherSourcesUnnamed: break
            }
        }
    }

    /// The host as it was given, and the address where that is something else.
    private var name: String {
        guard configuration.host != destination.ipAddress?.description else { return destination.description }
        return "\(SafeText(name: configuration.host)) (\(destination))"
    }

    private func difference(_ bytes: [UInt8]) -> String {
        guard bytes.count == message.count else { return "\(bytes.count) bytes instead of \(message.count)" }
        let place = zip(bytes, message).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
        return "\(bytes.count) bytes, different from byte \(place) on"
    }

    private static func type(_ event: EchoExchange.Event) -> String {
        switch event {
        case .reply: "reply"
        case .corrupted: "corrupted"
        case .unknownSource: "unknown_source"
        case .furtherSourcesUnnamed: "further_sources_unnamed"
        case .networkError: "error"
        case .notSent: "not_sent"
        case .timedOut: "timeout"
        }
    }

    private static func text(_ time: ClosedRange<Int64>, _ sends: Int) -> String {
        guard sends > 1 else { return "time=\(milliseconds(time.upperBound)) ms" }
        return "time between \(milliseconds(time.lowerBound)) and \(milliseconds(time.upperBound)) ms, "
            + "one of \(sends) sends was answered"
    }

    /// Milliseconds with three decimals, rounded.
    private static func milliseconds(_ nanoseconds: Int64) -> String {
        let microseconds = (nanoseconds + 500) / 1000
        let decimals = String(microseconds % 1000)
        return "\(microseconds / 1000)." + String(repeating: "0", count: 3 - decimals.count) + decimals
    }

    /// RFC 792 and RFC 1812 section 5.2.7.1; RFC 4443 section 3.
    private static func words(_ error: EchoExchange.NetworkError) -> String {
        switch (error.version, error.type, error.code) {
        case (.v4, ICMPType.V4.destinationUnreachable, 0), (.v6, ICMPType.V6.destinationUnreachable, 0):
            "network unreachable"
        case (.v4, ICMPType.V4.destinationUnreachable, 1), (.v6, ICMPType.V6.destinationUnreachable, 3):
            "host unreachable"
        case (.v4, ICMPType.V4.destinationUnreachable, 2): "protocol unreachable"
        case (.v4, ICMPType.V4.destinationUnreachable, 3), (.v6, ICMPType.V6.destinationUnreachable, 4):
            "port unreachable"
        case (.v4, ICMPType.V4.destinationUnreachable, ICMPHeader.fragmentationNeeded),
            (.v6, ICMPType.V6.packetTooBig, _):
            "packet too big"
        case (.v4, ICMPType.V4.destinationUnreachable, 9...10), (.v4, ICMPType.V4.destinationUnreachable, 13),
            (.v6, ICMPType.V6.destinationUnreachable, 1):
            "administratively prohibited"
        case (.v4, ICMPType.V4.timeExceeded, _), (.v6, ICMPType.V6.timeExceeded, _): "time exceeded"
        case (.v4, ICMPType.V4.parameterProblem, _), (.v6, ICMPType.V6.parameterProblem, _): "parameter problem"
        default: "ICMP type \(error.type.rawValue) code \(error.code)"
        }
    }
}

private let maximumMessageV4 = 65_507
private let maximumMessageV6 = 65_527
