import LinuxSockets
import PacketFormats
import ProbeIO
import ProbeReports

/// Serves until SIGINT or SIGTERM, then prints what was done.
func serve(_ configuration: ServeConfiguration, _ output: inout OutputWriter) -> Int32 {
    var service: EchoService
    do {
        try ProcessRights.reduce(to: .netBindService)
        service = try EchoService(
            addresses: configuration.addresses, port: configuration.port, configuration: configuration.server,
            signals: [.interrupt, .terminate, .quit])
    } catch {
        complain("\(error)")
        return ExitStatus.failure
    }
    guard dropRights() else { return ExitStatus.failure }
    for (address, failure) in service.missing { complain("not serving \(address): \(failure)") }
    let report = ServeReport(isQuiet: configuration.isQuiet, isJSON: configuration.isJSON)
    report.write(listening: service.addresses, to: &output)
    while output.flush() {
        let signal: Signal?
        do throws(Errno) {
            signal = try service.wait()
        } catch {
            complain("cannot wait for datagrams: \(error)")
            return ExitStatus.failure
        }
        while let event = service.nextEvent() { report.write(event, to: &output) }
        if let signal { report.write(service.counters, isLast: signal != .quit, to: &output) }
        if signal == .interrupt || signal == .terminate { return ExitStatus.success }
    }
    // What standard output refused is reported by the caller.
    return ExitStatus.failure
}

/// The server's lines, for people or as JSON.
private struct ServeReport {
    var isQuiet: Bool
    var isJSON: Bool

    func write(listening addresses: [SocketAddress], to output: inout OutputWriter) {
        guard !isQuiet else { return }
        if isJSON {
            for address in addresses {
                output.write(JSONLine(type: "listening", target: nil, address: address) { _ in })
            }
        } else {
            output.write("Listening on \(addresses.map(\.description).joined(separator: " and "))\n")
        }
    }

    func write(_ event: EchoServer.Event, to output: inout OutputWriter) {
        guard !isQuiet else { return }
        switch event {
        case .newClient(let address, let port):
            let client = SocketAddress(address, port: port)
            if isJSON {
                output.write(JSONLine(type: "client", target: nil, address: client) { _ in })
            } else {
                output.write("Handling client \(client)\n")
            }
        case .furtherClientsUnnamed:
            if isJSON {
                output.write(JSONLine(type: "further_clients_unnamed", target: nil, address: nil) { _ in })
            } else {
                output.write("Handling further clients, which are not listed\n")
            }
        }
    }

    func write(_ counters: EchoServer.Counters, isLast: Bool, to output: inout OutputWriter) {
        if isJSON {
            output.write(
                JSONLine(type: isLast ? "summary" : "interim", target: nil, address: nil) { line in
                    line.add("received", counters.received)
                    line.add("echoed", counters.echoed)
                    for (name, _, count) in Self.others(counters) { line.add(name, count) }
                    line.add("clients_named", counters.namedClients)
                })
            return
        }
        output.write("--- swecho statistics ---\n")
        output.write("\(counters.received) datagrams received, \(counters.echoed) echoed\n")
        let others = Self.others(counters).filter { $0.count > 0 }.map { "\($0.count) \($0.words)" }
        if !others.isEmpty { output.write("not echoed: \(others.joined(separator: ", "))\n") }
    }

    private static func others(
        _ counters: EchoServer.Counters
    ) -> [(name: String, words: String, count: UInt64)] {
        [
            ("refused_loop", "from a port that answers", counters.refusedLoop),
            ("refused_source", "from no host", counters.refusedSource),
            ("refused_destination", "to a broadcast or multicast address", counters.refusedDestination),
            ("rate_limited", "over the rate", counters.rateLimited),
            ("truncated", "truncated", counters.truncated),
            ("send_failures", "not sent", counters.sendFailures),
            ("dropped_here", "dropped here unseen", counters.droppedHere),
        ]
    }
}
